/* Locations: what they mean, what is refused, and that no message quotes a password. */
#include "store/location.h"

#include "base/arena.h"
#include "base/err.h"
#include "net/secret.h"

#include <setjmp.h>
#include <stdarg.h>

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

/* NULL = not given. */
static void same(const char *text, const char *what, const char *got, const char *wanted)
{
	if (!got && !wanted)
		return;
	if (!got || !wanted || strcmp(got, wanted) != 0)
		fail_msg("%s: %s is %s, not %s", text, what, got ? got : "(none)",
			wanted ? wanted : "(none)");
}

static void urls_are_taken_apart(void **state)
{
	static const struct {
		const char *text, *scheme;
		bool implicit;
		const char *user, *password, *host, *port, *mailbox;
	} rows[] = {
		{ "imaps://anna@old.example", "imap", true, "anna", NULL, "old.example", NULL,
			NULL },
		{ "imap://anna@old.example/", "imap", false, "anna", NULL, "old.example", NULL,
			NULL },
		{ "IMAPS://Anna@OLD.Example:1993/INBOX", "imap", true, "Anna", NULL, "old.example",
			"1993", "INBOX" },
		{ "imaps://anna%40x.org@h/A/B%20C/", "imap", true, "anna@x.org", NULL, "h", NULL,
			"A/B C" },
		{ "imaps://anna@x.org@h", "imap", true, "anna@x.org", NULL, "h", NULL, NULL },
		{ "imaps://u:pw@h", "imap", true, "u", "pw", "h", NULL, NULL },
		{ "imaps://u:p%3a%2F%40:@@h:5/x", "imap", true, "u", "p:/@:@", "h", "5", "x" },
		{ "imaps://u:p%E9@h", "imap", true, "u", "p\xE9", "h", NULL, NULL },
		{ "imaps://j%C3%BCrgen@h/Entw%C3%BCrfe/\xE6\x97\xA5", "imap", true, "j\xC3\xBCrgen",
			NULL, "h", NULL, "Entw\xC3\xBCrfe/\xE6\x97\xA5" },
		{ "imaps://u@[2001:DB8::1]:993/x", "imap", true, "u", NULL, "2001:db8::1", "993",
			"x" },
		{ "imaps://u@[fe80::1%25eth0]", "imap", true, "u", NULL, "fe80::1%eth0", NULL,
			NULL },
		{ "imaps://u@192.0.2.1", "imap", true, "u", NULL, "192.0.2.1", NULL, NULL },
		{ "imaps://u@old.example.", "imap", true, "u", NULL, "old.example", NULL, NULL },
		{ "imaps://h/user@x", "imap", true, NULL, NULL, "h", NULL, "user@x" },
		{ "imaps://u@h/a%3Bb;c", "imap", true, "u", NULL, "h", NULL, "a;b;c" },
		{ "imaps://u@h/#news/a%252Fb", "imap", true, "u", NULL, "h", NULL, "#news/a%2Fb" },
		{ "imap://u@", "imap", false, "u", NULL, NULL, NULL, NULL },
		{ "imap://", "imap", false, NULL, NULL, NULL, NULL, NULL },
		{ "pop3s://u@h:995/", "pop3", true, "u", NULL, "h", "995", NULL },
		{ "pop3://u;AUTH=APOP@h", "pop3", false, "u", NULL, "h", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct location location;
		struct err err = ERR_INIT;

		if (location_parse(rows[i].text, NULL, arena, &location, &err) < 0)
			fail_msg("%s: %s", rows[i].text, err.text);
		same(rows[i].text, "scheme", location.scheme, rows[i].scheme);
		assert_int_equal(location.implicit_tls, rows[i].implicit);
		same(rows[i].text, "user", location.values.value[ACCOUNT_USER], rows[i].user);
		same(rows[i].text, "host", location.values.value[ACCOUNT_HOST], rows[i].host);
		same(rows[i].text, "port", location.values.value[ACCOUNT_PORT], rows[i].port);
		same(rows[i].text, "mailbox", location.mailbox, rows[i].mailbox);
		same(rows[i].text, "password",
			location.password ? secret_bytes(location.password).data : NULL,
			rows[i].password);
		location_release(&location);
	}
}

static void paths_and_names_are_literal(void **state)
{
	static const struct {
		const char *text;
		enum location_kind kind;
		const char *scheme, *path, *name, *mailbox, *layout;
	} rows[] = {
		{ "maildir:/home/a b/100%/x%2Fy", LOCATION_FILE, "maildir", "/home/a b/100%/x%2Fy",
			NULL, NULL, NULL },
		{ "maildir:Mail?layout=fs", LOCATION_FILE, "maildir", "Mail", NULL, NULL, "fs" },
		{ "mbox:what?", LOCATION_FILE, "mbox", "what", NULL, NULL, NULL },
		{ "mbox:what?now", LOCATION_FILE, "mbox", "what?now", NULL, NULL, NULL },
		{ "mbox:a?b=c?", LOCATION_FILE, "mbox", "a?b=c", NULL, NULL, NULL },
		{ "eml:\xFF\xFE", LOCATION_FILE, "eml", "\xFF\xFE", NULL, NULL, NULL },
		{ "archive:///x", LOCATION_FILE, "archive", "///x", NULL, NULL, NULL },
		{ "thunderbird:C:\\x", LOCATION_FILE, "thunderbird", "C:\\x", NULL, NULL, NULL },
		{ "work", LOCATION_NAME, NULL, NULL, "work", NULL, NULL },
		{ "anna@x/Sent Items/100%/", LOCATION_NAME, NULL, NULL, "anna@x", "Sent Items/100%",
			NULL },
		{ "work?layout=maildir%2B%2B", LOCATION_NAME, NULL, NULL, "work", NULL,
			"maildir++" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct location location;
		struct err err = ERR_INIT;

		if (location_parse(rows[i].text, NULL, arena, &location, &err) < 0)
			fail_msg("%s: %s", rows[i].text, err.text);
		assert_int_equal(location.kind, rows[i].kind);
		same(rows[i].text, "scheme", location.scheme, rows[i].scheme);
		same(rows[i].text, "path", location.path, rows[i].path);
		same(rows[i].text, "name", location.name, rows[i].name);
		same(rows[i].text, "mailbox", location.mailbox, rows[i].mailbox);
		same(rows[i].text, "layout", location.values.value[ACCOUNT_LAYOUT], rows[i].layout);
		location_release(&location);
	}
}

static void queries_are_checked(void **state)
{
	struct location location;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(location_parse("imaps://"
					"u;auth=PLAIN@h?timeout=2m&tunnel=ssh%20h%20imapd%26&&"
					"quirk=disable=IDLE,MOVE&ca-file=~/x",
				 NULL, arena, &location, &err),
		0);
	assert_string_equal(location.values.value[ACCOUNT_AUTH], "plain");
	assert_string_equal(location.values.value[ACCOUNT_TIMEOUT], "2m");
	assert_string_equal(location.values.value[ACCOUNT_TUNNEL], "ssh h imapd&");
	assert_string_equal(location.values.value[ACCOUNT_QUIRK], "disable=IDLE,MOVE");
	assert_string_equal(location.values.value[ACCOUNT_TLS], "implicit");
	assert_int_equal(location_parse("imap://u;AUTH=*@h?", NULL, arena, &location, &err), 0);
	assert_null(location.values.value[ACCOUNT_AUTH]);
	assert_null(location.values.value[ACCOUNT_TLS]);
}

static const struct {
	const char *text, *part; /* of the message */
} refused[] = {
	{ "", "empty" },
	{ "imaps:anna@h", "SCHEME://" },
	{ "imaps:/u@h", "SCHEME://" },
	{ "http://h/", "unknown kind" },
	{ "anna:secret@host", "unknown kind" },
	{ "/var/mail", "maildir:/var/mail" },
	{ "./x", "maildir:./x" },
	{ "~/Maildir", "maildir:~/Maildir" },
	{ "maildir:", "path is missing" },
	{ "maildir:?layout=fs", "path is missing" },
	{ "maildir://home/x", "without //" },
	{ "maildir:a\nb", "control" },
	{ "maildir:x?layout=tree", "one of maildir++|fs" },
	{ "maildir:x?tls=none", "servers only" },
	{ "imaps://u@h?layout=fs", "maildir: and mbox: only" },
	{ "imaps://u@h?headers-only=yes", "files only" },
	{ "pop3s://u@h?compress=no", "imap: only, pop3:" },
	{ "pop3s://u@h?namespace=none", "imap: only, pop3:" },
	{ "maildir:x?timeout=9s", "servers only, maildir:" },
	{ "maildir:x?ext=eml", "mbox: and eml: only, maildir:" },
	{ "maildir:x?layout=flat", "maildir: has no flat: one of maildir++|fs" },
	{ "mbox:x?layout=maildir++", "mbox: has no maildir++: one of flat|fs" },
	{ "mbox:x?attachments=only", "eml: only, mbox:" },
	{ "mbox:x?name-by=uid", "eml: only, mbox:" },
	{ "thunderbird:x?layout=fs", "only, thunderbird:" },
	{ "thunderbird:x?ext=txt", "only, thunderbird:" },
	{ "eml:x?variant=mboxrd", "mbox: and thunderbird: only, eml:" },
	{ "eml:x?layout=fs", "only, eml:" },
	{ "manifest:x?owner=me", "files only, manifest:" },
	{ "manifest:x?connections=1", "manifest: has no such key" },
	{ "imaps://u@h:0", "1 to 65535" },
	{ "imaps://u@h:65536", "1 to 65535" },
	{ "imaps://u@h:", "1 to 65535" },
	{ "imaps://u@h:+5", "1 to 65535" },
	{ "imaps://u@h:99999999999999999999", "1 to 65535" },
	{ "imaps://u@::1", "in brackets" },
	{ "imaps://u@[::1", "not closed" },
	{ "imaps://u@[::1]x", "not closed" },
	{ "imaps://u@[1.2.3.4]", "not an IPv6" },
	{ "imaps://u@[::1%25]", "not an IPv6" },
	{ "imaps://u@[::1%25a/b]", "bracket" },
	{ "imaps://u@h h", "not a host name" },
	{ "imaps://u@-oProxyCommand", "not a host name" },
	{ "imaps://u@h%2Ex", "not a host name" },
	{ "imaps://u@b\xC3\xBC"
	  "cher.example",
		"xn--" },
	{ "imaps://%00@h", "%00" },
	{ "imaps://u%@h", "%25" },
	{ "imaps://u%4@h", "%25" },
	{ "imaps://u%zz@h", "%25" },
	{ "imaps://u%0d%0aa1%20LOGOUT@h", "control" },
	{ "imaps://u\r\n@h", "control" },
	{ "imaps://u%7f@h", "control" },
	{ "imaps://u%C2%9B@h", "control" },
	{ "imaps://u%FF@h", "UTF-8" },
	{ "imaps://u%C0%80@h", "UTF-8" },
	{ "imaps://u@h/a%0ab", "control" },
	{ "imaps://u@h/a//b", "level without a name" },
	{ "imaps://u@h//a", "level without a name" },
	{ "imaps://u@h/INBOX;UIDVALIDITY=3/;UID=4", "names a message" },
	{ "imaps://u@h/INBOX/;uid=4", "names a message" },
	{ "imaps://u;x=y@h", "%3B" },
	{ "imaps://u;AUTH=NTLN@h", "did you mean ntlm" },
	{ "imaps://u;AUTH=PLAIN@h?auth=login", "given twice" },
	{ "imaps://u:@h", "password is empty" },
	{ "imaps://:pw@h", "without a user" },
	{ "imaps://u:a%0db@h", "line end" },
	{ "imaps://u@h?tls", "value is missing" },
	{ "imaps://u@h?timeout=1m&timeout=2m", "given twice" },
	{ "imaps://u@h?user=v", "given twice" },
	{ "imaps://u@h?port=1&port=2", "given twice" },
	{ "imaps://u@h?tsl=none", "did you mean tls" },
	{ "imaps://u@h?password=x", "did you mean pass-file" },
	{ "imaps://u@h?tls=none", "means tls=implicit" },
	{ "imaps://u@h?tls-verify=perhaps", "yes or no" },
	{ "imaps://u@h?pass-file=a&pass-cmd=b", "both name a secret" },
	{ "imaps://u:pw@h?pass-file=a", "both name a secret" },
	{ "imaps://u@h?auth=apop", "POP3 only" },
	{ "pop3s://u@h?auth=preauth", "IMAP only" },
	{ "pop3s://u@h/INBOX", "no mailboxes" },
	{ "imaps://%u@h", "--users" },
	{ "maildir:/home/%u", "--users" },
};

static void the_wrong_is_refused_with_a_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(refused); i++) {
		struct location location;
		struct err err = ERR_INIT;

		if (location_parse(refused[i].text, NULL, arena, &location, &err) == 0)
			fail_msg("%s was taken", refused[i].text);
		if (!strstr(err.text, refused[i].part))
			fail_msg("%s: \"%s\" does not speak of \"%s\"", refused[i].text, err.text,
				refused[i].part);
		assert_int_equal(err.scope, ERR_LOCAL);
		assert_int_equal(err.kind, ERR_KIND_USAGE);
	}
}

