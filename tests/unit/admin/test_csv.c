/* SPDX-License-Identifier: Apache-2.0
 *
 * Records out of CSV: quotes, line ends, encodings, and what is said about bad rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/import_rows.h"

struct csv {
    struct import_lines *lines;
    struct import_rows *rows;
    struct import_row row;
    struct fault fault;
};

static enum status csv_open(struct csv *csv, struct bytes text, const char *encoding)
{
    *csv = (struct csv){0};
    assert_int_equal(import_lines_of(text, encoding, &csv->lines, NULL), STATUS_OK);
    return import_rows_open(IMPORT_CSV, csv->lines, &csv->rows, &csv->fault);
}

static void csv_close(struct csv *csv)
{
    import_rows_close(csv->rows);
    import_lines_close(csv->lines);
}

static void csv_begin(struct csv *csv, const char *text)
{
    assert_int_equal(csv_open(csv, bytes_of_text(text), NULL), STATUS_OK);
}

static enum status next(struct csv *csv)
{
    csv->fault.text[0] = '\0';
    return import_rows_next(csv->rows, &csv->row, &csv->fault);
}

static void assert_bytes(struct bytes given, const char *text)
{
    assert_int_equal(given.len, strlen(text));
    assert_memory_equal(given.data, text, given.len);
}

static const struct value *value_at(const struct csv *csv, size_t index)
{
    assert_true(index < csv->row.record.count);
    return &csv->row.record.values[index];
}

/* --- good rows -------------------------------------------------------------------------------- */

static void csv_rows_of_one_handle_make_one_record(void **state)
{
    (void)state;
    struct csv csv;
    csv_begin(&csv, "handle,index,type,data,ttl,permissions\n"
                    "88.1000/a,1,URL,https://a.example/,3600,1100\n"
                    "88.1000/a,2,NAME,gear,,\n"
                    "88.1000/b,1,NAME,shaft,86400,1110\n");
    assert_int_equal(next(&csv), STATUS_OK);
    assert_bytes(csv.row.record.handle, "88.1000/a");
    assert_int_equal(csv.row.record.count, 2);
    assert_int_equal(csv.row.line, 2);
    assert_int_equal(value_at(&csv, 0)->ttl, 3600);
    assert_int_equal(value_at(&csv, 0)->permissions, 0x0c);
    assert_int_equal(value_at(&csv, 0)->timestamp, 0);
    assert_bytes(value_at(&csv, 0)->data, "https://a.example/");
    assert_int_equal(value_at(&csv, 1)->index, 2);
    assert_int_equal(value_at(&csv, 1)->ttl, VALUE_TTL_DEFAULT);
    assert_int_equal(value_at(&csv, 1)->permissions, VALUE_PERMISSIONS_DEFAULT);
    assert_int_equal(next(&csv), STATUS_OK);
    assert_bytes(csv.row.record.handle, "88.1000/b");
    assert_bytes(csv.row.original, "88.1000/b,1,NAME,shaft,86400,1110");
    assert_int_equal(csv.row.line, 4);
    assert_int_equal(next(&csv), STATUS_NOT_FOUND);
    csv_close(&csv);
}

static void csv_quotes_keep_commas_quotes_spaces_and_line_ends(void **state)
{
    (void)state;
    struct csv csv;
    csv_begin(&csv, "handle,index,type,data\r\n"
                    "88.1000/a,1,DESC,\" a, \"\"b\"\"\r\nsecond line \"\r\n"
                    "88.1000/b,1,DESC, c \r\n");
    assert_int_equal(next(&csv), STATUS_OK);
    assert_bytes(value_at(&csv, 0)->data, " a, \"b\"\r\nsecond line ");
    assert_int_equal(next(&csv), STATUS_OK);
    assert_bytes(value_at(&csv, 0)->data, " c ");
    assert_int_equal(csv.row.line, 4);
    csv_close(&csv);
}

