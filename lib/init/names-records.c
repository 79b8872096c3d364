/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whom the responder serves: one record for each container, and an index over all names and addresses, so that a lookup costs the same
 * whether ten containers are there or a thousand (a few microseconds for thousands).
 *
 * What a container sees is what is on its own networks, in the order of its record, and its own links before all. A name that is not
 * found whole is tried as NAME.NETWORK, from the last dot on, as Docker does.
 */
#include "init/names-records.h"

#include <errno.h>
#include <string.h>

#define SMALLEST 256u
#define CLASSES 10 /* SMALLEST << 9 is WIRE_NAMES_BYTES_MAX */
#define CHUNK (64u << 10)
#define IS_ADDRESS 0x8000u /* of entry.what: twice the network, and 1 for IPv6 */

_Static_assert(SMALLEST << (CLASSES - 1) >= WIRE_NAMES_BYTES_MAX, "every record has a class");
_Static_assert(WIRE_NAMES_NAMES_MAX <= IS_ADDRESS && WIRE_NAMES_NETWORKS_MAX * 2 <= IS_ADDRESS, "fit into an entry");

struct entry {
	uint32_t hash;
	uint16_t place, what;
};

struct names_client names_clients[NAMES_CLIENTS_MAX];
unsigned int names_count, names_top;

static struct {
	struct entry *entries;
	size_t count, room;
} table;

static struct {
	void *free[CLASSES];
	unsigned char *at;
	size_t left;
} store;

/* ---- memory ---- */

static unsigned int class_of(size_t size)
{
	unsigned int i = 0;

	while ((SMALLEST << i) < size)
		i++;
	return i;
}

static void *store_get(size_t size)
{
	unsigned int class = class_of(size);
	size_t whole = SMALLEST << class;
	void *memory = store.free[class];

	if (memory) {
		memcpy(&store.free[class], memory, sizeof(void *));
		return memory;
	}
	if (store.left < whole) {
		size_t chunk = whole > CHUNK ? whole : CHUNK;

		store.at = names_memory(NULL, 0, chunk);
		store.left = store.at ? chunk : 0;
		if (!store.at)
			return NULL;
	}
	memory = store.at;
	store.at += whole;
	store.left -= whole;
	return memory;
}

static void store_put(void *memory, size_t size)
{
	unsigned int class = class_of(size);

	memcpy(memory, &store.free[class], sizeof(void *));
	store.free[class] = memory;
}

/* ---- the parts of a record ---- */

static const struct wire_names_network *networks_of(const struct wire_names *record)
{
	return (const void *) (record + 1);
}

static const struct wire_names_name *names_of(const struct wire_names *record)
{
	return (const void *) (networks_of(record) + record->n_networks);
}

static const struct wire_names_link *links_of(const struct wire_names *record)
{
	return (const void *) (names_of(record) + record->n_names);
}

const struct wire_names_server *names_servers(const struct wire_names *record)
{
	return (const void *) (links_of(record) + record->n_links);
}

static const char *text_of(const struct wire_names *record, uint32_t at)
{
	return (const char *) (names_servers(record) + record->n_servers) + at;
}

bool names_record_valid(const void *bytes, size_t size)
{
	const struct wire_names *record = bytes;
	size_t sum = sizeof(*record);

	if (size < sizeof(*record) || size > WIRE_NAMES_BYTES_MAX || record->magic != WIRE_NAMES_MAGIC || record->size != size ||
	    record->n_networks > WIRE_NAMES_NETWORKS_MAX || record->n_names > WIRE_NAMES_NAMES_MAX ||
	    record->n_links > WIRE_NAMES_NAMES_MAX || record->n_servers > WIRE_NAMES_SERVERS_MAX ||
	    record->strings_size > WIRE_NAMES_BYTES_MAX || !record->strings_size)
		return false;
	sum += record->n_networks * sizeof(struct wire_names_network) + record->n_names * sizeof(struct wire_names_name);
	sum += record->n_links * sizeof(struct wire_names_link) + record->n_servers * sizeof(struct wire_names_server);
	if (sum + record->strings_size != size || *text_of(record, record->strings_size - 1))
		return false;
	for (uint32_t i = 0; i < record->n_networks; i++)
		if (networks_of(record)[i].name >= record->strings_size)
			return false;
	for (uint32_t i = 0; i < record->n_names; i++)
		if (names_of(record)[i].name >= record->strings_size || names_of(record)[i].network >= record->n_networks)
			return false;
	for (uint32_t i = 0; i < record->n_links; i++)
		if (links_of(record)[i].alias >= record->strings_size || links_of(record)[i].target >= record->strings_size ||
		    links_of(record)[i].network >= record->n_networks)
			return false;
	return true;
}

