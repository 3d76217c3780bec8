/* File names of messages and folders in a Maildir. */
#include "mail/maildir_name.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct example {
	const char *file, *base, *unique;
	unsigned flags;
	uint32_t keywords;
	uint64_t size, mail_size, seconds, micros;
};

#define NO MAILDIR_SIZE_UNKNOWN

static const struct example examples[] = {
	{ "1.x.h", "1.x.h", "1.x.h", 0, 0, NO, NO, 1, 0 },
	{ "1.x.h:2,", "1.x.h", "1.x.h", 0, 0, NO, NO, 1, 0 },
	{ "1.x.h:2,FS", "1.x.h", "1.x.h", MAILDIR_FLAGGED | MAILDIR_SEEN, 0, NO, NO, 1, 0 },
	{ "1.x.h:2,SaTcXP", "1.x.h", "1.x.h", MAILDIR_SEEN | MAILDIR_TRASHED | MAILDIR_PASSED, 5,
		NO, NO, 1, 0 },
	{ "1.x.h:1,S", "1.x.h", "1.x.h", 0, 0, NO, NO, 1, 0 },
	{ "1700000000.M12P5Q3.host,S=10,W=11:2,R", "1700000000.M12P5Q3.host,S=10,W=11",
		"1700000000.M12P5Q3.host", MAILDIR_REPLIED, 0, 10, 11, 1700000000, 12 },
	{ "17.1_2.host,U=5:2,D", "17.1_2.host,U=5", "17.1_2.host", MAILDIR_DRAFT, 0, NO, NO, 17,
		0 },
	{ "1.x.h,S=99999999999999999999:2,", "1.x.h,S=99999999999999999999", "1.x.h", 0, 0, NO, NO,
		1, 0 },
	{ "1.x.h,S=:2,", "1.x.h,S=", "1.x.h", 0, 0, NO, NO, 1, 0 },
	{ "noise,S", "noise,S", "noise,S", 0, 0, NO, NO, 0, 0 },
	{ ",S=1", ",S=1", ",S=1", 0, 0, 1, NO, 0, 0 },
	{ "1.x.h:2,S,T", "1.x.h", "1.x.h", MAILDIR_SEEN, 0, NO, NO, 1, 0 },
};

static void test_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(examples); i++) {
		const struct example *want = &examples[i];
		struct maildir_name name;

		assert_true(maildir_name_parse(span_of(want->file), &name));
		assert_true(span_equal_text(name.base, want->base));
		assert_true(span_equal_text(name.unique, want->unique));
		assert_int_equal(name.flags, want->flags);
		assert_int_equal(name.keywords, want->keywords);
		assert_true(name.size == want->size && name.mail_size == want->mail_size);
		assert_int_equal(name.seconds, want->seconds);
		assert_int_equal(name.micros, want->micros);
	}
}

static void test_no_message(void **state)
{
	struct maildir_name name;

	(void)state;
	assert_false(maildir_name_parse(SPAN(""), &name));
	assert_false(maildir_name_parse(SPAN(".nfs001"), &name));
	assert_false(maildir_name_parse(SPAN(":2,S"), &name));
}

static void check_print(const char *file, unsigned flags, uint32_t keywords, const char *expected)
{
	struct maildir_name name;
	struct buf out;

	buf_init(&out, 1000);
	assert_true(maildir_name_parse(span_of(file), &name));
	assert_int_equal(maildir_name_print(&name, flags, keywords, &out), 0);
	assert_string_equal(buf_text(&out), expected);
	buf_release(&out);
}

static void test_print(void **state)
{
	(void)state;
	check_print("1.x", 0, 0, "1.x:2,");
	check_print("1.x:2,S", 63, 1u << 25 | 1, "1.x:2,DFPRSTaz");
	check_print("1.x,S=1:2,SaXB", MAILDIR_FLAGGED, 0, "1.x,S=1:2,BFX");
	check_print("1.x:2,S,extra", MAILDIR_DRAFT, 0, "1.x:2,D,extra");
	check_print("1.x:1,foo", MAILDIR_DRAFT, 0, "1.x:2,D");
}

static int compare(const char *a, const char *b)
{
	struct maildir_name x, y;

	assert_true(maildir_name_parse(span_of(a), &x) && maildir_name_parse(span_of(b), &y));
	return maildir_name_compare(&x, &y);
}

