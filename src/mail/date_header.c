/*
 * Date: headers (RFC 5322 §3.3, §4.3, and what is seen in the wild). Words are told apart by their shape, not by their place, so
 * that asctime order, ISO 8601, comments anywhere and missing parts are all read by one pass.
 */
#include "mail/date.h"

#include "mail/date_parts.h"

#define WORDS_MAX 24

struct words {
	struct span list[WORDS_MAX];
	size_t count;
};

struct reading {
	struct civil civil;
	bool has_year, has_month, has_day, has_time, has_zone;
};

static bool is_gap(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n' || byte == ',' ||
	       byte == ';' || byte == '"';
}

/* Position behind a comment that starts at `at` (nested, RFC 5322 §3.2.2), or the end. */
static size_t skip_comment(struct span text, size_t at)
{
	size_t depth = 0;

	for (; at < text.len; at++) {
		if (text.data[at] == '\\')
			at++;
		else if (text.data[at] == '(')
			depth++;
		else if (text.data[at] == ')' && --depth == 0)
			return at + 1;
	}
	return text.len;
}

static void split(struct span text, struct words *out)
{
	size_t at = 0;

	while (at < text.len && out->count < WORDS_MAX) {
		size_t start = at;

		if (is_gap(text.data[at])) {
			at++;
			continue;
		}
		if (text.data[at] == '(') {
			at = skip_comment(text, at);
			continue;
		}
		while (at < text.len && !is_gap(text.data[at]) && text.data[at] != '(')
			at++;
		out->list[out->count++] = span_sub(text, start, at - start);
	}
}

static size_t count_digits(struct span text)
{
	size_t n = 0;

	while (n < text.len && text.data[n] >= '0' && text.data[n] <= '9')
		n++;
	return n;
}

/* Takes the digits at the front off *text; -1 when there are none or too many. */
static int take_number(struct span *text, size_t max, int *out)
{
	size_t n = count_digits(*text);

	if (n == 0 || n > max || date_digits(span_sub(*text, 0, n), out) < 0)
		return -1;
	*text = span_from(*text, n);
	return 0;
}

/* "10:02", "10:02:03", "10.02.03", "10:02:03.456", "10:02:03Z", "10:02:03+01:00", "9:02pm" */
static bool read_time(struct span word, struct reading *out)
{
	struct civil civil = out->civil;
	char mark;

	if (take_number(&word, 2, &civil.hour) < 0 || word.len == 0)
		return false;
	mark = word.data[0];
	if (mark != ':' && mark != '.')
		return false;
	word = span_from(word, 1);
	if (take_number(&word, 2, &civil.minute) < 0)
		return false;
	civil.second = 0;
	if (word.len > 1 && word.data[0] == mark) {
		word = span_from(word, 1);
		if (take_number(&word, 2, &civil.second) < 0)
			return false;
	}
	if (word.len > 1 && (word.data[0] == '.' || word.data[0] == ','))
		word = span_from(word, 1 + count_digits(span_from(word, 1)));
	if (span_equal_nocase(word, SPAN("pm")) && civil.hour < 12)
		civil.hour += 12;
	if (span_equal_nocase(word, SPAN("am")) && civil.hour == 12)
		civil.hour = 0;
	if (span_equal_nocase(word, SPAN("Z")) ||
		(word.len > 0 && date_zone(word, &civil.zone) == 0))
		out->has_zone = true;
	out->civil = civil;
	out->has_time = true;
	return true;
}

static const struct {
	char name[6];
	int16_t zone;
} zone_names[] = {
	/* RFC 5322 §4.3 */
	{ "UT", 0 },
	{ "GMT", 0 },
	{ "EST", -300 },
	{ "EDT", -240 },
	{ "CST", -360 },
	{ "CDT", -300 },
	{ "MST", -420 },
	{ "MDT", -360 },
	{ "PST", -480 },
	{ "PDT", -420 },
	/* seen in mail all the same */
	{ "UTC", 0 },
	{ "Z", 0 },
	{ "WET", 0 },
	{ "WEST", 60 },
	{ "BST", 60 },
	{ "CET", 60 },
	{ "MET", 60 },
	{ "CEST", 120 },
	{ "MEST", 120 },
	{ "MEZ", 60 },
	{ "MESZ", 120 },
	{ "EET", 120 },
	{ "EEST", 180 },
	{ "MSK", 180 },
	{ "JST", 540 },
	{ "KST", 540 },
	{ "AEST", 600 },
	{ "AEDT", 660 },
	{ "NZST", 720 },
	{ "NZDT", 780 },
	{ "HST", -600 },
	{ "AKST", -540 },
	{ "AKDT", -480 },
};

