/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * load_tool [options] ROOT ARCHIVE|-: one scow_image_load() on the public API, for tests/integration/test_load.py.
 * load_tool -l ROOT: no load; load_tool -d NAME ROOT: removes an image.
 *
 * Prints one JSON object: status, message and hint of the call, the ids and names of what it gave, and under "store" what
 * `inspect` and `history` say of every image that is there afterwards.
 */
#include <scow/scow.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_string(const char *text)
{
	putchar('"');
	for (const unsigned char *p = (const unsigned char *) (text ? text : ""); *p; p++)
		if (*p == '"' || *p == '\\' || *p < 0x20)
			printf("\\u%04x", *p);
		else
			putchar(*p);
	putchar('"');
}

static void print_result(int status, scow_error *error)
{
	printf("{\"status\": \"%s\", \"message\": ", scow_status_name(status));
	print_string(status < 0 ? scow_error_message(error) : "");
	printf(", \"hint\": ");
	print_string(scow_error_hint(error));
}

static void print_loaded(scow_iter *iter)
{
	scow_image *image;

	printf(", \"loaded\": [");
	for (int n = 0; (image = scow_iter_next_image(iter)); n++) {
		printf("%s{\"id\": \"%s\", \"tags\": [", n ? ", " : "", scow_image_id(image));
		for (size_t i = 0; i < scow_image_tag_count(image); i++) {
			printf("%s", i ? ", " : "");
			print_string(scow_image_tag_at(image, i));
		}
		printf("], \"platform\": \"%s\"}", scow_image_platform(image));
	}
	printf("]");
}

static int print_store(scow_engine *engine)
{
	scow_iter *iter = NULL;
	scow_image *image;
	int n = 0;

	printf(", \"store\": [");
	if (scow_image_list(engine, NULL, &iter, NULL) < 0)
		return 1;
	while ((image = scow_iter_next_image(iter))) {
		char *inspect = NULL, *history = NULL;
		int status = scow_image_inspect_json(image, &inspect, NULL);

		if (status == 0)
			status = scow_image_history_json(image, &history, NULL);
		/* Another process may have removed it since it was listed. */
		if (status < 0 && status != SCOW_E_NOT_FOUND)
			return 1;
		if (status == 0)
			printf("%s{\"inspect\": %s, \"history\": %s}", n++ ? ", " : "", inspect, history);
		scow_free(inspect);
		scow_free(history);
	}
	scow_iter_unref(iter);
	printf("]}\n");
	return 0;
}

struct timer {
	scow_cancel *cancel;
	long ms;
};

static void *cancel_later(void *data)
{
	struct timer *timer = data;

	usleep((useconds_t) timer->ms * 1000);
	scow_cancel_trigger(timer->cancel);
	return NULL;
}

int main(int argc, char **argv)
{
	scow_engine_options *engine_options = scow_engine_options_new();
	scow_load_options *options = scow_load_options_new();
	scow_engine *engine = NULL;
	scow_error *error = NULL;
	scow_iter *loaded = NULL;
	struct timer timer = { NULL, -1 };
	const char *remove = NULL;
	pthread_t thread;
	int option, list_only = 0, fd, status = 0;

	while ((option = getopt(argc, argv, "p:r:c:d:l")) != -1) {
		if (option == 'p')
			scow_load_options_set_platform(options, optarg);
		else if (option == 'r')
			scow_load_options_set_reference(options, optarg);
		else if (option == 'c')
			timer.ms = atol(optarg);
		else if (option == 'd')
			remove = optarg;
		else if (option == 'l')
			list_only = 1;
		else
			return 2;
	}
	if (optind >= argc || (optind + 1 >= argc && !remove && !list_only))
		return fprintf(stderr, "usage: load_tool [-p PLATFORM] [-r REFERENCE] [-c CANCEL-MS] ROOT ARCHIVE|-\n"), 2;
	scow_engine_options_set_root(engine_options, argv[optind]);
	if (scow_engine_open(engine_options, &engine, &error) < 0)
		return fprintf(stderr, "load_tool: %s\n", scow_error_message(error)), 1;
	if (remove) {
		status = scow_image_remove(engine, remove, 0, NULL, &error);
	} else if (!list_only) {
		fd = strcmp(argv[optind + 1], "-") == 0 ? STDIN_FILENO : open(argv[optind + 1], O_RDONLY | O_CLOEXEC);
		if (timer.ms >= 0) {
			scow_cancel_new(&timer.cancel, NULL);
			scow_load_options_set_cancel(options, timer.cancel);
			pthread_create(&thread, NULL, cancel_later, &timer);
		}
		status = scow_image_load(engine, fd, options, &loaded, &error);
		if (timer.ms >= 0)
			pthread_join(thread, NULL);
	}
	print_result(status, error);
	print_loaded(loaded);
	status = print_store(engine);
	scow_iter_unref(loaded);
	scow_error_unref(error);
	scow_cancel_unref(timer.cancel);
	scow_load_options_unref(options);
	scow_engine_options_unref(engine_options);
	scow_engine_unref(engine);
	return status;
}
