/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a row to a running process, and what is written down when it ends.
 *
 * 1. The row is claimed first; what is made after that (directory, pipes, cgroup, process) goes again, in reverse, when a
 *    later step fails, and the row goes back to where it was with the reason in it.
 * 2. A run of an ephemeral container is three small transactions: the INSERT that is also the claim, the pid, the DELETE.
 * 3. engine->running lists what this engine started: who waits for or removes a container of this very process must be
 *    able to record its end, since nobody may be dispatching.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/str.h"
#include "container/container.h"
#include "container/create.h"
#include "container/event.h"
#include "container/health-plan.h"
#include "container/hooks.h"
#include "container/join.h"
#include "container/log-attributes.h"
#include "container/mount-later.h"
#include "container/networks.h"
#include "container/published.h"
#include "container/root.h"
#include "container/scratch.h"
#include "container/volumes.h"
#include "container/storage.h"
#include "engine/trace.h"
#include "image/layer.h"
#include "runtime/hooks.h"
#include "runtime/launch.h"
#include "runtime/supervisor.h"

#define CODE_NOT_EXECUTABLE 126
#define CODE_NOT_FOUND 127
#define CODE_START_FAILED 128
/* Until somebody attaches and knows better. */
#define DETACHED_ROWS 24
#define DETACHED_COLUMNS 80

/* One container of this process, from its start until its end is recorded. */
struct running {
	struct running *next;
	scow_container *container;
	scow_process *process; /* no reference: its last one takes this entry out */
	bool poststop;         /* it has hooks for its end */
	int ports_fd;          /* keeps its published ports, or -1 */
	int hold_fd;           /* ...the networks of a plain user, or -1 */
};

struct start {
	scow_container *container;
	const struct image_config *image;
	const scow_container_config *config;
	struct spec spec;
	struct io_setup io;
	struct cgroup *cgroup;
	struct root_layers layers;
	struct join join;
	struct networks networks;
	struct volumes volumes;
	struct launch launch;
	struct hook_point point;
	bool tried; /* to make the process */
	struct running *running;
	const char *owner; /* its supervisor to be; NULL: it is ours */
	int lock_fd;
	int *leash_fd;
	uint64_t started_us;
	int64_t began; /* by the supervisor's clock, ns; else 0 */
	struct trace trace;
};

/* ---- what this engine runs ---- */

static void running_put(struct running *running)
{
	scow_engine *engine = running->container->engine;

	pthread_mutex_lock(&engine->lock);
	running->next = engine->running;
	engine->running = running;
	pthread_mutex_unlock(&engine->lock);
}

static void running_take(struct running *running)
{
	scow_engine *engine = running->container->engine;

	pthread_mutex_lock(&engine->lock);
	for (struct running **at = &engine->running; *at; at = &(*at)->next) {
		if (*at == running) {
			*at = running->next;
			break;
		}
	}
	pthread_mutex_unlock(&engine->lock);
}

/* With a reference; NULL: this engine runs no such container. */
static scow_process *running_find(scow_engine *engine, const char *id)
{
	scow_process *process = NULL;

	pthread_mutex_lock(&engine->lock);
	for (struct running *at = engine->running; at && !process; at = at->next)
		if (strcmp(at->container->id, id) == 0 && process_try_ref(at->process))
			process = at->process;
	pthread_mutex_unlock(&engine->lock);
	return process;
}

void container_reap_own(scow_engine *engine, const char *id)
{
	_cleanup_(scow_process_unrefp) scow_process *process = running_find(engine, id);

	if (process)
		process_reap(process, NULL);
}

void container_watch_joined(scow_engine *engine, const char *id, scow_process *joined)
{
	_cleanup_(scow_process_unrefp) scow_process *process = running_find(engine, id);

	if (process)
		process_watch_joined(process, joined);
}

static bool reap_joined(void *data)
{
	const struct running *running = data;

	return joined_reap(running->container->engine, running->container->id);
}

static void process_ended(void *data, const struct process_exit *exit)
{
	struct running *running = data;
	scow_container *container = running->container;
	scow_error *failure = NULL;
	int r;

	if (running->poststop)
		hooks_poststop(container);
	running_take(running);
	/* Before others hear of its end: they may want the same ports. */
	cleanup_fd(&running->ports_fd);
	running->ports_fd = -1;
	cleanup_fd(&running->hold_fd);
	running->hold_fd = -1;
	if (container->ephemeral)
		r = container_erase(container->engine, container->id, exit, &failure);
	else
		r = container_record_exit(container->engine, container->id, exit, &failure);
	if (r == 0 && container->ephemeral)
		container->gone = true;
	if (r == 0 && !container->ephemeral)
		volume_drivers_unmount(container->engine, container->id);
	/* Somebody may have removed it by force as soon as it was dead. */
	if (r < 0 && r != SCOW_E_NOT_FOUND && r != SCOW_E_STATE)
		engine_log(container->engine, SCOW_LOG_WARNING, "container %.12s: its end is not recorded: %s", container->id,
			   scow_error_message(failure));
	scow_error_unref(failure);
}

