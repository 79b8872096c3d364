/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pulling, and how far it is: a bar for each layer on a terminal, else one line for each change.
 *
 * An interrupt stops the pull at a safe place; layers that are finished stay for the next one.
 */
#include "cli.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

struct layer {
	char name[13];
	int phase;
	uint64_t done, total;
};

struct progress {
	FILE *out;
	bool bars;
	unsigned int rows, columns;
	struct layer *layers;
	size_t count, room;
	size_t settled; /* the layers before this one are done, and their lines will not be drawn again */
	size_t drawn;   /* lines on the screen below those */
	struct timespec last;
};

static scow_cancel *interrupted;
static volatile sig_atomic_t interrupted_by;

static void on_interrupt(int signal_number)
{
	interrupted_by = signal_number;
	scow_cancel_trigger(interrupted);
}

static const char *phase_text(int phase)
{
	static const char *const texts[] = { "Waiting", "Downloading", "Pull complete", "Already exists" };

	return phase >= 0 && phase <= SCOW_PULL_PRESENT ? texts[phase] : "";
}

static void draw_layer(const struct progress *progress, const struct layer *layer)
{
	enum { WIDTH = 40 };
	char bar[WIDTH + 1];
	size_t filled;

	fprintf(progress->out, "\033[2K%s: %s", layer->name, phase_text(layer->phase));
	if (layer->phase == SCOW_PULL_DOWNLOADING && layer->total) {
		filled = (size_t) (layer->done >= layer->total ? WIDTH : layer->done * WIDTH / layer->total);
		memset(bar, ' ', WIDTH);
		memset(bar, '=', filled);
		if (filled && filled < WIDTH)
			bar[filled - 1] = '>';
		bar[WIDTH] = 0;
		if (progress->columns >= 90)
			fprintf(progress->out, " [%s]", bar);
		fprintf(progress->out, " %s/%s", human_size(layer->done), human_size(layer->total));
	}
	fputc('\n', progress->out);
}

static bool settled(const struct layer *layer)
{
	return layer->phase == SCOW_PULL_DONE || layer->phase == SCOW_PULL_PRESENT;
}

/* Lines scroll out at the top once they are settled, so that the rest always fits the screen. */
static void draw(struct progress *progress)
{
	size_t limit = progress->rows > 2 ? progress->rows - 2 : 1;

	if (progress->drawn)
		fprintf(progress->out, "\033[%zuA", progress->drawn);
	while (progress->settled < progress->count && settled(&progress->layers[progress->settled]))
		draw_layer(progress, &progress->layers[progress->settled++]);
	progress->drawn = 0;
	for (size_t i = progress->settled; i < progress->count && progress->drawn < limit; i++, progress->drawn++)
		draw_layer(progress, &progress->layers[i]);
	fflush(progress->out);
	clock_gettime(CLOCK_MONOTONIC, &progress->last);
}

static bool drawn_lately(const struct progress *progress)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - progress->last.tv_sec) * 1000 + (now.tv_nsec - progress->last.tv_nsec) / 1000000 < 100;
}

static struct layer *find_layer(struct progress *progress, const char *digest)
{
	const char *name = short_id(digest, false);
	struct layer *larger;

	for (size_t i = 0; i < progress->count; i++)
		if (strcmp(progress->layers[i].name, name) == 0)
			return &progress->layers[i];
	if (progress->count == progress->room) {
		progress->room = progress->room ? progress->room * 2 : 16;
		larger = keep_alloc(progress->room * sizeof *larger);
		if (progress->count)
			memcpy(larger, progress->layers, progress->count * sizeof *larger);
		progress->layers = larger;
	}
	progress->layers[progress->count] = (struct layer){ .phase = -1 };
	snprintf(progress->layers[progress->count].name, sizeof progress->layers->name, "%s", name);
	return &progress->layers[progress->count++];
}