static void csv_takes_byte_order_mark_other_column_order_and_no_last_line_end(void **state)
{
    (void)state;
    struct csv csv;
    csv_begin(&csv, "\xef\xbb\xbfType,DATA,index,handle\r\nNAME,齿轮,1,88.1000/零件");
    assert_int_equal(next(&csv), STATUS_OK);
    assert_bytes(csv.row.record.handle, "88.1000/零件");
    assert_bytes(value_at(&csv, 0)->type, "NAME");
    assert_bytes(value_at(&csv, 0)->data, "齿轮");
    assert_int_equal(next(&csv), STATUS_NOT_FOUND);
    assert_int_equal(next(&csv), STATUS_NOT_FOUND);
    csv_close(&csv);
}

static void csv_skips_empty_lines_and_takes_lone_carriage_returns(void **state)
{
    (void)state;
    struct csv csv;
    csv_begin(&csv, "handle,index,type,data\r\n\r\n88.1000/a,1,N,x\r88.1000/b,1,N,y\r\r\n\n"
                    "88.1000/c,1,N,z\n\n");
    assert_int_equal(next(&csv), STATUS_OK);
    assert_bytes(csv.row.record.handle, "88.1000/a");
    assert_int_equal(csv.row.line, 3);
    assert_int_equal(next(&csv), STATUS_OK);
    assert_bytes(csv.row.record.handle, "88.1000/b");
    assert_int_equal(next(&csv), STATUS_OK);
    assert_bytes(csv.row.record.handle, "88.1000/c");
    assert_int_equal(csv.row.line, 5);
    assert_int_equal(next(&csv), STATUS_NOT_FOUND);
    csv_close(&csv);
}

static void csv_in_gb18030_is_converted_when_it_is_said(void **state)
{
    (void)state;
    struct csv csv;
    struct bytes text =
        BYTES_LITERAL("handle,index,type,data\r\n88.1000/a,1,NAME,\xb6\xf5\xd6\xdd\r\n");
    assert_int_equal(csv_open(&csv, text, "gb18030"), STATUS_OK);
    assert_int_equal(next(&csv), STATUS_OK);
    assert_bytes(value_at(&csv, 0)->data, "鄂州");
    csv_close(&csv);
}

/* --- bad rows --------------------------------------------------------------------------------- */

static void csv_in_gb18030_is_named_when_it_is_not_said(void **state)
{
    (void)state;
    struct csv csv;
    csv_begin(&csv, "handle,index,type,data\n88.1000/a,1,NAME,\xb6\xf5\xd6\xdd\n88.1000/b,1,N,x\n");
    assert_int_equal(next(&csv), STATUS_BAD_SYNTAX);
    assert_string_equal(csv.fault.text, "not UTF-8; looks like GB18030: pass --encoding gb18030");
    assert_int_equal(csv.row.line, 2);
    assert_bytes(csv.row.record.handle, "88.1000/a");
    assert_int_equal(next(&csv), STATUS_OK);
    csv_close(&csv);
}

