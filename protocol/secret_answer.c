/* SPDX-License-Identifier: Apache-2.0
 *
 * Digests around a secret, HMAC and PBKDF2. See secret_answer.h.
 */
#include "protocol/secret_answer.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include "protocol/body.h"

#define MAC_MAX 32
#define SHA1_LEN 20

struct mac {
    uint8_t data[MAC_MAX];
    size_t len;
};

static const struct form_row {
    const char *digest;
    enum { FAMILY_NONE, FAMILY_SANDWICH, FAMILY_HMAC, FAMILY_PBKDF2 } family;
} forms[] = {
    [SECRET_MD5_BARE] = {"MD5", FAMILY_SANDWICH}, [SECRET_MD5] = {"MD5", FAMILY_SANDWICH},
    [SECRET_SHA1] = {"SHA1", FAMILY_SANDWICH},    [SECRET_SHA256] = {"SHA256", FAMILY_SANDWICH},
    [SECRET_HMAC_SHA1] = {"SHA1", FAMILY_HMAC},   [SECRET_HMAC_SHA256] = {"SHA256", FAMILY_HMAC},
    [SECRET_PBKDF2] = {"SHA1", FAMILY_PBKDF2},
};

static const struct message_version since_2_1 = {2, 1};
static const struct message_version since_2_7 = {2, 7};

enum secret_form secret_answer_form(struct message_version version)
{
    if (message_version_compare(version, since_2_7) >= 0) {
        return SECRET_PBKDF2;
    }
    return message_version_compare(version, since_2_1) >= 0 ? SECRET_SHA1 : SECRET_MD5_BARE;
}

static bool is_form(uint32_t form)
{
    return form < sizeof(forms) / sizeof(forms[0]) && forms[form].family != FAMILY_NONE;
}

static bool sandwich(const char *digest, struct bytes secret,
                     const struct secret_challenge *challenge, struct mac *out_mac)
{
    EVP_MD *algorithm = EVP_MD_fetch(NULL, digest, NULL);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned int len = 0;
    bool is_computed =
        algorithm != NULL && context != NULL && EVP_DigestInit_ex(context, algorithm, NULL) == 1 &&
        EVP_DigestUpdate(context, secret.data, secret.len) == 1 &&
        EVP_DigestUpdate(context, challenge->nonce.data, challenge->nonce.len) == 1 &&
        EVP_DigestUpdate(context, challenge->digest.data, challenge->digest.len) == 1 &&
        EVP_DigestUpdate(context, secret.data, secret.len) == 1 &&
        EVP_DigestFinal_ex(context, out_mac->data, &len) == 1;
    out_mac->len = len;
    EVP_MD_CTX_free(context);
    EVP_MD_free(algorithm);
    return is_computed;
}

static bool hmac(const char *digest, struct bytes key, const struct secret_challenge *challenge,
                 struct mac *out_mac)
{
    const OSSL_PARAM parameters[] = {
        /* Only read, though the parameter's type does not say so. */
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = algorithm == NULL ? NULL : EVP_MAC_CTX_new(algorithm);
    bool is_computed =
        context != NULL && EVP_MAC_init(context, key.data, key.len, parameters) == 1 &&
        EVP_MAC_update(context, challenge->nonce.data, challenge->nonce.len) == 1 &&
        EVP_MAC_update(context, challenge->digest.data, challenge->digest.len) == 1 &&
        EVP_MAC_final(context, out_mac->data, &out_mac->len, sizeof(out_mac->data)) == 1;
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(algorithm);
    return is_computed;
}

/* `asked` has been judged. */
static bool derive(struct bytes password, const struct body_mac *asked, uint8_t *out_key)
{
    unsigned int iterations = asked->iterations;
    int no_minimum_checks = 1; /* of iterations and salt, by SP 800-132; the peer chose them */
    char digest[] = "SHA1";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, (void *)password.data,
                                          password.len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)asked->salt.data,
                                          asked->salt.len),
        OSSL_PARAM_construct_uint(OSSL_KDF_PARAM_ITER, &iterations),
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_PKCS5, &no_minimum_checks),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF *algorithm = EVP_KDF_fetch(NULL, "PBKDF2", NULL);
    EVP_KDF_CTX *context = algorithm == NULL ? NULL : EVP_KDF_CTX_new(algorithm);
    bool is_derived =
        context != NULL && EVP_KDF_derive(context, out_key, asked->key_bits / 8, parameters) == 1;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(algorithm);
    return is_derived;
}

static bool pbkdf2(struct bytes password, const struct secret_challenge *challenge,
                   const struct body_mac *asked, struct mac *out_mac)
{
    uint8_t key[SECRET_ANSWER_KEY_BITS_MAX / 8];
    bool is_computed =
        derive(password, asked, key) &&
        hmac(forms[SECRET_PBKDF2].digest, bytes_of(key, asked->key_bits / 8), challenge, out_mac);
    OPENSSL_cleanse(key, sizeof(key));
    return is_computed;
}

static bool is_ascii(struct bytes secret)
{
    uint8_t all = 0;
    for (size_t i = 0; i < secret.len; i++) {
        all |= secret.data[i];
    }
    return all < 0x80;
}

