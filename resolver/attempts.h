/* SPDX-License-Identifier: Apache-2.0
 *
 * How often whoever asks may have something tried, by the settings: a minute, per address; trusted
 * networks as often as they like (tries.h). Worker's thread.
 */
#pragma once

#include "resolver/exchange.h"

enum attempt {
    ATTEMPT_ELSEWHERE,    /* another node is asked for a key or a group */
    ATTEMPT_WRONG_ANSWER, /* an answer to a challenge was wrong */
};

/* Counts one; false: there was none left, which is told. */
bool attempts_take(const struct exchange *x, enum attempt attempt);

/* Is one left? That there is none is told. */
bool attempts_are_left(const struct exchange *x, enum attempt attempt);
