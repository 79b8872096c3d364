/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What goes to a process and comes from it, and the loop in which that happens.
 *
 * 1. Output belongs to the thread that dispatches. "Exited" means, for that one, reaped and delivered. When PID 1 of a pid namespace
 *    ends, the kernel has killed everything else in it before its pidfd becomes readable, so all pipes are at their end. Only in a
 *    shared pid namespace may somebody hold them longer; then what is there is taken.
 * 2. A terminal's master gives EIO, not an end of file, when nobody has it open on the other side.
 * 3. The host may poll and read the master itself: once it has asked for the descriptor, and has no callback and no capture, dispatch
 *    leaves it alone.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/fd.h"
#include "runtime/attach.h"
#include "runtime/process-internal.h"

#define READ_BYTES (16 * 1024)
#define DISPATCH_BUDGET (256 * 1024) /* of one stream in one dispatch: a flood must not keep the host from its loop */
#define DRAIN_BUDGET (1024 * 1024)   /* after the exit: as much as a pipe can hold */
#define END_OF_TRANSMISSION "\004"   /* ctrl-D */

static bool is_terminal(const scow_process *process, int i)
{
	return i == 0 && process->params.terminal_fd >= 0;
}

static bool wants_output(const scow_process *process)
{
	return process->params.output || process->params.capture_limit;
}

static void deliver(scow_process *process, int i, const char *data, size_t size)
{
	struct str *captured = &process->outputs[i].captured;
	size_t limit = process->params.capture_limit;

	if (captured->size < limit)
		str_add_bytes(captured, data, size < limit - captured->size ? size : limit - captured->size);
	if (process->params.output)
		process->params.output(i == 0 ? SCOW_STDOUT : SCOW_STDERR, data, size, process->params.output_data);
}

static void deliver_attached(void *data, int stream, const char *bytes, size_t size)
{
	deliver(data, stream, bytes, size);
}

static void output_end(scow_process *process, int i)
{
	struct output *output = &process->outputs[i];

	epoll_ctl(process->epoll_fd, EPOLL_CTL_DEL, output->fd, NULL);
	if (!is_terminal(process, i))
		close(output->fd);
	output->fd = -1;
}

/* Takes what is there, @budget bytes at most. */
static void output_read(scow_process *process, int i, size_t budget)
{
	struct output *output = &process->outputs[i];
	char buffer[READ_BYTES];

	while (budget && output->fd >= 0) {
		ssize_t n = read(output->fd, buffer, budget < sizeof(buffer) ? budget : sizeof(buffer));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			output_end(process, i);
			return;
		}
		budget -= (size_t) n;
		deliver(process, i, buffer, (size_t) n);
	}
}

static bool leaves_to_host(const scow_process *process, int i)
{
	return is_terminal(process, i) && !wants_output(process) && atomic_load(&process->host_reads_terminal);
}

/* The process has ended: record it, deliver the rest. */
static int finish(scow_process *process, scow_error **error)
{
	int r = process_reap(process, error);

	if (r < 0)
		return r;
	for (int i = 0; i < 2; i++) {
		if (process->outputs[i].fd < 0 || leaves_to_host(process, i))
			continue;
		output_read(process, i, DRAIN_BUDGET);
		if (process->outputs[i].fd >= 0)
			output_end(process, i);
	}
	atomic_store_explicit(&process->exited, true, memory_order_release);
	return 0;
}

static int final_result(const scow_process *process, scow_error **error)
{
	if (!process->exit.lost)
		return 0;
	return error_hint(error,
			  error_set(error, SCOW_E_FAILED, "the exit status of process %d is lost: this program reaped it elsewhere",
				    process->params.pid),
			  "do not ignore SIGCHLD nor wait for any child (-1), or use Linux 6.15 or newer");
}

/* One round of waiting and doing. 1: more to come, 0: all done. */
static int pump(scow_process *process, int timeout_ms, scow_error **error)
{
	struct epoll_event events[SLOT_COUNT];
	bool ended = false, late = false;
	int n, r;

	if (atomic_load_explicit(&process->exited, memory_order_acquire))
		return final_result(process, error);
	n = epoll_wait(process->epoll_fd, events, SLOT_COUNT, timeout_ms);
	if (n < 0 && errno != EINTR)
		return error_errno(error, errno, "epoll_wait", "wait for the process");
	for (int i = 0; i < n; i++) {
		if (events[i].data.u32 == SLOT_PIDFD)
			ended = true;
		else if (events[i].data.u32 == SLOT_DEADLINE)
			late = true;
		else if (events[i].data.u32 == SLOT_JOINED)
			process->params.reap_joined(process->params.data);
		else if (process->params.attach)
			ended = attach_dispatch(process->params.attach, deliver_attached, process) == 0;
		else if (!leaves_to_host(process, (int) events[i].data.u32))
			output_read(process, (int) events[i].data.u32, DISPATCH_BUDGET);
	}
	if (late && !ended) {
		epoll_ctl(process->epoll_fd, EPOLL_CTL_DEL, process->deadline_fd, NULL);
		r = process_kill_tree(process, error);
		return r < 0 ? r : 1;
	}
	if (!ended)
		return 1;
	r = finish(process, error);
	return r < 0 ? r : final_result(process, error);
}

int scow_process_dispatch(scow_process *process, scow_error **error)
{
	int r = process_check(process, error);

	if (r < 0)
		return r;
	/* A callback may give back the caller's last reference. */
	scow_process_ref(process);
	r = pump(process, 0, error);
	scow_process_unref(process);
	return r;
}

