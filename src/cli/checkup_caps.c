/* Which capabilities matter here, for what, and what is lost without them. */
#include "cli/checkup.h"

const struct checkup_cap checkup_caps[] = {
	{ "IMAP4rev1, IMAP4rev2", IMAP_CAP_REV1 | IMAP_CAP_REV2, "the protocol",
		"this server may not speak IMAP as RFC 3501 or RFC 9051 have it" },
	{ "LITERAL+, LITERAL-", IMAP_CAP_LITERAL_PLUS | IMAP_CAP_LITERAL_MINUS,
		"sends messages without waiting for leave",
		"copying to it waits one round trip for each message" },
	{ "MULTIAPPEND", IMAP_CAP_MULTIAPPEND, "stores many messages with one command",
		"copying to it takes one command for each message" },
	{ "UIDPLUS", IMAP_CAP_UIDPLUS, "tells the UIDs of stored messages, removes single messages",
		"stored messages are looked up afterwards; --delete-source needs --expunge-all or "
		"--no-expunge" },
	{ "CONDSTORE", IMAP_CAP_CONDSTORE, "tells which flags changed since the last run",
		"each run reads the flags of all messages" },
	{ "QRESYNC", IMAP_CAP_QRESYNC, "tells which messages went since the last run",
		"each run reads the UIDs of mailboxes whose number of messages changed" },
	{ "LIST-STATUS", IMAP_CAP_LIST_STATUS, "counts all mailboxes in one round trip",
		"each run asks for every mailbox by itself" },
	{ "LIST-EXTENDED", IMAP_CAP_LIST_EXTENDED, "lists subscriptions together with mailboxes",
		NULL },
	{ "STATUS=SIZE", IMAP_CAP_STATUS_SIZE, "tells the size of a mailbox",
		"list --stats reads the size of every message" },
	{ "ESEARCH", IMAP_CAP_ESEARCH, "answers searches in short form", NULL },
	{ "SPECIAL-USE, XLIST", IMAP_CAP_SPECIAL_USE | IMAP_CAP_XLIST,
		"tells which mailbox is for sent mail, trash…",
		"--automap goes by the names of mailboxes alone" },
	{ "CREATE-SPECIAL-USE", IMAP_CAP_CREATE_SPECIAL_USE, "creates mailboxes for a special use",
		NULL },
	{ "NAMESPACE", IMAP_CAP_NAMESPACE, "tells prefix and delimiter of mailbox names", NULL },
	{ "OBJECTID", IMAP_CAP_OBJECTID, "recognizes mailboxes that were renamed or made anew",
		NULL },
	{ "COMPRESS=DEFLATE", IMAP_CAP_COMPRESS, "compresses what is read of many messages",
		"slow lines carry more octets" },
	{ "UTF8=ACCEPT", IMAP_CAP_UTF8_ACCEPT, "takes mailbox names and headers in UTF-8", NULL },
	{ "APPENDLIMIT", IMAP_CAP_APPENDLIMIT, "tells the largest message it takes",
		"messages too large are only refused once they were sent" },
	{ "INPROGRESS", IMAP_CAP_INPROGRESS, "shows life during long operations", NULL },
	{ "QUOTA", IMAP_CAP_QUOTA, "tells how full the account is", NULL },
	{ "ID", IMAP_CAP_ID, "tells which server this is", NULL },
	{ "ENABLE", IMAP_CAP_ENABLE, "switches extensions on", NULL },
	{ "UNSELECT", IMAP_CAP_UNSELECT, "closes mailboxes without expunging", NULL },
	{ "SASL-IR", IMAP_CAP_SASL_IR, "saves a round trip at login", NULL },
};
const size_t checkup_cap_count = countof(checkup_caps);

bool checkup_has(const struct checkup *checkup, const struct checkup_cap *cap)
{
	const struct imap *imap = store_imap_session(checkup->store);

	for (unsigned left = cap->caps; left != 0; left &= left - 1)
		if (imap_has(imap, (enum imap_cap)(left & -left)))
			return true;
	return false;
}
