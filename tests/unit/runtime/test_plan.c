/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A spec compiled and read back by scow-init's own decoder: what must be in a plan, in which order, and what is refused. */
#include "unit.h"

#include <sched.h>
#include <sys/mount.h>

#include "init/plan.c" /* NOLINT: the helper's file, built here for the host */
#include "runtime/plan-mounts.h"
#include "runtime/plan.h"

static const struct plan_facts as_root = { .tty_group = true };
static const struct plan_facts as_user = { .user_ns = true, .single_id = true };

struct compiled {
	struct spec spec;
	struct job job;
	struct plan_namespaces namespaces;
	void *bytes;
	size_t size;
	struct plan plan;
};

static const char *const command[] = { "/bin/true", "", "last" };
static const char *const environment[] = { "A=1", "B=" };

static void fill(struct spec *spec)
{
	memset(spec, 0, sizeof(*spec));
	spec->id = "unit";
	spec->layers_fd = spec->container_fd = -1;
	spec->root_path = "/srv/root";
	spec->args = arena_strv(&spec->arena, command, 3);
	spec->n_args = 3;
	spec->env = arena_strv(&spec->arena, environment, 2);
	spec->n_env = 2;
	spec->cwd = "/work";
	spec->make_cwd = true;
	for (int i = 0; i <= SPEC_NS_CGROUP; i++)
		spec->namespaces[i].mode = SPEC_NS_NEW;
}

static void compile(struct compiled *c, const struct plan_facts *facts)
{
	memset(&c->job, 0, sizeof(c->job));
	assert_int_equal(plan_namespaces_open(&c->spec, facts, &c->namespaces, NULL), 0);
	assert_int_equal(plan_compile(&c->spec, facts, &c->namespaces, &c->job, NULL), 0);
	assert_int_equal(job_bytes(&c->job, &c->bytes, &c->size, NULL), 0);
	assert_int_equal(plan_decode(c->bytes, c->size, &c->plan), 0);
}

static void done(struct compiled *c)
{
	plan_namespaces_close(&c->namespaces);
	job_done(&c->job);
	free(c->bytes);
	spec_done(&c->spec);
}

/* Where the n-th step of a kind is, or -1. */
static int find(const struct compiled *c, enum wire_kind kind, int n)
{
	for (uint32_t i = 0; i < c->plan.n_steps; i++)
		if (c->plan.steps[i].kind == kind && n-- == 0)
			return (int) i;
	return -1;
}

static const struct wire_step *step(const struct compiled *c, enum wire_kind kind)
{
	int i = find(c, kind, 0);

	assert_true(i >= 0);
	return &c->plan.steps[i];
}

static void test_round_trip(void **state)
{
	struct compiled c;
	char **args, **env;

	(void) state;
	fill(&c.spec);
	c.spec.user = "build:wheel";
	compile(&c, &as_root);
	args = plan_vector(&c.plan, step(&c, WIRE_EXEC), 0);
	env = plan_vector(&c.plan, step(&c, WIRE_EXEC), 1);
	assert_string_equal(args[0], "/bin/true");
	assert_string_equal(args[1], ""); /* an empty argument survives */
	assert_string_equal(args[2], "last");
	assert_null(args[3]);
	assert_string_equal(env[1], "B=");
	assert_null(env[2]);
	assert_null(env[3]); /* the slot for HOME */
	assert_string_equal(plan_text(&c.plan, step(&c, WIRE_USER), 0), "build:wheel");
	assert_string_equal(plan_text(&c.plan, step(&c, WIRE_ROOT_BIND), 0), "/srv/root");
	assert_null(plan_text(&c.plan, step(&c, WIRE_ROOT_BIND), 1));
	assert_null(*plan_vector(&c.plan, step(&c, WIRE_USER), 0));
	done(&c);
}

