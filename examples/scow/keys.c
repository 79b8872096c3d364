/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keys that leave a container alone, as docker writes them: "ctrl-p,ctrl-q", "ctrl-a,d", "DEL".
 *
 * Keys that might be the beginning are held back, so a lone ctrl-p arrives with the key after it; what turns out to be
 * none goes on to the program in its order.
 */
#include "cli.h"

#include <string.h>

static bool parse_key(const char *name, size_t size, unsigned char *code)
{
	static const char controls[] = "@abcdefghijklmnopqrstuvwxyz[\\]^_";
	const char *at = size == 6 && starts_with(name, "ctrl-") && name[5] ? strchr(controls, name[5]) : NULL;

	if (size == 1)
		*code = (unsigned char) *name;
	else if (size == 3 && starts_with(name, "DEL"))
		*code = 127;
	else if (at)
		*code = (unsigned char) (at - controls);
	return size == 1 || at || (size == 3 && *code == 127);
}

bool detach_keys_parse(const char *text, struct detach_keys *keys)
{
	*keys = (struct detach_keys){ .count = 0 };
	if (!text || !*text)
		text = "ctrl-p,ctrl-q";
	for (const char *p = text;; p++) {
		size_t size = strcspn(p, ",");
		unsigned char code = 0;

		if (keys->count == DETACH_KEYS_MAX || !parse_key(p, size, &code)) {
			complain("invalid detach keys (%s): write them as \"ctrl-p,ctrl-q\": single characters, ctrl- and one of "
				 "a-z@[\\]^_, DEL",
				 text);
			return false;
		}
		keys->codes[keys->count++] = code;
		p += size;
		if (!*p)
			return true;
	}
}

bool detach_keys_filter(struct detach_keys *keys, const char *in, size_t size, char *out, size_t *out_size)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++) {
		unsigned char seen[DETACH_KEYS_MAX + 1];
		size_t total = keys->held + 1, skip = 0;

		memcpy(seen, keys->codes, keys->held);
		seen[keys->held] = (unsigned char) in[i];
		/* The longest end of what was typed that may still become the keys. */
		while (memcmp(seen + skip, keys->codes, total - skip) != 0)
			skip++;
		memcpy(out + n, seen, skip);
		n += skip;
		keys->held = total - skip;
		if (keys->held == keys->count) {
			keys->held = 0;
			*out_size = n;
			return true;
		}
	}
	*out_size = n;
	return false;
}
