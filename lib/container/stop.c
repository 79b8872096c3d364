/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of a container, asked for by anyone: kill, stop, remove.
 *
 * Its PID 1 may be the child of another process: a pidfd, proven to be that process and no later one with its number, is all
 * that is needed to signal it. An owner that is alive and does not dispatch must not hold others up: the removal of what
 * is dead goes ahead.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fault.h"
#include "container/detached.h"
#include "container/event.h"
#include "container/live.h"
#include "container/volumes.h"
#include "container/sweep.h"
#include "engine/trace.h"
#include "store/lock.h"

#define STOP_TIMEOUT_MS 10000
/* From SIGKILL to giving up. Docker's is 2 s; the kernel needs that long to tear a large program down where others want the CPUs, too. */
#define KILL_TIMEOUT_MS 5000
#define UNSENT_TIMEOUT_MS 2000 /* from a stop signal that could not be sent to SIGKILL */

/* ---- kill and stop ---- */

/* What a signal is meant to do beside arriving. */
enum intent {
	TO_TELL,     /* nothing */
	TO_END_NEXT, /* whatever its restart policy, its next end is the last */
	TO_END,      /* and a paused one is let go on: a signal waits until then (on v2 all but SIGKILL, on v1 that too) */
};

static int send_signal(scow_container *container, int signal, enum intent intent, scow_error **error)
{
	_cleanup_fd_ int pidfd = -1;
	struct container_row row;
	int r;

	r = container_row_running(container, &row, error);
	if (r < 0)
		return r;
	/* First: a supervisor that sees it die would restart it. One that waits to restart it ends with this. */
	if (intent != TO_TELL)
		detached_stopping(container, &row);
	FAULT_POINT("kill.announced");
	/* There is no process that could be told. */
	if (row.state == SCOW_CONTAINER_RESTARTING)
		return 0;
	pidfd = container_pidfd(container->engine, &row);
	if (pidfd < 0)
		return container_not_running(container, &row, error);
	r = container_event_kill(container->engine, container->id, pidfd, signal);
	if (r < 0)
		return r == -ESRCH
			       ? container_not_running(container, &row, error)
			       : error_errno(error, -r, "pidfd_send_signal", "send signal %d to container '%s'", signal, container->name);
	FAULT_POINT("kill.sent");
	if (intent == TO_END && row.state == SCOW_CONTAINER_PAUSED)
		container_thaw(container);
	return 0;
}

/* NULL: neither the settings nor the image name one. */
static int stop_signal_of(scow_container *container, const scow_container_config **config, const char **name, scow_error **error)
{
	const struct image_config *image;
	int r = container_config_of(container, config, error);

	if (r < 0)
		return r;
	*name = (*config)->stop_signal;
	if (!*name && container_image_of(container, &image, NULL) == 0)
		*name = image->stop_signal;
	return 0;
}

/*
 * As Docker's kill: with the stop signal or SIGKILL, and with any signal where no stop signal is named, somebody wants it to end. The
 * policy unless-stopped sees that in every signal.
 */
static int intent_of(scow_container *container, int signal, enum intent *intent, scow_error **error)
{
	const scow_container_config *config;
	const char *name;
	int r = stop_signal_of(container, &config, &name, error);

	if (r < 0)
		return r;
	if (!name || signal == SIGKILL || signal_parse(name) == signal)
		*intent = TO_END;
	else
		*intent = config->restart == SCOW_RESTART_UNLESS_STOPPED ? TO_END_NEXT : TO_TELL;
	return 0;
}

int scow_container_kill(scow_container *container, int signal, scow_error **error)
{
	enum intent intent;
	int r = container_check(container, error);

	if (r < 0)
		return r;
	if (signal < 1 || signal > 64)
		return error_set(error, SCOW_E_INVALID, "%d is not a signal", signal);
	r = intent_of(container, signal, &intent, error);
	return r < 0 ? r : send_signal(container, signal, intent, error);
}

/* What its stop begins with: the config's signal, or the image's, or SIGTERM. */
static int stop_settings(scow_container *container, int *signal, int *timeout_ms, scow_error **error)
{
	const scow_container_config *config;
	const char *name;
	int r = stop_signal_of(container, &config, &name, error);

	if (r < 0)
		return r;
	*signal = name ? signal_parse(name) : SIGTERM;
	if (*signal < 1)
		*signal = SIGTERM;
	if (*timeout_ms == -2)
		*timeout_ms = config->has_stop_timeout ? config->stop_timeout_ms : STOP_TIMEOUT_MS;
	return 0;
}

/* PID 1 is dead, and the supervisor that should tell does not: somebody has stopped it, or it hangs on a disk. */
static bool is_silent(const struct await *await)
{
	struct pollfd fds = { .events = POLLIN };
	_cleanup_fd_ int pidfd = -1;

	if (!detached_is(&await->row) || !await->row.supervisor)
		return false;
	fds.fd = pidfd = container_pidfd(await->container->engine, &await->row);
	return pidfd < 0 || poll(&fds, 1, 0) > 0;
}

/* SIGKILL, and all of it: what shares the host's pid namespace with us goes with the cgroup, at its end. */
static int kill_and_await(scow_container *container, struct await *await, scow_error **error)
{
	scow_error *failure = NULL;
	int r = send_signal(container, SIGKILL, TO_END, &failure);

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
	if (r != SCOW_E_TIMEOUT)
		return r;
	r = error_set(error, SCOW_E_TIMEOUT, "container '%s' did not end within %d ms of SIGKILL", container->name, KILL_TIMEOUT_MS);
	if (is_silent(await))
		return error_hint(
			error, r,
			"its first process is dead, and its supervisor, process %d, does not say so: it may be stopped (state T in ps)",
			await->row.supervisor);
	return error_hint(error, r, "a process of it may hang in the kernel (state D in ps)");
}

