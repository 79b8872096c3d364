/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starting containers detached, and telling from what their supervisors wrote how they are.
 *
 * 1. The row has the supervisor as its owner from the claim on, while we hold its lock: if we die before the supervisor is there, the
 *    lock goes and the row is swept; if after, the lock is held and nothing is lost.
 * 2. Nobody takes over such a row to sweep it: killing and clearing twice does no harm, and the last transaction asks whether the
 *    owner is still the same.
 */
#include "container/detached.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <scow/log.h>

#include "base/fd.h"
#include "base/fault.h"
#include "base/str.h"
#include "container/event.h"
#include "container/hooks.h"
#include "container/live.h"
#include "container/published.h"
#include "container/volumes.h"
#include "container/sweep.h"
#include "engine/strays.h"
#include "network/network.h"
#include "runtime/attach.h"
#include "store/lock.h"

#define CODE_KILLED (128 + SIGKILL)

bool detached_is_owner(const char *owner)
{
	return owner[0] == DETACHED_MARK;
}

static void merge(struct container_row *row, const struct wire_state *state)
{
	row->pid = state->run_state == WIRE_RUN_RUNNING ? state->pid : 0;
	row->pid_start = (int64_t) state->pid_start;
	row->supervisor = state->supervisor_pid;
	row->supervisor_start = (int64_t) state->supervisor_start;
	row->started = state->started;
	row->restarts = state->restart_count;
	row->health = state->health;
	if (state->finished) {
		row->finished = state->finished;
		row->exit_code = state->exit_code;
		row->exit_signal = state->exit_signal;
		row->oom_killed = state->oom_kills > 0;
	}
	if (state->run_state == WIRE_RUN_RESTARTING)
		row->state = SCOW_CONTAINER_RESTARTING;
}

bool detached_look(scow_engine *engine, const char *id, struct container_row *row)
{
	struct wire_state state;

	if (!supervisor_state(engine, id, row->owner, &state))
		return false;
	if (state.run_state == WIRE_RUN_FINISHED)
		return true;
	merge(row, &state);
	return false;
}

bool detached_ended(scow_engine *engine, const char *id, struct container_row *row)
{
	return detached_look(engine, id, row) || owner_alive(engine, row->owner) == 0;
}

/* 1: this sweep has done it, 0: another one. */
static int record(scow_engine *engine, const char *id, const char *owner, const struct container_row *row, const struct process_exit *exit,
		  scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *s;
	int64_t noted;
	int r = db_begin(engine->db, &work, error);

	if (r == 0)
		r = db_query(&work, &s, error, "SELECT finished FROM containers WHERE id = ? AND owner = ?", "tt", id, owner);
	if (r <= 0)
		return r;
	noted = db_int(s, 0);
	/* Stopped while it waited for its restart: that end is noted. */
	r = exit && noted != row->finished ? container_event_die(&work, id, exit, row->finished, error) : 0;
	if (r == 0)
		r = container_leave(&work, engine, id, exit != NULL, NULL, error);
	if (r < 0)
		return r;
	if (!exit) {
		/* Not even its supervisor came about. */
		r = db_exec(&work, error,
			    "UPDATE containers SET state = CASE WHEN started THEN ? ELSE ? END, owner = NULL, pid = 0 WHERE id = ?", "iit",
			    (int64_t) SCOW_CONTAINER_EXITED, (int64_t) SCOW_CONTAINER_CREATED, id);
	} else {
		r = db_exec(&work, error,
			    "UPDATE containers SET state = ?, owner = NULL, pid = 0, exit_code = ?, exit_signal = ?, oom_killed = ?, "
			    "started = ?, finished = ?, error = ? WHERE id = ?",
			    "iiiiiitt", (int64_t) SCOW_CONTAINER_EXITED, (int64_t) exit->code, (int64_t) exit->signal,
			    (int64_t) (exit->usage.oom_kills > 0), row->started, row->finished, row->error, id);
	}
	if (r >= 0)
		r = db_commit(&work, error);
	if (r == 0)
		volume_drivers_unmount(engine, id);
	return r;
}

static void forget_owner(scow_engine *engine, const char *owner)
{
	char path[64];

	snprintf(path, sizeof(path), "owners/%s", owner);
	(void) unlinkat(engine->root_fd, path, 0);
}

