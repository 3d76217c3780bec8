/* For programs: one object a location, and with --scan one a mailbox before it. */
#include "cli/checkup.h"

#include "base/arena.h"
#include "base/buf.h"
#include "cli/printer.h"
#include "mail/mailbox_name.h"

#define LINE_MAX_BYTES (1u << 20)

static void add_steps(struct json *json, const struct checkup *checkup)
{
	struct checkup_step step[CHECKUP_STEPS];
	size_t count = checkup_steps(checkup, step);

	json_key(json, "steps");
	json_begin_array(json);
	for (size_t i = 0; i < count; i++) {
		json_begin_object(json);
		json_key(json, "step");
		json_text(json, step[i].name);
		json_key(json, "ok");
		json_bool(json, step[i].done);
		json_key(json, "us");
		json_i64(json, step[i].us);
		json_end_object(json);
	}
	json_end_array(json);
}

static void add_texts(struct json *json, const struct checkup *checkup)
{
	const struct imap_facts *facts = &checkup->facts;
	const struct {
		const char *key, *text;
	} rows[] = {
		{ "address", facts->dial.address },
		{ "greeting", facts->greeting },
		{ "auth_offered", facts->offered },
		{ "auth_used", facts->mechanism },
		{ "server_id", facts->server_id },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		json_key(json, rows[i].key);
		json_text(json, *rows[i].text ? rows[i].text : NULL);
	}
}

static void add_tls(struct json *json, const struct checkup *checkup)
{
	const struct tls_facts *tls = &checkup->facts.tls;
	const struct {
		const char *key, *text;
	} rows[] = {
		{ "tls_version", tls->version },
		{ "cipher", tls->cipher },
		{ "subject", tls->subject },
		{ "issuer", tls->issuer },
		{ "names", tls->names },
		{ "pin", tls->pin },
		{ "verified", tls->verified },
	};

	json_key(json, "tls");
	if (!tls->pin[0]) {
		json_null(json);
		return;
	}
	json_begin_object(json);
	for (size_t i = 0; i < countof(rows); i++) {
		json_key(json, rows[i].key);
		json_text(json, *rows[i].text ? rows[i].text : NULL);
	}
	json_key(json, "not_before");
	json_i64(json, tls->not_before);
	json_key(json, "not_after");
	json_i64(json, tls->not_after);
	json_key(json, "days_left");
	json_i64(json, checkup_days_left(checkup));
	json_end_object(json);
}

static void add_capabilities(struct json *json, const struct checkup *checkup)
{
	const struct imap_words *all = imap_capabilities(store_imap_session(checkup->store));

	json_key(json, "capabilities");
	json_begin_array(json);
	for (size_t i = 0; i < all->count; i++)
		json_string(json, all->word[i]);
	json_end_array(json);
	for (int has = 1; has >= account_is_nobody(checkup->account); has--) {
		json_key(json, has ? "uses" : "lacks");
		json_begin_array(json);
		for (size_t i = 0; i < checkup_cap_count; i++)
			if (checkup_has(checkup, &checkup_caps[i]) == (has == 1))
				json_text(json, checkup_caps[i].name);
		json_end_array(json);
	}
}

static void add_store(struct json *json, const struct checkup *checkup)
{
	const struct mailbox_style style = store_style(checkup->store);
	const char delimiter[2] = { style.delimiter, 0 };

	json_key(json, "delimiter");
	json_text(json, style.delimiter ? delimiter : NULL);
	json_key(json, "prefix");
	json_text(json, style.prefix ? style.prefix : "");
	json_key(json, "append_limit");
	json_u64(json, store_append_limit(checkup->store));
	if (store_imap_session(checkup->store))
		add_capabilities(json, checkup);
	json_key(json, "mailboxes");
	if (checkup->listed)
		json_u64(json, checkup->list.count);
	else
		json_null(json);
	json_key(json, "quota_used");
	json_u64(json, checkup->quota_used);
	json_key(json, "quota_limit");
	if (checkup->has_quota && checkup->quota_limit > 0)
		json_u64(json, checkup->quota_limit);
	else
		json_null(json);
}

static void print_box(
	const struct checkup *checkup, const struct checkup_box *box, struct buf *buffer)
{
	struct print_json line;
	struct json *json = print_json_begin(&line, buffer, "mailbox");

	json_key(json, "location");
	json_text(json, account_name(checkup->account));
	json_key(json, "name");
	json_text(json, box->name);
	json_key(json, "announced");
	json_u64(json, box->announced);
	json_key(json, "messages");
	if (box->error)
		json_null(json);
	else
		json_u64(json, box->messages);
	json_key(json, "size");
	if (box->error)
		json_null(json);
	else
		json_u64(json, box->size);
	json_key(json, "error");
	json_text(json, box->error);
	print_json_end(&line);
}

static void print_result(const struct checkup *checkup, struct buf *buffer)
{
	struct print_json line;
	struct json *json = print_json_begin(&line, buffer, "check");

	json_key(json, "location");
	json_text(json, account_name(checkup->account));
	json_key(json, "ok");
	json_bool(json, checkup_code(checkup) == EXIT_DONE);
	json_key(json, "exit_code");
	json_i64(json, checkup_code(checkup));
	json_key(json, "failed_step");
	json_text(json, checkup->failed);
	json_key(json, "error");
	json_text(json, checkup->failed ? checkup->err.text : NULL);
	add_steps(json, checkup);
	add_texts(json, checkup);
	add_tls(json, checkup);
	if (checkup->store && account_is_nobody(checkup->account))
		add_capabilities(json, checkup);
	else if (checkup->store)
		add_store(json, checkup);
	if (checkup->cli->check.scan) {
		json_key(json, "mailboxes_differ");
		json_u64(json, checkup->boxes_differ);
		json_key(json, "mailboxes_unknown");
		json_u64(json, checkup->boxes_unknown);
	}
	print_json_end(&line);
}

void checkup_print_json(const struct checkup *checkup)
{
	struct buf buffer;

	buf_init(&buffer, LINE_MAX_BYTES);
	for (size_t i = 0; i < checkup->boxes; i++)
		print_box(checkup, &checkup->box[i], &buffer);
	print_result(checkup, &buffer);
	buf_release(&buffer);
}
