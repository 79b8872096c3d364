/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting the responder, and what it is told. It is found by ROOT/names.sock: service.h has the rules. */
#include "network/names.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "engine/helper.h"
#include "engine/job.h"
#include "init/names-wire.h"
#include "network/service.h"

#define ANSWER_MS 5000
#define SHORT_ID 12

/* ---- the record ---- */

struct parts {
	struct str networks, names, links, servers, strings;
	uint32_t n_networks, n_names, n_links, n_servers;
};

static void parts_done(struct parts *parts)
{
	str_done(&parts->networks);
	str_done(&parts->names);
	str_done(&parts->links);
	str_done(&parts->servers);
	str_done(&parts->strings);
}

/* In lower case, and without a last dot. */
static uint32_t add_text(struct parts *parts, const char *text, size_t size)
{
	uint32_t at;

	if (!parts->strings.size)
		str_add_char(&parts->strings, 0);
	at = (uint32_t) parts->strings.size;
	while (size && text[size - 1] == '.')
		size--;
	for (size_t i = 0; i < size; i++)
		str_add_char(&parts->strings, text[i] >= 'A' && text[i] <= 'Z' ? (char) (text[i] + 'a' - 'A') : text[i]);
	str_add_char(&parts->strings, 0);
	return at;
}

/* Once on each network: or its address would be twice in an answer. */
static bool has_name(const struct parts *parts, uint32_t at)
{
	const struct wire_names_name *names = (const void *) parts->names.data;

	for (uint32_t i = 0; i < parts->n_names && !parts->names.failed && !parts->strings.failed; i++)
		if (names[i].network == parts->n_networks && strcmp(parts->strings.data + names[i].name, parts->strings.data + at) == 0)
			return true;
	return false;
}

static void add_name(struct parts *parts, const char *text, size_t size)
{
	struct wire_names_name name = { .network = parts->n_networks, .name = add_text(parts, text, size) };

	if (has_name(parts, name.name))
		return;
	str_add_bytes(&parts->names, &name, sizeof(name));
	parts->n_names++;
}

static void add_link(struct parts *parts, const char *alias, const char *target)
{
	struct wire_names_link link = { .network = parts->n_networks, .alias = add_text(parts, alias, strlen(alias)) };
	size_t size = strlen(target);

	/* By its whole id: it is known by the beginning. */
	if (size == WIRE_NAMES_ID && !target[strspn(target, "0123456789abcdef")])
		size = SHORT_ID;
	link.target = add_text(parts, target, size);
	str_add_bytes(&parts->links, &link, sizeof(link));
	parts->n_links++;
}

static bool key_of(const char *id, unsigned char key[WIRE_NAMES_KEY])
{
	unsigned int byte;

	for (size_t i = 0; i < WIRE_NAMES_KEY; i++) {
		if (sscanf(id + 2 * i, "%2x", &byte) != 1)
			return false;
		key[i] = (unsigned char) byte;
	}
	return true;
}

static int add_endpoint(struct parts *parts, const struct attachment *attachment, const struct endpoint *endpoint, const char *hostname,
			scow_error **error)
{
	struct wire_names_network network = { .name = add_text(parts, endpoint->network->name, strlen(endpoint->network->name)) };

	if (!key_of(endpoint->network->id, network.key))
		return error_set(error, SCOW_E_CORRUPT, "'%s' is no id of a network", endpoint->network->id);
	if (endpoint->ip4.family) {
		network.families |= WIRE_NAMES_IP4;
		memcpy(network.ip4, endpoint->ip4.bytes, sizeof(network.ip4));
	}
	if (endpoint->ip6.family) {
		network.families |= WIRE_NAMES_IP6;
		memcpy(network.ip6, endpoint->ip6.bytes, sizeof(network.ip6));
	}
	str_add_bytes(&parts->networks, &network, sizeof(network));
	add_name(parts, attachment->name, strlen(attachment->name));
	add_name(parts, attachment->id, SHORT_ID);
	for (size_t i = 0; i < endpoint->n_aliases; i++)
		add_name(parts, endpoint->aliases[i], strlen(endpoint->aliases[i]));
	if (hostname)
		add_name(parts, hostname, strlen(hostname));
	for (size_t i = 0; i < endpoint->n_links; i++)
		add_link(parts, endpoint->links[i].alias, endpoint->links[i].container);
	parts->n_networks++;
	return 0;
}

