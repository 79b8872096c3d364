/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cancel token is an eventfd that is written once and never read: it stays readable for every waiter. */
#include "base/cancel.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct scow_cancel {
	atomic_uint refs;
	atomic_bool triggered;
	int fd;
};

int scow_cancel_new(scow_cancel **out, scow_error **error)
{
	scow_cancel *cancel = calloc(1, sizeof(*cancel));

	if (!cancel)
		return error_oom(error);
	atomic_init(&cancel->refs, 1);
	cancel->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (cancel->fd < 0) {
		free(cancel);
		return error_errno(error, errno, "eventfd", "make a cancel token");
	}
	*out = cancel;
	return 0;
}

scow_cancel *scow_cancel_ref(scow_cancel *cancel)
{
	if (cancel)
		atomic_fetch_add_explicit(&cancel->refs, 1, memory_order_relaxed);
	return cancel;
}

scow_cancel *scow_cancel_unref(scow_cancel *cancel)
{
	if (cancel && atomic_fetch_sub_explicit(&cancel->refs, 1, memory_order_acq_rel) == 1) {
		close(cancel->fd);
		free(cancel);
	}
	return NULL;
}

void cancel_assign(scow_cancel **to, scow_cancel *cancel)
{
	scow_cancel_ref(cancel);
	scow_cancel_unref(*to);
	*to = cancel;
}

void scow_cancel_trigger(scow_cancel *cancel)
{
	int saved = errno;
	uint64_t one = 1;

	if (!cancel)
		return;
	atomic_store(&cancel->triggered, true);
	(void) !write(cancel->fd, &one, sizeof(one));
	errno = saved;
}

int scow_cancel_triggered(const scow_cancel *cancel)
{
	return cancel && atomic_load(&cancel->triggered);
}

int cancel_fd(const scow_cancel *cancel)
{
	return cancel ? cancel->fd : -1;
}

uint64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

int cancel_poll(const scow_cancel *cancel, int fd, short events, int timeout_ms, scow_error **error)
{
	uint64_t deadline = clock_us() + (uint64_t) (timeout_ms > 0 ? timeout_ms : 0) * 1000;
	struct pollfd fds[] = { { .fd = fd, .events = events }, { .fd = cancel_fd(cancel), .events = POLLIN } };

	for (;;) {
		int n = poll(fds, 2, timeout_ms);

		if (n > 0 && fds[1].revents)
			return error_set(error, SCOW_E_CANCELED, "canceled");
		if (n > 0)
			return 1;
		if (n == 0)
			return 0;
		if (errno != EINTR)
			return error_errno(error, errno, "poll", "wait");
		if (timeout_ms > 0) {
			uint64_t now = clock_us();

			timeout_ms = now < deadline ? (int) ((deadline - now + 999) / 1000) : 0;
		}
	}
}
