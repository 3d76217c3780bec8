/* mailhaul run NAME. options.c puts the job's own command in place while it reads the command line, so this one never runs. */
#include "cli/cmd.h"

const struct command command_run = {
	.name = "run",
	.summary = "run a job of the configuration file",
	.details = "Runs the command of the section [job NAME] with its options. Options on the "
		   "command line win over "
		   "those of the job: --dry-run=no takes back what the job says.",
	.arguments = "NAME [OPTION]...",
	.least = 1,
	.most = 1,
};
