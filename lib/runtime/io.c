/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where stdin, stdout and stderr go: what the caller asked for becomes three descriptors for the child and
 * up to three for us.
 *
 * 1. Pipes, never sockets: a program must be able to open /dev/stdout again, which a socket refuses (ENXIO).
 * 2. Only our ends are non-blocking. That is a property of each end, so the child does not see it.
 * 3. A write into a pipe without a reader raises SIGPIPE in the writing thread, and its disposition is the
 *    host's. The signal is blocked in this thread around the write and taken back if the write made it; that,
 *    and the moment of the clone in base/spawn.c, are the only places where a signal mask is touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "runtime/process.h"

#define ROWS_DEFAULT 24
#define COLUMNS_DEFAULT 80
#define FIRST_PASSED 3
#define LAST_PASSED 511
#define WINDOW_MAX 65535 /* struct winsize has shorts */

struct scow_io {
	int fds[3]; /* the caller's, or -1 */
	bool inherited[3];
	scow_output_fn output;
	void *output_data;
	size_t capture_limit;
	bool input;
	struct spec_fd passed[WIRE_PASS_MAX];
	size_t n_passed;
	unsigned int listen;
	unsigned int rows, columns;
	const char *problem; /* the first bad value, reported by the start */
};

scow_io *scow_io_new(void)
{
	scow_io *io = calloc(1, sizeof(*io));

	if (io)
		*io = (scow_io){ .fds = { -1, -1, -1 }, .rows = ROWS_DEFAULT, .columns = COLUMNS_DEFAULT };
	return io;
}

scow_io *scow_io_unref(scow_io *io)
{
	free(io);
	return NULL;
}

static void refuse(scow_io *io, const char *problem)
{
	if (!io->problem)
		io->problem = problem;
}

void scow_io_set_fd(scow_io *io, scow_stream stream, int fd)
{
	if (!io)
		return;
	if (stream != SCOW_STDIN && stream != SCOW_STDOUT && stream != SCOW_STDERR)
		refuse(io, "scow_io_set_fd: no such stream");
	else if (fd < 0)
		refuse(io, "scow_io_set_fd: a negative descriptor");
	else {
		io->fds[stream] = fd;
		io->inherited[stream] = false;
	}
}

void scow_io_set_inherit(scow_io *io)
{
	if (!io)
		return;
	for (int stream = SCOW_STDIN; stream <= SCOW_STDERR; stream++) {
		io->fds[stream] = stream;
		io->inherited[stream] = true;
	}
}

/*
 * In a host that was started without its streams the numbers 0, 1 and 2 go to what is opened first, which may be a directory of the
 * store: that is not for the container (CVE-2024-21626). All that a library opens is close-on-exec, and a stream never is.
 */
static bool is_stream(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	return flags >= 0 && !(flags & FD_CLOEXEC);
}

void scow_io_set_output(scow_io *io, scow_output_fn output, void *userdata)
{
	if (!io)
		return;
	io->output = output;
	io->output_data = userdata;
}

void scow_io_set_capture(scow_io *io, size_t limit_bytes)
{
	if (io)
		io->capture_limit = limit_bytes;
}

void scow_io_set_input(scow_io *io, int open)
{
	if (io)
		io->input = open != 0;
}

void scow_io_set_window(scow_io *io, unsigned int rows, unsigned int columns)
{
	if (!io)
		return;
	if (rows > WINDOW_MAX || columns > WINDOW_MAX)
		refuse(io, "scow_io_set_window: more than 65535 rows or columns");
	io->rows = rows;
	io->columns = columns;
}

void scow_io_pass_fd(scow_io *io, int number, int fd)
{
	if (!io)
		return;
	if (number < FIRST_PASSED || number > LAST_PASSED)
		return refuse(io, "scow_io_pass_fd: a number that is not from 3 to 511");
	if (fd < 0)
		return refuse(io, "scow_io_pass_fd: a negative descriptor");
	for (size_t i = 0; i < io->n_passed; i++)
		if (io->passed[i].number == number)
			return refuse(io, "scow_io_pass_fd: one number twice");
	if (io->n_passed == WIRE_PASS_MAX)
		return refuse(io, "scow_io_pass_fd: more than 64 descriptors");
	io->passed[io->n_passed++] = (struct spec_fd){ number, fd };
}

