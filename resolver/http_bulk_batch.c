/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /v1/handles:batch: many changes at once, a line of JSON each. `mode=item` (as it is): each
 * for itself; `mode=all`: all or nothing. With an Idempotency-Key what was done is done once, and
 * told again to whoever sends the same again within a day.
 *
 * The lines are read in slices of well under a millisecond; then one question goes to the node
 * (op_batch.h).
 */
#include <stdio.h>
#include <stdlib.h>

#include "protocol/digest.h"
#include "resolver/bulk_batch.h"
#include "resolver/bulk_note.h"
#include "resolver/http_auth.h"
#include "resolver/http_key.h"
#include "resolver/http_parts.h"
#include "resolver/http_repeat.h"
#include "resolver/http_route.h"
#include "resolver/op_batch.h"
#include "resolver/rest_answer.h"

#define SLICE_LINES 64
#define SLICE_BYTES (32u << 10)
#define LINES_TYPE "application/x-ndjson"

/* The call's state. */
struct batching {
    struct http_worker *http;
    struct batch *batch;
    struct bytes rest; /* of the request's body */
    size_t number;     /* of the last line */
    struct http_body text;
    size_t told;
};

static void batching_free(void *state)
{
    struct batching *batching = state;
    batching->http->bulk_count--;
    batch_release(batching->batch);
    http_body_free(&batching->text);
    free(batching);
}

/* --- the reply ---------------------------------------------------------------------------------
 */

static enum status finish(struct http_call *call)
{
    struct batching *batching = call->state;
    const struct batch *batch = batching->batch;
    bool is_refused = batch->is_all && !batch->is_committed && batch_refused(batch) > 0;
    if (batching->text.failed) {
        return STATUS_NO_MEMORY;
    }
    http_reply_begin(call, is_refused ? 422 : 200);
    if (batch->was_repeated) {
        http_reply_field(call, "Idempotency-Replayed", BYTES_LITERAL("true"));
    }
    http_reply_body(call, LINES_TYPE, bytes_of(batching->text.data, batching->text.len));
    return STATUS_OK;
}

static enum status tell_slice(struct http_call *call, const struct http_answer *answer)
{
    struct batching *batching = call->state;
    const struct batch *batch = batching->batch;
    struct rest_json json = rest_json_new(call->scope->arena, SLICE_BYTES);
    (void)answer;
    for (size_t i = 0; i < SLICE_LINES && batching->told < batch->count; i++) {
        batch_write_item(batch, batching->told++, &json);
    }
    bool is_last = batching->told == batch->count;
    if (is_last) {
        batch_write_summary(batch, &json);
    }
    batching->text.failed |= json.failed;
    http_body_put(&batching->text, rest_json_wrote(&json));
    return is_last ? finish(call) : http_call_later(call, tell_slice);
}

/* Nothing was looked at item by item: the caller is unknown, the node is busy. */
static enum status refuse_whole(struct http_call *call, const struct message *message)
{
    uint32_t code = message->header.response_code;
    unsigned http = rest_answer_status(REST_CHANGE, code, call->request.is_tls);
    char text[256];
    struct bytes said = rest_answer_text(message);
    (void)snprintf(text, sizeof(text), "%.*s", (int)(said.len < 255 ? said.len : 255),
                   (const char *)said.data);
    http_reply_problem(call, http, status_of_wire_code(code), text[0] == '\0' ? NULL : text);
    return STATUS_OK;
}

static enum status on_carried_out(struct http_call *call, const struct http_answer *answer)
{
    const struct batching *batching = call->state;
    struct message message;
    if (answer->status != STATUS_OK || message_decode(answer->packet, &message) != STATUS_OK) {
        http_reply_problem(call, 503, STATUS_SERVER_BUSY, NULL);
        return STATUS_OK;
    }
    if (message.header.response_code != status_wire_code(STATUS_OK)) {
        return refuse_whole(call, &message);
    }
    return batching->batch->clashes ? http_repeat_refuse(call) : tell_slice(call, answer);
}

/* --- the question ------------------------------------------------------------------------------
 */

static enum status ask(struct http_call *call)
{
    const struct batching *batching = call->state;
    struct bytes packet =
        rest_question_name(call->scope->arena, OP_BATCH_OPCODE, BYTES_NONE, call->scope->now_ms);
    const struct http_question question = {
        .packet = packet,
        .answered = on_carried_out,
        .terms = {.batch = batching->batch},
    };
    return packet.len == 0 ? STATUS_NO_MEMORY : http_ask(call, &question);
}

