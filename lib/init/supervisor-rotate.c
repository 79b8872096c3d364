/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Full log files: log.json becomes log.json.1, that .2, and so on; the last goes. Where it was asked for, .1 then becomes log.json.1.gz.
 *
 * 1. A child compresses, so that a supervisor stays small and hears its program meanwhile. It writes to a name of its own, which then
 *    becomes the file's; what it was made of goes last. Should it die, that stays as it is.
 * 2. The compressed file says of which inode it was made (in gzip's "extra" field): so who reads the log knows it again.
 * 3. The next rotation waits for the child. So does a run's end: whoever knows of it may remove everything.
 */
#include "init/deflate.h"
#include "init/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <linux/sched.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PACKING_NAME WIRE_LOG_NAME ".packing"
#define NAME_SIZE 40

static int packer; /* its pid, or 0 */

static void log_name(char out[NAME_SIZE], uint32_t number, bool packed)
{
	char *at = text_add(out, out + NAME_SIZE, WIRE_LOG_NAME);

	if (number)
		at = text_add_number(text_add(at, out + NAME_SIZE, "."), out + NAME_SIZE, number);
	if (packed)
		text_add(at, out + NAME_SIZE, WIRE_LOG_PACKED);
}

static void rename_file(const char *from, const char *to)
{
	sys(SYS_renameat2, WIRE_FD_DIR, from, WIRE_FD_DIR, to, 0);
}

static void remove_file(uint32_t number, bool packed)
{
	char name[NAME_SIZE];

	log_name(name, number, packed);
	sys(SYS_unlinkat, WIRE_FD_DIR, name, 0);
}

/* ---- the child ---- */

static bool write_out(void *data, const unsigned char *bytes, size_t size)
{
	const int *fd = data;

	while (size) {
		long n = sys(SYS_write, *fd, bytes, size);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes += n;
		size -= (size_t) n;
	}
	return true;
}

static bool pack(int from, int to)
{
	struct deflate *deflate = (void *) sys(SYS_mmap, 0, sizeof(*deflate), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct stat status;
	long data;

	if (sys(SYS_newfstatat, from, "", &status, AT_EMPTY_PATH) < 0 || (long) deflate < 0)
		return false;
	data = sys(SYS_mmap, 0, status.st_size ? status.st_size : 1, PROT_READ, MAP_PRIVATE, from, 0);
	if (data < 0 && data > -4096)
		return false;
	deflate->write = write_out;
	deflate->write_data = &to;
	return deflate_gzip(deflate, (const void *) data, (size_t) status.st_size, status.st_ino);
}

static noreturn void pack_first(void)
{
	char plain[NAME_SIZE], packed[NAME_SIZE];
	long from, to;

	/* The lock of our life among them: it is the supervisor's alone. */
	sys(SYS_close_range, WIRE_FD_NS, ~0U, 0);
	log_name(plain, 1, false);
	log_name(packed, 1, true);
	from = sys(SYS_openat, WIRE_FD_DIR, plain, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	to = sys(SYS_openat, WIRE_FD_DIR, PACKING_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (from >= 0 && to >= 0 && pack((int) from, (int) to)) {
		rename_file(PACKING_NAME, packed);
		sys(SYS_unlinkat, WIRE_FD_DIR, plain, 0);
	} else {
		sys(SYS_unlinkat, WIRE_FD_DIR, PACKING_NAME, 0);
	}
	finish(0);
}

void rotate_reap(bool wait)
{
	long r = -EINTR;

	while (packer && r == -EINTR)
		r = sys(SYS_wait4, packer, 0, __WALL | (wait ? 0 : WNOHANG), 0);
	if (r != 0)
		packer = 0;
}

/* ---- rotation ---- */

void rotate_files(void)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	uint32_t files = supervisor.config.log_files;
	bool packs = supervisor.config.flags & WIRE_SUPERVISE_COMPRESS;
	char from[NAME_SIZE], to[NAME_SIZE];
	long child;

	rotate_reap(true);
	if (files < 2) {
		/* A new file, not the old one emptied: who reads that keeps it. */
		remove_file(0, false);
		return;
	}
	/* Both: a child that died has left a plain one, which would else stay beside the packed one of its number. */
	remove_file(files - 1, true);
	remove_file(files - 1, false);
	for (uint32_t i = files; i-- > 1;) {
		for (int packed = 0; packed <= (packs && i > 1 ? 1 : 0); packed++) {
			log_name(from, i - 1, packed);
			log_name(to, i, packed);
			rename_file(from, to);
		}
	}
	if (!packs)
		return;
	child = sys(SYS_clone3, &args, sizeof(args));
	if (child == 0)
		pack_first();
	packer = child > 0 ? (int) child : 0;
}
