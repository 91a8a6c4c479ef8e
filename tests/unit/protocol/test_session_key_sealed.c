/* SPDX-License-Identifier: Apache-2.0
 *
 * Sealed session keys: the one of a captured session, every shape of plain text, and what gives a
 * key that was made up (protocol.md §14 row 60).
 */
#include "protocol/session_key.h"

#include "tests/unit/protocol/known_keys.h"

#include <openssl/rsa.h>

#include "protocol/body.h"

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define ROOM 8192

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

static struct bytes key_bytes(const struct session_key *key)
{
    return bytes_of(key->data, key->len);
}

static void captured_sealed_key_when_opened_is_an_aes_key(void **state)
{
    struct message answer = known_keys_message(*state, "captured/session-hdl.1.resp.hex");
    EVP_PKEY *own = known_keys_private(*state, "keys/adminpriv.bin");
    struct body_session_answer accepted;
    struct digest digest;
    struct bytes body;
    bool has_digest = false;
    struct session_key key;
    struct session_key again;
    assert_int_equal(body_take_digest(&answer, &body, &digest, &has_digest), STATUS_OK);
    assert_int_equal(body_session_answer_decode(body, &accepted), STATUS_OK);
    assert_int_equal(session_key_unseal(own, accepted.data, &key), STATUS_OK);
    assert_int_equal(session_key_unseal(own, accepted.data, &again), STATUS_OK);
    assert_int_equal(key.algorithm, SESSION_AES);
    assert_int_equal(key.len, 16);
    /* A key that was made up would be another one each time. */
    vectors_assert_equal(key_bytes(&key), key_bytes(&again));
    EVP_PKEY_free(own);
}

static void key_when_sealed_opens_to_itself(void **state)
{
    static const enum session_algorithm algorithms[] = {SESSION_AES, SESSION_DESEDE, SESSION_SM4};
    static const size_t lens[] = {16, 24, 16};
    EVP_PKEY *own = known_keys_private(*state, "keys/userpriv.bin");
    for (size_t i = 0; i < 3; i++) {
        struct session_key key;
        struct session_key opened;
        struct wire_writer w = wire_write(vectors_room(*state, ROOM), ROOM);
        assert_int_equal(session_key_random(algorithms[i], &key), STATUS_OK);
        assert_int_equal(key.len, lens[i]);
        assert_int_equal(session_key_seal(own, &key, &w), STATUS_OK);
        assert_int_equal(wire_wrote(&w).len, 256);
        assert_int_equal(session_key_unseal(own, wire_wrote(&w), &opened), STATUS_OK);
        assert_int_equal(opened.algorithm, algorithms[i]);
        vectors_assert_equal(key_bytes(&opened), key_bytes(&key));
    }
    EVP_PKEY_free(own);
}

static void key_when_random_differs_and_has_parity(void **state)
{
    (void)state;
    struct session_key a;
    struct session_key b;
    assert_int_equal(session_key_random(SESSION_DESEDE, &a), STATUS_OK);
    assert_int_equal(session_key_random(SESSION_DESEDE, &b), STATUS_OK);
    assert_memory_not_equal(a.data, b.data, 24);
    for (size_t i = 0; i < a.len; i++) {
        assert_int_equal(__builtin_popcount(a.data[i]) % 2, 1);
    }
    assert_int_equal(session_key_random(SESSION_DES, &a), STATUS_NOT_SUPPORTED);
    assert_int_equal(session_key_random((enum session_algorithm)5, &a), STATUS_NOT_SUPPORTED);
    session_key_cleanse(&b);
    for (size_t i = 0; i < sizeof(b.data); i++) {
        assert_int_equal(b.data[i], 0);
    }
}

/* Encrypted as it is handed over, by the library. */
static struct bytes sealed_raw(struct arena *arena, EVP_PKEY *key, struct bytes plain, int padding)
{
    uint8_t *out = vectors_room(arena, 256);
    size_t len = 256;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    assert_int_equal(EVP_PKEY_encrypt_init(context), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(context, padding), 1);
    assert_int_equal(EVP_PKEY_encrypt(context, out, &len, plain.data, plain.len), 1);
    EVP_PKEY_CTX_free(context);
    return bytes_of(out, len);
}

