/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The processes of a container as `ps -ef` would show them on this host, read from /proc: no program of the image's is needed,
 * and none of the host's. Owners are numbers.
 *
 * Which they are is the cgroup's to say. A plain user's container without one has those of its pid namespace.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/str.h"
#include "container/event.h"
#include "container/live.h"

#define CMD_LIMIT 65536
#define DAY 86400

static const char *const titles[] = { "UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD" };

/* What /proc/PID/stat says. See: proc(5). */
struct stat_line {
	char name[64], state;
	int ppid, tty;
	uint64_t ticks, start;
};

static bool read_stat(int dir_fd, struct stat_line *out)
{
	_cleanup_free_ char *text = NULL;
	char *open, *close;
	unsigned long long user, kernel, start;

	if (file_read_at(dir_fd, "stat", 8192, &text, NULL) < 0)
		return false;
	open = strchr(text, '(');
	close = strrchr(text, ')'); /* the name may hold anything */
	if (!open || !close || close < open)
		return false;
	snprintf(out->name, sizeof(out->name), "%.*s", (int) (close - open - 1), open + 1);
	if (sscanf(close + 1, " %c %d %*d %*d %d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %llu", &out->state, &out->ppid,
		   &out->tty, &user, &kernel, &start) != 6)
		return false;
	out->ticks = user + kernel;
	out->start = start;
	return true;
}

static void format_tty(int tty, char *out, size_t size)
{
	unsigned int major_number = major((dev_t) tty), minor_number = minor((dev_t) tty);

	if (!tty)
		snprintf(out, size, "?");
	else if (major_number >= 136 && major_number <= 143)
		snprintf(out, size, "pts/%u", minor_number + (major_number - 136) * 256);
	else if (major_number == 4)
		snprintf(out, size, minor_number < 64 ? "tty%u" : "ttyS%u", minor_number < 64 ? minor_number : minor_number - 64);
	else
		snprintf(out, size, "%u:%u", major_number, minor_number);
}

/* The hour today, the day this year, else the year. */
static void format_start(time_t start, char *out, size_t size)
{
	time_t now = time(NULL);
	struct tm then_parts, now_parts;

	if (!localtime_r(&start, &then_parts) || !localtime_r(&now, &now_parts))
		snprintf(out, size, "?");
	else if (then_parts.tm_year != now_parts.tm_year)
		strftime(out, size, "%Y", &then_parts);
	else
		strftime(out, size, then_parts.tm_yday == now_parts.tm_yday ? "%H:%M" : "%b%d", &then_parts);
}

static char *read_command(int dir_fd, const struct stat_line *line)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;

	if (file_read_at(dir_fd, "cmdline", CMD_LIMIT, &text, &size) < 0 || size == 0)
		return strf("[%s]%s", line->name, line->state == 'Z' ? " <defunct>" : "");
	if (text[size - 1] == 0)
		size--;
	for (size_t i = 0; i < size; i++)
		if (text[i] == 0)
			text[i] = ' ';
	return strdup(text);
}

/* Adds one; one that has gone meanwhile is no failure. */
static bool add_process(cJSON *list, pid_t pid)
{
	_cleanup_free_ char *command = NULL;
	_cleanup_fd_ int dir_fd = -1;
	char path[32], uid[24], pid_text[24], ppid[24], cpu[24], start[24], tty[24], time_text[32];
	const char *columns[] = { uid, pid_text, ppid, cpu, start, tty, time_text, NULL };
	uint64_t hz = (uint64_t) sysconf(_SC_CLK_TCK), seconds, alive;
	struct timespec boot, now;
	struct stat_line line;
	struct stat st;
	cJSON *row;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0 || fstat(dir_fd, &st) < 0 || !read_stat(dir_fd, &line))
		return true;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &now);
	seconds = line.ticks / hz;
	alive = (uint64_t) boot.tv_sec > line.start / hz ? (uint64_t) boot.tv_sec - line.start / hz : 0;
	snprintf(uid, sizeof(uid), "%u", st.st_uid);
	snprintf(pid_text, sizeof(pid_text), "%d", pid);
	snprintf(ppid, sizeof(ppid), "%d", line.ppid);
	snprintf(cpu, sizeof(cpu), "%u", alive ? (unsigned int) (line.ticks * 100 / hz / alive) : 0);
	format_start(now.tv_sec - (time_t) alive, start, sizeof(start));
	format_tty(line.tty, tty, sizeof(tty));
	snprintf(time_text, sizeof(time_text), seconds >= DAY ? "%u-%02u:%02u:%02u" : "%.0u%02u:%02u:%02u", (unsigned int) (seconds / DAY),
		 (unsigned int) (seconds / 3600 % 24), (unsigned int) (seconds / 60 % 60), (unsigned int) (seconds % 60));
	command = read_command(dir_fd, &line);
	columns[ARRAY_SIZE(columns) - 1] = command;
	row = command ? cJSON_CreateStringArray(columns, (int) ARRAY_SIZE(columns)) : NULL;
	return row && cJSON_AddItemToArray(list, row);
}

/* Those of PID 1's pid namespace. */
static bool add_namespace(cJSON *list, pid_t first)
{
	_cleanup_dir_ DIR *proc = opendir("/proc");
	struct stat wanted, found;
	struct dirent *entry;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", first);
	if (!proc || stat(path, &wanted) < 0)
		return add_process(list, first);
	while ((entry = readdir(proc))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.10s/ns/pid", entry->d_name);
		if (stat(path, &found) == 0 && found.st_ino == wanted.st_ino && !add_process(list, (pid_t) atoi(entry->d_name)))
			return false;
	}
	return true;
}

static int add_processes(scow_container *container, const struct container_row *row, cJSON *list, scow_error **error)
{
	_cleanup_(cgroup_freep) struct cgroup *cgroup = NULL;
	_cleanup_free_ pid_t *pids = NULL;
	size_t count;
	bool ok = true;
	int r = container_open_cgroup(container, row->cgroup, &cgroup, error);

	if (r == 0)
		r = cgroup_pids(cgroup, &pids, &count, error);
	if (r < 0)
		return r;
	if (!count)
		ok = add_namespace(list, row->pid);
	for (size_t i = 0; ok && i < count; i++)
		ok = add_process(list, pids[i]);
	return ok ? 0 : error_oom(error);
}

int scow_container_top_json(scow_container *container, char **out, scow_error **error)
{
	_cleanup_json_ cJSON *root = NULL;
	struct container_row row;
	cJSON *names, *list;
	int r = container_check(container, error);

	if (r == 0 && !out)
		r = error_set(error, SCOW_E_INVALID, "no place for the document was given");
	if (r == 0)
		r = container_row_running(container, &row, error);
	if (r == 0 && !row.pid)
		r = container_not_running(container, &row, error);
	if (r < 0)
		return r;
	root = cJSON_CreateObject();
	names = cJSON_CreateStringArray(titles, (int) ARRAY_SIZE(titles));
	if (!cJSON_AddItemToObject(root, "Titles", names)) {
		cJSON_Delete(names);
		return error_oom(error);
	}
	list = cJSON_AddArrayToObject(root, "Processes");
	if (!list)
		return error_oom(error);
	r = add_processes(container, &row, list, error);
	if (r == 0 && !(*out = json_print(root)))
		r = error_oom(error);
	if (r == 0)
		container_announce(container->engine, container->id, "top", NULL);
	return r;
}
