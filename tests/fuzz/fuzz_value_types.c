/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the data of any predefined type: the first byte picks the type, the rest is data.
 * What a decoder accepts is encoded to the same bytes, and everything comes back from JSON.
 */
#include <openssl/evp.h>
#include <stdlib.h>

#include "protocol/jws.h"
#include "protocol/pubkey.h"
#include "protocol/record_json.h"
#include "protocol/site.h"
#include "protocol/value_types.h"

#define ARENA_FIRST 65536
#define ARENA_MAX (64u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

static void recode_small(struct bytes data, struct wire_writer w)
{
    struct admin admin;
    struct vlist list;
    struct pubkey key;
    struct wire_writer again = w;
    if (admin_decode(data, &admin) == STATUS_OK) {
        admin_encode(&again, &admin);
        require(bytes_equal(wire_wrote(&again), data));
    }
    again = w;
    if (vlist_decode(data, &list) == STATUS_OK) {
        vlist_encode(&again, &list);
        require(bytes_equal(wire_wrote(&again), data));
    }
    again = w;
    if (pubkey_decode(data, &key) == STATUS_OK) {
        EVP_PKEY *evp = NULL;
        pubkey_encode(&again, &key);
        require(bytes_equal(wire_wrote(&again), data));
        require((pubkey_to_evp(&key, &evp) == STATUS_OK) == (evp != NULL));
        EVP_PKEY_free(evp);
    }
}

static void recode_large(struct bytes data, struct arena *arena, struct wire_writer w)
{
    struct site site;
    struct jws jws;
    struct jws_claims claims;
    struct wire_writer again = w;
    if (site_decode(data, arena, &site) == STATUS_OK) {
        site_encode(&again, &site);
        require(bytes_equal(wire_wrote(&again), data));
        (void)site_check(&site, NULL);
    }
    again = w;
    if (jws_decode(data, arena, &jws) == STATUS_OK) {
        require(jws_encode(&jws, &again) == STATUS_OK);
        require(bytes_equal(wire_wrote(&again), data));
        (void)jws_claims_decode(&jws, arena, &claims);
    }
}

static void through_json(const struct value *value, struct arena *arena)
{
    json_t *json = value_json_encode(value, 0);
    struct value again;
    require(json != NULL);
    require(value_json_decode(json, arena, 0, &again, NULL) == STATUS_OK);
    require(bytes_equal(again.data, value->data));
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {
        "HS_ADMIN",       "HS_VLIST",     "HS_SITE", "HS_SITE.6", "HS_SITE.PREFIX",
        "HS_NA_DELEGATE", "HS_PUBKEY",    "HS_SERV", "HS_ALIAS",  "HS_SERV.PREFIX",
        "HS_NAMESPACE",   "HS_SIGNATURE", "HS_CERT", "HS_SECKEY", "URL",
    };
    if (size == 0 || size > 65536) {
        return 0;
    }
    struct bytes rest = bytes_of(data + 1, size - 1);
    const char *type = types[data[0] % (sizeof(types) / sizeof(types[0]))];
    const struct value value = {.index = 1, .type = bytes_of_text(type), .data = rest};
    struct arena *arena = arena_new(ARENA_FIRST, ARENA_MAX);
    uint8_t *room = arena == NULL ? NULL : arena_alloc(arena, size);
    EVP_PKEY *key = NULL;
    struct fault fault = {STATUS_OK, ""};
    require(room != NULL);
    enum status status = value_types_check(value.type, rest, &fault);
    require(status == STATUS_OK || (status == STATUS_INVALID_VALUE && fault.text[0] != '\0'));
    recode_small(rest, wire_write(room, size));
    recode_large(rest, arena, wire_write(room, size));
    require((pubkey_private_to_evp(rest, &key) == STATUS_OK) == (key != NULL));
    EVP_PKEY_free(key);
    through_json(&value, arena);
    arena_free(arena);
    return 0;
}
