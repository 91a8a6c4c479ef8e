/* SPDX-License-Identifier: Apache-2.0
 *
 * A walk belongs to the wait that brings it home (trust.h): pool, look-up, pool, ... until its
 * chains are over. The worker only carries records to it.
 *
 * What was found is kept by SHA-256 of handle and public values, so an altered record is another
 * one. It is kept no longer than any certificate that counted holds, trust.cache at most, and for a
 * moment only when something could not be had.
 */
#include "resolver/trust.h"

#include <stdlib.h>

#include "protocol/digest.h"
#include "resolver/elsewhere.h"
#include "resolver/exchange_progress.h"
#include "resolver/limit.h"
#include "resolver/lookup.h"
#include "resolver/sources.h"
#include "resolver/trust_roots.h"
#include "resolver/worker.h"

#define SLOTS 1024u
#define KEY_LEN 32
#define WALKS_MAX 32 /* of one worker, each of at most ARENA_MAX bytes */
#define ARENA_FIRST 16384
#define ARENA_MAX (2u << 20) /* a record of the largest size, decoded, and its certificates */
#define KEPT_PASSING_MS 2000 /* something could not be had */
#define MILLIS 1000

/* Which of a record's public values, counted in stored order, are covered. */
struct finding {
    uint8_t covered[VALUE_COUNT_MAX / 8];
};

struct slot {
    uint8_t key[KEY_LEN];
    uint64_t generation;
    int64_t until_ms; /* wall clock; 0: empty */
    struct finding finding;
};

struct trust {
    struct slot slots[SLOTS];
    size_t walks;
    int64_t left_millis; /* thousandths of walks that may begin */
    int64_t filled_ms;
};

/* What travels between worker and pool; one of them has it. */
struct walk {
    struct trust *trust;
    struct trust_roots *roots;
    struct arena *arena;
    uint8_t key[KEY_LEN];
    int64_t now_ms; /* wall clock of its beginning */
    struct bytes handle;
    struct bytes values; /* public ones, count ‖ values */
    struct record record;
    bool has_begun;
    struct chain chain;
    enum status status;
    enum status found; /* of what the chain wanted */
    uint8_t *supply;   /* its values; malloc'd */
    size_t supply_len;
};

struct step {
    struct wait wait;
    struct crypto_job job;
    struct walk *walk; /* NULL: the next step has it */
};

static void walk_free(struct walk *walk)
{
    if (walk != NULL) {
        walk->trust->walks--;
        trust_roots_free(walk->roots);
        arena_free(walk->arena);
        free(walk->supply);
        free(walk);
    }
}

static void step_free(struct wait *wait)
{
    struct step *step = (struct step *)wait;
    walk_free(step->walk);
    free(step);
}

/* --- in the pool ------------------------------------------------------------------------------ */

static enum status begin(struct walk *walk)
{
    struct wire_reader r = wire_read(walk->values);
    const struct chain_options options = {trust_roots_list(walk->roots), walk->arena,
                                          walk->now_ms / MILLIS};
    walk->has_begun = true;
    walk->record.handle = walk->handle;
    enum status status =
        value_list_decode(&r, walk->arena, &walk->record.values, &walk->record.count);
    return status == STATUS_OK ? chain_begin(&walk->chain, &options, &walk->record) : status;
}

static enum status supply(struct walk *walk)
{
    struct value *values = NULL;
    size_t count = 0;
    enum status found = walk->found;
    if (found == STATUS_OK && walk->supply != NULL) {
        struct wire_reader r = wire_read(bytes_of(walk->supply, walk->supply_len));
        found = value_list_decode(&r, walk->arena, &values, &count);
    }
    return found == STATUS_NO_MEMORY ? found : chain_supply(&walk->chain, found, values, count);
}

static void work(struct crypto_job *job)
{
    struct step *step = (struct step *)((char *)job - offsetof(struct step, job));
    struct walk *walk = step->walk;
    walk->status = walk->has_begun ? supply(walk) : begin(walk);
    free(walk->supply);
    walk->supply = NULL;
}

