/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The library's own version, and free() for callers whose allocator is another one. */
#include <scow/version.h>

#include <stdlib.h>

const char *scow_version(void)
{
	return SCOW_VERSION;
}

void scow_free(void *memory)
{
	free(memory);
}
