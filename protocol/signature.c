/* SPDX-License-Identifier: Apache-2.0
 *
 * Signing and verifying by EVP_DigestSign and EVP_DigestVerify, and what is signed.
 */
#include "protocol/signature.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "protocol/body.h"

#define SM3_LEN 32
#define DER_SEQUENCE 0x30
#define DER_INTEGER 0x02
#define DER_LONG_1 0x81 /* the length is in the one byte that follows */

static const struct message_version since_2_6 = {2, 6};
static const struct message_version since_2_7 = {2, 7};
static const struct message_version since_2_8 = {2, 8};
static const struct message_version since_2_11 = {2, 11};

static const struct hash_row {
    const char *name;    /* on the wire */
    const char *library; /* as OpenSSL calls it */
    const char *letters; /* for comparing */
    uint8_t code;        /* the one-byte form; 0: has none */
} hashes[] = {
    [SIGNATURE_SHA1] = {"SHA1", "SHA1", "SHA1", 2},
    [SIGNATURE_SHA256] = {"SHA-256", "SHA256", "SHA256", 3},
    [SIGNATURE_SM3] = {"SM3", "SM3", "SM3", 0},
};

#define HASH_COUNT (sizeof(hashes) / sizeof(hashes[0]))

bool signature_name_is(struct bytes name, const char *letters)
{
    size_t matched = 0;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = bytes_ascii_upper(name.data[i]);
        bool is_counted = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
        if (is_counted && c != (uint8_t)letters[matched]) {
            return false; /* behind the last letter there is a NUL, which is never counted */
        }
        matched += is_counted;
    }
    return letters[matched] == '\0';
}

bool signature_hash_parse(struct bytes name, enum signature_hash *out_hash)
{
    for (size_t i = 0; i < HASH_COUNT; i++) {
        bool is_code = name.len == 1 && hashes[i].code != 0 && name.data[0] == hashes[i].code;
        if (is_code || signature_name_is(name, hashes[i].letters)) {
            *out_hash = (enum signature_hash)i;
            return true;
        }
    }
    return false;
}

struct bytes signature_hash_name(enum signature_hash hash)
{
    return bytes_of_text(hashes[hash].name);
}

enum signature_hash signature_hash_for(const EVP_PKEY *key, struct message_version version)
{
    if (EVP_PKEY_is_a(key, "SM2")) {
        return SIGNATURE_SM3;
    }
    struct message_version since = EVP_PKEY_is_a(key, "DSA") ? since_2_11 : since_2_7;
    bool is_sha256 = EVP_PKEY_is_a(key, "EC") || message_version_compare(version, since) >= 0;
    return is_sha256 ? SIGNATURE_SHA256 : SIGNATURE_SHA1;
}

static bool is_der(const EVP_PKEY *key)
{
    return !EVP_PKEY_is_a(key, "RSA");
}

/* Keys made for encryption only, for key agreement, or of a kind the protocol does not know would
 * otherwise be the library's decision. */
static bool is_usable(const struct signature_scheme *scheme)
{
    const EVP_PKEY *key = scheme->key;
    if (EVP_PKEY_is_a(key, "SM2")) {
        return scheme->hash == SIGNATURE_SM3 && scheme->sm2_id.len > 0;
    }
    return scheme->hash != SIGNATURE_SM3 &&
           (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "DSA") || EVP_PKEY_is_a(key, "EC"));
}

typedef int start_function(EVP_MD_CTX *context, EVP_PKEY_CTX **key_context, const char *hash,
                           OSSL_LIB_CTX *library, const char *properties, EVP_PKEY *key,
                           const OSSL_PARAM parameters[]);

static bool start(start_function *init, EVP_MD_CTX *context, const struct signature_scheme *scheme)
{
    OSSL_PARAM parameters[2] = {OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end()};
    if (EVP_PKEY_is_a(scheme->key, "SM2")) {
        /* Only read, though the parameter's type does not say so. */
        parameters[0] = OSSL_PARAM_construct_octet_string(
            OSSL_PKEY_PARAM_DIST_ID, (void *)scheme->sm2_id.data, scheme->sm2_id.len);
    }
    /* RSA pads by PKCS #1 v1.5 unless told otherwise. */
    return init(context, NULL, hashes[scheme->hash].library, NULL, NULL, scheme->key, parameters) ==
           1;
}

static enum status sign(EVP_MD_CTX *context, const struct signature_scheme *scheme,
                        struct bytes first, struct bytes second, struct wire_writer *w)
{
    uint8_t signature[SIGNATURE_MAX];
    size_t len = sizeof(signature);
    if (!start(EVP_DigestSignInit_ex, context, scheme) ||
        EVP_DigestSignUpdate(context, first.data, first.len) != 1 ||
        EVP_DigestSignUpdate(context, second.data, second.len) != 1 ||
        EVP_DigestSignFinal(context, signature, &len) != 1) {
        return STATUS_ERROR;
    }
    wire_put_raw(w, bytes_of(signature, len));
    return w->failed ? STATUS_NO_ROOM : STATUS_OK;
}

