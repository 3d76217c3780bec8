/* Codes, and rows of users. */
#include "cli/compared_parts.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/printer.h"
#include "cli/progress.h"
#include "ops/report.h"
#include "store/users.h"

struct compared *compared_new(void)
{
	struct compared *compared = mem_alloc(sizeof(*compared));

	compared->arena = arena_new();
	pthread_mutex_init(&compared->lock, NULL);
	return compared;
}

void compared_free(struct compared *compared)
{
	if (!compared)
		return;
	pthread_mutex_destroy(&compared->lock);
	arena_free(compared->arena);
	mem_free(compared);
}

const char *compared_state_name(enum comparison_state state)
{
	static const char *const names[] = { [COMPARISON_EQUAL] = "equal",
		[COMPARISON_DIFFERS] = "different",
		[COMPARISON_UNKNOWN] = "unknown" };

	return names[state];
}

const char *compared_kind_name(enum difference_kind kind)
{
	static const char *const names[] = { [DIFFERENCE_MISSING] = "missing",
		[DIFFERENCE_EXTRA] = "extra",
		[DIFFERENCE_DOUBLED] = "doubled",
		[DIFFERENCE_IN] = "differs",
		[DIFFERENCE_UNKNOWN] = "unknown" };

	return names[kind];
}

static void add_row(struct compared *compared, const struct compared_row *row)
{
	struct compared_row *kept;

	if (compared->count == compared->room) {
		const size_t room = compared->room ? 2 * compared->room : 64;

		compared->row = arena_grow(
			compared->arena, compared->row, compared->room, room, sizeof(*row));
		compared->room = room;
	}
	kept = &compared->row[compared->count++];
	*kept = *row;
	kept->user = arena_strdup(compared->arena, row->user);
	kept->text = arena_strdup(compared->arena, row->text);
}

/* Something wrong counts before something different; what is unknown is wrong. */
static int code_of(const struct comparison_other *other)
{
	const int code = other->state == COMPARISON_EQUAL     ? EXIT_DONE
			 : other->state == COMPARISON_DIFFERS ? EXIT_DIFFERS
							      : EXIT_SOME_FAILED;

	return other->code > code ? other->code : code;
}

static const char *why_unknown(const struct comparison_other *other)
{
	if (other->text)
		return other->text;
	for (size_t i = 0; i < other->boxes; i++)
		if (other->box[i]->text)
			return other->box[i]->text;
	return NULL;
}

static void log_trouble(const struct comparison_other *other)
{
	if (other->text)
		log_error("%s", other->text);
	for (size_t i = 0; i < other->boxes; i++)
		if (other->box[i]->text)
			log_error("%s", other->box[i]->text);
}

static int by_place(const void *x, const void *y)
{
	const struct comparison_difference *a = x, *b = y;
	const bool mailboxes = a->mailbox && b->mailbox;
	const int names = mailboxes ? strcmp(a->mailbox, b->mailbox) : !a->mailbox - !b->mailbox;
	const uint32_t a_uid = a->what.a_uid ? a->what.a_uid : a->what.b_uid;
	const uint32_t b_uid = b->what.a_uid ? b->what.a_uid : b->what.b_uid;

	return names ? names : (a_uid > b_uid) - (a_uid < b_uid);
}

/* As they stand in the mailboxes; what only the other has comes last. */
static void sort_differences(const struct comparison_other *other)
{
	for (size_t i = 0; i < other->boxes; i++)
		if (other->box[i]->differences > 1)
			qsort(other->box[i]->difference, other->box[i]->differences,
				sizeof(struct comparison_difference), by_place);
}

int compared_show(struct compared *compared, const struct cli *cli,
	const struct comparison *comparison, const struct comparison_manifest *manifests)
{
	int code;

	if (cli->compare.show_ids)
		for (size_t k = 0; k < comparison_count(comparison); k++)
			sort_differences(comparison_other(comparison, k));
	pthread_mutex_lock(&compared->lock);
	progress_hide();
	code = compared_manifests_show(cli, comparison, manifests);
	for (size_t k = 0; k < comparison_count(comparison); k++) {
		const struct comparison_other *other = comparison_other(comparison, k);
		const int one = code_of(other);

		log_trouble(other);
		code = one > code ? one : code;
		if (cli->user)
			add_row(compared, &(struct compared_row){ .user = cli->user->name,
						  .text = why_unknown(other),
						  .total = other->total,
						  .state = other->state });
	}
	if (print_json_wanted())
		compared_print_json(cli, comparison);
	compared_print_text(cli, comparison);
	progress_show();
	pthread_mutex_unlock(&compared->lock);
	return code;
}

int compared_fail(struct compared *compared, const struct cli *cli, const struct err *err)
{
	log_error("%s", err->text);
	pthread_mutex_lock(&compared->lock);
	add_row(compared,
		&(struct compared_row){
			.user = cli->user->name, .text = err->text, .state = COMPARISON_UNKNOWN });
	pthread_mutex_unlock(&compared->lock);
	return report_err_code(err);
}

void compared_end(struct compared *compared, const struct cli *cli)
{
	compared_print_rows(compared, cli);
}
