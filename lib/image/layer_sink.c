/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pipeline of one layer. The caller's thread copies compressed bytes into a ring and goes on receiving; one thread
 * hashes and keeps them, and inflates into a second ring; another hashes the plain bytes and untars. Of a gzip layer
 * each of the two has about half of the work, so that two cores unpack about as fast as one inflates.
 *
 * 1. Both threads end in finish or abort, before it returns; they call no callback and log nothing.
 * 2. The first failure is kept; it breaks both rings, which releases whoever waits.
 * 3. ROOT/tmp/layer-<hex> is ours as long as its flock(2) is held (a directory takes no OFD lock): the sweep deletes
 *    those whose lock it can take.
 */
#include "image/layer.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "archive/codec.h"
#include "base/fd.h"
#include "image/channel.h"
#include "image/layer-internal.h"
#include "store/db.h"
#include "store/recover.h"

#define RING_BYTES (1u << 20)
#define STACK_BYTES (512u << 10)

struct layer_sink {
	scow_engine *engine; /* borrowed: the caller holds it */
	struct channel packed, plain;
	pthread_t threads[2];
	unsigned int n_threads;

	pthread_mutex_t lock; /* of status and error */
	int status;
	scow_error *error;

	/* Of the first thread, until it is joined. */
	enum codec_kind kind;
	bool sniff;
	uint64_t packed_size;
	char packed_digest[DIGEST_STRING];
	/* Of the second. */
	struct unpack_stats stats;
	struct digest_ctx *plain_ctx;
	size_t lent; /* bytes of the ring that the unpacker is reading */
	char plain_digest[DIGEST_STRING];

	char blob_digest[DIGEST_STRING]; /* expected; "" if not known */
	uint64_t blob_size;
	char diff_id[DIGEST_STRING]; /* expected, or "" until it is known */
	char name[LAYER_TMP_NAME];   /* in ROOT/tmp; "" once it is elsewhere */
	int dir_fd;
};

/* Takes @error. */
static void sink_fail(struct layer_sink *sink, int status, scow_error *error)
{
	pthread_mutex_lock(&sink->lock);
	if (sink->status == 0) {
		sink->status = status;
		sink->error = take_ptr(&error);
	}
	pthread_mutex_unlock(&sink->lock);
	scow_error_unref(error);
	channel_break(&sink->packed);
	channel_break(&sink->plain);
}

/* The failure of the pipeline, for the caller. */
static int sink_status(struct layer_sink *sink, scow_error **error)
{
	int r;

	pthread_mutex_lock(&sink->lock);
	r = sink->status;
	if (r < 0 && error)
		*error = scow_error_ref(sink->error);
	pthread_mutex_unlock(&sink->lock);
	return r;
}

static int broken(scow_error **error)
{
	return error_set(error, SCOW_E_CANCELED, "the layer was given up"); /* never seen where there is a reason: that came first */
}

static int give_plain(void *userdata, const void *data, size_t size, scow_error **error)
{
	struct layer_sink *sink = userdata;

	return channel_write(&sink->plain, data, size) ? 0 : broken(error);
}

static int inflate_some(struct layer_sink *sink, struct codec *codec, struct digest_ctx *ctx, const void *data, size_t size,
			scow_error **error)
{
	sink->packed_size += size;
	if (sink->packed_size > sink->blob_size)
		return error_set(error, SCOW_E_CORRUPT, "the layer '%s' is longer than the %llu bytes that its manifest states",
				 sink->blob_digest, (unsigned long long) sink->blob_size);
	digest_update(ctx, data, size);
	return codec_feed(codec, data, size, error);
}

static int inflate_all(struct layer_sink *sink, struct digest_ctx *ctx, scow_error **error)
{
	_cleanup_(codec_freep) struct codec *codec = NULL;
	const void *data;
	ssize_t n;
	int r;

	n = channel_read(&sink->packed, 16, &data);
	if (n < 0)
		return broken(error);
	if (sink->sniff)
		sink->kind = codec_sniff(data, (size_t) n);
	r = codec_new(sink->kind, give_plain, sink, &codec, error);
	while (r == 0 && (n = channel_read(&sink->packed, 1, &data)) > 0) {
		r = inflate_some(sink, codec, ctx, data, (size_t) n, error);
		channel_consume(&sink->packed, (size_t) n);
	}
	if (r == 0 && n < 0)
		r = broken(error);
	return r < 0 ? r : codec_finish(codec, error);
}

