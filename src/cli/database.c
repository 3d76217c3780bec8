/* From options to an open database of results. */
#include "cli/database.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "cli/cmd.h"
#include "cli/prompt.h"
#include "net/secret.h"
#include "ops/report.h"
#include "store/secrets.h"

#include <pthread.h>

static void warn(const struct cli *cli, const struct results_target *target)
{
	if (cli->warned)
		return;
	if (target->exposed)
		log_warn("%s: sslmode: everybody on the way can read results and password",
			target->shown);
	if (target->password.len > 0)
		log_warn(
			"%s: a password on the command line ends up in shell histories and process "
			"lists; --db-pass-file, --db-pass-cmd or --db-pass-env keep it out of them",
			target->shown);
}

/* The nearest place wins: an option, then the URL. NULL without an error: there is none. */
static struct secret *read_password(
	const struct cli *cli, const struct results_target *target, struct err *err)
{
	const struct db_options *db = &cli->db;
	struct secret *secret = NULL;

	if (db->pass_file)
		secret = secrets_from_file(path_expand(cli->arena, db->pass_file), err);
	else if (db->pass_cmd)
		secret = secrets_from_command(db->pass_cmd, SECRETS_COMMAND_MS, err);
	else if (db->pass_env)
		secret = secrets_from_env(db->pass_env, err);
	else if (target->password.len > 0)
		return secret_new(target->password);
	if (!secret && err->scope != ERR_NONE)
		(void)err_wrap(err, "the database's password");
	return secret;
}

static int confirm_clear(struct cli *cli, const struct results_request *request, struct err *err)
{
	uint64_t runs;

	if (results_count_runs(request, &runs, err) < 0)
		return -1;
	if (runs == 0 || cli->settings.yes)
		return 0;
	if (cli->user)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_SAFETY,
			"--clear-db with --users needs --yes: nothing was deleted");
	if (prompt_confirm(
		    NULL, arena_print(cli->arena, "delete the results of %s earlier runs from %s?",
				  text_count(cli->arena, runs), request->target->shown)) != 1)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_SAFETY,
			"not confirmed: the results of %s earlier runs stay, and nothing was begun "
			"(--yes confirms)",
			text_count(cli->arena, runs));
	return 0;
}

static int open_with(
	struct cli *cli, const struct results_target *target, struct results **out, struct err *err)
{
	/* What one turn has found is no earlier run to the next. */
	static pthread_mutex_t clearing = PTHREAD_MUTEX_INITIALIZER;
	static bool cleared;
	struct secret *secret = read_password(cli, target, err);
	struct results_request request = { .target = target,
		.password = secret_bytes(secret),
		.command = cli->command->name,
		.timeout_ms = cli->settings.timeout_ms };
	int rc = !secret && err->scope != ERR_NONE ? -1 : 0;

	pthread_mutex_lock(&clearing);
	request.clear = cli->db.clear && !cleared;
	if (rc == 0 && request.clear)
		rc = confirm_clear(cli, &request, err);
	if (rc == 0) {
		*out = results_open(&request, err);
		rc = *out ? 0 : -1;
		cleared = cleared || (request.clear && rc == 0);
	}
	pthread_mutex_unlock(&clearing);
	secret_free(secret);
	return rc;
}

int database_open(struct cli *cli, struct results **out, struct err *err)
{
	struct results_target *target;

	*out = NULL;
	if (!cli->db.url)
		return 0;
	target = arena_alloc(cli->arena, sizeof(*target));
	if (results_target_parse(cli->db.url, cli->arena, target, err) < 0)
		return err_wrap(err, "--db");
	warn(cli, target);
	if (cli->settings.dry_run) {
		log_warn("dry run: nothing is written to %s", target->shown);
		return 0;
	}
	if (target->kind == RESULTS_SQLITE)
		target->path = path_expand(cli->arena, target->path);
	return open_with(cli, target, out, err);
}

int database_end(struct results *results, int code)
{
	struct err err = ERR_INIT;
	int own;

	if (results_end(results, code, &err) == 0)
		return code;
	own = report_err_code(&err);
	if (own == EXIT_INTERRUPTED)
		log_error("interrupted: run %lld is not in the database",
			(long long)results_run(results));
	else
		log_error("%s (run %lld is not in the database)", err.text,
			(long long)results_run(results));
	return own > code ? own : code;
}
