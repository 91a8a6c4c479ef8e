/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of claims: times, subjects, permissions, digests, algorithms.
 */
#include "protocol/claims.h"

#include "tests/unit/protocol/claims_fixture.h"

#define SM3_OF_V22 "5736d62f0a80e8feabdbabd728c0f05763c19ed89b43e427b7903615550937ef"

static struct jws_permission perm(enum jws_perm kind, const char *handle)
{
    return (struct jws_permission){kind, bytes_of_text(handle), true};
}

static bool permits_handle(struct jws_permission permission, const char *handle)
{
    const struct jws_claims claims = {.permissions = &permission, .permission_count = 1};
    return claims_permit_handle(&claims, bytes_of_text(handle));
}

static bool permits_issued(struct jws_permission held, struct jws_permission given)
{
    const struct jws_claims above = {.permissions = &held, .permission_count = 1};
    const struct jws_claims below = {.permissions = &given, .permission_count = 1};
    return claims_permit_certificate(&above, &below);
}

static void times_when_bounds_are_reached_hold(void **state)
{
    (void)state;
    const struct jws_claims claims = {.not_before = 100, .expires = 200};
    assert_int_equal(claims_judge_times(&claims, 99), CLAIMS_NOT_YET);
    assert_int_equal(claims_judge_times(&claims, 100), CLAIMS_FLAWLESS);
    assert_int_equal(claims_judge_times(&claims, 200), CLAIMS_FLAWLESS);
    assert_int_equal(claims_judge_times(&claims, 201), CLAIMS_EXPIRED);
    const struct jws_claims open = {0};
    assert_int_equal(claims_judge_times(&open, 1), CLAIMS_FLAWLESS);
}

static void subject_when_spelled_otherwise_is_the_same(void **state)
{
    (void)state;
    const struct jws_claims bare = {.subject = BYTES_LITERAL("88.1/Part")};
    const struct jws_claims indexed = {.subject = BYTES_LITERAL("300:88.1/part")};
    assert_true(claims_is_about(&bare, BYTES_LITERAL("88.1/part")));
    assert_true(claims_is_about(&indexed, BYTES_LITERAL("88.1/part")));
    assert_false(claims_is_about(&bare, BYTES_LITERAL("88.1/part2")));
    const struct jws_claims none = {0};
    assert_false(claims_is_about(&none, BYTES_LITERAL("88.1/part")));
}

static void identity_without_index_is_any_of_the_handle(void **state)
{
    (void)state;
    struct claims_identity any;
    struct claims_identity third;
    struct claims_identity other;
    assert_true(claims_identity_parse(BYTES_LITERAL("88.1/u"), &any));
    assert_true(claims_identity_parse(BYTES_LITERAL("300:88.1/U"), &third));
    assert_true(claims_identity_parse(BYTES_LITERAL("301:88.1/u"), &other));
    assert_false(claims_identity_parse(BYTES_NONE, &other));
    assert_true(claims_identity_is(&any, &third));
    assert_false(claims_identity_is(&other, &third));
}

static void permissions_cover_what_their_names_say(void **state)
{
    (void)state;
    assert_true(permits_handle(perm(JWS_EVERYTHING, ""), "88.1/x"));
    assert_true(permits_handle(perm(JWS_THIS_HANDLE, "88.1/X"), "88.1/x"));
    assert_false(permits_handle(perm(JWS_THIS_HANDLE, "88.1/x"), "88.1/xy"));
    assert_true(permits_handle(perm(JWS_HANDLES_UNDER_THIS_PREFIX, "0.NA/88.1"), "88.1/x"));
    assert_true(permits_handle(perm(JWS_HANDLES_UNDER_THIS_PREFIX, "88.1"), "88.1/x"));
    assert_false(permits_handle(perm(JWS_HANDLES_UNDER_THIS_PREFIX, "0.NA/88.1"), "88.1.2/x"));
    assert_false(permits_handle(perm(JWS_HANDLES_UNDER_THIS_PREFIX, "0.NA/88.1"), "88.11/x"));
    assert_false(permits_handle(perm(JWS_HANDLES_UNDER_THIS_PREFIX, "0.NA/88.1"), "0.NA/88.1"));
    assert_false(permits_handle(perm(JWS_HANDLES_UNDER_THIS_PREFIX, "88.1/x"), "88.1/x"));
    assert_true(permits_handle(perm(JWS_DERIVED_PREFIXES, "0.NA/88"), "0.na/88.1"));
    assert_true(permits_handle(perm(JWS_DERIVED_PREFIXES, "0.NA/88"), "88.1.2/x"));
    assert_false(permits_handle(perm(JWS_DERIVED_PREFIXES, "0.NA/88"), "0.NA/88"));
    assert_false(permits_handle(perm(JWS_DERIVED_PREFIXES, "0.NA/88"), "88/x"));
    assert_false(permits_handle(perm(JWS_DERIVED_PREFIXES, "0.NA/88"), "881.1/x"));
}

