/* One pass over the words. "run NAME" starts it again with the job's words in front, so that the command line wins over the job. */
#include "cli/options.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/path.h"
#include "base/text.h"
#include "cli/arguments.h"
#include "cli/closest.h"
#include "cli/cmd.h"

void cli_init(struct cli *cli, struct arena *arena)
{
	*cli = (struct cli){ .arena = arena };
	settings_init(&cli->settings);
}

int cli_config(struct cli *cli, struct err *err)
{
	const char *path = cli->config_file;

	if (cli->config)
		return 0;
	if (path)
		path = path_expand(cli->arena, path);
	cli->config = config_open(path, err);
	return cli->config ? 0 : -1;
}

static int usage(struct err *err, const char *text)
{
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "%s", text);
}

/* The first command besides the one at hand that takes the option, or NULL. */
static const struct command *other_command(const struct cli *cli, const char *name, size_t len)
{
	struct option_shown shown;

	for (size_t i = 0; commands[i]; i++)
		if (commands[i] != cli->command && option_find(commands[i], name, len, &shown))
			return commands[i];
	return NULL;
}

static int refuse_option(const struct cli *cli, const char *name, size_t len, struct err *err)
{
	const struct command *other = other_command(cli, name, len);
	const char *later = option_later(name, len);
	struct closest closest;
	struct option_walk walk;
	struct option_shown option;
	char shown[TEXT_SHOWN];

	text_shown(span_make(name, len), shown);
	if (later)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "--%s %s", shown, later);
	if (other && !cli->command)
		return err_set_kind(
			err, ERR_LOCAL, ERR_KIND_USAGE, "--%s belongs behind the command", shown);
	closest_begin(&closest, name, len);
	for (option_walk_begin(&walk, cli->command, false); option_walk_next(&walk, &option);)
		closest_try(&closest, option.name);
	if (closest_found(&closest))
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"there is no option --%s: did you mean --%s?", shown, closest.best);
	if (other)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"--%s is no option of %s (%s has it)", shown, cli->command->name,
			other->name);
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"there is no option --%s: mailhaul %s%s--help lists them all", shown,
		cli->command ? cli->command->name : "", cli->command ? " " : "");
}

/* The value that stands in the next word. What looks like an option is more likely a value forgotten. */
static int next_value(struct arguments *arguments, const struct option_shown *option,
	const char **value_out, struct err *err)
{
	struct token token;

	if (arguments_peek(arguments, &token) && strncmp(token.text, "--", 2) != 0) {
		arguments->next++;
		*value_out = token.text;
		return 0;
	}
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "needs a value: --%s=%s", option->name,
		option->value);
}

static int parse_long(
	struct cli *cli, struct arguments *arguments, const char *text, struct err *err)
{
	const char *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : strlen(text);
	const char *value = equals ? equals + 1 : NULL;
	struct option_shown option;

	if (!option_find(cli->command, text, len, &option))
		return refuse_option(cli, text, len, err);
	if (option.value && !value && !option.optional &&
		next_value(arguments, &option, &value, err) < 0)
		return err_wrap(err, "--%s", option.name);
	if (option_store(cli, &option, value, err) < 0)
		return err_wrap(err, "--%s", option.name);
	return 0;
}

/* "-nv", "-mGLOB", "-m GLOB" */
static int parse_short(
	struct cli *cli, struct arguments *arguments, const char *text, struct err *err)
{
	for (; *text; text++) {
		struct option_shown option;
		const char *value = NULL;
		char shown[TEXT_SHOWN];

		if (!option_find_letter(cli->command, *text, &option)) {
			text_shown(span_make(text, 1), shown);
			return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
				"there is no option -%s%s", shown,
				text[1] ? " (long options begin with --)" : "");
		}
		if (option.value && text[1])
			value = text + 1;
		else if (option.value && next_value(arguments, &option, &value, err) < 0)
			return err_wrap(err, "-%c", option.letter);
		if (option_store(cli, &option, value, err) < 0)
			return err_wrap(err, "-%c", option.letter);
		if (value)
			break;
	}
	return 0;
}

static int add_location(struct cli *cli, char *text)
{
	cli->location = arena_grow(cli->arena, cli->location, cli->locations, cli->locations + 1,
		sizeof(*cli->location));
	cli->location[cli->locations++] = text;
	return 0;
}

static int take_command(struct cli *cli, const char *name, struct err *err)
{
	cli->command = command_find(name);
	if (!cli->command)
		return command_refuse(name, err);
	if (cli->command->begin)
		cli->command->begin(cli);
	return 0;
}

/* --config may also stand behind "run NAME". */
static void find_config(struct cli *cli, const struct arguments *arguments)
{
	for (size_t i = arguments->next; i < arguments->count; i++) {
		const char *text = arguments->token[i].text;

		if (strncmp(text, "--config=", strlen("--config=")) == 0)
			cli->config_file = text + strlen("--config=");
		else if (strcmp(text, "--config") == 0 && i + 1 < arguments->count)
			cli->config_file = arguments->token[i + 1].text;
	}
}

