/* SPDX-License-Identifier: Apache-2.0
 *
 * What a client may send to the HTTP port, through a whole worker on the fake network with the
 * routes of a node: heads, bodies, REST, the page, the tunnel.
 *
 * An input is the size of the pieces it is sent in, then the bytes. Sent whole and in pieces it
 * must be as many requests, and whatever comes back begins as an answer does.
 */
#include <stdlib.h>

#include "tests/scenario/scene_auth.h"

#include "resolver/http_route.h"

#define INPUTS_MAX 3000 /* then another node: tables have filled */
#define HTTP_PORT 8000

struct node {
    struct scene *scene;
    unsigned inputs;
};

struct seen {
    int64_t requests;
    int64_t refused;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void node_open(struct node *node)
{
    void *state = NULL;
    struct net_address any;
    struct net_address local;
    require(scene_auth_open(&state) == 0);
    node->scene = state;
    node->inputs = 0;
    scene_trust(node->scene);
    node->scene->settings->limits_http_body = 4096;
    node->scene->worker.options.routes = &http_routes_own;
    require(net_address_parse("0.0.0.0", HTTP_PORT, &any) == STATUS_OK);
    require(worker_open_http(&node->scene->worker, &any, false, &local, NULL) == STATUS_OK);
    node->scene->address.port = HTTP_PORT;
}

static void node_close(struct node *node)
{
    void *state = node->scene;
    (void)scene_close(&state);
    node->scene = NULL;
}

static struct seen look(const struct scene *scene)
{
    return (struct seen){scene_count(scene, METRIC_http_requests),
                         scene_count(scene, METRIC_http_refused)};
}

/* What this many bytes at a time make of the input. */
static struct seen send(struct scene *scene, struct bytes input, size_t step)
{
    struct seen before = look(scene);
    struct scene_tcp *tcp = scene_tcp_open(scene);
    while (input.len > 0 && !tcp->is_closed) {
        size_t len = input.len < step ? input.len : step;
        size_t sent = scene_tcp_send(tcp, bytes_of(input.data, len));
        fake_world_run(scene->world);
        if (sent == 0) {
            break;
        }
        input = bytes_from(input, sent);
    }
    fake_stream_finish(tcp->net);
    fake_world_run(scene->world);
    require(tcp->len == 0 ||
            bytes_start_with(bytes_of(tcp->data, tcp->len), BYTES_LITERAL("HTTP/1.1 ")));
    scene_tcp_close(tcp);
    fake_world_run(scene->world);
    require(scene_count(scene, METRIC_tcp_connections) == 0);
    struct seen after = look(scene);
    return (struct seen){after.requests - before.requests, after.refused - before.refused};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct node node;
    if (size < 2) {
        return 0;
    }
    if (node.scene == NULL) {
        node_open(&node);
    }
    struct bytes input = bytes_of(data + 1, size - 1);
    struct seen whole = send(node.scene, input, input.len);
    struct seen pieces = send(node.scene, input, (size_t)data[0] + 1);
    require(whole.requests == pieces.requests && whole.refused == pieces.refused);
    if (++node.inputs == INPUTS_MAX) {
        node_close(&node);
    }
    return 0;
}
