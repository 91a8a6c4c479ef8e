/* SPDX-License-Identifier: Apache-2.0
 *
 * A node of several workers that asks other nodes, which are scripted: the top-level one at TOP, a
 * responsible one at FIRST with a mirror at SECOND. Every one answers what `peer_answer` says, in
 * the way its `mode` tells.
 */
#pragma once

#include "tests/scenario/scene.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "protocol/pubkey.h"
#include "protocol/signature.h"
#include "protocol/site.h"
#include "resolver/cache.h"
#include "resolver/forward.h"
#include "resolver/upward.h"

#define WORKERS 4
#define PEER_PORT 2650
#define PEER_ASKED_MAX 64

enum peer_mode {
    PEER_ANSWERS,
    PEER_MUTE,
    PEER_SLOW,     /* over UDP: after `slow_ms` */
    PEER_DEAD_UDP, /* answers over TCP alone */
    PEER_WRONG_ID,
    PEER_WRONG_SOURCE,
    PEER_WRONG_DIGEST,
    PEER_WRONG_NAME,
    PEER_BUSY,
    PEER_UNSIGNED, /* and has a key */
    PEER_NOT_RESPONSIBLE,
    PEER_WANTS_PROOF, /* of who asks */
    PEER_REFERS_TO_ITSELF,
    PEER_TELLS_OTHERS, /* of a name that refers to another, over and over */
};

struct upstream_scene;

struct peer {
    struct upstream_scene *scene;
    struct net_address address;
    struct net_udp *udp;
    struct net_udp *stranger; /* another source */
    struct net_listener *listener;
    struct net_stream *stream;
    enum peer_mode mode;
    int64_t slow_ms;
    struct net_timer *slow; /* then what was asked first is answered */
    struct net_datagram slow_asked;
    uint8_t slow_packet[1024];
    unsigned questions;
    uint32_t last_id;
    uint16_t last_port;
    uint8_t last_count;
    uint32_t last_flags;
};

enum { TOP, FIRST, SECOND, PEERS };

struct upstream_scene {
    struct scene *scene;
    struct forward_hub *hub;
    struct settings *settings;
    struct upward *upward;
    struct peer peers[PEERS];
    struct net *nets[WORKERS];
    struct worker workers[WORKERS];
    bool has_key;     /* site records tell one */
    EVP_PKEY *signer; /* the peers sign with it; NULL: they do not */
    uint32_t flags;   /* of the last answer */
    struct cache *cache;
    char cache_path[80];
};

static inline struct bytes upstream_site(struct upstream_scene *up, uint8_t room[1024])
{
    uint8_t key[512] = "no key";
    struct wire_writer k = wire_write(key, sizeof(key));
    if (up->signer != NULL) {
        assert_int_equal(pubkey_from_evp(up->signer, &k), STATUS_OK);
    } else {
        k.at += 6;
    }
    struct site_interface interfaces[] = {{SITE_BOTH, SITE_UDP, PEER_PORT},
                                          {SITE_BOTH, SITE_TCP, PEER_PORT}};
    struct site_server server = {
        .id = 1,
        .public_key = up->has_key ? wire_wrote(&k) : BYTES_NONE,
        .interfaces = interfaces,
        .interface_count = 2,
    };
    struct site site = {.format = 1,
                        .protocol_major = 2,
                        .protocol_minor = 11,
                        .serial = 1,
                        .primary_mask = SITE_PRIMARY,
                        .servers = &server,
                        .server_count = 1};
    assert_true(site_address_parse("127.0.0.8", server.address));
    struct wire_writer w = wire_write(room, 1024);
    site_encode(&w, &site);
    return wire_wrote(&w);
}

static inline struct bytes upstream_mirror(uint8_t room[1024])
{
    struct site_interface interfaces[] = {{SITE_QUERY, SITE_UDP, PEER_PORT}};
    struct site_server server = {.id = 1, .interfaces = interfaces, .interface_count = 1};
    struct site site = {.format = 1,
                        .protocol_major = 2,
                        .protocol_minor = 11,
                        .serial = 1,
                        .servers = &server,
                        .server_count = 1};
    assert_true(site_address_parse("127.0.0.9", server.address));
    struct wire_writer w = wire_write(room, 1024);
    site_encode(&w, &site);
    return wire_wrote(&w);
}

