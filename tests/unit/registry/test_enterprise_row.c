/* SPDX-License-Identifier: Apache-2.0
 *
 * registry/enterprise_row.c: both formats there and back, damage, what no row may say, unique keys.
 */
#include "tests/unit/registry/enterprise_fixture.h"

#define ROOM 1024

static struct bytes content_of(const struct enterprise_row *row, uint8_t *room)
{
    struct wire_writer w = wire_write(room, ROOM);
    enterprise_row_content(&w, row);
    assert_false(w.failed);
    return wire_wrote(&w);
}

static struct bytes encode(const struct enterprise_row *row, uint8_t *room)
{
    uint8_t content_room[ROOM];
    struct bytes content = content_of(row, content_room);
    struct wire_writer w = wire_write(room, ROOM);
    enterprise_row_begin(&w, content);
    struct bytes encoded = wire_wrote(&w);
    assert_int_equal(encoded.len, enterprise_row_len(content));
    enterprise_row_seal(row, room, encoded.len);
    return encoded;
}

static struct enterprise_row full_row(char *room, size_t size)
{
    struct enterprise_row row =
        fixture_enterprise("E0000001", ENTERPRISE_SUSPENDED, fixture_dossier(7, room, size));
    row.version = 5;
    row.position = 6;
    row.created_ms = FIXTURE_NOW_MS;
    row.changed_ms = FIXTURE_NOW_MS + 1;
    row.review = ENTERPRISE_VERIFIED;
    row.pending = BYTES_LITERAL(
        "{\"org_crt_type\":\"2\",\"org_crt_code\":\"x\",\"ent_prefix\":\"88.608.7\"}");
    row.notes = BYTES_LITERAL("[]");
    return row;
}

static void own_row_when_decoded_is_what_was_encoded_in_format_1(void **state)
{
    (void)state;
    const struct enterprise_row before = {.id = BYTES_LITERAL("self"),
                                          .version = 5,
                                          .position = 6,
                                          .created_ms = FIXTURE_NOW_MS,
                                          .state = ENTERPRISE_ENABLED};
    uint8_t room[ROOM];
    struct bytes row = encode(&before, room);
    struct enterprise_row after;
    assert_int_equal(row.len, ENTERPRISE_OWN_LEN);
    assert_int_equal(row.data[0], 1);
    assert_int_equal(enterprise_row_decode(before.id, row, &after), STATUS_OK);
    assert_int_equal(after.version, 5);
    assert_int_equal(after.position, 6);
    assert_int_equal(after.created_ms, FIXTURE_NOW_MS);
    assert_int_equal(after.state, ENTERPRISE_ENABLED);
    assert_int_equal(after.content.len, 1);
    assert_int_equal(after.dossier.len, 0);
}

static void row_when_decoded_is_what_was_encoded(void **state)
{
    (void)state;
    char dossier[128];
    uint8_t room[ROOM];
    struct enterprise_row before = full_row(dossier, sizeof(dossier));
    struct enterprise_row after;
    struct bytes row = encode(&before, room);
    assert_int_equal(enterprise_row_decode(before.id, row, &after), STATUS_OK);
    assert_int_equal(after.version, before.version);
    assert_int_equal(after.position, before.position);
    assert_int_equal(after.created_ms, before.created_ms);
    assert_int_equal(after.changed_ms, before.changed_ms);
    assert_int_equal(after.state, ENTERPRISE_SUSPENDED);
    assert_int_equal(after.review, ENTERPRISE_VERIFIED);
    assert_int_equal(after.policy, ENTERPRISE_HOLD);
    assert_true(bytes_equal(after.dossier, before.dossier));
    assert_true(bytes_equal(after.pending, before.pending));
    assert_true(bytes_equal(after.notes, before.notes));
    assert_true(bytes_equal(after.reference, before.reference));
    assert_true(bytes_equal(after.confirmed_on, before.confirmed_on));
    assert_int_equal(enterprise_row_decode(BYTES_LITERAL("E0000002"), row, &after), STATUS_CORRUPT);
}

