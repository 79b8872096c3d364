/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A watch on the pressure in a container: the cgroup's events (runtime/cgroup_watch.h), the container's end, and a timer, in one epoll.
 *
 * 1. The end is looked for before the cgroup is read, so that the last reading has all of it.
 * 2. Whoever records the end removes the cgroup, which may be before we have read it: then the journal knows of a kill.
 * 3. After each callback the marks are set anew, for it may have changed the limit.
 */
#include <scow/pressure.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/str.h"
#include "container/detached.h"
#include "container/live.h"
#include "runtime/cgroup_watch.h"

#define LOOK_AGAIN_MS 10
#define LOOKS_MAX 3000 /* for an end that is being recorded */

struct scow_pressure_options {
	struct cgroup_wish wish;
	const char *problem; /* the first bad value's setter */
};

struct scow_pressure {
	scow_container *container;
	struct cgroup_watch *watch;
	scow_pressure_fn callback;
	void *userdata;
	int epoll_fd, timer_fd, pidfd;
	int64_t opened; /* ns since 1970 */
	unsigned int looks;
	bool done;
};

/* ---- options ---- */

scow_pressure_options *scow_pressure_options_new(void)
{
	return calloc(1, sizeof(scow_pressure_options));
}

scow_pressure_options *scow_pressure_options_unref(scow_pressure_options *options)
{
	free(options);
	return NULL;
}

static void refuse(scow_pressure_options *options, const char *why)
{
	if (!options->problem)
		options->problem = why;
}

void scow_pressure_options_set_memory_percent(scow_pressure_options *options, unsigned int percent)
{
	if (!options)
		return;
	if (percent > 99)
		return refuse(options, "scow_pressure_options_set_memory_percent: more than 99 percent of the limit is no mark");
	options->wish.percent = percent;
}

void scow_pressure_options_set_hold(scow_pressure_options *options, int hold)
{
	if (options)
		options->wish.hold = hold != 0;
}

void scow_pressure_options_add_stall(scow_pressure_options *options, int kind, int full, uint64_t stall_us, uint64_t window_us)
{
	if (!options)
		return;
	if (kind < SCOW_PRESSURE_STALL_MEMORY || kind > SCOW_PRESSURE_STALL_IO)
		return refuse(options, "scow_pressure_options_add_stall: that is not a kind of stall");
	if (window_us < 500000 || window_us > 10000000)
		return refuse(options, "scow_pressure_options_add_stall: the window is not 500,000 to 10,000,000 us");
	if (!stall_us || stall_us > window_us)
		return refuse(options, "scow_pressure_options_add_stall: the time lost must be more than 0, and no more than the window");
	if (options->wish.n_stalls == CGROUP_STALLS_MAX)
		return refuse(options, "scow_pressure_options_add_stall: that is one too many");
	options->wish.stalls[options->wish.n_stalls++] =
		(struct cgroup_stall){ .kind = kind, .full = full != 0, .stall_us = stall_us, .window_us = window_us };
}

/* ---- opening ---- */

static int watch_fd(scow_pressure *pressure, int fd, scow_error **error)
{
	struct epoll_event ready = { .events = EPOLLIN };

	if (fd < 0 || epoll_ctl(pressure->epoll_fd, EPOLL_CTL_ADD, fd, &ready) < 0)
		return error_errno_status(error, SCOW_E_LIMIT, errno, NULL, "make a watch on pressure");
	return 0;
}

/* What is changed in the cgroup must not outlive us: a container that ends with this process is as safe as none. */
static int check_owner(const scow_pressure *pressure, const struct container_row *row, scow_error **error)
{
	if (!detached_is(row) && str_eq(row->owner, pressure->container->engine->owner_id))
		return 0;
	return error_hint(error,
			  error_set(error, SCOW_E_UNSUPPORTED,
				    "container '%s' lives on without this process, and its memory would stay held",
				    pressure->container->name),
			  "start it undetached with this engine, or watch without a hold and, on cgroup v2, without a percentage");
}

static int open_watch(scow_pressure *pressure, const struct cgroup_wish *wish, scow_error **error)
{
	scow_container *container = pressure->container;
	struct cgroup *cgroup = NULL;
	struct container_row row;
	int r = container_row_running(container, &row, error);

	if (r < 0)
		return r;
	if (!row.pid)
		return container_not_running(container, &row, error);
	pressure->pidfd = detached_end_pidfd(container->engine, &row);
	if (pressure->pidfd < 0)
		return container_not_running(container, &row, error);
	pressure->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	pressure->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	r = watch_fd(pressure, pressure->timer_fd, error);
	if (r == 0)
		r = watch_fd(pressure, pressure->pidfd, error);
	if (r == 0)
		r = container_open_cgroup(container, row.cgroup, &cgroup, error);
	if (r == 0 && cgroup_watch_changes(cgroup, wish)) {
		r = check_owner(pressure, &row, error);
		if (r < 0)
			cgroup_free(cgroup);
	}
	return r < 0 ? r : cgroup_watch_open(cgroup, wish, pressure->epoll_fd, &pressure->watch, error);
}

