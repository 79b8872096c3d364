/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dlopen with a table. RTLD_LOCAL keeps their symbols out of the host program's name space, and RTLD_NODELETE
 * keeps their code: some (libcurl's TLS) leave atexit handlers behind. See: dlopen(3).
 */
#include "base/lib.h"

#include <dlfcn.h>
#include <pthread.h>

static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;

static int load_symbols(struct lib *lib, scow_error **error)
{
	void *handle = dlopen(lib->soname, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	if (!handle)
		return error_hint(error, error_set(error, SCOW_E_UNSUPPORTED, "%s need the library '%s': %s", lib->purpose, lib->soname, dlerror()),
				  "install the package that has '%s'", lib->soname);
	for (size_t i = 0; i < lib->n_symbols; i++) {
		void *address = dlsym(handle, lib->symbols[i].name);

		if (!address)
			return error_set(error, SCOW_E_UNSUPPORTED, "the library '%s' is too old for us: it lacks '%s'", lib->soname,
					 lib->symbols[i].name);
		*(void **) lib->symbols[i].address = address;
	}
	return 0;
}

int lib_load(struct lib *lib, scow_error **error)
{
	int r = 0;

	if (__atomic_load_n(&lib->state, __ATOMIC_ACQUIRE))
		return 0;
	pthread_mutex_lock(&load_lock);
	if (!lib->state)
		r = load_symbols(lib, error);
	if (r == 0)
		__atomic_store_n(&lib->state, 1, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&load_lock);
	return r;
}
