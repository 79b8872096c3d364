/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Images as handles: look-up, list, tag.
 *
 * A handle is a snapshot: it copies the row and the names in one statement and needs no lock afterwards. Getting one by
 * reference is on the way of every run: one join, no digest library, and the config stays text until somebody asks.
 */
#include "image/image-internal.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/iter.h"
#include "base/str.h"

#define COLUMNS "i.id, i.manifest, i.top_layer, i.platform, i.size, i.created, i.added, i.config, t.reference, t.is_digest"
#define FIRST_TAG_COLUMN 8

scow_image *scow_image_ref(scow_image *image)
{
	if (image)
		atomic_fetch_add_explicit(&image->refs, 1, memory_order_relaxed);
	return image;
}

static void names_done(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
}

scow_image *scow_image_unref(scow_image *image)
{
	int saved = errno;

	if (!image || atomic_fetch_sub_explicit(&image->refs, 1, memory_order_acq_rel) != 1)
		return NULL;
	names_done(&image->tags);
	names_done(&image->digests);
	names_done(&image->loaded);
	image_config_done(&image->config);
	free(image->manifest);
	free(image->top_layer);
	free(image->platform);
	free(image->given);
	free(image->config_text);
	pthread_mutex_destroy(&image->lock);
	scow_engine_unref(image->engine);
	free(image);
	errno = saved;
	return NULL;
}

int image_check(const scow_image *image, scow_error **error)
{
	if (!image)
		return error_set(error, SCOW_E_INVALID, "no image was given");
	return engine_check(image->engine, error);
}

int image_not_found(const char *name, scow_error **error)
{
	return error_hint(error, error_at(error, error_set(error, SCOW_E_NOT_FOUND, "no such image: '%.300s'", name), NULL, name),
			  "pull or load it first");
}

/* Stored references are full ones; people see the short form. */
char *image_short_name(const char *full)
{
	_cleanup_reference_ struct reference parsed = { 0 };

	return reference_parse(full, &parsed, NULL) < 0 ? strdup(full) : reference_short(&parsed);
}

static bool names_add(struct names *names, const char *full)
{
	return strv_push(&names->items, &names->count, image_short_name(full));
}

static int add_name(scow_image *image, sqlite3_stmt *row, scow_error **error)
{
	const char *reference = db_text(row, FIRST_TAG_COLUMN);

	if (reference && !names_add(db_int(row, FIRST_TAG_COLUMN + 1) ? &image->digests : &image->tags, reference))
		return error_oom(error);
	return 0;
}

static int from_row(scow_engine *engine, sqlite3_stmt *row, scow_image **out, scow_error **error)
{
	_cleanup_(scow_image_unrefp) scow_image *image = calloc(1, sizeof(*image));
	const char *id = db_text(row, 0), *top = db_text(row, 2);

	if (!image)
		return error_oom(error);
	atomic_init(&image->refs, 1);
	pthread_mutex_init(&image->lock, NULL);
	image->engine = scow_engine_ref(engine);
	if (!id || strlen(id) >= sizeof(image->id))
		return error_set(error, SCOW_E_CORRUPT, "state.db: an image has the id '%.80s'", id ? id : "");
	memcpy(image->id, id, strlen(id) + 1);
	image->manifest = strdup(db_text(row, 1));
	image->top_layer = top ? strdup(top) : NULL;
	image->platform = strdup(db_text(row, 3));
	image->size = (uint64_t) db_int(row, 4);
	image->created = db_int(row, 5);
	image->added = db_int(row, 6);
	image->config_text = strdup(db_text(row, 7));
	if (!image->manifest || (top && !image->top_layer) || !image->platform || !image->config_text)
		return error_oom(error);
	*out = take_ptr(&image);
	return 0;
}

/* The image of the current row, and the names of those that follow. */
static int from_rows(scow_engine *engine, struct db_work *work, sqlite3_stmt *row, const char *given, scow_image **out, scow_error **error)
{
	_cleanup_(scow_image_unrefp) scow_image *image = NULL;
	int r = from_row(engine, row, &image, error);

	if (r < 0)
		return r;
	for (r = 1; r > 0; r = db_step(work, row, error)) {
		int added = add_name(image, row, error);

		if (added < 0)
			return added;
	}
	if (r < 0)
		return r;
	image->given = strdup(given ? given : image->id);
	if (!image->given)
		return error_oom(error);
	*out = take_ptr(&image);
	return 0;
}

