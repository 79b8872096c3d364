/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The flags of run and create, with docker's names and meanings, and the container they describe.
 *
 * Only what needs taking apart is looked at here; whether a value makes sense is the library's to say.
 */
#include "limit_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(struct run_options, field)
#define LATER(name, letter, argument, hint)                                                                                                \
	{                                                                                                                                  \
		name, letter, OPTION_LATER, argument, hint, 0                                                                              \
	}


const struct option run_option_table[] = {
	{ "add-host", 0, OPTION_LIST, "list", "Add a line to /etc/hosts (NAME:ADDRESS, NAME:host-gateway)", AT(add_hosts) },
	{ "annotation", 0, OPTION_LIST, "map", "Add an annotation, which hooks are told (NAME=VALUE)", AT(annotations) },
	ROW_BLKIO_WEIGHT,
	ROW_BLKIO_WEIGHT_DEVICE,
	{ "cap-add", 0, OPTION_LIST, "list", "Add Linux capabilities", AT(cap_add) },
	{ "cap-drop", 0, OPTION_LIST, "list", "Drop Linux capabilities", AT(cap_drop) },
	{ "cgroup-conf", 0, OPTION_LIST, "list", "Set a file of a cgroup v2 controller (memory.high=64M)", AT(cgroup_conf) },
	{ "cgroup-parent", 0, OPTION_TEXT, "string", "Parent cgroup for the container", AT(cgroup_parent) },
	{ "cgroupns", 0, OPTION_TEXT, "string", "Cgroup namespace (host|private)", AT(cgroupns) },
	{ "cidfile", 0, OPTION_TEXT, "string", "Write the container's id to this file", AT(cidfile) },
	ROW_CPU_PERIOD,
	ROW_CPU_QUOTA,
	ROW_CPU_RT_PERIOD,
	ROW_CPU_RT_RUNTIME,
	ROW_CPU_SHARES,
	ROW_CPUS,
	ROW_CPUSET_CPUS,
	ROW_CPUSET_MEMS,
	{ "detach", 'd', OPTION_SWITCH, NULL, "Leave it to a supervisor and print its id", AT(detach) },
	{ "detach-keys", 0, OPTION_TEXT, "string", "Keep it by a supervisor; these keys leave it (ctrl-p,ctrl-q)", AT(detach_keys) },
	{ "device", 0, OPTION_LIST, "list", "Add a host device (SOURCE[:TARGET[:rwm]]), or one by its CDI name (vendor.com/class=name)",
	  AT(devices) },
	{ "device-cgroup-rule", 0, OPTION_LIST, "list", "Allow devices by a rule (\"c 1:3 rwm\")", AT(device_rules) },
	ROWS_DEVICE_RATES,
	{ "dns", 0, OPTION_LIST, "list", "Ask this DNS server, in place of the host's", AT(dns) },
	{ "dns-option", 0, OPTION_LIST, "list", "Set an option of resolv.conf (ndots:2)", AT(dns_options) },
	{ "dns-opt", 0, OPTION_LIST, "list", NULL, AT(dns_options) },
	{ "dns-search", 0, OPTION_LIST, "list", "Complete short names with this domain; . for none", AT(dns_search) },
	{ "domainname", 0, OPTION_TEXT, "string", "Container NIS domain name", AT(domainname) },
	{ "entrypoint", 0, OPTION_TEXT, "string", "Run this in place of the image's ENTRYPOINT", AT(entrypoint) },
	{ "env", 'e', OPTION_LIST, "list", "Set environment variables (NAME alone takes ours)", AT(env) },
	{ "env-file", 0, OPTION_LIST, "list", "Read in a file of environment variables", AT(env_files) },
	{ "exec-cpus", 0, OPTION_TEXT, "string", "CPUs on which programs executed in it begin (0-3, 0,1)", AT(exec_cpus) },
	{ "gpus", 0, OPTION_LIST, "gpu-request", "NVIDIA GPUs (all|NUMBER|device=ID[,ID...]), by their CDI documents", AT(gpus) },
	{ "group-add", 0, OPTION_LIST, "list", "Add additional groups to join", AT(groups) },
	{ "health-cmd", 0, OPTION_TEXT, "string", "Script that tells whether it is well", AT(health_cmd) },
	{ "health-interval", 0, OPTION_TEXT, "duration", "Time between two checks (500ms|5s|1m30s)", AT(health_interval) },
	{ "health-retries", 0, OPTION_NUMBER, "int", "Failures in a row that make it unhealthy", AT(health_retries) },
	{ "health-start-interval", 0, OPTION_TEXT, "duration", "Time between two checks while it starts", AT(health_start_interval) },
	{ "health-start-period", 0, OPTION_TEXT, "duration", "Time to start, in which failures do not count", AT(health_start_period) },
	{ "health-timeout", 0, OPTION_TEXT, "duration", "Time that one check may take", AT(health_timeout) },
	{ "hook", 0, OPTION_LIST, "hook", "Run a program at a stage of its life (STAGE=PATH[,ARG...])", AT(hooks) },
	{ "hooks-dir", 0, OPTION_LIST, "directory", "Run the hooks that files there describe, as oci-hooks(5) has it", AT(hooks_dirs) },
	{ "expose", 0, OPTION_LIST, "list", "A port that it serves, or a range (80/tcp, 8000-8010)", AT(expose) },
	{ "gidmap", 0, OPTION_LIST, "list", "Map groups of its user namespace (INSIDE:OUTSIDE[:COUNT])", AT(gid_maps) },
	{ "hostname", 'h', OPTION_TEXT, "string", "Container host name", AT(hostname) },
	{ "init", 0, OPTION_SWITCH, NULL, "Run an init that forwards signals and reaps processes", AT(init) },
	{ "insecure", 0, OPTION_SWITCH, NULL, "Pull over plain HTTP or unverified TLS if need be", AT(insecure) },
	{ "interactive", 'i', OPTION_SWITCH, NULL, "Give it our standard input", AT(interactive) },
	{ "io-priority", 0, OPTION_TEXT, "string", "I/O priority (rt:LEVEL|be:LEVEL|idle, 0 to 7)", AT(io_priority) },
	{ "ip", 0, OPTION_TEXT, "string", "This IPv4 address on the first network", AT(ip) },
	{ "ip6", 0, OPTION_TEXT, "string", "This IPv6 address on the first network", AT(ip6) },
	{ "ipc", 0, OPTION_TEXT, "string", "IPC namespace (host|private|container:NAME)", AT(ipc) },
	{ "label", 'l', OPTION_LIST, "list", "Set metadata on the container", AT(labels) },
	{ "label-file", 0, OPTION_LIST, "list", "Read in a file of labels", AT(label_files) },
	{ "link", 0, OPTION_LIST, "list", "Another container, known to this one as (CONTAINER[:ALIAS])", AT(links) },
	{ "link-local-ip", 0, OPTION_LIST, "list", "A link-local address in addition", AT(link_local) },
	{ "log-driver", 0, OPTION_TEXT, "string", "How a detached one's output is kept (json-file|none)", AT(log_driver) },
	{ "log-opt", 0, OPTION_LIST, "list", "Log options (max-size=10m, max-file=3, compress=true)", AT(log_options) },
	{ "mac-address", 0, OPTION_TEXT, "string", "This MAC address on the first network", AT(mac) },
	ROW_MEMORY,
	{ "memory-policy", 0, OPTION_TEXT, "string", "Memory policy (MODE[:NODES[:FLAGS]], as bind:0-1)", AT(memory_policy) },
	ROW_MEMORY_RESERVATION,
	ROW_MEMORY_SWAP,
	ROW_MEMORY_SWAPPINESS,
	{ "mount", 0, OPTION_LIST, "mount", "Attach a file system (type=bind,src=/a,dst=/b; volume, tmpfs, image)", AT(mounts) },
	{ "name", 0, OPTION_TEXT, "string", "Assign a name to the container", AT(name) },
	{ "network", 0, OPTION_LIST, "network", "Network, by name, or (none|host|container:NAME); any number, also as name=N,ip=A,alias=B", AT(networks) },
	{ "net", 0, OPTION_LIST, "network", NULL, AT(networks) },
	{ "network-alias", 0, OPTION_LIST, "list", "Another name for it on the first network", AT(aliases) },
	{ "net-alias", 0, OPTION_LIST, "list", NULL, AT(aliases) },
	{ "no-healthcheck", 0, OPTION_SWITCH, NULL, "Do without the image's HEALTHCHECK", AT(no_healthcheck) },
	{ "oom-kill-disable", 0, OPTION_SWITCH, NULL, "At the memory limit, wait and do not kill; cgroup v1", AT(oom_kill_disable) },
	{ "oom-score-adj", 0, OPTION_NUMBER, "int", "Tune the host's OOM preferences (-1000 to 1000)", AT(oom_score_adj) },
	{ "pid", 0, OPTION_TEXT, "string", "PID namespace (host|container:NAME)", AT(pid) },
	ROW_PIDS_LIMIT,
	{ "platform", 0, OPTION_TEXT, "string", "Take the image for this platform (linux/arm64)", AT(platform) },
	{ "preserve-fd", 0, OPTION_TEXT, "list", "Pass these descriptors on, besides 0 to 2 (5,7)", AT(passing.list) },
	{ "preserve-fds", 0, OPTION_NUMBER, "int", "Pass that many descriptors on, from 3 on", AT(passing.count) },
	{ "privileged", 0, OPTION_SWITCH, NULL, "All capabilities and devices, nothing masked", AT(privileged) },
	{ "pull", 0, OPTION_TEXT, "string", "Pull the image before running (always|missing|never)", AT(pull) },
	{ "publish", 'p', OPTION_LIST, "list", "Publish a port of it on the host ([ADDRESS:][HOST]:PORT[/PROTOCOL], ranges too)", AT(publish) },
	{ "publish-all", 'P', OPTION_SWITCH, NULL, "Publish all exposed ports on any free ones", AT(publish_all) },
	{ "quiet", 'q', OPTION_SWITCH, NULL, "No pull progress", AT(quiet) },
	{ "rdt-class", 0, OPTION_TEXT, "string", "Class of cache and memory bandwidth, of /sys/fs/resctrl", AT(rdt_class) },
	{ "read-only", 0, OPTION_SWITCH, NULL, "Mount the container's root read-only", AT(read_only) },
	{ "restart", 0, OPTION_TEXT, "string", "When to start it again (no|on-failure[:max]|always|unless-stopped)", AT(restart) },
	{ "rm", 0, OPTION_SWITCH, NULL, "Remove the container when it exits", AT(rm) },
	{ "scheduler", 0, OPTION_TEXT, "string", "Scheduling policy (other,nice=5|fifo,priority=10|idle|...)", AT(scheduler) },
	{ "security-opt", 0, OPTION_LIST, "list", "seccomp=FILE|unconfined, no-new-privileges, systempaths=unconfined", AT(security) },
	{ "shm-size", 0, OPTION_BYTES, "bytes", "Size of /dev/shm", AT(shm_size) },
	{ "sig-proxy", 0, OPTION_TEXT, "bool", "Pass signals on to the process; true by default, not with -it", AT(sig_proxy) },
	{ "stop-signal", 0, OPTION_TEXT, "string", "Signal that stops the container", AT(stop_signal) },
	{ "stop-timeout", 0, OPTION_NUMBER, "int", "Seconds to wait after it before killing", AT(stop_timeout) },
	{ "storage-opt", 0, OPTION_LIST, "list", "Where changes are kept, and how much (size=10G, backing=disk|tmpfs)", AT(storage) },
	{ "sysctl", 0, OPTION_LIST, "map", "Sysctl options (NAME=VALUE)", AT(sysctls) },
	{ "timens", 0, OPTION_TEXT, "string", "Time namespace (host|private|container:NAME)", AT(timens) },
	{ "tmpfs", 0, OPTION_LIST, "list", "Mount a tmpfs directory (TARGET[:OPTIONS])", AT(tmpfs) },
	{ "tty", 't', OPTION_SWITCH, NULL, "Give it a terminal", AT(tty) },
	{ "uidmap", 0, OPTION_LIST, "list", "Map users of its user namespace (INSIDE:OUTSIDE[:COUNT])", AT(uid_maps) },
	{ "ulimit", 0, OPTION_LIST, "ulimit", "Ulimit options (NAME=SOFT[:HARD])", AT(ulimits) },
	{ "user", 'u', OPTION_TEXT, "string", "User name or number (NAME|UID[:GROUP|GID])", AT(user) },
	{ "userns", 0, OPTION_TEXT, "string", "User namespace (host|private|auto[:size=N]|keep-id|container:NAME)", AT(userns) },
	{ "uts", 0, OPTION_TEXT, "string", "UTS namespace (host|private)", AT(uts) },
	{ "volume", 'v', OPTION_LIST, "list", "Mount a path of the host or a volume ([SOURCE:]TARGET[:OPTIONS])", AT(volumes) },
	{ "volume-driver", 0, OPTION_TEXT, "string", "Who supplies volumes that are made for it", AT(volume_driver) },
	{ "volumes-from", 0, OPTION_LIST, "list", "Mount what another container has (CONTAINER[:ro])", AT(volumes_from) },
	{ "workdir", 'w', OPTION_TEXT, "string", "Working directory inside the container", AT(workdir) },
	{ "attach", 'a', OPTION_LIST, "list", "Only these of its streams (stdin, stdout, stderr)", AT(attach) },
	{ NULL },
};

