/* mailhaul completion SHELL. */
#include "cli/completion.h"

#include "base/err.h"
#include "base/text.h"

static int completion_run(struct cli *cli, struct err *err)
{
	static const struct {
		const char *name;
		void (*print)(struct arena *arena);
	} shells[] = {
		{ "bash", completion_bash },
		{ "zsh", completion_zsh },
		{ "fish", completion_fish },
	};
	char shown[TEXT_SHOWN];

	for (size_t i = 0; i < countof(shells); i++) {
		if (strcmp(cli->location[0], shells[i].name) == 0) {
			shells[i].print(cli->arena);
			return EXIT_DONE;
		}
	}
	text_shown(span_of(cli->location[0]), shown);
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"completion knows bash, zsh and fish, not \"%s\"", shown);
}

const struct command command_completion = {
	.name = "completion",
	.summary = "print a completion script for a shell",
	.details = "Prints a script that completes commands, options and their values. For bash: "
		   "mailhaul completion bash > ~/.local/share/bash-completion/completions/mailhaul",
	.arguments = "bash|zsh|fish",
	.words = "bash|zsh|fish",
	.least = 1,
	.most = 1,
	.run = completion_run,
};
