/*
 * One server response as a typed event: bytes -> values. Pure and incremental: nothing here reads or waits. Grammar: RFC 3501 §9,
 * RFC 9051 §9 and the extensions; tolerant of what servers really send, strict about sizes and nesting.
 *
 * A response is parsed from one contiguous piece of the read buffer. Literals of a FETCH that are longer than IMAP_INLINE_MAX are not
 * waited for: the event ends in front of them (fetch.stream is set), the session hands out their octets, and what
 * follows comes as a further FETCH event with fetch.continued set. So a message of any size needs no memory.
 *
 * Owner: event data lies in the input and in the arena given. Lifetime: until either is touched. Threads: one at a time.
 *
 *	rc = imap_response_frame(&frame, wire_peek(wire), err);    // 1: frame.size octets are one response (or its part)
 *	rc = imap_response_parse(span_sub(input, 0, frame.size), &frame, arena, &event, err);
 */
#ifndef IMAP_IMAP_RESPONSE_H
#define IMAP_IMAP_RESPONSE_H

#include "mail/uidset.h"
#include "base/must.h"
#include "base/span.h"

struct arena;
struct err;

#define IMAP_INLINE_MAX (16u << 10) /* octets of a body that is waited for and kept whole */
#define IMAP_STRING_MAX (64u << 10) /* octets of any other literal: more is an error */
#define IMAP_LINE_MAX (7u << 20) /* octets of one response without streamed literals */
#define IMAP_NESTING_MAX 64

enum imap_type {
	IMAP_TAGGED, /* tag, status, code, text */
	IMAP_STATUS_LINE, /* untagged OK, NO, BAD, BYE, PREAUTH: status, code, text */
	IMAP_CONTINUE, /* text: the challenge or whatever follows the plus */
	IMAP_CAPABILITY, /* words */
	IMAP_ENABLED, /* words */
	IMAP_LIST, /* list; LSUB too (list.lsub) */
	IMAP_STATUS, /* mailbox */
	IMAP_SEARCH, /* search: SEARCH and ESEARCH alike */
	IMAP_FLAGS, /* words */
	IMAP_EXISTS,
	IMAP_RECENT,
	IMAP_EXPUNGE, /* number */
	IMAP_VANISHED, /* search.set; search.earlier */
	IMAP_FETCH, /* fetch */
	IMAP_NAMESPACE,
	IMAP_ID, /* words: name, value, name, value… */
	IMAP_QUOTA,
	IMAP_QUOTAROOT, /* words: mailbox, root… */
	IMAP_UNKNOWN, /* text: the whole line; to be ignored */
};

enum imap_status { IMAP_OK, IMAP_NO, IMAP_BAD, IMAP_BYE, IMAP_PREAUTH };

/* Response codes that mean something to us (RFC 3501 §7.1, 5530, 4315, 7162, 8474, 9586…); anything else is IMAP_CODE_OTHER with its name. */
enum imap_code_type {
	IMAP_CODE_NONE,
	IMAP_CODE_OTHER,
	IMAP_CODE_ALERT,
	IMAP_CODE_ALREADYEXISTS,
	IMAP_CODE_APPENDUID, /* number = UIDVALIDITY, set_b = UIDs in order */
	IMAP_CODE_AUTHENTICATIONFAILED,
	IMAP_CODE_AUTHORIZATIONFAILED,
	IMAP_CODE_BADCHARSET,
	IMAP_CODE_CANNOT,
	IMAP_CODE_CAPABILITY, /* words */
	IMAP_CODE_CLIENTBUG,
	IMAP_CODE_CLOSED,
	IMAP_CODE_CONTACTADMIN,
	IMAP_CODE_COPYUID, /* number, set_a, set_b */
	IMAP_CODE_CORRUPTION,
	IMAP_CODE_EXPIRED,
	IMAP_CODE_EXPUNGEISSUED,
	IMAP_CODE_HASCHILDREN,
	IMAP_CODE_HIGHESTMODSEQ, /* modseq */
	IMAP_CODE_INPROGRESS,
	IMAP_CODE_INUSE,
	IMAP_CODE_LIMIT,
	IMAP_CODE_MAILBOXID, /* text */
	IMAP_CODE_MODIFIED, /* set_a */
	IMAP_CODE_NOMODSEQ,
	IMAP_CODE_NONEXISTENT,
	IMAP_CODE_NOPERM,
	IMAP_CODE_OVERQUOTA,
	IMAP_CODE_PERMANENTFLAGS, /* words */
	IMAP_CODE_PRIVACYREQUIRED,
	IMAP_CODE_READ_ONLY,
	IMAP_CODE_READ_WRITE,
	IMAP_CODE_REFERRAL,
	IMAP_CODE_SERVERBUG,
	IMAP_CODE_THROTTLED,
	IMAP_CODE_TOOBIG,
	IMAP_CODE_TRYCREATE,
	IMAP_CODE_UIDNEXT, /* number */
	IMAP_CODE_UIDNOTSTICKY,
	IMAP_CODE_UIDVALIDITY, /* number */
	IMAP_CODE_UNAVAILABLE,
	IMAP_CODE_UNKNOWN_CTE,
	IMAP_CODE_UNSEEN, /* number */
	IMAP_CODE_USEATTR,
};

struct imap_words { /* strings or atoms, decoded; NIL gives data NULL */
	struct span *word;
	size_t count;
};

struct imap_code {
	enum imap_code_type type;
	struct span name; /* as sent */
	struct span text; /* everything between the name and ']', trimmed */
	uint32_t number;
	uint64_t modseq;
	struct uidset set_a, set_b; /* in the order sent, never expanded */
	struct imap_words words;
};

