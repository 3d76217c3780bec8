/* The text of the file that says what is subscribed in a tree of mbox files. */
#include "store/mbox_subscriptions.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "mail/mailbox_name.h"

#define FIRST "mailhaul-subscriptions 1"

void mbox_subscriptions_init(struct mbox_subscriptions *list, struct arena *arena)
{
	list->out = map_new(arena);
}

void mbox_subscriptions_release(struct mbox_subscriptions *list)
{
	map_free(list->out);
}

/* Every line ends in LF: a text that was cut off is found. */
static bool next_line(struct span *rest, struct span *line)
{
	const size_t end = span_find(*rest, '\n');

	if (end == SIZE_MAX)
		return false;
	*line = span_sub(*rest, 0, end);
	*rest = span_from(*rest, end + 1);
	return true;
}

static bool take_line(struct span line, struct mbox_subscriptions *list)
{
	struct buf name;
	bool taken = false;

	if (line.len < 2 || line.data[0] != '-')
		return false;
	for (size_t i = 0; i < line.len; i++) {
		if ((unsigned char)line.data[i] < ' ') /* it would have been encoded */
			return false;
	}
	buf_init(&name, MAILBOX_NAME_MAX);
	if (percent_decode(span_from(line, 1), &name) == 0 && utf8_valid(buf_span(&name))) {
		map_set(list->out, buf_span(&name), list);
		taken = true;
	}
	buf_release(&name);
	return taken;
}

int mbox_subscriptions_parse(
	struct span text, const char *shown, struct mbox_subscriptions *list, struct err *err)
{
	struct span line;
	size_t number = 1;
	bool good = next_line(&text, &line) && span_equal_text(line, FIRST);

	while (good && text.len > 0) {
		number++;
		good = next_line(&text, &line) && take_line(line, list);
	}
	return good ? 0
		    : err_set(err, ERR_MAILBOX, "%s:%zu: damaged: mailhaul did not write this",
			      shown, number);
}

bool mbox_subscriptions_has(const struct mbox_subscriptions *list, const char *name)
{
	return map_find(list->out, span_of(name)) == NULL;
}

bool mbox_subscriptions_set(struct mbox_subscriptions *list, const char *name, bool subscribed)
{
	if (mbox_subscriptions_has(list, name) == subscribed)
		return false;
	map_set(list->out, span_of(name), subscribed ? NULL : list);
	return true;
}

static int compare_spans(const void *a, const void *b)
{
	return span_compare(*(const struct span *)a, *(const struct span *)b);
}

int mbox_subscriptions_print(const struct mbox_subscriptions *list, struct buf *out)
{
	struct span *name = mem_array(map_count(list->out) + 1, sizeof(*name));
	size_t count = 0;
	int rc;

	for (size_t i = 0; i < map_count(list->out); i++) {
		if (map_value(list->out, i) != NULL)
			name[count++] = map_key(list->out, i);
	}
	if (count > 0)
		qsort(name, count, sizeof(*name), compare_spans);
	rc = buf_add(out, SPAN(FIRST "\n"));
	for (size_t i = 0; i < count && rc == 0; i++) {
		rc = buf_add_char(out, '-');
		if (rc == 0)
			rc = percent_encode(name[i], "", out);
		if (rc == 0)
			rc = buf_add_char(out, '\n');
	}
	mem_free(name);
	return rc;
}
