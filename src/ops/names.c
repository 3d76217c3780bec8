/* Which mailbox goes where. */
#include "ops/names.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/regex.h"
#include "base/text.h"
#include "mail/mailbox_name.h"
#include "ops/automap.h"
#include "ops/name_map.h"
#include "ops/select.h"

struct names {
	struct arena *arena;
	const struct settings *settings;
	struct name_map *map; /* NULL = no --map */
	struct rewrite **rename;
	size_t rename_count;
};

/* A source mailbox on its way. */
struct route {
	const struct mailbox_info *src;
	const char *name; /* so far */
	bool mapped, renamed;
	/* the source location's own mailbox, which goes to the destination location's own */
	bool is_root;
};

static bool is_text(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static int check_name(const char *option, const char *name, struct err *err)
{
	const char *problem = name != NULL ? name_problem(span_of(name)) : NULL;
	char shown[TEXT_SHOWN];

	if (problem == NULL)
		return 0;
	text_shown(span_of(name), shown);
	return err_set_kind(
		err, ERR_LOCAL, ERR_KIND_USAGE, "%s \"%s\": %s", option, shown, problem);
}

/* "P/" is P. */
static struct span without_slash(const char *prefix)
{
	struct span span = span_of(prefix);

	if (span.len > 1 && span_ends(span, SPAN("/")))
		span.len--;
	return span;
}

static int read_settings(struct names *names, struct err *err)
{
	const struct settings *settings = names->settings;

	if (settings->map_file != NULL) {
		names->map = name_map_read(settings->map_file, names->arena, err);
		if (names->map == NULL)
			return -1;
	}
	names->rename =
		arena_array(names->arena, settings->rename.count + 1, sizeof(struct rewrite *));
	for (size_t i = 0; i < settings->rename.count; i++) {
		struct rewrite *rewrite = rewrite_new(settings->rename.item[i], err);

		if (rewrite == NULL)
			return err_wrap(err, "--rename");
		names->rename[names->rename_count++] = rewrite;
	}
	if (settings->strip_prefix != NULL &&
		check_name("--strip-prefix",
			arena_text(names->arena, without_slash(settings->strip_prefix)), err) < 0)
		return -1;
	if (check_name("--root", settings->root, err) < 0)
		return -1;
	return check_name("--into", settings->into, err);
}

struct names *names_new(const struct settings *settings, struct err *err)
{
	struct names *names = mem_alloc(sizeof(*names));

	names->arena = arena_new();
	names->settings = settings;
	if (read_settings(names, err) == 0)
		return names;
	names_free(names);
	return NULL;
}

void names_free(struct names *names)
{
	if (names == NULL)
		return;
	for (size_t i = 0; i < names->rename_count; i++)
		rewrite_free(names->rename[i]);
	name_map_free(names->map);
	arena_free(names->arena);
	mem_free(names);
}

/* The name below the root; "" for the root itself, NULL when it is elsewhere. INBOX as a level is written in any case. */
static const char *below(struct span root, const char *name)
{
	struct span whole = span_of(name);
	bool same = span_equal_nocase(root, SPAN("INBOX")) ? span_starts_nocase(whole, root)
							   : span_starts(whole, root);

	if (!same)
		return NULL;
	if (whole.len == root.len)
		return name + root.len;
	return name[root.len] == '/' ? name + root.len + 1 : NULL;
}

/* ROOT/NAME. INBOX below INBOX would be another mailbox that nobody asked for. */
static const char *join(const char *root, const char *name, struct arena *arena)
{
	if (!is_text(root))
		return name;
	if (mailbox_is_inbox(root) && mailbox_is_inbox(name))
		return "INBOX";
	return arena_print(arena, "%s/%s", name_canonical(root), name);
}

/* --map and --rename. -1 when --rename makes an impossible name. */
static int start_route(const struct names *names, const struct mailbox_info *mailbox,
	struct arena *arena, struct route *out, struct err *err)
{
	const char *mapped =
		names->map != NULL ? name_map_find(names->map, mailbox->name, arena) : NULL;
	char from[TEXT_SHOWN], to[TEXT_SHOWN];
	const char *problem;

	mapped = arena_strdup(arena, mapped); /* the result outlives the map */
	*out = (struct route){ .src = mailbox,
		.name = mapped != NULL ? mapped : mailbox->name,
		.mapped = mapped != NULL };
	for (size_t i = 0; i < names->rename_count && mapped == NULL; i++)
		out->name = rewrite_apply(names->rename[i], arena, out->name);
	out->renamed = mapped == NULL && strcmp(out->name, mailbox->name) != 0;
	problem = out->renamed ? name_problem(span_of(out->name)) : NULL;
	if (problem == NULL) {
		out->name = name_canonical(out->name);
		return 0;
	}
	text_shown(span_of(mailbox->name), from);
	text_shown(span_of(out->name), to);
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"--rename makes \"%s\" of mailbox \"%s\": %s", to, from, problem);
}

