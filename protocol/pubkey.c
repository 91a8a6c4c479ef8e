/* SPDX-License-Identifier: Apache-2.0
 *
 * HS_PUBKEY records between bytes, fields and OpenSSL keys.
 */
#include "protocol/pubkey.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "protocol/pubkey_private.h"

#define BITS_MAX 16384       /* §14 row 51 */
#define RSA_TRAILER_LEN 4    /* what the reference server writes behind the modulus */
#define EXPONENT_BITS_MAX 64 /* nobody needs more; a huge one only burns time */

static const struct kind_row {
    const char *type;
    enum pubkey_kind kind;
    size_t field_count;
} kinds[] = {
    {"RSA_PUB_KEY", PUBKEY_RSA, 2}, {"DSA_PUB_KEY", PUBKEY_DSA, 4}, {"DH_PUB_KEY", PUBKEY_DH, 3},
    {"SM2_PUB_KEY", PUBKEY_SM2, 1}, {"SM9_PUB_KEY", PUBKEY_SM9, 1}, {"EC_PUB_KEY", PUBKEY_EC, 1},
};

static bool is_pem(struct bytes data)
{
    return bytes_start_with(data, BYTES_LITERAL("-----"));
}

static const struct kind_row *kind_of(struct bytes type)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (bytes_equal(type, bytes_of_text(kinds[i].type))) {
            return &kinds[i];
        }
    }
    return NULL;
}

static bool all_zero(struct bytes data)
{
    for (size_t i = 0; i < data.len; i++) {
        if (data.data[i] != 0) {
            return false;
        }
    }
    return true;
}

enum status pubkey_decode(struct bytes data, struct pubkey *out_key)
{
    struct pubkey key = {.kind = PUBKEY_UNKNOWN};
    if (is_pem(data)) {
        key.kind = PUBKEY_PEM;
        key.fields[0] = data;
        key.field_count = 1;
        *out_key = key;
        return STATUS_OK;
    }
    struct wire_reader r = wire_read(data);
    key.type = wire_bytes(&r);
    key.flags = wire_u16(&r);
    if (!wire_ok(&r) || key.type.len == 0) {
        return STATUS_INVALID_VALUE;
    }
    const struct kind_row *row = kind_of(key.type);
    if (row != NULL) {
        key.kind = row->kind;
        key.field_count = row->field_count;
    }
    for (size_t i = 0; i < key.field_count; i++) {
        key.fields[i] = wire_bytes(&r);
    }
    key.trailer = wire_take(&r, wire_left(&r));
    bool may_trail =
        key.kind == PUBKEY_UNKNOWN || (key.kind == PUBKEY_RSA && all_zero(key.trailer));
    if (!wire_ok(&r) || (key.trailer.len > 0 && !may_trail)) {
        return STATUS_INVALID_VALUE;
    }
    *out_key = key;
    return STATUS_OK;
}

void pubkey_encode(struct wire_writer *w, const struct pubkey *key)
{
    if (key->kind == PUBKEY_PEM) {
        wire_put_raw(w, key->fields[0]);
        return;
    }
    wire_put_bytes(w, key->type);
    wire_put_u16(w, key->flags);
    for (size_t i = 0; i < key->field_count; i++) {
        wire_put_bytes(w, key->fields[i]);
    }
    wire_put_raw(w, key->trailer);
}

