/* SPDX-License-Identifier: Apache-2.0
 *
 * How servers answered so far: round trip, failures in a row, until when one is left alone.
 *
 * A table of fixed size, one per worker; the entry unused for the longest time makes room. Time and
 * chance are passed in, so it is pure.
 */
#pragma once

#include "resolver/service.h"

#define SERVER_HEALTH_FIRST_MS 100 /* what a server nobody asked yet is expected to take */

struct server_health;

struct server_health_table;

struct server_health_table *server_health_new(void);
void server_health_free(struct server_health_table *table);

/* Its entry; lives until the next call, and while a question is under way. NULL: every entry has
 * one. */
struct server_health *server_health_of(struct server_health_table *table,
                                       const struct service_target *target, int64_t now_ms);
/* The same if there is one already. */
const struct server_health *server_health_find(const struct server_health_table *table,
                                               const struct service_target *target);

/* NULL: of a server nobody asked yet. */
int64_t server_health_rtt(const struct server_health *health);

/* May it be asked now? Not while it is left alone, nor beyond `most` questions at once. */
bool server_health_admits(const struct server_health *health, size_t most, int64_t now_ms);

/* A question goes out. Of a server that failed before only one goes: the others wait until
 * `patience_ms` have passed. */
void server_health_asked(struct server_health *health, int64_t now_ms, int64_t patience_ms);

/* It came to an end: answered, passed over for a quicker one after so long, or failed. `chance` is
 * any 16 bits: the while it is left alone is spread by a quarter. Who answered others meanwhile is
 * not left alone: it is that question it has no answer to, and whoever asks it must not take the
 * server from all others. */
void server_health_answered(struct server_health *health, int64_t now_ms, int64_t took_ms);
void server_health_passed(struct server_health *health, int64_t waited_ms);
void server_health_failed(struct server_health *health, int64_t asked_ms, int64_t now_ms,
                          int64_t hold_max_ms, uint16_t chance);
