/* SPDX-License-Identifier: Apache-2.0
 *
 * The smallest HTTP/1.1 server that a scraper is content with (metrics_port.h): one request a
 * connection, judged by its first line alone once its header section is complete, then closed.
 */
#include "resolver/metrics_port.h"

#include <stdlib.h>

#include "resolver/net_socket.h"

#define HEAD_MAX 256 /* of an answer */

/* A connection: reads until the empty line, then writes `answer`. */
struct scrape {
    struct metrics_port *port;
    size_t slot; /* where it stands there */
    struct net_stream *stream;
    struct net_timer *timer;
    char *answer; /* NULL while the request is read */
    size_t answer_len;
    size_t answer_at;
    size_t request_len;
    uint8_t request[METRICS_PORT_REQUEST_MAX];
};

struct metrics_port {
    struct metrics_port_options options;
    struct net_listener *listener;
    struct scrape *scrapes[METRICS_PORT_CONNECTIONS_MAX];
};

static void scrape_free(struct scrape *scrape)
{
    scrape->port->scrapes[scrape->slot] = NULL;
    net_stream_close(scrape->stream);
    net_timer_free(scrape->timer);
    free(scrape->answer);
    free(scrape);
}

/* --- answering ------------------------------------------------------------------------------- */

static void write_some(struct scrape *scrape)
{
    while (scrape->answer_at < scrape->answer_len) {
        size_t took = 0;
        enum status status = net_stream_write(
            scrape->stream,
            bytes_of(scrape->answer + scrape->answer_at, scrape->answer_len - scrape->answer_at),
            &took);
        if (status == STATUS_PENDING) {
            net_stream_want(scrape->stream, false, true);
            return;
        }
        if (status != STATUS_OK) {
            break;
        }
        scrape->answer_at += took;
    }
    scrape_free(scrape);
}

/* The body, "" at worst: the caller's to free. NULL: no memory. */
static char *families(const struct metrics_port *port, size_t *out_len)
{
    char *body = NULL;
    FILE *out = open_memstream(&body, out_len);
    if (out == NULL) {
        return NULL;
    }
    port->options.write(port->options.context, out);
    (void)fputs("# EOF\n", out);
    if (fclose(out) != 0) {
        free(body);
        return NULL;
    }
    return body;
}

/* Begins to send; the connection ends with it. `outcome` may bring header lines of its own. */
static void answer(struct scrape *scrape, const char *outcome, const char *type, struct bytes body)
{
    char head[HEAD_MAX];
    int head_len = snprintf(head, sizeof(head),
                            "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                            "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
                            outcome, type, body.len);
    if (head_len > 0 && (size_t)head_len < sizeof(head)) {
        scrape->answer = malloc((size_t)head_len + body.len);
    }
    if (scrape->answer == NULL) {
        scrape_free(scrape);
        return;
    }
    memcpy(scrape->answer, head, (size_t)head_len);
    memcpy(scrape->answer + head_len, body.data, body.len);
    scrape->answer_len = (size_t)head_len + body.len;
    net_timer_start(scrape->timer, METRICS_PORT_MS);
    write_some(scrape);
}

static void refuse(struct scrape *scrape, const char *outcome)
{
    answer(scrape, outcome, "text/plain; charset=utf-8",
           BYTES_LITERAL("guantong: GET /metrics is all there is\n"));
}

static void answer_figures(struct scrape *scrape)
{
    size_t len = 0;
    char *body = families(scrape->port, &len);
    if (body == NULL) {
        refuse(scrape, "503 Service Unavailable");
        return;
    }
    answer(scrape, "200 OK", "application/openmetrics-text; version=1.0.0; charset=utf-8",
           bytes_of(body, len));
    free(body);
}

/* --- reading --------------------------------------------------------------------------------- */

/* Up to `stop`, which is passed over; all that is left when it does not come. */
static struct bytes cut(struct bytes *rest, uint8_t stop)
{
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->data, stop, rest->len);
    struct bytes part = at == NULL ? *rest : bytes_of(rest->data, (size_t)(at - rest->data));
    *rest = bytes_from(*rest, part.len + 1);
    return part;
}

