/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words of scheduling settings and their numbers. Names are kept as runtime-spec has them: "SCHED_FIFO", "MPOL_BIND". */
#pragma once

#include "base/arena.h"
#include "runtime/spec.h"

struct config_scheduler {
	const char *policy; /* NULL: none was asked for */
	int nice;
	unsigned int priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
	const char **flags; size_t n_flags;
};
struct config_memory_policy {
	const char *mode; /* NULL: none was asked for */
	const char *nodes; /* or NULL */
	const char **flags; size_t n_flags;
};

/* Any spelling ("fifo", "SCHED_FIFO") to the name that is kept, and its number; NULL: there is none such. */
const char *scheduler_policy(const char *text, size_t size, uint32_t *number);
const char *scheduler_flag(const char *text, size_t size, uint64_t *bit);
const char *io_class(const char *text, size_t size, uint32_t *number);
const char *memory_mode(const char *text, size_t size, uint32_t *number);
const char *memory_flag(const char *text, size_t size, uint32_t *bit);
/* "0-2,4" as bits; false where one is past the last. */
bool bits_parse(const char *list, struct spec_bits *out);
