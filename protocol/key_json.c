/* SPDX-License-Identifier: Apache-2.0
 *
 * HS_PUBKEY records as JWK: RSA and DSA as the reference server writes them, SM2 as the national
 * SDK does (protocol.md §9.5).
 *
 * Only a record that comes back byte for byte is shown as JWK; any other keeps its bytes.
 */
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "protocol/json_read.h"
#include "protocol/pubkey.h"
#include "protocol/record_json.h"
#include "protocol/text.h"

#define KEY_MEMORY 65536
#define RSA_TRAILER_LEN 4
#define SM2_COORDINATE_LEN 32
#define SM2_POINT_LEN (1 + 2 * SM2_COORDINATE_LEN)
#define SM2_RECORD_MAX 512 /* PEM text of about 180 bytes in its record */
#define POINT_UNCOMPRESSED 0x04

static const struct jwk_row {
    const char *kind;       /* "kty" */
    const char *type;       /* of the record */
    const char *members[5]; /* in the record's order */
    size_t shown[4];        /* places in `members`, in the order the reference server writes */
    enum pubkey_kind pubkey;
} rows[] = {
    {"RSA", "RSA_PUB_KEY", {"e", "n", NULL}, {1, 0}, PUBKEY_RSA},
    {"DSA", "DSA_PUB_KEY", {"q", "p", "g", "y", NULL}, {3, 1, 0, 2}, PUBKEY_DSA},
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

/* A coordinate at its full length; shorter ones got their leading zeros lost. */
static enum status take_coordinate(const json_t *jwk, const char *name, struct arena *arena,
                                   uint8_t out[SM2_COORDINATE_LEN], struct fault *fault)
{
    struct bytes number;
    enum status status = take_number(jwk, name, arena, &number, fault);
    if (status != STATUS_OK) {
        return status;
    }
    number = without_zeros(number);
    if (number.len > SM2_COORDINATE_LEN) {
        const struct json_path path = {NULL, name, 0};
        return json_read_fail(fault, STATUS_INVALID_VALUE, &path, "longer than 32 bytes");
    }
    memset(out, 0, SM2_COORDINATE_LEN);
    memcpy(out + SM2_COORDINATE_LEN - number.len, number.data, number.len);
    return STATUS_OK;
}

static enum status sm2_record(uint8_t point[SM2_POINT_LEN], struct arena *arena,
                              struct bytes *out_data, struct fault *fault)
{
    char group[] = "SM2";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, SM2_POINT_LEN),
        OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "SM2", NULL);
    EVP_PKEY *key = NULL;
    bool is_key = context != NULL && EVP_PKEY_fromdata_init(context) == 1 &&
                  EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) == 1;
    EVP_PKEY_CTX_free(context);
    if (!is_key) {
        return fault_set(fault, STATUS_INVALID_VALUE, "x, y: no point of the SM2 curve");
    }
    uint8_t *room = arena_alloc(arena, SM2_RECORD_MAX);
    struct wire_writer w = wire_write(room, room == NULL ? 0 : SM2_RECORD_MAX);
    enum status status = room == NULL ? STATUS_NO_MEMORY : pubkey_from_evp(key, &w);
    EVP_PKEY_free(key);
    if (status == STATUS_OK) {
        *out_data = wire_wrote(&w);
    }
    return status;
}

static enum status sm2_json_decode(const json_t *jwk, struct arena *arena, struct bytes *out_data,
                                   struct fault *fault)
{
    uint8_t point[SM2_POINT_LEN] = {POINT_UNCOMPRESSED};
    enum status status = take_coordinate(jwk, "x", arena, point + 1, fault);
    if (status == STATUS_OK) {
        status = take_coordinate(jwk, "y", arena, point + 1 + SM2_COORDINATE_LEN, fault);
    }
    return status == STATUS_OK ? sm2_record(point, arena, out_data, fault) : status;
}

static json_t *sm2_json_encode(const struct pubkey *key, struct arena *arena)
{
    EVP_PKEY *evp = NULL;
    uint8_t point[SM2_POINT_LEN];
    size_t len = 0;
    if (pubkey_to_evp(key, &evp) != STATUS_OK) {
        return NULL;
    }
    bool is_point = EVP_PKEY_get_octet_string_param(evp, OSSL_PKEY_PARAM_PUB_KEY, point,
                                                    sizeof(point), &len) == 1 &&
                    len == sizeof(point) && point[0] == POINT_UNCOMPRESSED;
    EVP_PKEY_free(evp);
    if (!is_point) {
        return NULL;
    }
    const uint8_t *y = point + 1 + SM2_COORDINATE_LEN;
    return json_pack("{s:s, s:s, s:s}", "kty", "SM2", "x",
                     text_base64url(arena, bytes_of(point + 1, SM2_COORDINATE_LEN)), "y",
                     text_base64url(arena, bytes_of(y, SM2_COORDINATE_LEN)));
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
    if (bytes_equal(kind, BYTES_LITERAL("SM2"))) {
        return sm2_json_decode(jwk, arena, out_key_data, fault);
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
                     "kty: only RSA, DSA and SM2 keys have a JWK form");
}

static json_t *build(const struct jwk_row *row, const struct pubkey *key, struct arena *arena)
{
    json_t *jwk = json_pack("{s:s}", "kty", row->kind);
    for (size_t i = 0; jwk != NULL && row->members[i] != NULL; i++) {
        size_t at = row->shown[i];
        char *text = text_base64url(arena, without_zeros(key->fields[at]));
        if (text == NULL || json_object_set_new(jwk, row->members[at], json_string(text)) != 0) {
            json_decref(jwk);
            return NULL;
        }
    }
    return jwk;
}

static json_t *build_jwk(const struct pubkey *key, struct arena *arena)
{
    if (key->kind == PUBKEY_SM2) {
        return sm2_json_encode(key, arena);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].pubkey == key->kind) {
            return build(&rows[i], key, arena);
        }
    }
    return NULL;
}

static bool comes_back(const json_t *jwk, struct arena *arena, struct bytes data)
{
    struct bytes again = BYTES_NONE;
    return jwk != NULL && key_json_decode(jwk, arena, &again, NULL) == STATUS_OK &&
           bytes_equal(again, data);
}

json_t *key_json_encode(struct bytes key_data)
{
    struct pubkey key;
    struct arena *arena = arena_new(KEY_MEMORY, KEY_MEMORY + 8 * key_data.len);
    json_t *jwk = NULL;
    if (arena != NULL && pubkey_decode(key_data, &key) == STATUS_OK) {
        jwk = build_jwk(&key, arena);
    }
    if (jwk != NULL && !comes_back(jwk, arena, key_data)) {
        json_decref(jwk);
        jwk = NULL;
    }
    arena_free(arena);
    return jwk;
}
