/*
 * What the threads of one run share, and a lane: a thread with one source and one destination connection that takes mailboxes
 * from the run's queue until none is left. For src/ops/job*.c and lane*.c only.
 *
 * Owner: job_copy(). Lifetime: the run. Threads: struct run is shared (queue and end locked inside, the rest immutable or its own lock);
 * a struct work belongs to the lane that took it; struct lane to its thread.
 *
 *	run_take(run) -> work
 *	lane_pass(): open, scan, plan (lane_plan.c), carry out (lane_copy.c)
 *	an error of a connection: reconnect, and the same pass again: the journal and the scans tell what is left
 */
#ifndef OPS_LANE_H
#define OPS_LANE_H

#include "base/err.h"
#include "mail/header.h"
#include "ops/job.h"
#include "ops/names.h"
#include "ops/plan.h"
#include "ops/report.h"
#include "ops/select.h"
#include "state/journal.h"
#include "store/store.h"

#include <pthread.h>

struct arena;
struct rate;
struct meter;
struct transform;
struct share;

enum work_state { WORK_WAITING, WORK_UNCHANGED, WORK_DONE, WORK_FAILED, WORK_INTERRUPTED };

#define SHARE_LEAST \
	64 /* copies from which a mailbox is shared between lanes, where that is done at all */

enum pays { PAYS_NOT_KNOWN, PAYS, PAYS_NEVER };

struct work { /* one mailbox pair */
	struct name_pair pair;
	struct journal_mailbox record; /* as the journal has it, kept up to date */
	struct mailbox_info src, dst; /* as listed; dst.has = 0: just to be created (dry run) */
	enum work_state state;
	struct work *next; /* goes into the same mailbox, and is worked on after this one */
	bool chained; /* it is somebody's next */
	struct tally tally; /* of the last pass, plus what earlier passes copied */
	bool looked; /* a pass has scanned it */
	/* source UIDs that the destination confirmed in this run; memory of the arena */
	struct uidset stored;
	/* messages at the destination when it was scanned; stored since */
	uint32_t dst_before, dst_stored;
	/* the destination's UIDNEXT and clock_wall() before the first scan */
	uint32_t dst_uidnext_before;
	int64_t looked_at;
	bool resent; /* an answer was lost, and what it was about was sent again in this run */
	uint32_t resent_from; /* the destination's UIDNEXT when that was first decided */
	bool reconciled; /* everything selected is known to be at the destination */
	char *text; /* why it failed */
	/* --delete-source: what is proven to be at the destination */
	struct uidset deletable;
	/* --delete-extra: what only the destination has, as the last pass saw it; the source's UIDNEXT then */
	struct uidset extra;
	bool extra_unknown; /* nothing is, for doubt about some message */
	bool unequal; /* something is extra there, or nobody could tell: never reconciled in this run */
	uint32_t src_uidnext;
	struct arena *arena; /* of these and text; made when needed */
};

/*
 * The lanes of a run, and whether one more pays: one is added as long as the last one made the run carry more, until a server refuses anything or
 * slows us down (job_lanes.c).
 */
struct team {
	struct lane *lane; /* LANES_MAX of them */
	unsigned count; /* begun; they stay until the run's end */
	unsigned most;
	unsigned connecting; /* of them, and nothing is measured meanwhile */
	bool settled; /* none is added any more */
	uint64_t carried, carried_then; /* octets confirmed: now, when the window was opened */
	int64_t since_ms; /* 0 = no window is open */
	double rate; /* octets a millisecond, the best window */
	unsigned strikes;
};

struct run {
	const struct job *job;
	const struct settings *settings;
	struct select *select;
	struct journal *journal;
	const char *state_dir; /* NULL = nothing is remembered */
	struct rate *messages, *bytes;
	struct work *work;
	size_t count;
	const struct mailbox_list *src_list, *dst_list;
	bool gmail;
	bool source_moved; /* the source has mail that this run does not see: nothing is extra */
	bool shared; /* some destination mailbox holds copies from several of the source's */
	bool compress; /* what is to be read is lists rather than bodies */

	pthread_mutex_t lock; /* of what follows */
	size_t next;
	pthread_cond_t changed; /* shares, busy, ended */
	struct share *shares; /* mailboxes whose owner wants help */
	unsigned busy; /* lanes at work on a mailbox of their own */
	unsigned lanes; /* alive */
	struct team team;
	enum pays compress_bodies[2]; /* source, destination: what the lines showed (lane_pace.c) */
	/* octets carried that the journal does not know of yet, for --daily-limit */
	uint64_t unspent;
	uint64_t errors;
	bool ended; /* no further mailbox is begun: `end` says why */
	struct err end;
};

/* What one connection has done while bodies flowed. */
struct pace {
	uint64_t octets, turns;
	int64_t waited_us;
};

