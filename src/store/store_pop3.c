/* POP3 as a store: one mailbox, to be read and emptied, over one connection at a time. */
#include "store/store_pop3_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "mail/mailbox_name.h"
#include "net/wire.h"

/* The facts that both protocols have, as those who show them want them. */
static void fill_told(struct store_pop3 *store)
{
	const struct pop3_facts *facts = &store->facts;
	struct imap_facts *told = &store->told;

	*told = (struct imap_facts){
		.dial = facts->dial,
		.tls = facts->tls,
		.has_tls = facts->has_tls,
		.tls_us = facts->tls_us,
		.greeting_us = facts->greeting_us,
		.login_us = facts->login_us,
		.ready_us = facts->ready_us,
		.token_expired = facts->token_expired,
	};
	memcpy(told->greeting, facts->greeting, sizeof(told->greeting));
	memcpy(told->mechanism, facts->mechanism, sizeof(told->mechanism));
	memcpy(told->offered, facts->offered, sizeof(told->offered));
	(void)snprintf(told->server_id, sizeof(told->server_id), "%.80s%s%.170s", facts->server_id,
		facts->server_id[0] && facts->capabilities[0] ? "; " : "", facts->capabilities);
}

static int open_session(struct store_pop3 *store, bool fresh_token, struct err *err)
{
	struct pop3_options options = { 0 };

	if (account_pop3_options(store->store.account, fresh_token, &options, err) < 0)
		return -1;
	options.want_utf8 = store->want_utf8;
	if (store->timeout_ms > 0)
		options.timeout_ms = store->timeout_ms;
	store->pop3 = pop3_open(&options, &store->facts, err);
	fill_told(store);
	if (!store->pop3)
		return -1;
	log_info("%s: connected to %s (%s), login by %s, %s", account_name(store->store.account),
		store->facts.dial.address[0] ? store->facts.dial.address : "a tunnel",
		store->facts.server_id[0] ? store->facts.server_id
					  : "a server that does not say what it is",
		store->facts.mechanism, store->facts.has_tls ? store->facts.tls.version : "no TLS");
	if (store->facts.capabilities[0])
		log_debug("%s: capabilities: %s", account_name(store->store.account),
			store->facts.capabilities);
	return 0;
}

static int connect_store(struct store_pop3 *store, struct err *err)
{
	int rc = open_session(store, false, err);

	if (rc < 0 && store->facts.token_expired) {
		log_debug("%s: the token has expired, a fresh one is asked for",
			account_name(store->store.account));
		err_clear(err);
		rc = open_session(store, true, err);
	}
	return rc;
}

void pop3_session_end(struct store_pop3 *store)
{
	if (!store->pop3)
		return;
	const struct wire *wire = pop3_wire(store->pop3);

	store->in += wire_bytes_in(wire);
	store->out += wire_bytes_out(wire);
	store->turns += wire_turns(wire);
	pop3_close(store->pop3);
	store->pop3 = NULL;
	store->listed = false;
}

int pop3_session(struct store_pop3 *store, struct err *err)
{
	if (!store->pop3 && connect_store(store, err) < 0)
		return -1;
	return store->listed ? 0 : pop3_list(store, err);
}

static int open_store(struct store *base, const struct store_request *request, struct err *err)
{
	struct store_pop3 *store = store_pop3_of(base);
	struct err local = ERR_INIT;

	store->timeout_ms = request->timeout_ms;
	store->want_utf8 = request->want_utf8;
	store->ledger = account_ledger(base->account, request->state_dir, &local);

	const int rc = store->ledger ? connect_store(store, &local) : -1;
	if (request->facts)
		*request->facts = store->told;
	if (rc < 0 && err)
		*err = local;
	return rc;
}

static void close_store(struct store *base)
{
	struct store_pop3 *store = store_pop3_of(base);

	if (store->box)
		pop3_box_close(&store->box->box);
	pop3_session_end(store);
	mem_free(store->row);
	mem_free(store->by_uid);
}

static unsigned caps_of(const struct store *base)
{
	(void)base;
	return STORE_CAP_ALONE | STORE_CAP_REMOVE_ONE | STORE_CAP_CHEAP_LIST | STORE_CAP_SEARCH;
}

static const struct imap_facts *facts_of(const struct store *base)
{
	return &store_pop3_of(base)->told;
}

static void traffic_of(
	const struct store *base, uint64_t *in_out, uint64_t *out_out, uint64_t *turns_out)
{
	const struct store_pop3 *store = store_pop3_of(base);
	const struct wire *wire = store->pop3 ? pop3_wire(store->pop3) : NULL;

	*in_out = store->in + (wire ? wire_bytes_in(wire) : 0);
	*out_out = store->out + (wire ? wire_bytes_out(wire) : 0);
	*turns_out = store->turns + (wire ? wire_turns(wire) : 0);
}

static int fill_info(
	struct store_pop3 *store, unsigned want, struct mailbox_info *out, struct err *err)
{
	uint64_t octets = 0;

	*out = (struct mailbox_info){ .name = "INBOX", .raw = "INBOX", .noinferiors = true };
	if (want == 0)
		return 0;
	if (pop3_session(store, err) < 0)
		return -1;
	for (size_t i = 0; i < store->count; i++)
		octets += store->row[i].size;
	out->has = IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY |
		   IMAP_STATUS_SIZE;
	out->messages = (uint32_t)store->count;
	out->size = octets;
	out->uidnext = store->ledger_facts.uidnext;
	out->uidvalidity = store->ledger_facts.uidvalidity;
	return 0;
}

static int list_store(struct store *base, unsigned want, struct arena *arena,
	struct mailbox_list *out, struct err *err)
{
	*out = (struct mailbox_list){
		.mailbox = arena_array(arena, 1, sizeof(*out->mailbox)),
		.count = 1,
		.delimiter = '/',
		.subscriptions_unknown = true,
	};
	return fill_info(store_pop3_of(base), want, out->mailbox, err);
}

static int status_store(struct store *base, const char *name, unsigned want,
	struct mailbox_info *out, struct err *err)
{
	if (!mailbox_is_inbox(name))
		return err_set(err, ERR_MAILBOX, "POP3 has no mailbox but INBOX");
	return fill_info(store_pop3_of(base), want, out, err);
}

const struct store_ops store_pop3_ops = {
	.scheme = "pop3",
	.store_size = sizeof(struct store_pop3),
	.open = open_store,
	.close = close_store,
	.caps = caps_of,
	.imap_facts = facts_of,
	.traffic = traffic_of,
	.list = list_store,
	.status = status_store,
	.open_box = pop3_box_open,
	.close_box = pop3_box_close,
	.scan = pop3_box_scan,
	.search = pop3_box_search,
	.remove = pop3_box_remove,
	.fetch_window = pop3_box_fetch_window,
	.fetch_has_room = pop3_box_fetch_has_room,
	.fetch_ask = pop3_box_fetch_ask,
	.fetch_ready = pop3_box_fetch_ready,
	.fetch_next = pop3_box_fetch_next,
	.fetch_chunk = pop3_box_fetch_chunk,
	.fetch_end = pop3_box_fetch_end,
};
