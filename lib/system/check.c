/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether the store is what its rows say: the database itself, blobs by their digests, layers by their manifests, directories by rows and
 * rows by directories.
 *
 * 1. A layer's manifest (ROOT/manifests/NAME) is made when it is first checked, after its size and the sum of its files' checksums were
 *    found right: to hash every file while an image is pulled would cost a tenth of the pull, the sum costs nothing that can be
 *    measured (base/checksum.h). The layer's tar determines it, so it holds for the same layer pulled again.
 * 2. No lock is held while bytes are read: others pull, run and remove meanwhile. So a problem counts only if its row is still there
 *    when it was found.
 * 3. Repairs take the ways that a crash would: rows go with all that stands on them (store/recover.c). What a user made, volumes and
 *    what containers wrote, is told of and never touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/str.h"
#include "image/layer.h"
#include "store/db.h"
#include "store/recover.h"
#include "system/check.h"

#include <scow/system.h>

#define CHUNK (256u << 10)
#define MANIFEST_MAX (1u << 30)

struct check {
	scow_engine *engine;
	unsigned int flags;
	cJSON *problems;
	bool healthy, orphans;
	int manifests_fd;
	char *buffer;
};

/* A row, copied out: what is checked takes its time. */
struct item {
	char *text[4]; /* by column; NULL for NULL */
	int64_t number;
};
struct items {
	struct item *items;
	size_t count;
};

static void items_done(struct items *items)
{
	for (size_t i = 0; i < items->count; i++)
		for (size_t k = 0; k < ARRAY_SIZE(items->items[i].text); k++)
			free(items->items[i].text[k]);
	free(items->items);
}
#define _cleanup_items_ _cleanup_(items_done)

/* @sql gives four texts and a number. */
static int read_items(scow_engine *engine, const char *sql, struct items *out, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;
	int r;

	db_lock(engine->db, &work);
	for (r = db_query(&work, &row, error, sql, ""); r > 0; r = db_step(&work, row, error)) {
		struct item *grown = realloc(out->items, (out->count + 1) * sizeof(*grown)), *item;

		if (!grown)
			return error_oom(error);
		out->items = grown;
		item = &grown[out->count++];
		*item = (struct item){ .number = db_int(row, 4) };
		for (int k = 0; k < 4; k++) {
			item->text[k] = db_text(row, k) ? strdup(db_text(row, k)) : NULL;
			if (db_text(row, k) && !item->text[k])
				return error_oom(error);
		}
	}
	return r;
}

static bool has_row(scow_engine *engine, const char *sql, const char *key)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;

	db_lock(engine->db, &work);
	return db_query(&work, &row, NULL, sql, "t", key) != 0;
}

/* @action: what was done about it; NULL: nothing. */
static int report(struct check *check, const char *kind, const char *id, const char *problem, const char *action, scow_error **error)
{
	cJSON *object = cJSON_CreateObject();

	check->healthy &= action != NULL;
	if (object && cJSON_AddStringToObject(object, "Kind", kind) && cJSON_AddStringToObject(object, "Id", id) &&
	    cJSON_AddStringToObject(object, "Problem", problem) && cJSON_AddBoolToObject(object, "Repaired", action != NULL) &&
	    cJSON_AddStringToObject(object, "Action", action ? action : "") && cJSON_AddItemToArray(check->problems, object))
		return 0;
	cJSON_Delete(object);
	return error_oom(error);
}

static bool repairs(const struct check *check)
{
	return check->flags & SCOW_CHECK_REPAIR;
}

/* ---- the database ---- */

static int check_database(struct check *check, scow_error **error)
{
	static const char quick[] = "PRAGMA quick_check(5)", full[] = "PRAGMA integrity_check(5)", keys[] = "PRAGMA foreign_key_check";
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;
	char text[200];
	int r;

	db_lock(check->engine->db, &work);
	r = db_query(&work, &row, error, check->flags & SCOW_CHECK_QUICK ? quick : full, "");
	for (; r > 0; r = db_step(&work, row, error))
		if (strcmp(db_text(row, 0), "ok") != 0 && report(check, "database", "state.db", db_text(row, 0), NULL, error) < 0)
			return SCOW_E_NO_MEMORY;
	if (r == 0)
		r = db_query(&work, &row, error, keys, "");
	for (; r > 0; r = db_step(&work, row, error)) {
		snprintf(text, sizeof(text), "a row of %s names one of %s that is not there", db_text(row, 0), db_text(row, 2));
		if (report(check, "database", "state.db", text, NULL, error) < 0)
			return SCOW_E_NO_MEMORY;
	}
	return r;
}

