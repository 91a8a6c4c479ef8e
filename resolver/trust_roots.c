/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading files of roots (trust_roots.h).
 */
#include "resolver/trust_roots.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/pubkey.h"
#include "protocol/record_json.h"

#define ARENA_FIRST 4096
#define ARENA_MAX (8u << 20)
#define PATH_ROOM 4096

struct trust_roots {
    atomic_uint owners;
    struct arena *arena; /* holds the names */
    struct chain_root list[TRUST_ROOTS_MAX];
    struct chain_roots roots;
};

const struct chain_roots *trust_roots_list(const struct trust_roots *roots)
{
    return &roots->roots;
}

struct trust_roots *trust_roots_share(struct trust_roots *roots)
{
    (void)atomic_fetch_add_explicit(&roots->owners, 1, memory_order_relaxed);
    return roots;
}

void trust_roots_free(struct trust_roots *roots)
{
    if (roots == NULL || atomic_fetch_sub_explicit(&roots->owners, 1, memory_order_acq_rel) > 1) {
        return;
    }
    for (size_t i = 0; i < roots->roots.count; i++) {
        EVP_PKEY_free(roots->list[i].key);
    }
    arena_free(roots->arena);
    free(roots);
}

/* --- one root --------------------------------------------------------------------------------- */

/* Takes the key. */
static enum status add_key(struct trust_roots *roots, struct bytes handle, EVP_PKEY *key,
                           struct fault *fault)
{
    struct bytes name = arena_copy(roots->arena, handle);
    if (!claims_key_is_strong(key)) {
        EVP_PKEY_free(key);
        return fault_set(fault, STATUS_BAD_SETTING, "too weak a key");
    }
    if (roots->roots.count == TRUST_ROOTS_MAX || (handle.len > 0 && name.data == NULL)) {
        EVP_PKEY_free(key);
        return fault_set(fault, STATUS_BAD_SETTING, "more than %d roots", TRUST_ROOTS_MAX);
    }
    roots->list[roots->roots.count++] = (struct chain_root){name, key};
    return STATUS_OK;
}

static enum status add_pubkey(struct trust_roots *roots, struct bytes handle, struct bytes data,
                              struct fault *fault)
{
    struct pubkey key;
    EVP_PKEY *evp = NULL;
    if (pubkey_decode(data, &key) != STATUS_OK || pubkey_to_evp(&key, &evp) != STATUS_OK) {
        return fault_set(fault, STATUS_BAD_SETTING, "no public key that can be used");
    }
    return add_key(roots, handle, evp, fault);
}

/* The subject of a certificate, whoever signed it: that it stands in this file is enough. */
static enum status add_certificate(struct trust_roots *roots, struct bytes data,
                                   struct fault *fault)
{
    struct jws jws;
    struct jws_claims claims;
    struct claims_identity subject;
    EVP_PKEY *key = NULL;
    if (jws_decode(data, roots->arena, &jws) != STATUS_OK ||
        jws_claims_decode(&jws, roots->arena, &claims) != STATUS_OK ||
        !claims_identity_parse(claims.subject, &subject) ||
        claims_key(&claims, roots->arena, &key) != STATUS_OK) {
        return fault_set(fault, STATUS_BAD_SETTING, "an HS_CERT without subject or usable key");
    }
    return add_key(roots, subject.handle, key, fault);
}

/* --- one file --------------------------------------------------------------------------------- */

static enum status add_record(struct trust_roots *roots, struct bytes text, struct fault *fault)
{
    struct record record;
    size_t before = roots->roots.count;
    struct fault inner = {STATUS_OK, ""};
    enum status status = record_json_parse(text, roots->arena, 0, &record, &inner);
    if (status != STATUS_OK) {
        return fault_set(fault, STATUS_BAD_SETTING, "%s", inner.text);
    }
    for (size_t i = 0; i < record.count && status == STATUS_OK; i++) {
        const struct value *value = &record.values[i];
        if (bytes_equal_nocase(value->type, BYTES_LITERAL("HS_PUBKEY"))) {
            status = add_pubkey(roots, record.handle, value->data, fault);
        } else if (bytes_equal_nocase(value->type, BYTES_LITERAL("HS_CERT"))) {
            status = add_certificate(roots, value->data, fault);
        }
    }
    if (status == STATUS_OK && roots->roots.count == before) {
        return fault_set(fault, STATUS_BAD_SETTING, "neither an HS_PUBKEY nor an HS_CERT value");
    }
    return status;
}

