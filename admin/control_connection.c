/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections of the control socket: who may come in, frames in and out, bounds and deadlines
 * (control_parts.h). Admin thread only.
 */
#include <assert.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/control_parts.h"

#define GROUP "guantong"
#define LOOKUP_MAX 16384 /* getpwuid_r, getgrnam_r */
#define GROUPS_MAX 256

/* --- who may come in -------------------------------------------------------------------------- */

static bool is_member(const struct net_credentials *peer)
{
    char buffer[LOOKUP_MAX];
    struct group group;
    struct group *found = NULL;
    if (getgrnam_r(GROUP, &group, buffer, sizeof(buffer), &found) != 0 || found == NULL) {
        return false;
    }
    gid_t wanted = found->gr_gid;
    struct passwd user;
    struct passwd *who = NULL;
    if (peer->gid == wanted) {
        return true;
    }
    if (getpwuid_r(peer->uid, &user, buffer, sizeof(buffer), &who) != 0 || who == NULL) {
        return false;
    }
    gid_t groups[GROUPS_MAX];
    int count = GROUPS_MAX;
    if (getgrouplist(who->pw_name, who->pw_gid, groups, &count) < 0) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (groups[i] == wanted) {
            return true;
        }
    }
    return false;
}

void control_actor(uid_t uid, char *out, size_t size)
{
    char buffer[LOOKUP_MAX];
    struct passwd user;
    struct passwd *who = NULL;
    if (getpwuid_r(uid, &user, buffer, sizeof(buffer), &who) == 0 && who != NULL) {
        (void)snprintf(out, size, "uid:%u(%.48s)", (unsigned)uid, who->pw_name);
    } else {
        (void)snprintf(out, size, "uid:%u", (unsigned)uid);
    }
}

static bool may_come_in(const struct net_credentials *peer)
{
    return peer->uid == 0 || peer->uid == geteuid() || is_member(peer);
}

/* --- out -------------------------------------------------------------------------------------- */

static bool reserve_output(struct control_connection *connection, size_t more)
{
    if (connection->out_at > 0) {
        memmove(connection->out, connection->out + connection->out_at,
                connection->out_len - connection->out_at);
        connection->out_len -= connection->out_at;
        connection->out_at = 0;
    }
    size_t needed = connection->out_len + more;
    if (needed <= connection->out_room) {
        return true;
    }
    size_t room = needed + 4096;
    uint8_t *grown = realloc(connection->out, room);
    if (grown == NULL) {
        return false;
    }
    connection->out = grown;
    connection->out_room = room;
    return true;
}

void control_connection_send(struct control_connection *connection, enum control_kind kind,
                             struct bytes payload)
{
    if (connection->is_dead) {
        return;
    }
    if (payload.len >= CONTROL_FRAME_MAX || !reserve_output(connection, payload.len + 5)) {
        connection->is_dead = true;
        return;
    }
    struct wire_writer w = wire_write(connection->out + connection->out_len, payload.len + 5);
    wire_put_u32(&w, (uint32_t)payload.len + 1);
    wire_put_u8(&w, (uint8_t)kind);
    wire_put_raw(&w, payload);
    connection->out_len += payload.len + 5;
}

static void write_output(struct control_connection *connection)
{
    while (!connection->is_dead && connection->out_at < connection->out_len) {
        size_t taken = 0;
        struct bytes rest = bytes_of(connection->out + connection->out_at,
                                     connection->out_len - connection->out_at);
        enum status status = net_stream_write(connection->stream, rest, &taken);
        if (status == STATUS_PENDING) {
            if (connection->write_deadline_ms == 0) {
                connection->write_deadline_ms =
                    net_now_ms(connection->control->net) + CONTROL_FRAME_MS;
            }
            return;
        }
        connection->is_dead = status != STATUS_OK;
        connection->out_at += taken;
        connection->write_deadline_ms = 0;
    }
    free(connection->out);
    connection->out = NULL;
    connection->out_at = connection->out_len = connection->out_room = 0;
    connection->write_deadline_ms = 0;
}

/* --- in --------------------------------------------------------------------------------------- */

static void release_input(struct control_connection *connection)
{
    struct control *control = connection->control;
    free(connection->in);
    control->input_bytes -= connection->in_room;
    connection->in = NULL;
    connection->in_room = connection->in_len = connection->in_need = 0;
    connection->head_len = 0;
    connection->frame_deadline_ms = 0;
    for (struct control_connection *other = control->connections; other != NULL;
         other = other->next) {
        if (other->waits_memory) {
            other->waits_memory = false;
            other->frame_deadline_ms = net_now_ms(control->net) + CONTROL_FRAME_MS;
        }
    }
}

