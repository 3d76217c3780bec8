/* Plans: tables of cases (tests/plan), then random mailboxes against a model: nothing lost, nothing doubled, and a second plan finds nothing to do. */
#include "ops/plan.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/must.h"
#include "mail/header.h"

#include <dirent.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ROWS 64
#define WORDS 24

/* What is true of a message. */
struct truth {
	uint32_t uid, size;
	int64_t date;
	flags_t flags;
	char head[32], body[32];
	bool no_id;
	uint8_t skip;
};

struct mailbox {
	struct truth row[ROWS];
	size_t count;
	bool incomplete;
};

struct scene { /* one case */
	char name[128];
	struct mailbox src, dst;
	struct plan_policy policy;
	uint32_t baseline;
	bool newest_first;
	uint32_t pair_src[ROWS], pair_dst[ROWS];
	uint16_t pair_flags[2][ROWS];
	uint8_t pair_status[ROWS];
	const char *flag_text[2 * ROWS];
	size_t pairs, texts;
	struct journal_grave grave[ROWS];
	size_t graves;
	char expected[16384]; /* lines */
};

struct player {
	const char *file;
	size_t line;
	struct arena *arena;
	struct flag_table *flags;
	struct scene scene;
	bool started;
	size_t cases, failures;
};

static struct digest128 name_digest(const char *a, const char *b)
{
	struct digest *digest = digest_new();
	struct digest128 out;

	digest_add(digest, span_of(a));
	digest_add(digest, SPAN("\n"));
	digest_add(digest, span_of(b));
	out = digest_end128(digest);
	digest_free(digest);
	return out;
}

static void fill(struct snapshot *snapshot, const struct mailbox *mailbox)
{
	snapshot_init(snapshot, false);
	for (size_t i = 0; i < mailbox->count; i++) {
		size_t row = snapshot_add(snapshot, mailbox->row[i].uid);

		snapshot->flags[row] = mailbox->row[i].flags;
		snapshot->instant[row] = mailbox->row[i].date;
		snapshot->zone[row] = 0;
		snapshot->size[row] = mailbox->row[i].size;
	}
	snapshot_finish(snapshot, !mailbox->incomplete);
}

static const struct truth *find_truth(const struct mailbox *mailbox, uint32_t uid)
{
	for (size_t i = 0; i < mailbox->count; i++) {
		if (mailbox->row[i].uid == uid)
			return &mailbox->row[i];
	}
	return NULL;
}

/* What a scan of these UIDs gives. */
static void reveal(struct snapshot *into, const struct mailbox *mailbox, const struct uidset *uids,
	bool content)
{
	struct snapshot scan;

	snapshot_init(&scan, !content);
	if (content)
		snapshot_want_content(&scan);
	for (size_t i = 0; i < mailbox->count; i++) {
		const struct truth *truth = &mailbox->row[i];
		size_t row;

		if (!uidset_has(uids, truth->uid) ||
			strcmp(content ? truth->body : truth->head, "?") == 0)
			continue;
		row = snapshot_add(&scan, truth->uid);
		scan.attr[row] = content ? SNAPSHOT_HAS_CONTENT : SNAPSHOT_HAS_DIGEST;
		if (content)
			scan.content[row] = name_digest(truth->head, truth->body);
		else
			scan.digest[row] = name_digest("head", truth->head);
		if (!truth->no_id)
			scan.attr[row] |= SNAPSHOT_HAS_MESSAGE_ID;
	}
	snapshot_finish(&scan, true);
	snapshot_merge(into, &scan);
	snapshot_release(&scan);
}

struct out {
	char text[16384];
	size_t len;
};

static void put(struct out *out, const char *fmt, ...) MUST_FORMAT(2, 3);

static void put(struct out *out, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(out->text + out->len, sizeof(out->text) - out->len, fmt, args);
	va_end(args);
	assert_true(len >= 0 && (size_t)len < sizeof(out->text) - out->len);
	out->len += (size_t)len;
}

static void put_flags(struct out *out, const char *key, const struct flag_table *table, flags_t set)
{
	if (set == 0)
		return;
	put(out, " %s=", key);
	for (size_t i = 0; i < flags_count(table, set); i++)
		put(out, "%s%s", i ? "," : "", flags_at(table, set, i).data);
}

static void put_set(struct out *out, const struct uidset *set)
{
	put(out, " ");
	if (set->count == 0)
		put(out, "-");
	for (size_t i = 0; i < set->count; i++) {
		put(out, "%s%" PRIu32, i ? "," : "", set->range[i].first);
		if (set->range[i].last != set->range[i].first)
			put(out, ":%" PRIu32, set->range[i].last);
	}
}

static const char *const proof_names[] = { "", "record", "digest", "content" };

static void put_action(
	struct out *out, const struct flag_table *flags, const struct plan_action *action)
{
	put(out, "%s %" PRIu32 " %" PRIu32, plan_kind_name(action->kind), action->src_uid,
		action->dst_uid);
	if (action->proof != PROOF_NONE)
		put(out, " proof=%s", proof_names[action->proof]);
	put_flags(out, "add", flags, action->add);
	put_flags(out, "remove", flags, action->remove);
	if (action->kind == PLAN_COPY)
		put_flags(out, "store", flags, action->dst_flags);
	put_flags(out, "lost", flags, action->lost);
	if (action->record)
		put(out, " record");
	if (action->kind == PLAN_SKIP)
		put(out, " reason=%u", action->reason);
	assert_int_equal(action->flags, action->add != 0 || action->remove != 0);
	put(out, "\n");
}

