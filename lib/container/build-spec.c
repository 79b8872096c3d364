/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Image and wishes become the spec of one start: namespaces, process and security here; mounts, devices and limits, sysctls and
 * small files in the other build-*.c. Everything is copied into the spec's arena; files of the host are read only for what was
 * asked for, so that the usual container costs some microseconds here.
 */
#include "container/build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/str.h"
#include "container/exec.h"
#include "container/id-map.h"
#include "runtime/caps.h"
#include "runtime/seccomp.h"

#define KERNEL_IDMAPPED_LAYERS (5u << 16 | 19) /* overlayfs takes them from then on */

static const enum spec_ns spec_kinds[CONFIG_NAMESPACES] = {
	[SCOW_NAMESPACE_PID] = SPEC_NS_PID,   [SCOW_NAMESPACE_NETWORK] = SPEC_NS_NETWORK, [SCOW_NAMESPACE_IPC] = SPEC_NS_IPC,
	[SCOW_NAMESPACE_UTS] = SPEC_NS_UTS,   [SCOW_NAMESPACE_CGROUP] = SPEC_NS_CGROUP,   [SCOW_NAMESPACE_USER] = SPEC_NS_USER,
	[SCOW_NAMESPACE_TIME] = SPEC_NS_TIME,
};

/* ---- namespaces ---- */

static const char *container_of(const scow_container_config *config, scow_namespace kind)
{
	struct namespace_choice choice;

	if (namespace_parse(kind, config->namespaces[kind], &choice, NULL) < 0 || choice.mode != NAMESPACE_CONTAINER)
		return NULL;
	return choice.argument;
}

const char *spec_joined_container(const scow_container_config *config, enum spec_ns ns)
{
	for (unsigned int kind = 0; kind < CONFIG_NAMESPACES; kind++) {
		const char *name = container_of(config, kind);

		if (name && (spec_kinds[kind] == ns || (ns == SPEC_NS_USER && !config->namespaces[SCOW_NAMESPACE_USER])))
			return name;
	}
	return NULL;
}

static enum spec_ns_mode default_mode(const struct build *b, scow_namespace kind)
{
	if (kind == SCOW_NAMESPACE_TIME)
		return SPEC_NS_HOST;
	if (kind == SCOW_NAMESPACE_USER) {
		if (b->config->n_uid_maps || b->config->n_gid_maps)
			return SPEC_NS_NEW;
		if (!b->rootless)
			return SPEC_NS_HOST;
		return spec_joined_container(b->config, SPEC_NS_USER) ? SPEC_NS_JOIN : SPEC_NS_NEW;
	}
	return SPEC_NS_NEW;
}

static int check_user_namespace(const struct build *b, scow_error **error)
{
	const struct namespace_choice *user = &b->choices[SCOW_NAMESPACE_USER];

	if (!b->rootless && user->mode == NAMESPACE_KEEP_ID)
		return error_set(error, SCOW_E_INVALID, "'%s' is for a plain user's containers: root has no id to keep",
				 b->config->namespaces[SCOW_NAMESPACE_USER]);
	if (b->rootless && user->mode == NAMESPACE_HOST)
		return error_set(error, SCOW_E_UNSUPPORTED, "a plain user's container needs a user namespace of its own");
	for (unsigned int kind = 0; b->spec->namespaces[SPEC_NS_USER].mode == SPEC_NS_NEW && kind < CONFIG_NAMESPACES; kind++)
		if (b->choices[kind].mode == NAMESPACE_CONTAINER)
			return error_hint(error,
					  error_set(error, SCOW_E_INVALID,
						    "a %s namespace shared with '%s' cannot be entered from a user namespace of its own",
						    namespace_name(kind), b->choices[kind].argument),
					  b->rootless ? "leave the user namespace unset: it is then shared too"
						      : "share the user namespace, too: it is then 'container:NAME'");
	return 0;
}

