/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rows of containers, and the one table that says which state follows which.
 *
 * Every change is one transaction that reads the state, asks the table, and writes: of two processes that
 * want to start or to remove the same container, one finds that it is too late.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fault.h"
#include "base/str.h"
#include "container/container.h"
#include "container/detached.h"
#include "container/event.h"
#include "container/published.h"
#include "container/volumes.h"
#include "container/sweep.h"
#include "engine/userns.h"
#include "network/network.h"
#include "store/lock.h"
#include "store/quota.h"

#define IN(state) (1u << SCOW_CONTAINER_##state)

static const struct {
	unsigned int from;
	int to;
	const char *verb; /* "cannot be ..." */
	const char *hint;
} actions[ACTION_COUNT] = {
	[ACTION_START] = { IN(CREATED) | IN(EXITED), SCOW_CONTAINER_RUNNING, "started", "a running container is started already" },
	[ACTION_FAIL] = { IN(RUNNING), SCOW_CONTAINER_CREATED, "given back", NULL },
	[ACTION_FAIL_AGAIN] = { IN(RUNNING), SCOW_CONTAINER_EXITED, "given back", NULL },
	[ACTION_PAUSE] = { IN(RUNNING), SCOW_CONTAINER_PAUSED, "paused", NULL },
	[ACTION_UNPAUSE] = { IN(PAUSED), SCOW_CONTAINER_RUNNING, "unpaused", NULL },
	[ACTION_EXIT] = { IN(RUNNING) | IN(PAUSED), SCOW_CONTAINER_EXITED, "ended", NULL },
	[ACTION_REMOVE] = { IN(CREATED) | IN(EXITED) | IN(DEAD), SCOW_CONTAINER_REMOVING, "removed",
			    "stop the container before removing it, or force its removal" },
	[ACTION_REMOVE_ENDED] = { IN(CREATED) | IN(EXITED) | IN(DEAD) | IN(RUNNING) | IN(PAUSED), SCOW_CONTAINER_REMOVING, "removed",
				  NULL },
	[ACTION_REMOVE_FAILED] = { IN(REMOVING), SCOW_CONTAINER_DEAD, "given back", NULL },
};

bool container_runs(int state)
{
	return state == SCOW_CONTAINER_RUNNING || state == SCOW_CONTAINER_PAUSED || state == SCOW_CONTAINER_RESTARTING;
}

bool container_allows(int state, enum container_action action)
{
	return state >= 0 && state < 32 && (actions[action].from & 1u << state);
}

int container_next_state(enum container_action action)
{
	return actions[action].to;
}

const char *container_state_name(int state)
{
	static const char *const names[] = { "created", "running", "paused", "restarting", "removing", "exited", "dead" };

	return state >= 0 && (size_t) state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

int container_not_found(const char *name, scow_error **error)
{
	return error_at(error, error_set(error, SCOW_E_NOT_FOUND, "no such container: '%s'", name), NULL, name);
}

bool process_stat(pid_t pid, int64_t *start, int *status)
{
	char path[32], text[1024], *field;
	_cleanup_fd_ int fd = -1;
	char letter;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fd_read_full(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = 0;
	/* The name, in parentheses, may hold anything: the fields begin after the last one. See: proc(5). */
	field = strrchr(text, ')');
	if (!field || field[1] != ' ')
		return false;
	field += 2;
	letter = *field;
	*status = -1;
	for (int number = 3; field; number++) {
		if (number == 22)
			*start = (int64_t) strtoull(field, NULL, 10);
		if (number == 52 && letter == 'Z')
			*status = atoi(field);
		field = strchr(field, ' ');
		if (field)
			field++;
		else if (number < 22)
			return false;
	}
	return true;
}

int container_pidfd(scow_engine *engine, const struct container_row *row)
{
	int64_t start;
	int status, fd;

	if (row->pid <= 0 || !str_eq(row->boot_id, engine->facts.boot_id))
		return -1;
	fd = (int) syscall(SYS_pidfd_open, row->pid, 0);
	if (fd < 0)
		return -1;
	/* It had this number when the row was written. If it still has it now, then it had it when the pidfd was opened. */
	if (process_stat(row->pid, &start, &status) && start == row->pid_start)
		return fd;
	close(fd);
	return -1;
}

static void copy_text(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text ? text : "");
}

void container_row_fill(sqlite3_stmt *s, int first, struct container_row *row)
{
	*row = (struct container_row){
		.state = (int) db_int(s, first),
		.ephemeral = db_int(s, first + 1) != 0,
		.pid = (pid_t) db_int(s, first + 6),
		.pid_start = db_int(s, first + 7),
		.exit_code = (int) db_int(s, first + 8),
		.exit_signal = (int) db_int(s, first + 9),
		.oom_killed = db_int(s, first + 10) != 0,
		.created = db_int(s, first + 11),
		.started = db_int(s, first + 12),
		.finished = db_int(s, first + 13),
		.freezing = db_int(s, first + 14) != 0,
	};
	copy_text(row->owner, sizeof(row->owner), db_text(s, first + 2));
	copy_text(row->boot_id, sizeof(row->boot_id), db_text(s, first + 3));
	copy_text(row->cgroup, sizeof(row->cgroup), db_text(s, first + 4));
	copy_text(row->error, sizeof(row->error), db_text(s, first + 5));
}

static int row_select(struct db_work *work, const char *id, struct container_row *row, scow_error **error)
{
	sqlite3_stmt *s;
	int r = db_query(work, &s, error, "SELECT " CONTAINER_ROW_COLUMNS " FROM containers WHERE id = ?", "t", id);

	if (r < 0)
		return r;
	if (r == 0)
		return container_not_found(id, error);
	container_row_fill(s, 0, row);
	return 0;
}

int container_row_once(scow_engine *engine, const char *id, struct container_row *row, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };

	db_lock(engine->db, &work);
	return row_select(&work, id, row, error);
}

