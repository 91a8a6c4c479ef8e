/* SPDX-License-Identifier: Apache-2.0
 *
 * Every row of the store, then the journal (record_verify.h).
 */
#include "registry/record_verify.h"

#include <stdio.h>

#include "registry/apikey_row.h"
#include "registry/enterprise_index.h"
#include "registry/history.h"
#include "registry/journal_recount.h"
#include "registry/prefix_row.h"
#include "registry/record_row.h"

#define RENEW_ROWS 1000
#define RENEW_BYTES ((size_t)2 << 20)
#define VALUES_MAX (16u << 20) /* decoded form of the largest record */

struct verify {
    struct registry *registry;
    const struct record_verify_watch *watch;
    struct record_verify_report *report;
    struct arena *arena; /* of one row */
};

struct pass {
    struct verify *verify;
    enum record_verify_phase phase;
    enum store_database database;
    struct snapshot *snapshot;
    MDB_cursor *cursor;
    struct store_key last;
    uint64_t done;
    uint64_t total;
};

static void tell(struct verify *v, const struct record_finding *finding)
{
    if (finding->flaw == RECORD_HISTORY_LOST) {
        v->report->lost++;
    } else {
        v->report->damaged++;
    }
    v->watch->found(v->watch->context, finding);
}

/* --- rows ------------------------------------------------------------------------------------- */

static bool is_sound_record(struct verify *v, struct bytes key, struct bytes stored)
{
    struct record_row row;
    struct value *values = NULL;
    size_t count = 0;
    if (record_row_decode(key, stored, &row) != STATUS_OK) {
        return false;
    }
    arena_reset(v->arena);
    struct wire_reader r = wire_read(row.values);
    return value_list_decode(&r, v->arena, &values, &count) == STATUS_OK && wire_done(&r);
}

static bool is_sound(struct verify *v, enum change_table table, struct bytes key, struct bytes row)
{
    struct prefix_row prefix;
    struct enterprise_row enterprise;
    struct apikey_row apikey;
    uint64_t position = 0;
    switch (table) {
    case CHANGE_RECORD:
        return is_sound_record(v, key, row);
    case CHANGE_PREFIX:
        return prefix_row_decode(key, row, &prefix, &position) == STATUS_OK;
    case CHANGE_ENTERPRISE:
        return enterprise_row_decode(key, row, &enterprise) == STATUS_OK;
    case CHANGE_APIKEY:
        return apikey_row_decode(key, row, &apikey) == STATUS_OK;
    case CHANGE_AUDIT:
        break;
    }
    return false;
}

static void check_current(struct verify *v, enum change_table table, struct bytes key,
                          struct bytes row)
{
    if (!is_sound(v, table, key, row)) {
        const struct record_finding finding = {RECORD_ROW_DAMAGED, table, key, 0};
        tell(v, &finding);
    }
}

/* table 1 ‖ key ‖ version 8 */
static void check_history(struct verify *v, struct bytes key, struct bytes row)
{
    struct wire_reader r = wire_read(key);
    struct record_finding finding = {.flaw = RECORD_HISTORY_DAMAGED};
    finding.table = (enum change_table)wire_u8(&r);
    finding.key = wire_take(&r, key.len < 9 ? 0 : key.len - 9);
    finding.version = wire_u64(&r);
    struct history_body body;
    bool holds = wire_done(&r) && history_decode(key, row, &body) == STATUS_OK;
    if (holds && body.kind == HISTORY_DAMAGED) {
        finding.flaw = RECORD_HISTORY_LOST;
        holds = false;
    } else if (holds && body.kind == HISTORY_ROW) {
        holds = is_sound(v, finding.table, finding.key, body.row);
    } else if (holds) {
        struct store_key mark_key;
        struct tombstone mark;
        keys_tombstone(finding.table, finding.key, &mark_key);
        holds = tombstone_decode(keys_bytes(&mark_key), body.row, &mark) == STATUS_OK;
    }
    if (!holds) {
        tell(v, &finding);
    }
}

static void check_mark(struct verify *v, struct bytes key, struct bytes row)
{
    struct tombstone mark;
    if (tombstone_decode(key, row, &mark) != STATUS_OK) {
        const struct record_finding finding = {
            RECORD_MARK_DAMAGED, key.len == 0 ? CHANGE_RECORD : (enum change_table)key.data[0],
            bytes_from(key, 1), 0};
        tell(v, &finding);
    }
}

