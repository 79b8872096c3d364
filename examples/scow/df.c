/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What takes room: system df, in sum, or each image, container and volume. */
#include "cli.h"

#include <cjson/cJSON.h>
#include <string.h>

struct df_options {
	bool verbose;
	const char *format;
};
static const struct option df_table[] = {
	{ "format", 0, OPTION_TEXT, "string", "\"json\", \"table TEMPLATE\" or a Go template", offsetof(struct df_options, format) },
	{ "verbose", 'v', OPTION_SWITCH, NULL, "Show each image, container and volume; with --format json the whole document",
	  offsetof(struct df_options, verbose) },
	{ NULL },
};
static const struct column df_columns[] = {
	{ "Type", "TYPE" }, { "TotalCount", "TOTAL" },        { "Active", "ACTIVE" },
	{ "Size", "SIZE" }, { "Reclaimable", "RECLAIMABLE" }, { NULL, NULL },
};

static void add_line(struct table *table, const char *type, int total, int active, double size, double reclaimable)
{
	cJSON *row = cJSON_CreateObject();
	const char *share = size > 0 ? keep_format(" (%.0f%%)", 100 * reclaimable / size) : "";

	row_text(row, "Type", type);
	row_text(row, "TotalCount", keep_format("%d", total));
	row_text(row, "Active", keep_format("%d", active));
	row_text(row, "Size", human_size((uint64_t) size));
	row_text(row, "Reclaimable", keep_format("%s%s", human_size(reclaimable > 0 ? (uint64_t) reclaimable : 0), share));
	table_add(table, row);
}

/* Docker's arithmetic: what is not in use alone. */
static void add_images(struct table *table, const cJSON *json)
{
	const cJSON *item, *images = cJSON_GetObjectItemCaseSensitive(json, "Images");
	double size = json_number(json, "LayersSize"), used = 0;
	int active = 0;

	cJSON_ArrayForEach(item, images)
	{
		if (json_number(item, "Containers") == 0)
			continue;
		active++;
		used += json_number(item, "Size") - json_number(item, "SharedSize");
	}
	add_line(table, "Images", cJSON_GetArraySize(images), active, size, size - used);
}

static void add_containers(struct table *table, const cJSON *json)
{
	const cJSON *item, *containers = cJSON_GetObjectItemCaseSensitive(json, "Containers");
	double size = 0, reclaimable = 0;
	int active = 0;

	cJSON_ArrayForEach(item, containers)
	{
		const cJSON *state = cJSON_GetObjectItemCaseSensitive(item, "State");
		bool runs =
			cJSON_IsString(state) && (strcmp(state->valuestring, "running") == 0 || strcmp(state->valuestring, "paused") == 0 ||
						  strcmp(state->valuestring, "restarting") == 0);

		active += runs;
		size += json_number(item, "SizeRw");
		reclaimable += runs ? 0 : json_number(item, "SizeRw");
	}
	add_line(table, "Containers", cJSON_GetArraySize(containers), active, size, reclaimable);
}

static void add_volumes(struct table *table, const cJSON *json)
{
	const cJSON *item, *volumes = cJSON_GetObjectItemCaseSensitive(json, "Volumes");
	double size = 0, reclaimable = 0;
	int active = 0;

	cJSON_ArrayForEach(item, volumes)
	{
		const cJSON *usage = cJSON_GetObjectItemCaseSensitive(item, "UsageData");
		const double bytes = json_number(usage, "Size");

		active += json_number(usage, "RefCount") > 0;
		size += bytes > 0 ? bytes : 0;
		reclaimable += bytes > 0 && json_number(usage, "RefCount") == 0 ? bytes : 0;
	}
	add_line(table, "Local Volumes", cJSON_GetArraySize(volumes), active, size, reclaimable);
}

/* ---- verbose ---- */

static void image_rows(struct table *table, const cJSON *image)
{
	const cJSON *names = cJSON_GetObjectItemCaseSensitive(image, "RepoTags");
	const double size = json_number(image, "Size"), shared = json_number(image, "SharedSize");
	int count = cJSON_GetArraySize(names);

	for (int i = 0; i < (count ? count : 1); i++) {
		const char *name = cJSON_GetStringValue(cJSON_GetArrayItem(names, i)), *colon = name ? strrchr(name, ':') : NULL;
		cJSON *row = cJSON_CreateObject();

		row_text(row, "Repository", colon ? keep_format("%.*s", (int) (colon - name), name) : "<none>");
		row_text(row, "Tag", colon ? colon + 1 : "<none>");
		row_text(row, "ID", short_id(json_text(image, "Id"), false));
		row_text(row, "CreatedSince", human_since((int64_t) json_number(image, "Created")));
		row_text(row, "Size", human_size((uint64_t) size));
		row_text(row, "SharedSize", human_size((uint64_t) shared));
		row_text(row, "UniqueSize", human_size((uint64_t) (size - shared)));
		row_text(row, "Containers", keep_format("%.0f", json_number(image, "Containers")));
		table_add(table, row);
	}
}

