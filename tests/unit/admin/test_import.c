/* SPDX-License-Identifier: Apache-2.0
 *
 * `guantong import` as a user types it, on real directories: what is counted, refused and told.
 */
#include "tests/unit/admin/run_command.h"

#include "admin/import_notes.h"
#include "admin/import_seen.h"

struct place {
    char scratch[64];
    char node[96];
    char rows[96];
    char rejected[120];
};

static int place_make(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    scratch_make(place->scratch);
    (void)snprintf(place->node, sizeof place->node, "%s/node", place->scratch);
    (void)snprintf(place->rows, sizeof place->rows, "%s/rows", place->scratch);
    (void)snprintf(place->rejected, sizeof place->rejected, "%s.rejected", place->rows);
    MUST(EXIT_OK, "init", place->node, "--prefix", "88.1000", "--listen", "127.0.0.1", "--port",
         "2641");
    *state = place;
    return 0;
}

static int place_remove(void **state)
{
    struct place *place = *state;
    scratch_remove(place->scratch);
    free(place);
    return 0;
}

/* Imports `text` and gives the summary. */
static json_t *import_text(struct place *place, int exit, const char *text, const char *option)
{
    write_file(place->rows, text);
    (void)unlink(place->rejected);
    struct run run = option == NULL
                         ? EXPECT(exit, "import", place->node, place->rows, "--json")
                         : EXPECT(exit, "import", place->node, place->rows, "--json", option);
    json_t *summary = run_json(&run);
    run_done(&run);
    return summary;
}

static void assert_counts(json_t *summary, json_int_t created, json_int_t replaced,
                          json_int_t unchanged, json_int_t rejected)
{
    assert_int_equal(json_number(summary, "created"), created);
    assert_int_equal(json_number(summary, "replaced"), replaced);
    assert_int_equal(json_number(summary, "unchanged"), unchanged);
    assert_int_equal(json_number(summary, "rejected"), rejected);
    assert_int_equal(json_number(summary, "records"), created + replaced + unchanged + rejected);
    json_decref(summary);
}

/* The rows of the reject file. */
static json_t *rejected_rows(const struct place *place)
{
    FILE *in = fopen(place->rejected, "r");
    assert_non_null(in);
    json_t *rows = json_array();
    json_t *row;
    while ((row = json_loadf(in, JSON_DISABLE_EOF_CHECK, NULL)) != NULL) {
        json_array_append_new(rows, row);
    }
    (void)fclose(in);
    return rows;
}

#define ROW(handle, data)                                                                          \
    "{\"handle\":\"" handle "\",\"values\":[{\"index\":1,\"type\":\"D\",\"data\":\"" data "\"}]}"  \
    "\n"

static void import_counts_created_replaced_and_unchanged(void **state)
{
    struct place *place = *state;
    assert_counts(
        import_text(place, EXIT_OK, ROW("88.1000/a", "1") "\n" ROW("88.1000/b", "1"), NULL), 2, 0,
        0, 0);
    assert_counts(import_text(place, EXIT_OK, ROW("88.1000/a", "1") ROW("88.1000/B", "2"), NULL), 0,
                  1, 1, 0);
    MUST(EXIT_OK, "record", "rm", place->node, "88.1000/a", "--yes");
    assert_counts(import_text(place, EXIT_OK, ROW("88.1000/a", "1"), NULL), 1, 0, 0, 0);
    assert_int_not_equal(access(place->rejected, F_OK), 0);
}

