/*
 * The commands of the pipelined reader: cutting sets to the line length, and what becomes of UIDs that a command left unanswered. They are asked
 * for again in ever smaller commands until each stands alone; only then it is judged.
 */
#include "imap/imap_fetch_parts.h"

#include "base/err.h"
#include "base/mem.h"
#include "net/wire.h"

#include <inttypes.h>

#define ALONE_LEAST 8 /* so few are asked for one by one at once */
#define LINE_REST 64 /* of a command line: tag, verb, blanks, CRLF, and one more range */
#define RANGE_TEXT 22 /* "4294967295:4294967295," */

static void ask_free(struct fetch_ask *ask)
{
	mem_free(ask->range);
	mem_free(ask);
}

static void command_free(struct fetch_command *command)
{
	imap_fetch_marks_release(&command->marks);
	mem_free(command->slice);
	mem_free(command);
}

void imap_fetch_asks_release(struct imap_fetch *fetch)
{
	struct fetch_ask *lists[] = { fetch->asks, fetch->again };

	for (size_t i = 0; i < countof(lists); i++) {
		while (lists[i]) {
			struct fetch_ask *next = lists[i]->next;

			ask_free(lists[i]);
			lists[i] = next;
		}
	}
	for (size_t i = 0; i < fetch->flights; i++)
		command_free(fetch->flight[i]);
	fetch->flights = 0;
}

void imap_fetch_queue(struct imap_fetch *fetch, struct fetch_ask *ask)
{
	struct fetch_ask ***end = ask->again ? &fetch->again_end : &fetch->asks_end;

	ask->next = NULL;
	**end = ask;
	*end = &ask->next;
	fetch->bytes += ask->bytes;
}

static void drop_first(struct imap_fetch *fetch, bool again)
{
	struct fetch_ask **first = again ? &fetch->again : &fetch->asks;
	struct fetch_ask *ask = *first;

	*first = ask->next;
	if (!ask->next && again)
		fetch->again_end = &fetch->again;
	else if (!ask->next)
		fetch->asks_end = &fetch->asks;
	ask_free(ask);
}

static void add_slice(struct fetch_command *command, uint32_t first, uint32_t last)
{
	/* Doubles at powers of two. */
	if ((command->slices & (command->slices - 1)) == 0)
		command->slice = mem_resize(command->slice,
			command->slices ? command->slices * 2 : 1, sizeof(*command->slice));
	command->slice[command->slices++] =
		(struct fetch_slice){ first, last, (uint32_t)command->uids };
	command->uids += (uint64_t)last - first + 1;
}

static int print_slice(struct buf *line, struct fetch_slice slice, bool comma)
{
	const char *before = comma ? "," : "";

	if (slice.first == slice.last)
		return buf_print(line, "%s%" PRIu32, before, slice.first);
	if (slice.last == UINT32_MAX)
		return buf_print(line, "%s%" PRIu32 ":*", before, slice.first);
	return buf_print(line, "%s%" PRIu32 ":%" PRIu32, before, slice.first, slice.last);
}

/* Moves as many UIDs from the ask as one command may hold; their text is in fetch->line. NULL with err: never as things are. */
static struct fetch_command *cut(struct imap_fetch *fetch, struct fetch_ask *ask, struct err *err)
{
	struct fetch_command *command = mem_alloc(sizeof(*command));
	const size_t line_max = imap_line_max(fetch->imap);
	const size_t taken = fetch->items.len + LINE_REST + RANGE_TEXT;
	const size_t room = line_max > taken ? line_max - taken : 0;

	buf_clear(&fetch->line);
	command->kind = ask->kind;
	command->again = ask->again;
	while (ask->at < ask->ranges && command->uids < ask->at_once &&
		(command->slices == 0 || fetch->line.len < room)) {
		struct uid_range *range = &ask->range[ask->at];
		const uint64_t most = ask->at_once - command->uids;
		uint32_t last = range->last;

		if ((uint64_t)last - range->first >= most)
			last = (uint32_t)(range->first + most - 1);
		add_slice(command, range->first, last);
		if (print_slice(&fetch->line, command->slice[command->slices - 1],
			    command->slices > 1) < 0) {
			command_free(command);
			(void)err_set(
				err, ERR_LOCAL, "set of messages too long for a command line");
			return NULL;
		}
		if (last == range->last)
			ask->at++;
		else
			range->first = last + 1;
	}
	/* The share of the bytes that are expected; never of more UIDs than there are. */
	command->bytes = (uint64_t)((double)ask->bytes * (double)command->uids / (double)ask->uids);
	if (command->uids >= ask->uids || command->bytes > ask->bytes)
		command->bytes = ask->bytes;
	ask->bytes -= command->bytes;
	ask->uids -= command->uids;
	return command;
}

