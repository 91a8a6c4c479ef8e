/* SPDX-License-Identifier: Apache-2.0
 *
 * Agreed session keys: vector V23, the known Diffie-Hellman keys, captured set-ups; groups and
 * numbers nobody may take (protocol.md §14 rows 58, 59).
 */
#include "protocol/session_key.h"

#include "tests/unit/protocol/known_keys.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>

#include "protocol/body.h"
#include "protocol/pubkey_private.h"

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

static struct pubkey record_of(struct bytes data)
{
    struct pubkey record;
    assert_int_equal(pubkey_decode(data, &record), STATUS_OK);
    assert_int_equal(record.kind, PUBKEY_DH);
    return record;
}

static struct bytes encoded(struct arena *arena, const EVP_PKEY *key)
{
    struct wire_writer w = wire_write(vectors_room(arena, ROOM), ROOM);
    assert_int_equal(pubkey_from_evp(key, &w), STATUS_OK);
    return wire_wrote(&w);
}

/* The pair of a private number in a record's group. */
static EVP_PKEY *pair_of(struct arena *arena, const struct pubkey *group, struct bytes x_bytes)
{
    BN_CTX *context = BN_CTX_new();
    BIGNUM *x = BN_bin2bn(x_bytes.data, (int)x_bytes.len, NULL);
    BIGNUM *p = BN_bin2bn(group->fields[1].data, (int)group->fields[1].len, NULL);
    BIGNUM *g = BN_bin2bn(group->fields[2].data, (int)group->fields[2].len, NULL);
    BIGNUM *y = BN_new();
    assert_int_equal(BN_mod_exp(y, g, x, p, context), 1);
    uint8_t *y_bytes = vectors_room(arena, 512);
    int len = BN_bn2bin(y, y_bytes);
    const struct pubkey_number numbers[] = {
        {OSSL_PKEY_PARAM_FFC_P, group->fields[1]},
        {OSSL_PKEY_PARAM_FFC_G, group->fields[2]},
        {OSSL_PKEY_PARAM_PUB_KEY, bytes_of(y_bytes, (size_t)len)},
        {OSSL_PKEY_PARAM_PRIV_KEY, x_bytes},
    };
    EVP_PKEY *pair = NULL;
    assert_int_equal(pubkey_from_numbers("DH", numbers, 4, EVP_PKEY_KEYPAIR, &pair), STATUS_OK);
    BN_free(y);
    BN_free(g);
    BN_free(p);
    BN_free(x);
    BN_CTX_free(context);
    return pair;
}

/* --- V23 and known keys ----------------------------------------------------------------------- */

static const struct {
    enum session_algorithm algorithm;
    const char *v23;
    const char *known;
} agreed[] = {
    {SESSION_AES, "V23.aes_key", "session key alg 3"},
    {SESSION_DESEDE, "V23.des_ede_key", "session key alg 2"},
    {SESSION_DES, "V23.des_key", "session key alg 1"},
};

#define AGREED_COUNT (sizeof(agreed) / sizeof(agreed[0]))

static void keys_of_v23_when_derived_are_the_known_ones(void **state)
{
    struct bytes z = vectors_get(*state, "V23.z");
    for (size_t i = 0; i < AGREED_COUNT; i++) {
        struct session_key key;
        assert_int_equal(session_key_derive(z, agreed[i].algorithm, &key), STATUS_OK);
        assert_int_equal(key.algorithm, agreed[i].algorithm);
        vectors_assert_equal(key_bytes(&key), vectors_get(*state, agreed[i].v23));
    }
}

static void sides_of_v23_when_agreeing_come_to_the_known_keys(void **state)
{
    struct pubkey server_record = record_of(vectors_get(*state, "V23.server_record"));
    EVP_PKEY *client = pair_of(*state, &server_record, vectors_get(*state, "V23.x"));
    EVP_PKEY *server = pair_of(*state, &server_record, vectors_get(*state, "V23.w"));
    struct pubkey client_record = record_of(encoded(*state, client));
    vectors_assert_equal(encoded(*state, server), vectors_get(*state, "V23.server_record"));
    for (size_t i = 0; i < AGREED_COUNT; i++) {
        struct session_key key;
        struct bytes known = vectors_get(*state, agreed[i].v23);
        assert_int_equal(session_key_agree(client, &server_record, agreed[i].algorithm, &key),
                         STATUS_OK);
        vectors_assert_equal(key_bytes(&key), known);
        session_key_cleanse(&key);
        assert_int_equal(session_key_agree(server, &client_record, agreed[i].algorithm, &key),
                         STATUS_OK);
        vectors_assert_equal(key_bytes(&key), known);
    }
    EVP_PKEY_free(server);
    EVP_PKEY_free(client);
}

