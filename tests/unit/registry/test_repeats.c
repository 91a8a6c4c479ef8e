/* SPDX-License-Identifier: Apache-2.0
 *
 * Outcomes of requests that may come again: kept with what was done, found once, let go of.
 */
#include "tests/unit/registry/store_fixture.h"

#include "registry/repeats.h"

static struct fixture fixture;

static int setup(void **state)
{
    fixture_begin(&fixture);
    fixture_home(&fixture, "88.1000");
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    fixture_end(*state);
    return 0;
}

static struct bytes key_of(uint8_t number, uint8_t room[CHANGE_REPEAT_LEN])
{
    memset(room, number, CHANGE_REPEAT_LEN);
    return bytes_of(room, CHANGE_REPEAT_LEN);
}

/* A set that is to be remembered under this number. */
static struct change_set *set_of(uint8_t number, enum change_policy policy)
{
    struct change_set *set = fixture_set(policy);
    struct change_repeat repeat = {.note = BYTES_LITERAL("a note")};
    (void)key_of(number, repeat.key);
    memset(repeat.digest, 0xd1, sizeof(repeat.digest));
    assert_int_equal(change_set_remember(set, &repeat), STATUS_OK);
    return set;
}

static enum status put(struct fixture *f, uint8_t number, const char *handle)
{
    struct change_set *set = set_of(number, CHANGE_PER_ITEM);
    assert_int_equal(fixture_add(set, handle, "x", CHANGE_CREATE), STATUS_OK);
    return fixture_commit(f, set);
}

static enum status find(struct fixture *f, uint8_t number, int64_t now_ms, struct repeat_row *out)
{
    uint8_t room[CHANGE_REPEAT_LEN];
    return repeats_get(f->snapshot, key_of(number, room), now_ms, out);
}

static void outcome_when_done_then_kept_item_by_item(void **state)
{
    struct fixture *f = *state;
    struct repeat_row row;
    struct repeat_item item;
    assert_int_equal(fixture_put(f, "88.1000/old", "x"), STATUS_OK);
    struct change_set *set = set_of(1, CHANGE_PER_ITEM);
    assert_int_equal(fixture_add(set, "88.1000/new", "x", CHANGE_CREATE), STATUS_OK);
    assert_int_equal(fixture_add(set, "88.1000/old", "y", CHANGE_CREATE), STATUS_OK);
    assert_int_equal(change_set_delete_record(set, BYTES_LITERAL("88.1000/none")), STATUS_OK);
    assert_int_equal(fixture_commit(f, set), STATUS_OK);
    assert_int_equal(find(f, 1, f->now_ms, &row), STATUS_OK);
    assert_true(bytes_equal(row.note, BYTES_LITERAL("a note")));
    assert_int_equal(row.digest.data[0], 0xd1);
    assert_int_equal(row.count, 3);
    struct wire_reader r = wire_read(row.items);
    static const uint16_t codes[] = {1, 101, 100};
    for (size_t i = 0; i < 3; i++) {
        assert_true(repeats_next_item(&r, &item));
        assert_int_equal(item.code, codes[i]);
        assert_int_equal(item.version, i == 0 ? 1 : 0);
        assert_int_equal(item.replaces, i == 1);
    }
    assert_false(repeats_next_item(&r, &item));
    assert_int_equal(find(f, 2, f->now_ms, &row), STATUS_NOT_FOUND);
    fixture_verify(f);
}

static void set_when_done_before_then_conflict_and_nothing_happens(void **state)
{
    struct fixture *f = *state;
    struct record_row record;
    assert_int_equal(put(f, 1, "88.1000/a"), STATUS_OK);
    assert_int_equal(put(f, 1, "88.1000/b"), STATUS_CONFLICT);
    assert_int_equal(fixture_get(f, "88.1000/b", &record), STATUS_HANDLE_NOT_FOUND);
    assert_int_equal(put(f, 2, "88.1000/b"), STATUS_OK);
}

static void set_when_it_changed_nothing_then_not_remembered(void **state)
{
    struct fixture *f = *state;
    struct repeat_row row;
    assert_int_equal(fixture_put(f, "88.1000/a", "x"), STATUS_OK);
    assert_int_equal(put(f, 1, "88.1000/a"), STATUS_HANDLE_EXISTS);
    assert_int_equal(find(f, 1, f->now_ms, &row), STATUS_NOT_FOUND);
}

