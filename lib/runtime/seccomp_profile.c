/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads a profile in Docker's format: which rules apply is decided here, by the container's capabilities, the kernel and the
 * machine, so that what is left is a plain list. Also takes the runtime-spec's format, which has "architectures" and no conditions.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "runtime/caps.h"
#include "runtime/seccomp-internal.h"

#define RULES_MAX 8192
#define NAMES_MAX 65536

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SCMP_ARCH_LOONGARCH64
#define SCMP_ARCH_LOONGARCH64 0xc0000102u
#endif

struct word {
	const char *name;
	uint32_t value;
};

/* An action that takes an errno has none yet. */
static const struct word actions[] = {
	{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
	{ "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0) },
	{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
	{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
	{ "SCMP_ACT_TRACE", SCMP_ACT_TRACE(0) },
	{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
};

static const struct word operators[] = {
	{ "SCMP_CMP_NE", SCMP_CMP_NE },
	{ "SCMP_CMP_LT", SCMP_CMP_LT },
	{ "SCMP_CMP_LE", SCMP_CMP_LE },
	{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
	{ "SCMP_CMP_GE", SCMP_CMP_GE },
	{ "SCMP_CMP_GT", SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
};

static const struct word archs[] = {
	{ "SCMP_ARCH_NATIVE", SCMP_ARCH_NATIVE },
	{ "SCMP_ARCH_X86", SCMP_ARCH_X86 },
	{ "SCMP_ARCH_X86_64", SCMP_ARCH_X86_64 },
	{ "SCMP_ARCH_X32", SCMP_ARCH_X32 },
	{ "SCMP_ARCH_ARM", SCMP_ARCH_ARM },
	{ "SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64 },
	{ "SCMP_ARCH_MIPS", SCMP_ARCH_MIPS },
	{ "SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64 },
	{ "SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32 },
	{ "SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL },
	{ "SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64 },
	{ "SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32 },
	{ "SCMP_ARCH_PPC", SCMP_ARCH_PPC },
	{ "SCMP_ARCH_PPC64", SCMP_ARCH_PPC64 },
	{ "SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE },
	{ "SCMP_ARCH_S390", SCMP_ARCH_S390 },
	{ "SCMP_ARCH_S390X", SCMP_ARCH_S390X },
	{ "SCMP_ARCH_PARISC", SCMP_ARCH_PARISC },
	{ "SCMP_ARCH_PARISC64", SCMP_ARCH_PARISC64 },
	{ "SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64 },
	{ "SCMP_ARCH_LOONGARCH64", SCMP_ARCH_LOONGARCH64 },
};

/* scow-init has one thread, so that TSYNC asks for nothing. */
static const struct word flags[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", 0 },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV },
};

static const struct word *find_word(const struct word *words, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(words[i].name, name))
			return &words[i];
	return NULL;
}
#define FIND_WORD(table, name) find_word(table, ARRAY_SIZE(table), name)

/* What is being read, for all the small readers below. */
struct reader {
	struct seccomp_profile *out;
	uint64_t capabilities;
	unsigned int kernel;
	size_t rule; /* for errors */
};

static int read_action(const cJSON *object, const char *field, const char *errno_field, const char *where, uint32_t *out,
		       scow_error **error)
{
	const struct word *action;
	const char *name = NULL;
	int64_t errno_ret = EPERM;
	int r = json_string(object, field, &name, error);

	if (r < 0)
		return r;
	if (!name)
		return error_set(error, SCOW_E_INVALID, "%s has no %s", where, field);
	if (str_eq(name, "SCMP_ACT_NOTIFY"))
		return error_set(error, SCOW_E_UNSUPPORTED, "%s: the action SCMP_ACT_NOTIFY needs a listener, which we have none of",
				 where);
	action = FIND_WORD(actions, name);
	if (!action)
		return error_set(error, SCOW_E_INVALID, "%s: '%.64s' is no %s", where, name, field);
	r = json_i64(object, errno_field, &errno_ret, error);
	if (r < 0)
		return r;
	if (errno_ret < 0 || errno_ret > 4095)
		return error_set(error, SCOW_E_INVALID, "%s: %s %lld is no error number", where, errno_field, (long long) errno_ret);
	*out = action->value;
	if (action->value == SCMP_ACT_ERRNO(0) || action->value == SCMP_ACT_TRACE(0))
		*out |= (uint32_t) errno_ret;
	return 0;
}

/* ---- conditions ---- */

static bool strings_have(const cJSON *strings, const char *wanted)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, strings) if (str_eq(item->valuestring, wanted)) return true;
	return false;
}

/* How many of the named capabilities the container has. A name that is newer than we are is one that it has not. */
static int count_caps(const cJSON *names, uint64_t capabilities)
{
	const cJSON *item;
	int held = 0;

	cJSON_ArrayForEach(item, names)
	{
		int bit = caps_parse(item->valuestring);

		held += bit >= 0 && (capabilities >> bit & 1);
	}
	return held;
}

static int kernel_is_at_least(const char *text, unsigned int kernel, bool *out, scow_error **error)
{
	unsigned int major, minor;

	if (sscanf(text, "%5u.%5u", &major, &minor) != 2 || minor > 0xffff)
		return error_set(error, SCOW_E_INVALID, "minKernel '%.32s' is no kernel version", text);
	*out = kernel >= (major << 16 | minor);
	return 0;
}

/* "includes": all must hold; "excludes": none may. */
static int condition_holds(const struct reader *reader, const cJSON *rule, const char *field, bool including, bool *out, scow_error **error)
{
	const cJSON *filter = NULL, *caps = NULL, *arches = NULL;
	const char *min_kernel = NULL;
	bool new_enough = false;
	int r = json_object(rule, field, &filter, error);

	*out = including;
	if (r < 0 || !filter)
		return r;
	r = json_strings(filter, "caps", &caps, error);
	if (r == 0)
		r = json_strings(filter, "arches", &arches, error);
	if (r == 0)
		r = json_string(filter, "minKernel", &min_kernel, error);
	if (r == 0 && min_kernel && *min_kernel)
		r = kernel_is_at_least(min_kernel, reader->kernel, &new_enough, error);
	if (r < 0)
		return r;
	if (including)
		*out = count_caps(caps, reader->capabilities) == cJSON_GetArraySize(caps) &&
		       (!cJSON_GetArraySize(arches) || strings_have(arches, SECCOMP_MACHINE)) &&
		       (!min_kernel || !*min_kernel || new_enough);
	else
		*out = count_caps(caps, reader->capabilities) > 0 || strings_have(arches, SECCOMP_MACHINE) || new_enough;
	return 0;
}

static int rule_applies(const struct reader *reader, const cJSON *rule, bool *out, scow_error **error)
{
	bool included, excluded;
	int r = condition_holds(reader, rule, "includes", true, &included, error);

	if (r == 0)
		r = condition_holds(reader, rule, "excludes", false, &excluded, error);
	if (r == 0)
		*out = included && !excluded;
	return r;
}

/* ---- rules ---- */

/* cJSON has doubles only, which hold whole numbers up to 2^53: a value beyond must not be read as one nearby. */
static int read_value(const cJSON *arg, const char *field, uint64_t *out, scow_error **error)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(arg, field);

	*out = 0;
	if (!item || cJSON_IsNull(item))
		return 0;
	if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= 9007199254740992.0))
		return error_set(error, SCOW_E_INVALID, "args: %s is no number from 0 to 2^53", field);
	*out = (uint64_t) item->valuedouble;
	return (double) *out == item->valuedouble ? 0 : error_set(error, SCOW_E_INVALID, "args: %s is not a whole number", field);
}

static int read_arg(const cJSON *item, struct seccomp_arg *out, scow_error **error)
{
	const struct word *op;
	const char *name = NULL;
	int64_t index = -1;
	int r;

	if (!cJSON_IsObject(item))
		return error_set(error, SCOW_E_INVALID, "args: expected objects");
	r = json_i64(item, "index", &index, error);
	if (r == 0 && (index < 0 || index > 5))
		return error_set(error, SCOW_E_INVALID, "args: index %lld is not 0 to 5", (long long) index);
	if (r == 0)
		r = json_string(item, "op", &name, error);
	if (r == 0)
		r = read_value(item, "value", &out->value, error);
	if (r == 0)
		r = read_value(item, "valueTwo", &out->value_two, error);
	if (r < 0)
		return r;
	op = FIND_WORD(operators, name);
	if (!op)
		return error_set(error, SCOW_E_INVALID, "args: '%.64s' is no op", name ? name : "");
	out->index = (unsigned int) index;
	out->op = op->value;
	return 0;
}

static int read_args(const cJSON *object, struct seccomp_rule *rule, scow_error **error)
{
	const cJSON *args = NULL, *item;
	int r = json_array(object, "args", &args, error);

	if (r < 0)
		return r;
	cJSON_ArrayForEach(item, args)
	{
		if (rule->n_args == ARRAY_SIZE(rule->args))
			return error_set(error, SCOW_E_INVALID, "args: more than %zu", ARRAY_SIZE(rule->args));
		r = read_arg(item, &rule->args[rule->n_args++], error);
		if (r < 0)
			return r;
	}
	return 0;
}

static int remember(struct seccomp_profile *out, const char *name, scow_error **error)
{
	const char **slot;

	if (out->n_known == NAMES_MAX)
		return error_set(error, SCOW_E_INVALID, "more than %d names", NAMES_MAX);
	slot = arena_append(&out->arena, &out->known, &out->n_known, sizeof(*slot));
	if (!slot)
		return error_oom(error);
	*slot = arena_strdup(&out->arena, name);
	return *slot ? 0 : error_oom(error);
}

/* "names", or the older "name". They lie in a row in known[]: first and count. */
static int read_names(struct seccomp_profile *out, const cJSON *object, size_t *first, scow_error **error)
{
	const cJSON *names = NULL, *item;
	const char *name = NULL;
	int r = json_strings(object, "names", &names, error);

	*first = out->n_known;
	if (r == 0)
		r = json_string(object, "name", &name, error);
	if (r == 0 && name && *name)
		r = remember(out, name, error);
	cJSON_ArrayForEach(item, names) r = r < 0 ? r : remember(out, item->valuestring, error);
	if (r == 0 && out->n_known == *first)
		return error_set(error, SCOW_E_INVALID, "names no system call");
	return r;
}

static int read_rule(struct reader *reader, const cJSON *object, scow_error **error)
{
	struct seccomp_profile *out = reader->out;
	struct seccomp_rule rule = { 0 }, *slot;
	bool applies = false;
	int r;

	if (!cJSON_IsObject(object))
		return error_set(error, SCOW_E_INVALID, "expected an object");
	r = read_names(out, object, &rule.first_name, error);
	if (r == 0)
		r = read_action(object, "action", "errnoRet", "the rule", &rule.action, error);
	if (r == 0)
		r = read_args(object, &rule, error);
	if (r == 0)
		r = rule_applies(reader, object, &applies, error);
	if (r < 0 || !applies)
		return r;
	slot = arena_append(&out->arena, &out->rules, &out->n_rules, sizeof(*slot));
	if (!slot)
		return error_oom(error);
	rule.n_names = out->n_known - rule.first_name;
	*slot = rule;
	return 0;
}

static int read_rules(struct reader *reader, const cJSON *root, scow_error **error)
{
	const cJSON *rules = NULL, *item;
	int r = json_array(root, "syscalls", &rules, error);

	if (r < 0)
		return r;
	cJSON_ArrayForEach(item, rules)
	{
		if (reader->rule == RULES_MAX)
			return error_set(error, SCOW_E_INVALID, "more than %d rules", RULES_MAX);
		r = read_rule(reader, item, error);
		if (r < 0)
			return error_wrap(error, r, "syscalls[%zu]", reader->rule);
		reader->rule++;
	}
	return 0;
}

/* ---- the head ---- */

static int add_archs(struct seccomp_profile *out, const cJSON *names, bool strict, scow_error **error)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, names)
	{
		const struct word *arch = FIND_WORD(archs, item->valuestring);

		if (!arch && strict)
			return error_set(error, SCOW_E_INVALID, "'%.64s' is no architecture", item->valuestring);
		if (arch && out->n_archs == ARRAY_SIZE(out->archs))
			return error_set(error, SCOW_E_INVALID, "more than %zu architectures", ARRAY_SIZE(out->archs));
		if (arch)
			out->archs[out->n_archs++] = arch->value;
	}
	return 0;
}

static int read_archs(struct seccomp_profile *out, const cJSON *root, scow_error **error)
{
	const cJSON *list = NULL, *map = NULL, *item;
	int r = json_strings(root, "architectures", &list, error);

	if (r == 0)
		r = json_array(root, "archMap", &map, error);
	if (r < 0)
		return r;
	if (cJSON_GetArraySize(list) && cJSON_GetArraySize(map))
		return error_set(error, SCOW_E_INVALID, "only one of architectures and archMap may be given");
	r = add_archs(out, list, true, error);
	if (r < 0)
		return r;
	cJSON_ArrayForEach(item, map)
	{
		const cJSON *others = NULL;
		const char *name = NULL;

		if (!cJSON_IsObject(item))
			return error_set(error, SCOW_E_INVALID, "archMap: expected objects");
		r = json_string(item, "architecture", &name, error);
		if (r == 0)
			r = json_strings(item, "subArchitectures", &others, error);
		if (r == 0 && str_eq(name, SECCOMP_ARCH))
			r = add_archs(out, others, false, error);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_flags(struct seccomp_profile *out, const cJSON *root, scow_error **error)
{
	const cJSON *names = NULL, *item;
	int r = json_strings(root, "flags", &names, error);

	if (r < 0)
		return r;
	cJSON_ArrayForEach(item, names)
	{
		const struct word *flag = FIND_WORD(flags, item->valuestring);

		if (!flag)
			return error_set(error, SCOW_E_INVALID, "'%.64s' is no flag", item->valuestring);
		out->flags |= flag->value;
	}
	return 0;
}

static int read_profile(struct reader *reader, const cJSON *root, scow_error **error)
{
	int r;

	if (!cJSON_IsObject(root))
		return error_set(error, SCOW_E_INVALID, "expected an object");
	r = read_action(root, "defaultAction", "defaultErrnoRet", "the profile", &reader->out->default_action, error);
	if (r == 0)
		r = read_archs(reader->out, root, error);
	if (r == 0)
		r = read_flags(reader->out, root, error);
	return r < 0 ? r : read_rules(reader, root, error);
}

int seccomp_profile_parse(const char *text, size_t size, uint64_t capabilities, unsigned int kernel, struct seccomp_profile *out,
			  scow_error **error)
{
	struct reader reader = { .out = out, .capabilities = capabilities, .kernel = kernel };
	_cleanup_json_ cJSON *root = NULL;
	scow_error *inner = NULL;
	int r;

	*out = (struct seccomp_profile){ 0 };
	r = json_parse(text, size, "JSON", &root, &inner);
	if (r == 0)
		r = read_profile(&reader, root, &inner);
	if (r == 0)
		return 0;
	seccomp_profile_done(out);
	/* To the JSON reader a malformed document is a corrupt one; here it is a caller's argument. */
	if (r == SCOW_E_CORRUPT)
		r = SCOW_E_INVALID;
	r = r == SCOW_E_NO_MEMORY ? error_oom(error) : error_set(error, r, "seccomp profile: %s", scow_error_message(inner));
	error_clear(&inner);
	return r;
}

void seccomp_profile_done(struct seccomp_profile *profile)
{
	arena_done(&profile->arena);
	*profile = (struct seccomp_profile){ 0 };
}
