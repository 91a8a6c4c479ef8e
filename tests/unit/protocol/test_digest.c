/* SPDX-License-Identifier: Apache-2.0
 *
 * Digests of requests: vector V2, the framing of §5.1, HMAC, and the known keys of every version.
 */
#include "tests/unit/protocol/vectors.h"

#include <stdlib.h>

#include "protocol/digest.h"

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

static void expect_digest(struct arena *arena, enum digest_algorithm algorithm, const char *name)
{
    struct bytes message = vectors_get(arena, "V2.message");
    struct digest digest;
    assert_int_equal(digest_compute(algorithm, bytes_of(message.data, message.len - 4), &digest),
                     STATUS_OK);
    assert_int_equal(digest.algorithm, algorithm);
    vectors_assert_equal(bytes_of(digest.data, digest.len), vectors_get(arena, name));
}

static void v2_digests_of_header_and_body(void **state)
{
    expect_digest(*state, DIGEST_SHA256, "V2.sha256");
    expect_digest(*state, DIGEST_SHA1, "V2.sha1");
    expect_digest(*state, DIGEST_MD5, "V2.md5");
    expect_digest(*state, DIGEST_MD5_OLD, "V2.md5");
}

static void algorithm_for_version(void **state)
{
    static const struct {
        struct message_version version;
        enum digest_algorithm wanted;
    } rows[] = {
        {{2, 11}, DIGEST_SHA256}, {{3, 0}, DIGEST_SHA256},  {{2, 7}, DIGEST_SHA256},
        {{2, 6}, DIGEST_SHA1},    {{2, 1}, DIGEST_SHA1},    {{2, 0}, DIGEST_MD5_OLD},
        {{1, 0}, DIGEST_MD5_OLD}, {{5, 9}, DIGEST_MD5_OLD},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(digest_algorithm_for(rows[i].version), rows[i].wanted);
    }
}

static void framing_both_ways(void **state)
{
    static const struct {
        enum digest_algorithm algorithm;
        size_t len;
    } rows[] = {{DIGEST_MD5_OLD, 20}, {DIGEST_MD5, 17}, {DIGEST_SHA1, 21}, {DIGEST_SHA256, 33}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct digest digest;
        struct digest again;
        uint8_t out[40];
        struct wire_writer w = wire_write(out, sizeof(out));
        assert_int_equal(digest_compute(rows[i].algorithm, BYTES_LITERAL("x"), &digest), STATUS_OK);
        digest_encode(&w, &digest);
        assert_int_equal(wire_wrote(&w).len, rows[i].len);
        for (size_t len = 0; len < rows[i].len; len++) {
            struct wire_reader cut = wire_read(bytes_of(out, len));
            assert_int_equal(digest_decode(&cut, &again), STATUS_PROTOCOL_ERROR);
        }
        struct wire_reader r = wire_read(bytes_of(out, sizeof(out)));
        assert_int_equal(digest_decode(&r, &again), STATUS_OK);
        assert_int_equal(wire_left(&r), sizeof(out) - rows[i].len);
        assert_int_equal(again.algorithm, rows[i].algorithm);
        vectors_assert_equal(bytes_of(again.data, again.len), bytes_of(digest.data, digest.len));
    }
}

static void framing_when_code_or_length_is_unknown_then_protocol_error(void **state)
{
    static const uint8_t starts[][4] = {{4},           {0x22},        {0xff},
                                        {0, 0, 0, 17}, {0, 0, 1, 16}, {0, 1, 0, 16}};
    (void)state;
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        uint8_t bytes[64] = {0};
        struct digest digest = {.len = 99};
        memcpy(bytes, starts[i], 4);
        struct wire_reader r = wire_read(bytes_of(bytes, sizeof(bytes)));
        assert_int_equal(digest_decode(&r, &digest), STATUS_PROTOCOL_ERROR);
        assert_int_equal(digest.len, 99);
    }
}

