/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links as the kernel tells of them: by name, by number, all of a kind. */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "network/netlink.h"

int netns_link_index(struct netns *ns, const char *name)
{
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	/* Any socket will do, and it is in the right namespace. */
	return ioctl(ns->route_fd, SIOCGIFINDEX, &request) < 0 ? -errno : request.ifr_ifindex;
}

int netns_link_name(struct netns *ns, int index, char out[LINK_NAME])
{
	struct ifreq request = { .ifr_ifindex = index };

	if (ioctl(ns->route_fd, SIOCGIFNAME, &request) < 0)
		return -errno;
	memcpy(out, request.ifr_name, LINK_NAME);
	return 0;
}

static void copy_text(char *out, size_t room, const struct rtattr *attribute)
{
	snprintf(out, room, "%.*s", (int) RTA_PAYLOAD(attribute), (const char *) RTA_DATA(attribute));
}

static int read_link(void *data, const struct nlmsghdr *message, scow_error **error)
{
	const struct ifinfomsg *info = NLMSG_DATA(message);
	struct link *link = data;
	size_t size = IFLA_PAYLOAD(message);

	(void) error;
	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	link->index = info->ifi_index;
	link->flags = info->ifi_flags;
	for (const struct rtattr *at = IFLA_RTA(info); RTA_OK(at, size); at = RTA_NEXT(at, size)) {
		const struct rtattr *inner = RTA_DATA(at);
		size_t inner_size = RTA_PAYLOAD(at);

		switch (at->rta_type & NLA_TYPE_MASK) {
		case IFLA_IFNAME:
			copy_text(link->name, sizeof(link->name), at);
			break;
		case IFLA_IFALIAS:
			copy_text(link->alias, sizeof(link->alias), at);
			break;
		case IFLA_MASTER:
			memcpy(&link->master, RTA_DATA(at), sizeof(link->master));
			break;
		case IFLA_MTU:
			memcpy(&link->mtu, RTA_DATA(at), sizeof(link->mtu));
			break;
		case IFLA_LINKINFO:
			for (; RTA_OK(inner, inner_size); inner = RTA_NEXT(inner, inner_size))
				if (inner->rta_type == IFLA_INFO_KIND)
					copy_text(link->kind, sizeof(link->kind), inner);
			break;
		default:
			break;
		}
	}
	return 0;
}

int netns_link(struct netns *ns, const char *name, struct link *out, scow_error **error)
{
	_cleanup_batch_ struct batch request = { 0 };
	struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	scow_error *failure = NULL;
	int r;

	*out = (struct link){ 0 };
	batch_message(&request, RTM_GETLINK, 0, &header, sizeof(header));
	batch_text(&request, IFLA_IFNAME, name);
	batch_u32(&request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	r = netns_ask(ns, &request, read_link, out, &failure);
	if (r < 0 && scow_error_errno(failure) == ENODEV) {
		scow_error_unref(failure);
		return 0;
	}
	if (r == 0)
		return out->index > 0;
	if (error)
		*error = take_ptr(&failure);
	scow_error_unref(failure);
	return r;
}

struct links {
	netns_each_link_fn *each;
	void *data;
};

static int each_link(void *data, const struct nlmsghdr *message, scow_error **error)
{
	const struct links *links = data;
	struct link link = { 0 };
	int r = read_link(&link, message, error);

	return r < 0 || !link.index ? r : links->each(links->data, &link, error);
}

int netns_each_link(struct netns *ns, const char *kind, int master, netns_each_link_fn *each, void *data, scow_error **error)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	_cleanup_batch_ struct batch request = { 0 };
	struct links links = { each, data };
	size_t info;

	batch_message(&request, RTM_GETLINK, NLM_F_DUMP, &header, sizeof(header));
	batch_u32(&request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (master)
		batch_u32(&request, IFLA_MASTER, (uint32_t) master);
	if (kind) {
		info = batch_nest(&request, IFLA_LINKINFO);
		batch_text(&request, IFLA_INFO_KIND, kind);
		batch_nest_end(&request, info);
	}
	return netns_ask(ns, &request, each_link, &links, error);
}

int netns_link_delete(struct netns *ns, const char *name, scow_error **error)
{
	_cleanup_batch_ struct batch batch = { 0 };
	struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	int refused, r;

	batch_message(&batch, RTM_DELLINK, 0, &header, sizeof(header));
	batch_text(&batch, IFLA_IFNAME, name);
	r = netns_try(ns, &batch, NULL, &refused, error);
	if (r == 0 && refused && refused != -ENODEV)
		return error_errno(error, -refused, "netlink", "delete the link '%s'", name);
	return r;
}
