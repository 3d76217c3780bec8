/* The session: commands out, answers in, in step. */
#include "pop3/pop3.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/redact.h"
#include "net/secret.h"
#include "net/wire.h"
#include "pop3/pop3_parts.h"

#include <stdarg.h>
#include <string.h>

#define COMMANDS_MAX (4u << 20) /* in flight */
#define WAITING_MAX (64u << 20)
#define COMMAND_MAX 255 /* RFC 2449 §4 */
#define DRIP_OCTETS 100 /* a second; what comes slower than that is no connection */
#define WORDS_MAX 400 /* octets of the server's words that are passed on */

struct pop3 *pop3_new(struct stream *stream, int64_t timeout_ms)
{
	struct pop3 *pop3 = mem_alloc(sizeof(*pop3));

	pop3->wire = wire_new(stream, timeout_ms);
	pop3->timeout_ms = timeout_ms;
	buf_init(&pop3->shapes, COMMANDS_MAX);
	buf_init(&pop3->waiting, WAITING_MAX);
	buf_init(&pop3->line, POP3_LINE_MAX + 1);
	buf_init(&pop3->mechanisms, POP3_LINE_MAX);
	return pop3;
}

void pop3_close(struct pop3 *pop3)
{
	if (!pop3)
		return;
	const bool polite = pop3->entered && !pop3->failed && !pop3->marked &&
			    pop3->shapes.len == 0 && !pop3->in_body &&
			    !pop3_has(pop3, POP3_CAP_EXPIRE_0) && wire_unsent(pop3->wire) == 0;
	if (polite && wire_put(pop3->wire, SPAN("QUIT\r\n"), NULL) == 0)
		(void)!wire_push(pop3->wire, NULL);
	wire_free(pop3->wire);
	buf_release(&pop3->shapes);
	buf_release(&pop3->waiting);
	buf_release(&pop3->line);
	buf_release(&pop3->mechanisms);
	mem_free(pop3->disabled);
	mem_free(pop3);
}

void pop3_abandon(struct pop3 *pop3)
{
	if (pop3->failed)
		return;
	pop3->failed = true;
	err_set(&pop3->fault, ERR_CONN, "the session was broken off");
}

bool pop3_has(const struct pop3 *pop3, enum pop3_cap cap)
{
	return (pop3->caps & cap) != 0;
}

void pop3_set(struct pop3 *pop3, enum pop3_cap cap, bool has)
{
	pop3->caps = has ? pop3->caps | cap : pop3->caps & ~(unsigned)cap;
}

bool pop3_told(const struct pop3 *pop3)
{
	return pop3->told;
}

void pop3_blot(const struct pop3 *pop3, char *text)
{
	if (pop3->wire)
		redact_apply(wire_redact(pop3->wire), text, strlen(text));
}

struct wire *pop3_wire(struct pop3 *pop3)
{
	return pop3->wire;
}

size_t pop3_in_flight(const struct pop3 *pop3)
{
	return pop3->shapes.len;
}

/* Keeps what broke the connection. A stop is no fault of it. */
static int session_fail(struct pop3 *pop3, struct err *err)
{
	if (pop3->fault.scope != ERR_STOPPED)
		pop3->failed = true;
	if (err)
		*err = pop3->fault;
	return -1;
}

/* ---- commands ---- */

/*
 * Sends what may be sent: everything where the server has PIPELINING, otherwise one command when nothing is under way. What is there before the
 * first command leaves was not asked for (and would be taken for its answer).
 */
static int send_waiting(struct pop3 *pop3, struct err *err)
{
	const bool all = pop3_has(pop3, POP3_CAP_PIPELINING);

	while (pop3->sent < pop3->shapes.len && (all || (pop3->sent == 0 && !pop3->in_body))) {
		const struct span rest = buf_span(&pop3->waiting);
		const size_t end = all ? rest.len : span_find(rest, '\n') + 1;

		if (pop3->sent == 0 && !pop3->in_body && wire_peek(pop3->wire).len > 0)
			return err_set(err, ERR_CONN,
				"the server answered a command that was not sent: it is confused, "
				"or someone is tampering with the connection");
		if (wire_put(pop3->wire, span_sub(rest, 0, end), err) < 0)
			return -1;
		buf_drop_front(&pop3->waiting, end);
		pop3->sent = all ? pop3->shapes.len : pop3->sent + 1;
	}
	return 0;
}