/* Room grows with what has really arrived, not with what the length claims. */
static enum status grow_input(struct control_connection *connection)
{
    struct control *control = connection->control;
    size_t room = connection->in_room == 0 ? 4096 : connection->in_room * 2;
    room = room < connection->in_need ? room : connection->in_need;
    assert(room > connection->in_room);
    size_t more = room - connection->in_room;
    if (control->input_bytes + more > CONTROL_INPUT_MAX) {
        connection->waits_memory = true;
        return STATUS_PENDING;
    }
    uint8_t *grown = realloc(connection->in, room);
    if (grown == NULL) {
        return STATUS_NO_MEMORY;
    }
    connection->in = grown;
    connection->in_room = room;
    control->input_bytes += more;
    return STATUS_OK;
}

static enum status read_head(struct control_connection *connection)
{
    size_t got = 0;
    enum status status =
        net_stream_read(connection->stream, connection->head + connection->head_len,
                        sizeof(connection->head) - connection->head_len, &got);
    if (status != STATUS_OK) {
        return status;
    }
    if (connection->head_len == 0) {
        connection->frame_deadline_ms = net_now_ms(connection->control->net) + CONTROL_FRAME_MS;
    }
    connection->head_len += got;
    if (connection->head_len == sizeof(connection->head)) {
        struct wire_reader r = wire_read(bytes_of(connection->head, sizeof(connection->head)));
        connection->in_need = wire_u32(&r);
        if (connection->in_need < 1 || connection->in_need > CONTROL_FRAME_MAX) {
            return STATUS_PROTOCOL_ERROR;
        }
    }
    return STATUS_OK;
}

static enum status read_payload(struct control_connection *connection, size_t *out_got)
{
    enum status status = STATUS_OK;
    if (connection->in_len == connection->in_room) {
        status = grow_input(connection);
    }
    if (status != STATUS_OK) {
        return status;
    }
    size_t room = connection->in_room - connection->in_len;
    status =
        net_stream_read(connection->stream, connection->in + connection->in_len, room, out_got);
    if (status == STATUS_OK) {
        connection->in_len += *out_got;
    }
    return status;
}

/* OK: a whole frame is there. PENDING: not yet. */
static enum status read_frame(struct control_connection *connection)
{
    for (size_t turn = 0; turn < CONTROL_TURN_BYTES;) {
        size_t got = 0;
        enum status status = connection->head_len < sizeof(connection->head)
                                 ? read_head(connection)
                                 : read_payload(connection, &got);
        if (status != STATUS_OK) {
            return status;
        }
        turn += got;
        if (connection->in_need > 0 && connection->in_len == connection->in_need) {
            return STATUS_OK;
        }
    }
    return STATUS_PENDING;
}

static void take_frame(struct control_connection *connection)
{
    uint8_t kind = connection->in[0];
    struct bytes payload = bytes_of(connection->in + 1, connection->in_len - 1);
    if (kind == CONTROL_CALL && payload.len <= CONTROL_CALL_MAX) {
        control_calls_take(connection, payload);
    } else if (kind == CONTROL_CHANGE_SET) {
        control_sets_take(connection, payload);
    } else {
        log_write(connection->control->options.log, LOG_LEVEL_WARNING, "control",
                  "closed a connection of %s (frame of kind %u, %zu bytes)", connection->actor,
                  (unsigned)kind, payload.len);
        connection->is_dead = true;
    }
    release_input(connection);
}

static void control_connection_on_readable(void *context)
{
    struct control_connection *connection = context;
    enum status status = read_frame(connection);
    connection->last_ms = net_now_ms(connection->control->net);
    if (status == STATUS_OK) {
        take_frame(connection);
    } else if (status != STATUS_PENDING) {
        if (status != STATUS_CLOSED) {
            log_write(connection->control->options.log, LOG_LEVEL_WARNING, "control",
                      "closed a connection of %s (%s)", connection->actor, status_english(status));
        }
        connection->is_dead = true;
    }
    control_connection_settle_all(connection->control);
}

static void control_connection_on_writable(void *context)
{
    control_connection_settle(context);
}

static void control_connection_on_failed(void *context, enum status status)
{
    struct control_connection *connection = context;
    (void)status;
    connection->is_dead = true;
    control_connection_settle_all(connection->control);
}

static const struct net_stream_events events = {
    .readable = control_connection_on_readable,
    .writable = control_connection_on_writable,
    .failed = control_connection_on_failed,
};

