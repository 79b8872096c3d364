/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looking for devices in the directories of CDI documents. Nothing is kept between two starts: a vendor's tool may write them anew
 * at any time, and only containers with such devices pay. A later directory wins over an earlier one; two documents of one directory
 * that have the same device are a mistake that nobody may decide. Documents that cannot be read are passed over, with a line in the
 * log, until a device is not found: then they are the likely reason, and the error.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "container/cdi.h"

#define FILE_MAX (4u << 20)
#define FILES_MAX 1024

struct found {
	const struct cdi_spec *spec;
	const struct cdi_device *device;
	size_t directory;
	const char *rival; /* another document of the same directory that has it */
};

struct search {
	scow_engine *engine;
	const char *const *names;
	size_t n;
	struct arena *arena;
	struct found *found; /* by name */
	scow_error *first;   /* of the documents that were passed over */
	size_t n_files;
};

static const char *const default_dirs[] = { "/etc/cdi", "/var/run/cdi", NULL };

static void note(struct search *search, const struct cdi_spec *spec, size_t directory)
{
	size_t kind = strlen(spec->kind);

	for (size_t i = 0; i < search->n; i++) {
		const char *name = search->names[i];
		struct found *found = &search->found[i];

		if (strncmp(name, spec->kind, kind) != 0 || name[kind] != '=')
			continue;
		for (size_t k = 0; k < spec->n_devices; k++) {
			if (!str_eq(spec->devices[k].name, name + kind + 1))
				continue;
			if (found->spec && found->directory == directory)
				found->rival = spec->file;
			else
				*found = (struct found){ spec, &spec->devices[k], directory, NULL };
		}
	}
}

/* A document that is bad is passed over; want of memory is not. */
static int read_document(struct search *search, int dir_fd, const char *dir, const char *name, size_t directory, scow_error **error)
{
	_cleanup_free_ char *text = NULL, *file = strf("%s/%s", dir, name);
	struct cdi_spec *spec = arena_alloc(search->arena, sizeof(*spec));
	scow_error *problem = NULL;
	size_t size = 0;
	int r;

	if (!file || !spec)
		return error_oom(error);
	r = file_read_at(dir_fd, name, FILE_MAX, &text, &size);
	if (r < 0)
		r = error_errno_status(&problem, SCOW_E_INVALID, -r, "read", "CDI document '%s'", file);
	else
		r = cdi_parse(text, size, file, search->arena, spec, &problem);
	if (r == 0) {
		note(search, spec, directory);
		return 0;
	}
	engine_log(search->engine, SCOW_LOG_WARNING, "%s", scow_error_message(problem));
	if (search->first)
		scow_error_unref(problem);
	else
		search->first = problem;
	return r == SCOW_E_NO_MEMORY ? error_oom(error) : 0;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_document(const struct dirent *entry)
{
	return entry->d_name[0] != '.' &&
	       (str_has_suffix(entry->d_name, ".json") || str_has_suffix(entry->d_name, ".yaml") || str_has_suffix(entry->d_name, ".yml"));
}

static int read_directory(struct search *search, const char *dir, size_t directory, scow_error **error)
{
	_cleanup_fd_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent **entries = NULL;
	int n = fd < 0 ? 0 : scandirat(fd, ".", &entries, is_document, compare_names), r = 0;

	if (n < 0)
		return error_errno(error, errno, "scandirat", "read '%s'", dir);
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;

		if (r == 0 && search->n_files++ >= FILES_MAX)
			r = error_set(error, SCOW_E_LIMIT, "more than %d CDI documents", FILES_MAX);
		else if (r == 0)
			r = read_document(search, fd, dir, name, directory, error);
		free(entries[i]);
	}
	free(entries);
	return r;
}

static int not_found(struct search *search, const char *name, const char *const *dirs, scow_error **error)
{
	_cleanup_str_ struct str list = { 0 };

	for (size_t i = 0; dirs[i]; i++)
		str_printf(&list, "%s'%s'", i ? ", " : "", dirs[i]);
	if (search->first)
		return error_hint(
			error, error_set(error, SCOW_E_INVALID, "device '%s' was not found: %s", name, scow_error_message(search->first)),
			"mend that document, or take it away");
	return error_hint(error,
			  error_set(error, SCOW_E_NOT_FOUND, "device '%s': no CDI document in %s has it", name,
				    list.failed || !list.size ? "no directory" : list.data),
			  "the vendor's tool writes one, as in: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.json");
}

static int apply_all(struct search *search, const char *const *dirs,
		     int (*apply)(void *data, const struct cdi_spec *spec, const struct cdi_edits *edits, scow_error **error), void *data,
		     scow_error **error)
{
	for (size_t i = 0; i < search->n; i++) {
		const struct found *found = &search->found[i];
		bool seen = false;
		int r = 0;

		if (!found->spec)
			return not_found(search, search->names[i], dirs, error);
		if (found->rival)
			return error_set(error, SCOW_E_INVALID, "device '%s' is in '%s' and in '%s'", search->names[i], found->spec->file,
					 found->rival);
		for (size_t k = 0; k < i; k++)
			seen = seen || search->found[k].spec == found->spec;
		if (!seen)
			r = apply(data, found->spec, &found->spec->edits, error);
		if (r == 0)
			r = apply(data, found->spec, &found->device->edits, error);
		if (r < 0)
			return error_wrap(error, r, "device '%s'", search->names[i]);
	}
	return 0;
}

int cdi_each(scow_engine *engine, const char *const *names, size_t n, struct arena *arena,
	     int (*apply)(void *data, const struct cdi_spec *spec, const struct cdi_edits *edits, scow_error **error), void *data,
	     scow_error **error)
{
	const char *const *dirs = engine->cdi_dirs ? (const char *const *) engine->cdi_dirs : default_dirs;
	struct search search = { .engine = engine, .names = names, .n = n, .arena = arena };
	int r = 0;

	search.found = arena_alloc(arena, n * sizeof(*search.found));
	if (!search.found)
		return error_oom(error);
	for (size_t i = 0; dirs[i] && r == 0; i++)
		r = read_directory(&search, dirs[i], i, error);
	if (r == 0)
		r = apply_all(&search, dirs, apply, data, error);
	scow_error_unref(search.first);
	return r;
}
