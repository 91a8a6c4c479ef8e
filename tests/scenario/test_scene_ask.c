/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking on the fake network: lost, late and doubled datagrams, strangers who answer too, servers
 * that hang up, cut off or lie. No test waits for a real clock.
 */
#include "tests/scenario/scene.h"

#include "resolver/ask.h"

#define IMPOSTOR_PORT 2700

struct outcome {
    unsigned calls;
    enum status status;
    uint32_t code;
    size_t answer_len;
    struct ask_figures figures;
};

static void ask_on_done(void *context, enum status status, struct bytes answer,
                        const struct ask_figures *figures)
{
    struct outcome *outcome = context;
    struct message message;
    outcome->calls++;
    outcome->status = status;
    outcome->figures = *figures;
    outcome->answer_len = answer.len;
    if (status == STATUS_OK) {
        assert_int_equal(message_decode(answer, &message), STATUS_OK);
        outcome->code = message.header.response_code;
    }
}

static struct ask *begin(struct scene *scene, const struct ask_options *options,
                         struct bytes request, struct outcome *out)
{
    struct ask *ask = NULL;
    *out = (struct outcome){0};
    assert_int_equal(ask_start(scene->client_net, options, request, ask_on_done, out, &ask),
                     STATUS_OK);
    assert_int_equal(out->calls, 0);
    return ask;
}

static struct ask_options to_worker(const struct scene *scene, enum ask_transport transport)
{
    return (struct ask_options){.server = scene->address, .transport = transport};
}

static struct outcome ask_worker(struct scene *scene, enum ask_transport transport,
                                 const char *handle, size_t types)
{
    struct outcome outcome;
    struct ask_options options = to_worker(scene, transport);
    (void)begin(scene, &options, scene_request(scene, handle, types, 77), &outcome);
    fake_world_advance(scene->world, 20000);
    assert_int_equal(outcome.calls, 1);
    return outcome;
}

static void udp_answer_when_it_comes_ends_the_question(void **state)
{
    struct outcome outcome = ask_worker(*state, ASK_UDP, "88.1000/a", 0);
    assert_int_equal(outcome.status, STATUS_OK);
    assert_int_equal(outcome.code, 1);
    assert_int_equal(outcome.figures.attempts, 1);
    assert_int_equal(outcome.figures.datagrams, 1);
    assert_int_equal(outcome.figures.received_bytes, outcome.answer_len);
    assert_int_equal(outcome.figures.elapsed_us, 0);
}

static void udp_request_when_lost_is_sent_again(void **state)
{
    struct scene *scene = *state;
    static const enum fake_fate fates[] = {FAKE_LOSE, FAKE_LOSE};
    fake_world_fates(scene->world, fates, 2);
    struct outcome outcome = ask_worker(scene, ASK_UDP, "88.1000/a", 0);
    assert_int_equal(outcome.status, STATUS_OK);
    assert_int_equal(outcome.figures.attempts, 3);
    assert_int_equal(outcome.figures.elapsed_us, 1500000);
}

static void udp_question_when_never_answered_ends(void **state)
{
    struct scene *scene = *state;
    static const enum fake_fate fates[] = {FAKE_LOSE, FAKE_LOSE, FAKE_LOSE};
    fake_world_fates(scene->world, fates, 3);
    struct outcome outcome = ask_worker(scene, ASK_UDP, "88.1000/a", 0);
    assert_int_equal(outcome.status, STATUS_TIMED_OUT);
    assert_int_equal(outcome.figures.attempts, 3);
    assert_int_equal(outcome.figures.elapsed_us, 3000000);
    assert_int_equal(outcome.answer_len, 0);
}

static void udp_question_when_time_is_up_ends_early(void **state)
{
    struct scene *scene = *state;
    static const enum fake_fate fates[] = {FAKE_LOSE, FAKE_LOSE};
    struct outcome outcome;
    struct ask_options options = to_worker(scene, ASK_UDP);
    options.timeout_ms = 700;
    fake_world_fates(scene->world, fates, 2);
    (void)begin(scene, &options, scene_request(scene, "88.1000/a", 0, 1), &outcome);
    fake_world_advance(scene->world, 5000);
    assert_int_equal(outcome.calls, 1);
    assert_int_equal(outcome.status, STATUS_TIMED_OUT);
    assert_int_equal(outcome.figures.elapsed_us, 700000);
}

