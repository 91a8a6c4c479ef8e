/* SPDX-License-Identifier: Apache-2.0
 *
 * Versions of records as entity tags, and conditions on them (RFC 9110 §8.8.3, §13.1). Pure.
 *
 *   "17"           version 17 of the record, everything that is public
 *   "17-5f3a..."   the same as another request shows it: filtered, pretty, with restricted values
 *
 * A change may be asked for on any of these: it rests on the version.
 */
#pragma once

#include "resolver/http.h"

#define HTTP_TAG_ROOM 48

/* Written to `room`. */
struct bytes http_tag_make(uint64_t version, struct bytes query, bool is_public_only,
                           char room[HTTP_TAG_ROOM]);

/* Does If-None-Match name it? Then 304 is the answer. */
bool http_tag_is_known(const struct http_request *request, struct bytes tag);

/* Do If-Match and If-None-Match allow to change a record of this version (0: there is none)? Then
 * `out_terms` hold the change to it. */
bool http_tag_allows(const struct http_request *request, uint64_t version,
                     struct exchange_terms *out_terms);
