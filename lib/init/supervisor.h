/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The supervisor from inside: one for each detached container, for as long as that runs. One thread, which sleeps in epoll while
 * nothing happens.
 */
#pragma once

#include <signal.h>

#include "init/init.h"
#include "init/supervisor-wire.h"

#define OUTPUTS 2
#define CLIENTS_MAX 64

/* What an event of the epoll is about. */
enum watched { WATCH_STDOUT, WATCH_STDERR, WATCH_STDIN, WATCH_PROCESS, WATCH_LISTENER, WATCH_PROBE, WATCH_PROBE_REPORT,
	       WATCH_PROBE_OUTPUT, WATCH_LEASH, WATCH_CLIENT /* and its place */ };

struct supervisor {
	struct wire_supervise config;
	char *maps;          /* of users, then of groups */
	void *plan, *health_plan;
	char *attributes;    /* of each entry of the log, or NULL */
	int epoll;
	int leash;           /* its starter's hold on it, or -1 */
	struct wire_state state;
	/* of this run */
	int pid, pidfd;
	int input;           /* its stdin, or -1 */
	int outputs[OUTPUTS];/* its stdout and stderr, or -1 */
	int terminal;        /* its terminal's master: also outputs[0]; or -1 */
	uint64_t began;      /* ms, monotonic */
};
extern struct supervisor supervisor;

/* supervisor.c */
void watch(int fd, uint32_t events, uint32_t what);
void unwatch(int fd);
void close_input(void);
void supervisor_stop(void);

/* supervisor-run.c */
struct wire_failure {
	struct wire_report report;
	char text[WIRE_REPORT_TEXT_MAX];
};
/* Makes the container and sees its program run: NULL, or why it does not. Nothing is left of it then. */
const struct wire_failure *run_begin(void);
/* A report: its size, 0 at the end of the file, or -errno. @fd: what came along, or -1. @problem: NULL unless it is one. */
long run_receive(int socket, int *fd, const struct wire_failure **problem);
int run_pid_of(int pidfd);
/* A pipe's end or terminal does not hold us up. */
void set_nonblock(int fd);

const struct wire_failure *run_problem(const char *what, const char *call, long error);

/* supervisor-hooks.c */
void hooks_open(void *bytes, size_t size);
const struct wire_failure *hooks_before(int pid); /* what the container waits for: NULL, or why it is not to go on */
void hooks_after_restart(int pid);
void hooks_after_end(void);

/* supervisor-network.c */
/* Reads the container's networks anew: 0, or -errno. */
long network_load(void);
bool network_is_there(void);
/* The host's part, for run number @run of process @pid: 0, or -errno and @what was being done. */
long network_connect(int pid, uint32_t run, const char **what);
/* struct wire_batch for the inside; NULL: none. */
void *network_inside(size_t *size);
/* There is no next run. */
void network_end(void);

/* tether.c: the same for a plain user's */
long tether_load(void);
bool tether_is_there(void);
const struct wire_failure *tether_begin(int pid, int pidfd);

/* supervisor-state.c */
int64_t clock_ns(int clock);
uint64_t process_start(int pid);
void state_write(void);
/* The run that has ended becomes history: another follows it. */
void run_keep(void);
uint64_t oom_kills(void);
void cgroup_end(void);

/* supervisor-log.c */
void log_open(void);
void log_add(unsigned int stream, const unsigned char *data, size_t size);
void log_flush(void);
/* The disk is: nothing more is to be read now, and the flush to be tried again. */
bool log_is_full(void);
bool log_takes_more(void);
/* The program has ended: what has no newline is an entry, too. */
void log_end_lines(void);
/* What the log does not have yet of @stream. */
const unsigned char *log_partial(unsigned int stream, size_t *size);
/* Gives memory back that is not needed. */
void log_rest(void);

/* supervisor-rotate.c */
/* The log's file is full, and closed: it gets another name. */
void rotate_files(void);
/* Whoever compresses has ended, or (@wait) is waited for. */
void rotate_reap(bool wait);

/* supervisor-health.c */
void health_begin(void);  /* a run has begun */
void health_stop(void);   /* and ended */
int health_wait(void);    /* ms until health_tick() has something to do; -1 for ever */
void health_tick(void);
void health_report(void);
void health_output(void);
void health_ended(void);

/* supervisor-attach.c */
void attach_open(void);
void attach_accept(void);
/* A run has begun, and nothing of it was read: those who wait for it are its first clients. */
void attach_waiting(void);
void attach_event(uint32_t index, uint32_t events);
void attach_output(unsigned int stream, const unsigned char *data, size_t size);
/* Somebody in front has not taken yet what there was: the program is to wait. */
bool attach_is_behind(void);
void attach_exit(int code, int sig);
/* Its stdin takes bytes again. */
void attach_input_ready(void);
/* Whoever is slow gets a moment for the rest. */
void attach_close(void);
/* Before it is written down that all is over: from then on the socket's name is the next supervisor's. */
void attach_unname(void);
