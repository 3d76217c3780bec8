/* What responses say about the session: capabilities, what is enabled, who the server is, the selected mailbox. */
#include "imap/imap_parts.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

static const struct capability {
	const char *name;
	unsigned bit;
} capabilities[] = {
	{ "IMAP4rev1", IMAP_CAP_REV1 },
	{ "IMAP4rev2", IMAP_CAP_REV2 },
	{ "LITERAL+", IMAP_CAP_LITERAL_PLUS },
	{ "LITERAL-", IMAP_CAP_LITERAL_MINUS },
	{ "MULTIAPPEND", IMAP_CAP_MULTIAPPEND },
	{ "UIDPLUS", IMAP_CAP_UIDPLUS },
	{ "CONDSTORE", IMAP_CAP_CONDSTORE },
	{ "QRESYNC", IMAP_CAP_QRESYNC },
	{ "ESEARCH", IMAP_CAP_ESEARCH },
	{ "LIST-EXTENDED", IMAP_CAP_LIST_EXTENDED },
	{ "LIST-STATUS", IMAP_CAP_LIST_STATUS },
	{ "SPECIAL-USE", IMAP_CAP_SPECIAL_USE },
	{ "CREATE-SPECIAL-USE", IMAP_CAP_CREATE_SPECIAL_USE },
	{ "NAMESPACE", IMAP_CAP_NAMESPACE },
	{ "ID", IMAP_CAP_ID },
	{ "ENABLE", IMAP_CAP_ENABLE },
	{ "UTF8=ACCEPT", IMAP_CAP_UTF8_ACCEPT },
	{ "UTF8=ONLY", IMAP_CAP_UTF8_ACCEPT }, /* RFC 6855 §6: implies UTF8=ACCEPT */
	{ "COMPRESS=DEFLATE", IMAP_CAP_COMPRESS },
	{ "MOVE", IMAP_CAP_MOVE },
	{ "UNSELECT", IMAP_CAP_UNSELECT },
	{ "STATUS=SIZE", IMAP_CAP_STATUS_SIZE },
	{ "OBJECTID", IMAP_CAP_OBJECTID },
	{ "APPENDLIMIT", IMAP_CAP_APPENDLIMIT },
	{ "INPROGRESS", IMAP_CAP_INPROGRESS },
	{ "QUOTA", IMAP_CAP_QUOTA },
	{ "IDLE", IMAP_CAP_IDLE },
	{ "SASL-IR", IMAP_CAP_SASL_IR },
	{ "XLIST", IMAP_CAP_XLIST },
	{ "X-GM-EXT-1", IMAP_CAP_GMAIL },
	{ "LOGINDISABLED", IMAP_CAP_SASL_NONE },
	{ "STARTTLS", IMAP_CAP_STARTTLS },
};

/* What one capability brings along: RFC 7162 §3.2.3, and RFC 9051 appendix E for servers that are IMAP4rev2 from the start. */
#define QRESYNC_IMPLIES (IMAP_CAP_CONDSTORE | IMAP_CAP_ENABLE)
#define REV2_IMPLIES                                                                          \
	(IMAP_CAP_NAMESPACE | IMAP_CAP_UNSELECT | IMAP_CAP_UIDPLUS | IMAP_CAP_ESEARCH |       \
		IMAP_CAP_ENABLE | IMAP_CAP_IDLE | IMAP_CAP_SASL_IR | IMAP_CAP_LIST_EXTENDED | \
		IMAP_CAP_LIST_STATUS | IMAP_CAP_MOVE | IMAP_CAP_LITERAL_MINUS |               \
		IMAP_CAP_STATUS_SIZE)

/* Kept whole and separately allocated, so that a server that repeats itself costs nothing. */
static void text_set(char **text, struct span value)
{
	mem_free(*text);
	*text = mem_alloc(value.len + 1);
	if (value.len > 0)
		memcpy(*text, value.data, value.len);
}

static void words_copy(struct arena *arena, const struct imap_words *from, struct imap_words *to)
{
	*to = (struct imap_words){ .word = arena_array(arena, from->count, sizeof(*to->word)),
		.count = from->count };
	for (size_t i = 0; i < from->count; i++)
		to->word[i] =
			from->word[i].data ? arena_span(arena, from->word[i]) : (struct span){ 0 };
}

bool imap_is_disabled(const struct imap *imap, struct span name)
{
	const char *at = imap->disabled ? imap->disabled : "";

	while (*at) {
		const size_t len = strcspn(at, " ,");

		if (len > 0 && span_equal_nocase(span_make(at, len), name))
			return true;
		at += len + strspn(at + len, " ,");
	}
	return false;
}

