/* A queue of mailboxes and some connections that take from it. */
#include "ops/walk.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/stop.h"
#include "imap/imap_content_id.h"
#include "mail/mailbox_name.h"
#include "ops/lane.h"
#include "ops/meter.h"
#include "state/intents.h"

#include <pthread.h>

#define CONNECTIONS 3 /* unless -j says otherwise */

struct walk {
	struct walk_request request;
	struct arena *arena; /* of the list and the places */
	struct select *own_select;
	const struct select *select;
	struct mailbox_list list;
	size_t missing; /* mailboxes that were named and are not there */
	struct walk_place *place; /* in the order of the list */
	size_t count;
	struct store *first; /* kept between walks; NULL after it broke */
	struct flag_table *flags; /* of it */
	unsigned caps, content_ids;
	const char *software;
	struct mailbox_style style;
	uint64_t connections;
	pthread_mutex_t lock; /* of intents */
	struct intents *intents;
	pthread_mutex_t turn;
};

/* One walk_visit() at work. */
struct crew {
	struct walk *walk;
	int (*visit)(void *context, struct walk_visit *visit, struct err *err);
	void *context;
	struct walk_place **todo; /* largest first */
	size_t count;
	unsigned number; /* of connections to begin with */
	const char *label; /* log_label() of all members */

	pthread_mutex_t lock; /* of what follows, walk->connections and walk->arena */
	size_t next;
	unsigned alive;
	bool ended;
	struct err end;
};

struct member { /* a connection, in a thread */
	struct crew *crew;
	struct store *store;
	struct flag_table *flags;
	bool spare; /* others are at work: it may give up when it gets no connection */
	pthread_t thread;
};

static struct store *connect_one(
	struct walk *walk, struct flag_table *flags, bool listed, struct err *err)
{
	const struct settings *settings = walk->request.settings;
	struct store_request request = { .timeout_ms = settings->timeout_ms,
		.state_dir = walk->request.state_dir,
		.flags = flags,
		.want_utf8 = true,
		.verify_key = settings->verify_key,
		.compress_scan = walk->request.scans,
		.names = listed ? &walk->list : NULL };
	struct store *store = store_open(walk->request.account, &request, err);

	return store;
}

/* ---- opening ---- */

static void note_software(struct walk *walk, const struct imap *imap)
{
	walk->software = "";
	if (!imap)
		return;
	walk->content_ids = imap_content_ids(imap);
	walk->software = arena_text(walk->arena, imap_software(imap));
}

static int open_first(struct walk *walk, struct err *err)
{
	for (unsigned attempt = 1;; attempt++) {
		walk->first = connect_one(walk, walk->flags, false, err);
		if (walk->first)
			break;
		if (err->kind != ERR_KIND_BUSY || err->scope > ERR_ACCOUNT ||
			attempt > walk->request.settings->retries)
			return -1;
		log_warn("%s: %s; again in %.1f s", account_name(walk->request.account), err->text,
			(double)lane_pause_ms(err, attempt) / 1000);
		if (clock_sleep(lane_pause_ms(err, attempt)) < 0)
			return stop_check(err);
		err_clear(err);
	}
	walk->connections++;
	walk->caps = store_caps(walk->first);
	walk->style = store_style(walk->first);
	note_software(walk, store_imap_session(walk->first));
	if (store_list(walk->first, walk->request.want, walk->arena, &walk->list, err) < 0)
		return err_wrap(err, "listing mailboxes");
	store_use_names(walk->first, &walk->list);
	return 0;
}

static void look_for_named(struct walk *walk, const char *root)
{
	const char *name;

	select_warn(walk->select, &walk->list);
	for (size_t at = 0;
		(name = select_missing(walk->select, &walk->list, root, &at)) != NULL;) {
		walk->missing++;
		log_error("mailbox %s: %s", name, select_missing_text(name, &walk->list));
	}
}

static void choose(struct walk *walk)
{
	const char *root = account_mailbox(walk->request.account);
	bool gmail = store_imap_session(walk->first) &&
		     imap_has(store_imap_session(walk->first), IMAP_CAP_GMAIL);
	uint64_t messages = 0;

	if (walk->own_select)
		look_for_named(walk, root);
	walk->place = arena_array(walk->arena, walk->list.count + 1, sizeof(*walk->place));
	for (size_t i = 0; i < walk->list.count; i++) {
		const struct mailbox_info *info = &walk->list.mailbox[i];

		if (info->noselect || info->nonexistent ||
			(root && !mailbox_below(root, info->name)) ||
			!select_mailbox(walk->select, info, gmail))
			continue;
		walk->place[walk->count] =
			(struct walk_place){ .info = info, .index = walk->count };
		walk->count++;
		messages += info->messages;
	}
	if (walk->request.meter)
		meter_total(walk->request.meter, walk->count, messages);
}

