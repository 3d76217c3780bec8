/* A command over a UID set of any length, cut into lines the server takes. */
#include "store/store_imap_parts.h"

#include "base/buf.h"

#define LINE_RESERVE 64 /* tag, blanks, a last long range */

static size_t room_for_set(const struct set_run *run)
{
	/* a name is quoted: at most two octets for one */
	const size_t name = run->mailbox != NULL ? 2 * strlen(run->mailbox) + 3 : 0;
	const size_t used = strlen(run->verb) + strlen(run->tail) + name + LINE_RESERVE;
	const size_t line = imap_line_max(run->imap);

	return line > used + LINE_RESERVE ? line - used : LINE_RESERVE;
}

static uint32_t send_piece(struct set_run *run, const char *set, struct err *err)
{
	struct imap_command command;

	imap_command_init(&command, run->verb);
	imap_command_raw(&command, set);
	if (run->mailbox != NULL)
		imap_command_mailbox(&command, run->mailbox);
	imap_command_raw(&command, run->tail);
	return imap_submit(run->imap, &command, err);
}

static int send_next(struct set_run *run, struct err *err)
{
	struct buf piece;
	uint32_t tag = 0;
	bool more = true;

	buf_init(&piece, IMAP_COMMAND_MAX);
	if (run->set == NULL)
		more = buf_add(&piece, SPAN("1:*")) == 0;
	else
		more = uidset_print(run->set, &run->next, room_for_set(run), &piece);
	if (more)
		tag = send_piece(run, buf_text(&piece), err);
	buf_release(&piece);
	run->sent_all = run->set == NULL || run->next >= run->set->count;
	if (tag != 0)
		run->tag[(run->first + run->count++) % SET_RUN_WINDOW] = tag;
	return more && tag == 0 ? -1 : 0;
}

int set_run_next(struct set_run *run, const struct imap_event **out, struct err *err)
{
	for (;;) {
		const struct imap_event *event = NULL;
		struct err local = ERR_INIT;
		int rc;

		while (!run->sent_all && run->count < SET_RUN_WINDOW) {
			if (send_next(run, err) < 0)
				return -1;
		}
		if (run->count == 0)
			return 0;
		rc = imap_until(run->imap, run->tag[run->first], &event, &local);
		*out = event;
		if (rc > 0)
			return 1;
		if (rc < 0 && local.scope >= ERR_CONN) {
			if (err != NULL)
				*err = local;
			return -1;
		}
		if (rc < 0 && !run->refused) {
			run->refused = true;
			run->refusal = local;
		}
		run->first = (run->first + 1) % SET_RUN_WINDOW;
		run->count--;
		if (event != NULL) /* read just now, and not earlier as another one's */
			return 1;
	}
}

int set_run_finish(struct set_run *run, struct err *err)
{
	const struct imap_event *event;
	int rc;

	while ((rc = set_run_next(run, &event, err)) > 0)
		;
	if (rc == 0 && run->refused) {
		if (err != NULL)
			*err = run->refusal;
		return -1;
	}
	return rc;
}
