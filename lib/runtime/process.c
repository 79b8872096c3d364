/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A running process as one pollable descriptor: an epoll instance over its pidfd and the ends of its pipes,
 * or the master of its terminal.
 *
 * 1. The end is recorded once, by process_reap(), on whichever thread sees it first: a thread in
 *    scow_container_stop() may be quicker than the one that dispatches. Output belongs to the latter alone.
 * 2. "Exited" for the dispatching thread means reaped and delivered. When PID 1 of a pid namespace ends,
 *    the kernel has killed everything else in it before its pidfd becomes readable, so all pipes are at
 *    their end. Only in a shared pid namespace may somebody hold them longer; then what is there is taken.
 * 3. A terminal's master gives EIO, not an end of file, when nobody has it open on the other side.
 * 4. The host may poll and read the master itself: once it has asked for the descriptor, and has no callback
 *    and no capture, dispatch leaves it alone.
 * 5. A process that joined a container (exec) has a cgroup of its own, by which it is killed with all its children. Where the host
 *    gives none, they are found by /proc, and one that detached itself from its parents escapes.
 */
#include "runtime/process.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "base/str.h"
#include "engine/guard.h"
#include "runtime/attach.h"
#include "runtime/exec.h"

#define READ_BYTES (16 * 1024)
#define DISPATCH_BUDGET (256 * 1024) /* of one stream in one dispatch: a flood must not keep the host from its loop */
#define DRAIN_BUDGET (1024 * 1024)   /* after the exit: as much as a pipe can hold */
#define CODE_LOST 255
#define JOINED_NAP_MS 10
#define END_OF_TRANSMISSION "\004" /* ctrl-D */

enum slot { SLOT_STDOUT, SLOT_STDERR, SLOT_PIDFD, SLOT_DEADLINE, SLOT_JOINED, SLOT_COUNT };
enum stage { STAGE_RUNNING, STAGE_REAPING, STAGE_REAPED };

struct output {
	int fd; /* -1: at its end, or never there. A terminal's is closed only with the handle */
	struct str captured;
};

struct scow_process {
	atomic_uint refs;
	scow_engine *engine;
	struct process_params params;
	int epoll_fd;
	int deadline_fd; /* a timer, or -1 */
	struct output outputs[2];
	atomic_bool host_reads_terminal;
	pthread_mutex_t lock;
	pthread_cond_t reaped;
	enum stage stage; /* under lock */
	struct process_exit exit;
	scow_receipt receipt;
	atomic_bool exited; /* exit and receipt are set before, and never change after */
};

