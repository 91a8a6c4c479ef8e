/* SPDX-License-Identifier: Apache-2.0
 *
 * Diffie-Hellman session keys. Sealed ones are in session_key_sealed.c.
 */
#include "protocol/session_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "protocol/pubkey_private.h"

#define SECRET_MAX (SESSION_KEY_DH_BITS_MAX / 8)
#define NUMBER_MAX (SECRET_MAX + 1) /* bytes, with Java's leading 00 */
#define AES_LEN 32                  /* bytes, of an agreed key */
#define SEALED_LEN 16               /* of a sealed AES or SM4 key */
#define DESEDE_LEN 24
#define DES_LEN 8
#define PRIVATE_BITS 512 /* as many as the reference server draws; more only cost time */

/* Each lets one composite in four pass at most. A client that takes the pains weakens nobody's
 * session but its own, as our pair lives for this one exchange; what is paid for each round is
 * ours. */
#define PRIME_ROUNDS 4

void session_key_cleanse(struct session_key *key)
{
    OPENSSL_cleanse(key, sizeof(*key));
}

static bool is_within(const BIGNUM *number, const BIGNUM *minus_one)
{
    return !BN_is_negative(number) && BN_cmp(number, BN_value_one()) > 0 &&
           BN_cmp(number, minus_one) < 0;
}

/* One round of Miller and Rabin: base^(odd · 2^i), i = 0 .. twos - 1, meets 1 or -1 as it has to.
 */
static bool is_witnessed(const BIGNUM *base, const BIGNUM *odd, int twos, const BIGNUM *p,
                         BN_CTX *context)
{
    BN_CTX_start(context);
    BIGNUM *minus_one = BN_CTX_get(context);
    BIGNUM *power = BN_CTX_get(context);
    bool is_met = power != NULL && BN_sub(minus_one, p, BN_value_one()) == 1 &&
                  BN_mod_exp(power, base, odd, p, context) == 1;
    bool holds = is_met && (BN_is_one(power) || BN_cmp(power, minus_one) == 0);
    for (int i = 1; is_met && !holds && i < twos; i++) {
        is_met = BN_mod_sqr(power, power, p, context) == 1;
        holds = is_met && BN_cmp(power, minus_one) == 0;
    }
    BN_CTX_end(context);
    return holds;
}

static bool is_prime(const BIGNUM *p, BN_CTX *context)
{
    BN_CTX_start(context);
    BIGNUM *base = BN_CTX_get(context);
    BIGNUM *odd = BN_CTX_get(context);
    BIGNUM *range = BN_CTX_get(context);
    int twos = 1;
    bool holds = range != NULL && BN_rshift1(odd, p) == 1 && BN_copy(range, p) != NULL &&
                 BN_sub_word(range, 3) == 1;
    while (holds && !BN_is_odd(odd)) {
        holds = BN_rshift1(odd, odd) == 1;
        twos++;
    }
    for (int i = 0; holds && i < PRIME_ROUNDS; i++) {
        holds = BN_rand_range(base, range) == 1 && BN_add_word(base, 2) == 1 &&
                is_witnessed(base, odd, twos, p, context);
    }
    BN_CTX_end(context);
    return holds;
}

static bool is_group(struct bytes p_bytes, struct bytes g_bytes)
{
    if (p_bytes.len > NUMBER_MAX || g_bytes.len > NUMBER_MAX) {
        return false;
    }
    BN_CTX *context = BN_CTX_new();
    BIGNUM *p = BN_bin2bn(p_bytes.data, (int)p_bytes.len, NULL);
    BIGNUM *g = BN_bin2bn(g_bytes.data, (int)g_bytes.len, NULL);
    BIGNUM *minus_one = p == NULL ? NULL : BN_dup(p);
    bool holds = context != NULL && g != NULL && minus_one != NULL && BN_is_odd(p) &&
                 BN_num_bits(p) >= SESSION_KEY_DH_BITS_MIN &&
                 BN_num_bits(p) <= SESSION_KEY_DH_BITS_MAX && BN_sub_word(minus_one, 1) == 1 &&
                 is_within(g, minus_one) && is_prime(p, context);
    BN_free(minus_one);
    BN_free(g);
    BN_free(p);
    BN_CTX_free(context);
    return holds;
}

