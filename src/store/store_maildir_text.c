/*
 * The small files beside mail: Dovecot's `dovecot-keywords` ("0 $Work" for the letter a) and `subscriptions`, Courier's `courierimapsubscribed`. They are
 * replaced whole, under a lock that Dovecot knows too.
 */
#include "store/store_maildir_parts.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/os.h"
#include "base/text.h"
#include "store/dot_lock.h"
#include "store/side_file.h"

#include <fcntl.h>
#include <stdio.h>

#define TEXT_MAX (16u << 20)
#define KEYWORDS "dovecot-keywords"
#define SUBSCRIPTIONS "subscriptions"
#define COURIER_SUBSCRIPTIONS "courierimapsubscribed"
#define VERSION2 "V\t2\n\n"
#define LOCK_WAIT_MS 10000
#define LOCK_STALE 120 /* seconds without a sign of life: as Dovecot */
#define PASSED "$Forwarded"

static const struct {
	enum maildir_flag letter;
	const char *flag;
} system_flags[] = {
	{ MAILDIR_DRAFT, "\\Draft" },
	{ MAILDIR_FLAGGED, "\\Flagged" },
	{ MAILDIR_PASSED, PASSED },
	{ MAILDIR_REPLIED, "\\Answered" },
	{ MAILDIR_SEEN, "\\Seen" },
	{ MAILDIR_TRASHED, "\\Deleted" },
};

/* ---- files ---- */

static void lock_name(const char *name, char out[64])
{
	(void)snprintf(out, 64, "%s.lock", name);
}

int maildir_lock(int dir, const char *name, struct err *err)
{
	char lock[64];
	int made;

	lock_name(name, lock);
	made = dot_lock_make(dir, lock, name, LOCK_STALE, clock_ms() + LOCK_WAIT_MS, err);
	if (made == 0)
		return err_set_errno(err, ERR_MAILBOX, "cannot create %s", lock);
	return made < 0 ? -1 : 0;
}

void maildir_unlock(int dir, const char *name)
{
	char lock[64];

	lock_name(name, lock);
	(void)os_unlinkat(dir, lock, 0);
}

int maildir_replace(struct store_maildir *store, int dir, const char *name, struct span content,
	struct err *err)
{
	char new[64];
	int rc;

	(void)snprintf(new, sizeof(new), ".mailhaul-%s", name);
	rc = side_file_put(store->owner, dir, new, name, content, err);
	maildir_unlock(dir, name);
	return rc;
}

int maildir_read_text(
	int dir, const char *name, struct arena *arena, struct span *out, struct err *err)
{
	return side_file_read(dir, name, TEXT_MAX, arena, out, err);
}

static bool next_line(struct span *rest, struct span *line)
{
	const size_t end = span_find(*rest, '\n');

	if (rest->len == 0)
		return false;
	*line = span_sub(*rest, 0, end);
	*rest = span_from(*rest, end == SIZE_MAX ? rest->len : end + 1);
	return true;
}

/* ---- keywords ---- */

static void parse_keywords(struct span text, struct maildir_keywords *keywords)
{
	struct span line;

	memset(keywords->name, 0, sizeof(keywords->name));
	while (next_line(&text, &line)) {
		const size_t blank = span_find(line, ' ');
		uint32_t index;

		if (blank != SIZE_MAX && span_u32(span_sub(line, 0, blank), &index) &&
			index < MAILDIR_KEYWORDS && line.len > blank + 1)
			keywords->name[index] =
				arena_text(keywords->arena, span_from(line, blank + 1));
	}
}

int maildir_keywords_read(int dir, struct maildir_keywords *keywords, struct err *err)
{
	struct span text = { 0 };

	if (maildir_read_text(dir, KEYWORDS, keywords->arena, &text, err) < 0)
		return -1;
	parse_keywords(text, keywords);
	return 0;
}

static unsigned find_keyword(const struct maildir_keywords *keywords, struct span name)
{
	unsigned i = 0;

	while (i < MAILDIR_KEYWORDS &&
		(keywords->name[i] == NULL || !span_equal_nocase(span_of(keywords->name[i]), name)))
		i++;
	return i;
}

static unsigned find_free(const struct maildir_keywords *keywords)
{
	unsigned i = 0;

	while (i < MAILDIR_KEYWORDS && keywords->name[i] != NULL)
		i++;
	return i;
}

