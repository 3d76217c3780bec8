/* Dates of mail: the calendar, INTERNALDATE, and DATE of options; date_header.c reads Date: headers. */
#include "mail/date.h"

#include "base/err.h"
#include "mail/date_parts.h"

static const char *const month_names[12] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
	"Sep", "Oct", "Nov", "Dec" };

int date_month(struct span name)
{
	if (name.len < 3)
		return 0;
	for (int i = 0; i < 12; i++) {
		if (span_equal_nocase(span_sub(name, 0, 3), span_of(month_names[i])))
			return i + 1;
	}
	return 0;
}

static bool is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int year, int month)
{
	static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

static int64_t days_before_year(int64_t year)
{
	int64_t past = year - 1;

	return past * 365 + past / 4 - past / 100 + past / 400;
}

#define DAYS_TO_1970 INT64_C(719162) /* from 1 January of year 1 */
#define DAY_SECONDS INT64_C(86400)

static int64_t day_number(int year, int month, int day)
{
	int64_t days = days_before_year(year) - DAYS_TO_1970;

	for (int i = 1; i < month; i++)
		days += days_in_month(year, i);
	return days + day - 1;
}

int date_from_civil(const struct civil *civil, struct date *out)
{
	int64_t seconds;

	if (civil->year < 1 || civil->year > 9999 || civil->month < 1 || civil->month > 12)
		return -1;
	if (civil->day < 1 || civil->day > days_in_month(civil->year, civil->month))
		return -1;
	/* 60 is a leap second (RFC 5322 §3.3). */
	if (civil->hour < 0 || civil->hour > 23 || civil->minute < 0 || civil->minute > 59 ||
		civil->second < 0 || civil->second > 60)
		return -1;
	if (civil->zone < -ZONE_LIMIT || civil->zone > ZONE_LIMIT)
		return -1;
	seconds = day_number(civil->year, civil->month, civil->day) * DAY_SECONDS;
	seconds += civil->hour * 3600 + civil->minute * 60 + civil->second;
	out->instant = seconds - (int64_t)civil->zone * 60;
	out->zone = (int16_t)civil->zone;
	return 0;
}

/* The wall clock of an instant in its zone; -1 outside the years 1 to 9999. */
static int to_civil(int64_t instant, int zone, struct civil *out)
{
	const int64_t first = -DAYS_TO_1970 * DAY_SECONDS, last = INT64_C(253402300799);
	int64_t local, days, rest;
	int year;

	if (instant < first - 2 * DAY_SECONDS || instant > last + 2 * DAY_SECONDS)
		return -1;
	local = instant + (int64_t)zone * 60;
	if (local < first || local > last)
		return -1;
	days = (local - first) / DAY_SECONDS;
	rest = (local - first) % DAY_SECONDS;
	year = (int)(days * 400 / 146097) + 1;
	while (days_before_year(year) > days)
		year--;
	while (days_before_year(year + 1) <= days)
		year++;
	days -= days_before_year(year);
	*out = (struct civil){ .year = year, .month = 1, .zone = zone };
	while (days >= days_in_month(year, out->month)) {
		days -= days_in_month(year, out->month);
		out->month++;
	}
	out->day = (int)days + 1;
	out->hour = (int)(rest / 3600);
	out->minute = (int)(rest / 60 % 60);
	out->second = (int)(rest % 60);
	return 0;
}

int date_digits(struct span text, int *out)
{
	int value = 0;

	if (text.len == 0 || text.len > 4)
		return -1;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return -1;
		value = value * 10 + (text.data[i] - '0');
	}
	*out = value;
	return 0;
}

/* time = 2DIGIT ":" 2DIGIT ":" 2DIGIT (RFC 3501 §9) */
static int parse_time(struct span text, struct civil *out)
{
	if (text.len != 8 || text.data[2] != ':' || text.data[5] != ':')
		return -1;
	if (date_digits(span_sub(text, 0, 2), &out->hour) < 0 ||
		date_digits(span_sub(text, 3, 2), &out->minute) < 0)
		return -1;
	return date_digits(span_sub(text, 6, 2), &out->second);
}

/* zone = ("+" / "-") 4DIGIT (RFC 3501 §9); "+hh:mm" is what ISO 8601 writes. */
int date_zone(struct span text, int *out)
{
	int hours, minutes;

	if ((text.len != 5 && text.len != 6) || (text.data[0] != '+' && text.data[0] != '-'))
		return -1;
	if (text.len == 6 && text.data[3] != ':')
		return -1;
	if (date_digits(span_sub(text, 1, 2), &hours) < 0 ||
		date_digits(span_from(text, text.len - 2), &minutes) < 0)
		return -1;
	if (hours > 23 || minutes > 59)
		return -1;
	*out = hours * 60 + minutes;
	if (text.data[0] == '-')
		*out = -*out;
	return 0;
}

