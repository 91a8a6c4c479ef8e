/* SPDX-License-Identifier: Apache-2.0
 *
 * Pieces of messages over UDP: vector V21, any order, and what must be dropped (protocol.md §3.3,
 * §14 rows 1-5, 12-15).
 */
#include "tests/unit/protocol/vectors.h"

#include <stdlib.h>

#include "protocol/fragment.h"

#define HIGHEST_SEQUENCE 532

static struct envelope envelope_of(uint32_t message_len)
{
    return (struct envelope){.version = {2, 11},
                             .suggested = {2, 11},
                             .request_id = 0x01020304,
                             .message_len = message_len};
}

static void v21_geometry(void **state)
{
    static const struct {
        uint32_t message_len;
        uint32_t count;
        uint8_t flags;
        uint32_t last_len;
    } rows[] = {
        {24, 1, 0x02, 24},   {492, 1, 0x02, 492}, {493, 2, 0x22, 1},
        {984, 2, 0x22, 492}, {985, 3, 0x22, 1},   {262144, 533, 0x22, 400},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct envelope envelope = envelope_of(rows[i].message_len);
        uint32_t count = fragment_count(rows[i].message_len);
        assert_int_equal(count, rows[i].count);
        for (uint32_t sequence = 0; sequence < count; sequence++) {
            uint8_t out[MESSAGE_ENVELOPE_LEN];
            struct envelope again;
            fragment_envelope(&envelope, sequence, out);
            assert_int_equal(out[2], rows[i].flags);
            assert_int_equal(envelope_decode(bytes_of(out, sizeof(out)), &again), STATUS_OK);
            assert_int_equal(again.sequence, sequence);
            assert_int_equal(again.message_len, rows[i].message_len);
            assert_int_equal(again.request_id, 0x01020304);
            assert_int_equal(fragment_payload_len(rows[i].message_len, sequence),
                             sequence + 1 < count ? FRAGMENT_PAYLOAD : rows[i].last_len);
        }
        assert_int_equal(fragment_payload_len(rows[i].message_len, count), 0);
        assert_int_equal(fragment_payload_len(rows[i].message_len, UINT32_MAX), 0);
    }
    assert_int_equal(fragment_count(0), 1);
    assert_int_equal(fragment_count(UINT32_MAX), UINT32_MAX / 492 + 1);
}

static void expect_kind(uint32_t message_len, uint32_t sequence, bool is_truncated, size_t payload,
                        enum fragment_kind wanted)
{
    struct envelope envelope = envelope_of(message_len);
    envelope.sequence = sequence;
    envelope.is_truncated = is_truncated;
    assert_int_equal(fragment_classify(&envelope, MESSAGE_ENVELOPE_LEN + payload), wanted);
}

static void classify_when_complete_then_whole(void **state)
{
    (void)state;
    expect_kind(24, 0, false, 24, FRAGMENT_WHOLE);
    expect_kind(492, 0, false, 492, FRAGMENT_WHOLE);
    expect_kind(84, 0, true, 84, FRAGMENT_WHOLE);  /* a stale TC */
    expect_kind(84, 1, false, 84, FRAGMENT_WHOLE); /* a stale sequence */
    expect_kind(84, 1, true, 84, FRAGMENT_IGNORE); /* row 12: no such piece */
    expect_kind(1310, 1, true, 1310, FRAGMENT_IGNORE);
    expect_kind(1310, 0, false, 1310, FRAGMENT_WHOLE); /* a large datagram that fits exactly */
}

static void classify_when_piece_fits_then_piece(void **state)
{
    (void)state;
    expect_kind(493, 0, true, 492, FRAGMENT_PIECE);
    expect_kind(493, 1, true, 1, FRAGMENT_PIECE);
    expect_kind(493, 1, false, 1, FRAGMENT_PIECE); /* senders that forget TC */
    expect_kind(MESSAGE_MAX, HIGHEST_SEQUENCE, true, 400, FRAGMENT_PIECE);
}

static void classify_when_lengths_are_impossible_then_bad(void **state)
{
    (void)state;
    expect_kind(23, 0, false, 23, FRAGMENT_BAD);
    expect_kind(0, 0, false, 0, FRAGMENT_BAD);
    expect_kind(10, 0, false, 77, FRAGMENT_BAD);
    expect_kind(MESSAGE_MAX + 1, 0, true, 492, FRAGMENT_BAD);
    expect_kind(0x80000000, 0, true, 492, FRAGMENT_BAD);
    expect_kind(0xffffffff, 0, true, 492, FRAGMENT_BAD);
    expect_kind(50, 0, false, 51, FRAGMENT_BAD);
    expect_kind(600, 0, false, 601, FRAGMENT_BAD);
    expect_kind(100, 0, false, 99, FRAGMENT_BAD);
    expect_kind(492, 0, true, 100, FRAGMENT_BAD);
}

