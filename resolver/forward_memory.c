/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the desks and the cache: whole public records by name, prefix records apart, byte by byte
 * spelled as what folds elsewhere is not known (forward_parts.h).
 */
#include "resolver/cache.h"
#include "resolver/forward_parts.h"
#include "resolver/worker.h"

#define CODE_SUCCESS 1
#define OLD_MS 60000

static struct cache_question question_of(const struct body_resolution *asked)
{
    bool is_prefix = handle_is_prefix_record(asked->handle);
    return (struct cache_question){
        .kind = is_prefix ? CACHE_SITES : CACHE_ANSWERS,
        .rule = CASE_SENSITIVE,
        .asked = asked,
    };
}

/* What an entry says, in the arena. */
static enum status tell(const struct cache_entry *entry, int64_t now_ms, struct arena *arena,
                        struct bytes *out_values)
{
    if (entry->code != CODE_SUCCESS) {
        return status_of_wire_code(entry->code);
    }
    uint8_t *room = arena_alloc(arena, entry->values.len);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, entry->values.len);
    cache_write_values(&w, entry, now_ms);
    *out_values = wire_wrote(&w);
    return w.failed ? STATUS_NOT_FOUND : STATUS_OK;
}

enum status forward_recall_lent(struct worker *worker, struct bytes handle, struct arena *arena,
                                struct bytes *out_values, struct hot_lease *out_lease)
{
    const struct body_resolution asked = {.handle = handle};
    const struct cache_question question = question_of(&asked);
    struct cache_entry entry;
    int64_t now_ms = net_wall_ms(worker->options.net);
    if (cache_get(worker->cache, &question, now_ms, &entry) != CACHE_FRESH) {
        return STATUS_NOT_FOUND;
    }
    *out_lease = (struct hot_lease){.span = {entry.fetched_ms, entry.expires_ms},
                                    .stamp = cache_stamp(worker->cache, &question)};
    out_lease->age_s = cache_age_s(&out_lease->span, now_ms);
    return tell(&entry, now_ms, arena, out_values);
}

enum status forward_recall(struct worker *worker, struct bytes handle, struct arena *arena,
                           struct bytes *out_values, bool *out_is_old)
{
    const struct body_resolution asked = {.handle = handle};
    const struct cache_question question = question_of(&asked);
    struct cache_entry entry;
    int64_t now_ms = net_wall_ms(worker->options.net);
    if (cache_get(worker->cache, &question, now_ms, &entry) != CACHE_FRESH) {
        return STATUS_NOT_FOUND;
    }
    *out_is_old = now_ms - entry.fetched_ms > OLD_MS;
    return tell(&entry, now_ms, arena, out_values);
}

enum status forward_recall_stale(struct worker *worker, struct bytes handle, struct arena *arena,
                                 struct bytes *out_values)
{
    const struct body_resolution asked = {.handle = handle};
    const struct cache_question question = question_of(&asked);
    struct cache_entry entry;
    int64_t now_ms = net_wall_ms(worker->options.net);
    if (cache_get_stale(worker->cache, &question, now_ms, &entry) != CACHE_STALE) {
        return STATUS_NOT_FOUND;
    }
    return tell(&entry, now_ms, arena, out_values);
}

void forward_remember(struct worker *worker, struct bytes handle, enum status status,
                      struct bytes values, bool is_certified)
{
    const struct body_resolution asked = {.handle = handle};
    const struct cache_question question = question_of(&asked);
    const struct cache_answer answer = {
        .code = status_wire_code(status),
        .flags = is_certified ? CACHE_VERIFIED : 0,
        .values = status == STATUS_OK ? values : BYTES_NONE,
        .fetched_ms = net_wall_ms(worker->options.net),
    };
    if (status == STATUS_OK || status == STATUS_HANDLE_NOT_FOUND ||
        status == STATUS_VALUES_NOT_FOUND) {
        (void)cache_put(worker->cache, &question, &answer); /* without it, it is asked for again */
    }
}
