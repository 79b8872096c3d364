/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of a supervisor: how it begins, what it waits for, and what it does when the program ends.
 *
 * 1. The process that the library made ends at once, and its child goes on: nobody has to wait for it, and it has a session of its own.
 * 2. Order at the end of a run: all output, the log, the state file, then the clients. Who sees the state sees the log.
 * 3. At the end of all: the cgroup, the lock, the wake of those who wait for events. It ends with the container's exit code.
 */
#include "init/supervisor.h"
#include "init/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define CHUNK_BYTES (64 * 1024)
#define CHUNKS_AT_ONCE 4 /* of one stream, before the other has its turn */
#define SMALL_BYTES 4096 /* less than that is all there was, most likely */
#define LAST_PIECES 1024
#define BACK_OFF_FIRST_MS 100
#define BACK_OFF_LAST_MS 60000
#define GOOD_RUN_MS 10000 /* after which the back-off begins again */
#define REST_AFTER_MS 1000
#define FULL_DISK_MS 100
#define CODE_NOT_EXECUTABLE 126
#define CODE_NOT_FOUND 127
#define CODE_START_FAILED 128

struct supervisor supervisor = { .pid = 0, .pidfd = -1, .input = -1, .outputs = { -1, -1 }, .terminal = -1 };

static unsigned char *chunk;
static bool chunk_used;
static uint32_t back_off_ms;
static bool held; /* the outputs are not read */

void watch(int fd, uint32_t events, uint32_t what)
{
	struct epoll_event event = { .events = events, .data.u64 = what };

	if (sys(SYS_epoll_ctl, supervisor.epoll, EPOLL_CTL_ADD, fd, &event) == -EEXIST)
		sys(SYS_epoll_ctl, supervisor.epoll, EPOLL_CTL_MOD, fd, &event);
}

void unwatch(int fd)
{
	sys(SYS_epoll_ctl, supervisor.epoll, EPOLL_CTL_DEL, fd, 0);
}

void close_input(void)
{
	if (supervisor.input >= 0)
		sys(SYS_close, supervisor.input);
	supervisor.input = -1;
}

/* ---- beginning ---- */

