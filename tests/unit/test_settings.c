/* Every option that chooses or changes messages is part of what the recorded state was made under. */
#include "ops/settings.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/must.h"
#include "mail/date.h"
#include "ops/skip_ids.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_defaults(void **state)
{
	struct settings settings;

	(void)state;
	memset(&settings, 0xff, sizeof(settings));
	settings_init(&settings);
	assert_int_equal(settings.since, DATE_UNKNOWN);
	assert_int_equal(settings.sent_before, DATE_UNKNOWN);
	assert_true(settings.max_delete_percent < 0);
	assert_int_equal(settings.mailboxes.count, 0);
	assert_null(settings.search);
	assert_false(settings.dry_run || settings.delete_source || settings_transform(&settings));
}

/* A list without IDs: even that is no default. */
static struct skip_ids *no_ids;

#define VARIANTS 27

/* Each variant differs from all others and from the default; texts that run together must not read the same. */
static void vary(struct settings *s, size_t variant)
{
	static const char *one[] = { "a" }, *two[] = { "a", "b" }, *joined[] = { "a b" };

	settings_init(s);
	switch (variant) {
	case 0:
		break;
	case 1:
		s->since = 0;
		break;
	case 2:
		s->before = 0;
		break;
	case 3:
		s->sent_since = 0;
		break;
	case 4:
		s->sent_before = 0;
		break;
	case 5:
		s->search = "a";
		break;
	case 6:
		s->seen = true;
		break;
	case 7:
		s->unseen = true;
		break;
	case 8:
		s->with_flags = (struct text_list){ one, 1 };
		break;
	case 9:
		s->with_flags = (struct text_list){ two, 2 };
		break;
	case 10:
		s->with_flags = (struct text_list){ joined, 1 };
		break;
	case 11:
		s->without_flags = (struct text_list){ one, 1 };
		break;
	case 12:
		s->larger = 1;
		break;
	case 13:
		s->smaller = 1;
		break;
	case 14:
		s->uid_set = "1";
		break;
	case 15:
		s->limit = 1;
		break;
	case 16:
		s->max_size = 1;
		break;
	case 17:
		s->headers_only = true;
		break;
	case 18:
		s->fix_eol = true;
		break;
	case 19:
		s->wrap_lines = 998;
		break;
	case 20:
		s->pipe = "a";
		break;
	case 21:
		s->recopy = true;
		break;
	case 22:
		s->skip_deleted = true;
		break;
	case 23:
		s->search = "a\nb 1 c";
		break;
	case 24:
		s->delete_extra = true;
		break;
	case 25:
		s->empty_destination = true;
		break;
	case 26:
		s->skip_ids = no_ids;
		break;
	default:
		fail();
	}
}

static void test_selection(void **state)
{
	struct settings a, b;
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;

	(void)state;
	no_ids = skip_ids_read("/dev/null", arena, &err);
	assert_non_null(no_ids);
	for (size_t i = 0; i < VARIANTS; i++) {
		vary(&a, i);
		assert_int_not_equal(settings_selection(&a), 0);
		for (size_t j = 0; j < VARIANTS; j++) {
			vary(&b, j);
			assert_int_equal(settings_selection(&a) == settings_selection(&b), i == j);
		}
		assert_int_equal(settings_transform(&a), i >= 17 && i <= 20);
	}
	arena_free(arena);
}

/* What only says how the work is done leaves the record as it is. */
static void test_indifferent(void **state)
{
	struct settings plain, other;

	(void)state;
	settings_init(&plain);
	settings_init(&other);
	other.jobs = 4;
	other.dry_run = other.quiet = other.json = other.automap = other.newest_first = true;
	other.bandwidth = 5;
	assert_int_equal(settings_selection(&plain), settings_selection(&other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_selection),
		cmocka_unit_test(test_indifferent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
