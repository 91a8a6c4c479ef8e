/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations this node decodes but does not serve yet: each gets the answer an honest server
 * without sessions and identities owes it (protocol.md §5.4-§5.13, §12.3).
 *
 * A body that does not decode is 4 throughout. A handler leaves this file when its operation is
 * served.
 */
#pragma once

#include "resolver/exchange.h"

/* Administration: 102, 301 where the prefix is not served here, else 402 with a challenge (408 to
 * the national SDK, which answers a challenge to nothing but its login). */
exchange_handler op_create;
exchange_handler op_delete;
exchange_handler op_add_value;
exchange_handler op_remove_value;
exchange_handler op_modify_value;
exchange_handler op_list_handles;
exchange_handler op_list_derived;
exchange_handler op_home;
exchange_handler op_unhome;
exchange_handler op_list_homed;

/* Replication and maintenance: 5. */
exchange_handler op_next_txn_id;
exchange_handler op_retrieve_log;
exchange_handler op_dump_handles;
exchange_handler op_backup;
