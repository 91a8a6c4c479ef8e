/* SPDX-License-Identifier: Apache-2.0
 *
 * A record through JSON text and back. For test programs only: a difference fails the test.
 */
#pragma once

#include <stdlib.h>

#include "protocol/record_json.h"
#include "tests/unit/protocol/vectors.h"

static inline struct bytes json_survives_list(struct arena *arena, const struct record *record)
{
    size_t len = value_list_encoded_len(record->values, record->count);
    uint8_t *room = arena_alloc(arena, len);
    assert_non_null(room);
    struct wire_writer w = wire_write(room, len);
    value_list_encode(&w, record->values, record->count);
    assert_false(w.failed);
    return wire_wrote(&w);
}

/* Through JSON text and back, in both notations of bytes. */
static inline void json_survives(struct arena *arena, const struct record *record)
{
    static const unsigned options[] = {0, RECORD_JSON_HEX | RECORD_JSON_PERMISSIONS};
    for (size_t i = 0; i < 2; i++) {
        json_t *json = record_json_encode(record, options[i]);
        assert_non_null(json);
        char *text = json_dumps(json, JSON_COMPACT);
        assert_non_null(text);
        struct record again;
        struct fault fault = {STATUS_OK, ""};
        /* A timestamp of 0 is not written: "now" brings it back. */
        if (record_json_parse(bytes_of_text(text), arena, 0, &again, &fault) != STATUS_OK) {
            fail_msg("%s: %s", text, fault.text);
        }
        vectors_assert_equal(again.handle, record->handle);
        vectors_assert_equal(json_survives_list(arena, &again), json_survives_list(arena, record));
        free(text);
        json_decref(json);
    }
}
