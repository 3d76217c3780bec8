#include "mail/mime.h"

#include "base/arena.h"
#include "base/dynamic.h"
#include "base/err.h"
#include "base/must.h"
#include "mail/mime_library.h"

#include <pthread.h>
#include <string.h>

struct mime_library mime_library;

static void load_library(void)
{
	static const struct dynamic_call calls[] = {
#define CALL(name) DYNAMIC_CALL(mime_library, name),
		MIME_CALLS(CALL)
#undef CALL
	};

	mime_library.loaded = dynamic_load("libgmime-3.0.so.0", calls, countof(calls));
	if (mime_library.loaded)
		mime_library.g_mime_init();
}

int mime_need(struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load_library);
	if (mime_library.loaded)
		return 0;
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"this needs GMime (libgmime-3.0.so.0), which is not installed");
}

char *mime_decode(const char *text, struct arena *arena)
{
	struct err err;

	/* Without an encoded word there is nothing to decode, and nothing to load. */
	if (!strstr(text, "=?") || mime_need(&err) < 0)
		return arena_strdup(arena, text);
	char *decoded = mime_library.g_mime_utils_header_decode_text(NULL, text);
	char *copy = arena_strdup(arena, decoded ? decoded : text);

	mime_library.g_free(decoded);
	return copy;
}
