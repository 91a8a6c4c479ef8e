/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of several servers is asked: those that names stand for, and quick ones rather than slow
 * ones.
 */
#include "tests/scenario/scene_upstream.h"

#define NAME "88.2/x"

static int open_with(void **state, const char *servers)
{
    char yaml[512];
    (void)snprintf(yaml, sizeof(yaml),
                   "node:\n  prefix: '88.1'\nlimits:\n  trusted_networks: [127.0.0.0/8]\n"
                   "upstream:\n  private_services: [127.0.0.0/8]\n  servers: [%s]\n",
                   servers);
    return upstream_open_all(state, yaml, false);
}

/* --- names ------------------------------------------------------------------------------------ */

static int open_named(void **state)
{
    return open_with(state, "'127.0.0.7.test:2650'");
}

static void name_with_a_port_is_looked_up(void **state)
{
    struct upstream_scene *up = *state;
    assert_int_equal(upstream_ask(up, NAME, 100), 1);
    assert_int_equal(upstream_questions_of(up, TOP), 1);
}

static int open_offered(void **state)
{
    return open_with(state, "peers.test");
}

static void service_records_tell_port_and_order(void **state)
{
    struct upstream_scene *up = *state;
    for (unsigned i = 0; i < 5; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "0.NA/88.2%u", i);
        assert_int_equal(upstream_ask(up, name, 100), 1);
    }
    assert_int_equal(upstream_questions_of(up, FIRST), 5);
    assert_int_equal(upstream_questions_of(up, TOP), 0);
}

static void service_of_lower_rank_is_asked_when_the_first_is_silent(void **state)
{
    struct upstream_scene *up = *state;
    up->peers[FIRST].mode = PEER_MUTE;
    assert_int_equal(upstream_ask(up, "0.NA/88.2", 3000), 1);
    assert_true(upstream_questions_of(up, FIRST) > 0);
    assert_int_equal(upstream_questions_of(up, TOP), 1);
}

static int open_unoffered(void **state)
{
    return open_with(state, "none.test");
}

static void service_that_nobody_offers_is_asked_of_nobody(void **state)
{
    struct upstream_scene *up = *state;
    assert_int_equal(upstream_ask(up, NAME, 5000), 3);
    assert_int_equal(scene_count(up->scene, METRIC_upstream_questions), 0);
}

static int open_unnamed(void **state)
{
    return open_with(state, "'127.0.0.7.test', 'nowhere.example:2650'");
}

/* At the registered port the scene's other worker listens, which is responsible for nothing. */
static void name_without_port_and_records_stands_for_the_registered_port(void **state)
{
    struct upstream_scene *up = *state;
    assert_int_equal(SCENE_PORT, 2641);
    assert_int_equal(upstream_ask(up, NAME, 5000), 2);
    assert_true(scene_count(up->scene, METRIC_upstream_questions) > 0);
    assert_int_equal(upstream_questions_of(up, TOP), 0);
}

/* --- slow ones -------------------------------------------------------------------------------- */

static void slow_server_is_not_waited_for_while_another_is_quick(void **state)
{
    struct upstream_scene *up = *state;
    up->peers[FIRST].mode = PEER_SLOW;
    up->peers[FIRST].slow_ms = 3000;
    assert_int_equal(upstream_ask(up, NAME, 600), 1);
    assert_true(upstream_questions_of(up, FIRST) > 0);
    assert_int_equal(upstream_questions_of(up, SECOND), 1);
    fake_world_advance(up->scene->world, 5000);
    unsigned before = upstream_questions_of(up, FIRST);
    assert_int_equal(upstream_ask(up, "88.2/y", 50), 1); /* who was quick is asked first */
    assert_int_equal(upstream_questions_of(up, FIRST), before);
}

static void slow_answer_is_taken_when_nobody_is_quicker(void **state)
{
    struct upstream_scene *up = *state;
    up->peers[FIRST].mode = PEER_SLOW;
    up->peers[FIRST].slow_ms = 1300;
    up->peers[SECOND].mode = PEER_MUTE;
    up->peers[TOP].mode = PEER_SLOW;
    up->peers[TOP].slow_ms = 1300;
    assert_int_equal(upstream_ask(up, NAME, 3500), 1);
    assert_int_equal(scene_count(up->scene, METRIC_upstream_under_way), 0);
}

static void answer_that_comes_too_late_is_nobodys(void **state)
{
    struct upstream_scene *up = *state;
    for (size_t i = 0; i < PEERS; i++) {
        up->peers[i].mode = PEER_SLOW;
        up->peers[i].slow_ms = 6000;
    }
    net_listener_close(up->peers[TOP].listener);
    up->peers[TOP].listener = NULL;
    assert_int_equal(upstream_ask(up, NAME, 5000), 3);
    fake_world_advance(up->scene->world, 10000);
    assert_int_equal(scene_count(up->scene, METRIC_parked), 0);
    assert_int_equal(upstream_questions_of(up, FIRST) + upstream_questions_of(up, SECOND), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(name_with_a_port_is_looked_up, open_named, upstream_close),
        cmocka_unit_test_setup_teardown(service_records_tell_port_and_order, open_offered,
                                        upstream_close),
        cmocka_unit_test_setup_teardown(service_of_lower_rank_is_asked_when_the_first_is_silent,
                                        open_offered, upstream_close),
        cmocka_unit_test_setup_teardown(service_that_nobody_offers_is_asked_of_nobody,
                                        open_unoffered, upstream_close),
        cmocka_unit_test_setup_teardown(
            name_without_port_and_records_stands_for_the_registered_port, open_unnamed,
            upstream_close),
        cmocka_unit_test_setup_teardown(slow_server_is_not_waited_for_while_another_is_quick,
                                        upstream_open, upstream_close),
        cmocka_unit_test_setup_teardown(slow_answer_is_taken_when_nobody_is_quicker, upstream_open,
                                        upstream_close),
        cmocka_unit_test_setup_teardown(answer_that_comes_too_late_is_nobodys, upstream_open,
                                        upstream_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
