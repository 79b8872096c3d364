/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The deputy: carries out file system calls for a library that may not make them itself, because it is no root in the user namespace
 * that owns the files. It decides nothing, and keeps nothing but what the next request brings along: its rights are those of its
 * owner over his own namespace. It ends with the other end of its socket.
 */
#include "init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/socket.h>
#include <sys/socket.h>

#include "init/deputy-wire.h"

#define FDS_MAX 2

static union {
	struct deputy_request request;
	unsigned char bytes[DEPUTY_PACKET_MAX];
} inbox __attribute__((aligned(8)));

static struct {
	struct deputy_answer answer;
	unsigned char blob[DEPUTY_BLOB_MAX];
} outbox;

struct call {
	const struct deputy_request *request;
	const char *path, *path2;
	const unsigned char *blob;
	int fds[FDS_MAX];
	int opened; /* goes with the answer, or -1 */
};

/* The name of a descriptor that has none, and may be O_PATH: calls that know only paths reach it so, a link itself included. */
static const char *self(int fd)
{
	static char name[40];

	text_add_number(text_add(name, name + sizeof(name), "/proc/self/fd/"), name + sizeof(name), (uint64_t) fd);
	return name;
}

static long open_it(struct call *call)
{
	struct open_how how = { .flags = call->request->flags | O_CLOEXEC,
				.mode = call->request->number[0],
				.resolve = call->request->number[1] };
	long fd = -EAGAIN;

	/* EAGAIN: a rename somewhere raced with a "..". */
	for (int i = 0; i < 128 && (fd == -EAGAIN || fd == -EINTR); i++)
		fd = sys(SYS_openat2, call->fds[0], call->path, &how, sizeof(how));
	call->opened = (int) fd;
	return fd < 0 ? fd : 0;
}

static long answer_blob(long size)
{
	outbox.answer.blob_size = size > 0 ? (uint32_t) size : 0;
	return size;
}

static long carry(struct call *call)
{
	const struct deputy_request *request = call->request;
	const uint64_t *number = request->number;
	int fd = call->fds[0], fd2 = call->fds[1];

	switch ((enum deputy_op) request->op) {
	case DEPUTY_OPEN:
		return open_it(call);
	case DEPUTY_MKDIR:
		return sys(SYS_mkdirat, fd, call->path, number[0]);
	case DEPUTY_MKNOD:
		return sys(SYS_mknodat, fd, call->path, number[0], number[1]);
	case DEPUTY_SYMLINK:
		return sys(SYS_symlinkat, call->path2, fd, call->path);
	case DEPUTY_LINK:
		return sys(SYS_linkat, fd, call->path, fd2, call->path2, request->flags);
	case DEPUTY_UNLINK:
		return sys(SYS_unlinkat, fd, call->path, request->flags);
	case DEPUTY_CHOWN:
		return sys(SYS_fchownat, fd, call->path, number[0], number[1], request->flags);
	case DEPUTY_CHMOD:
		return sys(SYS_fchmodat, AT_FDCWD, self(fd), number[0]);
	case DEPUTY_TIMES:
		return sys(SYS_utimensat, fd, call->path, request->times, request->flags);
	case DEPUTY_SET_XATTR:
		return sys(SYS_setxattr, self(fd), call->path2, call->blob, request->blob_size, request->flags);
	case DEPUTY_GET_XATTR:
		return answer_blob(sys(SYS_getxattr, self(fd), call->path2, outbox.blob, sizeof(outbox.blob)));
	case DEPUTY_LIST_XATTRS:
		return answer_blob(sys(SYS_listxattr, self(fd), outbox.blob, sizeof(outbox.blob)));
	case DEPUTY_OPS:
		break;
	}
	return -ENOSYS;
}

static bool ends_within(const unsigned char *text, uint32_t size)
{
	return size && size <= DEPUTY_TEXT_MAX && !text[size - 1];
}

/* The packet's parts, or false for one that is not whole. */
static bool take_apart(struct call *call, size_t size)
{
	const struct deputy_request *request = &inbox.request;
	const unsigned char *at = inbox.bytes + sizeof(*request);

	call->request = request;
	if (size < sizeof(*request) || request->path_size > DEPUTY_TEXT_MAX || request->path2_size > DEPUTY_TEXT_MAX ||
	    request->blob_size > DEPUTY_BLOB_MAX ||
	    sizeof(*request) + request->path_size + request->path2_size + request->blob_size != size)
		return false;
	call->path = (const char *) at;
	call->path2 = (const char *) at + request->path_size;
	call->blob = at + request->path_size + request->path2_size;
	return ends_within(at, request->path_size) && ends_within(at + request->path_size, request->path2_size);
}

/* Bytes of the request, 0 at the end; its descriptors in @call. */
static long receive(int socket, struct call *call)
{
	struct iovec part = { &inbox, sizeof(inbox) };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	long n;

	call->fds[0] = call->fds[1] = call->opened = -1;
	while ((n = sys(SYS_recvmsg, socket, &message, MSG_CMSG_CLOEXEC)) == -EINTR)
		;
	if (n > 0 && message.msg_controllen >= CMSG_LEN(sizeof(int)) && control.header.cmsg_type == SCM_RIGHTS)
		memcpy(call->fds, CMSG_DATA(&control.header), control.header.cmsg_len - CMSG_LEN(0));
	return n;
}

static void answer(int socket, const struct call *call)
{
	struct iovec part = { &outbox, sizeof(outbox.answer) + outbox.answer.blob_size };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (call->opened >= 0) {
		memcpy(CMSG_DATA(&control.header), &call->opened, sizeof(call->opened));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	if (sys(SYS_sendmsg, socket, &message, MSG_NOSIGNAL) < 0)
		finish(0);
}

void step_deputy(const struct wire_step *step)
{
	int socket = (int) step->number[0];
	struct call call;
	long n;

	if (init.root >= 0)
		report_fd(WIRE_ROOT_FD, init.root);
	/* The end of what we have to report: the library goes on. */
	sys(SYS_close, report_socket);
	while ((n = receive(socket, &call)) > 0) {
		outbox.answer = (struct deputy_answer){ 0 };
		outbox.answer.result = (int32_t) (take_apart(&call, (size_t) n) ? carry(&call) : -EINVAL);
		answer(socket, &call);
		for (int i = 0; i < FDS_MAX; i++)
			if (call.fds[i] >= 0)
				sys(SYS_close, call.fds[i]);
		if (call.opened >= 0)
			sys(SYS_close, call.opened);
	}
	finish(0);
}