static void answer_of_v23_when_encoded_is_the_known_one(void **state)
{
    struct pubkey record = record_of(vectors_get(*state, "V23.server_record"));
    EVP_PKEY *server = pair_of(*state, &record, vectors_get(*state, "V23.w"));
    struct wire_writer w = wire_write(vectors_room(*state, ROOM), ROOM);
    enum session_algorithm algorithm = SESSION_DES;
    assert_int_equal(session_key_dh_encode(SESSION_AES, server, &w), STATUS_OK);
    vectors_assert_equal(wire_wrote(&w), vectors_get(*state, "V23.answer_data"));
    assert_int_equal(session_key_dh_decode(wire_wrote(&w), &algorithm, &record), STATUS_OK);
    assert_int_equal(algorithm, SESSION_AES);
    assert_int_equal(record.kind, PUBKEY_DH);
    w = wire_write(vectors_room(*state, ROOM), 290);
    assert_int_equal(session_key_dh_encode(SESSION_AES, server, &w), STATUS_NO_ROOM);
    EVP_PKEY_free(server);
}

static void known_sides_when_agreeing_come_to_the_known_keys(void **state)
{
    struct pubkey client_record =
        record_of(known_keys_get(*state, "[DH]", "client public key blob"));
    struct pubkey server_record =
        record_of(known_keys_get(*state, "[DH]", "server public key blob"));
    EVP_PKEY *client = pair_of(*state, &client_record, known_keys_get(*state, "[DH]", "client x"));
    EVP_PKEY *server = pair_of(*state, &server_record, known_keys_get(*state, "[DH]", "server x"));
    vectors_assert_equal(encoded(*state, client),
                         known_keys_get(*state, "[DH]", "client public key blob"));
    for (size_t i = 0; i < AGREED_COUNT; i++) {
        struct session_key key;
        struct bytes known = known_keys_get(*state, "[DH]", agreed[i].known);
        assert_int_equal(known.data[3], agreed[i].algorithm);
        assert_int_equal(session_key_agree(client, &server_record, agreed[i].algorithm, &key),
                         STATUS_OK);
        vectors_assert_equal(key_bytes(&key), bytes_from(known, 4));
        assert_int_equal(session_key_agree(server, &client_record, agreed[i].algorithm, &key),
                         STATUS_OK);
        vectors_assert_equal(key_bytes(&key), bytes_from(known, 4));
    }
    EVP_PKEY_free(server);
    EVP_PKEY_free(client);
}

static void captured_setups_when_read_are_accepted(void **state)
{
    static const char *const requests[] = {"captured/session-dh.1.req.hex",
                                           "captured/session-plain.1.req.hex",
                                           "captured-default-session/create-pubkey-tcp.1.req.hex"};
    static const char *const answers[] = {"captured/session-dh.1.resp.hex",
                                          "captured/session-plain.1.resp.hex",
                                          "captured-default-session/create-pubkey-tcp.1.resp.hex"};
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct message request = known_keys_message(*state, requests[i]);
        struct message answer = known_keys_message(*state, answers[i]);
        struct body_session_setup setup;
        struct body_session_answer accepted;
        struct digest digest;
        struct bytes body;
        bool has_digest = false;
        enum session_algorithm algorithm = SESSION_DES;
        struct pubkey server_record;
        struct session_key key;
        EVP_PKEY *pair = NULL;
        assert_int_equal(body_session_setup_decode(request.body, &setup), STATUS_OK);
        struct pubkey client_record = record_of(setup.public_key);
        assert_int_equal(
            session_key_pair_new(client_record.fields[1], client_record.fields[2], &pair),
            STATUS_OK);
        assert_int_equal(session_key_agree(pair, &client_record, SESSION_AES, &key), STATUS_OK);
        assert_int_equal(key.len, 32);
        assert_int_equal(body_take_digest(&answer, &body, &digest, &has_digest), STATUS_OK);
        assert_int_equal(body_session_answer_decode(body, &accepted), STATUS_OK);
        assert_int_equal(session_key_dh_decode(accepted.data, &algorithm, &server_record),
                         STATUS_OK);
        assert_int_equal(algorithm, SESSION_AES);
        assert_int_equal(session_key_agree(pair, &server_record, SESSION_AES, &key), STATUS_OK);
        EVP_PKEY_free(pair);
    }
}

