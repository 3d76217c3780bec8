/* Names at the front of header lines are looked at octet by octet, the rest is copied whole. */
#include "mail/mbox_status.h"

#include "base/buf.h"

#include <string.h>
#include <strings.h>

#define ASIDE "X-Original-"
#define ASIDE_LEN (sizeof(ASIDE) - 1)

static const char *const names[] = { "Status:", "X-Status:", "X-Keywords:" };

enum front { FRONT_NO, FRONT_MORE, FRONT_ASIDE, FRONT_NAME };

/* What the token is, or may become. The prefix is ours in this spelling only. */
static enum front judge(const struct mbox_status *status)
{
	const unsigned len = status->len;

	if (len == ASIDE_LEN && memcmp(status->token, ASIDE, len) == 0)
		return FRONT_ASIDE;
	for (size_t i = 0; i < countof(names); i++) {
		if (len <= strlen(names[i]) && strncasecmp(status->token, names[i], len) == 0)
			return len == strlen(names[i]) ? FRONT_NAME : FRONT_MORE;
	}
	return len < ASIDE_LEN && memcmp(status->token, ASIDE, len) == 0 ? FRONT_MORE : FRONT_NO;
}

static int give_prefix(struct mbox_status *status, struct buf *out)
{
	const bool held = status->prefixed;

	status->prefixed = false;
	return held ? buf_add(out, SPAN(ASIDE)) : 0;
}

static int give_token(struct mbox_status *status, struct buf *out)
{
	const struct span token = span_make(status->token, status->len);

	status->len = 0;
	return buf_add(out, token);
}

static int take_name(struct mbox_status *status, struct buf *out)
{
	status->inside = true;
	if (!status->undo && buf_add(out, SPAN(ASIDE)) < 0)
		return -1;
	if (status->undo && !status->prefixed) {
		status->dropping = true;
		status->len = 0;
		return 0;
	}
	status->prefixed = false;
	return give_token(status, out);
}

/* One octet of the front of a line, the empty line among them. */
static int take(struct mbox_status *status, char byte, struct buf *out)
{
	const bool first = !status->begun;

	status->token[status->len++] = byte;
	status->begun = true;
	if (first && status->dropping) {
		status->dropping = status->inside = byte == ' ' || byte == '\t';
		if (status->dropping) {
			status->len = 0;
			return 0;
		}
	}
	if (first && byte == '\n') {
		status->done = true;
		return give_token(status, out);
	}
	if (first && byte == '\r' && status->crlf && !status->cr) {
		status->cr = true;
		status->begun = false;
		return give_token(status, out);
	}
	switch (status->cr ? FRONT_NO : judge(status)) {
	case FRONT_MORE:
		return 0;
	case FRONT_ASIDE:
		if (status->undo) {
			const int rc = give_prefix(status, out);

			status->prefixed = true;
			status->len = 0;
			return rc;
		}
		return give_token(status, out);
	case FRONT_NAME:
		return take_name(status, out);
	case FRONT_NO:
		break;
	}
	status->inside = status->begun = byte != '\n';
	status->cr = false;
	return give_prefix(status, out) < 0 ? -1 : give_token(status, out);
}

int mbox_status_add(struct mbox_status *status, struct span chunk, struct buf *out)
{
	while (chunk.len > 0 && !status->done) {
		size_t len = 1;

		if (status->inside) {
			const size_t lf = span_find(chunk, '\n');

			len = lf == SIZE_MAX ? chunk.len : lf + 1;
			status->inside = status->begun = lf == SIZE_MAX;
			if (!status->dropping && buf_add(out, span_sub(chunk, 0, len)) < 0)
				return -1;
		} else if (take(status, *chunk.data, out) < 0) {
			return -1;
		}
		chunk = span_from(chunk, len);
	}
	return buf_add(out, chunk);
}

int mbox_status_end(struct mbox_status *status, struct buf *out)
{
	return give_prefix(status, out) < 0 ? -1 : give_token(status, out);
}
