/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands as a user meets them, without a daemon: prefix, record, journal, conf.
 */
#include "tests/unit/admin/run_node.h"

static int make(void **state)
{
    *state = home_make();
    return 0;
}

static int unmake(void **state)
{
    home_free(*state);
    return 0;
}

static void file_with(struct home *home, const char *text, char out[128])
{
    (void)snprintf(out, 128, "%s/files/input", home->path);
    write_file(out, text);
}

static json_t *find_value(json_t *record, json_int_t index)
{
    size_t at = 0;
    json_t *value = NULL;
    json_array_foreach(json_object_get(record, "values"), at, value)
    {
        if (json_integer_value(json_object_get(value, "index")) == index) {
            return value;
        }
    }
    return NULL;
}

/* --- prefix ----------------------------------------------------------------------------------- */

static json_t *list_prefixes(struct home *home)
{
    struct run run = EXPECT(EXIT_OK, "prefix", "list", home->path, "--json");
    json_t *list = run_json(&run);
    run_done(&run);
    return list;
}

static void prefix_homed_takes_records_and_has_its_own(void **state)
{
    struct home *home = *state;
    MUST(EXIT_OK, "prefix", "home", home->path, "88.1000.7", "--max-identifiers", "10",
         "--max-bytes=2K", "--case-sensitive");
    json_t *list = list_prefixes(home);
    json_t *row = json_array_get(json_object_get(list, "items"), 1);
    assert_string_equal(json_text(row, "prefix"), "88.1000.7");
    assert_string_equal(json_text(row, "state"), "active");
    assert_string_equal(json_text(row, "enterprise"), "self");
    assert_int_equal(json_number(row, "max_identifiers"), 10);
    assert_int_equal(json_number(row, "max_bytes"), 2048);
    assert_true(json_is_true(json_object_get(row, "case_sensitive")));
    json_decref(list);
    struct run run = EXPECT(EXIT_OK, "record", "show", home->path, "0.NA/88.1000.7", "--json");
    json_t *record = run_json(&run);
    assert_int_equal(json_array_size(json_object_get(record, "values")), 2);
    json_t *admin = json_object_get(json_object_get(find_value(record, 100), "data"), "value");
    assert_string_equal(json_text(admin, "handle"), "0.NA/88.1000");
    json_decref(record);
    run_done(&run);
}

static void prefix_homed_without_record_has_none(void **state)
{
    struct home *home = *state;
    MUST(EXIT_OK, "prefix", "home", home->path, "88.2000", "--no-record");
    MUST(EXIT_NEGATIVE, "record", "show", home->path, "0.NA/88.2000");
}

static json_t *service_of(struct home *home, const char *name, const char *type)
{
    struct run run = EXPECT(EXIT_OK, "record", "show", home->path, name, "--json");
    json_t *record = run_json(&run);
    json_t *found = NULL;
    json_t *value = NULL;
    size_t at = 0;
    json_array_foreach(json_object_get(record, "values"), at, value)
    {
        if (strcmp(json_text(value, "type"), type) == 0) {
            assert_null(found);
            found = json_incref(value);
        }
    }
    json_decref(record);
    run_done(&run);
    return found;
}

static void prefix_delegated_changes_its_service_and_nothing_else(void **state)
{
    struct home *home = *state;
    MUST(EXIT_OK, "prefix", "delegate", home->path, "88.1000.7", "--address", "[2001:db8::1]:2700");
    assert_null(service_of(home, "0.NA/88.1000.7", "HS_SITE"));
    json_decref(service_of(home, "0.NA/88.1000.7", "HS_SITE.6"));
    json_decref(service_of(home, "0.NA/88.1000.7", "HS_ADMIN"));
    MUST(EXIT_OK, "prefix", "delegate", home->path, "88.1000.7", "--address", "enterprise.example");
    assert_null(service_of(home, "0.NA/88.1000.7", "HS_SITE.6"));
    json_t *site = service_of(home, "0.NA/88.1000.7", "HS_SITE");
    char *text = json_dumps(site, JSON_COMPACT);
    assert_non_null(strstr(text, "enterprise.example"));
    free(text);
    json_decref(site);
    MUST(EXIT_OK, "prefix", "delegate", home->path, "88.1000.7", "--address", "enterprise.example");
    MUST(EXIT_OK, "prefix", "delegate", home->path, "88.1000.7", "--serv", "0.NA/88.1000",
         "--dry-run");
    assert_null(service_of(home, "0.NA/88.1000.7", "HS_SERV"));
    json_t *list = list_prefixes(home);
    assert_string_equal(json_text(json_array_get(json_object_get(list, "items"), 1), "state"),
                        "delegated");
    json_decref(list);
    MUST(EXIT_REFUSED, "prefix", "delegate", home->path, "88.1000", "--serv", "0.NA/88.1000");
    MUST(EXIT_USAGE, "prefix", "delegate", home->path, "88.1000.7");
}