static enum status generate(struct bytes p, struct bytes g, EVP_PKEY **out_pair)
{
    const struct pubkey_number numbers[] = {{OSSL_PKEY_PARAM_FFC_P, p}, {OSSL_PKEY_PARAM_FFC_G, g}};
    int private_bits = PRIVATE_BITS;
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_int(OSSL_PKEY_PARAM_DH_PRIV_LEN, &private_bits),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *group = NULL;
    EVP_PKEY *pair = NULL;
    if (pubkey_from_numbers("DH", numbers, 2, EVP_PKEY_KEY_PARAMETERS, &group) != STATUS_OK) {
        return STATUS_INVALID_SESSION_SETUP;
    }
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, group, NULL);
    bool is_made = context != NULL && EVP_PKEY_keygen_init(context) == 1 &&
                   EVP_PKEY_CTX_set_params(context, parameters) == 1 &&
                   EVP_PKEY_generate(context, &pair) == 1;
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(group);
    if (!is_made) {
        return STATUS_ERROR;
    }
    *out_pair = pair;
    return STATUS_OK;
}

enum status session_key_pair_new(struct bytes p, struct bytes g, EVP_PKEY **out_pair)
{
    ERR_set_mark();
    enum status status = is_group(p, g) ? generate(p, g, out_pair) : STATUS_INVALID_SESSION_SETUP;
    ERR_pop_to_mark();
    return status;
}

static bool is_number(const EVP_PKEY *key, const char *name, const BIGNUM *expected)
{
    BIGNUM *number = NULL;
    bool is_equal = EVP_PKEY_get_bn_param(key, name, &number) == 1 && BN_cmp(number, expected) == 0;
    BN_free(number);
    return is_equal;
}

/* The peer's numbers are those of our group, and 1 < y < p - 1. */
static bool is_peer(const EVP_PKEY *pair, const struct pubkey *peer)
{
    bool is_short = peer->kind == PUBKEY_DH;
    for (size_t i = 0; is_short && i < peer->field_count; i++) {
        is_short = peer->fields[i].len <= NUMBER_MAX;
    }
    if (!is_short) {
        return false;
    }
    BIGNUM *y = BN_bin2bn(peer->fields[0].data, (int)peer->fields[0].len, NULL);
    BIGNUM *p = BN_bin2bn(peer->fields[1].data, (int)peer->fields[1].len, NULL);
    BIGNUM *g = BN_bin2bn(peer->fields[2].data, (int)peer->fields[2].len, NULL);
    bool holds = y != NULL && p != NULL && g != NULL && is_number(pair, OSSL_PKEY_PARAM_FFC_P, p) &&
                 is_number(pair, OSSL_PKEY_PARAM_FFC_G, g) && BN_sub_word(p, 1) == 1 &&
                 is_within(y, p);
    BN_free(g);
    BN_free(p);
    BN_free(y);
    return holds;
}

/* The shared secret, as long as p. */
static bool share(EVP_PKEY *pair, EVP_PKEY *peer, uint8_t secret[SECRET_MAX], size_t *out_len)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, pair, NULL);
    unsigned int pad = 1;
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_uint(OSSL_EXCHANGE_PARAM_PAD, &pad),
        OSSL_PARAM_construct_end(),
    };
    size_t len = SECRET_MAX;
    bool is_shared = context != NULL && EVP_PKEY_derive_init_ex(context, parameters) == 1 &&
                     EVP_PKEY_derive_set_peer(context, peer) == 1 &&
                     EVP_PKEY_derive(context, secret, &len) == 1;
    EVP_PKEY_CTX_free(context);
    *out_len = len;
    return is_shared;
}