static void test_order(void **state)
{
	static const enum wire_kind order[] = { WIRE_UNSHARE,  WIRE_PROPAGATION, WIRE_ROOT_BIND,   WIRE_MOUNT,   WIRE_DEVICE,
						WIRE_TERMINAL, WIRE_MAKE_DIR,    WIRE_READ_ONLY,   WIRE_MASK,    WIRE_ROOT_READ_ONLY,
						WIRE_USER,     WIRE_PIVOT,       WIRE_CHDIR,       WIRE_GO,      WIRE_INIT,
						WIRE_SESSION,  WIRE_RLIMIT,      WIRE_CREDENTIALS, WIRE_SECCOMP, WIRE_EXEC };
	struct sock_filter filter = { .code = BPF_RET | BPF_K, .k = 0x7fff0000 };
	struct spec_rlimit limit = { .resource = 7, .soft = 1, .hard = 2 };
	struct compiled c;

	(void) state;
	fill(&c.spec);
	assert_int_equal(spec_add_defaults(&c.spec, false, 0, NULL), 0);
	c.spec.terminal = c.spec.init = c.spec.read_only_root = true;
	c.spec.seccomp = &filter;
	c.spec.n_seccomp = 1;
	c.spec.rlimits = &limit;
	c.spec.n_rlimits = 1;
	compile(&c, &as_root);
	for (size_t i = 1; i < ARRAY_SIZE(order); i++)
		assert_true(find(&c, order[i - 1], 0) >= 0 && find(&c, order[i - 1], 0) < find(&c, order[i], 0));
	/* The last mount before the first mask, the last mask before the pivot. */
	assert_true(find(&c, WIRE_MOUNT, 6) == -1 && find(&c, WIRE_MOUNT, 5) < find(&c, WIRE_READ_ONLY, 0));
	assert_int_equal(find(&c, WIRE_EXEC, 0), (int) c.plan.n_steps - 1);
	assert_memory_equal(plan_blob(&c.plan, step(&c, WIRE_SECCOMP)), &filter, sizeof(filter));
	assert_true(step(&c, WIRE_CREDENTIALS)->flags & WIRE_FILTERED);
	done(&c);
}

/* Before what is read-only or masked, and last before the program; those of the host are not in it. Without any there is no step more. */
static void test_hooks_and_descriptors(void **state)
{
	const struct spec_hook hooks[] = {
		{ .stage = WIRE_STAGE_START_CONTAINER, .path = "/in" },
		{ .stage = WIRE_STAGE_POSTSTOP, .path = "/host" },
		{ .stage = WIRE_STAGE_CREATE_CONTAINER, .path = "/mount" },
		{ .stage = WIRE_STAGE_CREATE_RUNTIME, .path = "/host" },
	};
	const struct spec_fd fds[] = { { 7, 0 }, { 3, 1 } };
	struct compiled c;
	uint32_t steps;

	(void) state;
	fill(&c.spec);
	assert_int_equal(spec_add_defaults(&c.spec, false, 0, NULL), 0);
	compile(&c, &as_root);
	steps = c.plan.n_steps;
	assert_true(find(&c, WIRE_HOOK, 0) < 0 && find(&c, WIRE_READY, 0) < 0 && find(&c, WIRE_FDS, 0) < 0);
	assert_int_equal(step(&c, WIRE_PIVOT)->number[1], 0);
	done(&c);
	fill(&c.spec);
	assert_int_equal(spec_add_defaults(&c.spec, false, 0, NULL), 0);
	c.spec.hooks = (struct spec_hooks){ hooks, ARRAY_SIZE(hooks), "\"id\":\"x\"}" };
	c.spec.waits_ready = c.spec.listens = true;
	c.spec.fds = fds;
	c.spec.n_fds = ARRAY_SIZE(fds);
	compile(&c, &as_root);
	assert_int_equal(c.plan.n_steps, steps + 4);
	assert_true(find(&c, WIRE_DEVICE, 0) < find(&c, WIRE_READY, 0) && find(&c, WIRE_READY, 0) < find(&c, WIRE_HOOK, 0));
	assert_true(find(&c, WIRE_HOOK, 0) < find(&c, WIRE_READ_ONLY, 0));
	assert_string_equal(plan_text(&c.plan, &c.plan.steps[find(&c, WIRE_HOOK, 0)], 0), "/mount");
	assert_string_equal(plan_text(&c.plan, &c.plan.steps[find(&c, WIRE_HOOK, 1)], 0), "/in");
	assert_int_equal(find(&c, WIRE_HOOK, 1), (int) c.plan.n_steps - 2);
	assert_int_equal(step(&c, WIRE_PIVOT)->number[1], 2);
	assert_memory_equal(plan_blob(&c.plan, step(&c, WIRE_FDS)), ((uint32_t[]){ 7, 3 }), 8);
	assert_true(find(&c, WIRE_GO, 0) < find(&c, WIRE_FDS, 0) && find(&c, WIRE_FDS, 0) < find(&c, WIRE_CREDENTIALS, 0));
	assert_true(step(&c, WIRE_EXEC)->flags & WIRE_LISTEN);
	done(&c);
}

