/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * floor LAYER SCRATCH N [FILTER]: what the kernel charges for a container. A bare program that makes, N times, the namespaces, the
 * mounts, the devices, the cgroups, the capabilities and the seccomp filter that `scow run` makes for /bin/true, and removes what is
 * left; no database, no plan, no helper program, no error handling worth the name. Prints median, 10th percentile and mean microseconds.
 * With $BENCH_NETWORK=bridge each has a veth pair to one bridge, an address and a route, by bare netlink. LAYER is an unpacked image,
 * FILTER a raw BPF program. As a plain user: in a user namespace, by newuidmap where /etc/subuid has a range.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/mount.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/veth.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sys/mount.h>

#include "floor.h"
#include "timing.h"

#define PLAIN (MS_NOSUID | MS_NOEXEC | MS_NODEV)

extern char **environ;
static bool user;
static char cgroup_dirs[16][256];
static const char *const groups[] = { "cpu", "cpuacct", "memory", "devices", "freezer", "blkio", "pids" };
static struct sock_fprog filter;
static char own_maps[2][3][16];
static bool ranges;

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

static void find_cgroups(void)
{
	FILE *file = fopen("/proc/self/cgroup", "r");
	char line[512];

	while (file && fgets(line, sizeof(line), file)) {
		char *name = strchr(line, ':') + 1, *path = strchr(name, ':');

		*path++ = 0;
		path[strcspn(path, "\n")] = 0;
		for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
			if (strcmp(name, groups[i]) == 0)
				snprintf(cgroup_dirs[i], sizeof(cgroup_dirs[i]), "/sys/fs/cgroup/%s%s/scow-floor", name,
					 strcmp(path, "/") ? path : "");
	}
	if (file)
		fclose(file);
}

/* Docker's default rules. */
static const char *const device_rules[] = { "c *:* m",   "b *:* m",   "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm",
					    "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm" };

static void make_cgroups(int *procs)
{
	char path[512];

	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
		if (!cgroup_dirs[i][0])
			continue;
		if (mkdir(cgroup_dirs[i], 0755) < 0 && errno != EEXIST)
			die(cgroup_dirs[i]);
		if (strcmp(groups[i], "devices") == 0) {
			int fd;

			snprintf(path, sizeof(path), "%s/devices.deny", cgroup_dirs[i]);
			put(path, "a");
			snprintf(path, sizeof(path), "%s/devices.allow", cgroup_dirs[i]);
			fd = open(path, O_WRONLY | O_CLOEXEC);
			for (size_t k = 0; k < sizeof(device_rules) / sizeof(*device_rules); k++)
				if (write(fd, device_rules[k], strlen(device_rules[k])) < 0)
					die(device_rules[k]);
			close(fd);
		}
		snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup_dirs[i]);
		procs[i] = open(path, O_WRONLY | O_CLOEXEC);
	}
}

static void make_node(const char *path, unsigned int major, unsigned int minor)
{
	char source[64];

	if (!user) {
		if (mknod(path, S_IFCHR | 0666, makedev(major, minor)) < 0 || chmod(path, 0666) < 0)
			die(path);
		return;
	}
	snprintf(source, sizeof(source), "/%s", path);
	close(open(path, O_CREAT | O_CLOEXEC, 0666));
	if (mount(source, path, NULL, MS_BIND, NULL) < 0)
		die(path);
}

static void mask(const char *path, int empty)
{
	struct stat st;
	int tree;

	if (stat(path, &st) < 0)
		return;
	tree = (int) syscall(SYS_open_tree, S_ISDIR(st.st_mode) ? empty : AT_FDCWD, S_ISDIR(st.st_mode) ? "" : "/dev/null",
			     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	syscall(SYS_move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
	close(tree);
}

static void read_only(const char *path)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	int tree = (int) syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr));
	syscall(SYS_move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
	close(tree);
}

