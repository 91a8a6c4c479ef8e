/* SPDX-License-Identifier: Apache-2.0
 *
 * UDP on the fake network: answers in pieces, requests put together from pieces that are late,
 * doubled, shuffled, wrong or never come (protocol.md §3.3, §14 rows 1, 4, 12-17, 27).
 */
#include "tests/scenario/scene.h"

static void answer_of_several_datagrams_arrives_in_pieces_of_512(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    scene_udp_send(scene, udp, scene_request(scene, "88.1000/large", 0, 9));
    fake_world_run(scene->world);

    struct envelope envelope;
    assert_int_equal(envelope_decode(bytes_of(udp->got[0].data, udp->got[0].len), &envelope),
                     STATUS_OK);
    assert_true(envelope.message_len > SCENE_LARGE);
    assert_int_equal(udp->count, fragment_count(envelope.message_len));
    uint8_t *whole = malloc(fragment_buffer_len(&envelope));
    struct fragment_set set;
    fragment_set_init(&set, &envelope, whole);
    for (size_t i = 0; i < udp->count; i++) {
        struct bytes datagram = bytes_of(udp->got[i].data, udp->got[i].len);
        assert_int_equal(envelope_decode(datagram, &envelope), STATUS_OK);
        assert_true(envelope.is_truncated);
        assert_int_equal(envelope.sequence, i);
        assert_true(i + 1 == udp->count || datagram.len == FRAGMENT_DATAGRAM);
        enum fragment_added added = fragment_set_add(&set, &envelope, datagram);
        assert_int_equal(added, i + 1 == udp->count ? FRAGMENT_COMPLETE : FRAGMENT_STORED);
    }
    assert_int_equal(scene_code(fragment_set_message(&set), 9), 1);
    free(whole);
    scene_udp_close(udp);
}

static void request_in_pieces_in_any_order_is_answered_once(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 200, 5);
    uint32_t count = fragment_count((uint32_t)(packet.len - MESSAGE_ENVELOPE_LEN));
    assert_true(count > 4);
    for (uint32_t i = count; i-- > 0;) {
        assert_int_equal(udp->count, 0);
        scene_udp_send_piece(scene, udp, packet, i);
        scene_udp_send_piece(scene, udp, packet, i);
        fake_world_run(scene->world);
    }
    assert_int_equal(udp->count, 1);
    assert_int_equal(scene_code(bytes_of(udp->got[0].data, udp->got[0].len), 5), 1);
    assert_int_equal(scene_count(scene, METRIC_reassembled), 1);
    scene_udp_close(udp);
}

static void network_that_doubles_and_shuffles_pieces_does_no_harm(void **state)
{
    static const enum fake_fate fates[] = {FAKE_HOLD, FAKE_TWICE, FAKE_TWICE, FAKE_HOLD,
                                           FAKE_DELIVER};
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 150, 6);
    uint32_t count = fragment_count((uint32_t)(packet.len - MESSAGE_ENVELOPE_LEN));
    fake_world_fates(scene->world, fates, sizeof(fates) / sizeof(fates[0]));
    for (uint32_t i = 0; i < count; i++) {
        scene_udp_send_piece(scene, udp, packet, i);
    }
    fake_world_run(scene->world);
    assert_int_equal(udp->count, 1);
    assert_int_equal(scene_code(bytes_of(udp->got[0].data, udp->got[0].len), 6), 1);
    scene_udp_close(udp);
}

static void lost_piece_sent_again_within_5_s_completes_the_request(void **state)
{
    static const enum fake_fate fates[] = {FAKE_DELIVER, FAKE_LOSE};
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 60, 7);
    uint32_t count = fragment_count((uint32_t)(packet.len - MESSAGE_ENVELOPE_LEN));
    fake_world_fates(scene->world, fates, 2);
    for (uint32_t i = 0; i < count; i++) {
        scene_udp_send_piece(scene, udp, packet, i);
    }
    fake_world_advance(scene->world, REASSEMBLY_TIMEOUT_MS - 1);
    assert_int_equal(udp->count, 0);
    scene_udp_send_piece(scene, udp, packet, 1);
    fake_world_run(scene->world);
    assert_int_equal(udp->count, 1);
    scene_udp_close(udp);
}

