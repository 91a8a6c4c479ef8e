/* SPDX-License-Identifier: Apache-2.0
 *
 * Queue, rest and figures (udp_out.h).
 */
#include "resolver/udp_out.h"

#include <assert.h>
#include <stdlib.h>

void udp_out_init(struct udp_out *out, struct net_udp *net, net_udp_writable *writable,
                  struct metrics_slot *metrics)
{
    *out = (struct udp_out){.net = net, .writable = writable, .metrics = metrics};
}

static size_t pieces_from(const struct net_datagram *answer, size_t at)
{
    return answer->piece == 0 ? 1 : (answer->len - at + answer->piece - 1) / answer->piece;
}

static void count_lost(struct udp_out *out, size_t datagrams, size_t cut)
{
    if (datagrams > 0) {
        metrics_add(out->metrics, METRIC_udp_send_refused, 0, (int64_t)datagrams);
        metrics_add(out->metrics, METRIC_udp_answers_cut, 0, (int64_t)cut);
    }
}

static void forget_rest(struct udp_out *out)
{
    if (out->rest_memory != NULL) {
        net_udp_want_writable(out->net, NULL);
        free(out->rest_memory);
        out->rest_memory = NULL;
    }
}

static void keep_rest(struct udp_out *out, const struct net_datagram *answer, size_t at,
                      int64_t now_ms)
{
    size_t len = answer->len - at;
    out->rest_memory = malloc(len);
    if (out->rest_memory == NULL) {
        count_lost(out, pieces_from(answer, at), 1);
        return;
    }
    memcpy(out->rest_memory, answer->data + at, len);
    out->rest = *answer;
    out->rest.data = out->rest_memory;
    out->rest.len = len;
    out->rest_until_ms = now_ms + UDP_OUT_REST_MS;
    net_udp_want_writable(out->net, out->writable);
}

static struct net_pushed push(struct udp_out *out, const struct net_datagram *answers, size_t count)
{
    struct net_pushed pushed = net_udp_push(out->net, answers, count);
    metrics_add(out->metrics, METRIC_udp_datagrams_out, 0, (int64_t)pushed.datagrams);
    count_lost(out, pushed.refused, pushed.cut);
    return pushed;
}

/* false: it still waits, so there is no room for anything else. */
static bool send_rest(struct udp_out *out, int64_t now_ms)
{
    if (out->rest_memory == NULL) {
        return true;
    }
    if (now_ms > out->rest_until_ms) {
        count_lost(out, pieces_from(&out->rest, 0), 1);
        forget_rest(out);
        return true;
    }
    struct net_pushed pushed = push(out, &out->rest, 1);
    if (pushed.done == 0) {
        out->rest.data += pushed.partial;
        out->rest.len -= pushed.partial;
        return false;
    }
    if (pushed.refused > 0 && pushed.cut == 0) { /* its start had left before */
        metrics_add(out->metrics, METRIC_udp_answers_cut, 0, 1);
    }
    forget_rest(out);
    return true;
}

void udp_out_done(struct udp_out *out)
{
    if (out->rest_memory != NULL && !send_rest(out, out->rest_until_ms)) {
        count_lost(out, pieces_from(&out->rest, 0), 1);
    }
    forget_rest(out);
}

void udp_out_add(struct udp_out *out, const struct net_datagram *asked, struct bytes answer,
                 size_t piece)
{
    assert(!udp_out_is_full(out));
    out->queue[out->count++] = (struct net_datagram){
        .data = (uint8_t *)(uintptr_t)answer.data, /* sending does not write through it */
        .len = answer.len,
        .piece = piece,
        .peer = asked->peer,
        .local = asked->local,
    };
}

void udp_out_send(struct udp_out *out, int64_t now_ms)
{
    size_t at = 0;
    if (out->count > 0 && send_rest(out, now_ms)) {
        struct net_pushed pushed = push(out, out->queue, out->count);
        at = pushed.done;
        if (pushed.partial > 0) {
            keep_rest(out, &out->queue[at++], pushed.partial, now_ms);
        }
    }
    for (; at < out->count; at++) {
        count_lost(out, pieces_from(&out->queue[at], 0), 0);
    }
    out->count = 0;
}

void udp_out_on_writable(struct udp_out *out, int64_t now_ms)
{
    (void)send_rest(out, now_ms);
}
