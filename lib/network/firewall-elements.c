/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container in the firewall: the elements that it has while it runs, as batches of bytes.
 *
 * 1. An element that is in the way was left by somebody who was killed: keys are ours alone, since ports are rows of the database and
 *    addresses are leases. It is taken away, and the batch sent again.
 * 2. Batches that end something must not fail for what somebody else has taken away: from Linux 6.3 on one message does not; before,
 *    each element is a batch by itself.
 * 3. Keys and values are as they are in packets, each part padded to four bytes; but a group, which the kernel has as a number.
 */
#include "network/firewall.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "network/firewall-rules.h"

#define KERNEL_DESTROY (6u << 16 | 3)
#define MSG_DESTROY (NFT_MSG_DELFLOWTABLE + 6) /* NFT_MSG_DESTROYSETELEM, in newer headers */
/* Of one batch: a list of attributes holds 64 KiB. */
#define ELEMENTS_MAX 400

/* Batches of elements being written one behind the other. */
struct writer {
	struct str *out;
	struct nft nft;
	unsigned int type;  /* of the messages */
	unsigned int room;  /* elements that a batch takes */
	unsigned int count; /* in this one */
	uint8_t family;
	const char *set; /* whose list is open, or NULL */
};

static void close_list(struct writer *writer)
{
	if (writer->set)
		nft_elements_end(&writer->nft);
	writer->set = NULL;
}

static void flush(struct writer *writer)
{
	const struct str *bytes = &writer->nft.batch.bytes;
	uint32_t size;

	if (!writer->count)
		return;
	close_list(writer);
	nft_finish(&writer->nft);
	size = (uint32_t) bytes->size;
	str_add_bytes(writer->out, &size, sizeof(size));
	str_add_bytes(writer->out, bytes->data, bytes->size);
	writer->out->failed = writer->out->failed || bytes->failed;
	nft_done(&writer->nft);
	memset(&writer->nft, 0, sizeof(writer->nft));
	writer->count = 0;
}

static void put(struct writer *writer, uint8_t family, const char *set, const void *key, size_t size, const void *data, size_t data_size)
{
	if (writer->count == writer->room)
		flush(writer);
	if (writer->count++ == 0)
		nft_begin(&writer->nft, 0);
	if (!writer->set || writer->family != family || strcmp(writer->set, set) != 0) {
		close_list(writer);
		writer->nft.family = writer->family = family;
		nft_elements(&writer->nft, writer->type, set);
		writer->set = set;
	}
	nft_element(&writer->nft, key, size, writer->type == NFT_MSG_NEWSETELEM ? data : NULL, data_size);
}

/* ---- an endpoint ---- */

void firewall_guard(struct attachment *attachment)
{
	for (size_t i = 0; i < attachment->n_endpoints; i++) {
		struct endpoint *endpoint = &attachment->endpoints[i];
		const struct address *address = endpoint->ip4.family ? &endpoint->ip4 : &endpoint->ip6;
		const unsigned char *end = address->bytes + address_size(address);

		if (endpoint->network->driver != NETWORK_BRIDGE || !address->family)
			continue;
		/* Two of one network never have the same, but in subnets larger than /8. */
		endpoint->group = GUARD_GROUP | (uint32_t) end[-3] << 16 | (uint32_t) end[-2] << 8 | end[-1];
	}
}

static void put_own(struct writer *writer, const struct endpoint *endpoint, const struct address *address)
{
	unsigned char key[4 + 8 + 16] = { 0 };

	memcpy(key, &endpoint->group, 4);
	memcpy(key + 4, endpoint->mac, MAC_BYTES);
	memcpy(key + 12, address->bytes, address_size(address));
	put(writer, NFPROTO_BRIDGE, address->family == AF_INET ? "own4" : "own6", key, 12 + address_size(address), NULL, 0);
}

/* The one that Linux makes of a MAC by itself: RFC 4291, appendix A. */
static void link_local_of(const unsigned char mac[MAC_BYTES], struct address *out)
{
	*out = (struct address){ .family = AF_INET6, .bytes = { 0xfe, 0x80 } };
	memcpy(out->bytes + 8, mac, 3);
	out->bytes[8] ^= 2;
	out->bytes[11] = 0xff;
	out->bytes[12] = 0xfe;
	memcpy(out->bytes + 13, mac + 3, 3);
}

