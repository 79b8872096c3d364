/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Platforms, as containerd/platforms reads and orders them: which images a wanted platform can run, best first.
 *
 * amd64 vN runs lower vN, then 386; arm vN runs down to v5; arm64 v9.x runs v9 and v8.(x+5) and below, then 32-bit arm.
 * The variant of an amd64 host is what its CPU and kernel support, from glibc's table: CPUID itself is slow in guests.
 */
#include "image/manifest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__) && defined(__has_include)
#if __has_include(<sys/platform/x86.h>)
#include <sys/platform/x86.h>
#define HAVE_X86_FEATURES 1
#endif
#endif

#include "base/str.h"

/* Minor versions of arm64 v8 and v9 that are known to Arm's manual. */
#define ARM64_V8_LAST 9
#define ARM64_V9_LAST 9

static void set(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text);
}

static void lower(char *text)
{
	for (; *text; text++)
		*text = (char) tolower((unsigned char) *text);
}

static void normalise_arm(struct platform *p)
{
	char digit = p->variant[0] == 'v' ? p->variant[1] : p->variant[0];

	if (!p->variant[0])
		set(p->variant, sizeof(p->variant), "v7");
	else if (digit >= '5' && digit <= '8' && !p->variant[p->variant[0] == 'v' ? 2 : 1])
		snprintf(p->variant, sizeof(p->variant), "v%c", digit);
}

static void normalise_arm64(struct platform *p)
{
	if (!p->variant[0] || str_eq(p->variant, "8") || str_eq(p->variant, "8.0") || str_eq(p->variant, "v8.0"))
		set(p->variant, sizeof(p->variant), "v8");
	else if (str_eq(p->variant, "9") || str_eq(p->variant, "9.0") || str_eq(p->variant, "v9.0"))
		set(p->variant, sizeof(p->variant), "v9");
}

static void normalise(struct platform *p)
{
	static const struct {
		const char *alias, *architecture, *variant;
	} table[] = {
		{ "i386", "386", "" },        { "x86_64", "amd64", NULL }, { "x86-64", "amd64", NULL },
		{ "aarch64", "arm64", NULL }, { "armhf", "arm", "v7" },    { "armel", "arm", "v6" },
	};

	lower(p->os);
	lower(p->architecture);
	lower(p->variant);
	if (str_eq(p->os, "macos"))
		set(p->os, sizeof(p->os), "darwin");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (!str_eq(p->architecture, table[i].alias))
			continue;
		set(p->architecture, sizeof(p->architecture), table[i].architecture);
		if (table[i].variant)
			set(p->variant, sizeof(p->variant), table[i].variant);
		break;
	}
	if (str_eq(p->architecture, "amd64") && str_eq(p->variant, "v1"))
		p->variant[0] = 0;
	else if (str_eq(p->architecture, "arm"))
		normalise_arm(p);
	else if (str_eq(p->architecture, "arm64"))
		normalise_arm64(p);
}

#ifdef HAVE_X86_FEATURES
/* x86_cpu_active() of the header, without its shift into the sign bit. */
static bool active(unsigned int feature)
{
	const struct cpuid_feature *leaf = __x86_get_cpuid_feature_leaf(feature / 128);

	return leaf->active_array[feature % 128 / 32] >> feature % 32 & 1;
}

static bool all_active(const unsigned int *features, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!active(features[i]))
			return false;
	return true;
}

