/* SPDX-License-Identifier: Apache-2.0
 *
 * tunnel.c: heads as they are sent, answers in pieces of every size, and what is no answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "resolver/tunnel.h"

#define ROOM 4096
#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/x-hdl-message\r\n"

static const char *written(const char *path, char out[ROOM])
{
    struct net_address server;
    struct wire_writer w = wire_write((uint8_t *)out, ROOM - 1);
    assert_int_equal(net_address_parse("2001:db8::7", 8000, &server), STATUS_OK);
    assert_int_equal(tunnel_write_head(&w, &server, bytes_of_text(path), 123), STATUS_OK);
    out[wire_wrote(&w).len] = '\0';
    return out;
}

static void head_when_written_names_path_host_and_length(void **state)
{
    char out[ROOM];
    (void)state;
    assert_string_equal(written("", out), "POST / HTTP/1.1\r\n"
                                          "Host: [2001:db8::7]:8000\r\n"
                                          "Accept: application/x-hdl-message\r\n"
                                          "Content-Type: application/x-hdl-message\r\n"
                                          "Content-Length: 123\r\n"
                                          "Connection: close\r\n\r\n");
    assert_int_equal(strncmp(written("/hdl", out), "POST /hdl/ HTTP/1.1\r\n", 21), 0);
    assert_int_equal(strncmp(written("hdl/", out), "POST /hdl/ HTTP/1.1\r\n", 21), 0);
}

static void head_when_the_path_is_none_is_refused(void **state)
{
    static const char *const bad[] = {"/a b", "/a\r\nX: y", "/a?b", "/a#b", "/\xe4\xb8\xad", "/\\"};
    uint8_t room[ROOM];
    struct net_address server;
    static char longest[2000];
    (void)state;
    assert_int_equal(net_address_parse("192.0.2.7", 80, &server), STATUS_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct wire_writer w = wire_write(room, sizeof(room));
        assert_int_equal(tunnel_write_head(&w, &server, bytes_of_text(bad[i]), 1),
                         STATUS_INVALID_VALUE);
        assert_int_equal(wire_wrote(&w).len, 0);
    }
    memset(longest, 'a', sizeof(longest) - 1);
    struct wire_writer w = wire_write(room, sizeof(room));
    assert_int_equal(tunnel_write_head(&w, &server, bytes_of_text(longest), 1), STATUS_NO_ROOM);
}

/* Everything in pieces of `piece` bytes, each in a block of its own. */
static enum status feed(struct tunnel *tunnel, struct bytes answer, size_t piece)
{
    enum status status = STATUS_PENDING;
    for (size_t at = 0; at < answer.len && status == STATUS_PENDING; at += piece) {
        size_t len = answer.len - at < piece ? answer.len - at : piece;
        uint8_t *copy = malloc(len);
        assert_non_null(copy);
        memcpy(copy, answer.data + at, len);
        status = tunnel_take(tunnel, bytes_of(copy, len));
        free(copy);
    }
    return status;
}

static enum status read_all(const char *answer, size_t piece, size_t room, const char *content)
{
    uint8_t *out = malloc(room);
    assert_non_null(out);
    struct tunnel *tunnel = tunnel_new(out, room);
    assert_non_null(tunnel);
    enum status status = feed(tunnel, bytes_of_text(answer), piece);
    if (status == STATUS_PENDING) {
        status = tunnel_end(tunnel);
    }
    if (status == STATUS_OK) {
        assert_true(bytes_equal(bytes_of(out, tunnel_content_len(tunnel)), bytes_of_text(content)));
    }
    tunnel_free(tunnel);
    free(out);
    return status;
}