/* --- Diffie-Hellman --------------------------------------------------------------------------- */

static void pair_when_made_anew_agrees_with_its_peer(void **state)
{
    struct pubkey group = record_of(vectors_get(*state, "V23.server_record"));
    EVP_PKEY *client = NULL;
    EVP_PKEY *server = NULL;
    BIGNUM *secret = NULL;
    assert_int_equal(session_key_pair_new(group.fields[1], group.fields[2], &client), STATUS_OK);
    assert_int_equal(session_key_pair_new(group.fields[1], group.fields[2], &server), STATUS_OK);
    assert_int_equal(EVP_PKEY_get_bn_param(client, OSSL_PKEY_PARAM_PRIV_KEY, &secret), 1);
    assert_in_range(BN_num_bits(secret), 450, 512);
    BN_clear_free(secret);
    struct pubkey client_record = record_of(encoded(*state, client));
    struct pubkey server_record = record_of(encoded(*state, server));
    assert_false(bytes_equal(client_record.fields[0], server_record.fields[0]));
    for (size_t i = 0; i < AGREED_COUNT; i++) {
        struct session_key ours;
        struct session_key theirs;
        assert_int_equal(session_key_agree(client, &server_record, agreed[i].algorithm, &ours),
                         STATUS_OK);
        assert_int_equal(session_key_agree(server, &client_record, agreed[i].algorithm, &theirs),
                         STATUS_OK);
        vectors_assert_equal(key_bytes(&ours), key_bytes(&theirs));
    }
    EVP_PKEY_free(server);
    EVP_PKEY_free(client);
}

static struct bytes number_bytes(struct arena *arena, const BIGNUM *number)
{
    uint8_t *bytes = vectors_room(arena, 1024);
    return bytes_of(bytes, (size_t)BN_bn2bin(number, bytes));
}

/* A prime of exactly this many bits. */
static struct bytes prime(struct arena *arena, int bits)
{
    BIGNUM *number = BN_new();
    assert_int_equal(BN_generate_prime_ex(number, bits, 0, NULL, NULL, NULL), 1);
    assert_int_equal(BN_num_bits(number), bits);
    struct bytes bytes = number_bytes(arena, number);
    BN_free(number);
    return bytes;
}

/* p, and so many more. */
static struct bytes plus(struct arena *arena, struct bytes from, long more)
{
    BIGNUM *number = BN_bin2bn(from.data, (int)from.len, NULL);
    assert_int_equal(
        more < 0 ? BN_sub_word(number, (BN_ULONG)-more) : BN_add_word(number, (BN_ULONG)more), 1);
    struct bytes bytes = number_bytes(arena, number);
    BN_free(number);
    return bytes;
}

static struct bytes product(struct arena *arena, struct bytes a_bytes, struct bytes b_bytes)
{
    BN_CTX *context = BN_CTX_new();
    BIGNUM *a = BN_bin2bn(a_bytes.data, (int)a_bytes.len, NULL);
    BIGNUM *b = BN_bin2bn(b_bytes.data, (int)b_bytes.len, NULL);
    assert_int_equal(BN_mul(a, a, b, context), 1);
    struct bytes bytes = number_bytes(arena, a);
    BN_free(b);
    BN_free(a);
    BN_CTX_free(context);
    return bytes;
}

static void assert_group_refused(struct bytes p, struct bytes g)
{
    EVP_PKEY *pair = NULL;
    assert_int_equal(session_key_pair_new(p, g, &pair), STATUS_INVALID_SESSION_SETUP);
    assert_null(pair);
}

