/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scope-bound cleanup: the only style of release in lib/. Every handler preserves errno. */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

static inline void cleanup_free(void *p)
{
	int saved = errno;

	free(*(void **) p);
	errno = saved;
}

static inline void cleanup_fd(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void cleanup_dir(DIR **dir)
{
	int saved = errno;

	if (*dir)
		closedir(*dir);
	errno = saved;
}

#define _cleanup_free_ _cleanup_(cleanup_free)
#define _cleanup_fd_ _cleanup_(cleanup_fd)
#define _cleanup_dir_ _cleanup_(cleanup_dir)

/* DEFINE_CLEANUP(struct foo *, foo_unref) gives foo_unrefp for _cleanup_(foo_unrefp). */
#define DEFINE_CLEANUP(type, fn) \
	static inline void fn##p(type *p) \
	{ \
		int saved = errno; \
\
		if (*p) \
			fn(*p); \
		errno = saved; \
	}

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define take_ptr(p) \
	({ \
		__auto_type _taken = *(p); \
		*(p) = NULL; \
		_taken; \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
