/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events of images, as Docker tells them: the attribute "name" is the reference that it is about, or else the id; a pull's is the
 * repository, and its actor the reference that was pulled. The image's labels stand beside it.
 */
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "image/image-internal.h"
#include "store/journal.h"

static bool put(cJSON *object, const char *name, const char *value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(object, name);
	return cJSON_AddStringToObject(object, name, value) != NULL;
}

/* Of "localhost:5000/busybox:1.36" the part before the tag or digest. */
static void cut_to_repository(char *name)
{
	char *slash = strrchr(name, '/'), *end = strpbrk(slash ? slash : name, ":@");

	if (end)
		*end = 0;
}

static int add(struct db_work *work, const char *action, const char *id, const char *full, const struct image_config *config,
	       scow_error **error)
{
	_cleanup_free_ char *name = full ? image_short_name(full) : strdup(id), *actor = NULL, *text = NULL;
	_cleanup_json_ cJSON *object = cJSON_CreateObject();
	bool ok = name && object;

	if (ok && full && str_eq(action, "pull")) {
		actor = strdup(name);
		ok = actor != NULL;
		cut_to_repository(name);
	}
	for (size_t i = 0; ok && i < config->n_labels; i += 2)
		ok = put(object, config->labels[i], config->labels[i + 1]);
	ok = ok && put(object, "name", name);
	text = ok ? json_print(object) : NULL;
	if (!text)
		return error_oom(error);
	return journal_add(work, "image", action, actor ? actor : id, text, error);
}

int image_event(struct db_work *work, const char *action, const char *id, const char *full, const struct image_config *config,
		scow_error **error)
{
	_cleanup_image_config_ struct image_config parsed = { 0 };
	const char *text;
	sqlite3_stmt *row;
	int r;

	if (config)
		return add(work, action, id, full, config, error);
	r = db_query(work, &row, error, "SELECT config FROM images WHERE id = ?1", "t", id);
	if (r <= 0)
		return r;
	text = db_text(row, 0);
	/* Labels of a document that cannot be read any more are not worth failing for. */
	if (image_config_parse(text, strlen(text), &parsed, NULL) < 0)
		parsed = (struct image_config){ 0 };
	return add(work, action, id, full, &parsed, error);
}
