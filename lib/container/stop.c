/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of a container, asked for by anyone: wait, kill, stop, remove.
 *
 * Its PID 1 may be the child of another process. A pidfd, proven to be that process and no later one with its
 * number, is all that is needed to signal it and to see it end; its exit code is its owner's to record, and so we read the
 * row until he has, or is dead himself. An owner that is alive and does not dispatch must not hold others up:
 * after a while a zombie's status is read from /proc, and its removal goes ahead.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "container/container.h"
#include "container/sweep.h"
#include "store/lock.h"

#define STOP_TIMEOUT_MS 10000
#define KILL_TIMEOUT_MS 10000   /* from SIGKILL to giving up */
#define UNSENT_TIMEOUT_MS 2000  /* from a stop signal that could not be sent to SIGKILL */
#define UNRECORDED_WAIT_MS 1000 /* for an owner to record an end */
#define NAP_MAX_MS 32
#define AWAIT_GONE 1

/* How a wait for the end goes on. */
struct await {
	scow_container *container;
	struct container_row row;
	int pidfd;            /* of PID 1, once known */
	bool ended;           /* PID 1 is dead */
	uint64_t deadline_us; /* 0: none */
	uint64_t ended_us;
	int nap_ms;
	int code; /* of the exit; -1 where nobody could tell */
};

