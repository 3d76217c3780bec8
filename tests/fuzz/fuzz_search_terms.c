/* Any words, one a line: what they become is one expression by our own grammar, without a control character, and never more than their values. */
#include "ops/search_terms.h"

#include "base/arena.h"
#include "base/err.h"
#include "store/file_search.h"

#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 1000
#define NOW INT64_C(1706745600)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check(const char *text)
{
	struct file_search *search;
	struct err err = ERR_INIT;

	for (const char *c = text; *c; c++)
		must((unsigned char)*c >= ' ' && *c != 0x7f);
	if (!*text)
		return;
	search = file_search_new(text, NOW, &err);
	/* Depths are counted a little differently. */
	must(search || strstr(err.text, "nested too deeply"));
	file_search_free(search);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();
	struct span rest = span_make((const char *)data, size);
	char *words[WORDS_MAX];
	size_t count = 0;

	while (rest.len > 0 && count < WORDS_MAX) {
		size_t len = span_find(rest, '\n');

		len = len == SIZE_MAX ? rest.len : len;
		words[count++] = arena_text(arena, span_sub(rest, 0, len));
		rest = span_from(rest, len + 1);
	}
	const char *text = search_terms(words, count, NOW, arena, NULL);

	if (text)
		check(text);
	arena_free(arena);
	return 0;
}
