/*
 * What compared*.c share. See compared.h.
 *
 * Owner: as compared.h. Threads: as compared.h.
 */
#ifndef CLI_COMPARED_PARTS_H
#define CLI_COMPARED_PARTS_H

#include "base/arena.h"
#include "cli/compared.h"

#include <pthread.h>

struct compared_row { /* a user */
	const char *user;
	const char *text; /* why it is unknown, or NULL */
	struct compare_result total;
	enum comparison_state state;
};

struct compared {
	struct arena *arena;
	struct compared_row *row;
	size_t count, room;
	pthread_mutex_t lock;
};

const char *compared_state_name(enum comparison_state state); /* "equal" … */
const char *compared_kind_name(enum difference_kind kind); /* "missing" … */
void compared_print_json(const struct cli *cli, const struct comparison *comparison);
void compared_print_text(const struct cli *cli, const struct comparison *comparison);
/* The exit code. */
int compared_manifests_show(const struct cli *cli, const struct comparison *comparison,
	const struct comparison_manifest *manifests);
void compared_print_rows(const struct compared *compared, const struct cli *cli);

#endif
