/* SPDX-License-Identifier: Apache-2.0
 *
 * What the handlers of /api/... share (http_rest.c, http_rest_list.c): reading a request, writing a
 * reply as JSON, as indented JSON or as a call of JavaScript, refusing.
 */
#pragma once

#include "resolver/rest_answer.h"
#include "resolver/rest_question.h"

/* The parameters, and the rest of the path behind `before` as a name. false: it was refused. */
bool http_rest_read(struct http_call *call, const char *before, struct rest_asked *out_asked);

/* Replies with this document. `asked` may be NULL. */
struct http_rest_reply {
    unsigned status;
    struct bytes body; /* compact JSON; none: there was no memory */
    struct bytes tag;  /* ETag; empty: none */
};
enum status http_rest_send(struct http_call *call, const struct rest_asked *asked,
                           const struct http_rest_reply *reply);

/* {"responseCode":...,"message":...}: an answer that no operation gave. */
enum status http_rest_refuse(struct http_call *call, unsigned status, enum status why,
                             struct bytes text, struct bytes handle);

/* Asks and is called back; what cannot be asked is refused. */
enum status http_rest_ask(struct http_call *call, struct bytes handle,
                          const struct http_question *question);

/* A record of ours that is public, all of it, written from the store and counted as an exchange
 * would have been: what op_resolve answers straight, too. false: ask. */
struct lookup;
bool http_rest_straight(struct http_call *call, const struct rest_asked *asked,
                        struct lookup *found, struct rest_reply *out_answer);

/* What an answer says about `asked`, replied. 402 is 401 over TLS alone. */
enum status http_rest_answer(struct http_call *call, enum rest_kind kind,
                             const struct rest_asked *asked, struct bytes packet);
