/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pull_tool [options] ROOT REFERENCE: one scow_image_pull() on the public API, for tests/integration/test_pull.py.
 *
 * Prints one JSON object a line: {"layer", "phase", "done", "total"} of each progress report, then one for each thread's
 * result with status, message and hint, or the image; "peak_kib" is the process's largest resident size. The last line
 * has what the process had open before the first engine and after the last one.
 */
#include <scow/scow.h>

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct wishes {
	const char *root, *reference;
	scow_pull_options *options;
	scow_cancel *cancel;
	long stop_at_bytes; /* the callback ends the pull */
	long cancel_after_ms;
	int threads, quiet;
	int share;           /* one engine for all threads */
	scow_engine *engine; /* the shared one */
	pthread_mutex_t print;
};

static void print_string(const char *name, const char *text)
{
	printf("\"%s\": \"", name);
	for (const unsigned char *p = (const unsigned char *) (text ? text : ""); *p; p++)
		if (*p == '"' || *p == '\\' || *p < 0x20)
			printf("\\u%04x", *p);
		else
			putchar(*p);
	printf("\"");
}

static long peak_kib(void)
{
	char line[256];
	long peak = 0;
	FILE *file = fopen("/proc/self/status", "re");

	while (file && fgets(line, sizeof line, file))
		if (strncmp(line, "VmHWM:", 6) == 0)
			peak = atol(line + 6);
	if (file)
		fclose(file);
	return peak;
}

static int entries(const char *path)
{
	DIR *dir = opendir(path);
	int count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count - 3; /* ".", ".." and, of descriptors, the one that looks */
}

static int show(const char *layer, int phase, uint64_t done, uint64_t total, void *userdata)
{
	struct wishes *wishes = userdata;

	if (!wishes->quiet) {
		pthread_mutex_lock(&wishes->print);
		printf("{\"layer\": \"%s\", \"phase\": %d, \"done\": %" PRIu64 ", \"total\": %" PRIu64 "}\n", layer, phase, done, total);
		fflush(stdout);
		pthread_mutex_unlock(&wishes->print);
	}
	return wishes->stop_at_bytes >= 0 && phase == SCOW_PULL_DOWNLOADING && done >= (uint64_t) wishes->stop_at_bytes;
}

static void print_image(scow_image *image)
{
	print_string("id", scow_image_id(image));
	printf(", \"size\": %" PRIu64 ", ", scow_image_size_bytes(image));
	print_string("platform", scow_image_platform(image));
	printf(", \"tags\": [");
	for (size_t i = 0; i < scow_image_tag_count(image); i++)
		printf("%s\"%s\"", i ? ", " : "", scow_image_tag_at(image, i));
	printf("], \"digests\": [");
	for (size_t i = 0; i < scow_image_digest_count(image); i++)
		printf("%s\"%s\"", i ? ", " : "", scow_image_digest_at(image, i));
	printf("], ");
}

static int open_engine(const struct wishes *wishes, scow_engine **engine, scow_error **error)
{
	scow_engine_options *options = scow_engine_options_new();
	int r;

	scow_engine_options_set_root(options, wishes->root);
	r = scow_engine_open(options, engine, error);
	scow_engine_options_unref(options);
	return r;
}

static void *pull(void *userdata)
{
	struct wishes *wishes = userdata;
	scow_engine *engine = NULL;
	scow_image *image = NULL;
	scow_error *error = NULL;
	int r = 0;

	if (wishes->engine)
		engine = scow_engine_ref(wishes->engine);
	else
		r = open_engine(wishes, &engine, &error);
	if (r == 0)
		r = scow_image_pull(engine, wishes->reference, wishes->options, &image, &error);
	pthread_mutex_lock(&wishes->print);
	printf("{");
	print_string("status", scow_status_name(r));
	printf(", ");
	print_string("message", scow_error_message(error));
	printf(", ");
	print_string("hint", scow_error_hint(error));
	printf(", ");
	if (image)
		print_image(image);
	printf("\"peak_kib\": %ld}\n", peak_kib());
	fflush(stdout);
	pthread_mutex_unlock(&wishes->print);
	scow_image_unref(image);
	scow_error_unref(error);
	scow_engine_unref(engine);
	return NULL;
}

