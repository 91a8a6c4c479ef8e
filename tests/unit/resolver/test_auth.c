/* SPDX-License-Identifier: Apache-2.0
 *
 * auth.c: every cell of tests/vectors/permissions.txt, and who is meant by a reference.
 */
#include "tests/unit/resolver/exchange_fixture.h"

#include "protocol/value_types.h"
#include "resolver/auth.h"

#define BITS 13
#define ALL ((1u << BITS) - 1)
#define ROWS_MAX 64
#define LINE_MAX_LEN 256
#define CALLER "88.1000/User_li"
#define RECORD "88.1000/thing"
#define PREFIX "0.NA/88.1000"

struct row {
    char operation[40];
    uint32_t in_record;
    uint32_t in_prefix;
};

static struct {
    struct fixture store;
    struct row rows[ROWS_MAX];
    size_t row_count;
} world;

static void read_cells(const char *line, struct row *row)
{
    int at = 0;
    char cell;
    int used;
    assert_int_equal(sscanf(line, "%39s%n", row->operation, &at), 1);
    for (unsigned bit = 0; bit < BITS; bit++) {
        assert_int_equal(sscanf(line + at, " %c%n", &cell, &used), 1);
        at += used;
        row->in_record |= cell == 'r' ? 1u << bit : 0;
        row->in_prefix |= cell == 'p' ? 1u << bit : 0;
        assert_non_null(strchr("rp.", cell));
    }
}

static void read_table(void)
{
    char line[LINE_MAX_LEN];
    FILE *file = fopen(TEST_VECTORS "/permissions.txt", "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (line[0] != '#' && line[0] != '\n') {
            assert_true(world.row_count < ROWS_MAX);
            read_cells(line, &world.rows[world.row_count++]);
        }
    }
    (void)fclose(file);
    assert_in_range(world.row_count, 30, ROWS_MAX);
}

static int open_world(void **state)
{
    fixture_open(&world.store);
    fixture_home(&world.store, "88.1000", PREFIX_ACTIVE, CASE_INSENSITIVE);
    fixture_home(&world.store, "88.2000", PREFIX_ACTIVE, CASE_SENSITIVE);
    read_table();
    *state = &world;
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    fixture_close(&world.store);
    return 0;
}

/* --- values ------------------------------------------------------------------------------------
 */

static struct value admin_value(uint32_t index, uint32_t bits, const char *handle, uint32_t at)
{
    struct admin admin = {.permissions = (uint16_t)bits,
                          .identity = {.handle = bytes_of_text(handle), .index = at}};
    uint8_t *room = arena_alloc(world.store.arena, 128);
    struct wire_writer w = wire_write(room, 128);
    admin_encode(&w, &admin);
    struct value value = fixture_value(index, "HS_ADMIN", "", 0x0e);
    value.data = wire_wrote(&w);
    return value;
}

static struct value list_value(uint32_t index, const struct reference *members, size_t count)
{
    uint8_t *room = arena_alloc(world.store.arena, 8192);
    struct wire_writer w = wire_write(room, 8192);
    wire_put_u32(&w, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        wire_put_bytes(&w, members[i].handle);
        wire_put_u32(&w, members[i].index);
    }
    struct value value = fixture_value(index, "HS_VLIST", "", 0x0c);
    value.data = wire_wrote(&w);
    return value;
}

/* The record as the table's names mean it. */
enum { VALUE_AT = 1, OPEN_AT = 2, LOCKED_AT = 3, NEW_AT = 50, OTHER_ADMIN_AT = 101 };

static struct value plain(uint32_t index, const char *text, uint8_t permissions)
{
    return fixture_value(index, "URL", text, permissions);
}

static void put_world(uint32_t in_record, uint32_t in_prefix, bool has_locked)
{
    const struct value record[] = {
        plain(VALUE_AT, "a", 0x0e),
        plain(OPEN_AT, "a", 0x0f),
        admin_value(100, in_record, CALLER, 300),
        admin_value(OTHER_ADMIN_AT, ALL, "88.1000/other", 300),
        plain(LOCKED_AT, "a", 0x0a),
    };
    const struct value prefix[] = {admin_value(100, in_prefix, CALLER, 300)};
    fixture_put(&world.store, BYTES_LITERAL(RECORD), record, has_locked ? 5 : 4);
    fixture_put(&world.store, BYTES_LITERAL(PREFIX), prefix, 1);
}

/* --- operations --------------------------------------------------------------------------------
 */

