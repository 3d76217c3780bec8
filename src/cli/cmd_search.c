/* mailhaul search: messages over the mailboxes of an account. */
#include "cli/cmd.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/found.h"
#include "cli/found_act.h"
#include "cli/option_values.h"
#include "cli/options.h"
#include "cli/printer.h"
#include "cli/progress.h"
#include "ops/meter.h"
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
	{ "copy-to", "MAILBOX", NULL,
		"copy what was found into this mailbox of the account, if it is not there yet",
		AT(search.copy_to), NULL, OPTION_TEXT, 0, false },
	{ "move-to", "MAILBOX", NULL, "move what was found into this mailbox of the account",
		AT(search.move_to), NULL, OPTION_TEXT, 0, false },
	{ "save", "LOCATION", NULL,
		"copy what was found to another place, such as eml:DIR, as copy does",
		AT(search.save), NULL, OPTION_TEXT, 0, false },
	{ "expunge-all", NULL, NULL,
		"on servers without MOVE and UIDPLUS: expunge, though it also removes what others "
		"marked",
		AT(settings.expunge_all), NULL, OPTION_SWITCH, 0, false },
};

struct search {
	struct cli *cli;
	struct walk *walk;
	struct meter *meter; /* NULL with --users: all have one */
	bool *maybe; /* of each place: it has to be searched */
	const char **with; /* mailboxes where something was found, in the cli's arena */
	size_t with_count;
};

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
	struct found_place *place = visit->place->data;
	struct box_scan scan = { .uids = uids,
		.digests = true,
		.fields = fields,
		.field_count = countof(fields),
		.header = found_header,
		.header_context = place->found };
	const struct select *select = walk_select(search->walk);
	struct select_answer answer = { .found = *uids };
	struct uidset unknown = { 0 };
	struct snapshot snapshot;
	uint8_t *reason;
	int rc;

	snapshot_init(&snapshot, true);
	rc = box_scan(box, &scan, &snapshot, visit->arena, &unknown, err);
	if (rc == 0)
		rc = select_ask(
			select, box, visit->flags, &snapshot, true, visit->arena, &answer, err);
	if (rc == 0) {
		reason = arena_alloc(visit->arena, snapshot.count + 1);
		select_messages(select, visit->flags, &snapshot, &answer, reason);
		for (size_t i = 0; i < snapshot.count; i++) {
			if (reason[i] != SELECT_YES)
				continue;
			found_add(place->found, &snapshot, i);
			uidset_add(&place->uids, place->arena, snapshot.uid[i], snapshot.uid[i]);
		}
	}
	if (rc == 0 && unknown.count + answer.unknown.count > 0)
		rc = cannot_read(visit, err);
	snapshot_release(&snapshot);
	return rc;
}

static int look(void *context, struct walk_visit *visit, struct err *err)
{
	struct search *search = context;
	struct found_place *place = visit->place->data;
	const char *expression = select_search(walk_select(search->walk));
	struct uidset uids = { 0 }, unknown = { 0 };
	struct box *box;
	int rc, whole;

	found_clear(place->found);
	place->uids = (struct uidset){ 0 };
	box = store_open_box(visit->store, visit->place->info->name, STORE_READ, err);
	if (!box)
		return -1;
	place->uidvalidity = box_facts(box)->uidvalidity;
	rc = whole = box_search(box, expression, visit->arena, &uids, &unknown, err);
	if (rc >= 0 && uids.count > 0)
		rc = read_found(search, visit, box, &uids, err);
	if (rc >= 0 && (whole > 0 || unknown.count > 0))
		rc = cannot_read(visit, err);
	box_close(box);
	return rc < 0 ? -1 : 0;
}

static int print_all(struct search *search)
{
	const size_t count = walk_count(search->walk);
	int code = walk_left_out(search->walk) > 0 ? EXIT_SOME_FAILED : EXIT_DONE;
	size_t messages = 0;

	for (size_t i = 0; i < count; i++) {
		const struct walk_place *place = walk_place(search->walk, i);
		const struct found_place *of = place->data;

		if (place->err)
			log_error("%s", place->err->text);
		if (place->err && report_err_code(place->err) > code)
			code = report_err_code(place->err);
		if (!place->visited && code == EXIT_DONE)
			code = EXIT_SOME_FAILED;
		messages += found_print(of->found, search->cli, place->info->name);
	}
	found_print_end(search->cli, messages, code != EXIT_DONE);
	return code;
}

/* ---- which mailboxes have to be opened at all ---- */

#define PLACES_MANY 4 /* from here on one question for all may spare more than it costs */

static int survey(void *context, struct walk_visit *visit, struct err *err)
{
	struct search *search = context;
	const size_t count = walk_count(search->walk);
	const struct mailbox_info **info = arena_array(visit->arena, count, sizeof(*info));

	for (size_t i = 0; i < count; i++)
		info[i] = walk_place(search->walk, i)->info;
	return store_find(visit->store, select_search(walk_select(search->walk)), info, count,
		search->maybe, err);
}

static bool is_first(void *context, const struct walk_place *place)
{
	(void)context;
	return place->index == 0;
}

/* A server that cannot tell, or a line that breaks, means only that all are searched. */
static void look_ahead(struct search *search)
{
	const size_t count = walk_count(search->walk);
	struct err unused = ERR_INIT;

	search->maybe = arena_array(search->cli->arena, count + 1, sizeof(*search->maybe));
	memset(search->maybe, true, count);
	if (count >= PLACES_MANY &&
		(walk_visit(search->walk, survey, search, is_first, &unused) < 0 ||
			!walk_place(search->walk, 0)->visited))
		memset(search->maybe, true, count);
	for (size_t i = 0; i < count; i++)
		walk_place(search->walk, i)->visited = !search->maybe[i];
}