int detached_sweep(scow_engine *engine, const char *id, const char *owner, scow_error **error)
{
	struct process_exit exit = { .code = CODE_KILLED, .signal = SIGKILL };
	struct container_row row;
	struct wire_state state = { 0 };
	bool known, finished, noted;
	int r = container_row_once(engine, id, &row, error);

	noted = r == 0 && row.pid;
	if (r < 0 || !str_eq(row.owner, owner))
		return r == SCOW_E_NOT_FOUND ? (error_clear(error), 0) : r < 0 ? r : 0;
	known = supervisor_state(engine, id, owner, &state);
	finished = known && state.run_state == WIRE_RUN_FINISHED;
	if (known)
		merge(&row, &state);
	if (finished) {
		exit = (struct process_exit){ .code = state.exit_code, .signal = state.exit_signal };
		exit.usage.oom_kills = state.oom_kills;
		snprintf(row.error, sizeof(row.error), "%s", state.error);
	} else {
		row.finished = now_ns();
		snprintf(row.error, sizeof(row.error), "%s", known ? "its supervisor was killed" : "");
		/* What is frozen does not die of a signal alone (v1). */
		if (row.state == SCOW_CONTAINER_PAUSED || row.freezing)
			container_clear_cgroup(engine, id, row.cgroup);
		container_kill_left(engine, &row);
	}
	/* So quick that who started it has not come to that; or he is dead. */
	if (known && !noted) {
		r = container_record_start(engine, id, owner, state.supervisor_pid, state.first_started, error);
		if (r < 0)
			return r;
	}
	r = known ? detached_note_run(engine, id, owner, &state, error) : 0;
	if (r < 0)
		return r;
	FAULT_POINT("sweep.noted");
	/* A finished supervisor has removed it, but for what others made inside. */
	container_clear_cgroup(engine, id, row.cgroup);
	if (known && !finished)
		hooks_poststop_of(engine, id);
	FAULT_POINT("sweep.emptied");
	if (row.ephemeral)
		r = container_erase(engine, id, known ? &exit : NULL, error);
	else
		r = record(engine, id, owner, &row, known ? &exit : NULL, error);
	FAULT_POINT("sweep.recorded");
	strays_reap(engine);
	if (r >= 0)
		forget_owner(engine, owner);
	return r < 0 ? r : 0;
}

void detached_stopping(scow_container *container, const struct container_row *row)
{
	int r = detached_is(row) ? supervisor_tell(container->engine, container->id, WIRE_FRAME_STOPPING, NULL, 0) : 0;
	scow_error *failure = NULL;

	/* Gone already: then there is nobody to restart it. */
	if (r == 0 || r == -ECONNREFUSED || r == -ENOENT || r == -EPIPE || r == -ECONNRESET)
		return;
	error_errno(&failure, -r, "connect", "tell the supervisor of container '%.12s' that it ends", container->id);
	engine_log(container->engine, SCOW_LOG_WARNING, "%s", scow_error_message(failure));
	scow_error_unref(failure);
}

int detached_end_pidfd(scow_engine *engine, const struct container_row *row)
{
	struct container_row supervisor = *row;

	supervisor.pid = row->supervisor;
	supervisor.pid_start = row->supervisor_start;
	return container_pidfd(engine, detached_is(row) ? &supervisor : row);
}

int detached_code(scow_engine *engine, const char *id, const struct container_row *row)
{
	struct wire_state state;

	if (!detached_is(row) || !supervisor_state(engine, id, row->owner, &state) || state.run_state != WIRE_RUN_FINISHED)
		return -1;
	return state.exit_code;
}

/* ---- attaching ---- */

/* What the log has of this run, until we came. */
struct backlog {
	scow_log *log;
	attach_emit_fn emit;
	void *emit_data;
};

static int backlog_line(int stream, int64_t time_ns, const void *data, size_t size, void *userdata)
{
	struct backlog *backlog = userdata;

	(void) time_ns;
	backlog->emit(backlog->emit_data, stream == SCOW_STDERR, data, size);
	return 0;
}

static int backlog_next(void *data, attach_emit_fn emit, void *emit_data)
{
	struct backlog *backlog = data;

	backlog->emit = emit;
	backlog->emit_data = emit_data;
	return scow_log_dispatch(backlog->log, NULL);
}

static void backlog_free(void *data)
{
	struct backlog *backlog = data;

	scow_log_unref(backlog->log);
	free(backlog);
}

