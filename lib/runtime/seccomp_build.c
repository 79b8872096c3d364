/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A profile's rules into BPF. libseccomp knows names, numbers and how to compare arguments; what needs its number looked at only,
 * which is nearly everything, is decided before its part by a search tree over ranges of numbers. The kernel runs a new filter for
 * every system call that there is, to learn which it may skip: with libseccomp's filter alone that takes as long as all the rest
 * of a container's start.
 *
 * 1. The tree answers only where every rule for the call has no arguments and the same action. All else falls through.
 * 2. Numbers above the highest that the profile speaks of get ENOSYS, not EPERM: nobody decided against them, they did not
 *    exist, and programs that try a new system call and fall back on ENOSYS (libc does so all the time) go on working.
 * 3. What the profile names and this libseccomp has never heard of goes by its number: since Linux 5.1 nearly all
 *    machines give a new system call the same one.
 */
#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/lib.h"
#include "base/str.h"
#include "runtime/seccomp-internal.h"

#define X32_BIT 0x40000000u
#define LEAF_REACH 200

static __typeof__(&seccomp_init) p_init;
static __typeof__(&seccomp_release) p_release;
static __typeof__(&seccomp_arch_add) p_arch_add;
static __typeof__(&seccomp_attr_set) p_attr_set;
static __typeof__(&seccomp_rule_add_array) p_rule_add_array;
static __typeof__(&seccomp_syscall_resolve_name) p_resolve_name;
static __typeof__(&seccomp_syscall_resolve_name_arch) p_resolve_name_arch;
static __typeof__(&seccomp_arch_native) p_arch_native;
static __typeof__(&seccomp_export_bpf) p_export_bpf;

static const struct lib_symbol symbols[] = {
	{ "seccomp_init", &p_init },
	{ "seccomp_release", &p_release },
	{ "seccomp_arch_add", &p_arch_add },
	{ "seccomp_attr_set", &p_attr_set },
	{ "seccomp_rule_add_array", &p_rule_add_array },
	{ "seccomp_syscall_resolve_name", &p_resolve_name },
	{ "seccomp_syscall_resolve_name_arch", &p_resolve_name_arch },
	{ "seccomp_arch_native", &p_arch_native },
	{ "seccomp_export_bpf", &p_export_bpf },
};

static struct lib library = {
	.soname = "libseccomp.so.2",
	.purpose = "seccomp profiles",
	.symbols = symbols,
	.n_symbols = ARRAY_SIZE(symbols),
};

static void filter_release(scmp_filter_ctx filter)
{
	p_release(filter);
}
DEFINE_CLEANUP(scmp_filter_ctx, filter_release)

/* Newer than libseccomp 2.5.4, which stops at 450. */
static const struct newer {
	const char *name;
	uint32_t number;
	uint32_t arch; /* the only one that has it, or 0 */
} newer[] = {
	{ "uretprobe", 335, SCMP_ARCH_X86_64 },
	{ "cachestat", 451, 0 },
	{ "fchmodat2", 452, 0 },
	{ "map_shadow_stack", 453, 0 },
	{ "futex_wake", 454, 0 },
	{ "futex_wait", 455, 0 },
	{ "futex_requeue", 456, 0 },
	{ "statmount", 457, 0 },
	{ "listmount", 458, 0 },
	{ "lsm_get_self_attr", 459, 0 },
	{ "lsm_set_self_attr", 460, 0 },
	{ "lsm_list_modules", 461, 0 },
	{ "mseal", 462, 0 },
	{ "setxattrat", 463, 0 },
	{ "getxattrat", 464, 0 },
	{ "listxattrat", 465, 0 },
	{ "removexattrat", 466, 0 },
	{ "open_tree_attr", 467, 0 },
	{ "file_getattr", 468, 0 },
	{ "file_setattr", 469, 0 },
};

/* ---- which calls need no look at their arguments ---- */

struct call {
	const char *name;
	uint32_t action;
	bool by_number; /* the same action, whatever the arguments */
	bool by_tree;   /* and on every architecture the tree finds it: libseccomp need not hear of it */
};

struct calls {
	struct call *items;
	size_t count;
};

static int compare_calls(const void *a, const void *b)
{
	return strcmp(((const struct call *) a)->name, ((const struct call *) b)->name);
}

/* Other calls come in through these two; what they mean together is libseccomp's business. */
static bool is_multiplexer(const char *name)
{
	return str_eq(name, "socketcall") || str_eq(name, "ipc");
}

