/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Images: get, list, tag, remove, load. Pulling is in registry.h.
 *
 * An image is known by its id (the digest of its config) and by any number of references
 * ("ubuntu", "host:5000/a/b:tag", "name@sha256:..."), read as Docker reads them.
 *
 * Threads: images may be used from any thread, concurrently.
 */
#ifndef SCOW_IMAGE_H
#define SCOW_IMAGE_H

#include <stdint.h>
#include <scow/engine.h>
#include <scow/iter.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct scow_image scow_image;
typedef struct scow_load_options scow_load_options;
typedef struct scow_import_options scow_import_options;

/**
 * scow_image_get() - an image of the local store
 * @name:  a reference, an id ("sha256:..." or its hex), or a unique prefix of an id
 * @out:   owned by the caller, scow_image_unref()
 * @error: filled on failure, may be NULL
 *
 * Returns: 0, SCOW_E_NOT_FOUND, SCOW_E_INVALID (neither reference nor id, or an ambiguous prefix).
 * Threads: any.  Since: 0.1.
 */
SCOW_API int scow_image_get(scow_engine *engine, const char *name, scow_image **out, scow_error **error);

/**
 * scow_image_list() - all images, newest first
 * @filter: NULL for all, or a reference pattern ("ubuntu", "*:latest"): only those with a tag that matches
 * @out:    owned, scow_iter_unref()
 *
 * Returns: 0, SCOW_E_INVALID (filter), SCOW_E_NO_MEMORY, SCOW_E_CORRUPT.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_image_list(scow_engine *engine, const char *filter, scow_iter **out, scow_error **error);

/**
 * scow_image_list_filtered() - the same, with Docker's filters
 * @filters: NULL for none, or JSON: {"dangling":["true"],"reference":["ubuntu","*:latest"],"label":["a","b=c"],"label!":["d"],
 *           "before":["NAME"],"since":["NAME"],"until":["24h"]}; values of one name are alternatives, but for labels. An image without
 *           a tag is dangling.
 * @out:     owned, scow_iter_unref()
 *
 * Returns: 0, SCOW_E_INVALID (filters), SCOW_E_NOT_FOUND (the image of before or since), or as scow_image_list().
 * Threads: any.  Since: 0.1.
 */
SCOW_API int scow_image_list_filtered(scow_engine *engine, const char *filters, scow_iter **out, scow_error **error);

/** scow_image_ref() - take another reference. Returns: @image. Threads: any. Since: 0.1. */
SCOW_API scow_image *scow_image_ref(scow_image *image);

/** scow_image_unref() - give one back; NULL is allowed. Returns: NULL. Threads: any. Since: 0.1. */
SCOW_API scow_image *scow_image_unref(scow_image *image);

/** scow_image_id() - "sha256:" and 64 hex digits. Returns: borrowed, as long as @image. Since: 0.1. */
SCOW_API const char *scow_image_id(const scow_image *image);

/** scow_image_tag_count() - how many references name it, as of when the handle was made. Since: 0.1. */
SCOW_API size_t scow_image_tag_count(const scow_image *image);

/** scow_image_tag_at() - the n-th of them in short form ("ubuntu:latest"). Returns: borrowed; NULL past the end. Since: 0.1. */
SCOW_API const char *scow_image_tag_at(const scow_image *image, size_t n);

/** scow_image_loaded_as() - the n-th name, in short form, that an archive gave it: of a handle from scow_image_load(). Returns: borrowed; NULL past the end. Since: 0.1. */
SCOW_API const char *scow_image_loaded_as(const scow_image *image, size_t n);

/** scow_image_digest_count() - how many "name@sha256:..." it was pulled by. Since: 0.1. */
SCOW_API size_t scow_image_digest_count(const scow_image *image);

/** scow_image_digest_at() - the n-th "name@sha256:..." it was pulled by. Returns: borrowed; NULL past the end. Since: 0.1. */
SCOW_API const char *scow_image_digest_at(const scow_image *image, size_t n);

