/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The image config document into the struct that the engine works with.
 *
 * It was written by strangers: sizes, types and digests are checked; a NUL anywhere refuses the document (json.c), because
 * a user "root\0x" would be read as another user by C than by the tool that showed it. Other control characters are kept
 * as they are: they are bytes to the kernel, and who prints them escapes them. Paths are not judged here but resolved
 * inside the root where they are used.
 */
#include "image/manifest.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"

int64_t image_time_parse(const char *text)
{
	struct tm tm = { 0 };
	const char *p;
	int64_t seconds;
	int hours, minutes;

	if (!text)
		return 0;
	p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!p)
		return 0;
	if (*p == '.')
		p += 1 + strspn(p + 1, "0123456789");
	seconds = utc_seconds(&tm);
	if ((*p == '+' || *p == '-') && sscanf(p + 1, "%2d:%2d", &hours, &minutes) == 2)
		seconds -= (*p == '+' ? 1 : -1) * (hours * 3600 + minutes * 60);
	/* Go's zero time is what builders write for "unknown". */
	return seconds > 0 ? seconds : 0;
}

static int copy_strings(const cJSON *object, const char *name, struct arena *arena, char ***out, size_t *count, scow_error **error)
{
	const cJSON *array, *item;
	size_t n = 0;
	int r = json_strings(object, name, &array, error);

	if (r < 0 || !array)
		return r;
	*count = (size_t) cJSON_GetArraySize(array);
	*out = arena_alloc(arena, (*count + 1) * sizeof(char *));
	if (!*out)
		return error_oom(error);
	cJSON_ArrayForEach(item, array)(*out)[n++] = arena_strdup(arena, item->valuestring);
	return 0;
}

/* The names of a {"name": {}} set. */
static int copy_keys(const cJSON *object, const char *name, struct arena *arena, char ***out, size_t *count, scow_error **error)
{
	const cJSON *set, *item;
	size_t n = 0;
	int r = json_object(object, name, &set, error);

	if (r < 0 || !set)
		return r;
	*count = (size_t) cJSON_GetArraySize(set);
	*out = arena_alloc(arena, (*count + 1) * sizeof(char *));
	if (!*out)
		return error_oom(error);
	cJSON_ArrayForEach(item, set)(*out)[n++] = arena_strdup(arena, item->string);
	return 0;
}

static int copy_labels(const cJSON *object, struct image_config *out, scow_error **error)
{
	const cJSON *labels, *item;
	size_t n = 0;
	int r = json_object(object, "Labels", &labels, error);

	if (r < 0 || !labels)
		return r;
	out->n_labels = (size_t) cJSON_GetArraySize(labels) * 2;
	out->labels = arena_alloc(&out->arena, (out->n_labels + 1) * sizeof(char *));
	if (!out->labels)
		return error_oom(error);
	cJSON_ArrayForEach(item, labels)
	{
		if (!cJSON_IsString(item) && !cJSON_IsNull(item))
			return error_set(error, SCOW_E_CORRUPT, "Labels: expected strings");
		out->labels[n++] = arena_strdup(&out->arena, item->string);
		out->labels[n++] = arena_strdup(&out->arena, cJSON_IsString(item) ? item->valuestring : "");
	}
	return 0;
}

static int copy_string(const cJSON *object, const char *name, struct arena *arena, char **out, scow_error **error)
{
	const char *text;
	int r = json_string(object, name, &text, error);

	if (r == 0 && text && *text)
		*out = arena_strdup(arena, text);
	return r;
}

static int parse_platform(const cJSON *root, struct platform *out, scow_error **error)
{
	const struct {
		const char *name;
		char *to;
		size_t size;
	} fields[] = {
		{ "os", out->os, sizeof(out->os) },
		{ "architecture", out->architecture, sizeof(out->architecture) },
		{ "variant", out->variant, sizeof(out->variant) },
		{ "os.version", out->os_version, sizeof(out->os_version) },
	};
	struct platform here;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const char *text;

		r = json_string(root, fields[i].name, &text, error);
		if (r < 0)
			return r;
		if (text && strlen(text) >= fields[i].size)
			return error_set(error, SCOW_E_CORRUPT, "%s: it is too long", fields[i].name);
		if (text)
			memcpy(fields[i].to, text, strlen(text) + 1);
	}
	/* Old builders left it out: then it was made where it was meant to run. */
	r = platform_parse(NULL, &here, error);
	if (r < 0)
		return r;
	if (!out->os[0])
		memcpy(out->os, here.os, sizeof(out->os));
	if (!out->architecture[0])
		memcpy(out->architecture, here.architecture, sizeof(out->architecture));
	platform_normalise(out);
	return 0;
}

static int parse_root(const cJSON *root, struct image_config *out, scow_error **error)
{
	const cJSON *rootfs;
	const char *type = NULL;
	int r;

	r = json_object(root, "rootfs", &rootfs, error);
	if (r < 0 || !rootfs)
		return r < 0 ? r : error_set(error, SCOW_E_CORRUPT, "rootfs: it is missing");
	if ((r = json_string(rootfs, "type", &type, error)) < 0 ||
	    (r = copy_strings(rootfs, "diff_ids", &out->arena, &out->diff_ids, &out->n_diff_ids, error)) < 0)
		return r;
	if (type && *type && !str_eq(type, "layers"))
		return error_set(error, SCOW_E_UNSUPPORTED, "rootfs.type: '%.100s' is not 'layers'", type);
	if (out->n_diff_ids > MANIFEST_MAX_LAYERS)
		return error_set(error, SCOW_E_CORRUPT, "rootfs.diff_ids: more than %d", MANIFEST_MAX_LAYERS);
	for (size_t i = 0; i < out->n_diff_ids; i++)
		if (out->diff_ids[i] && !digest_is_valid(out->diff_ids[i]))
			return error_set(error, SCOW_E_CORRUPT, "rootfs.diff_ids[%zu]: '%.100s' is not a sha256 digest", i,
					 out->diff_ids[i]);
	return 0;
}