/* The values of a name: sites of what begins "0.NA/88.2", one value of what ends in "/x". */
static inline uint32_t peer_values(struct peer *peer, struct bytes name, struct wire_writer *w)
{
    uint8_t first[1024];
    uint8_t second[1024];
    struct value values[3] = {fixture_value(1, "HS_SITE", "", 0x0e),
                              fixture_value(2, "HS_SITE", "", 0x0e)};
    struct body_values body = {.handle = name, .values = values, .count = 2};
    values[0].data = upstream_site(peer->scene, first);
    values[1].data = upstream_mirror(second);
    if (bytes_start_with(name, BYTES_LITERAL("0.NA/88.3"))) { /* only a service handle */
        values[0] = fixture_value(1, "HS_SERV", "88.3/serv", 0x0e);
        body.count = 1;
    } else if (bytes_equal(name, BYTES_LITERAL("0.NA/88.4"))) { /* only itself */
        values[0] = fixture_value(1, "HS_SERV", "0.NA/88.4", 0x0e);
        body.count = 1;
    } else if (!bytes_start_with(name, BYTES_LITERAL("0.NA/88.2"))) {
        values[0] = fixture_value(1, "DESC", "of another node", 0x0e);
        values[1] = fixture_value(2, "URL", "https://example.cn/", 0x0e);
        values[2] = fixture_value(3, "NOTE", "not for all", 0x0c);
        body.count = 3;
    }
    if (name.len < 2 || bytes_equal(bytes_from(name, name.len - 2), BYTES_LITERAL("/0"))) {
        body_error_encode(w, &(struct body_error){.index_count = 0});
        return 100;
    }
    if (peer->mode == PEER_WRONG_NAME) {
        body.handle = BYTES_LITERAL("88.2/another");
    }
    body_values_encode(w, &body);
    return 1;
}

static inline uint32_t peer_body(struct peer *peer, struct bytes name, struct wire_writer *w)
{
    uint8_t first[1024];
    struct value value = fixture_value(1, "HS_SITE", "", 0x0e);
    bool is_below = peer != &peer->scene->peers[TOP];
    switch (peer->mode) {
    case PEER_BUSY:
        body_error_encode(w, &(struct body_error){.index_count = 0});
        return 3;
    case PEER_NOT_RESPONSIBLE:
        body_error_encode(w, &(struct body_error){.index_count = 0});
        return 301;
    case PEER_WANTS_PROOF:
        body_error_encode(w, &(struct body_error){.index_count = 0});
        return 402;
    case PEER_REFERS_TO_ITSELF:
        value.data = upstream_site(peer->scene, first);
        body_referral_encode(w, &(struct body_referral){.values = &value, .count = 1});
        return 302;
    case PEER_TELLS_OTHERS:
        if (is_below) {
            char other[64];
            int len = snprintf(other, sizeof(other), "88.2%u/serv", peer->questions);
            body_referral_encode(w,
                                 &(struct body_referral){.handle = bytes_of(other, (size_t)len)});
            return 302;
        }
        return peer_values(peer, name, w);
    default:
        return peer_values(peer, name, w);
    }
}

