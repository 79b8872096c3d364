/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An image as Docker shows it: inspect and history.
 *
 * What the config document says is copied from it, member by member, never re-interpreted; what the store knows (names,
 * sizes, layer directories) is read anew, because the handle is a snapshot and inspect is not.
 */
#include "image/image-internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/str.h"
#include "image/layer.h"

/* Members of Docker's image config, in its order. */
static const char *const config_members[] = { "User",   "ExposedPorts", "Env",         "Entrypoint",  "Cmd",     "Volumes", "WorkingDir",
					      "Labels", "StopSignal",   "ArgsEscaped", "Healthcheck", "OnBuild", "Shell" };

static bool add_copy(cJSON *to, const char *name, const cJSON *from, const char *member)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(from, member);
	cJSON *copy;

	if (!item || cJSON_IsNull(item))
		return true;
	copy = cJSON_Duplicate(item, true);
	if (copy && cJSON_AddItemToObject(to, name, copy))
		return true;
	cJSON_Delete(copy);
	return false;
}

/* A member that is always there: "" where the document has none. */
static bool add_text(cJSON *to, const char *name, const cJSON *from, const char *member)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(from, member);

	return cJSON_AddStringToObject(to, name, cJSON_IsString(item) ? item->valuestring : "") != NULL;
}

static bool add_names(cJSON *to, const char *name, const struct names *names)
{
	static char *const none[] = { NULL };

	return json_add_strings(to, name, names->items ? names->items : none);
}

static bool add_config(cJSON *to, const cJSON *document)
{
	const cJSON *config = cJSON_GetObjectItemCaseSensitive(document, "config");
	cJSON *out = cJSON_AddObjectToObject(to, "Config");

	if (!out)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(config_members); i++)
		if (!add_copy(out, config_members[i], config, config_members[i]))
			return false;
	return true;
}

static bool add_driver(cJSON *to, const scow_image *image, char *const *stack)
{
	cJSON *driver = cJSON_AddObjectToObject(to, "GraphDriver"), *data;
	_cleanup_str_ struct str upper = { 0 }, lower = { 0 };

	if (!driver || !cJSON_AddStringToObject(driver, "Name", "overlay"))
		return false;
	data = cJSON_AddObjectToObject(driver, "Data");
	if (!data || !stack || !stack[0])
		return data != NULL;
	str_printf(&upper, "%s/layers/%s", image->engine->root, stack[0]);
	for (size_t i = 1; stack[i]; i++)
		str_printf(&lower, "%s%s/layers/%s", i > 1 ? ":" : "", image->engine->root, stack[i]);
	if (upper.failed || lower.failed)
		return false;
	return (!lower.size || cJSON_AddStringToObject(data, "LowerDir", lower.data)) &&
	       cJSON_AddStringToObject(data, "UpperDir", upper.data);
}

static bool add_rootfs(cJSON *to, const cJSON *document)
{
	const cJSON *rootfs = cJSON_GetObjectItemCaseSensitive(document, "rootfs");
	cJSON *out = cJSON_AddObjectToObject(to, "RootFS");

	return out && cJSON_AddStringToObject(out, "Type", "layers") && add_copy(out, "Layers", rootfs, "diff_ids");
}

static bool add_times(cJSON *to, const scow_image *image)
{
	cJSON *metadata = cJSON_AddObjectToObject(to, "Metadata");
	time_t seconds = (time_t) (image->added / 1000000000);
	char date[32], text[64];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%09lldZ", date, (long long) (image->added % 1000000000));
	return metadata && cJSON_AddStringToObject(metadata, "LastTagTime", text);
}

static bool build(cJSON *to, const scow_image *image, const cJSON *document, char *const *stack)
{
	return cJSON_AddStringToObject(to, "Id", image->id) && add_names(to, "RepoTags", &image->tags) &&
	       add_names(to, "RepoDigests", &image->digests) && cJSON_AddStringToObject(to, "Parent", "") &&
	       add_text(to, "Comment", document, "comment") && add_text(to, "Created", document, "created") &&
	       add_text(to, "Author", document, "author") && add_config(to, document) &&
	       add_text(to, "Architecture", document, "architecture") && add_copy(to, "Variant", document, "variant") &&
	       add_text(to, "Os", document, "os") && add_copy(to, "OsVersion", document, "os.version") &&
	       cJSON_AddNumberToObject(to, "Size", (double) image->size) && add_driver(to, image, stack) && add_rootfs(to, document) &&
	       add_times(to, image);
}

/* The image as it is now, and its document. */
static int refresh(scow_image *image, scow_image **now, cJSON **document, scow_error **error)
{
	int r = image_check(image, error);

	if (r == 0)
		r = image_get_by_id(image->engine, image->id, NULL, now, error);
	if (r == 0)
		r = json_parse((*now)->config_text, strlen((*now)->config_text), "image config", document, error);
	return r;
}

static int print(const cJSON *item, char **out, scow_error **error)
{
	*out = json_print(item);
	return *out ? 0 : error_oom(error);
}

