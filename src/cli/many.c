/* A command for each line of --users. */
#include "cli/many.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rate.h"
#include "base/stop.h"
#include "base/text.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/printer.h"
#include "cli/progress.h"
#include "cli/prompt.h"
#include "ops/meter.h"
#include "ops/names.h"
#include "ops/pool.h"
#include "ops/report.h"
#include "store/users.h"

#include <stdatomic.h>

#define LANES_USUAL 4 /* of all users together, unless -j says otherwise */

struct many {
	struct cli *cli;
	struct users *users;
	size_t *order; /* of turns: those who share an account with somebody before them stand at the end */
	size_t together; /* how many of them may be at work at once */
	bool two_sided;
	struct shared shared;
	atomic_int code; /* without a report: the gravest so far */
	atomic_size_t failed; /* turns with a heading that did not end well */
};

/* What users have that were looked at, in lines of the file. */
struct seen {
	struct arena *arena;
	struct arena *scratch; /* of the user being checked */
	struct map *accounts, *turns;
};

static bool makes_reports(const struct many *many)
{
	return many->cli->command->many == MANY_TOGETHER;
}

/* A user's own options lie over those of the command line. */
static struct cli cli_of(const struct many *many, struct arena *arena, const struct user *user)
{
	struct cli one = *many->cli;

	one.arena = arena;
	one.user = user;
	one.shared = &many->shared;
	one.settings.mailboxes_optional = true;
	if (user->map_file)
		one.settings.map_file = user->map_file;
	if (user->root)
		one.settings.root = user->root;
	return one;
}

static int wrong(const struct many *many, const struct user *user, struct err *err)
{
	return err_wrap(err, "%s:%zu", many->cli->users_file, user->line);
}

static int usage(struct err *err, const char *text)
{
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "%s", text);
}

/* Somebody before has this account too: they must not be at work at once. */
static bool note_account(struct seen *seen, const struct account *account, const struct user *user)
{
	return map_set(seen->accounts, span_of(account_same_key(account, seen->scratch)),
		       (void *)(uintptr_t)user->line) != NULL;
}

static const char *text_of(const char *text)
{
	return text ? text : "";
}

/* Only what the user's own source lacks may go, and another's copies are none of it. */
static bool deletes_extra(const struct settings *settings)
{
	return settings_extra(settings) || settings->delete_mailboxes;
}

/* The same again, with the same target, is a line too many. */
static int note_turn(struct seen *seen, struct account *const *account, size_t count,
	const struct user *user, struct err *err)
{
	const char *key =
		arena_print(seen->arena, "%s\n%s", text_of(user->root), text_of(user->map_file));
	void *before;

	for (size_t i = 0; i < count; i++)
		key = arena_print(seen->arena, "%s\n%s\n%s", key, account_identity(account[i]),
			text_of(account_mailbox(account[i])));
	before = map_set(seen->turns, span_of(key), (void *)(uintptr_t)user->line);
	if (before)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"the same accounts as in line %zu", (size_t)(uintptr_t)before);
	return 0;
}

static int check_accounts(struct many *many, struct account *const *account, size_t count,
	const struct user *user, struct err *err)
{
	for (size_t i = 0; i < count && users_count(many->users) > 1; i++) {
		const struct user_side *side = &user->side[many->two_sided ? i : 0];

		if (!side->location && !account_depends_on_user(account[i]))
			return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
				"%s is the same for every user: write %%u in the location where "
				"the user's name belongs",
				account_name(account[i]));
	}
	if (many->two_sided && count == 2 && account_same(account[0], account[1]))
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"source and destination are the same account: %s",
			account_name(account[0]));
	return 0;
}

/* A line's own map and root. */
static int check_names(const struct cli *one, const struct user *user, struct err *err)
{
	struct names *names;

	if (!user->map_file && !user->root)
		return 0;
	if (one->settings.root && one->settings.into)
		return usage(err, "root and --into exclude each other");
	names = names_new(&one->settings, err);
	if (!names)
		return -1;
	names_free(names);
	return 0;
}

