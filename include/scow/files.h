/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files of a container, whether it runs or not: one by one, copied in and out, and kept as an image.
 *
 * Nothing in a container is trusted: a link in it leads to a place in it, never to the host, and no program or library of it is run.
 * Of one that runs, its files are what its first process sees, with all that is mounted; of another, its image's and what it wrote, with
 * its volumes, binds and images where it would have them, but for its tmpfs.
 *
 * Threads: any.
 */
#ifndef SCOW_FILES_H
#define SCOW_FILES_H

#include <stdint.h>
#include <sys/types.h>
#include <scow/container.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * scow_container_open() - one of its files, as a descriptor of this process
 * @path:  absolute, in the container
 * @flags: as for open(2): O_RDONLY, O_RDWR | O_CREAT, O_PATH, O_DIRECTORY, ...; it is close-on-exec always, and never becomes the
 *         controlling terminal
 * @mode:  of one that is made, which then belongs to the container's root
 *
 * The descriptor stays good when the container ends. What is read and written by it is the very file, not a copy. A hostile container may
 * have a pipe where a file is expected, whose opening waits for its other end: O_NONBLOCK does not, and fstat() tells.
 *
 * Returns: the descriptor, owned; or SCOW_E_NOT_FOUND (file, container), SCOW_E_EXISTS, SCOW_E_DENIED, SCOW_E_INVALID (@path, a link
 * that leads nowhere), SCOW_E_STATE (it is being removed), SCOW_E_NO_SPACE, SCOW_E_FAILED.  Since: 0.1.  See: openat2(2).
 */
SCOW_API int scow_container_open(scow_container *container, const char *path, int flags, mode_t mode, scow_error **error);

/**
 * scow_container_path_json() - what is at a path in it
 * @path: absolute, in the container. A link at its end is told of, and not followed, unless a slash or "/." comes after it
 * @out:  owned, scow_free(): {"name":..., "size":..., "mode":..., "mtime":..., "linkTarget":...} as in Docker's
 *        X-Docker-Container-Path-Stat: mode as Go's os.FileMode, linkTarget the whole path of a link's target in the container
 *
 * Returns: 0, SCOW_E_NOT_FOUND (path, container), SCOW_E_INVALID (@path), SCOW_E_STATE (it is being removed), SCOW_E_FAILED.
 * Since: 0.1.
 */
SCOW_API int scow_container_path_json(scow_container *container, const char *path, char **out, scow_error **error);

typedef enum scow_copy_flags {
	SCOW_COPY_OWNERS = 1, /* keep users and groups; else all that is copied in is root's, and all that is copied out the caller's */
	SCOW_COPY_FOLLOW = 2  /* a source that is a symbolic link: what it leads to */
} scow_copy_flags;

/**
 * scow_container_copy_in() - unpack a tar stream in it
 * @path:  absolute, of a directory in the container; links are followed, inside it
 * @fd:    borrowed: the stream, plain or compressed, read to its end
 * @flags: SCOW_COPY_OWNERS or 0
 *
 * Files replace files; a directory is never replaced by something else, nor something else by a directory. Modes, times, links,
 * capabilities and user attributes are kept. What was unpacked before a failure stays.
 *
 * Returns: 0, SCOW_E_NOT_FOUND (@path, container), SCOW_E_INVALID (@path is no directory; a directory is in the way; no tar),
 * SCOW_E_CORRUPT (a damaged tar, or an entry that leads out by ".."), SCOW_E_DENIED (the container's root or the mount is read-only),
 * SCOW_E_STATE, SCOW_E_NO_SPACE, SCOW_E_FAILED.  Since: 0.1.
 */
SCOW_API int scow_container_copy_in(scow_container *container, const char *path, int fd, unsigned int flags, scow_error **error);

/**
 * scow_container_copy_out() - a file or a tree of it as a tar stream
 * @path:  absolute, in the container. A link at its end is packed as one, unless a slash or "/." comes after it, or with SCOW_COPY_FOLLOW
 * @fd:    borrowed: a plain tar is written to it
 * @flags: SCOW_COPY_FOLLOW or 0
 *
 * Entries begin with the last part of @path; with "." if it ends in "/.", or is "/". What is mounted in the container is in it, if it
 * runs. Users and groups are the container's.
 *
 * Returns: 0, SCOW_E_NOT_FOUND (@path, container), SCOW_E_INVALID (@path), SCOW_E_STATE, SCOW_E_FAILED (@fd cannot be written).
 * Since: 0.1.
 */
SCOW_API int scow_container_copy_out(scow_container *container, const char *path, int fd, unsigned int flags, scow_error **error);

/**
 * scow_copy_fn - how far a copy is
 * @bytes: contents that were copied so far
 *
 * Called now and then, on the calling thread. Returns: 0; anything else ends the copy, which then is SCOW_E_CANCELED.
 */
typedef int (*scow_copy_fn)(uint64_t bytes, void *userdata);

/**
 * scow_container_copy_from_host() - copy a file or a tree of the host into it, as `docker cp` does
 * @source:   on the host. With "/." at its end: what is in that directory
 * @path:     absolute, in the container: a directory to copy into; or the name to give, in a directory that exists; with a slash at its
 *            end it has to be a directory
 * @flags:    SCOW_COPY_*
 * @progress: may be NULL
 *
 * Blocks are shared where the file system can.
 *
 * Returns: 0, SCOW_E_NOT_FOUND (@source, @path's directory, container), SCOW_E_INVALID (a directory onto a file, a file onto a directory
 * that is not there), and as scow_container_copy_in().  Since: 0.1.
 */