static int queue(struct pop3 *pop3, enum pop3_shape shape, struct span command, struct err *err)
{
	if (pop3->failed)
		return session_fail(pop3, err);
	if (buf_add(&pop3->waiting, command) < 0 || buf_add(&pop3->waiting, SPAN("\r\n")) < 0 ||
		buf_add_char(&pop3->shapes, (char)shape) < 0)
		return err_set(err, ERR_LOCAL, "too many commands are unanswered");
	pop3->marked |= span_starts(command, SPAN("DELE"));
	return 0;
}

int pop3_send(struct pop3 *pop3, enum pop3_shape shape, struct err *err, const char *fmt, ...)
{
	char command[COMMAND_MAX];
	va_list args;

	va_start(args, fmt);
	const int len = vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	if (len < 0 || (size_t)len + 2 > sizeof(command))
		return err_set(err, ERR_LOCAL, "a POP3 command is too long");
	return queue(pop3, shape, span_make(command, (size_t)len), err);
}

int pop3_put_secret(struct pop3 *pop3, struct span line, struct err *err)
{
	if (pop3->failed)
		return session_fail(pop3, err);
	if (wire_peek(pop3->wire).len > 0)
		return err_set(err, ERR_CONN, "the server speaks before it is asked");
	return wire_put_secret(pop3->wire, line, err);
}

int pop3_push(struct pop3 *pop3, struct err *err)
{
	if (pop3->failed)
		return session_fail(pop3, err);
	if (send_waiting(pop3, &pop3->fault) < 0 || wire_push(pop3->wire, &pop3->fault) < 0)
		return session_fail(pop3, err);
	return 0;
}

/* ---- answers ---- */

static bool is_late(const struct pop3 *pop3)
{
	return pop3->deadline > 0 && clock_ms() >= pop3->deadline;
}

static int fail_late(const struct pop3 *pop3, struct err *err)
{
	return err_set_kind(err, ERR_CONN, ERR_KIND_NETWORK, "no complete answer within %lld s",
		(long long)(pop3->timeout_ms + 999) / 1000);
}

int pop3_wait(struct pop3 *pop3, struct err *err)
{
	if (is_late(pop3))
		return fail_late(pop3, err);
	if (pop3->deadline > 0)
		wire_set_timeout(pop3->wire, pop3->deadline - clock_ms() + 1);
	const int rc = wire_wait(pop3->wire, err);
	if (pop3->deadline > 0)
		wire_set_timeout(pop3->wire, pop3->timeout_ms);
	if (rc > 0)
		return 0;
	if (rc == 0)
		return err_set_kind(
			err, ERR_CONN, ERR_KIND_NETWORK, "the server closed the connection");
	return is_late(pop3) ? fail_late(pop3, err) : -1;
}

/* Silence is the wire's to judge; here a server is given up that says something all the time and never comes to an end. */
static int wait_rest(struct pop3 *pop3, struct err *err)
{
	const size_t before = wire_peek(pop3->wire).len;
	const int64_t began = clock_ms();

	if (pop3_wait(pop3, err) < 0)
		return -1;
	if (before == 0 && !pop3->in_body)
		return 0; /* the first octets: what was waited for is the answer */
	pop3->waited_ms += clock_ms() - began;
	pop3->waited_octets += wire_peek(pop3->wire).len - before;
	if (pop3->timeout_ms > 0 && pop3->waited_ms > pop3->timeout_ms &&
		pop3->waited_octets < (uint64_t)pop3->waited_ms / 1000 * DRIP_OCTETS)
		return fail_late(pop3, err);
	return 0;
}

