/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Documents in the part of YAML that programs write: mappings and sequences by indentation, plain and quoted scalars of one line, comments,
 * "[]" and "{}". All else (anchors, tags, texts of several lines, "{a: b}", a second document) is refused, with its line: nothing is
 * guessed.
 *
 * What a plain scalar is, is what Go's YAML makes of it on the way to JSON, but for two things: fractions are refused, and "yes", "on" and
 * their like are texts. See: yaml.org/spec/1.2.2.
 */
#pragma once

#include "base/json.h"

/* As json_parse(): one document as a tree. SCOW_E_CORRUPT with "@what: line N: ..." on anything malformed or not understood. */
int yaml_parse(const char *text, size_t size, const char *what, cJSON **out, scow_error **error) _must_check_;