/* The secret read as ISO-8859-1 and written as UTF-8; freed by OPENSSL_clear_free. */
static uint8_t *utf8_of(struct bytes secret, size_t *out_size)
{
    size_t size = secret.len * 2;
    uint8_t *text = OPENSSL_malloc(size);
    if (text == NULL) {
        return NULL;
    }
    struct wire_writer w = wire_write(text, size);
    for (size_t i = 0; i < secret.len; i++) {
        uint8_t c = secret.data[i];
        if (c < 0x80) {
            wire_put_u8(&w, c);
        } else {
            wire_put_u8(&w, (uint8_t)(0xc0 | c >> 6));
            wire_put_u8(&w, (uint8_t)(0x80 | (c & 0x3f)));
        }
    }
    *out_size = wire_wrote(&w).len;
    return text;
}

static bool pbkdf2_utf8(struct bytes secret, const struct secret_challenge *challenge,
                        const struct body_mac *asked, struct mac *out_mac)
{
    size_t len = 0;
    uint8_t *text = utf8_of(secret, &len);
    bool is_computed = text != NULL && pbkdf2(bytes_of(text, len), challenge, asked, out_mac);
    OPENSSL_clear_free(text, secret.len * 2);
    return is_computed;
}

/* `asked` has been judged; `as_utf8` matters for PBKDF2 only. */
static enum status compute(struct bytes secret, const struct secret_challenge *challenge,
                           const struct body_mac *asked, bool as_utf8, struct mac *out_mac)
{
    const struct form_row *row = &forms[asked->form];
    bool is_computed = false;
    ERR_set_mark();
    if (row->family == FAMILY_SANDWICH) {
        is_computed = sandwich(row->digest, secret, challenge, out_mac);
    } else if (row->family == FAMILY_HMAC) {
        is_computed = hmac(row->digest, secret, challenge, out_mac);
    } else if (as_utf8) {
        is_computed = pbkdf2_utf8(secret, challenge, asked, out_mac);
    } else {
        is_computed = pbkdf2(secret, challenge, asked, out_mac);
    }
    ERR_pop_to_mark();
    return is_computed ? STATUS_OK : STATUS_ERROR;
}

enum status secret_answer_make(enum secret_form form, struct bytes secret,
                               const struct secret_challenge *challenge,
                               const uint8_t salt[SECRET_ANSWER_SALT_LEN], struct wire_writer *w)
{
    struct mac mac;
    struct body_mac answer = {.form = (uint8_t)form};
    if (!is_form(form) || secret.len == 0) {
        return STATUS_ERROR;
    }
    if (form == SECRET_PBKDF2) {
        answer.salt = bytes_of(salt, SECRET_ANSWER_SALT_LEN);
        answer.iterations = SECRET_ANSWER_ITERATIONS;
        answer.key_bits = SECRET_ANSWER_KEY_BITS;
    }
    enum status status = compute(secret, challenge, &answer, true, &mac);
    if (status != STATUS_OK) {
        return status;
    }
    answer.mac = bytes_of(mac.data, mac.len);
    body_mac_encode(w, &answer);
    return w->failed ? STATUS_NO_ROOM : STATUS_OK;
}

static bool is_within_bounds(const struct body_mac *answer)
{
    if (answer->form != SECRET_PBKDF2) {
        return true;
    }
    return answer->mac.len == SHA1_LEN && answer->salt.len > 0 &&
           answer->salt.len <= SECRET_ANSWER_SALT_MAX && answer->iterations > 0 &&
           answer->iterations <= SECRET_ANSWER_ITERATIONS_MAX &&
           answer->key_bits >= SECRET_ANSWER_KEY_BITS_MIN &&
           answer->key_bits <= SECRET_ANSWER_KEY_BITS_MAX && answer->key_bits % 8 == 0;
}

static enum status compare(struct bytes secret, const struct secret_challenge *challenge,
                           const struct body_mac *answer, bool as_utf8)
{
    struct mac mac;
    enum status status = compute(secret, challenge, answer, as_utf8, &mac);
    if (status == STATUS_OK &&
        (answer->mac.len != mac.len || CRYPTO_memcmp(answer->mac.data, mac.data, mac.len) != 0)) {
        status = STATUS_AUTHENTICATION_FAILED;
    }
    OPENSSL_cleanse(&mac, sizeof(mac));
    return status;
}

enum status secret_answer_check(struct bytes secret, const struct secret_challenge *challenge,
                                struct bytes signed_response)
{
    struct body_mac answer;
    if (secret.len == 0 || signed_response.len > SECRET_ANSWER_MAX ||
        body_mac_decode(signed_response, &answer) != STATUS_OK || !is_form(answer.form) ||
        !is_within_bounds(&answer)) {
        return STATUS_AUTHENTICATION_FAILED;
    }
    enum status status = compare(secret, challenge, &answer, false);
    bool has_other_form = answer.form == SECRET_PBKDF2 && !is_ascii(secret);
    if (status == STATUS_AUTHENTICATION_FAILED && has_other_form) {
        status = compare(secret, challenge, &answer, true);
    }
    return status;
}
