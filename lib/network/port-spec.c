/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ports as they are written.
 *
 * 1. Colons part an argument from its end: container, host, address. So an IPv6 address needs no brackets where it is followed by both
 *    others, and may have them.
 * 2. A range of the host for one port of the container means any free one of them; for a range of the container they go in pairs.
 * 3. No host port is any free one of the kernel's ephemeral range, and so is 0.
 *
 * See: docker-run(1), "--publish".
 */
#include "network/port-spec.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/str.h"

#define PORT_MAX 65535

static const struct {
	const char *name;
	int number;
} protocols[] = { { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "sctp", IPPROTO_SCTP } };

const char *port_protocol_name(int protocol)
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (protocols[i].number == protocol)
			return protocols[i].name;
	return "unknown";
}

/* Any case; "" is tcp. 0: not one. */
static int parse_protocol(const char *text)
{
	if (!*text)
		return IPPROTO_TCP;
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (strcasecmp(protocols[i].name, text) == 0)
			return protocols[i].number;
	return 0;
}

/* The pieces of one argument, each NUL-terminated in @buffer. */
struct pieces {
	char buffer[128];
	char *address, *host, *port, *protocol; /* address and host: NULL where there is none */
};

struct span {
	uint16_t first, last;
};

static int refuse(const char *text, const char *reason, scow_error **error)
{
	return error_set(error, SCOW_E_INVALID, "invalid port '%.100s': %s", text, reason);
}

static bool number(const char *text, size_t size, uint16_t *out)
{
	unsigned int value = 0;

	if (!size || size > 5)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (unsigned int) (text[i] - '0');
	}
	*out = (uint16_t) value;
	return value <= PORT_MAX;
}

/* "80" or "80-90". NULL, or the reason. */
static const char *span_parse(const char *text, struct span *out)
{
	const char *dash = strchr(text, '-');
	size_t size = dash ? (size_t) (dash - text) : strlen(text);

	if (!number(text, size, &out->first))
		return "ports are numbers up to 65535";
	out->last = out->first;
	if (!dash)
		return NULL;
	if (!number(dash + 1, strlen(dash + 1), &out->last))
		return "ports are numbers up to 65535";
	if (!out->first)
		return "a range begins with 1 or more";
	return out->last < out->first ? "a range goes from its lower to its higher end" : NULL;
}

/* The same of the container, whose ports are never 0. */
static const char *target_parse(const char *text, struct span *out)
{
	const char *reason;

	if (!*text)
		return "it names no port of the container";
	reason = span_parse(text, out);
	return reason ? reason : out->first ? NULL : "a container has no port 0";
}

static const char *address_read(char *text, struct address *out)
{
	size_t size = strlen(text);

	if (!size)
		return NULL;
	if (text[0] == '[') {
		if (text[size - 1] != ']')
			return "its address has no closing bracket";
		text[size - 1] = 0;
		text++;
		if (!strchr(text, ':'))
			return "brackets are for IPv6 addresses";
	}
	return address_parse(text, out) ? NULL : "what comes before the ports is no IP address";
}

/* Cuts at the colons, from the end. */
static const char *cut(const char *text, struct pieces *out)
{
	char *slash, *colon;

	memset(out, 0, sizeof(*out));
	if (strlen(text) >= sizeof(out->buffer))
		return "it is too long";
	strcpy(out->buffer, text);
	out->protocol = out->buffer + strlen(out->buffer);
	slash = strchr(out->buffer, '/');
	if (slash) {
		*slash = 0;
		out->protocol = slash + 1;
		if (!*out->protocol)
			return "the protocol after '/' is missing";
	}
	out->port = out->buffer;
	colon = strrchr(out->buffer, ':');
	if (!colon)
		return NULL;
	*colon = 0;
	out->port = colon + 1;
	out->host = out->buffer;
	colon = strrchr(out->buffer, ':');
	if (!colon)
		return NULL;
	*colon = 0;
	out->host = colon + 1;
	out->address = out->buffer;
	return NULL;
}

static int protocol_read(const char *text, const char *name, int *out, scow_error **error)
{
	*out = parse_protocol(name);
	return *out ? 0 : refuse(text, "the protocol is tcp, udp or sctp", error);
}

static int append(const struct port_spec *base, const struct span *target, struct arena *arena, struct port_spec **specs, size_t *count,
		  scow_error **error)
{
	for (unsigned int i = 0; i <= (unsigned int) (target->last - target->first); i++) {
		struct port_spec *spec = arena_append(arena, specs, count, sizeof(*spec));

		if (!spec)
			return error_oom(error);
		*spec = *base;
		spec->port = (uint16_t) (target->first + i);
		/* Ports of a range go in pairs; one of several goes to any that is free. */
		if (base->first && target->first != target->last)
			spec->first = spec->last = (uint16_t) (base->first + i);
	}
	return 0;
}

