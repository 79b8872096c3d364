/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Binds whose files show with other ids than the host's: "idmap" with those of the container's user namespace, "U" so that what belongs
 * to the owner of the source belongs to the container's user. Both are attributes of the mount; nothing is chowned.
 *
 * For "U" two ids change places, the owner's and the user's, on top of what the container maps anyway.
 */
#include "container/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"

#define ALL_IDS UINT32_MAX /* all but the last, which is none */

static bool is_mapped(const struct id_range *map, unsigned int n, uint32_t id, uint32_t *outside)
{
	for (unsigned int i = 0; i < n; i++) {
		if (id < map[i].inside || id - map[i].inside >= map[i].count)
			continue;
		*outside = map[i].outside + (id - map[i].inside);
		return true;
	}
	return false;
}

/* The parts of @range without two ids; the number of them. */
static unsigned int cut(const struct id_range *range, uint32_t low, uint32_t high, struct id_range *out)
{
	const uint32_t points[] = { low, high };
	struct id_range rest = *range;
	unsigned int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		uint32_t before = points[i] - rest.inside;

		if (points[i] < rest.inside || before >= rest.count)
			continue;
		if (before)
			out[n++] = (struct id_range){ rest.inside, rest.outside, before };
		rest.inside += before + 1;
		rest.outside += before + 1;
		rest.count -= before + 1;
	}
	if (rest.count)
		out[n++] = rest;
	return n;
}

/* @map with the ids @owner, of the file system, and @user, of the container, changed. */
static struct id_range *exchange(struct arena *arena, const struct id_range *map, unsigned int n, uint32_t owner, uint32_t user,
				 unsigned int *count)
{
	struct id_range *out = arena_alloc(arena, (n * 3 + 2) * sizeof(*out));
	uint32_t outside;
	unsigned int used = 0;

	for (unsigned int i = 0; out && i < n; i++)
		used += cut(&map[i], owner < user ? owner : user, owner < user ? user : owner, out + used);
	if (out && is_mapped(map, n, user, &outside))
		out[used++] = (struct id_range){ owner, outside, 1 };
	if (out && owner != user && is_mapped(map, n, owner, &outside))
		out[used++] = (struct id_range){ user, outside, 1 };
	*count = used;
	return out;
}

/* "", "uid" or "uid:gid" in numbers: names are known to the container only. */
static bool read_user(const char *text, uint32_t *uid, uint32_t *gid)
{
	_cleanup_free_ char *copy = strdup(text ? text : "");
	char *group = copy ? strchr(copy, ':') : NULL;
	unsigned long long number = 0, group_number = 0;

	if (group)
		*group++ = 0;
	if (!copy || (*copy && !str_to_u64(copy, &number)) || (group && !str_to_u64(group, &group_number)) || number >= UINT32_MAX ||
	    group_number >= UINT32_MAX)
		return false;
	*uid = (uint32_t) number;
	*gid = (uint32_t) group_number;
	return true;
}

static int give_to_user(struct build *b, struct spec_mount *mount, scow_error **error)
{
	const struct id_range all = { 0, 0, ALL_IDS };
	struct spec *spec = b->spec;
	struct stat st = { 0 };
	uint32_t uid, gid;

	if (b->user_ns && !spec->n_uid_map && !b->checks)
		return error_set(error, SCOW_E_UNSUPPORTED,
				 "mount on '%s': option 'U' needs a user namespace of the container's own, or the host's", mount->target);
	if (!read_user(spec->user, &uid, &gid))
		return error_hint(error,
				  error_set(error, SCOW_E_UNSUPPORTED, "mount on '%s': option 'U' cannot tell the id of the user '%s'",
					    mount->target, spec->user),
				  "give the user as numbers");
	if (b->checks)
		return 0;
	/* One that is missing will be made, as root's. */
	if (stat(mount->source, &st) < 0 && errno != ENOENT)
		return error_errno(error, errno, "stat", "look up '%s'", mount->source);
	if (st.st_uid == uid && st.st_gid == gid) {
		mount->idmapped = b->user_ns;
		return 0;
	}
	mount->uid_map = exchange(&spec->arena, b->user_ns ? spec->uid_map : &all, b->user_ns ? spec->n_uid_map : 1, st.st_uid, uid,
				  &mount->n_uid_map);
	mount->gid_map = exchange(&spec->arena, b->user_ns ? spec->gid_map : &all, b->user_ns ? spec->n_gid_map : 1, st.st_gid, gid,
				  &mount->n_gid_map);
	return mount->uid_map && mount->gid_map ? 0 : error_oom(error);
}

