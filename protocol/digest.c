/* SPDX-License-Identifier: Apache-2.0
 *
 * Digests by OpenSSL's one-shot calls, and their framing (protocol.md §5.1).
 */
#include "protocol/digest.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

struct row {
    const char *name; /* as OpenSSL calls it */
    uint8_t len;
};

static const struct row rows[] = {
    [DIGEST_MD5_OLD] = {"MD5", 16},
    [DIGEST_MD5] = {"MD5", 16},
    [DIGEST_SHA1] = {"SHA1", 20},
    [DIGEST_SHA256] = {"SHA256", 32},
};

enum digest_algorithm digest_algorithm_for(struct message_version version)
{
    static const struct message_version sha256_since = {2, 7};
    static const struct message_version sha1_since = {2, 1};
    if (message_version_compare(version, sha256_since) >= 0) {
        return DIGEST_SHA256;
    }
    return message_version_compare(version, sha1_since) >= 0 ? DIGEST_SHA1 : DIGEST_MD5_OLD;
}

enum status digest_compute(enum digest_algorithm algorithm, struct bytes data,
                           struct digest *out_digest)
{
    struct digest digest = {.algorithm = algorithm};
    if (EVP_Q_digest(NULL, rows[algorithm].name, NULL, data.data, data.len, digest.data,
                     &digest.len) != 1) {
        return STATUS_ERROR;
    }
    *out_digest = digest;
    return STATUS_OK;
}

void digest_encode(struct wire_writer *w, const struct digest *digest)
{
    if (digest->algorithm == DIGEST_MD5_OLD) {
        wire_put_bytes(w, bytes_of(digest->data, digest->len));
        return;
    }
    wire_put_u8(w, (uint8_t)digest->algorithm);
    wire_put_raw(w, bytes_of(digest->data, digest->len));
}

enum status digest_decode(struct wire_reader *r, struct digest *out_digest)
{
    uint8_t code = wire_u8(r);
    if (code > DIGEST_SHA256) {
        r->failed = true;
    } else if (code == DIGEST_MD5_OLD) {
        /* The byte was the first of an int4 length, which can only be 16. */
        uint16_t high = wire_u16(r);
        uint8_t low = wire_u8(r);
        r->failed |= high != 0 || low != rows[code].len;
    }
    struct bytes taken = wire_take(r, wire_ok(r) ? rows[code].len : 0);
    if (!wire_ok(r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    out_digest->algorithm = (enum digest_algorithm)code;
    out_digest->len = taken.len;
    memcpy(out_digest->data, taken.data, taken.len);
    return STATUS_OK;
}

enum status digest_sha256(const struct bytes *runs, size_t count, uint8_t out[32])
{
    enum status status = STATUS_ERROR;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        if (EVP_DigestUpdate(context, runs[i].data, runs[i].len) != 1) {
            goto out;
        }
    }
    if (EVP_DigestFinal_ex(context, out, NULL) == 1) {
        status = STATUS_OK;
    }
out:
    EVP_MD_CTX_free(context);
    return status;
}

static bool mac_runs(EVP_MAC_CTX *context, struct bytes key, const struct bytes *runs, size_t count,
                     uint8_t out[32])
{
    char sha256[] = "SHA256"; /* the parameter wants it writable */
    static const uint8_t no_key[1];
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
        OSSL_PARAM_construct_end(),
    };
    /* A NULL key would mean "keep the one you have". */
    const uint8_t *key_data = key.len == 0 ? no_key : key.data;
    size_t len = 0;
    if (EVP_MAC_init(context, key_data, key.len, params) != 1) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (EVP_MAC_update(context, runs[i].data, runs[i].len) != 1) {
            return false;
        }
    }
    return EVP_MAC_final(context, out, &len, 32) == 1;
}

enum status digest_hmac_sha256(struct bytes key, const struct bytes *runs, size_t count,
                               uint8_t out[32])
{
    enum status status = STATUS_ERROR;
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = hmac == NULL ? NULL : EVP_MAC_CTX_new(hmac);
    if (context != NULL && mac_runs(context, key, runs, count, out)) {
        status = STATUS_OK;
    }
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(hmac);
    return status;
}
