/* SPDX-License-Identifier: Apache-2.0
 *
 * JWS in compact form, claims and value digests.
 */
#include "protocol/jws.h"

#include "tests/unit/protocol/vectors.h"

#define ROOM 4096

static int set_up(void **state)
{
    *state = arena_new(1 << 16, 1 << 20);
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

static struct bytes compact(struct arena *arena, const char *header, const char *payload,
                            struct bytes signature)
{
    char *text = arena_alloc(arena, ROOM);
    assert_non_null(text);
    int len =
        snprintf(text, ROOM, "%s.%s.%s", text_base64url(arena, bytes_of_text(header)),
                 text_base64url(arena, bytes_of_text(payload)), text_base64url(arena, signature));
    assert_in_range(len, 1, ROOM - 1);
    return bytes_of(text, (size_t)len);
}

static enum status read_claims(struct arena *arena, const char *payload, struct jws_claims *out)
{
    struct jws jws;
    struct bytes text = compact(arena, "{\"alg\":\"RS256\"}", payload, BYTES_LITERAL("s"));
    assert_int_equal(jws_decode(text, arena, &jws), STATUS_OK);
    return jws_claims_decode(&jws, arena, out);
}

static void jws_when_decoded_has_its_parts(void **state)
{
    struct jws jws;
    struct bytes text = compact(*state, "{\"alg\":\"SM2SM3\"}", "{\"iss\":\"300:0.NA/88.1\"}",
                                BYTES_LITERAL("\x00\x01\xff"));
    assert_int_equal(jws_decode(text, *state, &jws), STATUS_OK);
    vectors_assert_equal(jws.header, BYTES_LITERAL("{\"alg\":\"SM2SM3\"}"));
    vectors_assert_equal(jws.payload, BYTES_LITERAL("{\"iss\":\"300:0.NA/88.1\"}"));
    vectors_assert_equal(jws.signature, BYTES_LITERAL("\x00\x01\xff"));
    vectors_assert_equal(jws.algorithm, BYTES_LITERAL("SM2SM3"));
    vectors_assert_equal(jws.signed_part, bytes_of(text.data, text.len - 5));
}

static void jws_when_recoded_has_the_same_bytes(void **state)
{
    struct jws jws;
    uint8_t room[ROOM];
    struct wire_writer w = wire_write(room, sizeof(room));
    struct bytes text =
        compact(*state, "{\"alg\":\"DS256\"}", "{ \"sub\" : 1 }", BYTES_LITERAL("any signature"));
    assert_int_equal(jws_decode(text, *state, &jws), STATUS_OK);
    assert_int_equal(jws_encode(&jws, &w), STATUS_OK);
    vectors_assert_equal(wire_wrote(&w), text);
    w = wire_write(room, text.len - 1);
    assert_int_equal(jws_encode(&jws, &w), STATUS_NO_ROOM);
}

static void jws_when_no_jws_is_refused(void **state)
{
    /* e30 is {}, W10 is [] */
    static const char *const texts[] = {
        "",
        "e30",
        "e30.e30",
        "e30.e30.AA.AA",
        "W10.e30.AA",
        "e30.W10.AA",
        "e30=.e30.",
        "e3 0.e30.",
        "e30.e30.A",
        ".e30.AA",
        "e30..AA",
        "e30.e30.A+",
        "e31.e30.A",
        "eyJhbGciOjF9.e30.AA",       /* {"alg":1} */
        "eyJhIjoxLCJhIjoyfQ.e30.AA", /* {"a":1,"a":2} */
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct jws jws;
        if (jws_decode(bytes_of_text(texts[i]), *state, &jws) != STATUS_INVALID_VALUE) {
            fail_msg("accepted: %s", texts[i]);
        }
    }
}

static void jws_without_signature_bytes_is_read(void **state)
{
    struct jws jws;
    assert_int_equal(jws_decode(BYTES_LITERAL("e30.e30."), *state, &jws), STATUS_OK);
    assert_int_equal(jws.signature.len, 0);
    assert_int_equal(jws.algorithm.len, 0);
}

static void jws_when_arena_is_full_says_so(void **state)
{
    struct arena *small = arena_new(16, 16);
    struct jws jws;
    struct bytes text =
        compact(*state, "{\"alg\":\"RS256\"}", "{\"iss\":\"300:0.NA/88.1\"}", BYTES_LITERAL("s"));
    assert_non_null(small);
    assert_int_equal(jws_decode(text, small, &jws), STATUS_NO_MEMORY);
    arena_free(small);
}

static void claims_of_signature_are_read(void **state)
{
    struct jws_claims claims;
    const char *payload =
        "{\"digests\":{\"alg\":\"SHA-256\",\"digests\":[{\"index\":1,\"digest\":"
        "\"EmFkr18IzGanFmXTJWQKpn2oCN3wnVLIbXac/d1dZVk=\"}]},"
        "\"chain\":[\"300:0.NA/20.1000\",\"300:0.0/0.0\"],\"iss\":\"300:0.NA/20.1000\","
        "\"sub\":\"20.1000/Abc\",\"exp\":1800000000,\"nbf\":1700000000,\"iat\":1700000001}";
    assert_int_equal(read_claims(*state, payload, &claims), STATUS_OK);
    vectors_assert_equal(claims.issuer, BYTES_LITERAL("300:0.NA/20.1000"));
    vectors_assert_equal(claims.subject, BYTES_LITERAL("20.1000/Abc"));
    assert_int_equal(claims.issued_at, 1700000001);
    assert_int_equal(claims.not_before, 1700000000);
    assert_int_equal(claims.expires, 1800000000);
    vectors_assert_equal(claims.digest_algorithm, BYTES_LITERAL("SHA-256"));
    assert_int_equal(claims.digest_count, 1);
    assert_int_equal(claims.digests[0].index, 1);
    vectors_assert_equal(bytes_of(claims.digests[0].digest, 32), vectors_get(*state, "V22.digest"));
    assert_int_equal(claims.chain_count, 2);
    vectors_assert_equal(claims.chain[1], BYTES_LITERAL("300:0.0/0.0"));
    assert_int_equal(claims.public_key_json.len, 0);
}

static void claims_of_certificate_are_read(void **state)
{
    struct jws_claims claims;
    const char *payload = "{\"publicKey\":{\"n\":\"AQAB\",\"kty\":\"RSA\",\"e\":\"Aw\"},"
                          "\"perms\":[{\"handle\":\"0.NA/20\",\"perm\":\"everything\"}],"
                          "\"iss\":\"300:0.0/0.0\",\"sub\":\"300:0.NA/20\",\"chain\":null}";
    assert_int_equal(read_claims(*state, payload, &claims), STATUS_OK);
    vectors_assert_equal(claims.public_key_json,
                         BYTES_LITERAL("{\"e\":\"Aw\",\"kty\":\"RSA\",\"n\":\"AQAB\"}"));
    assert_int_equal(claims.digest_count, 0);
    assert_int_equal(claims.chain_count, 0);
    assert_int_equal(claims.expires, 0);
}

static void claims_with_permissions_are_read(void **state)
{
    struct jws_claims claims;
    const char *payload =
        "{\"perms\":[{\"perm\":\"everything\"},{\"handle\":\"88.1/x\",\"perm\":\"thisHandle\","
        "\"ca\":false},{\"handle\":\"0.NA/88\",\"perm\":\"derivedPrefixes\",\"ca\":true},"
        "{\"handle\":\"0.NA/88\",\"perm\":\"somethingNew\"},{\"perm\":\"thisHandle\"},"
        "{\"handle\":\"0.NA/88.1\",\"perm\":\"handlesUnderThisPrefix\"}]}";
    assert_int_equal(read_claims(*state, payload, &claims), STATUS_OK);
    assert_int_equal(claims.permission_count, 4); /* what grants nothing we know is left out */
    assert_int_equal(claims.permissions[0].perm, JWS_EVERYTHING);
    assert_true(claims.permissions[0].may_certify);
    assert_int_equal(claims.permissions[1].perm, JWS_THIS_HANDLE);
    assert_false(claims.permissions[1].may_certify);
    vectors_assert_equal(claims.permissions[1].handle, BYTES_LITERAL("88.1/x"));
    assert_int_equal(claims.permissions[2].perm, JWS_DERIVED_PREFIXES);
    assert_true(claims.permissions[2].may_certify);
    assert_int_equal(claims.permissions[3].perm, JWS_HANDLES_UNDER_THIS_PREFIX);
    vectors_assert_equal(claims.permissions[3].handle, BYTES_LITERAL("0.NA/88.1"));
}

/* `head` entry, entry, ..., entry `tail` */
static enum status read_list(struct arena *arena, const char *head, const char *entry, size_t count)
{
    struct jws_claims claims;
    size_t size = strlen(head) + count * (strlen(entry) + 1) + 4;
    char *payload = arena_alloc(arena, size);
    assert_non_null(payload);
    struct wire_writer w = wire_write((uint8_t *)payload, size);
    wire_put_raw(&w, bytes_of_text(head));
    for (size_t i = 0; i < count; i++) {
        wire_put_raw(&w, bytes_of_text(i == 0 ? "" : ","));
        wire_put_raw(&w, bytes_of_text(entry));
    }
    wire_put_raw(&w, BYTES_LITERAL("]}"));
    const struct jws jws = {.payload = wire_wrote(&w)};
    return jws_claims_decode(&jws, arena, &claims);
}

static void claims_when_lists_are_too_long_are_refused(void **state)
{
    assert_int_equal(read_list(*state, "{\"chain\":[", "\"1:a\"", JWS_CHAIN_MAX), STATUS_OK);
    assert_int_equal(read_list(*state, "{\"chain\":[", "\"1:a\"", JWS_CHAIN_MAX + 1),
                     STATUS_INVALID_VALUE);
    assert_int_equal(read_list(*state, "{\"perms\":[", "{}", JWS_PERMISSIONS_MAX), STATUS_OK);
    assert_int_equal(read_list(*state, "{\"perms\":[", "{}", JWS_PERMISSIONS_MAX + 1),
                     STATUS_INVALID_VALUE);
}

static void claims_when_present_but_not_understood_are_refused(void **state)
{
    static const char *const payloads[] = {
        "{\"exp\":1.5e9}",
        "{\"exp\":\"never\"}",
        "{\"nbf\":-1}",
        "{\"iat\":0}",
        "{\"iss\":7}",
        "{\"chain\":\"300:0.0/0.0\"}",
        "{\"chain\":[300]}",
        "{\"chain\":[\"\"]}",
        "{\"publicKey\":\"RSA\"}",
        "{\"digests\":[]}",
        "{\"digests\":{\"alg\":\"SHA-256\"}}",
        "{\"digests\":{\"digests\":[{\"index\":1}]}}",
        ("{\"digests\":{\"digests\":[{\"index\":-1,\"digest\":"
         "\"EmFkr18IzGanFmXTJWQKpn2oCN3wnVLIbXac/d1dZVk=\"}]}}"),
        "{\"digests\":{\"digests\":[{\"index\":1,\"digest\":\"EmFk\"}]}}",
        "{\"digests\":{\"digests\":[7]}}",
        "{\"perms\":{}}",
        "{\"perms\":[7]}",
        "{\"perms\":[{\"perm\":7}]}",
        "{\"perms\":[{\"perm\":\"everything\",\"handle\":7}]}",
        "{\"perms\":[{\"perm\":\"everything\",\"ca\":\"no\"}]}",
    };
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        struct jws_claims claims;
        if (read_claims(*state, payloads[i], &claims) != STATUS_INVALID_VALUE) {
            fail_msg("accepted: %s", payloads[i]);
        }
    }
}

