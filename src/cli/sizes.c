/* Measuring accounts. */
#include "cli/sizes_parts.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/stop.h"
#include "ops/report.h"
#include "ops/walk.h"
#include "store/users.h"

struct sizes *sizes_new(struct meter *meter)
{
	struct sizes *sizes = mem_alloc(sizeof(*sizes));

	sizes->arena = arena_new();
	sizes->meter = meter;
	pthread_mutex_init(&sizes->lock, NULL);
	return sizes;
}

void sizes_free(struct sizes *sizes)
{
	if (!sizes)
		return;
	pthread_mutex_destroy(&sizes->lock);
	arena_free(sizes->arena);
	mem_free(sizes);
}

static const char *copy_text(struct sizes *sizes, const char *text)
{
	return text ? arena_strdup(sizes->arena, text) : NULL;
}

void sizes_add(struct sizes *sizes, const struct size_row *row)
{
	struct size_row *kept;

	pthread_mutex_lock(&sizes->lock);
	if (sizes->count == sizes->room) {
		const size_t room = sizes->room ? 2 * sizes->room : 64;

		sizes->row = arena_grow(
			sizes->arena, sizes->row, sizes->room, room, sizeof(*sizes->row));
		sizes->room = room;
	}
	kept = &sizes->row[sizes->count++];
	*kept = *row;
	kept->account = copy_text(sizes, row->account);
	kept->user = copy_text(sizes, row->user);
	kept->error = copy_text(sizes, row->error);
	pthread_mutex_unlock(&sizes->lock);
}

/* ---- mailbox by mailbox ---- */

struct measured { /* walk_place.data of a mailbox whose size did not come with the list */
	uint64_t size, messages;
};

static bool wants_scan(void *context, const struct walk_place *place)
{
	const bool *scan_all = context;

	return *scan_all || !(place->info->has & IMAP_STATUS_SIZE);
}

/* Adds up what the message options choose. */
static int scan(void *context, struct walk_visit *visit, struct err *err)
{
	struct measured *measured = visit->place->data;
	struct snapshot snapshot;
	struct box *box = NULL;
	uint8_t *reason;
	int rc;

	(void)context;
	*measured = (struct measured){ 0 };
	snapshot_init(&snapshot, false);
	rc = walk_scan(visit, STORE_READ, NULL, &snapshot, &reason, &box, err);
	for (size_t i = 0; rc == 0 && i < snapshot.count; i++) {
		if (reason[i] != SELECT_YES)
			continue;
		measured->size += snapshot.size[i];
		measured->messages++;
	}
	if (rc == 0 && !snapshot.complete)
		rc = err_set(err, ERR_MAILBOX, "mailbox %s: the server did not show all messages",
			visit->place->info->name);
	snapshot_release(&snapshot);
	box_close(box);
	return rc;
}

static void add_place(struct size_row *row, struct walk_place *place, bool scanned)
{
	const struct measured *measured = place->data;

	row->mailboxes++;
	if (!scanned) {
		row->size += place->info->size;
		row->messages += place->info->messages;
		return;
	}
	row->method = SIZE_SCAN;
	if (place->visited) {
		row->size += measured->size;
		row->messages += measured->messages;
		return;
	}
	row->unknown++;
	if (place->err) {
		log_error("%s", place->err->text);
		if (!row->error)
			row->error = place->err->text;
		if (report_err_code(place->err) > row->code)
			row->code = report_err_code(place->err);
	}
}

static int add_up(struct sizes *sizes, struct size_row *row, struct walk *walk, bool scan_all,
	struct err *err)
{
	struct measured *measured = mem_array(walk_count(walk) + 1, sizeof(*measured));
	struct err trouble = ERR_INIT;
	int rc;

	for (size_t i = 0; i < walk_count(walk); i++)
		walk_place(walk, i)->data = &measured[i];
	rc = walk_visit(walk, scan, &scan_all, wants_scan, &trouble);
	row->method = SIZE_STATUS;
	row->counted = true;
	for (size_t i = 0; i < walk_count(walk); i++)
		add_place(row, walk_place(walk, i), wants_scan(&scan_all, walk_place(walk, i)));
	row->unknown += walk_left_out(walk);
	if (rc < 0)
		*err = trouble;
	else if (row->unknown > 0 && row->code == EXIT_DONE)
		row->code = EXIT_SOME_FAILED;
	/* The walk's memory goes with it. */
	if (row->error) {
		pthread_mutex_lock(&sizes->lock);
		row->error = arena_strdup(sizes->arena, row->error);
		pthread_mutex_unlock(&sizes->lock);
	} else if (row->unknown > 0) {
		row->error = "mailboxes are missing in it";
	}
	mem_free(measured);
	return rc;
}

static int walk_account(struct sizes *sizes, struct size_row *row, struct cli *cli,
	struct account *account, struct err *err)
{
	const struct walk_request request = { .settings = &cli->settings,
		.account = account,
		.meter = sizes->meter,
		.state_dir = cli->settings.state_dir,
		.scans = true,
		.want = STORE_LIST_STATUS | STORE_LIST_SIZE };
	const bool scan_all =
		cli->size.method == SIZES_BY_SCAN || settings_choose_messages(&cli->settings);
	struct walk *walk = walk_open(&request, err);
	int rc;

	if (!walk)
		return -1;
	rc = add_up(sizes, row, walk, scan_all, err);
	walk_free(walk);
	return rc;
}

static int ask_quota(
	struct size_row *row, const struct cli *cli, struct account *account, struct err *err)
{
	const struct store_request request = { .timeout_ms = cli->settings.timeout_ms };
	struct store *store = store_open(account, &request, err);
	int rc;

	if (!store)
		return -1;
	rc = store_quota(store, &row->size, &row->limit, err);
	if (rc == 0)
		row->method = SIZE_QUOTA;
	store_close(store);
	return rc;
}

int sizes_measure(struct sizes *sizes, struct cli *cli, size_t index)
{
	struct size_row row = { .user = cli->user ? cli->user->name : NULL };
	struct account *account;
	struct err err = ERR_INIT;
	int rc = -1;

	account = cli_account(cli, index, "", &err);
	row.account = account ? account_name(account) : cli->location[index];
	if (account)
		rc = cli->size.method == SIZES_BY_QUOTA
			     ? ask_quota(&row, cli, account, &err)
			     : walk_account(sizes, &row, cli, account, &err);
	if (rc < 0) {
		log_error("%s: %s", row.account, err.text);
		row.error = err.text;
		row.code = report_err_code(&err);
	}
	sizes_add(sizes, &row);
	account_free(account);
	return row.code;
}
