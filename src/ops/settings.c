/* The defaults of all commands, and what the recorded state has to know of the options it was made under. */
#include "ops/settings.h"

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/must.h"
#include "base/path.h"
#include "mail/date.h"
#include "ops/skip_ids.h"

#include <inttypes.h>

#define RETRIES 5
#define SETTLE_MS 2000
#define FINGERPRINT_MAX (16u << 20)

void settings_init(struct settings *settings)
{
	*settings = (struct settings){
		.retries = RETRIES,
		.settle_ms = SETTLE_MS,
		.since = DATE_UNKNOWN,
		.before = DATE_UNKNOWN,
		.sent_since = DATE_UNKNOWN,
		.sent_before = DATE_UNKNOWN,
		.match = MATCH_AUTO,
		.flags_on_update = FLAGS_MERGE,
		.max_delete_percent = -1,
	};
}

bool settings_choose_messages(const struct settings *settings)
{
	return settings->since != DATE_UNKNOWN || settings->before != DATE_UNKNOWN ||
	       settings->sent_since_day[0] || settings->sent_before_day[0] || settings->search ||
	       settings->seen || settings->unseen || settings->with_flags.count > 0 ||
	       settings->without_flags.count > 0 || settings->skip_deleted || settings->larger ||
	       settings->smaller || settings->uid_set || settings->skip_ids || settings->limit;
}

bool settings_extra(const struct settings *settings)
{
	return settings->delete_extra || settings->empty_destination;
}

bool settings_transform(const struct settings *settings)
{
	return settings->headers_only || settings->fix_eol || settings->wrap_lines > 0 ||
	       settings->pipe != NULL;
}

/* Every value is written with its length, so that no two different sets of options read the same. */
static int add_text(struct buf *out, const char *name, const char *text)
{
	if (!text)
		return 0;
	return buf_print(out, "%s %zu %s\n", name, strlen(text), text);
}

static int add_list(struct buf *out, const char *name, const struct text_list *list)
{
	int rc = 0;

	for (size_t i = 0; i < list->count && rc == 0; i++)
		rc = add_text(out, name, list->item[i]);
	return rc;
}

static int add_number(struct buf *out, const char *name, uint64_t number, uint64_t none)
{
	return number == none ? 0 : buf_print(out, "%s %" PRIu64 "\n", name, number);
}

static int add_ids(struct buf *out, const struct skip_ids *ids)
{
	struct digest128 digest;

	if (!ids)
		return 0;
	digest = skip_ids_digest(ids);
	return buf_print(
		out, "skip-ids %016" PRIx64 "%016" PRIx64 "\n", digest.word[0], digest.word[1]);
}

static int add_switches(struct buf *out, const struct settings *settings)
{
	const struct {
		const char *name;
		bool on;
	} switches[] = {
		{ "seen", settings->seen },
		{ "unseen", settings->unseen },
		{ "skip-deleted", settings->skip_deleted },
		{ "newest-first", settings->newest_first && settings->limit > 0 },
		{ "recopy", settings->recopy },
		{ "delete-extra", settings->delete_extra },
		{ "empty-destination", settings->empty_destination },
		{ "no-expunge", settings->no_expunge && settings_extra(settings) },
		{ "no-keywords", settings->no_keywords },
		{ "headers-only", settings->headers_only },
		{ "fix-eol", settings->fix_eol },
	};
	int rc = 0;

	for (size_t i = 0; i < countof(switches) && rc == 0; i++)
		if (switches[i].on)
			rc = buf_print(out, "%s\n", switches[i].name);
	return rc;
}

static int add_messages(struct buf *out, const struct settings *settings)
{
	const uint64_t never = (uint64_t)DATE_UNKNOWN;

	if (add_number(out, "since", (uint64_t)settings->since, never) < 0 ||
		add_number(out, "before", (uint64_t)settings->before, never) < 0 ||
		add_number(out, "sent-since", (uint64_t)settings->sent_since, never) < 0 ||
		add_number(out, "sent-before", (uint64_t)settings->sent_before, never) < 0 ||
		add_text(out, "search", settings->search) < 0 ||
		add_list(out, "flag", &settings->with_flags) < 0 ||
		add_list(out, "no-flag", &settings->without_flags) < 0)
		return -1;
	if (add_number(out, "larger", settings->larger, 0) < 0 ||
		add_number(out, "smaller", settings->smaller, 0) < 0 ||
		add_number(out, "max-size", settings->max_size, 0) < 0 ||
		add_text(out, "uid", settings->uid_set) < 0 ||
		add_ids(out, settings->skip_ids) < 0 ||
		add_number(out, "limit", settings->limit, 0) < 0)
		return -1;
	return 0;
}

static int add_changes(struct buf *out, const struct settings *settings)
{
	if (add_number(out, "match", settings->match, MATCH_AUTO) < 0 ||
		add_list(out, "header", &settings->match_headers) < 0 ||
		add_text(out, "add-flags", settings->add_flags) < 0 ||
		add_text(out, "remove-flags", settings->remove_flags) < 0 ||
		add_number(out, "flags-on-update", settings->flags_on_update, FLAGS_MERGE) < 0)
		return -1;
	if (add_number(out, "wrap-lines", settings->wrap_lines, 0) < 0 ||
		add_text(out, "pipe", settings->pipe) < 0)
		return -1;
	return 0;
}

uint64_t settings_selection(const struct settings *settings)
{
	unsigned char digest[DIGEST_SIZE];
	uint64_t selection = 0;
	struct buf text;

	buf_init(&text, FINGERPRINT_MAX);
	/* Options beyond the cap cannot be told apart: 0 is no digest of any, so all is looked at again. */
	if (add_switches(&text, settings) == 0 && add_messages(&text, settings) == 0 &&
		add_changes(&text, settings) == 0) {
		digest_bytes(buf_span(&text), digest);
		memcpy(&selection, digest, sizeof(selection));
		selection |= 1;
	}
	buf_release(&text);
	return selection;
}

int settings_state_dir(
	const struct settings *settings, struct arena *arena, char **out, struct err *err)
{
	*out = NULL;
	if (settings->no_state)
		return 0;
	*out = settings->state_dir ? path_expand(arena, settings->state_dir)
				   : path_state_dir(arena);
	if (*out)
		return 0;
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"no place for the state: set HOME, or --state DIR, or --state none");
}
