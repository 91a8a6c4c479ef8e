/* SPDX-License-Identifier: Apache-2.0
 *
 * A change set over the control socket: everything asked arrives; nothing malformed does.
 */
#include "tests/unit/registry/store_fixture.h"

static struct change_set *sample(void)
{
    struct change_set *set = fixture_set(CHANGE_PER_ITEM);
    struct prefix_row row = fixture_prefix("88.1000");
    row.max_identifiers = 77;
    row.case_rule = CASE_SENSITIVE;
    assert_int_equal(change_set_put_prefix(set, &row, CHANGE_CREATE, NULL), STATUS_OK);
    assert_int_equal(fixture_add(set, "88.1000/a", "http://a", CHANGE_CREATE), STATUS_OK);
    assert_int_equal(fixture_add(set, "88.1000/b", "http://b", CHANGE_REPLACE), STATUS_OK);
    assert_int_equal(change_set_delete_record(set, BYTES_LITERAL("88.1000/c")), STATUS_OK);
    assert_int_equal(
        change_set_audit(set, "record.put", BYTES_LITERAL("88.1000/a"), BYTES_LITERAL("by hand")),
        STATUS_OK);
    assert_int_equal(change_set_depends(set, CHANGE_PREFIX, BYTES_LITERAL("88.1000"), 0),
                     STATUS_OK);
    return set;
}

static struct bytes encode(const struct change_set *set, uint8_t *room, size_t size)
{
    struct wire_writer w = wire_write(room, size);
    assert_int_equal(change_set_encode(set, &w), STATUS_OK);
    return wire_wrote(&w);
}

static enum status decode(struct bytes encoded, struct change_set **out)
{
    return change_set_decode(encoded, BYTES_LITERAL("uid:1(li)"), BYTES_LITERAL("control"), out);
}

static void set_when_decoded_asks_for_the_same(void **state)
{
    (void)state;
    uint8_t first[1024];
    uint8_t second[1024];
    struct change_set *before = sample();
    struct change_set *after = NULL;
    struct bytes encoded = encode(before, first, sizeof(first));
    assert_int_equal(encoded.len, change_set_encoded_len(before));
    assert_int_equal(decode(encoded, &after), STATUS_OK);
    assert_int_equal(change_set_count(after), 5);
    assert_true(bytes_equal(encode(after, second, sizeof(second)), encoded));
    change_set_free(before);
    change_set_free(after);
}

static void set_when_decoded_commits_like_the_original(void **state)
{
    (void)state;
    struct fixture f;
    struct record_row row;
    uint8_t room[1024];
    fixture_begin(&f);
    struct change_set *before = sample();
    struct change_set *after = NULL;
    assert_int_equal(decode(encode(before, room, sizeof(room)), &after), STATUS_OK);
    change_set_free(before);
    assert_int_equal(committer_commit_now(f.registry, f.snapshot, after, f.now_ms), STATUS_OK);
    assert_int_equal(change_set_item_status(after, 3), STATUS_HANDLE_NOT_FOUND);
    change_set_free(after);
    assert_int_equal(
        registry_get_record(f.snapshot, BYTES_LITERAL("88.1000/a"), CASE_SENSITIVE, &row),
        STATUS_OK);
    struct journal_set head;
    assert_int_equal(journal_head(f.snapshot, &head), STATUS_OK);
    assert_true(bytes_equal(head.actor, BYTES_LITERAL("uid:1(li)")));
    assert_true(bytes_equal(head.origin, BYTES_LITERAL("control")));
    fixture_verify(&f);
    fixture_end(&f);
}

static void set_cut_or_extended_is_refused(void **state)
{
    (void)state;
    uint8_t room[1025];
    struct change_set *set = sample();
    struct bytes encoded = encode(set, room, 1024);
    change_set_free(set);
    for (size_t len = 0; len < encoded.len; len++) {
        assert_int_equal(decode(bytes_of(room, len), &set), STATUS_PROTOCOL_ERROR);
    }
    room[encoded.len] = 0;
    assert_int_equal(decode(bytes_of(room, encoded.len + 1), &set), STATUS_PROTOCOL_ERROR);
}

/* No particular outcome, but a set that decodes encodes again to what it was read from. */
static void set_with_any_byte_changed_decodes_to_itself_or_not_at_all(void **state)
{
    (void)state;
    uint8_t room[1024];
    uint8_t again[1024];
    struct change_set *set = sample();
    struct bytes encoded = encode(set, room, sizeof(room));
    change_set_free(set);
    size_t refused = 0;
    for (size_t i = 0; i < encoded.len; i++) {
        for (unsigned flip = 1; flip < 256; flip <<= 1) {
            room[i] ^= (uint8_t)flip;
            if (decode(encoded, &set) == STATUS_OK) {
                size_t len = encode(set, again, sizeof(again)).len;
                assert_int_equal(len, encoded.len);
                change_set_free(set);
            } else {
                refused++;
            }
            room[i] ^= (uint8_t)flip;
        }
    }
    assert_true(refused > encoded.len);
}

static void set_that_does_not_fit_its_buffer_has_no_room(void **state)
{
    (void)state;
    uint8_t room[64];
    struct change_set *set = sample();
    struct wire_writer w = wire_write(room, sizeof(room));
    assert_int_equal(change_set_encode(set, &w), STATUS_NO_ROOM);
    change_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_when_decoded_asks_for_the_same),
        cmocka_unit_test(set_when_decoded_commits_like_the_original),
        cmocka_unit_test(set_cut_or_extended_is_refused),
        cmocka_unit_test(set_with_any_byte_changed_decodes_to_itself_or_not_at_all),
        cmocka_unit_test(set_that_does_not_fit_its_buffer_has_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
