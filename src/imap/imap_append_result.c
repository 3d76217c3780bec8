/* What became of each message, in the order in which it became known. */
#include "imap/imap_append_parts.h"

#include "base/mem.h"

#define ROOM_FIRST 64

static struct append_result *result_new(
	struct imap_append *append, uint64_t token, enum imap_append_outcome outcome)
{
	if (append->results_at == append->results)
		append->results = append->results_at = 0;
	if (append->results == append->results_room) {
		append->results_room = append->results_room ? append->results_room * 2 : ROOM_FIRST;
		append->result =
			mem_resize(append->result, append->results_room, sizeof(*append->result));
	}

	struct append_result *result = &append->result[append->results++];
	*result = (struct append_result){ .token = token, .outcome = outcome };
	return result;
}

/* The UIDs of APPENDUID belong to the messages by position (RFC 4315 §3, RFC 3502); any other number of them proves nothing. */
void imap_append_stored(
	struct imap_append *append, const struct append_batch *batch, const struct imap_code *code)
{
	const size_t count = batch->out.to - batch->out.from;
	const bool known = code->type == IMAP_CODE_APPENDUID && code->number > 0 &&
			   uidset_size(&code->set_b) == count;
	size_t at = 0;
	uint32_t uid = known ? code->set_b.range[0].first : 0;

	for (size_t i = batch->out.from; i < batch->out.to; i++) {
		struct append_result *result =
			result_new(append, batch->letter[i].token, IMAP_APPEND_STORED);
		if (!known)
			continue;

		result->uidvalidity = code->number;
		result->uid = uid;
		if (uid < code->set_b.range[at].last)
			uid++;
		else if (++at < code->set_b.count)
			uid = code->set_b.range[at].first;
	}
}

void imap_append_refused(
	struct imap_append *append, uint64_t token, const struct append_refusal *refusal)
{
	struct append_result *result = result_new(append, token, IMAP_APPEND_REFUSED);

	result->err = mem_alloc(sizeof(*result->err));
	*result->err = refusal->err;
	result->try_create = refusal->try_create;
}

void imap_append_lost(struct imap_append *append, const struct append_batch *batch,
	struct append_part part, enum imap_append_outcome outcome)
{
	for (size_t i = part.from; i < part.to; i++)
		(void)result_new(append, batch->letter[i].token, outcome);
}

bool imap_append_result_next(struct imap_append *append, struct imap_append_result *out)
{
	if (append->results_at == append->results)
		return false;

	const struct append_result *result = &append->result[append->results_at++];
	*out = (struct imap_append_result){
		.token = result->token,
		.outcome = result->outcome,
		.uidvalidity = result->uidvalidity,
		.uid = result->uid,
		.try_create = result->try_create,
	};
	if (result->err)
		out->err = *result->err;
	mem_free(result->err);
	append->outstanding--;
	return true;
}

void imap_append_results_release(struct imap_append *append)
{
	for (size_t i = append->results_at; i < append->results; i++)
		mem_free(append->result[i].err);
	mem_free(append->result);
	append->result = NULL;
}
