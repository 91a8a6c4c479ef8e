/* SPDX-License-Identifier: Apache-2.0
 *
 * `guantong decode`: every captured message is taken apart to its end; damage is found and placed.
 */
#include "tests/unit/admin/run_command.h"

#include <dirent.h>

#define REQUEST                                                                                    \
    "0203020b0000000000000063000000000000003400000001000000001900000"                              \
    "0ffff00006b0219c5000000180000000c302e4e412f38382e31303030000000000000000000000000"

static void decode_shows_fields_with_offsets(void **state)
{
    (void)state;
    struct run run = EXPECT(EXIT_OK, "decode", REQUEST);
    assert_non_null(strstr(run.out, "000008      4    request id              99 (00000063)\n"));
    assert_non_null(strstr(run.out, "000020      4    opcode                  1 RESOLUTION\n"));
    assert_non_null(
        strstr(run.out, "000028      4    flags                   19000000 REC CA PO\n"));
    assert_non_null(strstr(run.out, "000044     16    handle                  0.NA/88.1000\n"));
    run_done(&run);
}

static void decode_without_envelope_counts_from_the_header(void **state)
{
    (void)state;
    struct run run = EXPECT(EXIT_OK, "decode", &REQUEST[40]);
    assert_null(strstr(run.out, "envelope"));
    assert_non_null(strstr(run.out, "000000      4    opcode                  1 RESOLUTION\n"));
    assert_non_null(strstr(run.out, "000024     16    handle                  0.NA/88.1000\n"));
    run_done(&run);
}

static void decode_of_two_messages_in_a_run_shows_both(void **state)
{
    (void)state;
    struct run run = EXPECT(EXIT_OK, "decode", REQUEST REQUEST, "--json");
    json_t *document = run_json(&run);
    json_t *items = json_object_get(document, "items");
    assert_int_equal(json_array_size(items), 2);
    json_t *envelope = json_array_get(json_object_get(json_array_get(items, 1), "fields"), 0);
    assert_string_equal(json_text(envelope, "name"), "envelope");
    assert_int_equal(json_number(envelope, "offset"), 0);
    assert_int_equal(json_number(envelope, "length"), 20);
    assert_int_equal(json_array_size(json_object_get(envelope, "fields")), 7);
    json_decref(document);
    run_done(&run);
}

static void decode_finds_damage(void **state)
{
    (void)state;
    char text[sizeof REQUEST];
    for (size_t len = 2; len + 2 < sizeof REQUEST; len += 2) {
        (void)snprintf(text, sizeof text, "%.*s", (int)len, REQUEST);
        struct run run = EXPECT(EXIT_NEGATIVE, "decode", text);
        assert_non_null(strstr(run.out, "DAMAGED"));
        run_done(&run);
    }
}

static void decode_refuses_what_is_no_hexadecimal(void **state)
{
    (void)state;
    MUST(EXIT_USAGE, "decode", "zz");
    MUST(EXIT_USAGE, "decode", "abc");
    MUST(EXIT_USAGE, "decode");
}

/* The lines of a capture as arguments. */
static void decode_file(const char *path, bool is_malformed)
{
    char *lines[30] = {NULL};
    const char *words[32] = {"decode"};
    size_t count = 0;
    size_t size = 0;
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    while (count < 30 && getline(&lines[count], &size, in) > 0) {
        lines[count][strcspn(lines[count], "\r\n")] = '\0';
        words[1 + count] = lines[count];
        count++;
        size = 0;
    }
    (void)fclose(in);
    if (words[1] == NULL) {
        free(lines[0]);
        return; /* an exchange without an answer */
    }
    struct run run = run_words(words);
    if (run.exit != EXIT_OK && !is_malformed) {
        print_error("%s: exit %d\n%s\n", path, run.exit, run.out);
    }
    assert_true(run.exit == EXIT_OK || (is_malformed && run.exit == EXIT_NEGATIVE));
    run_done(&run);
    for (size_t i = 0; i < 30; i++) {
        free(lines[i]);
    }
}

static void decode_reads_every_capture_to_its_end(void **state)
{
    (void)state;
    static const char *const malformed[] = {
        "raw-biglen-tcp",   "raw-garbage-udp",  "raw-handlelen-overflow-udp",
        "raw-shortmsg-tcp", "raw-shortmsg-udp", "raw-response-as-request-udp",
    };
    DIR *folder = opendir(TEST_VECTORS "/captured");
    assert_non_null(folder);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[600];
        size_t len = strlen(entry->d_name);
        bool is_malformed = false;
        if (len < 8 || strcmp(entry->d_name + len - 4, ".hex") != 0 ||
            strstr(entry->d_name, "http") != NULL) {
            continue;
        }
        for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
            is_malformed |= strncmp(entry->d_name, malformed[i], strlen(malformed[i])) == 0;
        }
        (void)snprintf(path, sizeof path, "%s/captured/%s", TEST_VECTORS, entry->d_name);
        decode_file(path, is_malformed);
        count++;
    }
    (void)closedir(folder);
    assert_true(count > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_shows_fields_with_offsets),
        cmocka_unit_test(decode_without_envelope_counts_from_the_header),
        cmocka_unit_test(decode_of_two_messages_in_a_run_shows_both),
        cmocka_unit_test(decode_finds_damage),
        cmocka_unit_test(decode_refuses_what_is_no_hexadecimal),
        cmocka_unit_test(decode_reads_every_capture_to_its_end),
    };
    (void)setenv("LC_ALL", "C", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
