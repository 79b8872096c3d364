/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An errand that joins a namespace, makes a socket there, and hands it over.
 *
 * Nothing but the making has to happen inside: a socket belongs to the network namespace that it was made in, and connects and binds
 * there whoever asks it to. Only a path is looked up by who asks. So what may take time is done by the caller, who can wait and stop.
 *
 * To join a namespace, its owner must be joined first; which that is the namespace tells. If it is ours, or above ours, we need not.
 */
#include "runtime/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/spawn.h"
#include "engine/job.h"

/* 1 where the namespace behind @fd is the calling thread's own. */
static int is_own(int fd, const char *name)
{
	struct stat theirs, ours;
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	return fstat(fd, &theirs) == 0 && stat(path, &ours) == 0 && theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev;
}

static void add_join(struct job *job, struct job_process *process, int fd, uint64_t kind)
{
	struct wire_step *step = job_step(job, WIRE_JOIN, 0);
	int number = WIRE_FD_NS + (int) process->n_fds;

	step->number[0] = (uint64_t) number;
	step->number[1] = kind;
	process->fds[process->n_fds++] = (struct spawn_fd){ fd, number };
}

static int act_here(const struct inside_socket *wanted, int *errnum, scow_error **error)
{
	_cleanup_fd_ int fd = socket(wanted->family, wanted->type | SOCK_CLOEXEC, wanted->protocol);

	if (fd < 0)
		return error_errno(error, errno, "socket", "make a socket");
	if ((wanted->action == WIRE_SOCKET_CONNECT && connect(fd, wanted->address, wanted->address_size) < 0) ||
	    (wanted->action == WIRE_SOCKET_LISTEN &&
	     (bind(fd, wanted->address, wanted->address_size) < 0 || listen(fd, wanted->backlog) < 0))) {
		*errnum = errno;
		return error_errno(error, errno, NULL, "use a socket");
	}
	return take_fd(&fd);
}

int socket_inside(scow_engine *engine, pid_t pid, const struct inside_socket *wanted, int *errnum, scow_error **error)
{
	struct job_process process = { .cgroup_fd = -1 };
	_cleanup_fd_ int ns_fd = -1, owner_fd = -1;
	const char *name = wanted->in_root ? "mnt" : "net";
	_cleanup_job_ struct job job = { 0 };
	struct wire_step *step;
	char path[40];
	int r;

	*errnum = 0;
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	ns_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (ns_fd < 0)
		return error_errno(error, errno, "open", "open the %s namespace of process %d", name, pid);
	if (is_own(ns_fd, name))
		return act_here(wanted, errnum, error);
	owner_fd = ioctl(ns_fd, NS_GET_USERNS);
	if (owner_fd >= 0 && !is_own(owner_fd, "user"))
		add_join(&job, &process, owner_fd, CLONE_NEWUSER);
	add_join(&job, &process, ns_fd, wanted->in_root ? CLONE_NEWNS : CLONE_NEWNET);
	step = job_step(&job, WIRE_SOCKET, 0);
	step->number[0] = (uint64_t) wanted->family;
	step->number[1] = (uint64_t) wanted->type;
	step->number[2] = (uint64_t) wanted->protocol;
	step->number[3] = (uint64_t) wanted->action | (uint64_t) (unsigned int) wanted->backlog << 32;
	job_blob(&job, step, wanted->address, wanted->address_size);
	r = job_run(engine, &job, &process, error);
	if (r < 0) {
		*errnum = process.report.step == WIRE_SOCKET ? process.report.error : 0;
		return r;
	}
	r = spawn_wait(process.pidfd, NULL, error);
	close(process.pidfd);
	if (r == 0 && process.terminal_fd < 0)
		r = error_set(error, SCOW_E_FAILED, "no socket came from scow-init");
	if (r < 0 && process.terminal_fd >= 0)
		close(process.terminal_fd);
	return r < 0 ? r : process.terminal_fd;
}
