/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The container's description: how its programs are scheduled, which nodes their memory comes from, their class of resource control.
 * Words are taken in any spelling and kept as runtime-spec has them. What goes with which policy is checked here, what the host can do
 * at the start.
 */
#include "container/config.h"

#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "container/config-internal.h"
#include "container/options.h"

/* Not in every libc's linux/mempolicy.h. */
#define MODE_PREFERRED_MANY 5
#define MODE_WEIGHTED_INTERLEAVE 6
#define FLAG_NUMA_BALANCING (1 << 13)

struct word {
	const char *name;
	uint32_t number;
};

/* @prefix may be left out, and '-' stands for '_'. */
static const struct word *find_word(const struct word *words, size_t n, const char *prefix, const char *text, size_t size)
{
	for (size_t i = 0; i < n; i++) {
		const char *tail = words[i].name + strlen(prefix);
		const char *forms[] = { words[i].name, tail };

		for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
			size_t k = 0;

			while (k < size && forms[f][k] &&
			       (strncasecmp(&forms[f][k], &text[k], 1) == 0 || (forms[f][k] == '_' && text[k] == '-')))
				k++;
			if (k == size && !forms[f][k])
				return &words[i];
		}
	}
	return NULL;
}

static const char *word_name(const struct word *word, uint32_t *number)
{
	if (word && number)
		*number = word->number;
	return word ? word->name : NULL;
}

const char *scheduler_policy(const char *text, size_t size, uint32_t *number)
{
	static const struct word words[] = {
		{ "SCHED_OTHER", SCHED_NORMAL }, { "SCHED_FIFO", SCHED_FIFO }, { "SCHED_RR", SCHED_RR },
		{ "SCHED_BATCH", SCHED_BATCH },  { "SCHED_IDLE", SCHED_IDLE }, { "SCHED_DEADLINE", SCHED_DEADLINE },
	};

	return word_name(find_word(words, ARRAY_SIZE(words), "SCHED_", text, size), number);
}

