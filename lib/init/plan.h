/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A plan read back. Hosted code may use it as well: the unit test and the fuzzer do. */
#pragma once

#include <stddef.h>

#include "init/wire.h"

struct plan {
	const struct wire_step *steps;
	uint32_t n_steps, n_slots, data_size, strings_size;
	char **slots;
	const unsigned char *data;
	char *strings;
};

/* The size that a header announces, or 0 if it is none of ours. */
size_t plan_size(const struct wire_plan *header);
/* Checks everything and turns slots into pointers, in place. @bytes is aligned to 8. 0 or -EINVAL. */
int plan_decode(void *bytes, size_t size, struct plan *out);

/* NULL for none. */
const char *plan_text(const struct plan *plan, const struct wire_step *step, unsigned int index);
/* NULL-terminated; an empty one for none. */
char **plan_vector(const struct plan *plan, const struct wire_step *step, unsigned int index);
const void *plan_blob(const struct plan *plan, const struct wire_step *step);
