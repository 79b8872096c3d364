/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * run and create: from an image's name to the exit code of a program.
 *
 * A container belongs to the command that runs it and ends when that ends, unless it is told to live on (-d), or to do what only
 * a supervisor does: then it is started as start.c does it.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Docker's exit codes for a program that could not be started. */
int start_failure(scow_error **error)
{
	scow_status status = scow_error_status(*error);
	const char *call = scow_error_syscall(*error);
	int number = scow_error_errno(*error);
	/* A directory on a file, or a file on a directory: the same code as a missing program's. */
	bool mismatch = call && strcmp(call, "move_mount") == 0 && (number == ENOTDIR || number == EISDIR);

	complain_error(error);
	if (mismatch)
		return EXIT_NOT_FOUND;
	return status == SCOW_E_COMMAND_NOT_FOUND ? EXIT_NOT_FOUND : status == SCOW_E_NOT_EXECUTABLE ? EXIT_NOT_EXECUTABLE : EXIT_ENGINE;
}

static bool write_cidfile(const char *path, const char *id)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	bool ok = fd >= 0 && write(fd, id, strlen(id)) == (ssize_t) strlen(id);

	if (!ok)
		complain("write the container id to '%s': %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool check_options(struct cli *cli, const struct run_options *options)
{
	if (options->cidfile && access(options->cidfile, F_OK) == 0) {
		complain("container ID file found, make sure the other container isn't running or delete '%s'", options->cidfile);
		return false;
	}
	if (options->pull && strcmp(options->pull, "always") != 0 && strcmp(options->pull, "missing") != 0 &&
	    strcmp(options->pull, "never") != 0) {
		complain_usage(cli, "invalid pull option: '%s': must be one of \"always\", \"missing\" or \"never\"", options->pull);
		return false;
	}
	return true;
}

static int create(struct cli *cli, const struct run_options *options, char **argv, scow_container **out)
{
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_image) *image = NULL;
	SCOW_AUTO(scow_container_config) *config = NULL;

	if (!check_options(cli, options))
		return EXIT_ENGINE;
	config = run_config(cli, options, argv + 1);
	if (!config || !cli_engine(cli))
		return EXIT_ENGINE;
	image = obtain_image(cli, argv[0], options);
	if (!image || !hooks_dir_configure(config, image, options, argv + 1))
		return EXIT_ENGINE;
	if (scow_container_create(cli->engine, image, config, out, &error) < 0) {
		complain_error(&error);
		return EXIT_ENGINE;
	}
	return options->cidfile && !write_cidfile(options->cidfile, scow_container_id(*out)) ? EXIT_ENGINE : 0;
}

/* We were told to end while our terminal was the container's: it has ended too, and now so do we, by that signal. */
int die_of(int signal_number)
{
	sigset_t set;

	signal(signal_number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, signal_number);
	raise(signal_number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return EXIT_SIGNAL + signal_number;
}

/* Gives the container back: what is ephemeral goes with its last handle, before we may die of a signal. */
static int run_attached(struct cli *cli, scow_container **container, struct attachment *attachment)
{
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_process) *process = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	int code = EXIT_ENGINE;

	if (!pass_descriptors(io, attachment->passing) || !attach_prepare(attachment, io, &code))
		return code;
	if (scow_container_start(*container, io, &process, &error) < 0)
		return start_failure(&error);
	code = attach_wait(attachment, process, &error);
	if (code < 0 && !attachment->ended_by) {
		complain_error(&error);
		code = EXIT_ENGINE;
	}
	if (attachment->ended_by) {
		process = scow_process_unref(process);
		*container = scow_container_unref(*container);
		cli->engine = scow_engine_unref(cli->engine);
		code = die_of(attachment->ended_by);
	}
	return code;
}

static int run_detached(scow_container *container, const struct passing *passing)
{
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();

	if (!pass_descriptors(io, passing))
		return EXIT_ENGINE;
	if (scow_container_start_detached_io(container, io, &error) < 0)
		return start_failure(&error);
	printf("%s\n", scow_container_id(container));
	return 0;
}

/* Restarts and health checks are a supervisor's, and only what one keeps can be left alone. */
static bool needs_supervisor(const struct run_options *options)
{
	const char *const texts[] = { options->detach_keys,         options->health_cmd,     options->health_interval,
				      options->health_start_period, options->health_timeout, options->health_start_interval };

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (texts[i] && *texts[i])
			return true;
	return options->health_retries.value || (options->restart && *options->restart && strcmp(options->restart, "no") != 0);
}

/* Those that --attach names, or all. */
static bool choose_streams(struct cli *cli, const struct run_options *options, struct attachment *attachment)
{
	bool wanted[3] = { false };

	if (options->attach.count && options->detach)
		return complain_usage(cli, "conflicting options: cannot specify both --attach and --detach"), false;
	for (size_t i = 0; i < options->attach.count; i++) {
		static const char *const names[] = { "stdin", "stdout", "stderr" };
		size_t stream = 0;

		while (stream < 3 && strcasecmp(options->attach.items[i], names[stream]) != 0)
			stream++;
		if (stream == 3)
			return complain_usage(cli, "invalid argument \"%s\" for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR",
					      options->attach.items[i]),
			       false;
		wanted[stream] = true;
	}
	if (!options->attach.count)
		return true;
	attachment->interactive = attachment->interactive && wanted[0];
	attachment->hide[0] = !wanted[1];
	attachment->hide[1] = !wanted[2];
	return true;
}

static int run(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_container) *container = NULL;
	struct run_options *options = target;
	struct attachment attachment = { .tty = options->tty, .interactive = options->interactive, .proxy = true, .signal_fd = -1 };
	struct detach_keys keys;
	int code;

	(void) argc;
	attachment.passing = &options->passing;
	if (!choose_streams(cli, options, &attachment))
		return EXIT_ENGINE;
	if (options->sig_proxy)
		attachment.proxy = options->sig_proxy[0] == 't' || options->sig_proxy[0] == '1';
	/* Before anything is pulled or made. */
	if (options->tty && options->interactive && !options->detach && !isatty(STDIN_FILENO)) {
		complain("the input device is not a TTY");
		return 1;
	}
	if (options->detach_keys && !detach_keys_parse(options->detach_keys, &keys))
		return EXIT_ENGINE;
	code = create(cli, options, argv, &container);
	if (code)
		return code;
	if (options->detach)
		return run_detached(container, &options->passing);
	attachment.ephemeral = options->rm;
	if (needs_supervisor(options))
		return start_in_front(cli, &container, &attachment, options->detach_keys, options->sig_proxy);
	return run_attached(cli, &container, &attachment);
}

static int create_only(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_container) *container = NULL;
	struct run_options *options = target;
	SCOW_AUTO(scow_error) *error = NULL;
	int code;

	(void) argc;
	if (options->passing.count.set || options->passing.list)
		return complain_usage(cli, "descriptors are passed on by 'scow run', not by 'scow create'");
	code = create(cli, options, argv, &container);
	/* An ephemeral one would go with our handle, before anyone could start it. */
	if (!code && options->rm && scow_container_detach(container, &error) < 0) {
		complain_error(&error);
		code = EXIT_ENGINE;
	}
	if (!code)
		printf("%s\n", scow_container_id(container));
	return code;
}

const struct command run_commands[] = {
	{ "run", "container run", "[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create and run a new container from an image", run_option_table,
	  sizeof(struct run_options), 1, -1, true, run },
	{ "create", "container create", "[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create a new container", run_option_table,
	  sizeof(struct run_options), 1, -1, true, create_only },
	{ NULL },
};
