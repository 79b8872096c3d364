/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Netlink: building messages, sending them, hearing what the kernel says to each. See: netlink(7), rtnetlink(7).
 *
 * 1. A batch goes out in one sendmsg(); the kernel takes the messages one after the other and goes on after a refusal, so all the
 *    acknowledgements are read in any case: none is left for the next who asks.
 * 2. NETLINK_EXT_ACK gives the kernel's own sentence ("Invalid prefix for given prefix length"), which is better than any errno.
 */
#include "network/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "network/holder.h"
#include "network/nft.h"

#define ANSWER_BYTES (32 * 1024)
#define RUN_DIGITS 4

/* ---- building ---- */

void batch_done(struct batch *batch)
{
	str_done(&batch->bytes);
	str_done(&batch->patches);
}

static struct nlmsghdr *last_message(struct batch *batch)
{
	return (void *) (batch->bytes.data + batch->message);
}

static void add_padded(struct batch *batch, const void *data, size_t size)
{
	static const char zeros[4];

	str_add_bytes(&batch->bytes, data, size);
	str_add_bytes(&batch->bytes, zeros, -size & 3);
	if (!batch->bytes.failed)
		last_message(batch)->nlmsg_len = (uint32_t) (batch->bytes.size - batch->message);
}

void batch_message(struct batch *batch, unsigned int type, unsigned int flags, const void *header, size_t size)
{
	struct nlmsghdr message = {
		.nlmsg_len = sizeof(message),
		.nlmsg_type = (uint16_t) type,
		.nlmsg_flags = (uint16_t) (flags | NLM_F_REQUEST | NLM_F_ACK),
	};

	batch->message = batch->bytes.size;
	batch->count++;
	add_padded(batch, &message, sizeof(message));
	add_padded(batch, header, size);
}

void batch_attribute(struct batch *batch, unsigned int type, const void *data, size_t size)
{
	struct rtattr attribute = { .rta_len = (uint16_t) RTA_LENGTH(size), .rta_type = (uint16_t) type };

	add_padded(batch, &attribute, sizeof(attribute));
	add_padded(batch, data, size);
}

void batch_text(struct batch *batch, unsigned int type, const char *text)
{
	batch_attribute(batch, type, text, strlen(text) + 1);
}

void batch_u8(struct batch *batch, unsigned int type, uint8_t value)
{
	batch_attribute(batch, type, &value, sizeof(value));
}

void batch_u16(struct batch *batch, unsigned int type, uint16_t value)
{
	batch_attribute(batch, type, &value, sizeof(value));
}

void batch_u32(struct batch *batch, unsigned int type, uint32_t value)
{
	batch_attribute(batch, type, &value, sizeof(value));
}

size_t batch_nest(struct batch *batch, unsigned int type)
{
	size_t at = batch->bytes.size;

	batch_attribute(batch, type, NULL, 0);
	return at;
}

void batch_nest_end(struct batch *batch, size_t nest)
{
	if (!batch->bytes.failed)
		((struct rtattr *) (void *) (batch->bytes.data + nest))->rta_len = (uint16_t) (batch->bytes.size - nest);
}

static void add_patch(struct batch *batch, enum wire_patch_kind kind, const char *name, size_t offset)
{
	struct wire_patch patch = { .offset = (uint32_t) offset, .kind = (uint32_t) kind };

	if (name)
		snprintf(patch.name, sizeof(patch.name), "%s", name);
	str_add_bytes(&batch->patches, &patch, sizeof(patch));
}

void batch_patch_here(struct batch *batch, enum wire_patch_kind kind, const char *name, size_t from_end)
{
	add_patch(batch, kind, name, batch->bytes.size - from_end);
}

void batch_patch_header(struct batch *batch, enum wire_patch_kind kind, const char *name, size_t offset)
{
	add_patch(batch, kind, name, batch->message + sizeof(struct nlmsghdr) + offset);
}

void batch_write(const struct batch *batch, struct str *out)
{
	const struct wire_batch header = {
		.magic = WIRE_BATCH_MAGIC,
		.n_patches = (uint32_t) (batch->patches.size / sizeof(struct wire_patch)),
		.n_messages = batch->count,
		.size = (uint32_t) batch->bytes.size,
	};

	str_add_bytes(out, &header, sizeof(header));
	str_add_bytes(out, batch->patches.data, batch->patches.size);
	str_add_bytes(out, batch->bytes.data, batch->bytes.size);
	out->failed = out->failed || batch->patches.failed || batch->bytes.failed;
}

