/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Containers that exist: ps, inspect, stop, kill, wait, rm. */
#include "cli.h"

#include <cjson/cJSON.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

int each_container(struct cli *cli, int argc, char **argv, unsigned int flags,
		   int (*act)(scow_container *container, void *data, scow_error **error), void *data)
{
	int code = 0;

	if (!cli_engine(cli))
		return 1;
	for (int i = 0; i < argc; i++) {
		SCOW_AUTO(scow_container) *container = NULL;
		SCOW_AUTO(scow_error) *error = NULL;

		if (scow_container_get(cli->engine, argv[i], &container, &error) < 0 || act(container, data, &error) < 0) {
			if (!(flags & EACH_MAY_BE_GONE) || scow_error_status(error) != SCOW_E_NOT_FOUND)
				code = 1;
			complain_error(&error);
		} else if (flags & EACH_PRINT_NAME) {
			printf("%s\n", argv[i]);
		}
	}
	return code;
}

/* ---- kill ---- */

struct signal_options {
	const char *signal;
	struct number seconds;
};

static const char *const signal_names[] = {
	[SIGHUP] = "HUP",       [SIGINT] = "INT",   [SIGQUIT] = "QUIT",   [SIGILL] = "ILL",   [SIGTRAP] = "TRAP", [SIGABRT] = "ABRT",
	[SIGBUS] = "BUS",       [SIGFPE] = "FPE",   [SIGKILL] = "KILL",   [SIGUSR1] = "USR1", [SIGSEGV] = "SEGV", [SIGUSR2] = "USR2",
	[SIGPIPE] = "PIPE",     [SIGALRM] = "ALRM", [SIGTERM] = "TERM",   [SIGCHLD] = "CHLD", [SIGCONT] = "CONT", [SIGSTOP] = "STOP",
	[SIGTSTP] = "TSTP",     [SIGTTIN] = "TTIN", [SIGTTOU] = "TTOU",   [SIGURG] = "URG",   [SIGXCPU] = "XCPU", [SIGXFSZ] = "XFSZ",
	[SIGVTALRM] = "VTALRM", [SIGPROF] = "PROF", [SIGWINCH] = "WINCH", [SIGIO] = "IO",     [SIGPWR] = "PWR",   [SIGSYS] = "SYS",
};

/* "KILL", "SIGKILL", "9". 0: none of them. */
static int signal_number(const char *text)
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	int64_t number;

	if (parse_number(text, &number))
		return number > 0 && number <= SIGRTMAX ? (int) number : 0;
	for (int i = 1; i < (int) (sizeof signal_names / sizeof *signal_names); i++)
		if (signal_names[i] && strcasecmp(signal_names[i], name) == 0)
			return i;
	if (strncasecmp(name, "RTMIN+", 6) == 0 && parse_number(name + 6, &number) && number >= 0 && number <= SIGRTMAX - SIGRTMIN)
		return SIGRTMIN + (int) number;
	return 0;
}

static const struct option kill_table[] = {
	{ "signal", 's', OPTION_TEXT, "string", "Signal to send; KILL by default", offsetof(struct signal_options, signal) },
	{ NULL },
};

static int kill_one(scow_container *container, void *data, scow_error **error)
{
	return scow_container_kill(container, *(int *) data, error);
}

static int kill_all(struct cli *cli, void *target, int argc, char **argv)
{
	struct signal_options *options = target;
	int number = options->signal ? signal_number(options->signal) : SIGKILL;

	if (!number) {
		complain("invalid signal: %s", options->signal);
		return 1;
	}
	return each_container(cli, argc, argv, EACH_PRINT_NAME, kill_one, &number);
}

/* ---- stop ---- */

static const struct option stop_table[] = {
	{ "timeout", 't', OPTION_NUMBER, "int", "Seconds to wait before killing; -1 for ever", offsetof(struct signal_options, seconds) },
	{ "time", 0, OPTION_NUMBER, "int", NULL, offsetof(struct signal_options, seconds) },
	{ NULL },
};

static int stop_one(scow_container *container, void *data, scow_error **error)
{
	const struct number *seconds = data;

	return scow_container_stop(container, !seconds->set ? -2 : seconds->value < 0 ? -1 : (int) seconds->value * 1000, error);
}

static int stop(struct cli *cli, void *target, int argc, char **argv)
{
	struct signal_options *options = target;

	return each_container(cli, argc, argv, EACH_PRINT_NAME, stop_one, &options->seconds);
}

/* ---- wait ---- */

