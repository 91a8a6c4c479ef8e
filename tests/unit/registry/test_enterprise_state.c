/* SPDX-License-Identifier: Apache-2.0
 *
 * registry/enterprise_state.c: every act in every state.
 */
#include "registry/enterprise_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* What becomes of a state by an act, "" when it may not be done: drafted, submitted, ... */
struct expected {
    enum enterprise_state from;
    const char *to[ENTERPRISE_ACTS];
};

static void act_in_each_state_leads_where_the_rules_say(void **state)
{
    (void)state;
    static const struct expected rows[] = {
        {ENTERPRISE_DRAFTED,
         {[ENTERPRISE_SUBMIT] = "submitted", [ENTERPRISE_REMOVE] = "cancelled"}},
        {ENTERPRISE_SUBMITTED,
         {[ENTERPRISE_VERIFY] = "verified",
          [ENTERPRISE_REJECT] = "rejected",
          [ENTERPRISE_REMOVE] = "cancelled"}},
        {ENTERPRISE_VERIFIED,
         {[ENTERPRISE_REVIEW] = "in-review",
          [ENTERPRISE_APPROVE] = "approved",
          [ENTERPRISE_REJECT] = "rejected",
          [ENTERPRISE_REMOVE] = "cancelled"}},
        {ENTERPRISE_IN_REVIEW,
         {[ENTERPRISE_APPROVE] = "approved",
          [ENTERPRISE_REJECT] = "rejected",
          [ENTERPRISE_REMOVE] = "cancelled"}},
        {ENTERPRISE_REJECTED,
         {[ENTERPRISE_SUBMIT] = "submitted", [ENTERPRISE_REMOVE] = "cancelled"}},
        {ENTERPRISE_APPROVED,
         {[ENTERPRISE_CONFIRM] = "enabled",
          [ENTERPRISE_REFUSE] = "rejected",
          [ENTERPRISE_REMOVE] = "cancelled"}},
        {ENTERPRISE_ENABLED,
         {[ENTERPRISE_SUSPEND] = "suspended", [ENTERPRISE_CANCEL] = "to-delete"}},
        {ENTERPRISE_SUSPENDED,
         {[ENTERPRISE_SUSPEND] = "suspended",
          [ENTERPRISE_RESUME] = "enabled",
          [ENTERPRISE_CANCEL] = "to-delete"}},
        {ENTERPRISE_TO_DELETE,
         {[ENTERPRISE_RESUME] = "enabled", [ENTERPRISE_REMOVE] = "cancelled"}},
        {ENTERPRISE_CANCELLED, {NULL}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int act = 0; act < ENTERPRISE_ACTS; act++) {
            enum enterprise_state to = ENTERPRISE_NONE;
            bool may = enterprise_state_step(rows[i].from, (enum enterprise_act)act, &to);
            const char *wanted = rows[i].to[act];
            assert_int_equal(may, wanted != NULL);
            if (may) {
                assert_string_equal(enterprise_state_word(to), wanted);
            }
        }
    }
}

static void enabled_is_reached_by_confirmation_and_by_those_who_were_confirmed(void **state)
{
    (void)state;
    for (int from = ENTERPRISE_NONE; from <= ENTERPRISE_CANCELLED; from++) {
        bool may = from == ENTERPRISE_ENABLED || from == ENTERPRISE_APPROVED ||
                   from == ENTERPRISE_SUSPENDED || from == ENTERPRISE_TO_DELETE;
        assert_int_equal(
            enterprise_state_may_become((enum enterprise_state)from, ENTERPRISE_ENABLED), may);
    }
}

static void cancelled_when_it_is_once_leads_nowhere(void **state)
{
    (void)state;
    for (int to = ENTERPRISE_ENABLED; to < ENTERPRISE_CANCELLED; to++) {
        assert_false(enterprise_state_may_become(ENTERPRISE_CANCELLED, (enum enterprise_state)to));
    }
    assert_true(enterprise_state_may_become(ENTERPRISE_CANCELLED, ENTERPRISE_CANCELLED));
}

static void change_under_review_walks_from_submitted_and_ends_at_any_time(void **state)
{
    (void)state;
    assert_true(enterprise_state_review_may_become(ENTERPRISE_NONE, ENTERPRISE_SUBMITTED));
    assert_false(enterprise_state_review_may_become(ENTERPRISE_NONE, ENTERPRISE_VERIFIED));
    assert_true(enterprise_state_review_may_become(ENTERPRISE_SUBMITTED, ENTERPRISE_VERIFIED));
    assert_true(enterprise_state_review_may_become(ENTERPRISE_VERIFIED, ENTERPRISE_NONE));
    assert_true(enterprise_state_review_may_become(ENTERPRISE_REJECTED, ENTERPRISE_SUBMITTED));
    assert_false(enterprise_state_review_may_become(ENTERPRISE_IN_REVIEW, ENTERPRISE_APPROVED));
    assert_false(enterprise_state_review_may_become(ENTERPRISE_SUBMITTED, ENTERPRISE_IN_REVIEW));
}

static void state_has_the_number_that_the_national_interfaces_know(void **state)
{
    (void)state;
    assert_int_equal(enterprise_state_national(ENTERPRISE_SUSPENDED), 0);
    assert_int_equal(enterprise_state_national(ENTERPRISE_ENABLED), 1);
    assert_int_equal(enterprise_state_national(ENTERPRISE_TO_DELETE), 2);
    assert_int_equal(enterprise_state_national(ENTERPRISE_REJECTED), 3);
    assert_int_equal(enterprise_state_national(ENTERPRISE_SUBMITTED), 4);
    assert_int_equal(enterprise_state_national(ENTERPRISE_IN_REVIEW), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(act_in_each_state_leads_where_the_rules_say),
        cmocka_unit_test(enabled_is_reached_by_confirmation_and_by_those_who_were_confirmed),
        cmocka_unit_test(cancelled_when_it_is_once_leads_nowhere),
        cmocka_unit_test(change_under_review_walks_from_submitted_and_ends_at_any_time),
        cmocka_unit_test(state_has_the_number_that_the_national_interfaces_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
