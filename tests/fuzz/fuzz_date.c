/* Any text as a date: what is read as one prints, and reads back as the same instant. An option's day is the day of its instant. */
#include "mail/date.h"

#include "base/arena.h"
#include "base/err.h"

#define NOW 1700000000 /* 14 November 2023 */
#define DAY 86400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* What INTERNALDATE can hold (years of four digits) is printed; what is printed is the same again. */
static void check_printed(struct date date)
{
	char text[DATE_TEXT_SIZE], again[DATE_TEXT_SIZE];
	struct date back;

	date_print_internal(date, text);
	must(strlen(text) == 0 || strlen(text) == DATE_TEXT_SIZE - 1);
	if (text[0] == '\0')
		return;
	must(date_parse_internal(span_of(text), &back) == 0);
	must(back.instant == date.instant);
	date_print_internal(back, again);
	must(strcmp(text, again) == 0);
}

static void check_option(const char *text)
{
	struct err err = ERR_INIT;
	int64_t instant = 0, midnight = 0;
	char day[12], again[12];

	if (date_parse_option(text, NOW, &instant, day, &err) < 0) {
		must(err.scope == ERR_LOCAL && err.kind == ERR_KIND_USAGE);
		return;
	}
	must(date_parse_option(day, NOW, &midnight, again, &err) == 0);
	must(strcmp(day, again) == 0 && midnight <= instant && instant - midnight < DAY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span text = span_make((const char *)data, size);
	struct arena *arena = arena_new();
	struct date date;

	if (date_parse_internal(text, &date) == 0)
		check_printed(date);
	if (date_parse_header(text, &date) == 0)
		check_printed(date);
	if (size >= sizeof(date.instant) + sizeof(date.zone)) {
		memcpy(&date.instant, data, sizeof(date.instant));
		memcpy(&date.zone, data + sizeof(date.instant), sizeof(date.zone));
		check_printed(date);
	}
	check_option(arena_text(arena, text));
	arena_free(arena);
	return 0;
}
