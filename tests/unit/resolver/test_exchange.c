/* SPDX-License-Identifier: Apache-2.0
 *
 * exchange.c: what every answer has in common, and what is answered before a handler is asked.
 */
#include "tests/unit/resolver/exchange_fixture.h"

#define EARLY_FLAGS 0x19000000u

static const char *const name_of_record = "88.1000/thing";

static int open_fixture(void **state)
{
    static struct fixture fixture;
    fixture_open(&fixture);
    fixture_home(&fixture, "88.1000", PREFIX_ACTIVE, CASE_INSENSITIVE);
    struct value value = fixture_value(1, "URL", "https://example.com/", 0x0e);
    fixture_put(&fixture, bytes_of_text(name_of_record), &value, 1);
    *state = &fixture;
    return 0;
}

static int close_fixture(void **state)
{
    fixture_close(*state);
    return 0;
}

static struct bytes whole_record(uint8_t room[64])
{
    return fixture_resolution(room, 64, bytes_of_text(name_of_record), NULL, 0, NULL);
}

/* An ordinary request to be spoiled by a test; its bytes are the fixture's. */
static uint8_t *plain_packet(struct fixture *f, size_t *out_len)
{
    uint8_t room[64];
    struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
    ask.session_id = 4711;
    *out_len = fixture_packet(f, &ask, whole_record(room)).len;
    return f->request;
}

static struct message decoded(struct bytes reply)
{
    struct message answer;
    assert_int_equal(message_decode(reply, &answer), STATUS_OK);
    return answer;
}

static void assert_early(const struct message *answer, uint32_t code, uint32_t opcode)
{
    assert_int_equal(answer->envelope.version.major, 2);
    assert_int_equal(answer->envelope.version.minor, 3);
    assert_int_equal(answer->envelope.suggested.major, 2);
    assert_int_equal(answer->envelope.suggested.minor, 11);
    assert_int_equal(answer->envelope.request_id, FIXTURE_REQUEST_ID);
    assert_int_equal(answer->envelope.session_id, 4711);
    assert_int_equal(answer->header.response_code, code);
    assert_int_equal(answer->header.opcode, opcode);
    assert_int_equal(answer->header.flags, EARLY_FLAGS);
    assert_int_equal(answer->header.site_serial, MESSAGE_SERIAL_UNKNOWN);
}

static void answer_when_asked_carries_ids_serial_and_expiration(void **state)
{
    struct fixture *f = *state;
    uint8_t room[64];
    struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
    ask.session_id = 10001; /* a client's own numbering, no session */
    ask.recursion_count = 200;
    struct message answer = fixture_answer(f, EXCHANGE_UDP, &ask, whole_record(room));
    assert_int_equal(answer.header.response_code, 1);
    assert_int_equal(answer.envelope.request_id, FIXTURE_REQUEST_ID);
    assert_int_equal(answer.envelope.session_id, 10001);
    assert_int_equal(answer.header.site_serial, FIXTURE_SERIAL);
    assert_int_equal(answer.header.recursion_count, 200);
    assert_int_equal(answer.header.expiration, FIXTURE_NOW_MS / 1000 + MESSAGE_EXPIRY_S);
    assert_false(answer.credential.is_present);
}

static void flags_when_answered_are_copied_as_the_table_says(void **state)
{
    struct fixture *f = *state;
    static const uint32_t copied = 0x40000000u | 0x20000000u | 0x08000000u | 0x01000000u |
                                   0x00800000u | 0x00100000u | 0x80000000u;
    uint8_t room[64];
    for (int is_primary = 0; is_primary < 2; is_primary++) {
        f->generation.is_primary = is_primary != 0;
        for (unsigned bit = 0; bit < 32; bit++) {
            struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
            ask.flags = 1u << bit;
            struct message answer = fixture_answer(f, EXCHANGE_UDP, &ask, whole_record(room));
            uint32_t expected = (ask.flags & copied) | 0x10000000u;
            expected |= is_primary ? 0x80000000u : 0;
            assert_int_equal(answer.header.flags, expected);
        }
    }
    f->generation.is_primary = true;
}