static void unfinished_request_is_forgotten_after_5_s(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 60, 8);
    scene_udp_send_piece(scene, udp, packet, 0);
    fake_world_advance(scene->world, REASSEMBLY_TIMEOUT_MS - 1);
    assert_true(reassembly_bytes(scene->reassembly) > 0);
    fake_world_advance(scene->world, 1000);
    assert_int_equal(reassembly_bytes(scene->reassembly), 0);
    assert_int_equal(scene_count(scene, METRIC_reassembly_expired), 1);

    uint32_t count = fragment_count((uint32_t)(packet.len - MESSAGE_ENVELOPE_LEN));
    for (uint32_t i = 1; i < count; i++) {
        scene_udp_send_piece(scene, udp, packet, i);
    }
    fake_world_run(scene->world);
    assert_int_equal(udp->count, 0);
    scene_udp_close(udp);
}

static void pieces_that_disagree_drop_the_set(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 60, 10);
    scene_udp_send_piece(scene, udp, packet, 0);
    scene->store.request[1] = 10; /* another version */
    scene_udp_send_piece(scene, udp, packet, 1);
    fake_world_run(scene->world);
    assert_int_equal(reassembly_bytes(scene->reassembly), 0);
    assert_int_equal(udp->count, 0);
    scene_udp_close(udp);
}

static void same_request_id_of_two_clients_is_two_requests(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *one = scene_udp_open(scene);
    struct scene_udp *other = scene_udp_open(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 60, 11);
    uint32_t count = fragment_count((uint32_t)(packet.len - MESSAGE_ENVELOPE_LEN));
    for (uint32_t i = 0; i < count; i++) {
        scene_udp_send_piece(scene, one, packet, i);
        scene_udp_send_piece(scene, other, packet, count - 1 - i);
    }
    fake_world_run(scene->world);
    assert_int_equal(one->count, 1);
    assert_int_equal(other->count, 1);
    scene_udp_close(one);
    scene_udp_close(other);
}

static void source_over_its_unfinished_sets_is_refused_until_they_expire(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    int64_t most = scene->settings->limits_reassembly_per_source;
    for (uint32_t id = 1; id <= most + 3; id++) {
        scene_udp_send_piece(scene, udp, scene_request(scene, "88.1000/a", 60, id), 0);
    }
    fake_world_run(scene->world);
    assert_int_equal(scene_count(scene, METRIC_reassembly_refused), 3);
    fake_world_advance(scene->world, REASSEMBLY_TIMEOUT_MS + 1000);
    assert_int_equal(scene_count(scene, METRIC_reassembly_expired), most);

    struct bytes packet = scene_request(scene, "88.1000/a", 30, 99);
    scene_udp_send_piece(scene, udp, packet, 0);
    scene_udp_send_piece(scene, udp, packet, 1);
    fake_world_run(scene->world);
    assert_int_equal(udp->count, 1);
    scene_udp_close(udp);
}

static void datagram_over_512_bytes_that_holds_the_message_is_answered(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 2000, 12);
    assert_true(packet.len > 40000 && packet.len < 65507);
    scene_udp_send(scene, udp, packet);
    fake_world_run(scene->world);
    assert_int_equal(udp->count, 1);
    assert_int_equal(scene_code(bytes_of(udp->got[0].data, udp->got[0].len), 12), 1);
    scene_udp_close(udp);
}

static void trailing_bytes_in_a_datagram_are_answered_4(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 0, 13);
    scene_udp_send(scene, udp, bytes_of(packet.data, packet.len + 1));
    fake_world_run(scene->world);
    assert_int_equal(udp->count, 1);
    assert_int_equal(scene_code(bytes_of(udp->got[0].data, udp->got[0].len), 13), 4);
    scene_udp_close(udp);
}

