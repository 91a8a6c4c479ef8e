/* SPDX-License-Identifier: Apache-2.0
 *
 * Judging claims, one JWS at a time (claims.h).
 *
 * Stricter than the national SDK in one thing: a certificate that gives more than its issuer holds
 * is not believed at all, where the SDK only asks each issuer about the handle in question.
 */
#include "protocol/claims.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "protocol/handle.h"
#include "protocol/pubkey.h"
#include "protocol/record_json.h"
#include "protocol/signature.h"

#define DIGEST_OFFSET 8 /* index and timestamp are not covered */
#define DIGEST_LEN 32
#define SECURITY_BITS_MIN 80 /* RSA with 1 024 bits */

static const struct algorithm_row {
    const char *name; /* in the header */
    const char *key;  /* as OpenSSL calls it */
    enum signature_hash hash;
} algorithms[] = {
    {"RS256", "RSA", SIGNATURE_SHA256},
    {"DS256", "DSA", SIGNATURE_SHA256},
    {"SM2SM3", "SM2", SIGNATURE_SM3},
    {"SM2256", "SM2", SIGNATURE_SM3},
};

static const struct digest_row {
    const char *name;
    const char *letters; /* for comparing */
    const char *library; /* as OpenSSL calls it */
} digests[] = {
    [CLAIMS_SHA256] = {"SHA-256", "SHA256", "SHA256"},
    [CLAIMS_SM3] = {"SM3", "SM3", "SM3"},
};

/* --- who and when ----------------------------------------------------------------------------- */

bool claims_identity_parse(struct bytes text, struct claims_identity *out_identity)
{
    struct claims_identity identity;
    if (handle_parse_reference(text, &identity.index, &identity.handle) != STATUS_OK) {
        return false;
    }
    *out_identity = identity;
    return true;
}

bool claims_identity_is(const struct claims_identity *a, const struct claims_identity *b)
{
    return (a->index == b->index || a->index == 0 || b->index == 0) &&
           bytes_equal_nocase(a->handle, b->handle);
}

enum claims_flaw claims_judge_times(const struct jws_claims *claims, int64_t now_s)
{
    if (claims->not_before != 0 && now_s < claims->not_before) {
        return CLAIMS_NOT_YET;
    }
    return claims->expires != 0 && now_s > claims->expires ? CLAIMS_EXPIRED : CLAIMS_FLAWLESS;
}

bool claims_is_about(const struct jws_claims *claims, struct bytes handle)
{
    struct claims_identity subject;
    return bytes_equal_nocase(claims->subject, handle) ||
           (claims_identity_parse(claims->subject, &subject) &&
            bytes_equal_nocase(subject.handle, handle));
}

/* --- signatures ------------------------------------------------------------------------------- */

bool claims_key_is_strong(const EVP_PKEY *key)
{
    return EVP_PKEY_get_security_bits(key) >= SECURITY_BITS_MIN;
}

enum claims_flaw claims_check_signature(const struct jws *jws, EVP_PKEY *key,
                                        enum status *out_status)
{
    *out_status = STATUS_OK;
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
        const struct algorithm_row *row = &algorithms[i];
        if (!bytes_equal(jws->algorithm, bytes_of_text(row->name)) ||
            !EVP_PKEY_is_a(key, row->key)) {
            continue;
        }
        if (!claims_key_is_strong(key)) {
            return CLAIMS_WEAK_KEY;
        }
        const struct signature_scheme scheme = {key, row->hash, BYTES_LITERAL(SIGNATURE_SM2_ID)};
        enum status status = signature_check(&scheme, jws->signed_part, BYTES_NONE, jws->signature);
        if (status == STATUS_OK) {
            return CLAIMS_FLAWLESS;
        }
        *out_status = status == STATUS_AUTHENTICATION_FAILED ? STATUS_OK : status;
        return CLAIMS_BAD_SIGNATURE;
    }
    return CLAIMS_UNKNOWN_ALGORITHM;
}

enum status claims_key(const struct jws_claims *claims, struct arena *arena, EVP_PKEY **out_key)
{
    struct bytes text = claims->public_key_json;
    struct bytes record;
    struct pubkey key;
    json_t *jwk = text.len == 0
                      ? NULL
                      : json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    enum status status =
        jwk == NULL ? STATUS_INVALID_VALUE : key_json_decode(jwk, arena, &record, NULL);
    json_decref(jwk);
    status = status == STATUS_OK ? pubkey_decode(record, &key) : status;
    status = status == STATUS_OK ? pubkey_to_evp(&key, out_key) : status;
    return status == STATUS_OK || status == STATUS_NO_MEMORY ? status : STATUS_INVALID_VALUE;
}

/* --- permissions ------------------------------------------------------------------------------ */

