/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of trusted roots, in each form, and what is no root.
 */
#include "resolver/trust_roots.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/protocol/claims_fixture.h"

#include "protocol/record_json.h"

struct files {
    struct claims_world world;
    char directory[32];
};

static int begin(void **state)
{
    struct files *files = calloc(1, sizeof(*files));
    struct arena *arena = arena_new(1 << 16, 64 << 20);
    assert_non_null(files);
    assert_non_null(arena);
    claims_world_begin(&files->world, arena);
    strcpy(files->directory, "/tmp/guantong-XXXXXX");
    assert_non_null(mkdtemp(files->directory));
    *state = files;
    return 0;
}

static const char *path_of(struct files *files)
{
    char *path = arena_alloc(files->world.arena, 64);
    assert_non_null(path);
    (void)snprintf(path, 64, "%s/root", files->directory);
    return path;
}

static int end(void **state)
{
    struct files *files = *state;
    (void)remove(path_of(files));
    (void)rmdir(files->directory);
    claims_world_done(&files->world);
    arena_free(files->world.arena);
    free(files);
    return 0;
}

static enum status read_bytes(struct files *files, struct bytes content,
                              struct trust_roots **out_roots, struct fault *fault)
{
    const char *const names[] = {"root"};
    FILE *file = fopen(path_of(files), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(content.data, 1, content.len, file), content.len);
    assert_int_equal(fclose(file), 0);
    return trust_roots_read(files->directory, names, 1, out_roots, fault);
}

static void assert_one(struct files *files, struct bytes content, const char *handle,
                       enum world_key key)
{
    struct trust_roots *roots = NULL;
    struct fault fault = {STATUS_OK, ""};
    if (read_bytes(files, content, &roots, &fault) != STATUS_OK) {
        fail_msg("%s", fault.text);
    }
    const struct chain_roots *list = trust_roots_list(roots);
    assert_int_equal(list->count, 1);
    vectors_assert_equal(list->roots[0].handle, bytes_of_text(handle));
    assert_int_equal(EVP_PKEY_eq(list->roots[0].key, files->world.keys[key]), 1);
    trust_roots_free(roots);
}

static struct bytes record_text(struct files *files, const struct value *values, size_t count)
{
    const struct record record = {BYTES_LITERAL("88.111.1/0.0"), (struct value *)values, count};
    json_t *json = record_json_encode(&record, 0);
    char *text = json_dumps(json, JSON_COMPACT);
    struct bytes copy = arena_copy(files->world.arena, bytes_of_text(text));
    assert_non_null(copy.data);
    free(text);
    json_decref(json);
    return copy;
}

static void key_in_pem_is_a_root_without_name(void **state)
{
    struct files *files = *state;
    for (int key = KEY_ROOT; key < KEY_COUNT; key++) {
        char *text = NULL;
        BIO *pem = BIO_new(BIO_s_mem());
        assert_int_equal(PEM_write_bio_PUBKEY(pem, files->world.keys[key]), 1);
        long len = BIO_get_mem_data(pem, &text);
        assert_one(files, bytes_of(text, (size_t)len), "", (enum world_key)key);
        BIO_free(pem);
    }
}

static void key_as_jwk_is_a_root_without_name(void **state)
{
    struct files *files = *state;
    for (int key = KEY_ROOT; key < KEY_COUNT; key++) {
        json_t *jwk = key_json_encode(world_key_record(&files->world, (enum world_key)key));
        char *text = json_dumps(jwk, JSON_INDENT(1));
        assert_one(files, bytes_of_text(text), "", (enum world_key)key);
        free(text);
        json_decref(jwk);
    }
}

static void key_as_stored_is_a_root_without_name(void **state)
{
    struct files *files = *state;
    assert_one(files, world_key_record(&files->world, KEY_USER), "", KEY_USER);
}

static void record_with_a_key_is_a_root_of_its_handle(void **state)
{
    struct files *files = *state;
    const struct value values[] = {
        world_value(1, "DESC", BYTES_LITERAL("root")),
        world_value(300, "HS_PUBKEY", world_key_record(&files->world, KEY_SM2)),
    };
    assert_one(files, record_text(files, values, 2), "88.111.1/0.0", KEY_SM2);
}