/** scow_image_size_bytes() - the unpacked size of its layers. Since: 0.1. */
SCOW_API uint64_t scow_image_size_bytes(const scow_image *image);

/** scow_image_created() - seconds since 1970 from the image's config; 0 if it does not say. Since: 0.1. */
SCOW_API int64_t scow_image_created(const scow_image *image);

/** scow_image_platform() - "linux/amd64", "linux/arm64/v8". Returns: borrowed. Since: 0.1. */
SCOW_API const char *scow_image_platform(const scow_image *image);

/**
 * scow_image_inspect_json() - everything, in the shape of `docker image inspect` (one object)
 * @out: owned, scow_free()
 *
 * Returns: 0, SCOW_E_NOT_FOUND (removed meanwhile), SCOW_E_NO_MEMORY, SCOW_E_CORRUPT.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_image_inspect_json(scow_image *image, char **out, scow_error **error);

/**
 * scow_image_history_json() - its history, newest first, in the shape of Docker's /images/NAME/history (an array)
 * @out: owned, scow_free()
 *
 * Returns: as scow_image_inspect_json().  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_image_history_json(scow_image *image, char **out, scow_error **error);

/**
 * scow_image_tag() - give it another name
 * @reference: "name[:tag]"; taken from the image that has it now, which then may have no name left
 *
 * Returns: 0, SCOW_E_INVALID (reference, or one with a digest), SCOW_E_NOT_FOUND (removed meanwhile).
 * Threads: any.  Since: 0.1.
 */
SCOW_API int scow_image_tag(scow_image *image, const char *reference, scow_error **error);

typedef enum scow_remove_flags {
	SCOW_REMOVE_FORCE = 1,   /* images: also with several tags; containers: also a running one */
	SCOW_REMOVE_VOLUMES = 2  /* containers: its anonymous volumes too */
} scow_remove_flags;

/**
 * scow_image_remove() - take a name away, and the image with its last one
 * @name:   as for scow_image_get(). A reference loses that name; an id loses all of them (more than one: only with force)
 * @flags:  SCOW_REMOVE_FORCE or 0
 * @report: NULL, or owned, scow_free(): a JSON array of {"Untagged":...} and {"Deleted":...} as Docker gives it
 *
 * Layers that no other image or container uses are deleted. An image that a container uses stays.
 *
 * Returns: 0, SCOW_E_NOT_FOUND, SCOW_E_BUSY (a container uses it; several names without force).
 * Threads: any.  Since: 0.1.
 */
SCOW_API int scow_image_remove(scow_engine *engine, const char *name, unsigned int flags, char **report, scow_error **error);

/** scow_load_options_new() - defaults. Returns: owned, or NULL without memory. Since: 0.1. */
SCOW_API scow_load_options *scow_load_options_new(void);

/** scow_load_options_unref() - free them; NULL is allowed. Returns: NULL. Since: 0.1. */
SCOW_API scow_load_options *scow_load_options_unref(scow_load_options *options);

/** scow_load_options_set_platform() - which of an index to take: "linux/arm64"; default: the host's. Since: 0.1. */
SCOW_API void scow_load_options_set_platform(scow_load_options *options, const char *platform);

/** scow_load_options_set_reference() - name for an archive that gives its image none. Since: 0.1. */
SCOW_API void scow_load_options_set_reference(scow_load_options *options, const char *reference);

struct scow_cancel;
/** scow_load_options_set_cancel() - a token that stops the load; the options take a reference. Since: 0.1. */
SCOW_API void scow_load_options_set_cancel(scow_load_options *options, struct scow_cancel *cancel);