static void *cancel_later(void *userdata)
{
	struct wishes *wishes = userdata;

	usleep((useconds_t) wishes->cancel_after_ms * 1000);
	scow_cancel_trigger(wishes->cancel);
	return NULL;
}

static int read_options(struct wishes *wishes, int argc, char **argv)
{
	scow_pull_options *options = wishes->options;
	char *user = NULL;
	int option;

	while ((option = getopt(argc, argv, "u:p:P:j:m:is:c:t:Sq")) != -1) {
		switch (option) {
		case 'u':
			user = optarg;
			break;
		case 'p':
			scow_pull_options_set_credentials(options, user, optarg);
			break;
		case 'P':
			scow_pull_options_set_platform(options, optarg);
			break;
		case 'j':
			scow_pull_options_set_parallel(options, (unsigned int) atoi(optarg));
			break;
		case 'm':
			scow_pull_options_set_policy(options, strcmp(optarg, "missing") == 0 ? SCOW_PULL_MISSING
							      : strcmp(optarg, "never") == 0 ? SCOW_PULL_NEVER
											     : SCOW_PULL_ALWAYS);
			break;
		case 'i':
			scow_pull_options_set_insecure(options, 1);
			break;
		case 's':
			wishes->stop_at_bytes = atol(optarg);
			break;
		case 'c':
			wishes->cancel_after_ms = atol(optarg);
			break;
		case 't':
			wishes->threads = atoi(optarg);
			break;
		case 'S':
			wishes->share = 1;
			break;
		case 'q':
			wishes->quiet = 1;
			break;
		default:
			return -1;
		}
	}
	wishes->root = argv[optind];
	wishes->reference = optind < argc ? argv[optind + 1] : NULL;
	return wishes->reference ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct wishes wishes = { .options = scow_pull_options_new(), .stop_at_bytes = -1, .threads = 1 };
	pthread_t threads[64], canceler;
	int fds = entries("/proc/self/fd"), tasks = entries("/proc/self/task") + 1; /* a sanitizer has one of its own */

	pthread_mutex_init(&wishes.print, NULL);
	if (read_options(&wishes, argc, argv) < 0 || wishes.threads < 1 || wishes.threads > 64)
		return fprintf(stderr, "usage: pull_tool [-u USER -p PASSWORD] [-P PLATFORM] [-j LAYERS] [-m POLICY] [-i] [-q] "
				       "[-s BYTES] [-c MS] [-t THREADS] [-S] ROOT REFERENCE\n"),
		       2;
	if (scow_cancel_new(&wishes.cancel, NULL) < 0)
		return 1;
	fds++; /* the token's */
	if (wishes.share && open_engine(&wishes, &wishes.engine, NULL) < 0)
		return 1;
	scow_pull_options_set_progress(wishes.options, show, &wishes);
	scow_pull_options_set_cancel(wishes.options, wishes.cancel);
	if (wishes.cancel_after_ms)
		pthread_create(&canceler, NULL, cancel_later, &wishes);
	for (int i = 1; i < wishes.threads; i++)
		pthread_create(&threads[i], NULL, pull, &wishes);
	pull(&wishes);
	for (int i = 1; i < wishes.threads; i++)
		pthread_join(threads[i], NULL);
	if (wishes.cancel_after_ms)
		pthread_join(canceler, NULL);
	scow_engine_unref(wishes.engine);
	printf("{\"fds_before\": %d, \"fds_after\": %d, \"threads_before\": %d, \"threads_after\": %d}\n", fds, entries("/proc/self/fd"),
	       tasks, entries("/proc/self/task") + 1);
	scow_pull_options_unref(wishes.options);
	scow_cancel_unref(wishes.cancel);
	return 0;
}