/* "sesame" is the password, or part of it. */
static void no_message_quotes_a_password(void **state)
{
	static const char *const texts[] = {
		"imaps://u:sesame/x@h",
		"imaps://u:sesame?x=y@h",
		"imaps://u@dom:12?sesame=x@h",
		"imaps://u:sesame%zz@h",
		"imaps://u:sesame@h:bad",
		"imaps://u:sesame@h?tsl=none",
		"imaps://u:sesame@[x]",
		"u:sesame@h",
		"imaps:u:sesame@h",
		"imaps://u:sesame%0a@h",
		"http://u:sesame@h",
		"imaps://u:sesame#x/@h",
		"imaps://u:sesame@h/a//b",
		"u:sesame?x=y",
	};

	(void)state;
	for (size_t i = 0; i < countof(texts); i++) {
		struct location location;
		struct err err = ERR_INIT;

		if (location_parse(texts[i], NULL, arena, &location, &err) == 0) {
			location_release(&location);
			continue;
		}
		if (strstr(err.text, "sesame"))
			fail_msg("%s: %s", texts[i], err.text);
	}
}

static void users_go_in_without_changing_the_structure(void **state)
{
	static const struct {
		const char *text, *user, *name, *host, *mailbox, *path;
	} rows[] = {
		{ "imaps://%u@h/M", "anna", "anna", "h", "M", NULL },
		{ "imaps://%u@h", "a@evil/x:y?tls=none#%u%41", "a@evil/x:y?tls=none#%u%41", "h",
			NULL, NULL },
		{ "imaps://%u*master@h/Users/%u", "j\xC3\xBC", "j\xC3\xBC*master", "h",
			"Users/j\xC3\xBC", NULL },
		{ "maildir:/home/%u/Maildir", "anna@x.org", NULL, NULL, NULL,
			"/home/anna@x.org/Maildir" },
		{ "maildir:/home/%u/Maildir", "../root", NULL, NULL, NULL,
			"/home/..%2Froot/Maildir" },
	};
	struct location location;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		if (location_parse(rows[i].text, rows[i].user, arena, &location, &err) < 0)
			fail_msg("%s: %s", rows[i].text, err.text);
		same(rows[i].text, "user", location.values.value[ACCOUNT_USER], rows[i].name);
		same(rows[i].text, "host", location.values.value[ACCOUNT_HOST], rows[i].host);
		same(rows[i].text, "mailbox", location.mailbox, rows[i].mailbox);
		same(rows[i].text, "path", location.path, rows[i].path);
	}
	assert_int_equal(location_parse("maildir:/home/%u/x", "..", arena, &location, &err), -1);
	assert_int_equal(location_parse("imaps://%u@h", "", arena, &location, &err), -1);
	assert_int_equal(location_parse("imaps://%u@h", "a\r\nb", arena, &location, &err), -1);
	assert_int_equal(
		location_parse("imaps://x@%u", "evil.example/", arena, &location, &err), -1);
}