/* The prefix that a permission over prefixes names: 0.NA/<prefix>, or the prefix alone. */
static bool prefix_of(const struct jws_permission *permission, struct bytes *out_prefix)
{
    if (handle_is_prefix_record(permission->handle)) {
        *out_prefix = handle_suffix(permission->handle);
    } else {
        *out_prefix = permission->handle;
    }
    return out_prefix->len > 0 && memchr(out_prefix->data, '/', out_prefix->len) == NULL;
}

static bool is_derived(struct bytes prefix, struct bytes ancestor)
{
    return handle_is_under(prefix, ancestor) && !bytes_equal_nocase(prefix, ancestor);
}

static bool permits(const struct jws_permission *permission, struct bytes handle)
{
    struct bytes prefix;
    switch (permission->perm) {
    case JWS_EVERYTHING:
        return true;
    case JWS_THIS_HANDLE:
        return bytes_equal_nocase(permission->handle, handle);
    case JWS_DERIVED_PREFIXES:
        return prefix_of(permission, &prefix) &&
               is_derived(handle_governing_prefix(handle), prefix);
    case JWS_HANDLES_UNDER_THIS_PREFIX:
        return prefix_of(permission, &prefix) && !handle_is_prefix_record(handle) &&
               bytes_equal_nocase(handle_prefix(handle), prefix);
    }
    return false;
}

/* Does the one hold whatever the other gives? */
static bool contains(const struct jws_permission *held, const struct jws_permission *given)
{
    struct bytes above;
    struct bytes below;
    if (held->perm == JWS_EVERYTHING) {
        return true;
    }
    switch (given->perm) {
    case JWS_EVERYTHING:
        return false;
    case JWS_THIS_HANDLE:
        return permits(held, given->handle);
    case JWS_DERIVED_PREFIXES:
        return held->perm == JWS_DERIVED_PREFIXES && prefix_of(held, &above) &&
               prefix_of(given, &below) && handle_is_under(below, above);
    case JWS_HANDLES_UNDER_THIS_PREFIX:
        if (!prefix_of(held, &above) || !prefix_of(given, &below)) {
            return false;
        }
        return held->perm == JWS_DERIVED_PREFIXES
                   ? is_derived(below, above)
                   : held->perm == given->perm && bytes_equal_nocase(below, above);
    }
    return false;
}

bool claims_permit_handle(const struct jws_claims *certificate, struct bytes handle)
{
    for (size_t i = 0; i < certificate->permission_count; i++) {
        if (permits(&certificate->permissions[i], handle)) {
            return true;
        }
    }
    return false;
}

static bool may_give(const struct jws_claims *certificate, const struct jws_permission *given)
{
    for (size_t i = 0; i < certificate->permission_count; i++) {
        const struct jws_permission *held = &certificate->permissions[i];
        if (held->may_certify && contains(held, given)) {
            return true;
        }
    }
    return false;
}

bool claims_permit_certificate(const struct jws_claims *certificate,
                               const struct jws_claims *issued)
{
    for (size_t i = 0; i < issued->permission_count; i++) {
        if (!may_give(certificate, &issued->permissions[i])) {
            return false;
        }
    }
    return true;
}

/* --- digests of values ------------------------------------------------------------------------ */

bool claims_digest_parse(struct bytes name, enum claims_digest *out_digest)
{
    for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
        if (signature_name_is(name, digests[i].letters)) {
            *out_digest = (enum claims_digest)i;
            return true;
        }
    }
    return false;
}

const char *claims_digest_name(enum claims_digest digest)
{
    return digests[digest].name;
}

enum status claims_digest_value(enum claims_digest digest, const struct value *value,
                                uint8_t out[32])
{
    size_t len = value_encoded_len(value);
    size_t digest_len = 0;
    uint8_t *encoded = malloc(len);
    if (encoded == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(encoded, len);
    value_encode(&w, value);
    struct bytes covered = bytes_from(wire_wrote(&w), DIGEST_OFFSET);
    ERR_set_mark();
    bool is_computed = EVP_Q_digest(NULL, digests[digest].library, NULL, covered.data, covered.len,
                                    out, &digest_len) == 1;
    ERR_pop_to_mark();
    free(encoded);
    return is_computed && digest_len == DIGEST_LEN ? STATUS_OK : STATUS_ERROR;
}

enum status claims_cover(const struct jws_claims *claims, enum claims_digest digest,
                         const struct value *value, enum claims_cover *out_cover)
{
    uint8_t actual[DIGEST_LEN];
    enum claims_cover cover = CLAIMS_UNCOVERED;
    for (size_t i = 0; i < claims->digest_count && cover == CLAIMS_UNCOVERED; i++) {
        if (claims->digests[i].index != value->index) {
            continue;
        }
        enum status status = claims_digest_value(digest, value, actual);
        if (status != STATUS_OK) {
            return status;
        }
        cover = memcmp(actual, claims->digests[i].digest, DIGEST_LEN) == 0 ? CLAIMS_COVERED
                                                                           : CLAIMS_ALTERED;
    }
    *out_cover = cover;
    return STATUS_OK;
}
