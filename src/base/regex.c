/* PCRE2, fenced in: limits on time, depth and memory, and rewriting that knows groups and case but runs nothing. */
#include "base/regex.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdatomic.h>

#define MATCH_LIMIT 1000000 /* steps of one match: some 10 ms */
#define DEPTH_LIMIT 10000
#define HEAP_LIMIT_KB 8192
#define TEXT_CAP 65536 /* octets of a rewriting's parts, and of its result */
#define NAME_MAX_LEN 32 /* PCRE2's limit for the name of a group */

struct regex {
	pcre2_general_context *memory;
	pcre2_match_context *limits;
	pcre2_code *code;
	atomic_bool *complained; /* apart, so that matching can take a const regex */
};

struct rewrite {
	struct regex *regex;
	struct buf text; /* in PCRE2's extended replacement syntax */
	uint32_t options;
};

static void *memory_get(size_t size, void *data)
{
	(void)data;
	return mem_alloc(size);
}

static void memory_put(void *memory, void *data)
{
	(void)data;
	mem_free(memory);
}

static int refuse(struct span pattern, const char *problem, size_t offset, struct err *err)
{
	char shown[TEXT_SHOWN];

	text_shown(pattern, shown);
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"regular expression \"%s\": %s at offset %zu", shown, problem, offset);
}

static struct regex *regex_compile(struct span pattern, uint32_t options, struct err *err)
{
	struct regex *regex = mem_alloc(sizeof(*regex));
	pcre2_compile_context *how;
	PCRE2_UCHAR problem[160] = "";
	PCRE2_SIZE offset = 0;
	int code = 0;

	regex->complained = mem_alloc(sizeof(*regex->complained));
	regex->memory = pcre2_general_context_create(memory_get, memory_put, NULL);
	regex->limits = pcre2_match_context_create(regex->memory);
	pcre2_set_match_limit(regex->limits, MATCH_LIMIT);
	pcre2_set_depth_limit(regex->limits, DEPTH_LIMIT);
	pcre2_set_heap_limit(regex->limits, HEAP_LIMIT_KB);
	/* Invalid UTF-8 in a subject is matched by nothing, the valid parts around it are. */
	options |= PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
	how = pcre2_compile_context_create(regex->memory);
	regex->code =
		pcre2_compile((PCRE2_SPTR)pattern.data, pattern.len, options, &code, &offset, how);
	pcre2_compile_context_free(how);
	if (regex->code)
		return regex;
	pcre2_get_error_message(code, problem, sizeof(problem));
	refuse(pattern, (const char *)problem, offset, err);
	regex_free(regex);
	return NULL;
}

struct regex *regex_new(const char *pattern, struct err *err)
{
	return regex_compile(span_of(pattern), 0, err);
}

void regex_free(struct regex *regex)
{
	if (!regex)
		return;
	pcre2_code_free(regex->code);
	pcre2_match_context_free(regex->limits);
	pcre2_general_context_free(regex->memory);
	mem_free(regex->complained);
	mem_free(regex);
}

static void complain_once(const struct regex *regex, int code)
{
	PCRE2_UCHAR problem[160] = "";

	if (atomic_exchange(regex->complained, true))
		return;
	pcre2_get_error_message(code, problem, sizeof(problem));
	log_warn("a regular expression was given up on and taken as no match: %s",
		(const char *)problem);
}

bool regex_match(const struct regex *regex, struct span subject)
{
	PCRE2_SPTR text = (PCRE2_SPTR)(subject.data ? subject.data : "");
	pcre2_match_data *data = pcre2_match_data_create(1, regex->memory);
	int rc = pcre2_match(regex->code, text, subject.len, 0, 0, data, regex->limits);

	pcre2_match_data_free(data);
	if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
		complain_once(regex, rc);
	return rc >= 0;
}