static bool bad(const char *flag, const char *value, const char *why)
{
	complain("invalid argument \"%s\" for \"--%s\" flag: %s", value, flag, why);
	return false;
}

/* ---- files of NAME=VALUE lines: no quotes, no expansion ---- */

bool read_variables(const char *path, bool from_env, variable_fn *set, void *config)
{
	size_t size = 0, line_number = 0;
	char *text = read_whole(path, &size), *next;

	if (!text) {
		complain("open '%s': %s", path, strerror(errno));
		return false;
	}
	if (strlen(text) != size) {
		complain("'%s' is no text file: it holds a NUL", path);
		return false;
	}
	if (starts_with(text, "\xef\xbb\xbf"))
		text += 3;
	for (char *line = text; line && *line; line = next) {
		const char *value;
		char *name;

		line_number++;
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		if (*line && line[strlen(line) - 1] == '\r')
			line[strlen(line) - 1] = 0;
		line += strspn(line, " \t");
		if (!*line || *line == '#')
			continue;
		name = keep_split(line, '=', &value);
		if (!*name || strpbrk(name, " \t")) {
			complain("'%s' line %zu: %s", path, line_number, *name ? "the name has a blank in it" : "no name before the '='");
			return false;
		}
		/* A name alone takes our value, and is skipped where we have none. */
		if (!value && from_env && !(value = getenv(name)))
			continue;
		set(config, name, value ? value : "");
	}
	return true;
}

