/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events of containers. Name, image and labels are read from the row, in the transaction that changes it: whoever writes the
 * event, also a process that only clears up after a dead one, says the same of the container.
 */
#include "container/event.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/json.h"
#include "base/str.h"
#include "container/container.h"
#include "network/network.h"
#include "store/journal.h"

/* A label must not pass for one of the attributes that we give. */
static bool put(cJSON *object, const char *name, const char *value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(object, name);
	return cJSON_AddStringToObject(object, name, value) != NULL;
}

static char *attributes(const char *labels, const char *image, const char *name, const char *const *extra)
{
	_cleanup_json_ cJSON *object = NULL;
	bool ok;

	if (labels && *labels)
		object = cJSON_Parse(labels);
	if (!object)
		object = cJSON_CreateObject();
	ok = object && put(object, "image", image) && put(object, "name", name);
	for (; ok && extra && extra[0]; extra += 2)
		ok = put(object, extra[0], extra[1]);
	return ok ? json_print(object) : NULL;
}

/* Without a row there is no event. @time: when, ns; 0: now. */
static int add_at(struct db_work *work, int64_t time, const char *id, const char *action, const char *const *extra, scow_error **error)
{
	_cleanup_free_ char *text = NULL;
	sqlite3_stmt *row;
	int r = db_query(work, &row, error, "SELECT labels, image_name, name FROM containers WHERE id = ?", "t", id);

	if (r <= 0)
		return r;
	text = attributes(db_text(row, 0), db_text(row, 1), db_text(row, 2), extra);
	if (!text)
		return error_oom(error);
	return journal_add_at(work, time ? time : now_ns(), "container", action, id, text, error);
}

static int add(struct db_work *work, const char *id, const char *action, const char *const *extra, scow_error **error)
{
	return add_at(work, 0, id, action, extra, error);
}

int container_event_start_at(struct db_work *work, const char *id, int64_t time, scow_error **error)
{
	return add_at(work, time, id, "start", NULL, error);
}

int container_event(struct db_work *work, const char *id, const char *action, const char *const *extra, scow_error **error)
{
	return add(work, id, action, extra, error);
}

int container_event_die(struct db_work *work, const char *id, const struct process_exit *exit, int64_t time, scow_error **error)
{
	char code[16], duration[24];
	const char *const extra[] = { "exitCode", code, "execDuration", duration, NULL };
	int64_t started = 0;
	sqlite3_stmt *row;
	int r = db_query(work, &row, error, "SELECT started, state FROM containers WHERE id = ?", "t", id);

	if (r <= 0 || !container_runs((int) db_int(row, 1)))
		return r < 0 ? r : 0;
	started = db_int(row, 0);
	snprintf(code, sizeof(code), "%d", exit->code);
	snprintf(duration, sizeof(duration), "%lld", started ? (long long) (((time ? time : now_ns()) - started) / 1000000000) : 0LL);
	r = exit->usage.oom_kills > 0 ? add_at(work, time, id, "oom", NULL, error) : 0;
	return r < 0 ? r : add_at(work, time, id, "die", extra, error);
}

static void not_noted(scow_engine *engine, const char *id, const char *action, scow_error **failure)
{
	engine_log(engine, SCOW_LOG_WARNING, "container %.12s: the event '%s' is not noted: %s", id, action, scow_error_message(*failure));
	error_clear(failure);
}

int container_event_kill(scow_engine *engine, const char *id, int pidfd, int signal)
{
	_cleanup_db_ struct db_work work = { 0 };
	scow_error *failure = NULL;
	char number[8];
	const char *const extra[] = { "signal", number, NULL };
	int r = db_begin(engine->db, &work, &failure), sent;

	snprintf(number, sizeof(number), "%d", signal);
	if (r == 0)
		r = add(&work, id, "kill", extra, &failure);
	sent = syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0 ? 0 : -errno;
	if (r == 0 && sent == 0)
		r = db_commit(&work, &failure);
	db_end(&work);
	/* A full disk must not keep a container from being killed. */
	if (r < 0)
		not_noted(engine, id, "kill", &failure);
	return sent;
}

static void announce(scow_engine *engine, const char *id, const char *const *actions, const char *const *extra)
{
	_cleanup_db_ struct db_work work = { 0 };
	scow_error *failure = NULL;
	int r = db_begin(engine->db, &work, &failure);

	for (size_t i = 0; r == 0 && actions[i]; i++)
		r = add(&work, id, actions[i], extra, &failure);
	if (r == 0)
		r = db_commit(&work, &failure);
	db_end(&work);
	if (r < 0)
		not_noted(engine, id, actions[0], &failure);
}

void container_announce(scow_engine *engine, const char *id, const char *action, const char *const *extra)
{
	const char *const actions[] = { action, NULL };

	announce(engine, id, actions, extra);
}

void container_announce_resize(scow_container *container, unsigned int rows, unsigned int columns)
{
	char height[16], width[16];
	const char *const extra[] = { "height", height, "width", width, NULL };

	snprintf(height, sizeof(height), "%u", rows);
	snprintf(width, sizeof(width), "%u", columns);
	container_announce(container->engine, container->id, "resize", extra);
}

void container_announce_exec(scow_engine *engine, const char *id, const char *exec_id, char *const *args)
{
	_cleanup_str_ struct str create = { 0 }, start = { 0 };
	const char *const extra[] = { "execID", exec_id, NULL };

	str_add(&create, "exec_create:");
	str_add(&start, "exec_start:");
	for (; *args; args++) {
		str_printf(&create, " %s", *args);
		str_printf(&start, " %s", *args);
	}
	if (!create.failed && !start.failed)
		announce(engine, id, (const char *const[]){ create.data, start.data, NULL }, extra);
}
