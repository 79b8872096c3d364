/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Making errors: one line makes and returns. `return error_errno(error, errno, "open", "open layer '%s'", path);`
 *
 * Sign rule inside the library: < 0 is a scow_status and fatal, pass it on unchanged; 0 is done;
 * > 0 is a documented outcome that the caller must handle. An expected case never makes an error.
 * All functions take error == NULL, and return the (negative) status.
 */
#pragma once

#include <stdarg.h>

#include <scow/error.h>

#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _must_check_ __attribute__((warn_unused_result))

/* A failure that no system call explains. */
int error_set(scow_error **error, scow_status status, const char *format, ...) _printf_(3, 4);
/* A failed system call: status from the errno table; the message gets ": strerror" appended. @syscall may be NULL. */
int error_errno(scow_error **error, int errnum, const char *syscall, const char *format, ...) _printf_(4, 5);
/* As error_errno, with the status chosen by the caller. */
int error_errno_status(scow_error **error, scow_status status, int errnum, const char *syscall, const char *format, ...) _printf_(5, 6);
/* The static out-of-memory error. */
int error_oom(scow_error **error);
/* Puts "step: " in front of the message of an error that exists; returns @r. */
int error_wrap(scow_error **error, int r, const char *format, ...) _printf_(3, 4);
/* Adds what to do about it; the first hint stays. Returns @r. */
int error_hint(scow_error **error, int r, const char *format, ...) _printf_(3, 4);
/* Names the object and/or the step (NULL: leave as is); returns @r. Set once: the innermost stays. */
int error_at(scow_error **error, int r, const char *step, const char *object);
/*
 * For a config, whose setters return nothing: the first bad value is kept as "SETTER: reason" until the call that uses the config.
 * Later ones change nothing.
 */
void error_keep(scow_error **kept, scow_status status, const char *setter, const char *format, ...) _printf_(4, 5);
void error_keep_va(scow_error **kept, scow_status status, const char *setter, const char *format, va_list args) _printf_(4, 0);
/* Hands out another reference to what was kept, and returns its status; 0 for NULL. */
int error_kept(scow_error *kept, scow_error **error);
/* Drops an error that is not to be reported after all. */
void error_clear(scow_error **error);
/* The table that maps errno to a status. */
scow_status error_status_of(int errnum);
/* Thread-safe strerror; @buf at least 64 bytes. Never changes errno. */
const char *error_strerror(int errnum, char *buf, unsigned int size);
