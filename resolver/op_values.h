/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations 102, 103, 104: values are added to a record, removed, modified (protocol.md §5.4).
 *
 * The record is read, edited and put back as a whole, resting on the version that was read, so that
 * of two concurrent changes none is lost.
 */
#pragma once

#include "resolver/exchange.h"

exchange_handler op_add_value;
exchange_handler op_remove_value;
exchange_handler op_modify_value;
