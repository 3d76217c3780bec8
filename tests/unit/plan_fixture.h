/*
 * Mailboxes as lists of what is true of their messages, and snapshots made of them: for tests of what a plan decides.
 *
 *	struct scene scene = { .name = "one" };
 *	fill(&src, &scene.src);
 *	reveal(&src, &scene.src, &wanted, …);
 */
#ifndef TEST_PLAN_FIXTURE_H
#define TEST_PLAN_FIXTURE_H

#include "ops/plan.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/must.h"
#include "mail/header.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ROWS 64

/* What is true of a message. */
struct truth {
	uint32_t uid, size;
	int64_t date;
	flags_t flags;
	char head[32], body[32];
	bool no_id;
	uint8_t skip;
};

struct mailbox {
	struct truth row[ROWS];
	size_t count;
	bool incomplete;
};

struct scene { /* one case */
	char name[128];
	struct mailbox src, dst;
	struct plan_policy policy;
	uint32_t baseline;
	bool newest_first;
	uint32_t pair_src[ROWS], pair_dst[ROWS];
	uint16_t pair_flags[2][ROWS];
	uint8_t pair_status[ROWS];
	uint32_t pair_size[ROWS];
	struct plan_hidden hidden;
	const char *flag_text[2 * ROWS];
	size_t pairs, texts;
	struct journal_grave grave[ROWS];
	size_t graves;
	char expected[16384]; /* lines */
};

static inline struct digest128 name_digest(const char *a, const char *b)
{
	struct digest *digest = digest_new();
	struct digest128 out;

	digest_add(digest, span_of(a));
	digest_add(digest, SPAN("\n"));
	digest_add(digest, span_of(b));
	out = digest_end128(digest);
	digest_free(digest);
	return out;
}

static inline void fill(struct snapshot *snapshot, const struct mailbox *mailbox)
{
	snapshot_init(snapshot, false);
	for (size_t i = 0; i < mailbox->count; i++) {
		size_t row = snapshot_add(snapshot, mailbox->row[i].uid);

		snapshot->flags[row] = mailbox->row[i].flags;
		snapshot->instant[row] = mailbox->row[i].date;
		snapshot->zone[row] = 0;
		snapshot->size[row] = mailbox->row[i].size;
	}
	snapshot_finish(snapshot, !mailbox->incomplete);
}

static inline const struct truth *find_truth(const struct mailbox *mailbox, uint32_t uid)
{
	for (size_t i = 0; i < mailbox->count; i++) {
		if (mailbox->row[i].uid == uid)
			return &mailbox->row[i];
	}
	return NULL;
}

/* What a scan of these UIDs gives. */
static inline void reveal(struct snapshot *into, const struct mailbox *mailbox,
	const struct uidset *uids, bool content)
{
	struct snapshot scan;

	snapshot_init(&scan, !content);
	if (content)
		snapshot_want_content(&scan);
	for (size_t i = 0; i < mailbox->count; i++) {
		const struct truth *truth = &mailbox->row[i];
		size_t row;

		if (!uidset_has(uids, truth->uid) ||
			strcmp(content ? truth->body : truth->head, "?") == 0)
			continue;
		row = snapshot_add(&scan, truth->uid);
		scan.attr[row] = content ? SNAPSHOT_HAS_CONTENT : SNAPSHOT_HAS_DIGEST;
		if (content)
			scan.content[row] = name_digest(truth->head, truth->body);
		else
			scan.digest[row] = name_digest("head", truth->head);
		if (!truth->no_id)
			scan.attr[row] |= SNAPSHOT_HAS_MESSAGE_ID;
	}
	snapshot_finish(&scan, true);
	snapshot_merge(into, &scan);
	snapshot_release(&scan);
}

struct out {
	char text[16384];
	size_t len;
};

static inline void put(struct out *out, const char *fmt, ...) MUST_FORMAT(2, 3);

static inline void put(struct out *out, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(out->text + out->len, sizeof(out->text) - out->len, fmt, args);
	va_end(args);
	assert_true(len >= 0 && (size_t)len < sizeof(out->text) - out->len);
	out->len += (size_t)len;
}

static inline void put_flags(
	struct out *out, const char *key, const struct flag_table *table, flags_t set)
{
	if (set == 0)
		return;
	put(out, " %s=", key);
	for (size_t i = 0; i < flags_count(table, set); i++)
		put(out, "%s%s", i ? "," : "", flags_at(table, set, i).data);
}

static inline void put_set(struct out *out, const struct uidset *set)
{
	put(out, " ");
	if (set->count == 0)
		put(out, "-");
	for (size_t i = 0; i < set->count; i++) {
		put(out, "%s%" PRIu32, i ? "," : "", set->range[i].first);
		if (set->range[i].last != set->range[i].first)
			put(out, ":%" PRIu32, set->range[i].last);
	}
}

static const char *const proof_names[] = { "", "record", "digest", "content" };

static inline void put_action(
	struct out *out, const struct flag_table *flags, const struct plan_action *action)
{
	put(out, "%s %" PRIu32 " %" PRIu32, plan_kind_name(action->kind), action->src_uid,
		action->dst_uid);
	if (action->proof != PROOF_NONE)
		put(out, " proof=%s", proof_names[action->proof]);
	put_flags(out, "add", flags, action->add);
	put_flags(out, "remove", flags, action->remove);
	if (action->kind == PLAN_COPY)
		put_flags(out, "store", flags, action->dst_flags);
	put_flags(out, "lost", flags, action->lost);
	if (action->record)
		put(out, " record");
	if (action->hidden)
		put(out, " hidden");
	if (action->kind == PLAN_SKIP)
		put(out, " reason=%u", action->reason);
	assert_int_equal(action->flags, action->add != 0 || action->remove != 0);
	put(out, "\n");
}

#endif
