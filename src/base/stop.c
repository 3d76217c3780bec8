/* The stop flag: an eventfd that is written and never read, so that it stays readable for every thread that polls it. */
#include "base/stop.h"

#include "base/err.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EXIT_LOCAL 7 /* product rules §5 */

static atomic_int event = -1;
static atomic_bool stopped;
static atomic_int stop_number;

static void event_raise(void)
{
	const uint64_t one = 1;
	const int saved = errno;
	const ssize_t written = write(atomic_load(&event), &one,
		sizeof(one)); /* not os_write(): runs in signal handlers */

	(void)written;
	errno = saved;
}

void stop_init(void)
{
	int none = -1;

	if (atomic_load(&event) >= 0)
		return;

	const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0) {
		perror("mailhaul: cannot create an event descriptor");
		exit(EXIT_LOCAL);
	}
	if (!atomic_compare_exchange_strong(&event, &none, fd))
		close(fd);
	if (stop_requested())
		event_raise();
}

void stop_request(int signal_number)
{
	atomic_store(&stop_number, signal_number);
	atomic_store(&stopped, true);
	event_raise(); /* harmless EBADF before stop_init(), which then catches up */
}

bool stop_requested(void)
{
	return atomic_load(&stopped);
}

int stop_fd(void)
{
	return atomic_load(&event);
}

int stop_signal(void)
{
	return atomic_load(&stop_number);
}

int stop_check(struct err *err)
{
	return stop_requested() ? err_set(err, ERR_STOPPED, "interrupted") : 0;
}

void stop_reset(void)
{
	uint64_t count;

	atomic_store(&stopped, false);
	atomic_store(&stop_number, 0);
	if (atomic_load(&event) >= 0) {
		const ssize_t got = read(atomic_load(&event), &count, sizeof(count));

		(void)got;
	}
}
