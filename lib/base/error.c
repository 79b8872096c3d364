/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errors as objects. A failure is made where it happens, with status, system call and errno; each
 * caller on the way out puts its step in front of the message and never loses what is there.
 *
 * Invariants:
 * 1. Nothing here fails: where memory runs out the static error stands in, which refs and unrefs ignore.
 * 2. errno is the same after every function as before it.
 */
#include "base/error.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct scow_error {
	atomic_uint refs;
	scow_status status;
	int errnum;
	char syscall[24]; /* a copy: scow-init's reports are gone when this is read */
	char *message, *hint, *step, *object;
};

static struct scow_error out_of_memory = {
	.status = SCOW_E_NO_MEMORY,
	.errnum = ENOMEM,
	.message = (char *) "out of memory",
};

static const struct {
	int errnum;
	scow_status status;
} errno_table[] = {
	{ ENOENT, SCOW_E_NOT_FOUND },	    { EEXIST, SCOW_E_EXISTS },		{ EBUSY, SCOW_E_BUSY },
	{ ETXTBSY, SCOW_E_BUSY },	    { EINVAL, SCOW_E_INVALID },		{ ENAMETOOLONG, SCOW_E_INVALID },
	{ ENOTDIR, SCOW_E_INVALID },	    { EISDIR, SCOW_E_INVALID },		{ ELOOP, SCOW_E_INVALID },
	{ EXDEV, SCOW_E_INVALID },	    { ERANGE, SCOW_E_INVALID },		{ ENOSYS, SCOW_E_UNSUPPORTED },
	{ EOPNOTSUPP, SCOW_E_UNSUPPORTED }, { ENODEV, SCOW_E_UNSUPPORTED },	{ EAFNOSUPPORT, SCOW_E_UNSUPPORTED },
	{ EPERM, SCOW_E_DENIED },	    { EACCES, SCOW_E_DENIED },		{ EROFS, SCOW_E_DENIED },
	{ ENOMEM, SCOW_E_NO_MEMORY },	    { ENOSPC, SCOW_E_NO_SPACE },	{ EDQUOT, SCOW_E_NO_SPACE },
	{ ETIMEDOUT, SCOW_E_TIMEOUT },	    { ECANCELED, SCOW_E_CANCELED },	{ ECONNREFUSED, SCOW_E_NETWORK },
	{ ECONNRESET, SCOW_E_NETWORK },	    { EHOSTUNREACH, SCOW_E_NETWORK },	{ ENETUNREACH, SCOW_E_NETWORK },
	{ EPIPE, SCOW_E_NETWORK },	    { EMFILE, SCOW_E_LIMIT },		{ ENFILE, SCOW_E_LIMIT },
	{ EAGAIN, SCOW_E_LIMIT },	    { EUSERS, SCOW_E_LIMIT },		{ EFBIG, SCOW_E_LIMIT },
	{ ENOEXEC, SCOW_E_NOT_EXECUTABLE },
};

scow_status error_status_of(int errnum)
{
	for (size_t i = 0; i < ARRAY_SIZE(errno_table); i++)
		if (errno_table[i].errnum == errnum)
			return errno_table[i].status;
	return SCOW_E_FAILED;
}

const char *error_strerror(int errnum, char *buf, unsigned int size)
{
	/* Not strerror(): it is not thread-safe, and its text follows the host's locale. */
	const char *text = strerrordesc_np(errnum);

	if (text)
		return text;
	snprintf(buf, size, "error %d", errnum);
	return buf;
}

static int publish(scow_error **error, scow_status status, int errnum, const char *syscall, char *message)
{
	struct scow_error *made;

	if (!error) {
		free(message);
		return status;
	}
	if (*error) /* a caller's mistake: the older failure is the one that explains */
		error_clear(error);
	made = message ? calloc(1, sizeof(*made)) : NULL;
	if (!made) {
		free(message);
		*error = &out_of_memory;
		return SCOW_E_NO_MEMORY;
	}
	atomic_init(&made->refs, 1);
	made->status = status;
	made->errnum = errnum;
	if (syscall)
		snprintf(made->syscall, sizeof(made->syscall), "%s", syscall);
	made->message = message;
	*error = made;
	return status;
}

/* Names come from strangers: what would move a terminal's cursor is shown as "\x1b"; takes @text. */
static char *escaped(char *text)
{
	static const char digits[] = "0123456789abcdef";
	size_t controls = 0, size;
	char *copy, *to;

	for (const char *c = text; c && *c; c++)
		controls += (unsigned char) *c < 0x20 || *c == 0x7f;
	if (!controls)
		return text;
	size = strlen(text);
	to = copy = malloc(size + 3 * controls + 1);
	for (const char *c = text; copy && *c; c++) {
		if ((unsigned char) *c < 0x20 || *c == 0x7f) {
			memcpy(to, "\\x", 2);
			to[2] = digits[(unsigned char) *c >> 4];
			to[3] = digits[*c & 15];
			to += 4;
		} else {
			*to++ = *c;
		}
	}
	if (copy)
		*to = 0;
	free(text);
	return copy;
}

_printf_(2, 0) static char *format_message(int errnum, const char *format, va_list args)
{
	char buf[64], *text = NULL, *whole = NULL;

	if (vasprintf(&text, format, args) < 0)
		return NULL;
	text = escaped(text);
	if (!errnum || !text)
		return text;
	if (asprintf(&whole, "%s: %s", text, error_strerror(errnum, buf, sizeof(buf))) < 0)
		whole = NULL;
	free(text);
	return whole;
}

