/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client of a supervisor.
 *
 * 1. The socket is read from only when there is no backlog left: what comes meanwhile waits in the supervisor, which drops it where
 *    that is too much. What is polled is an epoll of the one or the other.
 * 2. An input message has its size at its beginning, so one that was begun is finished before anything else is written there; what
 *    other threads have to say (a new window) goes by a connection of its own.
 * 3. Where the end comes without a word, the state file has it, or the supervisor was killed, and its container died with it.
 */
#include "runtime/attach.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

#define READ_BYTES (16 * 1024)
#define DISPATCH_BUDGET (256 * 1024)
#define HELLO_WAIT_MS 5000
#define BODY_BYTES 16
#define INPUT_BYTES (16 * 1024) /* with its header so few go as a whole, or not at all */

struct attach {
	scow_engine *engine; /* borrowed: the process handle holds it */
	char id[65], owner[WIRE_OWNER_SIZE];
	int socket, epoll_fd, ready_fd;
	bool terminal, input;
	int sinks[2];
	struct attach_backlog backlog;
	/* coming in */
	struct wire_frame frame;
	size_t has; /* of the header, or of the body */
	bool in_body, ended;
	int32_t body[BODY_BYTES / sizeof(int32_t)];
	int32_t code, signal;
	/* going out */
	size_t owed; /* of the input message that was begun */
};

void attach_free(struct attach *attach)
{
	if (!attach)
		return;
	if (attach->backlog.free)
		attach->backlog.free(attach->backlog.data);
	cleanup_fd(&attach->sinks[0]);
	cleanup_fd(&attach->sinks[1]);
	cleanup_fd(&attach->socket);
	cleanup_fd(&attach->ready_fd);
	cleanup_fd(&attach->epoll_fd);
	free(attach);
}

static void attach_freep(struct attach **attach)
{
	attach_free(*attach);
}

static int hear_hello(struct attach *attach, struct wire_hello *hello)
{
	struct pollfd readable = { .fd = attach->socket, .events = POLLIN };
	struct wire_frame frame;
	int r;

	while ((r = poll(&readable, 1, HELLO_WAIT_MS)) < 0 && errno == EINTR)
		;
	if (r <= 0)
		return r < 0 ? -errno : -ETIMEDOUT;
	if (fd_read_full(attach->socket, &frame, sizeof(frame)) != (ssize_t) sizeof(frame) || frame.type != WIRE_FRAME_HELLO ||
	    frame.size != sizeof(*hello) || fd_read_full(attach->socket, hello, sizeof(*hello)) != (ssize_t) sizeof(*hello))
		return -EPIPE;
	return 0;
}