static int by_id(scow_engine *engine, struct db_work *work, const char *id, const char *given, scow_image **out, scow_error **error)
{
	sqlite3_stmt *row;
	int r = db_query(work, &row, error,
			 "SELECT " COLUMNS " FROM images i LEFT JOIN tags t ON t.image = i.id WHERE i.id = ?1 ORDER BY t.reference", "t",
			 id);

	if (r <= 0)
		return r < 0 ? r : image_not_found(given ? given : id, error);
	return from_rows(engine, work, row, given, out, error);
}

int image_get_by_id(scow_engine *engine, const char *id, const char *given, scow_image **out, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };

	db_lock(engine->db, &work);
	return by_id(engine, &work, id, given, out, error);
}

static bool is_hex(const char *text)
{
	size_t n = strspn(text, "0123456789abcdef");

	return n && n <= DIGEST_HEX && !text[n];
}

/* "sha256:1234" and "1234" as a prefix of an id; NULL for anything else. */
static char *id_prefix(const char *name)
{
	const char *hex = str_has_prefix(name, "sha256:") ? name + 7 : name;

	return is_hex(hex) ? strf("sha256:%s", hex) : NULL;
}

/* The full form that a tag or digest is stored under; NULL without memory. */
static char *stored_form(const struct reference *reference)
{
	/* With both, the digest decides, as in Docker. */
	return reference->digest ? reference_by_digest(reference, reference->digest) : reference_tagged(reference);
}

static int find_prefix(struct db_work *work, const char *name, const char *prefix, char id[DIGEST_STRING], scow_error **error)
{
	_cleanup_free_ char *end = strf("%sg", prefix);
	sqlite3_stmt *row;
	int r;

	if (!end)
		return error_oom(error);
	r = db_query(work, &row, error, "SELECT id FROM images WHERE id >= ?1 AND id < ?2 LIMIT 2", "tt", prefix, end);
	if (r <= 0)
		return r < 0 ? r : FOUND_NOTHING;
	snprintf(id, DIGEST_STRING, "%s", db_text(row, 0));
	r = db_step(work, row, error);
	if (r > 0)
		return error_hint(error, error_set(error, SCOW_E_INVALID, "the id '%s' is ambiguous: several images start with it", name),
				  "give more digits");
	return r < 0 ? r : FOUND_BY_ID;
}

int image_find(struct db_work *work, const char *name, char id[DIGEST_STRING], char **reference, scow_error **error)
{
	_cleanup_free_ char *prefix = id_prefix(name), *full = NULL;
	_cleanup_reference_ struct reference parsed = { 0 };
	sqlite3_stmt *row;
	int r;

	*reference = NULL;
	if (prefix && strlen(prefix) == DIGEST_STRING - 1)
		return find_prefix(work, name, prefix, id, error);
	r = reference_parse(name, &parsed, prefix ? NULL : error);
	if (r == 0)
		r = reference_default_tag(&parsed, error);
	if (r < 0 && !prefix)
		return r;
	if (r == 0) {
		full = stored_form(&parsed);
		if (!full)
			return error_oom(error);
		r = db_query(work, &row, error, "SELECT image FROM tags WHERE reference = ?1", "t", full);
		if (r < 0)
			return r;
		if (r > 0) {
			snprintf(id, DIGEST_STRING, "%s", db_text(row, 0));
			*reference = take_ptr(&full);
			return FOUND_BY_REFERENCE;
		}
	}
	return prefix ? find_prefix(work, name, prefix, id, error) : FOUND_NOTHING;
}

/* The usual case in one statement. 1 found, 0 not. */
static int get_by_reference(scow_engine *engine, struct db_work *work, const char *name, scow_image **out, scow_error **error)
{
	_cleanup_reference_ struct reference parsed = { 0 };
	_cleanup_free_ char *full = NULL, *given = NULL;
	sqlite3_stmt *row;
	int r;

	if (reference_parse(name, &parsed, NULL) < 0)
		return 0;
	given = reference_short(&parsed);
	if (!given || reference_default_tag(&parsed, NULL) < 0 || !(full = stored_form(&parsed)))
		return error_oom(error);
	r = db_query(work, &row, error,
		     "SELECT " COLUMNS " FROM tags g JOIN images i ON i.id = g.image LEFT JOIN tags t ON t.image = i.id "
		     "WHERE g.reference = ?1 ORDER BY t.reference",
		     "t", full);
	if (r <= 0)
		return r;
	r = from_rows(engine, work, row, given, out, error);
	return r < 0 ? r : 1;
}

