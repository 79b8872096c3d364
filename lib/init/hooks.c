/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * OCI hooks: programs of the caller's that run at points of a container's life, with its state on their stdin.
 * See: runtime-spec config.md "POSIX-platform Hooks".
 *
 * Whoever is at such a point runs them: the container's own PID 1 what belongs into its namespaces, a supervisor or an errand of the
 * library's what belongs into the host's. A hook is told nothing by descriptors but the state: it gets no others than 0, 1 and 2.
 *
 * 1. The state is a file in memory, not a pipe: a hook that does not read it holds nobody up.
 * 2. Its end is that of its first process. What it leaves running may hold the pipe of its output open; that is not waited for.
 * 3. After a seccomp filter has been loaded all this still has to work: no clone3, which Docker's profile takes away.
 */
#include "init/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define OUTPUT_KEPT 1024 /* of its end */
#define PIECES_AT_ONCE 128
#define MFD_NO_EXEC 8u   /* MFD_NOEXEC_SEAL: some hosts take nothing else */
#define HOOK_UMASK 022

static struct {
	char text[WIRE_REPORT_TEXT_MAX];
	char output[OUTPUT_KEPT + 1];
	size_t size;
	struct hook_problem problem;
} hook;

static const struct {
	const char *name, *status;
} stages[WIRE_STAGES] = {
	[WIRE_STAGE_PRESTART] = { "prestart", "creating" },
	[WIRE_STAGE_CREATE_RUNTIME] = { "createRuntime", "creating" },
	[WIRE_STAGE_CREATE_CONTAINER] = { "createContainer", "creating" },
	[WIRE_STAGE_START_CONTAINER] = { "startContainer", "created" },
	[WIRE_STAGE_POSTSTART] = { "poststart", "running" },
	[WIRE_STAGE_POSTSTOP] = { "poststop", "stopped" },
};

struct run {
	const char *path;
	const char *stage;
	int state, output[2], status[2], pidfd;
	long pid;
};

/* ---- what to say ---- */

static char *begin_text(const struct run *run)
{
	const char *end = hook.text + sizeof(hook.text);
	char *at = text_add(text_add(hook.text, end, run->stage), end, " hook '");

	return text_add(text_add(at, end, run->path), end, "'");
}

static const struct hook_problem *say(const struct run *run, const char *what, const char *call, long error)
{
	text_add(begin_text(run), hook.text + sizeof(hook.text), what);
	hook.problem = (struct hook_problem){ hook.text, call, error < 0 ? -error : error };
	return &hook.problem;
}

/* It is one line of an error: newlines are blanks in it. */
static const struct hook_problem *say_end(const struct run *run, int status, bool timed_out, uint64_t timeout_ms)
{
	const char *end = hook.text + sizeof(hook.text);
	char *at = begin_text(run);
	size_t start = 0;

	if (timed_out)
		at = text_add(text_add_number(text_add(at, end, " was killed: it took longer than "), end, timeout_ms), end, " ms");
	else if (WIFSIGNALED(status))
		at = text_add_number(text_add(at, end, " was ended by signal "), end, (uint64_t) WTERMSIG(status));
	else
		at = text_add_number(text_add(at, end, " failed with exit code "), end, (uint64_t) WEXITSTATUS(status));
	for (size_t i = 0; i < hook.size; i++)
		if ((unsigned char) hook.output[i] < ' ' || hook.output[i] == 0x7f)
			hook.output[i] = ' ';
	while (hook.size && hook.output[hook.size - 1] == ' ')
		hook.size--;
	while (start < hook.size && hook.output[start] == ' ')
		start++;
	hook.output[hook.size] = 0;
	if (start < hook.size)
		text_add(text_add(at, end, ": "), end, hook.output + start);
	hook.problem = (struct hook_problem){ hook.text, "", 0 };
	return &hook.problem;
}

/* ---- running it ---- */

static long write_all(int fd, const char *text, size_t size)
{
	while (size) {
		long n = sys(SYS_write, fd, text, size);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n ? n : -EIO;
		text += n;
		size -= (size_t) n;
	}
	return 0;
}

static long open_state(struct run *run, const char *rest, const char *status, int pid)
{
	char head[64];
	const char *end = head + sizeof(head);
	char *at = text_add(text_add(text_add(head, end, "{\"status\":\""), end, status), end, "\",");
	long r = sys(SYS_memfd_create, "state", MFD_CLOEXEC | MFD_NO_EXEC);

	if (pid)
		at = text_add(text_add_number(text_add(at, end, "\"pid\":"), end, (uint64_t) pid), end, ",");
	if (r == -EINVAL)
		r = sys(SYS_memfd_create, "state", MFD_CLOEXEC);
	if (r < 0)
		return r;
	run->state = (int) r;
	r = write_all(run->state, head, (size_t) (at - head));
	if (r == 0)
		r = write_all(run->state, rest, text_length(rest));
	return r < 0 ? r : sys(SYS_lseek, run->state, 0, 0);
}

static noreturn void be_hook(const struct run *run, char **args, char **env)
{
	uint64_t none = 0;
	long error;

	sys(SYS_setsid);
	sys(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, sizeof(none));
	sys(SYS_umask, HOOK_UMASK);
	sys(SYS_chdir, "/");
	sys(SYS_dup3, run->state, 0, 0);
	sys(SYS_dup3, run->output[1], 1, 0);
	sys(SYS_dup3, run->output[1], 2, 0);
	sys(SYS_dup3, run->status[1], 3, O_CLOEXEC);
	sys(SYS_close_range, 4, ~0U, 0);
	error = sys(SYS_execve, run->path, args, env);
	sys(SYS_write, 3, &error, sizeof(error));
	finish(127);
}

