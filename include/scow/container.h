/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Containers: create, start, stop, remove. A scow_container_config describes one: container_config.h.
 *
 * A started container is owned by the program that started it: it is that program's child, no
 * supervisor stands between, and it ends when the program ends, however that dies.
 *
 * Threads: containers may be used from any thread, concurrently; a scow_process_config by one at a time.
 */
#ifndef SCOW_CONTAINER_H
#define SCOW_CONTAINER_H

#include <scow/container_config.h>
#include <scow/image.h>
#include <scow/process.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct scow_container scow_container;
typedef struct scow_process_config scow_process_config;

typedef enum scow_container_state {
	SCOW_CONTAINER_CREATED = 0, SCOW_CONTAINER_RUNNING = 1, SCOW_CONTAINER_PAUSED = 2, SCOW_CONTAINER_RESTARTING = 3,
	SCOW_CONTAINER_REMOVING = 4, SCOW_CONTAINER_EXITED = 5, SCOW_CONTAINER_DEAD = 6
} scow_container_state;

/**
 * scow_container_create() - make a container of an image, without starting it
 * @image:  borrowed; the container keeps it in use
 * @config: borrowed; NULL for the image's own settings
 * @out:    owned by the caller, scow_container_unref()
 *
 * Returns: 0, SCOW_E_INVALID (config: the setter is named; no command), SCOW_E_EXISTS (name),
 * SCOW_E_NOT_FOUND (the image was removed), SCOW_E_UNSUPPORTED, SCOW_E_NO_SPACE, SCOW_E_NO_MEMORY.
 * Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_create(scow_engine *engine, scow_image *image, const scow_container_config *config,
				   scow_container **out, scow_error **error);

/** scow_container_get() - by name, id, or unique prefix of an id. @out: owned. Returns: 0, SCOW_E_NOT_FOUND, SCOW_E_INVALID (ambiguous). Since: 0.1. */
SCOW_API int scow_container_get(scow_engine *engine, const char *name, scow_container **out, scow_error **error);

typedef enum scow_list_flags { SCOW_LIST_ALL = 1 /* also those that do not run */ } scow_list_flags;

/** scow_container_list() - newest first; @flags: SCOW_LIST_ALL or 0; @out: owned. Returns: 0, SCOW_E_CORRUPT, SCOW_E_NO_MEMORY. Since: 0.1. */
SCOW_API int scow_container_list(scow_engine *engine, unsigned int flags, scow_iter **out, scow_error **error);

/**
 * scow_container_list_filtered() - those that Docker's filters choose, newest first
 * @flags:   SCOW_LIST_ALL or 0; filters by state, exit code or neighbours ask for all by themselves
 * @filters: NULL, or as JSON {"status":["paused"],"name":["^web"],"label":["a=b"]}: status, name, id (regular expressions), label,
 *           label!, ancestor (image), before, since (container), exited (code), health
 * @out:     owned
 *
 * Returns: 0, SCOW_E_INVALID (filters), SCOW_E_NOT_FOUND (before, since), SCOW_E_CORRUPT, SCOW_E_NO_MEMORY.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_list_filtered(scow_engine *engine, unsigned int flags, const char *filters, scow_iter **out,
					  scow_error **error);

/** scow_container_ref() - take another reference. Returns: @container. Threads: any. Since: 0.1. */
SCOW_API scow_container *scow_container_ref(scow_container *container);

/** scow_container_unref() - give one back; NULL is allowed. An ephemeral one that this process created goes with its last handle. Returns: NULL. Since: 0.1. */
SCOW_API scow_container *scow_container_unref(scow_container *container);