/* Opens, to an AES key that nobody sent and that is another one the next time. */
static void assert_made_up(EVP_PKEY *own, struct bytes sealed)
{
    struct session_key a;
    struct session_key b;
    assert_int_equal(session_key_unseal(own, sealed, &a), STATUS_OK);
    assert_int_equal(session_key_unseal(own, sealed, &b), STATUS_OK);
    assert_int_equal(a.algorithm, SESSION_AES);
    assert_int_equal(b.algorithm, SESSION_AES);
    assert_int_equal(a.len, 16);
    assert_int_equal(b.len, 16);
    assert_memory_not_equal(a.data, b.data, 16);
}

static const uint8_t plain_key[64] = {
    0x81, 0x92, 0xa3, 0xb4, 0xc5, 0xd6, 0xe7, 0xf8, 0x09, 0x1a, 0x2b, 0x3c, 0x4d, 0x5e, 0x6f, 0x70,
    0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x10};

static struct bytes plain_text(struct arena *arena, uint32_t algorithm, size_t key_len)
{
    struct wire_writer w = wire_write(vectors_room(arena, 128), 128);
    wire_put_u32(&w, algorithm);
    wire_put_raw(&w, bytes_of(plain_key, key_len));
    return wire_wrote(&w);
}

static void plain_text_when_of_a_known_shape_is_the_key(void **state)
{
    EVP_PKEY *own = known_keys_private(*state, "keys/adminpriv.bin");
    const struct {
        struct bytes plain;
        enum session_algorithm algorithm;
        size_t len;
    } rows[] = {
        {plain_text(*state, 3, 16), SESSION_AES, 16},
        {plain_text(*state, 3, 32), SESSION_AES, 32},
        {plain_text(*state, 2, 24), SESSION_DESEDE, 24},
        {plain_text(*state, 4, 16), SESSION_SM4, 16},
        {bytes_of(plain_key, 16), SESSION_AES, 16}, /* bare */
        {bytes_of(plain_key, 24), SESSION_DESEDE, 24},
        {bytes_of(plain_key, 32), SESSION_AES, 32},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct session_key key;
        struct bytes sealed = sealed_raw(*state, own, rows[i].plain, RSA_PKCS1_PADDING);
        assert_int_equal(session_key_unseal(own, sealed, &key), STATUS_OK);
        assert_int_equal(key.algorithm, rows[i].algorithm);
        vectors_assert_equal(key_bytes(&key), bytes_of(plain_key, rows[i].len));
    }
    EVP_PKEY_free(own);
}

static void plain_text_when_of_no_shape_gives_a_made_up_key(void **state)
{
    EVP_PKEY *own = known_keys_private(*state, "keys/adminpriv.bin");
    const struct bytes plains[] = {
        BYTES_LITERAL("x"),        plain_text(*state, 1, 8), /* DES */
        bytes_of(plain_key, 8),    plain_text(*state, 0, 16),
        plain_text(*state, 5, 16), plain_text(*state, 0x80000003, 16),
        plain_text(*state, 2, 16), plain_text(*state, 3, 24),
        plain_text(*state, 3, 15), plain_text(*state, 3, 17),
        plain_text(*state, 3, 33), bytes_of(plain_key, 33),
        bytes_of(plain_key, 64),
    };
    for (size_t i = 0; i < sizeof(plains) / sizeof(plains[0]); i++) {
        assert_made_up(own, sealed_raw(*state, own, plains[i], RSA_PKCS1_PADDING));
    }
    EVP_PKEY_free(own);
}

/* 256 bytes: 00 02, padding, 0, the plain text. */
static uint8_t *block_of(struct arena *arena, struct bytes plain)
{
    uint8_t *block = vectors_room(arena, 256);
    memset(block, 0xaa, 256);
    block[0] = 0;
    block[1] = 2;
    block[255 - plain.len] = 0;
    memcpy(block + 256 - plain.len, plain.data, plain.len);
    return block;
}

static void padding_when_wrong_gives_a_made_up_key(void **state)
{
    EVP_PKEY *own = known_keys_private(*state, "keys/adminpriv.bin");
    struct bytes plain = plain_text(*state, 3, 16);
    struct session_key key;
    uint8_t *right = block_of(*state, plain);
    assert_int_equal(session_key_unseal(
                         own, sealed_raw(*state, own, bytes_of(right, 256), RSA_NO_PADDING), &key),
                     STATUS_OK);
    vectors_assert_equal(key_bytes(&key), bytes_of(plain_key, 16));
    static const struct {
        size_t at;
        uint8_t value;
    } changes[] = {
        {0, 1},           /* does not begin with 00 */
        {1, 1},           /* a signature's block */
        {1, 0},           /* nothing's */
        {2, 0},           /* no padding at all */
        {9, 0},           /* seven bytes of it */
        {100, 0},         /* the plain text would be longer */
        {255 - 20, 0xaa}, /* there is no zero behind it, but in the plain text */
    };
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        uint8_t *block = block_of(*state, plain);
        block[changes[i].at] = changes[i].value;
        assert_made_up(own, sealed_raw(*state, own, bytes_of(block, 256), RSA_NO_PADDING));
    }
    uint8_t *endless = vectors_room(*state, 256);
    memset(endless, 0x55, 256);
    endless[0] = 0;
    endless[1] = 2;
    assert_made_up(own, sealed_raw(*state, own, bytes_of(endless, 256), RSA_NO_PADDING));
    EVP_PKEY_free(own);
}