/* The library's own process ends here. */
static void leave_caller(void)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	uint64_t all = ~0UL;
	struct rlimit64 limit;
	long r;

	doing("start the supervisor", NULL, NULL, NULL);
	sys(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, sizeof(all));
	r = must(sys(SYS_clone3, &args, sizeof(args)), "clone3");
	if (r > 0)
		finish(0);
	sys(SYS_setsid);
	sys(SYS_chdir, "/");
	sys(SYS_umask, 0);
	sys(SYS_prctl, PR_SET_NAME, "scow-supervisor");
	sys(SYS_close_range, WIRE_FD_SOCKET, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
	if (sys(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		sys(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, 0);
	}
}

static void *get_memory(size_t size)
{
	return (void *) must(sys(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), "mmap");
}

static void read_orders(void)
{
	struct wire_supervise *config = &supervisor.config;
	size_t maps;

	doing("read what is to be supervised", NULL, NULL, NULL);
	read_socket(config, sizeof(*config));
	if (config->magic != WIRE_SUPERVISE_MAGIC || config->n_cgroups > WIRE_CGROUPS_MAX || config->uid_map_size > 65536 ||
	    config->gid_map_size > 65536 || config->plan_size > WIRE_PLAN_BYTES_MAX || config->health_plan_size > WIRE_PLAN_BYTES_MAX ||
	    config->plan_size < sizeof(struct wire_plan) || config->hooks_size > WIRE_PLAN_BYTES_MAX || config->n_passed > WIRE_PASS_MAX ||
	    config->attributes_size > WIRE_ATTRIBUTES_MAX)
		fail("decode", -EINVAL);
	maps = config->uid_map_size + config->gid_map_size;
	/* The plan first: it is aligned so. */
	supervisor.plan = get_memory(config->plan_size + maps + 1);
	supervisor.maps = (char *) supervisor.plan + config->plan_size;
	read_socket(supervisor.maps, maps);
	read_socket(supervisor.plan, config->plan_size);
	if (config->health_plan_size) {
		supervisor.health_plan = get_memory(config->health_plan_size);
		read_socket(supervisor.health_plan, config->health_plan_size);
	}
	if (config->hooks_size) {
		void *hooks = get_memory(config->hooks_size);

		read_socket(hooks, config->hooks_size);
		hooks_open(hooks, config->hooks_size);
	}
	if (config->attributes_size) {
		supervisor.attributes = get_memory(config->attributes_size + 1);
		read_socket(supervisor.attributes, config->attributes_size);
	}
}

/* ---- a run ---- */

static void note_run(void)
{
	struct wire_state *state = &supervisor.state;

	state->run_state = WIRE_RUN_RUNNING;
	state->pid = supervisor.pid;
	state->pid_start = process_start(supervisor.pid);
	state->started = clock_ns(CLOCK_REALTIME);
	if (!state->first_started)
		state->first_started = state->started;
	supervisor.began = (uint64_t) clock_ns(CLOCK_MONOTONIC) / 1000000;
	health_begin();
	state_write();
}

static void watch_run(void)
{
	watch(supervisor.pidfd, EPOLLIN, WATCH_PROCESS);
	for (uint32_t i = 0; i < OUTPUTS; i++)
		if (supervisor.outputs[i] >= 0)
			watch(supervisor.outputs[i], EPOLLIN, WATCH_STDOUT + i);
}

static void close_output(unsigned int stream)
{
	int fd = supervisor.outputs[stream];

	if (fd < 0)
		return;
	unwatch(fd);
	if (fd != supervisor.terminal)
		sys(SYS_close, fd);
	supervisor.outputs[stream] = -1;
}

/* One piece; its size, 0 when there is no more for now. */
static size_t read_output(unsigned int stream)
{
	long n;

	if (supervisor.outputs[stream] < 0)
		return 0;
	n = sys(SYS_read, supervisor.outputs[stream], chunk, CHUNK_BYTES);
	if (n == -EINTR || n == -EAGAIN)
		return 0;
	/* A terminal's master gives EIO when nobody has its other side open. */
	if (n == -EIO && supervisor.outputs[stream] == supervisor.terminal) {
		unwatch(supervisor.terminal);
		return 0;
	}
	if (n <= 0) {
		close_output(stream);
		return 0;
	}
	chunk_used = true;
	log_add(stream, chunk, (size_t) n);
	attach_output(stream, chunk, (size_t) n);
	return (size_t) n;
}

static void close_run(void)
{
	health_stop();
	close_input();
	close_output(0);
	close_output(1);
	if (supervisor.terminal >= 0)
		sys(SYS_close, supervisor.terminal);
	supervisor.terminal = -1;
	unwatch(supervisor.pidfd);
	sys(SYS_close, supervisor.pidfd);
	supervisor.pidfd = -1;
	supervisor.pid = 0;
}

/* ---- the end ---- */

static noreturn void end(void)
{
	struct wire_state *state = &supervisor.state;
	long fd;

	if (state->run_state != WIRE_RUN_FINISHED) {
		cgroup_end();
		network_end();
		attach_unname();
		state->run_state = WIRE_RUN_FINISHED;
		state_write();
	}
	attach_close();
	FAULT_POINT("supervisor.ending");
	sys(SYS_close, WIRE_FD_LOCK);
	FAULT_POINT("supervisor.unlocked");
	fd = sys(SYS_openat, WIRE_FD_DIR, "../../" WIRE_STATES_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0)
		sys(SYS_close, fd);
	finish(state->exit_code);
}

static bool is_to_restart(void)
{
	const struct wire_state *state = &supervisor.state;

	if (state->stopping)
		return false;
	switch ((enum wire_policy) supervisor.config.policy) {
	case WIRE_RESTART_ALWAYS:
	case WIRE_RESTART_UNLESS_STOPPED:
		return true;
	case WIRE_RESTART_ON_FAILURE:
		return state->exit_code != 0 && (!supervisor.config.retries || state->restart_count < supervisor.config.retries);
	case WIRE_RESTART_NO:
		return false;
	}
	return false;
}

/* Records a run's end, and ends with it, or goes on to wait for the next. */
static void after_run(int code, int sig)
{
	struct wire_state *state = &supervisor.state;
	bool again;

	state->exit_code = code;
	state->exit_signal = sig;
	state->finished = clock_ns(CLOCK_REALTIME);
	state->pid = 0;
	again = is_to_restart();
	if (!again) {
		cgroup_end();
		network_end();
		FAULT_POINT("supervisor.cleared");
	}
	/* While it still has its name: who would attach waits, and then hears of the end. */
	hooks_after_end();
	if (!again) {
		attach_unname();
		FAULT_POINT("supervisor.unnamed");
	} else {
		state->restart_count++;
		run_keep();
	}
	state->run_state = again ? WIRE_RUN_RESTARTING : WIRE_RUN_FINISHED;
	state_write();
	FAULT_POINT("supervisor.recorded");
	attach_exit(code, sig);
	if (!again)
		end();
}

static void process_ended(void)
{
	uint64_t now, kills = oom_kills();
	static uint64_t kills_before;
	int status = 0;

	while (sys(SYS_wait4, supervisor.pid, &status, __WALL, 0) == -EINTR)
		;
	FAULT_POINT("supervisor.reaped");
	/* All that a pipe can hold, and no more: somebody else may have it open still. */
	for (unsigned int i = 0; i < OUTPUTS; i++)
		for (unsigned int piece = 0; piece < LAST_PIECES && read_output(i); piece++)
			;
	log_end_lines();
	FAULT_POINT("supervisor.logged");
	held = false;
	close_run();
	supervisor.state.oom_kills = (uint32_t) (kills - kills_before);
	kills_before = kills;
	now = (uint64_t) clock_ns(CLOCK_MONOTONIC) / 1000000;
	if (!back_off_ms || now - supervisor.began >= GOOD_RUN_MS)
		back_off_ms = BACK_OFF_FIRST_MS;
	else
		back_off_ms = back_off_ms * 2 < BACK_OFF_LAST_MS ? back_off_ms * 2 : BACK_OFF_LAST_MS;
	after_run(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static int failure_code(const struct wire_report *report)
{
	if (report->step != WIRE_EXEC)
		return CODE_START_FAILED;
	return report->error == ENOENT || report->error == ENOTDIR ? CODE_NOT_FOUND : CODE_NOT_EXECUTABLE;
}

static void begin_again(void)
{
	struct wire_state *state = &supervisor.state;
	const struct wire_failure *problem = run_begin();

	FAULT_POINT("supervisor.again");
	if (!problem) {
		note_run();
		attach_waiting();
		watch_run();
		hooks_after_restart(supervisor.pid);
		return;
	}
	/* What cannot be started is not tried for ever, as with Docker. */
	text_add(state->error, state->error + sizeof(state->error), problem->text);
	state->stopping = 1;
	after_run(failure_code(&problem->report), 0);
}

void supervisor_stop(void)
{
	supervisor.state.stopping = 1;
	if (!supervisor.pid)
		end();
	state_write();
	FAULT_POINT("supervisor.stopping");
}

/* The byte says that it is let go, the end of the file that its starter has gone, or wants it gone. */
static void feel_leash(void)
{
	char byte;
	long n = sys(SYS_read, supervisor.leash, &byte, 1);

	if (n == -EINTR)
		return;
	unwatch(supervisor.leash);
	sys(SYS_close, supervisor.leash);
	supervisor.leash = -1;
	if (n == 1)
		return;
	supervisor_stop();
	sys(SYS_pidfd_send_signal, supervisor.pidfd, SIGKILL, 0, 0);
}

/* ---- waiting ---- */

static void happen(const struct epoll_event *event, bool *ended)
{
	uint32_t what = (uint32_t) event->data.u64;

	switch (what) {
	case WATCH_STDOUT:
	case WATCH_STDERR:
		for (unsigned int i = 0; i < CHUNKS_AT_ONCE && log_takes_more(); i++)
			if (read_output(what - WATCH_STDOUT) < SMALL_BYTES)
				break;
		break;
	case WATCH_STDIN:
		attach_input_ready();
		break;
	case WATCH_PROCESS:
		*ended = true;
		break;
	case WATCH_PROBE:
		health_ended();
		break;
	case WATCH_PROBE_REPORT:
		health_report();
		break;
	case WATCH_PROBE_OUTPUT:
		health_output();
		break;
	case WATCH_LISTENER:
		attach_accept();
		break;
	case WATCH_LEASH:
		feel_leash();
		break;
	default:
		attach_event(what - WATCH_CLIENT, event->events);
	}
}

/* Memory that only a busy one needs. */
static void rest(void)
{
	if (chunk_used)
		sys(SYS_madvise, chunk, CHUNK_BYTES, MADV_DONTNEED);
	chunk_used = false;
	log_rest();
}

/* With a full disk, or somebody in front who is slow, the program's output stays in its pipes, and it waits. */
static void hold_outputs(void)
{
	if ((log_is_full() || attach_is_behind()) == held)
		return;
	held = !held;
	for (uint32_t i = 0; i < OUTPUTS; i++) {
		if (supervisor.outputs[i] < 0)
			continue;
		if (held)
			unwatch(supervisor.outputs[i]);
		else
			watch(supervisor.outputs[i], EPOLLIN, WATCH_STDOUT + i);
	}
}

static int time_to_wait(uint64_t again_at, bool resting)
{
	uint64_t now;
	int check;

	if (supervisor.pid) {
		check = health_wait();
		if (held && (check < 0 || check > FULL_DISK_MS))
			return FULL_DISK_MS;
		return resting ? check : check >= 0 && check < REST_AFTER_MS ? check : REST_AFTER_MS;
	}
	now = (uint64_t) clock_ns(CLOCK_MONOTONIC) / 1000000;
	return again_at > now ? (int) (again_at - now) : 0;
}

static noreturn void supervise(void)
{
	static struct epoll_event events[16];
	uint64_t again_at = 0;
	bool resting = false;

	for (;;) {
		bool ended = false;
		long n = sys(SYS_epoll_pwait, supervisor.epoll, events, 16, time_to_wait(again_at, resting), 0, 8);

		for (long i = 0; i < n; i++)
			happen(&events[i], &ended);
		log_flush();
		hold_outputs();
		health_tick();
		if (ended) {
			process_ended();
			again_at = (uint64_t) clock_ns(CLOCK_MONOTONIC) / 1000000 + back_off_ms;
		} else if (!supervisor.pid && time_to_wait(again_at, false) == 0) {
			begin_again();
		}
		resting = n == 0;
		if (resting)
			rest();
	}
}

/* The first run: its failure is told, and nothing else. */
static void begin(void)
{
	const struct wire_failure *problem = run_begin();
	struct wire_report started = { .kind = WIRE_STARTED };

	if (problem) {
		sys(SYS_sendto, WIRE_FD_SOCKET, problem, sizeof(problem->report) + problem->report.size, MSG_NOSIGNAL);
		finish(125);
	}
	FAULT_POINT("supervisor.begun");
	note_run();
	attach_waiting();
	FAULT_POINT("supervisor.noted");
	sys(SYS_sendto, WIRE_FD_SOCKET, &started, sizeof(started), MSG_NOSIGNAL);
	if (supervisor.config.flags & WIRE_SUPERVISE_LEASHED) {
		supervisor.leash = (int) must(sys(SYS_fcntl, WIRE_FD_SOCKET, F_DUPFD_CLOEXEC, WIRE_FD_CGROUPS), "fcntl");
		watch(supervisor.leash, EPOLLIN, WATCH_LEASH);
	}
	/* Taken, so that no other descriptor gets its number. */
	sys(SYS_dup3, 0, WIRE_FD_SOCKET, O_CLOEXEC);
	watch_run();
	FAULT_POINT("supervisor.told");
}

void supervisor_main(char **argv)
{
	struct wire_state *state = &supervisor.state;

	FAULT_POINT("supervisor.first");
	leave_caller();
	FAULT_POINT("supervisor.left");
	read_orders();
	FAULT_POINT("supervisor.ordered");
	/* A copy of us becomes PID 1, and this is what it is called there. */
	memset(argv[1], 0, text_length(argv[1]));
	state->magic = WIRE_SUPERVISE_MAGIC;
	state->size = sizeof(*state);
	memcpy(state->owner, supervisor.config.owner, sizeof(state->owner));
	state->supervisor_pid = (int32_t) sys(SYS_getpid);
	state->supervisor_start = process_start(state->supervisor_pid);
	supervisor.epoll = (int) must(sys(SYS_epoll_create1, EPOLL_CLOEXEC), "epoll_create1");
	chunk = get_memory(CHUNK_BYTES);
	log_open();
	attach_open();
	FAULT_POINT("supervisor.opened");
	begin();
	supervise();
}
