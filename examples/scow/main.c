/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * scow: the container engine as a command line. Everything it does is a call of the public API.
 *
 * Here: the flags before the command, finding it, its help, and how errors are told. Which commands there are
 * stands in the tables of the other files.
 */
#include "cli.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command *const tables[] = { run_commands, start_commands, exec_commands,  container_commands, image_commands,
						log_commands, event_commands, system_commands, complete_commands, lifecycle_commands, port_commands, stats_commands, df_commands, network_commands, volume_commands, file_commands, prune_commands };

#define EACH_COMMAND(command)                                                                                                              \
	for (size_t t_ = 0; t_ < sizeof tables / sizeof *tables; t_++)                                                                     \
		for (const struct command *command = tables[t_]; command->name; command++)

struct global_options {
	const char *root, *trace;
	bool debug, version;
	struct list cdi_dirs;
};
const struct option cli_options[] = {
	{ "cdi-spec-dir", 0, OPTION_LIST, "DIR", "Where CDI documents are (/etc/cdi and /var/run/cdi)", offsetof(struct global_options, cdi_dirs) },
	{ "debug", 'D', OPTION_SWITCH, NULL, "Tell what the library does", offsetof(struct global_options, debug) },
	{ "root", 0, OPTION_TEXT, "DIR", "Where images and containers are kept (also $SCOW_ROOT)", offsetof(struct global_options, root) },
	{ "trace", 0, OPTION_TEXT, "FILE", "Append to it where time goes, as JSON of OpenTelemetry, a span a line", offsetof(struct global_options, trace) },
	{ "version", 'v', OPTION_SWITCH, NULL, "Print the version", offsetof(struct global_options, version) },
	{ NULL },
};

void complain(const char *format, ...)
{
	char text[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	fflush(stdout);
	fprintf(stderr, "scow: %s\n", printable(text, stderr, false));
}

int complain_usage(const struct cli *cli, const char *format, ...)
{
	char text[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	complain("%s", text);
	fprintf(stderr, "\nRun 'scow %s --help' for more information\n", cli->command->name);
	return EXIT_ENGINE;
}

void complain_error(scow_error **error)
{
	complain("%s", scow_error_message(*error));
	if (scow_error_hint(*error))
		fprintf(stderr, "      %s\n", printable(scow_error_hint(*error), stderr, false));
	*error = scow_error_unref(*error);
}

static void show_log(int level, const char *message, void *userdata)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };
	const struct cli *cli = userdata;

	if (cli->debug || level <= SCOW_LOG_WARNING)
		fprintf(stderr, "scow: %s: %s\n", names[level & 3], printable(message, stderr, false));
}

scow_engine *cli_engine(struct cli *cli)
{
	SCOW_AUTO(scow_engine_options) *options = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	char *absolute = NULL;

	if (cli->engine)
		return cli->engine;
	options = scow_engine_options_new();
	if (cli->root && cli->root[0] != '/') {
		absolute = getcwd(NULL, 0);
		cli->root = keep_format("%s/%s", absolute ? absolute : "", cli->root);
		free(absolute);
	}
	if (cli->root)
		scow_engine_options_set_root(options, cli->root);
	scow_engine_options_set_log(options, show_log, cli);
	if (cli->cdi_dirs)
		scow_engine_options_set_cdi_dirs(options, cli->cdi_dirs);
	if (cli->trace && !trace_to(options, cli->trace))
		return NULL;
	if (scow_engine_open(options, &cli->engine, &error) < 0)
		complain_error(&error);
	return cli->engine;
}

/* Whether @alias is one of the command's "image ls, image list". */
static bool has_alias(const struct command *command, const char *alias)
{
	size_t n = strlen(alias);

	for (const char *p = command->aliases; p && *p; p += strcspn(p, ","), p += strspn(p, ", "))
		if (strcspn(p, ",") == n && strncmp(p, alias, n) == 0)
			return true;
	return false;
}

const struct command *cli_find_command(const char *name)
{
	EACH_COMMAND(command)
	if (strcmp(command->name, name) == 0 || has_alias(command, name))
		return command;
	return NULL;
}

const struct command *cli_command(size_t index)
{
	EACH_COMMAND(command)
	if (index-- == 0)
		return command;
	return NULL;
}

static void print_commands(const char *title, const char *group)
{
	size_t skip = strlen(group);

	printf("\n%s:\n", title);
	EACH_COMMAND(command)
	{
		const char *name = command->name;

		if (skip && !starts_with(name, group))
			name = command->aliases && starts_with(command->aliases, group) ? command->aliases : NULL;
		if (!name || !command->summary || (!skip && strchr(name, ' ')))
			continue;
		name += skip;
		printf("  %-10.*s %s\n", (int) strcspn(name, ","), name, command->summary);
	}
}

static int print_group(const char *group)
{
	char *prefix = keep_format("%s ", group);

	printf("Usage:  scow %s COMMAND\n", group);
	print_commands("Commands", prefix);
	printf("\nRun 'scow %s COMMAND --help' for more information on a command.\n", group);
	return 0;
}

