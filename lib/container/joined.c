/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The programs that this engine has put into running containers, and has not seen the end of.
 *
 * They are our children in the container's pid namespace. When its PID 1 ends, the kernel kills them, and PID 1 has not ended before
 * each of them is reaped: by us. So whoever waits here for the end of a container must not rely on somebody else to dispatch these;
 * it may be the same thread that would. The handle of one that was reaped so tells its end when it is asked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "container/container.h"
#include "container/event.h"
#include "container/exec.h"

struct joined {
	struct joined *next;
	scow_container *container;
	scow_process *process; /* no reference: its last one takes this entry out */
	char id[65];
};

int joined_new(scow_container *container, struct joined **out, scow_error **error)
{
	struct joined *joined = calloc(1, sizeof(*joined));

	if (!joined)
		return error_oom(error);
	joined->container = scow_container_ref(container);
	random_hex(joined->id, 32);
	*out = joined;
	return 0;
}

const char *joined_id(const struct joined *joined)
{
	return joined->id;
}

void joined_put(struct joined *joined, scow_process *process)
{
	scow_engine *engine = joined->container->engine;

	joined->process = process;
	pthread_mutex_lock(&engine->lock);
	joined->next = engine->joined;
	engine->joined = joined;
	pthread_mutex_unlock(&engine->lock);
	container_watch_joined(engine, joined->container->id, process);
}

static void take(struct joined *joined)
{
	scow_engine *engine = joined->container->engine;

	pthread_mutex_lock(&engine->lock);
	for (struct joined **at = &engine->joined; *at; at = &(*at)->next) {
		if (*at == joined) {
			*at = joined->next;
			break;
		}
	}
	pthread_mutex_unlock(&engine->lock);
}

void joined_ended(void *data, const struct process_exit *exit)
{
	struct joined *joined = data;
	char code[16];
	const char *const extra[] = { "execID", joined->id, "exitCode", code, NULL };

	take(joined);
	snprintf(code, sizeof(code), "%d", exit->code);
	container_announce(joined->container->engine, joined->container->id, "exec_die", extra);
}

void joined_free(void *data)
{
	struct joined *joined = data;

	if (!joined)
		return;
	take(joined);
	scow_container_unref(joined->container);
	free(joined);
}

/* One of the container's that is dead and not reaped, with a reference; *left: there are more. */
static scow_process *next_ended(scow_engine *engine, const char *id, bool *left)
{
	scow_process *found = NULL;

	*left = false;
	pthread_mutex_lock(&engine->lock);
	for (struct joined *at = engine->joined; at && !found; at = at->next) {
		if (strcmp(at->container->id, id) != 0)
			continue;
		*left = true;
		if (process_has_ended(at->process) && process_try_ref(at->process))
			found = at->process;
	}
	pthread_mutex_unlock(&engine->lock);
	return found;
}

bool joined_reap(scow_engine *engine, const char *id)
{
	scow_process *process;
	bool left;

	while ((process = next_ended(engine, id, &left))) {
		bool failed = process_reap(process, NULL) < 0;

		scow_process_unref(process);
		if (failed)
			break;
	}
	return left;
}
