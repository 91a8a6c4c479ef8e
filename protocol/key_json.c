/* SPDX-License-Identifier: Apache-2.0
 *
 * HS_PUBKEY records as JWK: RSA and DSA as the reference server writes them (protocol.md §9.5).
 *
 * Only a record that comes back byte for byte is shown as JWK; any other keeps its bytes.
 */
#include "protocol/json_read.h"
#include "protocol/pubkey.h"
#include "protocol/record_json.h"
#include "protocol/text.h"

#define KEY_MEMORY 65536
#define RSA_TRAILER_LEN 4

static const struct jwk_row {
    const char *kind;       /* "kty" */
    const char *type;       /* of the record */
    const char *members[5]; /* in the record's order */
    enum pubkey_kind pubkey;
} rows[] = {
    {"RSA", "RSA_PUB_KEY", {"e", "n", NULL}, PUBKEY_RSA},
    {"DSA", "DSA_PUB_KEY", {"q", "p", "g", "y", NULL}, PUBKEY_DSA},
};

static struct bytes without_zeros(struct bytes number)
{
    while (number.len > 0 && number.data[0] == 0) {
        number = bytes_from(number, 1);
    }
    return number;
}

static enum status take_number(const json_t *jwk, const char *name, struct arena *arena,
                               struct bytes *out_number, struct fault *fault)
{
    struct bytes text;
    enum status status = json_read_text(jwk, name, NULL, &text, fault);
    if (status != STATUS_OK) {
        return status;
    }
    struct bytes raw;
    const struct json_path path = {NULL, name, 0};
    status = text_base64url_parse(text, arena, &raw);
    raw = status == STATUS_OK ? without_zeros(raw) : raw;
    if (status != STATUS_OK || raw.len == 0) {
        return json_read_fail(fault, STATUS_INVALID_VALUE, &path, "not a base64url number");
    }
    uint8_t *number = arena_alloc(arena, raw.len + 1);
    if (number == NULL) {
        return STATUS_NO_MEMORY;
    }
    size_t sign = (raw.data[0] & 0x80) != 0 ? 1 : 0; /* as Java writes positive numbers */
    number[0] = 0;
    memcpy(number + sign, raw.data, raw.len);
    *out_number = bytes_of(number, raw.len + sign);
    return STATUS_OK;
}

static enum status encode_key(const struct pubkey *key, struct arena *arena, struct bytes *out_data)
{
    size_t size = key->type.len + key->trailer.len + 16;
    for (size_t i = 0; i < key->field_count; i++) {
        size += key->fields[i].len + 4;
    }
    uint8_t *room = arena_alloc(arena, size);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, size);
    pubkey_encode(&w, key);
    *out_data = wire_wrote(&w);
    return w.failed ? STATUS_NO_ROOM : STATUS_OK;
}

enum status key_json_decode(const json_t *jwk, struct arena *arena, struct bytes *out_key_data,
                            struct fault *fault)
{
    static const uint8_t zeros[RSA_TRAILER_LEN];
    struct bytes kind;
    enum status status = json_read_text(jwk, "kty", NULL, &kind, fault);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct jwk_row *row = &rows[i];
        if (!bytes_equal(kind, bytes_of_text(row->kind))) {
            continue;
        }
        struct pubkey key = {.kind = row->pubkey, .type = bytes_of_text(row->type)};
        while (status == STATUS_OK && row->members[key.field_count] != NULL) {
            size_t n = key.field_count++;
            status = take_number(jwk, row->members[n], arena, &key.fields[n], fault);
        }
        key.trailer = row->pubkey == PUBKEY_RSA ? bytes_of(zeros, sizeof(zeros)) : BYTES_NONE;
        return status == STATUS_OK ? encode_key(&key, arena, out_key_data) : status;
    }
    return fault_set(fault, STATUS_NOT_SUPPORTED,
                     "kty: only RSA and DSA keys have a JWK form here");
}

static json_t *build(const struct jwk_row *row, const struct pubkey *key, struct arena *arena)
{
    json_t *jwk = json_pack("{s:s}", "kty", row->kind);
    for (size_t i = 0; jwk != NULL && row->members[i] != NULL; i++) {
        char *text = text_base64url(arena, without_zeros(key->fields[i]));
        if (text == NULL || json_object_set_new(jwk, row->members[i], json_string(text)) != 0) {
            json_decref(jwk);
            return NULL;
        }
    }
    return jwk;
}

static bool comes_back(const json_t *jwk, struct arena *arena, struct bytes data)
{
    struct bytes again;
    return jwk != NULL && key_json_decode(jwk, arena, &again, NULL) == STATUS_OK &&
           bytes_equal(again, data);
}

json_t *key_json_encode(struct bytes key_data)
{
    struct pubkey key;
    struct arena *arena = arena_new(KEY_MEMORY, KEY_MEMORY + 8 * key_data.len);
    json_t *jwk = NULL;
    if (arena != NULL && pubkey_decode(key_data, &key) == STATUS_OK) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            if (rows[i].pubkey == key.kind) {
                jwk = build(&rows[i], &key, arena);
            }
        }
    }
    if (jwk != NULL && !comes_back(jwk, arena, key_data)) {
        json_decref(jwk);
        jwk = NULL;
    }
    arena_free(arena);
    return jwk;
}