static void set_env(void *config, const char *name, const char *value)
{
	scow_container_config_set_env(config, name, value);
}

static void add_label(void *config, const char *name, const char *value)
{
	scow_container_config_add_label(config, name, value);
}

static bool configure_environment(scow_container_config *config, const struct run_options *options)
{
	for (size_t i = 0; i < options->env_files.count; i++)
		if (!read_variables(options->env_files.items[i], true, set_env, config))
			return false;
	for (size_t i = 0; i < options->env.count; i++) {
		const char *value, *name = keep_split(options->env.items[i], '=', &value);

		if (!*name)
			return bad("env", options->env.items[i], "no name before the '='");
		/* A name alone takes our value; where we have none, the image's goes. */
		scow_container_config_set_env(config, name, value ? value : getenv(name));
	}
	for (size_t i = 0; i < options->label_files.count; i++)
		if (!read_variables(options->label_files.items[i], false, add_label, config))
			return false;
	for (size_t i = 0; i < options->labels.count; i++) {
		const char *value, *name = keep_split(options->labels.items[i], '=', &value);

		scow_container_config_add_label(config, name, value ? value : "");
	}
	return true;
}

/* ---- limits ---- */

/* A number that an option may leave out; false where it is negative beyond @least. */
static bool number_of(const char *flag, const struct number *number, int64_t least, int64_t *out)
{
	if (number->set && number->value < least)
		return bad(flag, keep_format("%lld", (long long) number->value), "it must not be negative");
	*out = number->value;
	return true;
}