static void what_is_no_request_gets_no_answer(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 0, 14);
    scene_udp_send(scene, udp, bytes_of(packet.data, 19));
    scene_udp_send(scene, udp, BYTES_NONE);
    wire_store_u32(scene->store.request + 24, 1); /* a response code: somebody's answer */
    scene_udp_send(scene, udp, packet);
    fake_world_run(scene->world);
    assert_int_equal(udp->count, 0);
    assert_int_equal(scene_count(scene, METRIC_udp_malformed), 2);
    assert_int_equal(metrics_sum(scene->store.metrics, METRIC_dropped, EXCHANGE_UDP), 1);
    scene_udp_close(udp);
}

static void answers_leave_from_the_address_that_was_asked(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    assert_int_equal(net_address_parse("127.0.0.9", SCENE_PORT, &scene->address), STATUS_OK);
    scene_udp_send(scene, udp, scene_request(scene, "88.1000/a", 0, 15));
    fake_world_run(scene->world);
    assert_int_equal(udp->count, 1);
    assert_true(net_address_equal(&udp->got[0].peer, &scene->address));
    scene_udp_close(udp);
}

static void batch_larger_than_one_read_is_answered_completely(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    scene_trust(scene);
    for (uint32_t id = 1; id <= 200; id++) {
        scene_udp_send(scene, udp,
                       scene_request(scene, id % 2 ? "88.1000/a" : "88.1000/large", 0, id));
    }
    fake_world_run(scene->world);
    assert_int_equal(scene_count(scene, METRIC_udp_datagrams_in), 200);
    assert_int_equal(scene_count(scene, METRIC_udp_batches), 7);
    assert_int_equal(udp->count, 100 + 100 * fragment_count(SCENE_LARGE + 100));
    assert_int_equal(scene_count(scene, METRIC_udp_datagrams_out), udp->count);
    scene_udp_close(udp);
}

/* A large answer to `id`, of which the sockets take `room` datagrams; how many pieces it has. */
static size_t ask_for_pieces(struct scene *scene, struct scene_udp *udp, uint32_t id, size_t room)
{
    scene_udp_send(scene, udp, scene_request(scene, "88.1000/large", 0, id));
    fake_world_udp_room(scene->world, room);
    fake_world_run(scene->world);
    return fragment_count(SCENE_LARGE + 100);
}

static void answer_cut_by_a_full_buffer_is_sent_to_its_end_when_there_is_room(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    scene_trust(scene);
    size_t pieces = ask_for_pieces(scene, udp, 21, 3);
    assert_int_equal(udp->count, 3);
    fake_world_udp_room(scene->world, 2);
    fake_world_run(scene->world);
    assert_int_equal(udp->count, 5);
    fake_world_udp_free(scene->world);
    fake_world_run(scene->world);
    assert_int_equal(udp->count, pieces);
    for (size_t i = 0; i < pieces; i++) {
        struct envelope envelope;
        assert_int_equal(envelope_decode(bytes_of(udp->got[i].data, udp->got[i].len), &envelope),
                         STATUS_OK);
        assert_int_equal(envelope.sequence, i);
    }
    assert_int_equal(scene_count(scene, METRIC_udp_datagrams_out), pieces);
    assert_int_equal(scene_count(scene, METRIC_udp_send_refused), 0);
    assert_int_equal(scene_count(scene, METRIC_udp_answers_cut), 0);
    scene_udp_close(udp);
}

static void answers_behind_a_cut_one_wait_for_it_or_are_lost_whole(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    scene_trust(scene);
    scene_udp_send(scene, udp, scene_request(scene, "88.1000/large", 0, 31));
    size_t pieces = ask_for_pieces(scene, udp, 32, 1);
    assert_int_equal(scene_count(scene, METRIC_udp_send_refused), pieces); /* the second answer */
    fake_world_udp_free(scene->world);
    scene_udp_send(scene, udp, scene_request(scene, "88.1000/a", 0, 33));
    fake_world_udp_room(scene->world, 0);
    fake_world_run(scene->world);
    assert_int_equal(scene_count(scene, METRIC_udp_send_refused), pieces + 1);
    fake_world_udp_free(scene->world);
    scene_udp_send(scene, udp, scene_request(scene, "88.1000/a", 0, 34));
    fake_world_run(scene->world);
    assert_int_equal(udp->count, pieces + 1);
    assert_int_equal(scene_code(bytes_of(udp->got[pieces].data, udp->got[pieces].len), 34), 1);
    assert_int_equal(scene_count(scene, METRIC_udp_answers_cut), 0);
    scene_udp_close(udp);
}

