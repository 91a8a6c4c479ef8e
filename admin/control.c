/* SPDX-License-Identifier: Apache-2.0
 *
 * The admin thread: its loop, listener, mailbox and end (control.h, control_parts.h).
 */
#include "admin/control.h"

#include <stdlib.h>
#include <string.h>

#include "admin/control_parts.h"

#define TICK_MS 1000
#define STOP_MS 2000 /* for clients to read their last answers */

static void control_on_accepted(void *context, struct net_stream *stream)
{
    if (stream != NULL) {
        control_connection_accept(context, stream);
    }
}

static bool has_output(const struct control *control)
{
    for (const struct control_connection *at = control->connections; at != NULL; at = at->next) {
        if (at->out_len > at->out_at) {
            return true;
        }
    }
    return false;
}

/* Every set answered and every answer read, or nobody reads any more. */
static void stop_if_done(struct control *control)
{
    if (control->stop_deadline_ms == 0 || control->open_count > 0) {
        return;
    }
    if (!has_output(control) || net_now_ms(control->net) > control->stop_deadline_ms) {
        net_stop(control->net);
    }
}

static void begin_stop(struct control *control)
{
    control->stop_deadline_ms = net_now_ms(control->net) + STOP_MS;
    net_listener_close(control->listener);
    control->listener = NULL;
    control_sets_refuse_held(control);
    for (struct control_connection *at = control->connections; at != NULL; at = at->next) {
        at->ends = true;
    }
    net_timer_start(control->tick, TICK_MS / 10);
}

static void control_on_wake(void *context)
{
    struct control *control = context;
    (void)pthread_mutex_lock(&control->lock);
    bool stop_is_asked = control->stop_is_asked;
    (void)pthread_mutex_unlock(&control->lock);
    control_sets_on_arrival(control);
    if (stop_is_asked && control->stop_deadline_ms == 0) {
        begin_stop(control);
    }
    control_connection_settle_all(control);
    stop_if_done(control);
}

static void control_on_tick(void *context)
{
    struct control *control = context;
    control_connection_tick(control);
    control_care_tick(control);
    control_care_reads(control);
    stop_if_done(control);
    net_timer_start(control->tick, control->stop_deadline_ms == 0 ? TICK_MS : TICK_MS / 10);
}

static void control_on_retry(void *context)
{
    struct control *control = context;
    control_sets_offer_held(control);
    control_connection_settle_all(control);
}

static void *run(void *context)
{
    struct control *control = context;
    net_run(control->net);
    return NULL;
}

/* Half-built ones, too; the thread does not run. */
static void control_free(struct control *control)
{
    while (control->connections != NULL) {
        control_connection_free(control->connections);
    }
    net_listener_close(control->listener);
    net_timer_free(control->retry);
    net_timer_free(control->tick);
    net_wake_free(control->wake);
    snapshot_free(control->snapshot);
    net_free(control->net);
    (void)pthread_mutex_destroy(&control->lock);
    json_decref(control->settings);
    free(control->socket_path);
    free(control);
}

static enum status build(struct control *control, struct fault *fault)
{
    enum status status = net_new(&control->net);
    if (status == STATUS_OK) {
        status = snapshot_new(control->options.registry, &control->snapshot);
    }
    if (status == STATUS_OK) {
        snapshot_rest(control->snapshot);
        status = net_wake_new(control->net, control_on_wake, control, &control->wake);
    }
    if (status == STATUS_OK) {
        status = net_timer_new(control->net, control_on_tick, control, &control->tick);
    }
    if (status == STATUS_OK) {
        status = net_timer_new(control->net, control_on_retry, control, &control->retry);
    }
    if (status != STATUS_OK) {
        return fault_set(fault, status, "%s", "the admin thread's loop");
    }
    return net_listen_unix(control->net, control->socket_path, control_on_accepted, control,
                           &control->listener, fault);
}

enum status control_start(const struct control_options *options, struct control **out_control,
                          struct fault *fault)
{
    struct control *control = calloc(1, sizeof(*control));
    if (control == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "%s", "the control socket");
    }
    control->options = *options;
    (void)pthread_mutex_init(&control->lock, NULL);
    control->socket_path = strdup(options->socket_path);
    enum status status = control->socket_path == NULL
                             ? fault_set(fault, STATUS_NO_MEMORY, "%s", "the control socket")
                             : build(control, fault);
    if (status == STATUS_OK) {
        net_timer_start(control->tick, TICK_MS);
        if (pthread_create(&control->thread, NULL, run, control) != 0) {
            status = fault_set(fault, STATUS_SYSTEM, "%s", "cannot start the admin thread");
        }
    }
    if (status != STATUS_OK) {
        control_free(control);
        return status;
    }
    *out_control = control;
    return STATUS_OK;
}

void control_stop(struct control *control)
{
    if (control == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&control->lock);
    control->stop_is_asked = true;
    net_wake_signal(control->wake);
    (void)pthread_mutex_unlock(&control->lock);
    (void)pthread_join(control->thread, NULL);
    control_free(control);
}
