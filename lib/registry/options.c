/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* scow_pull_options: setters that keep what they get; scow_image_pull() checks it. */
#include "registry/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/str.h"

scow_pull_options *scow_pull_options_new(void)
{
	scow_pull_options *options = calloc(1, sizeof *options);

	if (options)
		options->parallel = PULL_PARALLEL_DEFAULT;
	return options;
}

static void forget(char **secret)
{
	if (*secret)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

scow_pull_options *scow_pull_options_unref(scow_pull_options *options)
{
	if (!options)
		return NULL;
	free(options->platform);
	free(options->user);
	forget(&options->password);
	scow_cancel_unref(options->cancel);
	free(options);
	return NULL;
}

void scow_pull_options_set_progress(scow_pull_options *options, scow_pull_progress_fn progress, void *userdata)
{
	if (!options)
		return;
	options->progress = progress;
	options->progress_data = userdata;
}

void scow_pull_options_set_policy(scow_pull_options *options, scow_pull_policy policy)
{
	if (options)
		options->policy = policy;
}

void scow_pull_options_set_platform(scow_pull_options *options, const char *platform)
{
	if (options)
		options->failed |= !str_assign(&options->platform, platform);
}

void scow_pull_options_set_credentials(scow_pull_options *options, const char *user, const char *password)
{
	if (!options)
		return;
	forget(&options->password);
	options->failed |= !str_assign(&options->user, user);
	options->failed |= !str_assign(&options->password, user ? (password ? password : "") : NULL);
}

void scow_pull_options_set_insecure(scow_pull_options *options, int insecure)
{
	if (options)
		options->insecure = insecure != 0;
}

void scow_pull_options_set_parallel(scow_pull_options *options, unsigned int layers)
{
	if (options)
		options->parallel = layers;
}

void scow_pull_options_set_cancel(scow_pull_options *options, scow_cancel *cancel)
{
	if (options)
		cancel_assign(&options->cancel, cancel);
}

int pull_options_check(const scow_pull_options *options, struct platform *platform, scow_error **error)
{
	int r;

	if (options->failed)
		return error_oom(error);
	if (options->parallel < 1 || options->parallel > PULL_PARALLEL_MAX)
		return error_set(error, SCOW_E_INVALID, "scow_pull_options_set_parallel: %u is not 1 to %d", options->parallel,
				 PULL_PARALLEL_MAX);
	if (options->policy != SCOW_PULL_ALWAYS && options->policy != SCOW_PULL_MISSING && options->policy != SCOW_PULL_NEVER)
		return error_set(error, SCOW_E_INVALID, "scow_pull_options_set_policy: no policy %d", (int) options->policy);
	if (options->user && strchr(options->user, ':'))
		return error_set(error, SCOW_E_INVALID, "scow_pull_options_set_credentials: a colon in the user's name");
	r = platform_parse(options->platform, platform, error);
	return options->platform ? error_wrap(error, r, "scow_pull_options_set_platform") : r;
}
