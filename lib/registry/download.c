/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One thread, one loop: libcurl's transfers feed the layers' sinks, which have threads of their own.
 *
 * 1. A layer is worked on under its lock ("layer-<hex of the chain id>"), taken without waiting: a layer
 *    that another puller has is looked at again until it is there, while the others go on. Nobody stops
 *    for a lock, so no two pullers stop each other.
 * 2. A sink that is full pauses its transfer, not the loop; the only transfer waits inside its sink, for moments.
 * 3. A cut transfer goes on at the byte where it broke. The sink has consumed what came before, so where
 *    the server cannot give a range, that many bytes of the whole are skipped; the digest is over all of
 *    them in any case.
 * 4. A blob that stands in several places of the image is fetched once, into the first one's sink and an
 *    unnamed file, from which the others are fed.
 */
#include "registry/download.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/fd.h"
#include "engine/engine.h"
#include "image/layer.h"
#include "store/lock.h"

/* A full sink is looked at again this often; it drains at 200 MB/s at best. */
#define PAUSED_POLL_MS 2
#define RESUME_ROOM (256u << 10)
/* How long the only transfer may wait inside its sink, before the loop sees to cancel and progress. */
#define BLOCK_US 20000u
#define BUSY_POLL_MS 50
#define PROGRESS_EVERY_US 100000u
/* Cuts that made progress start the back-off anew; a registry that gives a byte each time is given up all the same. */
#define MAX_CUTS 64

enum slot_state { QUEUED, FETCHING, FETCHED, DONE, PRESENT };

struct slot {
	const struct download *download;
	const struct descriptor *layer;
	const char *diff_id;
	char chain_id[DIGEST_STRING];
	enum slot_state state;
	size_t first; /* index of the first slot with this blob; its own if none */
	bool shared;  /* others want the same blob */
	int spool_fd, lock_fd;
	struct layer_sink *sink;
	struct http_transfer *transfer;
	struct attempt attempt;
	uint64_t not_before_us;
	uint64_t block_until_us;
	uint64_t taken;          /* bytes that the sink has */
	uint64_t skip;           /* of the running answer, still */
	uint64_t taken_at_start; /* of the running try */
	unsigned int cuts;
	bool started, paused, no_range, bad_range;
	int shown_phase;
	uint64_t shown, shown_us;
};

struct work {
	const struct download *download;
	struct slot *slots;
	size_t n_slots;
	size_t published; /* slots below this one are in the store */
};

static const char *slot_name(const struct slot *slot)
{
	return slot->layer->digest;
}

static void slot_lock_name(const struct slot *slot, char name[80])
{
	snprintf(name, 80, "layer-%s", digest_hex(slot->chain_id));
}

static void slot_unlock(struct slot *slot)
{
	char name[80];

	if (slot->lock_fd < 0)
		return;
	slot_lock_name(slot, name);
	work_unlock(slot->download->engine, name, take_fd(&slot->lock_fd));
}

/* Transfers before the client, sinks before the locks. */
static void work_done(struct work *work)
{
	for (size_t i = 0; work->slots && i < work->n_slots; i++) {
		struct slot *slot = &work->slots[i];

		http_transfer_free(slot->transfer);
		layer_sink_abort(slot->sink);
		slot_unlock(slot);
		attempt_done(&slot->attempt);
		cleanup_fd(&slot->spool_fd);
	}
	free(work->slots);
}

/* The layers as slots, and which of them the store has: one that is there stands on all below it. */
static int work_init(struct work *work, const struct download *download, scow_error **error)
{
	const struct manifest *manifest = download->manifest;
	int present = 0, r;

	work->download = download;
	work->n_slots = manifest->n_layers;
	work->slots = calloc(manifest->n_layers + 1, sizeof *work->slots);
	if (!work->slots)
		return error_oom(error);
	for (size_t i = 0; i < work->n_slots; i++) {
		struct slot *slot = &work->slots[i];

		slot->download = download;
		slot->layer = &manifest->layers[i];
		slot->diff_id = download->config->diff_ids[i];
		slot->spool_fd = slot->lock_fd = -1;
		slot->first = i;
		slot->shown_phase = -1;
		r = layer_chain_id(i ? work->slots[i - 1].chain_id : NULL, slot->diff_id, slot->chain_id, error);
		if (r < 0)
			return r;
	}
	for (size_t i = work->n_slots; i-- > 0;) {
		if (!present)
			present = layer_exists(download->engine, work->slots[i].chain_id, error);
		if (present < 0)
			return present;
		if (!present)
			continue;
		work->slots[i].state = PRESENT;
		if (work->published == 0)
			work->published = i + 1;
	}
	for (size_t i = work->published; i < work->n_slots; i++) {
		for (size_t k = work->published; k < i && work->slots[i].first == i; k++)
			if (strcmp(slot_name(&work->slots[k]), slot_name(&work->slots[i])) == 0) {
				work->slots[i].first = k;
				work->slots[k].shared = true;
			}
	}
	return 0;
}

