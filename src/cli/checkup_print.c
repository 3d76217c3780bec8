/* For people: a line a step, then what the server is and can do. */
#include "cli/checkup.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/printer.h"
#include "mail/mailbox_name.h"

#include <inttypes.h>

#define WIDTH 100
#define TEXT_COLUMN 26

static const char *milliseconds(int64_t us, struct arena *arena)
{
	return us <= 0 ? "" : arena_print(arena, "%.1f ms", (double)us / 1000);
}

/* "  connect        12.3 ms  text" */
static void print_fact(const char *name, int64_t us, const char *text, struct arena *arena)
{
	print("  %-12s%10s", name, milliseconds(us, arena));
	if (*text) {
		print("  ");
		print_wrapped(
			text_harmless_copy(arena, span_of(text)), TEXT_COLUMN, TEXT_COLUMN, WIDTH);
	} else {
		print("\n");
	}
}

static const char *day(int64_t instant, struct arena *arena)
{
	const time_t seconds = (time_t)instant;
	char text[32] = "?";
	struct tm utc;

	if (gmtime_r(&seconds, &utc))
		strftime(text, sizeof(text), "%Y-%m-%d", &utc);
	return arena_strdup(arena, text);
}

static void print_certificate(const struct checkup *checkup)
{
	const struct tls_facts *tls = &checkup->facts.tls;
	struct arena *arena = checkup->arena;
	const int64_t left = checkup_days_left(checkup);

	if (!tls->pin[0])
		return;
	print_fact("", 0, arena_print(arena, "subject %s", tls->subject), arena);
	print_fact("", 0, arena_print(arena, "issuer  %s", tls->issuer), arena);
	print_fact("", 0, arena_print(arena, "names   %s", tls->names), arena);
	print_fact("", 0,
		arena_print(arena, "valid   %s to %s, %s%" PRId64 " days %s",
			day(tls->not_before, arena), day(tls->not_after, arena),
			left < 0 ? "ended " : "", left < 0 ? -left : left,
			left < 0 ? "ago" : "left"),
		arena);
	print_fact("", 0,
		arena_print(arena, "trust   %s", tls->verified[0] ? tls->verified : "not checked"),
		arena);
	print_fact("", 0, arena_print(arena, "tls-pin=%s", tls->pin), arena);
}

static void print_steps(const struct checkup *checkup)
{
	struct checkup_step step[CHECKUP_STEPS];
	size_t count = checkup_steps(checkup, step);

	for (size_t i = 0; i < count; i++) {
		print_fact(step[i].name, step[i].us, step[i].done ? step[i].text : "FAILED",
			checkup->arena);
		if (strcmp(step[i].name, "tls") == 0)
			print_certificate(checkup);
	}
}

static void print_names(const struct checkup *checkup)
{
	const struct mailbox_style style = store_style(checkup->store);
	struct arena *arena = checkup->arena;
	const char *delimiter = style.delimiter
					? arena_print(arena, "delimiter %c", style.delimiter)
					: "no delimiter";

	print_fact("names", 0,
		arena_print(arena, "%s, prefix \"%s\"%s", delimiter,
			style.prefix ? style.prefix : "", style.utf8 ? ", UTF-8" : ""),
		arena);
}

static void print_quota(const struct checkup *checkup)
{
	struct arena *arena = checkup->arena;
	const char *used = text_size(arena, checkup->quota_used);

	if (!checkup->has_quota)
		return;
	print_fact("quota", 0,
		checkup->quota_limit == 0 ? arena_print(arena, "%s used, no limit", used)
					  : arena_print(arena, "%s of %s used (%.0f %%)", used,
						    text_size(arena, checkup->quota_limit),
						    100.0 * (double)checkup->quota_used /
							    (double)checkup->quota_limit),
		arena);
}

static void print_list(const struct checkup *checkup)
{
	struct arena *arena = checkup->arena;
	const uint64_t limit = store_append_limit(checkup->store);

	if (checkup->listed)
		print_fact("list", checkup->list_us,
			arena_print(arena, "%s mailboxes", text_count(arena, checkup->list.count)),
			arena);
	else if (checkup->failed && strcmp(checkup->failed, "list") == 0)
		print_fact("list", 0, "FAILED", arena);
	if (limit > 0)
		print_fact("limit", 0,
			arena_print(arena, "messages up to %s", text_size(arena, limit)), arena);
}