/* The known keys give digests of one request for versions 2.0, 2.3 and 2.11. */
static void known_requests_when_digested_then_as_in_the_file(void **state)
{
    static const char request_key[] = "request header+body = ";
    static const char type_key[] = "rdHashType = ";
    static const char digest_key[] = "requestDigest = ";
    struct bytes rest = vectors_file(*state, "crypto-known-keys.txt");
    struct bytes request = BYTES_NONE;
    struct bytes line;
    enum digest_algorithm algorithm = DIGEST_MD5_OLD;
    size_t checked = 0;
    while (vectors_next_line(&rest, &line)) {
        if (bytes_start_with(line, BYTES_LITERAL(request_key))) {
            request = vectors_hex(*state, bytes_from(line, sizeof(request_key) - 1));
        } else if (bytes_start_with(line, BYTES_LITERAL(type_key))) {
            algorithm = (enum digest_algorithm)(line.data[sizeof(type_key) - 1] - '0');
        } else if (bytes_start_with(line, BYTES_LITERAL(digest_key))) {
            struct digest digest;
            assert_int_equal(digest_compute(algorithm, request, &digest), STATUS_OK);
            vectors_assert_equal(bytes_of(digest.data, digest.len),
                                 vectors_hex(*state, bytes_from(line, sizeof(digest_key) - 1)));
            checked++;
        }
    }
    assert_int_equal(checked, 3);
}

static void sha256_when_in_runs_then_of_the_concatenation(void **state)
{
    struct bytes message = vectors_get(*state, "V2.message");
    struct bytes runs[] = {
        bytes_of(message.data, 10),
        BYTES_NONE,
        bytes_of(message.data + 10, message.len - 14),
    };
    uint8_t out[32];
    assert_int_equal(digest_sha256(runs, 3, out), STATUS_OK);
    vectors_assert_equal(bytes_of(out, sizeof(out)), vectors_get(*state, "V2.sha256"));
    assert_int_equal(digest_sha256(NULL, 0, out), STATUS_OK);
    vectors_assert_equal(
        bytes_of(out, sizeof(out)),
        vectors_hex(
            *state,
            BYTES_LITERAL("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")));
}

/* The session MAC of V14: prefix, header and body under the key 01..20. */
static void hmac_when_v14_then_as_computed(void **state)
{
    static const uint8_t prefix[] = {2, 11, 2, 11, 0, 0, 0, 0x2a, 1, 2, 3, 4, 0, 0, 0, 1};
    struct bytes message = vectors_get(*state, "V14.message");
    struct bytes runs[] = {bytes_of(prefix, sizeof(prefix)), bytes_of(message.data, 29)};
    uint8_t key[32];
    uint8_t out[32];
    for (size_t i = 0; i < sizeof(key); i++) {
        key[i] = (uint8_t)(i + 1);
    }
    assert_int_equal(digest_hmac_sha256(bytes_of(key, sizeof(key)), runs, 2, out), STATUS_OK);
    vectors_assert_equal(bytes_of(out, sizeof(out)), bytes_from(message, message.len - 32));
}

static void hmac_when_key_and_text_are_empty_then_defined(void **state)
{
    uint8_t out[32];
    assert_int_equal(digest_hmac_sha256(BYTES_NONE, NULL, 0, out), STATUS_OK);
    vectors_assert_equal(
        bytes_of(out, sizeof(out)),
        vectors_hex(
            *state,
            BYTES_LITERAL("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(v2_digests_of_header_and_body),
        CASE(algorithm_for_version),
        CASE(framing_both_ways),
        CASE(framing_when_code_or_length_is_unknown_then_protocol_error),
        CASE(known_requests_when_digested_then_as_in_the_file),
        CASE(sha256_when_in_runs_then_of_the_concatenation),
        CASE(hmac_when_v14_then_as_computed),
        CASE(hmac_when_key_and_text_are_empty_then_defined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
