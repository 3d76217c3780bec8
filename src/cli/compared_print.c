/* The same for people. */
#include "base/buf.h"
#include "base/text.h"
#include "cli/compared_parts.h"
#include "cli/printer.h"
#include "store/users.h"

#define NAME_COLUMNS_MAX 40
#define LINE_MAX_BYTES (1u << 20)

struct shown {
	const struct cli *cli;
	struct arena *arena;
	const char *first;
	bool both;
};

static const char *number(struct arena *arena, uint64_t value)
{
	return value ? text_count(arena, value) : "-";
}

static const char *name_of(const struct comparison_box *box)
{
	return box->a ? box->a : box->b;
}

/* Text mode lists what differs; all of it with -v. */
static bool is_listed(const struct shown *shown, const struct comparison_box *box)
{
	return shown->cli->verbose > 0 || box->state != COMPARISON_EQUAL;
}

static const char *note(const struct shown *shown, const struct comparison_box *box)
{
	if (box->text)
		return text_harmless_copy(shown->arena, span_of(box->text));
	if (!box->b_there)
		return box->state == COMPARISON_UNKNOWN
			       ? "not listed there, and the listing is not complete"
			       : "no such mailbox there";
	if (!box->a_there)
		return "only there";
	if (box->raw)
		return arena_print(shown->arena, "is called \"%s\" there",
			text_harmless_copy(shown->arena, span_of(box->raw)));
	if (strcmp(box->a, box->b) != 0)
		return arena_print(
			shown->arena, "with %s", text_harmless_copy(shown->arena, span_of(box->b)));
	return NULL;
}

static void print_box(const struct shown *shown, const struct comparison_box *box, int width)
{
	const struct compare_result *result = &box->result;
	const char *text = note(shown, box);
	struct arena *arena = shown->arena;

	print_column(name_of(box), width, arena);
	if (box->text)
		print(" %9s %9s %8s %8s %8s %8s %8s", "?", "?", "?", "?", "?", "?", "?");
	else
		print(" %9s %9s %8s %8s %8s %8s %8s", number(arena, result->a),
			number(arena, result->b), number(arena, result->missing),
			number(arena, result->doubled), number(arena, result->extra),
			number(arena, result->differing), number(arena, result->unknown));
	print("%s%s\n", text ? "  " : "", text ? text : "");
}

static void print_table(const struct shown *shown, const struct comparison_other *other)
{
	size_t width = strlen("mailbox"), listed = 0;

	for (size_t i = 0; i < other->boxes; i++) {
		if (!is_listed(shown, other->box[i]))
			continue;
		const size_t columns = print_width(name_of(other->box[i]), shown->arena);

		width = columns > width ? columns : width;
		listed++;
	}
	if (listed == 0)
		return;
	width = width > NAME_COLUMNS_MAX ? NAME_COLUMNS_MAX : width;
	print_column("mailbox", (int)width, shown->arena);
	print(" %9s %9s %8s %8s %8s %8s %8s\n", "first", "other", "missing", "doubled", "extra",
		"differ", "unknown");
	for (size_t i = 0; i < other->boxes; i++)
		if (is_listed(shown, other->box[i]))
			print_box(shown, other->box[i], (int)width);
}

/* ---- messages ---- */

static const char *bits(struct arena *arena, unsigned in)
{
	const char *text = "";

	for (unsigned bit = 0; bit < COMPARE_CHECKS; bit++)
		if (in & (1u << bit))
			text = arena_print(arena, "%s%s%s", text, *text ? ", " : "",
				compare_check_name(1u << bit));
	return text;
}

static const char *harmless(struct arena *arena, const char *text)
{
	return text ? text_harmless_copy(arena, span_of(text)) : "?";
}

static const char *uids(struct arena *arena, const struct difference *what)
{
	if (what->a_uid && what->b_uid)
		return arena_print(
			arena, "%lu/%lu", (unsigned long)what->a_uid, (unsigned long)what->b_uid);
	if (what->a_uid)
		return arena_print(arena, "%lu", (unsigned long)what->a_uid);
	return arena_print(arena, "/%lu", (unsigned long)what->b_uid);
}

static void print_difference(const struct comparison_box *box,
	const struct comparison_difference *difference, struct arena *arena)
{
	const struct comparison_heading *heading = difference->heading;
	const char *in = bits(arena, difference->what.in);
	const char *mailbox = difference->mailbox ? difference->mailbox : box->b;

	print("%s%s%s %s %s", compared_kind_name(difference->what.kind), *in ? " " : "", in,
		harmless(arena, mailbox), uids(arena, &difference->what));
	if (heading)
		print("  %s  %s  %s  %s", harmless(arena, heading->message_id),
			harmless(arena, heading->date), harmless(arena, heading->from),
			harmless(arena, heading->subject));
	print("\n");
}

