/* mailhaul size: how large accounts are. */
#include "cli/cmd.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/stop.h"
#include "cli/many.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/sizes.h"
#include "ops/meter.h"
#include "ops/pool.h"

#define LANES_USUAL 4 /* as many.c's */
#define AT(member) offsetof(struct cli, size.member)

static const struct option own[] = {
	{ "method", "HOW", "auto|scan|quota",
		"auto: the server adds up where it can, else every message is asked for its size; "
		"quota: what the quota counts",
		AT(method), NULL, OPTION_CHOICE, 0, false },
	{ "csv", NULL, NULL, "print comma-separated values", AT(csv), NULL, OPTION_SWITCH, 0,
		false },
	{ "brief", NULL, NULL, "print nothing but the octets, a line an account", AT(brief), NULL,
		OPTION_SWITCH, 0, false },
};

struct accounts {
	struct cli *cli;
	struct sizes *sizes;
};

static bool measure_one(void *context, size_t index, unsigned lanes)
{
	struct accounts *accounts = context;
	struct cli one = *accounts->cli;

	one.settings.jobs = lanes;
	one.arena = arena_new();
	(void)sizes_measure(accounts->sizes, &one, index);
	arena_free(one.arena);
	return true;
}

static int conclude(struct cli *cli, struct sizes *sizes, int code)
{
	const int own_code = sizes_print(sizes, cli);

	sizes_free(sizes);
	if (stop_requested())
		return EXIT_INTERRUPTED;
	return own_code > code ? own_code : code;
}

/* The configuration is read, and every location put together, before anything begins: what is wrong there is a usage error. */
static int check(struct cli *cli, struct err *err)
{
	if (cli->size.method == SIZES_BY_QUOTA && cli->settings.mailboxes.count > 0)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"a quota is that of the account: leave out --mailbox or --method=quota");
	return cli_config(cli, err);
}

static int size_run(struct cli *cli, struct err *err)
{
	struct accounts accounts = { .cli = cli };
	struct pool pool = { .users = cli->locations,
		.together = cli->locations,
		.lanes = cli->settings.jobs ? cli->settings.jobs : LANES_USUAL,
		.run = measure_one,
		.context = &accounts };
	struct meter *meter;

	if (check(cli, err) < 0)
		return -1;
	if (cli->shared) {
		int code = EXIT_DONE;

		for (size_t i = 0; i < cli->locations; i++) {
			const int one = sizes_measure(cli->shared->gathered, cli, i);

			code = one > code ? one : code;
		}
		return code;
	}
	meter = meter_new();
	accounts.sizes = sizes_new(meter);
	progress_start(meter, cli_progress(cli));
	(void)pool_run(&pool);
	progress_stop();
	meter_free(meter);
	return conclude(cli, accounts.sizes, EXIT_DONE);
}

static void *gather(void)
{
	return sizes_new(NULL);
}

static int gathered(struct cli *cli, void *sizes, int code)
{
	return conclude(cli, sizes, code);
}

const struct command command_size = {
	.name = "size",
	.summary = "show how large accounts are, the largest first",
	.details =
		"Adds up the sizes of all messages, or of those chosen, and shows an account a line, with the method: "
		"status (the server added up), scan (every message was asked for) or quota. What could not be reached stays in the table, with the reason.",
	.arguments = "LOCATION...",
	.groups = GROUP_ACCOUNT | GROUP_MAILBOXES | GROUP_MESSAGES,
	.own = own,
	.own_count = countof(own),
	.least = 1,
	.most = SIZE_MAX,
	.many = MANY_GATHERED,
	.gather = gather,
	.gathered = gathered,
	.run = size_run,
};
