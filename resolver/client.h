/* SPDX-License-Identifier: Apache-2.0
 *
 * A client of any Handle server that can prove who it is: one call, the challenge it may meet, the
 * answer to that, and the final answer (protocol.md §5.8, §5.9, §7.5, §7.6).
 *
 * Asynchronous on net.h, like ask.h below it; the CLI uses it with a loop of its own. One call at a
 * time. What a server wants signed is looked at first: the digest must be that of the very request
 * that was sent, and the nonce of decent length, or nothing is signed. A signature of the server's
 * counts for an answer to that request alone, so its digest is asked for and must be right. Only
 * that it is busy may a server say without a signature, which takes time.
 */
#pragma once

#include <openssl/types.h>

#include "protocol/body.h"
#include "resolver/ask.h"

#define CLIENT_NONCE_MIN 8 /* bytes; servers send 16 */

struct client_identity {
    struct reference name; /* index:handle */
    EVP_PKEY *key;         /* borrowed; NULL: the secret counts */
    struct bytes secret;   /* of an HS_SECKEY value; borrowed */
};

struct client_options {
    struct net_address server;
    enum ask_transport transport;
    int64_t timeout_ms;                     /* for each exchange; 0: 10 000 */
    struct message_version version;         /* major 0: 2.11 */
    const struct client_identity *identity; /* borrowed; NULL: a challenge is the answer */
    struct tls_context *tls;                /* ASK_TLS, ASK_HTTPS: a client's, borrowed */
    struct bytes path;                      /* ASK_HTTP, ASK_HTTPS: of the site, borrowed */
    EVP_PKEY *server_key; /* borrowed; not NULL: signatures are asked for and must be right */
    void (*random)(void *out, size_t len);
};

struct client_request {
    uint32_t opcode;
    uint32_t flags; /* enum message_flag */
    struct bytes body;
};

/* The outcome: status is that of the exchange (OK: an answer came, whatever its code), and
 * INVALID_CREDENTIAL (the server's signature is missing or wrong), AUTHENTICATION_FAILED (the
 * challenge is not one to answer), NOT_SUPPORTED (our key cannot answer it). `answer` is valid
 * during the call; NULL unless OK. */
struct client_answer {
    const struct message *message;
    struct bytes body; /* without the request digest */
    bool was_challenged;
    bool is_certified; /* the server's signature was there and right */
};
typedef void client_done(void *context, enum status status, const struct client_answer *answer);

/* A message of a list before the last, checked like the last; false: no more is wanted. */
typedef bool client_more(void *context, const struct client_answer *answer);

struct client;

enum status client_new(struct net *net, const struct client_options *options,
                       struct client **out_client);
void client_free(struct client *client); /* ends a call without `done` */

/* `more` may be NULL. CONFLICT while a call is under way. */
enum status client_call(struct client *client, const struct client_request *request,
                        client_more *more, client_done *done, void *context);
