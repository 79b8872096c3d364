/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The container handle and its rows, for this room.
 *
 * A container's life, as its row tells it:
 * 1. A row appears by one INSERT; its directory (ROOT/containers/ID) is made by the first start, and so never is without a row.
 * 2. Who wants to start it claims it first: state running, pid 0, owner himself. Two never start one container.
 * 3. `owner` is set while somebody must act for the row to come to rest: its death is what container_sweep() looks for.
 * 4. Removal marks the row, deletes the directory, then the row: what a crash leaves is finished by the sweep.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include <scow/container.h>

#include "container/config.h"
#include "base/clock.h"
#include "engine/engine.h"
#include "image/image.h"
#include "runtime/process.h"
#include "store/db.h"

DEFINE_CLEANUP(scow_container *, scow_container_unref)

struct scow_container {
	atomic_uint refs;
	scow_engine *engine;
	char id[65];
	char *_Atomic name;              /* by which this handle knows it: another's rename is in the row */
	char *image_name, *image_id, *top_layer;
	char *args;                      /* JSON array, as in the row */
	char *command;                   /* the same as one line */
	int64_t created;                 /* ns */
	bool ephemeral;
	atomic_bool created_here;        /* by this handle: an ephemeral one goes with its last reference */
	int leash_fd;                    /* of one started detachable by this handle, or -1; under lock */
	atomic_bool gone;                /* its row was deleted by this handle */
	pthread_mutex_t lock;            /* config, image, status_text, former */
	scow_container_config *config;   /* parsed from the row on first use, and when it has changed */
	char *config_text;               /* what it was parsed from */
	scow_hook_fn hook;               /* of the config that it was made with; or NULL */
	void *hook_data;
	struct former *former;           /* names and settings that were replaced: somebody may hold them */
	scow_image *image;               /* got on first use, or as given to create */
	char *status_text;
	struct listing *listed;          /* of a list: what that saw of it (listing.h); or NULL */
};

/* ---- container.c ---- */

int container_check(scow_container *container, scow_error **error) _must_check_;
/*
 * Checks the config and makes the row, whole, in state created; @claimed: already claimed for a start by this process.
 * @config NULL: the image's own settings.
 */
int container_insert(scow_engine *engine, scow_image *image, const scow_container_config *config, bool claimed, scow_container **out,
		     scow_error **error) _must_check_;
/* A handle of a row of SELECT CONTAINER_COLUMNS. */
#define CONTAINER_COLUMNS "id, name, image, image_name, top_layer, args, created, ephemeral"
#define CONTAINER_COLUMN_COUNT 8
struct sqlite3_stmt;
int container_from_row(scow_engine *engine, struct sqlite3_stmt *row, scow_container **out, scow_error **error) _must_check_;
/* Keeps what a handle has given out and does not use any more. Each may be NULL; both are taken. */
int container_retire(scow_container *container, char *name, scow_container_config *config, scow_error **error) _must_check_;
/* Both stay as long as the handle. The settings are the row's of now: update() may have changed them. */
int container_config_of(scow_container *container, const scow_container_config **out, scow_error **error) _must_check_;
int container_image_of(scow_container *container, const struct image_config **out, scow_error **error) _must_check_;

/* ---- row.c ---- */

struct container_row {
	int state; /* scow_container_state */
	bool ephemeral, oom_killed, freezing;
	char owner[33], boot_id[37], error[512];
	char cgroup[2048]; /* where it is: cgroup_location() */
	pid_t pid;
	int64_t pid_start;
	int exit_code, exit_signal;
	int64_t created, started, finished; /* ns */
	pid_t supervisor;         /* of one that runs detached; else 0 */
	int64_t supervisor_start; /* as pid_start */
	unsigned int restarts;
	unsigned int health;      /* enum wire_health_status, while it runs detached */
};
struct sqlite3_stmt;
#define CONTAINER_ROW_COLUMNS                                                                                                              \
	"state, ephemeral, owner, boot_id, cgroup, error, pid, pid_start, exit_code, exit_signal, oom_killed, containers.created, "         \
	"started, finished, freezing"
#define CONTAINER_ROW_COLUMN_COUNT 15
/* From a query with those columns, the first of which is number @first. */
void container_row_fill(struct sqlite3_stmt *s, int first, struct container_row *row);

enum container_action {
	ACTION_START,         /* claim it */
	ACTION_FAIL,          /* the first start did not come about */
	ACTION_FAIL_AGAIN,    /* nor did a later one */
	ACTION_PAUSE,
	ACTION_UNPAUSE,
	ACTION_EXIT,
	ACTION_REMOVE,
	ACTION_REMOVE_ENDED,  /* by force: its process is known to be dead, whoever should have said so */
	ACTION_REMOVE_FAILED,
	ACTION_COUNT
};