static int watch(scow_process *process, int fd, enum slot slot, scow_error **error)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = slot };

	if (epoll_ctl(process->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return error_errno(error, errno, "epoll_ctl", "watch the process");
	return 0;
}

static int watch_deadline(scow_process *process, scow_error **error)
{
	unsigned int ms = process->params.deadline_ms;
	struct itimerspec time = { .it_value = { .tv_sec = ms / 1000, .tv_nsec = (long) (ms % 1000) * 1000000 } };

	process->deadline_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (process->deadline_fd < 0 || timerfd_settime(process->deadline_fd, 0, &time, NULL) < 0)
		return error_errno(error, errno, "timerfd_create", "set a deadline for the process");
	return watch(process, process->deadline_fd, SLOT_DEADLINE, error);
}

/* What tells its end, and its status. */
static int end_fd(const struct process_params *params)
{
	return params->keeper_fd > 0 ? params->keeper_fd : params->pidfd;
}

static int watch_all(scow_process *process, scow_error **error)
{
	const struct process_params *params = &process->params;
	int r;

	process->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (process->epoll_fd < 0)
		return error_errno(error, errno, "epoll_create1", "watch the process");
	if (params->attach)
		return watch(process, attach_fd(params->attach), SLOT_STDOUT, error);
	r = watch(process, end_fd(params), SLOT_PIDFD, error);
	if (r == 0 && params->deadline_ms)
		r = watch_deadline(process, error);
	if (r == 0 && params->terminal_fd >= 0) {
		r = fd_set_nonblock(params->terminal_fd, true);
		if (r < 0)
			return error_errno(error, -r, "fcntl", "prepare the terminal");
	}
	for (int i = 0; i < 2 && r == 0; i++)
		if (process->outputs[i].fd >= 0)
			r = watch(process, process->outputs[i].fd, (enum slot) i, error);
	return r;
}

/* Memory and descriptors only: what a forked child may do, too. */
static void process_free(scow_process *process)
{
	struct process_params *params = &process->params;

	if (process->epoll_fd >= 0)
		close(process->epoll_fd);
	attach_free(params->attach);
	cleanup_fd(&process->deadline_fd);
	for (int i = 0; i < 2; i++) {
		if (process->outputs[i].fd != params->terminal_fd)
			cleanup_fd(&process->outputs[i].fd);
		str_done(&process->outputs[i].captured);
	}
	cleanup_fd(&params->terminal_fd);
	cleanup_fd(&params->stdin_fd);
	cleanup_fd(&params->pidfd);
	if (params->keeper_fd > 0)
		cleanup_fd(&params->keeper_fd);
	if (params->cgroup)
		cgroup_free(params->cgroup);
	pthread_cond_destroy(&process->reaped);
	pthread_mutex_destroy(&process->lock);
	scow_engine_unref(process->engine);
	free(process);
}

/* The way out of a process_new() that failed. */
static int refuse(scow_engine *engine, struct process_params *params, scow_process *process, int r)
{
	if (params->attach) {
		if (process)
			process_free(process);
		else
			attach_free(params->attach);
		if (!process)
			cleanup_fd(&params->pidfd);
		return r;
	}
	syscall(SYS_pidfd_send_signal, params->pidfd, SIGKILL, NULL, 0);
	if (params->cgroup && (params->kill_cgroup || params->joined))
		cgroup_kill(params->cgroup, NULL);
	spawn_wait(end_fd(params), NULL, NULL);
	if (params->cgroup)
		cgroup_remove(params->cgroup, NULL);
	if (params->guard_key)
		guard_drop(engine, params->guard_key);
	if (process) {
		process_free(process);
		return r;
	}
	cleanup_fd(&params->pidfd);
	if (params->keeper_fd > 0)
		cleanup_fd(&params->keeper_fd);
	cleanup_fd(&params->terminal_fd);
	cleanup_fd(&params->stdin_fd);
	cleanup_fd(&params->stdout_fd);
	cleanup_fd(&params->stderr_fd);
	if (params->cgroup)
		cgroup_free(params->cgroup);
	return r;
}

int process_new(scow_engine *engine, struct process_params *params, scow_process **out, scow_error **error)
{
	scow_process *process = calloc(1, sizeof(*process));
	int r;

	if (!process)
		return refuse(engine, params, NULL, error_oom(error));
	atomic_init(&process->refs, 1);
	process->engine = scow_engine_ref(engine);
	process->params = *params;
	process->epoll_fd = process->deadline_fd = -1;
	process->outputs[0].fd = params->terminal_fd >= 0 ? params->terminal_fd : params->stdout_fd;
	process->outputs[1].fd = params->stderr_fd;
	pthread_mutex_init(&process->lock, NULL);
	pthread_cond_init(&process->reaped, NULL);
	r = watch_all(process, error);
	if (r < 0)
		return refuse(engine, params, process, r);
	*out = process;
	return 0;
}

scow_process *scow_process_ref(scow_process *process)
{
	if (process)
		atomic_fetch_add_explicit(&process->refs, 1, memory_order_relaxed);
	return process;
}

bool process_try_ref(scow_process *process)
{
	unsigned int refs = atomic_load_explicit(&process->refs, memory_order_relaxed);

	while (refs && !atomic_compare_exchange_weak_explicit(&process->refs, &refs, refs + 1, memory_order_acquire, memory_order_relaxed))
		;
	return refs != 0;
}

static int kill_tree(scow_process *process, scow_error **error)
{
	const struct process_params *params = &process->params;
	bool gone;

	if (params->joined && !params->cgroup && syscall(SYS_pidfd_send_signal, params->pidfd, SIGSTOP, NULL, 0) == 0)
		exec_kill_children(params->pid);
	gone = syscall(SYS_pidfd_send_signal, params->pidfd, SIGKILL, NULL, 0) < 0;
	if (gone && errno != ESRCH)
		return error_errno(error, errno, "pidfd_send_signal", "kill process %d", params->pid);
	/* PID 1 takes its namespace with it; a joined process, or one in a namespace of others, has only its cgroup. */
	if (params->cgroup && (params->joined || params->kill_cgroup))
		return cgroup_kill(params->cgroup, error);
	return 0;
}

scow_process *scow_process_unref(scow_process *process)
{
	int saved = errno;

	if (!process || atomic_fetch_sub_explicit(&process->refs, 1, memory_order_acq_rel) != 1)
		return NULL;
	/* In a forked child the process is the parent's, and so are the store and the guard. */
	if (process->engine->pid == getpid()) {
		if (process->stage != STAGE_REAPED && !process->params.orphan && !process->params.attach) {
			kill_tree(process, NULL);
			process_reap(process, NULL);
		}
		if (process->params.on_free)
			process->params.on_free(process->params.data);
	}
	process_free(process);
	errno = saved;
	return NULL;
}

static void read_status(int status, struct process_exit *exit)
{
	exit->lost = status < 0;
	if (status < 0) {
		exit->code = CODE_LOST;
	} else if (WIFSIGNALED(status)) {
		exit->signal = WTERMSIG(status);
		exit->code = 128 + exit->signal;
	} else {
		exit->code = WEXITSTATUS(status);
	}
}

bool process_has_ended(const scow_process *process)
{
	struct pollfd fds = { .fd = end_fd(&process->params), .events = POLLIN };

	return poll(&fds, 1, 0) > 0;
}

void process_watch_joined(scow_process *process, const scow_process *joined)
{
	/* Once: its descriptor stays readable for as long as somebody has its handle. */
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.u32 = SLOT_JOINED };

	(void) epoll_ctl(process->epoll_fd, EPOLL_CTL_ADD, end_fd(&joined->params), &event);
}

