/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Published ports of one container.
 *
 * 1. Sockets first, then rows, then rules: a port that is in the rules is always the row's container's.
 * 2. Rules are taken away in the transaction that frees the rows, so that nobody has taken the port meanwhile and is cut off.
 * 3. A row may be left by a container that has ended and of whom nobody has taken notice: then those are cleared away first.
 */
#include "container/published.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "container/config-network.h"
#include "container/sweep.h"
#include "runtime/caps.h"

/* ---- which ---- */

static bool is_published(const scow_container_config *config, int protocol, uint16_t port)
{
	for (size_t i = 0; i < config->n_ports; i++)
		if (config->ports[i].protocol == protocol && config->ports[i].port == port)
			return true;
	return false;
}

static int add_range(const scow_container_config *config, const struct port_range *range, struct arena *arena, struct published_ports *out,
		     scow_error **error)
{
	for (unsigned int port = range->first; port <= range->last; port++) {
		struct port_spec *spec;

		if (is_published(config, range->protocol, (uint16_t) port))
			continue;
		spec = arena_append(arena, &out->specs, &out->n, sizeof(*spec));
		if (!spec)
			return error_oom(error);
		*spec = (struct port_spec){ .protocol = range->protocol, .port = (uint16_t) port };
	}
	return 0;
}

int published_wanted(scow_container *container, const scow_container_config *config, struct arena *arena, struct published_ports *out,
		     scow_error **error)
{
	const struct image_config *image;
	struct port_range range;
	int r = container_image_of(container, &image, error);

	if (r < 0)
		return r;
	for (size_t i = 0; i < config->n_ports; i++) {
		struct port_spec *spec = arena_append(arena, &out->specs, &out->n, sizeof(*spec));

		if (!spec)
			return error_oom(error);
		*spec = config->ports[i];
	}
	for (size_t i = 0; config->publish_all && i < config->n_exposed && r == 0; i++)
		r = add_range(config, &config->exposed[i], arena, out, error);
	for (size_t i = 0; config->publish_all && i < image->n_exposed_ports && r == 0; i++) {
		r = port_range_parse(image->exposed_ports[i], &range, error);
		if (r == 0)
			r = add_range(config, &range, arena, out, error);
	}
	return r;
}

/* ---- a start ---- */

int published_record(scow_container *container, const struct ports *ports, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	int r = db_begin(container->engine->db, &work, error);

	if (r == 0)
		r = ports_record(&work, container->id, ports, error);
	return r < 0 ? r : db_commit(&work, error);
}

static int take_once(scow_container *container, const struct published_ports *wanted, struct networks *networks, scow_error **error)
{
	int r = ports_take(&networks->ns, &networks->attachment, wanted->specs, wanted->n, &networks->ports, error);

	return r < 0 || !networks->ports.n_bindings ? r : published_record(container, &networks->ports, error);
}

static int take(scow_container *container, const scow_container_config *config, struct networks *networks, scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	struct published_ports wanted = { 0 };
	scow_error *failure = NULL;
	int r = published_wanted(container, config, &arena, &wanted, error);

	if (r < 0)
		return r;
	r = take_once(container, &wanted, networks, &failure);
	if (r == SCOW_E_BUSY && container_sweep(container->engine, NULL) == 0) {
		error_clear(&failure);
		ports_done(&networks->ports);
		r = take_once(container, &wanted, networks, &failure);
	}
	if (r < 0 && error)
		*error = take_ptr(&failure);
	scow_error_unref(failure);
	return r;
}

/* Whether it could give its interfaces other addresses anyway. */
static bool configures_interfaces(const scow_container_config *config)
{
	const uint64_t bit = UINT64_C(1) << caps_parse("CAP_NET_ADMIN");
	bool added = false;

	if (config->privileged)
		return true;
	for (size_t i = 0; i < config->n_cap_add; i++)
		added = added || str_eq(config->cap_add[i], "ALL") || caps_parse(config->cap_add[i]) == caps_parse("CAP_NET_ADMIN");
	for (size_t i = 0; i < config->n_cap_drop && added; i++)
		if (caps_parse(config->cap_drop[i]) == caps_parse("CAP_NET_ADMIN"))
			return false;
	return added || (caps_default() & bit);
}

/* How its ports on bridges are: held to its addresses, and with a way back to itself where it publishes. */
static void describe_ports(const scow_container_config *config, struct attachment *attachment)
{
	if (!configures_interfaces(config))
		firewall_guard(attachment);
	for (size_t i = 0; i < attachment->n_endpoints; i++)
		attachment->endpoints[i].hairpin = config->n_ports || config->publish_all;
}

void networks_guard(scow_container *container, struct attachment *attachment)
{
	const scow_container_config *config;

	if (container_config_of(container, &config, NULL) == 0)
		describe_ports(config, attachment);
}