static enum status refuse_many(struct http_call *call, size_t most)
{
    char text[96];
    (void)snprintf(text, sizeof(text), "more items than limits.batch_items allows: %zu", most);
    http_reply_problem(call, 413, STATUS_NO_ROOM, text);
    return STATUS_OK;
}

static void limit_by_key(const struct http_call *call, const struct batch *batch,
                         struct batch_item *item)
{
    struct bytes name = batch_handle(batch, item);
    bool is_delete = item->operation == BATCH_DELETE;
    item->forbids_creating = http_key_forbids_item(call, APIKEY_CREATE, name);
    item->forbids_changing =
        http_key_forbids_item(call, is_delete ? APIKEY_DELETE : APIKEY_CHANGE, name);
}

static enum status read_slice(struct http_call *call, const struct http_answer *answer)
{
    struct batching *batching = call->state;
    struct batch *batch = batching->batch;
    size_t most = (size_t)call->worker->generation->settings->limits_batch_items;
    size_t begun = batching->rest.len;
    struct bytes line;
    (void)answer;
    for (size_t i = 0; i < SLICE_LINES && begun - batching->rest.len < SLICE_BYTES; i++) {
        if (!bulk_next_line(&batching->rest, &batching->number, &line)) {
            return ask(call);
        }
        if (batch->count == most) {
            return refuse_many(call, most);
        }
        enum status status = batch_add(batch, line, batching->number, call->scope->arena);
        if (status != STATUS_OK) {
            return status;
        }
        limit_by_key(call, batch, &batch->items[batch->count - 1]);
    }
    if (batch->bytes.len > CHANGE_SET_BYTES_MAX) {
        http_reply_problem(call, 413, STATUS_NO_ROOM, "a batch holds 16 MiB of records at most");
        return STATUS_OK;
    }
    return http_call_later(call, read_slice);
}

/* --- the request -------------------------------------------------------------------------------
 */

/* "mode=item", "mode=all"; false: it was refused. */
static bool read_mode(struct http_call *call, bool *out_is_all)
{
    struct bytes query = call->request.query;
    struct http_parameter parameter;
    enum status status = STATUS_OK;
    *out_is_all = false;
    while (http_parameter_next(call->scope->arena, &query, &parameter, &status)) {
        bool is_mode = status == STATUS_OK && bytes_equal(parameter.name, BYTES_LITERAL("mode"));
        bool is_all = is_mode && bytes_equal(parameter.value, BYTES_LITERAL("all"));
        if (status != STATUS_OK ||
            (is_mode && !is_all && !bytes_equal(parameter.value, BYTES_LITERAL("item")))) {
            http_reply_problem(call, 400, STATUS_BAD_SYNTAX, "mode: item or all");
            return false;
        }
        *out_is_all |= is_all;
    }
    return true;
}

static enum status start(struct http_call *call, bool is_all)
{
    struct http_worker *http = call->worker->http;
    struct batching *batching = calloc(1, sizeof(*batching));
    if (batching == NULL) {
        return STATUS_NO_MEMORY;
    }
    batching->http = http;
    batching->rest = call->request.body;
    batching->batch = batch_new(is_all);
    http->bulk_count++;
    call->state = batching;
    call->state_free = batching_free;
    struct batch *batch = batching->batch;
    if (batch == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct http_repeat repeat;
    if (!http_repeat_read(call, &repeat)) {
        return STATUS_OK;
    }
    batch->has_repeat = repeat.is_wanted;
    memcpy(batch->repeat_key, repeat.key, sizeof(batch->repeat_key));
    memcpy(batch->repeat_digest, repeat.digest, sizeof(batch->repeat_digest));
    return http_call_later(call, read_slice);
}

static enum status begin(struct http_call *call)
{
    const struct settings *settings = call->worker->generation->settings;
    bool is_all = false;
    if (!bulk_is_lines(&call->request)) {
        http_reply_problem(call, 415, STATUS_NOT_SUPPORTED, "only " LINES_TYPE " is taken here");
        return STATUS_OK;
    }
    if (!read_mode(call, &is_all)) {
        return STATUS_OK;
    }
    if (call->worker->http->bulk_count >= (size_t)settings->limits_bulk) {
        http_reply_problem(call, 503, STATUS_SERVER_BUSY,
                           "as many calls for many names as limits.bulk allows are under way");
        return STATUS_OK;
    }
    return start(call, is_all);
}

enum status http_bulk_batch(struct http_call *call)
{
    return http_auth_begin(call, begin);
}
