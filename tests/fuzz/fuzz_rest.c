/* SPDX-License-Identifier: Apache-2.0
 *
 * Any query and body as a REST request: refused with a reason, or packets that a node understands,
 * and an answer that is the JSON of what was put. First byte: how it is sent; then the query up to
 * a line's end, then the body.
 */
#include <stdlib.h>

#include "protocol/record_json.h"
#include "resolver/rest_answer.h"
#include "resolver/rest_question.h"

#define ARENA_FIRST 65536
#define ARENA_MAX (64u << 20)
#define NOW_MS 1795230000000
#define CODE_AT (MESSAGE_ENVELOPE_LEN + 4)
#define HANDLE BYTES_LITERAL("88.608/a")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

static void understand(struct bytes packet)
{
    struct message message;
    require(packet.len == 0 || message_decode(packet, &message) == STATUS_OK);
}

/* Compact and indented, the document says what the tree says. */
static void compare(struct arena *arena, struct bytes body, const struct body_values *values)
{
    const struct record record = {values->handle, values->values, values->count};
    struct rest_json indented = rest_json_indented(arena, body);
    struct bytes lines = rest_json_wrote(&indented);
    json_t *ours = json_loadb((const char *)body.data, body.len, JSON_ALLOW_NUL, NULL);
    json_t *again = json_loadb((const char *)lines.data, lines.len, JSON_ALLOW_NUL, NULL);
    json_t *tree = record_json_encode(&record, 0);
    require(ours != NULL && again != NULL && tree != NULL && json_equal(ours, again));
    require(json_equal(json_object_get(ours, "values"), json_object_get(tree, "values")));
    json_decref(tree);
    json_decref(again);
    json_decref(ours);
}

/* What was put, as an answer would tell it. */
static void answer(struct arena *arena, struct bytes packet)
{
    struct message message;
    struct body_values values;
    struct rest_reply reply;
    require(message_decode(packet, &message) == STATUS_OK);
    require(body_values_decode(message.body, arena, &values) == STATUS_OK);
    uint8_t *copy = arena_alloc(arena, packet.len);
    require(copy != NULL);
    memcpy(copy, packet.data, packet.len);
    wire_store_u32(copy + CODE_AT, 1);
    require(rest_answer_read(arena, REST_RESOLVE, HANDLE, bytes_of(copy, packet.len), &reply) ==
            STATUS_OK);
    require(reply.status == 200);
    compare(arena, reply.body, &values);
}

static void ask(struct arena *arena, const struct http_request *request)
{
    struct rest_asked asked;
    struct body_values values;
    struct fault fault = {STATUS_OK, ""};
    enum status status = rest_question_read(arena, request, &asked, &fault);
    if (status != STATUS_OK) {
        require(fault.status == status && fault.text[0] != '\0');
        return;
    }
    asked.handle = HANDLE;
    understand(rest_question_resolve(arena, &asked, true, NOW_MS));
    understand(rest_question_delete(arena, &asked, NOW_MS));
    understand(rest_question_name(arena, 105, asked.prefix, NOW_MS));
    status = rest_question_values(arena, request, &asked, &values, &fault);
    if (status != STATUS_OK) {
        require(fault.status == status && fault.text[0] != '\0');
        return;
    }
    struct bytes packet = rest_question_put(arena, &asked, &values, NOW_MS);
    if (packet.len > 0) {
        answer(arena, packet);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[2] = {"application/json", "application/x-www-form-urlencoded"};
    struct arena *arena = arena_new(ARENA_FIRST, ARENA_MAX);
    struct bytes all = bytes_of(data, size);
    require(arena != NULL);
    if (size > 0) {
        struct bytes rest = bytes_from(all, 1);
        const uint8_t *line = rest.len == 0 ? NULL : memchr(rest.data, '\n', rest.len);
        size_t len = line == NULL ? rest.len : (size_t)(line - rest.data);
        const struct http_field field = {BYTES_LITERAL("Content-Type"),
                                         bytes_of_text(types[data[0] >> 1 & 1])};
        const struct http_request request = {
            .verb = (data[0] & 1) != 0 ? HTTP_VERB_POST : HTTP_VERB_PUT,
            .fields = &field,
            .field_count = 1,
            .query = bytes_of(rest.data, len),
            .body = bytes_from(rest, len + 1),
        };
        ask(arena, &request);
    }
    arena_free(arena);
    return 0;
}