/* A namespace cannot be asked for its maps, a process can. */
static int maps_of_path(struct spec *spec, scow_error **error)
{
	const char *path = spec->namespaces[SPEC_NS_USER].path;
	int pid, end = 0;

	if (sscanf(path, "/proc/%d/ns/user%n", &pid, &end) != 1 || !end || path[end])
		return error_hint(error, error_set(error, SCOW_E_UNSUPPORTED, "user namespace '%s': its maps cannot be found", path),
				  "name it as /proc/PID/ns/user");
	return id_maps_into(pid, spec, error);
}

/* Which ids; those of a namespace that is joined are known when it is. */
static int build_id_maps(struct build *b, scow_error **error)
{
	struct id_maps maps;
	int r;

	b->user_ns = !build_shares_host(b, SPEC_NS_USER);
	if (b->user_ns && !b->rootless && b->engine->facts.kernel < KERNEL_IDMAPPED_LAYERS)
		return error_set(error, SCOW_E_UNSUPPORTED,
				 "a user namespace for root's container needs idmapped layers: Linux %u.%u has none, 5.19 has",
				 b->engine->facts.kernel >> 16, b->engine->facts.kernel & 0xffff);
	if (b->spec->namespaces[SPEC_NS_USER].path && !b->rootless)
		return maps_of_path(b->spec, error);
	if (!build_owns(b, SPEC_NS_USER) || b->checks)
		return 0;
	r = id_maps_of(b->engine, b->id, b->config, &b->spec->arena, &maps, error);
	if (r == 0)
		id_maps_put(&maps, b->spec);
	return r;
}

static int check_hostname(const struct build *b, scow_error **error)
{
	const char *name = b->config->hostname ? "hostname" : b->config->domainname ? "domainname" : NULL;

	if (!name)
		return 0;
	if (b->choices[SCOW_NAMESPACE_NETWORK].mode == NAMESPACE_CONTAINER)
		return error_set(error, SCOW_E_INVALID, "conflicting options: a %s, and the network of another container", name);
	if (!build_owns(b, SPEC_NS_UTS))
		return error_set(error, SCOW_E_INVALID, "conflicting options: a %s, and a uts namespace that is not its own", name);
	return 0;
}

static int build_namespaces(struct build *b, scow_error **error)
{
	struct spec_namespace *out = b->spec->namespaces;
	int r;

	out[SPEC_NS_MOUNT].mode = SPEC_NS_NEW;
	for (unsigned int kind = 0; kind < CONFIG_NAMESPACES; kind++) {
		struct namespace_choice *choice = &b->choices[kind];
		struct spec_namespace *ns = &out[spec_kinds[kind]];

		r = namespace_parse(kind, b->config->namespaces[kind], choice, error);
		if (r < 0)
			return r;
		if (choice->mode == NAMESPACE_DEFAULT)
			ns->mode = default_mode(b, kind);
		else if (choice->mode == NAMESPACE_HOST)
			ns->mode = SPEC_NS_HOST;
		else if (choice->mode == NAMESPACE_CONTAINER || choice->mode == NAMESPACE_PATH)
			ns->mode = SPEC_NS_JOIN;
		else
			ns->mode = SPEC_NS_NEW;
		if (choice->mode == NAMESPACE_PATH)
			ns->path = arena_strdup(&b->spec->arena, choice->argument);
	}
	r = check_user_namespace(b, error);
	if (r == 0)
		r = build_id_maps(b, error);
	return r < 0 ? r : check_hostname(b, error);
}

/* ---- the process ---- */

/* Its own, or the one that it sees. */
static const char *choose_hostname(struct build *b)
{
	struct arena *arena = &b->spec->arena;
	char host[65] = "";

	if (b->config->hostname)
		return arena_strdup(arena, b->config->hostname);
	/* As Docker: with the host's network goes the host's name, even in a namespace of its own. */
	if ((build_shares_host(b, SPEC_NS_UTS) || build_shares_host(b, SPEC_NS_NETWORK)) && gethostname(host, sizeof(host) - 1) == 0 &&
	    *host)
		return arena_strdup(arena, host);
	return arena_strndup(arena, b->id, strnlen(b->id, 12));
}

