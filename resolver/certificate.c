/* SPDX-License-Identifier: Apache-2.0
 *
 * Identities of client certificates (certificate.h).
 */
#include "resolver/certificate.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "protocol/handle.h"
#include "protocol/pubkey.h"
#include "resolver/exchange_progress.h"
#include "resolver/key_source.h"
#include "resolver/stream.h"
#include "resolver/tls.h"

#define NAME_ROOM 8192 /* of which a name may have half */

struct certificate *certificate_of(const struct tls *tls)
{
    struct arena *arena = arena_new(512, NAME_ROOM);
    EVP_PKEY *key = arena == NULL ? NULL : tls_peer_key(tls);
    struct bytes name = key == NULL ? BYTES_NONE : tls_peer_name(tls, arena);
    struct reference claimed = {0};
    struct certificate *certificate = NULL;
    if (name.len > 0 &&
        handle_parse_reference(name, &claimed.index, &claimed.handle) == STATUS_OK &&
        handle_check(claimed.handle, NULL) == STATUS_OK) {
        certificate = malloc(sizeof(*certificate) + claimed.handle.len);
    }
    if (certificate == NULL) {
        EVP_PKEY_free(key);
    } else {
        memcpy(certificate->handle, claimed.handle.data, claimed.handle.len);
        certificate->name = (struct reference){
            .handle = bytes_of(certificate->handle, claimed.handle.len),
            .index = claimed.index,
        };
        certificate->key = key;
    }
    arena_free(arena);
    return certificate;
}

void certificate_free(struct certificate *certificate)
{
    if (certificate != NULL) {
        EVP_PKEY_free(certificate->key);
        free(certificate);
    }
}

static bool is_of(const struct certificate *certificate, struct bytes record)
{
    struct pubkey pubkey;
    EVP_PKEY *key = NULL;
    if (pubkey_decode(record, &pubkey) != STATUS_OK || pubkey_to_evp(&pubkey, &key) != STATUS_OK) {
        return false;
    }
    bool is_same = EVP_PKEY_eq(key, certificate->key) == 1;
    EVP_PKEY_free(key);
    return is_same;
}

enum status certificate_authenticate(struct exchange *x)
{
    const struct certificate *shown = stream_certificate(x->route.stream);
    struct identity *identity = &x->progress->identity;
    if (shown == NULL) { /* the connection has gone, and with it whoever could be told */
        return STATUS_UNABLE_TO_AUTHENTICATE;
    }
    struct verify_case asked = {.handle = identity->handle};
    enum status status = key_source_find(x, shown->name.index, &asked);
    if (status != STATUS_OK) {
        return status == STATUS_NOT_RESPONSIBLE ? STATUS_UNABLE_TO_AUTHENTICATE : status;
    }
    for (size_t i = 0; i < asked.key_count; i++) {
        if (is_of(shown, asked.keys[i].data)) {
            identity->index = asked.keys[i].index;
            identity->is_verified = true;
            return STATUS_OK;
        }
    }
    return STATUS_AUTHENTICATION_FAILED;
}
