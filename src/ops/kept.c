/* Message-IDs come while a mailbox is scanned, in any order; rows are there afterwards. */
#include "ops/kept.h"

#include "base/arena.h"
#include "base/mem.h"
#include "mail/header_field.h"
#include "ops/select.h"

struct kept_id { /* of a message */
	uint32_t uid;
	struct span id;
};

static void keep_id(void *context, uint32_t uid, struct span header)
{
	struct kept *kept = context;
	struct arena *scratch = arena_new();
	const char *value = header_field(header, SPAN("Message-ID"), scratch);

	if (value && *value) {
		if (kept->count == kept->room) {
			kept->room = kept->room ? 2 * kept->room : 256;
			kept->id = mem_resize(kept->id, kept->room, sizeof(*kept->id));
		}
		kept->sorted = false;
		/* One octet more than the database takes: it says that it was cut. */
		kept->id[kept->count++] = (struct kept_id){ uid,
			arena_span(kept->arena, span_sub(span_of(value), 0, RESULTS_TEXT + 1)) };
	}
	arena_free(scratch);
}

void kept_begin(struct kept *kept, struct box_scan *scan)
{
	*kept = (struct kept){ .arena = arena_new(), .usual = scan->digests && !scan->fields };
	scan->header = keep_id;
	scan->header_context = kept;
}

void kept_end(struct kept *kept)
{
	mem_free(kept->id);
	arena_free(kept->arena);
	*kept = (struct kept){ 0 };
}

static int by_uid(const void *a, const void *b)
{
	const struct kept_id *x = a, *y = b;

	return (x->uid > y->uid) - (x->uid < y->uid);
}

struct span kept_message_id(struct kept *kept, uint32_t uid)
{
	const struct kept_id key = { .uid = uid };
	const struct kept_id *found;

	if (!kept->sorted && kept->count > 1)
		qsort(kept->id, kept->count, sizeof(*kept->id), by_uid);
	kept->sorted = true;
	found = kept->count == 0 ? NULL : bsearch(&key, kept->id, kept->count, sizeof(key), by_uid);

	return found ? found->id : (struct span){ NULL, 0 };
}

uint64_t kept_add(struct kept *kept, struct results *results, const struct results_mailbox *mailbox,
	const struct snapshot *rows, const uint8_t *reason, const struct flag_table *flags)
{
	const struct digest128 none = { { 0 } };
	const uint64_t number = results_mailbox(results, mailbox);

	for (size_t i = 0; i < rows->count; i++) {
		const unsigned attr = rows->attr[i];
		struct results_message message = {
			.mailbox = number,
			.uid = rows->uid[i],
			.arrived = rows->instant[i],
			.size = rows->size[i],
			.flags = span_of(flags_text(flags, rows->flags[i])),
			.message_id = kept_message_id(kept, rows->uid[i]),
			.header = kept->usual && (attr & SNAPSHOT_HAS_DIGEST) ? rows->digest[i]
									      : none,
			.content = (attr & SNAPSHOT_HAS_CONTENT) ? rows->content[i] : none,
		};

		if (!reason || reason[i] == SELECT_YES)
			results_message(results, &message);
	}
	return number;
}