enum status signature_make(const struct signature_scheme *scheme, struct bytes first,
                           struct bytes second, struct wire_writer *w)
{
    if (!is_usable(scheme)) {
        return STATUS_NOT_SUPPORTED;
    }
    ERR_set_mark();
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    enum status status =
        context == NULL ? STATUS_NO_MEMORY : sign(context, scheme, first, second, w);
    EVP_MD_CTX_free(context);
    ERR_pop_to_mark();
    return status;
}

/* A DER length of at most 255, in its shortest form. */
static size_t der_len(struct wire_reader *r)
{
    uint8_t len = wire_u8(r);
    if (len == DER_LONG_1) {
        len = wire_u8(r);
        r->failed |= len < 0x80;
    } else {
        r->failed |= len >= 0x80;
    }
    return len;
}

/* A positive INTEGER in its shortest form. */
static void der_positive(struct wire_reader *r)
{
    r->failed |= wire_u8(r) != DER_INTEGER;
    struct wire_reader number = wire_read(wire_take(r, der_len(r)));
    size_t len = wire_left(&number);
    uint8_t top = wire_u8(&number);
    bool is_zero_or_padded = top == 0 && (len == 1 || (wire_u8(&number) & 0x80) == 0);
    r->failed |= len == 0 || (top & 0x80) != 0 || is_zero_or_padded;
}

static bool is_strict_der(struct bytes signature)
{
    struct wire_reader r = wire_read(signature);
    r.failed |= wire_u8(&r) != DER_SEQUENCE;
    r.failed |= der_len(&r) != wire_left(&r);
    der_positive(&r);
    der_positive(&r);
    return wire_done(&r);
}

static enum status check(EVP_MD_CTX *context, const struct signature_scheme *scheme,
                         struct bytes first, struct bytes second, struct bytes signature)
{
    bool holds = start(EVP_DigestVerifyInit_ex, context, scheme) &&
                 EVP_DigestVerifyUpdate(context, first.data, first.len) == 1 &&
                 EVP_DigestVerifyUpdate(context, second.data, second.len) == 1 &&
                 EVP_DigestVerifyFinal(context, signature.data, signature.len) == 1;
    return holds ? STATUS_OK : STATUS_AUTHENTICATION_FAILED;
}

enum status signature_check(const struct signature_scheme *scheme, struct bytes first,
                            struct bytes second, struct bytes signature)
{
    if (!is_usable(scheme) || signature.len == 0 || signature.len > SIGNATURE_MAX ||
        (is_der(scheme->key) && !is_strict_der(signature))) {
        return STATUS_AUTHENTICATION_FAILED;
    }
    ERR_set_mark();
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    enum status status =
        context == NULL ? STATUS_NO_MEMORY : check(context, scheme, first, second, signature);
    EVP_MD_CTX_free(context);
    ERR_pop_to_mark();
    return status;
}

/* SM3(nonce ‖ digest): what SM2 answers sign in the place of nonce ‖ digest. */
static bool sm3_of_challenge(const struct signature_challenge *challenge, uint8_t out[SM3_LEN])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_computed =
        context != NULL && EVP_DigestInit_ex(context, EVP_sm3(), NULL) == 1 &&
        EVP_DigestUpdate(context, challenge->nonce.data, challenge->nonce.len) == 1 &&
        EVP_DigestUpdate(context, challenge->digest.data, challenge->digest.len) == 1 &&
        EVP_DigestFinal_ex(context, out, NULL) == 1;
    EVP_MD_CTX_free(context);
    return is_computed;
}

/* Both runs to be signed; `room` holds the first when it has to be computed. */
static enum status challenge_runs(const EVP_PKEY *key, const struct signature_challenge *challenge,
                                  uint8_t room[SM3_LEN], struct bytes out_runs[2])
{
    if (!EVP_PKEY_is_a(key, "SM2")) {
        out_runs[0] = challenge->nonce;
        out_runs[1] = challenge->digest;
        return STATUS_OK;
    }
    ERR_set_mark();
    bool is_computed = sm3_of_challenge(challenge, room);
    ERR_pop_to_mark();
    out_runs[0] = bytes_of(room, SM3_LEN);
    out_runs[1] = BYTES_NONE;
    return is_computed ? STATUS_OK : STATUS_ERROR;
}

