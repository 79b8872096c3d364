/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Networks: network create, ls, rm, connect, disconnect, reload. (inspect and prune are with those of the other kinds.) */
#include "cli.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <string.h>

/* ---- create ---- */

struct create_options {
	const char *driver, *ipam_driver, *scope;
	bool internal, ipv6, no_ipv4, attachable;
	struct list subnets, ranges, gateways, reserved, options, labels, ipam_options;
	const char *ipv4;
};
#define AT(member) offsetof(struct create_options, member)
static const struct option create_table[] = {
	{ "attachable", 0, OPTION_SWITCH, NULL, "Always so: containers may connect to it", AT(attachable) },
	{ "aux-address", 0, OPTION_LIST, "map", "An address that no container gets (NAME=ADDRESS)", AT(reserved) },
	{ "driver", 'd', OPTION_TEXT, "string", "What the network is made of (bridge|macvlan|ipvlan); bridge by default", AT(driver) },
	{ "gateway", 0, OPTION_LIST, "strings", "The host's own address in the subnet", AT(gateways) },
	{ "internal", 0, OPTION_SWITCH, NULL, "No way out, and none in", AT(internal) },
	{ "ip-range", 0, OPTION_LIST, "strings", "The part of the subnet that containers get without asking", AT(ranges) },
	{ "ipam-driver", 0, OPTION_TEXT, "string", "Who gives addresses (default)", AT(ipam_driver) },
	{ "ipv4", 0, OPTION_TEXT, "bool", "Whether it has IPv4 (true|false)", AT(ipv4) },
	{ "ipv6", 0, OPTION_SWITCH, NULL, "IPv6 too", AT(ipv6) },
	{ "label", 0, OPTION_LIST, "list", "Set metadata (NAME=VALUE)", AT(labels) },
	{ "opt", 'o', OPTION_LIST, "map", "Set an option of the driver (com.docker.network.driver.mtu=1400, parent=eth0)", AT(options) },
	{ "scope", 0, OPTION_TEXT, "string", "How far it reaches (local)", AT(scope) },
	{ "subnet", 0, OPTION_LIST, "strings", "Its addresses (10.9.0.0/16); any number, of both families", AT(subnets) },
	{ NULL },
};

/* Of several with an address or part of a subnet, the one that belongs to @subnet: told by how the text begins. */
static const char *take_matching(struct list *from, const char *subnet, size_t n_subnets)
{
	bool ipv6 = strchr(subnet, ':') != NULL;
	const char *best = NULL;
	size_t best_at = 0, best_length = 0;

	for (size_t i = 0; i < from->count; i++) {
		const char *text = from->items[i];
		size_t length = 0;

		if (!text || (strchr(text, ':') != NULL) != ipv6)
			continue;
		while (subnet[length] && subnet[length] == text[length])
			length++;
		if (!best || length > best_length) {
			best = text;
			best_at = i;
			best_length = length;
		}
	}
	/* With one subnet it is meant for that, and create says what is wrong with it. */
	if (!best || (n_subnets > 1 && !best_length))
		return NULL;
	from->items[best_at] = NULL;
	return best;
}

static bool all_taken(const struct list *list, const char *flag)
{
	for (size_t i = 0; i < list->count; i++) {
		if (!list->items[i])
			continue;
		complain("invalid argument \"%s\" for \"--%s\" flag: there is no --subnet for it", list->items[i], flag);
		return false;
	}
	return true;
}

static bool add_pools(scow_network_config *config, struct create_options *options)
{
	struct list subnets = { NULL, 0 };

	/* Docker takes several in one flag, too. */
	for (size_t i = 0; i < options->subnets.count; i++)
		for (const char *rest = options->subnets.items[i]; rest;)
			list_add(&subnets, keep_split(rest, ',', &rest));
	for (size_t i = 0; i < subnets.count; i++) {
		const char *subnet = subnets.items[i];

		scow_network_config_add_pool(config, subnet, take_matching(&options->ranges, subnet, subnets.count),
					     take_matching(&options->gateways, subnet, subnets.count));
	}
	return all_taken(&options->ranges, "ip-range") && all_taken(&options->gateways, "gateway");
}

static void set_pairs(scow_network_config *config, const struct list *pairs,
		      void (*set)(scow_network_config *config, const char *name, const char *value))
{
	for (size_t i = 0; i < pairs->count; i++) {
		const char *value, *name = keep_split(pairs->items[i], '=', &value);

		set(config, name, value ? value : "");
	}
}

