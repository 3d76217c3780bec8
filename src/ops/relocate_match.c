/* Which messages have a copy in the target: a walk along two sorted lists. */
#include "ops/relocate_parts.h"

#include "base/mem.h"

struct entry { /* an item or a row */
	size_t index;
	uint64_t size;
	struct digest128 digest, content;
};

static int compare_kind(const struct entry *x, const struct entry *y)
{
	int order = digest128_compare(x->digest, y->digest);

	if (order == 0)
		order = (x->size > y->size) - (x->size < y->size);
	return order ? order : digest128_compare(x->content, y->content);
}

/* Within a kind the oldest first, so that the outcome is the same every time. */
static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	const int order = compare_kind(x, y);

	return order ? order : (x->index > y->index) - (x->index < y->index);
}

static size_t list_items(
	const struct relocate_item *item, size_t count, bool content, struct entry *out)
{
	size_t listed = 0;

	for (size_t i = 0; i < count; i++) {
		if (!item[i].sent || item[i].arrived || !digest128_known(item[i].digest) ||
			(content && !digest128_known(item[i].content)))
			continue;
		out[listed++] = (struct entry){ i, item[i].size, item[i].digest,
			content ? item[i].content : (struct digest128){ { 0, 0 } } };
	}
	qsort(out, listed, sizeof(*out), compare);
	return listed;
}

static size_t list_rows(
	const struct snapshot *target, bool content, const struct uidset *copies, struct entry *out)
{
	const uint8_t needed = SNAPSHOT_HAS_DIGEST | (content ? SNAPSHOT_HAS_CONTENT : 0);
	size_t listed = 0;

	for (size_t i = 0; i < target->count; i++) {
		if ((target->attr[i] & needed) != needed || uidset_has(copies, target->uid[i]))
			continue;
		out[listed++] = (struct entry){ i, target->size[i], target->digest[i],
			content ? target->content[i] : (struct digest128){ { 0, 0 } } };
	}
	qsort(out, listed, sizeof(*out), compare);
	return listed;
}

static size_t kind_length(const struct entry *entry, size_t left)
{
	size_t length = 1;

	while (length < left && compare_kind(&entry[length], entry) == 0)
		length++;
	return length;
}

/*
 * Of one kind: `like` items and `found` rows. What is not here any more comes first, since it must be there. Rivals leave no doubt where there is a row for each of them
 * too: then it does not matter which is whose. Returns how many are ambiguous.
 */
static size_t settle_kind(struct relocate_item *item, const struct entry *wanted, size_t like,
	size_t found, bool content)
{
	size_t gone = 0, taken = 0, ambiguous = 0;

	for (size_t k = 0; k < like; k++)
		gone += !item[wanted[k].index].here;
	for (size_t k = 0; k < like; k++) {
		struct relocate_item *one = &item[wanted[k].index];

		if (one->here && !content)
			one->ambiguous = found > gone;
		else if (one->here)
			one->ambiguous =
				one->rivals > 0 && found > gone && found < like + one->rivals;
		else
			one->ambiguous = !content && found > 0 && found < gone;
		one->arrived = !one->ambiguous && taken < found && (content || !one->here);
		taken += one->arrived;
		ambiguous += one->ambiguous;
	}
	return ambiguous;
}

size_t relocate_match(struct relocate_item *item, size_t count, const struct snapshot *target,
	bool content, struct uidset *copies, struct arena *arena)
{
	struct entry *wanted = mem_array(count + 1, sizeof(*wanted));
	struct entry *rows = mem_array(target->count + 1, sizeof(*rows));
	const size_t items = list_items(item, count, content, wanted);
	const size_t listed = list_rows(target, content, copies, rows);
	size_t ambiguous = 0, at = 0;

	for (size_t i = 0; i < items;) {
		const size_t like = kind_length(&wanted[i], items - i);
		size_t found = 0;

		while (at < listed && compare_kind(&rows[at], &wanted[i]) < 0)
			at++;
		while (at + found < listed && compare_kind(&rows[at + found], &wanted[i]) == 0)
			found++;
		ambiguous += settle_kind(item, &wanted[i], like, found, content);
		for (size_t k = 0, row = at; k < like; k++) {
			if (!item[wanted[i + k].index].arrived)
				continue;
			uidset_add(copies, arena, target->uid[rows[row].index],
				target->uid[rows[row].index]);
			row++;
		}
		i += like;
	}
	mem_free(rows);
	mem_free(wanted);
	return ambiguous;
}