/* See: System V ABI, AMD64 supplement, "micro-architecture levels". */
static const char *host_variant(void)
{
	static const unsigned int v2[] = { x86_cpu_SSE3,   x86_cpu_SSSE3,      x86_cpu_SSE4_1,       x86_cpu_SSE4_2,
					   x86_cpu_POPCNT, x86_cpu_CMPXCHG16B, x86_cpu_LAHF64_SAHF64 };
	static const unsigned int v3[] = { x86_cpu_AVX,  x86_cpu_AVX2, x86_cpu_BMI1,  x86_cpu_BMI2,
					   x86_cpu_F16C, x86_cpu_FMA,  x86_cpu_LZCNT, x86_cpu_MOVBE };
	static const unsigned int v4[] = { x86_cpu_AVX512F, x86_cpu_AVX512BW, x86_cpu_AVX512CD, x86_cpu_AVX512DQ, x86_cpu_AVX512VL };

	if (!all_active(v2, ARRAY_SIZE(v2)))
		return "";
	if (!all_active(v3, ARRAY_SIZE(v3)))
		return "v2";
	return all_active(v4, ARRAY_SIZE(v4)) ? "v4" : "v3";
}
#else
static const char *host_variant(void)
{
	return "";
}
#endif

static void host(struct platform *out)
{
	*out = (struct platform){ .os = "linux" };
#if defined(__x86_64__)
	set(out->architecture, sizeof(out->architecture), "amd64");
#elif defined(__i386__)
	set(out->architecture, sizeof(out->architecture), "386");
#elif defined(__aarch64__)
	set(out->architecture, sizeof(out->architecture), "arm64");
#elif defined(__arm__)
	set(out->architecture, sizeof(out->architecture), "arm");
#elif defined(__riscv) && __riscv_xlen == 64
	set(out->architecture, sizeof(out->architecture), "riscv64");
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
	set(out->architecture, sizeof(out->architecture), "ppc64le");
#elif defined(__s390x__)
	set(out->architecture, sizeof(out->architecture), "s390x");
#elif defined(__loongarch64)
	set(out->architecture, sizeof(out->architecture), "loong64");
#else
	set(out->architecture, sizeof(out->architecture), "unknown");
#endif
	set(out->variant, sizeof(out->variant), host_variant());
	normalise(out);
}

static bool known(const char *const *names, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (!strcasecmp(names[i], text))
			return true;
	return false;
}

static bool is_os(const char *text)
{
	static const char *const names[] = { "linux", "windows", "darwin", "macos", "freebsd", "wasi" };

	return known(names, ARRAY_SIZE(names), text);
}

static bool is_architecture(const char *text)
{
	static const char *const names[] = {
		"386",   "i386",  "amd64",   "x86_64",  "x86-64", "arm",      "armhf",  "armel",  "arm64",   "aarch64",
		"s390x", "ppc64", "ppc64le", "riscv64", "mips",   "mips64le", "mipsle", "mips64", "loong64", "wasm",
	};

	return known(names, ARRAY_SIZE(names), text);
}

