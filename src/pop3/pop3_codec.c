/* Lines of the server taken apart. */
#include "pop3/pop3_codec.h"

int pop3_line(struct span input, size_t max, struct span *line_out, size_t *used_out)
{
	const size_t end = span_find(span_sub(input, 0, max), '\n');

	if (end == SIZE_MAX)
		return input.len < max ? 0 : -1;
	*used_out = end + 1;
	*line_out = span_sub(input, 0, end > 0 && input.data[end - 1] == '\r' ? end - 1 : end);
	return 1;
}

bool pop3_word(struct span *rest, struct span *word_out)
{
	size_t start = 0, end;

	while (start < rest->len && (rest->data[start] == ' ' || rest->data[start] == '\t'))
		start++;
	end = start;
	while (end < rest->len && rest->data[end] != ' ' && rest->data[end] != '\t')
		end++;
	*word_out = span_sub(*rest, start, end - start);
	*rest = span_from(*rest, end);
	return end > start;
}

/* "[SYS/TEMP] text": codes of a level we do not know stand for the level above (RFC 2449 §8). */
static enum pop3_code code_take(struct span *text)
{
	static const struct {
		const char *name;
		enum pop3_code code;
	} codes[] = {
		{ "IN-USE", POP3_CODE_IN_USE },
		{ "LOGIN-DELAY", POP3_CODE_LOGIN_DELAY },
		{ "AUTH", POP3_CODE_AUTH },
		{ "SYS/TEMP", POP3_CODE_SYS_TEMP },
		{ "SYS/PERM", POP3_CODE_SYS_PERM },
	};
	const size_t end = span_find(*text, ']');

	if (!span_starts(*text, SPAN("[")) || end == SIZE_MAX)
		return POP3_CODE_NONE;
	const struct span name = span_sub(*text, 1, end - 1);
	*text = span_trim(span_from(*text, end + 1));
	for (size_t i = 0; i < countof(codes); i++) {
		const struct span known = span_of(codes[i].name);

		if (span_equal_nocase(name, known) ||
			(span_starts_nocase(name, known) && name.data[known.len] == '/'))
			return codes[i].code;
	}
	return POP3_CODE_OTHER;
}

int pop3_reply_parse(struct span line, struct pop3_reply *out)
{
	struct span rest = line, word;

	*out = (struct pop3_reply){ .status = POP3_OK };
	if (span_starts(line, SPAN(" ")) || !pop3_word(&rest, &word))
		return -1;
	if (span_equal_nocase(word, SPAN("-ERR")))
		out->status = POP3_ERR;
	else if (span_equal(word, SPAN("+")))
		out->status = POP3_CONTINUE;
	else if (!span_equal_nocase(word, SPAN("+OK")))
		return -1;
	out->text = span_trim(rest);
	if (out->status == POP3_ERR)
		out->code = code_take(&out->text);
	return 0;
}

unsigned pop3_cap_parse(struct span line, struct span *argument_out)
{
	static const struct {
		const char *name;
		unsigned bit;
	} names[] = {
		{ "TOP", POP3_CAP_TOP },
		{ "USER", POP3_CAP_USER },
		{ "UIDL", POP3_CAP_UIDL },
		{ "PIPELINING", POP3_CAP_PIPELINING },
		{ "STLS", POP3_CAP_STLS },
		{ "RESP-CODES", POP3_CAP_RESP_CODES },
		{ "UTF8", POP3_CAP_UTF8 },
		{ "SASL", POP3_CAP_SASL },
	};
	struct span rest = line, word, days;

	if (!pop3_word(&rest, &word))
		return 0;
	*argument_out = span_trim(rest);
	if (span_equal_nocase(word, SPAN("EXPIRE")))
		return pop3_word(&rest, &days) && span_equal(days, SPAN("0")) ? POP3_CAP_EXPIRE_0
									      : 0;
	for (size_t i = 0; i < countof(names); i++)
		if (span_equal_nocase(word, span_of(names[i].name)))
			return names[i].bit;
	return 0;
}

bool pop3_list_parse(struct span line, uint32_t *number_out, uint64_t *size_out)
{
	struct span number, size;

	return pop3_word(&line, &number) && pop3_word(&line, &size) &&
	       span_u32(number, number_out) && *number_out > 0 && span_u64(size, size_out);
}

bool pop3_uidl_parse(struct span line, uint32_t *number_out, struct span *id_out)
{
	struct span number, more;

	if (!pop3_word(&line, &number) || !pop3_word(&line, id_out) || pop3_word(&line, &more))
		return false;
	if (!span_u32(number, number_out) || *number_out == 0 || id_out->len > POP3_UIDL_MAX)
		return false;
	for (size_t i = 0; i < id_out->len; i++)
		if ((unsigned char)id_out->data[i] < 0x21 || id_out->data[i] == 0x7f)
			return false;
	return true;
}

struct span pop3_stamp(struct span greeting)
{
	const size_t start = span_find(greeting, '<');
	const struct span rest = span_from(greeting, start == SIZE_MAX ? greeting.len : start);
	const size_t end = span_find(rest, '>');
	const struct span stamp = span_sub(rest, 0, end == SIZE_MAX ? 0 : end + 1);
	const size_t at = span_find(stamp, '@');

	if (at == SIZE_MAX || at < 2 || at + 2 >= stamp.len)
		return SPAN("");
	for (size_t i = 1; i + 1 < stamp.len; i++) {
		const char c = stamp.data[i];

		if (c <= 0x20 || c >= 0x7f || c == '<' || (c == '@' && i != at))
			return SPAN("");
	}
	return stamp;
}