static void group_when_weak_is_refused(void **state)
{
    struct bytes p = record_of(vectors_get(*state, "V23.server_record")).fields[1];
    struct bytes two = BYTES_LITERAL("\x02");
    static uint8_t wide[513]; /* 4 097 bits, odd, and refused before anything is computed */
    wide[0] = 1;
    wide[sizeof(wide) - 1] = 1;
    static uint8_t huge[1 << 20];
    huge[0] = 1;
    huge[sizeof(huge) - 1] = 1;
    assert_group_refused(BYTES_NONE, two);
    assert_group_refused(BYTES_LITERAL("\x00"), two);
    assert_group_refused(BYTES_LITERAL("\x17"), two);
    assert_group_refused(prime(*state, 512), two);
    assert_group_refused(prime(*state, 1023), two);
    assert_group_refused(bytes_of(wide, sizeof(wide)), two);
    assert_group_refused(bytes_of(huge, sizeof(huge)), two);
    assert_group_refused(plus(*state, p, -1), two); /* even */
    assert_group_refused(plus(*state, p, 2), two);  /* composite, odd */
    assert_group_refused(product(*state, prime(*state, 512), prime(*state, 513)), two);
    assert_group_refused(product(*state, prime(*state, 521), prime(*state, 521)), two);
}

static void generator_when_out_of_range_is_refused(void **state)
{
    struct bytes p = record_of(vectors_get(*state, "V23.server_record")).fields[1];
    EVP_PKEY *pair = NULL;
    assert_group_refused(p, BYTES_NONE);
    assert_group_refused(p, BYTES_LITERAL("\x00"));
    assert_group_refused(p, BYTES_LITERAL("\x01"));
    assert_group_refused(p, plus(*state, p, -1));
    assert_group_refused(p, p);
    assert_group_refused(p, plus(*state, p, 2));
    assert_int_equal(session_key_pair_new(p, plus(*state, p, -2), &pair), STATUS_OK);
    EVP_PKEY_free(pair);
}

static void group_when_prime_is_accepted(void **state)
{
    static const int bits[] = {1024, 1025, 1536};
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        EVP_PKEY *pair = NULL;
        struct bytes p = prime(*state, bits[i]);
        struct bytes two = BYTES_LITERAL("\x02");
        assert_int_equal(session_key_pair_new(p, two, &pair), STATUS_OK);
        EVP_PKEY_free(pair);
    }
    /* A group of the other making, with a subgroup. */
    struct pubkey dsa;
    EVP_PKEY *pair = NULL;
    assert_int_equal(pubkey_decode(vectors_file(*state, "keys/dsapub.bin"), &dsa), STATUS_OK);
    assert_int_equal(session_key_pair_new(dsa.fields[1], dsa.fields[2], &pair), STATUS_OK);
    EVP_PKEY_free(pair);
}

static void group_of_4096_bits_when_asked_for_is_served(void **state)
{
    BIGNUM *number = BN_get_rfc3526_prime_4096(NULL);
    struct bytes p = number_bytes(*state, number);
    BN_free(number);
    EVP_PKEY *pair = NULL;
    struct session_key key;
    assert_int_equal(session_key_pair_new(p, BYTES_LITERAL("\x02"), &pair), STATUS_OK);
    struct pubkey own = record_of(encoded(*state, pair));
    assert_int_equal(session_key_agree(pair, &own, SESSION_AES, &key), STATUS_OK);
    EVP_PKEY_free(pair);
}

static void peer_number_when_out_of_range_is_refused(void **state)
{
    struct pubkey group = record_of(vectors_get(*state, "V23.server_record"));
    EVP_PKEY *pair = pair_of(*state, &group, vectors_get(*state, "V23.x"));
    struct bytes p = group.fields[1];
    struct session_key key = {.len = 77};
    const struct bytes numbers[] = {BYTES_NONE,
                                    BYTES_LITERAL("\x00"),
                                    BYTES_LITERAL("\x01"),
                                    plus(*state, p, -1),
                                    p,
                                    plus(*state, p, 1),
                                    plus(*state, p, 2),
                                    bytes_of(vectors_room(*state, 600), 600)};
    memset((uint8_t *)numbers[7].data, 0x11, 600);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct pubkey peer = group;
        peer.fields[0] = numbers[i];
        assert_int_equal(session_key_agree(pair, &peer, SESSION_AES, &key),
                         STATUS_INVALID_SESSION_SETUP);
        assert_int_equal(key.len, 77);
    }
    EVP_PKEY_free(pair);
}

