/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes of one command: over the control socket, or with a committer of its own (writer.h).
 *
 * Everything happens on the caller's thread, except preparing (writer_prepare.h) and what is called
 * from there and from the committer's thread, which only posts to a list under `lock`.
 */
#include "admin/writer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "admin/control.h"
#include "admin/directory.h"
#include "admin/writer_prepare.h"
#include "registry/committer.h"
#include "registry/load_file.h"

#define WINDOW 8
#define ATTEMPTS 3

/* Less is written in place: exchanging the store costs a few waits for the disk. */
#define LOAD_FROM_BYTES (1u << 20)
/* A store is copied when that is little beside reading the input. */
#define LOAD_COPY_SHARE 4
#define LOAD_COPY_UNKNOWN (16u << 20)

/* A set on its way through our own committer. */
struct writer_set {
    struct writer_prepare_set preparing;
    struct writer *writer;
    struct change_set *set;
    uint64_t tag;
    unsigned attempts;
    enum status failure; /* before it came to the committer */
    struct writer_set *next;
};

/* writer_write's outcome. */
struct capture {
    bool is_done;
    enum status status;
};

struct writer {
    writer_done *done;
    void *context;
    struct capture *capture;
    const char *directory; /* of the call's arena */
    struct arena *arena;
    char actor[80];
    size_t outstanding;
    struct writer_item *items; /* CHANGE_SET_ITEMS_MAX */

    struct control_client *client; /* NULL: directly */
    struct registry *registry;
    struct snapshot *snapshot;      /* dry */
    struct writer_prepare *prepare; /* directly, like the committer */
    struct committer *committer;
    struct load_file *load; /* NULL unless `registry` is a new store beside `store` */
    struct registry *store;
    bool is_loaded;

    pthread_mutex_t lock;
    pthread_cond_t has_arrived;
    struct writer_set *arrived;
};

static int64_t wall_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- telling the outcome ---------------------------------------------------------------------- */

static enum status first_failure(enum status status, const struct writer_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i].status != STATUS_OK && items[i].status != STATUS_UNCHANGED) {
            return items[i].status;
        }
    }
    return status == STATUS_UNCHANGED ? STATUS_OK : status;
}

/* A set that failed for a reason of its own leaves its items waiting: they failed for that, too. */
static void settle_waiting(enum status status, struct writer_item *items, size_t count)
{
    bool is_of_set = status != STATUS_OK;
    for (size_t i = 0; i < count; i++) {
        is_of_set = is_of_set && items[i].status == STATUS_PENDING;
    }
    for (size_t i = 0; is_of_set && i < count; i++) {
        items[i].status = status;
    }
}

static void deliver(struct writer *writer, uint64_t tag, enum status status, size_t count)
{
    settle_waiting(status, writer->items, count);
    if (writer->capture != NULL) {
        writer->capture->is_done = true;
        writer->capture->status = first_failure(status, writer->items, count);
        return;
    }
    writer->done(writer->context, tag, status, writer->items, count);
}

static void deliver_set(struct writer *writer, uint64_t tag, enum status status,
                        struct change_set *set)
{
    size_t count = change_set_count(set);
    for (size_t i = 0; i < count; i++) {
        writer->items[i].status = change_set_item_status(set, i);
        writer->items[i].version = change_set_item_version(set, i);
    }
    change_set_free(set);
    deliver(writer, tag, status == STATUS_CONFLICT ? STATUS_SERVER_BUSY : status, count);
}

/* --- directly --------------------------------------------------------------------------------- */

static void post(struct writer_set *one)
{
    struct writer *writer = one->writer;
    (void)pthread_mutex_lock(&writer->lock);
    struct writer_set **end = &writer->arrived;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    one->next = NULL;
    *end = one;
    (void)pthread_cond_signal(&writer->has_arrived);
    (void)pthread_mutex_unlock(&writer->lock);
}

static void writer_on_committed(struct change_set *set, void *context)
{
    (void)set;
    post(context);
}

static void writer_on_failed(void *context, enum status status)
{
    struct writer_set *one = context;
    one->failure = status;
    post(one);
}

