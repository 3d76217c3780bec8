/*
 * The result on standard output: buffered, terminal-safe, and not done until it is known to be written.
 *
 * Owner: the process. Threads: any; lines and turns come out whole.
 *
 *	print("%s\n", name);
 *	if (printer_finish(&err) < 0) … exit 7
 */
#ifndef CLI_PRINTER_H
#define CLI_PRINTER_H

#include "base/json.h"
#include "base/must.h"
#include "base/span.h"

struct arena;
struct err;

#define PRINTER_VERSION 1 /* of the JSON lines, as REPORT_VERSION */

/*
 * What --json and --report ask for. Texts go to standard output unless JSON does; JSON lines go there, and to the file (0600, made anew). Commands print both, and need not know:
 * only what costs something is asked for first. -1: ERR_LOCAL, the file cannot be written.
 */
int printer_begin(bool json, const char *report, struct err *err) MUST_CHECK;
bool print_json_wanted(void);
/*
 * One user's part of a run over many: what this thread prints from here on is kept, and comes out whole with the end. between: goes in front of all but the first.
 */
void printer_turn_begin(void);
void printer_turn_end(const char *between);

/* Nothing, where standard output is for JSON. */
void print(const char *fmt, ...) MUST_FORMAT(1, 2);
/* What was put together before, for standard output. */
void print_bytes(struct span bytes);
/* Text from outside, made harmless, filled up with blanks to this many columns (negative: to the left). */
void print_column(const char *text, int columns, struct arena *arena);
/* Columns of the terminal that standard output is; 0: it is none, and lines may be as long as they are. */
size_t print_terminal(void);
/* Columns the text takes once it is harmless. */
size_t print_width(const char *text, struct arena *arena);
/* The text in lines of at most width columns, the first of which has `used` columns already; further ones begin with indent blanks. Ends with LF. */
void print_wrapped(const char *text, size_t used, size_t indent, size_t width);

/* One JSON line: {"version":1,"type":TYPE, … ; in a user's turn (many.h) "user":NAME, which is log_label(), comes next. */
struct print_json {
	struct buf *out;
	struct json json;
};
struct json *print_json_begin(struct print_json *line, struct buf *buffer, const char *type);
void print_json_end(struct print_json *line);
/* JSON lines that were put together before, for the report only. */
void print_report(struct span lines);

/* What was printed so far is out, and more may follow. Errors as below. */
int printer_flush(struct err *err) MUST_CHECK;
/* Closes the report. -1 with ERR_LOCAL when anything that was printed did not get out. Silent errors (a closed pipe) have an empty text. */
int printer_finish(struct err *err) MUST_CHECK;

#endif
