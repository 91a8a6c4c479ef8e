/* SPDX-License-Identifier: Apache-2.0
 *
 * HS_SECKEY answers: vector V10, the known keys, captured answers, and the bounds of protocol.md
 * §14 row 56.
 */
#include "protocol/secret_answer.h"

#include "protocol/body.h"
#include "tests/unit/protocol/known_keys.h"

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define SECRET BYTES_LITERAL("s3cret")
#define CAPTURED_SECRET BYTES_LITERAL("s3cr3tKey-88")
#define LATIN1_SECRET BYTES_LITERAL("A\xe9\xff")
#define UTF8_SECRET BYTES_LITERAL("A\xc3\xa9\xc3\xbf")

static const uint8_t counted_salt[SECRET_ANSWER_SALT_LEN] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                             8, 9, 10, 11, 12, 13, 14, 15};

static const struct {
    enum secret_form form;
    const char *vector;
} v10[] = {
    {SECRET_MD5_BARE, "V10.form_00"},    {SECRET_SHA1, "V10.form_02"},
    {SECRET_SHA256, "V10.form_03"},      {SECRET_HMAC_SHA1, "V10.form_12"},
    {SECRET_HMAC_SHA256, "V10.form_13"}, {SECRET_PBKDF2, "V10.form_22"},
};

#define V10_COUNT (sizeof(v10) / sizeof(v10[0]))

static int set_up(void **state)
{
    *state = arena_new(1 << 16, 16 << 20);
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    known_keys_assert_no_errors();
    arena_free(*state);
    return 0;
}

/* Nonce and digest of a challenge message. */
static struct secret_challenge challenge_of(struct arena *arena, const struct message *message,
                                            struct message_version version)
{
    struct body_challenge *body = arena_alloc(arena, sizeof(*body));
    assert_non_null(body);
    assert_int_equal(body_challenge_decode(message->body, version, body), STATUS_OK);
    return (struct secret_challenge){body->nonce, bytes_of(body->digest.data, body->digest.len)};
}

static struct secret_challenge v9(struct arena *arena)
{
    struct message message = vectors_message(arena, "V9.message");
    return challenge_of(arena, &message, message.envelope.version);
}

static struct bytes made(struct arena *arena, enum secret_form form, struct bytes secret,
                         const struct secret_challenge *challenge, const uint8_t *salt)
{
    uint8_t *room = vectors_room(arena, SECRET_ANSWER_MAX);
    struct wire_writer w = wire_write(room, SECRET_ANSWER_MAX);
    assert_int_equal(secret_answer_make(form, secret, challenge, salt, &w), STATUS_OK);
    return wire_wrote(&w);
}

static void answer_to_v9_when_made_is_that_of_v10(void **state)
{
    struct secret_challenge challenge = v9(*state);
    for (size_t i = 0; i < V10_COUNT; i++) {
        vectors_assert_equal(made(*state, v10[i].form, SECRET, &challenge, counted_salt),
                             vectors_get(*state, v10[i].vector));
    }
    vectors_assert_equal(made(*state, SECRET_PBKDF2, LATIN1_SECRET, &challenge, counted_salt),
                         vectors_get(*state, "V10.form_22_latin1"));
}

static void answer_of_v10_when_checked_holds(void **state)
{
    struct secret_challenge challenge = v9(*state);
    for (size_t i = 0; i < V10_COUNT; i++) {
        struct bytes answer = vectors_get(*state, v10[i].vector);
        assert_int_equal(secret_answer_check(SECRET, &challenge, answer), STATUS_OK);
    }
}

static void answer_when_secret_is_not_ascii_holds_in_both_readings(void **state)
{
    struct secret_challenge challenge = v9(*state);
    struct bytes answer = vectors_get(*state, "V10.form_22_latin1");
    assert_int_equal(secret_answer_check(LATIN1_SECRET, &challenge, answer), STATUS_OK);
    /* Who derives from these very bytes is right with them as the secret. */
    assert_int_equal(secret_answer_check(UTF8_SECRET, &challenge, answer), STATUS_OK);
    assert_int_equal(secret_answer_check(BYTES_LITERAL("A\xe9\xfe"), &challenge, answer),
                     STATUS_AUTHENTICATION_FAILED);
    /* Other forms hash the bytes as they are. */
    answer = made(*state, SECRET_HMAC_SHA256, LATIN1_SECRET, &challenge, counted_salt);
    assert_int_equal(secret_answer_check(LATIN1_SECRET, &challenge, answer), STATUS_OK);
    assert_int_equal(secret_answer_check(UTF8_SECRET, &challenge, answer),
                     STATUS_AUTHENTICATION_FAILED);
}