/* --- life ------------------------------------------------------------------------------------- */

static void refuse(struct control *control, struct net_stream *stream,
                   const struct net_credentials *peer, const char *why)
{
    static const char busy[] = "{\"status\":\"SERVER_BUSY\",\"text\":\"too many connections\"}";
    static const char denied[] = "{\"status\":\"ACCESS_DENIED\",\"text\":\"not the node's user, "
                                 "root or a member of group guantong\"}";
    bool is_denied = why[0] == 'n';
    struct bytes text = is_denied ? BYTES_LITERAL(denied) : BYTES_LITERAL(busy);
    uint8_t frame[256];
    struct wire_writer w = wire_write(frame, sizeof(frame));
    wire_put_u32(&w, (uint32_t)text.len + 1);
    wire_put_u8(&w, CONTROL_PROBLEM);
    wire_put_raw(&w, text);
    size_t taken = 0;
    (void)net_stream_write(stream, wire_wrote(&w), &taken);
    net_stream_close(stream);
    log_write(control->options.log, LOG_LEVEL_WARNING, "control",
              "refused a connection from uid %u, pid %d (%s)", (unsigned)peer->uid, (int)peer->pid,
              why);
}

void control_connection_accept(struct control *control, struct net_stream *stream)
{
    struct net_credentials peer;
    if (net_stream_credentials(stream, &peer) != STATUS_OK) {
        net_stream_close(stream);
        return;
    }
    if (!may_come_in(&peer)) {
        refuse(control, stream, &peer, "not allowed");
        return;
    }
    if (control->connection_count >= CONTROL_CONNECTIONS_MAX || control->stop_deadline_ms != 0) {
        refuse(control, stream, &peer, "too many connections");
        return;
    }
    struct control_connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL) {
        net_stream_close(stream);
        return;
    }
    connection->control = control;
    connection->stream = stream;
    connection->peer = peer;
    connection->last_ms = net_now_ms(control->net);
    control_actor(peer.uid, connection->actor, sizeof(connection->actor));
    connection->next = control->connections;
    control->connections = connection;
    control->connection_count++;
    net_stream_set_events(stream, &events, connection);
    log_write(control->options.log, LOG_LEVEL_INFO, "control", "connection from %s, pid %d",
              connection->actor, (int)peer.pid);
    control_connection_settle(connection);
}

void control_connection_free(struct control_connection *connection)
{
    struct control *control = connection->control;
    struct control_connection **link = &control->connections;
    while (*link != connection) {
        link = &(*link)->next;
    }
    *link = connection->next;
    control->connection_count--;
    control_sets_forget(connection);
    release_input(connection);
    net_stream_close(connection->stream);
    free(connection->out);
    free(connection);
}

void control_connection_settle(struct control_connection *connection)
{
    write_output(connection);
    bool has_output = connection->out_len > connection->out_at;
    if (connection->is_dead || (connection->ends && !has_output && connection->sets == 0)) {
        control_connection_free(connection);
        return;
    }
    bool reads = !connection->ends && !connection->is_held && !connection->waits_memory &&
                 connection->sets < CONTROL_WINDOW &&
                 connection->out_len - connection->out_at < CONTROL_OUTPUT_MAX;
    net_stream_want(connection->stream, reads, has_output);
}

void control_connection_settle_all(struct control *control)
{
    for (struct control_connection *at = control->connections; at != NULL;) {
        struct control_connection *next = at->next;
        control_connection_settle(at);
        at = next;
    }
}

static bool is_late(const struct control_connection *connection, int64_t now_ms)
{
    bool frame_is_late = connection->frame_deadline_ms != 0 && !connection->is_held &&
                         now_ms > connection->frame_deadline_ms;
    bool reading_is_late =
        connection->write_deadline_ms != 0 && now_ms > connection->write_deadline_ms;
    bool is_idle = connection->sets == 0 && now_ms > connection->last_ms + CONTROL_IDLE_MS;
    return frame_is_late || reading_is_late || is_idle;
}

void control_connection_tick(struct control *control)
{
    int64_t now_ms = net_now_ms(control->net);
    for (struct control_connection *at = control->connections; at != NULL; at = at->next) {
        if (!at->is_dead && is_late(at, now_ms)) {
            at->is_dead = true;
            log_write(control->options.log, LOG_LEVEL_NOTICE, "control",
                      "closed a connection of %s (timed out)", at->actor);
        }
    }
    control_connection_settle_all(control);
}
