/* mailhaul compare: what differs between accounts. */
#include "cli/cmd.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/stop.h"
#include "base/text.h"
#include "cli/compared.h"
#include "cli/database.h"
#include "cli/many.h"
#include "cli/option_values.h"
#include "cli/progress.h"
#include "ops/meter.h"
#include "ops/report.h"

#define AT(member) offsetof(struct cli, compare.member)

static int take_check(struct cli *cli, const char *value, struct err *err);

static const struct option own[] = {
	{ "check", "LIST", NULL,
		"what must be equal in two copies of a message: flags, date, size, content, all or none (size)",
		0, take_check, OPTION_OTHER, 0, false },
	{ "both", NULL, NULL, "what only the other has is a difference too", AT(both), NULL,
		OPTION_SWITCH, 0, false },
	{ "count-only", NULL, NULL, "compare nothing but numbers of messages", AT(count_only), NULL,
		OPTION_SWITCH, 0, false },
	{ "show-ids", NULL, NULL,
		"show each message that differs, with Message-ID, date, sender and subject",
		AT(show_ids), NULL, OPTION_SWITCH, 0, false },
	{ "manifest", "FILE", NULL,
		"write what the first location holds to FILE, to be compared later as manifest:FILE; given again, the next location",
		AT(manifest), NULL, OPTION_LIST, 0, false },
	{ "sign", "KEYFILE", NULL, "sign the manifests with this Ed25519 private key (PEM)",
		AT(sign_key), NULL, OPTION_TEXT, 0, false },
	{ "verify-key", "FILE", NULL,
		"believe manifest: locations only if they are signed, with this Ed25519 public key (PEM)",
		offsetof(struct cli, settings.verify_key), NULL, OPTION_TEXT, 0, false },
	{ "match", "HOW", "auto|message-id|header:NAMES|content",
		"what makes two messages the same: auto = the headers that carriage leaves alone; content = headers and body",
		offsetof(struct cli, settings.match), take_match, OPTION_OTHER, 0, false },
};

static int add_check(struct span word, unsigned *bits, struct err *err)
{
	char shown[TEXT_SHOWN];

	for (unsigned bit = 0; bit < COMPARE_CHECKS; bit++) {
		if (span_equal_text(word, compare_check_name(1u << bit))) {
			*bits |= 1u << bit;
			return 0;
		}
	}
	if (span_equal_text(word, "none"))
		return 0;
	if (span_equal_text(word, "all")) {
		*bits |= (1u << COMPARE_CHECKS) - 1;
		return 0;
	}
	text_shown(word, shown);
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"\"%s\" is not one of flags, date, size, content, all, none", shown);
}

static int take_check(struct cli *cli, const char *value, struct err *err)
{
	struct span rest = span_of(value);
	unsigned bits = 0;

	for (;;) {
		const char *comma = memchr(rest.data, ',', rest.len);
		const size_t len = comma ? (size_t)(comma - rest.data) : rest.len;

		if (add_check(span_trim(span_make(rest.data, len)), &bits, err) < 0)
			return -1;
		if (!comma)
			break;
		rest = span_from(rest, len + 1);
	}
	cli->compare.check = bits;
	return 0;
}

static void compare_begin(struct cli *cli)
{
	cli->compare.check = COMPARE_SIZE;
}

static bool has_keys(const struct cli *cli)
{
	for (size_t key = 0; key < ACCOUNT_KEYS; key++)
		if (cli->account[0].value[key] || cli->account[1].value[key])
			return true;
	return false;
}

static int check(const struct cli *cli, struct err *err)
{
	if (compared_manifests_check(cli, err) < 0)
		return -1;
	if (cli->locations > 2 && has_keys(cli))
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"with more than two locations account keys belong in the locations (imaps://USER@HOST?KEY=VALUE) or the configuration");
	if (cli->locations > 2 && cli->users_file)
		return err_set_kind(
			err, ERR_LOCAL, ERR_KIND_USAGE, "--users compares two locations");
	if (cli->compare.count_only && cli->compare.show_ids)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"--count-only sees no messages: leave out --show-ids");
	return 0;
}

