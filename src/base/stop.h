/*
 * The stop flag: set by SIGINT/SIGTERM (or a test), seen by every wait through a descriptor.
 *
 * Owner: the process. Threads: any.
 */
#ifndef BASE_STOP_H
#define BASE_STOP_H

#include <stdbool.h>

struct err;

void stop_init(void); /* creates the descriptor; idempotent */
void stop_request(int signal_number); /* async-signal-safe */
bool stop_requested(void);
int stop_fd(void); /* readable once stopped; never read it */
int stop_signal(void); /* the signal, or 0 */
/* -1 with ERR_STOPPED "interrupted" when a stop was asked for, else 0. */
int stop_check(struct err *err);
void stop_reset(void); /* tests */

#endif
