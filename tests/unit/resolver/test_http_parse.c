/* SPDX-License-Identifier: Apache-2.0
 *
 * Heads and chunked bodies: what is taken, what is refused, and that it does not matter where the
 * network cuts the bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "resolver/http_chunks.h"
#include "resolver/http_parse.h"

#define H "Host: x\r\n"

static unsigned read_head(const char *text, struct http_head *head)
{
    size_t len = 0;
    struct bytes data = bytes_of_text(text);
    enum http_head_found found = http_head_find(data, &len);
    if (found == HTTP_HEAD_BROKEN) {
        return 400;
    }
    assert_int_equal(found, HTTP_HEAD_WHOLE);
    assert_int_equal(len, data.len);
    return http_head_read(data, head);
}

static void head_when_good_is_read_into_its_parts(void **state)
{
    (void)state;
    struct http_head head;
    assert_int_equal(read_head("PUT /a%20b?c=d&e HTTP/1.1\r\nHost:  x:80 \r\nX-Y:\tz\t\r\n"
                               "Empty:\r\nContent-Length: 12\r\n\r\n",
                               &head),
                     0);
    assert_int_equal(head.verb, HTTP_VERB_PUT);
    assert_true(bytes_equal(head.path, BYTES_LITERAL("/a%20b")));
    assert_true(bytes_equal(head.query, BYTES_LITERAL("c=d&e")));
    assert_int_equal(head.field_count, 4);
    assert_true(bytes_equal(http_field_find(head.fields, 4, "host"), BYTES_LITERAL("x:80")));
    assert_true(bytes_equal(http_field_find(head.fields, 4, "x-y"), BYTES_LITERAL("z")));
    assert_int_equal(http_field_find(head.fields, 4, "EMPTY").len, 0);
    assert_null(http_field_find(head.fields, 4, "none").data);
    assert_int_equal(head.body_len, 12);
    assert_false(head.is_chunked);
    assert_true(head.goes_on);
    assert_false(head.is_old);
}

static void head_when_connection_is_said_goes_on_or_not(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool goes_on;
    } rows[] = {
        {"GET / HTTP/1.1\r\n" H "\r\n", true},
        {"GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" H "Connection: foo , CLOSE\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" H "Connection: a\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
        {"\r\nGET / HTTP/1.1\r\n" H "\r\n", true},
        {"GET / HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_head head;
        assert_int_equal(read_head(rows[i].text, &head), 0);
        assert_int_equal(head.goes_on, rows[i].goes_on);
    }
}

static const struct {
    const char *text;
    unsigned status;
} refused[] = {
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: u@b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H H "\r\n", 400},
    {"GET / HTTP/1.1\n" H "\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "\n", 400},
    {"GET / HTTP/1.1\r\nHost: x\n\r\n", 400},
    {"\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", 400},
    {"\nGET / HTTP/1.1\r\n" H "\r\n", 400},
    {" GET / HTTP/1.1\r\n" H "\r\n", 400},
    {"GET  / HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /  HTTP/1.1\r\n" H "\r\n", 400},
    {"GET / HTTP/1.1 \r\n" H "\r\n", 400},
    {"GET\t/ HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /\r\n" H "\r\n", 400},
    {"GET /\rHTTP/1.1\r\n" H "\r\n", 400},
    {"GET / HTTP/1.1x\r\n" H "\r\n", 400},
    {"GET / http/1.1\r\n" H "\r\n", 400},
    {"GET / HTTP/0.9\r\n" H "\r\n", 505},
    {"GET / HTTP/2.0\r\n" H "\r\n", 505},
    {"GET / HTTP/1.2\r\n" H "\r\n", 505},
    {"PRI * HTTP/2.0\r\n\r\n", 505},
    {"get / HTTP/1.1\r\n" H "\r\n", 501},
    {"BREW / HTTP/1.1\r\n" H "\r\n", 501},
    {"PATCH / HTTP/1.1\r\n" H "\r\n", 501},
    {"TRACE / HTTP/1.1\r\n" H "\r\n", 501},
    {"CONNECT x:1 HTTP/1.1\r\n" H "\r\n", 501},
    {"G@T / HTTP/1.1\r\n" H "\r\n", 400},
    {"GET http://x/ HTTP/1.1\r\n" H "\r\n", 400},
    {"GET x HTTP/1.1\r\n" H "\r\n", 400},
    {"GET ?x HTTP/1.1\r\n" H "\r\n", 400},
    {"GET * HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /a#b HTTP/1.1\r\n" H "\r\n", 400},
    {"PUT /\xe6\x88\x91 HTTP/1.1\r\n" H "\r\n", 400},
    {"POST /\xe6\x88\x91 HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /\xe6\x88 HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /\xe6\x88?\x91 HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /\xff HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /\xc0\xa0 HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /\xed\xa0\x80 HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /\xc2\x85 HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /a?\xe6\x88\x91 HTTP/1.1\r\n" H "\r\n", 400},
    {"GET \xe6\x88\x91 HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /\xe6\x88\x91#a HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /\xe6\x88\x91\x7f HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /\xe6\x88\x91 a HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /\x7f HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /%0 HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /%zz HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /%00 HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /a?b=%0 HTTP/1.1\r\n" H "\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "A : b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "A\t: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H ": b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "Ab\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n A: b\r\n" H "\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "A: b\rc\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "A: b\x01\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "A: b\x7f\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "\xc3\xa4: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "(: b\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: -5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 05\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     400},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n", 400},
    {"POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "Expect: tea\r\n\r\n", 417},
};

static void head_when_two_servers_could_differ_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct http_head head;
        unsigned status = read_head(refused[i].text, &head);
        if (status != refused[i].status) {
            fail_msg("row %zu: %u, not %u: %s", i, status, refused[i].status, refused[i].text);
        }
    }
}

static void head_when_get_names_text_as_it_is_is_read(void **state)
{
    (void)state;
    struct http_head head;
    assert_int_equal(
        read_head("GET /88.1/\xe6\x88\x91\xef\xbc\x8f?a=b HTTP/1.1\r\n" H "\r\n", &head), 0);
    assert_true(bytes_equal(head.path, BYTES_LITERAL("/88.1/\xe6\x88\x91\xef\xbc\x8f")));
    assert_true(bytes_equal(head.query, BYTES_LITERAL("a=b")));
    assert_int_equal(read_head("HEAD /\xc3\xa4%20 HTTP/1.1\r\n" H "\r\n", &head), 0);
    assert_true(bytes_equal(head.path, BYTES_LITERAL("/\xc3\xa4%20")));
}

static void head_when_only_an_escape_below_api_is_broken_is_refused_as_rest(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_rest;
    } rows[] = {
        {"GET /api/handles/a/%zz HTTP/1.1\r\n" H "\r\n", true},
        {"PUT /api/handles/a/b?c=%0 HTTP/1.1\r\n" H "\r\n", true},
        {"GET /api/%00 HTTP/1.1\r\n" H "\r\n", true},
        {"GET /a/%zz HTTP/1.1\r\n" H "\r\n", false},
        {"GET /api/%zz\x7f HTTP/1.1\r\n" H "\r\n", false},
        {"GET /api/a HTTP/1.1\r\n" H "A : b\r\n\r\n", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_head head;
        assert_int_equal(read_head(rows[i].text, &head), 400);
        assert_int_equal(head.is_rest, rows[i].is_rest);
    }
}

static void head_when_coded_otherwise_is_not_implemented(void **state)
{
    (void)state;
    static const char *const codings[] = {"gzip, chunked", "chunked, gzip", "identity", "xchunked",
                                          "chunked;q=1"};
    for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++) {
        char text[128];
        struct http_head head;
        (void)snprintf(text, sizeof(text), "POST / HTTP/1.1\r\n" H "Transfer-Encoding: %s\r\n\r\n",
                       codings[i]);
        unsigned status = read_head(text, &head);
        assert_true(status == 501 || status == 400);
    }
}

static void head_when_it_holds_nul_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"GET /? HTTP/1.1\r\n" H "\r\n",
                                        "GET / HTTP/1.1\r\n" H "A: ?\r\n\r\n",
                                        "GET / HTTP/1.1\r\n" H "A?: b\r\n\r\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char text[128];
        struct http_head head;
        size_t len = strlen(texts[i]);
        memcpy(text, texts[i], len);
        *(char *)memchr(text, '?', len) = '\0';
        assert_int_equal(http_head_read(bytes_of(text, len), &head), 400);
    }
}

static void head_when_fields_are_too_many_is_refused(void **state)
{
    (void)state;
    char text[2048] = "GET / HTTP/1.1\r\n" H;
    struct http_head head;
    for (int i = 1; i < HTTP_FIELDS_MAX; i++) {
        strcat(text, "A: b\r\n");
    }
    char more[2080];
    (void)snprintf(more, sizeof(more), "%sA: b\r\n\r\n", text);
    strcat(text, "\r\n");
    assert_int_equal(read_head(text, &head), 0);
    assert_int_equal(head.field_count, HTTP_FIELDS_MAX);
    assert_int_equal(read_head(more, &head), 431);
}

static void head_when_cut_anywhere_is_found_only_whole(void **state)
{
    (void)state;
    struct bytes text = BYTES_LITERAL("\r\nGET / HTTP/1.1\r\n" H "\r\nnext");
    for (size_t len = 0; len <= text.len; len++) {
        size_t end = 0;
        uint8_t *copy = malloc(len + 1); /* so that a read past its end is seen */
        memcpy(copy, text.data, len);
        enum http_head_found found = http_head_find(bytes_of(copy, len), &end);
        assert_int_equal(found, len < text.len - 4 ? HTTP_HEAD_PART : HTTP_HEAD_WHOLE);
        assert_int_equal(end, len < text.len - 4 ? 0 : text.len - 4);
        free(copy);
    }
}