static void prefix_that_is_invalid_is_refused(void **state)
{
    struct home *home = *state;
    static const char *const bad[] = {"", "88..1", "88.1/x", ".88", "88 1", "88.标识"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct run run = EXPECT(EXIT_REFUSED, "prefix", "home", home->path, bad[i], "--json");
        assert_problem(&run, "GT1208");
        run_done(&run);
    }
    MUST(EXIT_USAGE, "prefix", "home", home->path, "88.1", "--max-identifiers", "ten");
    MUST(EXIT_USAGE, "prefix", "home", home->path, "88.1", "--max-bytes", "10X");
    MUST(EXIT_USAGE, "prefix", "home", home->path, "88.1", "--max-bytes", "99999999999999T");
}

static void prefix_unhomed_keeps_records_and_comes_back(void **state)
{
    struct home *home = *state;
    char file[128];
    file_with(
        home,
        "{\"handle\":\"88.1000/k\",\"values\":[{\"index\":1,\"type\":\"URL\",\"data\":\"u\"}]}",
        file);
    MUST(EXIT_OK, "record", "put", home->path, file);
    struct run run = EXPECT(EXIT_USAGE, "prefix", "unhome", home->path, "88.1000", "--json");
    assert_problem(&run, "GT1006");
    run_done(&run);
    MUST(EXIT_OK, "prefix", "unhome", home->path, "88.1000", "--yes");
    MUST(EXIT_OK, "record", "show", home->path, "88.1000/k");
    file_with(
        home,
        "{\"handle\":\"88.1000/l\",\"values\":[{\"index\":1,\"type\":\"URL\",\"data\":\"u\"}]}",
        file);
    run = EXPECT(EXIT_REFUSED, "record", "put", home->path, file, "--json");
    assert_problem(&run, "GT1203");
    run_done(&run);
    MUST(EXIT_OK, "prefix", "home", home->path, "88.1000");
    MUST(EXIT_OK, "record", "put", home->path, file);
    MUST(EXIT_NEGATIVE, "prefix", "unhome", home->path, "77.7", "--yes");
    MUST(EXIT_OK, "journal", "verify", home->path);
}

static void quota_reached_exits_seven(void **state)
{
    struct home *home = *state;
    char file[128];
    MUST(EXIT_OK, "prefix", "home", home->path, "88.4", "--max-identifiers", "1");
    file_with(
        home,
        "{\"handle\":\"88.4/a\",\"values\":[{\"index\":1,\"type\":\"URL\",\"data\":\"u\"}]}\n",
        file);
    MUST(EXIT_OK, "record", "put", home->path, file);
    file_with(
        home,
        "{\"handle\":\"88.4/b\",\"values\":[{\"index\":1,\"type\":\"URL\",\"data\":\"u\"}]}\n",
        file);
    struct run run = EXPECT(EXIT_QUOTA, "record", "put", home->path, file, "--json");
    assert_problem(&run, "GT1601");
    run_done(&run);
}

/* --- record ----------------------------------------------------------------------------------- */

static void record_put_shows_what_was_put(void **state)
{
    struct home *home = *state;
    char file[128];
    file_with(
        home,
        "{\"handle\":\"88.1000/Part-1\",\"values\":[{\"index\":2,\"type\":\"URL\",\"data\":"
        "\"https://example.cn\",\"ttl\":60,\"timestamp\":\"2020-01-02T03:04:05Z\"},"
        "{\"index\":1,\"type\":\"名称\",\"data\":{\"format\":\"string\",\"value\":\"轴承\"}}]}",
        file);
    MUST(EXIT_OK, "record", "put", home->path, file);
    struct run run = EXPECT(EXIT_OK, "record", "show", home->path, "88.1000/PART-1", "--json");
    json_t *record = run_json(&run);
    assert_string_equal(json_text(record, "handle"), "88.1000/Part-1");
    assert_int_equal(json_number(record, "version"), 1);
    json_t *url = find_value(record, 2);
    assert_int_equal(json_number(url, "ttl"), 60);
    assert_string_equal(json_text(url, "timestamp"), "2020-01-02T03:04:05Z");
    json_decref(record);
    run_done(&run);
    run = EXPECT(EXIT_OK, "record", "show", home->path, "88.1000/part-1");
    assert_non_null(strstr(run.out, "轴承"));
    assert_non_null(strstr(run.out, "https://example.cn"));
    run_done(&run);
}