static int show_progress(const char *digest, int phase, uint64_t done, uint64_t total, void *userdata)
{
	struct progress *progress = userdata;
	struct layer *layer = find_layer(progress, digest);
	bool changed = layer->phase != phase;

	layer->phase = phase;
	layer->done = done;
	layer->total = total;
	if (progress->bars) {
		if (changed || !drawn_lately(progress))
			draw(progress);
	} else if (changed && phase != SCOW_PULL_DOWNLOADING) {
		fprintf(progress->out, "%s: %s\n", layer->name, phase == SCOW_PULL_WAITING ? "Pulling fs layer" : phase_text(phase));
		fflush(progress->out);
	}
	return 0;
}

static void progress_init(struct progress *progress, FILE *out)
{
	struct winsize size;
	const char *terminal = getenv("TERM");

	*progress = (struct progress){ .out = out };
	if (!out || !isatty(fileno(out)) || (terminal && strcmp(terminal, "dumb") == 0))
		return;
	progress->bars = ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_row > 2;
	progress->rows = size.ws_row;
	progress->columns = size.ws_col;
}

scow_image *pull_with_progress(struct cli *cli, const char *reference, const char *platform, bool insecure, FILE *out)
{
	SCOW_AUTO(scow_pull_options) *options = scow_pull_options_new();
	SCOW_AUTO(scow_error) *error = NULL;
	struct sigaction action = { .sa_handler = on_interrupt }, before[3];
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct progress progress;
	scow_image *image = NULL;

	progress_init(&progress, out);
	if (out)
		scow_pull_options_set_progress(options, show_progress, &progress);
	if (platform)
		scow_pull_options_set_platform(options, platform);
	scow_pull_options_set_insecure(options, insecure);
	if (!interrupted && scow_cancel_new(&interrupted, &error) < 0) {
		complain_error(&error);
		return NULL;
	}
	scow_pull_options_set_cancel(options, interrupted);
	for (size_t i = 0; i < 3; i++)
		sigaction(signals[i], &action, &before[i]);
	(void) scow_image_pull(cli->engine, reference, options, &image, &error);
	for (size_t i = 0; i < 3; i++)
		sigaction(signals[i], &before[i], NULL);
	if (image)
		return image;
	complain_error(&error);
	if (interrupted_by) {
		cli->engine = scow_engine_unref(cli->engine);
		raise(interrupted_by);
	}
	return NULL;
}

/* "linux/arm64" asks for any "linux/arm64/v8". */
static bool fits(const scow_image *image, const char *platform)
{
	const char *have = scow_image_platform(image);
	size_t n = strlen(platform);

	return strncmp(have, platform, n) == 0 && (!have[n] || have[n] == '/');
}

scow_image *obtain_image(struct cli *cli, const char *reference, const struct run_options *options)
{
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_image) *image = NULL;
	scow_image *taken;
	char *familiar = NULL;
	int r;

	if (!options->pull || strcmp(options->pull, "always") != 0) {
		r = scow_image_get(cli->engine, reference, &image, &error);
		if (r == 0 && (!options->platform || fits(image, options->platform))) {
			taken = image;
			image = NULL;
			return taken;
		}
		if ((r < 0 && r != SCOW_E_NOT_FOUND) || (r < 0 && options->pull && strcmp(options->pull, "never") == 0)) {
			complain_error(&error);
			return NULL;
		}
		if (r == 0 && options->pull && strcmp(options->pull, "never") == 0) {
			complain("image '%s' is for %s, not for %s", reference, scow_image_platform(image), options->platform);
			return NULL;
		}
		(void) scow_reference_familiar(reference, &familiar, NULL);
		if (!options->quiet)
			fprintf(stderr, "Unable to find image '%s' locally\n", printable(familiar ? familiar : reference, stderr, false));
		scow_free(familiar);
	}
	return pull_with_progress(cli, reference, options->platform, options->insecure, options->quiet ? NULL : stderr);
}
