/*
 * Small allocations are cut from blocks that double from 4 to 64 KiB, and to 256 KiB where there is much of them: those are mappings of their own (mem.h), and what
 * one thread frees is of use to another. Large ones stand alone, so that growing one gives its old memory back and untouched pages are never paid for.
 */
#include "base/arena.h"

#include "base/mem.h"

#include <stdalign.h>

#define BLOCK_FIRST (4u << 10)
#define BLOCK_LAST (64u << 10)
#define BLOCK_HUGE (256u << 10)
#define HUGE (1u << 20) /* octets from which blocks are so large */
#define LARGE \
	(16u << 10) /* at least this stands alone: a block's unused end is at most a quarter */
#define PRINT_FIRST 512 /* most texts are shorter and formatted once only */
#define MALLOC_HEADER 16 /* so that a block and malloc's own header are a round size together */

struct block {
	struct block *next;
	size_t size; /* of data */
	alignas(max_align_t) char data[];
};

struct arena {
	struct block *blocks; /* the first is cut from, the others are full */
	struct block *large;
	size_t at; /* bytes taken of blocks->data */
	size_t next_size; /* of the next block, with its header */
	size_t used;
	void *last; /* start of the newest small allocation: can grow in place */
};

struct arena *arena_new(void)
{
	struct arena *arena = mem_alloc(sizeof(*arena));

	arena->next_size = BLOCK_FIRST;
	return arena;
}

static void arena_free_list(struct arena *arena, struct block **list)
{
	while (*list) {
		struct block *block = *list;

		*list = block->next;
		arena->used -= sizeof(*block) + block->size;
		mem_free(block);
	}
}

void arena_clear(struct arena *arena)
{
	arena_free_list(arena, &arena->large);
	if (arena->blocks)
		arena_free_list(arena, &arena->blocks->next);
	arena->at = 0;
	arena->last = NULL;
}

void arena_free(struct arena *arena)
{
	if (!arena)
		return;
	arena_free_list(arena, &arena->large);
	arena_free_list(arena, &arena->blocks);
	mem_free(arena);
}

/* Room for size < LARGE; the caller zeroes what it cuts. */
static void arena_add_block(struct arena *arena, size_t size)
{
	while (arena->next_size - MALLOC_HEADER - sizeof(struct block) < size)
		arena->next_size *= 2;

	const size_t total = arena->next_size - MALLOC_HEADER;
	struct block *block = mem_resize(NULL, total, 1);
	block->next = arena->blocks;
	block->size = total - sizeof(*block);
	arena->blocks = block;
	arena->used += total;
	if (arena->next_size < (arena->used < HUGE ? BLOCK_LAST : BLOCK_HUGE))
		arena->next_size *= 2;
}

static size_t arena_room(const struct arena *arena, size_t at)
{
	return arena->blocks && at < arena->blocks->size ? arena->blocks->size - at : 0;
}

/* Zeroed by calloc(), which for large sizes means untouched. */
static void *arena_alloc_large(struct arena *arena, size_t size)
{
	if (size > SIZE_MAX - sizeof(struct block))
		size = SIZE_MAX - sizeof(struct block); /* cannot be had: ends the run */

	struct block *block = mem_alloc(sizeof(*block) + size);
	block->next = arena->large;
	block->size = size;
	arena->large = block;
	arena->used += sizeof(*block) + size;
	return block->data;
}

/* Not zeroed when small. */
static void *arena_take(struct arena *arena, size_t size, size_t align)
{
	if (size >= LARGE)
		return arena_alloc_large(arena, size);

	size_t at = (arena->at + align - 1) & ~(align - 1);
	if (!arena->blocks || arena_room(arena, at) < size) {
		arena_add_block(arena, size);
		at = 0;
	}
	arena->last = arena->blocks->data + at;
	arena->at = at + size;
	return arena->last;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	void *memory = arena_take(arena, size, alignof(max_align_t));

	if (size < LARGE)
		memset(memory, 0, size);
	return memory;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total))
		total = SIZE_MAX;
	return arena_alloc(arena, total);
}

static void arena_free_large(struct arena *arena, const void *memory)
{
	for (struct block **link = &arena->large; *link; link = &(*link)->next) {
		struct block *block = *link;

		if (block->data != memory)
			continue;
		*link = block->next;
		arena->used -= sizeof(*block) + block->size;
		mem_free(block);
		return;
	}
}

void *arena_grow(struct arena *arena, void *old, size_t old_count, size_t new_count, size_t size)
{
	const size_t old_size = old ? old_count * size : 0;
	size_t new_size;

	if (__builtin_mul_overflow(new_count, size, &new_size))
		new_size = SIZE_MAX;
	if (old && new_size <= old_size)
		return old;
	if (old && old == arena->last && new_size < LARGE) {
		const size_t start = (size_t)((char *)old - arena->blocks->data);

		if (arena_room(arena, start) >= new_size) {
			memset((char *)old + old_size, 0, new_size - old_size);
			arena->at = start + new_size;
			return old;
		}
	}

	void *memory = arena_alloc(arena, new_size);
	if (old_size > 0)
		memcpy(memory, old, old_size);
	if (old_size >= LARGE)
		arena_free_large(arena, old);
	return memory;
}

char *arena_strdup(struct arena *arena, const char *text)
{
	return text ? arena_text(arena, span_of(text)) : NULL;
}

char *arena_text(struct arena *arena, struct span bytes)
{
	char *text = arena_take(arena, bytes.len + 1, 1);

	if (bytes.len > 0)
		memcpy(text, bytes.data, bytes.len);
	text[bytes.len] = '\0';
	return text;
}

struct span arena_span(struct arena *arena, struct span bytes)
{
	return (struct span){ arena_text(arena, bytes), bytes.len };
}

static MUST_FORMAT(2, 0) char *arena_print_args(struct arena *arena, const char *fmt, va_list args)
{
	char first[PRINT_FIRST];
	va_list again;

	va_copy(again, args);
	const int len = vsnprintf(first, sizeof(first), fmt, args);
	const size_t size = len > 0 ? (size_t)len + 1 : 1;
	char *text = arena_take(arena, size, 1);
	if (size <= sizeof(first))
		memcpy(text, first, size);
	else
		vsnprintf(text, size, fmt, again);
	text[size - 1] = '\0';
	va_end(again);
	return text;
}

char *arena_print(struct arena *arena, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	char *text = arena_print_args(arena, fmt, args);
	va_end(args);
	return text;
}

size_t arena_used(const struct arena *arena)
{
	return arena->used;
}