/* Position of the delimiter in text from offset on, escapes stepped over; SIZE_MAX when there is none. */
static size_t find_delimiter(struct span text, size_t offset, char delimiter)
{
	for (size_t i = offset; i < text.len; i++) {
		if (text.data[i] == delimiter)
			return i;
		if (text.data[i] == '\\')
			i++;
	}
	return SIZE_MAX;
}

static bool may_delimit(char c)
{
	return c > ' ' && c < 0x7f && c != '\\' && !(c >= '0' && c <= '9') &&
	       !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z');
}

struct parts {
	struct span pattern, text, flags;
};

/* rewrite = "s" delimiter RE delimiter TEXT delimiter flags */
static const char *split(struct span expression, struct parts *out)
{
	size_t first, second;

	if (expression.len < 2 || expression.data[0] != 's' || !may_delimit(expression.data[1]))
		return "not of the form s/RE/TEXT/flags";
	first = find_delimiter(expression, 2, expression.data[1]);
	if (first == SIZE_MAX)
		return "the pattern has no end";
	second = find_delimiter(expression, first + 1, expression.data[1]);
	if (second == SIZE_MAX)
		return "the text has no end";
	out->pattern = span_sub(expression, 2, first - 2);
	out->text = span_sub(expression, first + 1, second - first - 1);
	out->flags = span_from(expression, second + 1);
	return out->text.len <= TEXT_CAP / 4 ? NULL : "the text is too long";
}

/* A pattern with \ before a delimiter is right as it stands: PCRE2 takes an escaped sign as itself. */
static const char *read_flags(struct span flags, uint32_t *compile_out, uint32_t *replace_out)
{
	*compile_out = 0;
	*replace_out = PCRE2_SUBSTITUTE_EXTENDED | PCRE2_SUBSTITUTE_UNSET_EMPTY |
		       PCRE2_SUBSTITUTE_OVERFLOW_LENGTH;
	for (size_t i = 0; i < flags.len; i++) {
		if (flags.data[i] == 'i')
			*compile_out |= PCRE2_CASELESS;
		else if (flags.data[i] == 'g')
			*replace_out |= PCRE2_SUBSTITUTE_GLOBAL;
		else
			return "flags other than g and i";
	}
	return NULL;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Adds a reference to the group with this name or number when the pattern has it. */
static const char *add_group(struct rewrite *rewrite, struct span name)
{
	uint32_t count = 0, number = 0;
	char text[NAME_MAX_LEN + 1];
	int rc;

	if (name.len == 0 || name.len > NAME_MAX_LEN)
		return "a bad name of a group";
	(void)snprintf(text, sizeof(text), "%.*s", (int)name.len, name.data);
	if (span_u32(name, &number)) {
		pcre2_pattern_info(rewrite->regex->code, PCRE2_INFO_CAPTURECOUNT, &count);
		if (number > count)
			return "a group that the pattern does not have";
	} else {
		rc = pcre2_substring_number_from_name(rewrite->regex->code, (PCRE2_SPTR)text);
		if (rc < 0 && rc != PCRE2_ERROR_NOUNIQUESUBSTRING)
			return "a group that the pattern does not have";
	}
	return buf_print(&rewrite->text, "${%s}", text) < 0 ? "too long" : NULL;
}

static const char *add_literal(struct rewrite *rewrite, char c)
{
	bool special = c == '$' || c == '\\';

	if (special && buf_add_char(&rewrite->text, c) < 0)
		return "too long";
	return buf_add_char(&rewrite->text, c) < 0 ? "too long" : NULL;
}

/* "$" DIGIT / "${" name "}" / a "$" that stands for itself */
static const char *add_dollar(struct rewrite *rewrite, struct span text, size_t *len_out)
{
	size_t end;

	*len_out = 2;
	if (text.len > 1 && is_digit(text.data[1]))
		return add_group(rewrite, span_sub(text, 1, 1));
	if (text.len > 1 && text.data[1] == '{') {
		end = span_find(text, '}');
		if (end == SIZE_MAX)
			return "${ without }";
		*len_out = end + 1;
		return add_group(rewrite, span_sub(text, 2, end - 2));
	}
	*len_out = 1;
	return add_literal(rewrite, '$');
}

/* "\" DIGIT / "\U" / "\L" / "\E" / "\" sign */
static const char *add_backslash(struct rewrite *rewrite, struct span text, size_t *len_out)
{
	char c = text.len > 1 ? text.data[1] : '\0';

	*len_out = 2;
	if (is_digit(c))
		return add_group(rewrite, span_sub(text, 1, 1));
	if (c == 'U' || c == 'L' || c == 'E')
		return buf_add(&rewrite->text, span_sub(text, 0, 2)) < 0 ? "too long" : NULL;
	return c == '$' || c == '\\' || may_delimit(c) ? add_literal(rewrite, c)
						       : "an unknown escape";
}

static const char *read_text(struct rewrite *rewrite, struct span text)
{
	while (text.len > 0) {
		const char *problem;
		size_t len = 1;

		if (text.data[0] == '$')
			problem = add_dollar(rewrite, text, &len);
		else if (text.data[0] == '\\')
			problem = add_backslash(rewrite, text, &len);
		else
			problem = add_literal(rewrite, text.data[0]);
		if (problem)
			return problem;
		text = span_from(text, len);
	}
	return NULL;
}

static struct rewrite *refuse_rewrite(const char *expression, const char *problem, struct err *err)
{
	char shown[TEXT_SHOWN];

	text_shown(span_of(expression), shown);
	err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "rewriting \"%s\": %s", shown, problem);
	return NULL;
}