static void csv_with_one_bad_row_refuses_the_whole_record_only(void **state)
{
    (void)state;
    static const struct {
        const char *row;
        enum status status;
        uint64_t column;
        const char *reason;
    } bad[] = {
        {"88.1000/a,0,N,x,,", STATUS_INVALID_VALUE, 2, "index: a number from 1 on is expected"},
        {"88.1000/a,,N,x,,", STATUS_INVALID_VALUE, 2, "index: a number from 1 on is expected"},
        {"88.1000/a,99999999999,N,x,,", STATUS_INVALID_VALUE, 2,
         "index: a number from 1 on is expected"},
        {"88.1000/a,2, ,x,,", STATUS_INVALID_VALUE, 3, "type: is empty"},
        {"88.1000/a,2,N,x,1d,", STATUS_INVALID_VALUE, 5, "ttl: seconds are expected"},
        {"88.1000/a,2,N,x,,110", STATUS_INVALID_VALUE, 6,
         "permissions: four of 0 and 1 are expected, such as 1110"},
        {"88.1000/a,2,N,x,", STATUS_BAD_SYNTAX, 5, "5 fields where the header has 6"},
        {"88.1000/a,2,N,x,,,", STATUS_BAD_SYNTAX, 7, "7 fields where the header has 6"},
        {"88.1000/a,2,N,x\"y,,", STATUS_BAD_SYNTAX, 4,
         "a quote inside a field: quote the field and double the quote"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[400];
        struct csv csv;
        (void)snprintf(text, sizeof text,
                       "handle,index,type,data,ttl,permissions\n"
                       "88.1000/before,1,N,x,,\n88.1000/a,1,N,x,,\n%s\n88.1000/a,3,N,x,,\n"
                       "88.1000/after,1,N,x,,\n",
                       bad[i].row);
        csv_begin(&csv, text);
        assert_int_equal(next(&csv), STATUS_OK);
        assert_int_equal(next(&csv), bad[i].status);
        assert_string_equal(csv.fault.text, bad[i].reason);
        assert_int_equal(csv.row.line, 4);
        assert_int_equal(csv.row.column, bad[i].column);
        assert_bytes(csv.row.record.handle, "88.1000/a");
        assert_true(csv.row.original.len > 3 * 14);
        assert_int_equal(next(&csv), STATUS_OK);
        assert_bytes(csv.row.record.handle, "88.1000/after");
        assert_int_equal(next(&csv), STATUS_NOT_FOUND);
        csv_close(&csv);
    }
}

static void csv_row_without_handle_is_refused_alone(void **state)
{
    (void)state;
    struct csv csv;
    csv_begin(&csv, "handle,index,type,data\n88.1000/a,1,N,x\n,2,N,x\n88.1000/b,1,N,x\n");
    assert_int_equal(next(&csv), STATUS_OK);
    assert_int_equal(next(&csv), STATUS_INVALID_HANDLE);
    assert_int_equal(csv.row.line, 3);
    assert_int_equal(next(&csv), STATUS_OK);
    csv_close(&csv);
}

static void csv_with_an_open_quote_says_so_at_the_end(void **state)
{
    (void)state;
    struct csv csv;
    csv_begin(&csv, "handle,index,type,data\n88.1000/a,1,N,\"x\n88.1000/b,1,N,x\n");
    assert_int_equal(next(&csv), STATUS_BAD_SYNTAX);
    assert_string_equal(csv.fault.text, "a quoted field is not closed");
    assert_int_equal(csv.row.line, 2);
    assert_int_equal(next(&csv), STATUS_NOT_FOUND);
    csv_close(&csv);
}

static void csv_row_over_the_bound_is_refused_and_the_next_one_read(void **state)
{
    (void)state;
    size_t size = IMPORT_LINE_MAX + 1000;
    char *text = malloc(size);
    assert_non_null(text);
    size_t at = (size_t)snprintf(text, size, "handle,index,type,data\n88.1000/long,1,N,");
    memset(text + at, 'x', IMPORT_LINE_MAX);
    at += IMPORT_LINE_MAX;
    at += (size_t)snprintf(text + at, size - at, "\n88.1000/b,1,N,y\n");
    struct csv csv;
    assert_int_equal(csv_open(&csv, bytes_of(text, at), NULL), STATUS_OK);
    assert_int_equal(next(&csv), STATUS_NO_ROOM);
    assert_bytes(csv.row.record.handle, "88.1000/long");
    assert_int_equal(next(&csv), STATUS_OK);
    assert_bytes(csv.row.record.handle, "88.1000/b");
    assert_bytes(value_at(&csv, 0)->data, "y");
    csv_close(&csv);
    free(text);
}

static void csv_quoted_field_over_many_lines_is_bounded(void **state)
{
    (void)state;
    size_t size = 2 * IMPORT_LINE_MAX;
    char *text = malloc(size);
    assert_non_null(text);
    size_t at = (size_t)snprintf(text, size, "handle,index,type,data\n88.1000/open,1,N,\"");
    while (at < IMPORT_LINE_MAX + 2000) {
        at += (size_t)snprintf(text + at, size - at, "88.1000/x,1,N,%099d\n", 0);
    }
    struct csv csv;
    assert_int_equal(csv_open(&csv, bytes_of(text, at), NULL), STATUS_OK);
    assert_int_equal(next(&csv), STATUS_NO_ROOM);
    assert_int_equal(csv.row.line, 2);
    assert_int_equal(next(&csv), STATUS_OK);
    assert_bytes(csv.row.record.handle, "88.1000/x");
    csv_close(&csv);
    free(text);
}

static void csv_with_more_values_than_a_handle_may_have_is_refused(void **state)
{
    (void)state;
    size_t size = 200000;
    char *text = malloc(size);
    assert_non_null(text);
    size_t at = (size_t)snprintf(text, size, "handle,index,type,data\n");
    for (int i = 1; i <= VALUE_COUNT_MAX + 1; i++) {
        at += (size_t)snprintf(text + at, size - at, "88.1000/a,%d,N,x\n", i);
    }
    struct csv csv;
    assert_int_equal(csv_open(&csv, bytes_of(text, at), NULL), STATUS_OK);
    assert_int_equal(next(&csv), STATUS_INVALID_VALUE);
    assert_string_equal(csv.fault.text, "more values than a handle may have");
    assert_int_equal(next(&csv), STATUS_NOT_FOUND);
    csv_close(&csv);
    free(text);
}

/* --- headers and forms ------------------------------------------------------------------------ */

static void csv_without_its_header_is_no_csv_of_ours(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\n\n",
        "88.1000/a,1,N,x\n",
        "handle,index,type\n",
        "handle,index,type,data,colour\n",
        "handle,index,type,data,data\n",
        "handle,index,type,data,ttl,permissions,more\n",
        "handle,\"index\n",
        "handle,index,type,data\xff\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct csv csv;
        assert_int_equal(csv_open(&csv, bytes_of_text(texts[i]), NULL), STATUS_NOT_SUPPORTED);
        assert_true(csv.fault.text[0] != '\0');
        csv_close(&csv);
    }
}