static int submit(struct imap_fetch *fetch, struct fetch_command *command,
	struct imap_command *line, struct err *err)
{
	command->tag = imap_submit(fetch->imap, line, err);
	if (command->tag == 0) {
		command_free(command);
		return -1;
	}
	fetch->flight[fetch->flights++] = command;
	fetch->again_flights += command->again;
	return 0;
}

static int send_ask(struct imap_fetch *fetch, struct fetch_ask *ask, struct err *err)
{
	struct imap_command line;
	struct fetch_command *command = cut(fetch, ask, err);

	if (!command)
		return -1;
	imap_command_init(&line, "UID FETCH");
	imap_command_raw(&line, buf_text(&fetch->line));
	imap_command_raw(&line, buf_text(&fetch->items));
	if (ask->modseq > 0) /* RFC 7162 §3.1.4.1, §3.2.6 */
		imap_command_print(&line, "(CHANGEDSINCE %" PRIu64 "%s)", ask->modseq,
			ask->vanished ? " VANISHED" : "");
	if (ask->at == ask->ranges)
		drop_first(fetch, ask->again);
	return submit(fetch, command, &line, err);
}

static int send_probe(struct imap_fetch *fetch, uint32_t uid, struct err *err)
{
	struct fetch_command *probe = mem_alloc(sizeof(*probe));
	struct imap_command line;

	probe->kind = FETCH_PROBE;
	probe->again = true;
	add_slice(probe, uid, uid);
	imap_command_init(&line, "UID SEARCH");
	imap_command_print(&line, "UID %" PRIu32, uid);
	return submit(fetch, probe, &line, err);
}

int imap_fetch_pump(struct imap_fetch *fetch, struct err *err)
{
	bool sent = false;

	/* A probe may take the place of any command, so that either limit may be passed, but not their sum. */
	while (fetch->flights < FETCH_FLIGHT_MAX) {
		struct fetch_ask *ask = NULL;

		if (fetch->again && fetch->again_flights < FETCH_AGAIN_MAX)
			ask = fetch->again;
		else if (fetch->asks &&
			 fetch->flights - fetch->again_flights < fetch->window_commands)
			ask = fetch->asks;
		if (!ask)
			break;
		if (send_ask(fetch, ask, err) < 0)
			return -1;
		sent = true;
	}
	return sent ? wire_push(imap_wire(fetch->imap), err) : 0;
}

/* The slice that holds the UID, or NULL. Answers mostly come in order. */
static struct fetch_slice *find_slice(struct fetch_command *command, uint32_t uid)
{
	for (size_t i = command->near; i < command->slices && i <= command->near + 1; i++) {
		if (command->slice[i].first <= uid && uid <= command->slice[i].last) {
			command->near = i;
			return &command->slice[i];
		}
	}

	size_t low = 0, high = command->slices;
	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (command->slice[mid].last < uid)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == command->slices || uid < command->slice[low].first)
		return NULL;
	command->near = low;
	return &command->slice[low];
}

struct fetch_command *imap_fetch_wanted(struct imap_fetch *fetch, uint32_t uid)
{
	if (uid == 0)
		return NULL;
	for (size_t i = 0; i < fetch->flights; i++) {
		struct fetch_command *command = fetch->flight[i];
		if (command->kind == FETCH_PROBE)
			continue;

		const struct fetch_slice *slice = find_slice(command, uid);
		if (slice &&
			!imap_fetch_mark_has(&command->marks, slice->place + (uid - slice->first)))
			return command;
	}
	return NULL;
}

static void give_back(struct imap_fetch *fetch, struct fetch_command *command, uint64_t bytes)
{
	command->bytes -= bytes;
	fetch->bytes -= bytes;
}

void imap_fetch_answered(struct imap_fetch *fetch, struct fetch_command *command, uint32_t uid)
{
	const struct fetch_slice *slice = find_slice(command, uid);

	give_back(fetch, command, command->bytes / (command->uids - command->answered));
	command->answered++;
	imap_fetch_mark_set(&command->marks, slice->place + (uid - slice->first));
}

/* A search may name any message of the mailbox; one that is named exists, whichever command that answers. */
void imap_fetch_found(struct imap_fetch *fetch, const struct imap_search *search)
{
	if (search->esearch && !search->uid)
		return;
	for (size_t i = 0; i < fetch->flights; i++) {
		struct fetch_command *command = fetch->flight[i];

		if (command->kind == FETCH_PROBE &&
			uidset_has(&search->set, command->slice[0].first))
			command->listed = true;
	}
}

/* The UIDs that were not answered, as ranges. */
static struct fetch_ask *left_out(struct fetch_command *command)
{
	struct fetch_ask *ask = mem_alloc(sizeof(*ask));
	size_t room = 0;

