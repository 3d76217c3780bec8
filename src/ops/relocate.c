/* Messages that go from one mailbox into another of the same account. */
#include "ops/relocate.h"

#include "ops/walk.h"

int relocate_check(unsigned caps, const struct relocation *work, struct err *err)
{
	if (!(caps & STORE_CAP_WRITE))
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_UNSUPPORTED,
			"this location can only be read: no message can be moved or copied in it");
	if (work->copy || work->expunge_all || (caps & (STORE_CAP_MOVE | STORE_CAP_REMOVE_ONE)))
		return 0;
	return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_SAFETY,
		"the server can neither move messages (no MOVE) nor expunge single ones (no UIDPLUS), and would remove what others marked too: nothing was moved; "
		"--expunge-all allows it");
}

int relocate(struct walk_visit *visit, struct box **box, struct relocation *work, struct err *err)
{
	work->moved = work->gone = work->unknown = work->stayed = (struct uidset){ 0 };
	for (size_t i = 0; i < work->uids->count; i++)
		uidset_add(&work->stayed, visit->arena, work->uids->range[i].first,
			work->uids->range[i].last);
	return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_UNSUPPORTED,
		"mailbox %s: messages cannot be moved to %s yet", box_name(*box), work->target);
}