/* ---- blobs ---- */

/* NULL: it is whole. */
static const char *blob_problem(struct check *check, const struct item *item)
{
	_cleanup_fd_ int fd = openat(check->engine->blobs_fd, digest_hex(item->text[0]), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct digest_ctx *ctx;
	char found[DIGEST_STRING];
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return errno == ENOENT ? "its file is missing" : "its file cannot be opened";
	if (st.st_size != item->number)
		return "its file has another size";
	if (check->flags & SCOW_CHECK_QUICK || digest_new(&ctx, NULL) < 0)
		return NULL;
	while ((n = fd_read_full(fd, check->buffer, CHUNK)) > 0)
		digest_update(ctx, check->buffer, (size_t) n);
	digest_final(ctx, found);
	digest_free(ctx);
	return n < 0 ? "its file cannot be read" : strcmp(found, item->text[0]) != 0 ? "its contents do not have its digest" : NULL;
}

static int check_blob(struct check *check, const struct item *item, scow_error **error)
{
	static const char sql[] = "SELECT 1 FROM blobs WHERE digest = ?1";
	const char *problem = blob_problem(check, item), *action = NULL;
	int r;

	if (!problem || !has_row(check->engine, sql, item->text[0]))
		return 0;
	if (repairs(check)) {
		r = recover_drop_blob(check->engine, item->text[0], error);
		if (r < 0)
			return r;
		action = "dropped; images that need it have to be pulled again";
		check->orphans = true;
	}
	return report(check, "blob", item->text[0], problem, action, error);
}

/* ---- layers ---- */

static int drop_layer(struct check *check, const struct item *item, const char **action, scow_error **error)
{
	int r = layer_in_use(check->engine, item->text[0], error);

	if (r != 0)
		return r < 0 ? r : 0; /* who runs on it would lose even what is whole */
	r = recover_drop_layer(check->engine, item->text[0], error);
	if (r == 0) {
		*action = "dropped; images that need it have to be pulled again";
		check->orphans = true;
	}
	return r;
}

static int report_layer(struct check *check, const struct item *item, const char *problem, scow_error **error)
{
	static const char sql[] = "SELECT 1 FROM layers WHERE chain_id = ?1";
	const char *action = NULL;
	int r = 0;

	if (!has_row(check->engine, sql, item->text[0]))
		return 0;
	if (repairs(check))
		r = drop_layer(check, item, &action, error);
	return r < 0 ? r : report(check, "layer", item->text[0], problem, action, error);
}

/* The first line that is not in the other: which file it is about, and how the two differ. */
static const char *explain(const char *expected, const char *found, char *out, size_t size)
{
	const char *line = expected, *other = found;
	size_t n, path, other_path;
	int order;

	while (*line && (n = strcspn(line, "\n")) == strcspn(other, "\n") && memcmp(line, other, n) == 0) {
		line += n + 1;
		other += n + 1;
	}
	path = strcspn(line, "\t\n");
	other_path = strcspn(other, "\t\n");
	order = path == other_path && memcmp(line, other, path) == 0 ? 0 : !*other ? -1 : !*line ? 1 : 2;
	/* Whichever has the other's file further on has got one more. */
	if (order == 2) {
		_cleanup_free_ char *key = strf("\n%.*s\t", (int) path, line);

		order = key && strstr(other, key) ? 1 : -1;
	}
	if (order == 0)
		snprintf(out, size, "'%.*s': it has changed", (int) path, line);
	else
		snprintf(out, size, "'%.*s': it %s", (int) (order < 0 ? path : other_path), order < 0 ? line : other,
			 order < 0 ? "is missing" : "does not belong there");
	return out;
}

/* With the manifest; where there is none yet, what is there becomes it. 0 also after reporting. */
static int compare_layer(struct check *check, const struct item *item, int fd, scow_error **error)
{
	_cleanup_str_ struct str found = { 0 };
	_cleanup_free_ char *expected = NULL;
	const char *name = item->text[1];
	char text[1024], reason[64];
	uint64_t sums;
	bool known;
	int r = tree_manifest(fd, &found, &sums, &known);

	if (r == -ENOMEM)
		return error_oom(error);
	if (r < 0) {
		snprintf(text, sizeof(text), "it cannot be read: %s", error_strerror(-r, reason, sizeof(reason)));
		return report(check, "layer", item->text[0], text, NULL, error);
	}
	str_add(&found, "");
	r = file_read_at(check->manifests_fd, name, MANIFEST_MAX, &expected, NULL);
	if (r == -ENOENT) {
		snprintf(text, sizeof(text), LAYER_SUMS, sums);
		if (item->text[2] && known && strcmp(item->text[2], text) != 0)
			return report_layer(check, item, "its files do not hold what was unpacked", error);
		r = file_publish_at(check->manifests_fd, name, found.data ? found.data : "", found.size, 0600);
		return r < 0 ? error_errno(error, -r, "write", "keep the manifest of the layer '%s'", item->text[0]) : 0;
	}
	if (r < 0)
		return error_errno(error, -r, "read", "read the manifest of the layer '%s'", item->text[0]);
	if (strcmp(expected, found.data ? found.data : "") == 0)
		return 0;
	return report_layer(check, item, explain(expected, found.data ? found.data : "", text, sizeof(text)), error);
}

static int check_layer(struct check *check, const struct item *item, scow_error **error)
{
	_cleanup_fd_ int fd = dir_open_at(check->engine->layers_fd, item->text[1]);
	bool quick = check->flags & SCOW_CHECK_QUICK;

	if (fd < 0)
		return report_layer(check, item, "its directory is missing", error);
	if ((quick || faccessat(check->manifests_fd, item->text[1], F_OK, 0) < 0) &&
	    !recover_layer_is_whole(check->engine, item->text[1], item->number))
		return report_layer(check, item, "its files do not have the size that was unpacked", error);
	return quick ? 0 : compare_layer(check, item, fd, error);
}

/* Those of layers that are gone. */
static void drop_manifests(struct check *check)
{
	static const char sql[] = "SELECT 1 FROM layers WHERE name = ?1";
	int fd = openat(check->manifests_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir && fd >= 0)
		close(fd);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && !has_row(check->engine, sql, entry->d_name))
			unlinkat(check->manifests_fd, entry->d_name, 0);
}

