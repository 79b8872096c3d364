/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Networks from inside: what the files of this room, and the container room, have in common.
 *
 * The life of a container on its networks:
 * 1. network_lease(), in the transaction that claims the container for a start: its endpoints' rows get addresses, and become an
 *    attachment. Who records that it does not run any more frees them.
 * 2. network_prepare(), before there is a process: bridges and firewall are there, ports are taken, names are served.
 * 3. network_batches(): what the host's side is told once the process is there, and what scow-init does inside.
 * 4. network_end(), when its end is recorded: what does not go with the namespace. After a crash the sweep does it (network_sweep()).
 * All of it goes by a struct netns (netlink.h), never by the process's own namespace.
 */
#pragma once

#include <scow/network.h>

#include "base/arena.h"
#include "network/address.h"
#include "network/netlink.h"
#include "store/db.h"

#define NETWORK_DEFAULT "bridge" /* always there; has no names */
/* Of a plain user's that says nothing of it: what his way out takes, which passes on bytes and not frames. With 1500 it is 15 times slower. */
#define NETWORK_MTU_PLAIN 65520

enum network_driver { NETWORK_BRIDGE, NETWORK_MACVLAN, NETWORK_IPVLAN, NETWORK_NONE, NETWORK_HOST };

enum network_flag {
	NETWORK_INTERNAL = 1 << 0,
	NETWORK_IPV4 = 1 << 1,
	NETWORK_IPV6 = 1 << 2,
	NETWORK_ICC = 1 << 3,        /* its containers reach each other */
	NETWORK_MASQUERADE = 1 << 4, /* ...the outside, under the host's address */
	NETWORK_BUILTIN = 1 << 5,
	NETWORK_EPHEMERAL = 1 << 6,
};

struct network {
	char id[65];
	const char *name;
	enum network_driver driver;
	unsigned int flags;     /* enum network_flag */
	unsigned int mtu;       /* 0: the kernel's */
	unsigned int mode;      /* MACVLAN_MODE_*, 0: its default */
	char link[LINK_NAME];   /* the bridge's name, or the parent of a macvlan */
	const char *settings;   /* JSON: {"Options":{},"Labels":{},"Mode":...} */
	int64_t created;        /* ns */
	struct pool *pools; size_t n_pools;
};
static inline bool network_has_names(const struct network *network)
{
	return !(network->flags & NETWORK_BUILTIN);
}
/* By name, id, or unique prefix of an id; in @work, whatever it is. Lives in @arena. SCOW_E_NOT_FOUND, SCOW_E_INVALID (ambiguous). */
int network_read(struct db_work *work, const char *name, struct arena *arena, struct network **out, scow_error **error) _must_check_;
/* All, by name; NULL-terminated. */
int network_read_all(struct db_work *work, struct arena *arena, struct network ***out, scow_error **error) _must_check_;
/* Makes the row, with its pools. @owner: of an ephemeral one; or NULL. SCOW_E_EXISTS. */
int network_insert(struct db_work *work, const struct network *network, const char *owner, scow_error **error) _must_check_;
/* The rows of "bridge", "host" and "none" are there. Not inside a transaction. */
int network_ensure_builtin(scow_engine *engine, scow_error **error) _must_check_;
/*
 * Before anybody has an address of "bridge": while its link is not there, its name and its subnet must be free on this host, which may
 * have changed since they were chosen (another store, another engine, a boot). If they are not, others are chosen.
 */
int network_settle_builtin(struct netns *ns, scow_error **error) _must_check_;
bool network_link_is_ours(const struct network *network, const struct link *link);
/* What marks its bridge as that of this store's network; and that a link has such a mark, of whichever store. */
void network_alias(const struct netns *ns, const struct network *network, char out[LINK_ALIAS]);
bool network_alias_is_of_a_store(const char *alias);
/* Bridges, and what the firewall has, of stores that are gone (orphan.c). Before links and subnets are chosen, and at a prune. */
int network_clear_orphans(struct netns *ns, scow_error **error) _must_check_;
/* A text option ("com.docker.network.bridge.host_binding_ipv4") out of its settings, in @arena; NULL where nobody said. */
const char *network_option(const struct network *network, struct arena *arena, const char *name);

struct endpoint_link {
	const char *container, *alias;
};

