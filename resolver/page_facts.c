/* SPDX-License-Identifier: Apache-2.0
 *
 * Facts from registry and cache; see page_facts.h.
 */
#include "resolver/page_facts.h"

#include "resolver/cache.h"
#include "resolver/lookup.h"
#include "resolver/worker.h"

/* The rows of the prefix itself and, without one, of the nearest above it. */
static void fill_owner(struct snapshot *snapshot, struct arena *arena, struct page_owner *owner)
{
    struct prefix_row row;
    if (registry_get_prefix(snapshot, owner->prefix, &row) == STATUS_OK && prefix_answers(&row)) {
        owner->enterprise = arena_copy(arena, row.enterprise);
        return;
    }
    for (struct bytes above = handle_parent_prefix(owner->prefix); above.len > 0;
         above = handle_parent_prefix(above)) {
        if (registry_get_prefix(snapshot, above, &row) == STATUS_OK && prefix_answers(&row)) {
            owner->parent = above;
            owner->parent_enterprise = arena_copy(arena, row.enterprise);
            return;
        }
    }
}

static void fill_age(struct http_call *call, struct bytes handle, struct page_model *model)
{
    const struct body_resolution asked = {.handle = handle};
    const struct cache_question question = {
        .kind = handle_is_prefix_record(handle) ? CACHE_SITES : CACHE_ANSWERS,
        .rule = CASE_SENSITIVE,
        .asked = &asked,
    };
    struct cache_entry entry;
    int64_t now_ms = call->scope->now_ms;
    enum cache_state state = cache_peek(call->worker->cache, &question, now_ms, &entry);
    bool is_stale = model->source == PAGE_STALE; /* a copy over its time may be being replaced */
    model->source = is_stale ? PAGE_STALE : PAGE_FORWARDED;
    if (is_stale && state != CACHE_NONE) {
        model->fetched_ms = entry.fetched_ms;
    } else if (!is_stale && state == CACHE_FRESH && entry.fetched_ms + 1000 < now_ms) {
        model->source = PAGE_CACHED;
        model->fetched_ms = entry.fetched_ms;
    }
}

/* What is not public changes version and time, too, and is nobody's business here. */
static void fill_change(const struct record_row *record, struct page_model *model)
{
    if ((record->flags & RECORD_ALL_PUBLIC) != 0) {
        model->changed_ms = record->changed_ms;
        model->version = record->version;
        return;
    }
    for (size_t i = 0; i < model->value_count; i++) {
        int64_t changed_ms = (int64_t)model->values[i].timestamp * 1000;
        model->changed_ms = changed_ms > model->changed_ms ? changed_ms : model->changed_ms;
    }
}

bool page_facts_fill(struct http_call *call, struct page_model *model)
{
    struct arena *arena = call->scope->arena;
    struct lookup *found = arena_alloc(arena, sizeof(*found));
    if (found == NULL || model->handle.len == 0) {
        return false;
    }
    enum status status = lookup_record(call->scope->snapshot, model->handle, found);
    if (status == STATUS_INVALID_HANDLE) {
        return false;
    }
    model->owner.prefix = handle_governing_prefix(found->handle);
    fill_owner(call->scope->snapshot, arena, &model->owner);
    if (status == STATUS_OK) {
        model->source = PAGE_OWN;
        model->created_ms = found->record.created_ms;
        fill_change(&found->record, model);
    } else if (status == STATUS_NOT_RESPONSIBLE) {
        fill_age(call, found->handle, model);
    }
    return status != STATUS_NOT_RESPONSIBLE;
}
