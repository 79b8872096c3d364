/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hooks of one container: what they are told, and when they run.
 *
 * Whoever has made the container's process runs those of the host: we for an owned one, its supervisor for a detached one. The
 * exceptions are those after the first start of a detached one, which may ask us for what the row then says, and those after the end of
 * one whose maker has died: they are run by who finds that out.
 */
#include "container/hooks.h"

#include <string.h>

#include <scow/hook.h>

#include "base/json.h"
#include "base/str.h"
#include "runtime/hooks.h"

#define OCI_VERSION "1.1.0" /* of the state's shape */

_Static_assert((int) SCOW_HOOK_PRESTART == (int) WIRE_STAGE_PRESTART && (int) SCOW_HOOK_POSTSTOP == (int) WIRE_STAGE_POSTSTOP,
	       "scow-init knows the stages by the same numbers");

/* Of {"status":...,"pid":..., what comes after that. */
static char *print_state(const scow_container *container, const scow_container_config *config)
{
	_cleanup_free_ char *bundle = strf("%s/containers/%s", container->engine->root, container->id), *text = NULL;
	_cleanup_json_ cJSON *state = cJSON_CreateObject();
	cJSON *annotations;
	bool ok;

	ok = bundle && cJSON_AddStringToObject(state, "ociVersion", OCI_VERSION) && cJSON_AddStringToObject(state, "id", container->id) &&
	     cJSON_AddStringToObject(state, "bundle", bundle);
	annotations = ok && config->n_annotations ? cJSON_AddObjectToObject(state, "annotations") : NULL;
	ok = ok && (annotations || !config->n_annotations);
	for (size_t i = 0; ok && i < config->n_annotations; i++)
		ok = cJSON_AddStringToObject(annotations, config->annotations[i].name, config->annotations[i].value);
	text = ok ? json_print(state) : NULL;
	return text ? strdup(text + 1) : NULL;
}

static int build(const scow_container *container, const scow_container_config *config, struct arena *arena, struct spec_hooks *out,
		 scow_error **error)
{
	_cleanup_free_ char *state = print_state(container, config);

	*out = (struct spec_hooks){ .items = config->hooks, .n = config->n_hooks, .state = arena_strdup(arena, state) };
	return out->state ? 0 : error_oom(error);
}

/* Those of devices come after the config's own. */
static bool add_device_hooks(struct spec *spec)
{
	size_t n = spec->hooks.n + spec->n_device_hooks;
	struct spec_hook *all = arena_alloc(&spec->arena, n * sizeof(*all));

	if (!all)
		return false;
	if (spec->hooks.n)
		memcpy(all, spec->hooks.items, spec->hooks.n * sizeof(*all));
	memcpy(all + spec->hooks.n, spec->device_hooks, spec->n_device_hooks * sizeof(*all));
	spec->hooks.items = all;
	spec->hooks.n = n;
	return true;
}

int hooks_prepare(scow_container *container, const scow_container_config *config, struct spec *spec, scow_error **error)
{
	int r = config->n_hooks || spec->n_device_hooks ? build(container, config, &spec->arena, &spec->hooks, error) : 0;

	if (r == 0 && spec->n_device_hooks && !add_device_hooks(spec))
		r = error_oom(error);
	spec->waits_ready = spec->waits_ready || container->hook || hooks_have(&spec->hooks, WIRE_STAGE_PRESTART) ||
			    hooks_have(&spec->hooks, WIRE_STAGE_CREATE_RUNTIME);
	return r;
}

int hooks_ready(void *data, pid_t pid, scow_error **error)
{
	const struct hook_point *point = data;
	const scow_container *container = point->container;
	int r = container->hook ? container->hook(SCOW_HOOK_CREATE_RUNTIME, container->id, pid, container->hook_data) : 0;

	if (r)
		return error_set(error, r < 0 && r >= SCOW_E_LIMIT ? (scow_status) r : SCOW_E_CANCELED,
				 "the program's own hook refused the start (%d)", r);
	if (point->detached)
		return 0;
	r = hooks_run(container->engine, point->hooks, WIRE_STAGE_PRESTART, pid, error);
	return r < 0 ? r : hooks_run(container->engine, point->hooks, WIRE_STAGE_CREATE_RUNTIME, pid, error);
}

void hooks_poststop(scow_container *container)
{
	const scow_container_config *config;
	struct arena arena = { 0 };
	struct spec_hooks hooks;

	if (container_config_of(container, &config, NULL) == 0 && config->n_hooks && build(container, config, &arena, &hooks, NULL) == 0)
		hooks_run_all(container->engine, container->id, &hooks, WIRE_STAGE_POSTSTOP, 0);
	arena_done(&arena);
}

void hooks_poststop_of(scow_engine *engine, const char *id)
{
	_cleanup_(scow_container_unrefp) scow_container *container = NULL;

	if (scow_container_get(engine, id, &container, NULL) == 0)
		hooks_poststop(container);
}