static void permissions_that_are_held_may_be_given(void **state)
{
    (void)state;
    const struct jws_permission all = perm(JWS_EVERYTHING, "");
    const struct jws_permission below = perm(JWS_DERIVED_PREFIXES, "0.NA/88");
    const struct jws_permission under = perm(JWS_HANDLES_UNDER_THIS_PREFIX, "0.NA/88.1");
    const struct jws_permission this = perm(JWS_THIS_HANDLE, "88.1/x");
    assert_true(permits_issued(all, all));
    assert_true(permits_issued(all, under));
    assert_true(permits_issued(below, below));
    assert_true(permits_issued(below, perm(JWS_DERIVED_PREFIXES, "0.NA/88.1")));
    assert_true(permits_issued(below, under));
    assert_true(permits_issued(below, this));
    assert_true(permits_issued(under, under));
    assert_true(permits_issued(under, this));
    assert_false(permits_issued(below, all));
    assert_false(permits_issued(below, perm(JWS_DERIVED_PREFIXES, "0.NA/86")));
    assert_false(permits_issued(below, perm(JWS_HANDLES_UNDER_THIS_PREFIX, "0.NA/88")));
    assert_false(permits_issued(under, below));
    assert_false(permits_issued(under, perm(JWS_HANDLES_UNDER_THIS_PREFIX, "0.NA/88.2")));
    assert_false(permits_issued(this, under));
    assert_false(permits_issued(this, perm(JWS_THIS_HANDLE, "88.1/y")));
}

static void permission_without_ca_cannot_be_given_on(void **state)
{
    (void)state;
    struct jws_permission held = perm(JWS_EVERYTHING, "");
    held.may_certify = false;
    assert_true(permits_handle(held, "88.1/x"));
    assert_false(permits_issued(held, perm(JWS_THIS_HANDLE, "88.1/x")));
}

static void value_digest_is_the_vectors(void **state)
{
    struct wire_reader r = wire_read(vectors_get(*state, "V3.url"));
    struct value value;
    uint8_t digest[32];
    assert_int_equal(value_decode(&r, &value), STATUS_OK);
    assert_int_equal(claims_digest_value(CLAIMS_SHA256, &value, digest), STATUS_OK);
    vectors_assert_equal(bytes_of(digest, sizeof(digest)), vectors_get(*state, "V22.digest"));
    assert_int_equal(claims_digest_value(CLAIMS_SM3, &value, digest), STATUS_OK);
    /* openssl dgst -sm3 of the bytes V22 covers */
    vectors_assert_equal(bytes_of(digest, sizeof(digest)),
                         vectors_hex(*state, BYTES_LITERAL(SM3_OF_V22)));
}

