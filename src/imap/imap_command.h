/*
 * One command as bytes: typed arguments in, octets out, so that nothing from a server, a file or a user can break out of its
 * argument (RFC 3501 §9 astring, quoted, literal). Pure.
 *
 * Owner: the caller (embed it). Lifetime: until imap_command_release(). Threads: one at a time.
 *
 *	struct imap_command command;
 *	imap_command_init(&command, "SELECT");
 *	imap_command_mailbox(&command, name);
 *	tag = imap_submit(imap, &command, err);     // and releases it
 */
#ifndef IMAP_IMAP_COMMAND_H
#define IMAP_IMAP_COMMAND_H

#include "base/buf.h"
#include "base/must.h"
#include "base/span.h"
#include "mail/uidset.h"

#define IMAP_COMMAND_MAX (1u << 20)
#define IMAP_COMMAND_LITERALS 8

struct imap_command {
	struct buf bytes; /* without tag and final CRLF; literals written as "{n}CRLF" + octets */
	/* Where the '}' of each stands: there the session adds '+', or waits. */
	size_t literal[IMAP_COMMAND_LITERALS];
	size_t literal_size[IMAP_COMMAND_LITERALS];
	size_t literals;
	bool secret; /* traced as *** */
	bool broken; /* an argument could not be written: imap_submit() fails with ERR_MESSAGE */
};

/* verb: "UID FETCH", sent as it is. */
void imap_command_init(struct imap_command *command, const char *verb);
void imap_command_release(struct imap_command *command); /* wipes a secret one */
/* Our own words, after a blank; "" adds nothing. A CR, LF or NUL in them breaks the command. */
void imap_command_raw(struct imap_command *command, const char *text);
void imap_command_print(struct imap_command *command, const char *fmt, ...) MUST_FORMAT(2, 3);
/* astring: an atom, quoted, or a literal for 8-bit, CR or LF; a NUL breaks the command (RFC 3501 §9 CHAR8). */
void imap_command_string(struct imap_command *command, struct span text);
/*
 * The server form of a mailbox name: always quoted, UTF-8 in it as it is (RFC 6855 §3 needs UTF8=ACCEPT, mutf-7 is ASCII anyway); a literal
 * only for one with CR or LF.
 */
void imap_command_mailbox(struct imap_command *command, const char *server_name);
/* The whole set; see uidset_print() for cutting. An empty one breaks the command. */
void imap_command_set(struct imap_command *command, const struct uidset *set);
/* "(\Seen $Work)": names that no flag can have are left out (RFC 3501 §9 flag). */
void imap_command_flags(struct imap_command *command, const char *names);
bool imap_is_atom(struct span text);

#endif
