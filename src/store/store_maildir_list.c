/* Mailboxes of a tree of Maildirs, and how many messages they have. */
#include "store/store_maildir_parts.h"

#include "base/log.h"
#include "base/map.h"
#include "base/os.h"

#include <fcntl.h>

/* The size as IMAP counts it, as far as the name tells; else the file's. */
static uint64_t size_of(int dir, const struct maildir_entry *entry, const struct maildir_name *name)
{
	char path[MAILDIR_PATH_SIZE];
	struct stat st;

	if (name->mail_size != MAILDIR_SIZE_UNKNOWN)
		return name->mail_size;
	(void)snprintf(path, sizeof(path), "%s/%s", maildir_sub(entry), entry->file);
	return os_fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size : 0;
}

static int fill_status(struct store_maildir *store, int dir, const char *name, unsigned want,
	struct mailbox_info *info, struct err *err)
{
	struct maildir_look look;
	int rc = maildir_look(store, dir, name, &look, err);

	if (rc == 0) {
		info->has |= IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY;
		info->messages = (uint32_t)(look.count + look.hidden);
		info->unclear = look.hidden > 0;
		info->uidnext = look.facts.uidnext;
		info->uidvalidity = look.facts.uidvalidity;
	}
	for (size_t i = 0; i < look.count && (want & (STORE_LIST_SIZE | STORE_LIST_UNSEEN)); i++) {
		struct maildir_name parsed;

		if (!maildir_name_parse(span_of(look.entry[i].file), &parsed))
			continue;
		info->unseen += !(parsed.flags & MAILDIR_SEEN);
		if (want & STORE_LIST_SIZE)
			info->size += size_of(dir, &look.entry[i], &parsed);
	}
	if (rc == 0 && (want & STORE_LIST_UNSEEN))
		info->has |= IMAP_STATUS_UNSEEN;
	if (rc == 0 && (want & STORE_LIST_SIZE))
		info->has |= IMAP_STATUS_SIZE;
	maildir_look_release(&look);
	return rc;
}

int maildir_store_status(struct store *base, const char *name, unsigned want,
	struct mailbox_info *out, struct err *err)
{
	struct store_maildir *store = store_maildir_of(base);
	const int dir = maildir_open_folder(store, name, err);
	int rc;

	if (dir < 0)
		return -1;
	*out = (struct mailbox_info){ .name = name, .raw = name };
	rc = fill_status(store, dir, name, want, out, err);
	(void)os_close(dir);
	return rc;
}

static int compare_names(const void *a, const void *b)
{
	const struct mailbox_info *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* Two folders of one name, as INBOX and a directory that is called so: the second would hide the first. */
static bool add_mailbox(struct store_maildir *store, const char *path, struct map *names,
	struct arena *arena, struct mailbox_list *out)
{
	struct mailbox_info *info = &out->mailbox[out->count];

	*info = (struct mailbox_info){
		.raw = maildir_server_name(store, path, arena),
		.name = strcmp(path, store->inbox) == 0
				? "INBOX"
				: maildir_folder_display(&store->style, span_of(path), arena),
	};
	if (map_has(names, span_of(info->name)) ||
		(mailbox_is_inbox(info->name) && strcmp(path, store->inbox) != 0)) {
		log_warn("folder %s is left out: another one is called %s too", path, info->name);
		out->refused++;
		return false;
	}
	map_set(names, span_of(info->name), info);
	out->count++;
	return true;
}

static int add_status(struct store_maildir *store, const char *path, unsigned want,
	struct mailbox_info *info, struct err *err)
{
	const int dir = maildir_open_below(store->root, path);
	struct err local = ERR_INIT;
	int rc;

	if (dir < 0)
		return 0; /* gone or unreadable: it is said when it is opened */
	rc = fill_status(store, dir, info->name, want, info, &local);
	(void)os_close(dir);
	if (rc == 0 || local.scope < ERR_CONN)
		return 0;
	if (err != NULL)
		*err = local;
	return -1;
}

int maildir_store_list(struct store *base, unsigned want, struct arena *arena,
	struct mailbox_list *out, struct err *err)
{
	struct store_maildir *store = store_maildir_of(base);
	struct maildir_subscriptions subscribed;
	struct maildir_tree tree;
	struct map *names, *subscriptions;
	int rc = 0;

	*out = (struct mailbox_list){ .delimiter = store->style.layout == MAILDIR_FS ? '/' : '.' };
	if (maildir_tree_read(store->root, store->style.layout, arena, &tree, err) < 0 ||
		maildir_subscriptions_read(store, arena, &subscribed, err) < 0)
		return -1;
	out->refused = tree.refused + store->left_out;
	out->subscriptions_unknown = !subscribed.exists && !store->may_create;
	out->mailbox = arena_array(arena, tree.count + 1, sizeof(*out->mailbox));
	names = map_new(arena);
	subscriptions = map_new(arena);
	for (size_t i = 0; i < subscribed.count; i++)
		map_set(subscriptions, span_of(subscribed.name[i]), out);
	for (size_t i = 0; i < tree.count && rc == 0; i++) {
		struct mailbox_info *info = &out->mailbox[out->count];

		if (!add_mailbox(store, tree.path[i], names, arena, out))
			continue;
		info->subscribed = map_has(subscriptions, span_of(info->raw));
		if (want != 0)
			rc = add_status(store, tree.path[i], want, info, err);
	}
	map_free(names);
	map_free(subscriptions);
	qsort(out->mailbox, out->count, sizeof(*out->mailbox), compare_names);
	return rc;
}
