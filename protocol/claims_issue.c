/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing and signing claims (claims_issue.h).
 */
#include "protocol/claims_issue.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "protocol/record_json.h"
#include "protocol/signature.h"
#include "protocol/text.h"

static const struct issue_row {
    const char *key; /* as OpenSSL calls it */
    const char *header;
    enum signature_hash hash;
} rows[] = {
    {"RSA", "{\"alg\":\"RS256\"}", SIGNATURE_SHA256},
    {"DSA", "{\"alg\":\"DS256\"}", SIGNATURE_SHA256},
    {"SM2", "{\"alg\":\"SM2SM3\"}", SIGNATURE_SM3},
};

static const struct issue_row *row_of(const EVP_PKEY *key)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (EVP_PKEY_is_a(key, rows[i].key)) {
            return &rows[i];
        }
    }
    return NULL;
}

/* --- claims ----------------------------------------------------------------------------------- */

static json_t *text_json(struct bytes text)
{
    return json_stringn((const char *)text.data, text.len);
}

/* False: no memory, or a text that is no UTF-8. Takes the reference. */
static bool set(json_t *object, const char *name, json_t *member)
{
    return json_object_set_new(object, name, member) == 0;
}

static bool set_time(json_t *claims, const char *name, int64_t seconds)
{
    return seconds == 0 || set(claims, name, json_integer(seconds));
}

static bool set_terms(json_t *claims, const struct claims_terms *terms)
{
    bool is_set = set(claims, "iss", text_json(terms->issuer)) &&
                  set(claims, "sub", text_json(terms->subject)) &&
                  set_time(claims, "iat", terms->issued_at) &&
                  set_time(claims, "nbf", terms->not_before) &&
                  set_time(claims, "exp", terms->expires);
    json_t *chain = terms->chain_count == 0 ? NULL : json_array();
    for (size_t i = 0; i < terms->chain_count && is_set; i++) {
        is_set = json_array_append_new(chain, text_json(terms->chain[i])) == 0;
    }
    bool is_chained = terms->chain_count == 0 || set(claims, "chain", chain);
    return is_set && is_chained;
}

static enum status add_digest(json_t *list, enum claims_digest digest, const struct value *value,
                              struct arena *arena)
{
    uint8_t bytes[32];
    enum status status = claims_digest_value(digest, value, bytes);
    if (status != STATUS_OK) {
        return status;
    }
    const char *text = text_base64(arena, bytes_of(bytes, sizeof(bytes)));
    json_t *entry =
        text == NULL ? NULL
                     : json_pack("{s:I, s:s}", "index", (json_int_t)value->index, "digest", text);
    return json_array_append_new(list, entry) == 0 ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status set_digests(json_t *claims, enum claims_digest digest,
                               const struct record *covered, struct arena *arena)
{
    json_t *list = json_array();
    enum status status = list == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    for (size_t i = 0; i < covered->count && status == STATUS_OK; i++) {
        status = add_digest(list, digest, &covered->values[i], arena);
    }
    json_t *digests = json_pack("{s:s, s:o}", "alg", claims_digest_name(digest), "digests", list);
    bool is_set = set(claims, "digests", digests);
    return status == STATUS_OK && !is_set ? STATUS_NO_MEMORY : status;
}

static bool set_permissions(json_t *claims, const struct jws_permission *permissions, size_t count)
{
    json_t *list = json_array();
    bool is_set = list != NULL;
    for (size_t i = 0; i < count && is_set; i++) {
        const struct jws_permission *permission = &permissions[i];
        json_t *entry = json_pack("{s:s}", "perm", jws_perm_text(permission->perm));
        is_set =
            json_array_append_new(list, entry) == 0 &&
            (permission->handle.len == 0 || set(entry, "handle", text_json(permission->handle))) &&
            (permission->may_certify || set(entry, "ca", json_false()));
    }
    bool is_listed = set(claims, "perms", list);
    return is_set && is_listed;
}

/* --- signing ---------------------------------------------------------------------------------- */

static enum status sign(EVP_PKEY *key, const char *payload, struct arena *arena,
                        struct bytes *out_data)
{
    const struct issue_row *row = row_of(key);
    const char *parts[2] = {text_base64url(arena, bytes_of_text(row->header)),
                            text_base64url(arena, bytes_of_text(payload))};
    if (parts[0] == NULL || parts[1] == NULL) {
        return STATUS_NO_MEMORY;
    }
    size_t size = strlen(parts[0]) + strlen(parts[1]) + 2 * SIGNATURE_MAX;
    uint8_t *room = arena_alloc(arena, size);
    uint8_t *signature = arena_alloc(arena, SIGNATURE_MAX);
    if (room == NULL || signature == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, size);
    wire_put_raw(&w, bytes_of_text(parts[0]));
    wire_put_u8(&w, '.');
    wire_put_raw(&w, bytes_of_text(parts[1]));
    const struct signature_scheme scheme = {key, row->hash, BYTES_LITERAL(SIGNATURE_SM2_ID)};
    struct wire_writer bare = wire_write(signature, SIGNATURE_MAX);
    enum status status = signature_make(&scheme, wire_wrote(&w), BYTES_NONE, &bare);
    if (status != STATUS_OK) {
        return status;
    }
    const struct jws jws = {.signed_part = wire_wrote(&w), .signature = wire_wrote(&bare)};
    struct wire_writer whole = wire_write(arena_alloc(arena, size), size);
    if (whole.start == NULL) {
        return STATUS_NO_MEMORY;
    }
    status = jws_encode(&jws, &whole);
    if (status == STATUS_OK) {
        *out_data = wire_wrote(&whole);
    }
    return status;
}

static enum status sign_claims(EVP_PKEY *key, const json_t *claims, struct arena *arena,
                               struct bytes *out_data)
{
    char *payload = json_dumps(claims, JSON_COMPACT | JSON_PRESERVE_ORDER);
    enum status status = payload == NULL ? STATUS_NO_MEMORY : sign(key, payload, arena, out_data);
    free(payload);
    return status;
}

/* --- both kinds ------------------------------------------------------------------------------- */

enum status claims_issue_signature(EVP_PKEY *key, const struct claims_terms *terms,
                                   enum claims_digest digest, const struct record *covered,
                                   struct arena *arena, struct bytes *out_data)
{
    if (row_of(key) == NULL) {
        return STATUS_NOT_SUPPORTED;
    }
    json_t *claims = json_object();
    enum status status = claims == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    status = status == STATUS_OK ? set_digests(claims, digest, covered, arena) : status;
    if (status == STATUS_OK && !set_terms(claims, terms)) {
        status = STATUS_NO_MEMORY;
    }
    status = status == STATUS_OK ? sign_claims(key, claims, arena, out_data) : status;
    json_decref(claims);
    return status;
}

enum status claims_issue_certificate(EVP_PKEY *key, const struct claims_terms *terms,
                                     const struct claims_grant *grant, struct arena *arena,
                                     struct bytes *out_data)
{
    json_t *jwk = row_of(key) == NULL ? NULL : key_json_encode(grant->subject_key);
    if (jwk == NULL) {
        return STATUS_NOT_SUPPORTED;
    }
    json_t *claims = json_object();
    bool has_key = set(claims, "publicKey", jwk);
    enum status status =
        has_key && set_permissions(claims, grant->permissions, grant->permission_count) &&
                set_terms(claims, terms)
            ? STATUS_OK
            : STATUS_NO_MEMORY;
    status = status == STATUS_OK ? sign_claims(key, claims, arena, out_data) : status;
    json_decref(claims);
    return status;
}
