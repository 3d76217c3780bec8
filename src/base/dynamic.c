#include "base/dynamic.h"

#include <dlfcn.h>
#include <string.h>

bool dynamic_load(const char *file, const struct dynamic_call *calls, size_t count)
{
	/* The libraries it needs itself are searched through its handle too. */
	void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; i < count; i++) {
		void *found = handle ? dlsym(handle, calls[i].name) : NULL;

		if (!found)
			return false;
		memcpy(calls[i].pointer, &found, sizeof(found));
	}
	return true;
}
