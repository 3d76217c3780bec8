/*
 * GMime's and GLib's calls, for the files that use them: mime_library.G_MIME_CALL(…) after mime_need() said 0. A new call is one more line here.
 *
 * Owner: the program. Lifetime: from the first mime_need() on. Threads: any.
 */
#ifndef MAIL_MIME_LIBRARY_H
#define MAIL_MIME_LIBRARY_H

#include "base/must.h"

#include <stdbool.h>

/* GLib's header around alloca(), which is banned here (base/banned.h) and not used by what follows. */
#define __G_ALLOCA_H__
#include <gmime/gmime.h>

struct err;

/* clang-format off */
#define MIME_CALLS(X) \
	X(g_free) \
	X(g_mime_data_wrapper_write_to_stream) \
	X(g_mime_init) \
	X(g_mime_message_part_get_message) \
	X(g_mime_message_part_get_type) \
	X(g_mime_object_get_content_disposition_parameter) \
	X(g_mime_object_get_disposition) \
	X(g_mime_object_write_to_stream) \
	X(g_mime_parser_construct_message) \
	X(g_mime_parser_new_with_stream) \
	X(g_mime_part_get_content) \
	X(g_mime_part_get_filename) \
	X(g_mime_part_get_type) \
	X(g_mime_part_iter_free) \
	X(g_mime_part_iter_get_current) \
	X(g_mime_part_iter_is_valid) \
	X(g_mime_part_iter_new) \
	X(g_mime_part_iter_next) \
	X(g_mime_stream_flush) \
	X(g_mime_stream_fs_new) \
	X(g_mime_stream_fs_new_with_bounds) \
	X(g_mime_stream_fs_set_owner) \
	X(g_mime_utils_header_decode_text) \
	X(g_object_unref) \
	X(g_type_check_instance_is_a)
/* clang-format on */

struct mime_library {
#define MIME_DECLARE(name) \
	__typeof__(&(name)) name; /* NOLINT(bugprone-macro-parentheses): a name */
	MIME_CALLS(MIME_DECLARE)
#undef MIME_DECLARE
	bool loaded;
};
extern struct mime_library mime_library;

/* -1: it is not installed. */
int mime_need(struct err *err) MUST_CHECK;

#endif