const char *scheduler_flag(const char *text, size_t size, uint64_t *bit)
{
	/* Clamps of utilisation need values, which runtime-spec has no place for. */
	static const struct word words[] = {
		{ "SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK }, { "SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM },
		{ "SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN },       { "SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY },
		{ "SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS },
	};
	uint32_t number = 0;
	const char *name = word_name(find_word(words, ARRAY_SIZE(words), "SCHED_FLAG_", text, size), &number);

	if (bit)
		*bit = number;
	return name;
}

const char *io_class(const char *text, size_t size, uint32_t *number)
{
	static const struct word words[] = { { "IOPRIO_CLASS_RT", 1 }, { "IOPRIO_CLASS_BE", 2 }, { "IOPRIO_CLASS_IDLE", 3 } };

	return word_name(find_word(words, ARRAY_SIZE(words), "IOPRIO_CLASS_", text, size), number);
}

const char *memory_mode(const char *text, size_t size, uint32_t *number)
{
	static const struct word words[] = {
		{ "MPOL_DEFAULT", MPOL_DEFAULT },
		{ "MPOL_PREFERRED", MPOL_PREFERRED },
		{ "MPOL_BIND", MPOL_BIND },
		{ "MPOL_INTERLEAVE", MPOL_INTERLEAVE },
		{ "MPOL_LOCAL", MPOL_LOCAL },
		{ "MPOL_PREFERRED_MANY", MODE_PREFERRED_MANY },
		{ "MPOL_WEIGHTED_INTERLEAVE", MODE_WEIGHTED_INTERLEAVE },
	};

	return word_name(find_word(words, ARRAY_SIZE(words), "MPOL_", text, size), number);
}

const char *memory_flag(const char *text, size_t size, uint32_t *bit)
{
	static const struct word words[] = {
		{ "MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES },
		{ "MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES },
		{ "MPOL_F_NUMA_BALANCING", FLAG_NUMA_BALANCING },
	};

	return word_name(find_word(words, ARRAY_SIZE(words), "MPOL_F_", text, size), bit);
}

bool bits_parse(const char *list, struct spec_bits *out)
{
	*out = (struct spec_bits){ { 0 } };
	for (const char *at = list; *at; at += *at == ',') {
		char *end;
		unsigned long first = strtoul(at, &end, 10), last = *end == '-' ? strtoul(end + 1, &end, 10) : first;

		if (first >= SPEC_BITS_MAX || last >= SPEC_BITS_MAX || end == at)
			return false;
		for (unsigned long bit = first; bit <= last; bit++)
			out->words[bit / 64] |= UINT64_C(1) << bit % 64;
		at = end;
	}
	return true;
}

/* A comma-separated list of flags, each known; false after refusing. */
static bool put_flags(scow_container_config *config, const char *setter, const char *list, bool scheduler, const char ***out, size_t *count)
{
	*out = NULL;
	*count = 0;
	for (const char *at = list; at && *at;) {
		size_t size = strcspn(at, ",");
		const char *name = scheduler ? scheduler_flag(at, size, NULL) : memory_flag(at, size, NULL);

		if (!name)
			return REFUSE_AS(config, setter, "'%.*s' is no flag of a %s policy", (int) size, at,
					 scheduler ? "scheduling" : "memory"),
			       false;
		config_add_string(config, out, count, name);
		at += size + (at[size] == ',');
	}
	return true;
}

void scow_container_config_set_scheduler(scow_container_config *config, const char *policy, int nice, unsigned int priority,
					 const char *flags)
{
	struct config_scheduler scheduler = { .nice = nice, .priority = priority };
	uint32_t number = 0;
	bool realtime;

	if (!config)
		return;
	if (!policy) {
		config->scheduler = scheduler;
		return;
	}
	scheduler.policy = scheduler_policy(policy, strlen(policy), &number);
	realtime = number == SCHED_FIFO || number == SCHED_RR;
	if (!scheduler.policy)
		return REFUSE(config, "'%.40s' is not a policy: other, batch, idle, fifo or rr", policy);
	if (number == SCHED_DEADLINE)
		return REFUSE(config, "'%s' needs a runtime, a deadline and a period", scheduler.policy);
	if (nice < -20 || nice > 19 || (nice && (realtime || number == SCHED_IDLE)))
		return REFUSE(config, "'%s' with a nice value of %d: -20 to 19, and for 'other' and 'batch' only", scheduler.policy, nice);
	if (realtime ? priority < 1 || priority > 99 : priority)
		return REFUSE(config, "'%s' with a priority of %u: 1 to 99 for 'fifo' and 'rr', and none for others", scheduler.policy,
			      priority);
	if (put_flags(config, __func__, flags, true, &scheduler.flags, &scheduler.n_flags))
		config->scheduler = scheduler;
}

void scow_container_config_set_scheduler_deadline(scow_container_config *config, uint64_t runtime_ns, uint64_t deadline_ns,
						  uint64_t period_ns, const char *flags)
{
	struct config_scheduler scheduler = {
		.policy = "SCHED_DEADLINE", .runtime_ns = runtime_ns, .deadline_ns = deadline_ns, .period_ns = period_ns
	};

	if (!config)
		return;
	/* The kernel's own rule; a period of 0 is the deadline. */
	if (runtime_ns < 1024 || runtime_ns > deadline_ns || (period_ns && deadline_ns > period_ns) || period_ns > CONFIG_NUMBER_MAX ||
	    deadline_ns > CONFIG_NUMBER_MAX)
		return REFUSE(config, "a runtime of %llu ns, a deadline of %llu and a period of %llu: each must be at least the one before",
			      (unsigned long long) runtime_ns, (unsigned long long) deadline_ns, (unsigned long long) period_ns);
	if (put_flags(config, __func__, flags, true, &scheduler.flags, &scheduler.n_flags))
		config->scheduler = scheduler;
}

void scow_container_config_set_io_priority(scow_container_config *config, const char *io_class_name, unsigned int level)
{
	const char *name = io_class_name ? io_class(io_class_name, strlen(io_class_name), NULL) : NULL;

	if (!config)
		return;
	if (io_class_name && !name)
		return REFUSE(config, "'%.40s' is not a class of i/o: rt, be or idle", io_class_name);
	if (level > 7)
		return REFUSE(config, "%u is not a level of 0 to 7", level);
	config->io_class = name;
	config->io_level = level;
}

void scow_container_config_set_memory_policy(scow_container_config *config, const char *mode, const char *nodes, const char *flags)
{
	struct config_memory_policy policy = { .mode = NULL };
	struct spec_bits bits;
	uint32_t number = 0;
	bool takes_nodes;

	if (!config)
		return;
	if (mode && !(policy.mode = memory_mode(mode, strlen(mode), &number)))
		return REFUSE(config, "'%.40s' is not a memory policy such as 'bind' or 'interleave'", mode);
	if (nodes && !*nodes)
		nodes = NULL;
	if (nodes && (!cpuset_is_valid(nodes) || !bits_parse(nodes, &bits)))
		return REFUSE(config, "'%.80s' is not a list of memory nodes such as '0,1'", nodes);
	takes_nodes = policy.mode && number != MPOL_DEFAULT && number != MPOL_LOCAL;
	if (nodes && !takes_nodes)
		return REFUSE(config, "'%s' takes no memory nodes", policy.mode ? policy.mode : "");
	if (!nodes && takes_nodes && number != MPOL_PREFERRED)
		return REFUSE(config, "'%s' needs memory nodes", policy.mode);
	if (!put_flags(config, __func__, flags, false, &policy.flags, &policy.n_flags))
		return;
	config_set_string(config, &policy.nodes, nodes);
	config->memory_policy = policy;
}

void scow_container_config_set_exec_cpus(scow_container_config *config, const char *cpus)
{
	struct spec_bits bits;

	if (!config)
		return;
	if (cpus && (!cpuset_is_valid(cpus) || !bits_parse(cpus, &bits)))
		return REFUSE(config, "'%.80s' is not a list of CPUs such as '0-2,4'", cpus);
	config_set_string(config, &config->exec_cpus, cpus);
}

void scow_container_config_set_rdt_class(scow_container_config *config, const char *name)
{
	if (!config)
		return;
	/* A directory of resctrl; those that the kernel has there are none. */
	if (name && (!name_is_clean(name) || strchr(name, '/') || *name == '.' || strlen(name) > 255 || str_eq(name, "info") ||
		     str_eq(name, "mon_groups") || str_eq(name, "mon_data")))
		return REFUSE(config, "'%.80s' is not the name of a class of resource control", name);
	config_set_string(config, &config->rdt_class, name);
}
