/* Allocation that ends the run instead of failing. */
#include "base/mem.h"

#include "base/must.h"

#include <malloc.h>
#include <unistd.h>

#define EXIT_MEMORY 7 /* "local trouble", product rules §5 */
#define OWN_MAPPING (128 << 10)

/* No stdio and no atexit handlers: both may allocate. */
static MUST_NOT_RETURN void mem_die(void)
{
	static const char text[] =
		"mailhaul: out of memory; run the same command again to resume\n";
	ssize_t written = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)written;
	_exit(EXIT_MEMORY);
}

void mem_begin(void)
{
#ifdef M_MMAP_THRESHOLD
	(void)mallopt(M_MMAP_THRESHOLD, OWN_MAPPING);
#endif
}

void *mem_alloc(size_t size)
{
	return mem_array(1, size);
}

void *mem_array(size_t count, size_t size)
{
	if (count == 0 || size == 0)
		count = size = 1;

	void *memory = calloc(count, size);
	if (!memory)
		mem_die();
	return memory;
}

void *mem_resize(void *old, size_t count, size_t size)
{
	if (count == 0 || size == 0)
		count = size = 1;

	void *memory = reallocarray(old, count, size);
	if (!memory)
		mem_die();
	return memory;
}

char *mem_strdup(const char *text)
{
	const size_t size = strlen(text) + 1;

	return memcpy(mem_alloc(size), text, size);
}

void mem_free(void *memory)
{
	free(memory);
}
