/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stores that are gone have left on the host: somebody deletes a store's directory, and its bridges and what the firewall knows of
 * them stay. Another store, or a new one in the same place, takes them away.
 *
 * 1. A bridge's alias names its network and its store: "scow:ID ROOT". It is an orphan if no store is at ROOT any more, or if that is
 *    our own, and has no such network.
 * 2. Only one without a port goes. Whoever sees other directories than its store does (a mount namespace) may be wrong about the first,
 *    and then no harm is done: the next start there makes it again.
 * 3. A network of the firewall whose bridge is not there is an orphan, too: bridges come before their elements, and go after them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "network/firewall.h"
#include "network/network.h"

#define ALIAS_PREFIX "scow:"
#define ID_DIGITS 64
#define DATABASE "state.db"

void network_alias(const struct netns *ns, const struct network *network, char out[LINK_ALIAS])
{
	int size = snprintf(out, LINK_ALIAS, ALIAS_PREFIX "%s %s", network->id, ns->engine->root);

	/* Half a path would be that of another store: then nobody can tell, and it stays. */
	if (size >= LINK_ALIAS)
		snprintf(out, LINK_ALIAS, ALIAS_PREFIX "%s", network->id);
}

bool network_alias_is_of_a_store(const char *alias)
{
	return str_has_prefix(alias, ALIAS_PREFIX);
}

bool network_link_is_ours(const struct network *network, const struct link *link)
{
	const char *id = link->alias + sizeof(ALIAS_PREFIX) - 1;

	return strcmp(link->kind, "bridge") == 0 && network_alias_is_of_a_store(link->alias) && str_has_prefix(id, network->id) &&
	       (!id[ID_DIGITS] || id[ID_DIGITS] == ' ');
}

/* ---- whose it is ---- */

/* 1: of our own store, which does not have the network. */
static int is_forgotten(scow_engine *engine, const char *id, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;
	int r;

	db_lock(engine->db, &work);
	r = db_query(&work, &row, error, "SELECT 1 FROM networks WHERE id = ?", "t", id);
	return r < 0 ? r : !r;
}

static bool is_gone(const char *root)
{
	char path[LINK_ALIAS + sizeof(DATABASE) + 1];
	struct stat st;

	snprintf(path, sizeof(path), "%s/" DATABASE, root);
	return stat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR);
}

static int is_orphan(scow_engine *engine, const struct link *link, scow_error **error)
{
	const char *at = link->alias + sizeof(ALIAS_PREFIX) - 1;
	char id[ID_DIGITS + 1];

	if (strcmp(link->kind, "bridge") != 0 || !network_alias_is_of_a_store(link->alias) || strlen(at) < ID_DIGITS + 2 ||
	    at[ID_DIGITS] != ' ')
		return 0;
	memcpy(id, at, ID_DIGITS);
	id[ID_DIGITS] = 0;
	at += ID_DIGITS + 1;
	return str_eq(at, engine->root) ? is_forgotten(engine, id, error) : is_gone(at);
}

/* ---- taking away ---- */

struct found {
	struct netns *ns;
	struct arena arena;
	struct link *items;
	size_t n;
};

static int take_link(void *data, const struct link *link, scow_error **error)
{
	struct found *found = data;
	struct link *slot = arena_append(&found->arena, &found->items, &found->n, sizeof(*slot));

	if (!slot)
		return error_oom(error);
	*slot = *link;
	return 0;
}

static int note_port(void *data, const struct link *link, scow_error **error)
{
	(void) link;
	(void) error;
	*(bool *) data = true;
	return 0;
}

static int clear_link(struct netns *ns, const struct link *link, scow_error **error)
{
	bool is_used = false;
	int r = is_orphan(ns->engine, link, error);

	if (r <= 0)
		return r;
	r = netns_each_link(ns, NULL, link->index, note_port, &is_used, error);
	if (r < 0 || is_used)
		return r;
	engine_log(ns->engine, SCOW_LOG_INFO, "the bridge '%s' is of a store that is gone (%s): it is removed", link->name, link->alias);
	r = firewall_forget(ns, link->name, error);
	return r < 0 ? r : netns_link_delete(ns, link->name, error);
}

static void take_name(void *data, const struct nft_found *element)
{
	struct found *found = data;
	struct link *link;
	char name[LINK_NAME + 1] = "";

	memcpy(name, element->key, element->size < LINK_NAME ? element->size : LINK_NAME);
	if (netns_link_index(found->ns, name) >= 0)
		return;
	link = arena_append(&found->arena, &found->items, &found->n, sizeof(*link));
	if (link)
		snprintf(link->name, sizeof(link->name), "%s", name);
}

static int clear_elements(struct netns *ns, scow_error **error)
{
	struct found found = { .ns = ns };
	int r = nft_list(ns, NFPROTO_INET, "bridges", take_name, &found, error);

	for (size_t i = 0; r == 0 && i < found.n; i++)
		r = firewall_forget(ns, found.items[i].name, error);
	arena_done(&found.arena);
	return r;
}

int network_clear_orphans(struct netns *ns, scow_error **error)
{
	struct found found = { .ns = ns };
	int r;

	/* A plain user's bridges go with their namespace, and the host's are not his. */
	if (ns->engine->facts.rootless)
		return 0;
	r = netns_each_link(ns, "bridge", 0, take_link, &found, error);
	for (size_t i = 0; r == 0 && i < found.n; i++)
		r = clear_link(ns, &found.items[i], error);
	arena_done(&found.arena);
	if (r == 0)
		r = clear_elements(ns, error);
	return r < 0 ? error_wrap(error, r, "take away what stores that are gone have left") : 0;
}