/* Everything that can be known to be wrong with a user's turn before a server is asked. *shared_out: he has an account that somebody before has too. */
static int check_user(struct many *many, struct seen *seen, struct cli *one,
	const struct user *user, bool *shared_out, struct err *err)
{
	const size_t wanted = many->cli->command->accounts;
	const size_t count = wanted ? wanted : many->cli->locations;
	struct account **account = mem_array(count, sizeof(struct account *));
	size_t made = 0;
	int rc = check_names(one, user, err);

	*shared_out = false;
	while (rc == 0 && made < count) {
		const char *role = !many->two_sided ? "" : made == 0 ? "src" : "dst";

		account[made] = cli_account(one, made, role, err);
		if (!account[made])
			rc = -1;
		else
			*shared_out |= note_account(seen, account[made++], user);
	}
	if (rc == 0 && *shared_out && many->two_sided && deletes_extra(&one->settings))
		rc = usage(err, "an account that another line has too: with --delete-extra or "
				"--delete-mailboxes each of them would delete the other's mail");
	if (rc == 0)
		rc = check_accounts(many, account, count, user, err);
	if (rc == 0)
		rc = note_turn(seen, account, count, user, err);
	for (size_t i = 0; i < made; i++)
		account_free(account[i]);
	mem_free(account);
	return rc;
}

static int check_all(struct many *many, struct seen *seen, struct err *err)
{
	const size_t count = users_count(many->users);
	size_t *behind = mem_array(count, sizeof(*behind)), behind_count = 0;
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0; i++) {
		struct arena *arena = arena_new();
		struct user user;
		struct cli one;
		bool shared;

		users_get(many->users, i, arena, &user);
		one = cli_of(many, arena, &user);
		one.warned = i > 0;
		seen->scratch = arena;
		rc = check_user(many, seen, &one, &user, &shared, err);
		if (rc < 0)
			(void)wrong(many, &user, err);
		else if (shared)
			behind[behind_count++] = i;
		else
			many->order[many->together++] = i;
		user_release(&user);
		arena_free(arena);
		if (rc == 0)
			rc = stop_check(err);
	}
	for (size_t i = 0; i < behind_count && rc == 0; i++)
		many->order[many->together + i] = behind[i];
	mem_free(behind);
	return rc;
}

static int read_users(struct many *many, struct err *err)
{
	struct seen seen = { .arena = arena_new() };
	int rc;

	seen.accounts = map_new(seen.arena);
	seen.turns = map_new(seen.arena);
	many->users = users_read(many->cli->users_file, (enum users_format)many->cli->users_format,
		many->two_sided, err);
	rc = many->users ? 0 : -1;
	if (rc == 0) {
		many->order = mem_array(users_count(many->users), sizeof(*many->order));
		rc = check_all(many, &seen, err);
	}
	map_free(seen.accounts);
	map_free(seen.turns);
	arena_free(seen.arena);
	return rc;
}

/* Asked once for all, before anything begins: a question in the middle would find nobody. */
static int confirm(struct many *many, struct err *err)
{
	struct settings *settings = &many->cli->settings;
	const bool extra = deletes_extra(settings);
	char question[200];

	if ((!settings->delete_source && !extra) || settings->yes || settings->dry_run)
		return 0;
	snprintf(question, sizeof(question), "delete %s%s%s, for all %zu users?",
		settings->delete_source ? "at the source what the destination has confirmed" : "",
		settings->delete_source && extra ? ", and " : "",
		extra ? "at the destination what the source does not have" : "",
		users_count(many->users));
	if (prompt_confirm(NULL, question) != 1)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_SAFETY,
			"not confirmed: nothing was begun (--yes confirms for all users)");
	settings->yes = true;
	return 0;
}