enum status pubkey_from_numbers(const char *algorithm, const struct pubkey_number *numbers,
                                size_t count, int selection, EVP_PKEY **out_key)
{
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, algorithm, NULL);
    BIGNUM *held[PUBKEY_NUMBERS_MAX] = {NULL};
    OSSL_PARAM *parameters = NULL;
    EVP_PKEY *key = NULL;
    bool is_built = builder != NULL && context != NULL && count <= PUBKEY_NUMBERS_MAX;
    for (size_t i = 0; is_built && i < count; i++) {
        held[i] = BN_bin2bn(numbers[i].value.data, (int)numbers[i].value.len, NULL);
        is_built = held[i] != NULL && OSSL_PARAM_BLD_push_BN(builder, numbers[i].name, held[i]);
    }
    if (is_built) {
        parameters = OSSL_PARAM_BLD_to_param(builder);
        is_built = parameters != NULL && EVP_PKEY_fromdata_init(context) == 1 &&
                   EVP_PKEY_fromdata(context, &key, selection, parameters) == 1;
    }
    for (size_t i = 0; i < PUBKEY_NUMBERS_MAX; i++) {
        BN_clear_free(held[i]);
    }
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(context);
    if (!is_built) {
        return STATUS_INVALID_VALUE;
    }
    *out_key = key;
    return STATUS_OK;
}

/* Length of the number without leading zeros, in bits (rounded up to the byte but for the first).
 */
static size_t number_bits(struct bytes number)
{
    size_t at = 0;
    while (at < number.len && number.data[at] == 0) {
        at++;
    }
    if (at == number.len) {
        return 0;
    }
    size_t bits = (number.len - at) * 8;
    for (uint8_t top = number.data[at]; (top & 0x80) == 0; top = (uint8_t)(top << 1)) {
        bits--;
    }
    return bits;
}

static bool is_odd(struct bytes number)
{
    return number.len > 0 && (number.data[number.len - 1] & 1) != 0;
}

static bool is_modulus(struct bytes number)
{
    size_t bits = number_bits(number);
    return bits > 1 && bits <= BITS_MAX && is_odd(number);
}

static enum status rsa_to_evp(const struct pubkey *key, EVP_PKEY **out_key)
{
    struct bytes exponent = key->fields[0];
    struct bytes modulus = key->fields[1];
    size_t exponent_bits = number_bits(exponent);
    if (!is_modulus(modulus) || exponent_bits < 2 || exponent_bits > EXPONENT_BITS_MAX ||
        !is_odd(exponent)) {
        return STATUS_INVALID_VALUE;
    }
    const struct pubkey_number numbers[] = {{OSSL_PKEY_PARAM_RSA_N, modulus},
                                            {OSSL_PKEY_PARAM_RSA_E, exponent}};
    return pubkey_from_numbers("RSA", numbers, 2, EVP_PKEY_PUBLIC_KEY, out_key);
}

/* 1 < y < p for a public number and its modulus. */
static bool is_below(struct bytes number, struct bytes modulus)
{
    size_t bits = number_bits(number);
    size_t modulus_bits = number_bits(modulus);
    if (bits < 2 || bits > modulus_bits) {
        return false;
    }
    size_t len = (bits + 7) / 8;
    return bits < modulus_bits ||
           bytes_compare(bytes_of(number.data + number.len - len, len),
                         bytes_of(modulus.data + modulus.len - len, len)) < 0;
}

/* q divides p - 1, as it must when both belong together. */
static bool is_subgroup(struct bytes q_number, struct bytes p_number)
{
    BN_CTX *context = BN_CTX_new();
    BIGNUM *q = BN_bin2bn(q_number.data, (int)q_number.len, NULL);
    BIGNUM *p = BN_bin2bn(p_number.data, (int)p_number.len, NULL);
    BIGNUM *rest = BN_new();
    bool divides = context != NULL && q != NULL && p != NULL && rest != NULL &&
                   BN_mod(rest, p, q, context) == 1 && BN_is_one(rest);
    BN_free(q);
    BN_free(p);
    BN_free(rest);
    BN_CTX_free(context);
    return divides;
}

