/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why a call failed. Every fallible function takes `scow_error **error` last; NULL is allowed.
 * It is only written on failure, and must point to NULL before. The caller owns what it gets.
 *
 * Threads: an error belongs to one thread at a time; ref and unref are atomic.
 */
#ifndef SCOW_ERROR_H
#define SCOW_ERROR_H

#include <scow/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct scow_error scow_error;

/** scow_error_ref() - take another reference. Returns: @error. Threads: any. Since: 0.1. */
SCOW_API scow_error *scow_error_ref(scow_error *error);

/** scow_error_unref() - give one back; NULL is allowed. Returns: NULL. Threads: any. Since: 0.1. */
SCOW_API scow_error *scow_error_unref(scow_error *error);

/** scow_error_status() - the status the call returned. NULL gives SCOW_OK. Since: 0.1. */
SCOW_API scow_status scow_error_status(const scow_error *error);

/**
 * scow_error_message() - one line for a person
 *
 * Lower case, no full stop, from the outermost step to the cause:
 * "pull 'ubuntu': resolve 'registry-1.docker.io': name not known".
 *
 * Returns: a borrowed string, valid as long as @error; "no error" for NULL.
 * Threads: as the header says.  Since: 0.1.
 */
SCOW_API const char *scow_error_message(const scow_error *error);

/** scow_error_hint() - what to do about it. Returns: borrowed, or NULL where nothing is known. Since: 0.1. */
SCOW_API const char *scow_error_hint(const scow_error *error);

/** scow_error_step() - the innermost step that failed, as "mount overlay". Returns: borrowed or NULL. Since: 0.1. */
SCOW_API const char *scow_error_step(const scow_error *error);

/** scow_error_syscall() - the system call that failed, as "openat2". Returns: borrowed or NULL. Since: 0.1. */
SCOW_API const char *scow_error_syscall(const scow_error *error);

/** scow_error_errno() - its errno, or 0 where no system call failed. Since: 0.1. */
SCOW_API int scow_error_errno(const scow_error *error);

/** scow_error_object() - what was worked on: a path, a name, a digest. Returns: borrowed or NULL. Since: 0.1. */
SCOW_API const char *scow_error_object(const scow_error *error);

/**
 * scow_error_set_message() - for callbacks: say why they failed
 * @error:   what the callback was given; NULL is allowed
 * @status:  negative
 * @message: one line; copied
 *
 * Returns: @status, to be returned by the callback; SCOW_E_FAILED where it is not negative.  Since: 0.1.
 */
SCOW_API int scow_error_set_message(scow_error **error, scow_status status, const char *message);

#ifdef __cplusplus
}
#endif
#endif