static bool configure_cpu_time(scow_container_config *config, const struct run_options *options)
{
	int64_t quota, period, runtime, rt_period;

	if (!number_of("cpu-quota", &options->cpu_quota, -1, &quota) || !number_of("cpu-period", &options->cpu_period, 0, &period) ||
	    !number_of("cpu-rt-runtime", &options->cpu_rt_runtime, 0, &runtime) ||
	    !number_of("cpu-rt-period", &options->cpu_rt_period, 0, &rt_period))
		return false;
	if (quota || period)
		scow_container_config_set_cpu_quota(config, quota, (uint64_t) period);
	if (runtime || rt_period)
		scow_container_config_set_cpu_realtime(config, (uint64_t) runtime, (uint64_t) rt_period);
	return true;
}

static bool configure_cpu(scow_container_config *config, const struct run_options *options)
{
	uint64_t millis;
	int64_t shares;

	if (options->cpus && (!parse_decimal(options->cpus, 1000, &millis) || (!millis && strpbrk(options->cpus, "123456789"))))
		return bad("cpus", options->cpus, "it is no number of thousandths of a CPU");
	if (options->cpus && millis)
		scow_container_config_set_cpu_millis(config, millis);
	if (!number_of("cpu-shares", &options->cpu_shares, 0, &shares))
		return false;
	if (shares)
		scow_container_config_set_cpu_shares(config, (uint64_t) shares);
	if (options->cpuset_cpus || options->cpuset_mems)
		scow_container_config_set_cpuset(config, options->cpuset_cpus, options->cpuset_mems);
	return configure_cpu_time(config, options);
}