static void answer_with_md5_and_code_when_checked_holds(void **state)
{
    struct secret_challenge challenge = v9(*state);
    struct bytes bare = vectors_get(*state, "V10.form_00");
    struct bytes coded = made(*state, SECRET_MD5, SECRET, &challenge, counted_salt);
    assert_true(bytes_start_with(coded, BYTES_LITERAL("\x01")));
    vectors_assert_equal(bytes_from(coded, 1), bare);
    assert_int_equal(secret_answer_check(SECRET, &challenge, coded), STATUS_OK);
}

static void answer_of_known_keys_when_made_is_the_known_one(void **state)
{
    static const struct {
        const char *block;
        struct message_version version;
        enum secret_form form;
    } rows[] = {
        {"[challenge 2.0]", {2, 0}, SECRET_MD5_BARE},
        {"[challenge 2.3]", {2, 3}, SECRET_SHA1},
        {"[challenge 2.11]", {2, 11}, SECRET_PBKDF2},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct secret_challenge challenge = {
            known_keys_get(*state, rows[i].block, "nonce"),
            known_keys_get(*state, rows[i].block, "requestDigest"),
        };
        struct bytes known = known_keys_get(*state, rows[i].block, "HS_SECKEY signedResponse");
        const uint8_t *salt = rows[i].form == SECRET_PBKDF2 ? known.data + 5 : counted_salt;
        assert_int_equal(secret_answer_form(rows[i].version), rows[i].form);
        vectors_assert_equal(made(*state, rows[i].form, CAPTURED_SECRET, &challenge, salt), known);
        assert_int_equal(secret_answer_check(CAPTURED_SECRET, &challenge, known), STATUS_OK);
    }
}

static void captured_answers_when_checked_come_out_as_the_server_judged(void **state)
{
    static const struct {
        const char *challenge;
        const char *answer;
        enum status status;
    } rows[] = {
        {"captured/modify-seckey-v2.0.1.resp.hex", "captured/modify-seckey-v2.0.2.req.hex",
         STATUS_OK},
        {"captured/modify-seckey-v2.3.1.resp.hex", "captured/modify-seckey-v2.3.2.req.hex",
         STATUS_OK},
        {"captured/create-seckey.1.resp.hex", "captured/create-seckey.2.req.hex", STATUS_OK},
        {"captured/auth-bad-seckey.1.resp.hex", "captured/auth-bad-seckey.2.req.hex",
         STATUS_AUTHENTICATION_FAILED},
        {"captured-default-session/create-seckey.2.resp.hex",
         "captured-default-session/create-seckey.3.req.hex", STATUS_OK},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct message asked = known_keys_message(*state, rows[i].challenge);
        struct message answered = known_keys_message(*state, rows[i].answer);
        struct secret_challenge challenge = challenge_of(*state, &asked, asked.envelope.version);
        struct body_answer answer;
        assert_int_equal(body_answer_decode(answered.body, &answer), STATUS_OK);
        assert_int_equal(answer.identity.index, 302);
        assert_int_equal(secret_answer_check(CAPTURED_SECRET, &challenge, answer.signed_response),
                         rows[i].status);
    }
}

static void verify_request_of_v12_when_checked_holds(void **state)
{
    struct message message = vectors_message(*state, "V12.message");
    struct body_verify verify;
    assert_int_equal(body_verify_decode(message.body, &verify), STATUS_OK);
    struct secret_challenge challenge = {verify.nonce, verify.digest};
    assert_int_equal(secret_answer_check(SECRET, &challenge, verify.signed_response), STATUS_OK);
}

static void answer_when_any_bit_is_flipped_fails(void **state)
{
    struct secret_challenge challenge = v9(*state);
    for (size_t i = 0; i < V10_COUNT - 1; i++) {
        struct bytes answer = vectors_get(*state, v10[i].vector);
        for (size_t bit = 0; bit < answer.len * 8; bit++) {
            struct bytes changed = known_keys_flipped(*state, answer, bit);
            assert_int_equal(secret_answer_check(SECRET, &challenge, changed),
                             STATUS_AUTHENTICATION_FAILED);
        }
    }
    struct bytes answer = vectors_get(*state, "V10.form_22");
    for (size_t byte = 0; byte < answer.len; byte++) {
        struct bytes changed = known_keys_flipped(*state, answer, byte * 8 + byte % 8);
        assert_int_equal(secret_answer_check(SECRET, &challenge, changed),
                         STATUS_AUTHENTICATION_FAILED);
    }
}

