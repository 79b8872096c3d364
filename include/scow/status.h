/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a call returns. A status is the caller's decision (look elsewhere, try again, give up),
 * not the cause: the cause is in the scow_error.
 */
#ifndef SCOW_STATUS_H
#define SCOW_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#define SCOW_API __attribute__((visibility("default")))

typedef enum scow_status {
	SCOW_OK = 0,
	SCOW_E_FAILED = -1,            /* anything that fits nothing below */
	SCOW_E_NOT_FOUND = -2,         /* no such image, container, file */
	SCOW_E_EXISTS = -3,            /* the name is taken */
	SCOW_E_BUSY = -4,              /* in use: by a container, by another process */
	SCOW_E_INVALID = -5,           /* an argument or a document is malformed */
	SCOW_E_UNSUPPORTED = -6,       /* this host, kernel or build cannot do it */
	SCOW_E_DENIED = -7,            /* not permitted */
	SCOW_E_NO_MEMORY = -8,
	SCOW_E_NO_SPACE = -9,          /* the disk or a quota is full */
	SCOW_E_TIMEOUT = -10,
	SCOW_E_CANCELED = -11,         /* by a scow_cancel or a callback */
	SCOW_E_NETWORK = -12,          /* a peer could not be reached or broke off */
	SCOW_E_AUTH = -13,             /* a registry wants other credentials */
	SCOW_E_CORRUPT = -14,          /* bytes that do not match their digest or format */
	SCOW_E_STATE = -15,            /* not in this state of the object */
	SCOW_E_NOT_EXECUTABLE = -16,   /* the command exists and cannot be run: exit code 126 */
	SCOW_E_COMMAND_NOT_FOUND = -17,/* the command does not exist: exit code 127 */
	SCOW_E_LIMIT = -18             /* a limit of this host or of ours was reached */
} scow_status;

/**
 * scow_status_name() - the constant's name, for logs
 * @status: any value, also one from a newer library
 *
 * Returns: a static string such as "SCOW_E_NOT_FOUND", never NULL.
 * Threads: any.  Since: 0.1.
 */
SCOW_API const char *scow_status_name(int status);

#ifdef __cplusplus
}
#endif
#endif
