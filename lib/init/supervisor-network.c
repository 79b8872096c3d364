/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The networks of a supervised container: the file "network" in its directory, read again before each run, for they may have changed
 * while the last one went. See: struct wire_network.
 *
 * The supervisor sends the host's part once the process is there; the process, a copy of the supervisor, takes its own out of the same
 * memory. What is left on the host at the end is taken away by the last part.
 */
#include "init/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/socket.h>

#define FILE_BYTES_MAX (4u << 20)

static struct {
	unsigned char *bytes;
	size_t size;
} file;

static const struct wire_network *header(void)
{
	return file.bytes ? (const void *) file.bytes : NULL;
}

static bool is_whole(void)
{
	const struct wire_network *h = header();

	return file.size >= sizeof(*h) && h->magic == WIRE_NETWORK_MAGIC && h->size == file.size && h->host_size <= file.size &&
	       h->inside_size <= file.size && h->end_size <= file.size &&
	       sizeof(*h) + h->host_size + h->inside_size + h->end_size == file.size;
}

static void forget(void)
{
	if (file.bytes)
		sys(SYS_munmap, file.bytes, FILE_BYTES_MAX);
	file.bytes = NULL;
	file.size = 0;
}

long network_load(void)
{
	long fd, n = 0, r;

	forget();
	fd = sys(SYS_openat, WIRE_FD_DIR, WIRE_NETWORK_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	/* What is not read is never there: pages come by use. */
	r = sys(SYS_mmap, 0, FILE_BYTES_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r > 0 || r < -4095) {
		file.bytes = (void *) r;
		while (file.size < FILE_BYTES_MAX && (n = sys(SYS_read, fd, file.bytes + file.size, FILE_BYTES_MAX - file.size)) > 0)
			file.size += (size_t) n;
		r = n < 0 ? n : is_whole() ? 0 : -EBADMSG;
	}
	sys(SYS_close, fd);
	if (r < 0)
		forget();
	return r;
}

bool network_is_there(void)
{
	return file.bytes != NULL;
}

long network_connect(int pid, uint32_t run, const char **what)
{
	const struct wire_network *h = header();
	const struct wire_patch_values values = { .pid = pid, .run = h->run + run };

	if (!h->host_size)
		return 0;
	return netlink_send(file.bytes + sizeof(*h), h->host_size, NETLINK_ROUTE, &values, what);
}

void *network_inside(size_t *size)
{
	const struct wire_network *h = header();

	*size = h ? h->inside_size : 0;
	return h && h->inside_size ? file.bytes + sizeof(*h) + h->host_size : NULL;
}

void network_end(void)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	const struct wire_network *h;
	const unsigned char *at, *end;
	long socket;

	if (network_load() < 0 || !network_is_there())
		return;
	h = header();
	end = file.bytes + h->size;
	at = end - h->end_size;
	socket = h->end_size ? sys(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER) : -1;
	/* The kernel has done it when the call returns. */
	while (socket >= 0 && at + sizeof(uint32_t) <= end) {
		uint32_t size;

		memcpy(&size, at, sizeof(size));
		at += sizeof(size);
		if (size > (size_t) (end - at))
			break;
		sys(SYS_sendto, socket, at, size, 0, &kernel, sizeof(kernel));
		at += size;
	}
	if (socket >= 0)
		sys(SYS_close, socket);
	forget();
}
