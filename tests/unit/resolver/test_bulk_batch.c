/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of a batch, what is told of each, and what is kept of them.
 */
#include "resolver/bulk_batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/body.h"

static struct arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(4096, 1 << 20);
    return arena == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static struct batch *batch_of(const char *const *lines, size_t count)
{
    struct batch *batch = batch_new(false);
    assert_non_null(batch);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(batch_add(batch, bytes_of_text(lines[i]), i + 1, arena), STATUS_OK);
    }
    return batch;
}

static void check_line(const struct batch *batch, size_t at, const char *expected)
{
    struct rest_json json = rest_json_new(arena, 256);
    batch_write_item(batch, at, &json);
    struct bytes text = rest_json_wrote(&json);
    if (!bytes_equal(text, bytes_of_text(expected))) {
        print_error("%.*s\n", (int)text.len, (const char *)text.data);
    }
    assert_true(bytes_equal(text, bytes_of_text(expected)));
}

static void line_that_is_no_item_is_refused_in_its_place(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "nonsense",
        "[]",
        "{\"op\":\"put\"}",
        "{\"op\":\"burn\",\"handle\":\"a/1\"}",
        "{\"op\":\"put\",\"handle\":\"a/1\"}",
        "{\"op\":\"put\",\"handle\":\"a/1\",\"values\":7}",
        "{\"op\":\"delete\",\"handle\":\"a/1\",\"if_version\":-1}",
        "{\"op\":\"delete\",\"handle\":\"a/1\",\"if_version\":\"1\"}",
    };
    size_t count = sizeof(lines) / sizeof(lines[0]);
    struct batch *batch = batch_of(lines, count);
    assert_int_equal(batch_refused(batch), count);
    for (size_t i = 0; i < count; i++) {
        assert_true(batch->items[i].is_malformed);
        assert_non_null(batch->items[i].text);
        assert_true(bytes_equal(batch_handle(batch, &batch->items[i]),
                                i < 3 ? BYTES_NONE : BYTES_LITERAL("a/1")));
    }
    batch_begin_again(batch);
    assert_int_equal(batch_refused(batch), count);
    batch_release(batch);
}

static void item_holds_what_a_message_would(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "{\"op\":\"create\",\"handle\":\"a/1\",\"values\":[{\"index\":1,\"type\":\"URL\",\"data\":"
        "\"x\"}]}",
        "{\"op\":\"delete\",\"handle\":\"a/2\",\"if_version\":3}",
    };
    struct batch *batch = batch_of(lines, 2);
    const struct batch_item *item = batch->items;
    struct body_values body;
    assert_int_equal(item->operation, BATCH_CREATE);
    assert_int_equal(
        body_values_decode(bytes_of(batch->bytes.data + item->at, item->len), arena, &body),
        STATUS_OK);
    assert_true(bytes_equal(body.handle, BYTES_LITERAL("a/1")));
    assert_int_equal(body.count, 1);
    assert_true(bytes_equal(body.values[0].data, BYTES_LITERAL("x")));
    assert_int_equal(item[1].operation, BATCH_DELETE);
    assert_true(item[1].has_version);
    assert_int_equal(item[1].if_version, 3);
    batch_release(batch);
}

static void handle_met_again_is_the_second(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "{\"op\":\"delete\",\"handle\":\"a/x\"}",
        "{\"op\":\"delete\",\"handle\":\"a/y\"}",
        "{\"op\":\"delete\",\"handle\":\"A/X\"}",
    };
    struct batch *batch = batch_of(lines, 3);
    enum status status = STATUS_OK;
    assert_null(batch_meets(batch, 0, CASE_INSENSITIVE, &status));
    assert_null(batch_meets(batch, 0, CASE_INSENSITIVE, &status));
    assert_null(batch_meets(batch, 1, CASE_INSENSITIVE, &status));
    assert_ptr_equal(batch_meets(batch, 2, CASE_INSENSITIVE, &status), &batch->items[0]);
    assert_null(batch_meets(batch, 2, CASE_SENSITIVE, &status));
    assert_int_equal(status, STATUS_OK);
    batch_release(batch);
}

static void lines_told_say_what_became_of_items(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "{\"op\":\"delete\",\"handle\":\"a/1\"}", "{\"op\":\"delete\",\"handle\":\"a/2\"}",
        "{\"op\":\"delete\",\"handle\":\"a/3\"}", "{\"op\":\"delete\",\"handle\":\"a/4\"}"};
    struct batch *batch = batch_of(lines, 4);
    batch->items[0].status = STATUS_OK;
    batch->items[0].version = 7;
    batch_refuse(&batch->items[1], STATUS_HANDLE_NOT_FOUND, "");
    batch_refuse(&batch->items[2], STATUS_INVALID_VALUE, "why");
    check_line(batch, 0, "{\"line\":1,\"op\":\"delete\",\"handle\":\"a/1\",\"done\":false}\n");
    batch->is_committed = true;
    check_line(batch, 0,
               "{\"line\":1,\"op\":\"delete\",\"handle\":\"a/1\",\"responseCode\":1,\"version\":7}"
               "\n");
    check_line(batch, 1,
               "{\"line\":2,\"op\":\"delete\",\"handle\":\"a/2\",\"responseCode\":100,\"message\":"
               "\"handle not found\"}\n");
    check_line(batch, 2,
               "{\"line\":3,\"op\":\"delete\",\"handle\":\"a/3\",\"responseCode\":202,\"message\":"
               "\"why\"}\n");
    check_line(batch, 3, "{\"line\":4,\"op\":\"delete\",\"handle\":\"a/4\",\"done\":false}\n");
    batch_release(batch);
}

static void note_of_refusals_brings_them_back(void **state)
{
    (void)state;
    static const char *const lines[] = {"{\"op\":\"delete\",\"handle\":\"a/1\"}",
                                        "{\"op\":\"delete\",\"handle\":\"a/2\"}"};
    static const uint8_t done[] = {0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 9};
    struct batch *batch = batch_of(lines, 2);
    struct http_body note = {0};
    batch_refuse(&batch->items[0], STATUS_HANDLE_NOT_FOUND, "gone");
    batch->items[1].is_in_set = true;
    assert_int_equal(batch_note(batch, &note), STATUS_OK);
    struct repeat_row row = {
        .note = bytes_of(note.data, note.len), .count = 1, .items = bytes_of(done, sizeof(done))};
    struct batch *again = batch_of(lines, 2);
    assert_int_equal(batch_recall(again, &row), STATUS_OK);
    assert_int_equal(again->items[0].status, STATUS_HANDLE_NOT_FOUND);
    assert_string_equal(again->items[0].text, "gone");
    assert_int_equal(again->items[1].status, STATUS_OK);
    assert_int_equal(again->items[1].version, 9);
    for (size_t len = 0; len < note.len; len++) { /* cut anywhere it is refused */
        row.note.len = len;
        assert_int_equal(batch_recall(again, &row), STATUS_CORRUPT);
    }
    http_body_free(&note);
    batch_release(batch);
    batch_release(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_that_is_no_item_is_refused_in_its_place),
        cmocka_unit_test(item_holds_what_a_message_would),
        cmocka_unit_test(handle_met_again_is_the_second),
        cmocka_unit_test(lines_told_say_what_became_of_items),
        cmocka_unit_test(note_of_refusals_brings_them_back),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