static void version_when_negotiated_is_what_both_speak(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct message_version asked, suggested, answered;
    } cases[] = {
        {{2, 11}, {2, 11}, {2, 11}}, {{2, 3}, {2, 11}, {2, 11}}, {{2, 3}, {2, 10}, {2, 10}},
        {{2, 1}, {0, 0}, {2, 1}},    {{2, 0}, {0, 0}, {2, 0}},   {{2, 12}, {2, 12}, {2, 11}},
        {{3, 0}, {3, 0}, {2, 11}},   {{3, 0}, {0, 0}, {2, 11}},  {{5, 3}, {0, 0}, {2, 0}},
        {{2, 3}, {1, 0}, {2, 0}},
    };
    uint8_t room[64];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
        ask.version = cases[i].asked;
        ask.suggested = cases[i].suggested;
        struct message answer = fixture_answer(f, EXCHANGE_UDP, &ask, whole_record(room));
        assert_int_equal(answer.header.response_code, 1);
        assert_memory_equal(&answer.envelope.version, &cases[i].answered,
                            sizeof(cases[i].answered));
        assert_int_equal(answer.envelope.suggested.major, 2);
        assert_int_equal(answer.envelope.suggested.minor, 11);
    }
}

static void digest_when_asked_for_is_of_this_request(void **state)
{
    struct fixture *f = *state;
    static const uint8_t minors[] = {1, 3, 6, 7, 11};
    uint8_t room[64];
    for (size_t i = 0; i < sizeof(minors); i++) {
        struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
        ask.suggested.minor = minors[i];
        ask.flags |= MESSAGE_REQUEST_DIGEST;
        struct message answer = fixture_answer(f, EXCHANGE_UDP, &ask, whole_record(room));
        struct message request = decoded(fixture_packet(f, &ask, whole_record(room)));
        struct bytes body;
        struct digest given;
        struct digest expected;
        bool has_digest;
        assert_int_equal(body_take_digest(&answer, &body, &given, &has_digest), STATUS_OK);
        assert_true(has_digest);
        assert_int_equal(given.algorithm, minors[i] < 7 ? DIGEST_SHA1 : DIGEST_SHA256);
        assert_int_equal(digest_compute(given.algorithm, request.digested, &expected), STATUS_OK);
        assert_int_equal(given.len, expected.len);
        assert_memory_equal(given.data, expected.data, expected.len);
    }
}

static void digest_when_version_below_2_1_is_left_out(void **state)
{
    struct fixture *f = *state;
    uint8_t room[64];
    struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
    ask.version = ask.suggested = (struct message_version){2, 0};
    ask.flags |= MESSAGE_REQUEST_DIGEST;
    struct message answer = fixture_answer(f, EXCHANGE_UDP, &ask, whole_record(room));
    assert_int_equal(answer.header.flags & MESSAGE_REQUEST_DIGEST, 0);
    struct body_values body;
    assert_int_equal(body_values_decode(answer.body, f->arena, &body), STATUS_OK);
    assert_int_equal(body.count, 1);
}

static void message_when_it_is_an_answer_gets_none(void **state)
{
    struct fixture *f = *state;
    size_t len;
    uint8_t *packet = plain_packet(f, &len);
    packet[27] = 1;
    assert_int_equal(fixture_run(f, EXCHANGE_UDP, bytes_of(packet, len)).len, 0);
    packet[0] = 1; /* nor when something else is wrong with it, too */
    assert_int_equal(fixture_run(f, EXCHANGE_TCP, bytes_of(packet, len)).len, 0);
    packet[0] = 2;
    packet[43] = 0xff;
    assert_int_equal(fixture_run(f, EXCHANGE_TCP, bytes_of(packet, len)).len, 0);
    assert_int_equal(f->x.outcome, STATUS_DROP);
}

