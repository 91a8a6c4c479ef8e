/* SPDX-License-Identifier: Apache-2.0
 *
 * A Handle message walked field by field, tolerant: what can be read is shown, and where it stops
 * making sense is said.
 *
 * The codec in protocol/ judges a message as a whole; this shows people how far it goes. Both read
 * through wire_reader.
 */
#pragma once

#include "admin/decode_page.h"

/* The packet: envelope ‖ message, or a piece of one over UDP. */
void decode_message(struct decode_page *page);

/* Header, body and credential alone (the packet's first `page->origin` bytes are made up). */
void decode_body(struct decode_page *page, struct bytes body, uint32_t opcode,
                 uint32_t response_code);