bool container_runs(int state); /* running, paused or restarting */
bool container_allows(int state, enum container_action action);
int container_next_state(enum container_action action);
const char *container_state_name(int state); /* "running" */

/* SCOW_E_NOT_FOUND once it is removed. A row that a dead process left running is swept first. */
int container_row_read(scow_engine *engine, const char *id, struct container_row *row, scow_error **error) _must_check_;
/* Only what the row has, which for one that runs is not all. */
int container_row_once(scow_engine *engine, const char *id, struct container_row *row, scow_error **error) _must_check_;
/* The same inside @work; SCOW_E_STATE, with what to do about it, where @action is not allowed in the row's state. */
int container_row_check(struct db_work *work, const char *id, enum container_action action, struct container_row *row, scow_error **error)
	_must_check_;
int container_not_found(const char *name, scow_error **error);
/* "Up 5 seconds", as `docker ps` says it; malloc'ed, NULL without memory. */
char *container_status_of(const struct container_row *row);
/* Where a start by this engine would make @id's cgroup; malloc'ed. */
int container_cgroup_location(scow_engine *engine, const char *id, char **out, scow_error **error) _must_check_;
/* Makes @id's row claimed for a start, by @owner or (NULL) this engine; @previous is how it was. */
int container_claim(scow_engine *engine, const char *id, const char *owner, struct container_row *previous, scow_error **error) _must_check_;
/* @owner: NULL for this engine; @started: when, ns, or 0 for now. Nothing where it is not his any more. */
int container_record_start(scow_engine *engine, const char *id, const char *owner, pid_t pid, int64_t started, scow_error **error)
	_must_check_;
/* The start failed: the row goes back to where it was, with the reason. */
void container_record_failure(scow_engine *engine, const char *id, bool was_started, int code, const char *reason);
int container_record_exit(scow_engine *engine, const char *id, const struct process_exit *exit, scow_error **error);
/*
 * Where it is recorded that @id does not run any more, before that, in the same transaction: its addresses and ports are free, and the
 * events tell of it. @ran: its start had come to its end; @exit: its death, or NULL if that is noted or there was none.
 */
int container_leave(struct db_work *work, scow_engine *engine, const char *id, bool ran, const struct process_exit *exit, scow_error **error)
	_must_check_;
/* Deletes ROOT/containers/ID. Missing is success. */
int container_remove_dir(scow_engine *engine, const char *id, scow_error **error);
/* The same, and then its row. @exit: how it ended just now; NULL if that is recorded, or it never ran. */
int container_erase(scow_engine *engine, const char *id, const struct process_exit *exit, scow_error **error) _must_check_;

/* A pidfd of the row's PID 1, which is certainly that process and no later one with its number; -1: it is gone, or was never. */
int container_pidfd(scow_engine *engine, const struct container_row *row);
/* From /proc/PID/stat: start time in ticks and, of a zombie, its status as from wait(2) (else -1). false: no such process. */
bool process_stat(pid_t pid, int64_t *start, int *status);

/* ---- start.c ---- */

struct supervision {
	const char *owner; /* of the row: the supervisor to be */
	int lock_fd;       /* holds the owner's lock */
	int *leash_fd;     /* as supervisor_start() has it */
};
/* Starts one whose row is claimed: detached. */
int container_start_claimed(scow_container *container, bool was_started, const scow_io *io, const struct supervision *by,
			    scow_error **error) _must_check_;

/* If this engine started it: makes sure that its end, which has come, is recorded. */
void container_reap_own(scow_engine *engine, const char *id);
/* If this engine started the container: who dispatches its first process hears of the end of @joined, too. */
void container_watch_joined(scow_engine *engine, const char *id, scow_process *joined);

/* ---- joined.c ---- */

/* Records the ends of programs that this engine has put into the container; true while it has others there. PID 1's end waits for them. */
bool joined_reap(scow_engine *engine, const char *id);

/* ---- stop.c ---- */

/* Removes one that does not run; ephemeral ones on their last unref. */
void container_discard(scow_container *container);

/* ---- restarted.c ---- */

/* How often the last supervisor of one that does not run any more had restarted it. */
unsigned int container_last_restarts(scow_engine *engine, const char *id);

/* ---- names.c ---- */

#define NAME_MAX_MADE 48
/* "quiet_noether"; from the third @attempt on with a number. */
void name_make(char out[NAME_MAX_MADE], unsigned int attempt);