static void udp_pieces_when_disordered_and_doubled_are_put_together(void **state)
{
    struct scene *scene = *state;
    static const enum fake_fate fates[] = {FAKE_DELIVER, FAKE_HOLD,  FAKE_TWICE,
                                           FAKE_HOLD,    FAKE_TWICE, FAKE_DELIVER};
    fake_world_fates(scene->world, fates, 6);
    struct outcome outcome = ask_worker(scene, ASK_UDP, "88.1000/large", 0);
    assert_int_equal(outcome.status, STATUS_OK);
    assert_int_equal(outcome.code, 1);
    assert_true(outcome.answer_len > SCENE_LARGE);
    assert_int_equal(outcome.figures.attempts, 1);
}

static void udp_piece_when_lost_comes_with_the_next_answer(void **state)
{
    struct scene *scene = *state;
    static const enum fake_fate fates[] = {FAKE_DELIVER, FAKE_DELIVER, FAKE_LOSE};
    fake_world_fates(scene->world, fates, 3);
    struct outcome outcome = ask_worker(scene, ASK_UDP, "88.1000/large", 0);
    assert_int_equal(outcome.status, STATUS_OK);
    assert_int_equal(outcome.figures.attempts, 2);
    assert_true(outcome.answer_len > SCENE_LARGE);
}

static void udp_request_when_long_goes_in_pieces(void **state)
{
    struct outcome outcome = ask_worker(*state, ASK_UDP, "88.1000/a", 60);
    assert_int_equal(outcome.status, STATUS_OK);
    assert_int_equal(outcome.code, 1);
    assert_true(outcome.figures.sent_bytes > 3 * FRAGMENT_PAYLOAD);
}

/* --- a server of the test's own --------------------------------------------------------------- */

struct server {
    struct net_udp *udp;
    struct net_udp *elsewhere; /* another port of the same host */
    struct net_listener *listener;
    struct net_stream *stream;
    struct net_address address;
    struct net_address asker; /* who sent the last datagram */
    uint8_t request[MESSAGE_ENVELOPE_LEN + 512];
    size_t request_len;
};

static void server_on_datagram(void *context)
{
    struct server *server = context;
    struct net_datagram datagram = {.data = server->request, .size = sizeof(server->request)};
    while (net_udp_receive(server->udp, &datagram, 1) == 1) {
        server->asker = datagram.peer;
        server->request_len = datagram.len;
    }
}

static void nothing_on_datagram(void *context)
{
    (void)context;
}

static void server_on_stream(void *context)
{
    struct server *server = context;
    size_t len = 0;
    if (net_stream_read(server->stream, server->request, sizeof(server->request), &len) !=
        STATUS_OK) {
        net_stream_want(server->stream, false, false); /* the asker is gone */
        return;
    }
    server->request_len = len;
}

static void server_on_failed(void *context, enum status status)
{
    (void)context;
    (void)status;
}

static void server_on_accepted(void *context, struct net_stream *stream)
{
    static const struct net_stream_events events = {
        .readable = server_on_stream, .writable = nothing_on_datagram, .failed = server_on_failed};
    struct server *server = context;
    server->stream = stream;
    net_stream_set_events(stream, &events, server);
    net_stream_want(stream, true, false);
}

static void server_open(struct scene *scene, struct server *server)
{
    struct net_address elsewhere;
    *server = (struct server){.request_len = 0};
    assert_int_equal(net_address_parse("127.0.0.1", IMPOSTOR_PORT, &server->address), STATUS_OK);
    assert_int_equal(net_address_parse("127.0.0.1", IMPOSTOR_PORT + 1, &elsewhere), STATUS_OK);
    assert_int_equal(net_udp_open(scene->worker_net, &server->address, server_on_datagram, server,
                                  &server->udp, NULL),
                     STATUS_OK);
    assert_int_equal(net_udp_open(scene->worker_net, &elsewhere, nothing_on_datagram, NULL,
                                  &server->elsewhere, NULL),
                     STATUS_OK);
    assert_int_equal(net_listen(scene->worker_net, &server->address, server_on_accepted, server,
                                &server->listener, NULL),
                     STATUS_OK);
}

static void server_close(struct server *server)
{
    net_udp_close(server->udp);
    net_udp_close(server->elsewhere);
    net_stream_close(server->stream);
    net_listener_close(server->listener);
}