/* The next part of "a/b/c" into a buffer: false if it is empty, too long or holds what a platform's name does not. */
static bool take_part(const char **text, char *out, size_t size)
{
	size_t n = strcspn(*text, "/");

	if (!n || n >= size || n != strspn(*text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"))
		return false;
	memcpy(out, *text, n);
	out[n] = 0;
	*text += n;
	if (**text == '/') {
		++*text;
		return **text != 0;
	}
	return true;
}

static int refuse(scow_error **error, const char *text)
{
	return error_hint(error, error_set(error, SCOW_E_INVALID, "invalid platform '%.100s'", text),
			  "write OS/ARCHITECTURE[/VARIANT], as in linux/arm64/v8");
}

int platform_parse(const char *text, struct platform *out, scow_error **error)
{
	struct platform result = { .os = "" };
	const char *p = text;

	if (!text || !*text) {
		host(out);
		return 0;
	}
	if (!take_part(&p, result.os, sizeof(result.os)))
		return refuse(error, text);
	if (!*p) {
		/* One word: an operating system on the host's architecture, or an architecture of Linux. */
		if (is_os(result.os)) {
			struct platform here;

			host(&here);
			set(result.architecture, sizeof(result.architecture), here.architecture);
			set(result.variant, sizeof(result.variant), here.variant);
		} else if (is_architecture(result.os)) {
			memcpy(result.architecture, result.os, sizeof(result.architecture));
			set(result.os, sizeof(result.os), "linux");
		} else {
			return refuse(error, text);
		}
	} else if (!take_part(&p, result.architecture, sizeof(result.architecture)) ||
		   (*p && !take_part(&p, result.variant, sizeof(result.variant))) || *p) {
		return refuse(error, text);
	}
	normalise(&result);
	*out = result;
	return 0;
}

void platform_format(const struct platform *p, char *out, size_t size)
{
	snprintf(out, size, "%s/%s%s%s", p->os[0] ? p->os : "linux", p->architecture[0] ? p->architecture : "unknown",
		 p->variant[0] ? "/" : "", p->variant);
}

/* "v3" -> 3, "" -> 1; -1 for what amd64 does not have. */
static int amd64_level(const char *variant)
{
	if (!variant[0])
		return 1;
	return variant[0] == 'v' && variant[1] >= '1' && variant[1] <= '9' && !variant[2] ? variant[1] - '0' : -1;
}

static int arm_version(const char *variant)
{
	return variant[0] == 'v' && variant[1] >= '5' && variant[1] <= '8' && !variant[2] ? variant[1] - '0' : -1;
}

/* "v8" and "v9.3" as 800 and 903; -1 for anything else. */
static int arm64_version(const char *variant)
{
	if (variant[0] != 'v' || (variant[1] != '8' && variant[1] != '9'))
		return -1;
	if (!variant[2])
		return (variant[1] - '0') * 100;
	return variant[2] == '.' && isdigit((unsigned char) variant[3]) && !variant[4] ? (variant[1] - '0') * 100 + variant[3] - '0' : -1;
}

static int rank_arm(const char *wanted, const char *have)
{
	int w = arm_version(wanted), h = arm_version(have);

	if (w < 0 || h < 0)
		return str_eq(wanted, have) ? 0 : -1;
	return h <= w ? w - h : -1;
}

static int rank_arm64(const char *wanted, const char *have)
{
	int w = arm64_version(wanted), h = arm64_version(have), highest_v8;

	if (w < 0 || h < 0)
		return str_eq(wanted, have) ? 0 : -1;
	if (w / 100 == h / 100)
		return h <= w ? w - h : -1;
	if (h >= 900)
		return -1;
	/* v9.x has all of v8.(x+5). */
	highest_v8 = w % 100 + 5 < ARM64_V8_LAST ? w % 100 + 5 : ARM64_V8_LAST;
	return h % 100 <= highest_v8 ? ARM64_V9_LAST + 1 + highest_v8 - h % 100 : -1;
}

int platform_rank(const struct platform *wanted, const struct platform *offered)
{
	struct platform w = *wanted, h = *offered;
	int rank;

	normalise(&w);
	normalise(&h);
	if (!str_eq(w.os, h.os))
		return -1;
	if (str_eq(w.architecture, h.architecture)) {
		if (str_eq(w.architecture, "arm"))
			return rank_arm(w.variant, h.variant);
		if (str_eq(w.architecture, "arm64"))
			return rank_arm64(w.variant, h.variant);
		if (str_eq(w.architecture, "amd64")) {
			int wl = amd64_level(w.variant), hl = amd64_level(h.variant);

			return wl < 0 || hl < 0 ? -1 : hl <= wl ? wl - hl : -1;
		}
		return str_eq(w.variant, h.variant) ? 0 : -1;
	}
	/* Another instruction set that the CPU has too: after all variants of its own. */
	if (str_eq(w.architecture, "amd64") && str_eq(h.architecture, "386"))
		return 100;
	if (str_eq(w.architecture, "arm64") && str_eq(h.architecture, "arm")) {
		rank = rank_arm("v8", h.variant);
		return rank < 0 ? -1 : 100 + rank;
	}
	return -1;
}

void platform_normalise(struct platform *platform)
{
	normalise(platform);
}
