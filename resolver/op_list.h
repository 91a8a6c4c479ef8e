/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations 105, 106, 302: the handles of a prefix, the prefixes derived from one, the prefixes
 * homed here, fifty names a message (protocol.md §5.5).
 */
#pragma once

#include "resolver/exchange.h"

exchange_handler op_list_handles;
exchange_handler op_list_derived;
exchange_handler op_list_homed;