static void run_steps(struct scene *scene, struct plan *plan, struct snapshot *src,
	struct snapshot *dst, struct arena *arena, struct out *out)
{
	struct uidset src_set, dst_set;

	while (plan_wants_digests(plan, arena, &src_set, &dst_set)) {
		put(out, "digests");
		put_set(out, &src_set);
		put_set(out, &dst_set);
		put(out, "\n");
		reveal(src, &scene->src, &src_set, false);
		reveal(dst, &scene->dst, &dst_set, false);
		plan_by_digest(plan);
	}
	if (plan_wants_content(plan, arena, &src_set, &dst_set)) {
		put(out, "content");
		put_set(out, &src_set);
		put_set(out, &dst_set);
		put(out, "\n");
		reveal(src, &scene->src, &src_set, true);
		reveal(dst, &scene->dst, &dst_set, true);
		plan_by_content(plan);
	}
}

static void play(struct player *player)
{
	struct scene *scene = &player->scene;
	struct snapshot src, dst;
	struct out out = { .len = 0 };
	uint8_t reason[ROWS] = { 0 }, dst_reason[ROWS] = { 0 };
	struct journal_pairs pairs = { scene->pairs, scene->pair_src, scene->pair_dst,
		scene->pair_flags[0], scene->pair_flags[1], scene->pair_status, NULL,
		scene->flag_text, scene->texts, NULL };
	struct plan_input input = { player->flags, &src, &dst, reason, dst_reason, &pairs,
		scene->grave, scene->graves, &scene->policy, scene->baseline };
	struct plan *plan;

	if (!player->started)
		return;
	fill(&src, &scene->src);
	fill(&dst, &scene->dst);
	for (size_t row = 0; row < src.count; row++)
		reason[row] = find_truth(&scene->src, src.uid[row])->skip;
	for (size_t row = 0; row < dst.count; row++)
		dst_reason[row] = find_truth(&scene->dst, dst.uid[row])->skip;
	plan = plan_new(&input);
	run_steps(scene, plan, &src, &dst, player->arena, &out);
	plan_decide(plan);
	snapshot_forget_digests(&src);
	snapshot_forget_digests(&dst);
	plan_finish(plan, scene->newest_first);
	for (size_t i = 0; i < plan_count(plan); i++)
		put_action(&out, player->flags, plan_action(plan, i));
	if (strcmp(out.text, scene->expected) != 0) {
		print_error("%s: case %sexpected:\n%sgot:\n%s\n", player->file, scene->name,
			scene->expected, out.text);
		player->failures++;
	}
	plan_free(plan);
	snapshot_release(&src);
	snapshot_release(&dst);
	player->cases++;
}

static uint32_t number(struct player *player, const char *text)
{
	uint32_t value = 0;

	if (!span_u32(span_of(text), &value))
		fail_msg("%s:%zu: not a number: %s", player->file, player->line, text);
	return value;
}

static flags_t read_flags(struct player *player, const char *text)
{
	char names[512];

	snprintf(names, sizeof(names), "%s", text);
	for (char *c = names; *c != '\0'; c++)
		*c = *c == ',' ? ' ' : *c;
	return flags_parse(player->flags, span_of(names));
}

/* The value of "KEY=VALUE", or NULL. */
static const char *value_of(const char *word, const char *key)
{
	size_t len = strlen(key);

	return strncmp(word, key, len) == 0 && word[len] == '=' ? word + len + 1 : NULL;
}

static void bad_word(const struct player *player, const char *word)
{
	fail_msg("%s:%zu: unknown word: %s", player->file, player->line, word);
}

static void read_message(struct player *player, struct mailbox *mailbox, char **word, size_t count)
{
	struct truth *truth;

	if (strcmp(word[1], "incomplete") == 0) {
		mailbox->incomplete = true;
		return;
	}
	assert_true(mailbox->count < ROWS);
	truth = &mailbox->row[mailbox->count++];
	*truth = (struct truth){ .uid = number(player, word[1]), .size = 100, .date = 1 };
	snprintf(truth->head, sizeof(truth->head), "%s", word[1]);
	for (size_t i = 2; i < count; i++) {
		const char *value;

		if ((value = value_of(word[i], "size")) != NULL)
			truth->size = strcmp(value, "?") == 0 ? UINT32_MAX : number(player, value);
		else if ((value = value_of(word[i], "date")) != NULL)
			truth->date =
				strcmp(value, "?") == 0 ? DATE_UNKNOWN : number(player, value);
		else if ((value = value_of(word[i], "flags")) != NULL)
			truth->flags = read_flags(player, value);
		else if ((value = value_of(word[i], "head")) != NULL)
			snprintf(truth->head, sizeof(truth->head), "%s", value);
		else if ((value = value_of(word[i], "body")) != NULL)
			snprintf(truth->body, sizeof(truth->body), "%s", value);
		else if ((value = value_of(word[i], "skip")) != NULL)
			truth->skip = (uint8_t)number(player, value);
		else if (strcmp(word[i], "noid") == 0)
			truth->no_id = true;
		else
			bad_word(player, word[i]);
	}
	if (truth->body[0] == '\0')
		memcpy(truth->body, truth->head, sizeof(truth->body));
}