struct walk *walk_open(const struct walk_request *request, struct err *err)
{
	struct walk *walk = mem_alloc(sizeof(*walk));

	walk->request = *request;
	pthread_mutex_init(&walk->lock, NULL);
	pthread_mutex_init(&walk->turn, NULL);
	walk->arena = arena_new();
	walk->flags = flag_table_new();
	walk->select = request->select;
	if (!walk->select)
		walk->select = walk->own_select = select_new(request->settings, err);
	if (!walk->select || open_first(walk, err) < 0) {
		walk_free(walk);
		return NULL;
	}
	choose(walk);
	return walk;
}

void walk_free(struct walk *walk)
{
	if (!walk)
		return;
	intents_close(walk->intents);
	pthread_mutex_destroy(&walk->lock);
	pthread_mutex_destroy(&walk->turn);
	store_close(walk->first);
	flag_table_free(walk->flags);
	select_free(walk->own_select);
	arena_free(walk->arena);
	mem_free(walk);
}

size_t walk_count(const struct walk *walk)
{
	return walk->count;
}

struct walk_place *walk_place(struct walk *walk, size_t index)
{
	return &walk->place[index];
}

size_t walk_left_out(const struct walk *walk)
{
	return walk->list.refused + walk->missing;
}

const struct mailbox_list *walk_list(const struct walk *walk)
{
	return &walk->list;
}

const struct select *walk_select(const struct walk *walk)
{
	return walk->select;
}

unsigned walk_caps(const struct walk *walk)
{
	return walk->caps;
}

unsigned walk_content_ids(const struct walk *walk)
{
	return walk->content_ids;
}

const char *walk_software(const struct walk *walk)
{
	return walk->software;
}

struct mailbox_style walk_style(const struct walk *walk)
{
	return walk->style;
}

uint64_t walk_connections(const struct walk *walk)
{
	return walk->connections;
}

const struct settings *walk_settings(const struct walk *walk)
{
	return walk->request.settings;
}

struct intents *walk_intents(struct walk *walk, struct err *err)
{
	struct arena *arena = arena_new();
	struct intents *intents;
	char *dir;

	pthread_mutex_lock(&walk->lock);
	if (!walk->intents && settings_state_dir(walk->request.settings, arena, &dir, err) == 0)
		walk->intents = intents_open(dir, account_identity(walk->request.account), err);
	intents = walk->intents;
	pthread_mutex_unlock(&walk->lock);
	arena_free(arena);
	return intents;
}

pthread_mutex_t *walk_turn(struct walk *walk)
{
	return &walk->turn;
}

bool walk_has_intents(struct walk *walk)
{
	struct arena *arena = arena_new();
	bool has;
	char *dir;

	pthread_mutex_lock(&walk->lock);
	has = walk->intents ||
	      (settings_state_dir(walk->request.settings, arena, &dir, NULL) == 0 &&
		      intents_exist(dir, account_identity(walk->request.account)));
	pthread_mutex_unlock(&walk->lock);
	arena_free(arena);
	return has;
}

/* ---- visiting ---- */

static bool crew_ended(struct crew *crew)
{
	bool ended;

	pthread_mutex_lock(&crew->lock);
	ended = crew->ended;
	pthread_mutex_unlock(&crew->lock);
	return ended || stop_requested();
}

static void crew_end(struct crew *crew, const struct err *err)
{
	pthread_mutex_lock(&crew->lock);
	if (!crew->ended) {
		crew->ended = true;
		crew->end = *err;
	}
	pthread_mutex_unlock(&crew->lock);
}

static struct walk_place *crew_take(struct crew *crew)
{
	struct walk_place *place = NULL;

	pthread_mutex_lock(&crew->lock);
	if (!crew->ended && !stop_requested() && crew->next < crew->count)
		place = crew->todo[crew->next++];
	pthread_mutex_unlock(&crew->lock);
	return place;
}

static int member_connect(struct member *member, struct err *err)
{
	if (member->store)
		return 0;
	member->store = connect_one(member->crew->walk, member->flags, true, err);
	if (!member->store)
		return -1;
	pthread_mutex_lock(&member->crew->lock);
	member->crew->walk->connections++;
	pthread_mutex_unlock(&member->crew->lock);
	return 0;
}

