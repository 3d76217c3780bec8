/*
 * The text of a LOCATION taken apart (product §1): URLs of servers, paths of file formats, names of the configuration. Nothing is
 * looked up and no file is touched.
 *
 * Owner: the caller; texts are in the arena, the password is location_release()'s. Threads: any.
 *
 *	if (location_parse("imaps://anna%40x@old.example/INBOX?timeout=2m", NULL, arena, &location, err) < 0)
 *		return -1;
 *	location.values.value[ACCOUNT_USER];          // "anna@x"
 */
#ifndef STORE_LOCATION_H
#define STORE_LOCATION_H

#include "store/account.h"

#define LOCATION_MAX 8192 /* octets of a location */

enum location_kind { LOCATION_IMAP, LOCATION_POP3, LOCATION_FILE, LOCATION_NAME };

struct location {
	enum location_kind kind;
	const char *scheme; /* "imap", "pop3", "maildir", …; NULL for a name */
	bool implicit_tls; /* imaps, pop3s */
	const char *name; /* LOCATION_NAME: the account */
	const char *path; /* LOCATION_FILE: as written, "~/" expanded */
	const char *mailbox; /* display name, or NULL */
	struct secret *password; /* or NULL */
	struct account_values values; /* user, host, port and the query, each checked */
};

/*
 * user is what %u stands for (NULL: %u is refused); it goes in percent-encoded, so that it cannot change the structure. -1: ERR_LOCAL kind
 * USAGE, and the text quotes nothing that may be part of a password. Follows RFC 3986 §3 and RFC 5092 §3; the path of a file location and the mailbox
 * behind a name are taken as they stand, and their query begins at the last '?' if a '=' follows it (a '?' at the very end is dropped).
 */
int location_parse(const char *text, const char *user, struct arena *arena, struct location *out,
	struct err *err) MUST_CHECK;
void location_release(struct location *location);
/* Is this a URL with a password in it? Then where in the text; also finds one that is not encoded as it should be. */
bool location_find_password(struct span text, size_t *at_out, size_t *len_out);
/* A host name or address, brackets removed, lower case: NULL with an error if it is none. */
const char *location_host(struct span text, struct arena *arena, struct err *err);
/* Puts user in place of each %u of a path or a plain value; '/' is encoded. NULL with an error. */
const char *location_put_user(
	const char *text, const char *user, bool path, struct arena *arena, struct err *err);

#endif
