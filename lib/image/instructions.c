/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One function for each instruction, in a table. They change a JSON object, so that what they do not know of it stays.
 *
 * CMD and ENTRYPOINT come as a JSON array of strings, or else as a line for the image's shell; a new ENTRYPOINT takes the CMD away
 * that was meant for another.
 */
#include "image/instructions.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/path.h"
#include "base/str.h"
#include "image/instruction-words.h"

static int put(cJSON *object, const char *name, cJSON *item, scow_error **error)
{
	if (!item)
		return error_oom(error);
	cJSON_DeleteItemFromObjectCaseSensitive(object, name);
	if (cJSON_AddItemToObject(object, name, item))
		return 0;
	cJSON_Delete(item);
	return error_oom(error);
}

/* Borrowed; made where it is not there. */
static cJSON *child(cJSON *config, const char *name, bool array)
{
	cJSON *item = cJSON_GetObjectItemCaseSensitive(config, name);

	if (array ? cJSON_IsArray(item) : cJSON_IsObject(item))
		return item;
	cJSON_DeleteItemFromObjectCaseSensitive(config, name);
	return array ? cJSON_AddArrayToObject(config, name) : cJSON_AddObjectToObject(config, name);
}

/* An array of strings, or NULL if @text is something else: then it is a line for a shell. */
static cJSON *json_form(const char *text)
{
	scow_error *error = NULL;
	const cJSON *item;
	cJSON *array = NULL;
	bool ok;

	if (*text != '[' || json_parse(text, strlen(text), "instruction", &array, &error) < 0) {
		scow_error_unref(error);
		return NULL;
	}
	ok = cJSON_IsArray(array);
	cJSON_ArrayForEach(item, array) ok = ok && cJSON_IsString(item);
	if (ok)
		return array;
	cJSON_Delete(array);
	return NULL;
}

/* ["/bin/sh", "-c", text] */
static cJSON *shell_form(const cJSON *config, const char *text)
{
	static const char *const usual[] = { "/bin/sh", "-c" };
	const cJSON *shell = cJSON_GetObjectItemCaseSensitive(config, "Shell");
	cJSON *array = cJSON_GetArraySize(shell) ? cJSON_Duplicate(shell, true) : cJSON_CreateStringArray(usual, 2);
	cJSON *line = cJSON_CreateString(text);

	if (array && line && cJSON_AddItemToArray(array, line))
		return array;
	cJSON_Delete(array);
	cJSON_Delete(line);
	return NULL;
}

static cJSON *command_of(const cJSON *config, const char *text)
{
	cJSON *array = json_form(text);

	return array ? array : shell_form(config, text);
}

static int do_cmd(cJSON *config, const char *text, scow_error **error)
{
	return put(config, "Cmd", command_of(config, text), error);
}

static int do_entrypoint(cJSON *config, const char *text, scow_error **error)
{
	int r = put(config, "Entrypoint", command_of(config, text), error);

	cJSON_DeleteItemFromObjectCaseSensitive(config, "Cmd");
	return r;
}

static int do_shell(cJSON *config, const char *text, scow_error **error)
{
	cJSON *array = json_form(text);

	if (array && cJSON_GetArraySize(array))
		return put(config, "Shell", array, error);
	cJSON_Delete(array);
	return error_set(error, SCOW_E_INVALID, "a shell is given as a JSON array: SHELL [\"/bin/sh\", \"-c\"]");
}

/* ---- names and values ---- */

static int set_env(cJSON *config, const char *name, const char *value, scow_error **error)
{
	_cleanup_free_ char *entry = strf("%s=%s", name, value);
	cJSON *env = child(config, "Env", true), *item = entry ? cJSON_CreateString(entry) : NULL;
	size_t size = strlen(name);

	if (!env || !item) {
		cJSON_Delete(item);
		return error_oom(error);
	}
	for (int i = 0; i < cJSON_GetArraySize(env); i++) {
		const cJSON *old = cJSON_GetArrayItem(env, i);

		if (cJSON_IsString(old) && strncmp(old->valuestring, name, size) == 0 && old->valuestring[size] == '=') {
			cJSON_ReplaceItemInArray(env, i, item);
			return 0;
		}
	}
	cJSON_AddItemToArray(env, item);
	return 0;
}

