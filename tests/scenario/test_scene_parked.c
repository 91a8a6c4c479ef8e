/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests that wait for a write: their answers, their connections, their limits.
 */
#include "tests/scenario/scene_auth.h"

#define CASE(name) cmocka_unit_test_setup_teardown(name, scene_auth_open, scene_close)
#define CURRENT ((struct message_version){0})

/* A connection that has logged in: what it asks needs no further answer. */
static struct scene_tcp *open_logged_in(struct scene *scene)
{
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct message challenged = scene_exchange(scene, tcp, scene_login(1, CURRENT));
    struct scene_answer with = scene_as_admin(2);
    assert_int_equal(
        scene_exchange(scene, tcp, scene_answer(&challenged, &with)).header.response_code, 1);
    return tcp;
}

static struct bytes create_request(struct scene *scene, const char *handle, uint32_t request_id)
{
    uint8_t room[512];
    struct value value = fixture_value(1, "URL", "http://a.example/", 0x0e);
    struct body_values body = {.handle = bytes_of_text(handle), .values = &value, .count = 1};
    struct wire_writer w = wire_write(room, sizeof(room));
    body_values_encode(&w, &body);
    return scene_copy(scene, scene_packet(&(struct scene_ask){.opcode = OPCODE_CREATE_HANDLE,
                                                              .request_id = request_id,
                                                              .body = wire_wrote(&w)}));
}

static void send_and_run(struct scene *scene, struct scene_tcp *tcp, struct bytes packet)
{
    assert_int_equal(scene_tcp_send(tcp, packet), packet.len);
    fake_world_run(scene->world);
}

static bool exists(struct scene *scene, const char *handle)
{
    struct record_row row;
    assert_int_equal(snapshot_refresh(scene->store.snapshot), STATUS_OK);
    enum status status =
        registry_get_record(scene->store.snapshot, bytes_of_text(handle), CASE_INSENSITIVE, &row);
    snapshot_rest(scene->store.snapshot);
    return status == STATUS_OK;
}

static void write_is_answered_once_it_is_committed(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = open_logged_in(scene);
    scene->holds_writes = true;
    send_and_run(scene, tcp, create_request(scene, "88.1000/new", 7));
    assert_int_equal(scene_tcp_next(tcp).len, 0);
    assert_int_equal(scene_count(scene, METRIC_parked), 1);
    assert_false(exists(scene, "88.1000/new"));
    scene_let_go(scene);
    fake_world_run(scene->world);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 7), 1);
    assert_true(exists(scene, "88.1000/new"));
    assert_int_equal(scene_count(scene, METRIC_parked), 0);
    scene_tcp_close(tcp);
}

static void other_requests_are_answered_while_one_waits(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = open_logged_in(scene);
    scene->holds_writes = true;
    send_and_run(scene, tcp, create_request(scene, "88.1000/new", 7));
    send_and_run(scene, tcp, scene_request(scene, "88.1000/a", 0, 8));
    assert_int_equal(scene_code(scene_tcp_next(tcp), 8), 1);
    scene_let_go(scene);
    fake_world_run(scene->world);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 7), 1);
    scene_tcp_close(tcp);
}

static void write_is_waited_for_however_long_it_takes(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = open_logged_in(scene);
    scene->holds_writes = true;
    send_and_run(scene, tcp, create_request(scene, "88.1000/new", 7));
    fake_world_advance(scene->world, 2 * scene->settings->limits_idle);
    assert_false(tcp->is_closed);
    assert_int_equal(scene_tcp_next(tcp).len, 0);
    scene_let_go(scene);
    fake_world_run(scene->world);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 7), 1);
    scene_tcp_close(tcp);
}