/* The whole answer; borrowed from `room`. */
static inline struct bytes peer_answer(struct peer *peer, struct bytes packet, uint8_t *room,
                                       size_t size)
{
    struct message asked;
    struct body_resolution body;
    struct digest digest;
    uint8_t answer[2048];
    assert_int_equal(message_decode(packet, &asked), STATUS_OK);
    assert_int_equal(body_resolution_decode(asked.body, &body), STATUS_OK);
    assert_int_equal(digest_compute(DIGEST_SHA256, asked.digested, &digest), STATUS_OK);
    peer->questions++;
    peer->last_id = asked.envelope.request_id;
    peer->last_count = asked.header.recursion_count;
    peer->last_flags = asked.header.flags;
    digest.data[0] ^= peer->mode == PEER_WRONG_DIGEST;
    struct wire_writer b = wire_write(answer, sizeof(answer));
    struct header header = asked.header;
    header.response_code = peer_body(peer, body.handle, &b);
    header.expiration = UINT32_MAX;
    struct envelope envelope = asked.envelope;
    envelope.request_id += peer->mode == PEER_WRONG_ID;
    struct wire_writer w = wire_write(room, size);
    struct message_marks marks = message_open(&w, &envelope, &header);
    digest_encode(&w, &digest);
    wire_put_raw(&w, wire_wrote(&b));
    uint8_t *end = w.at;
    message_close(&w, marks, NULL);
    if (peer->scene->signer != NULL && (asked.header.flags & MESSAGE_CERTIFIED) != 0) {
        uint8_t signature[1024];
        struct credential credential;
        struct wire_writer s = wire_write(signature, sizeof(signature));
        w.at = end;
        struct bytes digested = bytes_from(bytes_of(room, (size_t)(end - room)), 20);
        assert_int_equal(
            signature_message_make(peer->scene->signer, &envelope, 0, digested, &s, &credential),
            STATUS_OK);
        message_close(&w, marks, &credential);
    }
    assert_false(w.failed);
    return wire_wrote(&w);
}

static inline void peer_send(struct peer *peer, struct bytes answer, const struct net_address *to)
{
    struct envelope envelope;
    assert_int_equal(envelope_decode(answer, &envelope), STATUS_OK);
    for (uint32_t i = 0; i < fragment_count(envelope.message_len); i++) {
        uint8_t piece[FRAGMENT_DATAGRAM];
        uint32_t len = fragment_payload_len(envelope.message_len, i);
        fragment_envelope(&envelope, i, piece);
        memcpy(piece + MESSAGE_ENVELOPE_LEN,
               answer.data + MESSAGE_ENVELOPE_LEN + (size_t)i * FRAGMENT_PAYLOAD, len);
        struct net_datagram out = {.data = piece, .len = MESSAGE_ENVELOPE_LEN + len, .peer = *to};
        (void)net_udp_send(peer->mode == PEER_WRONG_SOURCE ? peer->stranger : peer->udp, &out, 1);
    }
}

static inline void peer_on_slow(void *context)
{
    struct peer *peer = context;
    uint8_t out[4096];
    struct bytes asked = bytes_of(peer->slow_packet, peer->slow_asked.len);
    peer->questions--; /* it was counted when it came */
    peer_send(peer, peer_answer(peer, asked, out, sizeof(out)), &peer->slow_asked.peer);
    peer->slow_asked.len = 0;
}

static inline void peer_take_time(struct peer *peer, const struct net_datagram *asked)
{
    peer->questions++;
    if (peer->slow_asked.len == 0) {
        memcpy(peer->slow_packet, asked->data, asked->len);
        peer->slow_asked = *asked;
        net_timer_start(peer->slow, peer->slow_ms);
    }
}

static inline void peer_on_datagram(void *context)
{
    struct peer *peer = context;
    uint8_t in[1024];
    uint8_t out[4096];
    struct net_datagram datagram = {.data = in, .size = sizeof(in)};
    while (net_udp_receive(peer->udp, &datagram, 1) == 1) {
        peer->last_port = datagram.peer.port;
        if (peer->mode == PEER_MUTE || peer->mode == PEER_DEAD_UDP) {
            peer->questions++;
            continue;
        }
        if (peer->mode == PEER_SLOW) {
            peer_take_time(peer, &datagram);
            continue;
        }
        struct bytes answer = peer_answer(peer, bytes_of(in, datagram.len), out, sizeof(out));
        peer_send(peer, answer, &datagram.peer);
        datagram = (struct net_datagram){.data = in, .size = sizeof(in)};
    }
}

static inline void peer_on_readable(void *context)
{
    struct peer *peer = context;
    uint8_t in[1024];
    uint8_t out[4096];
    size_t len = 0;
    if (net_stream_read(peer->stream, in, sizeof(in), &len) != STATUS_OK) {
        net_stream_close(peer->stream);
        peer->stream = NULL;
    } else if (peer->mode != PEER_MUTE) {
        struct bytes answer = peer_answer(peer, bytes_of(in, len), out, sizeof(out));
        assert_int_equal(net_stream_write(peer->stream, answer, &len), STATUS_OK);
    }
}