/* Somebody must act for it to come to rest, and that somebody is dead. */
static bool abandoned(scow_engine *engine, const struct container_row *row)
{
	return row->owner[0] && !str_eq(row->owner, engine->owner_id) && owner_alive(engine, row->owner) == 0;
}

int container_row_read(scow_engine *engine, const char *id, struct container_row *row, scow_error **error)
{
	int r = container_row_once(engine, id, row, error);

	if (r < 0)
		return r;
	if (detached_is(row) && container_runs(row->state) && detached_ended(engine, id, row))
		r = container_sweep_one(engine, id, row->owner, error);
	else if (abandoned(engine, row))
		r = container_sweep(engine, error);
	else if (row->freezing)
		container_mend_pause(engine, id);
	else
		return 0;
	return r < 0 ? r : container_row_once(engine, id, row, error);
}

int container_row_check(struct db_work *work, const char *id, enum container_action action, struct container_row *row, scow_error **error)
{
	int r = row_select(work, id, row, error);

	if (r < 0 || container_allows(row->state, action))
		return r;
	r = error_set(error, SCOW_E_STATE, "container '%.12s' is %s and cannot be %s", id, container_state_name(row->state),
		      actions[action].verb);
	if (actions[action].hint && container_runs(row->state))
		error_hint(error, r, "%s", actions[action].hint);
	return error_at(error, r, NULL, id);
}

int container_cgroup_location(scow_engine *engine, const char *id, char **out, scow_error **error)
{
	char name[5 + 65];
	int r;

	snprintf(name, sizeof(name), "scow-%s", id);
	r = cgroup_location(engine, name, out, error);
	/* Half of it would lead elsewhere; the name alone leads where the reader's own are made. */
	if (r == 0 && strlen(*out) >= sizeof(((struct container_row *) NULL)->cgroup))
		(*out)[strlen(name)] = 0;
	return r;
}

int container_claim(scow_engine *engine, const char *id, const char *owner, struct container_row *previous, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	_cleanup_free_ char *location = NULL;
	int r;

	r = container_cgroup_location(engine, id, &location, error);
	if (r == 0 && !owner)
		r = owner_register(engine, error);
	if (r == 0)
		r = db_begin(engine->db, &work, error);
	if (r == 0)
		r = container_row_check(&work, id, ACTION_START, previous, error);
	if (r == 0)
		r = db_exec(&work, error,
			    "UPDATE containers SET state = ?, owner = ?, boot_id = ?, pid = 0, error = '', freezing = 0, health = 0, "
			    "cgroup = ? "
			    "WHERE id = ?",
			    "itttt", (int64_t) container_next_state(ACTION_START), owner ? owner : engine->owner_id, engine->facts.boot_id,
			    location, id);
	return r < 0 ? r : db_commit(&work, error);
}