static const char *devpts_data(const struct compiled *c)
{
	for (int i = 0; find(c, WIRE_MOUNT, i) >= 0; i++) {
		const struct wire_step *mount = &c->plan.steps[find(c, WIRE_MOUNT, i)];

		if (strcmp(plan_text(&c->plan, mount, 0), "devpts") == 0)
			return plan_text(&c->plan, mount, 3);
	}
	return NULL;
}

static void test_user_namespace(void **state)
{
	struct compiled c;

	(void) state;
	fill(&c.spec);
	assert_int_equal(spec_add_defaults(&c.spec, true, 1 << 20, NULL), 0);
	compile(&c, &as_user);
	assert_true(c.namespaces.clone_flags & CLONE_NEWUSER);
	assert_true(step(&c, WIRE_CREDENTIALS)->flags & WIRE_NO_SETGROUPS);
	assert_string_equal(devpts_data(&c), "newinstance,ptmxmode=0666,mode=0620");
	assert_string_equal(plan_text(&c.plan, step(&c, WIRE_DEVICE), 1), "/dev/null");
	done(&c);

	/* With the host's network a sysfs of its own would be refused. */
	fill(&c.spec);
	c.spec.namespaces[SPEC_NS_NETWORK].mode = SPEC_NS_HOST;
	assert_int_equal(spec_add_defaults(&c.spec, true, 0, NULL), 0);
	compile(&c, &as_user);
	assert_string_equal(plan_text(&c.plan, step(&c, WIRE_BIND), 0), "/sys");
	assert_int_equal(find(&c, WIRE_LOOPBACK, 0), -1);
	done(&c);
}