int pop3_reply(struct pop3 *pop3, struct pop3_reply *out, struct err *err)
{
	struct span line;
	size_t used = 0;
	int rc;

	pop3->waited_ms = 0;
	pop3->waited_octets = 0;
	if (is_late(pop3))
		return fail_late(pop3, err);
	while ((rc = pop3_line(wire_peek(pop3->wire), POP3_LINE_MAX, &line, &used)) == 0)
		if (wait_rest(pop3, err) < 0)
			return -1;
	if (rc < 0)
		return err_set(err, ERR_CONN, "the server sent a line of more than %d octets",
			POP3_LINE_MAX);
	buf_clear(&pop3->line);
	if (buf_add(&pop3->line, line) < 0) /* cannot be: the cap is higher */
		return err_set(err, ERR_CONN, "the server sent too long a line");
	pop3->unstuff = (struct pop3_unstuff){ .bare_lf = used == line.len + 1 };
	wire_consume(pop3->wire, used);
	if (pop3_reply_parse(buf_span(&pop3->line), out) == 0)
		return 0;

	char shown[TEXT_SHOWN];
	text_shown(span_sub(buf_span(&pop3->line), 0, 60), shown);
	pop3_blot(pop3, shown);
	return err_set_kind(err, ERR_CONN, ERR_KIND_NETWORK,
		"the server's answer is none of POP3: \"%s\"", shown);
}

/* One piece of the answer, of one line at most if that is wanted; *chunk may come out empty. 1, 0 = the end, -1. */
static int body_step(struct pop3 *pop3, bool line, struct span *chunk, struct err *err)
{
	*chunk = SPAN("");
	wire_consume(pop3->wire, pop3->held);
	pop3->held = 0;
	if (!pop3->in_body)
		return 0;
	while (wire_peek(pop3->wire).len == 0)
		if (wait_rest(pop3, err) < 0)
			return -1;

	struct span input = wire_peek(pop3->wire);
	const size_t end = line ? span_find(input, '\n') : SIZE_MAX;
	if (end != SIZE_MAX)
		input = span_sub(input, 0, end + 1);
	pop3->held = pop3_unstuff(&pop3->unstuff, input, chunk);
	if (pop3->unstuff.done)
		pop3->in_body = false;
	return 1;
}

int pop3_body(struct pop3 *pop3, struct span *chunk_out, struct err *err)
{
	int rc;

	if (pop3->failed)
		return session_fail(pop3, err);
	do {
		rc = body_step(pop3, false, chunk_out, &pop3->fault);
	} while (rc > 0 && chunk_out->len == 0);
	return rc < 0 ? session_fail(pop3, err) : rc;
}

static int body_skip(struct pop3 *pop3, struct err *err)
{
	struct span chunk;
	int rc;

	while ((rc = body_step(pop3, false, &chunk, err)) > 0)
		;
	return rc;
}

int pop3_body_line(struct pop3 *pop3, struct span *line_out, struct err *err)
{
	struct span chunk;
	int rc;

	if (pop3->failed)
		return session_fail(pop3, err);
	buf_clear(&pop3->line);
	while ((rc = body_step(pop3, true, &chunk, &pop3->fault)) > 0) {
		if (buf_add(&pop3->line, chunk) < 0) {
			rc = err_set(&pop3->fault, ERR_CONN,
				"the server sent a line of more than %d octets", POP3_LINE_MAX);
			break;
		}
		if (span_ends(chunk, SPAN("\n")))
			break;
	}
	if (rc < 0)
		return session_fail(pop3, err);
	*line_out = span_trim(buf_span(&pop3->line));
	return rc > 0 || line_out->len > 0;
}

static int next_reply(struct pop3 *pop3, struct pop3_reply *out, struct err *err)
{
	*out = (struct pop3_reply){ 0 };
	if (body_skip(pop3, err) < 0 || send_waiting(pop3, err) < 0)
		return -1;
	if (pop3->sent == 0)
		return err_set(err, ERR_LOCAL, "no POP3 command is under way");
	if (pop3_reply(pop3, out, err) < 0)
		return -1;
	if (out->status == POP3_CONTINUE)
		return err_set(err, ERR_CONN, "the server asks for more where nothing follows");
	pop3->in_body = out->status == POP3_OK && pop3->shapes.data[0] == POP3_MULTI;
	buf_drop_front(&pop3->shapes, 1);
	pop3->sent--;
	return 0;
}