static void classify_when_piece_does_not_fit_then_ignored(void **state)
{
    struct envelope envelope = envelope_of(100);
    (void)state;
    expect_kind(985, 3, true, 1, FRAGMENT_IGNORE);
    expect_kind(985, 0xffffffff, true, 1, FRAGMENT_IGNORE);
    expect_kind(985, 0, true, 491, FRAGMENT_IGNORE);
    expect_kind(985, 2, true, 2, FRAGMENT_IGNORE);
    expect_kind(985, 2, true, 492, FRAGMENT_IGNORE);
    expect_kind(985, 3, true, 0, FRAGMENT_IGNORE);
    for (size_t len = 0; len < MESSAGE_ENVELOPE_LEN; len++) {
        assert_int_equal(fragment_classify(&envelope, len), FRAGMENT_IGNORE);
    }
}

struct assembly {
    struct arena *arena;
    struct fragment_set *set;
    struct envelope envelope;
    uint8_t *message;
};

static int setup(void **state)
{
    struct assembly *assembly = calloc(1, sizeof(*assembly));
    assert_non_null(assembly);
    assembly->arena = arena_new(1 << 16, 4 << 20);
    assembly->set = calloc(1, sizeof(*assembly->set));
    assert_non_null(assembly->arena);
    assert_non_null(assembly->set);
    *state = assembly;
    return 0;
}

static int teardown(void **state)
{
    struct assembly *assembly = *state;
    arena_free(assembly->arena);
    free(assembly->set);
    free(assembly);
    return 0;
}

static void begin(struct assembly *assembly, uint32_t message_len)
{
    assembly->envelope = envelope_of(message_len);
    assembly->envelope.is_truncated = true;
    assembly->message = arena_alloc(assembly->arena, message_len);
    uint8_t *buffer = arena_alloc(assembly->arena, fragment_buffer_len(&assembly->envelope));
    assert_non_null(assembly->message);
    assert_non_null(buffer);
    for (uint32_t i = 0; i < message_len; i++) {
        assembly->message[i] = (uint8_t)(i * 31 + i / 251);
    }
    fragment_set_init(assembly->set, &assembly->envelope, buffer);
}

static struct bytes datagram_of(struct assembly *assembly, uint32_t sequence,
                                struct envelope *out_envelope)
{
    uint32_t len = fragment_payload_len(assembly->envelope.message_len, sequence);
    uint8_t *datagram = arena_alloc(assembly->arena, MESSAGE_ENVELOPE_LEN + len);
    assert_non_null(datagram);
    fragment_envelope(&assembly->envelope, sequence, datagram);
    memcpy(datagram + MESSAGE_ENVELOPE_LEN, assembly->message + (size_t)sequence * FRAGMENT_PAYLOAD,
           len);
    struct bytes bytes = bytes_of(datagram, MESSAGE_ENVELOPE_LEN + len);
    assert_int_equal(envelope_decode(bytes, out_envelope), STATUS_OK);
    return bytes;
}

static enum fragment_added add(struct assembly *assembly, uint32_t sequence)
{
    struct envelope envelope;
    struct bytes datagram = datagram_of(assembly, sequence, &envelope);
    assert_int_equal(fragment_classify(&envelope, datagram.len), FRAGMENT_PIECE);
    return fragment_set_add(assembly->set, &envelope, datagram);
}

static void expect_assembled(struct assembly *assembly)
{
    struct bytes packet = fragment_set_message(assembly->set);
    struct envelope envelope;
    assert_int_equal(envelope_decode(packet, &envelope), STATUS_OK);
    assert_false(envelope.is_truncated);
    assert_int_equal(envelope.sequence, 0);
    assert_int_equal(envelope.request_id, 0x01020304);
    vectors_assert_equal(bytes_from(packet, MESSAGE_ENVELOPE_LEN),
                         bytes_of(assembly->message, assembly->envelope.message_len));
}

static void set_when_pieces_come_in_any_order_then_complete(void **state)
{
    struct assembly *assembly = *state;
    begin(assembly, 985);
    assert_int_equal(add(assembly, 2), FRAGMENT_STORED);
    assert_int_equal(add(assembly, 0), FRAGMENT_STORED);
    assert_int_equal(add(assembly, 1), FRAGMENT_COMPLETE);
    expect_assembled(assembly);
}