/* --- the table -------------------------------------------------------------------------------- */

void trust_free(struct trust *trust)
{
    free(trust);
}

static struct trust *trust_of(struct worker *worker)
{
    if (worker->trust == NULL) {
        worker->trust = calloc(1, sizeof(*worker->trust));
        if (worker->trust != NULL) {
            worker->trust->filled_ms = net_now_ms(worker->options.net) - MILLIS; /* full */
        }
    }
    return worker->trust;
}

static struct slot *slot_of(struct trust *trust, const uint8_t key[KEY_LEN])
{
    uint32_t number = (uint32_t)key[0] << 8 | key[1];
    return &trust->slots[number % SLOTS];
}

static bool recall(const struct exchange *x, struct trust *trust, const uint8_t key[KEY_LEN],
                   struct finding *out_finding)
{
    const struct slot *slot = slot_of(trust, key);
    if (slot->until_ms <= x->scope->now_ms || slot->generation != x->scope->generation->number ||
        memcmp(slot->key, key, KEY_LEN) != 0) {
        return false;
    }
    *out_finding = slot->finding;
    return true;
}

static void remember(const struct exchange *x, const struct walk *walk,
                     const struct finding *finding)
{
    const struct generation *generation = x->scope->generation;
    int64_t until_ms = walk->now_ms + generation->settings->trust_cache;
    bool is_passing = walk->status != STATUS_OK || chain_is_passing(&walk->chain);
    int64_t expires_s = is_passing ? INT64_MAX : chain_expires(&walk->chain);
    if (expires_s < until_ms / MILLIS) {
        until_ms = (expires_s + 1) * MILLIS;
    }
    if (is_passing && until_ms > walk->now_ms + KEPT_PASSING_MS) {
        until_ms = walk->now_ms + KEPT_PASSING_MS;
    }
    struct slot *slot = slot_of(walk->trust, walk->key);
    memcpy(slot->key, walk->key, KEY_LEN);
    slot->generation = generation->number;
    slot->until_ms = until_ms;
    slot->finding = *finding;
}

/* --- beginning -------------------------------------------------------------------------------- */

/* The values everybody may see, in the exchange's arena. */
static enum status take_public(struct arena *arena, struct bytes stored, struct bytes *out_values,
                               bool *out_has_signature)
{
    uint8_t *room = arena_alloc(arena, stored.len);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_reader r = wire_read(stored);
    struct wire_writer w = wire_write(room, stored.len);
    uint32_t count = wire_count(&r, VALUE_SMALLEST);
    uint32_t kept = 0;
    struct value value;
    wire_put_u32(&w, 0);
    *out_has_signature = false;
    for (uint32_t i = 0; i < count && value_decode(&r, &value) == STATUS_OK; i++) {
        if (value_is_public(&value)) {
            value_encode(&w, &value);
            kept++;
            *out_has_signature |= bytes_equal_nocase(value.type, BYTES_LITERAL("HS_SIGNATURE"));
        }
    }
    wire_store_u32(room, kept);
    *out_values = wire_wrote(&w);
    return wire_ok(&r) && !w.failed && count <= VALUE_COUNT_MAX ? STATUS_OK : STATUS_CORRUPT;
}

/* Within this worker's part of what is followed a second. */
static bool take_budget(const struct exchange *x, struct trust *trust)
{
    struct worker *worker = x->scope->services->worker;
    int64_t workers = worker->options.worker_count > 0 ? (int64_t)worker->options.worker_count : 1;
    int64_t rate = x->scope->generation->settings->limits_trust / workers;
    rate = rate > 0 ? rate : 1;
    int64_t now_ms = net_now_ms(worker->options.net);
    int64_t passed_ms = now_ms - trust->filled_ms;
    passed_ms = passed_ms < MILLIS ? passed_ms : MILLIS;
    trust->filled_ms = now_ms;
    trust->left_millis += passed_ms * rate;
    if (trust->left_millis > rate * MILLIS) {
        trust->left_millis = rate * MILLIS;
    }
    if (trust->left_millis < MILLIS || trust->walks == WALKS_MAX) {
        limit_hit(worker, LIMIT_TRUST, &x->peer);
        return false;
    }
    trust->left_millis -= MILLIS;
    return true;
}

