/* Any text as a location: no crash, nothing harmful gets through, and what was taken keeps its meaning when written again. */
#include "store/location.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static bool plain(const char *text)
{
	for (; text && *text; text++)
		if ((unsigned char)*text < ' ' || *text == 127)
			return false;
	return true;
}

static void judge(const struct location *location)
{
	must(plain(location->values.value[ACCOUNT_USER]) &&
		plain(location->values.value[ACCOUNT_HOST]));
	must(plain(location->mailbox) && plain(location->path) && plain(location->name));
	must(!location->mailbox || utf8_valid(span_of(location->mailbox)));
	must((location->kind == LOCATION_NAME) == (location->name != NULL));
	must((location->kind == LOCATION_FILE) == (location->path != NULL));
	must((location->kind == LOCATION_NAME) == (location->scheme == NULL));
}

/* An account has the same user, host and port when its own name is read again. */
static void name_again(const char *text, const char *user)
{
	const struct account_request request = { .location = text, .user = user };
	struct err err = ERR_INIT;
	struct account *account = account_new(&request, &err);

	if (!account) {
		must(err.scope == ERR_LOCAL && err.text[0] != '\0');
		return;
	}
	if (account_get(account, ACCOUNT_HOST) && !strchr(account_name(account), '\\') &&
		strlen(account_name(account)) <= LOCATION_MAX) {
		const struct account_request again = { .location = account_name(account),
			.options = &(struct account_values){
				.value = { [ACCOUNT_TLS] = account_get(account, ACCOUNT_TLS),
					[ACCOUNT_AUTH] = account_get(account, ACCOUNT_AUTH) } } };
		struct account *other = account_new(&again, &err);

		must(other && strcmp(account_identity(other), account_identity(account)) == 0);
		must(account_same(account, other));
		account_free(other);
	}
	account_free(account);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *user = size > 0 && data[0] == 'U' ? "a@b/../%41?x=y#" : NULL;
	struct arena *arena = arena_new();
	char *text = arena_text(arena, span_make((const char *)data, size));
	struct location location;
	struct err err = ERR_INIT;
	size_t at, len;

	if (user)
		text++;
	if (location_find_password(span_of(text), &at, &len))
		must(len > 0 && at + len < strlen(text));
	if (location_parse(text, user, arena, &location, &err) == 0) {
		judge(&location);
		if (location.password)
			must(location_find_password(span_of(text), &at, &len));
		location_release(&location);
		if (!strstr(text, "pass-env"))
			name_again(text, user);
	} else {
		must(err.scope == ERR_LOCAL && err.kind == ERR_KIND_USAGE && plain(err.text));
	}
	account_wipe_argument(text);
	arena_free(arena);
	return 0;
}
