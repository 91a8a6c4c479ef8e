/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS 1.2 and 1.3 on a stream of net.h, by OpenSSL: SSL_read and SSL_write called when the loop
 * says so, nothing in between (protocol.md §3.6; design §6).
 *
 * A context is what all connections of a generation share: key, certificate, what is asked of
 * clients. Connections hold the one they were made with, so it may be freed under them by any
 * thread. A connection belongs to its worker's thread.
 *
 * Without a certificate of its own a node shows one made from its site key and signed by it:
 * clients of the Handle world pin the key their site record names, they do not look for an
 * authority.
 */
#pragma once

#include <openssl/types.h>

#include "protocol/arena.h"
#include "resolver/net.h"

struct tls_context;
struct tls;

/* A certificate for a key, signed by itself; `name` ("300:88.608/User_li") is its subject's UID,
 * where the reference server looks for who it is. The caller's to free; NULL: OpenSSL refuses. */
X509 *tls_self_signed(EVP_PKEY *key, const char *name);

struct tls_options {
    const char *certificate_path; /* PEM chain; NULL: self-signed by `site_key` */
    const char *key_path;         /* PEM, of the certificate; readable by its owner only */
    EVP_PKEY *site_key;           /* borrowed during the call */
    const char *site_name;        /* subject of the self-signed one: "300:0.NA/88.608" */
    bool asks_certificate;        /* clients may show one; nobody must */
};

/* BAD_SETTING: the files are no certificate and its key (said which), or readable by others. */
enum status tls_context_new(const struct tls_options *options, struct tls_context **out_context,
                            struct fault *fault);
void tls_context_free(struct tls_context *context);

struct tls_client_options {
    EVP_PKEY *server_key; /* borrowed; the only one that is trusted; NULL: any is */
    EVP_PKEY *key;        /* borrowed; shown in a certificate made here; NULL: none is shown */
    const char *name;     /* "INDEX:HANDLE", with `key` */
};

/* NO_MEMORY; NOT_SUPPORTED: TLS knows no such key as `key`. */
enum status tls_client_context_new(const struct tls_client_options *options,
                                   struct tls_context **out_context);

/* Client's side on a stream that is connected, else as tls_accept. A server with another key than
 * the one that is trusted: tls_handshake gives INVALID_CREDENTIAL, and nothing is sent to it. */
enum status tls_connect(struct tls_context *context, struct net_stream *stream,
                        struct tls **out_tls);

/* Server's side on a stream just accepted; the stream stays the caller's and must outlive it. */
enum status tls_accept(struct tls_context *context, struct net_stream *stream,
                       struct tls **out_tls);
void tls_free(struct tls *tls);

/* One step of the handshake, the costly one of them a signature. OK: it is over; PENDING; CLOSED
 * (also: not TLS, no common terms). */
enum status tls_handshake(struct tls *tls);

/* As net_stream_read: OK with `*out_len` > 0, PENDING, CLOSED (also: not TLS, a broken record, a
 * failed handshake). The handshake is made by the first reads if it was not made before. */
enum status tls_read(struct tls *tls, uint8_t *buffer, size_t size, size_t *out_len);

/* As net_stream_write. After PENDING the same bytes, or a longer run that begins with them, must
 * come next. PENDING before the handshake is over. */
enum status tls_write(struct tls *tls, struct bytes data, size_t *out_len);

/* The handshake failed on what looks like a request of HTTP. */
bool tls_is_plain_http(const struct tls *tls);

/* The last PENDING waits for room to write, whatever was wanted. */
bool tls_wants_write(const struct tls *tls);

/* Bytes may have arrived that the kernel does not know of any more: read on before waiting. Not
 * after a read that was PENDING, whatever is half there. */
bool tls_has_pending(const struct tls *tls);

bool tls_is_established(const struct tls *tls);

/* The handshake took up a session of before: no signature was made. */
bool tls_is_resumed(const struct tls *tls);

/* Tells the peer that nothing more comes, once; does not wait. */
void tls_finish(struct tls *tls);

/* The key of the certificate the client showed and proved to have, owned by the caller (NULL: it
 * showed none), and the "INDEX:HANDLE" in its subject's UID, else its CN, in the arena. Nothing
 * else of the certificate counts: whose key it is stands in the handle's record. */
EVP_PKEY *tls_peer_key(const struct tls *tls);
struct bytes tls_peer_name(const struct tls *tls, struct arena *arena);
