/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The library's side of a deputy: one packet there, one back. Without a deputy the system call itself.
 *
 * A packet of descriptors cannot carry AT_FDCWD, and nothing here is relative to a working directory: callers hold directories.
 */
#include "engine/deputy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/spawn.h"
#include "init/deputy-wire.h"

struct deputy {
	int socket;
	int pidfd;
};

int deputy_start(scow_engine *engine, struct job *job, struct job_process *process, struct deputy **out, int *root_fd, scow_error **error)
{
	_cleanup_(deputy_endp) struct deputy *deputy = malloc(sizeof(*deputy));
	_cleanup_fd_ int theirs = -1;
	int pair[2], r;

	if (!deputy)
		return error_oom(error);
	*deputy = (struct deputy){ .socket = -1, .pidfd = -1 };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(error, errno, "socketpair", "open a socket for scow-init");
	deputy->socket = pair[0];
	theirs = pair[1];
	job_step(job, WIRE_DEPUTY, 0)->number[0] = WIRE_FD_DIR;
	process->fds[process->n_fds++] = (struct spawn_fd){ theirs, WIRE_FD_DIR };
	r = job_run(engine, job, process, error);
	if (r < 0)
		return r;
	deputy->pidfd = process->pidfd;
	if (root_fd)
		*root_fd = process->terminal_fd;
	else
		cleanup_fd(&process->terminal_fd);
	*out = take_ptr(&deputy);
	return 0;
}

void deputy_end(struct deputy *deputy)
{
	if (!deputy)
		return;
	cleanup_fd(&deputy->socket);
	if (deputy->pidfd >= 0)
		spawn_wait(deputy->pidfd, NULL, NULL);
	cleanup_fd(&deputy->pidfd);
	free(deputy);
}

