/* SPDX-License-Identifier: Apache-2.0
 *
 * `guantong qr`: what symbols hold, which lists of names are read, what sheets look like.
 */
#include "tests/unit/admin/run_command.h"

#include "admin/label_rows.h"
#include "admin/label_sheet.h"

static size_t count_of(const char *text, const char *piece)
{
    size_t count = 0;
    for (const char *at = strstr(text, piece); at != NULL; at = strstr(at + 1, piece)) {
        count++;
    }
    return count;
}

static char *content_of(const char *const *words)
{
    struct run run = run_words(words);
    assert_int_equal(run.exit, EXIT_OK);
    json_t *answer = json_loads(run.out, 0, NULL);
    assert_non_null(answer);
    char *content = strdup(json_string_value(json_object_get(answer, "content")));
    json_decref(answer);
    run_done(&run);
    return content;
}

#define CONTENT(...) content_of((const char *const[]){"qr", __VA_ARGS__, "--json", NULL})

static void assert_text(char *text, const char *wanted)
{
    assert_string_equal(text, wanted);
    free(text);
}

static void one_when_asked_then_holds_what_it_should(void **state)
{
    (void)state;
    assert_text(CONTENT("88.608/X"), "88.608/X");
    assert_text(CONTENT("88.608/X", "--url", "https://id.example.cn/"),
                "https://id.example.cn/88.608/X");
    assert_text(CONTENT("88.608/轴 #1", "--url", "http://a.example:8000"),
                "http://a.example:8000/88.608/%E8%BD%B4%20%231");
}

static void one_when_nothing_fits_then_refused(void **state)
{
    (void)state;
    struct run run = RUN("qr", "nonsense");
    assert_int_equal(run.exit, EXIT_REFUSED);
    run_done(&run);
    run = RUN("qr", "88.608/X", "--url", "javascript:alert(1)");
    assert_int_equal(run.exit, EXIT_USAGE);
    run_done(&run);
    run = RUN("qr");
    assert_int_equal(run.exit, EXIT_USAGE);
    run_done(&run);
    run = RUN("qr", "88.608/X", "--sheet", "file.csv");
    assert_int_equal(run.exit, EXIT_USAGE);
    run_done(&run);
}

static void one_when_svg_then_a_document(void **state)
{
    (void)state;
    struct run run = RUN("qr", "88.608/X", "--svg", "--size", "300");
    assert_int_equal(run.exit, EXIT_OK);
    assert_non_null(strstr(run.out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"300\""));
    run_done(&run);
}

/* --- lists -------------------------------------------------------------------------------------
 */

struct taken {
    char text[1024];
};

static enum status take(void *context, const struct label_row *row)
{
    struct taken *taken = context;
    size_t len = strlen(taken->text);
    (void)snprintf(taken->text + len, sizeof(taken->text) - len, "%llu:%.*s=%.*s;",
                   (unsigned long long)row->number, (int)row->handle.len,
                   (const char *)row->handle.data, (int)row->title.len,
                   (const char *)row->title.data);
    return STATUS_OK;
}

static enum status read_rows(const char *csv, struct taken *taken)
{
    *taken = (struct taken){.text = ""};
    FILE *file = fmemopen((void *)csv, strlen(csv), "r");
    assert_non_null(file);
    enum status status = label_rows_read(file, take, taken);
    (void)fclose(file);
    return status;
}

static void rows_when_with_or_without_header_then_read(void **state)
{
    struct taken taken;
    (void)state;
    assert_int_equal(read_rows("88.1/a,One\n88.1/b\n", &taken), STATUS_OK);
    assert_string_equal(taken.text, "1:88.1/a=One;2:88.1/b=;");
    assert_int_equal(read_rows("\xef\xbb\xbfHandle,title\r\n88.1/a,\"O,ne\"\r\n", &taken),
                     STATUS_OK);
    assert_string_equal(taken.text, "2:88.1/a=O,ne;");
    assert_int_equal(read_rows("index,name,handle\n1,轴承,88.1/a\n", &taken), STATUS_OK);
    assert_string_equal(taken.text, "2:88.1/a=轴承;");
    assert_int_equal(read_rows("\"88.1/a\"x,y\n", &taken), STATUS_INVALID_VALUE);
}

