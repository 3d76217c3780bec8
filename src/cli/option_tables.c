/* The options that mean the same everywhere (product §3), one table a family. */
#include "cli/option.h"

#include "cli/cli.h"
#include "cli/option_values.h"
#include "store/users.h"

#define AT(member) offsetof(struct cli, member)
#define SETTING(member) offsetof(struct cli, settings.member)
#define DST_KEY(key) offsetof(struct cli, account[1].value[key])

static const struct option global[] = {
	{ "help", NULL, NULL, "explain the command, or the program, and exit", AT(help), NULL,
		OPTION_SWITCH, 'h', false },
	{ "version", NULL, NULL, "print the version and exit", AT(version), NULL, OPTION_SWITCH, 0,
		false },
	{ "verbose", NULL, NULL, "say more; twice: say everything", AT(verbose), NULL,
		OPTION_REPEATED, 'v', false },
	{ "quiet", NULL, NULL, "say nothing but errors, and of the report only the verdict",
		SETTING(quiet), NULL, OPTION_SWITCH, 'q', false },
	{ "json", NULL, NULL, "print the result as JSON, one object a line", SETTING(json), NULL,
		OPTION_SWITCH, 0, false },
	{ "progress", "WHEN", "auto|always|never",
		"show how far the work is: auto = when standard error is a terminal", AT(progress),
		NULL, OPTION_CHOICE, 0, false },
	{ "log", "FILE", NULL, "append all talk, whatever is shown, to this file", AT(log_file),
		NULL, OPTION_TEXT, 0, false },
	{ "trace", "FILE", NULL,
		"write the dialogue with the servers to this file; secrets are masked",
		AT(trace_file), NULL, OPTION_TEXT, 0, false },
	{ "config", "FILE", NULL, "use this configuration file instead of the usual one",
		AT(config_file), NULL, OPTION_TEXT, 0, false },
	{ "timeout", "TIME", NULL, "give a connection up after this long a silence (60s)",
		SETTING(timeout_ms), NULL, OPTION_DURATION, 0, false },
};

static const struct option run[] = {
	{ "dry-run", NULL, NULL, "change nothing: show what would be done", SETTING(dry_run), NULL,
		OPTION_SWITCH, 'n', false },
	{ "yes", NULL, NULL, "answer every question with yes", SETTING(yes), NULL, OPTION_SWITCH, 0,
		false },
	{ "jobs", "N", NULL,
		"use this many pairs of connections at once (chosen by the round trip, and more while it pays)",
		SETTING(jobs), take_jobs, OPTION_OTHER, 'j', false },
	{ "retries", "N", NULL,
		"reconnect this often without any progress before a mailbox is given up (5)",
		SETTING(retries), NULL, OPTION_NUMBER, 0, false },
	{ "settle", "TIME", NULL,
		"after a lost answer, wait until the mailbox was quiet this long before anything "
		"is sent again (2s)",
		SETTING(settle_ms), NULL, OPTION_DURATION, 0, false },
	{ "rate", "N", NULL, "copy at most this many messages a second", SETTING(rate), NULL,
		OPTION_REAL, 0, false },
	{ "bandwidth", "SIZE", NULL, "transfer at most this many octets a second",
		SETTING(bandwidth), take_bandwidth, OPTION_OTHER, 0, false },
	{ "daily-limit", "SIZE", NULL,
		"transfer at most this many octets in 24 hours, over all runs",
		SETTING(daily_limit), NULL, OPTION_SIZE, 0, false },
	{ "max-errors", "N", NULL, "stop after this many messages that failed", SETTING(max_errors),
		NULL, OPTION_COUNT, 0, false },
	{ "state", "DIR", NULL,
		"keep the record of what was copied here; none = keep no record at all",
		SETTING(state_dir), take_state, OPTION_OTHER, 0, false },
	{ "report", "FILE", NULL, "write the report to this file too, as JSON lines",
		SETTING(report_file), NULL, OPTION_TEXT, 0, false },
	{ "users", "FILE", NULL,
		"do it for each user of this file, a line each; %u in a location is the user",
		AT(users_file), NULL, OPTION_TEXT, 0, false },
	{ "users-format", "LAYOUT", USERS_FORMATS,
		"how the lines of --users are laid out (escaped)", AT(users_format), NULL,
		OPTION_CHOICE, 0, false },
	{ "keep-order", NULL, NULL, "store the messages of a mailbox in the order of the source",
		SETTING(keep_order), NULL, OPTION_SWITCH, 0, false },
};

