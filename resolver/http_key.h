/* SPDX-License-Identifier: Apache-2.0
 *
 * API keys over HTTP: `Authorization: Bearer gtk_<id>_<secret>`, or the same in `X-API-Key`.
 *
 * A key acts as the identity its row names, within prefixes, verbs and networks; whatever the call
 * asks the node goes through http_key_forbids, and nothing else decides it. Rows are read from the
 * call's snapshot: what is revoked ends with the next request. Wrong keys count against the address
 * they come from, never against the key: nobody locks another out.
 */
#pragma once

#include "registry/apikey_row.h"
#include "resolver/http.h"

/* What an API key allows; owned by the call's http_auth. */
struct http_grant {
    char id[APIKEY_ID_LEN + 1];
    uint32_t verbs;
    uint32_t prefix_count;
    size_t prefixes_len;
    uint8_t prefixes[]; /* encoded strings */
};

/* Does the request bring a key, whatever it is worth? */
bool http_key_is_shown(const struct http_request *request);

/* Judges it: calls `go_on`, whose questions come from the key's identity then, or replies 401, 403
 * or 429. */
enum status http_key_begin(struct http_call *call, http_handler *go_on);

void http_grant_free(struct http_grant *grant);

/* Why a question of this call may not be asked; NULL: it may. `packet` is envelope ‖ message. */
const char *http_key_forbids(const struct http_call *call, struct bytes packet);

/* The same of one item of a batch. */
const char *http_key_forbids_item(const struct http_call *call, enum apikey_verb verb,
                                  struct bytes name);

/* Tells the journal which key it is. */
void http_key_name(const struct http_call *call, struct exchange_terms *terms);

/* The answer to it, as the node would give it: access denied, and why. No bytes: no room. */
struct bytes http_key_refusal(const struct http_call *call, struct bytes packet, const char *why,
                              struct bytes room);