static void container_row(struct table *table, const cJSON *container)
{
	const cJSON *mount;
	const char *name = cJSON_GetStringValue(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(container, "Names"), 0));
	cJSON *row = cJSON_CreateObject();
	int volumes = 0;

	cJSON_ArrayForEach(mount, cJSON_GetObjectItemCaseSensitive(container, "Mounts")) volumes +=
		strcmp(json_text(mount, "Type"), "volume") == 0;
	row_text(row, "ID", short_id(json_text(container, "Id"), false));
	row_text(row, "Image", json_text(container, "Image"));
	row_text(row, "Command", command_cell(json_text(container, "Command"), false));
	row_text(row, "LocalVolumes", keep_format("%d", volumes));
	row_text(row, "Size", human_size((uint64_t) json_number(container, "SizeRw")));
	row_text(row, "RunningFor", human_since((int64_t) json_number(container, "Created")));
	row_text(row, "Status", json_text(container, "Status"));
	row_text(row, "Names", name ? name + (*name == '/') : "");
	table_add(table, row);
}

static void volume_row(struct table *table, const cJSON *volume)
{
	const cJSON *usage = cJSON_GetObjectItemCaseSensitive(volume, "UsageData");
	const double size = json_number(usage, "Size");
	cJSON *row = cJSON_CreateObject();

	row_text(row, "Name", json_text(volume, "Name"));
	row_text(row, "Links", keep_format("%.0f", json_number(usage, "RefCount")));
	row_text(row, "Size", size < 0 ? "N/A" : human_size((uint64_t) size));
	table_add(table, row);
}

static const struct column image_columns[] = {
	{ "Repository", "REPOSITORY" },
	{ "Tag", "TAG" },
	{ "ID", "IMAGE ID" },
	{ "CreatedSince", "CREATED" },
	{ "Size", "SIZE" },
	{ "SharedSize", "SHARED SIZE" },
	{ "UniqueSize", "UNIQUE SIZE" },
	{ "Containers", "CONTAINERS" },
	{ NULL, NULL },
};
static const struct column container_columns[] = {
	{ "ID", "CONTAINER ID" }, { "Image", "IMAGE" },        { "Command", "COMMAND" }, { "LocalVolumes", "LOCAL VOLUMES" },
	{ "Size", "SIZE" },       { "RunningFor", "CREATED" }, { "Status", "STATUS" },   { "Names", "NAMES" },
	{ NULL, NULL },
};
static const struct column volume_columns[] = { { "Name", "VOLUME NAME" }, { "Links", "LINKS" }, { "Size", "SIZE" }, { NULL, NULL } };

static int print_each(const cJSON *json)
{
	struct table images = {
		.standard = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{."
			    "Containers}}",
		.titles = image_columns,
	};
	struct table containers = {
		.standard = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}",
		.titles = container_columns,
	};
	struct table volumes = { .standard = "{{.Name}}\t{{.Links}}\t{{.Size}}", .titles = volume_columns };
	const cJSON *item;

	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "Images")) image_rows(&images, item);
	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "Containers")) container_row(&containers, item);
	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "Volumes")) volume_row(&volumes, item);
	puts("Images space usage:\n");
	table_print(&images);
	puts("\nContainers space usage:\n");
	table_print(&containers);
	puts("\nLocal Volumes space usage:\n");
	return table_print(&volumes);
}

static int df(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_error) *error = NULL;
	struct df_options *options = target;
	struct table table = {
		.format = options->format,
		.standard = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
		.titles = df_columns,
	};
	char *text = NULL;
	cJSON *json;
	int code;

	(void) argc;
	(void) argv;
	if (options->verbose && options->format && strcmp(options->format, "json") != 0)
		return complain_usage(cli, "--verbose goes with --format json alone");
	if (!cli_engine(cli))
		return 1;
	if (scow_engine_df_json(cli->engine, &text, &error) < 0) {
		complain_error(&error);
		return 1;
	}
	if (options->verbose && options->format)
		puts(printable(json_indent(text), stdout, true));
	json = cJSON_Parse(text);
	scow_free(text);
	if (options->verbose) {
		code = options->format ? 0 : print_each(json);
		cJSON_Delete(json);
		return code;
	}
	add_images(&table, json);
	add_containers(&table, json);
	add_volumes(&table, json);
	cJSON_Delete(json);
	return table_print(&table);
}

const struct command df_commands[] = {
	{ "system df", NULL, "[OPTIONS]", "Show what takes room", df_table, sizeof(struct df_options), 0, 0, false, df },
	{ NULL },
};