static void secrets_are_left_out_unless_asked_and_then_audited(void **state)
{
    struct home *home = *state;
    char file[128];
    file_with(
        home,
        "{\"handle\":\"88.1000/s\",\"values\":[{\"index\":1,\"type\":\"URL\",\"data\":\"open\"},"
        "{\"index\":2,\"type\":\"HS_SECKEY\",\"data\":\"hunter2\",\"permissions\":\"1110\"},"
        "{\"index\":3,\"type\":\"URL\",\"data\":\"inner\",\"permissions\":\"1100\"}]}",
        file);
    struct run run = EXPECT(EXIT_OK, "record", "put", home->path, file);
    assert_non_null(strstr(run.err, "it will not be"));
    run_done(&run);
    run = EXPECT(EXIT_OK, "record", "show", home->path, "88.1000/s");
    assert_null(strstr(run.out, "hunter2"));
    assert_null(strstr(run.out, "inner"));
    assert_non_null(strstr(run.out, "2 not public"));
    run_done(&run);
    run = EXPECT(EXIT_OK, "record", "show", home->path, "88.1000/s", "--secrets", "--json");
    json_t *record = run_json(&run);
    assert_int_equal(json_array_size(json_object_get(record, "values")), 3);
    assert_int_equal(json_number(record, "values_left_out"), 0);
    json_decref(record);
    run_done(&run);
    run = EXPECT(EXIT_OK, "journal", "tail", home->path, "-n", "1");
    assert_non_null(strstr(run.out, "record show --secrets"));
    assert_non_null(strstr(run.out, "88.1000/s"));
    assert_null(strstr(run.out, "hunter2"));
    run_done(&run);
}

static void record_put_of_several_exits_six_when_some_fail(void **state)
{
    struct home *home = *state;
    char file[128];
    file_with(
        home,
        "{\"handle\":\"88.1000/m1\",\"values\":[{\"index\":1,\"type\":\"URL\",\"data\":\"u\"}]}\n"
        "{\"handle\":\"99.1/m2\",\"values\":[{\"index\":1,\"type\":\"URL\",\"data\":\"u\"}]}\n"
        "{\"handle\":\"88.1000/m1\",\"values\":[{\"index\":1,\"type\":\"URL\",\"data\":\"v\"}]}\n",
        file);
    struct run run = EXPECT(EXIT_PARTLY, "record", "put", home->path, file, "--json");
    json_t *result = run_json(&run);
    assert_int_equal(json_number(result, "done"), 2);
    assert_int_equal(json_number(result, "failed"), 1);
    json_t *item = json_array_get(json_object_get(result, "items"), 1);
    assert_string_equal(json_text(item, "status"), "NOT_RESPONSIBLE");
    item = json_array_get(json_object_get(result, "items"), 2);
    assert_int_equal(json_number(item, "version"), 2);
    json_decref(result);
    run_done(&run);
}

static void record_put_that_cannot_be_read_names_the_line(void **state)
{
    struct home *home = *state;
    char file[128];
    file_with(home, "\n\n{\"handle\":\"88.1000/x\",\"values\":[{\"index\":1}]}", file);
    struct run run = EXPECT(EXIT_REFUSED, "record", "put", home->path, file, "--json");
    assert_problem(&run, "GT1209");
    assert_non_null(strstr(run.out, "line 3"));
    run_done(&run);
    MUST(EXIT_USAGE, "record", "put", home->path, "/nonexistent");
}

static void record_put_create_only_refuses_what_exists(void **state)
{
    struct home *home = *state;
    char file[128];
    file_with(
        home,
        "{\"handle\":\"88.1000/c\",\"values\":[{\"index\":1,\"type\":\"URL\",\"data\":\"u\"}]}",
        file);
    MUST(EXIT_OK, "record", "put", home->path, file, "--create-only");
    struct run run =
        EXPECT(EXIT_REFUSED, "record", "put", home->path, file, "--create-only", "--json");
    assert_problem(&run, "GT1204");
    run_done(&run);
}

static void record_put_again_without_timestamps_changes_nothing(void **state)
{
    struct home *home = *state;
    char file[128];
    file_with(
        home,
        "{\"handle\":\"88.1000/t\",\"values\":[{\"index\":1,\"type\":\"URL\",\"data\":\"u\"}]}",
        file);
    MUST(EXIT_OK, "record", "put", home->path, file);
    (void)sleep(1); /* timestamps are whole seconds */
    struct run run = EXPECT(EXIT_OK, "record", "put", home->path, file, "--json");
    json_t *result = run_json(&run);
    assert_int_equal(json_number(result, "unchanged"), 1);
    assert_int_equal(json_number(result, "done"), 0);
    json_decref(result);
    run_done(&run);
}