static void packet_when_shorter_than_an_envelope_is_dropped(void **state)
{
    struct fixture *f = *state;
    size_t len;
    uint8_t *packet = plain_packet(f, &len);
    for (size_t cut = 0; cut < MESSAGE_ENVELOPE_LEN; cut++) {
        assert_int_equal(fixture_run(f, EXCHANGE_UDP, bytes_of(packet, cut)).len, 0);
    }
}

static void version_when_unknown_is_refused_in_2_3(void **state)
{
    struct fixture *f = *state;
    static const uint8_t majors[] = {0, 1, 4, 6, 255};
    size_t len;
    uint8_t *packet = plain_packet(f, &len);
    for (size_t i = 0; i < sizeof(majors); i++) {
        packet[0] = majors[i];
        struct message answer = decoded(fixture_run(f, EXCHANGE_UDP, bytes_of(packet, len)));
        assert_early(&answer, 4, OPCODE_RESOLUTION);
    }
}

static void message_when_malformed_is_refused_with_its_ids(void **state)
{
    struct fixture *f = *state;
    size_t len;
    uint8_t *packet = plain_packet(f, &len);
    packet[43] += 1; /* the body is longer than the message */
    struct message answer = decoded(fixture_run(f, EXCHANGE_UDP, bytes_of(packet, len)));
    assert_early(&answer, 4, OPCODE_RESOLUTION);
    packet[19] = 10; /* messageLength below a header */
    answer = decoded(fixture_run(f, EXCHANGE_UDP, bytes_of(packet, MESSAGE_ENVELOPE_LEN)));
    assert_early(&answer, 4, 0);
}

static void message_when_compressed_is_refused(void **state)
{
    struct fixture *f = *state;
    size_t len;
    uint8_t *packet = plain_packet(f, &len);
    packet[2] |= 0x80;
    struct message answer = decoded(fixture_run(f, EXCHANGE_UDP, bytes_of(packet, len)));
    assert_early(&answer, 4, 0);
}

static void message_when_a_piece_over_tcp_is_refused(void **state)
{
    struct fixture *f = *state;
    size_t len;
    uint8_t *packet = plain_packet(f, &len);
    packet[2] |= 0x20;
    struct message answer = decoded(fixture_run(f, EXCHANGE_TCP, bytes_of(packet, len)));
    assert_early(&answer, 4, OPCODE_RESOLUTION);
    answer = decoded(fixture_run(f, EXCHANGE_UDP, bytes_of(packet, len)));
    assert_int_equal(answer.header.response_code, 1); /* complete although flagged */
}

static void message_when_encrypted_finds_no_session(void **state)
{
    struct fixture *f = *state;
    size_t len;
    uint8_t *packet = plain_packet(f, &len);
    packet[2] |= 0x40;
    struct message answer = decoded(fixture_run(f, EXCHANGE_TCP, bytes_of(packet, len)));
    assert_early(&answer, 500, 0);
    packet[4] = 0x80; /* negative */
    answer = decoded(fixture_run(f, EXCHANGE_TCP, bytes_of(packet, len)));
    assert_int_equal(answer.header.response_code, 501);
    memset(packet + 4, 0, 4);
    answer = decoded(fixture_run(f, EXCHANGE_TCP, bytes_of(packet, len)));
    assert_int_equal(answer.header.response_code, 501);
}

static void credential_when_of_unknown_type_is_invalid(void **state)
{
    struct fixture *f = *state;
    struct message request = {
        .envelope = {.version = {2, 11}, .suggested = {2, 11}, .request_id = 9},
        .header = {.opcode = OPCODE_RESOLUTION},
        .credential = {.is_present = true, .type = BYTES_LITERAL("HS_NONE")},
    };
    struct wire_writer w = wire_write(f->request, MESSAGE_PACKET_MAX);
    message_encode(&w, &request);
    struct message answer = decoded(fixture_run(f, EXCHANGE_TCP, wire_wrote(&w)));
    assert_int_equal(answer.header.response_code, 404);
    assert_int_equal(answer.envelope.request_id, 9);
}