static void import_writes_bad_rows_to_the_reject_file(void **state)
{
    struct place *place = *state;
    static const struct {
        json_int_t line;
        const char *code;
    } wanted[] = {{1, "BAD_SYNTAX"},      {3, "BAD_SYNTAX"},   {4, "INVALID_VALUE"},
                  {5, "INVALID_HANDLE"},  {6, "VALUE_EXISTS"}, {7, "BAD_SYNTAX"},
                  {8, "NOT_RESPONSIBLE"}, {9, "INVALID_VALUE"}};
    const char *text = "{\n" ROW(
        "88.1000/good",
        "1") "{\"handle\":\"88.1000/none\"}\n"
             "{\"handle\":\"88.1000/"
             "zero\",\"values\":[{\"index\":0,\"type\":\"D\",\"data\":\"x\"}]}\n" ROW(
                 "88.1000/",
                 "x") "{\"handle\":\"88.1000/"
                      "two\",\"values\":[{\"index\":1,\"type\":\"D\",\"data\":\"x\"},"
                      "{\"index\":1,\"type\":\"D\",\"data\":\"y\"}]}\n" ROW("88.1000/gb",
                                                                            "\xb6\xf5\xd6\xdd")
                          ROW("99.1/foreign", "x") "{\"handle\":\"88.1000/"
                                                   "adm\",\"values\":[{\"index\":1,\"type\":\"HS_"
                                                   "ADMIN\",\"data\":\"x\"}]}\n";
    assert_counts(import_text(place, EXIT_PARTLY, text, NULL), 1, 0, 0, 8);
    json_t *rows = rejected_rows(place);
    assert_int_equal(json_array_size(rows), 8);
    for (size_t i = 0; i < 8; i++) {
        bool is_there = false;
        for (size_t j = 0; j < 8; j++) {
            json_t *row = json_array_get(rows, j);
            is_there |=
                json_number(row, "line") == wanted[i].line &&
                strcmp(json_text(row, "code"), wanted[i].code) == 0 &&
                json_text(row, "reason")[0] != '\0' &&
                (json_text(row, "row")[0] != '\0' || json_text(row, "row_base64")[0] != '\0');
        }
        if (!is_there) {
            print_error("line %d is not rejected as %s\n", (int)wanted[i].line, wanted[i].code);
        }
        assert_true(is_there);
    }
    json_decref(rows);
    MUST(EXIT_PARTLY, "import", place->node, place->rows);
    assert_int_equal(access(place->rejected, F_OK), 0);
    write_file(place->rows, ROW("88.1000/good", "1"));
    MUST(EXIT_OK, "import", place->node, place->rows);
    assert_int_not_equal(access(place->rejected, F_OK), 0);
}

static void import_names_gb18030_on_the_screen(void **state)
{
    struct place *place = *state;
    write_file(place->rows, ROW("88.1000/gb2", "\xb6\xf5\xd6\xdd"));
    struct run run = EXPECT(EXIT_PARTLY, "import", place->node, place->rows);
    assert_non_null(
        strstr(run.err, "line 1: not UTF-8; looks like GB18030: pass --encoding gb18030"));
    run_done(&run);
    MUST(EXIT_OK, "import", place->node, place->rows, "--encoding", "gb18030");
    run = EXPECT(EXIT_OK, "record", "show", place->node, "88.1000/gb2");
    assert_non_null(strstr(run.out, "鄂州"));
    run_done(&run);
}

static void import_create_only_refuses_what_exists(void **state)
{
    struct place *place = *state;
    assert_counts(import_text(place, EXIT_OK, ROW("88.1000/c", "1"), NULL), 1, 0, 0, 0);
    assert_counts(import_text(place, EXIT_PARTLY, ROW("88.1000/c", "2") ROW("88.1000/d", "1"),
                              "--create-only"),
                  1, 0, 0, 1);
    struct run run = EXPECT(EXIT_OK, "record", "show", place->node, "88.1000/c", "--json");
    assert_non_null(strstr(run.out, "\"1\""));
    run_done(&run);
}

static void import_dry_run_judges_and_writes_nothing(void **state)
{
    struct place *place = *state;
    assert_counts(
        import_text(place, EXIT_PARTLY, ROW("88.1000/dry", "1") ROW("99.1/x", "1"), "--dry-run"), 1,
        0, 0, 1);
    assert_int_not_equal(access(place->rejected, F_OK), 0);
    MUST(EXIT_NEGATIVE, "record", "show", place->node, "88.1000/dry");
}

