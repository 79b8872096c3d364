/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ports of a config: which are published, and which are only exposed. As text (docker run -p) they are read by
 * network/port-spec.c; as a document they are HostConfig.PortBindings and ExposedPorts.
 *
 * Published ones are kept in the order of container ports, each once: so all places of one port are beside each other, as
 * the document wants them.
 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "container/config-internal.h"
#include "container/config-json.h"
#include "container/config-writer.h"

static void insert(scow_container_config *config, const struct port_spec *spec)
{
	size_t at = config->n_ports;

	while (at && port_spec_compare(&config->ports[at - 1], spec) > 0)
		at--;
	if (at && port_spec_compare(&config->ports[at - 1], spec) == 0)
		return;
	if (!arena_append(&config->arena, &config->ports, &config->n_ports, sizeof(*config->ports)))
		return;
	memmove(&config->ports[at + 1], &config->ports[at], (config->n_ports - 1 - at) * sizeof(*config->ports));
	config->ports[at] = *spec;
}

void scow_container_config_publish(scow_container_config *config, const char *port)
{
	_cleanup_arena_ struct arena arena = { 0 };
	struct port_spec *specs = NULL;
	scow_error *error = NULL;
	size_t count = 0;

	if (!config)
		return;
	if (port_spec_parse(port ? port : "", &arena, &specs, &count, &error) < 0)
		return config_refuse_error(config, __func__, &error);
	for (size_t i = 0; i < count; i++)
		insert(config, &specs[i]);
}

void scow_container_config_expose(scow_container_config *config, const char *port)
{
	struct port_range range, *slot;
	scow_error *error = NULL;

	if (!config)
		return;
	if (port_range_parse(port ? port : "", &range, &error) < 0)
		return config_refuse_error(config, __func__, &error);
	for (size_t i = 0; i < config->n_exposed; i++)
		if (config->exposed[i].protocol == range.protocol && config->exposed[i].first == range.first &&
		    config->exposed[i].last == range.last)
			return;
	slot = arena_append(&config->arena, &config->exposed, &config->n_exposed, sizeof(*slot));
	if (slot)
		*slot = range;
}

void scow_container_config_set_publish_all(scow_container_config *config, int publish_all)
{
	if (config)
		config->publish_all = publish_all != 0;
}

/* ---- the document ---- */

void exposed_ports_read(struct reader *reader, const cJSON *item)
{
	const cJSON *child;

	if (!cJSON_IsObject(item))
		return reader_refuse(reader, SCOW_E_INVALID, "expected an object whose members are ports");
	cJSON_ArrayForEach(child, item) scow_container_config_expose(reader->config, child->string);
}

/* NULL: not a string. */
static const char *text_of(const cJSON *item, const char *name)
{
	const cJSON *member = cJSON_GetObjectItemCaseSensitive(item, name);

	return !member || cJSON_IsNull(member) ? "" : cJSON_GetStringValue(member);
}

static void read_binding(struct reader *reader, const char *port, const cJSON *item)
{
	const char *address = text_of(item, "HostIp"), *host = text_of(item, "HostPort");
	scow_error *error = NULL;
	struct port_spec spec;

	if (!cJSON_IsObject(item) || !address || !host)
		return reader_refuse(reader, SCOW_E_INVALID, "expected lists of objects with HostIp and HostPort");
	if (port_binding_parse(port, address, host, &spec, &error) < 0)
		return config_refuse_error(reader->config, reader->path, &error);
	insert(reader->config, &spec);
}

void port_bindings_read(struct reader *reader, const cJSON *item)
{
	const cJSON *port, *binding;

	if (!cJSON_IsObject(item))
		return reader_refuse(reader, SCOW_E_INVALID, "expected an object whose members are ports");
	cJSON_ArrayForEach(port, item)
	{
		/* Docker takes a port without a place for one that is wanted anywhere. */
		if (cJSON_IsNull(port) || (cJSON_IsArray(port) && !port->child)) {
			scow_container_config_publish(reader->config, port->string);
			continue;
		}
		if (!cJSON_IsArray(port))
			return reader_refuse(reader, SCOW_E_INVALID, "expected lists of objects with HostIp and HostPort");
		cJSON_ArrayForEach(binding, port) read_binding(reader, port->string, binding);
	}
}

void writer_exposed_ports(struct writer *w, const scow_container_config *config)
{
	char name[2 * PORT_TEXT];

	if (!config->n_exposed)
		return;
	writer_open(w, "ExposedPorts", '{');
	for (size_t i = 0; i < config->n_exposed; i++) {
		const struct port_range *range = &config->exposed[i];

		if (range->first == range->last)
			port_format(range->protocol, range->first, name);
		else
			snprintf(name, sizeof(name), "%u-%u/%s", range->first, range->last, port_protocol_name(range->protocol));
		writer_open(w, name, '{');
		writer_close(w, '}');
	}
	writer_close(w, '}');
}

static void put_binding(struct writer *w, const struct port_spec *spec)
{
	char address[ADDRESS_TEXT] = "", host[16] = "";

	if (spec->host.family)
		address_format(&spec->host, address);
	if (spec->first && spec->first == spec->last)
		snprintf(host, sizeof(host), "%u", spec->first);
	else if (spec->first)
		snprintf(host, sizeof(host), "%u-%u", spec->first, spec->last);
	writer_open(w, NULL, '{');
	writer_member(w, "HostIp");
	writer_quoted(w, address);
	writer_member(w, "HostPort");
	writer_quoted(w, host);
	writer_close(w, '}');
}

void writer_port_bindings(struct writer *w, const scow_container_config *config)
{
	writer_true(w, "PublishAllPorts", config->publish_all);
	if (!config->n_ports)
		return;
	writer_open(w, "PortBindings", '{');
	for (size_t i = 0; i < config->n_ports; i++) {
		const struct port_spec *spec = &config->ports[i];
		const bool first = !i || spec[-1].port != spec->port || spec[-1].protocol != spec->protocol;
		const bool last = i + 1 == config->n_ports || spec[1].port != spec->port || spec[1].protocol != spec->protocol;
		char name[PORT_TEXT];

		if (first)
			writer_open(w, port_format(spec->protocol, spec->port, name), '[');
		put_binding(w, spec);
		if (last)
			writer_close(w, ']');
	}
	writer_close(w, '}');
}