struct wait_options {
	const char *condition;
};
static const struct option wait_table[] = {
	{ "condition", 0, OPTION_TEXT, "string", "What to wait for (not-running|next-exit|removed)",
	  offsetof(struct wait_options, condition) },
	{ NULL },
};
static const char *const conditions[] = {
	[SCOW_WAIT_NOT_RUNNING] = "not-running", [SCOW_WAIT_NEXT_EXIT] = "next-exit", [SCOW_WAIT_REMOVED] = "removed"
};

static int wait_one(scow_container *container, void *data, scow_error **error)
{
	int code = 0, r = scow_container_wait_for(container, (scow_wait_condition) * (unsigned int *) data, -1, &code, error);

	if (r == 0)
		printf("%d\n", code);
	fflush(stdout);
	return r;
}

static int wait_all(struct cli *cli, void *target, int argc, char **argv)
{
	const char *wanted = ((struct wait_options *) target)->condition;
	unsigned int condition = SCOW_WAIT_NOT_RUNNING;

	while (wanted && condition <= SCOW_WAIT_REMOVED && strcmp(conditions[condition], wanted) != 0)
		condition++;
	if (condition > SCOW_WAIT_REMOVED)
		return complain_usage(cli, "'%s' is not a valid value for --condition: not-running, next-exit or removed", wanted);
	return each_container(cli, argc, argv, 0, wait_one, &condition);
}

/* ---- rm ---- */

struct remove_options {
	bool force, volumes;
};
static const struct option remove_table[] = {
	{ "force", 'f', OPTION_SWITCH, NULL, "Kill it first if it runs", offsetof(struct remove_options, force) },
	{ "volumes", 'v', OPTION_SWITCH, NULL, "Remove its anonymous volumes too", offsetof(struct remove_options, volumes) },
	{ NULL },
};

static int remove_one(scow_container *container, void *data, scow_error **error)
{
	const struct remove_options *options = data;

	return scow_container_remove(container, (options->force ? SCOW_REMOVE_FORCE : 0u) | (options->volumes ? SCOW_REMOVE_VOLUMES : 0u),
				     error);
}

static int remove_all(struct cli *cli, void *target, int argc, char **argv)
{
	const struct remove_options *options = target;

	return each_container(cli, argc, argv, EACH_PRINT_NAME | (options->force ? EACH_MAY_BE_GONE : 0), remove_one, target);
}

/* ---- ps ---- */

struct ps_options {
	bool all, quiet, whole, latest, size;
	struct number last;
	struct list filters;
	const char *format;
};
static const struct option ps_table[] = {
	{ "all", 'a', OPTION_SWITCH, NULL, "Show all containers, not only those that run", offsetof(struct ps_options, all) },
	{ "filter", 'f', OPTION_LIST, "filter", "Show those with a property, as status=exited, label=a=b, name=web",
	  offsetof(struct ps_options, filters) },
	{ "format", 0, OPTION_TEXT, "string", "\"json\", \"table TEMPLATE\" or a Go template", offsetof(struct ps_options, format) },
	{ "last", 'n', OPTION_NUMBER, "int", "Show the last n created, in any state", offsetof(struct ps_options, last) },
	{ "latest", 'l', OPTION_SWITCH, NULL, "Show the latest created, in any state", offsetof(struct ps_options, latest) },
	{ "no-trunc", 0, OPTION_SWITCH, NULL, "Show ids and commands whole", offsetof(struct ps_options, whole) },
	{ "quiet", 'q', OPTION_SWITCH, NULL, "Show ids only", offsetof(struct ps_options, quiet) },
	{ "size", 's', OPTION_SWITCH, NULL, "Show how much each wrote", offsetof(struct ps_options, size) },
	{ NULL },
};
static const struct column ps_columns[] = {
	{ "ID", "CONTAINER ID" },
	{ "Image", "IMAGE" },
	{ "Command", "COMMAND" },
	{ "RunningFor", "CREATED" },
	{ "CreatedAt", "CREATED AT" },
	{ "Status", "STATUS" },
	{ "State", "STATE" },
	{ "Ports", "PORTS" },
	{ "Names", "NAMES" },
	{ "Labels", "LABELS" },
	{ "Size", "SIZE" },
	{ "Networks", "NETWORKS" },
	{ "Mounts", "MOUNTS" },
	{ "LocalVolumes", "LOCAL VOLUMES" },
	{ "Label", "LABEL" },
	{ NULL, NULL },
};

