/* SPDX-License-Identifier: Apache-2.0
 *
 * Two shelves in every shard: of sessions nobody has proved anything in, and of the others
 * (web_session.h).
 */
#include "resolver/web_session.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>

#include "resolver/shelf.h"

#define SHARDS 16u
#define ID_TRIES 16

enum shelf_kind { FRESH, PROVED, KINDS };

struct kept {
    struct shelf_item item;
    enum shelf_kind kind;
    struct web_session *session;
};

struct shard {
    pthread_mutex_t lock;
    struct shelf shelves[KINDS];
};

struct web_sessions {
    void (*random)(void *out, size_t len);
    uint64_t seed;
    struct shard shards[SHARDS];
};

struct web_sessions *web_sessions_new(uint64_t seed, void (*random)(void *out, size_t len))
{
    struct web_sessions *web = calloc(1, sizeof(*web));
    if (web != NULL) {
        web->seed = seed;
        web->random = random;
        for (size_t i = 0; i < SHARDS; i++) {
            (void)pthread_mutex_init(&web->shards[i].lock, NULL);
        }
    }
    return web;
}

static void drop(struct shard *shard, struct shelf_item *item)
{
    struct kept *kept = (struct kept *)item;
    shelf_take(&shard->shelves[kept->kind], item);
    OPENSSL_cleanse(kept->session, sizeof(*kept->session));
    free(kept->session);
    free(kept);
}

void web_sessions_free(struct web_sessions *web)
{
    if (web == NULL) {
        return;
    }
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &web->shards[i];
        for (int kind = 0; kind < KINDS; kind++) {
            while (shard->shelves[kind].all.oldest != NULL) {
                drop(shard, shard->shelves[kind].all.oldest);
            }
        }
        (void)pthread_mutex_destroy(&shard->lock);
    }
    free(web);
}

void web_sessions_sweep(struct web_sessions *web, unsigned turn, int64_t now_ms)
{
    struct shard *shard = &web->shards[turn % SHARDS];
    (void)pthread_mutex_lock(&shard->lock);
    for (int kind = 0; kind < KINDS; kind++) {
        struct shelf *shelf = &shard->shelves[kind];
        while (shelf->all.oldest != NULL && shelf->all.oldest->due_ms <= now_ms) {
            drop(shard, shelf->all.oldest);
        }
    }
    (void)pthread_mutex_unlock(&shard->lock);
}

/* --- ids ---------------------------------------------------------------------------------------
 */