static int check_accounts(const struct cli *cli, struct account *const *account, struct err *err)
{
	for (size_t i = 0; i < cli->locations; i++)
		if (!cli->settings.verify_key ||
			strcmp(account_scheme(account[i]), "manifest") == 0)
			return 0;
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"--verify-key is for manifest: locations, and none was given");
}

static int compare(struct cli *cli, struct account *const *account, struct results *results,
	struct comparison_manifest *manifests, struct compared *compared, struct err *err)
{
	const struct shared *shared = cli->shared;
	struct meter *own_meter = shared ? NULL : meter_new();
	const struct comparison_request request = { .settings = &cli->settings,
		.account = account,
		.accounts = cli->locations,
		.check = cli->compare.check,
		.count_only = cli->compare.count_only,
		.both = cli->compare.both,
		.headings = cli->compare.show_ids,
		.may_be_nothing = cli->user != NULL,
		.meter = shared ? shared->meter : own_meter,
		.results = results,
		.manifest = manifests,
		.sign_key = cli->compare.sign_key };
	struct comparison *comparison;
	int code = -1;

	if (!shared)
		progress_start(own_meter, cli_progress(cli));
	comparison = comparison_run(&request, err);
	if (!shared)
		progress_stop();
	if (comparison)
		code = compared_show(compared, cli, comparison, manifests);
	comparison_free(comparison);
	meter_free(own_meter);
	return code;
}

static int compare_run(struct cli *cli, struct err *err)
{
	struct account **account = mem_array(cli->locations, sizeof(struct account *));
	struct compared *own_result = cli->shared ? NULL : compared_new();
	struct compared *compared = cli->shared ? cli->shared->gathered : own_result;
	struct comparison_manifest *manifests = NULL;
	struct results *results = NULL;
	size_t made = 0;
	int code = check(cli, err), ended;

	while (code == 0 && made < cli->locations) {
		account[made] = cli_account(cli, made, made == 0 ? "src" : "dst", err);
		if (!account[made])
			code = -1;
		else
			made++;
	}
	if (code == 0)
		code = check_accounts(cli, account, err);
	if (code == 0)
		code = compared_manifests_prepare(cli, &manifests, err);
	if (code == 0)
		code = database_open(cli, &results, err);
	if (code == 0)
		code = compare(cli, account, results, manifests, compared, err);
	ended = database_end(results, code < 0 ? report_err_code(err) : code);
	code = code < 0 ? code : ended;
	results_close(results);
	/* A user's trouble is a row of its own; this machine's ends the run. */
	if (code < 0 && cli->user && err->scope != ERR_LOCAL)
		code = compared_fail(compared, cli, err);
	for (size_t i = 0; i < made; i++)
		account_free(account[i]);
	mem_free(account);
	compared_free(own_result);
	return code;
}

static void *gather(void)
{
	return compared_new();
}

static int gathered(struct cli *cli, void *compared, int code)
{
	compared_end(compared, cli);
	compared_free(compared);
	return stop_requested() ? EXIT_INTERRUPTED : code;
}

const struct command command_compare = {
	.name = "compare",
	.summary = "show what differs between accounts",
	.details =
		"Compares the first account with each other one, mailbox by mailbox, and changes nothing. Exit status: 0 nothing is missing, doubled or different, "
		"1 something is, 3 something could not be read: what is not known is never taken for equal, nor for missing.",
	.arguments = "LOCATION [LOCATION...]",
	.groups = GROUP_ACCOUNTS | GROUP_MAILBOXES | GROUP_MESSAGES | GROUP_NAMES | GROUP_RESULTS,
	.own = own,
	.own_count = countof(own),
	.least = 1,
	.most = SIZE_MAX,
	.manifests = true,
	.read_only = true,
	.many = MANY_GATHERED,
	.begin = compare_begin,
	.gather = gather,
	.gathered = gathered,
	.run = compare_run,
};