/* date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE (RFC 3501 §9) */
int date_parse_internal(struct span text, struct date *out)
{
	struct span rest = span_trim(text);
	struct civil civil = { 0 };
	size_t dash = span_find(rest, '-');

	if (dash == SIZE_MAX || dash > 2 || date_digits(span_sub(rest, 0, dash), &civil.day) < 0)
		return -1;
	rest = span_from(rest, dash + 1);
	if (rest.len < 17 || rest.data[3] != '-' || rest.data[8] != ' ')
		return -1;
	civil.month = date_month(span_sub(rest, 0, 3));
	if (date_digits(span_sub(rest, 4, 4), &civil.year) < 0)
		return -1;
	if (parse_time(span_sub(rest, 9, 8), &civil) < 0)
		return -1;
	rest = span_trim(span_from(rest, 17));
	if (rest.len > 0 && (rest.len != 5 || date_zone(rest, &civil.zone) < 0))
		return -1;
	return date_from_civil(&civil, out);
}

/* No land has a zone outside -12:00..+14:00 (with room for history): servers refuse them, the instant is what counts. */
static int printable_zone(int zone)
{
	return zone < -13 * 60 || zone > 16 * 60 ? 0 : zone;
}

void date_print_internal(struct date date, char out[DATE_TEXT_SIZE])
{
	struct civil civil;
	int zone = printable_zone(date.zone);
	unsigned minutes;

	out[0] = '\0';
	if (date.instant == DATE_UNKNOWN)
		return;
	if (to_civil(date.instant, zone, &civil) < 0) {
		zone = 0;
		if (to_civil(date.instant, zone, &civil) < 0)
			return;
	}
	minutes = (unsigned)(zone < 0 ? -zone : zone);
	snprintf(out, DATE_TEXT_SIZE, "%02u-%s-%04u %02u:%02u:%02u %c%02u%02u",
		(unsigned)civil.day % 100, month_names[civil.month - 1],
		(unsigned)civil.year % 10000, (unsigned)civil.hour % 100,
		(unsigned)civil.minute % 100, (unsigned)civil.second % 100, zone < 0 ? '-' : '+',
		minutes / 60 % 100, minutes % 60);
}

/* "1-Feb-2024" */
static int option_day(struct span text, struct civil *out)
{
	size_t dash = span_find(text, '-');

	if (dash == SIZE_MAX || dash > 2 || text.len != dash + 9 || text.data[dash + 4] != '-')
		return -1;
	out->month = date_month(span_sub(text, dash + 1, 3));
	if (date_digits(span_sub(text, 0, dash), &out->day) < 0)
		return -1;
	return date_digits(span_from(text, dash + 5), &out->year);
}

/* "2024-02-01", then optionally "T10:00[:00]" and "Z" or "+01:00" (ISO 8601; a blank for the T tolerated) */
static int option_iso(struct span text, struct civil *out)
{
	struct span rest = span_from(text, 10);

	if (text.len < 10 || text.data[4] != '-' || text.data[7] != '-')
		return -1;
	if (date_digits(span_sub(text, 0, 4), &out->year) < 0 ||
		date_digits(span_sub(text, 5, 2), &out->month) < 0 ||
		date_digits(span_sub(text, 8, 2), &out->day) < 0)
		return -1;
	if (rest.len == 0)
		return 0;
	if (rest.len < 6 || (rest.data[0] != 'T' && rest.data[0] != 't' && rest.data[0] != ' ') ||
		rest.data[3] != ':')
		return -1;
	if (date_digits(span_sub(rest, 1, 2), &out->hour) < 0 ||
		date_digits(span_sub(rest, 4, 2), &out->minute) < 0)
		return -1;
	rest = span_from(rest, 6);
	if (rest.len >= 3 && rest.data[0] == ':') {
		if (date_digits(span_sub(rest, 1, 2), &out->second) < 0)
			return -1;
		rest = span_from(rest, 3);
	}
	if (rest.len == 0 || span_equal_nocase(rest, SPAN("Z")))
		return 0;
	return date_zone(rest, &out->zone);
}

/* "30d" */
static int option_days_ago(struct span text, int64_t now, int64_t *out)
{
	uint32_t days;

	if (!span_u32(span_sub(text, 0, text.len - 1), &days) || days > 3000000)
		return -1;
	*out = now - (int64_t)days * DAY_SECONDS;
	return 0;
}

static int parse_option(struct span text, int64_t now, int64_t *out)
{
	struct civil civil = { 0 };
	struct date date;

	if (text.len > 1 && (text.data[text.len - 1] == 'd' || text.data[text.len - 1] == 'D'))
		return option_days_ago(text, now, out);
	if (option_day(text, &civil) < 0) {
		civil = (struct civil){ 0 };
		if (option_iso(text, &civil) < 0)
			return -1;
	}
	if (date_from_civil(&civil, &date) < 0)
		return -1;
	*out = date.instant;
	return 0;
}

int date_parse_option(
	const char *text, int64_t now, int64_t *instant_out, char day_out[12], struct err *err)
{
	struct civil civil;
	int64_t instant;

	if (parse_option(span_trim(span_of(text)), now, &instant) < 0 ||
		to_civil(instant, 0, &civil) < 0)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"not a date: \"%.40s\" (write 1-Feb-2024, 2024-02-01, 2024-02-01T10:00:00Z or 30d)",
			text != NULL ? text : "");
	*instant_out = instant;
	snprintf(day_out, 12, "%u-%s-%04u", (unsigned)civil.day % 100, month_names[civil.month - 1],
		(unsigned)civil.year % 10000);
	return 0;
}
