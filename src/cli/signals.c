/* Handlers do only what is async-signal-safe. */
#include "cli/signals.h"

#include "base/child.h"
#include "base/must.h"
#include "base/stop.h"
#include "cli/cli.h"

#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t interrupts;

static void on_signal(int number)
{
	if (number == SIGINT && interrupts++ > 0) {
		child_kill_all();
		_exit(EXIT_INTERRUPTED);
	}
	stop_request(number);
}

void signals_init(void)
{
	static const int stopping[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal }, old;

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < countof(stopping); i++) {
		/* Ignored on purpose (nohup, a shell's background job) stays ignored. */
		if (sigaction(stopping[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN &&
			stopping[i] != SIGTERM)
			continue;
		(void)sigaction(stopping[i], &action, NULL);
	}
	action.sa_handler = SIG_IGN;
	(void)sigaction(SIGPIPE, &action, NULL);
	(void)sigaction(
		SIGXFSZ, &action, NULL); /* ulimit -f: an error like a full disk, to be told */
}
