/* SPDX-License-Identifier: Apache-2.0
 *
 * Idempotency-Key: whose request of which name this is, and what it says. Pure but for refusals.
 */
#pragma once

#include "registry/change_set.h"
#include "resolver/http.h"

#define HTTP_REPEAT_KEY_MAX 255 /* characters */

struct http_repeat {
    bool is_wanted;                    /* the field is there */
    uint8_t key[CHANGE_REPEAT_LEN];    /* of account and field */
    uint8_t digest[CHANGE_REPEAT_LEN]; /* of verb, path, query and body */
};

/* false: it was refused, as the field is no key or nobody has said who they are. */
bool http_repeat_read(struct http_call *call, struct http_repeat *out_repeat);

/* 422: the key belongs to another request. */
enum status http_repeat_refuse(struct http_call *call);