/* A container on one network. */
struct endpoint {
	struct network *network;
	unsigned int position;         /* among the container's, from 0: the order in which they were added */
	char interface[LINK_NAME];     /* inside: "eth0" */
	char port[LINK_NAME];          /* on the host, "vethXXXXXXXNRRRR"; RRRR is WIRE_PATCH_RUN's */
	unsigned char mac[MAC_BYTES];
	bool hairpin;                  /* frames may leave by the port they came by: to itself, at a port that it published */
	uint32_t group;                /* of its port, IFLA_GROUP: firewall_guard(); 0 where it is not held to its addresses */
	struct address ip4, ip6;       /* none: it has none of that family */
	struct address *more; size_t n_more; /* link-local ones in addition */
	const char **aliases; size_t n_aliases;
	struct endpoint_link *links; size_t n_links;
	int priority;
	const char *settings;          /* as asked for, JSON or "" */
	uint32_t run;                  /* what WIRE_PATCH_RUN begins with */
	bool leased;                   /* it had its addresses before */
	uint64_t rate_in, rate_out;    /* bytes a second, seen from the container; 0: as fast as it goes */
};
/* The host's address on it, of a family; one of family 0 where there is none. */
const struct address *endpoint_gateway(const struct endpoint *endpoint, int family);
/* NULL: of none. */
const struct pool *network_pool_of(const struct network *network, const struct address *address);

/* All of a container's networks, for one run. */
struct attachment {
	struct arena arena;
	char id[65];                   /* the container's */
	const char *name;
	uint32_t run;                  /* what WIRE_PATCH_RUN begins with */
	struct endpoint *endpoints; size_t n_endpoints;
};
void attachment_done(struct attachment *attachment);
#define _cleanup_attachment_ __attribute__((cleanup(attachment_done)))
static inline bool attachment_has_names(const struct attachment *attachment)
{
	for (size_t i = 0; i < attachment->n_endpoints; i++)
		if (network_has_names(attachment->endpoints[i].network))
			return true;
	return false;
}
/* Somebody on them may reach the outside. */
static inline bool attachment_leads_out(const struct attachment *attachment)
{
	for (size_t i = 0; i < attachment->n_endpoints; i++)
		if (!(attachment->endpoints[i].network->flags & NETWORK_INTERNAL))
			return true;
	return false;
}
/* The one that gives the way out for a family: NULL for none. */
const struct endpoint *attachment_gateway(const struct attachment *attachment, int family);

/* That a container may have @address there at all. SCOW_E_INVALID. */
int network_check_wanted(const struct network *network, const struct address *address, scow_error **error) _must_check_;
/* Addresses for the endpoints that @id's rows tell of; those of one that runs already stay. SCOW_E_LIMIT: a pool is exhausted. */
int network_lease(struct db_work *work, const char *id, struct attachment *out, scow_error **error) _must_check_;
/* Gives back all that @id has. */
int network_free(struct db_work *work, const char *id, scow_error **error) _must_check_;
/* What the rows say, nothing changed. */
int network_leased(struct db_work *work, const char *id, struct attachment *out, scow_error **error) _must_check_;

/* Bridges with their addresses, there and ours (made again where somebody deleted them), with their rules (firewall.h). */
int network_prepare(struct netns *ns, const struct attachment *attachment, scow_error **error) _must_check_;
/* The same, where it is in use, with the rules written again. */
int network_reload(struct netns *ns, const struct network *network, scow_error **error) _must_check_;
int network_prepare_one(struct netns *ns, const struct network *network, scow_error **error) _must_check_;
/* "connect" or "disconnect" of all networks on which @container has addresses now. */
int network_events(struct db_work *work, const char *action, const char *container, scow_error **error) _must_check_;
/* Removes it, row and link, if nobody is on it: scow_network_remove() has the errors. */
int network_remove(scow_engine *engine, const char *id, scow_error **error) _must_check_;
/* Ephemeral ones whose maker is dead. With none this is one query. */
int network_sweep(scow_engine *engine, scow_error **error) _must_check_;
/* Takes the bridge away, if it is ours. */
int network_unmake(struct netns *ns, const struct network *network, scow_error **error) _must_check_;
/*
 * @host: to be sent by netns_send() with the process id and @attachment->run; @inside: in the container's namespace. Each may also be
 * had for one endpoint, and the default routes by themselves.
 */
void network_batches(const struct attachment *attachment, struct batch *host, struct batch *inside);
void network_endpoint_batches(const struct endpoint *endpoint, struct batch *host, struct batch *inside);
void network_route_batch(const struct attachment *attachment, struct batch *inside);

struct cJSON;
/* Of `docker inspect`: NetworkSettings, with Ports empty; and one of its Networks. NULL without memory. */
struct cJSON *network_settings_json(const struct attachment *attachment);
struct cJSON *network_endpoint_json(const struct attachment *attachment, const struct endpoint *endpoint);
