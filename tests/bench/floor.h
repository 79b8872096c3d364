/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two floors share: the program in the container, with the rights that `scow run` gives it, and no error handling worth the name.
 */
#pragma once

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define die(what) (perror(what), _exit(125))

#define DEFAULT_CAPS 0xa80425fbULL
#define FILTER_STEPS 4096

/* A raw BPF program, as `scow` loads it. */
static inline void read_filter(const char *path, struct sock_fprog *filter)
{
	static struct sock_filter steps[FILTER_STEPS];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	filter->filter = steps;
	filter->len = (unsigned short) (read(fd, steps, sizeof(steps)) / (long) sizeof(*steps));
	close(fd);
}

static inline void run_true(struct sock_fprog *filter)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { { (uint32_t) DEFAULT_CAPS | 1 << CAP_SYS_ADMIN,
						    (uint32_t) DEFAULT_CAPS | 1 << CAP_SYS_ADMIN, 0 } };
	char *const argv[] = { (char *) "/bin/true", NULL }, *const envp[] = { (char *) "PATH=/bin", NULL };

	setsid();
	syscall(SYS_keyctl, 1, NULL); /* a session keyring of its own */
	for (int cap = 0; cap < 41; cap++)
		if (!(DEFAULT_CAPS & 1ULL << cap))
			prctl(PR_CAPBSET_DROP, cap);
	(void) !syscall(SYS_setgroups, 0, NULL);
	if (syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0)
		die("setresuid");
	if (syscall(SYS_capset, &header, caps) < 0)
		die("capset");
	syscall(SYS_close_range, 3, ~0U, 0);
	if (filter->len && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, filter) < 0)
		die("seccomp");
	execve(argv[0], argv, envp);
	die("execve");
}