static const struct option mailboxes[] = {
	{ "mailbox", "GLOB", NULL,
		"only mailboxes whose name matches; a/** takes a and all below it (repeatable)",
		SETTING(mailboxes), NULL, OPTION_LIST, 'm', false },
	{ "include-regex", "RE", NULL, "mailboxes that match this expression too (repeatable)",
		SETTING(include_regex), take_regex, OPTION_LIST, 0, false },
	{ "exclude", "GLOB", NULL, "leave out mailboxes whose name matches (repeatable)",
		SETTING(exclude), NULL, OPTION_LIST, 'x', false },
	{ "exclude-regex", "RE", NULL,
		"leave out mailboxes that match this expression (repeatable)",
		SETTING(exclude_regex), take_regex, OPTION_LIST, 0, false },
	{ "subscribed", NULL, NULL, "only subscribed mailboxes", SETTING(subscribed), NULL,
		OPTION_SWITCH, 0, false },
	{ "all-mail", NULL, NULL, "Gmail's All Mail too, which repeats what the labels hold",
		SETTING(all_mail), NULL, OPTION_SWITCH, 0, false },
	{ "raw-names", NULL, NULL, "show and take mailbox names as the server writes them",
		SETTING(raw_names), NULL, OPTION_SWITCH, 0, false },
};

static const struct option messages[] = {
	{ "since", "DATE", NULL, "that arrived on this day or later", SETTING(since), take_since,
		OPTION_OTHER, 0, false },
	{ "before", "DATE", NULL, "that arrived before this day", SETTING(before), take_before,
		OPTION_OTHER, 0, false },
	{ "sent-since", "DATE", NULL, "whose Date header says this day or later",
		SETTING(sent_since), take_sent_since, OPTION_OTHER, 0, false },
	{ "sent-before", "DATE", NULL, "whose Date header says a day before this one",
		SETTING(sent_before), take_sent_before, OPTION_OTHER, 0, false },
	{ "search", "EXPRESSION", NULL, "that this IMAP SEARCH expression finds", SETTING(search),
		take_search, OPTION_TEXT, 0, false },
	{ "seen", NULL, NULL, "that were read", SETTING(seen), NULL, OPTION_SWITCH, 0, false },
	{ "unseen", NULL, NULL, "that were not read", SETTING(unseen), NULL, OPTION_SWITCH, 0,
		false },
	{ "flag", "FLAG", NULL, "that have this flag or keyword (repeatable)", SETTING(with_flags),
		take_flags, OPTION_LIST, 0, false },
	{ "no-flag", "FLAG", NULL, "that don't have this flag or keyword (repeatable)",
		SETTING(without_flags), take_flags, OPTION_LIST, 0, false },
	{ "skip-deleted", NULL, NULL, "that are not marked as deleted", SETTING(skip_deleted), NULL,
		OPTION_SWITCH, 0, false },
	{ "larger", "SIZE", NULL, "that are larger than this", SETTING(larger), NULL, OPTION_SIZE,
		0, false },
	{ "smaller", "SIZE", NULL, "that are smaller than this", SETTING(smaller), NULL,
		OPTION_SIZE, 0, false },
	{ "uid", "SET", NULL, "with these UIDs, such as 1:100,205,300:*", SETTING(uid_set),
		take_uid, OPTION_TEXT, 0, false },
	{ "skip-ids", "FILE", NULL,
		"whose Message-ID is not in this file, a line each; # begins a comment",
		SETTING(skip_ids), take_skip_ids, OPTION_OTHER, 0, false },
	{ "limit", "N", NULL, "the first N of each mailbox", SETTING(limit), NULL, OPTION_COUNT, 0,
		false },
	{ "newest-first", NULL, NULL,
		"begin with the newest, in portions of about 1 MB, each of them oldest first; with "
		"--limit: the newest N",
		SETTING(newest_first), NULL, OPTION_SWITCH, 0, false },
};

