/* SPDX-License-Identifier: Apache-2.0
 *
 * API keys: their row, their way through change set, journal and verification, and stores that had
 * no table for them yet.
 */
#include "registry/apikey_row.h"

#include "tests/unit/registry/store_fixture.h"

#include "registry/record_verify.h"
#include "registry/store.h"

#define ID "4f7k2m9q1z0c"

struct sample {
    uint8_t prefixes[256];
    uint8_t networks[256];
    uint8_t mac[APIKEY_MAC_LEN];
    struct apikey_row row;
};

static void fill(struct sample *sample)
{
    struct wire_writer prefixes = wire_write(sample->prefixes, sizeof(sample->prefixes));
    struct wire_writer networks = wire_write(sample->networks, sizeof(sample->networks));
    memset(sample->mac, 7, sizeof(sample->mac));
    wire_put_bytes(&prefixes, BYTES_LITERAL("88.1000"));
    wire_put_bytes(&prefixes, BYTES_LITERAL("88.1000.7"));
    wire_put_bytes(&networks, BYTES_LITERAL("192.0.2.0/24"));
    sample->row = (struct apikey_row){
        .id = BYTES_LITERAL(ID),
        .state = APIKEY_ACTIVE,
        .verbs = APIKEY_READ | APIKEY_CREATE,
        .expires_ms = FIXTURE_NOW_MS,
        .mac = bytes_of(sample->mac, sizeof(sample->mac)),
        .identity = {BYTES_LITERAL("0.NA/88.1000"), 300},
        .enterprise = BYTES_LITERAL("self"),
        .note = BYTES_LITERAL("3 号产线"),
        .prefix_count = 2,
        .prefixes = wire_wrote(&prefixes),
        .network_count = 1,
        .networks = wire_wrote(&networks),
    };
}

static struct bytes content_of(const struct apikey_row *row, uint8_t *room, size_t size)
{
    struct wire_writer w = wire_write(room, size);
    apikey_row_content(&w, row);
    assert_false(w.failed);
    return wire_wrote(&w);
}

static void content_when_read_back_is_the_same(void **state)
{
    (void)state;
    struct sample sample;
    struct apikey_row read;
    uint8_t room[1024];
    uint8_t again[1024];
    fill(&sample);
    struct bytes content = content_of(&sample.row, room, sizeof(room));
    assert_int_equal(apikey_row_read_content(content, &read, NULL), STATUS_OK);
    assert_true(bytes_equal(content_of(&read, again, sizeof(again)), content));
    for (size_t len = 0; len < content.len; len++) {
        assert_int_equal(apikey_row_read_content(bytes_of(room, len), &read, NULL),
                         STATUS_INVALID_VALUE);
    }
}

static void content_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    struct sample sample;
    uint8_t room[1024];
    for (int flaw = 0; flaw < 7; flaw++) {
        struct apikey_row read;
        fill(&sample);
        sample.row.verbs = flaw == 0 ? 0 : flaw == 1 ? 32 : sample.row.verbs;
        sample.row.state = flaw == 2 ? (enum apikey_state)3 : sample.row.state;
        sample.row.identity.index = flaw == 3 ? 0 : 300;
        sample.row.enterprise = flaw == 4 ? BYTES_NONE : sample.row.enterprise;
        if (flaw == 5) {
            sample.row.prefix_count = 0;
            sample.row.prefixes = BYTES_NONE;
        }
        sample.row.note = flaw == 6 ? BYTES_LITERAL("\xff") : sample.row.note;
        struct bytes content = content_of(&sample.row, room, sizeof(room));
        assert_int_equal(apikey_row_read_content(content, &read, NULL), STATUS_INVALID_VALUE);
    }
}

