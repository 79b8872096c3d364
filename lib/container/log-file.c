/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entries of a log, and files of them read forward and backward.
 *
 * A crash may leave half a line, or, after a power cut, anything: what does not parse is skipped, to the next newline. Members may
 * stand in any order and others beside them, as Docker's "attrs".
 */
#include "container/log-file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <scow/log.h>

#include "base/cleanup.h"

#define BLOCK (64u << 10)
#define DEPTH_MAX 16

/* ---- one entry ---- */

struct reader {
	char *at, *end;
};

static void skip_space(struct reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r'))
		r->at++;
}

static bool take(struct reader *r, char c)
{
	skip_space(r);
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

static int hex(const char *at, const char *end)
{
	int value = 0;

	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int c = (unsigned char) at[i], digit = c >= '0' && c <= '9'   ? c - '0'
						       : c >= 'a' && c <= 'f' ? c - 'a' + 10
						       : c >= 'A' && c <= 'F' ? c - 'A' + 10
									      : -1;

		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

static char *put_utf8(char *out, unsigned int code)
{
	if (code < 0x80) {
		*out++ = (char) code;
		return out;
	}
	if (code < 0x800) {
		*out++ = (char) (0xc0 | code >> 6);
	} else {
		if (code < 0x10000) {
			*out++ = (char) (0xe0 | code >> 12);
		} else {
			*out++ = (char) (0xf0 | code >> 18);
			*out++ = (char) (0x80 | (code >> 12 & 0x3f));
		}
		*out++ = (char) (0x80 | (code >> 6 & 0x3f));
	}
	*out++ = (char) (0x80 | (code & 0x3f));
	return out;
}

/* After "\u". NULL: malformed. Half a surrogate pair becomes U+FFFD. */
static char *take_unicode(struct reader *r, char *out)
{
	int high = hex(r->at, r->end), low;

	if (high < 0)
		return NULL;
	r->at += 4;
	if ((high & 0xf800) != 0xd800)
		return put_utf8(out, (unsigned int) high);
	if ((high & 0xfc00) == 0xd800 && r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u') {
		low = hex(r->at + 2, r->end);
		if (low >= 0 && (low & 0xfc00) == 0xdc00) {
			r->at += 6;
			return put_utf8(out, 0x10000u + (((unsigned int) high & 0x3ff) << 10) + ((unsigned int) low & 0x3ff));
		}
	}
	return put_utf8(out, 0xfffd);
}

/* A string, decoded in place: it never grows. */
static bool take_string(struct reader *r, char **data, size_t *size)
{
	static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	char *out;

	if (!take(r, '"'))
		return false;
	out = *data = r->at;
	while (r->at < r->end && *r->at != '"') {
		const char *known;

		if (*r->at != '\\') {
			*out++ = *r->at++;
			continue;
		}
		if (++r->at == r->end)
			return false;
		if (*r->at == 'u') {
			r->at++;
			out = take_unicode(r, out);
			if (!out)
				return false;
			continue;
		}
		known = memchr(plain, *r->at, sizeof(plain) - 1);
		if (!known)
			return false;
		*out++ = meant[known - plain];
		r->at++;
	}
	*size = (size_t) (out - *data);
	return take(r, '"');
}

static bool skip_string(struct reader *r)
{
	if (!take(r, '"'))
		return false;
	while (r->at < r->end && *r->at != '"')
		r->at += *r->at == '\\' && r->at + 1 < r->end ? 2 : 1;
	return take(r, '"');
}

/* Any value: only where it ends matters, and it stays as it is. */
static bool skip_value(struct reader *r)
{
	int depth = 0;

	do {
		skip_space(r);
		if (r->at == r->end)
			return false;
		if (*r->at == '"') {
			if (!skip_string(r))
				return false;
		} else if (*r->at == '{' || *r->at == '[') {
			if (++depth > DEPTH_MAX)
				return false;
			r->at++;
		} else if (*r->at == '}' || *r->at == ']') {
			if (--depth < 0)
				return false;
			r->at++;
		} else if (depth && (*r->at == ',' || *r->at == ':')) {
			r->at++;
		} else {
			char *word = r->at;

			while (r->at < r->end && !memchr(",:]} \t\r\"{[", *r->at, 10))
				r->at++;
			if (r->at == word)
				return false;
		}
	} while (depth);
	return true;
}

static bool is(const char *text, size_t size, const char *word)
{
	return size == strlen(word) && memcmp(text, word, size) == 0;
}

enum { SEEN_LOG = 1, SEEN_STREAM = 2, SEEN_TIME = 4, SEEN_ALL = 7 };

/* Where the attributes stand in the line. */
struct place {
	char *begin, *end;
};

static bool take_member(struct reader *r, struct log_entry *out, struct place *attributes, int *seen)
{
	char *name, *text;
	size_t name_size, size;

	if (!take_string(r, &name, &name_size) || !take(r, ':'))
		return false;
	if (is(name, name_size, "log")) {
		if (!take_string(r, &text, &size))
			return false;
		out->data = text;
		out->size = size;
		*seen |= SEEN_LOG;
	} else if (is(name, name_size, "stream")) {
		if (!take_string(r, &text, &size))
			return false;
		if (!is(text, size, "stdout") && !is(text, size, "stderr"))
			return false;
		out->stream = is(text, size, "stdout") ? SCOW_STDOUT : SCOW_STDERR;
		*seen |= SEEN_STREAM;
	} else if (is(name, name_size, "time")) {
		if (!take_string(r, &text, &size) || !log_parse_time(text, size, &out->time_ns))
			return false;
		*seen |= SEEN_TIME;
	} else if (is(name, name_size, "attrs")) {
		skip_space(r);
		attributes->begin = r->at;
		if (!skip_value(r))
			return false;
		attributes->end = r->at;
	} else {
		return skip_value(r);
	}
	return true;
}

bool log_parse(char *line, size_t size, struct log_entry *out)
{
	struct reader r = { line, line + size };
	struct place attributes = { NULL, NULL };
	int seen = 0;

	if (!take(&r, '{'))
		return false;
	do {
		if (!take_member(&r, out, &attributes, &seen))
			return false;
	} while (take(&r, ','));
	if (!take(&r, '}'))
		return false;
	skip_space(&r);
	if (r.at != r.end || seen != SEEN_ALL)
		return false;
	/* What stood behind them was read: a comma, a brace, or a blank. */
	if (attributes.end)
		*attributes.end = 0;
	out->attributes = attributes.begin;
	return true;
}

/* ---- times ---- */

/* @count digits at @at, a number up to @max. -1: no. */
static int digits(const char *at, int count, int max)
{
	int value = 0;

	for (int i = 0; i < count; i++) {
		if (at[i] < '0' || at[i] > '9')
			return -1;
		value = value * 10 + at[i] - '0';
	}
	return value <= max ? value : -1;
}

/* Days since 1970 of a day of the Gregorian calendar: years begin in March here, so that leap days come last. */
static int64_t days_of(int year, int month, int day)
{
	int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400, of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* "Z", "+01:00", or nothing, which is UTC too. Seconds east of Greenwich. */
static bool parse_zone(const char *at, size_t size, int *offset)
{
	int hours, minutes;

	*offset = 0;
	if (size == 0 || (size == 1 && (*at == 'Z' || *at == 'z')))
		return true;
	if (size != 6 || (*at != '+' && *at != '-') || at[3] != ':')
		return false;
	hours = digits(at + 1, 2, 23);
	minutes = digits(at + 4, 2, 59);
	if (hours < 0 || minutes < 0)
		return false;
	*offset = (hours * 60 + minutes) * (*at == '-' ? -60 : 60);
	return true;
}

bool log_parse_time(const char *text, size_t size, int64_t *ns)
{
	int year, month, day, hour, minute, second, offset;
	int64_t fraction = 0, scale = 100000000;
	size_t at = 19;

	if (size < at || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') || text[13] != ':' || text[16] != ':')
		return false;
	year = digits(text, 4, 2261);
	month = digits(text + 5, 2, 12);
	day = digits(text + 8, 2, 31);
	hour = digits(text + 11, 2, 23);
	minute = digits(text + 14, 2, 59);
	second = digits(text + 17, 2, 60);
	if (year < 1678 || month < 1 || day < 1 || hour < 0 || minute < 0 || second < 0)
		return false;
	if (at < size && text[at] == '.')
		for (at++; at < size && text[at] >= '0' && text[at] <= '9'; at++, scale /= 10)
			fraction += (text[at] - '0') * scale;
	if (!parse_zone(text + at, size - at, &offset))
		return false;
	*ns = (((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60 + second - offset) * 1000000000 + fraction;
	return true;
}

bool log_wanted(const struct log_wish *wish, const struct log_entry *entry)
{
	if (wish->flags & (entry->stream == SCOW_STDOUT ? SCOW_LOG_NO_STDOUT : SCOW_LOG_NO_STDERR))
		return false;
	return entry->time_ns >= wish->since && (!wish->until || entry->time_ns < wish->until);
}

/* ---- backward ---- */

/* Bytes of the file from @at. Short only at its end: then it was cut meanwhile. */
static int read_block(int fd, off_t at, char *data, size_t size, size_t *got, scow_error **error)
{
	*got = 0;
	while (*got < size) {
		ssize_t n = pread(fd, data + *got, size - *got, at + (off_t) *got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(error, errno, "pread", "read a log");
		if (n == 0)
			break;
		*got += (size_t) n;
	}
	return 0;
}

/* Lines of @data from its last one on, until @count is 0. Where the first of those seen begins; -1: no line begins here. */
static ssize_t count_lines(char *data, size_t size, bool from_begin, const struct log_wish *wish, int64_t *count)
{
	ssize_t first = -1;

	while (*count > 0 && size > 0) {
		char *newline = size > 1 ? memrchr(data, '\n', size - 1) : NULL;
		size_t line = newline ? (size_t) (newline + 1 - data) : 0, length = size - line;
		struct log_entry entry;

		if (!newline && !from_begin)
			break;
		if (data[size - 1] == '\n')
			length--;
		if (log_parse(data + line, length, &entry) && log_wanted(wish, &entry))
			--*count;
		first = (ssize_t) line;
		size = line;
	}
	return first;
}

int log_find_tail(int fd, off_t size, const struct log_wish *wish, int64_t *count, off_t *start, scow_error **error)
{
	_cleanup_free_ char *data = NULL;
	size_t window = BLOCK, got;
	off_t end = size;

	while (end > 0 && *count > 0) {
		off_t begin = end > (off_t) window ? end - (off_t) window : 0;
		ssize_t first;
		char *grown = realloc(data, window);
		int r;

		if (!grown)
			return error_oom(error);
		data = grown;
		r = read_block(fd, begin, data, (size_t) (end - begin), &got, error);
		if (r < 0)
			return r;
		first = count_lines(data, got, begin == 0, wish, count);
		if (first >= 0)
			end = begin + first;
		else if (window < LOG_LINE_MAX + BLOCK)
			window *= 2;
		else
			end = begin; /* garbage: what is before it may be good */
		if (first >= 0)
			window = BLOCK;
	}
	*start = end;
	return 0;
}

int log_find_end(int fd, off_t size, off_t *start, scow_error **error)
{
	char data[4096], *newline = NULL;
	off_t end = size;
	size_t got;
	int r = 0;

	while (r == 0 && end > 0 && !newline) {
		off_t begin = end > (off_t) sizeof(data) ? end - (off_t) sizeof(data) : 0;

		r = read_block(fd, begin, data, (size_t) (end - begin), &got, error);
		newline = memrchr(data, '\n', got);
		end = newline ? begin + (newline + 1 - data) : begin;
	}
	*start = end;
	return r;
}

/* ---- forward ---- */

void log_lines_done(struct log_lines *lines)
{
	free(lines->data);
	*lines = (struct log_lines){ 0 };
}

ssize_t log_lines_fill(struct log_lines *lines, int fd, off_t *offset, off_t limit, scow_error **error)
{
	size_t want = BLOCK;
	ssize_t n;

	if (*offset >= limit)
		return 0;
	if ((off_t) want > limit - *offset)
		want = (size_t) (limit - *offset);
	if (lines->begin) {
		memmove(lines->data, lines->data + lines->begin, lines->end - lines->begin);
		lines->end -= lines->begin;
		lines->begin = 0;
	}
	if (lines->room - lines->end < want) {
		char *grown = realloc(lines->data, lines->end + want);

		if (!grown)
			return error_oom(error);
		lines->data = grown;
		lines->room = lines->end + want;
	}
	do {
		n = pread(fd, lines->data + lines->end, want, *offset);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_errno(error, errno, "pread", "read a log");
	lines->end += (size_t) n;
	*offset += n;
	return n;
}

char *log_lines_next(struct log_lines *lines, size_t *size)
{
	while (lines->begin < lines->end) {
		char *line = lines->data + lines->begin, *newline = memchr(line, '\n', lines->end - lines->begin);
		bool skip = lines->skipping;

		if (!newline) {
			if (lines->end - lines->begin > LOG_LINE_MAX)
				lines->skipping = true;
			if (lines->skipping)
				lines->begin = lines->end;
			return NULL;
		}
		*size = (size_t) (newline - line);
		lines->begin += *size + 1;
		lines->skipping = false;
		if (!skip)
			return line;
	}
	return NULL;
}

char *log_lines_rest(struct log_lines *lines, size_t *size)
{
	char *line = lines->data + lines->begin;

	*size = lines->end - lines->begin;
	lines->begin = lines->end;
	if (!*size || lines->skipping) {
		lines->skipping = false;
		return NULL;
	}
	return line;
}
