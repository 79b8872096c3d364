/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hooks that a supervisor runs, in the host's namespaces: before the container goes on, and after its end. (Those of the first
 * start's end are the library's, which may still be asked what became of it.)
 *
 * Those before the program and after its end hold us up, as they are to. One after a restart's start does not: it is run by a child of
 * nobody's, which has none of our descriptors. Nobody is there to hear of its failure.
 */
#include "init/supervisor.h"

#include <errno.h>
#include <linux/sched.h>
#include <sys/socket.h>
#include <sys/wait.h>

static struct plan hooks;

void hooks_open(void *bytes, size_t size)
{
	doing("read the hooks", NULL, NULL, NULL);
	must(plan_decode(bytes, size, &hooks), "decode");
}

/* In their order, until one fails; or (@all) whatever the others do. */
static const struct hook_problem *run_stage(enum wire_stage stage, int pid, bool all)
{
	for (uint32_t i = 0; i < hooks.n_steps; i++) {
		const struct hook_problem *problem;

		if (hooks.steps[i].kind != WIRE_HOOK || hooks.steps[i].number[0] != stage)
			continue;
		problem = hook_run(&hooks, &hooks.steps[i], pid);
		if (problem && !all)
			return problem;
	}
	return NULL;
}

/* The library's program has a word in it. It is there at the first start only. */
static bool ask_library(int pid)
{
	struct wire_report report = { .kind = WIRE_IS_READY, .error = pid };
	char answer = 0;
	long n;

	if (!(supervisor.config.flags & WIRE_SUPERVISE_ASKS) || supervisor.state.first_started)
		return true;
	sys(SYS_sendto, WIRE_FD_SOCKET, &report, sizeof(report), MSG_NOSIGNAL, 0, 0);
	while ((n = sys(SYS_read, WIRE_FD_SOCKET, &answer, 1)) == -EINTR)
		;
	return n == 1 && answer == 1;
}

const struct wire_failure *hooks_before(int pid)
{
	const struct hook_problem *problem;

	if (!ask_library(pid))
		return run_problem("the start was refused", "", 0);
	problem = run_stage(WIRE_STAGE_PRESTART, pid, false);
	if (!problem)
		problem = run_stage(WIRE_STAGE_CREATE_RUNTIME, pid, false);
	return problem ? run_problem(problem->text, problem->call, -problem->error) : NULL;
}

static bool have(enum wire_stage stage)
{
	for (uint32_t i = 0; i < hooks.n_steps; i++)
		if (hooks.steps[i].number[0] == stage)
			return true;
	return false;
}

void hooks_after_restart(int pid)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	long child;

	if (!have(WIRE_STAGE_POSTSTART))
		return;
	child = sys(SYS_clone3, &args, sizeof(args));
	if (child == 0) {
		if (sys(SYS_clone3, &args, sizeof(args)) != 0)
			finish(0);
		/* Above all not the lock, and not the program's stdin. */
		sys(SYS_close_range, WIRE_FD_SOCKET + 1, ~0U, 0);
		run_stage(WIRE_STAGE_POSTSTART, pid, true);
		finish(0);
	}
	while (child > 0 && sys(SYS_wait4, child, 0, __WALL, 0) == -EINTR)
		;
}

void hooks_after_end(void)
{
	run_stage(WIRE_STAGE_POSTSTOP, 0, true);
}
