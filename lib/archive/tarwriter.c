/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Headers of 512 bytes, each field where POSIX puts it. What does not fit (long names, large ids and sizes, parts of a second, extended
 * attributes) is a record of a pax header before it, in the order of the keys; the field itself then holds what it can.
 */
#include "archive/tarwriter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/str.h"

#define BLOCK 512
#define NAME_ROOM 100
#define PREFIX_ROOM 155
#define SMALL_MAX 07777777u       /* of a field of 8 bytes */
#define LARGE_MAX 077777777777ull /* of 12 */

struct header {
	char name[NAME_ROOM], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[NAME_ROOM], magic[6], version[2],
		user[32], group[32], major[8], minor[8], prefix[PREFIX_ROOM], rest[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a header is one block");

struct tarwriter {
	tarwriter_fn write;
	void *userdata;
	uint64_t written;
	uint64_t missing;     /* bytes of the entry that are to come */
	unsigned int padding; /* after them */
	struct str records, name;
};

static const char zeros[BLOCK * 8];

int tarwriter_open(tarwriter_fn write, void *userdata, struct tarwriter **out, scow_error **error)
{
	struct tarwriter *writer = calloc(1, sizeof(*writer));

	if (!writer)
		return error_oom(error);
	writer->write = write;
	writer->userdata = userdata;
	*out = writer;
	return 0;
}

void tarwriter_free(struct tarwriter *writer)
{
	if (!writer)
		return;
	str_done(&writer->records);
	str_done(&writer->name);
	free(writer);
}

uint64_t tarwriter_size(const struct tarwriter *writer)
{
	return writer->written;
}

static int put(struct tarwriter *writer, const void *data, size_t size, scow_error **error)
{
	writer->written += size;
	return size ? writer->write(writer->userdata, data, size, error) : 0;
}

static int put_padding(struct tarwriter *writer, size_t size, scow_error **error)
{
	return put(writer, zeros, -size & (BLOCK - 1), error);
}

/* ---- records ---- */

/* "LENGTH KEY=VALUE\n", where the length counts its own digits. */
static void add_record(struct str *records, const char *prefix, const char *key, const void *value, size_t size)
{
	size_t rest = 1 + strlen(prefix) + strlen(key) + 1 + size + 1, length = rest + 1;
	char digits[24];

	while ((size_t) snprintf(digits, sizeof(digits), "%zu", length) + rest != length)
		length = rest + strlen(digits);
	str_printf(records, "%zu %s%s=", length, prefix, key);
	str_add_bytes(records, value, size);
	str_add_char(records, '\n');
}

static void add_number_record(struct str *records, const char *key, uint64_t number)
{
	char text[24];

	add_record(records, "", key, text, (size_t) snprintf(text, sizeof(text), "%" PRIu64, number));
}

static void add_time_record(struct str *records, const struct timespec *time)
{
	char text[48];
	int64_t seconds = time->tv_sec;
	long nanoseconds = time->tv_nsec;
	const char *sign = "";
	int n;

	if (seconds < 0) { /* -1.25 is 0.75 after -2 */
		sign = "-";
		seconds = nanoseconds ? -(seconds + 1) : -seconds;
		nanoseconds = nanoseconds ? 1000000000 - nanoseconds : 0;
	}
	n = snprintf(text, sizeof(text), nanoseconds ? "%s%" PRId64 ".%09ld" : "%s%" PRId64, sign, seconds, nanoseconds);
	while (nanoseconds && text[n - 1] == '0')
		n--;
	add_record(records, "", "mtime", text, (size_t) n);
}

/* ---- fields ---- */

/* Octal digits and a NUL; what is too large is told by a record. */
static void put_octal(char *field, size_t room, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%0*" PRIo64, (int) room - 1, number);
	memcpy(field, text, room - 1);
}

static bool fits(uint64_t number, uint64_t max)
{
	return number <= max;
}

/* Into name, or cut at a slash into prefix and name. */
static bool put_name(struct header *header, const char *name, size_t size)
{
	if (size <= NAME_ROOM) {
		memcpy(header->name, name, size);
		return true;
	}
	for (size_t at = size < PREFIX_ROOM ? size - 1 : PREFIX_ROOM; at && size - at - 1 <= NAME_ROOM; at--) {
		if (name[at] != '/' || at == size - 1)
			continue;
		memcpy(header->prefix, name, at);
		memcpy(header->name, name + at + 1, size - at - 1);
		return true;
	}
	memcpy(header->name, name, NAME_ROOM);
	return false;
}

static void seal(struct header *header)
{
	unsigned int sum = 0;

	memcpy(header->magic, "ustar", 6);
	memcpy(header->version, "00", 2);
	memset(header->checksum, ' ', sizeof(header->checksum));
	for (size_t i = 0; i < sizeof(*header); i++)
		sum += ((unsigned char *) header)[i];
	snprintf(header->checksum, sizeof(header->checksum), "%06o", sum);
	header->checksum[7] = ' ';
}

static char type_of(const struct tarwriter_entry *entry)
{
	if (entry->hard)
		return '1';
	switch (entry->mode & S_IFMT) {
	case S_IFREG:
		return '0';
	case S_IFLNK:
		return '2';
	case S_IFCHR:
		return '3';
	case S_IFBLK:
		return '4';
	case S_IFDIR:
		return '5';
	case S_IFIFO:
		return '6';
	default:
		return 0;
	}
}

/* In the order of their keys: gid, linkpath, mtime, path, SCHILY.xattr.*, size, uid (capitals are before all small letters). */
static void fill(struct tarwriter *writer, const struct tarwriter_entry *entry, uint64_t size, struct header *header)
{
	struct str *records = &writer->records;
	const char *link = entry->hard ? entry->hard : entry->link ? entry->link : "";
	size_t link_size = strlen(link);

	str_reset(records);
	for (size_t i = 0; i < entry->n_xattrs; i++)
		add_record(records, "SCHILY.xattr.", entry->xattrs[i].name, entry->xattrs[i].value, entry->xattrs[i].size);
	if (!fits(entry->gid, SMALL_MAX))
		add_number_record(records, "gid", entry->gid);
	if (link_size > NAME_ROOM)
		add_record(records, "", "linkpath", link, link_size);
	if (entry->mtime.tv_nsec || entry->mtime.tv_sec < 0 || !fits((uint64_t) entry->mtime.tv_sec, LARGE_MAX))
		add_time_record(records, &entry->mtime);
	if (!put_name(header, writer->name.data, writer->name.size))
		add_record(records, "", "path", writer->name.data, writer->name.size);
	if (!fits(size, LARGE_MAX))
		add_number_record(records, "size", size);
	if (!fits(entry->uid, SMALL_MAX))
		add_number_record(records, "uid", entry->uid);
	memcpy(header->link, link, link_size < NAME_ROOM ? link_size : NAME_ROOM);
	put_octal(header->mode, sizeof(header->mode), entry->mode & 07777);
	put_octal(header->uid, sizeof(header->uid), fits(entry->uid, SMALL_MAX) ? entry->uid : 0);
	put_octal(header->gid, sizeof(header->gid), fits(entry->gid, SMALL_MAX) ? entry->gid : 0);
	put_octal(header->size, sizeof(header->size), fits(size, LARGE_MAX) ? size : 0);
	put_octal(header->mtime, sizeof(header->mtime),
		  entry->mtime.tv_sec >= 0 && fits((uint64_t) entry->mtime.tv_sec, LARGE_MAX) ? (uint64_t) entry->mtime.tv_sec : 0);
	put_octal(header->major, sizeof(header->major), major(entry->device) & SMALL_MAX);
	put_octal(header->minor, sizeof(header->minor), minor(entry->device) & SMALL_MAX);
}

static int put_records(struct tarwriter *writer, scow_error **error)
{
	struct header header = { .name = "pax", .type = 'x' };
	size_t size = writer->records.size;
	int r;

	put_octal(header.mode, sizeof(header.mode), 0644);
	put_octal(header.uid, sizeof(header.uid), 0);
	put_octal(header.gid, sizeof(header.gid), 0);
	put_octal(header.size, sizeof(header.size), size);
	put_octal(header.mtime, sizeof(header.mtime), 0);
	put_octal(header.major, sizeof(header.major), 0);
	put_octal(header.minor, sizeof(header.minor), 0);
	seal(&header);
	r = put(writer, &header, sizeof(header), error);
	if (r == 0)
		r = put(writer, writer->records.data, size, error);
	return r < 0 ? r : put_padding(writer, size, error);
}

int tarwriter_entry(struct tarwriter *writer, const struct tarwriter_entry *entry, scow_error **error)
{
	uint64_t size = S_ISREG(entry->mode) && !entry->hard ? entry->size : 0;
	struct header header = { .type = type_of(entry) };
	int r;

	if (writer->missing)
		return error_set(error, SCOW_E_STATE, "an entry of the archive is not finished");
	if (!header.type)
		return error_set(error, SCOW_E_UNSUPPORTED, "'%s' is of a kind that no tar archive has", entry->name);
	str_reset(&writer->name);
	str_add(&writer->name, entry->name);
	if (header.type == '5' && (!writer->name.size || writer->name.data[writer->name.size - 1] != '/'))
		str_add_char(&writer->name, '/');
	if (writer->name.failed)
		return error_oom(error);
	fill(writer, entry, size, &header);
	if (writer->records.failed)
		return error_oom(error);
	seal(&header);
	r = writer->records.size ? put_records(writer, error) : 0;
	if (r == 0)
		r = put(writer, &header, sizeof(header), error);
	writer->missing = size;
	writer->padding = (unsigned int) (-size & (BLOCK - 1));
	return r;
}

static int end_entry(struct tarwriter *writer, scow_error **error)
{
	unsigned int padding = writer->missing ? 0 : writer->padding;

	writer->padding -= padding;
	return put(writer, zeros, padding, error);
}

int tarwriter_data(struct tarwriter *writer, const void *data, size_t size, scow_error **error)
{
	int r;

	if (size > writer->missing)
		return error_set(error, SCOW_E_STATE, "more bytes than the archive's entry has");
	writer->missing -= size;
	r = put(writer, data, size, error);
	return r < 0 ? r : end_entry(writer, error);
}

int tarwriter_zeros(struct tarwriter *writer, uint64_t size, scow_error **error)
{
	int r = 0;

	while (r == 0 && size) {
		size_t some = size < sizeof(zeros) ? (size_t) size : sizeof(zeros);

		r = tarwriter_data(writer, zeros, some, error);
		size -= some;
	}
	return r;
}

int tarwriter_fill(struct tarwriter *writer, scow_error **error)
{
	return tarwriter_zeros(writer, writer->missing, error);
}

int tarwriter_finish(struct tarwriter *writer, scow_error **error)
{
	if (writer->missing)
		return error_set(error, SCOW_E_STATE, "an entry of the archive is not finished");
	return put(writer, zeros, 2 * BLOCK, error);
}