int scow_image_get(scow_engine *engine, const char *name, scow_image **out, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	_cleanup_free_ char *reference = NULL;
	char id[DIGEST_STRING];
	int r = engine_check(engine, error);

	if (r < 0)
		return r;
	if (!name || !out)
		return error_set(error, SCOW_E_INVALID, "no name, or no place for the image, was given");
	db_lock(engine->db, &work);
	r = get_by_reference(engine, &work, name, out, error);
	if (r != 0)
		return r < 0 ? r : 0;
	r = image_find(&work, name, id, &reference, error);
	if (r < 0)
		return r;
	return r == FOUND_NOTHING ? image_not_found(name, error) : by_id(engine, &work, id, NULL, out, error);
}

/* ---- list ---- */

static bool pattern_matches(const char *pattern, const char *full, const char *familiar)
{
	/* The name alone, without its tag, may match too: "ubuntu" finds ubuntu:24.04. */
	const char *const forms[] = { full, familiar };

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		const char *slash = strrchr(forms[i], '/'), *end = strpbrk(slash ? slash : forms[i], ":@");
		char name[600];

		if (fnmatch(pattern, forms[i], FNM_PATHNAME) == 0)
			return true;
		if (!end || (size_t) (end - forms[i]) >= sizeof(name))
			continue;
		memcpy(name, forms[i], (size_t) (end - forms[i]));
		name[end - forms[i]] = 0;
		if (fnmatch(pattern, name, FNM_PATHNAME) == 0)
			return true;
	}
	return false;
}

static bool image_matches(const scow_image *image, const char *pattern)
{
	for (size_t i = 0; i < image->tags.count; i++) {
		_cleanup_reference_ struct reference parsed = { 0 };
		_cleanup_free_ char *full = NULL;

		if (reference_parse(image->tags.items[i], &parsed, NULL) < 0 || !(full = reference_full(&parsed)))
			continue;
		if (pattern_matches(pattern, full, image->tags.items[i]))
			return true;
	}
	return false;
}

static int check_pattern(const char *pattern, scow_error **error)
{
	bool open = false;

	for (const char *p = pattern; *p; p++) {
		if (*p == '\\' && !*++p)
			break;
		if (*p == '[')
			open = true;
		else if (*p == ']')
			open = false;
	}
	if (open || !*pattern)
		return error_set(error, SCOW_E_INVALID, "invalid reference pattern '%.200s'", pattern);
	return 0;
}

static int read_all(scow_engine *engine, scow_iter *images, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	scow_image *last = NULL;
	sqlite3_stmt *row;
	int r;

	db_lock(engine->db, &work);
	r = db_query(&work, &row, error,
		     "SELECT " COLUMNS " FROM images i LEFT JOIN tags t ON t.image = i.id ORDER BY i.created DESC, i.id, t.reference", "");
	for (; r > 0; r = db_step(&work, row, error)) {
		if (!last || !str_eq(last->id, db_text(row, 0))) {
			r = from_row(engine, row, &last, error);
			if (r == 0)
				r = iter_add(images, last, error);
			if (r < 0)
				return r;
			last->given = strdup(last->id);
			if (!last->given)
				return error_oom(error);
		}
		r = add_name(last, row, error);
		if (r < 0)
			return r;
	}
	return r;
}

static int fits(void *image, const void *pattern, scow_error **error)
{
	(void) error;
	return image_matches(image, pattern);
}

void image_unref_item(void *item)
{
	scow_image_unref(item);
}

int scow_image_list(scow_engine *engine, const char *filter, scow_iter **out, scow_error **error)
{
	_cleanup_(scow_iter_unrefp) scow_iter *images = NULL;
	int r = engine_check(engine, error);

	if (r == 0 && !out)
		r = error_set(error, SCOW_E_INVALID, "no place for the list was given");
	if (r == 0 && filter)
		r = check_pattern(filter, error);
	if (r == 0)
		r = iter_new(ITER_IMAGES, image_unref_item, &images, error);
	if (r == 0)
		r = read_all(engine, images, error);
	if (r == 0 && filter)
		r = iter_sift(images, fits, filter, error);
	if (r == 0)
		*out = take_ptr(&images);
	return r;
}