static void value_digest_when_computed_is_the_vectors(void **state)
{
    struct bytes encoded = vectors_get(*state, "V3.url");
    struct wire_reader r = wire_read(encoded);
    struct value value;
    uint8_t digest[32];
    assert_int_equal(value_decode(&r, &value), STATUS_OK);
    assert_int_equal(jws_value_digest(&value, digest), STATUS_OK);
    vectors_assert_equal(bytes_of(digest, sizeof(digest)), vectors_get(*state, "V22.digest"));
    value.timestamp++; /* not covered */
    value.index++;
    assert_int_equal(jws_value_digest(&value, digest), STATUS_OK);
    vectors_assert_equal(bytes_of(digest, sizeof(digest)), vectors_get(*state, "V22.digest"));
    value.ttl++;
    assert_int_equal(jws_value_digest(&value, digest), STATUS_OK);
    assert_memory_not_equal(digest, vectors_get(*state, "V22.digest").data, sizeof(digest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jws_when_decoded_has_its_parts),
        cmocka_unit_test(jws_when_recoded_has_the_same_bytes),
        cmocka_unit_test(jws_when_no_jws_is_refused),
        cmocka_unit_test(jws_without_signature_bytes_is_read),
        cmocka_unit_test(jws_when_arena_is_full_says_so),
        cmocka_unit_test(claims_of_signature_are_read),
        cmocka_unit_test(claims_of_certificate_are_read),
        cmocka_unit_test(claims_with_permissions_are_read),
        cmocka_unit_test(claims_when_lists_are_too_long_are_refused),
        cmocka_unit_test(claims_when_present_but_not_understood_are_refused),
        cmocka_unit_test(value_digest_when_computed_is_the_vectors),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