static void answer_when_whole_gives_its_content_however_it_is_cut(void **state)
{
    static const char *const answers[] = {
        HEAD "Content-Length: 5\r\n\r\nhello",
        HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        HEAD "Connection: close\r\n\r\nhello",
        "HTTP/1.0 200 Fine\r\ncontent-type: Application/X-HDL-Message ; v=1\r\n\r\nhello",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        for (size_t piece = 1; piece <= strlen(answers[i]); piece++) {
            assert_int_equal(read_all(answers[i], piece, 5, "hello"), STATUS_OK);
        }
    }
}

static void answer_when_it_is_none_is_refused(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 404 Not Found\r\nContent-Type: application/x-hdl-message\r\n"
        "Content-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
        HEAD "Content-Length: 6\r\n\r\nhello!", /* more than there is room */
        HEAD "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
        HEAD "Content-Length: -5\r\n\r\nhello",
        HEAD "Transfer-Encoding: chunked\r\n\r\nz\r\nhello\r\n0\r\n\r\n",
        "junk\r\n\r\n",
        "\x02\x0b\x02\x0b",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        assert_int_equal(read_all(answers[i], 1, 5, ""), STATUS_PROTOCOL_ERROR);
        assert_int_equal(read_all(answers[i], 4096, 5, ""), STATUS_PROTOCOL_ERROR);
    }
}

static void answer_when_cut_off_is_none(void **state)
{
    static const char whole[] = HEAD "Content-Length: 5\r\n\r\nhello";
    (void)state;
    for (size_t len = 1; len < sizeof(whole) - 1; len++) {
        char cut[sizeof(whole)];
        memcpy(cut, whole, len);
        cut[len] = '\0';
        assert_int_equal(read_all(cut, 7, 5, ""), STATUS_CLOSED);
    }
}

static void answer_when_its_head_has_no_end_is_given_up(void **state)
{
    static char endless[64u << 10];
    size_t len = (size_t)snprintf(endless, sizeof(endless), "HTTP/1.1 200 OK\r\n");
    (void)state;
    while (len + 20 < sizeof(endless)) {
        len += (size_t)snprintf(endless + len, sizeof(endless) - len, "X-Filler: aaaa\r\n");
    }
    uint8_t out[5];
    struct tunnel *tunnel = tunnel_new(out, sizeof(out));
    size_t given = 0;
    enum status status = STATUS_PENDING;
    while (status == STATUS_PENDING && given < len) {
        status = tunnel_take(tunnel, bytes_of((uint8_t *)endless + given, 64));
        given += 64;
    }
    assert_int_equal(status, STATUS_PROTOCOL_ERROR);
    assert_true(given <= TUNNEL_ANSWER_MAX + 64);
    tunnel_free(tunnel);
}

static void answer_when_over_takes_nothing_more(void **state)
{
    static const char whole[] = HEAD "Content-Length: 5\r\n\r\nhello";
    uint8_t out[5];
    (void)state;
    struct tunnel *tunnel = tunnel_new(out, sizeof(out));
    assert_int_equal(feed(tunnel, bytes_of_text(whole), 9), STATUS_OK);
    assert_int_equal(tunnel_take(tunnel, BYTES_NONE), STATUS_OK);
    assert_int_equal(tunnel_end(tunnel), STATUS_OK);
    assert_int_equal(tunnel_take(tunnel, BYTES_LITERAL("x")), STATUS_PROTOCOL_ERROR);
    tunnel_free(tunnel);
    assert_int_equal(read_all(HEAD "Content-Length: 5\r\n\r\nhelloHTTP", 4096, 5, ""),
                     STATUS_PROTOCOL_ERROR);
    tunnel_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_when_written_names_path_host_and_length),
        cmocka_unit_test(head_when_the_path_is_none_is_refused),
        cmocka_unit_test(answer_when_whole_gives_its_content_however_it_is_cut),
        cmocka_unit_test(answer_when_it_is_none_is_refused),
        cmocka_unit_test(answer_when_cut_off_is_none),
        cmocka_unit_test(answer_when_its_head_has_no_end_is_given_up),
        cmocka_unit_test(answer_when_over_takes_nothing_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
