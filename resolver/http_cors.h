/* SPDX-License-Identifier: Apache-2.0
 *
 * Pages of other origins may ask (protocol.md §9.9): any origin, without credentials of the
 * browser's own.
 */
#pragma once

#include "resolver/http.h"

/* Answers a preflight; false: it is none. */
bool http_cors_answer(struct http_call *call);

/* What every reply to a page of another origin says; before its fields end. */
void http_cors_fields(struct http_call *call);