/* An answer to request `request_id`; response code 0 makes it a request. */
static struct bytes made_answer(uint8_t room[128], uint32_t request_id, uint32_t code)
{
    struct message message = {
        .envelope = {.version = {2, 11}, .suggested = {2, 11}, .request_id = request_id},
        .header = {.opcode = OPCODE_RESOLUTION, .response_code = code},
        .body = BYTES_LITERAL("\0\0\0\0"),
    };
    struct wire_writer w = wire_write(room, 128);
    message_encode(&w, &message);
    return wire_wrote(&w);
}

static void udp_say(struct scene *scene, struct server *server, struct net_udp *from,
                    struct bytes data)
{
    uint8_t copy[128];
    assert_in_range(data.len, 0, sizeof(copy));
    assert(data.data != NULL);
    memcpy(copy, data.data, data.len);
    struct net_datagram datagram = {.data = copy, .len = data.len, .peer = server->asker};
    assert_int_equal(net_udp_send(from, &datagram, 1), 1);
    fake_world_run(scene->world);
}

static void udp_answers_when_not_from_whom_we_asked_are_passed_over(void **state)
{
    struct scene *scene = *state;
    struct server server;
    struct outcome outcome;
    uint8_t room[128];
    server_open(scene, &server);
    struct ask_options options = {.server = server.address, .transport = ASK_UDP};
    (void)begin(scene, &options, scene_request(scene, "88.1000/a", 0, 5), &outcome);
    fake_world_run(scene->world);
    assert_true(server.request_len > 0);
    udp_say(scene, &server, server.elsewhere, made_answer(room, 5, 100));
    udp_say(scene, &server, server.udp, made_answer(room, 6, 100));
    udp_say(scene, &server, server.udp, made_answer(room, 5, 0));
    udp_say(scene, &server, server.udp, BYTES_LITERAL("short"));
    struct bytes cut = made_answer(room, 5, 100);
    udp_say(scene, &server, server.udp, bytes_of(cut.data, cut.len - 1));
    room[43] = 0x7f; /* a body longer than the message */
    udp_say(scene, &server, server.udp, cut);
    assert_int_equal(outcome.calls, 0);
    udp_say(scene, &server, server.udp, made_answer(room, 5, 100));
    assert_int_equal(outcome.calls, 1);
    assert_int_equal(outcome.code, 100);
    assert_int_equal(outcome.figures.datagrams, 6); /* those of the server itself */
    server_close(&server);
}

static void udp_question_when_cancelled_is_silent(void **state)
{
    struct scene *scene = *state;
    struct outcome outcome;
    struct ask_options options = to_worker(scene, ASK_UDP);
    struct ask *ask = begin(scene, &options, scene_request(scene, "88.1000/large", 0, 5), &outcome);
    ask_cancel(ask);
    fake_world_advance(scene->world, 20000);
    assert_int_equal(outcome.calls, 0);
}

/* --- TCP ------------------------------------------------------------------------------------- */

static void tcp_answer_when_it_comes_in_parts_is_read(void **state)
{
    struct scene *scene = *state;
    fake_world_streams(scene->world, 11, 40);
    struct outcome outcome = ask_worker(scene, ASK_TCP, "88.1000/large", 100);
    assert_int_equal(outcome.status, STATUS_OK);
    assert_int_equal(outcome.code, 1);
    assert_int_equal(outcome.figures.attempts, 1);
    assert_int_equal(outcome.figures.received_bytes, outcome.answer_len);
}

static void tcp_question_when_nobody_listens_is_unreachable(void **state)
{
    struct scene *scene = *state;
    struct outcome outcome = {0};
    struct ask *ask = NULL;
    struct ask_options options = to_worker(scene, ASK_TCP);
    options.server.port = 9;
    enum status status =
        ask_start(scene->client_net, &options, scene_request(scene, "88.1000/a", 0, 5), ask_on_done,
                  &outcome, &ask);
    fake_world_advance(scene->world, 20000);
    assert_int_equal(status == STATUS_OK ? outcome.status : status, STATUS_UNREACHABLE);
    assert_int_equal(outcome.calls, status == STATUS_OK);
}

