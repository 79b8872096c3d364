/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libscow, the container engine as a library: includes every public header but cleanup.h.
 *
 * Three rules hold everywhere:
 * - A fallible call returns 0 or more, or a negative scow_status, and explains itself through its last
 *   argument (error.h).
 * - Strings given in are copied. Strings returned are "borrowed" (valid while their handle lives) or
 *   "owned" (free them with scow_free()).
 * - Handles are counted: _ref and _unref; an _unref of NULL is fine. A handle keeps what it needs alive.
 */
#ifndef SCOW_SCOW_H
#define SCOW_SCOW_H

#include <scow/version.h>
#include <scow/status.h>
#include <scow/error.h>
#include <scow/cancel.h>
#include <scow/engine.h>
#include <scow/iter.h>
#include <scow/image.h>
#include <scow/registry.h>
#include <scow/io.h>
#include <scow/network.h>
#include <scow/volume.h>
#include <scow/process.h>
#include <scow/container_config.h>
#include <scow/container.h>
#include <scow/hook.h>
#include <scow/files.h>
#include <scow/dial.h>
#include <scow/log.h>
#include <scow/event.h>
#include <scow/pressure.h>
#include <scow/system.h>

#endif