static struct walk *walk_new(const struct exchange *x, struct trust *trust, struct bytes handle,
                             struct bytes values)
{
    struct walk *walk = calloc(1, sizeof(*walk));
    if (walk == NULL) {
        return NULL;
    }
    trust->walks++;
    walk->trust = trust;
    walk->now_ms = x->scope->now_ms;
    walk->roots = trust_roots_share(x->scope->generation->trust_roots);
    walk->arena = arena_new(ARENA_FIRST, ARENA_MAX);
    if (walk->arena != NULL) {
        walk->handle = arena_copy(walk->arena, handle);
        walk->values = arena_copy(walk->arena, values);
    }
    if (walk->handle.data == NULL || walk->values.data == NULL) {
        walk_free(walk);
        return NULL;
    }
    return walk;
}

/* Sends the walk to the pool; it is gone either way. OK: it cannot be sent. */
static enum status send(struct exchange *x, struct walk *walk)
{
    struct step *step = calloc(1, sizeof(*step));
    if (step == NULL || wait_begin(x, &step->wait, WAIT_TRUST, step_free) != STATUS_OK) {
        free(step);
        walk_free(walk);
        return STATUS_OK;
    }
    uint8_t source[SOURCE_LEN];
    sources_key(&x->peer, source);
    step->walk = walk;
    step->job = (struct crypto_job){
        .mail = &step->wait.mail,
        .home = x->scope->services->mailbox,
        .work = work,
    };
    if (crypto_pool_submit(x->scope->services->pool, &step->job, sources_hash(source, 0)) !=
        STATUS_OK) {
        wait_cancel(x, &step->wait);
        step_free(&step->wait);
        return STATUS_OK;
    }
    return STATUS_PENDING;
}

/* --- coming home ------------------------------------------------------------------------------ */

/* What the chain wants: our own record, or another node's. PENDING. */
static enum status fetch(struct exchange *x, struct walk *walk)
{
    struct lookup found;
    struct bytes handle = walk->chain.wanted.handle;
    struct bytes values = BYTES_NONE;
    bool has_signature = false;
    enum status status = lookup_record(x->scope->snapshot, handle, &found);
    if (status == STATUS_OK) {
        status = take_public(x->scope->arena, found.record.values, &values, &has_signature);
    } else if (status == STATUS_NOT_RESPONSIBLE) {
        status = elsewhere_find(x, handle, &values);
    }
    if (status == STATUS_PENDING) {
        return status;
    }
    walk->found = status;
    if (status != STATUS_OK || values.data == NULL) {
        return STATUS_OK;
    }
    walk->supply = malloc(values.len);
    walk->supply_len = values.len;
    if (walk->supply == NULL) {
        walk->found = STATUS_NO_MEMORY;
        return STATUS_OK;
    }
    memcpy(walk->supply, values.data, values.len);
    return STATUS_OK;
}

static void conclude(const struct exchange *x, const struct walk *walk, struct finding *out_finding)
{
    *out_finding = (struct finding){{0}};
    for (size_t i = 0; walk->status == STATUS_OK && i < walk->record.count; i++) {
        if (chain_covers(&walk->chain, i)) {
            out_finding->covered[i / 8] |= (uint8_t)(1u << i % 8);
        }
    }
    remember(x, walk, out_finding);
}

/* The walk has come home: its record is judged, or it goes on. */
static enum status take(struct exchange *x, struct step *step, struct finding *out_finding)
{
    struct walk *walk = step->walk;
    if (walk->status != STATUS_PENDING) {
        conclude(x, walk, out_finding);
        return STATUS_OK;
    }
    enum status status = fetch(x, walk);
    if (status == STATUS_PENDING) {
        return status;
    }
    step->walk = NULL;
    wait_forget(x, WAIT_TRUST);
    return send(x, walk);
}

