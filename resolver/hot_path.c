/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweeps over the hot set, answers from it (hot_path.h).
 */
#include "resolver/hot_path.h"

#include <stdlib.h>

#include "protocol/opcode.h"
#include "registry/freshness.h"
#include "resolver/forward.h"

#define REQUEST_ID_AT 4 /* session and request id stand side by side */
#define MESSAGE_LEN_AT 16
#define BODY_LEN_AT (MESSAGE_ENVELOPE_LEN + MESSAGE_HEADER_LEN - 4)
#define CREDENTIAL_LEN 4 /* its length, 0 */

struct hot_path {
    struct hot_set *set;
    const struct freshness *freshness;
    struct metrics_slot *metrics;
    struct hot_set_figures told; /* to the metrics */
};

enum status hot_path_new(uint64_t bytes, const struct registry *registry,
                         struct metrics_slot *metrics, struct hot_path **out_path)
{
    const struct freshness *freshness = registry_freshness(registry);
    *out_path = NULL;
    if (bytes == 0 || freshness == NULL) {
        return STATUS_OK;
    }
    struct hot_path *path = calloc(1, sizeof(*path));
    struct hot_set *set = hot_set_new(bytes);
    if (path == NULL || set == NULL) {
        free(path);
        hot_set_free(set);
        return STATUS_NO_MEMORY;
    }
    path->set = set;
    path->freshness = freshness;
    path->metrics = metrics;
    *out_path = path;
    return STATUS_OK;
}

static void tell(struct hot_path *path, struct hot_set_figures now)
{
    struct metrics_slot *metrics = path->metrics;
    struct hot_set_figures *told = &path->told;
    metrics_add(metrics, METRIC_hot_entries, 0, (int64_t)(now.entries - told->entries));
    metrics_add(metrics, METRIC_hot_bytes, 0, (int64_t)(now.bytes - told->bytes));
    metrics_add(metrics, METRIC_hot_evictions, 0, (int64_t)(now.evictions - told->evictions));
    *told = now;
}

void hot_path_free(struct hot_path *path)
{
    if (path != NULL) {
        tell(path, (struct hot_set_figures){.evictions = path->told.evictions});
        hot_set_free(path->set);
        free(path);
    }
}

void hot_begin(struct hot_turn *turn, const struct exchange_scope *scope,
               enum exchange_transport transport)
{
    turn->path = scope->hot;
    if (turn->path == NULL) {
        return;
    }
    turn->scope = scope;
    turn->transport = transport;
    turn->floor = freshness_floor(turn->path->freshness);
    turn->txn = snapshot_txn(scope->snapshot);
    turn->head.is_made = false;
    turn->lent_head.is_made = false;
    turn->hits = 0;
    turn->lent_hits = 0;
    turn->misses = 0;
    turn->request_bytes = 0;
    turn->answer_bytes = 0;
}

void hot_end(struct hot_turn *turn)
{
    if (turn->path == NULL) {
        return;
    }
    struct metrics_slot *metrics = turn->path->metrics;
    if (turn->hits > 0) {
        unsigned resolution = metrics_opcode_label(OPCODE_RESOLUTION);
        unsigned success = metrics_code_label(status_wire_code(STATUS_OK));
        metrics_add(metrics, METRIC_requests, turn->transport, turn->hits);
        metrics_add(metrics, METRIC_request_bytes, turn->transport, turn->request_bytes);
        metrics_add(metrics, METRIC_operations, resolution, turn->hits);
        metrics_add(metrics, METRIC_straight_answers, 0, turn->hits - turn->lent_hits);
        metrics_add(metrics, METRIC_cache_hits, CACHE_HIT_RECORD, turn->lent_hits);
        metrics_add(metrics, METRIC_answers, success, turn->hits);
        metrics_add(metrics, METRIC_answer_bytes, turn->transport, turn->answer_bytes);
        metrics_add(metrics, METRIC_hot_hits, 0, turn->hits);
    }
    if (turn->misses > 0) {
        metrics_add(metrics, METRIC_hot_misses, 0, turn->misses);
        tell(turn->path, hot_set_figures(turn->path->set));
    }
}

void hot_look(const struct hot_turn *turn, struct bytes packet, struct hot_request *out_request)
{
    out_request->packet = packet;
    out_request->hash = 0;
    out_request->is_plain = turn->path != NULL && plain_request_read(packet, &out_request->plain);
    if (out_request->is_plain) {
        out_request->hash = freshness_hash(turn->path->freshness, out_request->plain.name);
    }
}

/* Short loops with nothing else in them: the processor has several page walks under way at once,
 * which measured is most of what a look costs. */
void hot_find(const struct hot_turn *turn, const struct hot_request *requests, size_t count)
{
    uint64_t hashes[HOT_BATCH];
    size_t plain = 0;
    assert(count <= HOT_BATCH);
    for (size_t i = 0; i < count; i++) {
        hashes[plain] = requests[i].hash;
        plain += requests[i].is_plain;
    }
    for (size_t i = 0; i < plain; i++) {
        hot_set_prefetch(turn->path->set, hashes[i]);
    }
    for (size_t i = 0; i < plain; i++) {
        __builtin_prefetch((const void *)freshness_bucket(turn->path->freshness, hashes[i]));
    }
    for (size_t i = 0; i < plain; i++) {
        hot_set_prefetch_entry(turn->path->set, hashes[i]);
    }
}

/* Not older than what was published, and not newer than what this turn may see. */
static bool is_good(const struct hot_turn *turn, const struct hot_entry *entry, uint64_t hash)
{
    return entry->txn >= turn->floor && entry->txn <= turn->txn &&
           entry->txn >= freshness_touched(turn->path->freshness, hash);
}

