/* SPDX-License-Identifier: Apache-2.0
 *
 * Operation 100: a new record, or another in its place; with a suffix made here when asked
 * (protocol.md §5.4, §7.2).
 */
#pragma once

#include "resolver/administer.h"

exchange_handler op_create;

/* --- its steps, for many at once (op_batch.c) --------------------------------------------------
 */

#define OP_CREATION_UUID_LEN 36

struct op_creation {
    struct body_values body;
    struct lookup found; /* version 0: there is none */
    bool overwrites;
    bool mints;
    uint8_t minted[HANDLE_MAX + OP_CREATION_UUID_LEN];
    struct auth_need need; /* to make what is there into what is asked for */
};

/* What is looked at for everybody: OK, or what to refuse with. Fills `found` and `need`. */
enum status op_create_examine(struct exchange *x, struct op_creation *creation,
                              struct fault *fault);

/* Whether the caller may; of an op_creation that was examined. */
administer_judge op_create_judge;
