/* SPDX-License-Identifier: Apache-2.0
 *
 * Which values of a record a resolution asks for: the union of its indexes and types, everything
 * when it names neither (protocol.md §5.2).
 *
 * A stranger may send 2 048 types against 2 048 values whose types differ in their last byte only;
 * one by one that is seconds of comparing in one request. So long lists of types are hashed first,
 * with a key the stranger does not know: the cost is the bytes of the request plus the bytes of the
 * record. Borrows from the request and the arena; no thread rules.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/body.h"

struct selection_slot;

struct selection {
    const struct body_resolution *asked;
    struct selection_slot *slots; /* NULL: the list is short, types are compared one by one */
    uint32_t mask;
    uint64_t key;
};

/* From this many types on they are hashed: `selection_init` wants an unpredictable key. */
#define SELECTION_HASHED 8

/* NO_MEMORY. */
enum status selection_init(struct selection *selection, const struct body_resolution *asked,
                           struct arena *arena, uint64_t key);

bool selection_is_everything(const struct selection *selection);
bool selection_has(const struct selection *selection, const struct value *value);