/* --- sheets ------------------------------------------------------------------------------------
 */

static void shape_when_it_fits_the_sheet_then_counted(void **state)
{
    struct label_sheet sheet;
    (void)state;
    assert_int_equal(label_sheet_parse("45x55", &sheet), STATUS_OK);
    assert_int_equal(label_sheet_capacity(&sheet), 20);
    static const char *const wrong[] = {"",      "45",     "45x",     "x55",    "45x55mm",
                                        "10x55", "45x10",  "400x55",  "45x400", "nanxnan",
                                        "45*55", "-45x55", "45x55x1", "infx55"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(label_sheet_parse(wrong[i], &sheet), STATUS_BAD_SYNTAX);
    }
}

static void label_when_hostile_then_no_markup(void **state)
{
    struct label_sheet sheet;
    struct http_body body = {.data = NULL};
    struct arena *arena = arena_new(4096, 1u << 20);
    (void)state;
    assert_int_equal(label_sheet_parse("45x55", &sheet), STATUS_OK);
    const struct label label = {.code = BYTES_LITERAL("88.1/x"),
                                .name = BYTES_LITERAL("88.1/<script>\"&'"),
                                .title = BYTES_LITERAL("</svg><b>")};
    assert_int_equal(label_sheet_put(&sheet, 0, &label, arena, &body), STATUS_OK);
    http_body_put(&body, bytes_of("", 1));
    assert_null(strstr((const char *)body.data, "<script>"));
    assert_null(strstr((const char *)body.data, "<b>"));
    assert_non_null(strstr((const char *)body.data, "&lt;/svg&gt;&lt;b&gt;"));
    http_body_free(&body);
    arena_free(arena);
}

/* A file of 45 names and one that is none, in a directory of its own. */
static void sheets_when_many_then_pages_and_what_was_left_out(void **state)
{
    char folder[] = "/tmp/guantong-qr-XXXXXX";
    char csv[64];
    char out[64];
    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(csv, sizeof(csv), "%s/list.csv", folder);
    (void)snprintf(out, sizeof(out), "%s/out.svg", folder);
    FILE *file = fopen(csv, "w");
    assert_non_null(file);
    for (int i = 0; i < 45; i++) {
        (void)fprintf(file, "88.608/part-%d,Part %d\n", i, i);
    }
    (void)fclose(file);
    struct run run = RUN("qr", "--sheet", csv, "--html");
    assert_int_equal(run.exit, EXIT_OK);
    assert_int_equal(count_of(run.out, "height=\"297mm\""), 3);
    assert_int_equal(count_of(run.out, "<path "), 45);
    run_done(&run);
    run = RUN("qr", "--sheet", csv, "--svg", "--output", out, "--json");
    assert_string_equal(run.out, "{\"labels\":45,\"pages\":3}\n");
    run_done(&run);
    static const char *const pages[] = {"out.svg", "out-2.svg", "out-3.svg", "list.csv"};
    file = fopen(csv, "a");
    assert_non_null(file);
    (void)fputs("nonsense\n", file);
    (void)fclose(file);
    run = RUN("qr", "--sheet", csv);
    assert_int_equal(run.exit, EXIT_PARTLY);
    assert_non_null(strstr(run.err, "row 46: nonsense"));
    assert_int_equal(count_of(run.out, "<path "), 45);
    run_done(&run);
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        (void)snprintf(out, sizeof(out), "%s/%s", folder, pages[i]);
        assert_int_equal(unlink(out), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_when_asked_then_holds_what_it_should),
        cmocka_unit_test(one_when_nothing_fits_then_refused),
        cmocka_unit_test(one_when_svg_then_a_document),
        cmocka_unit_test(rows_when_with_or_without_header_then_read),
        cmocka_unit_test(shape_when_it_fits_the_sheet_then_counted),
        cmocka_unit_test(label_when_hostile_then_no_markup),
        cmocka_unit_test(sheets_when_many_then_pages_and_what_was_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
