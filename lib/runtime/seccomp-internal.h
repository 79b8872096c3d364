/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A profile after reading: only the rules that apply to this container on this host. See: runtime-spec config-linux.md, "Seccomp". */
#pragma once

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct seccomp_arg {
	unsigned int index;
	unsigned int op; /* enum scmp_compare */
	uint64_t value, value_two;
};

struct seccomp_rule {
	size_t first_name, n_names; /* in known[] */
	uint32_t action; /* SCMP_ACT_*, with its errno */
	struct seccomp_arg args[6];
	size_t n_args;
};

struct seccomp_profile {
	struct arena arena;
	uint32_t default_action;
	unsigned int flags; /* SECCOMP_FILTER_FLAG_* */
	uint32_t archs[16]; /* libseccomp's tokens, beside the native one */
	size_t n_archs;
	struct seccomp_rule *rules;
	size_t n_rules;
	/* All names, also of rules that do not apply: what the profile's author knew of. */
	const char **known;
	size_t n_known;
};

/* The machine this library is built for, in Docker's words and in the profile's. */
#if defined(__x86_64__) && defined(__ILP32__)
#define SECCOMP_MACHINE "x32"
#define SECCOMP_ARCH	"SCMP_ARCH_X32"
#elif defined(__x86_64__)
#define SECCOMP_MACHINE "amd64"
#define SECCOMP_ARCH	"SCMP_ARCH_X86_64"
#elif defined(__i386__)
#define SECCOMP_MACHINE "x86"
#define SECCOMP_ARCH	"SCMP_ARCH_X86"
#elif defined(__aarch64__)
#define SECCOMP_MACHINE "arm64"
#define SECCOMP_ARCH	"SCMP_ARCH_AARCH64"
#elif defined(__arm__)
#define SECCOMP_MACHINE "arm"
#define SECCOMP_ARCH	"SCMP_ARCH_ARM"
#elif defined(__powerpc64__)
#define SECCOMP_MACHINE "ppc64le"
#define SECCOMP_ARCH	"SCMP_ARCH_PPC64LE"
#elif defined(__s390x__)
#define SECCOMP_MACHINE "s390x"
#define SECCOMP_ARCH	"SCMP_ARCH_S390X"
#elif defined(__riscv)
#define SECCOMP_MACHINE "riscv64"
#define SECCOMP_ARCH	"SCMP_ARCH_RISCV64"
#else
#define SECCOMP_MACHINE "other"
#define SECCOMP_ARCH	"SCMP_ARCH_NATIVE"
#endif

/* @capabilities: of the container; @kernel: major << 16 | minor. SCOW_E_INVALID names the field. */
int seccomp_profile_parse(const char *text, size_t size, uint64_t capabilities, unsigned int kernel, struct seccomp_profile *out,
			  scow_error **error) _must_check_;
void seccomp_profile_done(struct seccomp_profile *profile);

/* seccomp_build.c: through libseccomp. @out: malloc'ed. */
int seccomp_profile_build(const struct seccomp_profile *profile, struct sock_filter **out, size_t *count, scow_error **error) _must_check_;