int pop3_next(struct pop3 *pop3, struct pop3_reply *out, struct err *err)
{
	if (pop3->failed || next_reply(pop3, out, &pop3->fault) < 0)
		return session_fail(pop3, err);
	return 0;
}

bool pop3_ready(struct pop3 *pop3)
{
	if (pop3->failed || wire_peek(pop3->wire).len > pop3->held)
		return true;
	(void)!pop3_push(pop3, NULL); /* or the answer would never come */
	return pop3->failed || wire_ready(pop3->wire);
}

/* ---- refusals ---- */

/* Words of servers without RESP-CODES that hold the maildrop for another session, or for the one that broke off a moment ago. */
static bool says_locked(struct span text)
{
	static const char *const words[] = { "in use", "another session", "lock busy", "lock file",
		"to lock", "not lock", "'t lock", "maildrop", "mailbox is lock", "already locked" };

	for (size_t i = 0; i < countof(words); i++)
		for (size_t at = 0; at < text.len; at++)
			if (span_starts_nocase(span_from(text, at), span_of(words[i])))
				return true;
	return false;
}

int pop3_refusal(const struct pop3 *pop3, const struct pop3_reply *reply, struct err *err)
{
	struct err local;
	char shown[TEXT_SHOWN];

	text_shown(span_sub(reply->text, 0, WORDS_MAX), shown);
	pop3_blot(pop3, shown);
	if (!*shown)
		(void)snprintf(shown, sizeof(shown), "the server refuses without a word");
	switch (reply->code) {
	case POP3_CODE_IN_USE:
	case POP3_CODE_LOGIN_DELAY:
	case POP3_CODE_SYS_TEMP:
		err_set_kind(&local, ERR_CONN, ERR_KIND_BUSY, "%s", shown);
		err_retry_after(&local,
			reply->code == POP3_CODE_LOGIN_DELAY ? pop3->login_delay_s * 1000 : 0);
		break;
	case POP3_CODE_AUTH:
		err_set_kind(&local, ERR_ACCOUNT, ERR_KIND_AUTH, "%s", shown);
		break;
	case POP3_CODE_SYS_PERM:
		err_set(&local, ERR_ACCOUNT, "%s: the server's administrator has to look at this",
			shown);
		break;
	default:
		err_set(&local, ERR_MAILBOX, "%s", shown);
		if (!pop3->entered && reply->code == POP3_CODE_NONE && says_locked(reply->text)) {
			err_set_kind(&local, ERR_CONN, ERR_KIND_BUSY, "%s", shown);
			err_retry_after(&local, 0);
		}
		break;
	}
	if (err)
		*err = local;
	return -1;
}

int pop3_command(struct pop3 *pop3, struct err *err, const char *fmt, ...)
{
	char command[COMMAND_MAX];
	struct pop3_reply reply;
	va_list args;

	va_start(args, fmt);
	const int len = vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	if (len < 0 || (size_t)len + 2 > sizeof(command))
		return err_set(err, ERR_LOCAL, "a POP3 command is too long");
	if (queue(pop3, POP3_SINGLE, span_make(command, (size_t)len), err) < 0 ||
		pop3_next(pop3, &reply, err) < 0)
		return -1;
	return reply.status == POP3_OK ? 0 : pop3_refusal(pop3, &reply, err);
}

/* ---- what the server said about itself ---- */

bool pop3_is_disabled(const struct pop3 *pop3, struct span name)
{
	struct span rest = span_of(pop3->disabled), word;

	while (pop3_word(&rest, &word))
		if (span_equal_nocase(word, name))
			return true;
	return false;
}

void pop3_forget(struct pop3 *pop3)
{
	pop3->told = false;
	pop3->caps = 0;
	pop3->login_delay_s = 0;
	buf_clear(&pop3->mechanisms);
}
