/*
 * How far a run is: counters that lanes add to and the progress line reads.
 *
 * Owner: the job. Threads: any, atomic or locked inside.
 */
#ifndef OPS_METER_H
#define OPS_METER_H

#include <stddef.h>
#include <stdint.h>

struct meter;

struct meter_view {
	uint64_t mailboxes, mailboxes_total;
	uint64_t messages, messages_total; /* of what is to be copied, as far as planned */
	uint64_t bytes, bytes_total;
	uint64_t scanned, scanned_total;
	uint64_t errors;
	uint64_t users, users_total; /* of --users: done, in all; 0 = there are none */
	uint64_t users_running;
	double bytes_per_second, messages_per_second; /* of the last ten seconds */
	int64_t left_s; /* truthful: -1 while not known */
	char mailbox[256]; /* being worked on, display form, harmless */
	char note[160]; /* "src asks for a pause of 30 s"; "" = none */
};

struct meter *meter_new(void);
void meter_free(struct meter *meter);
void meter_total(struct meter *meter, uint64_t mailboxes, uint64_t messages_estimate);
void meter_plan(struct meter *meter, uint64_t messages, uint64_t bytes); /* more to copy */
void meter_done(struct meter *meter, uint64_t messages, uint64_t bytes);
void meter_scanned(struct meter *meter, uint64_t messages);
void meter_error(struct meter *meter, uint64_t count);
void meter_mailbox(struct meter *meter, const char *name); /* starts */
void meter_mailbox_done(struct meter *meter);
void meter_users(struct meter *meter, uint64_t total);
void meter_user(struct meter *meter); /* starts */
void meter_user_done(struct meter *meter);
void meter_note(struct meter *meter, const char *note); /* NULL = none */
void meter_view(struct meter *meter, struct meter_view *out);

#endif
