/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Building plans and having them carried out.
 *
 * The plan is put into the socket before the clone, so that scow-init never waits for it: only at its very end, before the
 * program starts, it waits for the go byte, which says that the guard knows it. In a user namespace nothing works before the id
 * maps are written, so there everything is sent after that.
 */
#include "engine/job.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/fd.h"
#include "engine/guard.h"
#include "engine/helper.h"
#include "engine/strays.h"
#include "engine/trace.h"
#include "engine/userns.h"

void job_done(struct job *job)
{
	str_done(&job->steps);
	str_done(&job->slots);
	str_done(&job->data);
	str_done(&job->strings);
}

static bool job_failed(const struct job *job)
{
	return job->steps.failed || job->slots.failed || job->data.failed || job->strings.failed;
}

struct wire_step *job_step(struct job *job, enum wire_kind kind, uint32_t flags)
{
	static _Thread_local struct wire_step dummy; /* written, never read */
	struct wire_step step = { .kind = (uint32_t) kind, .flags = flags };

	str_add_bytes(&job->steps, &step, sizeof(step));
	if (job->steps.failed) {
		dummy = step;
		return &dummy;
	}
	return (void *) (job->steps.data + job->steps.size - sizeof(step));
}

/* Offset 0 is "none": the first byte of the strings, the first slot. */
static uint32_t add_string(struct job *job, const char *text)
{
	uint32_t at;

	if (!text)
		return 0;
	if (!job->strings.size)
		str_add_char(&job->strings, 0);
	at = (uint32_t) job->strings.size;
	str_add_bytes(&job->strings, text, strlen(text) + 1);
	return at;
}

void job_text(struct job *job, struct wire_step *step, unsigned int index, const char *text)
{
	step->text[index] = add_string(job, text);
}

static void add_slot(struct job *job, uint64_t value)
{
	str_add_bytes(&job->slots, &value, sizeof(value));
}

void job_vector(struct job *job, struct wire_step *step, unsigned int index, char *const *strings, size_t count, size_t spare)
{
	if (!job->slots.size)
		add_slot(job, 0);
	if (!strings && !spare)
		return;
	step->vector[index] = (uint32_t) (job->slots.size / sizeof(uint64_t));
	for (size_t i = 0; i < count; i++)
		add_slot(job, add_string(job, strings[i]));
	for (size_t i = 0; i < spare + 1; i++)
		add_slot(job, 0);
}

void job_blob(struct job *job, struct wire_step *step, const void *data, size_t size)
{
	static const char zeros[8];

	if (!data || !size)
		return;
	step->blob = (uint32_t) job->data.size;
	step->blob_size = (uint32_t) size;
	str_add_bytes(&job->data, data, size);
	str_add_bytes(&job->data, zeros, -size & 7);
}

#define PLAN_PARTS 5

static int plan_parts(struct job *job, struct wire_plan *header, struct iovec parts[PLAN_PARTS], scow_error **error)
{
	struct str *regions[] = { &job->steps, &job->slots, &job->data, &job->strings };
	size_t size = sizeof(*header);

	if (!job->strings.size)
		str_add_char(&job->strings, 0);
	if (!job->slots.size)
		add_slot(job, 0);
	if (job_failed(job))
		return error_oom(error);
	parts[0] = (struct iovec){ header, sizeof(*header) };
	for (size_t i = 0; i < ARRAY_SIZE(regions); i++) {
		parts[i + 1] = (struct iovec){ regions[i]->data, regions[i]->size };
		size += regions[i]->size;
	}
	if (size > WIRE_PLAN_BYTES_MAX)
		return error_set(error, SCOW_E_LIMIT, "a launch plan of more than %u MiB", WIRE_PLAN_BYTES_MAX >> 20);
	*header = (struct wire_plan){ .magic = WIRE_MAGIC,
				      .size = (uint32_t) size,
				      .n_steps = (uint32_t) (job->steps.size / sizeof(struct wire_step)),
				      .n_slots = (uint32_t) (job->slots.size / sizeof(uint64_t)),
				      .data_size = (uint32_t) job->data.size,
				      .strings_size = (uint32_t) job->strings.size };
	return 0;
}

int job_bytes(struct job *job, void **out, size_t *size, scow_error **error)
{
	struct iovec parts[PLAN_PARTS];
	struct wire_plan header = { .size = 0 };
	char *bytes, *at;
	int r = plan_parts(job, &header, parts, error);

	if (r < 0)
		return r;
	at = bytes = malloc(header.size);
	if (!bytes)
		return error_oom(error);
	for (size_t i = 0; i < PLAN_PARTS; i++) {
		if (parts[i].iov_len)
			memcpy(at, parts[i].iov_base, parts[i].iov_len);
		at += parts[i].iov_len;
	}
	*out = bytes;
	*size = header.size;
	return 0;
}

