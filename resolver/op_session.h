/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations 400 to 402: setting up a session, ending it, sending its key (protocol.md §5.11,
 * §5.12).
 *
 * Served: Diffie-Hellman (4), which stock clients use, and a key sealed to the client's RSA key,
 * sent along (1) or found in a record (3). A key sent by the client (2) is refused with 504.
 */
#pragma once

#include "resolver/exchange.h"

exchange_handler op_session_setup;
exchange_handler op_session_terminate;
exchange_handler op_session_exchange;
