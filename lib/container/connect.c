/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connecting and disconnecting. The endpoint's row is the truth; of a container that runs, the link follows it.
 *
 * 1. The row with its addresses comes first, in one transaction. What fails after that takes all back.
 * 2. One that a supervisor runs may be restarted at any moment: its file "network" is replaced before the link is made, so that whichever
 *    run there is has the new network.
 * 3. Inside, the link is configured by an errand of scow-init that joins the container's network namespace. No program of the container's
 *    is involved: it may have no shell, and no rights.
 */
#include "container/connect.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "container/config-network.h"
#include "container/detached.h"
#include "container/live.h"
#include "container/sweep.h"
#include "engine/job.h"
#include "network/endpoint-config.h"
#include "network/firewall.h"
#include "network/network-internal.h"

/* One change. */
struct change {
	scow_container *container;
	scow_network *network;
	struct container_row row;
	int pidfd;             /* of PID 1, while it runs; or -1 */
	struct attachment now; /* as it is to be */
	const struct endpoint *endpoint;
	struct netns ns;
	bool is_linked; /* the endpoint is, by us */
};

static void change_done(struct change *change)
{
	attachment_done(&change->now);
	netns_close(&change->ns);
	cleanup_fd(&change->pidfd);
}

static int begin(struct change *change, scow_error **error)
{
	scow_container *container = change->container;
	const scow_container_config *config;
	int r = container_row_settled(container, &change->row, error);

	if (r == 0)
		r = container_config_of(container, &config, error);
	if (r < 0)
		return r;
	if (!networks_are_wanted(container->engine, config))
		return error_set(error, SCOW_E_INVALID, "container '%s' has the network '%s' and can be on no other", container->name,
				 pasta_is_usernet(config)           ? CONFIG_USERNET
				 : config_network_is_unsaid(config) ? CONFIG_PASTA
								    : config->namespaces[SCOW_NAMESPACE_NETWORK]);
	if (change->network->driver == NETWORK_HOST || change->network->driver == NETWORK_NONE)
		return error_set(error, SCOW_E_INVALID, "a container can have the network '%s' only from its creation on",
				 change->network->name);
	if (container_runs(change->row.state))
		change->pidfd = container_pidfd(container->engine, &change->row);
	return netns_open(container->engine, &change->ns, error);
}

static bool is_up(const struct change *change)
{
	return container_runs(change->row.state);
}

static void find_endpoint(struct change *change)
{
	for (size_t i = 0; i < change->now.n_endpoints; i++)
		if (str_eq(change->now.endpoints[i].network->id, change->network->id))
			change->endpoint = &change->now.endpoints[i];
}

/* In the container's network namespace. */
static int send_inside(struct change *change, const struct batch *batch, scow_error **error)
{
	struct job_process process = { .cgroup_fd = -1, .n_fds = 1 };
	_cleanup_str_ struct str bytes = { 0 };
	_cleanup_job_ struct job job = { 0 };
	struct wire_step *step;
	int r;

	batch_write(batch, &bytes);
	if (bytes.failed)
		return error_oom(error);
	process.fds[0] = (struct spawn_fd){ change->pidfd, WIRE_FD_NS };
	step = job_step(&job, WIRE_JOIN, 0);
	step->number[0] = WIRE_FD_NS;
	/* By one call: the user namespace gives the right to the other. */
	step->number[1] = CLONE_NEWNET | (change->container->engine->facts.rootless ? CLONE_NEWUSER : 0);
	job_blob(&job, job_step(&job, WIRE_NETLINK, 0), bytes.data, bytes.size);
	r = job_run(change->container->engine, &job, &process, error);
	if (r < 0)
		return r;
	r = spawn_wait(process.pidfd, NULL, error);
	close(process.pidfd);
	return r;
}

static int rewrite_file(struct change *change, scow_error **error)
{
	scow_container *container = change->container;
	_cleanup_fd_ int dir = -1;

	if (!is_up(change) || !detached_is(&change->row))
		return 0;
	dir = dir_open_at(container->engine->containers_fd, container->id);
	if (dir < 0)
		return error_errno(error, -dir, "open", "open 'containers/%s'", container->id);
	return networks_rewrite(container, &change->now, dir, error);
}

/* Events, and their names, for one that runs: one that does not is not connected yet, in Docker's words. */
static int note(struct db_work *work, const struct change *change, const char *action, scow_error **error)
{
	const scow_network *network = change->network;

	return is_up(change) ? network_event(work, action, network->id, network->name, network->driver, change->container->id, error) : 0;
}

