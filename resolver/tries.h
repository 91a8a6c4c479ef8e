/* SPDX-License-Identifier: Apache-2.0
 *
 * How often something may be tried a minute, by whatever it is tried with (protocol.md §14 row 66).
 *
 * One table for all workers, of fixed size whoever asks: atomic counters found by a hash. Those who
 * share one share its tries. Any thread.
 */
#pragma once

#include "protocol/bytes.h"

/* What is tried; each is counted apart. */
enum tries_kind {
    TRIES_VERIFY_HANDLE,
    TRIES_VERIFY_ADDRESS,
    TRIES_PASSWORD_HANDLE,
    TRIES_PASSWORD_ADDRESS,
    TRIES_HANDSHAKE,
    TRIES_ELSEWHERE,
    TRIES_WRONG_ANSWER,
    TRIES_HTTP_FORWARD,
};

struct tries;

/* `seed` makes it unpredictable who shares a counter. NULL: no memory. */
struct tries *tries_new(uint64_t seed);
void tries_free(struct tries *tries);

/* Takes one of `limit` a minute; false: there is none left. */
bool tries_take(struct tries *tries, enum tries_kind kind, struct bytes name, int64_t limit,
                int64_t now_ms);

/* Is there one left? Takes none. */
bool tries_is_left(const struct tries *tries, enum tries_kind kind, struct bytes name,
                   int64_t limit, int64_t now_ms);