flags_t maildir_flags_of(struct flag_table *table, const struct maildir_keywords *keywords,
	const struct maildir_name *name)
{
	flags_t flags = 0;

	for (size_t i = 0; i < countof(system_flags); i++) {
		if (name->flags & system_flags[i].letter)
			flags = flags_add(table, flags, span_of(system_flags[i].flag));
	}
	for (unsigned i = 0; i < MAILDIR_KEYWORDS; i++) {
		if ((name->keywords & UINT32_C(1) << i) && keywords->name[i] != NULL)
			flags = flags_add(table, flags, span_of(keywords->name[i]));
	}
	return flags;
}

static bool is_system(struct span flag, unsigned *letters)
{
	for (size_t i = 0; i < countof(system_flags); i++) {
		if (!span_equal_nocase(flag, span_of(system_flags[i].flag)))
			continue;
		*letters |= system_flags[i].letter;
		return true;
	}
	return false;
}

/* Letters for all keywords of the set, as the file has it now. */
static int add_keywords(struct store_maildir *store, int dir, struct maildir_keywords *keywords,
	flags_t flags, struct err *err)
{
	struct flag_table *table = store->store.flags;
	struct buf text;
	int rc;

	if (maildir_lock(dir, KEYWORDS, err) < 0)
		return -1;
	if (maildir_keywords_read(dir, keywords, err) < 0) {
		maildir_unlock(dir, KEYWORDS);
		return -1;
	}
	for (size_t i = 0; i < flags_count(table, flags); i++) {
		const struct span flag = flags_at(table, flags, i);

		if (flag.data[0] != '\\' && find_keyword(keywords, flag) == MAILDIR_KEYWORDS &&
			find_free(keywords) < MAILDIR_KEYWORDS)
			keywords->name[find_free(keywords)] = arena_text(keywords->arena, flag);
	}
	buf_init(&text, TEXT_MAX);
	for (unsigned i = 0; i < MAILDIR_KEYWORDS; i++) {
		if (keywords->name[i] != NULL)
			(void)!buf_print(&text, "%u %s\n", i, keywords->name[i]);
	}
	rc = maildir_replace(store, dir, KEYWORDS, buf_span(&text), err);
	buf_release(&text);
	return rc;
}

/* Dovecot gives no meaning to P: $Forwarded gets a letter of its own besides. Without one left, P alone holds it. */
static bool lacks_letters(
	struct flag_table *table, const struct maildir_keywords *keywords, flags_t flags)
{
	if (find_free(keywords) == MAILDIR_KEYWORDS)
		return false;
	for (size_t i = 0; i < flags_count(table, flags); i++) {
		const struct span flag = flags_at(table, flags, i);

		if (flag.data[0] != '\\' && find_keyword(keywords, flag) == MAILDIR_KEYWORDS)
			return true;
	}
	return false;
}

int maildir_letters_of(struct store_maildir *store, int dir, struct maildir_keywords *keywords,
	flags_t flags, unsigned *flags_out, uint32_t *keywords_out, flags_t *lost, struct err *err)
{
	struct flag_table *table = store->store.flags;

	*flags_out = 0;
	*keywords_out = 0;
	*lost = 0;
	if (lacks_letters(table, keywords, flags) &&
		add_keywords(store, dir, keywords, flags, err) < 0)
		return -1;
	for (size_t i = 0; i < flags_count(table, flags); i++) {
		const struct span flag = flags_at(table, flags, i);
		const bool system = is_system(flag, flags_out);
		const unsigned letter =
			flag.data[0] != '\\' ? find_keyword(keywords, flag) : MAILDIR_KEYWORDS;

		if (letter < MAILDIR_KEYWORDS)
			*keywords_out |= UINT32_C(1) << letter;
		else if (!system)
			*lost = flags_add(table, *lost, flag);
	}
	return 0;
}

void maildir_permanent(
	struct flag_table *table, const struct maildir_keywords *keywords, struct box_facts *facts)
{
	const struct maildir_name all = { .flags = 63, .keywords = UINT32_MAX };

	facts->has_permanent = true;
	facts->permanent = maildir_flags_of(table, keywords, &all);
	facts->any_keyword = find_free(keywords) < MAILDIR_KEYWORDS;
}

/* ---- subscriptions ---- */

const char *maildir_server_name(
	const struct store_maildir *store, const char *path, struct arena *arena)
{
	if (strcmp(path, store->inbox) == 0)
		return "INBOX";
	return arena_strdup(arena, path + (store->style.layout == MAILDIR_PLUSPLUS));
}

static void add_name(
	struct maildir_subscriptions *list, size_t *room, const char *name, struct arena *arena)
{
	if (list->count == *room) {
		const size_t more = *room > 0 ? *room * 2 : 16;

		list->name = arena_grow(arena, list->name, *room, more, sizeof(*list->name));
		*room = more;
	}
	list->name[list->count++] = name;
}

