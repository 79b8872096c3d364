/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The container's side of its names: two sockets in its network namespace, which go to the responder with a pidfd of its PID 1.
 *
 * resolv.conf leads to 127.0.0.11, port 53. But a container may want that port, of all addresses, for a name server of its own. So the
 * sockets have ports that the kernel chose, and four rules in the namespace's own packet filter change the ports of what goes there, and
 * of what comes back. They look at each packet alone: no connection is tracked for it, as address translation would do for all of the
 * container's traffic. Where the kernel has no nf_tables the sockets take port 53 itself.
 */
#include "init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h> /* before the kernel's, which then leave out what it has */

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "init/names-wire.h"

#define TABLE "scow-names"
#define CHAIN "ports"
#define BACKLOG 16

static struct {
	unsigned char bytes[4096] __attribute__((aligned(8)));
	uint32_t size;
	uint32_t message; /* where the last one begins */
} batch;

static uint16_t swap16(unsigned int value)
{
	return __builtin_bswap16((uint16_t) value);
}

/* ---- building ---- */

static void *add_space(uint32_t size)
{
	void *at = batch.bytes + batch.size;

	batch.size += (size + 3) & ~3u;
	return at;
}

static void begin(unsigned int type, unsigned int flags, unsigned int family, unsigned int id)
{
	struct nlmsghdr *header;
	struct nfgenmsg *more;

	batch.message = batch.size;
	header = add_space(sizeof(*header));
	header->nlmsg_type = (uint16_t) type;
	header->nlmsg_flags = (uint16_t) (NLM_F_REQUEST | flags);
	more = add_space(sizeof(*more));
	more->nfgen_family = (unsigned char) family;
	more->res_id = swap16(id);
}

static void end(void)
{
	((struct nlmsghdr *) (batch.bytes + batch.message))->nlmsg_len = batch.size - batch.message;
}

static void attribute(unsigned int type, const void *data, uint32_t size)
{
	struct nlattr *header = add_space((uint32_t) sizeof(*header) + size);

	header->nla_len = (uint16_t) (sizeof(*header) + size);
	header->nla_type = (uint16_t) type;
	if (data)
		memcpy(header + 1, data, size);
}

static void text(unsigned int type, const char *value)
{
	attribute(type, value, (uint32_t) text_length(value) + 1);
}

static void number(unsigned int type, uint32_t value)
{
	uint32_t swapped = __builtin_bswap32(value);

	attribute(type, &swapped, sizeof(swapped));
}

static uint32_t nest(unsigned int type)
{
	uint32_t at = batch.size;

	attribute(type | NLA_F_NESTED, NULL, 0);
	return at;
}

static void nest_end(uint32_t at)
{
	((struct nlattr *) (batch.bytes + at))->nla_len = (uint16_t) (batch.size - at);
}

/* ---- the rules ---- */

static void value(unsigned int type, const void *data, uint32_t size)
{
	uint32_t at = nest(type);

	attribute(NFTA_DATA_VALUE, data, size);
	nest_end(at);
}

static void payload(unsigned int register_type, unsigned int base, unsigned int offset, unsigned int size)
{
	number(register_type, NFT_REG_1);
	number(NFTA_PAYLOAD_BASE, base);
	number(NFTA_PAYLOAD_OFFSET, offset);
	number(NFTA_PAYLOAD_LEN, size);
}

static uint32_t expression(const char *name, uint32_t *data)
{
	uint32_t element = nest(NFTA_LIST_ELEM);

	text(NFTA_EXPR_NAME, name);
	*data = nest(NFTA_EXPR_DATA);
	return element;
}

static void expression_end(uint32_t element, uint32_t data)
{
	nest_end(data);
	nest_end(element);
}

/* These bytes of the packet are those; else the rule is not for it. */
static void match(unsigned int base, unsigned int offset, const void *bytes, uint32_t size)
{
	uint32_t data, element = expression("payload", &data);

	payload(NFTA_PAYLOAD_DREG, base, offset, size);
	expression_end(element, data);
	element = expression("cmp", &data);
	number(NFTA_CMP_SREG, NFT_REG_1);
	number(NFTA_CMP_OP, NFT_CMP_EQ);
	value(NFTA_CMP_DATA, bytes, size);
	expression_end(element, data);
}