static void begin(struct auth *auth, const struct identity *who)
{
    struct fixture *f = &world.store;
    f->x = (struct exchange){.scope = &f->scope};
    assert_int_equal(snapshot_refresh(f->snapshot), STATUS_OK);
    auth_begin(auth, &f->x, who);
}

static void find_record(struct lookup *out_found)
{
    assert_int_equal(lookup_record(world.store.snapshot, BYTES_LITERAL(RECORD), out_found),
                     STATUS_OK);
}

static void over(struct auth_need *need, uint32_t at, const struct value *with)
{
    struct value from = at == OTHER_ADMIN_AT ? admin_value(at, ALL, "88.1000/other", 300)
                                             : plain(at, "a", at == OPEN_AT ? 0x0f : 0x0e);
    auth_need_modify(need, &from, with);
}

/* What `operation` asks for; false: it is none that changes values. */
static bool make_need(const char *operation, struct auth_need *need)
{
    const struct value value = plain(VALUE_AT, "b", 0x0e);
    const struct value fresh = plain(NEW_AT, "b", 0x0e);
    const struct value open_value = plain(OPEN_AT, "b", 0x0f);
    const struct value admin = admin_value(OTHER_ADMIN_AT, 1, "88.1000/other", 300);
    *need = AUTH_NOTHING;
    if (strcmp(operation, "add-value") == 0) {
        auth_need_add(need, &fresh);
    } else if (strcmp(operation, "add-admin") == 0) {
        auth_need_add(need, &admin);
    } else if (strcmp(operation, "add-both") == 0) {
        auth_need_add(need, &admin);
        auth_need_add(need, &fresh);
    } else if (strcmp(operation, "add-over-and-new") == 0) {
        over(need, VALUE_AT, &value);
        auth_need_add(need, &fresh);
    } else if (strcmp(operation, "remove-value") == 0) {
        auth_need_remove(need, &value);
    } else if (strcmp(operation, "remove-admin") == 0) {
        auth_need_remove(need, &admin);
    } else if (strcmp(operation, "remove-both") == 0) {
        auth_need_remove(need, &admin);
        auth_need_remove(need, &value);
    } else if (strcmp(operation, "remove-open") == 0) {
        auth_need_remove(need, &open_value);
    } else if (strcmp(operation, "modify-value") == 0 || strcmp(operation, "add-over-value") == 0) {
        over(need, VALUE_AT, &value);
    } else if (strcmp(operation, "modify-admin") == 0 || strcmp(operation, "add-over-admin") == 0) {
        over(need, OTHER_ADMIN_AT, &admin);
    } else if (strcmp(operation, "modify-admin-to-value") == 0) {
        over(need, OTHER_ADMIN_AT, &value);
    } else if (strcmp(operation, "modify-value-to-admin") == 0) {
        over(need, VALUE_AT, &admin);
    } else if (strcmp(operation, "modify-open") == 0) {
        over(need, OPEN_AT, &open_value);
    } else if (strcmp(operation, "modify-open-to-admin") == 0) {
        over(need, OPEN_AT, &admin);
    } else if (strcmp(operation, "modify-open-to-key") == 0) {
        const struct value key = fixture_value(OPEN_AT, "HS_SECKEY", "k", 0x0f);
        over(need, OPEN_AT, &key);
    } else if (strcmp(operation, "modify-open-and-value") == 0) {
        over(need, OPEN_AT, &open_value);
        over(need, VALUE_AT, &value);
    } else {
        return false;
    }
    return true;
}

/* What makes the stored record into another. */
static enum status overwrite(struct auth *auth, const char *operation)
{
    struct lookup found;
    struct value *values;
    size_t count;
    find_record(&found);
    struct wire_reader r = wire_read(found.record.values);
    assert_int_equal(value_list_decode(&r, world.store.arena, &values, &count), STATUS_OK);
    const struct body_values from = {found.handle, values, count};
    struct value to[8];
    size_t to_count = count;
    memcpy(to, values, count * sizeof(*values));
    to[0].data = BYTES_LITERAL("b");
    if (strcmp(operation, "overwrite-everything") == 0) {
        to[1] = plain(NEW_AT, "new", 0x0e);  /* the open value goes */
        to[3] = admin_value(102, 1, "x", 1); /* the other administrator, too */
    } else if (strcmp(operation, "overwrite-locked") == 0) {
        to[2].data = BYTES_LITERAL("b");
    }
    struct auth_need need = AUTH_NOTHING;
    auth_need_replace(&need, &from, &(struct body_values){found.handle, to, to_count});
    return auth_overwrite(auth, &found, &need);
}

