/* SPDX-License-Identifier: Apache-2.0
 *
 * What a worker keeps for its HTTP connections together (http_stream.c). Its thread only.
 */
#pragma once

struct http_worker;

/* NULL: no memory. */
struct http_worker *http_worker_new(void);
/* NULL is allowed; after the connections. */
void http_worker_free(struct http_worker *http);
