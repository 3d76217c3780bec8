/*
 * An IMAP session: commands are sent without waiting and answered by pulling (RFC 3501 §5.5). It knows capabilities, tags in flight, the
 * selected mailbox; it never trusts order.
 *
 * Owner: its store. Lifetime: imap_open() to imap_close(). Event data is borrowed until the next imap_next(). Threads: one at a time.
 *
 *	tag = imap_sendf(imap, err, "UID FETCH 1:* (UID FLAGS)");
 *	while ((rc = imap_until(imap, tag, &event, err)) > 0)
 *		if (event->type == IMAP_FETCH)
 *			…
 *	// 0: tagged OK. -1: NO or BAD (the connection is fine), or worse.
 */
#ifndef IMAP_IMAP_H
#define IMAP_IMAP_H

#include "imap/imap_command.h"
#include "imap/imap_response.h"
#include "net/dial.h"
#include "net/sasl.h"
#include "net/tls.h"

struct imap;
struct imap_quirk;

enum imap_tls { IMAP_TLS_IMPLICIT, IMAP_TLS_STARTTLS, IMAP_TLS_NONE };
enum imap_compress { IMAP_COMPRESS_AUTO, IMAP_COMPRESS_YES, IMAP_COMPRESS_NO };

/* What to do to get in; everything is borrowed for the time of imap_open() only, except secrets (see sasl.h) which live as long as the account. */
struct imap_options {
	struct dial_options dial;
	enum imap_tls tls;
	struct tls_options tls_options;
	struct sasl_options sasl;
	const char *const *mechanisms; /* keys the user named; empty = strongest first */
	size_t mechanism_count;
	bool preauth; /* auth=preauth: a tunnel that is already logged in */
	bool no_login; /* up to the capabilities before the login, and no further */
	bool compress; /* switch COMPRESS=DEFLATE on if offered */
	bool want_utf8; /* ENABLE UTF8=ACCEPT if offered */
	bool will_write; /* … unless names made so would break the server (quirks) */
	bool want_qresync; /* ENABLE QRESYNC (or CONDSTORE) if offered */
	/* capability names, separated by blanks or commas, treated as not offered (quirk key) */
	const char *disable;
	int64_t timeout_ms; /* longest silence */
};

/* What was learned on the way, for `check` and reports. Times in microseconds, 0 = did not happen. */
struct imap_facts {
	struct dial_facts dial;
	struct tls_facts tls;
	bool has_tls;
	int64_t tls_us, greeting_us, login_us, ready_us;
	char greeting[256], mechanism[32], server_id[256]; /* made harmless */
	char offered[256]; /* mechanisms offered */
	/* the login failed because the token was too old: get a new one and try once more */
	bool token_expired;
};

/* Capabilities that decide something; a bit each. Those disabled by options are off. */
enum imap_cap {
	IMAP_CAP_REV1 = 1 << 0,
	IMAP_CAP_REV2 = 1 << 1,
	IMAP_CAP_LITERAL_PLUS = 1 << 2,
	IMAP_CAP_LITERAL_MINUS = 1 << 3,
	IMAP_CAP_MULTIAPPEND = 1 << 4,
	IMAP_CAP_UIDPLUS = 1 << 5,
	IMAP_CAP_CONDSTORE = 1 << 6,
	IMAP_CAP_QRESYNC = 1 << 7,
	IMAP_CAP_ESEARCH = 1 << 8,
	IMAP_CAP_LIST_EXTENDED = 1 << 9,
	IMAP_CAP_LIST_STATUS = 1 << 10,
	IMAP_CAP_SPECIAL_USE = 1 << 11,
	IMAP_CAP_CREATE_SPECIAL_USE = 1 << 12,
	IMAP_CAP_NAMESPACE = 1 << 13,
	IMAP_CAP_ID = 1 << 14,
	IMAP_CAP_ENABLE = 1 << 15,
	IMAP_CAP_UTF8_ACCEPT = 1 << 16,
	IMAP_CAP_COMPRESS = 1 << 17,
	IMAP_CAP_MOVE = 1 << 18,
	IMAP_CAP_UNSELECT = 1 << 19,
	IMAP_CAP_STATUS_SIZE = 1 << 20,
	IMAP_CAP_OBJECTID = 1 << 21,
	IMAP_CAP_APPENDLIMIT = 1 << 22,
	IMAP_CAP_INPROGRESS = 1 << 23,
	IMAP_CAP_QUOTA = 1 << 24,
	IMAP_CAP_IDLE = 1 << 25,
	IMAP_CAP_SASL_IR = 1 << 26,
	IMAP_CAP_XLIST = 1 << 27,
	IMAP_CAP_GMAIL = 1 << 28, /* X-GM-EXT-1 */
	IMAP_CAP_SASL_NONE = 1 << 29, /* LOGINDISABLED */
	IMAP_CAP_STARTTLS = 1 << 30,
};

/* Connects, switches TLS on, logs in, enables, compresses: imap_login.c. NULL: dial.h, tls.h, sasl.h say what fails; "server not IMAP" is ERR_ACCOUNT kind NETWORK. */
struct imap *imap_open(
	const struct imap_options *options, struct imap_facts *facts, struct err *err);
/* A session on a stream that is already there, before its greeting (tests, tunnels). Takes the stream. */
struct imap *imap_new(struct stream *stream, int64_t timeout_ms);
/*
 * Switches COMPRESS=DEFLATE on later, when it turns out to pay; nothing may be in flight. Not offered, refused, or on already: 0 and nothing changes.
 */
