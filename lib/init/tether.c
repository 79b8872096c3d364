/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What ties a plain user's network program (pasta) to a container: PID 1 of a pid namespace of its own, in the container's user namespace
 * and otherwise on the host, that starts the program and waits for the end of the container's first process. Its own end takes all
 * others in its pid namespace along, whatever they have made of themselves; nobody in the container sees any of them.
 *
 * A supervised container's is started anew for each run, by arguments that the library has left in its directory. Where they name no
 * program, usernet.c is the way out: a process that stays on the host, where it needs nobody to tie it.
 */
#include "init/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define ARGUMENTS_MAX 400 /* as many ports as usernet has, and more */
#define FILE_MAX 16384
#define ERRORS_MAX 1024

/* ---- the tether itself ---- */

static bool stays(char **args)
{
	while (*args && !text_equal(*args, WIRE_TETHER_READY))
		args++;
	return *args;
}

/* It begins when @go ends. @ready: where it writes that it is ready, if it stays in the foreground. */
static long bear_program(char **args, int errors, int ready, const int go[2])
{
	struct clone_args clone = { .exit_signal = SIGCHLD };
	char *none[] = { NULL };
	uint64_t no_signals = 0;
	long child = must(sys(SYS_clone3, &clone, sizeof(clone)), "clone3");
	char byte;

	if (child)
		return child;
	sys(SYS_close, go[1]);
	sys(SYS_read, go[0], &byte, 1);
	sys(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, 0, sizeof(no_signals));
	sys(SYS_dup3, errors, 2, 0);
	if (stays(args) && ready == 3)
		sys(SYS_fcntl, ready, F_SETFD, 0);
	else if (stays(args))
		sys(SYS_dup3, ready, 3, 0);
	sys(SYS_close_range, stays(args) ? 4 : 3, ~0U, 0);
	sys(SYS_execve, args[0], args, none);
	finish(127);
}

/* What it has said, in one line; but not that nobody takes down what it says. */
static void read_errors(int fd, char out[ERRORS_MAX])
{
	static char text[ERRORS_MAX];
	char *to = out, *line = text, *end;
	size_t size = 0;
	long n;

	set_nonblock(fd);
	while (size < ERRORS_MAX - 1 && (n = sys(SYS_read, fd, text + size, ERRORS_MAX - 1 - size)) > 0)
		size += (size_t) n;
	text[size] = 0;
	for (; *line; line = end) {
		end = (char *) text_find(line, '\n');
		if (*end)
			*end++ = 0;
		if (text_starts(line, "Failed to send ") || !*line)
			continue;
		if (to > out)
			to = text_add(to, out + ERRORS_MAX, "; ");
		to = text_add(to, out + ERRORS_MAX, line);
	}
	*to = 0;
}

static bool says(const char *text, const char *word)
{
	while (*text && !text_starts(text, word))
		text++;
	return *text;
}

/*
 * The program may not look at the container's process, which is not dumpable, and closes what it inherits. So it is shown the network
 * namespace as a descriptor of ours, by our number as /proc, which is the host's, has it.
 */
static void show_namespace(char **args, int netns)
{
	static char path[96];
	const char *end = path + sizeof(path);
	char *at = text_add(path, end, "/proc/");
	long n = must(sys(SYS_readlinkat, AT_FDCWD, "/proc/self", at, 32), "readlink");

	at[n] = 0;
	text_add_number(text_add(at + n, end, "/fd/"), end, (uint64_t) netns);
	for (; *args; args++)
		if (text_equal(*args, WIRE_TETHER_NETNS))
			*args = path;
}

