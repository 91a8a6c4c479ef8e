/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations 200 and 201: an answer to a challenge (protocol.md §5.8, §5.9), and another server's
 * question whether one is right (§5.10).
 */
#pragma once

#include "resolver/exchange.h"

/* Takes the challenge, and executes the request it was given for in the name of whoever answers. */
exchange_handler op_answer;

/* Judges an answer against a secret key of this node; limited per handle and per address. */
exchange_handler op_verify;