/* --- chunks ----------------------------------------------------------------------------------- */

/* In pieces of `step` bytes; the outcome, and how many bytes were taken. */
static enum status join(const char *text, size_t step, size_t max, struct buffer *body,
                        size_t *out_taken)
{
    struct http_chunks chunks = {0};
    struct bytes all = bytes_of_text(text);
    enum status status = STATUS_PENDING;
    *out_taken = 0;
    while (status == STATUS_PENDING && *out_taken < all.len) {
        struct bytes rest = bytes_from(all, *out_taken);
        struct bytes part = bytes_of(rest.data, rest.len < step ? rest.len : step);
        size_t before = part.len;
        status = http_chunks_take(&chunks, &part, max, body);
        *out_taken += before - part.len;
    }
    return status;
}

static void chunks_when_cut_anywhere_are_joined_alike(void **state)
{
    (void)state;
    const char *text = "5\r\nhello\r\n1\r\n,\r\nA\r\n 123456789\r\n0\r\n\r\nGET";
    for (size_t step = 1; step <= strlen(text); step++) {
        struct buffer body = {0};
        size_t taken = 0;
        assert_int_equal(join(text, step, 100, &body, &taken), STATUS_OK);
        assert_int_equal(taken, strlen(text) - 3);
        assert_true(bytes_equal(bytes_of(body.data, body.len), BYTES_LITERAL("hello, 123456789")));
        buffer_clear(&body);
    }
}

