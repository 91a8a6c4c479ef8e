/* SPDX-License-Identifier: Apache-2.0
 *
 * `guantong export`: what comes out, what stays in, and that it goes back in as it was.
 */
#include "tests/unit/admin/run_command.h"

#include <fcntl.h>
#include <signal.h>

struct place {
    char scratch[64];
    char first[96];
    char second[96];
    char rows[96];
    char file[96];
};

static const char records[] =
    "{\"handle\":\"88.1000/a\",\"values\":[{\"index\":1,\"type\":\"URL\",\"data\":\"https://"
    "a.example/\","
    "\"ttl\":3600},{\"index\":2,\"type\":\"NAME\",\"data\":\"齿轮, "
    "\\\"小\\\"\"},{\"index\":3,\"type\":\"PRICE\","
    "\"data\":\"12.50\",\"permissions\":\"1100\"}]}\n"
    "{\"handle\":\"88.1000/"
    "b\",\"values\":[{\"index\":1,\"type\":\"BLOB\",\"data\":{\"format\":\"hex\","
    "\"value\":\"00ff10\"},\"ttl\":\"2030-01-01T00:00:00Z\",\"timestamp\":\"2020-01-01T00:00:00Z\"}"
    ","
    "{\"index\":5,\"type\":\"D\",\"data\":\"x\",\"references\":[{\"handle\":\"88.1000/"
    "a\",\"index\":1}]},"
    "{\"index\":300,\"type\":\"HS_SECKEY\",\"data\":\"hidden\",\"permissions\":\"1110\"}]}\n"
    "{\"handle\":\"88.1000/"
    "c\",\"values\":[{\"index\":1,\"type\":\"HS_SECKEY\",\"data\":\"alone\"}]}\n"
    "{\"handle\":\"0.NA/"
    "88.1000\",\"values\":[{\"index\":100,\"type\":\"HS_ADMIN\",\"data\":{\"format\":"
    "\"admin\",\"value\":{\"handle\":\"0.NA/"
    "88.1000\",\"index\":300,\"permissions\":\"111111111111\"}}}]}\n";

static void node_make(const char *path)
{
    MUST(EXIT_OK, "init", path, "--prefix", "88.1000", "--listen", "127.0.0.1", "--port", "2641");
}

static int place_make(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    scratch_make(place->scratch);
    (void)snprintf(place->first, sizeof place->first, "%s/first", place->scratch);
    (void)snprintf(place->second, sizeof place->second, "%s/second", place->scratch);
    (void)snprintf(place->rows, sizeof place->rows, "%s/rows.jsonl", place->scratch);
    (void)snprintf(place->file, sizeof place->file, "%s/out", place->scratch);
    node_make(place->first);
    node_make(place->second);
    write_file(place->rows, records);
    MUST(EXIT_OK, "import", place->first, place->rows);
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

static void export_leaves_hidden_values_out_and_says_so(void **state)
{
    struct place *place = *state;
    struct run run = EXPECT(EXIT_OK, "export", place->first);
    assert_null(strstr(run.out, "HS_SECKEY"));
    assert_null(strstr(run.out, "12.50"));
    assert_null(strstr(run.out, "88.1000/c\""));
    assert_non_null(strstr(run.out, "{\"handle\":\"88.1000/a\""));
    assert_true(strstr(run.out, "0.NA/88.1000") < strstr(run.out, "88.1000/a\""));
    assert_non_null(strstr(run.err, "3 values that are not public"));
    run_done(&run);
    run = EXPECT(EXIT_OK, "export", place->first, "--json");
    assert_string_equal(run.err, "");
    run_done(&run);
}

static void export_with_secrets_goes_back_in_unchanged_and_is_audited(void **state)
{
    struct place *place = *state;
    struct run first = EXPECT(EXIT_OK, "export", place->first, "--secrets");
    assert_non_null(strstr(first.out, "\"value\":\"alone\""));
    write_file(place->file, first.out);
    MUST(EXIT_OK, "import", place->second, place->file, "--format", "jsonl");
    struct run second = EXPECT(EXIT_OK, "export", place->second, "--secrets");
    assert_string_equal(first.out, second.out);
    struct run journal = EXPECT(EXIT_OK, "journal", "tail", place->first);
    assert_non_null(strstr(journal.out, "export secrets"));
    run_done(&first);
    run_done(&second);
    run_done(&journal);
}

static void export_to_a_file_is_complete_or_not_there(void **state)
{
    struct place *place = *state;
    struct run run = EXPECT(EXIT_OK, "export", place->first, "--output", place->file, "--json");
    json_t *summary = run_json(&run);
    assert_int_equal(json_number(summary, "records"), 3);
    assert_int_equal(json_number(summary, "values_not_public"), 3);
    json_decref(summary);
    run_done(&run);
    run = EXPECT(EXIT_OK, "export", place->first);
    FILE *in = fopen(place->file, "r");
    assert_non_null(in);
    char text[8192];
    size_t len = fread(text, 1, sizeof text - 1, in);
    text[len] = '\0';
    (void)fclose(in);
    assert_string_equal(text, run.out);
    run_done(&run);
    run = RUN("export", place->first, "--output", "/nonexistent/out");
    assert_int_not_equal(run.exit, EXIT_OK);
    run_done(&run);
}

static void export_to_a_device_leaves_it_one(void **state)
{
    struct place *place = *state;
    struct stat facts;
    (void)unlink(place->file);
    assert_int_equal(mkfifo(place->file, 0600), 0);
    int reader = open(place->file, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    struct run run = EXPECT(EXIT_OK, "export", place->first, "--output", place->file, "--json");
    json_decref(run_json(&run));
    run_done(&run);
    char text[16] = "";
    assert_true(read(reader, text, sizeof text - 1) > 0);
    assert_int_equal(text[0], '{');
    (void)close(reader);
    assert_int_equal(lstat(place->file, &facts), 0);
    assert_true(S_ISFIFO(facts.st_mode));
    assert_int_equal(unlink(place->file), 0);
}

static void export_to_a_link_fills_the_file_behind_it(void **state)
{
    struct place *place = *state;
    struct stat facts;
    char target[128];
    (void)snprintf(target, sizeof target, "%s.target", place->file);
    write_file(target, "old");
    (void)unlink(place->file);
    assert_int_equal(symlink(target, place->file), 0);
    MUST(EXIT_OK, "export", place->first, "--output", place->file);
    assert_int_equal(lstat(place->file, &facts), 0);
    assert_true(S_ISLNK(facts.st_mode));
    assert_int_equal(stat(target, &facts), 0);
    assert_true(facts.st_size > 100);
    assert_int_equal(unlink(place->file), 0);
}

static void export_that_is_interrupted_leaves_no_file(void **state)
{
    struct place *place = *state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/cut", place->scratch);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/cut/out", place->scratch);
    sigset_t stop;
    sigset_t former;
    (void)sigemptyset(&stop);
    (void)sigaddset(&stop, SIGTERM);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &stop, &former), 0);
    assert_int_equal(raise(SIGTERM), 0); /* pending: as if it came in the middle */
    struct run run = RUN("export", place->first, "--output", path);
    int signal = 0;
    assert_int_equal(sigwait(&stop, &signal), 0);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &former, NULL), 0);
    assert_int_not_equal(run.exit, EXIT_OK);
    run_done(&run);
    (void)snprintf(path, sizeof path, "%s/cut", place->scratch);
    assert_int_equal(rmdir(path), 0); /* empty */
}

