/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Manifests, indexes and configs of both dialects (OCI and Docker), parsed with limits; choice of a platform. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "archive/codec.h"
#include "base/arena.h"
#include "base/digest.h"

#define MANIFEST_MAX_BYTES (4u << 20)
#define MANIFEST_MAX_LAYERS 4096

struct platform {
	char os[32], architecture[32], variant[32], os_version[64];
};

struct descriptor {
	const char *media_type, *digest;
	uint64_t size;
	struct platform platform;  /* indexes: as stated; else empty */
	const char *reference_name; /* annotation org.opencontainers.image.ref.name, or io.containerd.image.name; or NULL */
};

enum manifest_kind { MANIFEST_IMAGE, MANIFEST_INDEX };

struct manifest {
	struct arena arena;
	enum manifest_kind kind;
	struct descriptor config;    /* IMAGE */
	struct descriptor *layers;   /* IMAGE */
	size_t n_layers;
	struct descriptor *manifests;/* INDEX */
	size_t n_manifests;
};

/* @media_type: from the Content-Type or descriptor, may be NULL (then the document says). SCOW_E_CORRUPT / SCOW_E_UNSUPPORTED (schema 1). */
int manifest_parse(const char *text, size_t size, const char *media_type, struct manifest *out, scow_error **error) _must_check_;
void manifest_done(struct manifest *manifest);
#define _cleanup_manifest_ __attribute__((cleanup(manifest_done)))

/* "linux/arm64/v8" or "arm64"; NULL: the host's. SCOW_E_INVALID. Normalised as containerd/platforms does. */
int platform_parse(const char *text, struct platform *out, scow_error **error) _must_check_;
void platform_format(const struct platform *platform, char *out, size_t size);
void platform_normalise(struct platform *platform);
/* How well an image for @offered runs on @wanted: 0 best, more is worse, -1 not at all. */
int platform_rank(const struct platform *wanted, const struct platform *offered);
/* The best manifest of an index for @wanted (variants fall back downwards); SCOW_E_UNSUPPORTED lists what there is. */
int manifest_choose(const struct manifest *index, const struct platform *wanted, const struct descriptor **out, scow_error **error) _must_check_;
/* What a layer's media type says of its compression; false for foreign or unknown ones. */
bool manifest_layer_codec(const char *media_type, enum codec_kind *out);

/* A HEALTHCHECK, of an image or of a container: what was not said is empty or 0. */
struct health {
	char **test; size_t n_test; /* "CMD", words; "CMD-SHELL", a script; "NONE" */
	int64_t interval_ms, timeout_ms, start_period_ms, start_interval_ms;
	unsigned int retries;
};
/* Whether these words are one of the three forms. */
bool health_test_is_valid(const char *const *test, size_t n_test);

/* The parts of an image config that the engine uses. Strings live in the arena. */
struct image_config {
	struct arena arena;
	struct platform platform;
	int64_t created; /* seconds; 0 unknown */
	char **diff_ids; size_t n_diff_ids;
	char *user, *workdir, *stop_signal;
	char **env; size_t n_env;               /* NULL-terminated */
	char **entrypoint; size_t n_entrypoint; /* NULL: not set */
	char **cmd; size_t n_cmd;               /* NULL: not set */
	char **labels; size_t n_labels;         /* name, value, name, value ... */
	char **volumes; size_t n_volumes;       /* paths */
	char **exposed_ports; size_t n_exposed_ports;
	struct health health;
};
int image_config_parse(const char *text, size_t size, struct image_config *out, scow_error **error) _must_check_;
void image_config_done(struct image_config *config);
#define _cleanup_image_config_ __attribute__((cleanup(image_config_done)))
/* RFC 3339 -> seconds since 1970; 0 for NULL, for what does not parse, and for times before 1970. */
int64_t image_time_parse(const char *text);
