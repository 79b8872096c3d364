/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* info, version and help. */
#include "cli.h"

#include <cjson/cJSON.h>
#include <string.h>

struct format_options {
	const char *format;
};
static const struct option format_table[] = {
	{ "format", 'f', OPTION_TEXT, "string", "\"json\" or a Go template", offsetof(struct format_options, format) },
	{ NULL },
};

static int print_json(const cJSON *json, const char *format)
{
	const char *problem = NULL;
	char *text = template_render(strcmp(format, "json") == 0 ? "{{json .}}" : format, json, &problem);

	if (text)
		puts(printable(text, stdout, true));
	else
		complain("--format: %s", problem);
	return text ? 0 : 1;
}

/* "Name: value" lines, what is inside something indented below it. */
static void print_outline(const cJSON *object, int depth)
{
	const char *problem;
	const cJSON *item;

	cJSON_ArrayForEach(item, object)
	{
		if (item->string)
			printf("%*s%s:", depth * 2, "", item->string);
		else
			printf("%*s-", depth * 2, "");
		if (cJSON_IsObject(item) || (cJSON_IsArray(item) && cJSON_IsObject(item->child))) {
			printf("\n");
			print_outline(item, depth + 1);
		} else {
			printf(" %s\n", printable(template_render("{{.}}", item, &problem), stdout, false));
		}
	}
}

static int info(struct cli *cli, void *target, int argc, char **argv)
{
	SCOW_AUTO(scow_error) *error = NULL;
	struct format_options *options = target;
	char *text = NULL;
	cJSON *json;
	int code = 0;

	(void) argc;
	(void) argv;
	if (!cli_engine(cli))
		return 1;
	if (scow_engine_info_json(cli->engine, &text, &error) < 0) {
		complain_error(&error);
		return 1;
	}
	json = cJSON_Parse(text);
	scow_free(text);
	if (options->format)
		code = print_json(json, options->format);
	else
		print_outline(json, 0);
	cJSON_Delete(json);
	return code;
}

static int version(struct cli *cli, void *target, int argc, char **argv)
{
	struct format_options *options = target;
	cJSON *json;
	int code;

	(void) cli;
	(void) argc;
	(void) argv;
	if (!options->format) {
		printf("scow:     %s\nlibscow:  %s\n", SCOW_VERSION, scow_version());
		return 0;
	}
	json = cJSON_CreateObject();
	row_text(json, "Version", SCOW_VERSION);
	row_text(json, "LibraryVersion", scow_version());
	/* As docker has them: what it is, and what does the work. */
	row_text(cJSON_AddObjectToObject(json, "Client"), "Version", SCOW_VERSION);
	row_text(cJSON_AddObjectToObject(json, "Server"), "Version", scow_version());
	code = print_json(json, options->format);
	cJSON_Delete(json);
	return code;
}

static int help(struct cli *cli, void *target, int argc, char **argv)
{
	(void) target;
	return cli_help(cli, argc == 0 ? NULL : argc == 1 ? argv[0] : keep_format("%s %s", argv[0], argv[1]));
}

const struct command system_commands[] = {
	{ "info", NULL, "[OPTIONS]", "Show what this host offers", format_table, sizeof(struct format_options), 0, 0, false, info },
	{ "version", NULL, "[OPTIONS]", "Show the version", format_table, sizeof(struct format_options), 0, 0, false, version },
	{ "help", NULL, "[COMMAND]", "Show how to use a command", NULL, 0, 0, 2, false, help },
	{ NULL },
};
