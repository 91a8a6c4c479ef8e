/* SPDX-License-Identifier: Apache-2.0
 *
 * Geometry of messages over UDP: pieces of 492 bytes behind a repeated envelope (protocol.md §3.3).
 */
#pragma once

#include "protocol/message.h"

#define FRAGMENT_DATAGRAM 512
#define FRAGMENT_PAYLOAD (FRAGMENT_DATAGRAM - MESSAGE_ENVELOPE_LEN)
#define FRAGMENT_COUNT_MAX ((MESSAGE_MAX + FRAGMENT_PAYLOAD - 1) / FRAGMENT_PAYLOAD)

/* Datagrams a message of this length takes (1 for 0..492). */
uint32_t fragment_count(uint32_t message_len);

/* Payload bytes of fragment `sequence`. */
uint32_t fragment_payload_len(uint32_t message_len, uint32_t sequence);

/* The envelope of fragment `sequence` as 20 bytes: the whole message's with sequence set and TC on
 * every fragment, TC clear when the message is a single datagram. */
void fragment_envelope(const struct envelope *whole, uint32_t sequence,
                       uint8_t out[MESSAGE_ENVELOPE_LEN]);

enum fragment_kind {
    FRAGMENT_WHOLE,  /* this datagram is the message */
    FRAGMENT_PIECE,  /* well-formed piece of a larger one */
    FRAGMENT_BAD,    /* impossible: answer 4 */
    FRAGMENT_IGNORE, /* drop silently */
};

/* What a received datagram is; a larger message announced by messageLength counts as fragmented
 * with TC set or not, one that is complete counts as whole even with TC set, unless it claims to be
 * a later piece. */
enum fragment_kind fragment_classify(const struct envelope *envelope, size_t datagram_len);

/* Assembly of one message. Bounded: `buffer` is allocated by the caller for message_len bytes. */
struct fragment_set {
    struct envelope first; /* envelope of the first piece seen */
    uint8_t *buffer;       /* MESSAGE_ENVELOPE_LEN + message_len bytes */
    uint32_t missing;      /* pieces still missing */
    uint8_t seen[(FRAGMENT_COUNT_MAX + 7) / 8];
};

/* Bytes `buffer` must hold for a message announced by `envelope`. */
size_t fragment_buffer_len(const struct envelope *envelope);
void fragment_set_init(struct fragment_set *set, const struct envelope *envelope, uint8_t *buffer);

enum fragment_added { FRAGMENT_STORED, FRAGMENT_DUPLICATE, FRAGMENT_COMPLETE, FRAGMENT_MISMATCH };

/* Takes a piece (classified FRAGMENT_PIECE). COMPLETE: `fragment_set_message` gives the packet.
 * MISMATCH: version, flags, ids or length differ from the first piece: drop the whole set. */
enum fragment_added fragment_set_add(struct fragment_set *set, const struct envelope *envelope,
                                     struct bytes datagram);

/* Envelope (sequence 0, TC clear) ‖ message, in the set's buffer. */
struct bytes fragment_set_message(struct fragment_set *set);