static struct writer_set *take_arrived(struct writer *writer, bool may_wait)
{
    (void)pthread_mutex_lock(&writer->lock);
    while (may_wait && writer->arrived == NULL) {
        (void)pthread_cond_wait(&writer->has_arrived, &writer->lock);
    }
    struct writer_set *one = writer->arrived;
    if (one != NULL) {
        writer->arrived = one->next;
    }
    (void)pthread_mutex_unlock(&writer->lock);
    return one;
}

static enum status prepare(struct writer *writer, struct change_set *set)
{
    enum status status = snapshot_refresh(writer->snapshot);
    if (status == STATUS_OK) {
        status = change_set_prepare(set, writer->snapshot, wall_ms());
    }
    snapshot_rest(writer->snapshot);
    return status;
}

static void settle(struct writer_set *one, enum status status)
{
    struct writer *writer = one->writer;
    writer->outstanding--;
    deliver_set(writer, one->tag, status, one->set);
    free(one);
}

static void offer(struct writer_set *one)
{
    one->preparing = (struct writer_prepare_set){
        .set = one->set,
        .done = writer_on_committed,
        .failed = writer_on_failed,
        .context = one,
    };
    writer_prepare_give(one->writer->prepare, &one->preparing);
}

static void arrive(struct writer_set *one)
{
    enum status status = one->failure != STATUS_OK ? one->failure : change_set_status(one->set);
    if (status == STATUS_CONFLICT && ++one->attempts < ATTEMPTS) {
        one->failure = STATUS_OK;
        offer(one);
    } else {
        settle(one, status);
    }
}

static enum status submit_directly(struct writer *writer, struct change_set *set, uint64_t tag)
{
    struct writer_set *one = calloc(1, sizeof(*one));
    if (one == NULL) {
        change_set_free(set);
        return STATUS_NO_MEMORY;
    }
    *one = (struct writer_set){.writer = writer, .set = set, .tag = tag};
    writer->outstanding++;
    offer(one);
    return STATUS_OK;
}

/* --- through the daemon ----------------------------------------------------------------------- */

static enum status submit_to_daemon(struct writer *writer, struct change_set *set, uint64_t tag,
                                    struct fault *fault)
{
    size_t size = change_set_encoded_len(set) + 8;
    uint8_t *frame = malloc(size);
    if (frame == NULL) {
        change_set_free(set);
        return fault_set(fault, STATUS_NO_MEMORY, "%s", "");
    }
    struct wire_writer w = wire_write(frame, size);
    wire_put_u64(&w, tag);
    enum status status = change_set_encode(set, &w);
    if (status == STATUS_OK) {
        status = control_send(writer->client, CONTROL_CHANGE_SET, wire_wrote(&w));
    }
    if (status == STATUS_OK) {
        writer->outstanding++;
    }
    free(frame);
    change_set_free(set);
    return status == STATUS_OK ? STATUS_OK : fault_set(fault, status, "%s", "");
}