/* A turn that ended before the command had a report. */
static int report_failure(const struct many *many, const struct cli *one, const struct err *why)
{
	const struct report_options options = {
		.command = one->command->name,
		.dry_run = one->settings.dry_run,
		.json = one->settings.json,
		.quiet = one->settings.quiet,
		.file = one->settings.report_file,
		.user = one->user->name,
		.over = many->shared.report,
	};
	struct err unused = ERR_INIT;
	struct report *report = report_new(&options, &unused);

	report_error(report, why);
	if (stop_requested())
		report_code(report, EXIT_INTERRUPTED);
	progress_hide();
	report_finish(report, 0);
	progress_show();
	report_free(report);
	return report_err_code(why);
}

static void print_failure(const struct err *why)
{
	struct print_json line;
	struct buf buffer;
	struct json *json;

	if (!print_json_wanted())
		return;
	buf_init(&buffer, 1u << 20);
	json = print_json_begin(&line, &buffer, "error");
	json_key(json, "scope");
	json_text(json, err_scope_name(why->scope));
	json_key(json, "text");
	json_text(json, why->text);
	print_json_end(&line);
	buf_release(&buffer);
}

static int fail_turn(struct many *many, const struct cli *one, const struct err *why)
{
	log_error("%s", why->text);
	if (makes_reports(many))
		return report_failure(many, one, why);
	print_failure(why);
	return report_err_code(why);
}

/* Product §5: the gravest counts, and what is wrong with one user's configuration is that user's failure. */
static void count_code(struct many *many, int code)
{
	int before = atomic_load(&many->code);

	if (code == EXIT_USAGE)
		code = EXIT_SOME_FAILED;
	while (code > before && !atomic_compare_exchange_weak(&many->code, &before, code))
		;
}

/* A disk that is full is so for everybody; a record in use or damaged, or a path that cannot be written, is one user's trouble. */
static bool ends_all(const struct err *err)
{
	return err->scope == ERR_LOCAL && err->kind == ERR_KIND_OTHER;
}

static bool has_headings(const struct many *many)
{
	return many->cli->command->many == MANY_IN_TURN || many->cli->command->many == MANY_APART;
}

static bool turn(void *context, size_t number, unsigned lanes)
{
	struct many *many = context;
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	struct user user;
	struct cli one;
	int code;

	users_get(many->users, many->order[number], arena, &user);
	one = cli_of(many, arena, &user);
	one.warned = true;
	if (users_count(many->users) > 1)
		one.settings.jobs = lanes;
	log_set_label(user.name);
	meter_user(many->shared.meter);
	if (has_headings(many))
		printer_turn_begin();
	if (has_headings(many) && !one.settings.quiet)
		print("%s:\n", user.name);
	code = one.command->run(&one, &err);
	if (code < 0 && has_headings(many) && !one.settings.quiet)
		print("failed: %s\n", text_harmless_copy(arena, span_of(err.text)));
	if (code < 0)
		code = fail_turn(many, &one, &err);
	if (code > EXIT_DIFFERS)
		atomic_fetch_add(&many->failed, 1);
	count_code(many, code);
	meter_user_done(many->shared.meter);
	log_set_label(NULL);
	if (has_headings(many)) {
		progress_hide();
		printer_turn_end(one.settings.json || one.settings.quiet ? "" : "\n");
		progress_show();
	}
	user_release(&user);
	arena_free(arena);
	return !ends_all(&err);
}

/* A location as typed, its password masked. */
static const char *shown(const struct many *many, size_t index)
{
	char *text;

	if (index >= many->cli->locations)
		return NULL;
	text = arena_strdup(many->cli->arena, many->cli->location[index]);
	account_wipe_argument(text);
	return text;
}

static int open_report(struct many *many, struct err *err)
{
	const struct settings *settings = &many->cli->settings;
	const struct report_options options = {
		.command = many->cli->command->name,
		.src = shown(many, 0),
		.dst = shown(many, 1),
		.dry_run = settings->dry_run,
		.json = settings->json,
		.quiet = settings->quiet,
		.file = settings->report_file,
		.users = users_count(many->users),
		.part = settings->headers_only ? "header" : NULL,
	};

	many->shared.report = report_new(&options, err);
	return many->shared.report ? 0 : -1;
}

