/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes to a store through the committer as fast as it can, and says in the ledger what it asked
 * and what was acknowledged; made to be killed, recorded or failed at any moment.
 *
 *   crash_writer STORE LEDGER SEED SETS SESSIONS [refuses]
 *
 * SETS 0 writes until killed; else they are spread over SESSIONS, each opening the store anew.
 * With `refuses`, an acknowledgement after the first STORAGE_FAILED of a session is a defect.
 * Exits 0: all written; 3: a failure was met and told; 4: defect.
 *
 * Two threads: main builds, prepares and submits; the committer's calls on_done. Slots and the
 * figures are under `lock`.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "registry/committer.h"
#include "registry/journal.h"
#include "tests/crash/ledger.h"

#define SLOTS 6
#define EXIT_TOLD 3
#define EXIT_DEFECT 4
#define NOW_MS 1700000000000
#define MAP_BYTES (1ull << 30)

enum slot_state { SLOT_FREE, SLOT_BUSY, SLOT_CONFLICT };

struct writer;

struct slot {
    struct writer *writer;
    enum slot_state state;
    struct change_set *set;
    struct workload_set work;
};

struct writer {
    const char *store;
    uint64_t seed;
    uint64_t next_number;
    bool refuses;
    int ledger_fd;

    /* of a session */
    struct registry *registry;
    struct snapshot *snapshot;
    struct committer *committer;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct slot slots[SLOTS];
    size_t busy;
    bool has_failed; /* STORAGE_FAILED, in this session */
    bool was_told;   /* any failure of memory or storage */
    bool is_defect;
};

static bool is_trouble(enum status status)
{
    return status == STATUS_STORAGE_FAILED || status == STATUS_STORAGE_FULL ||
           status == STATUS_NO_MEMORY || status == STATUS_SYSTEM || status == STATUS_ERROR ||
           status == STATUS_SERVER_BUSY || status == STATUS_CORRUPT;
}

static void put_mark(struct writer *writer, const struct mark *mark)
{
    if (!ledger_write(writer->ledger_fd, mark)) {
        (void)fprintf(stderr, "the ledger cannot be written\n");
        _exit(EXIT_TOLD);
    }
}

static void mark_opened(struct writer *writer, uint64_t head)
{
    const struct mark mark = {
        .magic = LEDGER_MAGIC, .kind = MARK_OPENED, .seed = writer->seed, .position = head};
    put_mark(writer, &mark);
}

static void mark_outcome(struct writer *writer, const struct slot *slot, enum status status)
{
    struct mark mark = {
        .magic = LEDGER_MAGIC,
        .kind = status == STATUS_OK ? MARK_ACKNOWLEDGED : MARK_REFUSED,
        .seed = writer->seed,
        .number = slot->work.number,
        .status = status,
    };
    for (size_t i = 0; i < slot->work.count && status == STATUS_OK; i++) {
        enum status of_item = change_set_item_status(slot->set, i);
        if (of_item == STATUS_OK) {
            mark.applied = (uint16_t)(mark.applied | 1u << i);
            mark.versions[i] = change_set_item_version(slot->set, i);
        } else if (is_trouble(of_item) || of_item == STATUS_NOT_RESPONSIBLE) {
            mark.hindered = (uint16_t)(mark.hindered | 1u << i);
            writer->was_told = true;
        }
    }
    put_mark(writer, &mark);
}

/* The set's outcome is final: tell it and free the slot. Under lock. */
static void finish(struct slot *slot, enum status status)
{
    struct writer *writer = slot->writer;
    mark_outcome(writer, slot, status);
    if (status == STATUS_OK && writer->has_failed && writer->refuses) {
        (void)fprintf(stderr, "set %lu was acknowledged after a failed write\n",
                      (unsigned long)slot->work.number);
        writer->is_defect = true;
    }
    writer->has_failed |= status == STATUS_STORAGE_FAILED;
    writer->was_told |= is_trouble(status);
    change_set_free(slot->set);
    slot->set = NULL;
    slot->state = SLOT_FREE;
    writer->busy--;
}

static void on_done(struct change_set *set, void *context)
{
    struct slot *slot = context;
    struct writer *writer = slot->writer;
    enum status status = change_set_status(set);
    (void)pthread_mutex_lock(&writer->lock);
    if (status == STATUS_CONFLICT) {
        slot->state = SLOT_CONFLICT;
    } else {
        finish(slot, status);
    }
    (void)pthread_cond_signal(&writer->changed);
    (void)pthread_mutex_unlock(&writer->lock);
}

/* Prepares and hands over; on failure tells it. Not under lock. */
static void submit(struct slot *slot)
{
    struct writer *writer = slot->writer;
    enum status status = snapshot_refresh(writer->snapshot);
    if (status == STATUS_OK) {
        status = change_set_prepare(slot->set, writer->snapshot, NOW_MS);
    }
    if (status == STATUS_OK) {
        status = committer_submit(writer->committer, slot->set, on_done, slot);
    }
    if (status != STATUS_OK) {
        (void)pthread_mutex_lock(&writer->lock);
        finish(slot, status);
        (void)pthread_mutex_unlock(&writer->lock);
    }
}

