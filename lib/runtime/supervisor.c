/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starting a supervisor, reading its state file, and short conversations with it.
 *
 * It gets by inheritance: its end of a socket, the container's directory, the lock, the cgroup's directories, the namespaces to join;
 * by the socket its orders and the launch plan, which is the one that an owned container would get. What it says until the program
 * runs is what scow-init says in launch.c.
 */
#include "runtime/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "base/str.h"
#include "engine/helper.h"
#include "engine/job.h"
#include "engine/strays.h"
#include "runtime/cgroup-internal.h"
#include "runtime/exec.h"
#include "runtime/hooks.h"
#include "runtime/launch.h"
#include "runtime/plan.h"

#define SUPERVISOR_FDS (32 + WIRE_PASS_MAX)
#define ANSWER_WAIT_MS 5000

struct preparation {
	scow_engine *engine;
	const struct supervisor_start *start;
	struct wire_supervise orders;
	struct str maps;
	void *plan, *health, *hooks;
	size_t plan_size, health_size, hooks_size;
	struct plan_namespaces namespaces;
	int cgroup_fds[WIRE_CGROUPS_MAX];
	int null_fd, socket;
};

static void preparation_done(struct preparation *p)
{
	for (size_t i = 0; i < WIRE_CGROUPS_MAX; i++)
		cleanup_fd(&p->cgroup_fds[i]);
	cleanup_fd(&p->null_fd);
	cleanup_fd(&p->socket);
	plan_namespaces_close(&p->namespaces);
	str_done(&p->maps);
	free(p->plan);
	free(p->health);
	free(p->hooks);
}

