/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* --gpus in docker's words: all, 2, device=0,1, "count=2,capabilities=compute,utility". A word without a name goes on with the last one. */
#include "cli.h"

#include <string.h>

struct request {
	struct list ids, capabilities, *into;
	int64_t count;
};

static bool bad(const char *text, const char *why)
{
	complain("invalid argument \"%s\" for \"--gpus\" flag: %s", text, why);
	return false;
}

static bool read_count(struct request *request, const char *value)
{
	if (strcmp(value, "all") != 0)
		return parse_number(value, &request->count) && request->count > 0 && request->count <= 1000;
	request->count = -1;
	return true;
}

/* One word between commas; false if it is none that is known. */
static bool read_word(struct request *request, const char *word)
{
	const char *value, *name = keep_split(word, '=', &value), *rest;

	if (!value && !request->into)
		return read_count(request, word);
	if (!value) {
		list_add(request->into, keep_split(word, '"', &rest)); /* Docker quotes lists: "device=0,1" inside of ours */
		return true;
	}
	value += *value == '"';
	if (strcmp(name, "count") == 0)
		return read_count(request, value);
	if (strcmp(name, "driver") == 0)
		return !*value || strcmp(value, "nvidia") == 0;
	if (strcmp(name, "device") != 0 && strcmp(name, "capabilities") != 0)
		return false;
	request->into = strcmp(name, "device") == 0 ? &request->ids : &request->capabilities;
	list_add(request->into, keep_split(value, '"', &rest));
	return true;
}

static bool configure(scow_container_config *config, const char *text)
{
	struct request request = { .count = 0 };
	const char *rest = text + (*text == '"');

	while (rest)
		if (!read_word(&request, keep_split(rest, ',', &rest)))
			return bad(text, "write it as all, NUMBER or device=ID[,ID...]");
	if (!request.count && !request.ids.count)
		return bad(text, "it asks for no GPU");
	if (request.count && request.ids.count)
		return bad(text, "either a count or devices, not both");
	scow_container_config_add_gpus(config, (int) request.count, request.ids.items, request.capabilities.items);
	return true;
}

bool gpus_configure(scow_container_config *config, const struct run_options *options)
{
	for (size_t i = 0; i < options->gpus.count; i++)
		if (!configure(config, options->gpus.items[i]))
			return false;
	return true;
}
