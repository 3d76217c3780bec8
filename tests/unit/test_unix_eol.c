/* Line ends of Unix files: what goes forth comes back, for every way to cut it. */
#include "mail/unix_eol.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct example {
	const char *mail;
	const char *file; /* NULL: cannot be kept with LFs */
};

static const struct example examples[] = {
	{ "", "" },
	{ "a", "a" },
	{ "\r\n", "\n" },
	{ "a\r\nb\r\n", "a\nb\n" },
	{ "a\r\n\r\nb", "a\n\nb" },
	{ "a\rb\r\n", "a\rb\n" },
	{ "a\r", "a\r" },
	{ "\r", "\r" },
	{ "a\r\n\r", "a\n\r" },
	{ "a\r\r", "a\r\r" },
	{ "\r\rb\r\n", "\r\rb\n" },
	{ "a\r\r\n", NULL },
	{ "\r\r\n", NULL },
	{ "a\r\n\r\r\n", NULL },
	{ "\r\r\r\n", NULL },
	{ "a\nb", NULL },
	{ "\n", NULL },
	{ "a\r\n\n", NULL },
};

/* The three pieces of text cut at first and second. */
static struct span piece(const char *text, size_t first, size_t second, size_t index)
{
	const struct span whole = span_of(text);

	if (index == 0)
		return span_sub(whole, 0, first);
	return index == 1 ? span_sub(whole, first, second) : span_from(whole, first + second);
}

static void check_put(const struct example *example, size_t first, size_t second)
{
	struct unix_eol eol = { 0 };
	struct buf out;
	bool fits = true;
	size_t done = 0;

	buf_init(&out, 100);
	for (size_t i = 0; i < 3 && fits; i++) {
		const struct unix_eol before = eol;
		const size_t len = out.len;

		fits = unix_eol_put(&eol, piece(example->mail, first, second, i), &out);
		if (fits) {
			done += piece(example->mail, first, second, i).len;
			continue;
		}
		assert_int_equal(eol.last_cr, before.last_cr);
		assert_int_equal(out.len, len);
	}
	assert_int_equal(fits, example->file != NULL);
	if (fits) {
		unix_eol_put_end(&eol, &out);
		assert_string_equal(buf_text(&out), example->file);
	} else { /* what was written before is the front of the mail */
		struct unix_eol back = { 0 };
		struct buf again;

		buf_init(&again, 100);
		unix_eol_get(&back, buf_span(&out), &again);
		unix_eol_put_end(&eol, &again);
		assert_true(
			span_equal(buf_span(&again), span_sub(span_of(example->mail), 0, done)));
		buf_release(&again);
	}
	buf_release(&out);
}

static void check_get(const char *file, const char *mail, size_t first, size_t second)
{
	struct unix_eol eol = { 0 }, count = { 0 };
	struct buf out;
	uint64_t added = 0;

	buf_init(&out, 100);
	for (size_t i = 0; i < 3; i++) {
		unix_eol_get(&eol, piece(file, first, second, i), &out);
		added += unix_eol_count(&count, piece(file, first, second, i));
	}
	assert_string_equal(buf_text(&out), mail);
	assert_int_equal(strlen(file) + added, strlen(mail));
	buf_release(&out);
}

static void test_examples(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(examples); i++) {
		const size_t len = strlen(examples[i].mail);

		for (size_t first = 0; first <= len; first++) {
			for (size_t second = 0; first + second <= len; second++) {
				check_put(&examples[i], first, second);
				if (examples[i].file != NULL)
					check_get(
						examples[i].file, examples[i].mail, first, second);
			}
		}
	}
}

/* Kept with its CRLFs, it comes back too. */
static void test_kept(void **state)
{
	(void)state;
	check_get("a\r\r\nb\r\n", "a\r\r\nb\r\n", 2, 1);
	check_get("a\nb\r\nc\n", "a\r\nb\r\nc\r\n", 3, 2);
}

/* Every text of six octets of these: either it comes back exactly, or it is refused. */
static void test_all(void **state)
{
	static const char letters[] = "x\r\n";
	char text[7] = { 0 };

	(void)state;
	for (unsigned number = 0; number < 729; number++) {
		struct unix_eol put = { 0 }, get = { 0 };
		struct buf file, mail;
		unsigned rest = number;

		for (size_t i = 0; i < 6; i++, rest /= 3)
			text[i] = letters[rest % 3];
		buf_init(&file, 100);
		buf_init(&mail, 100);
		if (unix_eol_put(&put, span_of(text), &file)) {
			unix_eol_put_end(&put, &file);
			unix_eol_get(&get, buf_span(&file), &mail);
			assert_string_equal(buf_text(&mail), text);
		}
		buf_release(&file);
		buf_release(&mail);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
