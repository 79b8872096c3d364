/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a list sees of its containers while it is made: the handles keep it, and tables are made of that without another question. */
#pragma once

#include "base/iter.h"
#include "container/container.h"

struct listing {
	int state;
	char *status, *ports, *labels;
	bool unsettled; /* it is over, as its supervisor says, and nobody has recorded that */
	bool leased;    /* it has addresses: what it exposes can be reached */
	bool exposes;   /* by its own settings, besides its image's */
};
void listing_free(struct listing *listing);

/* Columns for listing_read(), after those of container_row_fill(). */
#define LISTING_COLUMNS                                                                                                                    \
	CONTAINER_ROW_COLUMNS ", labels, EXISTS (SELECT 1 FROM endpoints WHERE container = containers.id AND mac IS NOT NULL), "           \
			      "instr(config, '\"ExposedPorts\"') > 0"
#define LISTING_LABELS CONTAINER_ROW_COLUMN_COUNT /* place of the labels among them */

/* What its row and its supervisor's file say of it. */
void listing_look(scow_engine *engine, struct sqlite3_stmt *s, int first, const char *id, struct container_row *row, bool *unsettled);
/* Keeps it in the handle. */
int listing_keep(scow_container *container, struct sqlite3_stmt *s, int first, const struct container_row *row, bool unsettled,
		 scow_error **error) _must_check_;
/* With the list complete: those that are over are brought to rest (and left out, unless @all), the others get their ports. */
int listing_finish(scow_engine *engine, scow_iter *list, bool all, scow_error **error) _must_check_;
