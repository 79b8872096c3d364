/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* References as Docker reads them. See: github.com/distribution/reference (grammar). */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"

struct reference {
	char *domain;     /* "docker.io", "localhost:5000" */
	char *path;       /* "library/ubuntu" */
	char *tag;        /* or NULL */
	char *digest;     /* "sha256:...", or NULL */
};

/* Normalised, with docker.io and library/ filled in, but no default tag. SCOW_E_INVALID names the reference and the reason. */
int reference_parse(const char *text, struct reference *out, scow_error **error) _must_check_;
/* Sets ":latest" where there is neither tag nor digest. */
int reference_default_tag(struct reference *reference, scow_error **error) _must_check_;
void reference_done(struct reference *reference);
#define _cleanup_reference_ __attribute__((cleanup(reference_done)))
/* malloc'ed; NULL without memory. */
char *reference_full(const struct reference *r);      /* docker.io/library/ubuntu:latest[@sha256:...] */
char *reference_tagged(const struct reference *r);    /* ... without the digest */
char *reference_by_digest(const struct reference *r, const char *digest); /* docker.io/library/ubuntu@sha256:... */
char *reference_short(const struct reference *r);     /* ubuntu:latest */
