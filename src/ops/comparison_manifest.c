/* Manifests of what a comparison read, one an account: a mailbox goes there as soon as it was read. */
#include "ops/comparison_parts.h"

#include "base/log.h"
#include "base/stop.h"
#include "ops/report.h"
#include "store/inventory.h"

static struct comparison_manifest *manifest_of(const struct side *side)
{
	struct comparison_manifest *manifest = side->job->request.manifest;

	return manifest ? &manifest[side->number] : NULL;
}

bool comparison_manifest_wanted(const struct side *side)
{
	const struct comparison_manifest *manifest = manifest_of(side);

	return manifest && manifest->path;
}

/* The comparison is worth having without it. */
static void give_up(struct side *side)
{
	struct comparison_manifest *manifest = manifest_of(side);

	log_error("%s", manifest->err.text);
	inventory_abandon(side->manifest);
	side->manifest = NULL;
}

bool comparison_is_read(const struct seen *seen)
{
	return seen->units > 0 ||
	       (seen->side->number == 0 && comparison_manifest_wanted(seen->side));
}

static bool reads_all(const struct side *side)
{
	const struct mailbox_list *list = walk_list(side->walk);
	size_t holders = 0, read = 0;

	for (size_t i = 0; i < list->count; i++)
		holders += !list->mailbox[i].noselect && !list->mailbox[i].nonexistent;
	for (size_t i = 0; i < walk_count(side->walk); i++)
		read += comparison_is_read(&side->seen[i]);
	return read == holders && !side->part_mailboxes;
}

static void begin(struct side *side)
{
	const struct comparison *job = side->job;
	struct comparison_manifest *manifest = manifest_of(side);
	const unsigned caps = walk_caps(side->walk);
	const struct inventory_about about = {
		.location = account_name(side->account),
		.content = (job->request.check & COMPARE_CONTENT) ||
			   job->request.settings->match == MATCH_CONTENT,
		.flags = caps & STORE_CAP_FLAGS,
		.dates = caps & STORE_CAP_DATES,
		.all_mailboxes = reads_all(side),
		.all_messages = !settings_choose_messages(&side->settings) && !side->part_messages,
	};

	side->manifest = inventory_create(manifest->path, &about, &manifest->err);
	if (!side->manifest)
		give_up(side);
}

void comparison_manifests_begin(struct comparison *job)
{
	for (size_t i = 0; i < job->request.accounts; i++)
		if (job->side[i].walk && comparison_manifest_wanted(&job->side[i]))
			begin(&job->side[i]);
}

static struct span id_of(void *kept, uint32_t uid)
{
	return kept_message_id(kept, uid);
}

static void add(struct side *side, const struct inventory_mailbox *mailbox)
{
	struct err err = ERR_INIT;

	/* The reason of the first failure is the one to tell; the writer is used by other visits yet. */
	if (inventory_mailbox(side->manifest, mailbox, &err) == 0)
		return;
	pthread_mutex_lock(&side->job->lock);
	if (manifest_of(side)->err.scope == ERR_NONE)
		manifest_of(side)->err = err;
	pthread_mutex_unlock(&side->job->lock);
}

void comparison_manifest_rows(struct seen *seen, struct kept *kept, const struct flag_table *flags)
{
	add(seen->side, &(struct inventory_mailbox){ .name = seen->info->name,
				.uidvalidity = seen->uidvalidity,
				.rows = &seen->rows,
				.reason = seen->reason,
				.flags = flags,
				.message_id = id_of,
				.context = kept });
	seen->in_manifest = true;
}

static void add_unread(struct seen *seen)
{
	const struct side *side = seen->side;
	const struct walk_place *place = walk_place(side->walk, (size_t)(seen - side->seen));
	const struct err *err = place->err ? place->err : &side->err;
	struct comparison_manifest *manifest = manifest_of(side);
	const int code = err->scope == ERR_NONE ? 3 : report_err_code(err);

	manifest->code = code > manifest->code ? code : manifest->code;
	add(seen->side, &(struct inventory_mailbox){ .name = seen->info->name,
				.uidvalidity = seen->info->uidvalidity,
				.error = *err->text ? err->text : "it was not read" });
}

static void end(struct side *side)
{
	struct comparison_manifest *manifest = manifest_of(side);
	struct inventory_sum sum;

	for (size_t i = 0; i < walk_count(side->walk); i++)
		if (comparison_is_read(&side->seen[i]) && !side->seen[i].in_manifest)
			add_unread(&side->seen[i]);
	if (manifest->err.scope != ERR_NONE) {
		give_up(side);
		return;
	}
	manifest->written = inventory_finish(side->manifest, side->job->request.sign_key,
				    manifest->replace, side->trusted, &sum, &manifest->err) == 0;
	side->manifest = NULL;
	manifest->mailboxes = sum.mailboxes;
	manifest->messages = sum.messages;
	manifest->complete = sum.complete;
	if (!manifest->written)
		give_up(side);
}

void comparison_manifests_end(struct comparison *job, const struct err *why)
{
	for (size_t i = 0; i < job->request.accounts; i++) {
		struct side *side = &job->side[i];

		if (!comparison_manifest_wanted(side))
			continue;
		if (side->manifest && !why && !stop_requested())
			end(side);
		else if (manifest_of(side)->err.scope == ERR_NONE &&
			 stop_check(&manifest_of(side)->err) == 0)
			manifest_of(side)->err = why ? *why : side->err;
		inventory_abandon(side->manifest);
		side->manifest = NULL;
	}
}
