/* SPDX-License-Identifier: Apache-2.0
 *
 * ask.c on real sockets of this machine; lost datagrams and lying servers are on the fake network
 * (tests/scenario/test_scene_ask.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/fragment.h"
#include "protocol/opcode.h"
#include "resolver/ask.h"

struct stage {
    struct net *net;
    struct net_udp *udp;
    struct net_address address;
    unsigned requests;
    unsigned calls;
    enum status status;
    struct ask_figures figures;
};

static struct bytes encode(uint8_t *room, size_t size, uint32_t code, size_t body_len)
{
    static uint8_t body[8192];
    struct message message = {
        .envelope = {.version = {2, 11}, .suggested = {2, 11}, .request_id = 99},
        .header = {.opcode = OPCODE_RESOLUTION, .response_code = code},
        .body = bytes_of(body, body_len),
    };
    struct wire_writer w = wire_write(room, size);
    message_encode(&w, &message);
    assert_false(w.failed);
    return wire_wrote(&w);
}

/* A server that answers with a message of 3 datagrams, last piece first. */
static void server_on_readable(void *context)
{
    struct stage *stage = context;
    uint8_t request[FRAGMENT_DATAGRAM];
    uint8_t room[2048];
    struct net_datagram got = {.data = request, .size = sizeof(request)};
    struct bytes answer = encode(room, sizeof(room), 1, 1200);
    struct envelope envelope;
    assert(answer.data != NULL);
    assert_int_equal(envelope_decode(answer, &envelope), STATUS_OK);
    while (net_udp_receive(stage->udp, &got, 1) == 1) {
        stage->requests++;
        for (uint32_t i = fragment_count(envelope.message_len); i-- > 0;) {
            uint8_t piece[FRAGMENT_DATAGRAM];
            uint32_t len = fragment_payload_len(envelope.message_len, i);
            fragment_envelope(&envelope, i, piece);
            memcpy(piece + MESSAGE_ENVELOPE_LEN,
                   answer.data + MESSAGE_ENVELOPE_LEN + (size_t)i * FRAGMENT_PAYLOAD, len);
            struct net_datagram out = {
                .data = piece, .len = MESSAGE_ENVELOPE_LEN + (size_t)len, .peer = got.peer};
            assert_int_equal(net_udp_send(stage->udp, &out, 1), 1);
        }
        got = (struct net_datagram){.data = request, .size = sizeof(request)};
    }
}

static void ask_on_done(void *context, enum status status, struct bytes answer,
                        const struct ask_figures *figures)
{
    struct stage *stage = context;
    struct message message;
    stage->calls++;
    stage->status = status;
    stage->figures = *figures;
    if (status == STATUS_OK) {
        assert_int_equal(message_decode(answer, &message), STATUS_OK);
        assert_int_equal(message.body.len, 1200);
    }
    net_stop(stage->net);
}

static int open_stage(void **state)
{
    static struct stage stage;
    stage = (struct stage){.calls = 0};
    struct net_address local;
    if (net_new(&stage.net) != STATUS_OK ||
        net_address_parse("127.0.0.1", 0, &local) != STATUS_OK ||
        net_udp_open(stage.net, &local, server_on_readable, &stage, &stage.udp, NULL) !=
            STATUS_OK) {
        return -1;
    }
    stage.address = net_udp_local(stage.udp);
    *state = &stage;
    return 0;
}

static int close_stage(void **state)
{
    struct stage *stage = *state;
    net_udp_close(stage->udp);
    net_free(stage->net);
    return 0;
}

static void udp_answer_of_several_pieces_is_put_together(void **state)
{
    struct stage *stage = *state;
    uint8_t room[256];
    struct ask *ask;
    struct ask_options options = {.server = stage->address, .transport = ASK_UDP};
    struct bytes request = encode(room, sizeof(room), 0, 20);
    assert_int_equal(ask_start(stage->net, &options, request, ask_on_done, stage, &ask), STATUS_OK);
    net_run(stage->net);
    assert_int_equal(stage->calls, 1);
    assert_int_equal(stage->status, STATUS_OK);
    assert_int_equal(stage->figures.datagrams, 3);
    assert_int_equal(stage->figures.sent_bytes, request.len);
    assert_int_equal(stage->requests, stage->figures.attempts);
}

static void tcp_question_to_a_closed_port_is_unreachable(void **state)
{
    struct stage *stage = *state;
    uint8_t room[256];
    struct ask *ask;
    struct ask_options options = {.server = stage->address, .transport = ASK_TCP};
    struct bytes request = encode(room, sizeof(room), 0, 20);
    enum status status = ask_start(stage->net, &options, request, ask_on_done, stage, &ask);
    if (status == STATUS_OK) {
        net_run(stage->net);
        status = stage->status;
    }
    assert_int_equal(status, STATUS_UNREACHABLE);
}

static void request_that_is_not_one_packet_is_refused(void **state)
{
    struct stage *stage = *state;
    uint8_t room[256];
    struct ask *ask = NULL;
    struct ask_options options = {.server = stage->address, .transport = ASK_UDP};
    struct bytes request = encode(room, sizeof(room), 0, 20);
    request.len--;
    assert_int_equal(ask_start(stage->net, &options, request, ask_on_done, stage, &ask),
                     STATUS_PROTOCOL_ERROR);
    request.len = MESSAGE_ENVELOPE_LEN - 1;
    assert_int_equal(ask_start(stage->net, &options, request, ask_on_done, stage, &ask),
                     STATUS_PROTOCOL_ERROR);
    assert_null(ask);
    ask_cancel(ask);
}

int main(void)
{
#define STAGE_TEST(f) cmocka_unit_test_setup_teardown(f, open_stage, close_stage)
    const struct CMUnitTest tests[] = {
        STAGE_TEST(udp_answer_of_several_pieces_is_put_together),
        STAGE_TEST(tcp_question_to_a_closed_port_is_unreachable),
        STAGE_TEST(request_that_is_not_one_packet_is_refused),
    };
#undef STAGE_TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
