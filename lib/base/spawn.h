/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one place that makes a process.
 *
 * clone3(CLONE_VM | CLONE_VFORK | CLONE_PIDFD | ...) on a stack of its own, all signals blocked in the
 * calling thread meanwhile; between clone and exec the child makes raw system calls only. It works from
 * any thread of a program with any locks held, costs the same whatever the program's size, and leaves
 * the program's signal state, directory, umask and environment alone.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct spawn_fd {
	int fd;     /* ours; borrowed */
	int target; /* its number in the child */
};

struct spawn {
	int exec_fd;               /* execveat(exec_fd, "", AT_EMPTY_PATH), or -1 for @path */
	const char *path;          /* absolute */
	char *const *argv;
	char *const *envp;         /* NULL: empty */
	const struct spawn_fd *fds;/* everything else is closed in the child, 0 to 2 included */
	size_t n_fds;
	uint64_t clone_flags;      /* CLONE_NEW* to be born in, without CLONE_NEWTIME */
	int cgroup_fd;             /* v2: CLONE_INTO_CGROUP, or -1 */
	const int *join_procs_fds; /* v1: the child writes "0" into each before exec */
	size_t n_join_procs_fds;
};

/*
 * Returns 0, or a status with an error when the clone or the exec failed (the child is then reaped).
 * @pid is in the caller's pid namespace. @pidfd is owned by the caller.
 */
int spawn_process(const struct spawn *spawn, pid_t *pid, int *pidfd, scow_error **error) _must_check_;

/*
 * Waits for a pidfd's process and reaps it. Works also where the host stole the child (SIGCHLD ignored, waitpid(-1)).
 * @status: as from wait(2), or -1 where nobody can tell any more. 0 or a status.
 */
int spawn_wait(int pidfd, int *status, scow_error **error);