/* As podman: who keeps his id is himself, whatever the image says. */
static const char *kept_user(struct build *b)
{
	uint32_t kept[2];

	id_kept(b->engine, &b->choices[SCOW_NAMESPACE_USER], kept);
	return arena_printf(&b->spec->arena, "%u:%u", kept[0], kept[1]);
}

static int build_process(struct build *b, scow_error **error)
{
	const scow_container_config *config = b->config;
	struct spec *spec = b->spec;
	const char *hostname = choose_hostname(b);
	struct merged merged;
	int r = config_merge(b->image, config, hostname, &spec->arena, &merged, error);

	if (r < 0)
		return r;
	if (build_owns(b, SPEC_NS_UTS)) {
		spec->hostname = hostname;
		spec->domainname = arena_strdup(&spec->arena, config->domainname);
	}
	spec->args = merged.args;
	spec->n_args = merged.n_args;
	spec->env = merged.env;
	spec->n_env = merged.n_env;
	spec->cwd = merged.workdir;
	spec->make_cwd = true;
	spec->user = merged.user;
	if (b->choices[SCOW_NAMESPACE_USER].mode == NAMESPACE_KEEP_ID && !config->user)
		spec->user = kept_user(b);
	spec->groups = arena_strv(&spec->arena, config->groups, config->n_groups);
	spec->n_groups = config->n_groups;
	spec->terminal = config->tty;
	spec->init = config->init;
	spec->oom_score_adj = config->oom_score_adj;
	spec->has_oom_score_adj = config->has_oom_score_adj;
	for (size_t i = 0; i < config->n_ulimits; i++) {
		const struct config_ulimit *wish = &config->ulimits[i];
		struct spec_rlimit *limit = arena_append(&spec->arena, &spec->rlimits, &spec->n_rlimits, sizeof(*limit));

		/* -1 is RLIM_INFINITY. */
		if (limit)
			*limit = (struct spec_rlimit){ .resource = wish->resource,
						       .soft = (uint64_t) wish->soft,
						       .hard = (uint64_t) wish->hard };
	}
	return arena_failed(&spec->arena) ? error_oom(error) : 0;
}

/* ---- security ---- */

/* The bits that this process can hand on. In a user namespace of its own a container may have all, within. */
static uint64_t held_caps(const struct build *b, uint64_t caps)
{
	return caps & caps_last() & (b->user_ns ? ~UINT64_C(0) : facts_bounding(&b->engine->facts));
}

static uint64_t named_caps(const char *const *names, size_t n, bool *all)
{
	uint64_t caps = 0;

	*all = false;
	for (size_t i = 0; i < n; i++) {
		int bit = caps_parse(names[i]);

		if (bit >= 0)
			caps |= UINT64_C(1) << bit;
		else
			*all = true;
	}
	return caps;
}

static int build_caps(struct build *b, scow_error **error)
{
	bool add_all, drop_all;
	const uint64_t add = named_caps(b->config->cap_add, b->config->n_cap_add, &add_all);
	const uint64_t drop = named_caps(b->config->cap_drop, b->config->n_cap_drop, &drop_all);
	uint64_t missing, wanted;

	if (b->config->privileged)
		wanted = CAPS_ALL;
	else if (add_all)
		wanted = CAPS_ALL & ~drop;
	else if (drop_all)
		wanted = add;
	else
		wanted = (caps_default() & ~drop) | add;
	b->spec->cap_bounding = held_caps(b, wanted);
	/* What is in a list of ours may be less on this host; what was asked for by name may not. */
	missing = add & wanted & ~b->spec->cap_bounding;
	if (missing)
		return error_set(error, SCOW_E_UNSUPPORTED, "capability '%s': %s", caps_name(__builtin_ctzll(missing)),
				 missing & caps_last() ? "this process does not have it, and so cannot give it"
						       : "this kernel does not know it");
	return 0;
}

