/*
 * Attachments as files of their own, through GMime. The message is on the disk, and GMime streams from there. A part is an
 * attachment when it says so or has a file name.
 */
#include "base/log.h"
#include "base/os.h"
#include "mail/mime_library.h"
#include "store/store_eml_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define PARTS_MAX 1000
#define NAME_TRIES 1000
#define TAMED_MAX 150

static bool is_a(GMimeObject *object, GType type)
{
	return mime_library.g_type_check_instance_is_a((GTypeInstance *)object, type);
}

static bool is_part(GMimeObject *object)
{
	return is_a(object, mime_library.g_mime_part_get_type());
}

static bool is_message(GMimeObject *object)
{
	return is_a(object, mime_library.g_mime_message_part_get_type());
}

struct parts {
	struct store_eml *store;
	struct eml_dir *dir;
	uint32_t uid;
	unsigned count;
};

static const char *name_of(GMimeObject *part)
{
	const char *name =
		is_part(part) ? mime_library.g_mime_part_get_filename((GMimePart *)part) : NULL;

	if (!name && is_message(part))
		name = mime_library.g_mime_object_get_content_disposition_parameter(
			part, "filename");
	return name;
}

static bool is_attachment(GMimeObject *part)
{
	const char *disposition = mime_library.g_mime_object_get_disposition(part);

	if (disposition && strcasecmp(disposition, "attachment") == 0)
		return true;
	return is_part(part) && name_of(part) != NULL;
}

/* UID.NAME, which never looks like a message: one that would gets a "_". */
static void make_name(const struct parts *parts, GMimeObject *part, unsigned try, struct buf *out)
{
	const char *name = name_of(part);
	size_t begin;

	buf_clear(out);
	(void)!buf_print(out, "%lu.", (unsigned long)parts->uid);
	begin = out->len;
	if (try > 0)
		(void)!buf_print(out, "%u-", try);
	eml_name_tame(span_of(name ? name : ""), TAMED_MAX, out);
	if (out->len == begin)
		(void)!buf_print(out, "attachment-%u", parts->count);
	if (eml_name_has_ext(eml_name_without_flags(buf_text(out), NULL, NULL), parts->store->ext))
		(void)!buf_add_char(out, '_');
}

static int write_content(GMimeObject *part, int fd)
{
	GMimeStream *out = mime_library.g_mime_stream_fs_new(fd);
	ssize_t rc = 0;

	mime_library.g_mime_stream_fs_set_owner((GMimeStreamFs *)out, FALSE);
	if (is_message(part)) {
		GMimeMessage *inner =
			mime_library.g_mime_message_part_get_message((GMimeMessagePart *)part);

		if (inner)
			rc = mime_library.g_mime_object_write_to_stream(
				(GMimeObject *)inner, NULL, out);
	} else if (is_part(part)) {
		GMimeDataWrapper *content = mime_library.g_mime_part_get_content((GMimePart *)part);

		if (content)
			rc = mime_library.g_mime_data_wrapper_write_to_stream(content, out);
	}
	if (rc >= 0 && mime_library.g_mime_stream_flush(out) < 0)
		rc = -1;
	mime_library.g_object_unref(out);
	return rc < 0 ? -1 : 0;
}

static int give_name(const struct parts *parts, GMimeObject *part, const char *temporary)
{
	struct buf name;
	int rc = -1;

	buf_init(&name, EML_NAME_MAX);
	for (unsigned try = 0; rc < 0 && try < NAME_TRIES; try++) {
		make_name(parts, part, try, &name);
		rc = os_renameat_new(parts->dir->fd, temporary, parts->dir->fd, buf_text(&name));
		if (rc < 0 && errno != EEXIST)
			break;
	}
	buf_release(&name);
	return rc;
}

static int write_part(const struct parts *parts, GMimeObject *part, struct err *err)
{
	char temporary[64];
	const int dir = parts->dir->fd;

	snprintf(temporary, sizeof(temporary), EML_TEMPORARY "%ld-part-%p", (long)getpid(),
		(const void *)parts);
	const int fd = os_openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set_errno(err, ERR_LOCAL, "cannot write into %s", parts->dir->shown);
	int rc = owner_give(parts->store->owner, fd, err);
	if (rc == 0 && (write_content(part, fd) < 0 || os_fsync(fd) < 0 ||
			       give_name(parts, part, temporary) < 0))
		rc = err_set_errno(
			err, ERR_LOCAL, "cannot write an attachment into %s", parts->dir->shown);
	(void)os_close(fd);
	if (rc < 0)
		(void)os_unlinkat(dir, temporary, 0);
	return rc;
}

static int write_all(struct parts *parts, GMimeMessage *message, struct err *err)
{
	GMimePartIter *iter = mime_library.g_mime_part_iter_new((GMimeObject *)message);
	unsigned seen = 0;
	int rc = 0;

	if (mime_library.g_mime_part_iter_is_valid(iter)) {
		do {
			GMimeObject *part = mime_library.g_mime_part_iter_get_current(iter);

			if (seen++ == PARTS_MAX) {
				log_warn(
					"%s: message %lu has more than %d parts: the rest are not looked at",
					parts->dir->shown, (unsigned long)parts->uid, PARTS_MAX);
				break;
			}
			if (!is_attachment(part))
				continue;
			parts->count++;
			rc = write_part(parts, part, err);
		} while (rc == 0 && mime_library.g_mime_part_iter_next(iter));
	}
	mime_library.g_mime_part_iter_free(iter);
	return rc;
}

int eml_parts_write(
	struct store_eml *store, struct eml_dir *dir, int fd, uint32_t uid, struct err *err)
{
	struct parts parts = { .store = store, .dir = dir, .uid = uid };
	int rc = 0;

	if (mime_need(err) < 0)
		return -1;
	GMimeStream *stream = mime_library.g_mime_stream_fs_new_with_bounds(fd, 0, -1);
	mime_library.g_mime_stream_fs_set_owner((GMimeStreamFs *)stream, FALSE);
	GMimeParser *parser = mime_library.g_mime_parser_new_with_stream(stream);
	GMimeMessage *message = mime_library.g_mime_parser_construct_message(parser, NULL);
	if (message) {
		rc = write_all(&parts, message, err);
		mime_library.g_object_unref(message);
	}
	mime_library.g_object_unref(parser);
	mime_library.g_object_unref(stream);
	return rc;
}