static int stopped(scow_container *container, int r)
{
	FAULT_POINT("stop.ended");
	if (r >= 0)
		container_announce(container->engine, container->id, "stop", NULL);
	return r < 0 ? r : 0;
}

int scow_container_stop(scow_container *container, int timeout_ms, scow_error **error)
{
	_cleanup_await_ struct await await = AWAIT_INIT(container);
	struct container_row row;
	int signal, r;

	r = container_check(container, error);
	if (r == 0)
		r = container_row_settled(container, &row, error);
	if (r < 0 || !container_runs(row.state))
		return r;
	if (timeout_ms < -2)
		return error_set(error, SCOW_E_INVALID, "%d ms is not a time to wait", timeout_ms);
	r = stop_settings(container, &signal, &timeout_ms, error);
	if (r < 0)
		return r;
	if (timeout_ms != 0) {
		if (send_signal(container, signal, TO_END, NULL) < 0 && (timeout_ms < 0 || timeout_ms > UNSENT_TIMEOUT_MS))
			timeout_ms = UNSENT_TIMEOUT_MS;
		r = await_end(&await, timeout_ms, error);
		if (r != SCOW_E_TIMEOUT)
			return stopped(container, r);
	}
	return stopped(container, kill_and_await(container, &await, error));
}

/* ---- remove ---- */

/* What is said of one that is removed by force before its owner recorded its end. */
static const struct process_exit killed = { .code = 128 + SIGKILL, .signal = SIGKILL };

/* Takes the row over for removal; the second who wants to finds it removed. */
static int mark_removing(scow_container *container, enum container_action action, bool sheds, scow_error **error)
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
		r = container_leave(&work, engine, container->id, true, &killed, &failure);
	if (r == 0)
		r = db_exec(&work, &failure, "UPDATE containers SET state = ?, owner = ?, sheds = ? WHERE id = ?", "itit",
			    (int64_t) container_next_state(action), engine->owner_id, (int64_t) sheds, container->id);
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
	db_end(&work);
	if (r < 0)
		engine_log(container->engine, SCOW_LOG_WARNING, "container %.12s: its failed removal is not recorded", container->id);
}

static int remove_marked(scow_container *container, enum container_action action, bool sheds, scow_error **error)
{
	scow_error *failure = NULL;
	int r;

	r = mark_removing(container, action, sheds, error);
	if (r < 0)
		return r;
	FAULT_POINT("remove.marked");
	r = container_erase(container->engine, container->id, NULL, &failure);
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

static bool kill_supervisor(const struct await *await)
{
	_cleanup_fd_ int pidfd = detached_end_pidfd(await->container->engine, &await->row);

	return pidfd >= 0 && syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0;
}

/* A silent supervisor goes, too: what it knew is removed with the container. */
static int end_by_force(scow_container *container, struct await *await, scow_error **error)
{
	scow_error *failure = NULL;
	int r = kill_and_await(container, await, &failure);

	if (r == SCOW_E_TIMEOUT && is_silent(await) && kill_supervisor(await)) {
		error_clear(&failure);
		r = kill_and_await(container, await, &failure);
	}
	if (error)
		*error = take_ptr(&failure);
	error_clear(&failure);
	return r;
}

static int remove_it(scow_container *container, unsigned int flags, struct trace *trace, scow_error **error)
{
	_cleanup_await_ struct await await = AWAIT_INIT(container);
	enum container_action action = ACTION_REMOVE;
	struct container_row row;
	int r;

	r = container_row_read(container->engine, container->id, &row, error);
	if (r < 0)
		return r;
	if ((flags & SCOW_REMOVE_FORCE) && container_runs(row.state)) {
		r = end_by_force(container, &await, error);
		if (r < 0)
			return r;
		/* An ephemeral one went by itself. */
		if (r == AWAIT_GONE)
			return 0;
		/* Its owner lives and does not look: what is left is ours to clear away. */
		if (container_runs(await.row.state))
			container_clear_cgroup(container->engine, container->id, await.row.cgroup);
		action = ACTION_REMOVE_ENDED;
		FAULT_POINT("remove.killed");
		trace_phase(trace, "kill");
	}
	return remove_marked(container, action, flags & SCOW_REMOVE_VOLUMES, error);
}

int scow_container_remove(scow_container *container, unsigned int flags, scow_error **error)
{
	struct trace trace;
	int r = container_check(container, error);

	if (r < 0)
		return r;
	trace_begin(&trace, container->engine, "remove", 0);
	r = remove_it(container, flags, &trace, error);
	trace_phase(&trace, "erase");
	trace_end(&trace, container->id, r);
	return r;
}

void container_discard(scow_container *container)
{
	scow_error *failure = NULL;
	int r = remove_marked(container, ACTION_REMOVE, false, &failure);

	/* Running, by another handle: it goes when it exits. */
	if (r < 0 && r != SCOW_E_NOT_FOUND && r != SCOW_E_STATE)
		engine_log(container->engine, SCOW_LOG_WARNING, "container %.12s is not removed: %s", container->id,
			   scow_error_message(failure));
	scow_error_unref(failure);
}