/* They become those, and the checksum at @checksum is made right. */
static void change(unsigned int offset, const void *bytes, uint32_t size, unsigned int checksum)
{
	uint32_t data, element = expression("immediate", &data);

	number(NFTA_IMMEDIATE_DREG, NFT_REG_1);
	value(NFTA_IMMEDIATE_DATA, bytes, size);
	expression_end(element, data);
	element = expression("payload", &data);
	payload(NFTA_PAYLOAD_SREG, NFT_PAYLOAD_TRANSPORT_HEADER, offset, size);
	number(NFTA_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
	number(NFTA_PAYLOAD_CSUM_OFFSET, checksum);
	expression_end(element, data);
}

/* @address_at: of the destination or source; @port_at: of its port. */
static void rule(unsigned int protocol, unsigned int address_at, unsigned int port_at, uint16_t from, uint16_t to, bool last)
{
	const uint32_t address = __builtin_bswap32(WIRE_NAMES_ADDRESS);
	const unsigned char byte = (unsigned char) protocol;
	uint32_t expressions;

	/* The answer to the last one is the answer to all: they are done together, or none of them. */
	begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | (last ? NLM_F_ACK : 0), NFPROTO_IPV4, 0);
	text(NFTA_RULE_TABLE, TABLE);
	text(NFTA_RULE_CHAIN, CHAIN);
	expressions = nest(NFTA_RULE_EXPRESSIONS);
	match(NFT_PAYLOAD_NETWORK_HEADER, address_at, &address, sizeof(address));
	match(NFT_PAYLOAD_NETWORK_HEADER, 9, &byte, sizeof(byte));
	match(NFT_PAYLOAD_TRANSPORT_HEADER, port_at, &from, sizeof(from));
	change(port_at, &to, sizeof(to), protocol == IPPROTO_TCP ? 16 : 6);
	nest_end(expressions);
	end();
}

static void table(unsigned int message, unsigned int flags)
{
	begin(NFNL_SUBSYS_NFTABLES << 8 | message, flags, NFPROTO_IPV4, 0);
	text(NFTA_TABLE_NAME, TABLE);
	end();
}

static void build(uint16_t udp, uint16_t tcp, bool again)
{
	const uint16_t port = swap16(WIRE_NAMES_PORT);
	uint32_t hook;

	begin(NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	end();
	table(NFT_MSG_NEWTABLE, NLM_F_CREATE);
	if (again) {
		table(NFT_MSG_DELTABLE, 0);
		table(NFT_MSG_NEWTABLE, NLM_F_CREATE);
	}
	begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFPROTO_IPV4, 0);
	text(NFTA_CHAIN_TABLE, TABLE);
	text(NFTA_CHAIN_NAME, CHAIN);
	hook = nest(NFTA_CHAIN_HOOK);
	number(NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_OUT);
	number(NFTA_HOOK_PRIORITY, (uint32_t) -300); /* before whatever looks at ports */
	nest_end(hook);
	text(NFTA_CHAIN_TYPE, "filter");
	end();
	rule(IPPROTO_UDP, 16, 2, port, udp, false);
	rule(IPPROTO_UDP, 12, 0, udp, port, false);
	rule(IPPROTO_TCP, 16, 2, port, tcp, false);
	rule(IPPROTO_TCP, 12, 0, tcp, port, true);
	begin(NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	end();
}

static long lead_ports(uint16_t udp, uint16_t tcp, bool again)
{
	static struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[512];
	} answer;
	long r, fd = sys(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd < 0)
		return fd;
	build(udp, tcp, again);
	r = sys(SYS_sendto, fd, batch.bytes, batch.size, 0, 0, 0);
	if (r >= 0)
		r = sys(SYS_recvfrom, fd, &answer, sizeof(answer), 0, 0, 0);
	sys(SYS_close, fd);
	if (r < 0)
		return r;
	return r < (long) (sizeof(answer.header) + sizeof(answer.error)) || answer.header.nlmsg_type != NLMSG_ERROR ? -EPROTO
														    : answer.error.error;
}

/* ---- the sockets ---- */

