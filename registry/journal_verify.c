/* SPDX-License-Identifier: Apache-2.0
 *
 * Is the store what its journal says? (journal.h)
 *
 * The journal in order up to the head of the moment it begins: positions without a gap, the chain,
 * the digest of every body; then records against counters (journal_recount.c). Runs beside a
 * writer, renewing its snapshot after each set.
 */
#include "registry/journal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "registry/apikey_row.h"
#include "registry/apply_item.h"
#include "registry/enterprise_row.h"
#include "registry/history.h"
#include "registry/journal_recount.h"
#include "registry/prefix_row.h"
#include "registry/record_digest.h"
#include "registry/record_row.h"

#define PROGRESS_ITEMS 10000

struct verifier {
    struct registry *registry;
    struct snapshot *snapshot;
    struct hasher *item_hasher;
    struct hasher *chain_hasher;
    struct bytes commitment_key;
    const struct journal_watch *watch;
    struct journal_report *report;
    uint64_t head;     /* last position to be verified */
    uint64_t position; /* next one */
    uint8_t previous[JOURNAL_HASH_LEN];
};

/* Notes the first thing that does not hold. */
__attribute__((format(printf, 2, 3))) static enum status blame(struct verifier *v,
                                                               const char *format, ...)
{
    struct journal_report *report = v->report;
    if (report->reason[0] == '\0') {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(report->reason, sizeof(report->reason), format, arguments);
        va_end(arguments);
        report->first_bad_position = v->position;
    }
    return STATUS_CORRUPT;
}

/* --- bodies ------------------------------------------------------------------------------------
 */

/* The row of (item's key, item's version): the current one or the one in history. */
static enum status find_body(struct store_txn *txn, const struct journal_item *item,
                             struct bytes key, struct bytes *out_row)
{
    enum status status = apply_item_check(txn, item->table, key, item->version);
    if (status == STATUS_OK) {
        return store_get(txn, keys_database_of(item->table), key, out_row);
    }
    if (status != STATUS_CONFLICT && status != STATUS_CORRUPT) {
        return status;
    }
    bool is_damaged = status == STATUS_CORRUPT;
    struct history_body body;
    status = history_get(txn, item->table, key, item->version, &body);
    if (status == STATUS_NOT_FOUND && is_damaged) {
        return STATUS_CORRUPT;
    }
    if (status == STATUS_OK && body.kind != HISTORY_ROW) {
        return STATUS_CORRUPT;
    }
    if (status == STATUS_OK) {
        *out_row = body.row;
    }
    return status;
}

/* A deletion has no body, but it left a mark with its version: a tombstone, now or in history. */
static enum status find_mark(struct store_txn *txn, const struct journal_item *item,
                             struct bytes key)
{
    struct tombstone mark;
    enum status status = tombstone_get(txn, item->table, key, &mark);
    if (status == STATUS_OK && mark.version == item->version) {
        return STATUS_OK;
    }
    if (status != STATUS_OK && status != STATUS_NOT_FOUND && status != STATUS_CORRUPT) {
        return status;
    }
    bool is_damaged = status == STATUS_CORRUPT;
    struct history_body body;
    status = history_get(txn, item->table, key, item->version, &body);
    if (status == STATUS_NOT_FOUND && is_damaged) {
        return STATUS_CORRUPT;
    }
    return status == STATUS_OK && body.kind != HISTORY_DELETION ? STATUS_CORRUPT : status;
}

static enum status digest_record(struct verifier *v, const struct journal_item *item,
                                 uint8_t out[JOURNAL_HASH_LEN])
{
    struct store_txn *txn = snapshot_store(v->snapshot);
    struct record_key key;
    enum status status = keys_record(item->key, CASE_SENSITIVE, &key);
    if (status != STATUS_OK) {
        return STATUS_CORRUPT;
    }
    struct record_digest_of of = {item->key, item->version, BYTES_NONE};
    if (item->operation == JOURNAL_DELETE) {
        status = find_mark(txn, item, key.key);
    } else {
        struct bytes body = BYTES_NONE;
        struct record_row row = {0};
        status = find_body(txn, item, key.key, &body);
        if (status == STATUS_OK) {
            status = record_row_decode(key.key, body, &row);
        }
        if (status == STATUS_OK && row.position != v->position) {
            status = STATUS_CONFLICT; /* written by another change than this one */
        }
        of.content = row.values;
    }
    return status == STATUS_OK ? record_digest(v->item_hasher, v->commitment_key, &of, out)
                               : status;
}

