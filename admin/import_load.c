/* SPDX-License-Identifier: Apache-2.0
 *
 * Sets of records under way (import_load.h).
 */
#include "admin/import_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "admin/import_seen.h"
#include "admin/import_stored.h"
#include "admin/writer.h"

#define BATCH_RECORDS 1000
#define BATCH_BYTES (4u << 20)
#define BATCH_COUNT 10 /* the writer's window of 8, one being filled, one spare */
#define BATCH_ARENA_MAX (16u << 20)
#define SEEN_BYTES (64u << 20)

#define REASON_MAX 512 /* a fault's text and a status's meaning */

/* Was the handle in an earlier row? */
enum met {
    MET_NEVER,
    MET_BEFORE, /* in one that the run before this one did */
    MET_AGAIN,
};

struct batch_row {
    uint64_t line;
    enum met met;
    struct bytes handle;
    struct bytes original;
};

struct batch {
    bool is_out;            /* given to the writer, outcome not known */
    struct change_set *set; /* while it is filled */
    struct arena *arena;
    size_t original_bytes;
    uint64_t first_place;
    size_t count;
    struct batch_row rows[BATCH_RECORDS];
};

struct import_load {
    bool creates_only;
    bool is_chinese; /* reasons are for people */
    const char *file;
    struct reject *reject;
    bool is_adjacent;
    uint64_t skip_line;        /* an earlier run did the current file's rows up to here */
    uint64_t resumed_position; /* of the journal then; 0: there was no earlier run */
    enum met met;              /* of the row being put */
    uint64_t first_position;   /* of the journal when the first run began */
    uint64_t place_base;       /* places of earlier files end here; place = base + line */
    uint64_t last_place;
    struct writer *writer;
    struct import_stored *stored;
    struct import_seen *seen;
    struct import_notes notes;
    struct import_figures figures;
    enum status failure; /* first reason to stop met in a callback */
    struct fault fault;
    struct batch *filling;
    struct batch *batches[BATCH_COUNT];
};

static int64_t wall_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- outcomes --------------------------------------------------------------------------------- */

static void fail(struct import_load *load, enum status status, const struct fault *fault)
{
    if (load->failure == STATUS_OK) {
        load->failure = fault_set(&load->fault, status, "%s", fault == NULL ? "" : fault->text);
    }
}

static enum status failure(const struct import_load *load, struct fault *fault)
{
    return load->failure == STATUS_OK ? STATUS_OK
                                      : fault_set(fault, load->failure, "%s", load->fault.text);
}

static void keep_example(struct import_load *load, uint64_t line, struct bytes handle,
                         const char *reason)
{
    struct import_figures *figures = &load->figures;
    if (figures->example_count == IMPORT_EXAMPLES_MAX) {
        return;
    }
    (void)snprintf(figures->examples[figures->example_count++], sizeof figures->examples[0],
                   load->is_chinese ? "%s：第 %llu 行：%.*s%s%s" : "%s: line %llu: %.*s%s%s",
                   load->file, (unsigned long long)line, (int)(handle.len < 60 ? handle.len : 60),
                   (const char *)handle.data, handle.len > 0 ? ": " : "", reason);
}

/* `detail` says more than the code does, or "". */
static enum status reject_row(struct import_load *load, const struct import_row *row,
                              enum status code, const char *detail, struct fault *fault)
{
    char reason[REASON_MAX];
    const char *meaning = load->is_chinese ? status_chinese(code) : status_english(code);
    if (detail[0] != '\0' && load->is_chinese) {
        (void)snprintf(reason, sizeof reason, "%s（%s）", meaning, detail);
    } else {
        (void)snprintf(reason, sizeof reason, "%s", detail[0] != '\0' ? detail : meaning);
    }
    struct reject_row rejected = {load->file, row->line, row->column,  row->record.handle,
                                  code,       reason,    row->original};
    load->figures.rejected++;
    load->figures.over_quota += code == STATUS_QUOTA_EXCEEDED || code == STATUS_PREFIX_LIMIT;
    keep_example(load, row->line, row->record.handle, reason);
    return reject_add(load->reject, &rejected, fault);
}

