/* SPDX-License-Identifier: Apache-2.0
 *
 * hot_set.c alone: what is kept is found byte for byte, memory stays bounded, what is used stays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "protocol/wire.h"
#include "resolver/hot_set.h"

#define ONE_PAGE HOT_SET_PAGE

static const uint8_t filler[HOT_SET_BODY_MAX + 1] = {1, 2, 3};

struct name {
    uint8_t key[64];
    size_t key_len;
    struct hot_body body;
};

static void name_init(struct name *name, const char *text, size_t values_len)
{
    struct wire_writer w = wire_write(name->key, sizeof(name->key));
    wire_put_bytes(&w, bytes_of_text(text));
    name->key_len = wire_wrote(&w).len;
    name->body = (struct hot_body){.name = bytes_of(name->key + 4, name->key_len - 4),
                                   .values = bytes_of(filler, values_len)};
}

static const struct hot_entry *find(struct hot_set *set, const struct name *name, uint64_t hash)
{
    return hot_set_find(set, hash, bytes_of(name->key, name->key_len));
}

static void entry_when_put_is_found_as_it_was(void **state)
{
    (void)state;
    struct hot_set *set = hot_set_new(ONE_PAGE);
    struct name name;
    assert_non_null(set);
    name_init(&name, "88.1000/a", 100);
    assert_null(find(set, &name, 0));
    hot_set_put(set, 0, 7, &name.body);
    hot_set_prefetch(set, 0);
    hot_set_prefetch_entry(set, 0);
    const struct hot_entry *entry = find(set, &name, 0);
    assert_non_null(entry);
    assert_int_equal(entry->txn, 7);
    assert_int_equal(entry->body_len, name.key_len + 100);
    assert_memory_equal(entry->body, name.key, name.key_len);
    assert_memory_equal(entry->body + name.key_len, filler, 100);
    assert_null(find(set, &name, 1u << 16)); /* another tag */
    hot_set_free(set);
}

static void entry_when_put_again_is_replaced(void **state)
{
    (void)state;
    struct hot_set *set = hot_set_new(ONE_PAGE);
    struct name name;
    for (uint64_t txn = 1; txn <= 100; txn++) {
        name_init(&name, "88.1000/a", (size_t)(txn * 17 % 300));
        hot_set_put(set, 5, txn, &name.body);
        assert_int_equal(find(set, &name, 5)->txn, txn);
        assert_int_equal(hot_set_figures(set).entries, 1);
        assert_int_equal(hot_set_figures(set).bytes, name.key_len + name.body.values.len);
    }
    assert_int_equal(hot_set_figures(set).evictions, 0);
    hot_set_free(set);
}

static void entries_when_hashes_meet_are_told_apart(void **state)
{
    (void)state;
    struct hot_set *set = hot_set_new(ONE_PAGE);
    struct name names[3] = {{.key_len = 0}};
    name_init(&names[0], "88.1000/a", 10);
    name_init(&names[1], "88.1000/A", 20);
    name_init(&names[2], "88.1000/ab", 30);
    for (size_t i = 0; i < 3; i++) {
        hot_set_put(set, 9, i + 1, &names[i].body);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(find(set, &names[i], 9)->txn, i + 1);
    }
    hot_set_free(set);
}

static void lease_when_others_move_comes_back_as_it_was(void **state)
{
    (void)state;
    struct hot_set *set = hot_set_new(ONE_PAGE);
    struct name names[8] = {{.key_len = 0}};
    struct hot_lease leases[8];
    const _Atomic uint64_t touched = 5;
    for (size_t i = 0; i < 8; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "88.1000/%zu", i);
        name_init(&names[i], text, 7 * i + 1);
        leases[i] = (struct hot_lease){{(int64_t)i, INT64_MAX}, {&touched, i}, 0};
        names[i].body.lease = i % 2 == 0 ? NULL : &leases[i];
        hot_set_put(set, i << 16, 1, &names[i].body);
    }
    names[0].body.lease = &leases[0]; /* the oldest becomes the newest */
    hot_set_put(set, 0, 1, &names[0].body);
    for (size_t i = 0; i < 8; i++) {
        const struct hot_entry *entry = find(set, &names[i], i << 16);
        assert_non_null(entry);
        assert_int_equal(entry->body_len, names[i].key_len + 7 * i + 1);
        assert_int_equal(entry->lease_len > 0, i % 2 != 0 || i == 0);
        if (entry->lease_len > 0) {
            const struct hot_lease lease = hot_entry_lease(entry);
            assert_int_equal(lease.span.fetched_ms, i);
            assert_int_equal(lease.span.expires_ms, INT64_MAX);
            assert_int_equal(cache_stamp_holds(&lease.stamp), i >= 5);
        }
    }
    names[1].body.values = bytes_of(filler, HOT_SET_BODY_MAX - names[1].key_len);
    hot_set_put(set, 9u << 16, 1, &names[1].body); /* with its lease it is too large */
    assert_null(find(set, &names[1], 9u << 16));
    hot_set_free(set);
}

