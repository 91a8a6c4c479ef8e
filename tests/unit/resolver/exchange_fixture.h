/* SPDX-License-Identifier: Apache-2.0
 *
 * What tests of exchanges share: a real registry in a directory of its own, requests made and run
 * against it, answers decoded. Everything a call hands out lives until the next request is run.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "protocol/body.h"
#include "protocol/opcode.h"
#include "registry/committer.h"
#include "resolver/exchange.h"

#define FIXTURE_NOW_MS 1795230000000
#define FIXTURE_SERIAL 7

struct fixture {
    char directory[64];
    struct registry *registry;
    struct snapshot *snapshot;
    struct metrics *metrics;
    struct arena *arena;
    struct generation generation;
    struct settings *settings;
    struct exchange_scope scope;
    struct exchange x;
    uint8_t *request;
    uint8_t *reply;
    size_t reply_room;
};

static inline void fixture_random(void *out, size_t len)
{
    if (getrandom(out, len, 0) != (ssize_t)len) {
        abort();
    }
}

static inline void fixture_commit(struct fixture *f, struct change_set *set)
{
    assert_int_equal(committer_commit_now(f->registry, f->snapshot, set, FIXTURE_NOW_MS),
                     STATUS_OK);
    change_set_free(set);
    assert_int_equal(snapshot_refresh(f->snapshot), STATUS_OK);
}

static inline struct change_set *fixture_set(void)
{
    struct change_set *set =
        change_set_new(CHANGE_ALL_OR_NOTHING, BYTES_LITERAL("test"), BYTES_LITERAL("test"));
    assert_non_null(set);
    return set;
}

static inline void fixture_home(struct fixture *f, const char *prefix, enum prefix_state state,
                                enum case_rule rule)
{
    struct prefix_row row = {
        .prefix = bytes_of_text(prefix),
        .enterprise = BYTES_LITERAL("self"),
        .state = state,
        .hosting = PREFIX_HOSTED,
        .case_rule = rule,
    };
    struct change_set *set = fixture_set();
    assert_int_equal(change_set_put_prefix(set, &row, CHANGE_REPLACE, NULL), STATUS_OK);
    fixture_commit(f, set);
}

static inline void fixture_put(struct fixture *f, struct bytes handle, const struct value *values,
                               size_t count)
{
    struct value copy[64];
    assert_in_range(count, 1, 64);
    memcpy(copy, values, count * sizeof(copy[0]));
    struct record record = {handle, copy, count};
    struct change_set *set = fixture_set();
    struct fault fault = {0};
    if (change_set_put_record(set, &record, CHANGE_REPLACE, &fault) != STATUS_OK) {
        fail_msg("put %.*s: %s", (int)handle.len, (const char *)handle.data, fault.text);
    }
    fixture_commit(f, set);
}

static inline struct value fixture_value(uint32_t index, const char *type, const char *data,
                                         uint8_t permissions)
{
    return (struct value){
        .index = index,
        .timestamp = 1700000000,
        .ttl = VALUE_TTL_DEFAULT,
        .permissions = permissions,
        .type = bytes_of_text(type),
        .data = bytes_of_text(data),
    };
}

static inline void fixture_open(struct fixture *f)
{
    static const uint8_t key[REGISTRY_COMMITMENT_KEY_LEN] = {1, 2, 3};
    *f = (struct fixture){.directory = "/tmp/guantong-test-XXXXXX"};
    assert_non_null(mkdtemp(f->directory));
    struct registry_options options = {
        .path = f->directory,
        .map_bytes = 256u << 20,
        .may_create = true,
        .commitment_key = bytes_of(key, sizeof(key)),
    };
    struct fault fault = {0};
    if (registry_open(&options, &f->registry, &fault) != STATUS_OK) {
        fail_msg("registry: %s", fault.text);
    }
    assert_int_equal(snapshot_new(f->registry, &f->snapshot), STATUS_OK);
    assert_int_equal(metrics_new(1, &f->metrics), STATUS_OK);
    f->arena = arena_new(65536, 4u << 20);
    f->request = malloc(MESSAGE_PACKET_MAX);
    f->reply = malloc(MESSAGE_PACKET_MAX);
    assert_non_null(f->arena);
    assert_non_null(f->request);
    assert_non_null(f->reply);
    f->reply_room = MESSAGE_PACKET_MAX;
    f->settings = settings_defaults();
    assert_non_null(f->settings);
    f->generation = (struct generation){
        .settings = f->settings, .site_serial = FIXTURE_SERIAL, .is_primary = true, .number = 1};
    f->scope = (struct exchange_scope){
        .generation = &f->generation,
        .snapshot = f->snapshot,
        .metrics = metrics_slot(f->metrics, 0),
        .arena = f->arena,
        .random = fixture_random,
        .now_ms = FIXTURE_NOW_MS,
    };
}

static inline int fixture_remove(const char *path, const struct stat *info, int kind,
                                 struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

static inline void fixture_close(struct fixture *f)
{
    snapshot_free(f->snapshot);
    registry_close(f->registry);
    metrics_free(f->metrics);
    arena_free(f->arena);
    settings_free(f->settings);
    free(f->request);
    free(f->reply);
    (void)nftw(f->directory, fixture_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* Runs a packet as it is; the answer's bytes, none when it was dropped. The request is copied into
 * a block of exactly its size, so that a read past its end is seen. */
