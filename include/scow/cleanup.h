/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SCOW_AUTO(scow_engine) *engine = NULL;  gives its reference back when it goes out of scope.
 * Needs a compiler with __attribute__((cleanup)): gcc or clang. Nothing else includes this header.
 */
#ifndef SCOW_CLEANUP_H
#define SCOW_CLEANUP_H

#include <scow/scow.h>

#define SCOW_AUTO(type) __attribute__((cleanup(type##_auto_unref))) type

#define SCOW_DEFINE_AUTO(type) \
	static inline void type##_auto_unref(type **handle) \
	{ \
		(void) type##_unref(*handle); \
	}

SCOW_DEFINE_AUTO(scow_error)
SCOW_DEFINE_AUTO(scow_cancel)
SCOW_DEFINE_AUTO(scow_iter)
SCOW_DEFINE_AUTO(scow_engine)
SCOW_DEFINE_AUTO(scow_engine_options)
SCOW_DEFINE_AUTO(scow_image)
SCOW_DEFINE_AUTO(scow_load_options)
SCOW_DEFINE_AUTO(scow_import_options)
SCOW_DEFINE_AUTO(scow_commit_options)
SCOW_DEFINE_AUTO(scow_pull_options)
SCOW_DEFINE_AUTO(scow_io)
SCOW_DEFINE_AUTO(scow_process)
SCOW_DEFINE_AUTO(scow_container)
SCOW_DEFINE_AUTO(scow_container_config)
SCOW_DEFINE_AUTO(scow_process_config)
SCOW_DEFINE_AUTO(scow_network)
SCOW_DEFINE_AUTO(scow_network_config)
SCOW_DEFINE_AUTO(scow_endpoint_config)
SCOW_DEFINE_AUTO(scow_volume)
SCOW_DEFINE_AUTO(scow_volume_config)
SCOW_DEFINE_AUTO(scow_volume_driver)
SCOW_DEFINE_AUTO(scow_log)
SCOW_DEFINE_AUTO(scow_events)
SCOW_DEFINE_AUTO(scow_pressure)
SCOW_DEFINE_AUTO(scow_pressure_options)

#endif