static void judge(struct scrape *scrape)
{
    struct bytes rest = bytes_of(scrape->request, scrape->request_len);
    struct bytes line = cut(&rest, '\r');
    struct bytes method = cut(&line, ' ');
    struct bytes target = cut(&line, ' ');
    struct bytes path = cut(&target, '?');
    if (!bytes_equal(line, BYTES_LITERAL("HTTP/1.1")) &&
        !bytes_equal(line, BYTES_LITERAL("HTTP/1.0"))) {
        refuse(scrape, "400 Bad Request");
    } else if (!bytes_equal(path, BYTES_LITERAL("/metrics"))) {
        refuse(scrape, "404 Not Found");
    } else if (!bytes_equal(method, BYTES_LITERAL("GET"))) {
        refuse(scrape, "405 Method Not Allowed\r\nAllow: GET");
    } else {
        answer_figures(scrape);
    }
}

static bool is_complete(const struct scrape *scrape)
{
    return memmem(scrape->request, scrape->request_len, "\r\n\r\n", 4) != NULL;
}

static void scrape_on_readable(void *context)
{
    struct scrape *scrape = context;
    size_t len = 0;
    enum status status = net_stream_read(scrape->stream, scrape->request + scrape->request_len,
                                         sizeof(scrape->request) - scrape->request_len, &len);
    if (status == STATUS_PENDING) {
        return;
    }
    if (status != STATUS_OK) {
        scrape_free(scrape);
        return;
    }
    scrape->request_len += len;
    bool is_full = scrape->request_len == sizeof(scrape->request);
    if (is_complete(scrape)) {
        net_stream_want(scrape->stream, false, false);
        judge(scrape);
    } else if (is_full) {
        net_stream_want(scrape->stream, false, false);
        refuse(scrape, "431 Request Header Fields Too Large");
    }
}

static void scrape_on_writable(void *context)
{
    write_some(context);
}

static void scrape_on_failed(void *context, enum status status)
{
    (void)status;
    scrape_free(context);
}

static void scrape_on_time_up(void *context)
{
    scrape_free(context);
}

/* --- opening --------------------------------------------------------------------------------- */

/* Takes `stream` over in any case. */
static void metrics_port_on_accepted(void *context, struct net_stream *stream)
{
    static const struct net_stream_events events = {
        .readable = scrape_on_readable,
        .writable = scrape_on_writable,
        .failed = scrape_on_failed,
    };
    struct metrics_port *port = context;
    size_t slot = 0;
    if (stream == NULL) {
        return;
    }
    while (slot < METRICS_PORT_CONNECTIONS_MAX && port->scrapes[slot] != NULL) {
        slot++;
    }
    struct scrape *scrape = slot < METRICS_PORT_CONNECTIONS_MAX ? calloc(1, sizeof(*scrape)) : NULL;
    if (scrape == NULL ||
        net_timer_new(port->options.net, scrape_on_time_up, scrape, &scrape->timer) != STATUS_OK) {
        free(scrape);
        net_stream_close(stream);
        return;
    }
    scrape->port = port;
    scrape->stream = stream;
    scrape->slot = slot;
    port->scrapes[slot] = scrape;
    net_timer_start(scrape->timer, METRICS_PORT_MS);
    net_stream_set_events(stream, &events, scrape);
    net_stream_want(stream, true, false);
}

enum status metrics_port_open(const struct metrics_port_options *options,
                              struct metrics_port **out_port, struct fault *fault)
{
    struct metrics_port *port = calloc(1, sizeof(*port));
    if (port == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
    }
    port->options = *options;
    /* Port 0 (tests) is nobody's yet. */
    enum status status =
        options->address.port == 0 ? STATUS_OK : net_socket_probe(&options->address, fault);
    if (status == STATUS_OK) {
        status = net_listen(options->net, &options->address, metrics_port_on_accepted, port,
                            &port->listener, fault);
    }
    if (status != STATUS_OK) {
        free(port);
        return status;
    }
    *out_port = port;
    return STATUS_OK;
}

void metrics_port_close(struct metrics_port *port)
{
    if (port != NULL) {
        net_listener_close(port->listener);
        for (size_t i = 0; i < METRICS_PORT_CONNECTIONS_MAX; i++) {
            if (port->scrapes[i] != NULL) {
                scrape_free(port->scrapes[i]);
            }
        }
        free(port);
    }
}

struct net_address metrics_port_local(const struct metrics_port *port)
{
    return net_listener_local(port->listener);
}
