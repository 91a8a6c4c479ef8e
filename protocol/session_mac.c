/* SPDX-License-Identifier: Apache-2.0
 *
 * HMAC-SHA256 from version 2.7 on, SHA1(key ‖ data ‖ key) below 2.5.
 */
#include "protocol/session_mac.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "protocol/digest.h"
#include "protocol/signature.h"

#define SHA1_LEN 20
#define SHA256_LEN 32
#define HMAC_NAME "HMAC-SHA256"

static const struct message_version since_2_5 = {2, 5};
static const struct message_version since_2_7 = {2, 7};

enum form {
    FORM_SANDWICH, /* below 2.5 */
    FORM_REFUSED,  /* 2.5, 2.6 */
    FORM_HMAC,     /* from 2.7 on */
};

static enum form form_of(struct message_version version)
{
    if (message_version_compare(version, since_2_7) >= 0) {
        return FORM_HMAC;
    }
    return message_version_compare(version, since_2_5) >= 0 ? FORM_REFUSED : FORM_SANDWICH;
}

static enum status sandwich(struct bytes key, struct bytes data, uint8_t out[SESSION_MAC_MAX])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_computed = context != NULL && EVP_DigestInit_ex(context, EVP_sha1(), NULL) == 1 &&
                       EVP_DigestUpdate(context, key.data, key.len) == 1 &&
                       EVP_DigestUpdate(context, data.data, data.len) == 1 &&
                       EVP_DigestUpdate(context, key.data, key.len) == 1 &&
                       EVP_DigestFinal_ex(context, out, NULL) == 1;
    EVP_MD_CTX_free(context);
    return is_computed ? STATUS_OK : STATUS_ERROR;
}

static enum status compute(struct bytes key, const struct envelope *envelope, uint32_t counter,
                           struct bytes digested, uint8_t out[SESSION_MAC_MAX])
{
    uint8_t prefix[SIGNATURE_PREFIX_MAX];
    enum status status = STATUS_ERROR;
    ERR_set_mark();
    if (form_of(envelope->version) == FORM_HMAC) {
        size_t prefix_len = signature_prefix(envelope, counter, prefix);
        const struct bytes runs[] = {bytes_of(prefix, prefix_len), digested};
        status = digest_hmac_sha256(key, runs, 2, out);
    } else {
        status = sandwich(key, digested, out);
    }
    ERR_pop_to_mark();
    return status;
}

static size_t mac_len(enum form form)
{
    return form == FORM_HMAC ? SHA256_LEN : SHA1_LEN;
}

enum status session_mac_make(struct bytes key, const struct envelope *envelope, uint32_t counter,
                             struct bytes digested, uint8_t room[SESSION_MAC_MAX],
                             struct credential *out_credential)
{
    enum form form = form_of(envelope->version);
    if (form == FORM_REFUSED) {
        return STATUS_NOT_SUPPORTED;
    }
    if (key.len < SESSION_MAC_KEY_MIN) {
        return STATUS_INVALID_SESSION_KEY;
    }
    enum status status = compute(key, envelope, counter, digested, room);
    if (status != STATUS_OK) {
        return status;
    }
    *out_credential = (struct credential){
        .is_present = true,
        .counter = counter,
        .type = BYTES_LITERAL(SESSION_MAC_NAME_HS_MAC),
        .algorithm = form == FORM_HMAC ? BYTES_LITERAL(HMAC_NAME) : BYTES_LITERAL("\x02"),
        .signature = bytes_of(room, mac_len(form)),
    };
    return STATUS_OK;
}

/* One byte is never the name of the HMAC. */
static bool is_name_of(enum form form, struct bytes name)
{
    enum signature_hash hash = SIGNATURE_SM3;
    return form == FORM_HMAC ? signature_name_is(name, "HMACSHA256")
                             : signature_hash_parse(name, &hash) && hash == SIGNATURE_SHA1;
}

enum status session_mac_check(struct bytes key, struct message_version session_version,
                              const struct message *message)
{
    const struct credential *credential = &message->credential;
    enum form form = form_of(message->envelope.version);
    uint8_t mac[SESSION_MAC_MAX];
    if (!credential->is_present ||
        !bytes_equal(credential->type, BYTES_LITERAL(SESSION_MAC_NAME_HS_MAC))) {
        return STATUS_INVALID_CREDENTIAL;
    }
    if (form_of(session_version) == FORM_HMAC && form != FORM_HMAC) {
        return STATUS_INVALID_SESSION_KEY;
    }
    if (form == FORM_REFUSED) {
        return STATUS_NOT_SUPPORTED;
    }
    if (key.len < SESSION_MAC_KEY_MIN || !is_name_of(form, credential->algorithm) ||
        credential->signature.len != mac_len(form)) {
        return STATUS_INVALID_SESSION_KEY;
    }
    enum status status =
        compute(key, &message->envelope, credential->counter, message->digested, mac);
    if (status == STATUS_OK && CRYPTO_memcmp(mac, credential->signature.data, mac_len(form)) != 0) {
        status = STATUS_INVALID_SESSION_KEY;
    }
    OPENSSL_cleanse(mac, sizeof(mac));
    return status;
}
