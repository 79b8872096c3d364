/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nftables by raw bytes: sending, asking, hearing.
 *
 * 1. The kernel works while we send: all of its answers are there when sendto() returns, so we read what there is and never wait.
 * 2. A socket that has deleted something is not closed, but kept by the engine: closing it waits until the kernel is done, which takes
 *    some milliseconds. At the engine's end nobody is left to keep it, and the kernel's collector is made to close it.
 */
#include "network/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define ANSWER_BYTES (32 * 1024)

/* The host program may have moved on to another. */
static bool is_of_this_namespace(int fd)
{
	_cleanup_fd_ int theirs = ioctl(fd, SIOCGSKNS);
	struct stat ours, its;

	return theirs >= 0 && fstat(theirs, &its) == 0 && stat("/proc/thread-self/ns/net", &ours) == 0 && ours.st_ino == its.st_ino;
}

void nft_release(struct netns *ns)
{
	int none = -1;

	if (ns->filter_fd < 0 || ns->fd >= 0 || !atomic_compare_exchange_strong(&ns->engine->filter_fd, &none, ns->filter_fd))
		cleanup_fd(&ns->filter_fd);
	ns->filter_fd = -1;
}

/*
 * Puts @fd, and the socket in whose queue it then is, into that queue: nobody can reach either any more, which the kernel notices as soon
 * as some Unix socket is closed, and closes them from a thread of its own.
 */
static void leave_to_collector(int fd)
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	struct iovec byte = { .iov_base = (char[]){ 0 }, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &byte, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)
	};
	struct cmsghdr *part = &control.align;
	int pair[2], both[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0) {
		close(fd);
		return;
	}
	both[0] = pair[1];
	both[1] = fd;
	part->cmsg_level = SOL_SOCKET;
	part->cmsg_type = SCM_RIGHTS;
	part->cmsg_len = CMSG_LEN(sizeof(both));
	memcpy(CMSG_DATA(part), both, sizeof(both));
	(void) !sendmsg(pair[0], &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
	close(pair[1]);
	close(pair[0]);
}

void nft_leave(scow_engine *engine)
{
	int fd = atomic_exchange(&engine->filter_fd, -1);

	if (fd >= 0)
		leave_to_collector(fd);
}

static int filter_socket(struct netns *ns, scow_error **error)
{
	const int yes = 1;

	if (ns->filter_fd >= 0)
		return ns->filter_fd;
	if (ns->fd >= 0)
		return error_set(error, SCOW_E_FAILED, "there is no way to the firewall of another network namespace");
	ns->filter_fd = atomic_exchange(&ns->engine->filter_fd, -1);
	if (ns->filter_fd >= 0 && is_of_this_namespace(ns->filter_fd))
		return ns->filter_fd;
	cleanup_fd(&ns->filter_fd);
	ns->filter_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (ns->filter_fd < 0)
		return error_hint(error, error_errno(error, errno, "socket", "talk to the kernel's nftables"),
				  "bridge networks need a kernel with nf_tables");
	(void) setsockopt(ns->filter_fd, SOL_NETLINK, NETLINK_CAP_ACK, &yes, sizeof(yes));
	return ns->filter_fd;
}

