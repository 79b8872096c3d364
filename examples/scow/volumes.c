/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Volumes: volume create, ls, rm (inspect and prune are with those of the other kinds); mount and unmount. */
#include "cli.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <string.h>

/* ---- create ---- */

struct create_options {
	const char *driver;
	struct list options, labels;
};
#define AT(member) offsetof(struct create_options, member)
static const struct option create_table[] = {
	{ "driver", 'd', OPTION_TEXT, "string", "Who supplies it; \"local\" by default", AT(driver) },
	{ "label", 0, OPTION_LIST, "list", "Set metadata (NAME=VALUE)", AT(labels) },
	{ "opt", 'o', OPTION_LIST, "map", "Set an option of the driver; local: type, device and o, as for mount(8)", AT(options) },
	{ NULL },
};

static void set_pairs(scow_volume_config *config, const struct list *pairs,
		      void (*set)(scow_volume_config *config, const char *name, const char *value))
{
	for (size_t i = 0; i < pairs->count; i++) {
		const char *value, *name = keep_split(pairs->items[i], '=', &value);

		set(config, name, value ? value : "");
	}
}

static int create(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_volume_config) *config = scow_volume_config_new();
	SCOW_AUTO(scow_volume) *volume = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	const struct create_options *options = target;

	scow_volume_config_set_driver(config, options->driver);
	set_pairs(config, &options->options, scow_volume_config_set_option);
	set_pairs(config, &options->labels, scow_volume_config_add_label);
	if (!cli_engine(cli))
		return 1;
	if (scow_volume_create(cli->engine, argc ? argv[0] : NULL, config, &volume, &error) < 0) {
		complain_error(&error);
		return 1;
	}
	puts(scow_volume_name(volume));
	return 0;
}

/* ---- ls ---- */

struct list_options {
	bool quiet;
	const char *format;
	struct list filters;
};
static const struct option list_table[] = {
	{ "filter", 'f', OPTION_LIST, "filter", "Only those with a property, as name=a, driver=local, label=a=b, dangling=true",
	  offsetof(struct list_options, filters) },
	{ "format", 0, OPTION_TEXT, "string", "\"json\", \"table TEMPLATE\" or a Go template, as {{.Name}}",
	  offsetof(struct list_options, format) },
	{ "quiet", 'q', OPTION_SWITCH, NULL, "Show names only", offsetof(struct list_options, quiet) },
	{ NULL },
};
static const struct column list_columns[] = {
	{ "Driver", "DRIVER" },         { "Name", "VOLUME NAME" }, { "Labels", "LABELS" },
	{ "Mountpoint", "MOUNTPOINT" }, { "Scope", "SCOPE" },      { NULL, NULL },
};

static cJSON *list_row(scow_volume *volume)
{
	cJSON *row, *document;
	char *text = NULL;

	if (scow_volume_inspect_json(volume, &text, NULL) < 0)
		return NULL; /* removed meanwhile */
	document = cJSON_Parse(text);
	scow_free(text);
	row = cJSON_CreateObject();
	row_text(row, "Driver", scow_volume_driver_name(volume));
	row_text(row, "Labels", labels_text(cJSON_GetObjectItemCaseSensitive(document, "Labels")));
	row_text(row, "Mountpoint", scow_volume_mountpoint(volume) ? scow_volume_mountpoint(volume) : "");
	row_text(row, "Name", scow_volume_name(volume));
	row_text(row, "Scope", "local");
	cJSON_Delete(document);
	return row;
}

static int list(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_iter) *iter = NULL;
	const struct list_options *options = target;
	struct table table = {
		.format = options->quiet && !options->format ? "{{.Name}}" : options->format,
		.standard = "{{.Driver}}\t{{.Name}}",
		.titles = list_columns,
	};
	scow_volume *volume;

	(void) argc;
	(void) argv;
	if (!list_open(cli, &options->filters, scow_volume_list, &iter))
		return 1;
	while ((volume = scow_iter_next_volume(iter))) {
		cJSON *row = list_row(volume);

		if (row)
			table_add(&table, row);
	}
	return table_print(&table);
}

/* ---- rm ---- */

struct remove_options {
	bool force;
};
static const struct option remove_table[] = {
	{ "force", 'f', OPTION_SWITCH, NULL, "Also where its driver fails; one that is not there is no failure",
	  offsetof(struct remove_options, force) },
	{ NULL },
};

static int remove_all(struct cli *cli, void *target, int argc, char **argv)
{
	const struct remove_options *options = target;
	int code = 0;

	if (!cli_engine(cli))
		return 1;
	for (int i = 0; i < argc; i++) {
		SCOW_AUTO(scow_volume) *volume = NULL;
		SCOW_AUTO(scow_error) *error = NULL;
		int r = scow_volume_get(cli->engine, argv[i], &volume, &error);

		if (r == 0)
			r = scow_volume_remove(volume, options->force ? SCOW_REMOVE_FORCE : 0u, &error);
		if (r == 0 || (r == SCOW_E_NOT_FOUND && options->force)) {
			puts(argv[i]);
		} else {
			complain_error(&error);
			code = 1;
		}
	}
	return code;
}

/* ---- mounts of containers that are there ---- */

static int change_mounts(struct cli *cli, char **argv, int (*change)(scow_container *container, const char *text, scow_error **error))
{
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_error) *error = NULL;

	if (!cli_engine(cli))
		return 1;
	if (scow_container_get(cli->engine, argv[0], &container, &error) < 0 || change(container, argv[1], &error) < 0) {
		complain_error(&error);
		return 1;
	}
	return 0;
}

static int mount_one(struct cli *cli, void *target, int argc, char **argv)
{
	(void) target;
	(void) argc;
	return change_mounts(cli, argv, scow_container_mount);
}

static int unmount_one(struct cli *cli, void *target, int argc, char **argv)
{
	(void) target;
	(void) argc;
	return change_mounts(cli, argv, scow_container_unmount);
}

const struct command volume_commands[] = {
	{ "mount", "container mount", "CONTAINER MOUNT", "Mount something in a container, also while it runs (as run --mount)", NULL, 0, 2,
	  2, false, mount_one },
	{ "unmount", "container unmount", "CONTAINER TARGET", "Take such a mount away", NULL, 0, 2, 2, false, unmount_one },
	{ "volume create", NULL, "[OPTIONS] [VOLUME]", "Make a volume", create_table, sizeof(struct create_options), 0, 1, false, create },
	{ "volume ls", "volume list", "[OPTIONS]", "List volumes", list_table, sizeof(struct list_options), 0, 0, false, list },
	{ "volume rm", "volume remove", "[OPTIONS] VOLUME [VOLUME...]", "Remove volumes", remove_table, sizeof(struct remove_options), 1,
	  -1, false, remove_all },
	{ NULL },
};
