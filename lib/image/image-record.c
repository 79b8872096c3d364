/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An image appears: one transaction, after all its bytes are in place.
 *
 * Between publishing a layer or blob and this transaction nothing refers to them, so a collector elsewhere may have taken
 * them: that is found here and given back as SCOW_E_BUSY, for the caller to publish them again.
 */
#include "image/image-internal.h"

#include <string.h>

#include "base/clock.h"
#include "base/str.h"

static int collected(const char *what, const char *name, scow_error **error)
{
	return error_hint(error, error_set(error, SCOW_E_BUSY, "the %s '%s' was deleted by another process meanwhile", what, name),
			  "try again");
}

/* The layers must all be there; their sizes add up to the image's. */
static int check_layers(struct db_work *work, const char *top, size_t count, int64_t *size, scow_error **error)
{
	sqlite3_stmt *row;
	int r;

	*size = 0;
	if (!top)
		return count ? error_set(error, SCOW_E_INVALID, "the image has %zu layers and none was unpacked", count) : 0;
	r = db_query(work, &row, error,
		     "WITH RECURSIVE chain(id, below) AS (SELECT chain_id, parent FROM layers WHERE chain_id = ?1 UNION ALL "
		     "SELECT chain_id, parent FROM layers, chain WHERE chain_id = below) "
		     "SELECT count(*), sum(size) FROM layers WHERE chain_id IN (SELECT id FROM chain)",
		     "t", top);
	if (r < 0)
		return r;
	if (r == 0 || db_int(row, 0) == 0)
		return collected("layer", top, error);
	if ((uint64_t) db_int(row, 0) != count)
		return error_set(error, SCOW_E_CORRUPT, "the image's config names %zu layers, %lld were unpacked", count,
				 (long long) db_int(row, 0));
	*size = db_int(row, 1);
	return 0;
}

static int add_blobs(struct db_work *work, const struct image_record *record, scow_error **error)
{
	for (size_t i = 0; i < record->n_blobs; i++) {
		sqlite3_stmt *row;
		int r = db_query(work, &row, error, "SELECT 1 FROM blobs WHERE digest = ?1", "t", record->blobs[i]);

		if (r <= 0)
			return r < 0 ? r : collected("blob", record->blobs[i], error);
		r = db_exec(work, error, "INSERT OR IGNORE INTO image_blobs(image, blob) VALUES(?1, ?2)", "tt", record->id,
			    record->blobs[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Of one that was made here. */
static int announce(struct db_work *work, const struct image_record *record, const struct image_config *config, scow_error **error)
{
	int r = *record->action ? image_event(work, record->action, record->id, NULL, config, error) : 0;

	return r == 0 && record->tag ? image_event(work, "tag", record->id, record->tag, config, error) : r;
}

static int insert(struct db_work *work, const struct image_record *record, const struct image_config *config, const char *text,
		  scow_error **error)
{
	char platform[192];
	int64_t size;
	int r = check_layers(work, record->top_chain_id, config->n_diff_ids, &size, error);

	if (r < 0)
		return r;
	platform_format(&config->platform, platform, sizeof(platform));
	/* One that is there already may have come again with another manifest, or after its layers were lost. */
	r = db_exec(work, error,
		    "INSERT INTO images(id, config, manifest, top_layer, platform, size, created, added) VALUES(?1, ?2, ?3, ?4, ?5, ?6, "
		    "?7, ?8) "
		    "ON CONFLICT(id) DO UPDATE SET manifest = ?3, top_layer = ?4, size = ?6, added = ?8",
		    "tttttiii", record->id, text, record->manifest_digest, record->top_chain_id, platform, size, config->created,
		    now_ns());
	if (r >= 0)
		r = add_blobs(work, record, error);
	if (r >= 0 && record->tag)
		r = image_set_name(work, record->id, record->tag, false, error);
	if (r >= 0 && record->digest_reference)
		r = image_set_name(work, record->id, record->digest_reference, true, error);
	if (r >= 0 && record->action)
		return announce(work, record, config, error);
	/* Who pulls knows the digest by which the registry has it. */
	if (r >= 0)
		r = image_event(work, record->digest_reference ? "pull" : "load", record->id, record->tag ? record->tag : record->digest_reference,
				config, error);
	return r < 0 ? r : 0;
}

int image_record(scow_engine *engine, const struct image_record *record, scow_image **out, scow_error **error)
{
	_cleanup_image_config_ struct image_config config = { 0 };
	_cleanup_db_ struct db_work work = { 0 };
	_cleanup_free_ char *text = NULL, *given = NULL;
	const char *name = record->tag ? record->tag : record->digest_reference ? record->digest_reference : record->id;
	int r = image_config_parse(record->config, record->config_size, &config, error);

	if (r < 0)
		return r;
	text = strndup(record->config, record->config_size);
	if (!text)
		return error_oom(error);
	r = db_begin(engine->db, &work, error);
	if (r < 0)
		return r;
	r = insert(&work, record, &config, text, error);
	if (r == 0)
		r = db_commit(&work, error);
	if (r < 0)
		return error_wrap(error, r, "record the image '%s'", name);
	if (!out)
		return 0;
	if (name != record->id)
		given = image_short_name(name);
	/* By id: the name may have moved on already. */
	return image_get_by_id(engine, record->id, given, out, error);
}
