/*
 * Allocation that cannot fail: out of memory ends the run at once with exit code 7. The journal makes any end
 * resumable, so no caller carries an error path for it.
 *
 * Owner: the caller. Threads: any.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "base/must.h"

#include <stddef.h>

/*
 * At the beginning of the process: blocks of 128 KiB and more are always mappings of their own. glibc would raise that bound with each one that is freed, up to 32 MiB;
 * columns that grow side by side then leave holes behind that are never given back (a third of the memory of a large mailbox).
 */
void mem_begin(void);
void *mem_alloc(size_t size) NEVER_NULL; /* zeroed */
void *mem_array(size_t count, size_t size) NEVER_NULL; /* zeroed, overflow checked */
/* overflow checked, new part not zeroed */
void *mem_resize(void *old, size_t count, size_t size) NEVER_NULL;
char *mem_strdup(const char *text) NEVER_NULL;
void mem_free(void *memory); /* accepts NULL */

#endif
