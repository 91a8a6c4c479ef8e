/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS connections on net streams (tls.h): a BIO that reads and writes the stream.
 */
#include "resolver/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

#define CERTIFICATE_DAYS 3650
#define NAME_MAX_BYTES 4096

struct tls_context {
    atomic_uint holders; /* whoever made it, and every connection */
    SSL_CTX *ssl;
    BIO_METHOD *method;
    EVP_PKEY *server_key; /* a client's: of whom it speaks to */
};

struct tls {
    struct tls_context *context;
    SSL *ssl;
    struct net_stream *stream;
    bool wants_write;
    bool has_pending;
    bool is_broken;
    bool is_finished;
    bool is_plain_http;
};

/* --- the stream as a BIO ---------------------------------------------------------------------- */

static int bio_on_read(BIO *bio, char *buffer, size_t size, size_t *out_len)
{
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    enum status status = net_stream_read(tls->stream, (uint8_t *)buffer, size, out_len);
    if (status == STATUS_PENDING) {
        BIO_set_retry_read(bio);
    }
    return status == STATUS_OK ? 1 : 0;
}

static int bio_on_write(BIO *bio, const char *data, size_t len, size_t *out_len)
{
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    enum status status = net_stream_write(tls->stream, bytes_of(data, len), out_len);
    if (status == STATUS_PENDING) {
        BIO_set_retry_write(bio);
    }
    return status == STATUS_OK ? 1 : 0;
}

static long bio_on_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *make_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "net_stream");
    bool is_made = method != NULL && BIO_meth_set_read_ex(method, bio_on_read) == 1 &&
                   BIO_meth_set_write_ex(method, bio_on_write) == 1 &&
                   BIO_meth_set_ctrl(method, bio_on_control) == 1;
    if (!is_made) {
        BIO_meth_free(method);
        return NULL;
    }
    return method;
}

/* --- contexts --------------------------------------------------------------------------------- */

X509 *tls_self_signed(EVP_PKEY *key, const char *name)
{
    X509 *certificate = X509_new();
    uint64_t serial = 0;
    X509_NAME *subject = certificate == NULL ? NULL : X509_get_subject_name(certificate);
    const EVP_MD *hash = EVP_PKEY_is_a(key, "SM2") == 1 ? EVP_sm3() : EVP_sha256();
    bool is_made =
        subject != NULL && RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1 &&
        X509_set_version(certificate, X509_VERSION_3) == 1 &&
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) == 1 &&
        X509_gmtime_adj(X509_getm_notBefore(certificate), -86400) != NULL &&
        X509_time_adj_ex(X509_getm_notAfter(certificate), CERTIFICATE_DAYS, 0, NULL) != NULL &&
        X509_NAME_add_entry_by_txt(subject, "UID", MBSTRING_UTF8, (const unsigned char *)name, -1,
                                   -1, 0) == 1 &&
        X509_set_issuer_name(certificate, subject) == 1 && X509_set_pubkey(certificate, key) == 1 &&
        X509_sign(certificate, key, hash) > 0;
    if (!is_made) {
        X509_free(certificate);
        return NULL;
    }
    return certificate;
}

/* Whoever proves to have a key may show it; what the key is worth is judged by its record. */
static int on_certificate(int is_trusted, X509_STORE_CTX *store)
{
    (void)is_trusted;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

static enum status use_files(SSL_CTX *ssl, const struct tls_options *options, struct fault *fault)
{
    struct stat facts;
    const char *key_path =
        options->key_path == NULL ? options->certificate_path : options->key_path;
    if (SSL_CTX_use_certificate_chain_file(ssl, options->certificate_path) != 1) {
        return fault_set(fault, STATUS_BAD_SETTING, "%s holds no certificate that can be read",
                         options->certificate_path);
    }
    if (stat(key_path, &facts) != 0) {
        return fault_set(fault, STATUS_BAD_SETTING, "%s cannot be read", key_path);
    }
    if ((facts.st_mode & 077) != 0) {
        return fault_set(fault, STATUS_BAD_SETTING, "%s is readable by others (chmod 600)",
                         key_path);
    }
    if (SSL_CTX_use_PrivateKey_file(ssl, key_path, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ssl) != 1) {
        return fault_set(fault, STATUS_BAD_SETTING, "%s is not the private key of %s", key_path,
                         options->certificate_path);
    }
    return STATUS_OK;
}

static bool use_key(SSL_CTX *ssl, EVP_PKEY *key, const char *name)
{
    X509 *certificate = tls_self_signed(key, name);
    bool is_used = certificate != NULL && SSL_CTX_use_certificate(ssl, certificate) == 1 &&
                   SSL_CTX_use_PrivateKey(ssl, key) == 1;
    X509_free(certificate);
    return is_used;
}

static enum status use_site_key(SSL_CTX *ssl, const struct tls_options *options,
                                struct fault *fault)
{
    return use_key(ssl, options->site_key, options->site_name)
               ? STATUS_OK
               : fault_set(fault, STATUS_BAD_SETTING, "%s",
                           "no certificate can be made from the site key");
}

/* HTTP/1.1 is said to those who ask; whoever offers other protocols alone may find out. The Handle
 * protocol has no name there. */
static int tls_on_protocols(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                            const unsigned char *offered, unsigned offered_len, void *context)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen = NULL;
    (void)ssl;
    (void)context;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, offered, offered_len) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static void set_rules(SSL_CTX *ssl, const struct tls_options *options)
{
    static const unsigned char session_context[] = "guantong";
    (void)SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE |
                                       SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    /* A record's head and body in one call of the kernel, and those behind it. */
    SSL_CTX_set_read_ahead(ssl, 1);
    /* Tickets alone: clients keep their sessions themselves, so that none takes memory here. */
    (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(ssl, 1);
    (void)SSL_CTX_set_session_id_context(ssl, session_context, sizeof(session_context) - 1);
    SSL_CTX_set_alpn_select_cb(ssl, tls_on_protocols, NULL);
    if (options->asks_certificate) {
        SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, on_certificate);
        SSL_CTX_set_verify_depth(ssl, 4);
    }
}

