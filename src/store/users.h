/*
 * The file of --users: one user a line. Pure but for reading the file.
 *
 * escaped (the usual layout): 1, 2 or 4 fields between colons, and behind 2 or 4 of them a field of options.
 *
 *	anna                                     the same name on both sides; the secret is configured, or not needed
 *	anna:secret                              the same name and secret on both sides; for commands with one location, of that one
 *	anna:secret:anna@new.example:@/run/new   source user, source secret, destination user, destination secret
 *	bert::bert::src-admin=root root=Old      options: KEY=VALUE between blanks, up to the end of the line, colons and all
 *
 *	secret  = "" / "@" FILE / "!" COMMAND / "$" VARIABLE / text; behind "oauth2:" it is a token
 *	escapes = "\" before one of : \ # = @ ! $ and the blank; before anything else it is an error
 *	options = src-KEY dst-KEY (KEY for one location), source destination (location), map, root
 *
 * The layouts of older programs know no options and no kinds of secrets, but oauth2:TOKEN in `migrate`:
 *
 *	migrate   srcuser:srcsecret:dstuser:dstsecret      "\:" and "\\" are escapes, other backslashes are themselves
 *	single    user:secret, user|secret, user           likewise; the secret is the rest of the line
 *	blank     user secret, user:secret, user           the secret is the rest of the line
 *	pop3      popuser popsecret imapuser imapsecret    any run of blanks between them
 *	maildir   path,imapuser,secret                     the secret is the rest of the line
 *
 * In all of them: UTF-8 with or without a byte order mark, lines end in LF or CRLF, blanks around a line don't count, '#' begins a comment at the start of a
 * line only. No error text quotes the file: a field out of place may be a secret.
 *
 * The file is held once, in memory as of a secret, and taken apart again for each user's turn: a user costs his line and 16 octets.
 *
 * Owner: the command. Lifetime: the run. Threads: any, immutable; a struct user is its caller's.
 *
 *	users = users_read(path, USERS_ESCAPED, true, err);
 *	for (size_t i = 0; i < users_count(users); i++) {
 *		users_get(users, i, arena, &user);
 *		…
 *		user_release(&user);
 *	}
 */
#ifndef STORE_USERS_H
#define STORE_USERS_H

#include "store/account.h"

struct arena;
struct err;
struct secret;
struct users;

enum users_format {
	USERS_ESCAPED,
	USERS_MIGRATE,
	USERS_SINGLE,
	USERS_BLANK,
	USERS_POP3,
	USERS_MAILDIR,
};
#define USERS_FORMATS "escaped|migrate|single|blank|pop3|maildir" /* in this order */

#define USERS_LINE_MAX 65536 /* octets */
#define USERS_MAX 1000000

struct user_side {
	const char *user; /* NULL: the line names none for this side */
	const char *location; /* the line's own, or NULL */
	struct account_values values; /* keys; @file, !command and $VARIABLE are among them */
	struct secret *secret; /* as it stands in the line, or NULL */
	bool token; /* the secret is one */
};

struct user {
	size_t line;
	const char *name; /* for people, harmless: "anna", or "anna -> bert" */
	struct user_side side[2]; /* source and destination; one location: the first */
	const char *map_file, *root; /* the line's own, or NULL */
};

/*
 * two_sided: the command has a source and a destination. Every line is checked. NULL: ERR_LOCAL kind USAGE, "FILE:LINE: …". A file with secrets, commands
 * or locations in it must be ours alone (path_read_secret).
 */
struct users *users_read(
	const char *path, enum users_format format, bool two_sided, struct err *err);
struct users *users_parse(const char *path, struct span text, enum users_format format,
	bool two_sided, struct err *err); /* path: for errors */
void users_free(struct users *users); /* accepts NULL */
size_t users_count(const struct users *users); /* 1 and more */
bool users_guarded(const struct users *users); /* holds what nobody else may read or write */
/* The user of this index; texts are in the arena. user_release() wipes the secrets. */
void users_get(const struct users *users, size_t index, struct arena *arena, struct user *out);
void user_release(struct user *user);

#endif
