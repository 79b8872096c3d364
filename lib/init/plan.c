/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads a plan back. Its regions are laid out so that a few comparisons are the whole proof (wire.h): once the last string
 * byte and the last slot are known to be 0, an index that is in range can only lead to something terminated.
 */
#include "init/plan.h"

#include <errno.h>
#include <stdbool.h>

_Static_assert(sizeof(char *) == sizeof(uint64_t), "a slot holds a pointer");

size_t plan_size(const struct wire_plan *header)
{
	uint64_t size = sizeof(*header);

	size += (uint64_t) header->n_steps * sizeof(struct wire_step) + (uint64_t) header->n_slots * sizeof(uint64_t);
	size += (uint64_t) header->data_size + header->strings_size;
	if (header->magic != WIRE_MAGIC || size != header->size || size > WIRE_PLAN_BYTES_MAX)
		return 0;
	return (size_t) size;
}

static bool step_valid(const struct plan *plan, const struct wire_step *step)
{
	if (step->kind >= WIRE_KINDS)
		return false;
	for (unsigned int i = 0; i < WIRE_TEXTS; i++)
		if (step->text[i] >= plan->strings_size)
			return false;
	for (unsigned int i = 0; i < WIRE_VECTORS; i++)
		if (step->vector[i] >= plan->n_slots)
			return false;
	return step->blob <= plan->data_size && step->blob_size <= plan->data_size - step->blob && step->blob % 8 == 0;
}

int plan_decode(void *bytes, size_t size, struct plan *out)
{
	const struct wire_plan *header = bytes;
	unsigned char *at = bytes;
	uint64_t *slots;

	if (size < sizeof(*header) || plan_size(header) != size || !header->n_slots || !header->strings_size || header->data_size % 8)
		return -EINVAL;
	out->n_steps = header->n_steps;
	out->n_slots = header->n_slots;
	out->data_size = header->data_size;
	out->strings_size = header->strings_size;
	at += sizeof(*header);
	out->steps = (const void *) at;
	at += (size_t) header->n_steps * sizeof(struct wire_step);
	slots = (void *) at;
	out->slots = (void *) at;
	at += (size_t) header->n_slots * sizeof(uint64_t);
	out->data = at;
	out->strings = (char *) at + header->data_size;

	if (out->strings[0] || out->strings[out->strings_size - 1] || slots[0] || slots[out->n_slots - 1])
		return -EINVAL;
	for (uint32_t i = 0; i < out->n_slots; i++)
		if (slots[i] >= out->strings_size)
			return -EINVAL;
	for (uint32_t i = 0; i < out->n_steps; i++)
		if (!step_valid(out, &out->steps[i]))
			return -EINVAL;
	for (uint32_t i = 0; i < out->n_slots; i++)
		if (slots[i])
			out->slots[i] = out->strings + slots[i];
	return 0;
}

const char *plan_text(const struct plan *plan, const struct wire_step *step, unsigned int index)
{
	return step->text[index] ? plan->strings + step->text[index] : NULL;
}

char **plan_vector(const struct plan *plan, const struct wire_step *step, unsigned int index)
{
	return plan->slots + step->vector[index];
}

const void *plan_blob(const struct plan *plan, const struct wire_step *step)
{
	return step->blob_size ? plan->data + step->blob : NULL;
}