static void code_when_peer_below_2_5_is_renumbered(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum status outcome;
        uint8_t minor;
        uint32_t code;
    } cases[] = {
        {STATUS_SERVER_BACKUP, 4, 303}, {STATUS_SERVER_BACKUP, 5, 7},
        {STATUS_INVALID_VALUE, 4, 201}, {STATUS_INVALID_VALUE, 5, 202},
        {STATUS_NO_MEMORY, 11, 3},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        f->x = (struct exchange){.scope = &f->scope, .reply = wire_write(f->reply, 512)};
        f->x.answer_envelope.version = (struct message_version){2, cases[i].minor};
        assert_int_equal(exchange_refuse(&f->x, cases[i].outcome, "why"), STATUS_OK);
        struct message answer = decoded(wire_wrote(&f->x.reply));
        assert_int_equal(answer.header.response_code, cases[i].code);
        assert_true(bytes_equal(fixture_text(&answer), BYTES_LITERAL("why")));
    }
}

static void answer_when_it_does_not_fit_becomes_an_error(void **state)
{
    struct fixture *f = *state;
    uint8_t room[64];
    struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
    f->reply_room = 110; /* the record takes 114 */
    struct message answer = fixture_answer(f, EXCHANGE_UDP, &ask, whole_record(room));
    assert_int_equal(answer.header.response_code, 2);
    f->reply_room = 40;
    struct bytes packet = fixture_packet(f, &ask, whole_record(room));
    assert_int_equal(fixture_run(f, EXCHANGE_UDP, packet).len, 0);
    f->reply_room = MESSAGE_PACKET_MAX;
}

static void answer_when_room_holds_others_is_appended(void **state)
{
    struct fixture *f = *state;
    size_t len;
    uint8_t *packet = plain_packet(f, &len);
    f->x = (struct exchange){.scope = &f->scope,
                             .transport = EXCHANGE_TCP,
                             .request = bytes_of(packet, len),
                             .reply = wire_write(f->reply, f->reply_room)};
    assert_int_equal(exchange_run(&f->x), STATUS_OK);
    size_t first = wire_wrote(&f->x.reply).len;
    assert_int_equal(exchange_run(&f->x), STATUS_OK);
    assert_int_equal(wire_wrote(&f->x.reply).len, 2 * first);
    packet[27] = 1; /* dropped: nothing is added, nothing lost */
    assert_int_equal(exchange_run(&f->x), STATUS_DROP);
    assert_int_equal(wire_wrote(&f->x.reply).len, 2 * first);
    assert_memory_equal(f->reply, f->reply + first, first);
}

static void exchange_when_run_is_counted_once(void **state)
{
    struct fixture *f = *state;
    uint8_t room[64];
    struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
    struct bytes packet = fixture_packet(f, &ask, whole_record(room));
    static const struct {
        enum metric metric;
        bool is_answer_only;
    } counted[] = {{METRIC_requests, false},
                   {METRIC_request_bytes, false},
                   {METRIC_answer_bytes, true},
                   {METRIC_dropped, false}};
    int64_t before[4];
    for (size_t i = 0; i < 4; i++) {
        before[i] = metrics_sum(f->metrics, counted[i].metric, EXCHANGE_TCP);
    }
    unsigned success = metrics_code_label(1);
    unsigned resolution = metrics_opcode_label(OPCODE_RESOLUTION);
    int64_t answers = metrics_sum(f->metrics, METRIC_answers, success);
    int64_t operations = metrics_sum(f->metrics, METRIC_operations, resolution);
    size_t reply_len = fixture_run(f, EXCHANGE_TCP, packet).len;
    (void)fixture_run(f, EXCHANGE_TCP, BYTES_LITERAL("garbage"));
    int64_t grown[4];
    for (size_t i = 0; i < 4; i++) {
        grown[i] = metrics_sum(f->metrics, counted[i].metric, EXCHANGE_TCP) - before[i];
    }
    assert_int_equal(grown[0], 2);
    assert_int_equal(grown[1], packet.len + 7);
    assert_int_equal(grown[2], reply_len);
    assert_int_equal(grown[3], 1);
    assert_int_equal(metrics_sum(f->metrics, METRIC_answers, success), answers + 1);
    assert_int_equal(metrics_sum(f->metrics, METRIC_operations, resolution), operations + 1);
}