static void print_differences(const struct shown *shown, const struct comparison_other *other)
{
	struct arena *arena = arena_new();

	for (size_t i = 0; i < other->boxes && shown->cli->compare.show_ids; i++) {
		const struct comparison_box *box = other->box[i];

		for (size_t k = 0; k < box->differences; k++) {
			print_difference(box, &box->difference[k], arena);
			arena_clear(arena);
		}
	}
	arena_free(arena);
}

/* ---- the verdict ---- */

static void add_part(
	struct arena *arena, const char **text, uint64_t value, const char *one, const char *many)
{
	if (value)
		*text = arena_print(arena, "%s%s%s %s", *text, **text ? ", " : "",
			text_count(arena, value), value == 1 ? one : many);
}

/* What makes the two different. */
static const char *differences(const struct shown *shown, const struct comparison_other *other)
{
	const struct compare_result *total = &other->total;
	struct arena *arena = shown->arena;
	const char *text = "", *in = "";

	add_part(arena, &text, other->missing_boxes, "mailbox missing", "mailboxes missing");
	add_part(arena, &text, total->missing, "message missing", "messages missing");
	add_part(arena, &text, total->doubled, "message doubled", "messages doubled");
	if (shown->both) {
		add_part(arena, &text, other->extra_boxes, "mailbox extra", "mailboxes extra");
		add_part(arena, &text, total->extra, "message extra", "messages extra");
	}
	add_part(arena, &text, total->differing, "message differs", "messages differ");
	for (unsigned bit = 0; bit < COMPARE_CHECKS; bit++)
		if (total->in[bit])
			in = arena_print(arena, "%s%s%s in %s", in, *in ? ", " : "",
				text_count(arena, total->in[bit]), compare_check_name(1u << bit));
	return *in ? arena_print(arena, "%s (%s)", text, in) : text;
}

static const char *unknowns(const struct shown *shown, const struct comparison_other *other)
{
	const char *text = "";

	add_part(shown->arena, &text, other->unknown_boxes, "mailbox", "mailboxes");
	add_part(shown->arena, &text, other->total.unknown, "message", "messages");
	add_part(shown->arena, &text, other->left_out[0] + other->left_out[1], "mailbox left out",
		"mailboxes left out");
	return *text ? text : "some mailboxes";
}

/* A proof by fewer headers is weaker, and says so. */
static const char *proof_text(enum match_by match, unsigned proof)
{
	if (proof == PROOF_CONTENT)
		return "by content";
	if (proof == PROOF_RECORD)
		return "by record";
	if (proof == PROOF_ID)
		return "by content id and size";
	switch (match) {
	case MATCH_MESSAGE_ID:
		return proof == PROOF_DIGEST ? "by Message-ID and size" : "by Message-ID alone";
	case MATCH_HEADER:
		return proof == PROOF_DIGEST ? "by the headers named and size"
					     : "by the headers named alone";
	case MATCH_AUTO:
	case MATCH_CONTENT:
		break;
	}
	return proof == PROOF_DIGEST ? "by headers and size" : "by headers alone";
}

static const char *proofs(const struct shown *shown, const struct comparison_other *other)
{
	const char *text = "";

	for (unsigned i = 0; i < PROOFS; i++)
		if (other->total.proved[i])
			text = arena_print(shown->arena, "%s%s%s %s", text, *text ? ", " : "",
				text_count(shown->arena, other->total.proved[i]),
				proof_text(shown->cli->settings.match, i));
	return text;
}

static unsigned all_unchecked(const struct comparison_other *other)
{
	unsigned all = 0;

	for (size_t i = 0; i < other->boxes; i++)
		all |= other->box[i]->unchecked;
	return all;
}

static void print_totals(const struct shown *shown, const struct comparison_other *other)
{
	const char *proved = proofs(shown, other);
	const unsigned unchecked = all_unchecked(other);
	struct arena *arena = shown->arena;

	print("%s mailbox%s, %s message%s at %s, %s at %s\n", text_count(arena, other->boxes),
		other->boxes == 1 ? "" : "es", text_count(arena, other->total.a),
		other->total.a == 1 ? "" : "s", shown->first, text_count(arena, other->total.b),
		account_name(other->account));
	if (*proved)
		print("paired: %s\n", proved);
	if (unchecked)
		print("not checked, because one of the two does not keep it: %s\n",
			bits(arena, unchecked));
	if (!shown->both && (other->total.extra || other->extra_boxes)) {
		const char *text = "";

		add_part(arena, &text, other->extra_boxes, "mailbox", "mailboxes");
		add_part(arena, &text, other->total.extra, "message", "messages");
		print("only at %s: %s (a difference with --both)\n", account_name(other->account),
			text);
	}
}

