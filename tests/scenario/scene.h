/* SPDX-License-Identifier: Apache-2.0
 *
 * What scenario tests share: a fake world with one worker on a real store, and clients that speak
 * to it. Records: 88.1000/a (one short value) and 88.1000/large (an answer of several datagrams).
 */
#pragma once

#include <stddef.h>

#include "tests/unit/resolver/exchange_fixture.h"

#include "protocol/fragment.h"
#include "registry/journal_backend.h"
#include "registry/store.h"
#include "resolver/key_cache.h"
#include "resolver/stream.h"
#include "tests/scenario/fake_net.h"

#define SCENE_PORT 2641
#define SCENE_LARGE 3000
#define SCENE_DATAGRAMS_MAX 2048

struct scene {
    struct fixture store;
    struct fake_world *world;
    struct net *worker_net;
    struct net *client_net;
    struct settings *settings;
    struct generation generation;
    struct settings_network trusted;
    struct reassembly *reassembly;
    struct sources *sources;
    struct budget *budget;
    struct sessions *sessions;
    struct duplicates *duplicates;
    struct tries *tries;
    struct key_cache *keys;
    struct crypto_pool *pool;
    struct scene_write {
        struct change_set *set;
        committer_done *done;
        void *context;
    } write; /* the one that is held */
    bool holds_writes;
    enum status write_refusal; /* what the committer refuses them with; OK: it takes them */
    struct arena *kept;        /* what tests keep until they end */
    struct worker worker;
    struct net_address address;
};

static inline void scene_fill_store(struct fixture *store)
{
    static char large[SCENE_LARGE + 1];
    memset(large, 'x', SCENE_LARGE);
    struct value small = fixture_value(1, "DESC", "a part", 0x0e);
    struct value big = fixture_value(1, "DESC", large, 0x0e);
    fixture_home(store, "88.1000", PREFIX_ACTIVE, CASE_INSENSITIVE);
    fixture_put(store, BYTES_LITERAL("88.1000/a"), &small, 1);
    fixture_put(store, BYTES_LITERAL("88.1000/large"), &big, 1);
}

static inline void scene_commit(struct scene *scene, const struct scene_write *write)
{
    struct change_set *set = write->set;
    scene->store.registry->backend->commit_group(scene->store.registry, &set, 1);
    write->done(write->set, write->context);
}

/* In the committer's place: at once, or when the scene lets go. */
static inline enum status scene_submit(void *context, struct change_set *set, committer_done *done,
                                       void *done_context)
{
    struct scene *scene = context;
    const struct scene_write write = {set, done, done_context};
    if (scene->write_refusal != STATUS_OK) {
        return scene->write_refusal;
    }
    if (!scene->holds_writes) {
        scene_commit(scene, &write);
    } else if (scene->write.set != NULL) {
        return STATUS_SERVER_BUSY;
    } else {
        scene->write = write;
    }
    return STATUS_OK;
}

static inline void scene_let_go(struct scene *scene)
{
    const struct scene_write write = scene->write;
    scene->write = (struct scene_write){0};
    assert_non_null(write.set);
    scene_commit(scene, &write);
}

static inline void scene_make_tables(struct scene *scene)
{
    const struct crypto_pool_options pool = {.threads = 0, .queue = 64};
    scene->reassembly = reassembly_new(1);
    scene->sources = sources_new(2);
    scene->budget = budget_new(3);
    scene->sessions = sessions_new(4, fixture_random);
    scene->tries = tries_new(5);
    scene->keys = key_cache_new(6);
    scene->duplicates = duplicates_new(4u << 20);
    scene->kept = arena_new(1 << 16, 64u << 20);
    assert_int_equal(crypto_pool_start(&pool, &scene->pool), STATUS_OK);
    assert_true(scene->reassembly != NULL && scene->sources != NULL && scene->budget != NULL &&
                scene->sessions != NULL && scene->tries != NULL && scene->keys != NULL &&
                scene->duplicates != NULL);
}

