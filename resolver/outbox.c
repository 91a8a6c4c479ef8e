/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeping, counting and ordering (outbox.h).
 */
#include "resolver/outbox.h"

static void leave(struct outbox_list *list, struct outbox *box)
{
    *(box->previous != NULL ? &box->previous->next : &list->first) = box->next;
    *(box->next != NULL ? &box->next->previous : &list->last) = box->previous;
    box->is_listed = false;
}

static void join(struct outbox_list *list, struct outbox *box)
{
    box->next = NULL;
    box->previous = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = box;
    list->last = box;
    box->is_listed = true;
}

static void changed(struct outbox *box, struct outbox_list *list, bool is_taken)
{
    size_t held = box->kept.size;
    if (held != box->counted) {
        int64_t grown = (int64_t)held - (int64_t)box->counted;
        list->bytes += held - box->counted;
        box->counted = held;
        metrics_add(list->metrics, METRIC_tcp_output_bytes, 0, grown);
    }
    if (box->is_listed && (is_taken || held == 0)) {
        leave(list, box);
    }
    if (!box->is_listed && held > 0) {
        join(list, box);
    }
}

struct bytes outbox_rest(const struct outbox *box)
{
    return bytes_from(bytes_of(box->kept.data, box->kept.len), box->at);
}

void outbox_took(struct outbox *box, struct outbox_list *list, size_t len)
{
    box->at += len;
    if (outbox_waiting(box) == 0) {
        outbox_clear(box, list);
    } else {
        changed(box, list, len > 0);
    }
}

bool outbox_keep(struct outbox *box, struct outbox_list *list, struct bytes data, size_t answers)
{
    buffer_drop_start(&box->kept, box->at);
    box->at = 0;
    bool is_kept = buffer_append(&box->kept, data);
    box->answers += is_kept ? answers : 0;
    changed(box, list, false);
    return is_kept;
}

void outbox_clear(struct outbox *box, struct outbox_list *list)
{
    buffer_clear(&box->kept);
    box->at = 0;
    box->answers = 0;
    changed(box, list, false);
}