static void tell_index(struct verify *v, struct bytes id)
{
    const struct record_finding finding = {RECORD_INDEX_WRONG, CHANGE_ENTERPRISE, id, 0};
    tell(v, &finding);
}

/* A damaged row was told of already. */
static void check_indexed(struct pass *pass, struct bytes key, struct bytes row)
{
    struct enterprise_row enterprise;
    if (enterprise_row_decode(key, row, &enterprise) == STATUS_OK &&
        !enterprise_index_has_row(snapshot_store(pass->snapshot), &enterprise)) {
        tell_index(pass->verify, key);
    }
}

static void check_index(struct pass *pass, struct bytes key, struct bytes id)
{
    if (!enterprise_index_is_right(snapshot_store(pass->snapshot), key, id)) {
        tell_index(pass->verify, id);
    }
}

static void check_row(struct pass *pass, struct bytes key, struct bytes row)
{
    struct verify *v = pass->verify;
    struct record_verify_report *report = v->report;
    switch (pass->phase) {
    case RECORD_VERIFY_RECORDS:
        report->records++;
        check_current(v, CHANGE_RECORD, key, row);
        break;
    case RECORD_VERIFY_HISTORY:
        report->history_rows++;
        check_history(v, key, row);
        break;
    case RECORD_VERIFY_MARKS:
        report->marks++;
        check_mark(v, key, row);
        break;
    case RECORD_VERIFY_PREFIXES:
        report->prefixes++;
        check_current(v, CHANGE_PREFIX, key, row);
        break;
    case RECORD_VERIFY_ENTERPRISES:
        report->enterprises++;
        check_current(v, CHANGE_ENTERPRISE, key, row);
        check_indexed(pass, key, row);
        break;
    case RECORD_VERIFY_INDEX:
        check_index(pass, key, row);
        break;
    case RECORD_VERIFY_APIKEYS:
        report->apikeys++;
        check_current(v, CHANGE_APIKEY, key, row);
        break;
    case RECORD_VERIFY_JOURNAL:
        break;
    }
}

/* --- passes ----------------------------------------------------------------------------------- */

/* A fresh transaction, the cursor on the first key behind the last one seen. */
static enum status renew(struct pass *pass, MDB_val *out_key, MDB_val *out_row)
{
    snapshot_rest(pass->snapshot);
    enum status status = snapshot_refresh(pass->snapshot);
    if (status != STATUS_OK) {
        return status;
    }
    struct store_txn *txn = snapshot_store(pass->snapshot);
    pass->total = store_entries(txn, pass->database);
    int error = mdb_cursor_renew(txn->mdb, pass->cursor);
    if (error == 0 && pass->last.len == 0) {
        error = mdb_cursor_get(pass->cursor, out_key, out_row, MDB_FIRST);
    } else if (error == 0) {
        *out_key = store_val(keys_bytes(&pass->last));
        error = mdb_cursor_get(pass->cursor, out_key, out_row, MDB_SET_RANGE);
        if (error == 0 && bytes_equal(store_bytes(out_key), keys_bytes(&pass->last))) {
            error = mdb_cursor_get(pass->cursor, out_key, out_row, MDB_NEXT);
        }
    }
    return store_status(error);
}

/* One transaction's rows. NOT_FOUND: that was the end. */
static enum status check_some(struct pass *pass)
{
    MDB_val key = {0};
    MDB_val row = {0};
    size_t bytes = 0;
    enum status status = renew(pass, &key, &row);
    for (int i = 0; status == STATUS_OK && i < RENEW_ROWS && bytes < RENEW_BYTES; i++) {
        if (key.mv_data == NULL || key.mv_size > sizeof(pass->last.data)) {
            return STATUS_CORRUPT;
        }
        memcpy(pass->last.data, key.mv_data, key.mv_size);
        pass->last.len = key.mv_size;
        bytes += row.mv_size;
        pass->done++;
        check_row(pass, store_bytes(&key), store_bytes(&row));
        status = store_status(mdb_cursor_get(pass->cursor, &key, &row, MDB_NEXT));
    }
    return status;
}

