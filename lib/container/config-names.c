/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The setters of how a container finds others by name: its DNS servers, search domains and options, and the hosts that are added to its
 * /etc/hosts. What is said here takes the place of what the host's resolv.conf says (network/resolv.h).
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

#include "base/str.h"
#include "container/config-internal.h"
#include "container/options.h"

#define DOMAIN_BYTES_MAX 255
#define HOST_BYTES_MAX 255

/* An address as a file of the C library has it: IPv6 may name its link ("fe80::1%eth0"). */
static bool is_address(const char *text, bool with_link)
{
	const char *percent = strchr(text, '%');
	_cleanup_free_ char *address = percent ? strndup(text, (size_t) (percent - text)) : NULL;
	unsigned char bytes[16];

	if (percent && (!with_link || !address || !percent[1] || strlen(percent + 1) >= IF_NAMESIZE || !name_is_clean(percent + 1)))
		return false;
	return inet_pton(AF_INET6, percent ? address : text, bytes) == 1 || (!percent && inet_pton(AF_INET, text, bytes) == 1);
}

/* One word of a line of resolv.conf or hosts. */
static bool is_word(const char *text, size_t max)
{
	return text && *text && strlen(text) <= max && !text_has_control(text) && !text[strcspn(text, " #;")];
}

void scow_container_config_add_dns(scow_container_config *config, const char *address)
{
	if (!config)
		return;
	if (!address || !is_address(address, true))
		return REFUSE(config, "'%s' is not an IP address", address ? address : "");
	config_add_string(config, &config->dns, &config->n_dns, address);
}

void scow_container_config_add_dns_search(scow_container_config *config, const char *domain)
{
	if (!config)
		return;
	if (!is_word(domain, DOMAIN_BYTES_MAX))
		return REFUSE(config, "'%s' is not a domain", domain ? domain : "");
	config_add_string(config, &config->dns_search, &config->n_dns_search, domain);
}

void scow_container_config_add_dns_option(scow_container_config *config, const char *option)
{
	if (!config)
		return;
	if (!is_word(option, DOMAIN_BYTES_MAX))
		return REFUSE(config, "'%s' is not an option of resolv.conf", option ? option : "");
	config_add_string(config, &config->dns_options, &config->n_dns_options, option);
}

void scow_container_config_add_host(scow_container_config *config, const char *name, const char *address)
{
	struct config_pair *pair;

	if (!config)
		return;
	if (!is_word(name, HOST_BYTES_MAX) || strpbrk(name, ":="))
		return REFUSE(config, "'%s' is not the name of a host", name ? name : "");
	if (!address || (!str_eq(address, CONFIG_HOST_GATEWAY) && !is_address(address, false)))
		return REFUSE(config, "'%s' of host '%s' is neither an IP address nor '" CONFIG_HOST_GATEWAY "'", address ? address : "",
			      name);
	pair = arena_append(&config->arena, &config->extra_hosts, &config->n_extra_hosts, sizeof(*pair));
	if (pair)
		*pair = (struct config_pair){ arena_strdup(&config->arena, name), arena_strdup(&config->arena, address) };
}
