/* SPDX-License-Identifier: Apache-2.0
 *
 * dns_srv.c: answers read byte by byte, right ones and lying ones, and the order of services.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "resolver/dns_srv.h"

#define ROOM 2048

static const uint8_t question[] = "\x08_hdl-srv\x04_tcp\x07"
                                  "example\x02"
                                  "cn";

static void put_head(struct wire_writer *w, uint16_t records)
{
    wire_put_u32(w, 0x12348180);
    wire_put_u16(w, 1);
    wire_put_u16(w, records);
    wire_put_u32(w, 0);
    wire_put_raw(w, bytes_of(question, sizeof(question)));
    wire_put_u32(w, 0x00210001);
}

struct record {
    uint16_t type;
    uint32_t ttl_s;
    uint16_t priority;
    uint16_t weight;
    uint16_t port;
    const char *label; /* one, before the name that was asked for; "": none at all */
};

static void put_record(struct wire_writer *w, const struct record *record)
{
    size_t len = strlen(record->label);
    size_t target = len == 0 ? 1 : len + 3;
    wire_put_u16(w, 0xc00c);
    wire_put_u16(w, record->type);
    wire_put_u16(w, 1);
    wire_put_u32(w, record->ttl_s);
    wire_put_u16(w, (uint16_t)(6 + target));
    wire_put_u16(w, record->priority);
    wire_put_u16(w, record->weight);
    wire_put_u16(w, record->port);
    wire_put_u8(w, (uint8_t)len);
    if (len > 0) {
        wire_put_raw(w, bytes_of_text(record->label));
        wire_put_u16(w, 0xc00c);
    }
}

static struct bytes answer_of(const struct record *records, size_t count, uint8_t room[ROOM])
{
    struct wire_writer w = wire_write(room, ROOM);
    put_head(&w, (uint16_t)count);
    for (size_t i = 0; i < count; i++) {
        put_record(&w, &records[i]);
    }
    assert_false(w.failed);
    return wire_wrote(&w);
}

static void answer_when_sound_gives_services_by_priority(void **state)
{
    static const struct record records[] = {
        {33, 300, 20, 5, 2641, "b"}, {5, 10, 0, 0, 0, "x"}, /* another type is passed over */
        {33, 60, 10, 0, 2642, "a"},  {33, 600, 20, 7, 2643, "c"}, {33, 600, 5, 7, 0, "no-port"},
    };
    uint8_t room[ROOM];
    struct dns_service found[DNS_SERVICES_MAX];
    size_t count = 0;
    uint32_t ttl_s = 0;
    (void)state;
    assert_int_equal(dns_srv_read(answer_of(records, 5, room), found, &count, &ttl_s), STATUS_OK);
    assert_int_equal(count, 3);
    assert_int_equal(ttl_s, 60);
    assert_string_equal(found[0].host, "a._hdl-srv._tcp.example.cn");
    assert_int_equal(found[0].port, 2642);
    assert_int_equal(found[1].port, 2641);
    assert_int_equal(found[1].weight, 5);
    assert_int_equal(found[2].port, 2643);
}

static void answer_when_longer_than_the_list_keeps_the_lowest_priorities(void **state)
{
    struct record records[20];
    uint8_t room[ROOM];
    struct dns_service found[DNS_SERVICES_MAX];
    size_t count = 0;
    uint32_t ttl_s = 0;
    (void)state;
    for (uint16_t i = 0; i < 20; i++) {
        records[i] = (struct record){33, 60, (uint16_t)(100 - i), 0, (uint16_t)(1000 + i), "h"};
    }
    assert_int_equal(dns_srv_read(answer_of(records, 20, room), found, &count, &ttl_s), STATUS_OK);
    assert_int_equal(count, DNS_SERVICES_MAX);
    for (uint16_t i = 0; i < DNS_SERVICES_MAX; i++) {
        assert_int_equal(found[i].priority, 81 + i);
        assert_int_equal(found[i].port, 1019 - i);
    }
}