static void length_has_an_end(void **state)
{
	char *text = arena_alloc(arena, 3 * LOCATION_MAX);
	struct location location;
	struct err err = ERR_INIT;

	(void)state;
	memset(text, 'a', LOCATION_MAX + 1);
	memcpy(text, "imaps://", 8);
	assert_int_equal(location_parse(text, NULL, arena, &location, &err), -1);
	assert_non_null(strstr(err.text, "longer than"));
	memcpy(text, "imaps://u@", 10);
	text[10 + 254] = '\0';
	assert_int_equal(location_parse(text, NULL, arena, &location, &err), -1);
	text[10 + 253] = '\0';
	assert_int_equal(location_parse(text, NULL, arena, &location, &err), 0);

	char *user = arena_alloc(arena, LOCATION_MAX);
	memset(user, '/', LOCATION_MAX - 1);
	assert_int_equal(location_parse("imaps://%u@h", user, arena, &location, &err), -1);
	assert_non_null(strstr(err.text, "longer than"));
	assert_int_equal(location_parse("imaps://%u%u%u%u@h", memset(user, 'x', 4000), arena,
				 &location, &err),
		-1);
}

static void passwords_are_found(void **state)
{
	static const struct {
		const char *text, *password;
	} rows[] = {
		{ "imaps://u:pw@h", "pw" },
		{ "--src=imaps://u:p:w@x@h:993/a@b", "p:w@x" },
		{ "imaps://u:pa/ss@h", "pa/ss" },
		{ "imaps://u@dom:pa?ss@h", "pa?ss" },
		{ "imaps://u@h", NULL },
		{ "imaps://u@h:993/a@b", NULL },
		{ "imaps://h:993/a@b", NULL },
		{ "imaps://u@[::1]:993/a@b", NULL },
		{ "imaps://[::1]/a:b@c", NULL },
		{ "imaps://u:@h", NULL },
		{ "maildir:/a:b@c", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		size_t at = 0, len = 0;
		const bool found = location_find_password(span_of(rows[i].text), &at, &len);

		same(rows[i].text, "password",
			found ? arena_text(arena, span_make(rows[i].text + at, len)) : NULL,
			rows[i].password);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_taken_apart),
		cmocka_unit_test(paths_and_names_are_literal),
		cmocka_unit_test(queries_are_checked),
		cmocka_unit_test(the_wrong_is_refused_with_a_reason),
		cmocka_unit_test(no_message_quotes_a_password),
		cmocka_unit_test(users_go_in_without_changing_the_structure),
		cmocka_unit_test(length_has_an_end),
		cmocka_unit_test(passwords_are_found),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