static enum status read_outcome(struct writer *writer, struct bytes payload)
{
    struct wire_reader r = wire_read(payload);
    uint64_t tag = wire_u64(&r);
    enum status status = control_status_of_name(wire_bytes(&r));
    uint32_t count = wire_count(&r, 12);
    if (count > CHANGE_SET_ITEMS_MAX) {
        return STATUS_PROTOCOL_ERROR;
    }
    for (uint32_t i = 0; i < count; i++) {
        writer->items[i].status = control_status_of_name(wire_bytes(&r));
        writer->items[i].version = wire_u64(&r);
    }
    if (!wire_done(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    writer->outstanding--;
    if (count == 0 && status != STATUS_OK && writer->capture == NULL) {
        return status; /* the set was not even read: no item will tell */
    }
    deliver(writer, tag, status, count);
    return STATUS_OK;
}

/* PENDING: nothing was there and waiting was not allowed. */
static enum status receive_outcome(struct writer *writer, bool may_wait, struct fault *fault)
{
    enum control_kind kind = CONTROL_PROBLEM;
    struct bytes payload = BYTES_NONE;
    enum status status = control_receive(writer->client, may_wait ? -1 : 0, &kind, &payload);
    if (status == STATUS_OK) {
        status = kind == CONTROL_OUTCOME ? read_outcome(writer, payload) : STATUS_PROTOCOL_ERROR;
    }
    return status == STATUS_OK || status == STATUS_PENDING ? status
                                                           : fault_set(fault, status, "%s", "");
}

/* --- public ----------------------------------------------------------------------------------- */

static enum status open_daemon(struct writer *writer)
{
    const char *path = directory_path(writer->arena, writer->directory, "run/control.sock");
    return path == NULL ? STATUS_NO_MEMORY : control_connect(path, &writer->client);
}

static enum status start_committing(struct writer *writer)
{
    const struct committer_options options = {
        .queue_sets = (size_t)2 * WINDOW,
        .queue_bytes = (size_t)4 * WINDOW * CHANGE_SET_BYTES_MAX,
    };
    enum status status = committer_start(writer->registry, &options, &writer->committer);
    return status == STATUS_OK
               ? writer_prepare_start(writer->registry, writer->committer, &writer->prepare)
               : status;
}

static enum status open_snapshot(struct writer *writer)
{
    enum status status = snapshot_new(writer->registry, &writer->snapshot);
    if (status == STATUS_OK) {
        snapshot_rest(writer->snapshot);
    }
    return status;
}

/* Where it is of use and can be done; else what is loaded goes into the store as it stands. */
static void begin_load(struct writer *writer, uint64_t max_store_bytes)
{
    struct fault why_not;
    if (load_file_begin(writer->registry, max_store_bytes, &writer->load, &why_not) == STATUS_OK) {
        writer->store = writer->registry;
        writer->registry = load_file_registry(writer->load);
    }
}

static enum status open_store(struct writer *writer, bool is_dry, uint64_t load_max_bytes,
                              struct fault *fault)
{
    enum status status =
        directory_open_registry(writer->arena, writer->directory, is_dry, &writer->registry, fault);
    if (status != STATUS_OK || is_dry) {
        return status == STATUS_OK ? open_snapshot(writer) : status;
    }
    if (load_max_bytes > 0) {
        begin_load(writer, load_max_bytes);
    }
    return start_committing(writer);
}

static struct writer *writer_new(struct command_call *call, writer_done *done, void *context)
{
    struct writer *writer = calloc(1, sizeof(*writer));
    if (writer == NULL) {
        return NULL;
    }
    writer->items = calloc(CHANGE_SET_ITEMS_MAX, sizeof(*writer->items));
    if (writer->items == NULL) {
        free(writer);
        return NULL;
    }
    writer->done = done;
    writer->context = context;
    writer->directory = call->directory;
    writer->arena = call->arena;
    (void)pthread_mutex_init(&writer->lock, NULL);
    (void)pthread_cond_init(&writer->has_arrived, NULL);
    control_actor(geteuid(), writer->actor, sizeof(writer->actor));
    return writer;
}

/* `load_max_bytes`: the store is exchanged when it has at most so many; 0: it is not. */
static enum status open_any(struct writer *writer, bool is_dry, uint64_t load_max_bytes,
                            struct fault *fault)
{
    enum status status = is_dry ? STATUS_UNREACHABLE : open_daemon(writer);
    if (status == STATUS_UNREACHABLE) {
        return open_store(writer, is_dry, load_max_bytes, fault);
    }
    return status == STATUS_OK ? status : fault_set(fault, status, "%s", "run/control.sock");
}

enum status writer_open(struct command_call *call, writer_done *done, void *context,
                        struct writer **out_writer, struct fault *fault)
{
    struct writer *writer = writer_new(call, done, context);
    if (writer == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "%s", "");
    }
    enum status status = open_any(writer, call->is_dry_run, 0, fault);
    if (status != STATUS_OK) {
        writer_close(writer);
        return status;
    }
    *out_writer = writer;
    return STATUS_OK;
}

enum status writer_open_load(struct command_call *call, const struct writer_load *load,
                             struct writer **out_writer, struct fault *fault)
{
    struct writer *writer = writer_new(call, load->done, load->context);
    if (writer == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "%s", "");
    }
    uint64_t max_bytes = load->bytes == 0 ? LOAD_COPY_UNKNOWN : load->bytes / LOAD_COPY_SHARE;
    bool is_worth_it = load->bytes == 0 || load->bytes >= LOAD_FROM_BYTES;
    enum status status = open_any(writer, call->is_dry_run, is_worth_it ? max_bytes : 0, fault);
    if (status != STATUS_OK) {
        writer_close(writer);
        return status;
    }
    *out_writer = writer;
    return STATUS_OK;
}