static void print_verdict(const struct shown *shown, const struct comparison_other *other)
{
	const char *different = differences(shown, other);
	const char *name = account_name(other->account);

	if (other->text) {
		print("UNKNOWN: %s: nothing could be compared\n", name);
		return;
	}
	switch (other->state) {
	case COMPARISON_EQUAL:
		print("%s%s\n", shown->both ? "equal: " : "nothing is missing at ", name);
		break;
	case COMPARISON_DIFFERS:
		print("DIFFERENT: %s: %s\n", name, different);
		break;
	case COMPARISON_UNKNOWN:
		print("UNKNOWN: %s: could not be compared: %s%s%s\n", name, unknowns(shown, other),
			*different ? "; " : "", different);
		break;
	}
}

static void print_other(const struct shown *shown, const struct comparison_other *other, bool alone)
{
	if (!alone)
		print("%s and %s:\n", shown->first, account_name(other->account));
	if (!shown->cli->settings.quiet && !other->text) {
		print_table(shown, other);
		print_differences(shown, other);
		print_totals(shown, other);
	}
	print_verdict(shown, other);
}

void compared_print_text(const struct cli *cli, const struct comparison *comparison)
{
	struct shown shown = { .cli = cli,
		.arena = arena_new(),
		.first = account_name(comparison_first(comparison)),
		.both = cli->compare.both };

	for (size_t k = 0; k < comparison_count(comparison); k++) {
		const struct comparison_other *other = comparison_other(comparison, k);

		/* Of many users only those are shown who need a look. */
		if (cli->user && (cli->settings.quiet ||
					 (other->state == COMPARISON_EQUAL && !cli->verbose)))
			continue;
		if (cli->user)
			print("%s:\n", text_harmless_copy(shown.arena, span_of(cli->user->name)));
		else if (k > 0 && !cli->settings.quiet)
			print("\n");
		print_other(
			&shown, other, cli->settings.quiet || comparison_count(comparison) == 1);
		if (cli->user)
			print("\n");
	}
	arena_free(shown.arena);
}

/* ---- users ---- */

struct sum {
	uint64_t equal, different, unknown;
};

static void print_user(const struct compared_row *row, int width, struct arena *arena)
{
	const struct compare_result *total = &row->total;

	print_column(row->user, width, arena);
	print(" %9s %9s %8s %8s %8s %8s %8s  %s%s%s\n", number(arena, total->a),
		number(arena, total->b), number(arena, total->missing),
		number(arena, total->doubled), number(arena, total->extra),
		number(arena, total->differing), number(arena, total->unknown),
		compared_state_name(row->state), row->text ? ": " : "",
		row->text ? text_harmless_copy(arena, span_of(row->text)) : "");
}

static void print_users(const struct compared *compared)
{
	struct arena *arena = arena_new();
	size_t width = strlen("user");

	for (size_t i = 0; i < compared->count; i++) {
		const size_t columns = print_width(compared->row[i].user, arena);

		width = columns > width ? columns : width;
	}
	width = width > NAME_COLUMNS_MAX ? NAME_COLUMNS_MAX : width;
	print_column("user", (int)width, arena);
	print(" %9s %9s %8s %8s %8s %8s %8s\n", "first", "other", "missing", "doubled", "extra",
		"differ", "unknown");
	for (size_t i = 0; i < compared->count; i++)
		print_user(&compared->row[i], (int)width, arena);
	arena_free(arena);
}

static void print_json_end_of_all(const struct compared *compared, const struct sum *sum)
{
	struct print_json line;
	struct buf buffer;
	struct json *json;

	buf_init(&buffer, LINE_MAX_BYTES);
	json = print_json_begin(&line, &buffer, "total");
	json_key(json, "users");
	json_u64(json, compared->count);
	json_key(json, "equal");
	json_u64(json, sum->equal);
	json_key(json, "different");
	json_u64(json, sum->different);
	json_key(json, "unknown");
	json_u64(json, sum->unknown);
	print_json_end(&line);
	buf_release(&buffer);
}

static int by_user(const void *x, const void *y)
{
	const struct compared_row *a = x, *b = y;

	return strcmp(a->user, b->user);
}

void compared_print_rows(const struct compared *compared, const struct cli *cli)
{
	struct sum sum = { 0 };

	if (compared->count > 1)
		qsort(compared->row, compared->count, sizeof(*compared->row), by_user);
	for (size_t i = 0; i < compared->count; i++) {
		sum.equal += compared->row[i].state == COMPARISON_EQUAL;
		sum.different += compared->row[i].state == COMPARISON_DIFFERS;
		sum.unknown += compared->row[i].state == COMPARISON_UNKNOWN;
	}
	if (print_json_wanted())
		print_json_end_of_all(compared, &sum);
	if (!cli->settings.quiet)
		print_users(compared);
	print("%zu users: %llu %s, %llu different, %llu unknown\n", compared->count,
		(unsigned long long)sum.equal, cli->compare.both ? "equal" : "with nothing missing",
		(unsigned long long)sum.different, (unsigned long long)sum.unknown);
}