bool health_test_is_valid(const char *const *test, size_t n_test)
{
	if (!n_test || str_eq(test[0], "NONE"))
		return n_test == 1;
	return n_test > 1 && (str_eq(test[0], "CMD") || str_eq(test[0], "CMD-SHELL"));
}

/* Nanoseconds into milliseconds; what is negative or beyond counting is as if it was not said. */
static int copy_duration(const cJSON *object, const char *name, int64_t *ms, scow_error **error)
{
	int64_t ns = 0;
	int r = json_i64(object, name, &ns, error);

	*ms = ns > 0 ? (ns - 1) / 1000000 + 1 : 0;
	if (*ms > UINT32_MAX)
		*ms = 0;
	return r;
}

/* A test of a form that nobody knows is none: Docker runs such an image too. */
static int copy_health(const cJSON *object, struct image_config *out, scow_error **error)
{
	struct health *health = &out->health;
	const cJSON *check;
	int64_t retries = 0;
	int r;

	r = json_object(object, "Healthcheck", &check, error);
	if (r < 0 || !check)
		return r;
	if ((r = copy_strings(check, "Test", &out->arena, &health->test, &health->n_test, error)) < 0 ||
	    (r = copy_duration(check, "Interval", &health->interval_ms, error)) < 0 ||
	    (r = copy_duration(check, "Timeout", &health->timeout_ms, error)) < 0 ||
	    (r = copy_duration(check, "StartPeriod", &health->start_period_ms, error)) < 0 ||
	    (r = copy_duration(check, "StartInterval", &health->start_interval_ms, error)) < 0 ||
	    (r = json_i64(check, "Retries", &retries, error)) < 0)
		return error_wrap(error, r, "Healthcheck");
	health->retries = retries > 0 && retries <= INT32_MAX ? (unsigned int) retries : 0;
	if (arena_failed(&out->arena))
		return error_oom(error);
	if (!health_test_is_valid((const char *const *) health->test, health->n_test))
		health->n_test = 0;
	return 0;
}

static int parse_process(const cJSON *root, struct image_config *out, scow_error **error)
{
	struct arena *arena = &out->arena;
	const cJSON *config;
	int r;

	r = json_object(root, "config", &config, error);
	if (r < 0 || !config)
		return r;
	if ((r = copy_string(config, "User", arena, &out->user, error)) < 0 ||
	    (r = copy_string(config, "WorkingDir", arena, &out->workdir, error)) < 0 ||
	    (r = copy_string(config, "StopSignal", arena, &out->stop_signal, error)) < 0 ||
	    (r = copy_strings(config, "Env", arena, &out->env, &out->n_env, error)) < 0 ||
	    (r = copy_strings(config, "Entrypoint", arena, &out->entrypoint, &out->n_entrypoint, error)) < 0 ||
	    (r = copy_strings(config, "Cmd", arena, &out->cmd, &out->n_cmd, error)) < 0 ||
	    (r = copy_keys(config, "Volumes", arena, &out->volumes, &out->n_volumes, error)) < 0 ||
	    (r = copy_keys(config, "ExposedPorts", arena, &out->exposed_ports, &out->n_exposed_ports, error)) < 0)
		return error_wrap(error, r, "config");
	r = copy_labels(config, out, error);
	if (r == 0)
		r = copy_health(config, out, error);
	return error_wrap(error, r, "config");
}

static int parse(const cJSON *root, struct image_config *out, scow_error **error)
{
	const char *created;
	int r;

	if (!cJSON_IsObject(root))
		return error_set(error, SCOW_E_CORRUPT, "expected an object");
	r = json_string(root, "created", &created, error);
	if (r < 0)
		return r;
	out->created = image_time_parse(created);
	if ((r = parse_platform(root, &out->platform, error)) < 0 || (r = parse_root(root, out, error)) < 0)
		return r;
	return parse_process(root, out, error);
}

int image_config_parse(const char *text, size_t size, struct image_config *out, scow_error **error)
{
	struct image_config result = { 0 };
	_cleanup_json_ cJSON *root = NULL;
	int r;

	*out = (struct image_config){ 0 };
	if (size > MANIFEST_MAX_BYTES)
		return error_set(error, SCOW_E_CORRUPT, "image config: a document of %zu bytes is too large", size);
	r = json_parse(text, size, "image config", &root, error);
	if (r < 0)
		return r;
	r = error_wrap(error, parse(root, &result, error), "image config");
	if (r == 0 && arena_failed(&result.arena))
		r = error_oom(error);
	if (r < 0) {
		image_config_done(&result);
		return r;
	}
	*out = result;
	return 0;
}

void image_config_done(struct image_config *config)
{
	arena_done(&config->arena);
	*config = (struct image_config){ 0 };
}