/* ---- connect ---- */

static int check_address(const struct network *network, const struct address *address, scow_error **error)
{
	return address->family ? network_check_wanted(network, address, error) : 0;
}

static int next_position(struct db_work *work, const char *id, unsigned int *out, scow_error **error)
{
	sqlite3_stmt *row;
	int r = db_query(work, &row, error, "SELECT coalesce(max(position) + 1, 0) FROM endpoints WHERE container = ?", "t", id);

	*out = r > 0 ? (unsigned int) db_int(row, 0) : 0;
	return r < 0 ? r : 0;
}

static int insert(struct db_work *work, struct change *change, const struct endpoint_settings *settings, scow_error **error)
{
	scow_container *container = change->container;
	struct arena arena = { 0 };
	struct network *network;
	unsigned int position;
	int r = network_read(work, change->network->id, &arena, &network, error);

	if (r == 0)
		r = check_address(network, &settings->ip4, error);
	if (r == 0)
		r = check_address(network, &settings->ip6, error);
	if (r == 0 && str_eq(network->name, NETWORK_DEFAULT) && settings->n_aliases)
		r = error_set(error, SCOW_E_INVALID, "the network 'bridge' has no names, and so no alias '%s'", settings->aliases[0]);
	if (r == 0)
		r = next_position(work, container->id, &position, error);
	if (r == 0) {
		r = endpoint_insert(work, container->id, network->id, position, settings, error);
		if (r == 0)
			r = error_set(error, SCOW_E_EXISTS, "container '%s' is on network '%s' already", container->name, network->name);
	}
	arena_done(&arena);
	return r < 0 ? r : 0;
}

static int record(struct change *change, const struct endpoint_settings *settings, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	int r = db_begin(change->container->engine->db, &work, error);

	if (r == 0)
		r = insert(&work, change, settings, error);
	if (r == 0 && is_up(change))
		r = network_lease(&work, change->container->id, &change->now, error);
	if (r == 0)
		r = note(&work, change, "connect", error);
	return r < 0 ? r : db_commit(&work, error);
}

static int erase(struct change *change, bool noted, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	int r = db_begin(change->container->engine->db, &work, error);

	if (r == 0)
		r = db_exec(&work, error, "DELETE FROM endpoints WHERE container = ? AND network = ?", "tt", change->container->id,
			    change->network->id);
	if (r > 0 && noted)
		r = note(&work, change, "disconnect", error);
	return r < 0 ? r : db_commit(&work, error);
}

static int link_up(struct change *change, scow_error **error)
{
	_cleanup_batch_ struct batch host = { 0 }, inside = { 0 };
	const struct wire_patch_values values = { .pid = change->row.pid, .run = change->endpoint->run };
	_cleanup_str_ struct str elements = { 0 }, end = { 0 };
	int r;

	network_endpoint_batches(change->endpoint, &host, &inside);
	network_route_batch(&change->now, &inside);
	firewall_endpoint_elements(&change->ns, change->endpoint, &elements, &end);
	r = firewall_begin(&change->ns, &elements, &end, error);
	if (r < 0)
		return r;
	r = netns_send(&change->ns, &host, &values, error);
	/* Not all kernels let one holder put a link where another did. */
	if (r == SCOW_E_DENIED && change->ns.hold_fd >= 0)
		error_hint(error, r, "it runs with networks whose holder was killed: start it again");
	if (r == 0) {
		r = send_inside(change, &inside, error);
		if (r < 0)
			(void) !netns_link_delete(&change->ns, change->endpoint->port, NULL);
	}
	if (r < 0) {
		(void) firewall_end(&change->ns, &end, NULL);
		return r;
	}
	change->is_linked = true;
	return 0;
}

static int take_down(struct change *change, scow_error **error)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	_cleanup_str_ struct str begin = { 0 }, end = { 0 };
	_cleanup_batch_ struct batch batch = { 0 };
	int r;

	batch_message(&batch, RTM_DELLINK, 0, &header, sizeof(header));
	batch_text(&batch, IFLA_IFNAME, change->endpoint->interface);
	/* The way out may be another now. */
	network_route_batch(&change->now, &batch);
	r = send_inside(change, &batch, error);
	firewall_endpoint_elements(&change->ns, change->endpoint, &begin, &end);
	(void) firewall_end(&change->ns, &end, NULL);
	return r;
}

