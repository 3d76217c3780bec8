/* Goes through the steps; what failed is known by the first fact that is missing. */
#include "cli/checkup.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/text.h"
#include "ops/report.h"

#define DAY_S 86400

static bool is_server(const struct checkup *checkup)
{
	return !account_path(checkup->account);
}

static void fail(struct checkup *checkup, const char *step)
{
	checkup->failed = step;
}

static bool wants_tls(const struct checkup *checkup)
{
	const char *tls = account_get(checkup->account, ACCOUNT_TLS);

	return !tls || strcmp(tls, "none") != 0;
}

static bool wants_starttls(const struct checkup *checkup)
{
	const char *tls = account_get(checkup->account, ACCOUNT_TLS);

	return tls && strcmp(tls, "starttls") == 0;
}

static bool is_direct(const struct checkup *checkup)
{
	return !account_get(checkup->account, ACCOUNT_TUNNEL) &&
	       !account_get(checkup->account, ACCOUNT_PROXY);
}

/* With implicit TLS the handshake comes before the greeting, with STARTTLS after it. */
static const char *missing_step(const struct checkup *checkup)
{
	const struct imap_facts *facts = &checkup->facts;

	if (!is_server(checkup))
		return "open";
	if (is_direct(checkup) && facts->dial.address_count == 0)
		return "resolve";
	if (is_direct(checkup) && facts->dial.connect_us == 0)
		return "connect";
	if (wants_tls(checkup) && !wants_starttls(checkup) && !facts->has_tls)
		return checkup->err.kind == ERR_KIND_NETWORK && !is_direct(checkup) ? "connect"
										    : "tls";
	if (facts->greeting_us == 0)
		return "greeting";
	if (wants_starttls(checkup) && !facts->has_tls)
		return "tls";
	if (account_is_nobody(checkup->account))
		return "capability";
	return facts->login_us == 0 ? "login" : "ready";
}

static void open_store(struct checkup *checkup)
{
	struct store_request request = {
		.flags = checkup->flags,
		.compress_scan = checkup->cli->check.scan,
		.timeout_ms = checkup->cli->settings.timeout_ms,
		.facts = &checkup->facts,
	};

	checkup->store = store_open(checkup->account, &request, &checkup->err);
	if (!checkup->store)
		fail(checkup, missing_step(checkup));
}

static void read_list(struct checkup *checkup)
{
	const int64_t began = clock_us();
	const unsigned want = checkup->cli->check.scan ? STORE_LIST_STATUS : 0u;

	if (store_list(checkup->store, want, checkup->arena, &checkup->list, &checkup->err) < 0) {
		fail(checkup, "list");
		return;
	}
	checkup->list_us = clock_us() - began;
	checkup->listed = true;
}

/* A server without quotas, or one that does not want to tell, is no failure. */
static void read_quota(struct checkup *checkup)
{
	struct err local = ERR_INIT;

	checkup->has_quota = store_quota(checkup->store, &checkup->quota_used,
				     &checkup->quota_limit, &local) == 0 &&
			     (checkup->quota_used > 0 || checkup->quota_limit > 0);
	if (local.scope > ERR_MAILBOX) {
		checkup->err = local;
		fail(checkup, "quota");
	}
}

void checkup_count(const struct snapshot *snapshot, struct checkup_box *out)
{
	out->messages = snapshot->count;
	out->size = 0;
	for (size_t i = 0; i < snapshot->count; i++)
		out->size += snapshot->size[i];
}

static int scan_box(struct checkup *checkup, const struct mailbox_info *info,
	struct checkup_box *out, struct err *err)
{
	struct box *box = store_open_box(checkup->store, info->name, STORE_READ, err);
	struct uidset unknown = { 0 };
	struct box_scan scan = { 0 };
	struct snapshot snapshot;
	int rc;

	if (!box)
		return -1;
	out->announced = box_facts(box)->messages;
	snapshot_init(&snapshot, false);
	if (checkup->results)
		rc = checkup_scan_kept(checkup, box, out, &snapshot, &unknown, err);
	else
		rc = box_scan(box, &scan, &snapshot, checkup->arena, &unknown, err);
	checkup_count(&snapshot, out);
	snapshot_release(&snapshot);
	box_close(box);
	return rc;
}

