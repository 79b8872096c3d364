/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hooks: programs of the caller's (as OCI defines them), or a function of his, at points of a container's life.
 *
 * A hook's program gets the container's state as JSON on its stdin, { "ociVersion", "id", "status", "pid", "bundle", "annotations" },
 * the environment that it was given and no other, "/" as its directory, and no descriptors besides its streams. What it prints
 * is kept for the error, if it fails. Each start of a container runs them, each restart by its policy too.
 *
 * Threads: as a config: one at a time.
 */
#ifndef SCOW_HOOK_H
#define SCOW_HOOK_H

#include <scow/container.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In the order in which they come. */
typedef enum scow_hook_stage {
	SCOW_HOOK_PRESTART = 0,         /* on the host, before SCOW_HOOK_CREATE_RUNTIME, whose name this once was */
	SCOW_HOOK_CREATE_RUNTIME = 1,   /* on the host: the container's namespaces are there, all is mounted, and its process waits */
	SCOW_HOOK_CREATE_CONTAINER = 2, /* in the container's namespaces, but with the host's files: the program is one of the host. The new root is "/.." there */
	SCOW_HOOK_START_CONTAINER = 3,  /* in the container, as its user and with its limits, just before its program: a program of the image */
	SCOW_HOOK_POSTSTART = 4,        /* on the host: its program runs */
	SCOW_HOOK_POSTSTOP = 5          /* on the host: its processes and its cgroup are gone, or its start failed */
} scow_hook_stage;

/**
 * scow_container_config_add_hook() - a program to run
 * @path:       absolute
 * @args:       its argv, the name first, NULL-terminated; NULL for the path alone
 * @env:        "NAME=value", NULL-terminated; NULL for none
 * @timeout_ms: it is killed when it takes longer; 0 for no limit
 *
 * Those of one stage run one after the other, in the order in which they were added. One that fails or takes too long before the program runs
 * makes the start fail, and the error has its stage, path, exit code and the end of what it printed; failures of SCOW_HOOK_POSTSTART and
 * SCOW_HOOK_POSTSTOP are logged, and change nothing. (Of a detached container's restarts and end nobody logs them.) The start does not
 * return before SCOW_HOOK_POSTSTART is over, and nobody sees the end of a container before SCOW_HOOK_POSTSTOP is. In the config's JSON
 * they are HostConfig.Hooks, in the shape of OCI's "hooks"; "timeout" is in seconds there.
 * Since: 0.1.  See: runtime-spec config.md, POSIX-platform Hooks.
 */
SCOW_API void scow_container_config_add_hook(scow_container_config *config, scow_hook_stage stage, const char *path,
					     const char *const *args, const char *const *env, unsigned int timeout_ms);

/**
 * scow_hook_fn - the caller's own part in a start
 * @stage: SCOW_HOOK_CREATE_RUNTIME; others may come: let them pass
 * @id:    the container's; valid during the call
 * @pid:   of its first process, which waits: its namespaces are in /proc/PID/ns
 *
 * Called on the starting thread inside the start, without a lock of the library's, before the hooks of that stage. Of this container
 * nothing may be asked but its id yet; other calls of the library are allowed.
 *
 * Returns: 0 to go on; anything else ends the start: a scow_status is what it returns, any other value is SCOW_E_CANCELED.
 */
typedef int (*scow_hook_fn)(scow_hook_stage stage, const char *id, int pid, void *userdata);

/**
 * scow_container_config_set_hook_callback() - a function that each start calls; NULL for none
 *
 * It is kept by the handle that create made, for every start by that handle, also a detached one (not for its later restarts, which
 * happen without this program), and by scow_container_run(). It is not stored: a handle from get or list has none.
 * Since: 0.1.
 */
SCOW_API void scow_container_config_set_hook_callback(scow_container_config *config, scow_hook_fn hook, void *userdata);

#ifdef __cplusplus
}
#endif
#endif