static void outcome_when_a_day_is_over_then_gone_and_the_key_is_free(void **state)
{
    struct fixture *f = *state;
    struct repeat_row row;
    assert_int_equal(put(f, 1, "88.1000/a"), STATUS_OK);
    int64_t done_ms = f->now_ms;
    assert_int_equal(find(f, 1, done_ms + REPEATS_MS - 1, &row), STATUS_OK);
    assert_int_equal(find(f, 1, done_ms + REPEATS_MS, &row), STATUS_NOT_FOUND);
    f->now_ms = done_ms + REPEATS_MS;
    assert_int_equal(put(f, 1, "88.1000/b"), STATUS_OK);
    assert_int_equal(find(f, 1, f->now_ms, &row), STATUS_OK);
    /* The entry of the first is let go of, not the second's outcome. */
    assert_int_equal(put(f, 2, "88.1000/c"), STATUS_OK);
    assert_int_equal(find(f, 1, f->now_ms, &row), STATUS_OK);
}

/* The database's entries; a key has three and each enterprise one more. */
static uint64_t entries(struct fixture *f)
{
    return store_entries(snapshot_store(f->snapshot), STORE_IDEMPOTENCY);
}

static void outcomes_when_old_then_let_go_of(void **state)
{
    struct fixture *f = *state;
    char handle[32];
    for (uint8_t i = 1; i <= 5; i++) {
        (void)snprintf(handle, sizeof(handle), "88.1000/%u", (unsigned)i);
        assert_int_equal(put(f, i, handle), STATUS_OK);
    }
    assert_int_equal(entries(f), 5 * 3 + 1);
    f->now_ms += REPEATS_MS;
    assert_int_equal(put(f, 9, "88.1000/9"), STATUS_OK);
    assert_int_equal(entries(f), 3 + 1);
}

/* Says that "self" has as many as it may. */
static void fill_up(struct fixture *f)
{
    static const uint8_t key[] = {4, 4, 's', 'e', 'l', 'f'};
    uint8_t count[8] = {0};
    struct store_txn txn;
    wire_store_u32(count + 4, REPEATS_PER_ENTERPRISE);
    snapshot_rest(f->snapshot);
    (void)pthread_mutex_lock(&f->registry->write_lock);
    assert_int_equal(store_begin_write(f->registry, &txn), STATUS_OK);
    store_put(&txn, STORE_IDEMPOTENCY, bytes_of(key, sizeof(key)), bytes_of(count, sizeof(count)));
    assert_int_equal(store_commit(&txn), STATUS_OK);
    (void)pthread_mutex_unlock(&f->registry->write_lock);
    assert_int_equal(snapshot_refresh(f->snapshot), STATUS_OK);
}

static void outcomes_when_an_enterprise_has_too_many_then_its_oldest_goes(void **state)
{
    struct fixture *f = *state;
    struct repeat_row row;
    assert_int_equal(put(f, 1, "88.1000/a"), STATUS_OK);
    assert_int_equal(put(f, 2, "88.1000/b"), STATUS_OK);
    fill_up(f);
    assert_int_equal(put(f, 3, "88.1000/c"), STATUS_OK);
    assert_int_equal(find(f, 1, f->now_ms, &row), STATUS_NOT_FOUND);
    assert_int_equal(find(f, 2, f->now_ms, &row), STATUS_OK);
    assert_int_equal(find(f, 3, f->now_ms, &row), STATUS_OK);
}

static void item_when_decided_on_another_version_then_conflict(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_put(f, "88.1000/a", "x"), STATUS_OK);
    struct change_set *set = fixture_set(CHANGE_PER_ITEM);
    assert_int_equal(fixture_add(set, "88.1000/a", "y", CHANGE_REPLACE), STATUS_OK);
    change_set_expect(set, 0);
    assert_int_equal(change_set_prepare(set, f->snapshot, f->now_ms), STATUS_CONFLICT);
    change_set_expect(set, 1);
    assert_int_equal(change_set_prepare(set, f->snapshot, f->now_ms), STATUS_OK);
    change_set_free(set);
}

static void dependency_when_said_again_then_once(void **state)
{
    (void)state;
    struct change_set *set = fixture_set(CHANGE_PER_ITEM);
    struct bytes key = BYTES_LITERAL("88.1000/a");
    for (int i = 0; i < 2 * CHANGE_SET_DEPENDENCIES_MAX; i++) {
        assert_int_equal(change_set_depends_once(set, CHANGE_RECORD, key, 7), STATUS_OK);
    }
    assert_int_equal(change_set_depends_once(set, CHANGE_RECORD, key, 8), STATUS_CONFLICT);
    change_set_free(set);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(outcome_when_done_then_kept_item_by_item),
        CASE(set_when_done_before_then_conflict_and_nothing_happens),
        CASE(set_when_it_changed_nothing_then_not_remembered),
        CASE(outcome_when_a_day_is_over_then_gone_and_the_key_is_free),
        CASE(outcomes_when_old_then_let_go_of),
        CASE(outcomes_when_an_enterprise_has_too_many_then_its_oldest_goes),
        CASE(item_when_decided_on_another_version_then_conflict),
        CASE(dependency_when_said_again_then_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