/* An unknown or military name is no information (RFC 5322 §4.3: as -0000). */
static void read_name(struct span word, struct reading *out)
{
	int month = date_month(word);

	for (size_t i = 0; i < countof(zone_names) && !out->has_zone; i++) {
		if (!span_equal_text(word, zone_names[i].name) &&
			!span_equal_nocase(word, span_of(zone_names[i].name)))
			continue;
		out->civil.zone = zone_names[i].zone;
		out->has_zone = true;
		return;
	}
	if (out->has_time && span_equal_nocase(word, SPAN("PM")) && out->civil.hour < 12)
		out->civil.hour += 12;
	else if (out->has_time && span_equal_nocase(word, SPAN("AM")) && out->civil.hour == 12)
		out->civil.hour = 0;
	else if (month > 0 && !out->has_month) {
		out->civil.month = month;
		out->has_month = true;
	}
}

static bool set_year(struct span digits, struct reading *out)
{
	int year;

	if (digits.len < 2 || date_digits(digits, &year) < 0)
		return false;
	/* RFC 5322 §4.3: two digits 00 to 49 are 20xx, all else below 1000 counts from 1900. */
	if (digits.len == 2)
		year += year < 50 ? 2000 : 1900;
	else if (digits.len == 3)
		year += 1900;
	out->civil.year = year;
	out->has_year = true;
	return true;
}

static bool set_day(struct span digits, struct reading *out)
{
	int day;

	if (digits.len > 2 || date_digits(digits, &day) < 0)
		return false;
	out->civil.day = day;
	out->has_day = true;
	return true;
}

/* A number alone: the first of one or two digits is the day, any other the year. */
static void read_number(struct span word, struct reading *out)
{
	if (word.len <= 2 && !out->has_day)
		(void)set_day(word, out);
	else if (!out->has_year)
		(void)set_year(word, out);
}

/* "17-Jul-1996", "17/Jul/96", "1996-07-17", "1996-07-17T02:44:25Z" */
static bool read_dashed(struct span word, struct reading *out)
{
	struct span part[3];
	size_t n = 0;
	char mark = span_find(word, '-') != SIZE_MAX ? '-' : '/';

	while (n < 2) {
		size_t at = span_find(word, mark);

		if (at == SIZE_MAX)
			return false;
		part[n++] = span_sub(word, 0, at);
		word = span_from(word, at + 1);
	}
	part[2] = word;
	if (part[0].len == 4) {
		size_t digits = count_digits(part[2]);
		struct span behind = span_from(part[2], digits);

		if (date_digits(part[1], &out->civil.month) < 0 || !set_year(part[0], out) ||
			!set_day(span_sub(part[2], 0, digits), out))
			return false;
		if (behind.len > 1 && (behind.data[0] == 'T' || behind.data[0] == 't'))
			(void)read_time(span_from(behind, 1), out);
	} else {
		out->civil.month = date_month(part[1]);
		if (out->civil.month == 0 || !set_day(part[0], out) || !set_year(part[2], out))
			return false;
	}
	out->has_month = true;
	return true;
}

static void read_word(struct span word, struct reading *out)
{
	size_t digits = count_digits(word);
	int zone;

	if (word.data[0] == '+' || word.data[0] == '-') {
		if (!out->has_zone && date_zone(word, &zone) == 0) {
			out->civil.zone = zone;
			out->has_zone = true;
		}
		return;
	}
	if (digits == 0) {
		read_name(word, out);
		return;
	}
	if (digits == word.len) {
		read_number(word, out);
		return;
	}
	if (!out->has_time && read_time(word, out))
		return;
	if (!out->has_day)
		(void)read_dashed(word, out);
}

int date_parse_header(struct span text, struct date *out)
{
	struct words words = { .count = 0 };
	struct reading reading = { 0 };

	split(text, &words);
	for (size_t i = 0; i < words.count; i++)
		read_word(words.list[i], &reading);
	if (!reading.has_year || !reading.has_month || !reading.has_day)
		return -1;
	return date_from_civil(&reading.civil, out);
}