/* As forward.c would tell it from the cache, to this one and now. */
static bool is_lent_to(const struct hot_turn *turn, const struct hot_lease *lease,
                       const struct hot_request *request, const struct net_address *peer)
{
    int64_t now_ms = turn->scope->now_ms;
    return now_ms >= lease->span.fetched_ms && now_ms < lease->span.expires_ms &&
           cache_stamp_holds(&lease->stamp) &&
           forward_tells_kept(turn->scope->generation, peer, request->plain.header.flags);
}

/* Its TTLs, once a second. */
static void grow_old(struct hot_entry *entry, struct hot_lease *lease, int64_t now_ms)
{
    int64_t age_s = cache_age_s(&lease->span, now_ms);
    if (age_s != lease->age_s) {
        cache_age_values(entry->body + entry->key_len, entry->body_len - entry->key_len,
                         lease->age_s, age_s);
        lease->age_s = age_s;
        hot_entry_renew(entry, lease);
    }
}

/* May it be told? Then it is as it should be now. */
static bool may_lend(const struct hot_turn *turn, struct hot_entry *entry,
                     const struct hot_request *request, const struct net_address *peer)
{
    struct hot_lease lease = hot_entry_lease(entry);
    bool is_lent = is_lent_to(turn, &lease, request, peer);
    if (is_lent) {
        grow_old(entry, &lease, turn->scope->now_ms);
    }
    return is_lent;
}

static bool is_made_for(const struct hot_head *head, const struct plain_request *plain)
{
    const struct envelope *a = &head->asked;
    const struct envelope *b = &plain->envelope;
    return head->is_made && a->version.major == b->version.major &&
           a->version.minor == b->version.minor && a->suggested.major == b->suggested.major &&
           a->suggested.minor == b->suggested.minor && head->flags == plain->header.flags &&
           head->recursion_count == plain->header.recursion_count;
}

/* As exchange.c opens a success answer, but for ids and lengths; what is lent has not our
 * authority. */
static void make_head(struct hot_turn *turn, const struct plain_request *plain, bool is_lent)
{
    struct hot_head *head = is_lent ? &turn->lent_head : &turn->head;
    struct envelope envelope;
    struct header header;
    exchange_answer_head(turn->scope, &plain->envelope, &plain->header, &envelope, &header);
    header.response_code = message_code_for(status_wire_code(STATUS_OK), envelope.version);
    header.flags &= is_lent ? ~(uint32_t)MESSAGE_AUTHORITATIVE : UINT32_MAX;
    struct wire_writer w = wire_write(head->bytes, sizeof(head->bytes));
    (void)message_open(&w, &envelope, &header);
    assert(!w.failed && w.at == w.end);
    head->is_made = true;
    head->asked = plain->envelope;
    head->flags = plain->header.flags;
    head->recursion_count = plain->header.recursion_count;
}

/* The ids are copied as they stand in the request. */
static size_t write_answer(const struct hot_head *head, const struct hot_request *request,
                           const struct hot_entry *entry, uint8_t *room)
{
    static const size_t head_len = sizeof(head->bytes);
    size_t len = head_len + entry->body_len + CREDENTIAL_LEN;
    memcpy(room, head->bytes, head_len);
    memcpy(room + REQUEST_ID_AT, request->packet.data + REQUEST_ID_AT, 8);
    wire_store_u32(room + MESSAGE_LEN_AT, (uint32_t)(len - MESSAGE_ENVELOPE_LEN));
    wire_store_u32(room + BODY_LEN_AT, entry->body_len);
    memcpy(room + head_len, entry->body, entry->body_len);
    wire_store_u32(room + len - CREDENTIAL_LEN, 0);
    return len;
}

size_t hot_answer(struct hot_turn *turn, const struct hot_request *request,
                  const struct net_address *peer, uint8_t *room)
{
    if (!request->is_plain) {
        return 0;
    }
    struct hot_entry *entry = hot_set_find(turn->path->set, request->hash, request->plain.key);
    bool is_lent = entry != NULL && entry->lease_len > 0;
    if (entry == NULL || !is_good(turn, entry, request->hash) ||
        (is_lent && !may_lend(turn, entry, request, peer))) {
        turn->misses++;
        return 0;
    }
    const struct hot_head *head = is_lent ? &turn->lent_head : &turn->head;
    if (!is_made_for(head, &request->plain)) {
        make_head(turn, &request->plain, is_lent);
    }
    size_t len = write_answer(head, request, entry, room);
    turn->hits++;
    turn->lent_hits += is_lent;
    turn->request_bytes += (int64_t)request->packet.len;
    turn->answer_bytes += (int64_t)len;
    return len;
}

/* Without a slash the name stands for another handle, by which the committer would know it; a
 * snapshot that is not published yet may know more than it should (registry/freshness.h). */
static void keep(const struct exchange_scope *scope, const struct hot_body *body)
{
    const struct hot_path *path = scope->hot;
    struct bytes name = body->name;
    if (path != NULL && snapshot_is_published(scope->snapshot) &&
        memchr(name.data, '/', name.len) != NULL) {
        hot_set_put(path->set, freshness_hash(path->freshness, name), snapshot_txn(scope->snapshot),
                    body);
    }
}

void hot_keep(const struct exchange_scope *scope, struct bytes name, struct bytes values)
{
    const struct hot_body body = {.name = name, .values = values};
    keep(scope, &body);
}

/* Whether the record of a prefix is ours to answer depends on more than prefixes. */
void hot_keep_lent(const struct exchange_scope *scope, struct bytes name, struct bytes values,
                   const struct hot_lease *lease)
{
    const struct hot_body body = {.name = name, .values = values, .lease = lease};
    if (lease->stamp.touched != NULL && !handle_is_prefix_record(name)) {
        keep(scope, &body);
    }
}
