/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Our terminal and our signals while a container runs in front.
 *
 * Without a terminal a container of ours has our own descriptors, and all that is left to do is to pass signals on; that of a
 * supervisor gets and gives copies.
 * With one, ours is in raw mode and bytes are copied; whatever happens, it is put back as it was:
 * 1. signals are read from a descriptor, so none can end us between raw and restored;
 * 2. those that a fault raises have a handler that restores first;
 * 3. SIGTSTP from outside restores, stops, and goes raw again afterwards.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

/* For the fault handler, which has no other way to it. */
static struct termios saved_terminal;
static volatile sig_atomic_t terminal_is_raw;

static void restore_terminal(void)
{
	if (terminal_is_raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_terminal);
	terminal_is_raw = 0;
}

static void restore_and_die(int signal)
{
	if (terminal_is_raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved_terminal);
	raise(signal); /* SA_RESETHAND: the default action now */
}

static void make_raw(void)
{
	struct sigaction action = { .sa_handler = restore_and_die, .sa_flags = (int) SA_RESETHAND };
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &saved_terminal) < 0)
		return;
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
		sigaction(faults[i], &action, NULL);
	raw = saved_terminal;
	cfmakeraw(&raw);
	terminal_is_raw = 1;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

static bool window_size(struct winsize *size)
{
	return (ioctl(STDOUT_FILENO, TIOCGWINSZ, size) == 0 || ioctl(STDIN_FILENO, TIOCGWINSZ, size) == 0) && size->ws_row && size->ws_col;
}

static void write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n > 0) {
			data += n;
			size -= (size_t) n;
		} else if (n < 0 && errno == EAGAIN) {
			poll(&(struct pollfd){ fd, POLLOUT, 0 }, 1, -1);
		} else if (n >= 0 || errno != EINTR) {
			return; /* nobody reads us any more: the program goes on, as under docker */
		}
	}
}

static void forward_output(int stream, const void *data, size_t size, void *userdata)
{
	const bool *hide = userdata;

	if (!hide[stream == SCOW_STDERR])
		write_all(stream == SCOW_STDERR ? STDERR_FILENO : STDOUT_FILENO, data, size);
}