static void import_over_quota_exits_7(void **state)
{
    struct place *place = *state;
    MUST(EXIT_OK, "prefix", "home", place->node, "88.1000.9", "--max-identifiers", "2");
    assert_counts(
        import_text(place, EXIT_QUOTA,
                    ROW("88.1000.9/1", "x") ROW("88.1000.9/2", "x") ROW("88.1000.9/3", "x"), NULL),
        2, 0, 0, 1);
}

static bool warns(json_t *summary, enum import_note note)
{
    size_t at;
    json_t *warning;
    json_array_foreach(json_object_get(summary, "warnings"), at, warning)
    {
        if (strcmp(json_text(warning, "kind"), import_notes_name(note)) == 0) {
            return json_number(warning, "count") == 1 && json_text(warning, "first")[0] != '\0';
        }
    }
    return false;
}

static void import_warns_of_what_looks_wrong(void **state)
{
    struct place *place = *state;
    json_t *summary = import_text(
        place, EXIT_OK,
        "{\"handle\":\"88.1000/w\",\"values\":["
        "{\"index\":1,\"type\":\"HS_SECKEY\",\"data\":\"k\",\"permissions\":\"1110\"},"
        "{\"index\":2,\"type\":\"D\",\"data\":\"锟斤拷\"},"
        "{\"index\":3,\"type\":\"URL\",\"data\":\"www.example.cn\"},"
        "{\"index\":4,\"type\":\"D\",\"data\":\"x\",\"permissions\":\"1111\"},"
        "{\"index\":6,\"type\":\"HS_NAMESPACE\",\"data\":\"<n><template><vaule/></template></n>\"},"
        "{\"index\":5,\"type\":\"D\",\"data\":\"x\",\"timestamp\":\"2100-01-01T00:00:00Z\"}]}"
        "\n" ROW("88.1000/ｗ", "x") ROW("88.1000/w w", "x") ROW("88.1000/W", "last"),
        NULL);
    for (size_t note = 0; note < IMPORT_NOTE_COUNT; note++) {
        assert_true(warns(summary, (enum import_note)note));
    }
    json_decref(summary);
    struct run run = EXPECT(EXIT_OK, "record", "show", place->node, "88.1000/w", "--json");
    assert_non_null(strstr(run.out, "last"));
    assert_null(strstr(run.out, "HS_SECKEY"));
    run_done(&run);
}

static void import_keeps_timestamps_and_sets_missing_ones(void **state)
{
    struct place *place = *state;
    json_decref(
        import_text(place, EXIT_OK,
                    "{\"handle\":\"88.1000/t\",\"values\":["
                    "{\"index\":1,\"type\":\"D\",\"data\":\"x\",\"timestamp\":"
                    "\"2001-02-03T04:05:06Z\"},{\"index\":2,\"type\":\"D\",\"data\":\"x\"}]}\n",
                    NULL));
    struct run run = EXPECT(EXIT_OK, "export", place->node, "--prefix", "88.1000");
    assert_non_null(strstr(run.out, "2001-02-03T04:05:06Z"));
    assert_null(strstr(run.out, "1970"));
    run_done(&run);
}

static void import_of_csv_refuses_rows_that_are_not_adjacent(void **state)
{
    struct place *place = *state;
    assert_counts(import_text(place, EXIT_PARTLY,
                              "handle,index,type,data\n88.1000/p,1,D,x\n88.1000/q,1,D,x\n"
                              "88.1000/P,2,D,x\n",
                              NULL),
                  2, 0, 0, 1);
    json_t *rows = rejected_rows(place);
    json_t *row = json_array_get(rows, 0);
    assert_int_equal(json_number(row, "line"), 4);
    assert_non_null(strstr(json_text(row, "reason"), "line 2"));
    json_decref(rows);
}

