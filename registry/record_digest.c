/* SPDX-License-Identifier: Apache-2.0
 *
 * Digests, commitments and the chain (record_digest.h). The algorithm is fetched once per hasher:
 * fetching it for every value costs more than hashing one.
 */
#include "registry/record_digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "protocol/digest.h"

/* Pieces are gathered before they are hashed: most are smaller than what a call costs. */
#define GATHER_BYTES 512

struct hasher {
    EVP_MD *algorithm;
    EVP_MD_CTX *value; /* of one commitment */
    EVP_MD_CTX *whole; /* what hasher_begin .. hasher_end are about */
    bool failed;
    size_t gathered;
    uint8_t gather[GATHER_BYTES];
};

struct hasher *hasher_new(void)
{
    /* A libcrypto that found no memory to set itself up ends the process when it is asked. */
    struct hasher *hasher = NULL;
    if (OSSL_LIB_CTX_get0_global_default() != NULL) {
        hasher = calloc(1, sizeof(*hasher));
    }
    if (hasher == NULL) {
        return NULL;
    }
    hasher->algorithm = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    hasher->value = EVP_MD_CTX_new();
    hasher->whole = EVP_MD_CTX_new();
    if (hasher->algorithm == NULL || hasher->value == NULL || hasher->whole == NULL) {
        hasher_free(hasher);
        return NULL;
    }
    return hasher;
}

void hasher_free(struct hasher *hasher)
{
    if (hasher != NULL) {
        EVP_MD_CTX_free(hasher->value);
        EVP_MD_CTX_free(hasher->whole);
        EVP_MD_free(hasher->algorithm);
        free(hasher);
    }
}

void hasher_begin(struct hasher *hasher)
{
    hasher->failed = EVP_DigestInit_ex2(hasher->whole, hasher->algorithm, NULL) != 1;
    hasher->gathered = 0;
}

static void update(struct hasher *hasher, struct bytes run)
{
    if (!hasher->failed && run.len > 0) {
        hasher->failed = EVP_DigestUpdate(hasher->whole, run.data, run.len) != 1;
    }
}

static void flush(struct hasher *hasher)
{
    update(hasher, bytes_of(hasher->gather, hasher->gathered));
    hasher->gathered = 0;
}

void hasher_add(struct hasher *hasher, struct bytes run)
{
    if (run.len > sizeof(hasher->gather) - hasher->gathered) {
        flush(hasher);
    }
    if (run.len > sizeof(hasher->gather)) {
        update(hasher, run);
    } else if (run.len > 0) {
        memcpy(hasher->gather + hasher->gathered, run.data, run.len);
        hasher->gathered += run.len;
    }
}

void hasher_add_u64(struct hasher *hasher, uint64_t number)
{
    uint8_t encoded[8];
    struct wire_writer w = wire_write(encoded, sizeof(encoded));
    wire_put_u64(&w, number);
    hasher_add(hasher, wire_wrote(&w));
}

static void add_u32(struct hasher *hasher, uint32_t number)
{
    uint8_t encoded[4];
    wire_store_u32(encoded, number);
    hasher_add(hasher, bytes_of(encoded, sizeof(encoded)));
}

void hasher_add_sized(struct hasher *hasher, struct bytes run)
{
    add_u32(hasher, (uint32_t)run.len);
    hasher_add(hasher, run);
}

enum status hasher_end(struct hasher *hasher, uint8_t out[JOURNAL_HASH_LEN])
{
    unsigned len = 0;
    flush(hasher);
    if (hasher->failed || EVP_DigestFinal_ex(hasher->whole, out, &len) != 1) {
        return STATUS_ERROR;
    }
    return STATUS_OK;
}

static enum status hash_value(struct hasher *hasher, struct bytes salt, struct bytes encoded,
                              uint8_t out[JOURNAL_HASH_LEN])
{
    unsigned len = 0;
    bool is_done = EVP_DigestInit_ex2(hasher->value, hasher->algorithm, NULL) == 1 &&
                   (salt.len == 0 || EVP_DigestUpdate(hasher->value, salt.data, salt.len) == 1) &&
                   EVP_DigestUpdate(hasher->value, encoded.data, encoded.len) == 1 &&
                   EVP_DigestFinal_ex(hasher->value, out, &len) == 1;
    return is_done ? STATUS_OK : STATUS_ERROR;
}