bool writer_is_loading(const struct writer *writer)
{
    return writer->load != NULL && !writer->is_loaded;
}

enum status writer_finish_load(struct writer *writer, struct fault *fault)
{
    if (!writer_is_loading(writer)) {
        return STATUS_OK;
    }
    enum status status = load_file_finish(writer->load, fault);
    writer->is_loaded = status == STATUS_OK;
    return status;
}

/* Takes in one outcome. PENDING: none was there. */
static enum status step(struct writer *writer, bool may_wait, struct fault *fault)
{
    if (writer->client != NULL) {
        return receive_outcome(writer, may_wait, fault);
    }
    struct writer_set *one = take_arrived(writer, may_wait);
    if (one == NULL) {
        return STATUS_PENDING;
    }
    arrive(one);
    return STATUS_OK;
}

enum status writer_submit(struct writer *writer, struct change_set *set, uint64_t tag,
                          struct fault *fault)
{
    if (writer->client == NULL && writer->committer == NULL) {
        deliver_set(writer, tag, prepare(writer, set), set);
        return STATUS_OK;
    }
    while (writer->outstanding >= WINDOW) {
        enum status status = step(writer, true, fault);
        if (status != STATUS_OK) {
            change_set_free(set);
            return status;
        }
    }
    return writer->client != NULL ? submit_to_daemon(writer, set, tag, fault)
                                  : submit_directly(writer, set, tag);
}

enum status writer_poll(struct writer *writer, struct fault *fault)
{
    while (writer->outstanding > 0) {
        enum status status = step(writer, false, fault);
        if (status != STATUS_OK) {
            return status == STATUS_PENDING ? STATUS_OK : status;
        }
    }
    return STATUS_OK;
}

enum status writer_flush(struct writer *writer, struct fault *fault)
{
    while (writer->outstanding > 0) {
        enum status status = step(writer, true, fault);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

void writer_close(struct writer *writer)
{
    if (writer == NULL) {
        return;
    }
    writer_prepare_stop(writer->prepare);
    committer_stop(writer->committer);
    for (struct writer_set *one = writer->arrived; one != NULL;) {
        struct writer_set *next = one->next;
        change_set_free(one->set);
        free(one);
        one = next;
    }
    snapshot_free(writer->snapshot);
    registry_close(writer->registry);
    load_file_close(writer->load);
    registry_close(writer->store);
    control_disconnect(writer->client);
    (void)pthread_cond_destroy(&writer->has_arrived);
    (void)pthread_mutex_destroy(&writer->lock);
    free(writer->items);
    free(writer);
}

struct registry *writer_registry(struct writer *writer)
{
    if (writer->registry == NULL) {
        (void)directory_open_registry(writer->arena, writer->directory, true, &writer->registry,
                                      NULL);
    }
    return writer->registry;
}

bool writer_is_through_daemon(const struct writer *writer)
{
    return writer->client != NULL;
}

struct bytes writer_actor(struct writer *writer)
{
    return bytes_of_text(writer->actor);
}

enum status writer_write(struct writer *writer, struct change_set *set, struct fault *fault)
{
    enum status status = writer_flush(writer, fault);
    if (status != STATUS_OK) {
        change_set_free(set);
        return status;
    }
    struct capture capture = {.status = STATUS_ERROR};
    writer->capture = &capture;
    status = writer_submit(writer, set, 0, fault);
    if (status == STATUS_OK) {
        status = writer_flush(writer, fault);
    }
    writer->capture = NULL;
    if (status != STATUS_OK) {
        return status;
    }
    return capture.is_done ? capture.status : STATUS_ERROR;
}
