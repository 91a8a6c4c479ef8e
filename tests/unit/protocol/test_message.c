/* SPDX-License-Identifier: Apache-2.0
 *
 * Envelope, header and credential: the computed vectors both ways, and what is malformed
 * (protocol.md §14 rows 2, 3, 5, 6, 21-26, 31).
 */
#include "tests/unit/protocol/vectors.h"

#include <stdlib.h>

#include "protocol/message.h"

#define FLAGS_DEFAULT (MESSAGE_RECURSIVE | MESSAGE_CACHE_CERTIFIED | MESSAGE_PUBLIC_ONLY)
#define BODY_LEN_AT (MESSAGE_ENVELOPE_LEN + 20)
#define MESSAGE_LEN_AT 16

static int setup(void **state)
{
    *state = arena_new(1 << 16, 8 << 20);
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

/* Envelope and message in memory of their exact size, so that reading past the end is seen. */
static uint8_t *packet_of(struct arena *arena, struct bytes envelope, struct bytes message)
{
    size_t len = envelope.len + message.len;
    uint8_t *packet = arena_alloc(arena, len);
    struct wire_writer w = wire_write(packet, len);
    assert_non_null(packet);
    wire_put_raw(&w, envelope);
    wire_put_raw(&w, message);
    wire_store_u32(packet + MESSAGE_LEN_AT, (uint32_t)message.len);
    return packet;
}

static struct bytes vector_packet(struct arena *arena, const char *message)
{
    struct bytes bytes = vectors_get(arena, message);
    struct bytes envelope = vectors_get(arena, "V9.envelope");
    return bytes_of(packet_of(arena, envelope, bytes), envelope.len + bytes.len);
}

static struct bytes encoded(struct arena *arena, const struct message *message, size_t room)
{
    uint8_t *out = arena_alloc(arena, room);
    struct wire_writer w = wire_write(out, room);
    assert_non_null(out);
    message_encode(&w, message);
    return wire_wrote(&w);
}

static void expect_status(struct bytes packet, enum status wanted)
{
    struct message message;
    memset(&message, 0x5a, sizeof(message));
    struct message untouched = message;
    assert_int_equal(message_decode(packet, &message), wanted);
    if (wanted != STATUS_OK) {
        assert_memory_equal(&message, &untouched, sizeof(message));
    }
}

static void version_compare_when_major_is_5_then_ranks_as_2_0(void **state)
{
    struct message_version v2_0 = {2, 0};
    struct message_version v2_3 = {2, 3};
    struct message_version v2_11 = {2, 11};
    struct message_version v3_0 = {3, 0};
    struct message_version v5_7 = {5, 7};
    (void)state;
    assert_int_equal(message_version_compare(v2_3, v2_11), -1);
    assert_int_equal(message_version_compare(v2_11, v2_3), 1);
    assert_int_equal(message_version_compare(v3_0, v2_11), 1);
    assert_int_equal(message_version_compare(v2_11, v2_11), 0);
    assert_int_equal(message_version_compare(v5_7, v2_0), 0);
    assert_int_equal(message_version_compare(v5_7, v2_3), -1);
}

static void version_is_known_when_2_3_or_5(void **state)
{
    (void)state;
    for (unsigned major = 0; major < 256; major++) {
        bool wanted = major == 2 || major == 3 || major == 5;
        assert_int_equal(message_version_is_known((struct message_version){(uint8_t)major, 0}),
                         wanted);
    }
}

static void answer_version_follows_suggestion_up_to_ours(void **state)
{
    static const struct {
        struct message_version version;
        struct message_version suggested;
        struct message_version wanted;
    } rows[] = {
        {{2, 3}, {2, 11}, {2, 11}},  {{2, 3}, {2, 10}, {2, 10}}, {{2, 1}, {0, 0}, {2, 1}},
        {{2, 12}, {2, 12}, {2, 11}}, {{3, 0}, {3, 0}, {2, 11}},  {{3, 0}, {2, 4}, {2, 4}},
        {{5, 1}, {0, 0}, {2, 0}},    {{2, 3}, {5, 9}, {2, 0}},   {{2, 3}, {1, 0}, {2, 0}},
        {{2, 0}, {2, 0}, {2, 0}},    {{1, 0}, {2, 11}, {2, 3}},  {{0, 0}, {0, 0}, {2, 3}},
        {{6, 0}, {2, 11}, {2, 3}},   {{2, 3}, {31, 0}, {2, 11}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct envelope request = {.version = rows[i].version, .suggested = rows[i].suggested};
        struct message_version got = message_answer_version(&request);
        assert_int_equal(got.major, rows[i].wanted.major);
        assert_int_equal(got.minor, rows[i].wanted.minor);
    }
}

static void code_when_peer_is_below_2_5_then_renumbered(void **state)
{
    struct message_version old = {2, 4};
    struct message_version new = {2, 5};
    (void)state;
    assert_int_equal(message_code_for(7, old), 303);
    assert_int_equal(message_code_for(202, old), 201);
    assert_int_equal(message_code_for(100, old), 100);
    assert_int_equal(message_code_for(7, new), 7);
    assert_int_equal(message_code_for(202, new), 202);
    assert_int_equal(message_code_for(202, (struct message_version){5, 9}), 201);
}

static void envelope_when_each_flag_then_kept(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t packet[MESSAGE_ENVELOPE_LEN] = {
            2, 11, (uint8_t)byte, 10, 0, 0, 0, 0x2a, 1, 2, 3, 4, 0, 0, 0, 0xff, 0, 0, 1, 0};
        uint8_t again[MESSAGE_ENVELOPE_LEN];
        struct wire_writer w = wire_write(again, sizeof(again));
        struct envelope envelope;
        assert_int_equal(envelope_decode(bytes_of(packet, sizeof(packet)), &envelope), STATUS_OK);
        assert_int_equal(envelope.is_compressed, byte >> 7);
        assert_int_equal(envelope.is_encrypted, byte >> 6 & 1);
        assert_int_equal(envelope.is_truncated, byte >> 5 & 1);
        assert_int_equal(envelope.suggested.major, byte & 0x1f);
        envelope_encode(&w, &envelope);
        vectors_assert_equal(wire_wrote(&w), bytes_of(packet, sizeof(packet)));
    }
}

static void envelope_when_short_then_protocol_error(void **state)
{
    uint8_t packet[MESSAGE_ENVELOPE_LEN] = {2, 11};
    struct envelope envelope = {.request_id = 7};
    (void)state;
    for (size_t len = 0; len < sizeof(packet); len++) {
        assert_int_equal(envelope_decode(bytes_of(packet, len), &envelope), STATUS_PROTOCOL_ERROR);
    }
    assert_int_equal(envelope_decode(BYTES_NONE, &envelope), STATUS_PROTOCOL_ERROR);
    assert_int_equal(envelope.request_id, 7);
}

static void v1_both_ways(void **state)
{
    struct bytes envelope = vectors_get(*state, "V1.envelope");
    struct bytes bytes = vectors_get(*state, "V1.message");
    struct bytes packet = bytes_of(packet_of(*state, envelope, bytes), envelope.len + bytes.len);
    struct message message;
    assert_int_equal(message_decode(packet, &message), STATUS_OK);
    assert_int_equal(message.envelope.version.major, 2);
    assert_int_equal(message.envelope.version.minor, 3);
    assert_int_equal(message.envelope.suggested.major, 2);
    assert_int_equal(message.envelope.suggested.minor, 11);
    assert_int_equal(message.envelope.session_id, 0);
    assert_int_equal(message.envelope.request_id, 0x01020304);
    assert_int_equal(message.envelope.sequence, 0);
    assert_int_equal(message.envelope.message_len, 51);
    assert_int_equal(message.header.opcode, 1);
    assert_int_equal(message.header.response_code, 0);
    assert_int_equal(message.header.flags, FLAGS_DEFAULT);
    assert_int_equal(message.header.site_serial, MESSAGE_SERIAL_UNKNOWN);
    assert_int_equal(message.header.recursion_count, 0);
    assert_int_equal(message.header.expiration, 0x65546980);
    assert_int_equal(message.body.len, 0x17);
    assert_int_equal(message.digested.len, MESSAGE_HEADER_LEN + 0x17);
    assert_ptr_equal(message.digested.data, packet.data + MESSAGE_ENVELOPE_LEN);
    assert_false(message.credential.is_present);
    vectors_assert_equal(encoded(*state, &message, packet.len), packet);
}

static void computed_messages_when_recoded_come_out_the_same(void **state)
{
    static const char *const names[] = {
        "V2.message",    "V5.message",        "V9.message", "V11.message",
        "V12.message",   "V13.request",       "V13.answer", "V14.message",
        "V15.not_found", "V15.backup_at_2_4", "V16.create", "V16.remove",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct bytes packet = vector_packet(*state, names[i]);
        struct message message;
        assert_int_equal(message_decode(packet, &message), STATUS_OK);
        vectors_assert_equal(encoded(*state, &message, packet.len), packet);
    }
}

static void computed_envelopes_when_recoded_come_out_the_same(void **state)
{
    static const char *const names[] = {"V1.envelope", "V9.envelope", "V11.envelope",
                                        "V17.envelope_2", "V20.envelope"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct bytes bytes = vectors_get(*state, names[i]);
        struct envelope envelope;
        uint8_t out[MESSAGE_ENVELOPE_LEN];
        struct wire_writer w = wire_write(out, sizeof(out));
        assert_int_equal(envelope_decode(bytes, &envelope), STATUS_OK);
        envelope_encode(&w, &envelope);
        vectors_assert_equal(wire_wrote(&w), bytes);
    }
}

static void v20_without_credential_section_then_accepted(void **state)
{
    struct bytes envelope = vectors_get(*state, "V20.envelope");
    struct bytes bytes = vectors_get(*state, "V20.message");
    struct bytes packet = bytes_of(packet_of(*state, envelope, bytes), envelope.len + bytes.len);
    struct message message;
    assert_int_equal(message_decode(packet, &message), STATUS_OK);
    assert_int_equal(message.header.opcode, 2001);
    assert_int_equal(message.envelope.session_id, 10001);
    assert_int_equal(message.body.len, 0x12);
    assert_false(message.credential.is_present);
}

/* Header and body of V14 with the given credential behind them. */
static struct bytes with_credential(struct arena *arena, struct bytes credential)
{
    struct bytes message = vectors_get(arena, "V14.message");
    struct bytes envelope = vectors_get(arena, "V9.envelope");
    size_t head_len = MESSAGE_HEADER_LEN + 5;
    size_t len = head_len + 4 + credential.len;
    uint8_t *room = vectors_room(arena, len);
    struct wire_writer w = wire_write(room, len);
    wire_put_raw(&w, bytes_of(message.data, head_len));
    wire_put_bytes(&w, credential);
    assert_false(w.failed);
    return bytes_of(packet_of(arena, envelope, bytes_of(room, len)), envelope.len + len);
}

static void credential_fields_when_v14_then_as_computed(void **state)
{
    struct bytes packet = vector_packet(*state, "V14.message");
    struct message message;
    assert_int_equal(message_decode(packet, &message), STATUS_OK);
    const struct credential *credential = &message.credential;
    assert_true(credential->is_present);
    assert_int_equal(credential->version, 0);
    assert_int_equal(credential->options, 0);
    assert_int_equal(credential->signer.len, 0);
    assert_int_equal(credential->counter, 1);
    vectors_assert_equal(credential->type, BYTES_LITERAL("HS_MAC"));
    vectors_assert_equal(credential->algorithm, BYTES_LITERAL("HMAC-SHA256"));
    assert_int_equal(credential->signature.len, 32);
}

static void credentials_of_every_version_come_out_the_same(void **state)
{
    static const char *const names[] = {
        "V14.credential_2_11", "V14.credential_2_8", "V14.credential_2_7", "V14.credential_2_6",
        "V14.credential_2_5",  "V14.credential_2_4", "V18.a_credential",   "V18.b_credential",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct bytes packet = with_credential(*state, vectors_get(*state, names[i]));
        struct message message;
        assert_int_equal(message_decode(packet, &message), STATUS_OK);
        assert_true(message.credential.is_present);
        vectors_assert_equal(encoded(*state, &message, packet.len), packet);
    }
}

static void message_when_cut_anywhere_then_refused(void **state)
{
    struct bytes whole = vector_packet(*state, "V14.message");
    size_t body_end = BODY_LEN_AT + 4 + 5;
    for (size_t len = 0; len < whole.len; len++) {
        uint8_t *cut = malloc(len == 0 ? 1 : len);
        assert_non_null(cut);
        memcpy(cut, whole.data, len);
        expect_status(bytes_of(cut, len), STATUS_PROTOCOL_ERROR);
        if (len >= MESSAGE_ENVELOPE_LEN) {
            wire_store_u32(cut + MESSAGE_LEN_AT, (uint32_t)(len - MESSAGE_ENVELOPE_LEN));
            expect_status(bytes_of(cut, len), len == body_end ? STATUS_OK : STATUS_PROTOCOL_ERROR);
        }
        free(cut);
    }
}

static void message_when_credential_is_cut_inside_then_by_session(void **state)
{
    struct bytes credential = vectors_get(*state, "V14.credential_2_11");
    for (size_t len = 1; len < credential.len; len++) {
        struct bytes packet = with_credential(*state, bytes_of(credential.data, len));
        uint8_t *sessionless = packet_of(*state, bytes_of(packet.data, MESSAGE_ENVELOPE_LEN),
                                         bytes_from(packet, MESSAGE_ENVELOPE_LEN));
        wire_store_u32(sessionless + 4, 0);
        expect_status(packet, STATUS_INVALID_CREDENTIAL);
        expect_status(bytes_of(sessionless, packet.len), STATUS_PROTOCOL_ERROR);
    }
}

static void credential_with(struct arena *arena, size_t offset, uint8_t byte, enum status wanted)
{
    struct bytes credential = arena_copy(arena, vectors_get(arena, "V14.credential_2_11"));
    uint8_t *changed = arena_alloc(arena, credential.len);
    assert_non_null(changed);
    memcpy(changed, credential.data, credential.len);
    changed[offset] = byte;
    struct bytes packet = with_credential(arena, bytes_of(changed, credential.len));
    expect_status(packet, wanted);
}

static void message_when_credential_is_strange_then_invalid_credential(void **state)
{
    credential_with(*state, 0, 1, STATUS_INVALID_CREDENTIAL);     /* version */
    credential_with(*state, 1, 1, STATUS_OK);                     /* reserved */
    credential_with(*state, 3, 1, STATUS_OK);                     /* options */
    credential_with(*state, 16, 'X', STATUS_INVALID_CREDENTIAL);  /* type */
    credential_with(*state, 7, 200, STATUS_INVALID_CREDENTIAL);   /* signer's length */
    credential_with(*state, 25, 0x32, STATUS_INVALID_CREDENTIAL); /* section one short */
    credential_with(*state, 25, 0x34, STATUS_INVALID_CREDENTIAL); /* section one long */
    credential_with(*state, 29, 0x0a, STATUS_INVALID_CREDENTIAL); /* algorithm's length */
    credential_with(*state, 26, 0x80, STATUS_INVALID_CREDENTIAL); /* the same, negative */
}

static void message_when_junk_follows_then_protocol_error(void **state)
{
    static const uint8_t junk[] = {0, 0, 0, 0, 0};
    static const char *const names[] = {"V1.message", "V14.message"};
    for (size_t i = 0; i < 2; i++) {
        struct bytes packet = vector_packet(*state, names[i]);
        for (size_t len = 1; len <= sizeof(junk); len++) {
            uint8_t *longer = packet_of(*state, packet, bytes_of(junk, len));
            wire_store_u32(longer + MESSAGE_LEN_AT, (uint32_t)(packet.len - MESSAGE_ENVELOPE_LEN));
            expect_status(bytes_of(longer, packet.len + len), STATUS_PROTOCOL_ERROR);
            wire_store_u32(longer + MESSAGE_LEN_AT,
                           (uint32_t)(packet.len + len - MESSAGE_ENVELOPE_LEN));
            expect_status(bytes_of(longer, packet.len + len), STATUS_PROTOCOL_ERROR);
        }
    }
}

static void message_when_body_length_lies_then_protocol_error(void **state)
{
    static const uint32_t lengths[] = {0x18, 0x1c, 0x80000000, 0xffffffff, MESSAGE_MAX};
    struct bytes packet = vector_packet(*state, "V1.message");
    uint8_t *changed = packet_of(*state, bytes_of(packet.data, MESSAGE_ENVELOPE_LEN),
                                 bytes_from(packet, MESSAGE_ENVELOPE_LEN));
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        wire_store_u32(changed + BODY_LEN_AT, lengths[i]);
        expect_status(bytes_of(changed, packet.len), STATUS_PROTOCOL_ERROR);
    }
    wire_store_u32(changed + BODY_LEN_AT, 0x1b); /* the credential's length read as body */
    expect_status(bytes_of(changed, packet.len), STATUS_OK);
}

