/* SPDX-License-Identifier: Apache-2.0
 *
 * registry/prepare_enterprise.c, enterprise_index.c, enterprise.c: steps, what is unique, the
 * prefixes of an enterprise, the index against the rows.
 */
#include "tests/unit/registry/enterprise_fixture.h"

#include "registry/journal_backend.h"
#include "registry/record_verify.h"
#include "registry/store.h"

struct heard {
    size_t count;
    enum record_flaw flaw;
};

static void on_found(void *context, const struct record_finding *finding)
{
    struct heard *heard = context;
    heard->count++;
    heard->flaw = finding->flaw;
}

static struct heard verify(struct fixture *f)
{
    struct heard heard = {0};
    struct record_verify_report report;
    const struct record_verify_watch watch = {.found = on_found, .context = &heard};
    enum status status = record_verify(f->registry, &watch, &report);
    assert_int_equal(status, heard.count == 0 ? STATUS_OK : STATUS_CORRUPT);
    return heard;
}

static enum status put(struct fixture *f, const char *id, enum enterprise_state state,
                       unsigned number)
{
    char room[128];
    struct enterprise_row row =
        fixture_enterprise(id, state, fixture_dossier(number, room, sizeof(room)));
    return fixture_put_enterprise(f, &row, CHANGE_REPLACE);
}

static enum status put_prefix(struct fixture *f, const char *id, const char *prefix,
                              enum prefix_state state)
{
    struct prefix_row row = fixture_prefix(prefix);
    row.enterprise = bytes_of_text(id);
    row.state = state;
    return fixture_put_prefix(f, &row, CHANGE_REPLACE);
}

static void enterprise_when_stored_is_read_back_and_found(void **state)
{
    (void)state;
    struct fixture f;
    struct enterprise_row row;
    struct store_key key;
    struct bytes id;
    fixture_begin(&f);
    assert_int_equal(put(&f, "E2", ENTERPRISE_SUBMITTED, 2), STATUS_OK);
    assert_int_equal(put(&f, "E1", ENTERPRISE_DRAFTED, 1), STATUS_OK);
    assert_int_equal(put(&f, "E1", ENTERPRISE_DRAFTED, 1), STATUS_UNCHANGED);
    assert_int_equal(put(&f, "E1", ENTERPRISE_SUBMITTED, 1), STATUS_OK);
    assert_int_equal(enterprise_get(f.snapshot, BYTES_LITERAL("E1"), &row), STATUS_OK);
    assert_int_equal(row.version, 2);
    assert_int_equal(row.state, ENTERPRISE_SUBMITTED);
    assert_true(row.changed_ms > row.created_ms);
    assert_int_equal(enterprise_next(f.snapshot, BYTES_NONE, &row), STATUS_OK);
    assert_true(bytes_equal(row.id, BYTES_LITERAL("E1")));
    assert_int_equal(enterprise_next(f.snapshot, row.id, &row), STATUS_OK);
    assert_true(bytes_equal(row.id, BYTES_LITERAL("E2")));
    assert_int_equal(enterprise_next(f.snapshot, row.id, &row), STATUS_NOT_FOUND);
    assert_int_equal(enterprise_prefix_key(BYTES_LITERAL("88.608.2"), &key), STATUS_OK);
    assert_int_equal(enterprise_find(f.snapshot, &key, &id), STATUS_OK);
    assert_true(bytes_equal(id, BYTES_LITERAL("E2")));
    assert_int_equal(enterprise_credential_key(1, BYTES_LITERAL("CODE1"), &key), STATUS_OK);
    assert_int_equal(enterprise_find(f.snapshot, &key, &id), STATUS_OK);
    assert_true(bytes_equal(id, BYTES_LITERAL("E1")));
    assert_int_equal(verify(&f).count, 0);
    fixture_end(&f);
}

static void step_that_no_act_makes_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    assert_int_equal(put(&f, "E1", ENTERPRISE_ENABLED, 1), STATUS_ACCESS_DENIED);
    assert_int_equal(put(&f, "E1", ENTERPRISE_SUBMITTED, 1), STATUS_OK);
    assert_int_equal(put(&f, "E1", ENTERPRISE_ENABLED, 1), STATUS_ACCESS_DENIED);
    assert_int_equal(put(&f, "E1", ENTERPRISE_APPROVED, 1), STATUS_ACCESS_DENIED);
    assert_int_equal(put(&f, "E1", ENTERPRISE_CANCELLED, 1), STATUS_OK);
    assert_int_equal(put(&f, "E1", ENTERPRISE_SUBMITTED, 1), STATUS_ACCESS_DENIED);
    assert_int_equal(verify(&f).count, 0);
    fixture_end(&f);
}

