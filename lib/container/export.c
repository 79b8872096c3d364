/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container's file system as a tar stream: the bare root, without what is mounted in it. Of one that runs it is cloned in its own
 * mount namespace; of another it is what root_open() mounts, ROOT_ALONE.
 */
#include <scow/files.h>

#include "archive/pack.h"
#include "base/fd.h"
#include "container/event.h"
#include "container/export.h"
#include "container/live.h"
#include "container/root.h"
#include "runtime/tree.h"

static int export_write(void *data, const void *bytes, size_t size, scow_error **error)
{
	const int *fd = data;
	int r = fd_write_all(*fd, bytes, size);

	return r < 0 ? error_errno(error, -r, "write", "write the archive") : 0;
}

int export_tree(const struct pack_source *source, int top_fd, int fd, scow_error **error)
{
	_cleanup_(tarwriter_freep) struct tarwriter *writer = NULL;
	struct pack_tar tar = { .cancel = source->walk.cancel };
	const struct pack_sink sink = { pack_tar_entry, &tar };
	int r = tarwriter_open(export_write, &fd, &writer, error);

	tar.writer = writer;
	if (r == 0)
		r = pack_tree(source, top_fd, &sink, error);
	return r < 0 ? r : tarwriter_finish(writer, error);
}

/* In place of the live root and its deputy: the same without its mounts. */
static int open_bare(struct root *root, struct deputy **deputy, int *fd, scow_error **error)
{
	_cleanup_fd_ int pidfd = -1;
	struct container_row row;
	int r = container_row_read(root->container->engine, root->container->id, &row, error);

	if (r < 0)
		return r;
	pidfd = container_pidfd(root->container->engine, &row);
	if (pidfd < 0)
		return error_hint(error, error_set(error, SCOW_E_STATE, "container '%s' has ended meanwhile", root->container->name),
				  "try again");
	return tree_bare(root->container->engine, pidfd, fd, deputy, error);
}

static int export_root(struct root *root, int fd, scow_error **error)
{
	_cleanup_(deputy_endp) struct deputy *deputy = NULL;
	_cleanup_fd_ int bare_fd = -1;
	struct pack_source source = { .engine = root->container->engine,
				      .walk.deputy = root->deputy,
				      .uids = root->maps.uids,
				      .gids = root->maps.gids,
				      .n_uids = root->maps.n_uids,
				      .n_gids = root->maps.n_gids,
				      .top = "" };
	int r = root->live ? open_bare(root, &deputy, &bare_fd, error) : 0;

	if (r < 0)
		return r;
	if (root->live)
		source.walk.deputy = deputy;
	return export_tree(&source, root->live ? bare_fd : root->fd, fd, error);
}

int scow_container_export(scow_container *container, int fd, scow_error **error)
{
	_cleanup_root_ struct root root = ROOT_INIT;
	int r = container_check(container, error);

	if (r == 0 && fd < 0)
		r = error_set(error, SCOW_E_INVALID, "no descriptor for the archive was given");
	if (r == 0)
		r = root_open(container, ROOT_ALONE, &root, error);
	if (r == 0)
		r = export_root(&root, fd, error);
	if (r == 0)
		container_announce(container->engine, container->id, "export", NULL);
	return r < 0 && container ? error_wrap(error, r, "export container '%s'", container->name) : r;
}
