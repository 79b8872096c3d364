/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Containers that are put on networks, and taken off them, while they run or not. */
#pragma once

#include "container/networks.h"

/* Rules, ports and names of all containers that run, once more. 0, or the first failure, after trying all. */
int containers_reconnect(scow_engine *engine, scow_error **error) _must_check_;