static inline void peer_on_failed(void *context, enum status status)
{
    (void)context;
    (void)status;
}

static inline void peer_on_accepted(void *context, struct net_stream *stream)
{
    static const struct net_stream_events events = {.readable = peer_on_readable,
                                                    .failed = peer_on_failed};
    struct peer *peer = context;
    if (peer->stream != NULL) {
        net_stream_close(peer->stream);
    }
    peer->stream = stream;
    net_stream_set_events(stream, &events, peer);
    net_stream_want(stream, true, false);
}

static inline void peer_open(struct upstream_scene *up, size_t index, const char *ip)
{
    struct peer *peer = &up->peers[index];
    struct net *net = up->scene->client_net;
    struct net_address other;
    *peer = (struct peer){.scene = up};
    assert_int_equal(net_address_parse(ip, PEER_PORT, &peer->address), STATUS_OK);
    assert_int_equal(net_address_parse("127.0.0.66", PEER_PORT, &other), STATUS_OK);
    assert_int_equal(net_udp_open(net, &peer->address, peer_on_datagram, peer, &peer->udp, NULL),
                     STATUS_OK);
    assert_int_equal(net_udp_open(net, &other, peer_on_datagram, peer, &peer->stranger, NULL),
                     STATUS_OK);
    assert_int_equal(net_timer_new(net, peer_on_slow, peer, &peer->slow), STATUS_OK);
    assert_int_equal(net_listen(net, &peer->address, peer_on_accepted, peer, &peer->listener, NULL),
                     STATUS_OK);
}

static inline void upstream_start_worker(struct upstream_scene *up, size_t index)
{
    struct scene *scene = up->scene;
    struct worker_options options = scene->worker.options;
    struct net_address any;
    struct net_address local;
    up->nets[index] = fake_world_net(scene->world);
    options.net = up->nets[index];
    options.hub = up->hub;
    options.cache = up->cache;
    options.worker_count = WORKERS;
    options.is_sweeper = index == 0;
    assert_int_equal(worker_init(&up->workers[index], &options), STATUS_OK);
    forward_hub_join(up->hub, index, &up->workers[index]);
    assert_int_equal(net_address_parse("127.0.0.1", SCENE_PORT + 1, &any), STATUS_OK);
    assert_int_equal(worker_open_udp(&up->workers[index], &any, &local, NULL), STATUS_OK);
    assert_int_equal(worker_open_tcp(&up->workers[index], &any, &local, NULL), STATUS_OK);
}

static inline void upstream_settings(struct upstream_scene *up, const char *yaml)
{
    struct fault fault = {0};
    if (settings_parse(bytes_of_text(yaml), "test", &up->settings, &fault) != STATUS_OK ||
        upward_new(up->settings, NULL, &up->upward, &fault) != STATUS_OK) {
        fail_msg("%s", fault.text);
    }
    up->scene->generation.settings = up->settings;
    up->scene->generation.upward = up->upward;
}

/* With a cache on the disk. */
static inline void upstream_open_cache(struct upstream_scene *up)
{
    struct fault fault = {0};
    (void)snprintf(up->cache_path, sizeof(up->cache_path), "%s/cache", up->scene->store.directory);
    const struct cache_options options = {
        .path = up->cache_path,
        .max_bytes = 16u << 20,
        .limits = {.ttl_ms = 86400000, .negative_ms = 60000, .stale_ms = 7 * 86400000LL},
        .boot_id = "scene",
        .now_ms = net_wall_ms(up->scene->client_net),
    };
    if (cache_open(&options, &up->cache, &fault) != STATUS_OK) {
        fail_msg("%s", fault.text);
    }
}

#define UPSTREAM_YAML                                                                              \
    "node:\n  prefix: '88.1'\n"                                                                    \
    "limits:\n  parked: 40000\n  parked_bytes: 1G\n  trusted_networks: [127.0.0.0/8]\n"            \
    "upstream:\n  servers: ['127.0.0.7:2650']\n  refused: ['88.66']\n"                             \
    "  private_services: [127.0.0.0/8]\n"