static enum status dsa_to_evp(const struct pubkey *key, EVP_PKEY **out_key)
{
    struct bytes q = key->fields[0];
    struct bytes p = key->fields[1];
    if (!is_modulus(p) || !is_modulus(q) || number_bits(q) >= number_bits(p) ||
        !is_below(key->fields[2], p) || !is_below(key->fields[3], p) || !is_subgroup(q, p)) {
        return STATUS_INVALID_VALUE;
    }
    const struct pubkey_number numbers[] = {{OSSL_PKEY_PARAM_FFC_P, p},
                                            {OSSL_PKEY_PARAM_FFC_Q, q},
                                            {OSSL_PKEY_PARAM_FFC_G, key->fields[2]},
                                            {OSSL_PKEY_PARAM_PUB_KEY, key->fields[3]}};
    return pubkey_from_numbers("DSA", numbers, 4, EVP_PKEY_PUBLIC_KEY, out_key);
}

static enum status dh_to_evp(const struct pubkey *key, EVP_PKEY **out_key)
{
    struct bytes p = key->fields[1];
    if (!is_modulus(p) || !is_below(key->fields[2], p) || !is_below(key->fields[0], p)) {
        return STATUS_INVALID_VALUE;
    }
    const struct pubkey_number numbers[] = {{OSSL_PKEY_PARAM_FFC_P, p},
                                            {OSSL_PKEY_PARAM_FFC_G, key->fields[2]},
                                            {OSSL_PKEY_PARAM_PUB_KEY, key->fields[0]}};
    return pubkey_from_numbers("DH", numbers, 3, EVP_PKEY_PUBLIC_KEY, out_key);
}

/* SubjectPublicKeyInfo as PEM text or DER; nothing may follow the DER. */
static enum status spki_to_evp(struct bytes spki, EVP_PKEY **out_key)
{
    EVP_PKEY *key = NULL;
    if (spki.len == 0 || spki.len > INT32_MAX) {
        return STATUS_INVALID_VALUE;
    }
    if (is_pem(spki)) {
        BIO *bio = BIO_new_mem_buf(spki.data, (int)spki.len);
        key = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
        (void)BIO_free(bio);
    } else {
        const unsigned char *at = spki.data;
        key = d2i_PUBKEY(NULL, &at, (long)spki.len);
        if (key != NULL && at != spki.data + spki.len) {
            EVP_PKEY_free(key);
            key = NULL;
        }
    }
    if (key == NULL || EVP_PKEY_get_bits(key) > BITS_MAX) {
        EVP_PKEY_free(key);
        return STATUS_INVALID_VALUE;
    }
    *out_key = key;
    return STATUS_OK;
}

static enum status named_spki_to_evp(struct bytes spki, const char *algorithm, EVP_PKEY **out_key)
{
    EVP_PKEY *key = NULL;
    enum status status = spki_to_evp(spki, &key);
    if (status == STATUS_OK && !EVP_PKEY_is_a(key, algorithm)) {
        EVP_PKEY_free(key);
        return STATUS_INVALID_VALUE;
    }
    if (status == STATUS_OK) {
        *out_key = key;
    }
    return status;
}

enum status pubkey_to_evp(const struct pubkey *key, EVP_PKEY **out_key)
{
    switch (key->kind) {
    case PUBKEY_RSA:
        return rsa_to_evp(key, out_key);
    case PUBKEY_DSA:
        return dsa_to_evp(key, out_key);
    case PUBKEY_DH:
        return dh_to_evp(key, out_key);
    case PUBKEY_SM2:
        return named_spki_to_evp(key->fields[0], "SM2", out_key);
    case PUBKEY_EC:
        return named_spki_to_evp(key->fields[0], "EC", out_key);
    case PUBKEY_PEM:
        return spki_to_evp(key->fields[0], out_key);
    case PUBKEY_SM9:
    case PUBKEY_UNKNOWN:
    default:
        return STATUS_NOT_SUPPORTED;
    }
}