/* Until it is dead: the programs that joined its pid namespace have to be reaped first, perhaps by this very thread. */
static void await_joined(const struct process_params *params)
{
	struct pollfd fds = { .fd = params->pidfd, .events = POLLIN };

	while (params->reap_joined && params->reap_joined(params->data))
		if (poll(&fds, 1, JOINED_NAP_MS) > 0)
			return;
}

/* What is left of the process outside of our memory: its zombie, its cgroup, its place with the guard. */
static int clear_remains(scow_process *process, scow_error **error)
{
	struct process_params *params = &process->params;
	scow_error *failure = NULL;
	int status = -1, r;

	if (params->attach) {
		attach_exit(params->attach, &process->exit);
		return 0;
	}
	await_joined(params);
	r = spawn_wait(end_fd(params), &status, error);
	if (r < 0)
		return r;
	/* Somebody has killed its keeper. */
	if (params->keeper_fd > 0)
		syscall(SYS_pidfd_send_signal, params->pidfd, SIGKILL, NULL, 0);
	FAULT_POINT("reap.waited");
	read_status(status, &process->exit);
	process->receipt.wall_us = clock_us() - params->started_us;
	process->receipt.start_us = params->ready_us - params->started_us;
	if (params->guard_key)
		guard_drop(process->engine, params->guard_key);
	if (!params->cgroup)
		return 0;
	if (params->kill_cgroup)
		cgroup_kill(params->cgroup, NULL);
	cgroup_read_usage(params->cgroup, &process->exit.usage);
	process->receipt.usage = process->exit.usage;
	r = params->joined && !params->kill_cgroup ? cgroup_dissolve(params->cgroup, &failure) : cgroup_remove(params->cgroup, &failure);
	if (r < 0)
		engine_log(process->engine, SCOW_LOG_WARNING, "process %d: its cgroup stays: %s", params->pid, scow_error_message(failure));
	scow_error_unref(failure);
	return 0;
}

