/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the host lets through to and from containers: the nftables table "scow", of inet and of bridge (firewall-rules.c has the rules).
 *
 * The rules are the same on every host: networks, containers and published ports are elements of their sets, so that a start costs one
 * small transaction and no rule. The tables come with the first network and go with the last; those of others are never touched.
 */
#pragma once

#include "network/network.h"
#include "network/nft.h"
#include "network/port-spec.h"

/* How containers of a network are reached from outside: Docker's gateway_mode_ipv4 and _ipv6. */
enum gateway_mode {
	GATEWAY_NAT,             /* at published ports of the host's addresses */
	GATEWAY_NAT_UNPROTECTED, /* and at all ports of their own */
	GATEWAY_ROUTED,          /* at published ports of their own addresses */
	GATEWAY_ISOLATED,        /* not; nor has the host an address there */
};
/* SCOW_E_INVALID. */
int firewall_mode(const struct network *network, int family, enum gateway_mode *out, scow_error **error) _must_check_;

/* The rules are there, and know @network. By one question where that is so already. */
int firewall_prepare(struct netns *ns, const struct network *network, scow_error **error) _must_check_;
/* They do not know it any more; the tables go where they know no other that has a link. Missing is success. */
int firewall_remove(struct netns *ns, const struct network *network, scow_error **error) _must_check_;
/* The same of a network of which nothing is known but its bridge's name. */
int firewall_forget(struct netns *ns, const char *link, scow_error **error) _must_check_;
/* The host forwards for @network, which the rules know. */
int firewall_forward(struct netns *ns, const struct network *network, scow_error **error) _must_check_;
/*
 * Before the tables go, with the last bridge: it forwards no more for whom only we have made it so. @stopped: enum network_flag of the
 * families; to be given to the second where the tables stay after all.
 */
int firewall_stop_forwarding(struct netns *ns, const char *bridge, unsigned int *stopped, scow_error **error) _must_check_;
int firewall_forward_again(struct netns *ns, unsigned int stopped, scow_error **error) _must_check_;
/* As firewall_prepare(), with all rules written again: somebody may have changed them. */
int firewall_repair(struct netns *ns, const struct network *network, scow_error **error) _must_check_;

/* A port of a container that has its place on the host. */
struct port_binding {
	int protocol;          /* IPPROTO_* */
	uint16_t port;         /* the container's */
	uint16_t host_port;    /* 0: by the container's own address only (routed networks) */
	struct address host;   /* 0.0.0.0 or :: for any of that family */
	struct address target; /* the container's, of that family */
};

/*
 * Gives each port of a bridge its group (IFLA_GROUP): frames from ports of such groups have the addresses of that endpoint, or are
 * dropped. Not for a container that may configure its interfaces (CAP_NET_ADMIN): there it is not called, and groups stay 0.
 */
void firewall_guard(struct attachment *attachment);

/*
 * What the sets have about a container while it runs. @begin and @end, of which either may be NULL, get any number of batches, each
 * behind its size (uint32_t); @end may also be kept for who cannot ask the library (init/wire.h). Want of memory is sticky in them.
 *
 * Addresses stay when it has ended, until their network goes: they are the same for the next one that gets them, and deleting is not
 * free: who closes a socket by which he has just deleted something waits some milliseconds for the kernel to be done with it.
 */
void firewall_elements(struct netns *ns, const struct attachment *attachment, const struct port_binding *ports, size_t n_ports,
		       struct str *begin, struct str *end);
/* The same of one endpoint alone, without ports. */
void firewall_endpoint_elements(struct netns *ns, const struct endpoint *endpoint, struct str *begin, struct str *end);
/* Adds to @end the addresses of @network's containers, and what ports are left that lead to them. */
int firewall_addresses(struct netns *ns, const struct network *network, struct str *end, scow_error **error) _must_check_;
/* Sends them. Elements of the same keys, left by somebody's crash, are replaced. After a failure nothing stays. */
int firewall_begin(struct netns *ns, const struct str *begin, const struct str *end, scow_error **error) _must_check_;
/* What is not there is no failure. */
int firewall_end(struct netns *ns, const struct str *end, scow_error **error);

/* A chain of somebody else's that drops what is forwarded by default: "ip filter FORWARD"; "" for none. */
int firewall_who_drops(struct netns *ns, char *out, size_t size, scow_error **error) _must_check_;
/* Says so in the log. */
void firewall_warn(struct netns *ns, const struct network *network);
