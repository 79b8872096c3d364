/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the prunes of all kinds share: the filters, what has gone, and the first failure. Each removal is the ordinary one, without force:
 * what came into use since it was chosen stays, and is no failure.
 */
#pragma once

#include "container/filters.h"
#include "engine/engine.h"

struct prune_kind {
	const char *type;           /* in the journal */
	const char *deleted;        /* the report's name for the list of what has gone */
	const char *const *filters; /* NULL-terminated */
	bool frees;                 /* the report says how much room that gave */
};

struct prune {
	scow_engine *engine;
	const struct prune_kind *kind;
	struct filters filters;
	int64_t until; /* what is older than that, ns; INT64_MAX without such a filter */
	cJSON *report, *deleted;
	uint64_t bytes;
	scow_error *failure; /* the first one */
};

int prune_begin(struct prune *prune, scow_engine *engine, const struct prune_kind *kind, const char *filters,
		scow_error **error) _must_check_;
/* What came of removing @name (NULL: the caller adds to @deleted): takes @failure, unless it means that it is in use, or gone. */
void prune_note(struct prune *prune, int r, const char *name, scow_error **failure);
/* The report and the event, or the first failure. @report may be NULL. */
int prune_finish(struct prune *prune, char **report, scow_error **error) _must_check_;
void prune_done(struct prune *prune);
#define _cleanup_prune_ __attribute__((cleanup(prune_done)))
