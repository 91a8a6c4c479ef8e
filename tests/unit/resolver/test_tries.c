/* SPDX-License-Identifier: Apache-2.0
 *
 * Tries a minute: counted by name and kind, anew with each minute.
 */
#include "resolver/tries.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NAME BYTES_LITERAL("88.1/u")

static void tries_of_a_minute_are_used_up_and_come_back(void **state)
{
    (void)state;
    struct tries *tries = tries_new(3);
    for (int i = 0; i < 5; i++) {
        assert_true(tries_take(tries, TRIES_WRONG_ANSWER, NAME, 5, 59999));
    }
    assert_false(tries_take(tries, TRIES_WRONG_ANSWER, NAME, 5, 59999));
    assert_true(tries_take(tries, TRIES_WRONG_ANSWER, NAME, 5, 60000));
    tries_free(tries);
}

static void names_and_kinds_are_counted_apart_but_not_case(void **state)
{
    (void)state;
    struct tries *tries = tries_new(3);
    assert_true(tries_take(tries, TRIES_WRONG_ANSWER, NAME, 1, 0));
    assert_false(tries_take(tries, TRIES_WRONG_ANSWER, BYTES_LITERAL("88.1/U"), 1, 0));
    assert_true(tries_take(tries, TRIES_ELSEWHERE, NAME, 1, 0));
    assert_true(tries_take(tries, TRIES_WRONG_ANSWER, BYTES_LITERAL("88.1/v"), 1, 0));
    tries_free(tries);
}

static void looking_whether_one_is_left_takes_none(void **state)
{
    (void)state;
    struct tries *tries = tries_new(3);
    for (int i = 0; i < 3; i++) {
        assert_true(tries_is_left(tries, TRIES_ELSEWHERE, NAME, 1, 0));
    }
    assert_true(tries_take(tries, TRIES_ELSEWHERE, NAME, 1, 0));
    assert_false(tries_is_left(tries, TRIES_ELSEWHERE, NAME, 1, 59999));
    assert_true(tries_is_left(tries, TRIES_ELSEWHERE, NAME, 1, 60000));
    tries_free(tries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tries_of_a_minute_are_used_up_and_come_back),
        cmocka_unit_test(names_and_kinds_are_counted_apart_but_not_case),
        cmocka_unit_test(looking_whether_one_is_left_takes_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
