/* One visit makes the target and looks at what is in it; then each mailbox with something found is visited once more. */
#include "cli/found_act.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/printer.h"
#include "mail/mailbox_name.h"
#include "ops/relocate.h"
#include "ops/report.h"
#include "ops/there.h"
#include "ops/walk.h"

struct acting {
	const struct cli *cli;
	struct walk *walk;
	const struct walk_place *first; /* the visit that makes the target */
	const char *target; /* what it is really called; NULL = only flags */
	struct snapshot there; /* what it holds before the first copy, with digests */
	bool looked;
	bool ready;
	bool changed; /* its name had to be escaped */
	struct arena *arena;
};

static struct found_place *place_of(const struct walk_place *place)
{
	return place->data;
}

static const char *target_of(const struct cli *cli)
{
	return cli->search.copy_to ? cli->search.copy_to : cli->search.move_to;
}

bool found_act_wanted(const struct cli *cli)
{
	return cli->settings.add_flags || target_of(cli);
}

int found_act_check(const struct cli *cli, const struct walk *walk, struct err *err)
{
	const struct relocation work = { .copy = cli->search.copy_to != NULL,
		.expunge_all = cli->settings.expunge_all };
	const unsigned caps = walk_caps(walk);

	if (cli->settings.add_flags && !(caps & STORE_CAP_FLAGS))
		return err_set_kind(
			err, ERR_ACCOUNT, ERR_KIND_USAGE, "--add-flags: this place keeps no flags");
	return target_of(cli) ? relocate_check(caps, &work, err) : 0;
}

/* ---- the target ---- */

static bool is_target(const struct acting *acting, const struct walk_place *place)
{
	const char *name = place->info->name;

	return strcmp(name, acting->target) == 0 ||
	       (mailbox_is_inbox(name) && mailbox_is_inbox(acting->target));
}

static bool has_work(const struct acting *acting, const struct walk_place *place)
{
	const struct found_place *of = place_of(place);

	if (acting->cli->settings.add_flags && !of->flagged && of->uids.count > 0)
		return true;
	return acting->target && of->left.count > 0 && !is_target(acting, place);
}

static bool wants(void *context, const struct walk_place *place)
{
	return has_work(context, place);
}

static bool wants_first(void *context, const struct walk_place *place)
{
	return place == ((const struct acting *)context)->first;
}

static int create_target(struct acting *acting, struct walk_visit *visit, struct err *err)
{
	struct store_preparation one = { .name = acting->target,
		.create = true,
		.subscribe = store_caps(visit->store) & STORE_CAP_SUBSCRIBE };
	const struct mailbox_style style = store_style(visit->store);

	if (store_prepare(visit->store, &one, 1, err) < 0)
		return err_wrap(err, "creating mailbox %s", acting->target);
	if (!one.created) {
		*err = one.err;
		err_wrap(err, "creating mailbox %s", acting->target);
		return err->scope > ERR_ACCOUNT ? -1 : err_rescope(err, ERR_ACCOUNT);
	}
	if (one.err.scope != ERR_NONE)
		log_warn("mailbox %s: not subscribed: %s", acting->target, one.err.text);
	if (one.changed && one.raw) {
		acting->target = mailbox_display(&style, span_of(one.raw), acting->arena);
		acting->changed = true;
		log_warn("mailbox %s had to be created as %s", target_of(acting->cli),
			acting->target);
	}
	return 0;
}

/* What is moved leaves, and cannot be met again; what is copied can. */
static int look_at_target(struct acting *acting, struct walk_visit *visit, struct err *err)
{
	const struct box_scan scan = { .digests = true };
	struct uidset unknown = { 0 };
	struct box *box;
	int rc;

	snapshot_release(&acting->there);
	snapshot_init(&acting->there, true);
	box = store_open_box(visit->store, acting->target, STORE_READ, err);
	rc = box ? box_scan(box, &scan, &acting->there, visit->arena, &unknown, err) : -1;
	box_close(box);
	acting->looked = rc == 0;
	return rc;
}