static void message_when_length_lies_then_protocol_error(void **state)
{
    static const uint32_t lengths[] = {0, 10, 23, 50, 52, MESSAGE_MAX + 1, 0x80000000, 0xffffffff};
    struct bytes packet = vector_packet(*state, "V1.message");
    uint8_t *changed = packet_of(*state, bytes_of(packet.data, MESSAGE_ENVELOPE_LEN),
                                 bytes_from(packet, MESSAGE_ENVELOPE_LEN));
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        wire_store_u32(changed + MESSAGE_LEN_AT, lengths[i]);
        expect_status(bytes_of(changed, packet.len), STATUS_PROTOCOL_ERROR);
    }
}

static void message_when_compressed_or_encrypted_then_protocol_error(void **state)
{
    struct bytes packet = vector_packet(*state, "V1.message");
    uint8_t *changed = packet_of(*state, bytes_of(packet.data, MESSAGE_ENVELOPE_LEN),
                                 bytes_from(packet, MESSAGE_ENVELOPE_LEN));
    changed[2] = 0x82;
    expect_status(bytes_of(changed, packet.len), STATUS_PROTOCOL_ERROR);
    changed[2] = 0x42;
    expect_status(bytes_of(changed, packet.len), STATUS_PROTOCOL_ERROR);
    changed[2] = 0x22; /* a stale fragment flag on a whole message */
    expect_status(bytes_of(changed, packet.len), STATUS_OK);
}

