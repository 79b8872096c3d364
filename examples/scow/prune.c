/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What may go, and whether all is well: the prune of each kind and of all together, system check. */
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
#define ALL_IMAGES                                                                                                                         \
	{                                                                                                                                  \
		"all", 'a', OPTION_SWITCH, NULL, "All images that no container uses, not only those without a name",                       \
			offsetof(struct prune_options, all)                                                                                \
	}
static const struct option plain_table[] = { FILTER, FORCE, { NULL } };
static const struct option image_table[] = { ALL_IMAGES, FILTER, FORCE, { NULL } };
static const struct option volume_table[] = {
	{ "all", 'a', OPTION_SWITCH, NULL, "Named ones too, not only anonymous ones", offsetof(struct prune_options, all) },
	{ "filter", 0, OPTION_LIST, "filter", "Only those with a property, as label=a=b, label!=a",
	  offsetof(struct prune_options, filters) },
	FORCE,
	{ NULL },
};
static const struct option system_table[] = {
	ALL_IMAGES,
	FILTER,
	FORCE,
	{ "volumes", 0, OPTION_SWITCH, NULL, "Anonymous volumes that no container has, too", offsetof(struct prune_options, volumes) },
	{ NULL },
};

/* "y" on the terminal, or -f. */
static bool confirm(const struct prune_options *options, const char *what)
{
	char answer[16] = "";

	if (options->force)
		return true;
	printf("WARNING! This will remove %s.\nAre you sure you want to continue? [y/N] ", what);
	fflush(stdout);
	return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

/* A title and a line for each of the list. */
static uint64_t show_report(char *text, const char *title, const char *list)
{
	cJSON *report = cJSON_Parse(text);
	const cJSON *item, *items = cJSON_GetObjectItemCaseSensitive(report, list);
	uint64_t bytes = (uint64_t) json_number(report, "SpaceReclaimed");

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

static int containers(scow_engine *engine, int all, const char *filters, char **report, scow_error **error)
{
	(void) all;
	return scow_engine_prune_containers(engine, filters, report, error);
}

static int networks(scow_engine *engine, int all, const char *filters, char **report, scow_error **error)
{
	(void) all;
	return scow_network_prune(engine, filters, report, error);
}

static const struct kind {
	const char *title, *list;
	int (*prune)(scow_engine *engine, int all, const char *filters, char **report, scow_error **error);
} kinds[] = {
	{ "Deleted Containers", "ContainersDeleted", containers },
	{ "Deleted Images", "ImagesDeleted", scow_image_prune },
	{ "Deleted Networks", "NetworksDeleted", networks },
	{ "Deleted Volumes", "VolumesDeleted", scow_volume_prune },
};
enum { CONTAINERS = 1 << 0, IMAGES = 1 << 1, NETWORKS = 1 << 2, VOLUMES = 1 << 3 };

static bool prune_kind(struct cli *cli, const struct kind *kind, bool all, const char *filters, uint64_t *bytes)
{
	SCOW_AUTO(scow_error) *error = NULL;
	char *report = NULL;

	if (kind->prune(cli->engine, all, filters, &report, &error) < 0) {
		complain_error(&error);
		return false;
	}
	*bytes += show_report(report, kind->title, kind->list);
	return true;
}

static int prune(struct cli *cli, const struct prune_options *options, unsigned int which, const char *warning)
{
	const char *filters = NULL;
	uint64_t bytes = 0;
	bool ok = true;

	if (!filters_read(&options->filters, &filters) || !cli_engine(cli))
		return 1;
	if (!confirm(options, warning))
		return 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (which & 1u << i)
			ok = prune_kind(cli, &kinds[i], options->all, filters, &bytes) && ok;
	if (options->volumes)
		ok = prune_kind(cli, &kinds[3], false, NULL, &bytes) && ok;
	if (which != NETWORKS && (ok || bytes))
		printf("Total reclaimed space: %s\n", human_size(bytes));
	return ok ? 0 : 1;
}

static int container_prune(struct cli *cli, void *target, int argc, char **argv)
{
	(void) argc;
	(void) argv;
	return prune(cli, target, CONTAINERS, "all stopped containers");
}

static int image_prune(struct cli *cli, void *target, int argc, char **argv)
{
	const struct prune_options *options = target;

	(void) argc;
	(void) argv;
	return prune(cli, options, IMAGES, options->all ? "all images without a container" : "all images without a name");
}

static int network_prune(struct cli *cli, void *target, int argc, char **argv)
{
	(void) argc;
	(void) argv;
	return prune(cli, target, NETWORKS, "all networks that no container uses");
}

static int volume_prune(struct cli *cli, void *target, int argc, char **argv)
{
	const struct prune_options *options = target;

	(void) argc;
	(void) argv;
	return prune(cli, options, VOLUMES,
		     options->all ? "all volumes that no container has" : "all anonymous volumes that no container has");
}

static int system_prune(struct cli *cli, void *target, int argc, char **argv)
{
	const struct prune_options *options = target;

	(void) argc;
	(void) argv;
	return prune(cli, options, CONTAINERS | IMAGES | NETWORKS,
		     options->volumes ? "all stopped containers, networks, images and anonymous volumes that are not used"
		     : options->all   ? "all stopped containers, all networks without a container, and all images without one"
				      : "all stopped containers, all networks without a container, and all images without a name");
}

/* ---- check ---- */

struct check_options {
	bool repair, quick;
	const char *format;
};
static const struct option check_table[] = {
	{ "format", 0, OPTION_TEXT, "string", "json, for the whole report", offsetof(struct check_options, format) },
	{ "quick", 'q', OPTION_SWITCH, NULL, "Look at sizes, not at contents", offsetof(struct check_options, quick) },
	{ "repair", 0, OPTION_SWITCH, NULL, "Drop what is damaged, so that it is pulled again, and leftovers",
	  offsetof(struct check_options, repair) },
	{ NULL },
};

static const char *text_item(const cJSON *object, const char *name)
{
	return printable(json_text(object, name), stdout, false);
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
	if (scow_engine_check(cli->engine, (options->repair ? SCOW_CHECK_REPAIR : 0) | (options->quick ? SCOW_CHECK_QUICK : 0), &text,
			      &error) < 0) {
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
		printf("%.0f blobs, %.0f layers, %.0f running containers and %.0f volumes checked: %s\n", json_number(json, "Blobs"),
		       json_number(json, "Layers"), json_number(json, "Containers"), json_number(json, "Volumes"),
		       healthy ? "all is well" : "see above");
	cJSON_Delete(json);
	return healthy ? 0 : 1;
}

const struct command prune_commands[] = {
	{ "container prune", NULL, "[OPTIONS]", "Remove all stopped containers", plain_table, sizeof(struct prune_options), 0, 0, false,
	  container_prune },
	{ "image prune", NULL, "[OPTIONS]", "Remove images that are not used", image_table, sizeof(struct prune_options), 0, 0, false,
	  image_prune },
	{ "network prune", NULL, "[OPTIONS]", "Remove networks that no container uses", plain_table, sizeof(struct prune_options), 0, 0,
	  false, network_prune },
	{ "volume prune", NULL, "[OPTIONS]", "Remove volumes that no container has", volume_table, sizeof(struct prune_options), 0, 0,
	  false, volume_prune },
	{ "system check", NULL, "[OPTIONS]", "Verify the store, and mend it", check_table, sizeof(struct check_options), 0, 0, false,
	  check },
	{ "system prune", NULL, "[OPTIONS]", "Remove what is not used", system_table, sizeof(struct prune_options), 0, 0, false,
	  system_prune },
	{ NULL },
};