static void strv_freep(char ***strv)
{
	strv_free(*strv);
}

/* The layer directories. Removed between our two looks, the image is not there; it is not damaged. */
static int read_stack(scow_image *image, char ***stack, scow_error **error)
{
	_cleanup_(scow_image_unrefp) scow_image *still = NULL;
	size_t count;
	int r = layer_stack(image->engine, image->top_layer, stack, &count, error), again;

	if (r != SCOW_E_CORRUPT)
		return r;
	again = image_get_by_id(image->engine, image->id, NULL, &still, NULL);
	if (again != SCOW_E_NOT_FOUND)
		return r;
	error_clear(error);
	return image_not_found(image->id, error);
}

int scow_image_inspect_json(scow_image *image, char **out, scow_error **error)
{
	_cleanup_(scow_image_unrefp) scow_image *now = NULL;
	_cleanup_json_ cJSON *document = NULL, *result = NULL;
	_cleanup_(strv_freep) char **stack = NULL;
	int r = refresh(image, &now, &document, error);

	if (r == 0 && now->top_layer)
		r = read_stack(now, &stack, error);
	if (r < 0)
		return r;
	result = cJSON_CreateObject();
	if (!result || !build(result, now, document, stack))
		return error_oom(error);
	return print(result, out, error);
}

/* Unpacked sizes of the layers, the lowest first. */
static int layer_sizes(const scow_image *image, int64_t **out, size_t *count, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	_cleanup_free_ int64_t *sizes = NULL;
	sqlite3_stmt *row;
	size_t n = 0;
	int r;

	*count = 0;
	if (!image->top_layer)
		return 0;
	db_lock(image->engine->db, &work);
	r = db_query(&work, &row, error,
		     "WITH RECURSIVE chain(n, size, below) AS (SELECT 0, size, parent FROM layers WHERE chain_id = ?1 UNION ALL "
		     "SELECT n + 1, layers.size, parent FROM layers, chain WHERE chain_id = below) SELECT size FROM chain ORDER BY n DESC",
		     "t", image->top_layer);
	for (; r > 0; r = db_step(&work, row, error)) {
		int64_t *grown = realloc(sizes, (n + 1) * sizeof(*grown));

		if (!grown)
			return error_oom(error);
		sizes = grown;
		sizes[n++] = db_int(row, 0);
	}
	*out = take_ptr(&sizes);
	*count = n;
	return r;
}

static int64_t created_of(const cJSON *entry)
{
	const cJSON *created = cJSON_GetObjectItemCaseSensitive(entry, "created");

	return image_time_parse(cJSON_IsString(created) ? created->valuestring : NULL);
}

static cJSON *history_entry(const cJSON *entry, int64_t size)
{
	_cleanup_json_ cJSON *item = cJSON_CreateObject();

	if (!item || !cJSON_AddStringToObject(item, "Id", "<missing>") ||
	    !cJSON_AddNumberToObject(item, "Created", (double) created_of(entry)) || !add_text(item, "CreatedBy", entry, "created_by") ||
	    !cJSON_AddNullToObject(item, "Tags") || !cJSON_AddNumberToObject(item, "Size", (double) size) ||
	    !add_text(item, "Comment", entry, "comment"))
		return NULL;
	return take_ptr(&item);
}

/* The newest entry is the image itself. */
static bool name_newest(cJSON *list, const scow_image *image)
{
	cJSON *newest = cJSON_GetArrayItem(list, 0);

	if (!newest)
		return true;
	if (!cJSON_ReplaceItemInObjectCaseSensitive(newest, "Id", cJSON_CreateString(image->id)))
		return false;
	return !image->tags.count ||
	       cJSON_ReplaceItemInObjectCaseSensitive(
		       newest, "Tags", cJSON_CreateStringArray((const char *const *) image->tags.items, (int) image->tags.count));
}

int scow_image_history_json(scow_image *image, char **out, scow_error **error)
{
	_cleanup_(scow_image_unrefp) scow_image *now = NULL;
	_cleanup_json_ cJSON *document = NULL, *list = NULL;
	_cleanup_free_ int64_t *sizes = NULL;
	const cJSON *history, *entry;
	size_t n_sizes = 0, layer = 0;
	int r = refresh(image, &now, &document, error);

	if (r == 0)
		r = layer_sizes(now, &sizes, &n_sizes, error);
	if (r == 0)
		r = json_array(document, "history", &history, error);
	if (r < 0)
		return r;
	list = cJSON_CreateArray();
	cJSON_ArrayForEach(entry, history)
	{
		bool empty = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(entry, "empty_layer"));
		cJSON *item = history_entry(entry, empty || layer >= n_sizes ? 0 : sizes[layer]);

		if (!empty)
			layer++;
		if (!item || !cJSON_InsertItemInArray(list, 0, item)) {
			cJSON_Delete(item);
			return error_oom(error);
		}
	}
	if (!list || !name_newest(list, now))
		return error_oom(error);
	return print(list, out, error);
}
