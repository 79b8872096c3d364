/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * --hooks-dir: directories of hooks as other engines have them, see oci-hooks(5) version 1.0.0. A file NAME.json in a later directory takes
 * the place of one by that name in an earlier; all are looked at in the order of their names, and those whose conditions hold are added.
 */
#include "cli.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

struct file {
	char *name;
	const char *directory;
};
struct files {
	struct file *items;
	size_t count;
};

/* What the conditions are about. */
struct subject {
	const char *command; /* the program's name */
	const struct list *annotations;
	bool binds;
};

static bool malformed(const char *path, const char *why)
{
	complain("hook '%s': %s", path, why);
	return false;
}

/* ---- finding them ---- */

static void add_file(struct files *files, const char *directory, const char *name)
{
	struct file *grown;

	for (size_t i = 0; i < files->count; i++) {
		if (strcmp(files->items[i].name, name) != 0)
			continue;
		files->items[i].directory = directory;
		return;
	}
	grown = keep_alloc((files->count + 1) * sizeof *grown);
	if (files->count)
		memcpy(grown, files->items, files->count * sizeof *grown);
	grown[files->count++] = (struct file){ keep_text(name), directory };
	files->items = grown;
}

static bool list_directory(struct files *files, const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;

	if (!dir) {
		complain("open '%s': %s", path, strerror(errno));
		return false;
	}
	while ((entry = readdir(dir))) {
		size_t n = strlen(entry->d_name);

		if (n > 5 && strcmp(entry->d_name + n - 5, ".json") == 0)
			add_file(files, path, entry->d_name);
	}
	closedir(dir);
	return true;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct file *) a)->name, ((const struct file *) b)->name);
}

/* ---- conditions ---- */

/* 1, 0, or -1 if the pattern is none. */
static int matches(const char *pattern, const char *text)
{
	regex_t regex;
	int r;

	if (!pattern || regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return -1;
	r = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return r;
}

static int annotation_matches(const cJSON *pattern, const struct subject *subject)
{
	for (size_t i = 0; i < subject->annotations->count; i++) {
		const char *value, *name = keep_split(subject->annotations->items[i], '=', &value);
		int key_matches = matches(pattern->string, name);
		int value_matches = matches(cJSON_GetStringValue(pattern), value ? value : "");

		if (key_matches < 0 || value_matches < 0)
			return -1;
		if (key_matches && value_matches)
			return 1;
	}
	return 0;
}

/* All that are there must hold, at least one; of the commands any. 1, 0, or -1 after what is none of those. */
static int conditions_hold(const cJSON *when, const struct subject *subject)
{
	const cJSON *always = cJSON_GetObjectItemCaseSensitive(when, "always");
	const cJSON *binds = cJSON_GetObjectItemCaseSensitive(when, "hasBindMounts");
	const cJSON *commands = cJSON_GetObjectItemCaseSensitive(when, "commands"), *item;
	int held = 0, r;

	if (cJSON_IsBool(always) && !cJSON_IsTrue(always))
		return 0;
	held += cJSON_IsTrue(always);
	if (cJSON_IsBool(binds) && !(cJSON_IsTrue(binds) && subject->binds))
		return 0;
	held += cJSON_IsTrue(binds);
	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(when, "annotations"))
	{
		r = annotation_matches(item, subject);
		if (r <= 0)
			return r;
		held++;
	}
	if (!cJSON_GetArraySize(commands))
		return held > 0;
	cJSON_ArrayForEach(item, commands)
	{
		r = matches(cJSON_GetStringValue(item), subject->command);
		if (r)
			return r;
	}
	return 0;
}

/* ---- adding them ---- */

static bool read_words(const cJSON *array, struct list *words)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, array)
	{
		if (!cJSON_IsString(item))
			return false;
		list_add(words, item->valuestring);
	}
	return true;
}

