/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of a plan by which the program's scheduling is set. */
#include "runtime/plan-scheduling.h"

#include "base/cleanup.h"

static struct wire_step *add_named(struct job *job, enum wire_kind kind, const char *name)
{
	struct wire_step *step = job_step(job, kind, 0);

	job_text(job, step, 0, name);
	return step;
}

/* Without the words that are all zeros at the end: the kernel may know fewer. */
static size_t bits_size(const struct spec_bits *bits)
{
	size_t n = ARRAY_SIZE(bits->words);

	while (n > 1 && !bits->words[n - 1])
		n--;
	return n * sizeof(bits->words[0]);
}

static void add_scheduler(struct job *job, const struct spec_scheduler *scheduler)
{
	const struct wire_scheduler attr = {
		.size = sizeof(attr),
		.policy = scheduler->policy,
		.flags = scheduler->flags,
		.nice = scheduler->nice,
		.priority = scheduler->priority,
		.runtime = scheduler->runtime_ns,
		.deadline = scheduler->deadline_ns,
		.period = scheduler->period_ns,
	};

	job_blob(job, add_named(job, WIRE_SCHEDULER, scheduler->name), &attr, sizeof(attr));
}

static void add_memory_policy(struct job *job, const struct spec_memory_policy *policy)
{
	struct wire_step *step = add_named(job, WIRE_MEMORY_POLICY, policy->name);

	job_text(job, step, 1, policy->nodes);
	step->number[0] = policy->mode;
	if (policy->nodes)
		job_blob(job, step, policy->bits.words, bits_size(&policy->bits));
}

void plan_add_scheduling(struct job *job, const struct spec *spec)
{
	if (spec->memory_policy)
		add_memory_policy(job, spec->memory_policy);
	if (spec->affinity_name)
		job_blob(job, add_named(job, WIRE_AFFINITY, spec->affinity_name), spec->affinity.words, bits_size(&spec->affinity));
	if (spec->io_priority_name)
		add_named(job, WIRE_IO_PRIORITY, spec->io_priority_name)->number[0] = spec->io_priority;
	/* The last: what is idle, or has used up its time, would take long over the others. */
	if (spec->scheduler)
		add_scheduler(job, spec->scheduler);
}

void plan_add_resource_class(struct job *job, const struct spec *spec)
{
	if (spec->resctrl_tasks)
		add_named(job, WIRE_CGROUP_JOIN, spec->resctrl_tasks);
}
