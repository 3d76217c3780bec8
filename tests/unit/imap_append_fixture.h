/*
 * What the tests of the pipelined writer share: a writer on a scripted server, and what is expected of it.
 *
 * Owner: the test. Threads: one; what says "script" belongs to the server's.
 */
#ifndef IMAP_APPEND_FIXTURE_H
#define IMAP_APPEND_FIXTURE_H

#include "imap/imap_append.h"
#include "imap_script.h"

#define MULTI "LITERAL+ MULTIAPPEND UIDPLUS"
#define PLUS "LITERAL+ UIDPLUS"
#define MINUS "LITERAL- UIDPLUS"
#define DATE "17-Jul-1996 02:44:25 -0700"
#define HUGE (2 << 20) /* goes alone */

struct fixture {
	struct script *script;
	struct imap_append *append;
};

static inline struct fixture begin(const char *capabilities, void (*run)(struct script *script))
{
	struct fixture fixture = { .script = script_begin(capabilities, run) };

	fixture.append = imap_append_new(fixture.script->imap, "Box");
	return fixture;
}

static inline void end(struct fixture *fixture)
{
	imap_append_free(fixture->append);
	script_end(fixture->script);
}

static inline int try_add(
	struct fixture *fixture, uint64_t token, struct span body, struct err *err)
{
	if (imap_append_begin(fixture->append, token, "\\Seen", DATE, body.len, err) < 0)
		return -1;
	if (imap_append_add(fixture->append, span_sub(body, 0, body.len / 2), err) < 0)
		return -1;
	if (imap_append_add(fixture->append, span_from(body, body.len / 2), err) < 0)
		return -1;
	return imap_append_end(fixture->append, err);
}

static inline void add(struct fixture *fixture, uint64_t token, const char *body)
{
	struct err err = ERR_INIT;

	if (try_add(fixture, token, span_of(body), &err) < 0)
		fail_msg("message %" PRIu64 ": %s", token, err.text);
}

static inline void add_sized(struct fixture *fixture, uint64_t token, size_t size)
{
	char *body = script_body(size, (unsigned)token);

	add(fixture, token, body);
	mem_free(body);
}

static inline struct imap_append_result settle(struct fixture *fixture)
{
	struct imap_append_result result;
	struct err err = ERR_INIT;
	const int rc = imap_append_settle(fixture->append, true, &result, &err);

	if (rc < 0)
		fail_msg("imap_append_settle(): %s", err.text);
	if (rc == 0)
		fail_msg("no further result");
	return result;
}

static inline struct imap_append_result expect(
	struct fixture *fixture, uint64_t token, enum imap_append_outcome outcome, uint32_t uid)
{
	const struct imap_append_result result = settle(fixture);

	assert_int_equal(result.token, token);
	assert_int_equal(result.outcome, outcome);
	assert_int_equal(result.uid, uid);
	assert_int_equal(result.uidvalidity, uid > 0 ? 77 : 0);
	assert_int_equal(result.err.scope != ERR_NONE, outcome == IMAP_APPEND_REFUSED);
	return result;
}

static inline void expect_end(struct fixture *fixture)
{
	struct imap_append_result result;

	assert_int_equal(imap_append_settle(fixture->append, true, &result, NULL), 0);
	assert_int_equal(imap_append_settle(fixture->append, false, &result, NULL), 0);
	assert_int_equal(imap_append_outstanding(fixture->append), 0);
}

/* The connection fails while waiting; then the rest is known. */
static inline void expect_failure(struct fixture *fixture)
{
	struct imap_append_result result;
	struct err err = ERR_INIT;

	assert_int_equal(imap_append_settle(fixture->append, true, &result, &err), -1);
	assert_int_equal(err.scope, ERR_CONN);
	imap_append_drop(fixture->append);
}

#define LETTER(size, body) " (\\Seen) \"" DATE "\" {" size "}\r\n" body

static inline unsigned count_letters(struct script *script)
{
	unsigned count = 0;

	for (const char *at = buf_text(&script->text); (at = strstr(at, "+}\r\n")) != NULL; at++)
		count++;
	return count;
}

static inline void expect_body(struct script *script, unsigned token, size_t size)
{
	char *body = script_body(size, token);

	if (!script->over && !memmem(script->text.data, script->text.len, body, size))
		script_fail(script, "octets of a message are wrong", "");
	mem_free(body);
}

#endif
