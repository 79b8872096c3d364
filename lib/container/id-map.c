/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ranges of ids for user namespaces: chosen, remembered, read back.
 *
 * 1. Root's pool are the ranges that both /etc/subuid and /etc/subgid give to "scow" or "containers" (podman's name for it), else a
 *    part of the id space that nobody is known to use. Each store begins to look at a place of its own, so that two stores
 *    on one host seldom meet.
 * 2. A plain user's maps are made of his own id and the ranges that he has: positions in those, 0 being himself.
 */
#include "container/id-map.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"

#define USUAL_SIZE 65536u
#define POOL_RANGES 16

/* ---- what the user says ---- */

static bool read_id(const char *text, size_t size, uint32_t *out)
{
	char copy[16];
	unsigned long long number;

	if (size >= sizeof(copy))
		return false;
	memcpy(copy, text, size);
	copy[size] = 0;
	if (!str_to_u64(copy, &number) || number >= UINT32_MAX)
		return false;
	*out = (uint32_t) number;
	return true;
}

/* "name=N,name=N": false for anything else. */
static bool read_numbers(const char *text, const char *const *names, uint32_t *const *out)
{
	while (*text) {
		size_t size = strcspn(text, ",");
		bool found = false;

		for (size_t i = 0; names[i] && !found; i++) {
			size_t n = strlen(names[i]);

			if (size > n && strncmp(text, names[i], n) == 0 && text[n] == '=')
				found = read_id(text + n + 1, size - n - 1, out[i]);
		}
		if (!found)
			return false;
		text += size + (text[size] == ',');
	}
	return true;
}

int userns_parse(const char *text, struct namespace_choice *out, scow_error **error)
{
	static const char *const sizes[] = { "size", NULL }, *const ids[] = { "uid", "gid", NULL };
	bool good = false;

	*out = (struct namespace_choice){ .mode = NAMESPACE_PRIVATE, .uid = UINT32_MAX, .gid = UINT32_MAX };
	if (str_eq(text, "auto"))
		return 0;
	if (str_has_prefix(text, "auto:")) {
		good = read_numbers(text + strlen("auto:"), sizes, (uint32_t *const[]){ &out->size }) && out->size;
	} else if (str_eq(text, "keep-id") || str_has_prefix(text, "keep-id:")) {
		out->mode = NAMESPACE_KEEP_ID;
		good = read_numbers(text + strlen("keep-id") + (text[strlen("keep-id")] == ':'), ids,
				    (uint32_t *const[]){ &out->uid, &out->gid });
	}
	if (good)
		return 0;
	return error_hint(error, error_set(error, SCOW_E_INVALID, "'%s' is no mode of a user namespace", text),
			  "use host, private, auto[:size=N], keep-id[:uid=N,gid=N], container:NAME or path:/proc/PID/ns/user");
}

static int check_map(const struct id_range *map, size_t count, const char *what, scow_error **error)
{
	bool root = false;

	for (size_t i = 0; i < count; i++) {
		const struct id_range *one = &map[i];

		root |= one->inside == 0;
		if (!one->count || one->count > UINT32_MAX - one->inside || one->count > UINT32_MAX - one->outside)
			return error_set(error, SCOW_E_INVALID, "%s map %u:%u:%u leads beyond the last id", what, one->inside, one->outside,
					 one->count);
		for (size_t k = 0; k < i; k++)
			if ((one->inside < map[k].inside + map[k].count && map[k].inside < one->inside + one->count) ||
			    (one->outside < map[k].outside + map[k].count && map[k].outside < one->outside + one->count))
				return error_set(error, SCOW_E_INVALID, "%s map %u:%u:%u overlaps another", what, one->inside, one->outside,
						 one->count);
	}
	if (count && !root)
		return error_set(error, SCOW_E_INVALID, "the %s maps must map the id 0: a container is set up by its root", what);
	if (count > ID_MAPS_MAX)
		return error_set(error, SCOW_E_LIMIT, "more than %d %s maps", ID_MAPS_MAX, what);
	return 0;
}

