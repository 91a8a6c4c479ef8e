/* SPDX-License-Identifier: Apache-2.0
 *
 * JWS compact serialisation and the claims of HS_SIGNATURE and HS_CERT.
 */
#include "protocol/jws.h"

#include <stdlib.h>

#include "protocol/digest.h"
#include "protocol/text.h"

#define DIGEST_OFFSET 8 /* index and timestamp are not covered */
#define DIGEST_LEN 32

static json_t *parse_object(struct bytes text)
{
    json_t *json = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    if (json != NULL && !json_is_object(json)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

/* The part up to the next dot; the rest keeps what follows. */
static bool next_part(struct bytes *rest, struct bytes *out_part)
{
    const uint8_t *dot = rest->len == 0 ? NULL : memchr(rest->data, '.', rest->len);
    if (dot == NULL) {
        return false;
    }
    *out_part = bytes_of(rest->data, (size_t)(dot - rest->data));
    *rest = bytes_from(*rest, out_part->len + 1);
    return true;
}

static const json_t *member_of(const json_t *object, const char *name)
{
    const json_t *member = json_object_get(object, name);
    return json_is_null(member) ? NULL : member;
}

/* A text member copied to the arena; none when it is absent. */
static enum status copy_text(const json_t *object, const char *name, struct arena *arena,
                             struct bytes *out_text)
{
    const json_t *member = member_of(object, name);
    *out_text = BYTES_NONE;
    if (member == NULL) {
        return STATUS_OK;
    }
    if (!json_is_string(member)) {
        return STATUS_INVALID_VALUE;
    }
    struct bytes text = bytes_of(json_string_value(member), json_string_length(member));
    *out_text = arena_copy(arena, text);
    return text.len > 0 && out_text->data == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

enum status jws_decode(struct bytes data, struct arena *arena, struct jws *out_jws)
{
    struct jws jws = {0};
    struct bytes rest = data;
    struct bytes header;
    struct bytes payload;
    if (!next_part(&rest, &header) || !next_part(&rest, &payload) ||
        (rest.len > 0 && memchr(rest.data, '.', rest.len) != NULL)) {
        return STATUS_INVALID_VALUE;
    }
    jws.signed_part = bytes_of(data.data, header.len + 1 + payload.len);
    enum status status = text_base64url_parse(header, arena, &jws.header);
    status = status == STATUS_OK ? text_base64url_parse(payload, arena, &jws.payload) : status;
    status = status == STATUS_OK ? text_base64url_parse(rest, arena, &jws.signature) : status;
    if (status != STATUS_OK) {
        return status == STATUS_NO_MEMORY ? status : STATUS_INVALID_VALUE;
    }
    json_t *header_json = parse_object(jws.header);
    json_t *payload_json = parse_object(jws.payload);
    status = STATUS_INVALID_VALUE;
    if (header_json != NULL && payload_json != NULL) {
        status = copy_text(header_json, "alg", arena, &jws.algorithm);
    }
    json_decref(header_json);
    json_decref(payload_json);
    if (status == STATUS_OK) {
        *out_jws = jws;
    }
    return status;
}

enum status jws_encode(const struct jws *jws, struct wire_writer *w)
{
    struct arena *arena = arena_new(jws->signature.len * 2 + 64, jws->signature.len * 2 + 64);
    char *signature = arena == NULL ? NULL : text_base64url(arena, jws->signature);
    if (signature != NULL) {
        wire_put_raw(w, jws->signed_part);
        wire_put_u8(w, '.');
        wire_put_raw(w, bytes_of_text(signature));
    }
    enum status status = signature == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    arena_free(arena);
    return status == STATUS_OK && w->failed ? STATUS_NO_ROOM : status;
}

/* A time that is there but not understood must not read as "no bound". */
static enum status copy_seconds(const json_t *claims, const char *name, int64_t *out_seconds)
{
    const json_t *member = member_of(claims, name);
    if (member != NULL && (!json_is_integer(member) || json_integer_value(member) <= 0)) {
        return STATUS_INVALID_VALUE;
    }
    *out_seconds = (int64_t)json_integer_value(member);
    return STATUS_OK;
}

static enum status copy_times(const json_t *claims, struct jws_claims *out)
{
    enum status status = copy_seconds(claims, "iat", &out->issued_at);
    status = status == STATUS_OK ? copy_seconds(claims, "nbf", &out->not_before) : status;
    return status == STATUS_OK ? copy_seconds(claims, "exp", &out->expires) : status;
}

static enum status copy_chain(const json_t *claims, struct arena *arena, struct jws_claims *out)
{
    const json_t *chain = member_of(claims, "chain");
    if (chain != NULL && !json_is_array(chain)) {
        return STATUS_INVALID_VALUE;
    }
    size_t count = json_array_size(chain);
    if (count > JWS_CHAIN_MAX) {
        return STATUS_INVALID_VALUE;
    }
    out->chain = arena_calloc(arena, count, sizeof(*out->chain));
    if (out->chain == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(chain, i);
        if (!json_is_string(entry) || json_string_length(entry) == 0) {
            return STATUS_INVALID_VALUE;
        }
        out->chain[i] =
            arena_copy(arena, bytes_of(json_string_value(entry), json_string_length(entry)));
        if (out->chain[i].data == NULL) {
            return STATUS_NO_MEMORY;
        }
    }
    out->chain_count = count;
    return STATUS_OK;
}

static enum status copy_digest(const json_t *entry, struct arena *arena,
                               struct jws_value_digest *out_digest)
{
    const json_t *index = json_object_get(entry, "index");
    const json_t *text = json_object_get(entry, "digest");
    struct bytes digest;
    if (!json_is_integer(index) || json_integer_value(index) < 0 ||
        json_integer_value(index) > UINT32_MAX || !json_is_string(text)) {
        return STATUS_INVALID_VALUE;
    }
    enum status status = text_base64_parse(
        bytes_of(json_string_value(text), json_string_length(text)), arena, &digest);
    if (status == STATUS_NO_MEMORY) {
        return status;
    }
    if (status != STATUS_OK || digest.len != DIGEST_LEN) {
        return STATUS_INVALID_VALUE;
    }
    out_digest->index = (uint32_t)json_integer_value(index);
    memcpy(out_digest->digest, digest.data, DIGEST_LEN);
    return STATUS_OK;
}

static enum status copy_digests(const json_t *claims, struct arena *arena, struct jws_claims *out)
{
    const json_t *digests = member_of(claims, "digests");
    const json_t *list = member_of(digests, "digests");
    if (digests != NULL && !json_is_array(list)) {
        return STATUS_INVALID_VALUE;
    }
    enum status status = copy_text(digests, "alg", arena, &out->digest_algorithm);
    size_t count = json_array_size(list);
    if (count > VALUE_COUNT_MAX) {
        return STATUS_INVALID_VALUE;
    }
    out->digests = arena_calloc(arena, count, sizeof(*out->digests));
    if (out->digests == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        status = copy_digest(json_array_get(list, i), arena, &out->digests[i]);
    }
    out->digest_count = count;
    return status;
}

static enum status copy_public_key(const json_t *claims, struct arena *arena,
                                   struct jws_claims *out)
{
    const json_t *key = member_of(claims, "publicKey");
    if (key == NULL) {
        return STATUS_OK;
    }
    if (!json_is_object(key)) {
        return STATUS_INVALID_VALUE;
    }
    char *text = json_dumps(key, JSON_COMPACT | JSON_SORT_KEYS);
    if (text == NULL) {
        return STATUS_NO_MEMORY;
    }
    out->public_key_json = arena_copy(arena, bytes_of_text(text));
    free(text);
    return out->public_key_json.data == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

static const char *const perms[] = {
    [JWS_EVERYTHING] = "everything",
    [JWS_THIS_HANDLE] = "thisHandle",
    [JWS_DERIVED_PREFIXES] = "derivedPrefixes",
    [JWS_HANDLES_UNDER_THIS_PREFIX] = "handlesUnderThisPrefix",
};

bool jws_perm_parse(struct bytes text, enum jws_perm *out_perm)
{
    for (size_t i = 0; i < sizeof(perms) / sizeof(perms[0]); i++) {
        if (bytes_equal(text, bytes_of_text(perms[i]))) {
            *out_perm = (enum jws_perm)i;
            return true;
        }
    }
    return false;
}

const char *jws_perm_text(enum jws_perm perm)
{
    return perms[perm];
}

/* `out_is_known` false: it grants nothing that we understand. */
static enum status copy_permission(const json_t *entry, struct arena *arena,
                                   struct jws_permission *out, bool *out_is_known)
{
    const json_t *certifies = member_of(entry, "ca");
    struct bytes kind;
    enum status status = copy_text(entry, "perm", arena, &kind);
    status = status == STATUS_OK ? copy_text(entry, "handle", arena, &out->handle) : status;
    if (status != STATUS_OK) {
        return status;
    }
    if (!json_is_object(entry) || (certifies != NULL && !json_is_boolean(certifies))) {
        return STATUS_INVALID_VALUE;
    }
    out->may_certify = !json_is_false(certifies);
    *out_is_known =
        jws_perm_parse(kind, &out->perm) && (out->perm == JWS_EVERYTHING || out->handle.len > 0);
    return STATUS_OK;
}

static enum status copy_permissions(const json_t *claims, struct arena *arena,
                                    struct jws_claims *out)
{
    const json_t *list = member_of(claims, "perms");
    size_t count = json_array_size(list);
    if ((list != NULL && !json_is_array(list)) || count > JWS_PERMISSIONS_MAX) {
        return STATUS_INVALID_VALUE;
    }
    out->permissions = arena_calloc(arena, count, sizeof(*out->permissions));
    if (out->permissions == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        bool is_known = false;
        status = copy_permission(json_array_get(list, i), arena,
                                 &out->permissions[out->permission_count], &is_known);
        out->permission_count += status == STATUS_OK && is_known;
    }
    return status;
}

static enum status read_claims(const json_t *claims, struct arena *arena, struct jws_claims *out)
{
    enum status status = copy_text(claims, "iss", arena, &out->issuer);
    if (status == STATUS_OK) {
        status = copy_text(claims, "sub", arena, &out->subject);
    }
    status = status == STATUS_OK ? copy_times(claims, out) : status;
    if (status == STATUS_OK) {
        status = copy_chain(claims, arena, out);
    }
    if (status == STATUS_OK) {
        status = copy_digests(claims, arena, out);
    }
    if (status == STATUS_OK) {
        status = copy_permissions(claims, arena, out);
    }
    return status == STATUS_OK ? copy_public_key(claims, arena, out) : status;
}

enum status jws_claims_decode(const struct jws *jws, struct arena *arena,
                              struct jws_claims *out_claims)
{
    json_t *claims = parse_object(jws->payload);
    if (claims == NULL) {
        return STATUS_INVALID_VALUE;
    }
    struct jws_claims read = {0};
    enum status status = read_claims(claims, arena, &read);
    json_decref(claims);
    if (status == STATUS_OK) {
        *out_claims = read;
    }
    return status;
}

enum status jws_value_digest(const struct value *value, uint8_t out_digest[32])
{
    size_t len = value_encoded_len(value);
    uint8_t *encoded = malloc(len);
    if (encoded == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(encoded, len);
    value_encode(&w, value);
    struct bytes covered = bytes_from(wire_wrote(&w), DIGEST_OFFSET);
    enum status status = digest_sha256(&covered, 1, out_digest);
    free(encoded);
    return status;
}
