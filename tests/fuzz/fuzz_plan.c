/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* scow-init's plan decoder: whatever it accepts must be readable to the end of every string, vector and blob. */
#include <stdlib.h>
#include <string.h>

#include "init/plan.c" /* NOLINT: the helper's file, built here for the host */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile size_t seen;

static void read_vector(char **vector)
{
	for (; *vector; vector++)
		seen += strlen(*vector);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *copy = malloc(size ? size : 1);
	struct plan plan;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	if (plan_decode(copy, size, &plan) == 0) {
		for (uint32_t i = 0; i < plan.n_steps; i++) {
			const struct wire_step *step = &plan.steps[i];
			const unsigned char *blob = plan_blob(&plan, step);

			for (unsigned int t = 0; t < WIRE_TEXTS; t++)
				if (plan_text(&plan, step, t))
					seen += strlen(plan_text(&plan, step, t));
			for (unsigned int v = 0; v < WIRE_VECTORS; v++)
				read_vector(plan_vector(&plan, step, v));
			for (uint32_t b = 0; b < step->blob_size; b++)
				seen += blob[b];
		}
	}
	free(copy);
	return 0;
}