static unsigned capability_bit(struct span word)
{
	for (size_t i = 0; i < countof(capabilities); i++)
		if (span_equal_nocase(word, span_of(capabilities[i].name)))
			return capabilities[i].bit;
	return 0;
}

/* Works the bits out again: after an announcement, and when what is disabled changed. */
static void caps_judge(struct imap *imap)
{
	const struct imap_words *words = &imap->capabilities;
	unsigned caps = 0;

	imap->append_limit = 0;
	for (size_t i = 0; i < words->count; i++) {
		const struct span word = words->word[i];

		caps |= capability_bit(word);
		/* RFC 7889 §3: the limit of all mailboxes; without a figure each has its own. */
		if (span_starts_nocase(word, SPAN("APPENDLIMIT=")) &&
			span_u64(span_from(word, 12), &imap->append_limit))
			caps |= IMAP_CAP_APPENDLIMIT;
	}
	if (caps & IMAP_CAP_QRESYNC)
		caps |= QRESYNC_IMPLIES;
	if ((caps & IMAP_CAP_REV2) && !(caps & IMAP_CAP_REV1))
		caps |= REV2_IMPLIES;
	for (size_t i = 0; i < countof(capabilities); i++)
		if (imap_is_disabled(imap, span_of(capabilities[i].name)))
			caps &= ~capabilities[i].bit;
	if (!(caps & IMAP_CAP_APPENDLIMIT))
		imap->append_limit = 0;
	imap->caps = caps & ~imap->given_up;
}

static void quirk_judge(struct imap *imap)
{
	imap->quirk = imap_quirk_find(span_of(imap->greeting), &imap->capabilities, &imap->id);
}

static void note_capabilities(struct imap *imap, const struct imap_words *words)
{
	arena_clear(imap->offer);
	words_copy(imap->offer, words, &imap->capabilities);
	imap->told = true;
	caps_judge(imap);
	quirk_judge(imap);
}

static void note_id(struct imap *imap, const struct imap_words *words)
{
	arena_clear(imap->about);
	words_copy(imap->about, words, &imap->id);
	quirk_judge(imap);
}

void imap_note_greeting(struct imap *imap, struct span text)
{
	text_set(&imap->greeting, span_sub(text, 0, 1000));
	quirk_judge(imap);
}

void imap_disable(struct imap *imap, const char *names)
{
	mem_free(imap->disabled);
	imap->disabled = names ? mem_strdup(names) : NULL;
	caps_judge(imap);
}

void imap_forget(struct imap *imap)
{
	mem_free(imap->greeting);
	imap->greeting = NULL;
	arena_clear(imap->about);
	arena_clear(imap->offer);
	imap->id = imap->capabilities = (struct imap_words){ 0 };
	imap->caps = imap->given_up = 0;
	imap->append_limit = 0;
	imap->told = imap->utf8 = imap->condstore = imap->qresync = false;
	quirk_judge(imap);
	imap_selected_reset(imap);
}

static void note_enabled(struct imap *imap, const struct imap_words *words)
{
	for (size_t i = 0; i < words->count; i++) {
		imap->utf8 |= span_equal_nocase(words->word[i], SPAN("UTF8=ACCEPT"));
		imap->condstore |= span_equal_nocase(words->word[i], SPAN("CONDSTORE"));
		imap->qresync |= span_equal_nocase(words->word[i], SPAN("QRESYNC"));
	}
	imap->condstore |= imap->qresync; /* RFC 7162 §3.2.3 */
}

void imap_selected_reset(struct imap *imap)
{
	mem_free(imap->selected.name);
	mem_free(imap->selected.permanent_flags);
	mem_free(imap->selected.mailboxid);
	imap->selected = (struct imap_selected){ 0 };
}

static void note_permanent_flags(struct imap_selected *selected, const struct imap_words *words)
{
	size_t len = 0;

	for (size_t i = 0; i < words->count; i++)
		len += words->word[i].len + 1;
	mem_free(selected->permanent_flags);
	selected->permanent_flags = mem_alloc(len + 1);
	selected->any_keyword = false;

	char *at = selected->permanent_flags;
	for (size_t i = 0; i < words->count; i++) {
		const struct span word = words->word[i];

		if (span_equal(word, SPAN("\\*"))) {
			selected->any_keyword = true;
			continue;
		}
		if (word.len == 0)
			continue;
		if (at > selected->permanent_flags)
			*at++ = ' ';
		memcpy(at, word.data, word.len);
		at += word.len;
	}
}

/* RFC 8474 §4: MAILBOXID "(" objectid ")" */
static void note_mailboxid(struct imap_selected *selected, struct span text)
{
	text = span_trim(text);
	if (span_starts(text, SPAN("(")) && span_ends(text, SPAN(")")))
		text = span_sub(text, 1, text.len - 2);
	text_set(&selected->mailboxid, text);
}

