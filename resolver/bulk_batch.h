/* SPDX-License-Identifier: Apache-2.0
 *
 * Many changes of records at once: a line of JSON each, what became of each.
 *
 *   {"op":"create","handle":"88.608.8889/P-1","values":[...]}
 *   {"op":"put","handle":"88.608.8889/P-2","values":[...],"if_version":3}
 *   {"op":"delete","handle":"88.608.8889/P-3"}
 *
 * Held by the HTTP call that read it and by the exchange that carries it out (op_batch.h), which
 * goes on when the connection has gone. One worker's thread.
 */
#pragma once

#include "registry/repeats.h"
#include "resolver/http.h"
#include "resolver/rest_json_write.h"

enum batch_operation { BATCH_UNKNOWN, BATCH_CREATE, BATCH_PUT, BATCH_DELETE };

struct batch_item {
    size_t line; /* of the request, from 1 */
    enum batch_operation operation;
    size_t at; /* in `bytes`: the handle, and values that are to be put, as a message has them */
    size_t len;
    size_t handle_len; /* 0: not readable */
    bool has_version;
    uint64_t if_version;
    bool is_malformed;
    const char *forbids_creating; /* why the caller's API key does; NULL: it does not */
    const char *forbids_changing; /* or deleting */

    /* what became of it */
    enum status status; /* PENDING: nothing yet */
    bool is_unchanged;
    bool is_in_set;
    uint64_t version;
    char *text; /* why it was refused; owned, NULL: its status tells */
};

struct batch {
    unsigned holders;
    bool is_all; /* all or nothing */
    bool has_repeat;
    uint8_t repeat_key[CHANGE_REPEAT_LEN];
    uint8_t repeat_digest[CHANGE_REPEAT_LEN];
    struct http_body bytes;
    struct batch_item *items;
    size_t count;
    size_t capacity;

    /* while it is carried out */
    struct change_set *set; /* NULL: to be begun */
    size_t next;            /* item to be judged */
    uint32_t *slots;        /* of handles: item + 1 */
    size_t slot_count;
    uint64_t hash_key[2];

    /* at its end */
    bool is_committed;
    bool was_repeated; /* it had been done before */
    bool clashes;      /* its key belongs to another request */
};

/* Held once; NULL: no memory. */
struct batch *batch_new(bool is_all);
struct batch *batch_hold(struct batch *batch);
void batch_release(struct batch *batch); /* NULL is allowed */

/* Adds the item a line says; one that is not understood is refused in its place. NO_MEMORY. */
enum status batch_add(struct batch *batch, struct bytes line, size_t number, struct arena *arena);

struct bytes batch_handle(const struct batch *batch, const struct batch_item *item);

/* `text` may be empty. */
void batch_refuse(struct batch_item *item, enum status status, const char *text);

/* Before all is decided anew: what was malformed stays refused. */
void batch_begin_again(struct batch *batch);

/* The item before `at` that is about the same handle; NULL: none. `rule`: its prefix's. NO_MEMORY
 * is told by `out_status`. */
const struct batch_item *batch_meets(struct batch *batch, size_t at, enum case_rule rule,
                                     enum status *out_status);

/* How many were refused. */
size_t batch_refused(const struct batch *batch);

/* The set came back. */
void batch_take(struct batch *batch, const struct change_set *done);

/* What is kept of those that were refused, and what was kept of all. NO_MEMORY; CORRUPT. */
enum status batch_note(const struct batch *batch, struct http_body *out_note);
enum status batch_recall(struct batch *batch, const struct repeat_row *row);

/* {"line":1,"op":"create","handle":...,"responseCode":1,"version":1} */
void batch_write_item(const struct batch *batch, size_t at, struct rest_json *json);
/* {"summary":{...}} */
void batch_write_summary(const struct batch *batch, struct rest_json *json);