/* Did the run that was cut off store this record, behind what it noted? Then finding it there is
 * what storing it would have been. */
static bool find_done_before(struct import_load *load, const struct batch_row *row,
                             enum status status, uint64_t *out_version)
{
    bool is_there =
        status == STATUS_UNCHANGED || (load->creates_only && status == STATUS_HANDLE_EXISTS);
    if (load->resumed_position == 0 || row->met == MET_AGAIN || !is_there) {
        return false;
    }
    /* What a client sent is stored although it was killed, and perhaps after its successor began.
     */
    uint64_t behind = row->met == MET_NEVER ? load->first_position : load->resumed_position;
    struct import_stored_row stored;
    bool is_done =
        import_stored_find(load->stored, row->handle, &stored) && stored.position > behind;
    *out_version = is_done ? stored.version : *out_version;
    return is_done;
}

static void settle_row(struct import_load *load, const struct batch_row *row, enum status status,
                       uint64_t version)
{
    if (find_done_before(load, row, status, &version)) {
        status = STATUS_OK;
    }
    if (status == STATUS_UNCHANGED) {
        load->figures.unchanged++;
        return;
    }
    if (status == STATUS_OK) {
        if (import_stored_is_created(load->stored, row->handle, version)) {
            load->figures.created++;
        } else {
            load->figures.replaced++;
        }
        return;
    }
    struct import_row rejected = {
        .line = row->line, .original = row->original, .record.handle = row->handle};
    struct fault fault;
    enum status written = reject_row(load, &rejected, status, "", &fault);
    if (written != STATUS_OK) {
        fail(load, written, &fault);
    }
}

/* A whole set fails because of itself (then its rows were not taken) or because nothing can be
 * written any more (then the run stops). */
static bool stops_the_run(enum status status)
{
    switch (status) {
    case STATUS_STORAGE_FULL:
    case STATUS_STORAGE_FAILED:
    case STATUS_READ_ONLY:
    case STATUS_CORRUPT:
    case STATUS_CLOSED:
    case STATUS_NO_MEMORY:
    case STATUS_SERVER_BACKUP:
        return true;
    default:
        return false;
    }
}

static void batch_clear(struct batch *batch)
{
    change_set_free(batch->set);
    batch->set = NULL;
    batch->is_out = false;
    batch->count = 0;
    batch->original_bytes = 0;
    arena_reset(batch->arena);
}

static void load_on_done(void *context, uint64_t tag, enum status status,
                         const struct writer_item *items, size_t count)
{
    struct import_load *load = context;
    struct batch *batch = load->batches[tag];
    if (stops_the_run(status)) {
        fail(load, status, NULL);
        return; /* it stays outstanding: where to go on from */
    }
    for (size_t i = 0; i < batch->count; i++) {
        bool has_outcome = i < count && (status == STATUS_OK || items[i].status != STATUS_OK);
        settle_row(load, &batch->rows[i], has_outcome ? items[i].status : status,
                   has_outcome ? items[i].version : 0);
    }
    batch_clear(batch);
}

/* --- sending ---------------------------------------------------------------------------------- */

static enum status send(struct import_load *load, struct fault *fault)
{
    struct batch *batch = load->filling;
    load->filling = NULL;
    if (batch == NULL) {
        return STATUS_OK;
    }
    if (batch->count == 0) {
        batch_clear(batch);
        return STATUS_OK;
    }
    uint64_t tag = 0;
    while (load->batches[tag] != batch) {
        tag++;
    }
    struct change_set *set = batch->set;
    batch->set = NULL;
    batch->is_out = true;
    enum status status = writer_submit(load->writer, set, tag, fault);
    return status != STATUS_OK ? status : failure(load, fault);
}

