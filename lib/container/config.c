/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The container's description: setters that check and copy. Nothing is looked up here; what depends on the image, the host or
 * another container is checked where the spec is built.
 *
 * Invariants:
 * 1. The first bad value wins: later setters still work, but the kept error is what the config gives from then on.
 * 2. Values are in one form afterwards (see config.h), so that two configs that mean the same are written as the same JSON.
 *
 * config-limits.c has the setters of resources and security, config-detached.c those of what happens while nobody watches.
 */
#include "container/config.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "container/config-internal.h"
#include "container/config-network.h"
#include "container/id-map.h"
#include "container/options.h"

#define NAME_BYTES_MAX 255
#define HOSTNAME_BYTES_MAX 64 /* of the kernel's struct utsname */

scow_container_config *scow_container_config_new(void)
{
	return calloc(1, sizeof(scow_container_config));
}

scow_container_config *scow_container_config_unref(scow_container_config *config)
{
	if (!config)
		return NULL;
	scow_error_unref(config->error);
	arena_done(&config->arena);
	free(config);
	return NULL;
}

static const char *subject(const scow_container_config *config, const char *setter)
{
	static const char prefix[] = "scow_container_config_";

	if (config->field)
		return config->field;
	return str_has_prefix(setter, prefix) ? setter + sizeof(prefix) - 1 : setter;
}

void config_refuse(scow_container_config *config, scow_status status, const char *setter, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	error_keep_va(&config->error, status, subject(config, setter), format, args);
	va_end(args);
}

void config_refuse_error(scow_container_config *config, const char *setter, scow_error **error)
{
	if (!config->error) {
		config->error = *error;
		*error = NULL;
		error_wrap(&config->error, 0, "%s", subject(config, setter));
	}
	error_clear(error);
}

static int kept_error(const scow_container_config *config, scow_error **error)
{
	return arena_failed(&config->arena) ? error_oom(error) : error_kept(config->error, error);
}

int config_check_stored(const scow_container_config *config, scow_error **error)
{
	const uint64_t memory = config->memory_bytes;
	int r = kept_error(config, error);

	if (r < 0)
		return r;
	if (config->has_memory_swap && config->memory_swap_bytes > 0 && !memory)
		return error_hint(error, error_set(error, SCOW_E_INVALID, "a limit on swap needs a limit on memory"),
				  "set the memory limit too");
	if (config->has_memory_swap && config->memory_swap_bytes > 0 && (uint64_t) config->memory_swap_bytes < memory)
		return error_set(error, SCOW_E_INVALID,
				 "the limit on memory and swap together (%lld bytes) is smaller than the one on memory (%llu)",
				 (long long) config->memory_swap_bytes, (unsigned long long) memory);
	if (config->cpu_millis && (config->cpu_quota_us || config->cpu_period_us))
		return error_set(error, SCOW_E_INVALID, "conflicting options: a number of CPUs, and a %s",
				 config->cpu_quota_us ? "quota of CPU time" : "period for CPU time");
	if (memory && config->memory_reservation_bytes > memory)
		return error_set(error, SCOW_E_INVALID, "the memory reservation (%llu bytes) is larger than the limit (%llu)",
				 (unsigned long long) config->memory_reservation_bytes, (unsigned long long) memory);
	r = id_maps_check(config, error);
	if (r == 0)
		r = config_check_networks(config, error);
	return r < 0 ? r : config_check_detached(config, error);
}

int config_check(const scow_container_config *config, scow_error **error)
{
	int r = config_check_stored(config, error);
	long cpus;

	if (r < 0 || !config->cpu_millis)
		return r;
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (cpus > 0 && config->cpu_millis > (uint64_t) cpus * 1000)
		return error_set(error, SCOW_E_INVALID, "%llu.%03llu CPUs were asked for, and this host has %ld",
				 (unsigned long long) config->cpu_millis / 1000, (unsigned long long) config->cpu_millis % 1000, cpus);
	return 0;
}

