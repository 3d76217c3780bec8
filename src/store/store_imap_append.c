/* Writing: imap_append behind the store's interface. */
#include "store/store_imap_parts.h"

int imap_store_append_to(struct store *base, const char *name, struct err *err)
{
	struct store_imap *store = store_imap_of(base);
	struct arena *arena;
	bool changed;
	char *raw;
	int rc;

	if (store->append != NULL && imap_append_outstanding(store->append) > 0)
		return err_set(err, ERR_LOCAL,
			"mailbox %s is written to before the one before it is settled", name);
	imap_append_free(store->append);
	store->append = NULL;
	arena = arena_new();
	rc = imap_names_raw(store, name, arena, &raw, &changed, err);
	if (rc == 0) {
		store->append = imap_append_new(store->imap, raw);
		if (store->append_window > 0)
			imap_append_window(store->append, store->append_window);
	}
	arena_free(arena);
	return rc;
}

static int check_target(const struct store_imap *store, struct err *err)
{
	return store->append != NULL ? 0
				     : err_set(err, ERR_LOCAL, "no mailbox to write to was named");
}

int imap_store_append_begin(struct store *base, uint64_t token, flags_t flags, struct date date,
	uint64_t size, struct err *err)
{
	struct store_imap *store = store_imap_of(base);
	char text[DATE_TEXT_SIZE];
	const bool dated = date.instant != DATE_UNKNOWN;

	if (check_target(store, err) < 0)
		return -1;
	if (store->box != NULL)
		store->box->fresh = false;
	if (dated)
		date_print_internal(date, text);
	return imap_append_begin(store->append, token, flags_text(base->flags, flags),
		dated ? text : NULL, size, err);
}

int imap_store_append_add(struct store *base, struct span bytes, struct err *err)
{
	return imap_append_add(store_imap_of(base)->append, bytes, err);
}

int imap_store_append_end(struct store *base, struct err *err)
{
	return imap_append_end(store_imap_of(base)->append, err);
}

bool imap_store_append_in_message(const struct store *base)
{
	const struct store_imap *store = store_imap_of(base);

	return store->append != NULL && imap_append_in_message(store->append);
}

bool imap_store_append_cancel(struct store *base)
{
	struct store_imap *store = store_imap_of(base);

	return store->append != NULL && imap_append_cancel(store->append);
}

int imap_store_append_flush(struct store *base, struct err *err)
{
	struct store_imap *store = store_imap_of(base);

	return store->append != NULL ? imap_append_flush(store->append, err) : 0;
}

static enum append_outcome outcome_of(enum imap_append_outcome outcome)
{
	switch (outcome) {
	case IMAP_APPEND_STORED:
		return APPEND_STORED;
	case IMAP_APPEND_REFUSED:
		return APPEND_REFUSED;
	case IMAP_APPEND_SKIPPED:
		return APPEND_SKIPPED;
	case IMAP_APPEND_UNKNOWN:
		break;
	}
	return APPEND_UNKNOWN;
}

int imap_store_append_settle(
	struct store *base, bool wait, struct append_result *out, struct err *err)
{
	struct store_imap *store = store_imap_of(base);
	struct imap_append_result result;
	int rc;

	if (store->append == NULL)
		return 0;
	rc = imap_append_settle(store->append, wait, &result, err);
	if (rc <= 0)
		return rc;
	out->token = result.token;
	out->outcome = outcome_of(result.outcome);
	out->uidvalidity = result.uidvalidity;
	out->uid = result.uid;
	out->lost = 0;
	out->err = result.err;
	return 1;
}

void imap_store_append_drop(struct store *base)
{
	struct store_imap *store = store_imap_of(base);

	if (store->append != NULL)
		imap_append_drop(store->append);
}

size_t imap_store_append_outstanding(const struct store *base)
{
	const struct store_imap *store = store_imap_of(base);

	return store->append != NULL ? imap_append_outstanding(store->append) : 0;
}
