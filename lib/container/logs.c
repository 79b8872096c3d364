/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading a log, whose files are log-parts.c's.
 *
 * 1. A file is finished only once a newer one was seen; it is then read to its end again, so nothing written before the rename
 *    is missed, and nothing is read twice.
 * 2. While we follow, inotify on the directory tells of both: new bytes, and the supervisor's `state` file, replaced when the
 *    container ends. That it ended is looked up before the last read, since the supervisor writes the log first. A supervisor
 *    that was killed says nothing: for that there is the pidfd of PID 1.
 * 3. One that was compressed meanwhile is known again, and unpacked when it is its turn.
 * 4. The timer is "now" while there is more to read, so that a dispatch may stop after a piece.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>

#include <scow/log.h>

#include "base/fd.h"
#include "base/str.h"
#include "container/container.h"
#include "container/log-file.h"
#include "container/log-parts.h"

#define STATE_NAME "state"
#define PIECES_PER_DISPATCH 16
#define SCANS_MAX 10
#define ROTATED_AGAIN_MS INT64_C(2)
#define LOOK_AGAIN_MS 100
#define LOOK_AGAIN_MAX_MS 3000

struct scow_log {
	scow_container *container;
	struct log_wish wish;
	scow_log_line_fn line;
	void *userdata;
	const char *attributes; /* of the entry that is being handed over */
	int dir_fd, epoll_fd, timer_fd, watch_fd, pidfd;
	struct parts parts;  /* the first is being read */
	off_t offset, limit; /* in it; the limit is the last one's */
	struct log_lines lines;
	int64_t look_again_ms; /* PID 1 is gone and the row says that it runs: somebody will see to that */
	bool follow, ended, done;
	bool files_changed, state_changed; /* must be looked at */
};

/* The files that came after the last one known. */
static int find_successors(scow_log *log, scow_error **error)
{
	int r = parts_follow(log->dir_fd, &log->parts, error);

	/* Again later. */
	log->files_changed = r > 0;
	return r < 0 ? r : 0;
}

/* ---- opening ---- */

/* 0: never. In the past: at once. */
static int set_timer(scow_log *log, int64_t at_ns, scow_error **error)
{
	struct itimerspec when = { .it_value = { .tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000 } };

	if (timerfd_settime(log->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) < 0)
		return error_errno(error, errno, "timerfd_settime", "wait for a log");
	return 0;
}

static int watch(scow_log *log, int fd, scow_error **error)
{
	struct epoll_event ready = { .events = EPOLLIN, .data.fd = fd };

	if (fd < 0 || epoll_ctl(log->epoll_fd, EPOLL_CTL_ADD, fd, &ready) < 0)
		return error_errno_status(error, SCOW_E_LIMIT, errno, NULL, "watch the log of container '%.12s'", log->container->id);
	return 0;
}

static int open_fds(scow_log *log, scow_error **error)
{
	char path[32];
	int r;

	log->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	log->timer_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	r = watch(log, log->timer_fd, error);
	if (r == 0)
		r = set_timer(log, 1, error);
	if (r < 0 || !log->follow)
		return r;
	log->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", log->dir_fd);
	if (log->watch_fd < 0 || inotify_add_watch(log->watch_fd, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR) < 0)
		return error_hint(
			error,
			error_errno_status(error, SCOW_E_LIMIT, errno, "inotify", "watch the log of container '%.12s'", log->container->id),
			"see fs.inotify.max_user_instances and max_user_watches, and the limit on open files");
	return watch(log, log->watch_fd, error);
}

static int no_log(const scow_container *container, scow_error **error)
{
	const scow_container_config *config;
	int r;

	if (container_config_of((scow_container *) container, &config, NULL) == 0 && str_eq(config->log_driver, "none"))
		return error_hint(
			error,
			error_set(error, SCOW_E_UNSUPPORTED, "container '%s' keeps no log: its log driver is 'none'", container->name),
			"choose the log driver 'json-file' when the container is created");
	r = error_set(error, SCOW_E_UNSUPPORTED, "container '%s' has no log: it was never started detached", container->name);
	return error_hint(error, r, "what an attached container prints goes to whoever started it, and nowhere else");
}

/* The first file and place from which @tail wanted entries are left. */
static int seek_tail(scow_log *log, int64_t tail, scow_error **error)
{
	size_t i = log->parts.count;
	int r = part_unpack(log->container->engine, &log->parts.items[i - 1], error);

	if (r < 0)
		return r;
	log->limit = log->follow ? INT64_MAX : log->parts.items[i - 1].size;
	if (tail < 0)
		return 0;
	if (tail == 0) {
		i--;
		r = log_find_end(log->parts.items[i].fd, log->parts.items[i].size, &log->offset, error);
	}
	while (r == 0 && tail > 0 && i-- > 0) {
		r = part_unpack(log->container->engine, &log->parts.items[i], error);
		if (r == 0)
			r = log_find_tail(log->parts.items[i].fd, log->parts.items[i].size, &log->wish, &tail, &log->offset, error);
	}
	if (r == 0 && i < log->parts.count)
		parts_drop(&log->parts, i);
	return r;
}

