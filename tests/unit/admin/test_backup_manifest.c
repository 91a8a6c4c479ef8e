/* SPDX-License-Identifier: Apache-2.0
 *
 * The manifest: read back as written; every change of it, and every strange name, is refused.
 */
#include "tests/unit/admin/run_command.h"

#include "admin/backup_manifest.h"

static struct backup_manifest example(void)
{
    struct backup_manifest m = {.program = "guantong 1",
                                .prefix = "88.1000",
                                .node_id = "abc",
                                .created_ms = 1700000000123,
                                .txn = 7,
                                .position = 42,
                                .records = 3,
                                .has_keys = true,
                                .recipient = "/CN=x",
                                .member_count = 3};
    memset(m.chain, 0xab, sizeof(m.chain));
    memset(m.recipient_id, 0x01, sizeof(m.recipient_id));
    static const char *const names[] = {BACKUP_STORE, BACKUP_SETTINGS, "keys/site.pem.cms"};
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(m.members[i].name, sizeof(m.members[i].name), "%s", names[i]);
        m.members[i].bytes = 1000 + i;
        memset(m.members[i].digest, (int)i, BACKUP_DIGEST_LEN);
    }
    return m;
}

static char *text_of(const struct backup_manifest *m)
{
    json_t *document = backup_manifest_encode(m);
    assert_non_null(document);
    char *text = json_dumps(document, JSON_INDENT(2));
    json_decref(document);
    assert_non_null(text);
    return text;
}

static enum status decode(const char *text, struct backup_manifest *out)
{
    struct fault fault = {STATUS_OK, ""};
    enum status status = backup_manifest_decode(bytes_of_text(text), out, &fault);
    assert_true((status == STATUS_OK) == (fault.text[0] == '\0'));
    return status;
}

static void manifest_written_is_read_back_the_same(void **state)
{
    (void)state;
    struct backup_manifest m = example();
    struct backup_manifest back = {.member_count = 0};
    char *text = text_of(&m);
    assert_int_equal(decode(text, &back), STATUS_OK);
    assert_string_equal(back.prefix, "88.1000");
    assert_int_equal(back.created_ms, m.created_ms);
    assert_int_equal(back.position, 42);
    assert_int_equal(back.txn, 7);
    assert_true(back.has_keys);
    assert_memory_equal(back.chain, m.chain, sizeof(m.chain));
    assert_memory_equal(back.recipient_id, m.recipient_id, sizeof(m.recipient_id));
    assert_int_equal(back.member_count, 3);
    assert_int_equal(backup_manifest_find(&back, BACKUP_SETTINGS)->bytes, 1001);
    assert_null(backup_manifest_find(&back, "keys/head.pem.cms"));
    free(text);
}

/* Every digit and letter of the text changed in turn: nothing passes unnoticed. */
static void manifest_changed_anywhere_is_refused(void **state)
{
    (void)state;
    struct backup_manifest m = example();
    struct backup_manifest back;
    char *text = text_of(&m);
    size_t len = strlen(text);
    size_t tried = 0;
    for (size_t i = 0; i < len; i++) {
        char kept = text[i];
        if (kept == ' ' || kept == '\n') {
            continue;
        }
        text[i] = kept == '7' ? '8' : '7';
        assert_int_not_equal(decode(text, &back), STATUS_OK);
        text[i] = kept;
        tried++;
    }
    assert_true(tried > 500);
    text[len / 2] = '\0';
    assert_int_equal(decode(text, &back), STATUS_CORRUPT);
    free(text);
}

static void manifest_of_a_later_format_is_not_supported(void **state)
{
    (void)state;
    struct backup_manifest back;
    assert_int_equal(decode("{\"format\":2}", &back), STATUS_NOT_SUPPORTED);
    assert_int_equal(decode("{\"format\":\"1\"}", &back), STATUS_CORRUPT);
    assert_int_equal(decode("[]", &back), STATUS_CORRUPT);
    assert_int_equal(decode("", &back), STATUS_CORRUPT);
}

static void members_with_strange_names_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"keys/../x.cms", "/etc/passwd", "keys/.x.cms",
                                        "keys/a/b.cms",  "keys/.cms",   "store/x",
                                        BACKUP_SETTINGS};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct backup_manifest m = example();
        struct backup_manifest back;
        (void)snprintf(m.members[2].name, sizeof(m.members[2].name), "%s", names[i]);
        char *text = text_of(&m);
        assert_int_equal(decode(text, &back), STATUS_CORRUPT);
        free(text);
    }
}

static void store_or_settings_missing_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct backup_manifest m = example();
        struct backup_manifest back;
        m.members[i] = m.members[2];
        m.member_count = 2;
        char *text = text_of(&m);
        assert_int_equal(decode(text, &back), STATUS_CORRUPT);
        free(text);
    }
}

static void key_names_are_told_from_other_members(void **state)
{
    (void)state;
    char name[BACKUP_NAME_MAX];
    assert_true(backup_manifest_key_name("keys/site.pem.cms", name));
    assert_string_equal(name, "site.pem");
    assert_false(backup_manifest_key_name(BACKUP_STORE, name));
    assert_false(backup_manifest_key_name("keys/site.pem", name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manifest_written_is_read_back_the_same),
        cmocka_unit_test(manifest_changed_anywhere_is_refused),
        cmocka_unit_test(manifest_of_a_later_format_is_not_supported),
        cmocka_unit_test(members_with_strange_names_are_refused),
        cmocka_unit_test(store_or_settings_missing_is_refused),
        cmocka_unit_test(key_names_are_told_from_other_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