const struct group cli_groups[] = {
	{ "container", "Containers: most of the commands below, and prune" },
	{ "image", "Images, and prune" },
	{ "network", "Networks: create, ls, rm, connect, disconnect, prune" },
	{ "system", "The whole store: df, prune, check" },
	{ "volume", "Volumes: create, ls, rm, prune" },
	{ NULL, NULL },
};

static int print_help(void)
{
	printf("Usage:  scow [OPTIONS] COMMAND\n\nContainers without a daemon: a command line on libscow\n");
	options_print_help(cli_options);
	printf("\nGroups of commands, \"scow GROUP COMMAND\":\n");
	for (const struct group *group = cli_groups; group->name; group++)
		printf("  %-10s %s\n", group->name, group->summary);
	print_commands("Commands", "");
	printf("\nRun 'scow COMMAND --help' for more information on a command.\n");
	return 0;
}

static int print_command_help(const struct command *command)
{
	printf("Usage:  scow %s%s%s\n\n%s\n", command->name, command->usage[0] ? " " : "", command->usage, command->summary);
	if (command->aliases) {
		printf("\nAliases:\n  scow %s", command->name);
		for (const char *p = command->aliases; *p; p += strcspn(p, ","), p += strspn(p, ", "))
			printf(", scow %.*s", (int) strcspn(p, ","), p);
		printf("\n");
	}
	options_print_help(command->options);
	return 0;
}

static bool is_group(const char *name)
{
	for (const struct group *group = cli_groups; group->name; group++)
		if (strcmp(name, group->name) == 0)
			return true;
	return false;
}

static int no_such_command(const char *name)
{
	complain("'%s' is not a scow command", name);
	fprintf(stderr, "\nCommands:");
	EACH_COMMAND(command)
	if (command->summary && !strchr(command->name, ' '))
		fprintf(stderr, " %s", command->name);
	for (const struct group *group = cli_groups; group->name; group++)
		fprintf(stderr, " %s", group->name);
	fprintf(stderr, "\nRun 'scow --help' for more information\n");
	return EXIT_ENGINE;
}

int cli_help(struct cli *cli, const char *name)
{
	const struct command *command = name ? cli_find_command(name) : NULL;

	(void) cli;
	if (!name)
		return print_help();
	if (command)
		return print_command_help(command);
	return is_group(name) ? print_group(name) : no_such_command(name);
}

static int run_command(struct cli *cli, const struct command *command, int argc, char **argv)
{
	void *options = keep_alloc(command->size ? command->size : 1);
	const char *plural = command->min == 1 ? "" : "s";
	int r = options_parse(command->options, options, &argc, argv, command->options_first);

	cli->command = command;
	if (r > 0)
		return print_command_help(command);
	if (r < 0) {
		fprintf(stderr, "\nRun 'scow %s --help' for more information\n", command->name);
		return EXIT_ENGINE;
	}
	if (argc >= command->min && (command->max < 0 || argc <= command->max))
		return command->run(cli, options, argc, argv);
	if (command->max == 0)
		complain("'scow %s' accepts no arguments", command->name);
	else
		complain("'scow %s' requires %s %d argument%s", command->name,
			 command->min == command->max ? "exactly"
			 : argc < command->min        ? "at least"
						      : "at most",
			 argc < command->min ? command->min : command->max, plural);
	fprintf(stderr, "\nUsage:  scow %s %s\n\nRun 'scow %s --help' for more information\n", command->name, command->usage,
		command->name);
	return 1;
}

/* The command's words are one, or two as "image ls". */
static int dispatch(struct cli *cli, int argc, char **argv)
{
	const struct command *command;
	const char *name = argv[0];

	if (!is_group(name)) {
		command = cli_find_command(name);
		return command ? run_command(cli, command, argc - 1, argv + 1) : no_such_command(name);
	}
	if (argc < 2 || argv[1][0] == '-')
		return print_group(name);
	command = cli_find_command(keep_format("%s %s", name, argv[1]));
	return command ? run_command(cli, command, argc - 2, argv + 2) : no_such_command(keep_format("%s %s", name, argv[1]));
}

/* Someone may start us with 0, 1 or 2 closed: the store's files must not land there. */
static void fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int main(int argc, char **argv)
{
	struct global_options global = { .root = getenv("SCOW_ROOT") };
	struct cli cli = { .command = NULL };
	int r, code;

	fill_standard_descriptors();
	argc -= argc > 0;
	r = options_parse(cli_options, &global, &argc, ++argv, true);
	if (r < 0) {
		fprintf(stderr, "\nRun 'scow --help' for more information\n");
		return EXIT_ENGINE;
	}
	cli.root = global.root && global.root[0] ? global.root : NULL;
	cli.debug = global.debug;
	cli.cdi_dirs = global.cdi_dirs.items;
	cli.trace = global.trace;
	if (r > 0 || (argc == 0 && !global.version))
		return print_help();
	if (global.version) {
		printf("scow version %s\n", scow_version());
		return 0;
	}
	code = dispatch(&cli, argc, argv);
	cli.engine = scow_engine_unref(cli.engine);
	if (fflush(stdout) && !code) {
		complain("cannot write to the standard output");
		code = 1;
	}
	return code;
}
