/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames into requests (hot_ahead.h).
 */
#include "resolver/hot_ahead.h"

#include "resolver/frame.h"

void hot_ahead_begin(struct hot_ahead *ahead, const struct exchange_scope *scope,
                     enum exchange_transport transport)
{
    hot_begin(&ahead->hot, scope, transport);
    ahead->count = 0;
    ahead->next = 0;
}

void hot_ahead_end(struct hot_ahead *ahead)
{
    hot_end(&ahead->hot);
}

static void look(struct hot_ahead *ahead, struct bytes data)
{
    size_t len = 0;
    ahead->count = 0;
    ahead->next = 0;
    while (ahead->count < HOT_BATCH && frame_next(data, &len) == FRAME_COMPLETE) {
        hot_look(&ahead->hot, bytes_of(data.data, len), &ahead->asked[ahead->count++]);
        data = bytes_from(data, len);
    }
    hot_find(&ahead->hot, ahead->asked, ahead->count);
}

const struct hot_request *hot_ahead_next(struct hot_ahead *ahead, struct bytes data)
{
    if (ahead->next == ahead->count) {
        look(ahead, data);
    }
    return ahead->next < ahead->count ? &ahead->asked[ahead->next++] : NULL;
}