struct lane {
	struct run *run;
	unsigned number;
	const char *label; /* log_label() of all that works for it */
	pthread_t thread;
	struct flag_table *flags;
	struct store *src, *dst;
	struct header_scan *header;
	bool all_flags; /* the destination has shown that it can store any flag */
	struct transform *transform; /* NULL unless asked for */
	unsigned progress; /* what this lane settled: a retry after progress is the first retry */
	/* appends whose answer was lost: to be looked for before anything is sent again */
	unsigned unsettled;
	/* lane_pace.c: source and destination, in the window that is open, and where they stood when last looked at */
	struct pace pace[2], pace_mark[2];
	int64_t pace_us, pace_mark_us;
	/* of connections closed: source, destination */
	uint64_t traffic_in[2], traffic_out[2], turns[2];
	unsigned connections[2];
};

/* One mailbox as this pass sees it; memory of the arena, freed after the pass. */
struct pass {
	struct run *run;
	struct work *work;
	/* the second for the destination's scan, which may have a thread of its own */
	struct arena *arena, *dst_arena;
	struct snapshot src, dst;
	struct journal_pairs pairs;
	struct journal_grave *
		graves; /* of the mailbox; 0 with --recopy and where digests are of something else */
	size_t grave_count;
	struct uidset src_unknown, dst_unknown;
	uint64_t hidden; /* messages that the source counts, and of which it shows nothing */
	uint32_t
		dst_below; /* what the destination has below this UID it does not show; 0 = it shows all */
	struct uidset dst_others; /* UIDs of copies of other mailboxes' messages */
	int64_t looked_at; /* clock_wall() before the scans */
	struct uidset flags_refused; /* at the destination */
	uint8_t *reason;
	struct plan_policy policy;
	struct plan *plan;
	struct box *src_box, *dst_box;
	uint32_t dst_uidvalidity, dst_uidnext; /* before anything is appended */
	/* messages at the destination that are copies of other mailboxes' messages */
	uint32_t claimed;
	bool forgotten; /* the records are of other mailboxes: none was loaded */
	uint8_t *
		dst_reason; /* of the destination's rows, with --delete-extra; NULL = all selected */
	/* recorded messages were left out by an option: whether their flags changed was not looked at */
	bool stale;
	/* another pass is needed: stored messages whose UID is not known, answers lost */
	bool again;
};

/* lane.c */
void *lane_main(void *lane); /* a thread; lane->src and ->dst may already be open */
int lane_connect(struct lane *lane, struct err *err) MUST_CHECK;
void lane_disconnect(struct lane *lane);
/* One mailbox until it is settled. */
void lane_work_on(struct lane *lane, struct work *work);
/* before the n-th attempt: what the server named, else doubling */
int64_t lane_pause_ms(const struct err *err, unsigned attempt);
/*
 * Rule 5: what was sent and not answered may still be under way. Watches the mailbox until nothing has come for the settle time; only then it makes sense to look for
 * what is missing.
 */
int lane_wait_quiet(
	struct store *store, const char *mailbox, int64_t settle_ms, struct err *err) MUST_CHECK;
/* counts as busy until it is done; NULL: nothing left, or the run has ended */
struct work *run_take(struct run *run);
void run_end(struct run *run, const struct err *err); /* the first one counts */
bool run_ended(struct run *run);

/* lane_share.c: helps other lanes until no mailbox is worked on any more. */
void lane_help(struct lane *lane);

/* lane_plan.c: everything up to and including plan_finish(). */
int lane_look(struct lane *lane, struct pass *pass, struct err *err) MUST_CHECK;
/* lane_window.c: a destination that shows only its newest messages. */
void lane_window_look(
	struct lane *lane, struct pass *pass); /* after the scans, with the snapshot as it came */
struct plan_hidden lane_window_hidden(const struct pass *pass);
struct journal_view lane_window_now(const struct pass *pass);
void lane_window_report(struct lane *lane, struct pass *pass); /* after plan_finish() */
/* lane_copy.c: flags, copies, records. */
int lane_carry_out(struct lane *lane, struct pass *pass, struct err *err) MUST_CHECK;

enum lane_side { LANE_SRC = 1, LANE_DST = 2 }; /* bits */

/*
 * lane_pace.c: whether compressing bodies pays, told by what the connections carry between begin and end. lane_pace() is called between messages. Both
 * it and begin give the sides that are to compress as soon as nothing is under way there: then lane_compress().
 */
unsigned lane_pace_begin(struct lane *lane);
unsigned lane_pace(struct lane *lane);
void lane_pace_end(struct lane *lane);
int lane_compress(struct lane *lane, unsigned sides, struct err *err) MUST_CHECK;
bool pace_pays(const struct pace *pace, int64_t us, int64_t round_trip_us); /* pure */

#define LANES_MAX 64

/* job_lanes.c: the lanes of a run. */
int job_choose_compression(struct run *run, struct lane *lane, struct err *err) MUST_CHECK;
int64_t job_round_trip_us(const struct store *store); /* how far the server is; 0 = not known */
/* How many lanes to begin with; the first one is connected. */
unsigned job_choose_lanes(const struct run *run, const struct lane *first);
void lane_init(struct lane *lane, struct run *run, unsigned number);
void lane_release(struct lane *lane);
/*
 * Lets lanes work until nothing is left, so many to begin with; the first one runs in the caller's thread. Returns how many there were in the end, to be
 * released.
 */
