/*
 * COMPRESS=DEFLATE (RFC 4978): raw deflate in both directions. A bomb finds nothing to blow up here: inflated octets are made only as
 * far as the reader's buffer reaches, and that has its cap (wire.h).
 */
#include "net/stream.h"

#include "base/err.h"
#include "base/mem.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>

#define IN_SIZE (16u << 10)
#define OUT_SIZE (16u << 10)
#define FEED_CAP (256u << 10)
#define LEVEL 3 /* commands and headers: nine tenths of what level 6 gains at a third of the time */
#define WINDOW_BITS (-15) /* raw, 32 KiB: RFC 4978 §4 asks that this be accepted from the server */
#define MEMORY_LEVEL 8

struct stream_deflate {
	struct stream stream;
	z_stream inflater, deflater;
	unsigned char in[IN_SIZE];
	unsigned char *fed; /* what stream_deflate_feed() gave, until inflated */
	unsigned char out[OUT_SIZE];
	size_t out_head, out_tail;
	bool more; /* the last inflate() stopped because the reader's buffer was full */
	bool in_ended; /* the server ended its deflate stream */
	bool dirty; /* octets went into the deflater since the last complete flush */
	bool flushing; /* a flush has begun and must be finished before more goes in (zlib.h) */
};

static void *deflate_alloc(void *opaque, unsigned count, unsigned size)
{
	(void)opaque;
	return mem_array(count, size);
}

static void deflate_free(void *opaque, void *memory)
{
	(void)opaque;
	mem_free(memory);
}

/* 1 = octets to inflate are there, 0 = end, STREAM_AGAIN, -1. */
static ssize_t deflate_refill(struct stream_deflate *layer, struct err *err)
{
	const ssize_t got = stream_read(layer->stream.below, layer->in, sizeof(layer->in), err);

	if (got <= 0)
		return got;
	layer->inflater.next_in = layer->in;
	layer->inflater.avail_in = (unsigned)got;
	return 1;
}

static ssize_t stream_deflate_read(struct stream *stream, void *data, size_t size, struct err *err)
{
	struct stream_deflate *layer = (struct stream_deflate *)stream;
	z_stream *z = &layer->inflater;
	const unsigned room = size > INT_MAX ? INT_MAX : (unsigned)size;

	while (!layer->in_ended) {
		z->next_out = data;
		z->avail_out = room;
		const int rc =
			z->avail_in > 0 || layer->more ? inflate(z, Z_SYNC_FLUSH) : Z_BUF_ERROR;
		layer->in_ended = rc == Z_STREAM_END;
		if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
			return err_set_kind(err, ERR_CONN, ERR_KIND_NETWORK,
				"the compressed data from the server is damaged (%s)",
				z->msg ? z->msg : "zlib");

		const unsigned made = room - z->avail_out;
		layer->more = z->avail_out == 0;
		if (made > 0)
			return (ssize_t)made;
		if (layer->in_ended || z->avail_in > 0)
			continue;
		const ssize_t refilled = deflate_refill(layer, err);
		if (refilled <= 0)
			return refilled;
	}
	return 0;
}

static bool stream_deflate_pending(const struct stream *stream)
{
	const struct stream_deflate *layer = (const struct stream_deflate *)stream;

	return !layer->in_ended && (layer->inflater.avail_in > 0 || layer->more);
}

/* Sends what is compressed: 0 = all of it, STREAM_AGAIN, -1. */
static int deflate_send(struct stream_deflate *layer, struct err *err)
{
	while (layer->out_head < layer->out_tail) {
		const ssize_t put = stream_write(layer->stream.below, layer->out + layer->out_head,
			layer->out_tail - layer->out_head, err);
		if (put < 0)
			return (int)put;
		layer->out_head += (size_t)put;
	}
	layer->out_head = layer->out_tail = 0;
	return 0;
}

