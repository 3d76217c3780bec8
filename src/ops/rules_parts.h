/* What rules_parse.c makes and rules.c asks: see rules.h. Owner: the rules; everything but the expressions is memory of their arena. Threads: any, immutable once parsed. */
#ifndef OPS_RULES_PARTS_H
#define OPS_RULES_PARTS_H

#include "ops/rules.h"

struct regex;

enum condition_kind {
	CONDITION_HEADER, /* name, regex */
	CONDITION_SIZE, /* order, number */
	CONDITION_DATE, /* order, instant: of the Date header */
	CONDITION_ARRIVED, /* … of INTERNALDATE; with a regex: its text */
	CONDITION_FLAG, /* name, wanted */
	CONDITION_SEARCH, /* number: which search */
};

struct condition {
	enum condition_kind kind;
	char order; /* '<', '>', '=' */
	bool wanted;
	const char *name;
	struct regex *regex;
	uint64_t number;
	int64_t instant;
};

struct rule_full {
	struct rule rule;
	const char **source; /* names, or globs in a block */
	size_t sources;
	struct condition *condition;
	size_t conditions;
	bool any, globs;
};

struct rules {
	struct arena *arena;
	struct rule_full *rule;
	size_t count;
	const char **field, **search;
	size_t *search_rule; /* whose search it is */
	struct rule_place **place;
	size_t fields, searches, places;
	const char *under; /* rules_under(), or NULL */
};

#endif
