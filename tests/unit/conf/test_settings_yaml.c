/* SPDX-License-Identifier: Apache-2.0
 *
 * What the reader of guantong.yaml accepts, and what it says about what it refuses.
 */
#include "conf/settings_yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "conf/settings_value.h"

static struct settings *parse(const char *text)
{
    struct settings *settings = NULL;
    struct fault fault = {.status = STATUS_OK};
    enum status status = settings_parse(bytes_of_text(text), "guantong.yaml", &settings, &fault);
    if (status != STATUS_OK) {
        fail_msg("%s", fault.text);
    }
    return settings;
}

struct refusal {
    const char *text;
    const char *message;
};

static void expect_refusals(const struct refusal *refusals, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct settings *settings = NULL;
        struct fault fault = {.status = STATUS_OK};
        enum status status =
            settings_parse(bytes_of_text(refusals[i].text), "guantong.yaml", &settings, &fault);
        assert_int_equal(status, STATUS_BAD_SETTING);
        assert_null(settings);
        assert_int_equal(fault.status, STATUS_BAD_SETTING);
        assert_string_equal(fault.text, refusals[i].message);
        assert_int_equal(
            settings_parse(bytes_of_text(refusals[i].text), "guantong.yaml", &settings, NULL),
            STATUS_BAD_SETTING);
    }
}

#define EXPECT_REFUSALS(...)                                                                       \
    do {                                                                                           \
        const struct refusal refusals[] = {__VA_ARGS__};                                           \
        expect_refusals(refusals, sizeof(refusals) / sizeof(refusals[0]));                         \
    } while (0)

static void file_when_complete_sets_every_type(void **state)
{
    (void)state;
    struct settings *settings = parse("\xef\xbb\xbf# comment\n"
                                      "node:\n"
                                      "  prefix: 88.1000\n"
                                      "  description: \"鄂州 \\\"一号\\\"\"\n"
                                      "  drain_timeout: 500ms\n"
                                      "listen:\n"
                                      "  addresses:\n"
                                      "    - 127.0.0.1\n"
                                      "    - \"::1\"\n"
                                      "  udp: off\n"
                                      "store: {map_size: 2T}\n"
                                      "prefix:\n"
                                      "  max_identifiers: 1000000000000\n"
                                      "limits:\n"
                                      "  trusted_networks: \" 10.0.0.0/8 ,fd00::/8\"\n"
                                      "log:\n"
                                      "  format: json\n");
    assert_string_equal(settings->node_prefix, "88.1000");
    assert_string_equal(settings->node_description, "鄂州 \"一号\"");
    assert_int_equal(settings->node_drain_timeout, 500);
    assert_int_equal(settings->listen_addresses.count, 2);
    assert_string_equal(settings->listen_addresses.items[0], "127.0.0.1");
    assert_string_equal(settings->listen_addresses.items[1], "::1");
    assert_false(settings->listen_udp);
    assert_true(settings->listen_tcp);
    assert_true(settings->store_map_size == INT64_C(2) << 40);
    assert_true(settings->prefix_max_identifiers == INT64_C(1000000000000));
    assert_int_equal(settings->limits_trusted_networks.count, 2);
    assert_string_equal(settings->limits_trusted_networks.items[0], "10.0.0.0/8");
    assert_string_equal(settings->limits_trusted_networks.items[1], "fd00::/8");
    assert_string_equal(settings->log_format, "json");
    settings_free(settings);
}

static void file_when_empty_gives_defaults(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "# nothing\n", "---\n", "node:\nlog: ~\n", "{}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct settings *settings = parse(texts[i]);
        for (size_t row = 0; row < settings_row_count(); row++) {
            assert_true(settings_is_default(settings, settings_row(row)));
        }
        settings_free(settings);
    }
}

static void key_when_unknown_names_the_nearest(void **state)
{
    (void)state;
    EXPECT_REFUSALS(
        {"node:\n  prefix: \"88.1\"\n\nlimits:\n  conections: 3\n",
         "guantong.yaml:5:3: unknown setting limits.conections; did you mean limits.connections?"},
        {"log:\n  handle_port: 3\n",
         "guantong.yaml:2:3: unknown setting log.handle_port; did you mean listen.handle_port?"},
        {"log: {colour_of_the_terminal: x}\n",
         "guantong.yaml:1:7: unknown setting log.colour_of_the_terminal; the nearest known one is "
         "log.level"},
        {"log:\n  \"le\\evel\": x\n",
         "guantong.yaml:2:3: unknown setting log.\"le?vel\"; did you mean log.level?"});
}

