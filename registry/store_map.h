/* SPDX-License-Identifier: Apache-2.0
 *
 * The ceiling of the map: making it larger while others read.
 *
 * LMDB maps anew only while no transaction of the process is active. Writers are kept out by
 * write_lock; readers are counted while they may touch a page, wait for the moment a remapping
 * takes, and are waited for only briefly, so that neither side can hold up the other for long.
 */
#pragma once

#include "registry/store.h"

/* Around every time a read transaction is active. Entering waits while the map is exchanged. */
void store_map_enter(struct registry *registry);
void store_map_leave(struct registry *registry);

/* The same around a transaction that stays active for long, as a copy of the store does: until it
 * ends the ceiling stays, and nobody waits for it. */
void store_map_hold(struct registry *registry);
void store_map_release(struct registry *registry);

/* Under write_lock, without a transaction: raises the ceiling when the file nears it,
 * `coming_bytes` included. Best effort; the next group tries again. */
void store_map_care(struct registry *registry, uint64_t coming_bytes);

/* The same after MDB_MAP_FULL: true when there is more room now. */
bool store_map_grow(struct registry *registry);
