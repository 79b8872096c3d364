/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * start and attach: containers that a supervisor keeps. What is typed and shown is copied over its socket; leaving, by the
 * keys or by dying, leaves them running.
 */
#include "cli.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REMOVAL_MS 10000

/* ---- in front ---- */

/* What was said at create: is there a terminal, is stdin open, does it go at its end? */
static bool read_settings(scow_container *container, struct attachment *attachment)
{
	SCOW_AUTO(scow_error) *error = NULL;
	const cJSON *config, *host;
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
	attachment->keeps_stdin = !attachment->tty && !cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(config, "StdinOnce"));
	host = cJSON_GetObjectItemCaseSensitive(json, "HostConfig");
	attachment->ephemeral = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(host, "AutoRemove"));
	cJSON_Delete(json);
	return true;
}

/* Keys mean something where there is a terminal, and signals where there is none: else its keys make them. */
static bool set_up(struct attachment *attachment, const char *detach_keys, const char *sig_proxy)
{
	struct detach_keys keys;

	if (!detach_keys_parse(detach_keys, &keys))
		return false;
	attachment->remote = true;
	if (attachment->tty && attachment->interactive)
		attachment->keys = keys;
	attachment->proxy = !attachment->tty && (!sig_proxy || sig_proxy[0] == 't' || sig_proxy[0] == '1');
	return true;
}

/* The program redraws its screen when the size changes, and only then. */
static void draw_again(struct attachment *attachment, scow_process *process)
{
	unsigned int rows, columns;

	if (!attachment->tty || !attach_window(&rows, &columns))
		return;
	(void) scow_process_resize(process, rows + 1, columns + 1, NULL);
	(void) scow_process_resize(process, rows, columns, NULL);
}

static int until_left(struct cli *cli, scow_container **container, struct attachment *attachment, scow_process *process)
{
	SCOW_AUTO(scow_error) *error = NULL;
	int code = attach_wait(attachment, process, &error);

	if (attachment->left) {
		fprintf(stderr, "\r\nread escape sequence\n");
		code = 0;
	} else if (code < 0 && !attachment->ended_by) {
		complain_error(&error);
		code = EXIT_ENGINE;
	} else if (attachment->ephemeral && !attachment->ended_by) {
		/* Its name is free when we end, as with Docker. */
		(void) scow_container_wait_for(*container, SCOW_WAIT_REMOVED, REMOVAL_MS, NULL, NULL);
	}
	scow_process_unref(process);
	if (attachment->ended_by) {
		*container = scow_container_unref(*container);
		cli->engine = scow_engine_unref(cli->engine);
		code = die_of(attachment->ended_by);
	}
	return code;
}

int start_in_front(struct cli *cli, scow_container **container, struct attachment *attachment, const char *detach_keys,
		   const char *sig_proxy)
{
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new(), *passed = scow_io_new();
	scow_process *process = NULL;
	int code = EXIT_ENGINE;

	if (attachment->passing && !pass_descriptors(passed, attachment->passing))
		return code;
	if (!set_up(attachment, detach_keys, sig_proxy) || !attach_prepare(attachment, io, &code))
		return code;
	/* First, for it may have ended, and be gone, before the start returns. */
	if (scow_container_attach(*container, io, (attachment->interactive ? SCOW_ATTACH_STDIN : 0u) | SCOW_ATTACH_NEXT, &process, &error) <
	    0) {
		complain_error(&error);
		return EXIT_ENGINE;
	}
	if (scow_container_start_detached_io(*container, passed, &error) < 0) {
		scow_process_unref(process);
		return start_failure(&error);
	}
	attach_resize(attachment, process);
	return until_left(cli, container, attachment, process);
}

/* ---- start ---- */

struct start_options {
	bool attach, interactive, restarted;
	const char *detach_keys, *sig_proxy;
};
static const struct option start_table[] = {
	{ "attach", 'a', OPTION_SWITCH, NULL, "Show its output, pass signals on, and wait", offsetof(struct start_options, attach) },
	{ "detach-keys", 0, OPTION_TEXT, "string", "Keys that leave it; ctrl-p,ctrl-q by default",
	  offsetof(struct start_options, detach_keys) },
	{ "interactive", 'i', OPTION_SWITCH, NULL, "Give it our standard input", offsetof(struct start_options, interactive) },
	{ "restarted", 0, OPTION_SWITCH, NULL, "All that ran before a reboot and are to be restarted always, or unless stopped",
	  offsetof(struct start_options, restarted) },
	{ "sig-proxy", 0, OPTION_TEXT, "bool", "With -a: pass signals on to the process; true by default",
	  offsetof(struct start_options, sig_proxy) },
	{ NULL },
};

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
	struct attachment attachment = { .interactive = options->interactive, .signal_fd = -1 };

	if (options->restarted && (argc || options->attach || options->interactive))
		return complain_usage(cli, "--restarted goes with no container and no other flag");
	if (options->restarted)
		return start_restarted(cli);
	if (argc == 0)
		return complain_usage(cli, "'scow start' requires at least 1 argument");
	if (!options->attach && !options->interactive)
		return each_container(cli, argc, argv, EACH_PRINT_NAME, start_one, NULL);
	if (argc > 1)
		return complain_usage(cli, "you cannot start and attach multiple containers at once");
	if (!cli_engine(cli))
		return 1;
	if (scow_container_get(cli->engine, argv[0], &container, &error) < 0) {
		complain_error(&error);
		return 1;
	}
	return read_settings(container, &attachment)
		       ? start_in_front(cli, &container, &attachment, options->detach_keys, options->sig_proxy)
		       : 1;
}

/* ---- attach ---- */

struct attach_options {
	bool no_stdin;
	const char *detach_keys, *sig_proxy;
};
static const struct option attach_table[] = {
	{ "detach-keys", 0, OPTION_TEXT, "string", "Keys that leave it; ctrl-p,ctrl-q by default",
	  offsetof(struct attach_options, detach_keys) },
	{ "no-stdin", 0, OPTION_SWITCH, NULL, "Do not give it our standard input", offsetof(struct attach_options, no_stdin) },
	{ "sig-proxy", 0, OPTION_TEXT, "bool", "Pass signals on to the process; true by default, not with a terminal",
	  offsetof(struct attach_options, sig_proxy) },
	{ NULL },
};

static int attach(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_io) *io = scow_io_new();
	struct attach_options *options = target;
	struct attachment attachment = { .interactive = !options->no_stdin, .signal_fd = -1 };
	scow_process *process = NULL;
	int code = 1;

	(void) argc;
	if (!cli_engine(cli))
		return 1;
	if (scow_container_get(cli->engine, argv[0], &container, &error) < 0) {
		complain_error(&error);
		return 1;
	}
	if (!read_settings(container, &attachment) || !set_up(&attachment, options->detach_keys, options->sig_proxy) ||
	    !attach_prepare(&attachment, io, &code))
		return code;
	if (scow_container_attach(container, io, attachment.interactive ? SCOW_ATTACH_STDIN : 0u, &process, &error) < 0) {
		complain_error(&error);
		return 1;
	}
	draw_again(&attachment, process);
	return until_left(cli, &container, &attachment, process);
}

const struct command start_commands[] = {
	{ "start", "container start", "[OPTIONS] CONTAINER [CONTAINER...]", "Start created or exited containers", start_table,
	  sizeof(struct start_options), 0, -1, false, start },
	{ "attach", "container attach", "[OPTIONS] CONTAINER", "Look at, and talk to, a running detached container", attach_table,
	  sizeof(struct attach_options), 1, 1, false, attach },
	{ NULL },
};
