/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a container finds in /proc/sys and /etc: its sysctls, and the three small files that name it and its network.
 *
 * A sysctl is only set in a namespace of the container's own: in any other it would change the host's, or another container's.
 */
#include "container/build.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "container/pasta.h"

#define HOST_FILE_BYTES_MAX (1u << 20)

/* ---- sysctls ---- */

static bool put_sysctl(struct spec *spec, const char *name, const char *value, bool optional)
{
	struct spec_sysctl *slot = arena_append(&spec->arena, &spec->sysctls, &spec->n_sysctls, sizeof(*slot));

	if (slot)
		*slot = (struct spec_sysctl){ name, value, optional };
	return slot;
}

static bool is_set(const struct build *b, const char *name)
{
	for (size_t i = 0; i < b->config->n_sysctls; i++)
		if (str_eq(b->config->sysctls[i].name, name))
			return true;
	return false;
}

/* So that ping needs no capability, and ports below 1024 no root: both are safe where the network is the container's own. */
static bool put_network_defaults(struct build *b)
{
	static const char ping[] = "net.ipv4.ping_group_range", ports[] = "net.ipv4.ip_unprivileged_port_start";

	/* In a user namespace the range would have to be one of mapped groups. */
	if (build_shares_host(b, SPEC_NS_USER) && !is_set(b, ping) && !put_sysctl(b->spec, ping, "0 2147483647", true))
		return false;
	return is_set(b, ports) || put_sysctl(b->spec, ports, "0", true);
}

int build_sysctls(struct build *b, scow_error **error)
{
	struct arena *arena = &b->spec->arena;

	if (build_owns(b, SPEC_NS_NETWORK) && !put_network_defaults(b))
		return error_oom(error);
	for (size_t i = 0; i < b->config->n_sysctls; i++) {
		const struct config_pair *pair = &b->config->sysctls[i];
		const char *name;
		enum spec_ns ns;
		int r = sysctl_parse(pair->name, arena, &name, &ns, error);

		if (r < 0)
			return r;
		if (build_shares_host(b, ns))
			return error_set(error, SCOW_E_INVALID, "sysctl '%s' is not allowed in the host's %s namespace", name,
					 ns == SPEC_NS_NETWORK ? "network"
					 : ns == SPEC_NS_IPC   ? "ipc"
							       : "uts");
		if (!put_sysctl(b->spec, name, arena_strdup(arena, pair->value), false))
			return error_oom(error);
	}
	return 0;
}

/* ---- /etc/hostname, hosts, resolv.conf ---- */

static int put_file(struct build *b, const char *path, const char *content, size_t size, scow_error **error)
{
	struct spec_file *file;

	for (size_t i = 0; i < b->config->n_mounts; i++)
		if (str_eq(b->config->mounts[i].target, path))
			return 0; /* the user has one */
	file = arena_append(&b->spec->arena, &b->spec->files, &b->spec->n_files, sizeof(*file));
	if (!file || !content)
		return error_oom(error);
	*file = (struct spec_file){ path, content, size, 0644 };
	return 0;
}

/* A missing one is left out. */
static int copy_host_file(struct build *b, const char *path, scow_error **error)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	int r = file_read_at(AT_FDCWD, path, HOST_FILE_BYTES_MAX, &text, &size);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return error_errno(error, -r, "read", "read the host's '%s'", path);
	return put_file(b, path, arena_strndup(&b->spec->arena, text, size), size, error);
}

static int put_hosts(struct build *b, bool of_host, scow_error **error)
{
	_cleanup_free_ char *before = NULL, *text = NULL;
	int r = of_host ? file_read_at(AT_FDCWD, "/etc/hosts", HOST_FILE_BYTES_MAX, &before, NULL) : 0;

	if (r < 0 && r != -ENOENT)
		return error_errno(error, -r, "read", "read the host's '/etc/hosts'");
	if (of_host && !before && !b->config->n_extra_hosts)
		return 0;
	r = build_hosts(b, before, &text, error);
	return r < 0 ? r : put_file(b, "/etc/hosts", arena_strdup(&b->spec->arena, text), strlen(text), error);
}

static int put_resolv(struct build *b, scow_error **error)
{
	_cleanup_free_ char *text = NULL;
	int r = build_resolv(b, &text, error);

	return r < 0 ? r : put_file(b, "/etc/resolv.conf", arena_strdup(&b->spec->arena, text), strlen(text), error);
}

int build_files(struct build *b, scow_error **error)
{
	const enum namespace_mode network = b->choices[SCOW_NAMESPACE_NETWORK].mode;
	const bool has_pasta = pasta_is_wanted(b->engine, b->config);
	const char *hostname = b->spec->hostname;
	const char *line;
	int r = 0;

	if (network == NAMESPACE_CONTAINER) /* it shares that one's */
		return 0;
	if (hostname) {
		line = arena_printf(&b->spec->arena, "%s\n", hostname);
		r = put_file(b, "/etc/hostname", line, line ? strlen(line) : 0, error);
	} else {
		r = copy_host_file(b, "/etc/hostname", error);
	}
	if (r == 0)
		r = put_hosts(b, network == NAMESPACE_HOST, error);
	/* Without any network there is nobody to ask. */
	if (r == 0 && (b->attachment || network == NAMESPACE_HOST || network == NAMESPACE_PATH || b->config->n_dns || has_pasta))
		r = b->config->n_dns || b->config->n_dns_search || b->config->n_dns_options || b->attachment || has_pasta
			    ? put_resolv(b, error)
			    : copy_host_file(b, "/etc/resolv.conf", error);
	return r;
}
