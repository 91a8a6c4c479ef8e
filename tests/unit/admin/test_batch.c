/* SPDX-License-Identifier: Apache-2.0
 *
 * The reference server's batch text, as its manual shows it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin/import_rows.h"
#include "protocol/value_types.h"

struct batch {
    struct import_lines *lines;
    struct import_rows *rows;
    struct import_row row;
    struct fault fault;
};

static void batch_begin(struct batch *batch, const char *text)
{
    *batch = (struct batch){0};
    assert_int_equal(import_lines_of(bytes_of_text(text), NULL, &batch->lines, NULL), STATUS_OK);
    assert_int_equal(import_rows_open(IMPORT_BATCH, batch->lines, &batch->rows, &batch->fault),
                     STATUS_OK);
}

static void batch_end(struct batch *batch)
{
    import_rows_close(batch->rows);
    import_lines_close(batch->lines);
}

static enum status next(struct batch *batch)
{
    batch->fault.text[0] = '\0';
    return import_rows_next(batch->rows, &batch->row, &batch->fault);
}

static void assert_bytes(struct bytes given, const char *text)
{
    assert_int_equal(given.len, strlen(text));
    assert_memory_equal(given.data, text, given.len);
}

static void batch_of_the_manual_becomes_records(void **state)
{
    (void)state;
    struct batch batch;
    struct admin admin;
    struct vlist list;
    batch_begin(&batch, "AUTHENTICATE SECKEY:301:0.NA/88.1000\r\nCREATE password\r\n\r\n"
                        "SESSIONSETUP\nUSESESSION:1\nPASSPHRASE:secret\n\n"
                        "CREATE 88.1000/a\n"
                        "100 HS_ADMIN 86400 1110 ADMIN\n"
                        "300:110011111111:0.NA/88.1000\n"
                        "3 DESC 3600 1100 UTF8 two  words \n"
                        "400 HS_VLIST 86400 1110 LIST 300:88.1000/u; 301:88.1000/v;\n"
                        "CREATE 88.1000/b c\n"
                        "1 URL 86400 1110 UTF8 https://b.example/\n");
    assert_int_equal(next(&batch), STATUS_OK);
    assert_bytes(batch.row.record.handle, "88.1000/a");
    assert_int_equal(batch.row.line, 8);
    assert_int_equal(batch.row.record.count, 3);
    const struct value *values = batch.row.record.values;
    assert_int_equal(admin_decode(values[0].data, &admin), STATUS_OK);
    assert_int_equal(admin.permissions, 0x0ff3);
    assert_int_equal(admin.identity.index, 300);
    assert_bytes(admin.identity.handle, "0.NA/88.1000");
    assert_int_equal(values[1].ttl, 3600);
    assert_int_equal(values[1].permissions, 0x0c);
    assert_int_equal(values[1].data.len, strlen("two  words"));
    assert_int_equal(vlist_decode(values[2].data, &list), STATUS_OK);
    assert_int_equal(list.count, 2);
    assert_int_equal(next(&batch), STATUS_OK);
    assert_bytes(batch.row.record.handle, "88.1000/b c");
    assert_int_equal(batch.row.line, 13);
    assert_int_equal(next(&batch), STATUS_NOT_FOUND);
    batch_end(&batch);
}

static void batch_admin_permissions_follow_the_order_of_the_manual(void **state)
{
    (void)state;
    static const uint16_t wanted[12] = {0x001, 0x002, 0x004, 0x008, 0x010, 0x020,
                                        0x040, 0x400, 0x080, 0x100, 0x200, 0x800};
    for (size_t i = 0; i < 12; i++) {
        char text[] =
            "CREATE 88.1000/a\n1 HS_ADMIN 86400 1110 ADMIN 300:000000000000:0.NA/88.1000\n";
        struct batch batch;
        struct admin admin;
        *(strstr(text, "000000000000") + i) = '1';
        batch_begin(&batch, text);
        assert_int_equal(next(&batch), STATUS_OK);
        assert_int_equal(admin_decode(batch.row.record.values[0].data, &admin), STATUS_OK);
        assert_int_equal(admin.permissions, wanted[i]);
        batch_end(&batch);
    }
}

static void batch_refuses_what_is_no_creation_and_goes_on(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "DELETE 88.1000/x\n",
        "MODIFY 88.1000/x\n1 URL 86400 1110 UTF8 x\n",
        "HOME 192.0.2.1:2641:TCP\n0.NA/88.1000\n",
        "nonsense\n",
        "CREATE 88.1000/x\nx URL 86400 1110 UTF8 x\n",
        "CREATE 88.1000/x\n1\n",
        "CREATE 88.1000/x\n1 URL soon 1110 UTF8 x\n",
        "CREATE 88.1000/x\n1 URL 86400 111 UTF8 x\n",
        "CREATE 88.1000/x\n1 URL 86400 1110 FILE /etc/passwd\n",
        "CREATE 88.1000/x\n1 URL 86400 1110 WHAT x\n",
        "CREATE 88.1000/x\n1 HS_ADMIN 86400 1110 ADMIN 300:11111:0.NA/88.1000\n",
        "CREATE 88.1000/x\n1 HS_ADMIN 86400 1110 ADMIN 300:11111111111x:0.NA/88.1000\n",
        "CREATE 88.1000/x\n1 HS_ADMIN 86400 1110 ADMIN",
        "CREATE 88.1000/x\n1 DESC 86400 1110 UTF8 \xb6\xf5\xd6\xdd\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[300];
        struct batch batch;
        (void)snprintf(text, sizeof text, "%s\n\nCREATE 88.1000/good\n1 D 60 1110 UTF8 x\n",
                       bad[i]);
        batch_begin(&batch, text);
        enum status status = next(&batch);
        assert_true(status != STATUS_OK && import_rows_is_refusal(status));
        assert_true(batch.fault.text[0] != '\0' && batch.row.line > 0);
        assert_int_equal(next(&batch), STATUS_OK);
        assert_bytes(batch.row.record.handle, "88.1000/good");
        batch_end(&batch);
    }
}

static void batch_is_told_by_its_first_word(void **state)
{
    (void)state;
    assert_int_equal(import_rows_guess("-", BYTES_LITERAL("\n AUTHENTICATE PUBKEY:300:x\n")),
                     IMPORT_BATCH);
    assert_int_equal(import_rows_guess("old.txt", BYTES_LITERAL("CREATE 88.1000/a,b\r\n")),
                     IMPORT_BATCH);
    assert_int_equal(import_rows_form("batch"), IMPORT_BATCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_of_the_manual_becomes_records),
        cmocka_unit_test(batch_admin_permissions_follow_the_order_of_the_manual),
        cmocka_unit_test(batch_refuses_what_is_no_creation_and_goes_on),
        cmocka_unit_test(batch_is_told_by_its_first_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
