/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Children by the kernel's choice. By pidfd, so that no child of the host's own is ever reaped. */
#include "engine/strays.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

pid_t stray_parent(pid_t pid)
{
	char path[32], text[512], *fields;
	_cleanup_fd_ int fd = -1;
	int parent = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fd_read_full(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = 0;
	fields = strrchr(text, ')');
	return fields && sscanf(fields, ") %*c %d", &parent) == 1 ? parent : 0;
}

void stray_note(scow_engine *engine, pid_t pid)
{
	_cleanup_fd_ int fd = -1;
	int *grown;

	if (pid <= 0 || stray_parent(pid) != getpid())
		return;
	/* A child keeps its number until it is reaped, and who but us should do that? If somebody does, the wait below finds no child. */
	fd = (int) syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return;
	pthread_mutex_lock(&engine->lock);
	grown = realloc(engine->strays, (engine->n_strays + 1) * sizeof(*grown));
	if (grown) {
		engine->strays = grown;
		grown[engine->n_strays++] = take_fd(&fd);
	}
	pthread_mutex_unlock(&engine->lock);
}

static bool is_reaped(int pidfd)
{
	siginfo_t info = { 0 };
	int r;

	while ((r = waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED | WNOHANG | __WALL)) < 0 && errno == EINTR)
		;
	return r < 0 || info.si_pid != 0;
}

void strays_reap(scow_engine *engine)
{
	size_t left = 0;

	pthread_mutex_lock(&engine->lock);
	for (size_t i = 0; i < engine->n_strays; i++) {
		if (is_reaped(engine->strays[i]))
			close(engine->strays[i]);
		else
			engine->strays[left++] = engine->strays[i];
	}
	engine->n_strays = left;
	pthread_mutex_unlock(&engine->lock);
}

void strays_done(scow_engine *engine)
{
	strays_reap(engine);
	for (size_t i = 0; i < engine->n_strays; i++)
		close(engine->strays[i]);
	free(engine->strays);
	engine->strays = NULL;
	engine->n_strays = 0;
}