static enum status wait_for_all(struct import_load *load, struct fault *fault)
{
    enum status status = writer_flush(load->writer, fault);
    return status != STATUS_OK ? status : failure(load, fault);
}

enum status import_load_flush(struct import_load *load, struct fault *fault)
{
    enum status status = failure(load, fault);
    if (status == STATUS_OK) {
        status = send(load, fault);
    }
    return status == STATUS_OK ? wait_for_all(load, fault) : status;
}

static struct batch *batch_new(void)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch != NULL) {
        batch->arena = arena_new(1u << 20, BATCH_ARENA_MAX);
        if (batch->arena == NULL) {
            free(batch);
            return NULL;
        }
    }
    return batch;
}

static struct batch *idle_batch(struct import_load *load)
{
    for (size_t i = 0; i < BATCH_COUNT; i++) {
        if (load->batches[i] == NULL) {
            load->batches[i] = batch_new();
        }
        if (load->batches[i] == NULL || !load->batches[i]->is_out) {
            return load->batches[i];
        }
    }
    return NULL;
}

/* A batch to fill: the one begun, or an idle one, waiting for outcomes when there is none. */
static enum status batch_ready(struct import_load *load, uint64_t place, struct fault *fault)
{
    if (load->filling != NULL) {
        return STATUS_OK;
    }
    struct batch *batch = idle_batch(load);
    if (batch == NULL) {
        enum status status = wait_for_all(load, fault);
        if (status != STATUS_OK) {
            return status;
        }
        batch = idle_batch(load);
    }
    if (batch == NULL) {
        return STATUS_NO_MEMORY;
    }
    batch->set =
        change_set_new(CHANGE_PER_ITEM, writer_actor(load->writer), BYTES_LITERAL("import"));
    batch->first_place = place;
    load->filling = batch;
    return batch->set == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

/* --- handles met before ----------------------------------------------------------------------- */

/* Is the record met at `place` perhaps in a set whose outcome is not known? */
static bool is_under_way(const struct import_load *load, uint64_t place)
{
    for (size_t i = 0; i < BATCH_COUNT; i++) {
        const struct batch *batch = load->batches[i];
        if (batch != NULL && (batch->is_out || batch == load->filling) &&
            place >= batch->first_place) {
            return true;
        }
    }
    return false;
}

/* A handle met again: within a CSV file its rows were not adjacent, so the record would lose
 * values; otherwise the last record stands, and it must not overtake the earlier one. */
static enum status repeated(struct import_load *load, const struct import_row *row,
                            uint64_t earlier, bool *out_is_refused, struct fault *fault)
{
    *out_is_refused = load->is_adjacent && earlier > load->place_base;
    if (*out_is_refused) {
        char reason[120];
        (void)snprintf(reason, sizeof reason,
                       "rows of one handle must be adjacent: it was met at line %llu, too",
                       (unsigned long long)(earlier - load->place_base));
        return reject_row(load, row, STATUS_HANDLE_EXISTS, reason, fault);
    }
    import_notes_add(&load->notes, IMPORT_NOTE_REPEATED, row->line, row->record.handle, 0);
    return is_under_way(load, earlier) ? import_load_flush(load, fault) : STATUS_OK;
}

static enum status check_repeated(struct import_load *load, const struct import_row *row,
                                  bool *out_is_refused, struct fault *fault)
{
    uint8_t folded[HANDLE_MAX];
    struct bytes handle = row->record.handle;
    *out_is_refused = false;
    load->met = MET_NEVER;
    if (handle.len > sizeof folded) {
        return STATUS_OK; /* refused for its length when it is put */
    }
    uint64_t earlier = import_seen_add(
        load->seen, handle_fold(handle, import_stored_rule(load->stored, handle), folded),
        load->last_place);
    if (earlier > 0) {
        load->met = earlier > load->place_base + load->skip_line ? MET_AGAIN : MET_BEFORE;
    }
    if (earlier == 0 || row->line <= load->skip_line) {
        return STATUS_OK;
    }
    return repeated(load, row, earlier, out_is_refused, fault);
}

/* --- taking records --------------------------------------------------------------------------- */

static enum status keep_row(struct batch *batch, const struct import_row *row, enum met met)
{
    struct bytes handle = arena_copy(batch->arena, row->record.handle);
    struct bytes original = arena_copy(batch->arena, row->original);
    if ((handle.data == NULL && handle.len > 0) || (original.data == NULL && original.len > 0)) {
        return STATUS_NO_MEMORY;
    }
    batch->rows[batch->count++] = (struct batch_row){row->line, met, handle, original};
    batch->original_bytes += original.len;
    return STATUS_OK;
}

static bool is_full(const struct batch *batch)
{
    return batch->count == BATCH_RECORDS || batch->original_bytes >= BATCH_BYTES ||
           change_set_bytes(batch->set) >= BATCH_BYTES;
}

static enum status put_once(struct import_load *load, const struct import_row *row,
                            enum status *out_judged, struct fault *reason)
{
    enum status status = batch_ready(load, load->last_place, reason);
    if (status == STATUS_OK) {
        *out_judged =
            change_set_put_record(load->filling->set, &row->record,
                                  load->creates_only ? CHANGE_CREATE : CHANGE_REPLACE, reason);
    }
    return status;
}

/* NO_ROOM and HANDLE_EXISTS are about the set: another one takes the record. */
static enum status put(struct import_load *load, const struct import_row *row, struct fault *fault)
{
    struct fault reason = {STATUS_OK, ""};
    enum status judged = STATUS_OK;
    enum status status = put_once(load, row, &judged, &reason);
    if (status == STATUS_OK && (judged == STATUS_NO_ROOM || judged == STATUS_HANDLE_EXISTS) &&
        load->filling->count > 0) {
        status = import_load_flush(load, fault);
        if (status != STATUS_OK) {
            return status;
        }
        status = put_once(load, row, &judged, &reason);
    }
    if (status != STATUS_OK) {
        return fault_set(fault, status, "%s", reason.text);
    }
    if (judged == STATUS_NO_MEMORY) {
        return judged;
    }
    if (judged != STATUS_OK) {
        return reject_row(load, row, judged, reason.text, fault);
    }
    import_notes_look(&load->notes, &row->record, row->line);
    status = keep_row(load->filling, row, load->met);
    if (status == STATUS_OK && is_full(load->filling)) {
        status = send(load, fault);
    }
    return status;
}

enum status import_load_put(struct import_load *load, const struct import_row *row,
                            struct fault *fault)
{
    bool is_refused = false;
    bool is_done = row->line <= load->skip_line;
    load->figures.read += !is_done;
    load->last_place = load->place_base + row->line;
    enum status status = check_repeated(load, row, &is_refused, fault);
    if (status != STATUS_OK || is_refused || is_done) {
        return status;
    }
    return put(load, row, fault);
}

enum status import_load_refuse(struct import_load *load, const struct import_row *row,
                               enum status code, const char *reason, struct fault *fault)
{
    if (row->line <= load->skip_line) {
        return STATUS_OK;
    }
    load->figures.read++;
    load->last_place = load->place_base + row->line;
    return reject_row(load, row, code, reason, fault);
}

/* --- opening and looking ---------------------------------------------------------------------- */

static enum status open_store(struct command_call *call, struct import_load *load, uint64_t bytes,
                              struct fault *fault)
{
    const struct writer_load how = {bytes, load_on_done, load};
    enum status status = writer_open_load(call, &how, &load->writer, fault);
    if (status != STATUS_OK) {
        return status;
    }
    struct registry *registry = writer_registry(load->writer);
    if (registry == NULL) {
        return fault_set(fault, STATUS_SYSTEM, "the store cannot be read beside the daemon");
    }
    status = import_stored_new(registry, &load->stored);
    uint8_t chain[JOURNAL_HASH_LEN];
    return status == STATUS_OK ? import_stored_head(load->stored, &load->first_position, chain)
                               : status;
}

enum status import_load_open(struct command_call *call, bool creates_only, uint64_t bytes,
                             struct import_load **out_load, struct fault *fault)
{
    struct import_load *load = calloc(1, sizeof *load);
    if (load == NULL) {
        return STATUS_NO_MEMORY;
    }
    load->creates_only = creates_only;
    load->is_chinese = call->is_chinese;
    load->notes.is_chinese = call->is_chinese;
    load->notes.now_s = wall_ms() / 1000;
    load->file = "";
    load->seen = import_seen_new(SEEN_BYTES);
    enum status status =
        load->seen == NULL ? STATUS_NO_MEMORY : open_store(call, load, bytes, fault);
    if (status != STATUS_OK) {
        import_load_close(load);
        return status;
    }
    *out_load = load;
    return STATUS_OK;
}

void import_load_close(struct import_load *load)
{
    if (load == NULL) {
        return;
    }
    import_stored_free(load->stored);
    writer_close(load->writer);
    import_seen_free(load->seen);
    for (size_t i = 0; i < BATCH_COUNT; i++) {
        if (load->batches[i] != NULL) {
            change_set_free(load->batches[i]->set);
            arena_free(load->batches[i]->arena);
            free(load->batches[i]);
        }
    }
    free(load);
}

void import_load_file(struct import_load *load, const char *name, struct reject *reject,
                      bool is_adjacent)
{
    load->file = name;
    load->reject = reject;
    load->is_adjacent = is_adjacent;
    load->place_base = load->last_place;
    load->skip_line = 0;
}

/* --- going on where another run ended --------------------------------------------------------- */

enum status import_load_state(struct import_load *load, struct import_state *out_state,
                              struct fault *fault)
{
    enum status status = import_load_flush(load, fault);
    if (status == STATUS_OK) {
        status = import_stored_head(load->stored, &out_state->position, out_state->chain);
    }
    if (status != STATUS_OK) {
        return status;
    }
    out_state->figures = load->figures;
    out_state->first_position = load->first_position;
    memcpy(out_state->note_counts, load->notes.counts, sizeof load->notes.counts);
    memcpy(out_state->note_examples, load->notes.examples, sizeof load->notes.examples);
    return STATUS_OK;
}

enum status import_load_go_on(struct import_load *load, const struct import_state *state,
                              uint64_t line, struct fault *fault)
{
    if (!import_stored_has(load->stored, state->position, state->chain)) {
        return fault_set(fault, STATUS_NOT_SUPPORTED,
                         "the first run went into another store, or this one was restored since: "
                         "import without --resume");
    }
    load->figures = state->figures;
    memcpy(load->notes.counts, state->note_counts, sizeof load->notes.counts);
    memcpy(load->notes.examples, state->note_examples, sizeof load->notes.examples);
    load->first_position = state->first_position;
    load->resumed_position = state->position;
    load->skip_line = line;
    return STATUS_OK;
}

uint64_t import_load_last_line(const struct import_load *load)
{
    return load->last_place - load->place_base;
}

bool import_load_is_beside(const struct import_load *load)
{
    return writer_is_loading(load->writer);
}

enum status import_load_finish(struct import_load *load, struct fault *fault)
{
    return writer_finish_load(load->writer, fault);
}

uint64_t import_load_open_line(const struct import_load *load)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < BATCH_COUNT; i++) {
        const struct batch *batch = load->batches[i];
        if (batch != NULL && (batch->is_out || (batch == load->filling && batch->count > 0)) &&
            batch->first_place < first) {
            first = batch->first_place;
        }
    }
    return first == UINT64_MAX ? 0 : first - load->place_base;
}

const struct import_figures *import_load_figures(const struct import_load *load)
{
    return &load->figures;
}

const struct import_notes *import_load_notes(const struct import_load *load)
{
    return &load->notes;
}