static void import_of_many_sets_counts_every_row(void **state)
{
    struct place *place = *state;
    FILE *out = fopen(place->rows, "w");
    assert_non_null(out);
    for (int i = 0; i < 12345; i++) {
        (void)fprintf(out, ROW("88.1000/many-%d", "x"), i % 12000);
    }
    (void)fclose(out);
    struct run run = EXPECT(EXIT_OK, "import", place->node, place->rows, "--json");
    json_t *summary = run_json(&run);
    assert_int_equal(json_number(summary, "created"), 12000);
    assert_int_equal(json_number(summary, "unchanged"), 345);
    json_decref(summary);
    run_done(&run);
}

static void import_says_what_is_wrong_with_files_and_words(void **state)
{
    struct place *place = *state;
    write_file(place->rows, "a,b\n");
    struct run run = EXPECT(EXIT_USAGE, "import", place->node, place->rows, "--json");
    assert_problem(&run, "GT1009");
    run_done(&run);
    run = EXPECT(EXIT_USAGE, "import", place->node, "/nonexistent/x", "--json");
    assert_problem(&run, "GT1008");
    run_done(&run);
    MUST(EXIT_USAGE, "import", place->node, place->rows, "--format", "xml");
    MUST(EXIT_USAGE, "import", place->node, place->rows, "--encoding", "utf-16");
    MUST(EXIT_USAGE, "import", place->node);
}

static void import_with_one_reject_file_names_each_file(void **state)
{
    struct place *place = *state;
    char second[120];
    char all[120];
    (void)snprintf(second, sizeof second, "%s/second", place->scratch);
    (void)snprintf(all, sizeof all, "%s/all", place->scratch);
    write_file(place->rows, "{\n");
    write_file(second, "\n[\n");
    MUST(EXIT_PARTLY, "import", place->node, place->rows, second, "--reject", all);
    (void)snprintf(place->rejected, sizeof place->rejected, "%s", all);
    json_t *rows = rejected_rows(place);
    (void)snprintf(place->rejected, sizeof place->rejected, "%s.rejected", place->rows);
    assert_int_equal(json_array_size(rows), 2);
    assert_string_equal(json_text(json_array_get(rows, 0), "file"), place->rows);
    assert_string_equal(json_text(json_array_get(rows, 1), "file"), second);
    assert_int_equal(json_number(json_array_get(rows, 1), "line"), 2);
    json_decref(rows);
}

