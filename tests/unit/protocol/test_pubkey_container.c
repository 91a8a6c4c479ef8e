/* SPDX-License-Identifier: Apache-2.0
 *
 * Private key files against the same keys as the Java runtime sealed them.
 */
#include "protocol/pubkey_container.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "tests/unit/protocol/vectors.h"

#define ROOM 8192
#define PASS_PHRASE BYTES_LITERAL("Ezhou-2026")

static const char *const sealed[] = {"keys/dsapriv.aes.bin", "keys/dsapriv.desede.bin",
                                     "keys/dsapriv.des-cbc.bin", "keys/dsapriv.des-ecb.bin"};
#define SEALED_COUNT (sizeof(sealed) / sizeof(sealed[0]))

static const uint8_t salt[PUBKEY_CONTAINER_SALT_LEN] = {1, 2,  3,  4,  5,  6,  7,  8,
                                                        9, 10, 11, 12, 13, 14, 15, 16};
static const uint8_t iv[PUBKEY_CONTAINER_IV_LEN] = {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
                                                    0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf};

static int set_up(void **state)
{
    *state = arena_new(1 << 16, 4 << 20);
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

static struct wire_writer room(struct arena *arena)
{
    return wire_write(vectors_room(arena, ROOM), ROOM);
}

static void container_of_each_encryption_is_opened(void **state)
{
    struct bytes record = bytes_from(vectors_file(*state, "keys/dsapriv.bin"), 4);
    for (size_t i = 0; i < SEALED_COUNT; i++) {
        struct bytes file = vectors_file(*state, sealed[i]);
        struct wire_writer w = room(*state);
        assert_true(pubkey_container_is(file));
        assert_true(pubkey_container_is_sealed(file));
        assert_int_equal(pubkey_container_open(file, PASS_PHRASE, &w), STATUS_OK);
        vectors_assert_equal(wire_wrote(&w), record);
    }
}

static void container_when_the_pass_phrase_is_wrong_leaves_nothing(void **state)
{
    for (size_t i = 0; i < SEALED_COUNT; i++) {
        struct bytes file = vectors_file(*state, sealed[i]);
        struct wire_writer w = room(*state);
        assert_int_equal(pubkey_container_open(file, BYTES_LITERAL("ezhou-2026"), &w),
                         STATUS_AUTHENTICATION_FAILED);
        assert_int_equal(pubkey_container_open(file, BYTES_NONE, &w), STATUS_AUTHENTICATION_FAILED);
        assert_int_equal(wire_wrote(&w).len, 0);
        assert_false(w.failed);
    }
}

static void container_when_plain_or_bare_needs_no_pass_phrase(void **state)
{
    struct bytes file = vectors_file(*state, "keys/userpriv.bin");
    struct bytes record = bytes_from(file, 4);
    struct wire_writer w = room(*state);
    assert_false(pubkey_container_is_sealed(file));
    assert_true(pubkey_container_is(record));
    assert_int_equal(pubkey_container_open(file, BYTES_NONE, &w), STATUS_OK);
    vectors_assert_equal(wire_wrote(&w), record);
    w = room(*state);
    assert_int_equal(pubkey_container_open(record, BYTES_NONE, &w), STATUS_OK);
    vectors_assert_equal(wire_wrote(&w), record);
}

static void container_when_cut_is_never_opened(void **state)
{
    for (size_t i = 0; i < SEALED_COUNT; i++) {
        struct bytes file = vectors_file(*state, sealed[i]);
        for (size_t len = 0; len < file.len; len += len < 64 ? 1 : 8) {
            struct wire_writer w = room(*state);
            assert_int_not_equal(pubkey_container_open(bytes_of(file.data, len), PASS_PHRASE, &w),
                                 STATUS_OK);
        }
    }
}

static void container_when_iterations_are_absurd_is_no_container(void **state)
{
    struct bytes file = vectors_file(*state, sealed[0]);
    uint8_t *copy = vectors_room(*state, file.len);
    memcpy(copy, file.data, file.len);
    memset(copy + 24, 0x7f, 4); /* word 4 ‖ salt length 4 ‖ salt 16 ‖ iterations */
    struct wire_writer w = room(*state);
    assert_false(pubkey_container_is(bytes_of(copy, file.len)));
    assert_int_equal(pubkey_container_open(bytes_of(copy, file.len), PASS_PHRASE, &w),
                     STATUS_INVALID_VALUE);
}

static void container_when_sealed_is_as_the_java_runtime_makes_it(void **state)
{
    struct bytes record = bytes_from(vectors_file(*state, "keys/dsapriv.bin"), 4);
    struct wire_writer w = room(*state);
    assert_int_equal(pubkey_container_seal(record, PASS_PHRASE, salt, iv, &w), STATUS_OK);
    vectors_assert_equal(wire_wrote(&w), vectors_file(*state, sealed[0]));
}

static void
container_when_sealed_without_pass_phrase_is_as_the_reference_tools_make_it(void **state)
{
    struct bytes file = vectors_file(*state, "keys/adminpriv.bin");
    struct wire_writer w = room(*state);
    assert_int_equal(pubkey_container_seal(bytes_from(file, 4), BYTES_NONE, salt, iv, &w),
                     STATUS_OK);
    vectors_assert_equal(wire_wrote(&w), file);
}

static void container_when_there_is_no_room_fails_the_writer(void **state)
{
    struct bytes record = bytes_from(vectors_file(*state, "keys/dsapriv.bin"), 4);
    uint8_t small[100];
    struct wire_writer w = wire_write(small, sizeof(small));
    assert_int_equal(pubkey_container_seal(record, PASS_PHRASE, salt, iv, &w), STATUS_NO_ROOM);
}

static EVP_PKEY *private_key(struct arena *arena, const char *file)
{
    struct bytes der = vectors_file(arena, file);
    const unsigned char *at = der.data;
    EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &at, (long)der.len);
    assert_non_null(key);
    return key;
}

