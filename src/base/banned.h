/*
 * Functions that break the build when used. Included before everything else (meson.build, -include).
 *
 * Owner: nobody. Lifetime: none. Threads: any.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* No bound, hidden state, or no error: use buf, span_u64, arena_print, gmtime_r instead. */
#undef alloca /* a macro in <stdlib.h>, and poisoning a macro is a warning */
#undef sprintf /* likewise, with clang and _FORTIFY_SOURCE */
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok atoi atol atoll localtime \
	gmtime asctime ctime gets alloca

#endif
