/* Any bytes as the file of --users, in any layout (the first octet): no crash, every refusal names the file, and what was taken comes out the same each time. */
#include "store/users.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "net/secret.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void judge(const struct user *user)
{
	must(user->line > 0 && user->name && utf8_valid(span_of(user->name)));
	for (size_t i = 0; i < 2; i++) {
		const struct user_side *side = &user->side[i];

		must(!side->user || (*side->user && utf8_valid(span_of(side->user))));
		must(!side->secret || secret_bytes(side->secret).len > 0);
		must(!side->secret || !side->values.value[ACCOUNT_PASS_FILE]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	struct users *users = NULL;

	if (size > 0)
		users = users_parse("list", span_make((const char *)data + 1, size - 1),
			(enum users_format)(data[0] % 6), data[0] & 0x40, &err);
	if (size > 0 && !users)
		must(strncmp(err.text, "list:", 5) == 0 && err.kind == ERR_KIND_USAGE);
	for (size_t i = 0; users && i < users_count(users); i++) {
		struct user user;

		users_get(users, i, arena, &user);
		judge(&user);
		user_release(&user);
	}
	users_free(users);
	arena_free(arena);
	return 0;
}
