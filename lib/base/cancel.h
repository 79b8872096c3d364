/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cancel token seen from inside: what to poll, and waits that end early. */
#pragma once

#include <stdint.h>

#include <scow/cancel.h>

#include "base/cleanup.h"
#include "base/error.h"

DEFINE_CLEANUP(scow_cancel *, scow_cancel_unref)

/* Becomes readable when triggered, and stays so. -1 for NULL. */
int cancel_fd(const scow_cancel *cancel);
/* Polls @fd for @events with the token and a timeout in ms (-1: none): 1 ready, 0 timed out, SCOW_E_CANCELED with an error. @fd may be -1. */
int cancel_poll(const scow_cancel *cancel, int fd, short events, int timeout_ms, scow_error **error);
/* Another reference to @cancel (NULL: none) in place of what @to has. */
void cancel_assign(scow_cancel **to, scow_cancel *cancel);
/* Monotonic clock. */
uint64_t clock_us(void);