static void read_policy(struct player *player, char **word, size_t count)
{
	static const char *const matches[] = { "auto", "message-id", "header", "content" };
	static const char *const updates[] = { "merge", "source", "keep" };
	struct scene *scene = &player->scene;
	struct plan_policy *policy = &scene->policy;

	for (size_t i = 1; i < count; i++) {
		const char *value;

		if ((value = value_of(word[i], "match")) != NULL) {
			for (size_t m = 0; m < countof(matches); m++)
				policy->match = strcmp(matches[m], value) == 0 ? (enum match_by)m
									       : policy->match;
		} else if ((value = value_of(word[i], "flags")) != NULL) {
			for (size_t m = 0; m < countof(updates); m++)
				policy->flags_on_update = strcmp(updates[m], value) == 0
								  ? (enum flags_on_update)m
								  : policy->flags_on_update;
		} else if ((value = value_of(word[i], "add")) != NULL) {
			policy->add = read_flags(player, value);
		} else if ((value = value_of(word[i], "remove")) != NULL) {
			policy->remove = read_flags(player, value);
		} else if ((value = value_of(word[i], "permanent")) != NULL) {
			policy->has_permanent = true;
			policy->permanent = read_flags(player, value);
		} else if ((value = value_of(word[i], "baseline")) != NULL) {
			scene->baseline = number(player, value);
		} else if (strcmp(word[i], "recopy") == 0) {
			policy->recopy = true;
		} else if (strcmp(word[i], "extra") == 0) {
			policy->extra = true;
		} else if (strcmp(word[i], "no-keywords") == 0) {
			policy->no_keywords = true;
		} else if (strcmp(word[i], "any-keyword") == 0) {
			policy->any_keyword = true;
		} else if (strcmp(word[i], "newest-first") == 0) {
			scene->newest_first = true;
		} else {
			bad_word(player, word[i]);
		}
	}
}

static void read_pair(struct player *player, char **word, size_t count)
{
	static const char *const status[] = { "done", "gone-src", "gone-dst", "refused" };
	struct scene *scene = &player->scene;
	size_t pair = scene->pairs++;

	assert_true(count >= 4 && pair < ROWS);
	scene->pair_src[pair] = number(player, word[1]);
	scene->pair_dst[pair] = number(player, word[2]);
	scene->pair_status[pair] = 99;
	for (size_t i = 0; i < countof(status); i++)
		scene->pair_status[pair] =
			strcmp(status[i], word[3]) == 0 ? (uint8_t)i : scene->pair_status[pair];
	assert_int_not_equal(scene->pair_status[pair], 99);
	for (size_t side = 0; side < 2; side++) {
		const char *text = "";

		for (size_t i = 4; i < count; i++) {
			const char *value = value_of(word[i], side == 0 ? "src" : "dst");

			text = value != NULL ? flags_text(player->flags, read_flags(player, value))
					     : text;
		}
		scene->pair_flags[side][pair] = (uint16_t)scene->texts;
		scene->flag_text[scene->texts++] = text;
	}
}

/* Put where the order wants it. */
static void read_grave(struct player *player, char **word, size_t count)
{
	struct scene *scene = &player->scene;
	struct journal_grave grave = { .size = 100 };
	size_t at = scene->graves++;

	assert_true(count >= 2 && at < ROWS);
	grave.header = name_digest("head", word[1]);
	if (count > 2)
		grave.size = number(player, word[2]);
	for (; at > 0 && digest128_compare(scene->grave[at - 1].header, grave.header) > 0; at--)
		scene->grave[at] = scene->grave[at - 1];
	scene->grave[at] = grave;
}

static void read_line(struct player *player, char *line)
{
	struct scene *scene = &player->scene;
	char *word[WORDS], *rest = line, *copy = arena_strdup(player->arena, line);
	size_t count = 0;

	for (char *at = strtok_r(line, " \t\n", &rest); at != NULL && count < WORDS;
		at = strtok_r(NULL, " \t\n", &rest))
		word[count++] = at;
	if (count == 0 || word[0][0] == '#')
		return;
	if (strcmp(word[0], "case") == 0) {
		play(player);
		*scene = (struct scene){ 0 };
		snprintf(scene->name, sizeof(scene->name), "%s", copy + 5);
		player->started = true;
	} else if (strcmp(word[0], "src") == 0) {
		read_message(player, &scene->src, word, count);
	} else if (strcmp(word[0], "dst") == 0) {
		read_message(player, &scene->dst, word, count);
	} else if (strcmp(word[0], "policy") == 0) {
		read_policy(player, word, count);
	} else if (strcmp(word[0], "pair") == 0) {
		read_pair(player, word, count);
	} else if (strcmp(word[0], "grave") == 0) {
		read_grave(player, word, count);
	} else {
		size_t len = strlen(scene->expected);

		for (size_t i = 0; i < count; i++)
			len += (size_t)snprintf(scene->expected + len,
				sizeof(scene->expected) - len, "%s%s", i ? " " : "", word[i]);
		snprintf(scene->expected + len, sizeof(scene->expected) - len, "\n");
	}
}

static size_t play_file(const char *path, size_t *failures)
{
	struct player player = { .file = path, .arena = arena_new(), .flags = flag_table_new() };
	FILE *file = fopen(path, "r");
	char line[1024];
	size_t cases;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		player.line++;
		read_line(&player, line);
	}
	fclose(file);
	play(&player);
	cases = player.cases;
	*failures += player.failures;
	arena_free(player.arena);
	flag_table_free(player.flags);
	return cases;
}

static void test_tables(void **state)
{
	const char *root = getenv("MAILHAUL_SOURCE");
	char path[4096];
	struct dirent *entry;
	size_t files = 0, cases = 0, failures = 0;
	DIR *dir;

	(void)state;
	snprintf(path, sizeof(path), "%s/tests/plan", root != NULL ? root : ".");
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (!span_ends(span_of(entry->d_name), SPAN(".plan")))
			continue;
		snprintf(path, sizeof(path), "%s/tests/plan/%s", root != NULL ? root : ".",
			entry->d_name);
		cases += play_file(path, &failures);
		files++;
	}
	closedir(dir);
	assert_int_equal(failures, 0);
	assert_true(files >= 6);
	assert_true(cases >= 60);
}