/* Everything but what a fault raises, and what only concerns us. */
static int hold_signals(void)
{
	static const int not_held[] = { SIGCHLD, SIGURG, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS };
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < sizeof not_held / sizeof *not_held; i++)
		sigdelset(&set, not_held[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigdelset(&set, SIGPIPE); /* stays blocked: writes then fail by EPIPE */
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

bool attach_prepare(struct attachment *attachment, scow_io *io, int *code)
{
	struct winsize size;

	if (attachment->tty && attachment->interactive && !isatty(STDIN_FILENO)) {
		complain("the input device is not a TTY");
		*code = 1;
		return false;
	}
	if (attachment->tty || attachment->remote) {
		scow_io_set_output(io, forward_output, attachment->hide);
		scow_io_set_input(io, attachment->interactive || !attachment->remote);
		if (window_size(&size))
			scow_io_set_window(io, size.ws_row, size.ws_col);
	} else {
		/* Our own descriptors: nothing is copied. */
		if (!attachment->hide[0])
			scow_io_set_fd(io, SCOW_STDOUT, STDOUT_FILENO);
		if (!attachment->hide[1])
			scow_io_set_fd(io, SCOW_STDERR, STDERR_FILENO);
		if (attachment->interactive)
			scow_io_set_fd(io, SCOW_STDIN, STDIN_FILENO);
	}
	attachment->signal_fd = hold_signals();
	if (attachment->signal_fd < 0) {
		complain("signalfd: %s", strerror(errno));
		*code = EXIT_ENGINE;
	}
	return attachment->signal_fd >= 0;
}

bool attach_window(unsigned int *rows, unsigned int *columns)
{
	struct winsize size;

	if (!window_size(&size))
		return false;
	*rows = size.ws_row;
	*columns = size.ws_col;
	return true;
}

static void resize(scow_process *process)
{
	struct winsize size;

	if (window_size(&size))
		(void) scow_process_resize(process, size.ws_row, size.ws_col, NULL);
}

void attach_resize(const struct attachment *attachment, scow_process *process)
{
	if (attachment->tty)
		resize(process);
}

/* Stopped from outside, as by `kill -TSTP`: the shell gets its terminal back, and the container goes on. */
static void stop_ourselves(scow_process *process)
{
	restore_terminal();
	raise(SIGSTOP);
	make_raw();
	resize(process);
}

/* 1 while we go on. */
static int take_signal(struct attachment *attachment, scow_process *process, int signal)
{
	bool raw = attachment->tty && attachment->interactive;

	if (signal == SIGWINCH) {
		if (attachment->tty)
			resize(process);
		return 1;
	}
	if (signal == SIGCONT && raw) {
		resize(process);
		return 1;
	}
	if (signal == SIGTSTP && raw) {
		stop_ourselves(process);
		return 1;
	}
	if (!raw && attachment->proxy) {
		(void) scow_process_signal(process, signal, NULL);
		return 1;
	}
	/* Keys make no signals in raw mode: this one comes from outside and means us. */
	if (signal == SIGTERM || signal == SIGHUP || signal == SIGINT || signal == SIGQUIT) {
		attachment->ended_by = signal;
		return 0;
	}
	return 1;
}

static int take_signals(struct attachment *attachment, scow_process *process)
{
	struct signalfd_siginfo info;
	int more = 1;

	while (more && read(attachment->signal_fd, &info, sizeof info) == (ssize_t) sizeof info)
		more = take_signal(attachment, process, (int) info.ssi_signo);
	return more;
}

/* 1 while we go on. */
static int take_input(struct attachment *attachment, struct pollfd *input, scow_process *process)
{
	char keys[4096], rest[sizeof keys + DETACH_KEYS_MAX], *text = keys;
	ssize_t n = read(STDIN_FILENO, keys, sizeof keys);
	size_t size = n > 0 ? (size_t) n : 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 1;
	if (size && attachment->keys.count) {
		attachment->left = detach_keys_filter(&attachment->keys, keys, size, rest, &size);
		text = rest;
		if (!size)
			return !attachment->left; /* held back; and a write of nothing would be the end of file */
	}
	/* A terminal that is not ours at the moment gives no end of file. */
	if (attachment->remote && (n < 0 || (n == 0 && attachment->keeps_stdin)))
		input->fd = -1;
	else if (scow_process_write(process, text, size, NULL) < 0 || n <= 0)
		input->fd = -1;
	return !attachment->left;
}

static int copy_loop(struct attachment *attachment, scow_process *process, scow_error **error)
{
	struct pollfd fds[] = {
		{ scow_process_fd(process), POLLIN, 0 },
		{ attachment->signal_fd, POLLIN, 0 },
		{ (attachment->tty || attachment->remote) && attachment->interactive ? STDIN_FILENO : -1, POLLIN, 0 },
	};
	int more = 1;

	while (more > 0) {
		if (poll(fds, 3, -1) < 0)
			continue; /* EINTR */
		if (fds[1].revents && !take_signals(attachment, process))
			return SCOW_E_CANCELED;
		if (fds[2].revents && !take_input(attachment, &fds[2], process))
			return SCOW_E_CANCELED;
		/* The write above may have taken what made the process's descriptor readable. */
		if (fds[0].revents || fds[2].revents)
			more = scow_process_dispatch(process, error);
	}
	return more;
}

int attach_wait(struct attachment *attachment, scow_process *process, scow_error **error)
{
	int r;

	if (attachment->tty && attachment->interactive)
		make_raw();
	r = copy_loop(attachment, process, error);
	restore_terminal();
	close(attachment->signal_fd);
	return r < 0 ? r : scow_process_exit_code(process);
}