static void export_that_cannot_be_says_why(void **state)
{
    struct place *place = *state;
    struct run run = EXPECT(EXIT_USAGE, "export", place->first, "--output", "/no/dir/x", "--json");
    assert_problem(&run, "GT1008");
    run_done(&run);
    run = EXPECT(EXIT_USAGE, "export", place->first, "--output", "/dev/full", "--json");
    assert_problem(&run, "GT1008");
    assert_non_null(strstr(run.out, "/dev/full"));
    run_done(&run);
    run = EXPECT(EXIT_REFUSED, "export", place->first, "--prefix", "88 1", "--json");
    assert_problem(&run, "GT1208");
    run_done(&run);
}

static void export_of_a_prefix_gives_its_records_only(void **state)
{
    struct place *place = *state;
    struct run run = EXPECT(EXIT_OK, "export", place->first, "--prefix", "0.na");
    assert_non_null(strstr(run.out, "0.NA/88.1000"));
    assert_null(strstr(run.out, "88.1000/a"));
    run_done(&run);
    run = EXPECT(EXIT_OK, "export", place->first, "--prefix", "88.1");
    assert_string_equal(run.out, "");
    run_done(&run);
}

static void export_as_csv_tells_what_it_cannot_say(void **state)
{
    struct place *place = *state;
    struct run run = EXPECT(EXIT_OK, "export", place->first, "--format", "csv");
    assert_string_equal(run.out, "handle,index,type,data,ttl,permissions\n"
                                 "\"88.1000/a\",1,\"URL\",\"https://a.example/\",3600,1110\n"
                                 "\"88.1000/a\",2,\"NAME\",\"齿轮, \"\"小\"\"\",86400,1110\n");
    assert_non_null(strstr(run.err, "3 values cannot be said in CSV"));
    write_file(place->file, run.out);
    run_done(&run);
    MUST(EXIT_OK, "import", place->second, place->file, "--format", "csv");
    MUST(EXIT_USAGE, "export", place->first, "--format", "xml");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(export_leaves_hidden_values_out_and_says_so),
        cmocka_unit_test(export_with_secrets_goes_back_in_unchanged_and_is_audited),
        cmocka_unit_test(export_to_a_file_is_complete_or_not_there),
        cmocka_unit_test(export_to_a_device_leaves_it_one),
        cmocka_unit_test(export_to_a_link_fills_the_file_behind_it),
        cmocka_unit_test(export_that_is_interrupted_leaves_no_file),
        cmocka_unit_test(export_that_cannot_be_says_why),
        cmocka_unit_test(export_of_a_prefix_gives_its_records_only),
        cmocka_unit_test(export_as_csv_tells_what_it_cannot_say),
    };
    (void)setenv("LC_ALL", "C", 1);
    return cmocka_run_group_tests(tests, place_make, place_remove);
}
