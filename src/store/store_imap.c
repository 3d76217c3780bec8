/* IMAP as a store: opening, closing, what it can do. */
#include "store/store_imap_parts.h"

#include "base/log.h"
#include "base/map.h"
#include "net/wire.h"

static bool may_compress(const struct account *account)
{
	const char *value = account_get(account, ACCOUNT_COMPRESS);

	return value == NULL || strcmp(value, "no") != 0;
}

/* COMPRESS cannot be switched off again (RFC 4978) and costs time on a fast line: only where the caller knows that it pays. */
static bool wants_compression(const struct account *account, const struct store_request *request)
{
	const char *value = account_get(account, ACCOUNT_COMPRESS);

	if (value != NULL && strcmp(value, "yes") == 0)
		return true;
	return request->compress_scan && may_compress(account);
}

static void log_connection(const struct store_imap *store, bool compressed)
{
	const struct imap_facts *facts = &store->facts;

	log_info("%s: connected to %s (%s), login by %s, %s%s", account_name(store->store.account),
		facts->dial.address[0] != '\0' ? facts->dial.address : "a tunnel",
		facts->server_id[0] != '\0' ? facts->server_id
					    : "a server that does not say what it is",
		facts->mechanism[0] != '\0' ? facts->mechanism : "nothing",
		facts->has_tls ? facts->tls.version : "no TLS", compressed ? ", compressed" : "");
}

static int open_session(struct store_imap *store, const struct store_request *request,
	bool fresh_token, struct err *err)
{
	struct imap_options options = { 0 };

	if (account_imap_options(store->store.account, fresh_token, &options, err) < 0)
		return -1;
	options.compress = wants_compression(store->store.account, request);
	options.want_qresync = true;
	options.want_utf8 = request->want_utf8;
	options.will_write = request->will_write;
	if (request->timeout_ms > 0)
		options.timeout_ms = request->timeout_ms;
	store->facts = (struct imap_facts){ 0 };
	store->imap = imap_open(&options, &store->facts, err);
	if (store->imap == NULL)
		return -1;
	log_connection(store, options.compress && imap_has(store->imap, IMAP_CAP_COMPRESS));
	return 0;
}

static int open_store(struct store *base, const struct store_request *request, struct err *err)
{
	struct store_imap *store = store_imap_of(base);
	int rc;

	store->arena = arena_new();
	store->answer = arena_new();
	store->given = request->names;
	store->append_window = request->append_window;
	store->style.prefix = "";
	rc = open_session(store, request, false, err);
	if (rc < 0 && store->facts.token_expired) {
		log_debug("%s: the token has expired, a fresh one is asked for",
			account_name(base->account));
		if (err != NULL)
			err_clear(err);
		rc = open_session(store, request, true, err);
	}
	if (request->facts != NULL)
		*request->facts = store->facts;
	if (rc < 0)
		return -1;
	return account_is_nobody(base->account) ? 0 : imap_names_ask(store, err);
}

static void close_store(struct store *base)
{
	struct store_imap *store = store_imap_of(base);

	imap_append_free(store->append);
	if (store->box != NULL)
		imap_box_close(&store->box->box);
	imap_close(store->imap);
	map_free(store->names.odd);
	map_free(store->names.escaped);
	arena_free(store->answer);
	arena_free(store->arena);
}

static int compress_store(struct store *base, struct err *err)
{
	struct store_imap *store = store_imap_of(base);

	if (!may_compress(base->account))
		return 0;
	if (imap_names_settle(store, err) < 0)
		return -1;
	return imap_compress(store->imap, err);
}

static void use_names(struct store *base, const struct mailbox_list *names)
{
	store_imap_of(base)->given = names;
}

/* What a session has makes a capability of the store. */
static const struct {
	unsigned imap; /* any of these enum imap_cap bits */
	unsigned store;
} cap_rows[] = {
	{ IMAP_CAP_CONDSTORE | IMAP_CAP_QRESYNC, STORE_CAP_MODSEQ },
	{ IMAP_CAP_UIDPLUS, STORE_CAP_UIDS_TOLD | STORE_CAP_REMOVE_ONE },
	{ IMAP_CAP_CREATE_SPECIAL_USE, STORE_CAP_SPECIAL_USE },
	{ IMAP_CAP_LITERAL_PLUS | IMAP_CAP_LITERAL_MINUS, STORE_CAP_STREAMS },
	{ IMAP_CAP_LIST_STATUS, STORE_CAP_CHEAP_LIST },
	{ IMAP_CAP_MOVE, STORE_CAP_MOVE },
};

