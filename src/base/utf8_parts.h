/*
 * What utf8.c and the table written by script/width-table share. For these only.
 *
 * Owner: none. Threads: any.
 */
#ifndef BASE_UTF8_PARTS_H
#define BASE_UTF8_PARTS_H

#include <stddef.h>
#include <stdint.h>

struct utf8_range {
	uint32_t first, last;
};

/* Characters that take no column, and those that take two; sorted. */
extern const struct utf8_range utf8_narrow[];
extern const size_t utf8_narrow_count;
extern const struct utf8_range utf8_wide[];
extern const size_t utf8_wide_count;

#endif
