/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Docker-format profiles to BPF. Compiling takes milliseconds, so results are kept: in the
 * engine's ROOT/cache/seccomp/<sha256 of profile, capabilities, kernel, library>.bpf.
 */
#pragma once

#include <linux/filter.h>

#include "engine/engine.h"

/*
 * @profile: Docker's JSON, or NULL for the built-in default. @capabilities: the container's bounding set, which decides
 * the conditional rules. @out: malloc'ed. SCOW_E_INVALID names the bad field; SCOW_E_UNSUPPORTED a missing libseccomp.
 */
int seccomp_compile(scow_engine *engine, const char *profile, uint64_t capabilities, struct sock_filter **out, size_t *count,
		    unsigned int *flags, scow_error **error) _must_check_;
