/* CRLF to LF and back, line by line: memchr() finds the line ends, memcpy() carries what is between. */
#include "mail/unix_eol.h"

#include "base/buf.h"

/* Where to write: a cap too small is a mistake of the caller, and going on would lose mail. */
static char *room_for(struct buf *out, size_t size)
{
	if (buf_reserve(out, size) < 0)
		abort();
	return out->data + out->len;
}

static const char *find_lf(const char *at, const char *end)
{
	return at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
}

/* Is the LF at `lf` one of a CRLF that has no CR before it? text is what is to be put, from the beginning of the chunk. */
static bool is_plain_crlf(const struct unix_eol *eol, const char *text, const char *lf)
{
	const ptrdiff_t at = lf - text;

	if (at >= 2)
		return lf[-1] == '\r' && lf[-2] != '\r';
	if (at == 1)
		return lf[-1] == '\r' && !eol->last_cr;
	return eol->last_cr && !eol->two_cr;
}

static bool ends_in_cr(const struct unix_eol *eol, struct span chunk, size_t back)
{
	if (chunk.len > back)
		return chunk.data[chunk.len - 1 - back] == '\r';
	return back == chunk.len ? eol->last_cr : eol->two_cr;
}

bool unix_eol_put(struct unix_eol *eol, struct span chunk, struct buf *out)
{
	const struct unix_eol before = *eol;
	const char *const end = chunk.data + chunk.len;
	const char *from = chunk.data; /* not written yet */
	const char *lf;
	char *const start = room_for(out, chunk.len + 1);
	char *to = start;

	if (chunk.len == 0)
		return true;
	if (before.last_cr && *from != '\n')
		*to++ = '\r';
	while ((lf = find_lf(from, end)) != NULL) {
		if (!is_plain_crlf(&before, chunk.data, lf))
			return false;

		/* the CR is one of this chunk, or was held back */
		const size_t len = lf > chunk.data ? (size_t)(lf - 1 - from) : 0;
		memcpy(to, from, len);
		to += len;
		*to++ = '\n';
		from = lf + 1;
	}
	eol->last_cr = ends_in_cr(&before, chunk, 0);
	eol->two_cr = eol->last_cr && ends_in_cr(&before, chunk, 1);

	const size_t rest = (size_t)(end - from) - (from < end && end[-1] == '\r');
	memcpy(to, from, rest);
	out->len += (size_t)(to - start) + rest;
	return true;
}

void unix_eol_put_end(struct unix_eol *eol, struct buf *out)
{
	if (eol->last_cr) {
		*room_for(out, 1) = '\r';
		out->len++;
	}
	*eol = (struct unix_eol){ 0 };
}

void unix_eol_get(struct unix_eol *eol, struct span chunk, struct buf *out)
{
	const char *const end = chunk.data + chunk.len;
	const char *from = chunk.data;
	const char *lf;
	char *const start = room_for(out, chunk.len * 2);
	char *to = start;

	if (chunk.len == 0)
		return;
	while ((lf = find_lf(from, end)) != NULL) {
		const size_t len = (size_t)(lf - from);
		const bool has_cr = lf > chunk.data ? lf[-1] == '\r' : eol->last_cr;

		memcpy(to, from, len);
		to += len;
		if (!has_cr)
			*to++ = '\r';
		*to++ = '\n';
		from = lf + 1;
	}
	memcpy(to, from, (size_t)(end - from));
	to += end - from;
	out->len += (size_t)(to - start);
	eol->last_cr = end[-1] == '\r';
}

uint64_t unix_eol_count(struct unix_eol *eol, struct span chunk)
{
	const char *const end = chunk.data + chunk.len;
	const char *from = chunk.data;
	const char *lf;
	uint64_t added = 0;

	if (chunk.len == 0)
		return 0;
	while ((lf = find_lf(from, end)) != NULL) {
		added += lf > chunk.data ? lf[-1] != '\r' : !eol->last_cr;
		from = lf + 1;
	}
	eol->last_cr = end[-1] == '\r';
	return added;
}