static int build_seccomp(struct build *b, scow_error **error)
{
	const char *profile = b->config->seccomp;
	_cleanup_free_ struct sock_filter *filter = NULL;
	struct sock_filter *copy;
	size_t count = 0;
	int r;

	if (str_eq(profile, "unconfined") || (b->config->privileged && !profile))
		return 0;
	r = seccomp_compile(b->engine, profile, b->spec->cap_bounding, &filter, &count, &b->spec->seccomp_flags, error);
	if (r < 0)
		return r;
	copy = arena_alloc(&b->spec->arena, count * sizeof(*copy));
	if (!copy)
		return error_oom(error);
	b->spec->seccomp = memcpy(copy, filter, count * sizeof(*copy));
	b->spec->n_seccomp = count;
	return 0;
}

/* How often each CPU was too hot tells of others' work. Few virtual machines have these: one look, and no more. */
static bool mask_thermal(struct spec *spec)
{
	const char *const *defaults = spec->masked_paths, **all = NULL;
	size_t n_defaults = spec->n_masked_paths, n = 0;

	if (access("/sys/devices/system/cpu/cpu0/thermal_throttle", F_OK) < 0)
		return true;
	for (long i = 0, n_cpus = sysconf(_SC_NPROCESSORS_CONF); i < (long) n_defaults + n_cpus; i++) {
		const char **slot = arena_append(&spec->arena, &all, &n, sizeof(*slot));

		if (!slot)
			return false;
		*slot = i < (long) n_defaults
				? defaults[i]
				: arena_printf(&spec->arena, "/sys/devices/system/cpu/cpu%ld/thermal_throttle", i - (long) n_defaults);
	}
	spec->masked_paths = all;
	spec->n_masked_paths = n;
	return true;
}

static int build_security(struct build *b, scow_error **error)
{
	struct spec *spec = b->spec;
	int r;

	spec->no_new_privileges = b->config->no_new_privileges;
	if (b->config->privileged || b->config->unmasked_paths)
		spec->n_masked_paths = spec->n_readonly_paths = 0;
	else if (!mask_thermal(spec))
		return error_oom(error);
	r = build_caps(b, error);
	return r < 0 ? r : build_seccomp(b, error);
}

static int build_all(struct build *b, scow_error **error)
{
	static int (*const steps[])(struct build *, scow_error **) = {
		build_process,   build_scheduling, build_cdi,   build_mounts,   build_devices,
		build_resources, build_sysctls,    build_files, build_security,
	};
	struct spec *spec = b->spec;
	int r = build_namespaces(b, error);

	if (r == 0)
		r = spec_add_defaults(spec, b->user_ns, b->config->shm_bytes, error);
	for (size_t i = 0; i < ARRAY_SIZE(steps) && r == 0; i++)
		r = steps[i](b, error);
	if (r < 0)
		return r;
	spec->id = arena_strdup(&spec->arena, b->id);
	spec->cgroup_name = arena_printf(&spec->arena, "scow-%s", b->id);
	spec->cgroup_parent = arena_strdup(&spec->arena, b->config->cgroup_parent);
	spec->read_only_root = b->config->read_only;
	spec->overlay_volatile = b->config->ephemeral;
	return arena_failed(&spec->arena) ? error_oom(error) : 0;
}

int spec_build(scow_engine *engine, const char *id, const struct image_config *image, const scow_container_config *config, struct spec *out,
	       scow_error **error)
{
	return spec_build_on(engine, id, image, config, NULL, NULL, out, error);
}

