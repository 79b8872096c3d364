/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which filter a container gets, and where it is kept. Compiling takes milliseconds and two libraries, starting a container
 * does not: so the last filters are kept in memory, and all of them in ROOT/cache/seccomp.
 *
 * A cached file is believed only whole (size, checksum); anything else is compiled again and replaced. The key
 * of the built-in profile is made of what decides its rules, without hashing anything large.
 */
#include "runtime/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <scow/version.h>

#include "base/digest.h"
#include "base/fd.h"
#include "base/str.h"
#include "runtime/caps.h"
#include "runtime/seccomp-internal.h"

#define MAGIC "scowbpf1"
#define KEPT 8 /* filters in memory per engine */
#define CACHE_DIR "cache/seccomp"

/* seccomp-default.json, embedded at build time; NUL-terminated, and the size counts no NUL. */
extern const char seccomp_default_profile[];
extern const unsigned long seccomp_default_profile_size;

struct header {
	char magic[8];
	uint32_t flags, count;
	uint64_t checksum; /* of the rest of the header and the instructions */
};

struct filter {
	char *profile; /* NULL: the built-in one */
	uint64_t capabilities;
	struct sock_filter *insns;
	size_t count;
	unsigned int flags;
};

struct seccomp_cache {
	pthread_mutex_t lock;
	struct filter kept[KEPT];
	size_t next; /* which is overwritten next */
};

/* ---- in memory ---- */

static void filter_done(struct filter *filter)
{
	free(filter->profile);
	free(filter->insns);
	*filter = (struct filter){ 0 };
}

