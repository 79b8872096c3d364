/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The log, in Docker's json-file format: {"log":"...\n","stream":"stdout","time":"2026-01-02T03:04:05.678Z"}, one a line.
 *
 * 1. A line of more than 16 KiB is several entries, of which only the last has a newline. Bytes that are no UTF-8 become U+FFFD.
 * 2. Entries are written in batches: what is read at once has one time, what is read in one turn of the loop goes out in one write. With a
 * full disk they wait, and so does the program, but nothing is lost.
 * 3. A file is full once it has the bytes it may have, and whole entries only: the next entry begins a new one.
 * 4. A quiet supervisor gives the buffers' memory back.
 */
#include "init/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mman.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>

#define LINE_BYTES (16 * 1024)
#define ROOM (256 * 1024)
#define TAIL_BYTES 80 /* a multiple of 8 */
#define FULL_DISK_NAP_MS 100
#define FULL_DISK_NAPS 20 /* for what is left when the program has ended */

struct buffers {
	unsigned char lines[OUTPUTS][LINE_BYTES];
	unsigned char room[ROOM];
};

static struct {
	int fd; /* -1: none is kept */
	uint64_t written;
	struct buffers *buffers;
	size_t line_sizes[OUTPUTS];
	size_t size;    /* in room */
	int64_t second; /* of which @stamp is the text */
	char stamp[24];
	unsigned char tails[OUTPUTS][TAIL_BYTES + WIRE_ATTRIBUTES_MAX];
	unsigned int tail_sizes[OUTPUTS];
	bool used;     /* the buffers have memory */
	bool full;     /* the disk is: what is in room waits */
	bool torn;     /* the file ends inside an entry */
	bool gives_up; /* in this run, which is over */
} log;

static void open_file(int flags)
{
	struct stat status;

	log.fd = (int) sys(SYS_openat, WIRE_FD_DIR, WIRE_LOG_NAME, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0640);
	log.written = log.fd >= 0 && sys(SYS_newfstatat, log.fd, "", &status, AT_EMPTY_PATH) == 0 ? (uint64_t) status.st_size : 0;
}

void log_open(void)
{
	log.fd = -1;
	log.second = -1;
	log.buffers =
		(void *) must(sys(SYS_mmap, 0, sizeof(*log.buffers), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), "mmap");
	doing("open the log", NULL, NULL, NULL);
	if (supervisor.config.flags & WIRE_SUPERVISE_LOG) {
		open_file(0);
		must(log.fd, "open");
	}
}

static void rotate(void)
{
	sys(SYS_close, log.fd);
	rotate_files();
	open_file(0);
}

/* The entry that is there in part, if one is, ends with a newline. */
static void drop(void)
{
	log.full = false;
	log.size = log.torn;
	log.buffers->room[0] = '\n';
}

void log_flush(void)
{
	size_t done = 0;

	log.full = false;
	while (done < log.size && log.fd >= 0 && !log.full) {
		long n = sys(SYS_write, log.fd, log.buffers->room + done, log.size - done);

		if (n > 0) {
			done += (size_t) n;
			log.written += (uint64_t) n;
		} else if (n == -ENOSPC || n == -EDQUOT) {
			log.full = true;
		} else if (n != -EINTR) {
			done = log.size; /* the file system is gone or broken: go on without */
		}
	}
	if (done)
		log.torn = log.buffers->room[done - 1] != '\n';
	for (size_t i = done; done && i < log.size; i++)
		log.buffers->room[i - done] = log.buffers->room[i];
	log.size -= done;
	if (log.full && (supervisor.config.flags & WIRE_SUPERVISE_LOG_DROPS))
		drop();
}

bool log_is_full(void)
{
	return log.full;
}

bool log_takes_more(void)
{
	if (ROOM - log.size < ROOM / 2)
		log_flush();
	return !log.full;
}

static bool has_ended(void)
{
	struct pollfd fds = { .fd = supervisor.pidfd, .events = POLLIN };
	struct timespec now = { 0 };

	return sys(SYS_ppoll, &fds, 1, &now, 0, 8) > 0;
}

/* For as long as it takes, but for a program that has ended: then for a moment. False: there is none. */
static bool wait_for_room(size_t size)
{
	struct timespec nap = { .tv_nsec = FULL_DISK_NAP_MS * 1000000 };
	unsigned int naps = 0;

	for (;;) {
		log_flush();
		if (ROOM - log.size >= size)
			return true;
		if (log.gives_up)
			return false;
		sys(SYS_nanosleep, &nap, 0);
		if (has_ended())
			log.gives_up = ++naps == FULL_DISK_NAPS;
	}
}

/* ---- one entry ---- */