/* One entry a name, sorted. */
static int collect_calls(const struct seccomp_profile *profile, struct calls *out, scow_error **error)
{
	size_t total = 0;

	out->items = calloc(profile->n_known + 1, sizeof(*out->items));
	if (!out->items)
		return error_oom(error);
	for (size_t i = 0; i < profile->n_rules; i++) {
		const struct seccomp_rule *rule = &profile->rules[i];

		for (size_t n = 0; n < rule->n_names; n++) {
			const char *name = profile->known[rule->first_name + n];

			out->items[total++] = (struct call){ name, rule->action, !rule->n_args && !is_multiplexer(name), false };
		}
	}
	qsort(out->items, total, sizeof(*out->items), compare_calls);
	for (size_t i = 0; i < total; i++) {
		struct call *last = out->count ? &out->items[out->count - 1] : NULL;

		if (last && str_eq(last->name, out->items[i].name))
			last->by_number = last->by_number && out->items[i].by_number && last->action == out->items[i].action;
		else
			out->items[out->count++] = out->items[i];
	}
	return 0;
}

/* Numbers that stand for "through socketcall or ipc on this architecture"; those of calls that it lacks lie far below. */
static bool is_multiplexed(int number)
{
	return number < -100 && number > -1000;
}

/* These count their system calls otherwise, and get no tree. */
static bool is_odd(uint32_t arch)
{
	return arch == SCMP_ARCH_MIPS || arch == SCMP_ARCH_MIPS64 || arch == SCMP_ARCH_MIPS64N32 || arch == SCMP_ARCH_MIPSEL ||
	       arch == SCMP_ARCH_MIPSEL64 || arch == SCMP_ARCH_MIPSEL64N32;
}

struct archs {
	uint32_t items[ARRAY_SIZE(((struct seccomp_profile *) 0)->archs) + 1];
	size_t count;
};

/* The native one and the profile's, each once. */
static struct archs collect_archs(const struct seccomp_profile *profile)
{
	struct archs archs = { .items = { p_arch_native() }, .count = 1 };

	for (size_t i = 0; i < profile->n_archs; i++) {
		bool known = profile->archs[i] == SCMP_ARCH_NATIVE;

		for (size_t n = 0; n < archs.count; n++)
			known = known || archs.items[n] == profile->archs[i];
		if (!known)
			archs.items[archs.count++] = profile->archs[i];
	}
	return archs;
}

static bool has_arch(const struct archs *archs, uint32_t arch)
{
	for (size_t i = 0; i < archs->count; i++)
		if (archs->items[i] == arch)
			return true;
	return false;
}

static void settle_calls(struct calls *calls, const struct archs *archs)
{
	for (size_t i = 0; i < calls->count; i++) {
		struct call *call = &calls->items[i];

		call->by_tree = call->by_number;
		for (size_t n = 0; n < archs->count; n++)
			if (is_odd(archs->items[n]) || is_multiplexed(p_resolve_name_arch(archs->items[n], call->name)))
				call->by_tree = false;
	}
}

/* ---- the rest, through libseccomp ---- */

static int add_rule(scmp_filter_ctx filter, const struct seccomp_rule *rule, int number, const struct seccomp_arg *args, size_t n_args,
		    const char *name, scow_error **error)
{
	struct scmp_arg_cmp compare[ARRAY_SIZE(rule->args)];
	int r;

	for (size_t i = 0; i < n_args; i++)
		compare[i] = (struct scmp_arg_cmp){
			.arg = args[i].index,
			.op = (enum scmp_compare) args[i].op,
			.datum_a = args[i].value, /* MASKED_EQ: the mask */
			.datum_b = args[i].value_two,
		};
	r = p_rule_add_array(filter, rule->action, number, (unsigned int) n_args, n_args ? compare : NULL);
	/* The same rule twice is no mistake: profiles overlap where capabilities do. */
	return r == 0 || r == -EEXIST ? 0 : error_errno_status(error, SCOW_E_INVALID, -r, NULL, "seccomp profile: rule for '%s'", name);
}

/* Within a rule all compares must hold; but one argument compared twice means either (runc's reading, which profiles rely on). */
static bool repeats_argument(const struct seccomp_rule *rule)
{
	unsigned int seen = 0;

	for (size_t i = 0; i < rule->n_args; i++) {
		if (seen & 1u << rule->args[i].index)
			return true;
		seen |= 1u << rule->args[i].index;
	}
	return false;
}

