/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The networks of one start: addresses by a transaction of their own after the claim, links once there is a process, addresses and
 * routes by scow-init inside.
 *
 * A pool that is exhausted may be so by containers that have ended and of whom nobody has taken notice: then they are cleared away,
 * and it is tried once more.
 */
#include "container/networks.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "container/config-network.h"
#include "container/published.h"
#include "container/sweep.h"
#include "network/holder.h"

void networks_done(struct networks *networks)
{
	attachment_done(&networks->attachment);
	netns_close(&networks->ns);
	batch_done(&networks->host);
	str_done(&networks->inside);
	str_done(&networks->begin);
	str_done(&networks->end);
	ports_done(&networks->ports);
	naming_done(&networks->naming);
	pasta_done(&networks->pasta);
}

bool networks_are_wanted(scow_engine *engine, const scow_container_config *config)
{
	return config_is_networked(config) && !(engine->facts.rootless && pasta_is_meant(config));
}

int networks_ensure(scow_engine *engine, const scow_container_config *config, scow_error **error)
{
	return networks_are_wanted(engine, config) ? network_ensure_builtin(engine, error) : 0;
}

static int check_wanted(const struct network *network, const struct endpoint_settings *settings, scow_error **error)
{
	int r = 0;

	if (settings->ip4.family)
		r = network_check_wanted(network, &settings->ip4, error);
	if (r == 0 && settings->ip6.family)
		r = network_check_wanted(network, &settings->ip6, error);
	return r;
}

int networks_insert(struct db_work *work, scow_engine *engine, const char *id, const scow_container_config *config, scow_error **error)
{
	const struct endpoint_settings *settings;
	struct arena arena = { 0 };
	const char *name;
	int r = 0;

	if (!networks_are_wanted(engine, config))
		return engine->facts.rootless ? pasta_check(config, error) : 0;
	for (unsigned int i = 0; r >= 0 && (name = config_network_at(config, i, &settings)); i++) {
		struct network *network;

		r = network_read(work, name, &arena, &network, error);
		if (r == 0)
			r = check_wanted(network, settings, error);
		if (r == 0)
			r = endpoint_insert(work, id, network->id, i, settings, error);
		if (r == 0)
			r = error_set(error, SCOW_E_INVALID, "network '%s' twice, by its name and its id", name);
	}
	arena_done(&arena);
	return r < 0 ? r : 0;
}

/* ---- a start ---- */

static bool config_is_on(const scow_container_config *config, const char *network)
{
	const struct endpoint_settings *settings;
	const char *name;

	for (size_t i = 0; (name = config_network_at(config, i, &settings)); i++)
		if (str_eq(name, network))
			return true;
	return false;
}

static int lease(scow_container *container, struct networks *networks, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	int r = db_begin(container->engine->db, &work, error);

	if (r == 0)
		r = network_lease(&work, container->id, &networks->attachment, error);
	return r < 0 ? r : db_commit(&work, error);
}

int networks_lease(scow_container *container, const scow_container_config *config, struct networks *out, scow_error **error)
{
	scow_error *failure = NULL;
	int r;

	if (!networks_are_wanted(container->engine, config))
		return 0;
	out->on = true;
	r = netns_open(container->engine, &out->ns, error);
	if (r == 0 && config_is_on(config, NETWORK_DEFAULT))
		r = network_settle_builtin(&out->ns, error);
	if (r < 0)
		return r;
	r = lease(container, out, &failure);
	if (r == SCOW_E_LIMIT && container_sweep(container->engine, NULL) == 0) {
		error_clear(&failure);
		r = lease(container, out, &failure);
	}
	if (r < 0 && error)
		*error = take_ptr(&failure);
	scow_error_unref(failure);
	return r;
}

/* ---- a plain user's ---- */

/* All ids that are there, as they are. */
static struct id_range *same_ids(struct arena *arena, const struct id_range *map, unsigned int n)
{
	struct id_range *copy = arena_alloc(arena, n * sizeof(*copy));

	for (unsigned int i = 0; copy && i < n; i++)
		copy[i] = (struct id_range){ map[i].inside, map[i].inside, map[i].count };
	return copy;
}

static int map_all(scow_engine *engine, struct spec *spec, scow_error **error)
{
	struct facts *facts = &engine->facts;
	int r;

	if (spec->n_uid_map)
		return 0;
	pthread_mutex_lock(&engine->lock);
	r = facts_probe_ids(facts, error);
	pthread_mutex_unlock(&engine->lock);
	if (r < 0)
		return r;
	spec->uid_map = same_ids(&spec->arena, facts->uid_map, facts->n_uid_map);
	spec->gid_map = same_ids(&spec->arena, facts->gid_map, facts->n_gid_map);
	spec->n_uid_map = facts->n_uid_map;
	spec->n_gid_map = facts->n_gid_map;
	return spec->uid_map && spec->gid_map ? 0 : error_oom(error);
}

/*
 * Its user namespace is made inside of the one that has the bridges, which so may put links into its network namespace; but not the
 * other way round: whatever rights a container has in its own, it has none over the bridges, nor over another container.
 */