static int prepare(void *context, struct walk_visit *visit, struct err *err)
{
	struct acting *acting = context;
	const struct mailbox_info *info =
		mailbox_list_find(walk_list(acting->walk), acting->target);
	int rc;

	if (info && !info->noselect && !info->nonexistent)
		rc = acting->cli->search.copy_to ? look_at_target(acting, visit, err) : 0;
	else
		rc = create_target(acting, visit, err);
	acting->ready = rc == 0;
	return rc;
}

static int prepare_target(struct acting *acting, struct err *err)
{
	for (size_t i = 0; i < walk_count(acting->walk) && !acting->first; i++)
		if (has_work(acting, walk_place(acting->walk, i)))
			acting->first = walk_place(acting->walk, i);
	if (!acting->first)
		return 0;
	if (walk_visit(acting->walk, prepare, acting, wants_first, err) < 0)
		return -1;
	if (acting->ready)
		return 0;
	if (acting->first->err)
		*err = *acting->first->err;
	return err_rescope(err, ERR_ACCOUNT);
}

/* ---- a mailbox ---- */

static uint64_t take(struct found_place *of, const struct uidset *result)
{
	const uint64_t before = uidset_size(&of->left);

	of->left = uidset_without(&of->left, result, of->arena);
	return before - uidset_size(&of->left);
}

static int leave_out_there(struct acting *acting, struct walk_visit *visit, struct box *box,
	struct uidset *going, struct err *err)
{
	struct found_place *of = place_of(visit->place);
	struct there there;

	if (!acting->looked)
		return 0;
	if (there_find(visit, box, going, &acting->there, &there, err) < 0)
		return -1;
	of->there += take(of, &there.there);
	of->gone += take(of, &there.gone);
	*going = there.missing;
	return 0;
}

static int relocate_found(
	struct acting *acting, struct walk_visit *visit, struct box **box, struct err *err)
{
	struct found_place *of = place_of(visit->place);
	struct uidset going = of->left;
	struct relocation work = { .target = acting->target,
		.uids = &going,
		.copy = acting->cli->search.copy_to != NULL,
		.expunge_all = acting->cli->settings.expunge_all };
	int rc = leave_out_there(acting, visit, *box, &going, err);

	if (rc < 0 || going.count == 0)
		return rc;
	rc = relocate(visit, box, &work, err);
	of->done += take(of, &work.moved);
	of->gone += take(of, &work.gone);
	return rc;
}

static int act(void *context, struct walk_visit *visit, struct err *err)
{
	struct acting *acting = context;
	struct found_place *of = place_of(visit->place);
	const char *flags = of->flagged ? NULL : acting->cli->settings.add_flags;
	const bool moves = acting->target && !is_target(acting, visit->place);
	const bool reads = !flags && acting->cli->search.copy_to;
	struct box *box = store_open_box(
		visit->store, visit->place->info->name, reads ? STORE_READ : STORE_WRITE, err);
	int rc = box ? walk_check_uids(box, of->uidvalidity, err) : -1;

	if (rc == 0 && flags) {
		rc = box_change_flags(
			box, &of->uids, flags_parse(visit->flags, span_of(flags)), 0, err);
		of->flagged = rc == 0;
	}
	if (rc == 0 && moves && of->left.count > 0)
		rc = relocate_found(acting, visit, &box, err);
	box_close(box);
	return rc;
}

/* ---- what became of it ---- */

struct outcome {
	const char *verb, *target; /* "flags": target NULL */
	uint64_t messages, done, there, gone, failed;
};

static void print_json_outcome(
	const struct cli *cli, const char *mailbox, const struct outcome *outcome)
{
	struct print_json line;
	struct buf buffer;
	struct json *json;

	buf_init(&buffer, 1u << 20);
	json = print_json_begin(&line, &buffer, "action");
	json_key(json, "action");
	json_text(json, outcome->verb);
	json_key(json, "mailbox");
	json_text(json, mailbox);
	json_key(json, "target");
	json_text(json, outcome->target);
	json_key(json, "dry_run");
	json_bool(json, cli->settings.dry_run);
	json_key(json, "messages");
	json_u64(json, outcome->messages);
	json_key(json, "done");
	json_u64(json, outcome->done);
	json_key(json, "there");
	json_u64(json, outcome->there);
	json_key(json, "gone");
	json_u64(json, outcome->gone);
	json_key(json, "failed");
	json_u64(json, outcome->failed);
	print_json_end(&line);
	buf_release(&buffer);
}