static void credential_or_prefix_of_another_is_refused_until_it_is_free(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    assert_int_equal(put(&f, "E1", ENTERPRISE_SUBMITTED, 1), STATUS_OK);
    assert_int_equal(put(&f, "E2", ENTERPRISE_SUBMITTED, 1), STATUS_HANDLE_EXISTS);
    struct enterprise_row row = fixture_enterprise(
        "E2", ENTERPRISE_SUBMITTED,
        BYTES_LITERAL("{\"org_crt_type\":1,\"org_crt_code\":\"x\",\"ent_prefix\":\"88.608.1\"}"));
    assert_int_equal(fixture_put_enterprise(&f, &row, CHANGE_CREATE), STATUS_HANDLE_EXISTS);
    assert_int_equal(put(&f, "E1", ENTERPRISE_CANCELLED, 1), STATUS_OK);
    assert_int_equal(fixture_put_enterprise(&f, &row, CHANGE_CREATE), STATUS_OK);
    assert_int_equal(verify(&f).count, 0);
    fixture_end(&f);
}

static void two_of_one_set_that_share_a_prefix_are_not_both_taken(void **state)
{
    (void)state;
    struct fixture f;
    char room[128];
    fixture_begin(&f);
    struct change_set *set = fixture_set(CHANGE_PER_ITEM);
    struct bytes dossier = fixture_dossier(1, room, sizeof(room));
    struct enterprise_row one = fixture_enterprise("E1", ENTERPRISE_SUBMITTED, dossier);
    struct enterprise_row other = fixture_enterprise("E2", ENTERPRISE_SUBMITTED, dossier);
    assert_int_equal(change_set_put_enterprise(set, &one, CHANGE_CREATE, NULL), STATUS_OK);
    assert_int_equal(change_set_put_enterprise(set, &other, CHANGE_CREATE, NULL), STATUS_OK);
    assert_int_equal(committer_commit_now(f.registry, f.snapshot, set, f.now_ms), STATUS_OK);
    assert_int_equal(change_set_item_status(set, 0), STATUS_OK);
    assert_int_equal(change_set_item_status(set, 1), STATUS_HANDLE_EXISTS);
    assert_non_null(strstr(change_set_item_reason(set, 1), "credential"));
    change_set_free(set);
    assert_int_equal(verify(&f).count, 0);
    fixture_end(&f);
}

static void credential_taken_between_preparing_and_commit_is_a_conflict(void **state)
{
    (void)state;
    struct fixture f;
    char room[128];
    fixture_begin(&f);
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    struct enterprise_row row =
        fixture_enterprise("E2", ENTERPRISE_SUBMITTED, fixture_dossier(1, room, sizeof(room)));
    assert_int_equal(change_set_put_enterprise(set, &row, CHANGE_CREATE, NULL), STATUS_OK);
    assert_int_equal(change_set_prepare(set, f.snapshot, f.now_ms), STATUS_OK);
    assert_int_equal(put(&f, "E1", ENTERPRISE_SUBMITTED, 1), STATUS_OK);
    journal_lmdb.commit_group(f.registry, &set, 1);
    assert_int_equal(change_set_status(set), STATUS_CONFLICT);
    assert_int_equal(snapshot_refresh(f.snapshot), STATUS_OK);
    assert_int_equal(change_set_prepare(set, f.snapshot, f.now_ms), STATUS_HANDLE_EXISTS);
    change_set_free(set);
    assert_int_equal(verify(&f).count, 0);
    fixture_end(&f);
}

static void prefix_answers_for_an_enterprise_that_is_enabled_only(void **state)
{
    (void)state;
    struct fixture f;
    struct prefix_row home;
    fixture_begin(&f);
    fixture_home(&f, "88.608");
    assert_int_equal(put(&f, "E1", ENTERPRISE_SUBMITTED, 1), STATUS_OK);
    assert_int_equal(put_prefix(&f, "E1", "88.608.1", PREFIX_ACTIVE), STATUS_ACCESS_DENIED);
    assert_int_equal(put_prefix(&f, "self", "88.608.1", PREFIX_ACTIVE), STATUS_HANDLE_EXISTS);
    fixture_admit(&f, "E2", 2);
    assert_int_equal(put_prefix(&f, "E2", "88.608.1", PREFIX_ACTIVE), STATUS_HANDLE_EXISTS);
    assert_int_equal(put_prefix(&f, "E2", "88.608.2", PREFIX_ACTIVE), STATUS_OK);
    assert_int_equal(put_prefix(&f, "E2", "88.608.22", PREFIX_ACTIVE), STATUS_OK);
    assert_int_equal(put_prefix(&f, "E1", "88.608.2", PREFIX_ACTIVE), STATUS_HANDLE_EXISTS);
    assert_int_equal(registry_find_home(f.snapshot, BYTES_LITERAL("88.608.2/a"), &home), STATUS_OK);
    assert_true(bytes_equal(home.enterprise, BYTES_LITERAL("E2")));
    assert_int_equal(put(&f, "E3", ENTERPRISE_SUBMITTED, 22), STATUS_HANDLE_EXISTS);
    assert_int_equal(verify(&f).count, 0);
    fixture_end(&f);
}

