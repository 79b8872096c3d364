/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dockerfile instructions that change an image's settings, and nothing else: the --change of commit and import. */
#pragma once

#include "base/json.h"

/*
 * Carries one out on @config, the "config" object of an image: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, SHELL,
 * STOPSIGNAL, USER, VOLUME, WORKDIR. SCOW_E_INVALID names what is wrong with it.
 */
int instruction_apply(cJSON *config, const char *text, scow_error **error) _must_check_;
