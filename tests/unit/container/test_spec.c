/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit/unit.h"

#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "container/create.h"
#include "runtime/caps.h"
#include "runtime/seccomp.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define BIT(cap) (UINT64_C(1) << (cap))

/* In place of the real one: compiling needs an engine's cache, and is tested where it is done. */
static struct {
	unsigned int calls;
	uint64_t caps;
	char profile[32];
} compiled;

int seccomp_compile(scow_engine *engine, const char *profile, uint64_t capabilities, struct sock_filter **out, size_t *count,
		    unsigned int *flags, scow_error **error)
{
	(void) engine;
	(void) error;
	compiled.calls++;
	compiled.caps = capabilities;
	snprintf(compiled.profile, sizeof(compiled.profile), "%s", profile ? profile : "default");
	*out = calloc(1, sizeof(**out));
	*count = 1;
	*flags = 0;
	return *out ? 0 : SCOW_E_NO_MEMORY;
}

/* One build of a spec: a test sets the config's fields and asks for the spec. */
struct fixture {
	scow_engine engine;
	struct image_config image;
	scow_container_config *config;
	struct spec spec;
};

static int set_up(void **state)
{
	static char *command[] = { (char *) "true", NULL };
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	f->config = scow_container_config_new();
	f->image.cmd = command;
	f->image.n_cmd = 1;
	for (int bit = 0; bit < 64 && prctl(PR_CAPBSET_READ, bit, 0, 0, 0) >= 0; bit++)
		f->engine.facts.bounding |= (uint64_t) prctl(PR_CAPBSET_READ, bit, 0, 0, 0) << bit;
	memset(&compiled, 0, sizeof(compiled));
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	spec_done(&f->spec);
	scow_container_config_unref(f->config);
	free(f);
	return 0;
}

static struct spec *build(struct fixture *f)
{
	scow_error *error = NULL;

	spec_done(&f->spec);
	if (config_check(f->config, &error) < 0 || spec_build(&f->engine, ID, &f->image, f->config, &f->spec, &error) < 0)
		fail_msg("%s", scow_error_message(error));
	return &f->spec;
}

static void check_refused(struct fixture *f, scow_status status, const char *message)
{
	scow_error *error = NULL;
	int r;

	assert_ok(config_check(f->config, NULL));
	spec_done(&f->spec);
	r = spec_build(&f->engine, ID, &f->image, f->config, &f->spec, &error);
	assert_non_null(error);
	assert_string_equal(scow_error_message(error), message);
	assert_int_equal(r, status);
	assert_int_equal(f->spec.n_mounts, 0);
	scow_error_unref(error);
}

/* A config as new, for the next case of the same test. */
static scow_container_config *again(struct fixture *f)
{
	scow_container_config_unref(f->config);
	return f->config = scow_container_config_new();
}

static const struct spec_mount *mount_at(const struct spec *spec, const char *target)
{
	const struct spec_mount *found = NULL;

	for (size_t i = 0; i < spec->n_mounts; i++) {
		if (str_eq(spec->mounts[i].target, target)) {
			assert_null(found);
			found = &spec->mounts[i];
		}
	}
	return found;
}

static const struct spec_device *device_at(const struct spec *spec, const char *path)
{
	for (size_t i = 0; i < spec->n_devices; i++)
		if (str_eq(spec->devices[i].path, path))
			return &spec->devices[i];
	return NULL;
}

static const char *sysctl_of(const struct spec *spec, const char *name)
{
	const char *value = NULL;

	for (size_t i = 0; i < spec->n_sysctls; i++)
		if (str_eq(spec->sysctls[i].name, name))
			value = spec->sysctls[i].value;
	return value;
}

static const struct spec_file *file_at(const struct spec *spec, const char *path)
{
	for (size_t i = 0; i < spec->n_files; i++)
		if (str_eq(spec->files[i].path, path))
			return &spec->files[i];
	return NULL;
}

static uint64_t host_caps(void)
{
	uint64_t caps = 0;

	for (int bit = 0; bit < 64 && prctl(PR_CAPBSET_READ, bit, 0, 0, 0) >= 0; bit++)
		if (prctl(PR_CAPBSET_READ, bit, 0, 0, 0) == 1)
			caps |= BIT(bit);
	return caps;
}