/* ---- the index ---- */

static uint32_t hash_more(uint32_t hash, const void *bytes, size_t size)
{
	const unsigned char *at = bytes;

	/* FNV-1a: nobody gains by making these collide but for his own network's lookups. */
	for (; size; size--)
		hash = (hash ^ *at++) * 16777619u;
	return hash;
}

static size_t text_size(const char *text)
{
	size_t n = 0;

	while (text[n])
		n++;
	return n;
}

static uint32_t hash_of(const unsigned char key[WIRE_NAMES_KEY], const void *bytes, size_t size)
{
	return hash_more(hash_more(2166136261u, key, WIRE_NAMES_KEY), bytes, size);
}

static bool add_entry(uint32_t hash, unsigned int place, unsigned int what)
{
	if (table.count == table.room) {
		size_t room = table.room ? table.room * 2 : 4096 / sizeof(struct entry);
		void *more = names_memory(table.entries, table.room * sizeof(struct entry), room * sizeof(struct entry));

		if (!more)
			return false;
		table.entries = more;
		table.room = room;
	}
	table.entries[table.count++] = (struct entry){ hash, (uint16_t) place, (uint16_t) what };
	return true;
}

static void drop_entries(unsigned int place)
{
	size_t kept = 0;

	for (size_t i = 0; i < table.count; i++)
		if (table.entries[i].place != place)
			table.entries[kept++] = table.entries[i];
	table.count = kept;
}

static bool add_entries(unsigned int place, const struct wire_names *record)
{
	const struct wire_names_network *networks = networks_of(record);
	const struct wire_names_name *names = names_of(record);

	for (uint32_t i = 0; i < record->n_names; i++) {
		const char *text = text_of(record, names[i].name);

		if (!add_entry(hash_of(networks[names[i].network].key, text, text_size(text)), place, i))
			return false;
	}
	for (uint32_t i = 0; i < record->n_networks; i++) {
		const struct wire_names_network *network = &networks[i];

		if ((network->families & WIRE_NAMES_IP4) && !add_entry(hash_of(network->key, network->ip4, 4), place, IS_ADDRESS | i << 1))
			return false;
		if ((network->families & WIRE_NAMES_IP6) &&
		    !add_entry(hash_of(network->key, network->ip6, 16), place, IS_ADDRESS | i << 1 | 1))
			return false;
	}
	return true;
}

/* ---- records come and go ---- */

int names_place(const char id[WIRE_NAMES_ID], bool make)
{
	int free = -1;

	for (unsigned int i = 0; i < names_top; i++) {
		if (names_clients[i].record && memcmp(names_clients[i].record->id, id, WIRE_NAMES_ID) == 0)
			return (int) i;
		if (!names_clients[i].record && free < 0)
			free = (int) i;
	}
	if (!make || free >= 0)
		return make ? free : -1;
	return names_top < NAMES_CLIENTS_MAX ? (int) names_top : -1;
}

void names_take(unsigned int place)
{
	struct names_client *client = &names_clients[place];

	if (!client->record)
		return;
	drop_entries(place);
	store_put((void *) (uintptr_t) client->record, client->record->size);
	client->record = NULL;
	names_count--;
	while (names_top && !names_clients[names_top - 1].record)
		names_top--;
}

int names_put(unsigned int place, const struct wire_names *record)
{
	struct wire_names *copy = store_get(record->size);

	names_take(place);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, record, record->size);
	names_clients[place].record = copy;
	names_count++;
	if (place >= names_top)
		names_top = place + 1;
	if (add_entries(place, copy))
		return 0;
	names_take(place);
	return -ENOMEM;
}

/* ---- lookups ---- */

static bool text_is(const char *text, const char *other, size_t size)
{
	return text_size(text) == size && memcmp(text, other, size) == 0;
}

