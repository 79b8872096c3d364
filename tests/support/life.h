/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Containers in one of the states of their life, and what tests look at in them. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "api_fixture.h"

struct life {
	scow_container *container;
	scow_process *process;
};

enum state { CREATED, RUNNING, PAUSED, DETACHED, DETACHED_PAUSED, EXITED, GONE, STATES };

/* A container of `sh -c SCRIPT` in that state; one that runs has said something, "ready" if it is detached. */
struct life life_begin(const char *script, enum state state);
/* Removes it, whatever its state, and gives back the handles. */
void life_end(struct life *life);
/* Until a detached one has printed that. */
void await_log(scow_container *container, const char *words);
/* This user may have cgroups. */
bool can_limit(void);

/* Its JSON, for scow_free(). */
char *life_document(struct life *life, int (*get)(scow_container *, char **, scow_error **));
void expect_in(char *text, const char *words);
double number_in(char *text, const char *name);

struct waiting {
	scow_container *container;
	scow_wait_condition condition;
	int code, result;
	pthread_t thread;
};

/* In a thread of its own, for pthread_join(). */
void start_waiting(struct waiting *waiting, struct life *life, scow_wait_condition condition);
