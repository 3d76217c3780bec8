/*
 * Libraries that are loaded when first needed, for what they bring along costs more memory than a whole run over IMAP with nothing to do.
 *
 * Owner: the caller; a library once loaded stays. Threads: one at a time for one table (pthread_once()).
 *
 *	static const struct dynamic_call calls[] = { DYNAMIC_CALL(library, archive_read_new), … };
 *	library.loaded = dynamic_load("libarchive.so.13", calls, countof(calls));
 */
#ifndef BASE_DYNAMIC_H
#define BASE_DYNAMIC_H

#include <stdbool.h>
#include <stddef.h>

struct dynamic_call {
	const char *name;
	void *pointer; /* to the function pointer of this name */
};

/* A member of a struct of function pointers that has the function's name. */
#define DYNAMIC_CALL(table, name)    \
	{                            \
#name, &(table).name \
	}

/* False: the library, or one of the calls, is not there. */
bool dynamic_load(const char *file, const struct dynamic_call *calls, size_t count);

#endif
