/*
 * What the session's own files share: imap.c (reading, tags, sending), imap_state.c (what responses say about the session) and
 * imap_login.c (the way in). Not for anybody else, but for tests.
 *
 * Owner: the session. Threads: one at a time.
 */
#ifndef IMAP_IMAP_PARTS_H
#define IMAP_IMAP_PARTS_H

#include "base/err.h"
#include "imap/imap.h"
#include "imap/imap_quirks.h"

enum imap_tag_state {
	IMAP_TAG_FREE,
	IMAP_TAG_UNSENT, /* taken, not all octets of the command are out */
	IMAP_TAG_SENT,
	IMAP_TAG_OK,
	IMAP_TAG_REFUSED, /* NO or BAD */
};

struct imap_tag {
	uint32_t number;
	enum imap_tag_state state;
	enum imap_code_type code; /* of its answer */
	struct err *err; /* of a refusal */
};

/* A ring by tag number. It grows rather than forget one in flight; finished ones are overwritten in time. */
struct imap_tags {
	struct imap_tag *slot;
	size_t room; /* a power of two */
	uint32_t last; /* number given out last */
	size_t in_flight, unsent;
};

struct imap {
	struct wire *wire;
	bool failed; /* sticky: fault says why */
	struct err fault;
	int64_t deadline; /* of a step of the login, against servers that drip; 0 = none */
	int64_t timeout_ms;

	/* reading */
	struct arena *arena; /* the event and a copy of its octets */
	struct imap_event event;
	struct imap_frame frame;
	uint64_t stream_left; /* octets of a streamed literal not yet consumed */
	size_t chunk; /* of these, handed out by imap_body_next() and still to be consumed */
	/* Against servers that drip: waited for the rest of this response, and what came meanwhile. */
	int64_t waited_ms;
	uint64_t waited_octets;
	unsigned
		chatter; /* against servers that flood: responses with nothing in them since a tagged one */
	uint64_t fetched; /* FETCH responses about messages since a tagged one */

	struct imap_tags tags;

	/* what the server said about itself (imap_state.c) */
	char *greeting; /* its text; NULL = none, or forgotten at STARTTLS */
	struct arena *about; /* id */
	struct imap_words id;
	struct arena *offer; /* capabilities */
	struct imap_words capabilities;
	bool told; /* capabilities were announced since imap_untold() */
	unsigned caps, given_up; /* enum imap_cap bits */
	uint64_t append_limit;
	char *disabled; /* names not to use */
	struct imap_quirk quirk;
	bool utf8, condstore, qresync; /* ENABLED */
	bool compressed;

	struct imap_selected selected; /* owns its strings */
};

/* Waits for more input, at most until the deadline: 0, or -1. */
int imap_wait(struct imap *imap, struct err *err) MUST_CHECK;
/* Takes over what a response says about the session. */
void imap_note(struct imap *imap, const struct imap_event *event);
void imap_note_greeting(struct imap *imap, struct span text);
void imap_disable(struct imap *imap, const char *names);
bool imap_is_disabled(const struct imap *imap, struct span name);
/* Drops all that a server (or somebody in between) said before TLS. */
void imap_forget(struct imap *imap);
void imap_selected_reset(struct imap *imap);

/* Was the tag answered with NO or BAD? (Else -1 of imap_finish() means that the connection failed.) */
bool imap_refused(const struct imap *imap, uint32_t tag);
/* No more to be sent or read; not even LOGOUT. Returns -1. */
int imap_abandon(struct imap *imap, const struct err *err);

/* From greeting to ready on a session that is connected (implicit TLS done): what imap_open() does after dialling. */
int imap_enter(struct imap *imap, const struct imap_options *options, struct imap_facts *facts,
	struct err *err) MUST_CHECK;

#endif
