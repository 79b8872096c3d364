/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* events: what happens in the store, as it happens or from the journal. */
#include "cli.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

struct events_options {
	struct list filters;
	const char *since, *until, *format;
};
static const struct option events_table[] = {
	{ "filter", 'f', OPTION_LIST, "filter", "Only such events, as \"type=container\", \"event=die\", \"label=a=b\"",
	  offsetof(struct events_options, filters) },
	{ "format", 0, OPTION_TEXT, "string", "\"json\" or a Go template, as {{.Action}}", offsetof(struct events_options, format) },
	{ "since", 0, OPTION_TEXT, "string", "First those of the past from then on", offsetof(struct events_options, since) },
	{ "until", 0, OPTION_TEXT, "string", "End at that time", offsetof(struct events_options, until) },
	{ NULL },
};

/* A number's own digits: a double would round nanoseconds. */
static int64_t nano_of(const char *document)
{
	const char *at = strstr(document, "\"timeNano\":");
	int64_t found = 0;

	/* The last one is ours: names and labels stand before it. */
	for (; at; at = strstr(at + 1, "\"timeNano\":"))
		found = strtoll(at + strlen("\"timeNano\":"), NULL, 10);
	return found;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const cJSON *const *) a)->string, (*(const cJSON *const *) b)->string);
}

/* "2026-01-02T03:04:05.678901234Z container die 3f2a... (exitCode=0, image=busybox, name=web)" */
static void print_line(const char *document, const cJSON *json)
{
	const cJSON *actor = cJSON_GetObjectItemCaseSensitive(json, "Actor"),
		    *attributes = cJSON_GetObjectItemCaseSensitive(actor, "Attributes"), *item;
	size_t count = (size_t) cJSON_GetArraySize(attributes), n = 0;
	const cJSON **sorted = malloc((count + 1) * sizeof *sorted);
	char stamp[TIME_TEXT];

	time_format(stamp, nano_of(document), true);
	printf("%s %s %s %s", stamp, json_text(json, "Type"), printable(json_text(json, "Action"), stdout, false), json_text(actor, "ID"));
	if (sorted && count) {
		cJSON_ArrayForEach(item, attributes) sorted[n++] = item;
		qsort(sorted, n, sizeof *sorted, by_name);
		for (size_t i = 0; i < n; i++) {
			printf("%s%s=", i ? ", " : " (", printable(sorted[i]->string, stdout, false));
			printf("%s", printable(cJSON_GetStringValue(sorted[i]), stdout, false));
		}
		printf(")");
	}
	printf("\n");
	free(sorted);
}

/* The document with the names that Go's templates know it by. */
static bool print_template(const char *document, const cJSON *json, const char *format)
{
	cJSON *row = cJSON_CreateObject();
	const char *problem = NULL;
	char *text;

	row_text(row, "Status", json_text(json, "status"));
	row_text(row, "ID", json_text(json, "id"));
	row_text(row, "From", json_text(json, "from"));
	row_text(row, "Type", json_text(json, "Type"));
	row_text(row, "Action", json_text(json, "Action"));
	row_text(row, "Scope", json_text(json, "scope"));
	cJSON_AddItemToObject(row, "Actor", cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(json, "Actor"), true));
	row_text(row, "Time", keep_format("%lld", (long long) (nano_of(document) / 1000000000)));
	row_text(row, "TimeNano", keep_format("%lld", (long long) nano_of(document)));
	text = template_render(format, row, &problem);
	if (text)
		puts(printable(text, stdout, true));
	else
		complain("--format: %s", problem);
	cJSON_Delete(row);
	return text;
}

static int show_event(uint64_t number, const char *document, void *userdata)
{
	const char *format = userdata;
	cJSON *json;
	bool ok = true;

	(void) number;
	if (format && (strcmp(format, "json") == 0 || strcmp(format, "{{json .}}") == 0))
		return puts(printable(document, stdout, false)) < 0;
	json = cJSON_Parse(document);
	if (format)
		ok = print_template(document, json, format);
	else
		print_line(document, json);
	cJSON_Delete(json);
	return ok ? 0 : 1;
}

static int pump(scow_events *events, scow_error **error)
{
	struct pollfd fds = { .fd = scow_events_fd(events), .events = POLLIN };
	int r;

	for (;;) {
		r = scow_events_dispatch(events, error);
		if (fflush(stdout))
			return 1;
		if (r <= 0)
			return r;
		if (poll(&fds, 1, -1) < 0 && errno != EINTR)
			return 1;
	}
}

static int events(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_events) *stream = NULL;
	struct events_options *options = target;
	int64_t since = 0, until = 0;
	const char *filters = NULL;
	int r;

	(void) argc;
	(void) argv;
	if (!option_when(cli, "since", options->since, &since) || !option_when(cli, "until", options->until, &until))
		return EXIT_ENGINE;
	if (!filters_read(&options->filters, &filters))
		return EXIT_ENGINE;
	r = cli_engine(cli) ? 0 : 1;
	/* As Docker: the past only if it is asked for, which a time that is over does. */
	if (r == 0)
		r = scow_events_open(cli->engine, since || (until && until <= wall_ns()) ? 0 : UINT64_MAX, since, until, filters,
				     show_event, (void *) options->format, &stream, &error);
	if (r == 0)
		r = pump(stream, &error);
	if (r < 0 && scow_error_status(error) != SCOW_E_CANCELED)
		complain_error(&error);
	return r ? 1 : 0;
}

const struct command event_commands[] = {
	{ "events", "system events", "[OPTIONS]", "Show what happens to containers and images", events_table, sizeof(struct events_options),
	  0, 0, false, events },
	{ NULL },
};
