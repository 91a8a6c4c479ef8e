/* SPDX-License-Identifier: Apache-2.0
 *
 * Versions as entity tags, and conditions on them (http_tag.h).
 */
#include "resolver/http_tag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct asking {
    struct http_field field;
    struct http_request request;
};

/* A request with one field; `value` NULL: without. */
static const struct http_request *with(struct asking *asking, const char *name, const char *value)
{
    asking->field = (struct http_field){bytes_of_text(name), bytes_of_text(value)};
    asking->request = (struct http_request){
        .verb = HTTP_VERB_PUT, .fields = &asking->field, .field_count = value == NULL ? 0 : 1};
    return &asking->request;
}

static void tag_when_everything_public_then_the_version(void **state)
{
    (void)state;
    char room[HTTP_TAG_ROOM];
    assert_true(bytes_equal(http_tag_make(17, BYTES_NONE, true, room), BYTES_LITERAL("\"17\"")));
}

static void tag_when_shown_otherwise_then_another(void **state)
{
    (void)state;
    char rooms[4][HTTP_TAG_ROOM];
    const struct bytes tags[4] = {
        http_tag_make(17, BYTES_NONE, true, rooms[0]),
        http_tag_make(17, BYTES_NONE, false, rooms[1]),
        http_tag_make(17, BYTES_LITERAL("pretty"), true, rooms[2]),
        http_tag_make(17, BYTES_LITERAL("pretty"), false, rooms[3]),
    };
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_false(bytes_equal(tags[i], tags[j]));
        }
    }
    char longest[HTTP_TAG_ROOM];
    assert_int_equal(http_tag_make(UINT64_MAX, BYTES_LITERAL("x"), false, longest).len, 39);
}

static void known_when_named_then_told(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        bool is_known;
    } rows[] = {
        {NULL, false},          {"*", true},
        {"\"17\"", true},       {"W/\"17\"", true},
        {"\"16\"", false},      {"\"1\",\"17\"", true},
        {"\"1\" \"17\"", true}, {"17", false},
        {"\"17", false},        {"", false},
        {"\"17-\"", false},     {"x, \"17\"", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct asking asking;
        assert_int_equal(http_tag_is_known(with(&asking, "If-None-Match", rows[i].field),
                                           BYTES_LITERAL("\"17\"")),
                         rows[i].is_known);
    }
}

static void change_when_conditions_then_held_to_the_version(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *field;
        uint64_t version;
        bool is_allowed;
    } rows[] = {
        {"If-Match", "\"17\"", 17, true},
        {"If-Match", "\"17-0123456789abcdef\"", 17, true},
        {"If-Match", "\"1\", \"17\"", 17, true},
        {"If-Match", "\"1\"", 17, false},
        {"If-Match", "\"170\"", 17, false},
        {"If-Match", "\"1\"", 1700, false},
        {"If-Match", "W/\"17\"", 17, false},
        {"If-Match", "*", 17, true},
        {"If-Match", "*", 0, false},
        {"If-Match", "\"0\"", 0, false},
        {"If-Match", "", 17, false},
        {"If-None-Match", "*", 17, false},
        {"If-None-Match", "*", 0, true},
        {"If-None-Match", "\"17\"", 17, false},
        {"If-None-Match", "\"16\"", 17, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct asking asking;
        struct exchange_terms terms = {.has_version = false};
        bool is_allowed =
            http_tag_allows(with(&asking, rows[i].name, rows[i].field), rows[i].version, &terms);
        if (is_allowed != rows[i].is_allowed) {
            fail_msg("%s: %s at %u", rows[i].name, rows[i].field, (unsigned)rows[i].version);
        }
        assert_int_equal(terms.has_version, rows[i].is_allowed);
        assert_int_equal(terms.version, rows[i].is_allowed ? rows[i].version : 0);
    }
}

static void change_when_no_condition_then_free(void **state)
{
    (void)state;
    struct asking asking;
    struct exchange_terms terms = {.has_version = true};
    assert_true(http_tag_allows(with(&asking, "If-Match", NULL), 17, &terms));
    assert_false(terms.has_version);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tag_when_everything_public_then_the_version),
        cmocka_unit_test(tag_when_shown_otherwise_then_another),
        cmocka_unit_test(known_when_named_then_told),
        cmocka_unit_test(change_when_conditions_then_held_to_the_version),
        cmocka_unit_test(change_when_no_condition_then_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
