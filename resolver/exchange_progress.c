/* SPDX-License-Identifier: Apache-2.0
 *
 * Making and ending what outlives a wait (exchange_progress.h).
 */
#include "resolver/exchange_progress.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "resolver/bulk_batch.h"

struct progress *progress_of(struct exchange *x)
{
    if (x->progress == NULL) {
        x->progress = calloc(1, sizeof(*x->progress));
    }
    return x->progress;
}

void progress_free(struct progress *progress)
{
    if (progress == NULL) {
        return;
    }
    struct wait *next = NULL;
    for (struct wait *wait = progress->results; wait != NULL; wait = next) {
        next = wait->next;
        wait->free(wait);
    }
    if (progress->opened != NULL) {
        OPENSSL_cleanse(progress->opened, progress->opened_len);
    }
    free(progress->opened);
    session_free(progress->session);
    challenge_free(progress->challenge);
    free(progress->identity_handle);
    free((void *)(uintptr_t)progress->key_handle.data);
    free(progress->last_key);
    change_set_free(progress->committed);
    batch_release(progress->batch);
    free(progress);
}

enum status progress_claim(struct progress *progress, struct reference identity,
                           enum identity_source source, bool is_verified)
{
    uint8_t *copy = malloc(identity.handle.len + 1);
    if (copy == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (identity.handle.len > 0) {
        memcpy(copy, identity.handle.data, identity.handle.len);
    }
    free(progress->identity_handle);
    progress->identity_handle = copy;
    progress->identity = (struct identity){
        .handle = bytes_of(copy, identity.handle.len),
        .index = identity.index,
        .source = source,
        .is_verified = is_verified,
    };
    progress->has_identity = true;
    return STATUS_OK;
}
