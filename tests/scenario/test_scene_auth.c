/* SPDX-License-Identifier: Apache-2.0
 *
 * Challenges and their answers at a worker: logins, single use, expiry, repetition, whose they are.
 */
#include "tests/scenario/scene_auth.h"

#define CASE(name) cmocka_unit_test_setup_teardown(name, scene_auth_open, scene_close)
#define NATIONAL ((struct message_version){2, 3})
#define CURRENT ((struct message_version){0})

static struct message challenge(struct scene *scene, struct scene_tcp *tcp)
{
    struct message challenged = scene_exchange(scene, tcp, scene_login(1, CURRENT));
    assert_int_equal(challenged.header.response_code, 402);
    assert_int_equal(challenged.header.opcode, OPCODE_LOGIN);
    return challenged;
}

static uint32_t code_of(struct scene *scene, struct scene_tcp *tcp, struct bytes packet)
{
    return scene_exchange(scene, tcp, packet).header.response_code;
}

static void login_with_right_key_is_answered_as_login(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct message challenged = challenge(scene, tcp);
    struct scene_answer with = scene_as_admin(77);
    struct message answer = scene_exchange(scene, tcp, scene_answer(&challenged, &with));
    assert_int_equal(answer.header.response_code, 1);
    assert_int_equal(answer.header.opcode, OPCODE_LOGIN);
    assert_int_equal(answer.envelope.request_id, 77);
    assert_int_equal(answer.envelope.session_id, 0);
    assert_int_equal(scene_count(scene, METRIC_logins), 1);
    assert_int_equal(scene_count(scene, METRIC_parked), 0);
    scene_tcp_close(tcp);
}

static void login_of_another_identity_is_refused(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct message challenged = challenge(scene, tcp);
    struct scene_answer with = {.secret = SCENE_SECRET, .handle = SCENE_ADMIN, .index = 302};
    assert_int_equal(code_of(scene, tcp, scene_answer(&challenged, &with)), 403);
    assert_int_equal(scene_count(scene, METRIC_logins), 0);
    scene_tcp_close(tcp);
}

static void answer_with_wrong_key_uses_the_challenge_up(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct message challenged = challenge(scene, tcp);
    struct scene_answer with = scene_as_admin(2);
    with.key_file = "userpriv.pem";
    assert_int_equal(code_of(scene, tcp, scene_answer(&challenged, &with)), 403);
    with = scene_as_admin(3);
    assert_int_equal(code_of(scene, tcp, scene_answer(&challenged, &with)), 405);
    assert_int_equal(scene_count(scene, METRIC_authentication_failed), 1);
    scene_tcp_close(tcp);
}

static void answer_on_another_connection_is_taken(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *first = scene_tcp_open(scene);
    struct message challenged = challenge(scene, first);
    struct scene_tcp *second = scene_tcp_open(scene);
    struct scene_answer with = scene_as_admin(2);
    assert_int_equal(code_of(scene, second, scene_answer(&challenged, &with)), 1);
    scene_tcp_close(first);
    scene_tcp_close(second);
}

static void answer_after_a_minute_is_too_late(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct message challenged = challenge(scene, tcp);
    fake_world_advance(scene->world, scene->settings->auth_challenge_time);
    struct scene_answer with = scene_as_admin(2);
    assert_int_equal(code_of(scene, tcp, scene_answer(&challenged, &with)), 405);
    scene_tcp_close(tcp);
}

static void answer_just_in_time_is_taken(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct message challenged = challenge(scene, tcp);
    fake_world_advance(scene->world, scene->settings->auth_challenge_time - 1);
    struct scene_answer with = scene_as_admin(2);
    assert_int_equal(code_of(scene, tcp, scene_answer(&challenged, &with)), 1);
    scene_tcp_close(tcp);
}

static void answer_sent_again_gets_the_first_answer_for_ten_seconds(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct scene_tcp *other = scene_tcp_open(scene);
    struct message challenged = challenge(scene, tcp);
    struct scene_answer with = scene_as_admin(2);
    struct bytes packet = scene_copy(scene, scene_answer(&challenged, &with));
    struct message first = scene_exchange(scene, tcp, packet);
    struct message again = scene_exchange(scene, other, packet);
    assert_int_equal(first.header.response_code, 1);
    assert_true(bytes_equal(first.digested, again.digested));
    assert_int_equal(scene_count(scene, METRIC_authenticated), 1);
    assert_int_equal(scene_count(scene, METRIC_repeated), 1);
    fake_world_advance(scene->world, 10000);
    assert_int_equal(code_of(scene, tcp, packet), 405);
    scene_tcp_close(tcp);
    scene_tcp_close(other);
}

static void every_altered_byte_of_an_answer_is_refused(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    size_t refused = 0;
    for (size_t at = MESSAGE_ENVELOPE_LEN + MESSAGE_HEADER_LEN;; at += 7) {
        struct message challenged = challenge(scene, tcp);
        struct scene_answer with = scene_as_admin(2);
        struct bytes packet = scene_copy(scene, scene_answer(&challenged, &with));
        if (at >= packet.len - 4) {
            break;
        }
        ((uint8_t *)(uintptr_t)packet.data)[at] ^= 0x15;
        struct message answer = scene_exchange(scene, tcp, packet);
        assert_int_not_equal(answer.header.response_code, 1);
        refused++;
    }
    assert_true(refused > 30);
    assert_int_equal(scene_count(scene, METRIC_logins), 0);
    scene_tcp_close(tcp);
}

