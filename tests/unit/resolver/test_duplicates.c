/* SPDX-License-Identifier: Apache-2.0
 *
 * First answers for those who ask again: one runs, ten seconds, bounded bytes.
 */
#include "resolver/duplicates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "protocol/message.h"

static uint8_t room[MESSAGE_PACKET_MAX];

static struct duplicate_key key_of(const char *packet, uint16_t port, bool with_port)
{
    struct net_address peer = {.port = port};
    struct duplicate_key key;
    assert_int_equal(
        duplicate_key_of(&peer, with_port, (struct reference){0}, bytes_of_text(packet), &key),
        STATUS_OK);
    return key;
}

static enum duplicate_verdict enter(struct duplicates *duplicates, int64_t now_ms,
                                    const char *packet, size_t *out_len)
{
    struct duplicate_key key = key_of(packet, 1, true);
    return duplicates_enter(duplicates, now_ms, &key, room, out_len);
}

static void first_runs_and_its_answer_is_given_for_ten_seconds(void **state)
{
    (void)state;
    struct duplicates *duplicates = duplicates_new(1 << 20);
    struct duplicate_key key = key_of("request", 1, true);
    size_t len = 0;
    assert_int_equal(enter(duplicates, 0, "request", &len), DUPLICATE_FIRST);
    assert_int_equal(enter(duplicates, 5, "request", &len), DUPLICATE_RUNNING);
    assert_int_equal(enter(duplicates, 5, "other", &len), DUPLICATE_FIRST);
    duplicates_keep(duplicates, 10, &key, BYTES_LITERAL("answer"));
    assert_int_equal(enter(duplicates, 10009, "request", &len), DUPLICATE_ANSWERED);
    assert_int_equal(len, 6);
    assert_memory_equal(room, "answer", 6);
    assert_int_equal(enter(duplicates, 10010, "request", &len), DUPLICATE_FIRST);
    duplicates_free(duplicates);
}

static void released_request_may_be_done_again(void **state)
{
    (void)state;
    struct duplicates *duplicates = duplicates_new(1 << 20);
    struct duplicate_key key = key_of("request", 1, true);
    size_t len = 0;
    assert_int_equal(enter(duplicates, 0, "request", &len), DUPLICATE_FIRST);
    duplicates_release(duplicates, &key);
    assert_int_equal(enter(duplicates, 0, "request", &len), DUPLICATE_FIRST);
    duplicates_free(duplicates);
}

static void what_runs_longer_than_ten_seconds_still_runs(void **state)
{
    (void)state;
    struct duplicates *duplicates = duplicates_new(1 << 20);
    size_t len = 0;
    assert_int_equal(enter(duplicates, 0, "request", &len), DUPLICATE_FIRST);
    assert_int_equal(enter(duplicates, 60000, "request", &len), DUPLICATE_RUNNING);
    assert_int_equal(enter(duplicates, 600000, "request", &len), DUPLICATE_RUNNING);
    duplicates_free(duplicates);
}

static void port_tells_requests_apart_only_when_it_counts(void **state)
{
    (void)state;
    struct duplicate_key one = key_of("request", 1, true);
    struct duplicate_key two = key_of("request", 2, true);
    assert_memory_not_equal(one.data, two.data, sizeof(one.data));
    one = key_of("request", 1, false);
    two = key_of("request", 2, false);
    assert_memory_equal(one.data, two.data, sizeof(one.data));
}

static void oldest_answers_make_room(void **state)
{
    (void)state;
    struct duplicates *duplicates = duplicates_new(64 << 10);
    static uint8_t answer[1000];
    char packet[16];
    size_t len = 0;
    size_t kept = 0;
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(packet, sizeof(packet), "%d", i);
        struct duplicate_key key = key_of(packet, 1, true);
        assert_int_equal(enter(duplicates, 0, packet, &len), DUPLICATE_FIRST);
        duplicates_keep(duplicates, 0, &key, bytes_of(answer, sizeof(answer)));
    }
    size_t displaced = duplicates_take_displaced(duplicates);
    assert_in_range(displaced, 1000 - 64, 999);
    assert_int_equal(duplicates_take_displaced(duplicates), 0);
    for (int i = 999; i >= 0; i--) {
        (void)snprintf(packet, sizeof(packet), "%d", i);
        kept += enter(duplicates, 0, packet, &len) == DUPLICATE_ANSWERED;
    }
    assert_in_range(kept, 1, 64);
    duplicates_free(duplicates);
}

static void what_is_under_way_is_never_forgotten(void **state)
{
    (void)state;
    struct duplicates *duplicates = duplicates_new(64 << 10);
    char packet[16];
    size_t len = 0;
    size_t begun = 0;
    enum duplicate_verdict verdicts[1000];
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(packet, sizeof(packet), "%d", i);
        verdicts[i] = enter(duplicates, 0, packet, &len);
        begun += verdicts[i] == DUPLICATE_FIRST;
        assert_true(verdicts[i] == DUPLICATE_FIRST || verdicts[i] == DUPLICATE_CROWDED);
    }
    assert_in_range(begun, 64, 999);
    assert_int_equal(duplicates_take_displaced(duplicates), 0);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(packet, sizeof(packet), "%d", i);
        enum duplicate_verdict expected =
            verdicts[i] == DUPLICATE_FIRST ? DUPLICATE_RUNNING : DUPLICATE_CROWDED;
        assert_int_equal(enter(duplicates, 20000, packet, &len), expected);
    }
    duplicates_free(duplicates);
}

static void whoever_is_done_makes_room_for_the_next(void **state)
{
    (void)state;
    struct duplicates *duplicates = duplicates_new(64 << 10);
    char packet[16];
    size_t len = 0;
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(packet, sizeof(packet), "%d", i);
        (void)enter(duplicates, 0, packet, &len);
    }
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(packet, sizeof(packet), "%d", i);
        struct duplicate_key key = key_of(packet, 1, true);
        duplicates_release(duplicates, &key);
    }
    assert_int_equal(enter(duplicates, 0, "next", &len), DUPLICATE_FIRST);
    duplicates_free(duplicates);
}

static void key_when_another_is_known_by_the_connection_is_another(void **state)
{
    (void)state;
    const struct reference known[] = {
        {.handle = BYTES_NONE},
        {.handle = BYTES_LITERAL("88.1/u"), .index = 300},
        {.handle = BYTES_LITERAL("88.1/u"), .index = 301},
        {.handle = BYTES_LITERAL("88.1/ux"), .index = 300},
    };
    const struct net_address peer = {.port = 1};
    struct duplicate_key keys[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(duplicate_key_of(&peer, false, known[i],
                                          i == 3 ? BYTES_LITERAL("") : BYTES_LITERAL("x"),
                                          &keys[i]),
                         STATUS_OK);
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(keys[i].data, keys[j].data, DUPLICATE_KEY_LEN);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_when_another_is_known_by_the_connection_is_another),
        cmocka_unit_test(first_runs_and_its_answer_is_given_for_ten_seconds),
        cmocka_unit_test(released_request_may_be_done_again),
        cmocka_unit_test(what_runs_longer_than_ten_seconds_still_runs),
        cmocka_unit_test(port_tells_requests_apart_only_when_it_counts),
        cmocka_unit_test(oldest_answers_make_room),
        cmocka_unit_test(what_is_under_way_is_never_forgotten),
        cmocka_unit_test(whoever_is_done_makes_room_for_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
