/* The file of --users: every layout, every trap of the fields, what is private, and that no error quotes a secret. */
#include "store/users.h"

#include "base/arena.h"
#include "base/err.h"
#include "net/secret.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct arena *arena;

static int set_up(void **state)
{
	(void)state;
	arena = arena_new();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static struct users *parse(const char *text, enum users_format format, bool two_sided)
{
	struct err err = ERR_INIT;
	struct users *users = users_parse("list", span_of(text), format, two_sided, &err);

	if (!users)
		fail_msg("%s: %s", text, err.text);
	return users;
}

/* "user secret" of both sides, a '*' before a token; "-" = none */
static const char *side_text(const struct user_side *side)
{
	return arena_print(arena, "%s %s%s", side->user ? side->user : "-", side->token ? "*" : "",
		side->secret ? secret_bytes(side->secret).data : "-");
}

static const char *line_text(const char *text, enum users_format format, bool two_sided)
{
	struct users *users = parse(text, format, two_sided);
	struct user user;
	const char *result;

	assert_int_equal(users_count(users), 1);
	users_get(users, 0, arena, &user);
	result = arena_print(arena, "%s %s", side_text(&user.side[0]), side_text(&user.side[1]));
	user_release(&user);
	users_free(users);
	return result;
}

static void fields_and_escapes(void **state)
{
	static const struct {
		const char *line, *both, *one;
	} rows[] = {
		{ "anna", "anna - anna -", "anna - - -" },
		{ "anna:", "anna - anna -", "anna - - -" },
		{ "anna:pw", "anna pw anna pw", "anna pw - -" },
		{ "  anna:pw\t \r\n", "anna pw anna pw", "anna pw - -" },
		{ "\xef\xbb\xbf"
		  "anna:pw\r\n",
			"anna pw anna pw", "anna pw - -" },
		{ "anna+work@old.example:pw", "anna+work@old.example pw anna+work@old.example pw",
			"anna+work@old.example pw - -" },
		{ "a:p\\:w\\\\:b:q", "a p:w\\ b q", NULL },
		{ "a:\\#p#q", "a #p#q a #p#q", "a #p#q - -" },
		{ "\\#a:p", "#a p #a p", "#a p - -" },
		{ "a:\\ p\\ ", "a  p  a  p ", "a  p  - -" },
		{ "a:p\\ \r\n", "a p  a p ", "a p  - -" },
		{ "a:p q", "a p q a p q", "a p q - -" },
		{ "a:\\@p", "a @p a @p", "a @p - -" },
		{ "a:\\!p", "a !p a !p", "a !p - -" },
		{ "a:\\$p", "a $p a $p", "a $p - -" },
		{ "a:p\\\\", "a p\\ a p\\", "a p\\ - -" },
		{ "a::b:", "a - b -", NULL },
		{ "a:p::", NULL, NULL },
		{ "a:oauth2:tok:b:OAuth2:tik", "a *tok b *tik", NULL },
		{ "a:oauth2\\:tok", "a oauth2:tok a oauth2:tok", "a oauth2:tok - -" },
		{ "a:p:c\\=d:q", "a p c=d q", NULL },
		{ "\xc3\xa4:\xc3\xb6", "\xc3\xa4 \xc3\xb6 \xc3\xa4 \xc3\xb6",
			"\xc3\xa4 \xc3\xb6 - -" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		if (rows[i].both)
			assert_string_equal(
				line_text(rows[i].line, USERS_ESCAPED, true), rows[i].both);
		if (rows[i].one)
			assert_string_equal(
				line_text(rows[i].line, USERS_ESCAPED, false), rows[i].one);
	}
}

static void older_layouts(void **state)
{
	static const struct {
		enum users_format format;
		const char *line, *both;
	} rows[] = {
		{ USERS_MIGRATE, "a:p:b:q", "a p b q" },
		{ USERS_MIGRATE, "a::b:", "a - b -" },
		{ USERS_MIGRATE, "a:p\\:w:b:q\\w\\\\", "a p:w b q\\w\\" },
		{ USERS_MIGRATE, "a:@p:b:!q", "a @p b !q" },
		{ USERS_MIGRATE, "a:oauth2:t:b:q", "a *t b q" },
		{ USERS_SINGLE, "a:p:w", "a p:w a p:w" },
		{ USERS_SINGLE, "a|p:w", "a p:w a p:w" },
		{ USERS_SINGLE, "a:p|w", "a p|w a p|w" },
		{ USERS_SINGLE, "a", "a - a -" },
		{ USERS_SINGLE, "a\\:b:p", "a:b p a:b p" },
		{ USERS_BLANK, "a p", "a p a p" },
		{ USERS_BLANK, "a \t p q:r \r\n", "a p q:r a p q:r" },
		{ USERS_BLANK, "a+b:p", "a+b p a+b p" },
		{ USERS_BLANK, "a", "a - a -" },
		{ USERS_BLANK, "a:", "a - a -" },
		{ USERS_POP3, "a  p\tb   q", "a p b q" },
		{ USERS_POP3, "a p: b \\q\r\n", "a p: b \\q" },
		{ USERS_MAILDIR, "/home/a/Maildir,a,p,w", "- - a p,w" },
		{ USERS_MAILDIR, "Mail dir,a,", "- - a -" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++)
		assert_string_equal(line_text(rows[i].line, rows[i].format, true), rows[i].both);
}

static void sources_of_secrets(void **state)
{
	struct users *users = parse("a:@~/a b:b:!pass show b\\:c\n"
				    "c:$PW:d:oauth2:@/t\n"
				    "e:oauth2:!tok",
		USERS_ESCAPED, true);
	struct user user[3];

	(void)state;
	for (size_t i = 0; i < countof(user); i++) {
		users_get(users, i, arena, &user[i]);
		assert_null(user[i].side[0].secret);
		assert_null(user[i].side[1].secret);
		assert_int_equal(user[i].line, i + 1);
	}
	assert_string_equal(user[0].side[0].values.value[ACCOUNT_PASS_FILE], "~/a b");
	assert_string_equal(user[0].side[1].values.value[ACCOUNT_PASS_CMD], "pass show b:c");
	assert_string_equal(user[1].side[0].values.value[ACCOUNT_PASS_ENV], "PW");
	assert_string_equal(user[1].side[1].values.value[ACCOUNT_TOKEN_FILE], "/t");
	assert_string_equal(user[2].side[0].values.value[ACCOUNT_TOKEN_CMD], "tok");
	assert_string_equal(user[0].name, "a -> b");
	assert_string_equal(user[2].name, "e");
	users_free(users);
}

static void options(void **state)
{
	struct users *users =
		parse("a:p:source=imaps://%u@old.example:993/Mail?tls-verify=no root=Old\\ mail  "
		      "map=/m dst-auth=plain,login src-connections=2",
			USERS_ESCAPED, true);
	struct user user;

	(void)state;
	users_get(users, 0, arena, &user);
	assert_string_equal(user.side[0].location, "imaps://%u@old.example:993/Mail?tls-verify=no");
	assert_null(user.side[1].location);
	assert_string_equal(user.root, "Old mail");
	assert_string_equal(user.map_file, "/m");
	assert_string_equal(user.side[1].values.value[ACCOUNT_AUTH], "plain,login");
	assert_string_equal(user.side[0].values.value[ACCOUNT_CONNECTIONS], "2");
	user_release(&user);
	users_free(users);

	users = parse("a::location=maildir:/x host=h", USERS_ESCAPED, false);
	users_get(users, 0, arena, &user);
	assert_string_equal(user.side[0].location, "maildir:/x");
	assert_string_equal(user.side[0].values.value[ACCOUNT_HOST], "h");
	user_release(&user);
	users_free(users);

	users = parse("/home/a/Mail,a,p", USERS_MAILDIR, true);
	users_get(users, 0, arena, &user);
	assert_string_equal(user.side[0].location, "maildir:/home/a/Mail");
	assert_string_equal(user.name, "a");
	user_release(&user);
	users_free(users);
}

static void what_is_refused(void **state)
{
	static const struct {
		enum users_format format;
		bool two_sided;
		const char *line, *text;
	} rows[] = {
		{ USERS_ESCAPED, true, "a:c4nary:b", "3 fields" },
		{ USERS_ESCAPED, true, "a:c4nary:b:c4nary:c4nary", "more fields than 4" },
		{ USERS_ESCAPED, true, "a:c4:nary:b:c4nary", "more fields than 4" },
		{ USERS_ESCAPED, true, "a:p::", "a user name is missing" },
		{ USERS_ESCAPED, true, ":c4nary", "a user name is missing" },
		{ USERS_ESCAPED, true, "a:c4\\nary", "a backslash before something" },
		{ USERS_ESCAPED, true, "a:c4nary\\", "a backslash before something" },
		{ USERS_ESCAPED, true, "a: c4nary", "a blank at the start or the end" },
		{ USERS_ESCAPED, true, "a :c4nary", "a blank at the start or the end" },
		{ USERS_ESCAPED, true, "a:c4nary :b:c", "a blank at the start or the end" },
		{ USERS_ESCAPED, true, "a:@", "nothing behind the @" },
		{ USERS_ESCAPED, true, "a:$c4nary-x", "pass-env: not the name" },
		{ USERS_ESCAPED, true, "a:oauth2:", "the token behind oauth2: is missing" },
		{ USERS_ESCAPED, true, "a:oauth2:$X", "not from a variable" },
		{ USERS_ESCAPED, true, "a:c4nary\x01", "a control character" },
		{ USERS_ESCAPED, true, "a:c4nary\xe4", "not valid UTF-8" },
		{ USERS_ESCAPED, true, "a:p:c4nary=x", "an unknown option" },
		{ USERS_ESCAPED, true, "a:p:host=x", "an unknown option" },
		{ USERS_ESCAPED, true, "a:p:src-c4nary=x", "an account key, such as" },
		{ USERS_ESCAPED, true, "a:p:src-user=b", "a field of its own" },
		{ USERS_ESCAPED, true, "a:p:root=", "without a value" },
		{ USERS_ESCAPED, true, "a:p:root=a root=b", "given twice" },
		{ USERS_ESCAPED, true, "a:p:root=a c4nary", "not KEY=VALUE" },
		{ USERS_ESCAPED, true, "a:p:src-tls=c4nary", "tls: one of" },
		{ USERS_ESCAPED, true, "a:p:src-pass-file=x", "both name a secret" },
		{ USERS_ESCAPED, true, "a:@x:src-pass-cmd=x", "both name a secret" },
		{ USERS_ESCAPED, true, "a:p:source=imaps://u:c4nary@h",
			"belongs into the field of the secret" },
		{ USERS_ESCAPED, false, "a:p:b:q", "4 fields, but" },
		{ USERS_ESCAPED, false, "a:p:root=x", "an unknown option" },
		{ USERS_MIGRATE, true, "a:c4nary:b", "fewer fields than 4" },
		{ USERS_MIGRATE, true, "a:c4:nary:b:q", "more fields than 4" },
		{ USERS_MIGRATE, true, ":p:b:q", "a user name is missing" },
		{ USERS_MIGRATE, false, "a:p:b:q", "a source and a destination" },
		{ USERS_SINGLE, true, "|c4nary", "a user name is missing" },
		{ USERS_BLANK, true, "a:c4nary x", "which of them" },
		{ USERS_POP3, true, "a c4nary b", "fewer fields than 4" },
		{ USERS_POP3, true, "a c4nary b q r", "more fields than 4" },
		{ USERS_MAILDIR, true, "/m,a", "fewer fields than 3" },
		{ USERS_MAILDIR, true, ",a,c4nary", "the path is missing" },
		{ USERS_MAILDIR, true, "/m,,c4nary", "a user name is missing" },
		{ USERS_MAILDIR, true, "/m?x=y,a,c4nary", "in the escaped layout" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		const char *text = arena_print(arena, "# one\n\n%s\n", rows[i].line);
		struct err err = ERR_INIT;

		assert_null(users_parse(
			"list", span_of(text), rows[i].format, rows[i].two_sided, &err));
		if (!strstr(err.text, rows[i].text) || strncmp(err.text, "list:3: ", 8) != 0 ||
			strstr(err.text, "c4nary") || err.kind != ERR_KIND_USAGE)
			fail_msg("%s: %s", rows[i].line, err.text);
	}
}

static void empty_and_endless(void **state)
{
	struct err err = ERR_INIT;
	char *text = arena_alloc(arena, USERS_LINE_MAX + 2);

	(void)state;
	assert_null(users_parse("list", span_of("# a:b\n \r\n"), USERS_ESCAPED, true, &err));
	assert_string_equal(err.text, "list: names no user");
	assert_null(users_parse("list", SPAN("a\0b:c"), USERS_ESCAPED, true, &err));
	assert_string_equal(err.text, "list:1: a control character");
	memset(text, 'a', USERS_LINE_MAX);
	assert_null(users_parse("list", span_of(text), USERS_ESCAPED, true, &err));
	assert_string_equal(err.text, "list:1: longer than 65,535 octets");
}

static void ten_thousand(void **state)
{
	char *text = arena_alloc(arena, 1 << 20);
	struct users *users;
	struct user user;
	size_t len = 0;

	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		len += (size_t)snprintf(text + len, 64, "user%u@a:secret\\:%u\n", i, i);
	users = parse(text, USERS_ESCAPED, true);
	assert_int_equal(users_count(users), 10000);
	users_get(users, 9876, arena, &user);
	assert_string_equal(user.side[1].user, "user9876@a");
	assert_string_equal(secret_bytes(user.side[1].secret).data, "secret:9876");
	assert_int_equal(user.line, 9877);
	user_release(&user);
	users_free(users);
}

static struct users *read_with(const char *text, mode_t mode, struct err *err)
{
	char path[] = "/tmp/mailhaul-users-XXXXXX";
	const int fd = mkstemp(path);
	struct users *users;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	users = users_read(path, USERS_ESCAPED, true, err);
	unlink(path);
	return users;
}

static void what_must_be_private(void **state)
{
	static const char *const open[] = { "a", "a:@f", "a:$PW", "a::root=x" },
				 *const guarded[] = { "a:p", "a:!cmd", "a::src-tunnel=x",
					 "a::source=imaps://h" };

	(void)state;
	for (size_t i = 0; i < countof(open); i++) {
		struct err err = ERR_INIT;
		struct users *users = read_with(open[i], 0644, &err);

		assert_non_null(users);
		assert_false(users_guarded(users));
		users_free(users);
	}
	for (size_t i = 0; i < countof(guarded); i++) {
		struct err err = ERR_INIT;
		struct users *users = read_with(guarded[i], 0600, &err);

		assert_non_null(users);
		assert_true(users_guarded(users));
		users_free(users);
		assert_null(read_with(guarded[i], 0640, &err));
		assert_non_null(strstr(err.text, "chmod 600"));
		assert_int_equal(err.kind, ERR_KIND_USAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_and_escapes),
		cmocka_unit_test(older_layouts),
		cmocka_unit_test(sources_of_secrets),
		cmocka_unit_test(options),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(empty_and_endless),
		cmocka_unit_test(ten_thousand),
		cmocka_unit_test(what_must_be_private),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
