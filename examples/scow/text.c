/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text and numbers: what outlives the call that made it, what people write for sizes, and what may go to a terminal. */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* All that was kept, so that leak checkers see it held. */
struct kept {
	struct kept *next;
	max_align_t data[];
};
static struct kept *kept;

void *keep_alloc(size_t size)
{
	struct kept *block = calloc(1, sizeof *block + size);

	if (!block) {
		(void) !write(STDERR_FILENO, "scow: out of memory\n", 20);
		_exit(EXIT_ENGINE);
	}
	block->next = kept;
	kept = block;
	return block->data;
}

void *keep_mark(void)
{
	return kept;
}

void keep_release(void *mark)
{
	while (kept != mark) {
		struct kept *next = kept->next;

		free(kept);
		kept = next;
	}
}

char *keep_text(const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(keep_alloc(size), text, size);
}

char *keep_format(const char *format, ...)
{
	va_list args, again;
	char *text;
	int n;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	text = keep_alloc((size_t) n + 1);
	vsnprintf(text, (size_t) n + 1, format, again);
	va_end(again);
	return text;
}

char *keep_split(const char *text, char separator, const char **rest)
{
	const char *at = strchr(text, separator);

	*rest = at ? at + 1 : NULL;
	return at ? keep_format("%.*s", (int) (at - text), text) : keep_text(text);
}

void list_add(struct list *list, const char *item)
{
	/* Room for a power of two and the NULL: grown when the count reaches one. */
	if ((list->count & (list->count - 1)) == 0) {
		size_t room = list->count ? list->count * 2 : 1;
		const char **items = keep_alloc((room + 1) * sizeof *items);

		if (list->count)
			memcpy(items, list->items, list->count * sizeof *items);
		list->items = items;
	}
	list->items[list->count++] = item;
	list->items[list->count] = NULL;
}

bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool parse_number(const char *text, int64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoll(text, &end, 10);
	return end != text && !*end && !errno && !isspace((unsigned char) *text);
}

bool parse_bytes(const char *text, int64_t *bytes)
{
	static const char units[] = "kmgtp";
	const char *p = text, *unit;
	long double value;
	char *end;

	if (strcmp(text, "-1") == 0) {
		*bytes = -1;
		return true;
	}
	if (!isdigit((unsigned char) *p) || strspn(p, "0123456789.") != strcspn(p, " kKmMgGtTpPiIbB"))
		return false;
	value = strtold(p, &end);
	p = end + (*end == ' ');
	unit = *p ? strchr(units, tolower((unsigned char) *p)) : NULL;
	if (unit) {
		for (const char *u = units; u <= unit; u++)
			value *= 1024;
		p++;
	}
	if (*p == 'i' || *p == 'I')
		p++;
	if (*p == 'b' || *p == 'B')
		p++;
	if (*p || value >= 9223372036854775807.0L)
		return false;
	*bytes = (int64_t) value;
	return true;
}

bool parse_decimal(const char *text, unsigned int scale, uint64_t *value)
{
	const char *p = text;

	if (!isdigit((unsigned char) *p) && !(*p == '.' && isdigit((unsigned char) p[1])))
		return false;
	for (*value = 0; isdigit((unsigned char) *p); p++)
		if ((*value = *value * 10 + (uint64_t) (*p - '0')) > INT_MAX)
			return false;
	*value *= scale;
	if (*p == '.')
		for (p++; isdigit((unsigned char) *p); p++) {
			scale /= 10;
			if (!scale && *p != '0')
				return false;
			*value += (uint64_t) (*p - '0') * scale;
		}
	return !*p;
}

char *read_whole(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t room = 16384, n = 0;
	char *text = keep_alloc(room);
	ssize_t got;
	int saved;

	if (fd < 0)
		return NULL;
	while ((got = read(fd, text + n, room - 1 - n)) > 0) {
		n += (size_t) got;
		if (n == room - 1) {
			char *larger = keep_alloc(room * 2);

			memcpy(larger, text, n);
			text = larger;
			room *= 2;
		}
	}
	saved = errno;
	close(fd);
	errno = saved;
	if (got < 0)
		return NULL;
	text[n] = 0;
	if (size)
		*size = n;
	return text;
}

/* How many bytes at @p a terminal might obey: C0, DEL, C1, and the marks that turn the writing direction. */
static size_t obeyed(const unsigned char *p, bool lines)
{
	if (*p < 0x20)
		return lines && (*p == '\n' || *p == '\t') ? 0 : 1;
	if (*p == 0x7f)
		return 1;
	if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
		return 2;
	if (*p == 0xe2 && ((p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) || (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9)))
		return 3;
	return 0;
}

const char *printable(const char *text, FILE *stream, bool lines)
{
	const unsigned char *p = (const unsigned char *) text;
	char *out, *o;

	if (!isatty(fileno(stream)))
		return text;
	while (*p && !obeyed(p, lines))
		p++;
	if (!*p)
		return text;
	o = out = keep_alloc(strlen(text) * 4 + 1);
	for (p = (const unsigned char *) text; *p;) {
		size_t n = obeyed(p, lines);

		if (!n)
			*o++ = (char) *p++;
		for (; n; n--)
			o += sprintf(o, "\\x%02x", *p++);
	}
	return out;
}