/* What is still to be sent; the parts are used up from the front. */
struct outbox {
	struct iovec parts[PLAN_PARTS + 2];
	size_t next, count, size; /* beyond count, up to size: the go byte, which may have to wait */
};

/* All of it, or with MSG_DONTWAIT what fits. 0, or -errno; that the reader has gone is success: its report says why. */
static int outbox_send(struct outbox *outbox, int socket, int flags)
{
	while (outbox->next < outbox->count) {
		struct msghdr message = { .msg_iov = outbox->parts + outbox->next, .msg_iovlen = outbox->count - outbox->next };
		ssize_t n = sendmsg(socket, &message, MSG_NOSIGNAL | flags);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EPIPE || errno == EAGAIN || errno == ECONNRESET ? 0 : -errno;
		while (outbox->next < outbox->count && (size_t) n >= outbox->parts[outbox->next].iov_len)
			n -= (ssize_t) outbox->parts[outbox->next++].iov_len;
		if (n) {
			struct iovec *part = &outbox->parts[outbox->next];

			part->iov_base = (char *) part->iov_base + n;
			part->iov_len -= (size_t) n;
		}
	}
	return 0;
}

static int read_all(int socket, void *to, size_t size)
{
	ssize_t n = fd_read_full(socket, to, size);

	return n < 0 ? (int) n : n == (ssize_t) size ? 0 : -EPIPE;
}

