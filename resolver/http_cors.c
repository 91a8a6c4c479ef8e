/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests from pages of other origins (http_cors.h), answered as the reference server does.
 */
#include "resolver/http_cors.h"

#define ALLOWED_METHODS "GET,POST,HEAD,PUT,DELETE"
#define ALLOWED_FIELDS "X-Requested-With,Authorization,Origin,Accept,Content-Type"
#define REMEMBERED_S "86400"

void http_cors_fields(struct http_call *call)
{
    struct bytes origin = http_request_field(&call->request, "Origin");
    /* Who may see figures is known by address: not every page they look at may, too. */
    bool is_open = !bytes_equal(call->request.path, BYTES_LITERAL("/metrics"));
    if (origin.len > 0 && is_open) {
        http_reply_field(call, "Access-Control-Allow-Origin", origin);
        http_reply_field(call, "Vary", BYTES_LITERAL("Origin"));
    }
}

bool http_cors_answer(struct http_call *call)
{
    const struct http_request *request = &call->request;
    if (request->verb != HTTP_VERB_OPTIONS || http_request_field(request, "Origin").len == 0 ||
        http_request_field(request, "Access-Control-Request-Method").len == 0) {
        return false;
    }
    http_reply_begin(call, 200);
    http_reply_field(call, "Access-Control-Max-Age", BYTES_LITERAL(REMEMBERED_S));
    http_reply_field(call, "Access-Control-Allow-Methods", BYTES_LITERAL(ALLOWED_METHODS));
    http_reply_field(call, "Access-Control-Allow-Headers", BYTES_LITERAL(ALLOWED_FIELDS));
    http_reply_end(call);
    return true;
}
