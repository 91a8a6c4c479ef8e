/* SPDX-License-Identifier: Apache-2.0
 *
 * Geometry of messages over UDP (protocol.md §3.3, §14 rows 1-5 and 12-16).
 *
 * Nothing is allocated here: the caller owns the buffer of a set and bounds how many there are.
 */
#include "protocol/fragment.h"

#include <assert.h>

uint32_t fragment_count(uint32_t message_len)
{
    return message_len <= FRAGMENT_PAYLOAD
               ? 1
               : message_len / FRAGMENT_PAYLOAD + (message_len % FRAGMENT_PAYLOAD != 0);
}

uint32_t fragment_payload_len(uint32_t message_len, uint32_t sequence)
{
    uint32_t count = fragment_count(message_len);
    if (sequence >= count) {
        return 0;
    }
    return sequence + 1 < count ? FRAGMENT_PAYLOAD : message_len - sequence * FRAGMENT_PAYLOAD;
}

void fragment_envelope(const struct envelope *whole, uint32_t sequence,
                       uint8_t out[MESSAGE_ENVELOPE_LEN])
{
    struct envelope piece = *whole;
    struct wire_writer w = wire_write(out, MESSAGE_ENVELOPE_LEN);
    piece.sequence = sequence;
    piece.is_truncated = whole->message_len > FRAGMENT_PAYLOAD;
    envelope_encode(&w, &piece);
}

enum fragment_kind fragment_classify(const struct envelope *envelope, size_t datagram_len)
{
    if (datagram_len < MESSAGE_ENVELOPE_LEN) {
        return FRAGMENT_IGNORE;
    }
    size_t payload_len = datagram_len - MESSAGE_ENVELOPE_LEN;
    uint32_t message_len = envelope->message_len;
    if (message_len < MESSAGE_HEADER_LEN || message_len > MESSAGE_MAX ||
        message_len < payload_len) {
        return FRAGMENT_BAD;
    }
    if (message_len == payload_len) {
        bool is_later_piece = envelope->is_truncated && envelope->sequence != 0;
        return is_later_piece ? FRAGMENT_IGNORE : FRAGMENT_WHOLE;
    }
    if (message_len <= FRAGMENT_PAYLOAD) {
        return FRAGMENT_BAD;
    }
    if (payload_len == 0 || payload_len != fragment_payload_len(message_len, envelope->sequence)) {
        return FRAGMENT_IGNORE;
    }
    return FRAGMENT_PIECE;
}

size_t fragment_buffer_len(const struct envelope *envelope)
{
    return (size_t)MESSAGE_ENVELOPE_LEN + envelope->message_len;
}

void fragment_set_init(struct fragment_set *set, const struct envelope *envelope, uint8_t *buffer)
{
    assert(envelope->message_len <= MESSAGE_MAX);
    set->first = *envelope;
    set->buffer = buffer;
    set->missing = fragment_count(envelope->message_len);
    memset(set->seen, 0, sizeof(set->seen));
}

static bool is_same_version(struct message_version a, struct message_version b)
{
    return a.major == b.major && a.minor == b.minor;
}

static bool is_same_message(const struct envelope *a, const struct envelope *b)
{
    return is_same_version(a->version, b->version) && is_same_version(a->suggested, b->suggested) &&
           a->is_compressed == b->is_compressed && a->is_encrypted == b->is_encrypted &&
           a->is_truncated == b->is_truncated && a->session_id == b->session_id &&
           a->request_id == b->request_id && a->message_len == b->message_len;
}

enum fragment_added fragment_set_add(struct fragment_set *set, const struct envelope *envelope,
                                     struct bytes datagram)
{
    struct wire_reader r = wire_read(datagram);
    uint32_t sequence = envelope->sequence;
    uint32_t payload_len = fragment_payload_len(set->first.message_len, sequence);
    (void)wire_take(&r, MESSAGE_ENVELOPE_LEN);
    struct bytes payload = wire_take(&r, payload_len);
    if (!is_same_message(&set->first, envelope) || payload_len == 0 || !wire_done(&r)) {
        return FRAGMENT_MISMATCH;
    }
    uint8_t bit = (uint8_t)(1u << sequence % 8);
    if (set->missing == 0 || (set->seen[sequence / 8] & bit) != 0) {
        return FRAGMENT_DUPLICATE;
    }
    struct wire_writer w = wire_write(set->buffer, fragment_buffer_len(&set->first));
    (void)wire_room(&w, MESSAGE_ENVELOPE_LEN + (size_t)sequence * FRAGMENT_PAYLOAD);
    wire_put_raw(&w, payload);
    set->seen[sequence / 8] |= bit;
    set->missing--;
    return set->missing == 0 ? FRAGMENT_COMPLETE : FRAGMENT_STORED;
}

struct bytes fragment_set_message(struct fragment_set *set)
{
    struct envelope whole = set->first;
    struct wire_writer w = wire_write(set->buffer, MESSAGE_ENVELOPE_LEN);
    whole.sequence = 0;
    whole.is_truncated = false;
    envelope_encode(&w, &whole);
    return bytes_of(set->buffer, fragment_buffer_len(&set->first));
}
