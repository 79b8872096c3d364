/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Health checks: a program that is run in the container now and then, and what its exit codes say.
 *
 * 1. The rules are Docker's: the first check comes an interval after the start; in the start period, until the first success, failures
 *    do not count and the start interval holds; so many failures in a row are "unhealthy", one success is "healthy".
 * 2. A copy of us carries out the plan, which joins the container, and makes the program as our child. Nothing of that is waited for:
 *    a container may hang it, until its timeout kills it, and while it is frozen not even that. Both are reaped, whatever becomes of
 *    them: what is dead in the container's pid namespace and has not been reaped keeps its PID 1 from ending.
 * 3. The last results are in ROOT/containers/ID/health, replaced by rename; the status is in the state file, too.
 */
#include "init/supervisor.h"
#include "init/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define STRAY_MS 50

static struct {
	bool runs;
	int first, program; /* pidfds: who carries out the plan, and whom it made, if it does not become the program; -1: none, or reaped */
	int first_pid, stray; /* a process group: a first process that was killed before it told of the program has left that; or 0 */
	int code;             /* of who was reaped last */
	bool made;            /* there is a program besides the first process */
	int socket, output;
	bool late;
	uint64_t due, deadline; /* ms, monotonic */
	struct wire_health_result result;
} probe = { .first = -1, .program = -1, .socket = -1, .output = -1 };

static struct wire_health health;

static uint64_t now_ms(void)
{
	return (uint64_t) clock_ns(CLOCK_MONOTONIC) / 1000000;
}

static bool in_start_period(void)
{
	return health.status == WIRE_HEALTH_STARTING && now_ms() - supervisor.began < supervisor.config.health_start_period_ms;
}

static void set_due(void)
{
	probe.due = now_ms() + (in_start_period() ? supervisor.config.health_start_interval_ms : supervisor.config.health_interval_ms);
}