/* Root's container in a user namespace: the host's rights first, nothing attached before the namespaces are the container's. */
static void test_mapped(void **state)
{
	static const enum wire_kind order[] = { WIRE_OOM_SCORE, WIRE_RLIMIT, WIRE_USERNS,      WIRE_UNSHARE, WIRE_TREE, WIRE_ROOT_BIND,
						WIRE_JOIN,      WIRE_ENTER,  WIRE_ROOT_ATTACH, WIRE_BIND,    WIRE_PIVOT };
	struct id_range ids = { 0, 100000, 1000 }, own[] = { { 0, 100005, 1 }, { 5, 100000, 1 } };
	struct spec_mount mounts[] = {
		{ .kind = SPEC_MOUNT_BIND, .source = "/a", .target = "/a", .flags = MS_REC | MS_RDONLY },
		{ .kind = SPEC_MOUNT_BIND, .source = "/b", .target = "/b", .flags = MS_REC, .idmapped = true },
		{ .kind = SPEC_MOUNT_BIND, .source = "/c", .target = "/c", .uid_map = own, .gid_map = own, .n_uid_map = 2, .n_gid_map = 2 },
	};
	struct spec_rlimit limit = { .resource = 7, .soft = 1, .hard = 2 };
	struct compiled c;

	(void) state;
	fill(&c.spec);
	c.spec.namespaces[SPEC_NS_USER].mode = SPEC_NS_NEW;
	c.spec.uid_map = c.spec.gid_map = &ids;
	c.spec.n_uid_map = c.spec.n_gid_map = 1;
	c.spec.mounts = mounts;
	c.spec.n_mounts = ARRAY_SIZE(mounts);
	c.spec.has_oom_score_adj = true;
	c.spec.rlimits = &limit;
	c.spec.n_rlimits = 1;
	compile(&c, &as_root);
	assert_true(c.namespaces.enters);
	assert_false(c.namespaces.clone_flags & CLONE_NEWUSER);
	for (size_t i = 1; i < ARRAY_SIZE(order); i++)
		assert_true(find(&c, order[i - 1], 0) >= 0 && find(&c, order[i - 1], 0) < find(&c, order[i], 0));
	assert_string_equal(plan_text(&c.plan, step(&c, WIRE_USERNS), 0), "0 100000 1000\n");
	assert_string_equal(plan_text(&c.plan, &c.plan.steps[find(&c, WIRE_USERNS, 1)], 1), "0 100005 1\n5 100000 1\n");
	assert_true(step(&c, WIRE_JOIN)->flags & WIRE_SLOT);
	assert_true(step(&c, WIRE_ENTER)->number[0] & CLONE_NEWPID);
	assert_true(step(&c, WIRE_ROOT_BIND)->flags & WIRE_KEPT);
	assert_false(step(&c, WIRE_TREE)->flags & WIRE_IDMAPPED);
	for (int i = 1; i < 3; i++) {
		assert_true(c.plan.steps[find(&c, WIRE_TREE, i)].flags & WIRE_IDMAPPED);
		assert_int_equal(c.plan.steps[find(&c, WIRE_TREE, i)].number[3], i - 1);
		assert_int_equal(c.plan.steps[find(&c, WIRE_BIND, i)].number[2], i);
	}
	done(&c);

	/* A plain user's, with maps: inside the user namespace that he is root of. */
	fill(&c.spec);
	c.spec.namespaces[SPEC_NS_USER].mode = SPEC_NS_NEW;
	c.spec.uid_map = c.spec.gid_map = &ids;
	c.spec.n_uid_map = c.spec.n_gid_map = 1;
	compile(&c, &as_user);
	assert_true(c.namespaces.enters && (c.namespaces.clone_flags & CLONE_NEWUSER));
	assert_true(find(&c, WIRE_USERNS, 0) >= 0 && find(&c, WIRE_USERNS, 0) < find(&c, WIRE_ENTER, 0));
	done(&c);

	/* The same inside of one that is there: it is joined first, by us and not by a process born in a new one. */
	fill(&c.spec);
	c.spec.namespaces[SPEC_NS_USER] = (struct spec_namespace){ SPEC_NS_NEW, "/proc/self/ns/user" };
	c.spec.uid_map = c.spec.gid_map = &ids;
	c.spec.n_uid_map = c.spec.n_gid_map = 1;
	compile(&c, &as_user);
	assert_true(c.namespaces.enters);
	assert_false(c.namespaces.clone_flags & CLONE_NEWUSER);
	assert_int_equal(step(&c, WIRE_JOIN)->number[0], WIRE_FD_NS + SPEC_NS_USER);
	assert_true(find(&c, WIRE_JOIN, 0) < find(&c, WIRE_USERNS, 0));
	assert_string_equal(plan_text(&c.plan, step(&c, WIRE_USERNS), 0), "0 100000 1000\n");
	assert_true(c.plan.steps[find(&c, WIRE_JOIN, 1)].flags & WIRE_SLOT);
	done(&c);
}

