/*
 * The commands this program has started and not yet waited for, so that an end without ceremony (a second interrupt) leaves none behind.
 *
 * Owner: the process. Threads: any; child_kill_all() is async-signal-safe.
 */
#ifndef BASE_CHILD_H
#define BASE_CHILD_H

#include <sys/types.h>

void child_began(pid_t pid); /* right after the spawn; more than CHILD_MAX are not remembered */
void child_ended(pid_t pid); /* right after waitpid() gave it: the number may be another's soon */
void child_kill_all(void); /* SIGKILL */

#define CHILD_MAX 256

#endif
