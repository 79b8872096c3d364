/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Command lines against a table of options, as people know them from docker: -it, -e A=1, -eA=1, --env A=1,
 * --env=A=1, --rm=false, and -- ends them. The same tables give the help.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static const struct option *find_long(const struct option *table, const char *name, size_t length)
{
	for (; table && table->name; table++)
		if (strncmp(table->name, name, length) == 0 && !table->name[length])
			return table;
	return NULL;
}

static const struct option *find_letter(const struct option *table, char letter)
{
	for (; table && table->name; table++)
		if (table->letter == letter)
			return table;
	return NULL;
}

static bool takes_value(const struct option *option)
{
	return option->kind != OPTION_SWITCH && (option->kind != OPTION_LATER || option->argument);
}

static int refuse(const struct option *option, const char *value, const char *why)
{
	char letter[8] = "";

	if (option->letter)
		snprintf(letter, sizeof letter, "-%c, ", option->letter);
	complain("invalid argument \"%s\" for \"%s--%s\" flag: %s", value, letter, option->name, why);
	return -1;
}

static int set_switch(const struct option *option, bool *into, const char *value)
{
	static const char *const yes[] = { "true", "1", "t", "T", "TRUE", "True" }, *const no[] = {
		"false", "0", "f", "F", "FALSE", "False"
	};

	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
		if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
			*into = strcmp(value, yes[i]) == 0;
			return 0;
		}
	return refuse(option, value, "it is neither true nor false");
}

static int apply(const struct option *option, void *into, const char *value)
{
	void *at = (char *) into + option->offset;
	struct number *number = at;

	switch (option->kind) {
	case OPTION_SWITCH:
		return set_switch(option, at, value ? value : "true");
	case OPTION_TEXT:
		*(const char **) at = value;
		return 0;
	case OPTION_LIST:
		list_add(at, value);
		return 0;
	case OPTION_NUMBER:
		number->set = true;
		return parse_number(value, &number->value) ? 0 : refuse(option, value, "it is no whole number");
	case OPTION_BYTES:
		number->set = true;
		return parse_bytes(value, &number->value) ? 0 : refuse(option, value, "invalid size: write it as 64m or 1.5g");
	case OPTION_LATER:
		break;
	}
	complain("--%s is not supported by this version of scow", option->name);
	if (option->help)
		fprintf(stderr, "      %s\n", option->help);
	return -1;
}

/* "--name", "--name=value", "--name value". */
static int parse_long(const struct option *table, void *into, int *i, int argc, char **argv)
{
	const char *name = argv[*i] + 2, *value = strchr(name, '=');
	const struct option *option = find_long(table, name, value ? (size_t) (value - name) : strlen(name));

	if (!option) {
		if (strcmp(name, "help") == 0)
			return 1;
		complain("unknown flag: --%.*s", (int) strcspn(name, "="), name);
		return -1;
	}
	if (value)
		return apply(option, into, value + 1);
	if (!takes_value(option))
		return apply(option, into, NULL);
	if (*i + 1 >= argc) {
		complain("flag needs an argument: --%s", name);
		return -1;
	}
	return apply(option, into, argv[++*i]);
}

/* "-i", "-it", "-eA=1", "-e=A=1", "-e A=1". */
static int parse_letters(const struct option *table, void *into, int *i, int argc, char **argv)
{
	const char *letters = argv[*i] + 1;
	int r = 0;

	for (const char *p = letters; *p && r == 0; p++) {
		const struct option *option = find_letter(table, *p);

		if (!option) {
			if (*p == 'h')
				return 1;
			complain("unknown shorthand flag: '%c' in -%s", *p, letters);
			return -1;
		}
		if (!takes_value(option)) {
			if (p[1] == '=')
				return apply(option, into, p + 2);
			r = apply(option, into, NULL);
			continue;
		}
		if (p[1])
			return apply(option, into, p + 1 + (p[1] == '='));
		if (*i + 1 >= argc) {
			complain("flag needs an argument: '%c' in -%s", *p, letters);
			return -1;
		}
		return apply(option, into, argv[++*i]);
	}
	return r;
}

int options_parse(const struct option *table, void *into, int *argc, char **argv, bool options_first)
{
	bool ended = false;
	int kept = 0, r;

	for (int i = 0; i < *argc; i++) {
		if (ended || argv[i][0] != '-' || !argv[i][1]) {
			ended = ended || options_first;
			argv[kept++] = argv[i];
			continue;
		}
		if (strcmp(argv[i], "--") == 0) {
			ended = true;
			continue;
		}
		r = argv[i][1] == '-' ? parse_long(table, into, &i, *argc, argv) : parse_letters(table, into, &i, *argc, argv);
		if (r)
			return r;
	}
	argv[kept] = NULL;
	*argc = kept;
	return 0;
}

static int head_width(const struct option *option)
{
	return (int) strlen(option->name) + (takes_value(option) ? 1 + (int) strlen(option->argument) : 0);
}

void options_print_help(const struct option *table)
{
	int width = 0;

	for (const struct option *option = table; option && option->name; option++)
		if (option->kind != OPTION_LATER && option->help && head_width(option) > width)
			width = head_width(option);
	if (width)
		printf("\nOptions:\n");
	for (const struct option *option = table; option && option->name; option++) {
		if (option->kind == OPTION_LATER || !option->help)
			continue;
		if (option->letter)
			printf("  -%c, ", option->letter);
		else
			printf("      ");
		printf("--%s%s%s%*s   %s\n", option->name, takes_value(option) ? " " : "", takes_value(option) ? option->argument : "",
		       width - head_width(option), "", option->help);
	}
}
