/*
 * File names of a Maildir: unique names, sizes and flags in them, and the names of folders.
 *
 * A message is `UNIQUE[,S=size][,W=size as IMAP counts]…[:2,LETTERS]`; D, F, P, R, S, T are flags, a to z keywords by number (Dovecot's `dovecot-keywords`). A folder is `.A.B` below
 * the root (Maildir++) or a directory of its own in the one above (`fs`), each level in modified UTF-7, or in UTF-8 where a tree has such names already.
 *
 * Folder names, display → path: what a server with the delimiter '.' or '/' would call it (mailbox_name.h), and then, as its escapes are, %2F for a '/' in a level (Maildir++),
 * and with fs the first octet of a level that could be taken for something else: "cur", "new", "tmp", and those that begin with a dot. Reversible.
 *
 * Owner: the caller; spans point into the name given. Threads: any. Pure.
 *
 *	if (maildir_name_parse(span_of(entry->d_name), &name))
 *		maildir_name_print(&name, name.flags | MAILDIR_SEEN, name.keywords, &out);
 */
#ifndef MAIL_MAILDIR_NAME_H
#define MAIL_MAILDIR_NAME_H

#include "base/must.h"
#include "base/span.h"

struct arena;
struct buf;
struct err;

enum maildir_flag { /* in the order of the letters */
	MAILDIR_DRAFT = 1,
	MAILDIR_FLAGGED = 2,
	MAILDIR_PASSED = 4,
	MAILDIR_REPLIED = 8,
	MAILDIR_SEEN = 16,
	MAILDIR_TRASHED = 32,
};

#define MAILDIR_KEYWORDS 26
#define MAILDIR_SIZE_UNKNOWN UINT64_MAX

struct maildir_name {
	struct span base; /* all before ":2,": what stays when flags change */
	/* of it, what stays when other programs put sizes or numbers of their own behind it: without ",S=", ",W=", ",U=" and what follows */
	struct span unique;
	struct span info; /* behind ":2," */
	unsigned flags; /* enum maildir_flag */
	uint32_t keywords; /* bit 0 = a */
	uint64_t size, mail_size; /* S=, W= */
	uint64_t seconds, micros; /* when it was delivered, as the name says; 0 = it does not */
};

/* False: no message (empty, or it begins with a dot). */
bool maildir_name_parse(struct span file, struct maildir_name *out);
/* The same message with these flags; letters that mean nothing to us stay. -1 at the buffer's cap. */
int maildir_name_print(const struct maildir_name *name, unsigned flags, uint32_t keywords,
	struct buf *out) MUST_CHECK;
/* By delivery: seconds, microseconds, then octets. */
int maildir_name_compare(const struct maildir_name *a, const struct maildir_name *b);

struct maildir_unique {
	int64_t seconds;
	uint32_t micros, pid, counter;
	uint64_t random;
	const char *host;
};

/* A new unique name: no '/' or ':' of the host in it, at most 200 octets. */
void maildir_unique_print(const struct maildir_unique *unique, char out[256]);
/* Was it made by maildir_unique_print()? */
bool maildir_unique_ours(struct span name);

enum maildir_layout { MAILDIR_PLUSPLUS, MAILDIR_FS };

struct maildir_style {
	enum maildir_layout layout;
	bool utf8;
};

/* The path below the root; not for INBOX. *changed_out: something had to be escaped. -1: ERR_MAILBOX, the name cannot be one. */
int maildir_folder_path(const struct maildir_style *style, const char *display, struct arena *arena,
	char **path_out, bool *changed_out, struct err *err) MUST_CHECK;
/* Its display name; path as maildir_folder_path() gives it. Never fails. */
char *maildir_folder_display(
	const struct maildir_style *style, struct span path, struct arena *arena);

#endif
