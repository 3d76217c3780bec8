#include "ops/brake.h"

#include "base/err.h"

#define BRAKE_FREE 10 /* messages a mailbox may lose without being asked about its share */
#define BRAKE_MAILBOX_PERCENT 25
#define BRAKE_ACCOUNT_PERCENT 10

static bool above_percent(uint64_t part, uint64_t whole, double percent)
{
	return (double)part * 100 > percent * (double)whole;
}

/* --max-delete N or P%: over all that would go. */
static int check_given(
	const struct settings *settings, const char *side, const struct loss *sum, struct err *err)
{
	if (settings->max_delete_percent >= 0
			? above_percent(sum->going, sum->found, settings->max_delete_percent)
			: sum->going > settings->max_delete)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_SAFETY,
			"%llu of %llu %s messages would be deleted, more than --max-delete allows: nothing was deleted",
			(unsigned long long)sum->going, (unsigned long long)sum->found, side);
	return 0;
}

static int check_mailbox(const struct loss *loss, struct err *err)
{
	if (loss->going == 0)
		return 0;
	if (loss->left == 0)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_SAFETY,
			"%s would lose its last message: nothing was deleted; allow it with --max-delete 100%%",
			loss->mailbox);
	if (loss->going > BRAKE_FREE &&
		above_percent(loss->going - BRAKE_FREE, loss->found, BRAKE_MAILBOX_PERCENT))
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_SAFETY,
			"%s would lose %llu of %llu messages: nothing was deleted; allow it with --max-delete",
			loss->mailbox, (unsigned long long)loss->going,
			(unsigned long long)loss->found);
	return 0;
}

int brake_check(const struct settings *settings, const char *side, const struct loss *losses,
	size_t count, struct err *err)
{
	struct loss sum = { 0 };

	for (size_t i = 0; i < count; i++) {
		sum.going += losses[i].going;
		sum.found += losses[i].found;
	}
	if (settings->has_max_delete)
		return check_given(settings, side, &sum, err);
	for (size_t i = 0; i < count; i++) {
		if (check_mailbox(&losses[i], err) < 0)
			return -1;
	}
	if (above_percent(sum.going, sum.found, BRAKE_ACCOUNT_PERCENT) && sum.going > BRAKE_FREE)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_SAFETY,
			"the account would lose %llu of %llu messages: nothing was deleted; allow it with --max-delete",
			(unsigned long long)sum.going, (unsigned long long)sum.found);
	return 0;
}

int brake_confirm(const struct settings *settings, int (*ask)(void *context, const char *question),
	void *context, const char *question, struct err *err)
{
	/* Of a dry run nothing goes. */
	if (settings->yes || settings->dry_run || (ask && ask(context, question) == 1))
		return 0;
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_SAFETY,
		"not confirmed: nothing was deleted (--yes confirms)");
}