/* Random mailboxes. */

static uint64_t random_state;
static bool random_shown; /* MAILHAUL_TEST_SEED alone was given */
static uint32_t random_seed; /* of the world being checked, 0 = none */

static uint32_t pick(uint32_t below)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(random_state >> 33) % below;
}

struct world {
	struct flag_table *flags;
	struct arena *arena;
	struct scene scene;
	uint32_t shift; /* this destination counts so many octets more */
	bool unreadable; /* some message could not be read */
	uint32_t dst_next; /* UIDNEXT */
};

struct journal_row {
	uint32_t src, dst;
	flags_t flags[2];
	uint8_t status;
};

static flags_t random_flags(struct world *world)
{
	static const char *const sets[] = { "", "\\Seen", "\\Seen \\Flagged", "\\Deleted", "$A",
		"\\Seen $A $B", "$C", "\\Draft $B" };

	return flags_parse(world->flags, span_of(sets[pick(countof(sets))]));
}

static void random_truth(struct world *world, struct truth *truth, uint32_t uid)
{
	uint32_t head = pick(5), body = pick(3);

	*truth = (struct truth){ .uid = uid,
		.size = 1000 * (head + 1) + 10 * body,
		.date = pick(3),
		.flags = random_flags(world) };
	truth->no_id = head == 4;
	snprintf(truth->head, sizeof(truth->head), "h%u", head);
	snprintf(truth->body, sizeof(truth->body), "b%u", body);
	if (pick(30) == 0)
		truth->size = UINT32_MAX;
}

static void copy_truth(struct world *world, const struct truth *from, uint32_t uid, flags_t flags)
{
	struct mailbox *dst = &world->scene.dst;
	struct truth *truth = &dst->row[dst->count++];

	assert_true(dst->count <= ROWS);
	*truth = *from;
	truth->uid = uid;
	truth->flags = flags;
	truth->skip = 0;
	if (truth->size != UINT32_MAX)
		truth->size += world->shift;
	if (uid >= world->dst_next)
		world->dst_next = uid + 1;
}

static void set_pair(struct world *world, const struct journal_row *row)
{
	struct scene *scene = &world->scene;
	size_t at = 0;

	while (at < scene->pairs && scene->pair_src[at] < row->src)
		at++;
	if (at == scene->pairs || scene->pair_src[at] != row->src) {
		assert_true(scene->pairs < ROWS);
		for (size_t i = scene->pairs; i > at; i--) {
			scene->pair_src[i] = scene->pair_src[i - 1];
			scene->pair_dst[i] = scene->pair_dst[i - 1];
			scene->pair_status[i] = scene->pair_status[i - 1];
			scene->pair_flags[0][i] = scene->pair_flags[0][i - 1];
			scene->pair_flags[1][i] = scene->pair_flags[1][i - 1];
		}
		scene->pairs++;
	}
	scene->pair_src[at] = row->src;
	scene->pair_dst[at] = row->dst;
	scene->pair_status[at] = row->status;
	for (size_t side = 0; side < 2; side++) {
		size_t text = 0;

		while (text < scene->texts &&
			scene->flag_text[text] != flags_text(world->flags, row->flags[side]))
			text++;
		if (text == scene->texts)
			scene->flag_text[scene->texts++] =
				flags_text(world->flags, row->flags[side]);
		scene->pair_flags[side][at] = (uint16_t)text;
	}
}

/* What an earlier run left behind for a source message. */
static void random_past(struct world *world, const struct truth *src)
{
	struct journal_row row = { .src = src->uid,
		.dst = world->dst_next,
		.flags = { random_flags(world), random_flags(world) } };

	switch (pick(9)) {
	case 0: /* copied */
	case 1:
		copy_truth(
			world, src, world->dst_next, pick(2) ? row.flags[1] : random_flags(world));
		set_pair(world, &row);
		break;
	case 2: /* copied, its UID not told */
		copy_truth(world, src, world->dst_next, row.flags[1]);
		row.dst = 0;
		set_pair(world, &row);
		break;
	case 3: /* copied and not recorded */
		copy_truth(world, src, world->dst_next, row.flags[1]);
		break;
	case 4: /* copied, and deleted by its owner */
		world->dst_next++;
		row.status = pick(2) ? JOURNAL_DONE : JOURNAL_GONE_DST;
		set_pair(world, &row);
		break;
	case 5:
		row.dst = 0;
		row.status = JOURNAL_REFUSED;
		set_pair(world, &row);
		break;
	default:
		break;
	}
}

static void random_world(struct world *world)
{
	struct scene *scene = &world->scene;
	uint32_t uid = 1, count = pick(10);

	*scene = (struct scene){ 0 };
	world->dst_next = 101;
	world->shift = pick(4) == 0 ? 3 : 0;
	scene->policy.flags_on_update = (enum flags_on_update)pick(3);
	scene->policy.recopy = pick(6) == 0;
	scene->policy.extra = pick(3) == 0;
	scene->policy.match = pick(3) == 0 ? MATCH_CONTENT : MATCH_AUTO;
	scene->policy.has_permanent = pick(2);
	scene->policy.permanent = flags_parse(world->flags, SPAN("\\Seen \\Deleted $A"));
	scene->policy.any_keyword = pick(3) == 0;
	for (uint32_t i = 0; i < count; i++) {
		struct truth truth;

		uid += 1 + pick(3);
		random_truth(world, &truth, uid);
		truth.skip = pick(8) == 0 ? SELECT_DATE : SELECT_YES;
		random_past(world, &truth);
		if (pick(8) != 0) /* else the source lost it */
			scene->src.row[scene->src.count++] = truth;
		if (pick(4) == 0) { /* somebody else's, perhaps by chance the same */
			random_truth(world, &truth, 1);
			copy_truth(world, &truth, world->dst_next, truth.flags);
		}
	}
}

