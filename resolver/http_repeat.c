/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading Idempotency-Key (http_repeat.h).
 */
#include "resolver/http_repeat.h"

#include "protocol/digest.h"
#include "protocol/handle.h"
#include "protocol/wire.h"

#define FIELD "Idempotency-Key"

/* Printable ASCII. */
static bool is_key(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x20 || text.data[i] > 0x7e) {
            return false;
        }
    }
    return text.len > 0 && text.len <= HTTP_REPEAT_KEY_MAX;
}

/* Runs behind their lengths, so that no two requests read the same. */
static enum status digest_runs(const struct bytes *runs, size_t count, uint8_t out[32])
{
    uint8_t lengths[4][4];
    struct bytes all[8];
    assert(count <= 4);
    for (size_t i = 0; i < count; i++) {
        wire_store_u32(lengths[i], (uint32_t)runs[i].len);
        all[2 * i] = bytes_of(lengths[i], sizeof(lengths[i]));
        all[2 * i + 1] = runs[i];
    }
    return digest_sha256(all, 2 * count, out);
}

static bool make(struct http_call *call, struct reference who, struct bytes field,
                 struct http_repeat *repeat)
{
    const struct http_request *request = &call->request;
    uint8_t folded[HANDLE_MAX];
    uint8_t index[4];
    uint8_t verb = (uint8_t)request->verb;
    wire_store_u32(index, who.index);
    const struct bytes account[] = {handle_fold(who.handle, CASE_INSENSITIVE, folded),
                                    bytes_of(index, sizeof(index)), field};
    const struct bytes content[] = {bytes_of(&verb, 1), request->path, request->query,
                                    request->body};
    return digest_runs(account, 3, repeat->key) == STATUS_OK &&
           digest_runs(content, 4, repeat->digest) == STATUS_OK;
}

bool http_repeat_read(struct http_call *call, struct http_repeat *out_repeat)
{
    struct reference who;
    struct bytes field = http_request_field(&call->request, FIELD);
    size_t count = http_request_field_count(&call->request, FIELD);
    *out_repeat = (struct http_repeat){.is_wanted = count > 0};
    if (count == 0) {
        return true;
    }
    if (count > 1 || !is_key(field)) {
        http_reply_problem(call, 400, STATUS_BAD_SYNTAX,
                           FIELD ": one, of 1 to 255 printable characters");
    } else if (!http_call_identity(call, &who) || who.handle.len > HANDLE_MAX) {
        http_reply_problem(call, call->request.is_tls ? 401 : 403, STATUS_AUTHENTICATION_NEEDED,
                           FIELD " is for those who say who they are");
    } else if (!make(call, who, field, out_repeat)) {
        http_reply_problem(call, 503, STATUS_SERVER_BUSY, NULL);
    } else {
        return true;
    }
    return false;
}

enum status http_repeat_refuse(struct http_call *call)
{
    http_reply_problem(call, 422, STATUS_CONFLICT, FIELD ": belongs to another request");
    return STATUS_OK;
}
