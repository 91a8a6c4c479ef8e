/* SPDX-License-Identifier: Apache-2.0
 *
 * UDP messages put together: bounds, time, threads (protocol.md §14 rows 12-17).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

#include "resolver/reassembly.h"

#define MESSAGE 2000 /* five pieces */
#define PIECES 5

static const struct reassembly_limits roomy = {.bytes = 1 << 20, .sets_per_source = 8};

static struct net_address source(uint8_t last, uint16_t port)
{
    struct net_address address = {.port = port};
    assert_int_equal(net_address_parse("192.0.2.0", port, &address), STATUS_OK);
    address.ip[15] = last;
    return address;
}

/* Piece `sequence` of message `id`, whose bytes say where they belong. */
static struct bytes piece(uint8_t room[FRAGMENT_DATAGRAM], uint32_t id, uint32_t sequence,
                          uint32_t message_len)
{
    struct envelope envelope = {.version = {2, 11}, .request_id = id, .message_len = message_len};
    fragment_envelope(&envelope, sequence, room);
    uint32_t len = fragment_payload_len(message_len, sequence);
    memset(room + MESSAGE_ENVELOPE_LEN, (int)('a' + sequence % 26), len);
    return bytes_of(room, MESSAGE_ENVELOPE_LEN + len);
}

static enum reassembly_outcome add(struct reassembly *r, const struct reassembly_limits *limits,
                                   int64_t now_ms, const struct net_address *peer, uint32_t id,
                                   uint32_t sequence)
{
    uint8_t room[FRAGMENT_DATAGRAM];
    struct bytes packet = BYTES_NONE;
    enum reassembly_outcome outcome =
        reassembly_add(r, limits, now_ms, peer, piece(room, id, sequence, MESSAGE), &packet);
    if (outcome == REASSEMBLY_COMPLETE) {
        assert_int_equal(packet.len, MESSAGE_ENVELOPE_LEN + MESSAGE);
        for (uint32_t i = 0; i < MESSAGE; i++) {
            assert_int_equal(packet.data[MESSAGE_ENVELOPE_LEN + i],
                             (int)('a' + i / FRAGMENT_PAYLOAD));
        }
        reassembly_release(packet);
    }
    return outcome;
}

static void pieces_in_any_order_give_the_message(void **state)
{
    static const uint32_t order[PIECES] = {3, 0, 4, 1, 2};
    (void)state;
    struct reassembly *r = reassembly_new(1);
    struct net_address peer = source(1, 5);
    for (size_t i = 0; i < PIECES; i++) {
        enum reassembly_outcome expected =
            i + 1 == PIECES ? REASSEMBLY_COMPLETE : REASSEMBLY_WAITING;
        assert_int_equal(add(r, &roomy, 0, &peer, 9, order[i]), expected);
    }
    assert_int_equal(reassembly_bytes(r), 0);
    reassembly_free(r);
}

static void sets_are_told_apart_by_address_port_and_id(void **state)
{
    (void)state;
    struct reassembly *r = reassembly_new(1);
    struct net_address peers[] = {source(1, 5), source(1, 6), source(2, 5), source(1, 5)};
    static const uint32_t ids[] = {9, 9, 9, 10};
    for (uint32_t sequence = 0; sequence < PIECES; sequence++) {
        for (size_t i = 0; i < 4; i++) {
            enum reassembly_outcome expected =
                sequence + 1 == PIECES ? REASSEMBLY_COMPLETE : REASSEMBLY_WAITING;
            assert_int_equal(add(r, &roomy, 0, &peers[i], ids[i], sequence), expected);
        }
    }
    reassembly_free(r);
}

static void bytes_of_all_sets_are_bounded_and_the_oldest_make_room(void **state)
{
    (void)state;
    struct reassembly *r = reassembly_new(1);
    struct reassembly_limits limits = {.bytes = 8 * MESSAGE, .sets_per_source = 1};
    for (uint8_t i = 0; i < 100; i++) {
        struct net_address peer = source(i, 5);
        size_t before = reassembly_bytes(r);
        enum reassembly_outcome outcome = add(r, &limits, i, &peer, 1, 0);
        bool has_grown = reassembly_bytes(r) > before;
        assert_int_equal(outcome, has_grown ? REASSEMBLY_WAITING : REASSEMBLY_CROWDED);
        assert_true(has_grown == (i < 7));
        assert_in_range(reassembly_bytes(r), MESSAGE, limits.bytes);
    }
    assert_int_equal(reassembly_sweep(r, 100 + REASSEMBLY_TIMEOUT_MS), 100);
    assert_int_equal(reassembly_bytes(r), 0);
    reassembly_free(r);
}

static void message_under_a_flood_of_unfinished_ones_is_put_together(void **state)
{
    (void)state;
    struct reassembly *r = reassembly_new(1);
    struct reassembly_limits limits = {.bytes = 8 * MESSAGE, .sets_per_source = 1};
    for (uint8_t i = 0; i < 200; i++) {
        struct net_address flooder = source(i, 5);
        assert_in_range(add(r, &limits, 0, &flooder, 1, 0), REASSEMBLY_WAITING, REASSEMBLY_CROWDED);
    }
    struct net_address honest = source(200, 5);
    for (uint32_t n = 0; n < PIECES; n++) {
        enum reassembly_outcome expected = n == 0            ? REASSEMBLY_CROWDED
                                           : n + 1 == PIECES ? REASSEMBLY_COMPLETE
                                                             : REASSEMBLY_WAITING;
        assert_int_equal(add(r, &limits, 1, &honest, 1, n), expected);
    }
    reassembly_free(r);
}