static void random_blindness(struct world *world)
{
	struct mailbox *mailboxes[] = { &world->scene.src, &world->scene.dst };

	world->unreadable = false;
	if (pick(3) != 0)
		return;
	for (size_t m = 0; m < countof(mailboxes); m++) {
		for (size_t i = 0; i < mailboxes[m]->count; i++) {
			if (pick(10) != 0)
				continue;
			world->unreadable = true;
			/* What is true stays known to the checks: the names begin with '?'. */
			mailboxes[m]->row[i].skip |= pick(2) ? 0x40 : 0x80;
		}
	}
}

/* As reveal(), but blindness is in the high bits of skip. */
static void reveal_random(struct world *world, struct snapshot *into, const struct mailbox *mailbox,
	const struct uidset *uids, bool content)
{
	struct mailbox seen = *mailbox;

	(void)world;
	for (size_t i = 0; i < seen.count; i++) {
		if (seen.row[i].skip & (content ? 0x80 : 0x40))
			snprintf(content ? seen.row[i].body : seen.row[i].head,
				sizeof(seen.row[i].body), "?");
	}
	reveal(into, &seen, uids, content);
}

struct result {
	struct plan *plan;
	bool asked;
};

static struct result run_plan(struct world *world)
{
	struct scene *scene = &world->scene;
	struct journal_pairs pairs = { scene->pairs, scene->pair_src, scene->pair_dst,
		scene->pair_flags[0], scene->pair_flags[1], scene->pair_status, NULL,
		scene->flag_text, scene->texts, NULL };
	struct snapshot src, dst;
	uint8_t reason[ROWS];
	struct plan_input input = { world->flags, &src, &dst, reason, NULL, &pairs, NULL, 0,
		&scene->policy, scene->baseline };
	struct uidset src_set, dst_set;
	struct result result = { 0 };

	for (size_t i = 0; i < scene->src.count; i++)
		reason[i] = scene->src.row[i].skip & 0x3f;
	fill(&src, &scene->src);
	fill(&dst, &scene->dst);
	result.plan = plan_new(&input);
	while (plan_wants_digests(result.plan, world->arena, &src_set, &dst_set)) {
		result.asked = true;
		reveal_random(world, &src, &scene->src, &src_set, false);
		reveal_random(world, &dst, &scene->dst, &dst_set, false);
		plan_by_digest(result.plan);
	}
	if (plan_wants_content(result.plan, world->arena, &src_set, &dst_set)) {
		reveal_random(world, &src, &scene->src, &src_set, true);
		reveal_random(world, &dst, &scene->dst, &dst_set, true);
		plan_by_content(result.plan);
	}
	plan_finish(result.plan, false);
	snapshot_release(&src);
	snapshot_release(&dst);
	return result;
}

static bool same_message(const struct truth *a, const struct truth *b)
{
	return strcmp(a->head, b->head) == 0 && strcmp(a->body, b->body) == 0;
}

static bool has_pair(const struct scene *scene, uint32_t src, uint32_t dst)
{
	for (size_t i = 0; i < scene->pairs; i++) {
		if (scene->pair_src[i] == src && scene->pair_dst[i] == dst)
			return true;
	}
	return false;
}

/* Whether a recorded pair points at this destination message. */
static bool is_recorded(const struct scene *scene, uint32_t dst)
{
	for (size_t i = 0; i < scene->pairs; i++) {
		if (scene->pair_dst[i] == dst)
			return true;
	}
	return false;
}

/* Source messages that are the same and of which nobody can say whether they are at the destination. */
static size_t count_undecided(
	const struct scene *scene, const struct plan *plan, const struct truth *same)
{
	size_t count = 0;

	for (size_t i = 0; i < plan_count(plan); i++) {
		const struct plan_action *action = plan_action(plan, i);
		bool undecided = action->kind == PLAN_UNKNOWN ||
				 (action->kind == PLAN_KEEP && action->dst_uid == 0);

		count += undecided && same_message(find_truth(&scene->src, action->src_uid), same);
	}
	return count;
}

/*
 * No message copied or given up while one that is the same stands at the destination and belongs to nobody, nor can belong to one that is
 * undecided.
 */
static void check_missing(const struct world *world, const struct plan *plan, const bool *taken,
	const struct plan_action *action)
{
	const struct scene *scene = &world->scene;
	const struct truth *src = find_truth(&scene->src, action->src_uid);
	size_t count = 0;

	for (size_t i = 0; i < scene->dst.count; i++) {
		const struct truth *dst = &scene->dst.row[i];

		if (taken[i] || !same_message(src, dst))
			continue;
		/* Where sizes are no evidence and nothing shows it, an orphan or what cannot be read is not found: doc of plan_ask.c. */
		if (world->shift > 0 &&
			(is_recorded(scene, dst->uid) || (dst->skip & 0x40) || (src->skip & 0x40)))
			continue;
		count++;
	}
	if (count > count_undecided(scene, plan, src))
		fail_msg("message %u is %s, and one at the destination is the same",
			action->src_uid, plan_kind_name(action->kind));
}