static void add_server(struct parts *parts, const char *text)
{
	struct wire_names_server server = { .family = 0 };
	char bare[ADDRESS_TEXT];
	size_t n = strcspn(text, "%");
	struct address address;

	if (n >= sizeof(bare))
		return;
	memcpy(bare, text, n);
	bare[n] = 0;
	if (!address_parse(bare, &address))
		return;
	server.family = (uint32_t) address.family;
	memcpy(server.address, address.bytes, sizeof(server.address));
	if (text[n])
		server.scope = if_nametoindex(text + n + 1);
	str_add_bytes(&parts->servers, &server, sizeof(server));
	parts->n_servers++;
}

static int add_parts(struct parts *parts, const struct attachment *attachment, const struct resolv *resolv, const char *hostname,
		     bool *outside, scow_error **error)
{
	int r = 0;

	*outside = false;
	for (size_t i = 0; i < attachment->n_endpoints && r == 0; i++) {
		const struct endpoint *endpoint = &attachment->endpoints[i];

		*outside = *outside || !(endpoint->network->flags & NETWORK_INTERNAL);
		if (network_has_names(endpoint->network))
			r = add_endpoint(parts, attachment, endpoint, hostname, error);
	}
	for (size_t i = 0; i < resolv->n_servers && parts->n_servers < WIRE_NAMES_SERVERS_MAX; i++)
		add_server(parts, resolv->servers[i]);
	add_text(parts, "", 0);
	return r;
}

static int join_parts(struct wire_names *head, const struct parts *parts, struct str *out, scow_error **error)
{
	const struct str *const all[] = { &parts->networks, &parts->names, &parts->links, &parts->servers, &parts->strings };
	size_t size = sizeof(*head);

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		size += all[i]->size;
		if (all[i]->failed)
			return error_oom(error);
	}
	if (size > WIRE_NAMES_BYTES_MAX || parts->n_names > WIRE_NAMES_NAMES_MAX || parts->n_networks > WIRE_NAMES_NETWORKS_MAX ||
	    parts->n_links > WIRE_NAMES_NAMES_MAX)
		return error_set(error, SCOW_E_LIMIT, "a container with %u names on %u networks", parts->n_names, parts->n_networks);
	head->size = (uint32_t) size;
	head->n_networks = parts->n_networks;
	head->n_names = parts->n_names;
	head->n_links = parts->n_links;
	head->n_servers = parts->n_servers;
	head->strings_size = (uint32_t) parts->strings.size;
	str_reset(out);
	str_add_bytes(out, head, sizeof(*head));
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i]->size)
			str_add_bytes(out, all[i]->data, all[i]->size);
	return out->failed ? error_oom(error) : 0;
}

int names_record(const struct attachment *attachment, const struct resolv *resolv, const struct resolv_wish *wish, const char *hostname,
		 struct str *out, scow_error **error)
{
	struct wire_names head = { .magic = WIRE_NAMES_MAGIC };
	struct parts parts = { 0 };
	bool outside;
	int r = add_parts(&parts, attachment, resolv, hostname, &outside, error);

	memcpy(head.id, attachment->id, sizeof(head.id));
	if (!outside)
		head.flags |= WIRE_NAMES_NO_SERVERS;
	if (resolv_ndots(wish) > 0)
		head.flags |= WIRE_NAMES_NDOTS;
	if (r == 0)
		r = join_parts(&head, &parts, out, error);
	parts_done(&parts);
	return r;
}

int names_keep(const struct str *record, int dir_fd, scow_error **error)
{
	int r = 0;

	if (record)
		r = file_publish_at(dir_fd, WIRE_NAMES_RECORD_NAME, record->data, record->size, 0600);
	else if (unlinkat(dir_fd, WIRE_NAMES_RECORD_NAME, 0) < 0 && errno != ENOENT)
		r = -errno;
	return r < 0 ? error_errno(error, -r, "rename", "write down the container's names") : 0;
}

