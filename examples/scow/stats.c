/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stats: what containers use, once or again and again. The figures are the library's, in Docker's shape; the percentages are
 * computed from two readings, as Docker's client does.
 */
#include "cli.h"

#include <cjson/cJSON.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PERIOD_MS 1000

struct stats_options {
	bool all, once, whole;
	const char *format;
};
static const struct option stats_table[] = {
	{ "all", 'a', OPTION_SWITCH, NULL, "Show all containers, not only those that run", offsetof(struct stats_options, all) },
	{ "format", 0, OPTION_TEXT, "string", "\"json\", \"table TEMPLATE\" or a Go template", offsetof(struct stats_options, format) },
	{ "no-stream", 0, OPTION_SWITCH, NULL, "Show one result and end", offsetof(struct stats_options, once) },
	{ "no-trunc", 0, OPTION_SWITCH, NULL, "Show ids whole", offsetof(struct stats_options, whole) },
	{ NULL },
};
static const struct column columns[] = {
	{ "Container", "CONTAINER" },
	{ "ID", "CONTAINER ID" },
	{ "Name", "NAME" },
	{ "CPUPerc", "CPU %" },
	{ "MemUsage", "MEM USAGE / LIMIT" },
	{ "MemPerc", "MEM %" },
	{ "NetIO", "NET I/O" },
	{ "BlockIO", "BLOCK I/O" },
	{ "PIDs", "PIDS" },
	{ NULL, NULL },
};

/* A container and its last reading. */
struct watched {
	scow_container *container;
	const char *given; /* as on the command line, or its id */
	cJSON *before, *now;
};

struct watch {
	struct watched *items;
	size_t count;
};

static double number_at(const cJSON *object, const char *first, const char *second, const char *third)
{
	object = cJSON_GetObjectItemCaseSensitive(object, first);
	if (second)
		object = cJSON_GetObjectItemCaseSensitive(object, second);
	if (third)
		object = cJSON_GetObjectItemCaseSensitive(object, third);
	return cJSON_IsNumber(object) ? object->valuedouble : 0;
}

/* Docker's: the container's growth over the host's, times the CPUs. */
static double cpu_percent(const struct watched *watched)
{
	double used = number_at(watched->now, "cpu_stats", "cpu_usage", "total_usage") -
		      number_at(watched->before, "cpu_stats", "cpu_usage", "total_usage");
	double host = number_at(watched->now, "cpu_stats", "system_cpu_usage", NULL) -
		      number_at(watched->before, "cpu_stats", "system_cpu_usage", NULL);

	return watched->before && used > 0 && host > 0 ? used / host * number_at(watched->now, "cpu_stats", "online_cpus", NULL) * 100 : 0;
}

/* Without the file cache that the kernel can give up at any time. */
static double memory_used(const cJSON *stats)
{
	double usage = number_at(stats, "memory_stats", "usage", NULL);
	double cache = number_at(stats, "memory_stats", "stats", "total_inactive_file");

	if (cache == 0)
		cache = number_at(stats, "memory_stats", "stats", "inactive_file");
	return cache < usage ? usage - cache : usage;
}

static double network_sum(const cJSON *stats, const char *name)
{
	const cJSON *device;
	double sum = 0;

	cJSON_ArrayForEach(device, cJSON_GetObjectItemCaseSensitive(stats, "networks"))
	{
		sum += number_at(device, name, NULL, NULL);
	}
	return sum;
}

static double io_sum(const cJSON *stats, const char *operation)
{
	const cJSON *list =
		cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(stats, "blkio_stats"), "io_service_bytes_recursive");
	const cJSON *entry;
	double sum = 0;

	cJSON_ArrayForEach(entry, list)
	{
		const cJSON *op = cJSON_GetObjectItemCaseSensitive(entry, "op");

		if (cJSON_IsString(op) && strcmp(op->valuestring, operation) == 0)
			sum += number_at(entry, "value", NULL, NULL);
	}
	return sum;
}

/* "1.234MiB": four digits, as Docker writes memory. */
static const char *binary_size(double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	size_t unit = 0;

	for (; bytes >= 1024 && unit < 5; unit++)
		bytes /= 1024;
	return keep_format("%.4g%s", bytes, units[unit]);
}

static const char *pair(double left, double right, const char *(*size)(uint64_t bytes))
{
	return keep_format("%s / %s", size((uint64_t) left), size((uint64_t) right));
}