/* Nothing is extra that is what a source message is, unless that one has another or gets one. */
static void check_extra(const struct world *world, const struct plan *plan, const bool *taken,
	const struct plan_action *action)
{
	const struct scene *scene = &world->scene;
	const struct truth *dst = find_truth(&scene->dst, action->dst_uid);

	assert_true(scene->policy.extra);
	assert_false(taken[dst - scene->dst.row]);
	for (size_t i = 0; i < plan_count(plan); i++) {
		const struct plan_action *other = plan_action(plan, i);
		const struct truth *src = find_truth(&scene->src, other->src_uid);

		assert_int_not_equal(other->kind, PLAN_UNKNOWN);
		if (src != NULL && same_message(src, dst))
			assert_true(other->dst_uid != 0 || other->kind == PLAN_COPY);
	}
}

static void check_plan(const struct world *world, const struct plan *plan)
{
	const struct scene *scene = &world->scene;
	bool taken[ROWS] = { false }, adopted[ROWS] = { false };
	size_t rows = 0;

	for (size_t i = 0; i < plan_count(plan); i++) {
		const struct plan_action *action = plan_action(plan, i);
		const struct truth *src = find_truth(&scene->src, action->src_uid),
				   *dst = find_truth(&scene->dst, action->dst_uid);

		rows += src != NULL;
		assert_int_equal(
			src == NULL, action->kind == PLAN_GONE_SRC || action->kind == PLAN_EXTRA);
		if (dst == NULL || src == NULL)
			continue;
		taken[dst - scene->dst.row] = true;
		if (action->kind != PLAN_ADOPT)
			continue;
		assert_false(adopted[dst - scene->dst.row]);
		adopted[dst - scene->dst.row] = true;
		assert_string_equal(src->head, dst->head);
		if (action->proof != PROOF_RECORD)
			assert_true(same_message(src, dst));
	}
	assert_int_equal(rows, scene->src.count);
	for (size_t i = 0; i < plan_count(plan); i++) {
		const struct plan_action *action = plan_action(plan, i);

		if (action->kind == PLAN_COPY ||
			(action->kind == PLAN_GONE_DST && has_pair(scene, action->src_uid, 0)))
			check_missing(world, plan, taken, action);
		if (action->kind == PLAN_EXTRA)
			check_extra(world, plan, taken, action);
		if (action->kind == PLAN_UNKNOWN)
			assert_true(world->unreadable);
	}
}

enum applied { APPLY_ALL, APPLY_KILLED };

static void apply(struct world *world, const struct plan *plan, enum applied how)
{
	struct scene *scene = &world->scene;

	scene->baseline = how == APPLY_KILLED ? world->dst_next : 0;
	for (size_t i = 0; i < plan_count(plan); i++) {
		const struct plan_action *action = plan_action(plan, i);
		struct journal_row row = { action->src_uid, action->dst_uid,
			{ action->src_flags, action->dst_flags }, JOURNAL_DONE };
		struct truth *dst =
			(struct truth *)(uintptr_t)find_truth(&scene->dst, action->dst_uid);
		uint32_t fate = how == APPLY_KILLED ? pick(4) : 0;

		if (action->flags)
			dst->flags = action->dst_flags;
		if (action->kind == PLAN_EXTRA) {
			if (how == APPLY_ALL)
				*dst = scene->dst.row[--scene->dst.count];
		} else if (action->kind == PLAN_GONE_SRC || action->kind == PLAN_GONE_DST) {
			for (size_t pair = 0; pair < scene->pairs && action->record; pair++) {
				if (scene->pair_src[pair] == action->src_uid)
					scene->pair_status[pair] = action->kind == PLAN_GONE_SRC
									   ? JOURNAL_GONE_SRC
									   : JOURNAL_GONE_DST;
			}
		} else if (action->kind == PLAN_COPY) {
			if (fate == 3) /* not sent any more */
				continue;
			row.dst = fate == 1 ? 0 : world->dst_next;
			copy_truth(world, find_truth(&scene->src, action->src_uid), world->dst_next,
				action->dst_flags);
			if (fate != 2) /* stored, and the record lost */
				set_pair(world, &row);
		} else if (action->record) {
			set_pair(world, &row);
		}
	}
}

static void show_mailbox(const char *side, const struct mailbox *mailbox)
{
	for (size_t i = 0; i < mailbox->count; i++)
		print_message("%s %u head=%s body=%s size=%u skip=%#x\n", side, mailbox->row[i].uid,
			mailbox->row[i].head, mailbox->row[i].body, mailbox->row[i].size,
			mailbox->row[i].skip);
}

/* For somebody who looks at one seed. */
static void show(const struct world *world, const struct plan *plan)
{
	const struct scene *scene = &world->scene;
	struct out out = { .len = 0 };

	if (!random_shown)
		return;
	print_message("match=%d flags=%d recopy=%d shift=%u baseline=%u\n", scene->policy.match,
		scene->policy.flags_on_update, scene->policy.recopy, world->shift, scene->baseline);
	show_mailbox("src", &scene->src);
	show_mailbox("dst", &scene->dst);
	for (size_t i = 0; i < scene->pairs; i++)
		print_message("pair %u %u status %u\n", scene->pair_src[i], scene->pair_dst[i],
			scene->pair_status[i]);
	for (size_t i = 0; i < plan_count(plan); i++)
		put_action(&out, world->flags, plan_action(plan, i));
	print_message("%s\n", out.text);
}

/* Nothing left to do. Where something could not be read, what was unknown may be decided now that others are out of the way. */
static void check_settled(struct world *world)
{
	struct result second = run_plan(world);
	size_t undecided = 0;

	show(world, second.plan);
	check_plan(world, second.plan);
	for (size_t i = 0; i < plan_count(second.plan) && !world->unreadable; i++) {
		const struct plan_action *action = plan_action(second.plan, i);

		assert_true(action->kind != PLAN_COPY && action->kind != PLAN_ADOPT &&
			    action->kind != PLAN_EXTRA);
		assert_false(action->flags);
		assert_false(action->record);
		undecided += action->kind == PLAN_KEEP && action->dst_uid == 0;
	}
	/* What is left out by options is compared with what may be extra each time. */
	if (undecided == 0 && !world->unreadable && !world->scene.policy.extra)
		assert_false(second.asked);
	plan_free(second.plan);
}

