/*
 * What one call of the program was asked to do: the options as values, the locations as typed. Filled by options.c,
 * read by the command.
 *
 * Owner: main(). Lifetime: the run; all texts belong to the arena. Threads: any, immutable once the command runs.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/must.h"
#include "ops/settings.h"
#include "store/account.h"

struct arena;
struct command;
struct shared;
struct user;
struct config;
struct err;

enum exit_code { /* product §5 */
	EXIT_DONE = 0,
	EXIT_DIFFERS = 1,
	EXIT_USAGE = 2,
	EXIT_SOME_FAILED = 3,
	EXIT_CONNECTION = 4,
	EXIT_AUTH = 5,
	EXIT_SAFETY = 6,
	EXIT_LOCAL = 7,
	EXIT_INTERRUPTED = 130,
};

enum progress_when { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER };

struct list_options {
	bool stats, total;
	uint64_t large; /* the N largest, 0 = all */
};

enum sizes_by { SIZES_BY_AUTO, SIZES_BY_SCAN, SIZES_BY_QUOTA };

struct size_options {
	int method; /* enum sizes_by */
	bool csv, brief;
};

struct search_options {
	bool uids; /* nothing but UIDs */
	const char *copy_to, *move_to; /* a mailbox, or NULL */
	const char *save; /* a location, or NULL */
};

struct filter_options {
	const char *rules, *under; /* under: NULL = rules for any mailbox mean all */
	bool first_match, watch;
	int64_t poll_ms;
};

struct compare_options {
	unsigned check; /* enum compare_check bits */
	bool count_only, both, show_ids;
	struct text_list manifest; /* files, one a location */
	const char *sign_key; /* a file, or NULL */
};

struct mailbox_options {
	struct text_list regex;
};

struct trash_options {
	const char *name, *older_than; /* or NULL */
	bool empty;
	int64_t before; /* what older_than means, as settings.before */
	char before_day[12];
};

struct dedup_options {
	int keep; /* enum duplicates_keep */
	int verify; /* which of "none|content"; negative = as the action wants it */
	bool with_date, across, mark, expunge;
	const char *move_to; /* a mailbox, or NULL */
};

struct check_options {
	bool ping, capabilities, scan;
};

struct db_options { /* the database of results (database.h) */
	const char *url, *pass_file, *pass_cmd, *pass_env; /* or NULL */
	bool clear;
};

struct cli {
	struct arena *arena;
	struct settings settings;
	struct list_options list;
	struct check_options check;
	struct size_options size;
	struct search_options search;
	struct filter_options filter;
	struct db_options db;
	struct compare_options compare;
	struct mailbox_options mailbox;
	struct trash_options trash;
	struct text_list into; /* each --into; the first one is in settings */
	struct dedup_options dedup;
	struct account_values account[2]; /* --src-KEY and --dst-KEY; --KEY is the first */
	bool account_given; /* any --KEY of a command with one side */

	unsigned verbose; /* how many -v */
	bool help, version;
	int progress; /* enum progress_when */
	const char *log_file, *trace_file, *config_file;
	const char *users_file; /* or NULL */
	int users_format; /* enum users_format */

	const struct command *command; /* NULL: none was named */
	const char *action; /* "delete" of "mailbox delete", or NULL */
	char **location; /* what stands behind the command and is no option */
	size_t locations;
	struct config *config;

	/* Set for one user's turn of a run over many (many.h), else NULL. */
	const struct user *user;
	const struct shared *shared;
	bool warned; /* what cli_account() has to say was said */
};

/*
 * The account of a location: options, query and configuration laid over each other. Says what must be said about it (a
 * certificate that is not checked, a password on the command line). NULL: usage error, exit 2.
 */
struct account *cli_account(struct cli *cli, size_t index, const char *role, struct err *err);
struct secret;
/*
 * The account of a location to write to that stands elsewhere than on the command line, such as in a rules file; secret: as it stands there, or NULL. The options
 * of the command line are not its own.
 */
struct account *cli_account_of(
	struct cli *cli, const char *location, const struct secret *secret, struct err *err);
/* Passwords are asked for now: a prompt and a progress line don't go together. */
int cli_ask_secrets(struct account *account, struct err *err) MUST_CHECK;
/* Whether to show progress: JSON lines and a progress line on one terminal would tear each other apart. */
enum progress_when cli_progress(const struct cli *cli);

#endif
