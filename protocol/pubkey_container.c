/* SPDX-License-Identifier: Apache-2.0
 *
 * Sealing and opening private key files (pubkey_container.h).
 *
 * The two oldest encryptions are single DES, which OpenSSL 3 keeps in its legacy provider; triple
 * DES with one key three times is the same function.
 */
#include "protocol/pubkey_container.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#define DES_KEY_LEN 8
#define KEY_MAX 24 /* bytes; of triple DES */
#define FIELD_ROOM 2049

enum container {
    CONTAINER_DES_ECB = 0,
    CONTAINER_PLAIN = 1,
    CONTAINER_DES_CBC = 2,
    CONTAINER_PBKDF2_DESEDE = 3,
    CONTAINER_PBKDF2_AES = 4,
};

/* How a container's cipher text is opened or made. */
struct sealing {
    const EVP_CIPHER *cipher;
    uint8_t key[KEY_MAX];
    struct bytes iv;
    struct bytes text;
};

static bool is_record(struct bytes data)
{
    struct wire_reader r = wire_read(data);
    struct bytes type = wire_bytes(&r);
    return wire_ok(&r) && (bytes_equal(type, BYTES_LITERAL("RSA_PRIV_KEY")) ||
                           bytes_equal(type, BYTES_LITERAL("RSA_PRIVCRT_KEY")) ||
                           bytes_equal(type, BYTES_LITERAL("DSA_PRIV_KEY")));
}

/* The container word; PLAIN for a bare record. */
static bool read_word(struct bytes file, uint32_t *out_word, struct bytes *out_rest)
{
    struct wire_reader r = wire_read(file);
    uint32_t word = wire_u32(&r);
    if (file.len > PUBKEY_CONTAINER_MAX || !wire_ok(&r)) {
        return false;
    }
    if (is_record(file)) {
        *out_word = CONTAINER_PLAIN;
        *out_rest = file;
        return true;
    }
    *out_word = word;
    *out_rest = bytes_from(file, sizeof(uint32_t));
    return word <= CONTAINER_PBKDF2_AES && out_rest->len > 0;
}

static bool read_derived(struct bytes rest, struct bytes pass_phrase, struct sealing *out);

bool pubkey_container_is(struct bytes file)
{
    uint32_t word;
    struct bytes rest;
    if (!read_word(file, &word, &rest)) {
        return false;
    }
    struct sealing sealing;
    switch (word) {
    case CONTAINER_PLAIN:
        return is_record(rest);
    case CONTAINER_DES_ECB:
    case CONTAINER_DES_CBC:
        return rest.len % DES_KEY_LEN == 0;
    default:
        return read_derived(rest, BYTES_NONE, &sealing);
    }
}

bool pubkey_container_is_sealed(struct bytes file)
{
    uint32_t word;
    struct bytes rest;
    return pubkey_container_is(file) && read_word(file, &word, &rest) && word != CONTAINER_PLAIN;
}

/* The first eight bytes of MD5, three times over. */
static bool key_by_md5(struct bytes pass_phrase, struct sealing *sealing)
{
    uint8_t digest[EVP_MAX_MD_SIZE] = {0};
    bool is_had = EVP_Digest(pass_phrase.data, pass_phrase.len, digest, NULL, EVP_md5(), NULL) == 1;
    for (size_t i = 0; i < KEY_MAX; i += DES_KEY_LEN) {
        memcpy(sealing->key + i, digest, DES_KEY_LEN);
    }
    OPENSSL_cleanse(digest, sizeof(digest));
    return is_had;
}

static bool key_by_pbkdf2(struct bytes pass_phrase, struct bytes salt, uint32_t iterations,
                          struct sealing *sealing)
{
    int len = EVP_CIPHER_get_key_length(sealing->cipher);
    return PKCS5_PBKDF2_HMAC_SHA1((const char *)pass_phrase.data, (int)pass_phrase.len, salt.data,
                                  (int)salt.len, (int)iterations, len, sealing->key) == 1;
}

/* salt ‖ iterations ‖ key bits ‖ iv ‖ cipher text; the key is derived when a pass phrase is given.
 */
