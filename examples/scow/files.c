/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of containers: cp, diff, commit, export, import. */
#include "cli.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- cp ---- */

struct cp_options {
	bool archive, follow, quiet;
};
static const struct option cp_table[] = {
	{ "archive", 'a', OPTION_SWITCH, NULL, "Keep users and groups", offsetof(struct cp_options, archive) },
	{ "follow-link", 'L', OPTION_SWITCH, NULL, "Follow a symbolic link that is the source", offsetof(struct cp_options, follow) },
	{ "quiet", 'q', OPTION_SWITCH, NULL, "Tell nothing of how far it is", offsetof(struct cp_options, quiet) },
	{ NULL },
};

struct copying {
	bool shown;
	uint64_t bytes, told;
};

static int show_copied(uint64_t bytes, void *userdata)
{
	struct copying *copying = userdata;

	copying->bytes = bytes;
	if (copying->shown && bytes - copying->told > 1000000) {
		copying->told = bytes;
		fprintf(stderr, "\rCopying... %s ", human_size(bytes));
	}
	return 0;
}

/* "CONTAINER:PATH", unless it is a path by its looks. NULL for a path of the host. */
static const char *container_of(const char *argument, const char **path)
{
	const char *rest, *name;

	*path = argument;
	if (argument[0] == '/' || argument[0] == '.')
		return NULL;
	name = keep_split(argument, ':', &rest);
	if (!rest)
		return NULL;
	*path = rest[0] == '/' ? rest : keep_format("/%s", rest);
	return name;
}

static bool is_link(const char *json, const char **target)
{
	cJSON *object = cJSON_Parse(json);
	const cJSON *link = cJSON_GetObjectItemCaseSensitive(object, "linkTarget");

	*target = cJSON_IsString(link) && *link->valuestring ? keep_text(link->valuestring) : NULL;
	cJSON_Delete(object);
	return *target;
}

/* A stream into a directory, to which a link may lead. */
static int unpack_stdin(scow_container *container, const char *path, unsigned int flags, scow_error **error)
{
	const char *target;
	char *json = NULL;

	if (isatty(STDIN_FILENO)) {
		complain("cowardly refusing to read an archive from a terminal");
		return -1;
	}
	if (scow_container_path_json(container, path, &json, NULL) == 0 && is_link(json, &target))
		path = target;
	scow_free(json);
	return scow_container_copy_in(container, path, STDIN_FILENO, flags & SCOW_COPY_OWNERS, error);
}

static int pack_stdout(scow_container *container, const char *path, unsigned int flags, scow_error **error)
{
	if (isatty(STDOUT_FILENO)) {
		complain("cowardly refusing to write an archive to a terminal");
		return -1;
	}
	return scow_container_copy_out(container, path, STDOUT_FILENO, flags & SCOW_COPY_FOLLOW, error);
}

static int copy(struct cli *cli, void *target, int argc, char **argv)
{
	const struct cp_options *options = target;
	const char *from_path, *to_path, *from = container_of(argv[0], &from_path), *to = container_of(argv[1], &to_path);
	unsigned int flags = (options->archive ? SCOW_COPY_OWNERS : 0) | (options->follow ? SCOW_COPY_FOLLOW : 0);
	struct copying copying = { .shown = !options->quiet && isatty(STDERR_FILENO) };
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	scow_engine *engine;
	int r;

	(void) argc;
	if (!from == !to)
		return complain("%s", from ? "copying between containers is not supported" : "must specify at least one container source"),
		       1;
	engine = cli_engine(cli);
	if (!engine || scow_container_get(engine, from ? from : to, &container, &error) < 0)
		return engine ? complain_error(&error) : (void) 0, 1;
	if (from && strcmp(to_path, "-") == 0)
		r = pack_stdout(container, from_path, flags, &error);
	else if (to && strcmp(from_path, "-") == 0)
		r = unpack_stdin(container, to_path, flags, &error);
	else if (from)
		r = scow_container_copy_to_host(container, from_path, to_path, flags, show_copied, &copying, &error);
	else
		r = scow_container_copy_from_host(container, from_path, to_path, flags, show_copied, &copying, &error);
	if (copying.told)
		fputc('\n', stderr);
	if (r < 0)
		return error ? complain_error(&error) : (void) 0, 1;
	if (!options->quiet && strcmp(to_path, "-") != 0 && strcmp(from_path, "-") != 0)
		fprintf(stderr, "Successfully copied %s to %s\n", human_size(copying.bytes),
			printable(from ? to_path : argv[1], stderr, false));
	return 0;
}