static void put_endpoint(struct writer *writer, const struct endpoint *endpoint)
{
	struct address link_local;

	if (!endpoint->group)
		return;
	if (endpoint->ip4.family)
		put_own(writer, endpoint, &endpoint->ip4);
	for (size_t i = 0; i < endpoint->n_more; i++)
		put_own(writer, endpoint, &endpoint->more[i]);
	if (!endpoint->ip6.family)
		return;
	put_own(writer, endpoint, &endpoint->ip6);
	link_local_of(endpoint->mac, &link_local);
	put_own(writer, endpoint, &link_local);
}

/* ---- published ports ---- */

/* Appends a part of a key. */
static size_t part(unsigned char *key, size_t at, const void *data, size_t size)
{
	memcpy(key + at, data, size);
	return at + ((size + 3) & ~(size_t) 3);
}

static void put_port(struct writer *writer, const struct port_binding *port)
{
	const bool is4 = port->target.family == AF_INET, any = port->host_port && address_is_any(&port->host);
	const struct address *address = port->host_port ? &port->host : &port->target;
	const unsigned char protocol = (unsigned char) port->protocol;
	const uint16_t outside = htons(port->host_port ? port->host_port : port->port), inside = htons(port->port);
	unsigned char key[4 + 16 + 4] = { 0 }, data[16 + 4] = { 0 };
	size_t size = part(key, 0, &protocol, sizeof(protocol)), data_size;

	if (!any)
		size = part(key, size, address->bytes, address_size(address));
	size = part(key, size, &outside, sizeof(outside));
	data_size = part(data, 0, port->target.bytes, address_size(&port->target));
	data_size = part(data, data_size, &inside, sizeof(inside));
	if (!port->host_port)
		put(writer, NFPROTO_INET, is4 ? "open4" : "open6", key, size, NULL, 0);
	else if (any)
		put(writer, NFPROTO_INET, is4 ? "any4" : "any6", key, size, data, data_size);
	else
		put(writer, NFPROTO_INET, is4 ? "ports4" : "ports6", key, size, data, data_size);
}

/* ---- both ---- */

static struct writer writer_of(const struct netns *ns, struct str *out, bool end)
{
	const bool destroys = ns->engine->facts.kernel >= KERNEL_DESTROY;

	return (struct writer){
		.out = out,
		.type = !end       ? NFT_MSG_NEWSETELEM
			: destroys ? MSG_DESTROY
				   : NFT_MSG_DELSETELEM,
		.room = end && !destroys ? 1 : ELEMENTS_MAX,
	};
}

static void write_all(struct writer writer, const struct endpoint *endpoints, size_t n_endpoints, const struct port_binding *ports,
		      size_t n_ports)
{
	for (size_t i = 0; writer.type == NFT_MSG_NEWSETELEM && i < n_endpoints; i++)
		put_endpoint(&writer, &endpoints[i]);
	for (size_t i = 0; i < n_ports; i++)
		put_port(&writer, &ports[i]);
	flush(&writer);
	nft_done(&writer.nft);
}

void firewall_elements(struct netns *ns, const struct attachment *attachment, const struct port_binding *ports, size_t n_ports,
		       struct str *begin, struct str *end)
{
	if (begin)
		write_all(writer_of(ns, begin, false), attachment->endpoints, attachment->n_endpoints, ports, n_ports);
	if (end)
		write_all(writer_of(ns, end, true), attachment->endpoints, attachment->n_endpoints, ports, n_ports);
}

void firewall_endpoint_elements(struct netns *ns, const struct endpoint *endpoint, struct str *begin, struct str *end)
{
	if (begin)
		write_all(writer_of(ns, begin, false), endpoint, 1, NULL, 0);
	if (end)
		write_all(writer_of(ns, end, true), endpoint, 1, NULL, 0);
}

/* ---- what leads to a network that goes ---- */

static const struct {
	const char *set;
	int family;
	size_t at; /* of the container's address in the key; 0: it is what the key is mapped to */
} ports_of[] = {
	{ "ports4", AF_INET, 0 },  { "any4", AF_INET, 0 },  { "open4", AF_INET, 4 },
	{ "ports6", AF_INET6, 0 }, { "any6", AF_INET6, 0 }, { "open6", AF_INET6, 4 },
};

