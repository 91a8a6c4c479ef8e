/* SPDX-License-Identifier: Apache-2.0
 *
 * Operation 100: a new record, or another in its place; with a suffix made here when asked
 * (protocol.md §5.4, §7.2).
 */
#pragma once

#include "resolver/exchange.h"

exchange_handler op_create;
