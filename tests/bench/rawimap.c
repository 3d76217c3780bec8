/*
 * The raw ceiling: copies an account from one IMAP server to another with everything pipelined and nothing checked.
 * One FETCH of everything in a mailbox, one MULTIAPPEND stream with LITERAL+ for it, both overlapped. No state, no
 * comparison, no repair: what no real program can beat by much on the same servers.
 *
 *	rawimap copy|fetch|append SRC-PORT DST-PORT USER PASSWORD CONNECTIONS
 *
 * "fetch" throws the messages away, "append" reads them first and measures only the sending. Prints one JSON line.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 20, MAX_BOXES = 4096, NAME_MAX_LEN = 1024 };

/* One side of one lane: a socket with a buffer for reading and one for writing. */
struct side {
	int fd;
	size_t start, end, out;
	char *in, *pending;
};

/* Messages kept in memory by "append": what would have been written to the destination. */
struct store {
	char *data;
	size_t used, room;
};

struct job {
	const char *mode, *user, *password;
	int src_port, dst_port;
	char (*boxes)[NAME_MAX_LEN];
	size_t count, next;
	pthread_mutex_t lock;
	uint64_t messages, bytes;
	struct store *kept;
};

static void die(const char *what)
{
	fprintf(stderr, "rawimap: %s\n", what);
	exit(1);
}

static void *allocate(size_t size)
{
	void *p = malloc(size);

	if (!p)
		die("no memory");
	return p;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void flush(struct side *side)
{
	size_t done = 0;

	while (done < side->out) {
		ssize_t n = write(side->fd, side->pending + done, side->out - done);

		if (n <= 0)
			die("write failed");
		done += (size_t)n;
	}
	side->out = 0;
}

static void put(struct side *side, const char *data, size_t len)
{
	while (len > 0) {
		size_t part = BUFFER - side->out < len ? BUFFER - side->out : len;

		memcpy(side->pending + side->out, data, part);
		side->out += part;
		data += part;
		len -= part;
		if (side->out == BUFFER)
			flush(side);
	}
}

static void say(struct side *side, const char *fmt, ...)
{
	char line[2 * NAME_MAX_LEN];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(line))
		die("line too long");
	put(side, line, (size_t)len);
}

/* Reads more; what is unread moves to the front when the end of the buffer is reached. */
static void fill(struct side *side)
{
	ssize_t n;

	if (side->start == side->end) {
		side->start = side->end = 0;
	} else if (side->end == BUFFER) {
		if (side->start == 0)
			die("line too long");
		memmove(side->in, side->in + side->start, side->end - side->start);
		side->end -= side->start;
		side->start = 0;
	}
	n = read(side->fd, side->in + side->end, BUFFER - side->end);
	if (n <= 0)
		die("connection lost");
	side->end += (size_t)n;
}

/* One line without its end; valid until the next read. */
static char *read_line(struct side *side)
{
	size_t seen = 0;

	for (;;) {
		char *from = side->in + side->start;
		char *end = memchr(from + seen, '\n', side->end - side->start - seen);

		if (end) {
			side->start += (size_t)(end - from) + 1;
			*end = '\0';
			if (end > from && end[-1] == '\r')
				end[-1] = '\0';
			return from;
		}
		seen = side->end - side->start;
		fill(side);
	}
}

/* Reads up to a tagged answer, which has to be OK unless `any`. */
static void expect(struct side *side, const char *tag, bool any)
{
	size_t len = strlen(tag);
	char *line;

	do
		line = read_line(side);
	while (strncmp(line, tag, len) || line[len] != ' ');
	if (!any && strncmp(line + len + 1, "OK", 2))
		die(line);
}

