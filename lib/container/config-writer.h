/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For config-format.c and config-format-limits.c. Want of memory is kept in @out. */
#pragma once

#include "base/str.h"
#include "container/config.h"

struct writer {
	struct str out;
	bool comma; /* the next member or element needs one before it */
};

/* A name may be NULL in an array. Of the values, NULL, false, and a count of 0 or of none are left out. */
void writer_separate(struct writer *w);
void writer_member(struct writer *w, const char *name);
void writer_quoted(struct writer *w, const char *text);
void writer_open(struct writer *w, const char *name, char bracket);
void writer_close(struct writer *w, char bracket);
/* Opens @name with the first element only. */
void writer_open_once(struct writer *w, const char *name, char bracket, bool *open);
void writer_string(struct writer *w, const char *name, const char *value);
void writer_true(struct writer *w, const char *name, bool value);
void writer_number(struct writer *w, const char *name, int64_t value); /* always */
void writer_count(struct writer *w, const char *name, uint64_t value);
void writer_element(struct writer *w, const char *value);
void writer_vector(struct writer *w, const char *name, const char *const *values, size_t n); /* always */
void writer_strings(struct writer *w, const char *name, const char *const *values, size_t n);
void writer_map(struct writer *w, const char *name, const struct config_pair *pairs, size_t n);
/* One string of two parts with @between; without it where @second is NULL. */
void writer_joined(struct writer *w, const char *first, char between, const char *second);

/* config-format-limits.c: the members of HostConfig that limit, and DeviceRequests. */
void writer_resources(struct writer *w, const scow_container_config *config);
/* config-format-mounts.c: the document's Volumes; HostConfig's Binds, Mounts, Tmpfs, VolumesFrom, VolumeDriver. */
void writer_volumes(struct writer *w, const scow_container_config *config);
void writer_mounts(struct writer *w, const scow_container_config *config);
/* config-ports.c */
void writer_exposed_ports(struct writer *w, const scow_container_config *config);
void writer_port_bindings(struct writer *w, const scow_container_config *config);
void writer_device_requests(struct writer *w, const scow_container_config *config);
