/* SPDX-License-Identifier: Apache-2.0
 *
 * Private key files of the reference tools, unencrypted (protocol.md §6.7).
 */
#include "protocol/pubkey_private.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#define CONTAINER_PLAIN 1
#define FIELDS_MAX PUBKEY_NUMBERS_MAX
#define FIELD_MAX 2049 /* bytes of a number of 16 384 bits with its leading 00 */

/* The exponents key makers use, the usual one first. */
static const uint8_t exponents[][3] = {{1, 0, 1}, {0, 0, 3}, {0, 0, 17}};

static BIGNUM *number(struct bytes field)
{
    return BN_bin2bn(field.data, (int)field.len, NULL);
}

/* (2^d)^e mod n gives 2 back when e belongs to d and n. */
static bool is_exponent(struct bytes exponent, struct bytes modulus, struct bytes private_exponent)
{
    BN_CTX *context = BN_CTX_new();
    BIGNUM *n = number(modulus);
    BIGNUM *d = number(private_exponent);
    BIGNUM *e = number(exponent);
    BIGNUM *two = BN_new();
    BIGNUM *result = BN_new();
    bool belongs = context != NULL && n != NULL && d != NULL && e != NULL && two != NULL &&
                   result != NULL && BN_is_odd(n) && BN_num_bits(n) > 2 &&
                   BN_num_bytes(n) < FIELD_MAX && BN_set_word(two, 2) == 1 &&
                   BN_mod_exp_mont_consttime(result, two, d, n, context, NULL) == 1 &&
                   BN_mod_exp(result, result, e, n, context) == 1 && BN_is_word(result, 2);
    BN_free(n);
    BN_clear_free(d);
    BN_free(e);
    BN_free(two);
    BN_clear_free(result);
    BN_CTX_free(context);
    return belongs;
}

/* n and d alone: the public exponent is not in the file and has to be found. */
static enum status rsa_plain(const struct bytes *fields, EVP_PKEY **out_key)
{
    for (size_t i = 0; i < sizeof(exponents) / sizeof(exponents[0]); i++) {
        struct bytes exponent = bytes_of(exponents[i], sizeof(exponents[i]));
        if (!is_exponent(exponent, fields[0], fields[1])) {
            continue;
        }
        const struct pubkey_number numbers[] = {{OSSL_PKEY_PARAM_RSA_N, fields[0]},
                                                {OSSL_PKEY_PARAM_RSA_E, exponent},
                                                {OSSL_PKEY_PARAM_RSA_D, fields[1]}};
        return pubkey_from_numbers("RSA", numbers, 3, EVP_PKEY_KEYPAIR, out_key);
    }
    return STATUS_INVALID_VALUE;
}

static enum status rsa_with_primes(const struct bytes *fields, EVP_PKEY **out_key)
{
    static const char *const names[FIELDS_MAX] = {
        OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
        OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
        OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
        OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1};
    struct pubkey_number numbers[FIELDS_MAX];
    for (size_t i = 0; i < FIELDS_MAX; i++) {
        numbers[i] = (struct pubkey_number){names[i], fields[i]};
    }
    return pubkey_from_numbers("RSA", numbers, FIELDS_MAX, EVP_PKEY_KEYPAIR, out_key);
}

/* x, p, q, g: the public number g^x mod p is not in the file. */
static enum status dsa(const struct bytes *fields, EVP_PKEY **out_key)
{
    uint8_t public_bytes[FIELD_MAX];
    BN_CTX *context = BN_CTX_new();
    BIGNUM *x = number(fields[0]);
    BIGNUM *p = number(fields[1]);
    BIGNUM *g = number(fields[3]);
    BIGNUM *y = BN_new();
    bool is_computed = context != NULL && x != NULL && p != NULL && g != NULL && y != NULL &&
                       BN_is_odd(p) && BN_num_bytes(p) <= FIELD_MAX &&
                       BN_mod_exp_mont_consttime(y, g, x, p, context, NULL) == 1;
    size_t len = is_computed ? (size_t)BN_bn2bin(y, public_bytes) : 0;
    BN_clear_free(x);
    BN_free(p);
    BN_free(g);
    BN_free(y);
    BN_CTX_free(context);
    if (!is_computed) {
        return STATUS_INVALID_VALUE;
    }
    const struct pubkey_number numbers[] = {{OSSL_PKEY_PARAM_FFC_P, fields[1]},
                                            {OSSL_PKEY_PARAM_FFC_Q, fields[2]},
                                            {OSSL_PKEY_PARAM_FFC_G, fields[3]},
                                            {OSSL_PKEY_PARAM_PUB_KEY, bytes_of(public_bytes, len)},
                                            {OSSL_PKEY_PARAM_PRIV_KEY, fields[0]}};
    return pubkey_from_numbers("DSA", numbers, 5, EVP_PKEY_KEYPAIR, out_key);
}

static const struct private_row {
    const char *type;
    size_t field_count;
    enum status (*build)(const struct bytes *fields, EVP_PKEY **out_key);
} private_kinds[] = {
    {"RSA_PRIV_KEY", 2, rsa_plain},
    {"RSA_PRIVCRT_KEY", 8, rsa_with_primes},
    {"DSA_PRIV_KEY", 4, dsa},
};

enum status pubkey_private_to_evp(struct bytes data, EVP_PKEY **out_key)
{
    struct wire_reader r = wire_read(data);
    struct wire_reader container = r;
    if (wire_u32(&container) == CONTAINER_PLAIN && wire_ok(&container)) {
        r = container;
    }
    struct bytes type = wire_bytes(&r);
    const struct private_row *row = NULL;
    for (size_t i = 0; i < sizeof(private_kinds) / sizeof(private_kinds[0]); i++) {
        if (bytes_equal(type, bytes_of_text(private_kinds[i].type))) {
            row = &private_kinds[i];
        }
    }
    if (row == NULL) {
        return wire_ok(&r) ? STATUS_NOT_SUPPORTED : STATUS_INVALID_VALUE;
    }
    struct bytes fields[FIELDS_MAX] = {BYTES_NONE};
    bool is_sound = true;
    for (size_t i = 0; i < row->field_count; i++) {
        fields[i] = wire_bytes(&r);
        is_sound = is_sound && fields[i].len > 0 && fields[i].len <= FIELD_MAX;
    }
    return is_sound && wire_done(&r) ? row->build(fields, out_key) : STATUS_INVALID_VALUE;
}
