/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Another name for a container. As at its creation, the name is taken by the write itself, never by looking first. What runs
 * does not notice: nothing of a process or of its cgroup bears the name.
 */
#include <string.h>

#include "base/fault.h"
#include "base/str.h"
#include "container/container.h"
#include "container/event.h"
#include "container/naming.h"

/* The rule for names is the config's. */
static int check_name(const char *name, scow_error **error)
{
	_cleanup_(scow_container_config_unrefp) scow_container_config *config = scow_container_config_new();

	if (!config)
		return error_oom(error);
	if (!name || !*name)
		return error_set(error, SCOW_E_INVALID, "no name was given");
	scow_container_config_set_name(config, name);
	return config_check_stored(config, error);
}

static int taken(struct db_work *work, const scow_container *container, const char *name, scow_error **error)
{
	sqlite3_stmt *s;
	int r = db_query(work, &s, error, "SELECT id FROM containers WHERE name = ?", "t", name);

	if (r <= 0)
		return r < 0 ? r : container_not_found(container->name, error);
	if (str_eq(db_text(s, 0), container->id))
		return error_set(error, SCOW_E_INVALID, "container %.12s has the name '%s' already", container->id, name);
	r = error_set(error, SCOW_E_EXISTS, "the name '%s' is in use by container %.12s", name, db_text(s, 0));
	error_at(error, r, NULL, name);
	return error_hint(error, r, "remove or rename that container, or choose another name");
}

static int write_name(scow_container *container, const char *name, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	_cleanup_free_ char *old = NULL, *slashed = NULL;
	sqlite3_stmt *s;
	int r = db_begin(container->engine->db, &work, error);

	if (r == 0)
		r = db_query(&work, &s, error, "SELECT name FROM containers WHERE id = ? AND state <> ?", "ti", container->id,
			     (int64_t) SCOW_CONTAINER_REMOVING);
	if (r <= 0)
		return r < 0 ? r : container_not_found(container->name, error);
	old = strdup(db_text(s, 0));
	slashed = old ? strf("/%s", old) : NULL;
	if (!slashed)
		return error_oom(error);
	r = str_eq(old, name) ? 0
			      : db_exec(&work, error, "UPDATE OR IGNORE containers SET name = ? WHERE id = ?", "tt", name, container->id);
	if (r == 0)
		return taken(&work, container, name, error);
	if (r > 0) {
		const char *const attributes[] = { "oldName", slashed, NULL };

		r = container_event(&work, container->id, "rename", attributes, error);
		FAULT_POINT("rename.written");
	}
	return r < 0 ? r : db_commit(&work, error);
}

int scow_container_rename(scow_container *container, const char *name, scow_error **error)
{
	_cleanup_free_ char *copy = NULL;
	int r = container_check(container, error);

	if (r < 0)
		return r;
	if (name && *name == '/')
		name++;
	r = check_name(name, error);
	if (r == 0 && !(copy = strdup(name)))
		r = error_oom(error);
	if (r == 0)
		r = write_name(container, name, error);
	if (r < 0)
		return error_wrap(error, r, "rename container '%s'", container->name);
	/* The old one may be in somebody's hands as long as the handle. */
	r = container_retire(container, atomic_exchange(&container->name, take_ptr(&copy)), NULL, error);
	naming_renamed(container);
	return r;
}
