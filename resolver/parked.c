/* SPDX-License-Identifier: Apache-2.0
 *
 * Parking, coming home, running again (parked.h).
 *
 * A parked exchange is freed when it has ended and its last wait is home: until then a wait may
 * point to it. It stands in the table's list, and in that of its connection while there is one.
 */
#include "resolver/parked.h"

#include <assert.h>
#include <stdlib.h>

#include "resolver/exchange_progress.h"
#include "resolver/limit.h"
#include "resolver/stream.h"
#include "resolver/udp.h"

#define TICK_MS 100
#define COUNT_PART_MIN 16         /* of a worker, however many there are */
#define BYTES_PART_MIN (1u << 20) /* likewise; more than one of the longest requests */

struct parked {
    struct parked_table *table;
    struct parked *next;
    struct parked *previous;
    struct parked_list *list; /* its connection's; NULL: none, or gone */
    struct parked *list_next;
    struct parked *list_previous;
    struct progress *progress; /* NULL: it has ended */
    enum exchange_transport transport;
    struct net_address peer;
    uint8_t source[SOURCE_LEN];
    struct exchange_route route;
    int64_t deadline_ms;
    size_t out; /* waits that are not home */
    bool has_more;
    bool is_late;
    size_t request_len;
    uint8_t request[];
};

struct parked_table {
    struct worker *worker;
    struct net_timer *timer;
    struct parked *first;
    struct wait *sleepers;
    size_t count;
    size_t bytes;
    bool is_closed;
};

/* --- lists -------------------------------------------------------------------------------------
 */

static void list_join(struct parked_list *list, struct parked *parked)
{
    parked->list = list;
    parked->list_previous = NULL;
    parked->list_next = list->first;
    if (list->first != NULL) {
        list->first->list_previous = parked;
    }
    list->first = parked;
    list->count++;
}

static void list_leave(struct parked *parked)
{
    struct parked_list *list = parked->list;
    if (list == NULL) {
        return;
    }
    *(parked->list_previous != NULL ? &parked->list_previous->list_next : &list->first) =
        parked->list_next;
    if (parked->list_next != NULL) {
        parked->list_next->list_previous = parked->list_previous;
    }
    list->count--;
    list->more_count -= parked->has_more;
    parked->list = NULL;
}

static void set_more(struct parked *parked, bool has_more)
{
    if (parked->list != NULL) {
        parked->list->more_count += has_more;
        parked->list->more_count -= parked->has_more;
    }
    parked->has_more = has_more;
}

static void table_join(struct parked_table *table, struct parked *parked)
{
    parked->table = table;
    parked->next = table->first;
    if (table->first != NULL) {
        table->first->previous = parked;
    } else {
        net_timer_start(table->timer, TICK_MS);
    }
    table->first = parked;
    table->count++;
    table->bytes += parked->request_len;
    metrics_add(table->worker->options.metrics, METRIC_parked, 0, 1);
}

static void release(struct parked *parked)
{
    struct parked_table *table = parked->table;
    list_leave(parked);
    *(parked->previous != NULL ? &parked->previous->next : &table->first) = parked->next;
    if (parked->next != NULL) {
        parked->next->previous = parked->previous;
    }
    table->count--;
    table->bytes -= parked->request_len;
    metrics_add(table->worker->options.metrics, METRIC_parked, 0, -1);
    free(parked);
    worker_stream_ended(table->worker);
}

void parked_discard(struct parked *parked)
{
    parked->progress = NULL;
    list_leave(parked);
    if (parked->out == 0) {
        release(parked);
    }
}

void parked_tells_more(struct parked *parked)
{
    set_more(parked, true);
}

bool parked_is_late(const struct parked *parked)
{
    return parked->is_late;
}

/* --- parking -----------------------------------------------------------------------------------
 */

static size_t part_of(int64_t all, const struct worker *worker, size_t least)
{
    size_t workers = worker->options.worker_count > 0 ? worker->options.worker_count : 1;
    size_t part = (size_t)all / workers;
    return part > least ? part : least;
}

static size_t count_source(const struct parked_table *table, const uint8_t source[SOURCE_LEN])
{
    size_t count = 0;
    for (const struct parked *at = table->first; at != NULL; at = at->next) {
        count += memcmp(at->source, source, SOURCE_LEN) == 0;
    }
    return count;
}

static bool is_over(const struct parked_table *table, const struct parked *parked)
{
    const struct worker *worker = table->worker;
    const struct generation *generation = worker->generation;
    const struct settings *settings = generation->settings;
    if (table->count >= part_of(settings->limits_parked, worker, COUNT_PART_MIN) ||
        table->bytes + parked->request_len >
            part_of(settings->limits_parked_bytes, worker, BYTES_PART_MIN)) {
        return true;
    }
    return !sources_trust(&parked->peer, generation->trusted, generation->trusted_count) &&
           count_source(table, parked->source) >= (size_t)settings->limits_parked_per_source;
}

