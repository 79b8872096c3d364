/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the scow command share. It uses the public headers, libc, and cJSON to look into documents.
 *
 * It is a short-lived program, so memory from keep_*() lives until it exits, and want of memory ends it.
 */
#pragma once

#include <scow/cleanup.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct cJSON;
struct cli;

/* Exit codes as Docker's: what the engine could not do, apart from what the container's program returned. */
enum { EXIT_ENGINE = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127, EXIT_SIGNAL = 128 };

/* ---- text.c ---- */
struct list {
	const char **items; /* NULL-terminated, or NULL while empty */
	size_t count;
};

void *keep_alloc(size_t size);
/* For what goes on and on: gives back all that was kept since the mark. */
void *keep_mark(void);
void keep_release(void *mark);
char *keep_text(const char *text);
char *keep_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The part before @separator, and in @rest the one after it (NULL: there is none). */
char *keep_split(const char *text, char separator, const char **rest);
void list_add(struct list *list, const char *item);
bool starts_with(const char *text, const char *prefix);
/* Sizes as Docker reads them: "64m", "1.5g", "10kb"; -1 passes. False if it is none. */
bool parse_bytes(const char *text, int64_t *bytes);
bool parse_number(const char *text, int64_t *number);
/* "1.5": @scale-ths of one. False if it is no number, or finer than that. */
bool parse_decimal(const char *text, unsigned int scale, uint64_t *value);
/* A whole file, NUL-terminated; NULL and errno. "-" is no special name. */
char *read_whole(const char *path, size_t *size);
/* @text fit for @stream: on a terminal, control characters are shown as escapes. Line ends stay if @lines. */
const char *printable(const char *text, FILE *stream, bool lines);

/* ---- options.c: a command line against a table ---- */
enum option_kind {
	OPTION_SWITCH, /* bool */
	OPTION_TEXT,   /* const char *, the last one wins */
	OPTION_LIST,   /* struct list, every one is kept */
	OPTION_NUMBER, /* struct number */
	OPTION_BYTES,  /* struct number */
	OPTION_LATER,  /* Docker has it, this version does not: says so */
};
struct number {
	int64_t value;
	bool set;
};
struct option {
	const char *name; /* NULL ends a table */
	char letter;      /* 0: none */
	enum option_kind kind;
	const char *argument; /* its name in the help; with OPTION_LATER, NULL for a switch */
	const char *help;
	size_t offset; /* of its value in the command's own struct */
};
struct command {
	const char *name;    /* NULL ends a table */
	const char *aliases; /* "image ls, image list", or NULL */
	const char *usage;   /* what follows the name */
	const char *summary;
	const struct option *options; /* or NULL */
	size_t size;                  /* of its struct */
	int min, max;                 /* how many arguments; -1: any number */
	bool options_first;           /* they end at the first argument, which may be another program's command line */
	int (*run)(struct cli *cli, void *options, int argc, char **argv);
};

/* Fills @into. Moves the arguments to the front of argv and sets *argc. 0, 1 for --help, or -1 with the reason on stderr. */
int options_parse(const struct option *table, void *into, int *argc, char **argv, bool options_first);
void options_print_help(const struct option *table);

/* ---- trace.c ---- */
/* False after printing why not. */
bool trace_to(scow_engine_options *options, const char *path);

/* ---- main.c ---- */
struct cli {
	const char *root; /* NULL: the default */
	const char *const *cdi_dirs;
	const char *trace; /* NULL: none */
	bool debug;
	const struct command *command;
	scow_engine *engine; /* once opened */
};

extern const struct command container_commands[], run_commands[], exec_commands[], image_commands[], system_commands[], complete_commands[], start_commands[];
extern const struct command log_commands[], event_commands[], lifecycle_commands[], port_commands[], stats_commands[], prune_commands[], df_commands[], network_commands[], volume_commands[], file_commands[];

