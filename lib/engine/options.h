/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What scow_engine_options holds, for system/open.c. */
#pragma once

#include <stdbool.h>

#include <scow/engine.h>

struct scow_engine_options {
	char *root;
	char **cdi_dirs; /* NULL: the default ones */
	bool failed; /* memory ran out in a setter */
	scow_log_fn log;
	void *log_data;
	scow_trace_fn trace;
	void *trace_data;
};