void scow_io_set_listen(scow_io *io, unsigned int count)
{
	if (io)
		io->listen = count;
}

static int take_passed(const scow_io *io, struct io_setup *out, scow_error **error)
{
	unsigned int in_range = 0;

	for (size_t i = 0; i < io->n_passed; i++) {
		const struct spec_fd *passed = &io->passed[i];

		if (fcntl(passed->fd, F_GETFD) < 0)
			return error_errno_status(error, SCOW_E_INVALID, errno, "fcntl", "pass on descriptor %d", passed->fd);
		in_range += (unsigned int) passed->number - FIRST_PASSED < io->listen;
		out->fds[out->n_fds++] = *passed;
	}
	if (in_range != io->listen)
		return error_set(error, SCOW_E_INVALID, "%u sockets to serve from descriptor 3 on, of which %u are passed", io->listen,
				 in_range);
	out->listen = io->listen;
	return 0;
}

int io_setup_detached(const scow_io *io, struct io_setup *out, scow_error **error)
{
	*out = (struct io_setup){ .child_fds = { -1, -1, -1 }, .our_stdin = -1, .our_stdout = -1, .our_stderr = -1 };
	if (!io)
		return 0;
	if (io->problem)
		return error_set(error, SCOW_E_INVALID, "%s", io->problem);
	if (io->output || io->capture_limit || io->fds[SCOW_STDIN] >= 0 || io->fds[SCOW_STDOUT] >= 0 || io->fds[SCOW_STDERR] >= 0)
		return error_hint(error, error_set(error, SCOW_E_INVALID, "a detached container's streams are its supervisor's"),
				  "attach to it, or read its log");
	return take_passed(io, out, error);
}