SCOW_API int scow_container_copy_from_host(scow_container *container, const char *source, const char *path, unsigned int flags, scow_copy_fn progress,
				void *userdata, scow_error **error);

/**
 * scow_container_copy_to_host() - copy a file or a tree of it to the host, as `docker cp` does
 * @path:     absolute, in the container, as @source of scow_container_copy_from_host()
 * @target:   on the host, as @path there
 * @flags:    SCOW_COPY_*; owners are kept only for a caller that may give files away
 * @progress: may be NULL
 *
 * No link that comes from the container is followed on the host, and none that is below @target. What becomes the caller's gives nobody
 * his rights: without owners no set-user-ID or set-group-ID bits, no capabilities and no devices come along.
 *
 * Returns: as scow_container_copy_from_host().  Since: 0.1.
 */
SCOW_API int scow_container_copy_to_host(scow_container *container, const char *path, const char *target, unsigned int flags, scow_copy_fn progress,
				void *userdata, scow_error **error);

/**
 * scow_container_changes_json() - what it has changed of its image's files
 * @out: owned, scow_free(): an array of {"Path":"/etc/x","Kind":1}, sorted, as Docker's /containers/ID/changes: 0 changed, 1 added, 2 deleted
 *
 * Volumes, and what else is mounted, are not looked into. The cost is that of the change, not of the image.
 *
 * Returns: 0, SCOW_E_NOT_FOUND, SCOW_E_CORRUPT (a layer is gone), SCOW_E_NO_MEMORY, SCOW_E_FAILED.  Since: 0.1.
 */
SCOW_API int scow_container_changes_json(scow_container *container, char **out, scow_error **error);

/**
 * scow_container_export() - its file system as a tar stream
 * @fd: borrowed: a plain tar is written to it
 *
 * Without volumes and anything else that is mounted in it. Files that change meanwhile are as long as they were when they were reached.
 *
 * Returns: 0, SCOW_E_NOT_FOUND, SCOW_E_STATE (it is being removed, or between two runs), SCOW_E_FAILED (@fd cannot be written).
 * Since: 0.1.
 */
SCOW_API int scow_container_export(scow_container *container, int fd, scow_error **error);

typedef struct scow_commit_options scow_commit_options;

/** scow_commit_options_new() - defaults. Returns: owned, or NULL without memory. Since: 0.1. */
SCOW_API scow_commit_options *scow_commit_options_new(void);

/** scow_commit_options_unref() - free them; NULL is allowed. Returns: NULL. Since: 0.1. */
SCOW_API scow_commit_options *scow_commit_options_unref(scow_commit_options *options);

/** scow_commit_options_set_author() - "Hilde <hilde@example.org>". Since: 0.1. */
SCOW_API void scow_commit_options_set_author(scow_commit_options *options, const char *author);

/** scow_commit_options_set_message() - what the history says of it. Since: 0.1. */
SCOW_API void scow_commit_options_set_message(scow_commit_options *options, const char *message);

/** scow_commit_options_set_pause() - 0: a running one goes on while its files are read; default: it is frozen. Since: 0.1. */
SCOW_API void scow_commit_options_set_pause(scow_commit_options *options, int pause);

/**
 * scow_commit_options_add_change() - an instruction for the image's settings
 * @instruction: as in a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, SHELL, STOPSIGNAL, USER, VOLUME or
 *               WORKDIR. A bad one is reported by the call that uses the options
 *
 * They are carried out in the order in which they were added.
 *
 * Since: 0.1.  See: the Dockerfile reference.
 */
SCOW_API void scow_commit_options_add_change(scow_commit_options *options, const char *instruction);

struct scow_cancel;
/** scow_commit_options_set_cancel() - a token that stops the commit; the options take a reference. Since: 0.1. */
SCOW_API void scow_commit_options_set_cancel(scow_commit_options *options, struct scow_cancel *cancel);

/**
 * scow_container_commit() - keep a container's changes as an image
 * @container: in any state; a running one is frozen while its changes are read
 * @reference: "name[:tag]" for the result; NULL: it is known by its id only
 * @options:   borrowed, may be NULL
 * @out:       NULL, or the new image; owned, scow_image_unref()
 * @error:     filled on failure, may be NULL
 *
 * The difference between the container's root and its image becomes one layer; where there is none, the image has the same layers.
 * Volumes, and anything mounted, are not part of it. The settings are the container's, with the changes of @options.
 *
 * Returns: 0, SCOW_E_NOT_FOUND, SCOW_E_INVALID (reference, instruction), SCOW_E_STATE (being removed), SCOW_E_CORRUPT (a base layer is
 * gone), SCOW_E_UNSUPPORTED (a file that no layer can hold, by name; or it cannot be frozen, as a plain user's without a cgroup:
 * scow_commit_options_set_pause()), SCOW_E_NO_SPACE, SCOW_E_CANCELED.
 * Threads: any.  Since: 0.1.  See: image-spec layer.md, "Representing Changes".
 */
SCOW_API int scow_container_commit(scow_container *container, const char *reference, const scow_commit_options *options, scow_image **out,
				   scow_error **error);

#ifdef __cplusplus
}
#endif
#endif