static unsigned lanes_of(const struct many *many)
{
	if (many->cli->command->many == MANY_IN_TURN)
		return 1;
	return many->cli->settings.jobs ? many->cli->settings.jobs : LANES_USUAL;
}

/* Where each user has a part of the output to himself, what all came to stands at the end. */
static void conclude_headings(const struct many *many)
{
	const size_t users = users_count(many->users), failed = atomic_load(&many->failed);
	struct print_json line;
	struct buf buffer;
	struct json *json;

	if (!many->cli->settings.quiet) {
		print("\n%zu user%s, ", users, users == 1 ? "" : "s");
		if (failed > 0)
			print("%zu of them failed\n", failed);
		else
			print("none of them failed\n");
	}
	if (!print_json_wanted())
		return;
	buf_init(&buffer, 1u << 20);
	json = print_json_begin(&line, &buffer, "users");
	json_key(json, "users");
	json_u64(json, users);
	json_key(json, "users_failed");
	json_u64(json, failed);
	json_key(json, "exit_code");
	json_u64(json, (uint64_t)atomic_load(&many->code));
	print_json_end(&line);
	buf_release(&buffer);
}

/* The code of all. */
static int conclude(struct many *many, size_t begun, double seconds)
{
	struct report *report = many->shared.report;
	const bool all = begun == users_count(many->users);
	int code;

	if (!all && stop_requested())
		count_code(many, EXIT_INTERRUPTED);
	if (many->shared.gathered)
		return many->cli->command->gathered(
			many->cli, many->shared.gathered, atomic_load(&many->code));
	if (!report) {
		conclude_headings(many);
		return atomic_load(&many->code);
	}
	if (!all && !stop_requested())
		log_error("%zu users were not begun: what ended the run is this machine's trouble",
			users_count(many->users) - begun);
	code = atomic_load(&many->code);
	if (code != EXIT_DONE)
		report_code(report, code);
	report_finish(report, seconds);
	return report_exit_code(report);
}

static int run_all(struct many *many, struct err *err)
{
	const int64_t began = clock_ms();
	const size_t count = users_count(many->users);
	struct pool pool = { .users = count,
		.together = many->together,
		.lanes = lanes_of(many),
		.run = turn,
		.context = many };
	size_t begun;

	if (makes_reports(many) && open_report(many, err) < 0)
		return -1;
	if (many->cli->command->gather)
		many->shared.gathered = many->cli->command->gather();
	many->shared.meter = meter_new();
	many->shared.messages = rate_new(many->cli->settings.rate);
	many->shared.bytes = rate_new((double)many->cli->settings.bandwidth);
	meter_users(many->shared.meter, count);
	if (many->cli->command->many != MANY_IN_TURN)
		progress_start(many->shared.meter, cli_progress(many->cli));
	begun = pool_run(&pool);
	progress_stop();
	return conclude(many, begun, (double)(clock_ms() - began) / 1000);
}

int many_run(struct cli *cli, struct err *err)
{
	struct many many = { .cli = cli, .two_sided = cli->command->groups & GROUP_ACCOUNTS };
	int code = -1;

	if (cli->command->many == MANY_NEVER)
		return err_set_kind(
			err, ERR_LOCAL, ERR_KIND_USAGE, "%s takes no --users", cli->command->name);
	/* The configuration is opened here, for all turns share it. */
	if (cli_config(cli, err) == 0 && read_users(&many, err) == 0 && confirm(&many, err) == 0)
		code = run_all(&many, err);
	for (size_t i = 0; i < cli->locations; i++)
		account_wipe_argument(cli->location[i]);
	meter_free(many.shared.meter);
	rate_free(many.shared.messages);
	rate_free(many.shared.bytes);
	report_free(many.shared.report);
	users_free(many.users);
	mem_free(many.order);
	return code;
}
