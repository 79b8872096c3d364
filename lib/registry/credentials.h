/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who we are to a registry: from the files that docker login and podman login write. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum credentials_kind {
	CREDENTIALS_NONE,
	CREDENTIALS_PASSWORD, /* user and secret */
	CREDENTIALS_IDENTITY, /* secret is a refresh token */
	CREDENTIALS_BEARER,   /* secret is a token for the registry itself */
	CREDENTIALS_HELPER    /* a program knows them: user is its name. We run no programs */
};

struct credentials {
	enum credentials_kind kind;
	char *user, *secret;
	char *source; /* the file, for messages */
};

/* Looks through the files in their order; the first that knows @domain wins. @path: "library/ubuntu" (auth.json may name it). */
int credentials_find(const char *domain, const char *path, struct credentials *out, scow_error **error) _must_check_;
/* One file's text. CREDENTIALS_NONE where it does not know @domain. SCOW_E_CORRUPT names @source. */
int credentials_parse(const char *text, size_t size, const char *source, const char *domain, const char *path, struct credentials *out,
		      scow_error **error) _must_check_;
/* Copies, taking away what was there. */
int credentials_set(struct credentials *credentials, enum credentials_kind kind, const char *user, size_t user_size, const char *secret,
		    scow_error **error) _must_check_;
void credentials_done(struct credentials *credentials);
#define _cleanup_credentials_ __attribute__((cleanup(credentials_done)))

/* "Basic <base64>", malloc'ed, or NULL without memory. */
char *credentials_basic(const char *user, const char *secret);
