/* SPDX-License-Identifier: Apache-2.0
 *
 * Any text as a record: refused with a reason, or a record that JSON carries back and forth without
 * a byte's difference.
 */
#include <stdlib.h>

#include "protocol/record_json.h"

#define ARENA_FIRST 65536
#define ARENA_MAX (64u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

static bool value_equal(const struct value *a, const struct value *b)
{
    return a->index == b->index && a->timestamp == b->timestamp && a->ttl_type == b->ttl_type &&
           a->ttl == b->ttl && a->permissions == b->permissions && bytes_equal(a->type, b->type) &&
           bytes_equal(a->data, b->data) && a->reference_count == b->reference_count &&
           bytes_equal(a->references, b->references);
}

static void through_json(const struct record *record, struct arena *arena)
{
    json_t *json = record_json_encode(record, RECORD_JSON_PERMISSIONS);
    struct record again;
    require(json != NULL);
    require(record_json_decode(json, arena, 0, &again, NULL) == STATUS_OK);
    require(bytes_equal(again.handle, record->handle) && again.count == record->count);
    for (size_t i = 0; i < record->count; i++) {
        require(value_equal(&again.values[i], &record->values[i]));
    }
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(ARENA_FIRST, ARENA_MAX);
    struct record record;
    struct fault fault = {STATUS_OK, ""};
    require(arena != NULL);
    enum status status = record_json_parse(bytes_of(data, size), arena, 0, &record, &fault);
    if (status == STATUS_OK) {
        (void)value_list_check(record.handle, record.values, record.count, NULL);
        through_json(&record, arena);
    } else {
        require(fault.status == status && fault.text[0] != '\0');
    }
    arena_free(arena);
    return 0;
}
