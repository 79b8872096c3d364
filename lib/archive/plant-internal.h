/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between plant.c, which makes things, and plant-copy.c, which copies data. */
#pragma once

#include <time.h>

#include "archive/plant.h"
#include "base/arena.h"

#define PLANT_NOTED_MAX (256u << 20)

struct plant_directory {
	const char *name;
	mode_t mode;
	struct timespec mtime;
};

struct plant {
	struct plant_options options;
	uint64_t resolve; /* how directories are found */
	/* The directory of the entry before; and that of the last hard link's target. */
	char here[WALK_PATH_MAX + 1], other[WALK_PATH_MAX + 1];
	int here_fd, other_fd;
	struct arena arena;
	struct plant_directory *directories; /* in the order in which they came */
	size_t n_directories, noted;
	char *buffer;
};
