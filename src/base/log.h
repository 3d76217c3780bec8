/*
 * Talk: leveled lines to stderr and to --log FILE, every untrusted byte made harmless. Never secrets (struct secret never
 * formats itself).
 *
 * Owner: the process. Threads: any, locked inside.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/must.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct err;

/* What stderr shows (default LOG_WARN) ; the file gets LOG_DEBUG and above always. */
void log_set_level(enum log_level level);
enum log_level log_level_now(void);
/* Opens (append, 0600) the file; NULL closes. */
int log_open(const char *path, struct err *err) MUST_CHECK;
void log_close(void);
/* Called around each stderr line, so that a progress line can be wiped and painted again. */
void log_set_screen(void (*before)(void), void (*after)(void));
/*
 * Whose work the calling thread does, "anna": stands in front of each of its lines; NULL = nobody's. Borrowed, until it is set again. A thread that works for
 * another is given the other's.
 */
void log_set_label(const char *label);
const char *log_label(void);
void log_write(enum log_level level, const char *fmt, ...) MUST_FORMAT(2, 3);

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

#endif
