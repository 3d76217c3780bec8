#include "ops/report_users.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define ROWS_MAX 2000 /* all of them were told when they were done, and are in the JSON */
#define NAME_COLUMNS 40

struct user_rows {
	struct arena *arena;
	struct user_row *row;
	size_t count, room;
	uint64_t unchanged, left_out;
};

struct user_rows *user_rows_new(void)
{
	struct user_rows *rows = mem_alloc(sizeof(*rows));

	rows->arena = arena_new();
	return rows;
}

void user_rows_free(struct user_rows *rows)
{
	if (!rows)
		return;
	arena_free(rows->arena);
	mem_free(rows->row);
	mem_free(rows);
}

void user_rows_add(struct user_rows *rows, const struct user_row *row)
{
	if (strcmp(row->verdict, "complete") == 0 && !row->copied && !row->text[0]) {
		rows->unchanged++;
		return;
	}
	if (rows->count == ROWS_MAX) {
		rows->left_out++;
		return;
	}
	if (rows->count == rows->room) {
		rows->room = rows->room ? rows->room * 2 : 16;
		rows->row = mem_resize(rows->row, rows->room, sizeof(*rows->row));
	}
	rows->row[rows->count] = *row;
	rows->row[rows->count].name = arena_strdup(rows->arena, row->name);
	rows->row[rows->count].text = arena_strdup(rows->arena, row->text);
	rows->count++;
}

static void print_row(const struct user_row *row, size_t width, struct arena *arena)
{
	const size_t used = utf8_columns(span_of(row->name));

	printf("%s%*s %10s %10s %8s %8s %10s  %s%s%s\n", row->name,
		used < width ? (int)(width - used) : 0, "", text_count(arena, row->copied),
		text_count(arena, row->there), text_count(arena, row->skipped),
		text_count(arena, row->failed), text_size(arena, row->copied_bytes), row->verdict,
		row->text[0] ? ": " : "", row->text);
}

void user_rows_print(const struct user_rows *rows, struct arena *arena)
{
	size_t width = 4;

	for (size_t i = 0; i < rows->count; i++) {
		const size_t columns = utf8_columns(span_of(rows->row[i].name));

		width = columns > width ? columns : width;
	}
	width = width > NAME_COLUMNS ? NAME_COLUMNS : width;
	if (rows->count > 0)
		printf("\n%-*s %10s %10s %8s %8s %10s\n", (int)width, "user", "copied", "there",
			"skipped", "failed", "bytes");
	for (size_t i = 0; i < rows->count; i++)
		print_row(&rows->row[i], width, arena);
	if (rows->unchanged > 0)
		printf("(and %s user%s with nothing to do)\n", text_count(arena, rows->unchanged),
			rows->unchanged == 1 ? "" : "s");
	if (rows->left_out > 0)
		printf("(and %s more users)\n", text_count(arena, rows->left_out));
	putchar('\n');
}

void user_row_print(const struct user_row *row, struct arena *arena)
{
	printf("%s: %s: %s copied (%s), %s already there", row->name, row->verdict,
		text_count(arena, row->copied), text_size(arena, row->copied_bytes),
		text_count(arena, row->there));
	if (row->skipped > 0)
		printf(", %s skipped", text_count(arena, row->skipped));
	if (row->failed > 0)
		printf(", %s failed", text_count(arena, row->failed));
	printf("%s%s\n", row->text[0] ? "; " : "", row->text);
}
