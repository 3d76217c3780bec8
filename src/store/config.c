/*
 * The configuration file. inih splits lines into names and values; sections are followed here, since it cuts their names at 50 octets, and every
 * message has its line.
 */
#include "store/account.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/path.h"
#include "base/text.h"
#include "store/account_parts.h"

#include <errno.h>
#include <ini.h>
#include <pthread.h>
#include <string.h>

#define CONFIG_MAX ((size_t)1 << 20) /* octets of the file */
#define LINE_MAX_OCTETS (ACCOUNT_VALUE_MAX + 128)
#define SECTION_NAME_MAX 512
#define ARGUMENTS_MAX 10000 /* of one job */
#define PLACEHOLDER "user" /* for %u, while a location is only checked */

struct entry { /* [account NAME] */
	const char *name;
	unsigned line; /* of the heading */
	struct account_values values;
	unsigned value_line[ACCOUNT_KEYS];
	const char *location;
	unsigned location_line;
};

struct job { /* [job NAME] */
	struct config_job public;
	unsigned line;
	const char **options, **locations;
	size_t option_count, location_count;
};

struct config {
	struct arena *arena;
	struct map *accounts, *jobs;
};

enum section { SECTION_NONE, SECTION_ACCOUNT, SECTION_JOB };

struct reading {
	struct config *config;
	const char *path; /* for messages */
	struct span rest; /* not read yet */
	unsigned line;
	enum section section;
	struct entry *entry;
	struct job *job;
	bool failed;
	struct err *err;
};

/* "FILE:LINE: what", once: the first problem is the one to tell. */
static int at_line(struct reading *reading, unsigned line, const struct err *why)
{
	if (!reading->failed)
		(void)err_set_kind(reading->err, ERR_LOCAL, ERR_KIND_USAGE, "%s:%u: %s",
			reading->path, line, why->text);
	reading->failed = true;
	return -1;
}

static int wrong(struct reading *reading, const char *what)
{
	struct err why = ERR_INIT;

	(void)err_set_kind(&why, ERR_LOCAL, ERR_KIND_USAGE, "%s", what);
	return at_line(reading, reading->line, &why);
}

static int open_account(struct reading *reading, struct span name)
{
	struct config *config = reading->config;
	struct entry *entry;

	if (map_has(config->accounts, name))
		return wrong(reading, "this account is there already");
	if (span_find(name, '/') != SIZE_MAX || span_find(name, ':') != SIZE_MAX ||
		span_find(name, '?') != SIZE_MAX || name.data[0] == '.' || name.data[0] == '~')
		return wrong(reading, "the name of an account holds no '/', ':' or '?', and does "
				      "not begin with '.' or '~'");
	entry = arena_alloc(config->arena, sizeof(*entry));
	entry->name = arena_text(config->arena, name);
	entry->line = reading->line;
	(void)map_set(config->accounts, name, entry);
	reading->section = SECTION_ACCOUNT;
	reading->entry = entry;
	return 0;
}

static int open_job(struct reading *reading, struct span name)
{
	struct config *config = reading->config;
	struct job *job;

	if (map_has(config->jobs, name))
		return wrong(reading, "this job is there already");
	job = arena_alloc(config->arena, sizeof(*job));
	job->public.name = arena_text(config->arena, name);
	job->line = reading->line;
	(void)map_set(config->jobs, name, job);
	reading->section = SECTION_JOB;
	reading->job = job;
	return 0;
}

/* "[account NAME]" or "[job NAME]" */
static int read_heading(struct reading *reading, struct span line)
{
	static const char *const kinds[] = { "account", "job", NULL };

	if (!span_ends(line, SPAN("]")))
		return wrong(reading, "the heading is not closed: write [account NAME] or [job "
				      "NAME] on a line of its own");

	const struct span inside = span_trim(span_sub(line, 1, line.len - 2));
	size_t len = 0;
	while (len < inside.len && inside.data[len] != ' ' && inside.data[len] != '\t')
		len++;

	const struct span kind = span_sub(inside, 0, len);
	const struct span name = span_trim(span_from(inside, len));
	const bool account = span_equal_text(kind, "account"), job = span_equal_text(kind, "job");
	if (!account && !job) {
		const char *near = account_nearest(kind, kinds);
		char shown[TEXT_SHOWN];
		struct err why = ERR_INIT;

		text_shown(kind, shown);
		(void)err_set_kind(&why, ERR_LOCAL, ERR_KIND_USAGE,
			"unknown section %s: %s%s%s[account NAME] and [job NAME] are known", shown,
			near ? "did you mean " : "", near ? near : "", near ? "? " : "");
		return at_line(reading, reading->line, &why);
	}
	if (name.len == 0)
		return wrong(reading, account ? "the account has no name: write [account NAME]"
					      : "the job has no name: write [job NAME]");
	if (name.len > SECTION_NAME_MAX)
		return wrong(reading, "the name is longer than 512 octets");
	return account ? open_account(reading, name) : open_job(reading, name);
}

