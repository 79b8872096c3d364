/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the library and a supervisor say to each other.
 *
 * 1. At the start, on its socket: struct wire_supervise | id map of users | of groups | plan | plan of the health check | hooks. It answers with the report of the
 *    container's scow-init (WIRE_FAILED), or WIRE_STARTED. Before that, where it asks (WIRE_SUPERVISE_ASKS), WIRE_IS_READY: a byte of 1 lets it go on.
 * 2. Ever after it says how things are in ROOT/containers/ID/state, a struct wire_state that is replaced by rename.
 * 3. ROOT/containers/ID/attach.sock takes any number of clients; each message, both ways, is a struct wire_frame and its bytes.
 *
 * The two may come from different builds: a supervisor lives on when the library is upgraded. So a change here changes WIRE_SUPERVISE_MAGIC.
 */
#pragma once

#include <stdint.h>

#define WIRE_SUPERVISE_MAGIC 0x32707573u /* "sup2" */
#define WIRE_OWNER_SIZE 40
#define WIRE_CGROUPS_MAX 11
#define WIRE_ATTRIBUTES_MAX 4096
#define WIRE_STATE_NAME "state"
#define WIRE_RUNS_NAME "runs"
#define WIRE_HEALTH_NAME "health"
#define WIRE_LOG_NAME "log.json"
#define WIRE_LOG_PACKED ".gz" /* follows the number of one that is compressed */
#define WIRE_STATES_NAME "states.wake" /* in ROOT: opened after each change of a state file */
#define WIRE_ATTACH_NAME "attach.sock"
#define WIRE_WAITING_NAME "waiting-" /* sockets of those who attached before it runs begin so: each run connects to them, and hears SUBSCRIBE said */

enum wire_supervise_flag {
	WIRE_SUPERVISE_LOG = 1 << 0,
	WIRE_SUPERVISE_STDIN = 1 << 1,       /* a pipe; else it is empty */
	WIRE_SUPERVISE_CGROUP_V2 = 1 << 3,
	WIRE_SUPERVISE_KILL_CGROUP = 1 << 4, /* its pid namespace is not its own */
	WIRE_SUPERVISE_MAP_BY_HELPER = 1 << 5, /* the id maps are arguments of programs: each NUL-terminated, the program first */
	WIRE_SUPERVISE_ENTERS = 1 << 6,      /* the plan has a WIRE_ENTER */
	WIRE_SUPERVISE_READY = 1 << 7,       /* the plan has a WIRE_READY */
	WIRE_SUPERVISE_ASKS = 1 << 8,        /* the library is asked then, at the first start */
	WIRE_SUPERVISE_TERMINAL = 1 << 2,
	WIRE_SUPERVISE_COMPRESS = 1 << 9,    /* full logs */
	WIRE_SUPERVISE_LOG_DROPS = 1 << 11,  /* what a full disk does not take is lost */
	WIRE_SUPERVISE_LEASHED = 1 << 12,    /* ends when its socket is closed, unless a byte came before: then it is its own */
	WIRE_SUPERVISE_STDIN_ONCE = 1 << 10, /* closed when the first that has stdin leaves */
};

enum wire_policy { WIRE_RESTART_NO, WIRE_RESTART_ON_FAILURE, WIRE_RESTART_ALWAYS, WIRE_RESTART_UNLESS_STOPPED };

struct wire_supervise {
	uint32_t magic, flags;
	uint64_t clone_flags;
	uint64_t log_bytes;                /* of one file; 0: no limit */
	uint32_t log_files;
	uint32_t policy, retries;          /* of on-failure; 0: no limit */
	uint32_t n_cgroups;
	uint32_t memory_cgroup;            /* which of them counts OOM kills; n_cgroups: none */
	uint32_t uid_map_size, gid_map_size;
	uint32_t plan_size;
	uint32_t health_plan_size;         /* 0: no checks */
	uint32_t health_retries;
	uint32_t health_interval_ms, health_timeout_ms, health_start_period_ms, health_start_interval_ms;
	uint32_t hooks_size;               /* of a plan of nothing but WIRE_HOOK; 0: none */
	uint32_t n_passed;                 /* descriptors from WIRE_FD_PASS on */
	uint32_t attributes_size, reserved;/* of a piece of JSON in each entry of the log */
	char owner[WIRE_OWNER_SIZE];
};

