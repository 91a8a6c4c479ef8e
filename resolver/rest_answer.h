/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of the Handle protocol as REST has them: HTTP status and JSON (protocol.md §9.3, §9.4).
 * Pure; everything lives in the arena.
 */
#pragma once

#include "protocol/message.h"
#include "protocol/selection.h"
#include "registry/registry.h"
#include "resolver/rest_json_write.h"

enum rest_kind {
    REST_RESOLVE,
    REST_PUT,    /* 201 for what was not there */
    REST_CHANGE, /* everything else that is asked for by administrators */
    REST_SITE,
};

struct rest_reply {
    unsigned status;   /* of HTTP */
    uint32_t code;     /* of the Handle protocol */
    struct bytes body; /* compact JSON */
};

/* The HTTP status of a response code (§9.3): 401 is 403 where nobody may prove who they are. */
unsigned rest_answer_status(enum rest_kind kind, uint32_t code, bool may_authenticate);

/* What `packet` says about `handle`, as it was asked for. PROTOCOL_ERROR: the packet is no answer
 * to that; NO_MEMORY. */
enum status rest_answer_read(struct arena *arena, enum rest_kind kind, struct bytes handle,
                             struct bytes packet, struct rest_reply *out_reply);

/* The same from a record that everybody may read, without a packet in between; `selection`: which
 * of its values. CORRUPT, NO_MEMORY. */
enum status rest_answer_record(struct arena *arena, struct bytes handle,
                               const struct record_row *record, const struct selection *selection,
                               struct rest_reply *out_reply);

/* {"responseCode":CODE,"message":TEXT,"handle":HANDLE}; empty ones are left out. */
struct bytes rest_answer_error(struct arena *arena, uint32_t code, struct bytes text,
                               struct bytes handle);

/* The text of a refusal, empty when it has none. */
struct bytes rest_answer_text(const struct message *answer);

/* Appends the names of one message of a list, `*count` were before. PROTOCOL_ERROR. */
enum status rest_answer_names(struct rest_json *json, const struct message *answer,
                              uint64_t *count);