struct leading {
	const struct network *network;
	struct writer *writer;
	unsigned int which; /* of ports_of */
};

static void take_port(void *data, const struct nft_found *found)
{
	const struct leading *leading = data;
	struct address address = { .family = ports_of[leading->which].family };
	const size_t at = ports_of[leading->which].at, size = address_size(&address);
	const char *from = at ? found->key : found->data;

	if (!from || (at ? found->size : found->data_size) < at + size)
		return;
	memcpy(address.bytes, from + at, size);
	if (network_pool_of(leading->network, &address))
		put(leading->writer, NFPROTO_INET, ports_of[leading->which].set, found->key, found->size, NULL, 0);
}

struct own {
	unsigned char key[4 + 8 + 16];
	size_t size;
	bool goes;
};

struct owns {
	const struct network *network;
	struct arena arena;
	struct own *items;
	size_t n;
};

static void take_own(void *data, const struct nft_found *found)
{
	struct owns *owns = data;
	struct own *own;
	struct address address = { .family = found->size == 12 + 4 ? AF_INET : AF_INET6 };

	if (found->size != 12 + 4 && found->size != 12 + 16)
		return;
	own = arena_append(&owns->arena, &owns->items, &owns->n, sizeof(*own));
	if (!own)
		return;
	memcpy(own->key, found->key, found->size);
	own->size = found->size;
	memcpy(address.bytes, own->key + 12, address_size(&address));
	own->goes = network_pool_of(owns->network, &address) != NULL;
}

/* A link-local address, of no pool, goes with another of the same port. */
static bool goes(const struct owns *owns, const struct own *own)
{
	for (size_t i = 0; !own->goes && i < owns->n; i++)
		if (owns->items[i].goes && memcmp(owns->items[i].key, own->key, 12) == 0)
			return true;
	return own->goes;
}

int firewall_addresses(struct netns *ns, const struct network *network, struct str *end, scow_error **error)
{
	struct owns owns = { .network = network };
	struct writer writer = writer_of(ns, end, true);
	struct leading leading = { .network = network, .writer = &writer };
	int r = nft_list(ns, NFPROTO_BRIDGE, "own4", take_own, &owns, error);

	if (r == 0)
		r = nft_list(ns, NFPROTO_BRIDGE, "own6", take_own, &owns, error);
	for (size_t i = 0; r == 0 && i < owns.n; i++)
		if (goes(&owns, &owns.items[i]))
			put(&writer, NFPROTO_BRIDGE, owns.items[i].size == 12 + 4 ? "own4" : "own6", owns.items[i].key, owns.items[i].size,
			    NULL, 0);
	for (; r == 0 && leading.which < ARRAY_SIZE(ports_of); leading.which++)
		r = nft_list(ns, NFPROTO_INET, ports_of[leading.which].set, take_port, &leading, error);
	flush(&writer);
	nft_done(&writer.nft);
	if (r == 0 && arena_failed(&owns.arena))
		r = error_oom(error);
	arena_done(&owns.arena);
	return r;
}

/* ---- sending ---- */

/* @strict: the first refusal ends it, and is returned in @refused. */
static int send_all(struct netns *ns, const struct str *batches, bool strict, int *refused, scow_error **error)
{
	*refused = 0;
	if (batches->failed)
		return error_oom(error);
	for (size_t at = 0; at < batches->size;) {
		uint32_t size;
		int r;

		memcpy(&size, batches->data + at, sizeof(size));
		at += sizeof(size);
		r = nft_send_bytes(ns, batches->data + at, size, refused, error);
		if (r < 0 || (strict && *refused))
			return r;
		at += size;
	}
	return 0;
}

int firewall_end(struct netns *ns, const struct str *end, scow_error **error)
{
	int refused;

	return send_all(ns, end, false, &refused, error);
}

int firewall_begin(struct netns *ns, const struct str *begin, const struct str *end, scow_error **error)
{
	int refused, r = send_all(ns, begin, true, &refused, error);

	if (r == 0 && (refused == -EBUSY || refused == -EEXIST)) {
		r = firewall_end(ns, end, error);
		if (r == 0)
			r = send_all(ns, begin, true, &refused, error);
	}
	if (r == 0 && refused)
		r = error_errno(error, -refused, "netlink", "put the container into the firewall");
	if (r < 0)
		(void) firewall_end(ns, end, NULL);
	return r;
}
