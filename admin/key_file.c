/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading and writing key files (key_file.h). What PEM and DER hold is OpenSSL's to find out.
 */
#include "admin/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/decoder.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "protocol/pubkey.h"
#include "protocol/pubkey_container.h"
#include "resolver/tls.h"

#define RECORD_MAX 8192

/* --- reading ---------------------------------------------------------------------------------- */

/* All of a file, in the arena; the stdio buffer is not used, so that nothing stays in it. */
static enum status read_all(struct arena *arena, const char *path, struct bytes *out_data,
                            struct fault *fault)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t *room = arena_alloc(arena, KEY_FILE_MAX + 1);
    if (file < 0 || room == NULL) {
        enum status status = file < 0 ? STATUS_SYSTEM : STATUS_NO_MEMORY;
        (void)fault_set(fault, status, "%s: %s", path, strerror(file < 0 ? errno : ENOMEM));
        if (file >= 0) {
            (void)close(file);
        }
        return status;
    }
    size_t len = 0;
    ssize_t got = 1;
    while (got > 0 && len <= KEY_FILE_MAX) {
        got = read(file, room + len, KEY_FILE_MAX + 1 - len);
        len += got > 0 ? (size_t)got : 0;
    }
    int failed = got < 0 ? errno : 0;
    (void)close(file);
    if (failed != 0) {
        return fault_set(fault, STATUS_SYSTEM, "%s: %s", path, strerror(failed));
    }
    if (len == 0 || len > KEY_FILE_MAX) {
        return fault_set(fault, STATUS_INVALID_VALUE, "%s is %s", path,
                         len == 0 ? "empty" : "longer than a key can be");
    }
    *out_data = bytes_of(room, len);
    return STATUS_OK;
}

struct asked {
    const struct key_pass_phrase *pass_phrase;
    bool was_asked;
};

static int on_pass_phrase(char *room, size_t size, size_t *out_len, const OSSL_PARAM params[],
                          void *context)
{
    (void)params;
    struct asked *asked = context;
    asked->was_asked = true;
    if (asked->pass_phrase->len == 0 || asked->pass_phrase->len > size) {
        return 0;
    }
    memcpy(room, asked->pass_phrase->text, asked->pass_phrase->len);
    *out_len = asked->pass_phrase->len;
    return 1;
}

/* Private or public, PEM or DER. */
static EVP_PKEY *decode_any(struct bytes data, int selection, struct asked *asked)
{
    EVP_PKEY *key = NULL;
    const unsigned char *at = data.data;
    size_t left = data.len;
    OSSL_DECODER_CTX *decoder =
        OSSL_DECODER_CTX_new_for_pkey(&key, NULL, NULL, NULL, selection, NULL, NULL);
    if (decoder != NULL) {
        (void)OSSL_DECODER_CTX_set_passphrase_cb(decoder, on_pass_phrase, asked);
        (void)OSSL_DECODER_from_data(decoder, &at, &left);
    }
    OSSL_DECODER_CTX_free(decoder);
    return key;
}

static EVP_PKEY *decode_certificate(struct bytes data)
{
    BIO *bio = BIO_new_mem_buf(data.data, (int)data.len);
    X509 *certificate = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    EVP_PKEY *key = certificate == NULL ? NULL : X509_get_pubkey(certificate);
    X509_free(certificate);
    BIO_free(bio);
    return key;
}

