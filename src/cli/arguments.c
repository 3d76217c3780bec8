/* @FILE is written out with a stack of open files, so that a file's words take the place of its name. */
#include "cli/arguments.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/path.h"
#include "base/text.h"
#include "store/account.h"

#define FILE_MAX (16u << 20)

void arguments_take(struct arguments *arguments, struct arena *arena, int argc, char **argv)
{
	*arguments = (struct arguments){ .arena = arena };
	arguments->token = arena_array(arena, argc > 0 ? (size_t)argc : 1, sizeof(struct token));
	for (int i = 1; i < argc; i++) {
		arguments->token[arguments->count++].text = arena_strdup(arena, argv[i]);
		account_wipe_argument(argv[i]);
	}
}

void arguments_insert(struct arguments *arguments, const struct token *token, size_t count)
{
	size_t left = arguments->count - arguments->next;
	struct token *all = arena_array(arguments->arena, count + left + 1, sizeof(*all));

	if (count > 0)
		memcpy(all, token, count * sizeof(*all));
	if (left > 0)
		memcpy(all + count, arguments->token + arguments->next, left * sizeof(*all));
	arguments->token = all;
	arguments->count = count + left;
	arguments->next = 0;
}

struct words { /* a list that grows */
	struct token *token;
	size_t count;
};

static int words_add(struct arena *arena, struct words *words, struct token token, struct err *err)
{
	if (words->count == ARGUMENTS_MAX)
		return err_set_kind(
			err, ERR_LOCAL, ERR_KIND_USAGE, "more than %d arguments", ARGUMENTS_MAX);
	if (words->count % 64 == 0)
		words->token = arena_grow(
			arena, words->token, words->count, words->count + 64, sizeof(token));
	words->token[words->count++] = token;
	return 0;
}

/* The lines of one file, blank ones left out. */
static int read_words(struct arena *arena, const char *path, struct words *words, struct err *err)
{
	struct span text;
	size_t line = 0;

	if (path_read(path, FILE_MAX, arena, &text, err) < 0) {
		err->kind = ERR_KIND_USAGE;
		return err_wrap(err, "@%s", path);
	}
	if (memchr(text.data, 0, text.len))
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "@%s: not a text file", path);
	if (span_starts(text, SPAN("\xef\xbb\xbf")))
		text = span_from(text, 3);
	while (text.len > 0) {
		size_t end = span_find(text, '\n');
		struct span word = span_sub(text, 0, end);

		line++;
		text = span_from(text, end == SIZE_MAX ? text.len : end + 1);
		if (span_ends(word, SPAN("\r")))
			word = span_sub(word, 0, word.len - 1);
		if (span_trim(word).len == 0)
			continue;
		if (words_add(arena, words, (struct token){ arena_text(arena, word), path, line },
			    err) < 0)
			return -1;
	}
	return 0;
}

struct level { /* a file being written out */
	struct words words;
	size_t next;
};

int arguments_expand(struct arguments *arguments, struct err *err)
{
	struct level level[ARGUMENTS_DEPTH + 1] = { { { arguments->token, arguments->count },
		arguments->next } };
	struct words all = { NULL, 0 };
	bool plain = false; /* behind "--" */
	size_t depth = 0;

	for (;;) {
		struct level *now = &level[depth];

		if (now->next == now->words.count) {
			if (depth == 0)
				break;
			depth--;
			continue;
		}

		const struct token token = now->words.token[now->next++];
		if (plain || token.text[0] != '@' || !token.text[1]) {
			plain = plain || strcmp(token.text, "--") == 0;
			if (words_add(arguments->arena, &all, token, err) < 0)
				return -1;
			continue;
		}
		if (depth == ARGUMENTS_DEPTH)
			return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
				"%s: argument files name each other more than %d deep", token.text,
				ARGUMENTS_DEPTH);
		level[++depth] = (struct level){ { NULL, 0 }, 0 };
		if (read_words(arguments->arena, path_expand(arguments->arena, token.text + 1),
			    &level[depth].words, err) < 0)
			return arguments_blame(&token, err);
	}
	arguments->token = all.token;
	arguments->count = all.count;
	arguments->next = 0;
	return 0;
}

bool arguments_peek(const struct arguments *arguments, struct token *out)
{
	if (arguments->next == arguments->count)
		return false;
	*out = arguments->token[arguments->next];
	return true;
}

bool arguments_next(struct arguments *arguments, struct token *out)
{
	if (!arguments_peek(arguments, out))
		return false;
	arguments->next++;
	return true;
}

int arguments_blame(const struct token *token, struct err *err)
{
	if (token->file && token->line > 0)
		return err_wrap(err, "%s line %zu", token->file, token->line);
	return token->file ? err_wrap(err, "%s", token->file) : -1;
}