static int join_up(struct change *change, scow_error **error)
{
	int r;

	find_endpoint(change);
	change->now.name = change->container->name;
	if (!change->endpoint)
		return error_set(error, SCOW_E_NOT_FOUND, "network '%s' was removed", change->network->name);
	networks_guard(change->container, &change->now);
	r = network_prepare_one(&change->ns, change->endpoint->network, error);
	if (r == 0)
		r = rewrite_file(change, error);
	/* One that waits for its restart gets it then. */
	if (r == 0 && change->pidfd >= 0)
		r = link_up(change, error);
	if (r == 0 && change->pidfd >= 0)
		r = naming_changed(change->container, &change->now, change->endpoint, false, error);
	return r;
}

/* The row, the link, and what the container's supervisor would do at its next restart. */
static void take_back(struct change *change)
{
	const scow_container *container = change->container;
	struct attachment failed = change->now;
	struct db_work work = { 0 };
	scow_error *failure = NULL;
	int r = erase(change, true, &failure);

	change->now = (struct attachment){ .n_endpoints = 0 };
	if (r == 0) {
		db_lock(container->engine->db, &work);
		r = network_leased(&work, container->id, &change->now, &failure);
		db_end(&work);
	}
	change->now.name = container->name;
	networks_guard(change->container, &change->now);
	if (r == 0 && change->is_linked)
		(void) take_down(change, NULL);
	if (r == 0)
		r = rewrite_file(change, &failure);
	if (r < 0)
		engine_log(container->engine, SCOW_LOG_WARNING, "container %.12s: a failed connect is not taken back: %s", container->id,
			   scow_error_message(failure));
	scow_error_unref(failure);
	attachment_done(&failed);
}

static int connect_locked(struct change *change, const struct endpoint_settings *settings, scow_error **error)
{
	int r = begin(change, error);

	if (r < 0)
		return r;
	r = record(change, settings, error);
	if (r == SCOW_E_LIMIT && container_sweep(change->container->engine, NULL) == 0) {
		error_clear(error);
		r = record(change, settings, error);
	}
	if (r < 0 || !is_up(change))
		return r;
	r = join_up(change, error);
	if (r < 0)
		take_back(change);
	return r;
}

int scow_container_connect(scow_container *container, scow_network *network, const scow_endpoint_config *endpoint, scow_error **error)
{
	static const struct endpoint_settings nothing_special;
	_cleanup_(change_done) struct change change = { .container = container, .network = network, .pidfd = -1 };
	scow_error *failure = NULL;
	int r = container_check(container, error), lock;

	if (r == 0)
		r = network_check(network, error);
	if (r == 0 && network->engine != container->engine)
		r = error_set(error, SCOW_E_INVALID, "the network '%s' belongs to another engine", network->name);
	if (r == 0 && endpoint)
		r = endpoint_config_check(endpoint, error);
	if (r < 0)
		return r;
	lock = container_lock(container, error);
	if (lock < 0)
		return lock;
	r = connect_locked(&change, endpoint ? &endpoint->settings : &nothing_special, &failure);
	container_unlock(container, lock);
	if (r < 0)
		error_wrap(&failure, r, "connect container '%s' to network '%s'", container->name, network->name);
	if (r < 0 && error)
		*error = take_ptr(&failure);
	scow_error_unref(failure);
	return r;
}

/* ---- disconnect ---- */

static int leave(struct change *change, struct attachment *before, bool force, scow_error **error)
{
	struct attachment now = { .n_endpoints = 0 };
	size_t n = 0;
	int r;

	networks_guard(change->container, before);
	/* What stays is what was, without the one. */
	now = *before;
	for (size_t i = 0; i < before->n_endpoints; i++)
		if (&before->endpoints[i] != change->endpoint)
			n++;
	now.endpoints = arena_alloc(&before->arena, (n + 1) * sizeof(*now.endpoints));
	if (!now.endpoints)
		return error_oom(error);
	now.n_endpoints = 0;
	for (size_t i = 0; i < before->n_endpoints; i++)
		if (&before->endpoints[i] != change->endpoint)
			now.endpoints[now.n_endpoints++] = before->endpoints[i];
	change->now = now;
	before->arena = (struct arena){ 0 };
	r = rewrite_file(change, error);
	if (r == 0 && change->pidfd >= 0)
		r = take_down(change, error);
	if (r == 0 && change->pidfd >= 0)
		r = naming_changed(change->container, &change->now, change->endpoint, true, error);
	if (r < 0 && force) {
		error_clear(error);
		r = 0;
	}
	return r;
}