/* What other tables have of a container. Asked for at once: most have nothing anywhere, and every statement costs a new process its making.
 */
struct holdings {
	bool networks, mounts, ports, project;
};

static int holdings_of(struct db_work *work, const char *id, struct holdings *out, scow_error **error)
{
	sqlite3_stmt *row;
	int r = db_query(work, &row, error,
			 "SELECT EXISTS(SELECT 1 FROM endpoints WHERE container = ?1), EXISTS(SELECT 1 FROM mounts WHERE container = ?1),"
			 " EXISTS(SELECT 1 FROM ports WHERE container = ?1), EXISTS(SELECT 1 FROM projects WHERE container = ?1)",
			 "t", id);

	if (r > 0)
		*out = (struct holdings){ db_int(row, 0) != 0, db_int(row, 1) != 0, db_int(row, 2) != 0, db_int(row, 3) != 0 };
	return r < 0 ? r : 0;
}

int container_record_start(scow_engine *engine, const char *id, const char *owner, pid_t pid, int64_t started, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	struct holdings holdings = { 0 };
	int64_t start = 0;
	int status, r;

	/* Already gone, where the host ignores SIGCHLD and it was quick: then 0 makes it nobody. */
	process_stat(pid, &start, &status);
	r = db_begin(engine->db, &work, error);
	if (r == 0)
		r = db_exec(&work, error,
			    "UPDATE containers SET pid = ?, pid_start = ?, boot_id = ?, started = ?, finished = 0, exit_code = 0, "
			    "exit_signal = 0, oom_killed = 0 WHERE id = ? AND owner = ? AND pid = 0",
			    "iititt", (int64_t) pid, start, engine->facts.boot_id, started ? started : now_ns(), id,
			    owner ? owner : engine->owner_id);
	/* Else somebody has seen it start and end already. */
	if (r > 0) {
		r = holdings_of(&work, id, &holdings, error);
		if (r == 0 && holdings.networks)
			r = network_events(&work, "connect", id, error);
		if (r == 0 && holdings.mounts)
			r = volume_events(&work, "mount", id, error);
		if (r == 0)
			r = container_event_start_at(&work, id, started, error);
	}
	return r < 0 ? r : db_commit(&work, error);
}

static int leave(struct db_work *work, scow_engine *engine, const char *id, const struct holdings *holdings, bool ran,
		 const struct process_exit *exit, scow_error **error)
{
	int r = holdings->ports ? published_leave(work, engine, id, error) : 0;

	if (r == 0 && exit)
		r = container_event_die(work, id, exit, 0, error);
	if (r == 0 && ran && holdings->networks)
		r = network_events(work, "disconnect", id, error);
	if (r == 0 && ran && holdings->mounts)
		r = volumes_leave(work, id, error);
	if (r == 0 && holdings->networks)
		r = network_free(work, id, error);
	return r;
}

int container_leave(struct db_work *work, scow_engine *engine, const char *id, bool ran, const struct process_exit *exit,
		    scow_error **error)
{
	struct holdings holdings = { 0 };
	int r = holdings_of(work, id, &holdings, error);

	return r < 0 ? r : leave(work, engine, id, &holdings, ran, exit, error);
}

void container_record_failure(scow_engine *engine, const char *id, bool was_started, int code, const char *reason)
{
	enum container_action action = was_started ? ACTION_FAIL_AGAIN : ACTION_FAIL;
	_cleanup_db_ struct db_work work = { 0 };
	struct container_row row;
	scow_error *failure = NULL;
	int r;

	r = db_begin(engine->db, &work, &failure);
	if (r == 0)
		r = container_row_check(&work, id, action, &row, &failure);
	if (r == 0)
		r = container_leave(&work, engine, id, false, NULL, &failure);
	if (r == 0)
		r = db_exec(
			&work, &failure,
			"UPDATE containers SET state = ?, owner = CASE WHEN ephemeral THEN owner END, pid = 0, exit_code = ?, error = ? "
			"WHERE id = ?",
			"iitt", (int64_t) container_next_state(action), (int64_t) code, reason, id);
	if (r >= 0)
		r = db_commit(&work, &failure);
	db_end(&work);
	if (r < 0)
		engine_log(engine, SCOW_LOG_WARNING, "container %.12s: its failed start is not recorded: %s", id,
			   scow_error_message(failure));
	scow_error_unref(failure);
}

