/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * scow-init as a sealed memfd: no container can write to it through /proc/self/exe (CVE-2019-5736),
 * and nothing has to be installed for a program that links libscow.
 */
#pragma once

#include <stddef.h>

#include "engine/engine.h"

/* The program's bytes, embedded at build time (lib/init/blob.S). */
extern const unsigned char helper_blob[];
extern const size_t helper_blob_size;

/* A borrowed descriptor of it, made on first use. fd or a status. */
int engine_helper(scow_engine *engine, scow_error **error) _must_check_;
