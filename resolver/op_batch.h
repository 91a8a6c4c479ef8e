/* SPDX-License-Identifier: Apache-2.0
 *
 * Many changes of records in one change set: each judged as the operation of its own would be
 * (op_create.h, op_delete.h), in pieces between which others have their turn. What became of them
 * stands in the batch (bulk_batch.h); the answer says only that they were looked at.
 */
#pragma once

#include "resolver/exchange.h"

/* The operation code of the packet that asks for it; nobody outside has a use for it. */
#define OP_BATCH_OPCODE 0x47540001u

exchange_handler op_batch;
