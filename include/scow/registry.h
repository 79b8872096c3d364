/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Registries: pull an image over HTTP(S), by the OCI distribution protocol.
 *
 * Threads: pulls may run from any number of threads at once; two that want the same layer share one
 * download. Options: one thread at a time.
 */
#ifndef SCOW_REGISTRY_H
#define SCOW_REGISTRY_H

#include <scow/cancel.h>
#include <scow/image.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct scow_pull_options scow_pull_options;

typedef enum scow_pull_phase {
	SCOW_PULL_WAITING = 0,    /* queued, or another puller has it */
	SCOW_PULL_DOWNLOADING = 1,
	SCOW_PULL_DONE = 2,       /* downloaded, verified and unpacked */
	SCOW_PULL_PRESENT = 3     /* was in the store already */
} scow_pull_phase;

/**
 * scow_pull_progress_fn - how far one layer is
 * @layer: its digest, "sha256:..."; valid during the call
 * @phase: a scow_pull_phase
 * @done:  compressed bytes taken so far
 * @total: compressed size of the layer
 *
 * Called on the pulling thread, inside scow_image_pull(), a few times a second and at each change of phase.
 * Returns: 0 to go on; anything else cancels the pull (SCOW_E_CANCELED).
 */
typedef int (*scow_pull_progress_fn)(const char *layer, int phase, uint64_t done, uint64_t total, void *userdata);

typedef enum scow_pull_policy { SCOW_PULL_ALWAYS = 0, SCOW_PULL_MISSING = 1, SCOW_PULL_NEVER = 2 } scow_pull_policy;

/** scow_pull_options_new() - defaults. Returns: owned, or NULL without memory. Since: 0.1. */
SCOW_API scow_pull_options *scow_pull_options_new(void);

/** scow_pull_options_unref() - free them; NULL is allowed. Returns: NULL. Since: 0.1. */
SCOW_API scow_pull_options *scow_pull_options_unref(scow_pull_options *options);

/** scow_pull_options_set_progress() - who hears of progress; NULL for nobody. Since: 0.1. */
SCOW_API void scow_pull_options_set_progress(scow_pull_options *options, scow_pull_progress_fn progress, void *userdata);

/** scow_pull_options_set_policy() - when to ask the registry; default SCOW_PULL_ALWAYS. Since: 0.1. */
SCOW_API void scow_pull_options_set_policy(scow_pull_options *options, scow_pull_policy policy);

/** scow_pull_options_set_platform() - "linux/arm64/v8"; default: the host's. Checked by the pull. Since: 0.1. */
SCOW_API void scow_pull_options_set_platform(scow_pull_options *options, const char *platform);

/** scow_pull_options_set_credentials() - user and password for this pull, before any from ~/.docker/config.json. Since: 0.1. */
SCOW_API void scow_pull_options_set_credentials(scow_pull_options *options, const char *user, const char *password);

/** scow_pull_options_set_insecure() - 1: plain HTTP and unverified TLS are allowed. Loopback always may use plain HTTP. Since: 0.1. */
SCOW_API void scow_pull_options_set_insecure(scow_pull_options *options, int insecure);

/** scow_pull_options_set_parallel() - how many layers at once, 1 to 16; default 3. Checked by the pull. Since: 0.1. */
SCOW_API void scow_pull_options_set_parallel(scow_pull_options *options, unsigned int layers);

/** scow_pull_options_set_cancel() - a token that stops the pull; the options take a reference. Since: 0.1. */
SCOW_API void scow_pull_options_set_cancel(scow_pull_options *options, scow_cancel *cancel);

/**
 * scow_image_pull() - bring an image into the store
 * @reference: as Docker reads it; a tag or a digest, else ":latest"
 * @options:   borrowed, may be NULL
 * @out:       the image; owned by the caller, scow_image_unref()
 * @error:     filled on failure, may be NULL
 *
 * Each layer is downloaded, verified, inflated, verified again and unpacked in one pass; layers that
 * the store has are not fetched. A cut connection is resumed where it broke. After a failure the
 * layers that were finished stay, and the next pull goes on from there.
 *
 * Returns: 0, SCOW_E_INVALID (reference, option), SCOW_E_NOT_FOUND (the registry has no such image, or
 * SCOW_PULL_NEVER and the store has none), SCOW_E_AUTH, SCOW_E_NETWORK, SCOW_E_TIMEOUT, SCOW_E_CORRUPT
 * (a digest or size does not match), SCOW_E_UNSUPPORTED (no manifest for the platform), SCOW_E_LIMIT
 * (rate limit), SCOW_E_NO_SPACE, SCOW_E_CANCELED.
 * Threads: any.  Since: 0.1.  See: distribution-spec 1.1, "Pull".
 */
SCOW_API int scow_image_pull(scow_engine *engine, const char *reference, const scow_pull_options *options, scow_image **out,
			     scow_error **error);

#ifdef __cplusplus
}
#endif
#endif