/* ---- diff ---- */

static int show_changes(struct cli *cli, void *target, int argc, char **argv)
{
	static const char kinds[] = "CAD";
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	scow_engine *engine = cli_engine(cli);
	char *json = NULL;
	cJSON *changes;
	const cJSON *item;

	(void) target;
	(void) argc;
	if (!engine)
		return 1;
	if (scow_container_get(engine, argv[0], &container, &error) < 0 || scow_container_changes_json(container, &json, &error) < 0)
		return complain_error(&error), 1;
	changes = cJSON_Parse(json);
	scow_free(json);
	cJSON_ArrayForEach(item, changes)
	{
		const cJSON *path = cJSON_GetObjectItemCaseSensitive(item, "Path"), *kind = cJSON_GetObjectItemCaseSensitive(item, "Kind");

		printf("%c %s\n", kinds[kind->valueint % 3], printable(path->valuestring, stdout, false));
	}
	cJSON_Delete(changes);
	return 0;
}

/* ---- commit ---- */

struct commit_options {
	const char *author, *message, *pause;
	struct list changes;
	bool no_pause;
};
static const struct option commit_table[] = {
	{ "author", 'a', OPTION_TEXT, "string", "Who made it: \"Hilde <hilde@example.org>\"", offsetof(struct commit_options, author) },
	{ "change", 'c', OPTION_LIST, "list", "A Dockerfile instruction for the image's settings",
	  offsetof(struct commit_options, changes) },
	{ "message", 'm', OPTION_TEXT, "string", "What the history says of it", offsetof(struct commit_options, message) },
	{ "no-pause", 0, OPTION_SWITCH, NULL, "Let the container go on meanwhile", offsetof(struct commit_options, no_pause) },
	{ "pause", 'p', OPTION_TEXT, "bool", "false: as --no-pause (true)", offsetof(struct commit_options, pause) },
	{ NULL },
};

static bool is_false(const char *text)
{
	return text && (strcmp(text, "false") == 0 || strcmp(text, "0") == 0);
}

static int commit(struct cli *cli, void *target, int argc, char **argv)
{
	const struct commit_options *flags = target;
	SCOW_AUTO(scow_commit_options) *options = scow_commit_options_new();
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_image) *image = NULL;
	scow_engine *engine = cli_engine(cli);

	if (!engine)
		return 1;
	scow_commit_options_set_author(options, flags->author);
	scow_commit_options_set_message(options, flags->message);
	scow_commit_options_set_pause(options, !flags->no_pause && !is_false(flags->pause));
	for (size_t i = 0; i < flags->changes.count; i++)
		scow_commit_options_add_change(options, flags->changes.items[i]);
	if (scow_container_get(engine, argv[0], &container, &error) < 0 ||
	    scow_container_commit(container, argc > 1 ? argv[1] : NULL, options, &image, &error) < 0)
		return complain_error(&error), 1;
	puts(scow_image_id(image));
	return 0;
}

/* ---- export ---- */

struct export_options {
	const char *output;
};
static const struct option export_table[] = {
	{ "output", 'o', OPTION_TEXT, "string", "Write to a file, not to standard output", offsetof(struct export_options, output) },
	{ NULL },
};

