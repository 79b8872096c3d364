/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Real containers from a root of one layer that holds a static busybox: exit codes, what the program finds itself with, what
 * attacks on the set-up come to, and that a failure leaves nothing behind. Needs root and busybox; skipped with the reason otherwise.
 */
#include "unit.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/spawn.h"
#include "engine/guard.h"
#include "runtime/caps.h"
#include "runtime/launch.h"

static struct scratch scratch;
static struct scow_engine engine;

struct box {
	struct spec spec;
	char output[8192];
	scow_error *error;
};

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	assert_int_equal(system(command), 0);
}

static int set_up(void **state)
{
	(void) state;
	if (geteuid() != 0 || access("/bin/busybox", X_OK) < 0)
		return 0;
	engine.pid = getpid();
	engine.helper_fd = engine.guard_fd = engine.owner_fd = -1;
	pthread_mutex_init(&engine.lock, NULL);
	assert_int_equal(facts_probe(&engine.facts, NULL), 0);
	scratch = scratch_new();
	run("cd %s && mkdir -p layers/base c && cd layers/base && mkdir -p bin etc home/u proc sys dev tmp && cp /bin/busybox bin/ && "
	    "for a in sh ls cat true sleep id pwd grep touch readlink; do ln -s busybox bin/$a; done && "
	    "printf 'root:x:0:0::/root:/bin/sh\\nu:x:1000:1000::/home/u:/bin/sh\\n' >etc/passwd && "
	    "printf 'u:x:1000:\\naudio:x:29:u\\n' >etc/group && install -m 700 /bin/busybox bin/rootonly && echo x >bin/plain",
	    scratch.path);
	return 0;
}

static int tear_down(void **state)
{
	(void) state;
	if (!scratch.fd)
		return 0;
	guard_dismiss(&engine);
	guard_reap(&engine);
	if (engine.cgroup_base)
		engine.cgroup_base_free(engine.cgroup_base);
	close(engine.helper_fd);
	facts_done(&engine.facts);
	scratch_done(&scratch);
	return 0;
}

#define need_root()                                                                                                                        \
	do {                                                                                                                               \
		if (!scratch.fd) {                                                                                                         \
			print_message("needs root with CAP_SYS_ADMIN, and a static /bin/busybox\n");                                       \
			skip();                                                                                                            \
		}                                                                                                                          \
	} while (0)

static char *layer_names[] = { (char *) "base", NULL };