static void record_of_a_private_key_is_the_reference_tools(void **state)
{
    static const char *const names[] = {"adminpriv", "userpriv", "serverpriv", "dsapriv"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char der[64];
        char bin[64];
        (void)snprintf(der, sizeof(der), "keys/%s.pkcs8.der", names[i]);
        (void)snprintf(bin, sizeof(bin), "keys/%s.bin", names[i]);
        EVP_PKEY *key = private_key(*state, der);
        struct wire_writer w = room(*state);
        assert_int_equal(pubkey_private_from_evp(key, &w), STATUS_OK);
        vectors_assert_equal(wire_wrote(&w), bytes_from(vectors_file(*state, bin), 4));
        EVP_PKEY_free(key);
    }
}

static void record_of_a_key_without_private_part_is_refused(void **state)
{
    struct bytes der = vectors_file(*state, "keys/adminpub.spki.der");
    const unsigned char *at = der.data;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)der.len);
    EVP_PKEY *curve = EVP_EC_gen("P-256");
    struct wire_writer w = room(*state);
    assert_int_equal(pubkey_private_from_evp(key, &w), STATUS_NOT_SUPPORTED);
    assert_int_equal(pubkey_private_from_evp(curve, &w), STATUS_NOT_SUPPORTED);
    EVP_PKEY_free(curve);
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(container_of_each_encryption_is_opened),
        cmocka_unit_test(container_when_the_pass_phrase_is_wrong_leaves_nothing),
        cmocka_unit_test(container_when_plain_or_bare_needs_no_pass_phrase),
        cmocka_unit_test(container_when_cut_is_never_opened),
        cmocka_unit_test(container_when_iterations_are_absurd_is_no_container),
        cmocka_unit_test(container_when_sealed_is_as_the_java_runtime_makes_it),
        cmocka_unit_test(
            container_when_sealed_without_pass_phrase_is_as_the_reference_tools_make_it),
        cmocka_unit_test(container_when_there_is_no_room_fails_the_writer),
        cmocka_unit_test(record_of_a_private_key_is_the_reference_tools),
        cmocka_unit_test(record_of_a_key_without_private_part_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