static void test_default(void **state)
{
	struct fixture *f = *state;
	const struct spec *spec = build(f);

	assert_string_equal(spec->id, ID);
	assert_string_equal(spec->hostname, "0123456789ab");
	assert_string_equal(spec->cgroup_name, "scow-" ID);
	assert_null(spec->cgroup_parent);
	assert_int_equal(spec->n_args, 1);
	assert_string_equal(spec->env[1], "HOSTNAME=0123456789ab");
	assert_string_equal(spec->cwd, "/");
	assert_true(spec->make_cwd);
	assert_string_equal(spec->user, "");
	assert_int_equal(spec->layers_fd, -1);
	assert_int_equal(spec->container_fd, -1);
	assert_true(spec->default_dev_links);
	assert_false(spec->no_new_privileges || spec->init || spec->terminal || spec->read_only_root || spec->overlay_volatile);
	assert_int_equal(spec->cap_bounding, caps_default() & host_caps());
	assert_int_equal(spec->cap_ambient, 0);
	assert_int_equal(compiled.calls, 1);
	assert_int_equal(compiled.caps, spec->cap_bounding);
	assert_string_equal(compiled.profile, "default");
	assert_int_equal(spec->n_seccomp, 1);
	assert_int_equal(spec->n_rlimits, 0);
	assert_false(spec->has_oom_score_adj);
	assert_true(spec->n_masked_paths > 0 && spec->n_readonly_paths > 0 && spec->n_devices > 0);
	for (unsigned int ns = 0; ns < SPEC_NS_COUNT; ns++)
		assert_int_equal(spec->namespaces[ns].mode, ns == SPEC_NS_USER || ns == SPEC_NS_TIME ? SPEC_NS_HOST : SPEC_NS_NEW);
	assert_string_equal(sysctl_of(spec, "net.ipv4.ping_group_range"), "0 2147483647");
	assert_string_equal(sysctl_of(spec, "net.ipv4.ip_unprivileged_port_start"), "0");
	assert_string_equal(file_at(spec, "/etc/hostname")->content, "0123456789ab\n");
	assert_true(str_has_prefix(file_at(spec, "/etc/hosts")->content, "127.0.0.1\tlocalhost\n"));
	assert_null(file_at(spec, "/etc/resolv.conf"));
}

static void test_default_rules(void **state)
{
	const struct spec_resources *resources = &build(*state)->resources;

	assert_int_equal(resources->n_device_rules, 12);
	assert_true(!resources->device_rules[0].allow && resources->device_rules[0].type == 'a' && resources->device_rules[0].major == -1);
	for (size_t i = 1; i < 12; i++)
		assert_true(resources->device_rules[i].allow);
	assert_true(resources->device_rules[1].mknod && !resources->device_rules[1].read);
	assert_false(resources->devices_unrestricted);
	assert_false(resources->has_pids_max || resources->has_memory_swap || resources->memory_bytes || resources->cpu_quota_us);
}

static void test_caps(void **state)
{
	struct fixture *f = *state;
	const uint64_t defaults = caps_default() & host_caps(), all = caps_last() & host_caps();

	scow_container_config_drop_capability(f->config, "ALL");
	assert_int_equal(build(f)->cap_bounding, 0);
	scow_container_config_add_capability(f->config, "CHOWN"); /* after or before, it is the same */
	assert_int_equal(build(f)->cap_bounding, BIT(CAP_CHOWN));
	again(f);
	scow_container_config_drop_capability(f->config, "chown");
	scow_container_config_add_capability(f->config, "SYS_CHROOT"); /* is there already */
	scow_container_config_add_capability(f->config, "NET_ADMIN");
	assert_int_equal(build(f)->cap_bounding, (defaults & ~BIT(CAP_CHOWN)) | BIT(CAP_NET_ADMIN));
	again(f);
	scow_container_config_add_capability(f->config, "ALL");
	assert_int_equal(build(f)->cap_bounding, all);
	scow_container_config_drop_capability(f->config, "SYS_ADMIN");
	assert_int_equal(build(f)->cap_bounding, all & ~BIT(CAP_SYS_ADMIN));
	again(f);
	scow_container_config_set_privileged(f->config, 1);
	scow_container_config_drop_capability(f->config, "ALL");
	assert_int_equal(build(f)->cap_bounding, all);
}