static bool read_derived(struct bytes rest, struct bytes pass_phrase, struct sealing *out)
{
    struct wire_reader r = wire_read(rest);
    struct bytes salt = wire_bytes(&r);
    uint32_t iterations = wire_u32(&r);
    uint32_t bits = wire_u32(&r);
    out->iv = wire_bytes(&r);
    out->text = wire_bytes(&r);
    out->cipher = bits == 128 ? EVP_aes_128_cbc() : EVP_des_ede3_cbc();
    size_t iv_len = (size_t)EVP_CIPHER_get_iv_length(out->cipher);
    bool is_sound = wire_done(&r) && salt.len > 0 && salt.len <= 256 && iterations > 0 &&
                    iterations <= PUBKEY_CONTAINER_ITERATIONS_MAX && out->iv.len == iv_len &&
                    (bits == 128 || bits == 168 || bits == 192);
    return is_sound && (pass_phrase.len == 0 || key_by_pbkdf2(pass_phrase, salt, iterations, out));
}

static bool read_sealing(uint32_t word, struct bytes rest, struct bytes pass_phrase,
                         struct sealing *out)
{
    switch (word) {
    case CONTAINER_DES_ECB:
        *out = (struct sealing){.cipher = EVP_des_ede3_ecb(), .text = rest};
        return key_by_md5(pass_phrase, out);
    case CONTAINER_DES_CBC:
        *out = (struct sealing){.cipher = EVP_des_ede3_cbc(),
                                .iv = bytes_of(rest.data, rest.len < 8 ? rest.len : 8),
                                .text = bytes_from(rest, 8)};
        return out->text.len > 0 && key_by_md5(pass_phrase, out);
    default:
        *out = (struct sealing){0};
        return read_derived(rest, pass_phrase, out);
    }
}

/* One pass through the cipher; when it fails, nothing was written. */
static bool run_cipher(const struct sealing *sealing, bool encrypts, struct wire_writer *w)
{
    size_t most = sealing->text.len + 16; /* a block of padding at the most */
    uint8_t *room = wire_room(w, most);
    if (room == NULL) {
        return false;
    }
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int len = 0;
    int rest = 0;
    bool is_done =
        context != NULL &&
        EVP_CipherInit_ex2(context, sealing->cipher, sealing->key, sealing->iv.data, encrypts,
                           NULL) == 1 &&
        EVP_CipherUpdate(context, room, &len, sealing->text.data, (int)sealing->text.len) == 1 &&
        EVP_CipherFinal_ex(context, room + len, &rest) == 1;
    EVP_CIPHER_CTX_free(context);
    if (!is_done) {
        OPENSSL_cleanse(room, most);
    }
    w->at = is_done ? room + len + rest : room;
    return is_done;
}