/* At most so many characters, the last an ellipsis where there were more. */
static const char *shortened(const char *text, size_t limit)
{
	const char *end = text, *cut = text;
	size_t n = 0;

	for (; *end; n++) {
		if (n < limit)
			cut = end;
		for (end++; ((unsigned char) *end & 0xc0) == 0x80; end++)
			;
	}
	return n > limit ? keep_format("%.*s\xe2\x80\xa6", (int) (cut - text), text) : text;
}

/* In double quotes, and on one line whatever is in it. */
static const char *quoted(const char *text)
{
	static const char escaped[] = "\n\t\r\"\\", names[] = "ntr\"\\";
	char *out = keep_alloc(strlen(text) * 4 + 3), *o = out;

	*o++ = '"';
	for (; *text; text++) {
		const char *escape = strchr(escaped, *text);

		if (escape)
			o += sprintf(o, "\\%c", names[escape - escaped]);
		else if ((unsigned char) *text < ' ' || *text == 0x7f)
			o += sprintf(o, "\\x%02x", (unsigned int) *text);
		else
			*o++ = *text;
	}
	*o++ = '"';
	*o = 0;
	return out;
}

const char *command_cell(const char *command, bool whole)
{
	return quoted(whole ? command : shortened(command, 20));
}

static const cJSON *member(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* "bridge,lan", or the mode of one that is on none. */
static const char *networks_text(const cJSON *document)
{
	const cJSON *network, *mode = member(member(document, "HostConfig"), "NetworkMode");
	const char *text = "";

	cJSON_ArrayForEach(network, member(member(document, "NetworkSettings"), "Networks")) text =
		keep_format("%s%s%s", text, *text ? "," : "", network->string);
	return *text || !cJSON_IsString(mode) ? text : keep_text(mode->valuestring);
}

/* "data,/srv": names of volumes, paths of the host. @local: how many are volumes of the local driver. */
static const char *mounts_text(const cJSON *mounts, bool whole, int *local)
{
	const cJSON *mount;
	const char *text = "";

	*local = 0;
	cJSON_ArrayForEach(mount, mounts)
	{
		const char *name = cJSON_GetStringValue(member(mount, "Name")), *driver = cJSON_GetStringValue(member(mount, "Driver"));

		if (!name || !*name)
			name = cJSON_GetStringValue(member(mount, "Source"));
		if (name && *name)
			text = keep_format("%s%s%s", text, *text ? "," : "", whole ? name : shortened(name, 15));
		*local += driver && strcmp(driver, "local") == 0;
	}
	return text;
}

/* What only inspect knows. */
static void add_inspected(cJSON *row, scow_container *container, const struct table *table, bool whole)
{
	static const char *const fields[] = { "Labels", ".Label ", "Networks", "Mounts", "LocalVolumes" };
	cJSON *document = NULL;
	char *text = NULL;
	bool wanted = false;
	int local;

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		wanted = wanted || table_wants(table, fields[i]);
	if (wanted && scow_container_inspect_json(container, &text, NULL) == 0)
		document = cJSON_Parse(text);
	scow_free(text);
	row_text(row, "Networks", networks_text(document));
	row_text(row, "Labels", labels_text(member(member(document, "Config"), "Labels")));
	row_text(row, "Mounts", mounts_text(member(document, "Mounts"), whole, &local));
	row_text(row, "LocalVolumes", keep_format("%d", local));
	/* For {{.Label "name"}}; no field of its own. */
	if (table->format && strstr(table->format, ".Label "))
		cJSON_AddItemToObject(row, "Label", cJSON_Duplicate(member(member(document, "Config"), "Labels"), 1));
	cJSON_Delete(document);
}

/* "12.3kB (virtual 4.5MB)". */
static const char *size_text(scow_container *container)
{
	uint64_t written = 0, total = 0;

	if (scow_container_size(container, &written, &total, NULL) < 0)
		return "";
	return keep_format("%s (virtual %s)", human_size(written), human_size(total));
}

static cJSON *ps_row(scow_container *container, const struct table *table, bool whole)
{
	cJSON *row = cJSON_CreateObject();

	row_text(row, "ID", short_id(scow_container_id(container), whole));
	row_text(row, "Image", scow_container_image_name(container));
	row_text(row, "Command", command_cell(scow_container_command(container), whole));
	row_text(row, "CreatedAt", local_time(scow_container_created(container)));
	row_text(row, "RunningFor", human_since(scow_container_created(container)));
	row_text(row, "Status", scow_container_listed(container, SCOW_LISTED_STATUS));
	row_text(row, "State", scow_container_listed(container, SCOW_LISTED_STATE));
	row_text(row, "Ports", ports_text(scow_container_listed(container, SCOW_LISTED_PORTS)));
	row_text(row, "Names", scow_container_name(container));
	add_inspected(row, container, table, whole);
	row_text(row, "Size", table_wants(table, "Size") ? size_text(container) : "");
	return row;
}

#define PS_COLUMNS "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"

static int ps(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_iter) *iter = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	struct ps_options *options = target;
	struct table table = {
		.format = options->quiet && !options->format ? "{{.ID}}" : options->format,
		.standard = options->size ? PS_COLUMNS "\t{{.Size}}" : PS_COLUMNS,
		.titles = ps_columns,
	};
	int64_t left = options->latest ? 1 : options->last.set ? options->last.value : -1;
	const char *filters = NULL;
	scow_container *container;

	(void) argc;
	(void) argv;
	if (!filters_read(&options->filters, &filters) || !cli_engine(cli))
		return 1;
	if (scow_container_list_filtered(cli->engine, options->all || left >= 0 ? SCOW_LIST_ALL : 0, filters, &iter, &error) < 0) {
		complain_error(&error);
		return 1;
	}
	while (left != 0 && (container = scow_iter_next_container(iter))) {
		table_add(&table, ps_row(container, &table, options->whole));
		left -= left > 0;
	}
	return table_print(&table);
}

