/* What a refusal means: how far it reaches, whether waiting helps, and what a person can do about it. */
#include "imap/imap.h"

#include "base/err.h"

#define LOOK_MAX 2000 /* octets in which to look for words */
#define WORDS_MAX 400 /* octets of the server's words that are passed on */
#define WAIT_MAX (24u * 3600 * 1000) /* nobody is believed who asks for more than a day */

struct meaning {
	enum err_scope scope;
	enum err_kind kind;
	enum err_retry retry;
	const char *hint; /* what helps, or NULL */
};

/* By response code: RFC 5530, RFC 3501 §7.1, and what servers add. What is missing here reaches as far as the mailbox and is final. */
static const struct code_rule {
	enum imap_code_type code;
	struct meaning meaning;
} code_rules[] = {
	{ IMAP_CODE_AUTHENTICATIONFAILED, { ERR_ACCOUNT, ERR_KIND_AUTH, ERR_RETRY_NEVER, NULL } },
	{ IMAP_CODE_AUTHORIZATIONFAILED, { ERR_ACCOUNT, ERR_KIND_AUTH, ERR_RETRY_NEVER,
						 "the administrator may not act for this user" } },
	{ IMAP_CODE_EXPIRED, { ERR_ACCOUNT, ERR_KIND_AUTH, ERR_RETRY_NEVER,
				     "the password or token is no longer valid: renew it" } },
	{ IMAP_CODE_PRIVACYREQUIRED, { ERR_ACCOUNT, ERR_KIND_TLS, ERR_RETRY_NEVER,
					     "use tls=implicit or tls=starttls" } },
	{ IMAP_CODE_UNAVAILABLE, { ERR_MAILBOX, ERR_KIND_BUSY, ERR_RETRY_AFTER, NULL } },
	{ IMAP_CODE_INUSE, { ERR_MAILBOX, ERR_KIND_BUSY, ERR_RETRY_AFTER,
				   "another program holds the mailbox" } },
	{ IMAP_CODE_THROTTLED, { ERR_MAILBOX, ERR_KIND_BUSY, ERR_RETRY_AFTER, NULL } },
	{ IMAP_CODE_LIMIT, { ERR_MAILBOX, ERR_KIND_OTHER, ERR_RETRY_AFTER, NULL } },
	{ IMAP_CODE_SERVERBUG, { ERR_MAILBOX, ERR_KIND_OTHER, ERR_RETRY_AFTER, NULL } },
	{ IMAP_CODE_CORRUPTION, { ERR_MAILBOX, ERR_KIND_OTHER, ERR_RETRY_AFTER,
					"the server's administrator has to repair this" } },
	{ IMAP_CODE_CONTACTADMIN, { ERR_MAILBOX, ERR_KIND_OTHER, ERR_RETRY_AFTER,
					  "the server's administrator has to look at this" } },
	{ IMAP_CODE_OVERQUOTA, { ERR_MAILBOX, ERR_KIND_QUOTA, ERR_RETRY_NEVER,
				       "make room there or have the quota raised" } },
	{ IMAP_CODE_TOOBIG, { ERR_MESSAGE, ERR_KIND_OTHER, ERR_RETRY_NEVER, NULL } },
	{ IMAP_CODE_UNKNOWN_CTE, { ERR_MESSAGE, ERR_KIND_OTHER, ERR_RETRY_NEVER, NULL } },
	{ IMAP_CODE_EXPUNGEISSUED, { ERR_MESSAGE, ERR_KIND_OTHER, ERR_RETRY_NOW, NULL } },
	{ IMAP_CODE_CANNOT, { ERR_MAILBOX, ERR_KIND_UNSUPPORTED, ERR_RETRY_NEVER, NULL } },
	{ IMAP_CODE_USEATTR, { ERR_MAILBOX, ERR_KIND_UNSUPPORTED, ERR_RETRY_NEVER, NULL } },
	{ IMAP_CODE_BADCHARSET, { ERR_MAILBOX, ERR_KIND_UNSUPPORTED, ERR_RETRY_NEVER, NULL } },
	{ IMAP_CODE_CLIENTBUG, { ERR_MAILBOX, ERR_KIND_UNSUPPORTED, ERR_RETRY_NEVER, NULL } },
	{ IMAP_CODE_NOPERM, { ERR_MAILBOX, ERR_KIND_OTHER, ERR_RETRY_NEVER,
				    "this user may not do that there" } },
	{ IMAP_CODE_REFERRAL, { ERR_MAILBOX, ERR_KIND_OTHER, ERR_RETRY_NEVER,
				      "referrals are not followed: name that server yourself" } },
};

#define CONNECTED_HINT                                                                         \
	"Exchange says so when the token has the wrong scope, the account has no licence for " \
	"IMAP, a shared mailbox "                                                              \
	"is not named in the right form, or the server is overloaded"