static bool is_allowed(const char *operation)
{
    const struct identity caller = {
        .handle = BYTES_LITERAL("88.1000/User_LI"), .index = 300, .is_verified = true};
    struct auth auth;
    struct lookup found;
    struct auth_need need;
    begin(&auth, &caller);
    if (make_need(operation, &need)) {
        find_record(&found);
        return need.is_open || auth_record(&auth, &found, need.bits) == STATUS_OK;
    }
    if (strncmp(operation, "overwrite", 9) == 0) {
        return overwrite(&auth, operation) == STATUS_OK;
    }
    if (strcmp(operation, "create") == 0) {
        return auth_create(&auth, BYTES_LITERAL("88.1000/new")) == STATUS_OK;
    }
    if (strcmp(operation, "create-derived") == 0) {
        return auth_create(&auth, BYTES_LITERAL("0.NA/88.1000.5")) == STATUS_OK;
    }
    static const struct {
        const char *operation;
        const char *of;
        uint32_t bits[2]; /* any */
    } others[] = {
        {"delete", RECORD, {AUTH_DELETE_HANDLE, AUTH_DELETE_HANDLE}},
        {"read", RECORD, {AUTH_READ_VALUE, AUTH_READ_VALUE}},
        {"list-handles", PREFIX, {AUTH_LIST_HANDLES, AUTH_LIST_HANDLES}},
        {"list-derived", PREFIX, {AUTH_LIST_HANDLES, AUTH_LIST_PREFIXES}},
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (strcmp(operation, others[i].operation) == 0) {
            struct bytes name = bytes_of_text(others[i].of);
            return auth_named(&auth, name, others[i].bits[0]) == STATUS_OK ||
                   auth_named(&auth, name, others[i].bits[1]) == STATUS_OK;
        }
    }
    fail_msg("the table names an operation nobody tests: %s", operation);
    return false;
}

/* By the table: does one line of the operation have all it needs? */
static bool is_expected(const char *operation, uint32_t in_record, uint32_t in_prefix)
{
    for (size_t i = 0; i < world.row_count; i++) {
        const struct row *row = &world.rows[i];
        if (strcmp(row->operation, operation) == 0 &&
            (row->in_record & in_record) == row->in_record &&
            (row->in_prefix & in_prefix) == row->in_prefix) {
            return true;
        }
    }
    return false;
}

static void try_case(const char *operation, uint32_t in_record, uint32_t in_prefix)
{
    arena_reset(world.store.arena);
    put_world(in_record, in_prefix, strcmp(operation, "overwrite-locked") == 0);
    bool expected = is_expected(operation, in_record, in_prefix);
    if (is_allowed(operation) != expected) {
        fail_msg("%s with %04x in the record and %04x in the prefix: %s", operation,
                 (unsigned)in_record, (unsigned)in_prefix, expected ? "refused" : "allowed");
    }
}

static void every_cell_of_the_table_is_as_it_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < world.row_count; i++) {
        const struct row *row = &world.rows[i];
        try_case(row->operation, row->in_record, row->in_prefix);
        try_case(row->operation, ALL, ALL);
        try_case(row->operation, 0, 0);
        for (unsigned bit = 0; bit < BITS; bit++) {
            uint32_t one = 1u << bit;
            try_case(row->operation, ALL & ~one, ALL);
            try_case(row->operation, ALL, ALL & ~one);
            try_case(row->operation, row->in_record & ~one, row->in_prefix);
            try_case(row->operation, row->in_record, row->in_prefix & ~one);
            try_case(row->operation, one, one);
        }
    }
}

/* --- references --------------------------------------------------------------------------------
 */

static bool refers(const char *handle, uint32_t index, const struct identity *who)
{
    arena_reset(world.store.arena);
    const struct value values[] = {admin_value(100, ALL, handle, index)};
    struct lookup found;
    fixture_put(&world.store, BYTES_LITERAL(RECORD), values, 1);
    struct auth auth;
    begin(&auth, who);
    find_record(&found);
    return auth_record(&auth, &found, 1) == STATUS_OK;
}

static struct identity person(const char *handle, uint32_t index, bool is_verified)
{
    return (struct identity){
        .handle = bytes_of_text(handle), .index = index, .is_verified = is_verified};
}