static void row_with_a_flipped_bit_is_corrupt(void **state)
{
    (void)state;
    struct sample sample;
    struct apikey_row read;
    uint8_t content_room[1024];
    uint8_t row[1100];
    fill(&sample);
    struct wire_writer w = wire_write(row, sizeof(row));
    apikey_row_encode(&w, content_of(&sample.row, content_room, sizeof(content_room)));
    size_t len = wire_wrote(&w).len;
    const struct apikey_row facts = {.version = 3, .position = 9, .created_ms = 77};
    apikey_row_seal(BYTES_LITERAL(ID), row, len, &facts);
    assert_int_equal(apikey_row_decode(BYTES_LITERAL(ID), bytes_of(row, len), &read), STATUS_OK);
    assert_int_equal(read.version, 3);
    assert_int_equal(read.position, 9);
    assert_int_equal(read.created_ms, 77);
    assert_int_equal(apikey_row_decode(BYTES_LITERAL("000000000000"), bytes_of(row, len), &read),
                     STATUS_CORRUPT);
    for (size_t i = 0; i < len; i++) {
        row[i] ^= 1;
        assert_int_equal(apikey_row_decode(BYTES_LITERAL(ID), bytes_of(row, len), &read),
                         STATUS_CORRUPT);
        row[i] ^= 1;
    }
}

static void mac_depends_on_key_id_and_secret(void **state)
{
    (void)state;
    uint8_t macs[4][APIKEY_MAC_LEN];
    uint8_t other[REGISTRY_COMMITMENT_KEY_LEN] = {1};
    struct bytes key = bytes_of(fixture_key, sizeof(fixture_key));
    struct bytes secret = BYTES_LITERAL("s");
    assert_int_equal(apikey_row_mac(key, BYTES_LITERAL(ID), secret, macs[0]), STATUS_OK);
    assert_int_equal(
        apikey_row_mac(bytes_of(other, sizeof(other)), BYTES_LITERAL(ID), secret, macs[1]),
        STATUS_OK);
    assert_int_equal(apikey_row_mac(key, BYTES_LITERAL("000000000000"), secret, macs[2]),
                     STATUS_OK);
    assert_int_equal(apikey_row_mac(key, BYTES_LITERAL(ID), BYTES_LITERAL("t"), macs[3]),
                     STATUS_OK);
    for (int i = 1; i < 4; i++) {
        assert_memory_not_equal(macs[0], macs[i], APIKEY_MAC_LEN);
    }
}

static enum status put(struct fixture *f, const struct apikey_row *row, enum change_mode mode)
{
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(change_set_put_apikey(set, row, mode, NULL), STATUS_OK);
    assert_int_equal(change_set_audit(set, "apikey", row->id, BYTES_NONE), STATUS_OK);
    return fixture_commit(f, set);
}

static void on_found(void *context, const struct record_finding *finding)
{
    (void)finding;
    ++*(int *)context;
}

static void expect_sound(struct fixture *f, uint64_t keys)
{
    int found = 0;
    const struct record_verify_watch watch = {.found = on_found, .context = &found};
    struct record_verify_report report;
    assert_int_equal(record_verify(f->registry, &watch, &report), STATUS_OK);
    assert_int_equal(found, 0);
    assert_int_equal(report.apikeys, keys);
}

static void key_when_revoked_stays_and_the_journal_holds(void **state)
{
    (void)state;
    struct fixture f;
    struct sample sample;
    struct apikey_row stored;
    fixture_begin(&f);
    fill(&sample);
    assert_int_equal(put(&f, &sample.row, CHANGE_MODIFY), STATUS_HANDLE_NOT_FOUND);
    assert_int_equal(put(&f, &sample.row, CHANGE_CREATE), STATUS_OK);
    assert_int_equal(put(&f, &sample.row, CHANGE_CREATE), STATUS_UNCHANGED);
    sample.row.verbs = APIKEY_READ;
    assert_int_equal(put(&f, &sample.row, CHANGE_CREATE), STATUS_HANDLE_EXISTS);
    sample.row.state = APIKEY_REVOKED;
    assert_int_equal(put(&f, &sample.row, CHANGE_MODIFY), STATUS_OK);
    assert_int_equal(snapshot_refresh(f.snapshot), STATUS_OK);
    assert_int_equal(registry_get_apikey(f.snapshot, BYTES_LITERAL(ID), &stored), STATUS_OK);
    assert_int_equal(stored.version, 2);
    assert_int_equal(stored.state, APIKEY_REVOKED);
    assert_true(stored.created_ms > 0);
    assert_int_equal(registry_next_apikey(f.snapshot, BYTES_NONE, &stored), STATUS_OK);
    assert_int_equal(registry_next_apikey(f.snapshot, stored.id, &stored), STATUS_NOT_FOUND);
    snapshot_rest(f.snapshot);
    expect_sound(&f, 1);
    fixture_end(&f);
}