/* ---- a namespace ---- */

static int set_up(struct netns *ns, scow_error **error)
{
	const int yes = 1;

	if (ns->route_fd < 0)
		return error_errno(error, errno, "socket", "open a netlink socket");
	(void) setsockopt(ns->route_fd, SOL_NETLINK, NETLINK_EXT_ACK, &yes, sizeof(yes));
	/* An acknowledgement need not carry the message that it is about. */
	(void) setsockopt(ns->route_fd, SOL_NETLINK, NETLINK_CAP_ACK, &yes, sizeof(yes));
	return 0;
}

int netns_open_here(scow_engine *engine, struct netns *out, scow_error **error)
{
	*out = (struct netns){ .engine = engine, .filter_fd = -1, .fd = -1, .user_fd = -1, .hold_fd = -1, .pidfd = -1 };
	out->route_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	return set_up(out, error);
}

static int open_held(scow_engine *engine, bool start, struct netns *out, scow_error **error)
{
	int r;

	*out = (struct netns){ .filter_fd = -1, .fd = -1, .user_fd = -1, .hold_fd = -1, .pidfd = -1, .route_fd = -1 };
	r = holder_open(engine, start, out, error);
	return r <= 0 ? r : set_up(out, error) < 0 ? SCOW_E_FAILED : 1;
}

int netns_open(scow_engine *engine, struct netns *out, scow_error **error)
{
	int r;

	if (!engine->facts.rootless)
		return netns_open_here(engine, out, error);
	r = open_held(engine, true, out, error);
	return r < 0 ? r : 0;
}

int netns_find(scow_engine *engine, struct netns *out, scow_error **error)
{
	int r;

	if (engine->facts.rootless)
		return open_held(engine, false, out, error);
	r = netns_open_here(engine, out, error);
	return r < 0 ? r : 1;
}

void netns_close(struct netns *ns)
{
	if (!ns->engine)
		return;
	cleanup_fd(&ns->route_fd);
	nft_release(ns);
	cleanup_fd(&ns->fd);
	cleanup_fd(&ns->user_fd);
	cleanup_fd(&ns->pidfd);
	cleanup_fd(&ns->hold_fd);
	*ns = (struct netns){ .route_fd = -1, .filter_fd = -1, .fd = -1, .user_fd = -1, .hold_fd = -1, .pidfd = -1 };
}

int netns_sysctl(struct netns *ns, const char *name, const char *value, scow_error **error)
{
	char path[128];
	int r;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	r = ns->hold_fd >= 0 ? holder_sysctl(ns, name, value) : file_write_at(AT_FDCWD, path, value);
	return r < 0 ? error_errno(error, -r, "write", "set '%s' to %s", path, value) : 0;
}

bool netns_sysctl_is(struct netns *ns, const char *name, const char *value)
{
	_cleanup_free_ char *text = NULL;
	char path[128];
	size_t size;

	if (ns->hold_fd >= 0)
		return holder_sysctl_is(ns, name, value);
	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	if (file_read_at(AT_FDCWD, path, sizeof(path), &text, &size) < 0)
		return false;
	text[strcspn(text, "\n")] = 0;
	return strcmp(text, value) == 0;
}

/* ---- sending ---- */

static void put_run(char *at, const struct wire_patch_values *values)
{
	char digits[RUN_DIGITS + 1];

	snprintf(digits, sizeof(digits), "%04x", values->run & 0xffff);
	memcpy(at, digits, RUN_DIGITS);
}

static int fill(struct netns *ns, char *bytes, const struct wire_patch *patch, const struct wire_patch_values *values, scow_error **error)
{
	char name[LINK_NAME];
	int index;

	switch (patch->kind) {
	case WIRE_PATCH_PID:
		memcpy(bytes + patch->offset, &values->pid, sizeof(values->pid));
		return 0;
	case WIRE_PATCH_RUN:
		put_run(bytes + patch->offset, values);
		return 0;
	default:
		snprintf(name, sizeof(name), "%s", patch->name);
		if (patch->kind == WIRE_PATCH_PORT && strlen(name) > RUN_DIGITS)
			put_run(name + strlen(name) - RUN_DIGITS, values);
		index = netns_link_index(ns, name);
		if (index < 0)
			return error_errno(error, -index, "ioctl SIOCGIFINDEX", "find the link '%s'", name);
		memcpy(bytes + patch->offset, &index, sizeof(index));
		return 0;
	}
}

