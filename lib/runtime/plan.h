/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A spec as the steps that scow-init takes. */
#pragma once

#include "engine/job.h"
#include "runtime/spec.h"

/* What the plan rests on besides the spec: known before it is made, the same for every container of an engine. */
struct plan_facts {
	bool user_ns;         /* root only in a user namespace */
	bool mapped;          /* of which it is told the maps: plan-userns.h */
	bool nested;          /* and its maker is root only in a user namespace, too */
	bool single_id;       /* and no id but root's is mapped there */
	bool tty_group;       /* group 5 exists there (devpts) */
	bool cgroup_v2_only;
	bool old_overlay;     /* before Linux 6.5 layers cannot be given one by one */
};

/* How the process is born, and which descriptors it gets to join what it joins. */
struct plan_namespaces {
	uint64_t clone_flags;
	bool enters;          /* goes on in a child: where it joins a pid or a user namespace */
	int join_fds[SPEC_NS_COUNT]; /* owned; -1. Their places are WIRE_FD_NS + enum spec_ns */
};

/* Opens what is to be joined. */
int plan_namespaces_open(const struct spec *spec, const struct plan_facts *facts, struct plan_namespaces *out, scow_error **error) _must_check_;
void plan_namespaces_close(struct plan_namespaces *namespaces);

int plan_compile(const struct spec *spec, const struct plan_facts *facts, const struct plan_namespaces *namespaces, struct job *job,
		 scow_error **error) _must_check_;

/* Only the root of @spec with its mounts, by the ids that its files have on the disk, and attached to nothing. The steps that use it follow. */
int plan_compile_tree(const struct spec *spec, const struct plan_facts *facts, struct job *job, scow_error **error) _must_check_;

/* A program in a container that runs: what it joins instead of making it. */
struct plan_exec {
	int fd;              /* in scow-init, a pidfd of the container's PID 1 */
	uint64_t namespaces; /* CLONE_NEW* to join of it */
	bool orphan;         /* it is to outlive the program that asked for it */
	bool waits;          /* for the go byte, before what cannot be taken back */
};
bool plan_exec_enters(const struct plan_exec *exec); /* the program is a child of who carries out the plan */
int plan_compile_exec(const struct spec *spec, const struct plan_facts *facts, const struct plan_exec *exec, struct job *job,
		      scow_error **error) _must_check_;