static void record_put_dry_writes_nothing(void **state)
{
    struct home *home = *state;
    char file[128];
    file_with(
        home,
        "{\"handle\":\"88.1000/dry\",\"values\":[{\"index\":1,\"type\":\"URL\",\"data\":\"u\"}]}",
        file);
    MUST(EXIT_OK, "record", "put", home->path, file, "--dry-run");
    MUST(EXIT_NEGATIVE, "record", "show", home->path, "88.1000/dry");
}

static void record_rm_then_history_tells_every_version(void **state)
{
    struct home *home = *state;
    char file[128];
    static const char *const texts[] = {"one", "two"};
    for (size_t i = 0; i < 2; i++) {
        char line[160];
        (void)snprintf(
            line, sizeof(line),
            "{\"handle\":\"88.1000/h\",\"values\":[{\"index\":1,\"type\":\"URL\",\"data\":"
            "\"%s\"}]}",
            texts[i]);
        file_with(home, line, file);
        MUST(EXIT_OK, "record", "put", home->path, file);
    }
    MUST(EXIT_USAGE, "record", "rm", home->path, "88.1000/h");
    MUST(EXIT_OK, "record", "rm", home->path, "88.1000/h", "--yes");
    MUST(EXIT_NEGATIVE, "record", "show", home->path, "88.1000/h");
    MUST(EXIT_NEGATIVE, "record", "rm", home->path, "88.1000/h", "--yes");
    struct run run = EXPECT(EXIT_OK, "record", "history", home->path, "88.1000/h", "--json");
    json_t *history = run_json(&run);
    json_t *items = json_object_get(history, "items");
    assert_int_equal(json_array_size(items), 3);
    assert_string_equal(json_text(json_array_get(items, 0), "what"), "deleted");
    assert_int_equal(json_number(json_array_get(items, 0), "version"), 3);
    assert_int_equal(json_number(json_array_get(items, 2), "version"), 1);
    json_decref(history);
    run_done(&run);
    MUST(EXIT_NEGATIVE, "record", "history", home->path, "88.1000/never");
    MUST(EXIT_OK, "journal", "verify", home->path);
}

/* --- journal, conf ---------------------------------------------------------------------------- */

static void journal_tail_shows_the_newest_sets_in_order(void **state)
{
    struct home *home = *state;
    MUST(EXIT_OK, "prefix", "home", home->path, "88.5", "88.6");
    struct run run = EXPECT(EXIT_OK, "journal", "tail", home->path, "-n", "2", "--json");
    char *second = strchr(run.out, '\n');
    assert_non_null(second);
    json_t *sets[2] = {json_loads(run.out, JSON_DISABLE_EOF_CHECK, NULL),
                       json_loads(second, 0, NULL)};
    assert_non_null(sets[0]);
    assert_non_null(sets[1]);
    assert_int_equal(json_number(sets[0], "position") + json_number(sets[0], "count"),
                     json_number(sets[1], "position"));
    json_t *item = json_array_get(json_object_get(sets[1], "items"), 0);
    assert_string_equal(json_text(item, "key"), "0.NA/88.6");
    json_decref(sets[0]);
    json_decref(sets[1]);
    run_done(&run);
    run = EXPECT(EXIT_OK, "journal", "tail", home->path, "-n", "1000");
    assert_non_null(strstr(run.out, "put prefix 88.1000"));
    run_done(&run);
}

static void journal_verify_reports_counts(void **state)
{
    struct home *home = *state;
    struct run run = EXPECT(EXIT_OK, "journal", "verify", home->path, "--json");
    json_t *report = run_json(&run);
    assert_true(json_is_true(json_object_get(report, "holds")));
    assert_int_equal(json_number(report, "first_bad_position"), 0);
    json_decref(report);
    run_done(&run);
}

static void commands_that_need_a_daemon_say_it_is_down(void **state)
{
    struct home *home = *state;
    static const char *const words[][2] = {
        {"node", "status"}, {"node", "reload"}, {"node", "drain"}};
    for (size_t i = 0; i < 3; i++) {
        struct run run = EXPECT(EXIT_UNREACHABLE, words[i][0], words[i][1], home->path, "--json");
        assert_problem(&run, "GT1404");
        run_done(&run);
    }
    MUST(EXIT_UNREACHABLE, "stats", home->path);
    MUST(EXIT_OK, "stats", "reference");
}