int build_idmap(struct build *b, const struct bind_options *options, struct spec_mount *mount, scow_error **error)
{
	if (b->rootless)
		return error_set(error, SCOW_E_UNSUPPORTED,
				 "mount on '%s': option '%s' needs root: a plain user cannot make idmapped mounts", mount->target,
				 options->own ? "U" : "idmap");
	if (options->own)
		return give_to_user(b, mount, error);
	if (b->still) /* its ids are those of the tree */
		return 0;
	if (!b->user_ns)
		return error_hint(error,
				  error_set(error, SCOW_E_INVALID, "mount on '%s': option 'idmap' needs a user namespace", mount->target),
				  "set the user namespace to 'private'");
	mount->idmapped = true;
	return 0;
}

/* ---- in a tree that is still ---- */

static int by_inside(const void *a, const void *b)
{
	const struct id_range *x = a, *y = b;

	return x->inside < y->inside ? -1 : x->inside > y->inside;
}

/* What @map leaves out, of its ids outside or inside, in order: as ranges whose inside they are. */
static unsigned int rest_of(const struct id_range *map, unsigned int n, bool outside, struct id_range *out)
{
	uint64_t next = 0;
	unsigned int used = 0;

	for (unsigned int i = 0; i < n; i++)
		out[i] = (struct id_range){ .inside = outside ? map[i].outside : map[i].inside, .count = map[i].count };
	qsort(out, n, sizeof(*out), by_inside);
	/* The gaps before each; those after them are read before they are written over. */
	for (unsigned int i = 0; i <= n; i++) {
		const uint64_t start = i < n ? out[i].inside : ALL_IDS, end = i < n ? start + out[i].count : ALL_IDS;

		if (start > next)
			out[used++] = (struct id_range){ .inside = (uint32_t) next, .count = (uint32_t) (start - next) };
		next = end;
	}
	return used;
}

/*
 * The host's ids, which are in the file system, as the container's. All others get ids, too, that it has not: the kernel does not let
 * anybody write where the owner has none.
 */
static struct id_range *turn(struct arena *arena, const struct id_range *map, unsigned int n, unsigned int *count)
{
	struct id_range *out = arena_alloc(arena, (3 * n + 2) * sizeof(*out));
	struct id_range *from = arena_alloc(arena, (n + 1) * sizeof(*from)), *to = arena_alloc(arena, (n + 1) * sizeof(*to));
	unsigned int used = 0, n_from, n_to;

	*count = 0;
	if (!out || !from || !to)
		return NULL;
	for (; used < n; used++)
		out[used] = (struct id_range){ .inside = map[used].outside, .outside = map[used].inside, .count = map[used].count };
	n_from = rest_of(map, n, true, from);
	n_to = rest_of(map, n, false, to);
	for (unsigned int i = 0, k = 0; i < n_from && k < n_to;) {
		const uint32_t part = from[i].count < to[k].count ? from[i].count : to[k].count;

		out[used++] = (struct id_range){ .inside = from[i].inside, .outside = to[k].inside, .count = part };
		from[i].inside += part;
		to[k].inside += part;
		from[i].count -= part;
		to[k].count -= part;
		i += from[i].count == 0;
		k += to[k].count == 0;
	}
	*count = used;
	return out;
}

int build_idmap_still(struct build *b, struct spec_mount *mount, scow_error **error)
{
	struct spec *spec = b->spec;

	if (!b->still || !spec->n_uid_map)
		return 0;
	mount->uid_map = turn(&spec->arena, spec->uid_map, spec->n_uid_map, &mount->n_uid_map);
	mount->gid_map = turn(&spec->arena, spec->gid_map, spec->n_gid_map, &mount->n_gid_map);
	return mount->uid_map && mount->gid_map ? 0 : error_oom(error);
}
