/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Docker's filters of events: within one name any value will do, and all names must be satisfied. */
#pragma once

#include "base/json.h"
#include "store/journal.h"

/*
 * Checks @text, {"type":["container"],...} or {"type":{"container":true},...}; NULL or "" is no filter, and gives NULL. SCOW_E_INVALID
 * names what is wrong.
 */
int event_filter_parse(const char *text, cJSON **out, scow_error **error) _must_check_;
/* @attributes: the entry's, parsed. */
bool event_filter_matches(const cJSON *filter, const struct journal_entry *entry, const cJSON *attributes);