enum status record_digest_commit(struct hasher *hasher, struct bytes commitment_key,
                                 const struct record_digest_of *of, const struct value *value,
                                 struct bytes encoded, uint8_t out[JOURNAL_HASH_LEN])
{
    if (value_is_public(value)) {
        return hash_value(hasher, BYTES_NONE, encoded, out);
    }
    if (commitment_key.len != REGISTRY_COMMITMENT_KEY_LEN) {
        return STATUS_BAD_SETTING;
    }
    uint8_t numbers[12];
    struct wire_writer w = wire_write(numbers, sizeof(numbers));
    wire_put_u64(&w, of->version);
    wire_put_u32(&w, value->index);
    const struct bytes runs[] = {of->key, wire_wrote(&w)};
    uint8_t salt[JOURNAL_HASH_LEN];
    enum status status = digest_hmac_sha256(commitment_key, runs, 2, salt);
    return status != STATUS_OK ? status
                               : hash_value(hasher, bytes_of(salt, sizeof(salt)), encoded, out);
}

static void begin_row(struct hasher *hasher, const struct record_digest_of *of)
{
    hasher_begin(hasher);
    hasher_add_sized(hasher, of->key);
    hasher_add_u64(hasher, of->version);
}

enum status record_digest(struct hasher *hasher, struct bytes commitment_key,
                          const struct record_digest_of *of, uint8_t out[JOURNAL_HASH_LEN])
{
    begin_row(hasher, of);
    struct wire_reader r = wire_read(of->content);
    uint32_t count = of->content.len == 0 ? 0 : wire_count(&r, VALUE_SMALLEST);
    add_u32(hasher, count);
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *start = r.at;
        struct value value;
        if (value_decode(&r, &value) != STATUS_OK) {
            return STATUS_CORRUPT;
        }
        uint8_t commitment[JOURNAL_HASH_LEN];
        enum status status =
            record_digest_commit(hasher, commitment_key, of, &value,
                                 bytes_of(start, (size_t)(r.at - start)), commitment);
        if (status != STATUS_OK) {
            return status;
        }
        hasher_add(hasher, bytes_of(commitment, sizeof(commitment)));
    }
    return wire_done(&r) ? hasher_end(hasher, out) : STATUS_CORRUPT;
}

enum status record_digest_plain(struct hasher *hasher, const struct record_digest_of *of,
                                uint8_t out[JOURNAL_HASH_LEN])
{
    begin_row(hasher, of);
    hasher_add(hasher, of->content);
    return hasher_end(hasher, out);
}

enum status record_digest_item(struct hasher *hasher, const struct journal_item *item,
                               uint8_t out[JOURNAL_HASH_LEN])
{
    const uint8_t kind[2] = {(uint8_t)item->operation, (uint8_t)item->table};
    const uint8_t class = (uint8_t)item->class;
    hasher_begin(hasher);
    hasher_add(hasher, bytes_of(kind, sizeof(kind)));
    hasher_add_sized(hasher, item->key);
    hasher_add_u64(hasher, item->version);
    hasher_add(hasher, bytes_of(&class, 1));
    hasher_add(hasher, bytes_of(item->digest, sizeof(item->digest)));
    return hasher_end(hasher, out);
}

void record_digest_chain_begin(struct hasher *hasher, const uint8_t previous[JOURNAL_HASH_LEN],
                               const struct journal_set *set)
{
    hasher_begin(hasher);
    hasher_add(hasher, bytes_of(previous, JOURNAL_HASH_LEN));
    hasher_add_u64(hasher, set->position);
    add_u32(hasher, set->count);
    hasher_add_u64(hasher, (uint64_t)set->time_ms);
    hasher_add_sized(hasher, set->actor);
    hasher_add_sized(hasher, set->origin);
}