/* As in Docker, 0 means "no limit said", and -1 stands for none only where the kernel has such a thing. */
static bool configure_memory(scow_container_config *config, const struct run_options *options)
{
	static const struct {
		const char *flag;
		size_t offset;
		void (*set)(scow_container_config *config, uint64_t bytes);
	} sizes[] = {
		{ "memory", AT(memory), scow_container_config_set_memory_bytes },
		{ "memory-reservation", AT(memory_reservation), scow_container_config_set_memory_reservation_bytes },
		{ "shm-size", AT(shm_size), scow_container_config_set_shm_bytes },
	};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		const struct number *number = (const struct number *) ((const char *) options + sizes[i].offset);

		if (number->value < 0)
			return bad(sizes[i].flag, "-1", "it must not be negative");
		if (number->value)
			sizes[i].set(config, (uint64_t) number->value);
	}
	if (options->memory_swap.value)
		scow_container_config_set_memory_swap_bytes(config, options->memory_swap.value);
	if (options->swappiness.set)
		scow_container_config_set_memory_swappiness(config, (int) options->swappiness.value);
	if (options->oom_kill_disable)
		scow_container_config_set_oom_kill_disable(config, 1);
	return true;
}

static bool configure_ulimits(scow_container_config *config, const struct run_options *options)
{
	for (size_t i = 0; i < options->ulimits.count; i++) {
		const char *text = options->ulimits.items[i], *values, *hard_text;
		const char *name = keep_split(text, '=', &values), *soft_text = values ? keep_split(values, ':', &hard_text) : NULL;
		int64_t soft, hard;

		if (!soft_text || !parse_number(soft_text, &soft) || !parse_number(hard_text ? hard_text : soft_text, &hard))
			return bad("ulimit", text, "write it as NAME=SOFT[:HARD]");
		if (hard != -1 && (soft > hard || soft == -1))
			return bad("ulimit", text, "the soft limit must not be above the hard one");
		scow_container_config_add_ulimit(config, name, soft, hard);
	}
	return true;
}

