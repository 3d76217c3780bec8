/* Rows of `search`: RFC 2047 words are decoded by GMime, terminals see nothing harmful. */
#include "cli/found.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/message_line.h"
#include "cli/printer.h"
#include "mail/header_field.h"
#include "mail/mime.h"

#define LINE_MAX_BYTES (1u << 20)
#define FIELD_MAX 2000 /* octets of a header field that are shown */

struct heading {
	const char *date, *from, *subject;
};

struct found_row {
	uint32_t uid, size;
	struct date date;
	const struct heading *heading; /* NULL = not told */
};

struct found {
	struct arena *arena;
	struct map *headings; /* UID in text → struct heading */
	struct found_row *row;
	size_t count, room;
};

struct found *found_new(void)
{
	struct found *found = mem_alloc(sizeof(*found));

	found->arena = arena_new();
	found->headings = map_new(found->arena);
	return found;
}

void found_free(struct found *found)
{
	if (!found)
		return;
	map_free(found->headings);
	arena_free(found->arena);
	mem_free(found);
}

void found_clear(struct found *found)
{
	map_free(found->headings);
	arena_clear(found->arena);
	found->headings = map_new(found->arena);
	found->row = NULL;
	found->count = found->room = 0;
}

static struct span key_of(uint32_t uid, char text[16])
{
	return span_make(text, (size_t)snprintf(text, 16, "%lu", (unsigned long)uid));
}

/* The first field of this name: its value, unfolded and decoded; NULL = there is none. */
static const char *field(struct span header, const char *name, struct arena *arena)
{
	char *value = header_field(header, span_of(name), arena);

	if (!value)
		return NULL;
	if (strlen(value) > FIELD_MAX)
		value[FIELD_MAX] = '\0';
	return mime_decode(value, arena);
}

void found_header(void *context, uint32_t uid, struct span header)
{
	struct found *found = context;
	struct heading *heading = arena_alloc(found->arena, sizeof(*heading));
	char text[16];

	heading->date = field(header, "Date", found->arena);
	heading->from = field(header, "From", found->arena);
	heading->subject = field(header, "Subject", found->arena);
	(void)map_set(found->headings, key_of(uid, text), heading);
}

void found_add(struct found *found, const struct snapshot *snapshot, size_t row)
{
	char text[16];

	if (found->count == found->room) {
		const size_t room = found->room ? 2 * found->room : 16;

		found->row = arena_grow(
			found->arena, found->row, found->room, room, sizeof(*found->row));
		found->room = room;
	}
	found->row[found->count++] = (struct found_row){ .uid = snapshot->uid[row],
		.size = snapshot->size[row],
		.date = { snapshot->instant[row], snapshot->zone[row] },
		.heading = map_find(found->headings, key_of(snapshot->uid[row], text)) };
}

/* The Date header's instant, or when it arrived. */
static struct date date_of(const struct found_row *row)
{
	struct date date;

	if (!row->heading || !row->heading->date ||
		date_parse_header(span_of(row->heading->date), &date) < 0)
		date = row->date;
	return date;
}

static const char *shown_date(const struct found_row *row, struct arena *arena)
{
	const struct date date = date_of(row);
	char text[DATE_TEXT_SIZE];

	if (date.instant == DATE_UNKNOWN)
		return "?";
	date_print_internal(date, text);
	return arena_strdup(arena, text);
}

static void print_row(const struct found_row *row, const char *mailbox, struct arena *arena)
{
	const struct message_line line = { .mailbox = mailbox,
		.uid = row->uid,
		.date = date_of(row),
		.from = row->heading ? row->heading->from : NULL,
		.subject = row->heading ? row->heading->subject : NULL };
	struct buf buffer;

	buf_init(&buffer, LINE_MAX_BYTES);
	if (message_line(&line, print_terminal(), arena, &buffer) == 0)
		print("%.*s", (int)buf_span(&buffer).len, buf_span(&buffer).data);
	buf_release(&buffer);
}

static void print_json_row(const struct found_row *row, const char *mailbox, struct arena *arena)
{
	struct print_json line;
	struct buf buffer;
	struct json *json;

	buf_init(&buffer, LINE_MAX_BYTES);
	json = print_json_begin(&line, &buffer, "message");
	json_key(json, "mailbox");
	json_text(json, mailbox);
	json_key(json, "uid");
	json_u64(json, row->uid);
	json_key(json, "size");
	json_u64(json, row->size);
	json_key(json, "date");
	json_text(json, shown_date(row, arena));
	json_key(json, "from");
	json_text(json, row->heading ? row->heading->from : NULL);
	json_key(json, "subject");
	json_text(json, row->heading ? row->heading->subject : NULL);
	print_json_end(&line);
	buf_release(&buffer);
}

static void print_uids(const struct found *found, const char *mailbox, struct arena *arena)
{
	for (size_t i = 0; i < found->count; i++)
		print("%s%lu", i > 0 ? "," : "", (unsigned long)found->row[i].uid);
	print("\t%s\n", text_harmless_copy(arena, span_of(mailbox)));
}

size_t found_print(const struct found *found, const struct cli *cli, const char *mailbox)
{
	struct arena *arena = arena_new();

	if (cli->search.uids && found->count > 0)
		print_uids(found, mailbox, arena);
	for (size_t i = 0; i < found->count; i++) {
		if (print_json_wanted())
			print_json_row(&found->row[i], mailbox, arena);
		if (!cli->search.uids)
			print_row(&found->row[i], mailbox, arena);
		arena_clear(arena);
	}
	arena_free(arena);
	return found->count;
}

void found_print_end(const struct cli *cli, size_t messages, bool incomplete)
{
	struct print_json line;
	struct buf buffer;
	struct json *json;

	if (print_json_wanted()) {
		buf_init(&buffer, LINE_MAX_BYTES);
		json = print_json_begin(&line, &buffer, "total");
		json_key(json, "messages");
		json_u64(json, messages);
		json_key(json, "complete");
		json_bool(json, !incomplete);
		print_json_end(&line);
		buf_release(&buffer);
	}
	if (cli->search.uids || cli->settings.quiet)
		return;
	if (messages == 0)
		print("nothing found%s\n",
			incomplete ? ", and not everything could be searched" : "");
	else
		print("%zu found%s\n", messages,
			incomplete ? "; not everything could be searched" : "");
}
