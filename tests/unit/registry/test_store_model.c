/* SPDX-License-Identifier: Apache-2.0
 *
 * Random work against a model in memory: puts, deletions, homes, conflicts, quotas, enterprises,
 * reopening.
 *
 * After every few steps the store must equal the model: every record with version and data, every
 * superseded version in history, counters, enterprises with their index, and a journal that
 * verifies.
 */
#include "tests/unit/registry/enterprise_fixture.h"

#include "registry/journal_backend.h"
#include "registry/record_verify.h"

#define PREFIXES 4
#define NAMES 40
#define KEYS (PREFIXES * NAMES)
#define STEPS 1500
#define CHECK_EVERY 50
#define ENTERPRISES 6
#define NUMBERS 8 /* credentials and prefixes that they want */
#define DATA_MAX 24
#define VERSIONS_MAX 400

struct model_record {
    uint64_t version; /* of the newest state, 0: never existed */
    bool exists;
    char data[DATA_MAX];
    char past[VERSIONS_MAX][DATA_MAX]; /* by version; "" is a deletion */
};

struct model_prefix {
    bool is_active;
    bool is_homed;
    uint64_t max_identifiers;
    uint64_t identifiers;
};

struct model_enterprise {
    enum enterprise_state state; /* NONE: not there */
    uint64_t version;
    unsigned number;   /* of credential and prefix */
    bool is_confirmed; /* the top node has answered once */
};

struct model {
    struct model_enterprise enterprises[ENTERPRISES];
    struct model_prefix prefixes[PREFIXES];
    struct model_record records[KEYS];
    uint32_t random;
};

static uint32_t draw(struct model *m, uint32_t below)
{
    m->random = m->random * 1664525u + 1013904223u;
    return (m->random >> 8) % below;
}

/* Every third name is longer than a key can be; spelled in changing case. */
static void name_of(size_t key, bool is_upper, char *out, size_t size)
{
    int padding = key % 3 == 0 ? 500 : 1;
    (void)snprintf(out, size, "88.%zu/%c%0*zu", key / NAMES, is_upper ? 'N' : 'n', padding,
                   key % NAMES);
}

static void prefix_name(size_t prefix, char *out, size_t size)
{
    (void)snprintf(out, size, "88.%zu", prefix);
}

/* What the store must answer, and the model's state after it. */
static enum status expect_put(struct model *m, size_t key, enum change_mode mode, const char *data)
{
    struct model_record *record = &m->records[key];
    struct model_prefix *prefix = &m->prefixes[key / NAMES];
    if (!prefix->is_active) {
        return STATUS_NOT_RESPONSIBLE;
    }
    if (mode == CHANGE_CREATE && record->exists) {
        return STATUS_HANDLE_EXISTS;
    }
    if (mode == CHANGE_MODIFY && !record->exists) {
        return STATUS_HANDLE_NOT_FOUND;
    }
    if (record->exists && strcmp(record->data, data) == 0) {
        return STATUS_UNCHANGED;
    }
    if (!record->exists && prefix->max_identifiers != 0 &&
        prefix->identifiers + 1 > prefix->max_identifiers) {
        return STATUS_QUOTA_EXCEEDED;
    }
    prefix->identifiers += !record->exists;
    record->exists = true;
    record->version++;
    assert_true(record->version < VERSIONS_MAX);
    (void)snprintf(record->data, DATA_MAX, "%s", data);
    (void)snprintf(record->past[record->version], DATA_MAX, "%s", data);
    return STATUS_OK;
}

static enum status expect_delete(struct model *m, size_t key)
{
    struct model_record *record = &m->records[key];
    struct model_prefix *prefix = &m->prefixes[key / NAMES];
    if (!prefix->is_active) {
        return STATUS_NOT_RESPONSIBLE;
    }
    if (!record->exists) {
        return STATUS_HANDLE_NOT_FOUND;
    }
    prefix->identifiers--;
    record->exists = false;
    record->version++;
    assert_true(record->version < VERSIONS_MAX);
    record->past[record->version][0] = '\0';
    return STATUS_OK;
}