static int set_label(cJSON *config, const char *name, const char *value, scow_error **error)
{
	cJSON *labels = child(config, "Labels", false);

	return labels ? put(labels, name, cJSON_CreateString(value), error) : error_oom(error);
}

typedef int (*set_fn)(cJSON *config, const char *name, const char *value, scow_error **error);

/* "NAME the rest is its value": what there was before "=". */
static int set_legacy(cJSON *config, const char *text, set_fn set, scow_error **error)
{
	size_t n = strcspn(text, " \t");
	_cleanup_free_ char *name = strndup(text, n), *value = NULL;
	int r;

	text += n + strspn(text + n, " \t");
	if (!name)
		return error_oom(error);
	if (!*text)
		return error_set(error, SCOW_E_INVALID, "'%.100s' has no value: NAME=VALUE is wanted", name);
	r = words_expand(config, text, &value, error);
	return r < 0 ? r : set(config, name, value, error);
}

static int set_pairs(cJSON *config, const char *text, set_fn set, scow_error **error)
{
	_cleanup_words_ struct words words = { 0 };
	size_t first = strcspn(text, " \t=");
	int r;

	if (text[first] != '=' && *text != '"' && *text != '\'')
		return set_legacy(config, text, set, error);
	/* All of one instruction see the variables as they were before it. */
	r = words_read(config, text, &words, error);
	for (size_t i = 0; i < words.count && r == 0; i++) {
		char *equals = strchr(words.items[i], '=');

		if (!equals || equals == words.items[i])
			return error_set(error, SCOW_E_INVALID, "'%.100s' is not NAME=VALUE", words.items[i]);
		*equals = 0;
		r = set(config, words.items[i], equals + 1, error);
	}
	return r;
}

static int do_env(cJSON *config, const char *text, scow_error **error)
{
	return set_pairs(config, text, set_env, error);
}

static int do_label(cJSON *config, const char *text, scow_error **error)
{
	return set_pairs(config, text, set_label, error);
}

/* ---- sets ---- */

static int add_to_set(cJSON *config, const char *set, const char *name, scow_error **error)
{
	cJSON *object = child(config, set, false);

	return object ? put(object, name, cJSON_CreateObject(), error) : error_oom(error);
}

/* "80", "80/udp", "8000-8002/tcp". */
static int expose(cJSON *config, const char *text, scow_error **error)
{
	unsigned int first, last;
	char protocol[8] = "tcp", name[32];
	int end = 0, r = 0;

	if (sscanf(text, "%5u%n", &first, &end) != 1 || !isdigit((unsigned char) *text))
		return error_set(error, SCOW_E_INVALID, "'%.60s' is not a port", text);
	last = first;
	text += end;
	if (*text == '-' && isdigit((unsigned char) text[1]) && sscanf(text + 1, "%5u%n", &last, &end) == 1)
		text += 1 + end;
	if (*text == '/')
		snprintf(protocol, sizeof(protocol), "%s", text + 1);
	if ((*text && *text != '/') || !first || last > 65535 || first > last ||
	    (strcasecmp(protocol, "tcp") != 0 && strcasecmp(protocol, "udp") != 0 && strcasecmp(protocol, "sctp") != 0))
		return error_set(error, SCOW_E_INVALID, "a port is N, N/udp or N-M/tcp, from 1 to 65535");
	for (char *p = protocol; *p; p++)
		*p = (char) tolower((unsigned char) *p);
	for (unsigned int port = first; port <= last && r == 0; port++) {
		snprintf(name, sizeof(name), "%u/%s", port, protocol);
		r = add_to_set(config, "ExposedPorts", name, error);
	}
	return r;
}

static int do_expose(cJSON *config, const char *text, scow_error **error)
{
	_cleanup_words_ struct words words = { 0 };
	int r = words_read(config, text, &words, error);

	for (size_t i = 0; i < words.count && r == 0; i++)
		r = expose(config, words.items[i], error);
	return r;
}

