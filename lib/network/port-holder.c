/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who has a port: for the message that it is taken. The kernel's lists of sockets (/proc/net) name an inode, which is found among the
 * descriptors of all processes, as far as they may be seen. Slow, and only after something has failed.
 */
#include "network/ports.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

#define TABLE_BYTES_MAX (16u << 20)
#define STATE_LISTEN 0x0a
#define STATE_UNCONNECTED 0x07

/* In /proc/net an address is 32-bit words, each as the machine has it. */
static void hex_of(const struct address *address, char out[ADDRESS_HEX])
{
	for (size_t i = 0; i < address_size(address); i += 4) {
		uint32_t word;

		memcpy(&word, address->bytes + i, 4);
		snprintf(out + i * 2, 9, "%08X", word);
	}
}

static bool is_zeros(const char *hex)
{
	return !hex[strspn(hex, "0")];
}

/* The inode of the socket that has the port, in a table; 0: none. */
static unsigned long inode_in(const char *table, int protocol, const struct address *address, uint16_t port)
{
	const unsigned int wanted = protocol == IPPROTO_TCP ? STATE_LISTEN : STATE_UNCONNECTED;
	_cleanup_free_ char *text = NULL;
	char hex[ADDRESS_HEX] = "";
	char *rest = NULL;

	if (file_read_at(AT_FDCWD, table, TABLE_BYTES_MAX, &text, NULL) < 0)
		return 0;
	hex_of(address, hex);
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char local[ADDRESS_HEX];
		unsigned int at, state;
		unsigned long inode;

		if (sscanf(line, " %*u: %32[0-9A-F]:%X %*[0-9A-F]:%*X %X %*X:%*X %*X:%*X %*X %*u %*u %lu", local, &at, &state, &inode) != 4)
			continue;
		if (at != port || state != wanted || !inode)
			continue;
		/* Any address, of either family, is in the way of each of them. */
		if (address_is_any(address) || is_zeros(local) || strcmp(local, hex) == 0)
			return inode;
	}
	return 0;
}

static bool has_socket(int proc, const char *pid, const char *wanted)
{
	_cleanup_dir_ DIR *dir = NULL;
	const struct dirent *entry;
	char path[64], target[64];
	int fd;

	snprintf(path, sizeof(path), "%.20s/fd", pid);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return false;
	}
	while ((entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		target[n > 0 ? n : 0] = 0;
		if (strcmp(target, wanted) == 0)
			return true;
	}
	return false;
}

static bool find_process(unsigned long inode, char *out, size_t size)
{
	_cleanup_dir_ DIR *proc = opendir("/proc");
	const struct dirent *entry;
	char wanted[40];

	snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
	while (proc && (entry = readdir(proc))) {
		_cleanup_free_ char *name = NULL;
		char path[64];

		if (!isdigit((unsigned char) entry->d_name[0]) || !has_socket(dirfd(proc), entry->d_name, wanted))
			continue;
		snprintf(path, sizeof(path), "%.20s/comm", entry->d_name);
		if (file_read_at(dirfd(proc), path, 64, &name, NULL) < 0)
			return false;
		name[strcspn(name, "\n")] = 0;
		snprintf(out, size, "'%s' (process %.20s)", name, entry->d_name);
		return true;
	}
	return false;
}

bool port_holder(int protocol, const struct address *address, uint16_t port, char *out, size_t size)
{
	/* One of IPv6 may have both. */
	const char *const tables[] = { protocol == IPPROTO_TCP ? "/proc/net/tcp" : "/proc/net/udp",
				       protocol == IPPROTO_TCP ? "/proc/net/tcp6" : "/proc/net/udp6" };

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		unsigned long inode = inode_in(tables[i], protocol, address, port);

		if (inode && find_process(inode, out, size))
			return true;
	}
	return false;
}