static void write_id(uint32_t place, const uint8_t *chance, char out[WEB_SESSION_ID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t id[WEB_SESSION_ID_LEN];
    wire_store_u32(id, place);
    memcpy(id + sizeof(place), chance, sizeof(id) - sizeof(place));
    for (size_t i = 0; i < sizeof(id); i++) {
        out[2 * i] = digits[id[i] >> 4];
        out[2 * i + 1] = digits[id[i] & 15];
    }
    out[WEB_SESSION_ID_TEXT - 1] = '\0';
}

/* Where a session of that id lies; 0: none can have it. */
static uint32_t place_of(struct bytes id)
{
    uint32_t place = 0;
    if (id.len != WEB_SESSION_ID_TEXT - 1) {
        return 0;
    }
    for (size_t i = 0; i < 2 * sizeof(place); i++) {
        uint8_t c = id.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return 0;
        }
        place = place << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return place;
}

static struct kept *find_place(struct shard *shard, uint32_t place)
{
    struct shelf_item *item = shelf_find(&shard->shelves[FRESH], place);
    return (struct kept *)(item != NULL ? item : shelf_find(&shard->shelves[PROVED], place));
}

/* Its shard stays locked, whatever is found; NULL: there is no such shard either. */
static struct shard *lock_of(struct web_sessions *web, struct bytes id, struct kept **out_kept)
{
    uint32_t place = place_of(id);
    if (place == 0) {
        return NULL;
    }
    struct shard *shard = &web->shards[place % SHARDS];
    (void)pthread_mutex_lock(&shard->lock);
    struct kept *kept = find_place(shard, place);
    bool is_it = kept != NULL && CRYPTO_memcmp(kept->session->id, id.data, id.len) == 0;
    *out_kept = is_it ? kept : NULL;
    return shard;
}

/* --- bounds ------------------------------------------------------------------------------------
 */

/* Each shard has its part of all. The new one stays. */
static void bound(struct shard *shard, const struct kept *newest,
                  const struct sessions_limits *limits)
{
    struct shelf *shelf = &shard->shelves[newest->kind];
    bool is_fresh = newest->kind == FRESH;
    size_t all = is_fresh ? limits->challenges : limits->sessions;
    size_t own = is_fresh ? limits->challenges_per_source : limits->sessions_per_source;
    struct shelf_item *oldest = NULL;
    while (shelf_count_source(shelf, &newest->item, &oldest) > own && oldest != &newest->item) {
        drop(shard, oldest);
    }
    while (shelf->count > all / SHARDS + 1 && shelf->all.oldest != &newest->item) {
        drop(shard, shelf->all.oldest);
    }
}

/* --- what there is to do -----------------------------------------------------------------------
 */

static struct kept *kept_new(void)
{
    struct kept *kept = calloc(1, sizeof(*kept));
    if (kept != NULL && (kept->session = calloc(1, sizeof(*kept->session))) == NULL) {
        free(kept);
        kept = NULL;
    }
    return kept;
}

static void put_in(struct web_sessions *web, struct kept *kept,
                   const struct sessions_limits *limits)
{
    struct shard *shard = &web->shards[kept->item.source_hash % SHARDS];
    uint8_t chance[WEB_SESSION_ID_LEN - sizeof(uint32_t)];
    (void)pthread_mutex_lock(&shard->lock);
    for (int i = 0; i < ID_TRIES && kept->item.id == 0; i++) {
        uint32_t place = 0;
        web->random(&place, sizeof(place));
        place = (place & ~(SHARDS - 1)) | (uint32_t)(kept->item.source_hash % SHARDS);
        kept->item.id = find_place(shard, place) == NULL ? place : 0;
    }
    if (kept->item.id != 0) {
        web->random(chance, sizeof(chance));
        write_id(kept->item.id, chance, kept->session->id);
        shelf_put(&shard->shelves[FRESH], &kept->item);
        bound(shard, kept, limits);
    }
    (void)pthread_mutex_unlock(&shard->lock);
}

enum status web_sessions_open(struct web_sessions *web, const struct sessions_limits *limits,
                              int64_t now_ms, const struct net_address *peer,
                              struct web_session *out_session)
{
    struct kept *kept = kept_new();
    if (kept == NULL) {
        return STATUS_NO_MEMORY;
    }
    sources_key(peer, kept->item.source);
    kept->item.source_hash = sources_hash(kept->item.source, web->seed);
    kept->item.due_ms = now_ms + WEB_SESSION_FRESH_MS;
    web->random(kept->session->nonce, sizeof(kept->session->nonce));
    struct web_session opened = *kept->session;
    put_in(web, kept, limits);
    if (kept->item.id == 0) {
        free(kept->session);
        free(kept);
        return STATUS_NO_MEMORY;
    }
    memcpy(opened.id, kept->session->id, sizeof(opened.id));
    *out_session = opened;
    return STATUS_OK;
}

enum status web_sessions_get(struct web_sessions *web, int64_t now_ms, struct bytes id,
                             struct web_session *out_session)
{
    struct kept *kept = NULL;
    struct shard *shard = lock_of(web, id, &kept);
    if (shard == NULL) {
        return STATUS_SESSION_TIMEOUT;
    }
    if (kept != NULL && kept->item.due_ms <= now_ms) {
        drop(shard, &kept->item);
        kept = NULL;
    }
    if (kept != NULL) {
        kept->item.due_ms =
            now_ms + (kept->kind == FRESH ? WEB_SESSION_FRESH_MS : WEB_SESSION_IDLE_MS);
        shelf_touch(&shard->shelves[kept->kind], &kept->item);
        *out_session = *kept->session;
    }
    (void)pthread_mutex_unlock(&shard->lock);
    return kept != NULL ? STATUS_OK : STATUS_SESSION_TIMEOUT;
}

enum status web_sessions_authenticate(struct web_sessions *web,
                                      const struct sessions_limits *limits, int64_t now_ms,
                                      struct bytes id, const struct web_session *proved)
{
    struct kept *kept = NULL;
    struct shard *shard = lock_of(web, id, &kept);
    if (shard == NULL) {
        return STATUS_SESSION_TIMEOUT;
    }
    if (kept != NULL) {
        struct web_session *session = kept->session;
        shelf_take(&shard->shelves[kept->kind], &kept->item);
        kept->kind = PROVED;
        kept->item.due_ms = now_ms + WEB_SESSION_IDLE_MS;
        session->is_authenticated = true;
        session->index = proved->index;
        session->key_version = proved->key_version;
        session->handle_len = proved->handle_len;
        memcpy(session->handle, proved->handle, proved->handle_len);
        shelf_put(&shard->shelves[PROVED], &kept->item);
        bound(shard, kept, limits);
    }
    (void)pthread_mutex_unlock(&shard->lock);
    return kept != NULL ? STATUS_OK : STATUS_SESSION_TIMEOUT;
}

enum status web_sessions_close(struct web_sessions *web, struct bytes id)
{
    struct kept *kept = NULL;
    struct shard *shard = lock_of(web, id, &kept);
    if (shard == NULL) {
        return STATUS_SESSION_TIMEOUT;
    }
    if (kept != NULL) {
        drop(shard, &kept->item);
    }
    (void)pthread_mutex_unlock(&shard->lock);
    return kept != NULL ? STATUS_OK : STATUS_SESSION_TIMEOUT;
}

size_t web_sessions_count(struct web_sessions *web)
{
    size_t count = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &web->shards[i];
        (void)pthread_mutex_lock(&shard->lock);
        count += shard->shelves[FRESH].count + shard->shelves[PROVED].count;
        (void)pthread_mutex_unlock(&shard->lock);
    }
    return count;
}