static void add_address(const struct wire_names_network *network, unsigned int family, struct names_found *out)
{
	out->exists = true;
	if (!(network->families & family) || out->count == NAMES_FOUND_MAX)
		return;
	out->address[out->count++] = family == WIRE_NAMES_IP4 ? network->ip4 : network->ip6;
}

/* All that are called @name on the network @key. */
static void find_on(const unsigned char key[WIRE_NAMES_KEY], const char *name, size_t size, unsigned int family, struct names_found *out)
{
	uint32_t hash = hash_of(key, name, size);

	for (size_t i = 0; i < table.count; i++) {
		const struct wire_names *record;
		const struct wire_names_network *network;

		if (table.entries[i].hash != hash || (table.entries[i].what & IS_ADDRESS))
			continue;
		record = names_clients[table.entries[i].place].record;
		network = &networks_of(record)[names_of(record)[table.entries[i].what].network];
		if (memcmp(network->key, key, WIRE_NAMES_KEY) == 0 &&
		    text_is(text_of(record, names_of(record)[table.entries[i].what].name), name, size))
			add_address(network, family, out);
	}
}

/* By the client's own links on its network @index: what the alias stands for. */
static bool find_link(const struct wire_names *client, uint32_t index, const char *name, size_t size, unsigned int family,
		      struct names_found *out)
{
	const struct wire_names_link *links = links_of(client);
	bool linked = false;

	for (uint32_t i = 0; i < client->n_links; i++) {
		const char *target = text_of(client, links[i].target);

		if (links[i].network != index || !text_is(text_of(client, links[i].alias), name, size))
			continue;
		linked = true;
		find_on(networks_of(client)[index].key, target, text_size(target), family, out);
	}
	return linked;
}

/* @size bytes of @name; on that network only whose name is @network, unless it is NULL. True once there are addresses. */
static bool find_part(const struct wire_names *client, const char *name, size_t size, const char *network, unsigned int family,
		      struct names_found *out)
{
	const struct wire_names_network *networks = networks_of(client);

	for (uint32_t i = 0; i < client->n_networks && !out->count; i++) {
		if (network && !text_is(text_of(client, networks[i].name), network, text_size(network)))
			continue;
		if (!find_link(client, i, name, size, family, out))
			find_on(networks[i].key, name, size, family, out);
	}
	return out->count;
}

void names_find(const struct wire_names *client, const char *name, unsigned int family, struct names_found *out)
{
	size_t size = text_size(name);

	out->count = 0;
	out->exists = false;
	if (!size || find_part(client, name, size, NULL, family, out))
		return;
	while (size--)
		if (name[size] == '.' && find_part(client, name, size, name + size + 1, family, out))
			return;
}

/* Whether it is an entry of this address on that network. */
static bool is_at(const struct entry *entry, const unsigned char key[WIRE_NAMES_KEY], const unsigned char *address, size_t size)
{
	const struct wire_names_network *network = &networks_of(names_clients[entry->place].record)[(entry->what & ~IS_ADDRESS) >> 1];

	return (entry->what & 1 ? 16u : 4u) == size && memcmp(network->key, key, WIRE_NAMES_KEY) == 0 &&
	       memcmp(size == 4 ? network->ip4 : network->ip6, address, size) == 0;
}

/* Who is there on the network @key; NULL: nobody. */
static const char *name_at(const unsigned char key[WIRE_NAMES_KEY], const unsigned char *address, size_t size)
{
	uint32_t hash = hash_of(key, address, size);

	for (size_t i = 0; i < table.count; i++) {
		const struct entry *entry = &table.entries[i];
		const struct wire_names *record = names_clients[entry->place].record;

		if (entry->hash != hash || !(entry->what & IS_ADDRESS) || !is_at(entry, key, address, size))
			continue;
		for (uint32_t k = 0; k < record->n_names; k++)
			if (names_of(record)[k].network == (entry->what & ~IS_ADDRESS) >> 1)
				return text_of(record, names_of(record)[k].name);
	}
	return NULL;
}

bool names_reverse(const struct wire_names *client, const unsigned char *address, size_t size, const char **host, const char **network)
{
	const struct wire_names_network *networks = networks_of(client);

	for (uint32_t i = 0; i < client->n_networks; i++) {
		*host = name_at(networks[i].key, address, size);
		*network = text_of(client, networks[i].name);
		if (*host)
			return true;
	}
	return false;
}
