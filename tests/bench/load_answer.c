/* SPDX-License-Identifier: Apache-2.0
 *
 * Is it the answer to what was asked? Every byte that names something is compared: the request id
 * finds the request, then come opcode, code, the handle as it was spelled, and all lengths.
 */
#include "protocol/fragment.h"
#include "protocol/opcode.h"
#include "tests/bench/load.h"

/* `part` is the message, or its first piece; `whole_len` what the envelope announces. */
static bool says_what_was_asked(const struct load *load, const struct flight_request *request,
                                struct bytes part, uint32_t whole_len)
{
    uint8_t text[NAMES_TEXT_MAX];
    struct bytes name = bytes_of(text, names_text(&load->names, request->name, text));
    struct wire_reader r = wire_read(part);
    uint32_t opcode = wire_u32(&r);
    uint32_t code = wire_u32(&r);
    (void)wire_take(&r, 12); /* flags, serial, recursion, reserved, expiration */
    uint32_t body_len = wire_u32(&r);
    bool is_right = opcode == OPCODE_RESOLUTION && code == load->options.code &&
                    body_len <= MESSAGE_MAX && MESSAGE_HEADER_LEN + body_len + 4 <= whole_len;
    if (is_right && code == 1) {
        struct bytes handle = wire_bytes(&r);
        is_right = bytes_equal(handle, name) && wire_u32(&r) > 0;
    }
    if (is_right && part.len == whole_len) {
        struct wire_reader end = wire_read(bytes_from(part, MESSAGE_HEADER_LEN + body_len));
        (void)wire_bytes(&end);
        is_right = wire_done(&end);
    }
    return is_right && wire_ok(&r);
}

/* An answer for nobody who waits: twice, too late, or never asked. */
static void settle_stray(struct load *load, const struct flight_request *request, uint32_t id)
{
    enum flight_state state = FLIGHT_FREE;
    if (request != NULL && request->id == id) {
        state = request->state;
    } else if (request != NULL && flight_is_previous(request, id)) {
        state = request->previous;
    }
    load->counts.duplicate += state == FLIGHT_ANSWERED;
    load->counts.late += state == FLIGHT_LOST;
    load->counts.wrong += state == FLIGHT_FREE;
}

static void settle_right(struct load *load, const struct flight_request *request, int64_t now_ns)
{
    load->counts.right++;
    if (load->is_measuring && now_ns < load->end_ns) {
        load->counts.in_window++;
    }
    if (request->is_counted) {
        int64_t waited = now_ns - request->due_ns;
        histogram_record(&load->latency, waited > 0 ? (uint64_t)waited : 0);
    }
}

/* Notes a piece of a larger answer; true when it was the last one missing. */
static bool take_piece(struct load *load, struct flight_request *request,
                       const struct envelope *envelope)
{
    uint64_t bit = UINT64_C(1) << envelope->sequence;
    uint32_t count = fragment_count(envelope->message_len);
    load->counts.duplicate += (request->pieces & bit) != 0;
    request->pieces |= bit;
    return request->pieces == (count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1);
}

static bool is_well_cut(const struct load *load, const struct envelope *envelope, size_t len)
{
    uint32_t length = load->options.length;
    if (length != 0 && envelope->message_len + MESSAGE_ENVELOPE_LEN != length) {
        return false;
    }
    if (envelope->message_len + MESSAGE_ENVELOPE_LEN == len) {
        return envelope->sequence == 0;
    }
    uint32_t count = fragment_count(envelope->message_len);
    return load->options.mode == LOAD_UDP && envelope->is_truncated && count > 1 &&
           count <= FLIGHT_PIECES_MAX && envelope->sequence < count &&
           len == MESSAGE_ENVELOPE_LEN +
                      (size_t)fragment_payload_len(envelope->message_len, envelope->sequence);
}

struct flight_request *load_settle(struct load *load, uint32_t owner, struct bytes packet,
                                   int64_t now_ns)
{
    struct envelope envelope;
    load->counts.bytes_in += packet.len;
    if (envelope_decode(packet, &envelope) != STATUS_OK) {
        load->counts.wrong++;
        return NULL;
    }
    struct flight_request *request = flight_find(&load->flight, envelope.request_id);
    if (request == NULL || request->id != envelope.request_id || request->state != FLIGHT_WAITING ||
        request->owner != owner) {
        settle_stray(load, request, envelope.request_id);
        return NULL;
    }
    bool is_right = is_well_cut(load, &envelope, packet.len) && !envelope.is_compressed &&
                    !envelope.is_encrypted;
    if (is_right && envelope.sequence == 0) {
        is_right = says_what_was_asked(load, request, bytes_from(packet, MESSAGE_ENVELOPE_LEN),
                                       envelope.message_len);
    }
    if (is_right && packet.len < MESSAGE_ENVELOPE_LEN + (size_t)envelope.message_len &&
        !take_piece(load, request, &envelope)) {
        return NULL;
    }
    if (is_right) {
        settle_right(load, request, now_ns);
    } else {
        load->counts.wrong++;
    }
    flight_release(&load->flight, request, FLIGHT_ANSWERED);
    return request;
}
