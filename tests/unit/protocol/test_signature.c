/* SPDX-License-Identifier: Apache-2.0
 *
 * Public-key answers and message signatures: vector V18, keys of every kind, and signatures nobody
 * may take (protocol.md §14 row 52).
 */
#include "protocol/signature.h"

#include "tests/unit/protocol/signature_fixture.h"

/* --- V18 ------------------------------------------------------------------------------------ */

static void message_of_v18_when_signed_has_the_known_credential(void **state)
{
    EVP_PKEY *key = v18_key(*state);
    struct envelope envelope = v18_envelope(11);
    struct bytes digested = vectors_get(*state, "V18.a_header_body");
    struct wire_writer w = room(*state);
    struct credential credential;
    uint8_t prefix[SIGNATURE_PREFIX_MAX];
    vectors_assert_equal(bytes_of(prefix, signature_prefix(&envelope, 0x11223344, prefix)),
                         vectors_get(*state, "V18.a_prefix"));
    assert_int_equal(signature_message_make(key, &envelope, 0x11223344, digested, &w, &credential),
                     STATUS_OK);
    vectors_assert_equal(known_keys_encoded(*state, &credential),
                         vectors_get(*state, "V18.a_credential"));
    struct message message =
        known_keys_assemble(*state, envelope, digested, vectors_get(*state, "V18.a_credential"));
    assert_int_equal(signature_message_check(key, &message), STATUS_OK);
    EVP_PKEY_free(key);
}

static void message_of_version_2_6_when_signed_is_refused(void **state)
{
    EVP_PKEY *key = v18_key(*state);
    struct envelope envelope = v18_envelope(6);
    struct bytes digested = vectors_get(*state, "V18.a_header_body");
    struct wire_writer w = room(*state);
    struct credential credential;
    assert_int_equal(signature_message_make(key, &envelope, 0x11223344, digested, &w, &credential),
                     STATUS_NOT_SUPPORTED);
    struct message message =
        known_keys_assemble(*state, envelope, digested, vectors_get(*state, "V18.b_credential"));
    assert_int_equal(signature_message_check(key, &message), STATUS_NOT_SUPPORTED);
    /* It is the form that is refused: with its prefix the vector's signature is right. */
    struct signature_scheme scheme = {.key = key, .hash = SIGNATURE_SHA256};
    assert_int_equal(signature_check(&scheme, vectors_get(*state, "V18.b_prefix"), digested,
                                     message.credential.signature),
                     STATUS_OK);
    EVP_PKEY_free(key);
}

static void answer_of_v18_when_made_is_the_known_one(void **state)
{
    EVP_PKEY *key = v18_key(*state);
    struct signature_challenge challenge = v9(*state, SM2_USER);
    struct bytes known = vectors_get(*state, "V18.c_signed_response");
    vectors_assert_equal(answer_of(*state, key, V(11), &challenge), known);
    assert_int_equal(signature_answer_check(key, &challenge, known), STATUS_OK);
    assert_answer_is_tight(*state, key, &challenge, known);
    EVP_PKEY_free(key);
}

/* --- messages --------------------------------------------------------------------------------- */

static void message_signature_when_an_envelope_field_is_changed_fails(void **state)
{
    EVP_PKEY *key = v18_key(*state);
    struct message message =
        known_keys_assemble(*state, v18_envelope(11), vectors_get(*state, "V18.a_header_body"),
                            vectors_get(*state, "V18.a_credential"));
    struct message changed[7] = {message, message, message, message, message, message, message};
    changed[0].envelope.session_id++;
    changed[1].envelope.request_id++;
    changed[2].envelope.suggested.minor = 10;
    changed[3].envelope.version.minor = 10;
    changed[4].envelope.version.minor = 7;
    changed[5].credential.counter++;
    changed[6].credential.algorithm = BYTES_LITERAL("MD5");
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(signature_message_check(key, &changed[i]), STATUS_AUTHENTICATION_FAILED);
    }
    message.credential.algorithm = BYTES_LITERAL("\x03");
    assert_int_equal(signature_message_check(key, &message), STATUS_OK);
    message.credential.type = BYTES_LITERAL("HS_MAC");
    assert_int_equal(signature_message_check(key, &message), STATUS_INVALID_CREDENTIAL);
    message.credential.is_present = false;
    assert_int_equal(signature_message_check(key, &message), STATUS_INVALID_CREDENTIAL);
    EVP_PKEY_free(key);
}