static int open_files(scow_log *log, int64_t tail, scow_error **error)
{
	scow_container *container = log->container;
	struct container_row row;
	int r = container_row_read(container->engine, container->id, &row, error);

	if (r < 0)
		return r;
	log->dir_fd = dir_open_at(container->engine->containers_fd, container->id);
	if (log->dir_fd == -ENOENT)
		return no_log(container, error);
	if (log->dir_fd < 0)
		return error_errno(error, -log->dir_fd, "open", "open 'containers/%s'", container->id);
	/* Watched first: what comes after the look at the files is told. */
	r = open_fds(log, error);
	for (int i = 0; r == 0 && (r = parts_scan(log->dir_fd, &log->parts, error)) > 0; r = 0) {
		if (i == SCANS_MAX)
			return error_set(error, SCOW_E_BUSY, "the log of container '%s' is being rotated all the time", container->name);
		poll(NULL, 0, 1);
	}
	if (r < 0)
		return r;
	if (!log->parts.count)
		return no_log(container, error);
	return seek_tail(log, tail, error);
}

int scow_container_logs(scow_container *container, unsigned int flags, int64_t since_ns, int64_t until_ns, int64_t tail,
			scow_log_line_fn line, void *userdata, scow_log **out, scow_error **error)
{
	scow_log *log;
	int r = container_check(container, error);

	if (r < 0)
		return r;
	if (!out || !line)
		return error_set(error, SCOW_E_INVALID, "no %s was given", out ? "function for the entries" : "place for the log");
	if (flags & ~(unsigned int) (SCOW_LOG_FOLLOW | SCOW_LOG_NO_STDOUT | SCOW_LOG_NO_STDERR))
		return error_set(error, SCOW_E_INVALID, "unknown flags %#x for a log", flags);
	log = calloc(1, sizeof(*log));
	if (!log)
		return error_oom(error);
	*log = (struct scow_log){
		.container = scow_container_ref(container),
		.wish = { flags, since_ns, until_ns },
		.line = line,
		.userdata = userdata,
		.dir_fd = -1,
		.epoll_fd = -1,
		.timer_fd = -1,
		.watch_fd = -1,
		.pidfd = -1,
		.follow = flags & SCOW_LOG_FOLLOW,
		.state_changed = true,
		.look_again_ms = LOOK_AGAIN_MS,
	};
	r = open_files(log, tail, error);
	if (r < 0) {
		scow_log_unref(log);
		return error_wrap(error, r, "read the log");
	}
	*out = log;
	return 0;
}

scow_log *scow_log_unref(scow_log *log)
{
	int saved = errno;

	if (!log)
		return NULL;
	cleanup_fd(&log->epoll_fd);
	cleanup_fd(&log->timer_fd);
	cleanup_fd(&log->watch_fd);
	cleanup_fd(&log->pidfd);
	cleanup_fd(&log->dir_fd);
	parts_done(&log->parts);
	log_lines_done(&log->lines);
	scow_container_unref(log->container);
	free(log);
	errno = saved;
	return NULL;
}

int scow_log_fd(const scow_log *log)
{
	return log ? log->epoll_fd : -1;
}

const char *scow_log_attributes(const scow_log *log)
{
	return log ? log->attributes : NULL;
}

/* ---- reading ---- */

static void read_events(scow_log *log)
{
	char buffer[4096] __attribute__((aligned(8)));
	ssize_t n;

	while (log->watch_fd >= 0 && (n = read(log->watch_fd, buffer, sizeof(buffer))) > 0) {
		for (char *at = buffer; at < buffer + n;) {
			const struct inotify_event *event = (const struct inotify_event *) (const void *) at;
			bool lost = event->mask & (IN_Q_OVERFLOW | IN_IGNORED | IN_UNMOUNT);

			if (lost || (event->len && str_eq(event->name, STATE_NAME)) || (event->mask & IN_DELETE))
				log->state_changed = true;
			if (lost || ((event->mask & (IN_CREATE | IN_MOVED_TO)) && event->len && str_has_prefix(event->name, LOG_NAME)))
				log->files_changed = true;
			at += sizeof(*event) + event->len;
		}
	}
}

static void read_pidfd(scow_log *log)
{
	struct pollfd fds = { .fd = log->pidfd, .events = POLLIN };

	if (log->pidfd < 0 || poll(&fds, 1, 0) <= 0)
		return;
	/* Closed, it leaves the epoll: it would stay readable. */
	cleanup_fd(&log->pidfd);
	log->pidfd = -1;
	log->state_changed = true;
}

