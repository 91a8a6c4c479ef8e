/* SPDX-License-Identifier: Apache-2.0
 *
 * The claims of a JWS, whatever text they are: refused, or read within their bounds, judged by
 * every rule, and followed as signature and certificate of a chain.
 *
 * The first byte chooses: claims alone, or a whole JWS in compact form.
 */
#include <openssl/evp.h>
#include <stdlib.h>

#include "protocol/chain.h"

#define ARENA_FIRST 65536
#define ARENA_MAX (4u << 20)
#define NOW 1800000000
#define HANDLE BYTES_LITERAL("88.1/part")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

static void check_bounds(const struct jws_claims *claims)
{
    require(claims->chain_count <= JWS_CHAIN_MAX);
    require(claims->digest_count <= VALUE_COUNT_MAX);
    require(claims->permission_count <= JWS_PERMISSIONS_MAX);
    require(claims->expires >= 0 && claims->not_before >= 0 && claims->issued_at >= 0);
    for (size_t i = 0; i < claims->permission_count; i++) {
        const struct jws_permission *permission = &claims->permissions[i];
        require(permission->perm == JWS_EVERYTHING || permission->handle.len > 0);
        require(jws_perm_text(permission->perm) != NULL);
    }
}

/* What holds for any claims. */
static void check_rules(const struct jws_claims *claims, struct arena *arena)
{
    const struct value value = {.index = 1, .type = BYTES_LITERAL("URL")};
    enum claims_cover cover;
    EVP_PKEY *key = NULL;
    struct claims_identity identity;
    (void)claims_judge_times(claims, NOW);
    (void)claims_is_about(claims, HANDLE);
    if (claims_identity_parse(claims->issuer, &identity)) {
        require(claims_identity_is(&identity, &identity));
    }
    require(claims_cover(claims, CLAIMS_SM3, &value, &cover) == STATUS_OK);
    if (claims_key(claims, arena, &key) == STATUS_OK) {
        require(key != NULL);
        EVP_PKEY_free(key);
    }
    bool must_hold = true; /* what anybody has and may give, he may give again */
    for (size_t i = 0; i < claims->permission_count; i++) {
        const struct jws_permission *permission = &claims->permissions[i];
        bool is_plain = permission->perm == JWS_EVERYTHING || permission->perm == JWS_THIS_HANDLE;
        must_hold &= is_plain && permission->may_certify;
        require(permission->perm != JWS_EVERYTHING || claims_permit_handle(claims, HANDLE));
    }
    require(!must_hold || claims_permit_certificate(claims, claims));
    (void)claims_permit_certificate(claims, claims);
    (void)claims_permit_handle(claims, HANDLE);
}

/* The input as a signature, and as the certificate of whoever it names. */
static void follow(struct bytes text, struct arena *arena)
{
    const struct chain_roots none = {NULL, 0};
    const struct chain_options options = {&none, arena, NOW};
    const struct value values[] = {
        {.index = 1, .permissions = VALUE_PERMISSIONS_DEFAULT, .type = BYTES_LITERAL("URL")},
        {.index = 400,
         .permissions = VALUE_PERMISSIONS_DEFAULT,
         .type = BYTES_LITERAL("HS_SIGNATURE"),
         .data = text},
        {.index = 401,
         .permissions = VALUE_PERMISSIONS_DEFAULT,
         .type = BYTES_LITERAL("HS_CERT"),
         .data = text},
    };
    const struct record record = {HANDLE, (struct value *)(uintptr_t)values, 3};
    struct chain chain;
    unsigned asked = 0;
    enum status status = chain_begin(&chain, &options, &record);
    while (status == STATUS_PENDING) {
        require(++asked <= CHAIN_LOOKUPS_MAX);
        status = chain_supply(&chain, STATUS_OK, values, 3);
    }
    require(status == STATUS_OK || status == STATUS_NO_MEMORY);
    for (size_t i = 0; status == STATUS_OK && i < record.count; i++) {
        require(!chain_covers(&chain, i)); /* without roots */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(ARENA_FIRST, ARENA_MAX);
    struct jws jws = {0};
    struct jws_claims claims;
    require(arena != NULL);
    struct bytes text = bytes_from(bytes_of(data, size), 1);
    bool is_whole = size > 0 && data[0] == 'J';
    enum status status = STATUS_OK;
    if (is_whole) {
        status = jws_decode(text, arena, &jws);
        follow(text, arena);
    } else {
        jws.payload = text;
    }
    if (status == STATUS_OK && jws_claims_decode(&jws, arena, &claims) == STATUS_OK) {
        check_bounds(&claims);
        check_rules(&claims, arena);
    }
    arena_free(arena);
    return 0;
}