static void prefix_when_nothing_is_suggested_has_the_version_twice(void **state)
{
    (void)state;
    struct envelope envelope = {.version = {2, 9}, .session_id = 1, .request_id = 2};
    static const uint8_t expected[] = {2, 9, 2, 9, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3};
    uint8_t prefix[SIGNATURE_PREFIX_MAX];
    vectors_assert_equal(bytes_of(prefix, signature_prefix(&envelope, 3, prefix)),
                         bytes_of(expected, sizeof(expected)));
}

/* --- keys and hashes ---------------------------------------------------------------------------
 */

static void hash_name_when_parsed_ignores_case_and_punctuation(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool is_known;
        enum signature_hash hash;
    } rows[] = {
        {"SHA1", true, SIGNATURE_SHA1},
        {"SHA-1", true, SIGNATURE_SHA1},
        {"sha_1", true, SIGNATURE_SHA1},
        {"\x02", true, SIGNATURE_SHA1},
        {"SHA256", true, SIGNATURE_SHA256},
        {"SHA-256", true, SIGNATURE_SHA256},
        {"Sha.256", true, SIGNATURE_SHA256},
        {"\x03", true, SIGNATURE_SHA256},
        {"SM3", true, SIGNATURE_SM3},
        {"sm-3", true, SIGNATURE_SM3},
        {"MD5", false, 0},
        {"\x01", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"SHA", false, 0},
        {"SHA2567", false, 0},
        {"SHA512", false, 0},
        {"SHA256withRSA", false, 0},
        {"\x02\x02", false, 0},
        {"\xef\xbc\xb3HA1", false, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum signature_hash hash = SIGNATURE_SHA1;
        assert_int_equal(signature_hash_parse(bytes_of_text(rows[i].name), &hash),
                         rows[i].is_known);
        if (rows[i].is_known) {
            assert_int_equal(hash, rows[i].hash);
        }
    }
    enum signature_hash hash = SIGNATURE_SM3;
    assert_false(signature_hash_parse(BYTES_LITERAL("SHA1\0"
                                                    "7"),
                                      &hash));
    assert_false(signature_hash_parse(bytes_of("\0", 1), &hash));
}

static EVP_PKEY *ec_key(const char *curve)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve);
    assert_non_null(key);
    return key;
}

static void hash_when_signing_follows_key_and_version(void **state)
{
    EVP_PKEY *rsa = v18_key(*state);
    EVP_PKEY *dsa = known_keys_public(*state, "keys/dsapub.bin");
    EVP_PKEY *sm2 = v19_key(*state);
    EVP_PKEY *ec = ec_key("P-256");
    assert_int_equal(signature_hash_for(rsa, V(6)), SIGNATURE_SHA1);
    assert_int_equal(signature_hash_for(rsa, V(7)), SIGNATURE_SHA256);
    assert_int_equal(signature_hash_for(dsa, V(10)), SIGNATURE_SHA1);
    assert_int_equal(signature_hash_for(dsa, V(11)), SIGNATURE_SHA256);
    assert_int_equal(signature_hash_for(sm2, V(3)), SIGNATURE_SM3);
    assert_int_equal(signature_hash_for(ec, V(3)), SIGNATURE_SHA256);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(sm2);
    EVP_PKEY_free(dsa);
    EVP_PKEY_free(rsa);
}

static void assert_round_trip(struct arena *arena, EVP_PKEY *key, const char *name)
{
    struct signature_challenge challenge = v9(arena, SM2_USER);
    struct bytes answer = answer_of(arena, key, V(11), &challenge);
    struct body_signature parts;
    assert_int_equal(body_signature_decode(answer, &parts), STATUS_OK);
    vectors_assert_equal(parts.algorithm, bytes_of_text(name));
    assert_int_equal(signature_answer_check(key, &challenge, answer), STATUS_OK);
    assert_answer_is_tight(arena, key, &challenge, answer);
}

static void answer_when_made_by_any_key_holds(void **state)
{
    static const char *const curves[] = {"P-256", "P-384", "P-521"};
    EVP_PKEY *dsa = known_keys_private(*state, "keys/dsapriv.bin");
    assert_round_trip(*state, dsa, "SHA-256");
    EVP_PKEY_free(dsa);
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        EVP_PKEY *ec = ec_key(curves[i]);
        assert_round_trip(*state, ec, "SHA-256");
        EVP_PKEY_free(ec);
    }
}