/**
 * scow_container_start() - run its program
 * @io:  borrowed, NULL for nothing; see io.h
 * @out: the process; owned by the caller, scow_process_unref()
 *
 * Returns when the program was executed, or could not be.
 *
 * Returns: 0, SCOW_E_COMMAND_NOT_FOUND, SCOW_E_NOT_EXECUTABLE, SCOW_E_STATE (it runs, or is being removed),
 * SCOW_E_UNSUPPORTED (a limit or feature that this host cannot give), SCOW_E_INVALID (io; user; mounts),
 * SCOW_E_NOT_FOUND (a bind source), SCOW_E_DENIED, SCOW_E_NO_SPACE, SCOW_E_FAILED: scow_error_step() says where.
 * Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_start(scow_container *container, const scow_io *io, scow_process **out, scow_error **error);

/**
 * scow_container_start_detached() - run its program, and let it live on
 *
 * A supervisor of its own (scow-init, one small process, no daemon) holds its terminal or pipes, writes its log, restarts it by
 * its policy, checks its health and records its end. Any process may come back to it by scow_container_get(). An ephemeral one is
 * removed once it has ended, by the next who waits for it, lists, or opens the store. It ends when its supervisor is killed.
 *
 * Returns: as scow_container_start().  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_start_detached(scow_container *container, scow_error **error);

/**
 * scow_container_start_detached_io() - the same, with descriptors for its program
 * @io: borrowed, may be NULL; only what scow_io_pass_fd() and scow_io_set_listen() say counts. Its supervisor keeps the descriptors for
 *      its restarts; scow_container_restart() does not.
 *
 * Returns: as scow_container_start(); SCOW_E_INVALID where @io asks for streams.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_start_detached_io(scow_container *container, const scow_io *io, scow_error **error);

/**
 * scow_container_start_detachable() - the same, but it is this program's until scow_container_detach()
 *
 * Until then it ends, killed by its supervisor, when this program does, however that dies, or gives back its last handle of it.
 *
 * Returns: as scow_container_start_detached_io().  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_start_detachable(scow_container *container, const scow_io *io, scow_error **error);

/**
 * scow_container_detach() - let it live on without this program
 *
 * One that runs must have been started detachable, or detached. An ephemeral one does not go with its last handle any more, but
 * once it has run and ended.
 *
 * Returns: 0, SCOW_E_STATE (it runs as this program's own child), SCOW_E_NOT_FOUND.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_detach(scow_container *container, scow_error **error);

typedef enum scow_attach_flags {
	SCOW_ATTACH_STDIN = 1,   /* what is written goes to the program; without it, only output */
	SCOW_ATTACH_LOGS = 2,    /* first what the log has of this run, then what comes */
	SCOW_ATTACH_NEXT = 4     /* one that does not run yet, too: to its next detached start, whoever makes it */
} scow_attach_flags;

/**
 * scow_container_attach() - look at, and talk to, one that runs detached
 * @io:    borrowed; where its output goes: callbacks, a capture, or descriptors of the caller's
 * @flags: scow_attach_flags
 * @out:   a process; its exit is the container's. Giving the handle back detaches, and the container lives on.
 *
 * Any number may be attached at once; a slow one does not hold up the container, and misses output rather than block it (the
 * log misses nothing).
 *
 * "Attach, then start": with SCOW_ATTACH_NEXT a handle got before scow_container_start_detached() misses nothing of the run, not even its
 * exit code, however short it is, and though an ephemeral container may be gone by then. Its program waits for such a handle as for
 * a pipe, unless that takes nothing for 10 seconds: then it misses output as others do. Until the start it is quiet, has the pid 0, and
 * takes no input; it stays for another try if the start fails, and ends as if killed where the container is removed instead.
 *
 * Returns: 0, SCOW_E_STATE (it does not run, or was not started detached), SCOW_E_INVALID (io).  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_attach(scow_container *container, const scow_io *io, unsigned int flags, scow_process **out, scow_error **error);

/**
 * scow_container_exec() - run another program in a running container
 * @config: what; borrowed
 * @io:     borrowed, may be NULL
 * @out:    the process; owned. It has the container's namespaces, cgroup, seccomp and capabilities, and ends with it.
 *
 * It also ends, with all that it has started, when its last handle or this program goes, unless it is detached. What it leaves behind
 * when it ends by itself is the container's; where it has limits or a deadline of its own, that is killed.
 *
 * A container that ends waits for those who executed in it: each has to dispatch, wait for or give back its process. This
 * engine sees to its own while it waits for the container's end, or dispatches its first process.
 *
 * Returns: as scow_container_start(); SCOW_E_STATE where the container does not run, or is paused.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_exec(scow_container *container, const scow_process_config *config, const scow_io *io, scow_process **out,
				 scow_error **error);

/**
 * scow_container_run() - create, start, wait and, if ephemeral, remove
 * @io:      borrowed, may be NULL
 * @process: may be NULL; else the finished process, with its output and receipt; owned
 *
 * Returns: 0 or more: the exit code (128 + signal for a signal); or a negative status of create, start or wait.
 * Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_run(scow_engine *engine, scow_image *image, const scow_container_config *config, const scow_io *io,
				scow_process **process, scow_error **error);

/**
 * scow_container_wait() - until it does not run, whoever started it
 * @timeout_ms: -1 for ever
 * @exit_code:  may be NULL
 *
 * Returns: 0, SCOW_E_TIMEOUT, SCOW_E_NOT_FOUND (removed meanwhile).  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_wait(scow_container *container, int timeout_ms, int *exit_code, scow_error **error);

typedef enum scow_wait_condition { SCOW_WAIT_NOT_RUNNING = 0, SCOW_WAIT_NEXT_EXIT = 1, SCOW_WAIT_REMOVED = 2 } scow_wait_condition;

/**
 * scow_container_wait_for() - until a condition holds, whoever brings it about
 * @timeout_ms: -1 for ever
 * @exit_code:  may be NULL: of the run that ended
 *
 * Returns: 0, SCOW_E_TIMEOUT, SCOW_E_NOT_FOUND (removed, and that was not asked for).  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_wait_for(scow_container *container, scow_wait_condition condition, int timeout_ms, int *exit_code,
				     scow_error **error);

/** scow_container_restart() - stop it if it runs, and start it detached. @timeout_ms: as for stop. Returns: as stop and start. Since: 0.1. */
SCOW_API int scow_container_restart(scow_container *container, int timeout_ms, scow_error **error);

