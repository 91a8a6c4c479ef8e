/* SPDX-License-Identifier: Apache-2.0
 *
 * One request and its answer: bytes in, bytes out. The page to read first.
 *
 * `exchange_run` decodes, dispatches and encodes; it knows no socket. Transports give it a whole
 * message and room for the answer. Everything borrowed lives until it returns. An exchange belongs
 * to one worker.
 */
#pragma once

#include <openssl/types.h>

#include "conf/settings.h"
#include "protocol/arena.h"
#include "protocol/message.h"
#include "registry/registry.h"
#include "resolver/metrics.h"
#include "resolver/net.h"

/* Labels of TRANSPORT metrics. */
enum exchange_transport {
    EXCHANGE_UDP = 0,
    EXCHANGE_TCP = 1,
    EXCHANGE_TLS = 2,
    EXCHANGE_HTTP = 3,
    EXCHANGE_HTTPS = 4,
};

/* What all requests of one settings generation see; immutable while it serves. */
struct generation {
    const struct settings *settings;
    struct bytes site; /* HS_SITE record of this node, what OC_GET_SITEINFO answers */
    uint16_t site_serial;
    bool is_primary; /* the site says so: answers carry AT */
    uint64_t number; /* 1, 2, 3, ... */
    const struct settings_network *trusted;
    size_t trusted_count;
    const struct settings_network *proxies; /* believed when they say for whom they ask */
    size_t proxy_count;
    EVP_PKEY *site_key;      /* signs what clients ask to be certified; NULL: nothing is signed */
    EVP_PKEY *previous_key;  /* the same for clients that know no newer one; NULL: there is none */
    uint16_t site_key_since; /* the serial of the first site record that tells `site_key` */
    struct tls_context *tls; /* NULL: none is served */
    bool has_key_server;
    struct net_address key_server;   /* resolves keys of other nodes for us */
    EVP_PKEY *key_server_key;        /* its signature is asked for; NULL: it is not known */
    struct trust_roots *trust_roots; /* signatures of records lead to these; NULL: to none */
    const struct upward *upward;     /* who is asked about other names; NULL: nobody, for nobody */
};

struct batch;
struct exchange_services;
struct hot_path;
struct login;
struct progress;
struct stream;
struct tls_context;
struct trust_roots;
struct udp;
struct upward;

/* What a worker lends its exchanges. */
struct exchange_scope {
    const struct generation *generation;
    struct snapshot *snapshot; /* refreshed by the worker after the read that brought the bytes */
    struct metrics_slot *metrics;
    struct arena *arena;                   /* reset by the worker between exchanges */
    void (*random)(void *out, size_t len); /* unpredictable bytes; scenario tests bring their own */
    int64_t now_ms;                        /* wall clock of this batch */
    struct hot_path *hot;                  /* NULL: no answer is kept in memory */
    const struct exchange_services *services; /* NULL: nothing can be kept or waited for */
};

/* Instead of operation 201's own meaning (inside_verify.h). */
enum exchange_verify {
    EXCHANGE_VERIFY_FOR_OTHERS, /* what other servers ask */
    EXCHANGE_VERIFY_SECRET,
    EXCHANGE_VERIFY_KEY,
    EXCHANGE_VERIFY_CERTIFICATE,
    EXCHANGE_PROVE, /* our own signature over nonce and digest */
};

/* What is asked for beyond the message, by those who ask from inside of the node; all zero:
 * nothing.
 */
struct exchange_terms {
    enum exchange_verify verify;
    char via[16];     /* by which API key whoever asks is who he is; empty: by none */
    bool has_version; /* a change: of a record of this version, 0: of none that is there yet */
    uint64_t version;
    bool is_page; /* a list: these names only */
    uint64_t page_from;
    uint64_t page_len;
    struct batch *batch; /* many changes at once (bulk_batch.h), not what the message says; held */
    bool has_repeat;     /* a change that is done once, however often it is asked for (repeats.h) */
    uint8_t repeat_key[32];
    uint8_t repeat_digest[32];
};

/* The text of the refusal when the record has another version. */
#define EXCHANGE_TERMS_BROKEN "the record is not of the version asked for"

/* The same when its key belongs to another request. */
#define EXCHANGE_TERMS_CLASH "the key belongs to another request"

/* Where an answer goes that leaves later than its request's turn. */
struct exchange_route {
    struct stream *stream; /* TCP */
    uint32_t question;     /* HTTP: which of its connection's */
    struct udp *udp;       /* UDP, and the address its answer leaves from */
    struct net_address local;
    struct exchange_terms terms;
};

struct exchange {
    const struct exchange_scope *scope;
    enum exchange_transport transport;
    struct net_address peer;
    struct bytes request;     /* envelope ‖ message, reassembled */
    struct wire_writer reply; /* room for up to MESSAGE_PACKET_MAX; bytes are appended */
    struct exchange_route route;
    struct login *login; /* the connection's; NULL: it can have none, or is gone */

    /* filled while it runs */
    struct message message;
    struct envelope answer_envelope;
    struct header answer_header;
    enum status outcome;       /* what was answered, for metrics and tests */
    struct progress *progress; /* what outlives a wait; NULL until there is something */
};

/* OK: one answer stands in `reply`. DROP: no answer is to leave (UDP: silence, TCP: close).
 * PENDING: it is parked and will be run again (parked.h). MORE: an answer stands in `reply`, and it
 * is parked to tell the rest. */
enum status exchange_run(struct exchange *x);

/* How every answer begins that decoded well: ids, version, flags, serial, expiration. The response
 * code is the caller's. */
void exchange_answer_head(const struct exchange_scope *scope, const struct envelope *asked,
                          const struct header *header, struct envelope *out_envelope,
                          struct header *out_header);

/* --- for handlers (op_*.c) ------------------------------------------------------------------- */

/* A handler appends its answer with one of these and returns its status, which is OK unless the
 * reply has no room. */
typedef enum status exchange_handler(struct exchange *x);

/* Opens a success answer (header with copied flags, request digest if asked): the body follows in
 * x->reply; then exchange_close. */
struct message_marks exchange_open(struct exchange *x, enum status outcome);
enum status exchange_close(struct exchange *x, struct message_marks marks);

/* An error answer; `text` goes into the body. */
enum status exchange_refuse(struct exchange *x, enum status outcome, const char *text);

/* 402 with request digest and a fresh nonce under a fresh challenge id. */
enum status exchange_challenge(struct exchange *x);

/* The caller looks like the national SDK (protocol.md §12.3): version 2.3 suggesting 2.10, not over
 * UDP.
 */
bool exchange_is_national(const struct exchange *x);
