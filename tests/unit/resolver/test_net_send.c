/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches of datagrams and pieces on real sockets: every piece arrives once, in order, whether the
 * kernel cuts or we do; what is refused takes nobody else with it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

#include "resolver/net_send.h"
#include "resolver/net_socket.h"

#define PIECE 512
#define LARGE (200 * PIECE + 77) /* more than one UDP_SEGMENT takes */

struct ends {
    int from;
    int to;
    struct net_sender sender;
    struct net_address target;
    struct net_address bad; /* port 0: EINVAL for everybody */
    uint8_t data[LARGE];
};

static int opened(const char *ip)
{
    struct net_address address;
    int fd = -1;
    assert_int_equal(net_address_parse(ip, 0, &address), STATUS_OK);
    assert_int_equal(net_socket_udp(&address, &fd, NULL), STATUS_OK);
    return fd;
}

static int open_ends(void **state)
{
    struct ends *ends = test_calloc(1, sizeof(*ends));
    ends->from = opened("0.0.0.0");
    ends->to = opened("127.0.0.1");
    ends->target = net_socket_local(ends->to);
    ends->bad = ends->target;
    ends->bad.port = 0;
    net_send_init(&ends->sender, ends->from);
    for (size_t i = 0; i < LARGE; i++) {
        ends->data[i] = (uint8_t)(i / PIECE + i % 251);
    }
    *state = ends;
    return 0;
}

static int close_ends(void **state)
{
    struct ends *ends = *state;
    (void)close(ends->from);
    (void)close(ends->to);
    test_free(ends);
    return 0;
}

static struct net_datagram datagram_of(struct ends *ends, size_t len, size_t piece)
{
    return (struct net_datagram){
        .data = ends->data, .len = len, .piece = piece, .peer = ends->target};
}

/* `len` bytes arrive in datagrams of `piece`; how many. */
static size_t take(struct ends *ends, size_t len, size_t piece)
{
    uint8_t got[2 * PIECE];
    size_t at = 0;
    size_t count = 0;
    for (; at < len; count++) {
        ssize_t took = recv(ends->to, got, sizeof(got), MSG_DONTWAIT);
        assert_int_equal(took, len - at < piece ? len - at : piece);
        assert_memory_equal(got, ends->data + at, (size_t)took);
        at += (size_t)took;
    }
    return count;
}

static void expect_nothing_more(const struct ends *ends)
{
    uint8_t got[PIECE];
    assert_int_equal(recv(ends->to, got, sizeof(got), MSG_DONTWAIT), -1);
}

static void answer_of_pieces_arrives_in_pieces_of_its_size(void **state)
{
    static const size_t lens[] = {PIECE + 1, 3 * PIECE, 64 * PIECE, 64 * PIECE + 1, LARGE};
    struct ends *ends = *state;
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        struct net_datagram out = datagram_of(ends, lens[i], PIECE);
        struct net_pushed pushed = net_send_batch(&ends->sender, &out, 1);
        assert_int_equal(pushed.done, 1);
        assert_int_equal(pushed.refused + pushed.cut + pushed.partial, 0);
        assert_int_equal(take(ends, lens[i], PIECE), pushed.datagrams);
        expect_nothing_more(ends);
    }
}

static void batch_that_mixes_whole_and_cut_answers_keeps_their_order(void **state)
{
    struct ends *ends = *state;
    struct net_datagram out[100];
    for (size_t i = 0; i < 100; i++) {
        out[i] = i % 3 == 0 ? datagram_of(ends, 1200 + i, PIECE) : datagram_of(ends, 100 + i, 0);
    }
    struct net_pushed pushed = net_send_batch(&ends->sender, out, 100);
    assert_int_equal(pushed.done, 100);
    size_t count = 0;
    for (size_t i = 0; i < 100; i++) {
        count += take(ends, out[i].len, i % 3 == 0 ? PIECE : out[i].len);
    }
    assert_int_equal(count, pushed.datagrams);
    expect_nothing_more(ends);
}

/* A socket without checksums is one of those for which the kernel does not cut. */
static void socket_for_which_the_kernel_does_not_cut_sends_each_piece_once(void **state)
{
    struct ends *ends = *state;
    int on = 1;
    assert_int_equal(setsockopt(ends->from, SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)), 0);
    struct net_datagram out[3] = {
        datagram_of(ends, 100, 0),
        datagram_of(ends, 5 * PIECE + 9, PIECE),
        datagram_of(ends, LARGE, PIECE),
    };
    struct net_pushed pushed = net_send_batch(&ends->sender, out, 3);
    assert_int_equal(pushed.done, 3);
    assert_int_equal(pushed.datagrams, 1 + 6 + 201);
    assert_int_equal(pushed.refused + pushed.cut, 0);
    assert_false(ends->sender.segments);
    for (size_t i = 0; i < 3; i++) {
        (void)take(ends, out[i].len, i == 0 ? 100 : PIECE);
    }
    expect_nothing_more(ends);
}

static void address_nobody_can_reach_loses_its_answer_whole_and_no_other(void **state)
{
    struct ends *ends = *state;
    struct net_datagram out[4];
    for (size_t i = 0; i < 4; i++) {
        out[i] = datagram_of(ends, 3 * PIECE, PIECE);
        out[i].peer = i % 2 == 0 ? ends->bad : ends->target;
    }
    struct net_pushed pushed = net_send_batch(&ends->sender, out, 4);
    assert_int_equal(pushed.done, 4);
    assert_int_equal(pushed.datagrams, 6);
    assert_int_equal(pushed.refused, 6);
    assert_int_equal(pushed.cut, 0);
    assert_true(ends->sender.segments);
    assert_int_equal(take(ends, 3 * PIECE, PIECE) + take(ends, 3 * PIECE, PIECE), 6);
    expect_nothing_more(ends);
}

static void pieces_leave_from_the_address_that_was_asked(void **state)
{
    struct ends *ends = *state;
    struct net_datagram out = datagram_of(ends, 4 * PIECE, PIECE);
    assert_int_equal(net_address_parse("127.0.0.9", 0, &out.local), STATUS_OK);
    assert_int_equal(net_send_batch(&ends->sender, &out, 1).datagrams, 4);
    struct net_address any = ends->target;
    struct net_datagram in[4];
    uint8_t rooms[4][PIECE];
    for (size_t i = 0; i < 4; i++) {
        in[i] = (struct net_datagram){.data = rooms[i], .size = PIECE};
    }
    assert_int_equal(net_socket_receive(ends->to, &any, in, 4), 4);
    for (size_t i = 0; i < 4; i++) {
        assert_memory_equal(in[i].peer.ip, out.local.ip, 16);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_ends, close_ends)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(answer_of_pieces_arrives_in_pieces_of_its_size),
        CASE(batch_that_mixes_whole_and_cut_answers_keeps_their_order),
        CASE(socket_for_which_the_kernel_does_not_cut_sends_each_piece_once),
        CASE(address_nobody_can_reach_loses_its_answer_whole_and_no_other),
        CASE(pieces_leave_from_the_address_that_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