static void dsa_answer_when_old_takes_sha1(void **state)
{
    EVP_PKEY *dsa = known_keys_private(*state, "keys/dsapriv.bin");
    struct signature_challenge challenge = v9(*state, SM2_USER);
    struct bytes answer = answer_of(*state, dsa, V(10), &challenge);
    struct body_signature parts;
    assert_int_equal(body_signature_decode(answer, &parts), STATUS_OK);
    vectors_assert_equal(parts.algorithm, BYTES_LITERAL("SHA1"));
    assert_int_equal(signature_answer_check(dsa, &challenge, answer), STATUS_OK);
    EVP_PKEY_free(dsa);
}

static void hash_when_not_of_the_key_is_refused(void **state)
{
    EVP_PKEY *rsa = v18_key(*state);
    EVP_PKEY *sm2 = v19_key(*state);
    EVP_PKEY *dh = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    struct bytes signature = vectors_get(*state, "V19.der");
    const struct signature_scheme schemes[] = {
        {rsa, SIGNATURE_SM3, SM2_USER},
        {sm2, SIGNATURE_SHA256, SM2_USER},
        {sm2, SIGNATURE_SHA1, SM2_USER},
        {dh, SIGNATURE_SHA256, SM2_USER},
    };
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        struct wire_writer w = room(*state);
        assert_int_equal(signature_make(&schemes[i], signature, BYTES_NONE, &w),
                         STATUS_NOT_SUPPORTED);
        assert_int_equal(signature_check(&schemes[i], signature, BYTES_NONE, signature),
                         STATUS_AUTHENTICATION_FAILED);
    }
    EVP_PKEY_free(dh);
    EVP_PKEY_free(sm2);
    EVP_PKEY_free(rsa);
}

static void signature_when_it_cannot_be_made_says_why(void **state)
{
    EVP_PKEY *rsa = v18_key(*state);
    EVP_PKEY *public_key = known_keys_public(*state, "keys/adminpub.bin");
    struct signature_challenge challenge = v9(*state, SM2_USER);
    uint8_t small[142]; /* one byte short */
    struct wire_writer w = wire_write(small, sizeof(small));
    assert_int_equal(signature_answer_make(rsa, V(11), &challenge, &w), STATUS_NO_ROOM);
    w = room(*state);
    assert_int_equal(signature_answer_make(public_key, V(11), &challenge, &w), STATUS_ERROR);
    EVP_PKEY_free(public_key);
    EVP_PKEY_free(rsa);
}

/* --- junk ----------------------------------------------------------------------------------------
 */

static void answer_when_none_at_all_fails(void **state)
{
    EVP_PKEY *key = v18_key(*state);
    struct signature_challenge challenge = v9(*state, SM2_USER);
    struct bytes known = vectors_get(*state, "V18.c_signed_response");
    for (size_t len = 0; len < known.len; len++) {
        assert_int_equal(signature_answer_check(key, &challenge, bytes_of(known.data, len)),
                         STATUS_AUTHENTICATION_FAILED);
    }
    /* The right signature under a name we refuse, and with a byte too many. */
    struct body_signature parts;
    assert_int_equal(body_signature_decode(known, &parts), STATUS_OK);
    static const char *const names[] = {"MD5", "\x01", "SM3", "SHA1", ""};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct body_signature renamed = {bytes_of_text(names[i]), parts.signature};
        struct wire_writer w = room(*state);
        body_signature_encode(&w, &renamed);
        assert_int_equal(signature_answer_check(key, &challenge, wire_wrote(&w)),
                         STATUS_AUTHENTICATION_FAILED);
    }
    struct wire_writer longer = room(*state);
    wire_put_raw(&longer, parts.signature);
    wire_put_u8(&longer, 0);
    struct body_signature padded = {parts.algorithm, wire_wrote(&longer)};
    struct wire_writer w = room(*state);
    body_signature_encode(&w, &padded);
    assert_int_equal(signature_answer_check(key, &challenge, wire_wrote(&w)),
                     STATUS_AUTHENTICATION_FAILED);
    EVP_PKEY_free(key);
}

static const char *const der_junk[] = {
    "",
    "30",
    "3000",
    "3006020100020100",       /* r = s = 0 */
    "3006020100020101",       /* r = 0 */
    "3006020101020100",       /* s = 0 */
    "3006020101020101",       /* strict, and wrong */
    "30060201ff020101",       /* negative r */
    "3006020101020180",       /* negative s */
    "300702020001020101",     /* r padded */
    "300602010102010100",     /* trailing byte behind */
    "300702010102010100",     /* trailing byte inside */
    "3009020101020101020101", /* three numbers */
    "3003020101",             /* one number */
    "308106020101020101",     /* length not in its shortest form */
    "30820006020101020101",   /* nor this one */
    "30800201010201010000",   /* indefinite */
    "300702810101020101",     /* r's length not in its shortest form */
    "3004020002 00",          /* empty numbers */
    "3106020101020101",       /* a set */
    "3006030101020101",       /* a bit string */
    "300602010102017f00",     /* length lies, short */
    "3016020101020101",       /* length lies, long */
    "3006020101027f01",       /* a number's length lies */
};