struct rewrite *rewrite_new(const char *expression, struct err *err)
{
	uint32_t compile_options, replace_options;
	struct rewrite *rewrite;
	struct parts parts;
	const char *problem = split(span_of(expression), &parts);

	if (!problem)
		problem = read_flags(parts.flags, &compile_options, &replace_options);
	if (!problem && !utf8_valid(parts.text))
		problem = "the text is not valid UTF-8";
	if (problem)
		return refuse_rewrite(expression, problem, err);
	rewrite = mem_alloc(sizeof(*rewrite));
	rewrite->options = replace_options;
	buf_init(&rewrite->text, TEXT_CAP);
	rewrite->regex = regex_compile(parts.pattern, compile_options, err);
	problem = rewrite->regex ? read_text(rewrite, parts.text) : NULL;
	if (problem)
		refuse_rewrite(expression, problem, err);
	if (rewrite->regex && !problem)
		return rewrite;
	rewrite_free(rewrite);
	return NULL;
}

void rewrite_free(struct rewrite *rewrite)
{
	if (!rewrite)
		return;
	regex_free(rewrite->regex);
	buf_release(&rewrite->text);
	mem_free(rewrite);
}

static int substitute(const struct rewrite *rewrite, struct span subject, char *out, size_t *len)
{
	const struct regex *regex = rewrite->regex;
	struct span text = rewrite->text.data ? buf_span(&rewrite->text) : SPAN("");

	return pcre2_substitute(regex->code, (PCRE2_SPTR)subject.data, subject.len, 0,
		rewrite->options, NULL, regex->limits, (PCRE2_SPTR)text.data, text.len,
		(PCRE2_UCHAR *)out, len);
}

char *rewrite_apply(const struct rewrite *rewrite, struct arena *arena, const char *subject)
{
	struct span from = span_of(subject);
	size_t len = from.len + 256;
	char *out = arena_alloc(arena, len);
	int rc = substitute(rewrite, from, out, &len);

	if (rc == PCRE2_ERROR_NOMEMORY && len <= TEXT_CAP) {
		out = arena_alloc(arena, len);
		rc = substitute(rewrite, from, out, &len);
	}
	if (rc < 0)
		complain_once(rewrite->regex, rc);
	return rc > 0 ? out : arena_strdup(arena, subject);
}
