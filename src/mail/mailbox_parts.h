/*
 * What mailbox_name.c, mailbox_fold.c and mutf7.c share. For these only.
 *
 * Owner: none. Threads: any.
 */
#ifndef MAIL_MAILBOX_PARTS_H
#define MAIL_MAILBOX_PARTS_H

#include "base/span.h"

struct fold_entry {
	uint16_t from;
	uint16_t to[3]; /* decomposed and in lower case, 0 = no more */
};

/* Sorted by `from`; characters not in it stay. */
extern const struct fold_entry fold_table[];
extern const size_t fold_table_size;

#endif