static void reference_when_compared_folds_as_its_prefix_does(void **state)
{
    (void)state;
    struct identity li = person("88.1000/User_li", 300, true);
    struct identity exact = person("88.2000/User_li", 300, true);
    struct identity foreign = person("99.9a/User_li", 300, true);
    struct identity bare = person("88.1000", 300, true);
    assert_true(refers("88.1000/USER_LI", 300, &li));
    assert_true(refers("88.2000/User_li", 300, &exact));
    assert_false(refers("88.2000/USER_LI", 300, &exact));
    assert_true(refers("99.9A/User_li", 300, &foreign));
    assert_false(refers("99.9a/USER_LI", 300, &foreign));
    assert_true(refers("0.na/88.1000", 300, &bare));
    assert_false(refers("88.1000/User_li2", 300, &li));
    assert_false(refers("", 300, &li));
}

static void index_zero_when_in_reference_is_any_and_in_claim_only_until_verified(void **state)
{
    (void)state;
    struct identity claimed = person(CALLER, 0, false);
    struct identity proved = person(CALLER, 301, true);
    struct identity never_known = person(CALLER, 0, true);
    assert_true(refers(CALLER, 0, &proved));
    assert_true(refers(CALLER, 300, &claimed));
    assert_false(refers(CALLER, 300, &proved));
    assert_false(refers(CALLER, 300, &never_known));
    assert_true(refers(CALLER, 0, &never_known));
}

static void bits_when_spread_over_two_values_do_not_add_up(void **state)
{
    (void)state;
    arena_reset(world.store.arena);
    struct value values[] = {admin_value(100, AUTH_ADD_VALUE, CALLER, 300),
                             admin_value(101, AUTH_ADD_ADMIN, CALLER, 300),
                             fixture_value(102, "HS_ADMIN", "", 0x0e)};
    struct identity who = person(CALLER, 300, true);
    struct lookup found;
    values[1].type = BYTES_LITERAL("HS_ADMIN.BACKUP");
    values[2].data = values[0].data;
    fixture_put(&world.store, BYTES_LITERAL(RECORD), values, 3);
    struct auth auth;
    begin(&auth, &who);
    find_record(&found);
    assert_int_equal(auth_record(&auth, &found, AUTH_ADD_VALUE), STATUS_OK);
    assert_int_equal(auth_record(&auth, &found, AUTH_ADD_ADMIN), STATUS_OK);
    assert_int_equal(auth_record(&auth, &found, AUTH_ADD_VALUE | AUTH_ADD_ADMIN),
                     STATUS_INVALID_ADMIN);
    assert_int_equal(auth_record(&auth, &found, 0), STATUS_OK);
}

static void group_when_it_gives_the_right_is_what_the_set_depends_on(void **state)
{
    (void)state;
    arena_reset(world.store.arena);
    const struct reference inner[] = {{BYTES_LITERAL(CALLER), 300}};
    const struct reference outer[] = {{BYTES_LITERAL("88.1000/none"), 200},
                                      {BYTES_LITERAL("88.1000/inner"), 200}};
    const struct value inner_values[] = {list_value(200, inner, 1)};
    const struct value outer_values[] = {list_value(200, outer, 2)};
    const struct value values[] = {admin_value(100, ALL, "88.1000/outer", 200)};
    struct identity who = person(CALLER, 300, true);
    struct lookup found;
    fixture_put(&world.store, BYTES_LITERAL("88.1000/inner"), inner_values, 1);
    fixture_put(&world.store, BYTES_LITERAL("88.1000/outer"), outer_values, 1);
    fixture_put(&world.store, BYTES_LITERAL(RECORD), values, 1);
    struct auth auth;
    begin(&auth, &who);
    find_record(&found);
    assert_int_equal(auth_record(&auth, &found, 1), STATUS_OK);
    assert_int_equal(auth.read_count, 2);
    struct change_set *set = fixture_set();
    assert_int_equal(change_set_delete_record(set, BYTES_LITERAL(RECORD)), STATUS_OK);
    assert_int_equal(auth_depend(&auth, set), STATUS_OK);
    assert_int_equal(change_set_prepare(set, world.store.snapshot, FIXTURE_NOW_MS), STATUS_OK);
    /* The caller leaves the group before the set is committed. */
    const struct value emptied[] = {list_value(200, inner, 0)};
    fixture_put(&world.store, BYTES_LITERAL("88.1000/inner"), emptied, 1);
    assert_int_equal(change_set_prepare(set, world.store.snapshot, FIXTURE_NOW_MS),
                     STATUS_CONFLICT);
    change_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_of_the_table_is_as_it_says),
        cmocka_unit_test(reference_when_compared_folds_as_its_prefix_does),
        cmocka_unit_test(index_zero_when_in_reference_is_any_and_in_claim_only_until_verified),
        cmocka_unit_test(bits_when_spread_over_two_values_do_not_add_up),
        cmocka_unit_test(group_when_it_gives_the_right_is_what_the_set_depends_on),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
