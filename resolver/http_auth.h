/* SPDX-License-Identifier: Apache-2.0
 *
 * Who sends an HTTP request (protocol.md §9.6). Credentials count over TLS only; API keys over
 * loopback, too (http_key.h).
 */
#pragma once

#include "resolver/http.h"
#include "resolver/http_credentials.h"
#include "resolver/web_session.h"

struct http_grant;

/* What is known of a call's caller; the call's, from the first question about it on. */
struct http_auth {
    bool has_session;
    struct web_session session; /* what a 401 tells */
    bool is_wrong;              /* something was said, and it was not right */
    char *proof;                /* the node's own: serverAlg and serverSignature, owned */
    struct bytes proof_algorithm;
    struct bytes proof_signature; /* base64 */
    struct http_grant *grant;     /* NULL: not limited by an API key; owned */
};

/* Judges the Authorization field: calls `go_on` when there is none, or when it proved right, which
 * the call's questions then say (http_call_is_from); replies 401 otherwise. Returns what `go_on`
 * returns, or PENDING. The call's state is `go_on`'s from then on. */
enum status http_auth_begin(struct http_call *call, http_handler *go_on);

/* Is the caller limited by an API key? Then whatever it reads must be asked of the node. */
bool http_auth_is_limited(const struct http_call *call);

/* The fields of a 401 that say how to prove who one is: between begin and body. */
void http_auth_challenge(struct http_call *call);

/* --- inside of http_auth.c, http_session.c, http_key.c -------------------------------------------
 */

/* NULL: no memory. */
struct http_auth *http_auth_of(struct http_call *call);
void http_auth_free(struct http_auth *auth);

/* The call's session is this one; SESSION_TIMEOUT. */
enum status http_auth_name(struct http_call *call, struct bytes session_id);
/* A new one, unless it has one already. NO_MEMORY. */
enum status http_auth_open(struct http_call *call);

/* Judges credentials that answer the nonce of the call's session, a Basic password or the
 * connection's certificate; `go_on` finds the call to be from whom they prove, or
 * http_auth.is_wrong. With `is_kept` the session is theirs from then on. */
struct http_auth_question {
    const struct http_credentials *credentials;
    bool is_kept;
    http_handler *go_on;
};
enum status http_auth_judge(struct http_call *call, const struct http_auth_question *question);

/* The node proves itself to whoever gave this cnonce, if it can; then `go_on` goes on. */
enum status http_auth_prove(struct http_call *call, struct bytes cnonce, http_handler *go_on);

/* Is this session somebody's, still by the key it was proved with? */
bool http_auth_is_in(const struct http_call *call);

/* The call's session is over. */
void http_auth_leave(struct http_call *call);

/* Operation 201 as a packet. */
struct body_verify;
void http_auth_write(const struct http_call *call, struct wire_writer *w,
                     const struct body_verify *body);

/* 401 without a body. */
enum status http_auth_refuse(struct http_call *call);
