/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * scow_container_commit(): the upper directory becomes a layer, the container's settings an image's.
 *
 * 1. A running one is frozen while its files are copied, and no longer: the layer's bytes are hashed from the copy.
 * 2. The layer holds what has changed. A directory that is only in the upper one because something in it is, or was mounted there,
 *    comes along with what is in it, or not at all.
 * 3. Layer and image appear as those of a pull do: a commit that is cut off leaves nothing that can be seen.
 */
#include <scow/files.h>

#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/str.h"
#include "container/commit.h"
#include "container/event.h"
#include "container/live.h"
#include "container/upper.h"
#include "image/compose.h"
#include "image/instructions.h"

struct scow_commit_options {
	char *author, *message;
	char **changes;
	size_t n_changes;
	bool no_pause, failed; /* failed: a setter had no memory */
	scow_cancel *cancel;
};

struct commit {
	scow_container *container;
	const scow_commit_options *options;
	char *reference;
	cJSON *settings;
	char *created_by;
	struct layer_tree tree;
	struct layer_made made;
	char chain_id[DIGEST_STRING];
};

/* ---- options ---- */

scow_commit_options *scow_commit_options_new(void)
{
	return calloc(1, sizeof(scow_commit_options));
}

scow_commit_options *scow_commit_options_unref(scow_commit_options *options)
{
	if (options) {
		free(options->author);
		free(options->message);
		strv_free(options->changes);
		scow_cancel_unref(options->cancel);
		free(options);
	}
	return NULL;
}

void scow_commit_options_set_author(scow_commit_options *options, const char *author)
{
	if (options)
		options->failed |= !str_assign(&options->author, author);
}

void scow_commit_options_set_message(scow_commit_options *options, const char *message)
{
	if (options)
		options->failed |= !str_assign(&options->message, message);
}

void scow_commit_options_set_pause(scow_commit_options *options, int pause)
{
	if (options)
		options->no_pause = !pause;
}

void scow_commit_options_add_change(scow_commit_options *options, const char *instruction)
{
	if (options)
		options->failed |= !strv_push(&options->changes, &options->n_changes, strdup(instruction ? instruction : ""));
}

void scow_commit_options_set_cancel(scow_commit_options *options, scow_cancel *cancel)
{
	if (options)
		cancel_assign(&options->cancel, cancel);
}

/* ---- the layer ---- */

static int keep_entry(void *data, const struct walk_entry *entry, enum pack_keep *out, scow_error **error)
{
	struct upper *upper = data;
	struct lower below;
	int r;

	*out = PACK_KEEP;
	if (!*entry->path || (!S_ISDIR(entry->st.st_mode) && !upper_is_mount_point(entry)))
		return 0;
	r = upper_below(upper, entry->path, &below, error);
	if (r < 0)
		return r;
	if (!r && upper_is_mount_point(entry))
		*out = PACK_LEAVE_OUT;
	else if (!r)
		*out = str_eq(entry->path, "etc") ? PACK_IF_FILLED : PACK_KEEP;
	else if (S_ISDIR(entry->st.st_mode) && !upper_differs(upper, entry, &below))
		*out = PACK_IF_FILLED;
	return 0;
}

static int copy_upper(struct commit *commit, struct upper *upper, scow_error **error)
{
	scow_engine *engine = commit->container->engine;
	struct pack_source source = { .engine = engine,
				      .walk = { .deputy = upper->deputy, .cancel = commit->options->cancel },
				      .top = "",
				      .overlay = true,
				      .keep = keep_entry,
				      .keep_data = upper };

	commit->made.empty = true;
	if (upper->fd < 0)
		return 0;
	/* On the disk are a plain user's mapped ids; root's are the container's own. */
	if (engine->facts.rootless) {
		source.uids = engine->facts.uid_map;
		source.gids = engine->facts.gid_map;
		source.n_uids = engine->facts.n_uid_map;
		source.n_gids = engine->facts.n_gid_map;
	}
	return layer_tree_fill(engine, &commit->tree, &source, upper->fd, &commit->made, error);
}

/* 1: it is frozen, and to be let go. What does not run, is paused already, or has ended meanwhile needs none. */
static int freeze(struct commit *commit, scow_error **error)
{
	scow_error *failure = NULL;
	struct container_row row;
	int r = container_row_settled(commit->container, &row, error);

	if (r < 0)
		return r;
	if (row.state == SCOW_CONTAINER_REMOVING)
		return error_set(error, SCOW_E_STATE, "it is being removed");
	if (commit->options->no_pause || row.state != SCOW_CONTAINER_RUNNING)
		return 0;
	r = scow_container_pause(commit->container, &failure);
	if (r == SCOW_E_STATE) {
		scow_error_unref(failure);
		return 0;
	}
	if (r == SCOW_E_UNSUPPORTED)
		error_wrap(&failure, r, "keep its files as they are meanwhile, which --no-pause (scow_commit_options_set_pause) leaves out");
	if (r < 0 && error)
		*error = failure;
	else if (r < 0)
		scow_error_unref(failure);
	return r < 0 ? r : 1;
}

