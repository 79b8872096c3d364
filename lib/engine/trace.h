/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the time of a call goes, for a host that wants to know (scow_engine_options_set_trace). A call is one operation, its phases
 * follow each other without a gap, and a phase may have parts. All is told at the operation's end, so that the host's own time is in none
 * of it. Without a host that listens each of these is one comparison.
 */
#pragma once

#include "engine/engine.h"
#include "init/wire.h"

#define TRACE_SPANS_MAX 64

struct trace_span {
	const char *name;   /* a constant */
	int64_t begin, end; /* ns since 1970 */
	int parent;         /* of the spans; -1: the operation itself */
};

struct trace {
	scow_engine *engine; /* NULL: nobody listens */
	const char *name;
	int64_t began, mark;
	size_t count, first_part; /* of the phase that lasts */
	struct trace_span spans[TRACE_SPANS_MAX];
};

/* @name: a constant, "start". @began: trace_now() of before; 0: now. */
void trace_begin(struct trace *trace, scow_engine *engine, const char *name, int64_t began);
/* 0 where nobody listens. */
int64_t trace_now(const scow_engine *engine);
/* What was done since the phase before, and its parts. */
void trace_phase(struct trace *trace, const char *name);
/* What scow-init did, step by step: parts of the phase that lasts. */
void trace_steps(struct trace *trace, const struct wire_time *times, size_t count);
/* Tells all. @id: of the container, or NULL; @status: what the call returns. */
void trace_end(struct trace *trace, const char *id, int status);
static inline bool trace_is_on(const struct trace *trace)
{
	return trace && trace->engine;
}
