/* What is one message under two names, and no copy of itself: in a mailbox that has another name, or under the labels of Gmail. */
#include "ops/dedup_parts.h"

#include "base/arena.h"
#include "base/mem.h"

/* ---- mailboxes ---- */

/*
 * Under two names one mailbox has the same UIDs, and a mark need not show under the other one soon (Dovecot's mbox files with two indexes). Two that are not the same, of the
 * same UIDVALIDITY, betray themselves by the first UID that stands for different messages.
 */
static bool looks_the_same(
	const struct dedup *dedup, const struct dedup_box *a, const struct dedup_box *b)
{
	const struct duplicate *x = &dedup->rows[a->first], *y = &dedup->rows[b->first];
	const struct duplicate *const x_end = x + a->count, *const y_end = y + b->count;
	bool any = false;

	if (a->uidvalidity == 0 || a->uidvalidity != b->uidvalidity)
		return false;
	while (x < x_end && y < y_end) {
		if (x->uid != y->uid) {
			if (x->uid < y->uid)
				x++;
			else
				y++;
			continue;
		}
		if (x->size != y->size || !digest128_equal(x->key, y->key))
			return false;
		any = true;
		x++;
		y++;
	}
	return any;
}

/* Nothing in it is anybody's copy, and nothing is a copy of it. */
static void leave_out(struct dedup *dedup, struct dedup_box *box, const struct dedup_box *first)
{
	struct err err = ERR_INIT;

	for (size_t i = box->first; i < box->first + box->count; i++)
		dedup->rows[i].attr &= (uint8_t) ~(unsigned)DUPLICATE_HAS_KEY;
	err_set(&err, ERR_MAILBOX,
		"it seems to be %s by another name (the same UIDs, the same messages): it is left out",
		first->row.mailbox);
	dedup_keep_err(box, &err);
}

static void leave_out_aliases(struct dedup *dedup)
{
	if (!dedup->request.across || (walk_caps(dedup->walk) & STORE_CAP_FILES))
		return;
	for (size_t i = 1; i < dedup->boxes; i++) {
		for (size_t k = 0; k < i; k++) {
			if (!looks_the_same(dedup, &dedup->box[k], &dedup->box[i]))
				continue;
			leave_out(dedup, &dedup->box[i], &dedup->box[k]);
			break;
		}
	}
}

/* ---- labels ---- */

struct label { /* a message in one of the mailboxes that are its labels */
	struct digest128 id;
	uint32_t row;
};

bool dedup_wants_ids(const struct dedup *dedup, const struct walk_visit *visit)
{
	const struct imap *imap = store_imap_session(visit->store);

	return dedup->request.across && imap && imap_has(imap, IMAP_CAP_GMAIL);
}

/* Of one message the first mailbox comes first. */
static int by_id(const void *a, const void *b)
{
	const struct label *x = a, *y = b;

	const int order = digest128_compare(x->id, y->id);

	if (order != 0)
		return order;
	return (x->row > y->row) - (x->row < y->row);
}

static void say_unknown(struct dedup_box *box, size_t unknown)
{
	struct err err = ERR_INIT;

	if (unknown == 0)
		return;
	err_set(&err, ERR_MAILBOX,
		"of %zu messages the server does not tell their X-GM-MSGID: they are nobody's copies",
		unknown);
	dedup_keep_err(box, &err);
}

static size_t take_labels(struct dedup *dedup, struct label *label)
{
	size_t count = 0;

	for (size_t i = 0; i < dedup->boxes; i++) {
		struct dedup_box *box = &dedup->box[i];
		size_t unknown = 0;

		for (size_t k = 0; box->id && k < box->count; k++) {
			const size_t row = box->first + k;

			if (digest128_known(box->id[k])) {
				label[count++] = (struct label){ box->id[k], (uint32_t)row };
				continue;
			}
			dedup->rows[row].attr &= (uint8_t) ~(unsigned)DUPLICATE_HAS_KEY;
			unknown++;
		}
		say_unknown(box, unknown);
		mem_free(box->id);
		box->id = NULL;
	}
	return count;
}

/* A message is looked at where its first label is: to remove it elsewhere would take a label off. */
static void leave_out_labels(struct dedup *dedup)
{
	struct label *label;
	size_t count;

	if (!dedup->request.across)
		return;
	label = mem_array(dedup->count + 1, sizeof(*label));
	count = take_labels(dedup, label);
	if (count > 0)
		qsort(label, count, sizeof(*label), by_id);
	for (size_t i = 1; i < count; i++)
		if (digest128_equal(label[i].id, label[i - 1].id))
			dedup->rows[label[i].row].attr &= (uint8_t) ~(unsigned)DUPLICATE_HAS_KEY;
	mem_free(label);
}

void dedup_leave_out_same(struct dedup *dedup)
{
	leave_out_aliases(dedup);
	leave_out_labels(dedup);
}
