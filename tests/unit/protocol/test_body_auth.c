/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of authentication and sessions: vectors V9-V13, V18-V20 field by field, the forms of §7.5,
 * challenges of every version (protocol.md §5.8-§5.12, §14 row 33).
 */
#include "tests/unit/protocol/vectors.h"

#include "protocol/body.h"

#define TEXT(literal) BYTES_LITERAL(literal)
#define V2_11 ((struct message_version){2, 11})
#define V2_0 ((struct message_version){2, 0})

static int setup(void **state)
{
    *state = arena_new(1 << 16, 4 << 20);
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

static void v9_challenge_fields(void **state)
{
    struct message message = vectors_message(*state, "V9.message");
    struct body_challenge body;
    assert_int_equal(body_challenge_decode(message.body, V2_11, &body), STATUS_OK);
    assert_int_equal(body.digest.algorithm, DIGEST_SHA256);
    vectors_assert_equal(bytes_of(body.digest.data, body.digest.len),
                         vectors_get(*state, "V2.sha256"));
    assert_int_equal(body.nonce.len, 16);
    assert_int_equal(body.nonce.data[15], 0xaf);
}

static void known_challenges_when_recoded_come_out_the_same(void **state)
{
    static const struct message_version versions[] = {{2, 0}, {2, 3}, {2, 11}};
    static const char key[] = "challenge message (no envelope) = ";
    struct bytes rest = vectors_file(*state, "crypto-known-keys.txt");
    struct bytes line;
    size_t found = 0;
    while (vectors_next_line(&rest, &line)) {
        if (!bytes_start_with(line, TEXT(key))) {
            continue;
        }
        struct bytes message = vectors_hex(*state, bytes_from(line, sizeof(key) - 1));
        struct bytes body = bytes_of(message.data + 24, message.len - 28);
        struct body_challenge challenge;
        uint8_t out[64];
        struct wire_writer w = wire_write(out, sizeof(out));
        assert_int_equal(body_challenge_decode(body, versions[found], &challenge), STATUS_OK);
        assert_int_equal(challenge.digest.algorithm, digest_algorithm_for(versions[found]));
        assert_int_equal(challenge.nonce.len, 16);
        body_challenge_encode(&w, versions[found], &challenge);
        vectors_assert_equal(wire_wrote(&w), body);
        found++;
    }
    assert_int_equal(found, 3);
}

static void challenge_when_old_and_cut_then_protocol_error(void **state)
{
    struct body_challenge challenge = {.digest = {.algorithm = DIGEST_MD5_OLD, .len = 16},
                                       .nonce = TEXT("0123456789abcdef")};
    uint8_t out[64];
    struct wire_writer w = wire_write(out, sizeof(out));
    (void)state;
    body_challenge_encode(&w, V2_0, &challenge);
    struct bytes body = wire_wrote(&w);
    assert_int_equal(body.len, 40);
    for (size_t len = 0; len < body.len; len++) {
        assert_int_equal(body_challenge_decode(bytes_of(body.data, len), V2_0, &challenge),
                         STATUS_PROTOCOL_ERROR);
    }
}

static void v11_answer_fields(void **state)
{
    struct message message = vectors_message(*state, "V11.message");
    struct body_answer body;
    struct body_mac mac;
    assert_int_equal(body_answer_decode(message.body, &body), STATUS_OK);
    vectors_assert_equal(body.type, TEXT("HS_SECKEY"));
    vectors_assert_equal(body.identity.handle, TEXT("20.1000/u1"));
    assert_int_equal(body.identity.index, 300);
    vectors_assert_equal(body.signed_response, vectors_get(*state, "V10.form_22"));
    assert_int_equal(body_mac_decode(body.signed_response, &mac), STATUS_OK);
    assert_int_equal(mac.form, 0x22);
    assert_int_equal(mac.salt.len, 16);
    assert_int_equal(mac.iterations, 10000);
    assert_int_equal(mac.key_bits, 160);
    assert_int_equal(mac.mac.len, 20);
}

static void v10_forms_both_ways(void **state)
{
    static const struct {
        const char *name;
        uint8_t form;
        size_t mac_len;
    } rows[] = {
        {"V10.form_00", 0x00, 16},        {"V10.form_02", 0x02, 20}, {"V10.form_03", 0x03, 32},
        {"V10.form_12", 0x12, 20},        {"V10.form_13", 0x13, 32}, {"V10.form_22", 0x22, 20},
        {"V10.form_22_latin1", 0x22, 20},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bytes bytes = vectors_get(*state, rows[i].name);
        struct body_mac mac;
        uint8_t out[64];
        struct wire_writer w = wire_write(out, sizeof(out));
        assert_int_equal(body_mac_decode(bytes, &mac), STATUS_OK);
        assert_int_equal(mac.form, rows[i].form);
        assert_int_equal(mac.mac.len, rows[i].mac_len);
        body_mac_encode(&w, &mac);
        vectors_assert_equal(wire_wrote(&w), bytes);
        for (size_t len = 0; len < bytes.len; len++) {
            enum status wanted = len == 16 ? STATUS_OK : STATUS_PROTOCOL_ERROR;
            assert_int_equal(body_mac_decode(bytes_of(bytes.data, len), &mac), wanted);
        }
    }
}

static void mac_when_form_is_unknown_then_protocol_error(void **state)
{
    uint8_t bytes[33] = {0};
    struct body_mac mac;
    (void)state;
    for (unsigned form = 0; form < 256; form++) {
        bytes[0] = (uint8_t)form;
        if (form == 0x22) {
            continue;
        }
        bool has_32 = form == 0x03 || form == 0x13;
        bool has_20 = form == 0x02 || form == 0x12;
        assert_int_equal(body_mac_decode(bytes_of(bytes, 33), &mac),
                         has_32 ? STATUS_OK : STATUS_PROTOCOL_ERROR);
        assert_int_equal(body_mac_decode(bytes_of(bytes, 21), &mac),
                         has_20 ? STATUS_OK : STATUS_PROTOCOL_ERROR);
        assert_int_equal(body_mac_decode(bytes_of(bytes, 17), &mac),
                         form == 0x01 ? STATUS_OK : STATUS_PROTOCOL_ERROR);
    }
    assert_int_equal(body_mac_decode(bytes_of(bytes, 16), &mac), STATUS_OK);
    assert_int_equal(mac.form, 0);
    bytes[0] = 0x01;
    assert_int_equal(body_mac_decode(bytes_of(bytes, 16), &mac), STATUS_OK);
    assert_int_equal(mac.form, 0);
}

static void public_key_answers_both_ways(void **state)
{
    static const char *const names[][2] = {{"V18.c_signed_response", "SHA-256"},
                                           {"V19.signed_response", "SM3"}};
    for (size_t i = 0; i < 2; i++) {
        struct bytes bytes = vectors_get(*state, names[i][0]);
        struct body_signature body;
        uint8_t out[256];
        struct wire_writer w = wire_write(out, sizeof(out));
        assert_int_equal(body_signature_decode(bytes, &body), STATUS_OK);
        vectors_assert_equal(body.algorithm, bytes_of_text(names[i][1]));
        body_signature_encode(&w, &body);
        vectors_assert_equal(wire_wrote(&w), bytes);
        assert_int_equal(body_signature_decode(bytes_of(bytes.data, bytes.len - 1), &body),
                         STATUS_PROTOCOL_ERROR);
    }
    struct body_signature sm2;
    struct bytes bytes = vectors_get(*state, "V19.signed_response");
    assert_int_equal(body_signature_decode(bytes, &sm2), STATUS_OK);
    vectors_assert_equal(sm2.signature, vectors_get(*state, "V19.der"));
}

static void v12_verify_fields(void **state)
{
    struct message message = vectors_message(*state, "V12.message");
    struct body_verify body;
    bool is_valid = false;
    assert_int_equal(body_verify_decode(message.body, &body), STATUS_OK);
    vectors_assert_equal(body.identity.handle, TEXT("20.1000/u1"));
    assert_int_equal(body.identity.index, 300);
    assert_int_equal(body.nonce.len, 16);
    vectors_assert_equal(body.digest, vectors_get(*state, "V2.sha256"));
    vectors_assert_equal(body.signed_response, vectors_get(*state, "V10.form_22"));
    assert_int_equal(body_verified_decode(vectors_get(*state, "V12.answer_body"), &is_valid),
                     STATUS_OK);
    assert_true(is_valid);
    assert_int_equal(body_verified_decode(TEXT("\x02"), &is_valid), STATUS_OK);
    assert_false(is_valid);
    assert_int_equal(body_verified_decode(BYTES_NONE, &is_valid), STATUS_PROTOCOL_ERROR);
    assert_int_equal(body_verified_decode(TEXT("\x01\x01"), &is_valid), STATUS_PROTOCOL_ERROR);
}

static void verify_when_digest_has_a_code_then_read(void **state)
{
    static const size_t lens[] = {0, 16, 20, 32};
    uint8_t digest[40] = {0};
    (void)state;
    for (unsigned code = 1; code < 256; code++) {
        uint8_t out[128];
        struct wire_writer w = wire_write(out, sizeof(out));
        struct body_verify body;
        bool is_known = code <= DIGEST_SHA256;
        wire_put_bytes(&w, TEXT("a/b"));
        wire_put_u32(&w, 300);
        wire_put_bytes(&w, TEXT("nonce"));
        wire_put_u8(&w, (uint8_t)code);
        wire_put_raw(&w, bytes_of(digest, is_known ? lens[code] : 32));
        wire_put_bytes(&w, TEXT("response"));
        enum status status = body_verify_decode(wire_wrote(&w), &body);
        assert_int_equal(status, is_known ? STATUS_OK : STATUS_PROTOCOL_ERROR);
        if (is_known) {
            assert_int_equal(body.digest.len, lens[code]);
            vectors_assert_equal(body.signed_response, TEXT("response"));
        }
    }
}

static void v13_session_fields(void **state)
{
    struct message request = vectors_message(*state, "V13.request");
    struct message answer = vectors_message(*state, "V13.answer");
    struct body_session_setup setup_body;
    struct body_session_answer answer_body;
    assert_int_equal(body_session_setup_decode(request.body, &setup_body), STATUS_OK);
    assert_int_equal(setup_body.mode, SESSION_DIFFIE_HELLMAN);
    assert_int_equal(setup_body.timeout_s, 86400);
    vectors_assert_equal(setup_body.identity.handle, TEXT("20.1000/u1"));
    assert_int_equal(setup_body.identity.index, 300);
    vectors_assert_equal(setup_body.public_key, TEXT("\x01\x02\x03"));
    assert_int_equal(setup_body.trailing_zeros, 2);
    assert_int_equal(body_session_answer_decode(answer.body, &answer_body), STATUS_OK);
    assert_int_equal(answer_body.mode, SESSION_DIFFIE_HELLMAN);
    vectors_assert_equal(answer_body.data, TEXT("\x09\x08"));
    assert_int_equal(answer_body.trailing_zeros, 2);
}

static void session_setup_when_each_mode_then_both_ways(void **state)
{
    (void)state;
    for (uint16_t mode = 0; mode < 6; mode++) {
        struct body_session_setup body = {.mode = mode,
                                          .timeout_s = 60,
                                          .identity = {.index = 0xffffffff},
                                          .trailing_zeros = mode};
        struct body_session_setup read;
        uint8_t out[128];
        uint8_t out_again[128];
        struct wire_writer w = wire_write(out, sizeof(out));
        struct wire_writer w_again = wire_write(out_again, sizeof(out_again));
        body.public_key = TEXT("key");
        body.exchange_key = (struct reference){TEXT("a/b"), 300};
        body_session_setup_encode(&w, &body);
        enum status status = body_session_setup_decode(wire_wrote(&w), &read);
        if (mode < SESSION_CLIENT_KEY || mode > SESSION_DIFFIE_HELLMAN) {
            assert_int_equal(status, STATUS_INVALID_SESSION_SETUP);
            continue;
        }
        assert_int_equal(status, STATUS_OK);
        assert_int_equal(read.mode, mode);
        assert_int_equal(read.identity.index, 0xffffffff);
        assert_int_equal(read.trailing_zeros, mode);
        body_session_setup_encode(&w_again, &read);
        vectors_assert_equal(wire_wrote(&w_again), wire_wrote(&w));
    }
}

static void session_when_rest_is_not_zero_then_protocol_error(void **state)
{
    static const uint8_t answer[] = {0, 4, 0, 0, 0, 1, 7, 0, 1};
    struct body_session_answer body;
    (void)state;
    assert_int_equal(body_session_answer_decode(bytes_of(answer, 8), &body), STATUS_OK);
    assert_int_equal(body.trailing_zeros, 1);
    assert_int_equal(body_session_answer_decode(bytes_of(answer, 9), &body), STATUS_PROTOCOL_ERROR);
    assert_int_equal(body_session_answer_decode(bytes_of(answer, 6), &body), STATUS_PROTOCOL_ERROR);
}

static void v20_login_fields(void **state)
{
    struct message message = vectors_message(*state, "V20.message");
    struct reference identity;
    assert_int_equal(body_login_decode(message.body, &identity), STATUS_OK);
    vectors_assert_equal(identity.handle, TEXT("20.1000/u1"));
    assert_int_equal(identity.index, 300);
}

static void exchange_key_and_txn_id_both_ways(void **state)
{
    uint8_t out[32];
    struct wire_writer key = wire_write(out, sizeof(out));
    struct bytes read_key;
    uint64_t id = 0;
    (void)state;
    body_exchange_key_encode(&key, TEXT("sealed"));
    assert_int_equal(body_exchange_key_decode(wire_wrote(&key), &read_key), STATUS_OK);
    vectors_assert_equal(read_key, TEXT("sealed"));
    struct wire_writer txn = wire_write(out, sizeof(out));
    body_txn_id_encode(&txn, 0x0102030405060708);
    assert_int_equal(body_txn_id_decode(wire_wrote(&txn), &id), STATUS_OK);
    assert_true(id == 0x0102030405060708);
    assert_int_equal(body_txn_id_decode(bytes_of(out, 7), &id), STATUS_PROTOCOL_ERROR);
    assert_int_equal(body_txn_id_decode(bytes_of(out, 9), &id), STATUS_PROTOCOL_ERROR);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(v9_challenge_fields),
        CASE(known_challenges_when_recoded_come_out_the_same),
        CASE(challenge_when_old_and_cut_then_protocol_error),
        CASE(v11_answer_fields),
        CASE(v10_forms_both_ways),
        CASE(mac_when_form_is_unknown_then_protocol_error),
        CASE(public_key_answers_both_ways),
        CASE(v12_verify_fields),
        CASE(verify_when_digest_has_a_code_then_read),
        CASE(v13_session_fields),
        CASE(session_setup_when_each_mode_then_both_ways),
        CASE(session_when_rest_is_not_zero_then_protocol_error),
        CASE(v20_login_fields),
        CASE(exchange_key_and_txn_id_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