int id_maps_check(const scow_container_config *config, scow_error **error)
{
	const char *mode = config->namespaces[SCOW_NAMESPACE_USER];
	int r = check_map(config->uid_maps, config->n_uid_maps, "uid", error);

	if (r == 0)
		r = check_map(config->gid_maps, config->n_gid_maps, "gid", error);
	if (r < 0)
		return r;
	if ((config->n_uid_maps || config->n_gid_maps) && mode && !str_eq(mode, "private"))
		return error_set(error, SCOW_E_INVALID, "conflicting options: id maps, and the user namespace '%s'", mode);
	return 0;
}

/* ---- root's pool ---- */

/* The parts that are in both. */
static unsigned int intersect(const struct id_range *a, unsigned int n_a, const struct id_range *b, unsigned int n_b, struct id_range *out)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < n_a; i++) {
		for (unsigned int k = 0; k < n_b && n < POOL_RANGES; k++) {
			uint32_t first = a[i].outside > b[k].outside ? a[i].outside : b[k].outside;
			uint32_t end_a = a[i].outside + a[i].count, end_b = b[k].outside + b[k].count, end = end_a < end_b ? end_a : end_b;

			if (first < end)
				out[n++] = (struct id_range){ 0, first, end - first };
		}
	}
	return n;
}

static unsigned int find_pool(struct id_range out[POOL_RANGES])
{
	static const char *const names[] = { "scow", "containers" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct id_range uids[ID_RANGES_MAX], gids[ID_RANGES_MAX];
		unsigned int n_uids = 0, n_gids = 0, n;

		facts_subordinate("/etc/subuid", names[i], UINT32_MAX, uids, &n_uids);
		facts_subordinate("/etc/subgid", names[i], UINT32_MAX, gids, &n_gids);
		n = intersect(uids, n_uids, gids, n_gids, out);
		if (n)
			return n;
	}
	out[0] = (struct id_range){ 0, ID_POOL_FIRST, ID_POOL_SIZE };
	return 1;
}

/* FNV-1a: a block for each store to begin with. */
static uint32_t place_of(const scow_engine *engine, const struct id_range *pool, uint32_t size)
{
	uint32_t hash = 2166136261u;

	for (const char *at = engine->root; *at; at++)
		hash = (hash ^ (unsigned char) *at) * 16777619u;
	return pool->count >= size ? hash % (pool->count / size) * size : 0;
}

/* The first free @size ids in [first, end): 1, 0 none, or a status. */
static int find_gap(struct db_work *work, uint32_t first, uint32_t end, uint32_t size, uint32_t *out, scow_error **error)
{
	sqlite3_stmt *s;
	int64_t at = first;
	int r = db_query(work, &s, error, "SELECT first, size FROM id_ranges WHERE first + size > ? AND first < ? ORDER BY first", "ii",
			 (int64_t) first, (int64_t) end);

	while (r > 0) {
		int64_t taken = db_int(s, 0);

		if (taken - at >= size)
			break;
		if (taken + db_int(s, 1) > at)
			at = taken + db_int(s, 1);
		r = db_step(work, s, error);
	}
	if (r < 0)
		return r;
	*out = (uint32_t) at;
	return at + size <= end;
}

