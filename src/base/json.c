/* A writer of JSON lines. Once the cap is reached all calls do nothing, and json_end_line() tells. */
#include "base/json.h"

#include "base/buf.h"
#include "base/text.h"

#include <inttypes.h>

#define REPLACEMENT "\xef\xbf\xbd"

static void add(struct json *json, struct span bytes)
{
	json->full = json->full || buf_add(json->out, bytes) < 0;
}

static void begin_value(struct json *json)
{
	if (json->comma)
		add(json, SPAN(","));
	json->comma = true;
}

void json_init(struct json *json, struct buf *out)
{
	*json = (struct json){ .out = out, .start = out->len };
}

static void begin(struct json *json, struct span bracket)
{
	begin_value(json);
	add(json, bracket);
	json->comma = false;
}

static void end(struct json *json, struct span bracket)
{
	add(json, bracket);
	json->comma = true;
}

void json_begin_object(struct json *json)
{
	begin(json, SPAN("{"));
}

void json_end_object(struct json *json)
{
	end(json, SPAN("}"));
}

void json_begin_array(struct json *json)
{
	begin(json, SPAN("["));
}

void json_end_array(struct json *json)
{
	end(json, SPAN("]"));
}

/* All harmful characters are below U+10000: no surrogates needed. */
static void add_escape(struct json *json, uint32_t c)
{
	static const struct {
		uint32_t c;
		struct span text;
	} names[] = { { '"', SPAN("\\\"") }, { '\\', SPAN("\\\\") }, { '\n', SPAN("\\n") },
		{ '\r', SPAN("\\r") }, { '\t', SPAN("\\t") } };

	for (size_t i = 0; i < countof(names); i++) {
		if (names[i].c == c) {
			add(json, names[i].text);
			return;
		}
	}
	json->full = json->full || buf_print(json->out, "\\u%04" PRIx32, c) < 0;
}

static bool needs_escape(uint32_t c)
{
	return c == '"' || c == '\\' || utf8_harmful(c);
}

static void add_quoted(struct json *json, struct span text)
{
	size_t run = 0; /* octets at the front that go out as they are */

	add(json, SPAN("\""));
	while (run < text.len && !json->full) {
		uint32_t c = 0;
		size_t len = utf8_next(span_from(text, run), &c);

		if (len > 0 && !needs_escape(c)) {
			run += len;
			continue;
		}
		add(json, span_sub(text, 0, run));
		if (len == 0)
			add(json, SPAN(REPLACEMENT));
		else
			add_escape(json, c);
		text = span_from(text, run + (len > 0 ? len : 1));
		run = 0;
	}
	add(json, text);
	add(json, SPAN("\""));
}

void json_key(struct json *json, const char *key)
{
	begin_value(json);
	add_quoted(json, span_of(key));
	add(json, SPAN(":"));
	json->comma = false;
}

void json_string(struct json *json, struct span text)
{
	begin_value(json);
	add_quoted(json, text);
}

void json_text(struct json *json, const char *text)
{
	if (!text) {
		json_null(json);
		return;
	}
	json_string(json, span_of(text));
}

void json_u64(struct json *json, uint64_t number)
{
	begin_value(json);
	json->full = json->full || buf_print(json->out, "%" PRIu64, number) < 0;
}

void json_i64(struct json *json, int64_t number)
{
	begin_value(json);
	json->full = json->full || buf_print(json->out, "%" PRId64, number) < 0;
}

void json_bool(struct json *json, bool value)
{
	begin_value(json);
	add(json, value ? SPAN("true") : SPAN("false"));
}

void json_null(struct json *json)
{
	begin_value(json);
	add(json, SPAN("null"));
}

int json_end_line(struct json *json)
{
	bool full;

	add(json, SPAN("\n"));
	full = json->full;
	if (full)
		json->out->len = json->start;
	json_init(json, json->out);
	return full ? -1 : 0;
}
