/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The small languages in which container options are written: signals, ulimits, bind and tmpfs options, device rules,
 * namespace modes, sysctl names. All pure text: nothing here looks at the host.
 */
#include "container/options.h"

#include <ctype.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "base/mount_flag.h"
#include "base/str.h"
#include "container/config.h"
#include "container/id-map.h"

/* As Docker counts them: the C library keeps the first two real-time signals for itself. */
#define FIRST_REALTIME 34
#define LAST_REALTIME 64

bool name_is_clean(const char *text)
{
	if (!*text)
		return false;
	for (const unsigned char *at = (const unsigned char *) text; *at; at++)
		if (*at <= ' ' || *at == 0x7f)
			return false;
	return true;
}

static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "ABRT", SIGABRT }, { "ALRM", SIGALRM }, { "BUS", SIGBUS },     { "CHLD", SIGCHLD },     { "CLD", SIGCHLD },
	{ "CONT", SIGCONT }, { "FPE", SIGFPE },   { "HUP", SIGHUP },     { "ILL", SIGILL },       { "INT", SIGINT },
	{ "IO", SIGIO },     { "IOT", SIGIOT },   { "KILL", SIGKILL },   { "PIPE", SIGPIPE },     { "POLL", SIGPOLL },
	{ "PROF", SIGPROF }, { "PWR", SIGPWR },   { "QUIT", SIGQUIT },   { "SEGV", SIGSEGV },     { "STOP", SIGSTOP },
	{ "SYS", SIGSYS },   { "TERM", SIGTERM }, { "TRAP", SIGTRAP },   { "TSTP", SIGTSTP },     { "TTIN", SIGTTIN },
	{ "TTOU", SIGTTOU }, { "URG", SIGURG },   { "USR1", SIGUSR1 },   { "USR2", SIGUSR2 },     { "VTALRM", SIGVTALRM },
	{ "XCPU", SIGXCPU }, { "XFSZ", SIGXFSZ }, { "WINCH", SIGWINCH }, { "STKFLT", SIGSTKFLT },
};

static int realtime_parse(const char *text)
{
	bool from_last = strncasecmp(text, "RTMAX", 5) == 0;
	int base = from_last ? LAST_REALTIME : FIRST_REALTIME, number;
	unsigned long long offset;

	if (!from_last && strncasecmp(text, "RTMIN", 5) != 0)
		return -1;
	if (!text[5])
		return base;
	if (text[5] != (from_last ? '-' : '+') || !str_to_u64(text + 6, &offset) || offset > LAST_REALTIME)
		return -1;
	number = from_last ? base - (int) offset : base + (int) offset;
	return number >= FIRST_REALTIME && number <= LAST_REALTIME ? number : -1;
}

int signal_parse(const char *text)
{
	unsigned long long number;

	if (!text)
		return -1;
	if (str_to_u64(text, &number))
		return number >= 1 && number <= LAST_REALTIME ? (int) number : -1;
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (strcasecmp(text, signals[i].name) == 0)
			return signals[i].number;
	return realtime_parse(text);
}

static const struct {
	const char *name;
	int resource;
} ulimits[] = {
	{ "as", RLIMIT_AS },           { "core", RLIMIT_CORE },         { "cpu", RLIMIT_CPU },
	{ "data", RLIMIT_DATA },       { "fsize", RLIMIT_FSIZE },       { "locks", RLIMIT_LOCKS },
	{ "memlock", RLIMIT_MEMLOCK }, { "msgqueue", RLIMIT_MSGQUEUE }, { "nice", RLIMIT_NICE },
	{ "nofile", RLIMIT_NOFILE },   { "nproc", RLIMIT_NPROC },       { "rss", RLIMIT_RSS },
	{ "rtprio", RLIMIT_RTPRIO },   { "rttime", RLIMIT_RTTIME },     { "sigpending", RLIMIT_SIGPENDING },
	{ "stack", RLIMIT_STACK },
};

int ulimit_parse(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(ulimits); i++)
		if (strcmp(name, ulimits[i].name) == 0)
			return ulimits[i].resource;
	return -1;
}

const char *ulimit_name(int resource)
{
	for (size_t i = 0; i < ARRAY_SIZE(ulimits); i++)
		if (ulimits[i].resource == resource)
			return ulimits[i].name;
	return NULL;
}

static const char *digits_end(const char *at, unsigned int *value)
{
	*value = 0;
	for (; isdigit((unsigned char) *at); at++) {
		if (*value > 100000)
			return NULL;
		*value = *value * 10 + (unsigned int) (*at - '0');
	}
	return at;
}