static enum status digest_prefix(struct verifier *v, const struct journal_item *item,
                                 uint8_t out[JOURNAL_HASH_LEN])
{
    struct bytes body;
    struct prefix_row row;
    uint64_t position = 0;
    enum status status = find_body(snapshot_store(v->snapshot), item, item->key, &body);
    if (status == STATUS_OK) {
        status = prefix_row_decode(item->key, body, &row, &position);
    }
    if (status != STATUS_OK || position != v->position) {
        return status == STATUS_OK ? STATUS_CONFLICT : status;
    }
    uint8_t content[PREFIX_CONTENT_MAX];
    struct wire_writer w = wire_write(content, sizeof(content));
    prefix_row_content(&w, &row);
    const struct record_digest_of of = {item->key, item->version, wire_wrote(&w)};
    return record_digest_plain(v->item_hasher, &of, out);
}

static enum status digest_enterprise(struct verifier *v, const struct journal_item *item,
                                     uint8_t out[JOURNAL_HASH_LEN])
{
    struct bytes body;
    struct enterprise_row row;
    enum status status = find_body(snapshot_store(v->snapshot), item, item->key, &body);
    if (status == STATUS_OK) {
        status = enterprise_row_decode(item->key, body, &row);
    }
    if (status != STATUS_OK || row.position != v->position) {
        return status == STATUS_OK ? STATUS_CONFLICT : status;
    }
    const struct record_digest_of of = {item->key, item->version, row.content};
    return record_digest_plain(v->item_hasher, &of, out);
}

static enum status digest_apikey(struct verifier *v, const struct journal_item *item,
                                 uint8_t out[JOURNAL_HASH_LEN])
{
    struct bytes body;
    struct apikey_row row;
    uint8_t content[APIKEY_CONTENT_MAX];
    enum status status = find_body(snapshot_store(v->snapshot), item, item->key, &body);
    if (status == STATUS_OK) {
        status = apikey_row_decode(item->key, body, &row);
    }
    if (status != STATUS_OK || row.position != v->position) {
        return status == STATUS_OK ? STATUS_CONFLICT : status;
    }
    struct wire_writer w = wire_write(content, sizeof(content));
    apikey_row_content(&w, &row);
    const struct record_digest_of of = {item->key, item->version, wire_wrote(&w)};
    return record_digest_plain(v->item_hasher, &of, out);
}

static enum status digest_audit(struct verifier *v, const struct journal_item *item,
                                uint8_t out[JOURNAL_HASH_LEN])
{
    struct bytes row;
    enum status status = journal_get_audit(v->snapshot, v->position, &row);
    if (status != STATUS_OK) {
        return status;
    }
    const struct record_digest_of of = {item->key, item->version, row};
    return record_digest_plain(v->item_hasher, &of, out);
}

static enum status digest_body(struct verifier *v, const struct journal_item *item,
                               uint8_t out[JOURNAL_HASH_LEN])
{
    switch (item->table) {
    case CHANGE_RECORD:
        return digest_record(v, item, out);
    case CHANGE_PREFIX:
        return digest_prefix(v, item, out);
    case CHANGE_ENTERPRISE:
        return digest_enterprise(v, item, out);
    case CHANGE_APIKEY:
        return digest_apikey(v, item, out);
    case CHANGE_AUDIT:
        break;
    }
    return digest_audit(v, item, out);
}

/* Does history say that this body was damaged and a repair has given it up? */
static bool is_given_up(struct verifier *v, const struct journal_item *item)
{
    struct record_key key;
    struct history_body body;
    return item->table == CHANGE_RECORD &&
           keys_record(item->key, CASE_SENSITIVE, &key) == STATUS_OK &&
           history_get(snapshot_store(v->snapshot), item->table, key.key, item->version, &body) ==
               STATUS_OK &&
           body.kind == HISTORY_DAMAGED;
}

static enum status bad_body(struct verifier *v, const struct journal_item *item,
                            enum journal_flaw flaw)
{
    static const char *const texts[] = {
        [JOURNAL_BODY_DAMAGED] = "is damaged",
        [JOURNAL_BODY_MISSING] = "is neither current nor in history",
        [JOURNAL_BODY_DIFFERS] = "does not have the digest the journal says",
    };
    if (v->watch->found == NULL) {
        return blame(v, "version %" PRIu64 " %s", item->version, texts[flaw]);
    }
    const struct journal_finding finding = {flaw, v->position, item->table, item->key,
                                            item->version};
    v->report->bad++;
    v->watch->found(v->watch->context, &finding);
    return STATUS_OK;
}

/* BAD_SETTING: a restricted body and no commitment key at hand; its hash in the chain must do. */
static enum status verify_body(struct verifier *v, const struct journal_item *item)
{
    uint8_t digest[JOURNAL_HASH_LEN];
    enum status status = digest_body(v, item, digest);
    switch (status) {
    case STATUS_OK:
        break;
    case STATUS_BAD_SETTING:
        return STATUS_OK;
    case STATUS_NOT_FOUND:
        return bad_body(v, item, JOURNAL_BODY_MISSING);
    case STATUS_CORRUPT:
        if (is_given_up(v, item)) {
            v->report->lost++;
            return STATUS_OK;
        }
        return bad_body(v, item, JOURNAL_BODY_DAMAGED);
    case STATUS_CONFLICT:
        return bad_body(v, item, JOURNAL_BODY_DIFFERS);
    default:
        return status;
    }
    if (memcmp(digest, item->digest, sizeof(digest)) != 0) {
        return bad_body(v, item, JOURNAL_BODY_DIFFERS);
    }
    v->report->bodies++;
    return STATUS_OK;
}

