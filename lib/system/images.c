/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lists of images, with Docker's filters. What a filter needs from elsewhere (the image before which others were made, those that a
 * pattern matches) is looked up once, before the list is sifted.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/iter.h"
#include "base/json.h"
#include "base/str.h"
#include "container/filters.h"
#include "image/image.h"
#include "system/images.h"

#define SECOND INT64_C(1000000000)

struct choice {
	struct filters filters;
	struct arena arena;
	const char **matched; /* ids of those that a "reference" names */
	size_t n_matched;
	int64_t before, since, until; /* when they were made, in seconds */
};

static void choice_done(struct choice *choice)
{
	filters_done(&choice->filters);
	arena_done(&choice->arena);
}

int filters_dangling(const struct filters *filters, bool *wanted, scow_error **error)
{
	const char *value = filters_value(filters, "dangling", 0);

	if (!value)
		return 0;
	if (!str_eq(value, "true") && !str_eq(value, "false") && !str_eq(value, "1") && !str_eq(value, "0"))
		return error_set(error, SCOW_E_INVALID, "filter dangling: '%s' is neither true nor false", value);
	*wanted = value[0] == 't' || value[0] == '1';
	return 1;
}

bool image_labels_fit(const struct filters *filters, scow_image *image)
{
	_cleanup_json_ cJSON *labels = cJSON_CreateObject();
	const struct image_config *config;

	if (!labels || image_config_of(image, &config, NULL) < 0)
		return false;
	for (size_t i = 0; i + 1 < config->n_labels; i += 2)
		if (!cJSON_AddStringToObject(labels, config->labels[i], config->labels[i + 1]))
			return false;
	return filters_allow_labels(filters, labels);
}

static int add_matches(scow_engine *engine, struct choice *choice, scow_error **error)
{
	const char *pattern;

	for (size_t i = 0; (pattern = filters_value(&choice->filters, "reference", i)); i++) {
		_cleanup_(scow_iter_unrefp) scow_iter *images = NULL;
		scow_image *image;
		int r = scow_image_list(engine, pattern, &images, error);

		if (r < 0)
			return error_wrap(error, r, "filter reference");
		while ((image = scow_iter_next_image(images))) {
			const char **id = arena_append(&choice->arena, &choice->matched, &choice->n_matched, sizeof(*id));

			if (!id || !(*id = arena_strdup(&choice->arena, scow_image_id(image))))
				return error_oom(error);
		}
	}
	return 0;
}

/* The narrowest of the times at which the images named were made. */
static int read_neighbours(scow_engine *engine, struct choice *choice, scow_error **error)
{
	static const char *const kinds[] = { "before", "since" };
	const char *name;

	for (size_t kind = 0; kind < ARRAY_SIZE(kinds); kind++)
		for (size_t i = 0; (name = filters_value(&choice->filters, kinds[kind], i)); i++) {
			_cleanup_(scow_image_unrefp) scow_image *image = NULL;
			int r = scow_image_get(engine, name, &image, error);

			if (r < 0)
				return error_wrap(error, r, "filter %s", kinds[kind]);
			if (kind == 0 && scow_image_created(image) < choice->before)
				choice->before = scow_image_created(image);
			if (kind == 1 && scow_image_created(image) > choice->since)
				choice->since = scow_image_created(image);
		}
	return 0;
}

static int choice_read(scow_engine *engine, const char *text, struct choice *choice, scow_error **error)
{
	static const char *const known[] = { "before", "dangling", "label", "label!", "reference", "since", "until", NULL };
	bool dangling;
	int r = filters_parse(text, known, &choice->filters, error);

	choice->before = INT64_MAX;
	choice->since = INT64_MIN;
	if (r == 0)
		r = filters_until(&choice->filters, &choice->until, error);
	if (r == 0)
		r = filters_dangling(&choice->filters, &dangling, error);
	if (r >= 0)
		r = add_matches(engine, choice, error);
	if (r == 0)
		r = read_neighbours(engine, choice, error);
	return r;
}

static bool is_matched(const struct choice *choice, const char *id)
{
	for (size_t i = 0; i < choice->n_matched; i++)
		if (str_eq(choice->matched[i], id))
			return true;
	return !filters_have(&choice->filters, "reference");
}

static int is_chosen(void *item, const void *data, scow_error **error)
{
	const struct choice *choice = data;
	scow_image *image = item;
	const int64_t created = scow_image_created(image);

	(void) error;
	return created < choice->before && created > choice->since && (choice->until == INT64_MAX || created < choice->until / SECOND) &&
	       filters_allow_bool(&choice->filters, "dangling", !scow_image_tag_count(image)) && is_matched(choice, scow_image_id(image)) &&
	       image_labels_fit(&choice->filters, image);
}

int scow_image_list_filtered(scow_engine *engine, const char *filters, scow_iter **out, scow_error **error)
{
	_cleanup_(choice_done) struct choice choice = { .n_matched = 0 };
	_cleanup_(scow_iter_unrefp) scow_iter *images = NULL;
	int r = engine_check(engine, error);

	if (r < 0)
		return r;
	if (!out)
		return error_set(error, SCOW_E_INVALID, "no place for the list was given");
	r = choice_read(engine, filters, &choice, error);
	if (r == 0)
		r = scow_image_list(engine, NULL, &images, error);
	if (r == 0 && choice.filters.document)
		r = iter_sift(images, is_chosen, &choice, error);
	if (r == 0)
		*out = take_ptr(&images);
	return r;
}
