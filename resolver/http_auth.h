/* SPDX-License-Identifier: Apache-2.0
 *
 * Who sends an HTTP request (protocol.md §9.6). Credentials count over TLS only.
 */
#pragma once

#include "resolver/http.h"

/* Judges the Authorization field: calls `go_on` when there is none, or when it proved right, which
 * the call's questions then say (http_call_is_from); replies 401 otherwise. Returns what `go_on`
 * returns, or PENDING. The call's state is `go_on`'s from then on. */
enum status http_auth_begin(struct http_call *call, http_handler *go_on);

/* The fields of a 401 that say how to prove who one is: between begin and body. */
void http_auth_challenge(struct http_call *call);
