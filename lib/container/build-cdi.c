/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices by name: what their documents (cdi.h) say goes into the spec as if it had been asked for, in the places where the other
 * build-*.c put theirs. GPUs are asked for by their number and are devices of the kind nvidia.com/gpu here, as in Docker.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <scow/hook.h>

#include "base/path.h"
#include "base/str.h"
#include "container/build.h"
#include "container/cdi.h"

#define GPU_KIND "nvidia.com/gpu"

/* ---- which devices ---- */

static void add_name(struct arena *arena, const char ***names, size_t *n, const char *name)
{
	const char **slot;

	for (size_t i = 0; i < *n; i++)
		if (str_eq((*names)[i], name))
			return;
	slot = arena_append(arena, names, n, sizeof(*slot));
	if (slot)
		*slot = name;
}

static void expand(const struct config_device_request *request, struct arena *arena, const char ***names, size_t *n)
{
	if (request->is_cdi) {
		for (size_t i = 0; i < request->n_ids; i++)
			add_name(arena, names, n, request->ids[i]);
		return;
	}
	for (size_t i = 0; i < request->n_ids; i++)
		add_name(arena, names, n, arena_printf(arena, GPU_KIND "=%s", request->ids[i]));
	if (request->count < 0)
		add_name(arena, names, n, GPU_KIND "=all");
	for (int i = 0; i < request->count; i++)
		add_name(arena, names, n, arena_printf(arena, GPU_KIND "=%d", i));
}

/* ---- what they bring ---- */

static void put_env(struct spec *spec, const char *text)
{
	size_t name = strcspn(text, "=") + 1;
	char **slot = NULL;

	for (size_t i = 0; i < spec->n_env && !slot; i++)
		if (strncmp(spec->env[i], text, name) == 0)
			slot = &spec->env[i];
	if (!slot) { /* the vector is not one that can grow */
		char **more = arena_alloc(&spec->arena, (spec->n_env + 2) * sizeof(*more));

		if (!more)
			return;
		memcpy(more, spec->env, spec->n_env * sizeof(*more));
		slot = &more[spec->n_env++];
		spec->env = more;
	}
	*slot = arena_strdup(&spec->arena, text);
}

static void put_groups(struct spec *spec, const struct cdi_numbers *gids)
{
	char **more = gids->n ? arena_alloc(&spec->arena, (spec->n_groups + gids->n + 1) * sizeof(*more)) : NULL;

	if (!more)
		return;
	if (spec->n_groups)
		memcpy(more, spec->groups, spec->n_groups * sizeof(*more));
	for (size_t i = 0; i < gids->n; i++)
		if (gids->items[i]) /* nobody is given root's group */
			more[spec->n_groups++] = arena_printf(&spec->arena, "%lld", (long long) gids->items[i]);
	spec->groups = more;
}

static int put_node(struct build *b, const struct cdi_spec *cdi, const struct cdi_node *node, scow_error **error)
{
	const char *source = node->host_path ? node->host_path : node->path;
	struct build_node *slot;
	struct stat st = { 0 };
	bool is_told = node->type && *node->type != 'p' && node->major >= 0 && node->minor >= 0 && !b->rootless;

	if (node->type && *node->type == 'p')
		return error_set(error, SCOW_E_UNSUPPORTED, "CDI document '%s': '%s': pipes cannot be made in a container", cdi->file,
				 node->path);
	if (stat(source, &st) < 0 && !is_told)
		return error_errno(error, errno, "stat", "look up '%s' of the CDI document '%s'", source, cdi->file);
	if (is_told) {
		st.st_mode = (*node->type == 'b' ? S_IFBLK : S_IFCHR) | (st.st_mode ? st.st_mode & 07777 : 0666);
		st.st_rdev = makedev((unsigned int) node->major, (unsigned int) node->minor);
	} else if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)) {
		return error_set(error, SCOW_E_INVALID, "'%s' of the CDI document '%s' is not a device", source, cdi->file);
	}
	if (node->mode >= 0)
		st.st_mode = (st.st_mode & S_IFMT) | (mode_t) node->mode;
	if (node->uid >= 0)
		st.st_uid = (uid_t) node->uid;
	if (node->gid >= 0)
		st.st_gid = (gid_t) node->gid;
	slot = arena_append(&b->spec->arena, &b->nodes, &b->n_nodes, sizeof(*slot));
	if (!slot)
		return error_oom(error);
	*slot = (struct build_node){ source, node->path, node->permissions ? node->permissions : "rwm", st };
	return 0;
}

/* Its options in the words of our own binds: "bind" alone leaves out what is mounted below. */
static char *bind_words(const struct cdi_mount *mount)
{
	_cleanup_str_ struct str text = { 0 };
	bool recursive = false, plain = false;

	for (size_t i = 0; i < mount->options.n; i++) {
		const char *option = mount->options.items[i];

		recursive = recursive || str_eq(option, "rbind");
		plain = plain || str_eq(option, "bind");
		if (!str_eq(option, "rbind") && !str_eq(option, "bind"))
			str_printf(&text, "%s%s", text.size ? "," : "", option);
	}
	if (plain && !recursive)
		str_printf(&text, "%sbind-nonrecursive", text.size ? "," : "");
	return str_take(&text);
}

