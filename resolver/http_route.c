/* SPDX-License-Identifier: Apache-2.0
 *
 * Choosing by verb and path (http_route.h).
 */
#include "resolver/http_route.h"

#include <stdio.h>

#include "resolver/http_cors.h"

static const struct http_route rows[] = {
#define HTTP_ROUTE(verbs, path, is_beginning, handler) {verbs, path, is_beginning, handler},
#include "resolver/http_routes.def"
#undef HTTP_ROUTE
};

const struct http_routes http_routes_own = {.rows = rows, .count = sizeof(rows) / sizeof(rows[0])};

static bool fits_path(const struct http_route *row, struct bytes path)
{
    struct bytes wanted = bytes_of_text(row->path);
    return row->is_beginning ? bytes_start_with(path, wanted) : bytes_equal(path, wanted);
}

static unsigned verbs_of(const struct http_route *row)
{
    return row->verbs | ((row->verbs & HTTP_VERB_GET) != 0 ? (unsigned)HTTP_VERB_HEAD : 0);
}

static void tell_verbs(struct http_call *call, unsigned verbs)
{
    static const struct {
        unsigned verb;
        const char *name;
    } names[] = {
        {HTTP_VERB_GET, "GET"}, {HTTP_VERB_HEAD, "HEAD"},     {HTTP_VERB_POST, "POST"},
        {HTTP_VERB_PUT, "PUT"}, {HTTP_VERB_DELETE, "DELETE"}, {HTTP_VERB_OPTIONS, "OPTIONS"},
    };
    char text[64] = "";
    size_t len = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((verbs & names[i].verb) != 0) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len == 0 ? "" : ", ",
                                    names[i].name);
        }
    }
    http_reply_field(call, "Allow", bytes_of(text, len));
}

/* No row has this verb; `verbs`: those which rows of this path have. */
static enum status answer_none(struct http_call *call, unsigned verbs)
{
    if (verbs == 0) {
        http_reply_problem(call, 404, STATUS_NOT_FOUND, NULL);
        return STATUS_OK;
    }
    verbs |= (unsigned)HTTP_VERB_OPTIONS;
    if (call->request.verb == HTTP_VERB_OPTIONS) {
        http_reply_begin(call, 204);
        tell_verbs(call, verbs);
        http_reply_end(call);
        return STATUS_OK;
    }
    http_reply_begin(call, 405);
    tell_verbs(call, verbs);
    http_reply_end(call);
    return STATUS_OK;
}

enum status http_route_run(struct http_call *call, const struct http_routes *routes)
{
    unsigned verbs = 0;
    if (http_cors_answer(call)) {
        return STATUS_OK;
    }
    bool is_all = bytes_equal(call->request.path, BYTES_LITERAL("*"));
    for (size_t i = 0; routes != NULL && i < routes->count; i++) {
        const struct http_route *row = &routes->rows[i];
        if (!is_all && !fits_path(row, call->request.path)) {
            continue;
        }
        verbs |= verbs_of(row);
        if (!is_all && (verbs_of(row) & (unsigned)call->request.verb) != 0) {
            return row->handler(call);
        }
    }
    return answer_none(call, verbs);
}
