/* From_ lines. */
#include "mail/mbox_from.h"

#include "base/buf.h"

#define WORDS 10 /* at the end of a line, in which its date must be */
#define SENDER_MAX 256
#define DAY_SECONDS INT64_C(86400)

static const char *const weekdays[7] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char *const months[12] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
	"Sep", "Oct", "Nov", "Dec" };

struct date_words { /* of one date, as they stand in the line */
	struct span day, month, time, year, zone;
};

static bool is_one_of(struct span word, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (span_equal_nocase(word, span_of(names[i])))
			return true;
	}
	return false;
}

static bool is_weekday(struct span word)
{
	if (span_ends(word, SPAN(",")))
		word.len--;
	return is_one_of(word, weekdays, countof(weekdays));
}

static bool is_month(struct span word)
{
	return is_one_of(word, months, countof(months));
}

static bool is_number(struct span word, size_t min, size_t max)
{
	if (word.len < min || word.len > max)
		return false;
	for (size_t i = 0; i < word.len; i++) {
		if (word.data[i] < '0' || word.data[i] > '9')
			return false;
	}
	return true;
}

static bool is_day(struct span word)
{
	uint32_t day;

	return is_number(word, 1, 2) && span_u32(word, &day) && day >= 1 && day <= 31;
}

/* "h:mm", "hh:mm", with or without ":ss" */
static bool is_time(struct span word)
{
	const size_t colon = span_find(word, ':');

	if (colon == SIZE_MAX || !is_number(span_sub(word, 0, colon), 1, 2))
		return false;
	word = span_from(word, colon + 1);
	if (word.len == 5 && word.data[2] == ':')
		return is_number(span_sub(word, 0, 2), 2, 2) && is_number(span_from(word, 3), 2, 2);
	return is_number(word, 2, 2);
}

static bool is_zone(struct span word)
{
	if (word.len == 5 && (word.data[0] == '+' || word.data[0] == '-'))
		return is_number(span_from(word, 1), 4, 4);
	if (word.len < 1 || word.len > 5)
		return false;
	for (size_t i = 0; i < word.len; i++) {
		if (word.data[i] < 'A' || word.data[i] > 'Z')
			return false;
	}
	return true;
}

/* What may follow the time: a year once, zones; and "remote from HOST" at the end. */
static bool take_rest(const struct span *words, size_t count, struct date_words *out)
{
	for (size_t i = 0; i < count; i++) {
		if (out->year.len == 0 &&
			(is_number(words[i], 4, 4) || is_number(words[i], 2, 2))) {
			out->year = words[i];
		} else if (is_zone(words[i])) {
			/* "MET DST": the first tells more than nothing */
			if (out->zone.len == 0)
				out->zone = words[i];
		} else {
			return count - i == 3 && span_equal_text(words[i], "remote") &&
			       span_equal_text(words[i + 1], "from");
		}
	}
	return true;
}

/* words[0] is a weekday: is the rest of the line a date that begins with it? */
static bool take_date(const struct span *words, size_t count, struct date_words *out)
{
	*out = (struct date_words){ .day = { "", 0 } };
	if (count >= 4 && is_month(words[1]) && is_day(words[2]) && is_time(words[3])) {
		out->month = words[1];
		out->day = words[2];
		out->time = words[3];
		return take_rest(words + 4, count - 4, out);
	}
	if (count >= 5 && is_day(words[1]) && is_month(words[2]) && is_number(words[3], 2, 4) &&
		is_time(words[4])) {
		out->day = words[1];
		out->month = words[2];
		out->year = words[3];
		out->time = words[4];
		return take_rest(words + 5, count - 5, out);
	}
	return false;
}

static struct date read_date(const struct date_words *words)
{
	struct date date = { .instant = DATE_UNKNOWN };
	char text[64];
	int len;

	if (words->year.len == 0)
		return date;
	len = snprintf(text, sizeof(text), "%.*s %.*s %.*s %.*s %.*s", (int)words->day.len,
		words->day.data, (int)words->month.len, words->month.data, (int)words->year.len,
		words->year.data, (int)words->time.len, words->time.data,
		words->zone.len > 0 ? (int)words->zone.len : 5,
		words->zone.len > 0 ? words->zone.data : "+0000");
	if (len <= 0 || (size_t)len >= sizeof(text) ||
		date_parse_header(span_make(text, (size_t)len), &date) < 0)
		date = (struct date){ .instant = DATE_UNKNOWN };
	return date;
}

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t';
}

/* The last words of the text, in their order; returns how many. */
static size_t split_end(struct span text, struct span words[WORDS])
{
	size_t count = 0, end = text.len;

	while (count < WORDS) {
		size_t start;

		while (end > 0 && is_blank(text.data[end - 1]))
			end--;
		if (end == 0)
			break;
		for (start = end; start > 0 && !is_blank(text.data[start - 1]);)
			start--;
		words[count++] = span_sub(text, start, end - start);
		end = start;
	}
	for (size_t i = 0; i < count / 2; i++) {
		const struct span other = words[i];

		words[i] = words[count - 1 - i];
		words[count - 1 - i] = other;
	}
	return count;
}

bool mbox_from_parse(struct span line, struct mbox_from *out)
{
	struct span words[WORDS];
	struct date_words date;
	size_t count;

	if (line.len > MBOX_FROM_MAX || !span_starts(line, SPAN("From ")))
		return false;
	line = span_from(line, 5);
	count = split_end(line, words);
	for (size_t i = count; i-- > 0;) {
		if (!is_weekday(words[i]) || !take_date(words + i, count - i, &date))
			continue;
		out->sender = span_trim(span_sub(line, 0, (size_t)(words[i].data - line.data)));
		out->date = read_date(&date);
		return true;
	}
	return false;
}

static int print_sender(struct span sender, struct buf *out)
{
	const size_t start = out->len;

	for (size_t i = 0; i < sender.len && out->len - start < SENDER_MAX; i++) {
		const unsigned char byte = (unsigned char)sender.data[i];

		if (byte > ' ' && byte != 0x7f && byte != '<' && byte != '>' &&
			buf_add_char(out, (char)byte) < 0)
			return -1;
	}
	return out->len > start ? 0 : buf_add(out, SPAN("MAILER-DAEMON"));
}

int mbox_from_print(struct span sender, struct date date, struct buf *out)
{
	char text[DATE_TEXT_SIZE];
	int64_t days = date.instant / DAY_SECONDS - (date.instant % DAY_SECONDS < 0);

	if (date.instant == DATE_UNKNOWN)
		return -1;
	date.zone = 0;
	date_print_internal(date, text); /* "dd-Mon-yyyy hh:mm:ss +0000" */
	if (buf_add(out, SPAN("From ")) < 0 || print_sender(sender, out) < 0)
		return -1;
	/* asctime() writes the day with a blank; 1 January 1970 was a Thursday. */
	return buf_print(out, " %s %.3s %c%c %.8s %.4s\n", weekdays[((days + 4) % 7 + 7) % 7],
		text + 3, text[0] == '0' ? ' ' : text[0], text[1], text + 12, text + 7);
}