/* A message whose body is `body_len` zeros, at the limit or above it. */
static void message_of_size(struct arena *arena, size_t body_len, bool fits)
{
    uint8_t *body = arena_calloc(arena, body_len, 1);
    struct message message = {.envelope = {.version = {2, 11}, .suggested = {2, 11}},
                              .header = {.opcode = 1}};
    assert_non_null(body);
    message.body = bytes_of(body, body_len);
    struct bytes packet = encoded(arena, &message, MESSAGE_PACKET_MAX + 16);
    assert_int_equal(packet.len, fits ? MESSAGE_PACKET_MAX : 0);
    if (fits) {
        expect_status(packet, STATUS_OK);
    }
}

static void message_when_over_the_maximum_then_writer_fails(void **state)
{
    message_of_size(*state, MESSAGE_MAX - MESSAGE_HEADER_LEN - 4, true);
    message_of_size(*state, MESSAGE_MAX - MESSAGE_HEADER_LEN - 3, false);
}

static void message_when_buffer_is_short_then_nothing_written(void **state)
{
    struct bytes packet = vector_packet(*state, "V14.message");
    struct message message;
    assert_int_equal(message_decode(packet, &message), STATUS_OK);
    for (size_t room = 0; room < packet.len; room++) {
        assert_int_equal(encoded(*state, &message, room).len, 0);
    }
    assert_int_equal(encoded(*state, &message, packet.len).len, packet.len);
}