/**
 * scow_engine_start_restarted() - what a service calls once the host has booted
 * @count: may be NULL: how many were started
 *
 * Starts detached, oldest first, the containers that do not run and were last started before the host booted: with
 * SCOW_RESTART_ALWAYS all, with SCOW_RESTART_UNLESS_STOPPED those that nobody had stopped. One that fails does not keep the others.
 *
 * Returns: 0, or the first failure of a start, as scow_container_start(); SCOW_E_CORRUPT.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_engine_start_restarted(scow_engine *engine, unsigned int *count, scow_error **error);

/** scow_container_pause() - freeze all its processes. Returns: 0, SCOW_E_STATE (does not run, or paused), SCOW_E_UNSUPPORTED (no freezer). Since: 0.1. */
SCOW_API int scow_container_pause(scow_container *container, scow_error **error);

/** scow_container_unpause() - let them go on. Returns: 0, SCOW_E_STATE (not paused). Threads: any. Since: 0.1. */
SCOW_API int scow_container_unpause(scow_container *container, scow_error **error);

/** scow_container_rename() - give it another name. Returns: 0, SCOW_E_INVALID, SCOW_E_EXISTS, SCOW_E_NOT_FOUND. Threads: any. Since: 0.1. */
SCOW_API int scow_container_rename(scow_container *container, const char *name, scow_error **error);

/**
 * scow_container_update() - change its limits and its restart policy, while it runs or not
 * @changes: a config of which only resource limits and the restart policy are set; borrowed
 *
 * Returns: 0, SCOW_E_INVALID (anything else is set), SCOW_E_UNSUPPORTED, SCOW_E_NOT_FOUND.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_update(scow_container *container, const scow_container_config *changes, scow_error **error);

/** scow_container_top_json() - its processes in the shape of Docker's /top: {"Titles":[...],"Processes":[[...]]}, with ps -ef's columns. @out: owned. Returns: 0, SCOW_E_STATE. Since: 0.1. */
SCOW_API int scow_container_top_json(scow_container *container, char **out, scow_error **error);

/**
 * scow_container_size() - what it takes on the disk
 * @written: bytes that it wrote over its image; may be NULL
 * @total:   the same and its image; may be NULL
 *
 * Walks what it wrote. Returns: 0, SCOW_E_NOT_FOUND, SCOW_E_DENIED.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_size(scow_container *container, uint64_t *written, uint64_t *total, scow_error **error);

/** scow_container_stats_json() - its counters now, in the shape of Docker's /stats?one-shot. @out: owned. Returns: 0, SCOW_E_NOT_FOUND. Since: 0.1. */
SCOW_API int scow_container_stats_json(scow_container *container, char **out, scow_error **error);

