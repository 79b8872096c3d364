/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Log files in Docker's json-file format: one object a line, {"log":"...","stream":"stdout","time":"2026-01-02T03:04:05.678Z"}.
 * Bytes that are no UTF-8 are given as they stand; our supervisors, as Docker, write U+FFFD in their place.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* Longer lines are garbage: a supervisor writes 16 KiB of a program's output in one entry, six bytes for one at the worst. */
#define LOG_LINE_MAX (256u << 10)

struct log_entry {
	int stream; /* SCOW_STDOUT or SCOW_STDERR */
	int64_t time_ns;
	const char *data;
	size_t size;
	const char *attributes; /* JSON: what log options added to it; NULL: nothing */
};

/* Reads a line without its newline. It is decoded in place; @out points into it. false: it is no entry. */
bool log_parse(char *line, size_t size, struct log_entry *out);
/* "2026-01-02T03:04:05[.678][Z|+01:00]" at the beginning of @text, all of it. */
bool log_parse_time(const char *text, size_t size, int64_t *ns);

/* Which entries are wanted. */
struct log_wish {
	unsigned int flags;   /* scow_log_flags */
	int64_t since, until; /* ns; 0: no bound */
};
bool log_wanted(const struct log_wish *wish, const struct log_entry *entry);

/*
 * Where the last @count wanted entries of the first @size bytes begin, looking from the end; @count is reduced by those found. Reads
 * no more than it must. Bytes after the last newline count as a line.
 */
int log_find_tail(int fd, off_t size, const struct log_wish *wish, int64_t *count, off_t *start, scow_error **error) _must_check_;

/* Where the last whole line ends: with more behind it, in the middle of a line that is being written. */
int log_find_end(int fd, off_t size, off_t *start, scow_error **error) _must_check_;

/* The lines of a file, forward. */
struct log_lines {
	char *data;
	size_t begin, end, room;
	bool skipping; /* inside a line that is too long */
};
void log_lines_done(struct log_lines *lines);
/* Reads on at @offset, up to @limit, and moves it. Bytes read; 0: nothing new; or a status. */
ssize_t log_lines_fill(struct log_lines *lines, int fd, off_t *offset, off_t limit, scow_error **error) _must_check_;
/* The next whole line, without its newline, or NULL: more must be read. */
char *log_lines_next(struct log_lines *lines, size_t *size);
/* What is left when no more will come: a line without its newline, or NULL. */
char *log_lines_rest(struct log_lines *lines, size_t *size);