int imap_compress(struct imap *imap, struct err *err) MUST_CHECK;
bool imap_may_compress(const struct imap *imap); /* offered, and not on yet */
/* LOGOUT if that costs no wait, and frees. Accepts NULL. */
void imap_close(struct imap *imap);

bool imap_has(const struct imap *imap, enum imap_cap cap);
const struct imap_words *imap_capabilities(const struct imap *imap); /* all, as announced last */
/* Whether a capability was announced that has no bit of its own, and is not disabled. */
bool imap_offers(const struct imap *imap, const char *name);
uint64_t imap_append_limit(const struct imap *imap); /* octets; 0 = none announced */
bool imap_utf8(const struct imap *imap); /* names are UTF-8 (UTF8=ACCEPT enabled) */
/* enabled, and it worked */
bool imap_qresync(const struct imap *imap), imap_condstore(const struct imap *imap);
/* A feature that was announced and refused (BAD): not used again on this session. Says so once in the log. */
void imap_give_up(struct imap *imap, enum imap_cap cap);
struct wire *imap_wire(struct imap *imap);
const struct imap_quirk *imap_quirk(const struct imap *imap); /* imap_quirks.h; never NULL */
/* octets a command line may have (quirks: 1,000 … 64 K; 8,000 if not known) */
size_t imap_line_max(const struct imap *imap);

/* The selected mailbox as far as the server said. name NULL = none. */
struct imap_selected {
	char *name; /* server form */
	bool read_only;
	bool counted; /* EXISTS came */
	uint32_t exists, uidvalidity, uidnext;
	uint64_t highestmodseq; /* 0 = NOMODSEQ or not offered */
	/* names between blanks; NULL = not sent (then all flags are permanent, RFC 3501 §7.1) */
	char *permanent_flags;
	bool any_keyword; /* \* among them */
	char *mailboxid; /* OBJECTID, or NULL */
	bool uid_not_sticky;
};
const struct imap_selected *imap_selected(const struct imap *imap);

/*
 * Queues a command and returns its tag (> 0), or 0 with err. It leaves with what is queued next to it when something is waited for, or by
 * imap_ready() or wire_push(imap_wire()): commands submitted together travel together. Nothing is waited for, unless the command holds a literal and the server offers
 * neither LITERAL+ nor a fitting LITERAL-: then nothing else may be in flight (ERR_LOCAL otherwise).
 */
/* releases the command */
uint32_t imap_submit(struct imap *imap, struct imap_command *command, struct err *err) MUST_CHECK;
uint32_t imap_sendf(struct imap *imap, struct err *err, const char *fmt, ...)
	MUST_FORMAT(3, 4) MUST_CHECK; /* our own words only */
/*
 * For imap_append: octets of a command that is written piece by piece. imap_tag_new() takes a tag without sending; imap_put() sends octets;
 * the tag counts as in flight from imap_tag_new() on, and an answer to it before imap_tag_sent() is an early refusal, not a violation.
 */
uint32_t imap_tag_new(struct imap *imap);
int imap_put(struct imap *imap, struct span bytes, struct err *err) MUST_CHECK;
void imap_tag_sent(struct imap *imap, uint32_t tag);
size_t imap_in_flight(const struct imap *imap);

/* The next event whatever it is: 1, or -1. BYE and end of stream are ERR_CONN with the server's words. The rest of a streamed literal not read is skipped. */
int imap_next(struct imap *imap, const struct imap_event **out, struct err *err) MUST_CHECK;
/* imap_next() would not wait, or only for the rest of one response */
bool imap_ready(struct imap *imap);
/* Octets of the streamed literal of the last FETCH event: 1 = a chunk, 0 = all read, -1. */
int imap_body_next(struct imap *imap, struct span *chunk_out, struct err *err) MUST_CHECK;
/*
 * 1 = an event that is no answer to `tag` (untagged, or another command's tagged line), 0 = tag was answered OK, -1 = it was answered NO or BAD
 * (imap_answer_err()), or the connection failed. A tag answered before is remembered.
 */
int imap_until(
	struct imap *imap, uint32_t tag, const struct imap_event **out, struct err *err) MUST_CHECK;
/* Drops all events until the tag is answered: 0 or -1 as above. */
int imap_finish(struct imap *imap, uint32_t tag, struct err *err) MUST_CHECK;
/* The response code of a command's answer, as long as the tag is remembered: IMAP_CODE_ALREADYEXISTS of a CREATE, IMAP_CODE_TRYCREATE … */
enum imap_code_type imap_answer_code(const struct imap *imap, uint32_t tag);
/*
 * Makes an error of a NO, BAD or BYE by its response code and words (reliability: [THROTTLED], "Suggested Backoff Time: N milliseconds" …): scope
 * ERR_MAILBOX unless the code says more (ERR_CONN for BYE, ERR_ACCOUNT for AUTHENTICATIONFAILED…), kind QUOTA, BUSY, UNSUPPORTED (BAD, CANNOT). -1.
 */
int imap_answer_err(const struct imap_event *event, struct err *err);

/* Linear helpers: send, wait, 0/-1. */
int imap_select(struct imap *imap, const char *server_name, bool read_only,
	struct err *err) MUST_CHECK; /* with (CONDSTORE) where offered */
/* UNSELECT, else nothing: never CLOSE */
int imap_unselect(struct imap *imap, struct err *err) MUST_CHECK;

#endif
