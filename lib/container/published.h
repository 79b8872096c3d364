/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A container's published ports and its place in the firewall, from its config to its end. lib/network does the work. */
#pragma once

#include "base/json.h"
#include "container/filters.h"
#include "container/networks.h"
#include "image/manifest.h"

struct port_spec;
struct published_ports {
	struct port_spec *specs; size_t n;
};
/* What is asked for; with -P also all that is exposed, each on any free port. In @arena. */
int published_wanted(scow_container *container, const scow_container_config *config, struct arena *arena, struct published_ports *out,
		     scow_error **error) _must_check_;
/* Rows for what was taken. SCOW_E_BUSY: of another container, which is named. */
int published_record(scow_container *container, const struct ports *ports, scow_error **error) _must_check_;
/* Ports are taken and recorded, rules know the container. What was done of it goes with published_undo(). */
int published_prepare(scow_container *container, const scow_container_config *config, struct networks *networks,
		      scow_error **error) _must_check_;
void published_undo(struct networks *networks);
/* In the transaction that records its end: the rules forget its ports, and they are free. */
int published_leave(struct db_work *work, scow_engine *engine, const char *id, scow_error **error) _must_check_;
/* Its networks are others now: what is published leads to it by its way out of now. @end: NULL, or what the rules have of it. */
int published_follow(scow_container *container, struct netns *ns, const struct attachment *now, struct str *end,
		     scow_error **error) _must_check_;

/* Somebody has flushed the firewall: what it knew of networks in use, and of the containers that run, is put back. */
int published_restore(scow_engine *engine, struct netns *ns, scow_error **error) _must_check_;

/*
 * NetworkSettings.Ports: {"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}],"443/tcp":null}; {} of one that does not run. NULL without
 * memory. @attachment: of now.
 */
cJSON *published_json(scow_container *container, const struct attachment *attachment, bool runs);
/* One more of them. False without memory. */
bool published_add(cJSON *root, const struct port_binding *port);
/* What is exposed and not published: of the image and (NULL: none) the config. False without memory. */
bool exposed_add(cJSON *root, const struct image_config *image, const scow_container_config *config);
/* Docker's filters "publish" (a port of the host, or a range) and "expose" (of the container): 1 it fits, 0 not. SCOW_E_INVALID. */
int published_fits(scow_container *container, const struct filters *filters, scow_error **error) _must_check_;
/* ExposedPorts as inspect has them: of the image, of the config, and what is published. NULL without memory. */
cJSON *exposed_json(const struct image_config *image, const scow_container_config *config);