/* ---- rows and directories ---- */

static int check_places(struct check *check, const char *kind, const char *directory, const struct items *items, const char *below,
			scow_error **error)
{
	_cleanup_fd_ int fd = dir_open_at(check->engine->root_fd, directory);
	int r = 0;

	for (size_t i = 0; i < items->count && r == 0; i++) {
		char path[512];

		snprintf(path, sizeof(path), "%s%s", items->items[i].text[0], below);
		if (fd < 0 || faccessat(fd, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			r = report(check, kind, items->items[i].text[0], "its directory is missing", NULL, error);
	}
	return r;
}

/* What has no row. A maker may be between its rename and its row: recover_orphans() judges again before it removes. */
static int find_orphans(struct check *check, const char *kind, const char *directory, const char *sql, const char *prefix,
			scow_error **error)
{
	int fd = dir_open_at(check->engine->root_fd, directory), r = 0;
	_cleanup_dir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	bool is_data = strcmp(kind, "volume") == 0;
	struct dirent *entry;

	if (!dir && fd >= 0)
		close(fd);
	while (dir && r == 0 && (entry = readdir(dir))) {
		_cleanup_free_ char *key = strf("%s%s", prefix, entry->d_name);

		if (!key)
			return error_oom(error);
		if (entry->d_name[0] == '.' || has_row(check->engine, sql, key))
			continue;
		check->orphans |= !is_data;
		r = report(check, kind, key, "nothing in the database knows it", repairs(check) && !is_data ? "left to the sweep" : NULL,
			   error);
	}
	return r;
}

static int check_orphans(struct check *check, scow_error **error)
{
	static const char layers[] = "SELECT 1 FROM layers WHERE name = ?1", blobs[] = "SELECT 1 FROM blobs WHERE digest = ?1",
			  containers[] = "SELECT 1 FROM containers WHERE id = ?1", volumes[] = "SELECT 1 FROM volumes WHERE name = ?1";
	int r = find_orphans(check, "layer", "layers", layers, "", error);

	if (r == 0)
		r = find_orphans(check, "blob", "blobs/sha256", blobs, "sha256:", error);
	if (r == 0)
		r = find_orphans(check, "container", "containers", containers, "", error);
	return r < 0 ? r : find_orphans(check, "volume", "volumes", volumes, "", error);
}

static int check_all(struct check *check, cJSON *root, scow_error **error)
{
	static const char blobs[] = "SELECT digest, NULL, NULL, NULL, size FROM blobs";
	static const char layers[] = "SELECT chain_id, name, sums, NULL, size FROM layers";
	static const char containers[] = "SELECT id, NULL, NULL, NULL, 0 FROM containers WHERE started > 0 AND state IN (1, 2, 3) "
					 "AND config NOT LIKE '%\"backing\":\"tmpfs\"%'";
	static const char volumes[] = "SELECT name, NULL, NULL, NULL, 0 FROM volumes "
				      "WHERE driver = 'local' AND removing = 0 AND options NOT LIKE '%\"type\"%'";
	_cleanup_items_ struct items blob_items = { 0 }, layer_items = { 0 }, container_items = { 0 }, volume_items = { 0 };
	int r = check_database(check, error);

	if (r == 0)
		r = read_items(check->engine, blobs, &blob_items, error);
	for (size_t i = 0; i < blob_items.count && r == 0; i++)
		r = check_blob(check, &blob_items.items[i], error);
	if (r == 0)
		r = read_items(check->engine, layers, &layer_items, error);
	for (size_t i = 0; i < layer_items.count && r == 0; i++)
		r = check_layer(check, &layer_items.items[i], error);
	if (r == 0)
		r = read_items(check->engine, containers, &container_items, error);
	if (r == 0)
		r = check_places(check, "container", "containers", &container_items, "", error);
	if (r == 0)
		r = read_items(check->engine, volumes, &volume_items, error);
	if (r == 0)
		r = check_places(check, "volume", "volumes", &volume_items, "/_data", error);
	if (r == 0)
		r = check_orphans(check, error);
	if (r < 0)
		return r;
	if (repairs(check) && check->orphans)
		recover_orphans(check->engine);
	drop_manifests(check);
	return cJSON_AddNumberToObject(root, "Blobs", (double) blob_items.count) &&
			       cJSON_AddNumberToObject(root, "Layers", (double) layer_items.count) &&
			       cJSON_AddNumberToObject(root, "Containers", (double) container_items.count) &&
			       cJSON_AddNumberToObject(root, "Volumes", (double) volume_items.count)
		       ? 0
		       : error_oom(error);
}

int scow_engine_check(scow_engine *engine, unsigned int flags, char **report, scow_error **error)
{
	_cleanup_json_ cJSON *root = cJSON_CreateObject();
	_cleanup_free_ char *buffer = malloc(CHUNK);
	struct check check = { .engine = engine, .flags = flags, .healthy = true, .buffer = buffer };
	_cleanup_fd_ int manifests = -1;
	int r = engine_check(engine, error);

	if (r < 0)
		return r;
	if (!report || (flags & ~(unsigned int) (SCOW_CHECK_REPAIR | SCOW_CHECK_QUICK)))
		return error_set(error, SCOW_E_INVALID, report ? "unknown flags" : "no place for the report was given");
	check.problems = root ? cJSON_AddArrayToObject(root, "Problems") : NULL;
	if (!check.problems || !buffer)
		return error_oom(error);
	manifests = dir_make_at(engine->root_fd, "manifests", 0700);
	if (manifests == 0)
		manifests = dir_open_at(engine->root_fd, "manifests");
	if (manifests < 0)
		return error_errno(error, -manifests, "openat", "open '%s/manifests'", engine->root);
	check.manifests_fd = manifests;
	r = check_all(&check, root, error);
	if (r < 0)
		return r;
	if (!cJSON_AddBoolToObject(root, "Healthy", check.healthy) || !(*report = json_print(root)))
		return error_oom(error);
	return 0;
}
