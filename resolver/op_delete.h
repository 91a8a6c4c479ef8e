/* SPDX-License-Identifier: Apache-2.0
 *
 * Operation 101: a record is deleted (protocol.md §5.4).
 */
#pragma once

#include "resolver/administer.h"

exchange_handler op_delete;

/* Whether the caller may delete this record: of a lookup that found it. */
administer_judge op_delete_judge;
