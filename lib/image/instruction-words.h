/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words of a Dockerfile instruction: quotes, backslashes, and variables of the image's environment. */
#pragma once

#include "base/json.h"

struct words {
	char **items; /* NULL-terminated */
	size_t count;
};
void words_done(struct words *words);
#define _cleanup_words_ __attribute__((cleanup(words_done)))

/*
 * Cut at blanks that no quote or backslash protects, and then expanded: $NAME, ${NAME}, ${NAME:-word}, ${NAME:+word} by the "Env" of
 * @config. SCOW_E_INVALID: a quote or a brace without its end.
 */
int words_read(const cJSON *config, const char *text, struct words *out, scow_error **error) _must_check_;
/* The whole text as one word; malloc'ed. */
int words_expand(const cJSON *config, const char *text, char **out, scow_error **error) _must_check_;