static void open_and_close_when_body_is_written_then_lengths_are_patched(void **state)
{
    uint8_t out[256];
    struct wire_writer w = wire_write(out, sizeof(out));
    struct envelope envelope = {.version = {2, 11},
                                .suggested = {2, 11},
                                .session_id = 0x2a,
                                .request_id = 0x01020304,
                                .message_len = 999};
    struct header header = {.opcode = 1,
                            .response_code = 100,
                            .flags = FLAGS_DEFAULT,
                            .site_serial = MESSAGE_SERIAL_UNKNOWN,
                            .expiration = 0x65546980};
    struct message_marks marks = message_open(&w, &envelope, &header);
    wire_put_bytes(&w, BYTES_NONE);
    message_close(&w, marks, NULL);
    vectors_assert_equal(wire_wrote(&w), vector_packet(*state, "V15.not_found"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(version_compare_when_major_is_5_then_ranks_as_2_0),
        CASE(version_is_known_when_2_3_or_5),
        CASE(answer_version_follows_suggestion_up_to_ours),
        CASE(code_when_peer_is_below_2_5_then_renumbered),
        CASE(envelope_when_each_flag_then_kept),
        CASE(envelope_when_short_then_protocol_error),
        CASE(v1_both_ways),
        CASE(computed_messages_when_recoded_come_out_the_same),
        CASE(computed_envelopes_when_recoded_come_out_the_same),
        CASE(v20_without_credential_section_then_accepted),
        CASE(credential_fields_when_v14_then_as_computed),
        CASE(credentials_of_every_version_come_out_the_same),
        CASE(message_when_cut_anywhere_then_refused),
        CASE(message_when_credential_is_cut_inside_then_by_session),
        CASE(message_when_credential_is_strange_then_invalid_credential),
        CASE(message_when_junk_follows_then_protocol_error),
        CASE(message_when_body_length_lies_then_protocol_error),
        CASE(message_when_length_lies_then_protocol_error),
        CASE(message_when_compressed_or_encrypted_then_protocol_error),
        CASE(message_when_over_the_maximum_then_writer_fails),
        CASE(message_when_buffer_is_short_then_nothing_written),
        CASE(open_and_close_when_body_is_written_then_lengths_are_patched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
