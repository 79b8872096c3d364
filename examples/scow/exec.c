/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * exec: another program in a running container, in front like `run`, or left to itself.
 *
 * What is executed belongs to the process that asked for it. So that keys can leave it (--detach-keys) that is a child of ours, which
 * goes on without the terminal when they were typed, and we end.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct exec_options {
	bool interactive, tty, detach, privileged;
	const char *workdir, *user, *detach_keys;
	struct list env, env_files;
	struct passing passing;
};
#define AT(field) offsetof(struct exec_options, field)

static const struct option exec_table[] = {
	{ "detach", 'd', OPTION_SWITCH, NULL, "Leave it to itself: no output, no waiting", AT(detach) },
	{ "detach-keys", 0, OPTION_TEXT, "string", "With -it: keys that leave it to itself (ctrl-p,ctrl-q)", AT(detach_keys) },
	{ "env", 'e', OPTION_LIST, "list", "Set environment variables (NAME alone takes ours)", AT(env) },
	{ "env-file", 0, OPTION_LIST, "list", "Read in a file of environment variables", AT(env_files) },
	{ "interactive", 'i', OPTION_SWITCH, NULL, "Give it our standard input", AT(interactive) },
	{ "preserve-fd", 0, OPTION_TEXT, "list", "Pass these descriptors on, besides 0 to 2 (5,7)", AT(passing.list) },
	{ "preserve-fds", 0, OPTION_NUMBER, "int", "Pass that many descriptors on, from 3 on", AT(passing.count) },
	{ "privileged", 0, OPTION_SWITCH, NULL, "All capabilities, no seccomp", AT(privileged) },
	{ "tty", 't', OPTION_SWITCH, NULL, "Give it a terminal", AT(tty) },
	{ "user", 'u', OPTION_TEXT, "string", "User name or number (NAME|UID[:GROUP|GID])", AT(user) },
	{ "workdir", 'w', OPTION_TEXT, "string", "Working directory inside the container", AT(workdir) },
	{ NULL },
};

static void set_env(void *config, const char *name, const char *value)
{
	scow_process_config_set_env(config, name, value);
}

static bool configure(scow_process_config *config, const struct exec_options *options)
{
	for (size_t i = 0; i < options->env_files.count; i++)
		if (!read_variables(options->env_files.items[i], true, set_env, config))
			return false;
	for (size_t i = 0; i < options->env.count; i++) {
		const char *value, *name = keep_split(options->env.items[i], '=', &value);

		/* A name alone takes our value; where we have none, the container's goes. */
		scow_process_config_set_env(config, name, value ? value : getenv(name));
	}
	if (options->workdir)
		scow_process_config_set_workdir(config, options->workdir);
	if (options->user)
		scow_process_config_set_user(config, options->user);
	scow_process_config_set_tty(config, options->tty && !options->detach);
	scow_process_config_set_privileged(config, options->privileged);
	scow_process_config_set_detached(config, options->detach);
	return true;
}

/* As Docker: what is missing, a directory too, is 127; what may not be executed 126; a container that does not run 1. */
static int exec_failure(scow_error **error)
{
	scow_status status = scow_error_status(*error);
	bool missing = scow_error_errno(*error) == ENOENT;

	complain_error(error);
	if (status == SCOW_E_COMMAND_NOT_FOUND || (status == SCOW_E_NOT_FOUND && missing))
		return EXIT_NOT_FOUND;
	if (status == SCOW_E_NOT_EXECUTABLE)
		return EXIT_NOT_EXECUTABLE;
	return status == SCOW_E_NOT_FOUND || status == SCOW_E_STATE ? 1 : EXIT_ENGINE;
}

/* The keys were typed: our parent hears of it, and the terminal is not ours any more. Until the program ends. */
static void keep(scow_process *process, int parent)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct pollfd fds = { scow_process_fd(process), POLLIN, 0 };

	prctl(PR_SET_PDEATHSIG, 0);
	for (int fd = 0; fd < 3 && null_fd >= 0; fd++)
		dup2(null_fd, fd);
	setsid();
	(void) !write(parent, "", 1);
	close(parent);
	while (scow_process_dispatch(process, NULL) > 0)
		poll(&fds, 1, -1);
}

static int run_exec(scow_container *container, const scow_process_config *config, bool detach, int parent, struct attachment *attachment)
{
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	int code = EXIT_ENGINE;

	if (!pass_descriptors(io, attachment->passing))
		return EXIT_ENGINE;
	if (!detach && !attach_prepare(attachment, io, &code))
		return code;
	if (scow_container_exec(container, config, io, &process, &error) < 0)
		return exec_failure(&error);
	if (detach)
		return 0;
	code = attach_wait(attachment, process, &error);
	if (attachment->left) {
		keep(process, parent);
		return 0;
	}
	if (code < 0 && !attachment->ended_by) {
		complain_error(&error);
		code = EXIT_ENGINE;
	}
	return code;
}

/* Goes on in a child, with a descriptor to tell us by. -1 there; else our exit code. */
static int wait_for_child(int *parent)
{
	int fds[2], status = 0;
	pid_t us = getpid(), child;
	char left;

	if (pipe2(fds, O_CLOEXEC) < 0 || (child = fork()) < 0) {
		complain("cannot start a process: %s", strerror(errno));
		return EXIT_ENGINE;
	}
	close(fds[child != 0]);
	if (child == 0) {
		/* Who ends us means it, too. */
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != us)
			_exit(EXIT_ENGINE);
		*parent = fds[1];
		return -1;
	}
	if (read(fds[0], &left, 1) == 1)
		return 0;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(status) ? die_of(WTERMSIG(status)) : WEXITSTATUS(status);
}

static int exec(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_process_config) *config = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	const struct exec_options *options = target;
	bool tty = options->tty && !options->detach;
	struct attachment attachment = {
		.tty = tty, .interactive = options->interactive, .proxy = true, .signal_fd = -1, .passing = &options->passing
	};
	int code, parent = -1;

	(void) argc;
	if (tty && options->interactive && !isatty(STDIN_FILENO)) {
		complain("the input device is not a TTY");
		return 1;
	}
	if (options->detach_keys && !detach_keys_parse(options->detach_keys, &attachment.keys))
		return EXIT_ENGINE;
	if (options->detach_keys && tty && options->interactive) {
		code = wait_for_child(&parent);
		if (code >= 0)
			return code;
	} else {
		attachment.keys.count = 0;
	}
	config = scow_process_config_new((const char *const *) argv + 1);
	if (!configure(config, options) || !cli_engine(cli))
		return EXIT_ENGINE;
	if (scow_container_get(cli->engine, argv[0], &container, &error) < 0) {
		complain_error(&error);
		return 1;
	}
	code = run_exec(container, config, options->detach, parent, &attachment);
	if (!attachment.ended_by)
		return code;
	container = scow_container_unref(container);
	cli->engine = scow_engine_unref(cli->engine);
	return die_of(attachment.ended_by);
}

const struct command exec_commands[] = {
	{ "exec", "container exec", "[OPTIONS] CONTAINER COMMAND [ARG...]", "Execute a command in a running container", exec_table,
	  sizeof(struct exec_options), 2, -1, true, exec },
	{ NULL },
};