/* Without key and certificate yet. */
static struct tls_context *make_context(const SSL_METHOD *method)
{
    struct tls_context *context = calloc(1, sizeof(*context));
    if (context == NULL) {
        return NULL;
    }
    atomic_init(&context->holders, 1);
    context->ssl = SSL_CTX_new(method);
    context->method = make_method();
    if (context->ssl == NULL || context->method == NULL) {
        tls_context_free(context);
        return NULL;
    }
    return context;
}

enum status tls_context_new(const struct tls_options *options, struct tls_context **out_context,
                            struct fault *fault)
{
    struct tls_context *context = make_context(TLS_server_method());
    if (context == NULL) {
        return STATUS_NO_MEMORY;
    }
    set_rules(context->ssl, options);
    enum status status = options->certificate_path != NULL
                             ? use_files(context->ssl, options, fault)
                             : use_site_key(context->ssl, options, fault);
    ERR_clear_error();
    if (status != STATUS_OK) {
        tls_context_free(context);
        return status;
    }
    *out_context = context;
    return STATUS_OK;
}

enum status tls_client_context_new(const struct tls_client_options *options,
                                   struct tls_context **out_context)
{
    const struct tls_options rules = {.asks_certificate = true};
    struct tls_context *context = make_context(TLS_client_method());
    if (context == NULL) {
        return STATUS_NO_MEMORY;
    }
    set_rules(context->ssl, &rules);
    if (options->server_key != NULL && EVP_PKEY_up_ref(options->server_key) == 1) {
        context->server_key = options->server_key;
    }
    bool is_usable = options->key == NULL || use_key(context->ssl, options->key, options->name);
    ERR_clear_error();
    if (!is_usable) {
        tls_context_free(context);
        return STATUS_NOT_SUPPORTED;
    }
    *out_context = context;
    return STATUS_OK;
}

void tls_context_free(struct tls_context *context)
{
    if (context != NULL &&
        atomic_fetch_sub_explicit(&context->holders, 1, memory_order_acq_rel) == 1) {
        SSL_CTX_free(context->ssl);
        EVP_PKEY_free(context->server_key);
        BIO_meth_free(context->method);
        free(context);
    }
}

/* --- connections ------------------------------------------------------------------------------ */

static enum status attach(struct tls_context *context, struct net_stream *stream,
                          struct tls **out_tls)
{
    struct tls *tls = calloc(1, sizeof(*tls));
    BIO *bio = tls == NULL ? NULL : BIO_new(context->method);
    SSL *ssl = bio == NULL ? NULL : SSL_new(context->ssl);
    if (ssl == NULL) {
        BIO_free(bio);
        free(tls);
        ERR_clear_error();
        return STATUS_NO_MEMORY;
    }
    (void)atomic_fetch_add_explicit(&context->holders, 1, memory_order_relaxed);
    *tls = (struct tls){.context = context, .ssl = ssl, .stream = stream};
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    *out_tls = tls;
    return STATUS_OK;
}

enum status tls_accept(struct tls_context *context, struct net_stream *stream, struct tls **out_tls)
{
    enum status status = attach(context, stream, out_tls);
    if (status == STATUS_OK) {
        SSL_set_accept_state((*out_tls)->ssl);
    }
    return status;
}

