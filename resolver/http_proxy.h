/* SPDX-License-Identifier: Apache-2.0
 *
 * Behind a proxy: whom it speaks for (limits.trusted_proxies). Pure.
 */
#pragma once

#include "resolver/http.h"

/* When the peer is a trusted proxy, `client` becomes the last address of X-Forwarded-For that is
 * not one itself, and X-Forwarded-Proto says whether the client came through TLS. Forwarded (RFC
 * 7239) is not read: a proxy that does not know it passes on what the client made up. */
void http_proxy_believe(const struct generation *generation, struct http_request *request);
