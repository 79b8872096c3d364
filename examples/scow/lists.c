/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the lists of all kinds share: their filters, and what is taken out of documents for their rows. */
#include "cli.h"

#include <cjson/cJSON.h>

bool filters_read(const struct list *options, const char **filters)
{
	cJSON *document = cJSON_CreateObject();
	char *text;

	for (size_t i = 0; i < options->count; i++) {
		const char *value, *name = keep_split(options->items[i], '=', &value);
		cJSON *values = cJSON_GetObjectItemCaseSensitive(document, name);

		if (!value) {
			complain("invalid argument \"%s\" for \"--filter\" flag: write it as NAME=VALUE", options->items[i]);
			cJSON_Delete(document);
			return false;
		}
		if (!values)
			values = cJSON_AddArrayToObject(document, name);
		cJSON_AddItemToArray(values, cJSON_CreateString(value));
	}
	text = cJSON_PrintUnformatted(document);
	*filters = options->count && text ? keep_text(text) : NULL;
	cJSON_free(text);
	cJSON_Delete(document);
	return true;
}

bool list_open(struct cli *cli, const struct list *filters,
	       int (*list)(scow_engine *engine, const char *filters, scow_iter **out, scow_error **error), scow_iter **iter)
{
	SCOW_AUTO(scow_error) *error = NULL;
	const char *document = NULL;

	if (!filters_read(filters, &document) || !cli_engine(cli))
		return false;
	if (list(cli->engine, document, iter, &error) == 0)
		return true;
	complain_error(&error);
	return false;
}

const char *json_text(const cJSON *object, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

	return text ? text : "";
}

double json_number(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

const char *labels_text(const cJSON *labels)
{
	const char *text = "";
	const cJSON *label;

	cJSON_ArrayForEach(label, labels) if (cJSON_IsString(label)) text =
		keep_format("%s%s%s=%s", text, *text ? "," : "", label->string, label->valuestring);
	return text;
}
