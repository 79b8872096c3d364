/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lists in the shape of Docker's. A row is an object of named fields, and what is shown of it is a template:
 * the standard one, as a table with titles, or what the user gave, so that -q, --format json and the table are one path.
 */
#include "cli.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *human_size(uint64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double size = (double) bytes;
	size_t unit = 0;

	for (; size >= 1000 && unit < 6; unit++)
		size /= 1000;
	/* Docker's: as many digits as make three. */
	return keep_format("%.*f%s", unit == 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2, size, units[unit]);
}

/* "2 minutes": Docker's words and thresholds, which are not round. */
static const char *human_duration(int64_t seconds)
{
	static const struct {
		int64_t below, unit;
		const char *name, *one;
	} steps[] = {
		{ 60, 1, "seconds", "1 second" },
		{ 3600, 60, "minutes", "About a minute" },
		{ 46 * 3600, 3600, "hours", "About an hour" },
		{ 14 * 86400, 86400, "days", NULL },
		{ 60 * 86400, 7 * 86400, "weeks", NULL },
		{ 730 * 86400, 30 * 86400, "months", NULL },
		{ INT64_MAX, 365 * 86400, "years", NULL },
	};

	if (seconds < 1)
		return "Less than a second";
	for (size_t i = 0;; i++)
		if (seconds < steps[i].below) {
			int64_t n = seconds / steps[i].unit;

			return n == 1 && steps[i].one ? steps[i].one : keep_format("%lld %s", (long long) n, steps[i].name);
		}
}

const char *human_since(int64_t seconds)
{
	return seconds ? keep_format("%s ago", human_duration((int64_t) time(NULL) - seconds)) : "N/A";
}

const char *local_time(int64_t seconds)
{
	time_t when = (time_t) seconds;
	struct tm parts;
	char text[64];

	if (!localtime_r(&when, &parts) || !strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z %Z", &parts))
		return "";
	return keep_text(text);
}

const char *short_id(const char *id, bool whole)
{
	const char *hex = starts_with(id, "sha256:") ? id + 7 : id;

	return whole ? id : keep_format("%.12s", hex);
}

void row_text(cJSON *row, const char *field, const char *value)
{
	cJSON_AddStringToObject(row, field, value);
}

static const char *template_of(const struct table *table)
{
	if (!table->format || strcmp(table->format, "table") == 0)
		return table->standard;
	if (strcmp(table->format, "json") == 0)
		return "{{json .}}";
	return starts_with(table->format, "table ") ? table->format + 6 : table->format;
}

bool table_wants(const struct table *table, const char *field)
{
	return strstr(template_of(table), field) || strstr(template_of(table), "json .}}") || strstr(template_of(table), "{{.}}");
}

static bool add_rendered(struct table *table, cJSON *row)
{
	const char *problem;
	char *text = template_render(template_of(table), row, &problem);

	cJSON_Delete(row);
	if (!text) {
		complain("--format: %s", problem);
		table->failed = true;
		return false;
	}
	list_add(&table->rows, printable(text, stdout, true));
	return true;
}

/* The titles are a row like the others. */
static void start(struct table *table)
{
	cJSON *titles = cJSON_CreateObject();

	table->aligned = !table->format || strcmp(table->format, "table") == 0 || starts_with(table->format, "table ");
	if (!table->aligned) {
		cJSON_Delete(titles);
		return;
	}
	for (const struct column *column = table->titles; column->field; column++)
		row_text(titles, column->field, column->title);
	add_rendered(table, titles);
}

void table_add(struct table *table, cJSON *row)
{
	if (!table->rows.count && !table->failed)
		start(table);
	if (table->failed)
		cJSON_Delete(row);
	else
		add_rendered(table, row);
}

/* Columns of UTF-8: a continuation byte takes no room. */
static size_t display_width(const char *text, size_t size)
{
	size_t width = 0;

	for (size_t i = 0; i < size; i++)
		width += ((unsigned char) text[i] & 0xc0) != 0x80;
	return width;
}

enum { COLUMNS = 32 };

static void measure(const struct list *rows, size_t widths[COLUMNS])
{
	for (size_t i = 0; i < rows->count; i++) {
		const char *p = rows->items[i];

		for (size_t column = 0; column < COLUMNS && strchr(p, '\t'); column++, p += strcspn(p, "\t") + 1) {
			size_t width = display_width(p, strcspn(p, "\t"));

			if (width > widths[column])
				widths[column] = width;
		}
	}
}

static void print_row(const char *p, const size_t widths[COLUMNS])
{
	for (size_t column = 0; column < COLUMNS && strchr(p, '\t'); column++) {
		size_t size = strcspn(p, "\t");

		printf("%.*s%*s", (int) size, p, (int) (widths[column] - display_width(p, size)) + 3, "");
		p += size + 1;
	}
	puts(p);
}

int table_print(struct table *table)
{
	size_t widths[COLUMNS] = { 0 };

	if (!table->rows.count && !table->failed)
		start(table);
	if (table->failed)
		return 1;
	if (table->aligned)
		measure(&table->rows, widths);
	for (size_t i = 0; i < table->rows.count; i++) {
		if (table->aligned)
			print_row(table->rows.items[i], widths);
		else
			puts(table->rows.items[i]);
	}
	return 0;
}
