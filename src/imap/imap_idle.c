#include "imap/imap_idle.h"

#include "base/clock.h"
#include "base/err.h"
#include "net/wire.h"

int imap_idle_begin(struct imap_idle *idle, struct imap *imap, struct err *err)
{
	const struct imap_event *event;
	int rc;

	*idle = (struct imap_idle){ .imap = imap };
	if (!imap_has(imap, IMAP_CAP_IDLE))
		return err_set_kind(err, ERR_MAILBOX, ERR_KIND_UNSUPPORTED,
			"the server does not tell of new messages by itself (no IDLE)");
	idle->tag = imap_sendf(imap, err, "IDLE");
	if (idle->tag == 0)
		return -1;
	while ((rc = imap_until(imap, idle->tag, &event, err)) > 0) {
		if (event->type == IMAP_CONTINUE)
			return 0;
		idle->news |= event->type == IMAP_EXISTS;
	}
	idle->tag = 0;
	if (rc < 0 && err->scope >= ERR_CONN)
		return -1;
	/* OK without a "+" is no IDLE either. */
	imap_give_up(imap, IMAP_CAP_IDLE);
	return err_set_kind(
		err, ERR_MAILBOX, ERR_KIND_UNSUPPORTED, "the server announces IDLE and refuses it");
}

int imap_idle_wait(struct imap *imap, int64_t until, const struct imap_event **out, struct err *err)
{
	while (!imap_ready(imap)) {
		struct err local = ERR_INIT;

		if (clock_ms() >= until)
			return 0;
		if (stream_wait(wire_stream(imap_wire(imap)), STREAM_READ, until, &local) >= 0)
			continue;
		if (local.scope == ERR_CONN && clock_ms() >= until)
			return 0;
		*err = local;
		return -1;
	}
	return imap_next(imap, out, err);
}

int imap_idle_end(struct imap_idle *idle, bool *news_out, struct err *err)
{
	const struct imap_event *event;
	int rc;

	if (idle->tag == 0)
		return 0;
	if (imap_put(idle->imap, SPAN("DONE\r\n"), err) < 0)
		return -1;
	while ((rc = imap_until(idle->imap, idle->tag, &event, err)) > 0)
		idle->news |= event->type == IMAP_EXISTS;
	idle->tag = 0;
	if (news_out)
		*news_out |= idle->news;
	return rc;
}