static void secret_key_logs_in_when_it_is_the_one_named(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    uint8_t room[256];
    struct wire_writer w = wire_write(room, sizeof(room));
    struct reference identity = {.handle = BYTES_LITERAL(SCENE_ADMIN), .index = 302};
    body_login_encode(&w, &identity);
    struct scene_ask ask = {.opcode = OPCODE_LOGIN, .request_id = 1, .body = wire_wrote(&w)};
    struct message challenged = scene_exchange(scene, tcp, scene_packet(&ask));
    struct scene_answer with = {.secret = SCENE_SECRET, .handle = SCENE_ADMIN, .index = 302};
    assert_int_equal(code_of(scene, tcp, scene_answer(&challenged, &with)), 1);
    scene_tcp_close(tcp);
}

static void key_that_is_not_there_cannot_be_judged(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    uint8_t room[256];
    struct wire_writer w = wire_write(room, sizeof(room));
    struct reference identity = {.handle = BYTES_LITERAL(SCENE_ADMIN), .index = 309};
    body_login_encode(&w, &identity);
    struct scene_ask ask = {.opcode = OPCODE_LOGIN, .request_id = 1, .body = wire_wrote(&w)};
    struct message challenged = scene_exchange(scene, tcp, scene_packet(&ask));
    struct scene_answer with = scene_as_admin(2);
    with.index = 309;
    assert_int_equal(code_of(scene, tcp, scene_answer(&challenged, &with)), 406);
    scene_tcp_close(tcp);
}

/* --- the national SDK --------------------------------------------------------------------------
 */

static struct bytes home_request(uint32_t request_id)
{
    static uint8_t room[64];
    struct wire_writer w = wire_write(room, sizeof(room));
    body_handle_encode(&w, BYTES_LITERAL("88.1000"));
    return scene_packet(&(struct scene_ask){.version = NATIONAL,
                                            .opcode = OPCODE_LIST_HOMED_PREFIXES,
                                            .request_id = request_id,
                                            .body = wire_wrote(&w)});
}

static void national_client_is_told_to_log_in_and_again_after_idling(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    assert_int_equal(code_of(scene, tcp, home_request(1)), 408);
    struct message challenged = scene_exchange(scene, tcp, scene_login(2, NATIONAL));
    assert_int_equal(challenged.envelope.version.minor, 10);
    struct scene_answer with = scene_as_admin(3);
    with.version = (struct message_version){2, 10};
    struct message answer = scene_exchange(scene, tcp, scene_answer(&challenged, &with));
    assert_int_equal(answer.header.response_code, 1);
    assert_int_equal(answer.header.opcode, OPCODE_LOGIN);
    scene->settings->limits_idle = 3600 * 1000;
    assert_int_not_equal(code_of(scene, tcp, home_request(4)), 408);
    fake_world_advance(scene->world, LOGIN_IDLE_MS + 1000);
    assert_int_equal(code_of(scene, tcp, home_request(5)), 407);
    scene_tcp_close(tcp);
}

static void login_is_the_connections_alone(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct scene_tcp *other = scene_tcp_open(scene);
    struct message challenged = scene_exchange(scene, tcp, scene_login(2, NATIONAL));
    struct scene_answer with = scene_as_admin(3);
    with.version = (struct message_version){2, 10};
    assert_int_equal(code_of(scene, tcp, scene_answer(&challenged, &with)), 1);
    assert_int_equal(code_of(scene, other, home_request(4)), 408);
    scene_tcp_close(tcp);
    scene_tcp_close(other);
}

/* --- floods ------------------------------------------------------------------------------------
 */

static void flood_of_challenges_displaces_its_own_oldest(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    scene->settings->limits_challenges_per_source = 10;
    struct message first = challenge(scene, tcp);
    for (int i = 0; i < 10; i++) {
        (void)challenge(scene, tcp);
    }
    struct message last = challenge(scene, tcp);
    struct sessions_figures figures;
    sessions_figures(scene->sessions, &figures);
    assert_int_equal(figures.challenges, 10);
    assert_int_equal(scene_count(scene, METRIC_challenges_displaced), 2);
    struct scene_answer with = scene_as_admin(2);
    assert_int_equal(code_of(scene, tcp, scene_answer(&first, &with)), 405);
    assert_int_equal(code_of(scene, tcp, scene_answer(&last, &with)), 1);
    scene_tcp_close(tcp);
}

static void expired_challenges_are_swept(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct sessions_figures figures;
    (void)challenge(scene, tcp);
    fake_world_advance(scene->world, scene->settings->auth_challenge_time + 20 * 250);
    sessions_figures(scene->sessions, &figures);
    assert_int_equal(figures.challenges, 0);
    assert_int_equal(figures.challenge_bytes, 0);
    scene_tcp_close(tcp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(login_with_right_key_is_answered_as_login),
        CASE(login_of_another_identity_is_refused),
        CASE(answer_with_wrong_key_uses_the_challenge_up),
        CASE(answer_on_another_connection_is_taken),
        CASE(answer_after_a_minute_is_too_late),
        CASE(answer_just_in_time_is_taken),
        CASE(answer_sent_again_gets_the_first_answer_for_ten_seconds),
        CASE(every_altered_byte_of_an_answer_is_refused),
        CASE(secret_key_logs_in_when_it_is_the_one_named),
        CASE(key_that_is_not_there_cannot_be_judged),
        CASE(national_client_is_told_to_log_in_and_again_after_idling),
        CASE(login_is_the_connections_alone),
        CASE(flood_of_challenges_displaces_its_own_oldest),
        CASE(expired_challenges_are_swept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