enum status signature_answer_make(EVP_PKEY *key, struct message_version version,
                                  const struct signature_challenge *challenge,
                                  struct wire_writer *w)
{
    struct signature_scheme scheme = {key, signature_hash_for(key, version),
                                      challenge->user_handle};
    uint8_t room[SM3_LEN];
    struct bytes runs[2];
    enum status status = challenge_runs(key, challenge, room, runs);
    if (status != STATUS_OK) {
        return status;
    }
    wire_put_bytes(w, signature_hash_name(scheme.hash));
    uint8_t *length = wire_open_length(w);
    status = signature_make(&scheme, runs[0], runs[1], w);
    wire_fill_length(w, length);
    return status;
}

enum status signature_answer_check(EVP_PKEY *key, const struct signature_challenge *challenge,
                                   struct bytes signed_response)
{
    struct body_signature answer;
    struct signature_scheme scheme = {.key = key, .sm2_id = challenge->user_handle};
    if (body_signature_decode(signed_response, &answer) != STATUS_OK ||
        !signature_hash_parse(answer.algorithm, &scheme.hash)) {
        return STATUS_AUTHENTICATION_FAILED;
    }
    uint8_t room[SM3_LEN];
    struct bytes runs[2];
    enum status status = challenge_runs(key, challenge, room, runs);
    return status == STATUS_OK ? signature_check(&scheme, runs[0], runs[1], answer.signature)
                               : status;
}

size_t signature_prefix(const struct envelope *envelope, uint32_t counter,
                        uint8_t out[SIGNATURE_PREFIX_MAX])
{
    struct wire_writer w = wire_write(out, SIGNATURE_PREFIX_MAX);
    /* A peer that suggests nothing is taken to suggest its own version (compat.md 1.1). */
    struct message_version suggested =
        envelope->suggested.major == 0 ? envelope->version : envelope->suggested;
    wire_put_u8(&w, envelope->version.major);
    wire_put_u8(&w, envelope->version.minor);
    if (message_version_compare(envelope->version, since_2_8) >= 0) {
        wire_put_u8(&w, suggested.major);
        wire_put_u8(&w, suggested.minor);
    }
    wire_put_u32(&w, envelope->session_id);
    wire_put_u32(&w, envelope->request_id);
    wire_put_u32(&w, counter);
    return wire_wrote(&w).len;
}

/* NOT_SUPPORTED for what has no signed form we would touch. */
static enum status message_prefix(const EVP_PKEY *key, const struct envelope *envelope,
                                  uint32_t counter, uint8_t room[SIGNATURE_PREFIX_MAX],
                                  struct bytes *out_prefix)
{
    bool is_bare = message_version_compare(envelope->version, since_2_6) < 0;
    bool is_defective = !is_bare && message_version_compare(envelope->version, since_2_7) < 0;
    if (is_defective || EVP_PKEY_is_a(key, "SM2")) {
        return STATUS_NOT_SUPPORTED;
    }
    *out_prefix = bytes_of(room, is_bare ? 0 : signature_prefix(envelope, counter, room));
    return STATUS_OK;
}

enum status signature_message_make(EVP_PKEY *key, const struct envelope *envelope, uint32_t counter,
                                   struct bytes digested, struct wire_writer *w,
                                   struct credential *out_credential)
{
    struct signature_scheme scheme = {.key = key,
                                      .hash = signature_hash_for(key, envelope->version)};
    uint8_t room[SIGNATURE_PREFIX_MAX];
    struct bytes prefix;
    enum status status = message_prefix(key, envelope, counter, room, &prefix);
    const uint8_t *start_of_signature = w->at;
    status = status == STATUS_OK ? signature_make(&scheme, prefix, digested, w) : status;
    if (status != STATUS_OK) {
        return status;
    }
    *out_credential = (struct credential){
        .is_present = true,
        .counter = counter,
        .type = BYTES_LITERAL(SIGNATURE_NAME_HS_SIGNED),
        .algorithm = signature_hash_name(scheme.hash),
        .signature = bytes_of(start_of_signature, (size_t)(w->at - start_of_signature)),
    };
    return STATUS_OK;
}

enum status signature_message_check(EVP_PKEY *key, const struct message *message)
{
    const struct credential *credential = &message->credential;
    struct signature_scheme scheme = {.key = key};
    uint8_t room[SIGNATURE_PREFIX_MAX];
    struct bytes prefix;
    if (!credential->is_present ||
        !bytes_equal(credential->type, BYTES_LITERAL(SIGNATURE_NAME_HS_SIGNED))) {
        return STATUS_INVALID_CREDENTIAL;
    }
    enum status status =
        message_prefix(key, &message->envelope, credential->counter, room, &prefix);
    if (status != STATUS_OK) {
        return status;
    }
    if (!signature_hash_parse(credential->algorithm, &scheme.hash)) {
        return STATUS_AUTHENTICATION_FAILED;
    }
    return signature_check(&scheme, prefix, message->digested, credential->signature);
}
