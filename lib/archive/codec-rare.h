/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xz and bzip2: what docker load and import still meet. Behind codec.h; SCOW_E_UNSUPPORTED where the host lacks their library. */
#pragma once

#include <stdbool.h>

#include "archive/codec.h"

struct rare;

int rare_new(enum codec_kind kind, struct rare **out, scow_error **error) _must_check_;
void rare_free(struct rare *rare);
/*
 * Takes from @in what it uses, and makes up to @room bytes of @out; @made of them. At the end of a member @between is set, and another
 * may follow. @last: no input will come any more; then call until nothing is made.
 */
int rare_run(struct rare *rare, const unsigned char **in, size_t *size, unsigned char *out, size_t room, size_t *made, bool *between,
	     bool last, scow_error **error) _must_check_;
