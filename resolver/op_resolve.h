/* SPDX-License-Identifier: Apache-2.0
 *
 * OC_RESOLUTION (1): filters and read permissions (protocol.md §5.2, §7.3).
 */
#pragma once

#include "resolver/exchange.h"

/* A record that is all-public, asked whole and uncertified, is copied as it is stored; everything
 * else is walked value by value. Neither takes memory. */
exchange_handler op_resolve;