static char *two_digits(char *at, unsigned int number)
{
	*at++ = (char) ('0' + number / 10);
	*at++ = (char) ('0' + number % 10);
	return at;
}

/* "2026-01-02T03:04:05". Days to a date: years from March on, in eras of 400. */
static void make_stamp(int64_t second)
{
	int64_t days = second / 86400, rest = second % 86400;
	int64_t z = days + 719468, era = z / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	unsigned int day = (unsigned int) (doy - (153 * mp + 2) / 5 + 1), month = (unsigned int) (mp < 10 ? mp + 3 : mp - 9);
	unsigned int year = (unsigned int) (yoe + era * 400 + (month <= 2));
	char *at = log.stamp;

	at = two_digits(two_digits(at, year / 100 % 100), year % 100);
	*at++ = '-';
	at = two_digits(at, month);
	*at++ = '-';
	at = two_digits(at, day);
	*at++ = 'T';
	at = two_digits(at, (unsigned int) (rest / 3600));
	*at++ = ':';
	at = two_digits(at, (unsigned int) (rest / 60 % 60));
	*at++ = ':';
	at = two_digits(at, (unsigned int) (rest % 60));
	*at = 0;
	log.second = second;
}

static unsigned char *put(unsigned char *at, const char *text)
{
	while (*text)
		*at++ = (unsigned char) *text++;
	return at;
}