bool cpuset_is_valid(const char *text)
{
	for (const char *at = text;; at++) {
		unsigned int first, last;

		if (!isdigit((unsigned char) *at) || !(at = digits_end(at, &first)))
			return false;
		if (*at == '-') {
			at++;
			if (!isdigit((unsigned char) *at) || !(at = digits_end(at, &last)) || last < first)
				return false;
		}
		if (!*at)
			return true;
		if (*at != ',')
			return false;
	}
}

/* The next element of a comma-separated list; NULL at its end. */
static const char *next_option(const char **list, size_t *size)
{
	const char *start = *list, *comma;

	if (!start)
		return NULL;
	comma = strchr(start, ',');
	*size = comma ? (size_t) (comma - start) : strlen(start);
	*list = comma ? comma + 1 : NULL;
	return start;
}

static bool option_is(const char *option, size_t size, const char *name)
{
	return strlen(name) == size && memcmp(option, name, size) == 0;
}

static const struct {
	const char *name;
	unsigned long flags;
} propagations[] = {
	{ "rprivate", MS_PRIVATE | MS_REC }, { "private", MS_PRIVATE }, { "rshared", MS_SHARED | MS_REC }, { "shared", MS_SHARED },
	{ "rslave", MS_SLAVE | MS_REC },     { "slave", MS_SLAVE },
};

static bool bind_propagation(const char *option, size_t size, struct bind_options *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(propagations); i++) {
		if (!option_is(option, size, propagations[i].name))
			continue;
		out->propagation_name = propagations[i].name;
		out->propagation = propagations[i].flags;
		return true;
	}
	return false;
}

static bool bind_option(const char *option, size_t size, struct bind_options *out)
{
	if (option_is(option, size, "bind-nonrecursive"))
		out->nonrecursive = true;
	else if (option_is(option, size, "ro-nonrecursive"))
		out->ro_nonrecursive = true;
	else if (option_is(option, size, "create"))
		out->create = true;
	else if (option_is(option, size, "idmap"))
		out->idmap = true;
	else if (option_is(option, size, "U"))
		out->own = true;
	else if (option_is(option, size, "O"))
		out->overlay = true;
	else if (option_is(option, size, "noexec"))
		out->flags |= MS_NOEXEC;
	else if (option_is(option, size, "nosuid"))
		out->flags |= MS_NOSUID;
	else if (option_is(option, size, "nodev"))
		out->flags |= MS_NODEV;
	else if (option_is(option, size, "z") || option_is(option, size, "Z"))
		out->relabel = *option;
	else
		return false;
	return true;
}

int bind_options_parse(const char *text, struct bind_options *out, scow_error **error)
{
	const char *list = text && *text ? text : NULL, *option;
	bool mode = false, propagation = false;
	size_t size;

	*out = (struct bind_options){ 0 };
	while ((option = next_option(&list, &size))) {
		bool again = false;

		if (option_is(option, size, "ro") || option_is(option, size, "rw")) {
			again = mode;
			mode = true;
			out->read_only = option[1] == 'o';
		} else if (bind_propagation(option, size, out)) {
			again = propagation;
			propagation = true;
		} else if (!bind_option(option, size, out)) {
			return error_set(error, SCOW_E_INVALID, "'%.*s' is not an option of a bind mount", (int) size, option);
		}
		if (again)
			return error_set(error, SCOW_E_INVALID, "'%.*s' contradicts an earlier option in '%s'", (int) size, option, text);
	}
	if (out->ro_nonrecursive && !out->read_only)
		return error_set(error, SCOW_E_INVALID, "'ro-nonrecursive' needs 'ro' in '%s'", text);
	if (out->overlay && (out->read_only || out->idmap || out->own || out->nonrecursive || propagation))
		return error_set(error, SCOW_E_INVALID, "'O' goes with none of ro, idmap, U, bind-nonrecursive and propagations: '%s'",
				 text);
	if (out->propagation == (MS_PRIVATE | MS_REC)) { /* the default */
		out->propagation = 0;
		out->propagation_name = NULL;
	}
	return 0;
}

