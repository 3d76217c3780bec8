/*
 * SIGINT and SIGTERM ask the run to stop and save its state; a second SIGINT ends it at once. A closed pipe is an error of the
 * write, not a signal.
 *
 * Owner: the process. Threads: call before any thread is started.
 */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

void signals_init(void);

#endif
