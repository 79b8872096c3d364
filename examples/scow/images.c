/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images: pull, load, images, tag, rmi, history. */
#include "cli.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- pull ---- */

struct pull_options {
	bool quiet, insecure;
	const char *platform;
};
static const struct option pull_table[] = {
	{ "insecure", 0, OPTION_SWITCH, NULL, "Allow plain HTTP and unverified TLS", offsetof(struct pull_options, insecure) },
	{ "platform", 0, OPTION_TEXT, "string", "Take the image for this platform (linux/arm64)", offsetof(struct pull_options, platform) },
	{ "quiet", 'q', OPTION_SWITCH, NULL, "Print only the image's full name", offsetof(struct pull_options, quiet) },
	{ NULL },
};

/* "docker.io/library/a:1" is "1" of "docker.io/library/a"; a colon before the last slash is a port. */
static const char *tag_of(const char *reference)
{
	const char *at = strchr(reference, '@'), *slash = strrchr(reference, '/'), *colon = strrchr(reference, ':');

	return at ? at + 1 : colon && (!slash || colon > slash) ? colon + 1 : "";
}

static const char *repository_of(const char *reference)
{
	const char *at = strchr(reference, '@'), *tag;
	char *name = keep_format("%.*s", (int) (at ? at - reference : (long) strlen(reference)), reference);

	tag = tag_of(name);
	if (*tag)
		name[tag - name - 1] = 0;
	return name;
}

/* What the registry called it: the digest of its manifest, or of its index. */
static const char *digest_of(const scow_image *image, const char *familiar)
{
	const char *wanted = repository_of(familiar), *found = NULL;

	for (size_t i = 0; i < scow_image_digest_count(image); i++) {
		const char *digest = scow_image_digest_at(image, i);

		if (!found || strcmp(repository_of(digest), wanted) == 0)
			found = strchr(digest, '@') ? strchr(digest, '@') + 1 : digest;
	}
	return found;
}

static const char *id_before(struct cli *cli, const char *reference)
{
	SCOW_AUTO(scow_image) *image = NULL;

	return scow_image_get(cli->engine, reference, &image, NULL) == 0 ? keep_text(scow_image_id(image)) : NULL;
}

static int pull(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_image) *image = NULL;
	struct pull_options *options = target;
	char *full = NULL, *familiar = NULL;
	const char *before, *digest;
	int code = 1;

	(void) argc;
	if (scow_reference_normalize(argv[0], &full, &error) < 0 || scow_reference_familiar(argv[0], &familiar, &error) < 0) {
		complain_error(&error);
	} else if (cli_engine(cli)) {
		before = id_before(cli, argv[0]);
		if (!options->quiet)
			printf("%s: Pulling from %s\n", tag_of(full),
			       starts_with(full, "docker.io/") ? repository_of(full) + 10 : repository_of(full));
		image = pull_with_progress(cli, argv[0], options->platform, options->insecure, options->quiet ? NULL : stdout);
	}
	if (image) {
		digest = digest_of(image, familiar);
		if (!options->quiet && digest)
			printf("Digest: %s\n", digest);
		if (!options->quiet)
			printf("Status: %s for %s\n",
			       before && strcmp(before, scow_image_id(image)) == 0 ? "Image is up to date" : "Downloaded newer image",
			       familiar);
		printf("%s\n", full);
		code = 0;
	}
	scow_free(full);
	scow_free(familiar);
	return code;
}

/* ---- load ---- */

struct load_options {
	const char *input, *platform;
	bool quiet;
};
static const struct option load_table[] = {
	{ "input", 'i', OPTION_TEXT, "string", "Read an archive, or a directory with an OCI layout, in place of stdin",
	  offsetof(struct load_options, input) },
	{ "platform", 0, OPTION_TEXT, "string", "Take the images for this platform (linux/arm64)",
	  offsetof(struct load_options, platform) },
	{ "quiet", 'q', OPTION_SWITCH, NULL, "Print only what was loaded", offsetof(struct load_options, quiet) },
	{ NULL },
};

static int load_from(struct cli *cli, int fd, const char *platform)
{
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_iter) *images = NULL;
	SCOW_AUTO(scow_load_options) *options = scow_load_options_new();
	scow_image *image;

	if (platform)
		scow_load_options_set_platform(options, platform);
	if (scow_image_load(cli->engine, fd, options, &images, &error) < 0) {
		complain_error(&error);
		return 1;
	}
	while ((image = scow_iter_next_image(images))) {
		for (size_t i = 0; scow_image_loaded_as(image, i); i++)
			printf("Loaded image: %s\n", printable(scow_image_loaded_as(image, i), stdout, false));
		if (!scow_image_loaded_as(image, 0))
			printf("Loaded image ID: %s\n", scow_image_id(image));
	}
	return 0;
}