static struct parked *parked_new(const struct exchange *x, int64_t deadline_ms)
{
    struct parked *parked = calloc(1, sizeof(*parked) + x->request.len);
    if (parked == NULL) {
        return NULL;
    }
    parked->progress = x->progress;
    parked->transport = x->transport;
    parked->peer = x->peer;
    parked->route = x->route;
    parked->deadline_ms = deadline_ms;
    parked->request_len = x->request.len;
    memcpy(parked->request, x->request.data, x->request.len);
    sources_key(&x->peer, parked->source);
    return parked;
}

static enum status park(struct exchange *x)
{
    struct parked_table *table = x->scope->services->parked;
    struct worker *worker = table->worker;
    int64_t timeout_ms = worker->generation->settings->limits_parked_time;
    struct parked *parked = parked_new(x, net_now_ms(worker->options.net) + timeout_ms);
    if (parked == NULL) {
        return STATUS_SERVER_BUSY;
    }
    if (is_over(table, parked)) {
        limit_hit(worker, LIMIT_PARKED, &x->peer);
        free(parked);
        return STATUS_SERVER_BUSY;
    }
    table_join(table, parked);
    if (x->route.stream != NULL) {
        list_join(stream_parked(x->route.stream), parked);
    }
    x->progress->parked = parked;
    return STATUS_OK;
}

static void wait_on_home(struct mail *mail, void *owner);

enum status wait_stay(struct exchange *x)
{
    if (x->scope->services == NULL || progress_of(x) == NULL) {
        return STATUS_SERVER_BUSY;
    }
    return x->progress->parked == NULL ? park(x) : STATUS_OK;
}

enum status wait_begin(struct exchange *x, struct wait *wait, enum wait_kind kind,
                       void (*free)(struct wait *wait))
{
    enum status status = wait_stay(x);
    if (status != STATUS_OK) {
        return status;
    }
    wait->mail.opened = wait_on_home;
    wait->next = NULL;
    wait->parked = x->progress->parked;
    wait->kind = kind;
    wait->is_home = false;
    wait->free = free;
    wait->parked->out++;
    x->progress->out[kind]++;
    return STATUS_OK;
}

void wait_cancel(struct exchange *x, struct wait *wait)
{
    wait->parked->out--;
    x->progress->out[wait->kind]--;
}

void wait_a_moment(struct exchange *x, struct wait *wait)
{
    struct parked_table *table = x->scope->services->parked;
    wait->next = table->sleepers;
    table->sleepers = wait;
}

struct wait *wait_result(const struct exchange *x, enum wait_kind kind)
{
    struct wait *wait = x->progress == NULL ? NULL : x->progress->results;
    while (wait != NULL && wait->kind != kind) {
        wait = wait->next;
    }
    return wait;
}

bool wait_is_out(const struct exchange *x, enum wait_kind kind)
{
    return x->progress != NULL && x->progress->out[kind] > 0;
}

void wait_forget(struct exchange *x, enum wait_kind kind)
{
    struct wait *wait = wait_result(x, kind);
    if (wait == NULL) {
        return;
    }
    struct wait **at = &x->progress->results;
    while (*at != wait) {
        at = &(*at)->next;
    }
    *at = wait->next;
    wait->free(wait);
}

/* --- running again -----------------------------------------------------------------------------
 */

static struct exchange exchange_of(const struct parked *parked, const struct exchange_scope *scope,
                                   uint8_t *room)
{
    struct stream *stream = parked->list != NULL ? parked->route.stream : NULL;
    struct exchange x = {
        .scope = scope,
        .transport = parked->transport,
        .peer = parked->peer,
        .request = bytes_of(parked->request, parked->request_len),
        .reply = wire_write(room, MESSAGE_PACKET_MAX),
        .route = parked->route,
        .login = stream == NULL ? NULL : stream_login(stream),
        .progress = parked->progress,
    };
    x.route.stream = stream;
    return x;
}

static enum status run_again(struct parked *parked, const struct exchange_scope *scope,
                             uint8_t *room, size_t *out_len)
{
    struct exchange x = exchange_of(parked, scope, room);
    set_more(parked, false);
    arena_reset(scope->arena);
    enum status status = exchange_run(&x);
    if (status == STATUS_OK || status == STATUS_MORE) {
        *out_len = wire_wrote(&x.reply).len;
    }
    return status;
}

static void resume(struct parked *parked)
{
    struct worker *worker = parked->table->worker;
    struct stream *stream = parked->list != NULL ? parked->route.stream : NULL;
    struct exchange_route route = parked->route;
    struct net_address peer = parked->peer;
    enum exchange_transport transport = parked->transport;
    struct exchange_scope scope;
    size_t len = 0;
    if (!worker_begin(worker, &scope)) {
        parked->is_late = true; /* said as soon as there is a snapshot again */
        parked->deadline_ms = net_now_ms(worker->options.net) + TICK_MS;
        return;
    }
    enum status status = run_again(parked, &scope, worker->reply, &len);
    struct bytes answer = bytes_of(worker->reply, len);
    if (transport == EXCHANGE_UDP && status == STATUS_OK) {
        udp_answer_later(worker, &route, &peer, answer);
    } else if (stream != NULL) {
        stream_answer_later(&route, status, answer);
    }
    worker_rest(worker);
}

