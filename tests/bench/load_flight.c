/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of requests under way (load_flight.h). An id's low 16 bits name the place, the 15 bits
 * above them its generation, from 1: ids are positive, as clients make them (protocol.md §3.3).
 */
#include "tests/bench/load_flight.h"

#include <stdlib.h>

#define PLACE_BITS 16
#define PLACE_MASK (FLIGHT_MAX - 1)
#define GENERATION_MASK 0x7fffu

static uint32_t next_id(uint32_t id)
{
    uint32_t generation = ((id >> PLACE_BITS) + 1) & GENERATION_MASK;
    generation = generation == 0 ? 1 : generation;
    return generation << PLACE_BITS | (id & PLACE_MASK);
}

bool flight_init(struct flight *flight, uint32_t size)
{
    *flight = (struct flight){.size = size, .free_count = size};
    flight->requests = calloc(size, sizeof(*flight->requests));
    flight->free = calloc(size, sizeof(*flight->free));
    if (flight->requests == NULL || flight->free == NULL) {
        flight_done(flight);
        return false;
    }
    for (uint32_t i = 0; i < size; i++) {
        flight->requests[i].id = i;
        flight->free[i] = i;
    }
    return true;
}

void flight_done(struct flight *flight)
{
    free(flight->requests);
    free(flight->free);
    *flight = (struct flight){0};
}

struct flight_request *flight_take(struct flight *flight)
{
    if (flight->free_count == 0) {
        return NULL;
    }
    struct flight_request *request = &flight->requests[flight->free[flight->free_at]];
    flight->free_at = (flight->free_at + 1) % flight->size;
    flight->free_count--;
    request->previous = request->state;
    request->id = next_id(request->id);
    request->state = FLIGHT_WAITING;
    request->pieces = 0;
    return request;
}

void flight_release(struct flight *flight, struct flight_request *request,
                    enum flight_state outcome)
{
    request->state = outcome;
    uint32_t end = (flight->free_at + flight->free_count) % flight->size;
    flight->free[end] = (uint32_t)(request - flight->requests);
    flight->free_count++;
}

struct flight_request *flight_find(struct flight *flight, uint32_t id)
{
    uint32_t place = id & PLACE_MASK;
    return place < flight->size ? &flight->requests[place] : NULL;
}

bool flight_is_previous(const struct flight_request *request, uint32_t id)
{
    return request->previous != FLIGHT_FREE && next_id(id) == request->id;
}