/* "target=80,published=8080,protocol=tcp" as "8080:80/tcp"; Docker reads it so. */
static const char *from_pairs(const char *text, char *out, size_t size)
{
	char copy[128], *state = NULL;
	const char *target = "", *published = "", *protocol = "tcp";

	if (strlen(text) >= sizeof(copy))
		return "it is too long";
	strcpy(copy, text);
	for (char *pair = strtok_r(copy, ",", &state); pair; pair = strtok_r(NULL, ",", &state)) {
		char *value = strchr(pair, '=');

		if (!value)
			return "it is NAME=VALUE,NAME=VALUE or has no '='";
		*value++ = 0;
		if (strcmp(pair, "target") == 0)
			target = value;
		else if (strcmp(pair, "published") == 0)
			published = value;
		else if (strcmp(pair, "protocol") == 0)
			protocol = value;
		else if (strcmp(pair, "mode") != 0)
			return "it has a name other than target, published, protocol and mode";
	}
	snprintf(out, size, "%s:%s/%s", published, target, protocol);
	return NULL;
}

int port_spec_parse(const char *text, struct arena *arena, struct port_spec **specs, size_t *count, scow_error **error)
{
	char plain[192];
	const char *said = text, *reason;
	struct port_spec base = { 0 };
	struct span target = { 0 }, host = { 0 };
	struct pieces pieces;
	int r;

	if (strchr(text, '=')) {
		reason = from_pairs(text, plain, sizeof(plain));
		if (reason)
			return refuse(said, reason, error);
		text = plain;
	}
	reason = cut(text, &pieces);
	if (!reason)
		reason = target_parse(pieces.port, &target);
	if (!reason && pieces.host && *pieces.host)
		reason = span_parse(pieces.host, &host);
	if (!reason && pieces.address)
		reason = address_read(pieces.address, &base.host);
	if (reason)
		return refuse(said, reason, error);
	if (host.first && target.last != target.first && host.last - host.first != target.last - target.first)
		return refuse(said, "the ranges of the host and of the container differ in length", error);
	r = protocol_read(said, pieces.protocol, &base.protocol, error);
	if (r < 0)
		return r;
	base.first = host.first;
	base.last = host.last;
	return append(&base, &target, arena, specs, count, error);
}

int port_parse(const char *text, int *protocol, uint16_t *port, scow_error **error)
{
	struct port_range range = { .first = 0 };
	int r = port_range_parse(text, &range, error);

	if (r < 0)
		return r;
	if (range.first != range.last)
		return refuse(text, "one port is meant, not a range", error);
	*protocol = range.protocol;
	*port = range.first;
	return 0;
}

int port_range_parse(const char *text, struct port_range *out, scow_error **error)
{
	struct span span = { 0 };
	struct pieces pieces;
	const char *reason = cut(text, &pieces);

	if (!reason && pieces.host)
		reason = "only the container's ports are exposed, nothing of the host is named";
	if (!reason)
		reason = target_parse(pieces.port, &span);
	if (reason)
		return refuse(text, reason, error);
	out->first = span.first;
	out->last = span.last;
	return protocol_read(text, pieces.protocol, &out->protocol, error);
}

int port_binding_parse(const char *port, const char *address, const char *host, struct port_spec *out, scow_error **error)
{
	struct span span = { 0 };
	char copy[ADDRESS_TEXT + 2];
	const char *reason;
	int r;

	*out = (struct port_spec){ 0 };
	r = port_parse(port, &out->protocol, &out->port, error);
	if (r < 0)
		return r;
	if (host && *host) {
		reason = span_parse(host, &span);
		if (reason)
			return refuse(host, reason, error);
	}
	out->first = span.first;
	out->last = span.last;
	if (!address || !*address)
		return 0;
	if (snprintf(copy, sizeof(copy), "%s", address) >= (int) sizeof(copy) || address_read(copy, &out->host))
		return error_set(error, SCOW_E_INVALID, "'%.60s' is no IP address of the host", address);
	return 0;
}

char *port_format(int protocol, uint16_t port, char out[PORT_TEXT])
{
	snprintf(out, PORT_TEXT, "%u/%s", port, port_protocol_name(protocol));
	return out;
}

char *port_spec_format(const struct port_spec *spec, char out[PORT_SPEC_TEXT])
{
	char address[ADDRESS_TEXT + 3] = "", text[ADDRESS_TEXT], host[16] = "";

	if (spec->host.family == AF_INET)
		snprintf(address, sizeof(address), "%s:", address_format(&spec->host, text));
	else if (spec->host.family)
		snprintf(address, sizeof(address), "[%s]:", address_format(&spec->host, text));
	if (spec->first && spec->first == spec->last)
		snprintf(host, sizeof(host), "%u", spec->first);
	else if (spec->first)
		snprintf(host, sizeof(host), "%u-%u", spec->first, spec->last);
	snprintf(out, PORT_SPEC_TEXT, "%s%s:%u/%s", address, host, spec->port, port_protocol_name(spec->protocol));
	return out;
}

int port_spec_compare(const struct port_spec *a, const struct port_spec *b)
{
	if (a->protocol != b->protocol)
		return a->protocol < b->protocol ? -1 : 1;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	if (a->host.family != b->host.family)
		return a->host.family < b->host.family ? -1 : 1;
	if (a->host.family && address_compare(&a->host, &b->host))
		return address_compare(&a->host, &b->host);
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return a->last == b->last ? 0 : a->last < b->last ? -1 : 1;
}