int published_prepare(scow_container *container, const scow_container_config *config, struct networks *networks, scow_error **error)
{
	int r = 0;

	describe_ports(config, &networks->attachment);
	if (config->n_ports || config->publish_all)
		r = take(container, config, networks, error);
	if (r == 0 && networks->ns.rebuilt)
		r = published_restore(container->engine, &networks->ns, error);
	if (r < 0)
		return r;
	firewall_elements(&networks->ns, &networks->attachment, networks->ports.bindings, networks->ports.n_bindings, &networks->begin,
			  &networks->end);
	r = firewall_begin(&networks->ns, &networks->begin, &networks->end, error);
	networks->in_firewall = r == 0;
	if (r == 0)
		r = ports_lead_in(&networks->ns, &networks->ports, error);
	return r < 0 ? r : ports_forget_connections(&networks->ns, &networks->ports, error);
}

void published_undo(struct networks *networks)
{
	if (networks->in_firewall)
		(void) firewall_end(&networks->ns, &networks->end, NULL);
	networks->in_firewall = false;
}

/* ---- later ---- */

int published_leave(struct db_work *work, scow_engine *engine, const char *id, scow_error **error)
{
	_cleanup_attachment_ struct attachment attachment = { .n_endpoints = 0 };
	_cleanup_netns_ struct netns ns = { .route_fd = -1, .filter_fd = -1, .fd = -1 };
	_cleanup_str_ struct str end = { 0 };
	struct port_binding *ports = NULL;
	size_t n_ports = 0;
	int r = network_leased(work, id, &attachment, error);

	if (r == 0)
		r = ports_read(work, id, &attachment, &attachment.arena, &ports, &n_ports, error);
	if (r == 0)
		r = netns_find(engine, &ns, error);
	if (r > 0) {
		firewall_elements(&ns, &attachment, ports, n_ports, NULL, &end);
		r = firewall_end(&ns, &end, error);
	}
	if (r == 0)
		r = db_exec(work, error, "DELETE FROM ports WHERE container = ?", "t", id);
	return r < 0 ? r : 0;
}

int published_follow(scow_container *container, struct netns *ns, const struct attachment *now, struct str *end, scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	_cleanup_str_ struct str begin = { 0 }, all = { 0 }, rest = { 0 };
	const struct attachment none = { .n_endpoints = 0 };
	struct port_binding *ports = NULL;
	size_t n = 0, kept = 0;
	int r;
	{
		_cleanup_db_ struct db_work work = { 0 };

		db_lock(container->engine->db, &work);
		r = ports_read(&work, container->id, now, &arena, &ports, &n, error);
	}
	if (r < 0)
		return r;
	if (end)
		firewall_elements(ns, now, ports, n, NULL, end);
	if (!n)
		return 0;
	/* The places on the host stay; where they lead to changes, or they lead nowhere. */
	firewall_elements(ns, &none, ports, n, NULL, &all);
	for (size_t i = 0; i < n; i++)
		if (ports[i].target.family)
			ports[kept++] = ports[i];
	firewall_elements(ns, &none, ports, kept, &begin, &rest);
	r = firewall_end(ns, &all, error);
	return r < 0 ? r : firewall_begin(ns, &begin, &rest, error);
}

static int restore_networks(scow_engine *engine, struct netns *ns, scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	struct network **all = NULL;
	int r;
	{
		_cleanup_db_ struct db_work work = { 0 };

		db_lock(engine->db, &work);
		r = network_read_all(&work, &arena, &all, error);
	}
	for (size_t i = 0; r == 0 && all[i]; i++)
		r = network_reload(ns, all[i], error);
	return r;
}

static int restore_container(scow_engine *engine, const char *id, struct netns *ns, scow_error **error)
{
	_cleanup_(scow_container_unrefp) scow_container *container = NULL;
	_cleanup_attachment_ struct attachment attachment = { .n_endpoints = 0 };
	_cleanup_str_ struct str begin = { 0 }, end = { 0 };
	int r = scow_container_get(engine, id, &container, error);

	if (r == 0) {
		_cleanup_db_ struct db_work work = { 0 };

		db_lock(engine->db, &work);
		r = network_leased(&work, id, &attachment, error);
	}
	if (r < 0)
		return r;
	networks_guard(container, &attachment);
	firewall_elements(ns, &attachment, NULL, 0, &begin, &end);
	r = firewall_begin(ns, &begin, &end, error);
	return r < 0 ? r : published_follow(container, ns, &attachment, NULL, error);
}

