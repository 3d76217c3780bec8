/* The program: prepares the process, reads the command line, runs the command, and tells how it ended. */
#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/stop.h"
#include "cli/arguments.h"
#include "cli/cmd.h"
#include "cli/many.h"
#include "cli/options.h"
#include "cli/printer.h"
#include "cli/signals.h"
#include "net/secret.h"
#include "net/stream.h"
#include "ops/report.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <unistd.h>

/* A descriptor 0, 1 or 2 that came closed must not become that of a file or a server. */
static void open_standard(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (os_fcntl(fd, F_GETFD, 0) >= 0 || errno != EBADF)
			continue;
		if (os_open("/dev/null", O_RDWR, 0) != fd || os_fcntl(fd, F_SETFD, 0) < 0)
			_exit(EXIT_LOCAL);
	}
}

static int start_talk(const struct cli *cli, struct err *err)
{
	if (cli->settings.quiet)
		log_set_level(LOG_ERROR);
	else if (cli->verbose > 0)
		log_set_level(cli->verbose == 1 ? LOG_INFO : LOG_DEBUG);
	if (log_open(cli->log_file, err) < 0)
		return -1;
	return stream_trace_open(cli->trace_file, err);
}

/* Commands with a report of their own (ops/report.h) write it themselves. */
static int start_printing(const struct cli *cli, struct err *err)
{
	const bool own = cli->command->many == MANY_TOGETHER;

	return printer_begin(cli->settings.json, own ? NULL : cli->settings.report_file, err);
}

static int run(struct cli *cli, struct arguments *arguments, struct err *err)
{
	if (options_parse(cli, arguments, err) < 0)
		return -1;
	if (cli->version) {
		help_version();
		return EXIT_DONE;
	}
	if (cli->help) {
		help_print(cli->command, cli->arena);
		return EXIT_DONE;
	}
	if (start_talk(cli, err) < 0 || start_printing(cli, err) < 0)
		return -1;
	return cli->users_file ? many_run(cli, err) : cli->command->run(cli, err);
}

/* The exit code of a run, its error said. */
static int conclude(int code, const struct err *err)
{
	struct err output = ERR_INIT;

	if (code < 0) {
		code = report_err_code(err);
		log_error("%s", err->text);
	}
	if (printer_finish(&output) < 0) {
		if (output.text[0])
			log_error("%s", output.text);
		code = code == EXIT_INTERRUPTED ? code : EXIT_LOCAL;
	}
	return code;
}

int main(int argc, char **argv)
{
	struct arguments arguments;
	struct err err = ERR_INIT;
	struct arena *arena;
	struct cli cli;
	int code;

	mem_begin();
	secret_protect_process();
	open_standard();
	setlocale(LC_CTYPE, "C.UTF-8");
	stop_init();
	signals_init();

	arena = arena_new();
	arguments_take(&arguments, arena, argc, argv);
	cli_init(&cli, arena);
	code = conclude(run(&cli, &arguments, &err), &err);

	config_free(cli.config);
	(void)!stream_trace_open(NULL, NULL);
	log_close();
	arena_free(arena);
	return code;
}
