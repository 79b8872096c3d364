/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * scow-init: born in a container's namespaces as its PID 1, it reads one plan from its socket, carries
 * it out step by step, and becomes the program. It links nothing, libc included: it is executed for
 * every container, and must cost next to nothing.
 */
#include "init/init.h"
#include "init/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <linux/socket.h>
#include <sys/socket.h>

struct init init;
int report_socket = WIRE_FD_SOCKET;

static struct {
	const char *what, *object, *joint, *object2;
} now;

static union {
	struct wire_plan header;
	unsigned char bytes[64 * 1024];
} small_plan __attribute__((aligned(8)));

static step_fn *const steps[WIRE_KINDS] = {
	[WIRE_GO] = step_go,
	[WIRE_JOIN] = step_join,
	[WIRE_UNSHARE] = step_unshare,
	[WIRE_ENTER] = step_enter,
	[WIRE_PROPAGATION] = step_propagation,
	[WIRE_HOSTNAME] = step_hostname,
	[WIRE_DOMAINNAME] = step_domainname,
	[WIRE_LOOPBACK] = step_loopback,
	[WIRE_OVERLAY] = step_overlay,
	[WIRE_ROOT_BIND] = step_root_bind,
	[WIRE_MOUNT] = step_mount,
	[WIRE_BIND] = step_bind,
	[WIRE_CGROUP] = step_cgroup,
	[WIRE_FILE] = step_file,
	[WIRE_DEVICE] = step_device,
	[WIRE_DEV_LINKS] = step_dev_links,
	[WIRE_TERMINAL] = step_terminal,
	[WIRE_SYSCTL] = step_sysctl,
	[WIRE_OOM_SCORE] = step_oom_score,
	[WIRE_MAKE_DIR] = step_make_dir,
	[WIRE_READ_ONLY] = step_read_only,
	[WIRE_MASK] = step_mask,
	[WIRE_ROOT_READ_ONLY] = step_root_read_only,
	[WIRE_PIVOT] = step_pivot,
	[WIRE_USER] = step_user,
	[WIRE_CHDIR] = step_chdir,
	[WIRE_SESSION] = step_session,
	[WIRE_RLIMIT] = step_rlimit,
	[WIRE_INIT] = step_init,
	[WIRE_CREDENTIALS] = step_credentials,
	[WIRE_SECCOMP] = step_seccomp,
	[WIRE_EXEC] = step_exec,
	[WIRE_TRACE] = step_trace,
	[WIRE_CHOWN] = step_chown,
	[WIRE_REMOVE] = step_remove,
	[WIRE_CGROUP_JOIN] = step_cgroup_join,
	[WIRE_SCHEDULER] = step_scheduler,
	[WIRE_IO_PRIORITY] = step_io_priority,
	[WIRE_MEMORY_POLICY] = step_memory_policy,
	[WIRE_AFFINITY] = step_affinity,
	[WIRE_USERNS] = step_userns,
	[WIRE_TREE] = step_tree,
	[WIRE_ROOT_ATTACH] = step_root_attach,
	[WIRE_READY] = step_ready,
	[WIRE_HOOK] = step_hook,
	[WIRE_FDS] = step_fds,
	[WIRE_NETLINK] = step_netlink,
	[WIRE_NAMES] = step_names,
	[WIRE_SOCKET] = step_socket,
	[WIRE_TETHER] = step_tether,
	[WIRE_DEPUTY] = step_deputy,
	[WIRE_UNMOUNT] = step_unmount,
	[WIRE_HOLDER] = step_holder,
	[WIRE_ROOT_CLONE] = step_root_clone,
	[WIRE_LATER] = step_later,
};

void finish(int code)
{
	for (;;)
		sys(SYS_exit_group, code);
}

void doing(const char *what, const char *object, const char *joint, const char *object2)
{
	now.what = what;
	now.object = object;
	now.joint = joint;
	now.object2 = object2;
}

static char *add_quoted(char *at, const char *end, const char *s)
{
	at = text_add(at, end, " '");
	at = text_add(at, end, s);
	return text_add(at, end, "'");
}

