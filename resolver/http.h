/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/1.1: a request and its answer as handlers see them (design §6). The page to read before
 * writing a route.
 *
 * A connection (http_stream.c) works on one request at a time: a `struct http_call`. Its handler
 * answers at once, or asks the node something in the words of the Handle protocol (`http_ask`), as
 * a client over TCP would, and goes on in a callback: so permissions, quotas, waiting and
 * forwarding are those of exchange.h, and nothing is decided twice. Everything here belongs to one
 * worker's thread. What a call borrows lives until the call ends, over all waits; snapshot and
 * arena only until the handler or callback returns.
 */
#pragma once

#include "protocol/value.h"
#include "resolver/exchange.h"

struct certificate;
struct http_auth;
struct http_call;
struct worker;

/* --- the request --------------------------------------------------------------------------------
 */

enum http_verb {
    HTTP_VERB_GET = 1,
    HTTP_VERB_HEAD = 2, /* answered as GET; the body is left away by http_reply */
    HTTP_VERB_POST = 4,
    HTTP_VERB_PUT = 8,
    HTTP_VERB_DELETE = 16,
    HTTP_VERB_OPTIONS = 32,
};

struct http_field {
    struct bytes name;  /* as sent; compared without case */
    struct bytes value; /* without blanks around it */
};

/* Judged already: one Host, a length that is unambiguous, no byte that another server could read
 * differently (RFC 9112 §2.2, §5, §6). */
struct http_request {
    enum http_verb verb;
    struct bytes path;  /* as sent, percent-encoded; begins with "/" */
    struct bytes query; /* what follows "?", as sent; empty: none */
    const struct http_field *fields;
    size_t field_count;
    struct bytes body; /* whole, chunks joined; at most limits.http_body */
    bool is_tls;
    struct net_address peer;   /* of the connection */
    struct net_address client; /* behind a trusted proxy whom it speaks for, else peer */
    const struct certificate *certificate; /* NULL: none was shown */
};

/* The first field of that name; BYTES_NONE (data NULL): none. */
struct bytes http_request_field(const struct http_request *request, const char *name);
/* How many fields of that name there are. */
size_t http_request_field_count(const struct http_request *request, const char *name);

/* Percent-decodes into `arena`. BAD_SYNTAX: a broken escape or %00. `plus_is_blank`: queries and
 * forms. */
enum status http_decode(struct arena *arena, struct bytes text, bool plus_is_blank,
                        struct bytes *out);

/* One parameter after the other of a query or form body: `*rest` starts as the whole and shrinks.
 * false: there is none left. OK in `out_status`, or BAD_SYNTAX. `has_value`: there was a "=". */
struct http_parameter {
    struct bytes name; /* decoded, in the arena */
    struct bytes value;
    bool has_value;
};
bool http_parameter_next(struct arena *arena, struct bytes *rest, struct http_parameter *out,
                         enum status *out_status);

/* --- the answer ---------------------------------------------------------------------------------
 *
 * begin, fields, then exactly one of body and end. Content-Length, Date, Connection and, for HEAD,
 * the missing body are the connection's business. Nothing here fails visibly: without memory the
 * connection is closed instead of answered. */

void http_reply_begin(struct http_call *call, unsigned status);
/* `value` must be free of CR, LF and NUL: such a field is left out, and told in the log. */
void http_reply_field(struct http_call *call, const char *name, struct bytes value);
/* `type`: of its content; NULL: none is said. The body is copied. */
void http_reply_body(struct http_call *call, const char *type, struct bytes body);
void http_reply_end(struct http_call *call);

/* application/problem+json (RFC 9457) of our own routes: reason and remedy from the status table,
 * `detail` may be NULL. */
void http_reply_problem(struct http_call *call, unsigned status, enum status why,
                        const char *detail);

/* Room for a body that is put together piece by piece. http_reply_body refuses what is longer than
 * limits.http_answer. */
#define HTTP_BODY_MAX (64u << 20)
struct http_body {
    uint8_t *data; /* owned */
    size_t len;
    size_t size;
    bool failed; /* no memory, or longer than HTTP_BODY_MAX: answer 500 instead */
};
void http_body_put(struct http_body *body, struct bytes bytes);
void http_body_text(struct http_body *body, const char *text);
void http_body_free(struct http_body *body);

/* --- calls --------------------------------------------------------------------------------------
 */

/* An answer of the node, whole: envelope ‖ message. Lists come in several: `is_last` false. OK in
 * `status`, or DROP: there is none. Returns as handlers do: OK when the reply stands. */
struct http_answer {
    enum status status;
    uint32_t tag;        /* the question's */
    struct bytes packet; /* borrowed until the callback returns */
    bool is_last;
};
typedef enum status http_answered(struct http_call *call, const struct http_answer *answer);

/* OK: the reply stands. PENDING: something was asked, a callback goes on. */
typedef enum status http_handler(struct http_call *call);

struct http_call {
    struct http_request request;
    const struct exchange_scope *scope; /* of this run: set anew before every callback */
    struct worker *worker;
    void *state; /* the handler's; freed with the call by `state_free` */
    void (*state_free)(void *state);
    struct http_auth *auth;     /* http_auth.c's: what it knows of the caller; NULL: nothing yet */
    http_handler *auth_go_on;   /* and who waits for that */
    struct http_inside *inside; /* the connection's */
};

/* Asks the node: `packet` is envelope ‖ message, copied; its request id is replaced by a fresh one.
 * `answered` is called exactly once per message of the answer, perhaps before http_ask returns, and
 * its status is what http_ask returns then: `return http_ask(...)`. What a callback asks is
 * answered after it has returned: PENDING, so that chains of questions are no recursion. At most
 * HTTP_QUESTIONS_MAX of a call may be unanswered; over it, or without memory: SERVER_BUSY, nothing
 * was asked. Once a reply stands, and when the connection goes, `answered` is not called any more.
 */
#define HTTP_QUESTIONS_MAX 256
struct http_question {
    struct bytes packet;
    uint32_t tag;
    http_answered *answered;
    bool keeps_id; /* the request id is somebody else's: a message that came through a tunnel */
    struct exchange_terms terms;
};
enum status http_ask(struct http_call *call, const struct http_question *question);

/* Work that would keep others waiting goes on in a turn of its own: `go_on` is called then, with an
 * answer that has no packet. Once for however many wish it meanwhile. PENDING; NO_MEMORY. */
enum status http_call_later(struct http_call *call, http_answered *go_on);

/* Whom the call's questions come from, from now on: proven by whoever calls this (http_auth.c); it
 * ends with the call. NO_MEMORY. */
enum status http_call_is_from(struct http_call *call, struct reference identity);
/* NULL: nobody, or a client certificate that is claimed only. */
bool http_call_identity(const struct http_call *call, struct reference *out_identity);

/* --- routes ------------------------------------------------------------------------------------
 */

/* The first whose verbs and path fit is called; a path without its verb is answered 405. Order is
 * the table's. */
struct http_route {
    unsigned verbs;    /* of http_verb */
    const char *path;  /* "/healthz"; ending in "/" and something: a beginning, "/api/handles/" */
    bool is_beginning; /* everything below `path` */
    http_handler *handler;
};

struct http_routes {
    const struct http_route *rows;
    size_t count;
};
