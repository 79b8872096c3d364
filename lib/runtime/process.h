/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process handle from inside: how start makes one, and what the container hears of its end. */
#pragma once

#include <scow/process.h>

#include "engine/engine.h"
#include "runtime/cgroup.h"

DEFINE_CLEANUP(scow_process *, scow_process_unref)

struct process_exit {
	int code;          /* exit code or 128 + signal */
	int signal;        /* or 0 */
	struct cgroup_usage usage;
};

struct process_params {
	pid_t pid;
	int pidfd;                 /* taken */
	int terminal_fd;           /* taken; -1 without */
	int stdin_fd;              /* our end, taken; -1 */
	int stdout_fd, stderr_fd;  /* our ends, taken; -1 */
	scow_output_fn output;     /* or NULL */
	void *output_data;
	size_t capture_limit;      /* 0: no capture */
	struct cgroup *cgroup;     /* taken; may be NULL: usage is read and it is removed at the exit */
	uint64_t guard_key;        /* dropped at the exit */
	uint64_t started_us, ready_us; /* clock_us() of the start call and of its return */
	/* Called once, when the exit is first seen, on the thread in dispatch, wait or the last unref. */
	void (*on_exit)(void *data, const struct process_exit *exit);
	void (*on_free)(void *data);
	void *data;
};

int process_new(scow_engine *engine, struct process_params *params, scow_process **out, scow_error **error) _must_check_;
/* io.c: what a scow_io asks for, turned into the descriptors of a start. */
struct io_setup {
	int child_fds[3];          /* for launch; owned by the setup where owned[i] */
	bool owned[3];
	int our_stdin, our_stdout, our_stderr; /* for process_params; owned */
	unsigned int rows, columns;
	scow_output_fn output;
	void *output_data;
	size_t capture_limit;
};
int io_setup_open(const scow_io *io, bool terminal, bool open_stdin, struct io_setup *out, scow_error **error) _must_check_;
void io_setup_close_child(struct io_setup *setup); /* after the spawn */
void io_setup_done(struct io_setup *setup);