/* A location without a password, and not a mere name unless that is allowed. */
static int check_location(struct reading *reading, const char *text, bool name_allowed)
{
	struct arena *arena = arena_new();
	struct location location;
	struct err why = ERR_INIT;
	int rc = location_parse(text, PLACEHOLDER, arena, &location, &why);

	if (rc < 0) {
		(void)err_wrap(&why, "location");
		(void)at_line(reading, reading->line, &why);
	} else {
		if (location.password)
			rc = wrong(reading, "the configuration holds no passwords: use pass-file, "
					    "pass-cmd or pass-env");
		else if (location.kind == LOCATION_NAME && !name_allowed)
			rc = wrong(reading,
				"location: an account does not refer to another one: "
				"write imaps://USER@HOST or a path such as maildir:PATH");
		location_release(&location);
	}
	arena_free(arena);
	return rc;
}

static int read_account_key(struct reading *reading, struct span name, const char *value)
{
	static const char *const own_keys[] = { "location", NULL };
	struct entry *entry = reading->entry;
	struct err why = ERR_INIT;
	enum account_key key;

	if (!value)
		return wrong(reading, "the line is neither a heading nor KEY = VALUE");
	if (span_equal(name, SPAN("location"))) {
		if (entry->location)
			return wrong(reading, "location: given twice");
		entry->location = arena_strdup(reading->config->arena, value);
		entry->location_line = reading->line;
		return check_location(reading, value, false);
	}
	if (!account_key_find(name, &key)) {
		if (account_nearest(name, own_keys))
			return wrong(reading, "unknown key: did you mean location?");
		(void)account_key_unknown(name, &why);
		return at_line(reading, reading->line, &why);
	}
	if (entry->values.value[key]) {
		(void)err_set_kind(&why, ERR_LOCAL, ERR_KIND_USAGE,
			"%s: given twice, first in line %u", account_keys[key].name,
			entry->value_line[key]);
		return at_line(reading, reading->line, &why);
	}
	if (account_value_check(key, value, &why) < 0)
		return at_line(reading, reading->line, &why);
	entry->values.value[key] = arena_strdup(reading->config->arena, value);
	entry->value_line[key] = reading->line;
	return 0;
}

static int add_argument(
	struct reading *reading, const char ***list, size_t *count, const char *text)
{
	if (*count >= ARGUMENTS_MAX)
		return wrong(reading, "the job has too many lines");
	*list = arena_grow(reading->config->arena, *list, *count, *count + 1, sizeof(**list));
	(*list)[(*count)++] = text;
	return 0;
}

static bool option_name_valid(struct span name)
{
	for (size_t i = 0; i < name.len; i++) {
		const char byte = name.data[i];

		if (!(byte >= 'a' && byte <= 'z') &&
			!(i > 0 && ((byte >= '0' && byte <= '9') || byte == '-')))
			return false;
	}
	return name.len > 0;
}

static int read_job_location(struct reading *reading, const char *value)
{
	struct job *job = reading->job;

	if (!value || !*value)
		return wrong(reading, "the location is missing");
	if (check_location(reading, value, true) < 0)
		return -1;
	return add_argument(reading, &job->locations, &job->location_count,
		arena_strdup(reading->config->arena, value));
}