int scow_error_set_message(scow_error **error, scow_status status, const char *message)
{
	return error_set(error, status < 0 ? status : SCOW_E_FAILED, "%s", message ? message : "");
}

int error_set(scow_error **error, scow_status status, const char *format, ...)
{
	int saved = errno, r;
	va_list args;

	va_start(args, format);
	r = publish(error, status, 0, NULL, error ? format_message(0, format, args) : NULL);
	va_end(args);
	errno = saved;
	return r;
}

int error_errno(scow_error **error, int errnum, const char *syscall, const char *format, ...)
{
	int saved = errno, r;
	va_list args;

	va_start(args, format);
	r = publish(error, error_status_of(errnum), errnum, syscall, error ? format_message(errnum, format, args) : NULL);
	va_end(args);
	errno = saved;
	return r;
}

int error_errno_status(scow_error **error, scow_status status, int errnum, const char *syscall, const char *format, ...)
{
	int saved = errno, r;
	va_list args;

	va_start(args, format);
	r = publish(error, status, errnum, syscall, error ? format_message(errnum, format, args) : NULL);
	va_end(args);
	errno = saved;
	return r;
}

int error_oom(scow_error **error)
{
	if (error) {
		error_clear(error);
		*error = &out_of_memory;
	}
	return SCOW_E_NO_MEMORY;
}

static bool can_change(scow_error **error)
{
	return error && *error && *error != &out_of_memory;
}

int error_wrap(scow_error **error, int r, const char *format, ...)
{
	int saved = errno;
	char *step = NULL, *whole = NULL;
	va_list args;

	if (!can_change(error))
		return r;
	va_start(args, format);
	if (vasprintf(&step, format, args) < 0)
		step = NULL;
	va_end(args);
	if (step)
		step = escaped(step);
	if (step && asprintf(&whole, "%s: %s", step, (*error)->message) >= 0) {
		free((*error)->message);
		(*error)->message = whole;
	}
	free(step);
	errno = saved;
	return r;
}

int error_hint(scow_error **error, int r, const char *format, ...)
{
	int saved = errno;
	va_list args;

	if (!can_change(error) || (*error)->hint)
		return r;
	va_start(args, format);
	if (vasprintf(&(*error)->hint, format, args) < 0)
		(*error)->hint = NULL;
	va_end(args);
	errno = saved;
	return r;
}

int error_at(scow_error **error, int r, const char *step, const char *object)
{
	int saved = errno;

	if (!can_change(error))
		return r;
	if (step && !(*error)->step)
		(*error)->step = strdup(step);
	if (object && !(*error)->object)
		(*error)->object = strdup(object);
	errno = saved;
	return r;
}

void error_keep_va(scow_error **kept, scow_status status, const char *setter, const char *format, va_list args)
{
	int saved = errno;

	if (*kept)
		return;
	publish(kept, status, 0, NULL, format_message(0, format, args));
	error_wrap(kept, 0, "%s", setter);
	errno = saved;
}

void error_keep(scow_error **kept, scow_status status, const char *setter, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	error_keep_va(kept, status, setter, format, args);
	va_end(args);
}

int error_kept(scow_error *kept, scow_error **error)
{
	if (kept && error)
		*error = scow_error_ref(kept);
	return scow_error_status(kept);
}

void error_clear(scow_error **error)
{
	if (error && *error)
		*error = scow_error_unref(*error);
}

scow_error *scow_error_ref(scow_error *error)
{
	if (error && error != &out_of_memory)
		atomic_fetch_add_explicit(&error->refs, 1, memory_order_relaxed);
	return error;
}

scow_error *scow_error_unref(scow_error *error)
{
	int saved = errno;

	if (!error || error == &out_of_memory || atomic_fetch_sub_explicit(&error->refs, 1, memory_order_acq_rel) != 1)
		return NULL;
	free(error->message);
	free(error->hint);
	free(error->step);
	free(error->object);
	free(error);
	errno = saved;
	return NULL;
}

scow_status scow_error_status(const scow_error *error)
{
	return error ? error->status : SCOW_OK;
}

const char *scow_error_message(const scow_error *error)
{
	return error ? error->message : "no error";
}

const char *scow_error_hint(const scow_error *error)
{
	return error ? error->hint : NULL;
}

const char *scow_error_step(const scow_error *error)
{
	return error ? error->step : NULL;
}

const char *scow_error_syscall(const scow_error *error)
{
	return error && *error->syscall ? error->syscall : NULL;
}

int scow_error_errno(const scow_error *error)
{
	return error ? error->errnum : 0;
}

const char *scow_error_object(const scow_error *error)
{
	return error ? error->object : NULL;
}

const char *scow_status_name(int status)
{
	static const char *const names[] = {
		"SCOW_OK",	      "SCOW_E_FAILED",	   "SCOW_E_NOT_FOUND",	     "SCOW_E_EXISTS",	      "SCOW_E_BUSY",
		"SCOW_E_INVALID",     "SCOW_E_UNSUPPORTED", "SCOW_E_DENIED",	     "SCOW_E_NO_MEMORY",      "SCOW_E_NO_SPACE",
		"SCOW_E_TIMEOUT",     "SCOW_E_CANCELED",   "SCOW_E_NETWORK",	     "SCOW_E_AUTH",	      "SCOW_E_CORRUPT",
		"SCOW_E_STATE",	      "SCOW_E_NOT_EXECUTABLE", "SCOW_E_COMMAND_NOT_FOUND", "SCOW_E_LIMIT",
	};

	if (status > 0)
		return "SCOW_OK";
	if (status <= -(int) ARRAY_SIZE(names))
		return "SCOW_E_UNKNOWN";
	return names[-status];
}