static void cache_free(struct seccomp_cache *cache)
{
	if (!cache)
		return;
	for (size_t i = 0; i < KEPT; i++)
		filter_done(&cache->kept[i]);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

static struct seccomp_cache *cache_get(scow_engine *engine)
{
	struct seccomp_cache *cache;

	pthread_mutex_lock(&engine->lock);
	if (!engine->seccomp_cache) {
		engine->seccomp_cache = calloc(1, sizeof(*engine->seccomp_cache));
		if (engine->seccomp_cache) {
			pthread_mutex_init(&engine->seccomp_cache->lock, NULL);
			engine->seccomp_cache_free = cache_free;
		}
	}
	cache = engine->seccomp_cache;
	pthread_mutex_unlock(&engine->lock);
	return cache;
}

static int copy_insns(const struct sock_filter *insns, size_t count, struct sock_filter **out)
{
	*out = malloc(count * sizeof(**out));
	if (!*out)
		return -ENOMEM;
	memcpy(*out, insns, count * sizeof(**out));
	return 0;
}

static bool recall(struct seccomp_cache *cache, const char *profile, uint64_t capabilities, struct sock_filter **out, size_t *count,
		   unsigned int *flags)
{
	bool found = false;

	pthread_mutex_lock(&cache->lock);
	for (size_t i = 0; i < KEPT && !found; i++) {
		const struct filter *kept = &cache->kept[i];

		if (!kept->insns || kept->capabilities != capabilities || !str_eq(kept->profile, profile))
			continue;
		found = copy_insns(kept->insns, kept->count, out) == 0;
		*count = kept->count;
		*flags = kept->flags;
	}
	pthread_mutex_unlock(&cache->lock);
	return found;
}

/* Without memory it is only not kept. */
static void keep(struct seccomp_cache *cache, const char *profile, uint64_t capabilities, const struct sock_filter *insns, size_t count,
		 unsigned int flags)
{
	struct filter filter = { .capabilities = capabilities, .count = count, .flags = flags };

	if (profile)
		filter.profile = strdup(profile);
	if ((profile && !filter.profile) || copy_insns(insns, count, &filter.insns) < 0) {
		filter_done(&filter);
		return;
	}
	pthread_mutex_lock(&cache->lock);
	filter_done(&cache->kept[cache->next]);
	cache->kept[cache->next] = filter;
	cache->next = (cache->next + 1) % KEPT;
	pthread_mutex_unlock(&cache->lock);
}

/* ---- on disk ---- */

/* FNV-1a: against torn files and stale keys, not against an enemy, who would have no business in the root. */
static uint64_t checksum(uint64_t state, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		state = (state ^ bytes[i]) * UINT64_C(0x100000001b3);
	return state;
}
#define CHECKSUM_START UINT64_C(0xcbf29ce484222325)

static uint64_t file_checksum(const struct header *header, const struct sock_filter *insns)
{
	uint64_t state = checksum(CHECKSUM_START, header, offsetof(struct header, checksum));

	return checksum(state, insns, header->count * sizeof(*insns));
}

/* Everything that the compiled bytes depend on. */
static int cache_name(const scow_engine *engine, const char *profile, uint64_t capabilities, char name[160], scow_error **error)
{
	char digest[DIGEST_STRING];
	int r;

	if (!profile) {
		snprintf(name, 160, "default-%s-%016" PRIx64 "-" SECCOMP_MACHINE "-%x-%" PRIx64 ".bpf", scow_version(),
			 checksum(CHECKSUM_START, seccomp_default_profile, seccomp_default_profile_size), engine->facts.kernel,
			 capabilities);
		return 0;
	}
	r = digest_bytes(profile, strlen(profile), digest, error);
	if (r == 0)
		snprintf(name, 160, "%s-%s-" SECCOMP_MACHINE "-%x-%" PRIx64 ".bpf", digest_hex(digest), scow_version(),
			 engine->facts.kernel, capabilities);
	return r;
}

/* 1 where there is nothing to be believed. */
static int load_file(const scow_engine *engine, const char *name, struct sock_filter **out, size_t *count, unsigned int *flags)
{
	_cleanup_free_ char *path = strf(CACHE_DIR "/%s", name), *bytes = NULL;
	const struct header *header;
	size_t size;

	if (engine->root_fd < 0 || !path ||
	    file_read_at(engine->root_fd, path, sizeof(*header) + BPF_MAXINSNS * sizeof(struct sock_filter), &bytes, &size) < 0)
		return 1;
	header = (const struct header *) bytes;
	if (size < sizeof(*header) || memcmp(header->magic, MAGIC, sizeof(header->magic)) != 0 || header->count == 0 ||
	    header->count > BPF_MAXINSNS || size != sizeof(*header) + header->count * sizeof(struct sock_filter) ||
	    header->checksum != file_checksum(header, (const struct sock_filter *) (header + 1)))
		return 1;
	*count = header->count;
	*flags = header->flags;
	return copy_insns((const struct sock_filter *) (header + 1), header->count, out) < 0;
}

/* A cache that cannot be written costs time only. */
static void store_file(const scow_engine *engine, const char *name, const struct sock_filter *insns, size_t count, unsigned int flags)
{
	struct header header = { .magic = MAGIC, .flags = flags, .count = (uint32_t) count };
	_cleanup_fd_ int dir_fd = -1;
	_cleanup_str_ struct str bytes = { 0 };

	if (engine->root_fd < 0 || dir_make_at(engine->root_fd, "cache", 0700) < 0 || dir_make_at(engine->root_fd, CACHE_DIR, 0700) < 0)
		return;
	dir_fd = dir_open_at(engine->root_fd, CACHE_DIR);
	header.checksum = file_checksum(&header, insns);
	str_add_bytes(&bytes, &header, sizeof(header));
	str_add_bytes(&bytes, insns, count * sizeof(*insns));
	if (dir_fd >= 0 && !bytes.failed)
		(void) file_publish_at(dir_fd, name, bytes.data, bytes.size, 0600);
}

/* ---- the way in ---- */

static int compile(const scow_engine *engine, const char *profile, uint64_t capabilities, struct sock_filter **out, size_t *count,
		   unsigned int *flags, scow_error **error)
{
	struct seccomp_profile parsed;
	size_t size = profile ? strlen(profile) : seccomp_default_profile_size;
	int r;

	r = seccomp_profile_parse(profile ? profile : seccomp_default_profile, size, capabilities, engine->facts.kernel, &parsed, error);
	if (r < 0)
		return r;
	*flags = parsed.flags;
	r = seccomp_profile_build(&parsed, out, count, error);
	seccomp_profile_done(&parsed);
	return r;
}

int seccomp_compile(scow_engine *engine, const char *profile, uint64_t capabilities, struct sock_filter **out, size_t *count,
		    unsigned int *flags, scow_error **error)
{
	struct seccomp_cache *cache = cache_get(engine);
	char name[160];
	int r;

	if (!cache)
		return error_oom(error);
	*out = NULL;
	if (capabilities == CAPS_ALL)
		capabilities = caps_last();
	if (recall(cache, profile, capabilities, out, count, flags))
		return 0;
	r = cache_name(engine, profile, capabilities, name, error);
	if (r < 0)
		return r;
	if (load_file(engine, name, out, count, flags) > 0) {
		r = compile(engine, profile, capabilities, out, count, flags, error);
		if (r < 0)
			return r;
		store_file(engine, name, *out, *count, *flags);
	}
	keep(cache, profile, capabilities, *out, *count, *flags);
	return 0;
}