static enum status read_openssl(struct bytes data, const struct key_pass_phrase *pass_phrase,
                                struct key_file *out_file)
{
    struct asked asked = {pass_phrase, false};
    bool is_pem = memmem(data.data, data.len, "-----BEGIN", 10) != NULL;
    out_file->form = is_pem ? "PEM" : "DER";
    out_file->is_private = true;
    out_file->key = decode_any(data, EVP_PKEY_KEYPAIR, &asked);
    if (out_file->key == NULL && asked.was_asked) {
        return pass_phrase->len == 0 ? STATUS_AUTHENTICATION_NEEDED : STATUS_AUTHENTICATION_FAILED;
    }
    if (out_file->key == NULL) {
        out_file->is_private = false;
        out_file->key = decode_any(data, EVP_PKEY_PUBLIC_KEY, &asked);
    }
    if (out_file->key == NULL && is_pem) {
        out_file->form = "certificate";
        out_file->key = decode_certificate(data);
    }
    return out_file->key == NULL ? STATUS_INVALID_VALUE : STATUS_OK;
}

static enum status read_container(struct bytes data, const struct key_pass_phrase *pass_phrase,
                                  struct key_file *out_file)
{
    uint8_t record[KEY_FILE_MAX];
    struct wire_writer w = wire_write(record, sizeof(record));
    out_file->form = "reference container";
    out_file->is_private = true;
    if (pass_phrase->len == 0 && pubkey_container_is_sealed(data)) {
        return STATUS_AUTHENTICATION_NEEDED;
    }
    enum status status =
        pubkey_container_open(data, bytes_of(pass_phrase->text, pass_phrase->len), &w);
    if (status == STATUS_OK) {
        status = pubkey_private_to_evp(wire_wrote(&w), &out_file->key);
    }
    OPENSSL_cleanse(record, sizeof(record));
    return status;
}

/* The HS_PUBKEY record of whatever was read. */
static enum status fill_record(struct arena *arena, struct key_file *file)
{
    uint8_t room[RECORD_MAX];
    struct wire_writer w = wire_write(room, sizeof(room));
    enum status status = pubkey_from_evp(file->key, &w);
    if (status == STATUS_OK) {
        file->record = arena_copy(arena, wire_wrote(&w));
        status = file->record.data == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    }
    return status;
}

static enum status read_record(struct bytes data, const struct pubkey *record,
                               struct key_file *out_file)
{
    out_file->form = "reference record";
    out_file->is_private = false;
    out_file->record = data;
    return pubkey_to_evp(record, &out_file->key);
}

static enum status say_why(enum status status, const char *path, struct fault *fault)
{
    switch (status) {
    case STATUS_AUTHENTICATION_NEEDED:
        return fault_set(fault, status, "%s is sealed with a pass phrase", path);
    case STATUS_AUTHENTICATION_FAILED:
        return fault_set(fault, status, "the pass phrase does not open %s", path);
    case STATUS_NOT_SUPPORTED:
        return fault_set(fault, status, "%s holds a kind of key that Handle records do not have",
                         path);
    default:
        return fault_set(fault, status, "%s holds no key", path);
    }
}

enum status key_file_read(struct arena *arena, const char *path,
                          const struct key_pass_phrase *pass_phrase, struct key_file *out_file,
                          struct fault *fault)
{
    static const struct key_pass_phrase none = {.len = 0};
    const struct key_pass_phrase *given = pass_phrase == NULL ? &none : pass_phrase;
    struct bytes data;
    enum status status = read_all(arena, path, &data, fault);
    if (status != STATUS_OK) {
        return status;
    }
    struct key_file file = {0};
    struct pubkey record;
    bool keeps_data = false;
    if (pubkey_container_is(data)) {
        status = read_container(data, given, &file);
    } else if (pubkey_decode(data, &record) == STATUS_OK && record.kind != PUBKEY_UNKNOWN &&
               record.kind != PUBKEY_PEM) {
        status = read_record(data, &record, &file);
        keeps_data = true;
    } else {
        status = read_openssl(data, given, &file);
    }
    if (status == STATUS_OK && file.record.data == NULL) {
        status = fill_record(arena, &file);
    }
    if (!keeps_data) {
        OPENSSL_cleanse((void *)(uintptr_t)data.data, data.len);
    }
    if (status != STATUS_OK) {
        key_file_done(&file);
        return status == STATUS_NO_MEMORY ? status : say_why(status, path, fault);
    }
    *out_file = file;
    return STATUS_OK;
}

