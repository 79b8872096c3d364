/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The config as a document in the shape of Docker's container-create request: reading. config-json-host.c and
 * config-json-limits.c have the fields of HostConfig, config-format.c writes.
 *
 * Every value goes through the setter of its field, so a document can say no more than a program can; errors
 * carry the field's path. A field that is not known, or not built yet, is refused unless it has its empty value:
 * Docker's clients send all of them.
 *
 * Fields of ours that Docker does not have: Name (as in its inspect), HostConfig.TimeMode, IDMappings (podman's), HugepageLimits, RdmaLimits,
 * Scheduler, IOPriority, MemoryPolicy, ExecCpus, and podman's CgroupConf and IntelRdtClosID there, fractions in StopTimeout, and "Options" of a bind mount.
 */
#include "container/config-json.h"
#include "container/config-network.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

void reader_refuse(struct reader *reader, scow_status status, const char *reason)
{
	config_refuse(reader->config, status, reader->path, "%s", reason);
}

bool number_read(const cJSON *item, int64_t *out)
{
	double value = cJSON_IsNumber(item) ? item->valuedouble : 0.5;

	if (value != floor(value) || fabs(value) > (double) CONFIG_NUMBER_MAX)
		return false;
	*out = (int64_t) value;
	return true;
}

bool is_empty(const cJSON *item)
{
	return cJSON_IsNull(item) || cJSON_IsFalse(item) || (cJSON_IsNumber(item) && item->valuedouble == 0) ||
	       (cJSON_IsString(item) && !*item->valuestring) || ((cJSON_IsArray(item) || cJSON_IsObject(item)) && !item->child);
}

bool is_empty_within(const cJSON *item)
{
	const cJSON *child;

	if (!cJSON_IsArray(item) && !cJSON_IsObject(item))
		return is_empty(item);
	cJSON_ArrayForEach(child, item) if (!is_empty_within(child)) return false;
	return true;
}

static void read_number(struct reader *reader, const struct field *field, const cJSON *item)
{
	int64_t number;

	if (!number_read(item, &number))
		return reader_refuse(reader, SCOW_E_INVALID, "expected a whole number");
	if (field->kind == FIELD_I64)
		return field->to.i64(reader->config, number);
	if (number < 0)
		return reader_refuse(reader, SCOW_E_INVALID, "expected a number that is not negative");
	field->to.u64(reader->config, (uint64_t) number);
}

static void read_each(struct reader *reader, const struct field *field, const cJSON *item)
{
	const cJSON *child;

	if (!cJSON_IsArray(item))
		return reader_refuse(reader, SCOW_E_INVALID, "expected an array of strings");
	cJSON_ArrayForEach(child, item)
	{
		if (!cJSON_IsString(child))
			return reader_refuse(reader, SCOW_E_INVALID, "expected an array of strings");
		field->to.string(reader->config, child->valuestring);
	}
}

static void read_field(struct reader *reader, const struct field *field, const cJSON *item)
{
	switch (field->kind) {
	case FIELD_STRING:
		if (!cJSON_IsString(item))
			return reader_refuse(reader, SCOW_E_INVALID, "expected a string");
		if (*item->valuestring)
			field->to.string(reader->config, item->valuestring);
		break;
	case FIELD_FLAG:
		if (!cJSON_IsBool(item))
			return reader_refuse(reader, SCOW_E_INVALID, "expected true or false");
		field->to.flag(reader->config, cJSON_IsTrue(item));
		break;
	case FIELD_U64:
	case FIELD_I64:
		read_number(reader, field, item);
		break;
	case FIELD_EACH:
		read_each(reader, field, item);
		break;
	case FIELD_READ:
		field->to.read(reader, item);
		break;
	case FIELD_IGNORE:
		break;
	}
}

static const struct field *find_field(const struct field *fields, size_t n_fields, const char *name)
{
	for (size_t i = 0; i < n_fields; i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

static void read_member(struct reader *reader, const struct field *field, const char *prefix, const cJSON *item)
{
	snprintf(reader->path, sizeof(reader->path), "%s%s", prefix, item->string);
	if (field && !cJSON_IsNull(item))
		read_field(reader, field, item);
	else if (!field && !is_empty(item))
		reader_refuse(reader, SCOW_E_UNSUPPORTED, "this version cannot honour it");
}

/* ---- fields with a shape of their own ---- */

const char **vector_read(struct reader *reader, const cJSON *item)
{
	size_t n = (size_t) cJSON_GetArraySize(item), used = 0;
	const char **words = calloc(n + 1, sizeof(*words));
	const cJSON *child;

	if (!words) {
		reader->config->arena.failed = true;
		return NULL;
	}
	cJSON_ArrayForEach(child, item)
	{
		if (!cJSON_IsString(child))
			break;
		words[used++] = child->valuestring;
	}
	if (cJSON_IsArray(item) && used == n)
		return words;
	reader_refuse(reader, SCOW_E_INVALID, "expected an array of strings");
	free(words);
	return NULL;
}

static void read_command(struct reader *reader, const cJSON *item)
{
	_cleanup_free_ const char **words = vector_read(reader, item);

	if (words)
		scow_container_config_set_command(reader->config, words);
}

static void read_entrypoint(struct reader *reader, const cJSON *item)
{
	_cleanup_free_ const char **words = vector_read(reader, item);

	if (words)
		scow_container_config_set_entrypoint(reader->config, words);
}

/* "NAME=value", or "NAME": taken away. */
static void read_env(scow_container_config *config, const char *text)
{
	const char *equals = strchr(text, '=');
	_cleanup_free_ char *name = equals ? strndup(text, (size_t) (equals - text)) : strdup(text);

	if (name)
		scow_container_config_set_env(config, name, equals ? equals + 1 : NULL);
	else
		config->arena.failed = true;
}

void read_map(struct reader *reader, const cJSON *item, void (*set)(scow_container_config *, const char *, const char *))
{
	const cJSON *child;

	if (!cJSON_IsObject(item))
		return reader_refuse(reader, SCOW_E_INVALID, "expected an object of strings");
	cJSON_ArrayForEach(child, item)
	{
		if (!cJSON_IsString(child))
			return reader_refuse(reader, SCOW_E_INVALID, "expected an object of strings");
		set(reader->config, child->string, child->valuestring);
	}
}

static void read_labels(struct reader *reader, const cJSON *item)
{
	read_map(reader, item, scow_container_config_add_label);
}

static void read_name(scow_container_config *config, const char *name)
{
	scow_container_config_set_name(config, *name == '/' ? name + 1 : name);
}

static void read_stop_timeout(struct reader *reader, const cJSON *item)
{
	double ms = cJSON_IsNumber(item) ? item->valuedouble * 1000 : NAN;

	if (isnan(ms) || ms > INT32_MAX)
		return reader_refuse(reader, SCOW_E_INVALID, "expected a number of seconds");
	scow_container_config_set_stop_timeout_ms(reader->config, ms < 0 ? -1 : (int) lround(ms));
}

/* Without a network of its own is what this engine's default is. */
static void read_network_disabled(scow_container_config *config, int disabled)
{
	if (disabled)
		scow_container_config_set_namespace(config, SCOW_NAMESPACE_NETWORK, "none");
}

/* Nanoseconds, as a whole number of milliseconds. */
static bool read_duration(struct reader *reader, const cJSON *item, unsigned int *ms)
{
	int64_t ns;

	if (!number_read(item, &ns) || ns < 0 || ns / 1000000 > UINT32_MAX || (ns && ns < 1000000)) {
		reader_refuse(reader, SCOW_E_INVALID, "expected nanoseconds: 0, or a millisecond (1000000) and more");
		return false;
	}
	if (ns % 1000000) {
		reader_refuse(reader, SCOW_E_UNSUPPORTED, "finer than a millisecond");
		return false;
	}
	*ms = (unsigned int) (ns / 1000000);
	return true;
}

static void read_healthcheck(struct reader *reader, const cJSON *item)
{
	enum { INTERVAL, TIMEOUT, START_PERIOD, START_INTERVAL, N_TIMES };
	static const char *const times[N_TIMES] = { "Interval", "Timeout", "StartPeriod", "StartInterval" };
	const cJSON *test = cJSON_GetObjectItemCaseSensitive(item, "Test"), *child;
	_cleanup_free_ const char **words = NULL;
	unsigned int ms[N_TIMES] = { 0 };
	int64_t retries = 0;

	if (!cJSON_IsObject(item))
		return reader_refuse(reader, SCOW_E_INVALID, "expected an object");
	if (test && !cJSON_IsNull(test) && !(words = vector_read(reader, test)))
		return;
	for (size_t i = 0; i < N_TIMES; i++) {
		child = cJSON_GetObjectItemCaseSensitive(item, times[i]);
		snprintf(reader->path, sizeof(reader->path), "Healthcheck.%s", times[i]);
		if (child && !cJSON_IsNull(child) && !read_duration(reader, child, &ms[i]))
			return;
	}
	snprintf(reader->path, sizeof(reader->path), "Healthcheck");
	child = cJSON_GetObjectItemCaseSensitive(item, "Retries");
	if (child && !cJSON_IsNull(child) && (!number_read(child, &retries) || retries < 0 || retries > INT32_MAX))
		return reader_refuse(reader, SCOW_E_INVALID, "expected a number of Retries that is not negative");
	scow_container_config_set_health(reader->config, words, ms[INTERVAL], ms[TIMEOUT], ms[START_PERIOD], ms[START_INTERVAL],
					 (unsigned int) retries);
}

static void read_host_config(struct reader *reader, const cJSON *item)
{
	const cJSON *child;

	if (!cJSON_IsObject(item))
		return reader_refuse(reader, SCOW_E_INVALID, "expected an object");
	cJSON_ArrayForEach(child, item)
	{
		const struct field *field = find_field(host_fields, n_host_fields, child->string);

		read_member(reader, field ? field : find_field(limit_fields, n_limit_fields, child->string), "HostConfig.", child);
	}
}

static const struct field top_fields[] = {
	{ "Name", FIELD_STRING, { .string = read_name } },
	{ "Hostname", FIELD_STRING, { .string = scow_container_config_set_hostname } },
	{ "Domainname", FIELD_STRING, { .string = scow_container_config_set_domainname } },
	{ "User", FIELD_STRING, { .string = scow_container_config_set_user } },
	{ "Tty", FIELD_FLAG, { .flag = scow_container_config_set_tty } },
	{ "OpenStdin", FIELD_FLAG, { .flag = scow_container_config_set_open_stdin } },
	{ "StdinOnce", FIELD_FLAG, { .flag = scow_container_config_set_stdin_once } },
	{ "Env", FIELD_EACH, { .string = read_env } },
	{ "Cmd", FIELD_READ, { .read = read_command } },
	{ "Entrypoint", FIELD_READ, { .read = read_entrypoint } },
	{ "WorkingDir", FIELD_STRING, { .string = scow_container_config_set_workdir } },
	{ "Labels", FIELD_READ, { .read = read_labels } },
	{ "Volumes", FIELD_READ, { .read = read_volumes } },
	{ "StopSignal", FIELD_STRING, { .string = scow_container_config_set_stop_signal } },
	{ "StopTimeout", FIELD_READ, { .read = read_stop_timeout } },
	{ "NetworkDisabled", FIELD_FLAG, { .flag = read_network_disabled } },
	{ "Healthcheck", FIELD_READ, { .read = read_healthcheck } },
	{ "ExposedPorts", FIELD_READ, { .read = exposed_ports_read } },
	{ "NetworkingConfig", FIELD_READ, { .read = networking_read } },
	{ "HostConfig", FIELD_READ, { .read = read_host_config } },
	/* The image is chosen by the call, streams by its scow_io. */
	{ "Image", FIELD_IGNORE, { NULL } },
	{ "AttachStdin", FIELD_IGNORE, { NULL } },
	{ "AttachStdout", FIELD_IGNORE, { NULL } },
	{ "AttachStderr", FIELD_IGNORE, { NULL } },
};

int scow_container_config_from_json(const char *json, scow_container_config **out, scow_error **error)
{
	_cleanup_(scow_container_config_unrefp) scow_container_config *config = scow_container_config_new();
	scow_error *malformed = NULL;
	_cleanup_json_ cJSON *document = NULL;
	struct reader reader = { .config = config };
	const cJSON *item;
	int r;

	if (!config)
		return error_oom(error);
	if (!json || !out)
		return error_set(error, SCOW_E_INVALID, "no document was given");
	if (json_parse(json, strlen(json), "container config", &document, &malformed) < 0) {
		r = scow_error_status(malformed) == SCOW_E_NO_MEMORY
			    ? error_oom(error)
			    : error_set(error, SCOW_E_INVALID, "%s", scow_error_message(malformed));
		scow_error_unref(malformed);
		return r;
	}
	if (!cJSON_IsObject(document))
		return error_set(error, SCOW_E_INVALID, "container config: expected an object");
	config->field = reader.path;
	cJSON_ArrayForEach(item, document) read_member(&reader, find_field(top_fields, ARRAY_SIZE(top_fields), item->string), "", item);
	config->field = NULL;
	links_settle(config);
	r = config_check_stored(config, error);
	if (r < 0)
		return r;
	*out = take_ptr(&config);
	return 0;
}
