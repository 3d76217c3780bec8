/* Copies in places that have no COPY: read, appended, and on disk before they count. */
#include "ops/relocate_parts.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "base/os.h"
#include "base/spool.h"
#include "ops/walk.h"

#define MEMORY (256u << 10) /* of a message, before it goes to a file */

/* 1 = the whole message is in the spool; 0 = it stays (gone, or not to be read); -1. */
static int read_message(struct relocating *run, const struct relocate_item *item,
	struct message *message, struct spool *spool, struct err *err)
{
	struct uidset one = { 0 };
	struct err local = ERR_INIT;
	struct span chunk;
	int rc;

	uidset_add(&one, run->visit->arena, item->uid, item->uid);
	spool_clear(spool);
	rc = box_fetch_ask(*run->box, &one, item->size, &local);
	if (rc == 0)
		rc = box_fetch_next(*run->box, message, &local);
	if (rc > 0 && message->outcome == MESSAGE_HERE) {
		while ((rc = box_fetch_chunk(*run->box, &chunk, &local)) > 0) {
			if (spool_add(spool, chunk, err) < 0) {
				box_fetch_end(*run->box);
				return -1;
			}
		}
		rc = rc == 0 ? 1 : -1;
	} else if (rc > 0) {
		rc = 0;
	}
	box_fetch_end(*run->box);
	if (rc < 0 && local.scope <= ERR_MESSAGE) {
		log_warn("mailbox %s: message %u stays: %s", box_name(*run->box), item->uid,
			local.text);
		return 0;
	}
	if (rc < 0)
		*err = local;
	return rc;
}

static int append_message(struct relocating *run, size_t index, const struct message *message,
	struct spool *spool, struct err *err)
{
	struct store *store = run->visit->store;
	const flags_t flags =
		flags_minus(run->visit->flags, message->flags, run->work->remove_flags);
	struct span chunk;
	int rc;

	if (store_append_begin(store, index, flags, message->date, spool_size(spool), err) < 0)
		return -1;
	run->item[index].sent = true;
	spool_rewind(spool);
	while ((rc = spool_next(spool, &chunk, err)) > 0) {
		if (store_append_add(store, chunk, err) < 0)
			return -1;
	}
	return rc < 0 ? -1 : store_append_end(store, err);
}

static int settle(struct relocating *run, bool wait, struct err *err)
{
	struct append_result result;
	int rc;

	while ((rc = store_append_settle(run->visit->store, wait, &result, err)) > 0) {
		struct relocate_item *item = &run->item[result.token];

		if (result.outcome == APPEND_STORED && result.uid != 0) {
			item->arrived = true;
			uidset_add(&run->copies, run->visit->arena, result.uid, result.uid);
		} else if (result.outcome == APPEND_REFUSED || result.outcome == APPEND_SKIPPED) {
			item->sent = false;
			log_warn("mailbox %s: message %u stays: %s", box_name(*run->box), item->uid,
				result.err.text);
		}
		if (result.lost != 0)
			log_warn("mailbox %s: message %u is stored without %s", run->work->target,
				item->uid, flags_text(run->visit->flags, result.lost));
	}
	return rc;
}

/* One that the place cannot hold does not stop the others. */
static int take_item(struct relocating *run, size_t index, struct spool *spool, struct err *err)
{
	struct message message = { .outcome = MESSAGE_GONE };
	int rc = read_message(run, &run->item[index], &message, spool, err);

	if (rc <= 0)
		return rc;
	if (append_message(run, index, &message, spool, err) == 0)
		return 0;
	if (err->scope > ERR_MESSAGE || !store_append_in_message(run->visit->store) ||
		!store_append_cancel(run->visit->store))
		return -1;
	log_warn("mailbox %s: message %u stays: %s", box_name(*run->box), run->item[index].uid,
		err->text);
	run->item[index].sent = false;
	err_clear(err);
	return 0;
}

static int append_all(struct relocating *run, struct spool *spool, struct err *err)
{
	for (size_t i = 0; i < run->count; i++) {
		const struct relocate_item *item = &run->item[i];

		if (!item->asked || !item->here || item->sent)
			continue;
		if (take_item(run, i, spool, err) < 0 || settle(run, false, err) < 0)
			return -1;
		os_point("relocate appended");
	}
	return store_append_flush(run->visit->store, err);
}

int relocate_append(struct relocating *run, struct err *err)
{
	struct store *store = run->visit->store;
	struct spool *spool;
	struct err late = ERR_INIT;
	int rc;

	if (store_append_to(store, run->work->target, err) < 0)
		return -1;
	spool = spool_new(MEMORY);
	rc = append_all(run, spool, err);
	spool_free(spool);
	if (rc < 0 && store_append_in_message(store))
		(void)store_append_cancel(store);
	/* Whatever went wrong, what was written is settled, so that it is known. */
	if (settle(run, true, rc == 0 ? err : &late) < 0)
		rc = -1;
	store_append_drop(store);
	if (settle(run, true, rc == 0 ? err : &late) < 0) /* those that were dropped stay */
		rc = -1;
	return rc;
}
