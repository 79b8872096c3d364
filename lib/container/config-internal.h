/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the setters of config.c and config-limits.c share. */
#pragma once

#include "container/config.h"

/* In a setter: keep why its value is bad. An expression of type void. */
#define REFUSE(config, ...) REFUSE_AS(config, __func__, __VA_ARGS__)
#define REFUSE_AS(config, setter, ...) config_refuse(config, SCOW_E_INVALID, setter, __VA_ARGS__)

void config_set_string(scow_container_config *config, const char **field, const char *value); /* NULL: unset */
void config_add_string(scow_container_config *config, const char ***array, size_t *count, const char *value);
/* Absolute, without "//", "." and ".."; NULL after refusing. */
const char *config_clean_path(scow_container_config *config, const char *setter, const char *path);
bool text_has_control(const char *text);