void key_file_done(struct key_file *file)
{
    EVP_PKEY_free(file->key);
    *file = (struct key_file){0};
}

enum status key_file_read_secret(struct arena *arena, const char *path, struct bytes *out_secret,
                                 struct fault *fault)
{
    struct bytes data;
    enum status status = read_all(arena, path, &data, fault);
    if (status != STATUS_OK) {
        return status;
    }
    while (data.len > 0 && (data.data[data.len - 1] == '\n' || data.data[data.len - 1] == '\r')) {
        data.len--;
    }
    if (data.len == 0) {
        return fault_set(fault, STATUS_INVALID_VALUE, "%s is empty", path);
    }
    *out_secret = data;
    return STATUS_OK;
}

/* --- writing ---------------------------------------------------------------------------------- */

bool key_form_is_private(enum key_form form)
{
    return form == KEY_PEM || form == KEY_DER || form == KEY_REFERENCE;
}

static bool write_form(BIO *bio, const struct key_file *file, enum key_form form,
                       const struct key_pass_phrase *pass_phrase, const char *identity)
{
    bool seals = pass_phrase->len > 0;
    const EVP_CIPHER *cipher = seals ? EVP_aes_256_cbc() : NULL;
    char *text = seals ? (char *)(uintptr_t)pass_phrase->text : NULL;
    int len = seals ? (int)pass_phrase->len : 0;
    switch (form) {
    case KEY_PEM:
        return PEM_write_bio_PKCS8PrivateKey(bio, file->key, cipher, text, len, NULL, NULL) == 1;
    case KEY_DER:
        return i2d_PKCS8PrivateKey_bio(bio, file->key, cipher, text, len, NULL, NULL) == 1;
    case KEY_PUBLIC_PEM:
        return PEM_write_bio_PUBKEY(bio, file->key) == 1;
    case KEY_PUBLIC_DER:
        return i2d_PUBKEY_bio(bio, file->key) == 1;
    default:
        break;
    }
    X509 *certificate = tls_self_signed(file->key, identity);
    bool is_written = certificate != NULL && PEM_write_bio_X509(bio, certificate) == 1;
    X509_free(certificate);
    return is_written;
}

static enum status encode_openssl(struct arena *arena, const struct key_file *file,
                                  enum key_form form, const struct key_pass_phrase *pass_phrase,
                                  const char *identity, struct bytes *out_data)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    if (bio == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = STATUS_NOT_SUPPORTED;
    if (write_form(bio, file, form, pass_phrase, identity)) {
        char *data = NULL;
        long len = BIO_get_mem_data(bio, &data);
        *out_data = arena_copy(arena, bytes_of(data, (size_t)len));
        status = out_data->data == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    }
    BIO_free(bio);
    return status;
}

static enum status encode_container(struct arena *arena, const struct key_file *file,
                                    const struct key_pass_phrase *pass_phrase,
                                    struct bytes *out_data)
{
    uint8_t record[RECORD_MAX];
    uint8_t salt[PUBKEY_CONTAINER_SALT_LEN];
    uint8_t iv[PUBKEY_CONTAINER_IV_LEN];
    uint8_t *room = arena_alloc(arena, RECORD_MAX);
    struct wire_writer inner = wire_write(record, sizeof(record));
    struct wire_writer w = wire_write(room, room == NULL ? 0 : RECORD_MAX);
    enum status status = room == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    if (status == STATUS_OK) {
        status = pubkey_private_from_evp(file->key, &inner);
    }
    if (status == STATUS_OK &&
        (RAND_bytes(salt, sizeof(salt)) != 1 || RAND_bytes(iv, sizeof(iv)) != 1)) {
        status = STATUS_SYSTEM;
    }
    if (status == STATUS_OK) {
        status = pubkey_container_seal(wire_wrote(&inner),
                                       bytes_of(pass_phrase->text, pass_phrase->len), salt, iv, &w);
    }
    OPENSSL_cleanse(record, sizeof(record));
    if (status == STATUS_OK) {
        *out_data = wire_wrote(&w);
    }
    return status;
}

