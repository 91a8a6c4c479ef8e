/* SPDX-License-Identifier: Apache-2.0
 *
 * CBC by OpenSSL; padding is put on by OpenSSL, and taken off here in constant time.
 */
#include "protocol/session_cipher.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

static const struct message_version since_2_4 = {2, 4};

static const struct cipher_row {
    const char *name; /* as OpenSSL calls it; NULL: not supported */
    uint8_t block_len;
    uint8_t key_len;
    bool is_key_the_iv;
} ciphers[] = {
    [SESSION_DESEDE] = {"DES-EDE3-CBC", 8, 24, false},
    [SESSION_AES] = {"AES-128-CBC", 16, 16, false},
    [SESSION_SM4] = {"SM4-CBC", 16, 16, true},
};

static const struct cipher_row *row_of(enum session_algorithm algorithm)
{
    uint32_t code = (uint32_t)algorithm;
    bool is_known = code < sizeof(ciphers) / sizeof(ciphers[0]) && ciphers[code].name != NULL;
    return is_known ? &ciphers[code] : NULL;
}

size_t session_cipher_iv_len(enum session_algorithm algorithm)
{
    const struct cipher_row *row = row_of(algorithm);
    return row == NULL || row->is_key_the_iv ? 0 : row->block_len;
}

static enum status find(const struct session_key *key, struct message_version version,
                        const struct cipher_row **out_row)
{
    const struct cipher_row *row = row_of(key->algorithm);
    if (row == NULL || message_version_compare(version, since_2_4) < 0) {
        return STATUS_NOT_SUPPORTED;
    }
    *out_row = row;
    return key->len < row->key_len ? STATUS_INVALID_SESSION_KEY : STATUS_OK;
}

struct job {
    const struct cipher_row *row;
    const uint8_t *key;
    const uint8_t *iv;
    struct bytes input;
    uint8_t *output;
    bool is_encrypting; /* and padding */
};

static bool run_with(EVP_CIPHER_CTX *context, const EVP_CIPHER *cipher, const struct job *job,
                     size_t *out_len)
{
    int len = 0;
    int last_len = 0;
    if (EVP_CipherInit_ex2(context, cipher, job->key, job->iv, job->is_encrypting, NULL) != 1 ||
        EVP_CIPHER_CTX_set_padding(context, job->is_encrypting) != 1 ||
        EVP_CipherUpdate(context, job->output, &len, job->input.data, (int)job->input.len) != 1 ||
        EVP_CipherFinal_ex(context, job->output + len, &last_len) != 1) {
        return false;
    }
    *out_len = (size_t)len + (size_t)last_len;
    return true;
}

static bool run(const struct job *job, size_t *out_len)
{
    ERR_set_mark();
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, job->row->name, NULL);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool is_done = cipher != NULL && context != NULL && run_with(context, cipher, job, out_len);
    EVP_CIPHER_CTX_free(context);
    EVP_CIPHER_free(cipher);
    ERR_pop_to_mark();
    return is_done;
}

enum status session_cipher_encrypt(const struct session_key *key, struct message_version version,
                                   struct bytes iv, struct bytes plain, struct wire_writer *w)
{
    const struct cipher_row *row = NULL;
    enum status status = find(key, version, &row);
    if (status != STATUS_OK) {
        return status;
    }
    if (iv.len != session_cipher_iv_len(key->algorithm) || plain.len > MESSAGE_MAX) {
        return STATUS_ERROR;
    }
    wire_put_raw(w, iv);
    size_t len = (plain.len / row->block_len + 1) * row->block_len;
    uint8_t *output = wire_room(w, len);
    if (output == NULL) {
        return STATUS_NO_ROOM;
    }
    const struct job job = {
        .row = row,
        .key = key->data,
        .iv = row->is_key_the_iv ? key->data : iv.data,
        .input = plain,
        .output = output,
        .is_encrypting = true,
    };
    size_t written = 0;
    if (!run(&job, &written) || written != len) {
        w->failed = true;
        return STATUS_ERROR;
    }
    return STATUS_OK;
}

/* Bytes of padding at the end of `last`, one block; 0 when it is none. No branch depends on it. */
static size_t padding_of(const uint8_t *last, size_t block_len)
{
    uint32_t pad = last[block_len - 1];
    uint32_t wrong = (pad - 1) >> 31 | (uint32_t)(block_len - pad) >> 31;
    for (uint32_t i = 0; i < block_len; i++) {
        uint32_t is_inside = (i - pad) >> 31;
        wrong |= (0 - is_inside) & (last[block_len - 1 - i] ^ pad);
    }
    uint32_t is_right = (wrong - 1) >> 31;
    return (0 - is_right) & pad;
}

enum status session_cipher_decrypt(const struct session_key *key, struct message_version version,
                                   struct bytes cipher_text, struct wire_writer *w)
{
    const struct cipher_row *row = NULL;
    enum status status = find(key, version, &row);
    if (status != STATUS_OK) {
        return status;
    }
    struct wire_reader r = wire_read(cipher_text);
    struct bytes iv = wire_take(&r, session_cipher_iv_len(key->algorithm));
    struct bytes blocks = wire_take(&r, wire_left(&r));
    if (!wire_ok(&r) || blocks.len == 0 || blocks.len % row->block_len != 0 ||
        blocks.len > MESSAGE_MAX) {
        return STATUS_SESSION_FAILED;
    }
    uint8_t *output = wire_room(w, blocks.len);
    if (output == NULL) {
        return STATUS_NO_ROOM;
    }
    const struct job job = {
        .row = row,
        .key = key->data,
        .iv = row->is_key_the_iv ? key->data : iv.data,
        .input = blocks,
        .output = output,
    };
    size_t written = 0;
    bool is_done = run(&job, &written) && written == blocks.len;
    size_t pad = is_done ? padding_of(output + blocks.len - row->block_len, row->block_len) : 0;
    if (pad == 0) {
        OPENSSL_cleanse(output, blocks.len);
        w->at = output;
        return STATUS_SESSION_FAILED;
    }
    OPENSSL_cleanse(w->at - pad, pad);
    w->at -= pad;
    return STATUS_OK;
}
