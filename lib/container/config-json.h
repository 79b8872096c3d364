/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the config's document is read: tables of fields, each with the setter that its value goes to. */
#pragma once

#include <math.h>

#include "base/json.h"
#include "container/config.h"

struct reader {
	scow_container_config *config;
	char path[160]; /* of the field being read */
};

typedef void (*read_fn)(struct reader *reader, const cJSON *item);

enum field_kind {
	FIELD_STRING, /* "" is unset */
	FIELD_FLAG,
	FIELD_U64,
	FIELD_I64,
	FIELD_EACH,   /* an array of strings, one call each */
	FIELD_READ,
	FIELD_IGNORE  /* means nothing here, whatever it says */
};

struct field {
	const char *name;
	enum field_kind kind;
	union {
		void (*string)(scow_container_config *config, const char *value);
		void (*flag)(scow_container_config *config, int value);
		void (*u64)(scow_container_config *config, uint64_t value);
		void (*i64)(scow_container_config *config, int64_t value);
		read_fn read;
	} to;
};

/* Docker's DeviceRequests, config-json-devices.c. */
void read_device_requests(struct reader *reader, const cJSON *item);
/* Mounts and Volumes, config-json-mounts.c. */
void read_mounts(struct reader *reader, const cJSON *item);
void read_volumes(struct reader *reader, const cJSON *item);
/* HostConfig's own fields, config-json-host.c. */
extern const struct field host_fields[];
extern const size_t n_host_fields;
/* The rest of them, config-json-limits.c. */
extern const struct field limit_fields[];
extern const size_t n_limit_fields;
/* A member's text, or NULL. */
const char *json_member_string(const cJSON *object, const char *name);

/* HostConfig.IDMappings, in podman's form: config-ids.c. */
void id_mappings_read(struct reader *reader, const cJSON *item);

/* Keeps @reason as the error of the field being read. */
void reader_refuse(struct reader *reader, scow_status status, const char *reason);
/* A whole number that is exact. */
bool number_read(const cJSON *item, int64_t *out);
/* ExposedPorts, HostConfig.PortBindings: config-ports.c. */
void exposed_ports_read(struct reader *reader, const cJSON *item);
void port_bindings_read(struct reader *reader, const cJSON *item);
/* What Docker's clients send for a field that was not used: null, false, 0, "", [] or {}. */
bool is_empty(const cJSON *item);
/* The same, or made of nothing else: for objects whose members' names mean nothing by themselves. */
bool is_empty_within(const cJSON *item);
/* An array of strings as a vector to free(), whose words are the document's; NULL after refusing. */
const char **vector_read(struct reader *reader, const cJSON *item);
/* OCI's hooks, config-hooks.c. */
void read_hooks(struct reader *reader, const cJSON *item);
/* An object of strings, one call each. */
void read_map(struct reader *reader, const cJSON *item, void (*set)(scow_container_config *, const char *, const char *));
