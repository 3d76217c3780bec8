/* Accounts as the command line means them, with the warnings they deserve. */
#include "cli/cli.h"

#include "base/err.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "cli/options.h"
#include "store/users.h"

#include <arpa/inet.h>
#include <unistd.h>

static bool is_here(const char *host)
{
	struct in_addr four;

	if (!host)
		return false;
	if (inet_pton(AF_INET, host, &four) == 1)
		return (ntohl(four.s_addr) >> 24) == 127;
	return span_equal_nocase(span_of(host), SPAN("localhost")) ||
	       span_equal_text(span_of(host), "::1") || span_equal_text(span_of(host), "[::1]");
}

static void warn(const struct account *account)
{
	const char *tls = account_get(account, ACCOUNT_TLS);
	const char *name = account_name(account);

	if (account_path(account))
		return;
	if (tls && strcmp(tls, "none") == 0) {
		if (!is_here(account_get(account, ACCOUNT_HOST)) &&
			!account_get(account, ACCOUNT_TUNNEL))
			log_warn("%s: tls=none: everybody on the way can read mail and password",
				name);
	} else if (!account_verifies(account)) {
		log_warn("%s: tls-verify=no: anybody on the way can pretend to be this server; "
			 "tls-pin or ca-file are the safe ways",
			name);
	}
	if (account_password_in_location(account))
		log_warn("%s: a password in a location ends up in shell histories and process "
			 "lists; "
			 "pass-file, pass-cmd or pass-env keep it out of them",
			name);
}

/* A prompt would have to say whose turn it is, to somebody who waits for it. */
static void take_line(const struct user_side *side, struct account_request *request)
{
	request->location = side->location ? side->location : request->location;
	request->user = side->user;
	request->line = &side->values;
	request->line_secret = side->secret;
	request->line_secret_is_token = side->token;
	request->may_prompt = false;
}

struct account *cli_account(struct cli *cli, size_t index, const char *role, struct err *err)
{
	const unsigned side = strcmp(role, "dst") == 0;
	struct account_request request = {
		.location = cli->location[index],
		.options = &cli->account[side],
		.role = role,
		.read_only = cli->command->read_only,
		.may_prompt = true,
		.may_be_nobody = cli->check.capabilities && !cli->check.scan,
	};
	struct account *account;

	if (cli_config(cli, err) < 0)
		return NULL;
	request.config = cli->config;
	if (cli->user)
		take_line(&cli->user->side[side], &request);
	if (cli->user && strcmp(request.location, "-") == 0) {
		(void)err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"the location is \"-\", and the line names none");
		return NULL;
	}
	account = account_new(&request, err);
	if (!account)
		return NULL;
	if (strcmp(account_scheme(account), "manifest") == 0 && !cli->command->manifests) {
		(void)err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"%s: a manifest holds no messages: it can only be compared",
			account_name(account));
		account_free(account);
		return NULL;
	}
	if (!cli->user) /* else it is needed for the next one, and wiped at the end */
		account_wipe_argument(cli->location[index]);
	if (!cli->warned)
		warn(account);
	return account;
}

struct account *cli_account_of(
	struct cli *cli, const char *location, const struct secret *secret, struct err *err)
{
	static const struct account_values nothing;
	const struct account_request request = {
		.location = location,
		.user = cli->user ? cli->user->side[0].user : NULL,
		.line = secret ? &nothing : NULL,
		.line_secret = secret,
		.role = "dst",
		.may_prompt = !cli->user,
		.config = cli_config(cli, err) == 0 ? cli->config : NULL,
	};
	struct account *account = err->scope == ERR_NONE ? account_new(&request, err) : NULL;

	if (account && !cli->warned)
		warn(account);
	return account;
}

int cli_ask_secrets(struct account *account, struct err *err)
{
	struct pop3_options pop3;
	struct imap_options imap;

	if (strcmp(account_scheme(account), "pop3") == 0)
		return account_pop3_options(account, false, &pop3, err);
	if (strcmp(account_scheme(account), "imap") != 0)
		return 0;
	return account_imap_options(account, false, &imap, err);
}

enum progress_when cli_progress(const struct cli *cli)
{
	if (cli->progress == PROGRESS_AUTO &&
		(cli->settings.quiet || (cli->settings.json && isatty(STDOUT_FILENO))))
		return PROGRESS_NEVER;
	return (enum progress_when)cli->progress;
}