int container_record_exit(scow_engine *engine, const char *id, const struct process_exit *exit, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	struct container_row row;
	int r;

	r = db_begin(engine->db, &work, error);
	if (r == 0)
		r = container_row_check(&work, id, ACTION_EXIT, &row, error);
	if (r == 0)
		r = container_leave(&work, engine, id, true, exit, error);
	if (r == 0)
		r = db_exec(&work, error,
			    "UPDATE containers SET state = ?, owner = NULL, pid = 0, exit_code = ?, exit_signal = ?, oom_killed = ?, "
			    "finished = ?, error = ? WHERE id = ?",
			    "iiiiitt", (int64_t) container_next_state(ACTION_EXIT), (int64_t) exit->code, (int64_t) exit->signal,
			    (int64_t) (exit->usage.oom_kills > 0), now_ns(), exit->lost ? "the exit status was lost" : "", id);
	return r < 0 ? r : db_commit(&work, error);
}

/* What a container leaves that wrote nothing: a handful of empty directories, gone in as many calls. false: look closer. */
static bool remove_empty(scow_engine *engine, const char *id)
{
	/* overlayfs makes work/work, and in it this mark when it is mounted volatile. */
	static const struct {
		const char *path;
		int flags;
	} parts[] = {
		{ "/work/work/incompat/volatile/dirty", 0 },
		{ "/work/work/incompat/volatile", AT_REMOVEDIR },
		{ "/work/work/incompat", AT_REMOVEDIR },
		{ "/work/work", AT_REMOVEDIR },
		{ "/work", AT_REMOVEDIR },
		{ "/diff", AT_REMOVEDIR },
		{ "", AT_REMOVEDIR },
	};
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		snprintf(path, sizeof(path), "%s%s", id, parts[i].path);
		if (unlinkat(engine->containers_fd, path, parts[i].flags) < 0 && errno != ENOENT)
			return false;
	}
	return true;
}

int container_remove_dir(scow_engine *engine, const char *id, scow_error **error)
{
	return remove_empty(engine, id) ? 0 : userns_remove_tree(engine, engine->containers_fd, id, error);
}

int volumes_leave(struct db_work *work, const char *id, scow_error **error)
{
	sqlite3_stmt *row;
	int r = db_query(work, &row, error, "SELECT 1 FROM containers WHERE id = ? AND state IN (1, 2, 3) AND pid != 0", "t", id);

	return r > 0 ? volume_events(work, "unmount", id, error) : r;
}

/* Its anonymous volumes are marked in the transaction that deletes it: they go, now or with a sweep. */
static int shed(struct db_work *work, scow_engine *engine, const char *id, bool *marked, scow_error **error)
{
	sqlite3_stmt *row;
	int r = db_query(work, &row, error, "SELECT 1 FROM containers WHERE id = ? AND (ephemeral = 1 OR sheds = 1)", "t", id);

	return r > 0 ? volume_mark_anonymous(work, engine, id, marked, error) : r;
}

int container_erase(scow_engine *engine, const char *id, const struct process_exit *exit, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	struct holdings holdings = { 0 };
	bool marked = false;
	int r;

	volume_drivers_unmount(engine, id);
	r = container_remove_dir(engine, id, error);
	FAULT_POINT("erase.emptied");
	if (r == 0)
		r = owner_register(engine, error);
	if (r == 0)
		r = db_begin(engine->db, &work, error);
	if (r == 0)
		r = holdings_of(&work, id, &holdings, error);
	if (r == 0)
		r = leave(&work, engine, id, &holdings, exit != NULL, exit, error);
	if (r == 0 && holdings.project)
		quota_release(&work, QUOTA_CONTAINER, id, engine->containers_fd);
	if (r == 0)
		r = container_event(&work, id, "destroy", NULL, error);
	if (r == 0 && holdings.mounts)
		r = shed(&work, engine, id, &marked, error);
	if (r == 0)
		r = db_exec(&work, error, "DELETE FROM containers WHERE id = ?", "t", id);
	if (r >= 0)
		r = db_commit(&work, error);
	if (r == 0 && marked)
		volume_clear(engine);
	return r < 0 ? r : 0;
}