static void *inflate_thread(void *userdata)
{
	struct layer_sink *sink = userdata;
	struct digest_ctx *ctx = NULL;
	scow_error *error = NULL;
	int r = digest_new(&ctx, &error);

	if (r == 0)
		r = inflate_all(sink, ctx, &error);
	if (r < 0) {
		sink_fail(sink, r, error);
	} else {
		digest_final(ctx, sink->packed_digest);
		channel_end(&sink->plain);
	}
	digest_free(ctx);
	return NULL;
}

static ssize_t take_plain(void *userdata, const void **data, scow_error **error)
{
	struct layer_sink *sink = userdata;
	ssize_t n;

	if (sink->lent)
		channel_consume(&sink->plain, sink->lent);
	sink->lent = 0;
	n = channel_read(&sink->plain, 1, data);
	if (n < 0)
		return broken(error);
	digest_update(sink->plain_ctx, *data, (size_t) n);
	sink->lent = (size_t) n;
	return n;
}

static void *unpack_thread(void *userdata)
{
	struct layer_sink *sink = userdata;
	scow_error *error = NULL;
	int r = digest_new(&sink->plain_ctx, &error);

	if (r == 0)
		r = unpack_layer(sink->engine, sink->dir_fd, take_plain, sink, &sink->stats, &error);
	if (r < 0)
		sink_fail(sink, r, error);
	else
		digest_final(sink->plain_ctx, sink->plain_digest);
	digest_free(sink->plain_ctx);
	return NULL;
}

static int start_threads(struct layer_sink *sink, scow_error **error)
{
	void *(*const stages[])(void *) = { inflate_thread, unpack_thread };
	pthread_attr_t attributes;
	sigset_t all;
	int r = 0;

	/* Born with all signals blocked: the host's handlers never run on them. */
	sigfillset(&all);
	pthread_attr_init(&attributes);
	pthread_attr_setsigmask_np(&attributes, &all);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	for (size_t i = 0; i < ARRAY_SIZE(stages) && r == 0; i++) {
		r = pthread_create(&sink->threads[i], &attributes, stages[i], sink);
		sink->n_threads += r == 0;
	}
	pthread_attr_destroy(&attributes);
	return r ? error_errno(error, r, "pthread_create", "start the threads that unpack a layer") : 0;
}

static void join_threads(struct layer_sink *sink)
{
	while (sink->n_threads)
		pthread_join(sink->threads[--sink->n_threads], NULL);
}

int layer_sink_open(scow_engine *engine, const struct layer_sink_options *options, struct layer_sink **out, scow_error **error)
{
	_cleanup_(layer_sink_abortp) struct layer_sink *sink = NULL;
	bool ready;
	int r;

	for (int i = 0; i < 2; i++) {
		const char *digest = i ? options->blob_digest : options->diff_id;

		if (digest && !digest_is_valid(digest))
			return error_set(error, SCOW_E_CORRUPT, "'%.100s' is not a sha256 digest", digest);
	}
	sink = calloc(1, sizeof(*sink));
	if (!sink)
		return error_oom(error);
	sink->engine = engine;
	sink->dir_fd = -1;
	sink->kind = options->codec;
	sink->sniff = options->sniff;
	sink->blob_size = options->blob_size;
	snprintf(sink->blob_digest, sizeof(sink->blob_digest), "%s", options->blob_digest ? options->blob_digest : "");
	snprintf(sink->diff_id, sizeof(sink->diff_id), "%s", options->diff_id ? options->diff_id : "");
	pthread_mutex_init(&sink->lock, NULL);
	ready = channel_init(&sink->packed, RING_BYTES);
	ready = channel_init(&sink->plain, RING_BYTES) && ready;
	if (!ready)
		return error_oom(error);
	r = layer_directory_make(engine, sink->name, &sink->dir_fd, error);
	if (r == 0)
		r = start_threads(sink, error);
	if (r < 0)
		return r;
	*out = take_ptr(&sink);
	return 0;
}