static void test_caps_that_are_not_here(void **state)
{
	struct fixture *f = *state;
	const uint64_t missing = caps_last() & ~host_caps();
	char message[160];

	if (!missing)
		skip();
	scow_container_config_add_capability(f->config, caps_name(__builtin_ctzll(missing)));
	snprintf(message, sizeof(message), "capability '%s': this process does not have it, and so cannot give it",
		 caps_name(__builtin_ctzll(missing)));
	check_refused(f, SCOW_E_UNSUPPORTED, message);
	f->engine.facts.rootless = true; /* has all, in its user namespace */
	assert_true(build(f)->cap_bounding & missing);
}

static void test_privileged(void **state)
{
	struct fixture *f = *state;
	const struct spec *spec;

	scow_container_config_set_privileged(f->config, 1);
	spec = build(f);
	assert_int_equal(spec->n_masked_paths, 0);
	assert_int_equal(spec->n_readonly_paths, 0);
	assert_int_equal(spec->n_seccomp, 0);
	assert_int_equal(compiled.calls, 0);
	assert_true(spec->resources.devices_unrestricted);
	assert_int_equal(spec->resources.n_device_rules, 0);
	assert_false(mount_at(spec, "/sys")->flags & MS_RDONLY);
	assert_false(mount_at(spec, "/sys/fs/cgroup")->flags & MS_RDONLY);
	assert_null(device_at(spec, "/dev/ptmx"));
	assert_null(device_at(spec, "/dev/console"));
	for (size_t i = 0; i < spec->n_devices; i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(spec->devices[i].path, spec->devices[j].path);
	scow_container_config_set_seccomp(f->config, "{}"); /* one's own counts nevertheless */
	assert_int_equal(build(f)->n_seccomp, 1);
	assert_string_equal(compiled.profile, "{}");
}

static void test_security(void **state)
{
	struct fixture *f = *state;
	const struct spec *spec;

	scow_container_config_set_seccomp(f->config, "unconfined");
	scow_container_config_set_unmasked_paths(f->config, 1);
	scow_container_config_set_no_new_privileges(f->config, 1);
	scow_container_config_set_read_only(f->config, 1);
	scow_container_config_set_ephemeral(f->config, 1);
	spec = build(f);
	assert_int_equal(compiled.calls, 0);
	assert_int_equal(spec->n_masked_paths + spec->n_readonly_paths, 0);
	assert_true(spec->no_new_privileges && spec->read_only_root && spec->overlay_volatile);
	assert_true(mount_at(spec, "/sys")->flags & MS_RDONLY);
}

static void test_mounts(void **state)
{
	struct fixture *f = *state;
	const struct spec_mount *mount;
	const struct spec *spec;
	unsigned int before = 0;

	scow_container_config_add_bind(f->config, "/tmp", "/a/b/c/d", "ro");
	scow_container_config_add_bind(f->config, "/tmp", "/a/b", "ro,ro-nonrecursive,rshared,create");
	scow_container_config_add_bind(f->config, "/tmp", "/a", "bind-nonrecursive,noexec");
	scow_container_config_add_tmpfs(f->config, "/dev/shm", "size=5m");
	scow_container_config_add_tmpfs(f->config, "/run", "mode=755,ro");
	spec = build(f);
	for (size_t i = 0; i < spec->n_mounts; i++) {
		unsigned int depth = 0;

		for (const char *at = spec->mounts[i].target; *at; at++)
			depth += *at == '/';
		assert_true(depth >= before);
		before = depth;
	}
	mount = mount_at(spec, "/a/b/c/d");
	assert_true(mount->kind == SPEC_MOUNT_BIND && mount->recursive_read_only && !mount->create_source);
	assert_int_equal(mount->flags, MS_RDONLY | MS_REC);
	mount = mount_at(spec, "/a/b");
	assert_true(!mount->recursive_read_only && mount->create_source);
	assert_int_equal(mount->propagation, MS_SHARED | MS_REC);
	assert_int_equal(spec->root_propagation, MS_SHARED | MS_REC);
	assert_int_equal(mount_at(spec, "/a")->flags, MS_NOEXEC);
	mount = mount_at(spec, "/dev/shm"); /* in place of the default one */
	assert_string_equal(mount->data, "size=5m");
	mount = mount_at(spec, "/run");
	assert_int_equal(mount->flags, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);
	assert_string_equal(mount->type, "tmpfs");
}

static void test_mounts_of_the_user(void **state)
{
	struct fixture *f = *state;
	const struct spec *spec;

	scow_container_config_add_bind(f->config, "/dev", "/dev", NULL);
	spec = build(f);
	assert_int_equal(mount_at(spec, "/dev")->kind, SPEC_MOUNT_BIND);
	assert_null(mount_at(spec, "/dev/pts"));
	assert_null(mount_at(spec, "/dev/shm"));
	assert_int_equal(spec->n_devices, 0);
	assert_false(spec->default_dev_links);
	again(f);
	scow_container_config_add_bind(f->config, "/etc/hosts", "/etc/hosts", NULL);
	spec = build(f);
	assert_null(file_at(spec, "/etc/hosts"));
	assert_non_null(file_at(spec, "/etc/hostname"));
}

static void test_mounts_in_proc(void **state)
{
	struct fixture *f = *state;

	scow_container_config_add_bind(f->config, "/tmp", "/proc", NULL);
	check_refused(f, SCOW_E_INVALID, "mount on '/proc': only a proc file system may be there");
	scow_container_config_add_tmpfs(again(f), "/proc", NULL);
	check_refused(f, SCOW_E_INVALID, "mount on '/proc': only a proc file system may be there");
	scow_container_config_add_bind(again(f), "/tmp", "/x/../proc/self/attr", NULL);
	check_refused(f, SCOW_E_INVALID, "mount on '/proc/self/attr': it is inside /proc");
	scow_container_config_add_tmpfs(again(f), "/proc/cpuinfo", NULL);
	check_refused(f, SCOW_E_INVALID, "mount on '/proc/cpuinfo': it is inside /proc");
	again(f);
	scow_container_config_add_bind(f->config, "/proc", "/proc", NULL);
	scow_container_config_add_bind(f->config, "/tmp/cpuinfo", "/proc/cpuinfo", NULL);
	assert_int_equal(mount_at(build(f), "/proc")->kind, SPEC_MOUNT_BIND);
}

static void test_namespaces(void **state)
{
	struct fixture *f = *state;
	const struct spec *spec;

	scow_container_config_set_namespace(f->config, SCOW_NAMESPACE_PID, "host");
	scow_container_config_set_namespace(f->config, SCOW_NAMESPACE_NETWORK, "container:web");
	scow_container_config_set_namespace(f->config, SCOW_NAMESPACE_UTS, "path:/proc/1/ns/uts");
	scow_container_config_set_namespace(f->config, SCOW_NAMESPACE_TIME, "private");
	spec = build(f);
	assert_int_equal(spec->namespaces[SPEC_NS_PID].mode, SPEC_NS_HOST);
	assert_int_equal(spec->namespaces[SPEC_NS_NETWORK].mode, SPEC_NS_JOIN);
	assert_null(spec->namespaces[SPEC_NS_NETWORK].path);
	assert_string_equal(spec->namespaces[SPEC_NS_UTS].path, "/proc/1/ns/uts");
	assert_int_equal(spec->namespaces[SPEC_NS_TIME].mode, SPEC_NS_NEW);
	assert_int_equal(spec->namespaces[SPEC_NS_USER].mode, SPEC_NS_HOST);
	assert_string_equal(spec_joined_container(f->config, SPEC_NS_NETWORK), "web");
	assert_null(spec_joined_container(f->config, SPEC_NS_PID));
	assert_null(spec->hostname);
	assert_int_equal(spec->n_files, 0);
	assert_null(sysctl_of(spec, "net.ipv4.ping_group_range"));
}

static void test_host_namespaces(void **state)
{
	struct fixture *f = *state;
	char host[65] = "", line[70];
	const struct spec *spec;

	scow_container_config_set_namespace(f->config, SCOW_NAMESPACE_NETWORK, "host");
	scow_container_config_set_namespace(f->config, SCOW_NAMESPACE_IPC, "host");
	spec = build(f);
	assert_ok(gethostname(host, sizeof(host) - 1));
	assert_string_equal(spec->hostname, host);
	snprintf(line, sizeof(line), "%s\n", host);
	assert_string_equal(file_at(spec, "/etc/hostname")->content, line);
	assert_int_equal(file_at(spec, "/etc/resolv.conf") != NULL, access("/etc/resolv.conf", F_OK) == 0);
	assert_null(sysctl_of(spec, "net.ipv4.ip_unprivileged_port_start"));
	assert_int_equal(mount_at(spec, "/dev/shm")->kind, SPEC_MOUNT_BIND);
	assert_string_equal(mount_at(spec, "/dev/shm")->source, "/dev/shm");
	assert_int_equal(mount_at(spec, "/sys")->kind, SPEC_MOUNT_FS);

	scow_container_config_set_namespace(again(f), SCOW_NAMESPACE_UTS, "host");
	assert_null(build(f)->hostname);
	scow_container_config_set_namespace(again(f), SCOW_NAMESPACE_IPC, "none");
	spec = build(f);
	assert_null(mount_at(spec, "/dev/shm"));
	assert_int_equal(spec->namespaces[SPEC_NS_IPC].mode, SPEC_NS_NEW);
}

static void test_conflicts(void **state)
{
	struct fixture *f = *state;

	scow_container_config_set_hostname(f->config, "x");
	scow_container_config_set_namespace(f->config, SCOW_NAMESPACE_UTS, "host");
	check_refused(f, SCOW_E_INVALID, "conflicting options: a hostname, and a uts namespace that is not its own");
	again(f);
	scow_container_config_set_domainname(f->config, "x");
	scow_container_config_set_namespace(f->config, SCOW_NAMESPACE_NETWORK, "container:web");
	check_refused(f, SCOW_E_INVALID, "conflicting options: a domainname, and the network of another container");
	scow_container_config_set_namespace(again(f), SCOW_NAMESPACE_USER, "keep-id");
	f->engine.facts.kernel = 6 << 16;
	check_refused(f, SCOW_E_INVALID, "'keep-id' is for a plain user's containers: root has no id to keep");
	scow_container_config_add_uid_map(again(f), 0, 100000, 1000);
	scow_container_config_set_namespace(f->config, SCOW_NAMESPACE_IPC, "container:web");
	check_refused(f, SCOW_E_INVALID, "a ipc namespace shared with 'web' cannot be entered from a user namespace of its own");
	scow_container_config_add_uid_map(again(f), 0, 100000, 1000);
	f->engine.facts.kernel = 5 << 16 | 18;
	check_refused(f, SCOW_E_UNSUPPORTED, "a user namespace for root's container needs idmapped layers: Linux 5.18 has none, 5.19 has");
	f->image.n_cmd = 0;
	again(f);
	check_refused(f, SCOW_E_INVALID, "no command specified");
}

/* Root's container with maps: what only a user namespace changes, and what stays because its maker is root. */
static void test_mapped(void **state)
{
	struct fixture *f = *state;
	const struct spec *spec;

	f->engine.facts.kernel = 6 << 16;
	scow_container_config_add_uid_map(f->config, 0, 100000, 1000);
	scow_container_config_add_uid_map(f->config, 1000, 5, 1);
	scow_container_config_add_capability(f->config, "ALL");
	spec = build(f);
	assert_int_equal(spec->namespaces[SPEC_NS_USER].mode, SPEC_NS_NEW);
	assert_int_equal(spec->n_uid_map, 2);
	assert_int_equal(spec->uid_map[1].outside, 5);
	assert_int_equal(spec->n_gid_map, 2); /* as the users */
	assert_int_equal(spec->gid_map[0].outside, 100000);
	assert_string_equal(spec->devices[0].bind_source, "/dev/null");
	assert_true(spec->resources.n_device_rules > 0);
	assert_int_equal(spec->cap_bounding, CAPS_ALL & caps_last());
	assert_null(sysctl_of(spec, "net.ipv4.ping_group_range"));

	scow_container_config_add_gid_map(again(f), 0, 7, 8);
	scow_container_config_add_bind(f->config, "/", "/own", "U");
	scow_container_config_add_bind(f->config, "/", "/mapped", "idmap");
	scow_container_config_add_bind(f->config, "/", "/plain", NULL);
	scow_container_config_set_user(f->config, "3:4");
	spec = build(f);
	assert_int_equal(spec->uid_map[0].outside, 7);
	assert_true(mount_at(spec, "/mapped")->idmapped);
	assert_null(mount_at(spec, "/mapped")->uid_map);
	assert_false(mount_at(spec, "/plain")->idmapped);
	/* 0 and 3 change places: 1-2, 4-7, and the two. */
	assert_int_equal(mount_at(spec, "/own")->n_uid_map, 4);
	for (unsigned int i = 0; i < 4; i++) {
		static const struct id_range expected[] = { { 1, 8, 2 }, { 4, 11, 4 }, { 0, 10, 1 }, { 3, 7, 1 } };

		assert_memory_equal(&mount_at(spec, "/own")->uid_map[i], &expected[i], sizeof(expected[i]));
	}

	/* Without a user namespace "idmap" has nothing to map by; "U" has the host's ids, and nothing to do where the owner is right. */
	scow_container_config_add_bind(again(f), "/", "/mapped", "idmap");
	check_refused(f, SCOW_E_INVALID, "mount on '/mapped': option 'idmap' needs a user namespace");
	scow_container_config_add_bind(again(f), "/", "/own", "U");
	assert_null(mount_at(build(f), "/own")->uid_map);
	scow_container_config_set_user(f->config, "nobody");
	check_refused(f, SCOW_E_UNSUPPORTED, "mount on '/own': option 'U' cannot tell the id of the user 'nobody'");
	scow_container_config_set_user(f->config, "9");
	assert_int_equal(mount_at(build(f), "/own")->n_uid_map, 4);
}

static void test_rootless(void **state)
{
	struct fixture *f = *state;
	const struct spec *spec;

	f->engine.facts.rootless = true;
	spec = build(f);
	assert_int_equal(spec->namespaces[SPEC_NS_USER].mode, SPEC_NS_NEW);
	assert_int_equal(spec->cap_bounding, caps_default());
	assert_int_equal(spec->resources.n_device_rules, 0);
	assert_null(sysctl_of(spec, "net.ipv4.ping_group_range"));
	assert_string_equal(sysctl_of(spec, "net.ipv4.ip_unprivileged_port_start"), "0");

	scow_container_config_set_namespace(f->config, SCOW_NAMESPACE_NETWORK, "host");
	scow_container_config_set_namespace(f->config, SCOW_NAMESPACE_PID, "host");
	scow_container_config_add_device(f->config, "/dev/null", "/dev/nil", NULL);
	spec = build(f);
	assert_int_equal(mount_at(spec, "/sys")->kind, SPEC_MOUNT_BIND);
	assert_true(mount_at(spec, "/sys")->flags & MS_RDONLY && mount_at(spec, "/sys")->recursive_read_only);
	assert_int_equal(mount_at(spec, "/proc")->kind, SPEC_MOUNT_BIND);
	assert_string_equal(device_at(spec, "/dev/nil")->bind_source, "/dev/null");

	scow_container_config_set_namespace(again(f), SCOW_NAMESPACE_IPC, "container:db");
	assert_int_equal(build(f)->namespaces[SPEC_NS_USER].mode, SPEC_NS_JOIN);
	assert_string_equal(spec_joined_container(f->config, SPEC_NS_USER), "db");

	scow_container_config_set_namespace(f->config, SCOW_NAMESPACE_USER, "private");
	check_refused(f, SCOW_E_INVALID, "a ipc namespace shared with 'db' cannot be entered from a user namespace of its own");
	scow_container_config_set_namespace(again(f), SCOW_NAMESPACE_USER, "host");
	check_refused(f, SCOW_E_UNSUPPORTED, "a plain user's container needs a user namespace of its own");
	scow_container_config_add_device_rule(again(f), "c 1:3 r");
	check_refused(f, SCOW_E_UNSUPPORTED, "device rule 'c 1:3 r': a plain user's container cannot have any");
	scow_container_config_add_device(again(f), "/dev/null", NULL, "r");
	check_refused(f, SCOW_E_UNSUPPORTED, "device '/dev/null': a plain user's container cannot restrict its use to 'r'");
}

static void test_sysctls(void **state)
{
	struct fixture *f = *state;

	scow_container_config_set_sysctl(f->config, "net/ipv4/ip_unprivileged_port_start", "1024");
	scow_container_config_set_sysctl(f->config, "kernel.shmmax", "1");
	assert_string_equal(sysctl_of(build(f), "net.ipv4.ip_unprivileged_port_start"), "1024");
	assert_int_equal(f->spec.n_sysctls, 3);
	scow_container_config_set_namespace(f->config, SCOW_NAMESPACE_NETWORK, "host");
	check_refused(f, SCOW_E_INVALID, "sysctl 'net.ipv4.ip_unprivileged_port_start' is not allowed in the host's network namespace");
	again(f);
	scow_container_config_set_sysctl(f->config, "fs.mqueue.msg_max", "1");
	scow_container_config_set_namespace(f->config, SCOW_NAMESPACE_IPC, "host");
	check_refused(f, SCOW_E_INVALID, "sysctl 'fs.mqueue.msg_max' is not allowed in the host's ipc namespace");
}

static void test_devices(void **state)
{
	struct fixture *f = *state;
	const struct spec_device_rule *rule;
	const struct spec_device *device;
	struct scratch scratch;

	scow_container_config_add_device(f->config, "/dev/null", "/dev/nil", "r");
	scow_container_config_add_device_rule(f->config, "b 8:* rw");
	device = device_at(build(f), "/dev/nil");
	assert_true(device && device->type == 'c' && device->major == 1 && device->minor == 3 && !device->bind_source);
	assert_int_equal(f->spec.resources.n_device_rules, 14);
	rule = &f->spec.resources.device_rules[12];
	assert_true(rule->type == 'c' && rule->major == 1 && rule->minor == 3 && rule->read && !rule->write && !rule->mknod);
	rule++;
	assert_true(rule->type == 'b' && rule->major == 8 && rule->minor == -1 && rule->read && rule->write && !rule->mknod);

	scow_container_config_add_device(again(f), "/dev/no-such-node", NULL, NULL);
	check_refused(f, SCOW_E_NOT_FOUND, "look up device '/dev/no-such-node': No such file or directory");
	scow_container_config_add_device(again(f), "/etc/passwd", NULL, NULL);
	check_refused(f, SCOW_E_INVALID, "'/etc/passwd' is not a device");
	scratch = scratch_new();
	scow_container_config_add_device(again(f), scratch.path, "/dev/x", NULL);
	spec_done(&f->spec);
	assert_int_equal(spec_build(&f->engine, ID, &f->image, f->config, &f->spec, NULL), SCOW_E_INVALID);
	scratch_done(&scratch);
}

static void test_resources(void **state)
{
	struct fixture *f = *state;
	const struct spec_resources *resources;

	scow_container_config_set_cpu_millis(f->config, 1500);
	scow_container_config_set_memory_bytes(f->config, 64 << 20);
	scow_container_config_set_memory_swap_bytes(f->config, -1);
	scow_container_config_set_pids_max(f->config, 10);
	scow_container_config_set_cpuset(f->config, "0", NULL);
	scow_container_config_add_ulimit(f->config, "nofile", 100, -1);
	scow_container_config_set_cgroup_parent(f->config, "/jobs");
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip();
	resources = &build(f)->resources;
	assert_int_equal(resources->cpu_quota_us, 150000);
	assert_int_equal(resources->cpu_period_us, 100000);
	assert_int_equal(resources->memory_bytes, 64 << 20);
	assert_true(resources->has_memory_swap && resources->memory_swap_bytes == -1);
	assert_true(resources->has_pids_max && resources->pids_max == 10);
	assert_string_equal(resources->cpuset_cpus, "0");
	assert_null(resources->cpuset_mems);
	assert_int_equal(f->spec.n_rlimits, 1);
	assert_int_equal(f->spec.rlimits[0].resource, RLIMIT_NOFILE);
	assert_true(f->spec.rlimits[0].hard == RLIM_INFINITY && !f->spec.rlimits[0].best_effort);
	assert_string_equal(f->spec.cgroup_parent, "/jobs");
	scow_container_config_add_io_limit(again(f), SCOW_IO_READ_BPS, "/dev/null", 1);
	check_refused(f, SCOW_E_INVALID, "'/dev/null' is not a block device, so that its i/o cannot be limited");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_default),
		TEST(test_default_rules),
		TEST(test_caps),
		TEST(test_caps_that_are_not_here),
		TEST(test_privileged),
		TEST(test_security),
		TEST(test_mounts),
		TEST(test_mounts_of_the_user),
		TEST(test_mounts_in_proc),
		TEST(test_namespaces),
		TEST(test_host_namespaces),
		TEST(test_conflicts),
		TEST(test_mapped),
		TEST(test_rootless),
		TEST(test_sysctls),
		TEST(test_devices),
		TEST(test_resources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