	for (size_t i = 0; i < command->slices; i++) {
		const struct fetch_slice *slice = &command->slice[i];

		for (uint64_t uid = slice->first; uid <= slice->last; uid++) {
			if (imap_fetch_mark_has(
				    &command->marks, slice->place + (uint32_t)(uid - slice->first)))
				continue;
			ask->uids++;
			if (ask->ranges > 0 && ask->range[ask->ranges - 1].last + 1 == uid) {
				ask->range[ask->ranges - 1].last = (uint32_t)uid;
				continue;
			}
			if (ask->ranges == room) {
				room = room ? room * 2 : 8;
				ask->range = mem_resize(ask->range, room, sizeof(*ask->range));
			}
			ask->range[ask->ranges++] =
				(struct uid_range){ (uint32_t)uid, (uint32_t)uid };
		}
	}
	return ask;
}

/*
 * Asks again, less at once. A refusal is halved, for one message may stop a server from answering all that follow; what is left out of an OK
 * is mostly expunged, or too much for one answer (Yahoo).
 */
static void narrow(struct imap_fetch *fetch, struct fetch_command *command, bool ok)
{
	struct fetch_ask *ask = left_out(command);

	ask->kind = FETCH_UIDS;
	ask->again = true;
	ask->bytes = command->bytes;
	give_back(fetch, command, command->bytes);
	if (ask->uids <= ALONE_LEAST || (ok && command->answered == 0))
		ask->at_once = 1;
	else if (ok)
		ask->at_once = ask->uids;
	else
		ask->at_once = (ask->uids + 1) / 2;
	imap_fetch_queue(fetch, ask);
}

static int verdict(
	struct imap_fetch *fetch, uint32_t uid, enum imap_message_outcome outcome, const char *text)
{
	struct imap_message *message = &fetch->message;
	size_t len = strlen(text);

	*message = (struct imap_message){ .uid = uid, .outcome = outcome, .has = IMAP_FETCH_UID };
	if (len > sizeof(message->text) - 1) {
		len = sizeof(message->text) - 1;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(message->text, text, len);
	fetch->body = FETCH_BODY_NONE;
	return 1;
}

/* Answers that are not about messages: to pause, to stop, not allowed here. Asking again in smaller pieces would be wrong. */
static bool is_general(const struct imap_event *event, const struct err *answer)
{
	const enum imap_code_type code = event->code.type;

	return answer->kind == ERR_KIND_BUSY || answer->kind == ERR_KIND_QUOTA ||
	       answer->scope > ERR_MAILBOX || code == IMAP_CODE_THROTTLED ||
	       code == IMAP_CODE_LIMIT || code == IMAP_CODE_UNAVAILABLE || code == IMAP_CODE_NOPERM;
}

static int refused(struct imap_fetch *fetch, struct fetch_command *command,
	const struct imap_event *event, struct err *err)
{
	const enum imap_code_type code = event->code.type;
	const uint32_t uid = command->slice[0].first;
	struct err answer = ERR_INIT;

	(void)imap_answer_err(event, &answer);
	if (command->kind == FETCH_NEWS || is_general(event, &answer)) {
		if (err)
			*err = answer;
		return -1;
	}
	if (command->uids > 1) {
		narrow(fetch, command, false);
		return 0;
	}
	/* RFC 5530 §3: gone while it was asked for; to be seen. */
	if (command->kind == FETCH_UIDS &&
		(code == IMAP_CODE_EXPUNGEISSUED || code == IMAP_CODE_NONEXISTENT))
		return send_probe(fetch, uid, err);
	return verdict(fetch, uid, IMAP_MESSAGE_REFUSED, answer.text);
}

static int answered_ok(struct imap_fetch *fetch, struct fetch_command *command, struct err *err)
{
	const uint32_t uid = command->slice[0].first;

	if (command->kind == FETCH_NEWS || command->answered == command->uids)
		return 0;
	if (command->kind == FETCH_PROBE && command->listed)
		return verdict(fetch, uid, IMAP_MESSAGE_REFUSED,
			"the server lists the message but does not give it out");
	if (command->kind == FETCH_PROBE)
		return verdict(fetch, uid, IMAP_MESSAGE_GONE, "");
	if (command->uids > 1) {
		narrow(fetch, command, true);
		return 0;
	}
	if (imap_fetch_make_do(fetch, command))
		return 1;
	return send_probe(fetch, uid, err);
}

int imap_fetch_done(struct imap_fetch *fetch, const struct imap_event *event, struct err *err)
{
	size_t at = 0;

	while (at < fetch->flights && fetch->flight[at]->tag != event->tag)
		at++;
	if (at == fetch->flights)
		return 0;

	struct fetch_command *command = fetch->flight[at];
	fetch->flights--;
	fetch->again_flights -= command->again;
	memmove(&fetch->flight[at], &fetch->flight[at + 1],
		(fetch->flights - at) * sizeof(fetch->flight[0]));

	int rc = 0;
	if (event->status == IMAP_OK)
		rc = answered_ok(fetch, command, err);
	else if (command->kind == FETCH_PROBE || command->answered < command->uids)
		rc = refused(fetch, command, event, err);
	give_back(fetch, command, command->bytes);
	command_free(command);
	return rc;
}
