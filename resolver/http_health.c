/* SPDX-License-Identifier: Apache-2.0
 *
 * For those who watch over the process: is it alive, and should it be sent requests?
 */
#include "resolver/http_route.h"
#include "resolver/worker.h"

static enum status say(struct http_call *call, unsigned status, const char *text)
{
    http_reply_begin(call, status);
    http_reply_field(call, "Cache-Control", BYTES_LITERAL("no-store"));
    http_reply_body(call, "text/plain; charset=utf-8", bytes_of_text(text));
    return STATUS_OK;
}

enum status http_health_alive(struct http_call *call)
{
    return say(call, 200, "alive\n");
}

/* That a handler runs says that the store can be read. */
enum status http_health_ready(struct http_call *call)
{
    if (call->worker->is_draining) {
        return say(call, 503, "stopping\n");
    }
    if (registry_damage(call->worker->options.registry) != NULL) {
        return say(call, 503, "the store takes no writes\n");
    }
    return say(call, 200, "ready\n");
}