/* Dovecot's file: since version 2 with a TAB between levels, before with the delimiter of the layout. */
static void parse_subscriptions(const struct store_maildir *store, struct span text,
	struct maildir_subscriptions *out, struct arena *arena)
{
	const char delimiter = store->style.layout == MAILDIR_FS ? '/' : '.';
	const bool tabs = span_starts(text, SPAN("V\t2\n"));
	struct span line;
	size_t room = 0;

	if (tabs) {
		while (next_line(&text, &line) && line.len > 0)
			;
	}
	while (next_line(&text, &line)) {
		char *name = arena_text(arena, line);

		for (char *at = name; tabs && *at != '\0'; at++) {
			if (*at == '\t')
				*at = delimiter;
		}
		if (line.len > 0)
			add_name(out, &room, name, arena);
	}
}

/* Courier's: "INBOX.Sent". */
static void parse_courier(struct span text, struct maildir_subscriptions *out, struct arena *arena)
{
	struct span line;
	size_t room = 0;

	while (next_line(&text, &line)) {
		line = span_trim(line);
		if (line.len > 6 && span_starts_nocase(line, SPAN("INBOX.")))
			add_name(out, &room, arena_text(arena, span_from(line, 6)), arena);
		else if (line.len > 0)
			add_name(out, &room, arena_text(arena, line), arena);
	}
}

/* A folder of that name, in the fs layout of others: they keep subscriptions elsewhere. */
static bool is_folder(const struct store_maildir *store)
{
	struct stat st;

	return os_fstatat(store->root, SUBSCRIPTIONS, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(st.st_mode);
}

int maildir_subscriptions_read(struct store_maildir *store, struct arena *arena,
	struct maildir_subscriptions *out, struct err *err)
{
	struct span text;
	int rc;

	*out = (struct maildir_subscriptions){ 0 };
	if (store->root < 0 || is_folder(store))
		return 0;
	rc = maildir_read_text(store->root, SUBSCRIPTIONS, arena, &text, err);
	if (rc > 0)
		parse_subscriptions(store, text, out, arena);
	if (rc == 0) {
		rc = maildir_read_text(store->root, COURIER_SUBSCRIPTIONS, arena, &text, err);
		if (rc > 0)
			parse_courier(text, out, arena);
	}
	out->exists = rc > 0;
	return rc < 0 ? -1 : 0;
}

static void print_subscription(const struct store_maildir *store, const char *name, struct buf *out)
{
	const char delimiter = store->style.layout == MAILDIR_FS ? '/' : '.';

	for (; *name != '\0'; name++)
		(void)!buf_add_char(out, *name == delimiter ? '\t' : *name);
	(void)!buf_add_char(out, '\n');
}

static int put_subscriptions(struct store_maildir *store, const char *name, bool subscribe,
	struct arena *arena, struct err *err)
{
	struct maildir_subscriptions list;
	bool found = false;
	struct buf text;
	int rc = -1;

	if (maildir_lock(store->root, SUBSCRIPTIONS, err) < 0)
		return -1;
	buf_init(&text, TEXT_MAX);
	if (maildir_subscriptions_read(store, arena, &list, err) < 0) {
		maildir_unlock(store->root, SUBSCRIPTIONS);
		goto out;
	}
	(void)!buf_add(&text, SPAN(VERSION2));
	for (size_t i = 0; i < list.count; i++) {
		const bool same = strcmp(list.name[i], name) == 0;

		found |= same;
		if (!same || subscribe)
			print_subscription(store, list.name[i], &text);
	}
	if (subscribe && !found)
		print_subscription(store, name, &text);
	rc = maildir_replace(store, store->root, SUBSCRIPTIONS, buf_span(&text), err);
out:
	buf_release(&text);
	return rc;
}

int maildir_store_subscribe(struct store *base, const char *name, bool subscribe, struct err *err)
{
	struct store_maildir *store = store_maildir_of(base);
	struct arena *arena = arena_new();
	bool changed;
	char *path;
	int rc = -1;

	if (store->root < 0)
		err_set(err, ERR_MAILBOX, "mailbox %s does not exist", name);
	else if (is_folder(store))
		err_set_kind(err, ERR_MAILBOX, ERR_KIND_UNSUPPORTED,
			"a folder stands where the list of subscriptions would be");
	else if (maildir_path_of(store, name, arena, &path, &changed, err) == 0)
		rc = put_subscriptions(
			store, maildir_server_name(store, path, arena), subscribe, arena, err);
	arena_free(arena);
	return rc < 0 ? err_wrap(err, "cannot subscribe to %s", name) : 0;
}