/* ---- names ---- */

int image_set_name(struct db_work *work, const char *id, const char *full, bool is_digest, scow_error **error)
{
	return db_exec(work, error,
		       "INSERT INTO tags(reference, image, is_digest) VALUES(?1, ?2, ?3) ON CONFLICT(reference) DO UPDATE SET image = ?2",
		       "tti", full, id, (int64_t) is_digest);
}

int scow_image_tag(scow_image *image, const char *reference, scow_error **error)
{
	_cleanup_reference_ struct reference parsed = { 0 };
	_cleanup_db_ struct db_work work = { 0 };
	_cleanup_free_ char *full = NULL;
	sqlite3_stmt *row;
	int r = image_check(image, error);

	if (r == 0)
		r = reference_parse(reference, &parsed, error);
	if (r < 0)
		return r;
	if (parsed.digest)
		return error_hint(error, error_set(error, SCOW_E_INVALID, "cannot tag '%s': it has a digest", reference),
				  "give NAME[:TAG]");
	r = reference_default_tag(&parsed, error);
	if (r < 0)
		return r;
	full = reference_tagged(&parsed);
	if (!full)
		return error_oom(error);
	r = db_begin(image->engine->db, &work, error);
	if (r < 0)
		return r;
	r = db_query(&work, &row, error, "SELECT 1 FROM images WHERE id = ?1", "t", image->id);
	if (r <= 0)
		return r < 0 ? r : image_not_found(image->id, error);
	r = image_set_name(&work, image->id, full, false, error);
	if (r >= 0)
		r = db_exec(&work, error, "UPDATE images SET added = ?2 WHERE id = ?1", "ti", image->id, now_ns());
	if (r >= 0)
		r = image_event(&work, "tag", image->id, full, NULL, error);
	return r < 0 ? r : db_commit(&work, error);
}

/* ---- what a handle knows ---- */

int image_config_of(scow_image *image, const struct image_config **out, scow_error **error)
{
	int r = 0;

	pthread_mutex_lock(&image->lock);
	if (!image->parsed) {
		r = image_config_parse(image->config_text, strlen(image->config_text), &image->config, error);
		image->parsed = r == 0;
	}
	pthread_mutex_unlock(&image->lock);
	if (r < 0)
		return error_wrap(error, r, "image '%s'", image->given);
	/* See store/recover.c: the row of an image that a container still names. */
	if (image->config.n_diff_ids && !image->top_layer)
		return error_hint(error,
				  error_set(error, SCOW_E_CORRUPT, "the layers of the image '%s' were lost in a power cut", image->given),
				  "pull it again");
	*out = &image->config;
	return 0;
}

const char *image_top_layer(const scow_image *image)
{
	return image->top_layer;
}

scow_engine *image_engine(const scow_image *image)
{
	return image->engine;
}

const char *image_given_name(const scow_image *image)
{
	return image->given;
}

const char *scow_image_id(const scow_image *image)
{
	return image ? image->id : NULL;
}

size_t scow_image_tag_count(const scow_image *image)
{
	return image ? image->tags.count : 0;
}

const char *scow_image_tag_at(const scow_image *image, size_t n)
{
	return image && n < image->tags.count ? image->tags.items[n] : NULL;
}

const char *scow_image_loaded_as(const scow_image *image, size_t n)
{
	return image && n < image->loaded.count ? image->loaded.items[n] : NULL;
}

size_t scow_image_digest_count(const scow_image *image)
{
	return image ? image->digests.count : 0;
}

const char *scow_image_digest_at(const scow_image *image, size_t n)
{
	return image && n < image->digests.count ? image->digests.items[n] : NULL;
}

uint64_t scow_image_size_bytes(const scow_image *image)
{
	return image ? image->size : 0;
}

int64_t scow_image_created(const scow_image *image)
{
	return image ? image->created : 0;
}

const char *scow_image_platform(const scow_image *image)
{
	return image ? image->platform : NULL;
}
