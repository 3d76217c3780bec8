/* A table for people, JSON lines for programs. */
#include "cli/listing.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/text.h"
#include "cli/printer.h"

#define NAME_COLUMNS_MAX 60
#define LINE_MAX_BYTES (1u << 20)

static const char *label(const struct listing *listing, const struct listing_row *row, bool tree)
{
	if (listing->cli->settings.raw_names)
		return row->info.raw;
	return tree ? row->label : row->info.name;
}

static size_t indent(const struct listing *listing, const struct listing_row *row, bool tree)
{
	return tree && !listing->cli->settings.raw_names ? 2 * row->depth : 0;
}

static const char *attributes(const struct listing_row *row, struct arena *arena)
{
	const struct mailbox_info *info = &row->info;
	const char *use = store_use_name(info->use);
	const struct {
		bool on;
		const char *word;
	} words[] = {
		{ use != NULL, use },
		{ info->subscribed, "subscribed" },
		{ info->noselect, "noselect" },
		{ info->noinferiors, "noinferiors" },
		{ info->nonexistent, "nonexistent" },
	};
	const char *text = "";

	for (size_t i = 0; i < countof(words); i++)
		if (words[i].on)
			text = arena_print(arena, "%s%s%s", text, *text ? " " : "", words[i].word);
	return text;
}

static const char *number(
	const struct listing_row *row, unsigned item, uint64_t value, struct arena *arena)
{
	if (row->info.noselect || row->info.nonexistent)
		return "";
	return row->info.has & item ? text_count(arena, value) : "?";
}

static void print_row(
	const struct listing *listing, const struct listing_row *row, bool tree, size_t width)
{
	struct arena *arena = arena_new();
	const struct mailbox_info *info = &row->info;
	const char *words = attributes(row, arena);

	print("%*s", (int)indent(listing, row, tree), "");
	print_column(label(listing, row, tree),
		listing->counts || listing->sizes || *words
			? (int)(width - indent(listing, row, tree))
			: 0,
		arena);
	if (listing->counts)
		print(" %10s %8s", number(row, IMAP_STATUS_MESSAGES, info->messages, arena),
			number(row, IMAP_STATUS_UNSEEN, info->unseen, arena));
	if (listing->sizes)
		print(" %10s", info->has & IMAP_STATUS_SIZE
				       ? text_size(arena, info->size)
				       : number(row, IMAP_STATUS_SIZE, 0, arena));
	print("%s%s\n", *words ? "  " : "", words);
	arena_free(arena);
}

void listing_print(const struct listing *listing, bool tree)
{
	struct arena *arena = arena_new();
	size_t width = strlen("mailbox");

	for (size_t i = 0; i < listing->count; i++) {
		const struct listing_row *row = &listing->row[i];
		size_t used =
			indent(listing, row, tree) + print_width(label(listing, row, tree), arena);

		width = used > width ? used : width;
	}
	width = width > NAME_COLUMNS_MAX ? NAME_COLUMNS_MAX : width;
	if (listing->count > 0 && (listing->counts || listing->sizes)) {
		print("%-*s", (int)width, "mailbox");
		print("%s%s\n", listing->counts ? "   messages   unseen" : "",
			listing->sizes ? "       size" : "");
	}
	for (size_t i = 0; i < listing->count; i++)
		print_row(listing, &listing->row[i], tree, width);
	arena_free(arena);
}

void listing_print_total(const struct listing *listing, const struct listing_total *total)
{
	struct arena *arena = arena_new();

	print("%s%s mailboxes, %s messages (%s unseen), %s", listing->count > 0 ? "\n" : "",
		text_count(arena, total->mailboxes), text_count(arena, total->messages),
		text_count(arena, total->unseen), text_size(arena, total->size));
	if (total->unknown > 0)
		print("; not known of %s mailboxes", text_count(arena, total->unknown));
	print("\n");
	arena_free(arena);
}

static void add_number(struct json *json, const char *key, const struct mailbox_info *info,
	unsigned item, uint64_t value)
{
	json_key(json, key);
	if (info->has & item)
		json_u64(json, value);
	else
		json_null(json);
}

static void add_attributes(struct json *json, const struct mailbox_info *info)
{
	const struct {
		const char *key;
		bool on;
	} switches[] = {
		{ "subscribed", info->subscribed },
		{ "noselect", info->noselect },
		{ "noinferiors", info->noinferiors },
		{ "has_children", info->has_children },
		{ "nonexistent", info->nonexistent },
	};

	json_key(json, "special_use");
	json_text(json, store_use_name(info->use));
	for (size_t i = 0; i < countof(switches); i++) {
		json_key(json, switches[i].key);
		json_bool(json, switches[i].on);
	}
}

static void print_json_row(const struct listing_row *row, const char *account, struct buf *buffer)
{
	const struct mailbox_info *info = &row->info;
	struct print_json line;
	struct json *json = print_json_begin(&line, buffer, "mailbox");

	json_key(json, "account");
	json_text(json, account);
	json_key(json, "name");
	json_text(json, info->name);
	json_key(json, "raw");
	json_text(json, info->raw);
	add_attributes(json, info);
	add_number(json, "messages", info, IMAP_STATUS_MESSAGES, info->messages);
	add_number(json, "unseen", info, IMAP_STATUS_UNSEEN, info->unseen);
	add_number(json, "size", info, IMAP_STATUS_SIZE, info->size);
	add_number(json, "uidnext", info, IMAP_STATUS_UIDNEXT, info->uidnext);
	add_number(json, "uidvalidity", info, IMAP_STATUS_UIDVALIDITY, info->uidvalidity);
	add_number(json, "highestmodseq", info, IMAP_STATUS_HIGHESTMODSEQ, info->highestmodseq);
	json_key(json, "mailboxid");
	json_text(json, info->mailboxid);
	json_key(json, "error");
	json_text(json, row->error);
	print_json_end(&line);
}

static void print_json_total(const struct listing *listing, const struct listing_total *total,
	const char *account, struct buf *buffer)
{
	struct print_json line;
	struct json *json = print_json_begin(&line, buffer, "total");
	const struct {
		const char *key;
		bool known;
		uint64_t value;
	} numbers[] = {
		{ "mailboxes", true, total->mailboxes },
		{ "messages", listing->counts, total->messages },
		{ "unseen", listing->counts, total->unseen },
		{ "size", listing->sizes, total->size },
		{ "mailboxes_unknown", true, total->unknown },
	};

	json_key(json, "account");
	json_text(json, account);
	for (size_t i = 0; i < countof(numbers); i++) {
		json_key(json, numbers[i].key);
		if (numbers[i].known)
			json_u64(json, numbers[i].value);
		else
			json_null(json);
	}
	print_json_end(&line);
}

void listing_print_json(
	const struct listing *listing, const struct listing_total *total, const char *account)
{
	struct buf buffer;

	buf_init(&buffer, LINE_MAX_BYTES);
	for (size_t i = 0; i < listing->count; i++)
		print_json_row(&listing->row[i], account, &buffer);
	print_json_total(listing, total, account, &buffer);
	buf_release(&buffer);
}
