/* SPDX-License-Identifier: Apache-2.0
 *
 * The meaning of texts in the settings: addresses, networks, prefixes, zone names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "conf/settings_value.h"

static void expect(const char *name, const char *const *texts, size_t count, enum status expected)
{
    const struct setting_row *row = settings_find(name, NULL);
    assert_non_null(row);
    for (size_t i = 0; i < count; i++) {
        struct fault fault = {.status = STATUS_OK};
        enum status status = settings_check_item(row, texts[i], &fault);
        if (status != expected) {
            fail_msg("%s: \"%s\": %s %s", name, texts[i], status_name(status), fault.text);
        }
        assert_true(status == STATUS_OK || strncmp(fault.text, name, strlen(name)) == 0);
    }
}

#define EXPECT(name, expected, ...)                                                                \
    do {                                                                                           \
        static const char *const texts[] = {__VA_ARGS__};                                          \
        expect(name, texts, sizeof(texts) / sizeof(texts[0]), expected);                           \
    } while (0)

static void address_when_ip_is_accepted_else_refused(void **state)
{
    (void)state;
    EXPECT("listen.addresses", STATUS_OK, "0.0.0.0", "::", "127.0.0.1", "fe80::1%eth0",
           "::ffff:1.2.3.4");
    EXPECT("listen.addresses", STATUS_BAD_SETTING, "", "localhost", "1.2.3", "127.0.0.1:2641",
           "[::1]", "fe80::1%", "1.2.3.4%eth0", "10.0.0.0/8",
           "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000");
}

static void network_when_masked_is_accepted_else_refused(void **state)
{
    (void)state;
    EXPECT("limits.trusted_networks", STATUS_OK, "10.1.0.0/16", "10.1.2.3", "0.0.0.0/0", "::/0",
           "fd00::/8", "fd00::1/128");
    EXPECT("limits.trusted_networks", STATUS_BAD_SETTING, "10.1.0.0/8", "10.0.0.0/33", "fd00::/129",
           "10.0.0.0/", "/8", "10.0.0.0/-1", "10.0.0.0/8/8", "fd00::1/8", "host/8",
           "10.0.0.0/99999999999999999999");
}

static void prefix_when_labels_is_accepted_else_refused(void **state)
{
    (void)state;
    EXPECT("node.prefix", STATUS_OK, "88.608", "20.1000.1", "88");
    EXPECT("node.prefix", STATUS_BAD_SETTING, "", "88..608", ".88", "88.", "88/1", "88.鄂",
           "88.a b");
}

static void text_when_not_one_line_of_utf8_is_refused(void **state)
{
    (void)state;
    EXPECT("node.description", STATUS_OK, "", "鄂州二级节点", "a \"quoted\" name");
    EXPECT("node.description", STATUS_BAD_SETTING, "a\nb", "a\tb", "\x7f", "\xff\xfe");
    static char text[SETTINGS_TEXT_MAX + 2];
    memset(text, 'x', SETTINGS_TEXT_MAX);
    const struct setting_row *row = settings_find("node.description", NULL);
    assert_int_equal(settings_check_item(row, text, NULL), STATUS_OK);
    text[SETTINGS_TEXT_MAX] = 'x';
    assert_int_equal(settings_check_item(row, text, NULL), STATUS_BAD_SETTING);
}

static void network_when_ipv4_is_mapped(void **state)
{
    (void)state;
    struct settings_network network;
    assert_int_equal(settings_parse_network("10.1.0.0/16", &network), STATUS_OK);
    static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [13] = 1};
    assert_memory_equal(network.address, mapped, sizeof(mapped));
    assert_int_equal(network.bits, 112);
    assert_int_equal(settings_parse_network("fd00::/8", &network), STATUS_OK);
    assert_int_equal(network.address[0], 0xfd);
    assert_int_equal(network.bits, 8);
    assert_int_equal(settings_parse_network("::1", &network), STATUS_OK);
    assert_int_equal(network.bits, 128);
}

static void quote_when_long_is_cut_between_characters(void **state)
{
    (void)state;
    assert_string_equal(settings_quote("a\tb").text, "\"a?b\"");
    assert_string_equal(settings_quote("").text, "\"\"");
    char text[200] = "";
    for (size_t i = 0; i < 50; i++) {
        memcpy(text + 3 * i, "鄂", 4);
    }
    struct settings_quote quote = settings_quote(text);
    assert_true(strlen(quote.text) < sizeof(quote.text));
    assert_string_equal(quote.text + strlen(quote.text) - 7, "鄂...\"");
    assert_int_equal((strlen(quote.text) - strlen("\"...\"")) % 3, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_when_ip_is_accepted_else_refused),
        cmocka_unit_test(network_when_masked_is_accepted_else_refused),
        cmocka_unit_test(prefix_when_labels_is_accepted_else_refused),
        cmocka_unit_test(text_when_not_one_line_of_utf8_is_refused),
        cmocka_unit_test(network_when_ipv4_is_mapped),
        cmocka_unit_test(quote_when_long_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