/* All but --map and --rename. */
static const char *end_route(const struct names *names, const struct name_request *request,
	const struct automap *automap, const struct route *route, struct arena *arena)
{
	const struct settings *settings = names->settings;
	const char *name = route->name, *rest = NULL, *special = NULL;

	if (route->mapped)
		return join(request->dst_root, name, arena);
	if (settings->into != NULL)
		return join(request->dst_root, name_canonical(settings->into), arena);
	if (automap != NULL && !route->is_root)
		special = automap_find(automap, name, arena);
	if (special != NULL)
		name = special;
	/* Between two locations that name a mailbox each, the one becomes the other. */
	if (is_text(request->dst_root) && is_text(request->src_root))
		rest = below(span_of(request->src_root), name);
	if (rest != NULL && rest[0] == '\0' && !is_text(settings->root))
		return name_canonical(request->dst_root);
	if (rest != NULL && rest[0] != '\0')
		name = rest;
	if (settings->strip_prefix != NULL) {
		rest = below(without_slash(settings->strip_prefix), name);
		if (rest != NULL && rest[0] != '\0')
			name = name_canonical(rest);
	}
	return join(request->dst_root, join(settings->root, name, arena), arena);
}

bool names_are_below(const struct settings *settings, const char *dst_root, const char *name,
	struct arena *arena)
{
	const char *root = dst_root, *rest;

	if (is_text(settings->root))
		root = join(dst_root, name_canonical(settings->root), arena);
	if (!is_text(root))
		return true;
	rest = below(span_of(root), name);
	return rest != NULL && rest[0] != '\0';
}

static bool is_noselect(const struct mailbox_info *mailbox)
{
	return mailbox->noselect || mailbox->nonexistent;
}

/* What --automap makes of these routes; NULL without the option. Memory of the arena. */
static struct automap *make_automap(const struct names *names, const struct name_request *request,
	const struct route *routes, size_t count, struct arena *arena)
{
	struct automap_source *sources;
	struct automap_request automap = { .dst = request->dst };

	if (!names->settings->automap || names->settings->into != NULL)
		return NULL;
	sources = arena_array(arena, count + 1, sizeof(*sources));
	for (size_t i = 0; i < count; i++) {
		const struct route *route = &routes[i];

		if (route->mapped || route->is_root || is_noselect(route->src))
			continue;
		/* Who renames a mailbox says what it is: by its new name, not by its special use. */
		sources[automap.count++] = (struct automap_source){ route->name,
			route->renamed ? STORE_USE_NONE : route->src->use };
	}
	automap.src = sources;
	if (is_text(request->dst_root) && is_text(names->settings->root))
		automap.dst_root =
			arena_print(arena, "%s/%s", request->dst_root, names->settings->root);
	else
		automap.dst_root =
			is_text(request->dst_root) ? request->dst_root : names->settings->root;
	return automap_new(&automap, arena);
}

static bool is_wanted(const struct name_request *request, const struct settings *settings,
	const struct mailbox_info *mailbox)
{
	if (is_text(request->src_root) && below(span_of(request->src_root), mailbox->name) == NULL)
		return false;
	if (is_noselect(mailbox))
		return settings->into == NULL;
	return request->select == NULL || select_mailbox(request->select, mailbox, request->gmail);
}

/* Whether this is the mailbox of the source's location, and the destination's names one too. */
static bool is_location_root(const struct name_request *request, const struct mailbox_info *mailbox)
{
	const char *rest;

	if (!is_text(request->src_root) || !is_text(request->dst_root))
		return false;
	rest = below(span_of(request->src_root), mailbox->name);
	return rest != NULL && rest[0] == '\0';
}

/* The source mailboxes of a run. */
static int make_routes(const struct names *names, const struct name_request *request,
	struct arena *arena, struct route **out, size_t *count_out, struct err *err)
{
	struct route *routes = arena_array(arena, request->src->count + 1, sizeof(*routes));
	size_t count = 0;

	for (size_t i = 0; i < request->src->count; i++) {
		const struct mailbox_info *mailbox = &request->src->mailbox[i];
		struct route *route = &routes[count];

		if (!is_wanted(request, names->settings, mailbox))
			continue;
		if (start_route(names, mailbox, arena, route, err) < 0)
			return -1;
		route->is_root = is_location_root(request, mailbox);
		count++;
	}
	*out = routes;
	*count_out = count;
	return 0;
}