static void answer_when_to_another_challenge_fails(void **state)
{
    struct secret_challenge challenge = v9(*state);
    struct secret_challenge other_nonce = {known_keys_flipped(*state, challenge.nonce, 0),
                                           challenge.digest};
    struct secret_challenge other_digest = {challenge.nonce,
                                            known_keys_flipped(*state, challenge.digest, 255)};
    for (size_t i = 0; i < V10_COUNT; i++) {
        struct bytes answer = vectors_get(*state, v10[i].vector);
        assert_int_equal(secret_answer_check(SECRET, &other_nonce, answer),
                         STATUS_AUTHENTICATION_FAILED);
        assert_int_equal(secret_answer_check(SECRET, &other_digest, answer),
                         STATUS_AUTHENTICATION_FAILED);
        assert_int_equal(secret_answer_check(BYTES_LITERAL("s3creT"), &challenge, answer),
                         STATUS_AUTHENTICATION_FAILED);
    }
}

/* The right answer of form 22 with these parameters: a bound that lets it pass shows. */
static struct bytes right_answer(struct arena *arena, const struct secret_challenge *challenge,
                                 const struct body_mac *asked)
{
    uint8_t key[128];
    uint8_t message[64];
    uint8_t mac[20];
    size_t mac_len = 0;
    struct wire_writer m = wire_write(message, sizeof(message));
    wire_put_raw(&m, challenge->nonce);
    wire_put_raw(&m, challenge->digest);
    int key_len = (int)(asked->key_bits / 8);
    assert_in_range(key_len, 0, sizeof(key));
    assert_int_equal(PKCS5_PBKDF2_HMAC("s3cret", 6, asked->salt.data, (int)asked->salt.len,
                                       (int)asked->iterations, EVP_sha1(), key_len, key),
                     1);
    assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, "SHA1", NULL, key, (size_t)key_len, message,
                              wire_wrote(&m).len, mac, sizeof(mac), &mac_len));
    uint8_t *room = vectors_room(arena, 1024);
    struct wire_writer w = wire_write(room, 1024);
    struct body_mac answer = *asked;
    answer.mac = bytes_of(mac, mac_len);
    body_mac_encode(&w, &answer);
    return wire_wrote(&w);
}

static void answer_when_right_but_out_of_bounds_fails(void **state)
{
    static const struct {
        size_t salt_len;
        uint32_t iterations;
        uint32_t key_bits;
        enum status status;
    } rows[] = {
        {16, 1, 160, STATUS_OK},
        {1, 1000, 160, STATUS_OK},
        {64, 1000, 128, STATUS_OK},
        {16, 1000, 512, STATUS_OK},
        {65, 1000, 160, STATUS_AUTHENTICATION_FAILED},
        {200, 1000, 160, STATUS_AUTHENTICATION_FAILED},
        {16, 1000, 120, STATUS_AUTHENTICATION_FAILED},
        {16, 1000, 8, STATUS_AUTHENTICATION_FAILED}, /* one guess in 256 would be right */
        {16, 1000, 520, STATUS_AUTHENTICATION_FAILED},
        {16, 1000, 161, STATUS_AUTHENTICATION_FAILED},
        {16, 1000001, 160, STATUS_AUTHENTICATION_FAILED},
    };
    static const uint8_t salt[256] = {7};
    struct secret_challenge challenge = v9(*state);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct body_mac asked = {.form = SECRET_PBKDF2,
                                 .salt = bytes_of(salt, rows[i].salt_len),
                                 .iterations = rows[i].iterations,
                                 .key_bits = rows[i].key_bits};
        struct bytes answer = right_answer(*state, &challenge, &asked);
        assert_int_equal(secret_answer_check(SECRET, &challenge, answer), rows[i].status);
    }
}

static void answer_when_it_asks_for_absurd_work_is_refused_at_once(void **state)
{
    static const struct {
        uint32_t iterations;
        uint32_t key_bits;
        size_t mac_len;
    } rows[] = {
        {INT32_MAX, 160, 20},   {UINT32_MAX, 160, 20}, {0, 160, 20},
        {1000001, 160, 20},     {10000, 0, 20},        {10000, UINT32_MAX, 20},
        {10000, INT32_MAX, 20}, {10000, 160, 19},      {1000000, 160, 21},
    };
    static const uint8_t zeros[SECRET_ANSWER_MAX];
    struct secret_challenge challenge = v9(*state);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t room[256];
        struct wire_writer w = wire_write(room, sizeof(room));
        struct body_mac asked = {.form = SECRET_PBKDF2,
                                 .salt = bytes_of(zeros, 16),
                                 .iterations = rows[i].iterations,
                                 .key_bits = rows[i].key_bits,
                                 .mac = bytes_of(zeros, rows[i].mac_len)};
        body_mac_encode(&w, &asked);
        assert_int_equal(secret_answer_check(SECRET, &challenge, wire_wrote(&w)),
                         STATUS_AUTHENTICATION_FAILED);
    }
}

