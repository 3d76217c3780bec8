/* When a message arrived, by its header. */
#include "mail/arrival.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_arrival(void **state)
{
	static const struct {
		const char *header;
		int64_t instant;
	} rows[] = {
		{ "Date: Thu, 1 Jan 1970 00:01:40 +0000\r\n", 100 },
		{ "Received: from x by y; Thu, 1 Jan 1970 01:03:20 +0100\r\n"
		  "Received: from z; Thu, 1 Jan 1970 00:01:40 +0000\r\n"
		  "Date: Thu, 1 Jan 1970 00:00:10 +0000\r\n",
			200 },
		/* folded, bare LF, a ';' in a comment before the date */
		{ "received: from x\n\tby y (a; b)\n ;\n Thu, 1 Jan 1970 00:03:20 +0000\n", 200 },
		/* one without a date is passed over */
		{ "Date: Thu, 1 Jan 1970 00:00:10 +0000\r\nReceived: from x\r\n"
		  "Received: y; Thu, 1 Jan 1970 00:01:40 +0000\r\n",
			100 },
		{ "Date: nonsense\r\nDate: Thu, 1 Jan 1970 00:00:10 +0000\r\n", 10 },
		{ "X-Received: y; Thu, 1 Jan 1970 00:01:40 +0000\r\nSubject: Date: x\r\n",
			DATE_UNKNOWN },
		{ "Subject: x\r\n\r\nDate: Thu, 1 Jan 1970 00:00:10 +0000\r\n", DATE_UNKNOWN },
		{ "", DATE_UNKNOWN },
		{ "no header at all", DATE_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++)
		assert_true(arrival_date(span_of(rows[i].header)).instant == rows[i].instant);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_arrival) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