static bool is_variable(const char *entry, const char *name)
{
	size_t n = strlen(name);

	return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

/* Whatever they were before. */
static int set_listen(struct spec *spec, unsigned int count, scow_error **error)
{
	char **env = arena_alloc(&spec->arena, (spec->n_env + 3) * sizeof(*env));
	size_t n = 0;

	if (!env)
		return error_oom(error);
	for (size_t i = 0; i < spec->n_env; i++)
		if (!is_variable(spec->env[i], "LISTEN_FDS") && !is_variable(spec->env[i], "LISTEN_PID"))
			env[n++] = spec->env[i];
	env[n++] = arena_printf(&spec->arena, "LISTEN_FDS=%u", count);
	env[n++] = arena_strdup(&spec->arena, "LISTEN_PID=");
	spec->env = env;
	spec->n_env = n;
	spec->listens = true;
	return arena_failed(&spec->arena) ? error_oom(error) : 0;
}

int io_setup_pass(const struct io_setup *setup, struct spec *spec, scow_error **error)
{
	spec->fds = setup->fds;
	spec->n_fds = setup->n_fds;
	return setup->listen ? set_listen(spec, setup->listen, error) : 0;
}

/* A pipe of which the child gets one end and we the other, ours non-blocking. */
static int open_pipe(struct io_setup *setup, int stream, int *ours, scow_error **error)
{
	int child = stream == SCOW_STDIN ? 0 : 1, fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(error, errno, "pipe2", "make a pipe for the process's output");
	setup->child_fds[stream] = fds[child];
	setup->owned[stream] = true;
	*ours = fds[!child];
	r = fd_set_nonblock(*ours, true);
	return r < 0 ? error_errno(error, -r, "fcntl", "prepare a pipe") : 0;
}

static int open_null(struct io_setup *setup, int stream, scow_error **error)
{
	int fd = open("/dev/null", (stream == SCOW_STDIN ? O_RDONLY : O_WRONLY) | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return error_errno(error, errno, "open", "open '/dev/null'");
	setup->child_fds[stream] = fd;
	setup->owned[stream] = true;
	return 0;
}

static int open_terminal_setup(const scow_io *io, scow_error **error)
{
	for (int stream = 0; stream < 3; stream++)
		if (io->fds[stream] >= 0)
			return error_hint(error,
					  error_set(error, SCOW_E_INVALID,
						    "a container with a terminal of its own cannot use descriptor %d", io->fds[stream]),
					  "copy to and from scow_process_terminal_fd(), or give it no terminal");
	return 0;
}

int io_setup_open(const scow_io *io, bool terminal, bool open_stdin, struct io_setup *out, scow_error **error)
{
	static const scow_io nothing = { .fds = { -1, -1, -1 }, .rows = ROWS_DEFAULT, .columns = COLUMNS_DEFAULT };
	bool piped;
	int r = 0;

	*out = (struct io_setup){ .child_fds = { -1, -1, -1 }, .our_stdin = -1, .our_stdout = -1, .our_stderr = -1 };
	if (!io)
		io = &nothing;
	if (io->problem)
		return error_set(error, SCOW_E_INVALID, "%s", io->problem);
	out->rows = io->rows;
	out->columns = io->columns;
	out->output = io->output;
	out->output_data = io->output_data;
	out->capture_limit = io->capture_limit;
	r = take_passed(io, out, error);
	if (r < 0)
		return r;
	if (terminal)
		return open_terminal_setup(io, error);

	piped = io->output || io->capture_limit;
	for (int stream = 0; stream < 3 && r == 0; stream++) {
		int *ours = stream == SCOW_STDIN ? &out->our_stdin : stream == SCOW_STDOUT ? &out->our_stdout : &out->our_stderr;

		if (io->inherited[stream] && !is_stream(stream))
			r = open_null(out, stream, error);
		else if (io->fds[stream] >= 0)
			out->child_fds[stream] = io->fds[stream];
		else if (stream == SCOW_STDIN ? io->input || open_stdin : piped)
			r = open_pipe(out, stream, ours, error);
		else
			r = open_null(out, stream, error);
	}
	return r;
}

int io_setup_attach(const scow_io *io, struct io_setup *out, scow_error **error)
{
	*out = (struct io_setup){ .child_fds = { -1, -1, -1 }, .our_stdin = -1, .our_stdout = -1, .our_stderr = -1 };
	if (!io)
		return 0;
	if (io->problem)
		return error_set(error, SCOW_E_INVALID, "%s", io->problem);
	if (io->fds[SCOW_STDIN] >= 0)
		return error_hint(error,
				  error_set(error, SCOW_E_INVALID, "descriptor %d cannot be the stdin of what runs already", io->fds[0]),
				  "read it, and hand on what it has with scow_process_write()");
	out->output = io->output;
	out->output_data = io->output_data;
	out->capture_limit = io->capture_limit;
	for (int stream = SCOW_STDOUT; stream <= SCOW_STDERR; stream++) {
		int *ours = stream == SCOW_STDOUT ? &out->our_stdout : &out->our_stderr;

		if (io->fds[stream] < 0 || (io->inherited[stream] && !is_stream(stream)))
			continue;
		*ours = fcntl(io->fds[stream], F_DUPFD_CLOEXEC, 3);
		if (*ours < 0)
			return error_errno(error, errno, "fcntl", "keep descriptor %d for output", io->fds[stream]);
	}
	return 0;
}

void io_setup_close_child(struct io_setup *setup)
{
	for (int stream = 0; stream < 3; stream++) {
		if (setup->owned[stream])
			cleanup_fd(&setup->child_fds[stream]);
		setup->owned[stream] = false;
		setup->child_fds[stream] = -1;
	}
}

void io_setup_done(struct io_setup *setup)
{
	io_setup_close_child(setup);
	cleanup_fd(&setup->our_stdin);
	cleanup_fd(&setup->our_stdout);
	cleanup_fd(&setup->our_stderr);
	setup->our_stdin = setup->our_stdout = setup->our_stderr = -1;
}

ssize_t pipe_write(int fd, const void *data, size_t size)
{
	static const struct timespec now = { 0 };
	sigset_t pipe_only, pending, saved;
	bool was_pending;
	ssize_t n;
	int errnum;

	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	/* One that is pending already is the host's: it must stay, and ours would merge with it. */
	was_pending = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_only, &saved);
	n = write(fd, data, size);
	errnum = errno;
	if (n < 0 && errnum == EPIPE && !was_pending)
		while (sigtimedwait(&pipe_only, NULL, &now) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	return n < 0 ? -errnum : n;
}