/* What a question ends with when the server says `said`, then hangs up if `hangs_up`. */
static struct outcome ask_liar_over(struct scene *scene, enum ask_transport transport,
                                    struct bytes said, bool hangs_up)
{
    struct server server;
    struct outcome outcome;
    size_t took = 0;
    server_open(scene, &server);
    struct ask_options options = {.server = server.address, .transport = transport};
    (void)begin(scene, &options, scene_request(scene, "88.1000/a", 0, 5), &outcome);
    fake_world_run(scene->world);
    assert_non_null(server.stream);
    assert_true(server.request_len > 0);
    if (said.len > 0) {
        assert_int_equal(net_stream_write(server.stream, said, &took), STATUS_OK);
        assert_int_equal(took, said.len);
    }
    if (hangs_up) {
        net_stream_close(server.stream);
        server.stream = NULL;
    }
    fake_world_advance(scene->world, 20000);
    assert_int_equal(outcome.calls, 1);
    server_close(&server);
    return outcome;
}

static struct outcome ask_liar(struct scene *scene, struct bytes said, bool hangs_up)
{
    return ask_liar_over(scene, ASK_TCP, said, hangs_up);
}

static void tcp_server_when_it_hangs_up_is_noticed(void **state)
{
    uint8_t room[128];
    struct bytes answer = made_answer(room, 5, 1);
    assert_int_equal(ask_liar(*state, BYTES_NONE, true).status, STATUS_CLOSED);
    assert_int_equal(ask_liar(*state, bytes_of(answer.data, 10), true).status, STATUS_CLOSED);
    assert_int_equal(ask_liar(*state, bytes_of(answer.data, 40), true).status, STATUS_CLOSED);
    assert_int_equal(ask_liar(*state, answer, true).status, STATUS_OK);
}

static void tcp_server_when_silent_times_out(void **state)
{
    uint8_t room[128];
    struct bytes answer = made_answer(room, 5, 1);
    struct outcome outcome = ask_liar(*state, BYTES_NONE, false);
    assert_int_equal(outcome.status, STATUS_TIMED_OUT);
    assert_int_equal(outcome.figures.elapsed_us, 10000000);
    outcome = ask_liar(*state, bytes_of(answer.data, answer.len - 1), false);
    assert_int_equal(outcome.status, STATUS_TIMED_OUT);
}

static void tcp_server_when_it_answers_something_else_is_a_protocol_error(void **state)
{
    uint8_t room[128];
    assert_int_equal(ask_liar(*state, made_answer(room, 6, 1), false).status,
                     STATUS_PROTOCOL_ERROR);
    assert_int_equal(ask_liar(*state, made_answer(room, 5, 0), false).status,
                     STATUS_PROTOCOL_ERROR);
    struct bytes answer = made_answer(room, 5, 1);
    memset(room + 16, 0x7f, 4); /* longer than any message */
    assert_int_equal(ask_liar(*state, answer, false).status, STATUS_PROTOCOL_ERROR);
    answer = made_answer(room, 5, 1);
    room[43] = 0x7f; /* a body longer than the message */
    assert_int_equal(ask_liar(*state, answer, false).status, STATUS_PROTOCOL_ERROR);
    /* early errors of reference servers carry no id of ours (protocol.md §3.4) */
    struct outcome outcome = ask_liar(*state, made_answer(room, UINT32_MAX, 4), false);
    assert_int_equal(outcome.status, STATUS_OK);
    assert_int_equal(outcome.code, 4);
}

/* --- HTTP ------------------------------------------------------------------------------------- */

/* The answer behind this head, and what follows it. */
static struct outcome ask_web(struct scene *scene, const char *head, struct bytes answer,
                              const char *more)
{
    uint8_t room[1024];
    struct wire_writer w = wire_write(room, sizeof(room));
    wire_put_raw(&w, bytes_of_text(head));
    wire_put_raw(&w, answer);
    wire_put_raw(&w, bytes_of_text(more));
    return ask_liar_over(scene, ASK_HTTP, wire_wrote(&w), true);
}

