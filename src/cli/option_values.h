/*
 * What single options check beyond their kind, or store in a way of their own. For option_tables.c only.
 *
 * Owner: none. Threads: any.
 */
#ifndef CLI_OPTION_VALUES_H
#define CLI_OPTION_VALUES_H

struct cli;
struct err;

int take_state(struct cli *cli, const char *value, struct err *err);
int take_bandwidth(struct cli *cli, const char *value, struct err *err);
int take_jobs(struct cli *cli, const char *value, struct err *err);
int take_since(struct cli *cli, const char *value, struct err *err);
int take_before(struct cli *cli, const char *value, struct err *err);
int take_sent_since(struct cli *cli, const char *value, struct err *err);
int take_sent_before(struct cli *cli, const char *value, struct err *err);
int take_search(struct cli *cli, const char *value, struct err *err);
int take_into(struct cli *cli, const char *value, struct err *err);
int take_uid(struct cli *cli, const char *value, struct err *err);
int take_skip_ids(struct cli *cli, const char *value, struct err *err);
int take_regex(struct cli *cli, const char *value, struct err *err);
int take_rename(struct cli *cli, const char *value, struct err *err);
int take_flags(struct cli *cli, const char *value, struct err *err);
int take_match(struct cli *cli, const char *value, struct err *err);
int take_max_delete(struct cli *cli, const char *value, struct err *err);
int take_wrap_lines(struct cli *cli, const char *value, struct err *err);

#endif