/* command, location (source and destination say the same in words), and else options without their "--". */
static int read_job_key(struct reading *reading, struct span name, const char *value)
{
	struct arena *arena = reading->config->arena;
	struct job *job = reading->job;

	if (span_equal(name, SPAN("command"))) {
		if (job->public.command)
			return wrong(reading, "command: given twice");
		if (!value || !option_name_valid(span_of(value)))
			return wrong(reading, "command: not the name of a command");
		job->public.command = arena_strdup(arena, value);
		return 0;
	}
	if (span_equal(name, SPAN("location")) || span_equal(name, SPAN("source")) ||
		span_equal(name, SPAN("destination")))
		return read_job_location(reading, value);
	if (!option_name_valid(name))
		return wrong(
			reading, "not the name of an option: write it without --, as in jobs = 4");

	size_t at, found;
	if (value && span_equal(name, SPAN("db")) &&
		location_find_password(span_of(value), &at, &found))
		return wrong(reading, "the configuration holds no passwords: use db-pass-file, "
				      "db-pass-cmd or db-pass-env");

	const int len = (int)name.len;
	const char *text = value ? arena_print(arena, "--%.*s=%s", len, name.data, value)
				 : arena_print(arena, "--%.*s", len, name.data);
	return add_argument(reading, &job->options, &job->option_count, text);
}

/* inih's handler: 0 stops. Its idea of the section is not used. */
static int take_pair(void *context, const char *section, const char *name, const char *value)
{
	struct reading *reading = context;
	int rc = -1;

	(void)section;
	if (reading->failed)
		return 0;
	switch (reading->section) {
	case SECTION_NONE:
		rc = wrong(reading, "a key before the first [account NAME] or [job NAME]");
		break;
	case SECTION_ACCOUNT:
		rc = read_account_key(reading, span_of(name), value);
		break;
	case SECTION_JOB:
		rc = read_job_key(reading, span_of(name), value);
		break;
	}
	return rc == 0;
}

static int check_line(struct reading *reading, struct span line)
{
	if (line.len > LINE_MAX_OCTETS)
		return wrong(reading, "the line is longer than 8320 octets");
	if (!utf8_valid(line))
		return wrong(reading, "the line is not valid UTF-8");
	for (size_t i = 0; i < line.len; i++) {
		const unsigned char byte = (unsigned char)line.data[i];

		if ((byte < ' ' && byte != '\t') || byte == 127)
			return wrong(reading, "the line holds a control character");
	}
	return 0;
}

/*
 * inih's fgets(). A heading is read here, and inih gets an empty line for it; so are lines without a name, which inih would pass over.
 * NULL ends the reading.
 */
static char *give_line(char *out, int size, void *context)
{
	struct reading *reading = context;
	const size_t end = span_find(reading->rest, '\n');
	struct span line = span_sub(reading->rest, 0, end);

	if (reading->failed || reading->rest.len == 0)
		return NULL;
	reading->rest = end == SIZE_MAX ? span_make("", 0) : span_from(reading->rest, end + 1);
	reading->line++;
	if (reading->line == 1 && span_starts(line, SPAN("\xEF\xBB\xBF")))
		line = span_from(line, 3);
	if (span_ends(line, SPAN("\r")))
		line = span_sub(line, 0, line.len - 1);
	line = span_trim(line);
	if (check_line(reading, line) < 0)
		return NULL;
	if (span_starts(line, SPAN("["))) {
		if (read_heading(reading, line) < 0)
			return NULL;
		line = span_make("", 0);
	}
	if (span_starts(line, SPAN("=")) || span_starts(line, SPAN(":"))) {
		(void)wrong(reading, "the key before the '=' is missing");
		return NULL;
	}
	if (line.len + 2 > (size_t)size) {
		(void)wrong(reading, "the line is too long");
		return NULL;
	}
	memcpy(out, line.data, line.len);
	memcpy(out + line.len, "\n", 2);
	return out;
}

/* What can only be seen once the whole section is there. */
static int check_entry(struct reading *reading, const struct entry *entry)
{
	struct location location = { .kind = LOCATION_NAME };
	enum account_key key = ACCOUNT_HOST;
	struct account_values all = { 0 };
	struct arena *arena = arena_new();
	struct err why = ERR_INIT;
	int rc = 0;

	/* The section's own values second, so that they are to blame. */
	if (entry->location)
		rc = location_parse(entry->location, PLACEHOLDER, arena, &location, &why);
	if (rc == 0 && entry->location) {
		all = location.values;
		if (location.implicit_tls && entry->values.value[ACCOUNT_TLS] &&
			strcmp(entry->values.value[ACCOUNT_TLS], "implicit") == 0)
			all.value[ACCOUNT_TLS] = NULL; /* said twice, and the same */
	}
	if (rc == 0)
		rc = account_values_check(&entry->values, false, location.scheme, &key, &why);
	if (rc == 0)
		rc = account_values_join(&all, &entry->values, &key, &why);
	if (rc == 0)
		rc = account_values_check(&all, false, location.scheme, &key, &why);
	if (rc < 0)
		(void)at_line(reading,
			entry->value_line[key] > 0 ? entry->value_line[key] : entry->line, &why);
	location_release(&location);
	arena_free(arena);
	return rc;
}

