/* SPDX-License-Identifier: Apache-2.0
 *
 * Operation 101: a record is deleted (protocol.md §5.4).
 */
#pragma once

#include "resolver/exchange.h"

exchange_handler op_delete;