enum status key_file_encode(struct arena *arena, const struct key_file *file, enum key_form form,
                            const struct key_pass_phrase *pass_phrase, const char *identity,
                            struct bytes *out_data, struct fault *fault)
{
    static const struct key_pass_phrase none = {.len = 0};
    const struct key_pass_phrase *seal = pass_phrase == NULL ? &none : pass_phrase;
    if ((key_form_is_private(form) || form == KEY_CERTIFICATE) && !file->is_private) {
        return fault_set(fault, STATUS_NOT_SUPPORTED, "%s",
                         "the file holds a public key only; this form needs the private one");
    }
    enum status status;
    switch (form) {
    case KEY_REFERENCE_PUBLIC:
        *out_data = file->record;
        return STATUS_OK;
    case KEY_REFERENCE:
        status = encode_container(arena, file, seal, out_data);
        break;
    default:
        status = encode_openssl(arena, file, form, seal, identity, out_data);
        break;
    }
    return status == STATUS_OK
               ? status
               : fault_set(fault, status, "%s", "there is no such form of this kind of key");
}

enum status key_file_write(const char *path, struct bytes data, bool is_secret, struct fault *fault)
{
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, is_secret ? 0600 : 0644);
    if (file < 0) {
        return fault_set(fault, STATUS_SYSTEM, "%s: %s", path, strerror(errno));
    }
    size_t done = 0;
    ssize_t put = 1;
    while (done < data.len && put > 0) {
        put = write(file, data.data + done, data.len - done);
        done += put > 0 ? (size_t)put : 0;
    }
    bool is_safe = done == data.len && fsync(file) == 0;
    int failed = is_safe ? 0 : errno;
    if (close(file) != 0 && failed == 0) {
        failed = errno;
        is_safe = false;
    }
    if (!is_safe) {
        (void)unlink(path);
        return fault_set(fault, STATUS_SYSTEM, "%s: %s", path, strerror(failed));
    }
    return STATUS_OK;
}

/* --- pass phrases ----------------------------------------------------------------------------- */

enum status key_pass_phrase_read(const char *path, bool asks_twice,
                                 struct key_pass_phrase *out_pass_phrase, struct fault *fault)
{
    struct key_pass_phrase read = {.len = 0};
    if (strcmp(path, "-") == 0) {
        if (EVP_read_pw_string(read.text, sizeof(read.text) - 1, "Pass phrase: ", asks_twice) !=
            0) {
            return fault_set(fault, STATUS_SYSTEM, "%s", "no pass phrase could be read");
        }
    } else {
        FILE *in = fopen(path, "rbe");
        if (in != NULL) {
            (void)setvbuf(in, NULL, _IONBF, 0); /* a buffer would keep it when it is given back */
        }
        bool is_had = in != NULL && fgets(read.text, sizeof(read.text), in) != NULL;
        int failed = errno;
        if (in != NULL) {
            (void)fclose(in);
        }
        if (!is_had) {
            return fault_set(fault, STATUS_SYSTEM, "%s: %s", path,
                             in == NULL ? strerror(failed) : "the file is empty");
        }
    }
    read.len = strcspn(read.text, "\r\n");
    if (read.len == 0) {
        return fault_set(fault, STATUS_INVALID_VALUE, "%s", "the pass phrase is empty");
    }
    *out_pass_phrase = read;
    key_pass_phrase_cleanse(&read);
    return STATUS_OK;
}

void key_pass_phrase_cleanse(struct key_pass_phrase *pass_phrase)
{
    OPENSSL_cleanse(pass_phrase, sizeof(*pass_phrase));
}