void config_put_pair(scow_container_config *config, struct config_pair **pairs, size_t *count, const char *name, const char *value)
{
	struct config_pair *pair = NULL;

	for (size_t i = 0; i < *count && !pair; i++)
		if (strcmp((*pairs)[i].name, name) == 0)
			pair = *pairs + i;
	if (!pair) {
		const char *copy = arena_strdup(&config->arena, name);

		if (!copy || !(pair = arena_append(&config->arena, pairs, count, sizeof(*pair))))
			return;
		pair->name = copy;
	}
	pair->value = arena_strdup(&config->arena, value);
}

void config_set_string(scow_container_config *config, const char **field, const char *value)
{
	*field = arena_strdup(&config->arena, value);
}

void config_add_string(scow_container_config *config, const char ***array, size_t *count, const char *value)
{
	const char *copy = arena_strdup(&config->arena, value), **slot;

	if (copy && (slot = arena_append(&config->arena, array, count, sizeof(*slot))))
		*slot = copy;
}

const char *config_clean_path(scow_container_config *config, const char *setter, const char *path)
{
	_cleanup_free_ char *clean = NULL;

	if (!path || *path != '/')
		return REFUSE_AS(config, setter, "'%s' is not an absolute path", path ? path : ""), NULL;
	if (strlen(path) >= PATH_MAX)
		return REFUSE_AS(config, setter, "a path of %zu bytes is too long", strlen(path)), NULL;
	clean = path_clean(path);
	if (!clean)
		config->arena.failed = true;
	return arena_strdup(&config->arena, clean);
}

bool text_has_control(const char *text)
{
	for (const unsigned char *at = (const unsigned char *) text; *at; at++)
		if (*at < ' ' || *at == 0x7f)
			return true;
	return false;
}

/* ---- the process ---- */

void scow_container_config_set_name(scow_container_config *config, const char *name)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	static const char more[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	if (!config)
		return;
	if (name && (!strspn(name, first) || strlen(name) < 2 || name[strspn(name, more)] || strlen(name) > NAME_BYTES_MAX))
		return REFUSE(config, "'%s' is not a name: only [a-zA-Z0-9][a-zA-Z0-9_.-]+ is", name);
	config_set_string(config, &config->name, name);
}

void scow_container_config_set_ephemeral(scow_container_config *config, int ephemeral)
{
	if (config)
		config->ephemeral = ephemeral;
}

static void set_vector(scow_container_config *config, const char *const *words, char ***out, size_t *count, bool *has)
{
	size_t n = 0;

	while (words && words[n])
		n++;
	*has = words != NULL;
	*count = n;
	*out = words ? arena_strv(&config->arena, words, n) : NULL;
}

void scow_container_config_set_command(scow_container_config *config, const char *const *command)
{
	if (config)
		set_vector(config, command, &config->command, &config->n_command, &config->has_command);
}

void scow_container_config_set_entrypoint(scow_container_config *config, const char *const *entrypoint)
{
	if (config)
		set_vector(config, entrypoint, &config->entrypoint, &config->n_entrypoint, &config->has_entrypoint);
}

void scow_container_config_set_env(scow_container_config *config, const char *name, const char *value)
{
	if (!config)
		return;
	if (!name || !*name || strchr(name, '=') || text_has_control(name))
		return REFUSE(config, "'%s' is not the name of a variable", name ? name : "");
	config_put_pair(config, &config->env, &config->n_env, name, value);
}

void scow_container_config_set_workdir(scow_container_config *config, const char *path)
{
	if (config)
		config->workdir = path ? config_clean_path(config, __func__, path) : NULL;
}

void scow_container_config_set_user(scow_container_config *config, const char *user)
{
	const char *colon = user ? strchr(user, ':') : NULL;

	if (!config)
		return;
	/* Without a name before the colon it is root, as for Docker, and not the image's user. */
	if (user && *user && (!name_is_clean(user) || (colon && strchr(colon + 1, ':'))))
		return REFUSE(config, "'%s' is not a user: 'name', 'uid', 'user:group', ':group'", user);
	config_set_string(config, &config->user, user && *user ? user : NULL);
}

