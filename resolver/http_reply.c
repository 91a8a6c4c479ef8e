/* SPDX-License-Identifier: Apache-2.0
 *
 * Replies: put together in the call, then written behind the answers of this turn (http.h).
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "resolver/http_cors.h"
#include "resolver/http_parts.h"

#define LINE_ROOM 128

const char *http_reply_reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *words;
    } rows[] = {
        {100, "Continue"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {207, "Multi-Status"},
        {300, "Multiple Choices"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
        {508, "Loop Detected"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].status == status) {
            return rows[i].words;
        }
    }
    return "Answer";
}

/* --- the head ----------------------------------------------------------------------------------
 */

static void put(struct http_inside *inside, struct bytes text)
{
    struct buffer *reply = &inside->reply;
    size_t needed = reply->len + text.len;
    if (needed > reply->size && !buffer_reserve(reply, needed < 1024 ? 1024 : 2 * needed)) {
        inside->has_failed = true;
        return;
    }
    inside->has_failed |= !buffer_append(reply, text);
}

void http_reply_begin(struct http_call *call, unsigned status)
{
    struct http_inside *inside = call->inside;
    char line[LINE_ROOM];
    inside->reply.len = 0;
    inside->status = status;
    if (status == 200) {
        put(inside, BYTES_LITERAL("HTTP/1.1 200 OK\r\n"));
        return;
    }
    int len = snprintf(line, sizeof(line), "HTTP/1.1 %u %s\r\n", status, http_reply_reason(status));
    put(inside, bytes_of(line, (size_t)len));
}

static bool is_fit_for_field(struct bytes value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] == '\r' || value.data[i] == '\n' || value.data[i] == '\0') {
            return false;
        }
    }
    return true;
}

void http_reply_field(struct http_call *call, const char *name, struct bytes value)
{
    struct http_inside *inside = call->inside;
    if (!is_fit_for_field(value)) {
        struct log *log = call->worker->options.log;
        if (log != NULL) {
            log_write(log, LOG_LEVEL_WARNING, "http", "field %s left out (a line break in it)",
                      name);
        }
        return;
    }
    put(inside, bytes_of_text(name));
    put(inside, BYTES_LITERAL(": "));
    put(inside, value);
    put(inside, BYTES_LITERAL("\r\n"));
}

static struct bytes date_of(struct http_worker *http, int64_t now_ms)
{
    int64_t now_s = now_ms / 1000;
    if (http->date_s != now_s || http->date[0] == '\0') {
        time_t seconds = (time_t)now_s;
        struct tm parts;
        (void)gmtime_r(&seconds, &parts);
        (void)strftime(http->date, sizeof(http->date), "%a, %d %b %Y %H:%M:%S GMT", &parts);
        http->date_s = now_s;
    }
    return bytes_of_text(http->date);
}

static bool goes_on(const struct http_inside *inside)
{
    return inside->head.goes_on && !inside->stream->is_ending &&
           !inside->stream->worker->is_draining;
}

/* What every reply ends its fields with. */
static void put_common(struct http_inside *inside, bool has_length, size_t len)
{
    struct worker *worker = inside->stream->worker;
    char line[LINE_ROOM];
    http_cors_fields(&inside->call);
    if (has_length) {
        int length = snprintf(line, sizeof(line), "Content-Length: %zu\r\n", len);
        put(inside, bytes_of(line, (size_t)length));
    }
    put(inside, BYTES_LITERAL("Date: "));
    put(inside, date_of(worker->http, net_wall_ms(worker->options.net)));
    if (!goes_on(inside)) {
        put(inside, BYTES_LITERAL("\r\nConnection: close\r\n\r\n"));
    } else if (inside->head.is_old) {
        put(inside, BYTES_LITERAL("\r\nConnection: keep-alive\r\n\r\n"));
    } else {
        put(inside, BYTES_LITERAL("\r\n\r\n"));
    }
}

static void leave(struct http_inside *inside, struct bytes body)
{
    struct turn *turn = inside->turn;
    inside->has_replied = true;
    if (inside->has_failed) {
        inside->stream->is_dead = true;
        return;
    }
    turn_put(turn, bytes_of(inside->reply.data, inside->reply.len));
    if (inside->call.request.verb != HTTP_VERB_HEAD && body.len > 0) {
        turn_put(turn, body);
    }
    turn->answers++;
    if (!goes_on(inside)) {
        stream_end(inside->stream);
    }
}