static int watch_only(struct attach *attach, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(attach->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int attach_open(scow_engine *engine, const char *id, const char *owner, struct attach **out, struct wire_hello *hello)
{
	_cleanup_(attach_freep) struct attach *attach = calloc(1, sizeof(*attach));
	int r;

	if (!attach)
		return -ENOMEM;
	attach->engine = engine;
	snprintf(attach->id, sizeof(attach->id), "%s", id);
	snprintf(attach->owner, sizeof(attach->owner), "%s", owner);
	attach->socket = attach->ready_fd = attach->sinks[0] = attach->sinks[1] = -1;
	attach->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (attach->epoll_fd < 0)
		return -errno;
	attach->socket = supervisor_connect(engine, id);
	if (attach->socket < 0)
		return attach->socket;
	r = frame_send(attach->socket, WIRE_FRAME_SUBSCRIBE, NULL, 0);
	if (r == 0)
		r = hear_hello(attach, hello);
	if (r == 0)
		r = watch_only(attach, attach->socket);
	if (r < 0)
		return r;
	attach->terminal = hello->terminal != 0;
	*out = take_ptr(&attach);
	return 0;
}

void attach_set_backlog(struct attach *attach, const struct attach_backlog *backlog)
{
	attach->backlog = *backlog;
	epoll_ctl(attach->epoll_fd, EPOLL_CTL_DEL, attach->socket, NULL);
	attach->ready_fd = eventfd(1, EFD_CLOEXEC);
	if (attach->ready_fd < 0 || watch_only(attach, attach->ready_fd) < 0)
		(void) watch_only(attach, attach->socket); /* then the backlog comes with the next output */
}

void attach_set_sinks(struct attach *attach, int stdout_fd, int stderr_fd)
{
	attach->sinks[0] = stdout_fd;
	attach->sinks[1] = stderr_fd;
}

/* Blocks as the descriptor does; one that nobody reads any more is given up. */
static void write_sink(int *sink, const char *bytes, size_t size)
{
	while (size && *sink >= 0) {
		ssize_t n = pipe_write(*sink, bytes, size);

		if (n > 0) {
			bytes += n;
			size -= (size_t) n;
		} else if (n == -EAGAIN) {
			struct pollfd writable = { .fd = *sink, .events = POLLOUT };

			poll(&writable, 1, -1);
		} else if (n != -EINTR) {
			cleanup_fd(sink);
			*sink = -1;
		}
	}
}

void attach_allow_input(struct attach *attach)
{
	attach->input = true;
	/* Whether it ever writes or not: stdin may be closed when it leaves. Should it have gone, the next call sees that. */
	(void) frame_send(attach->socket, WIRE_FRAME_STDIN, NULL, 0);
}

int attach_fd(const struct attach *attach)
{
	return attach->epoll_fd;
}

bool attach_is_terminal(const struct attach *attach)
{
	return attach->terminal;
}

static void end_backlog(struct attach *attach)
{
	attach->backlog.free(attach->backlog.data);
	attach->backlog = (struct attach_backlog){ 0 };
	if (attach->ready_fd >= 0)
		epoll_ctl(attach->epoll_fd, EPOLL_CTL_DEL, attach->ready_fd, NULL);
	cleanup_fd(&attach->ready_fd);
	attach->ready_fd = -1;
	(void) watch_only(attach, attach->socket);
}

struct outlet {
	struct attach *attach;
	attach_emit_fn emit;
	void *data;
};

static void let_out(void *data, int stream, const char *bytes, size_t size)
{
	struct outlet *outlet = data;

	write_sink(&outlet->attach->sinks[stream], bytes, size);
	outlet->emit(outlet->data, stream, bytes, size);
}

/* @bytes of the body of the present message. */
static void take_body(struct attach *attach, const char *bytes, size_t size, struct outlet *outlet)
{
	size_t room = sizeof(attach->body) - (attach->has < sizeof(attach->body) ? attach->has : sizeof(attach->body));

	if (attach->frame.type == WIRE_FRAME_STDOUT || attach->frame.type == WIRE_FRAME_STDERR)
		let_out(outlet, attach->frame.type == WIRE_FRAME_STDERR, bytes, size);
	else if (room)
		memcpy((char *) attach->body + attach->has, bytes, size < room ? size : room);
	attach->has += size;
	if (attach->has < attach->frame.size)
		return;
	if (attach->frame.type == WIRE_FRAME_EXIT) {
		attach->code = attach->body[0];
		attach->signal = attach->body[1];
		attach->ended = true;
	}
	attach->in_body = false;
	attach->has = 0;
}

static void take(struct attach *attach, const char *bytes, size_t size, struct outlet *outlet)
{
	while (size && !attach->ended) {
		size_t want = (attach->in_body ? attach->frame.size : sizeof(attach->frame)) - attach->has, n = size < want ? size : want;

		if (attach->in_body) {
			take_body(attach, bytes, n, outlet);
		} else {
			memcpy((char *) &attach->frame + attach->has, bytes, n);
			attach->has += n;
			if (attach->has == sizeof(attach->frame)) {
				attach->in_body = attach->frame.size > 0;
				attach->has = 0;
			}
		}
		bytes += n;
		size -= n;
	}
}

/* The end without a word: we were too slow to be told, or the supervisor was killed. */
static void hang_up(struct attach *attach)
{
	struct wire_state state;

	attach->code = 128 + SIGKILL;
	attach->signal = SIGKILL;
	attach->ended = true;
	if (!supervisor_state(attach->engine, attach->id, attach->owner, &state) || state.run_state != WIRE_RUN_FINISHED)
		return;
	attach->code = state.exit_code;
	attach->signal = state.exit_signal;
}

int attach_dispatch(struct attach *attach, attach_emit_fn emit, void *data)
{
	struct outlet outlet = { attach, emit, data };
	char buffer[READ_BYTES];
	size_t budget = DISPATCH_BUDGET;

	if (attach->ended)
		return 0;
	if (attach->backlog.next) {
		if (attach->backlog.next(attach->backlog.data, let_out, &outlet) > 0)
			return 1;
		end_backlog(attach);
	}
	while (budget) {
		ssize_t n = recv(attach->socket, buffer, sizeof(buffer), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 1;
		if (n <= 0) {
			hang_up(attach);
		} else {
			take(attach, buffer, (size_t) n, &outlet);
		}
		if (attach->ended)
			return 0;
		budget -= (size_t) n < budget ? (size_t) n : budget;
	}
	return 1;
}

void attach_exit(const struct attach *attach, struct process_exit *exit)
{
	*exit = (struct process_exit){ .code = attach->code, .signal = attach->signal };
}

int attach_write_fd(const struct attach *attach)
{
	return attach->input ? attach->socket : -1;
}

ssize_t attach_write(struct attach *attach, const void *data, size_t size)
{
	struct wire_frame frame = { .type = WIRE_FRAME_STDIN, .size = (uint32_t) (size < INPUT_BYTES ? size : INPUT_BYTES) };
	struct iovec parts[] = { { &frame, sizeof(frame) }, { (void *) data, frame.size } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t n;

	if (attach->owed) {
		n = send(attach->socket, data, size < attach->owed ? size : attach->owed, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			attach->owed -= (size_t) n;
		return n < 0 ? -errno : n;
	}
	/* Header and bytes at once: who closes the input next must not find a message that was begun. */
	n = sendmsg(attach->socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < (ssize_t) sizeof(frame))
		return n < 0 ? -errno : -EIO;
	n -= (ssize_t) sizeof(frame);
	attach->owed = frame.size - (size_t) n;
	return n;
}

/* On the connection of the input: it must not overtake that. */
int attach_close_input(struct attach *attach)
{
	int r = frame_send(attach->socket, WIRE_FRAME_CLOSE_STDIN, NULL, 0);

	attach->input = false;
	return r;
}

int attach_resize(const struct attach *attach, unsigned int rows, unsigned int columns)
{
	uint32_t numbers[2] = { rows, columns };

	return supervisor_tell(attach->engine, attach->id, WIRE_FRAME_RESIZE, numbers, sizeof(numbers));
}
