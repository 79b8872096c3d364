/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Device rules of cgroup v2: there is no file for them, but a BPF program that the kernel asks at each open and mknod.
 *
 * It is assembled by hand: for each rule, the last first, a few compares. Register 2 holds the kinds of access that no rule
 * has decided yet; a rule that allows takes its kinds out of it, one that denies any of them ends in a refusal. So the last rule
 * that matches wins for each kind of access, and what no rule decides is left to the cgroups above.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/cgroup-internal.h"

#define RULE_INSNS 8 /* the most that one rule takes */
#define ENDS_INSNS 8 /* prologue and last answer */

struct program {
	struct bpf_insn *insns;
	size_t count;
};

static void emit(struct program *program, uint8_t code, uint8_t dst, uint8_t src, int16_t offset, int32_t immediate)
{
	program->insns[program->count++] =
		(struct bpf_insn){ .code = code, .dst_reg = dst & 0xf, .src_reg = src & 0xf, .off = offset, .imm = immediate };
}

static void emit_answer(struct program *program, bool allow)
{
	emit(program, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, allow);
	emit(program, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* r2: access kinds, r3: type, r4: major, r5: minor. */
static void emit_prologue(struct program *program)
{
	emit(program, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
	emit(program, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
	emit(program, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_3, 0, 0, 0xffff);
	emit(program, BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_2, 0, 0, 16);
	emit(program, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_4, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, major), 0);
	emit(program, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_5, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
}

static void emit_rule(struct program *program, const struct spec_device_rule *rule)
{
	int32_t access =
		(rule->mknod ? BPF_DEVCG_ACC_MKNOD : 0) | (rule->read ? BPF_DEVCG_ACC_READ : 0) | (rule->write ? BPF_DEVCG_ACC_WRITE : 0);
	size_t skips[4], n_skips = 0;

	if (rule->type != 'a') {
		skips[n_skips++] = program->count;
		emit(program, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_3, 0, 0, rule->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	}
	if (rule->major >= 0) {
		skips[n_skips++] = program->count;
		emit(program, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_4, 0, 0, (int32_t) rule->major);
	}
	if (rule->minor >= 0) {
		skips[n_skips++] = program->count;
		emit(program, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_5, 0, 0, (int32_t) rule->minor);
	}
	if (rule->allow) {
		emit(program, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_2, 0, 0, ~access);
		skips[n_skips++] = program->count;
		emit(program, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_2, 0, 0, 0);
	} else {
		emit(program, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_0, BPF_REG_2, 0, 0);
		emit(program, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_0, 0, 0, access);
		skips[n_skips++] = program->count;
		emit(program, BPF_JMP32 | BPF_JEQ | BPF_K, BPF_REG_0, 0, 0, 0);
	}
	emit_answer(program, rule->allow);
	for (size_t i = 0; i < n_skips; i++)
		program->insns[skips[i]].off = (int16_t) (program->count - skips[i] - 1);
}

static int load(const struct program *program, scow_error **error)
{
	union bpf_attr attr = { 0 };
	long fd;

	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.expected_attach_type = BPF_CGROUP_DEVICE;
	attr.insns = (uintptr_t) program->insns;
	attr.insn_cnt = (uint32_t) program->count;
	attr.license = (uintptr_t) "LGPL";
	memcpy(attr.prog_name, "scow_devices", sizeof("scow_devices"));
	fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)); /* always close-on-exec */
	if (fd >= 0)
		return (int) fd;
	return error_hint(error,
			  error_errno_status(error, errno == EPERM ? SCOW_E_DENIED : SCOW_E_UNSUPPORTED, errno, "bpf",
					     "load the program for the device rules"),
			  "device rules on cgroup v2 need CAP_SYS_ADMIN (or CAP_BPF and CAP_NET_ADMIN) and CONFIG_CGROUP_BPF");
}

static int attach(int cgroup_fd, int program_fd, scow_error **error)
{
	union bpf_attr attr = { 0 };

	attr.target_fd = (uint32_t) cgroup_fd;
	attr.attach_bpf_fd = (uint32_t) program_fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI; /* the programs of the cgroups above are asked too */
	if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)) < 0)
		return error_errno(error, errno, "bpf", "attach the program for the device rules");
	return 0;
}

int cgroup_devices_attach(int cgroup_fd, const struct spec_device_rule *rules, size_t count, scow_error **error)
{
	_cleanup_free_ struct bpf_insn *insns = NULL;
	_cleanup_fd_ int program_fd = -1;
	struct program program = { 0 };

	if (count > 4096)
		return error_set(error, SCOW_E_LIMIT, "%zu device rules are more than 4096", count);
	insns = calloc(count * RULE_INSNS + ENDS_INSNS, sizeof(*insns));
	if (!insns)
		return error_oom(error);
	program.insns = insns;
	emit_prologue(&program);
	while (count--)
		emit_rule(&program, &rules[count]);
	emit_answer(&program, true);
	program_fd = load(&program, error);
	return program_fd < 0 ? program_fd : attach(cgroup_fd, program_fd, error);
}
