/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/job.h"
#include "runtime/spec.h"

/* Just before the credentials, while the right to raise a priority is there. */
void plan_add_scheduling(struct job *job, const struct spec *spec);
/* By a name on the host, so before anything else. */
void plan_add_resource_class(struct job *job, const struct spec *spec);