static int do_volume(cJSON *config, const char *text, scow_error **error)
{
	_cleanup_json_ cJSON *array = json_form(text);
	_cleanup_words_ struct words words = { 0 };
	const cJSON *item;
	int r = array ? 0 : words_read(config, text, &words, error);

	cJSON_ArrayForEach(item, array) if (r == 0) r = *item->valuestring ? add_to_set(config, "Volumes", item->valuestring, error)
									   : error_set(error, SCOW_E_INVALID, "a volume's path is empty");
	for (size_t i = 0; i < words.count && r == 0; i++)
		r = add_to_set(config, "Volumes", words.items[i], error);
	return r;
}

/* ---- single values ---- */

static int do_user(cJSON *config, const char *text, scow_error **error)
{
	_cleanup_free_ char *value = NULL;
	int r = words_expand(config, text, &value, error);

	return r < 0 ? r : put(config, "User", cJSON_CreateString(value), error);
}

static int do_workdir(cJSON *config, const char *text, scow_error **error)
{
	const cJSON *before = cJSON_GetObjectItemCaseSensitive(config, "WorkingDir");
	_cleanup_free_ char *value = NULL, *whole = NULL, *clean = NULL;
	int r = words_expand(config, text, &value, error);

	if (r < 0)
		return r;
	whole = *value == '/' ? strdup(value) : strf("/%s/%s", cJSON_IsString(before) ? before->valuestring : "", value);
	clean = whole ? path_clean(whole) : NULL;
	return clean ? put(config, "WorkingDir", cJSON_CreateString(clean), error) : error_oom(error);
}