enum status pubkey_container_open(struct bytes file, struct bytes pass_phrase,
                                  struct wire_writer *w)
{
    uint32_t word;
    struct bytes rest;
    if (!pubkey_container_is(file) || !read_word(file, &word, &rest)) {
        return STATUS_INVALID_VALUE;
    }
    if (word == CONTAINER_PLAIN) {
        wire_put_raw(w, rest);
        return w->failed ? STATUS_NO_ROOM : STATUS_OK;
    }
    if (pass_phrase.len == 0 || pass_phrase.len > INT_MAX) {
        return STATUS_AUTHENTICATION_FAILED;
    }
    struct sealing sealing;
    uint8_t *record = w->at;
    bool is_open =
        read_sealing(word, rest, pass_phrase, &sealing) && run_cipher(&sealing, false, w);
    OPENSSL_cleanse(&sealing, sizeof(sealing));
    if (w->failed) {
        return STATUS_NO_ROOM;
    }
    if (is_open && !is_record(bytes_of(record, (size_t)(w->at - record)))) {
        OPENSSL_cleanse(record, (size_t)(w->at - record));
        w->at = record;
        is_open = false;
    }
    return is_open ? STATUS_OK : STATUS_AUTHENTICATION_FAILED;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* As the reference tools write numbers: two's complement, a leading 00 before a high bit. */
static bool put_number(const EVP_PKEY *key, const char *name, struct wire_writer *w)
{
    BIGNUM *number = NULL;
    uint8_t room[FIELD_ROOM];
    bool is_had =
        EVP_PKEY_get_bn_param(key, name, &number) == 1 && BN_num_bytes(number) < FIELD_ROOM;
    if (is_had) {
        int len = BN_num_bytes(number);
        int lead = BN_num_bits(number) % 8 == 0 ? 1 : 0;
        room[0] = 0;
        (void)BN_bn2binpad(number, room + lead, len);
        wire_put_bytes(w, bytes_of(room, (size_t)(len + lead)));
        OPENSSL_cleanse(room, sizeof(room));
    }
    BN_clear_free(number);
    return is_had;
}

enum status pubkey_private_from_evp(const EVP_PKEY *key, struct wire_writer *w)
{
    static const char *const rsa[] = {OSSL_PKEY_PARAM_RSA_N,
                                      OSSL_PKEY_PARAM_RSA_E,
                                      OSSL_PKEY_PARAM_RSA_D,
                                      OSSL_PKEY_PARAM_RSA_FACTOR1,
                                      OSSL_PKEY_PARAM_RSA_FACTOR2,
                                      OSSL_PKEY_PARAM_RSA_EXPONENT1,
                                      OSSL_PKEY_PARAM_RSA_EXPONENT2,
                                      OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
                                      NULL};
    static const char *const dsa[] = {OSSL_PKEY_PARAM_PRIV_KEY, OSSL_PKEY_PARAM_FFC_P,
                                      OSSL_PKEY_PARAM_FFC_Q, OSSL_PKEY_PARAM_FFC_G, NULL};
    bool is_rsa = EVP_PKEY_is_a(key, "RSA") == 1;
    if (!is_rsa && EVP_PKEY_is_a(key, "DSA") != 1) {
        return STATUS_NOT_SUPPORTED;
    }
    wire_put_bytes(w, is_rsa ? BYTES_LITERAL("RSA_PRIVCRT_KEY") : BYTES_LITERAL("DSA_PRIV_KEY"));
    for (const char *const *name = is_rsa ? rsa : dsa; *name != NULL; name++) {
        if (!put_number(key, *name, w)) {
            return STATUS_NOT_SUPPORTED; /* a public key, or RSA with more than two primes */
        }
    }
    return w->failed ? STATUS_NO_ROOM : STATUS_OK;
}

enum status pubkey_container_seal(struct bytes record, struct bytes pass_phrase,
                                  const uint8_t salt[PUBKEY_CONTAINER_SALT_LEN],
                                  const uint8_t iv[PUBKEY_CONTAINER_IV_LEN], struct wire_writer *w)
{
    if (pass_phrase.len == 0) {
        wire_put_u32(w, CONTAINER_PLAIN);
        wire_put_raw(w, record);
        return w->failed ? STATUS_NO_ROOM : STATUS_OK;
    }
    struct sealing sealing = {
        .cipher = EVP_aes_128_cbc(), .iv = bytes_of(iv, PUBKEY_CONTAINER_IV_LEN), .text = record};
    struct bytes salted = bytes_of(salt, PUBKEY_CONTAINER_SALT_LEN);
    wire_put_u32(w, CONTAINER_PBKDF2_AES);
    wire_put_bytes(w, salted);
    wire_put_u32(w, PUBKEY_CONTAINER_ITERATIONS);
    wire_put_u32(w, 128);
    wire_put_bytes(w, sealing.iv);
    uint8_t *len = wire_open_length(w);
    bool is_sealed = !w->failed && pass_phrase.len <= INT_MAX &&
                     record.len <= PUBKEY_CONTAINER_MAX &&
                     key_by_pbkdf2(pass_phrase, salted, PUBKEY_CONTAINER_ITERATIONS, &sealing) &&
                     run_cipher(&sealing, true, w);
    OPENSSL_cleanse(&sealing, sizeof(sealing));
    if (!is_sealed) {
        return w->failed ? STATUS_NO_ROOM : STATUS_ERROR;
    }
    wire_fill_length(w, len);
    return w->failed ? STATUS_NO_ROOM : STATUS_OK;
}