static void test_order(void **state)
{
	(void)state;
	assert_true(compare("9.x", "10.a") < 0);
	assert_true(compare("10.M9P1", "10.M10P1") < 0);
	assert_true(compare("10.M9P2", "10.M9P1") > 0);
	assert_int_equal(compare("1.x:2,S", "1.x"), 0);
}

static void test_unique(void **state)
{
	const struct maildir_unique unique = { 17, 3, 4, 5, 0xabc, "my/host:x,y" };
	char out[256];

	(void)state;
	maildir_unique_print(&unique, out);
	assert_string_equal(out, "17.M3P4Q5_0000000000000abc.my\\057host\\072x\\054y");
	assert_true(maildir_unique_ours(span_of(out)));
	assert_true(maildir_unique_ours(SPAN("17.M3P4Q5_0000000000000abc.h,S=1:2,S")));
	assert_false(maildir_unique_ours(SPAN("17.M3P4Q5.h")));
	assert_false(maildir_unique_ours(SPAN("17.M3P4Q5_0000000000000xyz.h")));
	assert_false(maildir_unique_ours(SPAN("17.M3P4Q5_0000000000000abc")));
	assert_false(maildir_unique_ours(SPAN("")));
}

struct folder {
	enum maildir_layout layout;
	bool utf8;
	const char *display, *path;
	bool changed;
};

static const struct folder folders[] = {
	{ MAILDIR_PLUSPLUS, false, "Sent", ".Sent", false },
	{ MAILDIR_PLUSPLUS, false, "A/B", ".A.B", false },
	{ MAILDIR_PLUSPLUS, false, "A.B", ".A%2EB", true },
	{ MAILDIR_PLUSPLUS, false, "A%2FB", ".A%2FB", true },
	{ MAILDIR_PLUSPLUS, false, "A%252FB", ".A%252FB", true },
	{ MAILDIR_PLUSPLUS, false, "Entw\xc3\xbcrfe", ".Entw&APw-rfe", false },
	{ MAILDIR_PLUSPLUS, true, "Entw\xc3\xbcrfe", ".Entw\xc3\xbcrfe", false },
	{ MAILDIR_PLUSPLUS, false, "cur", ".cur", false },
	{ MAILDIR_PLUSPLUS, false, "..", ".%2E%2E", true },
	{ MAILDIR_FS, false, "A/B", "A/B", false },
	{ MAILDIR_FS, false, "A.B", "A.B", false },
	{ MAILDIR_FS, false, "A/cur", "A/%63ur", true },
	{ MAILDIR_FS, false, "%63ur", "%2563ur", true },
	{ MAILDIR_FS, false, "cur2", "cur2", false },
	{ MAILDIR_FS, false, "..", "%2E.", true },
	{ MAILDIR_FS, false, ".hidden/x", "%2Ehidden/x", true },
	{ MAILDIR_FS, false, "A%2FB", "A%2FB", true },
	{ MAILDIR_FS, false, "x%2Fcur", "x%2Fcur", true },
};

static void test_folders(void **state)
{
	struct arena *arena = arena_new();

	(void)state;
	for (size_t i = 0; i < countof(folders); i++) {
		const struct maildir_style style = { folders[i].layout, folders[i].utf8 };
		bool changed = false;
		char *path;

		assert_int_equal(maildir_folder_path(
					 &style, folders[i].display, arena, &path, &changed, NULL),
			0);
		assert_string_equal(path, folders[i].path);
		assert_string_equal(
			maildir_folder_display(&style, span_of(path), arena), folders[i].display);
		assert_int_equal(changed, folders[i].changed);
	}
	arena_free(arena);
}

static void test_long(void **state)
{
	const struct maildir_style plusplus = { MAILDIR_PLUSPLUS, false },
				   fs = { MAILDIR_FS, false };
	struct arena *arena = arena_new();
	struct err err = ERR_INIT;
	char name[303];
	bool changed;
	char *path;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(maildir_folder_path(&fs, name, arena, &path, &changed, &err), -1);
	assert_int_equal(err.scope, ERR_MAILBOX);
	name[150] = '/';
	assert_int_equal(maildir_folder_path(&fs, name, arena, &path, &changed, &err), 0);
	assert_int_equal(maildir_folder_path(&plusplus, name, arena, &path, &changed, &err), -1);
	assert_int_equal(maildir_folder_path(&fs, "a//b", arena, &path, &changed, &err), -1);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_no_message),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_unique),
		cmocka_unit_test(test_folders),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