/**
 * scow_image_load() - read images from an archive
 * @fd:      borrowed: an OCI archive or a `docker save` archive (plain, gzip or zstd), as a file or a
 *           stream; or a directory that holds an OCI layout
 * @options: borrowed, may be NULL
 * @out:     owned: the images that were loaded, scow_iter_next_image()
 *
 * Names move to the loaded images; an image that loses its last name stays, dangling, as in Docker.
 *
 * Returns: 0, SCOW_E_INVALID (no such archive), SCOW_E_CORRUPT (digests do not match, a hostile or
 * truncated tar), SCOW_E_UNSUPPORTED (no image for the platform), SCOW_E_NO_SPACE, SCOW_E_CANCELED.
 * Nothing is kept of an image that could not be loaded whole.
 * Threads: any.  Since: 0.1.  See: image-spec image-layout.md.
 */
SCOW_API int scow_image_load(scow_engine *engine, int fd, const scow_load_options *options, scow_iter **out, scow_error **error);

/** scow_import_options_new() - defaults. Returns: owned, or NULL without memory. Since: 0.1. */
SCOW_API scow_import_options *scow_import_options_new(void);

/** scow_import_options_unref() - free them; NULL is allowed. Returns: NULL. Since: 0.1. */
SCOW_API scow_import_options *scow_import_options_unref(scow_import_options *options);

/** scow_import_options_set_reference() - "name[:tag]" of the image; default: none. Since: 0.1. */
SCOW_API void scow_import_options_set_reference(scow_import_options *options, const char *reference);

/** scow_import_options_set_message() - what its history says. Since: 0.1. */
SCOW_API void scow_import_options_set_message(scow_import_options *options, const char *message);

/** scow_import_options_add_change() - an instruction for its settings, as for scow_commit_options_add_change(). Since: 0.1. */
SCOW_API void scow_import_options_add_change(scow_import_options *options, const char *instruction);

/** scow_import_options_set_platform() - what it is for: "linux/arm64"; default: the host's. Since: 0.1. */
SCOW_API void scow_import_options_set_platform(scow_import_options *options, const char *platform);

/** scow_import_options_set_cancel() - a token that stops the import; the options take a reference. Since: 0.1. */
SCOW_API void scow_import_options_set_cancel(scow_import_options *options, struct scow_cancel *cancel);

/**
 * scow_image_import() - a file system as an image of one layer
 * @fd:      borrowed: a tar stream (plain, or compressed by gzip, zstd, xz or bzip2), read to its end; or a directory, whose files are
 *           copied once, or not at all where the file system can share their blocks
 * @options: borrowed, may be NULL
 * @out:     NULL, or owned, scow_image_unref()
 *
 * The same directory, or the same tar, gives the same layer. Owners, times, links, holes, capabilities and user attributes are kept.
 *
 * Returns: 0, SCOW_E_INVALID (reference, instruction, no tar), SCOW_E_CORRUPT (a damaged one, or one that leads out of its root),
 * SCOW_E_UNSUPPORTED (a file of the directory has a name that hides another in a layer), SCOW_E_DENIED (a file may not be read),
 * SCOW_E_NO_SPACE, SCOW_E_CANCELED. Nothing is kept of one that could not be imported whole.
 * Threads: any.  Since: 0.1.
 */
SCOW_API int scow_image_import(scow_engine *engine, int fd, const scow_import_options *options, scow_image **out, scow_error **error);

/**
 * scow_reference_normalize() - the full form of a reference
 * @reference: "ubuntu", "host:5000/a/b:tag", "name@sha256:..."
 * @out:       owned, scow_free(): "docker.io/library/ubuntu:latest"
 *
 * Returns: 0, SCOW_E_INVALID or SCOW_E_NO_MEMORY.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_reference_normalize(const char *reference, char **out, scow_error **error);

/** scow_reference_familiar() - the short form, the reverse of the above: "ubuntu:latest". @out: owned. Returns: as above. Since: 0.1. */
SCOW_API int scow_reference_familiar(const char *reference, char **out, scow_error **error);

#ifdef __cplusplus
}
#endif
#endif