static bool configure_rates(scow_container_config *config, const char *flag, const struct list *list, scow_io_limit kind)
{
	bool bytes = kind == SCOW_IO_READ_BPS || kind == SCOW_IO_WRITE_BPS;

	for (size_t i = 0; i < list->count; i++) {
		const char *rate_text, *path = keep_split(list->items[i], ':', &rate_text);
		int64_t rate;

		if (!rate_text || !(bytes ? parse_bytes : parse_number)(rate_text, &rate) || rate < 0)
			return bad(flag, list->items[i], bytes ? "write it as DEVICE:RATE, as /dev/sda:1mb" : "write it as DEVICE:NUMBER");
		scow_container_config_add_io_limit(config, kind, path, (uint64_t) rate);
	}
	return true;
}

static bool configure_io_weights(scow_container_config *config, const struct run_options *options)
{
	for (size_t i = 0; i < options->blkio_weights.count; i++) {
		const char *text = options->blkio_weights.items[i], *weight_text, *path = keep_split(text, ':', &weight_text);
		int64_t weight;

		if (!weight_text || !parse_number(weight_text, &weight) || weight < 0 || weight > UINT16_MAX)
			return bad("blkio-weight-device", text, "write it as DEVICE:WEIGHT, as /dev/sda:500");
		scow_container_config_add_io_weight(config, path, (unsigned int) weight);
	}
	return true;
}

static bool configure_cgroup_conf(scow_container_config *config, const struct run_options *options)
{
	for (size_t i = 0; i < options->cgroup_conf.count; i++) {
		const char *value, *file = keep_split(options->cgroup_conf.items[i], '=', &value);

		if (!value)
			return bad("cgroup-conf", options->cgroup_conf.items[i], "write it as FILE=VALUE");
		scow_container_config_set_cgroup_setting(config, file, value);
	}
	return true;
}

bool limits_configure(scow_container_config *config, const struct run_options *options)
{
	if (options->pids.value)
		scow_container_config_set_pids_max(config, options->pids.value);
	if (options->blkio_weight.value)
		scow_container_config_set_io_weight(config, (unsigned int) options->blkio_weight.value);
	if (options->oom_score_adj.set)
		scow_container_config_set_oom_score_adj(config, (int) options->oom_score_adj.value);
	return configure_cpu(config, options) && configure_memory(config, options) && configure_ulimits(config, options) &&
	       configure_io_weights(config, options) && configure_cgroup_conf(config, options) &&
	       configure_rates(config, "device-read-bps", &options->read_bps, SCOW_IO_READ_BPS) &&
	       configure_rates(config, "device-write-bps", &options->write_bps, SCOW_IO_WRITE_BPS) &&
	       configure_rates(config, "device-read-iops", &options->read_iops, SCOW_IO_READ_IOPS) &&
	       configure_rates(config, "device-write-iops", &options->write_iops, SCOW_IO_WRITE_IOPS);
}

/* ---- security ---- */

static bool configure_seccomp(scow_container_config *config, const char *value)
{
	const char *profile = value;

	if (strcmp(value, "unconfined") != 0 && strcmp(value, "builtin") != 0) {
		profile = read_whole(value, NULL);
		if (!profile) {
			complain("opening seccomp profile '%s' failed: %s", value, strerror(errno));
			return false;
		}
	}
	scow_container_config_set_seccomp(config, strcmp(value, "builtin") == 0 ? NULL : profile);
	return true;
}