static void write_of_a_connection_that_died_is_done(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = open_logged_in(scene);
    scene->holds_writes = true;
    send_and_run(scene, tcp, create_request(scene, "88.1000/new", 7));
    scene_tcp_close(tcp);
    fake_world_run(scene->world);
    fake_world_advance(scene->world, scene->settings->limits_first_request + 1000);
    scene_let_go(scene);
    fake_world_run(scene->world);
    assert_true(exists(scene, "88.1000/new"));
    assert_int_equal(scene_count(scene, METRIC_parked), 0);
    assert_int_equal(scene_count(scene, METRIC_tcp_connections), 0);
}

static void half_closed_connection_gets_its_answer(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = open_logged_in(scene);
    scene->holds_writes = true;
    send_and_run(scene, tcp, create_request(scene, "88.1000/new", 7));
    fake_stream_finish(tcp->net);
    fake_world_run(scene->world);
    assert_false(tcp->is_closed);
    scene_let_go(scene);
    fake_world_run(scene->world);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 7), 1);
    assert_true(tcp->is_closed);
    scene_tcp_close(tcp);
}

static void request_sent_again_while_it_runs_gets_the_same_answer(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = open_logged_in(scene);
    struct scene_tcp *other = open_logged_in(scene);
    struct bytes packet = create_request(scene, "88.1000/new", 7);
    scene->holds_writes = true;
    send_and_run(scene, tcp, packet);
    send_and_run(scene, other, packet);
    assert_int_equal(scene_count(scene, METRIC_parked), 2);
    scene_let_go(scene);
    fake_world_advance(scene->world, 500);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 7), 1);
    assert_int_equal(scene_code(scene_tcp_next(other), 7), 1);
    send_and_run(scene, other, packet); /* and after */
    assert_int_equal(scene_code(scene_tcp_next(other), 7), 1);
    scene->holds_writes = false;
    fake_world_advance(scene->world, 10000); /* then it is another request */
    send_and_run(scene, tcp, packet);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 7), 101);
    scene_tcp_close(tcp);
    scene_tcp_close(other);
}

static void write_whose_ground_changed_is_decided_anew(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = open_logged_in(scene);
    scene->holds_writes = true;
    send_and_run(scene, tcp, create_request(scene, "88.1000/new", 7));
    struct value value = fixture_value(1, "URL", "http://b.example/", 0x0e);
    fixture_put(&scene->store, BYTES_LITERAL("88.1000/new"), &value, 1);
    snapshot_rest(scene->store.snapshot);
    scene_let_go(scene);
    fake_world_run(scene->world);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 7), 101);
    assert_int_equal(scene_count(scene, METRIC_conflicts), 1);
    assert_int_equal(scene_count(scene, METRIC_parked), 0);
    scene_tcp_close(tcp);
}

static void too_many_that_wait_are_answered_busy(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = open_logged_in(scene);
    scene->holds_writes = true;
    scene->settings->limits_parked_per_source = 1;
    send_and_run(scene, tcp, create_request(scene, "88.1000/one", 7));
    send_and_run(scene, tcp, create_request(scene, "88.1000/two", 8));
    assert_int_equal(scene_code(scene_tcp_next(tcp), 8), 3);
    assert_int_equal(scene_count(scene, METRIC_parked_refused), 1);
    scene_let_go(scene);
    fake_world_run(scene->world);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 7), 1);
    assert_false(exists(scene, "88.1000/two"));
    scene_tcp_close(tcp);
}

static void repetition_that_waits_too_long_is_answered_busy(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = open_logged_in(scene);
    struct scene_tcp *other = open_logged_in(scene);
    struct bytes packet = create_request(scene, "88.1000/new", 7);
    scene->holds_writes = true;
    send_and_run(scene, tcp, packet);
    send_and_run(scene, other, packet);
    fake_world_advance(scene->world, scene->settings->limits_parked_time + 1000);
    assert_int_equal(scene_code(scene_tcp_next(other), 7), 3);
    assert_int_equal(scene_count(scene, METRIC_parked_late), 1);
    scene_let_go(scene);
    fake_world_advance(scene->world, 1000);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 7), 1);
    assert_int_equal(scene_count(scene, METRIC_parked), 0);
    scene_tcp_close(tcp);
    scene_tcp_close(other);
}