static enum status run_pass(struct verify *v, enum record_verify_phase phase,
                            enum store_database database)
{
    const struct record_verify_watch *watch = v->watch;
    struct pass pass = {.verify = v, .phase = phase, .database = database};
    enum status status = snapshot_new(v->registry, &pass.snapshot);
    if (status == STATUS_OK) {
        status = store_status(mdb_cursor_open(snapshot_store(pass.snapshot)->mdb,
                                              v->registry->databases[database], &pass.cursor));
    }
    while (status == STATUS_OK) {
        status = check_some(&pass);
        if (status == STATUS_OK && watch->progress != NULL &&
            !watch->progress(watch->context, phase, pass.done, pass.total)) {
            status = STATUS_PENDING;
        }
    }
    if (pass.cursor != NULL) {
        mdb_cursor_close(pass.cursor);
    }
    snapshot_free(pass.snapshot);
    if (status == STATUS_CORRUPT) {
        (void)snprintf(v->report->journal.reason, sizeof(v->report->journal.reason),
                       "table %s cannot be read to its end", keys_database_name(database));
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* --- journal and counters --------------------------------------------------------------------- */

/* Damage was found by the passes, with its row. */
static void verify_on_found(void *context, const struct journal_finding *finding)
{
    struct record_finding told = {RECORD_VERSION_MISSING, finding->table, finding->key,
                                  finding->version};
    if (finding->flaw == JOURNAL_BODY_DAMAGED) {
        return;
    }
    if (finding->flaw == JOURNAL_BODY_DIFFERS) {
        told.flaw = RECORD_VERSION_DIFFERS;
    }
    tell(context, &told);
}

static bool verify_on_progress(void *context, uint64_t position, uint64_t head)
{
    struct verify *v = context;
    return v->watch->progress == NULL ||
           v->watch->progress(v->watch->context, RECORD_VERIFY_JOURNAL, position, head);
}

static enum status verify_journal(struct verify *v)
{
    const struct journal_watch watch = {.progress = verify_on_progress,
                                        .found = verify_on_found,
                                        .context = v,
                                        .leaves_counters = true};
    return journal_verify_watched(v->registry, &watch, &v->report->journal);
}

static enum status compare_counters(struct verify *v)
{
    struct record_verify_report *report = v->report;
    struct recount_result result;
    enum status status = journal_recount(v->registry, &result);
    report->counters_compared = status == STATUS_OK || report->damaged == 0;
    report->counters_hold = status == STATUS_OK;
    if (status == STATUS_CORRUPT && report->damaged == 0) {
        (void)snprintf(report->journal.reason, sizeof(report->journal.reason), "%s", result.reason);
    }
    return status;
}

enum status record_verify(struct registry *registry, const struct record_verify_watch *watch,
                          struct record_verify_report *out_report)
{
    static const struct {
        enum record_verify_phase phase;
        enum store_database database;
    } passes[] = {
        {RECORD_VERIFY_RECORDS, STORE_RECORD},         {RECORD_VERIFY_HISTORY, STORE_HISTORY},
        {RECORD_VERIFY_MARKS, STORE_TOMBSTONE},        {RECORD_VERIFY_PREFIXES, STORE_PREFIX},
        {RECORD_VERIFY_ENTERPRISES, STORE_ENTERPRISE}, {RECORD_VERIFY_APIKEYS, STORE_APIKEY},
        {RECORD_VERIFY_INDEX, STORE_ENTERPRISE_INDEX},
    };
    *out_report = (struct record_verify_report){.records = 0};
    struct verify v = {registry, watch, out_report, arena_new(64u << 10, VALUES_MAX)};
    enum status status = v.arena == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < sizeof(passes) / sizeof(passes[0]); i++) {
        bool is_there = registry->databases[passes[i].database] != STORE_NO_DATABASE;
        status = is_there ? run_pass(&v, passes[i].phase, passes[i].database) : STATUS_OK;
    }
    arena_free(v.arena);
    if (status == STATUS_OK) {
        status = verify_journal(&v);
    }
    if (status == STATUS_OK) {
        status = compare_counters(&v);
    }
    return status == STATUS_OK && out_report->damaged > 0 ? STATUS_CORRUPT : status;
}