static inline int scene_open(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    assert_non_null(scene);
    fixture_open(&scene->store);
    scene_fill_store(&scene->store);
    snapshot_rest(scene->store.snapshot);
    scene->world = fake_world_new();
    scene->worker_net = fake_world_net(scene->world);
    scene->client_net = fake_world_net(scene->world);
    scene->settings = settings_defaults();
    assert_non_null(scene->settings);
    scene_make_tables(scene);
    scene->generation = (struct generation){.settings = scene->settings, .number = 1};
    struct worker_options options = {
        .net = scene->worker_net,
        .registry = scene->store.registry,
        .reassembly = scene->reassembly,
        .sources = scene->sources,
        .budget = scene->budget,
        .sessions = scene->sessions,
        .duplicates = scene->duplicates,
        .tries = scene->tries,
        .keys = scene->keys,
        .pool = scene->pool,
        .submit = scene_submit,
        .submit_context = scene,
        .worker_count = 1,
        .metrics = metrics_slot(scene->store.metrics, 0),
        .generation = &scene->generation,
        .random = fixture_random,
        .is_sweeper = true,
    };
    assert_int_equal(worker_init(&scene->worker, &options), STATUS_OK);
    assert_int_equal(net_address_parse("127.0.0.1", SCENE_PORT, &scene->address), STATUS_OK);
    struct net_address any;
    struct net_address local;
    assert_int_equal(net_address_parse("0.0.0.0", SCENE_PORT, &any), STATUS_OK);
    assert_int_equal(worker_open_udp(&scene->worker, &any, &local, NULL), STATUS_OK);
    assert_int_equal(worker_open_tcp(&scene->worker, &any, &local, NULL), STATUS_OK);
    *state = scene;
    return 0;
}

static inline int scene_close(void **state)
{
    struct scene *scene = *state;
    worker_done(&scene->worker);
    net_free(scene->worker_net);
    net_free(scene->client_net);
    fake_world_free(scene->world);
    reassembly_free(scene->reassembly);
    sources_free(scene->sources);
    budget_free(scene->budget);
    sessions_free(scene->sessions);
    tries_free(scene->tries);
    key_cache_free(scene->keys);
    duplicates_free(scene->duplicates);
    crypto_pool_stop(scene->pool);
    arena_free(scene->kept);
    settings_free(scene->settings);
    fixture_close(&scene->store);
    free(scene);
    return 0;
}

/* Clients are exempt from the limits for strangers. */
static inline void scene_trust(struct scene *scene)
{
    assert_int_equal(settings_parse_network("127.0.0.0/8", &scene->trusted), STATUS_OK);
    scene->generation.trusted = &scene->trusted;
    scene->generation.trusted_count = 1;
}

static inline int64_t scene_count(const struct scene *scene, enum metric metric)
{
    return metrics_sum(scene->store.metrics, metric, 0);
}

/* A resolution of `handle`, with `types` filters that name nothing but "DESC", so that a request
 * can be made as long as one likes. Lives until the next one. */
static inline struct bytes scene_request(struct scene *scene, const char *handle, size_t types,
                                         uint32_t request_id)
{
    static uint8_t body[1 << 17];
    struct wire_writer w = wire_write(body, sizeof(body));
    wire_put_bytes(&w, bytes_of_text(handle));
    wire_put_u32(&w, 0);
    wire_put_u32(&w, (uint32_t)types);
    for (size_t i = 0; i < types; i++) {
        wire_put_bytes(&w, i == 0 ? BYTES_LITERAL("DESC") : BYTES_LITERAL("NO_SUCH_TYPE_ANYWHERE"));
    }
    struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
    struct bytes packet = fixture_packet(&scene->store, &ask, wire_wrote(&w));
    wire_store_u32(scene->store.request + 8, request_id);
    return packet;
}

/* Response code of an answer that stands alone in `packet`; checks its request id. */
static inline uint32_t scene_code(struct bytes packet, uint32_t request_id)
{
    struct message message;
    assert_int_equal(message_decode(packet, &message), STATUS_OK);
    assert_int_equal(message.envelope.request_id, request_id);
    return message.header.response_code;
}

/* --- UDP ------------------------------------------------------------------------------------- */

struct scene_udp {
    struct net_udp *net;
    uint8_t *room; /* SCENE_DATAGRAMS_MAX x FRAGMENT_DATAGRAM */
    struct net_datagram got[SCENE_DATAGRAMS_MAX];
    size_t count;
};

static inline void scene_udp_on_readable(void *context)
{
    struct scene_udp *udp = context;
    assert_true(udp->count < SCENE_DATAGRAMS_MAX);
    struct net_datagram *next = &udp->got[udp->count];
    next->data = udp->room + udp->count * FRAGMENT_DATAGRAM;
    next->size = FRAGMENT_DATAGRAM;
    udp->count += net_udp_receive(udp->net, next, 1);
}

static inline struct scene_udp *scene_udp_open(struct scene *scene)
{
    struct scene_udp *udp = calloc(1, sizeof(*udp));
    assert_non_null(udp);
    udp->room = malloc((size_t)SCENE_DATAGRAMS_MAX * FRAGMENT_DATAGRAM);
    assert_non_null(udp->room);
    struct net_address any;
    assert_int_equal(net_address_parse("127.0.0.1", 0, &any), STATUS_OK);
    assert_int_equal(
        net_udp_open(scene->client_net, &any, scene_udp_on_readable, udp, &udp->net, NULL),
        STATUS_OK);
    return udp;
}