/* A box that runs @script in sh, with the defaults. */
static void box_init(struct box *box, const char *script)
{
	static const char *const environment[] = { "PATH=/bin" };
	const char *const command[] = { "sh", "-c", script };

	memset(box, 0, sizeof(*box));
	run("rm -rf %s/c && mkdir -p %s/c/diff %s/c/work", scratch.path, scratch.path, scratch.path);
	for (int i = 0; i <= SPEC_NS_CGROUP; i++)
		box->spec.namespaces[i].mode = SPEC_NS_NEW;
	box->spec.id = "unit";
	box->spec.hostname = "box";
	box->spec.layers_fd = openat(scratch.fd, "layers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	box->spec.container_fd = openat(scratch.fd, "c", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	box->spec.lowers = layer_names;
	box->spec.n_lowers = 1;
	box->spec.overlay_volatile = true;
	box->spec.args = arena_strv(&box->spec.arena, command, 3);
	box->spec.n_args = 3;
	box->spec.env = arena_strv(&box->spec.arena, environment, 1);
	box->spec.n_env = 1;
	box->spec.cap_bounding = caps_default();
	assert_int_equal(spec_add_defaults(&box->spec, engine.facts.rootless, 0, NULL), 0);
}

static void box_done(struct box *box)
{
	close(box->spec.layers_fd);
	close(box->spec.container_fd);
	spec_done(&box->spec);
	scow_error_unref(box->error);
}

/* The wait status, or the launch's failure. Output goes to box->output. */
static int box_run(struct box *box)
{
	struct launch launch = { .spec = &box->spec };
	int out[2], status, r;
	ssize_t n;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	launch.fds[0] = -1;
	launch.fds[1] = launch.fds[2] = out[1];
	r = launch_start(&engine, &launch, &box->error);
	close(out[1]);
	n = fd_read_full(out[0], box->output, sizeof(box->output) - 1);
	box->output[n > 0 ? n : 0] = 0;
	close(out[0]);
	if (r < 0)
		return r;
	assert_int_equal(spawn_wait(launch.pidfd, &status, NULL), 0);
	close(launch.pidfd);
	return status;
}

static void expect(struct box *box, int status, const char *output)
{
	int r = box_run(box);

	if (r < 0)
		fail_msg("%s", scow_error_message(box->error));
	assert_int_equal(r, status);
	assert_string_equal(box->output, output);
	box_done(box);
}

static void expect_failure(struct box *box, scow_status status, const char *message)
{
	assert_int_equal(box_run(box), status);
	assert_string_equal(scow_error_message(box->error), message);
	box_done(box);
}

static void test_exit(void **state)
{
	struct box box;

	(void) state;
	need_root();
	box_init(&box, "echo $$ $HOME $(cat /proc/sys/kernel/hostname); exit 7");
	expect(&box, 7 << 8, "1 /root box\n");
	box_init(&box, "echo $$; exit 7");
	box.spec.init = true;
	expect(&box, 7 << 8, "2\n");
	box_init(&box, "kill -9 $$");
	box.spec.init = true;
	expect(&box, (128 + SIGKILL) << 8, "");
}

static void test_commands(void **state)
{
	struct box box;

	(void) state;
	need_root();
	box_init(&box, "");
	box.spec.args[0] = (char *) "nope";
	expect_failure(&box, SCOW_E_COMMAND_NOT_FOUND, "exec: \"nope\": executable file not found in $PATH");
	box_init(&box, "");
	box.spec.args[0] = (char *) "/nope";
	expect_failure(&box, SCOW_E_COMMAND_NOT_FOUND, "exec: \"/nope\": No such file or directory");
	box_init(&box, "");
	box.spec.args[0] = (char *) "/bin/plain";
	expect_failure(&box, SCOW_E_NOT_EXECUTABLE, "exec: \"/bin/plain\": Permission denied");
	box_init(&box, "");
	box.spec.args[0] = (char *) "/etc";
	expect_failure(&box, SCOW_E_NOT_EXECUTABLE, "exec: \"/etc\": Permission denied");
	/* The set-up's capabilities must not open what the user cannot. */
	box_init(&box, "");
	box.spec.args[0] = (char *) "/bin/rootonly";
	box.spec.user = "u";
	expect_failure(&box, SCOW_E_NOT_EXECUTABLE, "exec: \"/bin/rootonly\": Permission denied");
}

static void test_users(void **state)
{
	struct box box;

	(void) state;
	need_root();
	box_init(&box, "id -u; id -g; echo $HOME; grep CapEff /proc/self/status; echo >/dev/stdout");
	box.spec.user = "u";
	expect(&box, 0, "1000\n1000\n/home/u\nCapEff:\t0000000000000000\n\n");
	box_init(&box, "id -u; id -g; echo $HOME");
	box.spec.user = "4321";
	expect(&box, 0, "4321\n0\n/\n");
	box_init(&box, "id -g; id -G");
	box.spec.user = "u:audio";
	expect(&box, 0, "29\n29\n");
	box_init(&box, "");
	box.spec.user = "ghost";
	expect_failure(&box, SCOW_E_INVALID, "unable to find user 'ghost': no matching entries in the image's /etc/passwd");
	/* A passwd file that leads out of the root leads nowhere. */
	box_init(&box, "");
	run("ln -s ../../../../../../../../../etc/passwd %s/c/diff/etc_passwd && mkdir %s/c/diff/etc && mv %s/c/diff/etc_passwd "
	    "%s/c/diff/etc/passwd",
	    scratch.path, scratch.path, scratch.path, scratch.path);
	box.spec.user = "daemon";
	assert_true(box_run(&box) < 0);
	box_done(&box);
}

static void test_privileges(void **state)
{
	struct sock_filter allow = { .code = BPF_RET | BPF_K, .k = 0x7fff0000 };
	struct box box;

	(void) state;
	need_root();
	box_init(&box, "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp:' /proc/self/status");
	expect(&box, 0,
	       "CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\n"
	       "CapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t0\n");
	for (int no_new = 0; no_new < 2; no_new++) {
		box_init(&box, "grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status");
		box.spec.cap_bounding = 1; /* CHOWN: not what loading a filter takes */
		box.spec.no_new_privileges = no_new;
		box.spec.seccomp = &allow;
		box.spec.n_seccomp = 1;
		expect(&box, 0,
		       no_new ? "CapEff:\t0000000000000001\nNoNewPrivs:\t1\nSeccomp:\t2\n"
			      : "CapEff:\t0000000000000001\nNoNewPrivs:\t0\nSeccomp:\t2\n");
	}
	/* The helper in its other life holds nothing but the right to signal, and cannot be written (CVE-2019-5736). */
	box_init(&box, "grep -E 'CapEff|Seccomp:' /proc/1/status; ls /proc/1/fd; echo bad >/proc/1/exe");
	box.spec.init = true;
	box.spec.cap_bounding = CAPS_ALL;
	assert_int_equal(box_run(&box), 1 << 8);
	assert_non_null(strstr(box.output, "CapEff:\t0000000000000020\nSeccomp:\t2\nsh: can't create /proc/1/exe"));
	box_done(&box);
}

static void test_no_descriptor_leaks(void **state)
{
	int leak = open("/", O_RDONLY | O_DIRECTORY); /* NOLINT: without O_CLOEXEC, as a careless host has them */
	char cwd[64];
	struct box box;

	(void) state;
	need_root();
	box_init(&box, "cd /proc/self/fd && for i in *; do if test -e $i; then echo $i; fi; done");
	expect(&box, 0, "0\n1\n2\n");
	/* CVE-2024-21626: a working directory through a descriptor of the set-up. */
	for (int fd = 3; fd < 24; fd++) {
		box_init(&box, "pwd; ls");
		snprintf(cwd, sizeof(cwd), "/proc/self/fd/%d", fd);
		box.spec.cwd = cwd;
		assert_true(box_run(&box) < 0);
		box_done(&box);
	}
	close(leak);
}

static void test_mounts(void **state)
{
	struct spec_mount mount = { .kind = SPEC_MOUNT_BIND, .source = scratch.path, .flags = MS_REC | MS_RDONLY };
	struct box box;

	(void) state;
	need_root();
	box_init(&box, "ls -d /made/on/the/way/layers; touch /made/on/the/way/x 2>/dev/null; echo $?");
	mount.target = "/made/on/the/way";
	box.spec.mounts[0] = mount; /* in the place of proc, which nothing here needs */
	box.spec.n_masked_paths = box.spec.n_readonly_paths = 0;
	expect(&box, 0, "/made/on/the/way/layers\n1\n");

	/* A file over a directory. */
	box_init(&box, "");
	mount.source = "/etc/passwd";
	mount.target = "/etc";
	*(struct spec_mount *) arena_append(&box.spec.arena, &box.spec.mounts, &box.spec.n_mounts, sizeof(mount)) = mount;
	expect_failure(&box, SCOW_E_INVALID, "bind '/etc/passwd' at '/etc': Is a directory");

	/* A target that is a link out of the root ends inside it. */
	box_init(&box, "cat /out/passwd >/dev/null; echo $?; ls /tmp/inside");
	run("ln -s ../../../../../../../../tmp/inside %s/c/diff/out && mkdir -p %s/c/diff/tmp/inside", scratch.path, scratch.path);
	mount.target = "/out/passwd";
	*(struct spec_mount *) arena_append(&box.spec.arena, &box.spec.mounts, &box.spec.n_mounts, sizeof(mount)) = mount;
	expect(&box, 0, "0\npasswd\n");
	assert_true(access("/tmp/inside", F_OK) < 0);

	/* CVE-2019-16884, CVE-2023-27561: a /proc that is a link is not a place for proc. */
	box_init(&box, "");
	run("mknod %s/c/diff/proc p && rm %s/c/diff/proc && ln -s /tmp %s/c/diff/proc", scratch.path, scratch.path, scratch.path);
	assert_true(box_run(&box) < 0);
	assert_string_equal(scow_error_message(box.error), "mount 'proc' at '/proc': Too many levels of symbolic links");
	assert_string_equal(scow_error_syscall(box.error), "open");
	assert_int_equal(scow_error_errno(box.error), ELOOP);
	box_done(&box);
}

static void test_terminal(void **state)
{
	struct launch launch = { .fds = { -1, -1, -1 } };
	char output[256];
	struct box box;
	size_t size = 0;
	ssize_t n;
	int status;

	(void) state;
	need_root();
	box_init(&box, "readlink /proc/self/fd/0; test -c /dev/console && exec 3<>/dev/tty && echo mine");
	box.spec.terminal = true;
	box.spec.rows = 33;
	launch.spec = &box.spec;
	assert_int_equal(launch_start(&engine, &launch, NULL), 0);
	assert_true(launch.terminal_fd >= 0);
	/* The end is EIO, once the last who has the terminal has closed it. */
	while (size < sizeof(output) - 1 && (n = read(launch.terminal_fd, output + size, sizeof(output) - 1 - size)) > 0)
		size += (size_t) n;
	output[size] = 0;
	assert_string_equal(output, "/dev/pts/0\r\nmine\r\n");
	assert_int_equal(spawn_wait(launch.pidfd, &status, NULL), 0);
	assert_int_equal(status, 0);
	close(launch.terminal_fd);
	close(launch.pidfd);
	box_done(&box);
}

static unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void test_nothing_left(void **state)
{
	unsigned int before;
	mode_t mask;
	sigset_t signals;
	struct box box;

	(void) state;
	need_root();
	/* What the engine keeps for good comes with the first. */
	box_init(&box, "");
	expect(&box, 0, "");
	before = count_fds();
	box_init(&box, "");
	box.spec.args[0] = (char *) "nope";
	assert_true(box_run(&box) < 0);
	box_done(&box);
	box_init(&box, "umask");
	mask = umask(077);
	expect(&box, 0, "0022\n");
	assert_int_equal(umask(mask), 077);
	assert_int_equal(count_fds(), before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &signals), 0);
	assert_true(sigisemptyset(&signals));
}