struct imap_list {
	bool lsub;
	struct imap_words attributes; /* "\\HasChildren" … as sent */
	char delimiter; /* 0 = NIL */
	struct span name; /* server form */
	bool child_info_subscribed; /* CHILDINFO ("SUBSCRIBED"), RFC 5258 */
};

struct imap_mailbox_status { /* STATUS: what was not sent is 0 and its bit missing */
	struct span name;
	unsigned has; /* enum imap_status_item bits */
	uint32_t messages, recent, unseen, uidnext, uidvalidity, deleted;
	uint64_t highestmodseq, size, appendlimit;
	struct span mailboxid;
};

enum imap_status_item {
	IMAP_STATUS_MESSAGES = 1,
	IMAP_STATUS_RECENT = 2,
	IMAP_STATUS_UNSEEN = 4,
	IMAP_STATUS_UIDNEXT = 8,
	IMAP_STATUS_UIDVALIDITY = 16,
	IMAP_STATUS_HIGHESTMODSEQ = 32,
	IMAP_STATUS_SIZE = 64,
	IMAP_STATUS_MAILBOXID = 128,
	IMAP_STATUS_APPENDLIMIT = 256,
	IMAP_STATUS_DELETED = 512,
};

struct imap_search {
	struct uidset set;
	bool esearch, uid; /* ESEARCH; with the UID indicator */
	bool has_count, has_min, has_max;
	uint32_t count, min, max;
	uint64_t modseq;
	uint32_t tag; /* ESEARCH's correlator, 0 = none of ours */
	struct span
		mailbox; /* likewise, of the ESEARCH command (RFC 7377 §2.1); data NULL = not named */
	bool earlier; /* VANISHED (EARLIER) */
};

struct imap_section { /* BODY[…], BINARY[…], RFC822…, with what was asked for in brackets */
	struct span name; /* "" for BODY[] and RFC822; "HEADER", "HEADER.FIELDS (DATE FROM)", … */
	bool nil;
	struct span bytes; /* when not streamed */
};

enum imap_fetch_item {
	IMAP_FETCH_UID = 1,
	IMAP_FETCH_FLAGS = 2,
	IMAP_FETCH_DATE = 4,
	IMAP_FETCH_SIZE = 8,
	IMAP_FETCH_MODSEQ = 16,
	IMAP_FETCH_CONTENT_ID = 32,
	IMAP_FETCH_SECTION = 64,
};

enum imap_content_id { /* imap_content_id.h */
	IMAP_CONTENT_ID_NONE,
	IMAP_CONTENT_ID_DIGEST, /* DIGEST.SHA1, Cyrus */
	IMAP_CONTENT_ID_EMAILID, /* RFC 8474 */
	IMAP_CONTENT_ID_GUID, /* X-GUID, Dovecot */
	IMAP_CONTENT_ID_GMAIL, /* X-GM-MSGID: of one message, in whatever mailboxes */
};

struct imap_fetch_data {
	uint32_t seq, uid;
	unsigned has; /* enum imap_fetch_item bits */
	bool continued; /* the rest of the response whose literal was streamed */
	struct span flags; /* between the parentheses, blanks as sent */
	struct span date; /* as in the quotes */
	uint64_t size, modseq;
	struct span content_id;
	enum imap_content_id content_id_kind;
	struct imap_section section; /* the last one with bytes, or the one whose octets follow */
	bool stream; /* section's octets follow on the wire: stream_size of them */
	uint64_t stream_size;
};

struct imap_namespace { /* the first personal, other and shared one; data NULL = NIL */
	struct span personal, other, shared;
	char personal_delimiter, other_delimiter, shared_delimiter;
};

struct imap_quota {
	struct span root;
	struct {
		struct span name;
		uint64_t usage, limit;
	} item[8]; /* STORAGE is in units of 1024 octets */
	size_t count;
};

struct imap_event {
	enum imap_type type;
	uint32_t tag; /* IMAP_TAGGED: the number behind our tag letter; 0 = not one of ours */
	enum imap_status status;
	struct imap_code code;
	struct span text; /* for people: not harmless, see base/text.h */
	uint32_t number; /* EXISTS, RECENT, EXPUNGE */
	struct imap_words words;
	struct imap_list list;
	struct imap_mailbox_status mailbox;
	struct imap_search search;
	struct imap_fetch_data fetch;
	struct imap_namespace namespace_;
	struct imap_quota quota;
};

/* How far a response has been looked at: linear work however it is cut. All zero to begin. */
struct imap_frame {
	/* of the response, or of its part before a streamed literal, including the "{n}CRLF" */
	size_t size;
	bool stream; /* a streamed literal follows */
	uint64_t stream_size;
	bool continued; /* this part follows a streamed literal; set by the session */
	/* running state */
	size_t at;
	size_t line_start;
	uint64_t skip; /* octets of an inline literal still to pass */
	bool judged, fetch;
	bool text; /* words for people: neither quotes nor literals in it */
};

/* 1 = frame->size is known; 0 = more input is needed; -1 = ERR_CONN: a size, a line or nesting beyond the caps, or not IMAP at all. */
int imap_response_frame(struct imap_frame *frame, struct span input, struct err *err) MUST_CHECK;
/*
 * The event of one framed response. Syntax that cannot be understood gives IMAP_UNKNOWN for untagged data (never an error: the next response is
 * intact). ERR_CONN only where that would be dangerous: a tagged line, a FETCH whose body does not end where its literal does, a SEARCH some
 * of whose numbers would be lost. For a continued part pass frame->continued.
 */
int imap_response_parse(struct span input, const struct imap_frame *frame, struct arena *arena,
	struct imap_event *out, struct err *err) MUST_CHECK;

#endif
