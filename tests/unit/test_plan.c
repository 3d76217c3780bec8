/* Plans: tables of cases (tests/plan); many messages at once; what a policy leaves unasked. */
#include "plan_fixture.h"

#include <dirent.h>

#define WORDS 24

struct player {
	const char *file;
	size_t line;
	struct arena *arena;
	struct flag_table *flags;
	struct scene scene;
	bool started;
	size_t cases, failures;
};

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
		scene->pair_flags[0], scene->pair_flags[1], scene->pair_status, scene->pair_size,
		scene->flag_text, scene->texts, NULL };
	struct plan_input input = { player->flags, &src, &dst, reason, dst_reason, &pairs,
		scene->grave, scene->graves, &scene->policy, scene->baseline, scene->hidden };
	const struct journal_view now = { .seen = 1000, .src_uidnext = 500, .time = 50 };
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
	plan_see(plan, &now);
	snapshot_forget_digests(&src);
	snapshot_forget_digests(&dst);
	plan_finish(plan, scene->newest_first);
	if (scene->hidden.below)
		put(&out, "view %u %u %u %d\n", plan_view(plan)->seen, plan_view(plan)->src_uidnext,
			plan_view(plan)->clean, (int)plan_view(plan)->time);
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
	for (size_t i = 4; i < count; i++)
		if (value_of(word[i], "size"))
			scene->pair_size[pair] = number(player, value_of(word[i], "size"));
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

static void read_hidden(struct player *player, char **word, size_t count)
{
	struct plan_hidden *hidden = &player->scene.hidden;

	hidden->below = number(player, word[1]);
	for (size_t i = 2; i < count; i++) {
		const char *value;

		if ((value = value_of(word[i], "seen")) != NULL)
			hidden->view.seen = number(player, value);
		else if ((value = value_of(word[i], "uidnext")) != NULL)
			hidden->view.src_uidnext = number(player, value);
		else if ((value = value_of(word[i], "clean")) != NULL)
			hidden->view.clean = number(player, value);
		else if ((value = value_of(word[i], "time")) != NULL)
			hidden->view.time = number(player, value);
		else if (strcmp(word[i], "same") == 0)
			hidden->same_selection = true;
		else
			bad_word(player, word[i]);
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
	} else if (strcmp(word[0], "hidden") == 0) {
		read_hidden(player, word, count);
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
		&many.policy, 0, { 0 } };
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
				&policy, 0, { 0 } };
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
	struct plan_input input = { flags, &src, &dst, NULL, NULL, NULL, NULL, 0, &policy, 0,
		{ 0 } };
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
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_unasked),
		cmocka_unit_test(test_merge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