/* How many bytes a valid sequence at @s has, or 0. */
static unsigned int sequence(const unsigned char *s, const unsigned char *end)
{
	unsigned int n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;

	if (s[0] < 0xc2 || s[0] > 0xf4 || (size_t) (end - s) < n)
		return 0;
	for (unsigned int i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Too long a form, a surrogate, or beyond Unicode. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static unsigned char *put_special(unsigned char *at, const unsigned char **from, const unsigned char *end)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *s = *from;
	unsigned int n;

	*from = s + 1;
	switch (s[0]) {
	case '\n':
		return put(at, "\\n");
	case '\r':
		return put(at, "\\r");
	case '"':
		return put(at, "\\\"");
	case '\\':
		return put(at, "\\\\");
	}
	if (s[0] < 0x80) {
		at = put(at, "\\u00");
		*at++ = (unsigned char) digits[s[0] >> 4];
		*at++ = (unsigned char) digits[s[0] & 15];
		return at;
	}
	n = sequence(s, end);
	if (!n)
		return put(at, "\\ufffd");
	*from = s + n;
	/* U+2028 and U+2029 end a line in JavaScript. */
	if (n == 3 && s[0] == 0xe2 && s[1] == 0x80 && (s[2] == 0xa8 || s[2] == 0xa9))
		return put(at, s[2] == 0xa8 ? "\\u2028" : "\\u2029");
	while (n--)
		*at++ = *s++;
	return at;
}

/* What every entry of this moment ends with. RFC 3339 with as much of the nanoseconds as is not zeros, as Go has it. */
static void make_tails(void)
{
	int64_t now = clock_ns(CLOCK_REALTIME);
	unsigned int ns = (unsigned int) (now % 1000000000), size = 9;

	if (now / 1000000000 != log.second)
		make_stamp(now / 1000000000);
	while (ns && ns % 10 == 0) {
		ns /= 10;
		size--;
	}
	for (unsigned int stream = 0; stream < OUTPUTS; stream++) {
		unsigned char *at = put(log.tails[stream], stream == 0 ? "\",\"stream\":\"stdout\"," : "\",\"stream\":\"stderr\",");
		unsigned int rest = ns;

		if (supervisor.attributes)
			at = put(at, supervisor.attributes);
		at = put(put(at, "\"time\":\""), log.stamp);
		if (ns) {
			*at++ = '.';
			for (unsigned int i = size; i-- > 0; rest /= 10)
				at[i] = (unsigned char) ('0' + rest % 10);
			at += size;
		}
		log.tail_sizes[stream] = (unsigned int) (put(at, "Z\"}\n") - log.tails[stream]);
	}
}

/* ---- eight bytes at a time: a log is what a busy supervisor spends its time on ---- */

typedef uint64_t word __attribute__((aligned(1), may_alias));
#define EACH(byte) (0x0101010101010101ULL * (byte))
/* Its highest bits are set where a byte is 0; below the first such one it is exact. */
#define ZEROS(w) (((w) -EACH(1)) & ~(w) &EACH(0x80))

static bool has_special(uint64_t w)
{
	uint64_t found = (w | ((w - EACH(0x20)) & ~w)) & EACH(0x80);

	found |= ZEROS(w ^ EACH('"')) | ZEROS(w ^ EACH('\\'));
	/* '<' and '>' differ by one bit. */
	return found | ZEROS((w & ~EACH(2)) ^ EACH('<')) | ZEROS(w ^ EACH('&'));
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

static const unsigned char *find_newline(const unsigned char *at, const unsigned char *end)
{
	while (end - at >= 8 && !ZEROS(*(const word *) at ^ EACH('\n')))
		at += 8;
	while (at < end && *at != '\n')
		at++;
	return at;
}

/* @to has room for up to seven bytes more. */
static void copy_words(unsigned char *to, const unsigned char *from, size_t size)
{
	for (size_t i = 0; i < size; i += 8)
		*(word *) (to + i) = *(const word *) (from + i);
}

static void put_entry(unsigned int stream, const unsigned char *data, size_t size)
{
	const unsigned char *end = data + size;
	unsigned char *at;

	if (log.fd < 0)
		return;
	if (supervisor.config.log_bytes && log.written + log.size >= supervisor.config.log_bytes) {
		log_flush();
		rotate();
	}
	if (ROOM - log.size < size * 6 + sizeof(log.tails[0]) + 16 && !wait_for_room(size * 6 + sizeof(log.tails[0]) + 16))
		return;
	log.used = true;
	at = log.buffers->room + log.size;
	copy_words(at, (const unsigned char *) "{\"log\":\"", 8);
	at += 8;
	while (data < end) {
		while (end - data >= 8 && !has_special(*(const word *) data)) {
			*(word *) at = *(const word *) data;
			at += 8;
			data += 8;
		}
		/* Up to the next special one, it included. */
		while (data < end && is_plain(*data))
			*at++ = *data++;
		if (data < end)
			at = put_special(at, &data, end);
	}
	copy_words(at, log.tails[stream], log.tail_sizes[stream]);
	log.size = (size_t) (at - log.buffers->room) + log.tail_sizes[stream];
}

/* ---- lines ---- */

/* Where to cut @size bytes without a newline: not inside a character. */
static size_t cut(const unsigned char *data, size_t size)
{
	for (size_t back = 1; back <= 3; back++) {
		unsigned char c = data[size - back];

		if (c < 0x80)
			break;
		if (c >= 0xc0)
			return back < (c >= 0xf0 ? 4U : c >= 0xe0 ? 3U : 2U) ? size - back : size;
	}
	return size;
}

/* Appends to the unfinished line, which is an entry once it is full. */
static void add_partial(unsigned int stream, const unsigned char *data, size_t size)
{
	unsigned char *line = log.buffers->lines[stream];

	while (size) {
		size_t room = LINE_BYTES - log.line_sizes[stream], n = size < room ? size : room, whole;

		log.used = true;
		memcpy(line + log.line_sizes[stream], data, n);
		log.line_sizes[stream] += n;
		data += n;
		size -= n;
		if (log.line_sizes[stream] < LINE_BYTES)
			return;
		whole = cut(line, LINE_BYTES);
		put_entry(stream, line, whole);
		for (size_t i = whole; i < LINE_BYTES; i++)
			line[i - whole] = line[i];
		log.line_sizes[stream] = LINE_BYTES - whole;
	}
}

void log_add(unsigned int stream, const unsigned char *data, size_t size)
{
	const unsigned char *end = data + size;

	make_tails();
	while (data < end) {
		const unsigned char *newline = find_newline(data, end);
		size_t n = (size_t) (newline - data);

		if (newline == end) {
			add_partial(stream, data, n);
			return;
		}
		n++;
		if (log.line_sizes[stream] + n > LINE_BYTES || log.line_sizes[stream]) {
			add_partial(stream, data, n);
			put_entry(stream, log.buffers->lines[stream], log.line_sizes[stream]);
			log.line_sizes[stream] = 0;
		} else {
			put_entry(stream, data, n);
		}
		data = newline + 1;
	}
}

void log_end_lines(void)
{
	make_tails();
	for (unsigned int i = 0; i < OUTPUTS; i++) {
		if (log.line_sizes[i])
			put_entry(i, log.buffers->lines[i], log.line_sizes[i]);
		log.line_sizes[i] = 0;
	}
	log_flush();
	if (log.full)
		wait_for_room(ROOM);
	/* What is written down as over has no file that somebody works on. */
	rotate_reap(true);
	log.size = 0;
	log.full = log.gives_up = false;
}

const unsigned char *log_partial(unsigned int stream, size_t *size)
{
	*size = log.line_sizes[stream];
	return log.buffers->lines[stream];
}

void log_rest(void)
{
	rotate_reap(false);
	if (!log.used || log.size || log.line_sizes[0] || log.line_sizes[1])
		return;
	sys(SYS_madvise, log.buffers, sizeof(*log.buffers), MADV_DONTNEED);
	log.used = false;
}