static int add_backlog(scow_container *container, struct attach *attach, const struct wire_hello *hello, scow_error **error)
{
	struct attach_backlog backlog = { backlog_next, backlog_free, calloc(1, sizeof(struct backlog)) };
	scow_error *failure = NULL;
	struct backlog *state = backlog.data;
	int r;

	if (!state)
		return error_oom(error);
	r = scow_container_logs(container, 0, hello->started, hello->now, -1, backlog_line, state, &state->log, &failure);
	if (r < 0) {
		free(state);
		/* It keeps none. */
		if (r == SCOW_E_UNSUPPORTED)
			error_clear(&failure);
		else if (error)
			*error = take_ptr(&failure);
		scow_error_unref(failure);
		return r == SCOW_E_UNSUPPORTED ? 0 : r;
	}
	attach_set_backlog(attach, &backlog);
	return 0;
}

/* Somebody who has attached. */
struct guest {
	scow_container *container;
	scow_process *process; /* borrowed: of one that came before the start */
	bool ended;            /* the container has: nobody left it */
};

static void guest_saw_begin(void *data)
{
	struct guest *guest = data;
	struct container_row row;

	if (container_row_once(guest->container->engine, guest->container->id, &row, NULL) < 0)
		return;
	(void) detached_look(guest->container->engine, guest->container->id, &row);
	process_begun(guest->process, row.pid, container_pidfd(guest->container->engine, &row));
}

static void guest_saw_end(void *data, const struct process_exit *exit)
{
	struct guest *guest = data;

	(void) exit;
	guest->ended = true;
}

static void guest_resized(void *data, unsigned int rows, unsigned int columns)
{
	struct guest *guest = data;

	container_announce_resize(guest->container, rows, columns);
}

static void guest_left(void *data)
{
	struct guest *guest = data;

	if (!guest->ended)
		container_announce(guest->container->engine, guest->container->id, "detach", NULL);
	scow_container_unref(guest->container);
	free(guest);
}

static int make_process(scow_container *container, struct attach *attach, const struct container_row *row, struct io_setup *io,
			scow_process **out, scow_error **error)
{
	struct guest *guest = calloc(1, sizeof(*guest));
	struct process_params params = {
		.pid = row->pid,
		.pidfd = container_pidfd(container->engine, row),
		.terminal_fd = -1,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
		.output = io->output,
		.output_data = io->output_data,
		.capture_limit = io->capture_limit,
		.attach = attach,
		.on_exit = guest_saw_end,
		.on_free = guest_left,
		.on_resize = guest_resized,
		.data = guest,
	};
	int r;

	attach_set_sinks(attach, take_fd(&io->our_stdout), take_fd(&io->our_stderr));
	if (!guest) {
		cleanup_fd(&params.pidfd);
		attach_free(attach);
		return error_oom(error);
	}
	guest->container = scow_container_ref(container);
	attach_on_begin(attach, guest_saw_begin, guest);
	r = process_new(container->engine, &params, out, error);
	if (r < 0) {
		scow_container_unref(container);
		free(guest);
		return r;
	}
	guest->process = *out;
	return 0;
}

static int attach_now(scow_container *container, struct io_setup *io, unsigned int flags, scow_process **out, scow_error **error)
{
	struct attach *attach = NULL;
	struct container_row row;
	struct wire_hello hello;
	int r = container_row_running(container, &row, error);

	if (r < 0)
		return r;
	if (row.state == SCOW_CONTAINER_RESTARTING)
		return container_not_running(container, &row, error);
	if (!detached_is(&row))
		return error_hint(error, error_set(error, SCOW_E_STATE, "container '%s' was not started detached", container->name),
				  "its output belongs to the program that started it");
	r = attach_open(container->engine, container->id, row.owner, &attach, &hello);
	if (r == -ENOENT || r == -ECONNREFUSED || r == -EPIPE || r == -ECONNRESET)
		return container_not_running(container, &row, error);
	if (r < 0)
		return error_errno(error, -r, "connect", "attach to container '%s'", container->name);
	if (flags & SCOW_ATTACH_STDIN)
		attach_allow_input(attach);
	r = flags & SCOW_ATTACH_LOGS ? add_backlog(container, attach, &hello, error) : 0;
	if (r < 0) {
		attach_free(attach);
		return r;
	}
	return make_process(container, attach, &row, io, out, error);
}

/* Before its next start. 1: it was started meanwhile, and is attached to as one that runs. */
static int attach_before(scow_container *container, struct container_row *row, struct io_setup *io, unsigned int flags, scow_process **out,
			 scow_error **error)
{
	struct attach *attach = NULL;
	int r = attach_wait(container->engine, container->id, &attach);

	if (r < 0)
		return error_errno(error, -r, "bind", "wait for the start of container '%s'", container->name);
	r = container_row_read(container->engine, container->id, row, error);
	if (r < 0 || container_runs(row->state)) {
		attach_free(attach);
		return r < 0 ? r : 1;
	}
	if (flags & SCOW_ATTACH_STDIN)
		attach_allow_input(attach);
	row->pid = 0;
	return make_process(container, attach, row, io, out, error);
}