static void sealed_key_when_tampered_with_gives_a_made_up_key(void **state)
{
    EVP_PKEY *own = known_keys_private(*state, "keys/adminpriv.bin");
    struct bytes sealed = sealed_raw(*state, own, plain_text(*state, 3, 16), RSA_PKCS1_PADDING);
    for (size_t byte = 16; byte < sealed.len; byte += 16) {
        assert_made_up(own, known_keys_flipped(*state, sealed, byte * 8 + 3));
    }
    EVP_PKEY *other = known_keys_private(*state, "keys/userpriv.bin");
    uint8_t *low = vectors_room(*state, sealed.len);
    memcpy(low, sealed.data, sealed.len);
    low[0] = 0; /* below either modulus */
    assert_made_up(other, bytes_of(low, sealed.len));
    EVP_PKEY_free(other);
    EVP_PKEY_free(own);
}

static void sealed_key_when_no_number_of_the_modulus_is_refused(void **state)
{
    EVP_PKEY *own = known_keys_private(*state, "keys/adminpriv.bin");
    uint8_t ones[257];
    struct session_key key = {.len = 77};
    memset(ones, 0xff, sizeof(ones));
    assert_int_equal(session_key_unseal(own, bytes_of(ones, 256), &key),
                     STATUS_INVALID_SESSION_KEY);
    assert_int_equal(session_key_unseal(own, bytes_of(ones, 255), &key),
                     STATUS_INVALID_SESSION_KEY);
    assert_int_equal(session_key_unseal(own, bytes_of(ones, 257), &key),
                     STATUS_INVALID_SESSION_KEY);
    assert_int_equal(session_key_unseal(own, BYTES_NONE, &key), STATUS_INVALID_SESSION_KEY);
    assert_int_equal(key.len, 77);
    EVP_PKEY_free(own);
}

static void key_when_not_rsa_or_short_is_refused(void **state)
{
    EVP_PKEY *dsa = known_keys_private(*state, "keys/dsapriv.bin");
    EVP_PKEY *small = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1016);
    EVP_PKEY *rsa = known_keys_private(*state, "keys/adminpriv.bin");
    EVP_PKEY *keys[] = {dsa, small};
    struct session_key key;
    struct wire_writer w = wire_write(vectors_room(*state, ROOM), ROOM);
    assert_int_equal(session_key_random(SESSION_AES, &key), STATUS_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(session_key_seal(keys[i], &key, &w), STATUS_NEED_RSA_KEY);
        assert_int_equal(session_key_unseal(keys[i], bytes_of(plain_key, 64), &key),
                         STATUS_NEED_RSA_KEY);
    }
    struct session_key des = {.algorithm = SESSION_DES, .len = 8};
    assert_int_equal(session_key_seal(rsa, &des, &w), STATUS_NOT_SUPPORTED);
    struct session_key cut = {.algorithm = SESSION_AES, .len = 15};
    assert_int_equal(session_key_seal(rsa, &cut, &w), STATUS_NOT_SUPPORTED);
    w = wire_write(vectors_room(*state, ROOM), 255);
    assert_int_equal(session_key_seal(rsa, &key, &w), STATUS_NO_ROOM);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(small);
    EVP_PKEY_free(dsa);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(captured_sealed_key_when_opened_is_an_aes_key),
        CASE(key_when_sealed_opens_to_itself),
        CASE(key_when_random_differs_and_has_parity),
        CASE(plain_text_when_of_a_known_shape_is_the_key),
        CASE(plain_text_when_of_no_shape_gives_a_made_up_key),
        CASE(padding_when_wrong_gives_a_made_up_key),
        CASE(sealed_key_when_tampered_with_gives_a_made_up_key),
        CASE(sealed_key_when_no_number_of_the_modulus_is_refused),
        CASE(key_when_not_rsa_or_short_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