/* Under version 2.5 the code is sent as 303: protocol.md §3.2. */
static void write_while_the_committer_stops_is_answered_7(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = open_logged_in(scene);
    scene->write_refusal = STATUS_SERVER_BACKUP;
    send_and_run(scene, tcp, create_request(scene, "88.1000/new", 7));
    assert_int_equal(scene_code(scene_tcp_next(tcp), 7), 7);
    assert_false(exists(scene, "88.1000/new"));
    assert_int_equal(scene_count(scene, METRIC_parked), 0);
    scene->write_refusal = STATUS_OK;
    send_and_run(scene, tcp, create_request(scene, "88.1000/new", 8));
    assert_int_equal(scene_code(scene_tcp_next(tcp), 8), 1);
    scene_tcp_close(tcp);
}

static struct duplicate_key numbered_key(uint32_t number)
{
    struct duplicate_key key = {.data = {(uint8_t)number, (uint8_t)(number >> 8)}};
    wire_store_u32(key.data + 4, number);
    return key;
}

/* Others keep the whole table busy. */
static uint32_t crowd(struct scene *scene)
{
    static uint8_t room[MESSAGE_PACKET_MAX];
    enum duplicate_verdict verdict = DUPLICATE_FIRST;
    size_t len = 0;
    uint32_t refused = 0;
    uint32_t count = 0;
    for (; refused < 1000; count++) {
        struct duplicate_key key = numbered_key(count);
        verdict = duplicates_enter(scene->duplicates, FIXTURE_NOW_MS, &key, room, &len);
        refused += verdict == DUPLICATE_CROWDED;
    }
    return count;
}

static void write_that_cannot_be_noted_is_answered_busy_and_not_done(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = open_logged_in(scene);
    uint32_t count = crowd(scene);
    send_and_run(scene, tcp, create_request(scene, "88.1000/new", 7));
    assert_int_equal(scene_code(scene_tcp_next(tcp), 7), 3);
    assert_false(exists(scene, "88.1000/new"));
    assert_int_equal(scene_count(scene, METRIC_repeats_crowded), 1);
    assert_int_equal(scene_count(scene, METRIC_repeats_forgotten), 0);
    for (uint32_t i = 0; i < count; i++) {
        struct duplicate_key key = numbered_key(i);
        duplicates_release(scene->duplicates, &key);
    }
    send_and_run(scene, tcp, create_request(scene, "88.1000/new", 7));
    assert_int_equal(scene_code(scene_tcp_next(tcp), 7), 1);
    scene_tcp_close(tcp);
}

static void worker_that_ends_takes_in_what_comes_home(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = open_logged_in(scene);
    scene->holds_writes = true;
    send_and_run(scene, tcp, create_request(scene, "88.1000/new", 7));
    scene_let_go(scene);
    assert_int_equal(scene_count(scene, METRIC_parked), 1);
    scene_tcp_close(tcp); /* the rest is scene_close's, and the leak checker's */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(write_is_answered_once_it_is_committed),
        CASE(other_requests_are_answered_while_one_waits),
        CASE(write_is_waited_for_however_long_it_takes),
        CASE(write_of_a_connection_that_died_is_done),
        CASE(half_closed_connection_gets_its_answer),
        CASE(request_sent_again_while_it_runs_gets_the_same_answer),
        CASE(write_whose_ground_changed_is_decided_anew),
        CASE(too_many_that_wait_are_answered_busy),
        CASE(repetition_that_waits_too_long_is_answered_busy),
        CASE(write_while_the_committer_stops_is_answered_7),
        CASE(write_that_cannot_be_noted_is_answered_busy_and_not_done),
        CASE(worker_that_ends_takes_in_what_comes_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