static void print_words(const char *title, const char *words, struct arena *arena)
{
	if (*words)
		print_fact(title, 0, words, arena);
}

static const char *joined(struct arena *arena, const char *text, const char *word)
{
	return arena_print(arena, "%s%s%s", text, *text ? " " : "", word);
}

static void print_capabilities(const struct checkup *checkup)
{
	const struct imap_words *all = imap_capabilities(store_imap_session(checkup->store));
	struct arena *arena = checkup->arena;
	const char *text = "";

	for (size_t i = 0; i < all->count; i++)
		text = joined(arena, text, text_harmless_copy(arena, all->word[i]));
	print_words("announced", text, arena);
	for (size_t i = 0; i < checkup_cap_count; i++)
		if (checkup_has(checkup, &checkup_caps[i]))
			print("  %-22s  %s: %s\n", "uses", checkup_caps[i].name,
				checkup_caps[i].use);
}

static void print_missing(const struct checkup *checkup)
{
	struct arena *arena = checkup->arena;

	for (size_t i = 0; i < checkup_cap_count; i++) {
		const struct checkup_cap *cap = &checkup_caps[i];

		if (!checkup_has(checkup, cap) && cap->cost)
			print_fact("lacks", 0, arena_print(arena, "%s: %s", cap->name, cap->cost),
				arena);
	}
}

static void print_boxes(const struct checkup *checkup)
{
	struct arena *arena = checkup->arena;
	uint64_t messages = 0, size = 0;

	for (size_t i = 0; i < checkup->boxes; i++) {
		const struct checkup_box *box = &checkup->box[i];

		print("  %10s %10s  %s", box->error ? "?" : text_count(arena, box->messages),
			box->error ? "?" : text_size(arena, box->size),
			text_harmless_copy(arena, span_of(box->name)));
		if (box->error)
			print(": %s", box->error);
		else if (box->messages != box->announced)
			print(": the server says %s messages and shows %s",
				text_count(arena, box->announced),
				text_count(arena, box->messages));
		print("\n");
		messages += box->messages;
		size += box->size;
	}
	if (checkup->cli->check.scan && checkup->listed)
		print_fact("scan", 0,
			arena_print(arena, "%s messages, %s in %zu mailboxes",
				text_count(arena, messages), text_size(arena, size),
				checkup->boxes),
			arena);
}

static void print_verdict(const struct checkup *checkup)
{
	const bool soon = checkup->facts.has_tls && checkup_days_left(checkup) < CHECKUP_DAYS_WARN;

	if (checkup->failed) {
		print("  %s: %s\n", checkup->failed, checkup->err.text);
		return;
	}
	if (soon)
		log_warn("%s: the certificate ends in %" PRId64 " days",
			account_name(checkup->account), checkup_days_left(checkup));
	if (checkup->boxes_unknown > 0)
		print("  %zu mailboxes could not be read\n", checkup->boxes_unknown);
	else if (checkup->boxes_differ > 0)
		print("  %zu mailboxes hold another number of messages than the server says\n",
			checkup->boxes_differ);
	else
		print("  ok\n");
}

void checkup_print(const struct checkup *checkup)
{
	print("%s\n", account_name(checkup->account));
	print_steps(checkup);
	if (checkup->store && account_is_nobody(checkup->account)) {
		/* What it lacks is not known: most of it is only told who has logged in. */
		print_capabilities(checkup);
	} else if (checkup->store) {
		print_list(checkup);
		print_names(checkup);
		print_quota(checkup);
		if (store_imap_session(checkup->store)) {
			if (checkup->cli->check.capabilities)
				print_capabilities(checkup);
			print_missing(checkup);
		}
		print_boxes(checkup);
	}
	print_verdict(checkup);
}

void checkup_print_line(const struct checkup *checkup)
{
	struct checkup_step step[CHECKUP_STEPS];
	size_t count = checkup_steps(checkup, step);

	print("%s: ", account_name(checkup->account));
	if (checkup->failed) {
		print("%s failed: %s\n", checkup->failed, checkup->err.text);
		return;
	}
	print("ok in %s (", milliseconds(checkup->facts.ready_us, checkup->arena));
	for (size_t i = 0; i < count; i++)
		print("%s%s %.1f", i > 0 ? ", " : "", step[i].name, (double)step[i].us / 1000);
	print(")\n");
}