int published_restore(scow_engine *engine, struct netns *ns, scow_error **error)
{
	_cleanup_arena_ struct arena arena = { 0 };
	char **ids = NULL;
	size_t n = 0;
	int r = restore_networks(engine, ns, error);

	if (r == 0) {
		_cleanup_db_ struct db_work work = { 0 };
		sqlite3_stmt *row;

		db_lock(engine->db, &work);
		r = db_query(&work, &row, error, "SELECT DISTINCT container FROM endpoints WHERE mac IS NOT NULL", "");
		for (; r > 0; r = db_step(&work, row, error)) {
			char **id = arena_append(&arena, &ids, &n, sizeof(*ids));

			if (!id || !(*id = arena_strdup(&arena, db_text(row, 0))))
				return error_oom(error);
		}
	}
	for (size_t i = 0; r == 0 && i < n; i++) {
		scow_error *failure = NULL;

		/* One that ended meanwhile needs nothing; another's trouble is told, and the rest goes on. */
		if (restore_container(engine, ids[i], ns, &failure) < 0 && scow_error_status(failure) != SCOW_E_NOT_FOUND)
			engine_log(engine, SCOW_LOG_WARNING, "container %.12s is not in the firewall again: %s", ids[i],
				   scow_error_message(failure));
		scow_error_unref(failure);
	}
	return r;
}

/* ---- in Docker's words ---- */

static cJSON *binding_json(const struct port_binding *port)
{
	cJSON *object = cJSON_CreateObject();
	char address[ADDRESS_TEXT], number[8] = "";

	if (port->host_port)
		snprintf(number, sizeof(number), "%u", port->host_port);
	if (object && cJSON_AddStringToObject(object, "HostIp", port->host_port ? address_format(&port->host, address) : "") &&
	    cJSON_AddStringToObject(object, "HostPort", number))
		return object;
	cJSON_Delete(object);
	return NULL;
}

bool published_add(cJSON *root, const struct port_binding *port)
{
	char name[PORT_TEXT];
	cJSON *list, *item;

	port_format(port->protocol, port->port, name);
	list = cJSON_GetObjectItemCaseSensitive(root, name);
	if (!list)
		list = cJSON_AddArrayToObject(root, name);
	item = list ? binding_json(port) : NULL;
	return item && cJSON_AddItemToArray(list, item);
}

/* An object of ports, and which it has: a stranger's image may expose all that there are, too many to look for each among the others. */
struct port_list {
	cJSON *root;
	unsigned char has[3][(UINT16_MAX + 1) / 8]; /* of each protocol */
};

/* True if it had it not. */
static bool note_port(struct port_list *list, int protocol, unsigned int port)
{
	unsigned char *byte = &list->has[protocol == IPPROTO_TCP ? 0 : protocol == IPPROTO_UDP ? 1 : 2][port / 8];
	const unsigned char bit = (unsigned char) (1u << port % 8);
	const bool is_new = !(*byte & bit);

	*byte |= bit;
	return is_new;
}

/* Each port of a range, with null or (@object) {}, where it has nothing yet. */
static bool add_exposed(struct port_list *list, const struct port_range *range, bool object)
{
	for (unsigned int port = range->first; port <= range->last; port++) {
		char name[PORT_TEXT];

		if (!note_port(list, range->protocol, port))
			continue;
		port_format(range->protocol, (uint16_t) port, name);
		if (!(object ? cJSON_AddObjectToObject(list->root, name) : cJSON_AddNullToObject(list->root, name)))
			return false;
	}
	return true;
}

static bool add_all_exposed(struct port_list *list, const struct image_config *image, const scow_container_config *config, bool object)
{
	struct port_range range;
	bool ok = true;

	for (size_t i = 0; ok && config && i < config->n_exposed; i++)
		ok = add_exposed(list, &config->exposed[i], object);
	for (size_t i = 0; ok && i < image->n_exposed_ports; i++)
		if (port_range_parse(image->exposed_ports[i], &range, NULL) == 0)
			ok = add_exposed(list, &range, object);
	return ok;
}

bool exposed_add(cJSON *root, const struct image_config *image, const scow_container_config *config)
{
	struct port_list list = { .root = root };
	const cJSON *there;
	uint16_t port;
	int protocol;

	cJSON_ArrayForEach(there, root)
	{
		if (port_parse(there->string, &protocol, &port, NULL) == 0)
			note_port(&list, protocol, port);
	}
	return add_all_exposed(&list, image, config, false);
}

cJSON *exposed_json(const struct image_config *image, const scow_container_config *config)
{
	struct port_list list = { .root = cJSON_CreateObject() };
	bool ok = list.root != NULL;

	for (size_t i = 0; ok && i < config->n_ports; i++) {
		const struct port_range range = { config->ports[i].protocol, config->ports[i].port, config->ports[i].port };

		ok = add_exposed(&list, &range, true);
	}
	if (ok && add_all_exposed(&list, image, config, true))
		return list.root;
	cJSON_Delete(list.root);
	return NULL;
}