static void chunks_when_odd_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "\r\n",
        "g\r\n",
        "-1\r\nx",
        "+1\r\nx",
        "0x1\r\nx",
        " 1\r\nx\r\n",
        "1 \r\nx\r\n",
        "1;a=b\r\nx",
        "1;\r\nx",
        "01\r\nx",
        "00\r\n\r\n",
        "1\nx\r\n",
        "1\r\nxx\r\n",
        "1\r\nx\n",
        "1\r\nx\rA",
        "1\rx",
        "0\r\nA: b\r\n",
        "0\r\n\n",
        "0\n\r\n",
        "1\r\nx\r\r\n",
        "\t1\r\nx",
        "1,1\r\nx",
        "0000000000000001\r\nx",
        "0\r\nContent-Length: 3\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buffer body = {0};
        size_t taken = 0;
        if (join(rows[i], 100, 100, &body, &taken) != STATUS_PROTOCOL_ERROR) {
            fail_msg("taken: %s", rows[i]);
        }
        buffer_clear(&body);
    }
}

static void chunks_when_longer_than_the_limit_are_refused_before_they_come(void **state)
{
    (void)state;
    static const char *const rows[] = {"65\r\nx", "64\r\n", "ffffffffffff\r\nx",
                                       "fffffffffff\r\nx"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buffer body = {0};
        size_t taken = 0;
        enum status status = join(rows[i], 100, 100, &body, &taken);
        assert_int_equal(status, i == 1 ? STATUS_PENDING : STATUS_NO_ROOM);
        assert_int_equal(body.size, 0);
        buffer_clear(&body);
    }
    struct buffer body = {0};
    size_t taken = 0;
    assert_int_equal(join("3\r\nabc\r\n3\r\nd", 100, 5, &body, &taken), STATUS_NO_ROOM);
    buffer_clear(&body);
}