static void set_when_largest_then_complete(void **state)
{
    struct assembly *assembly = *state;
    begin(assembly, MESSAGE_MAX);
    for (uint32_t sequence = HIGHEST_SEQUENCE; sequence > 0; sequence--) {
        assert_int_equal(add(assembly, sequence), FRAGMENT_STORED);
    }
    assert_int_equal(add(assembly, 0), FRAGMENT_COMPLETE);
    expect_assembled(assembly);
}

static void set_when_piece_repeats_then_the_first_is_kept(void **state)
{
    struct assembly *assembly = *state;
    struct envelope envelope;
    begin(assembly, 493);
    assert_int_equal(add(assembly, 1), FRAGMENT_STORED);
    struct bytes datagram = datagram_of(assembly, 1, &envelope);
    uint8_t other[MESSAGE_ENVELOPE_LEN + 1];
    memcpy(other, datagram.data, sizeof(other));
    other[MESSAGE_ENVELOPE_LEN] ^= 0xff;
    assert_int_equal(fragment_set_add(assembly->set, &envelope, bytes_of(other, sizeof(other))),
                     FRAGMENT_DUPLICATE);
    assert_int_equal(add(assembly, 0), FRAGMENT_COMPLETE);
    assert_int_equal(add(assembly, 0), FRAGMENT_DUPLICATE);
    expect_assembled(assembly);
}

static void expect_mismatch(struct assembly *assembly, size_t offset, uint8_t change)
{
    struct envelope envelope;
    struct bytes datagram = datagram_of(assembly, 1, &envelope);
    uint8_t changed[FRAGMENT_DATAGRAM];
    memcpy(changed, datagram.data, datagram.len);
    changed[offset] ^= change;
    struct bytes bytes = bytes_of(changed, datagram.len);
    assert_int_equal(envelope_decode(bytes, &envelope), STATUS_OK);
    assert_int_equal(fragment_set_add(assembly->set, &envelope, bytes), FRAGMENT_MISMATCH);
}

static void set_when_envelopes_disagree_then_mismatch(void **state)
{
    struct assembly *assembly = *state;
    begin(assembly, 984);
    assert_int_equal(add(assembly, 0), FRAGMENT_STORED);
    expect_mismatch(assembly, 0, 1);     /* major */
    expect_mismatch(assembly, 1, 1);     /* minor */
    expect_mismatch(assembly, 2, 0x80);  /* compressed */
    expect_mismatch(assembly, 2, 0x40);  /* encrypted */
    expect_mismatch(assembly, 2, 0x20);  /* fragment */
    expect_mismatch(assembly, 2, 1);     /* suggested major */
    expect_mismatch(assembly, 3, 1);     /* suggested minor */
    expect_mismatch(assembly, 7, 1);     /* session */
    expect_mismatch(assembly, 11, 1);    /* request */
    expect_mismatch(assembly, 19, 0x10); /* length */
    expect_mismatch(assembly, 15, 0x10); /* a sequence past the end */
    assert_int_equal(add(assembly, 1), FRAGMENT_COMPLETE);
    expect_assembled(assembly);
}

static void set_when_datagram_has_another_length_then_mismatch(void **state)
{
    struct assembly *assembly = *state;
    struct envelope envelope;
    begin(assembly, 985);
    struct bytes datagram = datagram_of(assembly, 2, &envelope);
    assert_int_equal(
        fragment_set_add(assembly->set, &envelope, bytes_of(datagram.data, datagram.len - 1)),
        FRAGMENT_MISMATCH);
    envelope.sequence = 1;
    assert_int_equal(fragment_set_add(assembly->set, &envelope, datagram), FRAGMENT_MISMATCH);
    datagram = datagram_of(assembly, 1, &envelope);
    envelope.sequence = 2;
    assert_int_equal(fragment_set_add(assembly->set, &envelope, datagram), FRAGMENT_MISMATCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v21_geometry),
        cmocka_unit_test(classify_when_complete_then_whole),
        cmocka_unit_test(classify_when_piece_fits_then_piece),
        cmocka_unit_test(classify_when_lengths_are_impossible_then_bad),
        cmocka_unit_test(classify_when_piece_does_not_fit_then_ignored),
        cmocka_unit_test_setup_teardown(set_when_pieces_come_in_any_order_then_complete, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(set_when_largest_then_complete, setup, teardown),
        cmocka_unit_test_setup_teardown(set_when_piece_repeats_then_the_first_is_kept, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(set_when_envelopes_disagree_then_mismatch, setup, teardown),
        cmocka_unit_test_setup_teardown(set_when_datagram_has_another_length_then_mismatch, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