static void answer_when_it_says_none_or_nothing_is_told_apart(void **state)
{
    static const struct record none = {33, 77, 0, 0, 0, ""};
    static const struct record other = {16, 77, 0, 0, 0, "x"};
    uint8_t room[ROOM];
    struct dns_service found[DNS_SERVICES_MAX];
    size_t count = 9;
    uint32_t ttl_s = 0;
    (void)state;
    assert_int_equal(dns_srv_read(answer_of(&other, 1, room), found, &count, &ttl_s),
                     STATUS_NOT_FOUND);
    assert_int_equal(dns_srv_read(answer_of(NULL, 0, room), found, &count, &ttl_s),
                     STATUS_NOT_FOUND);
    assert_int_equal(count, 9);
    assert_int_equal(dns_srv_read(answer_of(&none, 1, room), found, &count, &ttl_s), STATUS_OK);
    assert_int_equal(count, 0);
    assert_int_equal(ttl_s, 77);
}

/* Every cut, and every byte changed to whatever hurts most, in a block of its own size. */
static void answer_when_it_lies_is_never_read_past_its_end(void **state)
{
    static const struct record records[] = {{33, 300, 20, 5, 2641, "b"},
                                            {33, 60, 10, 0, 2642, "a"}};
    static const uint8_t hurts[] = {0x00, 0x3f, 0x40, 0x80, 0xc0, 0xff};
    uint8_t room[ROOM];
    struct dns_service found[DNS_SERVICES_MAX];
    size_t count = 0;
    uint32_t ttl_s = 0;
    struct bytes whole = answer_of(records, 2, room);
    (void)state;
    for (size_t len = 0; len < whole.len; len++) {
        uint8_t *cut = malloc(len + (len == 0));
        assert_non_null(cut);
        memcpy(cut, whole.data, len);
        assert_int_equal(dns_srv_read(bytes_of(cut, len), found, &count, &ttl_s),
                         STATUS_PROTOCOL_ERROR);
        free(cut);
    }
    for (size_t at = 0; at < whole.len; at++) {
        for (size_t i = 0; i < sizeof(hurts); i++) {
            uint8_t *bad = malloc(whole.len);
            assert_non_null(bad);
            memcpy(bad, whole.data, whole.len);
            bad[at] = hurts[i];
            count = 0;
            enum status status = dns_srv_read(bytes_of(bad, whole.len), found, &count, &ttl_s);
            assert_true(status == STATUS_OK ? count <= 2 : count == 0);
            free(bad);
        }
    }
}

static void random_from_rand(void *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)out)[i] = (uint8_t)(rand() >> 7);
    }
}

static void services_when_shuffled_keep_priorities_and_follow_weights(void **state)
{
    unsigned first[4] = {0};
    (void)state;
    srand(7);
    for (unsigned round = 0; round < 8000; round++) {
        struct dns_service services[] = {
            {"a", 0, 1, 10}, {"b", 1, 1, 70}, {"c", 2, 1, 0}, {"d", 3, 2, 99}};
        dns_srv_shuffle(services, 4, random_from_rand);
        assert_string_equal(services[3].host, "d");
        first[services[0].port]++;
    }
    assert_in_range(first[1], 6700, 7300); /* 7 of 8 */
    assert_in_range(first[0], 700, 1300);
    assert_int_equal(first[2], 0);
    memset(first, 0, sizeof(first));
    for (unsigned round = 0; round < 3000; round++) {
        struct dns_service services[] = {{"a", 0, 1, 0}, {"b", 1, 1, 0}, {"c", 2, 1, 0}};
        dns_srv_shuffle(services, 3, random_from_rand);
        first[services[0].port]++;
    }
    for (size_t i = 0; i < 3; i++) {
        assert_in_range(first[i], 850, 1150);
    }
    dns_srv_shuffle(NULL, 0, random_from_rand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answer_when_sound_gives_services_by_priority),
        cmocka_unit_test(answer_when_longer_than_the_list_keeps_the_lowest_priorities),
        cmocka_unit_test(answer_when_it_says_none_or_nothing_is_told_apart),
        cmocka_unit_test(answer_when_it_lies_is_never_read_past_its_end),
        cmocka_unit_test(services_when_shuffled_keep_priorities_and_follow_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
