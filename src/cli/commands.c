/* Which commands there are, and what to say of those there are not. */
#include "cli/cmd.h"

#include "base/err.h"
#include "base/text.h"
#include "cli/closest.h"

const struct command *const commands[] = {
	&command_copy,
	&command_mirror,
	&command_compare,
	&command_check,
	&command_list,
	&command_size,
	&command_search,
	&command_filter,
	&command_dedup,
	&command_purge,
	&command_trash,
	&command_mailbox,
	&command_run,
	&command_completion,
	&command_help,
	&command_manual,
	NULL,
};

/* The contract's other commands (product §2). */
static const char *const later[] = { "sync", "backup", "restore", "snapshots", "verify", "prune",
	"migrate", "serve" };

const struct command *command_find(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

bool command_has_options(const struct command *command)
{
	return command->own_count > 0 || (command->groups & ~(unsigned)GROUP_GLOBAL) != 0;
}

int command_refuse(const char *name, struct err *err)
{
	struct closest closest;
	char shown[TEXT_SHOWN];

	for (size_t i = 0; i < countof(later); i++)
		if (strcmp(later[i], name) == 0)
			return err_set_kind(
				err, ERR_LOCAL, ERR_KIND_USAGE, "%s is not there yet", name);
	text_shown(span_of(name), shown);
	closest_begin(&closest, name, strlen(name));
	for (size_t i = 0; commands[i]; i++)
		if (!commands[i]->hidden)
			closest_try(&closest, commands[i]->name);
	if (closest_found(&closest))
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"there is no command \"%s\": did you mean %s?", shown, closest.best);
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"there is no command \"%s\": mailhaul --help lists them", shown);
}
