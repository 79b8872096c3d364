/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Another program in a container that runs, whoever started it: all that is needed of it is its row, and a pidfd that is proven to be
 * its PID 1. Nothing but events is written to the store: the program is its caller's, and ends with the caller or with the container.
 *
 * 1. The cgroup is made before the process and goes with it (runtime/exec.h).
 * 2. The container may end or be paused at any moment. One that ended is what the error then says, whatever step failed; one that is
 *    paused meanwhile holds the call up until it goes on.
 */
#include "container/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/digest.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/guard.h"
#include "container/event.h"
#include "container/id-map.h"
#include "container/live.h"
#include "engine/trace.h"
#include "runtime/exec.h"
#include "runtime/launch.h"
#include "runtime/process.h"

#define EXITING 4u /* PF_EXITING */

struct exec {
	scow_container *container;
	const scow_process_config *config;
	struct container_row row;
	int pidfd; /* of PID 1 */
	struct spec spec;
	struct io_setup io;
	struct cgroup *cgroup;
	struct launch launch;
	struct joined *joined;
	uint64_t started_us;
	struct trace trace;
};

static void exec_done(struct exec *exec)
{
	io_setup_done(&exec->io);
	spec_done(&exec->spec);
	cleanup_fd(&exec->pidfd);
	joined_free(exec->joined);
	/* A failed exec: nothing is in it. */
	if (exec->cgroup) {
		cgroup_remove(exec->cgroup, NULL);
		cgroup_free(exec->cgroup);
	}
}

static int refuse_state(const struct exec *exec, const char *state, const char *hint, scow_error **error)
{
	const char *name = exec->container->name;
	int r = error_at(error, error_set(error, SCOW_E_STATE, "container '%s' is %s", name, state), NULL, name);

	return hint ? error_hint(error, r, "%s", hint) : r;
}

static int find_container(struct exec *exec, scow_error **error)
{
	int r = container_row_running(exec->container, &exec->row, error);

	if (r < 0)
		return r;
	if (exec->row.state == SCOW_CONTAINER_PAUSED)
		return refuse_state(exec, "paused", "unpause it first", error);
	if (exec->row.state == SCOW_CONTAINER_RUNNING)
		exec->pidfd = container_pidfd(exec->container->engine, &exec->row);
	return exec->pidfd >= 0 ? 0 : container_not_running(exec->container, &exec->row, error);
}

/* Its settings, as the container's are merged with its own. */
static int build(struct exec *exec, const scow_io *io, scow_error **error)
{
	scow_container *container = exec->container;
	const scow_container_config *settings;
	const struct image_config *image;
	struct spec *spec = &exec->spec;
	int r;

	r = container_config_of(container, &settings, error);
	if (r == 0)
		r = container_image_of(container, &image, error);
	if (r == 0)
		r = spec_build_exec(container->engine, container->id, image, settings, exec->config, spec, error);
	/* Of one that was joined, too. */
	if (r == 0 && !container->engine->facts.rootless && spec->namespaces[SPEC_NS_USER].mode != SPEC_NS_HOST)
		r = id_maps_into(exec->row.pid, spec, error);
	if (r == 0)
		r = io_setup_open(io, spec->terminal, false, &exec->io, error);
	if (r == 0)
		r = io_setup_pass(&exec->io, spec, error);
	spec->rows = exec->io.rows;
	spec->columns = exec->io.columns;
	return r;
}

static int make_cgroup(struct exec *exec, scow_error **error)
{
	_cleanup_(cgroup_freep) struct cgroup *above = NULL;
	char name[5 + 2 * 8 + 1] = "exec-";
	int r = container_open_cgroup(exec->container, exec->row.cgroup, &above, error);

	if (r < 0)
		return r;
	random_hex(name + 5, 8);
	/* Nobody will be there to remove what a detached one leaves: it goes with the container. */
	return cgroup_create_exec(above, name, !exec->config->detached, &exec->spec.resources, &exec->cgroup, error);
}

static int launch(struct exec *exec, scow_error **error)
{
	_cleanup_fd_ int tree_fd = -1;
	struct guard_tree tree;
	struct launch_exec joined = {
		.pidfd = exec->pidfd,
		.namespaces = exec_namespaces(&exec->spec, exec->container->engine->facts.rootless),
		.orphan = exec->config->detached,
	};
	char digits[17];
	int r;

	exec->launch = (struct launch){
		.spec = &exec->spec,
		.cgroup = exec->cgroup,
		.exec = &joined,
		.trace = &exec->trace,
		.pidfd = -1,
		.keeper_fd = -1,
		.terminal_fd = -1,
	};
	memcpy(exec->launch.fds, exec->io.child_fds, sizeof(exec->launch.fds));
	if (!exec->config->detached) {
		random_hex(digits, 8);
		exec->launch.guard_key = strtoull(digits, NULL, 16) | 1;
		tree_fd = tree.fd = cgroup_tree_fd(exec->cgroup, &tree.lists);
		joined.tree = tree_fd < 0 ? NULL : &tree;
	}
	r = launch_start(exec->container->engine, &exec->launch, error);
	exec->launch.exec = NULL;
	io_setup_close_child(&exec->io);
	if (!exec->cgroup)
		return r;
	cgroup_close_join_fds(exec->cgroup);
	if (cgroup_is_nothing(exec->cgroup)) {
		cgroup_free(exec->cgroup);
		exec->cgroup = NULL;
	}
	return r;
}

