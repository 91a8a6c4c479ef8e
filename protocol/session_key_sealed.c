/* SPDX-License-Identifier: Apache-2.0
 *
 * Session keys sealed to an RSA key (protocol.md §5.11 modes 1 and 3, §14 row 60).
 *
 * The plain text is taken apart without branches or addresses that depend on it: OpenSSL 3.0 has
 * no implicit rejection, and tells wrong padding from right padding.
 */
#include "protocol/session_key.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#define MODULUS_MAX 2048 /* bytes */
#define WORD_LEN 4       /* of the algorithm */
#define AES_LEN 16
#define DESEDE_LEN 24

/* What a plain text may be: its lengths and algorithm; bare ones lack the word. */
static const struct shape {
    uint8_t len;
    uint8_t key_len;
    uint8_t algorithm;
} shapes[] = {
    {WORD_LEN + AES_LEN, AES_LEN, SESSION_AES},
    {WORD_LEN + AES_LEN, AES_LEN, SESSION_SM4},
    {WORD_LEN + DESEDE_LEN, DESEDE_LEN, SESSION_DESEDE},
    {WORD_LEN + SESSION_KEY_MAX, SESSION_KEY_MAX, SESSION_AES},
    {AES_LEN, AES_LEN, SESSION_AES},
    {DESEDE_LEN, DESEDE_LEN, SESSION_DESEDE},
    {SESSION_KEY_MAX, SESSION_KEY_MAX, SESSION_AES},
};

static bool has_rsa(const EVP_PKEY *key)
{
    return EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= SESSION_KEY_RSA_BITS_MIN &&
           EVP_PKEY_get_size(key) <= MODULUS_MAX;
}

static bool is_sealable(const struct session_key *key)
{
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        if (shapes[i].key_len == key->len && shapes[i].algorithm == key->algorithm) {
            return true;
        }
    }
    return false;
}

static bool encrypt(EVP_PKEY *peer, struct bytes plain, uint8_t out[MODULUS_MAX], size_t *out_len)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, peer, NULL);
    *out_len = MODULUS_MAX;
    bool is_sealed = context != NULL && EVP_PKEY_encrypt_init(context) == 1 &&
                     EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
                     EVP_PKEY_encrypt(context, out, out_len, plain.data, plain.len) == 1;
    EVP_PKEY_CTX_free(context);
    return is_sealed;
}

enum status session_key_seal(EVP_PKEY *peer, const struct session_key *key, struct wire_writer *w)
{
    uint8_t plain[WORD_LEN + SESSION_KEY_MAX];
    uint8_t sealed[MODULUS_MAX];
    size_t len = 0;
    if (!has_rsa(peer)) {
        return STATUS_NEED_RSA_KEY;
    }
    if (!is_sealable(key)) {
        return STATUS_NOT_SUPPORTED;
    }
    struct wire_writer plain_writer = wire_write(plain, sizeof(plain));
    wire_put_u32(&plain_writer, (uint32_t)key->algorithm);
    wire_put_raw(&plain_writer, bytes_of(key->data, key->len));
    ERR_set_mark();
    bool is_sealed = encrypt(peer, wire_wrote(&plain_writer), sealed, &len);
    ERR_pop_to_mark();
    OPENSSL_cleanse(plain, sizeof(plain));
    if (!is_sealed) {
        return STATUS_ERROR;
    }
    wire_put_raw(w, bytes_of(sealed, len));
    return w->failed ? STATUS_NO_ROOM : STATUS_OK;
}

/* All ones when x is 0, else 0; the compiler is kept from knowing that there are only two. */
static uint32_t mask_if_zero(uint32_t x)
{
    uint32_t mask = (uint32_t)(((uint64_t)x - 1) >> 32);
    __asm__("" : "+r"(mask));
    return mask;
}

static uint32_t choose(uint32_t mask, uint32_t then, uint32_t otherwise)
{
    return (mask & then) | (~mask & otherwise);
}

/* 00 02, bytes that are not 0, 0, plain text: whether so, and the text's length. That eight of them
 * at least are padding follows from the lengths of shapes and modulus. */
static uint32_t judge_padding(const uint8_t *block, size_t block_len, uint32_t *out_len)
{
    uint32_t holds = mask_if_zero(block[0]) & mask_if_zero(block[1] ^ 2u);
    uint32_t is_before = UINT32_MAX;
    uint32_t separator = 0;
    for (uint32_t i = 2; i < block_len; i++) {
        uint32_t is_zero = mask_if_zero(block[i]);
        separator |= is_before & is_zero & i;
        is_before &= ~is_zero;
    }
    holds &= ~is_before;
    *out_len = (uint32_t)block_len - 1 - separator;
    return holds;
}

/* `key` comes with what it is when no shape fits. */
static void choose_key(const uint8_t *block, size_t block_len, struct session_key *key)
{
    uint32_t len = 0;
    uint32_t is_padded = judge_padding(block, block_len, &len);
    uint32_t algorithm = (uint32_t)key->algorithm;
    uint32_t key_len = (uint32_t)key->len;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        const struct shape *shape = &shapes[i];
        struct wire_reader r = wire_read(bytes_of(block + block_len - shape->len, shape->len));
        bool is_bare = shape->len == shape->key_len;
        uint32_t word = is_bare ? shape->algorithm : wire_u32(&r);
        struct bytes candidate = wire_take(&r, shape->key_len);
        uint32_t fits =
            is_padded & mask_if_zero(len ^ shape->len) & mask_if_zero(word ^ shape->algorithm);
        for (size_t j = 0; j < candidate.len; j++) {
            key->data[j] = (uint8_t)choose(fits, candidate.data[j], key->data[j]);
        }
        algorithm = choose(fits, shape->algorithm, algorithm);
        key_len = choose(fits, shape->key_len, key_len);
    }
    key->algorithm = (enum session_algorithm)algorithm;
    key->len = key_len;
}

/* The number behind the cipher text, its padding not looked at. */
static bool decrypt(EVP_PKEY *own, struct bytes sealed, uint8_t out[MODULUS_MAX])
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
    size_t len = MODULUS_MAX;
    bool is_open = context != NULL && EVP_PKEY_decrypt_init(context) == 1 &&
                   EVP_PKEY_CTX_set_rsa_padding(context, RSA_NO_PADDING) == 1 &&
                   EVP_PKEY_decrypt(context, out, &len, sealed.data, sealed.len) == 1;
    EVP_PKEY_CTX_free(context);
    return is_open && len == sealed.len;
}

enum status session_key_unseal(EVP_PKEY *own, struct bytes sealed, struct session_key *out_key)
{
    uint8_t block[MODULUS_MAX];
    struct session_key key;
    if (!has_rsa(own)) {
        return STATUS_NEED_RSA_KEY;
    }
    if (sealed.len != (size_t)EVP_PKEY_get_size(own)) {
        return STATUS_INVALID_SESSION_KEY;
    }
    enum status status = session_key_random(SESSION_AES, &key);
    if (status != STATUS_OK) {
        return status;
    }
    ERR_set_mark();
    status = decrypt(own, sealed, block) ? STATUS_OK : STATUS_INVALID_SESSION_KEY;
    ERR_pop_to_mark();
    if (status == STATUS_OK) {
        choose_key(block, sealed.len, &key);
        *out_key = key;
    }
    OPENSSL_cleanse(block, sizeof(block));
    session_key_cleanse(&key);
    return status;
}
