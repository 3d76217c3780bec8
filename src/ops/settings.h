/*
 * What the options of a command ask for, as values that are already checked: the one thing that cli/ hands down to ops/ (product §3).
 *
 * Owner: the command. Lifetime: the run; texts belong to the command line or its arena. Threads: any, immutable once filled.
 */
#ifndef OPS_SETTINGS_H
#define OPS_SETTINGS_H

#include "base/must.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct skip_ids;

struct text_list {
	const char **item;
	size_t count;
};

enum match_by { MATCH_AUTO, MATCH_MESSAGE_ID, MATCH_HEADER, MATCH_CONTENT };
enum flags_on_update { FLAGS_MERGE, FLAGS_SOURCE, FLAGS_KEEP };

struct settings {
	/* global */
	bool dry_run, yes, quiet, json, keep_order, raw_names;
	unsigned jobs; /* lanes; 0 = chosen by the round trip */
	int64_t timeout_ms;
	/* how long a mailbox must be quiet before an append whose answer was lost is believed lost */
	int64_t settle_ms;
	unsigned retries; /* reconnects without any progress before a mailbox is given up */
	double rate; /* messages a second, 0 = no limit */
	uint64_t bandwidth; /* octets a second, 0 = no limit */
	uint64_t daily_limit; /* octets in 24 hours, 0 = no limit */
	uint64_t max_errors; /* failed messages after which the run stops; 0 = no limit */
	const char *state_dir; /* NULL = the usual one */
	bool no_state;
	const char *report_file; /* JSON lines, or NULL */
	const char *verify_key; /* who must have signed manifests: a file, or NULL */

	/* which mailboxes */
	/* globs and expressions, in the order given */
	struct text_list mailboxes, include_regex, exclude, exclude_regex;
	bool subscribed, all_mail;
	bool mailboxes_optional; /* --users: not every account has each mailbox that --mailbox names */

	/* which messages; instants are midnight UTC of the day */
	int64_t since, before, sent_since, sent_before; /* DATE_UNKNOWN = not given */
	/* "1-Feb-2024" for SEARCH, "" = not given */
	char since_day[12], before_day[12], sent_since_day[12], sent_before_day[12];
	const char *search; /* an IMAP SEARCH expression, or NULL */
	bool seen, unseen, skip_deleted, newest_first;
	struct text_list with_flags, without_flags; /* --flag, --no-flag */
	/* octets; 0 = not given; larger: size > larger, smaller: size < smaller (RFC 3501 §6.4.4) */
	uint64_t larger, smaller;
	const char *uid_set; /* or NULL */
	uint32_t uidvalidity; /* which the UIDs were read under; 0 = no option says it */
	const struct skip_ids *skip_ids; /* or NULL */
	uint64_t limit; /* messages a mailbox, 0 = all */

	/* names */
	const char *map_file; /* or NULL */
	struct text_list rename; /* s/RE/TEXT/flags */
	bool automap, merge; /* merge: several sources may go to one mailbox */
	const char *strip_prefix, *root, *into;

	/* identity and flags */
	enum match_by match;
	struct text_list match_headers; /* for MATCH_HEADER */
	bool recopy, no_keywords;
	const char *add_flags, *remove_flags; /* names between blanks, or NULL */
	enum flags_on_update flags_on_update;
	bool no_subscribe; /* don't carry subscriptions over */
	bool no_empty; /* don't create mailboxes that hold nothing */

	/* deleting */
	bool delete_source, expunge_all, no_expunge;
	bool delete_source_mailboxes; /* … those that this leaves empty */
	/* what the destination has and the source has not: what the message options select, or all of it */
	bool delete_extra, empty_destination;
	bool delete_mailboxes; /* at the destination: those no source mailbox maps to */
	bool has_max_delete;
	uint64_t max_delete; /* messages … */
	double max_delete_percent; /* … or per cent; negative = the other one was given */

	/* content */
	uint64_t max_size; /* larger ones are left out, 0 = no limit */
	bool headers_only, fix_eol;
	uint32_t wrap_lines; /* octets, 0 = never */
	const char *pipe; /* each message through this command, or NULL */
};

void settings_init(struct settings *settings); /* the defaults */
/* Differs whenever options differ that choose messages or change them: what was reconciled under another value is looked at again. */
uint64_t settings_selection(const struct settings *settings);
/* message options choose among the messages of a mailbox: numbers and sums of the server's are not theirs */
bool settings_choose_messages(const struct settings *settings);
/* messages that only the destination has go */
bool settings_extra(const struct settings *settings);
/* Where state is kept, memory of the arena; NULL with --state none. -1: there is no place (kind USAGE). */
int settings_state_dir(const struct settings *settings, struct arena *arena, char **out,
	struct err *err) MUST_CHECK;
/* content options that change a message */
bool settings_transform(const struct settings *settings);

#endif