static int disconnect_locked(struct change *change, bool force, scow_error **error)
{
	scow_container *container = change->container;
	struct attachment before = { .n_endpoints = 0 };
	struct db_work work = { 0 };
	int r = begin(change, error);

	if (r < 0)
		return r;
	db_lock(container->engine->db, &work);
	r = network_leased(&work, container->id, &before, error);
	db_end(&work);
	if (r < 0)
		return r;
	before.name = container->name;
	change->now = before;
	find_endpoint(change);
	change->now = (struct attachment){ .n_endpoints = 0 };
	if (!change->endpoint)
		r = error_set(error, SCOW_E_NOT_FOUND, "container '%s' is not on network '%s'", container->name, change->network->name);
	if (r == 0 && is_up(change) && change->endpoint->leased)
		r = leave(change, &before, force, error);
	if (r == 0)
		r = erase(change, true, error);
	attachment_done(&before);
	return r;
}

int scow_container_disconnect(scow_container *container, scow_network *network, unsigned int flags, scow_error **error)
{
	_cleanup_(change_done) struct change change = { .container = container, .network = network, .pidfd = -1 };
	int r = container_check(container, error), lock;

	if (r == 0)
		r = network_check(network, error);
	if (r == 0 && (network->engine != container->engine || (flags & ~SCOW_DISCONNECT_FORCE)))
		r = error_set(error, SCOW_E_INVALID,
			      flags & ~SCOW_DISCONNECT_FORCE ? "unknown flags for disconnect" : "the network belongs to another engine");
	if (r < 0)
		return r;
	lock = container_lock(container, error);
	if (lock < 0)
		return lock;
	r = disconnect_locked(&change, flags & SCOW_DISCONNECT_FORCE, error);
	container_unlock(container, lock);
	return r < 0 ? error_wrap(error, r, "disconnect container '%s' from network '%s'", container->name, network->name) : 0;
}

/* ---- what is asked often ---- */

static int read_address(scow_container *container, const char *network, int family, struct address *out, scow_error **error)
{
	_cleanup_attachment_ struct attachment attachment = { .n_endpoints = 0 };
	_cleanup_db_ struct db_work work = { 0 };
	const struct endpoint *endpoint;
	int r;

	db_lock(container->engine->db, &work);
	r = network_leased(&work, container->id, &attachment, error);
	if (r < 0)
		return r;
	endpoint = network ? NULL : attachment_gateway(&attachment, family);
	for (size_t i = 0; i < attachment.n_endpoints && !endpoint; i++) {
		const struct endpoint *at = &attachment.endpoints[i];

		if (network ? str_eq(at->network->name, network) || str_eq(at->network->id, network)
			    : (family == AF_INET ? &at->ip4 : &at->ip6)->family != 0)
			endpoint = at;
	}
	/* One that does not run has none: that is another thing than having no network. */
	if (!endpoint && !network && attachment.n_endpoints)
		endpoint = &attachment.endpoints[0];
	if (!endpoint)
		return error_set(error, SCOW_E_NOT_FOUND, "container '%s' is not on %s%s%s", container->name,
				 network ? "network '" : "any network", network ? network : "", network ? "'" : "");
	*out = family == AF_INET ? endpoint->ip4 : endpoint->ip6;
	return 0;
}

int scow_container_address(scow_container *container, const char *network, int family, char **out, scow_error **error)
{
	char text[ADDRESS_TEXT];
	struct container_row row;
	struct address address;
	int r = container_check(container, error);

	if (r == 0 && (!out || (family != AF_INET && family != AF_INET6)))
		r = error_set(error, SCOW_E_INVALID,
			      out ? "the family %d is neither AF_INET nor AF_INET6" : "no place for the address was given", family);
	if (r == 0)
		r = container_row_read(container->engine, container->id, &row, error);
	if (r == 0)
		r = read_address(container, network, family, &address, error);
	if (r < 0)
		return r;
	if (!address.family)
		return error_set(error, SCOW_E_STATE, "container '%s' has no %s address there%s", container->name,
				 family == AF_INET ? "IPv4" : "IPv6", container_runs(row.state) ? "" : ": it does not run");
	*out = strdup(address_format(&address, text));
	return *out ? 0 : error_oom(error);
}

int containers_reconnect(scow_engine *engine, scow_error **error)
{
	return naming_reload(engine, error);
}
