/* SPDX-License-Identifier: Apache-2.0
 *
 * Sealing and opening key files with OpenSSL's CMS (backup_keys.h).
 */
#include "admin/backup_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "protocol/digest.h"

#define KEY_BITS 3072u
#define VALID_SECONDS (20L * 366 * 24 * 3600)
#define SERIAL_LEN 16

struct backup_recipient {
    X509 *certificate;
    bool is_bare; /* made here around a bare public key, named by key identifier */
};

struct backup_opener {
    EVP_PKEY *key;
};

/* What OpenSSL says was wrong; its queue is empty afterwards. */
static const char *because(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return reason == NULL ? "unknown reason" : reason;
}

/* SHA-256 of the SubjectPublicKeyInfo. */
static enum status public_id(EVP_PKEY *key, uint8_t out[BACKUP_DIGEST_LEN])
{
    uint8_t *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    if (len <= 0) {
        ERR_clear_error();
        return STATUS_NOT_SUPPORTED;
    }
    const struct bytes run = bytes_of(der, (size_t)len);
    enum status status = digest_sha256(&run, 1, out);
    OPENSSL_free(der);
    return status;
}

/* --- certificates ----------------------------------------------------------------------------- */

static bool add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool is_added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return is_added;
}

static bool set_serial(X509 *certificate)
{
    uint8_t serial[SERIAL_LEN];
    if (RAND_bytes(serial, sizeof(serial)) != 1) {
        return false;
    }
    serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40); /* positive, and of full length */
    BIGNUM *number = BN_bin2bn(serial, sizeof(serial), NULL);
    bool is_set =
        number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return is_set;
}

/* `public` made out to `name`, signed by `signer`. NULL when OpenSSL refuses. */
static X509 *make_certificate(EVP_PKEY *public, EVP_PKEY *signer, const char *name)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = certificate == NULL ? NULL : X509_get_subject_name(certificate);
    bool is_made =
        certificate != NULL && X509_set_version(certificate, 2) == 1 && set_serial(certificate) &&
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
                                   -1, 0) == 1 &&
        X509_set_issuer_name(certificate, subject) == 1 &&
        X509_gmtime_adj(X509_getm_notBefore(certificate), 0) != NULL &&
        X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_SECONDS) != NULL &&
        X509_set_pubkey(certificate, public) == 1 &&
        add_extension(certificate, NID_subject_key_identifier, "hash") &&
        add_extension(certificate, NID_key_usage, "critical,keyEncipherment,keyAgreement") &&
        X509_sign(certificate, signer, EVP_sha256()) > 0;
    if (!is_made) {
        X509_free(certificate);
        return NULL;
    }
    return certificate;
}

/* CMS wants a certificate: one signed by a key of the moment, which nobody asks for. */
static X509 *wrap_public_key(EVP_PKEY *public)
{
    EVP_PKEY *signer = EVP_EC_gen("P-256");
    X509 *certificate = signer == NULL ? NULL : make_certificate(public, signer, "bare public key");
    EVP_PKEY_free(signer);
    return certificate;
}

/* --- recipients ------------------------------------------------------------------------------- */

enum status backup_recipient_load(const char *path, struct backup_recipient **out_recipient,
                                  struct fault *fault)
{
    FILE *in = fopen(path, "re");
    if (in == NULL) {
        return fault_set(fault, STATUS_SYSTEM, "%s: %s", path, strerror(errno));
    }
    struct backup_recipient recipient = {PEM_read_X509(in, NULL, NULL, NULL), false};
    if (recipient.certificate == NULL) {
        rewind(in);
        EVP_PKEY *public = PEM_read_PUBKEY(in, NULL, NULL, NULL);
        recipient.certificate = public == NULL ? NULL : wrap_public_key(public);
        recipient.is_bare = true;
        EVP_PKEY_free(public);
    }
    (void)fclose(in);
    ERR_clear_error();
    struct backup_recipient *kept = malloc(sizeof(*kept));
    if (recipient.certificate == NULL || kept == NULL) {
        X509_free(recipient.certificate);
        free(kept);
        return fault_set(fault, STATUS_BAD_SYNTAX,
                         "%s holds neither a certificate nor a public key in PEM", path);
    }
    *kept = recipient;
    *out_recipient = kept;
    return STATUS_OK;
}

void backup_recipient_free(struct backup_recipient *recipient)
{
    if (recipient != NULL) {
        X509_free(recipient->certificate);
        free(recipient);
    }
}

enum status backup_recipient_tell(const struct backup_recipient *recipient,
                                  struct backup_manifest *manifest)
{
    (void)X509_NAME_oneline(X509_get_subject_name(recipient->certificate), manifest->recipient,
                            (int)sizeof(manifest->recipient));
    manifest->has_keys = true;
    return public_id(X509_get0_pubkey(recipient->certificate), manifest->recipient_id);
}

static enum status take_der(CMS_ContentInfo *cms, struct arena *arena, struct bytes *out)
{
    uint8_t *der = NULL;
    int len = i2d_CMS_ContentInfo(cms, &der);
    struct bytes copy = len > 0 ? arena_copy(arena, bytes_of(der, (size_t)len)) : BYTES_NONE;
    OPENSSL_free(der);
    if (copy.data == NULL) {
        return STATUS_NO_MEMORY;
    }
    *out = copy;
    return STATUS_OK;
}

