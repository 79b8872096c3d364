/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process handle from inside: how start makes one, and what the container hears of its end. */
#pragma once

#include <stdbool.h>

#include <scow/process.h>

#include "engine/engine.h"
#include "init/wire.h"
#include "runtime/cgroup.h"
#include "runtime/spec.h"

DEFINE_CLEANUP(scow_process *, scow_process_unref)

struct scow_receipt {
	struct cgroup_usage usage;
	uint64_t wall_us, start_us;
};

struct process_exit {
	int code;          /* exit code or 128 + signal; 255 where nobody can tell any more */
	int signal;        /* or 0 */
	bool lost;         /* the host took the status, and this kernel cannot give it twice */
	struct cgroup_usage usage;
};

struct attach;

struct process_params {
	pid_t pid;
	int pidfd;                 /* taken */
	int keeper_fd;             /* taken: its parent, a child of ours that ends as it does (lib/init/keep.c); 0 or less: it is our own child */
	int terminal_fd;           /* taken; -1 without */
	int stdin_fd;              /* our end, taken; -1 */
	int stdout_fd, stderr_fd;  /* our ends, taken; -1 */
	scow_output_fn output;     /* or NULL */
	void *output_data;
	size_t capture_limit;      /* 0: no capture */
	struct cgroup *cgroup;     /* taken; may be NULL: usage is read and it is removed at the exit */
	bool kill_cgroup;          /* its pid namespace is not its own: what is left in the cgroup is killed when it ends */
	bool joined;               /* it joined a running container: @cgroup is its own there, and what it leaves goes on in the container's */
	bool orphan;               /* it is nobody's child, and lives on when its handle goes */
	unsigned int deadline_ms;  /* from now on; 0: none. Kept by whoever dispatches */
	struct attach *attach;     /* taken; its supervisor's: runtime/attach.h. Then it has no pipes, and lives on when its handle goes */
	uint64_t guard_key;        /* dropped at the exit; 0: none */
	uint64_t started_us, ready_us; /* clock_us() of the start call and of its return */
	/*
	 * Programs that joined this one's container may hold its end up: sees to those that have ended, from any thread, without a lock;
	 * true while there are others. NULL: nobody can have joined it.
	 */
	bool (*reap_joined)(void *data);
	/* Called once, without a lock, on the thread that first sees the exit: in dispatch, wait, process_reap or the last unref. */
	void (*on_exit)(void *data, const struct process_exit *exit);
	void (*on_free)(void *data);
	/* Its terminal has another size; on the caller's thread, without a lock. NULL: nobody is told. */
	void (*on_resize)(void *data, unsigned int rows, unsigned int columns);
	void *data;
};

/* On failure the process is killed and reaped, everything taken is released, and neither on_exit nor on_free is called. */
int process_new(scow_engine *engine, struct process_params *params, scow_process **out, scow_error **error) _must_check_;
/* One that was attached to before it ran: now it has begun. @pidfd: taken, or -1. */
void process_begun(scow_process *process, pid_t pid, int pidfd);
/*
 * Learns and records the end of a process that has ended (or is about to: it waits for that). From any thread, any number of
 * times; output stays for the thread that dispatches. Returns its exit code.
 */
int process_reap(scow_process *process, scow_error **error);
/* It is dead, whether reaped or not. */
bool process_has_ended(const scow_process *process);
/* Who dispatches @process calls its reap_joined when @joined ends. */
void process_watch_joined(scow_process *process, const scow_process *joined);
/* A reference for someone who found the handle in a table; false if its last one has just gone. */
bool process_try_ref(scow_process *process);

/* io.c: what a scow_io asks for, turned into the descriptors of a start. */
struct io_setup {
	int child_fds[3];          /* for launch; owned by the setup where owned[i] */
	bool owned[3];
	int our_stdin, our_stdout, our_stderr; /* for process_params; owned */
	unsigned int rows, columns;
	scow_output_fn output;
	void *output_data;
	size_t capture_limit;
	struct spec_fd fds[WIRE_PASS_MAX]; /* what else the process gets, borrowed */
	size_t n_fds;
	unsigned int listen;
};
/* Fills @out also on failure, so that io_setup_done() may always follow. @io may be NULL. */
int io_setup_open(const scow_io *io, bool terminal, bool open_stdin, struct io_setup *out, scow_error **error) _must_check_;
/* The same for one that a supervisor starts, which has its streams: only what is passed. */
int io_setup_detached(const scow_io *io, struct io_setup *out, scow_error **error) _must_check_;
/* Puts what is passed into @spec, for as long as @setup is there. */
int io_setup_pass(const struct io_setup *setup, struct spec *spec, scow_error **error) _must_check_;
/* The same for one that runs already: our_stdout and our_stderr are where its output is to be written, or -1. */
int io_setup_attach(const scow_io *io, struct io_setup *out, scow_error **error) _must_check_;
void io_setup_close_child(struct io_setup *setup); /* after the spawn */
void io_setup_done(struct io_setup *setup);
/* write(2) that never lets SIGPIPE reach the host: bytes or -errno. */
ssize_t pipe_write(int fd, const void *data, size_t size);