/* --- sets --------------------------------------------------------------------------------------
 */

static enum status verify_items(struct verifier *v, const struct journal_set *set)
{
    struct wire_reader r = wire_read(set->items);
    struct journal_item item;
    uint32_t count = 0;
    record_digest_chain_begin(v->chain_hasher, v->previous, set);
    while (journal_next_item(&r, &item)) {
        uint8_t hash[JOURNAL_HASH_LEN];
        enum status status = record_digest_item(v->item_hasher, &item, hash);
        hasher_add(v->chain_hasher, bytes_of(hash, sizeof(hash)));
        if (status == STATUS_OK) {
            status = verify_body(v, &item);
        }
        if (status != STATUS_OK) {
            return status;
        }
        v->position++;
        v->report->items++;
        count++;
    }
    if (!wire_done(&r) || count != set->count) {
        return blame(v, "the journal row is damaged");
    }
    return STATUS_OK;
}

static enum status verify_set(struct verifier *v)
{
    struct journal_set set;
    enum status status = journal_get(v->snapshot, v->position, &set);
    if (status == STATUS_NOT_FOUND || (status == STATUS_OK && set.position != v->position)) {
        return blame(v, "the journal has a gap");
    }
    if (status == STATUS_CORRUPT) {
        return blame(v, "the journal row is damaged");
    }
    if (status != STATUS_OK) {
        return status;
    }
    status = verify_items(v, &set);
    if (status != STATUS_OK) {
        return status;
    }
    uint8_t chain[JOURNAL_HASH_LEN];
    status = hasher_end(v->chain_hasher, chain);
    if (status == STATUS_OK && memcmp(chain, set.chain, sizeof(chain)) != 0) {
        v->position = set.position;
        return blame(v, "the chain does not hold");
    }
    memcpy(v->previous, chain, sizeof(chain));
    v->report->sets++;
    return status;
}

static enum status verify_journal(struct verifier *v)
{
    const struct journal_watch *watch = v->watch;
    uint64_t told = 0;
    while (v->position <= v->head) {
        enum status status = verify_set(v);
        if (status == STATUS_OK) {
            status = snapshot_refresh(v->snapshot);
        }
        if (status != STATUS_OK) {
            return status;
        }
        if (watch->progress != NULL && v->position - told >= PROGRESS_ITEMS) {
            told = v->position;
            if (!watch->progress(watch->context, v->position - 1, v->head)) {
                return STATUS_PENDING;
            }
        }
    }
    return STATUS_OK;
}

static enum status find_head(struct verifier *v)
{
    struct journal_set last;
    enum status status = journal_head(v->snapshot, &last);
    if (status == STATUS_OK) {
        v->head = last.position + last.count - 1;
    }
    if (status == STATUS_CORRUPT) {
        return blame(v, "the newest journal row is damaged");
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status recount(struct verifier *v)
{
    struct recount_result result;
    enum status status = journal_recount(v->registry, &result);
    if (status == STATUS_CORRUPT) {
        v->position = 0;
        return blame(v, "%s", result.reason);
    }
    return status;
}

enum status journal_verify_watched(struct registry *registry, const struct journal_watch *watch,
                                   struct journal_report *out_report)
{
    *out_report = (struct journal_report){0};
    struct verifier v = {
        .registry = registry,
        .item_hasher = hasher_new(),
        .chain_hasher = hasher_new(),
        .watch = watch,
        .report = out_report,
        .position = 1,
    };
    if (registry->has_commitment_key) {
        v.commitment_key = bytes_of(registry->commitment_key, REGISTRY_COMMITMENT_KEY_LEN);
    }
    enum status status = v.item_hasher != NULL && v.chain_hasher != NULL
                             ? snapshot_new(registry, &v.snapshot)
                             : STATUS_NO_MEMORY;
    if (status == STATUS_OK) {
        status = find_head(&v);
    }
    if (status == STATUS_OK) {
        status = verify_journal(&v);
    }
    snapshot_free(v.snapshot);
    if (status == STATUS_OK && !watch->leaves_counters) {
        status = recount(&v);
    }
    hasher_free(v.item_hasher);
    hasher_free(v.chain_hasher);
    return status;
}

enum status journal_verify(struct registry *registry, journal_progress *progress, void *context,
                           struct journal_report *out_report)
{
    const struct journal_watch watch = {.progress = progress, .context = context};
    return journal_verify_watched(registry, &watch, out_report);
}