static int open_sink(struct slot *slot, scow_error **error)
{
	struct layer_sink_options options = { .blob_digest = slot->layer->digest,
					      .blob_size = slot->layer->size,
					      .diff_id = slot->diff_id };

	if (!manifest_layer_codec(slot->layer->media_type, &options.codec))
		return error_set(error, SCOW_E_UNSUPPORTED, "layer '%s' is of type '%s', which a registry does not hold", slot_name(slot),
				 slot->layer->media_type ? slot->layer->media_type : "");
	/* Media types have been seen to lie about the compression; the digests do not. */
	options.sniff = true;
	return layer_sink_open(slot->download->engine, &options, &slot->sink, error);
}

/* What the first byte of an answer tells: whether these are the bytes that we asked for. */
static int check_start(struct slot *slot, const struct http_response *response, scow_error **error)
{
	uint64_t size = slot->layer->size;

	slot->started = true;
	if (response->status == 206) {
		if (!response->has_range || response->range_first != slot->taken_at_start || !slot->taken_at_start ||
		    (response->range_total != UINT64_MAX && response->range_total != size)) {
			slot->bad_range = true;
			return error_set(error, SCOW_E_NETWORK, "layer '%s': the registry gives another range than the one asked for",
					 slot_name(slot));
		}
		slot->skip = 0;
		return 0;
	}
	slot->skip = slot->taken_at_start;
	if (response->content_length >= 0 && (uint64_t) response->content_length != size)
		return error_set(error, SCOW_E_CORRUPT, "layer '%s' is said to have %llu bytes; the registry sends %lld", slot_name(slot),
				 (unsigned long long) size, (long long) response->content_length);
	return 0;
}

static int take_bytes(void *userdata, const struct http_response *response, const void *data, size_t size, scow_error **error)
{
	struct slot *slot = userdata;
	const char *bytes = data;
	int r;

	if (!slot->started) {
		r = check_start(slot, response, error);
		if (r < 0)
			return r;
	}
	if (clock_us() >= slot->block_until_us && layer_sink_room(slot->sink) < size) {
		slot->paused = true;
		return HTTP_PAUSE;
	}
	if (slot->skip) {
		size_t skipped = slot->skip < size ? (size_t) slot->skip : size;

		slot->skip -= skipped;
		bytes += skipped;
		size -= skipped;
	}
	if (size > slot->layer->size - slot->taken)
		return error_set(error, SCOW_E_CORRUPT, "layer '%s' has more than the %llu bytes it is said to have", slot_name(slot),
				 (unsigned long long) slot->layer->size);
	if (!size)
		return 0;
	if (slot->spool_fd >= 0) {
		r = fd_write_all(slot->spool_fd, bytes, size);
		if (r < 0)
			return error_errno(error, -r, "write", "keep layer '%s'", slot_name(slot));
	}
	r = layer_sink_write(slot->sink, bytes, size, error);
	if (r < 0)
		return r;
	slot->taken += size;
	return 0;
}

static int start_transfer(struct slot *slot, scow_error **error)
{
	struct http_request request = { .body = take_bytes, .userdata = slot, .range_from = slot->no_range ? 0 : slot->taken };
	_cleanup_free_ char *what = strf("blobs/%s", slot->layer->digest);

	if (!what)
		return error_oom(error);
	slot->started = slot->paused = slot->bad_range = false;
	slot->taken_at_start = slot->taken;
	return session_start(slot->download->session, &slot->attempt, what, &request, &slot->transfer, error);
}

/* All bytes are in: the sink verifies them. */
static int complete(struct slot *slot, scow_error **error)
{
	int r = layer_sink_finish(slot->sink, error);

	if (r < 0)
		return error_wrap(error, r, "layer '%s'", slot_name(slot));
	slot->state = FETCHED;
	return 0;
}

