/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ports as they are written: what parses has one form, which parses to the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "network/port-spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct port_spec *spec)
{
	struct arena arena = { 0 };
	struct port_spec *again = NULL;
	char form[PORT_SPEC_TEXT];
	size_t count = 0;

	if (!spec->port || spec->last < spec->first || (!spec->first && spec->last))
		abort();
	if (port_spec_parse(port_spec_format(spec, form), &arena, &again, &count, NULL) < 0 || count != 1)
		abort();
	if (port_spec_compare(spec, again) != 0)
		abort();
	arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *) data, size);
	struct arena arena = { 0 };
	struct port_spec *specs = NULL, binding;
	struct port_range range;
	size_t count = 0;

	if (!text)
		return 0;
	if (port_spec_parse(text, &arena, &specs, &count, NULL) == 0) {
		/* Of a range as long as all ports, a few will do. */
		for (size_t i = 0; i < count; i += count / 8 + 1)
			check(&specs[i]);
	}
	arena_done(&arena);
	if (port_range_parse(text, &range, NULL) == 0 && (!range.first || range.last < range.first))
		abort();
	if (port_binding_parse("80/tcp", text, NULL, &binding, NULL) == 0)
		check(&binding);
	if (port_binding_parse("80/tcp", NULL, text, &binding, NULL) == 0)
		check(&binding);
	return 0;
}