static enum status agree(EVP_PKEY *pair, const struct pubkey *peer,
                         enum session_algorithm algorithm, struct session_key *out_key)
{
    uint8_t secret[SECRET_MAX];
    size_t len = 0;
    EVP_PKEY *key = NULL;
    enum status status = STATUS_INVALID_SESSION_SETUP;
    if (!is_peer(pair, peer) || pubkey_to_evp(peer, &key) != STATUS_OK) {
        return status;
    }
    if (share(pair, key, secret, &len)) {
        status = session_key_derive(bytes_of(secret, len), algorithm, out_key);
    }
    EVP_PKEY_free(key);
    OPENSSL_cleanse(secret, sizeof(secret));
    return status;
}

enum status session_key_agree(EVP_PKEY *pair, const struct pubkey *peer,
                              enum session_algorithm algorithm, struct session_key *out_key)
{
    ERR_set_mark();
    enum status status = agree(pair, peer, algorithm, out_key);
    ERR_pop_to_mark();
    return status;
}

/* The lowest bit of each byte makes the number of its ones odd. */
static void make_parity_odd(struct session_key *key)
{
    for (size_t i = 0; i < key->len; i++) {
        unsigned folded = key->data[i] ^ (unsigned)key->data[i] >> 4;
        folded ^= folded >> 2;
        folded ^= folded >> 1;
        key->data[i] = (uint8_t)(key->data[i] ^ (~folded & 1));
    }
}

enum status session_key_derive(struct bytes secret, enum session_algorithm algorithm,
                               struct session_key *out_key)
{
    struct bytes from = secret;
    size_t len = AES_LEN;
    if (algorithm == SESSION_DESEDE || algorithm == SESSION_DES) {
        len = algorithm == SESSION_DES ? DES_LEN : DESEDE_LEN;
    } else if (algorithm != SESSION_AES) {
        return STATUS_NOT_SUPPORTED;
    }
    if (secret.len < AES_LEN) {
        return STATUS_INVALID_SESSION_SETUP;
    }
    while (algorithm == SESSION_AES && from.len > AES_LEN && from.data[0] == 0) {
        from = bytes_from(from, 1);
    }
    *out_key = (struct session_key){.algorithm = algorithm, .len = len};
    memcpy(out_key->data, from.data, len);
    if (algorithm != SESSION_AES) {
        make_parity_odd(out_key);
    }
    return STATUS_OK;
}

enum status session_key_random(enum session_algorithm algorithm, struct session_key *out_key)
{
    struct session_key key = {.algorithm = algorithm, .len = SEALED_LEN};
    if (algorithm == SESSION_DESEDE) {
        key.len = DESEDE_LEN;
    } else if (algorithm != SESSION_AES && algorithm != SESSION_SM4) {
        return STATUS_NOT_SUPPORTED;
    }
    ERR_set_mark();
    bool is_made = RAND_priv_bytes(key.data, (int)key.len) == 1;
    ERR_pop_to_mark();
    if (!is_made) {
        return STATUS_ERROR;
    }
    if (algorithm == SESSION_DESEDE) {
        make_parity_odd(&key);
    }
    *out_key = key;
    session_key_cleanse(&key);
    return STATUS_OK;
}

enum status session_key_dh_encode(enum session_algorithm algorithm, const EVP_PKEY *pair,
                                  struct wire_writer *w)
{
    wire_put_u32(w, (uint32_t)algorithm);
    ERR_set_mark();
    enum status status = pubkey_from_evp(pair, w);
    ERR_pop_to_mark();
    return status;
}

enum status session_key_dh_decode(struct bytes data, enum session_algorithm *out_algorithm,
                                  struct pubkey *out_peer)
{
    struct wire_reader r = wire_read(data);
    uint32_t algorithm = wire_u32(&r);
    struct pubkey peer;
    if (!wire_ok(&r) || algorithm < SESSION_DES || algorithm > SESSION_SM4 ||
        pubkey_decode(wire_take(&r, wire_left(&r)), &peer) != STATUS_OK || peer.kind != PUBKEY_DH) {
        return STATUS_INVALID_SESSION_SETUP;
    }
    *out_algorithm = (enum session_algorithm)algorithm;
    *out_peer = peer;
    return STATUS_OK;
}