static bool add_hook(scow_container_config *config, const char *file, const cJSON *document)
{
	const cJSON *hook = cJSON_GetObjectItemCaseSensitive(document, "hook"), *stage;
	const cJSON *stages = cJSON_GetObjectItemCaseSensitive(document, "stages");
	const cJSON *timeout = cJSON_GetObjectItemCaseSensitive(hook, "timeout");
	const char *path = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(hook, "path"));
	struct list args = { NULL, 0 }, env = { NULL, 0 };
	unsigned int timeout_ms = 0;

	if (!path || !read_words(cJSON_GetObjectItemCaseSensitive(hook, "args"), &args) ||
	    !read_words(cJSON_GetObjectItemCaseSensitive(hook, "env"), &env))
		return malformed(file, "its \"hook\" needs a path; args and env are arrays of strings");
	if (timeout && (!cJSON_IsNumber(timeout) || timeout->valuedouble < 1 || timeout->valuedouble > 1000000))
		return malformed(file, "its timeout is no number of seconds");
	if (timeout)
		timeout_ms = (unsigned int) (timeout->valuedouble * 1000);
	if (!cJSON_GetArraySize(stages))
		return malformed(file, "it has no stages");
	cJSON_ArrayForEach(stage, stages)
	{
		scow_hook_stage number;

		if (!cJSON_IsString(stage) || !hook_stage_parse(stage->valuestring, &number))
			return malformed(file, "one of its stages is none");
		scow_container_config_add_hook(config, number, path, args.items, env.items, timeout_ms);
	}
	return true;
}

static bool read_file(scow_container_config *config, const struct file *file, const struct subject *subject)
{
	const char *path = keep_format("%s/%s", file->directory, file->name), *version;
	char *text = read_whole(path, NULL);
	cJSON *document = text ? cJSON_Parse(text) : NULL;
	bool ok = false;
	int hold;

	if (!text) {
		complain("open '%s': %s", path, strerror(errno));
		return false;
	}
	version = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(document, "version"));
	hold = conditions_hold(cJSON_GetObjectItemCaseSensitive(document, "when"), subject);
	if (!cJSON_IsObject(document))
		malformed(path, "it is no JSON object");
	else if (!version || strcmp(version, "1.0.0") != 0)
		malformed(path, "only version 1.0.0 is known");
	else if (hold < 0)
		malformed(path, "one of its conditions is no regular expression");
	else
		ok = !hold || add_hook(config, path, document);
	cJSON_Delete(document);
	return ok;
}

static const char *first_of(const cJSON *config, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(config, name), 0));
}

/* As the engine will choose it. */
static const char *command_of(scow_image *image, const struct run_options *options, char **command)
{
	SCOW_AUTO(scow_error) *error = NULL;
	const char *found = NULL;
	char *text = NULL;
	cJSON *document;

	if (options->entrypoint && *options->entrypoint)
		return options->entrypoint;
	if (scow_image_inspect_json(image, &text, &error) == 0 && (document = cJSON_Parse(text))) {
		const cJSON *config = cJSON_GetObjectItemCaseSensitive(document, "Config");

		if (!options->entrypoint)
			found = first_of(config, "Entrypoint");
		if (!found && !command[0])
			found = first_of(config, "Cmd");
		found = found ? keep_text(found) : NULL;
		cJSON_Delete(document);
	}
	scow_free(text);
	return found ? found : command[0] ? command[0] : "";
}

static bool has_binds(const struct run_options *options)
{
	for (size_t i = 0; i < options->mounts.count; i++)
		if (strstr(options->mounts.items[i], "type=bind"))
			return true;
	return options->volumes.count > 0;
}

bool hooks_dir_configure(scow_container_config *config, scow_image *image, const struct run_options *options, char **command)
{
	struct files files = { NULL, 0 };
	struct subject subject = { .annotations = &options->annotations };

	if (!options->hooks_dirs.count)
		return true;
	for (size_t i = 0; i < options->hooks_dirs.count; i++)
		if (!list_directory(&files, options->hooks_dirs.items[i]))
			return false;
	subject.command = command_of(image, options, command);
	subject.binds = has_binds(options);
	if (files.count)
		qsort(files.items, files.count, sizeof *files.items, by_name);
	for (size_t i = 0; i < files.count; i++)
		if (!read_file(config, &files.items[i], &subject))
			return false;
	return true;
}
