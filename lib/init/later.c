/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mounts that came or went while a supervised container ran, for the runs after that: its own plan is the one of its first start.
 *
 * WIRE_LATER_NAME in the container's directory holds a small plan for each place that was changed, in their order. It is read once a run;
 * sources are opened where the plan's own are, and the rest comes after the plan's mounts. Whoever writes it is who may write the plan:
 * what is checked is that it is whole, and holds nothing but mounts.
 */
#include "init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define CHANGES_MAX 256
#define TREES_FIRST 512 /* the plan's own are below */

static struct plan changes[CHANGES_MAX];
static uint32_t n_changes;

static unsigned char *read_file(size_t *size)
{
	long fd = sys(SYS_openat, WIRE_FD_DIR, WIRE_LATER_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), n;
	unsigned char *bytes;
	struct stat status;

	*size = 0;
	if (fd == -ENOENT)
		return NULL;
	must(fd, "open");
	must(sys(SYS_newfstatat, fd, "", &status, AT_EMPTY_PATH), "fstat");
	if (status.st_size <= 0 || status.st_size > WIRE_LATER_BYTES_MAX)
		fail("fstat", -EINVAL);
	bytes = (void *) must(sys(SYS_mmap, 0, status.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), "mmap");
	while (*size < (size_t) status.st_size && (n = must(sys(SYS_read, fd, bytes + *size, status.st_size - (long) *size), "read")))
		*size += (size_t) n;
	sys(SYS_close, fd);
	return bytes;
}

static void load(void)
{
	size_t size, at = 0;
	unsigned char *bytes = read_file(&size);

	while (at < size) {
		const struct wire_later *later = (const void *) (bytes + at);

		if (size - at < sizeof(*later) || later->magic != WIRE_LATER_MAGIC || later->size > size - at - sizeof(*later) ||
		    later->size % 8 || n_changes == CHANGES_MAX)
			fail("decode", -EINVAL);
		at += sizeof(*later);
		must(plan_decode(bytes + at, plan_size((const void *) (bytes + at)), &changes[n_changes++]), "decode");
		at += later->size;
	}
}

static void take(const struct wire_step *step, uint32_t change, bool sources)
{
	struct wire_step own = *step;

	if ((step->kind == WIRE_TREE) != sources)
		return;
	if (step->kind == WIRE_TREE || step->kind == WIRE_BIND)
		own.number[2] += TREES_FIRST + change;
	if (step->kind == WIRE_TREE)
		step_tree(&own);
	else if (step->kind == WIRE_BIND)
		step_bind(&own);
	else if (step->kind == WIRE_MOUNT)
		step_mount(&own);
	else if (step->kind == WIRE_UNMOUNT)
		step_unmount(&own);
	else
		fail("decode", -EINVAL);
}

void step_later(const struct wire_step *step)
{
	const struct plan whole = init.plan;
	const bool sources = !step->number[0];

	doing("mount what was added later", NULL, NULL, NULL);
	if (sources)
		load();
	for (uint32_t i = 0; i < n_changes; i++) {
		init.plan = changes[i];
		for (uint32_t k = 0; k < changes[i].n_steps; k++)
			take(&changes[i].steps[k], i, sources);
	}
	init.plan = whole;
}
