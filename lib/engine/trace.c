/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Spans of an operation: kept while it lasts, told at its end. Times are the realtime clock's, the only one that is the same in all
 * time namespaces, and that tracing formats want.
 */
#include "base/clock.h"
#include "engine/trace.h"

#include <stdio.h>

/* Steps of one kind of work come together, mostly; neighbours are one span. */
static const char *const step_names[WIRE_KINDS] = {
	[WIRE_GO] = "wait",
	[WIRE_JOIN] = "namespaces",
	[WIRE_UNSHARE] = "namespaces",
	[WIRE_ENTER] = "namespaces",
	[WIRE_PROPAGATION] = "root",
	[WIRE_HOSTNAME] = "hostname",
	[WIRE_DOMAINNAME] = "hostname",
	[WIRE_LOOPBACK] = "network",
	[WIRE_OVERLAY] = "root",
	[WIRE_ROOT_BIND] = "root",
	[WIRE_MOUNT] = "mounts",
	[WIRE_BIND] = "mounts",
	[WIRE_CGROUP] = "mounts",
	[WIRE_FILE] = "files",
	[WIRE_DEVICE] = "devices",
	[WIRE_DEV_LINKS] = "devices",
	[WIRE_TERMINAL] = "devices",
	[WIRE_SYSCTL] = "sysctls",
	[WIRE_OOM_SCORE] = "limits",
	[WIRE_MAKE_DIR] = "files",
	[WIRE_READ_ONLY] = "masks",
	[WIRE_MASK] = "masks",
	[WIRE_ROOT_READ_ONLY] = "root",
	[WIRE_PIVOT] = "pivot",
	[WIRE_USER] = "user",
	[WIRE_CHDIR] = "user",
	[WIRE_SESSION] = "session",
	[WIRE_RLIMIT] = "limits",
	[WIRE_INIT] = "init",
	[WIRE_CREDENTIALS] = "credentials",
};

int64_t trace_now(const scow_engine *engine)
{
	return engine && engine->trace ? now_ns() : 0;
}

void trace_begin(struct trace *trace, scow_engine *engine, const char *name, int64_t began)
{
	trace->engine = engine && engine->trace ? engine : NULL;
	if (!trace->engine)
		return;
	trace->name = name;
	trace->count = trace->first_part = 0;
	trace->began = trace->mark = began ? began : now_ns();
}

static void add(struct trace *trace, const char *name, int64_t begin, int64_t end)
{
	if (trace->count < TRACE_SPANS_MAX)
		trace->spans[trace->count++] = (struct trace_span){ name, begin, end, -1 };
}

void trace_phase(struct trace *trace, const char *name)
{
	int64_t now;

	if (!trace_is_on(trace) || trace->count == TRACE_SPANS_MAX)
		return;
	now = now_ns();
	for (; trace->first_part < trace->count; trace->first_part++)
		trace->spans[trace->first_part].parent = (int) trace->count;
	add(trace, name, trace->mark, now);
	trace->first_part = trace->count;
	trace->mark = now;
}

void trace_steps(struct trace *trace, const struct wire_time *times, size_t count)
{
	if (!trace_is_on(trace))
		return;
	/* The last one is when it was told. A place is left for the phase itself, and for those after it. */
	for (size_t i = 0, next; i + 1 < count && trace->count < TRACE_SPANS_MAX - 8; i = next) {
		const char *name = times[i].kind < WIRE_KINDS ? step_names[times[i].kind] : NULL;

		for (next = i + 1; next + 1 < count && times[next].kind < WIRE_KINDS && step_names[times[next].kind] == name;)
			next++;
		if (times[i].ns >= trace->mark && times[next].ns >= times[i].ns)
			add(trace, name ? name : "other", times[i].ns, times[next].ns);
	}
}

void trace_end(struct trace *trace, const char *id, int status)
{
	scow_engine *engine = trace->engine;
	char attributes[160];
	uint64_t own;

	if (!engine)
		return;
	trace_phase(trace, "end");
	trace->engine = NULL;
	own = atomic_fetch_add_explicit(&engine->spans, trace->count + 1, memory_order_relaxed) + 1;
	snprintf(attributes, sizeof(attributes), "{\"container.id\":\"%.64s\",\"status\":%d}", id ? id : "", status);
	engine->trace(own, 0, trace->name, trace->began, trace->mark, attributes, engine->trace_data);
	for (size_t i = 0; i < trace->count; i++) {
		const struct trace_span *span = &trace->spans[i];

		engine->trace(own + 1 + i, span->parent < 0 ? own : own + 1 + (uint64_t) span->parent, span->name, span->begin, span->end,
			      "{}", engine->trace_data);
	}
}
