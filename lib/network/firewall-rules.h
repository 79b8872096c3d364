/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rules, as messages of a batch: the same on every host. What they say: firewall-rules.c. */
#pragma once

#include "network/nft.h"

/* In the upper byte of a port's group, and the bits that tell one endpoint of a network from the other. */
#define GUARD_GROUP 0x5c000000u
#define GUARD_GROUP_MASK 0xff000000u

/* Adds them to @nft: what is there already stays (elements above all), rules are written again. */
void firewall_rules(struct nft *nft);