static int settle_plain(scow_container *container, struct networks *networks, struct spec *spec, scow_error **error)
{
	struct spec_namespace *user = &spec->namespaces[SPEC_NS_USER];
	scow_error *failure = NULL;
	int r = 0;

	if (user->mode == SPEC_NS_NEW) {
		user->path = arena_printf(&spec->arena, "/proc/self/fd/%d", networks->ns.user_fd);
		r = user->path ? map_all(container->engine, spec, error) : error_oom(error);
	}
	if (r < 0)
		return r;
	if (attachment_leads_out(&networks->attachment) && holder_uplink(&networks->ns, &failure) < 0)
		engine_log(container->engine, SCOW_LOG_WARNING, "container %.12s: its networks have no way out: %s", container->id,
			   scow_error_message(failure));
	scow_error_unref(failure);
	return 0;
}

int networks_prepare(scow_container *container, const scow_container_config *config, struct networks *networks, struct spec *spec,
		     scow_error **error)
{
	_cleanup_batch_ struct batch inside = { 0 };
	int r;

	r = pasta_prepare(container, config, &networks->pasta, error);
	if (r < 0)
		return r;
	if (!networks->on && !networks->pasta.on && (config->n_ports || config->publish_all))
		engine_log(container->engine, SCOW_LOG_WARNING, "container %.12s: it has no network of its own: nothing is published",
			   container->id);
	if (!networks->on)
		return 0;
	networks->attachment.name = container->name;
	r = network_prepare(&networks->ns, &networks->attachment, error);
	if (r == 0)
		r = published_prepare(container, config, networks, error);
	if (r < 0)
		return r;
	network_batches(&networks->attachment, &networks->host, &inside);
	batch_write(&inside, &networks->inside);
	if (networks->inside.failed)
		return error_oom(error);
	spec->networked = true;
	spec->network = networks->inside.data;
	spec->network_size = networks->inside.size;
	r = networks_add_sysctls(&networks->attachment, spec, error);
	if (r == 0 && container->engine->facts.rootless)
		r = settle_plain(container, networks, spec, error);
	return r < 0 ? r : naming_prepare(container, config, &networks->attachment, &networks->naming, spec, error);
}

/* The file that its supervisor reads before each run. @end: what to take out of the firewall then, or NULL. @held: a plain user's. */
static int networks_write(const struct attachment *attachment, const struct str *end, bool held, int dir_fd, scow_error **error)
{
	_cleanup_batch_ struct batch host = { 0 }, inside = { 0 };
	_cleanup_str_ struct str text = { 0 }, host_part = { 0 }, inside_part = { 0 };
	struct wire_network header = {
		.magic = WIRE_NETWORK_MAGIC,
		.run = attachment->run,
		.held_fd = held ? WIRE_FD_NS + SPEC_NS_USER : 0,
	};
	int r;

	network_batches(attachment, &host, &inside);
	batch_write(&host, &host_part);
	batch_write(&inside, &inside_part);
	header.host_size = (uint32_t) host_part.size;
	header.inside_size = (uint32_t) inside_part.size;
	header.end_size = end ? (uint32_t) end->size : 0;
	header.size = (uint32_t) sizeof(header) + header.host_size + header.inside_size + header.end_size;
	str_add_bytes(&text, &header, sizeof(header));
	str_add_bytes(&text, host_part.data, host_part.size);
	str_add_bytes(&text, inside_part.data, inside_part.size);
	if (end)
		str_add_bytes(&text, end->data, end->size);
	if (text.failed || host_part.failed || inside_part.failed || (end && end->failed))
		return error_oom(error);
	r = file_publish_at(dir_fd, WIRE_NETWORK_NAME, text.data, text.size, 0600);
	return r < 0 ? error_errno(error, -r, "rename", "write down the container's networks") : 0;
}

int networks_rewrite(scow_container *container, const struct attachment *attachment, int dir_fd, scow_error **error)
{
	_cleanup_netns_ struct netns ns = { .route_fd = -1, .filter_fd = -1, .fd = -1 };
	_cleanup_str_ struct str end = { 0 };
	int r = naming_rewrite(container, attachment, dir_fd, error);

	if (r == 0)
		r = netns_open(container->engine, &ns, error);
	if (r == 0)
		r = published_follow(container, &ns, attachment, &end, error);
	return r < 0 ? r : networks_write(attachment, &end, container->engine->facts.rootless, dir_fd, error);
}

int networks_hand_over(const struct networks *networks, int dir_fd, struct spec *spec, scow_error **error)
{
	int r;

	(void) unlinkat(dir_fd, WIRE_NETWORK_NAME, 0);
	r = pasta_hand_over(&networks->pasta, dir_fd, error);
	if (r < 0 || !networks->on)
		return r;
	spec->network = NULL;
	spec->network_size = 0;
	r = naming_hand_over(&networks->naming, dir_fd, spec, error);
	return r < 0 ? r : networks_write(&networks->attachment, &networks->end, networks->ns.hold_fd >= 0, dir_fd, error);
}

int networks_born(void *data, pid_t pid, scow_error **error)
{
	struct networks *networks = data;
	const struct wire_patch_values values = { .pid = pid, .run = networks->attachment.run };

	int r = 0;

	if (networks->pasta.on)
		return pasta_start(&networks->pasta, pid, error);
	r = netns_send(&networks->ns, &networks->host, &values, error);

	if (r == 0)
		r = naming_confirm(&networks->naming, error);
	return error_wrap(error, r, "connect the container to its networks");
}

void networks_started(scow_container *container, struct networks *networks, pid_t pid, bool supervised)
{
	scow_error *failure = NULL;

	if (naming_settle(container, &networks->naming, pid, supervised, &failure) < 0)
		engine_log(container->engine, SCOW_LOG_WARNING, "container %.12s: it finds nobody by name: %s", container->id,
			   scow_error_message(failure));
	scow_error_unref(failure);
}