static void row_damaged_anywhere_or_cut_is_corrupt(void **state)
{
    (void)state;
    char dossier[128];
    uint8_t room[ROOM];
    struct enterprise_row before = full_row(dossier, sizeof(dossier));
    struct enterprise_row after;
    struct bytes row = encode(&before, room);
    for (size_t i = 0; i < row.len * 8; i++) {
        room[i / 8] ^= (uint8_t)(1u << i % 8);
        assert_int_equal(enterprise_row_decode(before.id, row, &after), STATUS_CORRUPT);
        room[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t len = 0; len < row.len; len++) {
        assert_int_equal(enterprise_row_decode(before.id, bytes_of(room, len), &after),
                         STATUS_CORRUPT);
    }
}

static void assert_refused(const struct enterprise_row *row)
{
    uint8_t room[ROOM];
    struct enterprise_row read;
    struct fault fault = {0};
    struct bytes content = content_of(row, room);
    assert_int_equal(enterprise_row_read_content(content, &read, &fault), STATUS_INVALID_VALUE);
    assert_true(fault.text[0] != '\0');
}

static void content_that_no_enterprise_may_have_is_refused(void **state)
{
    (void)state;
    char dossier[128];
    const struct enterprise_row sound = full_row(dossier, sizeof(dossier));
    struct enterprise_row row = sound;
    row.state = (enum enterprise_state)11;
    assert_refused(&row);
    row = sound;
    row.reference = BYTES_NONE;
    row.confirmed_on = BYTES_NONE;
    assert_refused(&row); /* enabled without the top node's answer */
    row = sound;
    row.confirmed_on = BYTES_LITERAL("2026-1-210");
    assert_refused(&row);
    row = sound;
    row.policy = ENTERPRISE_POLICY_NONE;
    assert_refused(&row);
    row = sound;
    row.state = ENTERPRISE_ENABLED;
    assert_refused(&row); /* with an answer policy */
    row = sound;
    row.review = ENTERPRISE_NONE;
    assert_refused(&row); /* a change that nobody reviews */
    row = sound;
    row.review = ENTERPRISE_APPROVED;
    assert_refused(&row);
    row = sound;
    row.notes = BYTES_LITERAL("{}");
    assert_refused(&row);
    row = sound;
    row.dossier = BYTES_LITERAL("[]");
    assert_refused(&row);
}

static size_t uniques(const struct enterprise_row *row)
{
    struct enterprise_uniques found;
    assert_int_equal(enterprise_uniques_of(row, &found), STATUS_OK);
    return found.count;
}

static void uniques_of_a_row_are_credential_and_prefix_of_dossier_and_change(void **state)
{
    (void)state;
    char dossier[128];
    struct enterprise_row row = full_row(dossier, sizeof(dossier));
    assert_int_equal(uniques(&row), 3); /* the prefix is the same */
    row.review = ENTERPRISE_REJECTED;
    assert_int_equal(uniques(&row), 2);
    row.state = ENTERPRISE_CANCELLED;
    assert_int_equal(uniques(&row), 1); /* the prefix stays its own */
    row.reference = BYTES_NONE;
    assert_int_equal(uniques(&row), 0); /* it was never given one */
}

static void credential_key_is_told_apart_by_type_and_not_by_case(void **state)
{
    (void)state;
    struct store_key one;
    struct store_key other;
    assert_int_equal(enterprise_credential_key(1, BYTES_LITERAL("ab"), &one), STATUS_OK);
    assert_int_equal(enterprise_credential_key(1, BYTES_LITERAL("AB"), &other), STATUS_OK);
    assert_true(bytes_equal(keys_bytes(&one), keys_bytes(&other)));
    assert_int_equal(enterprise_credential_key(2, BYTES_LITERAL("AB"), &other), STATUS_OK);
    assert_false(bytes_equal(keys_bytes(&one), keys_bytes(&other)));
    assert_int_equal(enterprise_credential_key(0, BYTES_LITERAL("AB"), &other),
                     STATUS_INVALID_VALUE);
    assert_int_equal(enterprise_credential_key(1, BYTES_NONE, &other), STATUS_INVALID_VALUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_row_when_decoded_is_what_was_encoded_in_format_1),
        cmocka_unit_test(row_when_decoded_is_what_was_encoded),
        cmocka_unit_test(row_damaged_anywhere_or_cut_is_corrupt),
        cmocka_unit_test(content_that_no_enterprise_may_have_is_refused),
        cmocka_unit_test(uniques_of_a_row_are_credential_and_prefix_of_dossier_and_change),
        cmocka_unit_test(credential_key_is_told_apart_by_type_and_not_by_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
