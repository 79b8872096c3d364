/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a question gets from us. Hosted code may use it as well: the unit test and the fuzzer do. */
#pragma once

#include "init/names-message.h"
#include "init/names-records.h"

enum names_verdict {
	NAMES_IGNORE, /* it is no query */
	NAMES_ANSWER, /* the answer is in @out */
	NAMES_ASK,    /* others are to be asked */
};

/* @out: of @room bytes, 512 or more; @size: of the answer, which in less than DNS_MESSAGE_BYTES is a datagram: no larger than who asks takes. */
enum names_verdict names_answer(const struct wire_names *client, const unsigned char *message, size_t message_size, struct dns_query *query,
				unsigned char *out, size_t room, size_t *size);
/* An answer that is only a code. */
size_t names_refuse(const struct dns_query *query, enum dns_code code, unsigned char *out, size_t room);