static int code_of_status(int status)
{
	return status < 0 ? -1 : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Milliseconds until the deadline, at most @most (-1: no bound). */
static int time_left(const struct await *await, int most)
{
	uint64_t now = clock_us(), left;

	if (!await->deadline_us)
		return most;
	left = await->deadline_us > now ? (await->deadline_us - now + 999) / 1000 : 0;
	return most >= 0 && left > (uint64_t) most ? most : (int) left;
}

static bool expired(const struct await *await)
{
	return await->deadline_us && clock_us() >= await->deadline_us;
}

/* Waits for PID 1 itself. 0, or SCOW_E_TIMEOUT without an error: the caller words it. */
static int await_process(struct await *await, scow_error **error)
{
	struct pollfd fds = { .fd = await->pidfd, .events = POLLIN };
	int r;

	do {
		r = poll(&fds, 1, time_left(await, -1));
	} while (r < 0 && errno == EINTR && !expired(await));
	if (r < 0 && errno != EINTR)
		return error_errno(error, errno, "poll", "wait for container '%.12s'", await->container->id);
	if (r <= 0)
		return SCOW_E_TIMEOUT;
	await->ended = true;
	await->ended_us = clock_us();
	container_reap_own(await->container->engine, await->container->id);
	return 0;
}

static void nap(struct await *await)
{
	poll(NULL, 0, time_left(await, await->nap_ms));
	if (await->nap_ms < NAP_MAX_MS)
		await->nap_ms *= 2;
}

/* The code of a process that is dead and not recorded: from the zombie, if its owner has not even reaped it. */
static bool read_zombie(struct await *await)
{
	int64_t start = 0;
	int status = -1;

	if (!await->ended || clock_us() - await->ended_us < UNRECORDED_WAIT_MS * 1000)
		return false;
	if (process_stat(await->row.pid, &start, &status) && start == await->row.pid_start)
		await->code = code_of_status(status);
	return true;
}

/* The row is gone: the pidfd that we kept may know the code still (from Linux 6.15 on). */
static int await_gone(struct await *await)
{
	int status = -1;

	if (await->ended)
		spawn_wait(await->pidfd, &status, NULL);
	await->code = code_of_status(status);
	return AWAIT_GONE;
}

/*
 * Until the container does not run: 0 and await->code, AWAIT_GONE if it was removed meanwhile, or SCOW_E_TIMEOUT without an error.
 * @timeout_ms: -1 for ever.
 */
static int await_end(struct await *await, int timeout_ms, scow_error **error)
{
	scow_container *container = await->container;
	int r;

	await->deadline_us = timeout_ms < 0 ? 0 : clock_us() + (uint64_t) timeout_ms * 1000;
	await->nap_ms = 1;
	for (;;) {
		r = container_row_read(container->engine, container->id, &await->row, NULL);
		if (r == SCOW_E_NOT_FOUND)
			return await_gone(await);
		if (r < 0)
			return container_row_read(container->engine, container->id, &await->row, error);
		if (!container_runs(await->row.state)) {
			await->code = await->row.exit_code;
			return 0;
		}
		if (read_zombie(await))
			return 0;
		if (await->pidfd < 0)
			await->pidfd = container_pidfd(container->engine, &await->row);
		if (await->pidfd >= 0 && !await->ended) {
			r = await_process(await, error);
			if (r < 0)
				return r;
			continue;
		}
		if (expired(await))
			return SCOW_E_TIMEOUT;
		nap(await);
	}
}

static void await_done(struct await *await)
{
	cleanup_fd(&await->pidfd);
}
#define AWAIT_INIT(c)                                                                                                                      \
	{                                                                                                                                  \
		.container = (c), .pidfd = -1                                                                                              \
	}
#define _cleanup_await_ _cleanup_(await_done)

int scow_container_wait(scow_container *container, int timeout_ms, int *exit_code, scow_error **error)
{
	_cleanup_await_ struct await await = AWAIT_INIT(container);
	int r = container_check(container, error);

	if (r < 0)
		return r;
	r = await_end(&await, timeout_ms, error);
	if (r == SCOW_E_TIMEOUT)
		return error_set(error, SCOW_E_TIMEOUT, "container '%s' still runs after %d ms", container->name, timeout_ms);
	if (r == AWAIT_GONE && await.code < 0)
		return container_not_found(container->name, error);
	if (r < 0)
		return r;
	if (exit_code)
		*exit_code = await.code;
	return 0;
}

/* ---- kill and stop ---- */

static int not_running(const scow_container *container, const struct container_row *row, scow_error **error)
{
	const char *state = container_runs(row->state) ? row->pid ? "ending" : "being started" : container_state_name(row->state);

	return error_at(error, error_set(error, SCOW_E_STATE, "container '%s' is %s, not running", container->name, state), NULL,
			container->name);
}

static int send_signal(scow_container *container, int signal, scow_error **error)
{
	_cleanup_fd_ int pidfd = -1;
	struct container_row row;
	int r;

	r = container_row_read(container->engine, container->id, &row, error);
	if (r < 0)
		return r;
	if (container_runs(row.state))
		pidfd = container_pidfd(container->engine, &row);
	if (pidfd < 0)
		return not_running(container, &row, error);
	if (syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0)
		return 0;
	if (errno == ESRCH)
		return not_running(container, &row, error);
	return error_errno(error, errno, "pidfd_send_signal", "send signal %d to container '%s'", signal, container->name);
}

int scow_container_kill(scow_container *container, int signal, scow_error **error)
{
	int r = container_check(container, error);

	if (r < 0)
		return r;
	if (signal < 1 || signal > 64)
		return error_set(error, SCOW_E_INVALID, "%d is not a signal", signal);
	return send_signal(container, signal, error);
}

/* What its stop begins with: the config's signal, or the image's, or SIGTERM. */
static int stop_settings(scow_container *container, int *signal, int *timeout_ms, scow_error **error)
{
	const scow_container_config *config;
	const struct image_config *image;
	const char *name;
	int r;

	r = container_config_of(container, &config, error);
	if (r < 0)
		return r;
	name = config->stop_signal;
	if (!name && container_image_of(container, &image, NULL) == 0)
		name = image->stop_signal;
	*signal = name ? signal_parse(name) : SIGTERM;
	if (*signal < 1)
		*signal = SIGTERM;
	if (*timeout_ms == -2)
		*timeout_ms = config->has_stop_timeout ? config->stop_timeout_ms : STOP_TIMEOUT_MS;
	return 0;
}

/* SIGKILL, and all of it: what shares the host's pid namespace with us goes with the cgroup, at its end. */
static int kill_and_await(scow_container *container, struct await *await, scow_error **error)
{
	scow_error *failure = NULL;
	int r = send_signal(container, SIGKILL, &failure);

	/* Not running: then there is only its end to wait for. */
	if (r < 0 && r != SCOW_E_STATE && r != SCOW_E_NOT_FOUND) {
		if (error)
			*error = failure;
		else
			scow_error_unref(failure);
		return r;
	}
	scow_error_unref(failure);
	r = await_end(await, KILL_TIMEOUT_MS, error);
	if (r == SCOW_E_TIMEOUT)
		return error_hint(error,
				  error_set(error, SCOW_E_TIMEOUT, "container '%s' did not end within %d ms of SIGKILL", container->name,
					    KILL_TIMEOUT_MS),
				  "a process of it may hang in the kernel: look for state D in ps");
	return r;
}

int scow_container_stop(scow_container *container, int timeout_ms, scow_error **error)
{
	_cleanup_await_ struct await await = AWAIT_INIT(container);
	struct container_row row;
	int signal, r;

	r = container_check(container, error);
	if (r == 0)
		r = container_row_read(container->engine, container->id, &row, error);
	if (r < 0 || !container_runs(row.state))
		return r;
	if (timeout_ms < -2)
		return error_set(error, SCOW_E_INVALID, "%d ms is not a time to wait", timeout_ms);
	r = stop_settings(container, &signal, &timeout_ms, error);
	if (r < 0)
		return r;
	if (timeout_ms != 0) {
		if (send_signal(container, signal, NULL) < 0 && (timeout_ms < 0 || timeout_ms > UNSENT_TIMEOUT_MS))
			timeout_ms = UNSENT_TIMEOUT_MS;
		r = await_end(&await, timeout_ms, error);
		if (r != SCOW_E_TIMEOUT)
			return r < 0 ? r : 0;
	}
	r = kill_and_await(container, &await, error);
	return r < 0 ? r : 0;
}

/* ---- remove ---- */

/* Takes the row over for removal; the second who wants to finds it removed. */
static int mark_removing(scow_container *container, enum container_action action, scow_error **error)
{
	scow_engine *engine = container->engine;
	_cleanup_db_ struct db_work work = { 0 };
	struct container_row row;
	scow_error *failure = NULL;
	int r;

	r = owner_register(engine, error);
	if (r == 0)
		r = db_begin(engine->db, &work, error);
	if (r < 0)
		return r;
	r = container_row_check(&work, container->id, action, &row, &failure);
	if (r == SCOW_E_STATE && row.state == SCOW_CONTAINER_REMOVING) {
		scow_error_unref(failure);
		return container_not_found(container->name, error);
	}
	if (r == 0)
		r = db_exec(&work, &failure, "UPDATE containers SET state = ?, owner = ? WHERE id = ?", "itt",
			    (int64_t) container_next_state(action), engine->owner_id, container->id);
	if (r >= 0)
		r = db_commit(&work, &failure);
	if (r < 0 && error)
		*error = take_ptr(&failure);
	scow_error_unref(failure);
	return r;
}

/* Its files would not go: it stays, dead, to be removed again. */
static void mark_dead(scow_container *container, const char *reason)
{
	_cleanup_db_ struct db_work work = { 0 };

	int r = db_begin(container->engine->db, &work, NULL);

	if (r == 0)
		r = db_exec(&work, NULL, "UPDATE containers SET state = ?, owner = NULL, error = ? WHERE id = ? AND state = 4", "itt",
			    (int64_t) container_next_state(ACTION_REMOVE_FAILED), reason, container->id);
	if (r >= 0)
		r = db_commit(&work, NULL);
	if (r < 0)
		engine_log(container->engine, SCOW_LOG_WARNING, "container %.12s: its failed removal is not recorded", container->id);
}

static int remove_marked(scow_container *container, enum container_action action, scow_error **error)
{
	scow_error *failure = NULL;
	int r;

	r = mark_removing(container, action, error);
	if (r < 0)
		return r;
	r = container_erase(container->engine, container->id, &failure);
	if (r == 0) {
		container->gone = true;
		return 0;
	}
	mark_dead(container, scow_error_message(failure));
	if (error)
		*error = take_ptr(&failure);
	scow_error_unref(failure);
	return error_wrap(error, r, "remove container '%s'", container->name);
}

int scow_container_remove(scow_container *container, unsigned int flags, scow_error **error)
{
	_cleanup_await_ struct await await = AWAIT_INIT(container);
	enum container_action action = ACTION_REMOVE;
	struct container_row row;
	int r;

	r = container_check(container, error);
	if (r == 0)
		r = container_row_read(container->engine, container->id, &row, error);
	if (r < 0)
		return r;
	if ((flags & SCOW_REMOVE_FORCE) && container_runs(row.state)) {
		r = kill_and_await(container, &await, error);
		if (r < 0)
			return r;
		/* An ephemeral one went by itself. */
		if (r == AWAIT_GONE)
			return 0;
		/* Its owner lives and does not look: what is left is ours to clear away. */
		if (container_runs(await.row.state))
			container_clear_cgroup(container->engine, container->id, await.row.cgroup);
		action = ACTION_REMOVE_ENDED;
	}
	return remove_marked(container, action, error);
}

void container_discard(scow_container *container)
{
	scow_error *failure = NULL;
	int r = remove_marked(container, ACTION_REMOVE, &failure);

	/* Running, by another handle: it goes when it exits. */
	if (r < 0 && r != SCOW_E_NOT_FOUND && r != SCOW_E_STATE)
		engine_log(container->engine, SCOW_LOG_WARNING, "container %.12s is not removed: %s", container->id,
			   scow_error_message(failure));
	scow_error_unref(failure);
}