/* A PER_ITEM set over distinct keys, so that each item's outcome is foretold on its own. */
static void write_some(struct fixture *f, struct model *m)
{
    enum status expected[8];
    bool is_taken[KEYS] = {false};
    struct change_set *set = fixture_set(CHANGE_PER_ITEM);
    size_t count = 1 + draw(m, 8);
    for (size_t i = 0; i < count; i++) {
        char name[600];
        char data[DATA_MAX];
        size_t key = draw(m, KEYS);
        while (is_taken[key]) {
            key = draw(m, KEYS);
        }
        is_taken[key] = true;
        name_of(key, draw(m, 2) == 0, name, sizeof(name));
        (void)snprintf(data, sizeof(data), "d%.*s%u", (int)draw(m, 9), "xxxxxxxxx", draw(m, 3));
        if (draw(m, 3) == 0) {
            expected[i] = expect_delete(m, key);
            assert_int_equal(change_set_delete_record(set, bytes_of_text(name)), STATUS_OK);
        } else {
            enum change_mode mode = (enum change_mode)draw(m, 3);
            expected[i] = expect_put(m, key, mode, data);
            assert_int_equal(fixture_add(set, name, data, mode), STATUS_OK);
        }
    }
    f->now_ms += draw(m, 1000);
    assert_int_equal(committer_commit_now(f->registry, f->snapshot, set, f->now_ms), STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(change_set_item_status(set, i), expected[i]);
    }
    change_set_free(set);
}

static void home_some(struct fixture *f, struct model *m)
{
    size_t i = draw(m, PREFIXES);
    struct model_prefix *prefix = &m->prefixes[i];
    char name[16];
    prefix_name(i, name, sizeof(name));
    struct prefix_row row = fixture_prefix(name);
    row.state = draw(m, 4) == 0 ? PREFIX_STOPPED : PREFIX_ACTIVE;
    row.max_identifiers = draw(m, 2) == 0 ? 0 : NAMES / 2;
    bool is_equal = prefix->is_homed && prefix->is_active == (row.state == PREFIX_ACTIVE) &&
                    prefix->max_identifiers == row.max_identifiers;
    assert_int_equal(fixture_put_prefix(f, &row, CHANGE_REPLACE),
                     is_equal ? STATUS_UNCHANGED : STATUS_OK);
    prefix->is_homed = true;
    prefix->is_active = row.state == PREFIX_ACTIVE;
    prefix->max_identifiers = row.max_identifiers;
}

/* A cancelled one keeps the prefix it was given, and nothing else. */
static bool is_number_taken(const struct model *m, size_t asking, unsigned number)
{
    for (size_t i = 0; i < ENTERPRISES; i++) {
        const struct model_enterprise *other = &m->enterprises[i];
        bool holds = other->state == ENTERPRISE_CANCELLED ? other->is_confirmed
                                                          : other->state != ENTERPRISE_NONE;
        if (i != asking && holds && other->number == number) {
            return true;
        }
    }
    return false;
}

static enum status expect_enterprise(struct model *m, size_t i, enum enterprise_state to,
                                     unsigned number)
{
    struct model_enterprise *model = &m->enterprises[i];
    if (model->state == to && model->number == number) {
        return STATUS_UNCHANGED;
    }
    if (!enterprise_state_may_become(model->state, to)) {
        return STATUS_ACCESS_DENIED;
    }
    bool wants = to != ENTERPRISE_CANCELLED || model->is_confirmed;
    if (wants && is_number_taken(m, i, number)) {
        return STATUS_HANDLE_EXISTS;
    }
    model->state = to;
    model->number = number;
    model->version++;
    model->is_confirmed = model->is_confirmed || to == ENTERPRISE_ENABLED;
    return STATUS_OK;
}

static void administer_some(struct fixture *f, struct model *m)
{
    size_t i = draw(m, ENTERPRISES);
    struct model_enterprise *model = &m->enterprises[i];
    enum enterprise_state to = (enum enterprise_state)(1 + draw(m, ENTERPRISE_CANCELLED));
    unsigned number = draw(m, 4) == 0 ? draw(m, NUMBERS) : model->number;
    char id[24];
    char room[128];
    (void)snprintf(id, sizeof(id), "E%zu", i);
    struct enterprise_row row =
        fixture_enterprise(id, to, fixture_dossier(number, room, sizeof(room)));
    if (model->is_confirmed) {
        row.reference = BYTES_LITERAL("ent-7");
        row.confirmed_on = BYTES_LITERAL("2026-11-21");
    }
    enum status expected = expect_enterprise(m, i, to, number);
    assert_int_equal(fixture_put_enterprise(f, &row, CHANGE_REPLACE), expected);
}

/* Two sets prepared on one snapshot: the second to commit meets a conflict, and passes when
 * prepared again. */
static void conflict(struct fixture *f, struct model *m)
{
    size_t key = draw(m, KEYS);
    if (!m->prefixes[key / NAMES].is_active || !m->records[key].exists) {
        return;
    }
    char name[600];
    char data[DATA_MAX];
    name_of(key, true, name, sizeof(name));
    struct change_set *slow = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(fixture_add(slow, name, "slow", CHANGE_REPLACE), STATUS_OK);
    assert_int_equal(snapshot_refresh(f->snapshot), STATUS_OK);
    assert_int_equal(change_set_prepare(slow, f->snapshot, f->now_ms), STATUS_OK);
    (void)snprintf(data, sizeof(data), "fast%u", draw(m, 1000));
    assert_int_equal(fixture_put(f, name, data), expect_put(m, key, CHANGE_REPLACE, data));
    journal_lmdb.commit_group(f->registry, &slow, 1);
    assert_int_equal(change_set_status(slow), STATUS_CONFLICT);
    assert_int_equal(fixture_commit(f, slow), expect_put(m, key, CHANGE_REPLACE, "slow"));
}