static void note_code(struct imap *imap, const struct imap_code *code)
{
	struct imap_selected *selected = &imap->selected;

	switch ((int)code->type) { /* the others are no news about the session */
	case IMAP_CODE_CAPABILITY:
		note_capabilities(imap, &code->words);
		break;
	case IMAP_CODE_CLOSED: /* RFC 7162 §3.2.11: what follows is about the mailbox being opened */
		imap_selected_reset(imap);
		break;
	case IMAP_CODE_READ_ONLY:
		selected->read_only = true;
		break;
	case IMAP_CODE_READ_WRITE:
		selected->read_only = false;
		break;
	case IMAP_CODE_UIDVALIDITY:
		selected->uidvalidity = code->number;
		break;
	case IMAP_CODE_UIDNEXT:
		selected->uidnext = code->number;
		break;
	case IMAP_CODE_HIGHESTMODSEQ:
		selected->highestmodseq = code->modseq;
		break;
	case IMAP_CODE_NOMODSEQ:
		selected->highestmodseq = 0;
		break;
	case IMAP_CODE_PERMANENTFLAGS:
		note_permanent_flags(selected, &code->words);
		break;
	case IMAP_CODE_MAILBOXID:
		note_mailboxid(selected, code->text);
		break;
	case IMAP_CODE_UIDNOTSTICKY:
		selected->uid_not_sticky = true;
		break;
	}
}

/* Fewer messages; a server that removes more than there are is not believed. */
static void note_removed(struct imap_selected *selected, uint64_t count)
{
	selected->exists = count < selected->exists ? selected->exists - (uint32_t)count : 0;
}

void imap_note(struct imap *imap, const struct imap_event *event)
{
	switch (event->type) {
	case IMAP_TAGGED:
	case IMAP_STATUS_LINE:
		note_code(imap, &event->code);
		break;
	case IMAP_CAPABILITY:
		note_capabilities(imap, &event->words);
		break;
	case IMAP_ENABLED:
		note_enabled(imap, &event->words);
		break;
	case IMAP_ID:
		note_id(imap, &event->words);
		break;
	case IMAP_EXISTS:
		imap->selected.exists = event->number;
		imap->selected.counted = true;
		break;
	case IMAP_EXPUNGE:
		note_removed(&imap->selected, 1);
		break;
	case IMAP_VANISHED:
		if (!event->search.earlier)
			note_removed(&imap->selected, uidset_size(&event->search.set));
		break;
	case IMAP_CONTINUE:
	case IMAP_LIST:
	case IMAP_STATUS:
	case IMAP_SEARCH:
	case IMAP_FLAGS:
	case IMAP_RECENT:
	case IMAP_FETCH:
	case IMAP_NAMESPACE:
	case IMAP_QUOTA:
	case IMAP_QUOTAROOT:
	case IMAP_UNKNOWN:
		break;
	}
}

bool imap_has(const struct imap *imap, enum imap_cap cap)
{
	return (imap->caps & (unsigned)cap) != 0;
}

bool imap_offers(const struct imap *imap, const char *name)
{
	const struct imap_words *words = &imap->capabilities;

	for (size_t i = 0; i < words->count; i++)
		if (span_equal_nocase(words->word[i], span_of(name)))
			return !imap_is_disabled(imap, span_of(name));
	return false;
}

const struct imap_words *imap_capabilities(const struct imap *imap)
{
	return &imap->capabilities;
}

uint64_t imap_append_limit(const struct imap *imap)
{
	return imap->append_limit;
}

bool imap_utf8(const struct imap *imap)
{
	return imap->utf8;
}

bool imap_qresync(const struct imap *imap)
{
	return imap->qresync && imap_has(imap, IMAP_CAP_QRESYNC);
}

bool imap_condstore(const struct imap *imap)
{
	return imap->condstore && imap_has(imap, IMAP_CAP_CONDSTORE);
}

size_t imap_line_max(const struct imap *imap)
{
	return imap->quirk.line_max;
}

const struct imap_quirk *imap_quirk(const struct imap *imap)
{
	return &imap->quirk;
}

const struct imap_selected *imap_selected(const struct imap *imap)
{
	return &imap->selected;
}

void imap_give_up(struct imap *imap, enum imap_cap cap)
{
	if (imap->given_up & (unsigned)cap)
		return;
	for (size_t i = 0; i < countof(capabilities); i++) {
		if (capabilities[i].bit != (unsigned)cap)
			continue;
		log_info("the server announces %s and refuses it: going on without",
			capabilities[i].name);
		break;
	}
	imap->given_up |= (unsigned)cap;
	imap->caps &= ~(unsigned)cap;
}