static void http_answer_when_sound_is_the_packet_inside(void **state)
{
    static const char plain[] =
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-hdl-message\r\n\r\n";
    uint8_t room[128];
    char sized[200];
    struct bytes answer = made_answer(room, 5, 1);
    (void)snprintf(sized, sizeof(sized), "%.*sContent-Length: %zu\r\n\r\n", (int)sizeof(plain) - 3,
                   plain, answer.len);
    struct outcome outcome = ask_web(*state, sized, answer, "");
    assert_int_equal(outcome.status, STATUS_OK);
    assert_int_equal(outcome.code, 1);
    assert_int_equal(outcome.answer_len, answer.len);
    assert_int_equal(ask_web(*state, plain, answer, "").status, STATUS_OK); /* until it closes */
}

static void http_answer_when_not_sound_is_none(void **state)
{
    static const char plain[] =
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-hdl-message\r\n\r\n";
    uint8_t room[128];
    struct bytes answer = made_answer(room, 5, 1);
    assert_int_equal(ask_web(*state, plain, answer, "x").status, STATUS_PROTOCOL_ERROR);
    assert_int_equal(ask_web(*state, plain, bytes_of(answer.data, 10), "").status,
                     STATUS_PROTOCOL_ERROR);
    assert_int_equal(ask_web(*state, plain, BYTES_NONE, "").status, STATUS_PROTOCOL_ERROR);
    assert_int_equal(ask_web(*state, "HTTP/1.1 200", BYTES_NONE, "").status, STATUS_CLOSED);
    assert_int_equal(ask_web(*state, "HTTP/1.1 503 No\r\n\r\n", BYTES_NONE, "").status,
                     STATUS_PROTOCOL_ERROR);
    assert_int_equal(ask_web(*state, "", answer, "").status, STATUS_PROTOCOL_ERROR);
    assert_int_equal(ask_web(*state, plain, made_answer(room, 6, 1), "").status,
                     STATUS_PROTOCOL_ERROR);
}

static void http_server_when_silent_times_out(void **state)
{
    assert_int_equal(ask_liar_over(*state, ASK_HTTP, BYTES_NONE, false).status, STATUS_TIMED_OUT);
}

static void http_question_when_it_wants_a_list_or_no_key_is_not_asked(void **state)
{
    struct scene *scene = *state;
    struct outcome outcome = {0};
    struct ask *ask = NULL;
    struct ask_options options = to_worker(scene, ASK_HTTPS);
    assert_int_equal(ask_start(scene->client_net, &options, scene_request(scene, "88.1000/a", 0, 5),
                               ask_on_done, &outcome, &ask),
                     STATUS_NOT_SUPPORTED);
    options.transport = ASK_HTTP;
    options.path = BYTES_LITERAL("a path\r\n");
    assert_int_equal(ask_start(scene->client_net, &options, scene_request(scene, "88.1000/a", 0, 5),
                               ask_on_done, &outcome, &ask),
                     STATUS_INVALID_VALUE);
    assert_int_equal(outcome.calls, 0);
}

int main(void)
{
#define SCENE_TEST(f) cmocka_unit_test_setup_teardown(f, scene_open, scene_close)
    const struct CMUnitTest tests[] = {
        SCENE_TEST(udp_answer_when_it_comes_ends_the_question),
        SCENE_TEST(udp_request_when_lost_is_sent_again),
        SCENE_TEST(udp_question_when_never_answered_ends),
        SCENE_TEST(udp_question_when_time_is_up_ends_early),
        SCENE_TEST(udp_pieces_when_disordered_and_doubled_are_put_together),
        SCENE_TEST(udp_piece_when_lost_comes_with_the_next_answer),
        SCENE_TEST(udp_request_when_long_goes_in_pieces),
        SCENE_TEST(udp_answers_when_not_from_whom_we_asked_are_passed_over),
        SCENE_TEST(udp_question_when_cancelled_is_silent),
        SCENE_TEST(tcp_answer_when_it_comes_in_parts_is_read),
        SCENE_TEST(tcp_question_when_nobody_listens_is_unreachable),
        SCENE_TEST(tcp_server_when_it_hangs_up_is_noticed),
        SCENE_TEST(tcp_server_when_silent_times_out),
        SCENE_TEST(tcp_server_when_it_answers_something_else_is_a_protocol_error),
        SCENE_TEST(http_answer_when_sound_is_the_packet_inside),
        SCENE_TEST(http_answer_when_not_sound_is_none),
        SCENE_TEST(http_server_when_silent_times_out),
        SCENE_TEST(http_question_when_it_wants_a_list_or_no_key_is_not_asked),
    };
#undef SCENE_TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
