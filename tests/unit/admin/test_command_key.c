/* SPDX-License-Identifier: Apache-2.0
 *
 * `guantong key`: every form of a key is written, read back as the same key, and kept secret.
 */
#include "tests/unit/admin/run_command.h"

struct place {
    char directory[64];
    char paths[8][96];
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    assert_non_null(place);
    scratch_make(place->directory);
    for (size_t i = 0; i < 8; i++) {
        (void)snprintf(place->paths[i], sizeof(place->paths[i]), "%s/%zu", place->directory, i);
    }
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    scratch_remove(place->directory);
    free(place);
    return 0;
}

/* The facts of a key file; the caller frees `out_fingerprint`. */
static bool shown_private(const char *path, char **out_fingerprint)
{
    struct run run = EXPECT(EXIT_OK, "key", "show", path, "--json");
    json_t *document = run_json(&run);
    bool is_private = json_is_true(json_object_get(document, "private"));
    *out_fingerprint = strdup(json_text(document, "sha256"));
    assert_int_equal(strlen(*out_fingerprint), 44);
    json_decref(document);
    run_done(&run);
    return is_private;
}

static void assert_mode(const char *path, mode_t mode)
{
    struct stat facts;
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, mode);
}

static void expect_forms(struct place *place, const char *type, const char *const *forms)
{
    char *original;
    MUST(EXIT_OK, "key", "new", place->paths[0], "--type", type);
    assert_mode(place->paths[0], 0600);
    assert_true(shown_private(place->paths[0], &original));
    for (; *forms != NULL; forms++) {
        bool is_public = strstr(*forms, "public") != NULL || strcmp(*forms, "certificate") == 0;
        char *converted;
        MUST(EXIT_OK, "key", "convert", place->paths[0], place->paths[1], "--to", *forms,
             "--handle", "300:88.608/User_li");
        assert_int_equal(shown_private(place->paths[1], &converted), !is_public);
        assert_string_equal(converted, original);
        if (!is_public) {
            assert_mode(place->paths[1], 0600);
        }
        free(converted);
        assert_int_equal(remove(place->paths[1]), 0);
    }
    free(original);
}

static void key_in_every_form_stays_the_same_key(void **state)
{
    static const char *const rsa[] = {"pem",         "der",       "public-pem",
                                      "public-der",  "reference", "reference-public",
                                      "certificate", NULL};
    static const char *const curve[] = {
        "pem", "der", "public-pem", "public-der", "reference-public", "certificate", NULL};
    struct place *place = *state;
    expect_forms(place, "rsa", rsa);
    assert_int_equal(remove(place->paths[0]), 0);
    expect_forms(place, "sm2", curve);
    assert_int_equal(remove(place->paths[0]), 0);
    expect_forms(place, "p256", curve);
}

static void key_when_sealed_needs_its_pass_phrase(void **state)
{
    static const char *const forms[] = {"pem", "der", "reference"};
    struct place *place = *state;
    write_file(place->paths[2], "Ezhou 2026\n");
    write_file(place->paths[3], "Huangshi\n");
    MUST(EXIT_OK, "key", "new", place->paths[0]);
    for (size_t i = 0; i < 3; i++) {
        MUST(EXIT_OK, "key", "convert", place->paths[0], place->paths[1], "--to", forms[i],
             "--new-pass-phrase-file", place->paths[2]);
        struct run run = EXPECT(EXIT_CONFIGURATION, "key", "show", place->paths[1], "--json");
        assert_problem(&run, "GT1106");
        run_done(&run);
        run = EXPECT(EXIT_CONFIGURATION, "key", "show", place->paths[1], "--pass-phrase-file",
                     place->paths[3], "--json");
        assert_problem(&run, "GT1106");
        assert_null(strstr(run.out, "Huangshi"));
        run_done(&run);
        MUST(EXIT_OK, "key", "show", place->paths[1], "--pass-phrase-file", place->paths[2]);
        assert_int_equal(remove(place->paths[1]), 0);
    }
}

static void key_is_never_written_over_a_file(void **state)
{
    struct place *place = *state;
    write_file(place->paths[0], "precious");
    struct run run = EXPECT(EXIT_USAGE, "key", "new", place->paths[0], "--json");
    assert_problem(&run, "GT1008");
    run_done(&run);
    char text[16] = {0};
    FILE *in = fopen(place->paths[0], "r");
    assert_non_null(in);
    assert_int_equal(fread(text, 1, sizeof(text), in), 8);
    (void)fclose(in);
    assert_string_equal(text, "precious");
}