/* From the file that the first of its kind left. */
static int replay(struct slot *slot, int spool_fd, scow_error **error)
{
	_cleanup_free_ char *room = malloc(64u << 10);
	uint64_t at = 0;
	int r;

	if (!room)
		return error_oom(error);
	while (at < slot->layer->size) {
		ssize_t n = pread(spool_fd, room, 64u << 10, (off_t) at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return error_errno(error, n ? errno : EIO, "pread", "read layer '%s' again", slot_name(slot));
		if (slot->download->cancel && scow_cancel_triggered(slot->download->cancel))
			return error_set(error, SCOW_E_CANCELED, "canceled");
		r = layer_sink_write(slot->sink, room, (size_t) n, error);
		if (r < 0)
			return error_wrap(error, r, "layer '%s'", slot_name(slot));
		at += (uint64_t) n;
	}
	slot->taken = at;
	return complete(slot, error);
}

/* Takes the lock, unless somebody has it: then the slot stays queued. What he published meanwhile is ours too. */
static int begin(struct work *work, struct slot *slot, scow_error **error)
{
	const struct slot *first = &work->slots[slot->first];
	scow_engine *engine = slot->download->engine;
	char name[80];
	int r;

	slot_lock_name(slot, name);
	r = work_try_lock(engine, name, &slot->lock_fd, error);
	if (r <= 0) {
		slot->not_before_us = clock_us() + BUSY_POLL_MS * 1000u;
		return r;
	}
	r = layer_exists(engine, slot->chain_id, error);
	if (r != 0) {
		slot_unlock(slot);
		slot->state = r > 0 ? PRESENT : slot->state;
		return r < 0 ? r : 0;
	}
	r = open_sink(slot, error);
	if (r < 0)
		return r;
	if (first != slot && first->spool_fd >= 0)
		return replay(slot, first->spool_fd, error);
	if (slot->shared) {
		slot->spool_fd = openat(engine->tmp_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		if (slot->spool_fd < 0)
			return error_errno(error, errno, "openat", "keep layer '%s'", slot_name(slot));
	}
	slot->state = FETCHING;
	return start_transfer(slot, error);
}

static size_t fetching(const struct work *work)
{
	size_t count = 0;

	for (size_t i = work->published; i < work->n_slots; i++)
		count += work->slots[i].state == FETCHING;
	return count;
}

/* Begins what may begin: queued layers up to the limit, and tries whose back-off is over. */
static int start_more(struct work *work, scow_error **error)
{
	uint64_t now = clock_us();
	size_t running = fetching(work);
	int r;

	for (size_t i = work->published; i < work->n_slots; i++) {
		struct slot *slot = &work->slots[i];

		if (slot->not_before_us > now)
			continue;
		r = 0;
		if (slot->state == FETCHING && !slot->transfer) {
			r = start_transfer(slot, error);
		} else if (slot->state == QUEUED && running < work->download->parallel) {
			if (slot->first != i && work->slots[slot->first].state < FETCHED)
				continue;
			r = begin(work, slot, error);
			running += slot->state == FETCHING;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* A try has ended: the layer is complete, or is tried again, or the pull fails. */
static int end_transfer(struct slot *slot, scow_error **error)
{
	_cleanup_(http_transfer_freep) struct http_transfer *transfer = take_ptr(&slot->transfer);
	const struct http_response *response;
	_cleanup_free_ char *what = strf("layer '%s'", slot_name(slot));
	scow_error *failed = NULL;
	int r;

	if (!what)
		return error_oom(error);
	if (slot->taken > slot->taken_at_start)
		slot->attempt.failures = 0;
	r = session_judge(slot->download->session, &slot->attempt, transfer, what, &response, &failed);
	if (slot->bad_range && r < 0) {
		slot->no_range = true;
		slot->attempt.wait_ms = 0;
		r = SESSION_RETRY;
	}
	/* A body whose length nobody said ends where the connection does. */
	if (r == 0 && slot->taken < slot->layer->size) {
		slot->attempt.wait_ms = 200;
		r = slot->taken > slot->taken_at_start && response->content_length < 0
			    ? SESSION_RETRY
			    : error_set(&failed, SCOW_E_CORRUPT, "layer '%s' ends after %llu of %llu bytes", slot_name(slot),
					(unsigned long long) slot->taken, (unsigned long long) slot->layer->size);
	}
	if (r == SESSION_RETRY && slot->taken == slot->layer->size && slot->started)
		r = 0; /* cut after its last byte */
	if (r == SESSION_RETRY && slot->started && ++slot->cuts > MAX_CUTS)
		r = error_set(&failed, SCOW_E_NETWORK, "layer '%s' was cut off %u times", slot_name(slot), slot->cuts);
	if (r < 0) {
		if (error)
			*error = take_ptr(&failed);
		scow_error_unref(failed);
		return r;
	}
	error_clear(&failed);
	if (r == SESSION_RETRY) {
		slot->not_before_us = clock_us() + slot->attempt.wait_ms * 1000u;
		return 0;
	}
	http_transfer_free(take_ptr(&transfer));
	return complete(slot, error);
}

/* Publishes what is ready, from the bottom; forgets spools that nobody will read. */
static int publish(struct work *work, scow_error **error)
{
	int r;

	while (work->published < work->n_slots) {
		struct slot *slot = &work->slots[work->published];

		if (slot->state == FETCHED) {
			const char *parent = work->published ? work->slots[work->published - 1].chain_id : NULL;

			r = layer_sink_publish(take_ptr(&slot->sink), parent, slot->layer->digest, error);
			if (r < 0)
				return error_wrap(error, r, "layer '%s'", slot_name(slot));
			slot->state = DONE;
			slot_unlock(slot);
		}
		if (slot->state != DONE && slot->state != PRESENT)
			break;
		work->published++;
	}
	return 0;
}

/* Tells of what has changed, not too often. */
static int show(struct slot *slot, uint64_t now, scow_error **error)
{
	static const int phases[] = { [QUEUED] = SCOW_PULL_WAITING,
				      [FETCHING] = SCOW_PULL_DOWNLOADING,
				      [FETCHED] = SCOW_PULL_DOWNLOADING,
				      [DONE] = SCOW_PULL_DONE,
				      [PRESENT] = SCOW_PULL_PRESENT };
	const struct download *download = slot->download;
	int phase = phases[slot->state];
	uint64_t done = phase == SCOW_PULL_PRESENT ? slot->layer->size : slot->taken;

	if (!download->progress)
		return 0;
	if (phase == slot->shown_phase && (done == slot->shown || now - slot->shown_us < PROGRESS_EVERY_US))
		return 0;
	slot->shown_phase = phase;
	slot->shown = done;
	slot->shown_us = now;
	if (download->progress(slot_name(slot), phase, done, slot->layer->size, download->progress_data) != 0)
		return error_set(error, SCOW_E_CANCELED, "canceled by the progress callback");
	return 0;
}

static int show_all(struct work *work, scow_error **error)
{
	uint64_t now = clock_us();
	int r = 0;

	for (size_t i = 0; r == 0 && i < work->n_slots; i++)
		r = show(&work->slots[i], now, error);
	return r;
}

/* How long nothing of ours is due. */
static int patience_ms(const struct work *work)
{
	uint64_t now = clock_us(), wait_us = 100000;

	for (size_t i = work->published; i < work->n_slots; i++) {
		const struct slot *slot = &work->slots[i];

		if (slot->paused)
			return slot->block_until_us ? 0 : PAUSED_POLL_MS;
		if ((slot->state == QUEUED || (slot->state == FETCHING && !slot->transfer)) && slot->not_before_us > now &&
		    slot->not_before_us - now < wait_us)
			wait_us = slot->not_before_us - now;
	}
	return (int) (wait_us / 1000) + 1;
}

static int tend_transfers(struct work *work, scow_error **error)
{
	bool alone = fetching(work) == 1;
	int r;

	for (size_t i = work->published; i < work->n_slots; i++) {
		struct slot *slot = &work->slots[i];

		if (!slot->transfer)
			continue;
		slot->block_until_us = alone ? clock_us() + BLOCK_US : 0;
		if (http_finished(slot->transfer)) {
			r = end_transfer(slot, error);
			if (r < 0)
				return r;
		} else if (slot->paused && (alone || layer_sink_room(slot->sink) >= RESUME_ROOM)) {
			slot->paused = false;
			http_resume(slot->transfer);
		}
	}
	return 0;
}

int download_layers(const struct download *download, char top_chain_id[DIGEST_STRING], scow_error **error)
{
	_cleanup_(work_done) struct work work = { 0 };
	int r = work_init(&work, download, error);

	top_chain_id[0] = '\0';
	while (r == 0) {
		r = show_all(&work, error);
		if (r < 0 || work.published == work.n_slots)
			break;
		r = start_more(&work, error);
		if (!r)
			r = publish(&work, error);
		if (!r && work.published < work.n_slots)
			r = http_step(session_client(download->session), patience_ms(&work), error);
		if (!r)
			r = tend_transfers(&work, error);
		if (!r)
			r = publish(&work, error);
	}
	if (r == 0 && work.n_slots)
		memcpy(top_chain_id, work.slots[work.n_slots - 1].chain_id, DIGEST_STRING);
	return r;
}