static void body_when_larger_than_allowed_is_not_kept(void **state)
{
    (void)state;
    struct hot_set *set = hot_set_new(ONE_PAGE);
    struct name name;
    name_init(&name, "88.1000/a", 0);
    name.body.values = bytes_of(filler, HOT_SET_BODY_MAX - name.key_len + 1);
    hot_set_put(set, 0, 1, &name.body);
    assert_null(find(set, &name, 0));
    name.body.values.len--;
    hot_set_put(set, 0, 1, &name.body);
    assert_int_equal(find(set, &name, 0)->body_len, HOT_SET_BODY_MAX);
    hot_set_free(set);
}

/* Puts names until one more would need room; how many there are. */
static size_t fill_page(struct hot_set *set, struct name *names, size_t values_len)
{
    char text[32];
    size_t count = 0;
    while (hot_set_figures(set).entries == count) {
        (void)snprintf(text, sizeof(text), "88.1000/%02zu", count);
        name_init(&names[count], text, values_len);
        hot_set_put(set, count << 16, 1, &names[count].body);
        count++;
        if (hot_set_figures(set).evictions > 0) {
            break;
        }
    }
    return count - 1;
}

static void page_when_full_lets_a_newcomer_in_now_and_then(void **state)
{
    (void)state;
    struct hot_set *set = hot_set_new(ONE_PAGE);
    struct name names[64] = {{.key_len = 0}};
    (void)fill_page(set, names, 400);
    size_t admitted = 0;
    for (uint64_t i = 100; i < 180; i++) {
        char text[32];
        struct name name;
        (void)snprintf(text, sizeof(text), "88.1000/%03u", (unsigned)i);
        name_init(&name, text, 400);
        hot_set_put(set, i << 16, 1, &name.body);
        admitted += find(set, &name, i << 16) != NULL;
    }
    assert_int_equal(admitted, 10);
    hot_set_free(set);
}

static void page_when_full_keeps_what_is_used(void **state)
{
    (void)state;
    struct hot_set *set = hot_set_new(ONE_PAGE);
    struct name names[64] = {{.key_len = 0}};
    size_t count = fill_page(set, names, 300);
    assert_true(count > 5);
    size_t used = 3;
    for (uint64_t i = 100; i < 1100; i++) {
        char text[32];
        struct name name;
        assert_non_null(find(set, &names[used], used << 16));
        (void)snprintf(text, sizeof(text), "88.1000/%04u", (unsigned)i);
        name_init(&name, text, 300);
        hot_set_put(set, i << 16, 1, &name.body);
    }
    assert_null(find(set, &names[used + 1], (used + 1) << 16));
    assert_true(hot_set_figures(set).evictions > 100);
    hot_set_free(set);
}

static void set_when_worked_at_random_gives_only_what_was_put(void **state)
{
    (void)state;
    enum { NAMES = 300, ROUNDS = 60000, PAGES = 8 };
    struct hot_set *set = hot_set_new(PAGES * HOT_SET_PAGE + 100);
    static struct name names[NAMES];
    static uint64_t last[NAMES];
    static size_t lengths[NAMES];
    uint64_t random = 1;
    size_t found = 0;
    for (size_t i = 0; i < NAMES; i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "88.1000/%zu", i);
        name_init(&names[i], text, 0);
        last[i] = 0;
    }
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t i = (size_t)(random >> 33) % NAMES;
        uint64_t hash = (uint64_t)i * 0x9e3779b97f4a7c15u & ~UINT64_C(0xffe00000);
        const struct hot_entry *entry = find(set, &names[i], hash);
        if (entry != NULL) {
            found++;
            assert_int_equal(entry->txn, last[i]);
            assert_int_equal(entry->body_len, names[i].key_len + lengths[i]);
            assert_memory_equal(entry->body, names[i].key, names[i].key_len);
            assert_memory_equal(entry->body + names[i].key_len, filler, lengths[i]);
        }
        if (entry == NULL || random % 8 == 0) {
            size_t len = (size_t)(random >> 20) % 700;
            names[i].body.values = bytes_of(filler, len);
            hot_set_put(set, hash, round, &names[i].body);
            entry = find(set, &names[i], hash);
            if (entry != NULL && entry->txn == round) {
                last[i] = round;
                lengths[i] = len;
            }
        }
        struct hot_set_figures figures = hot_set_figures(set);
        assert_true(figures.bytes <= PAGES * HOT_SET_PAGE);
        assert_true(figures.entries <= PAGES * 16);
    }
    assert_true(found > ROUNDS / 20);
    hot_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entry_when_put_is_found_as_it_was),
        cmocka_unit_test(entry_when_put_again_is_replaced),
        cmocka_unit_test(entries_when_hashes_meet_are_told_apart),
        cmocka_unit_test(lease_when_others_move_comes_back_as_it_was),
        cmocka_unit_test(body_when_larger_than_allowed_is_not_kept),
        cmocka_unit_test(page_when_full_lets_a_newcomer_in_now_and_then),
        cmocka_unit_test(page_when_full_keeps_what_is_used),
        cmocka_unit_test(set_when_worked_at_random_gives_only_what_was_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
