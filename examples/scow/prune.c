/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What takes room, and what may go: system df, container prune, image prune, system prune. */
#include "cli.h"

#include <cjson/cJSON.h>
#include <string.h>
#include <unistd.h>

/* ---- prune ---- */

struct prune_options {
	bool all, force, volumes;
	struct list filters;
};
#define FORCE                                                                                                                              \
	{                                                                                                                                  \
		"force", 'f', OPTION_SWITCH, NULL, "Do not ask", offsetof(struct prune_options, force)                                     \
	}
#define FILTER                                                                                                                             \
	{                                                                                                                                  \
		"filter", 0, OPTION_LIST, "filter", "Only those with a property, as until=24h, label=a=b, label!=a",                       \
			offsetof(struct prune_options, filters)                                                                            \
	}
static const struct option container_prune_table[] = { FILTER, FORCE, { NULL } };
static const struct option system_prune_table[] = {
	{ "all", 'a', OPTION_SWITCH, NULL, "All images that no container uses, not only those without a name",
	  offsetof(struct prune_options, all) },
	FILTER,
	FORCE,
	{ "volumes", 0, OPTION_SWITCH, NULL, "Anonymous volumes that no container has, too", offsetof(struct prune_options, volumes) },
	{ NULL },
};
static const struct option prune_table[] = {
	{ "all", 'a', OPTION_SWITCH, NULL, "All images that no container uses, not only those without a name",
	  offsetof(struct prune_options, all) },
	FILTER,
	FORCE,
	{ NULL },
};

bool prune_confirmed(const char *what)
{
	char answer[16] = "";

	printf("WARNING! This will remove %s.\nAre you sure you want to continue? [y/N] ", what);
	fflush(stdout);
	return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

/* "y" on the terminal, or -f. */
static bool confirm(const struct prune_options *options, const char *warning)
{
	return options->force || prune_confirmed(warning);
}

/* A title and a line for each of the list. */
static uint64_t show_report(char *text, const char *title, const char *list)
{
	cJSON *report = cJSON_Parse(text);
	const cJSON *item, *items = cJSON_GetObjectItemCaseSensitive(report, list);
	uint64_t bytes = (uint64_t) cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(report, "SpaceReclaimed"));

	scow_free(text);
	if (cJSON_GetArraySize(items))
		printf("%s:\n", title);
	cJSON_ArrayForEach(item, items)
	{
		if (cJSON_IsString(item))
			puts(item->valuestring);
		else if (item->child && cJSON_IsString(item->child))
			printf("%s: %s\n", strcmp(item->child->string, "Untagged") == 0 ? "untagged" : "deleted", item->child->valuestring);
	}
	if (cJSON_GetArraySize(items))
		puts("");
	cJSON_Delete(report);
	return bytes;
}

static bool prune_containers(struct cli *cli, const char *filters, uint64_t *bytes)
{
	SCOW_AUTO(scow_error) *error = NULL;
	char *report = NULL;

	if (scow_engine_prune_containers(cli->engine, filters, &report, &error) < 0) {
		complain_error(&error);
		return false;
	}
	*bytes += show_report(report, "Deleted Containers", "ContainersDeleted");
	return true;
}

static bool prune_images(struct cli *cli, bool all, const char *filters, uint64_t *bytes)
{
	SCOW_AUTO(scow_error) *error = NULL;
	char *report = NULL;

	if (scow_image_prune(cli->engine, all, filters, &report, &error) < 0) {
		complain_error(&error);
		return false;
	}
	*bytes += show_report(report, "Deleted Images", "ImagesDeleted");
	return true;
}

static int prune(struct cli *cli, const struct prune_options *options, bool containers, bool images, const char *warning)
{
	const char *filters = NULL;
	uint64_t bytes = 0;
	bool ok = true;

	if (!filters_read(&options->filters, &filters) || !cli_engine(cli))
		return 1;
	if (!confirm(options, warning))
		return 0;
	if (containers)
		ok = prune_containers(cli, filters, &bytes);
	if (images)
		ok = prune_images(cli, options->all, filters, &bytes) && ok;
	if (containers && images)
		ok = prune_networks(cli, filters) && ok;
	if (options->volumes)
		ok = prune_volumes(cli, false, NULL, &bytes) && ok;
	printf("Total reclaimed space: %s\n", human_size(bytes));
	return ok ? 0 : 1;
}

static int container_prune(struct cli *cli, void *target, int argc, char **argv)
{
	(void) argc;
	(void) argv;
	return prune(cli, target, true, false, "all stopped containers");
}

static int image_prune(struct cli *cli, void *target, int argc, char **argv)
{
	const struct prune_options *options = target;

	(void) argc;
	(void) argv;
	return prune(cli, options, false, true, options->all ? "all images without a container" : "all images without a name");
}

static int system_prune(struct cli *cli, void *target, int argc, char **argv)
{
	const struct prune_options *options = target;

	(void) argc;
	(void) argv;
	return prune(cli, options, true, true,
		     options->volumes ? "all stopped containers, networks, images and anonymous volumes that are not used"
		     : options->all ? "all stopped containers, all networks without a container, and all images without one"
				  : "all stopped containers, all networks without a container, and all images without a name");
}