static void process_resized(void *data, unsigned int rows, unsigned int columns)
{
	struct running *running = data;

	container_announce_resize(running->container, rows, columns);
}

static void process_freed(void *data)
{
	struct running *running = data;

	running_take(running);
	cleanup_fd(&running->ports_fd);
	cleanup_fd(&running->hold_fd);
	scow_container_unref(running->container);
	free(running);
}

/* ---- the steps of a start ---- */

static void start_done(struct start *start)
{
	io_setup_done(&start->io);
	spec_done(&start->spec);
	root_layers_done(&start->layers);
	join_done(&start->join);
	networks_done(&start->networks);
	volumes_done(&start->volumes);
	if (start->running)
		scow_container_unref(start->running->container);
	free(start->running);
}

/* What a failed start made. The process itself is gone already: launch_start() and process_new() see to theirs. */
static void start_undo(struct start *start)
{
	scow_engine *engine = start->container->engine;

	if (start->cgroup) {
		/* A supervisor that could not write down what it started runs on, and would not be found. */
		if (start->owner)
			cgroup_kill(start->cgroup, NULL);
		cgroup_remove(start->cgroup, NULL);
		cgroup_free(start->cgroup);
	}
	start->cgroup = NULL;
	published_undo(&start->networks);
	if (start->tried)
		hooks_run_all(engine, start->container->id, &start->spec.hooks, WIRE_STAGE_POSTSTOP, 0);
	/* Not only to be tidy: a volatile overlay refuses a work directory that was mounted before. */
	if (start->layers.made_dir)
		container_remove_dir(engine, start->container->id, NULL);
}

/* Its own part of the root: on top of the image's layers. */
static int open_root(struct start *start, scow_error **error)
{
	scow_engine *engine = start->container->engine;
	struct spec *spec = &start->spec;
	struct storage storage;
	int r = root_await(start->container, error);

	storage_of(start->config, &storage);
	/* A supervisor keeps its state and the log there. */
	if (r == 0 && storage.tmpfs && !start->owner && start->container->top_layer && !scratch_wanted(spec))
		r = layer_stack(engine, start->container->top_layer, &start->layers.lowers, &start->layers.n_lowers, error);
	else if (r == 0)
		r = root_layers_open(start->container, &start->layers, error);
	if (r == 0 && storage.bytes && !storage.tmpfs)
		r = storage_limit(engine, start->container->id, start->layers.dir_fd, storage.bytes, error);
	if (r == 0)
		r = scratch_prepare(start->layers.dir_fd, spec, error);
	FAULT_POINT("start.directory");
	spec->layers_fd = start->container->engine->layers_fd;
	spec->lowers = start->layers.lowers;
	spec->n_lowers = start->layers.n_lowers;
	spec->container_fd = start->layers.dir_fd;
	spec->overlay_volatile = start->container->ephemeral;
	spec->overlay_tmpfs = storage.tmpfs;
	spec->overlay_tmpfs_bytes = storage.bytes;
	return r;
}

/* Everything that has to be there before the process. */
static int prepare(struct start *start, const scow_io *io, scow_error **error)
{
	scow_container *container = start->container;
	scow_engine *engine = container->engine;
	struct spec *spec = &start->spec;
	int r;

	r = networks_lease(container, start->config, &start->networks, error);
	if (r == 0)
		r = volumes_open(container, start->image, start->config, &start->volumes, error);
	if (r == 0)
		r = spec_build_on(engine, container->id, start->image, start->config,
				  start->networks.on ? &start->networks.attachment : NULL, &start->volumes, spec, error);
	if (r == 0)
		r = networks_prepare(container, start->config, &start->networks, spec, error);
	if (r == 0)
		r = hooks_prepare(container, start->config, spec, error);
	start->point = (struct hook_point){ container, &spec->hooks, start->owner != NULL };
	if (r == 0)
		r = join_containers(engine, start->config, spec, &start->join, error);
	if (r == 0)
		r = start->owner ? io_setup_detached(io, &start->io, error)
				 : io_setup_open(io, spec->terminal, start->config->open_stdin, &start->io, error);
	if (r == 0)
		r = io_setup_pass(&start->io, spec, error);
	if (r == 0)
		r = open_root(start, error);
	if (r < 0)
		return r;
	spec->rows = start->owner ? DETACHED_ROWS : start->io.rows;
	spec->columns = start->owner ? DETACHED_COLUMNS : start->io.columns;
	spec->cgroup_name = arena_printf(&spec->arena, "scow-%s", container->id);
	start->running = calloc(1, sizeof(*start->running));
	if (!spec->cgroup_name || !start->running)
		return error_oom(error);
	start->running->container = scow_container_ref(container);
	start->running->ports_fd = start->running->hold_fd = -1;
	start->running->poststop = hooks_have(&spec->hooks, WIRE_STAGE_POSTSTOP);
	return cgroup_create(engine, spec->cgroup_parent, spec->cgroup_name, &spec->resources, &start->cgroup, error);
}

