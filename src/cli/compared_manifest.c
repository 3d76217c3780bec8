/* --manifest: where they go, whether they may, and what became of them. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/os.h"
#include "base/path.h"
#include "base/signature.h"
#include "base/text.h"
#include "cli/compared_parts.h"
#include "cli/printer.h"
#include "cli/prompt.h"
#include "ops/report.h"
#include "store/location.h"
#include "store/users.h"

#include <errno.h>

#define LINE_MAX_BYTES (1u << 20)

static int usage(struct err *err, const char *text)
{
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "%s", text);
}

int compared_manifests_check(const struct cli *cli, struct err *err)
{
	const struct compare_options *compare = &cli->compare;
	const struct text_list *list = &compare->manifest;
	const enum match_by match = cli->settings.match;

	if (list->count == 0 && compare->sign_key)
		return usage(err, "--sign signs what --manifest writes, which was not given");
	if (list->count == 0)
		return cli->locations > 1
			       ? 0
			       : usage(err,
					 "one location can be compared with nothing: name another, or "
					 "write it down with --manifest");
	if (list->count > cli->locations)
		return usage(err, "more manifests than locations");
	if (compare->count_only)
		return usage(err, "--count-only sees no messages: leave out --manifest");
	if (match == MATCH_MESSAGE_ID || match == MATCH_HEADER)
		return usage(err, "a manifest is written with --match auto or content");
	for (size_t i = 0; i < list->count; i++) {
		if (cli->users_file && !strstr(list->item[i], "%u"))
			return usage(err, "--manifest: with --users the file's name must hold %u");
		for (size_t k = 0; k < i; k++)
			if (strcmp(list->item[i], list->item[k]) == 0)
				return usage(err, "--manifest: the same file twice");
	}
	return 0;
}

/* A file that is there already goes only if somebody says so. */
static int may_replace(const struct cli *cli, struct comparison_manifest *manifest, struct err *err)
{
	const char *path = manifest->path;
	struct stat st;

	if (os_stat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_set_errno(err, ERR_LOCAL, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set_kind(
			err, ERR_LOCAL, ERR_KIND_USAGE, "--manifest: %s is not a file", path);
	manifest->replace =
		cli->settings.yes ||
		(!cli->user && prompt_confirm(NULL,
				       arena_print(cli->arena, "%s is there already: replace it?",
					       path)) == 1);
	if (!manifest->replace)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_SAFETY,
			"%s is there already, and nothing was begun (--yes replaces it)", path);
	return 0;
}

static int prepare(
	const struct cli *cli, size_t index, struct comparison_manifest *manifest, struct err *err)
{
	const char *user = cli->user ? cli->user->side[index > 0].user : NULL;
	const char *path =
		location_put_user(cli->compare.manifest.item[index], user, true, cli->arena, err);

	if (!path)
		return err_wrap(err, "--manifest");
	manifest->path = path_expand(cli->arena, path);
	return may_replace(cli, manifest, err);
}

/* A key that cannot sign is better known now than when all is read. */
static int try_key(const char *key_file, struct err *err)
{
	unsigned char signature[SIGNATURE_SIZE];

	return key_file ? signature_make(key_file, SPAN(""), signature, err) : 0;
}

int compared_manifests_prepare(
	const struct cli *cli, struct comparison_manifest **out, struct err *err)
{
	struct comparison_manifest *manifest;

	*out = NULL;
	if (cli->compare.manifest.count == 0)
		return 0;
	if (cli->settings.dry_run) {
		log_warn("dry run: no manifest is written");
		return 0;
	}
	if (try_key(cli->compare.sign_key, err) < 0)
		return err_wrap(err, "--sign");
	manifest = arena_array(cli->arena, cli->locations, sizeof(*manifest));
	for (size_t i = 0; i < cli->compare.manifest.count; i++)
		if (prepare(cli, i, &manifest[i], err) < 0)
			return -1;
	*out = manifest;
	return 0;
}

/* ---- afterwards ---- */

static void print_json(
	const struct cli *cli, const char *location, const struct comparison_manifest *manifest)
{
	struct print_json line;
	struct buf buffer;
	struct json *json;

	buf_init(&buffer, LINE_MAX_BYTES);
	json = print_json_begin(&line, &buffer, "manifest");
	json_key(json, "location");
	json_text(json, location);
	json_key(json, "file");
	json_text(json, manifest->path);
	json_key(json, "written");
	json_bool(json, manifest->written);
	json_key(json, "mailboxes");
	json_u64(json, manifest->mailboxes);
	json_key(json, "messages");
	json_u64(json, manifest->messages);
	json_key(json, "complete");
	json_bool(json, manifest->complete);
	json_key(json, "signed");
	json_bool(json, manifest->written && cli->compare.sign_key);
	json_key(json, "error");
	json_text(json, *manifest->err.text ? manifest->err.text : NULL);
	print_json_end(&line);
	buf_release(&buffer);
}

static void print_text(
	const struct cli *cli, const char *location, const struct comparison_manifest *manifest)
{
	struct arena *arena = arena_new();
	const char *path = text_harmless_copy(arena, span_of(manifest->path));

	if (!manifest->written)
		print("NOT WRITTEN: %s\n", path);
	else if (!manifest->complete)
		print("NOT COMPLETE: %s: not all of %s could be read\n", path, location);
	else if (!cli->settings.quiet)
		print("%s: %s messages in %s mailboxes of %s%s\n", path,
			text_count(arena, manifest->messages),
			text_count(arena, manifest->mailboxes), location,
			cli->compare.sign_key ? ", signed" : "");
	arena_free(arena);
}

static int code_of(const struct comparison_manifest *manifest)
{
	if (!manifest->written)
		return report_err_code(&manifest->err);
	return manifest->complete || manifest->code > EXIT_SOME_FAILED ? manifest->code
								       : EXIT_SOME_FAILED;
}

int compared_manifests_show(const struct cli *cli, const struct comparison *comparison,
	const struct comparison_manifest *manifests)
{
	int code = EXIT_DONE;

	for (size_t i = 0; manifests && i < cli->locations; i++) {
		const struct account *account =
			i == 0 ? comparison_first(comparison)
			       : comparison_other(comparison, i - 1)->account;
		const int one = manifests[i].path ? code_of(&manifests[i]) : EXIT_DONE;

		if (!manifests[i].path)
			continue;
		code = one > code ? one : code;
		if (print_json_wanted())
			print_json(cli, account_name(account), &manifests[i]);
		if (!cli->user || !manifests[i].written || !manifests[i].complete)
			print_text(cli, account_name(account), &manifests[i]);
	}
	return code;
}
