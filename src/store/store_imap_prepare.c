/* Creating and subscribing for a whole account: commands go out without waiting, what was refused is then done one by one. */
#include "store/store_imap_parts.h"

#define PREPARE_WINDOW 16 /* commands in flight */

struct prepared {
	struct store_imap *store;
	struct store_preparation *list;
	size_t count;
	struct arena *arena;
	char **raw; /* server names; NULL = not to be touched */
};

static int name_all(struct prepared *all, struct err *err)
{
	all->raw = arena_array(all->arena, all->count + 1, sizeof(*all->raw));
	for (size_t i = 0; i < all->count; i++) {
		struct store_preparation *one = &all->list[i];

		err_clear(&one->err);
		one->raw = NULL;
		if (imap_names_raw(all->store, one->name, all->arena, &all->raw[i], &one->changed,
			    &one->err) == 0)
			continue;
		all->raw[i] = NULL;
		if (one->err.scope >= ERR_CONN) {
			*err = one->err;
			return -1;
		}
	}
	return 0;
}

static uint32_t send_create(struct prepared *all, size_t index, struct err *err)
{
	const struct store_preparation *one = &all->list[index];
	struct imap_command command;

	imap_command_init(&command, "CREATE");
	imap_command_mailbox(&command, all->raw[index]);
	if (one->use != STORE_USE_NONE && imap_has(all->store->imap, IMAP_CAP_CREATE_SPECIAL_USE))
		imap_command_print(
			&command, "(USE (%s))", store_use_name(one->use)); /* RFC 6154 §3 */
	return imap_submit(all->store->imap, &command, err);
}

static uint32_t send_subscribe(struct prepared *all, size_t index, struct err *err)
{
	struct imap_command command;

	imap_command_init(&command, "SUBSCRIBE");
	imap_command_mailbox(&command, all->raw[index]);
	return imap_submit(all->store->imap, &command, err);
}

/* What was refused in the crowd may have an innocent reason: the careful way finds out. */
static int settle_create(struct prepared *all, size_t index, struct err *err)
{
	struct store_preparation *one = &all->list[index];

	err_clear(&one->err);
	if (imap_create(all->store, one, &one->err) == 0) {
		if (one->raw != NULL)
			all->raw[index] = arena_strdup(all->arena, one->raw);
		return 0;
	}
	if (one->err.scope < ERR_CONN)
		return 0;
	*err = one->err;
	return -1;
}

/* Sends all that `wanted` picks, a window at a time; refused[i] says which were answered NO or BAD, with the reason in their err. */
static int run_all(struct prepared *all, bool subscribe, bool *refused, struct err *err)
{
	uint32_t tag[PREPARE_WINDOW];
	size_t of[PREPARE_WINDOW];

	for (size_t at = 0; at < all->count;) {
		size_t sent = 0;

		for (; at < all->count && sent < PREPARE_WINDOW; at++) {
			const struct store_preparation *one = &all->list[at];

			if (!all->raw[at] || one->err.scope != ERR_NONE ||
				!(subscribe ? one->subscribe : one->create) ||
				(!subscribe && mailbox_is_inbox(one->name)))
				continue;
			tag[sent] = subscribe ? send_subscribe(all, at, err)
					      : send_create(all, at, err);
			if (!tag[sent])
				return -1;
			of[sent++] = at;
		}
		for (size_t i = 0; i < sent; i++) {
			struct err *why = &all->list[of[i]].err;

			if (imap_finish(all->store->imap, tag[i], why) == 0)
				continue;
			refused[of[i]] = true;
			if (why->scope >= ERR_CONN) {
				*err = *why;
				return -1;
			}
		}
	}
	return 0;
}

int imap_store_prepare(
	struct store *base, struct store_preparation *list, size_t count, struct err *err)
{
	struct prepared all = {
		.store = store_imap_of(base), .list = list, .count = count, .arena = arena_new()
	};
	bool *refused = arena_array(all.arena, count + 1, sizeof(*refused));
	int rc = -1;

	if (imap_names_settle(all.store, err) < 0 || name_all(&all, err) < 0 ||
		run_all(&all, false, refused, err) < 0)
		goto out;
	for (size_t i = 0; i < count; i++) {
		if (refused[i] && settle_create(&all, i, err) < 0)
			goto out;
		list[i].created = list[i].create && list[i].err.scope == ERR_NONE;
		if (list[i].create && list[i].changed && list[i].raw == NULL)
			list[i].raw = arena_strdup(all.store->arena, all.raw[i]);
	}
	rc = run_all(&all, true, refused, err);
out:
	arena_free(all.arena);
	return rc;
}