int scow_container_watch_pressure(scow_container *container, const scow_pressure_options *options, scow_pressure_fn callback,
				  void *userdata, scow_pressure **out, scow_error **error)
{
	static const struct cgroup_wish kills_only;
	scow_pressure *pressure;
	int r = container_check(container, error);

	if (r < 0)
		return r;
	if (!out || !callback)
		return error_set(error, SCOW_E_INVALID, "no %s was given", out ? "function for what happens" : "place for the watch");
	if (options && options->problem)
		return error_set(error, SCOW_E_INVALID, "%s", options->problem);
	pressure = calloc(1, sizeof(*pressure));
	if (!pressure)
		return error_oom(error);
	*pressure = (scow_pressure){
		.container = scow_container_ref(container),
		.callback = callback,
		.userdata = userdata,
		.epoll_fd = -1,
		.timer_fd = -1,
		.pidfd = -1,
		.opened = now_ns(),
	};
	r = open_watch(pressure, options ? &options->wish : &kills_only, error);
	if (r < 0) {
		scow_pressure_unref(pressure);
		return error_wrap(error, r, "watch the pressure in container '%s'", container->name);
	}
	*out = pressure;
	return 0;
}

scow_pressure *scow_pressure_unref(scow_pressure *pressure)
{
	int saved = errno;

	if (!pressure)
		return NULL;
	cgroup_watch_free(pressure->watch);
	cleanup_fd(&pressure->epoll_fd);
	cleanup_fd(&pressure->timer_fd);
	cleanup_fd(&pressure->pidfd);
	scow_container_unref(pressure->container);
	free(pressure);
	errno = saved;
	return NULL;
}

int scow_pressure_fd(const scow_pressure *pressure)
{
	return pressure ? pressure->epoll_fd : -1;
}

/* ---- what happens ---- */

static int set_timer(scow_pressure *pressure, unsigned int ms, scow_error **error)
{
	struct itimerspec when = { .it_value = { .tv_sec = ms / 1000, .tv_nsec = (long) (ms % 1000) * 1000000 } };

	if (timerfd_settime(pressure->timer_fd, 0, &when, NULL) < 0)
		return error_errno(error, errno, "timerfd_settime", "watch pressure");
	return 0;
}

static int tell(scow_pressure *pressure, const struct cgroup_happening *happening, scow_error **error)
{
	int r = pressure->callback(happening->kind, happening->value, happening->limit, pressure->userdata);

	return r == 0 ? 0 : error_set(error, r < 0 ? r : SCOW_E_CANCELED, "the caller stopped watching the pressure");
}

static bool noted(scow_pressure *pressure, const char *action)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *s;

	db_lock(pressure->container->engine->db, &work);
	return db_query(&work, &s, NULL, "SELECT 1 FROM events WHERE object = ? AND action = ? AND time >= ? LIMIT 1", "tti",
			pressure->container->id, action, pressure->opened) > 0;
}

/* The cgroup is gone. 1: its end is not recorded yet; 0: what there was is told. */
static int tell_end(scow_pressure *pressure, scow_error **error)
{
	struct cgroup_happening kill = { .kind = SCOW_PRESSURE_OOM_KILL, .value = 1 };
	struct container_row row;
	scow_error *failure = NULL;
	int r;

	if (cgroup_watch_kills(pressure->watch))
		return 0;
	r = container_row_read(pressure->container->engine, pressure->container->id, &row, &failure);
	error_clear(&failure);
	if (!noted(pressure, "die"))
		return r == 0 && container_runs(row.state) && ++pressure->looks < LOOKS_MAX;
	return noted(pressure, "oom") ? tell(pressure, &kill, error) : 0;
}

static bool has_ended(const scow_pressure *pressure)
{
	struct pollfd fds = { .fd = pressure->pidfd, .events = POLLIN };

	return poll(&fds, 1, 0) > 0;
}

int scow_pressure_dispatch(scow_pressure *pressure, scow_error **error)
{
	struct cgroup_happening happenings[CGROUP_HAPPENINGS_MAX];
	unsigned int again_ms;
	bool ended, gone;
	size_t count;
	int r;

	if (!pressure)
		return error_set(error, SCOW_E_INVALID, "no watch was given");
	r = container_check(pressure->container, error);
	if (r < 0 || pressure->done)
		return r;
	r = set_timer(pressure, 0, error);
	if (r < 0)
		return r;
	ended = has_ended(pressure);
	count = cgroup_watch_read(pressure->watch, happenings, &again_ms, &gone);
	/* Of several the callback may stop at one; the rest belongs to the past then. */
	for (size_t i = 0; i < count && r == 0; i++)
		r = tell(pressure, &happenings[i], error);
	if (r < 0)
		return r;
	if (!gone && !ended) {
		r = cgroup_watch_adjust(pressure->watch, error);
		if (r == 0)
			r = set_timer(pressure, again_ms, error);
		return r < 0 ? r : 1;
	}
	r = gone ? tell_end(pressure, error) : 0;
	if (r <= 0) {
		pressure->done = r == 0;
		return r;
	}
	r = set_timer(pressure, LOOK_AGAIN_MS, error);
	return r < 0 ? r : 1;
}