/* As Java writes it: a 00 in front when the top bit is set. */
static bool put_number(struct wire_writer *w, const EVP_PKEY *key, const char *name)
{
    BIGNUM *number = NULL;
    if (EVP_PKEY_get_bn_param(key, name, &number) != 1) {
        return false;
    }
    int bits = BN_num_bits(number);
    uint8_t *length = wire_open_length(w);
    if (bits % 8 == 0) {
        wire_put_u8(w, 0);
    }
    uint8_t *room = wire_room(w, (size_t)(bits + 7) / 8);
    if (room != NULL) {
        (void)BN_bn2bin(number, room);
    }
    wire_fill_length(w, length);
    BN_free(number);
    return true;
}

static void put_start(struct wire_writer *w, const char *type)
{
    wire_put_bytes(w, bytes_of_text(type));
    wire_put_u16(w, 0);
}

static enum status put_numbers(struct wire_writer *w, const EVP_PKEY *key, const char *type,
                               const char *const *names)
{
    put_start(w, type);
    for (size_t i = 0; names[i] != NULL; i++) {
        if (!put_number(w, key, names[i])) {
            return STATUS_ERROR;
        }
    }
    return STATUS_OK;
}

static enum status put_spki(struct wire_writer *w, const EVP_PKEY *key, const char *type)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    enum status status = STATUS_NO_MEMORY;
    if (bio != NULL && PEM_write_bio_PUBKEY(bio, key) == 1) {
        long len = BIO_get_mem_data(bio, &text);
        put_start(w, type);
        wire_put_bytes(w, bytes_of(text, (size_t)len));
        status = STATUS_OK;
    }
    (void)BIO_free(bio);
    return status;
}

enum status pubkey_from_evp(const EVP_PKEY *key, struct wire_writer *w)
{
    static const char *const rsa[] = {OSSL_PKEY_PARAM_RSA_E, OSSL_PKEY_PARAM_RSA_N, NULL};
    static const char *const dsa[] = {OSSL_PKEY_PARAM_FFC_Q, OSSL_PKEY_PARAM_FFC_P,
                                      OSSL_PKEY_PARAM_FFC_G, OSSL_PKEY_PARAM_PUB_KEY, NULL};
    static const char *const dh[] = {OSSL_PKEY_PARAM_PUB_KEY, OSSL_PKEY_PARAM_FFC_P,
                                     OSSL_PKEY_PARAM_FFC_G, NULL};
    static const uint8_t zeros[RSA_TRAILER_LEN];
    enum status status = STATUS_NOT_SUPPORTED;
    if (EVP_PKEY_is_a(key, "RSA")) {
        status = put_numbers(w, key, "RSA_PUB_KEY", rsa);
        wire_put_raw(w, bytes_of(zeros, sizeof(zeros)));
    } else if (EVP_PKEY_is_a(key, "DSA")) {
        status = put_numbers(w, key, "DSA_PUB_KEY", dsa);
    } else if (EVP_PKEY_is_a(key, "DH") || EVP_PKEY_is_a(key, "DHX")) {
        status = put_numbers(w, key, "DH_PUB_KEY", dh);
    } else if (EVP_PKEY_is_a(key, "SM2")) {
        status = put_spki(w, key, "SM2_PUB_KEY");
    } else if (EVP_PKEY_is_a(key, "EC")) {
        status = put_spki(w, key, "EC_PUB_KEY");
    }
    return status == STATUS_OK && w->failed ? STATUS_NO_ROOM : status;
}

enum status pubkey_check(struct bytes data, struct fault *fault)
{
    struct pubkey key;
    if (pubkey_decode(data, &key) != STATUS_OK) {
        return fault_set(fault, STATUS_INVALID_VALUE, "HS_PUBKEY is not a key record");
    }
    EVP_PKEY *evp = NULL;
    enum status status = pubkey_to_evp(&key, &evp);
    EVP_PKEY_free(evp);
    if (status == STATUS_INVALID_VALUE) {
        return fault_set(fault, status, "HS_PUBKEY holds no usable key of its type");
    }
    return status == STATUS_NOT_SUPPORTED ? STATUS_OK : status; /* stored and returned untouched */
}