static int create(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_network_config) *config = scow_network_config_new();
	SCOW_AUTO(scow_network) *network = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	struct create_options *options = target;

	(void) argc;
	if (options->ipam_driver && strcmp(options->ipam_driver, "default") != 0)
		return complain_usage(cli, "there is no IPAM driver '%s'", options->ipam_driver);
	if (options->scope && strcmp(options->scope, "local") != 0)
		return complain_usage(cli, "there is no scope '%s': local is", options->scope);
	if (options->ipv4 && strcmp(options->ipv4, "true") != 0 && strcmp(options->ipv4, "false") != 0)
		return complain_usage(cli, "invalid argument \"%s\" for \"--ipv4\" flag: true or false", options->ipv4);
	if (options->driver)
		scow_network_config_set_driver(config, options->driver);
	scow_network_config_set_internal(config, options->internal);
	scow_network_config_set_ipv6(config, options->ipv6);
	scow_network_config_set_ipv4(config, !options->ipv4 || strcmp(options->ipv4, "true") == 0);
	set_pairs(config, &options->options, scow_network_config_set_option);
	set_pairs(config, &options->labels, scow_network_config_add_label);
	set_pairs(config, &options->reserved, scow_network_config_add_reserved);
	if (!add_pools(config, options) || !cli_engine(cli))
		return 1;
	if (scow_network_create(cli->engine, argv[0], config, &network, &error) < 0) {
		complain_error(&error);
		return 1;
	}
	puts(scow_network_id(network));
	return 0;
}

/* ---- ls ---- */

struct list_options {
	bool quiet, whole;
	const char *format;
	struct list filters;
};
static const struct option list_table[] = {
	{ "filter", 'f', OPTION_LIST, "filter", "Only those with a property, as driver=bridge, label=a=b, dangling=true",
	  offsetof(struct list_options, filters) },
	{ "format", 0, OPTION_TEXT, "string", "\"table\", \"json\" or a Go template, as {{.Name}}", offsetof(struct list_options, format) },
	{ "no-trunc", 0, OPTION_SWITCH, NULL, "Show whole ids", offsetof(struct list_options, whole) },
	{ "quiet", 'q', OPTION_SWITCH, NULL, "Print only ids", offsetof(struct list_options, quiet) },
	{ NULL },
};
static const struct column list_columns[] = {
	{ "ID", "NETWORK ID" }, { "Name", "NAME" },         { "Driver", "DRIVER" }, { "Scope", "SCOPE" },          { "IPv4", "IPV4" },
	{ "IPv6", "IPV6" },     { "Internal", "INTERNAL" }, { "Labels", "LABELS" }, { "CreatedAt", "CREATED AT" }, { NULL, NULL },
};

static const char *yes_no(const cJSON *document, const char *name)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(document, name)) ? "true" : "false";
}

static cJSON *list_row(scow_network *network, bool whole)
{
	char *text = NULL;
	cJSON *document, *row;

	/* Removed since the list was made. */
	if (scow_network_inspect_json(network, &text, NULL) < 0)
		return NULL;
	document = cJSON_Parse(text);
	scow_free(text);
	row = cJSON_CreateObject();
	row_text(row, "ID", short_id(scow_network_id(network), whole));
	row_text(row, "Name", scow_network_name(network));
	row_text(row, "Driver", json_text(document, "Driver"));
	row_text(row, "Scope", "local");
	row_text(row, "IPv4", yes_no(document, "EnableIPv4"));
	row_text(row, "IPv6", yes_no(document, "EnableIPv6"));
	row_text(row, "Internal", yes_no(document, "Internal"));
	row_text(row, "Labels", labels_text(cJSON_GetObjectItemCaseSensitive(document, "Labels")));
	row_text(row, "CreatedAt", json_text(document, "Created"));
	cJSON_Delete(document);
	return row;
}

static int list(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_iter) *iter = NULL;
	struct list_options *options = target;
	struct table table = {
		.format = options->quiet && !options->format ? "{{.ID}}" : options->format,
		.standard = "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
		.titles = list_columns,
	};
	scow_network *network;

	(void) argc;
	(void) argv;
	if (!list_open(cli, &options->filters, scow_network_list, &iter))
		return 1;
	while ((network = scow_iter_next_network(iter))) {
		cJSON *row = list_row(network, options->whole);

		if (row)
			table_add(&table, row);
	}
	return table_print(&table);
}

/* ---- rm ---- */

struct remove_options {
	bool force;
};
static const struct option remove_table[] = {
	{ "force", 'f', OPTION_SWITCH, NULL, "One that is not there is no failure", offsetof(struct remove_options, force) },
	{ NULL },
};

static int remove_all(struct cli *cli, void *target, int argc, char **argv)
{
	const struct remove_options *options = target;
	int code = 0;

	if (!cli_engine(cli))
		return 1;
	for (int i = 0; i < argc; i++) {
		SCOW_AUTO(scow_network) *network = NULL;
		SCOW_AUTO(scow_error) *error = NULL;
		int r = scow_network_get(cli->engine, argv[i], &network, &error);

		if (r == SCOW_E_NOT_FOUND && options->force)
			continue;
		if (r == 0)
			r = scow_network_remove(network, &error);
		if (r == 0) {
			puts(argv[i]);
		} else {
			complain_error(&error);
			code = 1;
		}
	}
	return code;
}