int layer_sink_write(struct layer_sink *sink, const void *data, size_t size, scow_error **error)
{
	return channel_write(&sink->packed, data, size) ? 0 : sink_status(sink, error);
}

size_t layer_sink_room(struct layer_sink *sink)
{
	return channel_room(&sink->packed);
}

static void log_warnings(struct layer_sink *sink)
{
	char *saved, *line = sink->stats.warnings ? strtok_r(sink->stats.warnings, "\n", &saved) : NULL;

	for (; line; line = strtok_r(NULL, "\n", &saved))
		engine_log(sink->engine, SCOW_LOG_WARNING, "layer %.19s: %s", sink->diff_id, line);
}

static int verify(struct layer_sink *sink, scow_error **error)
{
	const char *what = *sink->blob_digest ? sink->blob_digest : *sink->diff_id ? sink->diff_id : "of a stream";

	if (sink->blob_size != UINT64_MAX && sink->packed_size != sink->blob_size)
		return error_set(error, SCOW_E_CORRUPT, "the layer '%s' has %llu bytes, its manifest states %llu", what,
				 (unsigned long long) sink->packed_size, (unsigned long long) sink->blob_size);
	if (*sink->blob_digest && strcmp(sink->packed_digest, sink->blob_digest) != 0)
		return error_set(error, SCOW_E_CORRUPT, "the layer '%s' came with the digest '%s'", sink->blob_digest, sink->packed_digest);
	if (!*sink->diff_id)
		memcpy(sink->diff_id, sink->plain_digest, sizeof(sink->diff_id));
	if (strcmp(sink->plain_digest, sink->diff_id) != 0)
		return error_set(error, SCOW_E_CORRUPT, "the layer '%s' unpacks to the diff id '%s', the image's config states '%s'", what,
				 sink->plain_digest, sink->diff_id);
	return 0;
}

int layer_sink_finish(struct layer_sink *sink, scow_error **error)
{
	int r;

	channel_end(&sink->packed);
	join_threads(sink);
	r = sink_status(sink, error);
	if (r < 0)
		return *sink->blob_digest || *sink->diff_id
			       ? error_wrap(error, r, "layer '%s'", *sink->blob_digest ? sink->blob_digest : sink->diff_id)
			       : r;
	log_warnings(sink);
	return verify(sink, error);
}

const char *layer_sink_diff_id(const struct layer_sink *sink)
{
	return sink->diff_id;
}

int layer_sink_publish(struct layer_sink *sink, const char *parent_chain_id, const char *blob_digest, scow_error **error)
{
	struct layer_row row = { .parent = parent_chain_id, .diff_id = sink->diff_id, .blob = blob_digest, .size = sink->stats.bytes };
	char sums[17];
	int r = layer_chain_id(parent_chain_id, sink->diff_id, row.chain_id, error);

	snprintf(sums, sizeof(sums), LAYER_SUMS, sink->stats.sums);
	/* What is copied from layers below is not in them. */
	if (!sink->stats.sums_lost && !sink->stats.lower_links)
		row.sums = sums;
	if (sink->stats.replaced) {
		const int64_t bytes = recover_tree_bytes(sink->dir_fd);

		row.size = bytes < 0 ? row.size : (uint64_t) bytes;
	}
	if (r == 0 && sink->stats.lower_links)
		r = layer_links(sink->engine, sink->name, parent_chain_id, &sink->stats, &row.size, error);
	if (r == 0)
		r = layer_publish(sink->engine, sink->name, &row, error);
	if (r == 0)
		sink->name[0] = 0;
	layer_sink_abort(sink);
	return r;
}

void layer_sink_abort(struct layer_sink *sink)
{
	if (!sink)
		return;
	if (sink->n_threads) {
		scow_error *error = NULL;
		int r = broken(&error);

		sink_fail(sink, r, error);
		join_threads(sink);
	}
	if (*sink->name)
		(void) !userns_remove_tree(sink->engine, sink->engine->tmp_fd, sink->name, NULL);
	cleanup_fd(&sink->dir_fd);
	channel_done(&sink->packed);
	channel_done(&sink->plain);
	pthread_mutex_destroy(&sink->lock);
	scow_error_unref(sink->error);
	free(sink->stats.warnings);
	free(sink->stats.lower_links);
	free(sink);
}
