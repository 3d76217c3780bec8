/* mailhaul search: messages over the mailboxes of an account. */
#include "cli/cmd.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/found.h"
#include "cli/option_values.h"
#include "cli/options.h"
#include "cli/printer.h"
#include "ops/report.h"
#include "ops/search_terms.h"
#include "ops/walk.h"

#include <time.h>

#define AT(member) offsetof(struct cli, member)

static const struct option own[] = {
	{ "uids", NULL, NULL, "print only a line a mailbox: its UIDs that match, and its name",
		AT(search.uids), NULL, OPTION_SWITCH, 0, false },
	{ "add-flags", "FLAGS", NULL, "give these flags to every message found (repeatable)",
		AT(settings.add_flags), take_flags, OPTION_WORDS, 0, false },
};

struct search {
	struct cli *cli;
	struct walk *walk;
};

static bool changes(const struct search *search)
{
	return search->cli->settings.add_flags && !search->cli->settings.dry_run;
}

static int cannot_read(const struct walk_visit *visit, struct err *err)
{
	return err_set(err, ERR_MAILBOX, "mailbox %s: not all messages can be read",
		visit->place->info->name);
}

/* Header fields of what was found, and whether the other options choose it too. */
static int read_found(struct search *search, struct walk_visit *visit, struct box *box,
	const struct uidset *uids, struct err *err)
{
	static const char *const fields[] = { "DATE", "FROM", "SUBJECT" };
	struct found *found = visit->place->data;
	struct box_scan scan = { .uids = uids,
		.digests = true,
		.fields = fields,
		.field_count = countof(fields),
		.header = found_header,
		.header_context = found };
	struct uidset unknown = { 0 }, chosen = { 0 };
	struct snapshot snapshot;
	uint8_t *reason;
	int rc;

	snapshot_init(&snapshot, true);
	rc = box_scan(box, &scan, &snapshot, visit->arena, &unknown, err);
	if (rc == 0) {
		reason = arena_alloc(visit->arena, snapshot.count + 1);
		select_messages(walk_select(search->walk), visit->flags, &snapshot, uids, reason);
		for (size_t i = 0; i < snapshot.count; i++) {
			if (reason[i] != SELECT_YES)
				continue;
			found_add(found, &snapshot, i);
			uidset_add(&chosen, visit->arena, snapshot.uid[i], snapshot.uid[i]);
		}
		if (changes(search) && chosen.count > 0)
			rc = box_change_flags(box, &chosen,
				flags_parse(visit->flags, span_of(search->cli->settings.add_flags)),
				0, err);
	}
	if (rc == 0 && unknown.count > 0)
		rc = cannot_read(visit, err);
	snapshot_release(&snapshot);
	return rc;
}

static int look(void *context, struct walk_visit *visit, struct err *err)
{
	struct search *search = context;
	const char *expression = select_search(walk_select(search->walk));
	struct uidset uids = { 0 }, unknown = { 0 };
	struct box *box;
	int rc, whole;

	found_clear(visit->place->data);
	box = store_open_box(visit->store, visit->place->info->name,
		changes(search) ? STORE_WRITE : STORE_READ, err);
	if (!box)
		return -1;
	rc = whole = box_search(box, expression, visit->arena, &uids, &unknown, err);
	if (rc >= 0 && uids.count > 0)
		rc = read_found(search, visit, box, &uids, err);
	if (rc >= 0 && (whole > 0 || unknown.count > 0))
		rc = cannot_read(visit, err);
	box_close(box);
	return rc;
}

static int print_all(struct search *search)
{
	const size_t count = walk_count(search->walk);
	int code = walk_left_out(search->walk) > 0 ? EXIT_SOME_FAILED : EXIT_DONE;
	size_t messages = 0;

	for (size_t i = 0; i < count; i++) {
		const struct walk_place *place = walk_place(search->walk, i);

		if (place->err)
			log_error("%s", place->err->text);
		if (place->err && report_err_code(place->err) > code)
			code = report_err_code(place->err);
		if (!place->visited && code == EXIT_DONE)
			code = EXIT_SOME_FAILED;
		messages += found_print(place->data, search->cli, place->info->name);
	}
	found_print_end(search->cli, messages, code != EXIT_DONE);
	return code;
}

static int run_walk(struct search *search, struct err *err)
{
	const size_t count = walk_count(search->walk);
	struct found **found = mem_array(count + 1, sizeof(struct found *));
	struct err trouble = ERR_INIT;
	int code;

	for (size_t i = 0; i < count; i++)
		walk_place(search->walk, i)->data = found[i] = found_new();
	code = walk_visit(search->walk, look, search, NULL, &trouble);
	/* What is known so far is shown whatever ended the walk. */
	if (code < 0 && trouble.kind == ERR_KIND_USAGE) {
		*err = trouble;
	} else {
		const int ended = code < 0 ? report_err_code(&trouble) : EXIT_DONE;

		code = print_all(search);
		code = ended > code ? ended : code;
	}
	for (size_t i = 0; i < count; i++)
		found_free(found[i]);
	mem_free(found);
	return code;
}

/* The words and --search together, in settings.search. */
static int make_expression(struct cli *cli, struct err *err)
{
	const char *terms = search_terms(
		cli->location + 1, cli->locations - 1, (int64_t)time(NULL), cli->arena, err);

	if (!terms)
		return -1;
	if (!*terms && !cli->settings.search)
		terms = "ALL";
	if (*terms && cli->settings.search)
		terms = arena_print(cli->arena, "%s (%s)", terms, cli->settings.search);
	if (*terms)
		cli->settings.search = terms;
	return 0;
}

static int search_run(struct cli *cli, struct err *err)
{
	struct search search = { .cli = cli };
	struct walk_request request = { .settings = &cli->settings,
		.state_dir = cli->settings.state_dir,
		.want = STORE_LIST_STATUS };
	int code = -1;

	if (make_expression(cli, err) < 0)
		return -1;
	request.account = cli_account(cli, 0, "", err);
	if (!request.account)
		return -1;
	search.walk = walk_open(&request, err);
	if (search.walk)
		code = run_walk(&search, err);
	walk_free(search.walk);
	account_free(request.account);
	return code;
}

const struct command command_search = {
	.name = "search",
	.summary = "find messages over the mailboxes of an account",
	.details =
		"Terms are KEY=VALUE (from to cc bcc subject body text since before on larger smaller keyword, or the name of any header field), "
		"\"header NAME=VALUE\", or a flag such as unseen. All hold together; OR and NOT stand in front of what they mean, \"(\" and \")\" group.",
	.arguments = "LOCATION [TERM...]",
	.groups = GROUP_ACCOUNT | GROUP_MAILBOXES | GROUP_MESSAGES,
	.own = own,
	.own_count = countof(own),
	.least = 1,
	.most = SIZE_MAX,
	.many = MANY_NEVER,
	.run = search_run,
};
