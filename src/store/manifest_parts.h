/*
 * Inside of manifest.h, private to manifest*.c: the struct, its lines (manifest_line.c) and its file (manifest_file.c).
 *
 * Owner: manifest.h's. Threads: likewise.
 */
#ifndef STORE_MANIFEST_PARTS_H
#define STORE_MANIFEST_PARTS_H

#include "store/manifest.h"

#include "base/buf.h"
#include "base/map.h"

#define MANIFEST_LINE_MAX ((size_t)1 << 20)
#define MANIFEST_MARK_LEN 18 /* "!", 16 digits and LF */
#define MANIFEST_NOTES_MAX 32 /* half of them in a file: the others are the back end's own */

struct manifest_note {
	char *key, *text;
};

struct manifest {
	struct manifest_place place;
	enum manifest_mode mode;
	int fd; /* -1 = there is no file */
	bool is_new;
	bool broken; /* a commit failed: what the file holds is not known */
	bool rewrite; /* a WHERE changed */
	uint32_t uidvalidity;
	uint64_t uidnext; /* 2^32 = none left */

	uint32_t *uid;
	flags_t *flags;
	uint64_t *
		at; /* where the line begins; from `end` on: in pending; MANIFEST_GONE: removed, until the columns are packed */
	size_t count, room;
	uint64_t lines; /* of the file and pending */

	uint64_t end; /* of the last whole group */
	uint64_t size; /* of the file; more than `end`: what a crash left */
	char mark[MANIFEST_MARK_LEN + 1]; /* the line that ended it; "" = none */
	struct buf pending; /* the lines of the next group */

	struct buf window; /* octets of the file from window_at on */
	uint64_t window_at;
	struct buf text[3]; /* decoded fields of the row read last */

	struct map *wheres; /* changed ones, by UID; NULL = none */
	struct arena *wheres_arena;
	struct manifest_note note[MANIFEST_NOTES_MAX];
	size_t note_count;
};

#define MANIFEST_GONE UINT64_MAX

/* A line without its LF. -1: longer than a line can be, and nothing was added. */
int manifest_print_row(
	struct buf *out, const struct flag_table *flags, const struct manifest_row *row) MUST_CHECK;
/* "-" for none. */
int manifest_print_text(struct buf *out, const char *text) MUST_CHECK;
/* False: it is none. Texts point into text. */
bool manifest_parse_row(
	struct span line, struct flag_table *flags, struct buf text[3], struct manifest_row *out);
/* "-" gives none_out true. False: badly encoded. */
bool manifest_parse_text(struct span field, struct buf *out, bool *none_out);

/* Opens, locks (WRITE), creates (WRITE), and finds the last whole group: `end` and mark. */
int manifest_file_open(struct manifest *manifest, struct err *err) MUST_CHECK;
/* The line at this place, without its LF, below `end` or in pending; borrowed until the next call. */
int manifest_file_line(
	struct manifest *manifest, uint64_t at, struct span *out, struct err *err) MUST_CHECK;
/* Appends the pending lines as a group. */
int manifest_file_append(struct manifest *manifest, struct err *err) MUST_CHECK;
/* Writes everything anew, beside the file and then in its place. -1 without broken: it is as before. */
int manifest_file_rewrite(struct manifest *manifest, struct err *err) MUST_CHECK;

void manifest_mark(const char *before, struct span lines, char out[MANIFEST_MARK_LEN + 1]);
int manifest_damaged(const struct manifest *manifest, uint64_t line, const char *what,
	struct err *err) MUST_CHECK;

#endif
