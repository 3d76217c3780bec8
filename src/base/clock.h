/*
 * Time: monotonic milliseconds for deadlines, wall clock for reports and "Nd". Tests inject both.
 *
 * Owner: none. Threads: any.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t clock_ms(void); /* monotonic */
int64_t clock_us(void); /* monotonic */
int64_t clock_wall(void); /* seconds since 1970 UTC */
/* Sleeps until ms passed or a stop was asked for; returns 0, or -1 when stopped. */
int clock_sleep(int64_t ms);
/* Tests: a fixed time for both clocks, advanced by clock_sleep(); -1 returns to the real ones. */
void clock_fake(int64_t ms);

#endif
