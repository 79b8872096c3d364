/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Netlink messages that the library has built (lib/network/netlink.c), sent where it is not: in a container's network namespace, and
 * by a supervisor on the host. The holes that only the sender can fill are filled here, and every answer is looked at.
 */
#include "init/supervisor.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <sys/socket.h>

#define ANSWERS 4096
#define RUN_DIGITS 4

static const char *what_of(uint32_t type)
{
	return type == RTM_NEWLINK    ? "set up the link"
	       : type == RTM_NEWADDR  ? "add the address"
	       : type == RTM_NEWROUTE ? "add the route"
	       : type == RTM_NEWQDISC ? "hold the link to its rate"
				      : "change the network";
}

static uint32_t *word_at(void *bytes, uint32_t offset)
{
	return (uint32_t *) (void *) ((char *) bytes + offset);
}

/* Whether all that it says of itself is inside its @size. */
static bool is_whole(const struct wire_batch *batch, size_t size)
{
	const struct wire_patch *patches = (const void *) (batch + 1);
	const char *messages = (const char *) (patches + batch->n_patches);
	uint32_t at = 0;

	if (size < sizeof(*batch) || batch->magic != WIRE_BATCH_MAGIC || batch->n_patches > 4096 || batch->size > 1u << 20 ||
	    batch->size & 3 || size != sizeof(*batch) + batch->n_patches * sizeof(*patches) + batch->size)
		return false;
	for (uint32_t i = 0; i < batch->n_patches; i++)
		if (batch->size < 4 || patches[i].offset > batch->size - 4 || patches[i].name[15])
			return false;
	for (uint32_t i = 0; i < batch->n_messages; i++) {
		const struct nlmsghdr *message = (const void *) (messages + at);

		if (batch->size - at < sizeof(*message) || message->nlmsg_len < sizeof(*message) || message->nlmsg_len > batch->size - at ||
		    message->nlmsg_len & 3)
			return false;
		at += message->nlmsg_len;
	}
	return at == batch->size;
}

static void put_run(char *at, uint32_t run)
{
	static const char digits[] = "0123456789abcdef";

	for (unsigned int i = 0; i < RUN_DIGITS; i++)
		at[i] = digits[run >> (12 - 4 * i) & 15];
}

static long fill(long socket, const struct wire_patch *patch, void *bytes, const struct wire_patch_values *values)
{
	struct ifreq request = { 0 };
	char *end;
	long r;

	switch (patch->kind) {
	case WIRE_PATCH_PID:
		*word_at(bytes, patch->offset) = (uint32_t) values->pid;
		return 0;
	case WIRE_PATCH_RUN:
		put_run((char *) bytes + patch->offset, values->run);
		return 0;
	default:
		end = text_add(request.ifr_name, request.ifr_name + sizeof(request.ifr_name), patch->name);
		if (patch->kind == WIRE_PATCH_PORT && end - request.ifr_name > RUN_DIGITS)
			put_run(end - RUN_DIGITS, values->run);
		r = sys(SYS_ioctl, socket, SIOCGIFINDEX, &request);
		if (r >= 0)
			*word_at(bytes, patch->offset) = (uint32_t) request.ifr_ifindex;
		return r;
	}
}

/* Reads the acknowledgements: 0, or the first refusal, which is of message number @refused. */
static long hear(long socket, uint32_t count, uint32_t *refused)
{
	static char answers[ANSWERS] __attribute__((aligned(8)));
	uint32_t heard = 0;
	long result = 0;

	while (heard < count) {
		long n = sys(SYS_recvfrom, socket, answers, sizeof(answers), 0, 0, 0);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n ? n : -EPIPE;
		for (long at = 0; n - at >= (long) (sizeof(struct nlmsghdr) + sizeof(int));) {
			struct nlmsghdr *message = (void *) (answers + at);
			int error = *(int *) (void *) (message + 1);

			if (message->nlmsg_len < sizeof(*message))
				return -EBADMSG;
			if (message->nlmsg_type == NLMSG_ERROR) {
				heard++;
				if (error && !result) {
					result = error;
					*refused = message->nlmsg_seq;
				}
			}
			at += (message->nlmsg_len + 3) & ~3u;
		}
	}
	return result;
}

/* What is sent of a batch, and what is to be. */
struct sending {
	int socket;
	char *messages;
	uint32_t at, next; /* bytes that have been sent; the number of the next message */
	const char *what;  /* that was refused */
};

static struct nlmsghdr *message_at(const struct sending *sending, uint32_t at)
{
	return (void *) (sending->messages + at);
}

/* All messages before the one that has the byte at @end. */
static long send_until(struct sending *sending, uint32_t end)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	const uint32_t from = sending->at, first = sending->next;
	uint32_t refused = 0;
	long r;

	for (; sending->at < end && sending->at + message_at(sending, sending->at)->nlmsg_len <= end; sending->next++) {
		message_at(sending, sending->at)->nlmsg_seq = sending->next;
		sending->at += message_at(sending, sending->at)->nlmsg_len;
	}
	if (sending->at == from)
		return 0;
	r = sys(SYS_sendto, sending->socket, message_at(sending, from), sending->at - from, 0, &kernel, sizeof(kernel));
	if (r < 0)
		return r;
	r = hear(sending->socket, sending->next - first, &refused);
	for (uint32_t at = from; r < 0 && at < sending->at; at += message_at(sending, at)->nlmsg_len)
		if (message_at(sending, at)->nlmsg_seq == refused)
			sending->what = what_of(message_at(sending, at)->nlmsg_type);
	return r;
}

long netlink_send(void *bytes, size_t size, int socket, const struct wire_patch_values *values, const char **what)
{
	static const int yes = 1;
	struct wire_batch *batch = bytes;
	struct wire_patch *patches = (void *) (batch + 1);
	struct sending sending = { .socket = socket, .what = "change the network" };
	long r = 0;

	*what = sending.what;
	if (!is_whole(batch, size))
		return -EBADMSG;
	sending.messages = (char *) (patches + batch->n_patches);
	sys(SYS_setsockopt, socket, SOL_NETLINK, NETLINK_CAP_ACK, &yes, sizeof(yes));
	for (uint32_t i = 0; i < batch->n_patches && r >= 0; i++) {
		if (patches[i].kind == WIRE_PATCH_PORT)
			r = send_until(&sending, patches[i].offset);
		if (r >= 0)
			r = fill(socket, &patches[i], sending.messages, values);
	}
	if (r >= 0)
		r = send_until(&sending, batch->size);
	*what = sending.what;
	return r;
}

void step_netlink(const struct wire_step *step)
{
	const struct wire_patch_values none = { 0 };
	void *batch = (void *) (uintptr_t) plan_blob(&init.plan, step);
	size_t size = step->blob_size;
	const char *what = NULL;
	int socket;
	long r;

	/* A supervised one's is not part of the plan. */
	if (!batch)
		batch = network_inside(&size);
	if (!batch)
		return;
	doing("change the network", NULL, NULL, NULL);
	socket = (int) must(sys(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), "socket");
	r = netlink_send(batch, size, socket, &none, &what);
	sys(SYS_close, socket);
	doing(what, plan_text(&init.plan, step, 0), NULL, NULL);
	must(r, "netlink");
}