/* Order of the destination's messages by what they are. */
static int compare_truths(const void *a, const void *b)
{
	const struct truth *x = a, *y = b;
	int order = strcmp(x->head, y->head);

	return order != 0 ? order : strcmp(x->body, y->body);
}

static void check_same(const struct mailbox *a, const struct mailbox *b)
{
	struct mailbox x = *a, y = *b;

	assert_int_equal(x.count, y.count);
	qsort(x.row, x.count, sizeof(*x.row), compare_truths);
	qsort(y.row, y.count, sizeof(*y.row), compare_truths);
	for (size_t i = 0; i < x.count; i++)
		assert_int_equal(compare_truths(&x.row[i], &y.row[i]), 0);
}

/* One world: carried out, and nothing left to do; or killed in the middle again and again, and the same in the end. */
static void check_world(struct world *world)
{
	struct world whole;
	struct result first;
	bool orphans = false; /* whose size is no evidence at first */

	random_world(world);
	random_blindness(world);
	for (size_t i = 0; i < world->scene.pairs; i++)
		orphans |= find_truth(&world->scene.src, world->scene.pair_src[i]) == NULL;
	first = run_plan(world);
	show(world, first.plan);
	check_plan(world, first.plan);
	whole = *world;
	apply(&whole, first.plan, APPLY_ALL);
	check_settled(&whole);
	plan_free(first.plan);
	for (int kills = 0; kills < 3; kills++) {
		first = run_plan(world);
		show(world, first.plan);
		check_plan(world, first.plan);
		apply(world, first.plan, kills < 2 ? APPLY_KILLED : APPLY_ALL);
		plan_free(first.plan);
	}
	check_settled(world);
	if (!world->unreadable && !(world->shift > 0 && orphans))
		check_same(&whole.scene.dst, &world->scene.dst);
}

static void test_random(void **state)
{
	const char *seed = getenv("MAILHAUL_TEST_SEED"), *count = getenv("MAILHAUL_TEST_COUNT");
	struct world world = { .flags = flag_table_new(), .arena = arena_new() };
	uint32_t first = 1, worlds = 3000;

	(void)state;
	if (seed != NULL)
		assert_true(span_u32(span_of(seed), &first));
	if (count != NULL)
		assert_true(span_u32(span_of(count), &worlds));
	random_shown = seed != NULL && count == NULL;
	if (random_shown)
		worlds = 1;
	for (uint32_t i = 0; i < worlds; i++) {
		random_state = first + i;
		pick(2);
		random_seed = first + i;
		check_world(&world);
		arena_clear(world.arena);
	}
	random_seed = 0;
	arena_free(world.arena);
	flag_table_free(world.flags);
}

static int say_seed(void **state)
{
	(void)state;
	if (random_seed != 0)
		print_error("again: MAILHAUL_TEST_SEED=%u\n", random_seed);
	return 0;
}

/* Many messages. */

#define MANY 100000

struct many {
	struct flag_table *flags;
	struct arena *arena;
	struct snapshot src, dst;
	struct plan_policy policy;
	struct plan *plan;
};

enum likeness { ALL_DIFFERENT, ALL_IDENTICAL };

static void fill_many(
	struct snapshot *snapshot, enum likeness likeness, uint32_t first_uid, uint32_t step)
{
	snapshot_init(snapshot, true);
	snapshot_want_content(snapshot);
	for (uint32_t i = 0; i < MANY; i++) {
		size_t row = snapshot_add(snapshot, first_uid + i);
		uint32_t number =
			likeness == ALL_IDENTICAL ? 7 : (uint32_t)(i * (uint64_t)step % MANY);

		snapshot->flags[row] = number % 32;
		snapshot->instant[row] = number;
		snapshot->size[row] = number;
		snapshot->attr[row] =
			SNAPSHOT_HAS_DIGEST | SNAPSHOT_HAS_MESSAGE_ID | SNAPSHOT_HAS_CONTENT;
		snapshot->digest[row].word[0] = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
		snapshot->digest[row].word[1] = number;
		snapshot->content[row] = snapshot->digest[row];
	}
	snapshot_finish(snapshot, true);
}

static void plan_many(enum likeness likeness, struct journal_pairs *pairs, size_t expected_adopted,
	const char *what)
{
	struct many many = { .flags = flag_table_new(), .arena = arena_new() };
	struct plan_input input = { many.flags, &many.src, &many.dst, NULL, NULL, pairs, NULL, 0,
		&many.policy, 0 };
	struct uidset src_set, dst_set;
	size_t adopted = 0;
	int64_t start;

	fill_many(&many.src, likeness, 1, 1);
	fill_many(&many.dst, likeness, 500000, 77773); /* in another order */
	start = clock_us();
	many.plan = plan_new(&input);
	assert_false(plan_wants_digests(many.plan, many.arena, &src_set, &dst_set)); /* all known */
	assert_false(plan_wants_content(many.plan, many.arena, &src_set, &dst_set));
	plan_finish(many.plan, false);
	print_message("%s: %d x %d in %lld ms\n", what, MANY, MANY,
		(long long)(clock_us() - start) / 1000);
	assert_int_equal(plan_count(many.plan), MANY);
	for (size_t i = 0; i < MANY; i++)
		adopted += plan_action(many.plan, i)->kind == PLAN_ADOPT;
	assert_int_equal(adopted, expected_adopted);
	plan_free(many.plan);
	snapshot_release(&many.src);
	snapshot_release(&many.dst);
	arena_free(many.arena);
	flag_table_free(many.flags);
}

