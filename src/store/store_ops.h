/*
 * What a back end of store.h is made of: one const table of functions, and the heads its own structs begin with. NULL in the table = the
 * back end lacks it: store.c has a default or says so. For src/store/ only.
 *
 * Owner: store.c and the back ends. Lifetime: static tables. Threads: any, immutable.
 *
 *	const struct store_ops store_imap_ops = { .scheme = "imap", .open = open_imap, … };
 */
#ifndef STORE_STORE_OPS_H
#define STORE_STORE_OPS_H

#include "store/store.h"

struct store { /* a back end's struct begins with it; open() leaves filling it to store.c */
	const struct store_ops *ops;
	struct account *account;
	struct flag_table *flags;
	struct flag_table *own_flags; /* flags, when the request gave none */
};

struct box { /* likewise; the back end fills name and facts, and frees them */
	struct store *store;
	char *name;
	struct box_facts facts;
};

struct store_ops {
	const char *scheme; /* as account_scheme() */
	/* Memory for the back end's struct, head filled; then open() works on it. close() releases what it holds, not the struct. */
	size_t store_size;
	int (*open)(struct store *store, const struct store_request *request, struct err *err);
	void (*close)(struct store *store);

	unsigned (*caps)(const struct store *store);
	uint64_t (*append_limit)(const struct store *store);
	struct imap *(*imap_session)(struct store *store);
	const struct imap_facts *(*imap_facts)(const struct store *store);
	struct mailbox_style (*style)(const struct store *store);
	void (*traffic)(const struct store *store, uint64_t *in_out, uint64_t *out_out,
		uint64_t *turns_out);
	int64_t (*waited_us)(const struct store *store);

	int (*list)(struct store *store, unsigned want, struct arena *arena,
		struct mailbox_list *out, struct err *err);
	int (*status)(struct store *store, const char *name, unsigned want,
		struct mailbox_info *out, struct err *err);
	int (*create)(struct store *store, const char *name, enum store_use use, bool *changed_out,
		struct err *err);
	int (*subscribe)(struct store *store, const char *name, bool subscribe, struct err *err);
	int (*remove_mailbox)(struct store *store, const char *name, struct err *err);
	int (*rename_mailbox)(
		struct store *store, const char *from, const char *to, struct err *err);
	int (*compress)(struct store *store, struct err *err);
	int (*prepare)(
		struct store *store, struct store_preparation *list, size_t count, struct err *err);
	void (*use_names)(struct store *store, const struct mailbox_list *names);
	int (*find)(struct store *store, const char *expression,
		const struct mailbox_info *const *mailbox, size_t count, bool *found_out,
		struct err *err);
	int (*quota)(struct store *store, uint64_t *used_out, uint64_t *limit_out, struct err *err);
	/* Files: a descriptor of the directory that a mailbox's messages, or its one file, are in. -1: ERR_MAILBOX. */
	int (*open_dir)(struct store *store, const char *name, struct err *err);

	struct box *(*open_box)(
		struct store *store, const char *name, enum store_mode mode, struct err *err);
	void (*close_box)(struct box *box); /* frees it too */
	bool (*is_same)(struct box *box, const char *mailboxid); /* NULL: equal texts */
	int (*scan)(struct box *box, const struct box_scan *scan, struct snapshot *snapshot,
		struct arena *arena, struct uidset *unknown, struct err *err);
	int (*search)(struct box *box, const char *expression, struct arena *arena,
		struct uidset *out, struct uidset *unknown, struct err *err);
	int (*change_flags)(struct box *box, const struct uidset *uids, flags_t add, flags_t remove,
		struct err *err);
	int (*remove)(struct box *box, const struct uidset *uids, unsigned how, struct err *err);
	int (*copy)(struct box *box, struct box_transfer *transfer, struct arena *arena,
		struct err *err);
	int (*move)(struct box *box, struct box_transfer *transfer, struct arena *arena,
		struct err *err);

	void (*fetch_window)(struct box *box, unsigned commands, uint64_t bytes);
	bool (*fetch_has_room)(const struct box *box);
	int (*fetch_ask)(
		struct box *box, const struct uidset *uids, uint64_t bytes, struct err *err);
	bool (*fetch_ready)(struct box *box);
	int (*fetch_next)(struct box *box, struct message *out, struct err *err);
	int (*fetch_chunk)(struct box *box, struct span *chunk_out, struct err *err);
	void (*fetch_end)(struct box *box);

	/* All or none: without append_to nothing can be written. */
	int (*append_to)(struct store *store, const char *name, struct err *err);
	int (*append_begin)(struct store *store, uint64_t token, flags_t flags, struct date date,
		uint64_t size, struct err *err);
	int (*append_add)(struct store *store, struct span bytes, struct err *err);
	int (*append_end)(struct store *store, struct err *err);
	bool (*append_in_message)(const struct store *store);
	bool (*append_cancel)(struct store *store);
	int (*append_flush)(struct store *store, struct err *err);
	int (*append_settle)(
		struct store *store, bool wait, struct append_result *out, struct err *err);
	void (*append_drop)(struct store *store);
	size_t (*append_outstanding)(const struct store *store);
};

extern const struct store_ops store_imap_ops, store_pop3_ops, store_maildir_ops, store_mbox_ops,
	store_thunderbird_ops, store_eml_ops, store_inventory_ops;

#endif
