/* SPDX-License-Identifier: Apache-2.0
 *
 * Heads written, answers read (tunnel.h).
 */
#include "resolver/tunnel.h"

#include <inttypes.h>
#include <llhttp/llhttp.h>
#include <stdio.h>
#include <stdlib.h>

#define FIELD_MAX 128 /* of those that are looked at; longer ones are not what is looked for */

static const char media_type[] = "application/x-hdl-message";

struct tunnel {
    llhttp_t parser;
    llhttp_settings_t settings;
    uint8_t *content;
    size_t size;
    size_t len;
    size_t taken; /* bytes in all */
    char field[FIELD_MAX];
    size_t field_len;
    char value[FIELD_MAX];
    size_t value_len;
    bool has_type;
    bool is_whole;
};

/* --- the request ------------------------------------------------------------------------------ */

/* Printable ASCII that ends no line and begins no query. */
static bool is_path(struct bytes path)
{
    for (size_t i = 0; i < path.len; i++) {
        uint8_t c = path.data[i];
        if (c <= ' ' || c > '~' || c == '?' || c == '#' || c == '\\') {
            return false;
        }
    }
    return true;
}

static bool ends_with_slash(struct bytes path)
{
    return path.len > 0 && path.data[path.len - 1] == '/';
}

enum status tunnel_write_head(struct wire_writer *w, const struct net_address *server,
                              struct bytes path, size_t body_len)
{
    char host[NET_ADDRESS_TEXT];
    char head[TUNNEL_REQUEST_MAX];
    bool has_slash = path.len > 0 && path.data[0] == '/';
    if (!is_path(path)) {
        return STATUS_INVALID_VALUE;
    }
    net_address_text(server, host);
    int len = snprintf(head, sizeof(head),
                       "POST %s%.*s%s HTTP/1.1\r\n"
                       "Host: %s\r\n"
                       "Accept: %s\r\n"
                       "Content-Type: %s\r\n"
                       "Content-Length: %zu\r\n"
                       "Connection: close\r\n\r\n",
                       has_slash ? "" : "/", (int)path.len, (const char *)path.data,
                       path.len == 0 || ends_with_slash(path) ? "" : "/", host, media_type,
                       media_type, body_len);
    if (len < 0 || (size_t)len >= sizeof(head)) {
        return STATUS_NO_ROOM;
    }
    wire_put_raw(w, bytes_of(head, (size_t)len));
    return w->failed ? STATUS_NO_ROOM : STATUS_OK;
}

/* --- the answer ------------------------------------------------------------------------------- */

static struct tunnel *tunnel_of(llhttp_t *parser)
{
    return parser->data;
}

static void append(char *to, size_t *len, const char *from, size_t more)
{
    size_t room = FIELD_MAX - *len;
    size_t took = more < room ? more : room;
    memcpy(to + *len, from, took);
    *len += took;
}

static int tunnel_on_field(llhttp_t *parser, const char *at, size_t len)
{
    struct tunnel *tunnel = tunnel_of(parser);
    if (tunnel->value_len > 0) { /* of the field before */
        tunnel->field_len = 0;
        tunnel->value_len = 0;
    }
    append(tunnel->field, &tunnel->field_len, at, len);
    return 0;
}

static int tunnel_on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct tunnel *tunnel = tunnel_of(parser);
    append(tunnel->value, &tunnel->value_len, at, len);
    return 0;
}

/* Parameters behind the type do not count. */
static bool is_message_type(struct bytes value)
{
    const uint8_t *end = value.len == 0 ? NULL : memchr(value.data, ';', value.len);
    size_t len = end == NULL ? value.len : (size_t)(end - value.data);
    while (len > 0 && (value.data[len - 1] == ' ' || value.data[len - 1] == '\t')) {
        len--;
    }
    return bytes_equal_nocase(bytes_of(value.data, len), bytes_of_text(media_type));
}

static int tunnel_on_value_complete(llhttp_t *parser)
{
    struct tunnel *tunnel = tunnel_of(parser);
    if (bytes_equal_nocase(bytes_of(tunnel->field, tunnel->field_len),
                           BYTES_LITERAL("Content-Type"))) {
        tunnel->has_type = is_message_type(bytes_of(tunnel->value, tunnel->value_len));
    }
    tunnel->field_len = 0;
    tunnel->value_len = 0;
    return 0;
}

static int tunnel_on_head(llhttp_t *parser)
{
    const struct tunnel *tunnel = tunnel_of(parser);
    return parser->status_code == 200 && tunnel->has_type ? 0 : -1;
}

static int tunnel_on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct tunnel *tunnel = tunnel_of(parser);
    if (len > tunnel->size - tunnel->len) {
        return -1;
    }
    memcpy(tunnel->content + tunnel->len, at, len);
    tunnel->len += len;
    return 0;
}

static int tunnel_on_whole(llhttp_t *parser)
{
    tunnel_of(parser)->is_whole = true;
    return HPE_PAUSED;
}

struct tunnel *tunnel_new(uint8_t *content, size_t size)
{
    struct tunnel *tunnel = calloc(1, sizeof(*tunnel));
    if (tunnel == NULL) {
        return NULL;
    }
    llhttp_settings_init(&tunnel->settings);
    tunnel->settings.on_header_field = tunnel_on_field;
    tunnel->settings.on_header_value = tunnel_on_value;
    tunnel->settings.on_header_value_complete = tunnel_on_value_complete;
    tunnel->settings.on_headers_complete = tunnel_on_head;
    tunnel->settings.on_body = tunnel_on_body;
    tunnel->settings.on_message_complete = tunnel_on_whole;
    llhttp_init(&tunnel->parser, HTTP_RESPONSE, &tunnel->settings);
    tunnel->parser.data = tunnel;
    tunnel->content = content;
    tunnel->size = size;
    return tunnel;
}

void tunnel_free(struct tunnel *tunnel)
{
    free(tunnel);
}

enum status tunnel_take(struct tunnel *tunnel, struct bytes data)
{
    if (tunnel->is_whole) {
        return data.len == 0 ? STATUS_OK : STATUS_PROTOCOL_ERROR;
    }
    llhttp_errno_t error = llhttp_execute(&tunnel->parser, (const char *)data.data, data.len);
    tunnel->taken += data.len;
    if (tunnel->is_whole) {
        const char *end = llhttp_get_error_pos(&tunnel->parser);
        bool is_end = error == HPE_OK || end == (const char *)data.data + data.len;
        return is_end ? STATUS_OK : STATUS_PROTOCOL_ERROR;
    }
    if (error != HPE_OK || tunnel->taken - tunnel->len > TUNNEL_ANSWER_MAX) {
        return STATUS_PROTOCOL_ERROR;
    }
    return STATUS_PENDING;
}

enum status tunnel_end(struct tunnel *tunnel)
{
    if (!tunnel->is_whole) {
        (void)llhttp_finish(&tunnel->parser);
    }
    return tunnel->is_whole ? STATUS_OK : STATUS_CLOSED;
}

size_t tunnel_content_len(const struct tunnel *tunnel)
{
    return tunnel->len;
}