static void check_record(struct fixture *f, const struct model_record *record, const char *name)
{
    struct record_row row;
    struct history_row old;
    struct bytes handle = bytes_of_text(name);
    enum status status = fixture_get(f, name, &row);
    assert_int_equal(status, record->exists ? STATUS_OK : STATUS_HANDLE_NOT_FOUND);
    if (record->exists) {
        assert_int_equal(row.version, record->version);
        assert_true(bytes_equal(fixture_data(&row), bytes_of_text(record->data)));
    }
    struct tombstone_row mark;
    bool is_deleted = !record->exists && record->version > 0;
    assert_int_equal(registry_get_tombstone(f->snapshot, handle, CASE_INSENSITIVE, &mark),
                     is_deleted ? STATUS_OK : STATUS_NOT_FOUND);
    assert_true(!is_deleted || mark.version == record->version);
    uint64_t before = UINT64_MAX;
    for (uint64_t version = record->version; version-- > 1;) {
        assert_int_equal(registry_get_history(f->snapshot, handle, CASE_INSENSITIVE, before, &old),
                         STATUS_OK);
        assert_int_equal(old.row.version, version);
        assert_int_equal(old.is_deletion, record->past[version][0] == '\0');
        assert_true(old.is_deletion ||
                    bytes_equal(fixture_data(&old.row), bytes_of_text(record->past[version])));
        before = version;
    }
    assert_int_equal(registry_get_history(f->snapshot, handle, CASE_INSENSITIVE, before, &old),
                     before == UINT64_MAX || before == 1 ? STATUS_NOT_FOUND : STATUS_OK);
}

static void on_found(void *context, const struct record_finding *finding)
{
    (void)context;
    fail_msg("flaw %d in table %d", finding->flaw, finding->table);
}

static void check_enterprises(struct fixture *f, const struct model *m)
{
    struct record_verify_report report;
    const struct record_verify_watch watch = {.found = on_found};
    for (size_t i = 0; i < ENTERPRISES; i++) {
        const struct model_enterprise *model = &m->enterprises[i];
        struct enterprise_row row;
        char id[24];
        (void)snprintf(id, sizeof(id), "E%zu", i);
        assert_int_equal(enterprise_get(f->snapshot, bytes_of_text(id), &row),
                         model->state == ENTERPRISE_NONE ? STATUS_NOT_FOUND : STATUS_OK);
        assert_true(model->state == ENTERPRISE_NONE ||
                    (row.state == model->state && row.version == model->version));
    }
    assert_int_equal(record_verify(f->registry, &watch, &report), STATUS_OK);
}

static void check_all(struct fixture *f, const struct model *m)
{
    assert_int_equal(snapshot_refresh(f->snapshot), STATUS_OK);
    uint64_t records = 0;
    for (size_t key = 0; key < KEYS; key++) {
        char name[600];
        name_of(key, key % 2 == 0, name, sizeof(name));
        check_record(f, &m->records[key], name);
        records += m->records[key].exists;
    }
    for (size_t i = 0; i < PREFIXES; i++) {
        char name[16];
        prefix_name(i, name, sizeof(name));
        assert_int_equal(registry_counter(f->snapshot, bytes_of_text(name), COUNTER_IDENTIFIERS),
                         m->prefixes[i].identifiers);
    }
    struct registry_figures figures;
    assert_int_equal(registry_figures(f->registry, &figures), STATUS_OK);
    assert_int_equal(figures.records, records);
    check_enterprises(f, m);
    fixture_verify(f);
}

static void run(uint32_t seed)
{
    struct fixture f;
    struct model *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    print_message("seed %u\n", seed);
    m->random = seed;
    fixture_begin(&f);
    for (int step = 1; step <= STEPS; step++) {
        uint32_t kind = draw(m, 20);
        if (kind == 0) {
            home_some(&f, m);
        } else if (kind == 1) {
            conflict(&f, m);
        } else if (kind == 2 && step % 5 == 0) {
            fixture_close(&f);
            fixture_open(&f);
        } else if (kind < 7) {
            administer_some(&f, m);
        } else {
            write_some(&f, m);
        }
        if (step % CHECK_EVERY == 0) {
            check_all(&f, m);
        }
    }
    fixture_end(&f);
    free(m);
}

static void store_after_random_work_equals_the_model(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 3; seed++) {
        run(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_after_random_work_equals_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