unsigned job_work_lanes(struct run *run, struct lane *lanes, unsigned count);
/* While bodies flow, with the lock: adds a lane when that may pay. */
void job_consider_lane(struct run *run);
/* A lane that was started is connected, or was refused. */
void job_lane_ready(struct run *run, bool refused);
void job_report_lanes(struct run *run, struct lane *lanes, unsigned count);

/*
 * job_close.c: the closing list says where the destination stands now. Only what adds up is written down as reconciled: next time nothing has
 * to be opened if nothing has moved.
 */
int job_close_records(struct run *run, struct lane *lane, struct err *err) MUST_CHECK;

/*
 * job_doubt.c: rule 5, what arrived late is looked at once more before the verdict, and in every run until nothing stands there twice. The
 * lane's connection to the destination is used. -1: the run ends.
 */
int job_settle_doubt(struct run *run, struct lane *lane, struct work *work, bool listed,
	struct err *err) MUST_CHECK;

/* job_names.c: mailboxes that stand at the destination under another name, because theirs was refused. */
void job_fail_mailbox(struct run *run, struct work *work, const char *text);
/* Gives those of earlier runs their names, before the pairs are made. */
/* ---- lane_forget.c ---- */

#define LANE_SAMPLE 32 /* recorded messages looked at to recognise a mailbox */
#define LANE_NEWEST 8 /* recorded messages whose sizes tell whether a mailbox went on */
/* Right after opening: recorded is its UIDVALIDITY in the record, side its name for people. */
int lane_forget_if_new(struct lane *lane, struct pass *pass, struct box *box, uint32_t *recorded,
	const char *mailboxid, const char *side, struct err *err) MUST_CHECK;
/* After the scans, with recorded pairs. */
int lane_forget_if_strange(struct lane *lane, struct pass *pass, struct err *err) MUST_CHECK;

/* The header fields that --match digests; NULL = the usual ones. */
void lane_scan_fields(const struct settings *settings, struct box_scan *scan);
/* Of a listing of the source: leaves out what is kept in the destination, which lies in the source. */
void job_leave_out_destination(struct run *run, struct lane *lane, struct mailbox_list *list);
void job_names_known(struct mailbox_list *list, const struct journal_mailbox *records, size_t count,
	const struct mailbox_style *style);
/* Gives those just created (work->dst.raw) their names in the listing made after it; fails those whose new name is another's. */
void job_names_created(struct run *run, struct mailbox_list *list);
void job_names_again(const struct run *run, struct mailbox_list *list); /* in a later listing */
void job_names_report(struct run *run);

/* job_delete.c: --delete-source, the last phase. The lane's connections are used, and made again if they are gone. */
int job_delete_source(struct run *run, struct lane *lane, struct err *err) MUST_CHECK;

/* After the attempt (from 0) that failed with err: 0 when the line broke and another one is worth it, after a pause and with err cleared. what: for the log. */
int job_again(struct lane *lane, const char *what, unsigned attempt, struct err *err) MUST_CHECK;

/* Removes these messages of a mailbox, or only marks them (--no-expunge). Repeated after a broken line: a UID that is gone already is no error. */
struct removal {
	bool at_source;
	const char *mailbox;
	uint32_t uidvalidity;
	const struct uidset *uids;
};
int job_remove(struct run *run, struct lane *lane, const struct removal *removal,
	struct err *err) MUST_CHECK;

/*
 * job_apart.c: before anything is deleted at the source: that each copy is still there, and that no mailbox of the source is the very one in which the copies were found (an account
 * under two host names, a POP3 and an IMAP door to it, a Maildir that a server serves): the last copies would go, and nothing would say so. What is in doubt is deletable no
 * more. -1 with kind SAFETY: nothing may go.
 */
int job_check_apart(struct run *run, struct lane *lane, struct err *err) MUST_CHECK;
/* Where that could not be seen: messages that were found at the destination, and not put there by us, are deletable no more. */
int job_keep_found(struct run *run, struct lane *lane, struct err *err) MUST_CHECK;

/*
 * job_extra.c: --delete-extra, --empty-destination, --delete-mailboxes. Before the closing list what moved at the source between the scans of two mailboxes
 * is looked for; after it, last of all, what is still extra then goes.
 */
int job_look_again(struct run *run, struct lane *lane, struct err *err) MUST_CHECK;
int job_delete_extra(struct run *run, struct lane *lane, struct err *err) MUST_CHECK;

/* job_mailboxes.c: mailboxes that go. */
/* Of the destination, deepest first; memory of the arena. The list is the destination's newest. */
int job_doomed_mailboxes(struct run *run, const struct mailbox_list *list, struct arena *arena,
	const struct mailbox_info ***out, size_t *count_out, struct err *err) MUST_CHECK;
int job_delete_mailboxes(struct run *run, struct lane *lane, const struct mailbox_info **doomed,
	size_t count, struct err *err) MUST_CHECK;
/* --delete-source-mailboxes: those of this run that hold nothing any more, and have nothing below them. */
int job_delete_source_mailboxes(struct run *run, struct lane *lane, struct err *err) MUST_CHECK;

#endif