static bool has_any(const struct imap *imap, unsigned caps)
{
	for (; caps != 0; caps &= caps - 1) {
		if (imap_has(imap, (enum imap_cap)(caps & -caps)))
			return true;
	}
	return false;
}

static unsigned caps_of(const struct store *base)
{
	const struct store_imap *store = store_imap_of(base);
	unsigned caps = STORE_CAP_FLAGS | STORE_CAP_KEYWORDS | STORE_CAP_DATES |
			STORE_CAP_SUBSCRIBE | STORE_CAP_SEARCH | STORE_CAP_WRITE | STORE_CAP_MARKS;

	for (size_t i = 0; i < countof(cap_rows); i++) {
		if (has_any(store->imap, cap_rows[i].imap))
			caps |= cap_rows[i].store;
	}
	if (imap_qresync(store->imap))
		caps |= STORE_CAP_VANISHED;
	if (may_compress(base->account) && imap_may_compress(store->imap))
		caps |= STORE_CAP_COMPRESS;
	return caps;
}

static uint64_t append_limit(const struct store *base)
{
	return imap_append_limit(store_imap_of(base)->imap);
}

/* The caller must not meet the answers to what this store asked; what fails here fails again in whatever is done next. */
static struct imap *session(struct store *base)
{
	struct store_imap *store = store_imap_of(base);

	(void)!imap_names_settle(store, NULL);
	return store->imap;
}

static const struct imap_facts *facts_of(const struct store *base)
{
	return &store_imap_of(base)->facts;
}

static struct mailbox_style style_of(const struct store *base)
{
	struct store_imap *store = store_imap_of(base);

	(void)!imap_names_settle(store, NULL);
	return store->style;
}

static void traffic(
	const struct store *base, uint64_t *in_out, uint64_t *out_out, uint64_t *turns_out)
{
	const struct wire *wire = imap_wire(store_imap_of(base)->imap);

	*in_out = wire_bytes_in(wire);
	*out_out = wire_bytes_out(wire);
	*turns_out = wire_turns(wire);
}

static int64_t waited_us(const struct store *base)
{
	return wire_slept_us(imap_wire(store_imap_of(base)->imap));
}

const struct store_ops store_imap_ops = {
	.scheme = "imap",
	.store_size = sizeof(struct store_imap),
	.open = open_store,
	.close = close_store,
	.caps = caps_of,
	.append_limit = append_limit,
	.imap_session = session,
	.imap_facts = facts_of,
	.style = style_of,
	.traffic = traffic,
	.waited_us = waited_us,
	.list = imap_store_list,
	.status = imap_store_status,
	.create = imap_store_create,
	.subscribe = imap_store_subscribe,
	.remove_mailbox = imap_store_remove_mailbox,
	.rename_mailbox = imap_store_rename_mailbox,
	.compress = compress_store,
	.prepare = imap_store_prepare,
	.use_names = use_names,
	.quota = imap_store_quota,
	.find = imap_store_find,
	.open_box = imap_box_open,
	.close_box = imap_box_close,
	.scan = imap_box_scan,
	.search = imap_box_search,
	.change_flags = imap_box_change_flags,
	.remove = imap_box_remove,
	.copy = imap_box_copy,
	.move = imap_box_move,
	.fetch_window = imap_box_fetch_window,
	.fetch_has_room = imap_box_fetch_has_room,
	.fetch_ask = imap_box_fetch_ask,
	.fetch_ready = imap_box_fetch_ready,
	.fetch_next = imap_box_fetch_next,
	.fetch_chunk = imap_box_fetch_chunk,
	.fetch_end = imap_box_fetch_end,
	.append_to = imap_store_append_to,
	.append_begin = imap_store_append_begin,
	.append_add = imap_store_append_add,
	.append_end = imap_store_append_end,
	.append_in_message = imap_store_append_in_message,
	.append_cancel = imap_store_append_cancel,
	.append_flush = imap_store_append_flush,
	.append_settle = imap_store_append_settle,
	.append_drop = imap_store_append_drop,
	.append_outstanding = imap_store_append_outstanding,
};
