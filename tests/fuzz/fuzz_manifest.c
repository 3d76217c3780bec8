/* Any lines as a manifest: no crash, and what is believed is written anew as what it was. Every other input gets the mark that makes it whole. */
#include "store/manifest_parts.h"

#include "base/err.h"
#include "base/os.h"

#include <fcntl.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(int dir, struct span lines, bool mark_it)
{
	const int fd = os_openat(dir, "m", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	char mark[MANIFEST_MARK_LEN + 1];

	manifest_mark("", lines, mark);
	if (fd < 0 || os_write(fd, lines.data, lines.len) != (ssize_t)lines.len)
		abort();
	if (mark_it && os_write(fd, mark, MANIFEST_MARK_LEN) != MANIFEST_MARK_LEN)
		abort();
	os_close(fd);
}

static void compare(struct manifest *a, struct manifest *b)
{
	if (manifest_count(a) != manifest_count(b) || manifest_uidnext(a) != manifest_uidnext(b) ||
		manifest_uidvalidity(a) != manifest_uidvalidity(b))
		abort();
	for (size_t i = 0; i < manifest_count(a); i++) {
		struct manifest_row one, other;

		if (manifest_read(a, i, &one, NULL) < 0 || manifest_read(b, i, &other, NULL) < 0)
			abort();
		if (one.uid != other.uid || one.flags != other.flags || one.size != other.size ||
			one.date.instant != other.date.instant ||
			strcmp(one.where, other.where) != 0 ||
			!span_equal(span_of(one.message_id), span_of(other.message_id)))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char top[] = "/tmp/mailhaul-fuzz-manifest-XXXXXX";
	static int dir = -1;
	struct flag_table *flags = flag_table_new();

	if (dir < 0) {
		if (!mkdtemp(top))
			abort();
		dir = os_open(top, O_RDONLY | O_DIRECTORY, 0);
	}
	const struct manifest_place place = { .dir = dir,
		.name = "m",
		.shown = "m",
		.flags = flags,
		.owner = UINT32_MAX,
		.group = UINT32_MAX };
	if (size > 0)
		fill(dir, span_make((const char *)data + 1, size - 1), data[0] % 2);
	struct manifest *manifest = manifest_open(&place, MANIFEST_WRITE, NULL);
	if (manifest) {
		if (manifest_count(manifest) > 0)
			manifest_set_where(manifest, 0, "elsewhere");
		manifest_set_note(manifest, "fuzz", "1");
		if (manifest_commit(manifest, NULL) == 0) {
			struct manifest *again = manifest_open(&place, MANIFEST_READ, NULL);

			if (!again)
				abort();
			compare(manifest, again);
			manifest_close(again);
		}
	}
	manifest_close(manifest);
	flag_table_free(flags);
	return 0;
}
