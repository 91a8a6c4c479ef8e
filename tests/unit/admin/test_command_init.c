/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong init as its user runs it: what it makes, what it leaves alone.
 */
#include "tests/unit/admin/run_node.h"

#include <signal.h>

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

static void assert_mode(struct home *home, const char *name, mode_t mode)
{
    char path[128];
    struct stat facts;
    (void)snprintf(path, sizeof(path), "%s/%s", home->path, name);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, mode);
}

/* The value with this index of `record show --json`. */
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

static void init_makes_the_documented_tree(void **state)
{
    struct home *home = *state;
    assert_mode(home, "keys", 0700);
    assert_mode(home, "keys/site.pem", 0600);
    assert_mode(home, "keys/head.pem", 0600);
    assert_mode(home, "keys/data.key", 0600);
    assert_mode(home, "keys/commit.key", 0600);
    static const char *const names[] = {"store", "cache", "files", "log", "run", "backup"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_mode(home, names[i], 0750);
    }
    MUST(EXIT_OK, "conf", "check", home->path);
    MUST(EXIT_OK, "journal", "verify", home->path);
}

static void init_stores_the_nodes_own_record(void **state)
{
    struct home *home = *state;
    struct run run = EXPECT(EXIT_OK, "record", "show", home->path, "88.1000", "--json");
    json_t *record = run_json(&run);
    assert_string_equal(json_text(record, "handle"), "0.NA/88.1000");
    json_t *site = find_value(record, 1);
    assert_string_equal(json_text(site, "type"), "HS_SITE");
    json_t *server = json_array_get(
        json_object_get(json_object_get(json_object_get(site, "data"), "value"), "servers"), 0);
    assert_string_equal(json_text(server, "address"), "127.0.0.1");
    json_t *interfaces = json_object_get(server, "interfaces");
    static const char *const protocols[] = {"TCP", "UDP", "HTTP", "HTTPS"};
    assert_int_equal(json_array_size(interfaces), 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(json_text(json_array_get(interfaces, i), "protocol"), protocols[i]);
    }
    json_t *tcp = json_array_get(interfaces, 0);
    json_t *udp = json_array_get(interfaces, 1);
    assert_string_equal(json_text(tcp, "protocol"), "TCP");
    assert_true(json_is_true(json_object_get(tcp, "admin")));
    assert_true(json_is_true(json_object_get(tcp, "query")));
    assert_string_equal(json_text(udp, "protocol"), "UDP");
    assert_false(json_is_true(json_object_get(udp, "admin")));
    json_t *admin = json_object_get(json_object_get(find_value(record, 100), "data"), "value");
    assert_string_equal(json_text(admin, "handle"), "0.NA/88.1000");
    assert_int_equal(json_number(admin, "index"), 300);
    assert_string_equal(json_text(admin, "permissions"), "111111111111");
    assert_string_equal(json_text(find_value(record, 300), "type"), "HS_PUBKEY");
    json_decref(record);
    run_done(&run);
}

static void init_over_something_is_refused_and_leaves_it(void **state)
{
    struct home *home = *state;
    struct run run = EXPECT(EXIT_CONFIGURATION, "init", home->path, "--json");
    assert_problem(&run, "GT1102");
    run_done(&run);
    MUST(EXIT_OK, "journal", "verify", home->path);
    MUST(EXIT_CONFIGURATION, "init", "/etc");
    run = EXPECT(EXIT_CONFIGURATION, "init", "/etc/passwd", "--json");
    assert_non_null(strstr(run.out, "Not a directory"));
    run_done(&run);
}

static void init_that_fails_removes_what_it_made(void **state)
{
    struct home *home = *state;
    char path[128];
    char inner[160];
    (void)snprintf(path, sizeof(path), "%s/files/empty", home->path);
    assert_int_equal(mkdir(path, 0755), 0);
    static const char *const bad[][2] = {{"--prefix", "88..1"},      {"--prefix", ""},
                                         {"--listen", "nohost"},     {"--port", "0"},
                                         {"--port", "65536"},        {"--port", "26 41"},
                                         {"--site", "/nonexistent"}, {"--site", "/etc/passwd"},
                                         {"--address", "x"},         {"--tls-port", "70000"}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct run run = RUN("init", path, bad[i][0], bad[i][1], "--json");
        assert_int_not_equal(run.exit, EXIT_OK);
        json_decref(run_json(&run));
        run_done(&run);
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(mkdir(path, 0755), 0);
    }
    (void)snprintf(inner, sizeof(inner), "%s/no/such/parent", path);
    MUST(EXIT_REFUSED, "init", inner);
    assert_int_equal(rmdir(path), 0);
}