static int add_name(scmp_filter_ctx filter, const struct seccomp_rule *rule, const char *name, scow_error **error)
{
	int number = p_resolve_name(name), r = 0;

	if (number == __NR_SCMP_ERROR) /* newer than the library: the tree's */
		return 0;
	if (!repeats_argument(rule))
		return add_rule(filter, rule, number, rule->args, rule->n_args, name, error);
	for (size_t i = 0; r == 0 && i < rule->n_args; i++)
		r = add_rule(filter, rule, number, &rule->args[i], 1, name, error);
	return r;
}

static int add_rules(scmp_filter_ctx filter, const struct seccomp_profile *profile, const struct calls *calls, scow_error **error)
{
	for (size_t i = 0; i < profile->n_rules; i++) {
		const struct seccomp_rule *rule = &profile->rules[i];

		if (rule->action == profile->default_action) /* libseccomp refuses what changes nothing */
			continue;
		for (size_t n = 0; n < rule->n_names; n++) {
			struct call key = { .name = profile->known[rule->first_name + n] };
			const struct call *call = bsearch(&key, calls->items, calls->count, sizeof(key), compare_calls);
			int r = call && call->by_tree ? 0 : add_name(filter, rule, key.name, error);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* ---- the tree ---- */

/* From @first up to the next range. @defer: to libseccomp's part. */
struct range {
	uint32_t first, action;
	bool defer;
};

struct ranges {
	struct range *items;
	size_t count;
};

static int compare_ranges(const void *a, const void *b)
{
	uint32_t one = ((const struct range *) a)->first, two = ((const struct range *) b)->first;

	return (one > two) - (one < two);
}

static bool denies(uint32_t action)
{
	return action == SCMP_ACT_KILL_THREAD || action == SCMP_ACT_KILL_PROCESS || action == SCMP_ACT_TRAP ||
	       (action & 0xffff0000u) == SCMP_ACT_ERRNO(0);
}

/* A call's number on @arch; -1 where it has none. */
static int64_t number_of(const char *name, uint32_t arch)
{
	uint32_t bit = arch == SCMP_ARCH_X32 ? X32_BIT : 0;
	int number = p_resolve_name_arch(arch, name);

	if (number != __NR_SCMP_ERROR)
		return number >= 0 ? number : -1;
	for (size_t n = 0; n < ARRAY_SIZE(newer); n++)
		if ((!newer[n].arch || newer[n].arch == arch) && str_eq(newer[n].name, name))
			return newer[n].number | bit;
	return -1;
}

static void add_range(struct ranges *ranges, uint32_t first, uint32_t action, bool defer)
{
	struct range *last = ranges->count ? &ranges->items[ranges->count - 1] : NULL;

	if (last && last->first == first)
		*last = (struct range){ first, action, defer };
	else if (!last || last->defer != defer || (!defer && last->action != action))
		ranges->items[ranges->count++] = (struct range){ first, action, defer };
}

/* Single numbers, sorted, become ranges that cover everything. */
static void fill_ranges(struct ranges *ranges, const struct range *numbers, size_t count, uint32_t last, uint32_t default_action)
{
	uint32_t next = 0;

	for (size_t i = 0; i < count; i++) {
		if (numbers[i].first > next || i == 0)
			add_range(ranges, next, 0, true);
		add_range(ranges, numbers[i].first, numbers[i].action, false);
		next = numbers[i].first + 1;
	}
	add_range(ranges, next, 0, true);
	if (denies(default_action) && last)
		add_range(ranges, last + 1, SCMP_ACT_ERRNO(ENOSYS), false);
}

static int find_ranges(const struct seccomp_profile *profile, const struct calls *calls, uint32_t arch, struct ranges *out,
		       scow_error **error)
{
	_cleanup_free_ struct range *numbers = calloc(calls->count + 1, sizeof(*numbers));
	uint32_t last = 0;
	size_t count = 0;

	out->items = calloc(2 * calls->count + 4, sizeof(*out->items));
	if (!numbers || !out->items)
		return error_oom(error);
	for (size_t i = 0; i < calls->count; i++) {
		int64_t number = calls->items[i].by_number ? number_of(calls->items[i].name, arch) : -1;

		if (number >= 0)
			numbers[count++] = (struct range){ .first = (uint32_t) number, .action = calls->items[i].action };
	}
	qsort(numbers, count, sizeof(*numbers), compare_ranges);
	for (size_t i = 0; i < profile->n_known; i++) {
		int64_t number = number_of(profile->known[i], arch);

		last = number > last ? (uint32_t) number : last;
	}
	fill_ranges(out, numbers, count, last, profile->default_action);
	return 0;
}

struct program {
	struct sock_filter insns[BPF_MAXINSNS];
	size_t count;
	bool full;
};

static void emit(struct program *program, uint16_t code, size_t if_true, size_t if_false, uint32_t value)
{
	if (program->count == BPF_MAXINSNS || if_true > UINT8_MAX || if_false > UINT8_MAX)
		program->full = true;
	else
		program->insns[program->count++] =
			(struct sock_filter){ .code = code, .jt = (uint8_t) if_true, .jf = (uint8_t) if_false, .k = value };
}

/* To the instruction after the last of ours: the distance is filled in at the end. */
static void emit_leave(struct program *program)
{
	emit(program, BPF_JMP | BPF_JA, 0, 0, UINT32_MAX);
}

/*
 * A tree is made from its end: jumps lead forward only, so what they lead to is there already, and leaves are shared. The kernel's time
 * for a new filter grows with its length. An index below counts from the end: the instruction at 5 goes on at 4.
 */
static size_t put(struct program *back, uint16_t code, size_t if_true, size_t if_false, uint32_t value)
{
	emit(back, code, if_true, if_false, value);
	return back->full ? 0 : back->count - 1;
}

static size_t put_leaf(struct program *back, const struct range *range)
{
	const uint16_t code = range->defer ? BPF_JMP | BPF_JA : BPF_RET | BPF_K;
	const uint32_t value = range->defer ? UINT32_MAX : range->action;

	for (size_t i = back->count; i-- > 0 && back->count - i < LEAF_REACH;)
		if (back->insns[i].code == code && back->insns[i].k == value)
			return i;
	return put(back, code, 0, 0, value);
}

/* Short jumps reach 255 instructions. */
static size_t within_reach(struct program *back, size_t target)
{
	return back->count - target < UINT8_MAX ? target : put(back, BPF_JMP | BPF_JA, 0, 0, (uint32_t) (back->count - target - 1));
}

static size_t put_tree(struct program *back, const struct range *ranges, size_t count)
{
	size_t left = count / 2, below, above;

	if (count == 1)
		return put_leaf(back, ranges);
	above = put_tree(back, ranges + left, count - left);
	below = put_tree(back, ranges, left);
	below = within_reach(back, below);
	above = within_reach(back, above);
	return put(back, BPF_JMP | BPF_JGE | BPF_K, back->count - above - 1, back->count - below - 1, ranges[left].first);
}

/* Instructions for @count ranges. */
static int emit_tree(struct program *program, const struct range *ranges, size_t count, scow_error **error)
{
	_cleanup_free_ struct program *back = calloc(1, sizeof(*back));

	if (!back)
		return error_oom(error);
	put_tree(back, ranges, count);
	if (back->full || back->count > BPF_MAXINSNS - program->count)
		program->full = true;
	else
		while (back->count > 0)
			program->insns[program->count++] = back->insns[--back->count];
	return 0;
}

static int emit_arch(struct program *program, const struct seccomp_profile *profile, const struct calls *calls, uint32_t arch,
		     scow_error **error)
{
	struct ranges ranges = { 0 };
	int r = find_ranges(profile, calls, arch, &ranges, error);

	if (r == 0)
		r = emit_tree(program, ranges.items, ranges.count, error);
	free(ranges.items);
	return r;
}

/* All of @arch, x32 being a part of x86_64 to the kernel. The accumulator holds the architecture before and, where it is another, after. */
static int emit_section(struct program *program, const struct seccomp_profile *profile, const struct calls *calls,
			const struct archs *archs, uint32_t arch, scow_error **error)
{
	bool split = arch == SCMP_ARCH_X86_64;
	size_t start = program->count, x32;
	int r;

	emit(program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, arch);
	emit(program, BPF_JMP | BPF_JA, 0, 0, 0); /* to the next section */
	emit(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	x32 = program->count;
	if (split) {
		emit(program, BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32_BIT);
		emit(program, BPF_JMP | BPF_JA, 0, 0, 0);
	}
	r = emit_arch(program, profile, calls, arch, error);
	if (split && !program->full)
		program->insns[x32 + 1].k = (uint32_t) (program->count - x32 - 2);
	if (r == 0 && split && has_arch(archs, SCMP_ARCH_X32))
		r = emit_arch(program, profile, calls, SCMP_ARCH_X32, error);
	else if (split)
		emit_leave(program); /* to libseccomp, which kills what is not in the profile */
	if (!program->full)
		program->insns[start + 1].k = (uint32_t) (program->count - start - 2);
	return r;
}

static int emit_all(struct program *program, const struct seccomp_profile *profile, const struct calls *calls, const struct archs *archs,
		    scow_error **error)
{
	int r = 0;

	emit(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
	for (size_t i = 0; r == 0 && i < archs->count; i++)
		if (!is_odd(archs->items[i]) && archs->items[i] != SCMP_ARCH_X32)
			r = emit_section(program, profile, calls, archs, archs->items[i], error);
	for (size_t i = 0; i < program->count; i++)
		if (program->insns[i].code == (BPF_JMP | BPF_JA) && program->insns[i].k == UINT32_MAX)
			program->insns[i].k = (uint32_t) (program->count - i - 1);
	return r;
}

/* ---- all together ---- */

static int export(scmp_filter_ctx filter, char **bytes, size_t *size, scow_error **error)
{
	_cleanup_fd_ int fd = memfd_create("scow-seccomp", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return error_errno(error, errno, "memfd_create", "compile the seccomp profile");
	r = p_export_bpf(filter, fd);
	if (r == 0)
		r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : fd_read_file(fd, BPF_MAXINSNS * sizeof(struct sock_filter), bytes, size);
	if (r < 0)
		return error_errno_status(error, r == -EFBIG ? SCOW_E_LIMIT : SCOW_E_FAILED, -r, NULL, "compile the seccomp profile");
	return 0;
}

static int join(const struct program *tree, const char *bytes, size_t size, struct sock_filter **out, size_t *count, scow_error **error)
{
	*count = tree->count + size / sizeof(struct sock_filter);
	if (tree->full || *count > BPF_MAXINSNS)
		return error_set(error, SCOW_E_LIMIT, "seccomp profile: it needs more than the %d BPF instructions that the kernel takes",
				 BPF_MAXINSNS);
	*out = calloc(*count, sizeof(**out));
	if (!*out)
		return error_oom(error);
	memcpy(*out, tree->insns, tree->count * sizeof(**out));
	memcpy(*out + tree->count, bytes, size);
	return 0;
}

static int make_filter(const struct seccomp_profile *profile, const struct calls *calls, const struct archs *archs, char **bytes,
		       size_t *size, scow_error **error)
{
	_cleanup_(filter_releasep) scmp_filter_ctx filter = p_init(profile->default_action);
	int r;

	if (!filter)
		return error_set(error, SCOW_E_FAILED, "seccomp profile: libseccomp does not take the default action 0x%x",
				 profile->default_action);
	for (size_t i = 1; i < archs->count; i++) { /* the first is native, and there */
		r = p_arch_add(filter, archs->items[i]);
		/* An architecture that this libseccomp lacks stays forbidden altogether. */
		if (r < 0 && r != -EEXIST && r != -EINVAL && r != -EDOM)
			return error_errno(error, -r, NULL, "seccomp profile: add architecture 0x%x", archs->items[i]);
	}
	(void) p_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree; refused before 2.5, which makes a list */
	r = add_rules(filter, profile, calls, error);
	return r < 0 ? r : export(filter, bytes, size, error);
}

int seccomp_profile_build(const struct seccomp_profile *profile, struct sock_filter **out, size_t *count, scow_error **error)
{
	_cleanup_free_ struct program *tree = NULL;
	_cleanup_free_ char *bytes = NULL;
	struct calls calls = { 0 };
	struct archs archs;
	size_t size = 0;
	int r;

	r = lib_load(&library, error);
	if (r < 0)
		return r;
	archs = collect_archs(profile);
	tree = calloc(1, sizeof(*tree));
	if (!tree)
		return error_oom(error);
	r = collect_calls(profile, &calls, error);
	if (r == 0) {
		settle_calls(&calls, &archs);
		r = make_filter(profile, &calls, &archs, &bytes, &size, error);
	}
	if (r == 0)
		r = emit_all(tree, profile, &calls, &archs, error);
	free(calls.items);
	return r < 0 ? r : join(tree, bytes, size, out, count, error);
}