/* Options first, then locations. */
static int finish_job(struct reading *reading, struct job *job)
{
	struct arena *arena = reading->config->arena;
	const size_t count = job->option_count + job->location_count;
	struct err why = ERR_INIT;

	if (!job->public.command) {
		(void)err_set_kind(&why, ERR_LOCAL, ERR_KIND_USAGE,
			"the job has no command: add a line such as command = copy");
		return at_line(reading, job->line, &why);
	}
	job->public.arguments = arena_array(arena, count + 1, sizeof(*job->public.arguments));
	job->public.count = count;
	for (size_t i = 0; i < job->option_count; i++)
		job->public.arguments[i] = job->options[i];
	for (size_t i = 0; i < job->location_count; i++)
		job->public.arguments[job->option_count + i] = job->locations[i];
	return 0;
}

/* inih is set up by variables of its own. */
static int run_inih(struct reading *reading)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int rc;

	(void)pthread_mutex_lock(&lock);
	ini_allow_inline_comments = false; /* commands hold a ';' */
	ini_allow_multiline = false; /* indented lines are lines as others */
	ini_allow_no_value = true; /* options without one */
	ini_stop_on_first_error = true;
	ini_use_stack = false;
	ini_allow_realloc = false;
	ini_initial_alloc = ini_max_line = LINE_MAX_OCTETS + 16;
	rc = ini_parse_stream(give_line, reading, take_pair, reading);
	(void)pthread_mutex_unlock(&lock);
	if (reading->failed)
		return -1;
	return rc == 0 ? 0 : wrong(reading, "the line is neither a heading nor KEY = VALUE");
}

static int read_all(struct reading *reading)
{
	const struct config *config = reading->config;

	if (run_inih(reading) < 0)
		return -1;
	for (size_t i = 0; i < map_count(config->accounts); i++)
		if (check_entry(reading, map_value(config->accounts, i)) < 0)
			return -1;
	for (size_t i = 0; i < map_count(config->jobs); i++)
		if (finish_job(reading, map_value(config->jobs, i)) < 0)
			return -1;
	return 0;
}

static struct config *config_new(void)
{
	struct config *config = mem_alloc(sizeof(*config));

	config->arena = arena_new();
	config->accounts = map_new(config->arena);
	config->jobs = map_new(config->arena);
	return config;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	map_free(config->accounts);
	map_free(config->jobs);
	arena_free(config->arena);
	mem_free(config);
}

struct config *config_read(struct span text, const char *path, struct err *err)
{
	struct config *config = config_new();
	struct reading reading = { .config = config, .path = path, .rest = text, .err = err };

	if (read_all(&reading) == 0)
		return config;
	config_free(config);
	return NULL;
}

static bool is_missing(const char *path)
{
	struct stat st;

	return os_stat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR);
}

struct config *config_open(const char *path, struct err *err)
{
	struct arena *arena = arena_new();
	const char *place = path ? path_expand(arena, path) : path_config_file(arena);
	struct config *config = NULL;
	struct err why = ERR_INIT;
	struct span text;

	if (!place || (!path && is_missing(place))) {
		config = config_new();
	} else if (path_read(place, CONFIG_MAX, arena, &text, &why) < 0) {
		why.kind = ERR_KIND_USAGE;
		if (err)
			*err = why;
	} else {
		config = config_read(text, text_harmless_copy(arena, span_of(place)), err);
	}
	arena_free(arena);
	return config;
}

const struct account_values *config_account(
	const struct config *config, const char *name, const char **location_out)
{
	const struct entry *entry = map_find(config->accounts, span_of(name));

	if (!entry)
		return NULL;
	*location_out = entry->location;
	return &entry->values;
}

const char *config_account_near(const struct config *config, const char *name)
{
	const size_t count = map_count(config->accounts);
	const char **names = mem_array(count + 1, sizeof(*names));
	const char *near;

	for (size_t i = 0; i < count; i++)
		names[i] = map_key(config->accounts, i).data;
	near = account_nearest(span_of(name), names);
	mem_free(names);
	return near;
}

const struct config_job *config_job(const struct config *config, const char *name)
{
	const struct job *job = map_find(config->jobs, span_of(name));

	return job ? &job->public : NULL;
}
