/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a packet: classified, decoded, its body read as its operation calls for. What is
 * accepted must be written again as it was, but for bytes that are ignored on reading, and reading
 * that must give the same once more.
 */
#include <stdlib.h>

#include "protocol/fragment.h"
#include "protocol/handle.h"
#include "tests/unit/protocol/recode.h"

#define SLACK 64 /* what canonical forms may be longer: a credential's length, an empty text's */
#define HEADER_RESERVED_AT (MESSAGE_ENVELOPE_LEN + 15)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* A fragment's envelope and a set that gets this piece only. */
static void assemble(const struct envelope *envelope, struct bytes datagram, struct arena *arena)
{
    struct fragment_set *set = arena_alloc(arena, sizeof(*set));
    uint8_t *buffer = arena_alloc(arena, fragment_buffer_len(envelope));
    require(set != NULL && buffer != NULL);
    fragment_set_init(set, envelope, buffer);
    require(fragment_set_add(set, envelope, datagram) == FRAGMENT_STORED);
    require(fragment_set_add(set, envelope, datagram) == FRAGMENT_DUPLICATE);
}

static void try_envelope(struct bytes packet, struct arena *arena)
{
    struct envelope envelope;
    uint8_t out[MESSAGE_ENVELOPE_LEN];
    struct wire_writer w = wire_write(out, sizeof(out));
    if (envelope_decode(packet, &envelope) != STATUS_OK) {
        require(packet.len < MESSAGE_ENVELOPE_LEN);
        return;
    }
    envelope_encode(&w, &envelope);
    require(bytes_equal(wire_wrote(&w), bytes_of(packet.data, sizeof(out))));
    struct message_version version = message_answer_version(&envelope);
    require(version.major == 2 && version.minor <= MESSAGE_VERSION_MINOR);
    if (fragment_classify(&envelope, packet.len) == FRAGMENT_PIECE) {
        assemble(&envelope, packet, arena);
    }
}

/* Equal but for the two reserved bytes, and a missing credential section, which becomes one of no
 * length. */
static void compare_packets(const struct message *message, struct bytes packet, uint8_t *again,
                            size_t again_len)
{
    size_t body_end = MESSAGE_ENVELOPE_LEN + MESSAGE_HEADER_LEN + message->body.len;
    again[HEADER_RESERVED_AT] = packet.data[HEADER_RESERVED_AT];
    if (message->credential.is_present) {
        again[body_end + 4 + 1] = packet.data[body_end + 4 + 1];
    }
    if (packet.len == body_end) {
        require(again_len == packet.len + 4);
        again_len = packet.len;
        memcpy(again, packet.data, MESSAGE_ENVELOPE_LEN);
    }
    require(bytes_equal(bytes_of(again, again_len), packet));
}

static void try_encode(const struct message *message, struct bytes packet, struct arena *arena)
{
    size_t room = packet.len + SLACK;
    uint8_t *again = arena_alloc(arena, room);
    require(again != NULL);
    struct wire_writer w = wire_write(again, room);
    message_encode(&w, message);
    struct bytes wrote = wire_wrote(&w);
    if (wrote.len == 0) {
        /* Only the credential's length can have made it too long. */
        require(packet.len + 4 > MESSAGE_PACKET_MAX);
        return;
    }
    struct message second;
    require(message_decode(wrote, &second) == STATUS_OK);
    require(bytes_equal(second.body, message->body));
    compare_packets(message, packet, again, wrote.len);
}

/* A byte that stands for a truth: bits above the lowest are ignored. */
static bool is_truth(const struct message *message)
{
    uint32_t opcode = message->header.opcode;
    return message->header.response_code != 0 &&
           (opcode == OPCODE_VERIFY_RESPONSE || opcode == OPCODE_RETRIEVE_TXN_LOG ||
            opcode == OPCODE_DUMP_HANDLES);
}

static void try_body(const struct message *message, struct arena *arena)
{
    size_t room = message->body.len + SLACK;
    uint8_t *first = arena_alloc(arena, room);
    uint8_t *second = arena_alloc(arena, room);
    require(first != NULL && second != NULL);
    struct wire_writer w = wire_write(first, room);
    if (recode_body(message, arena, &w) != STATUS_OK) {
        return;
    }
    require(!w.failed);
    struct bytes wrote = wire_wrote(&w);
    if (wrote.len == message->body.len && !is_truth(message)) {
        require(bytes_equal(wrote, message->body));
    }
    struct message canonical = *message;
    struct wire_writer w_again = wire_write(second, room);
    canonical.body = wrote;
    require(recode_body(&canonical, arena, &w_again) == STATUS_OK);
    require(bytes_equal(wire_wrote(&w_again), wrote));
}

static void try_handle(struct bytes name)
{
    uint8_t expanded[HANDLE_EXPANDED_MAX];
    uint8_t folded[HANDLE_EXPANDED_MAX];
    uint8_t twice[HANDLE_EXPANDED_MAX];
    struct bytes handle;
    struct fault fault;
    if (handle_expand(name, expanded, &handle) != STATUS_OK) {
        require(name.len == 0 || name.len > HANDLE_MAX);
        return;
    }
    struct bytes once = handle_fold(handle, CASE_INSENSITIVE, folded);
    require(bytes_equal_nocase(once, handle));
    require(bytes_equal(handle_fold(once, CASE_INSENSITIVE, twice), once));
    require(handle_hash(handle, HASH_BY_ALL) == handle_hash(once, HASH_BY_ALL));
    require(handle_hash(handle, HASH_BY_SUFFIX) <= UINT32_C(1) << 31);
    if (handle_check(handle, &fault) == STATUS_OK) {
        require(handle_prefix(handle).len > 0 && handle_suffix(handle).len > 0);
    }
}

static void try_values(const struct message *message, struct arena *arena)
{
    struct body_values body;
    struct fault fault;
    if (body_values_decode(message->body, arena, &body) != STATUS_OK) {
        return;
    }
    try_handle(body.handle);
    enum status status = value_list_check(body.handle, body.values, body.count, &fault);
    require(status == STATUS_OK || status == fault.status);
    size_t len = value_list_encoded_len(body.values, body.count);
    if (body.count > VALUE_COUNT_MAX) {
        return;
    }
    value_list_sort(body.values, body.count);
    require(value_list_encoded_len(body.values, body.count) == len);
    for (size_t i = 1; i < body.count; i++) {
        uint32_t before = body.values[i - 1].index;
        require(status == STATUS_OK ? before < body.values[i].index
                                    : before <= body.values[i].index);
    }
}

static void try_resolution(const struct message *message)
{
    struct body_resolution body;
    struct bytes text;
    uint32_t count = 0;
    if (body_resolution_decode(message->body, &body) != STATUS_OK) {
        return;
    }
    try_handle(body.handle);
    require(body.indexes.len == (size_t)body.index_count * 4);
    struct wire_reader types = wire_read(body.types);
    while (body_next_text(&types, &text)) {
        (void)value_type_matches(BYTES_LITERAL("URL"), text);
        count++;
    }
    require(wire_done(&types) && count == body.type_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes packet = bytes_of(data, size);
    struct message message;
    struct arena *arena = arena_new(1 << 16, 16 << 20);
    require(arena != NULL);
    try_envelope(packet, arena);
    if (message_decode(packet, &message) == STATUS_OK) {
        require(message.digested.len == MESSAGE_HEADER_LEN + message.body.len);
        try_encode(&message, packet, arena);
        try_body(&message, arena);
        try_resolution(&message);
        try_values(&message, arena);
    }
    arena_free(arena);
    return 0;
}
