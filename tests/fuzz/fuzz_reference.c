/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* References: what parses has a full and a short form, and both lead back to the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_form(const struct reference *expected, char *form)
{
	_cleanup_free_ char *text = form, *again = NULL, *full = reference_full(expected);
	_cleanup_reference_ struct reference parsed = { 0 };

	if (!text || !full)
		return;
	if (reference_parse(text, &parsed, NULL) < 0)
		abort();
	again = reference_full(&parsed);
	if (again && strcmp(again, full) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *) data, size);
	_cleanup_reference_ struct reference parsed = { 0 };

	if (!text || reference_parse(text, &parsed, NULL) < 0)
		return 0;
	/* A bare name of 64 hex digits is the one that has no form without a tag. */
	if (reference_default_tag(&parsed, NULL) < 0)
		return 0;
	check_form(&parsed, reference_full(&parsed));
	check_form(&parsed, reference_short(&parsed));
	return 0;
}