static void record_with_a_certificate_is_a_root_of_its_subject(void **state)
{
    struct files *files = *state;
    const struct world_terms terms = {KEY_TOP, "301:88/other", "301:88.111.1/root", NULL, 0, 0};
    const struct jws_permission all = {.perm = JWS_EVERYTHING, .may_certify = true};
    const struct value value =
        world_value(400, "HS_CERT", world_certificate(&files->world, &terms, KEY_ROOT, all));
    assert_one(files, record_text(files, &value, 1), "88.111.1/root", KEY_ROOT);
}

static void file_without_root_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "key",
        "{",
        "[]",
        "{}",
        "{\"kty\":\"oct\",\"k\":\"AA\"}",
        "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
        "{\"handle\":\"88.1/x\",\"values\":[]}",
        "{\"handle\":\"88.1/x\",\"values\":[{\"index\":1,\"type\":\"DESC\",\"data\":\"d\"}]}",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct trust_roots *roots = NULL;
        struct fault fault = {STATUS_OK, ""};
        if (read_bytes(*state, bytes_of_text(texts[i]), &roots, &fault) != STATUS_BAD_SETTING) {
            fail_msg("accepted: %s", texts[i]);
        }
        assert_non_null(strstr(fault.text, "root: "));
        assert_null(roots);
    }
}

static void file_that_is_missing_is_named(void **state)
{
    struct files *files = *state;
    struct trust_roots *roots = NULL;
    struct fault fault = {STATUS_OK, ""};
    const char *const names[] = {"missing"};
    assert_int_equal(trust_roots_read(files->directory, names, 1, &roots, &fault), STATUS_SYSTEM);
    assert_non_null(strstr(fault.text, "missing"));
}

static void roots_that_are_too_many_are_refused(void **state)
{
    struct files *files = *state;
    struct value values[TRUST_ROOTS_MAX + 1];
    struct trust_roots *roots = NULL;
    struct fault fault = {STATUS_OK, ""};
    for (uint32_t i = 0; i < TRUST_ROOTS_MAX + 1; i++) {
        values[i] = world_value(300 + i, "HS_PUBKEY", world_key_record(&files->world, KEY_USER));
    }
    struct bytes most = record_text(files, values, TRUST_ROOTS_MAX);
    struct bytes more = record_text(files, values, TRUST_ROOTS_MAX + 1);
    assert_int_equal(read_bytes(files, most, &roots, &fault), STATUS_OK);
    trust_roots_free(roots);
    roots = NULL;
    assert_int_equal(read_bytes(files, more, &roots, &fault), STATUS_BAD_SETTING);
    assert_null(roots);
}

static void roots_live_until_their_last_owner_is_gone(void **state)
{
    struct files *files = *state;
    struct trust_roots *roots = NULL;
    struct fault fault = {STATUS_OK, ""};
    assert_int_equal(read_bytes(files, world_key_record(&files->world, KEY_TOP), &roots, &fault),
                     STATUS_OK);
    struct trust_roots *shared = trust_roots_share(roots);
    trust_roots_free(roots);
    assert_int_equal(
        EVP_PKEY_eq(trust_roots_list(shared)->roots[0].key, files->world.keys[KEY_TOP]), 1);
    trust_roots_free(shared);
    trust_roots_free(NULL);
}

#define FILE_CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_CASE(key_in_pem_is_a_root_without_name),
        FILE_CASE(key_as_jwk_is_a_root_without_name),
        FILE_CASE(key_as_stored_is_a_root_without_name),
        FILE_CASE(record_with_a_key_is_a_root_of_its_handle),
        FILE_CASE(record_with_a_certificate_is_a_root_of_its_subject),
        FILE_CASE(file_without_root_is_refused),
        FILE_CASE(file_that_is_missing_is_named),
        FILE_CASE(roots_that_are_too_many_are_refused),
        FILE_CASE(roots_live_until_their_last_owner_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