static int find_free(scow_engine *engine, struct db_work *work, uint32_t size, uint32_t *out, scow_error **error)
{
	struct id_range pool[POOL_RANGES];
	unsigned int n = find_pool(pool);

	for (unsigned int i = 0; i < n; i++) {
		uint32_t first = pool[i].outside, end = first + pool[i].count, middle = first + place_of(engine, &pool[i], size);
		int r = find_gap(work, middle, end, size, out, error);

		if (r == 0)
			r = find_gap(work, first, middle, size, out, error);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return error_hint(error, error_set(error, SCOW_E_LIMIT, "no %u ids in a row are free for a user namespace", size),
			  "remove containers, or give 'scow' larger ranges in /etc/subuid and /etc/subgid");
}

uint32_t id_range_wanted(scow_engine *engine, const scow_container_config *config)
{
	struct namespace_choice choice;

	if (engine->facts.rootless || config->n_uid_maps || config->n_gid_maps || !config->namespaces[SCOW_NAMESPACE_USER] ||
	    namespace_parse(SCOW_NAMESPACE_USER, config->namespaces[SCOW_NAMESPACE_USER], &choice, NULL) < 0 ||
	    choice.mode != NAMESPACE_PRIVATE)
		return 0;
	return choice.size ? choice.size : USUAL_SIZE;
}

int id_range_take(scow_engine *engine, struct db_work *work, const char *id, uint32_t size, scow_error **error)
{
	uint32_t first;
	int r = find_free(engine, work, size, &first, error);

	if (r == 0)
		r = db_exec(work, error, "INSERT INTO id_ranges (container, first, size) VALUES (?, ?, ?)", "tii", id, (int64_t) first,
			    (int64_t) size);
	return r < 0 ? r : 0;
}

/* ---- what a container starts with ---- */

void id_maps_put(const struct id_maps *maps, struct spec *spec)
{
	spec->uid_map = maps->uids;
	spec->n_uid_map = maps->n_uids;
	spec->gid_map = maps->gids;
	spec->n_gid_map = maps->n_gids;
}

static int own_range(scow_engine *engine, const char *id, struct id_range *out, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *s;
	int r;

	db_lock(engine->db, &work);
	r = db_query(&work, &s, error, "SELECT first, size FROM id_ranges WHERE container = ?", "t", id);
	if (r == 0)
		return error_set(error, SCOW_E_CORRUPT, "container %.12s has no range of ids", id);
	if (r > 0)
		*out = (struct id_range){ 0, (uint32_t) db_int(s, 0), (uint32_t) db_int(s, 1) };
	return r < 0 ? r : 0;
}

static struct id_range *copy_map(struct arena *arena, const struct id_range *map, size_t count)
{
	struct id_range *copy = arena_alloc(arena, count * sizeof(*copy));

	return copy ? memcpy(copy, map, count * sizeof(*copy)) : NULL;
}

static int set_maps(struct arena *arena, const struct id_range *uids, size_t n_uids, const struct id_range *gids, size_t n_gids,
		    struct id_maps *out, scow_error **error)
{
	out->uids = copy_map(arena, uids, n_uids);
	out->gids = copy_map(arena, gids, n_gids);
	out->n_uids = (unsigned int) n_uids;
	out->n_gids = (unsigned int) n_gids;
	return out->uids && out->gids ? 0 : error_oom(error);
}

/* How many a plain user has: himself, and his ranges. */
static uint32_t count_ids(const struct id_range *map, unsigned int n)
{
	uint32_t count = 0;

	for (unsigned int i = 0; i < n; i++)
		count += map[i].count;
	return count;
}

/* Of @count positions the first, 0, becomes @kept, and the others keep their order. */
static size_t keep_id(uint32_t count, uint32_t kept, struct id_range map[3])
{
	uint32_t below = kept < count - 1 ? kept : count - 1, n = 0;

	if (below)
		map[n++] = (struct id_range){ 0, 1, below };
	map[n++] = (struct id_range){ kept, 0, 1 };
	if (count - 1 > below)
		map[n++] = (struct id_range){ kept + 1, below + 1, count - 1 - below };
	return n;
}

static int keep_ids(scow_engine *engine, const struct namespace_choice *choice, struct arena *arena, struct id_maps *out,
		    scow_error **error)
{
	const struct facts *facts = &engine->facts;
	struct id_range uids[3], gids[3];
	uint32_t kept[2];
	size_t n_uids;
	int r;

	pthread_mutex_lock(&engine->lock);
	r = facts_probe_ids(&engine->facts, error);
	pthread_mutex_unlock(&engine->lock);
	if (r < 0)
		return r;
	if (facts->single_id_reason)
		return error_hint(error,
				  error_set(error, SCOW_E_UNSUPPORTED, "'keep-id' takes more than one id: %s", facts->single_id_reason),
				  "give this user ranges in /etc/subuid and /etc/subgid");
	id_kept(engine, choice, kept);
	n_uids = keep_id(count_ids(facts->uid_map, facts->n_uid_map), kept[0], uids);
	return set_maps(arena, uids, n_uids, gids, keep_id(count_ids(facts->gid_map, facts->n_gid_map), kept[1], gids), out, error);
}

void id_kept(scow_engine *engine, const struct namespace_choice *choice, uint32_t kept[2])
{
	kept[0] = choice->uid == UINT32_MAX ? engine->facts.uid : choice->uid;
	kept[1] = choice->gid == UINT32_MAX ? engine->facts.gid : choice->gid;
}

int id_maps_of(scow_engine *engine, const char *id, const scow_container_config *config, struct arena *arena, struct id_maps *out,
	       scow_error **error)
{
	const char *mode = config->namespaces[SCOW_NAMESPACE_USER];
	struct namespace_choice choice = { .mode = NAMESPACE_DEFAULT };
	const struct id_range *uids = config->n_uid_maps ? config->uid_maps : config->gid_maps;
	const struct id_range *gids = config->n_gid_maps ? config->gid_maps : config->uid_maps;
	struct id_range range;
	int r;

	*out = (struct id_maps){ 0 };
	if (config->n_uid_maps || config->n_gid_maps)
		return set_maps(arena, uids, config->n_uid_maps ? config->n_uid_maps : config->n_gid_maps, gids,
				config->n_gid_maps ? config->n_gid_maps : config->n_uid_maps, out, error);
	r = namespace_parse(SCOW_NAMESPACE_USER, mode, &choice, error);
	if (r < 0)
		return r;
	if (engine->facts.rootless && choice.size)
		return error_set(error, SCOW_E_UNSUPPORTED, "user namespace '%s': all containers of a plain user have the ids that he has",
				 mode);
	if (choice.mode == NAMESPACE_KEEP_ID && engine->facts.rootless)
		return keep_ids(engine, &choice, arena, out, error);
	if (!id_range_wanted(engine, config))
		return 0;
	r = own_range(engine, id, &range, error);
	return r < 0 ? r : set_maps(arena, &range, 1, &range, 1, out, error);
}

static int read_map(pid_t pid, const char *name, struct id_range map[ID_MAPS_MAX], size_t *count, scow_error **error)
{
	_cleanup_free_ char *text = NULL;
	char path[64], *line, *rest;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	r = file_read_at(AT_FDCWD, path, 1 << 16, &text, NULL);
	if (r < 0)
		return error_errno(error, -r, "read", "read '%s'", path);
	*count = 0;
	for (rest = text; (line = strsep(&rest, "\n")) && *count < ID_MAPS_MAX;)
		if (sscanf(line, "%u %u %u", &map[*count].inside, &map[*count].outside, &map[*count].count) == 3)
			++*count;
	return 0;
}

int id_maps_into(pid_t pid, struct spec *spec, scow_error **error)
{
	struct id_range uids[ID_MAPS_MAX], gids[ID_MAPS_MAX];
	size_t n_uids, n_gids;
	struct id_maps maps;
	int r = read_map(pid, "uid_map", uids, &n_uids, error);

	if (r == 0)
		r = read_map(pid, "gid_map", gids, &n_gids, error);
	if (r == 0)
		r = set_maps(&spec->arena, uids, n_uids, gids, n_gids, &maps, error);
	if (r == 0)
		id_maps_put(&maps, spec);
	return r;
}
