/* Header lines by their fronts. */
#include "mail/mozilla_filter.h"

#include "base/buf.h"
#include "mail/mbox_facts.h"

#include <string.h>

static int decide(struct mozilla_filter *filter, struct buf *out)
{
	const struct span front = span_make(filter->front, filter->len);
	const size_t colon = span_find(front, ':');

	if (span_equal_text(front, "\n") || span_equal_text(front, "\r\n"))
		filter->state = MOZILLA_BODY;
	else
		filter->state = front.len > 0 && front.data[front.len - 1] == '\n' ? MOZILLA_FRONT
										   : MOZILLA_REST;
	if (front.len == 0 || (*front.data != ' ' && *front.data != '\t'))
		filter->dropping = colon != SIZE_MAX &&
				   mbox_is_mozilla_field(span_trim(span_sub(front, 0, colon)));
	filter->len = 0;
	return filter->dropping ? 0 : buf_add(out, front);
}

int mozilla_filter_add(struct mozilla_filter *filter, struct span chunk, struct buf *out)
{
	int rc = 0;

	while (chunk.len > 0 && filter->state != MOZILLA_BODY && rc == 0) {
		const char *lf = memchr(chunk.data, '\n', chunk.len);
		size_t len = lf == NULL ? chunk.len : (size_t)(lf - chunk.data) + 1;

		if (filter->state == MOZILLA_REST) {
			if (!filter->dropping)
				rc = buf_add(out, span_sub(chunk, 0, len));
			if (lf != NULL)
				filter->state = MOZILLA_FRONT;
		} else {
			if (len > sizeof(filter->front) - filter->len)
				len = sizeof(filter->front) - filter->len;
			memcpy(filter->front + filter->len, chunk.data, len);
			filter->len += len;
			if (filter->len == sizeof(filter->front) ||
				filter->front[filter->len - 1] == '\n')
				rc = decide(filter, out);
		}
		chunk = span_from(chunk, len);
	}
	return rc < 0 ? -1 : buf_add(out, chunk);
}

int mozilla_filter_end(struct mozilla_filter *filter, struct buf *out)
{
	return filter->state == MOZILLA_FRONT && filter->len > 0 ? decide(filter, out) : 0;
}