static const char *what_of(unsigned int type)
{
	switch (type) {
	case RTM_NEWLINK:
		return "make or change a link";
	case RTM_DELLINK:
		return "delete a link";
	case RTM_NEWADDR:
		return "add an address";
	case RTM_DELADDR:
		return "take an address away";
	case RTM_NEWROUTE:
		return "add a route";
	case RTM_NEWQDISC:
		return "hold a link to its rate";
	default:
		return "ask the kernel about the network";
	}
}

/* The kernel's own words, or NULL. */
static const char *words(const struct nlmsghdr *message)
{
	const struct nlmsgerr *answer = NLMSG_DATA(message);
	size_t skip = sizeof(*answer);
	const struct rtattr *attribute;
	size_t rest;

	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	if (!(message->nlmsg_flags & NLM_F_CAPPED))
		skip += NLMSG_ALIGN(answer->msg.nlmsg_len - sizeof(struct nlmsghdr));
	if (message->nlmsg_len < NLMSG_HDRLEN + skip)
		return NULL;
	attribute = (const void *) ((const char *) answer + skip);
	for (rest = message->nlmsg_len - NLMSG_HDRLEN - skip; RTA_OK(attribute, rest); attribute = RTA_NEXT(attribute, rest))
		if ((attribute->rta_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG)
			return RTA_DATA(attribute);
	return NULL;
}

static int refusal(const char *bytes, size_t size, uint32_t sequence, const struct nlmsghdr *answer, scow_error **error)
{
	const struct nlmsgerr *body = NLMSG_DATA(answer);
	const char *said = words(answer);

	for (size_t at = 0; at < size;) {
		const struct nlmsghdr *message = (const void *) (bytes + at);

		if (message->nlmsg_seq == sequence)
			return error_errno(error, -body->error, "netlink", "%s%s%s%s", what_of(message->nlmsg_type), said ? " (" : "",
					   said ? said : "", said ? ")" : "");
		at += NLMSG_ALIGN(message->nlmsg_len);
	}
	return error_errno(error, -body->error, "netlink", "ask the kernel about the network");
}

static ssize_t receive(struct netns *ns, void *buffer)
{
	ssize_t n;

	while ((n = recv(ns->route_fd, buffer, ANSWER_BYTES, 0)) < 0 && errno == EINTR)
		;
	return n < 0 ? -errno : n;
}

static int send_batch(struct netns *ns, const void *bytes, size_t size, scow_error **error)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t n;

	while ((n = sendto(ns->route_fd, bytes, size, 0, (struct sockaddr *) &kernel, sizeof(kernel))) < 0 && errno == EINTR)
		;
	return n < 0 ? error_errno(error, errno, "sendto", "talk to the kernel about the network") : 0;
}

/* Numbers the messages from the next on; the first number. */
static uint32_t number(struct netns *ns, char *bytes, size_t size)
{
	const uint32_t first = ns->sequence + 1;

	for (size_t at = 0; at < size;) {
		struct nlmsghdr *message = (void *) (bytes + at);

		message->nlmsg_seq = ++ns->sequence;
		at += NLMSG_ALIGN(message->nlmsg_len);
	}
	return first;
}

/* Reads until each of @count messages from @first on has been answered. */
static int hear_all(struct netns *ns, const char *bytes, size_t size, uint32_t first, unsigned int count, int *refused, scow_error **error)
{
	char buffer[ANSWER_BYTES] __attribute__((aligned(8)));
	unsigned int heard = 0;
	int result = 0;

	while (heard < count) {
		ssize_t n = receive(ns, buffer);
		size_t rest = n > 0 ? (size_t) n : 0;

		if (n < 0)
			return error_errno(error, (int) -n, "recv", "hear from the kernel about the network");
		for (struct nlmsghdr *message = (void *) buffer; NLMSG_OK(message, rest); message = NLMSG_NEXT(message, rest)) {
			const struct nlmsgerr *answer = NLMSG_DATA(message);

			if (message->nlmsg_type != NLMSG_ERROR || message->nlmsg_seq - first >= count)
				continue;
			heard++;
			if (!answer->error || result)
				continue;
			if (refused) {
				result = 1;
				*refused = answer->error;
			} else {
				result = refusal(bytes, size, message->nlmsg_seq, message, error);
			}
		}
	}
	return result < 0 ? result : 0;
}

