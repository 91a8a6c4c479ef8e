/* SPDX-License-Identifier: Apache-2.0
 *
 * The committer: one commit without a thread, many threads with one, reading one's own writes.
 */
#include "store_fixture.h"

static void commit_now_with_a_new_record_makes_it_readable(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/Part", "http://a"), STATUS_OK);
    struct record_row row;
    assert_int_equal(fixture_get(&f, "88.1000/PART", &row), STATUS_OK);
    assert_int_equal(row.version, 1);
    assert_true(bytes_equal(row.handle, BYTES_LITERAL("88.1000/Part")));
    assert_true(bytes_equal(fixture_data(&row), BYTES_LITERAL("http://a")));
    fixture_verify(&f);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commit_now_with_a_new_record_makes_it_readable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
