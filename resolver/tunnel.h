/* SPDX-License-Identifier: Apache-2.0
 *
 * A Handle message inside HTTP, from the side of who asks (protocol.md §3.5): the head of the POST,
 * and what is in the answer to it.
 *
 * Pure. llhttp reads the answer, strictly; here it is bounded, and refused unless it is a 200 of
 * the type of such messages.
 */
#pragma once

#include "protocol/status.h"
#include "protocol/wire.h"
#include "resolver/net.h"

#define TUNNEL_REQUEST_MAX 1024      /* of the POST's head */
#define TUNNEL_ANSWER_MAX (8u << 10) /* of the answer's head, and of whatever is no content */

/* The head of a POST of so many bytes; `path` is what the site says stands before every path.
 * NO_ROOM; INVALID_VALUE: no path can be made of it. */
enum status tunnel_write_head(struct wire_writer *w, const struct net_address *server,
                              struct bytes path, size_t body_len);

struct tunnel;

/* Content goes to `content`, `size` bytes of the caller's. NULL: no memory. */
struct tunnel *tunnel_new(uint8_t *content, size_t size);
void tunnel_free(struct tunnel *tunnel);

/* What was read next. PENDING: more must come; OK: the answer is whole, nothing may follow.
 * PROTOCOL_ERROR: it is no answer, or longer than there is room. */
enum status tunnel_take(struct tunnel *tunnel, struct bytes data);
/* The server closed: does that end the answer? OK; CLOSED. */
enum status tunnel_end(struct tunnel *tunnel);

/* How much content there is so far. */
size_t tunnel_content_len(const struct tunnel *tunnel);
