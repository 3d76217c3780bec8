/* Faults on demand (os.h): every call counts, and the rules of MAILHAUL_FAULT strike at their number. Empty without -Dfaults=true. */
#ifdef MAILHAUL_FAULTS
#include "base/os_parts.h"

#include "base/must.h"
#include "base/span.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#define RULES_MAX 32
#define NAMES_MAX 256
#define ERRNO_END 134 /* one more than Linux's last */
#define EXIT_USAGE 2

enum target { TARGET_OP, TARGET_ANY, TARGET_POINT, TARGET_NAMED_POINT };
enum action { ACTION_FAIL, ACTION_KILL, ACTION_SHORT };

struct rule {
	enum target target;
	enum os_op op;
	struct span name; /* in the environment */
	uint64_t at;
	bool onwards;
	enum action action;
	int number; /* errno */
};

struct named {
	const char *name;
	uint64_t count;
};

static const char *const op_names[OS_OP_COUNT] = {
	[OS_OPEN] = "open",
	[OS_OPENAT] = "openat",
	[OS_CLOSE] = "close",
	[OS_READ] = "read",
	[OS_WRITE] = "write",
	[OS_PREAD] = "pread",
	[OS_PWRITE] = "pwrite",
	[OS_FTRUNCATE] = "ftruncate",
	[OS_FSYNC] = "fsync",
	[OS_RENAME] = "rename",
	[OS_LINK] = "link",
	[OS_UNLINK] = "unlink",
	[OS_MKDIR] = "mkdir",
	[OS_RMDIR] = "rmdir",
	[OS_RENAMEAT] = "renameat",
	[OS_UNLINKAT] = "unlinkat",
	[OS_MKDIRAT] = "mkdirat",
	[OS_FSTATAT] = "fstatat",
	[OS_FUTIMENS] = "futimens",
	[OS_FCHOWN] = "fchown",
	[OS_STAT] = "stat",
	[OS_FSTAT] = "fstat",
	[OS_FCNTL] = "fcntl",
	[OS_FLOCK] = "flock",
	[OS_SOCKET] = "socket",
	[OS_CONNECT] = "connect",
	[OS_SEND] = "send",
	[OS_RECV] = "recv",
	[OS_POLL] = "poll",
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct rule rules[RULES_MAX]; /* immutable once parsed */
static size_t rule_count;
static _Atomic uint64_t op_count[OS_OP_COUNT];
static _Atomic uint64_t any_count;
static _Atomic uint64_t point_count;
static pthread_mutex_t name_lock = PTHREAD_MUTEX_INITIALIZER;
static struct named names[NAMES_MAX];
static size_t name_count;

static MUST_NOT_RETURN void fault_usage(struct span text)
{
	fprintf(stderr, "mailhaul: MAILHAUL_FAULT: cannot understand \"%.*s\"\n", (int)text.len,
		text.data);
	_exit(EXIT_USAGE);
}

/* Cuts off and returns what stands before the separator; the separator goes too. */
static struct span fault_cut(struct span *text, char separator)
{
	const struct span word = span_sub(*text, 0, span_find(*text, separator));

	*text = span_from(*text, word.len + 1);
	return word;
}

static bool fault_parse_target(struct span word, struct rule *rule)
{
	const struct span named = SPAN("point.");

	if (span_starts(word, named)) {
		rule->target = TARGET_NAMED_POINT;
		rule->name = span_from(word, named.len);
		return true;
	}
	if (span_equal_text(word, "any") || span_equal_text(word, "point")) {
		rule->target = span_equal_text(word, "any") ? TARGET_ANY : TARGET_POINT;
		return true;
	}
	for (size_t op = 0; op < OS_OP_COUNT; op++) {
		if (span_equal_text(word, op_names[op])) {
			rule->target = TARGET_OP;
			rule->op = (enum os_op)op;
			return true;
		}
	}
	return false;
}

static bool fault_parse_action(struct span word, struct rule *rule)
{
	const bool is_point = rule->target == TARGET_POINT || rule->target == TARGET_NAMED_POINT;

	if (span_equal_text(word, "kill")) {
		rule->action = ACTION_KILL;
		return true;
	}
	if (is_point)
		return false;
	if (span_equal_text(word, "short")) {
		rule->action = ACTION_SHORT;
		return true;
	}
	for (int number = 1; number < ERRNO_END; number++) {
		const char *name = strerrorname_np(number);

		if (name && span_equal_text(word, name)) {
			rule->action = ACTION_FAIL;
			rule->number = number;
			return true;
		}
	}
	return false;
}

static void fault_parse(const char *text)
{
	struct span rest = span_of(text);

	while (rest.len > 0) {
		struct span word = fault_cut(&rest, ',');
		const struct span whole = word;
		struct rule rule = { .at = 0 };

		const bool target = fault_parse_target(fault_cut(&word, ':'), &rule);
		struct span at = fault_cut(&word, ':');
		rule.onwards = span_ends(at, SPAN("+"));
		if (rule.onwards)
			at.len--;
		if (!target || !span_u64(at, &rule.at) || !fault_parse_action(word, &rule) ||
			rule_count == RULES_MAX)
			fault_usage(whole);
		rules[rule_count++] = rule;
	}
}

/* At exit, with stdio: nothing here is to be counted. */
static void fault_write_counts(void)
{
	FILE *file = fopen(getenv("MAILHAUL_FAULT_COUNT"), "we");

	if (!file)
		return;
	fprintf(file, "any %llu\npoint %llu\n", (unsigned long long)any_count,
		(unsigned long long)point_count);
	for (size_t op = 0; op < OS_OP_COUNT; op++)
		fprintf(file, "%s %llu\n", op_names[op], (unsigned long long)op_count[op]);
	pthread_mutex_lock(&name_lock);
	for (size_t i = 0; i < name_count; i++)
		fprintf(file, "point.%s %llu\n", names[i].name, (unsigned long long)names[i].count);
	pthread_mutex_unlock(&name_lock);
	fclose(file);
}

static void fault_start(void)
{
	fault_parse(getenv("MAILHAUL_FAULT"));
	if (getenv("MAILHAUL_FAULT_COUNT"))
		atexit(fault_write_counts);
}

static bool fault_strikes(const struct rule *rule, uint64_t at)
{
	return rule->onwards ? at >= rule->at : at == rule->at;
}

static bool fault_act(const struct rule *rule, size_t *size_inout)
{
	switch (rule->action) {
	case ACTION_KILL:
		kill(getpid(), SIGKILL);
		for (;;)
			pause();
	case ACTION_SHORT:
		if (size_inout)
			*size_inout -= *size_inout / 2;
		return false;
	case ACTION_FAIL:
		errno = rule->number;
		return true;
	}
	return false;
}

bool os_fault(enum os_op op, size_t *size_inout)
{
	pthread_once(&once, fault_start);

	const uint64_t op_at = atomic_fetch_add(&op_count[op], 1) + 1;
	const uint64_t any_at = atomic_fetch_add(&any_count, 1) + 1;
	bool failed = false;
	for (size_t i = 0; i < rule_count; i++) {
		const struct rule *rule = &rules[i];
		const bool is_op =
			rule->target == TARGET_OP && rule->op == op && fault_strikes(rule, op_at);
		const bool is_any = rule->target == TARGET_ANY && fault_strikes(rule, any_at);

		if ((is_op || is_any) && fault_act(rule, size_inout))
			failed = true;
	}
	return failed;
}

/* The count of this name with this call. */
static uint64_t fault_count_name(const char *name)
{
	uint64_t count = 0;
	size_t i = 0;

	pthread_mutex_lock(&name_lock);
	while (i < name_count && strcmp(names[i].name, name) != 0)
		i++;
	if (i == name_count && name_count < NAMES_MAX) {
		names[name_count].name = strdup(name);
		if (names[name_count].name)
			name_count++;
	}
	if (i < name_count)
		count = ++names[i].count;
	pthread_mutex_unlock(&name_lock);
	return count;
}

void os_fault_point(const char *name)
{
	pthread_once(&once, fault_start);

	const uint64_t at = atomic_fetch_add(&point_count, 1) + 1;
	const uint64_t named_at = fault_count_name(name);
	for (size_t i = 0; i < rule_count; i++) {
		const struct rule *rule = &rules[i];
		const bool is_point = rule->target == TARGET_POINT && fault_strikes(rule, at);
		const bool is_named = rule->target == TARGET_NAMED_POINT &&
				      span_equal_text(rule->name, name) &&
				      fault_strikes(rule, named_at);

		if (is_point || is_named)
			fault_act(rule, NULL);
	}
}
#endif