enum status backup_recipient_seal(const struct backup_recipient *recipient, struct arena *arena,
                                  struct bytes secret, struct bytes *out_sealed,
                                  struct fault *fault)
{
    unsigned flags = CMS_BINARY | CMS_PARTIAL;
    BIO *in = BIO_new_mem_buf(secret.data, (int)secret.len);
    CMS_ContentInfo *cms = CMS_encrypt(NULL, NULL, EVP_aes_256_cbc(), flags);
    bool is_sealed = in != NULL && cms != NULL &&
                     CMS_add1_recipient_cert(cms, recipient->certificate,
                                             recipient->is_bare ? CMS_USE_KEYID : 0) != NULL &&
                     CMS_final(cms, in, NULL, flags) == 1;
    enum status status =
        is_sealed ? take_der(cms, arena, out_sealed)
                  : fault_set(fault, STATUS_NOT_SUPPORTED,
                              "OpenSSL cannot encrypt to this recipient (%s)", because());
    CMS_ContentInfo_free(cms);
    BIO_free(in);
    return status;
}

/* --- a new recipient -------------------------------------------------------------------------- */

static FILE *create(const char *path, mode_t mode, struct fault *fault)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (out == NULL) {
        (void)fault_set(fault, STATUS_SYSTEM, "%s: %s", path, strerror(errno));
        if (fd >= 0) {
            (void)close(fd);
        }
    }
    return out;
}

static enum status settle(FILE *out, bool is_written, const char *path, struct fault *fault)
{
    bool is_safe = is_written && fflush(out) == 0 && fsync(fileno(out)) == 0;
    bool is_closed = fclose(out) == 0;
    if (is_safe && is_closed) {
        return STATUS_OK;
    }
    (void)unlink(path);
    return fault_set(fault, STATUS_SYSTEM, "%s cannot be written: %s", path, strerror(errno));
}

static enum status write_pair(const char *key_path, const char *certificate_path, EVP_PKEY *key,
                              X509 *certificate, struct fault *fault)
{
    FILE *out = create(key_path, 0600, fault);
    if (out == NULL) {
        return STATUS_SYSTEM;
    }
    enum status status = settle(
        out, PEM_write_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1, key_path, fault);
    if (status != STATUS_OK) {
        return status;
    }
    out = create(certificate_path, 0644, fault);
    status = out == NULL
                 ? STATUS_SYSTEM
                 : settle(out, PEM_write_X509(out, certificate) == 1, certificate_path, fault);
    if (status != STATUS_OK) {
        (void)unlink(key_path);
    }
    return status;
}

enum status backup_recipient_make(const char *key_path, const char *certificate_path,
                                  const char *name, struct fault *fault)
{
    EVP_PKEY *key = EVP_RSA_gen(KEY_BITS);
    X509 *certificate = key == NULL ? NULL : make_certificate(key, key, name);
    enum status status =
        certificate == NULL
            ? fault_set(fault, STATUS_SYSTEM, "OpenSSL cannot make the key (%s)", because())
            : write_pair(key_path, certificate_path, key, certificate, fault);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return status;
}

/* --- opening ---------------------------------------------------------------------------------- */

enum status backup_opener_load(const char *path, struct backup_opener **out_opener,
                               struct fault *fault)
{
    FILE *in = fopen(path, "re");
    if (in == NULL) {
        return fault_set(fault, STATUS_SYSTEM, "%s: %s", path, strerror(errno));
    }
    EVP_PKEY *key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
    (void)fclose(in);
    struct backup_opener *opener = malloc(sizeof(*opener));
    if (key == NULL || opener == NULL) {
        EVP_PKEY_free(key);
        free(opener);
        return fault_set(fault, STATUS_BAD_SYNTAX, "%s holds no private key in PEM (%s)", path,
                         because());
    }
    opener->key = key;
    *out_opener = opener;
    return STATUS_OK;
}

void backup_opener_free(struct backup_opener *opener)
{
    if (opener != NULL) {
        EVP_PKEY_free(opener->key);
        free(opener);
    }
}

enum status backup_opener_check(const struct backup_opener *opener,
                                const struct backup_manifest *manifest, struct fault *fault)
{
    uint8_t id[BACKUP_DIGEST_LEN];
    if (!manifest->has_keys) {
        return fault_set(fault, STATUS_NOT_FOUND, "the backup was made without keys");
    }
    enum status status = public_id(opener->key, id);
    if (status == STATUS_OK && memcmp(id, manifest->recipient_id, sizeof(id)) != 0) {
        status =
            fault_set(fault, STATUS_ACCESS_DENIED,
                      "another private key: the keys are encrypted to %s", manifest->recipient);
    }
    return status;
}

enum status backup_opener_open(const struct backup_opener *opener, struct arena *arena,
                               struct bytes sealed, struct bytes *out_secret, struct fault *fault)
{
    BIO *in = BIO_new_mem_buf(sealed.data, (int)sealed.len);
    CMS_ContentInfo *cms = in == NULL ? NULL : d2i_CMS_bio(in, NULL);
    BIO *out = BIO_new(BIO_s_secmem());
    bool is_open = cms != NULL && out != NULL &&
                   CMS_decrypt(cms, opener->key, NULL, NULL, out, CMS_BINARY) == 1;
    char *secret = NULL;
    long len = is_open ? BIO_get_mem_data(out, &secret) : 0;
    struct bytes copy = len > 0 ? arena_copy(arena, bytes_of(secret, (size_t)len)) : BYTES_NONE;
    BIO_free(out);
    CMS_ContentInfo_free(cms);
    BIO_free(in);
    if (copy.data == NULL) {
        return fault_set(fault, STATUS_CORRUPT, "a sealed key cannot be opened (%s)", because());
    }
    *out_secret = copy;
    return STATUS_OK;
}