/* One report with its descriptor: 1, or 0 at the end of the file. */
static int receive(int socket, struct wire_report *report, int *fd)
{
	struct iovec part = { report, sizeof(*report) };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct pollfd readable = { .fd = socket, .events = POLLIN };
	ssize_t n;

	*fd = -1;
	/* recvmsg alone would also be woken each time that scow-init takes something out of the socket. */
	while (poll(&readable, 1, -1) < 0 && errno == EINTR)
		;
	while ((n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		;
	/* A reset: it ended without having read all; somebody killed it, or it crashed. */
	if (n < 0)
		return -errno;
	if (n > 0 && message.msg_controllen >= CMSG_LEN(sizeof(int)) && control.header.cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(&control.header), sizeof(*fd));
	if (n > 0 && (size_t) n < sizeof(*report))
		return read_all(socket, (char *) report + n, sizeof(*report) - (size_t) n) < 0 ? -EPIPE : 1;
	return n > 0;
}

static int failure(int socket, const struct wire_report *report, scow_error **error)
{
	char text[WIRE_REPORT_TEXT_MAX + 1] = "";
	char call[sizeof(report->call) + 1] = "";

	memcpy(call, report->call, sizeof(report->call));
	if (report->size > WIRE_REPORT_TEXT_MAX || read_all(socket, text, report->size) < 0)
		return error_set(error, SCOW_E_FAILED, "scow-init ended while it reported a failure");
	/* Where no system call failed the text says it all. */
	return report->error ? error_errno(error, report->error, call, "%s", text) : error_set(error, SCOW_E_FAILED, "%s", text);
}

static pid_t pid_of(int pidfd)
{
	char path[64], text[512], *line;
	_cleanup_fd_ int fd = -1;
	ssize_t n;
	int pid = -1;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : fd_read_full(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	if ((line = strstr(text, "\nPid:")))
		sscanf(line + 5, "%d", &pid);
	return pid;
}

/* The first process has done its part; from now on its child is the one. */
static int adopt(struct job_process *process, int child_fd, scow_error **error)
{
	struct pollfd ended = { .fd = child_fd, .events = POLLIN };
	int r = 0;

	if (process->keep == JOB_KEPT) {
		process->keeper_fd = process->pidfd;
	} else {
		r = spawn_wait(process->pidfd, NULL, error);
		close(process->pidfd);
	}
	process->pidfd = child_fd;
	process->pid = pid_of(child_fd);
	/* One that has failed, and is reaped by its keeper already, has no number any more: what it reported says why. */
	if (r == 0 && process->pid <= 0 && poll(&ended, 1, 0) == 0)
		r = error_set(error, SCOW_E_FAILED, "find the container's process id: is /proc mounted?");
	return r;
}

/* The child may fail, and say so, before its maker has named it to us: to be reaped it must be known. */
static void listen_for_child(struct job_process *process, int socket)
{
	struct wire_report report = { 0 };
	int fd;

	while (receive(socket, &report, &fd) > 0) {
		if (fd >= 0 && report.kind == WIRE_CHILD_FD)
			(void) adopt(process, fd, NULL);
		else if (fd >= 0)
			close(fd);
	}
}

/* The owner's part, then two bytes: for the step that waits for it, and for the one that waits at the end. */
static int get_ready(struct job_process *process, int socket, scow_error **error)
{
	static const char go[2];
	int r = process->ready(process->ready_data, process->pid, error);

	if (r < 0)
		return r;
	/* That it has gone shows in what it reports. */
	while (send(socket, go, process->go ? 2 : 1, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
	return 0;
}

static int take_times(struct job_process *process, int socket, const struct wire_report *report, scow_error **error)
{
	struct wire_time times[WIRE_TIMES_MAX];

	if (report->size > sizeof(times) || read_all(socket, times, report->size) < 0)
		return error_set(error, SCOW_E_FAILED, "scow-init ended while it told its times");
	trace_steps(process->trace, times, report->size / sizeof(times[0]));
	return 0;
}

/* Reads reports to the end of the file, or (@until_child) to the one that names the child. */
static int listen_to(struct job_process *process, int socket, bool until_child, scow_error **error)
{
	for (;;) {
		struct wire_report report;
		int fd, r = receive(socket, &report, &fd);

		if (r < 0)
			return error_errno(error, -r, "recvmsg", "hear from scow-init");
		if (r == 0)
			return until_child ? error_set(error, SCOW_E_FAILED, "scow-init ended without a report") : 0;
		if (report.kind == WIRE_FAILED) {
			process->report = report;
			r = failure(socket, &report, error);
			if (until_child)
				listen_for_child(process, socket);
			return r;
		}
		if (report.kind == WIRE_TIMES) {
			r = take_times(process, socket, &report, error);
			if (r < 0)
				return r;
			continue;
		}
		if (report.kind == WIRE_IS_READY && process->ready) {
			r = get_ready(process, socket, error);
			if (r < 0)
				return r;
			continue;
		}
		if (fd < 0)
			return error_set(error, SCOW_E_FAILED, "receive a descriptor from scow-init: too many open files?");
		if (report.kind == WIRE_CHILD_FD)
			return adopt(process, fd, error);
		if (process->terminal_fd >= 0)
			close(process->terminal_fd);
		process->terminal_fd = fd;
	}
}

/* It may have failed, and be gone, before the owner came to it: then its own reason is the one. */
static int tell_owner(struct job_process *process, int socket, struct outbox *outbox, scow_error **error)
{
	scow_error *failure = NULL;
	int r = outbox_send(outbox, socket, MSG_DONTWAIT), own;

	if (r < 0)
		return error_errno(error, -r, "sendmsg", "send the launch plan");
	r = process->born(process->born_data, process->pid, &failure);
	if (r < 0 && scow_error_errno(failure) == ESRCH && (own = listen_to(process, socket, false, error)) < 0)
		r = own;
	else if (r < 0 && error)
		*error = take_ptr(&failure);
	scow_error_unref(failure);
	return r;
}

static int converse(scow_engine *engine, struct job_process *process, int socket, struct outbox *outbox, scow_error **error)
{
	int r = 0;

	if (process->clone_flags & CLONE_NEWUSER)
		r = userns_write_maps(engine, process->pid, error);
	if (r == 0 && process->enters) {
		r = outbox_send(outbox, socket, 0);
		r = r < 0 ? error_errno(error, -r, "sendmsg", "send the launch plan") : listen_to(process, socket, true, error);
	}
	FAULT_POINT("job.entered");
	if (r == 0 && process->keep == JOB_ORPHAN)
		stray_note(engine, stray_parent(process->pid));
	if (r == 0 && process->guard_key)
		r = guard_add(engine, process->guard_key, process->pidfd, process->tree, error);
	FAULT_POINT("job.guarded");
	if (r == 0 && process->born)
		r = tell_owner(process, socket, outbox, error);
	if (r < 0)
		return r;
	if (!process->ready)
		outbox->count = outbox->size;
	r = outbox_send(outbox, socket, 0);
	if (r < 0)
		return error_errno(error, -r, "sendmsg", "send the launch plan");
	FAULT_POINT("job.told");
	return listen_to(process, socket, false, error);
}

static int give_birth(scow_engine *engine, struct job_process *process, int socket, scow_error **error)
{
	bool waits = process->clone_flags & CLONE_NEWUSER;
	char name[] = "scow-init", run[] = WIRE_MODE_RUN, wait[] = WIRE_MODE_WAIT, keep[] = WIRE_MODE_KEEP, orphan[] = WIRE_MODE_ORPHAN;
	char *const modes[] = { [JOB_OWN] = waits ? wait : run, [JOB_KEPT] = keep, [JOB_ORPHAN] = orphan };
	char *argv[] = { name, modes[process->keep], NULL };
	int helper = engine_helper(engine, error);
	struct spawn spawn = {
		.exec_fd = helper,
		.argv = argv,
		.fds = process->fds,
		.clone_flags = process->clone_flags,
		.cgroup_fd = process->cgroup_fd,
		.join_procs_fds = process->join_procs_fds,
		.n_join_procs_fds = process->n_join_procs_fds,
	};

	if (helper < 0)
		return helper;
	if (process->keep != JOB_OWN) {
		/* The keeper stays where we are; it has its child go there. */
		if (spawn.cgroup_fd >= 0)
			process->fds[process->n_fds++] = (struct spawn_fd){ spawn.cgroup_fd, WIRE_FD_CGROUPS };
		for (size_t i = 0; i < spawn.n_join_procs_fds; i++)
			process->fds[process->n_fds++] = (struct spawn_fd){ spawn.join_procs_fds[i], WIRE_FD_CGROUPS + (int) i };
		spawn.cgroup_fd = -1;
		spawn.n_join_procs_fds = 0;
	}
	if (process->n_fds + 2 > JOB_FDS_MAX)
		return error_set(error, SCOW_E_LIMIT, "too many descriptors for one process");
	process->fds[process->n_fds++] = (struct spawn_fd){ socket, WIRE_FD_SOCKET };
	if (waits)
		process->fds[process->n_fds++] = (struct spawn_fd){ helper, WIRE_FD_SELF };
	spawn.n_fds = process->n_fds;
	return spawn_process(&spawn, &process->pid, &process->pidfd, error);
}

static void destroy(scow_engine *engine, struct job_process *process)
{
	syscall(SYS_pidfd_send_signal, process->pidfd, SIGKILL, NULL, 0);
	spawn_wait(process->keeper_fd >= 0 ? process->keeper_fd : process->pidfd, NULL, NULL);
	close(process->pidfd);
	if (process->keeper_fd >= 0)
		close(process->keeper_fd);
	process->keeper_fd = -1;
	if (process->guard_key)
		guard_drop(engine, process->guard_key);
	if (process->terminal_fd >= 0)
		close(process->terminal_fd);
	process->pidfd = process->terminal_fd = -1;
}

int job_run(scow_engine *engine, struct job *job, struct job_process *process, scow_error **error)
{
	static char maps_written = 1, go = 1;
	struct outbox outbox = { .count = PLAN_PARTS };
	_cleanup_fd_ int ours = -1, theirs = -1;
	struct wire_plan header;
	int pair[2], r;

	process->pidfd = process->keeper_fd = process->terminal_fd = -1;
	process->report = (struct wire_report){ 0 };
	r = plan_parts(job, &header, outbox.parts, error);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(error, errno, "socketpair", "open a socket for scow-init");
	ours = pair[0];
	theirs = pair[1];
	if (process->clone_flags & CLONE_NEWUSER) {
		memmove(outbox.parts + 1, outbox.parts, PLAN_PARTS * sizeof(outbox.parts[0]));
		outbox.parts[0] = (struct iovec){ &maps_written, 1 };
		outbox.count++;
	}
	outbox.size = outbox.count;
	if (process->go)
		outbox.parts[outbox.size++] = (struct iovec){ &go, 1 };
	if (!(process->clone_flags & CLONE_NEWUSER)) {
		/* Nobody has to be told of the process first, so it may go as soon as it is born. */
		if (!process->guard_key && !process->enters && !process->ready && !process->born)
			outbox.count = outbox.size;
		r = outbox_send(&outbox, ours, MSG_DONTWAIT);
		if (r < 0)
			return error_errno(error, -r, "sendmsg", "send the launch plan");
	}
	r = give_birth(engine, process, theirs, error);
	if (r < 0)
		return r;
	FAULT_POINT("job.born");
	/* Ours has to go, or the end of the program's would not be the end of the file. */
	close(take_fd(&theirs));
	r = converse(engine, process, ours, &outbox, error);
	if (r < 0)
		destroy(engine, process);
	return r;
}
