/* SPDX-License-Identifier: Apache-2.0
 *
 * Digests: against a hand-made computation, and what they hide and bind.
 */
#include "tests/unit/registry/store_fixture.h"

#include "protocol/digest.h"
#include "registry/record_digest.h"

static struct bytes list(struct value *values, size_t count, uint8_t *room, size_t size)
{
    struct wire_writer w = wire_write(room, size);
    value_list_encode(&w, values, count);
    return wire_wrote(&w);
}

static void digest_of_a_record_is_as_specified(void **state)
{
    (void)state;
    struct value values[2] = {fixture_value(1, "public"), fixture_value(2, "private")};
    values[1].permissions = VALUE_ADMIN_READ;
    uint8_t room[512];
    struct bytes content = list(values, 2, room, sizeof(room));
    struct bytes key = bytes_of(fixture_key, sizeof(fixture_key));
    const struct record_digest_of of = {BYTES_LITERAL("88.1000/A"), 5, content};
    struct hasher *hasher = hasher_new();
    uint8_t got[32];
    assert_int_equal(record_digest(hasher, key, &of, got), STATUS_OK);
    hasher_free(hasher);

    uint8_t expected[2 * 32];
    uint8_t salt[32];
    size_t first = value_encoded_len(&values[0]);
    struct bytes encoded[2] = {bytes_of(room + 4, first), bytes_from(content, 4 + first)};
    assert_int_equal(digest_sha256(&encoded[0], 1, expected), STATUS_OK);
    const struct bytes salted[] = {of.key, BYTES_LITERAL("\0\0\0\0\0\0\0\5\0\0\0\2")};
    assert_int_equal(digest_hmac_sha256(key, salted, 2, salt), STATUS_OK);
    const struct bytes hidden[] = {bytes_of(salt, 32), encoded[1]};
    assert_int_equal(digest_sha256(hidden, 2, expected + 32), STATUS_OK);
    const struct bytes whole[] = {BYTES_LITERAL("\0\0\0\11"), of.key,
                                  BYTES_LITERAL("\0\0\0\0\0\0\0\5\0\0\0\2"),
                                  bytes_of(expected, 64)};
    uint8_t wanted[32];
    assert_int_equal(digest_sha256(whole, 4, wanted), STATUS_OK);
    assert_memory_equal(got, wanted, 32);
}

static void digest_of_a_private_value_needs_the_commitment_key(void **state)
{
    (void)state;
    struct value value = fixture_value(1, "x");
    uint8_t room[128];
    uint8_t out[32];
    struct hasher *hasher = hasher_new();
    struct record_digest_of of = {BYTES_LITERAL("88.1000/A"), 1,
                                  list(&value, 1, room, sizeof(room))};
    assert_int_equal(record_digest(hasher, BYTES_NONE, &of, out), STATUS_OK);
    value.type = BYTES_LITERAL("HS_SECKEY");
    of.content = list(&value, 1, room, sizeof(room));
    assert_int_equal(record_digest(hasher, BYTES_NONE, &of, out), STATUS_BAD_SETTING);
    hasher_free(hasher);
}

static void digest_of_a_list_that_lies_is_refused(void **state)
{
    (void)state;
    struct value value = fixture_value(1, "x");
    uint8_t room[128];
    uint8_t out[32];
    struct hasher *hasher = hasher_new();
    struct bytes good = list(&value, 1, room, sizeof(room));
    for (size_t len = 1; len < good.len; len++) {
        const struct record_digest_of of = {BYTES_LITERAL("88.1000/A"), 1, bytes_of(room, len)};
        assert_int_equal(record_digest(hasher, BYTES_NONE, &of, out), STATUS_CORRUPT);
    }
    hasher_free(hasher);
}

static void hash_of_an_item_binds_every_part(void **state)
{
    (void)state;
    struct hasher *hasher = hasher_new();
    const struct journal_item base = {
        JOURNAL_PUT, CHANGE_RECORD, JOURNAL_PUBLIC, BYTES_LITERAL("88.1000/A"), 1, {0}};
    struct journal_item variants[7];
    uint8_t hashes[7][32];
    for (int i = 0; i < 7; i++) {
        variants[i] = base;
    }
    variants[1].operation = JOURNAL_DELETE;
    variants[2].table = CHANGE_PREFIX;
    variants[3].class = JOURNAL_RESTRICTED;
    variants[4].key = BYTES_LITERAL("88.1000/B");
    variants[5].version = 2;
    variants[6].digest[31] = 1;
    for (int i = 0; i < 7; i++) {
        assert_int_equal(record_digest_item(hasher, &variants[i], hashes[i]), STATUS_OK);
        for (int j = 0; j < i; j++) {
            assert_memory_not_equal(hashes[i], hashes[j], 32);
        }
    }
    hasher_free(hasher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digest_of_a_record_is_as_specified),
        cmocka_unit_test(digest_of_a_private_value_needs_the_commitment_key),
        cmocka_unit_test(digest_of_a_list_that_lies_is_refused),
        cmocka_unit_test(hash_of_an_item_binds_every_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