void fail(const char *call, long error)
{
	static struct {
		struct wire_report report;
		char text[WIRE_REPORT_TEXT_MAX];
	} message;
	const char *end = message.text + sizeof(message.text);
	char *at = text_add(message.text, end, now.what ? now.what : "start");

	if (now.object)
		at = add_quoted(at, end, now.object);
	if (now.joint) {
		at = text_add(at, end, " ");
		at = text_add(at, end, now.joint);
	}
	if (now.object2)
		at = add_quoted(at, end, now.object2);
	message.report.kind = WIRE_FAILED;
	message.report.step = init.step;
	message.report.error = (int32_t) (error < 0 ? -error : error);
	message.report.size = (uint32_t) (at - message.text);
	text_add(message.report.call, message.report.call + sizeof(message.report.call), call);
	sys(SYS_sendto, report_socket, &message, sizeof(message.report) + message.report.size, MSG_NOSIGNAL);
	finish(125);
}

long must(long result, const char *call)
{
	if (result < 0)
		fail(call, result);
	return result;
}

void report_fd(enum wire_report_kind kind, int fd)
{
	struct wire_report report = { .kind = (uint32_t) kind, .step = init.step };
	struct iovec part = { &report, sizeof(report) };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	must(sys(SYS_sendmsg, report_socket, &message, MSG_NOSIGNAL), "sendmsg");
}

void read_socket(void *to, size_t size)
{
	unsigned char *at = to;

	while (size) {
		long n = sys(SYS_read, report_socket, at, size);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			finish(125);
		at += n;
		size -= (size_t) n;
	}
}

void step_go(const struct wire_step *step)
{
	char byte;

	(void) step;
	read_socket(&byte, 1);
}

noreturn void carry_out(void *plan, size_t size)
{
	init.root = init.proc = init.empty_dir = init.null_device = -1;
	doing("read the launch plan", NULL, NULL, NULL);
	/* The sender's end, and all that a failing step leaves open, must not reach the program. */
	must(sys(SYS_fcntl, report_socket, F_SETFD, FD_CLOEXEC), "fcntl");
	FAULT_LAST();
	/* Modes are what a step says; the program's own umask comes with its session. */
	sys(SYS_umask, 0);
	must(plan_decode(plan, size, &init.plan), "decode");
	for (uint32_t i = 0; i < init.plan.n_steps; i++) {
		init.step = init.plan.steps[i].kind;
		FAULT_STEP(init.step);
		times_note(init.step);
		steps[init.step](&init.plan.steps[i]);
	}
	finish(0);
}

static noreturn void run(void)
{
	struct wire_plan *plan = &small_plan.header;
	size_t size;

	doing("read the launch plan", NULL, NULL, NULL);
	read_socket(plan, sizeof(*plan));
	size = plan_size(plan);
	if (size > sizeof(small_plan)) {
		plan = (void *) must(sys(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), "mmap");
		memcpy(plan, &small_plan, sizeof(*plan));
	}
	if (size)
		read_socket(plan + 1, size - sizeof(*plan));
	carry_out(plan, size);
}

/*
 * Born in a user namespace before its id maps were there, this process lost its capabilities at exec, because nobody was root.
 * Once the maps are written it is, and executing a program makes it what root is.
 */
static void wait_for_maps(char **argv)
{
	char byte;
	char *none[] = { NULL };
	char mode[] = WIRE_MODE_RUN;
	char *again[] = { argv[0], mode, NULL };

	read_socket(&byte, 1);
	doing("execute scow-init again", NULL, NULL, NULL);
	must(sys(SYS_execveat, WIRE_FD_SELF, "", again, none, AT_EMPTY_PATH), "execveat");
}

noreturn __attribute__((used)) void init_main(char **stack);
void init_main(char **stack)
{
	long argc = (long) stack[0];
	char **argv = stack + 1;

	if (argc != 2)
		finish(125);
	if (text_equal(argv[1], WIRE_MODE_GUARD))
		guard_main();
	if (text_equal(argv[1], WIRE_MODE_NAMES))
		names_main();
	if (text_equal(argv[1], WIRE_MODE_SUPERVISE))
		supervisor_main(argv);
	if (text_equal(argv[1], WIRE_MODE_WAIT))
		wait_for_maps(argv);
	if (text_equal(argv[1], WIRE_MODE_KEEP) || text_equal(argv[1], WIRE_MODE_ORPHAN)) {
		keep_main(text_equal(argv[1], WIRE_MODE_ORPHAN));
		run();
	}
	if (text_equal(argv[1], WIRE_MODE_RUN))
		run();
	finish(125);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall init_main\n\thlt\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x30, #0\n\tmov x0, sp\n\tbl init_main\n\tbrk #1\n");
#endif
