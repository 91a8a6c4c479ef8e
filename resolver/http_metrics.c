/* SPDX-License-Identifier: Apache-2.0
 *
 * The node's figures as OpenMetrics, for limits.trusted_networks; to strangers there is no such
 * path. Loopback alone is no reason to trust: a proxy nobody told us about asks from there.
 */
#include <stdio.h>
#include <stdlib.h>

#include "resolver/http_route.h"
#include "resolver/sources.h"
#include "resolver/worker.h"

#define METRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

static bool may_see(const struct http_call *call)
{
    const struct generation *generation = call->scope->generation;
    return sources_trust(&call->request.client, generation->trusted, generation->trusted_count);
}

enum status http_metrics_get(struct http_call *call)
{
    const struct worker_options *options = &call->worker->options;
    char *text = NULL;
    size_t len = 0;
    FILE *out = NULL;
    if (options->write_metrics == NULL || !may_see(call)) {
        http_reply_problem(call, 404, STATUS_NOT_FOUND, NULL);
        return STATUS_OK;
    }
    out = open_memstream(&text, &len);
    if (out == NULL) {
        return STATUS_NO_MEMORY;
    }
    options->write_metrics(options->metrics_context, out);
    (void)fputs("# EOF\n", out);
    if (fclose(out) != 0) {
        free(text);
        return STATUS_NO_MEMORY;
    }
    http_reply_begin(call, 200);
    http_reply_body(call, METRICS_TYPE, bytes_of(text, len));
    free(text);
    return STATUS_OK;
}