static inline int upstream_open_all(void **state, const char *yaml, bool has_cache)
{
    struct upstream_scene *up = calloc(1, sizeof(*up));
    void *inner = NULL;
    uint64_t key[2] = {7, 8};
    assert_non_null(up);
    assert_int_equal(scene_open(&inner), 0);
    up->scene = inner;
    up->hub = forward_hub_new(WORKERS, key);
    assert_non_null(up->hub);
    upstream_settings(up, yaml);
    scene_trust(up->scene);
    up->scene->address.port = SCENE_PORT + 1;
    if (has_cache) {
        upstream_open_cache(up);
    }
    peer_open(up, TOP, "127.0.0.7");
    peer_open(up, FIRST, "127.0.0.8");
    peer_open(up, SECOND, "127.0.0.9");
    for (size_t i = 0; i < WORKERS; i++) {
        upstream_start_worker(up, i);
    }
    *state = up;
    return 0;
}

static inline int upstream_open(void **state)
{
    return upstream_open_all(state, UPSTREAM_YAML, false);
}

static inline int upstream_close(void **state)
{
    struct upstream_scene *up = *state;
    void *inner = up->scene;
    for (size_t i = 0; i < 2 * (size_t)WORKERS; i++) {
        worker_quit(&up->workers[i % WORKERS]);
    }
    for (size_t i = 0; i < WORKERS; i++) {
        worker_done(&up->workers[i]);
        net_free(up->nets[i]);
    }
    for (size_t i = 0; i < PEERS; i++) {
        net_timer_free(up->peers[i].slow);
        net_udp_close(up->peers[i].udp);
        net_udp_close(up->peers[i].stranger);
        net_stream_close(up->peers[i].stream);
        net_listener_close(up->peers[i].listener);
    }
    up->scene->generation.settings = up->scene->settings;
    up->scene->generation.upward = NULL;
    forward_hub_free(up->hub);
    cache_close(up->cache);
    EVP_PKEY_free(up->signer);
    upward_free(up->upward);
    settings_free(up->settings);
    free(up);
    return scene_close(&inner);
}

static inline unsigned upstream_questions_of(const struct upstream_scene *up, size_t peer)
{
    return up->peers[peer].questions;
}

/* --- asking the node ----------------------------------------------------------------------------
 */

/* Sends what `scene_request` made; the code once `wait_ms` have passed, 0: none yet. */
static inline uint32_t upstream_ask_packet(struct upstream_scene *up, struct bytes packet,
                                           int64_t wait_ms)
{
    struct scene *scene = up->scene;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    assert_int_equal(scene_tcp_send(tcp, packet), packet.len);
    fake_world_run(scene->world);
    fake_world_advance(scene->world, wait_ms);
    struct bytes answer = scene_tcp_next(tcp);
    uint32_t code = answer.len == 0 ? 0 : scene_code(answer, 5);
    struct wire_reader r = wire_read(answer);
    (void)wire_take(&r, MESSAGE_ENVELOPE_LEN + 8);
    up->flags = wire_u32(&r);
    scene_tcp_close(tcp);
    fake_world_run(scene->world);
    return code;
}

static inline uint32_t upstream_ask_count(struct upstream_scene *up, const char *handle,
                                          uint8_t count, int64_t wait_ms)
{
    struct bytes packet = scene_request(up->scene, handle, 0, 5);
    up->scene->store.request[MESSAGE_ENVELOPE_LEN + 14] = count;
    return upstream_ask_packet(up, packet, wait_ms);
}

static inline uint32_t upstream_ask_flags(struct upstream_scene *up, const char *handle,
                                          uint32_t more, int64_t wait_ms)
{
    struct bytes packet = scene_request(up->scene, handle, 0, 5);
    uint32_t flags = MESSAGE_RECURSIVE | MESSAGE_PUBLIC_ONLY;
    wire_store_u32(up->scene->store.request + MESSAGE_ENVELOPE_LEN + 8, flags | more);
    return upstream_ask_packet(up, packet, wait_ms);
}

static inline uint32_t upstream_ask(struct upstream_scene *up, const char *handle, int64_t wait_ms)
{
    return upstream_ask_count(up, handle, 0, wait_ms);
}
