/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a supervisor knows of the world and tells it: clocks, start times of processes, the state file, and the container's cgroup.
 * The state file is replaced by rename, so a reader sees one state or the next, and never a half of each.
 */
#include "init/supervisor.h"
#include "init/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

#define BUSY_TRIES 50

int64_t clock_ns(int clock)
{
	struct timespec now;

	sys(SYS_clock_gettime, clock, &now);
	return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The beginning of a small file, terminated; its size. */
static size_t read_text(int dir, const char *path, char *buffer, size_t size)
{
	long fd = sys(SYS_openat, dir, path, O_RDONLY | O_CLOEXEC), n;

	if (fd < 0)
		return 0;
	n = sys(SYS_read, fd, buffer, size - 1);
	sys(SYS_close, fd);
	buffer[n < 0 ? 0 : n] = 0;
	return n < 0 ? 0 : (size_t) n;
}

static uint64_t read_number(const char *at)
{
	uint64_t number = 0;

	while (*at >= '0' && *at <= '9')
		number = number * 10 + (uint64_t) (*at++ - '0');
	return number;
}

uint64_t process_start(int pid)
{
	char path[32], text[1024];
	const char *at = NULL;
	size_t n;

	text_add(text_add_number(text_add(path, path + sizeof(path), "/proc/"), path + sizeof(path), (uint64_t) pid), path + sizeof(path),
		 "/stat");
	n = read_text(AT_FDCWD, path, text, sizeof(text));
	/* The name, in parentheses, may hold anything: the fields begin after the last one. */
	for (size_t i = 0; i < n; i++)
		if (text[i] == ')')
			at = text + i + 1;
	if (!at)
		return 0;
	for (int field = 3; field <= 22 && *at; field++)
		at = text_find(at + 1, ' ');
	/* Now behind field 22: back to its beginning. */
	while (at > text && at[-1] != ' ')
		at--;
	return read_number(at);
}

static bool replace_state(const struct wire_state *state)
{
	long fd = sys(SYS_openat, WIRE_FD_DIR, WIRE_STATE_NAME ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool ok;

	if (fd < 0)
		return false;
	FAULT_POINT("state.opened");
	ok = sys(SYS_write, fd, state, sizeof(*state)) == sizeof(*state) &&
	     sys(SYS_renameat2, WIRE_FD_DIR, WIRE_STATE_NAME ".new", WIRE_FD_DIR, WIRE_STATE_NAME, 0) == 0;
	sys(SYS_close, fd);
	return ok;
}

void state_write(void)
{
	struct wire_state *state = &supervisor.state;
	long fd;

	/* On a full disk the old one's room is all there is, and an exit code must not be lost: it is smaller than what a write can tear.
	 */
	if (!replace_state(state)) {
		fd = sys(SYS_openat, WIRE_FD_DIR, WIRE_STATE_NAME, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0) {
			sys(SYS_pwrite64, fd, state, sizeof(*state), 0);
			sys(SYS_close, fd);
		}
	}
	/* Who waits for events watches that it is opened, and writes them for us: store/journal.h. Missing where nobody ever did. */
	fd = sys(SYS_openat, WIRE_FD_DIR, "../../" WIRE_STATES_NAME, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0)
		sys(SYS_close, fd);
}

void run_keep(void)
{
	struct wire_state *state = &supervisor.state;
	struct wire_run run = {
		.started = state->started,
		.finished = state->finished,
		.exit_code = state->exit_code,
		.exit_signal = state->exit_signal,
		.oom_kills = state->oom_kills,
		.number = state->ended + 1,
	};
	long fd = sys(SYS_openat, WIRE_FD_DIR, WIRE_RUNS_NAME, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return;
	if (sys(SYS_pwrite64, fd, &run, sizeof(run), state->ended % WIRE_RUNS_MAX * sizeof(run)) == sizeof(run))
		state->ended++;
	sys(SYS_close, fd);
	FAULT_POINT("state.kept");
}

uint64_t oom_kills(void)
{
	char text[1024];
	int fd = WIRE_FD_CGROUPS + (int) supervisor.config.memory_cgroup;

	if (supervisor.config.memory_cgroup >= supervisor.config.n_cgroups)
		return 0;
	if (!read_text(fd, supervisor.config.flags & WIRE_SUPERVISE_CGROUP_V2 ? "memory.events" : "memory.oom_control", text, sizeof(text)))
		return 0;
	for (const char *line = text; *line; line = text_find(line, '\n')) {
		line += *line == '\n';
		if (text_starts(line, "oom_kill "))
			return read_number(line + text_length("oom_kill "));
	}
	return 0;
}

/* Everything in it that is not of the container's own pid namespace, and so did not end with its PID 1. */
static void cgroup_kill_all(int dir)
{
	static char pids[4096];
	long fd;

	if (supervisor.config.flags & WIRE_SUPERVISE_CGROUP_V2) {
		fd = sys(SYS_openat, dir, "cgroup.kill", O_WRONLY | O_CLOEXEC);
		if (fd >= 0 && sys(SYS_write, fd, "1", 1) == 1) {
			sys(SYS_close, fd);
			return;
		}
	}
	for (int i = 0; i < BUSY_TRIES && read_text(dir, "cgroup.procs", pids, sizeof(pids)); i++) {
		struct timespec nap = { .tv_nsec = 2000000 };

		for (const char *line = pids; *text_find(line, '\n'); line = text_find(line, '\n') + 1)
			if (read_number(line))
				sys(SYS_kill, read_number(line), SIGKILL);
		sys(SYS_nanosleep, &nap, 0);
	}
}

/* What cannot be removed (it has children of its own) is left to whoever reads next. */
void cgroup_end(void)
{
	static char path[4096 + 32], link[32];

	if (supervisor.config.n_cgroups && (supervisor.config.flags & WIRE_SUPERVISE_KILL_CGROUP))
		cgroup_kill_all(WIRE_FD_CGROUPS);
	for (uint32_t i = 0; i < supervisor.config.n_cgroups; i++) {
		struct timespec nap = { .tv_nsec = 1000000 };
		long n, r = -EBUSY;

		text_add_number(text_add(link, link + sizeof(link), "/proc/self/fd/"), link + sizeof(link), WIRE_FD_CGROUPS + i);
		n = sys(SYS_readlinkat, AT_FDCWD, link, path, sizeof(path) - 1);
		if (n <= 0)
			continue;
		path[n] = 0;
		for (int tries = 0; tries < BUSY_TRIES && r == -EBUSY; tries++) {
			r = sys(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
			if (r == -EBUSY)
				sys(SYS_nanosleep, &nap, 0);
		}
	}
}
