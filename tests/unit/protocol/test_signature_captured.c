/* SPDX-License-Identifier: Apache-2.0
 *
 * Signatures others made: the known keys of versions 2.0 to 2.11, captured answers and certified
 * responses.
 */
#include "protocol/signature.h"

#include "tests/unit/protocol/signature_fixture.h"

static void answer_of_known_keys_when_made_is_the_known_one(void **state)
{
    static const struct {
        const char *block;
        uint8_t minor;
    } rows[] = {{"[challenge 2.0]", 0}, {"[challenge 2.3]", 3}, {"[challenge 2.11]", 11}};
    EVP_PKEY *key = known_keys_private(*state, "keys/adminpriv.bin");
    EVP_PKEY *public_key = known_keys_public(*state, "keys/adminpub.bin");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct signature_challenge challenge = {
            BYTES_LITERAL("0.NA/88.1000"),
            known_keys_get(*state, rows[i].block, "nonce"),
            known_keys_get(*state, rows[i].block, "requestDigest"),
        };
        struct bytes known = known_keys_get(*state, rows[i].block, "HS_PUBKEY RSA signedResponse");
        vectors_assert_equal(answer_of(*state, key, V(rows[i].minor), &challenge), known);
        assert_int_equal(signature_answer_check(public_key, &challenge, known), STATUS_OK);
    }
    EVP_PKEY_free(public_key);
    EVP_PKEY_free(key);
}

static void message_of_known_keys_when_signed_has_the_known_credential(void **state)
{
    static const uint8_t minors[] = {3, 7, 8, 11};
    EVP_PKEY *key = known_keys_private(*state, "keys/serverpriv.bin");
    EVP_PKEY *public_key = known_keys_public(*state, "keys/serverpub.bin");
    for (size_t i = 0; i < sizeof(minors); i++) {
        char block[64];
        (void)snprintf(block, sizeof(block), "[certified message signature 2.%u]", minors[i]);
        struct envelope envelope = {
            .version = {2, minors[i]}, .suggested = {2, 11}, .request_id = 0x01020304};
        struct bytes digested = known_keys_get(*state, block, "header+body");
        struct bytes known = known_keys_get(*state, block, "credential");
        struct wire_writer w = room(*state);
        struct credential credential;
        assert_int_equal(signature_message_make(key, &envelope, 0, digested, &w, &credential),
                         STATUS_OK);
        vectors_assert_equal(known_keys_encoded(*state, &credential), known);
        struct message message = known_keys_assemble(*state, envelope, digested, known);
        assert_int_equal(signature_message_check(public_key, &message), STATUS_OK);
    }
    EVP_PKEY_free(public_key);
    EVP_PKEY_free(key);
}

static void known_message_of_version_2_6_when_checked_is_refused(void **state)
{
    static const char block[] = "[certified message signature 2.6]";
    EVP_PKEY *key = known_keys_public(*state, "keys/serverpub.bin");
    struct envelope envelope = {.version = {2, 6}, .suggested = {2, 11}, .request_id = 0x01020304};
    struct bytes digested = known_keys_get(*state, block, "header+body");
    struct message message = known_keys_assemble(*state, envelope, digested,
                                                 known_keys_get(*state, block, "credential"));
    assert_int_equal(signature_message_check(key, &message), STATUS_NOT_SUPPORTED);
    /* What it signs: version, session and counter over each other, zeros. */
    static const uint8_t prefix[14] = {2, 6};
    struct signature_scheme scheme = {.key = key, .hash = SIGNATURE_SHA1};
    assert_int_equal(signature_check(&scheme, bytes_of(prefix, sizeof(prefix)), digested,
                                     message.credential.signature),
                     STATUS_OK);
    EVP_PKEY_free(key);
}

