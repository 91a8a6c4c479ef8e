/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading credentials: every scheme, what is escaped, what is said twice, what is none.
 */
#include "resolver/http_credentials.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/body.h"
#include "protocol/secret_answer.h"

static int set_up(void **state)
{
    *state = arena_new(4096, 1 << 20);
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

static void expect(struct bytes is, const char *should)
{
    assert_true(bytes_equal(is, bytes_of_text(should)));
}

static enum status read_field(void **state, const char *text, struct http_credentials *out)
{
    return http_credentials_read(*state, bytes_of_text(text), out);
}

static void basic_when_read_has_user_and_password(void **state)
{
    struct http_credentials said;
    /* 300%3A0.NA/88.1000:pass:word */
    assert_int_equal(read_field(state, "bASIC  MzAwJTNBMC5OQS84OC4xMDAwOnBhc3M6d29yZA==", &said),
                     STATUS_OK);
    assert_int_equal(said.scheme, HTTP_SCHEME_BASIC);
    assert_int_equal(said.user.index, 300);
    expect(said.user.handle, "0.NA/88.1000");
    expect(said.password, "pass:word");
}

static void handle_when_read_has_its_members(void **state)
{
    struct http_credentials said;
    assert_int_equal(read_field(state,
                                "Handle version=\"0\", sessionId=\"n\\\"1\" ,id=\"300:a/b\","
                                "type=HS_PUBKEY,cnonce=AAECAw==, alg = \"SHA256\","
                                "signature=\"eHk=\",salt=\"enp6\",iterations=10,length=\"160\", "
                                "clientCert=\"true\", other=\"x\"",
                                &said),
                     STATUS_OK);
    expect(said.session, "n\"1");
    expect(said.user.handle, "a/b");
    expect(said.type, "HS_PUBKEY");
    expect(said.algorithm, "SHA256");
    expect(said.signature, "xy");
    expect(said.salt, "zzz");
    assert_int_equal(said.cnonce.len, 4);
    assert_int_equal(said.iterations, 10);
    assert_int_equal(said.key_bits, 160);
    assert_true(said.has_certificate);
}

static void field_that_is_none_is_refused(void **state)
{
    static const char *const fields[] = {
        "",
        "Basic",
        "Basic !",
        "Basic bm9jb2xvbg==",
        "Digest a=\"b\"",
        "Bearer",
        "Handle x",
        "Handle x=\"y",
        "Handle x=\"y\\",
        "Handle x=\"y\" z=\"a\"",
        "Handle id=\"300:a/b\", id=\"300:a/b\"",
        "Handle id=\"0:a/b\"",
        "Handle id=\"a/b\"",
        "Handle id=\"\"",
        "Handle sessionId=\"a\", sessionid=\"a\"",
        "Handle sessionId=\"\"",
        "Handle cnonce=\"*\"",
        "Handle iterations=\"1e3\"",
        "Handle iterations=\"99999999999\"",
        "Handle =\"a\"",
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct http_credentials said;
        assert_int_equal(read_field(state, fields[i], &said), STATUS_BAD_SYNTAX);
    }
}

static void json_when_read_has_numbers_and_texts(void **state)
{
    struct http_credentials said;
    assert_int_equal(
        http_credentials_read_json(*state,
                                   BYTES_LITERAL("{\"sessionId\":\"s\",\"iterations\":10000,"
                                                 "\"length\":\"160\",\"clientCert\":true,"
                                                 "\"salt\":null,\"id\":\"301:a/b\"}"),
                                   &said),
        STATUS_OK);
    assert_int_equal(said.iterations, 10000);
    assert_int_equal(said.key_bits, 160);
    assert_int_equal(said.user.index, 301);
    assert_true(said.has_certificate);
    static const char *const none[] = {"",
                                       "[]",
                                       "{\"id\":[]}",
                                       "{\"id\":\"300:a/b\"",
                                       "3",
                                       "{\"iterations\":-1}",
                                       "{\"id\":\"1:a/b\",\"id\":\"1:a/b\"}"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_int_equal(http_credentials_read_json(*state, bytes_of_text(none[i]), &said),
                         STATUS_BAD_SYNTAX);
    }
}

static enum status answer(const char *type, const char *algorithm, size_t mac_len, uint8_t *room,
                          size_t *len, bool *is_secret)
{
    const struct http_credentials said = {
        .user = {BYTES_LITERAL("a/b"), 300},
        .type = bytes_of_text(type),
        .algorithm = bytes_of_text(algorithm),
        .signature = bytes_of("12345678901234567890123456789012", mac_len),
        .salt = BYTES_LITERAL("salt"),
        .iterations = 7,
        .key_bits = 160,
    };
    struct wire_writer w = wire_write(room, 256);
    enum status status = http_credentials_answer(&said, is_secret, &w);
    *len = wire_wrote(&w).len;
    return status;
}

static void answer_is_that_of_the_handle_protocol(void **state)
{
    (void)state;
    static const struct {
        const char *algorithm;
        enum secret_form form;
        size_t mac_len;
    } forms[] = {
        {"SHA1", SECRET_SHA1, 20},
        {"sha-256", SECRET_SHA256, 32},
        {"HMAC-SHA1", SECRET_HMAC_SHA1, 20},
        {"HmacSHA256", SECRET_HMAC_SHA256, 32},
        {"PBKDF2WithHmacSHA1", SECRET_PBKDF2, 20},
    };
    uint8_t room[256];
    size_t len = 0;
    bool is_secret = false;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct body_mac mac;
        assert_int_equal(
            answer("HS_SECKEY", forms[i].algorithm, forms[i].mac_len, room, &len, &is_secret),
            STATUS_OK);
        assert_true(is_secret);
        assert_int_equal(body_mac_decode(bytes_of(room, len), &mac), STATUS_OK);
        assert_int_equal(mac.form, forms[i].form);
        assert_int_equal(mac.mac.len, forms[i].mac_len);
    }
    struct body_signature signature;
    assert_int_equal(answer("HS_PUBKEY", "SHA256", 20, room, &len, &is_secret), STATUS_OK);
    assert_false(is_secret);
    assert_int_equal(body_signature_decode(bytes_of(room, len), &signature), STATUS_OK);
    expect(signature.algorithm, "SHA256");
    assert_int_equal(answer("HS_SECKEY", "ROT13", 20, room, &len, &is_secret), STATUS_BAD_SYNTAX);
    assert_int_equal(answer("HS_ADMIN", "SHA1", 20, room, &len, &is_secret), STATUS_BAD_SYNTAX);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(basic_when_read_has_user_and_password), CASE(handle_when_read_has_its_members),
        CASE(field_that_is_none_is_refused),         CASE(json_when_read_has_numbers_and_texts),
        CASE(answer_is_that_of_the_handle_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
