/* What --db keeps of a check: the location, its mailboxes, their messages, and what is wrong with them. */
#include "cli/checkup.h"

#include "base/arena.h"
#include "base/mem.h"
#include "mail/header_field.h"

struct kept_id { /* of a message */
	uint32_t uid;
	struct span id;
};

struct kept_ids {
	struct arena *arena;
	struct kept_id *id;
	size_t count, room;
};

static void keep_id(void *context, uint32_t uid, struct span header)
{
	struct kept_ids *ids = context;
	struct arena *scratch = arena_new();
	const char *value = header_field(header, SPAN("Message-ID"), scratch);

	if (value && *value) {
		if (ids->count == ids->room) {
			ids->room = ids->room ? 2 * ids->room : 256;
			ids->id = mem_resize(ids->id, ids->room, sizeof(*ids->id));
		}
		ids->id[ids->count++] = (struct kept_id){ uid,
			arena_span(ids->arena, span_sub(span_of(value), 0, RESULTS_TEXT + 1)) };
	}
	arena_free(scratch);
}

static int by_uid(const void *a, const void *b)
{
	const struct kept_id *x = a, *y = b;

	return (x->uid > y->uid) - (x->uid < y->uid);
}

static struct span find_id(const struct kept_ids *ids, uint32_t uid)
{
	const struct kept_id key = { .uid = uid };
	const struct kept_id *found =
		ids->count == 0 ? NULL : bsearch(&key, ids->id, ids->count, sizeof(key), by_uid);

	return found ? found->id : (struct span){ NULL, 0 };
}

static void add_messages(struct checkup *checkup, const struct checkup_box *box,
	const struct snapshot *rows, const struct kept_ids *ids)
{
	for (size_t i = 0; i < rows->count; i++) {
		const bool digest = rows->attr[i] & SNAPSHOT_HAS_DIGEST;

		results_message(checkup->results,
			&(struct results_message){ .mailbox = box->number,
				.uid = rows->uid[i],
				.arrived = rows->instant[i],
				.size = rows->size[i],
				.flags = span_of(flags_text(checkup->flags, rows->flags[i])),
				.message_id = find_id(ids, rows->uid[i]),
				.header = digest ? rows->digest[i] : (struct digest128){ { 0 } } });
	}
}

static void add_box(
	const struct checkup *checkup, struct checkup_box *box, uint32_t uidvalidity, bool complete)
{
	box->number = results_mailbox(checkup->results,
		&(struct results_mailbox){ .location = checkup->number,
			.name = box->name,
			.uidvalidity = uidvalidity,
			.complete = complete,
			.messages = complete ? box->messages : 0,
			.octets = complete ? box->size : 0,
			.announced = uidvalidity ? (int64_t)box->announced : RESULTS_UNKNOWN,
			.error = box->error });
}

int checkup_scan_kept(struct checkup *checkup, struct box *box, struct checkup_box *out,
	struct snapshot *snapshot, struct uidset *unknown, struct err *err)
{
	struct kept_ids ids = { .arena = arena_new() };
	const struct box_scan scan = {
		.digests = true, .dates = true, .header = keep_id, .header_context = &ids
	};
	int rc;

	snapshot_want_digests(snapshot);
	rc = box_scan(box, &scan, snapshot, checkup->arena, unknown, err);
	if (rc == 0) {
		if (ids.count > 1)
			qsort(ids.id, ids.count, sizeof(*ids.id), by_uid);
		checkup_count(snapshot, out);
		add_box(checkup, out, box_facts(box)->uidvalidity, snapshot->complete);
		add_messages(checkup, out, snapshot, &ids);
	}
	mem_free(ids.id);
	arena_free(ids.arena);
	return rc;
}

static void add_box_finding(const struct checkup *checkup, const struct checkup_box *box)
{
	struct results_finding finding = {
		.kind = RESULTS_NOT_KNOWN,
		.location = checkup->number,
		.mailbox = box->number,
		.name = box->name,
		.text = box->error,
	};

	if (!box->error && box->messages == box->announced)
		return;
	if (!box->error) {
		finding.kind = RESULTS_DIFFERS;
		finding.what = "count";
		finding.text = arena_print(checkup->arena,
			"%llu messages were read, the server says %llu",
			(unsigned long long)box->messages, (unsigned long long)box->announced);
	}
	results_finding(checkup->results, &finding);
}

static void add_location_findings(const struct checkup *checkup)
{
	struct results_finding finding = { .kind = RESULTS_NOT_KNOWN, .location = checkup->number };

	if (checkup->failed) {
		finding.text =
			arena_print(checkup->arena, "%s: %s", checkup->failed, checkup->err.text);
		results_finding(checkup->results, &finding);
	}
	if (checkup->list.refused > 0) {
		finding.text = arena_print(checkup->arena,
			"%zu mailboxes with names that are none were left out",
			checkup->list.refused);
		results_finding(checkup->results, &finding);
	}
}

void checkup_keep(struct checkup *checkup)
{
	if (!checkup->results)
		return;
	results_location(
		checkup->results, &(struct results_location){ .number = checkup->number,
					  .name = account_name(checkup->account),
					  .host = account_get(checkup->account, ACCOUNT_HOST),
					  .user = account_get(checkup->account, ACCOUNT_USER),
					  .error = checkup->failed ? checkup->err.text : NULL });
	add_location_findings(checkup);
	for (size_t i = 0; i < checkup->boxes; i++) {
		if (checkup->box[i].number == 0)
			add_box(checkup, &checkup->box[i], 0, false);
		add_box_finding(checkup, &checkup->box[i]);
	}
}