static void records_of_a_read_only_prefix_are_read_and_stay_as_they_are(void **state)
{
    (void)state;
    struct fixture f;
    struct record_row row;
    fixture_begin(&f);
    fixture_home(&f, "88.608");
    fixture_admit(&f, "E1", 1);
    assert_int_equal(put_prefix(&f, "E1", "88.608.1", PREFIX_ACTIVE), STATUS_OK);
    assert_int_equal(fixture_put(&f, "88.608.1/a", "1"), STATUS_OK);
    assert_int_equal(put(&f, "E1", ENTERPRISE_SUSPENDED, 1), STATUS_OK);
    assert_int_equal(put_prefix(&f, "E1", "88.608.1", PREFIX_READ_ONLY), STATUS_OK);
    assert_int_equal(fixture_get(&f, "88.608.1/a", &row), STATUS_OK);
    struct prefix_row home;
    assert_int_equal(registry_find_home(f.snapshot, BYTES_LITERAL("88.608.1/a"), &home), STATUS_OK);
    assert_int_equal(fixture_put(&f, "88.608.1/a", "2"), STATUS_ACCESS_DENIED);
    assert_int_equal(fixture_delete(&f, "88.608.1/a"), STATUS_ACCESS_DENIED);
    assert_int_equal(fixture_put(&f, "0.NA/88.608.1", "2"), STATUS_ACCESS_DENIED);
    assert_int_equal(put_prefix(&f, "E1", "88.608.1", PREFIX_ACTIVE), STATUS_ACCESS_DENIED);
    assert_int_equal(put_prefix(&f, "E1", "88.608.1", PREFIX_STOPPED), STATUS_OK);
    assert_int_equal(registry_find_home(f.snapshot, BYTES_LITERAL("88.608.1/a"), &home),
                     STATUS_NOT_RESPONSIBLE);
    assert_int_equal(registry_find_home(f.snapshot, BYTES_LITERAL("0.NA/88.608.1"), &home),
                     STATUS_NOT_RESPONSIBLE);
    fixture_verify(&f);
    fixture_end(&f);
}

static void record_prepared_before_the_suspension_is_not_written_behind_it(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.608");
    fixture_admit(&f, "E1", 1);
    assert_int_equal(put_prefix(&f, "E1", "88.608.1", PREFIX_ACTIVE), STATUS_OK);
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(fixture_add(set, "88.608.1/a", "1", CHANGE_CREATE), STATUS_OK);
    assert_int_equal(change_set_prepare(set, f.snapshot, f.now_ms), STATUS_OK);
    assert_int_equal(put_prefix(&f, "E1", "88.608.1", PREFIX_READ_ONLY), STATUS_OK);
    journal_lmdb.commit_group(f.registry, &set, 1);
    assert_int_equal(change_set_status(set), STATUS_ACCESS_DENIED);
    change_set_free(set);
    fixture_end(&f);
}

static void enterprise_and_its_prefix_in_one_set_are_committed_together(void **state)
{
    (void)state;
    struct fixture f;
    char room[128];
    fixture_begin(&f);
    fixture_home(&f, "88.608");
    assert_int_equal(put(&f, "E1", ENTERPRISE_SUBMITTED, 1), STATUS_OK);
    assert_int_equal(put(&f, "E1", ENTERPRISE_VERIFIED, 1), STATUS_OK);
    assert_int_equal(put(&f, "E1", ENTERPRISE_APPROVED, 1), STATUS_OK);
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    struct prefix_row prefix = fixture_prefix("88.608.1");
    prefix.enterprise = BYTES_LITERAL("E1");
    struct enterprise_row row =
        fixture_enterprise("E1", ENTERPRISE_ENABLED, fixture_dossier(1, room, sizeof(room)));
    assert_int_equal(change_set_put_prefix(set, &prefix, CHANGE_CREATE, NULL), STATUS_OK);
    assert_int_equal(fixture_add(set, "88.608.1/a", "1", CHANGE_CREATE), STATUS_OK);
    assert_int_equal(change_set_put_enterprise(set, &row, CHANGE_MODIFY, NULL), STATUS_OK);
    assert_int_equal(fixture_commit(&f, set), STATUS_OK);
    assert_int_equal(verify(&f).count, 0);
    fixture_end(&f);
}

