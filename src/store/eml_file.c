/* Names of message files: what imapdump wrote into them, and what may be written into them. */
#include "base/text.h"
#include "store/store_eml_parts.h"

bool eml_name_is_plain(const char *name)
{
	return name[0] != '\0' && name[0] != '.' && !strchr(name, '/') && strlen(name) <= 255;
}

static bool add_letter(char letter, struct flag_table *flags, flags_t *set)
{
	static const struct {
		char letter;
		const char *flag;
	} letters[] = {
		{ 'S', "\\Seen" },
		{ 'A', "\\Answered" },
		{ 'F', "\\Flagged" },
		{ 'D', "\\Deleted" },
		{ 'd', "\\Draft" },
	};

	for (size_t i = 0; i < countof(letters); i++) {
		if (letters[i].letter == letter) {
			if (flags)
				*set = flags_add(flags, *set, span_of(letters[i].flag));
			return true;
		}
	}
	return false;
}

/* All of the suffix must be letters and $Keyword$s; else it is part of the name. */
static bool parse_suffix(struct span suffix, struct flag_table *flags, flags_t *out)
{
	flags_t set = 0;
	size_t i = 0;

	while (i < suffix.len) {
		if (suffix.data[i] != '$') {
			if (!add_letter(suffix.data[i++], flags, &set))
				return false;
			continue;
		}
		const size_t len = span_find(span_from(suffix, i + 1), '$');
		if (len == SIZE_MAX || len == 0)
			return false;
		if (flags)
			set = flags_add(flags, set, span_sub(suffix, i + 1, len));
		i += len + 2;
	}
	*out = set;
	return suffix.len > 0;
}

struct span eml_name_without_flags(const char *name, struct flag_table *flags, flags_t *flags_out)
{
	const char *comma = strrchr(name, ',');
	flags_t set = 0;
	const bool has = comma && comma > name && parse_suffix(span_of(comma + 1), flags, &set);

	if (flags_out)
		*flags_out = has ? set : 0;
	return has ? span_make(name, (size_t)(comma - name)) : span_of(name);
}

bool eml_name_has_ext(struct span name, const char *ext)
{
	const size_t len = strlen(ext);

	if (len == 0)
		return true;
	return name.len > len + 1 && name.data[name.len - len - 1] == '.' &&
	       span_equal_nocase(span_from(name, name.len - len), span_of(ext));
}

static bool is_tame(uint32_t c)
{
	return c >= ' ' && !utf8_harmful(c) && (c >= 0x80 || !strchr("/\\:*?\"<>|~%", (int)c));
}

void eml_name_tame(struct span text, size_t max, struct buf *out)
{
	const size_t begin = out->len;
	uint32_t c;

	while (text.len > 0) {
		const size_t len = utf8_next(text, &c);
		const bool keep = len > 0 && is_tame(c);
		const struct span part = keep ? span_sub(text, 0, len) : SPAN("_");

		if (out->len - begin + part.len > max)
			break;
		text = span_from(text, len > 0 ? len : 1);
		if (out->len == begin && (part.data[0] == '.' || part.data[0] == ' '))
			continue;
		if (buf_add(out, part) < 0)
			break;
	}
	while (out->len > begin &&
		(out->data[out->len - 1] == '.' || out->data[out->len - 1] == ' '))
		out->len--;
}