static void form_is_told_by_name_then_by_first_bytes(void **state)
{
    (void)state;
    assert_int_equal(import_rows_guess("a.CSV", BYTES_LITERAL("{")), IMPORT_CSV);
    assert_int_equal(import_rows_guess("a.jsonl", BYTES_LITERAL("a,b")), IMPORT_JSONL);
    assert_int_equal(import_rows_guess("-", BYTES_LITERAL(" \n{\"handle\"")), IMPORT_JSONL);
    assert_int_equal(import_rows_guess("data.txt", BYTES_LITERAL("handle,index\n")), IMPORT_CSV);
    assert_int_equal(import_rows_guess("data.txt", BYTES_LITERAL("who knows\n")), IMPORT_UNKNOWN);
    assert_int_equal(import_rows_form("csv"), IMPORT_CSV);
    assert_int_equal(import_rows_form("xlsx"), IMPORT_UNKNOWN);
}

static void lines_refuse_encodings_they_do_not_know(void **state)
{
    (void)state;
    struct import_lines *lines = NULL;
    struct fault fault;
    assert_int_equal(import_lines_of(BYTES_LITERAL("x"), "utf-16", &lines, &fault),
                     STATUS_NOT_SUPPORTED);
    assert_non_null(strstr(fault.text, "utf-16"));
    assert_null(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_rows_of_one_handle_make_one_record),
        cmocka_unit_test(csv_quotes_keep_commas_quotes_spaces_and_line_ends),
        cmocka_unit_test(csv_takes_byte_order_mark_other_column_order_and_no_last_line_end),
        cmocka_unit_test(csv_skips_empty_lines_and_takes_lone_carriage_returns),
        cmocka_unit_test(csv_in_gb18030_is_converted_when_it_is_said),
        cmocka_unit_test(csv_in_gb18030_is_named_when_it_is_not_said),
        cmocka_unit_test(csv_with_one_bad_row_refuses_the_whole_record_only),
        cmocka_unit_test(csv_row_without_handle_is_refused_alone),
        cmocka_unit_test(csv_with_an_open_quote_says_so_at_the_end),
        cmocka_unit_test(csv_row_over_the_bound_is_refused_and_the_next_one_read),
        cmocka_unit_test(csv_quoted_field_over_many_lines_is_bounded),
        cmocka_unit_test(csv_with_more_values_than_a_handle_may_have_is_refused),
        cmocka_unit_test(csv_without_its_header_is_no_csv_of_ours),
        cmocka_unit_test(form_is_told_by_name_then_by_first_bytes),
        cmocka_unit_test(lines_refuse_encodings_they_do_not_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
