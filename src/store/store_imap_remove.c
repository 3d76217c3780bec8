/* Removing and renaming mailboxes. */
#include "store/store_imap_parts.h"

/* One command of one or two mailbox names. */
static int ask(struct store_imap *store, const char *verb, const char *first, const char *second,
	struct err *err)
{
	struct imap_command command;
	uint32_t tag;

	imap_command_init(&command, verb);
	imap_command_mailbox(&command, first);
	if (second != NULL)
		imap_command_mailbox(&command, second);
	tag = imap_submit(store->imap, &command, err);
	return tag != 0 ? imap_finish(store->imap, tag, err) : -1;
}

/* The server may have the mailbox selected still: DELETE of that one is refused by some, and ends the connection of others. */
static int leave(struct store_imap *store, struct err *err)
{
	if (store->box != NULL)
		return err_set(err, ERR_LOCAL, "mailbox %s is still open", store->box->box.name);
	return imap_unselect(store->imap, err);
}

static int is_inbox(const char *name, const char *what, struct err *err)
{
	if (!mailbox_is_inbox(name))
		return 0;
	err_set(err, ERR_MAILBOX, "INBOX cannot be %s", what);
	return 1;
}

/* DELETE leaves those below a mailbox where they are (RFC 3501 §6.3.4), and the subscription too (§6.3.9). */
int imap_store_remove_mailbox(struct store *base, const char *name, struct err *err)
{
	struct store_imap *store = store_imap_of(base);
	struct arena *arena = arena_new();
	bool changed;
	char *raw;
	int rc = -1;

	if (is_inbox(name, "deleted", err) == 0 &&
		imap_names_raw(store, name, arena, &raw, &changed, err) == 0 &&
		leave(store, err) == 0) {
		rc = ask(store, "DELETE", raw, NULL, err);
		if (rc < 0)
			err_wrap(err, "cannot delete mailbox %s", name);
	}
	arena_free(arena);
	return rc;
}

int imap_store_rename_mailbox(struct store *base, const char *from, const char *to, struct err *err)
{
	struct store_imap *store = store_imap_of(base);
	struct arena *arena = arena_new();
	bool changed;
	char *raw, *target;
	int rc = -1;

	/* RENAME of INBOX empties it instead (RFC 3501 §6.3.5). */
	if (is_inbox(from, "renamed", err) == 0 && is_inbox(to, "a new name", err) == 0 &&
		imap_names_raw(store, from, arena, &raw, &changed, err) == 0 &&
		imap_names_raw(store, to, arena, &target, &changed, err) == 0 &&
		leave(store, err) == 0) {
		rc = ask(store, "RENAME", raw, target, err);
		if (rc < 0)
			err_wrap(err, "cannot rename mailbox %s to %s", from, to);
	}
	arena_free(arena);
	return rc;
}
