/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * scow_image_import(): a tar stream goes through the pipeline of a pulled layer, and its own bytes are what the diff id is of; a directory
 * is copied into a layer, and packed as it was copied.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/pack.h"
#include "base/cancel.h"
#include "base/fd.h"
#include "base/str.h"
#include "image/compose.h"
#include "image/instructions.h"

#define CHUNK (256u << 10)
#define DEFAULT_MESSAGE "Imported from -" /* as Docker's */

struct scow_import_options {
	char *reference, *message, *platform;
	char **changes;
	size_t n_changes;
	scow_cancel *cancel;
	bool failed; /* a setter had no memory */
};

struct import {
	scow_engine *engine;
	const scow_import_options *options;
	struct platform platform;
	char *reference;
	cJSON *settings;
	struct layer_made made;
	char chain_id[DIGEST_STRING];
};

scow_import_options *scow_import_options_new(void)
{
	return calloc(1, sizeof(scow_import_options));
}

scow_import_options *scow_import_options_unref(scow_import_options *options)
{
	if (options) {
		free(options->reference);
		free(options->message);
		free(options->platform);
		strv_free(options->changes);
		scow_cancel_unref(options->cancel);
		free(options);
	}
	return NULL;
}

void scow_import_options_set_reference(scow_import_options *options, const char *reference)
{
	if (options)
		options->failed |= !str_assign(&options->reference, reference);
}

void scow_import_options_set_message(scow_import_options *options, const char *message)
{
	if (options)
		options->failed |= !str_assign(&options->message, message);
}

void scow_import_options_set_platform(scow_import_options *options, const char *platform)
{
	if (options)
		options->failed |= !str_assign(&options->platform, platform);
}

void scow_import_options_add_change(scow_import_options *options, const char *instruction)
{
	if (options)
		options->failed |= !strv_push(&options->changes, &options->n_changes, strdup(instruction ? instruction : ""));
}

void scow_import_options_set_cancel(scow_import_options *options, scow_cancel *cancel)
{
	if (options)
		cancel_assign(&options->cancel, cancel);
}

/* All that can be wrong without a look at the bytes. */
static int check(struct import *import, scow_error **error)
{
	const scow_import_options *options = import->options;
	int r = options->failed ? error_oom(error) : compose_reference(options->reference, &import->reference, error);

	if (r == 0)
		r = platform_parse(options->platform, &import->platform, error);
	import->settings = cJSON_CreateObject();
	if (r == 0 && !import->settings)
		r = error_oom(error);
	for (size_t i = 0; i < options->n_changes && r == 0; i++)
		r = instruction_apply(import->settings, options->changes[i], error);
	return r;
}

static int feed(const struct import *import, int fd, struct layer_sink *sink, uint64_t *bytes, scow_error **error)
{
	_cleanup_free_ char *buffer = malloc(CHUNK);

	if (!buffer)
		return error_oom(error);
	for (*bytes = 0;;) {
		ssize_t n;
		int r = 0;

		/* A stream may be silent for long: the token is looked at meanwhile. */
		if (import->options->cancel)
			r = cancel_poll(import->options->cancel, fd, POLLIN, -1, error);
		if (r < 0)
			return r;
		n = read(fd, buffer, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(error, errno, "read", "read the archive");
		if (n == 0)
			return *bytes ? layer_sink_finish(sink, error) : error_set(error, SCOW_E_INVALID, "the archive is empty");
		*bytes += (uint64_t) n;
		r = layer_sink_write(sink, buffer, (size_t) n, error);
		if (r < 0)
			return r;
	}
}

static int import_stream(struct import *import, int fd, scow_error **error)
{
	const struct layer_sink_options options = { .blob_size = UINT64_MAX, .sniff = true };
	_cleanup_(layer_sink_abortp) struct layer_sink *sink = NULL;
	int r = layer_sink_open(import->engine, &options, &sink, error);

	if (r == 0)
		r = feed(import, fd, sink, &import->made.tar_size, error);
	if (r < 0)
		return r;
	memcpy(import->made.diff_id, layer_sink_diff_id(sink), DIGEST_STRING);
	r = layer_chain_id(NULL, import->made.diff_id, import->chain_id, error);
	if (r == 0)
		r = layer_sink_publish(take_ptr(&sink), NULL, NULL, error);
	return r < 0 ? r : 0;
}

static int import_tree(struct import *import, int fd, scow_error **error)
{
	const struct pack_source source = {
		.engine = import->engine, .walk.cancel = import->options->cancel, .top = "", .with_top = true, .layer = true
	};
	struct layer_tree tree = LAYER_TREE_INIT;
	int r = layer_tree_make(import->engine, &tree, error);

	if (r == 0)
		r = layer_tree_fill(import->engine, &tree, &source, fd, &import->made, error);
	if (r == 0)
		r = layer_tree_publish(import->engine, &tree, NULL, import->made.diff_id, import->made.size, import->chain_id, error);
	layer_tree_done(import->engine, &tree);
	return r < 0 ? r : 0;
}

static int import_all(struct import *import, int fd, scow_image **out, scow_error **error)
{
	struct compose compose = { .settings = import->settings,
				   .layer = &import->made,
				   .top_chain_id = import->chain_id,
				   .message = import->options->message ? import->options->message : DEFAULT_MESSAGE,
				   .platform = import->platform,
				   .reference = import->reference,
				   .action = "import" };
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return error_errno(error, errno, "fstat", "read the archive");
	r = S_ISDIR(st.st_mode) ? import_tree(import, fd, error) : import_stream(import, fd, error);
	return r < 0 ? r : compose_image(import->engine, &compose, out, error);
}

int scow_image_import(scow_engine *engine, int fd, const scow_import_options *options, scow_image **out, scow_error **error)
{
	static const scow_import_options defaults = { 0 };
	struct import import = { .engine = engine, .options = options ? options : &defaults };
	int r = engine_check(engine, error);

	if (r == 0 && fd < 0)
		r = error_set(error, SCOW_E_INVALID, "no descriptor of a file system was given");
	if (r == 0)
		r = check(&import, error);
	if (r == 0)
		r = import_all(&import, fd, out, error);
	free(import.reference);
	cJSON_Delete(import.settings);
	return r < 0 ? error_wrap(error, r, "import") : 0;
}
