/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the program may do: kernel settings of its namespaces, resource limits, ids, capabilities, the seccomp filter.
 *
 * Order of the end:
 * 1. The bounding set is dropped; groups, gid and uid are set, with the capabilities kept over the change of uid.
 * 2. One capset leaves as effective what the program will have, so that execve checks the file's permissions as it would for
 *    the program (a user without CAP_DAC_OVERRIDE gets EACCES), plus CAP_SYS_ADMIN where the filter needs that.
 * 3. The filter is loaded; after it comes nothing but execve, so a filter has to allow nothing for our sake. execve itself drops
 *    the rest: for root permitted becomes the bounding set, for another user the ambient set.
 * Inheritable is the ambient set, and that is nearly always empty (CVE-2022-24769, CVE-2022-29162).
 */
#include "init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/seccomp.h>

static long write_proc(const char *path, const char *text)
{
	long r, fd = proc_open(path, O_WRONLY);

	if (fd < 0)
		return fd;
	r = sys(SYS_write, fd, text, text_length(text));
	sys(SYS_close, fd);
	return r < 0 ? r : 0;
}

static long write_host_proc(const char *path, const char *text)
{
	long r, fd = sys(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return fd;
	r = sys(SYS_write, fd, text, text_length(text));
	sys(SYS_close, fd);
	return r;
}

/* "net.ipv4.ip_forward"; a name with slashes is taken as it is, for interfaces with dots. */
void step_sysctl(const struct wire_step *step)
{
	const char *name = plan_text(&init.plan, step, 0), *value = plan_text(&init.plan, step, 1);
	char path[256] = "sys/";
	const char *end = path + sizeof(path);
	long r;

	doing("set the sysctl", name, "to", value);
	if (!name || text_length(name) + 5 > sizeof(path))
		fail("open", -ENAMETOOLONG);
	text_add(path + 4, end, name);
	if (!*text_find(name, '/'))
		for (char *dot = path; *(dot = (char *) text_find(dot, '.'));)
			*dot = '/';
	r = write_proc(path, value ? value : "");
	/* In somebody's container: where no proc of our own may be mounted, the host's may be read-only. */
	if ((step->flags & WIRE_OPTIONAL) && (r == -EPERM || r == -EROFS || r == -EACCES || r == -ENOENT))
		return;
	must(r, "write");
}

void step_oom_score(const struct wire_step *step)
{
	int64_t score = (int64_t) step->number[0];
	char text[24];
	const char *end = text + sizeof(text);

	text_add_number(text_add(text, end, score < 0 ? "-" : ""), end, (uint64_t) (score < 0 ? -score : score));
	doing("set the out-of-memory score to", text, NULL, NULL);
	if (step->flags & WIRE_HOST_PROC)
		must(write_host_proc("/proc/self/oom_score_adj", text), "write");
	else
		must(write_proc("self/oom_score_adj", text), "write");
}

void step_rlimit(const struct wire_step *step)
{
	struct rlimit64 limit = { .rlim_cur = step->number[1], .rlim_max = step->number[2] }, own;
	static char text[24];
	long r;

	text_add_number(text, text + sizeof(text), limit.rlim_max);
	doing("set the limit", plan_text(&init.plan, step, 0), "to", limit.rlim_max == RLIM64_INFINITY ? "unlimited" : text);
	if (step->flags & WIRE_RAISE) {
		must(sys(SYS_prlimit64, 0, step->number[0], 0, &own), "prlimit");
		if (limit.rlim_max <= own.rlim_max)
			return;
		limit.rlim_cur = own.rlim_cur;
	}
	r = sys(SYS_prlimit64, 0, step->number[0], &limit, 0);
	if (r == -EPERM && (step->flags & WIRE_OPTIONAL)) {
		must(sys(SYS_prlimit64, 0, step->number[0], 0, &own), "prlimit");
		if (limit.rlim_max > own.rlim_max)
			limit.rlim_max = own.rlim_max;
		if (limit.rlim_cur > limit.rlim_max)
			limit.rlim_cur = limit.rlim_max;
		r = sys(SYS_prlimit64, 0, step->number[0], &limit, 0);
	}
	must(r, "prlimit");
}

static void drop_bounding(uint64_t keep)
{
	for (int cap = 0; cap < 64; cap++) {
		long r;

		if (keep & (1ULL << cap))
			continue;
		r = sys(SYS_prctl, PR_CAPBSET_DROP, cap, 0, 0, 0);
		/* Past the last that this kernel knows. */
		if (r == -EINVAL)
			return;
		must(r, "prctl PR_CAPBSET_DROP");
	}
}

static void set_capabilities(uint64_t effective, uint64_t keep, uint64_t ambient)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint64_t have;

	must(sys(SYS_capget, &header, data), "capget");
	have = data[0].permitted | (uint64_t) data[1].permitted << 32;
	effective = (effective | keep) & have;
	ambient &= have;
	for (int i = 0; i < 2; i++) {
		data[i].effective = data[i].permitted = (uint32_t) (effective >> 32 * i);
		data[i].permitted |= (uint32_t) (ambient >> 32 * i);
		data[i].inheritable = (uint32_t) (ambient >> 32 * i);
	}
	must(sys(SYS_capset, &header, data), "capset");
	for (int cap = 0; cap < 64 && ambient >> cap; cap++)
		if (ambient & (1ULL << cap))
			must(sys(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0), "prctl PR_CAP_AMBIENT");
}

void step_credentials(const struct wire_step *step)
{
	uint64_t bounding = step->number[0], ambient = step->number[1] & bounding;
	bool needs_admin = (step->flags & WIRE_FILTERED) && !(step->flags & WIRE_NO_NEW_PRIVS);

	doing("drop capabilities", NULL, NULL, NULL);
	drop_bounding(bounding);
	doing("become the user", NULL, NULL, NULL);
	if (!(step->flags & WIRE_NO_SETGROUPS))
		must(sys(SYS_setgroups, init.n_groups, init.groups), "setgroups");
	must(sys(SYS_setresgid, init.gid, init.gid, init.gid), "setresgid");
	if (init.uid != 0)
		must(sys(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0), "prctl PR_SET_KEEPCAPS");
	must(sys(SYS_setresuid, init.uid, init.uid, init.uid), "setresuid");
	doing("set the capabilities", NULL, NULL, NULL);
	set_capabilities(init.uid == 0 ? bounding : ambient, needs_admin ? 1ULL << CAP_SYS_ADMIN : 0, ambient);
	if (step->flags & WIRE_NO_NEW_PRIVS)
		must(sys(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl PR_SET_NO_NEW_PRIVS");
}

void step_seccomp(const struct wire_step *step)
{
	struct sock_fprog program = {
		.len = (unsigned short) (step->blob_size / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *) (uintptr_t) plan_blob(&init.plan, step),
	};

	doing("load the seccomp filter", NULL, NULL, NULL);
	must(sys(SYS_seccomp, SECCOMP_SET_MODE_FILTER, step->number[0], &program), "seccomp");
}