/* By words, any case, for the many servers that send no code or a misleading one. They win over the code; the first that fits. */
static const struct word_rule {
	const char *words;
	struct meaning meaning;
} word_rules[] = {
	{ "authenticated but not connected",
		{ ERR_CONN, ERR_KIND_BUSY, ERR_RETRY_AFTER, CONNECTED_HINT } },
	{ "too many simultaneous connections",
		{ ERR_CONN, ERR_KIND_BUSY, ERR_RETRY_AFTER, "lower connections=N" } },
	{ "too many connections",
		{ ERR_CONN, ERR_KIND_BUSY, ERR_RETRY_AFTER, "lower connections=N" } },
	{ "too many concurrent",
		{ ERR_CONN, ERR_KIND_BUSY, ERR_RETRY_AFTER, "lower connections=N" } },
	{ "maximum number of connections", { ERR_CONN, ERR_KIND_BUSY, ERR_RETRY_AFTER,
						   "lower connections=N" } }, /* Dovecot, Courier */
	{ "connection limit", { ERR_CONN, ERR_KIND_BUSY, ERR_RETRY_AFTER, "lower connections=N" } },
	{ "throttled", { ERR_MAILBOX, ERR_KIND_BUSY, ERR_RETRY_AFTER, NULL } },
	{ "backoff time", { ERR_MAILBOX, ERR_KIND_BUSY, ERR_RETRY_AFTER, NULL } },
	{ "bandwidth limit", { ERR_MAILBOX, ERR_KIND_BUSY, ERR_RETRY_AFTER,
				     NULL } }, /* Gmail, with [OVERQUOTA] */
	{ "rate limit",
		{ ERR_MAILBOX, ERR_KIND_BUSY, ERR_RETRY_AFTER, NULL } }, /* Yahoo, with [LIMIT] */
	{ "too many requests", { ERR_MAILBOX, ERR_KIND_BUSY, ERR_RETRY_AFTER, NULL } },
	{ "try again later", { ERR_MAILBOX, ERR_KIND_BUSY, ERR_RETRY_AFTER, NULL } },
	{ "try again in", { ERR_MAILBOX, ERR_KIND_BUSY, ERR_RETRY_AFTER, NULL } },
	{ "error in imap command", { ERR_MAILBOX, ERR_KIND_UNSUPPORTED, ERR_RETRY_NEVER,
					   NULL } }, /* Courier, with NO */
	{ "server busy", { ERR_MAILBOX, ERR_KIND_BUSY, ERR_RETRY_AFTER, NULL } },
	{ "unsafe login", { ERR_ACCOUNT, ERR_KIND_AUTH, ERR_RETRY_NEVER,
				  "allow this program in the provider's settings" } }, /* 163 */
	{ "application-specific password",
		{ ERR_ACCOUNT, ERR_KIND_AUTH, ERR_RETRY_NEVER,
			"make an app password in the provider's settings, or use a token" } },
	{ "app password",
		{ ERR_ACCOUNT, ERR_KIND_AUTH, ERR_RETRY_NEVER,
			"make an app password in the provider's settings, or use a token" } },
	{ "web login required", { ERR_ACCOUNT, ERR_KIND_AUTH, ERR_RETRY_NEVER,
					"log in with a browser once, then again here" } },
	{ "message too large", { ERR_MESSAGE, ERR_KIND_OTHER, ERR_RETRY_NEVER, NULL } },
	{ "message size", { ERR_MESSAGE, ERR_KIND_OTHER, ERR_RETRY_NEVER, NULL } },
	{ "maximum size", { ERR_MESSAGE, ERR_KIND_OTHER, ERR_RETRY_NEVER, NULL } },
	{ "quota exceeded", { ERR_MAILBOX, ERR_KIND_QUOTA, ERR_RETRY_NEVER,
				    "make room there or have the quota raised" } },
	{ "over quota", { ERR_MAILBOX, ERR_KIND_QUOTA, ERR_RETRY_NEVER,
				"make room there or have the quota raised" } },
	{ "mailbox full", { ERR_MAILBOX, ERR_KIND_QUOTA, ERR_RETRY_NEVER,
				  "make room there or have the quota raised" } },
	{ "mailbox is full", { ERR_MAILBOX, ERR_KIND_QUOTA, ERR_RETRY_NEVER,
				     "make room there or have the quota raised" } },
};

/* The text from behind the words on; data NULL when they are not in it. */
static struct span text_after(struct span text, struct span words)
{
	for (size_t at = 0; at + words.len <= text.len; at++)
		if (span_starts_nocase(span_from(text, at), words))
			return span_from(text, at + words.len);
	return (struct span){ 0 };
}