static void mount_all(const char *layer, const char *scratch)
{
	static const char *const masked[] = { "proc/acpi",
					      "proc/asound",
					      "proc/interrupts",
					      "proc/kcore",
					      "proc/keys",
					      "proc/latency_stats",
					      "proc/sched_debug",
					      "proc/scsi",
					      "proc/timer_list",
					      "proc/timer_stats",
					      "sys/devices/virtual/powercap",
					      "sys/firmware" };
	static const char *const frozen[] = { "proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger" };
	char data[1024], path[300];
	int context, empty;

	if (mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die("private");
	snprintf(data, sizeof(data), "lowerdir=%s,upperdir=%s/diff,workdir=%s/work,%s", layer, scratch, scratch,
		 user ? "userxattr,volatile" : "volatile");
	snprintf(path, sizeof(path), "%s/root", scratch);
	if (mount("overlay", path, "overlay", 0, data) < 0 || chdir(path) < 0)
		die("overlay");
	mkdir("proc", 0755), mkdir("dev", 0755), mkdir("sys", 0755);
	if (mount("proc", "proc", "proc", PLAIN, NULL) < 0 || mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=65536k") < 0 ||
	    mount("sysfs", "sys", "sysfs", PLAIN | MS_RDONLY, NULL) < 0)
		die("proc, dev, sys");
	mkdir("dev/pts", 0755), mkdir("dev/shm", 0755), mkdir("dev/mqueue", 0755);
	if (mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5") < 0 &&
	    mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620") < 0)
		die("devpts");
	mount("mqueue", "dev/mqueue", "mqueue", PLAIN, NULL);
	if (mount("shm", "dev/shm", "tmpfs", PLAIN, "mode=1777,size=65536k") < 0)
		die("shm");
	make_node("dev/null", 1, 3), make_node("dev/zero", 1, 5), make_node("dev/full", 1, 7);
	make_node("dev/tty", 5, 0), make_node("dev/random", 1, 8), make_node("dev/urandom", 1, 9);
	(void) !symlink("/proc/self/fd", "dev/fd"), (void) !symlink("/proc/self/fd/0", "dev/stdin");
	(void) !symlink("/proc/self/fd/1", "dev/stdout"), (void) !symlink("/proc/self/fd/2", "dev/stderr");
	(void) !symlink("/proc/kcore", "dev/core"), (void) !symlink("pts/ptmx", "dev/ptmx");
	if (!user) {
		static const char *const hierarchies[] = { "systemd", "pids",   "blkio",   "freezer", "devices",
							   "memory",  "cpuset", "cpuacct", "cpu" };

		if (mount("tmpfs", "sys/fs/cgroup", "tmpfs", PLAIN, "mode=755,size=64k") < 0)
			die("cgroup");
		for (size_t i = 0; i < sizeof(hierarchies) / sizeof(*hierarchies); i++) {
			snprintf(path, sizeof(path), "sys/fs/cgroup/%s", hierarchies[i]);
			mkdir(path, 0755);
			mount("cgroup", path, "cgroup", PLAIN | MS_RDONLY, i ? hierarchies[i] : "none,name=systemd");
		}
		mount(NULL, "sys/fs/cgroup", NULL, MS_REMOUNT | MS_BIND | PLAIN | MS_RDONLY, NULL);
	}
	context = (int) syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "nr_inodes", "1", 0);
	syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	empty = (int) syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
	for (size_t i = 0; i < sizeof(masked) / sizeof(*masked); i++)
		mask(masked[i], empty);
	for (size_t i = 0; i < sizeof(frozen) / sizeof(*frozen); i++)
		read_only(frozen[i]);
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		die("pivot_root");
}

static void loopback_up(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ioctl(fd, SIOCSIFFLAGS, &lo);
	close(fd);
}

/* ---- a network ---- */

static bool bridged;

struct request {
	struct nlmsghdr header;
	char rest[512];
};

static void begin(struct request *request, int type, int flags, const void *body, size_t size)
{
	request->header = (struct nlmsghdr){ .nlmsg_len = NLMSG_LENGTH(size),
					     .nlmsg_type = (uint16_t) type,
					     .nlmsg_flags = (uint16_t) (flags | NLM_F_REQUEST | NLM_F_ACK) };
	memcpy(request->rest, body, size);
}

static struct rtattr *put_attribute(struct request *request, int type, const void *data, size_t size)
{
	struct rtattr *at = (void *) ((char *) request + NLMSG_ALIGN(request->header.nlmsg_len));

	at->rta_type = (unsigned short) type;
	at->rta_len = (unsigned short) RTA_LENGTH(size);
	if (size)
		memcpy(RTA_DATA(at), data, size);
	request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(at->rta_len);
	return at;
}

static void end(struct request *request, struct rtattr *nest)
{
	nest->rta_len = (unsigned short) ((char *) request + request->header.nlmsg_len - (char *) nest);
}

static void tell(int fd, struct request *request)
{
	char answer[1024];
	int error = 0;

	if (send(fd, request, request->header.nlmsg_len, 0) < 0 || recv(fd, answer, sizeof(answer), 0) < 0)
		die("netlink");
	memcpy(&error, answer + NLMSG_HDRLEN, sizeof(error));
	if (error && error != -EEXIST) {
		errno = -error;
		die("netlink answer");
	}
}

static unsigned int index_of(const char *name)
{
	return if_nametoindex(name);
}

static void put_address(struct request *request, const char *name, const char *address)
{
	struct ifaddrmsg body = { .ifa_family = AF_INET, .ifa_prefixlen = 16, .ifa_index = index_of(name) };
	struct in_addr in;

	inet_pton(AF_INET, address, &in);
	begin(request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
	put_attribute(request, IFA_LOCAL, &in, sizeof(in));
	put_attribute(request, IFA_ADDRESS, &in, sizeof(in));
}

static void make_bridge(void)
{
	struct ifinfomsg up = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct request request;
	struct rtattr *info;

	begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &up, sizeof(up));
	put_attribute(&request, IFLA_IFNAME, "floor0", 7);
	info = put_attribute(&request, IFLA_LINKINFO, NULL, 0);
	put_attribute(&request, IFLA_INFO_KIND, "bridge", 7);
	end(&request, info);
	tell(fd, &request);
	put_address(&request, "floor0", "10.77.0.1");
	tell(fd, &request);
	close(fd);
}

static void connect_to_bridge(pid_t pid)
{
	static unsigned int number;
	struct ifinfomsg up = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP }, peer = { .ifi_family = 0 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	unsigned int master = index_of("floor0");
	struct request request;
	struct rtattr *info, *data, *other;
	char name[16];

	snprintf(name, sizeof(name), "fl%u", ++number);
	begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &up, sizeof(up));
	put_attribute(&request, IFLA_IFNAME, name, strlen(name) + 1);
	put_attribute(&request, IFLA_MASTER, &master, sizeof(master));
	info = put_attribute(&request, IFLA_LINKINFO, NULL, 0);
	put_attribute(&request, IFLA_INFO_KIND, "veth", 5);
	data = put_attribute(&request, IFLA_INFO_DATA, NULL, 0);
	other = put_attribute(&request, VETH_INFO_PEER, &peer, sizeof(peer));
	put_attribute(&request, IFLA_IFNAME, "eth0", 5);
	put_attribute(&request, IFLA_NET_NS_PID, &pid, sizeof(pid));
	end(&request, other);
	end(&request, data);
	end(&request, info);
	tell(fd, &request);
	close(fd);
}

