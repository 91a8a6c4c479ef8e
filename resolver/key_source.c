/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys from the records of this node (key_source.h).
 */
#include "resolver/key_source.h"

#include <stdlib.h>

#include "resolver/exchange_progress.h"
#include "resolver/key_remote.h"
#include "resolver/lookup.h"

/* What the decision rests on: if the key changes before the commit, it is made anew. */
static enum status remember(struct exchange *x, const struct lookup *found)
{
    struct progress *progress = x->progress;
    uint8_t *copy = malloc(found->handle.len);
    if (copy == NULL) {
        return STATUS_SERVER_BUSY;
    }
    memcpy(copy, found->handle.data, found->handle.len);
    free((void *)(uintptr_t)progress->key_handle.data);
    progress->key_handle = bytes_of(copy, found->handle.len);
    progress->key_version = found->record.version;
    return STATUS_OK;
}

static enum status find_local(struct exchange *x, const struct lookup *found, uint32_t index,
                              struct verify_case *asked)
{
    struct wire_reader r = wire_read(found->record.values);
    struct value *values = NULL;
    size_t count = 0;
    if (value_list_decode(&r, x->scope->arena, &values, &count) != STATUS_OK) {
        return STATUS_UNABLE_TO_AUTHENTICATE;
    }
    asked->stored = found->record.handle;
    verify_collect(asked, values, count, index);
    return asked->key_count > 0 ? remember(x, found) : STATUS_UNABLE_TO_AUTHENTICATE;
}

enum status key_source_find(struct exchange *x, uint32_t index, struct verify_case *asked)
{
    struct lookup found;
    enum status status = lookup_record(x->scope->snapshot, asked->handle, &found);
    if (status == STATUS_NOT_RESPONSIBLE && !asked->is_secret) {
        return key_remote_find(x, index, asked);
    }
    return status == STATUS_OK                ? find_local(x, &found, index, asked)
           : status == STATUS_NOT_RESPONSIBLE ? STATUS_NOT_RESPONSIBLE
                                              : STATUS_UNABLE_TO_AUTHENTICATE;
}