static inline void scene_udp_close(struct scene_udp *udp)
{
    net_udp_close(udp->net);
    free(udp->room);
    free(udp);
}

static inline void scene_udp_send(struct scene *scene, struct scene_udp *udp, struct bytes datagram)
{
    struct net_datagram out = {
        .data = (uint8_t *)(uintptr_t)datagram.data,
        .len = datagram.len,
        .peer = scene->address,
    };
    assert_int_equal(net_udp_send(udp->net, &out, 1), 1);
}

/* Piece `sequence` of `packet`. */
static inline void scene_udp_send_piece(struct scene *scene, struct scene_udp *udp,
                                        struct bytes packet, uint32_t sequence)
{
    uint8_t piece[FRAGMENT_DATAGRAM];
    struct envelope envelope;
    assert_int_equal(envelope_decode(packet, &envelope), STATUS_OK);
    uint32_t len = fragment_payload_len(envelope.message_len, sequence);
    fragment_envelope(&envelope, sequence, piece);
    memcpy(piece + MESSAGE_ENVELOPE_LEN,
           packet.data + MESSAGE_ENVELOPE_LEN + (size_t)sequence * FRAGMENT_PAYLOAD, len);
    scene_udp_send(scene, udp, bytes_of(piece, MESSAGE_ENVELOPE_LEN + len));
}

/* --- TCP ------------------------------------------------------------------------------------- */

struct scene_tcp {
    struct net_stream *net;
    uint8_t *data; /* everything received */
    size_t len;
    size_t taken; /* by scene_tcp_next */
    size_t reads;
    bool is_connected;
    bool is_closed; /* end of file or reset */
    bool is_refused;
};

static inline void scene_tcp_on_readable(void *context)
{
    struct scene_tcp *tcp = context;
    uint8_t chunk[65536];
    size_t len = 0;
    enum status status = net_stream_read(tcp->net, chunk, sizeof(chunk), &len);
    if (status == STATUS_CLOSED) {
        tcp->is_closed = true;
        net_stream_want(tcp->net, false, false);
    } else if (status == STATUS_OK) {
        tcp->data = realloc(tcp->data, tcp->len + len);
        assert_non_null(tcp->data);
        memcpy(tcp->data + tcp->len, chunk, len);
        tcp->len += len;
        tcp->reads++;
    }
}

static inline void scene_tcp_on_writable(void *context)
{
    struct scene_tcp *tcp = context;
    tcp->is_connected = true;
    net_stream_want(tcp->net, true, false);
}

static inline void scene_tcp_on_failed(void *context, enum status status)
{
    struct scene_tcp *tcp = context;
    (void)status;
    tcp->is_refused = true;
}

static inline struct scene_tcp *scene_tcp_open(struct scene *scene)
{
    static const struct net_stream_events events = {
        .readable = scene_tcp_on_readable,
        .writable = scene_tcp_on_writable,
        .failed = scene_tcp_on_failed,
    };
    struct scene_tcp *tcp = calloc(1, sizeof(*tcp));
    assert_non_null(tcp);
    assert_int_equal(net_connect(scene->client_net, &scene->address, &events, tcp, &tcp->net),
                     STATUS_OK);
    fake_world_run(scene->world);
    return tcp;
}

static inline void scene_tcp_close(struct scene_tcp *tcp)
{
    net_stream_close(tcp->net);
    free(tcp->data);
    free(tcp);
}

/* Hands over what the stream takes now; how much. */
static inline size_t scene_tcp_send(struct scene_tcp *tcp, struct bytes data)
{
    size_t sent = 0;
    size_t len = 0;
    while (sent < data.len &&
           net_stream_write(tcp->net, bytes_from(data, sent), &len) == STATUS_OK) {
        sent += len;
    }
    return sent;
}

/* The next whole answer; none when there is none. */
static inline struct bytes scene_tcp_next(struct scene_tcp *tcp)
{
    struct bytes rest = bytes_from(bytes_of(tcp->data, tcp->len), tcp->taken);
    struct envelope envelope;
    if (envelope_decode(rest, &envelope) != STATUS_OK ||
        rest.len < MESSAGE_ENVELOPE_LEN + (size_t)envelope.message_len) {
        return BYTES_NONE;
    }
    rest.len = MESSAGE_ENVELOPE_LEN + (size_t)envelope.message_len;
    tcp->taken += rest.len;
    return rest;
}