/* ---- inspect ---- */

struct inspect_options {
	const char *format, *type;
	bool size;
};
#define INSPECT_FORMAT                                                                                                                     \
	{                                                                                                                                  \
		"format", 'f', OPTION_TEXT, "string", "\"json\" or a Go template, as {{.State.ExitCode}}",                                 \
			offsetof(struct inspect_options, format)                                                                           \
	}
#define INSPECT_SIZE                                                                                                                       \
	{                                                                                                                                  \
		"size", 's', OPTION_SWITCH, NULL, "Show how much a container wrote, and how large all its files are",                      \
			offsetof(struct inspect_options, size)                                                                             \
	}
static const struct option inspect_table[] = {
	INSPECT_FORMAT,
	INSPECT_SIZE,
	{ "type", 0, OPTION_TEXT, "string", "Look only for this (container|image|network|volume)", offsetof(struct inspect_options, type) },
	{ NULL },
};
static const struct option container_inspect_table[] = { INSPECT_FORMAT, INSPECT_SIZE, { NULL } };
static const struct option other_inspect_table[] = { INSPECT_FORMAT, { NULL } };

/* @json with SizeRw and SizeRootFs first. */
static const char *with_sizes(scow_container *container, const char *json)
{
	uint64_t written = 0, total = 0;

	if (scow_container_size(container, &written, &total, NULL) < 0)
		return json;
	return keep_format("{\"SizeRw\":%llu,\"SizeRootFs\":%llu,%s", (unsigned long long) written, (unsigned long long) total, json + 1);
}

/* The document of a container, or else an image, a network or a volume by that name; NULL after telling why there is none. */
static const char *inspect_one(struct cli *cli, const char *name, const char *type, bool size)
{
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_network) *network = NULL;
	SCOW_AUTO(scow_volume) *volume = NULL;
	SCOW_AUTO(scow_image) *image = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	const char *document;
	char *json = NULL;
	int r = SCOW_E_NOT_FOUND;

	if (!type || strcmp(type, "container") == 0) {
		r = scow_container_get(cli->engine, name, &container, &error);
		if (r == 0)
			r = scow_container_inspect_json(container, &json, &error);
	}
	if (r == SCOW_E_NOT_FOUND && (!type || strcmp(type, "image") == 0)) {
		error = scow_error_unref(error);
		r = scow_image_get(cli->engine, name, &image, &error);
		if (r == 0)
			r = scow_image_inspect_json(image, &json, &error);
	}
	if (r == SCOW_E_NOT_FOUND && (!type || strcmp(type, "network") == 0)) {
		error = scow_error_unref(error);
		r = scow_network_get(cli->engine, name, &network, &error);
		if (r == 0)
			r = scow_network_inspect_json(network, &json, &error);
	}
	if (r == SCOW_E_NOT_FOUND && (!type || strcmp(type, "volume") == 0)) {
		error = scow_error_unref(error);
		r = scow_volume_get(cli->engine, name, &volume, &error);
		if (r == 0)
			r = scow_volume_inspect_json(volume, &json, &error);
	}
	if (r < 0 && !type && (r == SCOW_E_NOT_FOUND || r == SCOW_E_INVALID))
		complain("no such object: %s", name);
	else if (r < 0)
		complain_error(&error);
	document = r < 0 ? NULL : keep_text(json);
	scow_free(json);
	return document && container && size ? with_sizes(container, document) : document;
}