/* No quadratic behaviour: the test would not end in time. */
static void test_many(void **state)
{
	static uint32_t src_uid[MANY], dst_uid[MANY];
	static uint16_t flags[MANY];
	static uint8_t status[MANY];
	const char *text[] = { "\\Seen" };
	struct journal_pairs pairs = { MANY, src_uid, dst_uid, flags, flags, status, NULL, text, 1,
		NULL };

	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		src_uid[i] = i + 1;
		dst_uid[i] = 500000 + (uint32_t)(i * UINT64_C(77773) % MANY);
	}
	plan_many(ALL_DIFFERENT, NULL, MANY, "by digest");
	plan_many(ALL_IDENTICAL, NULL, MANY, "by content, all identical");
	plan_many(ALL_DIFFERENT, &pairs, 0, "by record");
}

/* --match header: what no named header tells apart is told apart by content (mail/header.c's digests of nothing). */
static void test_nothing(void **state)
{
	static const char *const names[] = { "X-Id", "X-Other", "X-Third" };
	static const char *const messages[] = { "Subject: a\r\n\r\nx",
		"X-Id:\r\nX-Other:  \r\nX-Third:\r\n\r\nx" };

	(void)state;
	for (size_t m = 0; m < countof(messages); m++) {
		for (size_t count = 1; count <= countof(names); count++) {
			struct header_scan *scan = header_scan_new_fields(false, names, count);
			struct header_facts facts;
			struct flag_table *flags = flag_table_new();
			struct arena *arena = arena_new();
			struct plan_policy policy = { .match = MATCH_HEADER };
			struct snapshot src, dst;
			struct plan_input input = { flags, &src, &dst, NULL, NULL, NULL, NULL, 0,
				&policy, 0 };
			struct uidset src_set, dst_set;
			struct plan *plan;

			header_scan_add(scan, span_of(messages[m]));
			header_scan_end(scan, &facts);
			snapshot_init(&src, true);
			snapshot_init(&dst, true);
			snapshot_add(&src, 1);
			snapshot_add(&dst, 2);
			src.digest[0] = dst.digest[0] = facts.header;
			src.attr[0] = dst.attr[0] = SNAPSHOT_HAS_DIGEST;
			snapshot_finish(&src, true);
			snapshot_finish(&dst, true);
			plan = plan_new(&input);
			assert_false(plan_wants_digests(plan, arena, &src_set, &dst_set));
			assert_true(plan_wants_content(plan, arena, &src_set, &dst_set));
			plan_free(plan);
			snapshot_release(&src);
			snapshot_release(&dst);
			header_scan_free(scan);
			arena_free(arena);
			flag_table_free(flags);
		}
	}
}

/* A caller that leaves out what was asked for gets no copies for it. */
static void test_unasked(void **state)
{
	struct flag_table *flags = flag_table_new();
	struct plan_policy policy = { 0 };
	struct snapshot src, dst;
	struct plan_input input = { flags, &src, &dst, NULL, NULL, NULL, NULL, 0, &policy, 0 };
	struct plan *plan;

	(void)state;
	snapshot_init(&src, false);
	snapshot_init(&dst, false);
	snapshot_add(&src, 1);
	snapshot_add(&dst, 2);
	snapshot_finish(&src, true);
	snapshot_finish(&dst, true);
	plan = plan_new(&input);
	plan_finish(plan, false);
	assert_int_equal(plan_count(plan), 1);
	assert_int_equal(plan_action(plan, 0)->kind, PLAN_UNKNOWN);
	assert_int_equal(plan_copies(plan), 0);
	plan_free(plan);
	plan_free(NULL);
	snapshot_release(&src);
	snapshot_release(&dst);
	flag_table_free(flags);
}

static void test_merge(void **state)
{
	struct snapshot into, from;
	struct digest128 a = { { 1, 2 } }, b = { { 3, 4 } };

	(void)state;
	snapshot_init(&into, false);
	snapshot_init(&from, true);
	snapshot_want_content(&from);
	for (uint32_t uid = 1; uid <= 4; uid++)
		snapshot_add(&into, uid);
	for (uint32_t uid = 3; uid <= 9; uid += 2) {
		size_t row = snapshot_add(&from, uid);

		from.digest[row] = a;
		from.content[row] = b;
		from.attr[row] =
			SNAPSHOT_HAS_DIGEST | SNAPSHOT_HAS_CONTENT | SNAPSHOT_HAS_MESSAGE_ID;
	}
	snapshot_finish(&into, true);
	snapshot_finish(&from, true);
	snapshot_merge(&into, &from);
	assert_int_equal(into.count, 4);
	assert_int_equal(
		into.attr[2], SNAPSHOT_HAS_DIGEST | SNAPSHOT_HAS_CONTENT | SNAPSHOT_HAS_MESSAGE_ID);
	assert_true(digest128_equal(into.digest[2], a));
	assert_true(digest128_equal(into.content[2], b));
	assert_int_equal(into.attr[1], 0);
	from.digest[0] = b; /* by other headers */
	from.content[0] = a;
	snapshot_merge(&into, &from);
	assert_true(digest128_equal(into.digest[2], a));
	assert_true(digest128_equal(into.content[2], a));
	snapshot_release(&into);
	snapshot_release(&from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test_teardown(test_random, say_seed),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_unasked),
		cmocka_unit_test(test_merge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