static bool may_hold(void *context, const struct walk_place *place)
{
	return ((const struct search *)context)->maybe[place->index];
}

/* What is known so far is shown whatever ended the walk; nothing is done about it then. */
static int search_all(struct search *search, struct err *err)
{
	struct err trouble = ERR_INIT;
	int code, rc, ended = EXIT_DONE;

	look_ahead(search);
	rc = walk_visit(search->walk, look, search, may_hold, &trouble);
	if (search->meter)
		progress_stop();
	if (rc < 0) {
		if (trouble.kind == ERR_KIND_USAGE) {
			*err = trouble;
			return -1;
		}
		log_error("%s", trouble.text);
		ended = report_err_code(&trouble);
	}
	code = print_all(search);
	if (ended == EXIT_DONE && found_act_wanted(search->cli)) {
		ended = found_act(search->cli, search->walk, &trouble);
		if (ended < 0) {
			log_error("%s", trouble.text);
			ended = report_err_code(&trouble);
		}
	}
	return ended > code ? ended : code;
}

static int run_walk(struct search *search, struct err *err)
{
	const size_t count = walk_count(search->walk);
	struct found_place *places = mem_array(count + 1, sizeof(*places));
	int code = found_act_check(search->cli, search->walk, err);

	for (size_t i = 0; i < count; i++) {
		places[i] = (struct found_place){ .found = found_new(), .arena = arena_new() };
		walk_place(search->walk, i)->data = &places[i];
	}
	if (code == 0)
		code = search_all(search, err);
	for (size_t i = 0; i < count; i++) {
		if (places[i].uids.count > 0)
			search->with[search->with_count++] = arena_strdup(
				search->cli->arena, walk_place(search->walk, i)->info->name);
		found_free(places[i].found);
		arena_free(places[i].arena);
	}
	mem_free(places);
	return code;
}

/*
 * The same expression, run by copy, over the mailboxes where something was found: what is there already is not copied again, and its report and its exit code are
 * copy's own. The search has let go of the account by then (POP3 has one connection).
 */
static int save_found(struct search *search, char *location, struct err *err)
{
	struct cli one = *search->cli;
	char *locations[] = { location, arena_strdup(one.arena, one.search.save) };

	one.command = &command_copy;
	one.location = locations;
	one.locations = countof(locations);
	one.settings.mailboxes =
		(struct text_list){ .item = search->with, .count = search->with_count };
	one.settings.include_regex.count = 0;
	one.settings.report_file = NULL; /* it is this one's */
	return command_copy.run(&one, err);
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

static int check_options(const struct cli *cli, struct err *err)
{
	const char *problem = NULL;

	if (cli->search.copy_to && cli->search.move_to)
		problem = "--copy-to and --move-to exclude each other";
	else if (cli->search.save && found_act_wanted(cli))
		problem =
			"--save goes with no other action, which could change what is found: search twice";
	else if (cli->search.save && cli->shared)
		problem = "--save is for one account: with --users take copy --search";
	else if ((cli->search.copy_to && !*cli->search.copy_to) ||
		 (cli->search.move_to && !*cli->search.move_to))
		problem = "--copy-to and --move-to need the name of a mailbox";
	return problem ? err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "%s", problem) : 0;
}

static int search_account(struct search *search, struct err *err)
{
	struct walk_request request = { .settings = &search->cli->settings,
		.want = STORE_LIST_STATUS };
	char *state_dir = NULL;
	int code = -1;

	if (settings_state_dir(&search->cli->settings, search->cli->arena, &state_dir, err) < 0)
		return -1;
	request.state_dir = state_dir;
	request.account = cli_account(search->cli, 0, "", err);
	if (!request.account)
		return -1;
	search->meter = request.meter = search->cli->shared ? NULL : meter_new();
	if (search->meter)
		progress_start(search->meter, cli_progress(search->cli));
	search->walk = walk_open(&request, err);
	if (search->walk) {
		search->with = arena_array(
			search->cli->arena, walk_count(search->walk) + 1, sizeof(*search->with));
		code = run_walk(search, err);
	}
	if (search->meter)
		progress_stop();
	walk_free(search->walk);
	meter_free(search->meter);
	account_free(request.account);
	return code;
}

static int search_run(struct cli *cli, struct err *err)
{
	struct search search = { .cli = cli };
	/* The account wipes a password out of its own. */
	char *location = arena_strdup(cli->arena, cli->search.save ? cli->location[0] : "");
	int code = -1, saved = EXIT_DONE;

	if (check_options(cli, err) == 0 && make_expression(cli, err) == 0)
		code = search_account(&search, err);
	if (code >= 0 && cli->search.save && search.with_count > 0)
		saved = save_found(&search, location, err);
	account_wipe_argument(location);
	if (code < 0 || saved < 0)
		return -1;
	return saved > code ? saved : code;
}

const struct command command_search = {
	.name = "search",
	.summary = "find messages over the mailboxes of an account",
	.details =
		"Terms are KEY=VALUE (from to cc bcc subject body text since before on larger smaller keyword, or the name of any header field), "
		"\"header NAME=VALUE\", or a flag such as unseen. All hold together; OR and NOT stand in front of what they mean, \"(\" and \")\" group. "
		"What was found can be flagged, copied or moved within the account, or saved elsewhere.",
	.arguments = "LOCATION [TERM...]",
	.groups = GROUP_ACCOUNT | GROUP_MAILBOXES | GROUP_MESSAGES,
	.own = own,
	.own_count = countof(own),
	.least = 1,
	.most = SIZE_MAX,
	.accounts = 1,
	.many = MANY_APART,
	.run = search_run,
};
