/* SPDX-License-Identifier: Apache-2.0
 *
 * From a path to its handler (http_routes.def), and what is said where there is none.
 */
#pragma once

#include "resolver/http.h"

/* Every handler of the node's own table. */
#define HTTP_ROUTE(verbs, path, is_beginning, handler) enum status handler(struct http_call *call);
#include "resolver/http_routes.def"
#undef HTTP_ROUTE

/* The node's own table. */
extern const struct http_routes http_routes_own;

/* Runs the first that fits: 404, 405 with Allow, and OPTIONS where no row answers it, are answered
 * here. `routes` may be NULL. */
enum status http_route_run(struct http_call *call, const struct http_routes *routes);