static void configure_inside(void)
{
	struct ifinfomsg up = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP, .ifi_index = (int) index_of("eth0") };
	struct rtmsg route = { .rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT, .rtm_type = RTN_UNICAST };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct request request;
	struct in_addr gateway;

	begin(&request, RTM_NEWLINK, 0, &up, sizeof(up));
	tell(fd, &request);
	put_address(&request, "eth0", "10.77.0.2");
	tell(fd, &request);
	inet_pton(AF_INET, "10.77.0.1", &gateway);
	begin(&request, RTM_NEWROUTE, NLM_F_CREATE, &route, sizeof(route));
	put_attribute(&request, RTA_GATEWAY, &gateway, sizeof(gateway));
	tell(fd, &request);
	close(fd);
}

static void child(const char *layer, const char *scratch, const int *procs, int go)
{
	char byte;

	if (user && read(go, &byte, 1) != 1)
		_exit(125);
	for (size_t i = 0; !user && i < sizeof(groups) / sizeof(*groups); i++)
		if (procs[i] >= 0 && write(procs[i], "0", 1) < 0)
			die("cgroup.procs");
	if (unshare(CLONE_NEWCGROUP) < 0 || sethostname("floor", 5) < 0)
		die("unshare");
	loopback_up();
	mount_all(layer, scratch);
	if (bridged && read(go, &byte, 1) == 1)
		configure_inside();
	run_true(&filter);
}

static void run_helper(const char *program, pid_t pid, int which)
{
	char number[16], inside[] = "0", one[] = "1";
	char *argv[] = { (char *) program, number, inside, own_maps[which][0], one, one, own_maps[which][1], own_maps[which][2], NULL };
	pid_t helper;

	snprintf(number, sizeof(number), "%d", pid);
	if (posix_spawnp(&helper, program, NULL, NULL, argv, environ) != 0 || waitpid(helper, NULL, 0) < 0)
		die(program);
}

