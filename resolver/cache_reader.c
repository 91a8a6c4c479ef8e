/* SPDX-License-Identifier: Apache-2.0
 *
 * How a worker asks the cache, and what it hands over to be kept (cache.h).
 *
 * A reader is one read transaction of one thread, renewed when something was written since.
 */
#include <stdlib.h>

#include "resolver/cache_parts.h"

struct cache_reader {
    struct cache *cache;
    struct metrics_slot *slot;
    MDB_txn *txn; /* NULL before the first question */
    bool is_active;
};

static void count(const struct cache_reader *reader, enum metric metric, unsigned label)
{
    if (reader->slot != NULL) {
        metrics_add(reader->slot, metric, label, 1);
    }
}

enum status cache_reader_new(struct cache *cache, struct metrics_slot *slot,
                             struct cache_reader **out_reader)
{
    *out_reader = NULL;
    if (cache == NULL) {
        return STATUS_OK;
    }
    struct cache_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return STATUS_NO_MEMORY;
    }
    reader->cache = cache;
    reader->slot = slot;
    *out_reader = reader;
    return STATUS_OK;
}

void cache_reader_free(struct cache_reader *reader)
{
    if (reader != NULL) {
        if (reader->txn != NULL) {
            mdb_txn_abort(reader->txn);
        }
        free(reader);
    }
}

void cache_rest(struct cache_reader *reader)
{
    if (reader != NULL && reader->is_active) {
        mdb_txn_reset(reader->txn);
        reader->is_active = false;
    }
}

/* Sees everything that was published before. */
static bool refresh(struct cache_reader *reader)
{
    struct cache *cache = reader->cache;
    if (!atomic_load_explicit(&cache->is_ready, memory_order_acquire)) {
        return false;
    }
    uint64_t published = atomic_load_explicit(&cache->store.published, memory_order_acquire);
    if (reader->is_active && mdb_txn_id(reader->txn) >= published) {
        return true;
    }
    cache_rest(reader);
    int error = reader->txn == NULL
                    ? mdb_txn_begin(cache->store.env, NULL, MDB_RDONLY, &reader->txn)
                    : mdb_txn_renew(reader->txn);
    if (error != 0 && reader->txn != NULL) {
        mdb_txn_abort(reader->txn);
        reader->txn = NULL;
    }
    reader->is_active = error == 0;
    return reader->is_active;
}

/* --- asking -------------------------------------------------------------------------------------
 */

struct cache_entry cache_entry_of(const struct cache_stored *stored)
{
    return (struct cache_entry){
        .code = stored->code,
        .flags = stored->flags,
        .is_whole = stored->shape == CACHE_SHAPE_WHOLE,
        .handle = stored->handle.len > 0 ? stored->handle : stored->name,
        .values = stored->values,
        .fetched_ms = stored->fetched_ms,
        .expires_ms = stored->expires_ms,
        .kept_until_ms = stored->kept_until_ms,
    };
}

/* The entry under the key's present shape. */
static enum cache_state look(struct cache_reader *reader, const struct cache_key *key,
                             const struct cache_question *question, int64_t now_ms,
                             struct cache_entry *out_entry)
{
    struct cache_stored stored;
    MDB_val at = cache_val(cache_key_bytes(key));
    MDB_val row;
    if (mdb_get(reader->txn, reader->cache->store.entries, &at, &row) != 0 ||
        cache_row_decode(cache_key_bytes(key), cache_bytes(&row), &stored) != STATUS_OK ||
        stored.shape != key->shape || !bytes_equal(stored.name, key->name)) {
        return CACHE_NONE;
    }
    bool is_verified = (stored.flags & CACHE_VERIFIED) != 0;
    if ((question->needs_verified && !is_verified) || stored.fetched_ms > now_ms ||
        stored.kept_until_ms <= now_ms) {
        return CACHE_NONE;
    }
    *out_entry = cache_entry_of(&stored);
    return now_ms < stored.expires_ms ? CACHE_FRESH : CACHE_STALE;
}

static enum cache_state find(struct cache_reader *reader, const struct cache_question *question,
                             int64_t now_ms, struct cache_entry *out_entry)
{
    struct cache_key key;
    struct cache_entry part;
    enum cache_shape shape = cache_shape_of(question);
    enum cache_shape first = shape == CACHE_SHAPE_PART ? CACHE_SHAPE_WHOLE : shape;
    if (!refresh(reader) ||
        cache_key_name(question->asked->handle, question->rule, &key) != STATUS_OK ||
        cache_key_shape(&key, first, question->asked) != STATUS_OK) {
        return CACHE_NONE;
    }
    enum cache_state whole = look(reader, &key, question, now_ms, out_entry);
    if (whole == CACHE_FRESH || shape == first ||
        cache_key_shape(&key, shape, question->asked) != STATUS_OK) {
        return whole;
    }
    enum cache_state state = look(reader, &key, question, now_ms, &part);
    bool is_better =
        state == CACHE_FRESH ||
        (state == CACHE_STALE && (whole == CACHE_NONE || part.fetched_ms > out_entry->fetched_ms));
    if (!is_better) {
        return whole;
    }
    *out_entry = part;
    return state;
}

static unsigned label_of(const struct cache_question *question, const struct cache_entry *entry)
{
    if (question->kind == CACHE_SITES) {
        return CACHE_HIT_SITES;
    }
    if (entry->code != 1) {
        return CACHE_HIT_NEGATIVE;
    }
    return entry->is_whole ? CACHE_HIT_RECORD : CACHE_HIT_PART;
}

