/*
 * Any octets as the header of a message: facts don't depend on how it was cut. Any flags: what is printed for them reads as the same flags, and as the same
 * lines again.
 */
#include "mail/mbox_facts.h"

#include "base/buf.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void read_facts(struct mbox_facts *facts, struct span text, size_t step,
	struct mbox_result *out, struct buf *flags)
{
	for (size_t at = 0; at < text.len; at += step)
		mbox_facts_add(facts, span_sub(text, at, step));
	mbox_facts_end(facts, out);
	buf_clear(flags);
	must(buf_add(flags, out->mozilla_flags) == 0 && buf_add_char(flags, '\n') == 0 &&
		buf_add(flags, out->status_flags) == 0);
}

static void check_cuts(struct mbox_facts *facts, struct span text, size_t step)
{
	struct mbox_result whole, cut;
	struct buf a, b;

	buf_init(&a, 1 << 20);
	buf_init(&b, 1 << 20);
	read_facts(facts, text, text.len + 1, &whole, &a);
	read_facts(facts, text, step, &cut, &b);
	must(span_equal(buf_span(&a), buf_span(&b)));
	must(digest128_equal(whole.key, cut.key) && whole.date.instant == cut.date.instant);
	must(whole.mozilla_octets == cut.mozilla_octets && whole.bare_lf == cut.bare_lf);
	must(whole.mozilla.status == cut.mozilla.status);
	buf_release(&a);
	buf_release(&b);
}

static void check_print(struct mbox_facts *facts, struct span flags, size_t step)
{
	struct mbox_result result;
	struct buf lines, first, again;

	buf_init(&lines, 1 << 20);
	buf_init(&first, 1 << 20);
	buf_init(&again, 1 << 20);
	must(mozilla_print(flags, &lines) == 0);
	read_facts(facts, buf_span(&lines), step, &result, &first);
	must(result.has_mozilla && result.mozilla_octets == lines.len);
	must(buf_add(&again, result.mozilla_flags) == 0);
	buf_clear(&lines);
	must(mozilla_print(buf_span(&again), &lines) == 0);
	read_facts(facts, buf_span(&lines), step, &result, &again);
	must(span_equal(buf_span(&first), buf_span(&again)));
	buf_release(&lines);
	buf_release(&first);
	buf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mbox_facts *facts;

	if (size < 1)
		return 0;

	const struct span text = span_make((const char *)data + 1, size - 1);
	const size_t step = 1 + data[0] % 32;
	bool is_flags = text.len < 3000;

	facts = mbox_facts_new();
	check_cuts(facts, text, step);
	for (size_t i = 0; i < text.len; i++)
		is_flags &= text.data[i] > ' ' ? text.data[i] < 0x7f : text.data[i] == ' ';
	if (is_flags)
		check_print(facts, text, step);
	mbox_facts_free(facts);
	return 0;
}