bool names_are_kept(int dir_fd)
{
	struct stat st;

	return fstatat(dir_fd, WIRE_NAMES_RECORD_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- the responder ---- */

static int start_responder(scow_engine *engine, int listener, scow_error **error)
{
	char program[] = "scow-init", mode[] = WIRE_MODE_NAMES;
	char *argv[] = { program, mode, NULL };
	int r, helper = engine_helper(engine, error);
	struct spawn_fd fd = { listener, WIRE_FD_SOCKET };
	struct spawn spawn = { .exec_fd = helper, .argv = argv, .fds = &fd, .n_fds = 1, .cgroup_fd = -1 };
	_cleanup_fd_ int pidfd = -1;
	pid_t pid;

	if (helper < 0)
		return helper;
	r = spawn_process(&spawn, &pid, &pidfd, error);
	/* It ends at once: its child, which is nobody's, goes on. */
	return r < 0 ? r : spawn_wait(pidfd, NULL, error);
}

static const struct service responder = {
	.what = "name server", .socket = WIRE_NAMES_SOCKET_NAME, .lock = "names", .start = start_responder
};

int names_connect(scow_engine *engine, bool *started, scow_error **error)
{
	return service_connect(engine, &responder, started, error);
}

int names_confirm(int fd, int timeout_ms, scow_error **error)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	struct wire_names_answer answer = { .magic = 0 };
	ssize_t n;
	int r;

	while ((r = poll(&readable, 1, timeout_ms)) < 0 && errno == EINTR)
		;
	if (r <= 0)
		return NAMES_LOST;
	while ((n = recv(fd, &answer, sizeof(answer), 0)) < 0 && errno == EINTR)
		;
	if (n != sizeof(answer) || answer.magic != WIRE_NAMES_MAGIC || answer.error == ENOENT)
		return NAMES_LOST;
	if (answer.error == EOVERFLOW)
		return error_set(error, SCOW_E_LIMIT, "the name server has %u containers, and can have no more", answer.clients);
	return answer.error ? error_errno(error, answer.error, NULL, "have the container's names served") : 0;
}

static int tell(scow_engine *engine, enum wire_names_op op, const char *id, const struct str *record, scow_error **error)
{
	struct wire_names_request request = { .magic = WIRE_NAMES_MAGIC, .op = (uint32_t) op };
	struct iovec parts[2] = { { &request, sizeof(request) }, { record ? record->data : NULL, record ? record->size : 0 } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = record ? 2 : 1 };
	_cleanup_fd_ int fd = service_try(engine, &responder);

	if (fd < 0)
		return NAMES_LOST;
	memcpy(request.id, id, sizeof(request.id));
	if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0)
		return NAMES_LOST;
	return names_confirm(fd, ANSWER_MS, error);
}

int names_update(scow_engine *engine, const struct str *record, scow_error **error)
{
	return tell(engine, WIRE_NAMES_UPDATE, ((const struct wire_names *) (const void *) record->data)->id, record, error);
}

int names_forget(scow_engine *engine, const char *id, scow_error **error)
{
	int r = tell(engine, WIRE_NAMES_REMOVE, id, NULL, error);

	return r == NAMES_LOST ? 0 : r;
}

int names_are_served(scow_engine *engine, const char *id)
{
	return tell(engine, WIRE_NAMES_ASK, id, NULL, NULL) == 0;
}

int names_serve(scow_engine *engine, int pidfd, bool user_ns, const struct str *record, scow_error **error)
{
	struct job_process process = { .cgroup_fd = -1, .n_fds = 3 };
	bool started;
	_cleanup_fd_ int fd = names_connect(engine, &started, error);
	_cleanup_job_ struct job job = { 0 };
	struct wire_step *step;
	int r;

	if (fd < 0)
		return fd;
	process.fds[0] = (struct spawn_fd){ pidfd, WIRE_FD_NS };
	process.fds[1] = (struct spawn_fd){ pidfd, WIRE_FD_NS + 1 };
	process.fds[2] = (struct spawn_fd){ fd, WIRE_FD_DIR };
	step = job_step(&job, WIRE_JOIN, 0);
	step->number[0] = WIRE_FD_NS;
	step->number[1] = CLONE_NEWNET | (user_ns ? CLONE_NEWUSER : 0);
	step = job_step(&job, WIRE_NAMES, WIRE_AGAIN);
	step->number[0] = WIRE_FD_DIR;
	step->number[1] = WIRE_FD_NS + 1;
	job_blob(&job, step, record->data, record->size);
	r = job_run(engine, &job, &process, error);
	if (r < 0)
		return r;
	r = spawn_wait(process.pidfd, NULL, error);
	close(process.pidfd);
	if (r == 0)
		r = names_confirm(fd, ANSWER_MS, error);
	return r == NAMES_LOST ? error_set(error, SCOW_E_FAILED, "the name server of '%s' does not answer", engine->root) : r;
}
