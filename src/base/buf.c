/* Growing bytes. The allocation always has one byte more than len, so that a NUL fits behind a buffer at its cap. */
#include "base/buf.h"

#include "base/mem.h"

#include <stdarg.h>

#define ROOM_MIN 64

void buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf){ .max = max < SIZE_MAX ? max : SIZE_MAX - 1 };
}

void buf_release(struct buf *buf)
{
	mem_free(buf->data);
	buf->data = NULL;
	buf->len = buf->room = 0;
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
}

int buf_reserve(struct buf *buf, size_t size)
{
	if (buf->len > buf->max || size > buf->max - buf->len)
		return -1;

	const size_t need = buf->len + size + 1;
	if (need <= buf->room)
		return 0;

	size_t room = buf->room <= buf->max / 2 ? buf->room * 2 : buf->max + 1;
	if (room < ROOM_MIN)
		room = ROOM_MIN;
	if (room < need)
		room = need;
	if (room > buf->max + 1)
		room = buf->max + 1;
	buf->data = mem_resize(buf->data, room, 1);
	buf->room = room;
	return 0;
}

int buf_add(struct buf *buf, struct span bytes)
{
	if (bytes.len == 0)
		return 0;
	if (buf_reserve(buf, bytes.len) < 0)
		return -1;
	memcpy(buf->data + buf->len, bytes.data, bytes.len);
	buf->len += bytes.len;
	return 0;
}

int buf_add_char(struct buf *buf, char byte)
{
	if (buf_reserve(buf, 1) < 0)
		return -1;
	buf->data[buf->len++] = byte;
	return 0;
}

int buf_print(struct buf *buf, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	const int size = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (size < 0 || buf_reserve(buf, (size_t)size) < 0)
		return -1;

	va_start(args, fmt);
	vsnprintf(buf->data + buf->len, (size_t)size + 1, fmt, args);
	va_end(args);
	buf->len += (size_t)size;
	return 0;
}

void buf_drop_front(struct buf *buf, size_t count)
{
	if (count >= buf->len) {
		buf->len = 0;
		return;
	}
	if (count == 0)
		return;
	memmove(buf->data, buf->data + count, buf->len - count);
	buf->len -= count;
}

struct span buf_span(const struct buf *buf)
{
	return (struct span){ buf->data, buf->len };
}

const char *buf_text(struct buf *buf)
{
	if (!buf->data)
		return "";
	buf->data[buf->len] = '\0';
	return buf->data;
}
