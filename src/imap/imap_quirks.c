/* The table of servers, and how they are recognized. */
#include "imap/imap_quirks.h"

#include "base/must.h"
#include "base/text.h"
#include "imap/imap_response.h"

#define LINE_MAX_DEFAULT \
	8000 /* Cyrus's older releases take 8 K; nobody that matters and is not below takes less */

/* Settings, "Folder size limits": what a person may choose there. */
#define GMAIL_NEWEST                    \
	{                               \
		1000, 2000, 5000, 10000 \
	}

enum clue { BY_GREETING, BY_CAPABILITY, BY_ID };

/*
 * The first row that fits gives name and line length. Greetings as MailKit's ImapEngine recognizes them (DetectQuirksMode), capabilities likewise
 * (UpdateCapabilities). After STARTTLS the greeting counts no more, so the more common servers have a second clue.
 */
static const struct row {
	enum clue clue;
	const char *
		text; /* contained in the greeting or an ID value, or equal to a capability; any case */
	struct imap_quirk quirk;
} rows[] = {
	/* Yahoo and AOL cut or refuse lines above 1,000 octets, and show the newest 10,000 messages of a mailbox (MailKit and imapsync's Yahoo notes). */
	{ BY_CAPABILITY, "XYMHIGHESTMODSEQ", { "Yahoo", 1000, 0, { 10000 } } },
	/* imapsync's and mbsync's experience: commands above 16 K get BAD. */
	{ BY_CAPABILITY, "X-GM-EXT-1", { "Gmail", 16000, 0, GMAIL_NEWEST } },
	{ BY_GREETING, "Gimap ready", { "Gmail", 16000, 0, GMAIL_NEWEST } },
	/* iCloud's proxy rewrites what looks like a capability list in the stream, and stops once it has seen the answer to a CAPABILITY after
	 * the login: mbsync asks for that reason (drv_imap.c). */
	{ BY_CAPABILITY, "AUTH=ATOKEN",
		{ "iCloud", LINE_MAX_DEFAULT, IMAP_QUIRK_ASK_CAPABILITY, { 0 } } },
	{ BY_GREETING, "iSCREAM",
		{ "iCloud", LINE_MAX_DEFAULT, IMAP_QUIRK_ASK_CAPABILITY, { 0 } } },
	/* "BAD Command Error. 10" and "BAD Command Argument Error. 11" for lines beyond about 9,900 characters (imapsync FAQ.Exchange). */
	{ BY_GREETING, "Microsoft Exchange", { "Exchange", 9800, 0, { 0 } } },
	/* An atom may have 16 K in Courier, and a set is one. EXAMINE of a mailbox that was never selected makes up a UIDVALIDITY and forgets
	 * it (seen with 5.x: another one at each EXAMINE, until the first SELECT). A name with an emoji, made under UTF8=ACCEPT, makes it die at LIST of
	 * whoever has not enabled that. */
	{ BY_GREETING, "Courier-IMAP",
		{ "Courier", 16000, IMAP_QUIRK_SELECT_ONLY | IMAP_QUIRK_FRAGILE_NAMES, { 0 } } },
	{ BY_CAPABILITY, "ACL2=UNION",
		{ "Courier", 16000, IMAP_QUIRK_SELECT_ONLY | IMAP_QUIRK_FRAGILE_NAMES, { 0 } } },
	/* imap_max_line_length is 64 K by default; beyond it Dovecot answers BAD and closes. */
	{ BY_GREETING, "Dovecot", { "Dovecot", 60000, 0, { 0 } } },
	{ BY_ID, "Dovecot", { "Dovecot", 60000, 0, { 0 } } },
	{ BY_GREETING, " Cyrus IMAP ", { "Cyrus", LINE_MAX_DEFAULT, 0, { 0 } } },
	{ BY_ID, "Cyrus IMAP", { "Cyrus", LINE_MAX_DEFAULT, 0, { 0 } } },
	/* c-client's servers read commands into a fixed buffer (RFC 2683 §3.2.1.5 asks clients to stay below 1,000 because of them). */
	{ BY_GREETING, " IMAP4rev1 200", { "UW", 1000, 0, { 0 } } },
	{ BY_GREETING, "Panda IMAP", { "Panda", 1000, 0, { 0 } } },
};

static bool span_contains(struct span hay, struct span needle)
{
	for (size_t at = 0; at + needle.len <= hay.len; at++)
		if (span_starts_nocase(span_from(hay, at), needle))
			return true;
	return false;
}

static bool row_fits(const struct row *row, struct span greeting,
	const struct imap_words *capabilities, const struct imap_words *id)
{
	const struct span text = span_of(row->text);

	switch (row->clue) {
	case BY_GREETING:
		return span_contains(greeting, text);
	case BY_CAPABILITY:
		for (size_t i = 0; i < capabilities->count; i++)
			if (span_equal_nocase(capabilities->word[i], text))
				return true;
		return false;
	case BY_ID:
		for (size_t i = 1; i < id->count; i += 2)
			if (span_contains(id->word[i], text))
				return true;
		return false;
	}
	return false;
}

struct imap_quirk imap_quirk_find(
	struct span greeting, const struct imap_words *capabilities, const struct imap_words *id)
{
	for (size_t i = 0; i < countof(rows); i++)
		if (row_fits(&rows[i], greeting, capabilities, id))
			return rows[i].quirk;
	return (struct imap_quirk){ .line_max = LINE_MAX_DEFAULT };
}

bool imap_quirk_shows_part(const struct imap_quirk *quirk, uint32_t exists)
{
	for (size_t i = 0; i < countof(quirk->newest); i++)
		if (exists > 0 && quirk->newest[i] == exists)
			return true;
	return false;
}