static int load(struct cli *cli, void *target, int argc, char **argv)
{
	struct load_options *options = target;
	int fd = STDIN_FILENO, code;

	(void) argc;
	(void) argv;
	if (!options->input && isatty(STDIN_FILENO)) {
		complain("requested load from stdin, but stdin is a terminal: use -i FILE");
		return 1;
	}
	if (options->input)
		fd = open(options->input, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		complain("open '%s': %s", options->input, strerror(errno));
		return 1;
	}
	code = cli_engine(cli) ? load_from(cli, fd, options->platform) : 1;
	if (fd != STDIN_FILENO)
		close(fd);
	return code;
}

/* ---- images ---- */

struct images_options {
	bool all, quiet, whole, digests;
	struct list filters;
	const char *format;
};
static const struct option images_table[] = {
	{ "all", 'a', OPTION_SWITCH, NULL, "Show all images", offsetof(struct images_options, all) },
	{ "digests", 0, OPTION_SWITCH, NULL, "Show digests", offsetof(struct images_options, digests) },
	{ "filter", 'f', OPTION_LIST, "filter", "Show those with a property, as dangling=true, label=a=b, reference=ubuntu, before=NAME",
	  offsetof(struct images_options, filters) },
	{ "format", 0, OPTION_TEXT, "string", "\"json\", \"table TEMPLATE\" or a Go template", offsetof(struct images_options, format) },
	{ "no-trunc", 0, OPTION_SWITCH, NULL, "Show ids whole", offsetof(struct images_options, whole) },
	{ "quiet", 'q', OPTION_SWITCH, NULL, "Show ids only", offsetof(struct images_options, quiet) },
	{ NULL },
};
static const struct column images_columns[] = {
	{ "Repository", "REPOSITORY" }, { "Tag", "TAG" },   { "Digest", "DIGEST" },     { "ID", "IMAGE ID" }, { "CreatedSince", "CREATED" },
	{ "CreatedAt", "CREATED AT" },  { "Size", "SIZE" }, { "Platform", "PLATFORM" }, { NULL, NULL },
};

static void images_row(struct table *table, const scow_image *image, const char *reference, bool whole)
{
	const char *tag = reference && !strchr(reference, '@') ? tag_of(reference) : "<none>";
	const char *digest = digest_of(image, reference ? reference : "");
	cJSON *row = cJSON_CreateObject();

	row_text(row, "Repository", reference ? repository_of(reference) : "<none>");
	row_text(row, "Tag", tag);
	row_text(row, "Digest", digest ? digest : "<none>");
	row_text(row, "ID", short_id(scow_image_id(image), whole));
	row_text(row, "CreatedSince", human_since(scow_image_created(image)));
	row_text(row, "CreatedAt", local_time(scow_image_created(image)));
	row_text(row, "Size", human_size(scow_image_size_bytes(image)));
	row_text(row, "Platform", scow_image_platform(image));
	table_add(table, row);
}

/* One row for each of its tags; an image without any is shown once, by where it came from if that is known. */
static void image_rows(struct table *table, const scow_image *image, const struct images_options *options)
{
	size_t tags = scow_image_tag_count(image);

	for (size_t i = 0; i < tags && (i == 0 || !options->quiet); i++)
		images_row(table, image, scow_image_tag_at(image, i), options->whole);
	if (!tags)
		images_row(table, image, scow_image_digest_at(image, 0), options->whole);
}

static int images(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_iter) *iter = NULL;
	struct images_options *options = target;
	struct table table = {
		.format = options->quiet && !options->format ? "{{.ID}}" : options->format,
		.standard = options->digests ? "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
					     : "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
		.titles = images_columns,
	};
	scow_image *image;

	/* The argument is one more pattern. */
	if (argc)
		list_add(&options->filters, keep_format("reference=%s", argv[0]));
	if (!list_open(cli, &options->filters, scow_image_list_filtered, &iter))
		return 1;
	while ((image = scow_iter_next_image(iter)))
		image_rows(&table, image, options);
	return table_print(&table);
}

/* ---- tag, rmi ---- */

static int tag(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_image) *image = NULL;

	(void) target;
	(void) argc;
	if (!cli_engine(cli))
		return 1;
	if (scow_image_get(cli->engine, argv[0], &image, &error) == 0 && scow_image_tag(image, argv[1], &error) == 0)
		return 0;
	complain_error(&error);
	return 1;
}

struct remove_options {
	bool force;
};
static const struct option remove_table[] = {
	{ "force", 'f', OPTION_SWITCH, NULL, "Also an image that has several names, or is not there", offsetof(struct remove_options, force) },
	{ NULL },
};

