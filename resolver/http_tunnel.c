/* SPDX-License-Identifier: Apache-2.0
 *
 * The Handle protocol over HTTP (protocol.md §3.5): one message in, its answer out, with the
 * answers of a list behind one another. Whatever is wrong with the message is said in the message;
 * HTTP says 200.
 */
#include <stdlib.h>

#include "resolver/http_route.h"

#define MESSAGE_TYPE "application/x-hdl-message"

static bool is_message(const struct http_request *request)
{
    struct bytes type = http_request_field(request, "Content-Type");
    size_t len = sizeof(MESSAGE_TYPE) - 1;
    if (type.len < len ||
        !bytes_equal_nocase(bytes_of(type.data, len), BYTES_LITERAL(MESSAGE_TYPE))) {
        return false;
    }
    return type.len == len || type.data[len] == ';' || type.data[len] == ' ';
}

static void reply(struct http_call *call, struct bytes packets)
{
    http_reply_begin(call, 200);
    http_reply_body(call, MESSAGE_TYPE, packets);
}

static void free_list(void *state)
{
    struct http_body *list = state;
    http_body_free(list);
    free(list);
}

/* Where the answers of a list are put behind one another; NULL: no memory. */
static struct http_body *list_of(struct http_call *call)
{
    if (call->state == NULL) {
        call->state = calloc(1, sizeof(struct http_body));
        call->state_free = free_list;
    }
    return call->state;
}

static enum status tunnel_on_answer(struct http_call *call, const struct http_answer *answer)
{
    if (answer->status != STATUS_OK) { /* nothing is said to what is no request */
        http_reply_problem(call, 400, STATUS_PROTOCOL_ERROR, NULL);
        return STATUS_OK;
    }
    if (call->state == NULL && answer->is_last) {
        reply(call, answer->packet);
        return STATUS_OK;
    }
    struct http_body *list = list_of(call);
    if (list == NULL) {
        return STATUS_NO_MEMORY;
    }
    http_body_put(list, answer->packet);
    if (list->failed) {
        return STATUS_NO_ROOM;
    }
    if (!answer->is_last) {
        return STATUS_PENDING;
    }
    reply(call, bytes_of(list->data, list->len));
    return STATUS_OK;
}

enum status http_tunnel_run(struct http_call *call)
{
    if (!is_message(&call->request)) {
        http_reply_problem(call, 415, STATUS_NOT_SUPPORTED, "only " MESSAGE_TYPE " is taken here");
        return STATUS_OK;
    }
    const struct http_question question = {
        .packet = call->request.body, .answered = tunnel_on_answer, .keeps_id = true};
    return http_ask(call, &question);
}