static void answer_when_none_at_all_fails(void **state)
{
    struct secret_challenge challenge = v9(*state);
    struct bytes whole = vectors_get(*state, "V10.form_22");
    static const uint8_t junk[4096] = {0x22};
    for (size_t len = 0; len < whole.len; len++) {
        struct bytes cut = bytes_of(whole.data, len);
        assert_int_equal(secret_answer_check(SECRET, &challenge, cut),
                         STATUS_AUTHENTICATION_FAILED);
    }
    for (size_t len = 0; len < sizeof(junk); len++) {
        assert_int_equal(secret_answer_check(SECRET, &challenge, bytes_of(junk, len)),
                         STATUS_AUTHENTICATION_FAILED);
    }
    for (unsigned code = 0; code < 256; code++) {
        uint8_t answer[21] = {(uint8_t)code};
        assert_int_equal(secret_answer_check(SECRET, &challenge, bytes_of(answer, 21)),
                         STATUS_AUTHENTICATION_FAILED);
    }
}

static void secret_when_empty_is_no_secret(void **state)
{
    uint8_t room[SECRET_ANSWER_MAX];
    uint8_t md[32];
    size_t md_len = 0;
    struct secret_challenge challenge = v9(*state);
    struct wire_writer w = wire_write(room, sizeof(room));
    assert_int_equal(secret_answer_make(SECRET_SHA256, BYTES_NONE, &challenge, counted_salt, &w),
                     STATUS_ERROR);
    wire_put_raw(&w, challenge.nonce);
    wire_put_raw(&w, challenge.digest);
    assert_int_equal(EVP_Q_digest(NULL, "SHA256", NULL, room, wire_wrote(&w).len, md, &md_len), 1);
    w = wire_write(room, sizeof(room));
    wire_put_u8(&w, SECRET_SHA256);
    wire_put_raw(&w, bytes_of(md, md_len));
    assert_int_equal(secret_answer_check(BYTES_NONE, &challenge, wire_wrote(&w)),
                     STATUS_AUTHENTICATION_FAILED);
}

static void answer_when_it_cannot_be_made_says_why(void **state)
{
    uint8_t room[SECRET_ANSWER_MAX];
    struct secret_challenge challenge = v9(*state);
    struct wire_writer w = wire_write(room, 52);
    assert_int_equal(secret_answer_make(SECRET_PBKDF2, SECRET, &challenge, counted_salt, &w),
                     STATUS_NO_ROOM);
    w = wire_write(room, sizeof(room));
    assert_int_equal(secret_answer_make((enum secret_form)4, SECRET, &challenge, counted_salt, &w),
                     STATUS_ERROR);
    assert_int_equal(
        secret_answer_make((enum secret_form)0x23, SECRET, &challenge, counted_salt, &w),
        STATUS_ERROR);
}

static void form_when_asked_for_follows_the_version(void **state)
{
    (void)state;
    assert_int_equal(secret_answer_form((struct message_version){5, 3}), SECRET_MD5_BARE);
    assert_int_equal(secret_answer_form((struct message_version){2, 1}), SECRET_SHA1);
    assert_int_equal(secret_answer_form((struct message_version){2, 6}), SECRET_SHA1);
    assert_int_equal(secret_answer_form((struct message_version){2, 7}), SECRET_PBKDF2);
    assert_int_equal(secret_answer_form((struct message_version){3, 0}), SECRET_PBKDF2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(answer_to_v9_when_made_is_that_of_v10),
        CASE(answer_of_v10_when_checked_holds),
        CASE(answer_when_secret_is_not_ascii_holds_in_both_readings),
        CASE(answer_with_md5_and_code_when_checked_holds),
        CASE(answer_of_known_keys_when_made_is_the_known_one),
        CASE(captured_answers_when_checked_come_out_as_the_server_judged),
        CASE(verify_request_of_v12_when_checked_holds),
        CASE(answer_when_any_bit_is_flipped_fails),
        CASE(answer_when_to_another_challenge_fails),
        CASE(answer_when_right_but_out_of_bounds_fails),
        CASE(answer_when_it_asks_for_absurd_work_is_refused_at_once),
        CASE(answer_when_none_at_all_fails),
        CASE(secret_when_empty_is_no_secret),
        CASE(answer_when_it_cannot_be_made_says_why),
        CASE(form_when_asked_for_follows_the_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
