/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* logs: what a detached container printed, each stream to ours of the same name. */
#include "cli.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

struct logs_options {
	bool follow, timestamps, details;
	const char *since, *until, *tail;
};
static const struct option logs_table[] = {
	{ "details", 0, OPTION_SWITCH, NULL, "Show what log options (labels, env, tag) added to each",
	  offsetof(struct logs_options, details) },
	{ "follow", 'f', OPTION_SWITCH, NULL, "Wait for more while the container runs", offsetof(struct logs_options, follow) },
	{ "since", 0, OPTION_TEXT, "string", "From a date on, as 2026-01-02T13:23:37Z, or a time ago, as 42m",
	  offsetof(struct logs_options, since) },
	{ "tail", 'n', OPTION_TEXT, "string", "So many lines of the end; \"all\" by default", offsetof(struct logs_options, tail) },
	{ "timestamps", 't', OPTION_SWITCH, NULL, "Show when each was written", offsetof(struct logs_options, timestamps) },
	{ "until", 0, OPTION_TEXT, "string", "Before a date, as 2026-01-02T13:23:37Z, or a time ago, as 42m",
	  offsetof(struct logs_options, until) },
	{ NULL },
};

struct show {
	const scow_log *log;
	bool timestamps, details;
	bool inside[3]; /* by stream: the last entry was part of a longer line */
};

/* "WHERE=here,stage=test ", by name. */
static const char *details_of(const scow_log *log)
{
	const char *text = scow_log_attributes(log);
	cJSON *attributes = text ? cJSON_Parse(text) : NULL, *last = NULL;

	text = "";
	/* The next in the order of names, as often as there are any. */
	for (size_t n = (size_t) cJSON_GetArraySize(attributes); n; n--) {
		cJSON *item, *next = NULL;

		cJSON_ArrayForEach(item, attributes) if ((!last || strcmp(item->string, last->string) > 0) &&
							 (!next || strcmp(item->string, next->string) < 0)) next = item;
		if (!next)
			break;
		text = keep_format("%s%s%s=%s", text, *text ? "," : "", next->string, cJSON_IsString(next) ? next->valuestring : "");
		last = next;
	}
	cJSON_Delete(attributes);
	return *text ? keep_format("%s ", text) : "";
}

static int show_entry(int stream, int64_t time_ns, const void *data, size_t size, void *userdata)
{
	FILE *out = stream == SCOW_STDERR ? stderr : stdout;
	struct show *show = userdata;

	if (show->timestamps && !show->inside[stream]) {
		char stamp[TIME_TEXT];

		time_format(stamp, time_ns, false);
		fprintf(out, "%s ", stamp);
	}
	if (show->details && !show->inside[stream]) {
		void *mark = keep_mark();

		fputs(printable(details_of(show->log), out, false), out);
		keep_release(mark);
	}
	show->inside[stream] = size && ((const char *) data)[size - 1] != '\n';
	/* As both may be the same terminal or pipe, one must not overtake the other. */
	if (stream == SCOW_STDERR)
		fflush(stdout);
	return fwrite(data, 1, size, out) == size ? 0 : 1;
}

static bool parse_tail(const struct cli *cli, const char *text, int64_t *tail)
{
	*tail = -1;
	if (!text || strcmp(text, "all") == 0 || strcmp(text, "") == 0)
		return true;
	/* Docker takes a negative number for all. */
	if (parse_number(text, tail))
		return true;
	complain_usage(cli, "--tail: '%s' is neither a number nor \"all\"", text);
	return false;
}

/* Until it is at its end. A negative status, or 0; 1: our output broke. */
static int pump(scow_log *log, scow_error **error)
{
	struct pollfd fds = { .fd = scow_log_fd(log), .events = POLLIN };
	int r;

	for (;;) {
		r = scow_log_dispatch(log, error);
		if (fflush(stdout) || ferror(stderr))
			return 1;
		if (r <= 0)
			return r;
		if (poll(&fds, 1, -1) < 0 && errno != EINTR)
			return 1;
	}
}

static int logs(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_log) *log = NULL;
	struct logs_options *options = target;
	struct show show = { .timestamps = options->timestamps, .details = options->details };
	int64_t since = 0, until = 0, tail;
	int r;

	(void) argc;
	if (!option_when(cli, "since", options->since, &since) || !option_when(cli, "until", options->until, &until) ||
	    !parse_tail(cli, options->tail, &tail))
		return EXIT_ENGINE;
	if (!cli_engine(cli))
		return 1;
	r = scow_container_get(cli->engine, argv[0], &container, &error);
	if (r == 0)
		r = scow_container_logs(container, options->follow ? SCOW_LOG_FOLLOW : 0, since, until, tail < 0 ? -1 : tail, show_entry,
					&show, &log, &error);
	show.log = log;
	if (r == 0)
		r = pump(log, &error);
	if (r < 0 && scow_error_status(error) != SCOW_E_CANCELED)
		complain_error(&error);
	return r ? 1 : 0;
}

const struct command log_commands[] = {
	{ "logs", "container logs", "[OPTIONS] CONTAINER", "Show what a detached container printed", logs_table,
	  sizeof(struct logs_options), 1, 1, false, logs },
	{ NULL },
};