static void section_when_unknown_names_the_nearest(void **state)
{
    (void)state;
    EXPECT_REFUSALS(
        {"limts:\n  idle: 3s\n", "guantong.yaml:1:1: unknown section limts; did you mean limits?"},
        {"handle_port: 2641\n", "guantong.yaml:1:1: unknown section handle_port; did "
                                "you mean handle_port, below section listen?"},
        {"warehouse_of_parts:\n", "guantong.yaml:1:1: unknown section "
                                  "warehouse_of_parts; the nearest known one is "
                                  "workers"});
}

static void key_when_twice_names_the_first_line(void **state)
{
    (void)state;
    EXPECT_REFUSALS({"log:\n  level: info\n  format: text\n  level: debug\n",
                     "guantong.yaml:4:3: log.level: set twice, first in line 2"},
                    {"log:\n  level: info\nlog:\n  format: text\n",
                     "guantong.yaml:3:1: section log: stands twice, first in line 1"});
}

static void value_when_out_of_range_states_the_range(void **state)
{
    (void)state;
    EXPECT_REFUSALS(
        {"limits:\n  connections: 0\n",
         "guantong.yaml:2:16: limits.connections: \"0\" is out of range (1 to 1000000)"},
        {"limits:\n  idle: 2d\n",
         "guantong.yaml:2:9: limits.idle: \"2d\" is out of range (1s to 1d)"},
        {"store:\n  queue_bytes: 1K\n",
         "guantong.yaml:2:16: store.queue_bytes: \"1K\" is out of range (16M to 16G)"});
}

static void value_when_of_another_type_says_what_is_expected(void **state)
{
    (void)state;
    EXPECT_REFUSALS(
        {"listen:\n  handle_port: abc\n",
         "guantong.yaml:2:16: listen.handle_port: \"abc\" is not a whole number"},
        {"limits:\n  idle: 30\n", "guantong.yaml:2:9: limits.idle: \"30\" is not a duration with "
                                  "its unit such as 500ms, 30s, 5m, 1h or 1d"},
        {"listen:\n  udp: maybe\n", "guantong.yaml:2:8: listen.udp: \"maybe\" is not yes or no"},
        {"log:\n  level: loud\n", "guantong.yaml:2:10: log.level: \"loud\" is none of "
                                  "error|warning|notice|info|debug"},
        {"log:\n  level: [info]\n", "guantong.yaml:2:10: log.level: takes one value, not a list"},
        {"log:\n  level:\n    deep: 1\n",
         "guantong.yaml:3:5: log.level: takes a value, not further keys"},
        {"log:\n  level:\n", "guantong.yaml:2:9: log.level: has no value (write \"\" for an empty "
                             "text)"});
}

static void list_item_when_wrong_is_pointed_at(void **state)
{
    (void)state;
    EXPECT_REFUSALS(
        {"listen:\n  addresses:\n    - 127.0.0.1\n    - 127.0.0.256\n",
         "guantong.yaml:4:7: listen.addresses: \"127.0.0.256\" is not an IPv4 or IPv6 address"},
        {"listen:\n  addresses: 127.0.0.1,,::1\n",
         "guantong.yaml:2:14: listen.addresses: an item of the list is empty or holds a comma"},
        {"limits:\n  trusted_networks: [10.1.0.0/8]\n",
         "guantong.yaml:2:22: limits.trusted_networks: \"10.1.0.0/8\" is not a network such as "
         "10.1.0.0/16 or fd00::/8 (no bits set behind the mask)"},
        {"limits:\n  trusted_networks: [[10.0.0.0/8]]\n",
         "guantong.yaml:2:22: limits.trusted_networks: an item must be a plain text"});
}

static void settings_when_they_leave_nothing_to_ask_are_refused(void **state)
{
    (void)state;
    EXPECT_REFUSALS(
        {"listen:\n  tcp: no\n  udp: no\n",
         "guantong.yaml:2:3: listen.tcp: listen.udp and listen.tcp are both off: nobody could ask"},
        {"listen:\n  addresses: []\n",
         "guantong.yaml:2:3: listen.addresses: at least one address is needed"});
}