static void signature_when_der_junk_fails(void **state)
{
    EVP_PKEY *keys[] = {known_keys_public(*state, "keys/dsapub.bin"), v19_key(*state),
                        ec_key("P-256"), v18_key(*state)};
    static const enum signature_hash hashes[] = {SIGNATURE_SHA256, SIGNATURE_SM3, SIGNATURE_SHA256,
                                                 SIGNATURE_SHA256};
    for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
        struct signature_scheme scheme = {keys[k], hashes[k], SM2_USER};
        for (size_t i = 0; i < sizeof(der_junk) / sizeof(der_junk[0]); i++) {
            struct bytes junk = vectors_hex(*state, bytes_of_text(der_junk[i]));
            assert_int_equal(signature_check(&scheme, SM2_USER, BYTES_NONE, junk),
                             STATUS_AUTHENTICATION_FAILED);
        }
        EVP_PKEY_free(keys[k]);
    }
}

static struct bytes der_of(struct arena *arena, struct bytes r, struct bytes s)
{
    struct wire_writer w = room(arena);
    wire_put_u8(&w, 0x30);
    wire_put_u8(&w, (uint8_t)(r.len + s.len + 4));
    wire_put_u8(&w, 0x02);
    wire_put_u8(&w, (uint8_t)r.len);
    wire_put_raw(&w, r);
    wire_put_u8(&w, 0x02);
    wire_put_u8(&w, (uint8_t)s.len);
    wire_put_raw(&w, s);
    return wire_wrote(&w);
}

/* Right numbers, framed otherwise: each would verify with a reader that does not mind. */
static void signature_when_right_but_not_strict_fails(void **state)
{
    EVP_PKEY *key = v19_key(*state);
    struct signature_scheme scheme = {key, SIGNATURE_SM3, SM2_USER};
    struct bytes message = vectors_get(*state, "V19.sm3_m");
    struct bytes der = vectors_get(*state, "V19.der");
    struct bytes r = bytes_of(der.data + 4, 33);
    struct bytes s = bytes_of(der.data + 39, 33);
    vectors_assert_equal(der_of(*state, r, s), der);
    assert_int_equal(signature_check(&scheme, message, BYTES_NONE, der), STATUS_OK);
    struct wire_writer padded = room(*state);
    wire_put_u8(&padded, 0);
    wire_put_raw(&padded, r);
    struct wire_writer trailing = room(*state);
    wire_put_raw(&trailing, der);
    wire_put_u8(&trailing, 0);
    struct wire_writer longer = room(*state);
    wire_put_u8(&longer, 0x30);
    wire_put_u8(&longer, 0x81);
    wire_put_raw(&longer, bytes_from(der, 1));
    const struct bytes variants[] = {
        der_of(*state, wire_wrote(&padded), s),
        der_of(*state, bytes_from(r, 1), s), /* top bit set: negative */
        der_of(*state, r, bytes_from(s, 1)),
        wire_wrote(&trailing),
        wire_wrote(&longer),
    };
    for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
        assert_int_equal(signature_check(&scheme, message, BYTES_NONE, variants[i]),
                         STATUS_AUTHENTICATION_FAILED);
    }
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(message_of_v18_when_signed_has_the_known_credential),
        CASE(message_of_version_2_6_when_signed_is_refused),
        CASE(answer_of_v18_when_made_is_the_known_one),
        CASE(message_signature_when_an_envelope_field_is_changed_fails),
        CASE(prefix_when_nothing_is_suggested_has_the_version_twice),
        CASE(hash_name_when_parsed_ignores_case_and_punctuation),
        CASE(hash_when_signing_follows_key_and_version),
        CASE(answer_when_made_by_any_key_holds),
        CASE(dsa_answer_when_old_takes_sha1),
        CASE(hash_when_not_of_the_key_is_refused),
        CASE(signature_when_it_cannot_be_made_says_why),
        CASE(answer_when_none_at_all_fails),
        CASE(signature_when_der_junk_fails),
        CASE(signature_when_right_but_not_strict_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
