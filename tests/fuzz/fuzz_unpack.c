/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tar streams into a directory on tmpfs, as root's engine or a plain user's. Besides crashes it looks for what an
 * archive may never do: change anything beside the root. A canary lies there; whatever touches it aborts.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/unpack.h"
#include "base/path.h"

struct input {
	const uint8_t *data;
	size_t size, step;
};

static ssize_t give(void *userdata, const void **data, scow_error **error)
{
	struct input *input = userdata;
	size_t n = input->size < input->step ? input->size : input->step;

	(void) error;
	*data = input->data;
	input->data += n;
	input->size -= n;
	return (ssize_t) n;
}

static char base[] = "/dev/shm/scow-fuzz-XXXXXX";
static int base_fd = -1;
static struct stat canary;

static void clear(void)
{
	path_remove_tree(AT_FDCWD, base);
}

static void prepare(void)
{
	if (!mkdtemp(base) || atexit(clear))
		abort();
	base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (base_fd < 0 || mkdirat(base_fd, "canary", 0755) < 0 || fstatat(base_fd, "canary", &canary, 0) < 0)
		abort();
}

static void check(void)
{
	DIR *dir = fdopendir(openat(base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct stat st;
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	if (n != 4 || fstatat(base_fd, "canary", &st, 0) < 0 || st.st_mode != canary.st_mode || st.st_uid != canary.st_uid ||
	    st.st_nlink != canary.st_nlink || st.st_ctim.tv_sec != canary.st_ctim.tv_sec || st.st_ctim.tv_nsec != canary.st_ctim.tv_nsec)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data + 2, size - 2, 0 };
	struct scow_engine engine = { .tmp_fd = -1 };
	struct unpack_stats stats;
	int fd;

	if (size < 2)
		return 0;
	if (base_fd < 0)
		prepare();
	input.step = data[0] ? data[0] * 16 : 65536;
	/* Handing files over needs the helper: for a plain user only what is 0:0 goes all the way. */
	engine.facts.rootless = geteuid() != 0;
	engine.facts.uid = geteuid();
	pthread_mutex_init(&engine.lock, NULL);
	if (mkdirat(base_fd, "root", 0700) < 0)
		abort();
	fd = openat(base_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void) !unpack_layer(&engine, fd, give, &input, &stats, NULL);
	free(stats.lower_links);
	free(stats.warnings);
	close(fd);
	check();
	if (path_remove_tree(base_fd, "root") < 0)
		abort();
	return 0;
}