static int visit_once(
	struct member *member, struct walk_place *place, unsigned attempt, struct err *err)
{
	struct crew *crew = member->crew;
	struct walk_visit visit = { .walk = crew->walk,
		.place = place,
		.store = member->store,
		.flags = member->flags,
		.arena = arena_new(),
		.attempt = attempt };
	int rc = crew->visit(crew->context, &visit, err);

	arena_free(visit.arena);
	return rc;
}

/* After an error: whether the place is visited again. Connections that are no good are closed. */
static bool may_retry(struct member *member, const struct err *err, unsigned attempt)
{
	bool busy = err->kind == ERR_KIND_BUSY || err->retry == ERR_RETRY_AFTER;
	int64_t ms = lane_pause_ms(err, attempt);

	if (err->scope >= ERR_ACCOUNT || (err->scope < ERR_CONN && !busy))
		return false;
	if (err->scope == ERR_CONN) {
		store_close(member->store);
		member->store = NULL;
	}
	if (attempt > member->crew->walk->request.settings->retries)
		return false;
	log_warn("%s; again in %.1f s", err->text, (double)ms / 1000);
	return clock_sleep(ms) == 0;
}

static void keep_err(struct crew *crew, struct walk_place *place, const struct err *err)
{
	struct err *kept;

	pthread_mutex_lock(&crew->lock);
	kept = arena_alloc(crew->walk->arena, sizeof(*kept));
	*kept = *err;
	pthread_mutex_unlock(&crew->lock);
	place->err = kept;
}

static void visit_place(struct member *member, struct walk_place *place)
{
	struct crew *crew = member->crew;
	struct meter *meter = crew->walk->request.meter;
	struct err err = ERR_INIT;
	int rc = -1;

	if (meter)
		meter_mailbox(meter, place->info->name);
	for (unsigned attempt = 1; !crew_ended(crew); attempt++) {
		err_clear(&err);
		rc = member_connect(member, &err);
		if (rc == 0)
			rc = visit_once(member, place, attempt, &err);
		if (rc == 0 || !may_retry(member, &err, attempt))
			break;
	}
	place->visited = rc == 0;
	if (rc < 0)
		keep_err(crew, place, &err);
	if (rc < 0 && err.scope >= ERR_ACCOUNT)
		crew_end(crew, &err);
	if (meter)
		meter_mailbox_done(meter);
}

/* One beyond the first that gets no connection leaves the work to the others. */
static bool may_work(struct member *member)
{
	struct crew *crew = member->crew;
	struct err err = ERR_INIT;
	bool leaves;

	if (!member->spare || member_connect(member, &err) == 0)
		return true;
	pthread_mutex_lock(&crew->lock);
	leaves = crew->alive > 1;
	crew->alive -= leaves;
	pthread_mutex_unlock(&crew->lock);
	if (leaves && err.scope != ERR_STOPPED)
		log_info("going on with one connection less: %s", err.text);
	return !leaves;
}

static void *member_main(void *argument)
{
	struct member *member = argument;
	struct walk_place *place;

	log_set_label(member->crew->label);
	if (!may_work(member))
		return NULL;
	while ((place = crew_take(member->crew)))
		visit_place(member, place);
	pthread_mutex_lock(&member->crew->lock);
	member->crew->alive--;
	pthread_mutex_unlock(&member->crew->lock);
	return NULL;
}

static unsigned choose_connections(const struct walk *walk, size_t places)
{
	unsigned wanted = walk->request.settings->jobs ? walk->request.settings->jobs : CONNECTIONS;
	unsigned cap = account_connections(walk->request.account);

	if (walk->caps & STORE_CAP_ALONE)
		return 1;
	if (cap && wanted > cap)
		wanted = cap;
	if (wanted > LANES_MAX)
		wanted = LANES_MAX;
	if (wanted > places)
		wanted = (unsigned)places;
	return wanted ? wanted : 1;
}

/* The first member works in the caller's thread, with the connection that listed. */
static void work(struct crew *crew)
{
	struct member *members = mem_array(crew->number, sizeof(*members));
	unsigned started = 1;

	members[0] = (struct member){
		.crew = crew, .store = crew->walk->first, .flags = crew->walk->flags
	};
	crew->alive = crew->number;
	for (unsigned i = 1; i < crew->number; i++) {
		members[i] =
			(struct member){ .crew = crew, .flags = flag_table_new(), .spare = true };
		if (pthread_create(&members[i].thread, NULL, member_main, &members[i]) != 0) {
			flag_table_free(members[i].flags);
			break;
		}
		started++;
	}
	pthread_mutex_lock(&crew->lock);
	crew->alive -= crew->number - started;
	pthread_mutex_unlock(&crew->lock);
	member_main(&members[0]);
	for (unsigned i = 1; i < started; i++) {
		pthread_join(members[i].thread, NULL);
		store_close(members[i].store);
		flag_table_free(members[i].flags);
	}
	crew->walk->first = members[0].store;
	mem_free(members);
}