static const struct option names[] = {
	{ "map", "FILE", NULL, "rename mailboxes by this file, a line \"source: destination\" each",
		SETTING(map_file), NULL, OPTION_TEXT, 0, false },
	{ "rename", "s/RE/TEXT/FLAGS", NULL, "rename mailboxes by this expression (repeatable)",
		SETTING(rename), take_rename, OPTION_LIST, 0, false },
	{ "automap", NULL, NULL,
		"pair special mailboxes (sent, drafts, trash, junk, archive) whatever they are "
		"called",
		SETTING(automap), NULL, OPTION_SWITCH, 0, false },
	{ "strip-prefix", "PREFIX", NULL, "remove this from the front of names",
		SETTING(strip_prefix), NULL, OPTION_TEXT, 0, false },
	{ "root", "MAILBOX", NULL, "put everything below this mailbox", SETTING(root), NULL,
		OPTION_TEXT, 0, false },
	{ "into", "MAILBOX", NULL,
		"put everything into this one mailbox (copy: repeatable, a copy into each)",
		AT(into), take_into, OPTION_LIST, 0, false },
	{ "merge", NULL, NULL, "let several mailboxes go into one", SETTING(merge), NULL,
		OPTION_SWITCH, 0, false },
	{ "no-subscribe", NULL, NULL, "don't carry subscriptions over", SETTING(no_subscribe), NULL,
		OPTION_SWITCH, 0, false },
	{ "no-empty", NULL, NULL, "don't create mailboxes that hold no message", SETTING(no_empty),
		NULL, OPTION_SWITCH, 0, false },
};

static const struct option identity[] = {
	{ "match", "HOW", "auto|message-id|header:NAMES|content",
		"what makes two messages the same: auto = record, headers and size, body where "
		"these leave doubt; content = always the body",
		SETTING(match), take_match, OPTION_OTHER, 0, false },
	{ "recopy", NULL, NULL, "copy messages again that were deleted at the destination",
		SETTING(recopy), NULL, OPTION_SWITCH, 0, false },
};

static const struct option flags[] = {
	{ "add-flags", "FLAGS", NULL, "give these flags to every copied message (repeatable)",
		SETTING(add_flags), take_flags, OPTION_WORDS, 0, false },
	{ "remove-flags", "FLAGS", NULL, "take these flags from every copied message (repeatable)",
		SETTING(remove_flags), take_flags, OPTION_WORDS, 0, false },
	{ "no-keywords", NULL, NULL, "copy system flags only", SETTING(no_keywords), NULL,
		OPTION_SWITCH, 0, false },
	{ "flags-on-update", "HOW", "merge|source|keep",
		"flags of messages already there: carry changes over, make them equal, or leave "
		"them",
		SETTING(flags_on_update), NULL, OPTION_CHOICE, 0, false },
};

static const struct option deleting[] = {
	{ "delete-source", NULL, NULL,
		"delete messages at the source once the destination has confirmed the copy",
		SETTING(delete_source), NULL, OPTION_SWITCH, 0, false },
	{ "delete-source-mailboxes", NULL, NULL,
		"with --delete-source: delete source mailboxes that it leaves empty",
		SETTING(delete_source_mailboxes), NULL, OPTION_SWITCH, 0, false },
	{ "delete-extra", NULL, NULL,
		"delete messages at the destination that are none of the source's, among those "
		"that the message options select (mirror does unless =no)",
		SETTING(delete_extra), NULL, OPTION_SWITCH, 0, false },
	{ "empty-destination", NULL, NULL,
		"the same, whatever the message options select: nothing but the source's mail "
		"stays in the mailboxes copied to",
		SETTING(empty_destination), NULL, OPTION_SWITCH, 0, false },
	{ "delete-mailboxes", NULL, NULL,
		"delete mailboxes at the destination that no source mailbox maps to, with what "
		"is in them",
		SETTING(delete_mailboxes), NULL, OPTION_SWITCH, 0, false },
	{ "expunge-all", NULL, NULL,
		"on servers without UIDPLUS: expunge, though it also removes what others marked",
		SETTING(expunge_all), NULL, OPTION_SWITCH, 0, false },
	{ "no-expunge", NULL, NULL, "mark messages as deleted and leave them there",
		SETTING(no_expunge), NULL, OPTION_SWITCH, 0, false },
	{ "max-delete", "N|P%", NULL,
		"delete at most this many messages, or this part of a mailbox and of the account",
		SETTING(max_delete), take_max_delete, OPTION_OTHER, 0, false },
};

/* The last three again, for commands that delete without being told to. */
static const struct option guards[] = {
	{ "expunge-all", NULL, NULL,
		"on servers without UIDPLUS: expunge, though it also removes what others marked",
		SETTING(expunge_all), NULL, OPTION_SWITCH, 0, false },
	{ "no-expunge", NULL, NULL, "mark messages as deleted and leave them there",
		SETTING(no_expunge), NULL, OPTION_SWITCH, 0, false },
	{ "max-delete", "N|P%", NULL,
		"delete at most this many messages, or this part of them all (a quarter of a "
		"mailbox, a tenth of the account, never the last message)",
		SETTING(max_delete), take_max_delete, OPTION_OTHER, 0, false },
};

