/* SPDX-License-Identifier: Apache-2.0
 *
 * Contexts of TLS for servers of other nodes (server_trust.h).
 */
#include "resolver/server_trust.h"

#include <openssl/evp.h>

#include "protocol/pubkey.h"

enum status server_trust_new(const struct service_target *target, struct tls_context **out_tls)
{
    struct pubkey record;
    EVP_PKEY *key = NULL;
    enum status status = STATUS_OK;
    if (target->transport != ASK_HTTPS) {
        *out_tls = NULL;
        return STATUS_OK;
    }
    if (target->public_key.len > 0) {
        status = pubkey_decode(target->public_key, &record);
        if (status == STATUS_OK) {
            status = pubkey_to_evp(&record, &key);
        }
    }
    if (status == STATUS_OK) {
        const struct tls_client_options options = {.server_key = key};
        status = tls_client_context_new(&options, out_tls);
    }
    EVP_PKEY_free(key);
    return status;
}
