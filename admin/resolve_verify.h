/* SPDX-License-Identifier: Apache-2.0
 *
 * `guantong resolve --verify`: following the signatures of an answer here, whatever the server says
 * of them, and telling who signed what.
 *
 * Roots come from --trust-root, or from trust.roots of the node's directory. Results live in the
 * command's arena until resolve_verify_done.
 */
#pragma once

#include "admin/command.h"
#include "protocol/chain.h"

struct trust_roots;

/* The certificates of a handle, wherever they are: OK; HANDLE_NOT_FOUND, VALUES_NOT_FOUND; anything
 * else: they cannot be had. */
typedef enum status resolve_verify_fetch(void *context, struct bytes handle,
                                         const struct value **out_values, size_t *out_count);

struct resolve_verify {
    struct trust_roots *roots;
    struct chain_options options;
    struct record record; /* what was judged */
    struct chain chain;
    enum status status; /* OK: it was judged */
};

/* EXIT_OK, or the exit code of a problem that was said. */
int resolve_verify_open(struct command_call *call, struct resolve_verify *out_verify);
void resolve_verify_done(struct resolve_verify *verify);

/* Judges; the outcome is in `verify`. */
void resolve_verify_run(struct resolve_verify *verify, const struct record *record,
                        resolve_verify_fetch *fetch, void *context);

/* Every value is covered by a trusted signature, but for the signatures. */
bool resolve_verify_holds(const struct resolve_verify *verify);

void resolve_verify_print(struct command_call *call, const struct resolve_verify *verify);
json_t *resolve_verify_json(struct command_call *call, const struct resolve_verify *verify);