static int export_container(struct cli *cli, void *target, int argc, char **argv)
{
	const char *output = ((struct export_options *) target)->output, *part = NULL;
	SCOW_AUTO(scow_container) *container = NULL;
	SCOW_AUTO(scow_error) *error = NULL;
	scow_engine *engine = cli_engine(cli);
	int fd = STDOUT_FILENO, r;

	(void) argc;
	if (!engine)
		return 1;
	if (!output && isatty(STDOUT_FILENO))
		return complain("cowardly refusing to save to a terminal. Use the -o flag or redirect"), 1;
	if (scow_container_get(engine, argv[0], &container, &error) < 0)
		return complain_error(&error), 1;
	if (output) {
		struct stat st;
		/* A half-written file never has the name; a device or a pipe is written to as it is. */
		bool whole = stat(output, &st) < 0 || S_ISREG(st.st_mode);

		part = whole ? keep_format("%s.part-%d", output, (int) getpid()) : NULL;
		fd = open(part ? part : output, O_WRONLY | O_CREAT | (part ? O_EXCL : 0) | O_CLOEXEC, 0600);
		if (fd < 0)
			return complain("cannot write '%s': %s", output, strerror(errno)), 1;
	}
	r = scow_container_export(container, fd, &error);
	if (output && close(fd) < 0 && r == 0)
		return complain("cannot write '%s': %s", output, strerror(errno)), 1;
	if (r == 0 && part && rename(part, output) < 0) {
		complain("cannot write '%s': %s", output, strerror(errno));
		r = -1;
	}
	if (r < 0 && part)
		unlink(part);
	if (r < 0 && error)
		complain_error(&error);
	return r < 0;
}

/* ---- import ---- */

struct import_options {
	const char *message, *platform;
	struct list changes;
};
static const struct option import_table[] = {
	{ "change", 'c', OPTION_LIST, "list", "A Dockerfile instruction for the image's settings",
	  offsetof(struct import_options, changes) },
	{ "message", 'm', OPTION_TEXT, "string", "What the history says of it", offsetof(struct import_options, message) },
	{ "platform", 0, OPTION_TEXT, "string", "What it is for: \"linux/arm64\"", offsetof(struct import_options, platform) },
	{ NULL },
};

static int import(struct cli *cli, void *target, int argc, char **argv)
{
	const struct import_options *flags = target;
	SCOW_AUTO(scow_import_options) *options = scow_import_options_new();
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_image) *image = NULL;
	scow_engine *engine = cli_engine(cli);
	bool from_stdin = strcmp(argv[0], "-") == 0;
	int fd, r;

	if (!engine)
		return 1;
	if (starts_with(argv[0], "http://") || starts_with(argv[0], "https://"))
		return complain("'%s': fetch it first, and import the file", argv[0]), 1;
	fd = from_stdin ? STDIN_FILENO : open(argv[0], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return complain("cannot open '%s': %s", argv[0], strerror(errno)), 1;
	if (from_stdin && isatty(fd))
		return complain("cowardly refusing to read an archive from a terminal"), 1;
	scow_import_options_set_message(options, flags->message ? flags->message : keep_format("Imported from %s", argv[0]));
	scow_import_options_set_platform(options, flags->platform);
	scow_import_options_set_reference(options, argc > 1 ? argv[1] : NULL);
	for (size_t i = 0; i < flags->changes.count; i++)
		scow_import_options_add_change(options, flags->changes.items[i]);
	r = scow_image_import(engine, fd, options, &image, &error);
	if (!from_stdin)
		close(fd);
	if (r < 0)
		return complain_error(&error), 1;
	puts(scow_image_id(image));
	return 0;
}

const struct command file_commands[] = {
	{ "commit", "container commit", "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]", "Keep a container's changes as an image", commit_table,
	  sizeof(struct commit_options), 1, 2, false, commit },
	{ "cp", "container cp", "[OPTIONS] CONTAINER:PATH|PATH|- CONTAINER:PATH|PATH|-", "Copy files between a container and the host",
	  cp_table, sizeof(struct cp_options), 2, 2, false, copy },
	{ "diff", "container diff", "CONTAINER", "Show what a container has changed of its image's files", NULL, 0, 1, 1, false,
	  show_changes },
	{ "export", "container export", "[OPTIONS] CONTAINER", "Write a container's file system as a tar archive", export_table,
	  sizeof(struct export_options), 1, 1, false, export_container },
	{ "import", "image import", "[OPTIONS] FILE|DIRECTORY|- [REPOSITORY[:TAG]]", "Make an image of a file system", import_table,
	  sizeof(struct import_options), 1, 2, false, import },
	{ NULL },
};