static bool is_to_come(const struct container_row *row, unsigned int flags)
{
	return flags & SCOW_ATTACH_NEXT && container_allows(row->state, ACTION_START);
}

int scow_container_attach(scow_container *container, const scow_io *io, unsigned int flags, scow_process **out, scow_error **error)
{
	struct io_setup setup = { .our_stdin = -1, .our_stdout = -1, .our_stderr = -1 };
	struct container_row row;
	int r = container_check(container, error);

	if (r < 0)
		return r;
	if (!out || (flags & ~(unsigned int) (SCOW_ATTACH_STDIN | SCOW_ATTACH_LOGS | SCOW_ATTACH_NEXT)))
		return error_set(error, SCOW_E_INVALID, out ? "unknown flags for attach" : "no place for the process was given");
	r = container_row_settled(container, &row, error);
	if (r == 0)
		r = io_setup_attach(io, &setup, error);
	if (r == 0)
		r = is_to_come(&row, flags) ? attach_before(container, &row, &setup, flags, out, error) : 1;
	if (r > 0)
		r = attach_now(container, &setup, flags, out, error);
	io_setup_done(&setup);
	if (r == 0)
		container_announce(container->engine, container->id, "attach", NULL);
	return r;
}

/* ---- starting ---- */

static int start_supervised(scow_container *container, const scow_io *io, int *leash_fd, scow_error **error)
{
	struct supervision by = { .leash_fd = leash_fd };
	struct container_row previous;
	_cleanup_fd_ int lock = -1;
	char owner[33];
	int r = container_check(container, error);

	/* One that has ended is brought to rest first. */
	if (r == 0)
		r = container_row_read(container->engine, container->id, &previous, error);
	if (r < 0)
		return r;
	lock = owner_make(container->engine, DETACHED_MARK, owner, error);
	if (lock < 0)
		return lock;
	by.owner = owner;
	by.lock_fd = lock;
	FAULT_POINT("detached.owned");
	r = container_claim(container->engine, container->id, owner, &previous, error);
	FAULT_POINT("detached.claimed");
	if (r == 0)
		r = container_start_claimed(container, previous.started != 0, io, &by, error);
	if (r < 0)
		forget_owner(container->engine, owner);
	return r;
}

int scow_container_start_detached_io(scow_container *container, const scow_io *io, scow_error **error)
{
	return start_supervised(container, io, NULL, error);
}

int scow_container_start_detached(scow_container *container, scow_error **error)
{
	return start_supervised(container, NULL, NULL, error);
}

int scow_container_start_detachable(scow_container *container, const scow_io *io, scow_error **error)
{
	int leash = -1, former, r = start_supervised(container, io, &leash, error);

	if (r < 0)
		return r;
	pthread_mutex_lock(&container->lock);
	former = container->leash_fd; /* of a run that has ended */
	container->leash_fd = leash;
	pthread_mutex_unlock(&container->lock);
	cleanup_fd(&former);
	return 0;
}

/* Nobody is to clean it up when we are gone. Only one that waits for its first start has us for that. */
static int disown(scow_container *container, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	int r;

	container->created_here = false;
	r = db_begin(container->engine->db, &work, error);
	if (r == 0)
		r = db_exec(&work, error, "UPDATE containers SET owner = NULL WHERE id = ? AND owner = ? AND state IN (?, ?)", "ttii",
			    container->id, container->engine->owner_id, (int64_t) SCOW_CONTAINER_CREATED, (int64_t) SCOW_CONTAINER_EXITED);
	return r < 0 ? r : db_commit(&work, error);
}

int scow_container_detach(scow_container *container, scow_error **error)
{
	_cleanup_fd_ int leash = -1;
	struct container_row row;
	int r = container_check(container, error);

	if (r == 0)
		r = container_row_settled(container, &row, error);
	if (r < 0)
		return r;
	if (container_runs(row.state) && !detached_is(&row))
		return error_hint(error,
				  error_set(error, SCOW_E_STATE, "container '%s' has no supervisor to live on with", container->name),
				  "start it by scow_container_start_detachable()");
	pthread_mutex_lock(&container->lock);
	leash = container->leash_fd;
	container->leash_fd = -1;
	pthread_mutex_unlock(&container->lock);
	/* That nobody reads it any more means that it has ended already. */
	while (leash >= 0 && send(leash, "", 1, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
	return disown(container, error);
}