/* Whether it has ended. When to look again is in the timer, for one that is dead and not yet recorded so, or restarts. */
static int look_at_state(scow_log *log, int64_t *look_again, scow_error **error)
{
	scow_container *container = log->container;
	struct container_row row;
	scow_error *failure = NULL;
	int r;

	log->state_changed = false;
	r = container_row_read(container->engine, container->id, &row, &failure);
	if (r == SCOW_E_NOT_FOUND || (r == 0 && !container_runs(row.state))) {
		error_clear(&failure);
		log->ended = log->files_changed = true;
		return 0;
	}
	if (r < 0) {
		if (error)
			*error = take_ptr(&failure);
		error_clear(&failure);
		return r;
	}
	if (log->pidfd < 0) {
		log->pidfd = container_pidfd(container->engine, &row);
		if (log->pidfd >= 0) {
			log->look_again_ms = LOOK_AGAIN_MS;
			return watch(log, log->pidfd, error);
		}
		*look_again = now_ns() + log->look_again_ms * 1000000;
		log->look_again_ms = log->look_again_ms * 2 < LOOK_AGAIN_MAX_MS ? log->look_again_ms * 2 : LOOK_AGAIN_MAX_MS;
		log->state_changed = true;
	}
	return 0;
}

static int hand_over(scow_log *log, char *line, size_t size, scow_error **error)
{
	struct log_entry entry;
	int r;

	if (!log_parse(line, size, &entry) || !log_wanted(&log->wish, &entry))
		return 0;
	log->attributes = entry.attributes;
	r = log->line(entry.stream, entry.time_ns, entry.data, entry.size, log->userdata);
	log->attributes = NULL;
	return r == 0 ? 0 : error_set(error, r < 0 ? r : SCOW_E_CANCELED, "the caller stopped reading the log");
}

static int hand_over_lines(scow_log *log, scow_error **error)
{
	size_t size;
	char *line;
	int r = 0;

	while (r == 0 && (line = log_lines_next(&log->lines, &size)))
		r = hand_over(log, line, size, error);
	return r;
}

/* No more will come to the file being read: half a line at its end is what a crash left, unless only the newline is missing. */
static int finish_part(scow_log *log, scow_error **error)
{
	size_t size;
	char *line = log_lines_rest(&log->lines, &size);

	log->offset = 0;
	return line ? hand_over(log, line, size, error) : 0;
}

/* One piece. 1: read on; 0: that is all there is now. */
static int read_piece(scow_log *log, scow_error **error)
{
	bool last = log->parts.count == 1;
	ssize_t n;
	int r = hand_over_lines(log, error);

	if (r < 0)
		return r;
	r = part_unpack(log->container->engine, &log->parts.items[0], error);
	if (r < 0)
		return r;
	n = log_lines_fill(&log->lines, log->parts.items[0].fd, &log->offset, last ? log->limit : INT64_MAX, error);
	if (n != 0)
		return n < 0 ? (int) n : 1;
	if (!last) {
		r = finish_part(log, error);
		parts_drop(&log->parts, 1);
		return r < 0 ? r : 1;
	}
	return 0;
}

/* All that there was is handed over. 1: wait for more. */
static int caught_up(scow_log *log, int64_t look_again, scow_error **error)
{
	int64_t wake = log->wish.until;
	int r;

	if (log->follow && log->files_changed) {
		r = set_timer(log, now_ns() + ROTATED_AGAIN_MS * 1000000, error);
		return r < 0 ? r : 1;
	}
	if (!log->follow || log->ended || (wake && now_ns() >= wake)) {
		log->done = true;
		r = finish_part(log, error);
		return r < 0 ? r : 0;
	}
	if (look_again && (!wake || look_again < wake))
		wake = look_again;
	r = set_timer(log, wake, error);
	return r < 0 ? r : 1;
}

int scow_log_dispatch(scow_log *log, scow_error **error)
{
	int64_t look_again = 0;
	int r;

	if (!log)
		return error_set(error, SCOW_E_INVALID, "no log was given");
	r = container_check(log->container, error);
	if (r < 0 || log->done)
		return r;
	read_events(log);
	read_pidfd(log);
	/* Should this not get to its end, it goes on at once. */
	r = set_timer(log, 1, error);
	/* Before the look, which may find that it has ended, and remove it with its files; and after it, for what came last. */
	if (r == 0 && log->follow && log->files_changed)
		r = find_successors(log, error);
	if (r == 0 && log->follow && log->state_changed && !log->ended)
		r = look_at_state(log, &look_again, error);
	if (r == 0 && log->follow && log->files_changed)
		r = find_successors(log, error);
	for (int i = 0; r == 0 && i < PIECES_PER_DISPATCH; i++) {
		r = read_piece(log, error);
		if (r == 0)
			return caught_up(log, look_again, error);
		r = r < 0 ? r : 0;
	}
	return r < 0 ? r : 1;
}