/**
 * scow_container_kill() - send its PID 1 a signal
 *
 * As with Docker its next end is then the last, whatever its restart policy: if the signal is SIGKILL or its stop signal, if no stop
 * signal is named by its settings or its image, or if the policy is unless-stopped. In the first three cases a paused one goes on. One that
 * waits to be restarted has no process: only its policy is told.
 *
 * Returns: 0, SCOW_E_STATE (does not run), SCOW_E_INVALID, SCOW_E_DENIED.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_kill(scow_container *container, int signal, scow_error **error);

/**
 * scow_container_stop() - its stop signal, then SIGKILL
 * @timeout_ms: in between; -1 for ever, -2 for the container's own (10 s by default), 0 kills at once
 *
 * Returns: 0 (also if it did not run), SCOW_E_TIMEOUT (not even SIGKILL ended it), SCOW_E_DENIED.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_stop(scow_container *container, int timeout_ms, scow_error **error);

/**
 * scow_container_remove() - take away the container and what it wrote
 * @flags: SCOW_REMOVE_FORCE kills it first; SCOW_REMOVE_VOLUMES
 *
 * Returns: 0, SCOW_E_STATE (it runs, and no force), SCOW_E_NOT_FOUND (gone already).  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_remove(scow_container *container, unsigned int flags, scow_error **error);

/**
 * scow_container_mount() - add a mount to it
 * @text: as scow_container_config_add_mount()
 *
 * One that runs has it at once, and all have it at their next start, by a restart policy, too.
 *
 * Returns: 0, SCOW_E_INVALID (@text; something is mounted there), SCOW_E_NOT_FOUND (source, volume driver, image), SCOW_E_STATE,
 * SCOW_E_UNSUPPORTED, SCOW_E_DENIED.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_mount(scow_container *container, const char *text, scow_error **error);

/**
 * scow_container_unmount() - take a mount away again, from its settings and from what runs
 * @target: in the container; of a mount that its settings have
 *
 * Files that its programs have open stay open.
 *
 * Returns: 0, SCOW_E_NOT_FOUND, SCOW_E_DENIED.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_unmount(scow_container *container, const char *target, scow_error **error);

/** scow_container_id() - 64 hex digits. Returns: borrowed, as long as @container. Since: 0.1. */
SCOW_API const char *scow_container_id(const scow_container *container);

/** scow_container_name() - without a slash, as this handle knows it (renamed by another handle: see inspect). Returns: borrowed. Since: 0.1. */
SCOW_API const char *scow_container_name(const scow_container *container);

/** scow_container_image_name() - the reference it was made of, short form, or the image's id. Returns: borrowed. Since: 0.1. */
SCOW_API const char *scow_container_image_name(const scow_container *container);

/** scow_container_image_id() - the image's id. Returns: borrowed. Since: 0.1. */
SCOW_API const char *scow_container_image_id(const scow_container *container);

/** scow_container_command() - entrypoint and command as one line, for tables; arguments with blanks in single quotes. Returns: borrowed. Since: 0.1. */
SCOW_API const char *scow_container_command(const scow_container *container);

/** scow_container_state_now() - asks the store. Returns: a scow_container_state, SCOW_E_NOT_FOUND once removed, or another status. Since: 0.1. */
SCOW_API int scow_container_state_now(scow_container *container, scow_error **error);

/** scow_container_pid() - its PID 1 as this host sees it; 0 if it does not run, or a status. Since: 0.1. */
SCOW_API int scow_container_pid(scow_container *container, scow_error **error);

/** scow_container_created() - seconds since 1970. Since: 0.1. */
SCOW_API int64_t scow_container_created(const scow_container *container);

/** scow_container_status_text() - "Up 5 seconds", "Exited (0) 2 minutes ago", as `docker ps` says it. Returns: borrowed, until the next call. Since: 0.1. */
SCOW_API const char *scow_container_status_text(scow_container *container);

typedef enum scow_listed {
	SCOW_LISTED_STATE = 0, SCOW_LISTED_STATUS = 1, SCOW_LISTED_PORTS = 2, SCOW_LISTED_LABELS = 3
} scow_listed;

/**
 * scow_container_listed() - what the list that this handle is from saw of it: for tables, whose rows need no question each
 * @what: the state by its name ("running"); the status as scow_container_status_text() says it; the ports as scow_container_port() has
 *        all of them; the labels ({"a":"b"})
 *
 * Returns: borrowed, as long as @container; NULL for a handle of another origin.  Threads: any.  Since: 0.1.
 */
SCOW_API const char *scow_container_listed(const scow_container *container, scow_listed what);

/** scow_container_inspect_json() - everything, in the shape of `docker inspect` (one object). @out: owned. Returns: 0, SCOW_E_NOT_FOUND. Since: 0.1. */
SCOW_API int scow_container_inspect_json(scow_container *container, char **out, scow_error **error);

/* ---- programs to execute in a running container ---- */

