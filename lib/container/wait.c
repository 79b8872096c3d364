/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting for a container: until it does not run, until its next exit, until it is removed, whoever brings that about.
 *
 * Its PID 1 may be the child of another process. A pidfd, proven to be that process and no later one with its number, is all
 * that is needed to see it end; its exit code is its owner's to record, and so we read the row until he has, or is dead
 * himself. An owner that is alive and does not dispatch must not hold others up: after a while a zombie's status is read from
 * /proc.
 *
 * While there is no process to wait for, the row is looked at again and again: a run that begins and ends between two looks
 * is known by the time of its end.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/cancel.h"
#include "base/fd.h"
#include "base/json.h"
#include "container/detached.h"
#include "container/live.h"

#define UNRECORDED_WAIT_MS 1000 /* for an owner to record an end */
#define NAP_MAX_MS 32
#define LONG_NAP_MAX_MS 128 /* where nothing is under way yet */
#define CODE_UNKNOWN 255    /* as of a process whose status was lost */

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
	bool joined;
	int r;

	do {
		joined = joined_reap(await->container->engine, await->container->id);
		r = poll(&fds, 1, time_left(await, joined ? NAP_MAX_MS : -1));
	} while (((r < 0 && errno == EINTR) || (r == 0 && joined)) && !expired(await));
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
	await->code = detached_code(await->container->engine, await->container->id, &await->row);
	if (await->code < 0 && process_stat(await->row.pid, &start, &status) && start == await->row.pid_start)
		await->code = code_of_status(status);
	return true;
}

/*
 * The row is gone: the journal knows how the last run since @since_ns ended, unless that is long ago. Not the pidfd: to ask it
 * would take the status from an owner in this process.
 */
static int await_gone(struct await *await, int64_t since_ns)
{
	_cleanup_db_ struct db_work work = { 0 };
	_cleanup_json_ cJSON *attributes = NULL;
	const cJSON *code;
	sqlite3_stmt *s;

	await->code = -1;
	if (!await->row.created) /* it was gone before we looked */
		return AWAIT_GONE;
	db_lock(await->container->engine->db, &work);
	if (db_query(&work, &s, NULL,
		     "SELECT attributes FROM events WHERE object = ? AND action = 'die' AND time >= ? ORDER BY number DESC LIMIT 1", "ti",
		     await->container->id, since_ns) > 0)
		attributes = cJSON_Parse(db_text(s, 0));
	code = cJSON_GetObjectItemCaseSensitive(attributes, "exitCode");
	if (cJSON_IsString(code))
		await->code = atoi(code->valuestring);
	return AWAIT_GONE;
}

int await_end(struct await *await, int timeout_ms, scow_error **error)
{
	scow_container *container = await->container;
	int r;

	await->deadline_us = timeout_ms < 0 ? 0 : clock_us() + (uint64_t) timeout_ms * 1000;
	await->nap_ms = 1;
	for (;;) {
		r = container_row_read(container->engine, container->id, &await->row, NULL);
		if (r == SCOW_E_NOT_FOUND)
			return await_gone(await, 0);
		if (r < 0)
			return container_row_read(container->engine, container->id, &await->row, error);
		if (!container_runs(await->row.state)) {
			await->code = await->row.exit_code;
			return 0;
		}
		if (read_zombie(await))
			return 0;
		if (await->pidfd < 0)
			await->pidfd = detached_end_pidfd(container->engine, &await->row);
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

void await_done(struct await *await)
{
	cleanup_fd(&await->pidfd);
}

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

/* ---- conditions ---- */

static int still_waiting(const struct await *await, const char *what, int timeout_ms, scow_error **error)
{
	return error_set(error, SCOW_E_TIMEOUT, "container '%s' %s after %d ms", await->container->name, what, timeout_ms);
}

/* One of the two: the process (@all: with all that follow it) ends, or, while there is none, a nap. Less where the deadline comes first. */
static int await_change(struct await *await, bool all, scow_error **error)
{
	int most = await->row.pid || await->row.state == SCOW_CONTAINER_RUNNING ? NAP_MAX_MS : LONG_NAP_MAX_MS;

	if (await->pidfd < 0 && container_runs(await->row.state)) {
		await->pidfd = (all ? detached_end_pidfd : container_pidfd)(await->container->engine, &await->row);
		await->ended = false;
	}
	if (await->pidfd >= 0 && !await->ended)
		return await_process(await, error);
	poll(NULL, 0, time_left(await, await->nap_ms));
	await->nap_ms = await->nap_ms * 2 > most ? most : await->nap_ms * 2;
	return 0;
}

/* Until the row has an end that it did not have at first, or is gone. */
static int await_next_exit(struct await *await, scow_error **error)
{
	int64_t first = -1, begun = now_ns();

	for (;;) {
		int r = container_row_read(await->container->engine, await->container->id, &await->row, error);

		if (r == SCOW_E_NOT_FOUND && first >= 0) {
			error_clear(error);
			return await_gone(await, begun);
		}
		if (r < 0)
			return r;
		if (first < 0)
			first = await->row.finished;
		if (await->row.finished && await->row.finished != first) {
			await->code = await->row.exit_code;
			return 0;
		}
		if (!await->row.finished)
			first = 0; /* it runs: any end is the next one */
		if (read_zombie(await))
			return 0;
		if (expired(await))
			return SCOW_E_TIMEOUT;
		r = await_change(await, false, error);
		if (r < 0)
			return r;
	}
}

static int await_removal(struct await *await, scow_error **error)
{
	for (;;) {
		int r = container_row_read(await->container->engine, await->container->id, &await->row, error);

		if (r == SCOW_E_NOT_FOUND) {
			error_clear(error);
			(void) await_gone(await, 0);
			return 0;
		}
		if (r < 0)
			return r;
		/* A later run has another process. */
		if (await->ended && !container_runs(await->row.state)) {
			cleanup_fd(&await->pidfd);
			await->pidfd = -1;
			await->ended = false;
		}
		if (expired(await))
			return SCOW_E_TIMEOUT;
		r = await_change(await, true, error);
		if (r < 0)
			return r;
	}
}

int scow_container_wait_for(scow_container *container, scow_wait_condition condition, int timeout_ms, int *exit_code, scow_error **error)
{
	_cleanup_await_ struct await await = AWAIT_INIT(container);
	int r;

	if (condition == SCOW_WAIT_NOT_RUNNING)
		return scow_container_wait(container, timeout_ms, exit_code, error);
	r = container_check(container, error);
	if (r < 0)
		return r;
	if (condition != SCOW_WAIT_NEXT_EXIT && condition != SCOW_WAIT_REMOVED)
		return error_set(error, SCOW_E_INVALID, "%d is nothing that can be waited for", (int) condition);
	await.deadline_us = timeout_ms < 0 ? 0 : clock_us() + (uint64_t) timeout_ms * 1000;
	await.nap_ms = 1;
	r = condition == SCOW_WAIT_REMOVED ? await_removal(&await, error) : await_next_exit(&await, error);
	if (r == SCOW_E_TIMEOUT)
		return still_waiting(&await, condition == SCOW_WAIT_REMOVED ? "is still there" : "has not ended", timeout_ms, error);
	if (r == AWAIT_GONE && await.code < 0)
		return container_not_found(container->name, error);
	if (r < 0)
		return r;
	if (exit_code)
		*exit_code = await.code < 0 ? CODE_UNKNOWN : await.code;
	return 0;
}
