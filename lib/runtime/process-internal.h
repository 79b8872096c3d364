/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process handle, between its life (process.c) and its input and output (process-io.c). */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/str.h"
#include "runtime/process.h"

enum slot { SLOT_STDOUT, SLOT_STDERR, SLOT_PIDFD, SLOT_DEADLINE, SLOT_JOINED, SLOT_COUNT };
enum stage { STAGE_RUNNING, STAGE_REAPING, STAGE_REAPED };

struct output {
	int fd; /* -1: at its end, or never there. A terminal's is closed only with the handle */
	struct str captured;
};

struct scow_process {
	atomic_uint refs;
	scow_engine *engine;
	struct process_params params;
	int epoll_fd;
	int deadline_fd; /* a timer, or -1 */
	struct output outputs[2];
	atomic_bool host_reads_terminal;
	pthread_mutex_t lock;
	pthread_cond_t reaped;
	enum stage stage; /* under lock */
	struct process_exit exit;
	scow_receipt receipt;
	atomic_bool exited; /* exit and receipt are set before, and never change after */
};

int process_check(const scow_process *process, scow_error **error) _must_check_;
/* With all its children. */
int process_kill_tree(scow_process *process, scow_error **error);
