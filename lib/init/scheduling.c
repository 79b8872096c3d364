/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How the program is scheduled: policy of the CPU, class of i/o, where its memory comes from, on which CPUs it begins.
 * All of it is inherited over execve. These steps come before the credentials, while the rights to raise a priority are still ours.
 * See: sched_setattr(2), ioprio_set(2), set_mempolicy(2), sched_setaffinity(2).
 */
#include "init/init.h"

#include <errno.h>

#define IOPRIO_WHO_PROCESS 1

void step_scheduler(const struct wire_step *step)
{
	struct wire_scheduler attr;

	doing("set the scheduling policy", plan_text(&init.plan, step, 0), NULL, NULL);
	if (step->blob_size != sizeof(attr))
		fail("sched_setattr", -EINVAL);
	memcpy(&attr, plan_blob(&init.plan, step), sizeof(attr));
	must(sys(SYS_sched_setattr, 0, &attr, 0), "sched_setattr");
}

void step_io_priority(const struct wire_step *step)
{
	doing("set the i/o priority", plan_text(&init.plan, step, 0), NULL, NULL);
	must(sys(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, step->number[0]), "ioprio_set");
}

void step_memory_policy(const struct wire_step *step)
{
	doing("set the memory policy", plan_text(&init.plan, step, 0), "on nodes", plan_text(&init.plan, step, 1));
	/* The kernel wants one bit more than there are. */
	must(sys(SYS_set_mempolicy, step->number[0], step->blob_size ? plan_blob(&init.plan, step) : NULL,
		 step->blob_size ? step->blob_size * 8 + 1 : 0),
	     "set_mempolicy");
}

void step_affinity(const struct wire_step *step)
{
	doing("run on the CPUs", plan_text(&init.plan, step, 0), NULL, NULL);
	must(sys(SYS_sched_setaffinity, 0, step->blob_size, plan_blob(&init.plan, step)), "sched_setaffinity");
}
