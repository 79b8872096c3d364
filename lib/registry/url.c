/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * URLs by libcurl's own parser, so that what is checked here is what libcurl will connect to, and the
 * rules on local addresses: a registry out there must not make us ask a service of this host (or the
 * cloud's metadata address) by a redirect or a token realm.
 */
#include "registry/url.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "registry/curl.h"
#include "registry/header.h"

static int fill(const struct curl_api *curl, CURLU *handle, struct url *out)
{
	char *part = NULL;
	size_t length;

	if (curl->url_get(handle, CURLUPART_SCHEME, &part, 0) != CURLUE_OK)
		return SCOW_E_INVALID;
	out->https = strcasecmp(part, "https") == 0;
	if (!out->https && strcasecmp(part, "http") != 0) {
		curl->free(part);
		return SCOW_E_INVALID;
	}
	curl->free(part);

	if (curl->url_get(handle, CURLUPART_PORT, &part, CURLU_DEFAULT_PORT) != CURLUE_OK)
		return SCOW_E_INVALID;
	out->port = atoi(part);
	curl->free(part);

	if (curl->url_get(handle, CURLUPART_HOST, &part, 0) != CURLUE_OK)
		return SCOW_E_INVALID;
	length = strlen(part);
	if (part[0] == '[' && length > 2) {
		part[length - 1] = '\0';
		out->host = strdup(part + 1);
	} else {
		out->host = strdup(part);
	}
	curl->free(part);
	for (char *p = out->host; p && *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char) (*p - 'A' + 'a');

	(void) curl->url_set(handle, CURLUPART_FRAGMENT, NULL, 0);
	if (curl->url_get(handle, CURLUPART_URL, &part, 0) != CURLUE_OK)
		return SCOW_E_INVALID;
	out->text = strdup(part);
	curl->free(part);
	return out->host && out->text ? 0 : SCOW_E_NO_MEMORY;
}

int url_parse(const char *base, const char *text, struct url *out, scow_error **error)
{
	const struct curl_api *curl = curl_api_get(error);
	char shown[256];
	CURLU *handle;
	int r = 0;

	memset(out, 0, sizeof *out);
	if (!curl)
		return SCOW_E_UNSUPPORTED;
	handle = curl->url();
	if (!handle)
		return error_oom(error);
	if (base && curl->url_set(handle, CURLUPART_URL, base, CURLU_DISALLOW_USER) != CURLUE_OK)
		r = SCOW_E_INVALID;
	if (!r && curl->url_set(handle, CURLUPART_URL, text, CURLU_DISALLOW_USER | CURLU_URLENCODE) != CURLUE_OK)
		r = SCOW_E_INVALID;
	if (!r)
		r = fill(curl, handle, out);
	curl->url_cleanup(handle);
	if (!r)
		return 0;
	url_done(out);
	if (r == SCOW_E_NO_MEMORY)
		return error_oom(error);
	text_clean(text, strlen(text), shown, sizeof shown);
	return error_set(error, SCOW_E_INVALID, "'%s' is not a plain http or https URL", shown);
}

void url_done(struct url *url)
{
	free(url->text);
	free(url->host);
	memset(url, 0, sizeof *url);
}

bool url_same_origin(const struct url *a, const struct url *b)
{
	return a->https == b->https && a->port == b->port && strcmp(a->host, b->host) == 0;
}

static bool v4_is_loopback(uint32_t host_order)
{
	return host_order >> 24 == 127;
}

static bool v4_is_local(uint32_t host_order)
{
	return v4_is_loopback(host_order) || host_order >> 16 == 0xa9fe || host_order >> 24 == 0;
}

/* IPv4 in its IPv6 disguises (mapped, NAT64): the address inside, or false. */
static bool v6_embeds_v4(const struct in6_addr *address, uint32_t *v4)
{
	static const uint8_t nat64[12] = { 0, 0x64, 0xff, 0x9b };

	if (!IN6_IS_ADDR_V4MAPPED(address) && memcmp(address, nat64, sizeof nat64) != 0)
		return false;
	memcpy(v4, &address->s6_addr[12], sizeof *v4);
	*v4 = ntohl(*v4);
	return true;
}

bool address_is_local(const struct sockaddr *address)
{
	uint32_t v4;

	if (address->sa_family == AF_INET)
		return v4_is_local(ntohl(((const struct sockaddr_in *) (const void *) address)->sin_addr.s_addr));
	if (address->sa_family == AF_INET6) {
		const struct in6_addr *v6 = &((const struct sockaddr_in6 *) (const void *) address)->sin6_addr;

		return v6_embeds_v4(v6, &v4) ? v4_is_local(v4)
					     : IN6_IS_ADDR_LOOPBACK(v6) || IN6_IS_ADDR_LINKLOCAL(v6) || IN6_IS_ADDR_UNSPECIFIED(v6);
	}
	return true; /* AF_UNIX and the like */
}

bool host_is_local_literal(const char *host)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
		return address_is_local((const struct sockaddr *) &v4);
	if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1)
		return address_is_local((const struct sockaddr *) &v6);
	return host_is_loopback(host);
}

bool host_is_loopback(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;
	char name[256];
	const char *end;

	if (host[0] == '[') {
		host++;
		end = strchr(host, ']');
	} else {
		end = strchr(host, ':');
		if (end && strchr(end + 1, ':'))
			end = NULL; /* a bare IPv6 address */
	}
	if (!end)
		end = host + strlen(host);
	if ((size_t) (end - host) >= sizeof name)
		return false;
	memcpy(name, host, (size_t) (end - host));
	name[end - host] = '\0';

	if (strcasecmp(name, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, name, &v4) == 1)
		return v4_is_loopback(ntohl(v4.s_addr));
	return inet_pton(AF_INET6, name, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}
