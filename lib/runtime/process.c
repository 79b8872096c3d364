/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A running process as one pollable descriptor: an epoll instance over its pidfd and the ends of its pipes, or the master of its terminal.
 * Here is its life: made, killed, reaped, given back. What goes through the pipes is in process-io.c.
 *
 * 1. The end is recorded once, by process_reap(), on whichever thread sees it first: a thread in scow_container_stop() may be quicker
 *    than the one that dispatches.
 * 2. A process that joined a container (exec) has a cgroup of its own, by which it is killed with all its children. Where the host
 *    gives none, they are found by /proc, and one that detached itself from its parents escapes.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "engine/guard.h"
#include "runtime/attach.h"
#include "runtime/exec.h"
#include "runtime/process-internal.h"

#define CODE_LOST 255
#define JOINED_NAP_MS 10

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

int process_kill_tree(scow_process *process, scow_error **error)
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
			process_kill_tree(process, NULL);
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

int scow_process_fd(const scow_process *process)
{
	return process ? process->epoll_fd : -1;
}

void process_begun(scow_process *process, pid_t pid, int pidfd)
{
	pthread_mutex_lock(&process->lock);
	process->params.pid = pid;
	process->params.pidfd = pidfd;
	pthread_mutex_unlock(&process->lock);
}

/* One that was attached to gets them while others look. */
static pid_t known_as(const scow_process *process, int *pidfd)
{
	pthread_mutex_t *lock = (pthread_mutex_t *) (uintptr_t) &process->lock;
	pid_t pid;

	pthread_mutex_lock(lock);
	pid = process->params.pid;
	*pidfd = process->params.pidfd;
	pthread_mutex_unlock(lock);
	return pid;
}

int scow_process_pid(const scow_process *process)
{
	int pidfd;

	return process ? known_as(process, &pidfd) : 0;
}

int process_check(const scow_process *process, scow_error **error)
{
	if (!process)
		return error_set(error, SCOW_E_INVALID, "no process was given");
	return engine_check(process->engine, error);
}

int scow_process_signal(scow_process *process, int signal, scow_error **error)
{
	int r = process_check(process, error), pidfd;
	pid_t pid;

	if (r < 0)
		return r;
	pid = known_as(process, &pidfd);
	if (signal < 1 || signal > 64)
		return error_set(error, SCOW_E_INVALID, "%d is not a signal", signal);
	if (scow_process_exited(process))
		return error_set(error, SCOW_E_STATE, "process %d has exited", process->params.pid);
	if (pidfd < 0 && process->params.attach)
		return error_set(error, SCOW_E_STATE, "the container that was attached to does not run");
	if (syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0)
		return 0;
	if (errno == ESRCH)
		return error_errno_status(error, SCOW_E_STATE, errno, "pidfd_send_signal", "process %d has exited", pid);
	return error_errno(error, errno, "pidfd_send_signal", "signal process %d", pid);
}

int scow_process_kill_tree(scow_process *process, scow_error **error)
{
	int r = process_check(process, error);

	if (r < 0)
		return r;
	if (scow_process_exited(process))
		return error_set(error, SCOW_E_STATE, "process %d has exited", process->params.pid);
	return process_kill_tree(process, error);
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