void scow_container_config_add_group(scow_container_config *config, const char *group)
{
	if (!config)
		return;
	if (!group || !name_is_clean(group) || strchr(group, ':'))
		return REFUSE(config, "'%s' is not a group", group ? group : "");
	config_add_string(config, &config->groups, &config->n_groups, group);
}

static bool hostname_is_valid(const char *name)
{
	return !name || (name_is_clean(name) && strlen(name) <= HOSTNAME_BYTES_MAX && !strchr(name, '/'));
}

void scow_container_config_set_hostname(scow_container_config *config, const char *hostname)
{
	if (!config)
		return;
	if (!hostname_is_valid(hostname))
		return REFUSE(config, "'%s' is not a hostname of 1 to %d characters", hostname, HOSTNAME_BYTES_MAX);
	config_set_string(config, &config->hostname, hostname);
}

void scow_container_config_set_domainname(scow_container_config *config, const char *domainname)
{
	if (!config)
		return;
	if (!hostname_is_valid(domainname))
		return REFUSE(config, "'%s' is not a domain name of 1 to %d characters", domainname, HOSTNAME_BYTES_MAX);
	config_set_string(config, &config->domainname, domainname);
}

void scow_container_config_add_label(scow_container_config *config, const char *name, const char *value)
{
	if (!config)
		return;
	if (!name || !*name || text_has_control(name))
		return REFUSE(config, "'%s' is not the name of a label", name ? name : "");
	config_put_pair(config, &config->labels, &config->n_labels, name, value ? value : "");
}

void scow_container_config_set_tty(scow_container_config *config, int tty)
{
	if (config)
		config->tty = tty;
}

void scow_container_config_set_open_stdin(scow_container_config *config, int open)
{
	if (config)
		config->open_stdin = open;
}

void scow_container_config_set_stdin_once(scow_container_config *config, int once)
{
	if (config)
		config->stdin_once = once;
}

void scow_container_config_set_stop_signal(scow_container_config *config, const char *signal)
{
	if (!config)
		return;
	if (signal && signal_parse(signal) < 0)
		return REFUSE(config, "'%s' is not a signal", signal);
	config_set_string(config, &config->stop_signal, signal);
}

void scow_container_config_set_stop_timeout_ms(scow_container_config *config, int timeout_ms)
{
	if (!config)
		return;
	if (timeout_ms < -1)
		return REFUSE(config, "%d is not a timeout: -1 is for ever", timeout_ms);
	config->stop_timeout_ms = timeout_ms;
	config->has_stop_timeout = true;
}

void scow_container_config_set_init(scow_container_config *config, int init)
{
	if (config)
		config->init = init;
}

/* ---- file systems ---- */

void scow_container_config_set_read_only(scow_container_config *config, int read_only)
{
	if (config)
		config->read_only = read_only;
}

void scow_container_config_set_shm_bytes(scow_container_config *config, uint64_t bytes)
{
	if (!config)
		return;
	if (bytes > CONFIG_NUMBER_MAX)
		return REFUSE(config, "%llu bytes are too many", (unsigned long long) bytes);
	config->shm_bytes = bytes;
}

/* ---- namespaces ---- */

void scow_container_config_set_namespace(scow_container_config *config, scow_namespace kind, const char *mode)
{
	struct namespace_choice choice;
	scow_error *error = NULL;

	if (!config)
		return;
	if ((unsigned int) kind >= CONFIG_NAMESPACES)
		return REFUSE(config, "%d is no kind of namespace", (int) kind);
	if (namespace_parse(kind, mode, &choice, &error) < 0)
		return config_refuse_error(config, __func__, &error);
	config_set_string(config, &config->namespaces[kind], choice.mode == NAMESPACE_DEFAULT ? NULL : mode);
}