static int send_request(struct deputy *deputy, struct deputy_request *request, const int fds[2], const char *path, const char *path2,
			const void *blob)
{
	const size_t fds_bytes = (fds[1] < 0 ? 1 : 2) * sizeof(int);
	struct iovec parts[] = {
		{ request, sizeof(*request) }, { (void *) path, 0 }, { (void *) path2, 0 }, { (void *) blob, request->blob_size }
	};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = { .header = { CMSG_LEN(fds_bytes), SOL_SOCKET, SCM_RIGHTS } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 4, .msg_control = &control, .msg_controllen = CMSG_SPACE(fds_bytes) };
	ssize_t n;

	parts[1].iov_len = request->path_size = (uint32_t) strlen(path) + 1;
	parts[2].iov_len = request->path2_size = (uint32_t) strlen(path2) + 1;
	if (request->path_size > DEPUTY_TEXT_MAX || request->path2_size > DEPUTY_TEXT_MAX)
		return -ENAMETOOLONG;
	if (request->blob_size > DEPUTY_BLOB_MAX)
		return -E2BIG;
	memcpy(CMSG_DATA(&control.header), fds, fds_bytes);
	while ((n = sendmsg(deputy->socket, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
		;
	return n < 0 ? -errno : 0;
}

/* @blob: where the answer's goes, of @size; 0: it is only asked how large that is. @opened: the descriptor that came, or NULL. */
static ssize_t receive_answer(struct deputy *deputy, void *blob, size_t size, int *opened)
{
	struct deputy_answer answer;
	struct iovec parts[] = { { &answer, sizeof(answer) }, { blob, size } };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof(control) };
	_cleanup_fd_ int fd = -1;
	ssize_t n;

	while ((n = recvmsg(deputy->socket, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		;
	if (n < (ssize_t) sizeof(answer))
		return n < 0 ? -errno : -EPIPE;
	if (message.msg_controllen >= CMSG_LEN(sizeof(int)) && control.header.cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	if (answer.result < 0)
		return answer.result;
	if (opened)
		return fd < 0 ? -EMFILE : (*opened = take_fd(&fd), 0);
	return size && answer.blob_size > size ? -ERANGE : answer.result;
}

static ssize_t ask(struct deputy *deputy, struct deputy_request *request, const int fds[2], const char *path, const char *path2)
{
	int r = send_request(deputy, request, fds, path, path2, NULL);

	return r < 0 ? r : receive_answer(deputy, NULL, 0, NULL);
}

static int result_of(long r)
{
	return r < 0 ? -errno : (int) r;
}

#define SELF_NAME 40
/* Reaches what an O_PATH descriptor is of, a link itself included. */
static const char *self(int fd, char name[SELF_NAME])
{
	snprintf(name, SELF_NAME, "/proc/self/fd/%d", fd);
	return name;
}

int deputy_open(struct deputy *deputy, int dir, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct deputy_request request = { .op = DEPUTY_OPEN, .flags = (uint32_t) flags, .number = { mode, resolve } };
	struct open_how how = { .flags = (uint64_t) (unsigned int) (flags | O_CLOEXEC), .mode = mode, .resolve = resolve };
	int r = -EAGAIN, opened;

	if (deputy) {
		r = send_request(deputy, &request, (int[]){ dir, -1 }, path, "", NULL);
		if (r == 0)
			r = (int) receive_answer(deputy, NULL, 0, &opened);
		return r < 0 ? r : opened;
	}
	/* EAGAIN: a rename somewhere raced with a "..". */
	for (int i = 0; i < 128 && (r == -EAGAIN || r == -EINTR); i++)
		r = result_of(syscall(SYS_openat2, dir, path, &how, sizeof(how)));
	return r;
}

int deputy_mkdir(struct deputy *deputy, int dir, const char *name, mode_t mode)
{
	struct deputy_request request = { .op = DEPUTY_MKDIR, .number = { mode, 0 } };
	_cleanup_fd_ int fd = -1;
	char path[SELF_NAME];
	int r;

	if (deputy)
		return (int) ask(deputy, &request, (int[]){ dir, -1 }, name, "");
	r = result_of(mkdirat(dir, name, mode));
	/* The umask is the host program's, and must not have a say. By descriptor: a container may have put a link in its place. */
	if (r == 0)
		r = fd = result_of(openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	return r < 0 ? r : result_of(chmod(self(fd, path), mode));
}

int deputy_mknod(struct deputy *deputy, int dir, const char *name, mode_t mode, dev_t device)
{
	struct deputy_request request = { .op = DEPUTY_MKNOD, .number = { mode, device } };

	return deputy ? (int) ask(deputy, &request, (int[]){ dir, -1 }, name, "") : result_of(mknodat(dir, name, mode, device));
}

int deputy_symlink(struct deputy *deputy, const char *target, int dir, const char *name)
{
	struct deputy_request request = { .op = DEPUTY_SYMLINK };

	return deputy ? (int) ask(deputy, &request, (int[]){ dir, -1 }, name, target) : result_of(symlinkat(target, dir, name));
}

int deputy_link(struct deputy *deputy, int dir, const char *name, int to_dir, const char *to_name, int flags)
{
	struct deputy_request request = { .op = DEPUTY_LINK, .flags = (uint32_t) flags };

	if (deputy)
		return (int) ask(deputy, &request, (int[]){ dir, to_dir }, name, to_name);
	return result_of(linkat(dir, name, to_dir, to_name, flags));
}

int deputy_unlink(struct deputy *deputy, int dir, const char *name, int flags)
{
	struct deputy_request request = { .op = DEPUTY_UNLINK, .flags = (uint32_t) flags };

	return deputy ? (int) ask(deputy, &request, (int[]){ dir, -1 }, name, "") : result_of(unlinkat(dir, name, flags));
}

int deputy_chown(struct deputy *deputy, int dir, const char *name, uid_t uid, gid_t gid, int flags)
{
	struct deputy_request request = { .op = DEPUTY_CHOWN, .flags = (uint32_t) flags, .number = { uid, gid } };

	return deputy ? (int) ask(deputy, &request, (int[]){ dir, -1 }, name, "") : result_of(fchownat(dir, name, uid, gid, flags));
}

int deputy_times(struct deputy *deputy, int dir, const char *name, const struct timespec times[2], int flags)
{
	struct deputy_request request = { .op = DEPUTY_TIMES, .flags = (uint32_t) flags };

	if (!deputy)
		return result_of(utimensat(dir, name, times, flags));
	for (int i = 0; i < 2; i++) {
		request.times[2 * i] = times[i].tv_sec;
		request.times[2 * i + 1] = times[i].tv_nsec;
	}
	return (int) ask(deputy, &request, (int[]){ dir, -1 }, name, "");
}

int deputy_chmod(struct deputy *deputy, int fd, mode_t mode)
{
	struct deputy_request request = { .op = DEPUTY_CHMOD, .number = { mode, 0 } };
	char name[SELF_NAME];

	return deputy ? (int) ask(deputy, &request, (int[]){ fd, -1 }, "", "") : result_of(chmod(self(fd, name), mode));
}

int deputy_set_xattr(struct deputy *deputy, int fd, const char *name, const void *value, size_t size)
{
	struct deputy_request request = { .op = DEPUTY_SET_XATTR, .blob_size = (uint32_t) size };
	char path[SELF_NAME];
	int r;

	if (!deputy)
		return result_of(setxattr(self(fd, path), name, value, size, 0));
	if (size > DEPUTY_BLOB_MAX)
		return -E2BIG;
	r = send_request(deputy, &request, (int[]){ fd, -1 }, "", name, value);
	return r < 0 ? r : (int) receive_answer(deputy, NULL, 0, NULL);
}

ssize_t deputy_get_xattr(struct deputy *deputy, int fd, const char *name, void *value, size_t size)
{
	struct deputy_request request = { .op = DEPUTY_GET_XATTR };
	char path[SELF_NAME];
	int r;

	if (!deputy)
		return result_of(getxattr(self(fd, path), name, value, size));
	r = send_request(deputy, &request, (int[]){ fd, -1 }, "", name, NULL);
	return r < 0 ? r : receive_answer(deputy, value, size, NULL);
}

ssize_t deputy_list_xattrs(struct deputy *deputy, int fd, char *names, size_t size)
{
	struct deputy_request request = { .op = DEPUTY_LIST_XATTRS };
	char path[SELF_NAME];
	int r;

	if (!deputy)
		return result_of(listxattr(self(fd, path), names, size));
	r = send_request(deputy, &request, (int[]){ fd, -1 }, "", "", NULL);
	return r < 0 ? r : receive_answer(deputy, names, size, NULL);
}

int deputy_stat(struct deputy *deputy, int dir, const char *name, struct stat *out)
{
	_cleanup_fd_ int fd = -1;

	if (!deputy)
		return result_of(fstatat(dir, name, out, AT_SYMLINK_NOFOLLOW));
	fd = deputy_open(deputy, dir, name, O_PATH | O_NOFOLLOW, 0, 0);
	return fd < 0 ? fd : result_of(fstat(fd, out));
}