static void cover_when_value_is_altered_says_so(void **state)
{
    struct claims_world world;
    struct jws jws;
    struct jws_claims claims;
    struct value value = world_value(1, "URL", BYTES_LITERAL("https://example.cn/"));
    const struct record record = {BYTES_LITERAL("88.1/x"), &value, 1};
    const struct world_terms terms = {KEY_ROOT, ROOT_ID, "88.1/x", NULL, 0, 0};
    enum claims_cover cover;
    claims_world_begin(&world, *state);
    struct bytes data = world_signature(&world, &terms, CLAIMS_SM3, &record);
    assert_int_equal(jws_decode(data, *state, &jws), STATUS_OK);
    assert_int_equal(jws_claims_decode(&jws, *state, &claims), STATUS_OK);
    vectors_assert_equal(claims.digest_algorithm, BYTES_LITERAL("SM3"));
    assert_int_equal(claims_cover(&claims, CLAIMS_SM3, &value, &cover), STATUS_OK);
    assert_int_equal(cover, CLAIMS_COVERED);
    assert_int_equal(claims_cover(&claims, CLAIMS_SHA256, &value, &cover), STATUS_OK);
    assert_int_equal(cover, CLAIMS_ALTERED);
    value.ttl++;
    assert_int_equal(claims_cover(&claims, CLAIMS_SM3, &value, &cover), STATUS_OK);
    assert_int_equal(cover, CLAIMS_ALTERED);
    value.index = 2;
    assert_int_equal(claims_cover(&claims, CLAIMS_SM3, &value, &cover), STATUS_OK);
    assert_int_equal(cover, CLAIMS_UNCOVERED);
    claims_world_done(&world);
}

/* Every kind of key we sign with; any bit that is changed breaks it. */
static void signature_of_every_kind_holds_and_is_tight(void **state)
{
    static const struct {
        enum world_key key;
        const char *algorithm;
    } rows[] = {{KEY_USER, "RS256"}, {KEY_SM2, "SM2SM3"}, {KEY_DSA, "DS256"}};
    const struct record empty = {BYTES_LITERAL("88.1/x"), NULL, 0};
    struct claims_world world;
    claims_world_begin(&world, *state);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct jws jws;
        enum status status;
        const struct world_terms terms = {rows[i].key, "300:88.1/u", "88.1/x", NULL, 0, 0};
        struct bytes data = world_signature(&world, &terms, CLAIMS_SHA256, &empty);
        assert_int_equal(jws_decode(data, *state, &jws), STATUS_OK);
        vectors_assert_equal(jws.algorithm, bytes_of_text(rows[i].algorithm));
        EVP_PKEY *key = world.keys[rows[i].key];
        assert_int_equal(claims_check_signature(&jws, key, &status), CLAIMS_FLAWLESS);
        for (size_t byte = 0; byte < jws.signed_part.len; byte += 7) {
            struct jws changed = jws;
            changed.signed_part = known_keys_flipped(*state, jws.signed_part, byte * 8);
            assert_int_equal(claims_check_signature(&changed, key, &status), CLAIMS_BAD_SIGNATURE);
            assert_int_equal(status, STATUS_OK);
        }
        EVP_PKEY *other = world.keys[(rows[i].key + 1) % KEY_COUNT];
        assert_int_equal(claims_check_signature(&jws, other, &status), CLAIMS_UNKNOWN_ALGORITHM);
    }
    claims_world_done(&world);
}

static void algorithm_of_nobody_is_unknown(void **state)
{
    static const char *const names[] = {"", "none", "HS256", "rs256", "RS512", "DS160", "ES256"};
    struct claims_world world;
    enum status status;
    claims_world_begin(&world, *state);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct jws jws = {.algorithm = bytes_of_text(names[i])};
        assert_int_equal(claims_check_signature(&jws, world.keys[KEY_USER], &status),
                         CLAIMS_UNKNOWN_ALGORITHM);
    }
    claims_world_done(&world);
}

static void signature_of_a_weak_key_is_not_taken(void **state)
{
    struct claims_world world;
    struct jws jws;
    enum status status;
    const struct record empty = {BYTES_LITERAL("88.1/x"), NULL, 0};
    const struct world_terms terms = {KEY_USER, "300:88.1/u", "88.1/x", NULL, 0, 0};
    claims_world_begin(&world, *state);
    EVP_PKEY_free(world.keys[KEY_USER]);
    world.keys[KEY_USER] = EVP_RSA_gen(768);
    assert_non_null(world.keys[KEY_USER]);
    struct bytes data = world_signature(&world, &terms, CLAIMS_SHA256, &empty);
    assert_int_equal(jws_decode(data, *state, &jws), STATUS_OK);
    assert_int_equal(claims_check_signature(&jws, world.keys[KEY_USER], &status), CLAIMS_WEAK_KEY);
    claims_world_done(&world);
}

