/* What the journal knows beside pairs: sizes to recognise a mailbox by, and what was carried in a day. */
#include "state/journal_parts.h"

#define HOUR 3600 /* seconds */

int journal_sizes(struct journal *journal, int64_t mailbox, struct journal_size *out, size_t room,
	struct err *err)
{
	struct db_statement *list = journal->sql[SQL_PAIR_SIZES];
	size_t count = 0;
	int rc;

	pthread_mutex_lock(&journal->db_lock);
	rc = journal_flush(journal, err);
	if (rc == 0) {
		db_bind_i64(list, 1, mailbox);
		db_bind_u64(list, 2, room);
		while ((rc = db_step(list, err)) > 0) {
			if (count < room)
				out[count++] = (struct journal_size){ (uint32_t)db_u64(list, 0),
					(uint32_t)db_u64(list, 1), db_u64(list, 2) };
		}
	}
	pthread_mutex_unlock(&journal->db_lock);
	return rc < 0 ? -1 : (int)count;
}

static int spend(
	struct journal *journal, int64_t hour, uint64_t octets, uint64_t *day_out, struct err *err)
{
	struct db_statement *add = journal->sql[SQL_SPEND], *sum = journal->sql[SQL_SPENT];

	if (octets) {
		db_bind_i64(add, 1, hour);
		db_bind_u64(add, 2, octets);
		if (db_step(add, err) < 0)
			return -1;
	}
	db_bind_i64(sum, 1, hour);
	if (db_step(sum, err) < 0)
		return -1;
	*day_out = db_u64(sum, 0);
	db_reset(sum);
	return 0;
}

int journal_spend(
	struct journal *journal, int64_t now, uint64_t octets, uint64_t *day_out, struct err *err)
{
	int rc;

	pthread_mutex_lock(&journal->db_lock);
	rc = journal_begin(journal, false, err);
	if (rc == 0)
		rc = journal_end(
			journal, spend(journal, now / HOUR, octets, day_out, err), false, err);
	pthread_mutex_unlock(&journal->db_lock);
	return rc;
}
