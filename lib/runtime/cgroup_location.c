/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a cgroup is, as text that outlives the process that made it. Whoever sweeps, stops or reads a container may sit in
 * another cgroup than whoever started it, and so would make and look for cgroups elsewhere.
 *
 * The first line is the name. Each further one is a hierarchy, "memory:a/b": the directory, below the mount, in which the
 * name is. "*:a/b" is the rest of them. A name alone is below the reader's own base.
 */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "runtime/cgroup-internal.h"

/* The hierarchy's name in a location: its first controller's. */
static const char *key_of(const struct cgroup_base *base, const struct cgroup_hierarchy *hierarchy)
{
	if (base->mode == CGROUP_V2)
		return "v2";
	for (size_t c = 0; c < CG_COUNT; c++)
		if (hierarchy->controllers & CG_BIT(c))
			return cgroup_controller_name(base->mode, c);
	return NULL;
}

/* The one that most often is that of all the others, too: it comes last, as "*". */
static const char *common_own(const struct cgroup_base *base)
{
	const char *best = NULL;
	size_t most = 0;

	for (size_t i = 0; i < base->n_hierarchies; i++) {
		size_t same = 0;

		for (size_t k = 0; k < base->n_hierarchies; k++)
			same += strcmp(base->hierarchies[i].own, base->hierarchies[k].own) == 0;
		if (same > most) {
			most = same;
			best = base->hierarchies[i].own;
		}
	}
	return best;
}

int cgroup_location(scow_engine *engine, const char *name, char **out, scow_error **error)
{
	const struct cgroup_base *base;
	_cleanup_str_ struct str text = { 0 };
	const char *common;
	int r = cgroup_base_get(engine, &base, error);

	if (r < 0)
		return r;
	str_add(&text, name);
	common = base->reason ? NULL : common_own(base);
	for (size_t i = 0; common && i < base->n_hierarchies; i++) {
		const char *key = key_of(base, &base->hierarchies[i]);

		if (key && strcmp(base->hierarchies[i].own, common) != 0)
			str_printf(&text, "\n%s:%s", key, base->hierarchies[i].own);
	}
	if (common)
		str_printf(&text, "\n*:%s", common);
	*out = str_take(&text);
	return *out ? 0 : error_oom(error);
}

char *cgroup_location_name(const char *location)
{
	return strndup(location, strcspn(location, "\n"));
}

char *cgroup_location_own(const char *location, const struct cgroup_base *base, const struct cgroup_hierarchy *hierarchy)
{
	const char *key = key_of(base, hierarchy);
	size_t size = key ? strlen(key) : 0;

	for (const char *line = strchr(location, '\n'); line; line = strchr(line, '\n')) {
		line++;
		if (strncmp(line, "*:", 2) == 0)
			return strndup(line + 2, strcspn(line + 2, "\n"));
		if (key && strncmp(line, key, size) == 0 && line[size] == ':')
			return strndup(line + size + 1, strcspn(line + size + 1, "\n"));
	}
	return NULL;
}
