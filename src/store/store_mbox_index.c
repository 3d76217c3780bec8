/* Looking through an mbox file: where messages stand, and what can be told about them without a record. */
#include "store/store_mbox_parts.h"

#include "base/stop.h"

void mbox_finding_release(struct mbox_finding *finding)
{
	mem_free(finding->found);
	*finding = (struct mbox_finding){ .count = 0 };
}

struct index {
	struct mbox_file *file;
	struct mbox_finding *out;
	struct mbox_facts *facts;
	struct mbox_reader reader;
	bool any_bare, gone;
	char last; /* octet of the message */
	uint32_t line; /* hash of its From_ line */
};

static struct mbox_found *add_found(struct mbox_finding *out)
{
	if (out->count == out->room) {
		out->room = out->room == 0 ? 64 : out->room * 2;
		out->found = mem_resize(out->found, out->room, sizeof(*out->found));
	}
	out->found[out->count] = (struct mbox_found){ .uid = 0 };
	return &out->found[out->count++];
}

struct mbox_found *mbox_finding_take(struct mbox_file *file, struct mbox_finding *out,
	const struct mbox_result *result, const struct mbox_entry *entry)
{
	const struct store_mbox *store = file->store;
	struct mbox_found *found;
	uint64_t size = entry->size + result->bare_lf;

	if (store->mozilla && result->has_mozilla && mozilla_is_gone(&result->mozilla))
		return NULL;
	found = add_found(out);
	found->entry = *entry;
	found->entry.filtered = store->mozilla && result->mozilla_octets > 0;
	found->entry.key = result->key.word[0];
	found->key_rest = result->key.word[1];
	mbox_found_set_date(found, result->date);
	found->has_status = store->mozilla ? result->has_mozilla : result->has_status;
	found->flags = flags_parse(
		store->store.flags, store->mozilla ? result->mozilla_flags : result->status_flags);
	if (found->entry.filtered)
		size -= result->mozilla_octets;
	/* it was said that we wrote the file so, and that is how it looks: the message's own lines are aside */
	found->entry.aside = store->status && result->own_octets > 0;
	if (found->entry.aside) {
		found->entry.strip = (uint32_t)result->own_octets;
		size = UINT32_MAX; /* not known without undoing that */
	}
	found->size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
	return found;
}

static void take_message(struct index *index)
{
	const struct mbox_message *message = &index->reader.message;
	struct mbox_result result;
	struct mbox_found *found;

	mbox_facts_end(index->facts, &result);
	index->any_bare |= message->by_length && message->has_from;
	index->out->end = message->start + message->head + message->size;
	index->out->pad = message->size == 0 ? 1 : index->last == '\n' ? 1 : 2;
	found = mbox_finding_take(index->file, index->out, &result,
		&(struct mbox_entry){ .start = message->start,
			.size = message->size,
			.head = message->head,
			.line = index->line });
	if (found == NULL)
		return;
	found->by_length = message->by_length;
	if (message->from.date.instant != DATE_UNKNOWN)
		mbox_found_set_date(found, message->from.date);
}

/* 1 = go on, 0 = done, -1 */
static int step(struct index *index, struct err *err)
{
	struct mbox_reader *reader = &index->reader;
	const uint64_t offset = reader->offset;
	struct span window, text;
	bool last;

	if (mbox_octets_window(index->file->octets, reader->offset, &window, &last, err) < 0)
		return -1;
	switch (mbox_reader_next(reader, window, last, &text)) {
	case MBOX_MORE:
		return 1; /* the window moves with reader->offset, and is always long enough */
	case MBOX_BEGIN:
		window = span_sub(span_from(window, (size_t)(reader->message.start - offset)), 0,
			reader->message.head);
		while (span_ends(window, SPAN("\n")) || span_ends(window, SPAN("\r")))
			window.len--;
		index->line = mbox_line_hash(window);
		mbox_facts_reset(index->facts);
		return 1;
	case MBOX_AGAIN:
		mbox_facts_reset(index->facts);
		return 1;
	case MBOX_TEXT:
		mbox_facts_add(index->facts, text);
		if (text.len > 0)
			index->last = text.data[text.len - 1];
		return 1;
	case MBOX_END:
		take_message(index);
		return 1;
	case MBOX_DONE:
		/* what follows the last message is nothing but empty lines */
		if (reader->offset > index->out->end)
			index->out->pad = 0;
		index->out->end = reader->offset;
		return 0;
	case MBOX_FOREIGN:
		break;
	}
	return err_set(err, ERR_MAILBOX, "%s is no mbox file: there is no From_ line at octet %llu",
		index->file->path, (unsigned long long)reader->offset);
}

int mbox_index(struct mbox_file *file, uint64_t from, struct mbox_finding *out, struct err *err)
{
	struct index index = { .file = file, .out = out };
	int rc;

	*out = (struct mbox_finding){ .end = from };
	if (file->octets == NULL)
		return 0;
	index.facts = mbox_facts_new();
	index.reader.variant = file->store->variant;
	index.reader.offset = from;
	index.reader.begun = from > 0;
	while ((rc = step(&index, err)) > 0) {
		if (stop_check(err) < 0) {
			rc = -1;
			break;
		}
	}
	mbox_facts_free(index.facts);
	for (size_t i = 0; i < out->count; i++)
		out->found[i].entry.how = (uint8_t)mbox_unquote_how(
			file->store->variant, out->found[i].by_length, index.any_bare);
	if (rc < 0)
		mbox_finding_release(out);
	return rc;
}
