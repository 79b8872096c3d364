/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files of a container's log. They are held open and known by their inodes: a rename moves nothing for us, and what is deleted
 * meanwhile is still read.
 */
#pragma once

#include <sys/types.h>

#include "base/cleanup.h"
#include "engine/engine.h"

#define LOG_NAME "log.json"

struct part {
	unsigned int number; /* 0: the newest */
	bool packed;
	int fd;
	dev_t dev;
	ino_t ino; /* packed: of what it was made of */
	off_t size;
};

/* Oldest first. */
struct parts {
	struct part *items;
	size_t count;
};
void parts_done(struct parts *parts);
#define _cleanup_parts_ _cleanup_(parts_done)

/* Opens all there are; none is success. 1: one was being renamed each time that we looked; @out is empty. */
int parts_scan(int dir_fd, struct parts *out, scow_error **error) _must_check_;
/*
 * Adds those that came after the last of @parts; if even that was deleted, all are newer. They are opened as soon as they are told of,
 * not when they are due: a slow reader would find them deleted. 1: as above, and none was added.
 */
int parts_follow(int dir_fd, struct parts *parts, scow_error **error) _must_check_;
/* Closes the first ones. */
void parts_drop(struct parts *parts, size_t count);
/* A compressed one is as if it had never been. */
int part_unpack(scow_engine *engine, struct part *part, scow_error **error) _must_check_;