/* Vector V19's key; the other national SDK calls the same form SM2256. */
static void sm2_signature_of_either_name_holds(void **state)
{
    struct claims_world world;
    struct jws jws;
    enum status status;
    const struct record empty = {BYTES_LITERAL("88.1/x"), NULL, 0};
    const struct world_terms terms = {KEY_SM2, "300:88.1/u", "88.1/x", NULL, 0, 0};
    claims_world_begin(&world, *state);
    struct bytes data = world_signature(&world, &terms, CLAIMS_SM3, &empty);
    assert_int_equal(jws_decode(data, *state, &jws), STATUS_OK);
    jws.algorithm = BYTES_LITERAL("SM2256");
    assert_int_equal(claims_check_signature(&jws, world.keys[KEY_SM2], &status), CLAIMS_FLAWLESS);
    claims_world_done(&world);
}

static void key_of_certificate_is_its_subjects(void **state)
{
    struct claims_world world;
    claims_world_begin(&world, *state);
    for (int of = KEY_ROOT; of < KEY_COUNT; of++) {
        struct jws jws;
        struct jws_claims claims;
        EVP_PKEY *key = NULL;
        const struct world_terms terms = {KEY_ROOT, ROOT_ID, "300:88.1/u", NULL, 0, 0};
        struct bytes data = world_certificate(&world, &terms, (enum world_key)of,
                                              perm(JWS_HANDLES_UNDER_THIS_PREFIX, "0.NA/88.1"));
        assert_int_equal(jws_decode(data, *state, &jws), STATUS_OK);
        assert_int_equal(jws_claims_decode(&jws, *state, &claims), STATUS_OK);
        assert_int_equal(claims.permission_count, 1);
        assert_true(claims.permissions[0].may_certify);
        assert_int_equal(claims_key(&claims, *state, &key), STATUS_OK);
        assert_int_equal(EVP_PKEY_eq(key, world.keys[of]), 1);
        EVP_PKEY_free(key);
    }
    struct jws_claims none = {0};
    EVP_PKEY *key = NULL;
    assert_int_equal(claims_key(&none, *state, &key), STATUS_INVALID_VALUE);
    none.public_key_json = BYTES_LITERAL("{\"kty\":\"oct\",\"k\":\"AA\"}");
    assert_int_equal(claims_key(&none, *state, &key), STATUS_INVALID_VALUE);
    claims_world_done(&world);
}

static void issue_with_a_key_nobody_signs_jws_with_is_refused(void **state)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    const struct claims_terms terms = {.issuer = BYTES_LITERAL(ROOT_ID)};
    const struct record empty = {0};
    struct bytes data;
    assert_non_null(key);
    assert_int_equal(claims_issue_signature(key, &terms, CLAIMS_SHA256, &empty, *state, &data),
                     STATUS_NOT_SUPPORTED);
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(times_when_bounds_are_reached_hold),
        CASE(subject_when_spelled_otherwise_is_the_same),
        CASE(identity_without_index_is_any_of_the_handle),
        CASE(permissions_cover_what_their_names_say),
        CASE(permissions_that_are_held_may_be_given),
        CASE(permission_without_ca_cannot_be_given_on),
        CASE(value_digest_is_the_vectors),
        CASE(cover_when_value_is_altered_says_so),
        CASE(signature_of_every_kind_holds_and_is_tight),
        CASE(algorithm_of_nobody_is_unknown),
        CASE(signature_of_a_weak_key_is_not_taken),
        CASE(sm2_signature_of_either_name_holds),
        CASE(key_of_certificate_is_its_subjects),
        CASE(issue_with_a_key_nobody_signs_jws_with_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