/* --- decoding --------------------------------------------------------------------------------- */

static void parameters_when_read_are_decoded_in_order(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1024, 4096);
    struct bytes rest = BYTES_LITERAL("&a=1&&b=%E4%BD%A0+%2B&c&=d&e=f=g&");
    static const struct {
        const char *name;
        const char *value;
        bool has_value;
    } rows[] = {{"a", "1", true},
                {"b", "\xe4\xbd\xa0 +", true},
                {"c", "", false},
                {"", "d", true},
                {"e", "f=g", true}};
    struct http_parameter parameter;
    enum status status;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(http_parameter_next(arena, &rest, &parameter, &status));
        assert_int_equal(status, STATUS_OK);
        assert_true(bytes_equal(parameter.name, bytes_of_text(rows[i].name)));
        assert_true(bytes_equal(parameter.value, bytes_of_text(rows[i].value)));
        assert_int_equal(parameter.has_value, rows[i].has_value);
    }
    assert_false(http_parameter_next(arena, &rest, &parameter, &status));
    struct bytes broken = BYTES_LITERAL("a=%4");
    assert_true(http_parameter_next(arena, &broken, &parameter, &status));
    assert_int_equal(status, STATUS_BAD_SYNTAX);
    struct bytes out;
    assert_int_equal(http_decode(arena, BYTES_LITERAL("a%00"), false, &out), STATUS_BAD_SYNTAX);
    assert_int_equal(http_decode(arena, BYTES_LITERAL("a+%2f"), false, &out), STATUS_OK);
    assert_true(bytes_equal(out, BYTES_LITERAL("a+/")));
    arena_free(arena);
}

int main(void)
{
#define CASE(name) cmocka_unit_test(name)
    const struct CMUnitTest tests[] = {
        CASE(head_when_good_is_read_into_its_parts),
        CASE(head_when_connection_is_said_goes_on_or_not),
        CASE(head_when_two_servers_could_differ_is_refused),
        CASE(head_when_get_names_text_as_it_is_is_read),
        CASE(head_when_only_an_escape_below_api_is_broken_is_refused_as_rest),
        CASE(head_when_coded_otherwise_is_not_implemented),
        CASE(head_when_it_holds_nul_is_refused),
        CASE(head_when_fields_are_too_many_is_refused),
        CASE(head_when_cut_anywhere_is_found_only_whole),
        CASE(chunks_when_cut_anywhere_are_joined_alike),
        CASE(chunks_when_odd_are_refused),
        CASE(chunks_when_longer_than_the_limit_are_refused_before_they_come),
        CASE(parameters_when_read_are_decoded_in_order),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}
