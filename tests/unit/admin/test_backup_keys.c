/* SPDX-License-Identifier: Apache-2.0
 *
 * Sealed keys: opened by their recipient alone, and by nobody once touched.
 */
#include "tests/unit/admin/run_command.h"

#include "admin/backup_keys.h"

struct pair {
    char path[64];
    char key[96];
    char certificate[96];
    struct arena *arena;
    struct backup_recipient *recipient;
    struct backup_opener *opener;
};

static void pair_make(struct pair *pair)
{
    struct fault fault = {STATUS_OK, ""};
    *pair = (struct pair){.arena = arena_new(4096, 1 << 20)};
    scratch_make(pair->path);
    (void)snprintf(pair->key, sizeof(pair->key), "%s/key.pem", pair->path);
    (void)snprintf(pair->certificate, sizeof(pair->certificate), "%s/cert.pem", pair->path);
    assert_int_equal(backup_recipient_make(pair->key, pair->certificate, "a city", &fault),
                     STATUS_OK);
    assert_int_equal(backup_recipient_load(pair->certificate, &pair->recipient, &fault), STATUS_OK);
    assert_int_equal(backup_opener_load(pair->key, &pair->opener, &fault), STATUS_OK);
}

static void pair_remove(struct pair *pair)
{
    backup_opener_free(pair->opener);
    backup_recipient_free(pair->recipient);
    arena_free(pair->arena);
    scratch_remove(pair->path);
}

static void secret_sealed_is_opened_by_its_recipient(void **state)
{
    (void)state;
    struct pair pair;
    struct backup_manifest manifest = {.has_keys = false};
    struct fault fault = {STATUS_OK, ""};
    struct bytes sealed;
    struct bytes back;
    struct bytes secret = BYTES_LITERAL("\0\1\2 thirty-two bytes of a secret key");
    struct stat facts;
    pair_make(&pair);
    assert_int_equal(stat(pair.key, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    assert_int_equal(backup_recipient_seal(pair.recipient, pair.arena, secret, &sealed, &fault),
                     STATUS_OK);
    assert_null(memmem(sealed.data, sealed.len, secret.data, secret.len));
    assert_int_equal(backup_opener_open(pair.opener, pair.arena, sealed, &back, &fault), STATUS_OK);
    assert_true(bytes_equal(back, secret));
    assert_int_equal(backup_opener_check(pair.opener, &manifest, &fault), STATUS_NOT_FOUND);
    assert_int_equal(backup_recipient_tell(pair.recipient, &manifest), STATUS_OK);
    assert_non_null(strstr(manifest.recipient, "a city"));
    assert_int_equal(backup_opener_check(pair.opener, &manifest, &fault), STATUS_OK);
    pair_remove(&pair);
}

static void another_key_is_refused(void **state)
{
    (void)state;
    struct pair pair;
    struct pair other;
    struct backup_manifest manifest = {.has_keys = false};
    struct fault fault = {STATUS_OK, ""};
    pair_make(&pair);
    pair_make(&other);
    assert_int_equal(backup_recipient_tell(pair.recipient, &manifest), STATUS_OK);
    assert_int_equal(backup_opener_check(other.opener, &manifest, &fault), STATUS_ACCESS_DENIED);
    pair_remove(&other);
    pair_remove(&pair);
}

static void sealed_bytes_cut_are_corrupt(void **state)
{
    (void)state;
    struct pair pair;
    struct fault fault = {STATUS_OK, ""};
    struct bytes sealed;
    struct bytes back;
    pair_make(&pair);
    assert_int_equal(
        backup_recipient_seal(pair.recipient, pair.arena, BYTES_LITERAL("secret"), &sealed, &fault),
        STATUS_OK);
    for (size_t len = 0; len < sealed.len; len += 7) {
        assert_int_equal(
            backup_opener_open(pair.opener, pair.arena, bytes_of(sealed.data, len), &back, &fault),
            STATUS_CORRUPT);
    }
    pair_remove(&pair);
}

static void files_of_other_kinds_are_named(void **state)
{
    (void)state;
    struct pair pair;
    struct backup_recipient *recipient = NULL;
    struct backup_opener *opener = NULL;
    struct fault fault = {STATUS_OK, ""};
    char path[96];
    pair_make(&pair);
    (void)snprintf(path, sizeof(path), "%s/rubbish", pair.path);
    assert_int_equal(backup_recipient_load(path, &recipient, &fault), STATUS_SYSTEM);
    write_file(path, "rubbish\n");
    assert_int_equal(backup_recipient_load(path, &recipient, &fault), STATUS_BAD_SYNTAX);
    assert_int_equal(backup_opener_load(path, &opener, &fault), STATUS_BAD_SYNTAX);
    assert_int_equal(backup_opener_load(pair.certificate, &opener, &fault), STATUS_BAD_SYNTAX);
    assert_int_equal(backup_recipient_make(pair.key, path, "x", &fault), STATUS_SYSTEM);
    assert_int_equal(access(pair.key, F_OK), 0);
    pair_remove(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secret_sealed_is_opened_by_its_recipient),
        cmocka_unit_test(another_key_is_refused),
        cmocka_unit_test(sealed_bytes_cut_are_corrupt),
        cmocka_unit_test(files_of_other_kinds_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
