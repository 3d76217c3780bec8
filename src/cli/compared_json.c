/* Mailboxes, messages that differ, and pairs of accounts as JSON lines. */
#include "base/buf.h"
#include "cli/compared_parts.h"
#include "cli/printer.h"

#define LINE_MAX_BYTES (1u << 20)

struct lines {
	struct buf buffer;
	const char *first;
};

static void add_number(struct json *json, const char *key, uint64_t number)
{
	json_key(json, key);
	json_u64(json, number);
}

static void add_text(struct json *json, const char *key, const char *text)
{
	json_key(json, key);
	json_text(json, text);
}

static void add_bits(struct json *json, const char *key, unsigned bits)
{
	json_key(json, key);
	json_begin_array(json);
	for (unsigned bit = 0; bit < COMPARE_CHECKS; bit++)
		if (bits & (1u << bit))
			json_text(json, compare_check_name(1u << bit));
	json_end_array(json);
}

static void add_result(struct json *json, const struct compare_result *result)
{
	add_number(json, "first_messages", result->a);
	add_number(json, "other_messages", result->b);
	add_number(json, "equal", result->equal);
	add_number(json, "missing", result->missing);
	add_number(json, "extra", result->extra);
	add_number(json, "doubled", result->doubled);
	add_number(json, "differing", result->differing);
	add_number(json, "unknown", result->unknown);
	json_key(json, "differing_in");
	json_begin_object(json);
	for (unsigned bit = 0; bit < COMPARE_CHECKS; bit++)
		add_number(json, compare_check_name(1u << bit), result->in[bit]);
	json_end_object(json);
	json_key(json, "proved_by");
	json_begin_object(json);
	for (unsigned i = 0; i < PROOFS; i++)
		add_number(json, compare_proof_name((enum compare_proof)i), result->proved[i]);
	json_end_object(json);
}

static void print_box(
	struct lines *lines, const struct comparison_other *other, const struct comparison_box *box)
{
	struct print_json line;
	struct json *json = print_json_begin(&line, &lines->buffer, "mailbox");

	add_text(json, "other", account_name(other->account));
	add_text(json, "mailbox", box->a_there ? box->a : NULL);
	add_text(json, "other_mailbox", box->b_there ? box->b : NULL);
	if (box->raw)
		add_text(json, "other_name", box->raw);
	add_text(json, "state", compared_state_name(box->state));
	add_result(json, &box->result);
	add_bits(json, "not_checked", box->unchecked);
	add_text(json, "error", box->text);
	print_json_end(&line);
}

static void add_uid(struct json *json, const char *key, uint32_t uid)
{
	json_key(json, key);
	if (uid)
		json_u64(json, uid);
	else
		json_null(json);
}

static void print_difference(struct lines *lines, const struct comparison_other *other,
	const struct comparison_box *box, const struct comparison_difference *difference)
{
	const struct comparison_heading *heading = difference->heading;
	struct print_json line;
	struct json *json = print_json_begin(&line, &lines->buffer, "difference");

	add_text(json, "other", account_name(other->account));
	add_text(json, "mailbox", difference->mailbox ? difference->mailbox : box->a);
	add_text(json, "other_mailbox", box->b_there ? box->b : NULL);
	add_text(json, "what", compared_kind_name(difference->what.kind));
	add_bits(json, "in", difference->what.in);
	add_uid(json, "uid", difference->what.a_uid);
	add_uid(json, "other_uid", difference->what.b_uid);
	if (heading) {
		add_text(json, "message_id", heading->message_id);
		add_text(json, "date", heading->date);
		add_text(json, "from", heading->from);
		add_text(json, "subject", heading->subject);
	}
	print_json_end(&line);
}

static void print_other(struct lines *lines, const struct comparison_other *other)
{
	struct print_json line;
	struct json *json = print_json_begin(&line, &lines->buffer, "compare");

	add_text(json, "first", lines->first);
	add_text(json, "other", account_name(other->account));
	add_text(json, "state", compared_state_name(other->state));
	add_number(json, "mailboxes", other->boxes);
	add_number(json, "mailboxes_missing", other->missing_boxes);
	add_number(json, "mailboxes_extra", other->extra_boxes);
	add_number(json, "mailboxes_unknown", other->unknown_boxes);
	add_number(json, "mailboxes_left_out", other->left_out[0]);
	add_number(json, "other_mailboxes_left_out", other->left_out[1]);
	add_result(json, &other->total);
	add_text(json, "error", other->text);
	print_json_end(&line);
}

void compared_print_json(const struct cli *cli, const struct comparison *comparison)
{
	struct lines lines = { .first = account_name(comparison_first(comparison)) };

	buf_init(&lines.buffer, LINE_MAX_BYTES);
	for (size_t k = 0; k < comparison_count(comparison); k++) {
		const struct comparison_other *other = comparison_other(comparison, k);

		for (size_t i = 0; i < other->boxes && !cli->settings.quiet; i++) {
			for (size_t d = 0; d < other->box[i]->differences; d++)
				print_difference(&lines, other, other->box[i],
					&other->box[i]->difference[d]);
			print_box(&lines, other, other->box[i]);
		}
		print_other(&lines, other);
	}
	buf_release(&lines.buffer);
}