/* One step of the deflater into what room there is; sends first when there is none. 0, STREAM_AGAIN, -1. */
static int deflate_step(struct stream_deflate *layer, int flush, struct err *err)
{
	z_stream *z = &layer->deflater;

	if (layer->out_tail == OUT_SIZE) {
		const int rc = deflate_send(layer, err);
		if (rc != 0)
			return rc;
	}
	z->next_out = layer->out + layer->out_tail;
	z->avail_out = (unsigned)(OUT_SIZE - layer->out_tail);
	/* Z_BUF_ERROR says that nothing was left to do. */
	const int rc = deflate(z, flush);
	if (rc != Z_OK && rc != Z_BUF_ERROR)
		return err_set(err, ERR_CONN, "compression failed (zlib %d)", rc);
	layer->out_tail = OUT_SIZE - z->avail_out;
	return 0;
}

static int deflate_finish_flush(struct stream_deflate *layer, struct err *err)
{
	while (layer->flushing) {
		const int rc = deflate_step(layer, Z_SYNC_FLUSH, err);
		if (rc != 0)
			return rc;
		layer->flushing = layer->deflater.avail_out == 0;
	}
	return 0;
}

static ssize_t stream_deflate_write(
	struct stream *stream, const void *data, size_t size, struct err *err)
{
	struct stream_deflate *layer = (struct stream_deflate *)stream;
	z_stream *z = &layer->deflater;
	const unsigned room = size > INT_MAX ? INT_MAX : (unsigned)size;
	int rc = deflate_finish_flush(layer, err);

	if (rc != 0)
		return rc;
	z->next_in = (unsigned char *)data; /* zlib's type lacks the const */
	z->avail_in = room;
	while (rc == 0 && z->avail_in > 0)
		rc = deflate_step(layer, Z_NO_FLUSH, err);

	const unsigned taken = room - z->avail_in;
	z->avail_in = 0;
	z->next_in = NULL;
	if (rc == -1 || taken == 0)
		return rc;
	layer->dirty = true;
	return (ssize_t)taken;
}

static int stream_deflate_flush(struct stream *stream, struct err *err)
{
	struct stream_deflate *layer = (struct stream_deflate *)stream;

	if (layer->dirty)
		layer->flushing = true;
	layer->dirty = false;
	const int rc = deflate_finish_flush(layer, err);
	if (rc != 0)
		return rc;
	return deflate_send(layer, err);
}

static void stream_deflate_free(struct stream *stream)
{
	struct stream_deflate *layer = (struct stream_deflate *)stream;

	(void)inflateEnd(&layer->inflater);
	(void)deflateEnd(&layer->deflater);
	mem_free(layer->fed);
	mem_free(layer);
}

static const struct stream_ops stream_deflate_ops = {
	.name = "deflate",
	.read = stream_deflate_read,
	.write = stream_deflate_write,
	.flush = stream_deflate_flush,
	.pending = stream_deflate_pending,
	.free = stream_deflate_free,
};

struct stream *stream_deflate_new(struct stream *below)
{
	struct stream_deflate *layer = mem_alloc(sizeof(*layer));
	struct stream *point = stream_insert_point(below);

	layer->stream = (struct stream){
		.ops = &stream_deflate_ops,
		.below = point,
		.read_fd = point->read_fd,
		.write_fd = point->write_fd,
	};
	layer->inflater.zalloc = layer->deflater.zalloc = deflate_alloc;
	layer->inflater.zfree = layer->deflater.zfree = deflate_free;
	/* The arguments are constants and memory cannot run out (mem.h): what is left to fail is a foreign zlib. */
	if (inflateInit2(&layer->inflater, WINDOW_BITS) != Z_OK ||
		deflateInit2(&layer->deflater, LEVEL, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
			Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	return stream_insert(below, &layer->stream);
}

int stream_deflate_feed(struct stream *top, struct span compressed, struct err *err)
{
	if (compressed.len == 0)
		return 0;

	struct stream *stream = stream_insert_point(top);
	struct stream_deflate *layer = (struct stream_deflate *)stream;
	if (stream->ops != &stream_deflate_ops || layer->fed || compressed.len > FEED_CAP)
		return err_set_kind(err, ERR_CONN, ERR_KIND_NETWORK,
			"the server sent too much at the switch to compression");
	layer->fed = mem_array(compressed.len, 1);
	memcpy(layer->fed, compressed.data, compressed.len);
	layer->inflater.next_in = layer->fed;
	layer->inflater.avail_in = (unsigned)compressed.len;
	return 0;
}
