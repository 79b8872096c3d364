/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * run, create and start: from an image's name to the exit code of a program.
 *
 * A container belongs to the command that started it. It ends when that ends, and that is why nothing here
 * goes to the background yet.
 */
#include "cli.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
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
	if (!image)
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

	if (!attach_prepare(attachment, io, &code))
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

static int run_detached(scow_container *container)
{
	SCOW_AUTO(scow_error) *error = NULL;

	if (scow_container_start_detached(container, &error) < 0)
		return start_failure(&error);
	printf("%s\n", scow_container_id(container));
	return 0;
}

static int run(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_container) *container = NULL;
	struct run_options *options = target;
	struct attachment attachment = { options->tty, options->interactive, true, -1, 0 };
	int code;

	(void) argc;
	if (options->sig_proxy)
		attachment.proxy = options->sig_proxy[0] == 't' || options->sig_proxy[0] == '1';
	/* Before anything is pulled or made. */
	if (options->tty && options->interactive && !options->detach && !isatty(STDIN_FILENO)) {
		complain("the input device is not a TTY");
		return 1;
	}
	code = create(cli, options, argv, &container);
	if (code)
		return code;
	return options->detach ? run_detached(container) : run_attached(cli, &container, &attachment);
}

static int create_only(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_container) *container = NULL;
	struct run_options *options = target;
	bool remove_later = options->rm;
	int code;

	(void) argc;
	/* An ephemeral container would go with our handle, before anyone could start it. */
	if (remove_later)
		return complain_usage(cli, "create --rm is not supported by this version: use 'scow run --rm', or 'scow rm' later");
	code = create(cli, options, argv, &container);
	if (!code)
		printf("%s\n", scow_container_id(container));
	return code;
}

/* ---- start ---- */

struct start_options {
	bool attach, interactive, restarted;
};
static const struct option start_table[] = {
	{ "attach", 'a', OPTION_SWITCH, NULL, "Show its output, pass signals on, and wait", offsetof(struct start_options, attach) },
	{ "interactive", 'i', OPTION_SWITCH, NULL, "Give it our standard input", offsetof(struct start_options, interactive) },
	{ "restarted", 0, OPTION_SWITCH, NULL, "All that ran before a reboot and are to be restarted always, or unless stopped",
	  offsetof(struct start_options, restarted) },
	{ NULL },
};

/* What was said at create: is there a terminal, is stdin open? */
static bool read_settings(scow_container *container, struct attachment *attachment)
{
	SCOW_AUTO(scow_error) *error = NULL;
	const cJSON *config;
	char *text = NULL;
	cJSON *json;

	if (scow_container_inspect_json(container, &text, &error) < 0) {
		complain_error(&error);
		return false;
	}
	json = cJSON_Parse(text);
	scow_free(text);
	config = cJSON_GetObjectItemCaseSensitive(json, "Config");
	attachment->tty = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(config, "Tty"));
	attachment->interactive = attachment->interactive && cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(config, "OpenStdin"));
	cJSON_Delete(json);
	return true;
}

static int start_restarted(struct cli *cli)
{
	SCOW_AUTO(scow_error) *error = NULL;
	unsigned int count = 0;
	int r;

	if (!cli_engine(cli))
		return 1;
	r = scow_engine_start_restarted(cli->engine, &count, &error);
	printf("%u\n", count);
	if (r < 0)
		complain_error(&error);
	return r < 0;
}

static int start_one(scow_container *container, void *data, scow_error **error)
{
	(void) data;
	return scow_container_start_detached(container, error);
}

static int start(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	struct start_options *options = target;
	struct attachment attachment = { false, options->interactive, true, -1, 0 };

	if (options->restarted && (argc || options->attach || options->interactive))
		return complain_usage(cli, "--restarted goes with no container and no other flag");
	if (options->restarted)
		return start_restarted(cli);
	if (argc == 0)
		return complain_usage(cli, "'scow start' requires at least 1 argument");
	if (!options->attach && !options->interactive)
		return each_container(cli, argc, argv, true, start_one, NULL);
	if (argc > 1)
		return complain_usage(cli, "you cannot start and attach multiple containers at once");
	if (!cli_engine(cli))
		return 1;
	if (scow_container_get(cli->engine, argv[0], &container, &error) < 0) {
		complain_error(&error);
		return 1;
	}
	return read_settings(container, &attachment) ? run_attached(cli, &container, &attachment) : 1;
}

const struct command run_commands[] = {
	{ "run", "container run", "[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create and run a new container from an image", run_option_table,
	  sizeof(struct run_options), 1, -1, true, run },
	{ "create", "container create", "[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create a new container", run_option_table,
	  sizeof(struct run_options), 1, -1, true, create_only },
	{ "start", "container start", "[OPTIONS] CONTAINER [CONTAINER...]", "Start created or exited containers", start_table,
	  sizeof(struct start_options), 0, -1, false, start },
	{ NULL },
};
