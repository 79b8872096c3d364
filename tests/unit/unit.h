/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmocka with what it wants included first, and a scratch directory that goes with the test. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above before it */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"

struct scratch {
	char path[64];
	int fd;
};

static inline struct scratch scratch_new(void)
{
	const char *place = getenv("SCOW_TEST_TMP"); /* set where /tmp cannot hold what a test needs (tests/guest.sh) */
	struct scratch scratch;

	snprintf(scratch.path, sizeof(scratch.path), "%s/scow-unit-XXXXXX", place ? place : "/tmp");
	assert_non_null(mkdtemp(scratch.path));
	scratch.fd = open(scratch.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(scratch.fd >= 0);
	return scratch;
}

static inline void scratch_done(struct scratch *scratch)
{
	close(scratch->fd);
	assert_int_equal(path_remove_tree(AT_FDCWD, scratch->path), 0);
}

/* Fails the test with the error's message where a call failed. */
#define assert_ok(call) \
	do { \
		long _r = (long) (call); \
\
		if (_r < 0) \
			fail_msg("%s: %ld", #call, _r); \
	} while (0)
