/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between the two files of templates: the state of one rendering, and values. What is made lives as long as that. */
#pragma once

#include "cli.h"

#include <cjson/cJSON.h>

struct text {
	char *data;
	size_t size, room;
};

struct variable {
	const char *name; /* "$x" */
	const cJSON *value;
	struct variable *next;
};

struct render {
	struct text out;
	const cJSON *root;
	struct variable *variables; /* the innermost first */
	cJSON *made;                /* values that functions gave: an array that owns them */
	const char *problem;
};

void text_put(struct text *text, const char *data, size_t size);
void text_put_string(struct text *text, const char *data);
/* As Go prints it: lists as [a b], objects as map[k:v]. */
void text_put_value(struct text *text, const cJSON *value);

/* Owned by @render from now on. Returns: @value. */
const cJSON *render_keep(struct render *render, cJSON *value);
/* The first problem is kept. Returns: NULL. */
const cJSON *render_fail(struct render *render, const char *problem);
bool value_is_true(const cJSON *value);

/* A function of Go's or Docker's. NULL, with the problem told: there is none of that name for such values. */
const cJSON *template_call(struct render *render, const char *name, const cJSON **args, size_t n);