static const struct config_job *find_job(struct cli *cli, const char *name, struct err *err)
{
	const struct config_job *job;

	if (cli_config(cli, err) < 0)
		return NULL;
	job = config_job(cli->config, name);
	if (!job) {
		err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"there is no [job %s] in the configuration file", name);
		return NULL;
	}
	if (!job->command || strcmp(job->command, "run") == 0) {
		err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"[job %s]: command = names none that can be run", name);
		return NULL;
	}
	return job;
}

/*
 * The words become: the job's command, its arguments, then everything the command line holds besides "run NAME". at: where
 * "run" stands; NAME was read last.
 */
static int start_job(
	struct cli *cli, struct arguments *arguments, size_t at, const char *name, struct err *err)
{
	const struct config_job *job;
	struct config *config;
	struct token *token;
	size_t count = 0;

	find_config(cli, arguments);
	job = find_job(cli, name, err);
	if (!job)
		return -1;

	token = arena_array(cli->arena, job->count + arguments->count + 1, sizeof(*token));
	token[count++] = (struct token){ arena_strdup(cli->arena, job->command),
		arena_print(cli->arena, "[job %s]", name), 0 };
	for (size_t i = 0; i < job->count; i++)
		token[count++] = (struct token){ arena_strdup(cli->arena, job->arguments[i]),
			token[0].file, 0 };
	for (size_t i = 0; i < arguments->count; i++)
		if (i != at && i != arguments->next - 1)
			token[count++] = arguments->token[i];
	arguments->token = token;
	arguments->count = count;
	arguments->next = 0;

	config = cli->config;
	cli_init(cli, cli->arena);
	cli->config = config;
	return 0;
}

/* One word that is no option. *run_at: where "run" stood, SIZE_MAX = it did not. */
static int parse_word(struct cli *cli, struct arguments *arguments, const struct token *token,
	size_t *run_at, struct err *err)
{
	if (!cli->command) {
		if (take_command(cli, token->text, err) < 0)
			return -1;
		if (strcmp(cli->command->name, "run") == 0)
			*run_at = arguments->next - 1;
		return 0;
	}
	if (*run_at != SIZE_MAX && !cli->help) {
		const size_t at = *run_at;

		*run_at = SIZE_MAX;
		return start_job(cli, arguments, at, token->text, err);
	}
	return add_location(cli, token->text);
}

static int parse_words(struct cli *cli, struct arguments *arguments, struct err *err)
{
	size_t run_at = SIZE_MAX;
	struct token token;
	bool plain = false;

	while (arguments_next(arguments, &token)) {
		const char *text = token.text;
		int rc;

		if (!plain && strcmp(text, "--") == 0) {
			plain = true;
			continue;
		}
		if (!plain && strncmp(text, "--", 2) == 0)
			rc = parse_long(cli, arguments, text + 2, err);
		else if (!plain && text[0] == '-' && text[1])
			rc = parse_short(cli, arguments, text + 1, err);
		else
			rc = parse_word(cli, arguments, &token, &run_at, err);
		if (rc < 0)
			return arguments_blame(&token, err);
	}
	return 0;
}

static int check_count(const struct cli *cli, struct err *err)
{
	const struct command *command = cli->command;

	if (cli->locations < command->least)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"%s needs %s; see mailhaul %s --help", command->name, command->arguments,
			command->name);
	if (cli->locations > command->most) {
		char shown[TEXT_SHOWN];

		text_shown(span_of(cli->location[command->most]), shown);
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"%s takes %s: \"%s\" is one too many", command->name,
			command->most == 0 ? "no argument" : command->arguments, shown);
	}
	return 0;
}

/* "delete" of "mailbox delete LOCATION". */
static int take_action(struct cli *cli, struct err *err)
{
	const struct span words = span_of(cli->command->words), given = span_of(cli->location[0]);
	char shown[TEXT_SHOWN];

	for (size_t at = 0; at <= words.len;) {
		const struct span rest = span_from(words, at);
		const size_t bar = span_find(rest, '|');
		const struct span word = bar == SIZE_MAX ? rest : span_sub(rest, 0, bar);

		if (span_equal(word, given)) {
			cli->action = cli->location[0];
			cli->location++;
			cli->locations--;
			return 0;
		}
		at += word.len + 1;
	}
	text_shown(given, shown);
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "%s: \"%s\" is none of %s",
		cli->command->name, shown, cli->command->words);
}

int options_parse(struct cli *cli, struct arguments *arguments, struct err *err)
{
	if (arguments_expand(arguments, err) < 0 || parse_words(cli, arguments, err) < 0)
		return -1;
	if (cli->help || cli->version)
		return 0;
	if (!cli->command)
		return usage(err, "which command? mailhaul --help lists them");
	if (check_count(cli, err) < 0 || (cli->command->acts && take_action(cli, err) < 0))
		return -1;
	return option_check_all(cli, err);
}