void http_reply_body(struct http_call *call, const char *type, struct bytes body)
{
    struct http_inside *inside = call->inside;
    size_t most = (size_t)inside->stream->worker->generation->settings->limits_http_answer;
    if (inside->has_replied) {
        return;
    }
    if (body.len > most) {
        http_reply_problem(call, 500, STATUS_NO_ROOM, NULL);
        return;
    }
    if (type != NULL) {
        http_reply_field(call, "Content-Type", bytes_of_text(type));
    }
    put_common(inside, true, body.len);
    leave(inside, body);
}

void http_reply_end(struct http_call *call)
{
    struct http_inside *inside = call->inside;
    if (inside->has_replied) {
        return;
    }
    put_common(inside, inside->status != 204 && inside->status != 304, 0);
    leave(inside, BYTES_NONE);
}

void http_reply_problem(struct http_call *call, unsigned status, enum status why,
                        const char *detail)
{
    json_t *problem = json_pack("{ss, ss, ss, si, ss, ss*}", "type", "about:blank", "title",
                                status_english(why), "title_zh", status_chinese(why), "status",
                                (int)status, "code", status_name(why), "detail", detail);
    char *text = problem == NULL ? NULL : json_dumps(problem, JSON_COMPACT);
    http_reply_begin(call, status);
    if (status == 401) { /* RFC 9110 §11.6.1 wants one */
        http_reply_field(call, "WWW-Authenticate", BYTES_LITERAL("Basic realm=\"handle\""));
    }
    if (text == NULL) {
        http_reply_end(call);
    } else {
        http_reply_body(call, "application/problem+json", bytes_of_text(text));
    }
    free(text);
    json_decref(problem);
}

static void refuse(struct turn *turn, unsigned status, const char *type, const char *body)
{
    struct stream *stream = turn->stream;
    struct worker *worker = stream->worker;
    char text[512];
    struct bytes date = date_of(worker->http, net_wall_ms(worker->options.net));
    int len = snprintf(text, sizeof(text),
                       "HTTP/1.1 %u %s\r\nContent-Type: %s\r\n"
                       "Content-Length: %zu\r\nDate: %.*s\r\nConnection: close\r\n\r\n%s",
                       status, http_reply_reason(status), type, strlen(body), (int)date.len,
                       (const char *)date.data, body);
    turn_put(turn, bytes_of(text, (size_t)len));
    turn->answers++;
    turn->has_asked = true;
    stream->has_refused = true;
    stream_end(stream);
}

/* `more` are members of the problem behind the others. */
static void refuse_by_problem(struct turn *turn, unsigned status, const char *more)
{
    char body[256];
    (void)snprintf(body, sizeof(body),
                   "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u%s}",
                   http_reply_reason(status), status, more);
    refuse(turn, status, "application/problem+json", body);
}

void http_reply_refuse(struct turn *turn, unsigned status)
{
    refuse_by_problem(turn, status, "");
}

void http_reply_refuse_rest(struct turn *turn)
{
    char body[128];
    (void)snprintf(body, sizeof(body),
                   "{\"responseCode\":%u,\"message\":\"the address holds a broken escape\"}",
                   (unsigned)status_wire_code(STATUS_PROTOCOL_ERROR));
    refuse(turn, 400, "application/json;charset=utf-8", body);
}

void http_reply_plain(struct turn *turn)
{
    refuse_by_problem(turn, 400, ",\"detail\":\"this port speaks TLS: https://\"");
}

/* --- bodies ------------------------------------------------------------------------------------
 */

void http_body_put(struct http_body *body, struct bytes bytes)
{
    struct buffer buffer = {.data = body->data, .len = body->len, .size = body->size};
    size_t needed = body->len + bytes.len;
    if (!body->failed && needed > body->size) {
        body->failed =
            needed > HTTP_BODY_MAX || !buffer_reserve(&buffer, needed < 2048 ? 4096 : 2 * needed);
    }
    if (!body->failed && bytes.len > 0) {
        body->failed = !buffer_append(&buffer, bytes);
    }
    body->data = buffer.data;
    body->len = buffer.len;
    body->size = buffer.size;
}

void http_body_text(struct http_body *body, const char *text)
{
    http_body_put(body, bytes_of_text(text));
}

void http_body_free(struct http_body *body)
{
    free(body->data);
    *body = (struct http_body){0};
}