static void test_joins(void **state)
{
	struct compiled c;
	scow_error *error = NULL;

	(void) state;
	fill(&c.spec);
	c.spec.namespaces[SPEC_NS_NETWORK] = (struct spec_namespace){ SPEC_NS_JOIN, "/proc/self/ns/net" };
	compile(&c, &as_root);
	assert_false(c.namespaces.enters);
	assert_false(c.namespaces.clone_flags & CLONE_NEWNET);
	assert_int_equal(step(&c, WIRE_JOIN)->number[0], WIRE_FD_NS + SPEC_NS_NETWORK);
	assert_int_equal(step(&c, WIRE_JOIN)->number[1], CLONE_NEWNET);
	done(&c);

	/* Only a child lives in a pid namespace that was joined. */
	fill(&c.spec);
	c.spec.namespaces[SPEC_NS_PID] = (struct spec_namespace){ SPEC_NS_JOIN, "/proc/self/ns/pid" };
	compile(&c, &as_root);
	assert_true(c.namespaces.enters);
	assert_true(find(&c, WIRE_JOIN, 0) < find(&c, WIRE_ENTER, 0));
	assert_true(step(&c, WIRE_ENTER)->number[0] & CLONE_NEWNS);
	done(&c);

	fill(&c.spec);
	c.spec.namespaces[SPEC_NS_IPC] = (struct spec_namespace){ SPEC_NS_JOIN, "/nonexistent" };
	assert_true(plan_namespaces_open(&c.spec, &as_root, &c.namespaces, &error) < 0);
	assert_non_null(strstr(scow_error_message(error), "'/nonexistent'"));
	scow_error_unref(error);
	spec_done(&c.spec);
}

static void test_propagation(void **state)
{
	struct spec_mount mounts[] = {
		{ .kind = SPEC_MOUNT_BIND, .source = "/a", .target = "/a", .flags = MS_REC },
		{ .kind = SPEC_MOUNT_BIND, .source = "/b", .target = "/b", .flags = MS_REC, .propagation = MS_SLAVE | MS_REC },
	};
	struct compiled c;

	(void) state;
	fill(&c.spec);
	c.spec.mounts = mounts;
	c.spec.n_mounts = 1;
	compile(&c, &as_root);
	assert_int_equal(step(&c, WIRE_PROPAGATION)->number[0], MS_REC | MS_PRIVATE);
	assert_int_equal(step(&c, WIRE_BIND)->number[1], 0);
	done(&c);

	/* One that wants the host's mounts makes all of it slaves; then the others are cut off one by one. */
	fill(&c.spec);
	c.spec.mounts = mounts;
	c.spec.n_mounts = 2;
	compile(&c, &as_root);
	assert_int_equal(step(&c, WIRE_PROPAGATION)->number[0], MS_REC | MS_SLAVE);
	assert_int_equal(step(&c, WIRE_BIND)->number[1], MS_REC | MS_PRIVATE);
	assert_int_equal(c.plan.steps[find(&c, WIRE_BIND, 1)].number[1], MS_REC | MS_SLAVE);
	done(&c);

	/* One whose mounts the host is to see stays its peer, and so must all until the pivot. */
	fill(&c.spec);
	mounts[1].propagation = MS_SHARED | MS_REC;
	c.spec.mounts = mounts;
	c.spec.n_mounts = 2;
	c.spec.root_propagation = MS_SHARED | MS_REC;
	compile(&c, &as_root);
	assert_int_equal(step(&c, WIRE_PROPAGATION)->number[0], MS_PRIVATE);
	assert_int_equal(step(&c, WIRE_BIND)->number[1], MS_REC | MS_PRIVATE);
	assert_int_equal(step(&c, WIRE_PIVOT)->number[0], MS_REC | MS_SHARED);
	done(&c);
}