static void challenge_when_below_2_1_has_nonce_before_digest(void **state)
{
    struct fixture *f = *state;
    struct wire_writer w = wire_write(f->reply, 64);
    body_handle_encode(&w, bytes_of_text(name_of_record));
    uint8_t body[64];
    struct bytes encoded = wire_wrote(&w);
    assert_in_range(encoded.len, 1, sizeof(body));
    assert(encoded.data != NULL);
    memcpy(body, encoded.data, encoded.len);
    struct fixture_ask ask = fixture_ask(OPCODE_DELETE_HANDLE);
    ask.version = ask.suggested = (struct message_version){2, 0};
    struct message answer = fixture_answer(f, EXCHANGE_TCP, &ask, bytes_of(body, encoded.len));
    assert_int_equal(answer.header.flags & MESSAGE_REQUEST_DIGEST, 0);
    assert_int_equal(answer.body.len, 4 + 16 + 4 + 16);
    fixture_assert_challenge(&answer, fixture_packet(f, &ask, bytes_of(body, encoded.len)));
}

static void national_sdk_when_it_asks_is_known_by_its_versions(void **state)
{
    struct fixture *f = *state;
    f->x = (struct exchange){.scope = &f->scope, .transport = EXCHANGE_TCP};
    f->x.message.envelope.version = (struct message_version){2, 3};
    f->x.message.envelope.suggested = (struct message_version){2, 10};
    assert_true(exchange_is_national(&f->x));
    f->x.transport = EXCHANGE_UDP;
    assert_false(exchange_is_national(&f->x));
    f->x.transport = EXCHANGE_TCP;
    f->x.message.envelope.suggested.minor = 11;
    assert_false(exchange_is_national(&f->x));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answer_when_asked_carries_ids_serial_and_expiration),
        cmocka_unit_test(flags_when_answered_are_copied_as_the_table_says),
        cmocka_unit_test(version_when_negotiated_is_what_both_speak),
        cmocka_unit_test(digest_when_asked_for_is_of_this_request),
        cmocka_unit_test(digest_when_version_below_2_1_is_left_out),
        cmocka_unit_test(message_when_it_is_an_answer_gets_none),
        cmocka_unit_test(packet_when_shorter_than_an_envelope_is_dropped),
        cmocka_unit_test(version_when_unknown_is_refused_in_2_3),
        cmocka_unit_test(message_when_malformed_is_refused_with_its_ids),
        cmocka_unit_test(message_when_compressed_is_refused),
        cmocka_unit_test(message_when_a_piece_over_tcp_is_refused),
        cmocka_unit_test(message_when_encrypted_finds_no_session),
        cmocka_unit_test(credential_when_of_unknown_type_is_invalid),
        cmocka_unit_test(code_when_peer_below_2_5_is_renumbered),
        cmocka_unit_test(answer_when_it_does_not_fit_becomes_an_error),
        cmocka_unit_test(answer_when_room_holds_others_is_appended),
        cmocka_unit_test(exchange_when_run_is_counted_once),
        cmocka_unit_test(challenge_when_below_2_1_has_nonce_before_digest),
        cmocka_unit_test(national_sdk_when_it_asks_is_known_by_its_versions),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