static void rest_of_a_cut_answer_is_given_up_after_a_second_and_counted(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    scene_trust(scene);
    size_t pieces = ask_for_pieces(scene, udp, 41, 2);
    fake_world_advance(scene->world, 1001);
    fake_world_udp_free(scene->world);
    fake_world_run(scene->world);
    assert_int_equal(udp->count, 2);
    assert_int_equal(scene_count(scene, METRIC_udp_answers_cut), 1);
    assert_int_equal(scene_count(scene, METRIC_udp_send_refused), pieces - 2);
    (void)ask_for_pieces(scene, udp, 42, pieces);
    assert_int_equal(udp->count, pieces + 2);
    scene_udp_close(udp);
}

static void answer_whose_first_piece_is_refused_sends_none(void **state)
{
    static const enum fake_fate fates[] = {FAKE_DELIVER, FAKE_REFUSE};
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    scene_trust(scene);
    fake_world_fates(scene->world, fates, 2); /* the request, the first piece */
    size_t pieces = ask_for_pieces(scene, udp, 51, SCENE_DATAGRAMS_MAX);
    assert_int_equal(udp->count, 0);
    assert_int_equal(scene_count(scene, METRIC_udp_send_refused), pieces);
    assert_int_equal(scene_count(scene, METRIC_udp_answers_cut), 0);
    scene_udp_close(udp);
}

static void answer_refused_in_its_midst_is_counted_as_cut(void **state)
{
    static const enum fake_fate fates[] = {FAKE_DELIVER, FAKE_DELIVER, FAKE_REFUSE};
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    scene_trust(scene);
    fake_world_fates(scene->world, fates, 3);
    size_t pieces = ask_for_pieces(scene, udp, 52, SCENE_DATAGRAMS_MAX);
    assert_int_equal(udp->count, 1);
    assert_int_equal(scene_count(scene, METRIC_udp_send_refused), pieces - 1);
    assert_int_equal(scene_count(scene, METRIC_udp_answers_cut), 1);
    scene_udp_close(udp);
}

static void rest_of_a_cut_answer_ends_with_its_socket(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    scene_trust(scene);
    (void)ask_for_pieces(scene, udp, 61, 2);
    worker_drain(&scene->worker, 0);
    assert_int_equal(scene_count(scene, METRIC_udp_answers_cut), 1);
    scene_udp_close(udp);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, scene_open, scene_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(answer_of_several_datagrams_arrives_in_pieces_of_512),
        CASE(request_in_pieces_in_any_order_is_answered_once),
        CASE(network_that_doubles_and_shuffles_pieces_does_no_harm),
        CASE(lost_piece_sent_again_within_5_s_completes_the_request),
        CASE(unfinished_request_is_forgotten_after_5_s),
        CASE(pieces_that_disagree_drop_the_set),
        CASE(same_request_id_of_two_clients_is_two_requests),
        CASE(source_over_its_unfinished_sets_is_refused_until_they_expire),
        CASE(datagram_over_512_bytes_that_holds_the_message_is_answered),
        CASE(trailing_bytes_in_a_datagram_are_answered_4),
        CASE(what_is_no_request_gets_no_answer),
        CASE(answers_leave_from_the_address_that_was_asked),
        CASE(batch_larger_than_one_read_is_answered_completely),
        CASE(answer_cut_by_a_full_buffer_is_sent_to_its_end_when_there_is_room),
        CASE(answers_behind_a_cut_one_wait_for_it_or_are_lost_whole),
        CASE(rest_of_a_cut_answer_is_given_up_after_a_second_and_counted),
        CASE(answer_whose_first_piece_is_refused_sends_none),
        CASE(answer_refused_in_its_midst_is_counted_as_cut),
        CASE(rest_of_a_cut_answer_ends_with_its_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