static void peer_when_of_another_group_or_kind_is_refused(void **state)
{
    struct pubkey group = record_of(vectors_get(*state, "V23.server_record"));
    EVP_PKEY *pair = pair_of(*state, &group, vectors_get(*state, "V23.x"));
    EVP_PKEY *rsa = known_keys_public(*state, "keys/adminpub.bin");
    struct session_key key;
    struct pubkey other = group;
    other.fields[1] = prime(*state, 1024);
    assert_int_equal(session_key_agree(pair, &other, SESSION_AES, &key),
                     STATUS_INVALID_SESSION_SETUP);
    other = group;
    other.fields[2] = BYTES_LITERAL("\x05");
    assert_int_equal(session_key_agree(pair, &other, SESSION_AES, &key),
                     STATUS_INVALID_SESSION_SETUP);
    assert_int_equal(session_key_agree(rsa, &group, SESSION_AES, &key),
                     STATUS_INVALID_SESSION_SETUP);
    assert_int_equal(pubkey_decode(vectors_file(*state, "keys/dsapub.bin"), &other), STATUS_OK);
    assert_int_equal(session_key_agree(pair, &other, SESSION_AES, &key),
                     STATUS_INVALID_SESSION_SETUP);
    assert_int_equal(session_key_agree(pair, &group, SESSION_SM4, &key), STATUS_NOT_SUPPORTED);
    assert_int_equal(session_key_agree(pair, &group, (enum session_algorithm)9, &key),
                     STATUS_NOT_SUPPORTED);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(pair);
}

static void key_when_derived_from_zeros_or_too_little_keeps_its_length(void **state)
{
    (void)state;
    static const uint8_t zeros[64];
    struct session_key key;
    assert_int_equal(session_key_derive(bytes_of(zeros, 64), SESSION_AES, &key), STATUS_OK);
    vectors_assert_equal(key_bytes(&key), bytes_of(zeros, 32));
    assert_int_equal(session_key_derive(bytes_of(zeros, 64), SESSION_DES, &key), STATUS_OK);
    vectors_assert_equal(key_bytes(&key), BYTES_LITERAL("\1\1\1\1\1\1\1\1"));
    assert_int_equal(session_key_derive(bytes_of(zeros, 31), SESSION_DES, &key),
                     STATUS_INVALID_SESSION_SETUP);
    assert_int_equal(session_key_derive(BYTES_NONE, SESSION_AES, &key),
                     STATUS_INVALID_SESSION_SETUP);
}

static void answer_data_when_junk_is_refused(void **state)
{
    struct bytes data = vectors_get(*state, "V23.answer_data");
    enum session_algorithm algorithm = SESSION_AES;
    struct pubkey peer;
    for (size_t len = 0; len < data.len; len++) {
        assert_int_equal(session_key_dh_decode(bytes_of(data.data, len), &algorithm, &peer),
                         STATUS_INVALID_SESSION_SETUP);
    }
    /* algorithms 0 and 7 */
    struct bytes zero = known_keys_flipped(*state, known_keys_flipped(*state, data, 24), 25);
    assert_int_equal(session_key_dh_decode(zero, &algorithm, &peer), STATUS_INVALID_SESSION_SETUP);
    struct bytes seven = known_keys_flipped(*state, data, 26);
    assert_int_equal(session_key_dh_decode(seven, &algorithm, &peer), STATUS_INVALID_SESSION_SETUP);
    struct wire_writer w = wire_write(vectors_room(*state, ROOM), ROOM);
    wire_put_u32(&w, SESSION_AES);
    wire_put_raw(&w, vectors_file(*state, "keys/adminpub.bin"));
    assert_int_equal(session_key_dh_decode(wire_wrote(&w), &algorithm, &peer),
                     STATUS_INVALID_SESSION_SETUP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(keys_of_v23_when_derived_are_the_known_ones),
        CASE(sides_of_v23_when_agreeing_come_to_the_known_keys),
        CASE(answer_of_v23_when_encoded_is_the_known_one),
        CASE(known_sides_when_agreeing_come_to_the_known_keys),
        CASE(captured_setups_when_read_are_accepted),
        CASE(pair_when_made_anew_agrees_with_its_peer),
        CASE(group_when_weak_is_refused),
        CASE(generator_when_out_of_range_is_refused),
        CASE(group_when_prime_is_accepted),
        CASE(group_of_4096_bits_when_asked_for_is_served),
        CASE(peer_number_when_out_of_range_is_refused),
        CASE(peer_when_of_another_group_or_kind_is_refused),
        CASE(key_when_derived_from_zeros_or_too_little_keeps_its_length),
        CASE(answer_data_when_junk_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