/* The program has given up most capabilities when it looks at us, and we must not have more than it. */
static void become_visible(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	must(sys(SYS_capset, &header, none), "capset");
	must(sys(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl PR_SET_DUMPABLE");
}

/* It goes into the background when it is ready, and then is our child, or stays and says so: true. Else @errors says why. */
static bool start_program(char **args, const int go[2], char errors[ERRORS_MAX])
{
	int pipe[2], ready[2], status = 0;
	long child;
	char byte;

	must(sys(SYS_pipe2, pipe, O_CLOEXEC), "pipe2");
	must(sys(SYS_pipe2, ready, O_CLOEXEC), "pipe2");
	child = bear_program(args, pipe[1], ready[1], go);
	become_visible();
	sys(SYS_close, go[1]);
	sys(SYS_close, ready[1]);
	if (stays(args) && sys(SYS_read, ready[0], &byte, 1) == 1)
		return true;
	while (sys(SYS_wait4, child, &status, __WALL, 0) == -EINTR)
		;
	sys(SYS_close, ready[0]);
	status |= stays(args);
	read_errors(pipe[0], errors);
	sys(SYS_close, pipe[0]);
	sys(SYS_close, pipe[1]);
	sys(SYS_close, go[0]);
	return status == 0;
}

/* Its end, or that of the program: who asks for us then learns that there is no way out any more. */
static noreturn void hold(int pidfd)
{
	const uint64_t child = 1ULL << (SIGCHLD - 1);
	struct pollfd events[] = { { .fd = 0, .events = POLLIN }, { .fd = 1, .events = POLLIN } };
	static unsigned char signals[128 * 8];
	int status;
	long r;

	sys(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* That we have it, and that the socket ends, is the good news. */
	if (pidfd != 0)
		must(sys(SYS_dup3, pidfd, 0, O_CLOEXEC), "dup3");
	sys(SYS_close_range, 1, ~0U, 0);
	sys(SYS_rt_sigprocmask, SIG_BLOCK, &child, 0, sizeof(child));
	/* The first number that is free. */
	sys(SYS_signalfd4, -1, &child, sizeof(child), O_CLOEXEC | O_NONBLOCK);
	do {
		sys(SYS_read, 1, signals, sizeof(signals));
		while ((r = sys(SYS_wait4, -1, &status, WNOHANG | __WALL, 0)) > 0)
			;
		if (r == 0)
			sys(SYS_ppoll, events, 2, 0, 0, 8);
	} while (r == 0 && !events[0].revents);
	finish(0);
}

static noreturn void tether(char **args, int pidfd, int netns)
{
	static char errors[ERRORS_MAX], text[ERRORS_MAX + 512];
	int go[2];
	char *at;

	doing("start", args[0], NULL, NULL);
	sys(SYS_prctl, PR_SET_NAME, "scow-tether");
	sys(SYS_setsid);
	sys(SYS_chdir, "/");
	show_namespace(args, netns);
	must(sys(SYS_pipe2, go, O_CLOEXEC), "pipe2");
	if (start_program(args, go, errors))
		hold(pidfd);
	at = text_add(text, text + sizeof(text), args[0]);
	at = text_add(at, text + sizeof(text), ": ");
	text_add(at, text + sizeof(text), errors[0] ? errors : "it cannot be executed, or says nothing");
	doing(text, NULL, NULL, NULL);
	fail("", 0);
}

void step_tether(const struct wire_step *step)
{
	char **args = plan_vector(&init.plan, step, 0);

	if (!args[0])
		fail("decode", -EINVAL);
	if (text_equal(args[0], WIRE_TETHER_USERNET))
		usernet_main(args + 1, (int) step->number[2], (int) step->number[0], (int) step->number[1]);
	tether(args, (int) step->number[0], (int) step->number[1]);
}

/* ---- of a supervised container ---- */

static char file[FILE_MAX];
static size_t file_size;

/* It runs without a network where none can be had. */
static bool is_optional(void)
{
	return text_equal(file, WIRE_TETHER_OPTIONAL);
}

long tether_load(void)
{
	long n = 0, fd = sys(SYS_openat, WIRE_FD_DIR, WIRE_TETHER_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	file_size = 0;
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	while (file_size < FILE_MAX - 1 && (n = sys(SYS_read, fd, file + file_size, FILE_MAX - 1 - file_size)) > 0)
		file_size += (size_t) n;
	file[file_size] = 0;
	sys(SYS_close, fd);
	return n < 0 ? n : 0;
}

bool tether_is_there(void)
{
	return file_size;
}

/* Nobody's child, as the tether. */
static noreturn void begin_usernet(char **ports, int pidfd, int netns)
{
	struct clone_args clone = { .exit_signal = SIGCHLD };

	if (must(sys(SYS_clone3, &clone, sizeof(clone)), "clone3"))
		finish(0);
	usernet_main(ports, pidfd, pidfd, netns);
}

static noreturn void start(int pid, int pidfd, int socket)
{
	struct clone_args clone = { .flags = CLONE_NEWPID, .exit_signal = SIGCHLD };
	static char *args[ARGUMENTS_MAX + 1];
	static char path[64];
	unsigned int n = 0;
	int netns;

	text_add(text_add_number(text_add(path, path + sizeof(path), "/proc/"), path + sizeof(path), (uint64_t) pid), path + sizeof(path),
		 "/ns/net");
	report_socket = (int) sys(SYS_fcntl, socket, F_DUPFD_CLOEXEC, 64);
	pidfd = (int) sys(SYS_fcntl, pidfd, F_DUPFD_CLOEXEC, 64);
	netns = (int) sys(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (netns >= 0)
		netns = (int) sys(SYS_fcntl, netns, F_DUPFD_CLOEXEC, 64);
	/* The lock, above all: it says that the supervisor lives. */
	sys(SYS_close_range, 3, 63, 0);
	doing("open the container's network namespace", NULL, NULL, NULL);
	must(netns, "open");
	for (char *at = file + (is_optional() ? sizeof(WIRE_TETHER_OPTIONAL) : 0); at < file + file_size && n < ARGUMENTS_MAX;
	     at += text_length(at) + 1)
		args[n++] = at;
	if (n && text_equal(args[0], WIRE_TETHER_USERNET))
		begin_usernet(args + 1, pidfd, netns);
	doing("join a namespace", NULL, NULL, NULL);
	must(sys(SYS_setns, pidfd, CLONE_NEWUSER), "setns");
	userns_become_root();
	if (must(sys(SYS_clone3, &clone, sizeof(clone)), "clone3"))
		finish(0);
	tether(args, pidfd, netns);
}

static const struct wire_failure *try_to_begin(int pid, int pidfd)
{
	struct clone_args clone = { .exit_signal = SIGCHLD };
	const struct wire_failure *problem = NULL;
	int pair[2], fd;
	long r = sys(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), child;

	if (r < 0)
		return run_problem("start the network program", "socketpair", r);
	child = sys(SYS_clone3, &clone, sizeof(clone));
	if (child == 0)
		start(pid, pidfd, pair[1]);
	sys(SYS_close, pair[1]);
	if (child < 0)
		problem = run_problem("start the network program", "clone3", child);
	while (child > 0 && sys(SYS_wait4, child, 0, __WALL, 0) == -EINTR)
		;
	if (!problem)
		while ((r = run_receive(pair[0], &fd, &problem)) > 0 && !problem)
			;
	sys(SYS_close, pair[0]);
	return problem;
}

const struct wire_failure *tether_begin(int pid, int pidfd)
{
	static const struct timespec nap = { .tv_nsec = WIRE_TETHER_NAP_MS * 1000 * 1000 };
	const struct wire_failure *problem = try_to_begin(pid, pidfd);

	/* The last run's may have the ports for a moment. */
	for (unsigned int i = 0; i < WIRE_TETHER_TRIES && problem && says(problem->text, WIRE_TETHER_BIND); i++) {
		sys(SYS_nanosleep, &nap, 0);
		problem = try_to_begin(pid, pidfd);
	}
	if (problem && is_optional() && !says(problem->text, WIRE_TETHER_BIND) && !says(problem->text, WIRE_USERNET_BIND))
		return NULL;
	return problem;
}