static void write_maps(pid_t pid)
{
	char path[64], map[64];

	if (ranges) {
		run_helper("newuidmap", pid, 0);
		run_helper("newgidmap", pid, 1);
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d/setgroups", pid);
	put(path, "deny");
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	snprintf(map, sizeof(map), "0 %u 1", geteuid());
	put(path, map);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	snprintf(map, sizeof(map), "0 %u 1", getegid());
	put(path, map);
}

static void find_ranges(const char *path, int which, unsigned int own)
{
	struct passwd *entry = getpwuid(geteuid());
	FILE *file = fopen(path, "r");
	char line[256];

	snprintf(own_maps[which][0], 16, "%u", own);
	ranges = false;
	while (file && entry && fgets(line, sizeof(line), file)) {
		size_t n = strlen(entry->pw_name);

		if (strncmp(line, entry->pw_name, n) == 0 && line[n] == ':' &&
		    sscanf(line + n + 1, "%15[0-9]:%15[0-9]", own_maps[which][1], own_maps[which][2]) == 2)
			ranges = true;
	}
	if (file)
		fclose(file);
}

static void remove_scratch(const char *scratch)
{
	static const char *const dirs[] = { "diff/dev",           "diff/proc", "diff/sys", "diff", "work/work/incompat/volatile",
					    "work/work/incompat", "work/work", "work" };
	static const char *const closed[] = { "work/work", "work/work/incompat", "work/work/incompat/volatile" };
	char path[512];

	/* Overlay makes them with mode 0, which root does not mind. */
	for (size_t i = 0; user && i < sizeof(closed) / sizeof(*closed); i++) {
		snprintf(path, sizeof(path), "%s/%s", scratch, closed[i]);
		chmod(path, 0700);
	}
	snprintf(path, sizeof(path), "%s/work/work/incompat/volatile/dirty", scratch);
	unlink(path);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", scratch, dirs[i]);
		rmdir(path);
	}
}

static double once(const char *layer, const char *scratch)
{
	int pidfd = -1, procs[16], go[2];
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | (user ? CLONE_NEWUSER : 0),
		.pidfd = (uint64_t) (uintptr_t) &pidfd,
		.exit_signal = SIGCHLD,
	};
	double start = now_us();
	struct pollfd ready;
	char path[512];
	siginfo_t info;
	pid_t pid;

	memset(procs, -1, sizeof(procs));
	snprintf(path, sizeof(path), "%s/diff", scratch);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/work", scratch);
	mkdir(path, 0755);
	if (!user)
		make_cgroups(procs);
	if (pipe2(go, O_CLOEXEC) < 0)
		die("pipe");
	pid = (pid_t) syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		die("clone3");
	if (pid == 0)
		child(layer, scratch, procs, go[0]);
	if (user) {
		write_maps(pid);
		(void) !write(go[1], "", 1);
	}
	if (bridged) {
		connect_to_bridge(pid);
		(void) !write(go[1], "", 1);
	}
	close(go[0]), close(go[1]);
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		if (procs[i] >= 0)
			close(procs[i]);
	ready = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	poll(&ready, 1, -1);
	if (waitid(P_PIDFD, (id_t) pidfd, &info, WEXITED) < 0 || info.si_status != 0)
		die("waitid");
	close(pidfd);
	for (size_t i = 0; !user && i < sizeof(groups) / sizeof(*groups); i++)
		if (cgroup_dirs[i][0] && rmdir(cgroup_dirs[i]) < 0)
			die(cgroup_dirs[i]);
	remove_scratch(scratch);
	return now_us() - start;
}

int main(int argc, char **argv)
{
	int count = argc > 3 ? atoi(argv[3]) : 0;
	double *times;
	char path[512];

	if (count < 1)
		return fprintf(stderr, "usage: floor LAYER SCRATCH N [FILTER]\n"), 2;
	user = geteuid() != 0;
	bridged = !user && getenv("BENCH_NETWORK") && strcmp(getenv("BENCH_NETWORK"), "bridge") == 0;
	if (bridged)
		make_bridge();
	find_cgroups();
	if (user) {
		bool uids;

		find_ranges("/etc/subuid", 0, geteuid());
		uids = ranges;
		find_ranges("/etc/subgid", 1, getegid());
		ranges = ranges && uids;
	}
	if (argc > 4)
		read_filter(argv[4], &filter);
	snprintf(path, sizeof(path), "%s/root", argv[2]);
	mkdir(path, 0755);
	times = calloc((size_t) count, sizeof(*times));
	once(argv[1], argv[2]);
	for (int i = 0; i < count; i++)
		times[i] = once(argv[1], argv[2]);
	rmdir(path);
	print_times(times, count);
	puts("");
	free(times);
	return 0;
}
