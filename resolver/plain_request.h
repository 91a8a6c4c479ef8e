/* SPDX-License-Identifier: Apache-2.0
 *
 * Recognises the most common request of all: a resolution of one name, unfiltered, from anybody.
 *
 * Whatever is recognised here, exchange_run answers it by name and flags alone; everything else is
 * left to it. `tests/fuzz/fuzz_plain_request.c` holds the two together.
 */
#pragma once

#include "protocol/message.h"

struct plain_request {
    struct envelope envelope;
    struct header header;
    struct bytes key;  /* int4 length ‖ name: how the request's body and its answer's begin */
    struct bytes name; /* within the key */
};

/* A whole message: one packet of a stream, or a datagram. No session is named; neither
 * certification, encryption nor a request digest is asked for, no value is selected, there is no
 * credential, and nothing is left over. What it hands out is borrowed from the packet. */
bool plain_request_read(struct bytes packet, struct plain_request *out_request);