static void yaml_when_clever_is_refused(void **state)
{
    (void)state;
    EXPECT_REFUSALS(
        {"log: &a\n  level: info\n", "guantong.yaml:1:6: anchors (&name) are not allowed"},
        {"log: *a\n", "guantong.yaml:1:6: aliases (*name) are not allowed"},
        {"log:\n  level: !!str info\n", "guantong.yaml:2:10: tags (!name) are not allowed"},
        {"- node\n", "guantong.yaml:1:1: sections such as node: or listen: are expected"},
        {"log: info\n", "guantong.yaml:1:6: section log: keys are expected below it"},
        {"? [a]\n: b\n", "guantong.yaml:1:3: the name of a section must be a plain text"},
        {"log:\n  ? [a]\n  : b\n", "guantong.yaml:2:5: section log: a key must be a plain text"},
        {"log:\n---\nlog:\n", "guantong.yaml:2:1: a second document starts here"},
        {"log:\n\tlevel: info\n", "guantong.yaml:2:1: found character that cannot start any token"},
        {"node:\n  description: \"a\\0b\"\n",
         "guantong.yaml:2:16: a text may not hold a zero byte"},
        {"node:\n  description: \"a\\nb\"\n", "guantong.yaml:2:16: node.description: must be one "
                                              "line without control characters"},
        {"node:\n  description: \"unfinished\n",
         "guantong.yaml:3:1: found unexpected end of stream"});
}

static void text_when_not_utf8_is_located(void **state)
{
    (void)state;
    EXPECT_REFUSALS({"node:\n  description: 鄂\xff\n",
                     "guantong.yaml:2:17: not UTF-8 text (invalid leading UTF-8 octet)"},
                    {"\xff\xfen\0o", "guantong.yaml:1:1: not UTF-8 text (invalid leading UTF-8 "
                                     "octet)"});
}

static void nesting_when_endless_is_refused_at_once(void **state)
{
    (void)state;
    const size_t len = (size_t)1024 * 1024;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, '[', len);
    struct settings *settings = NULL;
    struct fault fault;
    assert_int_equal(settings_parse(bytes_of(text, len), "t", &settings, &fault),
                     STATUS_BAD_SETTING);
    memset(text, '{', len);
    assert_int_equal(settings_parse(bytes_of(text, len), "t", &settings, &fault),
                     STATUS_BAD_SETTING);
    free(text);
}

static void list_when_over_the_limit_is_refused(void **state)
{
    (void)state;
    static const char head[] = "limits:\n  trusted_networks: [";
    const size_t item_len = sizeof("10.0.0.1,") - 1;
    const size_t size = sizeof(head) + (SETTINGS_ITEMS_MAX + 1) * item_len + 2;
    char *text = malloc(size);
    assert_non_null(text);
    memcpy(text, head, sizeof(head));
    for (size_t i = 0; i <= SETTINGS_ITEMS_MAX; i++) {
        memcpy(text + sizeof(head) - 1 + i * item_len, "10.0.0.1,", item_len + 1);
    }
    memcpy(text + size - 3, "]\n", 3);
    struct settings *settings = NULL;
    struct fault fault;
    assert_int_equal(settings_parse(bytes_of_text(text), "t", &settings, &fault),
                     STATUS_BAD_SETTING);
    assert_non_null(strstr(fault.text, "more than 1000 items"));
    memcpy(text + size - 3 - item_len, "]\n", 3);
    assert_int_equal(settings_parse(bytes_of_text(text), "t", &settings, &fault), STATUS_OK);
    assert_int_equal(settings->limits_trusted_networks.count, SETTINGS_ITEMS_MAX);
    settings_free(settings);
    free(text);
}

static void distance_counts_single_edits(void **state)
{
    (void)state;
    assert_int_equal(settings_distance("", ""), 0);
    assert_int_equal(settings_distance("idle", "idle"), 0);
    assert_int_equal(settings_distance("idle", "ide"), 1);
    assert_int_equal(settings_distance("ide", "idle"), 1);
    assert_int_equal(settings_distance("idle", "idol"), 2);
    assert_int_equal(settings_distance("", "abc"), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_when_complete_sets_every_type),
        cmocka_unit_test(file_when_empty_gives_defaults),
        cmocka_unit_test(key_when_unknown_names_the_nearest),
        cmocka_unit_test(section_when_unknown_names_the_nearest),
        cmocka_unit_test(key_when_twice_names_the_first_line),
        cmocka_unit_test(value_when_out_of_range_states_the_range),
        cmocka_unit_test(value_when_of_another_type_says_what_is_expected),
        cmocka_unit_test(list_item_when_wrong_is_pointed_at),
        cmocka_unit_test(settings_when_they_leave_nothing_to_ask_are_refused),
        cmocka_unit_test(yaml_when_clever_is_refused),
        cmocka_unit_test(text_when_not_utf8_is_located),
        cmocka_unit_test(nesting_when_endless_is_refused_at_once),
        cmocka_unit_test(list_when_over_the_limit_is_refused),
        cmocka_unit_test(distance_counts_single_edits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