static const struct captured_answer {
    const char *challenge;
    const char *answer;
    const char *key; /* of the index the answer claims */
    enum status status;
} captured_answers[] = {
#define ANSWER(name, key, status)                                                                  \
    {                                                                                              \
        "captured/" name ".1.resp.hex", "captured/" name ".2.req.hex", "keys/" key,                \
            STATUS_##status                                                                        \
    }
    ANSWER("add-value", "adminpub.bin", OK),
    ANSWER("auth-bad-pubkey", "adminpub.bin", AUTHENTICATION_FAILED),
    ANSWER("auth-not-admin", "userpub.bin", OK), /* refused for another reason */
    ANSWER("create-h2", "adminpub.bin", OK),
    ANSWER("create-large", "adminpub.bin", OK),
    ANSWER("create-mint", "adminpub.bin", OK),
    ANSWER("create-overwrite", "adminpub.bin", OK),
    ANSWER("create-pubkey-tcp", "adminpub.bin", OK),
    ANSWER("create-utf8", "adminpub.bin", OK),
    ANSWER("delete-handle", "adminpub.bin", OK),
    ANSWER("home-prefix", "adminpub.bin", OK),
    ANSWER("idsdk-login-rsa", "adminpub.bin", OK),
    ANSWER("list-handles", "adminpub.bin", OK),
    ANSWER("modify-dsa", "dsapub.bin", OK),
    ANSWER("modify-pubkey-v2.3", "adminpub.bin", OK),
    ANSWER("modify-value", "adminpub.bin", OK),
    ANSWER("remove-value", "adminpub.bin", OK),
    ANSWER("resolve-private-auth-tcp", "adminpub.bin", OK),
#undef ANSWER
    {"captured/session-plain.2.resp.hex", "captured/session-plain.3.req.hex", "keys/adminpub.bin",
     STATUS_OK},
    {"captured-default-session/list-handles.1.resp.hex",
     "captured-default-session/list-handles.2.req.hex", "keys/adminpub.bin", STATUS_OK},
    {"captured-default-session/create-pubkey-tcp.2.resp.hex",
     "captured-default-session/create-pubkey-tcp.3.req.hex", "keys/adminpub.bin", STATUS_OK},
};

static void captured_answers_when_checked_come_out_as_the_server_judged(void **state)
{
    for (size_t i = 0; i < sizeof(captured_answers) / sizeof(captured_answers[0]); i++) {
        const struct captured_answer *row = &captured_answers[i];
        struct message asked = known_keys_message(*state, row->challenge);
        struct message answered = known_keys_message(*state, row->answer);
        EVP_PKEY *key = known_keys_public(*state, row->key);
        struct body_challenge challenge;
        struct body_answer answer;
        assert_int_equal(body_challenge_decode(asked.body, asked.envelope.version, &challenge),
                         STATUS_OK);
        assert_int_equal(body_answer_decode(answered.body, &answer), STATUS_OK);
        struct signature_challenge signed_challenge = {
            answer.identity.handle, challenge.nonce,
            bytes_of(challenge.digest.data, challenge.digest.len)};
        if (signature_answer_check(key, &signed_challenge, answer.signed_response) != row->status) {
            fail_msg("%s is not judged as it was", row->answer);
        }
        EVP_PKEY_free(key);
    }
}

static void captured_certified_responses_when_checked_hold(void **state)
{
    static const char *const files[] = {
        "captured/resolve-certify-tcp.resp.hex",
        "captured/resolve-certify-udp.resp.hex",
        "captured/resolve-certify-v2.3-udp.resp.hex",
        "captured/idsdk-lookup-certify.1.resp.hex",
        "captured/session-client.1.resp.hex",
        "captured/session-dh.1.resp.hex",
        "captured/session-dh.5.resp.hex",
        "captured/session-hdl.1.resp.hex",
        "captured/session-hdl.6.resp.hex",
        "captured/session-plain.1.resp.hex",
        "captured-default-session/create-pubkey-tcp.1.resp.hex",
    };
    EVP_PKEY *key = known_keys_public(*state, "keys/serverpub.bin");
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct message message = known_keys_message(*state, files[i]);
        if (signature_message_check(key, &message) != STATUS_OK) {
            fail_msg("the signature of %s does not hold", files[i]);
        }
        message.digested = known_keys_flipped(*state, message.digested, 100);
        assert_int_equal(signature_message_check(key, &message), STATUS_AUTHENTICATION_FAILED);
    }
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(answer_of_known_keys_when_made_is_the_known_one),
        CASE(message_of_known_keys_when_signed_has_the_known_credential),
        CASE(known_message_of_version_2_6_when_checked_is_refused),
        CASE(captured_answers_when_checked_come_out_as_the_server_judged),
        CASE(captured_certified_responses_when_checked_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
