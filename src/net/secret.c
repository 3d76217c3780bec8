/* Secrets live in pages of their own: locked if the limits allow, left out of core dumps, wiped before they are given back. */
#include "net/secret.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

struct secret {
	char *page;
	size_t page_size;
	size_t len;
};

struct secret *secret_new(struct span bytes)
{
	struct secret *secret = mem_alloc(sizeof(*secret));
	const size_t unit = (size_t)sysconf(_SC_PAGESIZE);

	secret->len = bytes.len;
	secret->page_size = (bytes.len / unit + 1) * unit;
	secret->page = mmap(NULL, secret->page_size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (secret->page == MAP_FAILED) {
		/* Out of memory is the allocator's to report (mem.h); asking it for the same ends the run in the one agreed way. */
		secret->page = mem_alloc(secret->page_size);
		secret->page_size = 0;
	} else {
		/* Both are best effort: RLIMIT_MEMLOCK may be 0. */
		(void)madvise(secret->page, secret->page_size, MADV_DONTDUMP);
		(void)mlock(secret->page, secret->page_size);
	}
	if (bytes.len > 0)
		memcpy(secret->page, bytes.data, bytes.len);
	return secret;
}

void secret_free(struct secret *secret)
{
	if (!secret)
		return;
	secret_wipe(secret->page, secret->len);
	if (secret->page_size > 0)
		(void)munmap(secret->page, secret->page_size);
	else
		mem_free(secret->page);
	mem_free(secret);
}

struct span secret_bytes(const struct secret *secret)
{
	if (!secret)
		return span_make("", 0);
	return span_make(secret->page, secret->len);
}

void secret_wipe(void *memory, size_t size)
{
	if (memory && size > 0)
		explicit_bzero(memory, size);
}

void secret_protect_process(void)
{
	const struct rlimit none = { .rlim_cur = 0, .rlim_max = 0 };

	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
}