/* The exchange is given up: the worker is being taken down, or nobody wants the rest of a list. */
static void give_up(struct parked *parked)
{
    struct progress *progress = parked->progress;
    const struct exchange_services *services = &parked->table->worker->services;
    if (progress != NULL && progress->is_first) {
        duplicates_release(services->duplicates, &progress->duplicate);
    }
    progress_free(progress);
    parked_discard(parked);
}

/* It waits for the last that it does, or for its peer: what comes late changes nothing. */
static bool is_past_deciding(const struct parked *parked)
{
    const struct progress *progress = parked->progress;
    return parked->has_more || progress->out[WAIT_COMMIT] > 0 || progress->out[WAIT_SIGN] > 0;
}

static void wait_on_home(struct mail *mail, void *owner)
{
    struct wait *wait = (struct wait *)mail;
    struct parked *parked = wait->parked;
    (void)owner;
    parked->out--;
    if (parked->progress == NULL) {
        wait->free(wait);
        if (parked->out == 0) {
            release(parked);
        }
        return;
    }
    wait->is_home = true;
    wait->next = parked->progress->results;
    parked->progress->results = wait;
    parked->progress->out[wait->kind]--;
    if (parked->table->is_closed) {
        give_up(parked);
    } else if (!is_past_deciding(parked)) {
        resume(parked);
    }
}

static bool is_overdue(const struct parked *parked, int64_t now_ms)
{
    return parked->progress != NULL && !parked->has_more && parked->deadline_ms <= now_ms &&
           parked->progress->out[WAIT_COMMIT] == 0;
}

static struct parked *first_overdue(const struct parked_table *table, int64_t now_ms)
{
    struct parked *parked = table->first;
    while (parked != NULL && !is_overdue(parked, now_ms)) {
        parked = parked->next;
    }
    return parked;
}

static void wake_sleepers(struct parked_table *table)
{
    struct wait *wait = table->sleepers;
    table->sleepers = NULL;
    while (wait != NULL) {
        struct wait *next = wait->next;
        wait->mail.opened(&wait->mail, table->worker);
        wait = next;
    }
}

static void parked_on_timer(void *context)
{
    struct parked_table *table = context;
    struct worker *worker = table->worker;
    int64_t now_ms = net_now_ms(worker->options.net);
    struct parked *parked = NULL;
    wake_sleepers(table);
    while ((parked = first_overdue(table, now_ms)) != NULL) {
        parked->is_late = true;
        parked->deadline_ms = now_ms + TICK_MS;
        metrics_add(worker->options.metrics, METRIC_parked_late, 0, 1);
        resume(parked);
    }
    if (table->count > 0) {
        net_timer_start(table->timer, TICK_MS);
    }
}

/* --- connections -------------------------------------------------------------------------------
 */

void parked_list_orphan(struct parked_list *list)
{
    struct parked *next = NULL;
    for (struct parked *parked = list->first; parked != NULL; parked = next) {
        next = parked->list_next;
        bool is_useless = parked->has_more;
        list_leave(parked);
        if (is_useless) {
            give_up(parked);
        }
    }
}

enum status parked_list_continue(struct parked_list *list, const struct exchange_scope *scope,
                                 uint8_t *room, size_t *out_len, uint32_t *out_question)
{
    struct parked *parked = list->first;
    while (parked != NULL && !parked->has_more) {
        parked = parked->list_next;
    }
    if (parked != NULL && out_question != NULL) {
        *out_question = parked->route.question;
    }
    return parked == NULL ? STATUS_PENDING : run_again(parked, scope, room, out_len);
}

/* --- the table ---------------------------------------------------------------------------------
 */

enum status parked_table_new(struct worker *worker, struct parked_table **out_table)
{
    struct parked_table *table = calloc(1, sizeof(*table));
    if (table == NULL) {
        return STATUS_NO_MEMORY;
    }
    table->worker = worker;
    enum status status = net_timer_new(worker->options.net, parked_on_timer, table, &table->timer);
    if (status != STATUS_OK) {
        free(table);
        return status;
    }
    *out_table = table;
    return STATUS_OK;
}

void parked_table_close(struct parked_table *table)
{
    table->is_closed = true;
}

void parked_table_free(struct parked_table *table)
{
    if (table != NULL) {
        parked_table_close(table);
        wake_sleepers(table);
        struct parked *next = NULL;
        for (struct parked *parked = table->first; parked != NULL; parked = next) {
            next = parked->next;
            assert(parked->out == 0);
            give_up(parked);
        }
        net_timer_free(table->timer);
        free(table);
    }
}

size_t parked_count(const struct parked_table *table)
{
    return table->count;
}

size_t parked_bytes(const struct parked_table *table)
{
    return table->bytes;
}