static void keep_output(const char *data, size_t size)
{
	size_t over;

	if (size > OUTPUT_KEPT) {
		data += size - OUTPUT_KEPT;
		size = OUTPUT_KEPT;
	}
	over = hook.size + size > OUTPUT_KEPT ? hook.size + size - OUTPUT_KEPT : 0;
	for (size_t i = over; over && i < hook.size; i++)
		hook.output[i - over] = hook.output[i];
	hook.size -= over;
	memcpy(hook.output + hook.size, data, size);
	hook.size += size;
}

/* What is there, but not for as long as it goes on; false once there is no more to come. */
static bool read_output(int fd)
{
	char piece[512];
	long n = -EAGAIN;

	for (unsigned int i = 0; i < PIECES_AT_ONCE && (n = sys(SYS_read, fd, piece, sizeof(piece))) > 0; i++)
		keep_output(piece, (size_t) n);
	return n > 0 || n == -EAGAIN || n == -EINTR;
}

static uint64_t now_ms(void)
{
	return (uint64_t) clock_ns(CLOCK_MONOTONIC) / 1000000;
}

/* Until its first process has ended. True if that took too long. */
static bool await(struct run *run, uint64_t timeout_ms)
{
	struct pollfd fds[2] = { { .fd = run->output[0], .events = POLLIN }, { .fd = run->pidfd, .events = POLLIN } };
	uint64_t end = timeout_ms ? now_ms() + timeout_ms : 0;
	bool killed = false;

	for (;;) {
		uint64_t now = end && !killed ? now_ms() : 0, left = end > now ? end - now : 0;
		struct timespec wait = { .tv_sec = (time_t) (left / 1000), .tv_nsec = (long) (left % 1000) * 1000000 };

		if (end && !killed && !left) {
			/* With all that it started, unless that has a session of its own. */
			sys(SYS_kill, -run->pid, SIGKILL);
			sys(SYS_kill, run->pid, SIGKILL);
			killed = true;
		}
		if (sys(SYS_ppoll, fds, 2, end && !killed ? &wait : 0, 0, 0) < 0)
			continue;
		if (fds[0].revents && !read_output(run->output[0]))
			fds[0].fd = -1;
		if (fds[1].revents)
			break;
	}
	if (fds[0].fd >= 0)
		read_output(run->output[0]);
	return killed;
}

static void close_all(struct run *run)
{
	int *const fds[] = { &run->state, &run->output[0], &run->output[1], &run->status[0], &run->status[1], &run->pidfd };

	for (unsigned int i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			sys(SYS_close, *fds[i]);
		*fds[i] = -1;
	}
}

static const struct hook_problem *run_it(struct run *run, char **args, char **env, uint64_t timeout_ms)
{
	long r = sys(SYS_pipe2, run->output, O_CLOEXEC), error = 0;
	int status = 0;
	bool timed_out;

	if (r == 0)
		r = sys(SYS_pipe2, run->status, O_CLOEXEC);
	if (r < 0)
		return say(run, ": open a pipe for it", "pipe2", r);
	set_nonblock(run->output[0]);
	r = sys(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &run->pidfd, 0, 0);
	if (r == 0)
		be_hook(run, args, env);
	if (r < 0)
		return say(run, ": make a process for it", "clone", r);
	run->pid = r;
	sys(SYS_close, run->output[1]);
	sys(SYS_close, run->status[1]);
	run->output[1] = run->status[1] = -1;
	/* The end of the file: it was executed. */
	while (sys(SYS_read, run->status[0], &error, sizeof(error)) == -EINTR)
		;
	timed_out = await(run, error ? 0 : timeout_ms);
	while (sys(SYS_wait4, run->pid, &status, __WALL, 0) == -EINTR)
		;
	if (error)
		return say(run, ": execute it", "execve", error);
	return timed_out || status ? say_end(run, status, timed_out, timeout_ms) : NULL;
}

const struct hook_problem *hook_run(const struct plan *plan, const struct wire_step *step, int pid)
{
	uint64_t stage = step->number[0];
	const char *rest = plan_text(plan, step, 1);
	struct run run = { .path = plan_text(plan, step, 0), .state = -1, .output = { -1, -1 }, .status = { -1, -1 }, .pidfd = -1 };
	const struct hook_problem *problem;
	long r;

	if (!run.path || !rest || stage >= WIRE_STAGES) {
		hook.problem = (struct hook_problem){ "decode a hook", "decode", EINVAL };
		return &hook.problem;
	}
	run.stage = stages[stage].name;
	hook.size = 0;
	r = open_state(&run, rest, stages[stage].status, pid);
	if (r < 0)
		problem = say(&run, ": write down the container's state for it", "memfd_create", r);
	else
		problem = run_it(&run, plan_vector(plan, step, 0), plan_vector(plan, step, 1), step->number[1]);
	close_all(&run);
	return problem;
}

void step_hook(const struct wire_step *step)
{
	const struct hook_problem *problem;
	int pid = (int) step->number[2];

	if (!pid && step->number[0] != WIRE_STAGE_POSTSTOP)
		pid = (int) (init.below_init ? sys(SYS_getppid) : sys(SYS_getpid));
	problem = hook_run(&init.plan, step, pid);
	if (!problem)
		return;
	doing(problem->text, NULL, NULL, NULL);
	fail(problem->call, problem->error);
}

void step_ready(const struct wire_step *step)
{
	struct wire_report report = { .kind = WIRE_IS_READY, .step = step->kind };
	char byte;

	doing("wait for what the host does in the namespaces", NULL, NULL, NULL);
	must(sys(SYS_sendto, report_socket, &report, sizeof(report), MSG_NOSIGNAL, 0, 0), "sendto");
	read_socket(&byte, 1);
}