static struct side *side_open(int port, const struct job *job)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct side *side = allocate(sizeof(*side));
	int one = 1;

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	memset(side, 0, sizeof(*side));
	side->in = allocate(BUFFER);
	side->pending = allocate(BUFFER);
	side->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (side->fd < 0 || connect(side->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		die("cannot connect");
	setsockopt(side->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	read_line(side);
	say(side, "L LOGIN %s \"%s\"\r\n", job->user, job->password);
	flush(side);
	expect(side, "L", false);
	return side;
}

static void side_close(struct side *side)
{
	say(side, "Z LOGOUT\r\n");
	flush(side);
	expect(side, "Z", true);
	close(side->fd);
	free(side->in);
	free(side->pending);
	free(side);
}

/* The mailboxes' names, as the server wrote them. */
static void list_boxes(struct side *side, struct job *job)
{
	char *line;

	job->boxes = allocate(MAX_BOXES * sizeof(*job->boxes));
	say(side, "A LIST \"\" \"*\"\r\n");
	flush(side);
	while (strncmp(line = read_line(side), "A ", 2)) {
		char *name = strstr(line, ") \"/\" ");

		if (!name || strstr(line, "\\Noselect") || job->count == MAX_BOXES ||
			strlen(name) >= NAME_MAX_LEN)
			continue;
		strcpy(job->boxes[job->count++], name + 6);
	}
}

/* Copies between "FLAGS (" and ")" without \Recent. */
static void copy_flags(const char *line, char *out, size_t room)
{
	const char *from = strstr(line, "FLAGS (");
	const char *end = from ? strchr(from, ')') : NULL;
	char *recent;

	out[0] = '\0';
	if (!end || (size_t)(end - from) >= room)
		return;
	from += 7;
	memcpy(out, from, (size_t)(end - from));
	out[end - from] = '\0';
	recent = strstr(out, "\\Recent");
	if (recent)
		memmove(recent, recent + 7 + (recent[7] == ' '),
			strlen(recent + 7 + (recent[7] == ' ')) + 1);
}

static void keep(struct store *store, const char *data, size_t len)
{
	if (store->used + len > store->room) {
		store->room = (store->used + len) * 2;
		store->data = realloc(store->data, store->room);
		if (!store->data)
			die("no memory");
	}
	memcpy(store->data + store->used, data, len);
	store->used += len;
}

/* Passes a literal's octets on. */
static void pass(struct side *src, struct side *dst, struct store *store, size_t size)
{
	while (size > 0) {
		size_t part = src->end - src->start;

		if (part == 0) {
			fill(src);
			continue;
		}
		if (part > size)
			part = size;
		if (store)
			keep(store, src->in + src->start, part);
		else if (dst)
			put(dst, src->in + src->start, part);
		src->start += part;
		size -= part;
	}
}

/* The answer to one FETCH: each message becomes a piece of the APPEND. Returns how many there were. */
static size_t fetch_box(
	struct job *job, struct side *src, struct side *dst, struct store *store, size_t box)
{
	size_t count = 0, octets = 0;
	char tag[32], flags[4096], head[8192];
	char *line;

	snprintf(tag, sizeof(tag), "F%zu ", box);
	while (strncmp(line = read_line(src), tag, strlen(tag))) {
		char *brace = strrchr(line, '{');
		char *date = strstr(line, "INTERNALDATE \"");
		size_t size;
		int len;

		if (!brace || !date)
			continue;
		size = strtoull(brace + 1, NULL, 10);
		copy_flags(line, flags, sizeof(flags));
		len = snprintf(
			head, sizeof(head), " (%s) \"%.26s\" {%zu+}\r\n", flags, date + 14, size);
		if (dst && count == 0)
			say(dst, "P%zu APPEND %s", box, job->boxes[box]);
		if (store)
			keep(store, head, (size_t)len);
		else if (dst)
			put(dst, head, (size_t)len);
		pass(src, dst, store, size);
		count++;
		octets += size;
	}
	if (dst && count > 0)
		put(dst, "\r\n", 2);
	pthread_mutex_lock(&job->lock);
	job->messages += count;
	job->bytes += octets;
	pthread_mutex_unlock(&job->lock);
	return count;
}

static bool take(struct job *job, size_t *box)
{
	bool more;

	pthread_mutex_lock(&job->lock);
	more = job->next < job->count;
	*box = job->next;
	job->next += more;
	pthread_mutex_unlock(&job->lock);
	return more;
}

static void ask(struct job *job, struct side *src, struct side *dst, size_t box)
{
	say(src, "S%zu EXAMINE %s\r\nF%zu UID FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[])\r\n", box,
		job->boxes[box], box);
	flush(src);
	if (dst)
		say(dst, "C%zu CREATE %s\r\n", box, job->boxes[box]);
}

/* One lane: asks for a mailbox ahead of the one being read, so that no round trip is waited for. */
static void *lane(void *arg)
{
	struct job *job = arg;
	bool to_dst = !strcmp(job->mode, "copy");
	bool to_memory = !strcmp(job->mode, "append");
	struct side *src = side_open(job->src_port, job);
	struct side *dst = to_dst ? side_open(job->dst_port, job) : NULL;
	char(*waiting)[32] = allocate((MAX_BOXES + 1) * sizeof(*waiting));
	size_t box = 0, ahead = 0, pending = 0;
	bool more = take(job, &box);

	if (more)
		ask(job, src, dst, box);
	while (more) {
		bool another = take(job, &ahead);

		if (another)
			ask(job, src, dst, ahead);
		if (fetch_box(job, src, dst, to_memory ? &job->kept[box] : NULL, box) > 0)
			snprintf(waiting[pending++], sizeof(*waiting), "P%zu", box);
		if (dst)
			flush(dst);
		more = another;
		box = ahead;
	}
	for (size_t i = 0; dst && i < pending; i++)
		expect(dst, waiting[i], false);
	side_close(src);
	if (dst)
		side_close(dst);
	free(waiting);
	return NULL;
}

/* One lane of "append": sends what was kept. */
static void *append_lane(void *arg)
{
	struct job *job = arg;
	struct side *dst = side_open(job->dst_port, job);
	char(*waiting)[32] = allocate((MAX_BOXES + 1) * sizeof(*waiting));
	size_t box, pending = 0;

	while (take(job, &box)) {
		if (job->kept[box].used == 0)
			continue;
		say(dst, "C%zu CREATE %s\r\nP%zu APPEND %s", box, job->boxes[box], box,
			job->boxes[box]);
		put(dst, job->kept[box].data, job->kept[box].used);
		put(dst, "\r\n", 2);
		flush(dst);
		snprintf(waiting[pending++], sizeof(*waiting), "P%zu", box);
	}
	for (size_t i = 0; i < pending; i++)
		expect(dst, waiting[i], false);
	side_close(dst);
	free(waiting);
	return NULL;
}

static void run_lanes(struct job *job, void *(*body)(void *), size_t count)
{
	pthread_t threads[16];

	job->next = 0;
	for (size_t i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, body, job))
			die("no thread");
	for (size_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	struct job job = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct side *side;
	size_t lanes;
	double start;

	if (argc != 7)
		die("usage: rawimap copy|fetch|append SRC-PORT DST-PORT USER PASSWORD CONNECTIONS");
	job.mode = argv[1];
	job.src_port = atoi(argv[2]);
	job.dst_port = atoi(argv[3]);
	job.user = argv[4];
	job.password = argv[5];
	lanes = (size_t)atoi(argv[6]);
	if (lanes < 1 || lanes > 16)
		die("1 to 16 connections");

	start = now();
	side = side_open(job.src_port, &job);
	list_boxes(side, &job);
	job.kept = allocate(MAX_BOXES * sizeof(*job.kept));
	memset(job.kept, 0, MAX_BOXES * sizeof(*job.kept));
	run_lanes(&job, lane, lanes);
	if (!strcmp(job.mode, "append")) {
		start = now();
		run_lanes(&job, append_lane, lanes);
	}
	printf("{\"seconds\": %.3f, \"messages\": %llu, \"bytes\": %llu}\n", now() - start,
		(unsigned long long)job.messages, (unsigned long long)job.bytes);
	return 0;
}
