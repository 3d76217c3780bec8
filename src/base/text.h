/*
 * Text for people: making untrusted bytes harmless, UTF-8 checks, columns, sizes and durations as people write them.
 *
 * Owner: none. Threads: any.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/must.h"
#include "base/span.h"

struct arena;
struct buf;
struct err;

/* The character at the front of a text that is not empty: its length in octets, or 0 when it is no valid UTF-8 (RFC 3629 §3). */
size_t utf8_next(struct span text, uint32_t *out);
bool utf8_valid(struct span text);
/* Terminal columns of valid UTF-8 (wide characters 2, combining 0). */
size_t utf8_columns(struct span text);
/* At most this many columns (1 or more) of valid UTF-8: the beginning and "…", or "…" and the end. The text itself, if that fits. */
const char *text_cut(struct arena *arena, const char *text, size_t columns, bool keep_end);
/* What a terminal, a log or a path must not see: C0, DEL, C1, bidi controls, line and paragraph separators. */
bool utf8_harmful(uint32_t c);
/*
 * Copies text with everything a terminal, a log or a path must not see replaced: C0, DEL, C1, bidi controls (U+061C, U+200E,
 * U+200F, U+202A–E, U+2066–9), line and paragraph separators and invalid UTF-8 become \xNN or \u{NNNN}. One line in, one line out. -1 at the buffer's cap, with nothing added.
 */
int text_harmless(struct span text, struct buf *out) MUST_CHECK;
char *text_harmless_copy(struct arena *arena, struct span text);
/* The same for an error message, NUL-terminated; what does not fit is cut off, and "…" says so. */
#define TEXT_SHOWN 200
void text_shown(struct span text, char out[TEXT_SHOWN]);

/* "10k 5M 1.5G" powers of 1000, "KiB MiB GiB" of 1024, plain digits octets, any case (product rules §3). */
int text_parse_size(const char *text, uint64_t *out, struct err *err) MUST_CHECK;
/* "30", "1.5", "500ms", "2m", "1h" → milliseconds. */
int text_parse_duration(const char *text, int64_t *ms_out, struct err *err) MUST_CHECK;
/* 999 → "999 B", 1234567 → "1.2 MB" (powers of 1000); into the arena. */
char *text_size(struct arena *arena, uint64_t bytes);
/* 93784 → "1d 2h 3m"; 75 → "1m 15s", 0 and less → "0s". */
char *text_duration(struct arena *arena, int64_t seconds);
/* 1234567 → "1,234,567" */
char *text_count(struct arena *arena, uint64_t count);

/* Decodes %XX strictly: -1 on a bad escape, %00 or the buffer's cap, with nothing added. */
int percent_decode(struct span text, struct buf *out) MUST_CHECK;
/* Encodes C0, DEL, '%' and the bytes of also_encode; -1 at the buffer's cap, with nothing added. */
int percent_encode(struct span text, const char *also_encode, struct buf *out) MUST_CHECK;

#endif
