/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a log's options "labels", "env" and "tag" add to each entry. */
#pragma once

#include "container/container.h"

#define LOG_ATTRIBUTES_MAX 4096

/* A member that ends with a comma: "attrs":{"stage":"test"}, malloc'ed; NULL where there is nothing to add. @env: "NAME=value" each. */
int log_attributes(scow_container *container, const struct log_settings *log, char *const *env, size_t n_env, char **out,
		   scow_error **error) _must_check_;
/* Whether all of a tag's {{...}} are known. */
bool log_tag_is_valid(const char *tag);
