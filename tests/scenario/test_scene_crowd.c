/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions to more servers at once than a worker can remember: none of them keeps others from
 * being asked.
 */
#include "tests/scenario/scene.h"

#include "protocol/body.h"
#include "protocol/opcode.h"
#include "resolver/upstream.h"

#define CROWD 300 /* more than server_health.c has entries */
#define PORT 2600 /* where nobody is */

struct crowd {
    struct scene *scene;
    struct metrics *metrics;
    struct upstream *upstream;
    struct upstream_call *calls[CROWD];
};

static void crowd_random(void *out, size_t len)
{
    memset(out, 7, len);
}

static void crowd_on_done(void *context, enum status status, const struct upstream_answer *answer)
{
    unsigned *done = context;
    (void)answer;
    assert_int_equal(status, STATUS_TIMED_OUT);
    (*done)++;
}

static int crowd_open(void **state)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    void *scene = NULL;
    assert_non_null(crowd);
    assert_int_equal(scene_open(&scene), 0);
    crowd->scene = scene;
    assert_int_equal(metrics_new(1, &crowd->metrics), STATUS_OK);
    const struct upstream_options options = {.net = crowd->scene->client_net,
                                             .metrics = metrics_slot(crowd->metrics, 0),
                                             .random = crowd_random};
    assert_int_equal(upstream_new(&options, &crowd->upstream), STATUS_OK);
    *state = crowd;
    return 0;
}

static int crowd_close(void **state)
{
    struct crowd *crowd = *state;
    void *scene = crowd->scene;
    upstream_free(crowd->upstream);
    metrics_free(crowd->metrics);
    free(crowd);
    return scene_close(&scene);
}

static enum status crowd_ask(struct crowd *crowd, unsigned number, unsigned *done)
{
    uint8_t room[64];
    struct wire_writer w = wire_write(room, sizeof(room));
    const struct body_resolution body = {.handle = BYTES_LITERAL("88.2/x")};
    body_resolution_encode(&w, &body);
    struct service_target target = {.transport = ASK_UDP, .version = {2, 11}};
    char ip[32];
    (void)snprintf(ip, sizeof(ip), "198.18.%u.%u", number / 256, number % 256);
    assert_int_equal(net_address_parse(ip, PORT, &target.address), STATUS_OK);
    const struct upstream_question question = {
        .opcode = OPCODE_RESOLUTION,
        .body = wire_wrote(&w),
        .targets = &target,
        .target_count = 1,
        .time_ms = 2000,
        .limits = {.questions = 1000, .per_server = 10, .hold_max_ms = 30000},
    };
    return upstream_ask(crowd->upstream, &question, crowd_on_done, done, &crowd->calls[number]);
}

static void server_is_asked_though_very_many_are_silent(void **state)
{
    struct crowd *crowd = *state;
    unsigned done = 0;
    for (unsigned i = 0; i < CROWD; i++) {
        assert_int_equal(crowd_ask(crowd, i, &done), STATUS_OK);
    }
    fake_world_advance(crowd->scene->world, 2100);
    assert_int_equal(done, CROWD);
    assert_int_equal(upstream_questions(crowd->upstream), 0);
    assert_int_equal(crowd_ask(crowd, 0, &done), STATUS_UNREACHABLE); /* left alone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(server_is_asked_though_very_many_are_silent, crowd_open,
                                        crowd_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
