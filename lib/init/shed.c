/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a process gives up before it reads what strangers send: every capability, and every system call but those that it names. Sockets,
 * where it names them, are the Internet's: none of another family, by which more of the host could be reached than it has use for.
 */
#include "init/init.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sys/socket.h>

#define CALLS_MAX 64
#define EXTRA 11

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#else
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif

void shed_all_but(const uint16_t *calls, unsigned int n)
{
	static struct sock_filter filter[CALLS_MAX + EXTRA];
	struct sock_fprog program = { .len = (unsigned short) (n + EXTRA), .filter = filter };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	unsigned int at = 0;

	filter[at++] = (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	filter[at++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0);
	filter[at++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	filter[at++] = (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (unsigned int i = 0; i < n; i++)
		filter[at++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i],
							     (uint8_t) (n - i + (calls[i] == SYS_socket ? 1 : 0)), 0);
	filter[at++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	filter[at++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	/* The low word of the family, which is an int: both our machines have it first. */
	filter[at++] = (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]));
	filter[at++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 2, 0);
	filter[at++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 1, 0);
	filter[at++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	filter[at++] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	memset(data, 0, sizeof(data));
	sys(SYS_capset, &header, data);
	sys(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	sys(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* Without seccomp in the kernel it does with the rest. */
	sys(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}
