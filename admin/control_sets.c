/* SPDX-License-Identifier: Apache-2.0
 *
 * Change sets from the control socket: decoded like network bytes, prepared against the admin
 * thread's snapshot, committed by the node's committer, answered after their commit
 * (control_parts.h). The committer's thread only posts to the mailbox.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/control_parts.h"
#include "registry/change_set.h"

#define HELD_RETRY_MS 20
#define ITEM_NAME_MAX 40 /* a status name and its length */

/* --- outcome ---------------------------------------------------------------------------------- */

static void put_status(struct wire_writer *w, enum status status)
{
    wire_put_bytes(w, bytes_of_text(status_name(status)));
}

static void send_outcome(struct control_set *one, enum status status)
{
    size_t count = one->set == NULL ? 0 : change_set_count(one->set);
    size_t size = 64 + count * (ITEM_NAME_MAX + 8);
    uint8_t *frame = malloc(size);
    if (frame == NULL) {
        one->connection->is_dead = true;
        return;
    }
    struct wire_writer w = wire_write(frame, size);
    wire_put_u64(&w, one->tag);
    put_status(&w, status);
    wire_put_u32(&w, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        put_status(&w, change_set_item_status(one->set, i));
        wire_put_u64(&w, change_set_item_version(one->set, i));
    }
    control_connection_send(one->connection, CONTROL_OUTCOME, wire_wrote(&w));
    free(frame);
}

static void finish(struct control_set *one, enum status status)
{
    struct control *control = one->control;
    if (one->connection != NULL) {
        send_outcome(one, status == STATUS_CONFLICT ? STATUS_SERVER_BUSY : status);
        one->connection->sets--;
    }
    struct control_set **link = &control->open;
    while (*link != one) {
        link = &(*link)->next_open;
    }
    *link = one->next_open;
    control->open_count--;
    change_set_free(one->set);
    free(one);
}

/* --- through the committer -------------------------------------------------------------------- */

static void control_sets_on_committed(struct change_set *set, void *context)
{
    struct control_set *one = context;
    struct control *control = one->control;
    (void)set;
    (void)pthread_mutex_lock(&control->lock);
    one->next = control->arrived;
    control->arrived = one;
    /* Inside the lock: once the set is taken, `control` may end at any moment. */
    net_wake_signal(control->wake);
    (void)pthread_mutex_unlock(&control->lock);
}

static void hold(struct control_set *one)
{
    struct control *control = one->control;
    struct control_set **end = &control->held;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    one->next = NULL;
    *end = one;
    if (one->connection != NULL) {
        one->connection->is_held = true;
    }
    net_timer_start(control->retry, HELD_RETRY_MS);
}

/* Prepares against what is true now and hands the set over; SERVER_BUSY: it is held. */
static void offer(struct control_set *one)
{
    struct control *control = one->control;
    enum status status = snapshot_refresh(control->snapshot);
    if (status == STATUS_OK) {
        status = change_set_prepare(one->set, control->snapshot, net_wall_ms(control->net));
    }
    snapshot_rest(control->snapshot);
    if (status == STATUS_OK) {
        status = committer_submit(node_committer(control->options.node), one->set,
                                  control_sets_on_committed, one);
        if (status == STATUS_OK) {
            return;
        }
        if (status == STATUS_SERVER_BUSY && control->stop_deadline_ms == 0) {
            hold(one);
            return;
        }
    }
    finish(one, status);
}

void control_sets_offer_held(struct control *control)
{
    struct control_set *waiting = control->held;
    control->held = NULL;
    for (struct control_connection *at = control->connections; at != NULL; at = at->next) {
        if (at->is_held && at->frame_deadline_ms != 0) {
            at->frame_deadline_ms = net_now_ms(control->net) + CONTROL_FRAME_MS;
        }
        at->is_held = false;
    }
    while (waiting != NULL) {
        struct control_set *next = waiting->next;
        offer(waiting);
        waiting = next;
    }
}

void control_sets_refuse_held(struct control *control)
{
    struct control_set *waiting = control->held;
    control->held = NULL;
    while (waiting != NULL) {
        struct control_set *next = waiting->next;
        if (waiting->connection != NULL) {
            waiting->connection->is_held = false;
        }
        finish(waiting, STATUS_SERVER_BACKUP);
        waiting = next;
    }
}

void control_sets_on_arrival(struct control *control)
{
    (void)pthread_mutex_lock(&control->lock);
    struct control_set *newest = control->arrived;
    control->arrived = NULL;
    (void)pthread_mutex_unlock(&control->lock);
    struct control_set *oldest = NULL;
    while (newest != NULL) {
        struct control_set *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct control_set *next = oldest->next;
        enum status status = change_set_status(oldest->set);
        if (status == STATUS_CONFLICT && ++oldest->attempts < CONTROL_ATTEMPTS) {
            offer(oldest);
        } else {
            finish(oldest, status);
        }
        oldest = next;
    }
    control_sets_offer_held(control);
}

/* --- in --------------------------------------------------------------------------------------- */

void control_sets_take(struct control_connection *connection, struct bytes payload)
{
    struct control *control = connection->control;
    struct wire_reader r = wire_read(payload);
    uint64_t tag = wire_u64(&r);
    struct bytes encoded = wire_take(&r, wire_left(&r));
    struct control_set *one = wire_ok(&r) ? calloc(1, sizeof(*one)) : NULL;
    if (one == NULL) {
        connection->is_dead = true;
        return;
    }
    one->control = control;
    one->connection = connection;
    one->tag = tag;
    one->next_open = control->open;
    control->open = one;
    control->open_count++;
    connection->sets++;
    enum status status = change_set_decode(encoded, bytes_of_text(connection->actor),
                                           BYTES_LITERAL("control"), &one->set);
    if (status != STATUS_OK) {
        log_write(control->options.log, LOG_LEVEL_WARNING, "control",
                  "refused a change set of %s (%s)", connection->actor, status_english(status));
        finish(one, status);
        return;
    }
    offer(one);
}

void control_sets_forget(struct control_connection *connection)
{
    for (struct control_set *one = connection->control->open; one != NULL; one = one->next_open) {
        if (one->connection == connection) {
            one->connection = NULL;
        }
    }
}