/** scow_process_config_new() - @command: NULL-terminated, copied. Returns: owned, or NULL without memory. Since: 0.1. */
SCOW_API scow_process_config *scow_process_config_new(const char *const *command);

/** scow_process_config_unref() - free it; NULL is allowed. Returns: NULL. Since: 0.1. */
SCOW_API scow_process_config *scow_process_config_unref(scow_process_config *config);

/** scow_process_config_set_env() - one variable, over the container's; @value NULL removes it. Since: 0.1. */
SCOW_API void scow_process_config_set_env(scow_process_config *config, const char *name, const char *value);

/** scow_process_config_set_user() - default: the container's. Since: 0.1. */
SCOW_API void scow_process_config_set_user(scow_process_config *config, const char *user);

/** scow_process_config_set_workdir() - absolute; must exist; default: the container's. Since: 0.1. */
SCOW_API void scow_process_config_set_workdir(scow_process_config *config, const char *path);

/** scow_process_config_set_tty() - 1: a terminal of its own. Since: 0.1. */
SCOW_API void scow_process_config_set_tty(scow_process_config *config, int tty);

/** scow_process_config_set_privileged() - 1: all capabilities, no seccomp. Since: 0.1. */
SCOW_API void scow_process_config_set_privileged(scow_process_config *config, int privileged);

/** scow_process_config_set_pids_max() - how many processes and threads this one and its children may be; 0 for the container's limit. Since: 0.1. */
SCOW_API void scow_process_config_set_pids_max(scow_process_config *config, uint64_t pids);

/** scow_process_config_set_memory_bytes() - limit for this one and its children; 0 for the container's. Since: 0.1. */
SCOW_API void scow_process_config_set_memory_bytes(scow_process_config *config, uint64_t bytes);

/** scow_process_config_set_detached() - 1: it goes on when its handle or this program goes; its exit code may then be nobody's to know. Without a terminal and a deadline. Since: 0.1. */
SCOW_API void scow_process_config_set_detached(scow_process_config *config, int detached);

/** scow_process_config_set_deadline_ms() - killed with all its children that long after its start; 0 for never. Kept by dispatch and wait. Since: 0.1. */
SCOW_API void scow_process_config_set_deadline_ms(scow_process_config *config, unsigned int deadline_ms);

/* ---- networks ---- */

/**
 * scow_container_connect() - put it on another network; one that runs has it at once
 * @endpoint: what is asked for there; NULL for the next free address and nothing else
 *
 * Returns: 0, SCOW_E_EXISTS (it is on it), SCOW_E_INVALID (an address of no pool; one with the network "none", "host" or another's),
 * SCOW_E_BUSY (an address that another has, which is named), SCOW_E_LIMIT (no address left), SCOW_E_NOT_FOUND.
 * Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_connect(scow_container *container, scow_network *network, const scow_endpoint_config *endpoint,
				    scow_error **error);

#define SCOW_DISCONNECT_FORCE 1u /* also where the link is not to be found, or cannot be deleted */

/**
 * scow_container_disconnect() - take it off a network; one that runs loses the interface at once
 * @flags: SCOW_DISCONNECT_FORCE, or 0
 *
 * Returns: 0, SCOW_E_NOT_FOUND (it is not on it).  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_disconnect(scow_container *container, scow_network *network, unsigned int flags, scow_error **error);

/**
 * scow_container_address() - the address that it has while it runs
 * @network: name or id; NULL for the network that is its way out
 * @family:  AF_INET or AF_INET6
 * @out:     owned, scow_free(): "172.17.0.2"
 *
 * Returns: 0, SCOW_E_NOT_FOUND (it is not on that network), SCOW_E_STATE (it has none there: it does not run), SCOW_E_INVALID.
 * Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_address(scow_container *container, const char *network, int family, char **out, scow_error **error);

/**
 * scow_container_port() - where a port is published while it runs
 * @port: "80/tcp", "80"; NULL for all
 * @out:  owned, scow_free(): [{"HostIp":"0.0.0.0","HostPort":"8080"}]; for all {"80/tcp":[...],"443/tcp":null}, with those that are
 *        only exposed
 *
 * Returns: 0, SCOW_E_NOT_FOUND (it is not published), SCOW_E_INVALID.  Threads: any.  Since: 0.1.
 */
SCOW_API int scow_container_port(scow_container *container, const char *port, char **out, scow_error **error);

#ifdef __cplusplus
}
#endif
#endif