/* Opens the engine on first use; NULL after printing why not. */
scow_engine *cli_engine(struct cli *cli);
/* Prints the error and its hint, and forgets it. */
void complain_error(scow_error **error);
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* As complain(), and "Run 'scow run --help' for more information". Returns EXIT_ENGINE. */
int complain_usage(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
int cli_help(struct cli *cli, const char *name);
/* The commands one after the other, in no order; NULL after the last. Those without a summary are not for people. */
const struct command *cli_command(size_t index);
const struct command *cli_find_command(const char *name);
/* "scow image ls" */
struct group {
	const char *name, *summary;
};
extern const struct group cli_groups[];   /* ends with a NULL name */
extern const struct option cli_options[]; /* before the command */

/* ---- hooks.c ---- */
/* --preserve-fds, --preserve-fd: in the options of run and exec. */
struct passing {
	struct number count;
	const char *list;
};
/* Also what we were given as a socket-activated service. False after printing what is wrong. */
bool pass_descriptors(scow_io *io, const struct passing *passing);

/* ---- run_options.c ---- */
struct run_options {
	struct list hooks, hooks_dirs, annotations;
	struct passing passing;
	struct list uid_maps, gid_maps;
	bool interactive, tty, rm, read_only, init, privileged, quiet, insecure;
	const char *name, *workdir, *user, *cpus, *cpuset_cpus, *cpuset_mems, *entrypoint, *pull, *platform, *hostname, *domainname;
	const char *ipc, *pid, *uts, *userns, *timens, *cgroupns, *cgroup_parent, *stop_signal, *cidfile, *sig_proxy;
	bool detach, no_healthcheck;
	const char *restart, *log_driver, *detach_keys, *health_cmd, *health_interval, *health_timeout, *health_start_period,
		*health_start_interval;
	struct number health_retries;
	bool oom_kill_disable;
	const char *scheduler, *io_priority, *memory_policy, *exec_cpus, *rdt_class;
	struct list blkio_weights, cgroup_conf, gpus;
	struct number cpu_period, cpu_quota, cpu_rt_period, cpu_rt_runtime, swappiness;
	struct list networks, aliases, links, link_local;
	const char *ip, *ip6, *mac;
	struct list publish, expose, attach;
	bool publish_all;
	struct list log_options, dns, dns_search, dns_options, add_hosts;
	const char *volume_driver;
	struct list volumes_from;
	struct list env, env_files, volumes, mounts, tmpfs, cap_add, cap_drop, security, devices, device_rules;
	struct list read_bps, write_bps, read_iops, write_iops, sysctls, storage, labels, label_files, ulimits, groups;
	struct number memory, memory_swap, memory_reservation, cpu_shares, pids, oom_score_adj, shm_size, stop_timeout, blkio_weight;
};
extern const struct option run_option_table[];
typedef void variable_fn(void *config, const char *name, const char *value);
/* A file of NAME=VALUE lines; @from_env: a name alone takes our value. False after printing what is wrong. */
bool read_variables(const char *path, bool from_env, variable_fn *set, void *config);
/* What the flags and the command line after the image say. NULL after printing what is wrong. */
scow_container_config *run_config(struct cli *cli, const struct run_options *options, char **command);

/* The flags that limit resources; false after printing what is wrong. */
bool limits_configure(scow_container_config *config, const struct run_options *options);

/* ---- gpus.c: false after printing what is wrong ---- */
bool gpus_configure(scow_container_config *config, const struct run_options *options);

/* ---- scheduling.c: false after printing what is wrong ---- */
bool scheduling_configure(scow_container_config *config, const struct run_options *options);

/* ---- containers.c ---- */
/* What each_container() does besides: print the name of each, and take it for done where there is none of that name. */
enum { EACH_PRINT_NAME = 1, EACH_MAY_BE_GONE = 2 };
/* Does one thing to each container named, and goes on after a failure. An exit code. */
int each_container(struct cli *cli, int argc, char **argv, unsigned int flags,
		   int (*act)(scow_container *container, void *data, scow_error **error), void *data);
/* A command line as a table shows it: in quotes, on one line, and short unless @whole. */
const char *command_cell(const char *command, bool whole);

/* ---- lists.c: what the lists of all kinds share ---- */
/* "name=value" each, as the library's document; NULL: none. False after printing what is wrong. */
bool filters_read(const struct list *options, const char **filters);
/* Opens the engine and asks it for a @list. False after printing what is wrong. */
bool list_open(struct cli *cli, const struct list *filters,
	       int (*list)(scow_engine *engine, const char *filters, scow_iter **out, scow_error **error), scow_iter **iter);
/* "" and 0 where there is none. */
const char *json_text(const struct cJSON *object, const char *name);
double json_number(const struct cJSON *object, const char *name);
/* "a=1,b=2" */
const char *labels_text(const struct cJSON *labels);

/* ---- run_detached.c: what happens while nobody watches; false after printing what is wrong ---- */
bool detached_configure(scow_container_config *config, const struct run_options *options);
/* "on-failure:3". */
bool parse_restart(const char *text, scow_restart *policy, unsigned int *max_retries);

/* ---- hooks.c: false after printing what is wrong ---- */
bool hooks_configure(scow_container_config *config, const struct run_options *options);
bool hook_stage_parse(const char *name, scow_hook_stage *stage);
/* ---- hooks_dir.c: @command: after the image, as run_config() has it ---- */
bool hooks_dir_configure(scow_container_config *config, scow_image *image, const struct run_options *options, char **command);

/* ---- names.c: --dns and its like, --add-host; false after printing what is wrong ---- */
bool names_configure(scow_container_config *config, const struct run_options *options);

/* ---- run_network.c: --network and what is asked for there; false after printing what is wrong ---- */
bool networks_configure(scow_container_config *config, const struct run_options *options);

/* ---- ports.c ---- */
/* -p, -P and --expose. */
bool ports_configure(scow_container_config *config, const struct run_options *options);
/* The column of ps, of what scow_container_port() has of all. */
const char *ports_text(const char *document);

/* ---- networks.c ---- */
/* "CONTAINER[:ALIAS]". */
void endpoint_add_link(scow_endpoint_config *endpoint, const char *text);

/* ---- mounts.c: -v, --mount and --tmpfs; false after printing what is wrong ---- */
bool mounts_configure(scow_container_config *config, const struct run_options *options);

/* ---- keys.c: leaving a container that lives on ---- */
#define DETACH_KEYS_MAX 16
struct detach_keys {
	unsigned char codes[DETACH_KEYS_MAX];
	size_t count, held; /* held: how many of them were typed just now */
};
/* "ctrl-a,d"; NULL and "": the default. False after printing what is wrong. */
bool detach_keys_parse(const char *text, struct detach_keys *keys);
/* Into @out, which has room for @size + DETACH_KEYS_MAX: what goes on to the program. True once all the keys were typed. */
bool detach_keys_filter(struct detach_keys *keys, const char *in, size_t size, char *out, size_t *out_size);

/* ---- attach.c: our terminal and signals, while a container runs ---- */
struct attachment {
	bool tty, interactive, proxy;
	bool hide[2]; /* stdout, stderr: not asked for by --attach */
	int signal_fd;
	int ended_by; /* the signal that ends us; the caller dies of it after it has cleaned up */
	bool remote;  /* the container is its supervisor's, and all of its streams are copied */
	struct detach_keys keys; /* with a terminal; none: they go on to the program */
	bool left;               /* they were typed */
	bool keeps_stdin;        /* the end of ours is not the end of its: the next who attaches goes on */
	bool ephemeral;          /* it is removed at its end, and that is waited for */
	const struct passing *passing; /* what else the program gets; or NULL */
};
/* Sets up @io and holds signals back until attach_wait(). False after printing what is wrong, with *code set. */
bool attach_prepare(struct attachment *attachment, scow_io *io, int *code);
/* Until the process has ended. Its exit code, or a negative status. */
int attach_wait(struct attachment *attachment, scow_process *process, scow_error **error);

/* Our terminal's size becomes the process's, where it has a terminal. */
void attach_resize(const struct attachment *attachment, scow_process *process);
bool attach_window(unsigned int *rows, unsigned int *columns);

/* ---- run.c ---- */
/* Tells why a program could not be started. Docker's exit code for it. */
int start_failure(scow_error **error);
/* Ends us by a signal; else 128 + its number. */
int die_of(int signal_number);

/* ---- start.c ---- */
/* Starts it detached and stays in front until it ends, or is left. Gives the container back before it dies of a signal. */
int start_in_front(struct cli *cli, scow_container **container, struct attachment *attachment, const char *detach_keys,
		   const char *sig_proxy);

/* ---- progress.c ---- */
/* Pulls with progress on @out (NULL: silent). NULL after printing why not. */
scow_image *pull_with_progress(struct cli *cli, const char *reference, const char *platform, bool insecure, FILE *out);
/* An image of the store as `run` wants it: pulled if the policy says so. NULL after printing why not. */
scow_image *obtain_image(struct cli *cli, const char *reference, const struct run_options *options);

/* ---- template.c: the part of Go's templates that people use with docker ---- */
/* Renders @template over @value. NULL, with *problem set, if it is malformed or names a field that is not there. */
char *template_render(const char *template, const struct cJSON *value, const char **problem);
/* JSON with four spaces of indentation, numbers untouched. */
char *json_indent(const char *json);

/* ---- when.c ---- */
int64_t wall_ns(void);
/* The same of an option; leaves *ns where there is no text. False after printing what is wrong. */
bool option_when(const struct cli *cli, const char *name, const char *text, int64_t *ns);
#define TIME_TEXT 64
/* RFC 3339 with nine digits of a second. */
void time_format(char out[TIME_TEXT], int64_t ns, bool local);

/* ---- table.c: lists in the shape of Docker's ---- */
struct column {
	const char *field, *title;
};
struct table {
	const char *format;          /* the user's --format, or NULL */
	const char *standard;        /* else this template, as a table */
	const struct column *titles; /* ends with a NULL field */
	struct list rows;            /* rendered, columns apart by tabs */
	bool aligned, failed;
};
/* Whether the rows will show this field: some cost more than others. */
bool table_wants(const struct table *table, const char *field);
/* Takes @row: an object of the fields. */
void table_add(struct table *table, struct cJSON *row);
/* Prints all of it. An exit code. */
int table_print(struct table *table);
void row_text(struct cJSON *row, const char *field, const char *value);
const char *human_size(uint64_t bytes);
const char *human_since(int64_t seconds);
const char *local_time(int64_t seconds);
/* "sha256:0123..." or hex: its first 12 digits, or the whole. */
const char *short_id(const char *id, bool whole);
