/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Typed access over cJSON for documents that strangers wrote. Limits on size and depth come first;
 * an error names the path of the bad field ("HostConfig.Memory: expected a number").
 */
#pragma once

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

#define JSON_MAX_BYTES (8u << 20)
#define JSON_MAX_DEPTH 64

DEFINE_CLEANUP(cJSON *, cJSON_Delete)
#define _cleanup_json_ _cleanup_(cJSON_Deletep)

/* Parses exactly one document. @what names it in errors ("manifest of 'ubuntu'"). SCOW_E_CORRUPT on anything malformed. */
int json_parse(const char *text, size_t size, const char *what, cJSON **out, scow_error **error) _must_check_;

/* Member access: a missing member or null gives the default; a member of the wrong type gives SCOW_E_CORRUPT. */
int json_string(const cJSON *object, const char *name, const char **out, scow_error **error) _must_check_; /* default NULL */
int json_i64(const cJSON *object, const char *name, int64_t *out, scow_error **error) _must_check_;         /* default: left as is */
int json_object(const cJSON *object, const char *name, const cJSON **out, scow_error **error) _must_check_; /* default NULL */
int json_array(const cJSON *object, const char *name, const cJSON **out, scow_error **error) _must_check_;  /* default NULL */
/* An array whose elements are all strings. */
int json_strings(const cJSON *object, const char *name, const cJSON **out, scow_error **error) _must_check_;

/* Builders: NULL values are skipped. They report want of memory by false. */
bool json_add_strings(cJSON *object, const char *name, char *const *strv); /* NULL strv: adds null */
/* Compact text, owned (free()), or NULL without memory; the cJSON is not consumed. */
char *json_print(const cJSON *item);