static int read_changes(struct commit *commit, scow_error **error)
{
	_cleanup_upper_ struct upper upper = UPPER_INIT;
	int frozen, r = upper_open(commit->container, &upper, error);

	if (r == 0)
		r = layer_tree_make(commit->container->engine, &commit->tree, error);
	if (r < 0)
		return r;
	frozen = freeze(commit, error);
	if (frozen < 0)
		return frozen;
	r = copy_upper(commit, &upper, error);
	if (frozen) {
		scow_error *failure = NULL;

		if (scow_container_unpause(commit->container, &failure) < 0 && scow_error_status(failure) != SCOW_E_STATE)
			engine_log(commit->container->engine, SCOW_LOG_WARNING, "after a commit: %s", scow_error_message(failure));
		scow_error_unref(failure);
	}
	return r;
}

/* ---- the image ---- */

static int publish(struct commit *commit, scow_error **error)
{
	scow_container *container = commit->container;
	int r;

	if (commit->made.empty) {
		snprintf(commit->chain_id, sizeof(commit->chain_id), "%s", container->top_layer ? container->top_layer : "");
		return 0;
	}
	r = layer_tree_publish(container->engine, &commit->tree, container->top_layer, commit->made.diff_id, commit->made.size,
			       commit->chain_id, error);
	return r < 0 ? r : 0;
}

static int compose(struct commit *commit, scow_image **out, scow_error **error)
{
	scow_container *container = commit->container;
	_cleanup_(scow_image_unrefp) scow_image *base = NULL;
	struct compose compose = { .settings = commit->settings,
				   .layer = commit->made.empty ? NULL : &commit->made,
				   .top_chain_id = *commit->chain_id ? commit->chain_id : NULL,
				   .author = commit->options->author,
				   .message = commit->options->message,
				   .created_by = commit->created_by,
				   .reference = commit->reference,
				   .action = "" };
	int r = scow_image_get(container->engine, container->image_id, &base, error);

	compose.base = base;
	return r < 0 ? r : compose_image(container->engine, &compose, out, error);
}

static int prepare(struct commit *commit, const char *reference, scow_error **error)
{
	const scow_commit_options *options = commit->options;
	int r = options->failed ? error_oom(error) : compose_reference(reference, &commit->reference, error);

	if (r == 0)
		r = commit_settings(commit->container, &commit->settings, &commit->created_by, error);
	for (size_t i = 0; i < options->n_changes && r == 0; i++)
		r = instruction_apply(commit->settings, options->changes[i], error);
	return r;
}

static void announce(const struct commit *commit, const scow_image *image)
{
	_cleanup_free_ char *name = NULL;
	const char *const extra[] = {
		"comment",  commit->options->message ? commit->options->message : "",
		"imageID",  scow_image_id(image),
		"imageRef", commit->reference && scow_reference_familiar(commit->reference, &name, NULL) == 0 ? name : "",
		NULL
	};

	container_announce(commit->container->engine, commit->container->id, "commit", extra);
}

static int commit_all(struct commit *commit, const char *reference, scow_image **out, scow_error **error)
{
	_cleanup_(scow_image_unrefp) scow_image *image = NULL;
	int r = prepare(commit, reference, error);

	if (r == 0)
		r = read_changes(commit, error);
	if (r == 0)
		r = publish(commit, error);
	if (r == 0)
		r = compose(commit, &image, error);
	if (r < 0)
		return r;
	announce(commit, image);
	if (out)
		*out = take_ptr(&image);
	return 0;
}

int scow_container_commit(scow_container *container, const char *reference, const scow_commit_options *options, scow_image **out,
			  scow_error **error)
{
	static const scow_commit_options defaults = { 0 };
	struct commit commit = { .container = container, .options = options ? options : &defaults, .tree = LAYER_TREE_INIT };
	int r = container_check(container, error);

	if (r < 0)
		return r;
	r = commit_all(&commit, reference, out, error);
	layer_tree_done(container->engine, &commit.tree);
	free(commit.reference);
	free(commit.created_by);
	cJSON_Delete(commit.settings);
	return r < 0 ? error_wrap(error, r, "commit container '%s'", container->name) : 0;
}