/* An owner dies at once, by SIGKILL, while a forked child of it holds all its descriptors: what it owned ends all the same. */
static void test_guard(void **state)
{
	int report[2], alive;
	pid_t owner, container;

	(void) state;
	need_root();
	assert_int_equal(pipe(report), 0);
	owner = fork();
	if (owner == 0) {
		struct launch launch = { .fds = { -1, -1, -1 }, .guard_key = 1 };
		struct box box;

		engine.pid = getpid();
		box_init(&box, "sleep 60");
		launch.spec = &box.spec;
		if (launch_start(&engine, &launch, NULL) < 0)
			_exit(1);
		if (fork() == 0) {
			close(report[0]);
			close(report[1]);
			sleep(5);
			_exit(0);
		}
		(void) !write(report[1], &launch.pid, sizeof(launch.pid));
		raise(SIGKILL);
	}
	close(report[1]);
	assert_int_equal(read(report[0], &container, sizeof(container)), sizeof(container));
	close(report[0]);
	assert_int_equal(waitpid(owner, NULL, 0), owner);
	for (alive = 1500; alive && kill(container, 0) == 0; alive--) {
		char path[32], *text = NULL;

		snprintf(path, sizeof(path), "/proc/%d/stat", container);
		/* Where nobody reaps orphans it stays a zombie. */
		if (file_read_at(AT_FDCWD, path, 4096, &text, NULL) == 0 && strstr(text, ") Z ")) {
			free(text);
			break;
		}
		free(text);
		usleep(10000);
	}
	assert_true(alive > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_left), cmocka_unit_test(test_exit),       cmocka_unit_test(test_commands),
		cmocka_unit_test(test_users),        cmocka_unit_test(test_privileges), cmocka_unit_test(test_no_descriptor_leaks),
		cmocka_unit_test(test_mounts),       cmocka_unit_test(test_terminal),   cmocka_unit_test(test_guard),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