/* Writes behind everybody's back. */
static void meddle(struct fixture *f, struct bytes key, struct bytes row)
{
    struct store_txn txn;
    (void)pthread_mutex_lock(&f->registry->write_lock);
    assert_int_equal(store_begin_write(f->registry, &txn), STATUS_OK);
    if (row.len == 0) {
        store_delete(&txn, STORE_ENTERPRISE_INDEX, key);
    } else {
        store_put(&txn, STORE_ENTERPRISE_INDEX, key, row);
    }
    assert_int_equal(store_commit(&txn), STATUS_OK);
    (void)pthread_mutex_unlock(&f->registry->write_lock);
}

static void index_that_is_not_what_the_rows_say_is_found(void **state)
{
    (void)state;
    struct fixture f;
    struct store_key key;
    fixture_begin(&f);
    assert_int_equal(put(&f, "E1", ENTERPRISE_SUBMITTED, 1), STATUS_OK);
    assert_int_equal(enterprise_prefix_key(BYTES_LITERAL("88.608.1"), &key), STATUS_OK);
    meddle(&f, keys_bytes(&key), BYTES_NONE);
    assert_int_equal(verify(&f).count, 1);
    assert_int_equal(verify(&f).flaw, RECORD_INDEX_WRONG);
    meddle(&f, keys_bytes(&key), BYTES_LITERAL("E1"));
    assert_int_equal(verify(&f).count, 0);
    assert_int_equal(enterprise_prefix_key(BYTES_LITERAL("88.608.2"), &key), STATUS_OK);
    meddle(&f, keys_bytes(&key), BYTES_LITERAL("E1"));
    assert_int_equal(verify(&f).count, 1);
    assert_int_equal(verify(&f).flaw, RECORD_INDEX_WRONG);
    fixture_end(&f);
}

static void set_with_an_enterprise_travels_as_it_was_asked(void **state)
{
    (void)state;
    struct fixture f;
    char room[128];
    uint8_t wire[1024];
    struct enterprise_row row =
        fixture_enterprise("E1", ENTERPRISE_SUBMITTED, fixture_dossier(1, room, sizeof(room)));
    fixture_begin(&f);
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(change_set_put_enterprise(set, &row, CHANGE_CREATE, NULL), STATUS_OK);
    struct wire_writer w = wire_write(wire, sizeof(wire));
    assert_int_equal(change_set_encode(set, &w), STATUS_OK);
    assert_int_equal(wire_wrote(&w).len, change_set_encoded_len(set));
    change_set_free(set);
    assert_int_equal(
        change_set_decode(wire_wrote(&w), BYTES_LITERAL("a"), BYTES_LITERAL("b"), &set), STATUS_OK);
    assert_int_equal(fixture_commit(&f, set), STATUS_OK);
    assert_int_equal(enterprise_get(f.snapshot, BYTES_LITERAL("E1"), &row), STATUS_OK);
    row.id = BYTES_LITERAL("self");
    set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(change_set_put_enterprise(set, &row, CHANGE_CREATE, NULL),
                     STATUS_INVALID_VALUE);
    change_set_free(set);
    fixture_verify(&f);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enterprise_when_stored_is_read_back_and_found),
        cmocka_unit_test(step_that_no_act_makes_is_refused),
        cmocka_unit_test(credential_or_prefix_of_another_is_refused_until_it_is_free),
        cmocka_unit_test(two_of_one_set_that_share_a_prefix_are_not_both_taken),
        cmocka_unit_test(credential_taken_between_preparing_and_commit_is_a_conflict),
        cmocka_unit_test(prefix_answers_for_an_enterprise_that_is_enabled_only),
        cmocka_unit_test(records_of_a_read_only_prefix_are_read_and_stay_as_they_are),
        cmocka_unit_test(record_prepared_before_the_suspension_is_not_written_behind_it),
        cmocka_unit_test(enterprise_and_its_prefix_in_one_set_are_committed_together),
        cmocka_unit_test(index_that_is_not_what_the_rows_say_is_found),
        cmocka_unit_test(set_with_an_enterprise_travels_as_it_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
