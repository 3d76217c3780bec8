/*
 * Writes JSON (RFC 8259), one value a line, straight into a buffer; nothing is allocated beyond it. Strings come out as
 * valid UTF-8, and what a terminal must not see is escaped.
 *
 * Owner: the caller, of both the writer and the buffer. Lifetime: from json_init() to json_end_line(), then again.
 * Threads: one at a time. The caller nests right: a key before each value of an object, an end for each begin.
 *
 *	struct json json;
 *	json_init(&json, &out);
 *	json_begin_object(&json);
 *	json_key(&json, "mailbox");
 *	json_string(&json, name);
 *	json_end_object(&json);
 *	if (json_end_line(&json) < 0)
 *		return err_set(err, ERR_LOCAL, "report line longer than %zu bytes", out.max);
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/must.h"
#include "base/span.h"

struct buf;

struct json {
	struct buf *out;
	size_t start; /* of this line in out */
	bool comma; /* the next key or value needs one before it */
	bool full; /* the buffer's cap was reached */
};

void json_init(struct json *json, struct buf *out); /* appends to what is in out */
void json_begin_object(struct json *json);
void json_end_object(struct json *json);
void json_begin_array(struct json *json);
void json_end_array(struct json *json);
void json_key(struct json *json, const char *key);
/* invalid UTF-8 becomes U+FFFD; data NULL gives "" */
void json_string(struct json *json, struct span text);
void json_text(struct json *json, const char *text); /* NULL gives null */
void json_u64(struct json *json, uint64_t number);
void json_i64(struct json *json, int64_t number);
void json_bool(struct json *json, bool value);
void json_null(struct json *json);
/* Ends the line with LF and starts the next. -1 when it passed the buffer's cap: then the whole line is taken back. */
int json_end_line(struct json *json) MUST_CHECK;

#endif
