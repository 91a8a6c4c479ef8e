/* SPDX-License-Identifier: Apache-2.0
 *
 * A node's directory: paths, recognition, and the care taken of key files.
 */
#include "tests/unit/admin/run_command.h"

#include "admin/directory.h"

struct place {
    char path[64];
    struct arena *arena;
};

static int make_place(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    scratch_make(place->path);
    place->arena = arena_new(1024, 1 << 20);
    *state = place;
    return place->arena == NULL ? -1 : 0;
}

static int remove_place(void **state)
{
    struct place *place = *state;
    scratch_remove(place->path);
    arena_free(place->arena);
    free(place);
    return 0;
}

static const char *inside(struct place *place, const char *name)
{
    return directory_path(place->arena, place->path, name);
}

static void path_joins_directory_and_name(void **state)
{
    struct place *place = *state;
    assert_string_equal(directory_path(place->arena, "/srv/x", "keys/site.pem"),
                        "/srv/x/keys/site.pem");
}

static void directory_is_a_node_only_with_its_settings(void **state)
{
    struct place *place = *state;
    assert_false(directory_is_node(place->path));
    assert_false(directory_is_node("/nonexistent-here"));
    write_file(inside(place, "guantong.yaml"), "");
    assert_true(directory_is_node(place->path));
    assert_false(directory_is_node(inside(place, "guantong.yaml")));
}

static void settings_with_a_mistake_name_file_and_line(void **state)
{
    struct place *place = *state;
    struct settings *settings = NULL;
    struct fault fault;
    write_file(inside(place, "guantong.yaml"), "node:\n  prefx: 88.1\n");
    assert_int_equal(directory_settings(place->arena, place->path, &settings, &fault),
                     STATUS_BAD_SETTING);
    assert_null(settings);
    assert_non_null(strstr(fault.text, "guantong.yaml:2:"));
    assert_non_null(strstr(fault.text, "prefix"));
}

static enum status read_key(struct place *place, mode_t mode, const char *text)
{
    uint8_t key[REGISTRY_COMMITMENT_KEY_LEN];
    struct fault fault;
    const char *path = inside(place, "keys/commit.key");
    (void)unlink(path);
    write_file(path, text);
    assert_int_equal(chmod(path, mode), 0);
    return directory_commitment_key(place->arena, place->path, key, &fault);
}

static void key_of_wrong_mode_or_length_is_refused(void **state)
{
    struct place *place = *state;
    static const char right[] = "0123456789abcdef0123456789abcdef";
    assert_int_equal(mkdir(inside(place, "keys"), 0700), 0);
    assert_int_equal(read_key(place, 0600, right), STATUS_OK);
    assert_int_equal(read_key(place, 0400, right), STATUS_OK);
    assert_int_equal(read_key(place, 0640, right), STATUS_ACCESS_DENIED);
    assert_int_equal(read_key(place, 0604, right), STATUS_ACCESS_DENIED);
    assert_int_equal(read_key(place, 0600, "0123456789abcdef0123456789abcde"), STATUS_CORRUPT);
    assert_int_equal(read_key(place, 0600, "0123456789abcdef0123456789abcdef0"), STATUS_CORRUPT);
    assert_int_equal(read_key(place, 0600, ""), STATUS_CORRUPT);
}

static void key_behind_a_link_is_refused(void **state)
{
    struct place *place = *state;
    uint8_t key[REGISTRY_COMMITMENT_KEY_LEN];
    struct fault fault;
    assert_int_equal(mkdir(inside(place, "keys"), 0700), 0);
    write_file(inside(place, "elsewhere"), "0123456789abcdef0123456789abcdef");
    assert_int_equal(chmod(inside(place, "elsewhere"), 0600), 0);
    assert_int_equal(symlink(inside(place, "elsewhere"), inside(place, "keys/commit.key")), 0);
    assert_int_equal(directory_commitment_key(place->arena, place->path, key, &fault),
                     STATUS_SYSTEM);
}

static void store_that_is_not_there_is_told_not_made(void **state)
{
    struct place *place = *state;
    struct registry *registry = NULL;
    struct fault fault = {.status = STATUS_OK};
    write_file(inside(place, "guantong.yaml"), "");
    assert_int_not_equal(
        directory_open_registry(place->arena, place->path, true, &registry, &fault), STATUS_OK);
    assert_null(registry);
    assert_int_not_equal(access(inside(place, "store/data.mdb"), F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(path_joins_directory_and_name, make_place, remove_place),
        cmocka_unit_test_setup_teardown(directory_is_a_node_only_with_its_settings, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(settings_with_a_mistake_name_file_and_line, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(key_of_wrong_mode_or_length_is_refused, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(key_behind_a_link_is_refused, make_place, remove_place),
        cmocka_unit_test_setup_teardown(store_that_is_not_there_is_told_not_made, make_place,
                                        remove_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