int spec_build_on(scow_engine *engine, const char *id, const struct image_config *image, const scow_container_config *config,
		  const struct attachment *attachment, const struct volumes *held, struct spec *out, scow_error **error)
{
	struct build b = {
		.engine = engine,
		.id = id,
		.image = image,
		.config = config,
		.attachment = attachment,
		.held = held,
		.spec = out,
		.rootless = engine->facts.rootless,
	};
	int r;

	*out = (struct spec){ .layers_fd = -1, .container_fd = -1 };
	r = build_all(&b, error);
	if (r < 0) {
		spec_done(out);
		*out = (struct spec){ .layers_fd = -1, .container_fd = -1 };
	}
	return r;
}

/* The usual filter is as it is: only one of the user's own has to be looked at. */
int spec_check(scow_engine *engine, const char *id, const scow_container_config *config, scow_error **error)
{
	struct spec spec = { .layers_fd = -1, .container_fd = -1 };
	struct build b = {
		.engine = engine, .id = id, .config = config, .spec = &spec, .rootless = engine->facts.rootless, .checks = true
	};
	int r = build_namespaces(&b, error);

	if (r == 0)
		r = build_sysctls(&b, error);
	if (r == 0)
		r = build_caps(&b, error);
	if (r == 0 && config->seccomp)
		r = build_seccomp(&b, error);
	spec_done(&spec);
	return r;
}

/* ---- exec ---- */

/* The container's variables, with the program's own over them. */
static void put_env(scow_container_config *config, const struct config_pair *pairs, size_t count, struct arena *arena)
{
	for (size_t i = 0; i < count; i++) {
		struct config_pair *pair = NULL;

		for (size_t k = 0; k < config->n_env && !pair; k++)
			if (str_eq(config->env[k].name, pairs[i].name))
				pair = &config->env[k];
		if (!pair)
			pair = arena_append(arena, &config->env, &config->n_env, sizeof(*pair));
		if (pair)
			*pair = pairs[i];
	}
}

/* The container's settings as if its program were this one. Strings stay where they are. */
static void settings_of(const scow_container_config *config, const scow_process_config *exec, struct arena *arena,
			scow_container_config *out)
{
	const scow_container_config *own = exec->settings;

	*out = *config;
	out->command = own->command;
	out->n_command = own->n_command;
	out->has_command = out->has_entrypoint = true;
	out->n_entrypoint = 0;
	out->env = NULL;
	out->n_env = 0;
	put_env(out, config->env, config->n_env, arena);
	put_env(out, own->env, own->n_env, arena);
	out->tty = own->tty;
	out->init = false;
	if (own->user)
		out->user = own->user;
	if (own->workdir)
		out->workdir = own->workdir;
	if (own->privileged) {
		out->privileged = true;
		out->seccomp = "unconfined";
	}
}

int spec_build_exec(scow_engine *engine, const char *id, const struct image_config *image, const scow_container_config *config,
		    const scow_process_config *exec, struct spec *out, scow_error **error)
{
	scow_container_config settings;
	struct build b = {
		.engine = engine, .id = id, .image = image, .config = &settings, .spec = out, .rootless = engine->facts.rootless
	};
	int r;

	*out = (struct spec){ .layers_fd = -1, .container_fd = -1 };
	settings_of(config, exec, &out->arena, &settings);
	r = build_namespaces(&b, error);
	if (r == 0)
		r = build_process(&b, error);
	if (r == 0)
		r = build_scheduling(&b, error);
	if (r == 0)
		r = build_security(&b, error);
	/* Checked when they were set. */
	if (config->exec_cpus && bits_parse(config->exec_cpus, &out->affinity))
		out->affinity_name = arena_strdup(&out->arena, config->exec_cpus);
	out->id = arena_strdup(&out->arena, id);
	out->make_cwd = false;
	out->resources.memory_bytes = exec->settings->memory_bytes;
	out->resources.pids_max = exec->settings->pids_max;
	out->resources.has_pids_max = exec->settings->has_pids_max;
	if (r == 0 && arena_failed(&out->arena))
		r = error_oom(error);
	if (r < 0) {
		spec_done(out);
		*out = (struct spec){ .layers_fd = -1, .container_fd = -1 };
	}
	return r;
}