static void scan_all(struct checkup *checkup)
{
	checkup->box = arena_array(checkup->arena, checkup->list.count + 1, sizeof(*checkup->box));
	for (size_t i = 0; i < checkup->list.count && !checkup->failed; i++) {
		const struct mailbox_info *info = &checkup->list.mailbox[i];
		struct checkup_box *box = &checkup->box[checkup->boxes];
		struct err err = ERR_INIT;

		if (info->noselect || info->nonexistent)
			continue;
		checkup->boxes++;
		box->name = info->name;
		if (scan_box(checkup, info, box, &err) < 0) {
			box->error = arena_strdup(checkup->arena, err.text);
			checkup->boxes_unknown++;
		} else if (box->messages != box->announced) {
			checkup->boxes_differ++;
		}
		if (err.scope > ERR_MAILBOX) {
			checkup->err = err;
			fail(checkup, "scan");
		}
	}
}

void checkup_run(struct checkup *checkup)
{
	if (checkup->results)
		checkup->flags = flag_table_new();
	open_store(checkup);
	if (checkup->failed || checkup->cli->check.ping || account_is_nobody(checkup->account))
		return;
	read_list(checkup);
	if (!checkup->failed)
		read_quota(checkup);
	if (!checkup->failed && checkup->cli->check.scan)
		scan_all(checkup);
}

void checkup_end(struct checkup *checkup)
{
	store_close(checkup->store);
	flag_table_free(checkup->flags);
	checkup->flags = NULL;
	account_free(checkup->account);
	checkup->store = NULL;
	checkup->account = NULL;
}

int checkup_code(const struct checkup *checkup)
{
	if (checkup->failed)
		return report_err_code(&checkup->err);
	if (checkup->boxes_unknown > 0 || checkup->list.refused > 0)
		return EXIT_SOME_FAILED;
	return checkup->boxes_differ > 0 ? EXIT_DIFFERS : EXIT_DONE;
}

int64_t checkup_days_left(const struct checkup *checkup)
{
	const int64_t left = checkup->facts.tls.not_after - clock_wall();

	return left < 0 ? -((-left + DAY_S - 1) / DAY_S) : left / DAY_S;
}

static const char *resolve_text(const struct checkup *checkup)
{
	const struct dial_facts *dial = &checkup->facts.dial;

	return arena_print(checkup->arena, "%d address%s", dial->address_count,
		dial->address_count == 1 ? "" : "es");
}

static const char *login_text(const struct checkup *checkup)
{
	const struct imap_facts *facts = &checkup->facts;

	return arena_print(checkup->arena, "%s%s%s%s",
		facts->mechanism[0] ? facts->mechanism : "none",
		facts->offered[0] ? " (offered: " : "", facts->offered,
		facts->offered[0] ? ")" : "");
}

struct steps {
	const struct checkup *checkup;
	struct checkup_step *step;
	size_t count;
	bool ended;
};

static void add_step(struct steps *steps, const char *name, int64_t us, const char *text)
{
	const char *failed = steps->checkup->failed;
	const bool here = failed && strcmp(failed, name) == 0;

	if (steps->ended)
		return;
	steps->step[steps->count++] =
		(struct checkup_step){ name, !here, here ? 0 : us, here ? "" : text };
	steps->ended = here;
}

size_t checkup_steps(const struct checkup *checkup, struct checkup_step step[CHECKUP_STEPS])
{
	const struct imap_facts *facts = &checkup->facts;
	struct steps steps = { checkup, step, 0, false };
	int64_t before = 0;
	const char *tls =
		arena_print(checkup->arena, "TLS %s, %s", facts->tls.version, facts->tls.cipher);

	if (!is_server(checkup)) {
		add_step(&steps, "open", 0, "");
		return steps.count;
	}
	if (is_direct(checkup))
		add_step(&steps, "resolve", facts->dial.resolve_us, resolve_text(checkup));
	add_step(&steps, "connect", facts->dial.connect_us,
		account_get(checkup->account, ACCOUNT_TUNNEL) ? "through a tunnel"
							      : facts->dial.address);
	if (wants_tls(checkup) && !wants_starttls(checkup))
		add_step(&steps, "tls", facts->tls_us, tls);
	add_step(&steps, "greeting", facts->greeting_us, facts->greeting);
	if (wants_starttls(checkup))
		add_step(&steps, "tls", facts->tls_us, tls);
	if (account_is_nobody(checkup->account)) {
		add_step(&steps, "capability", 0,
			arena_print(
				checkup->arena, "before any login (offered: %s)", facts->offered));
		return steps.count;
	}
	add_step(&steps, "login", facts->login_us, login_text(checkup));
	/* ready_us counts from the very beginning. */
	for (size_t i = 0; i < steps.count; i++)
		before += steps.step[i].us;
	add_step(&steps, "ready", facts->ready_us > before ? facts->ready_us - before : 0,
		facts->server_id);
	return steps.count;
}
