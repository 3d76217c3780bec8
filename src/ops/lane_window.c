/* A destination that shows only the newest messages of a mailbox, as seen by a pass: what it hides, and what is to be said of it. */
#include "ops/lane.h"

void lane_window_look(struct lane *lane, struct pass *pass)
{
	(void)lane;
	if (!pass->dst_box || !box_facts(pass->dst_box)->shows_part || pass->dst.count == 0)
		return;
	/* UIDs begin with 1: below it nothing can be hidden. */
	pass->dst_below = pass->dst.uid[0] > 1 ? pass->dst.uid[0] : 0;
	/* Flags of hidden pairs are not followed: the next run looks at all of them. */
	pass->stale |= pass->dst_below != 0;
}

struct plan_hidden lane_window_hidden(const struct pass *pass)
{
	const struct journal_view *view = &pass->work->record.view;

	return (struct plan_hidden){
		.below = pass->dst_below,
		.view = *view,
		.same_selection = view->selection == settings_selection(pass->run->settings),
		.others = &pass->dst_others,
	};
}

struct journal_view lane_window_now(const struct pass *pass)
{
	/* Where the source hides messages too, they were compared with nothing. */
	const bool whole = pass->hidden == 0 && pass->src_unknown.count == 0;

	return (struct journal_view){
		.seen = pass->dst_uidnext,
		.src_uidnext = whole ? box_facts(pass->src_box)->uidnext : 0,
		.selection = settings_selection(pass->run->settings),
		.time = pass->looked_at,
	};
}

/* Originals whose copies are hidden stay: nobody can see whether they are there. */
static void report_kept(struct lane *lane, struct pass *pass)
{
	uint64_t kept = 0;

	for (size_t i = 0; i < plan_count(pass->plan); i++) {
		const struct plan_action *action = plan_action(pass->plan, i);

		kept += action->kind == PLAN_KEEP && action->hidden;
	}
	if (kept > 0)
		report_finding(lane->run->job->report, FINDING_UNKNOWN, pass->work->pair.src->name,
			0,
			"%llu messages stay at the source: the destination shows only its newest messages, and their copies are not among them",
			(unsigned long long)kept);
}

void lane_window_report(struct lane *lane, struct pass *pass)
{
	const size_t hidden = plan_hidden_count(pass->plan);

	if (pass->dst_below == 0)
		return;
	if (lane->run->settings->delete_source)
		report_kept(lane, pass);
	if (hidden > 0)
		report_finding(lane->run->job->report, FINDING_UNKNOWN, pass->work->pair.src->name,
			0,
			"the destination shows %u messages, and of a mailbox no more than so many, its newest: %zu of the source's may be among the older ones, and are not copied; "
			"let it show all of them (Gmail: Settings, Folder size limits) or copy into another mailbox",
			box_facts(pass->dst_box)->messages, hidden);
}
