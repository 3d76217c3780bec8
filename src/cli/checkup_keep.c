/* What --db keeps of a check: the location, its mailboxes, their messages, and what is wrong with them. */
#include "cli/checkup.h"

#include "base/arena.h"
#include "ops/kept.h"

static struct results_mailbox row_of(
	const struct checkup *checkup, const struct checkup_box *box, uint32_t uidvalidity)
{
	return (struct results_mailbox){ .location = checkup->number,
		.name = box->name,
		.uidvalidity = uidvalidity,
		.announced = uidvalidity ? (int64_t)box->announced : RESULTS_UNKNOWN,
		.error = box->error };
}

int checkup_scan_kept(struct checkup *checkup, struct box *box, struct checkup_box *out,
	struct snapshot *snapshot, struct uidset *unknown, struct err *err)
{
	struct box_scan scan = { .digests = true, .dates = true };
	struct kept kept;
	int rc;

	kept_begin(&kept, &scan);
	rc = box_scan(box, &scan, snapshot, checkup->arena, unknown, err);
	if (rc == 0) {
		struct results_mailbox row = row_of(checkup, out, box_facts(box)->uidvalidity);

		checkup_count(snapshot, out);
		row.complete = snapshot->complete;
		row.messages = out->messages;
		row.octets = out->size;
		out->number =
			kept_add(&kept, checkup->results, &row, snapshot, NULL, checkup->flags);
	}
	kept_end(&kept);
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
		struct checkup_box *box = &checkup->box[i];
		const struct results_mailbox unread = row_of(checkup, box, 0);

		if (box->number == 0)
			box->number = results_mailbox(checkup->results, &unread);
		add_box_finding(checkup, box);
	}
}
