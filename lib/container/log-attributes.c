/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The "attrs" of a log's entries, as Docker writes them: of the labels and variables that the options name, those that the container
 * has, and its tag, in which {{.ID}} and the like stand for what they name. Made once, at the start.
 */
#include "container/log-attributes.h"

#include <string.h>

#include "base/json.h"
#include "base/str.h"

enum { TAG_ID, TAG_FULL_ID, TAG_NAME, TAG_IMAGE_ID, TAG_IMAGE_FULL_ID, TAG_IMAGE_NAME, TAG_DAEMON_NAME, TAG_COUNT };
static const char *const tag_fields[TAG_COUNT] = {
	[TAG_ID] = "{{.ID}}",
	[TAG_FULL_ID] = "{{.FullID}}",
	[TAG_NAME] = "{{.Name}}",
	[TAG_IMAGE_ID] = "{{.ImageID}}",
	[TAG_IMAGE_FULL_ID] = "{{.ImageFullID}}",
	[TAG_IMAGE_NAME] = "{{.ImageName}}",
	[TAG_DAEMON_NAME] = "{{.DaemonName}}",
};

/* The field that @at begins with, or TAG_COUNT. */
static size_t tag_field(const char *at)
{
	size_t i = 0;

	while (i < TAG_COUNT && !str_has_prefix(at, tag_fields[i]))
		i++;
	return i;
}

bool log_tag_is_valid(const char *tag)
{
	for (const char *at = tag; (at = strstr(at, "{{")); at += 2)
		if (tag_field(at) == TAG_COUNT)
			return false;
	return true;
}

static void add_tag_field(struct str *out, const scow_container *container, size_t field)
{
	const char *image = container->image_id;

	image = str_has_prefix(image, "sha256:") ? image + 7 : image;
	if (field == TAG_ID || field == TAG_FULL_ID)
		str_printf(out, "%.*s", field == TAG_ID ? 12 : 64, container->id);
	else if (field == TAG_IMAGE_ID || field == TAG_IMAGE_FULL_ID)
		str_printf(out, "%s%.*s", field == TAG_IMAGE_ID ? "" : "sha256:", field == TAG_IMAGE_ID ? 12 : 64, image);
	else
		str_add(out, field == TAG_NAME ? container->name : field == TAG_IMAGE_NAME ? container->image_name : "scow");
}

static bool add_tag(cJSON *attributes, const scow_container *container, const char *tag)
{
	_cleanup_str_ struct str text = { 0 };

	for (const char *at = tag; *at;) {
		size_t field = tag_field(at);

		if (field < TAG_COUNT) {
			add_tag_field(&text, container, field);
			at += strlen(tag_fields[field]);
		} else {
			str_add_bytes(&text, at++, 1);
		}
	}
	return !text.failed && cJSON_AddStringToObject(attributes, "tag", text.data ? text.data : "");
}

/* Is @name, of @size bytes, one of "a,b,c"? */
static bool is_listed(const char *list, const char *name, size_t size)
{
	for (const char *at = list; at && *at; at += strcspn(at, ","), at += *at == ',')
		if (strcspn(at, ",") == size && strncmp(at, name, size) == 0)
			return true;
	return false;
}

static int add_labels(cJSON *attributes, scow_container *container, const char *names, scow_error **error)
{
	_cleanup_json_ cJSON *labels = NULL;
	_cleanup_db_ struct db_work work = { 0 };
	const cJSON *label;
	sqlite3_stmt *s;
	int r;

	db_lock(container->engine->db, &work);
	r = db_query(&work, &s, error, "SELECT labels FROM containers WHERE id = ?", "t", container->id);
	if (r <= 0)
		return r;
	labels = cJSON_Parse(db_text(s, 0));
	cJSON_ArrayForEach(label, labels)
	{
		if (cJSON_IsString(label) && is_listed(names, label->string, strlen(label->string)) &&
		    !cJSON_AddStringToObject(attributes, label->string, label->valuestring))
			return error_oom(error);
	}
	return 0;
}

int log_attributes(scow_container *container, const struct log_settings *log, char *const *env, size_t n_env, char **out,
		   scow_error **error)
{
	_cleanup_json_ cJSON *attributes = cJSON_CreateObject();
	_cleanup_free_ char *text = NULL;
	bool ok = attributes != NULL;
	int r = 0;

	*out = NULL;
	if (ok && log->labels)
		r = add_labels(attributes, container, log->labels, error);
	if (r < 0)
		return r;
	for (size_t i = 0; ok && log->env && i < n_env; i++) {
		size_t size = strcspn(env[i], "=");
		_cleanup_free_ char *name = strndup(env[i], size);

		if (is_listed(log->env, env[i], size))
			ok = name && cJSON_AddStringToObject(attributes, name, env[i] + size + (env[i][size] == '='));
	}
	if (ok && log->tag)
		ok = add_tag(attributes, container, log->tag);
	if (ok && !attributes->child)
		return 0;
	text = ok ? json_print(attributes) : NULL;
	*out = text ? strf("\"attrs\":%s,", text) : NULL;
	if (!*out)
		return error_oom(error);
	if (strlen(*out) <= LOG_ATTRIBUTES_MAX)
		return 0;
	free(take_ptr(out));
	return error_set(error, SCOW_E_LIMIT, "the labels, variables and tag of each log entry are more than %d bytes", LOG_ATTRIBUTES_MAX);
}
