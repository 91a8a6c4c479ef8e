/* SPDX-License-Identifier: Apache-2.0
 *
 * Notes of many names: their forms, repeated names, lines in the order of the names.
 */
#include "resolver/bulk_note.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

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

static enum status read_note(struct bulk_note *note, const char *type, const char *body)
{
    static struct http_field field;
    static struct http_request request;
    struct fault fault = {.status = STATUS_OK};
    const struct bulk_note_bounds bounds = {.most = 5, .key = {1, 2}};
    field = (struct http_field){BYTES_LITERAL("Content-Type"), bytes_of_text(type)};
    request = (struct http_request){
        .verb = HTTP_VERB_POST, .fields = &field, .field_count = 1, .body = bytes_of_text(body)};
    *note = (struct bulk_note){0};
    return bulk_note_read(note, &request, &bounds, arena, &fault);
}

static void check_names(const struct bulk_note *note, const char *const *names, size_t count)
{
    assert_int_equal(note->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_true(bytes_equal(note->lines[i].name, bytes_of_text(names[i])));
    }
}

static void note_in_every_form_has_the_same_names(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        const char *body;
    } forms[] = {
        {"text/plain", "a/1\r\n\n \ta/2 \na/1"},
        {"text/plain;charset=utf-8", "a/1\na/2\na/1\n"},
        {"application/json", "[\"a/1\",\"a/2\",\"a/1\"]"},
        {"Application/JSON ; x=y", "{\"handles\":[\"a/1\",\"a/2\",\"a/1\"]}"},
        {"application/x-ndjson", "\"a/1\"\n{\"handle\":\"a/2\",\"x\":[]}\n\n\"a/1\""},
    };
    static const char *const names[] = {"a/1", "a/2", "a/1"};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct bulk_note note;
        assert_int_equal(read_note(&note, forms[i].type, forms[i].body), STATUS_OK);
        check_names(&note, names, 3);
        assert_int_equal(note.lines[2].first, 0);
        assert_int_equal(note.lines[1].first, 1);
        bulk_note_done(&note);
    }
}

static void note_that_is_none_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        const char *body;
        enum status status;
    } rows[] = {
        {"image/png", "a/1", STATUS_NOT_SUPPORTED},
        {"application/json", "{", STATUS_BAD_SYNTAX},
        {"application/json", "{}", STATUS_BAD_SYNTAX},
        {"application/json", "{\"handles\":[],\"indexes\":[-1]}", STATUS_BAD_SYNTAX},
        {"application/json", "{\"handles\":[],\"types\":[\"\"]}", STATUS_BAD_SYNTAX},
        {"application/json", "{\"handles\":[],\"types\":\"URL\"}", STATUS_BAD_SYNTAX},
        {"text/plain", "1\n2\n3\n4\n5\n6", STATUS_NO_ROOM},
        {"application/json", "[1,2,3,4,5,6]", STATUS_NO_ROOM},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bulk_note note;
        assert_int_equal(read_note(&note, rows[i].type, rows[i].body), rows[i].status);
        bulk_note_done(&note);
    }
}

static void filters_of_a_note_are_those_of_a_message(void **state)
{
    (void)state;
    struct bulk_note note;
    assert_int_equal(read_note(&note, "application/json",
                               "{\"handles\":[\"a/1\"],\"types\":[\"URL\",\"N\"],\"indexes\":[7],"
                               "\"public_only\":true}"),
                     STATUS_OK);
    assert_int_equal(note.asked.index_count, 1);
    assert_true(bytes_equal(note.asked.indexes, BYTES_LITERAL("\0\0\0\x07")));
    assert_int_equal(note.asked.type_count, 2);
    assert_true(bytes_equal(note.asked.types, BYTES_LITERAL("\0\0\0\x03URL\0\0\0\x01N")));
    assert_true(note.asked.says_public_only && note.asked.is_public_only);
    bulk_note_done(&note);
}

static void lines_come_in_the_order_of_the_names(void **state)
{
    (void)state;
    static const size_t orders[][3] = {{0, 1, 2}, {2, 0, 1}};
    static const char *const answers[] = {"{0}", "{1}", "{2}"};
    for (size_t i = 0; i < 2; i++) {
        struct bulk_note note;
        struct bytes body;
        assert_int_equal(read_note(&note, "text/plain", "a\nb\nc"), STATUS_OK);
        for (size_t j = 0; j < 3; j++) {
            bulk_note_put(&note, orders[i][j], bytes_of_text(answers[orders[i][j]]));
        }
        assert_int_equal(bulk_note_finish(&note, &body), STATUS_OK);
        assert_true(bytes_equal(body, BYTES_LITERAL("{0}\n{1}\n{2}\n")));
        bulk_note_done(&note);
    }
}

static void room_is_kept_to_say_what_was_left_out(void **state)
{
    (void)state;
    struct bulk_note note;
    assert_int_equal(read_note(&note, "text/plain", "a\nb\nc"), STATUS_OK);
    assert_false(bulk_note_is_full(&note, 100, 1000));
    assert_true(bulk_note_is_full(&note, 600, 1000));
    bulk_note_put(&note, 0, BYTES_LITERAL("{0}"));
    bulk_note_put(&note, 1, BYTES_LITERAL("{1}"));
    assert_false(bulk_note_is_full(&note, 600, 1000));
    bulk_note_done(&note);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(note_in_every_form_has_the_same_names),
        cmocka_unit_test(note_that_is_none_is_refused),
        cmocka_unit_test(filters_of_a_note_are_those_of_a_message),
        cmocka_unit_test(lines_come_in_the_order_of_the_names),
        cmocka_unit_test(room_is_kept_to_say_what_was_left_out),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
