/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory events and stalls of a cgroup, of v1 and of v2.
 *
 * 1. v1 has eventfds, told through cgroup.event_control: of an OOM, which comes before the kernel looks for a victim, and of a number
 *    of bytes in use that is passed. With memory.oom_control at 1 there is no victim: who touches memory sleeps until there is some,
 *    but a system call that needs some fails. So a hold has a mark below the limit here, too.
 * 2. v2 has memory.events, which polls as changed, and whose counters say what it was; a mark is memory.high.
 * 3. Stalls are triggers of v2's PSI files. To poll one takes its event away, and whoever polls our epoll has done so before we ask:
 *    which one it was is told by its total.
 * See: the kernel's admin-guide/cgroup-v1/memory, admin-guide/cgroup-v2, accounting/psi.
 */
#include "runtime/cgroup_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <scow/pressure.h>

#include "base/cancel.h"
#include "base/fd.h"
#include "base/str.h"
#include "runtime/cgroup-internal.h"

#define HOLD_PERCENT 87 /* far enough below the limit for a burst that the kernel lets through */
#define LOOK_FIRST_MS 10
#define LOOK_LAST_MS 1000
#define LOOKS_MS 60000 /* after which an OOM is believed to have ended without a kill */
#define TEXT_SIZE 1024

struct stall {
	struct cgroup_stall wish;
	int fd;
	uint64_t total_us, looked_us; /* at the beginning of what is counted */
};

struct cgroup_watch {
	struct cgroup *cgroup;
	int epoll_fd;
	unsigned int percent;
	bool hold, v2;
	bool told_mark; /* until it is below the mark again, or the mark moves */
	/*
	 * v1: an OOM was told of, and its kill is counted later, which on a busy host may be much later: the next look is in so many ms,
	 * and looking ends when so many have passed. 0: nothing is to come.
	 */
	unsigned int look_ms, looks_left_ms;
	int events_fd;        /* v1: eventfd of memory.oom_control; v2: memory.events */
	int control_fd;       /* v1: memory.oom_control */
	int mark_fd;          /* v1: eventfd of the mark */
	uint64_t limit, mark; /* bytes; UINT64_MAX: none */
	uint64_t ooms, kills, kills_at_first;
	char *before; /* of what hold and mark overwrite */
	struct stall stalls[CGROUP_STALLS_MAX];
	size_t n_stalls;
};

