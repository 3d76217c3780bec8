/* The accounts as a table, as JSON lines, as CSV (RFC 4180). */
#include "base/arena.h"
#include "base/buf.h"
#include "base/text.h"
#include "cli/printer.h"
#include "cli/sizes_parts.h"

#define NAME_COLUMNS_MAX 60
#define LINE_MAX_BYTES (1u << 20)

static const char *const methods[] = {
	[SIZE_UNKNOWN] = NULL,
	[SIZE_STATUS] = "status",
	[SIZE_SCAN] = "scan",
	[SIZE_QUOTA] = "quota",
};

static const char *name(const struct size_row *row)
{
	return row->user ? row->user : row->account;
}

/* What is not known at all stands at the end. */
static int compare(const void *a, const void *b)
{
	const struct size_row *x = a, *y = b;

	if ((x->method == SIZE_UNKNOWN) != (y->method == SIZE_UNKNOWN))
		return x->method == SIZE_UNKNOWN ? 1 : -1;
	if (x->size != y->size)
		return x->size < y->size ? 1 : -1;
	return strcmp(name(x), name(y));
}

struct total {
	uint64_t size, messages, mailboxes, accounts, counted, partly, unknown;
};

static struct total add_up(const struct sizes *sizes)
{
	struct total total = { .accounts = sizes->count };

	for (size_t i = 0; i < sizes->count; i++) {
		const struct size_row *row = &sizes->row[i];

		total.size += row->size;
		total.messages += row->messages;
		total.counted += row->counted;
		total.mailboxes += row->mailboxes;
		total.unknown += row->method == SIZE_UNKNOWN;
		total.partly += row->method != SIZE_UNKNOWN && row->error;
	}
	return total;
}

static void print_row(const struct size_row *row, size_t width)
{
	struct arena *arena = arena_new();
	const bool known = row->method != SIZE_UNKNOWN;

	print("%12s %12s  %-7s ", known ? text_size(arena, row->size) : "?",
		row->counted ? text_count(arena, row->messages) : "?",
		known ? methods[row->method] : "?");
	print_column(name(row), row->error || row->limit ? (int)width : 0, arena);
	if (row->limit)
		print("  of %s", text_size(arena, row->limit));
	if (row->error)
		print("  %s%s", known ? "incomplete: " : "",
			text_harmless_copy(arena, span_of(row->error)));
	print("\n");
	arena_free(arena);
}

static void print_table(const struct sizes *sizes, const struct total *total)
{
	struct arena *arena = arena_new();
	size_t width = 0;

	for (size_t i = 0; i < sizes->count; i++) {
		const size_t columns = print_width(name(&sizes->row[i]), arena);

		width = columns > width ? columns : width;
	}
	width = width > NAME_COLUMNS_MAX ? NAME_COLUMNS_MAX : width;
	print("%12s %12s  %-7s %s\n", "size", "messages", "method", "account");
	for (size_t i = 0; i < sizes->count; i++)
		print_row(&sizes->row[i], width);
	print("%12s %12s  %-7s %s account%s", text_size(arena, total->size),
		total->counted > 0 ? text_count(arena, total->messages) : "?", "",
		text_count(arena, total->accounts), total->accounts == 1 ? "" : "s");
	if (total->unknown > 0)
		print(", %s of them not known", text_count(arena, total->unknown));
	if (total->partly > 0)
		print(", %s incomplete", text_count(arena, total->partly));
	print("\n");
	arena_free(arena);
}

static void add_number(struct json *json, const char *key, bool known, uint64_t value)
{
	json_key(json, key);
	if (known)
		json_u64(json, value);
	else
		json_null(json);
}

static void print_json(const struct sizes *sizes, const struct total *total)
{
	struct print_json line;
	struct buf buffer;
	struct json *json;

	buf_init(&buffer, LINE_MAX_BYTES);
	for (size_t i = 0; i < sizes->count; i++) {
		const struct size_row *row = &sizes->row[i];

		json = print_json_begin(&line, &buffer, "size");
		json_key(json, "account");
		json_text(json, row->account);
		json_key(json, "user");
		json_text(json, row->user);
		json_key(json, "method");
		json_text(json, methods[row->method]);
		add_number(json, "size", row->method != SIZE_UNKNOWN, row->size);
		add_number(json, "limit", row->limit > 0, row->limit);
		add_number(json, "messages", row->counted, row->messages);
		add_number(json, "mailboxes", row->counted, row->mailboxes);
		add_number(json, "mailboxes_unknown", row->counted, row->unknown);
		json_key(json, "error");
		json_text(json, row->error);
		print_json_end(&line);
	}
	json = print_json_begin(&line, &buffer, "total");
	add_number(json, "accounts", true, total->accounts);
	add_number(json, "accounts_unknown", true, total->unknown);
	add_number(json, "accounts_incomplete", true, total->partly);
	add_number(json, "size", true, total->size);
	add_number(json, "messages", total->counted > 0, total->messages);
	add_number(json, "mailboxes", total->counted > 0, total->mailboxes);
	print_json_end(&line);
	buf_release(&buffer);
}

/*
 * A field, quoted. Spreadsheets take what begins with one of =+-@ for a formula: a user's name must be none, so that an apostrophe comes before it.
 */
static void print_field(const char *text, const char *end)
{
	struct arena *arena = arena_new();
	const char *shown = text_harmless_copy(arena, span_of(text ? text : ""));

	print("\"%s", shown[0] && strchr("=+-@", shown[0]) ? "'" : "");
	for (const char *c = shown; *c; c++)
		print("%s%c", *c == '"' ? "\"" : "", *c);
	print("\"%s", end);
	arena_free(arena);
}

static void print_csv(const struct sizes *sizes)
{
	print("account,user,size,messages,mailboxes,method,error\r\n");
	for (size_t i = 0; i < sizes->count; i++) {
		const struct size_row *row = &sizes->row[i];

		print_field(row->account, ",");
		print_field(row->user, ",");
		if (row->method != SIZE_UNKNOWN)
			print("%llu", (unsigned long long)row->size);
		if (row->counted)
			print(",%llu,%llu,", (unsigned long long)row->messages,
				(unsigned long long)row->mailboxes);
		else
			print(",,,");
		print("%s,", row->method == SIZE_UNKNOWN ? "" : methods[row->method]);
		print_field(row->error, "\r\n");
	}
}

static void print_brief(const struct sizes *sizes)
{
	for (size_t i = 0; i < sizes->count; i++)
		if (sizes->row[i].method != SIZE_UNKNOWN)
			print("%llu\n", (unsigned long long)sizes->row[i].size);
		else
			print("?\n");
}

int sizes_print(struct sizes *sizes, const struct cli *cli)
{
	struct total total;
	int code = 0;

	if (sizes->count > 0)
		qsort(sizes->row, sizes->count, sizeof(*sizes->row), compare);
	total = add_up(sizes);
	if (print_json_wanted())
		print_json(sizes, &total);
	if (cli->size.csv)
		print_csv(sizes);
	else if (cli->size.brief)
		print_brief(sizes);
	else
		print_table(sizes, &total);
	for (size_t i = 0; i < sizes->count; i++)
		code = sizes->row[i].code > code ? sizes->row[i].code : code;
	return code;
}
