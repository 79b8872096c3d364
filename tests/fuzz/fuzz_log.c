/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Log files as a crash or a stranger may have left them: forward and backward reading must find the same entries, and a tail must
 * be a tail.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "container/log-file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* How many wanted entries there are from @start on. */
static int64_t count_from(int fd, off_t start, const struct log_wish *wish)
{
	struct log_lines lines = { 0 };
	struct log_entry entry;
	int64_t count = 0;
	size_t size;
	ssize_t n;
	char *line;

	do {
		n = log_lines_fill(&lines, fd, &start, INT64_MAX, NULL);
		while ((line = log_lines_next(&lines, &size)) || (n <= 0 && (line = log_lines_rest(&lines, &size)))) {
			if (!log_parse(line, size, &entry))
				continue;
			/* Decoded where it stood. */
			if (entry.data < line || entry.data + entry.size > line + size)
				abort();
			count += log_wanted(wish, &entry);
		}
	} while (n > 0);
	log_lines_done(&lines);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct log_wish wishes[] = { { 0 }, { .flags = 2 }, { .since = 1, .until = 1800000000000000000 } };
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("log", MFD_CLOEXEC);
	if (ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t) size)
		return 0;
	for (size_t i = 0; i < sizeof(wishes) / sizeof(*wishes); i++) {
		int64_t all = count_from(fd, 0, &wishes[i]);

		for (int64_t tail = 1; tail <= 3; tail++) {
			int64_t left = tail, want = all < tail ? all : tail;
			off_t start;

			if (log_find_tail(fd, (off_t) size, &wishes[i], &left, &start, NULL) < 0)
				abort();
			if (count_from(fd, start, &wishes[i]) != want || left != tail - want)
				abort();
		}
	}
	return 0;
}
