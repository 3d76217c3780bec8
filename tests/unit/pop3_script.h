/*
 * A POP3 server that plays a list of lines in a thread at the far end of a socket pair:
 *
 *	"S: a line for the client"    "S-: octets without CRLF"    "C: what the client has to say"    "X" hangs up
 *
 * Owner: the test. Threads: play_begin() starts one, play_end() joins it and fails the test if the client said something else.
 */
#ifndef POP3_SCRIPT_H
#define POP3_SCRIPT_H

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/secret.h"
#include "net/wire.h"
#include "pop3/pop3_parts.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct play {
	const char *const *line;
	struct wire *far;
	struct stream *near;
	pthread_t thread;
	char failure[512];
};

static inline void *play_run(void *argument)
{
	struct play *play = argument;
	struct span got;
	size_t used = 0;

	for (const char *const *at = play->line; *at && !*play->failure; at++) {
		if (strncmp(*at, "S: ", 3) == 0 || strncmp(*at, "S-: ", 4) == 0) {
			const bool whole = (*at)[1] == ':';
			(void)!wire_put(play->far, span_of(*at + (whole ? 3 : 4)), NULL);
			if (whole)
				(void)!wire_put(play->far, SPAN("\r\n"), NULL);
			(void)!wire_flush(play->far, NULL);
			continue;
		}
		if (strcmp(*at, "X") == 0)
			break;
		while (pop3_line(wire_peek(play->far), 65536, &got, &used) == 0)
			if (wire_wait(play->far, NULL) <= 0)
				break;
		if (wire_peek(play->far).len == 0 || !span_equal(got, span_of(*at + 3)))
			(void)snprintf(play->failure, sizeof(play->failure),
				"expected \"%s\", got \"%.*s\"", *at + 3,
				wire_peek(play->far).len ? (int)got.len : 0, got.data);
		else
			wire_consume(play->far, used);
	}
	wire_free(play->far);
	return NULL;
}

static inline struct play *play_begin(const char *const *lines)
{
	struct play *play = mem_alloc(sizeof(*play));
	struct stream *far;

	stream_pair_new(&play->near, &far);
	play->line = lines;
	play->far = wire_new(far, 10000);
	assert_int_equal(pthread_create(&play->thread, NULL, play_run, play), 0);
	return play;
}

static inline void play_end(struct play *play)
{
	pthread_join(play->thread, NULL);
	if (*play->failure)
		fail_msg("%s", play->failure);
	mem_free(play);
}

#endif
