/* The actions. */
#include "ops/dedup_parts.h"

int dedup_do(struct dedup *dedup, struct err *err)
{
	if (dedup->request.action == DEDUP_REPORT)
		return 0;
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"--mark, --expunge and --move-to are not there yet: nothing was changed");
}
