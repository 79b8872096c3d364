/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The context: check of every entry, log, options, references. What opening and closing take is in
 * system/open.c, because only the last room knows all the others.
 */
#include "engine/engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "engine/options.h"

int engine_check(scow_engine *engine, scow_error **error)
{
	if (!engine)
		return error_set(error, SCOW_E_INVALID, "no engine was given");
	/* A forked child shares descriptors and SQLite's locks with its parent: whatever it did would hurt both. */
	if (engine->pid != getpid())
		return error_hint(error, error_set(error, SCOW_E_STATE, "this engine was opened by another process, before a fork"),
				  "open an engine of its own in the child");
	return 0;
}

void engine_log(scow_engine *engine, int level, const char *format, ...)
{
	int saved = errno;
	char *message;
	va_list args;

	if (!engine || !engine->log)
		return;
	va_start(args, format);
	if (vasprintf(&message, format, args) < 0)
		message = NULL;
	va_end(args);
	if (message)
		engine->log(level, message, engine->log_data);
	free(message);
	errno = saved;
}

scow_engine_options *scow_engine_options_new(void)
{
	return calloc(1, sizeof(scow_engine_options));
}

scow_engine_options *scow_engine_options_unref(scow_engine_options *options)
{
	if (options) {
		free(options->root);
		strv_free(options->cdi_dirs);
		free(options);
	}
	return NULL;
}

void scow_engine_options_set_root(scow_engine_options *options, const char *path)
{
	if (options)
		options->failed |= !str_assign(&options->root, path);
}

void scow_engine_options_set_cdi_dirs(scow_engine_options *options, const char *const *dirs)
{
	if (!options)
		return;
	strv_free(options->cdi_dirs);
	options->cdi_dirs = strv_copy(dirs);
	options->failed = options->failed || (dirs && !options->cdi_dirs);
}

void scow_engine_options_set_log(scow_engine_options *options, scow_log_fn log, void *userdata)
{
	if (!options)
		return;
	options->log = log;
	options->log_data = userdata;
}

void scow_engine_options_set_trace(scow_engine_options *options, scow_trace_fn trace, void *userdata)
{
	if (!options)
		return;
	options->trace = trace;
	options->trace_data = userdata;
}

scow_engine *scow_engine_ref(scow_engine *engine)
{
	if (engine)
		atomic_fetch_add_explicit(&engine->refs, 1, memory_order_relaxed);
	return engine;
}

scow_engine *scow_engine_unref(scow_engine *engine)
{
	int saved = errno;

	if (engine && atomic_fetch_sub_explicit(&engine->refs, 1, memory_order_acq_rel) == 1)
		engine->close(engine);
	errno = saved;
	return NULL;
}

const char *scow_engine_root(const scow_engine *engine)
{
	return engine ? engine->root : NULL;
}

int scow_engine_rootless(const scow_engine *engine)
{
	return engine && engine->facts.rootless;
}
