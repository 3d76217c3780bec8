/* mailhaul check: one location after the other, whatever becomes of the one before. */
#include "cli/cmd.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/stop.h"
#include "cli/checkup.h"
#include "cli/database.h"
#include "cli/printer.h"

#include <stdint.h>

#define AT(member) offsetof(struct cli, check.member)
#define LOCATIONS_WITH_KEYS \
	2 /* product §1: with more, keys come from queries and the configuration only */

static const struct option own[] = {
	{ "ping", NULL, NULL, "connect and log in only, one line a location", AT(ping), NULL,
		OPTION_SWITCH, 0, false },
	{ "capabilities", NULL, NULL,
		"show all capabilities, and what those used here are good for; of a location without "
		"a user name those before a login",
		AT(capabilities), NULL, OPTION_SWITCH, 0, false },
	{ "scan", NULL, NULL,
		"read the listing of every mailbox and compare it with what the server says",
		AT(scan), NULL, OPTION_SWITCH, 0, false },
};

static int check_options(const struct cli *cli, struct err *err)
{
	if (cli->locations > LOCATIONS_WITH_KEYS && cli->account_given)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"with %zu locations account keys belong to each of them: "
			"LOCATION?KEY=VALUE",
			cli->locations);
	if (cli->check.ping && (cli->check.scan || cli->check.capabilities))
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"--ping excludes --scan and --capabilities");
	return 0;
}

/* Product §5: the gravest of several. */
static int graver(int a, int b)
{
	return a > b ? a : b;
}

static int check_one(struct checkup *checkup)
{
	checkup_run(checkup);
	checkup_keep(checkup);
	if (print_json_wanted())
		checkup_print_json(checkup);
	if (checkup->cli->check.ping)
		checkup_print_line(checkup);
	else
		checkup_print(checkup);
	(void)fflush(stdout); /* each when it is known; errors are found by printer_finish() */
	return checkup_code(checkup);
}

static int check_run(struct cli *cli, struct err *err)
{
	struct checkup *checkup = arena_array(cli->arena, cli->locations, sizeof(*checkup));
	int code = check_options(cli, err) < 0 ? -1 : EXIT_DONE;

	struct results *results = NULL;

	/* What is wrong with the command line is said before any server is asked. */
	for (size_t i = 0; i < cli->locations && code == EXIT_DONE; i++) {
		checkup[i].cli = cli;
		checkup[i].number = (unsigned)i + 1;
		checkup[i].arena = cli->arena;
		checkup[i].account = cli_account(cli, i, "", err);
		if (!checkup[i].account)
			code = -1;
	}
	if (code == EXIT_DONE && database_open(cli, &results, err) < 0)
		code = -1;
	for (size_t i = 0; i < cli->locations && code >= 0 && !stop_requested(); i++) {
		checkup[i].results = results;
		code = graver(code, check_one(&checkup[i]));
	}
	if (code >= 0 && stop_requested())
		code = EXIT_INTERRUPTED;
	if (code >= 0)
		code = database_end(results, code);
	results_close(results);
	for (size_t i = 0; i < cli->locations; i++)
		checkup_end(&checkup[i]);
	return code;
}

const struct command command_check = {
	.name = "check",
	.summary = "connect step by step and tell what the server is and can do",
	.details = "Resolves, connects, checks the certificate, logs in, and shows each step with "
		   "the time it took: the "
		   "step that fails is where the trouble is. Then it shows what the server can do, "
		   "and what it lacks "
		   "that would make copying faster or safer.",
	.arguments = "LOCATION...",
	.groups = GROUP_ACCOUNT | GROUP_RESULTS,
	.own = own,
	.own_count = countof(own),
	.least = 1,
	.most = SIZE_MAX,
	.many = MANY_IN_TURN,
	.run = check_run,
};