static int open_socket(unsigned int type, unsigned int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = swap16(port) };
	const int one = 1;
	int fd = (int) must(sys(SYS_socket, AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");

	address.sin_addr.s_addr = __builtin_bswap32(WIRE_NAMES_ADDRESS);
	if (port)
		sys(SYS_setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	must(sys(SYS_bind, fd, &address, sizeof(address)), "bind");
	if (type == SOCK_STREAM)
		must(sys(SYS_listen, fd, BACKLOG), "listen");
	return fd;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in address = { .sin_port = 0 };
	uint32_t size = sizeof(address);

	must(sys(SYS_getsockname, fd, &address, &size), "getsockname");
	return address.sin_port;
}

/* What is sent, and to whom. */
struct handing {
	const void *record;
	size_t size;
	int fd; /* or -1: nobody is there */
};

/* What a supervisor has read for the run to come, and passes on by its memory. */
static struct handing loaded = { .fd = -1 };

static struct handing from_directory(void)
{
	static unsigned char record[WIRE_NAMES_BYTES_MAX] __attribute__((aligned(8)));
	static const struct timeval patience = { .tv_sec = 5 }; /* with one that is stopped, or frozen */
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "../../" WIRE_NAMES_SOCKET_NAME };
	struct handing handing = { .record = record, .fd = -1 };
	long n, fd = sys(SYS_openat, WIRE_FD_DIR, WIRE_NAMES_RECORD_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return handing;
	n = sys(SYS_read, fd, record, sizeof(record));
	sys(SYS_close, fd);
	if (n <= 0)
		return handing;
	handing.size = (size_t) n;
	fd = sys(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	sys(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	/* By a short name: a whole path may be longer than an address. */
	if (fd < 0 || sys(SYS_fchdir, WIRE_FD_DIR) < 0)
		return handing;
	if (sys(SYS_connect, fd, &address, sizeof(address)) == 0)
		handing.fd = (int) fd;
	else
		sys(SYS_close, fd);
	must(sys(SYS_chdir, "/"), "chdir");
	return handing;
}

/*
 * By the supervisor, since a run in a user namespace of its own could neither read the one nor reach the other. The record may have changed
 * since the last run; without it the container has left its networks. Where nobody listens any more, the library finds that out, and
 * serves it again.
 */
void names_load(void)
{
	names_unload();
	loaded = from_directory();
}

void names_unload(void)
{
	if (loaded.fd >= 0)
		sys(SYS_close, loaded.fd);
	loaded.fd = -1;
}

void names_pass(void)
{
	if (loaded.fd < 0)
		return;
	must(sys(SYS_dup3, loaded.fd, WIRE_FD_SELF, O_CLOEXEC), "dup3");
	loaded.fd = WIRE_FD_SELF;
}

static void hand_over(const struct handing *handing, const int fds[WIRE_NAMES_FDS])
{
	const struct wire_names *record = handing->record;
	struct wire_names_request request = { .magic = WIRE_NAMES_MAGIC, .op = WIRE_NAMES_ADD };
	struct iovec parts[2] = { { &request, sizeof(request) }, { (void *) (uintptr_t) record, handing->size } };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(WIRE_NAMES_FDS * sizeof(int))];
	} control = { .header = { CMSG_LEN(WIRE_NAMES_FDS * sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof(control) };

	if (handing->size < sizeof(*record))
		fail("decode", -EINVAL);
	memcpy(request.id, record->id, sizeof(request.id));
	memcpy(CMSG_DATA(&control.header), fds, WIRE_NAMES_FDS * sizeof(int));
	/* If nobody is there any more, whoever made the connection learns it from it, and begins again. */
	sys(SYS_sendmsg, handing->fd, &message, MSG_NOSIGNAL);
}

void step_names(const struct wire_step *step)
{
	struct handing handing = { plan_blob(&init.plan, step), step->blob_size, (int) step->number[0] };
	bool again = step->flags & WIRE_AGAIN;
	int fds[WIRE_NAMES_FDS];

	doing("open the sockets of the name server", "127.0.0.11", NULL, NULL);
	if (!handing.record)
		handing = loaded;
	if (handing.fd < 0)
		return;
	fds[0] = open_socket(SOCK_DGRAM, 0);
	fds[1] = open_socket(SOCK_STREAM, 0);
	if (lead_ports(port_of(fds[0]), port_of(fds[1]), again) < 0) {
		sys(SYS_close, fds[0]);
		sys(SYS_close, fds[1]);
		fds[0] = open_socket(SOCK_DGRAM, WIRE_NAMES_PORT);
		fds[1] = open_socket(SOCK_STREAM, WIRE_NAMES_PORT);
	}
	/* Without one that was given, it is about us. */
	fds[2] = (int) step->number[1];
	if (step->number[1] == UINT64_MAX)
		fds[2] = (int) must(sys(SYS_pidfd_open, sys(SYS_getpid), 0), "pidfd_open");
	hand_over(&handing, fds);
	for (unsigned int i = 0; i < WIRE_NAMES_FDS; i++)
		sys(SYS_close, fds[i]);
	sys(SYS_close, handing.fd);
}