static void write_health(void)
{
	long fd = sys(SYS_openat, WIRE_FD_DIR, WIRE_HEALTH_NAME ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return;
	if (sys(SYS_write, fd, &health, sizeof(health)) == sizeof(health))
		sys(SYS_renameat2, WIRE_FD_DIR, WIRE_HEALTH_NAME ".new", WIRE_FD_DIR, WIRE_HEALTH_NAME, 0);
	sys(SYS_close, fd);
}

void health_begin(void)
{
	if (!supervisor.health_plan)
		return;
	health.magic = WIRE_SUPERVISE_MAGIC;
	health.size = sizeof(health);
	memcpy(health.owner, supervisor.config.owner, sizeof(health.owner));
	health.status = WIRE_HEALTH_STARTING;
	health.failing_streak = 0;
	supervisor.state.health = health.status;
	set_due();
	write_health();
}

/* ---- a check ---- */

static void close_fd(int *fd)
{
	if (*fd >= 0) {
		unwatch(*fd);
		sys(SYS_close, *fd);
	}
	*fd = -1;
}

static noreturn void be_probe(const int pair[2], int output)
{
	uint64_t none = 0;

	sys(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
	init.supervised = true;
	sys(SYS_close, pair[0]);
	must(sys(SYS_dup3, pair[1], WIRE_FD_SOCKET, O_CLOEXEC), "dup3");
	must(sys(SYS_dup3, output, 1, 0), "dup3");
	must(sys(SYS_dup3, output, 2, 0), "dup3");
	must(sys(SYS_dup3, supervisor.pidfd, WIRE_FD_NS, O_CLOEXEC), "dup3");
	close_from(WIRE_FD_NS + 1);
	sys(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, sizeof(none));
	carry_out(supervisor.health_plan, supervisor.config.health_plan_size);
}

static void say(const char *text)
{
	struct wire_health_result *result = &probe.result;
	char *end = text_add(result->output, result->output + sizeof(result->output), text);

	result->output_size = (uint32_t) (end - result->output);
}

static void record(int code)
{
	struct wire_health_result *result = &probe.result;
	uint32_t status = health.status;
	bool counts = !in_start_period();

	result->ended = clock_ns(CLOCK_REALTIME);
	result->exit_code = code;
	if (health.n_results == WIRE_HEALTH_RESULTS)
		for (unsigned int i = 1; i < WIRE_HEALTH_RESULTS; i++)
			memcpy(&health.results[i - 1], &health.results[i], sizeof(*result));
	else
		health.n_results++;
	memcpy(&health.results[health.n_results - 1], result, sizeof(*result));
	if (code == 0) {
		health.failing_streak = 0;
		health.status = WIRE_HEALTH_HEALTHY;
	} else if (counts && ++health.failing_streak >= supervisor.config.health_retries) {
		health.status = WIRE_HEALTH_UNHEALTHY;
	}
	write_health();
	if (health.status != status) {
		supervisor.state.health = health.status;
		state_write();
	}
	set_due();
}

static void begin_probe(void)
{
	struct clone_args args = { .flags = CLONE_PIDFD, .exit_signal = SIGCHLD };
	int pair[2] = { -1, -1 }, pipe[2] = { -1, -1 };
	long r;

	memset(&probe.result, 0, sizeof(probe.result));
	probe.result.started = clock_ns(CLOCK_REALTIME);
	probe.late = probe.made = false;
	args.pidfd = (uint64_t) (uintptr_t) &probe.first;
	r = sys(SYS_pipe2, pipe, O_CLOEXEC);
	if (r == 0)
		r = sys(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
	if (r == 0)
		r = sys(SYS_clone3, &args, sizeof(args));
	if (r == 0)
		be_probe(pair, pipe[1]);
	if (pair[1] >= 0)
		sys(SYS_close, pair[1]);
	if (pipe[1] >= 0)
		sys(SYS_close, pipe[1]);
	probe.socket = pair[0];
	probe.output = pipe[0];
	if (r < 0) {
		close_fd(&probe.socket);
		close_fd(&probe.output);
		say("the health check could not be started: no process or descriptor left");
		record(-1);
		return;
	}
	probe.runs = true;
	probe.first_pid = (int) r;
	probe.deadline = now_ms() + supervisor.config.health_timeout_ms;
	set_nonblock(probe.output);
	watch(probe.first, EPOLLIN, WATCH_PROBE);
	watch(probe.socket, EPOLLIN, WATCH_PROBE_REPORT);
	watch(probe.output, EPOLLIN, WATCH_PROBE_OUTPUT);
}

void health_output(void)
{
	struct wire_health_result *result = &probe.result;
	char scrap[1024];

	for (unsigned int turns = 0; turns < 64 && probe.output >= 0; turns++) {
		size_t room = sizeof(result->output) - result->output_size;
		long n = sys(SYS_read, probe.output, room ? result->output + result->output_size : scrap, room ? room : sizeof(scrap));

		if (n == -EAGAIN || n == -EINTR)
			return;
		if (n <= 0) {
			close_fd(&probe.output);
			return;
		}
		if (room)
			result->output_size += (uint32_t) n;
	}
}

/* ---- its end ---- */

/* An event may be old news: of what is reaped, and whose number another descriptor has. */
static bool is_readable(int fd)
{
	struct pollfd fds = { .fd = fd, .events = POLLIN };
	struct timespec now = { 0 };

	return fd >= 0 && sys(SYS_ppoll, &fds, 1, &now, 0, 8) > 0;
}

static void kill_process(int pidfd)
{
	if (pidfd >= 0)
		sys(SYS_pidfd_send_signal, pidfd, SIGKILL, 0, 0);
}

static void reap(int *pidfd)
{
	siginfo_t end = { .si_code = CLD_EXITED };

	if (*pidfd < 0)
		return;
	while (sys(SYS_waitid, P_PIDFD, *pidfd, &end, WEXITED | __WALL, 0) == -EINTR)
		;
	probe.code = end.si_code == CLD_EXITED ? end.si_status : 128 + end.si_status;
	close_fd(pidfd);
}

/* It ends by itself (step_enter), but nobody knows when: it may be frozen. */
static void reap_stray(void)
{
	long r = 1;

	while (probe.stray && (r > 0 || r == -EINTR))
		r = sys(SYS_wait4, -probe.stray, 0, WNOHANG | __WALL, 0);
	if (r < 0)
		probe.stray = 0;
}

/* Both are reaped. */
static void end_probe(int code)
{
	health_output();
	close_fd(&probe.output);
	close_fd(&probe.socket);
	probe.runs = false;
	record(code);
}

void health_report(void)
{
	while (is_readable(probe.socket)) {
		const struct wire_failure *failure;
		int pidfd;
		long n = run_receive(probe.socket, &pidfd, &failure);

		if (n > 0 && failure)
			say(failure->text);
		if (n > 0 && pidfd >= 0) {
			probe.made = true;
			probe.program = pidfd;
			watch(pidfd, EPOLLIN, WATCH_PROBE);
			/* The time was up before we knew whom to kill. */
			if (probe.late)
				kill_process(pidfd);
		}
		/* The program runs, or nothing does: there is no more to hear. */
		if (n <= 0)
			close_fd(&probe.socket);
	}
}

void health_ended(void)
{
	if (is_readable(probe.first))
		reap(&probe.first);
	/* What the first process said before its end explains that, or tells of the program, whose code counts: it is reaped last. */
	health_report();
	if (probe.first >= 0 || (probe.program >= 0 && !is_readable(probe.program)))
		return;
	reap(&probe.program);
	if (!probe.runs)
		return;
	if (!probe.made)
		probe.stray = probe.first_pid;
	reap_stray();
	if (probe.late) {
		probe.result.output_size = 0;
		say("Health check exceeded timeout");
		close_fd(&probe.output);
	}
	end_probe(probe.late ? -1 : probe.code);
}

void health_stop(void)
{
	kill_process(probe.first);
	reap(&probe.first);
	health_report();
	kill_process(probe.program);
	reap(&probe.program);
	if (probe.runs && !probe.made)
		probe.stray = probe.first_pid;
	reap_stray();
	close_fd(&probe.output);
	close_fd(&probe.socket);
	probe.runs = false;
	probe.due = 0;
}

int health_wait(void)
{
	uint64_t now, at = probe.runs ? probe.deadline : probe.due;

	if (!supervisor.health_plan || !supervisor.pid || (probe.runs && probe.late))
		return -1;
	if (probe.stray)
		return STRAY_MS;
	now = now_ms();
	return at > now ? (int) (at - now < 3600000 ? at - now : 3600000) : 0;
}

void health_tick(void)
{
	reap_stray();
	if (health_wait() != 0)
		return;
	if (!probe.runs) {
		begin_probe();
		return;
	}
	FAULT_POINT("health.late");
	probe.late = true;
	kill_process(probe.first);
	kill_process(probe.program);
}