static bool print_template(const char *format, const char *document)
{
	const char *problem = NULL;
	cJSON *json = cJSON_Parse(document);
	char *text = template_render(strcmp(format, "json") == 0 ? "{{json .}}" : format, json, &problem);

	if (text)
		puts(printable(text, stdout, true));
	else
		complain("--format: %s", problem);
	cJSON_Delete(json);
	return text;
}

static int inspect_all(struct cli *cli, const struct inspect_options *options, const char *type, int argc, char **argv)
{
	const char *all = "[";
	int code = 0;

	if (!cli_engine(cli))
		return 1;
	for (int i = 0; i < argc; i++) {
		const char *document = inspect_one(cli, argv[i], type, options->size);

		if (!document)
			code = 1;
		else if (options->format)
			code = print_template(options->format, document) ? code : 1;
		else
			all = keep_format("%s%s%s", all, all[1] ? "," : "", document);
	}
	if (!options->format)
		puts(printable(json_indent(keep_format("%s]", all)), stdout, true));
	return code;
}

static int inspect(struct cli *cli, void *target, int argc, char **argv)
{
	struct inspect_options *options = target;

	if (options->type && strcmp(options->type, "container") != 0 && strcmp(options->type, "image") != 0 &&
	    strcmp(options->type, "network") != 0 && strcmp(options->type, "volume") != 0)
		return complain_usage(cli, "'%s' is not a valid value for --type: container, image, network or volume", options->type);
	return inspect_all(cli, options, options->type, argc, argv);
}

static int inspect_image(struct cli *cli, void *target, int argc, char **argv)
{
	return inspect_all(cli, target, "image", argc, argv);
}

static int inspect_container(struct cli *cli, void *target, int argc, char **argv)
{
	return inspect_all(cli, target, "container", argc, argv);
}

static int inspect_network(struct cli *cli, void *target, int argc, char **argv)
{
	return inspect_all(cli, target, "network", argc, argv);
}

static int inspect_volume(struct cli *cli, void *target, int argc, char **argv)
{
	return inspect_all(cli, target, "volume", argc, argv);
}

const struct command container_commands[] = {
	{ "stop", "container stop", "[OPTIONS] CONTAINER [CONTAINER...]", "Stop running containers", stop_table,
	  sizeof(struct signal_options), 1, -1, false, stop },
	{ "kill", "container kill", "[OPTIONS] CONTAINER [CONTAINER...]", "Kill running containers", kill_table,
	  sizeof(struct signal_options), 1, -1, false, kill_all },
	{ "wait", "container wait", "[OPTIONS] CONTAINER [CONTAINER...]", "Wait until containers stop, then print their exit codes",
	  wait_table, sizeof(struct wait_options), 1, -1, false, wait_all },
	{ "rm", "container rm, container remove", "[OPTIONS] CONTAINER [CONTAINER...]", "Remove containers", remove_table,
	  sizeof(struct remove_options), 1, -1, false, remove_all },
	{ "ps", "container ls, container list, container ps", "[OPTIONS]", "List containers", ps_table, sizeof(struct ps_options), 0, 0,
	  false, ps },
	{ "inspect", NULL, "[OPTIONS] NAME|ID [NAME|ID...]", "Show everything about containers, images, networks or volumes", inspect_table,
	  sizeof(struct inspect_options), 1, -1, false, inspect },
	{ "container inspect", NULL, "[OPTIONS] CONTAINER [CONTAINER...]", "Show everything about containers", container_inspect_table,
	  sizeof(struct inspect_options), 1, -1, false, inspect_container },
	{ "network inspect", NULL, "[OPTIONS] NETWORK [NETWORK...]", "Show everything about networks", other_inspect_table,
	  sizeof(struct inspect_options), 1, -1, false, inspect_network },
	{ "volume inspect", NULL, "[OPTIONS] VOLUME [VOLUME...]", "Show everything about volumes", other_inspect_table,
	  sizeof(struct inspect_options), 1, -1, false, inspect_volume },
	{ "image inspect", NULL, "[OPTIONS] IMAGE [IMAGE...]", "Show everything about images", other_inspect_table,
	  sizeof(struct inspect_options), 1, -1, false, inspect_image },
	{ NULL },
};
