/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations 300, 301: a prefix is homed here, or given up (protocol.md §5.7). Who may is said by
 * the settings, not by records.
 */
#pragma once

#include "resolver/exchange.h"

exchange_handler op_home;
exchange_handler op_unhome;
