/* IDLE against servers that tell, keep silent, refuse, end it by themselves, and vanish. */
#include "imap_script.h"

#include "imap/imap_idle.h"

static void expect_done(struct script *script)
{
	buf_clear(&script->text);
	script_line(script);
	if (!script->over && strcmp(buf_text(&script->text), "DONE\r\n") != 0)
		script_fail(script, "no DONE", buf_text(&script->text));
}

static void tell(struct script *script)
{
	for (unsigned round = 0; round < 2; round++) {
		const uint32_t tag = script_expect(script, "IDLE");

		/* news may overtake the "+", and come behind DONE */
		script_say(script, "%s+ idling\r\n", round == 1 ? "* 3 EXISTS\r\n" : "");
		if (round == 0)
			script_say(script, "* OK still here\r\n* 2 EXISTS\r\n");
		expect_done(script);
		script_say(script, "* 4 EXISTS\r\n");
		script_ok(script, tag);
	}
}

static void test_news(void **state)
{
	struct script *script = script_begin("IDLE", tell);
	const struct imap_event *event;
	struct err err = ERR_INIT;
	struct imap_idle idle;
	bool news = false;

	(void)state;
	assert_int_equal(imap_idle_begin(&idle, script->imap, &err), 0);
	do
		assert_int_equal(imap_idle_wait(script->imap, clock_ms() + 10000, &event, &err), 1);
	while (event->type != IMAP_EXISTS);
	assert_int_equal(event->number, 2);
	assert_int_equal(imap_idle_end(&idle, &news, &err), 0);
	assert_true(news); /* the fourth came behind DONE */

	assert_int_equal(imap_idle_begin(&idle, script->imap, &err), 0);
	assert_true(idle.news);
	/* Silence is no trouble. */
	assert_int_equal(imap_idle_wait(script->imap, clock_ms() + 20, &event, &err), 0);
	assert_int_equal(imap_idle_end(&idle, NULL, &err), 0);
	assert_int_equal(imap_idle_end(&idle, NULL, &err), 0); /* over already */
	script_end(script);
}

static void refuse(struct script *script)
{
	script_say(script, "m%u BAD what?\r\n", script_expect(script, "IDLE"));
}

static void end_at_once(struct script *script)
{
	script_ok(script, script_expect(script, "IDLE"));
}

static void check_refused(void (*run)(struct script *script), const char *capabilities)
{
	struct script *script = script_begin(capabilities, run);
	struct err err = ERR_INIT;
	struct imap_idle idle;

	for (unsigned i = 0; i < 2; i++) { /* the second time it is not even asked for */
		assert_int_equal(imap_idle_begin(&idle, script->imap, &err), -1);
		assert_int_equal(err.kind, ERR_KIND_UNSUPPORTED);
		assert_int_equal(err.scope, ERR_MAILBOX);
		err_clear(&err);
	}
	script_end(script);
}

static void nothing(struct script *script)
{
	(void)script;
}

static void test_refused(void **state)
{
	(void)state;
	check_refused(refuse, "IDLE");
	check_refused(end_at_once, "IDLE");
	check_refused(nothing, "");
}

static void vanish(struct script *script)
{
	(void)script_expect(script, "IDLE");
	script_say(script, "+ idling\r\n");
	script_hang_up(script);
}

static void test_line_breaks(void **state)
{
	struct script *script = script_begin("IDLE", vanish);
	const struct imap_event *event;
	struct err err = ERR_INIT;
	struct imap_idle idle;

	(void)state;
	assert_int_equal(imap_idle_begin(&idle, script->imap, &err), 0);
	assert_int_equal(imap_idle_wait(script->imap, clock_ms() + 10000, &event, &err), -1);
	assert_int_equal(err.scope, ERR_CONN);
	script_end(script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_news),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_line_breaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