static int by_size(const void *a, const void *b)
{
	const struct walk_place *const *x = a, *const *y = b;
	uint32_t more = (*x)->info->messages, less = (*y)->info->messages;

	if (more != less)
		return (more < less) - (more > less);
	return ((*x)->index > (*y)->index) - ((*x)->index < (*y)->index);
}

int walk_visit(struct walk *walk,
	int (*visit)(void *context, struct walk_visit *visit, struct err *err), void *context,
	bool (*wants)(void *context, const struct walk_place *place), struct err *err)
{
	struct crew crew = {
		.walk = walk, .visit = visit, .context = context, .label = log_label()
	};
	int rc;

	crew.todo = mem_array(walk->count + 1, sizeof(*crew.todo));
	for (size_t i = 0; i < walk->count; i++) {
		struct walk_place *place = &walk->place[i];

		if (wants && !wants(context, place))
			continue;
		place->visited = false;
		place->err = NULL;
		crew.todo[crew.count++] = place;
	}
	qsort(crew.todo, crew.count, sizeof(*crew.todo), by_size);
	crew.number = choose_connections(walk, crew.count);
	pthread_mutex_init(&crew.lock, NULL);
	if (crew.count > 0)
		work(&crew);
	pthread_mutex_destroy(&crew.lock);
	mem_free(crew.todo);
	rc = stop_check(err);
	if (rc == 0 && crew.ended) {
		*err = crew.end;
		rc = -1;
	}
	return rc;
}

void walk_rest(struct walk *walk)
{
	store_close(walk->first);
	walk->first = NULL;
}

/* ---- for visits ---- */

static void tick(void *context, uint64_t messages)
{
	meter_scanned(context, messages);
}

/* What has to be asked for, because no column tells. What cannot be told is no row any more. */
static int ask(struct walk_visit *visit, struct box *box, struct snapshot *snapshot,
	struct select_answer *answer, struct err *err)
{
	const int rc = select_ask(
		visit->walk->select, box, visit->flags, snapshot, false, visit->arena, answer, err);

	if (rc < 0)
		return -1;
	snapshot_remove(snapshot, &answer->unknown);
	if (rc > 0 || answer->unknown.count > 0)
		snapshot->complete = false;
	return 0;
}

static int scan_open(struct walk_visit *visit, struct box *box, const struct box_scan *scan,
	struct snapshot *snapshot, uint8_t **reason_out, struct err *err)
{
	struct box_scan full = scan ? *scan : (struct box_scan){ 0 };
	struct select_answer answer = { 0 };
	struct uidset unknown = { 0 };
	const struct walk *walk = visit->walk;

	if (walk->request.meter && !full.tick) {
		full.tick = tick;
		full.tick_context = walk->request.meter;
	}
	if (full.digests)
		snapshot_want_digests(snapshot);
	if (full.content)
		snapshot_want_content(snapshot);
	if (box_scan(box, &full, snapshot, visit->arena, &unknown, err) < 0 ||
		ask(visit, box, snapshot, &answer, err) < 0)
		return -1;
	*reason_out = arena_alloc(visit->arena, snapshot->count + 1);
	select_messages(walk->select, visit->flags, snapshot, &answer, *reason_out);
	return 0;
}

int walk_scan(struct walk_visit *visit, enum store_mode mode, const struct box_scan *scan,
	struct snapshot *snapshot, uint8_t **reason_out, struct box **box_out, struct err *err)
{
	struct box *box = store_open_box(visit->store, visit->place->info->name, mode, err);

	*box_out = NULL;
	if (!box)
		return -1;
	if (scan_open(visit, box, scan, snapshot, reason_out, err) < 0) {
		box_close(box);
		return -1;
	}
	*box_out = box;
	return 0;
}

int walk_check_uids(const struct box *box, uint32_t uidvalidity, struct err *err)
{
	const struct box_facts *facts = box_facts(box);

	if (facts->uidvalidity == 0 || facts->uid_not_sticky)
		return err_set_kind(err, ERR_MAILBOX, ERR_KIND_SAFETY,
			"mailbox %s: its UIDs are not lasting ones: nothing is changed in it",
			box_name(box));
	if (facts->uidvalidity != uidvalidity)
		return err_set(err, ERR_MAILBOX,
			"mailbox %s: UIDVALIDITY changed since its messages were looked at: nothing is changed in it",
			box_name(box));
	return 0;
}