/* --- for handlers ----------------------------------------------------------------------------- */

bool trust_is_asked(const struct exchange *x)
{
    const struct trust_roots *roots = x->scope->generation->trust_roots;
    return (x->message.header.flags & MESSAGE_TRUSTED_QUERY) != 0 && x->scope->services != NULL &&
           roots != NULL && trust_roots_list(roots)->count > 0;
}

static enum status judge(struct exchange *x, struct trust *trust, struct bytes handle,
                         struct bytes values, struct finding *out_finding)
{
    uint8_t length[4];
    uint8_t key[KEY_LEN];
    wire_store_u32(length, (uint32_t)handle.len);
    const struct bytes runs[] = {bytes_of(length, sizeof(length)), handle, values};
    if (digest_sha256(runs, 3, key) != STATUS_OK) {
        return STATUS_OK;
    }
    struct step *step = (struct step *)wait_result(x, WAIT_TRUST);
    if (step != NULL && memcmp(step->walk->key, key, KEY_LEN) == 0) {
        return take(x, step, out_finding);
    }
    /* Another record than the one that was followed, changed meanwhile: it is not trusted. */
    if (step != NULL || recall(x, trust, key, out_finding) || !take_budget(x, trust)) {
        return STATUS_OK;
    }
    struct walk *walk = walk_new(x, trust, handle, values);
    if (walk == NULL) {
        return STATUS_OK;
    }
    memcpy(walk->key, key, KEY_LEN);
    metrics_add(x->scope->metrics, METRIC_trust_followed, 0, 1);
    return send(x, walk);
}

static enum status find(struct exchange *x, struct bytes name, struct bytes stored,
                        struct finding *out_finding)
{
    uint8_t room[HANDLE_EXPANDED_MAX];
    struct bytes handle;
    struct trust *trust = trust_of(x->scope->services->worker);
    struct bytes values = BYTES_NONE;
    bool has_signature = false;
    *out_finding = (struct finding){{0}};
    if (wait_is_out(x, WAIT_TRUST)) {
        return STATUS_PENDING;
    }
    if (trust == NULL || handle_expand(name, room, &handle) != STATUS_OK ||
        take_public(x->scope->arena, stored, &values, &has_signature) != STATUS_OK ||
        !has_signature) {
        return STATUS_OK;
    }
    return judge(x, trust, handle, values, out_finding);
}

/* At least one value leaves, and every one but the signatures is covered. */
static bool is_covered(struct bytes stored, const struct finding *finding, const uint8_t *standing,
                       uint8_t least)
{
    struct wire_reader r = wire_read(stored);
    uint32_t count = wire_count(&r, VALUE_SMALLEST);
    size_t nth = 0; /* among the public ones */
    size_t covered = 0;
    struct value value;
    for (uint32_t i = 0; i < count && value_decode(&r, &value) == STATUS_OK; i++) {
        bool is_public = value_is_public(&value);
        bool holds = is_public && (finding->covered[nth / 8] & 1u << nth % 8) != 0;
        bool is_signature = bytes_equal_nocase(value.type, BYTES_LITERAL("HS_SIGNATURE"));
        nth += is_public;
        if (standing[i] >= least && !is_signature && !holds) {
            return false;
        }
        covered += standing[i] >= least && holds;
    }
    return wire_ok(&r) && covered > 0;
}

enum status trust_mark(struct exchange *x, struct bytes name, struct bytes stored,
                       const uint8_t *standing, uint8_t least)
{
    struct finding finding;
    if (!trust_is_asked(x)) {
        return STATUS_OK;
    }
    enum status status = find(x, name, stored, &finding);
    if (status != STATUS_OK) {
        return status;
    }
    bool is_trusted = is_covered(stored, &finding, standing, least);
    if (is_trusted) {
        x->answer_header.flags |= MESSAGE_TRUSTED_RESULT;
    }
    metrics_add(x->scope->metrics, is_trusted ? METRIC_trust_given : METRIC_trust_withheld, 0, 1);
    return STATUS_OK;
}