const char *bind_options_format(const struct bind_options *options, struct arena *arena)
{
	const char *parts[] = {
		options->read_only ? "ro" : NULL,
		options->propagation_name,
		options->nonrecursive ? "bind-nonrecursive" : NULL,
		options->ro_nonrecursive ? "ro-nonrecursive" : NULL,
		options->flags & MS_NOEXEC ? "noexec" : NULL,
		options->flags & MS_NOSUID ? "nosuid" : NULL,
		options->flags & MS_NODEV ? "nodev" : NULL,
		options->create ? "create" : NULL,
		options->idmap ? "idmap" : NULL,
		options->own ? "U" : NULL,
		options->overlay ? "O" : NULL,
		options->relabel == 'z'   ? "z"
		: options->relabel == 'Z' ? "Z"
					  : NULL,
	};
	char text[160] = "";
	size_t used = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (!parts[i])
			continue;
		if (used)
			text[used++] = ',';
		used += strlen(strcpy(text + used, parts[i]));
	}
	return used ? arena_strndup(arena, text, used) : NULL;
}

/* A number in the base, then at most one of @suffixes, then the end. */
static bool number_is_valid(const char *text, size_t size, const char *allowed, const char *suffixes)
{
	size_t n = strspn(text, allowed);

	n = n < size ? n : size;
	return n > 0 && n <= 20 && (n == size || (n + 1 == size && *suffixes && strchr(suffixes, text[n])));
}

static bool tmpfs_datum_is_valid(const char *option, size_t size)
{
	const char *equals = memchr(option, '=', size), *value;
	size_t name, rest;

	if (!equals)
		return false;
	name = (size_t) (equals - option);
	rest = size - name - 1;
	value = equals + 1;
	if (!rest)
		return false;
	if (option_is(option, name, "size"))
		return number_is_valid(value, rest, "0123456789", "kKmMgGtT%");
	if (option_is(option, name, "nr_inodes") || option_is(option, name, "nr_blocks"))
		return number_is_valid(value, rest, "0123456789", "kKmMgGtT");
	if (option_is(option, name, "mode"))
		return number_is_valid(value, rest, "01234567", "") && rest <= 5;
	if (option_is(option, name, "uid") || option_is(option, name, "gid"))
		return number_is_valid(value, rest, "0123456789", "");
	if (option_is(option, name, "mpol"))
		return strcspn(value, "\\ \n") >= rest;
	return false;
}

int tmpfs_options_parse(const char *text, struct arena *arena, unsigned long *flags, const char **data, scow_error **error)
{
	const char *list = text && *text ? text : NULL, *option;
	_cleanup_str_ struct str kept = { 0 };
	size_t size;

	*flags = MS_NOEXEC | MS_NOSUID | MS_NODEV;
	*data = NULL;
	while ((option = next_option(&list, &size))) {
		if (mount_flag(option, size, flags))
			continue;
		if (!tmpfs_datum_is_valid(option, size))
			return error_set(error, SCOW_E_INVALID, "'%.*s' is not an option of a tmpfs", (int) size, option);
		if (kept.size)
			str_add_char(&kept, ',');
		str_add_bytes(&kept, option, size);
	}
	if (kept.failed)
		return error_oom(error);
	if (kept.size && !(*data = arena_strndup(arena, kept.data, kept.size)))
		return error_oom(error);
	return 0;
}

bool device_access_parse(const char *text, struct spec_device_rule *out)
{
	out->read = out->write = out->mknod = false;
	for (const char *at = text; *at; at++) {
		bool *bit = *at == 'r' ? &out->read : *at == 'w' ? &out->write : *at == 'm' ? &out->mknod : NULL;

		if (!bit || *bit)
			return false;
		*bit = true;
	}
	return *text != '\0';
}

/* A device number or "*" up to @end; moves past it. */
static bool device_number(const char **at, char end, int64_t *out)
{
	const char *text = *at;

	if (*text == '*') {
		*out = -1;
		text++;
	} else {
		if (!isdigit((unsigned char) *text))
			return false;
		for (*out = 0; isdigit((unsigned char) *text); text++)
			if ((*out = *out * 10 + (*text - '0')) > UINT32_MAX)
				return false;
	}
	if (*text != end)
		return false;
	*at = text + 1;
	return true;
}

int device_rule_parse(const char *text, struct spec_device_rule *out, scow_error **error)
{
	const char *at = *text && text[1] ? text + 2 : "";

	*out = (struct spec_device_rule){ .allow = true };
	if (!*text || !strchr("abc", *text) || text[1] != ' ' || !device_number(&at, ':', &out->major) ||
	    !device_number(&at, ' ', &out->minor) || !device_access_parse(at, out))
		return error_set(error, SCOW_E_INVALID, "'%s' is not a device rule such as 'c 1:3 rwm' or 'b 8:* r'", text);
	out->type = *text;
	return 0;
}

static const char *const namespace_names[CONFIG_NAMESPACES] = { "pid", "network", "ipc", "uts", "cgroup", "user", "time" };