const char *names_apply(const struct names *names, const struct name_request *request,
	const struct mailbox_info *mailbox, struct arena *arena)
{
	struct route *routes, route;
	size_t count = 0;
	struct automap *automap = NULL;

	if (start_route(names, mailbox, arena, &route, NULL) < 0)
		return NULL;
	route.is_root = is_location_root(request, mailbox);
	if (names->settings->automap &&
		make_routes(names, request, arena, &routes, &count, NULL) == 0)
		automap = make_automap(names, request, routes, count, arena);
	return end_route(names, request, automap, &route, arena);
}

static int refuse_meeting(const struct settings *settings, const struct name_pair *a,
	const struct name_pair *b, struct err *err)
{
	char first[TEXT_SHOWN], second[TEXT_SHOWN], target[TEXT_SHOWN];

	text_shown(span_of(a->src->name), first);
	text_shown(span_of(b->src->name), second);
	text_shown(span_of(b->dst), target);
	return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
		"mailboxes \"%s\" and \"%s\" would both go to \"%s\": give one another name with "
		"--map or --rename%s",
		first, second, target,
		settings_extra(settings)
			? "; with --delete-extra (mirror) two mailboxes cannot meet"
			: ", or let them meet with --merge");
}

/* Two sources with one target. */
static int find_meetings(const struct settings *settings, struct name_pair *pairs, size_t count,
	struct arena *arena, struct err *err)
{
	struct map *targets;
	int rc = 0;

	/* With --delete-extra each source would take the others' messages for extra. */
	if ((settings->merge || settings->into != NULL) && !settings_extra(settings))
		return 0;
	targets = map_new(arena);
	for (size_t i = 0; i < count && rc == 0; i++) {
		const struct name_pair *other;

		if (pairs[i].noselect)
			continue;
		other = map_set(targets, span_of(pairs[i].dst), &pairs[i]);
		if (other != NULL)
			rc = refuse_meeting(settings, other, &pairs[i], err);
	}
	map_free(targets);
	return rc;
}

/* Says once of each name that another differs from it only in case or Unicode form. */
static void log_twin(struct map *folded, const char *name, bool talk, struct arena *arena)
{
	struct span key = span_of(mailbox_fold(name, arena));
	const char *other = map_find(folded, key);

	if (other == NULL)
		map_set(folded, key, (void *)(uintptr_t)name);
	else if (talk && strcmp(other, name) != 0)
		log_warn("mailboxes \"%s\" and \"%s\" differ only in case or Unicode form: kept "
			 "apart if the destination can",
			other, name);
}

static void log_twins(const struct name_request *request, const struct name_pair *pairs,
	size_t count, struct arena *arena)
{
	struct map *folded = map_new(arena), *seen = map_new(arena);

	for (size_t i = 0; i < request->dst->count;
		i++) /* what is there already is its owner's affair */
		log_twin(folded, request->dst->mailbox[i].name, false, arena);
	for (size_t i = 0; i < count; i++) {
		if (!pairs[i].noselect && map_set(seen, span_of(pairs[i].dst),
						  (void *)(uintptr_t)pairs[i].dst) == NULL)
			log_twin(folded, pairs[i].dst, pairs[i].existing == NULL, arena);
	}
	map_free(seen);
	map_free(folded);
}

static int compare_pairs(const void *a, const void *b)
{
	const struct name_pair *x = a, *y = b;

	return strcmp(x->src->name, y->src->name);
}

static struct map *existing_names(const struct mailbox_list *list, struct arena *arena)
{
	struct map *map = map_new(arena);

	for (size_t i = 0; i < list->count; i++)
		map_set(map, span_of(list->mailbox[i].name), &list->mailbox[i]);
	return map;
}

int names_pairs(const struct names *names, const struct name_request *request, struct arena *arena,
	struct name_pair **out, size_t *count_out, struct err *err)
{
	struct route *routes;
	struct automap *automap;
	struct name_pair *pairs;
	struct map *existing;
	size_t count;

	if (make_routes(names, request, arena, &routes, &count, err) < 0)
		return -1;
	automap = make_automap(names, request, routes, count, arena);
	pairs = arena_array(arena, count + 1, sizeof(*pairs));
	existing = existing_names(request->dst, arena);
	for (size_t i = 0; i < count; i++) {
		struct name_pair *pair = &pairs[i];

		pair->src = routes[i].src;
		pair->noselect = is_noselect(pair->src);
		pair->dst = end_route(names, request, automap, &routes[i], arena);
		pair->existing = map_find(existing, span_of(pair->dst));
		if (pair->existing != NULL && is_noselect(pair->existing) && !pair->noselect)
			pair->existing = NULL; /* CREATE makes it a mailbox (RFC 3501 §6.3.3) */
	}
	map_free(existing);
	qsort(pairs, count, sizeof(*pairs), compare_pairs);
	if (find_meetings(names->settings, pairs, count, arena, err) < 0)
		return -1;
	log_twins(request, pairs, count, arena);
	*out = pairs;
	*count_out = count;
	return 0;
}