static cJSON *stats_row(const struct watched *watched, bool whole)
{
	double used = memory_used(watched->now), limit = number_at(watched->now, "memory_stats", "limit", NULL);
	cJSON *row = cJSON_CreateObject();

	row_text(row, "Container", watched->given);
	row_text(row, "ID", short_id(scow_container_id(watched->container), whole));
	row_text(row, "Name", scow_container_name(watched->container));
	row_text(row, "CPUPerc", keep_format("%.2f%%", cpu_percent(watched)));
	row_text(row, "MemUsage", keep_format("%s / %s", binary_size(used), binary_size(limit)));
	row_text(row, "MemPerc", keep_format("%.2f%%", limit > 0 ? used / limit * 100 : 0));
	row_text(row, "NetIO", pair(network_sum(watched->now, "rx_bytes"), network_sum(watched->now, "tx_bytes"), human_size));
	row_text(row, "BlockIO", pair(io_sum(watched->now, "read"), io_sum(watched->now, "write"), human_size));
	row_text(row, "PIDs", keep_format("%.0f", number_at(watched->now, "pids_stats", "current", NULL)));
	return row;
}

/* False: it is gone. */
static bool read_one(struct watched *watched)
{
	char *text = NULL;

	if (scow_container_stats_json(watched->container, &text, NULL) < 0)
		return false;
	cJSON_Delete(watched->before);
	watched->before = watched->now;
	watched->now = cJSON_Parse(text);
	scow_free(text);
	return true;
}

static void drop(struct watch *watch, size_t index)
{
	struct watched *watched = &watch->items[index];

	scow_container_unref(watched->container);
	cJSON_Delete(watched->before);
	cJSON_Delete(watched->now);
	memmove(watched, watched + 1, (--watch->count - index) * sizeof *watched);
}

static void read_all(struct watch *watch)
{
	for (size_t i = 0; i < watch->count;) {
		if (read_one(&watch->items[i]))
			i++;
		else
			drop(watch, i);
	}
}

static void watch_add(struct watch *watch, scow_container *container, const char *given)
{
	struct watched *grown = realloc(watch->items, (watch->count + 1) * sizeof *grown);

	if (!grown)
		return;
	watch->items = grown;
	grown[watch->count++] = (struct watched){ .container = scow_container_ref(container), .given = given };
}

/* Those named. */
static int find_named(struct cli *cli, struct watch *watch, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		SCOW_AUTO(scow_container) *container = NULL;
		SCOW_AUTO(scow_error) *error = NULL;

		if (scow_container_get(cli->engine, argv[i], &container, &error) < 0) {
			complain_error(&error);
			return 1;
		}
		watch_add(watch, container, argv[i]);
	}
	return 0;
}

/* Those that have come since: a list shows them from the next reading on. */
static int find_all(struct cli *cli, struct watch *watch, bool all)
{
	SCOW_AUTO(scow_iter) *iter = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	scow_container *container;

	if (scow_container_list(cli->engine, all ? SCOW_LIST_ALL : 0, &iter, &error) < 0) {
		complain_error(&error);
		return 1;
	}
	while ((container = scow_iter_next_container(iter))) {
		const char *id = scow_container_id(container);
		bool known = false;

		for (size_t i = 0; i < watch->count; i++)
			known = known || strcmp(scow_container_id(watch->items[i].container), id) == 0;
		if (!known)
			watch_add(watch, container, keep_format("%.12s", id));
	}
	return 0;
}

static int show(const struct stats_options *options, const struct watch *watch, bool clear)
{
	struct table table = {
		.format = options->format,
		.standard = "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}",
		.titles = columns,
	};
	void *mark = keep_mark();

	for (size_t i = 0; i < watch->count; i++)
		table_add(&table, stats_row(&watch->items[i], options->whole));
	if (clear)
		printf("\033[H\033[J");
	table_print(&table);
	fflush(stdout);
	keep_release(mark);
	return table.failed || ferror(stdout);
}

/* The first reading has nothing to compare with: the second one is shown. */
static int run_watch(struct cli *cli, const struct stats_options *options, struct watch *watch, int argc, char **argv)
{
	bool clear = !options->once && isatty(STDOUT_FILENO);
	int code = argc ? find_named(cli, watch, argc, argv) : find_all(cli, watch, options->all);

	if (code)
		return code;
	read_all(watch);
	for (;;) {
		poll(NULL, 0, PERIOD_MS);
		if (!argc && !options->once)
			code = find_all(cli, watch, options->all);
		read_all(watch);
		if (code == 0)
			code = show(options, watch, clear);
		if (code || options->once)
			return code;
		if (argc && !watch->count) /* all of those named are gone */
			return 0;
	}
}

static int stats(struct cli *cli, void *target, int argc, char **argv)
{
	struct watch watch = { NULL, 0 };
	int code;

	if (!cli_engine(cli))
		return 1;
	code = run_watch(cli, target, &watch, argc, argv);
	while (watch.count)
		drop(&watch, watch.count - 1);
	free(watch.items);
	return code;
}

const struct command stats_commands[] = {
	{ "stats", "container stats", "[OPTIONS] [CONTAINER...]", "Show what containers use", stats_table, sizeof(struct stats_options), 0,
	  -1, false, stats },
	{ NULL },
};