/* ---- connect, disconnect ---- */

struct connect_options {
	const char *ip, *ip6;
	struct number priority;
	struct list aliases, links, link_local, options;
};
#undef AT
#define AT(member) offsetof(struct connect_options, member)
static const struct option connect_table[] = {
	{ "alias", 0, OPTION_LIST, "strings", "Another name for the container on this network", AT(aliases) },
	{ "driver-opt", 0, OPTION_LIST, "strings", "Set an option of the endpoint", AT(options) },
	{ "gw-priority", 0, OPTION_NUMBER, "int", "Of its networks, the one with the highest is its way out", AT(priority) },
	{ "ip", 0, OPTION_TEXT, "string", "This IPv4 address (172.30.100.104)", AT(ip) },
	{ "ip6", 0, OPTION_TEXT, "string", "This IPv6 address (2001:db8::33)", AT(ip6) },
	{ "link", 0, OPTION_LIST, "list", "Another container, known to this one as (CONTAINER[:ALIAS])", AT(links) },
	{ "link-local-ip", 0, OPTION_LIST, "strings", "A link-local address in addition", AT(link_local) },
	{ NULL },
};

static int get_both(struct cli *cli, char **argv, scow_network **network, scow_container **container, scow_error **error)
{
	int r = scow_network_get(cli->engine, argv[0], network, error);

	return r < 0 ? r : scow_container_get(cli->engine, argv[1], container, error);
}

void endpoint_add_link(scow_endpoint_config *endpoint, const char *text)
{
	const char *alias, *container = keep_split(text, ':', &alias);

	scow_endpoint_config_add_link(endpoint, container, alias);
}

static int connect_one(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_endpoint_config) *endpoint = scow_endpoint_config_new();
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_network) *network = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	struct connect_options *options = target;

	(void) argc;
	if (options->ip)
		scow_endpoint_config_add_address(endpoint, options->ip);
	if (options->ip6)
		scow_endpoint_config_add_address(endpoint, options->ip6);
	for (size_t i = 0; i < options->link_local.count; i++)
		scow_endpoint_config_add_address(endpoint, options->link_local.items[i]);
	for (size_t i = 0; i < options->aliases.count; i++)
		scow_endpoint_config_add_alias(endpoint, options->aliases.items[i]);
	for (size_t i = 0; i < options->links.count; i++)
		endpoint_add_link(endpoint, options->links.items[i]);
	for (size_t i = 0; i < options->options.count; i++) {
		const char *value, *name = keep_split(options->options.items[i], '=', &value);

		scow_endpoint_config_set_option(endpoint, name, value);
	}
	scow_endpoint_config_set_gateway_priority(endpoint, (int) options->priority.value);
	if (!cli_engine(cli))
		return 1;
	if (get_both(cli, argv, &network, &container, &error) < 0 || scow_container_connect(container, network, endpoint, &error) < 0) {
		complain_error(&error);
		return 1;
	}
	return 0;
}

static const struct option disconnect_table[] = {
	{ "force", 'f', OPTION_SWITCH, NULL, "Also where its interface is not to be found", offsetof(struct remove_options, force) },
	{ NULL },
};

static int disconnect_one(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_network) *network = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	const struct remove_options *options = target;

	(void) argc;
	if (!cli_engine(cli))
		return 1;
	if (get_both(cli, argv, &network, &container, &error) < 0 ||
	    scow_container_disconnect(container, network, options->force ? SCOW_DISCONNECT_FORCE : 0u, &error) < 0) {
		complain_error(&error);
		return 1;
	}
	return 0;
}

/* ---- reload ---- */

static int reload(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_error) *error = NULL;

	(void) target;
	(void) argc;
	(void) argv;
	if (!cli_engine(cli))
		return 1;
	if (scow_network_reload(cli->engine, &error) < 0) {
		complain_error(&error);
		return 1;
	}
	return 0;
}

const struct command network_commands[] = {
	{ "network create", NULL, "[OPTIONS] NETWORK", "Make a network", create_table, sizeof(struct create_options), 1, 1, false, create },
	{ "network ls", "network list", "[OPTIONS]", "List networks", list_table, sizeof(struct list_options), 0, 0, false, list },
	{ "network rm", "network remove", "[OPTIONS] NETWORK [NETWORK...]", "Remove networks", remove_table, sizeof(struct remove_options),
	  1, -1, false, remove_all },
	{ "network connect", NULL, "[OPTIONS] NETWORK CONTAINER", "Put a container on another network", connect_table,
	  sizeof(struct connect_options), 2, 2, false, connect_one },
	{ "network disconnect", NULL, "[OPTIONS] NETWORK CONTAINER", "Take a container off a network", disconnect_table,
	  sizeof(struct remove_options), 2, 2, false, disconnect_one },
	{ "network reload", NULL, "", "Put back what somebody else has flushed", NULL, 0, 0, 0, false, reload },
	{ NULL },
};