/* "12 minutes" → milliseconds; 0 when there is no number in front. */
static uint32_t wait_parse(struct span text)
{
	static const struct {
		const char *name;
		uint32_t ms;
	} units[] = { { "ms", 1 }, { "milli", 1 }, { "m", 60000 }, { "h", 3600000 } };
	uint64_t number = 0, ms = 1000;

	while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == ':'))
		text = span_from(text, 1);
	while (text.len > 0 && text.data[0] >= '0' && text.data[0] <= '9' && number < WAIT_MAX) {
		number = number * 10 + (uint64_t)(text.data[0] - '0');
		text = span_from(text, 1);
	}
	text = span_trim(text);
	for (size_t i = 0; i < countof(units); i++) {
		if (!span_starts_nocase(text, span_of(units[i].name)))
			continue;
		ms = units[i].ms;
		break;
	}
	return number * ms < WAIT_MAX ? (uint32_t)(number * ms) : WAIT_MAX;
}

/* "Suggested Backoff Time: 299997 milliseconds", "try again in 30 seconds". 0 = none named. */
static uint32_t wait_find(struct span text)
{
	static const char *const leads[] = { "backoff time", "again in", "again after", "retry in",
		"retry after", "please wait" };

	for (size_t i = 0; i < countof(leads); i++) {
		const struct span rest = text_after(text, span_of(leads[i]));
		const uint32_t wait_ms = rest.data ? wait_parse(rest) : 0;
		if (wait_ms > 0)
			return wait_ms;
	}
	return 0;
}

static const struct meaning *code_meaning(enum imap_code_type code)
{
	for (size_t i = 0; i < countof(code_rules); i++)
		if (code_rules[i].code == code)
			return &code_rules[i].meaning;
	return NULL;
}

static struct meaning event_meaning(const struct imap_event *event)
{
	const struct span text = span_sub(event->text, 0, LOOK_MAX);
	const struct meaning *code = code_meaning(event->code.type);
	/* "[AUTHENTICATIONFAILED] Please try again": not with the same password, or the account gets locked. */
	const bool final = code && code->scope == ERR_ACCOUNT;

	for (size_t i = 0; i < countof(word_rules); i++) {
		if (final && word_rules[i].meaning.kind != ERR_KIND_AUTH)
			continue;
		if (text_after(text, span_of(word_rules[i].words)).data)
			return word_rules[i].meaning;
	}
	if (code)
		return *code;
	if (event->status == IMAP_BAD)
		return (struct meaning){ ERR_MAILBOX, ERR_KIND_UNSUPPORTED, ERR_RETRY_NEVER, NULL };
	return (struct meaning){ ERR_MAILBOX, ERR_KIND_OTHER, ERR_RETRY_NEVER, NULL };
}

static const char *status_name(enum imap_status status)
{
	switch (status) {
	case IMAP_OK:
		return "OK";
	case IMAP_NO:
		return "NO";
	case IMAP_BAD:
		return "BAD";
	case IMAP_BYE:
		return "BYE";
	case IMAP_PREAUTH:
		return "PREAUTH";
	}
	return "?";
}

/* What it says to people, short enough for a hint behind it, without the full stop. */
static struct span event_words(const struct imap_event *event)
{
	const struct span text = span_sub(span_trim(event->text), 0, WORDS_MAX);

	return span_ends(text, SPAN(".")) ? span_sub(text, 0, text.len - 1) : text;
}

int imap_answer_err(const struct imap_event *event, struct err *err)
{
	struct meaning meaning = event_meaning(event);
	const struct span code = span_sub(event->code.name, 0, 40), text = event_words(event);
	const bool has_code = event->code.type != IMAP_CODE_NONE && code.len > 0;

	if (event->status == IMAP_BYE) {
		/* This connection is lost whatever the words. */
		if (meaning.scope < ERR_CONN)
			meaning.scope = ERR_CONN;
		if (meaning.retry == ERR_RETRY_NEVER && meaning.scope == ERR_CONN)
			meaning.retry = ERR_RETRY_NOW;
	}
	err_set_kind(err, meaning.scope, meaning.kind, "the server says %s%s%.*s%s%s%.*s%s%s",
		status_name(event->status), has_code ? " [" : "", has_code ? (int)code.len : 0,
		has_code ? code.data : "", has_code ? "]" : "",
		text.len > 0 ? " " : " and no reason", (int)text.len, text.len > 0 ? text.data : "",
		meaning.hint ? ": " : "", meaning.hint ? meaning.hint : "");
	if (err) {
		err->retry = meaning.retry;
		if (meaning.retry == ERR_RETRY_AFTER)
			err_retry_after(err, wait_find(span_sub(event->text, 0, LOOK_MAX)));
	}
	return -1;
}
