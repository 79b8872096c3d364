/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Capability names and sets. See: capabilities(7). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CAPS_ALL UINT64_MAX

/* "NET_ADMIN", "CAP_NET_ADMIN" (any case): its bit number, or -1. */
int caps_parse(const char *name);
const char *caps_name(int bit); /* "CAP_CHOWN", or NULL */
uint64_t caps_default(void);    /* Docker's 14 */
uint64_t caps_last(void);       /* mask of what this kernel knows */
