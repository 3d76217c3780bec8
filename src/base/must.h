/*
 * GNU attributes under short names; the only place that spells them.
 *
 * Owner: nobody. Lifetime: none. Threads: any.
 *
 *	int mailbox_open(struct box *box, struct err *err) MUST_CHECK;
 */
#ifndef BASE_MUST_H
#define BASE_MUST_H

#define MUST_CHECK __attribute__((warn_unused_result))
#define MUST_FORMAT(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_NOT_RETURN __attribute__((noreturn))
#define NEVER_NULL __attribute__((returns_nonnull))
#define MUST_USE_LATER __attribute__((unused))

#define countof(array) (sizeof(array) / sizeof((array)[0]))

#endif
