/*
 * Servers that deviate from the RFCs in ways that no capability tells. Only line lengths and the like go by brand;
 * whether a feature works is found out by using it (imap_give_up()).
 *
 * Owner: none, constant. Threads: any.
 *
 *	const struct imap_quirk quirk = imap_quirk_find(greeting, &capabilities, &id);
 *	if (quirk.flags & IMAP_QUIRK_SELECT_ONLY) …
 */
#ifndef IMAP_IMAP_QUIRKS_H
#define IMAP_IMAP_QUIRKS_H

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

struct imap_words;

enum imap_quirk_flag {
	IMAP_QUIRK_ASK_CAPABILITY = 1, /* ask again after the login, even if its OK told */
	IMAP_QUIRK_FRAGILE_NAMES = 4, /* names made under UTF8=ACCEPT break it for other clients */
	IMAP_QUIRK_SELECT_ONLY = 2, /* EXAMINE is useless: open with SELECT and change nothing */
};

struct imap_quirk {
	const char *server; /* "Dovecot"; NULL = not recognized */
	size_t line_max; /* octets that a command line may have */
	unsigned flags; /* enum imap_quirk_flag bits */
	/* of a mailbox that holds more, only the newest messages are shown: so many, or one of these numbers; 0 = none */
	uint32_t newest[4];
};

/* What is known of a server by its greeting's text, its capabilities and the words of its ID (each may be empty). */
struct imap_quirk imap_quirk_find(
	struct span greeting, const struct imap_words *capabilities, const struct imap_words *id);

/* A mailbox with so many messages may hold older ones that are not shown. */
bool imap_quirk_shows_part(const struct imap_quirk *quirk, uint32_t exists);

#endif