/* "no-new-privileges", "seccomp=x", and the old "seccomp:x". */
static bool configure_security(scow_container_config *config, const char *text)
{
	const char *value, *name = keep_split(text, strchr(text, '=') ? '=' : ':', &value);

	if (strcmp(name, "no-new-privileges") == 0 && (!value || strcmp(value, "true") == 0 || strcmp(value, "false") == 0)) {
		scow_container_config_set_no_new_privileges(config, !value || strcmp(value, "true") == 0);
		return true;
	}
	if (strcmp(name, "seccomp") == 0 && value)
		return configure_seccomp(config, value);
	if (strcmp(text, "systempaths=unconfined") == 0) {
		scow_container_config_set_unmasked_paths(config, 1);
		return true;
	}
	/* No such labels are applied in the first place. */
	if (strcmp(text, "apparmor=unconfined") == 0 || strcmp(text, "label=disable") == 0)
		return true;
	return bad("security-opt", text, "seccomp=, no-new-privileges and systempaths=unconfined are known");
}

/* A CDI name, or SOURCE, SOURCE:TARGET, SOURCE:rwm, SOURCE:TARGET:rwm. */
static void configure_device(scow_container_config *config, const char *text)
{
	const char *rest, *access = NULL, *target = NULL, *source = keep_split(text, ':', &rest);

	if (*text != '/' && strchr(text, '=')) {
		scow_container_config_add_cdi_device(config, text);
		return;
	}
	if (rest)
		target = keep_split(rest, ':', &access);
	if (target && !access && *target && strspn(target, "rwm") == strlen(target)) {
		access = target;
		target = NULL;
	}
	scow_container_config_add_device(config, source, target, access);
}

static bool configure_maps(scow_container_config *config, const char *flag, const struct list *maps,
			   void (*add)(scow_container_config *config, uint32_t inside, uint32_t outside, uint32_t count))
{
	for (size_t i = 0; i < maps->count; i++) {
		const char *outside_text, *count_text = NULL, *inside_text = keep_split(maps->items[i], ':', &outside_text);
		int64_t inside, outside, count = 1;

		if (outside_text)
			outside_text = keep_split(outside_text, ':', &count_text);
		if (!outside_text || !parse_number(inside_text, &inside) || !parse_number(outside_text, &outside) ||
		    (count_text && !parse_number(count_text, &count)) || inside < 0 || outside < 0 || count < 1 || inside > UINT32_MAX ||
		    outside > UINT32_MAX || count > UINT32_MAX)
			return bad(flag, maps->items[i], "write it as INSIDE:OUTSIDE[:COUNT]");
		add(config, (uint32_t) inside, (uint32_t) outside, (uint32_t) count);
	}
	return true;
}

static void configure_namespaces(scow_container_config *config, const struct run_options *options)
{
	const struct {
		scow_namespace kind;
		const char *mode;
	} modes[] = {
		{ SCOW_NAMESPACE_IPC, options->ipc },
		{ SCOW_NAMESPACE_PID, options->pid },         { SCOW_NAMESPACE_UTS, options->uts },
		{ SCOW_NAMESPACE_USER, options->userns },     { SCOW_NAMESPACE_CGROUP, options->cgroupns },
		{ SCOW_NAMESPACE_TIME, options->timens },
	};

	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		if (modes[i].mode && modes[i].mode[0])
			scow_container_config_set_namespace(config, modes[i].kind,
							    strcmp(modes[i].mode, "shareable") == 0 ? "private" : modes[i].mode);
}

/* ---- what needs no taking apart ---- */

