/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations this node decodes but does not serve yet: each gets the answer an honest server owes
 * it (protocol.md §5.13).
 *
 * A body that does not decode is 4 throughout. A handler leaves this file when its operation is
 * served.
 */
#pragma once

#include "resolver/exchange.h"

/* Replication and maintenance: 5. */
exchange_handler op_next_txn_id;
exchange_handler op_retrieve_log;
exchange_handler op_dump_handles;
exchange_handler op_backup;