static enum status add_jwk(struct trust_roots *roots, const json_t *jwk, struct fault *fault)
{
    struct bytes data;
    struct fault inner = {STATUS_OK, ""};
    if (key_json_decode(jwk, roots->arena, &data, &inner) != STATUS_OK) {
        return fault_set(fault, STATUS_BAD_SETTING, "%s", inner.text);
    }
    return add_pubkey(roots, BYTES_NONE, data, fault);
}

static enum status add_text(struct trust_roots *roots, struct bytes text, struct fault *fault)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\n' || text.data[0] == '\r' ||
                            text.data[0] == '\t')) {
        text = bytes_from(text, 1);
    }
    if (text.len == 0 || text.data[0] != '{') {
        return add_pubkey(roots, BYTES_NONE, text, fault);
    }
    json_t *json = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    bool is_key = json_object_get(json, "kty") != NULL;
    enum status status = is_key ? add_jwk(roots, json, fault) : add_record(roots, text, fault);
    json_decref(json);
    return status;
}

static enum status read_file(const char *path, struct arena *arena, struct bytes *out_text,
                             struct fault *fault)
{
    uint8_t *room = malloc(TRUST_ROOT_FILE_MAX + 1);
    FILE *file = room == NULL ? NULL : fopen(path, "re");
    if (file == NULL) {
        free(room);
        return fault_set(fault, STATUS_SYSTEM, "%s", strerror(errno));
    }
    size_t len = fread(room, 1, TRUST_ROOT_FILE_MAX + 1, file);
    bool is_read = ferror(file) == 0;
    (void)fclose(file);
    enum status status = STATUS_OK;
    if (!is_read || len > TRUST_ROOT_FILE_MAX) {
        status = fault_set(fault, STATUS_SYSTEM, "it cannot be read, or is too large");
    } else {
        *out_text = arena_copy(arena, bytes_of(room, len));
    }
    free(room);
    return status;
}

static enum status add_file(struct trust_roots *roots, const char *directory, const char *path,
                            struct fault *fault)
{
    char room[PATH_ROOM];
    struct bytes text = BYTES_NONE;
    struct fault inner = {STATUS_OK, ""};
    bool is_relative = directory != NULL && path[0] != '/';
    int len = snprintf(room, sizeof(room), "%s%s%s", is_relative ? directory : "",
                       is_relative ? "/" : "", path);
    if (len < 0 || (size_t)len >= sizeof(room)) {
        return fault_set(fault, STATUS_BAD_SETTING, "%s: too long a path", path);
    }
    enum status status = read_file(room, roots->arena, &text, &inner);
    if (status == STATUS_OK) {
        status = add_text(roots, text, &inner);
    }
    return status == STATUS_OK ? status : fault_set(fault, status, "%s: %s", path, inner.text);
}

enum status trust_roots_read(const char *directory, const char *const *paths, size_t count,
                             struct trust_roots **out_roots, struct fault *fault)
{
    struct trust_roots *roots = calloc(1, sizeof(*roots));
    struct arena *arena = arena_new(ARENA_FIRST, ARENA_MAX);
    if (roots == NULL || arena == NULL) {
        free(roots);
        arena_free(arena);
        return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
    }
    roots->arena = arena;
    roots->roots.roots = roots->list;
    atomic_init(&roots->owners, 1);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = add_file(roots, directory, paths[i], fault);
    }
    if (status != STATUS_OK) {
        trust_roots_free(roots);
        return status;
    }
    *out_roots = roots;
    return STATUS_OK;
}
