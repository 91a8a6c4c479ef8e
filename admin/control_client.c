/* SPDX-License-Identifier: Apache-2.0
 *
 * The tool's side of the control socket (control.h): one blocking connection.
 */
#include "admin/control.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "protocol/wire.h"

#define HEAD_LEN 5

struct control_client {
    int socket;
    uint8_t *in;
    size_t in_len;
    size_t in_room;
    size_t taken; /* bytes of the frame handed out last */
};

enum status control_connect(const char *socket_path, struct control_client **out_client)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(socket_path) >= sizeof(address.sun_path)) {
        return STATUS_UNREACHABLE;
    }
    memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
    struct control_client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        return STATUS_NO_MEMORY;
    }
    client->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->socket >= 0 &&
        connect(client->socket, (const struct sockaddr *)&address, sizeof(address)) == 0) {
        *out_client = client;
        return STATUS_OK;
    }
    enum status status =
        errno == EACCES || errno == EPERM ? STATUS_ACCESS_DENIED : STATUS_UNREACHABLE;
    control_disconnect(client);
    return status;
}

void control_disconnect(struct control_client *client)
{
    if (client == NULL) {
        return;
    }
    if (client->socket >= 0) {
        (void)close(client->socket);
    }
    free(client->in);
    free(client);
}

/* --- frames ----------------------------------------------------------------------------------- */

static enum status send_all(int socket, struct bytes data, int flags)
{
    while (data.len > 0) {
        ssize_t sent = send(socket, data.data, data.len, MSG_NOSIGNAL | flags);
        if (sent < 0 && errno != EINTR) {
            return STATUS_CLOSED;
        }
        data = bytes_from(data, sent < 0 ? 0 : (size_t)sent);
    }
    return STATUS_OK;
}

enum status control_send(struct control_client *client, enum control_kind kind,
                         struct bytes payload)
{
    if (payload.len >= CONTROL_FRAME_MAX) {
        return STATUS_NO_ROOM;
    }
    uint8_t head[HEAD_LEN];
    struct wire_writer w = wire_write(head, sizeof(head));
    wire_put_u32(&w, (uint32_t)payload.len + 1);
    wire_put_u8(&w, (uint8_t)kind);
    enum status status = send_all(client->socket, wire_wrote(&w), payload.len > 0 ? MSG_MORE : 0);
    return status == STATUS_OK ? send_all(client->socket, payload, 0) : status;
}

static int64_t monotonic_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Until something can be read; `deadline_ms` < 0: no limit. */
static enum status wait_readable(int socket, int64_t deadline_ms)
{
    for (;;) {
        int64_t left = deadline_ms < 0 ? -1 : deadline_ms - monotonic_ms();
        struct pollfd poller = {.fd = socket, .events = POLLIN};
        int ready = poll(&poller, 1, deadline_ms >= 0 && left < 0 ? 0 : (int)left);
        if (ready > 0) {
            return STATUS_OK;
        }
        if (ready == 0) {
            return STATUS_PENDING;
        }
        if (errno != EINTR) {
            return STATUS_SYSTEM;
        }
    }
}

static enum status read_more(struct control_client *client, size_t needed)
{
    if (client->in_room < needed) {
        uint8_t *grown = realloc(client->in, needed);
        if (grown == NULL) {
            return STATUS_NO_MEMORY;
        }
        client->in = grown;
        client->in_room = needed;
    }
    ssize_t got =
        recv(client->socket, client->in + client->in_len, client->in_room - client->in_len, 0);
    if (got > 0) {
        client->in_len += (size_t)got;
        return STATUS_OK;
    }
    return got < 0 && errno == EINTR ? STATUS_OK : STATUS_CLOSED;
}

/* Bytes the buffer must hold before a frame is whole; 0: the length is out of bounds. */
static size_t needed_bytes(const struct control_client *client)
{
    if (client->in_len < 4) {
        return HEAD_LEN;
    }
    struct wire_reader r = wire_read(bytes_of(client->in, 4));
    uint32_t len = wire_u32(&r);
    return len < 1 || len > CONTROL_FRAME_MAX ? 0 : (size_t)len + 4;
}

enum status control_receive(struct control_client *client, int timeout_ms,
                            enum control_kind *out_kind, struct bytes *out_payload)
{
    if (client->taken > 0) {
        memmove(client->in, client->in + client->taken, client->in_len - client->taken);
        client->in_len -= client->taken;
        client->taken = 0;
    }
    int64_t deadline_ms = timeout_ms < 0 ? -1 : monotonic_ms() + timeout_ms;
    for (;;) {
        size_t needed = needed_bytes(client);
        if (needed == 0) {
            return STATUS_PROTOCOL_ERROR;
        }
        if (client->in_len >= needed) {
            *out_kind = (enum control_kind)client->in[4];
            *out_payload = bytes_of(client->in + HEAD_LEN, needed - HEAD_LEN);
            client->taken = needed;
            return STATUS_OK;
        }
        enum status status = wait_readable(client->socket, deadline_ms);
        if (status == STATUS_OK) {
            status = read_more(client, needed);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
}

/* --- calls ------------------------------------------------------------------------------------ */

enum status control_status_of_name(struct bytes name)
{
    for (int i = 0; i < STATUS_COUNT; i++) {
        if (bytes_equal(name, bytes_of_text(status_name((enum status)i)))) {
            return (enum status)i;
        }
    }
    return STATUS_ERROR;
}

static enum status read_problem(struct bytes payload, struct fault *fault)
{
    json_t *problem =
        json_loadb((const char *)payload.data, payload.len, JSON_REJECT_DUPLICATES, NULL);
    const char *name = json_string_value(json_object_get(problem, "status"));
    const char *text = json_string_value(json_object_get(problem, "text"));
    enum status status =
        name == NULL ? STATUS_PROTOCOL_ERROR : control_status_of_name(bytes_of_text(name));
    status = status == STATUS_OK ? STATUS_ERROR : status;
    (void)fault_set(fault, status, "%s", text == NULL ? "" : text);
    json_decref(problem);
    return status;
}

static enum status send_call(struct control_client *client, const char *command, json_t *arguments)
{
    json_t *call = json_pack("{s:s}", "command", command);
    if (arguments != NULL) {
        (void)json_object_set(call, "arguments", arguments);
    }
    char *text = json_dumps(call, JSON_COMPACT);
    json_decref(call);
    if (text == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = control_send(client, CONTROL_CALL, bytes_of_text(text));
    free(text);
    return status;
}

enum status control_call(struct control_client *client, const char *command, json_t *arguments,
                         json_t **out_result, struct fault *fault)
{
    enum control_kind kind = CONTROL_PROBLEM;
    struct bytes payload = BYTES_NONE;
    enum status status = send_call(client, command, arguments);
    /* A refusal may be waiting although the connection is closed already. */
    if (status == STATUS_OK || status == STATUS_CLOSED) {
        status = control_receive(client, -1, &kind, &payload);
    }
    if (status != STATUS_OK) {
        return fault_set(fault, status, "%s", "");
    }
    if (kind == CONTROL_PROBLEM) {
        return read_problem(payload, fault);
    }
    json_t *result = kind == CONTROL_RESULT ? json_loadb((const char *)payload.data, payload.len,
                                                         JSON_REJECT_DUPLICATES, NULL)
                                            : NULL;
    if (result == NULL) {
        return fault_set(fault, STATUS_PROTOCOL_ERROR, "%s", "the daemon's answer is unreadable");
    }
    *out_result = result;
    return STATUS_OK;
}