static void configure_texts(scow_container_config *config, const struct run_options *options)
{
	static const struct {
		size_t offset;
		void (*set)(scow_container_config *config, const char *value);
	} texts[] = {
		{ AT(name), scow_container_config_set_name },
		{ AT(workdir), scow_container_config_set_workdir },
		{ AT(user), scow_container_config_set_user },
		{ AT(hostname), scow_container_config_set_hostname },
		{ AT(domainname), scow_container_config_set_domainname },
		{ AT(stop_signal), scow_container_config_set_stop_signal },
		{ AT(cgroup_parent), scow_container_config_set_cgroup_parent },
		{ AT(exec_cpus), scow_container_config_set_exec_cpus },
		{ AT(rdt_class), scow_container_config_set_rdt_class },
	}, lists[] = {
		{ AT(cap_add), scow_container_config_add_capability },
		{ AT(cap_drop), scow_container_config_drop_capability },
		{ AT(groups), scow_container_config_add_group },
		{ AT(device_rules), scow_container_config_add_device_rule },
	};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		const char *text = *(const char *const *) ((const char *) options + texts[i].offset);

		if (text && *text)
			texts[i].set(config, text);
	}
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		const struct list *list = (const struct list *) ((const char *) options + lists[i].offset);

		for (size_t k = 0; k < list->count; k++)
			lists[i].set(config, list->items[k]);
	}
}

static void configure_switches(scow_container_config *config, const struct run_options *options)
{
	scow_container_config_set_ephemeral(config, options->rm);
	scow_container_config_set_tty(config, options->tty);
	scow_container_config_set_open_stdin(config, options->interactive);
	scow_container_config_set_stdin_once(config, options->interactive && !options->detach);
	scow_container_config_set_init(config, options->init);
	scow_container_config_set_read_only(config, options->read_only);
	scow_container_config_set_privileged(config, options->privileged);
	if (options->stop_timeout.set)
		scow_container_config_set_stop_timeout_ms(config,
							  options->stop_timeout.value < 0 ? -1 : (int) options->stop_timeout.value * 1000);
}

scow_container_config *run_config(struct cli *cli, const struct run_options *options, char **command)
{
	scow_container_config *config = scow_container_config_new();
	bool ok = config != NULL;

	if (ok) {
		configure_switches(config, options);
		configure_texts(config, options);
		configure_namespaces(config, options);
		if (options->entrypoint)
			scow_container_config_set_entrypoint(config, (const char *const[]){ options->entrypoint, NULL });
		if (command[0])
			scow_container_config_set_command(config, (const char *const *) command);
		for (size_t i = 0; i < options->devices.count; i++)
			configure_device(config, options->devices.items[i]);
		ok = configure_maps(config, "uidmap", &options->uid_maps, scow_container_config_add_uid_map) &&
		     configure_maps(config, "gidmap", &options->gid_maps, scow_container_config_add_gid_map) &&
		     configure_environment(config, options) && limits_configure(config, options) && scheduling_configure(config, options) &&
		     gpus_configure(config, options) && mounts_configure(config, options) && detached_configure(config, options) &&
		     names_configure(config, options) && networks_configure(config, options) && ports_configure(config, options) && hooks_configure(config, options);
	}
	for (size_t i = 0; ok && i < options->security.count; i++)
		ok = configure_security(config, options->security.items[i]);
	for (size_t i = 0; ok && i < options->sysctls.count; i++) {
		const char *value, *name = keep_split(options->sysctls.items[i], '=', &value);

		if (value)
			scow_container_config_set_sysctl(config, name, value);
		else
			ok = bad("sysctl", options->sysctls.items[i], "write it as NAME=VALUE");
	}
	for (size_t i = 0; ok && i < options->storage.count; i++) {
		const char *value, *name = keep_split(options->storage.items[i], '=', &value);

		if (value)
			scow_container_config_set_storage_option(config, name, value);
		else
			ok = bad("storage-opt", options->storage.items[i], "write it as NAME=VALUE");
	}
	if (ok)
		return config;
	fprintf(stderr, "\nRun 'scow %s --help' for more information\n", cli->command->name);
	return scow_container_config_unref(config);
}
