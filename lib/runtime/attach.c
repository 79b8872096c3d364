/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client of a supervisor.
 *
 * 1. The socket is read from only when there is no backlog left: what comes meanwhile waits in the supervisor, which drops it where
 *    that is too much. What is polled is an epoll of the one or the other.
 * 2. An input message has its size at its beginning, so one that was begun is finished before anything else is written there; what
 *    other threads have to say (a new window) goes by a connection of its own.
 * 3. One that waits for a container's start listens, and is connected to: from then on it is a client as any other.
 * 4. Where the end comes without a word, the state file has it, or the supervisor was killed, and its container died with it.
 */
#include "runtime/attach.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/fd.h"

#define READ_BYTES (16 * 1024)
#define DISPATCH_BUDGET (256 * 1024)
#define HELLO_WAIT_MS 5000
#define BODY_BYTES 16
#define INPUT_BYTES (16 * 1024) /* with its header so few go as a whole, or not at all */

struct attach {
	scow_engine *engine; /* borrowed: the process handle holds it */
	char id[65], owner[WIRE_OWNER_SIZE];
	int epoll_fd, ready_fd;
	bool input;
	/* what changes when a supervisor comes that was waited for, whichever thread sees that */
	pthread_mutex_t lock;
	int socket;
	bool terminal;
	int waiting, removal; /* a listener; an inotify that tells when its name goes; or -1 */
	char place[96];       /* the listener's */
	void (*began)(void *data);
	void *began_data;
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

static void end_wait(struct attach *attach)
{
	if (attach->waiting >= 0)
		(void) unlinkat(attach->engine->containers_fd, attach->place, 0);
	cleanup_fd(&attach->waiting);
	cleanup_fd(&attach->removal);
	attach->waiting = attach->removal = -1;
}

void attach_free(struct attach *attach)
{
	if (!attach)
		return;
	if (attach->backlog.free)
		attach->backlog.free(attach->backlog.data);
	cleanup_fd(&attach->sinks[0]);
	cleanup_fd(&attach->sinks[1]);
	end_wait(attach);
	cleanup_fd(&attach->socket);
	cleanup_fd(&attach->ready_fd);
	cleanup_fd(&attach->epoll_fd);
	pthread_mutex_destroy(&attach->lock);
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

static int make(scow_engine *engine, const char *id, struct attach **out)
{
	struct attach *attach = *out = calloc(1, sizeof(*attach));

	if (!attach)
		return -ENOMEM;
	pthread_mutex_init(&attach->lock, NULL);
	attach->engine = engine;
	snprintf(attach->id, sizeof(attach->id), "%s", id);
	attach->waiting = attach->removal = attach->socket = attach->ready_fd = attach->sinks[0] = attach->sinks[1] = -1;
	attach->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return attach->epoll_fd < 0 ? -errno : 0;
}

int attach_open(scow_engine *engine, const char *id, const char *owner, struct attach **out, struct wire_hello *hello)
{
	_cleanup_(attach_freep) struct attach *attach = NULL;
	int r = make(engine, id, &attach);

	if (r < 0)
		return r;
	snprintf(attach->owner, sizeof(attach->owner), "%s", owner);
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

/* Nobody is to wait for ever; where the kernel has no inotify left, he may. */
static void watch_removal(struct attach *attach, const char *path)
{
	attach->removal = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (attach->removal >= 0 && inotify_add_watch(attach->removal, path, IN_ATTRIB | IN_DELETE_SELF) >= 0)
		(void) watch_only(attach, attach->removal);
}

int attach_wait(scow_engine *engine, const char *id, struct attach **out)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(attach_freep) struct attach *attach = NULL;
	_cleanup_fd_ int dir = -1, listener = -1;
	char name[sizeof(WIRE_WAITING_NAME) + 16] = WIRE_WAITING_NAME;
	int r = make(engine, id, &attach);

	if (r < 0)
		return r;
	/* Before the first start it has none. */
	if (mkdirat(engine->containers_fd, id, 0700) < 0 && errno != EEXIST)
		return -errno;
	dir = dir_open_at(engine->containers_fd, id);
	if (dir < 0)
		return dir;
	random_hex(name + strlen(name), 8);
	snprintf(attach->place, sizeof(attach->place), "%s/%s", id, name);
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", dir, name);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *) &address, sizeof(address)) < 0)
		return -errno;
	attach->waiting = take_fd(&listener);
	if (listen(attach->waiting, 1) < 0)
		return -errno;
	watch_removal(attach, address.sun_path);
	r = watch_only(attach, attach->waiting);
	if (r == 0)
		*out = take_ptr(&attach);
	return r;
}

void attach_on_begin(struct attach *attach, void (*began)(void *data), void *data)
{
	attach->began = began;
	attach->began_data = data;
}

static bool let_in(struct attach *attach, bool *gone)
{
	struct inotify_event event[4];
	struct wire_hello hello;
	int fd;

	*gone = false;
	if (attach->waiting < 0)
		return true;
	/* First: the supervisor takes the name away when it has connected. */
	while (attach->removal >= 0 && read(attach->removal, event, sizeof(event)) > 0)
		*gone = faccessat(attach->engine->containers_fd, attach->place, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
	fd = accept4(attach->waiting, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return false;
	end_wait(attach);
	attach->socket = fd;
	/* It is said at once. Where it is not, the end shows. */
	if (hear_hello(attach, &hello) == 0)
		attach->terminal = hello.terminal != 0;
	(void) watch_only(attach, fd);
	(void) supervisor_owner(attach->engine, attach->id, attach->owner);
	if (attach->input)
		attach_allow_input(attach);
	if (attach->began)
		attach->began(attach->began_data);
	return true;
}

/* Its supervisor has connected: true; or else @gone if nobody can any more. */
static bool has_begun(struct attach *attach, bool *gone)
{
	bool begun;

	pthread_mutex_lock(&attach->lock);
	begun = let_in(attach, gone);
	pthread_mutex_unlock(&attach->lock);
	return begun;
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
	if (attach->socket < 0)
		return; /* it is said when that is there */
	/* Whether it ever writes or not: stdin may be closed when it leaves. Should it have gone, the next call sees that. */
	(void) frame_send(attach->socket, WIRE_FRAME_STDIN, NULL, 0);
}

int attach_fd(const struct attach *attach)
{
	return attach->epoll_fd;
}

bool attach_is_terminal(struct attach *attach)
{
	bool gone;

	(void) has_begun(attach, &gone);
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
	bool gone;

	if (attach->ended)
		return 0;
	if (!has_begun(attach, &gone)) {
		if (gone)
			hang_up(attach);
		return !gone;
	}
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

int attach_write_fd(struct attach *attach)
{
	bool gone;

	return attach->input && has_begun(attach, &gone) ? attach->socket : -1;
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
