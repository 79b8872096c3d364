/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A seccomp profile from a stranger: read, and every tenth built, which must fit the kernel and end in a return. */
#include <stdint.h>
#include <stdlib.h>

#include "runtime/seccomp-internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seccomp_profile profile;
	struct sock_filter *insns = NULL;
	static unsigned int turn;
	size_t count = 0;

	if (size < 1)
		return 0;
	/* The first byte: the container's capabilities. */
	if (seccomp_profile_parse((const char *) data + 1, size - 1, data[0] * UINT64_C(0x0101010101010101), 6 << 16, &profile, NULL) < 0)
		return 0;
	for (size_t i = 0; i < profile.n_rules; i++)
		if (profile.rules[i].first_name + profile.rules[i].n_names > profile.n_known || !profile.rules[i].n_names)
			abort();
	if (turn++ % 10 == 0 && seccomp_profile_build(&profile, &insns, &count, NULL) == 0) {
		if (count == 0 || count > BPF_MAXINSNS || BPF_CLASS(insns[count - 1].code) != BPF_RET)
			abort();
		for (size_t i = 0; i < count; i++) {
			if (BPF_CLASS(insns[i].code) != BPF_JMP)
				continue;
			if (BPF_OP(insns[i].code) == BPF_JA ? insns[i].k >= count - i - 1
							    : insns[i].jt >= count - i - 1 || insns[i].jf >= count - i - 1)
				abort();
		}
		free(insns);
	}
	seccomp_profile_done(&profile);
	return 0;
}
