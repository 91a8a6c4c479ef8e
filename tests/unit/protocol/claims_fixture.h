/* SPDX-License-Identifier: Apache-2.0
 *
 * A little world of records with certificates, for the tests of claims and chains.
 *
 * For test programs only: what cannot be made fails the test. Memory comes from an arena; keys are
 * freed by claims_world_done.
 */
#pragma once

#include "tests/unit/protocol/signature_fixture.h"

#include "protocol/chain.h"
#include "protocol/claims_issue.h"

#define WORLD_RECORDS 24
#define NOW 1800000000
#define ROOT_ID "300:0.0/0.0"

enum world_key { KEY_ROOT, KEY_TOP, KEY_USER, KEY_SM2, KEY_DSA, KEY_COUNT };

struct claims_world {
    struct arena *arena;
    EVP_PKEY *keys[KEY_COUNT];
    struct chain_root root[2];
    struct chain_roots roots;
    struct record records[WORLD_RECORDS];
    size_t count;
    unsigned asked;
    enum status trouble; /* OK, or what every look-up meets */
};

static inline void claims_world_begin(struct claims_world *world, struct arena *arena)
{
    *world = (struct claims_world){.arena = arena};
    world->keys[KEY_ROOT] = known_keys_private(arena, "keys/serverpriv.bin");
    world->keys[KEY_TOP] = known_keys_private(arena, "keys/adminpriv.bin");
    world->keys[KEY_USER] = known_keys_private(arena, "keys/userpriv.bin");
    world->keys[KEY_SM2] = v19_key(arena);
    world->keys[KEY_DSA] = known_keys_private(arena, "keys/dsapriv.bin");
    world->root[0] = (struct chain_root){BYTES_LITERAL("0.0/0.0"), world->keys[KEY_ROOT]};
    world->roots = (struct chain_roots){world->root, 1};
}

static inline void claims_world_done(struct claims_world *world)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        EVP_PKEY_free(world->keys[i]);
    }
}

static inline struct bytes world_key_record(struct claims_world *world, enum world_key key)
{
    struct wire_writer w = room(world->arena);
    assert_int_equal(pubkey_from_evp(world->keys[key], &w), STATUS_OK);
    return wire_wrote(&w);
}

static inline struct value world_value(uint32_t index, const char *type, struct bytes data)
{
    return (struct value){.index = index,
                          .timestamp = 1700000000,
                          .ttl = VALUE_TTL_DEFAULT,
                          .permissions = VALUE_PERMISSIONS_DEFAULT,
                          .type = bytes_of_text(type),
                          .data = data};
}

/* Who signs with which key, about whom. */
struct world_terms {
    enum world_key by;
    const char *issuer;
    const char *subject;
    const char *chain; /* one reference, or NULL */
    int64_t not_before, expires;
};

static inline struct claims_terms world_terms(struct claims_world *world,
                                              const struct world_terms *terms)
{
    struct bytes *chain = arena_calloc(world->arena, 1, sizeof(*chain));
    assert_non_null(chain);
    *chain = bytes_of_text(terms->chain);
    return (struct claims_terms){.issuer = bytes_of_text(terms->issuer),
                                 .subject = bytes_of_text(terms->subject),
                                 .issued_at = NOW - 100,
                                 .not_before = terms->not_before,
                                 .expires = terms->expires,
                                 .chain = chain,
                                 .chain_count = terms->chain != NULL};
}

static inline struct bytes world_certificate(struct claims_world *world,
                                             const struct world_terms *terms, enum world_key of,
                                             struct jws_permission permission)
{
    struct bytes data = BYTES_NONE;
    const struct claims_terms said = world_terms(world, terms);
    const struct claims_grant grant = {world_key_record(world, of), &permission, 1};
    assert_int_equal(
        claims_issue_certificate(world->keys[terms->by], &said, &grant, world->arena, &data),
        STATUS_OK);
    return data;
}

static inline struct bytes world_signature(struct claims_world *world,
                                           const struct world_terms *terms,
                                           enum claims_digest digest, const struct record *covered)
{
    struct bytes data = BYTES_NONE;
    const struct claims_terms said = world_terms(world, terms);
    assert_int_equal(
        claims_issue_signature(world->keys[terms->by], &said, digest, covered, world->arena, &data),
        STATUS_OK);
    return data;
}

/* A record of one value, so that it can be looked up. */
static inline void world_put(struct claims_world *world, const char *handle, struct value value)
{
    struct value *copy = arena_calloc(world->arena, 1, sizeof(*copy));
    assert_non_null(copy);
    assert_in_range(world->count, 0, WORLD_RECORDS - 1);
    *copy = value;
    world->records[world->count++] = (struct record){bytes_of_text(handle), copy, 1};
}

/* Follows the chains of a record through the world. */
static inline struct chain world_follow(struct claims_world *world, const struct record *record)
{
    struct chain chain;
    const struct chain_options options = {&world->roots, world->arena, NOW};
    enum status status = chain_begin(&chain, &options, record);
    while (status == STATUS_PENDING) {
        const struct record *found = NULL;
        world->asked++;
        for (size_t i = 0; i < world->count && found == NULL; i++) {
            bool is_it = bytes_equal_nocase(world->records[i].handle, chain.wanted.handle);
            found = is_it ? &world->records[i] : NULL;
        }
        if (world->trouble != STATUS_OK) {
            status = chain_supply(&chain, world->trouble, NULL, 0);
        } else if (found == NULL) {
            status = chain_supply(&chain, STATUS_HANDLE_NOT_FOUND, NULL, 0);
        } else {
            status = chain_supply(&chain, STATUS_OK, found->values, found->count);
        }
    }
    assert_int_equal(status, STATUS_OK);
    return chain;
}