static void print_part(uint64_t count, const char *what)
{
	if (count > 0)
		print(", %llu %s", (unsigned long long)count, what);
}

static void print_outcome(const struct cli *cli, const char *mailbox, const struct outcome *outcome)
{
	struct arena *arena;

	if (print_json_wanted())
		print_json_outcome(cli, mailbox, outcome);
	if (cli->settings.quiet && outcome->failed == 0)
		return;
	arena = arena_new();
	print("%s: %llu %s%s", text_harmless_copy(arena, span_of(mailbox)),
		(unsigned long long)(cli->settings.dry_run ? outcome->messages : outcome->done),
		cli->settings.dry_run ? "would be " : "", outcome->verb);
	if (outcome->target)
		print(" to %s", text_harmless_copy(arena, span_of(outcome->target)));
	print_part(outcome->there, "there already");
	print_part(outcome->gone, "gone meanwhile");
	print_part(outcome->failed, "not, or not known");
	print("\n");
	arena_free(arena);
}

/* Of one mailbox: whether anything failed. */
static bool report_place(const struct acting *acting, const struct walk_place *place)
{
	const struct cli *cli = acting->cli;
	const struct found_place *of = place_of(place);
	const uint64_t messages = uidset_size(&of->uids);
	struct outcome outcome = { .verb = "flagged", .messages = messages };
	bool failed = false;

	if (messages == 0)
		return false;
	if (cli->settings.add_flags) {
		outcome.done = of->flagged ? messages : 0;
		outcome.failed = of->flagged || cli->settings.dry_run ? 0 : messages;
		failed |= outcome.failed > 0;
		print_outcome(cli, place->info->name, &outcome);
	}
	if (!acting->target)
		return failed;
	outcome = (struct outcome){ .verb = cli->search.copy_to ? "copied" : "moved",
		.target = acting->target,
		.messages = messages,
		.done = of->done,
		.there = of->there,
		.gone = of->gone };
	if (is_target(acting, place))
		outcome = (struct outcome){
			.verb = outcome.verb, .target = acting->target, .there = messages
		};
	else if (!cli->settings.dry_run)
		outcome.failed = uidset_size(&of->left);
	print_outcome(cli, place->info->name, &outcome);
	return failed || outcome.failed > 0;
}

static int report_all(const struct acting *acting, int code)
{
	for (size_t i = 0; i < walk_count(acting->walk); i++) {
		const struct walk_place *place = walk_place(acting->walk, i);
		/* In a dry run it is still that of the search, and was told. */
		const int own = place->err && !acting->cli->settings.dry_run
					? report_err_code(place->err)
					: EXIT_DONE;

		if (place->err && !acting->cli->settings.dry_run)
			log_error("%s", place->err->text);
		if (report_place(acting, place) && code < EXIT_SOME_FAILED)
			code = EXIT_SOME_FAILED;
		code = own > code ? own : code;
	}
	return code;
}

int found_act(const struct cli *cli, struct walk *walk, struct err *err)
{
	struct acting acting = {
		.cli = cli, .walk = walk, .target = target_of(cli), .arena = arena_new()
	};
	int rc = 0, code;

	snapshot_init(&acting.there, true);
	for (size_t i = 0; i < walk_count(walk); i++)
		place_of(walk_place(walk, i))->left = place_of(walk_place(walk, i))->uids;
	if (!cli->settings.dry_run) {
		if (acting.target)
			rc = prepare_target(&acting, err);
		if (rc == 0)
			rc = walk_visit(walk, act, &acting, wants, err);
	}
	code = report_all(&acting, acting.changed ? EXIT_DIFFERS : EXIT_DONE);
	snapshot_release(&acting.there);
	arena_free(acting.arena);
	return rc < 0 ? -1 : code;
}