const char *namespace_name(scow_namespace kind)
{
	return namespace_names[kind];
}

static bool network_name_is_valid(const char *name)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	static const char more[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	return name && strspn(name, first) && !name[strspn(name, more)] && strlen(name) <= 255;
}

static int network_parse(const char *text, struct namespace_choice *out, scow_error **error)
{
	if (str_eq(text, "none")) {
		out->mode = NAMESPACE_PRIVATE;
		return 0;
	}
	if (str_eq(text, "default"))
		return 0;
	if (!network_name_is_valid(text) && !str_has_prefix(text, "pasta:"))
		return error_hint(error, error_set(error, SCOW_E_INVALID, "'%s' is not the name of a network", text),
				  "a network's name or id, 'none', 'host', 'container:NAME' or 'path:/proc/PID/ns/net'");
	out->mode = NAMESPACE_NETWORK;
	out->argument = text;
	return 0;
}

int namespace_parse(scow_namespace kind, const char *text, struct namespace_choice *out, scow_error **error)
{
	*out = (struct namespace_choice){ .mode = NAMESPACE_DEFAULT };
	if (!text || !*text)
		return 0;
	if (str_eq(text, "private") || (kind == SCOW_NAMESPACE_IPC && str_eq(text, "shareable"))) {
		out->mode = NAMESPACE_PRIVATE;
	} else if (str_eq(text, "host")) {
		out->mode = NAMESPACE_HOST;
	} else if (str_has_prefix(text, "container:")) {
		*out = (struct namespace_choice){ .mode = NAMESPACE_CONTAINER, .argument = text + strlen("container:") };
		if (!name_is_clean(out->argument))
			return error_set(error, SCOW_E_INVALID, "'%s' names no container", text);
	} else if (str_has_prefix(text, "path:")) {
		*out = (struct namespace_choice){ .mode = NAMESPACE_PATH, .argument = text + strlen("path:") };
		if (*out->argument != '/')
			return error_set(error, SCOW_E_INVALID, "'%s' is not an absolute path", out->argument);
	} else if (kind == SCOW_NAMESPACE_NETWORK) {
		return network_parse(text, out, error);
	} else if (kind == SCOW_NAMESPACE_USER) {
		return userns_parse(text, out, error);
	} else if (kind == SCOW_NAMESPACE_IPC && str_eq(text, "none")) {
		out->mode = NAMESPACE_IPC_NONE;
	} else {
		return error_set(error, SCOW_E_INVALID, "'%s' is no mode of a %s namespace", text, namespace_name(kind));
	}
	return 0;
}

static const char *const ipc_sysctls[] = {
	"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
	"kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
};

/* Components of letters, digits, '_' and '-', so that no name can lead out of /proc/sys. */
static bool sysctl_is_plain(const char *name)
{
	char before = '.';

	for (const char *at = name; *at; before = *at++) {
		if (*at == '.' ? before == '.' : !isalnum((unsigned char) *at) && *at != '_' && *at != '-')
			return false;
	}
	return before != '.';
}

int sysctl_parse(const char *name, struct arena *arena, const char **out, enum spec_ns *ns, scow_error **error)
{
	size_t first = strcspn(name, "./");
	char *dotted = arena_strdup(arena, name);

	if (!dotted)
		return error_oom(error);
	if (name[first] == '/') /* the form with slashes */
		for (char *at = dotted; *at; at++)
			*at = *at == '/' ? '.' : *at == '.' ? '/' : *at;
	if (!sysctl_is_plain(dotted))
		return error_set(error, SCOW_E_INVALID, "'%s' is not the name of a sysctl", name);
	*out = dotted;
	if (str_eq(dotted, "kernel.hostname"))
		return error_hint(error, error_set(error, SCOW_E_INVALID, "sysctl '%s' is set otherwise", dotted),
				  "set the hostname instead");
	*ns = SPEC_NS_COUNT;
	if (str_has_prefix(dotted, "net."))
		*ns = SPEC_NS_NETWORK;
	else if (str_has_prefix(dotted, "fs.mqueue."))
		*ns = SPEC_NS_IPC;
	else if (str_eq(dotted, "kernel.domainname"))
		*ns = SPEC_NS_UTS;
	for (size_t i = 0; i < ARRAY_SIZE(ipc_sysctls); i++)
		if (str_eq(dotted, ipc_sysctls[i]))
			*ns = SPEC_NS_IPC;
	if (*ns == SPEC_NS_COUNT)
		return error_set(error, SCOW_E_INVALID, "sysctl '%s' belongs to the whole host, not to a namespace", dotted);
	return 0;
}