static void key_when_dry_run_writes_nothing(void **state)
{
    struct place *place = *state;
    MUST(EXIT_OK, "key", "new", place->paths[0], "--dry-run");
    assert_int_not_equal(access(place->paths[0], F_OK), 0);
}

static void key_of_the_reference_tools_is_the_record_they_wrote(void **state)
{
    (void)state;
    struct run run = EXPECT(EXIT_OK, "key", "show", TEST_VECTORS "/keys/userpriv.bin", "--json");
    struct run public = EXPECT(EXIT_OK, "key", "show", TEST_VECTORS "/keys/userpub.bin", "--json");
    json_t *ours = run_json(&run);
    json_t *theirs = run_json(&public);
    assert_true(json_equal(json_object_get(ours, "value"), json_object_get(theirs, "value")));
    assert_string_equal(json_text(theirs, "form"), "reference record");
    json_decref(ours);
    json_decref(theirs);
    run_done(&run);
    run_done(&public);
}

static void secret_becomes_a_value_nobody_reads_publicly(void **state)
{
    struct place *place = *state;
    MUST(EXIT_OK, "key", "new", place->paths[0], "--type", "secret");
    assert_mode(place->paths[0], 0600);
    struct run run = EXPECT(EXIT_OK, "key", "show", place->paths[0], "--secret", "--for", "record",
                            "--handle", "302:88.608/User_li", "--json");
    json_t *value = run_json(&run);
    assert_int_equal(json_number(value, "index"), 302);
    assert_string_equal(json_text(value, "type"), "HS_SECKEY");
    assert_string_equal(json_text(value, "permissions"), "1100");
    assert_int_equal(strlen(json_text(json_object_get(value, "data"), "value")), 40);
    json_decref(value);
    run_done(&run);
}

static void snippet_names_file_index_and_handle(void **state)
{
    static const char *const clients[] = {"guantong", "hdl", "java", "national", "curl"};
    struct place *place = *state;
    MUST(EXIT_OK, "key", "new", place->paths[0]);
    for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
        struct run run = EXPECT(EXIT_OK, "key", "show", place->paths[0], "--for", clients[i],
                                "--handle", "301:88.608/User_li");
        assert_non_null(strstr(run.out, place->paths[0]));
        assert_non_null(strstr(run.out, "88.608/User_li"));
        assert_non_null(strstr(run.out, "301"));
        assert_null(strchr(run.out, '%'));
        run_done(&run);
    }
    MUST(EXIT_USAGE, "key", "show", place->paths[0], "--for", "java");
    MUST(EXIT_USAGE, "key", "show", place->paths[0], "--for", "nobody");
}

static void key_when_the_file_holds_none_is_told(void **state)
{
    struct place *place = *state;
    write_file(place->paths[0], "not a key");
    struct run run = EXPECT(EXIT_CONFIGURATION, "key", "show", place->paths[0], "--json");
    assert_problem(&run, "GT1107");
    run_done(&run);
    MUST(EXIT_USAGE, "key", "show", place->paths[1]);
    write_file(place->paths[2], "");
    MUST(EXIT_CONFIGURATION, "key", "show", place->paths[2]);
}

static void key_when_public_has_no_private_form(void **state)
{
    struct place *place = *state;
    struct run run = EXPECT(EXIT_CONFIGURATION, "key", "convert", TEST_VECTORS "/keys/userpub.bin",
                            place->paths[0], "--to", "pem", "--json");
    assert_problem(&run, "GT1107");
    assert_int_not_equal(access(place->paths[0], F_OK), 0);
    run_done(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(key_in_every_form_stays_the_same_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(key_when_sealed_needs_its_pass_phrase, set_up, tear_down),
        cmocka_unit_test_setup_teardown(key_is_never_written_over_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(key_when_dry_run_writes_nothing, set_up, tear_down),
        cmocka_unit_test(key_of_the_reference_tools_is_the_record_they_wrote),
        cmocka_unit_test_setup_teardown(secret_becomes_a_value_nobody_reads_publicly, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(snippet_names_file_index_and_handle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(key_when_the_file_holds_none_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(key_when_public_has_no_private_form, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
