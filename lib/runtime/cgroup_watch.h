/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What happens to a cgroup's memory, and how long its processes stall, as descriptors in an epoll. Kinds are those of scow/pressure.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/cgroup.h"

#define CGROUP_STALLS_MAX 8
#define CGROUP_HAPPENINGS_MAX (CGROUP_STALLS_MAX + 4)

struct cgroup_stall {
	int kind;
	bool full;
	uint64_t stall_us, window_us;
};

struct cgroup_wish {
	unsigned int percent; /* of the memory limit; 0: no mark */
	bool hold;
	struct cgroup_stall stalls[CGROUP_STALLS_MAX];
	size_t n_stalls;
};

struct cgroup_happening {
	int kind;
	uint64_t value, limit;
};

struct cgroup_watch;
/* Whether @wish changes the cgroup, and so must end with who wishes it. */
bool cgroup_watch_changes(const struct cgroup *cgroup, const struct cgroup_wish *wish);
/* Takes @cgroup, in any case. Its descriptors are added to @epoll_fd. */
int cgroup_watch_open(struct cgroup *cgroup, const struct cgroup_wish *wish, int epoll_fd, struct cgroup_watch **out,
		      scow_error **error) _must_check_;
/* What is new since the last look.  @again_ms: look again in so many, 0: need not. @gone: the cgroup is, and kills may be untold. */
size_t cgroup_watch_read(struct cgroup_watch *watch, struct cgroup_happening out[CGROUP_HAPPENINGS_MAX], unsigned int *again_ms,
			 bool *gone);
/* After somebody has decided: the limit may be another. */
int cgroup_watch_adjust(struct cgroup_watch *watch, scow_error **error) _must_check_;
/* Kills that were told of. */
uint64_t cgroup_watch_kills(const struct cgroup_watch *watch);
/* Undoes what the wish changed. NULL is allowed. */
void cgroup_watch_free(struct cgroup_watch *watch);
