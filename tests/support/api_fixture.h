/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What tests of the public API begin with: an engine on a root of its own, with a busybox image in it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <scow/cleanup.h>

struct fixture {
	char root[128];
	scow_engine *engine;
	scow_image *image;
};
extern struct fixture fixture;

/* For cmocka_run_group_tests(). The teardown fails where something of the engine's is left in the root. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* After each test: removes what a failed one left, so that the next is not blamed for it. */
int fixture_clear(void **state);
/* Another engine on the same root. */
scow_engine *fixture_open(void);

/* Fails the test with the error's message where @r is negative; gives @error back. Returns @r. */
int expect_ok(int r, scow_error **error);
/* Fails unless @r is @status and the message has @words in it (NULL: any); gives @error back. */
void expect_error(int r, scow_status status, scow_error **error, const char *words);

/* A config of `sh -c SCRIPT`, for the caller to change: without a network, or with the default one. */
scow_container_config *shell_config(const char *script);
scow_container_config *networked_config(const char *script);
/* Runs SCRIPT ephemerally; its exit code. @output: NULL, or malloc'ed stdout. Without a network, or on the default one. */
int run_shell(const char *script, char **output);
int run_connected(const char *script, char **output);
/* Removes it, and gives the handle back. */
void remove_it(scow_container *container, unsigned int flags);
void expect_state(scow_container *container, int state);
/* Files in ROOT/containers, open descriptors, child processes: for before and after. */
struct remains {
	int directories, descriptors, children;
};
struct remains count_remains(void);
