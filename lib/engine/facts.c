/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Root or plain user is a question of capabilities, not of the uid: root in somebody's container
 * without CAP_SYS_ADMIN, or with it over a user namespace only, works in user namespaces as a plain user does.
 * See: user_namespaces(7), subuid(5).
 */
#include "engine/facts.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

/* PROC_USER_INIT_INO: the first one's number, of all kernels since 3.8. */
#define INITIAL_USER_NAMESPACE 0xEFFFFFFDu

static bool has_capability(int capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	/* The call itself, not libcap: that one keeps state for each thread and an atfork handler. */
	return syscall(SYS_capget, &header, data) == 0 && (data[0].effective & (1U << capability));
}

uint64_t facts_bounding(struct facts *facts)
{
	uint64_t set = atomic_load_explicit(&facts->bounding, memory_order_relaxed);

	if (set)
		return set;
	for (int bit = 0, is_set; bit < 64 && (is_set = prctl(PR_CAPBSET_READ, bit, 0, 0, 0)) >= 0; bit++)
		set |= (uint64_t) (is_set == 1) << bit;
	atomic_store_explicit(&facts->bounding, set, memory_order_relaxed);
	return set;
}

int facts_probe(struct facts *facts, scow_error **error)
{
	_cleanup_free_ char *boot_id = NULL;
	struct stat user_namespace;
	struct utsname host;
	unsigned int major = 0, minor = 0;
	int r;

	facts->uid = geteuid();
	facts->gid = getegid();
	facts->nested = stat("/proc/self/ns/user", &user_namespace) == 0 && user_namespace.st_ino != INITIAL_USER_NAMESPACE;
	facts->rootless = facts->uid != 0 || facts->nested || !has_capability(CAP_SYS_ADMIN);
	uname(&host);
	if (sscanf(host.release, "%u.%u", &major, &minor) == 2)
		facts->kernel = major << 16 | minor;
	/* close_range, openat2, userxattr overlays and mount_setattr are all there from 5.12 on. */
	if (facts->kernel < (5 << 16 | 12))
		return error_hint(error, error_set(error, SCOW_E_UNSUPPORTED, "kernel %s is too old", host.release),
				  "use Linux 5.12 or later");
	r = file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &boot_id, NULL);
	if (r < 0)
		return error_errno(error, -r, "open", "read /proc/sys/kernel/random/boot_id: is /proc mounted?");
	snprintf(facts->boot_id, sizeof(facts->boot_id), "%.36s", boot_id);
	return 0;
}

static void single_id(struct facts *facts, const char *reason)
{
	facts->uid_map[0] = (struct id_range){ 0, facts->uid, 1 };
	facts->gid_map[0] = (struct id_range){ 0, facts->gid, 1 };
	facts->n_uid_map = facts->n_gid_map = 1;
	facts->map_by_helper = false;
	free(facts->single_id_reason);
	facts->single_id_reason = strdup(reason);
}

void facts_subordinate(const char *path, const char *name, uid_t uid, struct id_range *map, unsigned int *count)
{
	_cleanup_free_ char *text = NULL;
	char number[16], *line, *rest;
	uint32_t inside = 1;

	if (file_read_at(AT_FDCWD, path, 4 << 20, &text, NULL) < 0)
		return;
	snprintf(number, sizeof(number), "%u", uid);
	for (rest = text; (line = strsep(&rest, "\n"));) {
		char *who = strsep(&line, ":"), *start = line ? strsep(&line, ":") : NULL;
		unsigned long long first, size;

		if (!start || !line || *count == ID_RANGES_MAX || (strcmp(who, number) != 0 && !str_eq(name, who)))
			continue;
		if (!str_to_u64(start, &first) || !str_to_u64(line, &size) || !size || !first || first + size > UINT32_MAX ||
		    inside + size > UINT32_MAX)
			continue;
		map[(*count)++] = (struct id_range){ inside, (uint32_t) first, (uint32_t) size };
		inside += (uint32_t) size;
	}
}

/* All ids of our own user namespace, as they are. 0 if that cannot be read. */
static unsigned int same_ids(const char *path, struct id_range *map)
{
	_cleanup_free_ char *text = NULL;
	unsigned int count = 0, inside, outside, size;
	char *line, *rest;

	if (file_read_at(AT_FDCWD, path, 1 << 16, &text, NULL) < 0)
		return 0;
	for (rest = text; (line = strsep(&rest, "\n")) && count < ID_RANGES_MAX;)
		if (sscanf(line, "%u %u %u", &inside, &outside, &size) == 3)
			map[count++] = (struct id_range){ inside, inside, size };
	return count;
}

/* Root of a user namespace needs no helper, and what /etc/subuid says is not of this namespace. */
static bool map_own_ids(struct facts *facts)
{
	if (!facts->nested || facts->uid != 0 || !has_capability(CAP_SETUID) || !has_capability(CAP_SETGID))
		return false;
	facts->n_uid_map = same_ids("/proc/self/uid_map", facts->uid_map);
	facts->n_gid_map = same_ids("/proc/self/gid_map", facts->gid_map);
	if (!facts->n_uid_map || !facts->n_gid_map)
		return false;
	if (facts->n_uid_map == 1 && facts->uid_map[0].count == 1)
		single_id(facts, "the user namespace of this process has one id only");
	return true;
}

static char *find_program(const char *name)
{
	static const char *const places[] = { "/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		_cleanup_free_ char *path = strf("%s/%s", places[i], name);

		if (path && access(path, X_OK) == 0)
			return take_ptr(&path);
	}
	return NULL;
}

int facts_probe_ids(struct facts *facts, scow_error **error)
{
	char space[4096];
	struct passwd entry, *found = NULL;
	const char *name;

	if (facts->ids_probed || !facts->rootless)
		return 0;
	facts->ids_probed = true;
	if (map_own_ids(facts))
		return 0;
	name = getpwuid_r(facts->uid, &entry, space, sizeof(space), &found) == 0 && found ? found->pw_name : NULL;
	facts->uid_map[0] = (struct id_range){ 0, facts->uid, 1 };
	facts->gid_map[0] = (struct id_range){ 0, facts->gid, 1 };
	facts->n_uid_map = facts->n_gid_map = 1;
	facts_subordinate("/etc/subuid", name, facts->uid, facts->uid_map, &facts->n_uid_map);
	facts_subordinate("/etc/subgid", name, facts->uid, facts->gid_map, &facts->n_gid_map);
	facts->newuidmap = find_program("newuidmap");
	facts->newgidmap = find_program("newgidmap");
	facts->map_by_helper = true;
	if (facts->n_uid_map == 1 || facts->n_gid_map == 1)
		single_id(facts, "this user has no range in /etc/subuid and /etc/subgid");
	else if (!facts->newuidmap || !facts->newgidmap)
		single_id(facts, "newuidmap and newgidmap are not installed (package uidmap)");
	return facts->n_uid_map > 1 || facts->single_id_reason ? 0 : error_oom(error);
}

void facts_done(struct facts *facts)
{
	free(facts->single_id_reason);
	free(facts->newuidmap);
	free(facts->newgidmap);
}