enum status tls_connect(struct tls_context *context, struct net_stream *stream,
                        struct tls **out_tls)
{
    enum status status = attach(context, stream, out_tls);
    if (status == STATUS_OK) {
        SSL_set_connect_state((*out_tls)->ssl);
    }
    return status;
}

void tls_free(struct tls *tls)
{
    if (tls != NULL) {
        SSL_free(tls->ssl);
        tls_context_free(tls->context);
        free(tls);
    }
}

/* What a call that did not succeed means; a connection once broken stays so. */
static enum status outcome(struct tls *tls, int result)
{
    int error = SSL_get_error(tls->ssl, result);
    ERR_clear_error();
    tls->wants_write = error == SSL_ERROR_WANT_WRITE;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        return STATUS_PENDING;
    }
    tls->is_broken = error != SSL_ERROR_ZERO_RETURN;
    return STATUS_CLOSED;
}

static bool is_trusted(const struct tls *tls)
{
    EVP_PKEY *key = tls->context->server_key == NULL ? NULL : tls_peer_key(tls);
    bool is_same = key != NULL && EVP_PKEY_eq(key, tls->context->server_key) == 1;
    EVP_PKEY_free(key);
    return tls->context->server_key == NULL || is_same;
}

enum status tls_handshake(struct tls *tls)
{
    if (tls->is_broken) {
        return STATUS_CLOSED;
    }
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result != 1) {
        tls->is_plain_http = ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
        enum status status = outcome(tls, result);
        tls->is_broken = status != STATUS_PENDING;
        return status;
    }
    if (!is_trusted(tls)) {
        tls->is_broken = true;
        return STATUS_INVALID_CREDENTIAL;
    }
    tls->wants_write = false;
    tls->has_pending = true; /* the first request may have come with the handshake's end */
    return STATUS_OK;
}

enum status tls_read(struct tls *tls, uint8_t *buffer, size_t size, size_t *out_len)
{
    if (tls->is_broken) {
        return STATUS_CLOSED;
    }
    ERR_clear_error();
    int result = SSL_read_ex(tls->ssl, buffer, size, out_len);
    tls->has_pending = result == 1 && SSL_has_pending(tls->ssl) == 1;
    if (result != 1) {
        return outcome(tls, result);
    }
    tls->wants_write = false;
    return STATUS_OK;
}

enum status tls_write(struct tls *tls, struct bytes data, size_t *out_len)
{
    if (tls->is_broken) {
        return STATUS_CLOSED;
    }
    ERR_clear_error();
    int result = SSL_write_ex(tls->ssl, data.data, data.len, out_len);
    if (result != 1) {
        return outcome(tls, result);
    }
    tls->wants_write = false;
    return STATUS_OK;
}

bool tls_is_plain_http(const struct tls *tls)
{
    return tls->is_plain_http;
}

bool tls_wants_write(const struct tls *tls)
{
    return tls->wants_write;
}

bool tls_has_pending(const struct tls *tls)
{
    return tls->has_pending;
}

bool tls_is_resumed(const struct tls *tls)
{
    return SSL_session_reused(tls->ssl) == 1;
}

bool tls_is_established(const struct tls *tls)
{
    return SSL_is_init_finished(tls->ssl) == 1;
}

void tls_finish(struct tls *tls)
{
    if (!tls->is_broken && !tls->is_finished && tls_is_established(tls)) {
        tls->is_finished = true;
        (void)SSL_shutdown(tls->ssl);
        ERR_clear_error();
    }
}

/* --- who is there ----------------------------------------------------------------------------- */

EVP_PKEY *tls_peer_key(const struct tls *tls)
{
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    return certificate == NULL ? NULL : X509_get_pubkey(certificate);
}

static struct bytes name_part(X509_NAME *subject, int part, struct arena *arena)
{
    int at = X509_NAME_get_index_by_NID(subject, part, -1);
    X509_NAME_ENTRY *entry = at < 0 ? NULL : X509_NAME_get_entry(subject, at);
    unsigned char *text = NULL;
    int len = entry == NULL ? 0 : ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
    struct bytes name = BYTES_NONE;
    if (len > 0 && len <= NAME_MAX_BYTES) {
        name = arena_copy(arena, bytes_of(text, (size_t)len));
    }
    OPENSSL_free(text);
    return name.data == NULL ? BYTES_NONE : name;
}

struct bytes tls_peer_name(const struct tls *tls, struct arena *arena)
{
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    X509_NAME *subject = certificate == NULL ? NULL : X509_get_subject_name(certificate);
    if (subject == NULL) {
        return BYTES_NONE;
    }
    struct bytes name = name_part(subject, NID_userId, arena);
    return name.len > 0 ? name : name_part(subject, NID_commonName, arena);
}