/* [{"Untagged":"a:latest"},{"Deleted":"sha256:..."}] as lines. */
static void print_report(const char *report)
{
	cJSON *json = cJSON_Parse(report);
	const cJSON *entry, *item;

	cJSON_ArrayForEach(entry, json) cJSON_ArrayForEach(item, entry) if (cJSON_IsString(item))
		printf("%s: %s\n", item->string, printable(item->valuestring, stdout, false));
	cJSON_Delete(json);
}

static int remove_images(struct cli *cli, void *target, int argc, char **argv)
{
	struct remove_options *options = target;
	int code = 0;

	if (!cli_engine(cli))
		return 1;
	for (int i = 0; i < argc; i++) {
		SCOW_AUTO(scow_error) *error = NULL;
		char *report = NULL;

		if (scow_image_remove(cli->engine, argv[i], options->force ? SCOW_REMOVE_FORCE : 0, &report, &error) < 0) {
			if (!options->force || scow_error_status(error) != SCOW_E_NOT_FOUND)
				code = 1;
			complain_error(&error);
		} else {
			print_report(report);
		}
		scow_free(report);
	}
	return code;
}

/* ---- history ---- */

struct history_options {
	bool quiet, whole;
	const char *format;
};
static const struct option history_table[] = {
	{ "format", 0, OPTION_TEXT, "string", "\"json\", \"table TEMPLATE\" or a Go template", offsetof(struct history_options, format) },
	{ "no-trunc", 0, OPTION_SWITCH, NULL, "Show ids and commands whole", offsetof(struct history_options, whole) },
	{ "quiet", 'q', OPTION_SWITCH, NULL, "Show ids only", offsetof(struct history_options, quiet) },
	{ NULL },
};
static const struct column history_columns[] = {
	{ "ID", "IMAGE" },
	{ "CreatedSince", "CREATED" },
	{ "CreatedAt", "CREATED AT" },
	{ "CreatedBy", "CREATED BY" },
	{ "Size", "SIZE" },
	{ "Comment", "COMMENT" },
	{ NULL, NULL },
};

static void history_row(struct table *table, const cJSON *entry, bool whole)
{
	char *by = keep_text(json_text(entry, "CreatedBy"));
	const char *id = json_text(entry, "Id");
	cJSON *row = cJSON_CreateObject();

	for (char *p = by; *p; p++)
		*p = *p == '\t' ? ' ' : *p;
	row_text(row, "ID", starts_with(id, "sha256:") ? short_id(id, whole) : "<missing>");
	row_text(row, "CreatedSince", human_since((int64_t) json_number(entry, "Created")));
	row_text(row, "CreatedAt", local_time((int64_t) json_number(entry, "Created")));
	row_text(row, "CreatedBy", whole || strlen(by) <= 45 ? by : keep_format("%.44s\xe2\x80\xa6", by));
	row_text(row, "Size", human_size((uint64_t) json_number(entry, "Size")));
	row_text(row, "Comment", json_text(entry, "Comment"));
	table_add(table, row);
}

static int history(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_error) *error = NULL;
	SCOW_AUTO(scow_image) *image = NULL;
	struct history_options *options = target;
	struct table table = {
		.format = options->quiet && !options->format ? "{{.ID}}" : options->format,
		.standard = "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
		.titles = history_columns,
	};
	char *text = NULL;
	const cJSON *entry;
	cJSON *json;

	(void) argc;
	if (!cli_engine(cli))
		return 1;
	if (scow_image_get(cli->engine, argv[0], &image, &error) < 0 || scow_image_history_json(image, &text, &error) < 0) {
		complain_error(&error);
		return 1;
	}
	json = cJSON_Parse(text);
	scow_free(text);
	cJSON_ArrayForEach(entry, json) history_row(&table, entry, options->whole);
	cJSON_Delete(json);
	return table_print(&table);
}

const struct command image_commands[] = {
	{ "pull", "image pull", "[OPTIONS] NAME[:TAG|@DIGEST]", "Download an image from a registry", pull_table,
	  sizeof(struct pull_options), 1, 1, false, pull },
	{ "load", "image load", "[OPTIONS]", "Load images from an archive, a layout or stdin", load_table, sizeof(struct load_options), 0,
	  0, false, load },
	{ "images", "image ls, image list", "[OPTIONS] [REPOSITORY[:TAG]]", "List images", images_table, sizeof(struct images_options), 0,
	  1, false, images },
	{ "tag", "image tag", "IMAGE NAME[:TAG]", "Give an image another name", NULL, 0, 2, 2, false, tag },
	{ "rmi", "image rm, image remove", "[OPTIONS] IMAGE [IMAGE...]", "Remove images", remove_table, sizeof(struct remove_options), 1,
	  -1, false, remove_images },
	{ "history", "image history", "[OPTIONS] IMAGE", "Show how an image came to be", history_table, sizeof(struct history_options), 1,
	  1, false, history },
	{ NULL },
};