cJSON *published_json(scow_container *container, const struct attachment *attachment, bool runs)
{
	_cleanup_arena_ struct arena arena = { 0 };
	const scow_container_config *config = NULL;
	const struct image_config *image = NULL;
	struct port_binding *ports = NULL;
	cJSON *root = cJSON_CreateObject();
	size_t n = 0;
	bool ok = root != NULL;

	if (!runs || !ok)
		return root;
	{
		_cleanup_db_ struct db_work work = { 0 };

		db_lock(container->engine->db, &work);
		ok = ports_read(&work, container->id, attachment, &arena, &ports, &n, NULL) == 0;
	}
	for (size_t i = 0; ok && i < n; i++)
		ok = published_add(root, &ports[i]);
	ok = ok && container_config_of(container, &config, NULL) == 0 && container_image_of(container, &image, NULL) == 0;
	/* With the host's network, or another container's, nothing of its own is exposed. */
	if (ok && config_is_networked(config))
		ok = exposed_add(root, image, config);
	if (ok)
		return root;
	cJSON_Delete(root);
	return NULL;
}

/* ---- filters ---- */

static int has_published(scow_container *container, const struct port_range *range, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;

	db_lock(container->engine->db, &work);
	return db_query(&work, &row, error, "SELECT 1 FROM ports WHERE container = ? AND protocol = ? AND port BETWEEN ? AND ? LIMIT 1",
			"tiii", container->id, (int64_t) range->protocol, (int64_t) range->first, (int64_t) range->last);
}

static int has_exposed(scow_container *container, const struct port_range *range, scow_error **error)
{
	const scow_container_config *config;
	const struct image_config *image;
	_cleanup_json_ cJSON *all = NULL;
	const cJSON *port;
	uint16_t number;
	int protocol, r = container_config_of(container, &config, error);

	if (r == 0)
		r = container_image_of(container, &image, error);
	if (r < 0)
		return r;
	all = exposed_json(image, config);
	if (!all)
		return error_oom(error);
	cJSON_ArrayForEach(port, all)
	{
		if (port_parse(port->string, &protocol, &number, NULL) == 0 && protocol == range->protocol && number >= range->first &&
		    number <= range->last)
			return 1;
	}
	return 0;
}

static int fits(scow_container *container, const struct filters *filters, const char *name,
		int (*has)(scow_container *, const struct port_range *, scow_error **), scow_error **error)
{
	struct port_range range;
	const char *value;

	for (size_t i = 0; (value = filters_value(filters, name, i)); i++) {
		int r = port_range_parse(value, &range, error);

		if (r < 0)
			return error_wrap(error, r, "filter %s", name);
		r = has(container, &range, error);
		if (r != 0)
			return r;
	}
	return !filters_have(filters, name);
}

int published_fits(scow_container *container, const struct filters *filters, scow_error **error)
{
	int r = fits(container, filters, "publish", has_published, error);

	return r <= 0 ? r : fits(container, filters, "expose", has_exposed, error);
}

int scow_container_port(scow_container *container, const char *port, char **out, scow_error **error)
{
	_cleanup_attachment_ struct attachment attachment = { .n_endpoints = 0 };
	_cleanup_json_ cJSON *all = NULL;
	const cJSON *chosen;
	struct container_row row;
	char name[PORT_TEXT];
	uint16_t number = 0;
	int protocol, r = container_check(container, error);

	if (r == 0 && !out)
		r = error_set(error, SCOW_E_INVALID, "no place for the document was given");
	if (r == 0 && port)
		r = port_parse(port, &protocol, &number, error);
	if (r == 0) {
		_cleanup_db_ struct db_work work = { 0 };

		db_lock(container->engine->db, &work);
		r = network_leased(&work, container->id, &attachment, error);
	}
	/* Without a network nothing is published, but by a plain user: lists ask this of every container. */
	if (r == 0 && !port && !attachment.n_endpoints && !container->engine->facts.rootless) {
		r = container_row_once(container->engine, container->id, &row, error);
		if (r < 0)
			return r;
		*out = strdup("{}");
		return *out ? 0 : error_oom(error);
	}
	if (r == 0)
		r = container_row_read(container->engine, container->id, &row, error);
	if (r < 0)
		return r;
	chosen = all = published_json(container, &attachment, container_runs(row.state));
	if (!all)
		return error_oom(error);
	if (port)
		chosen = cJSON_GetObjectItemCaseSensitive(all, port_format(protocol, number, name));
	if (port && !cJSON_IsArray(chosen))
		return error_set(error, SCOW_E_NOT_FOUND, "container '%s': port %s is not published", container->name, name);
	*out = json_print(chosen);
	return *out ? 0 : error_oom(error);
}