/* ---- df ---- */

struct df_options {
	bool verbose;
	const char *format;
};
static const struct option df_table[] = {
	{ "format", 0, OPTION_TEXT, "string", "\"json\", \"table TEMPLATE\" or a Go template", offsetof(struct df_options, format) },
	{ "verbose", 'v', OPTION_SWITCH, NULL, "Show everything in the document", offsetof(struct df_options, verbose) },
	{ NULL },
};
static const struct column df_columns[] = {
	{ "Type", "TYPE" }, { "TotalCount", "TOTAL" },        { "Active", "ACTIVE" },
	{ "Size", "SIZE" }, { "Reclaimable", "RECLAIMABLE" }, { NULL, NULL },
};

static double number_of(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

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
	double size = number_of(json, "LayersSize"), used = 0;
	int active = 0;

	cJSON_ArrayForEach(item, images)
	{
		if (number_of(item, "Containers") == 0)
			continue;
		active++;
		used += number_of(item, "Size") - number_of(item, "SharedSize");
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
		size += number_of(item, "SizeRw");
		reclaimable += runs ? 0 : number_of(item, "SizeRw");
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
		const double bytes = number_of(usage, "Size");

		active += number_of(usage, "RefCount") > 0;
		size += bytes > 0 ? bytes : 0;
		reclaimable += bytes > 0 && number_of(usage, "RefCount") == 0 ? bytes : 0;
	}
	add_line(table, "Local Volumes", cJSON_GetArraySize(volumes), active, size, reclaimable);
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

	(void) argc;
	(void) argv;
	if (!cli_engine(cli))
		return 1;
	if (scow_engine_df_json(cli->engine, &text, &error) < 0) {
		complain_error(&error);
		return 1;
	}
	if (options->verbose) {
		puts(printable(json_indent(text), stdout, true));
		scow_free(text);
		return 0;
	}
	json = cJSON_Parse(text);
	scow_free(text);
	add_images(&table, json);
	add_containers(&table, json);
	add_volumes(&table, json);
	cJSON_Delete(json);
	return table_print(&table);
}

/* ---- check ---- */

struct check_options {
	bool repair, quick;
	const char *format;
};
static const struct option check_table[] = {
	{ "format", 0, OPTION_TEXT, "string", "json, for the whole report", offsetof(struct check_options, format) },
	{ "quick", 'q', OPTION_SWITCH, NULL, "Look at sizes, not at contents", offsetof(struct check_options, quick) },
	{ "repair", 0, OPTION_SWITCH, NULL, "Drop what is damaged, so that it is pulled again, and leftovers", offsetof(struct check_options, repair) },
	{ NULL },
};

static const char *text_item(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	return printable(cJSON_IsString(item) ? item->valuestring : "", stdout, false);
}

static int check(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_error) *error = NULL;
	struct check_options *options = target;
	const cJSON *problem;
	char *text = NULL;
	bool healthy;
	cJSON *json;

	(void) argc;
	(void) argv;
	if (!cli_engine(cli))
		return 1;
	if (scow_engine_check(cli->engine, (options->repair ? SCOW_CHECK_REPAIR : 0) | (options->quick ? SCOW_CHECK_QUICK : 0), &text, &error) < 0) {
		complain_error(&error);
		return 1;
	}
	json = cJSON_Parse(text);
	healthy = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "Healthy"));
	if (options->format)
		puts(printable(text, stdout, true));
	scow_free(text);
	cJSON_ArrayForEach(problem, cJSON_GetObjectItemCaseSensitive(json, "Problems"))
	{
		if (options->format)
			break;
		printf("%s ", text_item(problem, "Kind"));
		printf("%s: ", text_item(problem, "Id"));
		printf("%s", text_item(problem, "Problem"));
		if (*text_item(problem, "Action"))
			printf(" (%s)", text_item(problem, "Action"));
		putchar('\n');
	}
	if (!options->format)
		printf("%.0f blobs, %.0f layers, %.0f running containers and %.0f volumes checked: %s\n", number_of(json, "Blobs"), number_of(json, "Layers"),
		       number_of(json, "Containers"), number_of(json, "Volumes"), healthy ? "all is well" : "see above");
	cJSON_Delete(json);
	return healthy ? 0 : 1;
}

const struct command prune_commands[] = {
	{ "container prune", NULL, "[OPTIONS]", "Remove all stopped containers", container_prune_table, sizeof(struct prune_options), 0, 0,
	  false, container_prune },
	{ "image prune", NULL, "[OPTIONS]", "Remove images that are not used", prune_table, sizeof(struct prune_options), 0, 0, false,
	  image_prune },
	{ "system check", NULL, "[OPTIONS]", "Verify the store, and mend it", check_table, sizeof(struct check_options), 0, 0, false, check },
	{ "system df", NULL, "[OPTIONS]", "Show what takes room", df_table, sizeof(struct df_options), 0, 0, false, df },
	{ "system prune", NULL, "[OPTIONS]", "Remove what is not used", system_prune_table, sizeof(struct prune_options), 0, 0, false,
	  system_prune },
	{ NULL },
};