static void message_larger_than_all_bytes_is_refused(void **state)
{
    (void)state;
    struct reassembly *r = reassembly_new(1);
    struct reassembly_limits limits = {.bytes = MESSAGE, .sets_per_source = 1};
    struct net_address peer = source(1, 5);
    assert_int_equal(add(r, &limits, 0, &peer, 1, 0), REASSEMBLY_REFUSED);
    assert_int_equal(reassembly_bytes(r), 0);
    reassembly_free(r);
}

static void sets_of_one_source_are_bounded_over_its_ports(void **state)
{
    (void)state;
    struct reassembly *r = reassembly_new(1);
    struct reassembly_limits limits = {.bytes = 1 << 20, .sets_per_source = 3};
    for (uint16_t port = 1; port <= 6; port++) {
        struct net_address peer = source(1, port);
        enum reassembly_outcome expected = port <= 3 ? REASSEMBLY_WAITING : REASSEMBLY_REFUSED;
        assert_int_equal(add(r, &limits, 0, &peer, 1, 0), expected);
    }
    struct net_address first = source(1, 1);
    assert_int_equal(add(r, &limits, 0, &first, 1, 1), REASSEMBLY_WAITING);
    struct net_address other = source(2, 1);
    assert_int_equal(add(r, &limits, 0, &other, 1, 0), REASSEMBLY_WAITING);
    reassembly_free(r);
}

static void late_piece_begins_anew_and_the_old_set_counts_as_expired(void **state)
{
    (void)state;
    struct reassembly *r = reassembly_new(1);
    struct net_address peer = source(1, 5);
    for (uint32_t sequence = 0; sequence < PIECES - 1; sequence++) {
        assert_int_equal(add(r, &roomy, 0, &peer, 9, sequence), REASSEMBLY_WAITING);
    }
    assert_int_equal(add(r, &roomy, REASSEMBLY_TIMEOUT_MS, &peer, 9, PIECES - 1),
                     REASSEMBLY_WAITING);
    assert_int_equal(reassembly_sweep(r, REASSEMBLY_TIMEOUT_MS), 1);
    for (uint32_t sequence = 0; sequence < PIECES - 1; sequence++) {
        enum reassembly_outcome expected =
            sequence + 2 == PIECES ? REASSEMBLY_COMPLETE : REASSEMBLY_WAITING;
        assert_int_equal(add(r, &roomy, REASSEMBLY_TIMEOUT_MS, &peer, 9, sequence), expected);
    }
    reassembly_free(r);
}

static void piece_of_another_length_drops_the_set(void **state)
{
    (void)state;
    struct reassembly *r = reassembly_new(1);
    struct net_address peer = source(1, 5);
    uint8_t room[FRAGMENT_DATAGRAM];
    struct bytes packet;
    assert_int_equal(add(r, &roomy, 0, &peer, 9, 0), REASSEMBLY_WAITING);
    assert_int_equal(reassembly_add(r, &roomy, 0, &peer, piece(room, 9, 1, MESSAGE + 1), &packet),
                     REASSEMBLY_MISMATCH);
    assert_int_equal(reassembly_bytes(r), 0);
    reassembly_free(r);
}

struct feeder {
    pthread_t thread;
    struct reassembly *r;
    uint8_t number;
    int completed;
};

static void *feed(void *context)
{
    struct feeder *feeder = context;
    struct net_address peer = source(feeder->number, 5);
    for (uint32_t id = 0; id < 2000; id++) {
        for (uint32_t i = 0; i < PIECES; i++) {
            uint8_t room[FRAGMENT_DATAGRAM];
            struct bytes packet;
            if (reassembly_add(feeder->r, &roomy, 0, &peer,
                               piece(room, id, (i + id) % PIECES, MESSAGE),
                               &packet) == REASSEMBLY_COMPLETE) {
                feeder->completed++;
                reassembly_release(packet);
            }
        }
        (void)reassembly_sweep(feeder->r, REASSEMBLY_TIMEOUT_MS - 1);
    }
    return NULL;
}

static void threads_that_feed_at_once_get_all_their_messages(void **state)
{
    (void)state;
    struct feeder feeders[4] = {0};
    struct reassembly *r = reassembly_new(1);
    for (uint8_t i = 0; i < 4; i++) {
        feeders[i].r = r;
        feeders[i].number = i;
        assert_int_equal(pthread_create(&feeders[i].thread, NULL, feed, &feeders[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        (void)pthread_join(feeders[i].thread, NULL);
        assert_int_equal(feeders[i].completed, 2000);
    }
    assert_int_equal(reassembly_bytes(r), 0);
    reassembly_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_in_any_order_give_the_message),
        cmocka_unit_test(sets_are_told_apart_by_address_port_and_id),
        cmocka_unit_test(bytes_of_all_sets_are_bounded_and_the_oldest_make_room),
        cmocka_unit_test(message_under_a_flood_of_unfinished_ones_is_put_together),
        cmocka_unit_test(message_larger_than_all_bytes_is_refused),
        cmocka_unit_test(sets_of_one_source_are_bounded_over_its_ports),
        cmocka_unit_test(late_piece_begins_anew_and_the_old_set_counts_as_expired),
        cmocka_unit_test(piece_of_another_length_drops_the_set),
        cmocka_unit_test(threads_that_feed_at_once_get_all_their_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
