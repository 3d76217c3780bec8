/* mailhaul list: the mailboxes of one account. */
#include "cli/cmd.h"

#include "base/arena.h"
#include "base/err.h"
#include "cli/listing.h"
#include "cli/printer.h"

#define AT(member) offsetof(struct cli, list.member)

static const struct option own[] = {
	{ "stats", NULL, NULL, "count messages and unseen ones, and add sizes up", AT(stats), NULL,
		OPTION_SWITCH, 0, false },
	{ "large", "N", NULL, "only the N largest mailboxes, the largest first", AT(large), NULL,
		OPTION_COUNT, 0, false },
	{ "total", NULL, NULL, "add a line with the totals", AT(total), NULL, OPTION_SWITCH, 0,
		false },
};

static int show(struct listing *listing, const struct account *account, struct err *err)
{
	const struct list_options *options = &listing->cli->list;
	struct listing_total total;

	listing->counts = listing->sizes = options->stats || options->total || options->large > 0;
	if (listing_read(listing, account_mailbox(account), err) < 0 ||
		listing_measure(listing, err) < 0)
		return -1;
	total = listing_total(listing);
	if (options->large > 0)
		listing_largest(listing, options->large);
	if (print_json_wanted())
		listing_print_json(listing, &total, account_name(account));
	listing_print(listing, options->large == 0);
	if (options->total)
		listing_print_total(listing, &total);
	return total.unknown > 0 ? EXIT_SOME_FAILED : EXIT_DONE;
}

static int list_run(struct cli *cli, struct err *err)
{
	struct listing listing = { .cli = cli, .arena = cli->arena };
	struct store_request request = { .compress_scan = true,
		.timeout_ms = cli->settings.timeout_ms };
	struct account *account = cli_account(cli, 0, "", err);
	int code = -1;

	if (!account)
		return -1;
	listing.store = store_open(account, &request, err);
	if (listing.store)
		code = show(&listing, account, err);
	store_close(listing.store);
	account_free(account);
	return code;
}

const struct command command_list = {
	.name = "list",
	.summary = "show the mailboxes of an account",
	.details = "Shows the mailboxes as a tree, with what they are used for and whether they "
		   "are subscribed to. "
		   "Numbers of messages are shown if the server gives them away with the list, and "
		   "with --stats in any "
		   "case.",
	.arguments = "LOCATION",
	.groups = GROUP_ACCOUNT | GROUP_MAILBOXES,
	.own = own,
	.own_count = countof(own),
	.least = 1,
	.most = 1,
	.many = MANY_APART,
	.run = list_run,
};