static uint64_t guard_key_of(const scow_container *container)
{
	char digits[17];
	uint64_t key;

	memcpy(digits, container->id, 16);
	digits[16] = 0;
	key = strtoull(digits, NULL, 16);
	return key ? key : 1;
}

static int launch(struct start *start, scow_error **error)
{
	struct launch *launch = &start->launch;
	int r;

	*launch = (struct launch){
		.spec = &start->spec,
		.cgroup = start->cgroup,
		.guard_key = guard_key_of(start->container),
		.born = start->networks.on || start->networks.pasta.on ? networks_born : NULL,
		.born_data = &start->networks,
		.ready = hooks_ready,
		.ready_data = &start->point,
		.trace = &start->trace,
		.pidfd = -1,
		.terminal_fd = -1,
	};
	memcpy(launch->fds, start->io.child_fds, sizeof(launch->fds));
	r = launch_start(start->container->engine, launch, error);
	io_setup_close_child(&start->io);
	if (start->cgroup)
		cgroup_close_join_fds(start->cgroup);
	return r;
}

/* The handle takes over all that belongs to the process. */
static int make_process(struct start *start, scow_process **out, scow_error **error)
{
	struct process_params params = {
		.pid = start->launch.pid,
		.pidfd = start->launch.pidfd,
		.terminal_fd = start->launch.terminal_fd,
		.stdin_fd = take_fd(&start->io.our_stdin),
		.stdout_fd = take_fd(&start->io.our_stdout),
		.stderr_fd = take_fd(&start->io.our_stderr),
		.output = start->io.output,
		.output_data = start->io.output_data,
		.capture_limit = start->io.capture_limit,
		.cgroup = take_ptr(&start->cgroup),
		.kill_cgroup = start->spec.namespaces[SPEC_NS_PID].mode != SPEC_NS_NEW,
		.guard_key = start->launch.guard_key,
		.started_us = start->started_us,
		.ready_us = clock_us(),
		.reap_joined = reap_joined,
		.on_exit = process_ended,
		.on_free = process_freed,
		.on_resize = process_resized,
		.data = start->running,
	};
	int r = process_new(start->container->engine, &params, out, error);

	if (r < 0)
		return r;
	start->running->process = *out;
	start->running->ports_fd = take_fd(&start->networks.ports.hold_fd);
	if (start->networks.on)
		start->running->hold_fd = take_fd(&start->networks.ns.hold_fd);
	running_put(take_ptr(&start->running));
	return 0;
}

/* The supervisor takes over all that belongs to the process. */
static int supervise(struct start *start, scow_error **error)
{
	const scow_container_config *config = start->config;
	struct supervisor_start params = {
		.spec = &start->spec,
		.cgroup = start->cgroup,
		.dir_fd = start->layers.dir_fd,
		.lock_fd = start->lock_fd,
		.leash_fd = start->leash_fd,
		.ports_fd = start->networks.ports.hold_fd,
		.owner = start->owner,
		.open_stdin = config->open_stdin,
		.stdin_once = config->stdin_once,
		.policy = (unsigned int) config->restart,
		.retries = config->restart_retries,
		.ready = start->container->hook ? hooks_ready : NULL,
		.ready_data = &start->point,
	};
	struct spec health = { .layers_fd = -1, .container_fd = -1 };
	_cleanup_free_ char *attributes = NULL;
	struct log_settings log;
	struct wire_state state;
	int r;

	config_log_settings(config, &log);
	params.log_compress = log.compress;
	params.log_drops = log.non_blocking;
	params.log = !log.none;
	params.log_bytes = log.max_bytes;
	params.log_files = log.max_files;
	start->spec.later_mounts = true;
	later_clear(start->layers.dir_fd);
	r = networks_hand_over(&start->networks, start->layers.dir_fd, &start->spec, error);
	if (r == 0)
		r = log_attributes(start->container, &log, start->spec.env, start->spec.n_env, &attributes, error);
	params.log_attributes = attributes;
	if (r == 0)
		r = health_prepare(start->container, start->image, config, &params, &health, error);
	if (r == 0)
		r = supervisor_start(start->container->engine, &params, &state, error);
	spec_done(&health);
	if (r < 0)
		return r;
	/* Its first run may be over already: any process that is there says that the start is noted. */
	start->launch.pid = state.pid ? state.pid : state.supervisor_pid;
	start->began = state.first_started;
	if (start->cgroup)
		cgroup_free(take_ptr(&start->cgroup));
	return 0;
}