/* All messages from @at on that end at @end or before; @refused as in netns_try(). */
static int send_until(struct netns *ns, char *bytes, size_t *at, size_t end, int *refused, scow_error **error)
{
	const size_t from = *at;
	unsigned int count = 0;
	uint32_t first;
	int r;

	for (; *at < end; count++) {
		size_t size = NLMSG_ALIGN(((const struct nlmsghdr *) (const void *) (bytes + *at))->nlmsg_len);

		if (*at + size > end)
			break;
		*at += size;
	}
	if (!count)
		return 0;
	first = number(ns, bytes + from, *at - from);
	r = send_batch(ns, bytes + from, *at - from, error);
	return r < 0 ? r : hear_all(ns, bytes + from, *at - from, first, count, refused, error);
}

int netns_try(struct netns *ns, const struct batch *batch, const struct wire_patch_values *values, int *refused, scow_error **error)
{
	const struct wire_patch *patches = (const void *) batch->patches.data;
	const size_t size = batch->bytes.size, n_patches = batch->patches.size / sizeof(*patches);
	_cleanup_free_ char *bytes = NULL;
	size_t at = 0;
	int r = 0;

	if (refused)
		*refused = 0;
	if (batch->bytes.failed || batch->patches.failed)
		return error_oom(error);
	if (!size)
		return 0;
	bytes = malloc(size);
	if (!bytes)
		return error_oom(error);
	memcpy(bytes, batch->bytes.data, size);
	for (size_t i = 0; i < n_patches && r == 0; i++) {
		/* It is of what the messages before it make. */
		if (patches[i].kind == WIRE_PATCH_PORT)
			r = send_until(ns, bytes, &at, patches[i].offset, refused, error);
		if (r < 0 || (refused && *refused))
			return r;
		r = fill(ns, bytes, &patches[i], values, error);
	}
	return r < 0 ? r : send_until(ns, bytes, &at, size, refused, error);
}

int netns_send(struct netns *ns, const struct batch *batch, const struct wire_patch_values *values, scow_error **error)
{
	return netns_try(ns, batch, values, NULL, error);
}

/* One datagram of an answer: 1 that was the end. */
static int take_answer(struct netns *ns, char *buffer, size_t size, uint32_t sequence, netns_each_fn *each, void *data, int *result,
		       scow_error **error)
{
	(void) ns;
	for (struct nlmsghdr *message = (void *) buffer; NLMSG_OK(message, size); message = NLMSG_NEXT(message, size)) {
		const struct nlmsgerr *answer = NLMSG_DATA(message);

		if (message->nlmsg_seq != sequence)
			continue;
		if (message->nlmsg_type == NLMSG_DONE)
			return 1;
		if (message->nlmsg_type == NLMSG_ERROR) {
			if (answer->error && *result == 0)
				*result = error_errno(error, -answer->error, "netlink", "ask the kernel about the network");
			return 1;
		}
		if (*result == 0)
			*result = each(data, message, error);
	}
	return 0;
}

int netns_ask(struct netns *ns, const struct batch *request, netns_each_fn *each, void *data, scow_error **error)
{
	char buffer[ANSWER_BYTES] __attribute__((aligned(8)));
	_cleanup_free_ char *bytes = NULL;
	int done = 0, result = 0, r;
	uint32_t sequence;

	if (request->bytes.failed || !(bytes = malloc(request->bytes.size)))
		return error_oom(error);
	memcpy(bytes, request->bytes.data, request->bytes.size);
	sequence = number(ns, bytes, request->bytes.size);
	r = send_batch(ns, bytes, request->bytes.size, error);
	while (r == 0 && !done) {
		ssize_t n = receive(ns, buffer);

		if (n < 0)
			return result < 0 ? result : error_errno(error, (int) -n, "recv", "hear from the kernel about the network");
		done = take_answer(ns, buffer, (size_t) n, sequence, each, data, &result, error);
	}
	return r < 0 ? r : result;
}