static void init_that_is_interrupted_removes_what_it_made(void **state)
{
    struct home *home = *state;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/files/interrupted", home->path);
    sigset_t watched;
    sigset_t former;
    (void)sigemptyset(&watched);
    (void)sigaddset(&watched, SIGTERM);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &watched, &former), 0);
    assert_int_equal(raise(SIGTERM), 0); /* pending: as if it came in the middle */
    struct run run = RUN("init", path, "--prefix", "88.2");
    int signal = 0;
    assert_int_equal(sigwait(&watched, &signal), 0);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &former, NULL), 0);
    assert_int_not_equal(run.exit, EXIT_OK);
    assert_int_not_equal(access(path, F_OK), 0);
    run_done(&run);
}

static void init_dry_makes_nothing(void **state)
{
    struct home *home = *state;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/files/new", home->path);
    MUST(EXIT_OK, "init", path, "--prefix", "88.2", "--dry-run");
    assert_int_not_equal(access(path, F_OK), 0);
}

static void init_with_a_site_record_keeps_it_exactly(void **state)
{
    struct home *home = *state;
    char file[128];
    char path[128];
    file_with(home,
              "{\"version\":1,\"protocolVersion\":\"2.10\",\"serialNumber\":7,\"primarySite\":true,"
              "\"multiPrimary\":false,\"attributes\":[{\"name\":\"desc\",\"value\":\"鄂州\"}],"
              "\"servers\":[{\"serverId\":1,\"address\":\"192.0.2.7\",\"interfaces\":[{\"query\":"
              "true,\"admin\":false,\"protocol\":\"UDP\",\"port\":2650}]}]}",
              file);
    (void)snprintf(path, sizeof(path), "%s/files/sited", home->path);
    MUST(EXIT_OK, "init", path, "--prefix", "88.3", "--site", file, "--sm");
    struct run run = EXPECT(EXIT_OK, "record", "show", path, "0.NA/88.3", "--json");
    json_t *record = run_json(&run);
    json_t *site = json_object_get(json_object_get(find_value(record, 1), "data"), "value");
    assert_string_equal(json_text(site, "protocolVersion"), "2.10");
    assert_int_equal(json_number(site, "serialNumber"), 7);
    json_decref(record);
    run_done(&run);
}

static void init_by_default_names_prefix_and_port(void **state)
{
    struct home *home = *state;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/files/plain", home->path);
    struct run run = EXPECT(EXIT_OK, "init", path, "--description", "鄂州 \"测试\": 节点");
    assert_non_null(strstr(run.out, "node 88.608"));
    assert_non_null(strstr(run.out, ":2641"));
    assert_non_null(strstr(run.out, "--address"));
    run_done(&run);
    run = EXPECT(EXIT_OK, "conf", "show", path, "--json", "--all");
    json_t *shown = run_json(&run);
    size_t at = 0;
    json_t *item = NULL;
    bool found = false;
    json_array_foreach(json_object_get(shown, "items"), at, item)
    {
        if (strcmp(json_text(item, "setting"), "node.description") == 0) {
            found = strstr(json_text(item, "value"), "鄂州 ") != NULL;
        }
    }
    assert_true(found);
    json_decref(shown);
    run_done(&run);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make, unmake)

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(init_makes_the_documented_tree),
        CASE(init_stores_the_nodes_own_record),
        CASE(init_over_something_is_refused_and_leaves_it),
        CASE(init_that_fails_removes_what_it_made),
        CASE(init_that_is_interrupted_removes_what_it_made),
        CASE(init_dry_makes_nothing),
        CASE(init_with_a_site_record_keeps_it_exactly),
        CASE(init_by_default_names_prefix_and_port),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
