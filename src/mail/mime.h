/*
 * Encoded words in headers (RFC 2047), by GMime.
 *
 * GMime and GLib cost more memory than a whole run over IMAP with nothing to do: they are loaded at the first use, and stay (mime_library.h).
 *
 * Owner: none; results are in the arena given. Threads: any.
 *
 *	subject = mime_decode(header_field(header, SPAN("Subject"), arena), arena);
 */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

struct arena;

/* The text of a field with its encoded words decoded; as it is where GMime is not installed. Not yet safe on a terminal. */
char *mime_decode(const char *text, struct arena *arena);

#endif