static int put_mount(struct build *b, const struct cdi_spec *cdi, const struct cdi_mount *mount, scow_error **error)
{
	_cleanup_free_ char *words = bind_words(mount), *target = path_clean(mount->container_path);
	bool tmpfs = str_eq(mount->type, "tmpfs");
	struct config_mount *slot;
	int r = 0;

	if (!words || !target)
		return error_oom(error);
	if (!tmpfs && mount->type && !str_eq(mount->type, "bind") && !str_eq(mount->type, "none"))
		return error_set(error, SCOW_E_UNSUPPORTED, "CDI document '%s': '%s': there are no mounts of type '%s'", cdi->file,
				 mount->container_path, mount->type);
	if (!tmpfs && *mount->host_path != '/')
		r = error_set(error, SCOW_E_INVALID, "'%s' is not an absolute path", mount->host_path);
	else if (str_eq(target, "/"))
		r = error_set(error, SCOW_E_INVALID, "nothing can be mounted over the root of a container");
	if (r < 0)
		return error_wrap(error, r, "CDI document '%s'", cdi->file);
	slot = arena_append(&b->spec->arena, &b->device_mounts, &b->n_device_mounts, sizeof(*slot));
	if (slot)
		*slot = (struct config_mount){ tmpfs ? MOUNT_TMPFS : MOUNT_BIND, mount->host_path, arena_strdup(&b->spec->arena, target),
					       *words ? arena_strdup(&b->spec->arena, words) : NULL };
	return arena_failed(&b->spec->arena) ? error_oom(error) : 0;
}

static int put_hook(struct build *b, const struct cdi_spec *cdi, const struct cdi_hook *hook, scow_error **error)
{
	struct arena *arena = &b->spec->arena;
	struct spec_hook *slot;
	unsigned int stage = 0;

	while (hook_stage_name(stage) && !str_eq(hook_stage_name(stage), hook->name))
		stage++;
	if (!hook_stage_name(stage))
		return error_set(error, SCOW_E_INVALID, "CDI document '%s': hook '%s': '%s' is no stage", cdi->file, hook->path,
				 hook->name);
	/* The document may be another by then, or gone. */
	if (stage == SCOW_HOOK_POSTSTOP)
		return error_set(error, SCOW_E_UNSUPPORTED, "CDI document '%s': hook '%s': a device's hooks of the stage %s are not run",
				 cdi->file, hook->path, hook->name);
	slot = arena_append(arena, &b->spec->device_hooks, &b->spec->n_device_hooks, sizeof(*slot));
	if (!slot)
		return error_oom(error);
	*slot = (struct spec_hook){ .stage = stage,
				    .path = hook->path,
				    .args = hook->args.n ? arena_strv(arena, hook->args.items, hook->args.n) : NULL,
				    .n_args = hook->args.n,
				    .env = hook->env.n ? arena_strv(arena, hook->env.items, hook->env.n) : NULL,
				    .n_env = hook->env.n,
				    .timeout_ms =
					    hook->timeout_s > 0 && hook->timeout_s < 4000000 ? (unsigned int) hook->timeout_s * 1000 : 0 };
	return 0;
}

static int apply(void *data, const struct cdi_spec *cdi, const struct cdi_edits *edits, scow_error **error)
{
	struct build *b = data;
	int r = 0;

	if (edits->unsupported)
		return error_set(error, SCOW_E_UNSUPPORTED, "CDI document '%s': %s: this version cannot honour it", cdi->file,
				 edits->unsupported);
	for (size_t i = 0; i < edits->env.n; i++)
		put_env(b->spec, edits->env.items[i]);
	put_groups(b->spec, &edits->gids);
	for (size_t i = 0; i < edits->n_nodes && r == 0; i++)
		r = put_node(b, cdi, &edits->nodes[i], error);
	for (size_t i = 0; i < edits->n_mounts && r == 0; i++)
		r = put_mount(b, cdi, &edits->mounts[i], error);
	for (size_t i = 0; i < edits->n_hooks && r == 0; i++)
		r = put_hook(b, cdi, &edits->hooks[i], error);
	return r < 0 ? r : arena_failed(&b->spec->arena) ? error_oom(error) : 0;
}

int build_cdi(struct build *b, scow_error **error)
{
	const scow_container_config *config = b->config;
	const char **names = NULL;
	size_t n = 0;

	if (!config->n_device_requests)
		return 0;
	for (size_t i = 0; i < config->n_device_requests; i++)
		expand(&config->device_requests[i], &b->spec->arena, &names, &n);
	if (arena_failed(&b->spec->arena))
		return error_oom(error);
	return cdi_each(b->engine, names, n, &b->spec->arena, apply, b, error);
}
