/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Docker's filters: a document of names with values, {"status":["running"],"label":["a=b"]} or, as old clients send it,
 * {"status":{"running":true}}. Values of one name are alternatives, but for labels, which all must be there.
 */
#pragma once

#include <stdbool.h>

#include "base/json.h"

struct filters {
	cJSON *document; /* NULL: none */
};

/* @text NULL or "": none. @allowed: NULL-terminated names; any other is SCOW_E_INVALID. */
int filters_parse(const char *text, const char *const *allowed, struct filters *out, scow_error **error) _must_check_;
void filters_done(struct filters *filters);
#define _cleanup_filters_ __attribute__((cleanup(filters_done)))
/* The @index-th value of @name; NULL past the last. */
const char *filters_value(const struct filters *filters, const char *name, size_t index);
bool filters_have(const struct filters *filters, const char *name);
/* True without a filter of that name, or if @value is one of its. */
bool filters_allow(const struct filters *filters, const char *name, const char *value);
/* The same for a value that has one of its as a part, and that begins with one of them. */
bool filters_contain(const struct filters *filters, const char *name, const char *value);
bool filters_begin(const struct filters *filters, const char *name, const char *value);
/* True also if one of its is "true" or "1" as @value is; "false" or "0". */
bool filters_allow_bool(const struct filters *filters, const char *name, bool value);
/* Whether all "label" are in @labels and no "label!" is: "key" or "key=value". @labels: an object of strings; NULL: none. */
bool filters_allow_labels(const struct filters *filters, const cJSON *labels);
/* "until": a duration before now ("24h", "1h30m"), seconds since 1970, or RFC 3339. @ns: INT64_MAX where there is none. SCOW_E_INVALID. */
int filters_until(const struct filters *filters, int64_t *ns, scow_error **error) _must_check_;