int scow_process_wait(scow_process *process, int timeout_ms, int *exit_code, scow_error **error)
{
	uint64_t end = timeout_ms < 0 ? 0 : clock_us() + (uint64_t) timeout_ms * 1000;
	int left = timeout_ms < 0 ? -1 : timeout_ms;
	int r = process_check(process, error);

	if (r < 0)
		return r;
	scow_process_ref(process);
	while ((r = pump(process, left, error)) > 0) {
		uint64_t now = timeout_ms < 0 ? 0 : clock_us();

		if (timeout_ms >= 0 && now >= end) {
			r = error_set(error, SCOW_E_TIMEOUT, "process %d still runs after %d ms", process->params.pid, timeout_ms);
			break;
		}
		if (timeout_ms >= 0)
			left = (int) ((end - now + 999) / 1000);
	}
	if (r == 0 && exit_code)
		*exit_code = process->exit.code;
	scow_process_unref(process);
	return r;
}

static bool has_terminal(const scow_process *process)
{
	return process->params.attach ? attach_is_terminal(process->params.attach) : process->params.terminal_fd >= 0;
}

static int not_open(const scow_process *process, scow_error **error)
{
	return error_hint(error, error_set(error, SCOW_E_STATE, "stdin of process %d is not open", process->params.pid),
			  "open it with scow_io_set_input() before the start");
}

static int close_stdin(scow_process *process, scow_error **error)
{
	int r;

	if (process->params.attach && attach_write_fd(process->params.attach) >= 0) {
		r = attach_close_input(process->params.attach);
		return r < 0 ? error_errno_status(error, SCOW_E_STATE, -r, "send", "close stdin of process %d", process->params.pid) : 0;
	}
	if (process->params.stdin_fd < 0)
		return not_open(process, error);
	close(process->params.stdin_fd);
	process->params.stdin_fd = -1;
	return 0;
}

/* Waits until @fd takes bytes again, delivering output meanwhile: the process may be blocked on us. */
static int wait_writable(scow_process *process, int fd, scow_error **error)
{
	struct pollfd fds[] = { { .fd = fd, .events = POLLOUT }, { .fd = process->epoll_fd, .events = POLLIN } };
	int r;

	if (poll(fds, 2, -1) < 0 && errno != EINTR)
		return error_errno(error, errno, "poll", "wait for the process to read");
	if (!fds[1].revents)
		return 0;
	r = pump(process, 0, error);
	if (r < 0)
		return r;
	return r > 0 ? 0 : error_set(error, SCOW_E_STATE, "process %d exited before it had read its input", process->params.pid);
}

static int write_all(scow_process *process, const char *data, size_t size, scow_error **error)
{
	struct attach *attach = process->params.attach;
	int r;

	while (size) {
		int fd = attach ? attach_write_fd(attach) : has_terminal(process) ? process->params.terminal_fd : process->params.stdin_fd;
		ssize_t n;

		/* A callback inside wait_writable() may have closed it. */
		if (fd < 0)
			return not_open(process, error);
		n = attach ? attach_write(attach, data, size) : pipe_write(fd, data, size);
		if (n > 0) {
			data += n;
			size -= (size_t) n;
		} else if (n == -EAGAIN || n == 0) {
			r = wait_writable(process, fd, error);
			if (r < 0)
				return r;
		} else if (n == -EPIPE || n == -EIO) {
			return error_errno_status(error, SCOW_E_STATE, (int) -n, "write", "process %d does not read its input any more",
						  process->params.pid);
		} else if (n != -EINTR) {
			return error_errno(error, (int) -n, "write", "write to process %d", process->params.pid);
		}
	}
	return 0;
}

int scow_process_write(scow_process *process, const void *data, size_t size, scow_error **error)
{
	int r = process_check(process, error);

	if (r < 0)
		return r;
	if (size == 0 && !has_terminal(process))
		return close_stdin(process, error);
	if (size && !data)
		return error_set(error, SCOW_E_INVALID, "no bytes were given");
	scow_process_ref(process);
	r = size ? write_all(process, data, size, error) : write_all(process, END_OF_TRANSMISSION, 1, error);
	scow_process_unref(process);
	return r;
}

const char *scow_process_output(const scow_process *process, scow_stream stream, size_t *size)
{
	const struct str *captured = NULL;

	if (process && (stream == SCOW_STDOUT || stream == SCOW_STDERR))
		captured = &process->outputs[stream == SCOW_STDERR].captured;
	if (size)
		*size = captured ? captured->size : 0;
	return captured && captured->data ? captured->data : "";
}

int scow_process_terminal_fd(const scow_process *process)
{
	if (!process || process->params.terminal_fd < 0)
		return -1;
	/* Asking is what hands the reading over, see 3. */
	atomic_store(&((scow_process *) process)->host_reads_terminal, true);
	if (!wants_output(process))
		epoll_ctl(process->epoll_fd, EPOLL_CTL_DEL, process->params.terminal_fd, NULL);
	return process->params.terminal_fd;
}

int scow_process_resize(scow_process *process, unsigned int rows, unsigned int columns, scow_error **error)
{
	struct winsize size = { .ws_row = (unsigned short) rows, .ws_col = (unsigned short) columns };
	int r = process_check(process, error);

	if (r < 0)
		return r;
	if (!has_terminal(process))
		return error_set(error, SCOW_E_STATE, "process %d has no terminal", process->params.pid);
	if (rows > UINT16_MAX || columns > UINT16_MAX)
		return error_set(error, SCOW_E_INVALID, "a terminal of %u by %u is too large", rows, columns);
	r = process->params.attach                                      ? attach_resize(process->params.attach, rows, columns)
	    : ioctl(process->params.terminal_fd, TIOCSWINSZ, &size) < 0 ? -errno
									: 0;
	if (r < 0)
		return error_errno(error, -r, "ioctl", "resize the terminal of process %d", process->params.pid);
	if (process->params.on_resize)
		process->params.on_resize(process->params.data, rows, columns);
	return 0;
}
