/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What others have a part in when a container starts: hooks (--hook), and descriptors that are passed on (--preserve-fds, and sockets that
 * a service manager gave us).
 */
#include "cli.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST 3

static bool bad(const char *flag, const char *value, const char *why)
{
	complain("invalid argument \"%s\" for \"--%s\" flag: %s", value, flag, why);
	return false;
}

/* ---- hooks ---- */

bool hook_stage_parse(const char *name, scow_hook_stage *stage)
{
	static const char *const names[] = { "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop" };

	for (unsigned int i = 0; i < sizeof names / sizeof *names; i++) {
		*stage = (scow_hook_stage) i;
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/* STAGE=PATH[,ARG...]: the arguments after the program's own name, which is its path. */
static bool configure_hook(scow_container_config *config, const char *text)
{
	const char *rest, *name = keep_split(text, '=', &rest);
	struct list args = { NULL, 0 };
	scow_hook_stage stage;

	if (!rest || !hook_stage_parse(name, &stage))
		return bad("hook", text,
			   "write it as STAGE=PATH[,ARG...]; stages are prestart, createRuntime, createContainer, "
			   "startContainer, poststart and poststop");
	while (rest)
		list_add(&args, keep_split(rest, ',', &rest));
	scow_container_config_add_hook(config, stage, args.items[0], args.items, NULL, 0);
	return true;
}

bool hooks_configure(scow_container_config *config, const struct run_options *options)
{
	for (size_t i = 0; i < options->annotations.count; i++) {
		const char *value, *name = keep_split(options->annotations.items[i], '=', &value);

		scow_container_config_add_annotation(config, name, value ? value : "");
	}
	for (size_t i = 0; i < options->hooks.count; i++)
		if (!configure_hook(config, options->hooks.items[i]))
			return false;
	return true;
}

/* ---- descriptors ---- */

/* Ours by inheritance. What the library has opened is closed at an exec; that is how the two are told apart. */
static bool is_inherited(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	return flags >= 0 && !(flags & FD_CLOEXEC);
}

static bool pass(scow_io *io, int64_t fd, const char *flag)
{
	if (fd > 1 << 20 || !is_inherited((int) fd)) {
		complain("--%s: descriptor %lld is not open", flag, (long long) fd);
		return false;
	}
	scow_io_pass_fd(io, (int) fd, (int) fd);
	return true;
}

/* As a service manager says it: only to the process that it has started. */
static int64_t count_listening(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	int64_t pid_number, number;

	if (!pid || !count || !parse_number(pid, &pid_number) || pid_number != getpid() || !parse_number(count, &number) || number < 0)
		return 0;
	return number;
}

bool pass_descriptors(scow_io *io, const struct passing *passing)
{
	int64_t listening = count_listening(), end = FIRST + listening + passing->count.value;
	const char *rest = passing->list;

	if (passing->count.value < 0)
		return bad("preserve-fds", "-1", "it must not be negative");
	for (int64_t fd = FIRST; fd < end; fd++)
		if (!pass(io, fd, fd < FIRST + listening ? "preserve-fds (LISTEN_FDS)" : "preserve-fds"))
			return false;
	while (rest) {
		const char *one = keep_split(rest, ',', &rest);
		int64_t fd;

		if (!parse_number(one, &fd) || fd < FIRST)
			return bad("preserve-fd", passing->list, "write it as numbers from 3 on, with commas");
		if (fd >= end && !pass(io, fd, "preserve-fd"))
			return false;
	}
	scow_io_set_listen(io, (unsigned int) listening);
	return true;
}
