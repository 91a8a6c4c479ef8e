/* SPDX-License-Identifier: Apache-2.0
 *
 * Any handle below a prefix with any template: the first line is what follows the prefix, the rest
 * the name space. The base record has some values, one of which is a template that may be referred
 * to. Whatever comes out could be stored, and the checker takes what runs.
 */
#include <stdlib.h>

#include "protocol/template.h"

#define ARENA_FIRST 65536
#define ARENA_MAX (8u << 20) /* a worker's */
#define ROOM 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

static struct bytes encode(const struct value *values, size_t count, uint8_t *room, size_t size)
{
    struct wire_writer w = wire_write(room, size);
    value_list_encode(&w, values, count);
    return wire_wrote(&w);
}

static struct value public_value(uint32_t index, struct bytes type, struct bytes data)
{
    return (struct value){.index = index,
                          .ttl = 1,
                          .permissions = VALUE_PERMISSIONS_DEFAULT,
                          .type = type,
                          .data = data};
}

static enum status on_record(void *context, struct bytes handle, struct bytes *out_values)
{
    const struct bytes *base = context;
    if (handle.len > 16) {
        return STATUS_HANDLE_NOT_FOUND;
    }
    *out_values = *base;
    return STATUS_OK;
}

static void answer(struct bytes suffix, struct bytes name_space, struct arena *arena)
{
    uint8_t *room = arena_alloc(arena, ROOM);
    uint8_t *outer_room = arena_alloc(arena, name_space.len + ROOM);
    struct wire_writer handle = wire_write(arena_alloc(arena, HANDLE_MAX), HANDLE_MAX);
    const struct value base[] = {
        public_value(1, BYTES_LITERAL("URL"), BYTES_LITERAL("http://a.cn/x")),
        public_value(2, BYTES_LITERAL("EMAIL"), BYTES_LITERAL("x@y\xff")),
        public_value(3, BYTES_LITERAL("HS_SECKEY"), BYTES_LITERAL("k")),
        public_value(4, BYTES_LITERAL("T"),
                     BYTES_LITERAL("<n><template ref=\"4:8.1/a\"/><template><foreach><value "
                                   "data=\"${data}${extension}\"/></foreach></template></n>")),
    };
    const struct value outer = public_value(1, BYTES_LITERAL("HS_NAMESPACE"), name_space);
    require(room != NULL && outer_room != NULL && handle.start != NULL);
    struct bytes values = encode(base, sizeof(base) / sizeof(base[0]), room, ROOM);
    wire_put_raw(&handle, BYTES_LITERAL("8.1/"));
    wire_put_raw(&handle, suffix);
    const struct template_question question = {
        .handle = wire_wrote(&handle),
        .name_space = encode(&outer, 1, outer_room, name_space.len + ROOM),
        .record = on_record,
        .context = &values,
    };
    struct value *made = NULL;
    size_t count = 0;
    struct fault fault = {STATUS_OK, ""};
    enum status status = template_answer(&question, arena, &made, &count, &fault);
    require(status != STATUS_INVALID_VALUE || fault.text[0] != '\0');
    require(status != STATUS_OK ||
            (count > 0 && value_list_check(question.handle, made, count, NULL) == STATUS_OK));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);
    size_t len = end == NULL ? 0 : (size_t)(end - data);
    if (end == NULL || len > HANDLE_MAX - 4) {
        return 0;
    }
    struct bytes name_space = bytes_from(bytes_of(data, size), len + 1);
    struct fault fault = {STATUS_OK, ""};
    struct arena *arena = arena_new(ARENA_FIRST, ARENA_MAX);
    require(arena != NULL);
    answer(bytes_of(data, len), name_space, arena);
    arena_reset(arena);
    enum status status = template_check(name_space, arena, &fault);
    require(status == STATUS_OK || fault.text[0] != '\0');
    arena_free(arena);
    return 0;
}
