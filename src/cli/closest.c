/* Distance by insertions, deletions, replacements and swapped neighbours (optimal string alignment). */
#include "cli/closest.h"

#include "base/must.h"
#include "base/span.h"

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t distance(struct span a, struct span b)
{
	size_t row[3][CLOSEST_MAX];

	for (size_t j = 0; j <= b.len; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			char x = a.data[i - 1], y = b.data[j - 1];

			now[j] = least(last[j] + 1, least(now[j - 1] + 1, last[j - 1] + (x != y)));
			if (i > 1 && j > 1 && x == b.data[j - 2] && a.data[i - 2] == y)
				now[j] = least(now[j], before[j - 2] + 1);
		}
	}
	return row[a.len % 3][b.len];
}

void closest_begin(struct closest *closest, const char *word, size_t len)
{
	*closest = (struct closest){ .word = word, .len = len, .distance = SIZE_MAX };
}

void closest_try(struct closest *closest, const char *candidate)
{
	struct span word = span_make(closest->word, closest->len), other = span_of(candidate);
	size_t far;

	if (word.len == 0 || word.len >= CLOSEST_MAX || other.len >= CLOSEST_MAX)
		return;
	/* The beginning of a word counts as one slip, however much is missing. */
	far = word.len >= 3 && span_starts(other, word) ? 1 : distance(word, other);
	if (far < closest->distance) {
		closest->distance = far;
		snprintf(closest->best, sizeof(closest->best), "%s", candidate);
	}
}

bool closest_found(const struct closest *closest)
{
	return closest->distance <= (closest->len < 4 ? 1 : closest->len < 8 ? 2 : 3);
}