static int send_all(struct netns *ns, const void *bytes, size_t size, scow_error **error)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int fd = filter_socket(ns, error), room = (int) size + 4096;
	ssize_t n;

	if (fd < 0)
		return fd;
	/* A batch is one datagram. As root the limit for all does not count. */
	if (size > 64 * 1024 && setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
		(void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	while ((n = sendto(fd, bytes, size, 0, (struct sockaddr *) &kernel, sizeof(kernel))) < 0 && errno == EINTR)
		;
	return n < 0 ? error_errno(error, errno, "sendto", "talk to the kernel's nftables") : fd;
}

/* One datagram of what is there: its size, 0 for nothing more. */
static ssize_t receive(int fd, void *buffer)
{
	ssize_t n;

	/* ENOBUFS: answers to some of many messages were lost, which are as those that are there; that comes before them. */
	while ((n = recv(fd, buffer, ANSWER_BYTES, MSG_DONTWAIT)) < 0 && (errno == EINTR || errno == ENOBUFS))
		;
	return n < 0 && errno == EAGAIN ? 0 : n < 0 ? -errno : n;
}

int nft_send_bytes(struct netns *ns, const void *bytes, size_t size, int *refused, scow_error **error)
{
	char buffer[ANSWER_BYTES] __attribute__((aligned(8)));
	int fd = send_all(ns, bytes, size, error), failure = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	while ((n = receive(fd, buffer)) > 0) {
		size_t rest = (size_t) n;

		for (const struct nlmsghdr *at = (void *) buffer; NLMSG_OK(at, rest); at = NLMSG_NEXT(at, rest))
			if (at->nlmsg_type == NLMSG_ERROR && !failure)
				failure = ((const struct nlmsgerr *) NLMSG_DATA(at))->error;
	}
	if (n < 0)
		return error_errno(error, (int) -n, "recv", "hear from the kernel's nftables");
	if (refused)
		*refused = failure;
	else if (failure)
		return error_errno(error, -failure, "netlink", "change the firewall");
	return 0;
}

int nft_send(struct netns *ns, const struct nft *nft, int *refused, scow_error **error)
{
	const struct str *bytes = &nft->batch.bytes;

	return bytes->failed ? error_oom(error) : nft_send_bytes(ns, bytes->data, bytes->size, refused, error);
}

int nft_ask(struct netns *ns, const struct nft *question, nft_message_fn *each, void *data, int *refused, scow_error **error)
{
	char buffer[ANSWER_BYTES] __attribute__((aligned(8)));
	const struct str *bytes = &question->batch.bytes;
	bool done = false;
	int fd;

	*refused = 0;
	fd = bytes->failed ? error_oom(error) : send_all(ns, bytes->data, bytes->size, error);
	if (fd < 0)
		return fd;
	while (!done) {
		ssize_t n = receive(fd, buffer);
		size_t rest = n > 0 ? (size_t) n : 0;

		/* A dump comes in several, each made when we take the one before. */
		if (n <= 0)
			return n < 0 ? error_errno(error, (int) -n, "recv", "hear from the kernel's nftables") : 0;
		for (const struct nlmsghdr *at = (void *) buffer; NLMSG_OK(at, rest); at = NLMSG_NEXT(at, rest)) {
			if (at->nlmsg_type == NLMSG_ERROR)
				*refused = ((const struct nlmsgerr *) NLMSG_DATA(at))->error;
			done = done || at->nlmsg_type == NLMSG_DONE || at->nlmsg_type == NLMSG_ERROR;
			if (at->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES)
				each(data, at);
		}
	}
	return 0;
}

static void ignore(void *data, const struct nlmsghdr *message)
{
	(void) data;
	(void) message;
}

int nft_has(struct netns *ns, uint8_t family, const char *set, const void *key, size_t size, scow_error **error)
{
	_cleanup_nft_ struct nft question = { .family = family };
	int refused, r;

	nft_elements(&question, NFT_MSG_GETSETELEM, set);
	nft_element(&question, key, size, NULL, 0);
	nft_elements_end(&question);
	r = nft_ask(ns, &question, ignore, NULL, &refused, error);
	if (r < 0)
		return r;
	if (refused && refused != -ENOENT)
		return error_errno(error, -refused, "netlink", "look into the firewall");
	return refused == 0;
}

const struct nlattr *nft_attribute(const struct nlattr *first, size_t size, unsigned int type)
{
	const struct nlattr *at = first;

	while (size >= sizeof(*at) && at->nla_len >= sizeof(*at) && at->nla_len <= size) {
		size_t step = NLA_ALIGN(at->nla_len);

		if ((at->nla_type & NLA_TYPE_MASK) == type)
			return at;
		size -= step < size ? step : size;
		at = (const void *) ((const char *) at + step);
	}
	return NULL;
}

const struct nlattr *nft_inside(const struct nlattr *outer, unsigned int type)
{
	return outer ? nft_attribute(outer + 1, outer->nla_len - sizeof(*outer), type) : NULL;
}

struct listing {
	nft_each_fn *each;
	void *data;
};

static void list_one(const struct listing *listing, const struct nlattr *one)
{
	const struct nlattr *key = nft_inside(nft_inside(one, NFTA_SET_ELEM_KEY), NFTA_DATA_VALUE);
	const struct nlattr *value = nft_inside(nft_inside(one, NFTA_SET_ELEM_DATA), NFTA_DATA_VALUE);
	const struct nlattr *flags = nft_inside(one, NFTA_SET_ELEM_FLAGS), *said = nft_inside(one, NFTA_SET_ELEM_USERDATA);
	struct nft_found found = { 0 };
	uint32_t bits;

	if (!key)
		return;
	found.key = key + 1;
	found.size = key->nla_len - sizeof(*key);
	if (value) {
		found.data = value + 1;
		found.data_size = value->nla_len - sizeof(*value);
	}
	if (flags) {
		memcpy(&bits, flags + 1, sizeof(bits));
		found.is_end = bits & htonl(NFT_SET_ELEM_INTERVAL_END);
	}
	/* Type 0, size, text with its NUL. */
	if (said && said->nla_len > sizeof(*said) + 2 && ((const char *) said)[said->nla_len - 1] == 0)
		found.comment = (const char *) (said + 1) + 2;
	listing->each(listing->data, &found);
}

static void list_elements(void *data, const struct nlmsghdr *message)
{
	const struct listing *listing = data;
	const struct nlattr *first = (const void *) ((const char *) NLMSG_DATA(message) + NLMSG_ALIGN(sizeof(struct nfgenmsg)));
	const size_t size = message->nlmsg_len - NLMSG_SPACE(sizeof(struct nfgenmsg));
	const struct nlattr *list = nft_attribute(first, size, NFTA_SET_ELEM_LIST_ELEMENTS);
	const struct nlattr *one = list ? list + 1 : NULL;
	size_t rest = list ? list->nla_len - sizeof(*list) : 0;

	while (rest >= sizeof(*one) && one->nla_len >= sizeof(*one) && one->nla_len <= rest) {
		size_t step = NLA_ALIGN(one->nla_len);

		list_one(listing, one);
		rest -= step < rest ? step : rest;
		one = (const void *) ((const char *) one + step);
	}
}

int nft_list(struct netns *ns, uint8_t family, const char *set, nft_each_fn *each, void *data, scow_error **error)
{
	_cleanup_nft_ struct nft question = { .family = family };
	struct listing listing = { each, data };
	int refused, r;

	nft_elements_all(&question, set);
	r = nft_ask(ns, &question, list_elements, &listing, &refused, error);
	if (r == 0 && refused && refused != -ENOENT)
		return error_errno(error, -refused, "netlink", "look into the firewall");
	return r;
}

static void read_generation(void *data, const struct nlmsghdr *message)
{
	const struct nlattr *first = (const void *) ((const char *) NLMSG_DATA(message) + NLMSG_ALIGN(sizeof(struct nfgenmsg)));
	const struct nlattr *id = nft_attribute(first, message->nlmsg_len - NLMSG_SPACE(sizeof(struct nfgenmsg)), NFTA_GEN_ID);
	uint32_t number;

	if (!id)
		return;
	memcpy(&number, id + 1, sizeof(number));
	*(uint32_t *) data = ntohl(number);
}

int nft_generation(struct netns *ns, uint32_t *out, scow_error **error)
{
	const struct nfgenmsg header = { .version = NFNETLINK_V0 };
	_cleanup_nft_ struct nft question = { 0 };
	int refused, r;

	*out = 0;
	batch_message(&question.batch, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, 0, &header, sizeof(header));
	r = nft_ask(ns, &question, read_generation, out, &refused, error);
	if (r == 0 && !*out)
		return error_errno(error, refused ? -refused : EPROTO, "netlink", "look into the firewall");
	return r;
}
