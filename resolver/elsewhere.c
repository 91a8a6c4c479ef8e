/* SPDX-License-Identifier: Apache-2.0
 *
 * One wait for each record that was asked for (elsewhere.h). They stand in a list of the exchange's
 * progress from the question on; as results of waits they are freed with it.
 */
#include "resolver/elsewhere.h"

#include <stdlib.h>

#include "resolver/attempts.h"
#include "resolver/exchange_progress.h"
#include "resolver/forward.h"
#include "resolver/key_cache.h"
#include "resolver/worker.h"

#define RECORDS_MAX 16 /* of other nodes, for one exchange */

struct elsewhere {
    struct wait wait;
    struct elsewhere *next;
    struct forward_question question;
    bool is_counted; /* how it came home was told */
    uint8_t handle[HANDLE_EXPANDED_MAX];
};

static void elsewhere_free(struct wait *wait)
{
    struct elsewhere *asked = (struct elsewhere *)wait;
    free(asked->question.values);
    free(asked);
}

bool elsewhere_is_open(struct exchange *x, struct bytes name)
{
    uint8_t room[HANDLE_EXPANDED_MAX];
    struct bytes handle;
    return handle_expand(name, room, &handle) == STATUS_OK && forward_may_ask(x, handle);
}

/* --- asking ------------------------------------------------------------------------------------
 */

static void send(struct exchange *x, struct elsewhere *asked, struct bytes handle)
{
    struct worker *worker = x->scope->services->worker;
    struct progress *progress = x->progress;
    if (progress->elsewhere_until_ms == 0) {
        progress->elsewhere_until_ms =
            net_now_ms(worker->options.net) + x->scope->generation->settings->auth_key_time;
    }
    memcpy(asked->handle, handle.data, handle.len);
    asked->question = (struct forward_question){
        .handle = bytes_of(asked->handle, handle.len),
        .recursion_count = (uint8_t)(x->message.header.recursion_count + 1),
        .is_authoritative = true,
        .deadline_ms = progress->elsewhere_until_ms,
        .answered = &asked->wait.mail,
        .home = worker->mailbox,
    };
    asked->next = progress->elsewhere;
    progress->elsewhere = asked;
    metrics_add(x->scope->metrics, METRIC_elsewhere_asked, 0, 1);
    forward_send(worker, &asked->question);
}

/* Within what one exchange may ask? */
static bool is_within(const struct exchange *x)
{
    const struct progress *progress = x->progress;
    int64_t now_ms = net_now_ms(x->scope->services->worker->options.net);
    size_t count = 0;
    for (const struct elsewhere *at = progress->elsewhere; at != NULL; at = at->next) {
        count++;
    }
    return count < RECORDS_MAX && x->message.header.recursion_count < FORWARD_COUNT_MAX &&
           (progress->elsewhere_until_ms == 0 || now_ms < progress->elsewhere_until_ms);
}

static enum status ask(struct exchange *x, struct bytes handle)
{
    if (!is_within(x)) {
        metrics_add(x->scope->metrics, METRIC_elsewhere_missing, 0, 1);
        return STATUS_NOT_RESPONSIBLE;
    }
    if (!attempts_take(x, ATTEMPT_ELSEWHERE)) {
        return STATUS_SERVER_BUSY;
    }
    struct elsewhere *asked = calloc(1, sizeof(*asked));
    if (asked == NULL || wait_begin(x, &asked->wait, WAIT_ELSEWHERE, elsewhere_free) != STATUS_OK) {
        free(asked);
        return STATUS_SERVER_BUSY;
    }
    send(x, asked, handle);
    return STATUS_PENDING;
}

/* --- what came ---------------------------------------------------------------------------------
 */

static void keep(struct exchange *x, struct bytes handle, struct bytes stored)
{
    struct value *values = NULL;
    size_t count = 0;
    struct wire_reader r = wire_read(stored);
    if (value_list_decode(&r, x->scope->arena, &values, &count) == STATUS_OK) {
        int64_t life_ms =
            key_cache_life(values, count, x->scope->generation->settings, x->scope->now_ms);
        key_cache_put(x->scope->services->keys, handle, KEY_CACHE_RECORD, stored,
                      x->scope->now_ms + life_ms);
    }
}

static enum status take(struct exchange *x, struct elsewhere *asked, struct bytes *out_values)
{
    const struct forward_question *question = &asked->question;
    struct bytes values = bytes_of(question->values, question->values_len);
    if (!asked->is_counted) {
        asked->is_counted = true;
        if (question->status == STATUS_OK) {
            keep(x, question->handle, values);
        } else {
            metrics_add(x->scope->metrics, METRIC_elsewhere_missing, 0, 1);
        }
    }
    if (question->status == STATUS_OK) {
        *out_values = values;
    }
    /* What others refuse with is not what this request is refused with. */
    return question->status == STATUS_OK ? STATUS_OK : STATUS_NOT_RESPONSIBLE;
}

static struct elsewhere *find(const struct exchange *x, struct bytes handle)
{
    struct elsewhere *asked = x->progress->elsewhere;
    while (asked != NULL && !bytes_equal(asked->question.handle, handle)) {
        asked = asked->next;
    }
    return asked;
}

enum status elsewhere_find(struct exchange *x, struct bytes name, struct bytes *out_values)
{
    uint8_t room[HANDLE_EXPANDED_MAX];
    struct bytes handle;
    if (handle_expand(name, room, &handle) != STATUS_OK || x->scope->services == NULL) {
        return STATUS_NOT_RESPONSIBLE;
    }
    if (progress_of(x) == NULL) {
        return STATUS_SERVER_BUSY;
    }
    struct elsewhere *asked = find(x, handle);
    if (asked != NULL) {
        return asked->wait.is_home ? take(x, asked, out_values) : STATUS_PENDING;
    }
    if (!forward_may_ask(x, handle)) {
        return STATUS_NOT_RESPONSIBLE;
    }
    struct bytes kept = key_cache_get(x->scope->services->keys, handle, KEY_CACHE_RECORD,
                                      x->scope->now_ms, x->scope->arena);
    if (kept.len > 0) {
        *out_values = kept;
        return STATUS_OK;
    }
    return ask(x, handle);
}