static int open_cgroups(struct preparation *p, scow_error **error)
{
	const struct cgroup *cgroup = p->start->cgroup;
	struct wire_supervise *orders = &p->orders;

	orders->memory_cgroup = WIRE_CGROUPS_MAX;
	for (size_t i = 0; cgroup && i < cgroup->n_dirs; i++) {
		int fd = openat(cgroup->dirs[i].at_fd, cgroup->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			return error_errno(error, errno, "open", "open cgroup '%s'", cgroup->path);
		p->cgroup_fds[orders->n_cgroups++] = fd;
	}
	if (orders->n_cgroups && cgroup->dir_of[CG_MEMORY] >= 0)
		orders->memory_cgroup = (uint32_t) cgroup->dir_of[CG_MEMORY];
	if (orders->n_cgroups && cgroup_base_mode(cgroup->base) == CGROUP_V2)
		orders->flags |= WIRE_SUPERVISE_CGROUP_V2;
	return 0;
}

/* As engine/userns.c writes them: a program's arguments, or the text of the file. */
static uint32_t add_map(struct preparation *p, const char *program, const struct id_range *map, unsigned int count)
{
	size_t before = p->maps.size;

	if (program)
		str_add_bytes(&p->maps, program, strlen(program) + 1);
	for (unsigned int i = 0; i < count; i++) {
		str_printf(&p->maps, "%u%c%u%c%u%c", map[i].inside, program ? 0 : ' ', map[i].outside, program ? 0 : ' ', map[i].count,
			   program ? 0 : '\n');
	}
	return (uint32_t) (p->maps.size - before);
}

static void add_maps(struct preparation *p)
{
	const struct facts *facts = &p->engine->facts;

	if (!(p->namespaces.clone_flags & CLONE_NEWUSER))
		return;
	if (facts->map_by_helper)
		p->orders.flags |= WIRE_SUPERVISE_MAP_BY_HELPER;
	p->orders.uid_map_size = add_map(p, facts->map_by_helper ? facts->newuidmap : NULL, facts->uid_map, facts->n_uid_map);
	p->orders.gid_map_size = add_map(p, facts->map_by_helper ? facts->newgidmap : NULL, facts->gid_map, facts->n_gid_map);
}

static void fill_orders(struct preparation *p)
{
	const struct supervisor_start *start = p->start;
	struct wire_supervise *orders = &p->orders;

	orders->magic = WIRE_SUPERVISE_MAGIC;
	orders->flags |= start->log ? WIRE_SUPERVISE_LOG : 0;
	orders->flags |= start->log_compress ? WIRE_SUPERVISE_COMPRESS : 0;
	orders->flags |= start->log_drops ? WIRE_SUPERVISE_LOG_DROPS : 0;
	orders->attributes_size = start->log_attributes ? (uint32_t) strlen(start->log_attributes) : 0;
	orders->flags |= start->open_stdin ? WIRE_SUPERVISE_STDIN : 0;
	orders->flags |= start->stdin_once ? WIRE_SUPERVISE_STDIN_ONCE : 0;
	orders->flags |= start->spec->terminal ? WIRE_SUPERVISE_TERMINAL : 0;
	orders->flags |= p->namespaces.enters ? WIRE_SUPERVISE_ENTERS : 0;
	orders->flags |= start->spec->namespaces[SPEC_NS_PID].mode != SPEC_NS_NEW ? WIRE_SUPERVISE_KILL_CGROUP : 0;
	orders->flags |= start->spec->waits_ready ? WIRE_SUPERVISE_READY : 0;
	orders->flags |= start->ready ? WIRE_SUPERVISE_ASKS : 0;
	orders->flags |= start->leash_fd ? WIRE_SUPERVISE_LEASHED : 0;
	orders->hooks_size = (uint32_t) p->hooks_size;
	orders->n_passed = (uint32_t) start->spec->n_fds;
	orders->clone_flags = p->namespaces.clone_flags;
	orders->log_bytes = start->log_bytes;
	orders->log_files = start->log_files ? start->log_files : 1;
	orders->policy = start->policy;
	orders->retries = start->retries;
	orders->plan_size = (uint32_t) p->plan_size;
	orders->health_plan_size = (uint32_t) p->health_size;
	orders->health_retries = start->health_retries;
	orders->health_interval_ms = start->health_interval_ms;
	orders->health_timeout_ms = start->health_timeout_ms;
	orders->health_start_period_ms = start->health_start_period_ms;
	orders->health_start_interval_ms = start->health_start_interval_ms;
	snprintf(orders->owner, sizeof(orders->owner), "%s", start->owner);
}

static int prepare(struct preparation *p, scow_error **error)
{
	_cleanup_job_ struct job job = { 0 };
	struct plan_facts facts;
	bool enters;
	int r = launch_facts(p->engine, &facts, error);

	if (r == 0)
		r = plan_namespaces_open(p->start->spec, &facts, &p->namespaces, error);
	if (r == 0)
		r = plan_compile(p->start->spec, &facts, &p->namespaces, &job, error);
	if (r == 0)
		r = job_bytes(&job, &p->plan, &p->plan_size, error);
	if (r == 0 && p->start->health)
		r = exec_plan_bytes(p->engine, p->start->health, p->start->cgroup, WIRE_FD_NS, &p->health, &p->health_size, &enters, error);
	if (r == 0)
		r = hooks_bytes(&p->start->spec->hooks, &p->hooks, &p->hooks_size, error);
	if (r == 0)
		r = open_cgroups(p, error);
	if (r < 0)
		return r;
	add_maps(p);
	fill_orders(p);
	if (p->maps.failed)
		return error_oom(error);
	p->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	return p->null_fd >= 0 ? 0 : error_errno(error, errno, "open", "open /dev/null");
}

/* The process that is made ends as soon as it has made the supervisor. */
static int give_birth(struct preparation *p, int theirs, scow_error **error)
{
	char name[] = "scow-init", mode[] = WIRE_MODE_SUPERVISE;
	char *argv[] = { name, mode, NULL };
	struct spawn_fd fds[SUPERVISOR_FDS];
	struct spawn spawn = { .exec_fd = engine_helper(p->engine, error), .argv = argv, .fds = fds, .cgroup_fd = -1 };
	int pidfd, r;
	pid_t pid;

	if (spawn.exec_fd < 0)
		return spawn.exec_fd;
	for (int i = 0; i < 3; i++)
		fds[spawn.n_fds++] = (struct spawn_fd){ p->null_fd, i };
	fds[spawn.n_fds++] = (struct spawn_fd){ theirs, WIRE_FD_SOCKET };
	fds[spawn.n_fds++] = (struct spawn_fd){ p->start->dir_fd, WIRE_FD_DIR };
	fds[spawn.n_fds++] = (struct spawn_fd){ p->start->lock_fd, WIRE_FD_LOCK };
	if (p->start->ports_fd > 0)
		fds[spawn.n_fds++] = (struct spawn_fd){ p->start->ports_fd, WIRE_FD_PORTS };
	for (int i = 0; i < SPEC_NS_COUNT; i++)
		if (p->namespaces.join_fds[i] >= 0)
			fds[spawn.n_fds++] = (struct spawn_fd){ p->namespaces.join_fds[i], WIRE_FD_NS + i };
	for (size_t i = 0; i < p->start->spec->n_fds; i++)
		fds[spawn.n_fds++] = (struct spawn_fd){ p->start->spec->fds[i].fd, WIRE_FD_PASS + (int) i };
	for (uint32_t i = 0; i < p->orders.n_cgroups; i++)
		fds[spawn.n_fds++] = (struct spawn_fd){ p->cgroup_fds[i], WIRE_FD_CGROUPS + (int) i };
	r = spawn_process(&spawn, &pid, &pidfd, error);
	if (r < 0)
		return r;
	r = spawn_wait(pidfd, NULL, error);
	close(pidfd);
	return r;
}

static int send_all(int socket, const void *data, size_t size)
{
	const char *at = data;

	while (size) {
		ssize_t n = send(socket, at, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		size -= (size_t) n;
	}
	return 0;
}

static int send_orders(struct preparation *p, scow_error **error)
{
	int r = send_all(p->socket, &p->orders, sizeof(p->orders));

	if (r == 0)
		r = send_all(p->socket, p->maps.data, p->maps.size);
	if (r == 0)
		r = send_all(p->socket, p->plan, p->plan_size);
	if (r == 0 && p->orders.health_plan_size)
		r = send_all(p->socket, p->health, p->health_size);
	if (r == 0 && p->orders.hooks_size)
		r = send_all(p->socket, p->hooks, p->hooks_size);
	if (r == 0 && p->orders.attributes_size)
		r = send_all(p->socket, p->start->log_attributes, p->orders.attributes_size);
	/* That it has gone shows below: its report says why. */
	return r == 0 || r == -EPIPE || r == -ECONNRESET ? 0 : error_errno(error, -r, "send", "send the launch plan");
}

static int answer(struct preparation *p, pid_t pid, scow_error **error)
{
	int r = p->start->ready(p->start->ready_data, pid, error);
	const char go_on = r == 0;

	send_all(p->socket, &go_on, 1);
	return r;
}

static int hear(struct preparation *p, scow_error **error)
{
	char text[WIRE_REPORT_TEXT_MAX + 1] = "";
	char call[sizeof(((struct wire_report *) 0)->call) + 1] = "";
	struct wire_report report;
	ssize_t n = fd_read_full(p->socket, &report, sizeof(report));
	int r;

	if (n == sizeof(report) && report.kind == WIRE_IS_READY && p->start->ready) {
		r = answer(p, report.error, error);
		/* What it says to a refusal is of no interest, but that it has ended is. */
		n = fd_read_full(p->socket, &report, sizeof(report));
		if (r < 0)
			return r;
	}

	if (n != sizeof(report))
		return error_errno(error, n < 0 ? (int) -n : EPIPE, "read", "start the supervisor: it ended without a report");
	if (report.kind == WIRE_STARTED)
		return 0;
	memcpy(call, report.call, sizeof(report.call));
	if (report.size > WIRE_REPORT_TEXT_MAX || fd_read_full(p->socket, text, report.size) != (ssize_t) report.size)
		return error_set(error, SCOW_E_FAILED, "the supervisor ended while it reported a failure");
	r = report.error ? error_errno(error, report.error, call, "%s", text) : error_set(error, SCOW_E_FAILED, "%s", text);
	r = launch_explain(&p->engine->facts, p->start->spec, &report, r, error);
	return error_at(error, r, "start", p->start->spec->id);
}

int supervisor_start(scow_engine *engine, const struct supervisor_start *start, struct wire_state *state, scow_error **error)
{
	_cleanup_(preparation_done) struct preparation p = { .engine = engine, .start = start, .null_fd = -1, .socket = -1 };
	_cleanup_fd_ int theirs = -1;
	int pair[2], r;

	for (size_t i = 0; i < WIRE_CGROUPS_MAX; i++)
		p.cgroup_fds[i] = -1;
	for (int i = 0; i < SPEC_NS_COUNT; i++)
		p.namespaces.join_fds[i] = -1;
	r = prepare(&p, error);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(error, errno, "socketpair", "open a socket for the supervisor");
	p.socket = pair[0];
	theirs = pair[1];
	/* An old one's: nobody may take it for this run's. */
	(void) unlinkat(start->dir_fd, WIRE_STATE_NAME, 0);
	(void) unlinkat(start->dir_fd, WIRE_HEALTH_NAME, 0);
	(void) unlinkat(start->dir_fd, WIRE_RUNS_NAME, 0);
	r = give_birth(&p, theirs, error);
	if (r < 0)
		return error_wrap(error, r, "start the supervisor");
	FAULT_POINT("supervise.born");
	close(take_fd(&theirs));
	r = send_orders(&p, error);
	FAULT_POINT("supervise.told");
	if (r == 0)
		r = hear(&p, error);
	FAULT_POINT("supervise.heard");
	if (r == 0 && !supervisor_state(engine, start->spec->id, start->owner, state))
		r = error_set(error, SCOW_E_FAILED, "the supervisor has not written down what it started");
	strays_reap(engine);
	if (r == 0 && start->leash_fd)
		*start->leash_fd = take_fd(&p.socket);
	if (r == 0)
		stray_note(engine, state->supervisor_pid);
	return r;
}

static bool read_state(scow_engine *engine, const char *id, struct wire_state *state)
{
	_cleanup_fd_ int fd = -1;
	char path[96];

	snprintf(path, sizeof(path), "%s/" WIRE_STATE_NAME, id);
	fd = openat(engine->containers_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fd_read_full(fd, state, sizeof(*state)) != (ssize_t) sizeof(*state))
		return false;
	state->owner[sizeof(state->owner) - 1] = state->error[sizeof(state->error) - 1] = 0;
	return state->magic == WIRE_SUPERVISE_MAGIC && state->size == sizeof(*state);
}

bool supervisor_state(scow_engine *engine, const char *id, const char *owner, struct wire_state *state)
{
	return read_state(engine, id, state) && strcmp(state->owner, owner) == 0;
}

bool supervisor_owner(scow_engine *engine, const char *id, char out[WIRE_OWNER_SIZE])
{
	struct wire_state state;

	if (!read_state(engine, id, &state))
		return false;
	memcpy(out, state.owner, WIRE_OWNER_SIZE);
	return true;
}

size_t supervisor_runs(scow_engine *engine, const char *id, const struct wire_state *state, struct wire_run out[WIRE_RUNS_MAX])
{
	struct wire_run ring[WIRE_RUNS_MAX];
	_cleanup_fd_ int fd = -1;
	char path[96];
	size_t count = 0;
	ssize_t n;

	if (!state->ended)
		return 0;
	snprintf(path, sizeof(path), "%s/" WIRE_RUNS_NAME, id);
	fd = openat(engine->containers_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	n = fd < 0 ? 0 : fd_read_full(fd, ring, sizeof(ring));
	/* What is newer than the state has taken the places of the oldest. */
	for (uint32_t number = state->ended > WIRE_RUNS_MAX ? state->ended - WIRE_RUNS_MAX + 1 : 1; n > 0 && number <= state->ended;
	     number++) {
		size_t place = (number - 1) % WIRE_RUNS_MAX;

		if ((place + 1) * sizeof(*ring) <= (size_t) n && ring[place].number == number)
			out[count++] = ring[place];
	}
	return count;
}

struct wire_health *supervisor_health(scow_engine *engine, const char *id, const char *owner)
{
	struct wire_health *health = malloc(sizeof(*health));
	_cleanup_fd_ int fd = -1;
	char path[96];

	snprintf(path, sizeof(path), "%s/" WIRE_HEALTH_NAME, id);
	fd = health ? openat(engine->containers_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
	if (fd >= 0 && fd_read_full(fd, health, sizeof(*health)) == (ssize_t) sizeof(*health) && health->magic == WIRE_SUPERVISE_MAGIC &&
	    health->n_results <= WIRE_HEALTH_RESULTS && strnlen(health->owner, sizeof(health->owner)) < sizeof(health->owner) &&
	    (!owner || strcmp(health->owner, owner) == 0)) {
		for (uint32_t i = 0; i < health->n_results; i++)
			if (health->results[i].output_size > WIRE_HEALTH_OUTPUT)
				health->results[i].output_size = 0;
		return health;
	}
	free(health);
	return NULL;
}

/* ---- talking ---- */

int supervisor_connect(scow_engine *engine, const char *id)
{
	static const struct timeval patience = { .tv_sec = ANSWER_WAIT_MS / 1000 }, for_ever = { 0 };
	_cleanup_fd_ int dir = dir_open_at(engine->containers_fd, id), fd = -1;
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (dir < 0)
		return dir;
	/* A root's path may be longer than an address can be. */
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" WIRE_ATTACH_NAME, dir);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* One that is stopped takes no connections once its queue is full. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return -errno;
	while (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
		if (errno != EINTR)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &for_ever, sizeof(for_ever)) < 0 ? -errno : take_fd(&fd);
}

int frame_send(int fd, enum wire_frame_type type, const void *data, size_t size)
{
	struct wire_frame frame = { .type = (uint8_t) type, .size = (uint32_t) size };
	int r = send_all(fd, &frame, sizeof(frame));

	return r < 0 ? r : send_all(fd, data, size);
}

int supervisor_tell(scow_engine *engine, const char *id, enum wire_frame_type type, const void *data, size_t size)
{
	_cleanup_fd_ int fd = supervisor_connect(engine, id);
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	struct wire_frame answer;
	int r;

	if (fd < 0)
		return fd;
	r = frame_send(fd, type, data, size);
	if (r < 0)
		return r;
	while ((r = poll(&readable, 1, ANSWER_WAIT_MS)) < 0 && errno == EINTR)
		;
	if (r <= 0)
		return r < 0 ? -errno : -ETIMEDOUT;
	return fd_read_full(fd, &answer, sizeof(answer)) == (ssize_t) sizeof(answer) && answer.type == WIRE_FRAME_ANSWER ? 0 : -EPIPE;
}
