/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A container that sleeps, and programs that are executed in it. */
#pragma once

#include "api_fixture.h"

/* Of the present test. */
extern struct executing {
	scow_container *container;
	scow_process *first; /* its PID 1 */
} executing;

/* A container that sleeps, with @change (may be NULL) made to its settings; and its end. */
void exec_begin(void (*change)(scow_container_config *config));
void exec_end(void);
/* The same, for cmocka. */
int exec_setup(void **state);
int exec_teardown(void **state);

/* `sh -c SCRIPT`. */
scow_process_config *exec_shell(const char *script);
scow_process *exec_start(const scow_process_config *config, const scow_io *io);
/* Until it has ended: its code. */
int exec_code(scow_process *process);
/* Until it has printed those words. */
void exec_wait_for(scow_process *process, const char *words);
/* Executes it to its end; its code, and in @out (may be NULL) what it printed. */
int exec_run(const scow_process_config *config, char out[4096]);
int exec_script(const char *script, char out[4096]);
void exec_expect(const char *script, const char *expected);
void exec_refused(const scow_process_config *config, scow_status status, const char *words);
/* Processes in the container that live, without the shell that counts. */
int exec_count(void);