enum wire_run_state { WIRE_RUN_NONE, WIRE_RUN_RUNNING, WIRE_RUN_RESTARTING, WIRE_RUN_FINISHED };

struct wire_state {
	uint32_t magic, size;
	char owner[WIRE_OWNER_SIZE];       /* which start this is of: else it is an old one's */
	uint32_t run_state, restart_count;
	int32_t supervisor_pid, pid;
	uint64_t supervisor_start, pid_start; /* /proc/PID/stat field 22 */
	int64_t first_started, started, finished; /* ns since 1970; the last two of the last run */
	int32_t exit_code, exit_signal;    /* of the last run that ended */
	uint32_t oom_kills, stopping;
	uint32_t health, ended;            /* enum wire_health_status; the number of the newest entry of WIRE_RUNS_NAME */
	char error[256];                   /* why a restart failed */
};

/*
 * A run that was followed by another, in ROOT/containers/ID/runs: entry N has its place at (N - 1) % WIRE_RUNS_MAX, and is there before
 * the state tells of it. So all that a reader has to do is to note those that are newer than what was noted last.
 */
#define WIRE_RUNS_MAX 256
struct wire_run {
	int64_t started, finished; /* ns since 1970 */
	int32_t exit_code, exit_signal;
	uint32_t oom_kills, number;
};

enum wire_health_status { WIRE_HEALTH_NONE, WIRE_HEALTH_STARTING, WIRE_HEALTH_HEALTHY, WIRE_HEALTH_UNHEALTHY };

#define WIRE_HEALTH_RESULTS 5
#define WIRE_HEALTH_OUTPUT 4096

struct wire_health_result {
	int64_t started, ended; /* ns since 1970 */
	int32_t exit_code;      /* -1: it did not run, or not to its end */
	uint32_t output_size;
	char output[WIRE_HEALTH_OUTPUT];
};

/* ROOT/containers/ID/health, where there are checks. */
struct wire_health {
	uint32_t magic, size;
	char owner[WIRE_OWNER_SIZE];
	uint32_t status, failing_streak, n_results, reserved;
	struct wire_health_result results[WIRE_HEALTH_RESULTS]; /* oldest first */
};

enum wire_frame_type {
	/* to the supervisor */
	WIRE_FRAME_SUBSCRIBE = 1, /* what comes from now on */
	WIRE_FRAME_STDIN,         /* of no bytes: this client has stdin, and may write later */
	WIRE_FRAME_CLOSE_STDIN,
	WIRE_FRAME_RESIZE,        /* uint32_t rows, columns; answered */
	WIRE_FRAME_STOPPING,      /* its next end is the last; answered */
	WIRE_FRAME_POLICY,        /* uint32_t policy, retries; answered */
	/* from it */
	WIRE_FRAME_HELLO = 64,    /* to SUBSCRIBE: struct wire_hello; then what is not in the log yet, as output */
	WIRE_FRAME_STDOUT,
	WIRE_FRAME_STDERR,
	WIRE_FRAME_EXIT,          /* int32_t code, signal; then the end of the file */
	WIRE_FRAME_ANSWER,
};

struct wire_frame {
	uint8_t type, reserved[3];
	uint32_t size;
};
#define WIRE_FRAME_BYTES_MAX (64u << 10)

struct wire_hello {
	int64_t now;      /* when this client came: what the log has until then, it is not told */
	int64_t started;  /* of this run; ns since 1970, both */
	int32_t pid;
	uint32_t terminal;
};

_Static_assert(sizeof(struct wire_supervise) == 96 + WIRE_OWNER_SIZE, "the same bytes on both sides");
_Static_assert(sizeof(struct wire_run) == 32, "the same bytes on both sides");
_Static_assert(sizeof(struct wire_state) == 384 && sizeof(struct wire_hello) == 24, "the same bytes on both sides");