int process_reap(scow_process *process, scow_error **error)
{
	int r;

	pthread_mutex_lock(&process->lock);
	while (process->stage == STAGE_REAPING)
		pthread_cond_wait(&process->reaped, &process->lock);
	if (process->stage == STAGE_REAPED) {
		pthread_mutex_unlock(&process->lock);
		return process->exit.code;
	}
	process->stage = STAGE_REAPING;
	pthread_mutex_unlock(&process->lock);

	r = clear_remains(process, error);
	FAULT_POINT("reap.cleared");
	if (r == 0 && process->params.on_exit)
		process->params.on_exit(process->params.data, &process->exit);

	FAULT_POINT("reap.recorded");
	pthread_mutex_lock(&process->lock);
	process->stage = r < 0 ? STAGE_RUNNING : STAGE_REAPED;
	pthread_cond_broadcast(&process->reaped);
	pthread_mutex_unlock(&process->lock);
	return r < 0 ? r : process->exit.code;
}

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
		r = kill_tree(process, error);
		return r < 0 ? r : 1;
	}
	if (!ended)
		return 1;
	r = finish(process, error);
	return r < 0 ? r : final_result(process, error);
}

int scow_process_fd(const scow_process *process)
{
	return process ? process->epoll_fd : -1;
}

int scow_process_pid(const scow_process *process)
{
	return process ? process->params.pid : 0;
}

static int check(const scow_process *process, scow_error **error)
{
	if (!process)
		return error_set(error, SCOW_E_INVALID, "no process was given");
	return engine_check(process->engine, error);
}

int scow_process_dispatch(scow_process *process, scow_error **error)
{
	int r = check(process, error);

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
	int r = check(process, error);

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
	int r = check(process, error);

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
	/* Asking is what hands the reading over, see 4. */
	atomic_store(&((scow_process *) process)->host_reads_terminal, true);
	if (!wants_output(process))
		epoll_ctl(process->epoll_fd, EPOLL_CTL_DEL, process->params.terminal_fd, NULL);
	return process->params.terminal_fd;
}

int scow_process_resize(scow_process *process, unsigned int rows, unsigned int columns, scow_error **error)
{
	struct winsize size = { .ws_row = (unsigned short) rows, .ws_col = (unsigned short) columns };
	int r = check(process, error);

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

int scow_process_signal(scow_process *process, int signal, scow_error **error)
{
	int r = check(process, error);

	if (r < 0)
		return r;
	if (signal < 1 || signal > 64)
		return error_set(error, SCOW_E_INVALID, "%d is not a signal", signal);
	if (scow_process_exited(process))
		return error_set(error, SCOW_E_STATE, "process %d has exited", process->params.pid);
	if (syscall(SYS_pidfd_send_signal, process->params.pidfd, signal, NULL, 0) == 0)
		return 0;
	if (errno == ESRCH)
		return error_errno_status(error, SCOW_E_STATE, errno, "pidfd_send_signal", "process %d has exited", process->params.pid);
	return error_errno(error, errno, "pidfd_send_signal", "signal process %d", process->params.pid);
}

int scow_process_kill_tree(scow_process *process, scow_error **error)
{
	int r = check(process, error);

	if (r < 0)
		return r;
	if (scow_process_exited(process))
		return error_set(error, SCOW_E_STATE, "process %d has exited", process->params.pid);
	return kill_tree(process, error);
}

int scow_process_exited(const scow_process *process)
{
	return process && atomic_load_explicit(&process->exited, memory_order_acquire);
}

int scow_process_exit_code(const scow_process *process)
{
	return scow_process_exited(process) ? process->exit.code : -1;
}

int scow_process_exit_signal(const scow_process *process)
{
	return scow_process_exited(process) ? process->exit.signal : 0;
}

const scow_receipt *scow_process_receipt(const scow_process *process)
{
	return scow_process_exited(process) ? &process->receipt : NULL;
}
