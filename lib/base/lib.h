/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Libraries that only some calls need (libcurl, libarchive, libcrypto, libseccomp, ...) are loaded on
 * first use: together they load 40 others, which costs ten times what starting a container costs.
 * A room declares its functions in a table and calls through it. Thread-safe; never unloaded.
 */
#pragma once

#include <stddef.h>

#include "base/error.h"

struct lib_symbol {
	const char *name;
	void *address; /* of the function pointer to fill */
};

struct lib {
	const char *const soname; /* "libcurl.so.4" */
	const char *const purpose; /* for the error: "registries" */
	const struct lib_symbol *symbols;
	size_t n_symbols;
	int state; /* 0 until loaded; owned by lib_load */
};

/* 0, or SCOW_E_UNSUPPORTED that names the library and its purpose. */
int lib_load(struct lib *lib, scow_error **error) _must_check_;
