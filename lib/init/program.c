/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The last steps: the session and terminal, the working directory, and becoming the program.
 * A command without a slash is looked for as Go's exec.LookPath does for Docker: what may not be executed is passed over,
 * and if nothing is left it was not found.
 */
#include "init/init.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/prctl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

/* Pipes that root made must open again as /dev/stdout for the user. A null device is the whole host's. */
static void own_stdio(void)
{
	struct stat status;

	for (int fd = 0; fd < 3; fd++) {
		if (sys(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH) < 0 || status.st_uid == init.uid)
			continue;
		if (S_ISCHR(status.st_mode) && status.st_rdev == NULL_DEVICE)
			continue;
		/* A read-only file system, an id that is not mapped: then it stays whose it is. */
		sys(SYS_fchown, fd, init.uid, -1);
	}
}

void step_session(const struct wire_step *step)
{
	static char name[128];

	doing("start a session", NULL, NULL, NULL);
	text_add(text_add(name, name + sizeof(name), "_ses."), name + sizeof(name),
		 plan_text(&init.plan, step, 0) ? plan_text(&init.plan, step, 0) : "scow");
	/* Or the program would hold the host user's keys. Where keyrings are off or used up there is nothing to part from. */
	sys(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name);
	sys(SYS_setsid);
	if (step->flags & WIRE_TTY)
		must(sys(SYS_ioctl, 0, TIOCSCTTY, 0), "ioctl TIOCSCTTY");
	if (init.uid != 0)
		own_stdio();
	sys(SYS_umask, step->number[0]);
}

void step_chdir(const struct wire_step *step)
{
	static char where[4096];
	const char *path = plan_text(&init.plan, step, 0);
	long r;

	doing("change to the working directory", path, NULL, NULL);
	must(sys(SYS_chdir, path), "chdir");
	/* "(unreachable)/..." is somewhere outside the root (CVE-2024-21626). A path of a page or more is inside. */
	r = sys(SYS_getcwd, where, sizeof(where));
	if (r != -ENAMETOOLONG && r != -ERANGE)
		must(r, "getcwd");
	if (r > 0 && where[0] != '/')
		fail("getcwd", -EXDEV);
}

static const char *variable(char **env, const char *name)
{
	size_t n = text_length(name);

	for (; *env; env++)
		if (text_starts(*env, name) && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

static void set_home(char **env)
{
	static char home[sizeof("HOME=") + 1024];
	const char *end = home + sizeof(home), *old = variable(env, "HOME");
	char **slot = env;

	if (old && *old)
		return;
	while (*slot && !text_starts(*slot, "HOME="))
		slot++;
	text_add(text_add(home, end, "HOME="), end, init.home ? init.home : "/");
	*slot = home;
}

/* Only now it is known. */
static void set_listen_pid(char **env)
{
	static char text[sizeof("LISTEN_PID=") + 20];

	text_add_number(text_add(text, text + sizeof(text), "LISTEN_PID="), text + sizeof(text), (uint64_t) sys(SYS_getpid));
	for (; *env; env++)
		if (text_starts(*env, "LISTEN_PID="))
			*env = text;
}

/*
 * What the program is given besides its streams takes its numbers, one of which may be our socket's. All first move out of the way of
 * all numbers.
 */
void step_fds(const struct wire_step *step)
{
	const uint32_t *numbers = plan_blob(&init.plan, step);
	uint32_t count = step->blob_size / sizeof(*numbers), above = WIRE_FD_PASS + WIRE_PASS_MAX;
	int moved[WIRE_PASS_MAX];

	doing("give the program its descriptors", NULL, NULL, NULL);
	if (!numbers || count > WIRE_PASS_MAX)
		fail("decode", -EINVAL);
	for (uint32_t i = 0; i < count; i++)
		if (numbers[i] >= above)
			above = numbers[i] + 1;
	report_socket = (int) must(sys(SYS_fcntl, WIRE_FD_SOCKET, F_DUPFD_CLOEXEC, above), "fcntl");
	sys(SYS_close, WIRE_FD_SOCKET);
	for (uint32_t i = 0; i < count; i++)
		moved[i] = (int) must(sys(SYS_fcntl, WIRE_FD_PASS + i, F_DUPFD_CLOEXEC, above), "fcntl");
	sys(SYS_close_range, WIRE_FD_PASS, WIRE_FD_PASS + count - 1, 0);
	for (uint32_t i = 0; i < count; i++)
		must(sys(SYS_dup3, moved[i], numbers[i], 0), "dup3");
	for (uint32_t i = 0; i < count; i++)
		sys(SYS_close, moved[i]);
}

static noreturn void exec_by_path(char **args, char **env)
{
	static char file[4096];
	const char *path = variable(env, "PATH"), *end = file + sizeof(file);
	long error = -ENOENT;

	if (!path)
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	for (;;) {
		const char *colon = text_find(path, ':');
		size_t n = (size_t) (colon - path);
		char *at = file;
		long r;

		if (n + text_length(args[0]) + 3 < sizeof(file)) {
			memcpy(file, path, n);
			at = file + n;
			*at = 0;
			at = text_add(at, end, n ? "/" : "./");
			text_add(at, end, args[0]);
			r = sys(SYS_execve, file, args, env);
			if (r != -ENOENT && r != -ENOTDIR && r != -EACCES && r != -ELOOP && r != -ENAMETOOLONG && error == -ENOENT)
				error = r;
		}
		if (!*colon)
			break;
		path = colon + 1;
	}
	fail("execve", error);
}

static bool is_hung_up(int socket)
{
	struct pollfd fd = { .fd = socket, .events = POLLRDHUP };
	struct timespec at_once = { 0 };

	return sys(SYS_ppoll, &fd, 1, &at_once, 0, 8) > 0 && fd.revents & (POLLRDHUP | POLLHUP);
}

void step_exec(const struct wire_step *step)
{
	char **args = plan_vector(&init.plan, step, 0), **env = plan_vector(&init.plan, step, 1);

	doing("execute", args[0] ? args[0] : "", NULL, NULL);
	if (!args[0])
		fail("execve", -EINVAL);
	set_home(env);
	if (step->flags & WIRE_LISTEN)
		set_listen_pid(env);
	/* A change of user has dropped it. If the supervisor died meanwhile, its end of the socket is gone. */
	if (init.supervised) {
		sys(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
		if (is_hung_up(report_socket))
			finish(125);
	}
	if (!*text_find(args[0], '/'))
		exec_by_path(args, env);
	fail("execve", sys(SYS_execve, args[0], args, env));
}
