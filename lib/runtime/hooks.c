/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * OCI's hooks: as steps of a plan, as a supervisor's orders, and as errands of a scow-init of their own. That one runs them, and not
 * this process, so that all that they need (time limits, their output, no handles of the host's) is in one place.
 */
#include "runtime/hooks.h"

#include <fcntl.h>
#include <unistd.h>

#include <scow/log.h>

#include "base/cleanup.h"

bool hooks_have(const struct spec_hooks *hooks, enum wire_stage stage)
{
	for (size_t i = 0; i < hooks->n; i++)
		if (hooks->items[i].stage == (unsigned int) stage)
			return true;
	return false;
}

static void add_hook(struct job *job, const struct spec_hooks *hooks, const struct spec_hook *hook, pid_t pid)
{
	struct wire_step *step = job_step(job, WIRE_HOOK, 0);
	char *const name[] = { (char *) hook->path, NULL };

	job_text(job, step, 0, hook->path);
	job_text(job, step, 1, hooks->state);
	job_vector(job, step, 0, hook->n_args ? hook->args : name, hook->n_args ? hook->n_args : 1, 0);
	job_vector(job, step, 1, hook->env, hook->n_env, 0);
	step->number[0] = hook->stage;
	step->number[1] = hook->timeout_ms;
	step->number[2] = (uint64_t) pid;
}

void hooks_compile(struct job *job, const struct spec_hooks *hooks, enum wire_stage stage, pid_t pid)
{
	for (size_t i = 0; i < hooks->n; i++)
		if (hooks->items[i].stage == (unsigned int) stage)
			add_hook(job, hooks, &hooks->items[i], pid);
}

int hooks_bytes(const struct spec_hooks *hooks, void **out, size_t *size, scow_error **error)
{
	static const enum wire_stage stages[] = { WIRE_STAGE_PRESTART, WIRE_STAGE_CREATE_RUNTIME, WIRE_STAGE_POSTSTART,
						  WIRE_STAGE_POSTSTOP };
	_cleanup_job_ struct job job = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(stages); i++)
		hooks_compile(&job, hooks, stages[i], 0);
	*out = NULL;
	*size = 0;
	return job.steps.size ? job_bytes(&job, out, size, error) : 0;
}

static int run_job(scow_engine *engine, struct job *job, scow_error **error)
{
	struct job_process process = { .cgroup_fd = -1 };
	_cleanup_fd_ int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int status, r;

	if (null_fd < 0)
		return error_errno(error, errno, "open", "open /dev/null");
	for (int i = 0; i < 3; i++)
		process.fds[process.n_fds++] = (struct spawn_fd){ null_fd, i };
	r = job_run(engine, job, &process, error);
	if (r < 0)
		return r;
	r = spawn_wait(process.pidfd, &status, error);
	close(process.pidfd);
	/* Without a report it has done its part, unless somebody killed it. -1: the host took the status. */
	if (r == 0 && status != 0 && status != -1)
		return error_set(error, SCOW_E_FAILED, "run the container's hooks: their process was killed");
	return r;
}

int hooks_run(scow_engine *engine, const struct spec_hooks *hooks, enum wire_stage stage, pid_t pid, scow_error **error)
{
	_cleanup_job_ struct job job = { 0 };

	hooks_compile(&job, hooks, stage, pid);
	return job.steps.size ? run_job(engine, &job, error) : 0;
}

void hooks_run_all(scow_engine *engine, const char *id, const struct spec_hooks *hooks, enum wire_stage stage, pid_t pid)
{
	for (size_t i = 0; i < hooks->n; i++) {
		_cleanup_job_ struct job job = { 0 };
		scow_error *failure = NULL;

		if (hooks->items[i].stage != (unsigned int) stage)
			continue;
		add_hook(&job, hooks, &hooks->items[i], pid);
		if (run_job(engine, &job, &failure) < 0)
			engine_log(engine, SCOW_LOG_WARNING, "container %.12s: %s", id, scow_error_message(failure));
		scow_error_unref(failure);
	}
}
