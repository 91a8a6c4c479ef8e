/* SPDX-License-Identifier: Apache-2.0
 *
 * From an operation code to its handler: the row of opcode.def says which one and where it may be
 * asked.
 */
#pragma once

#include "resolver/exchange.h"

/* Answers x->message through its handler, or refuses: 5 for codes without a row, 4 for operation 0
 * and where the transport is not the row's, 500 for a MAC of a session nobody has. */
enum status dispatch_run(struct exchange *x);
