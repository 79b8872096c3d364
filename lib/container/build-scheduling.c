/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scheduling settings of a spec. A class of resource control is looked up on the host: it must be there, this library makes none. */
#include <errno.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/str.h"
#include "container/build.h"

#define RESCTRL "/sys/fs/resctrl"
#define RESCTRL_MAGIC 0x7655821

static bool build_scheduler(struct build *b)
{
	const struct config_scheduler *wish = &b->config->scheduler;
	struct spec_scheduler *out;

	if (!wish->policy)
		return true;
	out = arena_alloc(&b->spec->arena, sizeof(*out));
	if (!out)
		return false;
	*out = (struct spec_scheduler){ .name = wish->policy,
					.nice = wish->nice,
					.priority = wish->priority,
					.runtime_ns = wish->runtime_ns,
					.deadline_ns = wish->deadline_ns,
					.period_ns = wish->period_ns };
	(void) scheduler_policy(wish->policy, strlen(wish->policy), &out->policy);
	for (size_t i = 0; i < wish->n_flags; i++) {
		uint64_t bit;

		(void) scheduler_flag(wish->flags[i], strlen(wish->flags[i]), &bit);
		out->flags |= bit;
	}
	b->spec->scheduler = out;
	return true;
}

static bool build_memory_policy(struct build *b)
{
	const struct config_memory_policy *wish = &b->config->memory_policy;
	struct spec_memory_policy *out;

	if (!wish->mode)
		return true;
	out = arena_alloc(&b->spec->arena, sizeof(*out));
	if (!out)
		return false;
	*out = (struct spec_memory_policy){ .name = wish->mode, .nodes = arena_strdup(&b->spec->arena, wish->nodes) };
	(void) memory_mode(wish->mode, strlen(wish->mode), &out->mode);
	for (size_t i = 0; i < wish->n_flags; i++) {
		uint32_t bit;

		(void) memory_flag(wish->flags[i], strlen(wish->flags[i]), &bit);
		out->mode |= bit;
	}
	if (wish->nodes)
		(void) bits_parse(wish->nodes, &out->bits);
	b->spec->memory_policy = out;
	return true;
}

static int build_rdt(struct build *b, scow_error **error)
{
	const char *name = b->config->rdt_class;
	_cleanup_free_ char *path = NULL;
	struct statfs fs;

	if (!name)
		return 0;
	if (statfs(RESCTRL, &fs) < 0 || fs.f_type != RESCTRL_MAGIC)
		return error_hint(error,
				  error_set(error, SCOW_E_UNSUPPORTED,
					    "class of resource control '%s': no resctrl file system is mounted on '" RESCTRL "'", name),
				  "on a CPU with Intel RDT, AMD QoS or Arm MPAM: mount -t resctrl resctrl " RESCTRL);
	path = strf(RESCTRL "/%s/tasks", name);
	if (!path)
		return error_oom(error);
	if (access(path, W_OK) < 0)
		return error_errno(error, errno, "access", "use the class of resource control '%s': '%s'", name, path);
	b->spec->resctrl_tasks = arena_strdup(&b->spec->arena, path);
	return 0;
}

int build_scheduling(struct build *b, scow_error **error)
{
	const scow_container_config *config = b->config;
	struct spec *spec = b->spec;

	if (config->io_class) {
		uint32_t number = 0;

		spec->io_priority_name = io_class(config->io_class, strlen(config->io_class), &number);
		spec->io_priority = number << 13 | config->io_level;
	}
	if (!build_scheduler(b) || !build_memory_policy(b))
		return error_oom(error);
	return build_rdt(b, error);
}