static int make_process(struct exec *exec, scow_process **out, scow_error **error)
{
	const struct spec_resources *limits = &exec->spec.resources;
	struct process_params params = {
		.pid = exec->launch.pid,
		.pidfd = exec->launch.pidfd,
		.keeper_fd = exec->launch.keeper_fd,
		.terminal_fd = exec->launch.terminal_fd,
		.stdin_fd = take_fd(&exec->io.our_stdin),
		.stdout_fd = take_fd(&exec->io.our_stdout),
		.stderr_fd = take_fd(&exec->io.our_stderr),
		.output = exec->io.output,
		.output_data = exec->io.output_data,
		.capture_limit = exec->io.capture_limit,
		.cgroup = take_ptr(&exec->cgroup),
		.joined = true,
		.orphan = exec->config->detached,
		/* What it was limited to holds for what it leaves, too. */
		.kill_cgroup = limits->has_pids_max || limits->memory_bytes || exec->config->deadline_ms,
		.deadline_ms = exec->config->deadline_ms,
		.guard_key = exec->launch.guard_key,
		.started_us = exec->started_us,
		.ready_us = clock_us(),
		.on_exit = exec->config->detached ? NULL : joined_ended,
		.on_free = exec->config->detached ? NULL : joined_free,
		.data = exec->config->detached ? NULL : exec->joined,
	};
	int r = process_new(exec->container->engine, &params, out, error);

	if (r == 0)
		container_announce_exec(exec->container->engine, exec->container->id, joined_id(exec->joined), exec->spec.args);
	if (r == 0 && exec->config->detached)
		joined_free(take_ptr(&exec->joined)); /* it is not ours to reap */
	else if (r == 0)
		joined_put(take_ptr(&exec->joined), *out);
	return r;
}

/*
 * PID 1 is dead, or about to be: its pidfd tells only when all others are gone from its namespace, its flags (proc(5), field 9) at once.
 */
static bool is_ending(const struct exec *exec)
{
	struct pollfd fds = { .fd = exec->pidfd, .events = POLLIN };
	_cleanup_free_ char *text = NULL;
	unsigned int flags = 0;
	const char *fields;
	char path[32];

	if (poll(&fds, 1, 0) > 0)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/stat", exec->row.pid);
	if (file_read_at(AT_FDCWD, path, 4096, &text, NULL) < 0 || !(fields = strrchr(text, ')')))
		return false;
	return sscanf(fields, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && (flags & EXITING);
}

/* Whatever failed, failed because the container ended. */
static int explain(const struct exec *exec, int r, scow_error **error)
{
	if (exec->pidfd < 0 || !is_ending(exec))
		return r;
	error_clear(error);
	return refuse_state(exec, "not running any more", NULL, error);
}

int scow_container_exec(scow_container *container, const scow_process_config *config, const scow_io *io, scow_process **out,
			scow_error **error)
{
	struct exec exec = { .container = container, .config = config, .pidfd = -1, .started_us = clock_us() };
	int r = container_check(container, error);

	exec.spec.layers_fd = exec.spec.container_fd = -1;
	exec.io.our_stdin = exec.io.our_stdout = exec.io.our_stderr = -1;
	if (r == 0)
		r = process_config_check(config, error);
	if (r < 0)
		return r;
	if (!out)
		return error_set(error, SCOW_E_INVALID, "no place for the process was given");
	trace_begin(&exec.trace, container->engine, "exec", 0);
	r = find_container(&exec, error);
	if (r == 0)
		r = build(&exec, io, error);
	trace_phase(&exec.trace, "prepare");
	FAULT_POINT("exec.built");
	if (r == 0)
		r = make_cgroup(&exec, error);
	trace_phase(&exec.trace, "cgroup");
	FAULT_POINT("exec.prepared");
	if (r == 0)
		r = joined_new(container, &exec.joined, error);
	if (r == 0)
		r = launch(&exec, error);
	FAULT_POINT("exec.launched");
	if (r == 0)
		r = make_process(&exec, out, error);
	trace_phase(&exec.trace, "process");
	FAULT_POINT("exec.announced");
	if (r < 0)
		r = error_wrap(error, explain(&exec, r, error), "execute in container '%s'", container->name);
	exec_done(&exec);
	trace_end(&exec.trace, container->id, r);
	return r;
}