static int failure_code(int r)
{
	return r == SCOW_E_NOT_EXECUTABLE ? CODE_NOT_EXECUTABLE : r == SCOW_E_COMMAND_NOT_FOUND ? CODE_NOT_FOUND : CODE_START_FAILED;
}

/* Starts a container whose row is claimed. @config may be NULL: read from the row. */
static int start_claimed(scow_container *container, const scow_container_config *config, bool was_started, const scow_io *io,
			 const struct supervision *by, int64_t began, scow_process **out, scow_error **error)
{
	struct start start = { .container = container, .config = config, .layers = { .dir_fd = -1 }, .lock_fd = -1 };
	const char *owner = by ? by->owner : NULL;
	_cleanup_(scow_process_unrefp) scow_process *process = NULL;
	scow_error *failure = NULL;
	int r = 0;

	start.owner = owner;
	start.lock_fd = by ? by->lock_fd : -1;
	start.leash_fd = by ? by->leash_fd : NULL;
	start.started_us = clock_us();
	trace_begin(&start.trace, container->engine, "start", began);
	if (began)
		trace_phase(&start.trace, "claim");
	join_init(&start.join);
	ports_init(&start.networks.ports);
	start.io.our_stdin = start.io.our_stdout = start.io.our_stderr = -1;
	if (!config)
		r = container_config_of(container, &start.config, &failure);
	if (r == 0)
		r = container_image_of(container, &start.image, &failure);
	if (r == 0)
		r = prepare(&start, io, &failure);
	trace_phase(&start.trace, "prepare");
	FAULT_POINT("start.prepared");
	start.tried = r == 0;
	if (r == 0)
		r = owner ? supervise(&start, &failure) : launch(&start, &failure);
	if (r == 0 && !owner)
		r = make_process(&start, &process, &failure);
	trace_phase(&start.trace, owner ? "supervisor" : "process");
	FAULT_POINT("start.launched");
	if (r < 0) {
		start_undo(&start);
		if (start.volumes.n)
			volume_drivers_unmount(container->engine, container->id);
		container_record_failure(container->engine, container->id, was_started, failure_code(r), scow_error_message(failure));
	} else {
		networks_started(container, &start.networks, start.launch.pid, owner != NULL);
		r = container_record_start(container->engine, container->id, owner, start.launch.pid, start.began, &failure);
		FAULT_POINT("start.recorded");
	}
	if (r == 0)
		hooks_run_all(container->engine, container->id, &start.spec.hooks, WIRE_STAGE_POSTSTART, start.launch.pid);
	trace_phase(&start.trace, "record");
	start_done(&start);
	trace_end(&start.trace, container->id, r);
	if (r < 0) {
		error_wrap(&failure, r, "start container '%s'", container->name);
		if (error)
			*error = take_ptr(&failure);
		scow_error_unref(failure);
		return r;
	}
	if (out)
		*out = take_ptr(&process);
	return 0;
}

int container_start_claimed(scow_container *container, bool was_started, const scow_io *io, const struct supervision *by,
			    scow_error **error)
{
	return start_claimed(container, NULL, was_started, io, by, 0, NULL, error);
}

int scow_container_start(scow_container *container, const scow_io *io, scow_process **out, scow_error **error)
{
	struct container_row previous;
	int64_t began;
	int r = container_check(container, error);

	if (r < 0)
		return r;
	if (!out)
		return error_set(error, SCOW_E_INVALID, "no place for the process was given");
	began = trace_now(container->engine);
	r = container_claim(container->engine, container->id, NULL, &previous, error);
	FAULT_POINT("start.claimed");
	return r < 0 ? r : start_claimed(container, NULL, previous.started != 0, io, NULL, began, out, error);
}

int scow_container_run(scow_engine *engine, scow_image *image, const scow_container_config *config, const scow_io *io, scow_process **out,
		       scow_error **error)
{
	_cleanup_(scow_container_unrefp) scow_container *container = NULL;
	_cleanup_(scow_process_unrefp) scow_process *process = NULL;
	int code, r;

	r = container_insert(engine, image, config, true, &container, error);
	if (r == 0)
		r = start_claimed(container, config, false, io, NULL, 0, &process, error);
	if (r == 0)
		r = scow_process_wait(process, -1, &code, error);
	if (r < 0)
		return r;
	if (out)
		*out = take_ptr(&process);
	return code;
}