static int open_file(const struct cgroup *cgroup, enum cgroup_controller controller, const char *file, int flags)
{
	int index = cgroup->dir_of[controller], fd;
	char path[PATH_MAX];

	if (index < 0)
		return -ENODEV;
	if ((size_t) snprintf(path, sizeof(path), "%s/%s", cgroup->path, file) >= sizeof(path))
		return -ENAMETOOLONG;
	fd = openat(cgroup->dirs[index].at_fd, path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int no_file(const struct cgroup_watch *watch, const char *file, int errnum, scow_error **error)
{
	return error_errno_status(error, errnum == EMFILE || errnum == ENFILE ? SCOW_E_LIMIT : SCOW_E_UNSUPPORTED, errnum, "open",
				  "watch '%s' of cgroup '%s'", file, watch->cgroup->path);
}

static int add(const struct cgroup_watch *watch, int fd, uint32_t events, scow_error **error)
{
	struct epoll_event event = { .events = events };

	if (epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return error_errno_status(error, SCOW_E_LIMIT, errno, "epoll_ctl", "watch cgroup '%s'", watch->cgroup->path);
	return 0;
}

static uint64_t read_bytes(const struct cgroup_watch *watch, const char *v1, const char *v2)
{
	char text[64];

	if (!cgroup_read_text(watch->cgroup, CG_MEMORY, watch->v2 ? v2 : v1, text, sizeof(text)) || str_has_prefix(text, "max"))
		return UINT64_MAX;
	return strtoull(text, NULL, 10);
}

static uint64_t read_usage(const struct cgroup_watch *watch)
{
	uint64_t usage = read_bytes(watch, "memory.usage_in_bytes", "memory.current");

	return usage == UINT64_MAX ? 0 : usage;
}

/* v1 has a number for "none" that depends on the page size. */
static uint64_t read_limit(const struct cgroup_watch *watch)
{
	uint64_t limit = read_bytes(watch, "memory.limit_in_bytes", "memory.max");

	return limit > INT64_MAX / 2 ? UINT64_MAX : limit;
}

/* ---- v1 ---- */

/* An eventfd that counts @file's events, in the epoll. */
static int open_event(const struct cgroup_watch *watch, const char *file, int file_fd, const char *arguments, int *out, scow_error **error)
{
	_cleanup_fd_ int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	char text[96];
	int r;

	if (fd < 0)
		return error_errno_status(error, SCOW_E_LIMIT, errno, "eventfd", "watch cgroup '%s'", watch->cgroup->path);
	snprintf(text, sizeof(text), "%d %d%s", fd, file_fd, arguments);
	r = cgroup_try_set(watch->cgroup, CG_MEMORY, "cgroup.event_control", text);
	if (r < 0)
		return no_file(watch, file, -r, error);
	r = add(watch, fd, EPOLLIN, error);
	if (r == 0)
		*out = take_fd(&fd);
	return r;
}

static bool drain(int fd)
{
	uint64_t count;

	return fd >= 0 && read(fd, &count, sizeof(count)) == (ssize_t) sizeof(count);
}

static int set_mark_v1(struct cgroup_watch *watch, scow_error **error)
{
	_cleanup_fd_ int usage = open_file(watch->cgroup, CG_MEMORY, "memory.usage_in_bytes", O_RDONLY);
	char bytes[32];

	/* The kernel forgets the old one as it is closed. */
	cleanup_fd(&watch->mark_fd);
	watch->mark_fd = -1;
	if (usage < 0)
		return no_file(watch, "memory.usage_in_bytes", -usage, error);
	snprintf(bytes, sizeof(bytes), " %" PRIu64, watch->mark);
	return open_event(watch, "memory.usage_in_bytes", usage, bytes, &watch->mark_fd, error);
}

static int open_v1(struct cgroup_watch *watch, scow_error **error)
{
	char text[256];
	int r;

	watch->control_fd = open_file(watch->cgroup, CG_MEMORY, "memory.oom_control", O_RDONLY);
	if (watch->control_fd < 0)
		return no_file(watch, "memory.oom_control", -watch->control_fd, error);
	r = open_event(watch, "memory.oom_control", watch->control_fd, "", &watch->events_fd, error);
	if (r < 0)
		return r;
	if (cgroup_read_text(watch->cgroup, CG_MEMORY, "memory.oom_control", text, sizeof(text)))
		watch->kills = watch->kills_at_first = cgroup_find_u64(text, "oom_kill");
	if (!watch->hold)
		return 0;
	watch->before = strf("%" PRIu64, cgroup_find_u64(text, "oom_kill_disable"));
	if (!watch->before)
		return error_oom(error);
	return cgroup_set(watch->cgroup, CG_MEMORY, "memory.oom_control", "1", error);
}

/* ---- v2 ---- */

static bool read_events(struct cgroup_watch *watch, char *text, size_t size)
{
	/* The read is also what makes it pollable again. */
	ssize_t n = pread(watch->events_fd, text, size - 1, 0);

	text[n > 0 ? n : 0] = 0;
	return n > 0;
}

static int set_mark_v2(struct cgroup_watch *watch, scow_error **error)
{
	return cgroup_set_u64(watch->cgroup, CG_MEMORY, "memory.high", watch->mark, error);
}

static int open_v2(struct cgroup_watch *watch, scow_error **error)
{
	char text[TEXT_SIZE], high[64];

	watch->events_fd = open_file(watch->cgroup, CG_MEMORY, "memory.events", O_RDONLY);
	if (watch->events_fd < 0)
		return no_file(watch, "memory.events", -watch->events_fd, error);
	if (read_events(watch, text, sizeof(text))) {
		watch->kills = watch->kills_at_first = cgroup_find_u64(text, "oom_kill");
		watch->ooms = cgroup_find_u64(text, "oom");
	}
	if (watch->percent && cgroup_read_text(watch->cgroup, CG_MEMORY, "memory.high", high, sizeof(high))) {
		high[strcspn(high, "\n")] = 0;
		watch->before = strdup(high);
		if (!watch->before)
			return error_oom(error);
	}
	return add(watch, watch->events_fd, EPOLLPRI, error);
}

/* ---- stalls ---- */

static const char *stall_file(int kind)
{
	return kind == SCOW_PRESSURE_STALL_MEMORY ? "memory.pressure" : kind == SCOW_PRESSURE_STALL_CPU ? "cpu.pressure" : "io.pressure";
}

static uint64_t read_total(const struct cgroup_watch *watch, const struct stall *stall)
{
	char text[TEXT_SIZE], *line, *total;

	if (!cgroup_read_text(watch->cgroup, CG_CPUACCT, stall_file(stall->wish.kind), text, sizeof(text)))
		return stall->total_us;
	line = strstr(text, stall->wish.full ? "full " : "some ");
	total = line ? strstr(line, "total=") : NULL;
	return total ? strtoull(total + 6, NULL, 10) : stall->total_us;
}

static int open_stall(struct cgroup_watch *watch, const struct cgroup_stall *wish, scow_error **error)
{
	struct stall *stall = &watch->stalls[watch->n_stalls];
	const char *file = stall_file(wish->kind);
	char text[80];
	int size;

	if (!watch->v2)
		return error_hint(error,
				  error_set(error, SCOW_E_UNSUPPORTED,
					    "watch stalls: a container's are counted by cgroup v2 only, and this host has v1"),
				  "the whole host's are in /proc/pressure");
	*stall = (struct stall){ .wish = *wish, .fd = open_file(watch->cgroup, CG_CPUACCT, file, O_RDWR | O_NONBLOCK) };
	if (stall->fd < 0)
		return no_file(watch, file, -stall->fd, error);
	watch->n_stalls++;
	size = snprintf(text, sizeof(text), "%s %" PRIu64 " %" PRIu64, wish->full ? "full" : "some", wish->stall_us, wish->window_us);
	/* The kernel wants the NUL. */
	if (write(stall->fd, text, (size_t) size + 1) < 0)
		return error_errno_status(error, errno == EINVAL ? SCOW_E_INVALID : SCOW_E_UNSUPPORTED, errno, "write",
					  "watch '%s' of cgroup '%s' with '%s'", file, watch->cgroup->path, text);
	stall->total_us = read_total(watch, stall);
	stall->looked_us = clock_us();
	return add(watch, stall->fd, EPOLLPRI, error);
}

static void read_stalls(struct cgroup_watch *watch, struct cgroup_happening *out, size_t *count)
{
	uint64_t now = clock_us();

	for (size_t i = 0; i < watch->n_stalls; i++) {
		struct stall *stall = &watch->stalls[i];
		uint64_t total = read_total(watch, stall), lost = total - stall->total_us;
		bool told = lost >= stall->wish.stall_us;

		if (told)
			out[(*count)++] = (struct cgroup_happening){ stall->wish.kind, lost, stall->wish.stall_us };
		if (told || now - stall->looked_us >= stall->wish.window_us) {
			stall->total_us = total;
			stall->looked_us = now;
		}
	}
}

/* ---- both ---- */

bool cgroup_watch_changes(const struct cgroup *cgroup, const struct cgroup_wish *wish)
{
	return wish->hold || (wish->percent && cgroup->base->mode == CGROUP_V2);
}

static int set_mark(struct cgroup_watch *watch, scow_error **error)
{
	watch->limit = read_limit(watch);
	if (!watch->percent && !watch->hold)
		return 0;
	if (watch->limit == UINT64_MAX)
		return error_hint(error, error_set(error, SCOW_E_INVALID, "watch memory: cgroup '%s' has no limit", watch->cgroup->path),
				  "give the container a memory limit");
	if (!watch->percent)
		return 0;
	watch->mark = watch->limit / 100 * watch->percent;
	watch->told_mark = false;
	return watch->v2 ? set_mark_v2(watch, error) : set_mark_v1(watch, error);
}

int cgroup_watch_open(struct cgroup *cgroup, const struct cgroup_wish *wish, int epoll_fd, struct cgroup_watch **out, scow_error **error)
{
	struct cgroup_watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch) {
		cgroup_free(cgroup);
		return error_oom(error);
	}
	*watch = (struct cgroup_watch){
		.cgroup = cgroup,
		.epoll_fd = epoll_fd,
		.percent = wish->percent,
		.hold = wish->hold,
		.v2 = cgroup->base->mode == CGROUP_V2,
		.events_fd = -1,
		.control_fd = -1,
		.mark_fd = -1,
		.limit = UINT64_MAX,
		.mark = UINT64_MAX,
	};
	if (watch->hold && !watch->percent)
		watch->percent = HOLD_PERCENT;
	if (cgroup->dir_of[CG_MEMORY] < 0)
		r = cgroup_no_controller(cgroup, CG_MEMORY, "a watch on memory", error);
	else
		r = watch->v2 ? open_v2(watch, error) : open_v1(watch, error);
	if (r == 0)
		r = set_mark(watch, error);
	for (size_t i = 0; r == 0 && i < wish->n_stalls; i++)
		r = open_stall(watch, &wish->stalls[i], error);
	if (r < 0) {
		cgroup_watch_free(watch);
		return r;
	}
	*out = watch;
	return 0;
}

static void tell(struct cgroup_happening *out, size_t *count, int kind, uint64_t value, uint64_t limit)
{
	out[(*count)++] = (struct cgroup_happening){ kind, value, limit };
}

static void tell_kills(struct cgroup_watch *watch, uint64_t kills, struct cgroup_happening *out, size_t *count)
{
	if (kills <= watch->kills)
		return;
	watch->kills = kills;
	watch->look_ms = 0;
	tell(out, count, SCOW_PRESSURE_OOM_KILL, kills - watch->kills_at_first, 0);
}

/* The mark was passed: told once. */
static void look_at_mark(struct cgroup_watch *watch, uint64_t usage, int kind, struct cgroup_happening *out, size_t *count)
{
	bool above = usage >= watch->mark;

	if (above && !watch->told_mark)
		tell(out, count, kind, usage, watch->limit);
	watch->told_mark = above;
}

static bool read_v1(struct cgroup_watch *watch, struct cgroup_happening *out, size_t *count)
{
	bool oom = drain(watch->events_fd), gone;
	uint64_t usage = read_usage(watch);
	char text[256];

	(void) drain(watch->mark_fd);
	gone = !cgroup_read_text(watch->cgroup, CG_MEMORY, "memory.oom_control", text, sizeof(text));
	if (gone)
		return true;
	look_at_mark(watch, usage, watch->hold ? SCOW_PRESSURE_HELD : SCOW_PRESSURE_MEMORY, out, count);
	if (oom && watch->hold && cgroup_find_u64(text, "under_oom"))
		tell(out, count, SCOW_PRESSURE_HELD, usage, watch->limit);
	else if (oom && !watch->hold) {
		tell(out, count, SCOW_PRESSURE_OOM, usage, watch->limit);
		watch->look_ms = LOOK_FIRST_MS;
		watch->looks_left_ms = LOOKS_MS;
	}
	tell_kills(watch, cgroup_find_u64(text, "oom_kill"), out, count);
	return false;
}

static bool read_v2(struct cgroup_watch *watch, struct cgroup_happening *out, size_t *count)
{
	uint64_t usage = read_usage(watch), ooms;
	char text[TEXT_SIZE];

	if (!read_events(watch, text, sizeof(text)))
		return true;
	/* It reclaims down to the mark: just below it is at it. */
	if (watch->percent)
		look_at_mark(watch, usage + (watch->mark >> 6), watch->hold ? SCOW_PRESSURE_HELD : SCOW_PRESSURE_MEMORY, out, count);
	ooms = cgroup_find_u64(text, "oom");
	if (ooms > watch->ooms)
		tell(out, count, SCOW_PRESSURE_OOM, usage, watch->limit);
	watch->ooms = ooms;
	tell_kills(watch, cgroup_find_u64(text, "oom_kill"), out, count);
	return false;
}

/* In how many ms to look again. */
static unsigned int next_look(struct cgroup_watch *watch)
{
	unsigned int ms = watch->look_ms;

	watch->looks_left_ms -= ms < watch->looks_left_ms ? ms : watch->looks_left_ms;
	watch->look_ms = !watch->looks_left_ms ? 0 : ms * 2 < LOOK_LAST_MS ? ms * 2 : LOOK_LAST_MS;
	return ms;
}

size_t cgroup_watch_read(struct cgroup_watch *watch, struct cgroup_happening out[CGROUP_HAPPENINGS_MAX], unsigned int *again_ms, bool *gone)
{
	size_t count = 0;

	*gone = watch->v2 ? read_v2(watch, out, &count) : read_v1(watch, out, &count);
	if (*gone) {
		/* Closed, they are no longer readable. */
		cleanup_fd(&watch->events_fd);
		cleanup_fd(&watch->mark_fd);
		watch->events_fd = watch->mark_fd = -1;
	} else {
		read_stalls(watch, out, &count);
	}
	*again_ms = next_look(watch);
	return count;
}

int cgroup_watch_adjust(struct cgroup_watch *watch, scow_error **error)
{
	uint64_t limit = read_limit(watch);

	if (!watch->percent || limit == watch->limit || limit == UINT64_MAX) {
		watch->limit = limit;
		return 0;
	}
	return set_mark(watch, error);
}

uint64_t cgroup_watch_kills(const struct cgroup_watch *watch)
{
	return watch->kills - watch->kills_at_first;
}

void cgroup_watch_free(struct cgroup_watch *watch)
{
	int saved = errno;

	if (!watch)
		return;
	/* v1: what waits for memory now meets the killer. */
	if (watch->before)
		(void) cgroup_try_set(watch->cgroup, CG_MEMORY, watch->v2 ? "memory.high" : "memory.oom_control", watch->before);
	cleanup_fd(&watch->mark_fd);
	cleanup_fd(&watch->events_fd);
	cleanup_fd(&watch->control_fd);
	for (size_t i = 0; i < watch->n_stalls; i++)
		cleanup_fd(&watch->stalls[i].fd);
	free(watch->before);
	cgroup_free(watch->cgroup);
	free(watch);
	errno = saved;
}