static void conf_diff_without_daemon_compares_with_defaults(void **state)
{
    struct home *home = *state;
    struct run run = EXPECT(EXIT_OK, "conf", "diff", home->path, "--json");
    json_t *diff = run_json(&run);
    assert_string_equal(json_text(diff, "against"), "defaults");
    assert_int_equal(json_array_size(json_object_get(diff, "items")), 2);
    json_decref(diff);
    run_done(&run);
}

static void conf_check_of_a_bad_file_names_the_place(void **state)
{
    struct home *home = *state;
    char file[128];
    file_with(home, "listen:\n  handle_port: 70000\n", file);
    struct run run = EXPECT(EXIT_CONFIGURATION, "conf", "check", file, "--json");
    assert_problem(&run, "GT1103");
    assert_non_null(strstr(run.out, ":2:"));
    run_done(&run);
}

static void files_that_cannot_be_read_are_named_with_the_reason(void **state)
{
    struct home *home = *state;
    struct run run = EXPECT(EXIT_USAGE, "record", "put", home->path, "/nonexistent-x", "--json");
    assert_problem(&run, "GT1008");
    assert_non_null(strstr(run.out, "No such file"));
    run_done(&run);
    run = EXPECT(EXIT_USAGE, "conf", "check", home->path, "/nonexistent-x", "--json");
    assert_problem(&run, "GT1008");
    assert_non_null(strstr(run.out, "No such file"));
    run_done(&run);
}

static void settings_of_the_registry_need_a_restart(void **state)
{
    struct home *home = *state;
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/guantong.yaml", home->path);
    write_file(path, "prefix: {reuse: never}\n");
    struct run run = EXPECT(EXIT_OK, "conf", "diff", home->path, "--json");
    json_t *diff = run_json(&run);
    json_t *item = json_array_get(json_object_get(diff, "items"), 0);
    assert_string_equal(json_text(item, "setting"), "prefix.reuse");
    assert_true(json_is_true(json_object_get(item, "needs_restart")));
    json_decref(diff);
    run_done(&run);
}

static void commands_beside_a_daemon_work_through_it(void **state)
{
    struct home *home = *state;
    home_serve(home, 4096);
    control_publish_settings(home->control, home->settings);
    struct run run = EXPECT(EXIT_OK, "node", "status", home->path, "--json");
    json_t *status = run_json(&run);
    assert_string_equal(json_text(status, "prefix"), home->settings->node_prefix);
    assert_string_equal(json_text(status, "description"), home->settings->node_description);
    assert_string_equal(json_text(status, "state"), "running");
    json_decref(status);
    run_done(&run);
    MUST(EXIT_OK, "node", "status", home->path);
    MUST(EXIT_OK, "stats", home->path);
    MUST(EXIT_OK, "node", "reload", home->path);
    assert_int_equal(home->reloads, 1);
    run = EXPECT(EXIT_OK, "stats", home->path, "--openmetrics");
    assert_non_null(strstr(run.out, "# EOF\n"));
    run_done(&run);
    run = EXPECT(EXIT_OK, "conf", "diff", home->path, "--json");
    json_t *diff = run_json(&run);
    assert_string_equal(json_text(diff, "against"), "running");
    json_decref(diff);
    run_done(&run);
    MUST(EXIT_OK, "node", "drain", home->path);
    assert_int_equal(home->drains, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(prefix_homed_takes_records_and_has_its_own),
        CASE(prefix_homed_without_record_has_none),
        CASE(prefix_delegated_changes_its_service_and_nothing_else),
        CASE(prefix_that_is_invalid_is_refused),
        CASE(prefix_unhomed_keeps_records_and_comes_back),
        CASE(quota_reached_exits_seven),
        CASE(record_put_shows_what_was_put),
        CASE(secrets_are_left_out_unless_asked_and_then_audited),
        CASE(record_put_of_several_exits_six_when_some_fail),
        CASE(record_put_that_cannot_be_read_names_the_line),
        CASE(record_put_create_only_refuses_what_exists),
        CASE(record_put_again_without_timestamps_changes_nothing),
        CASE(record_put_dry_writes_nothing),
        CASE(record_rm_then_history_tells_every_version),
        CASE(journal_tail_shows_the_newest_sets_in_order),
        CASE(journal_verify_reports_counts),
        CASE(commands_that_need_a_daemon_say_it_is_down),
        CASE(conf_diff_without_daemon_compares_with_defaults),
        CASE(conf_check_of_a_bad_file_names_the_place),
        CASE(files_that_cannot_be_read_are_named_with_the_reason),
        CASE(settings_of_the_registry_need_a_restart),
        CASE(commands_beside_a_daemon_work_through_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