static inline struct bytes fixture_run(struct fixture *f, enum exchange_transport transport,
                                       struct bytes packet)
{
    uint8_t *exact = malloc(packet.len + (packet.len == 0));
    assert_non_null(exact);
    if (packet.len > 0) {
        memcpy(exact, packet.data, packet.len);
    }
    arena_reset(f->arena);
    f->x = (struct exchange){
        .scope = &f->scope,
        .transport = transport,
        .request = bytes_of(exact, packet.len),
        .reply = wire_write(f->reply, f->reply_room),
    };
    enum status status = exchange_run(&f->x);
    struct bytes reply = wire_wrote(&f->x.reply);
    free(exact);
    if (status == STATUS_DROP) {
        assert_int_equal(reply.len, 0);
        return BYTES_NONE;
    }
    assert_int_equal(status, STATUS_OK);
    assert_true(reply.len >= MESSAGE_ENVELOPE_LEN + MESSAGE_HEADER_LEN);
    return reply;
}

struct fixture_ask {
    struct message_version version;
    struct message_version suggested;
    uint32_t session_id;
    uint32_t opcode;
    uint32_t flags;
    uint8_t recursion_count;
};

#define FIXTURE_REQUEST_ID 0x01020304

static inline struct fixture_ask fixture_ask(uint32_t opcode)
{
    return (struct fixture_ask){.version = {2, 11},
                                .suggested = {2, 11},
                                .opcode = opcode,
                                .flags = MESSAGE_RECURSIVE | MESSAGE_PUBLIC_ONLY};
}

static inline struct bytes fixture_packet(struct fixture *f, const struct fixture_ask *ask,
                                          struct bytes body)
{
    struct message message = {
        .envelope = {.version = ask->version,
                     .suggested = ask->suggested,
                     .session_id = ask->session_id,
                     .request_id = FIXTURE_REQUEST_ID},
        .header = {.opcode = ask->opcode,
                   .flags = ask->flags,
                   .site_serial = MESSAGE_SERIAL_UNKNOWN,
                   .recursion_count = ask->recursion_count,
                   .expiration = 1},
        .body = body,
    };
    struct wire_writer w = wire_write(f->request, MESSAGE_PACKET_MAX);
    message_encode(&w, &message);
    assert_false(w.failed);
    return wire_wrote(&w);
}

/* The answer, decoded; fails when there is none. */
static inline struct message fixture_answer(struct fixture *f, enum exchange_transport transport,
                                            const struct fixture_ask *ask, struct bytes body)
{
    struct bytes reply = fixture_run(f, transport, fixture_packet(f, ask, body));
    struct message answer;
    assert_int_equal(message_decode(reply, &answer), STATUS_OK);
    assert_int_equal(answer.header.response_code,
                     message_code_for(status_wire_code(f->x.outcome), answer.envelope.version));
    return answer;
}

/* A resolution body; `types` ends with NULL, both lists may be NULL. */
static inline struct bytes fixture_resolution(uint8_t *room, size_t size, struct bytes handle,
                                              const uint32_t *indexes, size_t index_count,
                                              const char *const *types)
{
    struct wire_writer w = wire_write(room, size);
    wire_put_bytes(&w, handle);
    wire_put_u32(&w, (uint32_t)index_count);
    for (size_t i = 0; i < index_count; i++) {
        wire_put_u32(&w, indexes[i]);
    }
    size_t count = 0;
    while (types != NULL && types[count] != NULL) {
        count++;
    }
    wire_put_u32(&w, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        wire_put_bytes(&w, bytes_of_text(types[i]));
    }
    assert_false(w.failed);
    return wire_wrote(&w);
}

/* The text of an error answer (digest, if any, taken off). */
static inline struct bytes fixture_text(const struct message *answer)
{
    struct bytes body;
    struct digest digest;
    bool has_digest;
    struct body_error error;
    assert_int_equal(body_take_digest(answer, &body, &digest, &has_digest), STATUS_OK);
    assert_int_equal(body_error_decode(body, &error), STATUS_OK);
    return error.text;
}

/* A 402: digest of the request and 16 bytes nobody can guess. */
static inline void fixture_assert_challenge(const struct message *answer, struct bytes packet)
{
    struct body_challenge challenge;
    struct digest expected;
    struct message request;
    assert_int_equal(answer->header.response_code, 402);
    assert_in_range(answer->envelope.session_id, 1, INT32_MAX);
    assert_int_equal(body_challenge_decode(answer->body, answer->envelope.version, &challenge),
                     STATUS_OK);
    assert_int_equal(message_decode(packet, &request), STATUS_OK);
    assert_int_equal(
        digest_compute(digest_algorithm_for(answer->envelope.version), request.digested, &expected),
        STATUS_OK);
    assert_int_equal(challenge.nonce.len, 16);
    assert_int_equal(challenge.digest.len, expected.len);
    assert_memory_equal(challenge.digest.data, expected.data, expected.len);
}
