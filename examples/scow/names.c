/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The flags that say how a container finds others by name: DNS servers, search domains, options, and lines of /etc/hosts. */
#include "cli.h"

#include <stddef.h>
#include <string.h>

/* NAME:ADDRESS or NAME=ADDRESS; an IPv6 address may be in brackets. */
static bool add_host(scow_container_config *config, const char *text)
{
	size_t size, n = strcspn(text, ":=");
	const char *name, *address;

	if (!text[n]) {
		complain("invalid argument \"%s\" for \"--add-host\" flag: write it as NAME:ADDRESS", text);
		return false;
	}
	name = keep_format("%.*s", (int) n, text);
	address = text + n + 1;
	size = strlen(address);
	if (size > 2 && address[0] == '[' && address[size - 1] == ']')
		address = keep_format("%.*s", (int) size - 2, address + 1);
	scow_container_config_add_host(config, name, address);
	return true;
}

bool names_configure(scow_container_config *config, const struct run_options *options)
{
	for (size_t i = 0; i < options->dns.count; i++)
		scow_container_config_add_dns(config, options->dns.items[i]);
	for (size_t i = 0; i < options->dns_search.count; i++)
		scow_container_config_add_dns_search(config, options->dns_search.items[i]);
	for (size_t i = 0; i < options->dns_options.count; i++)
		scow_container_config_add_dns_option(config, options->dns_options.items[i]);
	for (size_t i = 0; i < options->add_hosts.count; i++)
		if (!add_host(config, options->add_hosts.items[i]))
			return false;
	return true;
}