static void import_keeps_rejected_rows_to_their_owner(void **state)
{
    struct place *place = *state;
    struct stat facts;
    json_decref(import_text(place, EXIT_PARTLY,
                            "{\"handle\":\"99.9/k\",\"values\":[{\"index\":301,\"type\":"
                            "\"HS_SECKEY\",\"data\":\"hidden\"}]}\n",
                            NULL));
    assert_int_equal(stat(place->rejected, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
}

static void import_quotes_no_input_in_a_reason(void **state)
{
    struct place *place = *state;
    write_file(place->rows, "{\"handle\":\"88.1000/s\",\"values\":[{\"index\":301,\"type\":"
                            "\"HS_SECKEY\",\"data\":\"hidden\\q\"}]}\n");
    struct run run = EXPECT(EXIT_PARTLY, "import", place->node, place->rows);
    assert_non_null(strstr(run.err, "invalid escape"));
    assert_null(strstr(run.err, "hidden"));
    run_done(&run);
    run = EXPECT(EXIT_REFUSED, "record", "put", place->node, place->rows);
    assert_non_null(strstr(run.err, "invalid escape"));
    assert_null(strstr(run.err, "hidden"));
    run_done(&run);
}

static void import_tells_a_chinese_reader_in_chinese(void **state)
{
    struct place *place = *state;
    write_file(place->rows, "{\"handle\":\"99.9/k\",\"values\":[]}\n{\"handle\":\"88.1000/m\"}\n");
    (void)setenv("LC_ALL", "zh_CN.UTF-8", 1);
    struct run run = EXPECT(EXIT_PARTLY, "import", place->node, place->rows);
    (void)setenv("LC_ALL", "C", 1);
    assert_non_null(strstr(run.err, "第 1 行：99.9/k"));
    assert_non_null(strstr(run.err, status_chinese(STATUS_NOT_RESPONSIBLE)));
    assert_null(strstr(run.err, "line "));
    json_t *rows = rejected_rows(place);
    assert_non_null(strstr(json_text(json_array_get(rows, 1), "reason"),
                           status_chinese(STATUS_NOT_RESPONSIBLE)));
    json_decref(rows);
    run_done(&run);
}

static off_t size_of(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 ? facts.st_size : -1;
}

static void import_never_overwrites_what_it_reads(void **state)
{
    struct place *place = *state;
    static const char text[] = "not a record\n";
    write_file(place->rows, text);
    struct run run =
        EXPECT(EXIT_USAGE, "import", place->node, place->rows, "--reject", place->rows, "--json");
    assert_problem(&run, "GT1008");
    run_done(&run);
    write_file(place->rejected, text);
    run = EXPECT(EXIT_USAGE, "import", place->node, place->rows, place->rejected, "--json");
    assert_problem(&run, "GT1008");
    run_done(&run);
    assert_int_equal(size_of(place->rows), sizeof text - 1);
    assert_int_equal(size_of(place->rejected), sizeof text - 1);
}

/* --- handles met before ----------------------------------------------------------------------- */

static void seen_finds_repetitions_until_it_is_full(void **state)
{
    (void)state;
    struct import_seen *seen = import_seen_new((size_t)16 * 8192);
    assert_non_null(seen);
    for (uint32_t i = 0; i < 6000; i++) {
        assert_int_equal(import_seen_add(seen, bytes_of(&i, sizeof i), i + 1), 0);
    }
    assert_false(import_seen_is_full(seen));
    for (uint32_t i = 0; i < 6000; i++) {
        assert_int_equal(import_seen_add(seen, bytes_of(&i, sizeof i), i + 10001), i + 1);
    }
    for (uint32_t i = 6000; i < 20000; i++) {
        assert_int_equal(import_seen_add(seen, bytes_of(&i, sizeof i), i + 1), 0);
    }
    assert_true(import_seen_is_full(seen));
    uint32_t first = 0;
    assert_int_equal(import_seen_add(seen, bytes_of(&first, sizeof first), 1), 10001);
    import_seen_free(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(import_counts_created_replaced_and_unchanged),
        cmocka_unit_test(import_writes_bad_rows_to_the_reject_file),
        cmocka_unit_test(import_names_gb18030_on_the_screen),
        cmocka_unit_test(import_create_only_refuses_what_exists),
        cmocka_unit_test(import_dry_run_judges_and_writes_nothing),
        cmocka_unit_test(import_over_quota_exits_7),
        cmocka_unit_test(import_warns_of_what_looks_wrong),
        cmocka_unit_test(import_keeps_timestamps_and_sets_missing_ones),
        cmocka_unit_test(import_of_csv_refuses_rows_that_are_not_adjacent),
        cmocka_unit_test(import_of_many_sets_counts_every_row),
        cmocka_unit_test(import_says_what_is_wrong_with_files_and_words),
        cmocka_unit_test(import_keeps_rejected_rows_to_their_owner),
        cmocka_unit_test(import_quotes_no_input_in_a_reason),
        cmocka_unit_test(import_tells_a_chinese_reader_in_chinese),
        cmocka_unit_test(import_never_overwrites_what_it_reads),
        cmocka_unit_test(import_with_one_reject_file_names_each_file),
        cmocka_unit_test(seen_finds_repetitions_until_it_is_full),
    };
    (void)setenv("LC_ALL", "C", 1);
    return cmocka_run_group_tests(tests, place_make, place_remove);
}