static int do_stopsignal(cJSON *config, const char *text, scow_error **error)
{
	_cleanup_free_ char *value = NULL;
	int r = words_expand(config, text, &value, error);

	if (r < 0)
		return r;
	if (!*value || value[strspn(value, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+-")])
		return error_set(error, SCOW_E_INVALID, "'%.60s' is not a signal", value);
	return put(config, "StopSignal", cJSON_CreateString(value), error);
}

static int do_onbuild(cJSON *config, const char *text, scow_error **error)
{
	static const char *const refused[] = { "ONBUILD", "FROM", "MAINTAINER" };
	size_t n = strcspn(text, " \t");
	cJSON *list, *item;

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		if (strlen(refused[i]) == n && strncasecmp(text, refused[i], n) == 0)
			return error_set(error, SCOW_E_INVALID, "ONBUILD cannot hold %s", refused[i]);
	list = child(config, "OnBuild", true);
	item = cJSON_CreateString(text);
	if (list && item && cJSON_AddItemToArray(list, item))
		return 0;
	cJSON_Delete(item);
	return error_oom(error);
}

/* ---- health ---- */

/* "1m30s" in nanoseconds; false if it is none. */
static bool parse_duration(const char *text, double *ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = { { "ms", 1e6 }, { "us", 1e3 }, { "ns", 1 }, { "h", 3600e9 }, { "m", 60e9 }, { "s", 1e9 } };

	*ns = 0;
	if (!*text)
		return false;
	while (*text) {
		double number = 0, scale = 1;
		size_t i, digits = strspn(text, "0123456789");

		if (!digits || digits > 9)
			return false;
		for (; digits; digits--)
			number = number * 10 + (*text++ - '0');
		if (*text == '.')
			for (text++; isdigit((unsigned char) *text); text++)
				number += (*text - '0') * (scale /= 10);
		for (i = 0; i < ARRAY_SIZE(units) && !str_has_prefix(text, units[i].name); i++)
			;
		if (i == ARRAY_SIZE(units))
			return false;
		text += strlen(units[i].name);
		*ns += number * units[i].ns;
	}
	return *ns < 9e15;
}

static int health_flag(cJSON *health, const char *text, size_t size, scow_error **error)
{
	static const struct {
		const char *flag, *member;
	} flags[] = { { "--interval=", "Interval" },
		      { "--timeout=", "Timeout" },
		      { "--start-period=", "StartPeriod" },
		      { "--start-interval=", "StartInterval" },
		      { "--retries=", "Retries" } };
	_cleanup_free_ char *word = strndup(text, size);
	unsigned long long retries;
	double number;

	if (!word)
		return error_oom(error);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		const char *value = word + strlen(flags[i].flag);

		if (!str_has_prefix(word, flags[i].flag))
			continue;
		if (i + 1 == ARRAY_SIZE(flags) ? !str_to_u64(value, &retries) || retries > 1000000 : !parse_duration(value, &number))
			return error_set(error, SCOW_E_INVALID, "'%.60s' has a bad value", word);
		return put(health, flags[i].member, cJSON_CreateNumber(i + 1 == ARRAY_SIZE(flags) ? (double) retries : number), error);
	}
	return error_set(error, SCOW_E_INVALID, "HEALTHCHECK has no flag '%.60s'", word);
}

static cJSON *health_test(const char *text)
{
	cJSON *array = json_form(text), *first = cJSON_CreateString("CMD");

	if (array && first && cJSON_InsertItemInArray(array, 0, first))
		return array;
	cJSON_Delete(first);
	if (array) {
		cJSON_Delete(array);
		return NULL;
	}
	return cJSON_CreateStringArray((const char *const[]){ "CMD-SHELL", text }, 2);
}

static int fill_health(cJSON *health, const char *text, scow_error **error)
{
	int r = 0;

	while (r == 0 && str_has_prefix(text, "--")) {
		size_t n = strcspn(text, " \t");

		r = health_flag(health, text, n, error);
		text += n + strspn(text + n, " \t");
	}
	if (r < 0)
		return r;
	if (strcasecmp(text, "NONE") == 0)
		return put(health, "Test", cJSON_CreateStringArray((const char *const[]){ "NONE" }, 1), error);
	if (strncasecmp(text, "CMD", 3) != 0 || !isspace((unsigned char) text[3]))
		return error_set(error, SCOW_E_INVALID, "HEALTHCHECK wants CMD and a command, or NONE");
	text += 3 + strspn(text + 3, " \t");
	if (!*text)
		return error_set(error, SCOW_E_INVALID, "HEALTHCHECK CMD has no command");
	return put(health, "Test", health_test(text), error);
}

static int do_healthcheck(cJSON *config, const char *text, scow_error **error)
{
	cJSON *health = cJSON_CreateObject();
	int r = health ? fill_health(health, text, error) : error_oom(error);

	if (r == 0)
		return put(config, "Healthcheck", health, error);
	cJSON_Delete(health);
	return r;
}

static const struct {
	const char *name;
	int (*apply)(cJSON *config, const char *text, scow_error **error);
} instructions[] = {
	{ "CMD", do_cmd },
	{ "ENTRYPOINT", do_entrypoint },
	{ "ENV", do_env },
	{ "EXPOSE", do_expose },
	{ "HEALTHCHECK", do_healthcheck },
	{ "LABEL", do_label },
	{ "ONBUILD", do_onbuild },
	{ "SHELL", do_shell },
	{ "STOPSIGNAL", do_stopsignal },
	{ "USER", do_user },
	{ "VOLUME", do_volume },
	{ "WORKDIR", do_workdir },
};

int instruction_apply(cJSON *config, const char *text, scow_error **error)
{
	size_t n, rest, size;
	_cleanup_free_ char *line = NULL;

	text += strspn(text, " \t\r\n");
	n = strcspn(text, " \t");
	rest = n + strspn(text + n, " \t");
	line = strdup(text + rest);
	if (!line)
		return error_oom(error);
	for (size = strlen(line); size && isspace((unsigned char) line[size - 1]); size--)
		line[size - 1] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(instructions); i++) {
		if (strlen(instructions[i].name) != n || strncasecmp(instructions[i].name, text, n) != 0)
			continue;
		if (!*line)
			return error_set(error, SCOW_E_INVALID, "change '%s': it says nothing", instructions[i].name);
		return error_wrap(error, instructions[i].apply(config, line, error), "change '%.200s'", text);
	}
	return error_hint(error,
			  error_set(error, SCOW_E_INVALID, "change '%.200s': '%.*s' is no instruction that changes settings", text,
				    n > 60 ? 60 : (int) n, text),
			  "CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, SHELL, STOPSIGNAL, USER, VOLUME and WORKDIR do");
}