static const struct option content[] = {
	{ "max-size", "SIZE", NULL, "leave out messages that are larger", SETTING(max_size), NULL,
		OPTION_SIZE, 0, false },
	{ "headers-only", NULL, NULL, "copy headers without bodies", SETTING(headers_only), NULL,
		OPTION_SWITCH, 0, false },
	{ "fix-eol", NULL, NULL, "turn bare CR and LF into CRLF", SETTING(fix_eol), NULL,
		OPTION_SWITCH, 0, false },
	{ "wrap-lines", "OCTETS", NULL, "break lines longer than this (998)", SETTING(wrap_lines),
		take_wrap_lines, OPTION_OTHER, 0, true },
	{ "pipe", "COMMAND", NULL, "send each message through this shell command", SETTING(pipe),
		NULL, OPTION_TEXT, 0, false },
};

/* --dst-KEY without the side: nobody lays out a source. (headers-only is among content.) */
static const struct option files[] = {
	{ "layout", "HOW", "maildir++|fs|flat|thunderbird", "short for --dst-layout",
		DST_KEY(ACCOUNT_LAYOUT), NULL, OPTION_TEXT, 0, false },
	{ "variant", "KIND", "mboxrd|mboxrd,status",
		"short for --dst-variant (of a source: --src-variant)", DST_KEY(ACCOUNT_VARIANT),
		NULL, OPTION_TEXT, 0, false },
	{ "ext", "EXTENSION", NULL, "short for --dst-ext (of a source: --src-ext)",
		DST_KEY(ACCOUNT_EXT), NULL, OPTION_TEXT, 0, false },
	{ "name-by", "HOW", "uid|number|subject", "short for --dst-name-by",
		DST_KEY(ACCOUNT_NAME_BY), NULL, OPTION_TEXT, 0, false },
	{ "attachments", "HOW", "no|also|only", "short for --dst-attachments",
		DST_KEY(ACCOUNT_ATTACHMENTS), NULL, OPTION_TEXT, 0, false },
	{ "owner", "USER[:GROUP]", NULL, "short for --dst-owner", DST_KEY(ACCOUNT_OWNER), NULL,
		OPTION_TEXT, 0, false },
};

static const struct option results[] = {
	{ "db", "URL", NULL,
		"keep what is found in this database too: sqlite:PATH or "
		"postgresql://USER@HOST/DATABASE",
		AT(db.url), NULL, OPTION_TEXT, 0, false },
	{ "clear-db", NULL, NULL, "delete the results of earlier runs from it first", AT(db.clear),
		NULL, OPTION_SWITCH, 0, false },
	{ "db-pass-file", "FILE", NULL, "read its password from this file", AT(db.pass_file), NULL,
		OPTION_TEXT, 0, false },
	{ "db-pass-cmd", "COMMAND", NULL, "read its password from the output of this command",
		AT(db.pass_cmd), NULL, OPTION_TEXT, 0, false },
	{ "db-pass-env", "NAME", NULL, "read its password from this environment variable",
		AT(db.pass_env), NULL, OPTION_TEXT, 0, false },
};

const struct option_group option_groups[] = {
	{ GROUP_MAILBOXES, "Which mailboxes", mailboxes, countof(mailboxes) },
	{ GROUP_MESSAGES, "Which messages (all conditions hold together)", messages,
		countof(messages) },
	{ GROUP_NAMES, "Names at the destination (in this order)", names, countof(names) },
	{ GROUP_IDENTITY, "What counts as the same message", identity, countof(identity) },
	{ GROUP_FLAGS, "Flags", flags, countof(flags) },
	{ GROUP_DELETING, "Deleting", deleting, countof(deleting) },
	{ GROUP_GUARDS, "Deleting", guards, countof(guards) },
	{ GROUP_CONTENT, "Content", content, countof(content) },
	{ GROUP_FILES, "Files at the destination", files, countof(files) },
	{ GROUP_RESULTS, "The database of results", results, countof(results) },
	{ GROUP_RUN, "The run", run, countof(run) },
	{ GROUP_GLOBAL, "Global", global, countof(global) },
	{ 0, NULL, NULL, 0 },
};