enum cache_state cache_get(struct cache_reader *reader, const struct cache_question *question,
                           int64_t now_ms, struct cache_entry *out_entry)
{
    if (reader == NULL) {
        return CACHE_NONE;
    }
    enum cache_state state = find(reader, question, now_ms, out_entry);
    if (state == CACHE_FRESH) {
        count(reader, METRIC_cache_hits, label_of(question, out_entry));
    } else {
        count(reader, METRIC_cache_misses, 0);
    }
    return state;
}

enum cache_state cache_get_stale(struct cache_reader *reader, const struct cache_question *question,
                                 int64_t now_ms, struct cache_entry *out_entry)
{
    if (reader == NULL) {
        return CACHE_NONE;
    }
    enum cache_state state = find(reader, question, now_ms, out_entry);
    if (state == CACHE_STALE) {
        count(reader, METRIC_cache_stale, 0);
    }
    return state;
}

enum cache_state cache_peek(struct cache_reader *reader, const struct cache_question *question,
                            int64_t now_ms, struct cache_entry *out_entry)
{
    return reader == NULL ? CACHE_NONE : find(reader, question, now_ms, out_entry);
}

struct cache_stamp cache_stamp(const struct cache_reader *reader,
                               const struct cache_question *question)
{
    struct cache_key key;
    if (reader == NULL || !reader->is_active ||
        cache_key_name(question->asked->handle, question->rule, &key) != STATUS_OK ||
        cache_key_shape(&key, CACHE_SHAPE_WHOLE, NULL) != STATUS_OK) {
        return (struct cache_stamp){NULL, 0};
    }
    return (struct cache_stamp){cache_store_touched(&reader->cache->store, cache_key_bytes(&key)),
                                mdb_txn_id(reader->txn)};
}

/* --- telling ------------------------------------------------------------------------------------
 */

#define CODE_SUCCESS 1
#define CODE_NO_HANDLE 100
#define CODE_NO_VALUES 200

/* What kind of entry it makes, and for how long; false: none. */
static bool judge(const struct cache *cache, const struct cache_question *question,
                  const struct cache_answer *answer, struct cache_stored *stored)
{
    stored->shape = cache_shape_of(question);
    stored->fetched_ms = answer->fetched_ms;
    int64_t ttl_ms = atomic_load_explicit(&cache->ttl_ms, memory_order_relaxed);
    if (answer->code == CODE_SUCCESS) {
        stored->values = answer->values;
        if (answer->values.len < 4 + VALUE_SMALLEST || answer->values.len > CACHE_VALUES_MAX ||
            cache_values_expiry(answer->values, answer->fetched_ms, ttl_ms, &stored->expires_ms) !=
                STATUS_OK) {
            return false;
        }
        stored->kept_until_ms =
            stored->expires_ms + atomic_load_explicit(&cache->stale_ms, memory_order_relaxed);
    } else if (answer->code == CODE_NO_HANDLE || answer->code == CODE_NO_VALUES) {
        int64_t negative_ms = atomic_load_explicit(&cache->negative_ms, memory_order_relaxed);
        stored->expires_ms = answer->fetched_ms + (negative_ms < ttl_ms ? negative_ms : ttl_ms);
        stored->kept_until_ms = stored->expires_ms;
        /* No such handle, whatever was asked about it. */
        if (answer->code == CODE_NO_HANDLE && stored->shape == CACHE_SHAPE_PART) {
            stored->shape = CACHE_SHAPE_WHOLE;
        }
    } else {
        return false;
    }
    return answer->fetched_ms > 0 && stored->expires_ms > answer->fetched_ms;
}

static enum status hand_over(struct cache_reader *reader, enum cache_act act, struct bytes key,
                             const struct cache_stored *stored, struct bytes name)
{
    enum status status = cache_submit(reader->cache, act, key, stored, name);
    if (status == STATUS_SERVER_BUSY) {
        count(reader, METRIC_cache_dropped, 0);
    }
    return status;
}

enum status cache_put(struct cache_reader *reader, const struct cache_question *question,
                      const struct cache_answer *answer)
{
    struct cache_key key;
    struct cache_stored stored = {.code = answer->code, .flags = answer->flags};
    if (reader == NULL) {
        return STATUS_CLOSED;
    }
    enum status status = cache_key_name(question->asked->handle, question->rule, &key);
    if (status != STATUS_OK || answer->handle.len > HANDLE_MAX ||
        !judge(reader->cache, question, answer, &stored)) {
        return STATUS_NOT_SUPPORTED;
    }
    status = cache_key_shape(&key, stored.shape, question->asked);
    if (status != STATUS_OK) {
        return STATUS_NOT_SUPPORTED;
    }
    struct bytes spelled = answer->handle.len > 0 ? answer->handle : question->asked->handle;
    stored.name = key.name;
    stored.handle = bytes_equal(spelled, key.name) ? BYTES_NONE : spelled;
    return hand_over(reader, CACHE_ACT_PUT, cache_key_bytes(&key), &stored, BYTES_NONE);
}

enum status cache_forget(struct cache_reader *reader, struct bytes handle, enum case_rule rule)
{
    struct cache_key key;
    if (reader == NULL) {
        return STATUS_CLOSED;
    }
    enum status status = cache_key_name(handle, rule, &key);
    if (status != STATUS_OK) {
        return STATUS_NOT_SUPPORTED;
    }
    return hand_over(reader, CACHE_ACT_FORGET, bytes_of(key.data, key.name_part_len), NULL,
                     key.name);
}