static void set_when_sent_brings_its_key(void **state)
{
    (void)state;
    struct fixture f;
    struct sample sample;
    struct apikey_row stored;
    uint8_t room[4096];
    fixture_begin(&f);
    fill(&sample);
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(change_set_put_apikey(set, &sample.row, CHANGE_CREATE, NULL), STATUS_OK);
    struct wire_writer w = wire_write(room, sizeof(room));
    assert_int_equal(change_set_encode(set, &w), STATUS_OK);
    assert_int_equal(wire_wrote(&w).len, change_set_encoded_len(set));
    change_set_free(set);
    struct change_set *received = NULL;
    assert_int_equal(
        change_set_decode(wire_wrote(&w), BYTES_LITERAL("a"), BYTES_LITERAL("b"), &received),
        STATUS_OK);
    assert_int_equal(fixture_commit(&f, received), STATUS_OK);
    assert_int_equal(snapshot_refresh(f.snapshot), STATUS_OK);
    assert_int_equal(registry_get_apikey(f.snapshot, BYTES_LITERAL(ID), &stored), STATUS_OK);
    assert_true(bytes_equal(stored.note, BYTES_LITERAL("3 号产线")));
    for (size_t len = 0; len < wire_wrote(&w).len; len++) {
        assert_int_equal(change_set_decode(bytes_of(room, len), BYTES_LITERAL("a"),
                                           BYTES_LITERAL("b"), &received),
                         STATUS_PROTOCOL_ERROR);
    }
    fixture_end(&f);
}

/* As a program of schema 1 left it. */
static void make_older(struct fixture *f)
{
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    MDB_dbi dbi = 0;
    struct bytes version = BYTES_LITERAL("\0\0\0\1");
    MDB_val at = store_val(BYTES_LITERAL("schema"));
    MDB_val val = store_val(version);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 64), 0);
    assert_int_equal(mdb_env_set_mapsize(env, FIXTURE_MAP_BYTES), 0);
    assert_int_equal(mdb_env_open(env, f->path, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "apikey", 0, &dbi), 0);
    assert_int_equal(mdb_drop(txn, dbi, 1), 0);
    assert_int_equal(mdb_dbi_open(txn, "meta", 0, &dbi), 0);
    assert_int_equal(mdb_put(txn, dbi, &at, &val, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void store_of_the_first_schema_is_read_as_it_is_and_grows_for_a_writer(void **state)
{
    (void)state;
    struct fixture f;
    struct sample sample;
    struct apikey_row stored;
    fixture_begin(&f);
    fixture_close(&f);
    make_older(&f);
    fill(&sample);
    f.options.is_read_only = true;
    fixture_open(&f);
    assert_int_equal(registry_get_apikey(f.snapshot, BYTES_LITERAL(ID), &stored), STATUS_NOT_FOUND);
    assert_int_equal(registry_next_apikey(f.snapshot, BYTES_NONE, &stored), STATUS_NOT_FOUND);
    snapshot_rest(f.snapshot);
    fixture_close(&f);
    f.options.is_read_only = false;
    f.options.may_create = false;
    fixture_open(&f);
    assert_int_equal(put(&f, &sample.row, CHANGE_CREATE), STATUS_OK);
    expect_sound(&f, 1);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_when_read_back_is_the_same),
        cmocka_unit_test(content_that_makes_no_sense_is_refused),
        cmocka_unit_test(row_with_a_flipped_bit_is_corrupt),
        cmocka_unit_test(mac_depends_on_key_id_and_secret),
        cmocka_unit_test(key_when_revoked_stays_and_the_journal_holds),
        cmocka_unit_test(set_when_sent_brings_its_key),
        cmocka_unit_test(store_of_the_first_schema_is_read_as_it_is_and_grows_for_a_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