static void refuse(struct compiled *c, const char *message)
{
	scow_error *error = NULL;

	memset(&c->job, 0, sizeof(c->job));
	assert_int_equal(plan_namespaces_open(&c->spec, &as_root, &c->namespaces, NULL), 0);
	assert_int_equal(plan_compile(&c->spec, &as_root, &c->namespaces, &c->job, &error), SCOW_E_INVALID);
	assert_string_equal(scow_error_message(error), message);
	scow_error_unref(error);
	job_done(&c->job);
	spec_done(&c->spec);
}

/* Of @c->job, whatever compiled it. */
static void decode(struct compiled *c)
{
	assert_int_equal(job_bytes(&c->job, &c->bytes, &c->size, NULL), 0);
	assert_int_equal(plan_decode(c->bytes, c->size, &c->plan), 0);
}

/* A file system over the network, a bind, and an overlay whose changes are thrown away. */
static void fill_mounts(struct spec *spec, struct spec_mount mounts[3])
{
	mounts[0] = (struct spec_mount){ .kind = SPEC_MOUNT_FS,
					 .type = "nfs",
					 .source = ":/export",
					 .target = "/far",
					 .data = "addr=10.0.0.1,nfsvers=4",
					 .flags = MS_RDONLY | MS_NOSUID };
	mounts[1] = (struct spec_mount){ .kind = SPEC_MOUNT_BIND, .source = "/srv", .target = "/b", .flags = MS_REC };
	mounts[2] = (struct spec_mount){ .kind = SPEC_MOUNT_BIND, .source = "/srv", .target = "/o", .scratch = "scratch/abc" };
	spec->mounts = mounts;
	spec->n_mounts = 3;
	spec->container_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void check_mounts(const struct compiled *c, enum wire_kind kind)
{
	const struct wire_step *mount = step(c, WIRE_MOUNT), *overlay = &c->plan.steps[find(c, kind, 1)];

	assert_string_equal(plan_text(&c->plan, mount, 0), "nfs");
	assert_string_equal(plan_text(&c->plan, mount, 1), ":/export");
	assert_string_equal(plan_text(&c->plan, mount, 2), "/far");
	assert_string_equal(plan_text(&c->plan, mount, 3), "addr=10.0.0.1,nfsvers=4");
	assert_int_equal(mount->number[0], MS_RDONLY | MS_NOSUID);
	assert_string_equal(plan_text(&c->plan, step(c, kind), 0), "/srv");
	assert_null(plan_text(&c->plan, step(c, kind), 3));
	assert_string_equal(plan_text(&c->plan, overlay, 3), "/proc/scratch/abc");
}

/* The tree of one that does not run: all is mounted in it before it is parted from the errand's namespace. */
static void test_tree(void **state)
{
	struct spec_mount mounts[3];
	struct compiled c = { .size = 0 };

	(void) state;
	fill(&c.spec);
	fill_mounts(&c.spec, mounts);
	c.spec.read_only_root = true;
	assert_int_equal(plan_compile_tree(&c.spec, &as_root, &c.job, NULL), 0);
	decode(&c);
	check_mounts(&c, WIRE_BIND);
	assert_false(step(&c, WIRE_ROOT_BIND)->flags & WIRE_KEPT);
	assert_true(find(&c, WIRE_BIND, 1) < find(&c, WIRE_ROOT_READ_ONLY, 0));
	assert_int_equal(find(&c, WIRE_ROOT_CLONE, 0), (int) c.plan.n_steps - 1);
	close(c.spec.container_fd);
	job_done(&c.job);
	free(c.bytes);
	c.bytes = NULL;
	memset(&c.job, 0, sizeof(c.job));
	c.spec.n_mounts = 0;
	assert_int_equal(plan_compile_tree(&c.spec, &as_root, &c.job, NULL), 0);
	decode(&c);
	assert_true(step(&c, WIRE_ROOT_BIND)->flags & WIRE_KEPT);
	assert_int_equal(find(&c, WIRE_ROOT_CLONE, 0), -1);
	job_done(&c.job);
	free(c.bytes);
	spec_done(&c.spec);
}

/* What was mounted later: at its places in the plan of a supervised one, and as a plan of its own. */
static void test_later(void **state)
{
	struct spec_mount mounts[3];
	struct compiled c = { .size = 0 };

	(void) state;
	fill(&c.spec);
	c.spec.later_mounts = true;
	compile(&c, &as_root);
	assert_int_equal(c.plan.steps[find(&c, WIRE_LATER, 0)].number[0], 0);
	assert_int_equal(c.plan.steps[find(&c, WIRE_LATER, 1)].number[0], 1);
	assert_true(find(&c, WIRE_ROOT_BIND, 0) < find(&c, WIRE_LATER, 0) && find(&c, WIRE_LATER, 1) < find(&c, WIRE_PIVOT, 0));
	done(&c);
	memset(&c, 0, sizeof(c));
	fill(&c.spec);
	fill_mounts(&c.spec, mounts);
	assert_int_equal(plan_compile_later(&c.spec, &as_root, "/b", &c.job, NULL), 0);
	decode(&c);
	check_mounts(&c, WIRE_TREE);
	assert_int_equal(find(&c, WIRE_UNMOUNT, 0), 0);
	assert_string_equal(plan_text(&c.plan, &c.plan.steps[0], 0), "/b");
	assert_true(step(&c, WIRE_BIND)->flags & WIRE_PREPARED);
	assert_int_equal(find(&c, WIRE_JOIN, 0), -1);
	close(c.spec.container_fd);
	job_done(&c.job);
	free(c.bytes);
	spec_done(&c.spec);
}

static void test_refusals(void **state)
{
	struct spec_mount relative = { .kind = SPEC_MOUNT_BIND, .source = "/a", .target = "a" };
	struct compiled c;

	(void) state;
	fill(&c.spec);
	c.spec.n_args = 0;
	refuse(&c, "no command specified");
	fill(&c.spec);
	c.spec.root_path = NULL;
	refuse(&c, "a container needs a root file system");
	fill(&c.spec);
	c.spec.mounts = &relative;
	c.spec.n_mounts = 1;
	refuse(&c, "a mount target must be an absolute path: 'a'");
}

/* Every single byte of a plan, and every length, may be wrong: the decoder refuses, or what it gives is still in bounds. */
static void test_damage(void **state)
{
	struct compiled c;
	struct plan plan;

	(void) state;
	fill(&c.spec);
	compile(&c, &as_root);
	free(c.bytes);
	assert_int_equal(job_bytes(&c.job, &c.bytes, &c.size, NULL), 0);
	for (size_t size = 0; size < c.size; size++)
		assert_int_equal(plan_decode(c.bytes, size, &plan), -EINVAL);
	for (size_t i = 0; i < c.size; i++) {
		unsigned char *copy = malloc(c.size);

		assert_non_null(copy);
		memcpy(copy, c.bytes, c.size);
		copy[i] ^= 0x81;
		if (plan_decode(copy, c.size, &plan) == 0)
			for (uint32_t s = 0; s < plan.n_steps; s++)
				for (char **v = plan_vector(&plan, &plan.steps[s], 0); *v; v++)
					assert_true(*v > plan.strings && *v + strlen(*v) < (char *) copy + c.size);
		free(copy);
	}
	done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_hooks_and_descriptors),
		cmocka_unit_test(test_order),      cmocka_unit_test(test_user_namespace),
		cmocka_unit_test(test_joins),      cmocka_unit_test(test_propagation),
		cmocka_unit_test(test_refusals),   cmocka_unit_test(test_damage),
		cmocka_unit_test(test_mapped),     cmocka_unit_test(test_tree),
		cmocka_unit_test(test_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
