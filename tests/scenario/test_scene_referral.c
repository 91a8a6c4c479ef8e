/* SPDX-License-Identifier: Apache-2.0
 *
 * Prefixes and names that a record of ours says others keep: whom they are resolved for, and in
 * which form everybody else is told.
 */
#include "tests/scenario/scene_upstream.h"

#define OLD ((struct message_version){2, 9})
#define NEW ((struct message_version){2, 11})

static int open_delegating(void **state)
{
    assert_int_equal(upstream_open(state), 0);
    struct upstream_scene *up = *state;
    uint8_t room[1024];
    struct value value = fixture_value(1, "HS_SITE.PREFIX", "", 0x0e);
    value.data = upstream_site(up, room);
    fixture_home(&up->scene->store, "88.2", PREFIX_ACTIVE, CASE_INSENSITIVE);
    fixture_put(&up->scene->store, BYTES_LITERAL("0.NA/88.2"), &value, 1);
    snapshot_rest(up->scene->store.snapshot);
    return 0;
}

/* The answer's code; its body, without digest, where it is a referral. */
static uint32_t ask_as(struct upstream_scene *up, const char *handle,
                       struct message_version version, uint32_t flags,
                       struct body_referral *out_referral)
{
    struct scene *scene = up->scene;
    struct bytes packet = scene_request(scene, handle, 0, 5);
    scene->store.request[2] = version.major;
    scene->store.request[3] = version.minor;
    wire_store_u32(scene->store.request + MESSAGE_ENVELOPE_LEN + 8, flags | MESSAGE_PUBLIC_ONLY);
    struct scene_tcp *tcp = scene_tcp_open(scene);
    assert_int_equal(scene_tcp_send(tcp, packet), packet.len);
    fake_world_run(scene->world);
    fake_world_advance(scene->world, 1000);
    struct message answer;
    struct bytes kept = arena_copy(scene->kept, scene_tcp_next(tcp));
    assert_int_equal(message_decode(kept, &answer), STATUS_OK);
    if (out_referral != NULL) {
        assert_int_equal(body_referral_decode(answer.body, scene->kept, out_referral), STATUS_OK);
    }
    scene_tcp_close(tcp);
    fake_world_run(scene->world);
    return answer.header.response_code;
}

static void derived_prefix_is_referred_to_its_keeper(void **state)
{
    struct upstream_scene *up = *state;
    struct body_referral referral;
    assert_int_equal(ask_as(up, "0.NA/88.2.7", NEW, MESSAGE_RECURSIVE, &referral), 303);
    assert_int_equal(referral.handle.len, 0);
    assert_int_equal(referral.count, 1);
    assert_true(bytes_equal(referral.values[0].type, BYTES_LITERAL("HS_SITE.PREFIX")));
    assert_int_equal(upstream_questions_of(up, FIRST) + upstream_questions_of(up, TOP), 0);
}

static void derived_prefix_is_resolved_for_whom_does_not_know_such_referrals(void **state)
{
    struct upstream_scene *up = *state;
    assert_int_equal(ask_as(up, "0.NA/88.2.7", OLD, 0, NULL), 1);
    assert_int_equal(upstream_questions_of(up, FIRST), 1);
    assert_int_equal(up->peers[FIRST].last_count, 1);
    assert_int_equal(upstream_questions_of(up, TOP), 0);
}

static void other_prefixes_are_resolved_for_nobody_who_does_not_ask_for_it(void **state)
{
    struct upstream_scene *up = *state;
    assert_int_equal(ask_as(up, "0.NA/88.9", OLD, 0, NULL), 301);
    assert_int_equal(ask_as(up, "88.9/x", OLD, 0, NULL), 301);
    assert_int_equal(ask_as(up, "0.NA/88.2.7", OLD, MESSAGE_DO_NOT_REFER, NULL), 100);
    assert_int_equal(upstream_questions_of(up, TOP) + upstream_questions_of(up, FIRST), 0);
}

static void derived_prefix_is_not_resolved_for_strangers(void **state)
{
    struct upstream_scene *up = *state;
    up->upward->network_count = 0;
    assert_int_equal(ask_as(up, "0.NA/88.2.7", OLD, MESSAGE_RECURSIVE, NULL), 301);
    assert_int_equal(ask_as(up, "0.NA/88.2.7", NEW, MESSAGE_RECURSIVE, NULL), 303);
    assert_int_equal(upstream_questions_of(up, FIRST), 0);
}

static void name_of_a_derived_prefix_is_found_where_its_keeper_says(void **state)
{
    struct upstream_scene *up = *state;
    assert_int_equal(ask_as(up, "88.2.7/x", NEW, MESSAGE_RECURSIVE, NULL), 1);
    assert_int_equal(upstream_questions_of(up, TOP), 0);
    assert_int_equal(upstream_questions_of(up, FIRST) + upstream_questions_of(up, SECOND), 2);
}

static void name_of_a_derived_prefix_is_referred_to_the_record_of_its_prefix(void **state)
{
    struct upstream_scene *up = *state;
    struct body_referral referral;
    assert_int_equal(ask_as(up, "88.2.7/x", NEW, 0, &referral), 302);
    assert_true(bytes_equal(referral.handle, BYTES_LITERAL("0.NA/88.2.7")));
    assert_int_equal(referral.count, 0);
    assert_int_equal(ask_as(up, "88.2.7/x", NEW, MESSAGE_DO_NOT_REFER, NULL), 301);
    assert_int_equal(upstream_questions_of(up, FIRST), 0);
}

static void keeper_that_does_not_know_it_ends_the_walk(void **state)
{
    struct upstream_scene *up = *state;
    up->peers[FIRST].mode = PEER_NOT_RESPONSIBLE;
    assert_int_equal(ask_as(up, "0.NA/88.2.7", OLD, 0, NULL), 2);
    up->peers[FIRST].mode = PEER_REFERS_TO_ITSELF;
    assert_int_equal(ask_as(up, "0.NA/88.2.8", OLD, 0, NULL), 6);
    assert_true(upstream_questions_of(up, FIRST) <= 2 + FORWARD_COUNT_MAX);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_delegating, upstream_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(derived_prefix_is_referred_to_its_keeper),
        CASE(derived_prefix_is_resolved_for_whom_does_not_know_such_referrals),
        CASE(other_prefixes_are_resolved_for_nobody_who_does_not_ask_for_it),
        CASE(derived_prefix_is_not_resolved_for_strangers),
        CASE(name_of_a_derived_prefix_is_found_where_its_keeper_says),
        CASE(name_of_a_derived_prefix_is_referred_to_the_record_of_its_prefix),
        CASE(keeper_that_does_not_know_it_ends_the_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