static void start(struct slot *slot, uint64_t number)
{
    struct writer *writer = slot->writer;
    workload_make(writer->seed, number, &slot->work);
    slot->set = workload_build(&slot->work);
    if (slot->set == NULL) {
        writer->was_told = true;
        return;
    }
    const struct mark mark = {
        .magic = LEDGER_MAGIC, .kind = MARK_SUBMITTED, .seed = writer->seed, .number = number};
    put_mark(writer, &mark);
    (void)pthread_mutex_lock(&writer->lock);
    slot->state = SLOT_BUSY;
    writer->busy++;
    (void)pthread_mutex_unlock(&writer->lock);
    submit(slot);
}

/* Waits for a slot that is free or must be tried again; NULL when none is busy and only busy ones
 * were asked for. */
static struct slot *wait_for_slot(struct writer *writer, bool takes_free)
{
    struct slot *found = NULL;
    (void)pthread_mutex_lock(&writer->lock);
    while (found == NULL && (takes_free || writer->busy > 0)) {
        for (size_t i = 0; i < SLOTS && found == NULL; i++) {
            enum slot_state state = writer->slots[i].state;
            if (state == SLOT_CONFLICT || (takes_free && state == SLOT_FREE)) {
                found = &writer->slots[i];
            }
        }
        if (found == NULL) {
            (void)pthread_cond_wait(&writer->changed, &writer->lock);
        }
    }
    (void)pthread_mutex_unlock(&writer->lock);
    return found;
}

static void resubmit(struct slot *slot)
{
    (void)pthread_mutex_lock(&slot->writer->lock);
    slot->state = SLOT_BUSY;
    (void)pthread_mutex_unlock(&slot->writer->lock);
    submit(slot);
}

static void write_sets(struct writer *writer, uint64_t sets)
{
    for (uint64_t i = 0; sets == 0 || i < sets;) {
        struct slot *slot = wait_for_slot(writer, true);
        if (slot->state == SLOT_CONFLICT) {
            resubmit(slot);
            continue;
        }
        start(slot, writer->next_number++);
        i++;
    }
    struct slot *slot;
    while ((slot = wait_for_slot(writer, false)) != NULL) {
        resubmit(slot);
    }
}

/* Set 0, again when an earlier writer died before it was stored. */
static void home_prefixes(struct writer *writer)
{
    struct prefix_row row;
    if (registry_get_prefix(writer->snapshot, workload_prefix(0), &row) != STATUS_NOT_FOUND) {
        return;
    }
    start(&writer->slots[0], 0);
    struct slot *slot;
    while ((slot = wait_for_slot(writer, false)) != NULL) {
        resubmit(slot);
    }
}

static enum status open_store(struct writer *writer, struct fault *fault)
{
    const struct registry_options options = {
        .path = writer->store,
        .map_bytes = MAP_BYTES,
        .may_create = true,
        .commitment_key = workload_commitment_key(),
    };
    const struct committer_options queue = {SLOTS, 64u << 20};
    struct registry_figures figures = {0};
    enum status status = registry_open(&options, &writer->registry, fault);
    if (status == STATUS_OK) {
        status = registry_figures(writer->registry, &figures);
    }
    if (status == STATUS_OK) {
        status = snapshot_new(writer->registry, &writer->snapshot);
    }
    if (status == STATUS_OK) {
        status = committer_start(writer->registry, &queue, &writer->committer);
    }
    if (status == STATUS_OK) {
        mark_opened(writer, figures.journal_head);
    }
    return status;
}

static void close_store(struct writer *writer)
{
    committer_stop(writer->committer);
    snapshot_free(writer->snapshot);
    registry_close(writer->registry);
    writer->committer = NULL;
    writer->snapshot = NULL;
    writer->registry = NULL;
}

static bool run_session(struct writer *writer, uint64_t sets)
{
    struct fault fault = {0};
    writer->has_failed = false;
    enum status status = open_store(writer, &fault);
    if (status == STATUS_OK) {
        home_prefixes(writer);
        write_sets(writer, sets);
    } else {
        (void)fprintf(stderr, "%s: %s\n", status_name(status), fault.text);
        writer->was_told = true;
    }
    close_store(writer);
    return status == STATUS_OK;
}

/* The number behind the last one any writer used. */
static bool find_next_number(struct writer *writer, const char *ledger)
{
    struct mark *marks = NULL;
    size_t count = 0;
    writer->next_number = 1;
    if (access(ledger, F_OK) != 0) {
        return true;
    }
    if (!ledger_read(ledger, &marks, &count)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (marks[i].number >= writer->next_number) {
            writer->next_number = marks[i].number + 1;
        }
    }
    free(marks);
    return true;
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        (void)fprintf(stderr, "crash_writer STORE LEDGER SEED SETS SESSIONS [refuses]\n");
        return 2;
    }
    struct writer writer = {
        .store = argv[1],
        .seed = strtoull(argv[3], NULL, 10),
        .refuses = argc > 6,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
    };
    uint64_t sets = strtoull(argv[4], NULL, 10);
    uint64_t sessions = strtoull(argv[5], NULL, 10);
    for (size_t i = 0; i < SLOTS; i++) {
        writer.slots[i].writer = &writer;
    }
    bool is_ready = find_next_number(&writer, argv[2]);
    writer.ledger_fd = ledger_open(argv[2]);
    if (!is_ready || writer.ledger_fd < 0) {
        (void)fprintf(stderr, "%s: cannot open the ledger\n", argv[2]);
        return EXIT_TOLD;
    }
    for (uint64_t i = 0; i < sessions; i++) {
        (void)run_session(&writer, sets / sessions);
    }
    (void)close(writer.ledger_fd);
    return writer.is_defect ? EXIT_DEFECT : writer.was_told ? EXIT_TOLD : 0;
}
