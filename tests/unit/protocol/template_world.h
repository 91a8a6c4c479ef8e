/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of templates share: records in memory, a question, what came of it.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "protocol/message.h"
#include "protocol/template.h"

#define ARENA_MAX (8u << 20)
#define RECORDS_MAX 16
#define PREFIX "88.1000"
#define STAMP 1700000000

/* Records under the names they are asked for; `name_space` is the prefix's. */
struct world {
    struct arena *arena;  /* of the records */
    struct arena *answer; /* small as a worker's */
    struct {
        const char *handle;
        struct bytes values;
    } records[RECORDS_MAX];
    size_t record_count;
    size_t asked; /* how many records were asked for */
    enum case_rule case_rule;
    struct value *values; /* the last answer */
    size_t count;
    struct fault fault;
};

static inline struct value value_of(uint32_t index, const char *type, struct bytes data)
{
    return (struct value){
        .index = index,
        .timestamp = STAMP,
        .ttl = 3600,
        .permissions = VALUE_PERMISSIONS_DEFAULT,
        .type = bytes_of_text(type),
        .data = data,
    };
}

static inline struct bytes encoded(struct world *w, const struct value *values, size_t count)
{
    size_t size = value_list_encoded_len(values, count);
    uint8_t *room = arena_alloc(w->arena, size);
    assert_non_null(room);
    struct wire_writer writer = wire_write(room, size);
    value_list_encode(&writer, values, count);
    assert_int_equal(wire_wrote(&writer).len, size);
    return wire_wrote(&writer);
}

static inline void put(struct world *w, const char *handle, const struct value *values,
                       size_t count)
{
    assert_in_range(w->record_count, 0, RECORDS_MAX - 1);
    w->records[w->record_count].handle = handle;
    w->records[w->record_count++].values = encoded(w, values, count);
}

static inline void put_text(struct world *w, const char *handle, uint32_t index, const char *type,
                            const char *data)
{
    const struct value value = value_of(index, type, bytes_of_text(data));
    put(w, handle, &value, 1);
}

static inline enum status record_of(void *context, struct bytes handle, struct bytes *out_values)
{
    struct world *w = context;
    w->asked++;
    for (size_t i = 0; i < w->record_count; i++) {
        if (bytes_equal(handle, bytes_of_text(w->records[i].handle))) {
            *out_values = w->records[i].values;
            return STATUS_OK;
        }
    }
    return STATUS_HANDLE_NOT_FOUND;
}

static inline enum status ask_of(struct world *w, const char *handle, struct bytes prefix_values)
{
    const struct template_question question = {
        .handle = bytes_of_text(handle),
        .name_space = prefix_values,
        .case_rule = w->case_rule,
        .record = record_of,
        .context = w,
    };
    arena_reset(w->answer);
    w->asked = 0;
    w->count = 0;
    w->fault = (struct fault){0};
    return template_answer(&question, w->answer, &w->values, &w->count, &w->fault);
}

static inline enum status ask_bytes(struct world *w, const char *handle, struct bytes xml)
{
    const struct value value = value_of(2, "HS_NAMESPACE", xml);
    return ask_of(w, handle, encoded(w, &value, 1));
}

static inline enum status ask(struct world *w, const char *handle, const char *xml)
{
    return ask_bytes(w, handle, bytes_of_text(xml));
}

/* The answer as "index type data; ...". */
static inline const char *told(const struct world *w, char out[1024])
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < w->count && len < 900; i++) {
        const struct value *v = &w->values[i];
        len += (size_t)snprintf(out + len, 1024 - len, "%s%u %.*s %.*s", i == 0 ? "" : "; ",
                                v->index, (int)v->type.len, (const char *)v->type.data,
                                (int)v->data.len, (const char *)v->data.data);
    }
    return out;
}

static inline void expect(struct world *w, const char *handle, const char *xml, const char *wanted)
{
    char text[1024];
    enum status status = ask(w, handle, xml);
    if (status != STATUS_OK) {
        fail_msg("%s: %s %s", xml, status_name(status), w->fault.text);
    }
    assert_string_equal(told(w, text), wanted);
}

static inline void expect_status(struct world *w, const char *handle, const char *xml,
                                 enum status wanted)
{
    enum status status = ask(w, handle, xml);
    if (status != wanted) {
        fail_msg("%.300s: %s %s", xml, status_name(status), w->fault.text);
    }
    assert_int_equal(w->count, 0);
}

static inline void expect_bad(struct world *w, const char *handle, const char *xml,
                              const char *reason)
{
    expect_status(w, handle, xml, STATUS_INVALID_VALUE);
    if (strstr(w->fault.text, reason) == NULL) {
        fail_msg("%.200s: said \"%s\", not \"%s\"", xml, w->fault.text, reason);
    }
}

/* `inner` in a template with the delimiter "@". */
static inline const char *at(const char *inner)
{
    static char text[70000];
    (void)snprintf(text, sizeof(text),
                   "<namespace><template delimiter=\"@\">%s</template></namespace>", inner);
    return text;
}

static inline int open_world(void **state)
{
    static struct world world;
    world = (struct world){.case_rule = CASE_INSENSITIVE};
    world.arena = arena_new(1u << 16, 64u << 20);
    world.answer = arena_new(1u << 16, ARENA_MAX);
    assert_non_null(world.arena);
    assert_non_null(world.answer);
    const struct value base[] = {
        value_of(1, "URL", BYTES_LITERAL("http://a/")),
        value_of(3, "URL", BYTES_LITERAL("http://b/")),
        value_of(7, "EMAIL", BYTES_LITERAL("x@y")),
    };
    put(&world, PREFIX "/book", base, 3);
    *state = &world;
    return 0;
}

static inline int close_world(void **state)
{
    struct world *w = *state;
    arena_free(w->arena);
    arena_free(w->answer);
    return 0;
}

static inline const char *repeated(const char *start, const char *piece, size_t times,
                                   const char *end)
{
    static char text[80000];
    size_t len = (size_t)snprintf(text, sizeof(text), "%s", start);
    for (size_t i = 0; i < times; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", piece);
        assert_in_range(len, 0, sizeof(text) - 200);
    }
    (void)snprintf(text + len, sizeof(text) - len, "%s", end);
    return text;
}

/* Wall clocks of shared machines lie: CPU time, and far more than it takes. */
static inline double seconds_of(struct world *w, const char *handle, const char *xml,
                                const char *reason)
{
    clock_t start = clock();
    expect_bad(w, handle, xml, reason);
    return (double)(clock() - start) / CLOCKS_PER_SEC;
}

#define SOON 2.0 /* with sanitizers */

static inline void copy_text(char *out, size_t size, const char *text)
{
    assert_in_range(strlen(text), 0, size - 1);
    memcpy(out, text, strlen(text) + 1);
}
